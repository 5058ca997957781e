"""
Which billing invoice a ledger invoice is: by link, mark, reference, number.

Pure, and never a guess: what is ambiguous or contradictory becomes an issue. Nothing here
looks at how much was paid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from attrs import field, frozen

from tieout.change import Issue
from tieout.errors import Code
from tieout.models import Link, Ref, Settlement, clean_number
from tieout.planners.unclear import Unclear
from tieout.settings import EXACT, NumberRule, Settings


@frozen
class Known:
    """
    What is remembered that bears on a page of ledger records.

    ``links`` by ledger id; ``claimed`` the links of billing records found, by billing id;
    ``marks`` which billing record a mark of ours stands for; ``customers`` the billing
    customer's id by the ledger customer's; ``rivals`` by ledger id the other live ledger
    documents of the same number, where the ledger does not keep numbers unique;
    ``unclear`` what writes of documents may have made on either side.
    """

    links: Mapping[str, Link] = field(factory=dict)
    claimed: Mapping[str, Link] = field(factory=dict)
    marks: Mapping[str, Ref] = field(factory=dict)
    customers: Mapping[str, str] = field(factory=dict)
    rivals: Mapping[str, tuple[str, ...]] = field(factory=dict)
    unclear: Unclear = field(factory=Unclear)


@frozen
class Found:
    """A counterpart, and by what evidence it was found."""

    billing: Settlement
    evidence: str
    link: Link | None = None


class Candidates:
    """The billing records that were fetched for a page, by id and by number."""

    def __init__(self, records: Iterable[Settlement], rule: NumberRule) -> None:
        self._rule = rule
        self.by_id = {record.ref.id: record for record in records}

    def live(self, number: str) -> list[Settlement]:
        """The live records of a number; void and draft ones are dropped first."""
        cleaned = clean_number(number)
        if not cleaned:
            return []
        held = self._by_key.get(self._rule.key(cleaned), ())
        return sorted(
            (each for each in held if each.status.counts),
            key=lambda each: each.ref.id,
        )

    @cached_property
    def _by_key(self) -> dict[str, list[Settlement]]:
        found: dict[str, list[Settlement]] = {}
        rule = None if self._rule == EXACT else self._rule
        for record in self.by_id.values():
            number = clean_number(record.number)
            if number:
                key = rule.key(number) if rule else number
                found.setdefault(key, []).append(record)
        return found


def match(
    ledger: Settlement, known: Known, candidates: Candidates, settings: Settings
) -> Found | Issue:
    """The counterpart of one ledger record, or why there is none."""
    link = known.links.get(ledger.ref.id)
    if link is not None and not link.released:
        billing = candidates.by_id.get(link.billing.id)
        if billing is None:
            gone = f"billing invoice {link.billing.id} no longer exists."
            return issue(Code.VANISHED, ledger, gone)
        return Found(billing, "link", link)
    if ledger.reference and ledger.reference in known.marks:
        billing = candidates.by_id.get(known.marks[ledger.reference].id)
        if billing is not None:
            return Found(billing, "mark")
    return _by_text(ledger, known, candidates, settings)


def _by_text(
    ledger: Settlement, known: Known, candidates: Candidates, settings: Settings
) -> Found | Issue:
    by_reference = candidates.live(ledger.reference)
    by_number = candidates.live(ledger.number)
    for name, found in (("reference", by_reference), ("number", by_number)):
        if len(found) > 1:
            return _several(ledger, name, found)
    if by_reference and by_number and by_reference[0].ref != by_number[0].ref:
        text = (
            f"reference {ledger.reference!r} means billing invoice "
            f"{by_reference[0].number}, the number means {by_number[0].number}."
        )
        return issue(Code.REFERENCE_AND_NUMBER_DISAGREE, ledger, text)
    evidence, found = (
        ("reference", by_reference) if by_reference else ("number", by_number)
    )
    if not found:
        return issue(Code.NOT_IN_BILLING, ledger)
    rivals = known.rivals.get(ledger.ref.id, ())
    if rivals:
        text = (
            f"the ledger has other live documents of this number: {', '.join(rivals)}."
        )
        return issue(Code.AMBIGUOUS_NUMBER, ledger, text)
    return _accepted(ledger, found[0], evidence, known, settings)


def _accepted(
    ledger: Settlement,
    billing: Settlement,
    evidence: str,
    known: Known,
    settings: Settings,
) -> Found | Issue:
    held = known.claimed.get(billing.ref.id)
    if held is not None and held.ledger.id != ledger.ref.id:
        text = f"billing invoice {billing.number} is tied to ledger document {held.ledger.id}."
        return issue(Code.ALREADY_LINKED, ledger, text)
    unclear = known.unclear.hinders(ledger.ref, billing.ref)
    if unclear:
        return issue(Code.WAITS, ledger, unclear)
    differing = _differences(ledger, billing, known, settings)
    if differing:
        text = f"found by {evidence}, but {' and '.join(differing)}."
        return issue(Code.NUMBER_MEANS_ANOTHER_DOCUMENT, ledger, text)
    return Found(billing, evidence)


def _differences(
    ledger: Settlement, billing: Settlement, known: Known, settings: Settings
) -> Sequence[str]:
    differing: list[str] = []
    if ledger.currency != billing.currency:
        differing.append(
            f"the ledger's is in {ledger.currency}, billing's in {billing.currency}"
        )
    elif abs(ledger.total - billing.total) > settings.tolerance.get(ledger.currency, 0):
        differing.append(
            f"the ledger's total is {ledger.money(ledger.total)}, "
            f"billing's {billing.money(billing.total)}"
        )
    if ledger.customer and billing.customer:
        linked = known.customers.get(ledger.customer.id)
        if linked is not None and linked != billing.customer.id:
            differing.append("they belong to different customers")
    return differing


def _several(ledger: Settlement, name: str, found: Sequence[Settlement]) -> Issue:
    ids = ", ".join(each.ref.id for each in found)
    text = f"billing has {len(found)} live invoices of this {name}: {ids}."
    return issue(Code.AMBIGUOUS_NUMBER, ledger, text)


def issue(
    code: Code, ledger: Settlement, text: str = "", *, blocking: bool = True
) -> Issue:
    """An issue of one ledger record."""
    return Issue(
        code,
        ledger.ref,
        (ledger.number,) if ledger.number else (),
        text=text,
        blocking=blocking,
        field=_FIELDS.get(code, ""),
    )


_FIELDS: Mapping[Code, str] = {
    Code.NUMBER_MEANS_ANOTHER_DOCUMENT: "number",
    Code.AMBIGUOUS_NUMBER: "number",
    Code.REFERENCE_AND_NUMBER_DISAGREE: "reference",
    Code.NOT_IN_BILLING: "number",
    Code.CURRENCY_DIFFERS: "currency",
    Code.TOTAL_DIFFERS: "total",
    Code.OVERPAID: "balance",
    Code.WRITTEN_OFF: "settled_by",
    Code.PARTS_UNKNOWN: "settled_by",
}
"""The field at fault, where the code alone says it."""
