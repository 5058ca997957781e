"""
One payment sync under way: batch after batch, from reading to remembering.

A run knows the order of the steps and counts what came of them; how each is done stands in
its own module. It opens nothing and decides nothing about money.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from attrs import define, evolve, field

from tieout.adapters import Adapter, DryAdapter, breaking
from tieout.capabilities import Capabilities
from tieout.change import Change, Issue, Outcome, State
from tieout.clock import Clock
from tieout.connector import batches
from tieout.errors import Code, Fate, Fault, Scope, Severity
from tieout.journal import Journal, about
from tieout.models import Link, Ref, Settlement, fingerprint
from tieout.money import Money
from tieout.plan import Plan, join
from tieout.planners import settlements
from tieout.planners.matching import issue
from tieout.reading import Batch, Reader
from tieout.report import Progress
from tieout.settings import Settings
from tieout.store import Held, Intent, IssueRow, Stage, Store, key_of

log = logging.getLogger("tieout.run")

WAVE_ROUNDS = 8
"""How many rounds of (batch size x concurrency) share one durable transaction before they
are sent. More saves disk; fewer leaves less to be looked at after a crash."""

CHECK_SIZE = 200
"""Changes of a saved plan whose records are read again together."""

WORDS: Mapping[Code, str] = {
    Code.NOT_IN_BILLING: "not found",
    Code.OUTCOME_UNKNOWN: "unknown",
}
"""How an issue is counted where it is not a failure."""


@define
class Tally:
    """What a run has come to so far."""

    counts: dict[str, int] = field(
        factory=lambda: dict.fromkeys(
            (
                "updated",
                "unchanged",
                "not found",
                "failed",
                "unknown",
                "skipped",
                "warning",
            ),
            0,
        )
    )
    lights: dict[Severity, int] = field(factory=lambda: dict.fromkeys(Severity, 0))
    totals: dict[str, Money] = field(factory=dict)
    done: int = 0

    def count(self, word: str, number: int = 1) -> None:
        """So many more records came to this."""
        self.counts[word] = self.counts.get(word, 0) + number
        self.done += number

    def note(self, found: Issue) -> str:
        """One more issue; the word it is counted under."""
        word = "warning"
        if found.blocking:
            word = WORDS.get(found.code, "failed")
            self.count(word)
        else:
            self.counts[word] += 1
        self.lights[found.severity] += 1
        return word

    def moved(self, change: Change) -> None:
        """A level was written: by how much the shown paid amount rose."""
        if isinstance(change.before, Settlement) and isinstance(
            change.after, Settlement
        ):
            by = change.after.money(change.after.paid - change.before.paid)
            held = self.totals.get(by.currency)
            self.totals[by.currency] = by if held is None else held + by


class Stopped(Exception):
    """The caller's ``stop`` said so."""


