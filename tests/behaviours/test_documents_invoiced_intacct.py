"""Documents both ways between Invoiced and Sage Intacct, as their users know them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pairs import DAY, LAST, Pair, invoiced_intacct

from tieout.errors import Code, ConfigError
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Payment,
    RecordType,
    Settlement,
)
from tieout.settings import Direction, Fees

D = Decimal
PAID = date(2026, 3, 5)
OFF, IN, OUT, BOTH = (
    Direction.OFF,
    Direction.TO_BILLING,
    Direction.TO_LEDGER,
    Direction.BOTH,
)
EVERY_WAY: dict[RecordType, Direction] = {
    Settlement: OFF,
    Customer: BOTH,
    Invoice: BOTH,
    CreditNote: BOTH,
    Payment: BOTH,
}
FEES = Fees(account="4900")


Make = Callable[..., Pair]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes pairs, all of whose flows are switched on unless it is said otherwise."""
    made: list[Pair] = []

    def one(**more: Any) -> Pair:
        rules = {"directions": EVERY_WAY, "fees": FEES, **more}
        made.append(invoiced_intacct(**rules))
        return made[-1]

    yield one
    for pair in made:
        pair.close()


@pytest.fixture
def pair(make: Make) -> Pair:
    """All flows, and a customer that each side made; money on account has a location."""
    found = make(ledger={"location": "100"})
    found.billing.add_customer("Acme", "C1", email="acme@x.example")
    found.ledger.add_customer("Bolt", "B7", email="bolt@x.example")
    return found


# What stands where ------------------------------------------------------------------------


def customer(pair: Pair, number: str) -> int:
    """The id of a customer at Invoiced."""
    (found,) = (e for e in pair.billing.customers() if e["number"] == number)
    return int(found["id"])


def bill(pair: Pair, number: str) -> dict[str, Any]:
    """The one invoice of a number at Invoiced."""
    (found,) = (e for e in pair.billing.invoices() if e["number"] == number)
    return dict(found)


def paper(pair: Pair, number: str) -> dict[str, Any]:
    """The one invoice of a number in Intacct."""
    (found,) = (e for e in pair.ledger.invoices() if e["RECORDID"] == number)
    return dict(found)


def memo(pair: Pair, number: str) -> dict[str, Any]:
    """The one adjustment of a number in Intacct."""
    (found,) = (e for e in pair.ledger.credit_notes() if e["RECORDID"] == number)
    return dict(found)


def note(pair: Pair, number: str) -> dict[str, Any]:
    """The one credit note of a number at Invoiced."""
    (found,) = (e for e in pair.billing.credit_notes() if e["number"] == number)
    return dict(found)


def put(invoice: int, amount: str) -> dict[str, Any]:
    """A part of a payment in Invoiced's words: cash for an invoice."""
    return {"type": "invoice", "invoice": invoice, "amount": amount}


def credit(credit_note: int, invoice: int, amount: str) -> dict[str, Any]:
    """A part of a payment in Invoiced's words: a credit note applied to an invoice."""
    how = {"type": "credit_note", "document_type": "invoice"}
    return {**how, "credit_note": credit_note, "invoice": invoice, "amount": amount}


def cash(pair: Pair) -> list[tuple[Any, str]]:
    """The payments in Intacct that moved money, each with its state."""
    every = pair.ledger.payments()
    return [(e["TRX_TOTALENTERED"], e["STATE"]) for e in every if e["TRX_TOTALENTERED"]]


def agree(pair: Pair, *numbers: str) -> None:
    """Both sides owe the same of these invoices, to the minor unit."""
    for number in numbers:
        here, there = bill(pair, number), paper(pair, number)
        assert here["total"] == there["TRX_TOTALENTERED"], number
        assert here["balance"] == there["TRX_TOTALDUE"], number


def said(reports: list[Any]) -> list[Code]:
    """The codes of all that there is to say."""
    return [issue.code for report in reports for issue in report.issues]


# Customers --------------------------------------------------------------------------------


def test_customers_go_both_ways_and_each_side_owns_what_it_made(pair: Pair) -> None:
    """B46, B83."""
    (report,) = pair.quietly(Customer)
    assert report.counts["created"] == 2
    theirs = {e["CUSTOMERID"]: e for e in pair.ledger.customers()}
    assert theirs["C1"]["NAME"] == "Acme"
    ours = {e["number"]: e for e in pair.billing.customers()}
    assert (ours["B7"]["name"], ours["B7"]["email"]) == ("Bolt", "bolt@x.example")
    pair.billing.edit_customer(customer(pair, "C1"), name="Acme & Sons")
    pair.ledger.edit_customer("B7", NAME="Bolt Ltd")
    pair.quietly(Customer, since=LAST)
    theirs = {e["CUSTOMERID"]: e for e in pair.ledger.customers()}
    assert theirs["C1"]["NAME"] == "Acme & Sons"
    assert ours.keys() == theirs.keys()
    assert {e["name"] for e in pair.billing.customers()} == {"Acme & Sons", "Bolt Ltd"}


