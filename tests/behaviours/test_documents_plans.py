"""
A plan of a thousand mixed changes: read before, carried later, touched rows left alone.

Both sides are books in memory that are asked over a wire, each as often as it declares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

import tieout
from tieout.auth import Auth, Headers
from tieout.capabilities import Kind
from tieout.change import Change, Outcome
from tieout.errors import Code
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Part,
    Payment,
    RecordType,
)
from tieout.plan import Plan, load, save, table
from tieout.report import Report
from tieout.testing.year.books import Books
from tieout.testing.year.connector import KINDS, BooksConnector
from tieout.wire import Flow, Request, Response
from tills import BOOK, LATER, SHOP, Tills

LAST = tieout.Since.LAST_RUN
WIDE: Mapping[RecordType, Kind] = {
    kind: evolve(able, page_size=100, fetch_size=50, batch_size=25)
    for kind, able in KINDS.items()
}
CURRENCIES = ("EUR", "USD", "JPY")
ADDRESS = "https://books.example/"


class Answering:
    """A transport on which every request is answered, and counted."""

    def send(self, request: Request, timeout: float) -> Response:
        return Response(200, (), b"{}")

    def close(self) -> None:
        """Nothing to let go of."""


@define(eq=False)
class Metered(BooksConnector):
    """Books that are asked over a wire: once for a page, and once for a batch."""

    auth: Auth = field(factory=lambda: Headers(ADDRESS, {}))

    def _asked(self, what: str) -> Flow[None]:
        yield Request("POST", "rows")

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        yield Request("POST", "rows")
        return (yield from super().write(changes))


class Offices(Tills):
    """A shop and its ledger with a year's work behind them, and a day's work to carry."""

    def __init__(self) -> None:
        super().__init__(updates="update")
        self.billing = Metered(self.shop, WIDE)
        self.ledger = Metered(self.book, WIDE)

    def engine(self, store: Any = None) -> tieout.Engine:
        return tieout.Engine(
            billing=self.billing,
            ledger=self.ledger,
            store=store or self.store,
            settings=tieout.Settings(**self.rules),
            clock=self.clock,
            transport=Answering(),
        )

    def plan(self) -> Plan:
        """All that is to be carried, of all kinds, as one plan."""
        engine = self.engine()
        looks = (
            engine.plan_customers,
            engine.plan_invoices,
            engine.plan_credit_notes,
            engine.plan_payments,
        )
        plans = [look(LAST) for look in looks]
        assert [str(issue) for each in plans for issue in each.issues] == []
        named = {change.name: change for each in plans for change in each.changes}
        return engine.plan_changes(named.values())


TOLD = """\
In all
  new invoices               12,628.00 EUR  12,502 JPY  12,705.00 USD
  invoice totals raised         110.00 EUR     105 JPY     110.00 USD
  invoice totals lowered        110.00 EUR     110 JPY     105.00 USD
  voided invoices             5,032.00 EUR   5,355 JPY   5,338.00 USD
  new credit notes              500.00 EUR     500 JPY     500.00 USD
  credit note totals raised       7.00 EUR       6 JPY       7.00 USD
  voided credit notes           130.00 EUR     140 JPY     135.00 USD
  payments recorded           1,285.00 EUR   1,270 JPY   1,285.00 USD
  payments taken back           360.00 EUR     330 JPY     360.00 USD
  credits applied               500.00 EUR     500 JPY     500.00 USD
  credits no longer applied      30.00 EUR      40 JPY      30.00 USD

Will take about 69 calls to book:1 and 24 to shop:1."""
"""What the plan of the day comes to, worked out from the day's work below."""

TITLES = [
    "Customers to create in book:1 (40)",
    "Customers to update in book:1 (30)",
    "Invoices to create in book:1 (230)",
    "Invoices to update in book:1 (130)",
    "Invoices to void in book:1 (50)",
    "Credit notes to create in book:1 (60)",
    "Credit notes to update in book:1 (20)",
    "Credit notes to void in book:1 (15)",
    "Payments to create in book:1 (320)",
    "Payments to void in book:1 (35)",
    "Applications to create in book:1 (60)",
    "Applications to void in book:1 (10)",
]