@define
class PaymentRun:
    """A run over one pair: with an adapter and a journal, or dry, with a ``sink``."""

    pair: str
    verb: str
    reader: Reader
    settings: Settings
    store: Store
    clock: Clock
    billing: Capabilities
    wave: int
    adapter: Adapter | None
    sink: DryAdapter | None
    journal: Journal | None
    on_progress: Callable[[Progress], None] | None
    stop: Callable[[], bool] | None
    trusting: bool = False
    tally: Tally = field(factory=Tally)
    unfinished: dict[str, Intent] = field(factory=dict)
    """Intents whose outcome is not known, by ledger id: their records wait."""
    pending: dict[str, Intent | None] = field(factory=dict)
    """Ledger records that have something open, with their intent if they have one."""
    choked: Exception | None = None
    """What the caller's ``on_progress`` raised in the middle of a wave."""

    def recover(self) -> tuple[str, ...]:
        """Settle what earlier runs left; the ids of ledger records to look at again."""
        open_intents: Sequence[Intent]
        if self.journal is not None:
            self.journal.recover(
                lambda changes: self.live.find(changes).records,
                parked=not self.trusting,
            )
            open_intents = self.journal.unfinished()
        else:
            value = key_of(self.pair, self.verb)
            open_intents = self.store.find(Intent, "open", value, limit=100_000)
        self.pending = {each.source.id: each for each in open_intents}
        self.unfinished = {
            each.source.id: each
            for each in open_intents
            if each.stage is not Stage.PLANNED
        }
        for source in self._open_issues():
            self.pending.setdefault(source, None)
        return tuple(self.pending)

    def _open_issues(self) -> Iterable[str]:
        """Held records that may go through now: the trouble was passing, or rules changed."""
        digest, after = self.settings.digest(), ""
        while rows := self.store.find(
            IssueRow, "open", key_of(self.pair, self.verb), after
        ):
            for row in rows:
                source = row.issue.source
                if source and (_may_pass(row.issue.code) or row.settings != digest):
                    yield source.id
            after = key_of(self.pair, self.verb, rows[-1].about)

    @property
    def live(self) -> Adapter:
        """The adapter of a run that writes."""
        assert self.adapter is not None
        return self.adapter

    # A batch ------------------------------------------------------------------------------

    def process(self, batch: Batch) -> None:
        """From a batch of levels to what is remembered of it."""
        self.check_stop()
        if self.journal is not None:
            self.journal.hold_on()
        links = self.reader.links(
            [*(each.ref.id for each in batch.records), *(ref.id for ref in batch.gone)]
        )
        told = [*batch.issues, *_gone(batch.gone, links)]
        rest, held = self._split(batch.records, links)
        billing, known, unreadable = self.reader.counterparts(rest, links)
        known = evolve(known, claimed={**self._claims(), **known.claimed})
        today = self.clock.now().date()
        plan = settlements.plan(
            rest, billing, known, self.billing, self.settings, observed_on=today
        )
        plan = evolve(plan, issues=(*told, *_explained(plan.issues, unreadable)))
        for each in held:
            self._tell(each)
        if self.journal is not None:
            self.journal.keep((), held)
        self.tally.count("skipped", plan.skipped)
        self.tally.count("unchanged", plan.kept)
        if self.sink is not None:
            self.sink.take(plan)
            for each in plan.issues:
                self._tell(each)
            self.tally.count("updated", len(plan.changes))
        else:
            self.carry(plan)

    def _claims(self) -> dict[str, Link]:
        """Billing records that a write of ours may have tied already, by id."""
        return {
            intent.target.id: Link(self.pair, intent.target, intent.source)
            for intent in self.pending.values()
            if intent is not None and intent.target is not None
        }

    def _split(
        self, records: Sequence[Settlement], links: Mapping[str, Link]
    ) -> tuple[list[Settlement], list[Issue]]:
        """The levels that need comparing, and the issues of those that stay held."""
        held_up = [each for each in records if each.ref.id in self.unfinished]
        rows = self._rows(records if self.trusting else held_up)
        rules = self.settings.digest()
        rest: list[Settlement] = []
        held: list[Issue] = []
        for record in records:
            if record.ref.id in self.unfinished:
                held.append(_waiting(record, self.unfinished[record.ref.id], rows))
                continue
            agreed = settlements.basis(record, rules) if self.trusting else ""
            row = rows.get(record.ref.id)
            if record.ref.id in self.pending:
                rest.append(record)
            elif self.trusting and settlements.unchanged(
                links.get(record.ref.id), agreed
            ):
                self.tally.count("unchanged")
            elif row and row.issue.basis == agreed and not _may_pass(row.issue.code):
                held.append(row.issue)
            else:
                rest.append(record)
        return rest, held

    def _rows(self, records: Sequence[Settlement]) -> dict[str, IssueRow]:
        """The open issues of these records, by id."""
        keys = [key_of(self.pair, self.verb, about(record.ref)) for record in records]
        found = self.store.get(IssueRow, keys).values()
        return {
            row.issue.source.id: row
            for row in found
            if row.issue.source and row.held in (Held.OPEN, Held.IGNORED)
        }

    # Carrying out -------------------------------------------------------------------------

    def carry(self, plan: Plan) -> None:
        """Remember what agrees and what cannot be carried; write the rest, in waves."""
        assert self.journal is not None
        notes: dict[str, list[Issue]] = {}
        for each in plan.issues:
            if not each.blocking and each.source:
                notes.setdefault(each.source.id, []).append(each)
        blocking = [each for each in plan.issues if each.blocking]
        keeps = settlements.keeping(plan, self.billing, self.settings, self.pending)
        new = self.journal.keep(keeps, blocking, notes)
        for each in (*blocking, *new):
            self._tell(each)
        waiting = list(plan.changes)
        while waiting:
            self.check_stop()
            some, waiting = waiting[: self.wave], waiting[self.wave :]
            late = self._wave(some, notes)
            if len(late) == len(some):
                raise Fault(Code.NOT_IN_TIME, "not one write could be sent in time")
            waiting = [*late, *waiting]

    def _wave(
        self, changes: Sequence[Change], notes: Mapping[str, Sequence[Issue]]
    ) -> list[Change]:
        """One wave: durable, sent, settled; then told. Returns what there was no time for."""
        assert self.journal is not None
        deadline = self.journal.deadline()
        self.journal.send(changes, deadline, self.billing.settle)
        outcomes = self._applied(changes, deadline)
        results = [(change, outcomes[change.name]) for change in changes]
        held = {
            each.source: each
            for each in self.journal.settle(results, notes)
            if each.source
        }
        unclear = [c.name for c, o in results if o.state is State.UNKNOWN]
        # The run may meet such a record again in its listing: it waits there too.
        for intent in self.store.get(Intent, unclear).values():
            self.unfinished[intent.source.id] = intent
            self.pending[intent.source.id] = intent
        if self.choked is not None:
            raise self.choked
        late = [c for c, outcome in results if outcome.code is Code.NOT_IN_TIME]
        for change, outcome in results:
            if outcome.state is State.APPLIED:
                for note in notes.get(change.source.id, ()):
                    self._tell(note)
            elif outcome.code is not Code.NOT_IN_TIME:
                self._tell(held[change.source])
        for outcome in outcomes.values():
            fault = breaking(outcome)
            if fault is not None:
                raise fault
        return late

    def _written(self, change: Change) -> None:
        """Count and tell a write at once; a caller who chokes on it loses no outcome."""
        self.tally.count("updated")
        self.tally.moved(change)
        green = Severity.GREEN
        try:
            self._progress(
                change.number, "updated", green, change.reason, change.source
            )
        except Exception as error:  # noqa: BLE001 - of the caller's own callback
            self.choked = self.choked or error

    def _applied(
        self, changes: Sequence[Change], deadline: datetime
    ) -> dict[str, Outcome]:
        """The outcome of each change; one that was not told is unknown."""
        found: dict[str, Outcome] = {}
        fault = Fault(Code.OUTCOME_UNKNOWN, "no outcome was told.", fate=Fate.UNCLEAR)
        by_name = {change.name: change for change in changes}
        try:
            for outcome in self.live.apply(changes, deadline):
                found[outcome.name] = outcome
                if outcome.state is State.APPLIED and outcome.name in by_name:
                    self._written(by_name[outcome.name])
                if self.journal is not None:
                    self.journal.hold_on()  # an adapter of the caller's may be slow
        except Exception as error:  # noqa: BLE001 - an adapter may be the caller's own
            log.warning("the adapter raised %s", type(error).__name__)
            text = f"the adapter raised {type(error).__name__}."
            fault = Fault(Code.OUTCOME_UNKNOWN, text, fate=Fate.UNCLEAR)
        return {
            each.name: found.get(each.name)
            or Outcome.failed(each, fault, effect_sent=True)
            for each in changes
        }

    # A saved plan -------------------------------------------------------------------------

    def apply(self, plan: Plan) -> None:
        """Carry out a saved plan, as far as its records are still as they were."""
        assert self.journal is not None
        plan = join([plan])
        notes: dict[str, list[Issue]] = {}
        for each in plan.issues:
            if not each.blocking and each.source:
                notes.setdefault(each.source.id, []).append(each)
        for some in batches(plan.changes, CHECK_SIZE):
            self.check_stop()
            fresh, stale = self._fresh(some)
            told = [note for each in fresh for note in notes.get(each.source.id, ())]
            self.carry(Plan(tuple(fresh), (*stale, *told)))
        self.carry(Plan(issues=tuple(each for each in plan.issues if each.blocking)))
        for claims in batches((c for c in plan.claims if c.kept), CHECK_SIZE):
            self._tie([claim.source.id for claim in claims])

    def _tie(self, ids: Sequence[str]) -> None:
        """Tie records that agreed when the plan was made, where they still do."""
        for page in self.reader.fetch_ledger(ids=ids):
            links = self.reader.links(each.ref.id for each in page.records)
            billing, known, _ = self.reader.counterparts(page.records, links)
            plan = settlements.plan(
                page.records, billing, known, self.billing, self.settings
            )
            self.carry(evolve(plan, changes=(), issues=()))

    def _fresh(self, changes: Sequence[Change]) -> tuple[list[Change], list[Issue]]:
        """The changes whose records on both sides are as they were, and issues for the rest."""
        ledger = {
            record.ref.id: record
            for page in self.reader.fetch_ledger(ids=[c.source.id for c in changes])
            for record in page.records
        }
        billing = {
            record.ref.id: record
            for page in self.reader.fetch_billing(
                ids=[c.target.id for c in changes if c.target]
            )
            for record in page.records
        }
        links = self.reader.links(ledger)
        fresh: list[Change] = []
        stale: list[Issue] = []
        for change in changes:
            here = ledger.get(change.source.id)
            there = billing.get(change.target.id) if change.target else None
            link = links.get(change.source.id)
            reason = self._stale(change, here, there, link)
            if reason:
                text = f"{reason}."
                stale.append(
                    Issue(Code.STALE_PLAN, change.source, (change.number,), text=text)
                )
            else:
                fresh.append(_refreshed(change, there))
        return fresh, stale

    def _stale(
        self,
        change: Change,
        here: Settlement | None,
        there: Settlement | None,
        link: Link | None,
    ) -> str:
        """Why a change of a saved plan no longer fits, or nothing."""
        if change.source.id in self.unfinished:
            return "an earlier write of it is not settled yet"
        if (
            here is None
            or settlements.basis(here, self.settings.digest()) != change.agreed
        ):
            return "it changed in the ledger"
        if there is None or change.before is None:
            return "it is gone from billing"
        if fingerprint(there) != fingerprint(change.before):
            return "it changed in billing"
        version = link.version if link else 0
        return "" if version == change.link_version else "it was synced in the meantime"

    # Telling ------------------------------------------------------------------------------

    def check_stop(self) -> None:
        """Raise `Stopped` if the caller wants the run to end."""
        if self.stop is not None and self.stop():
            raise Stopped

    def _tell(self, found: Issue) -> None:
        word = self.tally.note(found)
        number = ", ".join(found.numbers)
        self._progress(number, word, found.severity, str(found), found.source)

    def _progress(
        self, number: str, what: str, light: Severity, text: str, ref: Ref | None
    ) -> None:
        if self.on_progress is not None:
            self.on_progress(Progress(number, what, light, text, self.tally.done, ref))


