"""
Which of the things that are remembered of a record is the reason of a difference.

A reason is about one state and one field: what was said of a record before it changed, or
of another field, explains nothing. Pure: it is given what the store knows, and neither
reads a system nor the store.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from attrs import define, evolve, field, frozen

from tieout.change import Action, Issue
from tieout.errors import Code, Severity
from tieout.evidence import shown
from tieout.models import (
    Application,
    CreditNote,
    Invoice,
    Payment,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.noting import about, when
from tieout.planners.credit_notes import APPLIED_THERE
from tieout.proof.comparing import Comparison, Found
from tieout.proof.differences import Difference, DifferenceKind
from tieout.proof.entries import Entry
from tieout.settings import Side
from tieout.store import Event, Held, Intent, IssueRow, Stage

UNSETTLED = (Stage.SENDING, Stage.UNKNOWN)
"""A write that was sent, and of which nobody knows yet what came of it. What was never
sent, or is proven absent, is not in flight."""


@define
class Facts:
    """What is known of some records besides what they say."""

    intents: dict[Ref, list[Intent]] = field(factory=dict)
    """The writes that are unsettled, parked, or carried out, by their source."""
    rows: dict[str, list[IssueRow]] = field(factory=dict)
    """By what they are about."""
    states: dict[Ref, str] = field(factory=dict)
    """Of levels, the fingerprints of the invoices themselves."""
    inactive: frozenset[str] = frozenset()
    """The ids of ledger customers that are not active."""
    withheld: frozenset[Ref] = frozenset()
    """The billing invoices that a person has marked as not to be posted."""


def refs_of(found: Found, comparison: Comparison) -> list[Ref]:
    """The records whose writes and issues bear on a group."""
    refs: list[Ref] = []
    for each in found.group.entries:
        ref = comparison.ref(each)
        if ref is not None:
            refs.append(ref)
            refs += (_leg(ref, own) for own in each.legs)
    return refs


def _leg(ref: Ref, own: str) -> Ref:
    return Ref(ref.connection, Application.__name__, own)


_Part: TypeAlias = tuple[Side, str]
"""A part of a document by its side and its id: two sides may give the same id."""


@frozen
class _About:
    """A record of a group: what it is a part of, and the state in which it is."""

    ref: Ref
    entry: Entry
    state: str

    @property
    def leg(self) -> _Part | None:
        """Which part it is, where it is one, put to something."""
        part = self.ref.kind == Application.__name__
        return (self.entry.side, self.ref.id) if part else None


@define
class Reasons:
    """
    The reasons of the differences of one group.

    ``rules`` is the digest of the settings; ``events`` looks up what happened to a record,
    which is asked only where nothing else tells how a write left the other side.
    """

    found: Found
    comparison: Comparison
    facts: Facts
    rules: str
    events: Callable[[Ref], Iterable[Event]]
    _last: dict[Ref, dict[str, str]] = field(factory=dict, init=False)

    def explain(self, difference: Difference) -> Difference:
        """A difference, under the reason that the store knows."""
        kind = difference.kind
        if kind.explained:
            return difference
        parts = [each for each in self._about() if self._bears(each, difference)]
        rows = [(each, row) for each in parts for row in self._rows(each.ref)]
        for told in (
            self._parked(difference, parts),
            self._open(difference, rows, red=True),
            self._in_flight(difference, parts),
            self._open(difference, rows, red=False),
            self._quiet(difference, rows),
            self._told(difference, rows),
        ):
            if told is not None:
                return told
        return difference

    # What bears on it ---------------------------------------------------------------------

    def _about(self) -> Iterator[_About]:
        """The records of the group, and their parts."""
        for each in self.found.group.entries:
            ref = self.comparison.ref(each)
            if ref is not None:
                yield _About(ref, each, each.state)
                for own, state in each.legs.items():
                    yield _About(_leg(ref, own), each, state)

    def _bears(self, each: _About, difference: Difference) -> bool:
        """The legs of a document explain what it is put to, and nothing else of it."""
        return not each.leg or difference.field == "applications"

    def _rows(self, ref: Ref) -> Sequence[IssueRow]:
        return self.facts.rows.get(about(ref), ())

    def _is_now(self, each: _About, agreed: str) -> bool:
        """Whether something was agreed or said of a record as it is now."""
        mine, _, rules = agreed.partition(".")
        level = self.comparison.kind is Settlement
        if level and not rules:
            # It was said of the invoice itself, and not of its level.
            return mine == self.facts.states.get(each.ref)
        return mine == each.state

    # Writes -------------------------------------------------------------------------------

    def _parked(
        self, difference: Difference, parts: Iterable[_About]
    ) -> Difference | None:
        """A write that waits for a person is a red issue, whatever was said since."""
        for each in parts:
            for intent in self.facts.intents.get(each.ref, ()):
                if intent.stage is Stage.PARKED and self._is_of(intent):
                    text = intent.text or Code.PARKED.meaning
                    kind = DifferenceKind.OPEN_ISSUE
                    return because(difference, kind, Code.PARKED, text)
        return None

    def _in_flight(
        self, difference: Difference, parts: Sequence[_About]
    ) -> Difference | None:
        legs = {each.leg for each in parts if each.leg and self._flying(each)}
        if legs and self._but_for(legs):
            intent = next(self._flying_of(e) for e in parts if e.leg in legs)
            return _unsettled(difference, intent)
        for each in parts:
            for intent in self.facts.intents.get(each.ref, ()) if not each.leg else ():
                if self._would_mend(intent, each, difference):
                    return _unsettled(difference, intent)
        return None

    def _flying(self, each: _About) -> bool:
        found = self.facts.intents.get(each.ref, ())
        return any(i.stage in UNSETTLED and i.agreed == each.state for i in found)

    def _flying_of(self, each: _About) -> Intent:
        found = self.facts.intents.get(each.ref, ())
        return next(i for i in found if i.stage in UNSETTLED)

    def _is_of(self, intent: Intent) -> bool:
        """Whether a write is about what is compared, a level or a document."""
        return (intent.kind is not Settlement) or self.comparison.kind is Settlement

    def _would_mend(self, intent: Intent, each: _About, difference: Difference) -> bool:
        """Whether the two sides would agree in this once a write that is out has landed."""
        if intent.stage not in UNSETTLED or not self._is_of(intent):
            return False
        group, level = self.found.group, intent.kind is Settlement
        if level and group.paired:
            # A level is absolute: it is what billing should show, or it is not.
            return difference.field in _LEVEL and intent.wanted == self._due()
        if not self._is_now(each, intent.agreed):
            return False
        if not group.paired:
            away = intent.connection != each.ref.connection
            return intent.action is Action.CREATE and away and not each.entry.tie
        if difference.field == "status":
            return intent.action is Action.VOID and each.entry.status is Status.VOID
        if self.comparison.kind is Settlement or self._touched(each) is True:
            return False
        in_parts = self.comparison.kind is Payment
        if in_parts and intent.action in (Action.CREATE, Action.VOID):
            return difference.field in ("amount", "applications")
        as_here = intent.wanted == self._appears(each.entry)
        return difference.field in _SHOWN and as_here

    # Issues -------------------------------------------------------------------------------

    def _open(
        self,
        difference: Difference,
        rows: Iterable[tuple[_About, IssueRow]],
        *,
        red: bool,
    ) -> Difference | None:
        told = [
            (each, row)
            for each, row in rows
            if row.held is Held.OPEN
            and row.issue.code
            is not Code.OUTCOME_UNKNOWN  # that is in flight, or is not
            and (row.issue.severity is Severity.RED) is red
            and self._stands(each, row)
        ]
        row = self._one_of(difference, told, red=red)
        if row is None:
            return None
        text = row.issue.text or row.issue.code.meaning
        return because(difference, DifferenceKind.OPEN_ISSUE, row.issue.code, text)

    def _stands(self, each: _About, row: IssueRow) -> bool:
        """Whether an open issue is of the record as it is, by the rules as they are."""
        basis = row.issue.basis
        _, _, rules = basis.partition(".")
        return not basis or (self._is_now(each, basis) and rules in ("", self.rules))

    def _quiet(
        self, difference: Difference, rows: Iterable[tuple[_About, IssueRow]]
    ) -> Difference | None:
        """What a person wants left alone, until the record changes."""
        told = [
            (each, row)
            for each, row in rows
            if row.held is Held.IGNORED and self._is_now(each, row.issue.basis)
        ]
        row = self._one_of(difference, told)
        if row is None:
            return None
        text = row.issue.text or row.issue.code.meaning
        text = f"A person wants it left alone: {text}"
        return because(difference, DifferenceKind.POLICY, row.issue.code, text)

    def _one_of(
        self,
        difference: Difference,
        told: Sequence[tuple[_About, IssueRow]],
        *,
        red: bool = False,
    ) -> IssueRow | None:
        """
        The first of some rows that is about what differs.

        What is ``red`` certifies nothing: it need only not be known to be of another state.
        """
        legs = {each.leg: row.issue.code for each, row in told if each.leg}
        altered = [*legs.values()].count(Code.POSTED_CANNOT_CHANGE)
        if legs and self._but_for(legs, altered):
            return next(row for each, row in told if each.leg)
        for each, row in told:
            if each.leg:
                continue
            untouched = red and self._touched(each) is not True
            if untouched or self._tells(each, row, difference):
                return row
        return None

    def _tells(self, each: _About, row: IssueRow, difference: Difference) -> bool:
        """Whether a row about a record as it is now is about this difference of it."""
        issue, code = row.issue, row.issue.code
        if not self.found.group.paired:
            # What is tied was there once: only an issue that says so tells that it is gone.
            return not each.entry.tie or code is Code.VANISHED
        if code is Code.NOT_IN_BILLING:
            return False
        if code is difference.code or self._is_refused(issue):
            return True
        if difference.field == "status":
            dead = each.entry.status is Status.VOID
            return dead or code in (Code.VANISHED, Code.WENT_BACK)
        if difference.field == "customer":
            return self._names_customer(each, issue)
        if _names(issue.text, difference, each.entry.side):
            return True
        if " here, " in issue.text or self._touched(each) is not False:
            return False
        return difference.field in (*_SHOWN, *_LEVEL, "applications")

    def _is_refused(self, issue: Issue) -> bool:
        """Whether levels as they are now are refused by the rules in the same words."""
        group, kind = self.found.group, self.comparison.kind
        if kind is not Settlement or not issue.basis.partition(".")[2]:
            return False
        levels = [
            self.comparison.settlement(e[0]) for e in (group.billing, group.ledger)
        ]
        found = self.comparison.refusals(*levels)
        return any((e.code, e.text) == (issue.code, issue.text) for e in found)

    def _names_customer(self, each: _About, issue: Issue) -> bool:
        others = self._others(each)
        return any(f"{other.customer} there" in issue.text for other in others)

    # Notes --------------------------------------------------------------------------------

    def _told(
        self, difference: Difference, rows: Iterable[tuple[_About, IssueRow]]
    ) -> Difference | None:
        """What is on record as a word about it, and holds as the two sides are now."""
        noted = [
            (each, row)
            for each, row in rows
            if row.held is Held.NOTED and self._is_now(each, row.issue.basis)
        ]
        stay = {
            each.leg
            for each, row in noted
            if each.leg and row.issue.code is Code.CREDITS_STAY
        }
        for each, row in noted:
            text = row.issue.text or row.issue.code.meaning
            kind = DifferenceKind.POLICY
            if row.issue.code is Code.TOTAL_DIFFERS and difference.field in _TOTALS:
                # It was told once and is no open issue; it is no less an error.
                kind = difference.kind
            elif not self._says(each, row.issue, difference, stay):
                continue
            return because(difference, kind, row.issue.code, text)
        return None

    def _says(
        self,
        each: _About,
        issue: Issue,
        difference: Difference,
        stay: Collection[_Part],
    ) -> bool:
        """Whether a note tells of this very difference that it is not carried."""
        match issue.code:
            case Code.CREDITS_STAY:
                return bool(each.leg) and self._but_for(stay)
            case _ if (
                difference.field == "applications" and APPLIED_THERE in issue.text
            ):
                return self._beyond(issue.text)
            case Code.EDIT_NOT_CARRIED if difference.field == "customer":
                return self._names_customer(each, issue)
            case Code.EDIT_NOT_CARRIED:
                return _names(issue.text, difference, each.entry.side)
        return False

    # What both sides show -----------------------------------------------------------------

    def _others(self, each: _About) -> tuple[Entry, ...]:
        group = self.found.group
        return group.ledger if each.entry.side == "billing" else group.billing

    def _due(self) -> str:
        """What billing should show of the ledger's level, to compare by."""
        here, there = self.found.group.billing[0], self.found.group.ledger[0]
        levels = self.comparison.settlement(here), self.comparison.settlement(there)
        due = self.comparison.due(*levels)
        return "" if isinstance(due, Issue) else shown(due[0])

    def _appears(self, each: Entry) -> str:
        """What a document shows of what a write would make it."""
        if self.comparison.kind is Settlement:
            return shown(self.comparison.settlement(each))
        ref = self.comparison.ref(each)
        if ref is None or each.on is None:
            return ""
        kind: RecordType = self.comparison.kind
        if kind is Payment:
            made = Payment(ref, None, each.currency, each.on, each.total, each.status)
            return shown(made)
        document = CreditNote if kind is CreditNote else Invoice
        return shown(
            document(ref, "", None, each.currency, each.on, each.total, each.status)
        )

    def _touched(self, each: _About) -> bool | None:
        """
        Whether the other side is not as a write of ours last saw it, or left it.

        None where nothing is known of that.
        """
        seen = self._seen(each.ref)
        others = [other for other in self._others(each) if other.live]
        left = [seen.get(other.id, "") for other in others]
        if not others or not all(left):
            return None
        return left != [self._appears(other) for other in others]

    def _seen(self, source: Ref) -> Mapping[str, str]:
        """By id, what documents of the other side showed when they were last written."""
        if source not in self._last:
            self._last[source] = self._last_seen(source)
        return self._last[source]

    def _last_seen(self, source: Ref) -> dict[str, str]:
        kind, found = self.comparison.kind, dict[str, str]()
        intents = self.facts.intents.get(source, ())
        carried = [
            each
            for each in intents
            if each.stage is Stage.APPLIED and each.kind is kind and each.wanted
        ]
        for each in sorted(carried, key=lambda e: (e.sent_at is not None, e.sent_at)):
            made = each.result or each.target
            if made is not None:
                found[made.id] = each.wanted
        for event in self.events(source):
            if event.kind is kind and event.state is not None and event.target:
                done = event.state.value == "applied"
                told = event.after if done else event.before
                # Of what is taken back nothing is shown; of a lost event nothing is known.
                found[event.target.id] = told or found.get(event.target.id, "")
        return found

    def _but_for(self, legs: Collection[_Part], altered: int = 0) -> bool:
        """
        Whether both sides put the money to the same, but for these parts of it.

        One that ended here may still be put over there, and one that was ``altered``
        over there is put there otherwise; nothing else may be there besides.
        """
        mine, theirs = self._puts(legs)
        entries = self.found.group.entries
        live = {(e.side, put.own) for e in entries for put in e.puts or ()}
        ended = len({*legs} - live)
        return not mine - theirs and (theirs - mine).total() <= ended + altered

    def _beyond(self, text: str) -> bool:
        """Whether a note names all that only the other side puts the money to."""
        mine, theirs = self._puts(())
        # Other notes of the same record may follow.
        told = (
            text.partition(APPLIED_THERE)[2].partition(". ")[0].rstrip(".").split(", ")
        )
        beyond = theirs - mine
        return not mine - theirs and all(
            f"{n} to {target}" in told for target, n in beyond
        )

    def _puts(
        self, without: Collection[_Part]
    ) -> tuple[Counter[tuple[str, Decimal]], Counter[tuple[str, Decimal]]]:
        """
        What each side puts to which of the ledger's invoices, some parts left out.

        What is put to an invoice that is tied to none is on no other side.
        """
        across, group = self.found.across, self.found.group
        ours, theirs = (
            [p for e in some for p in e.puts or () if (e.side, p.own) not in without]
            for some in (group.billing, group.ledger)
        )
        here = Counter((across.get(p.key, f"?{p.key}"), p.amount) for p in ours)
        there = Counter((p.key, p.amount) for p in theirs)
        inward = any(side == "ledger" for side, _ in without)
        return (there, here) if inward else (here, there)