def test_a_customer_that_both_have_is_tied_and_not_made(pair: Pair) -> None:
    """B83, B84: by number, whatever each side calls it."""
    pair.ledger.add_customer("Acme Inc.", "C1")
    (report,) = pair.carry(Customer)
    assert len(pair.billing.customers()) == len(pair.ledger.customers()) == 2
    assert report.counts["created"] == 1  # Bolt


# Invoices ---------------------------------------------------------------------------------


def test_an_order_entry_invoice_becomes_a_billing_invoice(pair: Pair) -> None:
    """B47, B92: an edit in order entry makes it anew in the ledger, and no second one here."""
    order = pair.ledger.add_order("SI-1", "B7", "70.25", on=DAY, due=date(2026, 3, 31))
    pair.quietly()
    made = bill(pair, "SI-1")
    assert (made["total"], made["currency"]) == (D("70.25"), "usd")
    assert made["customer"] == customer(pair, "B7")
    agree(pair, "SI-1")
    pair.ledger.edit_order(order, PONUMBER="PO 1")
    pair.billing.edit_invoice(made["id"], purchase_order="ours")
    pair.quietly(since=LAST)
    assert len(pair.billing.invoices()) == len(pair.ledger.invoices()) == 1
    assert paper(pair, "SI-1")["DOCNUMBER"] == "PO 1"  # nothing went back


def test_what_was_entered_in_receivables_may_stay_there(make: Make) -> None:
    """B47, B53: by default all invoices are read, else order entry's alone."""
    for receivables in (True, False):
        pair = make(ledger={"receivables": receivables})
        pair.ledger.add_customer("Bolt", "B7")
        pair.ledger.add_order("SI-1", "B7", "70.00", on=DAY)
        pair.ledger.add_order("SR-1", "B7", "5.00", kind="Sales Credit Memo", on=DAY)
        pair.ledger.add_invoice("AR-1", "B7", "10.00", on=DAY)
        pair.ledger.add_credit_note("AC-1", "B7", "3.00", on=DAY)
        pair.quietly()
        found = [e["number"] for e in pair.billing.invoices()]
        found += [e["number"] for e in pair.billing.credit_notes()]
        entered = ["AC-1", "AR-1"] if receivables else []
        assert sorted(found) == [*entered, "SI-1", "SR-1"]


def test_a_billing_invoice_becomes_an_invoice_in_receivables(make: Make) -> None:
    """B48, B78 to B81: tax has a line, defaults fill it, a line's own fields come first."""
    pair = make(dimensions={"location": "100", "department": "SALES"})
    acme = pair.billing.add_customer("Acme", "C1")
    work = {"name": "Work", "quantity": 3, "unit_cost": "10.10"}
    own = {"intacct_department": "OPS", "intacct_project": "P9"}
    part = {"name": "Part", "quantity": 1, "unit_cost": "9.70", "metadata": own}
    pair.billing.add_invoice("INV-1", acme, lines=[work, part], on=DAY)
    pair.billing.edit_invoice(bill(pair, "INV-1")["id"], taxes=[{"amount": "4.00"}])
    pair.quietly(Customer, Invoice)
    agree(pair, "INV-1")
    made = pair.ledger.books.documents.rows[int(paper(pair, "INV-1")["RECORDNO"])]
    told = [
        (str(line.amount), *(line.fields.get(name, "") for name in names))
        for names in [("ACCOUNTNO", "LOCATIONID", "DEPARTMENTID", "PROJECTID")]
        for line in made.lines
    ]
    assert told == [
        ("30.30", "4000", "100", "SALES", ""),
        ("9.70", "4000", "100", "OPS", "P9"),
        ("4.00", "2200", "100", "SALES", ""),
    ]


def test_drafts_wait_and_what_is_final_is_posted_once(pair: Pair) -> None:
    """B90, B93, B94: a draft that is voided was never there."""
    acme = customer(pair, "C1")
    draft = pair.billing.add_invoice("INV-1", acme, "10.00", on=DAY, status="draft")
    lost = pair.billing.add_invoice("INV-2", acme, "20.00", on=DAY)
    pair.billing.void_invoice(lost)
    pair.quietly()
    assert pair.ledger.invoices() == []
    pair.billing.edit_invoice(draft, draft=False)
    pair.quietly(since=LAST)
    pair.quietly()
    assert [e["RECORDID"] for e in pair.ledger.invoices()] == ["INV-1"]


def test_an_edit_is_not_posted_and_a_void_is_once(pair: Pair) -> None:
    """B91, B95."""
    acme = customer(pair, "C1")
    one = pair.billing.add_invoice("INV-1", acme, "10.00", on=DAY)
    two = pair.billing.add_invoice("INV-2", acme, "20.00", on=DAY)
    pair.quietly()
    more = [{"name": "Work", "quantity": 1, "unit_cost": "12.00"}]
    pair.billing.edit_invoice(one, items=more)
    pair.billing.void_invoice(two)
    assert said(pair.carry(since=LAST)) == [Code.EDIT_NOT_CARRIED]
    assert paper(pair, "INV-1")["TRX_TOTALENTERED"] == 10
    states = {e["RECORDID"]: e["STATE"] for e in pair.ledger.invoices()}
    assert states["INV-2"] == "Reversed"
    writes = pair.ledger.writes
    pair.carry(since=LAST)
    pair.carry()
    assert pair.ledger.writes == writes


