"""ConnectWise Manage: its fake, its connector, and what people do in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from benches.canary import CANARY
from tieout.connectors.connectwise import ConnectWise
from tieout.models import Customer, Invoice, RecordType, Settlement
from tieout.testing.conformance import Bench, SetClock
from tieout.testing.fakes.connectwise import FakeConnectWise

CLIENT = "00000000-0000-4000-8000-000000000001"


class ConnectWiseBench(Bench):
    """One company in ConnectWise Manage."""

    secrets = (CANARY,)
    zero_decimal = "JPY"
    fields: Mapping[RecordType, Mapping[str, str]] = {
        Invoice: {
            "number": "invoiceNumber",
            "status": "status.isClosed",
            "total": "total",
            "balance": "balance",
            "customer": "company",
            "on": "date",
        },
        Settlement: {
            "number": "invoiceNumber",
            "status": "type",
            "total": "total",
            "balance": "balance",
            "customer": "company",
            "on": "date",
        },
    }

    def __init__(
        self, company: str = "acme", clock: SetClock | None = None, **fake: Any
    ) -> None:
        self.clock = clock or SetClock()
        self.company = company
        self.connectwise = FakeConnectWise(
            now=self.clock.now, company=company, private_key=CANARY, **fake
        )
        self.transport = self.connectwise

    def connector(self, **overrides: Any) -> ConnectWise:
        keys = dict(public_key="public", private_key=CANARY, client_id=CLIENT)
        return ConnectWise(**{"company": self.company, **keys, **overrides})

    # What people do

    def customer(self, name: str, number: str = "") -> str:
        return str(self.connectwise.add_company(name, account_number=number))

    def invoice(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self._document(number, total, customer, on, currency)

    def draft(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self._document(number, total, customer, on, currency, closed=False)

    def credit_note(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self._document(number, total, customer, on, currency, type="CreditMemo")

    def _document(
        self,
        number: str,
        total: Decimal,
        customer: str,
        on: date,
        currency: str,
        **more: Any,
    ) -> str:
        decimals = 0 if currency == self.zero_decimal else 2
        made = self.connectwise.add_invoice(
            number,
            int(customer),
            total,
            on=on,
            currency=currency,
            decimals=decimals,
            **more,
        )
        return str(made)

    def pay(self, invoice: str, amount: Decimal, on: date) -> str:
        return str(self.connectwise.add_payment(int(invoice), amount, on))

    def take_back(self, payment: str) -> None:
        self.connectwise.delete_payment(int(payment))

    def apply_credit(self, credit: str, invoice: str, amount: Decimal, on: date) -> str:
        return str(self.connectwise.add_credit(int(invoice), int(credit), amount, on))

    def unapply_credit(self, application: str) -> None:
        self.connectwise.delete_payment(int(application))

    def edit(self, kind: RecordType, identity: str) -> None:
        if kind is Customer:
            self.connectwise.edit_company(int(identity), taxIdentifier="new")
        else:
            self.connectwise.edit_invoice(int(identity), due=date(2026, 6, 1))

    def delete(self, kind: RecordType, identity: str) -> None:
        self.connectwise.delete_invoice(int(identity))

    # What goes wrong

    def deny(self) -> str:
        self.connectwise.deny("finance")
        return "finance"

    def neighbour(self) -> ConnectWiseBench:
        return ConnectWiseBench("other", self.clock)

    @property
    def writes(self) -> int:
        return self.connectwise.writes
