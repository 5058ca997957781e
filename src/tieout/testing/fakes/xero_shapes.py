"""
How the fake Xero's books look from outside: the vendor's JSON, and its `where` filters.

Everything here is a pure function of the books; nothing is changed and nothing is sent.
"""

from __future__ import annotations

import operator
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from tieout.testing.fakes.xero_books import (
    CREDIT_NOTES,
    DOCUMENT_KINDS,
    INVOICES,
    OVERPAYMENTS,
    POSTED,
    PREPAYMENTS,
    ZERO,
    Allocation,
    Books,
    Contact,
    Document,
    Payment,
)

Getter = Callable[[Books, Any], Any]
Predicate = Callable[[Any], bool]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ACCOUNT_SPACE = uuid.UUID("5a0c9c6e-0d5a-4b8e-9d55-3a3f4f0f7c11")
"""Account ids are made from the codes, so that an account needs no record."""

ID_KEYS: Mapping[str, str] = {
    "Contacts": "ContactID",
    INVOICES: "InvoiceID",
    CREDIT_NOTES: "CreditNoteID",
    OVERPAYMENTS: "OverpaymentID",
    PREPAYMENTS: "PrepaymentID",
    "Payments": "PaymentID",
    "Allocations": "AllocationID",
}
NUMBER_KEYS: Mapping[str, str] = {
    INVOICES: "InvoiceNumber",
    CREDIT_NOTES: "CreditNoteNumber",
}
NESTED_TYPES: Mapping[str, str] = {
    "RECEIVE-OVERPAYMENT": "AROVERPAYMENT",
    "SPEND-OVERPAYMENT": "APOVERPAYMENT",
    "RECEIVE-PREPAYMENT": "ARPREPAYMENT",
    "SPEND-PREPAYMENT": "APPREPAYMENT",
}
"""How the type of a document reads inside a payment, where it differs."""

LEFT_OUT_OF_WRITES = frozenset(
    {"AmountCredited", "Payments", "CreditNotes", "Overpayments", "Prepayments"}
)
LEFT_OUT_OF_SUMMARIES = LEFT_OUT_OF_WRITES - {"AmountCredited"} | {"HasAttachments"}


def instant(at: datetime, offset: str = "+0000") -> str:
    """``/Date(ms+0000)/``."""
    return f"/Date({(at - EPOCH) // timedelta(milliseconds=1)}{offset})/"


def day(on: date) -> str:
    """A calendar date in the same form: 00:00 UTC."""
    return instant(datetime.combine(on, time(), UTC))


def _dated(name: str, on: date | None) -> dict[str, str]:
    if on is None:
        return {}
    return {name: day(on), f"{name}String": f"{on.isoformat()}T00:00:00"}


def account_id(code: str) -> str:
    """The id of the account of that code."""
    return str(uuid.uuid5(ACCOUNT_SPACE, code))


def shape_contact(
    books: Books, contact: Contact, *, full: bool = True
) -> dict[str, Any]:
    """A contact; without ``full`` as in an unpaged list."""
    shaped = {
        "ContactID": contact.id,
        "ContactStatus": contact.status,
        "Name": contact.name,
        **({"ContactNumber": contact.number} if contact.number else {}),
        "Phones": [],
        "Addresses": [],
        **contact.fields,
        "UpdatedDateUTC": instant(contact.updated),
    }
    invoices = books.documents[INVOICES].having(f"contact:{contact.id}")
    shaped["IsCustomer"] = any(each.type == "ACCREC" for each in invoices)
    shaped["IsSupplier"] = any(each.type == "ACCPAY" for each in invoices)
    if full and contact.merged_to:
        shaped["MergedToContactID"] = contact.merged_to
    if full:
        shaped["Balances"] = {"AccountsReceivable": _balances(books, invoices)}
    return shaped


