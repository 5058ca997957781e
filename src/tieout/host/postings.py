"""
Which invoices were handed over to the ledger, in their table: one column is written.

How a batch becomes a transaction is said in `tieout.host.transactions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from attrs import frozen

from tieout.change import Change, Outcome
from tieout.errors import Code, Fault
from tieout.host.registers import Register
from tieout.host.sql import Database
from tieout.host.transactions import Step, came_of
from tieout.host.wanted import not_moved, posted_at

Held: TypeAlias = Mapping[str, dict[str, Any]]


@frozen
class PostingWriter:
    """Writes when an invoice was handed over, or that it was not."""

    register: Register

    def look(self, database: Database, changes: Sequence[Change]) -> Held:
        return self.register.targets(database, changes)

    def step(self, change: Change, held: Held) -> Step | None:
        assert change.target is not None
        row = held.get(change.target.id)
        if row is None:
            raise Fault(Code.VANISHED)
        now, wanted = self.register.record(row), posted_at(change)
        if now.on == wanted:
            return None
        not_moved(now, change.before)
        values = {"posted_at": wanted}
        return partial(self.register.sheet.update, values=values, held=row)

    def outcome(self, change: Change, count: int, now: Held) -> Outcome:
        assert change.target is not None
        read = self.register.record(now.get(change.target.id))
        return came_of(change, count, read, lambda it: it.on == posted_at(change))
