"""The tie-out certificate over real connectors: what they tell is enough to compare it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from pairs import (
    DAY,
    LAST,
    LATER,
    Pair,
    autotask_xero,
    connectwise_quickbooks,
    invoiced_intacct,
)

from tieout.models import CreditNote, Customer, Invoice, Payment, Settlement
from tieout.proof.certificate import Certificate
from tieout.settings import Direction, Fees

PAID = date(2026, 3, 5)
OUT, BOTH = Direction.TO_LEDGER, Direction.BOTH
POSTING = {Customer: OUT, Invoice: OUT, CreditNote: OUT}
EVERY_WAY = {
    Settlement: Direction.OFF,
    **dict.fromkeys((Customer, Invoice, CreditNote, Payment), BOTH),
}
Make = Callable[..., Pair]


@pytest.fixture
def start() -> Iterator[Make]:
    """Starts the servers of a pair, which are stopped at the end."""
    started: list[Pair] = []

    def one(make: Make, **rules: Any) -> Pair:
        started.append(make(**rules))
        return started[-1]

    yield one
    for pair in started:
        pair.close()


def verified(pair: Pair) -> Certificate:
    """Both sides compared, some hours later; nothing is written to either."""
    pair.clock.advance(LATER)
    before = pair.billing.writes, pair.ledger.writes
    certificate = pair.engine.verify()
    assert (pair.billing.writes, pair.ledger.writes) == before
    return certificate


def told(certificate: Certificate) -> list[str]:
    """The differences: kind, what it is about, number, field."""
    return [
        f"{each.kind.name} {each.about.__name__} {each.number} {each.field}".strip()
        for each in certificate.differences
    ]


def there(pair: Pair, number: str) -> dict[str, Any]:
    """The ledger's invoice of a number."""
    named = ("InvoiceNumber", "DocNumber", "RECORDID")
    every = pair.ledger.invoices()
    (found,) = (e for e in every if number in [e.get(name) for name in named])
    return dict(found)


def test_connectwise_and_quickbooks(start: Make) -> None:
    """B90: an invoice whose status is not a closed one is open, and yet not for the ledger."""
    pair = start(connectwise_quickbooks, directions=POSTING)
    acme = pair.billing.add_company("Acme", account_number="C1")
    pair.billing.add_invoice("INV-1", acme, "110.00", on=DAY, sales_tax="10.00")
    pair.billing.add_invoice("INV-2", acme, "5.00", on=DAY, closed=False)
    pair.billing.add_invoice("CN-1", acme, "20.00", on=DAY, type="CreditMemo")
    pair.quietly()
    draft = "POLICY Settlement INV-2"
    certificate = verified(pair)
    assert told(certificate) == [draft]
    assert certificate.ok
    posted, memo = there(pair, "INV-1")["Id"], pair.ledger.credit_notes()[0]["Id"]
    pair.ledger.pay(posted, "60.00", PAID)
    pair.ledger.allocate(memo, posted, "20.00", PAID)
    found, credit = (f"{kind} Settlement INV-1 paid" for kind in ("AMOUNT", "POLICY"))
    assert told(verified(pair)) == [found, credit, draft]
    pair.carry(Payment, since=LAST)
    assert verified(pair).ok


def test_autotask_and_xero(start: Make) -> None:
    """B35: a part that billing has no place for is policy; what is paid wholly agrees."""
    pair = start(autotask_xero, directions=POSTING)
    acme = pair.billing.add_customer("Acme", "C1")
    pair.billing.add_invoice("INV-1", acme, "110.00", tax="10.00", on=DAY)
    pair.billing.add_credit_note("CN-1", acme, "21.99", tax="2.00", on=DAY)
    pair.quietly()
    assert told(verified(pair)) == []
    posted = there(pair, "INV-1")["InvoiceID"]
    pair.ledger.pay(posted, "60.00", PAID)
    certificate = verified(pair)
    assert told(certificate) == ["POLICY Settlement INV-1 paid"]
    assert certificate.ok
    pair.ledger.pay(posted, "50.00", PAID)
    assert not verified(pair).ok
    pair.quietly(Payment, since=LAST)
    assert told(verified(pair)) == []


@pytest.mark.parametrize(
    ("fees", "differs"),
    [(Fees(account="4900"), ["POLICY Invoice"]), (Fees("overpayment"), [])],
)
def test_invoiced_and_intacct(start: Make, fees: Fees, differs: list[str]) -> None:
    """
    B64, B67: documents both ways; a fee is an invoice of the ledger's, or on account.

    Invoiced counts its payments and its invoices apart: the two have one id here.
    """
    pair = start(
        invoiced_intacct,
        directions=EVERY_WAY,
        fees=fees,
        ledger={"location": "100"},
    )
    acme = pair.billing.add_customer("Acme", "C1", email="acme@x.example")
    bill = pair.billing.add_invoice("INV-1", acme, "100.00", on=DAY)
    pair.billing.add_credit_note("CN-1", acme, "30.00", on=DAY)
    pair.quietly()
    paid = pair.billing.pay(bill, "60.00", PAID, "card 1", fee="1.80")
    assert paid == bill
    pair.quietly(since=LAST)
    certificate = verified(pair)
    assert [each.rsplit(" ", 1)[0] for each in told(certificate)] == differs
    assert certificate.ok
    pair.ledger.pay(there(pair, "INV-1")["RECORDNO"], "25.00", PAID, "wire 1")
    (lacks,) = (d for d in verified(pair).differences if not d.kind.explained)
    assert (lacks.kind.name, lacks.in_ledger) == ("MISSING_IN_BILLING", "25.00 USD")
    pair.quietly(since=LAST)
    assert verified(pair).ok
