"""
Why two records differ: an unsettled write, an open issue, an edit that is not carried.

Or a change that was made while both sides were read. It looks into the store, and where nothing there says why, once more at both sides. It
writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from attrs import define, evolve, field

from tieout.capabilities import Verb
from tieout.errors import Code
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Link,
    Payment,
    RecordType,
    Ref,
    Settlement,
    Status,
    as_made,
    fingerprint,
    is_name,
)
from tieout.noting import about
from tieout.proof.comparing import DRAFT, Comparison, Found
from tieout.proof.differences import Difference, DifferenceKind
from tieout.proof.entries import Entry, day_text, entry
from tieout.proof.pairing import Group
from tieout.proof.reasons import UNSETTLED, Facts, Reasons, because, refs_of
from tieout.reading import Reader
from tieout.register import Register
from tieout.session import Session
from tieout.settings import Direction, Settings, Side
from tieout.store import Event, Intent, IssueRow, Stage, Store, key, key_of

AGAIN_MAX = 1_000
"""Records that are read once more in one verification: where more have no reason, it is not
because they are moving."""

SIDES: tuple[Side, ...] = ("billing", "ledger")

_TELLING = (*UNSETTLED, Stage.PARKED, Stage.APPLIED)


@define(kw_only=True)
class Explaining:
    """
    Looks for the reasons of differences, of many groups at a time.

    ``verbs`` are those under which issues are filed, ``first`` and ``last`` the days whose
    documents are verified, None for all.
    """

    pair: str
    verbs: tuple[str, ...]
    store: Store
    reader: Reader
    sessions: Mapping[Side, Session]
    settings: Settings
    first: date | None = None
    last: date | None = None
    looks: int = field(default=0, init=False)
    """How many records were read once more so far."""

    def explained(
        self, founds: Sequence[Found], comparison: Comparison
    ) -> Iterator[Difference]:
        """The differences of some groups; those that have a reason say which."""
        facts, rules = self._facts(founds, comparison), self.settings.digest()
        rest: list[Found] = []
        for found in founds:
            reasons = Reasons(found, comparison, facts, rules, self._events)
            told = tuple(map(reasons.explain, found.differences))
            if not found.group.paired:
                told = tuple(_unwanted(d, found, facts) for d in told)
            if all(each.kind.explained for each in told) or self.looks >= AGAIN_MAX:
                yield from told
            else:
                rest.append(evolve(found, differences=told))
                self.looks += len(found.group.entries)
        if rest:
            look = self._look(rest, comparison)
            for found in rest:
                yield from self._seen(found, comparison, look)

    # What is remembered -------------------------------------------------------------------

    def _facts(self, founds: Sequence[Found], comparison: Comparison) -> Facts:
        refs = {ref: None for found in founds for ref in refs_of(found, comparison)}
        facts = Facts(
            inactive=self._inactive(founds, comparison),
            withheld=self._withheld(founds, comparison),
        )
        values, after = [key_of(self.pair, ref.kind, ref.id) for ref in refs], ""
        while some := self.store.find(Intent, "about", values, after):
            after = some[-1].name
            for intent in some:
                if intent.stage in _TELLING:
                    facts.intents.setdefault(intent.source, []).append(intent)
        keys = [
            key_of(self.pair, verb, about(ref)) for verb in self.verbs for ref in refs
        ]
        for row in self.store.get(IssueRow, keys).values():
            facts.rows.setdefault(row.about, []).append(row)
        if comparison.kind is Settlement:
            facts.states = self._invoices(refs, facts)
        return facts

    def _invoices(self, refs: Iterable[Ref], facts: Facts) -> dict[Ref, str]:
        """
        The fingerprints of invoices of which something is known besides their levels.

        What is known of more than are read once more explains nothing of their levels.
        """
        wanted: list[Ref] = []
        for ref in refs:
            bases = [row.issue.basis for row in facts.rows.get(about(ref), ())]
            for each in facts.intents.get(ref, ()):
                bases += [each.agreed] if each.stage is not Stage.APPLIED else []
            if any(basis and "." not in basis for basis in bases):
                wanted.append(ref)
        wanted = wanted[: max(AGAIN_MAX - self.looks, 0)]
        self.looks += len(wanted)
        found: dict[Ref, str] = {}
        for side in SIDES:
            connection = self.sessions[side].connector.connection
            ids = [ref.id for ref in wanted if ref.connection == connection]
            for each in self._fetched(side, Invoice, ids) if ids else ():
                found[each.ref] = fingerprint(as_made(each))
        return found

    def _events(self, ref: Ref) -> Iterator[Event]:
        """What happened to a record, in order."""
        value, after = key_of(self.pair, ref.kind, ref.id), ""
        while some := self.store.find(Event, "about", value, after):
            after = key(some[-1])
            yield from (each for each in some if each.source == ref)

    def _inactive(
        self, founds: Iterable[Found], comparison: Comparison
    ) -> frozenset[str]:
        """The inactive ones among the customers of documents that billing lacks."""
        rules = self.settings
        kind = Invoice if comparison.kind is Settlement else comparison.kind
        inward = rules.direction(kind) in (Direction.TO_BILLING, Direction.BOTH)
        if not (rules.active_only and inward and kind in (Invoice, CreditNote)):
            return frozenset()
        lone = [each.group for each in founds if not each.group.billing]
        ids = dict.fromkeys(group.ledger[0].customer for group in lone)
        people = self._fetched("ledger", Customer, list(filter(None, ids)))
        return frozenset(each.ref.id for each in people if not each.active)

    def _withheld(
        self, founds: Iterable[Found], comparison: Comparison
    ) -> frozenset[Ref]:
        """What a person wants kept out, of the invoices that the ledger lacks."""
        if comparison.kind not in (Invoice, Settlement):
            return frozenset()
        lone = (each.group.billing for each in founds if not each.group.ledger)
        refs = [ref for some in lone for e in some if (ref := comparison.ref(e))]
        return frozenset(Register(self.store, self.pair).withheld(refs))

    # What both sides say now --------------------------------------------------------------

    def _look(self, founds: Sequence[Found], comparison: Comparison) -> _Look:
        """Read the records of these groups once more, and what seemed to be missing."""
        lone = [each.group for each in founds if not each.group.paired]
        refs = [ref for g in lone for e in g.entries if (ref := comparison.ref(e))]
        ties = self.reader.ties((ref, "") for ref in refs)
        look = _Look({r: link for (r, _), link in ties.items() if not link.released})
        for side in SIDES:
            connection = self.sessions[side].connector.connection
            ids, numbers = list[str](), list[str]()
            for each in (e for found in founds for e in found.group.entries):
                link = look.links.get(comparison.ref(each) or _NOBODY)
                if each.side == side:
                    ids.append(each.id)
                elif link is not None:
                    ids.append(link.on(connection).id)
            for group in lone:
                each = group.entries[0]
                named = is_name(each.number) and comparison.kind is not Payment
                if each.side != side and not group.ambiguous and named:
                    numbers += self.settings.number_rule.spellings(each.number)
            for record in self._fetched(side, comparison.kind, ids, numbers):
                look.now[side, record.ref.id] = entry(record, side)
        look.drafts = self._drafts(lone, comparison)
        strangers = (ref for each in look.now.values() if (ref := comparison.ref(each)))
        tied = self.reader.ties((ref, "") for ref in strangers)
        look.tied = {ref for (ref, _), link in tied.items() if not link.released}
        return look

    def _drafts(self, lone: Iterable[Group], comparison: Comparison) -> frozenset[str]:
        """
        The ids of billing's drafts among the levels that the ledger lacks.

        Some systems tell of a level what is open, and not whether the invoice is final.
        """
        way = self.settings.direction(Invoice)
        outward = way in (Direction.TO_LEDGER, Direction.BOTH)
        if comparison.kind is not Settlement or not outward:
            return frozenset()
        ids = [each.id for group in lone for each in group.billing]
        found = self._fetched("billing", Invoice, ids)
        return frozenset(e.ref.id for e in found if e.status is Status.DRAFT)

    def _seen(
        self, found: Found, comparison: Comparison, look: _Look
    ) -> Iterator[Difference]:
        """The differences of a group after the second look."""
        other = None if found.group.paired else self._other(found, comparison, look)
        if other is not None and self._outside(other.on):
            alone = found.group.entries[0]
            yield from (_dated(d, alone, other) for d in found.differences)
            return
        again = comparison.compare(look.fresh(found.group, other), found.across)
        left = {each.kind for each in again.differences}
        for each in found.differences:
            if not found.group.paired and found.group.entries[0].id in look.drafts:
                yield because(each, DifferenceKind.POLICY, None, DRAFT)
            elif each.kind.explained or each.kind in left:
                yield each
            else:
                yield because(each, DifferenceKind.IN_FLIGHT, None, _MOVED)

    def _other(self, found: Found, comparison: Comparison, look: _Look) -> Entry | None:
        """What the other side has after all of a record that stands alone."""
        each = found.group.entries[0]
        ref = comparison.ref(each)
        if found.group.ambiguous or ref is None:
            return None
        side: Side = "ledger" if each.side == "billing" else "billing"
        link = look.links.get(ref)
        if link is not None:
            connection = self.sessions[side].connector.connection
            return look.now.get((side, link.on(connection).id))
        if comparison.kind is Payment:
            return None  # no run pairs them by their numbers
        key = self.settings.number_rule.key
        for there in look.now.values():
            free = there.side == side and comparison.ref(there) not in look.tied
            same = bool(each.number) and key(there.number) == key(each.number)
            if free and same and there.live:
                return there
        return None

    def _outside(self, day: date | None) -> bool:
        """Whether a document is dated outside the days that are verified."""
        before = day is not None and self.first is not None and day < self.first
        after = day is not None and self.last is not None and day > self.last
        return before or after

    def _fetched(
        self,
        side: Side,
        kind: RecordType,
        ids: Sequence[str],
        numbers: Sequence[str] = (),
    ) -> Iterator[Any]:
        """Records of one side, as far as it tells of such a kind."""
        session = self.sessions[side]
        if not session.connector.capabilities.kind(kind).can(Verb.READ):
            return
        for page in self.reader.fetch_from(session, kind, ids=ids, numbers=numbers):
            yield from page.records


@define
class _Look:
    """What a second look has shown."""

    links: Mapping[Ref, Link]
    now: dict[tuple[Side, str], Entry] = field(factory=dict)
    tied: set[Ref] = field(factory=set)
    drafts: frozenset[str] = frozenset()

    def fresh(self, group: Group, other: Entry | None) -> Group:
        """A group as it is now, with what came to the side that lacked it."""
        sides: dict[Side, list[Entry]] = {"billing": [], "ledger": []}
        for each in group.entries:
            now = self.now.get((each.side, each.id))
            if now is not None:
                sides[each.side].append(each.now(now))
        if other is not None:
            sides[other.side].append(other)
        billing, ledger = (tuple(sides[side]) for side in SIDES)
        return evolve(group, billing=billing, ledger=ledger)


_NOBODY = Ref("", "", "")
_MOVED = "It changed while both sides were read; by now this does not differ."


def _unwanted(found: Difference, of: Found, facts: Facts) -> Difference:
    """What one side lacks, where it is not brought there by rule."""
    customer = next((each.customer for each in of.group.ledger), "")
    tied = any(each.tie for each in of.group.entries)
    if found.kind.explained or found.code is Code.COPIED or tied:
        return found
    if customer in facts.inactive:
        text = "By active_only, nothing is brought to billing for inactive customers."
        return because(found, DifferenceKind.POLICY, None, text)
    if found.billing in facts.withheld:
        text = "A person has marked it as not to be posted."
        return because(found, DifferenceKind.POLICY, None, text)
    return found


def _dated(found: Difference, each: Entry, other: Entry) -> Difference:
    """What seemed to be missing has another date there, outside what is verified."""
    days = {e.side: day_text(e.on) for e in (each, other)}
    return evolve(
        found,
        kind=DifferenceKind.DATE,
        field="on",
        in_billing=days["billing"],
        in_ledger=days["ledger"],
        text="It is there, and dated outside the days that are verified.",
    )
