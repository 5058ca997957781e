"""What explains a difference: a reason of this very state and field, and none that is stale."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

import tieout
from desks import DAY, OFF, OUT, Desks
from tieout.errors import Code
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Part,
    Payment,
    RecordType,
    Ref,
    Status,
)
from tieout.proof.certificate import Certificate
from tieout.settings import Direction, Fees
from tieout.testing.year.books import Books

OUTWARD: dict[RecordType, Direction] = {
    Customer: OUT,
    Invoice: OUT,
    CreditNote: OFF,
    Payment: OUT,
}
LEVELS: dict[RecordType, Direction] = {Customer: OFF, Invoice: OFF, CreditNote: OFF}


def told(certificate: Certificate) -> list[tuple[str, str]]:
    """The differences: kind and field; the sums have no other."""
    for total in certificate.totals:
        moved = [
            shift.amounts.open
            for each in certificate.differences
            for shift in each.shifts
            if shift.currency == total.currency
        ]
        assert total.difference.open == sum(moved)
    return [(each.kind.name, each.field) for each in certificate.differences]


def carried(**rules: Any) -> tuple[Desks, Ref]:
    """An invoice of 100 that both sides have."""
    desks = Desks(directions=OUTWARD, **rules)
    desks.customer()
    invoice = desks.bill("INV-1")
    desks.sync()
    assert told(desks.engine.verify()) == []
    return desks, invoice


def edit(books: Books, kind: RecordType = Invoice, **values: Any) -> None:
    """A person changes the first document of some books."""
    if "total" in values:
        values["lines"] = ()
    record = next(iter(books.of(kind).values()))
    books.put(evolve(record, **values))


def refused(desks: Desks, **values: Any) -> None:
    """An edit of billing's invoice is refused in the ledger, and a person ignores that."""
    desks.fates = ["refused"]
    edit(desks.shop, **values)
    desks.sync()
    desks.engine.ignore(next(iter(desks.engine.issues())))


# Issues that are ignored --------------------------------------------------------------------


def test_what_is_ignored_explains_what_it_was_about() -> None:
    """A person saw that the total was refused, and wants it so: that is policy."""
    desks, _ = carried()
    refused(desks, total=Decimal(120))
    certificate = desks.engine.verify()
    assert told(certificate) == [("POLICY", "total")]
    assert certificate.ok


@pytest.mark.parametrize("first", [{"reference": "x"}, {"total": Decimal(120)}])
def test_what_is_ignored_explains_nothing_once_the_record_has_changed(
    first: dict[str, Any],
) -> None:
    """Nobody has seen that it is 9,000 by now."""
    desks, _ = carried()
    refused(desks, **first)
    edit(desks.shop, total=Decimal(9000))
    certificate = desks.engine.verify()
    assert told(certificate) == [("AMOUNT", "total")]
    assert not certificate.ok


@pytest.mark.parametrize("first", [{"reference": "x"}, {"total": Decimal(120)}])
def test_what_is_ignored_explains_nothing_once_the_copy_has_changed(
    first: dict[str, Any],
) -> None:
    """Nobody has seen that the ledger says 7 by now."""
    desks, _ = carried()
    refused(desks, **first)
    edit(desks.book, total=Decimal(7))
    desks.sync(recheck=True)
    assert told(desks.engine.verify()) == [("AMOUNT", "total")]


def test_what_is_ignored_does_not_explain_that_the_copy_is_gone() -> None:
    """It was of a reference; that somebody deleted the copy is another thing."""
    desks, _ = carried()
    refused(desks, reference="x")
    desks.book.of(Invoice).clear()
    assert told(desks.engine.verify()) == [("MISSING_IN_LEDGER", "")]


def level(paid: int) -> tuple[Desks, Ref]:
    """An invoice of 5,000, so much of it paid in the ledger, which billing refused to show."""
    desks = Desks(shop_levels=True, directions=LEVELS)
    desks.customer()
    there = desks.bill("INV-9", 5000, desks.book)
    desks.bill("INV-9", 5000)
    desks.sync()
    desks.pay(paid, (there, paid), books=desks.book)
    desks.fates = ["refused"]
    desks.sync()
    return desks, there


