"""The tie-out certificate of documents: invoices, credit notes and payments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

import tieout
from bookkeeping import BOTH, DAY, HOUR, OFF, OUT, SINCE, Computing, Pair
from desk import TODAY, Desk
from tieout.capabilities import Verb
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
    Settlement,
    Status,
)
from tieout.proof.certificate import Certificate
from tieout.proof.differences import DifferenceKind, Section
from tieout.settings import Direction, Fees
from tieout.testing.year.books import Books
from tieout.testing.year.connector import without

WAYS: Mapping[RecordType, Direction] = {
    Customer: BOTH,
    Invoice: OUT,
    CreditNote: OUT,
    Payment: BOTH,
    Settlement: OFF,
}
TOTALS = {
    "invoices": Decimal(150),
    "credits": Decimal(30),
    "payments": Decimal(130),
    "open": Decimal(-10),
}


class Ledgers(Pair):
    """A shop and its books that hold documents of every kind, and carry them."""

    def __init__(self, **more: Any) -> None:
        super().__init__(more.pop("directions", WAYS), **more)
        self.acme = self.customer()
        self.one = self.invoice("INV-1", "100", self.acme)
        self.two = self.invoice("INV-2", "50", self.acme)
        self.note = self.credit_note("CN-1", "30", self.acme)
        self.put(self.note, self.one, "30")
        self.paid = self.pay("130", (self.one, "70"), (self.two, "50"))

    def pay(
        self,
        amount: str,
        *puts: tuple[Invoice, str],
        on: Books | None = None,
        fee: str = "",
        **more: Any,
    ) -> Payment:
        """A payment, what it is put to, and the fee that is part of it."""
        books = on or self.shop
        ref, own = books.ref(Payment), books.ref(Application)
        parts = [
            Application(own, ref, invoice.ref, Decimal(part), "EUR", DAY)
            for invoice, part in puts
        ]
        if fee:
            parts.append(
                Application(own, ref, ref, Decimal(fee), "EUR", DAY, Part.OTHER)
            )
        owner = more.pop("of", self.acme)
        given = {"currency": "EUR", "on": DAY, "status": Status.OPEN, **more}
        return books.pay(
            Payment(
                ref,
                owner.ref if owner else None,
                amount=Decimal(amount),
                applications=tuple(parts),
                **given,
            )
        )

    def carry(self) -> None:
        """Carry all kinds, in the order in which they depend on each other."""
        for kind in (Customer, Invoice, CreditNote):
            if self.rules["directions"].get(kind, OFF) is not OFF:
                assert self.sync(kind).complete
        self.clock.advance(HOUR)
        assert self.engine.sync_payments(SINCE).complete

    def verify(self, **arguments: Any) -> Certificate:
        """A verification, an hour later."""
        self.clock.advance(HOUR)
        certificate = self.engine.verify(**arguments)
        for each in certificate.totals:
            moved = Decimal(0)
            for found in certificate.differences:
                for shift in found.shifts:
                    if shift.currency == each.currency:
                        moved += shift.amounts.open
            assert moved == each.difference.open
        return certificate


@pytest.fixture
def carried() -> Ledgers:
    """A shop and books that agree."""
    made = Ledgers()
    made.carry()
    return made


def told(certificate: Certificate) -> list[tuple[str, str, str]]:
    """The differences: kind, kind of record, field."""
    return [
        (each.kind.name, each.about.__name__, each.field)
        for each in certificate.differences
    ]


def test_documents_that_were_carried_are_certified(carried: Ledgers) -> None:
    """Invoices, credits, payments and what is open are the same on both sides."""
    writes = carried.writes
    certificate = carried.verify()
    assert told(certificate) == []
    assert certificate.ok
    assert certificate.scope.kinds == (Invoice, CreditNote, Payment)
    (total,) = certificate.totals
    assert total.section is Section.DOCUMENTS
    assert {n: v for n, v in total.billing.items() if v} == TOTALS
    assert total.billing == total.ledger
    (customer,) = certificate.customers
    assert customer.customer == carried.acme.ref
    assert customer.name == "C1"
    assert carried.writes == writes


def test_what_is_not_carried_yet_is_missing() -> None:
    """Before the first sync, all that billing has is missing in the ledger."""
    certificate = Ledgers().verify()
    assert certificate.counts[DifferenceKind.MISSING_IN_LEDGER] == 4
    assert certificate.unexplained == 4
    (total,) = certificate.totals
    assert {n: -v for n, v in total.difference.items() if v} == TOTALS


def gone(carried: Ledgers, kind: RecordType) -> None:
    """Somebody deletes a document of the ledger."""
    carried.book.of(kind).popitem()


def edited(carried: Ledgers, kind: RecordType, **values: Any) -> None:
    """Somebody changes a document of the ledger by hand."""
    own, record = next(iter(carried.book.of(kind).items()))
    carried.book.of(kind)[own] = evolve(record, **values)


@pytest.mark.parametrize("kind", [Invoice, CreditNote, Payment])
def test_a_document_that_was_deleted_is_missing(
    carried: Ledgers, kind: RecordType
) -> None:
    """What its tie leads to is not there: the line says so."""
    gone(carried, kind)
    (found,) = carried.verify(kinds=[kind]).differences
    assert found.kind is DifferenceKind.MISSING_IN_LEDGER
    assert "tied to a document that is not there" in found.text


@pytest.mark.parametrize(
    ("kind", "values", "difference"),
    [
        (Invoice, {"total": Decimal(101)}, ("AMOUNT", "total")),
        (CreditNote, {"total": Decimal(31)}, ("AMOUNT", "total")),
        (Payment, {"amount": Decimal(131)}, ("AMOUNT", "amount")),
        (Invoice, {"on": DAY + timedelta(days=1)}, ("DATE", "on")),
        (Payment, {"on": DAY + timedelta(days=1)}, ("DATE", "on")),
        (Invoice, {"currency": "USD"}, ("CURRENCY", "currency")),
        (Payment, {"status": Status.VOID}, ("STATUS", "status")),
        (CreditNote, {"status": Status.VOID}, ("STATUS", "status")),
    ],
)
def test_a_document_that_was_edited_in_the_ledger_differs(
    carried: Ledgers,
    kind: RecordType,
    values: dict[str, Any],
    difference: tuple[str, str],
) -> None:
    """Each field that matters is named, once."""
    edited(carried, kind, **values)
    certificate = carried.verify()
    assert told(certificate) == [(difference[0], kind.__name__, difference[1])]
    assert not certificate.ok


def test_a_document_of_another_customer_differs(carried: Ledgers) -> None:
    """Its amounts move from one customer to the other in the sums."""
    other = carried.customer("Other", "C2")
    carried.sync(Customer)
    edited(carried, Invoice, customer=carried.across(other).ref)
    certificate = carried.verify()
    (found,) = certificate.differences
    assert (found.kind, found.field) == (DifferenceKind.CUSTOMER, "customer")
    assert (found.in_billing, found.in_ledger) == ("C1", "C2")
    assert {e.customer: e.amounts.open for e in found.shifts} == {
        other.ref: Decimal(100),
        carried.acme.ref: Decimal(-100),
    }
    gaps = {b.customer: b.difference.open for b in certificate.customers}
    assert gaps == {other.ref: Decimal(100), carried.acme.ref: Decimal(-100)}


def test_a_payment_that_is_put_to_another_invoice_differs(carried: Ledgers) -> None:
    """The amounts agree, and yet other invoices are open: the line says which."""
    there = carried.across(carried.paid)
    put, other = (p for p in there.applications)
    held = carried.book.of(Application)
    held[put.ref.id] = evolve(held[put.ref.id], amount=Decimal(60))
    held[other.ref.id] = evolve(held[other.ref.id], amount=Decimal(60))
    (found,) = carried.verify().differences
    assert (found.kind, found.field) == (DifferenceKind.AMOUNT, "applications")
    assert found.shifts == ()
    assert found.in_billing.startswith("50")


def test_a_credit_that_is_not_applied_in_the_ledger_differs(carried: Ledgers) -> None:
    """What a credit note is put to is compared where both sides tell it."""
    note = carried.across(carried.note)
    carried.book.unapply(note.applications[0].ref)
    (found,) = carried.verify().differences
    assert (found.about, found.field) == (CreditNote, "applications")
    assert found.in_ledger == "nothing"


def test_what_a_person_keeps_out_of_the_ledger_is_policy() -> None:
    """B121: marked "do not post", it is missing by will, until its batch is undone."""
    desk = Desk()
    for number in ("INV-1", "INV-2", "INV-3"):
        desk.invoice(number)
    desk.post("INV-1")
    batch = desk.engine().mark_posted(TODAY, only=["INV-2"]).batch
    found = {d.number: (d.kind, d.text) for d in desk.engine().verify().differences}
    assert found == {
        "INV-2": (
            DifferenceKind.POLICY,
            "A person has marked it as not to be posted.",
        ),
        "INV-3": (DifferenceKind.MISSING_IN_LEDGER, ""),
    }
    desk.engine().undo(batch)
    left = {d.number: d.kind for d in desk.engine().verify().differences}
    assert left == dict.fromkeys(("INV-2", "INV-3"), DifferenceKind.MISSING_IN_LEDGER)


# Parts and fees -----------------------------------------------------------------------------


def test_a_payment_that_is_kept_in_parts_is_one_payment() -> None:
    """Where a system puts a payment to one invoice only, its parts are added up."""
    made = Ledgers(ledger={"invoices_per_payment": 1})
    made.carry()
    assert len(made.book.of(Payment)) == 3
    assert told(made.verify()) == []
    parts = list(made.book.of(Payment).values())
    made.book.of(Payment).pop(parts[0].ref.id)
    (found,) = made.verify().differences
    assert (found.kind, found.field) == (DifferenceKind.AMOUNT, "amount")


def test_a_payment_of_the_ledger_that_billing_keeps_in_parts_is_one() -> None:
    """The other way about: it is found by the payment that was made first."""
    made = Ledgers(billing={"invoices_per_payment": 1})
    made.carry()
    ours = [made.across(each) for each in (made.one, made.two)]
    more = [made.invoice(f"INV-{n}", "20", made.acme) for n in (8, 9)]
    made.carry()
    ours = [made.across(each) for each in more]
    owner = made.across(made.acme)
    made.pay("40", (ours[0], "20"), (ours[1], "20"), on=made.book, of=owner)
    made.carry()
    assert len(made.shop.of(Payment)) == 3
    assert told(made.verify()) == []


@pytest.mark.parametrize("written_as", ["invoice", "overpayment"])
def test_the_invoice_of_a_fee_is_policy(written_as: Any) -> None:
    """B64, B67: a fee is an invoice in the ledger alone, or money of the customer's."""
    made = Ledgers(fees=Fees(written_as, account="4000"))
    made.invoice("INV-3", "20", made.acme)
    third = next(i for i in made.all(Invoice, made.shop) if i.number == "INV-3")
    made.pay("23", (third, "20"), fee="3")
    made.carry()
    certificate = made.verify()
    expected = [("POLICY", "Invoice", "")] if written_as == "invoice" else []
    assert told(certificate) == expected
    assert certificate.ok
    levels = told(made.verify(kinds=[Settlement]))
    assert levels == [(kind, "Settlement", field) for kind, _, field in expected]


