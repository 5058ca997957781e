"""Invoices and credit notes posted from Autotask to Xero, and their paid dates back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pairs import DAY, LAST, Pair, autotask_xero, lose

from tieout.errors import Code
from tieout.models import CreditNote, Customer, Invoice, Payment, Settlement
from tieout.settings import Direction

D = Decimal
PAID = date(2026, 3, 9)
OUT = Direction.TO_LEDGER
POSTING = {Customer: OUT, Invoice: OUT, CreditNote: OUT}


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two companies with an invoice each, and a credit note."""
    found = autotask_xero(directions=POSTING)
    acme = found.billing.add_customer("Acme", "C1")
    bolt = found.billing.add_customer("Bolt")
    found.billing.add_invoice("INV-1", acme, "110.00", tax="10.00", on=DAY)
    found.billing.add_invoice(None, bolt, "33.33", on=DAY)
    found.billing.add_credit_note("CN-1", acme, "21.99", tax="2.00", on=DAY)
    yield found
    found.close()


def here(pair: Pair, number: str) -> dict[str, Any]:
    """The invoice of a number in Autotask; one without prints its id."""
    every = pair.billing.invoices()
    (found,) = (e for e in every if (e["invoiceNumber"] or str(e["id"])) == number)
    return dict(found)


def there(pair: Pair) -> dict[str, dict[str, Any]]:
    """The invoices in Xero by number."""
    return {each["InvoiceNumber"]: each for each in pair.ledger.invoices()}


def notes(pair: Pair) -> dict[str, Any]:
    """The credit notes in Xero by number."""
    found = pair.ledger.books.documents["CreditNotes"].ordered()
    return {each.number: each for each in found}


def said(reports: list[Any]) -> list[Code]:
    """The codes of all that there is to say."""
    return [issue.code for report in reports for issue in report.issues]


def blank(pair: Pair) -> str:
    """The number of the invoice that has none."""
    (found,) = (e for e in pair.billing.invoices() if e["invoiceNumber"] is None)
    return str(found["id"])


def test_documents_are_posted_with_customers_first_and_totals_agree(pair: Pair) -> None:
    """B48, B50, B152: to the minor unit, tax as it is, drafts and all."""
    pair.quietly()
    posted = there(pair)
    assert sorted(posted) == sorted(["INV-1", blank(pair)])
    for number, each in posted.items():
        ours = here(pair, number)
        assert each["Total"] == ours["invoiceTotal"]
        assert each["TotalTax"] == ours["totalTaxValue"]
        assert (each["Status"], each["CurrencyCode"]) == ("AUTHORISED", "USD")
    assert posted["INV-1"]["Contact"]["Name"] == "Acme"
    assert posted[blank(pair)]["Contact"]["Name"] == "Bolt"
    (note,) = notes(pair).values()
    assert note.total == -here(pair, "CN-1")["invoiceTotal"] == D("21.99")


def test_a_second_time_writes_nothing(pair: Pair) -> None:
    """
    B21, B23: Autotask cannot tell what changed: all of it is read each time, and Xero is
    asked for what money moved, and for nothing else.
    """
    pair.quietly()
    autotask, xero = (side.capabilities for side in pair.sides)
    for since in (LAST, DAY):
        with pair.costs() as cost:
            pair.quietly(Customer, Invoice, CreditNote, since=since)
        billing, ledger = cost
        kinds = (Customer, Invoice, CreditNote)
        assert billing.calls == sum(autotask.kind(kind).page_calls for kind in kinds)
        assert ledger.calls == billing.writes == ledger.writes == 0
    with pair.costs() as cost:
        pair.quietly(Payment, since=LAST)
    billing, ledger = cost
    assert (billing.calls, billing.writes) == (0, 0)
    assert ledger.calls == xero.read_calls(Settlement, 2)


def test_what_many_documents_cost(pair: Pair) -> None:
    """A look for their numbers, one for their marks, and the writes in batches."""
    pair.quietly(Customer)
    (acme,) = (e["id"] for e in pair.billing.customers() if e["companyNumber"] == "C1")
    for at in range(60):
        pair.billing.add_invoice(f"INV-1{at:03}", acme, "10.00", on=DAY)
    with pair.costs() as cost:
        pair.quietly(Invoice)
    billing, ledger = cost
    autotask, xero = (side.capabilities for side in pair.sides)
    assert billing.calls == autotask.kind(Invoice).page_calls
    assert ledger.writes == xero.write_calls(Invoice, 62) == 2
    looks = 2 * xero.fetch_calls(Invoice, 62)
    assert ledger.calls == ledger.writes + looks