def test_a_level_that_is_ignored_is_explained_as_long_as_it_is_that_level() -> None:
    """3,000 were looked at and left alone; of 2,000 more nobody knows."""
    desks, there = level(3000)
    desks.engine.ignore(next(iter(desks.engine.issues())))
    assert told(desks.engine.verify()) == [("POLICY", "paid")]
    desks.pay(2000, (there, 2000), books=desks.book)
    assert told(desks.engine.verify()) == [("AMOUNT", "paid")]


def test_an_open_issue_of_a_level_by_other_rules_explains_nothing() -> None:
    """By other settings it was never looked at."""
    desks, _ = level(3000)
    assert told(desks.engine.verify()) == [("OPEN_ISSUE", "paid")]
    desks.settings = evolve(desks.settings, paid_amount="cash")
    assert told(desks.restarted().verify()) == [("AMOUNT", "paid")]


def test_that_billing_lacked_an_invoice_does_not_explain_what_it_shows_of_it() -> None:
    """Yesterday it was missing; today it is there, and 3,000 paid are not shown."""
    desks = Desks(shop_levels=True, directions=LEVELS)
    desks.customer()
    there = desks.bill("INV-9", 5000, desks.book)
    desks.pay(3000, (there, 3000), books=desks.book)
    desks.sync()
    waiting = desks.engine.verify()
    assert told(waiting) == [("OPEN_ISSUE", "")]
    assert waiting.ok
    assert waiting.verdict.endswith("1 difference is explained, 1 with an open issue")
    desks.bill("INV-9", 5000)
    assert told(desks.engine.verify()) == [("AMOUNT", "paid")]


# Notes --------------------------------------------------------------------------------------


def test_a_note_explains_the_values_that_it_names_and_no_others() -> None:
    """B91: that 120 is not carried to a posted 100 says nothing of a posted 7."""
    desks, _ = carried(updates="void_only")
    edit(desks.shop, total=Decimal(120))
    desks.sync()
    assert told(desks.engine.verify()) == [("POLICY", "total")]
    edit(desks.book, total=Decimal(7))
    assert told(desks.engine.verify()) == [("AMOUNT", "total")]
    edit(desks.book, total=Decimal(100), on=date(2026, 3, 9))
    kinds = told(desks.engine.verify())
    assert sorted(kinds) == [("DATE", "on"), ("POLICY", "total")]


def credited() -> tuple[Desks, Ref, Ref]:
    """An invoice and a credit note that both sides have, nothing of it applied."""
    desks = Desks(directions={**OUTWARD, CreditNote: OUT})
    desks.customer()
    invoice, note = desks.bill("INV-1"), desks.credit("CN-1")
    desks.sync()
    return desks, invoice, note


def apply_there(desks: Desks, amount: int) -> None:
    """A person applies so much of the ledger's credit note by hand."""
    (note,), (invoice,) = desks.book.of(CreditNote), desks.book.of(Invoice)
    ends = (Ref("book:1", "CreditNote", note), Ref("book:1", "Invoice", invoice))
    desks.apply(*ends, amount)


def test_a_note_of_what_is_applied_there_explains_so_much_and_no_more() -> None:
    """10 that a person applied in the ledger are told; of 5 more nobody was told."""
    desks, _, note = credited()
    apply_there(desks, 10)
    desks.shop.put(evolve(desks.shop.of(CreditNote)[note.id], reference="seen"))
    desks.sync(recheck=True)
    assert told(desks.engine.verify()) == [("POLICY", "applications")]
    apply_there(desks, 5)
    assert told(desks.engine.verify()) == [("AMOUNT", "applications")]


def test_an_application_in_flight_explains_itself_and_no_other() -> None:
    """What a person applied in the ledger besides is on no other side."""
    desks, invoice, note = credited()
    desks.apply(note, invoice, 20)
    desks.fates = ["never"]
    desks.sync()
    assert told(desks.engine.verify()) == [("IN_FLIGHT", "applications")]
    apply_there(desks, 5)
    assert told(desks.engine.verify()) == [("AMOUNT", "applications")]