def _balances(books: Books, invoices: list[Document]) -> dict[str, Decimal]:
    owed = [
        (each, books.sums(each).open)
        for each in invoices
        if each.type == "ACCREC" and each.status in POSTED
    ]
    today = books.now().date()
    late = (amount for each, amount in owed if (each.due or each.on) < today)
    return {
        "Outstanding": sum((amount for _, amount in owed), ZERO),
        "Overdue": sum(late, ZERO),
    }


def shape_document(
    books: Books, document: Document, *, full: bool = True, single: bool = False
) -> dict[str, Any]:
    """A document; without ``full`` its lines are an empty list."""
    number = NUMBER_KEYS.get(document.kind)
    contact = books.contacts.rows[document.contact]
    return {
        "Type": document.type,
        ID_KEYS[document.kind]: document.id,
        **({number: document.number} if number else {}),
        **_texts(document),
        "Contact": {
            "ContactID": contact.id,
            "Name": contact.name,
            "Addresses": [],
            "Phones": [],
            "ContactGroups": [],
            "ContactPersons": [],
        },
        **_dated("Date", document.on),
        **_dated("DueDate", document.due),
        "Status": document.status,
        "LineAmountTypes": document.basis,
        "LineItems": list(document.lines) if full else [],
        "SubTotal": document.subtotal,
        "TotalTax": document.tax,
        "Total": document.total,
        **({"TotalDiscount": document.discount} if document.discount else {}),
        "CurrencyCode": document.currency,
        "CurrencyRate": document.rate,
        **({"FullyPaidOnDate": day(document.paid_on)} if document.paid_on else {}),
        **document.fields,
        "HasAttachments": False,
        "UpdatedDateUTC": instant(document.updated),
        "Payments": [
            _nested_payment(books.payments.rows[k]) for k in document.payments
        ],
        **(_owed if document.kind == INVOICES else _left)(books, document, single),
    }


def _texts(document: Document) -> dict[str, Any]:
    if document.kind == PREPAYMENTS:
        return {"Reference": document.reference, "InvoiceNumber": document.reference}
    shaped: dict[str, Any] = {}
    if document.type != "ACCPAY" and document.kind != OVERPAYMENTS:
        shaped["Reference"] = document.reference
    if document.sent:
        shaped["SentToContact"] = True
    return shaped


def _owed(books: Books, invoice: Document, single: bool) -> dict[str, Any]:
    sums = books.sums(invoice)
    shaped: dict[str, Any] = {
        "AmountDue": sums.open,
        "AmountPaid": sums.paid,
        "AmountCredited": sums.applied,
        **{kind: [] for kind in DOCUMENT_KINDS if kind != INVOICES},
    }
    for key in invoice.allocations:
        allocation = books.allocations.rows[key]
        source = books.document(allocation.source)
        number = NUMBER_KEYS.get(source.kind)
        shaped[source.kind].append(
            {
                ID_KEYS[source.kind]: source.id,
                **({number: source.number} if number else {}),
                "AppliedAmount": allocation.amount,
                # Xero's bug: by id and by list are two different dates.
                "Date": day(source.on if single else allocation.on),
                "Total": source.total,
            }
        )
    return shaped


def _left(books: Books, credit: Document, single: bool) -> dict[str, Any]:
    return {
        "RemainingCredit": books.sums(credit).open,
        "Allocations": [
            shape_allocation(books, books.allocations.rows[key])
            for key in credit.allocations
        ],
    }


def _nested_payment(payment: Payment) -> dict[str, Any]:
    return {
        "PaymentID": payment.id,
        "Date": day(payment.on),
        "Amount": payment.amount,
        "Reference": payment.reference,
        "CurrencyRate": payment.rate,
    }


def shape_allocation(books: Books, allocation: Allocation) -> dict[str, Any]:
    """A part of a credit on an invoice."""
    invoice = books.document(allocation.target)
    return {
        "AllocationID": allocation.id,
        "Amount": allocation.amount,
        "Date": day(allocation.on),
        "Invoice": {"InvoiceID": invoice.id, "InvoiceNumber": invoice.number},
    }