def test_the_paid_date_comes_back_when_all_is_paid(pair: Pair) -> None:
    """B35, B40: a part is told of, and shown nowhere."""
    pair.quietly()
    paper = there(pair)["INV-1"]["InvoiceID"]
    bill = here(pair, "INV-1")["id"]
    pair.ledger.pay(paper, "60.00", date(2026, 3, 8))
    assert said(pair.carry(Payment, since=LAST)) == [Code.PARTIAL_NOT_HELD]
    assert pair.billing.paid(bill) == (0, None)
    pair.ledger.pay(paper, "50.00", PAID)
    pair.quietly(Payment, since=LAST)
    assert pair.billing.paid(bill) == (110, PAID)
    writes = pair.billing.writes, pair.ledger.writes
    pair.quietly(since=LAST)
    pair.quietly()
    assert (pair.billing.writes, pair.ledger.writes) == writes


def test_what_a_credit_note_settles_counts_as_paid(pair: Pair) -> None:
    """B36: Autotask has no place to apply one; the ledger's word counts."""
    pair.quietly()
    paper, (note,) = there(pair)["INV-1"]["InvoiceID"], notes(pair).values()
    pair.ledger.allocate(note.id, paper, "21.99", PAID)
    pair.ledger.pay(paper, "88.01", PAID)
    pair.quietly(Payment, since=LAST)
    assert pair.billing.paid(here(pair, "INV-1")["id"]) == (110, PAID)


def test_voids_go_once_where_xero_lets_them(pair: Pair) -> None:
    """B91, B95: one that is paid there is refused once, and not again unless asked."""
    pair.quietly()
    pair.ledger.pay(there(pair)["INV-1"]["InvoiceID"], "110.00", PAID)
    for each in pair.billing.invoices():
        pair.billing.void_invoice(each["id"])
    reports = pair.carry(Invoice, CreditNote, since=LAST)
    assert said(reports) == [Code.REFUSED]
    states = {number: each["Status"] for number, each in there(pair).items()}
    assert states == {"INV-1": "PAID", blank(pair): "VOIDED"}
    assert [each.status for each in notes(pair).values()] == ["VOIDED"]
    writes = pair.ledger.writes
    pair.carry(Invoice, CreditNote, since=LAST)
    assert pair.ledger.writes == writes
    (row,) = pair.engine.issues(code=Code.REFUSED)
    assert row.issue.numbers == ("INV-1",)
    pair.ledger.delete_payment(pair.ledger.payments()[0]["PaymentID"])
    assert pair.engine.retry(row).ok
    assert there(pair)["INV-1"]["Status"] == "VOIDED"


@pytest.mark.parametrize("updates", ["void_only", "update"])
def test_an_edit_goes_by_the_policy(pair: Pair, updates: str) -> None:
    """B91, B135: Autotask lets the number of an invoice be changed, and nothing else."""
    pair.join(directions=POSTING, updates=updates)
    pair.quietly()
    before = blank(pair)
    pair.billing.edit_invoice(int(before), invoiceNumber="INV-9")
    pair.quietly(since=LAST)
    wanted = "INV-9" if updates == "update" else before
    assert sorted(there(pair)) == sorted(["INV-1", wanted])
    writes = pair.ledger.writes
    pair.quietly(since=LAST)
    assert pair.ledger.writes == writes


def test_a_closed_period_is_seen_before_anything_is_sent(pair: Pair) -> None:
    """LOCKED_PERIOD: nothing is re-dated unasked, and the others go through."""
    (acme,) = (e["id"] for e in pair.billing.customers() if e["companyNumber"] == "C1")
    pair.billing.add_invoice("INV-0", acme, "5.00", on=date(2026, 1, 31))
    pair.ledger.set_lock_dates(date(2026, 1, 31))
    assert said(pair.carry(Customer, Invoice)) == [Code.LOCKED_PERIOD]
    assert sorted(there(pair)) == sorted(["INV-1", blank(pair)])


def test_a_lost_answer_makes_no_second_invoice(pair: Pair) -> None:
    """B120: what landed is found by its number, and tied."""
    pair.quietly(Customer)
    lose(pair.ledger, "PUT", "/Invoices")
    assert set(said(pair.carry(Invoice))) == {Code.OUTCOME_UNKNOWN}
    assert len(there(pair)) == 2
    pair.quietly()
    pair.quietly(since=LAST)
    assert len(there(pair)) == 2
