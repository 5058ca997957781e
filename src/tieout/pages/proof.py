"""
The page of a tie-out certificate: the verdict, what both sides come to, and what differs.

It is given what was found. It reads no file, asks no system and compares nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, field, frozen

from tieout.errors import Severity
from tieout.pages.chart import lamp
from tieout.pages.document import document
from tieout.pages.sheet import (
    OPEN_MAX,
    ROWS_MAX,
    Links,
    Sheet,
    Shown,
    about,
    many,
    more_of,
    pairs_of,
    record_of,
    section,
    top,
)
from tieout.pages.text import NOTHING, Html, element, joined, own, told
from tieout.proof.differences import Balance, Difference, DifferenceKind, in_figures


@frozen
class Proof:
    """
    All that the page shows.

    ``sides`` name the connections ("billing"); ``differences`` are read once.
    """

    title: str
    light: Severity
    verdict: str
    steps: tuple[str, ...] = ()
    totals: tuple[Balance, ...] = ()
    counts: Mapping[DifferenceKind, int] = field(factory=dict)
    differences: Iterable[Difference] = ()
    facts: Mapping[str, str] = field(factory=dict)
    sides: Mapping[str, str] = field(factory=dict)


@define
class Kept:
    """Differences of one kind and light: as many as are shown, and how many there are."""

    rows: list[Difference] = field(factory=list)
    count: int = 0


def proof_page(proof: Proof, links: Links | None = None) -> str:
    """The page of a certificate: the same for the same one, whenever it is made."""
    at = Shown(
        Sheet(proof.title, proof.light, proof.verdict, proof.steps, sides=proof.sides),
        links,
    )
    held = [
        (light, _kind(kind, light, kept, at))
        for (kind, light), kept in _gathered(proof.differences)
    ]
    red = [shown for light, shown in held if light is Severity.RED]
    rest = [shown for light, shown in held if light is not Severity.RED]
    article = element(
        "article",
        top(at.sheet),
        section(at, "sums", "What both sides come to", _sums(proof.totals)),
        section(at, "counts", "What differs", _counts(proof.counts)),
        section(at, "red", "Needs a person", red),
        section(at, "yellow", "Has a reason", rest),
        section(at, "about", "About this certificate", about(proof.facts)),
        class_="sheet",
    )
    return document(proof.title, element("main", article))


def _gathered(
    differences: Iterable[Difference],
) -> list[tuple[tuple[DifferenceKind, Severity], Kept]]:
    """Differences by kind and light, what nothing explains before all else."""
    held: dict[tuple[DifferenceKind, Severity], Kept] = {}
    for each in differences:
        kept = held.setdefault((each.kind, each.light), Kept())
        kept.count += 1
        if len(kept.rows) < ROWS_MAX:
            kept.rows.append(each)
    places = {kind: place for place, kind in enumerate(DifferenceKind)}
    lights = {light: place for place, light in enumerate(Severity)}
    return sorted(held.items(), key=lambda e: (lights[e[0][1]], places[e[0][0]]))


# Sums ---------------------------------------------------------------------------------


def _sums(totals: Sequence[Balance]) -> Iterator[Html]:
    """A card for each currency and kind of statement: amounts of two never add."""
    cards = [_card(each) for each in totals]
    if cards:
        yield element("div", *cards, class_="cards")


def _card(balance: Balance) -> Html:
    there, gap = dict(balance.ledger.items()), dict(balance.difference.items())
    rows = [
        _sum(balance.currency, name, here, there[name], gap[name])
        for name, here in balance.billing.items()
        if here or there[name]
    ]
    titles = ("Sum", "Billing", "Ledger", "Difference")
    heads = [
        element("th", own(title), scope="col", class_="number" if at else None)
        for at, title in enumerate(titles)
    ]
    head = element("thead", element("tr", *heads))
    table = element("table", head, element("tbody", *rows), class_="sums")
    name = element("h3", told(f"{balance.currency} ({balance.section.value})"))
    return element("article", name, table, class_="card")


def _sum(currency: str, name: str, *values: Any) -> Html:
    """One measure of both sides; what is not the same on both is marked."""
    cells = [
        element("td", own(in_figures(each, currency)), class_="number")
        for each in values
    ]
    row = "apart" if values[-1] else None
    return element("tr", element("th", own(name), scope="row"), *cells, class_=row)


# Differences --------------------------------------------------------------------------


def _counts(counts: Mapping[DifferenceKind, int]) -> Iterator[Html]:
    """How many there are of each kind, and what the kind means."""
    items = [
        element(
            "li",
            element(
                "i",
                class_=f"swatch {'passed' if kind.explained else 'red'}",
                aria_hidden="true",
            ),
            element("b", own(f"{number:,} {kind.word}")),
            element("span", own(kind.meaning)),
        )
        for kind, number in counts.items()
        if number
    ]
    if items:
        yield element("ul", *items, class_="figures")


def _kind(kind: DifferenceKind, light: Severity, kept: Kept, at: Shown) -> Html:
    """Differences of one kind; open where they are red."""
    summary = element(
        "summary",
        lamp(light.value),
        element("h3", own(f"{kind.word.capitalize()}: {kind.meaning}")),
        element(
            "span",
            own(f"{light.value}, {many(kept.count, 'difference')}"),
            class_="count",
        ),
    )
    rows = [_difference(each, at) for each in kept.rows]
    shown, rest = rows[:OPEN_MAX], rows[OPEN_MAX:]
    behind = [element("summary", own(f"{len(rest):,} more of these")), *rest]
    return element(
        "details",
        summary,
        pairs_of([("What to do", own(kind.remedy))]),
        *shown,
        element("details", *behind, class_="rest") if rest else NOTHING,
        more_of(kept.count - len(kept.rows)),
        class_=f"trouble {light.value}",
        open="" if light is Severity.RED else None,
    )


def _difference(found: Difference, at: Shown) -> Html:
    """One difference: what each side says, why, and the way to both records."""
    says = (
        f"{found.in_billing or '-'} in billing, {found.in_ledger or '-'} in the ledger"
    )
    if found.field:
        says = f"{found.field} {says}"
    elif not (found.in_billing and found.in_ledger):
        says = found.in_billing or found.in_ledger
    summary = element(
        "summary", joined(element("b", told(found.name)), told(says), by=Html(" "))
    )
    where = [
        record_of(ref, found.name, at) for ref in (found.billing, found.ledger) if ref
    ]
    if found.code is not None:
        where.append(element("code", own(found.code.name)))
    body = [element("p", told(found.text))] if found.text else []
    if where:
        body.append(element("p", *where, class_="where"))
    return element("details", summary, *body, class_="row", open="")
