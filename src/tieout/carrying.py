"""
Carrying changes out: journaled, in waves, through an adapter; counted and told.

What every run has in common, whatever it carries. Which changes there are to carry is the
business of `tieout.run` and `tieout.documents`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import define, evolve, field

from tieout.adapters import Adapter, DryAdapter, breaking
from tieout.capabilities import Capabilities, Creates, Verb
from tieout.change import Action, Change, Issue, Outcome, State
from tieout.clock import Clock
from tieout.effects import Sums
from tieout.errors import Code, Fate, Fault, Retry, Severity
from tieout.evidence import believed, unmarked
from tieout.journal import Journal
from tieout.lease import WRITE
from tieout.models import CreditNote, Record, Ref, Settlement, Status
from tieout.money import Money
from tieout.noting import about, noted, unknown_of, when
from tieout.plan import Plan
from tieout.protocol import Page
from tieout.reading import Reader
from tieout.report import Progress
from tieout.settings import Settings
from tieout.store import (
    Doubt,
    Held,
    Intent,
    IssueRow,
    Restored,
    Stage,
    Store,
    key_of,
)

log = logging.getLogger("tieout.carrying")

WAVE_ROUNDS = 8
"""How many rounds of (batch size x concurrency) share one durable transaction before they
are sent. More saves disk; fewer leaves less to be looked at after a crash."""

LOOK_AGE_MAX = timedelta(minutes=10)
"""How old a look may be that found nothing, for the document to be made on its word."""

STALE_MAX = 3
"""How often a record that somebody else changes meanwhile is read and compared again
within one run; after that it is an issue."""

DONE: Mapping[Action, str] = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.VOID: "voided",
}
"""How a change is counted once it was carried out."""

WORDS: Mapping[Code, str] = {
    Code.NOT_IN_BILLING: "not found",
    Code.OUTCOME_UNKNOWN: "unknown",
}
"""How an issue is counted where it is not a failure."""


DOCUMENTS = "documents"
"""Under which verb intents and issues of all documents are filed: whichever of them is
carried, what another run left open is settled first."""


@define
class Tally:
    """What a run has come to so far."""

    counts: dict[str, int] = field(
        factory=lambda: dict.fromkeys(
            (
                *DONE.values(),
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
    sums: Sums = field(factory=Sums)
    done: int = 0

    def count(self, word: str, number: int = 1) -> None:
        """So many more records came to this."""
        self.counts[word] = self.counts.get(word, 0) + number
        self.done += number

    def planned(self, changes: Iterable[Change]) -> None:
        """So many changes would be carried out."""
        for change in changes:
            self.count(DONE.get(change.action, "unchanged"))

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
        """A change was written: what it did to money."""
        self.sums.add(change)
        if isinstance(change.before, Settlement) and isinstance(
            change.after, Settlement
        ):
            by = change.after.money(change.after.paid - change.before.paid)
            held = self.totals.get(by.currency)
            self.totals[by.currency] = by if held is None else held + by


class Stopped(Exception):
    """The caller's ``stop`` said so."""


