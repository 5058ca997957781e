"""
How the fake Xero reads the fields it is sent: amounts, dates, lines; and its refusals.

Nothing here knows the books.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any


class Refusal(ValueError):
    """Xero refuses a change; the messages are those of ``ValidationErrors``."""

    def __init__(self, *messages: str) -> None:
        self.messages = messages
        super().__init__("; ".join(messages))


def cents(amount: Decimal) -> Decimal:
    """Rounded to two places, halves away from zero."""
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def text_of(fields: Mapping[str, Any], name: str, default: str) -> str:
    """A field's text; the default where it is missing or null."""
    value = fields.get(name)
    return default if value is None else str(value)


def amount_of(value: Any) -> Decimal:
    """A plain finite number, given as a number or as text."""
    try:
        amount = Decimal("NaN" if isinstance(value, bool) else str(value))
    except InvalidOperation:
        raise Refusal(f"{value!r} is not a valid amount") from None
    # Beyond this no ledger keeps an amount, and Decimal itself gives up later.
    if not amount.is_finite() or (amount and not -20 < amount.adjusted() < 15):  # noqa: PLR2004
        raise Refusal(f"{value!r} is not a valid amount")
    return amount


_TICKS = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/")


def date_of(value: Any) -> date:
    """A calendar date from a `date`, ``2026-03-08``, the same with a time, or ``/Date(ms)/``."""
    if isinstance(value, date):
        return value
    ticks = _TICKS.fullmatch(str(value))
    try:
        if ticks:
            return (
                datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(ticks[1]))
            ).date()
        return date.fromisoformat(str(value)[:10])
    except (ValueError, OverflowError):
        raise Refusal(f"{value!r} is not a valid date") from None


DOCUMENT_FIELDS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "InvoiceNumber": ("number", str),
    "CreditNoteNumber": ("number", str),
    "Date": ("on", date_of),
    "DueDate": ("due", date_of),
    "Reference": ("reference", str),
    "CurrencyCode": ("currency", str),
    "CurrencyRate": ("rate", amount_of),
    "Status": ("status", str),
    "LineAmountTypes": ("basis", str),
    "SentToContact": ("sent", bool),
}
"""The vendor's field, the document's attribute, and how the one is read into the other."""

PLAIN_FIELDS = ("Url", "BrandingThemeID", "ExpectedPaymentDate")
CONTACT_FIELDS = (
    "AccountNumber",
    "FirstName",
    "LastName",
    "EmailAddress",
    "DefaultCurrency",
    "TaxNumber",
    "Phones",
    "Addresses",
)


def priced_line(item: Any, places: int) -> dict[str, Any]:
    """A line with its amount; the unit price is rounded to so many places."""
    if not isinstance(item, Mapping):
        raise Refusal("A line item is not an object")
    line = {key: value for key, value in item.items() if value is not None}
    quantity = amount_of(line.get("Quantity", 1))
    unit = line.get("UnitAmount")
    if unit is None:
        given = amount_of(line.get("LineAmount", 0))
        unit = given / quantity if quantity else given
    price = amount_of(unit).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    line |= {"Quantity": quantity, "UnitAmount": price}
    line["TaxAmount"] = cents(amount_of(line.get("TaxAmount", 0)))
    line["LineAmount"] = cents(quantity * price) - discount_of(line)
    return line


def discount_of(line: Mapping[str, Any]) -> Decimal:
    """What a line's discount takes off: its rate in percent, or its amount."""
    if "DiscountRate" in line:
        gross = amount_of(line["Quantity"]) * amount_of(line["UnitAmount"])
        return cents(gross * amount_of(line["DiscountRate"]) / 100)
    return cents(amount_of(line.get("DiscountAmount", 0)))
