"""
Writing to a database of the host's: a batch is one short transaction, looked at again
before it is committed.

What a change means in SQL is a `Writer`'s to say. Nothing here knows a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeAlias

from attrs import field, frozen

from tieout.change import Change, Outcome
from tieout.errors import Code, Fate, Fault
from tieout.host.flows import in_words, unknown
from tieout.host.sql import Database
from tieout.models import RecordType

GIVE_UP = 3
"""After so many failures of the database in a row the rest of a batch is not tried: each
may have waited for a lock."""

_FAILURES = {Code.SERVER_ERROR, Code.NOT_REACHED, Code.OUTCOME_UNKNOWN}
_HOPELESS = {Code.NOT_REACHED, Code.OUTCOME_UNKNOWN}

OTHERWISE = "the columns do not hold what was written to them"

Step: TypeAlias = Callable[[Database], int]
"""Carries one change out; how many rows it was."""


class Writer(Protocol):
    """How changes of one kind of record are written."""

    def look(self, database: Database, changes: Sequence[Change]) -> Any:
        """What stands there of these changes, now."""
        ...

    def step(self, change: Change, held: Any) -> Step | None:
        """
        What carries a change out, or None where all is as wanted.

        A `Fault` says why it is not carried out: nothing was done yet, and its neighbours
        go on. What is raised by the step itself takes the batch back.
        """
        ...

    def outcome(self, change: Change, count: int, now: Any) -> Outcome:
        """What came of it, looked at again; a `Fault` takes the batch back."""
        ...


def came_of(
    change: Change, count: int, read: Any, is_done: Callable[[Any], bool]
) -> Outcome:
    """
    What came of a change of one row, by the record that it is now.

    A `Fault` takes the batch back: what was written did not land as it is.
    """
    if count > 1:
        raise Fault(Code.REFUSED, "more than one row has this id")
    if read is None:
        return Outcome.failed(change, Fault(Code.VANISHED))
    if is_done(read):
        return Outcome.applied(change, version=read.version)
    if count < 1:
        return Outcome.failed(change, Fault(Code.STALE_VERSION))
    raise Fault(Code.REFUSED, OTHERWISE)


@contextmanager
def opened(
    connect: Callable[[], Database], refusal: Code = Code.SERVER_ERROR
) -> Iterator[Database]:
    """A connection for one call; what it raises before a commit had no effect."""
    try:
        database = connect()
    except Exception as error:
        fault = Fault(Code.NOT_REACHED, in_words(error), fate=Fate.NOT_SENT)
        raise fault from error
    try:
        yield database
    except Fault:
        raise
    except Exception as error:
        # Every driver has exceptions of its own, with the names of DB-API 2.0.
        names = {each.__name__ for each in type(error).__mro__}
        if names & {"OperationalError", "InterfaceError"}:
            fault = Fault(Code.SERVER_ERROR, in_words(error), fate=Fate.NOT_SENT)
        else:
            fault = Fault(refusal, in_words(error))
        raise fault from error
    finally:
        for leave in (database.rollback, database.close):
            with suppress(Exception):
                leave()


@frozen
class Transactions:
    """Batches of changes of the kinds that there are writers for."""

    connect: Callable[[], Database] = field(repr=False)
    writers: Mapping[RecordType, Writer] = field(repr=False)

    def store(self, changes: Sequence[Change]) -> list[Outcome]:
        """All in one transaction; where that fails, each in one of its own."""
        try:
            return self._transaction(changes)
        except Fault as caught:
            fault = caught
        outcomes: list[Outcome] = []
        if len(changes) > 1 and fault.code not in _HOPELESS:
            failures = 0
            for change in changes:
                outcomes += self.store([change])
                failures = failures + 1 if outcomes[-1].code in _FAILURES else 0
                if failures == GIVE_UP:
                    text = f"not tried after: {outcomes[-1].text}"
                    fault = Fault(Code.SERVER_ERROR, text, fate=Fate.NOT_SENT)
                    break
        rest = changes[len(outcomes) :]
        return outcomes + [Outcome.failed(change, fault) for change in rest]

    def _transaction(self, changes: Sequence[Change]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        sent: list[tuple[Change, int]] = []
        with opened(self.connect, Code.REFUSED) as database:
            held = self._look(database, changes)
            for change in changes:
                try:
                    step = self.writers[change.kind].step(change, held[change.kind])
                except Fault as fault:
                    outcomes.append(Outcome.failed(change, fault))
                else:
                    sent.append((change, step(database) if step else 0))
            now = self._look(database, [change for change, _ in sent])
            outcomes += [
                self.writers[change.kind].outcome(change, count, now[change.kind])
                for change, count in sent
            ]
            try:
                database.commit()
            except Exception as error:
                raise unknown(error) from error
        return outcomes

    def _look(
        self, database: Database, changes: Sequence[Change]
    ) -> dict[RecordType, Any]:
        return {
            kind: self.writers[kind].look(
                database, [each for each in changes if each.kind is kind]
            )
            for kind in dict.fromkeys(change.kind for change in changes)
        }
