"""
How the fake Invoiced reads the fields it is sent, kind by kind, and its refusals.

Nothing here knows the books.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, TypeAlias

from tieout.wire import Twice

CUSTOMERS = "customers"
CONTACTS = "contacts"
INVOICES = "invoices"
CREDIT_NOTES = "credit_notes"
ESTIMATES = "estimates"
PAYMENTS = "payments"
ADJUSTMENTS = "credit_balance_adjustments"
DOCUMENT_KINDS = (INVOICES, CREDIT_NOTES, ESTIMATES)

OBJECTS: Mapping[str, str] = {
    CUSTOMERS: "customer",
    CONTACTS: "contact",
    INVOICES: "invoice",
    CREDIT_NOTES: "credit_note",
    ESTIMATES: "estimate",
    PAYMENTS: "payment",
    ADJUSTMENTS: "credit_balance_adjustment",
}
"""What one of a kind is called."""

METADATA_KEYS_MAX = 10
METADATA_KEY_LENGTH_MAX = 40
METADATA_VALUE_LENGTH_MAX = 255
MOMENT_MAX = 32_503_680_000
"""The year 3000: a number beyond it was meant as milliseconds."""
AMOUNT_DIGITS_MAX = 15
"""Beyond this no ledger keeps an amount, and `Decimal` itself gives up later."""
AMOUNT_PLACES_MAX = 20
PLACES_DEFAULT = 2
PLACES: Mapping[str, int] = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF"), 0),
    **dict.fromkeys(("BIF", "DJF", "GNF", "KMF", "RWF", "VUV", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""ISO 4217: the currencies that have not two decimals."""


class Refusal(ValueError):
    """Invoiced refuses a request, in its words; ``param`` names what is at fault."""

    def __init__(self, message: str, param: str = "", status: int = 400) -> None:
        self.message = message
        self.param = param
        self.status = status
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Application:
    """A part of a payment: what it settles, and the credit note that it takes it from."""

    type: str
    amount: Decimal
    target: tuple[str, int] | None = None
    credit_note: int | None = None

    @property
    def is_cash(self) -> bool:
        """Whether money of the payment went there, rather than a credit."""
        return self.type not in CREDIT_TYPES


TARGET_TYPES: Mapping[str, str] = {"invoice": INVOICES, "estimate": ESTIMATES}
CREDIT_TYPES = frozenset({"credit_note", "applied_credit"})
APPLICATION_TYPES = frozenset(
    {*TARGET_TYPES, *CREDIT_TYPES, "convenience_fee", "credit"}
)

Reader: TypeAlias = Callable[[str, Any], Any]
"""Takes a field's name and what was sent for it; raises `Refusal` naming the field."""


def text(name: str, value: Any) -> str:
    """A text; a number is taken as one."""
    if isinstance(value, bool | Mapping | list):
        raise Refusal(f"{name} must be a string", name)
    return str(value)


def flag(name: str, value: Any) -> bool:
    """Yes or no, as a boolean or as 0 and 1."""
    if str(value).lower() not in {"true", "false", "0", "1"}:
        raise Refusal(f"{name} must be a boolean", name)
    return str(value).lower() in {"true", "1"}


def whole(name: str, value: Any) -> int:
    """A whole number, as a number or as its digits."""
    digits = "" if isinstance(value, bool) else str(value)
    if not re.fullmatch(r"-?[0-9]{1,15}", digits):
        raise Refusal(f"{name} must be an integer", name)
    return int(digits)


def moment(name: str, value: Any) -> int:
    """UNIX seconds; a text like 2026-03-08 is refused."""
    seconds = whole(name, value)
    if not 0 <= seconds <= MOMENT_MAX:
        raise Refusal(f"{name} must be a UNIX timestamp in seconds", name)
    return seconds


def amount(name: str, value: Any) -> Decimal:
    """A plain finite number, as a number or as text."""
    try:
        found = Decimal("NaN" if isinstance(value, bool) else str(value))
    except InvalidOperation:
        raise Refusal(f"{name} must be a number", name) from None
    in_range = -AMOUNT_PLACES_MAX < found.adjusted() < AMOUNT_DIGITS_MAX
    if not found.is_finite() or (found and not in_range):
        raise Refusal(f"{name} must be a number", name)
    return found


