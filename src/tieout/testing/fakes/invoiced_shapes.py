"""
The vendor's objects as the fake Invoiced writes them, and its filters, orders and pages.

One table says which fields each kind has; objects, filters and orders all read from it.
Nothing here changes a book.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from tieout.testing.fakes.invoiced_books import Books, Event, Row
from tieout.testing.fakes.invoiced_fields import (
    ADJUSTMENTS,
    CONTACTS,
    CREDIT_NOTES,
    CUSTOMERS,
    DOCUMENT_KINDS,
    ESTIMATES,
    FIELDS,
    INVOICES,
    OBJECTS,
    PAYMENTS,
    TARGET_TYPES,
    Application,
    Refusal,
    whole,
)

HIDDEN: Mapping[str, frozenset[str]] = {PAYMENTS: frozenset({"applied_to"})}
"""What is told only when asked for by ``include``."""
SITE = "https://fake.invoiced.example"
"""Where a customer would look at a document; nobody of ours asks there."""

Getter: TypeAlias = Callable[[Books, Row], Any]


def plain(value: Any) -> Any:
    """A value as JSON has it: amounts as bare as they come, 100 and 99.5."""
    match value:
        case Decimal():
            is_whole = value == value.to_integral_value()
            return int(value) if is_whole else value.normalize()
        case Mapping():
            return {key: plain(each) for key, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case Application():
            return _application(value)
        case _:
            return value


def _application(each: Application) -> dict[str, Any]:
    shaped: dict[str, Any] = {"type": each.type, "amount": plain(each.amount)}
    if each.credit_note:
        shaped["credit_note"] = each.credit_note
    if each.target:
        kind, key = each.target
        name = next(name for name, which in TARGET_TYPES.items() if which == kind)
        shaped[name] = key
        if not each.is_cash:
            shaped["document_type"] = name
    return shaped


# What each kind has ------------------------------------------------------------------


def _invoice_status(books: Books, row: Row) -> str:
    """What the customer sees, rather than the state in a ledger."""
    fields = row.fields
    due = fields["due_date"]
    states = (
        ("voided", fields["voided"]),
        ("draft", fields["draft"]),
        ("paid", books.is_paid(row)),
        ("pending", fields["pending"]),
        ("past_due", due is not None and due < books.now()),
        ("viewed", fields["viewed"]),
        ("sent", fields["sent"]),
    )
    return next((name for name, holds in states if holds), "not_sent")


def _estimate_status(_: Books, row: Row) -> str:
    names = ("voided", "draft", "closed", "viewed", "sent")
    return next((name for name in names if row.fields[name]), "not_sent")


def _note_status(books: Books, row: Row) -> str:
    fields = row.fields
    states = (
        ("voided", fields["voided"]),
        ("draft", fields["draft"]),
        ("paid", books.is_paid(row)),
        ("closed", fields["closed"]),
    )
    return next((name for name, holds in states if holds), "open")


def _stored(name: str) -> Getter:
    return lambda _, row: row.fields[name]


def _address(page: str) -> Getter:
    return lambda _, row: f"{SITE}/{row.kind}/{row.id}{page}"


_COMPUTED: Mapping[str, Mapping[str, Getter]] = {
    CUSTOMERS: {
        "payment_source": lambda *_: None,
        "statement_pdf_url": _address("/statement/pdf"),
        "sign_up_url": lambda *_: None,
    },
    CONTACTS: {},
    INVOICES: {
        "status": _invoice_status,
        "attempt_count": lambda *_: 0,
        "next_payment_attempt": lambda *_: None,
        "subscription": lambda *_: None,
        "payment_plan": lambda *_: None,
        "payment_url": _address("/payment"),
    },
    ESTIMATES: {"status": _estimate_status},
    CREDIT_NOTES: {"status": _note_status},
    PAYMENTS: {
        "balance": lambda books, row: books.balance(row),
        **{name: _stored(name) for name in ("voided", "matched", "charge")},
        "pdf_url": _address("/pdf"),
    },
    ADJUSTMENTS: {},
}
_DOCUMENT: Mapping[str, Getter] = {
    "subtotal": _stored("subtotal"),
    "total": _stored("total"),
    "balance": lambda books, row: books.balance(row),
    "paid": lambda books, row: books.is_paid(row),
    "url": _address(""),
    "pdf_url": _address("/pdf"),
}
_UNTOLD = frozenset({"sent", "attachments"})
"""What can be written, and shows in the status or nowhere."""
GETTERS: Mapping[str, Mapping[str, Getter]] = {
    kind: {
        "id": lambda _, row: row.id,
        **{name: _stored(name) for name in FIELDS[kind] if name not in _UNTOLD},
        **(_DOCUMENT if kind in DOCUMENT_KINDS else {}),
        **computed,
        "created_at": lambda _, row: row.created,
        "updated_at": lambda _, row: row.updated,
    }
    for kind, computed in _COMPUTED.items()
}


def shape(books: Books, row: Row) -> dict[str, Any]:
    """A record with everything it has."""
    getters = GETTERS[row.kind]
    return {name: plain(get(books, row)) for name, get in getters.items()}


def shape_as_asked(books: Books, row: Row, params: Mapping[str, str]) -> dict[str, Any]:
    """A record with what ``include`` and ``expand`` add and ``exclude`` takes away."""
    left_out = HIDDEN.get(row.kind, frozenset()) - _words(params, "include")
    left_out |= _words(params, "exclude")
    shaped = {k: each for k, each in shape(books, row).items() if k not in left_out}
    if "customer" in _words(params, "expand") and shaped.get("customer"):
        owner = books.rows[CUSTOMERS][shaped["customer"]]
        shaped["customer"] = shape(books, owner)
    return shaped


def _words(params: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(each.strip() for each in params.get(name, "").split(","))


def shape_event(event: Event) -> dict[str, Any]:
    """An event; what changed has its old values in ``previous``."""
    previous = {"previous": dict(event.previous)} if event.previous else {}
    return {
        "id": event.id,
        "type": event.type,
        "timestamp": event.at,
        "data": {"object": dict(event.object), **previous},
        "user": None,
    }


def shape_balance(books: Books, customer: Row) -> dict[str, Any]:
    """What a customer owes and has to its credit, in its own currency."""
    fields = {"customer": customer.id, "currency": customer.fields["currency"]}
    code = books.currency_of(fields)
    owed = [
        row
        for row in books.of_customer(customer.id)
        if row.kind == INVOICES and row.fields["currency"] == code
        if not row.fields["draft"] and not row.fields["closed"]
    ]
    return {
        "currency": code,
        "total_outstanding": plain(
            sum((books.balance(row) for row in owed), Decimal(0))
        ),
        "available_credits": plain(books.credit_of(customer.id, code)),
        "past_due": any(_invoice_status(books, row) == "past_due" for row in owed),
        "history": [],
    }


# Which of them, in which order ----------------------------------------------------------

_BRACKETED = re.compile(r"(filter|metadata)\[([^\]]*)\]")


def listed(books: Books, kind: str, params: Mapping[str, str]) -> list[Row]:
    """The records that a list asks for, in its order; by id without one."""
    rows = _in_time(books, _candidates(books, kind, params), params)
    for param, wanted in params.items():
        found = _BRACKETED.fullmatch(param)
        if found and found[1] == "metadata":
            name = found[2]
            rows = [r for r in rows if r.fields.get("metadata", {}).get(name) == wanted]
        elif found:
            get = _getter(kind, found[2], param)
            rows = [row for row in rows if is_equal(get(books, row), wanted, param)]
    rows.sort(key=lambda row: row.id)
    return _sorted(books, kind, rows, params.get("sort", ""))


def _candidates(books: Books, kind: str, params: Mapping[str, str]) -> list[Row]:
    number = params.get("filter[number]")
    if not number or "number" not in GETTERS[kind]:
        return list(books.rows[kind].values())
    # A number is looked up often, and never among all the records there are.
    key = books.numbers.get((kind, number))
    return [] if key is None else [books.rows[kind][key]]


def _in_time(books: Books, rows: list[Row], params: Mapping[str, str]) -> list[Row]:
    edge = int(books.habits.updated_after_inclusive)
    bounds: Mapping[str, Callable[[Row, int], bool]] = {
        "updated_after": lambda row, at: row.updated + edge > at,
        "updated_before": lambda row, at: row.updated - edge < at,
        "start_date": lambda row, at: row.fields.get("date", at) >= at,
        "end_date": lambda row, at: row.fields.get("date", at) <= at,
    }
    for name, is_within in bounds.items():
        if params.get(name):
            at = whole(name, params[name])
            rows = [row for row in rows if is_within(row, at)]
    return rows


def _getter(kind: str, name: str, param: str) -> Getter:
    if name not in GETTERS[kind]:
        raise Refusal(f"Unknown property: {name}", param)
    return GETTERS[kind][name]


def is_equal(value: Any, wanted: str, param: str) -> bool:
    """Whether a field is what a filter says: booleans 0 or 1, text as it stands."""
    match value:
        case bool():
            if wanted not in {"0", "1"}:
                raise Refusal(f"{param} must be 0 or 1", param)
            return value == (wanted == "1")
        case int() | Decimal():
            try:
                return value == Decimal(wanted)
            except InvalidOperation:
                raise Refusal(f"{param} must be a number", param) from None
        case None:
            return not wanted
        case str():
            return value == wanted
        case _:
            raise Refusal(f"{param} cannot be filtered by", param)


def _sorted(books: Books, kind: str, rows: list[Row], order: str) -> list[Row]:
    clauses = [clause.split() for clause in order.split(",") if clause.strip()]
    for name, *direction in reversed(clauses):
        down = [each.upper() for each in direction]
        if down not in ([], ["ASC"], ["DESC"]):
            raise Refusal(f"Invalid sort: {order}", "sort")
        get = _getter(kind, name, "sort")
        rows.sort(key=_sort_key(books, get), reverse=down == ["DESC"])
    return rows


def _sort_key(books: Books, get: Getter) -> Callable[[Row], Any]:
    def key(row: Row) -> Any:
        value = get(books, row)
        if isinstance(value, Mapping | tuple):
            raise Refusal("That property has no order", "sort")
        return value is not None, value if value is not None else 0

    return key


def listed_events(books: Books, params: Mapping[str, str]) -> list[Event]:
    """The events, newest first; of one record where ``related_to`` names it."""
    events = list(reversed(books.events.values()))
    related = params.get("related_to")
    if related:
        name, _, digits = related.partition(",")
        kind = next((kind for kind, each in OBJECTS.items() if each == name), None)
        if kind is None:
            raise Refusal(f"Unknown object type: {name}", "related_to")
        key = kind, whole("related_to", digits)
        events = [event for event in events if key in event.related]
    wanted = params.get("filter[type]")
    return [event for event in events if not wanted or event.type == wanted]
