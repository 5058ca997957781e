"""Xero: its fake, its connector, and what a bookkeeper does in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from benches.canary import CANARY
from tieout.connectors.xero import Xero
from tieout.errors import Code
from tieout.models import CreditNote, Customer, Invoice, RecordType, Settlement
from tieout.testing.conformance import Bench, Sample, SetClock
from tieout.testing.fakes.xero import FakeXero
from tieout.wire import Answer, Request, Response, Transport, write_json

TENANT = "6ad21e9c-8a35-4c57-9f0e-1f4b5a2c7d10"
OTHER_TENANT = "7be32fad-9b46-4d68-8a1f-2a5c6b3d8e21"

INVALID: Mapping[str, Code] = {
    "Invoice # must be unique.": Code.DUPLICATE_NUMBER,
    "Invoice not of valid status for modification": Code.REFUSED,
    "This document cannot be edited as it has a payment or credit note allocated to it.": Code.REFUSED,
    "Payment amount exceeds the amount outstanding on this document": Code.REFUSED,
    "Payments can only be made against Authorised documents": Code.REFUSED,
    "The document date cannot be before the period lock date": Code.LOCKED_PERIOD,
    "The document date cannot be before the end of year lock date": Code.LOCKED_PERIOD,
    "The contact with the specified contact details has been archived. The contact must be un-archived before creating new invoices or credit notes.": Code.REFUSED,
    "The contact name Acme is already assigned to another contact. The contact name must be unique across all active contacts.": Code.DUPLICATE_NUMBER,
    "Account code '200' has been archived, or deleted. Select a different account code.": Code.REFUSED,
    "Account code '999' is not a valid code for this document.": Code.REFUSED,
    "The TaxType code 'OUTPUT' cannot be used with account code '090'.": Code.REFUSED,
    "Organisation is not subscribed to currency EUR": Code.NOT_ALLOWED,
    "You have reached the limit of invoices you can approve.": Code.NOT_ALLOWED,
}
"""What Xero says of documents that it will not have, and what that is."""


def validation(message: str) -> Response:
    """The answer to one document that is not valid."""
    body = {
        "ErrorNumber": 10,
        "Type": "ValidationException",
        "Message": "A validation exception occurred",
        "Elements": [
            {"InvoiceNumber": "INV-1", "ValidationErrors": [{"Message": message}]}
        ],
    }
    return Response(400, JSON, write_json(body))


def element(message: str) -> Response:
    """The same, where each document is told of by itself."""
    row = {
        "InvoiceNumber": "INV-1",
        "StatusAttributeString": "ERROR",
        "HasErrors": True,
        "ValidationErrors": [{"Message": message}],
    }
    return Response(200, JSON, write_json({"Status": "OK", "Invoices": [row]}))


JSON = {"Content-Type": "application/json; charset=utf-8"}


def problem(status: int, detail: str) -> Response:
    """The answer of the gate before the API."""
    body = {"Title": "Unauthorized", "Status": status, "Detail": detail}
    return Response(status, JSON, write_json(body))


def limited(what: str, seconds: str) -> Response:
    """Too many calls of a minute, or of a day."""
    return Response(429, {"X-Rate-Limit-Problem": what, "Retry-After": seconds})


class Gate:
    """What stands before the API: an app without a scope gets no further."""

    def __init__(self, behind: Transport, path: str) -> None:
        self._behind, self._path = behind, path

    def send(self, request: Request, timeout: float) -> Response:
        if request.url.partition("?")[0].endswith(self._path):
            return problem(401, "AuthorizationUnsuccessful")
        return self._behind.send(request, timeout)

    def close(self) -> None:
        self._behind.close()


class XeroBench(Bench):
    """One Xero organisation."""

    secrets = (CANARY,)
    zero_decimal = "JPY"
    fields: Mapping[RecordType, Mapping[str, str]] = {
        kind: {
            "number": f"{name}Number",
            "status": "Status",
            "total": "Total",
            "balance": "AmountDue" if kind is Settlement else "RemainingCredit",
            "customer": "Contact",
            "on": "DateString",
        }
        for kind, name in {
            Invoice: "Invoice",
            Settlement: "Invoice",
            CreditNote: "CreditNote",
        }.items()
    }

    excuses = dict.fromkeys(
        (f"what vanished [{kind}]" for kind in ("Invoice", "CreditNote", "Customer")),
        "what Xero says of an unknown id among several documents is unverified",
    )

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
        self.transport: Transport = self.xero

    def connector(self, **overrides: Any) -> Xero:
        keys = dict(client_id="client", client_secret=CANARY, refresh_token=CANARY)
        accounts = dict(account="200", deposit_account="090")
        return Xero(**{"tenant_id": self.tenant, **keys, **accounts, **overrides})

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

    def deny(self) -> str:
        self.transport = Gate(self.transport, "/Organisation")
        return "accounting.settings.read"

    def neighbour(self) -> XeroBench:
        return XeroBench(OTHER_TENANT, self.clock)

    def samples(self) -> Iterable[Sample]:
        for message, code in INVALID.items():
            yield Sample(message, validation(message), code)
            yield Sample(f"{message}, of one of several", element(message), code)
        odd = "Something that nobody has seen yet"
        yield Sample(odd, validation(odd), Code.UNKNOWN_ERROR)
        yield Sample(f"{odd}, of one of several", element(odd), Code.REFUSED)
        wait, again = Answer.WAIT, Answer.SIGN_IN
        yield Sample(
            "a minute's limit", limited("minute", "12"), Code.TOO_MANY_REQUESTS, wait
        )
        yield Sample(
            "a day's limit", limited("day", "60000"), Code.DAY_LIMIT_REACHED, wait
        )
        expired = problem(401, "TokenExpired: token expired at 03/20/2026 12:00:00")
        yield Sample("an expired token", expired, Code.RECONNECT_NEEDED, again)
        scope = problem(401, "AuthorizationUnsuccessful")
        yield Sample("a missing scope", scope, Code.PERMISSION_MISSING)
        gone = problem(403, "AuthenticationUnsuccessful")
        yield Sample("disconnected", gone, Code.RECONNECT_NEEDED)
        xml = Response(404, {"Content-Type": "text/xml"}, b"<Error>Not found</Error>")
        yield Sample("an unknown id", xml, Code.NO_SUCH_RESOURCE)

    @property
    def writes(self) -> int:
        return self.xero.writes
