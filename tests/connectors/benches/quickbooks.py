"""QuickBooks Online: its fake, its connector, and what a bookkeeper does in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from attrs import evolve

from benches.canary import CANARY
from tieout.connectors.quickbooks import QuickBooks
from tieout.errors import Code
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    Record,
    RecordType,
    Settlement,
)
from tieout.testing.conformance import Bench, NotStaged, Sample, SetClock
from tieout.testing.fakes.quickbooks import FakeQuickBooks
from tieout.testing.fakes.quickbooks_books import Ways
from tieout.wire import Answer, Response

REALM, OTHER_REALM = "4620816365179422850", "4620816365179422999"

SEARCHED = {"Customer.PrintOnCheckName": True}
WAYS = Ways(filterable=SEARCHED, warns_duplicates=False)
UNIQUE = Ways(filterable=SEARCHED)
"""A customer's mark is searched for; numbers may repeat, or are refused when taken."""

_MEMOS = "a credit memo is deleted, and then not there any more"
_DOCUMENT = {
    "number": "DocNumber",
    "total": "TotalAmt",
    "balance": "Balance",
    "customer": "CustomerRef",
    "on": "TxnDate",
}


class QuickBooksBench(Bench):
    """One QuickBooks Online company."""

    secrets = (CANARY,)
    zero_decimal = "JPY"
    number_length = 21
    excuses: Mapping[str, str] = {
        "what stands there is what is read [Customer]": "QuickBooks has no customer numbers",
        "a void document says so [CreditNote]": _MEMOS,
        "voiding is a change [CreditNote]": _MEMOS,
    }
    fields: Mapping[RecordType, Mapping[str, str]] = {
        Invoice: _DOCUMENT,
        Settlement: _DOCUMENT,
        CreditNote: {**_DOCUMENT, "balance": "RemainingCredit"},
    }

    def __init__(
        self,
        realm: str = REALM,
        clock: SetClock | None = None,
        ways: Ways = WAYS,
        **fake: Any,
    ) -> None:
        self.clock = clock or SetClock()
        self.realm = realm
        self.quickbooks = FakeQuickBooks(
            now=self.clock.now,
            realm=realm,
            client_secret=CANARY,
            refresh_token=CANARY,
            ways=ways,
            **fake,
        )
        self.transport = self.quickbooks

    def connector(self, **overrides: Any) -> QuickBooks:
        keys = dict(client_id="client", client_secret=CANARY, refresh_token=CANARY)
        ours = dict(realm_id=self.realm, item="1", delete_credit_memos=True)
        return QuickBooks(**{**keys, **ours, **overrides})

    # What a bookkeeper does

    def customer(self, name: str, number: str = "") -> str:
        """There are no customer numbers: what they are found by is their name."""
        return self.quickbooks.add_customer(number or name)

    def invoice(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        owner = self._billed_in(customer, currency)
        return self.quickbooks.add_invoice(
            number, owner, total, on=on, currency=currency
        )

    def credit_note(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        owner = self._billed_in(customer, currency)
        return self.quickbooks.add_credit_note(
            number, owner, total, on=on, currency=currency
        )

    def _billed_in(self, customer: str, currency: str) -> str:
        """A customer has one currency: for another one it is another customer."""
        if currency == self.currency:
            return customer
        name = f"A customer in {currency}"
        for each in self.quickbooks.customers():
            if each["DisplayName"] == name:
                return str(each["Id"])
        return self.quickbooks.add_customer(name, currency=currency)

    def wanted(self, kind: RecordType, record: Record) -> Record:
        """A new customer gets the company's currency in any case."""
        if isinstance(record, Customer):
            return evolve(record, currency=self.currency)
        return record

    def pay(self, invoice: str, amount: Decimal, on: date) -> str:
        return self.quickbooks.pay(invoice, amount, on)

    def take_back(self, payment: str) -> None:
        self.quickbooks.delete_payment(payment)

    def apply_credit(self, credit: str, invoice: str, amount: Decimal, on: date) -> str:
        payment = self.quickbooks.allocate(credit, invoice, amount, on)
        return f"{payment}/{invoice}/{credit}"

    def unapply_credit(self, application: str) -> None:
        self.quickbooks.delete_payment(application.partition("/")[0])

    def edit(self, kind: RecordType, identity: str) -> None:
        if kind is Customer:
            address = {"Address": "new@example.com"}
            self.quickbooks.edit_customer(identity, PrimaryEmailAddr=address)
        elif kind in (Payment, Application):
            payment = identity.partition("/")[0]
            self.quickbooks.edit_payment(payment, PrivateNote="edited")
        elif kind is CreditNote:
            self.quickbooks.edit_credit_note(identity, PrivateNote="edited")
        else:
            self.quickbooks.edit_invoice(identity, PrivateNote="edited")

    def void(self, kind: RecordType, identity: str) -> None:
        if kind in (Payment, Application):
            self.quickbooks.void_payment(identity.partition("/")[0])
        elif kind is CreditNote:
            self.quickbooks.delete_credit_note(identity)
        elif kind is Customer:
            self.quickbooks.edit_customer(identity, Active=False)
        else:
            self.quickbooks.void_invoice(identity)

    def delete(self, kind: RecordType, identity: str) -> None:
        if kind in (Payment, Application):
            self.quickbooks.delete_payment(identity.partition("/")[0])
        elif kind is CreditNote:
            self.quickbooks.delete_credit_note(identity)
        elif kind in (Invoice, Settlement):
            self.quickbooks.delete_invoice(identity)
        else:
            raise NotStaged("a customer is not deleted, but made inactive")

    # What goes wrong

    def expire(self) -> None:
        self.quickbooks.expire()

    def revoke(self) -> None:
        self.quickbooks.revoke()

    def deny(self) -> str:
        self.quickbooks.deny("Invoice")
        return "Invoice"

    def neighbour(self) -> QuickBooksBench:
        return QuickBooksBench(OTHER_REALM, self.clock)

    def samples(self) -> Iterable[Sample]:
        return _samples()

    @property
    def writes(self) -> int:
        return self.quickbooks.writes


class QuickBooksUniqueBench(QuickBooksBench):
    """One QuickBooks Online company that refuses a number that is taken."""

    def __init__(self, realm: str = REALM, clock: SetClock | None = None) -> None:
        super().__init__(realm, clock, UNIQUE)

    def connector(self, **overrides: Any) -> QuickBooks:
        return super().connector(**{"unique_numbers": True, **overrides})

    def neighbour(self) -> QuickBooksBench:
        return QuickBooksUniqueBench(OTHER_REALM, self.clock)


# The vendor's faults ----------------------------------------------------------------


def business(
    code: str, message: str, detail: str, status: int = 400, element: str = ""
) -> Response:
    """A fault of the business dialect."""
    error = {"Message": message, "Detail": detail, "code": code, "element": element}
    fault = {"Error": [error], "type": "ValidationFault"}
    body = {"Fault": fault, "time": "2026-03-20T05:00:00.791-07:00"}
    return Response(status, {"Content-Type": "application/json"}, json.dumps(body))


def gateway(code: str, name: str, status: int, kind: str) -> Response:
    """A fault of the gateway's dialect."""
    message = f"message={name}; errorCode={code:0>6}; statusCode={status}"
    error = {"message": message, "detail": name, "code": code, "element": None}
    body: dict[str, Any] = {
        "warnings": None,
        "fault": {"error": [error], "type": kind},
        "queryResponse": None,
        "batchItemResponse": [],
        "time": 1741761950669,
    }
    return Response(status, {"Content-Type": "application/json"}, json.dumps(body))


_INACTIVE = "Object Not Found : Something you're trying to use has been made inactive."
_REFUSED = (
    # code, message, detail, what it becomes
    ("6140", "Duplicate Document Number Error", "Duplicate Document Number Error : You must specify a different number.", Code.DUPLICATE_NUMBER),
    ("6140", "Error", "You must specify a different number.", Code.DUPLICATE_NUMBER),
    ("6240", "Duplicate Name Exists Error", "The name supplied already exists. : null", Code.DUPLICATE_NUMBER),
    ("6240", "Error", "The name supplied already exists. : null", Code.DUPLICATE_NUMBER),
    ("6210", "Account Period Closed", "The account period has closed and the account books cannot be updated.", Code.LOCKED_PERIOD),
    ("6210", "Error", "Your books are locked.", Code.LOCKED_PERIOD),
    ("5010", "Stale Object Error", "Stale Object Error : You and Ada were working on this at the same time.", Code.STALE_VERSION),
    ("610", "Object Not Found", _INACTIVE, Code.REFUSED),
    ("610", "Object Not Found", "Object Not Found : Another user has deleted this transaction.", Code.NO_SUCH_RESOURCE),
    ("2500", "Invalid Reference Id", "Invalid Reference Id : Names element id 75 not found", Code.REFUSED),
    ("620", "Transaction cannot be linked", "TxnID cannot be linked", Code.REFUSED),
    ("6540", "Deposited Transaction cannot be changed", "If you want to change it, take it out of the deposit.", Code.REFUSED),
    ("6250", "Invalid Customer", "The customer is not valid", Code.REFUSED),
    ("6560", "Missing Customer", "The customer is missing", Code.REFUSED),
    ("6000", "A business validation error has occurred", "Business Validation Error: the amount", Code.REFUSED),
    ("2020", "Required parameter missing", "Required parameter Line is missing in the request", Code.REFUSED),
    ("2050", "String length exceeds", "Max length 21", Code.REFUSED),
    ("2080", "Invalid number", "Amount is invalid", Code.REFUSED),
    ("2170", "Invalid Enumeration", "TxnType is invalid", Code.REFUSED),
    ("2210", "Invalid email", "Email address is invalid", Code.REFUSED),
    ("4000", "Error parsing query", "QueryParserError: Encountered", Code.UNKNOWN_ERROR),
    ("4001", "Invalid query", "QueryValidationError: property is not queryable", Code.UNKNOWN_ERROR),
    ("120", "AuthorizationFailure", "You do not have access to this service", Code.PERMISSION_MISSING),
    ("6190", "Invalid Company Status", "Your QuickBooks plan has ended", Code.PERMISSION_MISSING),
)  # fmt: skip


def _samples() -> Iterable[Sample]:
    for code, message, detail, becomes in _REFUSED:
        yield Sample(f"{code} {message}", business(code, message, detail), becomes)
    # fmt: off
    yield Sample("3200", gateway("3200", "AuthenticationFailed", 401, "AUTHENTICATION"), Code.RECONNECT_NEEDED, Answer.SIGN_IN)
    yield Sample("3200, another status", gateway("3200", "AuthenticationFailed", 400, "AUTHENTICATION"), Code.RECONNECT_NEEDED, Answer.SIGN_IN)
    yield Sample("3100", gateway("3100", "ApplicationAuthorizationFailed", 403, "AuthorizationFault"), Code.SIGN_IN_REFUSED)
    yield Sample("3001, older status", gateway("3001", "ThrottleExceeded", 403, "SERVICE"), Code.TOO_MANY_REQUESTS, Answer.WAIT)
    yield Sample("3001", gateway("3001", "ThrottleExceeded", 429, "SERVICE"), Code.TOO_MANY_REQUESTS, Answer.WAIT)
    yield Sample("10000", business("10000", "An application error has occurred", "System Failure Error", 200), Code.SERVER_ERROR, Answer.UNCLEAR)
    yield Sample("a fault of 200", business("4001", "Invalid query", "QueryValidationError", 200), Code.UNKNOWN_ERROR)
    yield Sample("an unknown fault of 200", business("9999", "New", "nobody knows", 200), Code.UNKNOWN_ERROR)
    # fmt: on