def currency(name: str, value: Any) -> str:
    """Three letters, in whatever case."""
    code = text(name, value)
    if not re.fullmatch("[A-Za-z]{3}", code):
        raise Refusal(f"{code} is not a valid currency code", name)
    return code


def objects(name: str, value: Any) -> tuple[Mapping[str, Any], ...]:
    """A list of objects."""
    if not isinstance(value, list | tuple):
        raise Refusal(f"{name} must be a list", name)
    if not all(isinstance(each, Mapping) for each in value):
        raise Refusal(f"each of {name} must be an object", name)
    return tuple(value)


def texts(name: str, value: Any) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list | tuple):
        raise Refusal(f"{name} must be a list", name)
    return tuple(text(name, each) for each in value)


def mapping(name: str, value: Any) -> Mapping[str, Any]:
    """An object."""
    if not isinstance(value, Mapping):
        raise Refusal(f"{name} must be an object", name)
    return value


def metadata(name: str, value: Any) -> Mapping[str, str | None]:
    """Short texts by short keys; a null takes a key away. How many is `kept_metadata`'s."""
    found: dict[str, str | None] = {}
    for key, each in mapping(name, value).items():
        if len(key) > METADATA_KEY_LENGTH_MAX:
            raise Refusal(f"Metadata key {key!r} is longer than 40 characters", name)
        found[key] = None if each is None else text(name, each)
        if len(found[key] or "") > METADATA_VALUE_LENGTH_MAX:
            raise Refusal(f"Metadata value of {key!r} exceeds 255 characters", name)
    return found


def kept_metadata(found: Mapping[str, str | None]) -> dict[str, str]:
    """Metadata without what was taken away; more than 10 keys are refused."""
    kept = {key: value for key, value in found.items() if value is not None}
    if len(kept) > METADATA_KEYS_MAX:
        raise Refusal("There can be at most 10 metadata keys per object", "metadata")
    return kept


def application(name: str, value: Mapping[str, Any]) -> Application:
    """One element of ``applied_to``."""
    kind = text(name, value.get("type") or "")
    if kind not in APPLICATION_TYPES:
        raise Refusal(f"Invalid application type: {kind!r}", name)
    used = amount(name, value.get("amount") or 0)
    if used <= 0:
        raise Refusal("An application's amount must be greater than zero", name)
    target, credit_note = None, None
    named = value.get("document_type") if kind in CREDIT_TYPES else kind
    document = str(named or "")
    if kind in CREDIT_TYPES and document not in TARGET_TYPES:
        raise Refusal(f"document_type is needed for {kind}", name)
    if document in TARGET_TYPES:
        target = (TARGET_TYPES[document], whole(name, value.get(document)))
    if kind == "credit_note":
        credit_note = whole(name, value.get("credit_note"))
    return Application(kind, used, target, credit_note)


def applications(name: str, value: Any) -> tuple[Application, ...]:
    """All of ``applied_to``."""
    return tuple(application(name, each) for each in objects(name, value))


def places(code: str) -> int:
    """How many decimals a currency has."""
    return PLACES.get(code.upper(), PLACES_DEFAULT)


def rounded(value: Decimal, code: str) -> Decimal:
    """An amount in its currency's places, halves away from zero."""
    return value.quantize(Decimal(1).scaleb(-places(code)), ROUND_HALF_UP)


def parts(name: str, value: Any, code: str) -> tuple[dict[str, Any], ...]:
    """Discounts or taxes, each with its amount."""
    return tuple(
        {**each, "amount": rounded(amount(name, each.get("amount") or 0), code)}
        for each in objects(name, value or ())
    )


def total_of(rows: Iterable[Mapping[str, Any]]) -> Decimal:
    """The sum of their amounts."""
    return sum((row["amount"] for row in rows), Decimal(0))


LINE_FIELDS: Mapping[str, tuple[Reader, Any]] = {
    "catalog_item": (text, None),
    "type": (text, None),
    "name": (text, ""),
    "description": (text, None),
    "quantity": (amount, Decimal(1)),
    "unit_cost": (amount, Decimal(0)),
    "discountable": (flag, True),
    "taxable": (flag, True),
    "plan": (text, None),
    "metadata": (metadata, {}),
}