def test_an_invoice_that_is_paid_twice_by_one_payment_is_one() -> None:
    """Two parts of a payment that are put to one invoice are one part in the ledger."""
    made = Ledgers()
    third = made.invoice("INV-3", "30", made.acme)
    made.pay("30", (third, "10"), on=made.shop)
    paid = next(p for p in made.shop.of(Payment).values() if p.amount == 30)
    first = next(made.shop.puts(source=paid.ref.id))
    again = evolve(first, ref=made.shop.ref(Application), amount=Decimal(20))
    made.shop.apply(again)
    made.carry()
    assert told(made.verify()) == []


# What is explained --------------------------------------------------------------------------


def test_what_is_the_ledgers_own_is_policy_where_documents_go_one_way(
    carried: Ledgers,
) -> None:
    """An invoice made by hand in the ledger is not brought to billing."""
    owner = carried.across(carried.acme)
    carried.invoice("L-1", "77", owner, on=carried.book)
    (found,) = carried.verify().differences
    assert found.kind is DifferenceKind.POLICY
    assert "billing to ledger only" in found.text


def test_levels_of_the_ledgers_own_invoices_are_policy_too() -> None:
    """Where invoices go to the ledger and levels come back, its own are nobody's loss."""
    made = Ledgers(directions={Customer: OUT, Invoice: OUT})
    made.carry()
    made.invoice("L-1", "77", made.across(made.acme), on=made.book)
    certificate = made.verify()
    assert certificate.scope.kinds == (Settlement,)
    assert ("POLICY", "Settlement", "") in told(certificate)