# Writes -------------------------------------------------------------------------------------


def unanswered(fate: str = "never", **values: Any) -> Desks:
    """An edit whose answer was lost."""
    desks, _ = carried()
    edit(desks.shop, **values)
    desks.fates = [fate]
    desks.sync()
    return desks


@pytest.mark.parametrize(
    ("values", "field"),
    [({"total": Decimal(120)}, "total"), ({"on": date(2026, 3, 3)}, "on")],
)
def test_a_write_explains_what_would_agree_once_it_landed(
    values: dict[str, Any], field: str
) -> None:
    """Nothing else was changed: it is in flight."""
    desks = unanswered(**values)
    assert told(desks.engine.verify()) == [("IN_FLIGHT", field)]


@pytest.mark.parametrize(
    "values", [{"on": date(2026, 3, 3)}, {"due": date(2026, 4, 1)}]
)
def test_a_date_in_flight_does_not_explain_a_total(values: dict[str, Any]) -> None:
    """The copy's total became 1, which no write is about to mend."""
    desks = unanswered(**values)
    edit(desks.book, total=Decimal(1))
    certificate = desks.engine.verify()
    assert ("AMOUNT", "total") in told(certificate)
    assert not certificate.ok


def test_a_write_of_a_record_that_changed_since_explains_nothing() -> None:
    """Once it landed, the two sides would still differ."""
    desks = unanswered(total=Decimal(120))
    edit(desks.shop, total=Decimal(130))
    assert told(desks.engine.verify()) == [("AMOUNT", "total")]


def test_a_document_in_flight_is_not_missing() -> None:
    """Its answer was lost; landed or not, it is not settled."""
    for fate in ("never", "lost"):
        desks, _ = carried()
        desks.pay(33)
        desks.fates = [fate]
        desks.sync()
        kinds = set(told(desks.engine.verify()))
        assert kinds == {("IN_FLIGHT", "")}
        desks.clock.pass_by(timedelta(hours=1))
        desks.sync()
        assert told(desks.engine.verify()) == []


def collided() -> Desks:
    """An invoice whose write never landed, while another of its number came to the ledger."""
    desks = Desks(directions=OUTWARD)
    desks.customer()
    desks.sync()
    desks.bill("INV-1")
    desks.fates = ["never"]
    desks.engine.sync_invoices(DAY)
    desks.bill("INV-1", 5000, desks.book)
    desks.sync()
    return desks


def test_what_is_planned_and_not_sent_hides_no_red_issue() -> None:
    """The number means another document; nothing of it is in flight."""
    desks = collided()
    (parked,) = desks.engine.parked()
    desks.engine.answer(parked, tieout.Reply.NOT_THERE, by="ann")
    desks.sync()
    certificate = desks.engine.verify()
    (found,) = certificate.differences
    assert (found.kind.name, found.code) == (
        "OPEN_ISSUE",
        Code.NUMBER_MEANS_ANOTHER_DOCUMENT,
    )
    assert not certificate.ok


def test_a_parked_write_is_a_red_issue_whatever_was_said_since() -> None:
    """A person is asked; what a later run said of the record does not take that away."""
    desks = collided()
    desks.sync()
    (row,) = desks.engine.issues(code=Code.PARKED)
    (write,) = desks.engine.parked()
    assert row.issue.source == write.source
    certificate = desks.engine.verify()
    (found,) = certificate.differences
    assert (found.kind.name, found.code) == ("OPEN_ISSUE", Code.PARKED)
    assert not certificate.ok


# Who is who ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ways", [OUTWARD, {}])
def test_payments_are_not_paired_by_their_numbers(
    ways: dict[RecordType, Direction],
) -> None:
    """No sync does it: a cheque that both sides have entered is there twice after the next."""
    desks = Desks(directions=ways)
    desks.customer()
    for books in (desks.shop, desks.book):
        ref = books.ref(Payment)
        owner = next(iter(books.of(Customer).values())).ref
        amount = Decimal(50)
        books.pay(Payment(ref, owner, "EUR", DAY, amount, Status.OPEN, "CHK1"))
    certificate = desks.engine.verify()
    theirs = "POLICY" if ways else "MISSING_IN_BILLING"
    assert sorted(told(certificate)) == sorted(
        [("MISSING_IN_LEDGER", ""), (theirs, "")]
    )
    assert not certificate.ok