def shape_payment(
    books: Books, payment: Payment, *, full: bool = True
) -> dict[str, Any]:
    """A payment with a stub of what it pays."""
    document = books.document(payment.document)
    contact = books.contacts.rows[document.contact]
    batch = {"BatchPaymentID": payment.batch}
    return {
        "PaymentID": payment.id,
        **({**batch, "BatchPayment": batch} if payment.batch else {}),
        "Date": day(payment.on),
        "BankAmount": payment.bank_amount,
        "Amount": payment.amount,
        "CurrencyRate": payment.rate,
        "Reference": payment.reference,
        "PaymentType": payment.type,
        "Status": payment.status,
        "UpdatedDateUTC": instant(payment.updated),
        "IsReconciled": payment.reconciled,
        "Account": {"AccountID": account_id(payment.account), "Code": payment.account},
        "Invoice": {
            "Type": NESTED_TYPES.get(document.type, document.type),
            "InvoiceID": document.id,
            "InvoiceNumber": document.number or document.reference,
            "CurrencyCode": document.currency,
            "Contact": {"ContactID": contact.id, "Name": contact.name},
        },
    }


# What `where` and `order` may name -------------------------------------------------

_DOCUMENT_GETTERS: Mapping[str, Getter] = {
    "Type": lambda _, row: row.type,
    "Status": lambda _, row: row.status,
    "Reference": lambda _, row: row.reference,
    "Date": lambda _, row: row.on,
    "DueDate": lambda _, row: row.due,
    "FullyPaidOnDate": lambda _, row: row.paid_on,
    "UpdatedDateUTC": lambda _, row: row.updated,
    "Total": lambda _, row: row.total,
    "CurrencyCode": lambda _, row: row.currency,
    "Contact.ContactID": lambda _, row: row.contact,
    "Contact.Name": lambda books, row: books.contacts.rows[row.contact].name,
    "Contact.ContactNumber": lambda books, row: books.contacts.rows[row.contact].number,
}
_CREDIT_GETTERS: Mapping[str, Getter] = {
    **_DOCUMENT_GETTERS,
    "RemainingCredit": lambda books, row: books.sums(row).open,
}
GETTERS: Mapping[str, Mapping[str, Getter]] = {
    "Contacts": {
        "ContactID": lambda _, row: row.id,
        "Name": lambda _, row: row.name,
        "ContactNumber": lambda _, row: row.number or None,
        "ContactStatus": lambda _, row: row.status,
        "EmailAddress": lambda _, row: row.fields.get("EmailAddress"),
        "AccountNumber": lambda _, row: row.fields.get("AccountNumber"),
        "UpdatedDateUTC": lambda _, row: row.updated,
    },
    INVOICES: {
        **_DOCUMENT_GETTERS,
        "InvoiceID": lambda _, row: row.id,
        "InvoiceNumber": lambda _, row: row.number,
        "AmountDue": lambda books, row: books.sums(row).open,
        "AmountPaid": lambda books, row: books.sums(row).paid,
        "AmountCredited": lambda books, row: books.sums(row).applied,
    },
    CREDIT_NOTES: {
        **_CREDIT_GETTERS,
        "CreditNoteID": lambda _, row: row.id,
        "CreditNoteNumber": lambda _, row: row.number,
    },
    OVERPAYMENTS: {**_CREDIT_GETTERS, "OverpaymentID": lambda _, row: row.id},
    PREPAYMENTS: {**_CREDIT_GETTERS, "PrepaymentID": lambda _, row: row.id},
    "Payments": {
        "PaymentID": lambda _, row: row.id,
        "PaymentType": lambda _, row: row.type,
        "Status": lambda _, row: row.status,
        "Reference": lambda _, row: row.reference,
        "Date": lambda _, row: row.on,
        "Amount": lambda _, row: row.amount,
        "UpdatedDateUTC": lambda _, row: row.updated,
        "IsReconciled": lambda _, row: row.reconciled,
        "Invoice.InvoiceID": lambda _, row: row.document,
        "Invoice.InvoiceNumber": lambda books, row: books.document(row.document).number,
    },
}


class BadQuery(ValueError):
    """A `where` or `order` that Xero would not understand."""


