"""
The intent state machine: on disk before the first byte leaves, settled in one transaction.

`TRANSITIONS` is the machine. Every step is one local transaction that holds only while the
lease still carries our fence. Nothing here talks to a system.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from attrs import evolve

from tieout.change import Action, Change, Issue, Outcome, State
from tieout.clock import Clock
from tieout.errors import Code, Fault, Severity
from tieout.models import Link, Record, Ref, Settlement, Status, fingerprint
from tieout.store import (
    Event,
    Expect,
    Fact,
    Gone,
    Held,
    Intent,
    IssueRow,
    Lease,
    Stage,
    Store,
    key_of,
    link_key,
)

log = logging.getLogger("tieout.journal")

LEASE = timedelta(minutes=5)
"""How long a run may be silent before another may take its pair over. It is renewed
between steps, and the longest step is one page or one wave."""

WRITE = timedelta(minutes=2)
"""How long a wave of writes may take; well within the lease, so that none is still going
out when somebody else takes over."""

ATTEMPTS_MAX = 5
"""How often a change is sent before a person is asked."""

TRANSITIONS: Mapping[tuple[Stage | None, str], Stage] = {
    (None, "sent"): Stage.SENDING,
    (Stage.PLANNED, "sent"): Stage.SENDING,
    (Stage.REJECTED, "sent"): Stage.SENDING,
    (Stage.SUPERSEDED, "sent"): Stage.SENDING,
    (Stage.SENDING, "applied"): Stage.APPLIED,
    (Stage.SENDING, "rejected"): Stage.REJECTED,
    (Stage.SENDING, "not sent"): Stage.PLANNED,
    (Stage.SENDING, "unknown"): Stage.UNKNOWN,
    (Stage.SENDING, "crashed"): Stage.UNKNOWN,
    (Stage.UNKNOWN, "found"): Stage.APPLIED,
    (Stage.UNKNOWN, "proved absent"): Stage.PLANNED,
    (Stage.UNKNOWN, "too often"): Stage.PARKED,
    (Stage.PARKED, "found"): Stage.APPLIED,
    (Stage.PARKED, "proved absent"): Stage.PLANNED,
    (Stage.PLANNED, "no longer needed"): Stage.SUPERSEDED,
}
"""From where, by what, to where. What is not here does not happen."""


def step(intent: Intent | None, by: str) -> Stage:
    """The stage that follows; a step that is not in the table is a bug and raises."""
    return TRANSITIONS[intent.stage if intent else None, by]


def shown(record: Record | None) -> str:
    """A short hash of what a record shows of a wanted state: to find it again by."""
    if isinstance(record, Settlement):
        last = None if record.paid_on else record.last_on
        told = f"{record.paid.normalize():f}|{record.paid_on}|{last}"
        return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()
    return fingerprint(record) if record is not None else ""


class Journal:
    """What one run remembers of the changes it makes, while its lease lasts."""

    def __init__(
        self, store: Store, clock: Clock, pair: str, verb: str, run: str, settings: str
    ) -> None:
        self._store = store
        self._clock = clock
        self._pair = pair
        self._verb = verb
        self._run = run
        self._settings = settings
        self._holder = uuid4().hex
        self._lease: Lease | None = None
        self._serial = 0
        self._planned: dict[str, list[Intent]] = {}

    # The lease --------------------------------------------------------------------------

    def acquire(self) -> None:
        """Take the pair; `Fault` RUN_IN_PROGRESS where another run has it."""
        now = self._clock.now()
        held = self._store.get(Lease, [self._pair]).get(self._pair)
        # One that ends later than any lease can is the trace of a clock set back.
        if held is not None and now < held.until <= now + 2 * LEASE:
            text = f"another run holds this pair until {held.until:%H:%M:%S} UTC"
            raise Fault(Code.RUN_IN_PROGRESS, text)
        fence = held.fence + 1 if held else 1
        lease = Lease(self._pair, self._holder, fence, now + LEASE)
        before = None if held is None else {"holder": held.holder, "fence": held.fence}
        if not self._store.commit(lease, expect=[Expect(Lease, self._pair, before)]):
            raise Fault(Code.RUN_IN_PROGRESS, "another run was faster")
        self._lease = lease

    def renew(self) -> None:
        """Keep the pair for another while; `Fault` LEASE_LOST where somebody took it."""
        assert self._lease is not None
        lease = evolve(self._lease, until=self._clock.now() + LEASE)
        self._commit(lease)
        self._lease = lease

    def release(self) -> None:
        """Let the pair go, if it is still ours."""
        if self._lease is not None:
            ended = evolve(self._lease, until=self._clock.now())
            self._store.commit(ended, expect=self._fenced())
            self._lease = None

    def hold_on(self) -> None:
        """Between two steps: renew the lease where little of it is left."""
        assert self._lease is not None
        if self._lease.until - self._clock.now() < 2 * WRITE:
            self.renew()

    def deadline(self) -> datetime:
        """Until when a wave of writes may begin requests; well within the lease."""
        self.hold_on()
        return self._clock.now() + WRITE

    def note(self, *facts: Fact | Gone) -> None:
        """Write facts of the run itself, while the lease lasts."""
        self._commit(*facts)

    def _fenced(self) -> tuple[Expect, ...]:
        assert self._lease is not None
        mine = {"holder": self._holder, "fence": self._lease.fence}
        return (Expect(Lease, self._pair, mine),)

    def _commit(self, *facts: Fact | Gone) -> None:
        fence = self._fenced()
        if self._store.commit(*facts, expect=fence):
            return
        self._check_lease()
        text = "a record was tied twice at the same time; nothing was written down"
        raise Fault(Code.ALREADY_LINKED, text)

    def _check_lease(self) -> None:
        """
        Raise `Fault` LEASE_LOST where another run has the pair.

        Intents that were read before are then where that run has put them: no step of
        ours fits them any more.
        """
        held = self._store.get(Lease, [self._pair]).get(self._pair)
        if not self._fenced()[0].holds(held):
            raise Fault(Code.LEASE_LOST, "another run took this pair over")

    def send(
        self, changes: Sequence[Change], deadline: datetime, settle: timedelta
    ) -> None:
        """Make the intents of a wave durable. Only then may anything be sent."""
        held = self._store.get(Intent, [change.name for change in changes])
        self._check_lease()
        now = self._clock.now()
        intents = [
            self._intent(change, held.get(change.name), now, deadline, settle)
            for change in changes
        ]
        self._commit(*intents)

    def _intent(
        self,
        change: Change,
        held: Intent | None,
        now: datetime,
        deadline: datetime,
        settle: timedelta,
    ) -> Intent:
        assert self._lease is not None
        return Intent(
            name=change.name,
            pair=self._pair,
            verb=self._verb,
            kind=change.kind,
            action=change.action,
            connection=change.connection,
            source=change.source,
            target=change.target,
            role=change.role,
            generation=change.generation,
            link_version=change.link_version,
            number=change.number,
            agreed=change.agreed,
            wanted=shown(change.after),
            mark=change.mark,
            stage=step(held, "sent"),
            # After a refusal the content is another one: its count begins again.
            attempt=(held.attempt if held and held.stage is Stage.PLANNED else 0) + 1,
            fence=self._lease.fence,
            run=self._run,
            owned=change.owned,
            first_sent_at=held.first_sent_at if held else now,
            deadline=deadline,
            not_before=deadline + settle,
        )

    def settle(
        self,
        results: Iterable[tuple[Change, Outcome]],
        notes: Mapping[str, Sequence[Issue]] | None = None,
    ) -> list[Issue]:
        """
        Store what came of a wave: outcomes, links, issues and events in one transaction.

        ``notes`` by source id are things worth knowing about changes that were applied.
        Returns the issues of those that were not.
        """
        pairs = list(results)
        held = self._store.get(Intent, [change.name for change, _ in pairs])
        self._check_lease()
        links = self._links([change for change, _ in pairs])
        rows = self._rows([change.source for change, _ in pairs])
        facts: list[Fact | Gone] = []
        issues: list[Issue] = []
        for change, outcome in pairs:
            intent = held[change.name]
            stage = step(intent, outcome.state.value)
            facts.append(
                evolve(intent, stage=stage, code=outcome.code, text=outcome.text)
            )
            facts.append(self._event(change, outcome))
            if outcome.state is State.APPLIED:
                facts.append(self._link(change, outcome, links))
                told = (notes or {}).get(change.source.id, ())
                noted = [*told, *_noted(change, outcome)]
                facts.extend(self._closing(change.source, noted, rows))
            else:
                issue = self._failed(change, outcome, intent)
                issues.append(issue)
                facts.append(self._row(issue, Held.OPEN, rows))
        self._commit(*facts)
        return issues

    def keep(
        self,
        changes: Sequence[Change],
        issues: Sequence[Issue],
        notes: Mapping[str, Sequence[Issue]] | None = None,
    ) -> list[Issue]:
        """
        Remember what needs no write: links of records that agree, and issues.

        Returns the notes that had not been told before.
        """
        links = self._links(changes)
        rows = self._rows([*(c.source for c in changes), *(i.source for i in issues)])
        told = dict(notes or {})
        facts: list[Fact | Gone] = []
        new: list[Issue] = []
        for change in changes:
            link = self._link(
                change, Outcome.applied(change, owned=change.owned), links
            )
            held = links.get(change.source.id)
            if held is None or evolve(link, version=held.version) != held:
                facts.append(link)
            facts.extend(
                evolve(intent, stage=step(intent, "no longer needed"))
                for intent in self._planned.get(change.source.id, ())
            )
            noted = told.get(change.source.id, ())
            facts.extend(self._closing(change.source, noted, rows))
            new.extend(n for n in noted if not same(rows.get(about(change.source)), n))
        for issue in issues:
            facts.append(self._row(issue, Held.OPEN, rows))
            facts.extend(self._told(issue, rows))
        if facts:
            self._commit(*_last(facts))
        return new

    def _failed(self, change: Change, outcome: Outcome, intent: Intent) -> Issue:
        code, text = outcome.code or Code.UNKNOWN_ERROR, outcome.text
        remedy = outcome.remedy
        if outcome.state is State.UNKNOWN:
            until = (
                f"{intent.not_before:%Y-%m-%d %H:%M:%S} UTC"
                if intent.not_before
                else ""
            )
            code, text = Code.OUTCOME_UNKNOWN, f"{text} It is looked at after {until}."
            remedy = code.remedy
        return Issue(
            code,
            change.source,
            (change.number,),
            text=text,
            remedy=remedy,
            basis=change.agreed,
            at=self._clock.now(),
        )

    # Facts ------------------------------------------------------------------------------

    def _links(self, changes: Iterable[Change]) -> dict[str, Link]:
        keys = {
            link_key(self._pair, change.source.kind, change.source.id, change.role)
            for change in changes
        }
        found = self._store.get(Link, keys)
        return {link.ledger.id: link for link in found.values()}

    def _link(
        self, change: Change, outcome: Outcome, links: Mapping[str, Link]
    ) -> Link:
        held = links.get(change.source.id)
        target = outcome.ref or change.target
        assert target is not None
        kind = change.kind.__name__
        agreed = {**(held.agreed if held else {}), kind: change.agreed}
        raised = 0 if change.action is Action.KEEP else 1
        return Link(
            pair=self._pair,
            billing=target,
            ledger=change.source,
            role=change.role,
            version=(held.version if held else 0) + raised,
            origin=held.origin if held else "",
            agreed=agreed,
            owned=outcome.owned,
            open=not change.closes,
            released=change.releases,
            seen_on=self._clock.now().date(),
        )

    def _rows(self, sources: Iterable[Ref | None]) -> dict[str, IssueRow]:
        """The issue rows of these records, by what they are about."""
        keys = [
            key_of(self._pair, self._verb, about(source))
            for source in sources
            if source
        ]
        found = self._store.get(IssueRow, keys)
        return {row.about: row for row in found.values()}

    def _closing(
        self, source: Ref, notes: Sequence[Issue], rows: Mapping[str, IssueRow]
    ) -> Iterable[Fact | Gone]:
        """What becomes of a record's issue row once the record is carried."""
        where = about(source)
        for note in notes[-1:]:
            if not same(rows.get(where), note):
                yield self._row(note, Held.NOTED, rows)
        for note in notes:
            yield from self._told(note, rows)
        if not notes and where in rows:
            yield Gone(IssueRow, key_of(self._pair, self._verb, where))

    def _row(self, issue: Issue, held: Held, rows: Mapping[str, IssueRow]) -> IssueRow:
        now = self._clock.now()
        where = about(issue.source) if issue.source else _nameless(issue)
        before = rows.get(where)
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

    def _told(self, issue: Issue, rows: Mapping[str, IssueRow]) -> Iterable[Event]:
        """The event of an issue, unless it was told before and nothing has changed."""
        if issue.source and same(rows.get(about(issue.source)), issue):
            return
        yield Event(
            run=self._run,
            serial=self._next(),
            pair=self._pair,
            at=self._clock.now(),
            what="issue" if issue.blocking else "warning",
            source=issue.source,
            numbers=issue.numbers,
            code=issue.code,
            text=str(issue),
        )

    def _event(self, change: Change, outcome: Outcome) -> Event:
        return Event(
            run=self._run,
            serial=self._next(),
            pair=self._pair,
            at=self._clock.now(),
            what=outcome.state.value,
            kind=change.kind,
            source=change.source,
            target=outcome.ref or change.target,
            numbers=(change.number,),
            change=change.name,
            state=outcome.state,
            code=outcome.code,
            text=outcome.text or change.reason,
            before=shown(change.before),
            after=shown(change.after),
        )

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    # Recovery ---------------------------------------------------------------------------

    def unfinished(self) -> list[Intent]:
        """The intents of this pair and verb that are not finished."""
        found: list[Intent] = []
        after = ""
        while some := self._store.find(
            Intent, "open", key_of(self._pair, self._verb), after
        ):
            found.extend(some)
            after = some[-1].name
        self._planned = {}
        for each in found:
            if each.stage is Stage.PLANNED:
                self._planned.setdefault(each.source.id, []).append(each)
        return found

    def recover(
        self,
        find: Callable[[Sequence[Change]], Iterable[Record]],
        *,
        parked: bool = False,
    ) -> None:
        """
        Settle what an earlier run left behind, by looking before anything is sent.

        What was being sent may have landed: it is unknown until it is found, or until
        enough time has passed for its absence to be proof. ``parked``: look at those too
        of which a person had to be asked.
        """
        crashed = [each for each in self.unfinished() if each.stage is Stage.SENDING]
        if crashed:
            self._commit(
                *(evolve(each, stage=step(each, "crashed")) for each in crashed)
            )
        stages = (Stage.UNKNOWN, Stage.PARKED) if parked else (Stage.UNKNOWN,)
        unknown = [each for each in self.unfinished() if each.stage in stages]
        if not unknown:
            return
        try:
            found = {
                record.ref.id: record for record in find(list(map(_asked, unknown)))
            }
        except Fault as fault:
            log.warning("unclear writes cannot be looked at yet: %s", fault.code)
            return
        self._resolve(unknown, found)

    def _resolve(self, unknown: Sequence[Intent], found: Mapping[str, Record]) -> None:
        now = self._clock.now()
        changes = {intent.name: _asked(intent) for intent in unknown}
        links = self._links(changes.values())
        rows = self._rows(intent.source for intent in unknown)
        facts: list[Fact | Gone] = []
        for intent in unknown:
            change = changes[intent.name]
            record = found.get(intent.target.id) if intent.target else None
            ripe = intent.not_before is None or now >= intent.not_before
            if (
                record is not None
                and shown(record) == intent.wanted
                and (ripe or not _like_any_other(record))
            ):
                owned = record.receipts if isinstance(record, Settlement) else ()
                closed = (
                    isinstance(record, Settlement) and record.status is Status.SETTLED
                )
                outcome = Outcome.applied(change, owned=owned)
                facts.append(evolve(intent, stage=step(intent, "found")))
                facts.append(self._link(evolve(change, closes=closed), outcome, links))
                facts.append(evolve(self._event(change, outcome), what="adopted"))
                facts.extend(self._closing(change.source, (), rows))
            elif ripe:
                again = intent.stage is Stage.PARKED
                too_often = intent.attempt >= ATTEMPTS_MAX and not again
                by = "too often" if too_often else "proved absent"
                attempt = 0 if again else intent.attempt
                facts.append(evolve(intent, stage=step(intent, by), attempt=attempt))
                event = self._event(change, Outcome(intent.name, State.NOT_SENT))
                facts.append(evolve(event, what=by))
        if facts:
            self._commit(*facts)


