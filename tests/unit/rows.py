"""Records of two sides and what is known of them, made in one line each: for planners."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from attrs import evolve

from tieout.capabilities import Capabilities, Kind
from tieout.change import Action, Change
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Link,
    Part,
    Record,
    RecordType,
    Ref,
    Status,
    agreed_as,
    as_made,
    fingerprint,
)
from tieout.plan import Plan
from tieout.planners.course import Across, Course
from tieout.settings import Settings
from tieout.testing.year.connector import KINDS

SHOP, BOOK = "shop:1", "book:1"
DAY = date(2026, 3, 10)


def ref(kind: RecordType, own: str, side: str = SHOP) -> Ref:
    return Ref(side, kind.__name__, own)


def customer(
    own: str = "c", name: str = "Acme", number: str = "C1", **more: Any
) -> Customer:
    """A customer of the shop; of the books with ``side``."""
    side = more.pop("side", SHOP)
    return Customer(ref(Customer, own, side), name, number, **more)


def invoice(
    own: str = "i", number: str = "INV-1", total: str = "100", **more: Any
) -> Invoice:
    """An invoice of the shop, with one line where none is given."""
    side, amount = more.pop("side", SHOP), Decimal(total)
    values = {"status": Status.OPEN, "lines": (Line("Work", amount),), **more}
    owner = values.pop("customer", None)
    return Invoice(
        ref(Invoice, own, side),
        number,
        owner,
        "EUR",
        values.pop("on", DAY),
        amount,
        **values,
    )


def credit_note(
    own: str = "n", number: str = "CN-1", total: str = "30", **more: Any
) -> CreditNote:
    """A credit note of the shop, with one line where none is given."""
    side, amount = more.pop("side", SHOP), Decimal(total)
    values = {"status": Status.OPEN, "lines": (Line("Work", amount),), **more}
    return CreditNote(
        ref(CreditNote, own, side), number, None, "EUR", DAY, amount, **values
    )


def put(own: str, of: Ref, to: Ref, amount: str = "30", **more: Any) -> Application:
    """A credit put to an invoice."""
    made = ref(Application, own, of.connection)
    return evolve(
        Application(made, of, to, Decimal(amount), "EUR", DAY, Part.CREDIT), **more
    )


def link(here: Record, there: Ref, *, agreed: bool = True, **more: Any) -> Link:
    """That a record of the shop is one of the books; agreed as it is, or not at all."""
    said = agreed_as(here.ref.kind, here.ref.connection)
    prints = {said: fingerprint(as_made(here))} if agreed else {}
    ends = (here.ref, there) if here.ref.connection == SHOP else (there, here.ref)
    values = {"origin": here.ref.connection, "agreed": prints, **more}
    return Link("pair", *ends, **values)


def course(
    kind: RecordType,
    able: Mapping[RecordType, Kind] = KINDS,
    *,
    outward: bool = True,
    recheck: bool = False,
    locked: date | None = None,
    **rules: Any,
) -> Course:
    """A way out of the shop, or into it."""
    source, target = (SHOP, BOOK) if outward else (BOOK, SHOP)
    return Course(
        kind,
        source,
        target,
        Capabilities("Books", able),
        Settings(**rules),
        outward,
        locked,
        recheck,
    )


def across(*there: Record, links: tuple[Link, ...] = (), **more: Any) -> Across:
    """What is known: records that were found there, and links by either end."""
    by_ref = {end: each for each in links for end in (each.billing, each.ledger)}
    ties = {
        end: other
        for each in links
        if not each.released
        for end, other in ((each.billing, each.ledger), (each.ledger, each.billing))
    }
    values: dict[str, Any] = {
        "links": by_ref,
        "ties": ties,
        "records": {each.ref: each for each in there},
        **more,
    }
    return Across(**values)


def done(plan: Plan) -> list[tuple[Action, str]]:
    """What a plan would do to what, in order."""
    return [(change.action, change.number) for change in plan.changes]


def said(plan: Plan) -> list[str]:
    """The codes of a plan's issues."""
    return [each.code.name for each in plan.issues]


def only(plan: Plan) -> Change:
    """The one change of a plan."""
    (change,) = plan.changes
    return change