def test_one_number_for_two_documents_is_never_adopted(pair: Pair) -> None:
    """The same customer and total is the same document; another total is a collision."""
    pair.quietly(Customer)
    acme = customer(pair, "C1")
    pair.billing.add_invoice("INV-1", acme, "10.00", on=DAY)
    pair.ledger.add_invoice("INV-1", "C1", "10.00", on=DAY)
    pair.billing.add_invoice("INV-2", acme, "20.00", on=DAY)
    pair.ledger.add_invoice("INV-2", "C1", "21.00", on=DAY)
    codes = said(pair.carry(Invoice))
    assert set(codes) == {Code.NUMBER_MEANS_ANOTHER_DOCUMENT}
    assert len(pair.billing.invoices()) == len(pair.ledger.invoices()) == 2


def test_invoices_of_inactive_customers_are_not_imported(pair: Pair) -> None:
    """B89."""
    pair.ledger.add_order("SI-1", "B7", "70.00", on=DAY)
    pair.ledger.edit_customer("B7", STATUS="inactive")
    pair.carry()
    assert pair.billing.invoices() == []


# Credit notes -----------------------------------------------------------------------------


def test_an_order_entry_return_becomes_a_billing_credit_note(pair: Pair) -> None:
    """B49: with where the ledger applied it; it is not posted back."""
    pair.ledger.add_order("SI-1", "B7", "70.00", on=DAY)
    pair.ledger.add_order("SR-1", "B7", "20.00", kind="Sales Credit Memo", on=DAY)
    pair.quietly()
    assert note(pair, "SR-1")["balance"] == 20
    source, target = memo(pair, "SR-1")["RECORDNO"], paper(pair, "SI-1")["RECORDNO"]
    pair.ledger.allocate(source, target, "15.00", PAID)
    pair.quietly(since=LAST)
    assert note(pair, "SR-1")["balance"] == 5
    agree(pair, "SI-1")
    assert len(pair.ledger.credit_notes()) == 1


def test_a_billing_credit_note_becomes_an_adjustment_with_its_applications(
    pair: Pair,
) -> None:
    """B50, B97: credits alone are applied, and no payment of nothing is made."""
    acme = customer(pair, "C1")
    invoice = pair.billing.add_invoice("INV-1", acme, "100.00", on=DAY)
    given = pair.billing.add_credit_note("CN-1", acme, "30.00", on=DAY)
    pair.billing.allocate(given, invoice, "12.50", PAID)
    pair.quietly()
    assert memo(pair, "CN-1")["TRX_TOTALENTERED"] == -30
    assert memo(pair, "CN-1")["TRX_TOTALDUE"] == D("-17.50")
    assert cash(pair) == []
    agree(pair, "INV-1")


def test_the_ledger_may_apply_what_billing_gave(pair: Pair) -> None:
    """B50: whoever made a credit note, each side may apply it."""
    acme = customer(pair, "C1")
    pair.billing.add_invoice("INV-1", acme, "100.00", on=DAY)
    pair.billing.add_credit_note("CN-1", acme, "30.00", on=DAY)
    pair.quietly()
    source, target = memo(pair, "CN-1")["RECORDNO"], paper(pair, "INV-1")["RECORDNO"]
    pair.ledger.allocate(source, target, "30.00", PAID)
    pair.quietly(since=LAST)
    pair.quietly()
    assert (note(pair, "CN-1")["balance"], bill(pair, "INV-1")["balance"]) == (0, 70)
    agree(pair, "INV-1")


def test_a_credit_note_is_taken_back_where_that_is_allowed(make: Make) -> None:
    """Intacct deletes adjustments, or nothing: then a person does."""
    for allowed in (True, False):
        pair = make(ledger={"delete_credit_notes": allowed})
        acme = pair.billing.add_customer("Acme", "C1")
        given = pair.billing.add_credit_note("CN-1", acme, "30.00", on=DAY)
        pair.quietly()
        pair.billing.void_credit_note(given)
        codes = said(pair.carry(since=LAST))
        assert codes == ([] if allowed else [Code.NOT_ALLOWED])
        assert len(pair.ledger.credit_notes()) == (0 if allowed else 1)


# Payments ---------------------------------------------------------------------------------


def test_payments_go_both_ways_and_are_taken_back_both_ways(pair: Pair) -> None:
    """B51, B101: in part, over several invoices, with money left."""
    acme = customer(pair, "C1")
    ours = [
        pair.billing.add_invoice(f"INV-{at}", acme, "50.00", on=DAY) for at in (1, 2)
    ]
    for at in (1, 2):
        pair.ledger.add_order(f"SI-{at}", "B7", "70.00", on=DAY)
    pair.quietly()
    every = ("INV-1", "INV-2", "SI-1", "SI-2")
    parts = [put(ours[0], "50.00"), put(ours[1], "20.00")]
    here = pair.billing.add_payment(
        acme, "75.00", PAID, applied_to=parts, reference="wire 1"
    )
    there = pair.ledger.pay(
        paper(pair, "SI-1")["RECORDNO"], "30.00", PAID, "wire 2", over="5.00"
    )
    pair.quietly(since=LAST)
    agree(pair, *every)
    assert cash(pair) == [(35, "C"), (75, "C")]
    assert [(e["amount"], e["balance"]) for e in pair.billing.payments()] == [
        (75, 5),
        (35, 5),
    ]
    pair.billing.void_payment(here)
    pair.ledger.void_payment(there)
    pair.quietly(since=LAST)
    agree(pair, *every)
    assert [e["voided"] for e in pair.billing.payments()] == [True, True]
    assert sum(amount for amount, _ in cash(pair)) == 0