@define(kw_only=True)
class Carrying:
    """A run over one pair: with an adapter and a journal, or dry, with a ``sink``."""

    pair: str
    verb: str
    reader: Reader
    settings: Settings
    store: Store
    clock: Clock
    sides: Mapping[str, Capabilities]
    wave: int
    adapter: Adapter | None
    sink: DryAdapter | None
    journal: Journal | None
    on_progress: Callable[[Progress], None] | None
    stop: Callable[[], bool] | None
    trusting: bool = False
    tally: Tally = field(factory=Tally)
    unfinished: dict[Ref, Intent] = field(factory=dict)
    """Intents whose outcome is not known, by their record: it waits."""
    left: list[Intent] = field(factory=list)
    """Intents that were not finished when the run began."""
    pending: dict[Ref, Intent | None] = field(factory=dict)
    """Records that have something open, with their intent if they have one."""
    stale: dict[Ref, int] = field(factory=dict)
    """How often in this run a write came too late, by its record."""
    reread: list[str] = field(factory=list)
    """Records of which somebody was faster: to be read and compared again at once."""
    rereads: bool = False
    """Whether such records can be compared again in this run."""
    insist: bool = False
    """Whether all that is held is tried again, although nothing changed: a person asked."""
    restored: Restored | None = None
    """That the store is older than what was last written by it."""
    choked: Exception | None = None
    """What the caller's ``on_progress`` raised in the middle of a wave."""
    total: int = 0
    """How many records there are to deal with; 0 where nobody knows."""

    @property
    def live(self) -> Adapter:
        """The adapter of a run that writes."""
        assert self.adapter is not None
        return self.adapter

    @property
    def dealt_with(self) -> int:
        """How many records the run is through with."""
        return self.tally.done

    def recover(self, connection: str = "") -> list[Issue]:
        """
        Settle what earlier runs left, as far as a look proves anything.

        Of one ``connection``, for a run that asks nothing of the other one.
        """
        issues: list[Issue] = []
        self.left = after = self._open_intents()
        if self.journal is not None:
            self._check_restored()
            issues = self.journal.recover(
                self._find, parked=not self.trusting, connection=connection
            )
            after = self.journal.unfinished()
        # Also what was settled just now is compared anew: it may have changed since it
        # was sent, and the marker may have passed it while it was not known.
        self.pending = dict.fromkeys(each.source for each in self.left)
        self.pending.update((each.source, each) for each in after)
        self.unfinished = {
            each.source: each for each in after if each.stage is not Stage.PLANNED
        }
        return issues

    def _open_intents(self, verb: str = "") -> list[Intent]:
        """All intents of this pair and verb, or another one, that are not finished."""
        found: list[Intent] = []
        after, value = "", key_of(self.pair, verb or self.verb)
        while some := self.store.find(Intent, "open", value, after):
            found.extend(some)
            after = some[-1].name
        return found

    def open_issues(self) -> Iterator[Ref]:
        """
        Held records that may go through now: the trouble was passing, rules changed, or a
        person insists. Of a part of a record, the record that it is read with.
        """
        digest, value = self.settings.digest(), key_of(self.pair, self.verb)
        # What a person wants left alone is read too: it may have changed long ago.
        after = ""
        while rows := self.store.find(IssueRow, "ignored", value, after):
            for row in rows:
                if row.issue.source:
                    yield row.issue.within or row.issue.source
            after = key_of(self.pair, self.verb, rows[-1].about)
        after = ""
        while rows := self.store.find(IssueRow, "open", value, after):
            for row in rows:
                source = row.issue.source
                ripe = _looks_again(row.issue.code) or row.settings != digest
                if source and (ripe or self.insist):
                    yield row.issue.within or source
            after = key_of(self.pair, self.verb, rows[-1].about)

    def _find(self, changes: Sequence[Change]) -> Page[Record]:
        """
        What these may have made, as far as that is done.

        A credit without a mark is known by where it is applied. A draft where a second
        write posts it is half a document: it is asked for again, and that finds the draft
        and posts it.
        """
        puts: dict[str, list[str]] = {}
        others: list[Change] = []
        for change in changes:
            put = unmarked(change)
            if put and self.sides[change.connection].kind(CreditNote).can(Verb.READ):
                puts.setdefault(change.connection, []).append(put.source.id)
            else:
                others.append(change)
        found: list[Page[Any]] = [self.live.find(others)] if others else []
        for connection, ids in puts.items():
            found += self.reader.fetch(connection, CreditNote, ids)
        return Page(
            tuple(
                record
                for page in found
                for record in page.records
                if not self._is_half(record)
            ),
            tuple(issue for page in found for issue in page.issues),
        )

    def _is_half(self, record: Record) -> bool:
        side = self.sides.get(record.ref.connection)
        creates = side.kind(type(record)).creates if side else None
        draft = getattr(record, "status", None) is Status.DRAFT
        return draft and creates is Creates.DRAFT_THEN_POST

    def _check_restored(self) -> None:
        """
        End the run while writes that the store has forgotten may still be carried out.

        After that, what the other side shows is what is true of them.
        """
        assert self.journal is not None
        self.restored = self.store.get(Restored, ["store"]).get("store")
        if self.restored is not None and self.clock.now() < self.restored.at:
            # The clock was set back: the wait begins again, lest it last for years.
            self.restored = evolve(self.restored, at=self.clock.now())
            self.journal.note(self.restored)
        if self.restored is not None and self.clock.now() < self._certain():
            text = f"nothing is written before {when(self._certain())}"
            raise Fault(Code.RESTORED, text)

    def _certain(self) -> datetime:
        """From when on a look shows all that was written by runs that are forgotten."""
        assert self.restored is not None
        longest = max(side.settle for side in self.sides.values())
        return self.restored.at + WRITE + longest

    def rows(
        self,
        sources: Iterable[Ref],
        held: Sequence[Held] = (Held.OPEN, Held.IGNORED),
    ) -> dict[Ref, IssueRow]:
        """The issues of these records that are held so, by record."""
        keys = [key_of(self.pair, self.verb, about(source)) for source in sources]
        found = self.store.get(IssueRow, keys).values()
        return {
            row.issue.source: row
            for row in found
            if row.issue.source and row.held in held
        }

    def notes(self, plan: Plan) -> dict[Ref, list[Issue]]:
        """What a plan has to say of records that it carries all the same, by record."""
        found: dict[Ref, list[Issue]] = {}
        for each in plan.issues:
            if not each.blocking and each.source:
                found.setdefault(each.source, []).append(each)
        return found

    # Carrying out -------------------------------------------------------------------------

    def carry(self, plan: Plan, keeps: Sequence[Change] = ()) -> None:
        """Remember what agrees and what cannot be carried; write the rest, in waves."""
        assert self.journal is not None
        notes = self.notes(plan)
        blocking = self._minded([each for each in plan.issues if each.blocking])
        new = self.journal.keep(keeps, blocking, notes)
        for each in (*blocking, *new):
            self.tell(each)
        waiting = self._wanted(plan.changes)
        while waiting:
            self.check_stop()
            some, waiting = waiting[: self.wave], waiting[self.wave :]
            late = self._wave(some, notes)
            if len(late) == len(some):
                raise Fault(Code.NOT_IN_TIME, "not one write could be sent in time")
            waiting = [*late, *waiting]

    def _minded(self, issues: Sequence[Issue]) -> list[Issue]:
        """The issues but those of records that a person wants left alone as they are."""
        if not issues:
            return []
        rows = self.rows(each.source for each in issues if each.source)
        minded: list[Issue] = []
        for each in issues:
            row = rows.get(each.source) if each.source else None
            if row and row.is_quiet(each.basis):
                self.tally.count("skipped")
            else:
                minded.append(each)
        return minded

    def _wanted(self, changes: Sequence[Change]) -> list[Change]:
        """The changes but those that a person wants left alone as they are."""
        if not changes:
            return []
        rows = self.rows(each.source for each in changes)
        left = {
            each.name
            for each in changes
            if (row := rows.get(each.source)) and row.is_quiet(each.agreed)
        }
        self.tally.count("skipped", len(left))
        assert self.journal is not None
        self.journal.leave(each for each in changes if each.name in left)
        return [each for each in changes if each.name not in left]

    def _settle(self, changes: Sequence[Change]) -> timedelta:
        """How long to wait before "not found" proves that these were not carried out."""
        return max(self.sides[name].settle for name in {c.connection for c in changes})

    def _wave(
        self, changes: Sequence[Change], notes: Mapping[Ref, Sequence[Issue]]
    ) -> list[Change]:
        """One wave: durable, sent, settled; then told. Returns what there was no time for."""
        assert self.journal is not None
        changes = self._looked_for(changes)
        if not changes:
            return []
        deadline = self.journal.deadline()
        keyed = self.journal.send(changes, deadline, self._settle(changes))
        outcomes = self._applied(keyed, deadline)
        results = [(change, outcomes[change.name]) for change in keyed]
        issues = self.journal.settle(results, notes)
        self._waiting(c.name for c, o in results if o.state is State.UNKNOWN)
        if self.choked is not None:
            raise self.choked
        for change, outcome in results:
            self._told(change, outcome, issues.get(change.name), notes)
        for change, outcome in results:
            fault = breaking(outcome)
            if fault is not None:
                fault.connection = change.connection
                raise fault
        return [c for c, outcome in results if outcome.code is Code.NOT_IN_TIME]

    def _looked_for(self, changes: Sequence[Change]) -> Sequence[Change]:
        """
        The changes that are to be sent: no document that may be there without a look.

        Another store may have made it, or a run that this one has forgotten, or a write
        that a person wanted to be left alone.
        """
        assert self.journal is not None
        creates = {c.name: c for c in changes if c.action is Action.CREATE}
        held = self.store.get(Intent, creates)
        forgotten = [
            change
            for change in creates.values()
            if self._may_be_there(change, held.get(change.name))
        ]
        if not forgotten:
            return changes
        certain = self._certain() if self.restored else self.clock.now()
        self.journal.suspect(forgotten, certain)
        doubts = self.journal.recover(self._find)
        found = self.store.get(Intent, [change.name for change in forgotten])
        for name in [n for n, intent in found.items() if intent.stage is Stage.APPLIED]:
            self.tally.count("unchanged")
            del found[name]
        self._waiting(n for n, i in found.items() if i.stage is not Stage.PLANNED)
        unsure = [i for i in found.values() if i.stage is Stage.UNKNOWN]
        unseen = [_unseen(each) for each in unsure]
        self.journal.keep((), unseen)
        for issue in (*doubts, *unseen):
            self.tell(issue)
        planned = {n for n, i in found.items() if i.stage is Stage.PLANNED}
        gone = {change.name for change in forgotten} - planned
        self.journal.leave(change for change in forgotten if change.name in gone)
        return [change for change in changes if change.name not in gone]

    def _may_be_there(self, change: Change, intent: Intent | None) -> bool:
        """Whether a document may be there of which this store knows nothing."""
        if intent is None:
            # Another store may have made it, where that can be seen.
            mark = self.sides[change.connection].kind(change.kind).mark
            seen = mark is not None and mark.searchable and bool(change.mark)
            return seen or self.restored is not None
        if intent.stage is Stage.IGNORED or intent.doubt not in (
            None,
            Doubt.CANNOT_LOOK,  # then only the person knew
        ):
            return True
        looked = intent.looked_at
        if self.restored is not None and (looked is None or looked < self.restored.at):
            return True
        return looked is not None and self.clock.now() - looked > LOOK_AGE_MAX

    def _waiting(self, names: Iterable[str]) -> None:
        """Records of these writes wait, also where the run meets them again."""
        for intent in self.store.get(Intent, names).values():
            self.unfinished[intent.source] = intent
            self.pending[intent.source] = intent

    def _told(
        self,
        change: Change,
        outcome: Outcome,
        issue: Issue | None,
        notes: Mapping[Ref, Sequence[Issue]],
    ) -> None:
        """Tell what came of one change; what is tried again at once is not told yet."""
        source = change.source
        if issue is None:
            for note in (*notes.get(source, ()), *noted(change, outcome)):
                self.tell(note)
        elif outcome.code is Code.STALE_VERSION and self._again(change):
            self.reread.append(source.id)
        elif outcome.code is not Code.NOT_IN_TIME:
            self.tell(issue)

    def _again(self, change: Change) -> bool:
        """Whether a record is to be compared once more: somebody was faster."""
        tries = self.stale[change.source] = self.stale.get(change.source, 0) + 1
        return self.rereads and tries <= STALE_MAX

    def _late(self, deadline: datetime) -> bool:
        """Whether an adapter that does one change at a time has no time for the next."""
        alone = getattr(self.live, "one_at_a_time", False)
        return alone and self.clock.now() > deadline

    def _written(self, change: Change) -> None:
        """Count and tell a write at once; a caller who chokes on it loses no outcome."""
        word = DONE[change.action]
        self.tally.count(word)
        self.tally.moved(change)
        green = Severity.GREEN
        try:
            self._progress(change.number, word, green, change.reason, change.source)
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
                change = by_name.get(outcome.name)
                if change is None or outcome.name in found:
                    continue  # of nothing that was asked for, or told before
                found[change.name] = believed(change, outcome)
                if found[change.name].state is State.APPLIED:
                    self._written(change)
                if self.journal is not None:
                    self.journal.hold_on()  # an adapter of the caller's may be slow
                if self._late(deadline):
                    # What was not asked of the adapter has not begun.
                    fault = Fault(Code.NOT_IN_TIME, fate=Fate.NOT_SENT)
                    break
        except Exception as error:  # noqa: BLE001 - an adapter may be the caller's own
            log.warning("the adapter raised %s", type(error).__name__)
            text = f"the adapter raised {type(error).__name__}."
            fault = Fault(Code.OUTCOME_UNKNOWN, text, fate=Fate.UNCLEAR)
        return {
            each.name: found.get(each.name)
            or Outcome.failed(each, fault, effect_sent=fault.fate is not Fate.NOT_SENT)
            for each in changes
        }

    # Telling ------------------------------------------------------------------------------

    def check_stop(self) -> None:
        """Raise `Stopped` if the caller wants the run to end."""
        if self.stop is not None and self.stop():
            raise Stopped

    def tell(self, found: Issue) -> None:
        """Count an issue and tell the caller of it."""
        word = self.tally.note(found)
        number = ", ".join(found.numbers)
        self._progress(number, word, found.severity, str(found), found.source)

    def _progress(
        self, number: str, what: str, light: Severity, text: str, ref: Ref | None
    ) -> None:
        if self.on_progress is not None:
            done, total = self.dealt_with, self.total
            self.on_progress(Progress(number, what, light, text, done, ref, total))


def _unseen(intent: Intent) -> Issue:
    """The issue of a write that could not be looked for yet."""
    text = "the other side could not be asked whether it is there already."
    return unknown_of(intent, text, basis=intent.agreed)


def _looks_again(code: Code) -> bool:
    """Whether a record is read again in each run, although it may not have changed."""
    return code.retry is Retry.READ_AGAIN or may_pass(code)


def may_pass(code: Code) -> bool:
    """Whether trying again may help although the record is as it was."""
    return code.retry in (Retry.NEXT_RUN, Retry.PUT_RIGHT)
