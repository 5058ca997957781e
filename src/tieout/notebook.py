"""
The notebook of one run: its events in order, and of each record the row that says what is open.

Every word is written in a transaction that holds only while the lease still carries our
fence. Which two records are tied, and what becomes of a write, is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve

from tieout.change import Action, Change, Issue, Outcome
from tieout.clock import Clock
from tieout.effects import money_of
from tieout.errors import Code, Fault
from tieout.evidence import shown
from tieout.lease import Hold
from tieout.models import Ref
from tieout.noting import about, as_one, asks, nameless, same
from tieout.store import Event, Fact, Gone, Held, Intent, IssueRow, Store, key_of


class Notebook(Hold):
    """What one run writes down about records, while its lease lasts."""

    def __init__(
        self, store: Store, clock: Clock, pair: str, verb: str, run: str, settings: str
    ) -> None:
        super().__init__(store, clock, pair)
        self._verb = verb
        self._run = run
        self._settings = settings
        self._serial = 0
        self._stuck: dict[str, set[str]] = {}
        """The roles in which a record could not be carried in this run: what is carried of
        it in another closes nothing."""
        self._parts: dict[str, set[str]] = {}
        """By record in parts, the names of the writes of it that are not settled yet."""
        self._begun: set[str] = set()
        """The records that stay open until the last of their parts is written."""
        self._said: set[str] = set()
        """The records of which the plan that is carried out says why they cannot be."""
        self._asked: dict[str, set[str]] = {}
        """By record, the names of its writes about which a person is asked: that stays."""

    # Records that are written in parts --------------------------------------------------

    def announce(self, changes: Iterable[Change], told: Iterable[Issue]) -> None:
        """
        These are to be written in this order: of a record that has several, each.

        From the first to the last of them the record is open, so that whoever comes after
        a process that ended in between goes on with it. What is ``told`` of a record with
        them is closed by none of them.
        """
        self._said = {about(e.source) for e in told if e.blocking and e.source}
        writes: dict[str, set[str]] = {}
        kept: set[str] = set()
        for change in changes:
            where = about(_whole(change))
            if change.action is Action.KEEP:
                kept.add(where)
            else:
                writes.setdefault(where, set()).add(change.name)
        several = {w for w, names in writes.items() if len(names) > 1 or w in kept}
        self._parts.update((where, writes[where]) for where in several)

    def _beginning(self, changes: Sequence[Change]) -> Iterable[IssueRow]:
        """The rows of records of which the first of several parts is sent."""
        wholes = {
            about(whole): change
            for change in changes
            if len(self._parts.get(about(whole := _whole(change)), ())) > 1
            and about(whole) not in self._begun
        }
        rows = self._rows(_whole(change) for change in wholes.values())
        for where, change in wholes.items():
            # A word about it has nobody come back to it; what is open already stays so.
            if where not in rows or rows[where].held is Held.NOTED:
                self._begun.add(where)
                yield self._row(_in_parts(change), Held.OPEN, rows)

    def _through(self, change: Change) -> Iterable[Gone]:
        """One part of a record is through; the last one leaves nothing open of it."""
        where = about(_whole(change))
        left = self._parts.get(where)
        if left is None:
            return
        left.discard(change.name)
        if left:
            return
        del self._parts[where]
        if where in self._begun and not self._stays(where):
            row = self._rows([_whole(change)]).get(where)
            if row is not None and row.held is Held.OPEN:  # a word about it stays
                yield Gone(IssueRow, key_of(self._pair, self._verb, where))
        self._begun.discard(where)

    def stuck(self, changes: Iterable[Change]) -> None:
        """These could not be carried: no other part of their record closes what is open."""
        left = list(changes)
        for change in left:
            self._fails(change)
        self.leave(left)

    def leave(self, changes: Iterable[Change]) -> None:
        """These are not sent after all: no part of their record waits for them."""
        over = [gone for change in changes for gone in self._through(change)]
        if over:
            self._commit(*over)

    def _stays(self, where: str) -> bool:
        """Whether something of a record is open that no other part of it closes."""
        unsettled = self._stuck.get(where) or self._asked.get(where)
        return bool(unsettled) or where in self._said

    def _fails(self, change: Change) -> None:
        self._stuck.setdefault(about(change.source), set()).add(change.role)

    def _succeeds(self, change: Change) -> None:
        self._stuck.get(about(change.source), set()).discard(change.role)

    # What is told of the run itself -----------------------------------------------------

    def notice(self, issues: Sequence[Issue]) -> None:
        """Write down what is worth a word about the run itself."""
        if issues:
            rows = [self._row(each, Held.NOTED, {}) for each in issues]
            told = [event for each in issues for event in self._told(each, {})]
            self._commit(*rows, *told)

    def ended(self, fault: Fault) -> None:
        """Write down that the run ended early, and why."""
        event = self._happened(
            what="ended early",
            code=fault.code,
            text=fault.text,
        )
        self._commit(event)

    def forget(self, keys: Iterable[str], why: str) -> None:
        """Take events out of the log, with one of this run that says how many and why."""
        event = Event(
            run=self._run,
            serial=1,  # of page after page, the last word stands
            pair=self._pair,
            at=self._clock.now(),
            what="forgotten",
            text=why,
            fence=self.fence,
        )
        self._commit(*(Gone(Event, each) for each in keys), event)
        self.hold_on()

    # Rows -------------------------------------------------------------------------------

    def _rows(self, sources: Iterable[Ref | None]) -> dict[str, IssueRow]:
        """The issue rows of these records, by what they are about."""
        keys = [
            key_of(self._pair, self._verb, about(source))
            for source in sources
            if source
        ]
        found = self._store.get(IssueRow, keys)
        return {row.about: row for row in found.values()}

    def _row(self, issue: Issue, held: Held, rows: Mapping[str, IssueRow]) -> IssueRow:
        now = self._clock.now()
        where = about(issue.source) if issue.source else nameless(issue)
        before = rows.get(where)
        if before is not None and self._asks_more(before, issue):
            return before
        if before is not None and before.held is Held.IGNORED:
            if not issue.basis or before.is_quiet(issue.basis):
                return before  # what a person wants left alone stays so
        elif before is not None and before.held is Held.NOTED and held is Held.OPEN:
            before = None  # a word about it once was no trouble
        return IssueRow(
            self._pair,
            self._verb,
            where,
            evolve(issue, at=now),
            held,
            self._run,
            first_at=before.first_at if before else now,
            last_at=now,
            attempts=before.attempts + 1 if before else 1,
            settings=self._settings,
        )

    def _closing(
        self, source: Ref, notes: Sequence[Issue], rows: Mapping[str, IssueRow]
    ) -> Iterable[Fact | Gone]:
        """What becomes of a record's issue row once the record is carried."""
        where = about(source)
        if self._stays(where):
            return
        for row in as_one(notes):  # the log has each of them, the record has one row
            if not same(rows.get(where), row):
                yield self._row(row, Held.NOTED, rows)
                for note in notes:
                    yield from self._told(note, rows)
        if notes or where not in rows:
            return
        if self._parts.get(where):
            self._begun.add(where)  # what is open ends with the last of its parts
        else:
            yield Gone(IssueRow, key_of(self._pair, self._verb, where))

    # What a person is asked -------------------------------------------------------------

    def _ask(self, intent: Intent) -> None:
        self._asked.setdefault(about(intent.source), set()).add(intent.name)

    def _answered(self, intent: Intent) -> None:
        self._asked.get(about(intent.source), set()).discard(intent.name)

    def _asks_more(self, row: IssueRow, issue: Issue) -> bool:
        """Whether a row asks a person something, which a lesser issue must not hide."""
        more = asks(row) and issue.code is not Code.PARKED
        return more and bool(self._asked.get(row.about))

    # Events -----------------------------------------------------------------------------

    def _told(self, issue: Issue, rows: Mapping[str, IssueRow]) -> Iterable[Event]:
        """The event of an issue, unless it was told before and nothing has changed."""
        row = rows.get(about(issue.source)) if issue.source else None
        if same(row, issue) or (row is not None and self._asks_more(row, issue)):
            return
        yield self._happened(
            what="issue" if issue.blocking else "warning",
            source=issue.source,
            numbers=issue.numbers,
            code=issue.code,
            text=str(issue),
        )

    def _closed(self, row: IssueRow) -> Event:
        return self._happened(
            what="closed",
            source=row.issue.source,
            numbers=row.issue.numbers,
            code=row.issue.code,
        )

    def _event(self, change: Change, outcome: Outcome) -> Event:
        return self._happened(
            what=outcome.state.value,
            kind=change.kind,
            source=change.source,
            target=outcome.ref or change.target,
            numbers=change.numbers,
            change=change.name,
            state=outcome.state,
            code=outcome.code,
            text=outcome.text or change.reason,
            before=shown(change.before),
            after=shown(change.after),
            was=money_of(change.before),
            is_now=money_of(change.after),
        )

    def _happened(self, what: str, **more: Any) -> Event:
        """An event of this run, behind those before it."""
        return Event(
            run=self._run,
            serial=self._next(),
            pair=self._pair,
            at=self._clock.now(),
            what=what,
            fence=self.fence,
            **more,
        )

    def _next(self) -> int:
        self._serial += 1
        return self._serial


def _whole(change: Change) -> Ref:
    """The record that a change is a part of carrying."""
    return change.within or change.source


def _in_parts(change: Change) -> Issue:
    """That a record is being written in several parts, and not all of them are there."""
    text = "it is written in parts, and not all of them are there."
    return Issue(Code.WAITS, _whole(change), change.numbers, text=text)
