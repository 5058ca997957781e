"""Invoices and credit memos posted from ConnectWise to QuickBooks, and what is paid back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pairs import DAY, LAST, Pair, connectwise_quickbooks, lose

from tieout.errors import Code
from tieout.models import CreditNote, Customer, Invoice, Payment, Settlement
from tieout.settings import Direction

D = Decimal
PAID = date(2026, 3, 9)
OUT = Direction.TO_LEDGER
POSTING = {Customer: OUT, Invoice: OUT, CreditNote: OUT}


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two companies with an invoice each, one of them still open, and a credit memo."""
    found = connectwise_quickbooks(directions=POSTING)
    acme = found.billing.add_company("Acme", account_number="C1")
    bolt = found.billing.add_company("Bolt")
    more = {"sales_tax": "10.00", "due": date(2026, 3, 31)}
    found.billing.add_invoice("INV-1", acme, "110.00", on=DAY, **more)
    found.billing.add_invoice("INV-2", bolt, "33.33", on=DAY)
    found.billing.add_invoice("INV-3", bolt, "5.00", on=DAY, closed=False)
    found.billing.add_invoice("CN-1", acme, "20.00", on=DAY, type="CreditMemo")
    yield found
    found.close()


def here(pair: Pair, number: str) -> dict[str, Any]:
    """The invoice or credit memo of a number in ConnectWise."""
    every = pair.billing.invoices()
    (found,) = (each for each in every if each["invoiceNumber"] == number)
    return dict(found)


def there(pair: Pair) -> dict[str, dict[str, Any]]:
    """The invoices and credit memos in QuickBooks by number."""
    found = [*pair.ledger.invoices(), *pair.ledger.credit_notes()]
    return {each["DocNumber"]: each for each in found}


def said(reports: list[Any]) -> list[Code]:
    """The codes of all that there is to say."""
    return [issue.code for report in reports for issue in report.issues]


def test_documents_are_posted_with_customers_first_and_totals_agree(pair: Pair) -> None:
    """B48, B50, B90, B152: to the minor unit, tax apart; what is open still waits."""
    pair.quietly()
    posted = there(pair)
    assert sorted(posted) == ["CN-1", "INV-1", "INV-2"]
    for number, each in posted.items():
        ours = here(pair, number)
        assert each["TotalAmt"] == ours["total"]
        assert each["TxnTaxDetail"]["TotalTax"] == ours["salesTax"]
        assert each["CustomerRef"]["name"] == ours["company"]["name"]
        assert each["TxnDate"] == "2026-03-01"
    assert posted["INV-1"]["DueDate"] == "2026-03-31"
    pair.billing.edit_invoice(here(pair, "INV-3")["id"], closed=True)
    pair.quietly(since=LAST)
    pair.quietly()
    assert sorted(there(pair)) == ["CN-1", "INV-1", "INV-2", "INV-3"]


def test_a_second_time_writes_nothing(pair: Pair) -> None:
    """B21, B23: a quiet run reads the lists of what changed, and nothing else."""
    pair.quietly()
    connectwise, quickbooks = (side.capabilities for side in pair.sides)
    kinds = (Customer, Invoice, CreditNote)
    for since in (LAST, DAY):
        with pair.costs() as cost:
            pair.quietly(*kinds, since=since)
        billing, ledger = cost
        assert billing.calls == sum(connectwise.read_calls(kind, 3) for kind in kinds)
        assert ledger.calls == billing.writes == ledger.writes == 0
    with pair.costs() as cost:
        pair.quietly(Payment, since=LAST)
    billing, ledger = cost
    assert (billing.calls, billing.writes, ledger.writes) == (0, 0, 0)
    assert ledger.calls <= quickbooks.read_calls(Settlement, 3)


def test_what_many_documents_cost(pair: Pair) -> None:
    """A look for their numbers, one for their marks, and the writes in batches."""
    pair.quietly(Customer)
    acme = here(pair, "INV-1")["company"]["id"]
    for at in range(70):
        pair.billing.add_invoice(f"INV-1{at:03}", acme, "10.00", on=DAY)
    with pair.costs() as cost:
        pair.quietly(Invoice)
    billing, ledger = cost
    connectwise, quickbooks = (side.capabilities for side in pair.sides)
    assert billing.calls == connectwise.read_calls(Invoice, 73)
    assert ledger.writes == quickbooks.write_calls(Invoice, 72) == 3
    looks = 2 * quickbooks.fetch_calls(Invoice, 72)
    assert ledger.calls == ledger.writes + looks