_TOKENS = re.compile(
    r"""\s*(?:
    (?P<string>"(?:[^"\\]|\\.)*")
    |(?P<date>DateTime\s*\([\d,\s]+\))
    |(?P<guid>Guid\s*\(\s*"[^"]*"\s*\))
    |(?P<compare>==|!=|>=|<=|>|<|=)
    |(?P<and>AND\b|&&)|(?P<or>OR\b|\|\|)
    |(?P<open>\()|(?P<close>\))
    |(?P<number>-?\d+(?:\.\d+)?)
    |(?P<name>[A-Za-z][\w.]*)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_WORDS: Mapping[str, Any] = {"true": True, "false": False, "null": None}


def _instant_of(text: str) -> datetime:
    parts = [int(part) for part in text[text.index("(") + 1 : -1].split(",")]
    year, month, on, hour, minute, second = [*parts, 0, 0, 0][:6]
    return datetime(year, month, on, hour, minute, second, tzinfo=UTC)


_LITERALS: Mapping[str, Callable[[str], Any]] = {
    "string": lambda text: re.sub(r"\\(.)", r"\1", text[1:-1]),
    "guid": lambda text: text.split('"')[1].lower(),
    "number": Decimal,
    "date": _instant_of,
    "name": lambda text: _WORDS[text.lower()],
}


def comparable(value: Any) -> Any:
    """A calendar date as the instant 00:00 UTC; anything else as it is."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(), UTC)
    return value


def compile_where(where: str, getters: Mapping[str, Getter], books: Books) -> Predicate:
    """A filter as a predicate: comparisons joined by AND, OR and parentheses."""
    tokens, position = [], 0
    while where[position:].strip():
        found = _TOKENS.match(where, position)
        if found is None or found.lastgroup is None:
            raise BadQuery(f"Syntax error at position {position}")
        tokens.append((found.lastgroup, found[found.lastgroup]))
        position = found.end()
    parser = _Where(tokens, getters, books)
    predicate = parser.either()
    if parser.kind():
        raise BadQuery("Syntax error: the filter goes on after its end")
    return predicate


class _Where:
    """A recursive-descent reader of one filter."""

    def __init__(
        self,
        tokens: list[tuple[str, str]],
        getters: Mapping[str, Getter],
        books: Books,
    ) -> None:
        self._tokens = tokens[::-1]
        self._getters = getters
        self._books = books

    def kind(self) -> str:
        """What comes next; '' at the end."""
        return self._tokens[-1][0] if self._tokens else ""

    def _take(self, *kinds: str) -> tuple[str, str]:
        if self.kind() not in kinds:
            raise BadQuery(f"Syntax error: {' or '.join(kinds)} expected")
        return self._tokens.pop()

    def either(self) -> Predicate:
        """Terms joined by OR."""
        terms = [self._both()]
        while self.kind() == "or":
            self._take("or")
            terms.append(self._both())
        return terms[0] if len(terms) == 1 else lambda row: any(t(row) for t in terms)

    def _both(self) -> Predicate:
        terms = [self._term()]
        while self.kind() == "and":
            self._take("and")
            terms.append(self._term())
        return terms[0] if len(terms) == 1 else lambda row: all(t(row) for t in terms)

    def _term(self) -> Predicate:
        if self.kind() == "open":
            self._take("open")
            inner = self.either()
            self._take("close")
            return inner
        name = self._take("name")[1]
        getter, books = self._getters.get(name), self._books
        if getter is None:
            raise BadQuery(f"No property or field '{name}' exists")
        compare = _COMPARE[self._take("compare")[1]]
        kind, text = self._take(*_LITERALS)
        try:
            wanted = _LITERALS[kind](text)
        except (KeyError, ValueError, TypeError):
            raise BadQuery(f"{text} is not a value") from None

        def predicate(row: Any) -> bool:
            try:
                return bool(compare(comparable(getter(books, row)), wanted))
            except TypeError:  # null and things of two types have no order
                return False

        return predicate
