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
from enum import Enum
from typing import Any, Protocol, TypeAlias

from attrs import evolve, frozen

from tieout.change import Action, Change, Issue, Outcome, State
from tieout.clock import Clock
from tieout.effects import money_of
from tieout.errors import Code, ConfigError, Fault, Scope, Severity, StoreError
from tieout.evidence import (
    Proof,
    asks_again,
    awaited,
    judged,
    owner_of,
    shown,
    unmarked,
)
from tieout.lease import WRITE, Hold
from tieout.models import (
    Customer,
    Link,
    Payment,
    Posting,
    Record,
    Ref,
    Settlement,
    Status,
    agreed_as,
    fingerprint,
)
from tieout.store import (
    SEPARATOR,
    Doubt,
    Event,
    Fact,
    Gone,
    Held,
    Intent,
    IssueRow,
    Stage,
    Store,
    key,
    key_of,
    link_billing,
    link_key,
)

log = logging.getLogger("tieout.journal")

SET_BACK_MAX = timedelta(days=1)
"""A clock that was set back by more than this was wrong before; by less, it may be now."""

LOOK_SIZE = 200
"""How many unclear writes are looked at together."""

TRANSITIONS: Mapping[tuple[Stage | None, str], Stage] = {
    (None, "sent"): Stage.SENDING,
    (Stage.PLANNED, "sent"): Stage.SENDING,
    (Stage.REJECTED, "sent"): Stage.SENDING,
    (Stage.SUPERSEDED, "sent"): Stage.SENDING,
    (Stage.IGNORED, "sent"): Stage.SENDING,
    (Stage.SENDING, "applied"): Stage.APPLIED,
    (Stage.SENDING, "rejected"): Stage.REJECTED,
    (Stage.SENDING, "not sent"): Stage.PLANNED,
    (Stage.SENDING, "unknown"): Stage.UNKNOWN,
    (Stage.SENDING, "crashed"): Stage.UNKNOWN,
    (Stage.SENDING, "in doubt"): Stage.PARKED,
    (None, "suspected"): Stage.UNKNOWN,
    (Stage.PLANNED, "suspected"): Stage.UNKNOWN,
    (Stage.REJECTED, "suspected"): Stage.UNKNOWN,
    (Stage.SUPERSEDED, "suspected"): Stage.UNKNOWN,
    (Stage.IGNORED, "suspected"): Stage.UNKNOWN,
    (Stage.UNKNOWN, "found"): Stage.APPLIED,
    (Stage.UNKNOWN, "proved absent"): Stage.PLANNED,
    (Stage.UNKNOWN, "in doubt"): Stage.PARKED,
    (Stage.PARKED, "found"): Stage.APPLIED,
    (Stage.PARKED, "proved absent"): Stage.PLANNED,
    (Stage.PARKED, "in doubt"): Stage.PARKED,
    (Stage.PARKED, "answered: landed"): Stage.APPLIED,
    (Stage.PARKED, "answered: not there"): Stage.PLANNED,
    (Stage.PARKED, "answered: ignore"): Stage.IGNORED,
    (Stage.PLANNED, "no longer needed"): Stage.SUPERSEDED,
    (Stage.APPLIED, "in doubt"): Stage.PARKED,
}
"""From where, by what, to where. What is not here does not happen."""


def step(intent: Intent | None, by: str) -> Stage:
    """The stage that follows; a step that is not in the table is a bug and raises."""
    return TRANSITIONS[intent.stage if intent else None, by]


@frozen
class Landed:
    """The answer of a person who found a parked write: it made the document of this id."""

    id: str


class Reply(Enum):
    """What else a person may answer about a parked write."""

    NOT_THERE = "it was not carried out: send it again"
    IGNORE = "leave it alone until the record changes"


PersonsAnswer: TypeAlias = Landed | Reply