def composite(pair: Pair) -> int:
    """A payment of cash, a fee, and two credit notes; its id."""
    acme = customer(pair, "C1")
    one, two = (
        pair.billing.add_invoice(f"INV-{at}", acme, total, on=DAY)
        for at, total in ((1, "100.00"), (2, "50.00"))
    )
    first, second = (
        pair.billing.add_credit_note(f"CN-{at}", acme, total, on=DAY)
        for at, total in ((1, "30.00"), (2, "10.00"))
    )
    pair.quietly()
    fee = {"type": "convenience_fee", "amount": "2.00"}
    parts = [put(one, "70.00"), put(two, "40.00"), fee]
    parts += [credit(first, one, "30.00"), credit(second, two, "10.00")]
    found = pair.billing.add_payment(
        acme, "112.00", PAID, applied_to=parts, method="check", reference="check 7"
    )
    return int(found)


def test_cash_and_credits_are_one_payment_and_one_application_for_each_credit(
    pair: Pair,
) -> None:
    """B96, B98: and the fee has an invoice of its own (B52)."""
    composite(pair)
    with pair.costs() as cost:
        pair.quietly(Payment, since=LAST)
    _, ledger = cost
    assert ledger.labels["create ARPYMT"] == 1
    assert ledger.labels["apply_arpayment"] == 2
    assert ledger.labels["create_invoice"] == 1
    assert cash(pair) == [(112, "C")]
    agree(pair, "INV-1", "INV-2")
    assert [note(pair, each)["balance"] for each in ("CN-1", "CN-2")] == [0, 0]
    assert [memo(pair, each)["TRX_TOTALDUE"] for each in ("CN-1", "CN-2")] == [0, 0]


def test_a_void_takes_back_the_cash_and_names_the_credits_that_stay(
    pair: Pair,
) -> None:
    """B99, B100: once; what a person then takes off in the ledger stays off."""
    payment = composite(pair)
    pair.quietly(Payment, since=LAST)
    pair.billing.void_payment(payment)
    (report,) = pair.carry(Payment, since=LAST)
    told = list(report.issues)
    assert [each.code for each in told] == [Code.CREDITS_STAY] * 2
    assert [each.numbers for each in told] == [("INV-1", "CN-1"), ("INV-2", "CN-2")]
    assert report.ok
    assert [paper(pair, each)["TRX_TOTALDUE"] for each in ("INV-1", "INV-2")] == [
        70,
        40,
    ]
    assert cash(pair) == [(112, "V"), (-112, "R")]
    assert [e["RECORDID"] for e in pair.ledger.invoices() if e["STATE"] == "Reversed"]
    for applied in [e for e in pair.ledger.payments() if not e["TRX_TOTALENTERED"]]:
        pair.ledger.remove_allocation(applied["RECORDNO"])
    pair.quietly(since=LAST)
    pair.quietly()
    agree(pair, "INV-1", "INV-2")


def test_a_payment_of_credits_alone_warns_too_when_it_is_voided(pair: Pair) -> None:
    """B97, B100: there is no cash to take back."""
    acme = customer(pair, "C1")
    invoice = pair.billing.add_invoice("INV-1", acme, "100.00", on=DAY)
    given = pair.billing.add_credit_note("CN-1", acme, "30.00", on=DAY)
    applied = pair.billing.allocate(given, invoice, "30.00", PAID)
    pair.quietly()
    pair.billing.void_payment(applied)
    writes = pair.ledger.writes
    assert said(pair.carry(since=LAST)) == [Code.CREDITS_STAY]
    assert pair.ledger.writes == writes


def test_of_a_payment_that_half_failed_the_rest_is_made_and_nothing_twice(
    pair: Pair,
) -> None:
    """B102: the cash went through, an application was refused."""
    composite(pair)
    pair.ledger.hiccup(1, "apply_arpayment")
    assert said(pair.carry(Payment, since=LAST)) == [Code.BAD_FIELD]
    assert cash(pair) == [(112, "C")]
    assert sum(memo(pair, each)["TRX_TOTALDUE"] for each in ("CN-1", "CN-2")) != 0
    (row,) = pair.engine.issues()
    assert pair.engine.retry(row).ok
    assert cash(pair) == [(112, "C")]
    agree(pair, "INV-1", "INV-2")
    assert list(pair.engine.issues()) == []


