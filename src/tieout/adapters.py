"""
What a plan is applied through: the systems themselves, a look, a file, the caller's code.

An adapter carries changes out; it neither plans nor remembers. The engine journals every
change around each adapter that is not ``dry``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TextIO, runtime_checkable

from attrs import evolve

from tieout.change import Action, Change, Issue, Outcome, State
from tieout.effects import Effects, summed, together
from tieout.errors import Code, Fate, Fault, Scope
from tieout.listing import complaints, costs, groups, sums
from tieout.models import Record
from tieout.plan import (
    Counted,
    Header,
    Plan,
    Seal,
    added,
    counted,
    header_line,
    item_line,
    load,
)
from tieout.protocol import Connector, Page, batches
from tieout.session import Attempt, Session
from tieout.wire import Flow


class Adapter(Protocol):
    """What a plan is applied through."""

    dry: bool
    """Whether nothing is written to any system: then nothing is journaled either."""

    def apply(self, changes: Sequence[Change], deadline: datetime) -> Iterator[Outcome]:
        """
        Carry out changes; the outcomes as they become known, each by its name.

        Nothing with an effect may be begun after the deadline. A change for which no
        outcome comes is taken for unknown.
        """
        ...

    def find(self, changes: Sequence[Change]) -> Page[Record]:
        """What these changes may have made or changed, as it is now."""
        ...


@runtime_checkable
class DryAdapter(Protocol):
    """An adapter that takes plans instead of carrying them out."""

    dry: bool

    def begin(self, header: Header) -> None:
        """Before the first page."""
        ...

    def take(self, plan: Plan) -> None:
        """The plan of one page."""
        ...

    def end(self, *, complete: bool, as_of: datetime | None = None) -> None:
        """After the last page; ``as_of`` is the ledger's clock when the reading began."""
        ...


class Direct:
    """Straight to the systems, by the sessions of their connections. The default."""

    dry = False

    def __init__(self, sessions: Mapping[str, Session]) -> None:
        self._sessions = sessions

    def apply(self, changes: Sequence[Change], deadline: datetime) -> Iterator[Outcome]:
        for connection in dict.fromkeys(change.connection for change in changes):
            concerned = [each for each in changes if each.connection == connection]
            yield from self._through(self._sessions[connection], concerned, deadline)

    def find(self, changes: Sequence[Change]) -> Page[Record]:
        records: list[Record] = []
        issues: list[Issue] = []
        for connection, kind in dict.fromkeys((c.connection, c.kind) for c in changes):
            concerned = [
                each
                for each in changes
                if (each.connection, each.kind) == (connection, kind)
            ]
            session = self._sessions[connection]
            size = session.connector.capabilities.kind(kind).fetch_size
            for some in batches(concerned, size):
                page = session.run(session.connector.find(some))
                records.extend(page.records)
                issues.extend(page.issues)
        return Page(tuple(records), tuple(issues))

    def _through(
        self, session: Session, changes: Sequence[Change], deadline: datetime
    ) -> Iterator[Outcome]:
        """One connection's changes; what is wrong with all of it ends it at once."""
        connector = session.connector
        begun: dict[int, list[Change]] = {}
        left = {change.name: change for change in changes}
        broken: Fault | None = None

        def flows() -> Iterator[Flow[tuple[Outcome, ...]]]:
            for kind in dict.fromkeys(change.kind for change in changes):
                size = connector.capabilities.kind(kind).batch_size
                of_kind = (each for each in changes if each.kind is kind)
                for batch in batches(of_kind, size):
                    if broken is not None:
                        return
                    flow = _writing(connector, batch)
                    begun[id(flow)] = batch
                    yield flow

        for attempt in session.map(flows(), deadline):
            for outcome in _outcomes(attempt, begun.pop(id(attempt.flow))):
                left.pop(outcome.name, None)
                broken = broken or breaking(outcome)
                yield outcome
        for change in left.values():
            assert broken is not None
            yield Outcome.failed(change, broken)


def _writing(
    connector: Connector, batch: Sequence[Change]
) -> Flow[tuple[Outcome, ...]]:
    """The connector's own flow; even what it raises at once is raised within a flow."""
    return (yield from connector.write(batch))


def _outcomes(
    attempt: Attempt[tuple[Outcome, ...]], batch: Sequence[Change]
) -> Iterator[Outcome]:
    """An outcome for each change of a batch, matched by name and never by position."""
    value: Any = attempt.value  # a connector of somebody's own may return anything
    given = value if isinstance(value, Iterable) else ()
    told = {each.name: each for each in given if isinstance(each, Outcome)}
    fault = attempt.fault or Fault(
        Code.OUTCOME_UNKNOWN, "no outcome was told", fate=Fate.UNCLEAR
    )
    for change in batch:
        yield told.get(change.name) or Outcome.failed(
            change, fault, effect_sent=attempt.sent
        )


def breaking(outcome: Outcome) -> Fault | None:
    """The fault that will meet every other change of the connection too, or None."""
    if outcome.code is None or outcome.code.scope is not Scope.CONNECTION:
        return None
    if outcome.state not in (State.NOT_SENT, State.REJECTED):
        return None
    return Fault(outcome.code, outcome.text, remedy=outcome.remedy, fate=Fate.NOT_SENT)


