"""Xero: its fake, its connector, and what a bookkeeper does in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from benches.canary import CANARY
from tieout.connectors.xero import Xero
from tieout.models import Customer, Invoice, RecordType, Settlement
from tieout.testing.conformance import Bench, SetClock
from tieout.testing.fakes.xero import FakeXero

TENANT = "6ad21e9c-8a35-4c57-9f0e-1f4b5a2c7d10"
OTHER_TENANT = "7be32fad-9b46-4d68-8a1f-2a5c6b3d8e21"


class XeroBench(Bench):
    """One Xero organisation."""

    secrets = (CANARY,)
    zero_decimal = "JPY"
    fields: Mapping[RecordType, Mapping[str, str]] = {
        kind: {
            "number": "InvoiceNumber",
            "status": "Status",
            "total": "Total",
            "customer": "Contact",
            "on": "Date",
        }
        for kind in (Invoice, Settlement)
    }

    def __init__(
        self, tenant: str = TENANT, clock: SetClock | None = None, **fake: Any
    ) -> None:
        self.clock = clock or SetClock()
        self.tenant = tenant
        self.xero = FakeXero(
            now=self.clock.now,
            tenant=tenant,
            client_secret=CANARY,
            refresh_token=CANARY,
            calls_per_minute=None,
            calls_per_day=None,
            **fake,
        )
        self.transport = self.xero

    def connector(self, **overrides: Any) -> Xero:
        keys = dict(client_id="client", client_secret=CANARY, refresh_token=CANARY)
        return Xero(**{"tenant_id": self.tenant, **keys, **overrides})

    # What a bookkeeper does

    def customer(self, name: str, number: str = "") -> str:
        contact = self.xero.add_contact(name)
        self.xero.edit_contact(contact, {"AccountNumber": number})
        return contact

    def invoice(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self.xero.add_invoice(number, customer, total, on=on, currency=currency)

    def draft(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self.xero.add_invoice(
            number, customer, total, on=on, currency=currency, status="DRAFT"
        )

    def credit_note(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self.xero.add_credit_note(
            number, customer, total, on=on, currency=currency
        )

    def pay(self, invoice: str, amount: Decimal, on: date) -> str:
        return self.xero.pay(invoice, amount, on)

    def take_back(self, payment: str) -> None:
        self.xero.delete_payment(payment)

    def apply_credit(self, credit: str, invoice: str, amount: Decimal, on: date) -> str:
        return f"{credit}/{self.xero.allocate(credit, invoice, amount, on)}"

    def unapply_credit(self, application: str) -> None:
        self.xero.remove_allocation(application.partition("/")[2])

    def edit(self, kind: RecordType, identity: str) -> None:
        if kind is Customer:
            self.xero.edit_contact(identity, {"EmailAddress": "new@example.com"})
        else:
            self.xero.edit_invoice(identity, Reference="edited")

    def void(self, kind: RecordType, identity: str) -> None:
        self.xero.void_invoice(identity)

    # What goes wrong

    def expire(self) -> None:
        self.xero.expire_tokens()

    def revoke(self) -> None:
        self.xero.revoke()

    def neighbour(self) -> XeroBench:
        return XeroBench(OTHER_TENANT, self.clock)

    @property
    def writes(self) -> int:
        return self.xero.writes