def test_documents_of_inactive_customers_are_not_brought_to_billing() -> None:
    """B89: by active_only, billing need not have what belongs to them."""
    made = Ledgers(directions={**WAYS, Invoice: BOTH})
    made.carry()
    late = made.customer("Late", "C9", on=made.book, active=False)
    made.invoice("L-1", "77", late, on=made.book)
    (found,) = made.verify().differences
    assert found.kind is DifferenceKind.POLICY
    assert "active_only" in found.text
    (level,) = made.verify(kinds=[Settlement]).differences
    assert (level.kind, level.text) == (found.kind, found.text)


def test_an_edit_that_is_not_carried_is_policy(carried: Ledgers) -> None:
    """B91: a posted document is left as it was; a note on record says so."""
    carried.edit(carried.two, total=Decimal(60))
    assert told(carried.verify()) == [("AMOUNT", "Invoice", "total")]
    carried.carry()
    (found,) = carried.verify().differences
    assert (found.kind, found.code) == (DifferenceKind.POLICY, Code.EDIT_NOT_CARRIED)
    carried.edit(carried.two, on=DAY + timedelta(days=3))
    kinds = {each.field: each.kind for each in carried.verify().differences}
    assert kinds["on"] is DifferenceKind.DATE


def test_a_total_that_the_ledger_computed_differently_says_so() -> None:
    """It was told once, and is no open issue: the difference has the words all the same."""
    made = Pair({Customer: OUT, Invoice: OUT, Settlement: OFF}, keeps=Computing)
    made.invoice("INV-1", "100", made.customer())
    made.sync(Customer)
    made.sync(Invoice)
    certificate = made.engine.verify()
    (found,) = certificate.differences
    assert (found.kind, found.field) == (DifferenceKind.AMOUNT, "total")
    assert found.code is Code.TOTAL_DIFFERS
    assert "100.00 EUR was sent, 100.01 EUR is there" in found.text
    assert not certificate.ok