def line(value: Mapping[str, Any], code: str) -> dict[str, Any]:
    """A line item with its amount; it has no id yet."""
    found = {
        name: default if value.get(name) is None else read(f"items.{name}", value[name])
        for name, (read, default) in LINE_FIELDS.items()
    }
    found["metadata"] = kept_metadata(found["metadata"])
    found["amount"] = rounded(found["quantity"] * found["unit_cost"], code)
    for name in ("discounts", "taxes"):
        found[name] = parts(f"items.{name}", value.get(name), code)
    return found


_ADDRESS = ("address1", "address2", "city", "state", "postal_code", "country")
_NUMBERED: Mapping[str, tuple[Reader, Any]] = {
    "customer": (whole, None),
    "number": (text, None),
    "name": (text, None),
    "currency": (currency, None),
    "date": (moment, None),
    "purchase_order": (text, None),
    "draft": (flag, False),
    "closed": (flag, False),
    "sent": (flag, False),
    "notes": (text, None),
    "items": (objects, ()),
    "discounts": (objects, ()),
    "taxes": (objects, ()),
    "metadata": (metadata, {}),
}
_BILLED: Mapping[str, tuple[Reader, Any]] = {
    **_NUMBERED,
    "payment_terms": (text, None),
    "due_date": (moment, None),
    "autopay": (flag, False),
    "ship_to": (mapping, None),
    "attachments": (objects, ()),
    "disabled_payment_methods": (texts, ()),
}
FIELDS: Mapping[str, Mapping[str, tuple[Reader, Any]]] = {
    CUSTOMERS: {
        **dict.fromkeys(("name", "number", "email", "payment_terms"), (text, None)),
        **dict.fromkeys(("attention_to", *_ADDRESS, "language"), (text, None)),
        **dict.fromkeys(("tax_id", "phone", "notes"), (text, None)),
        "type": (text, "company"),
        "currency": (currency, None),
        "autopay": (flag, False),
        "parent_customer": (whole, None),
        "bill_to_parent": (flag, False),
        "taxable": (flag, True),
        "taxes": (objects, ()),
        "credit_hold": (flag, False),
        "credit_limit": (amount, None),
        "owner": (whole, None),
        "chase": (flag, True),
        "metadata": (metadata, {}),
    },
    CONTACTS: {
        **dict.fromkeys(("name", "title", "email", "phone"), (text, None)),
        **dict.fromkeys(("department", *_ADDRESS), (text, None)),
        "customer": (whole, None),
        "primary": (flag, True),
        "sms_enabled": (flag, False),
    },
    INVOICES: _BILLED,
    ESTIMATES: _BILLED,
    CREDIT_NOTES: {**_NUMBERED, "invoice": (whole, None)},
    PAYMENTS: {
        "customer": (whole, None),
        "date": (moment, None),
        "currency": (currency, None),
        "amount": (amount, Decimal(0)),
        "method": (text, "other"),
        "reference": (text, None),
        "ach_sender_id": (text, None),
        "source": (text, "keyed"),
        "notes": (text, None),
        "applied_to": (applications, ()),
        "metadata": (metadata, {}),
    },
    ADJUSTMENTS: {
        "customer": (whole, None),
        "date": (moment, None),
        "currency": (currency, None),
        "amount": (amount, Decimal(0)),
        "notes": (text, None),
    },
}
"""What may be written of each kind: how it is read, and what stands there without it.
Anything else that is sent, paid and balance among it, is passed over."""

FIXED: Mapping[str, frozenset[str]] = {
    CONTACTS: frozenset({"customer"}),
    INVOICES: frozenset({"customer"}),
    ESTIMATES: frozenset({"customer"}),
    CREDIT_NOTES: frozenset({"customer", "invoice"}),
    ADJUSTMENTS: frozenset({"customer"}),
}
"""What can be written once only, and is passed over in a change."""

METHODS = frozenset(
    {"ach", "cash", "check", "credit_card", "eft", "other", "paypal"}
    | {"direct_debit", "wire_transfer"}
)


def cleaned(value: Any) -> Any:
    """
    What was sent, with every empty text turned into null.

    What could not be told again is refused: half a character, a number out of all
    proportion, a key with two values.
    """
    match value:
        case "":
            return None
        case str() if any("\ud800" <= each <= "\udfff" for each in value):
            raise Refusal("The body is not valid UTF-8")
        case Decimal():
            return amount("number", value)
        case Twice():
            raise Refusal("The body has a key twice")
        case Mapping():
            return {str(key): cleaned(each) for key, each in value.items()}
        case list():
            return [cleaned(each) for each in value]
        case _:
            return value
