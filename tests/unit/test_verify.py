"""Entries, pairs and comparisons, one at a time: what a verification is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast

import pytest
from attrs import define, evolve
from doubles import level

import tieout
from bookkeeping import DAY, OUT, Pair
from tieout.capabilities import Capabilities, Changed, Everything, Kind, Payments
from tieout.change import Issue
from tieout.errors import Code, ConfigError
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Part,
    Payment,
    Posting,
    R,
    Ref,
    Settlement,
    Status,
)
from tieout.proof import counting, sorting
from tieout.proof.comparing import Comparison
from tieout.proof.counting import Filing, Statements, amounts_of
from tieout.proof.differences import Amounts, DifferenceKind, Section
from tieout.proof.entries import Entry, Put, entry, unreadable
from tieout.proof.pairing import Group
from tieout.proof.proving import selected
from tieout.protocol import Page
from tieout.settings import Settings
from tieout.testing.year.connector import BooksConnector
from tieout.wire import Flow

TODAY = date(2026, 3, 20)


def comparison(
    rules: Settings | None = None, payments: Payments | None = None
) -> Comparison:
    """How levels are compared."""
    able = Capabilities("Desk", {}, payments or Payments())
    return Comparison(Settlement, "shop", "books", able, rules or Settings(), TODAY)


def group(ledger: Settlement, billing: Settlement) -> Group:
    """The two levels of one invoice."""
    return Group((entry(billing, "billing"),), (entry(ledger, "ledger"),))


def differences(
    ledger: Settlement, billing: Settlement, **given: Any
) -> list[tuple[str, str]]:
    """What differs between two levels: kind and field."""
    found = comparison(**given).compare(group(ledger, billing))
    return [(each.kind.name, each.field) for each in found.differences]


# Entries ------------------------------------------------------------------------------------


def test_what_holds_no_money_is_no_entry() -> None:
    """A hand-over is not verified."""
    with pytest.raises(TypeError, match="a Posting is not verified"):
        entry(Posting(Ref("shop", "Posting", "p1")), "billing")


def test_a_record_that_cannot_be_read_is_known_by_its_number() -> None:
    """Its amounts are nobody's guess; the reason is kept."""
    ref = Ref("shop", "Invoice", "i1")
    found = unreadable(Issue(Code.BAD_AMOUNT, ref, (" N1 ",)), "billing")
    assert (found.id, found.number, found.problem) == ("i1", "N1", Code.BAD_AMOUNT)
    assert found.live
    assert found.text == Code.BAD_AMOUNT.meaning
    assert unreadable(Issue(Code.BAD_FIELD), "billing").id == ""


@pytest.mark.parametrize(
    ("parts", "amounts"),
    [
        ({}, ("100", "0", "60", "0")),
        ({"CASH": "60"}, ("100", "0", "60", "0")),
        ({"CREDIT": "20"}, ("100", "20", "40", "0")),
        ({"DISCOUNT": "10", "WRITE_OFF": "5"}, ("100", "0", "45", "15")),
        ({"CASH": "30", "CREDIT": "20"}, ("100", "20", "30", "10")),
    ],
)
def test_what_an_invoice_comes_to(
    parts: dict[str, str], amounts: tuple[str, str, str, str]
) -> None:
    """Invoices = credits + payments + adjustments + open, whatever parts are told."""
    told = {Part[name]: Decimal(text) for name, text in parts.items()}
    found = amounts_of(evolve(level("i1", paid="60"), settled_by=told))
    assert tuple(str(value) for _, value in found.items())[:4] == amounts
    assert found.open == Decimal(40)
    taken = found.credits + found.payments + found.adjustments
    assert found.invoices == taken + found.open


# Levels -------------------------------------------------------------------------------------


def test_levels_that_agree_do_not_differ() -> None:
    """Nothing paid, paid in part, paid wholly."""
    for paid in ("0", "40", "100"):
        here, there = (level("i1", paid=paid, connection=c) for c in ("shop", "books"))
        assert differences(there, here) == []


def test_a_system_that_holds_the_day_alone_is_compared_by_the_day() -> None:
    """What was paid follows from there being a day; a credit beside it is policy."""
    held = {"payments": Payments(partial=False)}
    split = {Part.CASH: Decimal(80), Part.CREDIT: Decimal(20)}
    there = evolve(level("i1", paid="100", connection="books"), settled_by=split)
    here = level("i1", paid="100", connection="shop")
    later = evolve(here, paid_on=TODAY)
    assert differences(there, here, **held) == [("POLICY", "paid")]
    assert differences(there, later, **held) == [
        ("POLICY", "paid"),
        ("DATE", "paid_on"),
    ]


