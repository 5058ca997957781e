"""Small worlds for Hypothesis to draw: few amounts, few days, a handful of invoices."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from attrs import frozen
from hypothesis import strategies as st

from tieout.models import Part
from worlds import TODAY, World

DAYS = (TODAY - timedelta(days=9), TODAY - timedelta(days=2), TODAY)
TOTALS = (Decimal(50), Decimal(100))
AMOUNTS = (Decimal(50), Decimal(100), Decimal(30), Decimal(20))
CURRENCIES = ("USD", "JPY", "BHD")
TOLD = ((Part.CASH, Part.CREDIT), tuple(Part), ())
MILS = (Decimal("0.005"), Decimal("49.995"))


@frozen
class Piece:
    """An application, and whether it was taken back later."""

    amount: Decimal
    on: date
    how: Part
    undone: bool


@frozen
class Row:
    """One invoice on both sides, or on one."""

    number: str
    total: Decimal
    currency: str
    on: date
    pieces: tuple[Piece, ...]
    exported: bool = True
    voided: bool = False
    by_hand: Decimal | None = None
    reference: str = ""
    tells: tuple[Part, ...] = ()


def pieces(currency: str) -> st.SearchStrategy[Piece]:
    """An application in a currency."""
    amounts = AMOUNTS + MILS if currency == "BHD" else AMOUNTS
    return st.builds(
        Piece,
        st.sampled_from(amounts),
        st.sampled_from(DAYS),
        st.sampled_from((Part.CASH, Part.CASH, Part.CREDIT, Part.DISCOUNT)),
        st.sampled_from((False, False, False, True)),
    )


@st.composite
def rows(draw: st.DrawFn, number: str, *, reference: bool = False) -> Row:
    """One invoice."""
    currency = draw(st.sampled_from(CURRENCIES))
    return Row(
        number,
        draw(st.sampled_from(TOTALS)),
        currency,
        draw(st.sampled_from(DAYS)),
        tuple(draw(st.lists(pieces(currency), max_size=4))),
        exported=draw(st.sampled_from((True, True, True, False))),
        voided=draw(st.sampled_from((False, False, False, True))),
        by_hand=draw(st.sampled_from((None, None, *TOTALS))),
        reference=draw(st.sampled_from(("", "A", "B"))) if reference else "",
        tells=draw(st.sampled_from(TOLD)),
    )


@st.composite
def books(draw: st.DrawFn, *, most: int = 5, alike: bool = False) -> tuple[Row, ...]:
    """A handful of invoices; ``alike``: numbers repeat, and references name others."""
    count = draw(st.integers(1, most))
    if not alike:
        return tuple(draw(rows(f"N{place}")) for place in range(count))
    numbers = draw(
        st.lists(st.sampled_from(("A", "B", "C")), min_size=count, max_size=count)
    )
    return tuple(draw(rows(number, reference=True)) for number in numbers)


def built(rows: tuple[Row, ...], **options: Any) -> World:
    """The world of these invoices."""
    world = World(**options)
    if rows:
        world.ledger.tells = frozenset(rows[0].tells)
    for row in rows:
        put(world, row)
    return world


def put(world: World, row: Row) -> None:
    """Enter one invoice, and what happened to it."""
    fields = {"currency": row.currency, "on": row.on, "reference": row.reference}
    paper = world.ledger.add(row.number, row.total, **fields)
    if row.exported:
        bill = world.billing.add(row.number, row.total, currency=row.currency)
        if row.by_hand is not None:
            world.billing.edit(bill, paid=row.by_hand, paid_on=DAYS[0])
    for each in row.pieces:
        made = world.ledger.apply(paper, each.amount, each.on, each.how)
        if each.undone:
            world.ledger.undo(made)
    if row.voided:
        world.ledger.void(paper)
