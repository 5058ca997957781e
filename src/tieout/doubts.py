"""
Writes of which nobody knows whether they were carried out: looked for, adopted or parked.

What a look proves is said by `tieout.evidence`; how one looks, by the caller. Nothing is
sent from here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol, TypeAlias

from attrs import evolve

from tieout.change import Action, Change, Issue, Outcome, State
from tieout.clock import Clock
from tieout.errors import Code, Fault, Scope, StoreError
from tieout.evidence import Proof, asks_again, is_ended, judged
from tieout.lease import WRITE
from tieout.models import Link, Payment, Record, Ref, Settlement, Status
from tieout.noting import about, issue_of, unknown_of
from tieout.stages import step
from tieout.store import Doubt, Fact, Gone, Held, Intent, IssueRow, Stage, Store, key_of
from tieout.ties import Ties

log = logging.getLogger("tieout.doubts")

SET_BACK_MAX = timedelta(days=1)
"""A clock that was set back by more than this was wrong before; by less, it may be now."""

LOOK_SIZE = 200
"""How many unclear writes are looked at together."""


class Found(Protocol):
    """What a look brought: records, and issues of those that could not be read."""

    @property
    def records(self) -> Sequence[Record]: ...

    @property
    def issues(self) -> Sequence[Issue]: ...


Find: TypeAlias = Callable[[Sequence[Change]], Found]
"""Looks on the other side for what changes may have made."""

_LOOKED_AT = (Stage.UNKNOWN, Stage.PARKED)


class Doubts(Ties):
    """The unclear writes of a pair, and what becomes of each."""

    def __init__(
        self, store: Store, clock: Clock, pair: str, verb: str, run: str, settings: str
    ) -> None:
        super().__init__(store, clock, pair, verb, run, settings)
        self._planned: dict[str, list[Intent]] = {}
        """By record, what was to be written and certainly was not."""

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
        self._planned, self._asked = {}, {}
        for each in found:
            if each.stage is Stage.PARKED:
                self._ask(each)
            elif each.stage is Stage.PLANNED:
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
            found = find([asked(each) for each in unknown])
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
        changes = {intent.name: asked(intent) for intent, _ in proofs}
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
                found = applied[intent.name]
                facts.extend(self._adopting(intent, found, links, rows))
                if is_ended(proof.record) and intent.action is Action.CREATE:
                    facts.append(self._row(_to_compare(intent), Held.OPEN, rows))
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
        self._answered(intent)
        several = intent.candidates if intent.doubt is Doubt.DUPLICATE else ()
        others = (each for each in several if each != outcome.ref)
        yield evolve(
            intent,
            stage=step(intent, by),
            result=outcome.ref,
            doubt=None,
            left=(*intent.left, *others),
        )
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
        self._answered(intent)
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
        self._ask(intent)
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
        issue = evolve(
            issue_of(change, Code.PARKED, text),
            at=self._clock.now(),
            connection=change.connection,
        )
        facts.append(self._row(issue, Held.OPEN, rows))
        return issue

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
            records = find([asked(each) for each in some]).records
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


def _alike(intents: Sequence[Intent]) -> Iterable[Sequence[Intent]]:
    """Intents that can be looked for together: of one kind, on one connection."""
    groups: dict[tuple[str, str], list[Intent]] = {}
    for each in intents:
        groups.setdefault((each.connection, each.kind.__name__), []).append(each)
    for group in groups.values():
        for first in range(0, len(group), LOOK_SIZE):
            yield group[first : first + LOOK_SIZE]


def _adopted(change: Change, record: Record) -> tuple[Change, Outcome]:
    """The change and the outcome of a write that was found on the other side."""
    level = record if isinstance(record, Settlement) else None
    closed = level is not None and level.status is Status.SETTLED
    owned = level.receipts if level else ()
    ref = record.ref if change.action is Action.CREATE else change.target
    return evolve(change, closes=closed), Outcome.applied(change, ref=ref, owned=owned)


def _to_compare(intent: Intent) -> Issue:
    """What is open about a level or payment that turned out to be written."""
    text = "It was carried out; it is compared with the books once more."
    return unknown_of(intent, text)


def _listed(refs: Sequence[Ref]) -> str:
    return f": {', '.join(ref.id for ref in refs)}" if refs else ""


def asked(intent: Intent) -> Change:
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
