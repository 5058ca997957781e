"""Autotask: its fake, its connector, and what people do in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from attrs import evolve

from benches.canary import CANARY
from tieout.connectors.autotask import Autotask
from tieout.errors import Code
from tieout.models import CreditNote, Customer, Invoice, Record, RecordType, Settlement
from tieout.testing.conformance import Bench, NotStaged, Sample, SetClock
from tieout.testing.fakes.autotask import FakeAutotask
from tieout.wire import Answer, Request, Response, Transport

PLACES = {
    "number": "invoiceNumber",
    "status": "isVoided",
    "total": "invoiceTotal",
    "customer": "companyID",
    "on": "invoiceDateTime",
}


class AutotaskBench(Bench):
    """One Autotask database, of one currency."""

    secrets = (CANARY,)
    fields: Mapping[RecordType, Mapping[str, str]] = dict.fromkeys(
        (Invoice, Settlement, CreditNote), PLACES
    )

    def __init__(self, clock: SetClock | None = None, **fake: Any) -> None:
        self.clock, self.company = clock or SetClock(), "acme"
        keys = {"secret": CANARY, "integration_code": CANARY}
        self.autotask = FakeAutotask(now=self.clock.now, **{**keys, **fake})
        self.transport: Transport = self.autotask

    def connector(self, **overrides: Any) -> Autotask:
        keys = {"secret": CANARY, "integration_code": CANARY, "user": "api@example.com"}
        known = {"company": self.company, "currency": self.currency}
        return Autotask(**{**known, **keys, **overrides})

    # What people do

    def customer(self, name: str, number: str = "") -> str:
        return str(self.autotask.add_customer(name, number))

    def invoice(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        owner = self._owner(customer, currency)
        return str(self.autotask.add_invoice(number, owner, total, on=on))

    def credit_note(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        owner = self._owner(customer, currency)
        made = self.autotask.add_credit_note(number, owner, total)
        self.autotask.edit_invoice(made, invoiceDateTime=_midnight(on))
        return str(made)

    def _owner(self, customer: str, currency: str) -> int:
        """In another currency a document is another customer's."""
        if currency == self.currency:
            return int(customer)
        return self.autotask.add_customer("Abroad", currency=currency)

    def pay(self, invoice: str, amount: Decimal, on: date) -> str:
        """All of it, or nothing: the one thing that there is is a day."""
        held = self.autotask.invoice(int(invoice))
        if held["invoiceTotal"] != amount:
            raise NotStaged("Autotask holds no part of an amount, and no excess")
        self.autotask.edit_invoice(int(invoice), paidDate=_midnight(on))
        return invoice

    def take_back(self, payment: str) -> None:
        self.autotask.edit_invoice(int(payment), paidDate=None)

    def post(self, invoice: str) -> str:
        stamp = f"{self.clock.now():%Y-%m-%dT%H:%M:%SZ}"
        self.autotask.edit_invoice(int(invoice), webServiceDate=stamp)
        return invoice

    def edit(self, kind: RecordType, identity: str) -> None:
        if kind is Customer:
            self.autotask.edit_customer(int(identity), phone="555")
        else:
            self.autotask.edit_invoice(int(identity), orderNumber="PO 2")

    def void(self, kind: RecordType, identity: str) -> None:
        if kind is Customer:
            self.autotask.edit_customer(int(identity), isActive=False)
        else:
            self.autotask.void_invoice(int(identity))

    def wanted(self, kind: RecordType, record: Record) -> Record:
        """A new company is in the currency of the database, whatever is wanted."""
        if isinstance(record, Customer):
            return evolve(record, currency=self.currency)
        return record

    # What goes wrong

    def expire(self) -> None:
        """The database moves to another zone."""
        self.autotask.expire()

    def revoke(self) -> None:
        self.autotask.revoke()

    def deny(self) -> str:
        self.autotask.deny("Invoices")
        return "Invoices"

    def neighbour(self) -> AutotaskBench:
        other = type(self)(self.clock)
        other.company, other.transport = "other", Elsewhere(other.autotask)
        return other

    def samples(self) -> Iterable[Sample]:
        for status, text, code, answer in SAMPLES:
            yield Sample(text, _said(text, status), code, answer)

    @property
    def writes(self) -> int:
        return self.autotask.writes


class AutotaskCurrenciesBench(AutotaskBench):
    """One Autotask database, in which each customer has its currency."""

    zero_decimal = "JPY"

    def __init__(self, clock: SetClock | None = None, **fake: Any) -> None:
        super().__init__(clock, **fake)
        self.autotask.add_currency("JPY")

    def connector(self, **overrides: Any) -> Autotask:
        several = {"multi_currency": True, "currency": ""}
        return super().connector(**{**several, **overrides})


class Elsewhere:
    """The wire to another database: the fake's id of itself is always the same."""

    def __init__(self, fake: FakeAutotask) -> None:
        self._fake = fake

    def send(self, request: Request, timeout: float) -> Response:
        answer = self._fake.send(request, timeout)
        return evolve(answer, body=re.sub(rb'"ci":\d+', b'"ci":1', answer.body))

    def close(self) -> None:
        self._fake.close()


def _midnight(day: date) -> str:
    return f"{day}T00:00:00Z"


def _said(text: str, status: int) -> Response:
    headers = {"Content-Type": "application/json"}
    return Response(status, headers, json.dumps({"errors": [text]}))


_REFUSED, _UNCLEAR = Answer.REFUSED, Answer.UNCLEAR
_MAY_NOT = "the logged in Resource does not have the adequate permissions"
_BROKEN = "An unexpected error has occurred. Please reference Error ID: 1166."
SAMPLES = (
    (429, "The request threshold was exceeded.", Code.DAY_LIMIT_REACHED, Answer.WAIT),
    (500, "You exceeded the request threshold.", Code.DAY_LIMIT_REACHED, Answer.WAIT),
    (500, f"Forbidden: {_MAY_NOT}.", Code.PERMISSION_MISSING, _REFUSED),
    (500, _BROKEN, Code.SERVER_ERROR, _UNCLEAR),
    (500, "Unable to find x in the Invoice Entity.", Code.UNKNOWN_ERROR, _REFUSED),
    (500, "This number already exists.", Code.DUPLICATE_NUMBER, _REFUSED),
    (500, "The field phone is required.", Code.REFUSED, _REFUSED),
    (500, "Words that nobody has seen.", Code.UNKNOWN_ERROR, _UNCLEAR),
    (200, "Good, and yet it was not.", Code.UNKNOWN_ERROR, _UNCLEAR),
)
"""The vendor lists no texts: the third, fourth and fifth were seen, the others are guesses."""
