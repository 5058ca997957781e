"""Invoiced: its fake, its connector, and what people do in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from benches.canary import CANARY
from tieout.auth import basic
from tieout.connectors.invoiced import Invoiced
from tieout.errors import Code
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    RecordType,
    Settlement,
)
from tieout.testing.conformance import Bench, NotStaged, Sample, SetClock
from tieout.testing.fakes.invoiced import FakeInvoiced
from tieout.wire import Request, Response

BASE = "https://api.invoiced.com"
_DOCUMENT = {
    "number": "number",
    "status": "status",
    "total": "total",
    "balance": "balance",
    "customer": "customer",
    "on": "date",
}


class InvoicedBench(Bench):
    """One business at Invoiced."""

    secrets = (CANARY,)
    zero_decimal = "JPY"
    excuses: Mapping[str, str] = {
        "one number, two documents": "a person cannot give a number twice either"
    }
    fields: Mapping[RecordType, Mapping[str, str]] = dict.fromkeys(
        (Invoice, Settlement, CreditNote), _DOCUMENT
    )

    def __init__(
        self, company: str = "acme", clock: SetClock | None = None, **fake: Any
    ) -> None:
        self.clock = clock or SetClock()
        self.company = company
        self.invoiced = FakeInvoiced(now=self.clock.now, api_key=CANARY, **fake)
        self.transport = self.invoiced

    def connector(self, **overrides: Any) -> Invoiced:
        given = {"company": self.company, "api_key": CANARY, "limits": ()}
        return Invoiced(**{**given, **overrides})

    # What people do

    def customer(self, name: str, number: str = "") -> str:
        return str(self.invoiced.add_customer(name, number))

    def invoice(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        if any(each["number"] == number for each in self.invoiced.invoices()):
            raise NotStaged("two documents of one number")
        made = self.invoiced.add_invoice(
            number, int(customer), total, on=on, currency=currency
        )
        return str(made)

    def draft(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        made = self.invoiced.add_invoice(
            number, int(customer), total, on=on, currency=currency, status="draft"
        )
        return str(made)

    def credit_note(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        if any(each["number"] == number for each in self.invoiced.credit_notes()):
            raise NotStaged("two documents of one number")
        made = self.invoiced.add_credit_note(
            number, int(customer), total, on=on, currency=currency
        )
        return str(made)

    def pay(self, invoice: str, amount: Decimal, on: date) -> str:
        balance = self.invoiced.invoice(int(invoice))["balance"]
        if amount > balance:
            raise NotStaged("no more is applied to an invoice than is owed")
        return str(self.invoiced.pay(int(invoice), amount, on))

    def take_back(self, payment: str) -> None:
        self.invoiced.void_payment(int(payment))

    def apply_credit(self, credit: str, invoice: str, amount: Decimal, on: date) -> str:
        payment = self.invoiced.allocate(int(credit), int(invoice), amount, on)
        return f"{payment}:{credit}-{invoice}"

    def unapply_credit(self, application: str) -> None:
        self.invoiced.void_payment(_payment(application))

    def edit(self, kind: RecordType, identity: str) -> None:
        if kind is Customer:
            self.invoiced.edit_customer(int(identity), phone="new")
        elif kind in (Payment, Application):
            self.invoiced.edit_payment(_payment(identity), notes="new")
        elif kind in (Invoice, Settlement):
            self.invoiced.edit_invoice(int(identity), notes="new")
        else:
            head = {"Authorization": basic(CANARY, "")}
            url = f"{BASE}/credit_notes/{identity}"
            sent = Request("PATCH", url, headers=head, json={"notes": "new"})
            self.invoiced.send(sent, 10)

    def void(self, kind: RecordType, identity: str) -> None:
        if kind in (Payment, Application):
            self.invoiced.void_payment(_payment(identity))
        elif kind is CreditNote:
            self.invoiced.void_credit_note(int(identity))
        else:
            self.invoiced.void_invoice(int(identity))

    def delete(self, kind: RecordType, identity: str) -> None:
        if kind not in (Invoice, Settlement):
            raise NotStaged(f"that a {kind.__name__} is deleted")
        self.invoiced.delete_invoice(int(identity))

    # What goes wrong

    def revoke(self) -> None:
        self.invoiced.revoke()

    def deny(self) -> str:
        self.invoiced.deny("invoices.read")
        return "invoices"

    def neighbour(self) -> InvoicedBench:
        return InvoicedBench("other", self.clock)

    def samples(self) -> Iterable[Sample]:
        taken = (
            b'{"type":"invalid_request","message":"An invoice with this number '
            b'already exists","param":"number"}'
        )
        yield Sample(
            "a number that is taken",
            Response(400, (("Content-Type", "application/json"),), taken),
            Code.DUPLICATE_NUMBER,
        )

    @property
    def writes(self) -> int:
        return self.invoiced.writes


def _payment(identity: str) -> int:
    """The payment that a record is, or stands in."""
    return int(identity.partition(":")[0])
