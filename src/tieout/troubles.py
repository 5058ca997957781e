"""
What could not be carried, and what a person does about it: look, try again, leave alone.

One record has one open issue, whatever is tried; each try is an event. How a record is
carried stands elsewhere: trying again is carrying it once more, by name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from itertools import chain

from attrs import evolve, frozen

from tieout.clusters import Met, UnknownError, clustered
from tieout.errors import Code, ConfigError, Severity
from tieout.footing import PAYMENTS, Begin, Stop, Tell
from tieout.handover import Handover
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    Posting,
    Record,
    RecordType,
    Ref,
    Settlement,
    clean_number,
)
from tieout.report import Report
from tieout.settings import Direction
from tieout.store import Event, Expect, Held, IssueRow, Run, key, key_of
from tieout.syncing import PLANNERS, goes
from tieout.underway import run_name
from tieout.verbs import DOCUMENTS, Asked, verb_of
from tieout.windows import Since

PAGE = 1000
"""Rows read from the store at a time."""

LATELY = timedelta(days=31)
"""How far back a last run is looked for: who runs less often is not waiting for one."""

NOT_LET_IN = frozenset(
    {
        Code.SIGN_IN_REFUSED,
        Code.RECONNECT_NEEDED,
        Code.LOCKED_OUT,
        Code.WRONG_COMPANY,
        Code.DISCONNECTED,
    }
)
"""What the other kinds of a sync would meet too: a password is not tried five times."""


@frozen
class Standing:
    """
    How many issues are open, of which kinds, by which lights, and since when.

    ``oldest`` is the first time at which the oldest of them was met; ``noted`` how many
    records were carried all the same, and differ still.
    """

    count: int
    by_code: Mapping[Code, int]
    by_light: Mapping[Severity, int]
    oldest: datetime | None
    noted: int = 0

    def age(self, now: datetime) -> timedelta:
        """How long the oldest has been open."""
        return now - self.oldest if self.oldest else timedelta(0)


class Troubles(Handover):
    """What an engine does about issues."""

    def push(self, record: Ref | Record) -> Report:
        """
        Carry one record of either side now, because it has just changed.

        Of a ledger invoice that is not carried itself, what was paid of it. Raises
        `ConfigError` where records of its kind do not go from there.
        """
        ref = record if isinstance(record, Ref) else record.ref
        if isinstance(record, Settlement) or self._is_level(ref):
            return self._sync_named([ref.id], None, None, None)
        return self._carry_again(ref)

    def sync_now(
        self,
        since: Begin = Since.PAST_MONTH,
        *,
        retry: bool = True,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
    ) -> tuple[Report, ...]:
        """
        Carry all that the settings switch on, each kind behind those it depends on.

        From the last successful run of each kind; ``since`` is for those that had none
        yet. Each record ends carried, or as an issue. ``retry``: all that could not be
        carried before is tried again, as after something was put right on the other side;
        without it, only what may go through by itself by now. A report for each kind; one
        that ends early does not stop the others, unless nobody is let in. Raises as
        `sync_payments` does.
        """
        reports: list[Report] = []
        for task in self._tasks(since, on_progress, stop, retry=retry):
            reports.append(task())
            stopped = stop is not None and stop()
            if stopped or reports[-1].code in NOT_LET_IN:
                break
        return tuple(reports)

    def runs(self) -> Iterator[Run]:
        """The runs of this pair, the oldest first: when, by whom, and how each ended."""
        for run in self._found_runs(""):
            yield run.by(self._remedies)

    def last_runs(self) -> dict[str, Run]:
        """
        By what it was to carry, the last run of the past month: when it ended, and how.

        Of some records alone, one that ended well is not taken for the last.
        """
        begun = self._clock.now() - LATELY
        last: dict[str, Run] = {}
        for run in self._found_runs(f"{begun:%Y%m%dT%H%M%S}"):
            if not run.task:
                continue  # a verification: it was to carry nothing
            held = last.get(run.task)
            heals = held is not None and not held.whole
            if run.whole or run.code is not None or heals:
                last[run.task] = run.by(self._remedies)
        return last

    def issues(
        self,
        *,
        code: Code | None = None,
        number: str = "",
        ignored: bool = False,
        noted: bool = False,
    ) -> Iterator[IssueRow]:
        """
        What is open, or (``ignored``) what a person wants left alone.

        ``noted``: of what was carried all the same, where both sides still differ.
        ``number`` is that of an invoice or other document: a payment is found by each of
        the invoices that it is for. Read from the store as you go on.
        """
        held = Held.IGNORED if ignored else Held.NOTED if noted else Held.OPEN
        for row in self._rows(held, clean_number(number)):
            if code is None or row.issue.code is code:
                yield evolve(row, issue=row.issue.by(self._remedies))

    def standing(self) -> Standing:
        """How many issues are open, of which kinds, and since when."""
        codes: dict[Code, int] = {}
        lights = dict.fromkeys(Severity, 0)
        oldest: datetime | None = None
        for row in self._rows(Held.OPEN, ""):
            codes[row.issue.code] = codes.get(row.issue.code, 0) + 1
            lights[row.issue.severity] += 1
            oldest = min(oldest or row.first_at, row.first_at)
        noted = sum(1 for _ in self.issues(noted=True))
        return Standing(sum(codes.values()), codes, lights, oldest, noted)

    def unknown_errors(self) -> tuple[UnknownError, ...]:
        """
        What the other systems said that no table knows, the most frequent first.

        Of what is open, and of the last runs. Messages that differ only in numbers, ids,
        dates and quoted names are one, with a count and an example; a row that is given
        as ``remedies=`` to the engine takes what it is for out of the list.
        """
        return clustered(self._unknown())

    def retry(self, issue: IssueRow | str, *, by: str = "") -> Report:
        """
        Carry the record of an issue once more, now.

        What goes through closes the issue; what does not, keeps its one row, with the new
        reason. ``by`` is who asks for it. Raises `ConfigError` where there is no such
        issue, where its record cannot be named (then the next run that reads it tries it
        again), where it is of a plan of the caller's own, or of a mark that was set by hand.
        """
        row = self._held(issue)
        source = row.issue.source
        if source is None:
            raise ConfigError("this issue names no record that could be carried again")
        if row.verb not in (PAYMENTS, DOCUMENTS):
            raise ConfigError(f"{row.verb} is planned by you: make a new plan of it")
        if source.kind == Posting.__name__:
            step = "post it by hand once more, or undo its batch"
            raise ConfigError(f"a mark is set by hand alone: {step}")
        self._put(row, Held.OPEN, "tried again", by)
        if row.verb == PAYMENTS:
            return self._sync_named([source.id], None, None, None, insist=True)
        return self._carry_again(source, insist=True)

    def ignore(self, issue: IssueRow | str, *, by: str = "") -> None:
        """
        Leave a record alone until it changes: its issue is open no more.

        ``by`` is who says so. Raises `ConfigError` where there is no such issue.
        """
        self._put(self._held(issue), Held.IGNORED, "ignored", by)

    def events(
        self,
        *,
        number: str = "",
        run: str = "",
        code: Code | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Event]:
        """
        What happened: by document number, by run, by code, by time; run after run.

        Each try of each record is an event of its own. ``until`` is included.
        """
        for event in self._events(clean_number(number), run):
            if code is not None and event.code is not code:
                continue
            if since is not None and event.at < since:
                continue
            if until is None or event.at <= until:
                yield event

    # How it is done -----------------------------------------------------------------------

    def _unknown(self) -> Iterator[Met]:
        """What no table knows: open issues, and how the last runs ended."""
        for row in self._rows(Held.OPEN, ""):
            issue = row.issue
            told = (issue.code, issue.text, issue.remedy, issue.system)
            if not self._remedies.knows(*told):
                times = (row.first_at, row.last_at)
                numbers = issue.numbers
                yield Met(issue.system, issue.code, issue.text, *times, numbers)
        for run in self.last_runs().values():
            system, at = run.connection.partition(":")[0], run.ended_at
            if run.code is None or at is None:
                continue
            if not self._remedies.knows(run.code, run.text, run.remedy, system):
                yield Met(system, run.code, run.text, run.started_at, at)

    def _tasks(
        self,
        since: Begin,
        on_progress: Tell | None,
        stop: Stop | None,
        *,
        retry: bool,
    ) -> Iterator[Callable[[], Report]]:
        """All that the settings switch on, each kind behind those it depends on."""
        for kind in PLANNERS:
            if self.settings.direction(kind) is not Direction.OFF:
                asked = Asked(self._since_last(kind, since), insist=retry)
                yield partial(
                    self._sync_documents, kind, asked, None, on_progress, stop
                )
        if self.settings.direction(Settlement) is not Direction.OFF:
            begin = Since.LAST_RUN if self._marker(PAYMENTS) else since
            levels = partial(self._sync_levels, begin, None, on_progress, stop, None)
            yield partial(levels, insist=retry)

    def _since_last(self, kind: RecordType, since: Begin) -> Begin:
        """From the last run of a kind, if all of its ways had one."""
        tracks = self._courses(kind, Asked())
        known = all(self._marker(verb_of(course)) for course in tracks)
        return Since.LAST_RUN if known else since

    def _is_level(self, ref: Ref) -> bool:
        """Whether of a ledger's invoice only what was paid is carried."""
        theirs = ref.connection == self._ledger.connector.connection
        if not theirs or ref.kind != Invoice.__name__:
            return False
        inward = goes(self.settings.direction(Invoice), outward=False)
        return not inward and self.settings.direction(Settlement) is not Direction.OFF

    def _carry_again(self, source: Ref, *, insist: bool = False) -> Report:
        """One record of either side, by the way that its kind goes from there."""
        kind = _KINDS.get(source.kind)
        if kind is None:
            raise ConfigError(f"{source.kind} records are not carried on their own")
        name = source.id
        if kind is Application:
            owner = self._owner(source)
            kind, name = _KINDS[owner.kind], owner.id
        outward = source.connection == self._billing.connector.connection
        asked = Asked(
            only=frozenset({name}),
            label=f"{name} again",
            outward=outward,
            insist=insist,
        )
        return self._sync_documents(kind, asked)

    def _owner(self, put: Ref) -> Ref:
        """The payment or credit note that an application belongs to."""
        session = self._session_of(put.connection)
        page = session.run(session.connector.fetch(Application, ids=[put.id]))
        found: list[Record] = [each for each in page.records if each.ref == put]
        if not found:
            raise ConfigError(f"{put.id} is not there any more: run its kind once more")
        owner = put.id.partition(":")[0]
        application = found[0]
        assert isinstance(application, Application)
        if application.source.kind == Payment.__name__ or not owner:
            return application.source
        # Some systems apply a credit by a payment, whose id theirs begins with.
        paid = session.run(session.connector.fetch(Payment, ids=[owner]))
        return paid.records[0].ref if paid.records else application.source

    def _held(self, issue: IssueRow | str) -> IssueRow:
        """An issue as it stands now."""
        if isinstance(issue, IssueRow):
            rows: Iterable[IssueRow] = self._store.get(IssueRow, [key(issue)]).values()
        else:
            rows = chain(self._rows(Held.OPEN, ""), self._rows(Held.IGNORED, ""))
        name = issue if isinstance(issue, str) else issue.id
        for row in rows:
            if row.id == name and row.held in (Held.OPEN, Held.IGNORED):
                return row
        raise ConfigError(f"there is no issue {name!r}: it may have been closed")

    def _rows(self, held: Held, number: str) -> Iterator[IssueRow]:
        index, about = ("number", number) if number else ("held", held.value)
        after, value = "", key_of(self.pair, about)
        while some := self._store.find(IssueRow, index, value, after, PAGE):
            after = key(some[-1])
            yield from (row for row in some if row.held is held)

    def _put(self, row: IssueRow, held: Held, what: str, by: str) -> None:
        """Change how an issue's row stands, if it is as it was, and write down who did."""
        now = self._clock.now()
        said = Event(
            run=run_name(now),
            serial=1,
            pair=self.pair,
            at=now,
            what=what,
            source=row.issue.source,
            numbers=row.issue.numbers,
            code=row.issue.code,
            text=f"by {by or self._profile}",
        )
        as_it_was = Expect(IssueRow, key(row), {"held": row.held, "issue": row.issue})
        if not self._store.commit(evolve(row, held=held), said, expect=[as_it_was]):
            raise ConfigError(f"issue {row.id!r} has just changed: look at it again")

    def _events(self, number: str, run: str) -> Iterator[Event]:
        if number:
            return self._found("number", key_of(self.pair, number))
        return self._found("run", run) if run else self._found("pair", self.pair)

    def _found(self, index: str, value: str | Collection[str]) -> Iterator[Event]:
        after = ""
        while some := self._store.find(Event, index, value, after, PAGE):
            yield from some
            after = key(some[-1])

    def _found_runs(self, after: str) -> Iterator[Run]:
        """The runs of this pair, by their time, from behind a name."""
        while some := self._store.find(Run, "all", self.pair, after, PAGE):
            yield from some
            after = some[-1].id


_KINDS: Mapping[str, RecordType] = {
    kind.__name__: kind
    for kind in (Customer, Invoice, CreditNote, Payment, Application)
}