_TOTALS = ("total", "amount")
_SHOWN = (*_TOTALS, "on", "currency")
"""What of a document is told by what it shows."""

_LEVEL = ("paid", "balance", "credits", "adjustments", "paid_on", "last_on")
"""What of an invoice's money follows from the level that a write shows."""


def _names(text: str, difference: Difference, side: Side) -> bool:
    """
    Whether what is said of a record of a side is said of the very values that differ.

    What the record itself says is known by its fingerprint; what the other side says has
    to be in the text.
    """
    here, there = difference.in_billing, difference.in_ledger
    if side == "ledger":
        here, there = there, here
    if not (here and there):
        return False
    if " here, " in text:
        return _holds(text, f"{difference.field} {here} here, {there} there")
    return _holds(text, there)


def _holds(text: str, words: str) -> bool:
    """Whether a text has these words, and not as the end of a longer number."""
    return re.search(rf"(?<![\w.,-]){re.escape(words)}(?!\w)", text) is not None


def _unsettled(found: Difference, intent: Intent) -> Difference:
    text = f"A write of it is not settled; it is looked at after {when(intent.not_before)}."
    return because(found, DifferenceKind.IN_FLIGHT, Code.OUTCOME_UNKNOWN, text)


def because(
    found: Difference, kind: DifferenceKind, code: Code | None, text: str
) -> Difference:
    """A difference under a reason."""
    return evolve(found, kind=kind, code=code, text=text)
