"""
Records as Tryton is sent them: the values of a party, of a document and its lines.

Nothing here asks for anything: ids of what is named by a code come in ``known``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from attrs import frozen

from tieout.connectors.tryton.errors import TAX_CODES
from tieout.connectors.tryton.records import MARK
from tieout.connectors.tryton.wire import Plain
from tieout.errors import Code, Fault
from tieout.models import CreditNote, Customer, Invoice, Line
from tieout.money import EXACT, ZERO

PRICE_DECIMALS = 4
"""Of a unit price, as Tryton is delivered; one with more is refused."""

Known = Mapping[str, Mapping[str, int]]
"""Ids by model and by the code (of a tax: the name) that a line has."""

NAMED: Mapping[str, tuple[str, str]] = {
    "account": ("account.account", "code"),
    "item": ("product.product", "code"),
    "tax_code": ("account.tax", "name"),
}
"""By a line's field, the model that it names, and by which of the model's fields."""


@frozen
class Defaults:
    """
    What a document needs and billing does not know, as ids in Tryton.

    ``receivable`` is the account of what customers owe, ``revenue`` that of lines that
    name none. Without ``payment_term`` a document is due on its own day.
    """

    receivable: int | None = None
    revenue: int | None = None
    journal: int | None = None
    payment_term: int | None = None
    payment_method: int | None = None
    company: int | None = None


def needed(value: int | None, argument: str, what: str) -> int:
    """The value of an argument; `Fault` NOT_ALLOWED where it was not given."""
    if value is None:
        text = f"no {what}: set {argument}= to its id in Tryton"
        raise Fault(Code.NOT_ALLOWED, text, field=argument)
    return value


def words(text: str, marks: Iterable[str]) -> str:
    """What a person wrote, and our marks behind it."""
    return " ".join([*([text] if text else []), *(mark for mark in marks if mark)])


def named(lines: Iterable[Line]) -> dict[str, set[str]]:
    """What lines name by a code, by the field."""
    lines = [*lines]
    found = {name: {getattr(line, name) for line in lines} - {""} for name in NAMED}
    return {name: codes for name, codes in found.items() if codes}


def billed(after: Invoice | CreditNote) -> tuple[Line, ...]:
    """The lines of a document; one of all of it where it has none."""
    total = Line(after.number or after.reference, after.total)
    lines = after.lines or (total,)
    taxed = any(line.tax_code for line in lines)
    net = sum((line.amount for line in lines), ZERO)
    if not taxed and net != after.total:
        text = f"the lines are of {net}, the document is of {after.total}"
        raise TAX_CODES.fault(text, field="total")
    return lines


def document(
    after: Invoice | CreditNote,
    mark: str,
    defaults: Defaults,
    *,
    address: int,
    currency: int,
    known: Known,
) -> dict[str, Any]:
    """A new draft of an invoice, or of a credit note, which is one below zero."""
    assert after.customer is not None
    told = {"company": defaults.company, "payment_term": defaults.payment_term}
    return {
        "type": "out",
        "party": int(after.customer.id),
        "invoice_address": address,
        "account": needed(defaults.receivable, "receivable", "account of customers"),
        # Without one a draft can be made, and cannot be posted.
        "journal": needed(defaults.journal, "journal", "journal for invoices"),
        "currency": currency,
        "invoice_date": after.on,
        "reference": words(after.reference or after.number, [mark]),
        "lines": [["create", lines(after, defaults, known, currency)]],
        **{name: value for name, value in told.items() if value is not None},
    }


def lines(
    after: Invoice | CreditNote, defaults: Defaults, known: Known, currency: int
) -> list[dict[str, Any]]:
    """The lines of a document; those of a credit note are below zero."""
    sign = -1 if isinstance(after, CreditNote) else 1
    shared = {"type": "line", "currency": currency}  # else it would be the company's
    return [shared | _line(each, sign, defaults, known) for each in billed(after)]


def _line(line: Line, sign: int, defaults: Defaults, known: Known) -> dict[str, Any]:
    quantity, price = _factors(line)
    account = _id(known, "account", line.account) if line.account else None
    taxes = [_id(known, "tax_code", line.tax_code)] if line.tax_code else []
    return {
        "description": line.description,
        "quantity": Plain(sign * quantity),
        "unit_price": price,
        "account": account or needed(defaults.revenue, "revenue", "account for a line"),
        "product": _id(known, "item", line.item) if line.item else None,
        "taxes": [["add", taxes]] if taxes else [],
    }


def _factors(line: Line) -> tuple[Decimal, Decimal]:
    """Quantity and price whose product is exactly the amount."""
    quantity, price = line.quantity, line.unit_price
    if quantity is None or price is None:
        return Decimal(1), line.amount
    fine = -int(price.normalize().as_tuple().exponent) <= PRICE_DECIMALS
    # A quantity is a float in Tryton.
    exact = Decimal(repr(float(quantity))) == quantity
    if fine and exact and EXACT.multiply(quantity, price) == line.amount:
        return quantity, price
    return Decimal(1), line.amount


def _id(known: Known, name: str, code: str) -> int:
    if code not in known.get(name, {}):
        model, by = NAMED[name]
        text = f"there is no {model} whose {by} is {code!r}"
        raise Fault(Code.BAD_FIELD, text, field=name)
    return known[name][code]


def customer(after: Customer, mark: str) -> dict[str, Any]:
    """A new party, with an address: without one it cannot be billed."""
    mail = {"type": "email", "value": after.email}
    told: dict[str, Any] = {
        "name": after.name,
        "addresses": [["create", [{}]]],
        "contact_mechanisms": [["create", [mail]]] if after.email else None,
        "identifiers": [["create", [{"code": mark}]]] if mark else None,
        # Without one Tryton numbers it.
        "code": after.number or None,
    }
    return {name: value for name, value in told.items() if value}


def customer_changes(
    now: Customer, after: Customer, mails: Iterable[int]
) -> dict[str, Any]:
    """What a party has to be sent to be as it is wanted; ``mails`` are its e-mails."""
    told: dict[str, Any] = {}
    if after.name != now.name:
        told["name"] = after.name
    if after.number and after.number != now.number:
        told["code"] = after.number
    if after.active != now.active:
        told["active"] = after.active
    if after.email != now.email:
        first = [*mails][:1]
        mail = {"type": "email", "value": after.email}
        if not after.email:
            told["contact_mechanisms"] = [["delete", [*mails]]]
        elif first:
            told["contact_mechanisms"] = [["write", first, {"value": after.email}]]
        else:
            told["contact_mechanisms"] = [["create", [mail]]]
    return told


def marks_in(text: str) -> list[str]:
    """The marks of ours in a text."""
    return [word for word in text.split() if MARK.fullmatch(word)]