def test_an_application_that_waits_follows_by_itself(pair: Pair) -> None:
    """B152: it is read again with its payment, though that did not change."""
    acme = customer(pair, "C1")
    pair.quietly()
    invoice = pair.billing.add_invoice("INV-1", acme, "100.00", on=DAY)
    given = pair.billing.add_credit_note("CN-1", acme, "30.00", on=DAY)
    pair.billing.allocate(given, invoice, "30.00", PAID)
    assert said(pair.carry(Invoice, Payment, since=LAST)) == [Code.WAITS]
    pair.quietly(CreditNote, Payment, since=LAST)
    agree(pair, "INV-1")
    assert list(pair.engine.issues()) == []


# Fees -------------------------------------------------------------------------------------


def test_a_fee_has_an_invoice_in_the_ledger_that_its_part_of_the_payment_settles(
    make: Make,
) -> None:
    """B52, B64 to B66, B69: once, and it never becomes an invoice here."""
    fees = Fees(account="4900", dimensions={"location": "100", "department": "FEES"})
    pair = make(fees=fees)
    acme = pair.billing.add_customer("Acme", "C1")
    invoice = pair.billing.add_invoice("INV-1", acme, "60.00", on=DAY)
    payment = pair.billing.pay(invoice, "60.00", PAID, "card 1", fee="1.80")
    for since in (DAY, LAST, DAY):
        pair.quietly(since=since)
    fee = paper(pair, f"FEE-{payment}")
    assert (fee["TRX_TOTALENTERED"], fee["TRX_TOTALDUE"]) == (D("1.80"), 0)
    (line,) = pair.ledger.books.documents.rows[int(fee["RECORDNO"])].lines
    told = [line.fields[e] for e in ("ACCOUNTNO", "LOCATIONID", "DEPARTMENTID")]
    assert told == ["4900", "100", "FEES"]
    assert cash(pair) == [(D("61.80"), "C")]
    agree(pair, "INV-1")
    assert [e["number"] for e in pair.billing.invoices()] == ["INV-1"]


def test_without_invoices_for_fees_they_stay_with_the_customer(make: Make) -> None:
    """B67, B68."""
    where = {"location": "100", "department": "FEES"}
    pair = make(fees=Fees(written_as="overpayment", dimensions=where))
    acme = pair.billing.add_customer("Acme", "C1")
    invoice = pair.billing.add_invoice("INV-1", acme, "60.00", on=DAY)
    pair.billing.pay(invoice, "60.00", PAID, "card 1", fee="1.80")
    for since in (DAY, LAST, DAY):
        pair.quietly(since=since)
    (payment,) = pair.ledger.payments()
    assert (payment["TRX_TOTALENTERED"], payment["TRX_TOTALDUE"]) == (
        D("61.80"),
        D("1.80"),
    )
    assert [e["RECORDID"] for e in pair.ledger.invoices()] == ["INV-1"]
    agree(pair, "INV-1")


# Which flows ------------------------------------------------------------------------------


def shape(pair: Pair) -> dict[str, int]:
    """How many of each kind stand on each side."""
    return {
        "customers here": len(pair.billing.customers()),
        "customers there": len(pair.ledger.customers()),
        "invoices here": len(pair.billing.invoices()),
        "invoices there": len(pair.ledger.invoices()),
        "credits here": len(pair.billing.credit_notes()),
        "credits there": len(pair.ledger.credit_notes()),
        "payments here": len(pair.billing.payments()),
        "payments there": len(cash(pair)),
    }


FLOWS: dict[str, tuple[RecordType, Direction, dict[str, int]]] = {
    "B46 there": (Customer, OUT, {"customers there": 1}),
    "B46 here": (Customer, IN, {"customers here": 1}),
    "B47": (Invoice, IN, {"invoices here": 1}),
    "B48": (Invoice, OUT, {"invoices there": 1}),
    "B49": (CreditNote, IN, {"credits here": 1}),
    "B50": (CreditNote, OUT, {"credits there": 1}),
    # A fee's invoice is made for its payment, and is no other flow.
    "B51 there, B52": (Payment, OUT, {"payments there": 1, "invoices there": 1}),
    "B51 here": (Payment, IN, {"payments here": 1}),
}


@pytest.mark.parametrize("flow", FLOWS)
def test_a_flow_that_is_switched_on_alone_does_only_its_own(
    pair: Pair, flow: str
) -> None:
    """B53: though everything stands ready on both sides; and a trigger starts no other."""
    both = (pair.billing.add_customer("Cove", "K1"), "K1")
    pair.ledger.add_customer("Cove", "K1")
    pair.ledger.add_order("SI-0", "K1", "9.00", on=DAY)
    pair.quietly(Customer, Invoice)  # these are tied, and something can be paid
    for each in pair.billing.customers():
        if each["number"] == "C1":
            pair.billing.add_invoice("INV-1", both[0], "50.00", on=DAY)
    pair.billing.add_customer("Dune", "D1")
    pair.ledger.add_customer("Echo", "E1")
    pair.ledger.add_order("SI-1", "K1", "70.00", on=DAY)
    pair.billing.add_credit_note("CN-1", both[0], "30.00", on=DAY)
    pair.ledger.add_order("SR-1", "K1", "20.00", kind="Sales Credit Memo", on=DAY)
    pair.billing.pay(bill(pair, "SI-0")["id"], "4.00", PAID, "card 1", fee="1.00")
    pair.ledger.pay(paper(pair, "SI-0")["RECORDNO"], "3.00", PAID, "wire 1")
    kind, direction, more = FLOWS[flow]
    pair.join(directions={Settlement: OFF, kind: direction}, fees=FEES)
    before = shape(pair)
    pair.quietly(kind)
    assert shape(pair) == {**before, **{n: before[n] + m for n, m in more.items()}}
    pair.quietly(kind)
    assert shape(pair) == {**before, **{n: before[n] + m for n, m in more.items()}}
    other = Invoice if kind is not Invoice else Customer
    with pytest.raises(ConfigError, match="switched off"):
        pair.carry(other)