def test_a_receipts_day_differs_where_billing_keeps_it() -> None:
    """Of what was paid in part, some systems keep the day of the last receipt."""
    held = {"payments": Payments(holds_open_date=True)}
    there = evolve(level("i1", paid="40", connection="books"), last_on=TODAY)
    here = evolve(level("i1", paid="40", connection="shop"), last_on=date(2026, 3, 9))
    assert differences(there, here, **held) == [("DATE", "last_on")]
    assert differences(there, here) == []


def test_cash_that_the_ledger_does_not_tell_cannot_be_compared() -> None:
    """By paid_amount='cash' nobody knows what to show; the difference says why."""
    there = evolve(level("i1", paid="40", connection="books"), settled_by={})
    here = level("i1", paid="0", connection="shop")
    compare = comparison(Settings(paid_amount="cash"))
    (found,) = compare.compare(group(there, here)).differences
    assert (found.kind, found.code) == (DifferenceKind.AMOUNT, Code.PARTS_UNKNOWN)


def test_a_total_that_is_paid_wholly_on_both_sides_differs_once() -> None:
    """The total differs, and with it what was paid: it is one thing to mend."""
    there = level("i1", paid="110", total="110", connection="books")
    here = level("i1", paid="100", connection="shop")
    found = comparison().compare(group(there, here))
    (difference,) = found.differences
    assert difference.field == "total"
    ten = Decimal(10)
    assert difference.shifts[0].amounts == Amounts(invoices=ten, payments=ten)


def test_a_draft_that_was_tied_is_a_difference() -> None:
    """What was posted once and went back to a draft is not what billing has."""
    there = level("i1", connection="books", status=Status.DRAFT)
    pair = group(there, level("i1", connection="shop"))
    tied = evolve(pair, ledger=(evolve(pair.ledger[0], tie="bi1"),))
    assert comparison().compare(pair).differences[0].kind is DifferenceKind.POLICY
    assert comparison().compare(tied).differences[0].kind is DifferenceKind.STATUS


def test_what_one_side_does_not_say_of_a_customer_is_as_the_other_says() -> None:
    """Only two customers that are known to be different are a difference."""
    pair = group(
        level("i1", paid="40", connection="books"), level("i1", connection="shop")
    )
    here = evolve(pair.billing[0], customer="")
    there = evolve(pair.ledger[0], customer="k1", owner="c1", called="Acme")
    found = comparison().compare(Group((here,), (there,)))
    (owner,) = {each.customer for each in found.filings}
    assert owner == Ref("shop", "Customer", "c1")
    assert {each.called for each in found.filings} == {"Acme"}
    nobody = evolve(there, owner="", customer="k1")
    (owner,) = {
        each.customer
        for each in comparison().compare(Group((here,), (nobody,))).filings
    }
    assert owner == Ref("books", "Customer", "k1")


def test_a_credit_that_billing_does_not_show_is_told_by_what_is_open() -> None:
    """Both sides show the same payments: what differs is named, with both values."""
    there = evolve(
        level("i1", paid="30", connection="books"),
        settled_by={Part.CASH: Decimal(0), Part.CREDIT: Decimal(30)},
    )
    here = level("i1", connection="shop")
    (found,) = comparison().compare(group(there, here)).differences[1:]
    assert (found.kind, found.field) == (DifferenceKind.AMOUNT, "balance")
    assert (found.in_billing, found.in_ledger) == ("100.00 EUR", "70.00 EUR")


def payments(*puts: Put, billing: bool) -> Entry:
    """A payment of 60 that is put to these."""
    side: Any = "billing" if billing else "ledger"
    return Entry(side, "1", currency="EUR", total=Decimal(60), on=DAY, puts=puts)


def test_the_fee_of_a_payment_is_not_the_invoice_of_the_same_id() -> None:
    """Some systems count payments and invoices apart: both may have the number 1."""
    compare = evolve(comparison(), kind=Payment)
    fee, rest = Put("1", Decimal(2), fee=True), Put("1", Decimal(58))
    ours = payments(fee, rest, billing=True)
    made = payments(Put("8", Decimal(58)), Put("9", Decimal(2)), billing=False)
    both = Group((ours,), (made,))
    assert compare.compare(both, {"1": "8", "fee 1": "9"}).differences == ()
    kept = Group((ours,), (payments(Put("8", Decimal(58)), billing=False),))
    assert compare.compare(kept, {"1": "8"}).differences == ()
    (found,) = compare.compare(both, {"1": "8"}).differences
    assert found.field == "applications"
    assert found.in_billing == "2 to a fee, 58 to 1"


# Sums ---------------------------------------------------------------------------------------