class Journal(Hold):
    """What one run remembers of the changes it makes, while its lease lasts."""

    def __init__(
        self, store: Store, clock: Clock, pair: str, verb: str, run: str, settings: str
    ) -> None:
        super().__init__(store, clock, pair)
        self._verb = verb
        self._run = run
        self._settings = settings
        self._serial = 0
        self._planned: dict[str, list[Intent]] = {}
        self._stuck: dict[str, set[str]] = {}
        """The roles in which a record could not be carried in this run: what is carried of
        it in another closes nothing."""
        self._parts: dict[str, set[str]] = {}
        """By record, the names of its writes that are not settled yet, where it has many."""
        self._begun: set[str] = set()
        """The records of which a part was sent: they stay open until the last one is."""
        self._over: list[Gone] = []

    def announce(self, changes: Iterable[Change]) -> None:
        """
        These are to be written in this order: of a record that has several, each.

        From the first to the last of them the record is open, so that whoever comes after
        a process that ended in between goes on with it.
        """
        wholes: dict[str, set[str]] = {}
        for change in changes:
            if change.action is not Action.KEEP:
                wholes.setdefault(about(_whole(change)), set()).add(change.name)
        self._parts.update((w, names) for w, names in wholes.items() if len(names) > 1)

    def _beginning(self, changes: Sequence[Change]) -> Iterable[IssueRow]:
        """The rows of records of which the first of several parts is sent."""
        wholes = {
            about(whole): change
            for change in changes
            if about(whole := _whole(change)) in self._parts.keys() - self._begun
        }
        rows = self._rows(_whole(change) for change in wholes.values())
        self._begun.update(wholes)
        for where, change in wholes.items():
            if where not in rows:
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
        if where in self._begun and not self._stuck.get(where):
            row = self._rows([_whole(change)]).get(where)
            if row is not None and row.held is Held.OPEN:  # a word about it stays
                yield Gone(IssueRow, key_of(self._pair, self._verb, where))
        self._begun.discard(where)

    def send(
        self, changes: Sequence[Change], deadline: datetime, settle: timedelta
    ) -> list[Change]:
        """
        Make the intents of a wave durable; the changes, each with its idempotency key.

        Only then may anything be sent. What was planned for the same records under
        another name, and not sent, is given up in the same transaction.
        """
        held = self._store.get(Intent, [change.name for change in changes])
        self._check_lease()
        intents = [
            self._intent(change, held.get(change.name), deadline, settle)
            for change in changes
        ]
        rows = self._beginning(changes)
        self._commit(*self._outdated(changes), *intents, *rows)
        return [
            evolve(change, key=intent.key)
            for change, intent in zip(changes, intents, strict=True)
        ]

    def suspect(self, changes: Sequence[Change], not_before: datetime) -> None:
        """
        Treat writes that this store knows nothing of as if they had been sent before.

        For a store that was restored from an older copy: they are looked for first, and
        "not found" proves something after ``not_before``.
        """
        held = self._store.get(Intent, [change.name for change in changes])
        self._check_lease()
        settle = timedelta(0)
        intents = [
            evolve(
                self._intent(change, held.get(change.name), not_before, settle),
                stage=step(held.get(change.name), "suspected"),
                attempt=0,
            )
            for change in changes
        ]
        self._commit(*self._outdated(changes), *intents)

    def _outdated(self, changes: Sequence[Change]) -> list[Intent]:
        """What was planned for these records under other names and never sent."""
        return [
            evolve(intent, stage=step(intent, "no longer needed"))
            for change in changes
            for intent in self._planned.pop(about(change.source), ())
            if intent.name != change.name
        ]

    def _intent(
        self,
        change: Change,
        held: Intent | None,
        deadline: datetime,
        settle: timedelta,
    ) -> Intent:
        now, wanted = self._clock.now(), awaited(change)
        # After a refusal the content is another one: its count begins again.
        attempt = (held.attempt if held and held.stage is Stage.PLANNED else 0) + 1
        key, key_at = _key(change, held, wanted, now)
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
            also=change.also,
            agreed=change.agreed,
            wanted=wanted,
            owner=owner_of(change.after),
            within=change.within,
            mark=change.mark,
            put=unmarked(change),
            worth=money_of(change.after),
            stage=step(held, "sent"),
            attempt=attempt,
            fence=self.fence,
            run=self._run,
            owned=change.owned,
            releases=change.releases,
            first_sent_at=held.first_sent_at if held else now,
            sent_at=now,
            deadline=deadline,
            settle=settle.total_seconds(),
            not_before=deadline + settle,
            looked_at=held.looked_at if held else None,
            key=key,
            key_at=key_at,
        )

    def settle(
        self,
        results: Iterable[tuple[Change, Outcome]],
        notes: Mapping[Ref, Sequence[Issue]] | None = None,
    ) -> dict[str, Issue]:
        """
        Store what came of a wave: outcomes, links, issues and events in one transaction.

        ``notes`` by source are things worth knowing about changes that were applied.
        Returns the issues of those that were not, by the names of the changes.
        """
        pairs = list(results)
        held = self._store.get(Intent, [change.name for change, _ in pairs])
        self._check_lease()
        links = self._links([change for change, _ in pairs])
        rows = self._rows([change.source for change, _ in pairs])
        taken = self._taken(pairs, links)
        facts: list[Fact | Gone] = []
        issues: dict[str, Issue] = {}
        for change, outcome in pairs:
            intent = held[change.name]
            if change.name in taken:
                made = (outcome.ref,) if outcome.ref else ()
                issues[change.name] = self._doubted(
                    intent, Doubt.TAKEN, made, change, facts, rows
                )
                continue
            facts.append(self._settled(intent, outcome))
            facts.extend(self._through(change))
            event = self._event(change, outcome)
            stuck = self._stuck.setdefault(about(change.source), set())
            if outcome.state is State.APPLIED:
                stuck.discard(change.role)
                facts.extend(self._tying(change, outcome, links, event))
                told = (notes or {}).get(change.source, ())
                worth = [*told, *noted(change, outcome)]
                facts.extend(self._closing(change.source, worth, rows))
            else:
                facts.append(event)
                stuck.add(change.role)
                issue = issues[change.name] = self._failed(change, outcome, intent)
                facts.append(self._row(issue, Held.OPEN, rows))
        self._commit(*facts)
        return issues

    def _settled(self, intent: Intent, outcome: Outcome) -> Intent:
        """The intent after its outcome. What is unknown now was given up now, not before."""
        not_before = intent.not_before
        if outcome.state is State.UNKNOWN and not_before is not None:
            wait = timedelta(seconds=intent.settle)
            not_before = max(not_before, self._clock.now() + wait)
        tried = outcome.state is not State.NOT_SENT
        # What the answer showed is ours in all but the mark (`believed`).
        unknown = outcome.state is State.UNKNOWN
        unmarked = unknown and intent.action is Action.CREATE
        return evolve(
            intent,
            stage=step(intent, outcome.state.value),
            attempt=intent.attempt if tried else intent.attempt - 1,
            not_before=not_before,
            result=outcome.ref if outcome.state is State.APPLIED else None,
            candidates=(outcome.ref,) if outcome.ref and unmarked else (),
            code=outcome.code,
            text=outcome.text,
        )

    def _taken(
        self, pairs: Iterable[tuple[Change, Outcome]], links: Mapping[str, Link]
    ) -> set[str]:
        """Names of the new ties whose document is tied to another record already."""
        made = {
            change.name: (change, outcome.ref)
            for change, outcome in pairs
            if outcome.state is State.APPLIED
            and outcome.ref is not None
            and not self._joins(links.get(_tied(change)), change, outcome.ref)
        }
        if not made:
            return set()
        owners = self._owners(made.values())
        refs = [(change.role, ref) for change, ref in made.values()]
        return {
            name
            for name, (change, ref) in made.items()
            if owners.get((change.role, ref), change.source) != change.source
            or refs.count((change.role, ref)) > 1
        }

    def _joins(self, link: Link | None, change: Change, target: Ref) -> bool:
        """Whether a link ties these two already, or let them go and is not to hold again."""
        if link is None or (link.released and not change.releases):
            return False
        return {link.billing, link.ledger} == {change.source, target}

    def _tying(
        self,
        change: Change,
        outcome: Outcome,
        links: Mapping[str, Link],
        event: Event,
    ) -> Iterable[Fact | Gone]:
        """
        The link of a change that was carried out, in the place of an older one.

        Its event holds the link: no tie is made or let go that the log does not tell.
        """
        if change.kind is Posting:
            yield event  # that a record was handed over ties it to nothing
            return
        link, held = self._link(change, outcome, links), links.get(_tied(change))
        let_go: Ref | None = None
        if held is not None and key(held) != key(link):
            yield Gone(Link, key(held))
            let_go = held.ledger
        yield link
        yield evolve(event, link=link, let_go=let_go)

    def _owners(self, made: Iterable[tuple[Change, Ref]]) -> dict[tuple[str, Ref], Ref]:
        """To which records these documents are tied, by role and document."""
        made = list(made)
        here = [(c, ref) for c, ref in made if self._outward(c.source)]
        there = [(c, ref) for c, ref in made if not self._outward(c.source)]
        keys = [link_key(self._pair, ref.kind, ref.id, c.role) for c, ref in here]
        values = [
            link_billing(self._pair, ref.kind, ref.id, c.role) for c, ref in there
        ]
        found = {
            (link.role, link.ledger): link.billing
            for link in self._store.get(Link, keys).values()
        }
        for link in self._store.find(Link, "billing", values, limit=len(values) + 1):
            found[link.role, link.billing] = link.ledger
        return found

    def _doubted(
        self,
        intent: Intent,
        doubt: Doubt,
        candidates: Sequence[Ref],
        change: Change,
        facts: list[Fact | Gone],
        rows: Mapping[str, IssueRow],
    ) -> Issue:
        """Park an intent: its row, event and issue are added to ``facts``."""
        text = f"{doubt.value}{_listed(candidates)}."
        facts.append(
            evolve(
                intent,
                stage=step(intent, "in doubt"),
                doubt=doubt,
                candidates=tuple(candidates),
                code=Code.PARKED,
                text=text,
            )
        )
        outcome = Outcome(intent.name, State.UNKNOWN, code=Code.PARKED, text=text)
        facts.append(evolve(self._event(change, outcome), what="in doubt"))
        issue = Issue(
            Code.PARKED,
            change.source,
            change.numbers,
            text=text,
            basis=change.agreed,
            within=change.within,
            at=self._clock.now(),
            connection=change.connection,
        )
        facts.append(self._row(issue, Held.OPEN, rows))
        return issue

    def keep(
        self,
        changes: Sequence[Change],
        issues: Sequence[Issue],
        notes: Mapping[Ref, Sequence[Issue]] | None = None,
    ) -> list[Issue]:
        """
        Remember what needs no write: links of records that agree, and issues.

        Returns what had not been told before: notes, and ties that cannot be.
        """
        if not changes and not issues:
            return []
        over, self._over = self._over, []
        links = self._links(changes)
        rows = self._rows([*(c.source for c in changes), *(i.source for i in issues)])
        told = dict(notes or {})
        facts: list[Fact | Gone] = [*over]
        new: list[Issue] = []
        taken = self._taken([(c, Outcome.applied(c)) for c in changes], links)
        for change in changes:
            if change.name in taken:
                new.append(_taken_already(change))
                facts.append(self._row(new[-1], Held.OPEN, rows))
                facts.extend(self._told(new[-1], rows))
                continue
            outcome = Outcome.applied(change, owned=change.owned)
            link, held = self._link(change, outcome, links), links.get(_tied(change))
            if held is None or not _alike_but_seen(link, held):
                event = evolve(self._event(change, outcome), what="tied", state=None)
                facts.extend(self._tying(change, outcome, links, event))
            facts.extend(
                evolve(intent, stage=step(intent, "no longer needed"))
                for intent in self._planned.pop(about(change.source), ())
            )
            noted = told.get(change.source, ())
            facts.extend(self._closing(change.source, noted, rows))
            row = rows.get(about(change.source))
            new.extend(() if all(same(row, e) for e in as_one(noted)) else noted)
        for issue in issues:
            facts.append(self._row(issue, Held.OPEN, rows))
            facts.extend(self._told(issue, rows))
        if facts:
            self._commit(*_last(facts))
        return new

    def notice(self, issues: Sequence[Issue]) -> None:
        """Write down what is worth a word about the run itself."""
        if issues:
            rows = [self._row(each, Held.NOTED, {}) for each in issues]
            told = [event for each in issues for event in self._told(each, {})]
            self._commit(*rows, *told)

    def stuck(self, changes: Iterable[Change]) -> None:
        """These could not be carried: no other part of their record closes what is open."""
        for change in changes:
            self._stuck.setdefault(about(change.source), set()).add(change.role)
            self._over.extend(self._through(change))

    def clear(self, sources: Iterable[Ref]) -> None:
        """Forget what was open about records that are in order, or of no concern."""
        wanted = list(sources)
        if not wanted:
            return
        rows = self._rows(wanted)
        facts: list[Fact | Gone] = []
        for source in wanted:
            where = about(source)
            facts.extend(
                evolve(intent, stage=step(intent, "no longer needed"))
                for intent in self._planned.pop(where, ())
            )
            row = rows.get(where)
            if row is not None and row.held in (Held.OPEN, Held.IGNORED):
                facts.append(Gone(IssueRow, key_of(self._pair, self._verb, where)))
                if row.issue.code is not Code.OUTCOME_UNKNOWN:
                    facts.append(self._closed(row))
        if facts:
            self._commit(*facts)

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
            serial=1,
            pair=self._pair,
            at=self._clock.now(),
            what="forgotten",
            text=why,
            fence=self.fence,
        )
        self._commit(*(Gone(Event, each) for each in keys), event)
        self.hold_on()

    def _closed(self, row: IssueRow) -> Event:
        return self._happened(
            what="closed",
            source=row.issue.source,
            numbers=row.issue.numbers,
            code=row.issue.code,
        )

    def _failed(self, change: Change, outcome: Outcome, intent: Intent) -> Issue:
        code, text = outcome.code or Code.UNKNOWN_ERROR, outcome.text
        remedy = outcome.remedy
        if outcome.state is State.UNKNOWN:
            until = when(self._settled(intent, outcome).not_before)
            code, text = Code.OUTCOME_UNKNOWN, f"{text} It is looked at after {until}."
            remedy = code.remedy
        return Issue(
            code,
            change.source,
            change.numbers,
            text=text,
            remedy=remedy,
            basis=change.agreed,
            within=change.within,
            at=self._clock.now(),
            connection=change.connection,
        )

    def follow(self, link: Link, gone: Ref, into: Ref) -> bool:
        """
        One of two that are tied was merged into another record: the tie goes there.

        False where that one is tied already: two ties are not made one.
        """
        outward, kind = self._outward(into), into.kind
        moved = evolve(link, version=link.version + 1, agreed={})
        if outward:
            value = link_billing(self._pair, kind, into.id, link.role)
            moved = evolve(moved, billing=into)
            taken = self._store.find(Link, "billing", value)
        else:
            moved = evolve(moved, ledger=into)
            taken = [*self._store.get(Link, [key(moved)]).values()]
        if taken:
            return False
        event = self._happened(
            what="rekeyed",
            source=gone,
            target=into,
            numbers=(link.number,) if link.number else (),
            link=moved,
        )
        if key(moved) == key(link):
            self._commit(moved, event)
        else:
            let_go = evolve(event, let_go=link.ledger)
            self._commit(Gone(Link, key(link)), moved, let_go)
        return True

    # Facts ------------------------------------------------------------------------------

    def _outward(self, source: Ref) -> bool:
        """Whether a record of the billing side asks for something in the ledger."""
        return source.connection == self._pair.partition(SEPARATOR)[0]

    def _links(self, changes: Iterable[Change]) -> dict[str, Link]:
        """The links of the records that ask for these changes, by `_tied`."""
        changes = list(changes)
        inward = {
            link_key(self._pair, c.source.kind, c.source.id, c.role): _tied(c)
            for c in changes
            if not self._outward(c.source)
        }
        outward = {
            link_billing(self._pair, c.source.kind, c.source.id, c.role): _tied(c)
            for c in changes
            if self._outward(c.source)
        }
        found = {
            inward[key]: link for key, link in self._store.get(Link, inward).items()
        }
        if not outward:
            return found
        for link in self._store.find(Link, "billing", outward, limit=len(outward) + 1):
            source = link.billing
            value = link_billing(self._pair, source.kind, source.id, link.role)
            found[outward[value]] = link
        return found

    def _link(
        self, change: Change, outcome: Outcome, links: Mapping[str, Link]
    ) -> Link:
        held = links.get(_tied(change))
        target = outcome.ref or change.target
        assert target is not None
        level = change.kind is Settlement
        source = change.source
        # What is agreed is of the record that asked: a payment asks for its fee's invoice.
        said = (
            Settlement.__name__ if level else agreed_as(source.kind, source.connection)
        )
        agreed = {**(held.agreed if held else {}), said: change.agreed}
        agreed.update(_as_written(change, outcome, agreed))
        raised = 0 if change.action is Action.KEEP else 1
        outward = self._outward(source)
        # Of a level nobody can say on which side its invoice was made.
        born = "" if level else source.connection
        return Link(
            pair=self._pair,
            billing=source if outward else target,
            ledger=target if outward else source,
            role=change.role,
            version=(held.version if held else 0) + raised,
            origin=(held.origin if held else "") or born,
            agreed=agreed,
            owned=outcome.owned,
            open=not change.closes,
            released=change.releases,
            seen_on=self._clock.now().date(),
            number=change.number or (held.number if held else ""),
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
        if self._stuck.get(where):
            return
        for row in as_one(notes):  # the log has each of them, the record has one row
            if not same(rows.get(where), row):
                yield self._row(row, Held.NOTED, rows)
                for note in notes:
                    yield from self._told(note, rows)
        if not notes and where in rows and not self._parts.get(where):
            yield Gone(IssueRow, key_of(self._pair, self._verb, where))

    def _row(self, issue: Issue, held: Held, rows: Mapping[str, IssueRow]) -> IssueRow:
        now = self._clock.now()
        where = about(issue.source) if issue.source else _nameless(issue)
        before = rows.get(where)
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

    def _told(self, issue: Issue, rows: Mapping[str, IssueRow]) -> Iterable[Event]:
        """The event of an issue, unless it was told before and nothing has changed."""
        if issue.source and same(rows.get(about(issue.source)), issue):
            return
        yield self._happened(
            what="issue" if issue.blocking else "warning",
            source=issue.source,
            numbers=issue.numbers,
            code=issue.code,
            text=str(issue),
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

    # Recovery ---------------------------------------------------------------------------

    def stage(self, name: str) -> Stage | None:
        """Where the intent of a change is; None where there is none."""
        intent = self._store.get(Intent, [name]).get(name)
        return intent.stage if intent else None

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
                self._planned.setdefault(about(each.source), []).append(each)
        return found

    def recover(
        self, find: Find, *, parked: bool = False, connection: str = ""
    ) -> list[Issue]:
        """
        Settle what an earlier run left behind, by looking before anything is sent.

        What was being sent may have landed: it is unknown until it is found, or until
        enough time has passed for its absence to be proof. ``parked``: look at those too
        that were sent too often; ``connection``: look on that one alone. Returns an issue
        for each write that a person is asked about from now on.
        """
        left = self.unfinished()
        crashed = [each for each in left if each.stage is Stage.SENDING]
        stamped = [self._clocked(each) for each in left if each.stage in _LOOKED_AT]
        moved = [
            *(evolve(each, stage=step(each, "crashed")) for each in crashed),
            *(new for old, new in stamped if old != new),
        ]
        if moved:
            self._commit(*moved)
            left = self.unfinished()
        unknown = [each for each in left if each.stage is Stage.UNKNOWN]
        if parked:
            unknown += asks_again([e for e in left if e.stage is Stage.PARKED])
        issues: list[Issue] = []
        for some in _alike(unknown):
            if connection and some[0].connection != connection:
                continue
            issues += self._looked_at(some, find)
            self.hold_on()
        return issues

    def _clocked(self, intent: Intent) -> tuple[Intent, Intent]:
        """
        An intent, and what becomes of it if the clock was set far back: its wait begins
        again, or a clock that was years ahead once would keep it waiting for years.

        Set back by less, the wait stays as it was, and lasts so much longer: if the clock
        is soon set right again, one that had begun anew would be over too early.
        """
        now, wait = self._clock.now(), timedelta(seconds=intent.settle)
        if intent.sent_at is None or intent.sent_at <= now + SET_BACK_MAX:
            return intent, intent
        return intent, evolve(intent, sent_at=now, not_before=now + WRITE + wait)

    def _looked_at(self, unknown: Sequence[Intent], find: Find) -> list[Issue]:
        """Look for some unclear writes and write down what that proves."""
        can_look = True
        # A look proves absence only if it began after the wait: an answer may be old.
        now = self._clock.now()
        found: Found | None = None
        try:
            found = find([_asked(each) for each in unknown])
        except Fault as fault:
            can_look = fault.code is not Code.NOT_ALLOWED
            if fault.code.scope is Scope.CONNECTION and not fault.code.retryable:
                raise  # a person has to see to the connection, and nobody else says so
            if can_look:
                log.warning("unclear writes cannot be looked at yet: %s", fault.code)
                return []
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - the caller's own code may look
            log.warning("looking for unclear writes raised %s", type(error).__name__)
            return []
        records: Sequence[Record] = found.records if found else ()
        unread: Sequence[Issue] = found.issues if found else ()
        proofs = [
            (each, proof)
            for each in unknown
            if (proof := judged(each, records, now, can_look=can_look))
        ]
        if not any(each.blocking for each in unread):
            return self._proved(proofs)
        # What was found and could not be read may be the very document.
        absent = [each for each, proof in proofs if proof.by == "proved absent"]
        sure = [each for each in proofs if each[0] not in absent]
        issues = self._proved(sure)
        if len(unknown) == 1:
            text = "an unclear write is not settled: what is there cannot be read: %s"
            log.warning(text, "; ".join(map(str, unread)))
            return issues
        for each in absent:
            issues += self._looked_at([each], find)
        return issues

    def _proved(self, proofs: Sequence[tuple[Intent, Proof]]) -> list[Issue]:
        changes = {intent.name: _asked(intent) for intent, _ in proofs}
        links = self._links(changes.values())
        rows = self._rows(intent.source for intent, _ in proofs)
        applied = {
            intent.name: _adopted(changes[intent.name], proof.record)
            for intent, proof in proofs
            if proof.record is not None
        }
        taken = self._taken(applied.values(), links)
        facts: list[Fact | Gone] = []
        issues: list[Issue] = []
        for intent, proof in proofs:
            change = changes[intent.name]
            doubt, refs = proof.doubt, [each.ref for each in proof.candidates]
            if doubt is Doubt.CONFLICT and not refs:
                refs = [*intent.candidates]
            if intent.name in taken and proof.record is not None:
                doubt, refs = Doubt.TAKEN, [proof.record.ref]
            if doubt is not None:
                before = (intent.doubt, [*intent.candidates])
                if intent.stage is not Stage.PARKED or before != (doubt, refs):
                    issues.append(
                        self._doubted(intent, doubt, refs, change, facts, rows)
                    )
            elif intent.name in applied:
                facts.extend(self._adopting(intent, applied[intent.name], links, rows))
            else:
                facts.extend(self._absent(intent, change, proof.by))
        if facts:
            self._commit(*facts)
        return issues

    def _adopting(
        self,
        intent: Intent,
        found: tuple[Change, Outcome],
        links: Mapping[str, Link],
        rows: Mapping[str, IssueRow],
        by: str = "found",
    ) -> Iterable[Fact | Gone]:
        """The facts of a write that turned out to have been carried out."""
        change, outcome = found
        yield evolve(intent, stage=step(intent, by), result=outcome.ref, doubt=None)
        event = self._event(change, outcome)
        event = evolve(event, what="adopted", after=intent.wanted)
        yield from self._tying(change, outcome, links, event)
        if intent.kind is Settlement or intent.source.kind == Payment.__name__:
            # It may have changed since it was sent, and the marker may have passed that;
            # of a payment there may be other documents that could not be made yet.
            # The record stays open until somebody has compared it.
            yield self._row(_to_compare(intent), Held.OPEN, rows)
        else:
            yield from self._closing(change.source, (), rows)

    def _absent(
        self, intent: Intent, change: Change, by: str, text: str = ""
    ) -> Iterable[Fact]:
        """The facts of a write that was certainly not carried out."""
        again = intent.stage is Stage.PARKED
        yield evolve(
            intent,
            stage=step(intent, by),
            attempt=0 if again else intent.attempt,
            looked_at=self._clock.now(),
            doubt=None,
            candidates=(),
        )
        outcome = Outcome(intent.name, State.NOT_SENT, text=text)
        yield evolve(self._event(change, outcome), what=by)

    # What a person answers --------------------------------------------------------------

    def answer(self, name: str, reply: PersonsAnswer, by: str) -> None:
        """
        Go on with a parked write as a person says; who said so is written down.

        Of a level (a paid amount) it does not matter whether it landed: it is compared
        anew. Raises `ConfigError` where no such write is parked, and `Fault`
        ALREADY_LINKED where the document belongs to another record.
        """
        intent = self._store.get(Intent, [name]).get(name)
        if (
            intent is None
            or intent.pair != self._pair
            or intent.stage is not Stage.PARKED
        ):
            raise ConfigError(f"no parked write has the name {name!r}")
        if isinstance(reply, Landed) and not reply.id.strip():
            raise ConfigError("Landed: the id of the document is missing")
        change, rows = _asked(intent), self._rows([intent.source])
        facts: list[Fact | Gone]
        if reply is Reply.IGNORE:
            facts = list(self._ignoring(intent, change, rows, by))
        elif isinstance(reply, Landed) and intent.kind is not Settlement:
            facts = self._landing(intent, change, reply, rows, by)
        else:
            text = f"{by} answered: {'landed' if isinstance(reply, Landed) else 'not there'}"
            absent, *rest = self._absent(intent, change, "answered: not there", text)
            assert isinstance(absent, Intent)
            # The doubt stays on record: it is looked for once more before it is sent.
            facts = [evolve(absent, doubt=intent.doubt), *rest]
        self._commit(*facts)

    def _ignoring(
        self, intent: Intent, change: Change, rows: Mapping[str, IssueRow], by: str
    ) -> Iterable[Fact]:
        yield evolve(intent, stage=step(intent, "answered: ignore"))
        outcome = Outcome(
            intent.name, State.UNKNOWN, code=Code.PARKED, text=f"{by} answered: ignore"
        )
        yield evolve(self._event(change, outcome), what="ignored")
        row = rows.get(about(intent.source))
        issue = row.issue if row else Issue(Code.PARKED, intent.source, change.numbers)
        yield self._row(evolve(issue, basis=intent.agreed), Held.IGNORED, rows)

    def _landing(
        self,
        intent: Intent,
        change: Change,
        reply: Landed,
        rows: Mapping[str, IssueRow],
        by: str,
    ) -> list[Fact | Gone]:
        made = Ref(intent.connection, intent.kind.__name__, reply.id)
        outcome = Outcome.applied(change, ref=made)
        outcome = evolve(outcome, text=f"{by} answered: landed as {reply.id}")
        links = self._links([change])
        if self._taken([(change, outcome)], links):
            text = f"document {reply.id} is tied to another record."
            raise Fault(Code.ALREADY_LINKED, text)
        found = (change, outcome)
        return list(self._adopting(intent, found, links, rows, "answered: landed"))

    # The audit --------------------------------------------------------------------------

    def audit(self, find: Find) -> list[Issue]:
        """
        Look for each mark again; a second document with one is parked and told.

        This finds what no wait can prevent: a request that was carried out hours late, or
        a document that a person copied together with our mark.
        """
        issues: list[Issue] = []
        after = ""
        value = key_of(self._pair, self._verb)
        while some := self._store.find(Intent, "marked", value, after, LOOK_SIZE):
            after = some[-1].name
            now = self._clock.now()
            records = find([_asked(each) for each in some]).records
            proofs = [(each, judged(each, records, now)) for each in some]
            issues += self._proved(
                [
                    (intent, proof)
                    for intent, proof in proofs
                    if proof is not None and proof.doubt is Doubt.DUPLICATE
                ]
            )
            self.hold_on()
        return issues


class Found(Protocol):
    """What a look brought: records, and issues of those that could not be read."""

    @property
    def records(self) -> Sequence[Record]: ...

    @property
    def issues(self) -> Sequence[Issue]: ...


Find: TypeAlias = Callable[[Sequence[Change]], Found]
"""Looks on the other side for what changes may have made."""

_LOOKED_AT = (Stage.UNKNOWN, Stage.PARKED)


def _alike_but_seen(link: Link, held: Link) -> bool:
    """Whether a record that agrees is tied as it was, whenever it was last looked at."""
    return evolve(link, version=held.version, seen_on=held.seen_on) == held


def _alike(intents: Sequence[Intent]) -> Iterable[Sequence[Intent]]:
    """Intents that can be looked for together: of one kind, on one connection."""
    groups: dict[tuple[str, str], list[Intent]] = {}
    for each in intents:
        groups.setdefault((each.connection, each.kind.__name__), []).append(each)
    for group in groups.values():
        for first in range(0, len(group), LOOK_SIZE):
            yield group[first : first + LOOK_SIZE]


def _tied(change: Change) -> str:
    """What a link is looked up by here: the record that asks, and the role."""
    source = change.source
    return key_of(source.connection, source.kind, source.id, change.role)


def _key(
    change: Change, held: Intent | None, wanted: str, now: datetime
) -> tuple[str, datetime]:
    """
    The idempotency key of a sending, and when it was made.

    The same for all attempts at the same content; another one for other content and after
    a refusal, which some vendors would replay.
    """
    if (
        held is not None
        and held.key
        and held.stage in (Stage.PLANNED, Stage.UNKNOWN)
        and (held.wanted, held.agreed) == (wanted, change.agreed)
    ):
        return held.key, held.key_at or now
    told = f"{change.name}|{wanted}|{held.key if held else ''}|{now.isoformat()}"
    return hashlib.sha256(told.encode()).hexdigest()[:36], now


def _adopted(change: Change, record: Record) -> tuple[Change, Outcome]:
    """The change and the outcome of a write that was found on the other side."""
    level = record if isinstance(record, Settlement) else None
    closed = level is not None and level.status is Status.SETTLED
    owned = level.receipts if level else ()
    ref = record.ref if change.action is Action.CREATE else change.target
    return evolve(change, closes=closed), Outcome.applied(change, ref=ref, owned=owned)


def _to_compare(intent: Intent) -> Issue:
    """What is open about a level that turned out to be written."""
    return Issue(
        Code.OUTCOME_UNKNOWN,
        intent.source,
        (intent.number,),
        text="It was carried out; it is compared with the books once more.",
    )


def _whole(change: Change) -> Ref:
    """The record that a change is a part of carrying."""
    return change.within or change.source


def _in_parts(change: Change) -> Issue:
    """That a record is being written in several parts, and not all of them are there."""
    text = "it is written in parts, and not all of them are there."
    return Issue(Code.WAITS, _whole(change), change.numbers, text=text)


def _taken_already(change: Change) -> Issue:
    return Issue(
        Code.ALREADY_LINKED,
        change.source,
        change.numbers,
        text=f"{change.target.id if change.target else '?'} is tied to another record.",
        basis=change.agreed,
        within=change.within,
    )


def _listed(refs: Sequence[Ref]) -> str:
    return f": {', '.join(ref.id for ref in refs)}" if refs else ""


def when(moment: datetime | None) -> str:
    """A moment as people read it."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "later"


def about(source: Ref) -> str:
    """What an issue row is about."""
    return key_of(source.connection, source.kind, source.id)


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


def _as_written(
    change: Change, outcome: Outcome, agreed: Mapping[str, str]
) -> Mapping[str, str]:
    """
    What is agreed of a customer as it was just written: customers go back too.

    Our own write is no edit of that side's; one that it made before is still news.
    """
    echo, before = outcome.echo, change.before
    if not isinstance(echo, Customer):
        return {}
    back = agreed_as(echo.ref.kind, echo.ref.connection)
    known = before is None or agreed.get(back) == fingerprint(before)
    return {back: fingerprint(echo)} if known else {}


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
        also=intent.also,
        agreed=intent.agreed,
        mark=intent.mark,
        after=intent.put,
        owned=intent.owned,
        releases=intent.releases,
        within=intent.within,
    )


def noted(change: Change, outcome: Outcome) -> list[Issue]:
    """What the other side's answer adds that is worth a word."""
    return [
        Issue(
            code,
            change.source,
            change.numbers,
            text=outcome.text,
            blocking=False,
            basis=change.agreed,
        )
        for code in outcome.notes
        if code.severity is not Severity.GREEN
    ]


def as_one(notes: Iterable[Issue]) -> list[Issue]:
    """
    What there is to say of a record in one note, the worst of it first; none for nothing.

    A record has one row: what is less must not hide that its money differs.
    """
    worst = sorted(notes, key=lambda each: each.severity is not Severity.RED)
    several = list({(each.code, each.text): each for each in worst}.values())
    if len(several) <= 1:
        return several
    first, *others = several
    texts = [first.text or first.code.meaning]
    texts += [f"{e.code.meaning.rstrip('.')}: {e.text}".rstrip(": ") for e in others]
    steps = dict.fromkeys(each.remedy or each.code.remedy for each in several)
    return [evolve(first, text=" ".join(texts), remedy=" ".join(steps))]


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
