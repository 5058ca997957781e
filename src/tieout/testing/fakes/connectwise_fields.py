"""
What fields ConnectWise's records have, and what a body must be to become one.

It checks shapes and refuses as the server does. It holds no records and knows no rule
that spans two of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tieout.testing.fakes.connectwise_conditions import Kind, Record, instant

AMOUNT_EXPONENT_MAX = 15
"""Digits before the point; more is hostile, and slow to write out."""


class Refusal(Exception):
    """A request that is answered with this status and body."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


def refusal(status: int, code: str, message: str) -> Refusal:
    """A refusal without particulars; ``errors`` is null, as the server sends it."""
    return Refusal(status, {"code": code, "message": message, "errors": None})


def invalid(
    resource: str, field: str, message: str, code: str = "InvalidField"
) -> Refusal:
    """The server's refusal of a record, naming the field at fault."""
    error = {"code": code, "message": message, "resource": resource, "field": field}
    return Refusal(
        400,
        {
            "code": "InvalidObject",
            "message": f"{resource} object is invalid",
            "errors": [error],
        },
    )


def missing(resource: str, row: int) -> Refusal:
    return refusal(404, "NotFound", f"{resource} {row} not found")


@dataclass(frozen=True, slots=True)
class Field:
    """One field: ``owned`` ones are the server's, ``to`` names what a reference leads to."""

    kind: Kind
    length: int | None = None
    required: bool = False
    owned: bool = False
    amount: bool = False
    to: str = ""
    choices: frozenset[str] = frozenset()
    parts: Mapping[str, Kind] | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of record: what refusals call it, and its fields."""

    name: str
    fields: Mapping[str, Field]

    def kinds(self) -> dict[str, Kind]:
        """Every path that a query may name."""
        found: dict[str, Kind] = {}
        for name, field in self.fields.items():
            found[name] = field.kind
            for part, kind in (field.parts or {}).items():
                found[f"{name}/{part}"] = kind
        return found


_NAMED = {"id": Kind.NUMBER, "name": Kind.TEXT}
_IDENTIFIED = {**_NAMED, "identifier": Kind.TEXT}
_STATUS = {**_NAMED, "isClosed": Kind.BOOLEAN}
_CURRENCY = {**_IDENTIFIED, "currencyCode": Kind.TEXT, "numberOfDecimals": Kind.NUMBER}
_DOCUMENT = {"id": Kind.NUMBER, "identifier": Kind.TEXT}
_INFO = {
    "lastUpdated": Kind.INSTANT,
    "dateEntered": Kind.INSTANT,
    "updatedBy": Kind.TEXT,
}


def _text(length: int | None = None, *, required: bool = False) -> Field:
    return Field(Kind.TEXT, length, required=required)


def _reference(
    to: str, parts: Mapping[str, Kind] = _NAMED, *, required: bool = False
) -> Field:
    return Field(Kind.REFERENCE, to=to, parts=parts, required=required)


_ID = Field(Kind.NUMBER, owned=True)
_META = Field(Kind.ANY, owned=True, parts=_INFO)
_AMOUNT = Field(Kind.NUMBER, amount=True)
_FLAG = Field(Kind.BOOLEAN)
_DATE = Field(Kind.INSTANT)
_OWNED_AMOUNT = Field(Kind.NUMBER, amount=True, owned=True)

INVOICE_TYPES = frozenset(
    {"Agreement", "CreditMemo", "DownPayment", "Miscellaneous", "Progress", "Standard"}
)

INVOICE = Resource(
    "invoice",
    {
        "id": _ID,
        "invoiceNumber": _text(15, required=True),
        "type": Field(Kind.TEXT, choices=INVOICE_TYPES),
        "status": _reference("statuses", _STATUS),
        "company": _reference("companies", _IDENTIFIED, required=True),
        "billToCompany": _reference("companies", _IDENTIFIED),
        "shipToCompany": _reference("companies", _IDENTIFIED),
        "accountNumber": _text(),
        "billingTerms": _reference("terms"),
        "date": _DATE,
        "dueDate": _DATE,
        "currency": _reference("currencies", _CURRENCY),
        "subtotal": _AMOUNT,
        "salesTax": _AMOUNT,
        "total": _AMOUNT,
        "payments": _OWNED_AMOUNT,
        "credits": _OWNED_AMOUNT,
        "balance": _OWNED_AMOUNT,
        "applyToType": _text(),
        "applyToId": Field(Kind.NUMBER),
        "agreement": _reference(""),
        "project": _reference(""),
        "ticket": _reference(""),
        "specialInvoiceFlag": _FLAG,
        "closedBy": _text(),
        "glBatch": Field(Kind.REFERENCE, owned=True, parts=_NAMED),
        "unbatchedBatch": Field(Kind.REFERENCE, owned=True, parts=_NAMED),
        "customFields": Field(Kind.ANY),
        "_info": _META,
    },
)

PAYMENT = Resource(
    "payment",
    {
        "id": _ID,
        "type": _text(),
        "source": _text(),
        "invoice": Field(Kind.REFERENCE, owned=True, parts=_DOCUMENT),
        "credit": _reference("invoices", _DOCUMENT),
        "amount": Field(Kind.NUMBER, amount=True, required=True),
        "balance": _OWNED_AMOUNT,
        "invoiceBalance": _OWNED_AMOUNT,
        "invoiceTotal": _OWNED_AMOUNT,
        "paymentDate": _DATE,
        "appliedBy": Field(Kind.TEXT, owned=True),
        "paymentSyncStatus": _text(),
        "paymentSyncDate": _DATE,
        "glBatchID": Field(Kind.TEXT, 50, owned=True),
        "paymentAccount": _text(),
        "aRPaymentAccount": _text(),
        "wisePayPayment": Field(Kind.ANY),
        "_info": _META,
    },
)

COMPANY = Resource(
    "company",
    {
        "id": _ID,
        "identifier": _text(30, required=True),
        "name": _text(50, required=True),
        "status": _reference("company statuses"),
        "accountNumber": _text(),
        "billingTerms": _reference("terms"),
        "currency": _reference("currencies", _CURRENCY),
        "taxCode": _reference(""),
        "taxIdentifier": _text(),
        "billToCompany": _reference("companies", _IDENTIFIED),
        "billingSite": _reference(""),
        "billingContact": _reference(""),
        "invoiceToEmailAddress": _text(),
        "deletedFlag": _FLAG,
        "customFields": Field(Kind.ANY),
        "_info": _META,
    },
)

UNPOSTED = Resource(
    "unpostedInvoice",
    {
        "id": _ID,
        "billingLogId": Field(Kind.NUMBER),
        "invoiceNumber": _text(),
        "invoiceDate": _DATE,
        "invoiceType": _text(),
        "company": _reference("", _IDENTIFIED),
        "billToCompany": _reference("", _IDENTIFIED),
        "accountNumber": _text(),
        "billingTerms": _reference(""),
        "dueDays": _text(),
        "dueDate": _DATE,
        "currency": _reference("", _CURRENCY),
        "subTotal": _AMOUNT,
        "total": _AMOUNT,
        "hasTime": _FLAG,
        "hasExpenses": _FLAG,
        "hasProducts": _FLAG,
        "salesTaxAmount": _AMOUNT,
        "createdBy": _text(),
        "dateClosed": _DATE,
        "_info": _META,
    },
)

BATCH = Resource(
    "accountingBatch",
    {
        "id": _ID,
        "batchIdentifier": _text(50, required=True),
        "exportInvoicesFlag": _FLAG,
        "exportExpensesFlag": _FLAG,
        "exportProductsFlag": _FLAG,
        "closedFlag": _FLAG,
        "_info": _META,
    },
)

BILLING_STATUS = Resource(
    "billingStatus",
    {
        "id": _ID,
        "name": _text(30),
        "closedFlag": _FLAG,
        "sentFlag": _FLAG,
        "defaultFlag": _FLAG,
        "inactiveFlag": _FLAG,
        "sortOrder": Field(Kind.NUMBER),
        "_info": _META,
    },
)

CURRENCY = Resource(
    "currency",
    {
        "id": _ID,
        "name": _text(),
        "currencyCode": _text(),
        "numberOfDecimals": Field(Kind.NUMBER),
        "_info": _META,
    },
)

TERMS = Resource("billingTerm", {"id": _ID, "name": _text(), "_info": _META})


# Bodies ------------------------------------------------------------------------

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def _number(value: Any) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite() and value.adjusted() < AMOUNT_EXPONENT_MAX
    return (
        isinstance(value, int)
        and not isinstance(value, bool)
        and abs(value) < 10**AMOUNT_EXPONENT_MAX
    )


def _is_instant(value: Any) -> bool:
    return (
        isinstance(value, str)
        and _INSTANT.fullmatch(value) is not None
        and instant(value) is not None
    )


_SHAPES: Mapping[Kind, Callable[[Any], bool]] = {
    Kind.TEXT: lambda value: isinstance(value, str),
    Kind.NUMBER: _number,
    Kind.BOOLEAN: lambda value: isinstance(value, bool),
    Kind.INSTANT: _is_instant,
    Kind.REFERENCE: lambda value: isinstance(value, dict),
    Kind.ANY: lambda value: True,
}


def checked(resource: Resource, name: str, value: Any) -> Any:
    """The value for that field, as it was given; `Refusal` where it cannot be."""
    field = resource.fields.get(name)
    if field is None:
        raise invalid(resource.name, name, f"{name} is not a field")
    if value is None:
        if field.required:
            raise invalid(resource.name, name, f"{name} is required", "MissingField")
        return None
    if not _SHAPES[field.kind](value):
        raise invalid(resource.name, name, f"{name} must be a {field.kind.value} value")
    if field.kind is Kind.REFERENCE and not _well_referred(field, value):
        raise invalid(resource.name, name, f"{name} is not a reference")
    if field.length is not None and len(value) > field.length:
        raise invalid(resource.name, name, f"{name} is longer than {field.length}")
    if field.choices and value not in field.choices:
        raise invalid(resource.name, name, f"{name} is not one of the known values")
    return value


def _well_referred(field: Field, value: Record) -> bool:
    return all(
        value.get(part) is None or _SHAPES[kind](value[part])
        for part, kind in (field.parts or {}).items()
    )


def from_body(resource: Resource, body: Any) -> Record:
    """The fields of a POST or PUT; the server's own are passed over, as it does."""
    if not isinstance(body, dict):
        raise refusal(400, "InvalidObject", f"{resource.name} object is invalid")
    owned = {name for name, field in resource.fields.items() if field.owned}
    return {
        name: checked(resource, name, value)
        for name, value in body.items()
        if name not in owned
    }