def test_sums_of_very_many_customers_are_put_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Few customers are held in memory; each comes out once, with all that is its."""
    monkeypatch.setattr(counting, "HELD_MAX", 2)
    one = Amounts(invoices=Decimal(1), open=Decimal(1))
    with Statements() as sums:
        for n in range(12):
            who = Ref("shop", "Customer", f"c{n % 5}")
            side: Any = "ledger" if n % 2 else "billing"
            name = f"Customer {n % 5}" if n > 4 else ""
            sums.take(Section.LEVELS, [Filing(side, "EUR", who, name, one)])
        sums.take(Section.LEVELS, [Filing("ledger", "EUR", None, "", one)])
        (total,) = sums.totals
        found = list(sums.customers())
    names = [each.customer.id if each.customer else "" for each in found]
    assert sorted(names) == ["", "c0", "c1", "c2", "c3", "c4"]
    assert {each.name for each in found} == {"", *(f"Customer {n}" for n in range(5))}
    assert total.billing.open == Decimal(6)
    assert sum(each.ledger.open for each in found) == total.ledger.open == Decimal(7)


def test_without_anything_there_are_no_sums() -> None:
    """Empty books have no currency."""
    with Statements() as sums:
        assert sums.totals == ()
        assert list(sums.customers()) == []


# Reading ------------------------------------------------------------------------------------


@define
class Lister:
    """Something that can be listed in some ways."""

    selects: frozenset[type]
    connection: str = "shop:1"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("Desk", {Invoice: Kind(selects=self.selects)})


def test_all_of_a_kind_is_asked_for_as_the_system_can() -> None:
    """Everything, or all that changed since the first day that a business can mean."""
    both: Any = Lister(frozenset({Everything, Changed}))
    stamped: Any = Lister(frozenset({Changed}))
    assert selected(both, Invoice, None, None) == Everything()
    first = datetime(1900, 1, 1, tzinfo=UTC)
    assert selected(stamped, Invoice, None, None) == Changed(first)
    neither: Any = Lister(frozenset())
    with pytest.raises(ConfigError, match=r"Desk \(shop:1\) cannot list Invoice"):
        selected(neither, Invoice, None, None)


class Overlapping(BooksConnector):
    """A system whose pages overlap, whose records change meanwhile, and one is nameless."""

    def page(
        self, kind: type[R], select: Any, cursor: str | None = None
    ) -> Flow[Page[R]]:
        page = yield from super().page(kind, select, cursor)
        if kind is not Invoice:
            return page
        records = cast(Sequence[Any], page.records)
        older = [
            evolve(
                each, total=Decimal(1), changed_at=datetime(2026, 1, day, tzinfo=UTC)
            )
            for each in records
            for day in (1, 2)
        ]
        issues = () if page.next else (Issue(Code.BAD_FIELD, None, ("N9",)),)
        return evolve(page, records=cast(Any, (*records, *older)), issues=issues)


@pytest.mark.parametrize("together", [2, 1_000])
def test_a_record_that_is_listed_twice_counts_once_as_it_was_last(
    together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages overlap, and what changes meanwhile comes again; nameless ones are told."""
    monkeypatch.setattr(sorting, "TOGETHER_MAX", together)
    pair = Pair({Customer: OUT, Invoice: OUT, Settlement: tieout.Direction.OFF})
    acme = pair.customer()
    for n in range(9):
        pair.invoice(f"N{n}", "100", acme)
    other = pair.customer(on=pair.book)
    for n in range(9):
        pair.invoice(f"N{n}", "100", other, on=pair.book)
    pair.billing = cast(Any, Overlapping(pair.shop))
    certificate = pair.engine.verify()
    (total,) = certificate.totals
    assert total.billing.invoices == total.ledger.invoices == Decimal(900)
    (found,) = certificate.differences
    assert (found.number, found.billing, found.code) == ("N9", None, Code.BAD_FIELD)
    assert certificate.scope.read == {"shop:1": 10, "book:1": 9}
    assert not certificate.ok


def test_a_note_is_compared_with_what_is_told_of_it() -> None:
    """Where a side does not tell all that a credit is put to, nothing of that differs."""
    note = CreditNote(
        Ref("shop", "CreditNote", "n1"), "CN", None, "EUR", DAY, Decimal(5), Status.OPEN
    )
    put = Application(
        Ref("shop", "Application", "a1"),
        note.ref,
        Ref("shop", "Invoice", "i1"),
        Decimal(3),
        "EUR",
        DAY,
    )
    told: dict[Decimal | None, tuple[Put, ...] | None]
    told = {None: None, Decimal(5): (), Decimal(2): None}
    for left, puts in told.items():
        assert entry(evolve(note, remaining=left), "billing").puts == puts
    applied = (Put("i1", Decimal(3), own="a1"),)
    told = {None: applied, Decimal(5): None, Decimal(2): applied}
    for left, puts in told.items():
        known = evolve(note, remaining=left, applications=(put,))
        assert entry(known, "billing").puts == puts