def everything(pair: Pair) -> None:
    """One of each kind on each side, and money that moved on both."""
    composite(pair)
    pair.ledger.add_order("SI-1", "B7", "70.00", on=DAY)
    pair.ledger.add_order("SR-1", "B7", "20.00", kind="Sales Credit Memo", on=DAY)
    source, target = memo(pair, "SR-1")["RECORDNO"], paper(pair, "SI-1")["RECORDNO"]
    pair.ledger.allocate(source, target, "20.00", PAID)
    pair.ledger.pay(target, "25.00", PAID, "wire 1")


def test_all_flows_three_times_change_nothing_the_second_and_third_time(
    pair: Pair,
) -> None:
    """
    B46 to B52, B63, B69: nothing echoes, and a quiet system costs its lists alone.

    A page of each list of either side: one call at Invoiced, `page_calls` at most in
    Intacct, for what is joined to it; no record is looked up by its id or number.
    """
    everything(pair)
    pair.quietly(since=DAY)
    standing = shape(pair)
    for since in (LAST, DAY, LAST):
        with pair.costs() as cost:
            pair.quietly(since=since)
        assert shape(pair) == standing
        billing, ledger = cost
        assert (billing.calls, billing.writes) == (4, 0)
        able = pair.sides[1].capabilities
        kinds = (Customer, Invoice, CreditNote, Payment)
        assert ledger.calls <= sum(able.kind(kind).page_calls for kind in kinds)
        lists = ("query CUSTOMER", "query ARINVOICE", "query ARADJUSTMENT")
        assert [ledger.labels[each] for each in lists] == [1, 1, 1]
        assert ledger.writes == 0
    agree(pair, "INV-1", "INV-2", "SI-1")


INVOICES = 45
"""More than two batches of writes to Intacct, and less than two pages of Invoiced."""


def test_what_making_many_documents_costs(pair: Pair) -> None:
    """
    A page, one look for their numbers, one for their marks, and the writes in batches.

    Intacct is asked for many at once, Invoiced for each alone; the customers of a page
    are read once.
    """
    pair.quietly(Customer)
    acme = customer(pair, "C1")
    for at in range(INVOICES):
        pair.billing.add_invoice(f"INV-{at}", acme, "10.00", on=DAY)
    with pair.costs() as cost:
        pair.quietly(Invoice)
    here, there = cost
    ledger = pair.sides[1].capabilities
    assert here.calls == 1
    assert there.labels["create_invoice"] == INVOICES
    # What was just made is on the page that the other way reads.
    back, looks = ledger.kind(Invoice).page_calls - 1, 2
    assert there.calls == looks + ledger.write_calls(Invoice, INVOICES) + back
    for at in range(INVOICES):
        pair.ledger.add_order(f"SI-{at}", "B7", "10.00", on=DAY)
    with pair.costs() as cost:
        pair.quietly(Invoice, since=LAST)
    here, there = cost
    assert here.calls == 1 + 3 * INVOICES
    assert here.writes == INVOICES
    customers = ledger.kind(Customer).page_calls
    assert there.calls == back + customers


# Doubt ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["ARPYMT", "apply_arpayment", "create_invoice"])
def test_what_may_be_our_own_payment_does_not_come_back_as_news(
    pair: Pair, lost: str
) -> None:
    """B63, B92: an answer was lost, and the document stands in the ledger, tied to nothing."""
    acme = customer(pair, "C1")
    pair.quietly(Customer)
    invoice = pair.billing.add_invoice("INV-1", acme, "100.00", on=DAY)
    given = pair.billing.add_credit_note("CN-1", acme, "30.00", on=DAY)
    if lost != "create_invoice":
        pair.quietly()
        pair.billing.pay(invoice, "20.00", PAID, "check 1")
        pair.billing.allocate(given, invoice, "15.00", PAID)
    pair.ledger.lose(1, of="create" if lost == "ARPYMT" else lost)
    before = shape(pair)
    made = Invoice if lost == "create_invoice" else Payment
    codes = said(pair.carry(made))
    assert set(codes) == {Code.OUTCOME_UNKNOWN, Code.WAITS} - (
        {Code.WAITS} if lost == "apply_arpayment" else set()
    )
    for since in (DAY, LAST, DAY):
        pair.carry(since=since)
    after = shape(pair)
    assert [after[n] for n in after if " here" in n] == [
        before[n] for n in before if " here" in n
    ]
    agree(pair, "INV-1")
    assert pair.engine.parked() == []
    assert list(pair.engine.issues()) == []