def year(offices: Offices) -> None:
    """61 customers, 450 invoices, 60 credit notes, 20 of them applied, and 60 payments."""
    owners = [offices.customer(offices.shop, f"C-{n}") for n in range(100, 160)]
    for n in range(450):
        about: dict[str, Any] = {"currency": CURRENCIES[n % 3], "owner": owners[n % 60]}
        offices.bill(f"INV-{n + 1000}", 100 + n, **about)
    bills = invoices(offices)
    for n in range(60):
        about = {"currency": CURRENCIES[n % 3], "owner": bills[n].customer}
        note = offices.credit(f"CN-{n + 100}", 20 + n, **about)
        if n >= 40:
            offices.apply(note, bills[n], 10)
        offices.pay(30, [(bills[n], 30)], owner=owners[n])
    offices.sync()
    assert offices.equal
    offices.clock.advance(LATER)


def invoices(offices: Offices) -> list[Invoice]:
    return list(offices.shop.of(Invoice).values())


def day(offices: Offices) -> None:
    """A day's work in the shop: a thousand changes, of all kinds."""
    shop, bills = offices.shop, invoices(offices)
    owners = list(shop.of(Customer).values())
    for owner in owners[1:31]:
        shop.put(evolve(owner, name=f"{owner.name} Ltd"))
    owners += [offices.customer(shop, f"C-{n}") for n in range(200, 240)]
    for n in range(230):
        about: dict[str, Any] = {
            "currency": CURRENCIES[n % 3],
            "owner": owners[1 + n % 90],
        }
        offices.bill(f"INV-{n + 2000}", f"{50 + n}", **about)
    for bill in bills[60:190]:
        more = bill.total + (5 if bill.total % 2 else -5)
        line = evolve(bill.lines[0], amount=more)
        shop.put(evolve(bill, total=more, lines=(line,)))
    for bill in bills[190:240]:
        shop.void(bill.ref, Invoice)
    credited(offices, bills)
    for n in range(320):
        at = n % 150
        # Sixty further stands another invoice of the same customer, in its currency.
        one, two = bills[300 + at], bills[300 + at + (60 if at < 90 else -60)]
        puts = [(one, 10), (two, 5)] if n % 4 == 0 else [(one, 10)]
        owner = shop.of(Customer)[one.customer.id] if one.customer else offices.owner
        offices.pay(15 if n % 4 == 0 or n % 5 == 0 else 10, puts, owner=owner)
    for payment in list(shop.of(Payment).values())[:35]:
        shop.void(payment.ref, Payment)


def credited(offices: Offices, bills: Sequence[Invoice]) -> None:
    """Credit notes made and applied, changed and void, and applications taken back."""
    shop = offices.shop
    notes = list(shop.of(CreditNote).values())
    for note in notes[:15]:
        shop.void(note.ref, CreditNote)
    for note in notes[15:35]:
        shop.put(evolve(note, total=note.total + 1))
    for put in list(shop.of(Application).values()):
        if put.how is Part.CREDIT and put.source.id in {n.ref.id for n in notes[50:]}:
            shop.unapply(put.ref)
    for n in range(60):
        bill = bills[240 + n]
        whose, currency = bill.customer, bill.currency
        note = offices.credit(f"CN-{n + 300}", 25, currency=currency, owner=whose)
        offices.apply(note, bill, 25)


def touched_there(offices: Offices) -> list[str]:
    """What a bookkeeper changed in the ledger since; the numbers of these documents."""
    book = offices.book
    by_number = {
        each.number: each
        for kind in (Customer, Invoice, CreditNote, Payment)
        for each in book.of(kind).values()
    }
    customers = [f"C-{n}" for n in range(100, 106)]
    for number in customers:
        book.put(evolve(by_number[number], name=f"{number} & Sons"))
    changed = [f"INV-{n}" for n in range(1060, 1072)]
    for number in changed:
        bill = by_number[number]
        line = evolve(bill.lines[0], amount=bill.total + 1)
        book.put(evolve(bill, total=bill.total + 1, lines=(line,)))
    voided = [f"INV-{n}" for n in range(1190, 1198)]
    for number in voided[:4]:
        book.put(evolve(by_number[number], reference="asked for again"))
    for number in voided[4:]:
        book.void(by_number[number].ref, Invoice)
    notes = [f"CN-{n}" for n in range(115, 119)]
    for number in notes:
        book.put(evolve(by_number[number], total=by_number[number].total + 7))
    payments = [each.number for each in [*book.of(Payment).values()][:6]]
    for number in payments:
        book.void(by_number[number].ref, Payment)
    return [*customers, *changed, *voided, *notes, *payments]