def test_a_credit_that_waits_for_a_person_is_an_open_issue(carried: Ledgers) -> None:
    """What could not be applied has an issue of its own, which explains the note."""
    third = carried.invoice("INV-3", "20", carried.acme, status=Status.OPEN)
    note = carried.credit_note("CN-2", "20", carried.acme)
    carried.put(note, third, "20")
    carried.rules["directions"] = {**WAYS, Invoice: OFF}
    carried.sync(CreditNote)
    certificate = carried.verify(kinds=[CreditNote])
    (found,) = certificate.differences
    assert (found.kind, found.field) == (DifferenceKind.OPEN_ISSUE, "applications")
    assert found.code is Code.WAITS


def test_credits_that_stay_are_policy() -> None:
    """B99: what a ledger does not let us take back is on record, and explained by it."""
    kept = without([Application], Verb.VOID)
    made = Ledgers(ledger={"kinds": kept})
    made.carry()
    put = next(p for p in made.shop.of(Application).values() if p.how is Part.CREDIT)
    made.clock.advance(HOUR)
    made.shop.unapply(put.ref)
    made.carry()
    (found,) = made.verify().differences
    assert (found.kind, found.code) == (DifferenceKind.POLICY, Code.CREDITS_STAY)


def test_customers_that_nobody_tells_are_not_called_inactive() -> None:
    """A ledger without customers of its own: what is missing has no such reason."""
    blind = {"kinds": without([Customer], *Verb)}
    ways = {Invoice: BOTH, Settlement: OFF}
    made = Pair(ways, ledger=blind)
    made.invoice("L-1", "77", on=made.book)
    (found,) = made.engine.verify().differences
    assert found.kind is DifferenceKind.MISSING_IN_BILLING