def _may_pass(code: Code) -> bool:
    """Whether trying again may help although the record is as it was."""
    return code.retryable or code.scope is Scope.CONNECTION


def _refreshed(change: Change, there: Settlement | None) -> Change:
    """A saved change with what does not live in a file: versions and luggage."""
    assert there is not None
    assert change.after is not None
    after = evolve(change.after, version=there.version, carry=there.carry)
    return evolve(change, before=there, after=after)


def _gone(gone: Iterable[Ref], links: Mapping[str, Link]) -> list[Issue]:
    """Issues for tied ledger documents that were deleted. Others are of no concern."""
    return [
        Issue(
            Code.VANISHED,
            ref,
            text=f"ledger document {ref.id} was deleted; billing invoice "
            f"{links[ref.id].billing.id} was left as it is.",
        )
        for ref in gone
        if ref.id in links
    ]


def _explained(issues: Iterable[Issue], unreadable: Sequence[Issue]) -> list[Issue]:
    """Where billing has the record but it could not be read, that is the reason."""
    by_number = {number: each for each in unreadable for number in each.numbers}
    found: list[Issue] = []
    for each in issues:
        missing = each.code in (Code.NOT_IN_BILLING, Code.VANISHED)
        reason = next((by_number[n] for n in each.numbers if n in by_number), None)
        if missing and reason is not None:
            text = f"in billing: {reason.text}"
            found.append(evolve(each, code=reason.code, field=reason.field, text=text))
        else:
            found.append(each)
    return found


def _waiting(record: Settlement, intent: Intent, rows: Mapping[str, IssueRow]) -> Issue:
    """The issue of a record about which an earlier write is not settled yet."""
    if intent.stage is Stage.PARKED:
        return issue(Code.PARKED, record)
    row = rows.get(record.ref.id)
    if row is not None and row.issue.code is Code.OUTCOME_UNKNOWN:
        return row.issue
    until = (
        f"{intent.not_before:%Y-%m-%d %H:%M:%S} UTC" if intent.not_before else "later"
    )
    return issue(Code.OUTCOME_UNKNOWN, record, f"It is looked at after {until}.")