def replaced(resource: Resource, body: Any) -> Record:
    """The changes of a PUT: what is absent from the body is removed."""
    changes = from_body(resource, body)
    for name, field in resource.fields.items():
        if not field.owned and name not in changes:
            changes[name] = checked(resource, name, None)
    return changes


def patched(resource: Resource, operations: Any) -> Record:
    """The changes of a PATCH; a removed field is None."""
    if not isinstance(operations, list):
        raise refusal(400, "InvalidObject", "The body must be an array of operations")
    changes: Record = {}
    for operation in operations:
        name, value = _operation(resource, operation)
        changes[name] = checked(resource, name, value)
    return changes


def _operation(resource: Resource, operation: Any) -> tuple[str, Any]:
    match operation:
        case {"op": "add" | "replace", "path": str(path), "value": value}:
            pass
        case {"op": "remove", "path": str(path)}:
            value = None
        case _:
            raise refusal(400, "InvalidObject", "An operation needs op, path and value")
    name, _, part = path.removeprefix("/").partition("/")
    field = resource.fields.get(name)
    if field is not None and field.owned:
        raise invalid(resource.name, name, f"{name} cannot be changed")
    if part and field is not None:
        if field.kind is not Kind.REFERENCE or part not in (field.parts or {}):
            raise invalid(resource.name, path, f"{path} is not a field")
        value = None if value is None else {part: value}
    return name, value


def merged(before: Record, changes: Record) -> Record:
    """The record with the changes made; None takes a field away."""
    record = {**before, **changes}
    return {name: value for name, value in record.items() if value is not None}


def to_decimals(resource: Resource, record: Record, decimals: int) -> None:
    """Give every amount exactly that many decimals; refuse what has more."""
    unit = Decimal(1).scaleb(-decimals)
    for name, field in resource.fields.items():
        if not field.amount or name not in record:
            continue
        given = Decimal(record[name])
        exact = given.quantize(unit)
        if exact != given:
            raise invalid(
                resource.name, name, f"{name} has more than {decimals} decimals"
            )
        record[name] = exact