def test_a_draft_of_the_shop_is_policy_until_it_is_posted() -> None:
    """B90: a document of the ledger's whose twin is a draft here waits for that."""
    made = Ledgers()
    made.carry()
    made.invoice("INV-3", "20", made.acme, status=Status.DRAFT)
    owner = made.across(made.acme)
    made.invoice("INV-3", "20", owner, on=made.book)
    assert told(made.verify()) == [("POLICY", "Invoice", "status")]


# By date ------------------------------------------------------------------------------------


def test_documents_of_some_days_are_verified_alone(carried: Ledgers) -> None:
    """Both days are included; what is dated outside is not looked at."""
    carried.invoice("OLD", "5", carried.acme, on=carried.shop, due=None)
    old = next(i for i in carried.all(Invoice, carried.shop) if i.number == "OLD")
    carried.edit(old, on=date(2025, 1, 1))
    assert told(carried.verify(first=DAY, last=DAY)) == []
    assert told(carried.verify(last=DAY)) == [("MISSING_IN_LEDGER", "Invoice", "")]
    assert told(carried.verify(first=DAY)) == []


def test_a_document_that_is_dated_outside_on_one_side_differs_by_its_date(
    carried: Ledgers,
) -> None:
    """It is not called missing: its date over there is told."""
    edited(carried, Invoice, on=DAY + timedelta(days=40))
    certificate = carried.verify(first=DAY, last=DAY)
    (found,) = certificate.differences
    assert (found.kind, found.field) == (DifferenceKind.DATE, "on")
    assert found.in_ledger == (DAY + timedelta(days=40)).isoformat()
    assert found.shifts[0].amounts.open == Decimal(-100)


def test_untied_documents_are_paired_by_their_numbers() -> None:
    """What was entered by hand on both sides, and never synced, is compared all the same."""
    made = Ledgers()
    owner = made.customer("Acme", "C1", on=made.book)
    for number, total in (("INV-1", "100"), ("INV-2", "55")):
        made.invoice(number, total, owner, on=made.book)
    made.credit_note("CN-1", "30", owner, on=made.book)
    certificate = made.verify(kinds=[Invoice, CreditNote])
    assert told(certificate) == [
        ("AMOUNT", "CreditNote", "applications"),
        ("AMOUNT", "Invoice", "total"),
    ]


def test_refs_lead_to_the_documents_of_both_sides(carried: Ledgers) -> None:
    """A host can open what a line is about in either system."""
    edited(carried, Invoice, total=Decimal(101))
    (found,) = carried.verify().differences
    assert found.billing == carried.one.ref
    assert found.ledger == carried.across(carried.one).ref
    assert isinstance(found.ledger, Ref)
    assert isinstance(carried.engine, tieout.Engine)
