"""Credit notes as documents, and their applications: each made once, and taken back once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

import tieout
from bookkeeping import (
    BOTH,
    DAY,
    HOUR,
    IN,
    OUT,
    SINCE,
    Pair,
    codes,
    effects,
    issue_of,
    lost_once,
    told,
    ways,
)
from tieout.capabilities import Kind, Verb
from tieout.change import Change
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    RecordType,
    Status,
)
from tieout.testing.year.connector import KINDS, without

UPDATE: Mapping[str, Any] = {"updates": "update"}


def applied(
    pair: Pair, amount: str = "30", **note: Any
) -> tuple[CreditNote, Invoice, Application]:
    """A credit note of the shop, put to an invoice."""
    customer = pair.customer()
    invoice = pair.invoice("INV-1", "100", customer)
    credit = pair.credit_note("CN-1", "30", customer, **note)
    return credit, invoice, pair.put(credit, invoice, amount)


def puts(pair: Pair) -> list[Any]:
    """What is applied in the ledger."""
    return [(each.amount, each.live) for each in pair.all(Application)]


# Made once ---------------------------------------------------------------------------------


def test_a_credit_note_of_billing_is_one_in_the_ledger_and_is_applied_there() -> None:
    """B50: once, to the same invoice, by the same amount; a second sync writes nothing."""
    pair = Pair()
    credit, invoice, put = applied(pair)
    for report in pair.sync_all():
        assert report.ok
    there = pair.across(credit)
    assert (there.number, there.total, there.remaining) == ("CN-1", 30, 0)
    (theirs,) = there.applications
    assert (theirs.target, theirs.amount, theirs.how, theirs.on) == (
        pair.across(invoice).ref,
        30,
        Part.CREDIT,
        DAY,
    )
    assert pair.across(put).ref == theirs.ref
    assert pair.book.owed(pair.across(invoice)) == 70
    with pair.quiet():
        for again in (SINCE, tieout.Since.LAST_RUN):
            pair.sync_all(again)
        for report in pair.sync_all(recheck=True):
            assert (report.ok, report.yellow) == (True, 0)


def test_a_return_of_the_ledger_is_a_credit_note_in_billing() -> None:
    """B49: read, and never written back, whatever is done to it in billing (B92)."""
    pair = Pair(ways(BOTH), **UPDATE)
    customer = pair.customer(on=pair.book)
    invoice = pair.invoice("SO-1", "100", customer, on=pair.book)
    there = pair.credit_note("RMA-1", "30", customer, on=pair.book)
    pair.put(there, invoice, "20", on=pair.book)
    pair.sync_all()
    here = pair.across(there)
    assert (here.number, here.total, here.remaining) == ("RMA-1", 30, 10)
    before = pair.book.writes
    pair.sync_all()
    (put,) = here.applications
    pair.shop.unapply(put.ref)
    pair.void(here)
    pair.sync_all()
    assert pair.book.writes == before


def test_what_is_applied_later_follows() -> None:
    """B50: a second application beside the first."""
    pair = Pair()
    credit, invoice, _ = applied(pair, "10")
    pair.sync_all()
    other = pair.invoice("INV-2", "50", None)
    pair.edit(other, customer=pair.shop.get(invoice.ref, Invoice).customer)
    pair.clock.advance(HOUR)
    pair.put(credit, other, "20")
    for report in pair.sync_all(tieout.Since.LAST_RUN):
        assert report.ok
    assert sorted(puts(pair)) == [(10, True), (20, True)]


def test_what_is_taken_back_is_taken_back_there_once() -> None:
    """B50: an application, and then the credit note itself."""
    pair = Pair()
    credit, invoice, put = applied(pair)
    pair.sync_all()
    pair.clock.advance(HOUR)
    pair.shop.unapply(put.ref)
    pair.sync_all(tieout.Since.LAST_RUN)
    assert puts(pair) == [(30, False)]
    assert pair.book.owed(pair.across(invoice)) == 100
    pair.void(credit)
    pair.sync_all(tieout.Since.LAST_RUN)
    assert [each.status for each in pair.all(CreditNote)] == [Status.VOID]
    with pair.quiet():
        pair.sync_all()


def test_a_credit_note_that_was_taken_off_and_voided_is_taken_off_first() -> None:
    """B50: what is applied to anything cannot be voided there."""
    pair = Pair()
    credit, _, put = applied(pair)
    pair.sync_all()
    pair.clock.advance(HOUR)
    pair.shop.unapply(put.ref)
    pair.void(credit)
    report = pair.sync(CreditNote)
    assert (report.ok, report.counts["voided"]) == (True, 2)
    assert [each.status for each in pair.all(CreditNote)] == [Status.VOID]


def test_what_was_never_written_needs_no_taking_back() -> None:
    """B94: neither a note nor its application."""
    pair = Pair()
    credit, _, put = applied(pair)
    pair.sync(Invoice)
    pair.shop.unapply(put.ref)
    pair.void(credit)
    with pair.quiet():
        assert pair.sync(CreditNote).ok


def test_a_draft_is_left_alone_with_all_that_it_is_put_to() -> None:
    """B90"""
    pair = Pair()
    pair.credit_note("CN-1", status=Status.DRAFT)
    with pair.quiet():
        assert pair.sync(CreditNote).counts["skipped"] == 1


# No echo -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [CreditNote, Application])
def test_a_lost_answer_is_neither_doubled_nor_sent_back(kind: RecordType) -> None:
    """B63, B102: the note and its application, both ways switched on."""
    pair = Pair(ways(BOTH), ledger={"fate": lost_once(kind)})
    credit, invoice, _ = applied(pair)
    pair.sync_all()
    pair.sync_all(tieout.Since.LAST_RUN)
    pair.sync_all(tieout.Since.LAST_RUN)
    for books in (pair.shop, pair.book):
        assert len(pair.all(CreditNote, books)) == 1
        assert len(pair.all(Application, books)) == 1
    assert pair.across(credit).remaining == 0
    assert pair.book.owed(pair.across(invoice)) == 70
    assert pair.open_issues() == []


def test_an_application_that_was_never_carried_out_is_sent_again() -> None:
    """B102: although neither the note nor the invoice changed since."""
    fates = iter(["never"])

    def fate(change: Change) -> str:
        return next(fates, "") if change.kind is Application else ""

    pair = Pair(ledger={"fate": fate})
    applied(pair)
    pair.sync_all()
    assert puts(pair) == []
    for report in pair.sync_all(tieout.Since.LAST_RUN):
        assert report.ok
    assert puts(pair) == [(30, True)]


# It waits ----------------------------------------------------------------------------------


def test_an_application_waits_for_its_invoice_and_follows_by_itself() -> None:
    """B152: the note is made; what it is put to follows when the invoice is there."""
    pair = Pair(shop={"number_limit": 99})
    credit, invoice, _ = applied(pair)
    pair.edit(invoice, number="I" * 60)
    reports = pair.sync_all()
    assert [codes(each) for each in reports] == [[], ["TOO_LONG"], ["WAITS"]]
    issue = next(reports[2].issues)
    assert issue.numbers == ("I" * 60, "CN-1")
    assert "invoice III" in issue.text
    assert pair.across(credit).remaining == 30
    pair.edit(invoice, number="INV-1")
    assert [each.ok for each in pair.sync_all(tieout.Since.LAST_RUN)] == [True] * 3
    assert puts(pair) == [(30, True)]
    assert pair.open_issues() == []


def test_what_was_taken_off_meanwhile_waits_no_longer() -> None:
    """B105: nothing stays open that nobody needs."""
    pair = Pair(shop={"number_limit": 99})
    _, invoice, put = applied(pair)
    pair.edit(invoice, number="I" * 60)
    pair.sync_all()
    pair.shop.unapply(put.ref)
    pair.sync_all(tieout.Since.LAST_RUN)
    assert [each.code.name for each in pair.open_issues()] == ["TOO_LONG"]


def test_what_a_note_that_cannot_be_carried_is_put_to_is_not_asked_for() -> None:
    """B152: one issue, of the note itself."""
    pair = Pair(shop={"number_limit": 99})
    credit, _, _ = applied(pair)
    pair.edit(credit, number="C" * 60)
    reports = pair.sync_all()
    assert [codes(each) for each in reports] == [[], [], ["TOO_LONG"]]
    assert puts(pair) == []


def test_a_changed_note_that_cannot_be_changed_there_keeps_what_is_applied() -> None:
    """POSTED_CANNOT_CHANGE: the application stays as it is."""
    kinds = without([CreditNote], Verb.UPDATE)
    pair = Pair(ledger={"kinds": kinds}, **UPDATE)
    credit, _, _ = applied(pair)
    pair.sync_all()
    pair.edit(credit, total=Decimal(40), lines=(Line("Work", Decimal(40)),))
    with pair.quiet():
        assert codes(pair.sync(CreditNote)) == ["POSTED_CANNOT_CHANGE"]
    assert puts(pair) == [(30, True)]


# Bad input ---------------------------------------------------------------------------------


def altered(pair: Pair, put: Application, **values: Any) -> None:
    """An application as no books would take it, read all the same."""
    pair.clock.advance(HOUR)
    held = pair.shop.of(Application)[put.ref.id]
    pair.shop.of(Application)[put.ref.id] = evolve(held, **values)
    source = pair.shop.get(put.source, CreditNote)
    pair.shop.of(CreditNote)[source.ref.id] = evolve(
        source, changed_at=pair.clock.now()
    )


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"amount": Decimal(31)}, "TOTALS_DISAGREE", "amount"),
        ({"amount": Decimal(0)}, "TOTALS_DISAGREE", "amount"),
        ({"currency": "USD"}, "CURRENCY_DIFFERS", "currency"),
        ({"target": None}, "BAD_FIELD", "target"),
    ],
    ids=["too much", "nothing", "another currency", "itself"],
)
def test_an_application_that_cannot_be_is_an_issue(
    values: dict[str, Any], code: str, field: str
) -> None:
    """B106: larger than the credit, of nothing, in another currency, or a circle."""
    pair = Pair()
    credit, _, put = applied(pair)
    if "target" in values:
        values = {"target": credit.ref}
    altered(pair, put, **values)
    other = pair.credit_note("CN-2", "10", None)
    reports = pair.sync_all()
    assert codes(reports[2]) == [code]
    issue = next(reports[2].issues)
    assert issue.field == field
    assert "CN-1" in issue.numbers
    assert pair.across(credit).remaining == 30
    assert pair.across(other).number == "CN-2"


def test_what_comes_to_more_than_the_credit_is_an_issue() -> None:
    """B98: also where each part of it alone would not."""
    pair = Pair()
    _, _, put = applied(pair, "20")
    second = evolve(put, ref=pair.shop.ref(Application))
    pair.shop.of(Application)[second.ref.id] = evolve(
        second, live=True, changed_at=pair.clock.now()
    )
    reports = pair.sync_all()
    assert codes(reports[2]) == ["TOTALS_DISAGREE", "TOTALS_DISAGREE"]
    assert "40 of a credit of 30" in next(reports[2].issues).text
    assert puts(pair) == []


def test_an_amount_that_was_changed_is_told_and_nothing_applied_twice() -> None:
    """POSTED_CANNOT_CHANGE: an application is not edited; a person takes it back."""
    pair = Pair()
    _, _, put = applied(pair, "20")
    pair.sync_all()
    altered(pair, put, amount=Decimal(25))
    with pair.quiet():
        report = pair.sync(CreditNote)
    assert codes(report) == ["POSTED_CANNOT_CHANGE"]
    assert "25 of credit note CN-1 here, 20 there" in issue_of(report, "CN-1").text
    altered(pair, put, amount=Decimal(20))
    assert pair.sync(CreditNote).ok
    assert pair.open_issues() == []


def test_what_was_taken_off_in_the_ledger_is_found_where_it_is_looked_for() -> None:
    pair = Pair()
    _, _, put = applied(pair)
    pair.sync_all()
    pair.book.unapply(pair.across(put).ref)
    with pair.quiet():
        assert pair.sync(CreditNote).ok
        report = pair.sync(CreditNote, recheck=True)
    assert codes(report) == ["VANISHED"]
    assert "taken back there" in issue_of(report, "CN-1").text


@pytest.mark.parametrize(
    ("kinds", "code", "blocking"),
    [
        (without([Application], Verb.CREATE), "NOT_ALLOWED", True),
        (without([Application], Verb.VOID), "CREDITS_STAY", False),
    ],
    ids=["apply", "take off"],
)
def test_what_the_ledger_does_not_let_us_do_is_left_to_a_person(
    kinds: Mapping[RecordType, Kind], code: str, blocking: bool
) -> None:
    """B100: and said."""
    pair = Pair(ledger={"kinds": kinds})
    _, _, put = applied(pair)
    reports = pair.sync_all()
    if code == "CREDITS_STAY":
        pair.clock.advance(HOUR)
        pair.shop.unapply(put.ref)
        reports = pair.sync_all()
    assert code in codes(reports[2])
    assert [e.blocking for e in reports[2].issues if e.code.name == code] == [blocking]


def locked(pair: Pair, through: date | None) -> None:
    """The books are closed through a day from now on."""
    pair.ledger.locked_through = through
    pair.clock.advance(timedelta(days=2))


def test_nothing_is_applied_or_taken_off_in_a_closed_period() -> None:
    """LOCKED_PERIOD: by the day of the application."""
    pair = Pair()
    _, _, put = applied(pair)
    pair.sync(Invoice)
    altered(pair, put, on=date(2026, 3, 1))
    locked(pair, date(2026, 3, 5))
    assert codes(pair.plan(CreditNote)) == ["LOCKED_PERIOD"]
    assert codes(pair.sync(CreditNote)) == ["LOCKED_PERIOD"]
    locked(pair, None)
    assert pair.sync(CreditNote).counts["created"] == 1
    locked(pair, date(2026, 3, 5))
    altered(pair, put, live=False)
    with pair.quiet():
        assert codes(pair.sync(CreditNote)) == ["LOCKED_PERIOD"]


@pytest.mark.parametrize(
    ("total", "found"), [("30", True), ("29", False)], ids=["the same", "another"]
)
def test_a_note_of_the_number_is_adopted_or_a_collision(
    total: str, found: bool
) -> None:
    """B44"""
    pair = Pair()
    there = pair.credit_note("CN-1", total, pair.customer(on=pair.book), on=pair.book)
    here = pair.credit_note("CN-1", "30", pair.customer())
    report = pair.sync(CreditNote)
    assert report.ok is found
    assert codes(report) == [] if found else ["NUMBER_MEANS_ANOTHER_DOCUMENT"]
    link = pair.link(here)
    assert (link is not None) is found
    assert link is None or link.ledger == there.ref


def test_an_adopted_note_is_applied_like_any_other() -> None:
    """B44, B50: what it is put to depends on nothing that would be made."""
    pair = Pair()
    _, invoice, _ = applied(pair)
    pair.credit_note("CN-1", "30", pair.customer(on=pair.book), on=pair.book)
    assert [each.ok for each in pair.sync_all()] == [True] * 3
    assert pair.book.owed(pair.across(invoice)) == 70


# Lines, fields -----------------------------------------------------------------------------


def test_lines_and_fields_follow_the_same_rules_as_those_of_invoices() -> None:
    """B81, B161"""
    pair = Pair(
        dimensions={"location": "HQ"},
        line_fields={"branch": "location"},
        custom={"why": "reason"},
    )
    here = pair.credit_note(
        "CN-1",
        "30",
        lines=(
            Line("Work", Decimal(20), custom={"branch": "NORTH"}),
            Line("Trip", Decimal(10)),
        ),
        custom={"why": "damaged", "desk": "7"},
    )
    pair.sync(CreditNote)
    there = pair.across(here)
    assert [line.dimensions["location"] for line in there.lines] == ["NORTH", "HQ"]
    assert there.custom["reason"] == "damaged"
    assert "desk" not in there.custom


# Plans -------------------------------------------------------------------------------------


def mixed() -> tuple[Pair, CreditNote, Application]:
    """A pair with something of everything to do."""
    pair = Pair(**UPDATE)
    credit, invoice, put = applied(pair, "10")
    customer = invoice.customer
    gone = pair.credit_note("CN-2", "40")
    pair.edit(gone, customer=customer)
    off = pair.put(gone, invoice, "5")
    pair.sync_all()
    pair.clock.advance(HOUR)
    pair.shop.unapply(off.ref)
    pair.void(gone)
    pair.put(credit, invoice, "15")
    new = pair.credit_note("CN-3", "40")
    pair.edit(new, customer=customer)
    pair.put(new, invoice, "20")
    return pair, new, put


def test_a_sync_does_what_its_plan_says() -> None:
    """B50: notes before what they are put to, and taken off before they are voided."""
    (left, _, _), (right, _, _) = mixed(), mixed()
    plan = left.plan(CreditNote)
    assert plan.digest == left.plan(CreditNote).digest == right.plan(CreditNote).digest
    assert told(plan) == [
        ("+", "Application", "INV-1"),
        ("+", "Application", "INV-1"),
        ("+", "CreditNote", "CN-3"),
        ("-", "Application", "INV-1"),
        ("-", "CreditNote", "CN-2"),
    ]
    one, two = left.apply(plan), right.sync(CreditNote)
    assert one.ok
    assert two.ok
    assert sorted(puts(left)) == sorted(puts(right))
    assert sorted(puts(left)) == [(5, False), (10, True), (15, True), (20, True)]
    assert not effects(left.plan(CreditNote))


def test_what_changed_since_the_plan_is_left_alone_and_the_rest_lands() -> None:
    """STALE_PLAN: what depends on it waits."""
    pair, new, _ = mixed()
    plan = pair.plan(CreditNote)
    pair.edit(new, total=Decimal(50), lines=(Line("Work", Decimal(50)),))
    report = pair.apply(plan)
    assert codes(report) == ["STALE_PLAN", "WAITS"]
    assert sorted(puts(pair)) == [(5, False), (10, True), (15, True)]
    assert [e.ok for e in pair.sync_all(tieout.Since.LAST_RUN)] == [True] * 3
    assert sorted(puts(pair)) == [(5, False), (10, True), (15, True), (20, True)]


def test_credits_of_the_ledger_are_put_to_invoices_in_billing() -> None:
    """B49: one way in, with all that it needs there."""
    pair = Pair(ways(IN))
    customer = pair.customer(on=pair.book)
    invoice = pair.invoice("SO-1", "100", customer, on=pair.book)
    note = pair.credit_note("RMA-1", "30", customer, on=pair.book)
    pair.put(note, invoice, "30", on=pair.book)
    pair.sync_all()
    assert pair.shop.owed(pair.across(invoice)) == 70
    with pair.quiet():
        pair.sync_all()


def test_each_kind_goes_its_own_way() -> None:
    """B47 to B50, B53: customers both ways, invoices and notes out."""
    pair = Pair({Customer: BOTH, Invoice: OUT, CreditNote: OUT})
    applied(pair)
    pair.customer("Bolt", "C2", on=pair.book)
    theirs = pair.invoice("SO-1", "80", on=pair.book)
    pair.credit_note("RMA-1", "8", on=pair.book)
    pair.sync_all()
    assert sorted(e.number for e in pair.all(Customer, pair.shop)) == ["C1", "C2"]
    assert [e.number for e in pair.all(Invoice, pair.shop)] == ["INV-1"]
    assert [e.number for e in pair.all(CreditNote, pair.shop)] == ["CN-1"]
    assert pair.link(theirs) is None
    assert KINDS[CreditNote].mark is not None
