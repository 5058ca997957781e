"""The part of Xero's accounting API that tieout uses, after the vendor's OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from described import Operation, listed, shaped

PREFIX = "/api.xro/2.0"
TEXT = {"type": "string"}
FLAG = {"type": "boolean"}
AMOUNT = {"type": "number"}
UUID = {"type": "string", "pattern": "^[0-9a-fA-F-]{36}$"}
MOMENT = {"type": "string", "pattern": r"^/Date\(-?\d+([+-]\d{4})?\)/$"}
DAY = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}"}
LIST = {"type": "array"}
STATUS = {"enum": ["DRAFT", "SUBMITTED", "DELETED", "AUTHORISED", "PAID", "VOIDED"]}
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
NUMBER, ANY = r"\d+", r".+"

PAGING = {"page": NUMBER, "pageSize": NUMBER, "order": r"\w+( ASC| DESC)?"}
LISTING = {**PAGING, "where": ANY}
SINCE = {"If-Modified-Since": STAMP, "xero-tenant-id!": ANY}
KEYED = {"Idempotency-Key": r".{1,128}", "xero-tenant-id!": ANY}
WRITING = {"summarizeErrors": "true|false", "unitdp": "4"}

# What is sent -----------------------------------------------------------------------------

LINE = shaped(
    Description=TEXT,
    Quantity=AMOUNT,
    UnitAmount=AMOUNT,
    LineAmount=AMOUNT,
    TaxAmount=AMOUNT,
    TaxType=TEXT,
    AccountCode=TEXT,
    ItemCode=TEXT,
    Tracking={"type": "array", "items": shaped("Name Option", Name=TEXT, Option=TEXT)},
)
HEAD: Mapping[str, Any] = {
    "Reference": TEXT,
    "Contact": shaped("ContactID", ContactID=UUID),
    "Date": DAY,
    "DueDate": DAY,
    "CurrencyCode": {"type": "string", "pattern": "^[A-Z]{3}$"},
    "LineAmountTypes": {"enum": ["Exclusive", "Inclusive", "NoTax"]},
    "Status": STATUS,
    "LineItems": {"type": "array", "items": LINE},
}
INVOICE = shaped(Type={"enum": ["ACCREC"]}, InvoiceID=UUID, InvoiceNumber=TEXT, **HEAD)
CREDIT_NOTE = shaped(
    Type={"enum": ["ACCRECCREDIT"]}, CreditNoteID=UUID, CreditNoteNumber=TEXT, **HEAD
)
CONTACT = shaped(
    ContactID=UUID,
    Name=TEXT,
    AccountNumber=TEXT,
    ContactNumber={"type": "string", "maxLength": 50},
    EmailAddress=TEXT,
    ContactStatus={"enum": ["ACTIVE", "ARCHIVED"]},
)
PAYMENT = shaped(
    "Invoice Account Date Amount",
    Invoice=shaped("InvoiceID", InvoiceID=UUID),
    Account=shaped(Code=TEXT, AccountID=UUID),
    Date=DAY,
    Amount=AMOUNT,
    Reference=TEXT,
)
ALLOCATION = shaped(
    "Invoice Amount Date",
    Invoice=shaped("InvoiceID", InvoiceID=UUID),
    Amount=AMOUNT,
    Date=DAY,
)

# What comes -------------------------------------------------------------------------------


def row(required: str, **properties: Any) -> dict[str, Any]:
    """
    A record of an answer; it may hold more than is named here.

    One that failed repeats what was sent, and says why.
    """
    errors = {"type": "array", "items": {"type": "object", "required": ["Message"]}}
    failed = {"StatusAttributeString": {"const": "ERROR"}}
    return {
        "type": "object",
        "properties": {"StatusAttributeString": {"enum": ["OK", "WARNING", "ERROR"]}},
        "if": {"properties": failed, "required": ["StatusAttributeString"]},
        "then": {"properties": {"ValidationErrors": errors}},
        "else": {"properties": properties, "required": required.split()},
    }


STUB = {"type": "object", "required": ["ContactID"]}
DOCUMENT: Mapping[str, Any] = {
    "Status": STATUS,
    "Total": AMOUNT,
    "CurrencyCode": TEXT,
    "Contact": STUB,
    "Date": MOMENT,
    "DateString": DAY,
    "UpdatedDateUTC": MOMENT,
    "LineItems": LIST,
}
NESTED = {
    "type": "array",
    "items": {"type": "object", "properties": {"Date": MOMENT, "Amount": AMOUNT}},
}
INVOICES = row(
    "InvoiceID Type Status Total AmountDue CurrencyCode UpdatedDateUTC",
    InvoiceID=UUID,
    Type={"enum": ["ACCREC", "ACCPAY"]},
    AmountDue=AMOUNT,
    AmountPaid=AMOUNT,
    AmountCredited=AMOUNT,
    Payments=NESTED,
    CreditNotes=LIST,
    FullyPaidOnDate=MOMENT,
    **DOCUMENT,
)
CREDIT_NOTES = row(
    "CreditNoteID Type Status Total RemainingCredit CurrencyCode",
    CreditNoteID=UUID,
    RemainingCredit=AMOUNT,
    Allocations=LIST,
    **DOCUMENT,
)
PAYMENTS = row(
    "PaymentID Amount Date Status",
    PaymentID=UUID,
    Amount=AMOUNT,
    Date=MOMENT,
    Status={"enum": ["AUTHORISED", "DELETED"]},
    PaymentType=TEXT,
)
CONTACTS = row("ContactID Name", ContactID=UUID, Name=TEXT, UpdatedDateUTC=MOMENT)
ADVANCES = row("Type Status Total", Allocations=LIST)
ALLOCATIONS = row("Amount Date Invoice", AllocationID=UUID, Amount=AMOUNT)
ORGANISATION = row(
    "OrganisationID Name BaseCurrency",
    OrganisationID=UUID,
    BaseCurrency=TEXT,
    PeriodLockDate=MOMENT,
    EndOfYearLockDate=MOMENT,
)


def reading(name: str, item: Mapping[str, Any], **more: str) -> Operation:
    """A list that is paged, filtered and asked for what changed."""
    return Operation({**LISTING, **more}, SINCE, answer=listed(name, item))


def writing(
    name: str, sent: Mapping[str, Any], item: Mapping[str, Any], query: bool = True
) -> Operation:
    """A list of documents that is written together."""
    body = shaped(name, **{name: {"type": "array", "items": sent, "maxItems": 50}})
    parameters = WRITING if query else {}
    return Operation(parameters, KEYED, body, listed(name, item))


ENDED = shaped(
    "Payments",
    Payments={
        "type": "array",
        "items": shaped("Status", Status={"const": "DELETED"}),
        "minItems": 1,
        "maxItems": 1,
    },
)
ARCHIVED = {"includeArchived": "true"}
OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/Organisation"): Operation(
        headers={"xero-tenant-id!": ANY}, answer=listed("Organisations", ORGANISATION)
    ),
    ("GET", "/Invoices"): reading(
        "Invoices",
        INVOICES,
        **ARCHIVED,
        IDs=ANY,
        InvoiceNumbers=ANY,
        Statuses=r"[A-Z,]+",
        unitdp="4",
    ),
    ("GET", "/CreditNotes"): reading("CreditNotes", CREDIT_NOTES, unitdp="4"),
    ("GET", "/Payments"): reading("Payments", PAYMENTS),
    ("GET", "/Overpayments"): reading("Overpayments", ADVANCES),
    ("GET", "/Prepayments"): reading("Prepayments", ADVANCES),
    ("GET", "/Contacts"): reading("Contacts", CONTACTS, **ARCHIVED, IDs=ANY),
    ("PUT", "/Invoices"): writing("Invoices", INVOICE, INVOICES),
    ("POST", "/Invoices"): writing("Invoices", INVOICE, INVOICES),
    ("PUT", "/CreditNotes"): writing("CreditNotes", CREDIT_NOTE, CREDIT_NOTES),
    ("POST", "/CreditNotes"): writing("CreditNotes", CREDIT_NOTE, CREDIT_NOTES),
    ("PUT", "/Contacts"): writing("Contacts", CONTACT, CONTACTS),
    ("POST", "/Contacts"): writing("Contacts", CONTACT, CONTACTS),
    ("PUT", "/Payments"): writing("Payments", PAYMENT, PAYMENTS),
    ("POST", "/Payments/{id}"): Operation(
        headers=KEYED, body=ENDED, answer=listed("Payments", PAYMENTS)
    ),
    ("PUT", "/CreditNotes/{id}/Allocations"): writing(
        "Allocations", ALLOCATION, ALLOCATIONS, query=False
    ),
    ("DELETE", "/CreditNotes/{id}/Allocations/{id}"): Operation(headers=KEYED),
}
FAILURE = {
    "anyOf": [
        {"type": "object", "required": ["ErrorNumber", "Type", "Message"]},
        {"type": "object", "required": ["Title", "Status", "Detail"]},
        {"type": "object", "required": ["title", "status", "detail"]},
    ]
}