def test_what_is_paid_comes_back_and_goes_back(pair: Pair) -> None:
    """B17, B24, B35: a part without a date, all of it with one, and less when taken back."""
    pair.quietly()
    paper, bill = there(pair)["INV-1"]["Id"], here(pair, "INV-1")["id"]
    pair.ledger.pay(paper, "60.00", date(2026, 3, 8))
    pair.quietly(Payment, since=LAST)
    assert pair.billing.paid(bill) == (60, None)
    rest = pair.ledger.pay(paper, "50.00", PAID)
    pair.quietly(Payment, since=LAST)
    assert pair.billing.paid(bill) == (110, PAID)
    pair.ledger.void_payment(rest)
    pair.quietly(Payment, since=LAST)
    assert pair.billing.paid(bill) == (60, None)
    writes = pair.billing.writes, pair.ledger.writes
    pair.quietly(since=LAST)
    pair.quietly()
    assert (pair.billing.writes, pair.ledger.writes) == writes


def test_a_credit_that_both_sides_applied_counts_once(pair: Pair) -> None:
    """B36: what billing shows as credit itself is not shown as paid too."""
    pair.quietly()
    bill, memo = here(pair, "INV-1")["id"], here(pair, "CN-1")["id"]
    posted = there(pair)
    pair.billing.add_credit(bill, memo, "20.00", PAID)
    pair.ledger.allocate(posted["CN-1"]["Id"], posted["INV-1"]["Id"], "20.00", PAID)
    pair.ledger.pay(posted["INV-1"]["Id"], "90.00", PAID)
    pair.quietly(since=LAST)
    assert pair.billing.paid(bill) == (90, PAID)
    assert here(pair, "INV-1")["balance"] == 0
    assert there(pair)["INV-1"]["Balance"] == 0


@pytest.mark.parametrize("updates", ["void_only", "update"])
def test_an_edit_goes_by_the_policy(pair: Pair, updates: str) -> None:
    """B91, B135: the document there is changed, or the difference is said; never a second."""
    pair.join(directions=POSTING, updates=updates)
    pair.quietly()
    bill = here(pair, "INV-2")["id"]
    pair.billing.edit_invoice(bill, total="40.00")
    carried = updates == "update"
    codes = said(pair.carry(Invoice, CreditNote, since=LAST))
    assert codes == ([] if carried else [Code.EDIT_NOT_CARRIED])
    assert there(pair)["INV-2"]["TotalAmt"] == (D(40) if carried else D("33.33"))
    writes = pair.ledger.writes
    pair.carry(Invoice, CreditNote, since=LAST)
    pair.carry(Invoice, CreditNote)
    assert pair.ledger.writes == writes
    assert sorted(there(pair)) == ["CN-1", "INV-1", "INV-2"]


def test_a_name_that_is_taken_holds_up_its_own_documents_alone(pair: Pair) -> None:
    """B106, B152: QuickBooks lets customers and vendors share no name."""
    pair.ledger.add_vendor("Acme")
    reports = pair.carry(Customer, Invoice, CreditNote)
    assert set(said(reports)) == {Code.DUPLICATE_NUMBER, Code.WAITS}
    assert sorted(there(pair)) == ["INV-2"]
    numbers = {n for row in pair.engine.issues() for n in row.issue.numbers}
    assert numbers == {"C1", "INV-1", "CN-1"}
    pair.ledger.books.other_names.clear()
    for row in pair.engine.issues(number="C1"):
        assert pair.engine.retry(row).ok
    pair.quietly()
    assert sorted(there(pair)) == ["CN-1", "INV-1", "INV-2"]
    assert list(pair.engine.issues()) == []


def test_one_number_for_two_documents_is_never_adopted(pair: Pair) -> None:
    """Of the same customer and total it is the same one; else a person has to look."""
    pair.quietly(Customer)
    ours = {e["DisplayName"]: e["Id"] for e in pair.ledger.customers()}
    pair.ledger.add_invoice("INV-1", ours["Acme"], "110.00", on=DAY)
    pair.ledger.add_invoice("INV-2", ours["Bolt"], "30.00", on=DAY)
    codes = said(pair.carry(Invoice))
    assert codes == [Code.NUMBER_MEANS_ANOTHER_DOCUMENT]
    assert len(pair.ledger.invoices()) == 2
    pair.ledger.pay(there(pair)["INV-1"]["Id"], "110.00", PAID)
    pair.carry(Payment)
    assert pair.billing.paid(here(pair, "INV-1")["id"]) == (110, PAID)


def test_a_lost_answer_makes_no_second_invoice(pair: Pair) -> None:
    """B120: what landed is found by its number, and tied."""
    pair.quietly(Customer)
    lose(pair.ledger, "POST", "/batch")
    assert set(said(pair.carry(Invoice))) == {Code.OUTCOME_UNKNOWN}
    assert len(there(pair)) == 2
    pair.quietly()
    pair.quietly(since=LAST)
    assert len(pair.ledger.invoices()) == 2