class Callbacks:
    """
    The caller's own functions carry the changes out, one at a time.

    Each takes a `Change` and returns an `Outcome`, or None for "done". A `Fault` that it
    raises says by its ``fate`` what is known: unless given, that it was certainly not done.
    Anything else that it raises leaves the outcome unknown.
    ``find`` takes changes and returns the records that they are about, as they are now.
    A function has to end before the wait of its system is over; one that would begin
    after the deadline is not begun.
    """

    dry = False
    one_at_a_time = True

    def __init__(
        self,
        *,
        create: Callable[[Change], Outcome | None] | None = None,
        update: Callable[[Change], Outcome | None] | None = None,
        void: Callable[[Change], Outcome | None] | None = None,
        find: Callable[[Sequence[Change]], Iterable[Record]] | None = None,
    ) -> None:
        self._functions = {
            Action.CREATE: create,
            Action.UPDATE: update,
            Action.VOID: void,
        }
        self._find = find

    def apply(self, changes: Sequence[Change], deadline: datetime) -> Iterator[Outcome]:
        for change in changes:
            yield self._one(change)

    def find(self, changes: Sequence[Change]) -> Page[Record]:
        if self._find is None:
            raise Fault(Code.NOT_ALLOWED, "Callbacks(find=...) was not given")
        return Page(tuple(self._find(changes)))

    def _one(self, change: Change) -> Outcome:
        function = self._functions.get(change.action)
        if function is None:
            text = f"Callbacks({change.action.name.lower()}=...) was not given"
            return Outcome.failed(change, Fault(Code.NOT_ALLOWED, text))
        try:
            outcome = function(change)
        except Fault as fault:
            return Outcome.failed(change, fault)
        except Exception as error:  # noqa: BLE001 - the caller's code may raise anything
            text = f"{type(error).__name__} in the caller's own function"
            lost = Fault(Code.OUTCOME_UNKNOWN, text, fate=Fate.UNCLEAR)
            return Outcome.failed(change, lost)
        if outcome is None:
            return Outcome.applied(change)
        return (
            outcome
            if outcome.name == change.name
            else evolve(outcome, name=change.name)
        )


class _Dry:
    """What the two dry adapters share: nothing is carried out, nothing is to be found."""

    dry = True

    def apply(self, changes: Sequence[Change], deadline: datetime) -> Iterator[Outcome]:
        yield from ()

    def find(self, changes: Sequence[Change]) -> Page[Record]:
        return Page()


class Preview(_Dry):
    """
    Prints what would happen, page by page, and remembers nothing of it.

    The changes of a page in groups, all of them; behind the last page what they come to in
    money, and the calls that it will cost.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._effects: Effects = {}
        self._left_out = 0
        self._calls: dict[str, int] = {}

    def begin(self, header: Header) -> None:
        self._effects, self._left_out, self._calls = {}, 0, {}
        self._print(f"Plan for {header.billing} and {header.ledger}, {header.window}")

    def take(self, plan: Plan) -> None:
        effects, left_out = summed(plan.changes)
        self._effects = together(self._effects, effects)
        self._left_out += left_out
        self._calls = added(self._calls, plan.calls)
        self._print(*groups(plan.changes, rows=None))
        if plan.issues:
            self._print("", *complaints(plan.issues, rows=None))

    def end(self, *, complete: bool, as_of: datetime | None = None) -> None:
        self._print(*sums(self._effects, self._left_out), *costs(self._calls))
        self._print("", "End of plan" if complete else "The plan is incomplete")

    def _print(self, *lines: str) -> None:
        for line in lines:
            print(line, file=self._file or sys.stdout)


class PlanFile(_Dry):
    """
    Writes the plan to a file, line by line, in memory that does not grow with it.

    A file that is there is replaced once the new one is complete. ``read`` gives the plan
    back, for ``engine.apply``; it raises `ConfigError` for one that was cut off, altered,
    or saved by a newer version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._partial = self.path.with_name(self.path.name + ".part")
        self._file: TextIO | None = None
        self._seal = Seal()
        self._counted = Counted()

    def begin(self, header: Header) -> None:
        self._seal = Seal()
        self._counted = Counted()
        self._file = self._partial.open("w", encoding="utf-8")
        self._write(header_line(header))

    def take(self, plan: Plan) -> None:
        assert self._file is not None
        for change in plan.changes:
            self._write(item_line(change))
        for issue in plan.issues:
            self._write(item_line(issue))
        for claim in plan.claims:
            self._write(item_line(claim))
        self._counted += counted(plan)

    def end(self, *, complete: bool, as_of: datetime | None = None) -> None:
        assert self._file is not None
        for line in self._counted.lines():
            self._write(line)
        last = self._seal.trailer(complete=complete, as_of=as_of)
        self._file.write(last + "\n")
        self._file.close()
        self._file = None
        self._partial.replace(self.path)

    def read(self) -> Plan:
        """The saved plan."""
        return load(self.path)

    def _write(self, line: str) -> None:
        assert self._file is not None
        self._file.write(self._seal.add(line) + "\n")