def test_a_copy_with_our_mark_is_no_policy() -> None:
    """The ledger's own payments stay there by the settings; a copy of ours is not its own."""
    desks, _ = carried()
    desks.pay(33)
    desks.sync()
    (made,) = desks.live(desks.book, Payment)
    again = desks.book.ref(Payment)
    desks.book.pay(evolve(made, ref=again, applications=()))
    desks.ledger.marks[again.id] = desks.ledger.marks[made.ref.id]
    certificate = desks.engine.verify()
    (found,) = certificate.differences
    assert (found.kind.name, found.code) == ("MISSING_IN_BILLING", Code.COPIED)
    assert "it is a copy of what we made" in found.text
    assert not certificate.ok
    list(desks.engine.audit())
    assert [(d.kind.name, d.code) for d in desks.engine.verify().differences] == [
        ("OPEN_ISSUE", Code.PARKED)
    ]


@pytest.mark.parametrize("kind", [Invoice, Payment])
def test_a_customer_who_is_tied_to_nobody_is_not_the_one_that_is_tied(
    kind: RecordType,
) -> None:
    """Moved to another customer in the ledger, a document is counted to that one."""
    desks, _ = carried()
    desks.pay(33)
    desks.sync()
    zoe = desks.book.put(Customer(desks.book.ref(Customer), "Zoe", "Z9"))
    edit(desks.book, kind, customer=zoe.ref)
    certificate = desks.engine.verify()
    assert told(certificate) == [("CUSTOMER", "customer")]
    assert not certificate.ok
    gaps = [each.difference.open for each in certificate.customers if each.difference]
    assert len(gaps) == 2
    assert sum(gaps) == 0


# Fees ---------------------------------------------------------------------------------------


def fee(desks: Desks, books: Books, amount: int, number: str) -> None:
    """A payment that is nothing but a fee, of a customer."""
    owners = (e for e in books.of(Customer).values() if e.number == number)
    ref, total = books.ref(Payment), Decimal(amount)
    put = Application(ref, ref, ref, total, "EUR", DAY, Part.OTHER)
    payment = Payment(ref, next(owners).ref, "EUR", DAY, total, Status.OPEN)
    books.pay(evolve(payment, applications=(put,)))


def test_the_invoices_of_two_fees_are_not_one_because_their_ids_are_equal() -> None:
    """B64: each side made one of the other's payment, and both got the same id."""
    desks = Desks(directions={}, fees=Fees(account="4400"))
    desks.customer()
    desks.customer("C2", "Bob")
    fee(desks, desks.shop, 2, "C1")
    fee(desks, desks.book, 3, "C2")
    desks.sync()
    ids = [set(books.of(Invoice)) for books in (desks.shop, desks.book)]
    assert ids[0] == ids[1]
    certificate = desks.engine.verify()
    assert told(certificate) == [("POLICY", ""), ("POLICY", "")]
    assert {each.text.split()[-1] for each in certificate.differences} == {
        "billing.",
        "ledger.",
    }


def test_a_fee_of_the_ledger_that_stays_with_the_customer_is_no_difference() -> None:
    """B67: written as an overpayment, it is put to nothing on the other side."""
    desks = Desks(directions={}, fees=Fees(written_as="overpayment"))
    desks.customer()
    fee(desks, desks.book, 3, "C1")
    desks.sync()
    assert told(desks.engine.verify()) == []


# By date ------------------------------------------------------------------------------------


def test_what_is_dated_outside_is_told_with_both_dates() -> None:
    """Both sides' days are told, and no amount in the place of one."""
    desks, _ = carried()
    edit(desks.book, on=date(2026, 4, 20))
    certificate = desks.engine.verify(first=DAY, last=DAY)
    (found,) = certificate.differences
    assert (found.in_billing, found.in_ledger) == ("2026-03-01", "2026-04-20")
    assert "on 2026-03-01 in billing, 2026-04-20 in the ledger" in str(found)
