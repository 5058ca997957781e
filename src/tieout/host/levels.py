"""
The money of an invoice in its table: two columns are written, and nothing else.

How a batch becomes a transaction is said in `tieout.host.transactions`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from attrs import frozen

from tieout.change import Change, Outcome
from tieout.errors import Code, Fault
from tieout.host.registers import Register
from tieout.host.sql import Database
from tieout.host.transactions import Step, came_of
from tieout.host.values import written
from tieout.models import Ref, Settlement

Wanted: TypeAlias = Callable[[Change], tuple[Ref, Settlement, Settlement]]
Held: TypeAlias = Mapping[str, dict[str, Any]]

_GUARDED = ("paid", "paid_on", "total", "currency", "number", "status")


@frozen
class LevelWriter:
    """Writes paid amounts and paid dates; ``wanted`` says which, or refuses a change."""

    register: Register
    wanted: Wanted
    minor_units: bool

    def look(self, database: Database, changes: Sequence[Change]) -> Held:
        return self.register.targets(database, changes)

    def step(self, change: Change, held: Held) -> Step | None:
        target, before, after = self.wanted(change)
        if target.id not in held:
            raise Fault(Code.VANISHED)
        row = held[target.id]
        now = self.register.record(row)
        if _as_wanted(now, after):
            return None
        moved = [n for n in _GUARDED if getattr(now, n) != getattr(before, n)]
        if moved or (before.version and before.version != now.version):
            text = f"changed: {', '.join(moved or ['version'])}"
            raise Fault(Code.STALE_VERSION, text)
        paid = written(after.paid, after.currency, minor_units=self.minor_units)
        values = {"paid_amount": paid, "date_paid": after.paid_on}
        return partial(self.register.sheet.update, values=values, held=row)

    def outcome(self, change: Change, count: int, now: Held) -> Outcome:
        target, _, after = self.wanted(change)
        read = self.register.record(now.get(target.id))
        return came_of(change, count, read, lambda level: _as_wanted(level, after))


def _as_wanted(read: Settlement, wanted: Settlement) -> bool:
    return (read.paid, read.paid_on) == (wanted.paid, wanted.paid_on)
