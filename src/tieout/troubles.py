"""
What could not be carried, and what a person does about it: look, try again, leave alone.

One record has one open issue, whatever is tried; each try is an event. How a record is
carried stands elsewhere: trying again is carrying it once more, by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from uuid import uuid4

from attrs import evolve, frozen

from tieout.errors import Code, ConfigError, Severity
from tieout.footing import PAYMENTS, Begin, Stop, Tell
from tieout.handover import Handover
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    Record,
    RecordType,
    Ref,
    Settlement,
)
from tieout.report import Report
from tieout.settings import Direction
from tieout.store import Event, Held, IssueRow, Run, key_of
from tieout.syncing import PLANNERS
from tieout.verbs import DOCUMENTS, Asked, verb_of
from tieout.windows import Since

PAGE = 1000
"""Rows read from the store at a time."""


@frozen
class Standing:
    """
    How many issues are open, of which kinds, by which lights, and since when.

    ``oldest`` is the first time at which the oldest of them was met.
    """

    count: int
    by_code: Mapping[Code, int]
    by_light: Mapping[Severity, int]
    oldest: datetime | None

    def age(self, now: datetime) -> timedelta:
        """How long the oldest has been open."""
        return now - self.oldest if self.oldest else timedelta(0)


class Troubles(Handover):
    """What an engine does about issues."""

    _run_verbs: tuple[str, ...] = (PAYMENTS, DOCUMENTS)
    """Under which verbs there are runs."""

    def push(self, record: Ref | Record) -> Report:
        """
        Carry one record of either side now, because it has just changed.

        Raises `ConfigError` where records of its kind do not go from there.
        """
        return self._carry_again(record if isinstance(record, Ref) else record.ref)

    def sync_now(
        self,
        since: Begin = Since.PAST_MONTH,
        *,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
    ) -> tuple[Report, ...]:
        """
        Carry all that the settings switch on, each kind behind those it depends on.

        From the last successful run of each kind; ``since`` is for those that had none
        yet. What could not be carried before is tried again. Each record ends carried, or
        as an issue. A report for each kind; one that ends early does not stop the others.
        """
        reports: list[Report] = []
        for kind in PLANNERS:
            if self.settings.direction(kind) is not Direction.OFF:
                asked = self._since_last(kind, since)
                reports.append(
                    self._sync_documents(kind, asked, None, on_progress, stop)
                )
        if self.settings.direction(Settlement) is not Direction.OFF:
            begin = Since.LAST_RUN if self._marker(PAYMENTS) else since
            reports.append(self._sync_levels(begin, None, on_progress, stop, None))
        return tuple(reports)

    def runs(self) -> Iterator[Run]:
        """The runs of this pair, the oldest first: when, by whom, and how each ended."""
        for name in self._runs():
            yield from self._store.get(Run, [name]).values()

    def issues(
        self,
        *,
        code: Code | None = None,
        number: str = "",
        ignored: bool = False,
    ) -> Iterator[IssueRow]:
        """
        What is open, or (``ignored``) what a person wants left alone; the newest last.

        ``number`` is that of an invoice or other document: a payment is found by each of
        the invoices that it is for. Read from the store as you go on.
        """
        held = Held.IGNORED if ignored else Held.OPEN
        for row in self._rows(held, number):
            if code is None or row.issue.code is code:
                yield row

    def standing(self) -> Standing:
        """How many issues are open, of which kinds, and since when."""
        codes: dict[Code, int] = {}
        lights = dict.fromkeys(Severity, 0)
        oldest: datetime | None = None
        for row in self.issues():
            codes[row.issue.code] = codes.get(row.issue.code, 0) + 1
            lights[row.issue.severity] += 1
            oldest = min(oldest or row.first_at, row.first_at)
        return Standing(sum(codes.values()), codes, lights, oldest)

    def retry(self, issue: IssueRow | str) -> Report:
        """
        Carry the record of an issue once more, now.

        What goes through closes the issue; what does not, keeps its one row, with the new
        reason. Raises `ConfigError` where there is no such issue, or its record cannot be
        named: then the next run that reads it tries it again.
        """
        row = self._held(issue)
        source = row.issue.source
        if source is None:
            raise ConfigError("this issue names no record that could be carried again")
        if row.held is Held.IGNORED:
            self._put(evolve(row, held=Held.OPEN), "taken up again", "")
        if row.verb == PAYMENTS:
            return self._sync_named([source.id], None, None, None)
        return self._carry_again(source)

    def ignore(self, issue: IssueRow | str, *, by: str = "") -> None:
        """
        Leave a record alone until it changes: its issue is open no more.

        ``by`` is who says so. Raises `ConfigError` where there is no such issue.
        """
        row = self._held(issue)
        self._put(evolve(row, held=Held.IGNORED), "ignored", by or self._profile)

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
        What happened, in order: by document number, by run, by code, by time.

        Each try of each record is an event of its own. ``until`` is included.
        """
        for event in self._events(number, run):
            if code is not None and event.code is not code:
                continue
            if since is not None and event.at < since:
                continue
            if until is None or event.at <= until:
                yield event

    # How it is done -----------------------------------------------------------------------

    def _since_last(self, kind: RecordType, since: Begin) -> Asked:
        """From the last run of a kind, if all of its ways had one."""
        tracks = self._courses(kind, Asked())
        known = all(self._marker(verb_of(course)) for course in tracks)
        return Asked(Since.LAST_RUN if known else since)

    def _carry_again(self, source: Ref) -> Report:
        """One record of either side, by the way that its kind goes from there."""
        kind = _KINDS.get(source.kind)
        if kind is None:
            raise ConfigError(f"{source.kind} records are not carried on their own")
        name = source.id
        if kind is Application:
            owner = self._owner(source)
            kind, name = _KINDS[owner.kind], owner.id
        outward = source.connection == self._billing.connector.connection
        asked = Asked(only=frozenset({name}), label=f"{name} again", outward=outward)
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
        name = issue if isinstance(issue, str) else issue.id
        for held in (Held.OPEN, Held.IGNORED):
            for row in self._rows(held, ""):
                if row.id == name:
                    return row
        raise ConfigError(f"there is no issue {name!r}: it may have been closed")

    def _rows(self, held: Held, number: str) -> Iterator[IssueRow]:
        verbs = (PAYMENTS, DOCUMENTS)
        if number:
            index, values = "number", [key_of(self.pair, number)]
        else:
            index, values = held.value, [key_of(self.pair, verb) for verb in verbs]
        for value in values:
            after = ""
            while some := self._store.find(IssueRow, index, value, after, PAGE):
                after = key_of(self.pair, some[-1].verb, some[-1].about)
                yield from (row for row in some if row.held is held)

    def _put(self, row: IssueRow, what: str, by: str) -> None:
        """Change an issue's row, and write down who did."""
        now = self._clock.now()
        said = Event(
            run=f"{now:%Y%m%dT%H%M%S}-{uuid4().hex[:8]}",
            serial=1,
            pair=self.pair,
            at=now,
            what=what,
            source=row.issue.source,
            numbers=row.issue.numbers,
            code=row.issue.code,
            text=f"by {by}" if by else "",
        )
        self._store.commit(row, said)

    def _events(self, number: str, run: str) -> Iterator[Event]:
        if number:
            yield from self._found("number", key_of(self.pair, number))
            return
        for each in [run] if run else self._runs():
            yield from self._found("run", each)

    def _runs(self) -> Iterable[str]:
        """The runs of this pair, by their time."""
        ids: set[str] = set()
        for verb in self._run_verbs:
            after = ""
            value = key_of(self.pair, verb)
            while some := self._store.find(Run, "pair", value, after, PAGE):
                after = some[-1].id
                ids.update(each.id for each in some)
        return sorted(ids)

    def _found(self, index: str, value: str) -> Iterator[Event]:
        after = ""
        while some := self._store.find(Event, index, value, after, PAGE):
            yield from some
            after = key_of(some[-1].run, f"{some[-1].serial:09d}")


_KINDS: Mapping[str, RecordType] = {
    kind.__name__: kind
    for kind in (Customer, Invoice, CreditNote, Payment, Application)
}