def test_what_landed_at_invoiced_unheard_is_found_and_not_made_again(
    pair: Pair,
) -> None:
    """The mark in its metadata says whose it is."""
    pair.ledger.add_order("SI-1", "B7", "70.00", on=DAY)
    pair.quietly()
    pair.ledger.pay(paper(pair, "SI-1")["RECORDNO"], "30.00", PAID, "wire 1")
    pair.billing.lose()
    assert set(said(pair.carry(since=LAST))) == {Code.OUTCOME_UNKNOWN}
    pair.quietly(since=LAST)
    pair.quietly()
    assert len(pair.billing.payments()) == 1
    assert cash(pair) == [(30, "C")]
    agree(pair, "SI-1")


# Bill-to contacts -------------------------------------------------------------------------


@pytest.fixture
def globex(make: Make) -> Pair:
    """A ledger's customer whose two offices are billed apart."""
    pair = make(
        directions={**EVERY_WAY, Customer: IN}, ledger={"bill_to_contacts": True}
    )
    books = pair.ledger.books
    pair.ledger.add_customer("Globex", "G1")
    for name in ("Ada", "Bob"):
        told = {"PRINTAS": f"{name} of Globex", "EMAIL1": f"{name.lower()}@g.example"}
        books.save_contact(name, told, new=True)
    offices = {"contacts": {"BILLTO": "Ada"}, "listed": [("Office 2", "Bob")]}
    books.save_customer(offices, books.customer("G1"))
    return pair


def test_contacts_are_customers_of_their_own(globex: Pair) -> None:
    """B85 to B87: numbered by billing, and the ledger's number is shown beside."""
    globex.quietly(Customer)
    globex.quietly(Customer)
    found = globex.billing.customers()
    assert sorted((e["name"], e["email"]) for e in found) == [
        ("Ada of Globex", "ada@g.example"),
        ("Bob of Globex", "bob@g.example"),
    ]
    assert [e["number"] for e in found] == ["CUST-0001", "CUST-0002"]
    assert [e["metadata"]["ledger_customer"] for e in found] == ["G1", "G1"]
    assert [e["CUSTOMERID"] for e in globex.ledger.customers()] == ["G1"]


def test_a_contacts_payments_are_the_parents(globex: Pair) -> None:
    """B88: of its invoices, whichever side made them; and those of the parent are its own."""
    globex.ledger.add_order("SI-1", "G1", "70.00", on=DAY)
    globex.quietly()
    ids = {e["name"]: e["id"] for e in globex.billing.customers()}
    ada, bob = ids["Ada of Globex"], ids["Bob of Globex"]
    assert bill(globex, "SI-1")["customer"] == ada
    own = globex.billing.add_invoice("INV-1", bob, "60.00", on=DAY)
    globex.quietly(since=LAST)
    assert paper(globex, "INV-1")["BILLTOPAYTOCONTACTNAME"] == "Bob"
    globex.billing.pay(bill(globex, "SI-1")["id"], "20.00", PAID, "check 1")
    globex.billing.pay(own, "10.00", PAID, "check 2")
    globex.ledger.pay(paper(globex, "INV-1")["RECORDNO"], "5.00", PAID, "wire 1")
    globex.quietly(since=LAST)
    globex.quietly()
    assert {e["CUSTOMERID"] for e in globex.ledger.payments()} == {"G1"}
    assert [(e["amount"], e["customer"]) for e in globex.billing.payments()] == [
        (20, ada),
        (10, bob),
        (5, bob),
    ]
    agree(globex, "SI-1", "INV-1")
    assert len(globex.billing.customers()) == 2


def test_money_of_the_parent_on_account_waits_for_a_person(globex: Pair) -> None:
    """It is nobody's in particular, and nobody is made for it."""
    globex.quietly()
    globex.ledger.add_advance("G1", "9.00", PAID)
    assert said(globex.carry(since=LAST)) == [Code.WAITS]
    assert len(globex.billing.customers()) == 2
    assert globex.billing.payments() == []


# What else is read ------------------------------------------------------------------------


def test_extra_fields_of_the_ledger_are_carried(make: Make) -> None:
    """B161: its own and custom ones land in ``custom``, and go by the names that are set."""
    extra = {"ARINVOICE": ["CHANNEL", "DESCRIPTION"], "CUSTOMER": ["TERMNAME"]}
    pair = make(
        ledger={"extra_fields": extra},
        fake={"custom_fields": {"ARINVOICE": ["CHANNEL"]}},
        custom={"CHANNEL": "channel", "DESCRIPTION": "memo", "TERMNAME": "terms"},
    )
    pair.ledger.add_customer("Bolt", "B7")
    pair.ledger.edit_customer("B7", TERMNAME="N30")
    key = pair.ledger.add_invoice("AR-1", "B7", "10.00", on=DAY, description="May")
    books = pair.ledger.books
    books.change_document(
        books.documents.rows[int(key)], {"custom": {"CHANNEL": "web"}}
    )
    pair.quietly()
    told = bill(pair, "AR-1")["metadata"]
    assert (told["channel"], told["memo"]) == ("web", "May")
    (bolt,) = pair.billing.customers()
    assert bolt["metadata"]["terms"] == "N30"