def about(source: Ref) -> str:
    return key_of(source.kind, source.id)


def _nameless(issue: Issue) -> str:
    """What an issue is about whose record could not even be identified."""
    return key_of("?", *issue.numbers, issue.text[:200])


def same(row: IssueRow | None, issue: Issue) -> bool:
    """Whether a row already says this, of the same state of the record."""
    return (
        row is not None
        and row.held is not Held.CLOSED
        and row.issue.code is issue.code
        and row.issue.basis == issue.basis
        and row.issue.text == issue.text
    )


def _like_any_other(record: Record) -> bool:
    """
    Whether what was found carries no mark of ours: a payment that anybody may have
    entered. It proves something only once ours can no longer land beside it.
    """
    return isinstance(record, Settlement) and bool(record.receipts)


def _asked(intent: Intent) -> Change:
    """The change of an intent, as far as it is needed to look for what it made."""
    return Change(
        name=intent.name,
        action=intent.action,
        kind=intent.kind,
        connection=intent.connection,
        source=intent.source,
        target=intent.target,
        role=intent.role,
        generation=intent.generation,
        link_version=intent.link_version,
        number=intent.number,
        agreed=intent.agreed,
        mark=intent.mark,
        owned=intent.owned,
    )


def _noted(change: Change, outcome: Outcome) -> list[Issue]:
    """What the other side's answer adds that is worth a word."""
    return [
        Issue(
            code, change.source, (change.number,), blocking=False, basis=change.agreed
        )
        for code in outcome.notes
        if code.severity is not Severity.GREEN
    ]


def _last(facts: Iterable[Fact | Gone]) -> list[Fact | Gone]:
    """Each issue row once: where two issues are about one record, the blocking one wins."""
    rows: dict[str, IssueRow] = {}
    others: list[Fact | Gone] = []
    for fact in facts:
        if not isinstance(fact, IssueRow):
            others.append(fact)
        elif fact.about not in rows or fact.held is Held.OPEN:
            rows[fact.about] = fact
    return [*others, *rows.values()]