def touched_here(offices: Offices) -> tuple[list[str], list[str]]:
    """What the shop changed since; and the credit notes among it, whose credits wait."""
    shop = offices.shop
    bills = {each.number: each for each in shop.of(Invoice).values()}
    new = [f"INV-{n}" for n in range(2000, 2010)]
    again = [f"INV-{n}" for n in range(1080, 1086)]
    for number in [*new, *again]:
        bill = bills[number]
        line = evolve(bill.lines[0], amount=bill.total + 3)
        shop.put(evolve(bill, total=bill.total + 3, lines=(line,)))
    payments = [*shop.of(Payment).values()][-8:]
    for each in payments:
        shop.void(each.ref, Payment)
    owners = [*shop.of(Customer).values()][-3:]
    for owner in owners:
        shop.put(evolve(owner, email=f"{owner.number}@example.com"))
    notes = [e for e in shop.of(CreditNote).values() if e.number >= "CN-357"]
    for note in notes:
        shop.put(evolve(note, total=note.total + 2))
    touched = [*payments, *owners, *notes]
    numbers = [*new, *again, *(each.number for each in touched)]
    return numbers, [each.number for each in notes]


def spent(report: Report) -> dict[str, int]:
    """The calls of a run by connection."""
    traffic = report.traffic
    return {SHOP: traffic["billing"].calls, BOOK: traffic["ledger"].calls}


def names(books: Books) -> dict[str, tuple[str, str]]:
    """What customers are called, by number."""
    return {
        each.number: (each.name, each.email) for each in books.of(Customer).values()
    }


def test_a_plan_of_a_thousand_mixed_changes_says_what_comes_of_it_before_it_does() -> (
    None
):
    """B41, B74: rows, sums and calls; nothing is written, and then just that is."""
    offices = Offices()
    year(offices)
    day(offices)
    written = offices.book.writes
    plan = offices.plan()
    assert offices.book.writes == written
    assert len(plan.changes) == 1000
    lines = str(plan).splitlines()
    assert max(map(len, lines)) <= 120
    assert [line for line in lines if " in book:1 (" in line] == TITLES
    assert lines[0].startswith("710 to create, 180 to update, 110 to void")
    assert "\n".join(lines).endswith(f"\n\n{TOLD}")
    for row in (
        "~  INV-1060  C-100 Ltd  160.00 EUR → 155.00 EUR  2026-03-01  changed: total, lines",
        "-  P-p513  C-100 Ltd  30.00 EUR  2026-03-01  it was taken back",
        "+  CN-300  C-100 Ltd  25.00 EUR  2026-03-01  it is new",
    ):
        assert row in lines
    full = list(table(plan, rows=None))
    assert sum(line.startswith(("+ ", "~ ", "- ")) for line in full) == 1000

    report = offices.engine().apply(plan)
    assert list(report.issues) == []
    done = [report.counts[word] for word in ("created", "updated", "voided")]
    assert done == [710, 180, 110]
    assert spent(report) == plan.calls
    assert offices.equal
    assert names(offices.shop) == names(offices.book)


def test_what_was_touched_since_a_plan_was_saved_is_left_and_all_else_lands(
    tmp_path: Path,
) -> None:
    """B40, B105: refused row by row, with a code and a remedy; the next sync sees to it."""
    offices = Offices()
    year(offices)
    day(offices)
    save(offices.plan(), tmp_path / "plan.jsonl")
    offices.clock.advance(LATER)
    there = touched_there(offices)
    here, noted = touched_here(offices)
    plan = load(tmp_path / "plan.jsonl")
    assert str(plan).endswith(TOLD)

    report = offices.engine().apply(plan)
    issues = list(report.issues)
    stale = [each for each in issues if each.code is Code.STALE_PLAN]
    assert sorted(each.numbers[-1] for each in stale) == sorted([*there, *here])
    assert {str(each).partition(": ")[2] for each in stale} == {
        "it changed on the other side. Make a new plan.",
        "its source has changed. Make a new plan.",
    }
    waiting = [each for each in issues if each.code is Code.WAITS]
    assert sorted(each.numbers[-1] for each in waiting) == sorted(noted)
    assert len(stale) + len(waiting) == len(issues) == 36 + 30 + 3
    done = sum(report.counts[word] for word in ("created", "updated", "voided"))
    assert done == 1000 - len(issues)
    assert all(calls <= plan.calls[name] for name, calls in spent(report).items())

    offices.go_on(LAST)
    assert offices.issues == []
    assert list(offices.engine().issues()) == []
    assert offices.equal
    assert names(offices.shop) == names(offices.book)