def test_a_field_that_the_company_does_not_have_is_named(make: Make) -> None:
    """B107 (d), B161: by the run that asks for it, and by the check before any run."""
    pair = make(ledger={"extra_fields": {"ARINVOICE": ["NO_SUCH"]}})
    (report,) = pair.carry(Invoice)
    assert report.code is Code.BAD_FIELD
    assert "NO_SUCH" in report.text
    health = pair.engine.check()[pair.sides[1].connection]
    assert "NO_SUCH" in health.missing[0]


# The connection ---------------------------------------------------------------------------


def test_an_entity_is_all_that_is_seen_and_written(make: Make) -> None:
    """B54, B55."""
    pair = make(ledger={"locationid": "100"}, fake={"entities": ("100", "200")})
    pair.ledger.add_customer("Bolt", "B7")
    pair.ledger.add_order("SI-1", "B7", "10.00", on=DAY, entity="100")
    pair.ledger.add_order("SI-2", "B7", "20.00", on=DAY, entity="200")
    acme = pair.billing.add_customer("Acme", "C1")
    pair.billing.add_invoice("INV-1", acme, "30.00", on=DAY)
    pair.quietly()
    assert [e["number"] for e in pair.billing.invoices()] == ["INV-1", "SI-1"]
    assert paper(pair, "INV-1")["MEGAENTITYID"] == "100"


def test_a_password_that_was_changed_is_said_and_nothing_is_half_done(
    pair: Pair,
) -> None:
    """B56: nothing is written to the other side by a run that cannot sign in."""
    pair.billing.add_invoice("INV-1", customer(pair, "C1"), "30.00", on=DAY)
    pair.ledger.revoke()
    (report,) = pair.carry(Invoice)
    assert report.code is Code.SIGN_IN_REFUSED
    assert (report.complete, report.ok) == (False, False)
    assert pair.billing.writes == pair.ledger.writes == 0


def test_a_permission_that_is_missing_is_named(pair: Pair) -> None:
    """B57: by the run that needs it, and by the check."""
    pair.ledger.deny("ARPYMT")
    (report,) = pair.carry(Payment)
    assert report.code is Code.PERMISSION_MISSING
    assert "ARPYMT" in report.text
    health = pair.engine.check()[pair.sides[1].connection]
    assert [each.partition(":")[0] for each in health.missing] == [
        "Accounts Receivable (ARPYMT)"
    ]


@pytest.mark.parametrize("way", [BOTH, IN, OUT])
def test_a_paid_amount_is_no_payment_once_payments_are_carried(
    make: Make, way: Direction
) -> None:
    """B51: money has one representation, also where the settings change from one to the other."""
    pair = make(directions={Customer: BOTH, Invoice: BOTH})
    customer = pair.billing.add_customer("Acme", "C1")
    pair.billing.add_invoice("INV-1", customer, "100", on=DAY)
    pair.carry(Customer, Invoice)
    (bill,) = pair.ledger.invoices()
    pair.ledger.pay(bill["RECORDNO"], "30", PAID)
    pair.carry(Payment)
    pair.join(directions={**EVERY_WAY, Payment: way})
    issues = [issue for report in pair.carry(Payment) for issue in report.issues]
    assert {issue.code for issue in issues} == {Code.PAID_ON_BOTH_SIDES}
    assert {issue.numbers for issue in issues} == {("INV-1",)}
    assert [each["balance"] for each in pair.billing.invoices()] == [70]
    assert [D(each["TRX_TOTALDUE"]) for each in pair.ledger.invoices()] == [70]
    (ours,) = pair.billing.payments()
    pair.billing.void_payment(ours["id"])
    assert not [issue for report in pair.carry(Payment) for issue in report.issues]
    left = 100 if way is OUT else 70
    assert [each["balance"] for each in pair.billing.invoices()] == [left]
    assert [D(each["TRX_TOTALDUE"]) for each in pair.ledger.invoices()] == [70]


def test_a_payment_of_ours_stays_ours_when_its_invoice_is_edited(make: Make) -> None:
    """What stands for the paid amount follows it, whatever becomes of the document."""
    pair = make(directions={Customer: BOTH, Invoice: BOTH}, updates="update")
    customer = pair.billing.add_customer("Acme", "C1")
    invoice = pair.billing.add_invoice("INV-1", customer, "100", on=DAY)
    pair.carry(Customer, Invoice)
    (bill,) = pair.ledger.invoices()
    pair.ledger.pay(bill["RECORDNO"], "30", PAID)
    pair.carry(Payment)
    pair.billing.edit_invoice(invoice, purchase_order="PO 7")
    pair.carry(Invoice)
    pair.ledger.pay(bill["RECORDNO"], "20", PAID)
    assert not [issue for report in pair.carry(Payment) for issue in report.issues]
    assert [each["balance"] for each in pair.billing.invoices()] == [50]
