"""
An independent reconciler: from plain dumps of two systems to what each invoice must show.

It shares no code with the library (a test holds it to that): it looks at the raw
applications, tries every day, and adds up. Amounts are `Decimal`, days are `date`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]
Shown: TypeAlias = tuple[Decimal, date | None]
Pieces: TypeAlias = Sequence[tuple[Decimal, date, str]]

ZERO = Decimal(0)
PLACES = {"JPY": 0, "BHD": 3}
"""Decimals of the minor unit, where they are not two."""


def first_lasting_day(total: Decimal, pieces: Pieces, on: date) -> date | None:
    """The first of all days from which nothing is owed on that day and every later one."""
    dated = [(max(day, on), amount) for amount, day, _ in pieces]
    days = sorted({on, *(day for day, _ in dated)})

    def owed(day: date) -> Decimal:
        return total - sum((amount for when, amount in dated if when <= day), ZERO)

    for day in days:
        if all(owed(later) <= 0 for later in days if later >= day):
            return day
    return None


def must_show(
    paper: Row, bill: Row, *, cash_only: bool, partial: bool, owned: bool
) -> Shown:
    """Paid Amount and Date Paid of one invoice that both sides have."""
    if paper["status"] == "void":
        return ZERO, None
    pieces: Pieces = paper["pieces"]
    total: Decimal = paper["total"]
    day = first_lasting_day(total, pieces, paper["on"])
    amount = min(_sum(a for a, _, _ in pieces), total)
    credit = _sum(a for a, _, how in pieces if how == "credit")
    amount -= min(credit, bill["credited"])
    if cash_only:
        amount = min(_sum(a for a, _, how in pieces if how == "cash"), total)
    if not partial:
        return (total if day else ZERO), day
    if owned and not amount:
        return amount, None
    return amount, day


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)


def reasons(
    papers: Sequence[Row], bills: Sequence[Row], deleted: Collection[str]
) -> dict[str, str]:
    """
    By ledger id, why an invoice cannot be carried; those that can are left out.

    ``deleted`` are the numbers of invoices that were deleted: what they were tied to is
    not given to another one unasked.
    """
    found: dict[str, str] = {}
    for paper in papers:
        why = _reason(paper, papers, bills, deleted)
        if why:
            found[paper["id"]] = why
    return found


def _reason(
    paper: Row, papers: Sequence[Row], bills: Sequence[Row], deleted: Collection[str]
) -> str:
    rivals = [p for p in papers if _rival(p, paper)]
    mine = [b for b in bills if b["number"] == paper["number"]]
    if paper["poison"]:
        return "it cannot be read"
    if paper["status"] == "draft":
        return "it is a draft"
    if not mine:
        return "billing does not have it"
    if len(mine) > 1 or rivals:
        return "its number is not its own"
    if paper["number"] in deleted:
        return "a deleted invoice had its number"
    if mine[0]["tainted"]:
        return f"billing holds a payment {mine[0]['tainted']}"
    if paper["status"] == "void":
        return ""
    if mine[0]["total"] != paper["total"]:
        return "the totals differ"
    if mine[0]["currency"] != paper["currency"]:
        return "the currencies differ"
    return ""


def _rival(one: Row, other: Row) -> bool:
    alive = "void" not in (one["status"], other["status"]) or one["number"] == ""
    # What cannot be read cannot be read to be void either.
    alive = alive or one["poison"] or other["poison"]
    return bool(alive and one["number"] == other["number"] and one["id"] != other["id"])


def differences(
    papers: Sequence[Row],
    bills: Sequence[Row],
    excused: Collection[str],
    linked: Collection[str],
    **rules: bool,
) -> list[tuple[str, str, Shown, Shown]]:
    """
    What is wrong: (ledger id, currency, what must be shown, what is shown).

    ``excused`` are ledger ids with an open error. A void invoice counts only where it was
    ``linked``, and no other has taken its place.
    """
    by_number = {bill["number"]: bill for bill in bills}
    alive = {p["number"] for p in papers if p["status"] != "void"}
    found = []
    for paper in papers:
        bill = by_number.get(paper["number"])
        if bill is None or paper["id"] in excused or paper["status"] == "draft":
            continue
        free = paper["number"] in alive or paper["id"] not in linked or bill["tainted"]
        if paper["status"] == "void" and free:
            continue
        wanted = must_show(paper, bill, **rules)
        if paper["currency"] != bill["currency"]:
            wanted = ZERO, None  # no amount is carried into another currency
        if wanted != bill["shows"]:
            found.append((paper["id"], paper["currency"], wanted, bill["shows"]))
    return found


def gap(
    found: Iterable[tuple[str, str, Shown, Shown]],
) -> dict[str, int]:
    """By currency, the money that is wrong, in minor units, without regard to the sign."""
    sums: dict[str, int] = {}
    for _, currency, wanted, shown in found:
        unit = Decimal(1).scaleb(-PLACES.get(currency, 2))
        sums[currency] = sums.get(currency, 0) + int(abs(wanted[0] - shown[0]) / unit)
    return sums


# Documents ----------------------------------------------------------------------------

Difference: TypeAlias = tuple[str, str, Decimal, Decimal]
"""A document of billing, its currency, what the ledger must hold of it, and what it does."""


def document_reasons(
    sources: Sequence[Row], targets: Sequence[Row], links: Mapping[str, str]
) -> set[str]:
    """
    The documents of billing that cannot be carried, by id.

    ``links``: ledger ids by billing id. Either what they are tied to was voided or deleted
    there, or their number belongs to another document, or they were voided before they
    were made.
    """
    by_id = {each["id"]: each for each in targets}
    found: set[str] = set()
    for source in sources:
        tied = links.get(source["id"])
        here = by_id.get(tied) if tied else None
        others = [t for t in targets if t["number"] == source["number"]]
        struck = here is None or here["status"] == "void"
        if (
            (source["status"] == "void" and here is None)
            or (tied and struck and source["status"] == "open")
            or any(each["id"] != tied for each in others)
        ):
            found.add(source["id"])
    return found


def document_differences(
    sources: Sequence[Row],
    targets: Sequence[Row],
    links: Mapping[str, str],
    excused: Collection[str],
) -> list[Difference]:
    """
    The documents of billing that the ledger does not hold once, and equal.

    One that was voided before it was ever made is not wanted there.
    """
    by_id = {each["id"]: each for each in targets}
    found: list[Difference] = []
    for source in sources:
        if source["id"] in excused:
            continue
        here = by_id.get(links.get(source["id"], ""))
        wanted = source["total"] if source["status"] == "open" else ZERO
        held = here["total"] if here and here["status"] == "open" else ZERO
        equal = here is not None and all(
            here[name] == source[name]
            for name in ("number", "currency", "on", "total", "status")
        )
        if wanted != held or (wanted and not equal):
            found.append((source["id"], source["currency"], wanted, held))
    return found


def document_gap(found: Iterable[Difference]) -> dict[str, int]:
    """By currency, the money that is wrong, in minor units, without regard to the sign."""
    sums: dict[str, int] = {}
    for _, currency, wanted, held in found:
        unit = Decimal(1).scaleb(-PLACES.get(currency, 2))
        sums[currency] = sums.get(currency, 0) + int(abs(wanted - held) / unit)
    return sums
