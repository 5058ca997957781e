"""
The fields that clients of the fake QuickBooks write: their names, shapes and values.

Reads them and refuses what the vendor refuses. Knows no objects and no HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

CUSTOMER, ITEM, ACCOUNT = "Customer", "Item", "Account"
INVOICE, CREDIT_MEMO, PAYMENT = "Invoice", "CreditMemo", "Payment"
JOURNAL_ENTRY, REFUND, DEPOSIT = "JournalEntry", "RefundReceipt", "Deposit"

ZERO = Decimal(0)
PLACES: Mapping[str, int] = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""ISO 4217 exponents; a currency that is not here has two decimals."""

_FORM = "CustomerRef Line DocNumber TxnDate CurrencyRef ExchangeRate PrivateNote CustomerMemo BillEmail EmailStatus PrintStatus GlobalTaxCalculation TxnTaxDetail BillAddr ShipAddr CustomField ClassRef DepartmentRef ApplyTaxAfterDiscount AutoDocNumber PaymentMethodRef"
_NAMES: Mapping[str, str] = {
    CUSTOMER: "DisplayName Title GivenName MiddleName FamilyName Suffix CompanyName PrintOnCheckName PrimaryEmailAddr PrimaryPhone Mobile BillAddr ShipAddr WebAddr Notes Active CurrencyRef Taxable Job ParentRef BillWithParent PreferredDeliveryMethod SalesTermRef PaymentMethodRef",
    INVOICE: f"{_FORM} DueDate SalesTermRef Deposit BillEmailCc BillEmailBcc AllowOnlinePayment AllowOnlineCreditCardPayment AllowOnlineACHPayment",
    CREDIT_MEMO: _FORM,
    PAYMENT: "CustomerRef TotalAmt TxnDate PaymentRefNum PaymentMethodRef DepositToAccountRef ARAccountRef CurrencyRef ExchangeRate PrivateNote Line ProcessPayment",
}
WRITABLE: Mapping[str, frozenset[str]] = {
    kind: frozenset(names.split()) for kind, names in _NAMES.items()
}
_SENT_BACK = "Id SyncToken MetaData domain sparse status Balance HomeBalance BalanceWithJobs TotalAmt HomeTotalAmt LinkedTxn RemainingCredit UnappliedAmt FullyQualifiedName Level InvoiceLink"
READ_ONLY = frozenset(_SENT_BACK.split())
"""Sent back by clients and passed over."""
ENUMERATIONS: Mapping[str, frozenset[str]] = {
    "EmailStatus": frozenset({"NotSet", "NeedToSend", "EmailSent"}),
    "PrintStatus": frozenset({"NotSet", "NeedToPrint", "PrintComplete"}),
    "GlobalTaxCalculation": frozenset({"TaxExcluded", "TaxInclusive", "NotApplicable"}),
}
LINE_TYPES = frozenset(
    {"SalesItemLineDetail", "DiscountLineDetail", "GroupLineDetail", "DescriptionOnly"}
)
NAME_PARTS = ("Title", "GivenName", "MiddleName", "FamilyName", "Suffix")

_LISTS = frozenset({"Line", "LinkedTxn", "CustomField", "TaxLine"})
_OBJECT = re.compile(r".+(Ref|Detail|Addr|Memo|Email(Cc|Bcc)?|Phone)|MetaData|Mobile")
_TEXTS = frozenset(
    {"DisplayName", "DocNumber", "PaymentRefNum", "PrivateNote", "Address", *NAME_PARTS}
    | {"DetailType", "TxnType", "TxnId", *ENUMERATIONS}
)
_EMAIL = re.compile(r"[^@\s,]+@[^@\s,]+\.[^@\s,]+")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)


class Refusal(Exception):
    """What the vendor refuses: its code, the detail after the message, the element."""

    def __init__(self, code: str, detail: str = "", element: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.element = element


def required(name: str) -> Refusal:
    """2020: a field is missing."""
    return Refusal("2020", f"Required parameter {name} is missing in the request", name)


def broken(detail: str) -> Refusal:
    """6000: a rule of business."""
    return Refusal("6000", f"Business Validation Error: {detail}")


def unreadable(name: str) -> Refusal:
    """2010: a property that the vendor does not know, or not in this form."""
    detail = f"Property Name:{name} specified is unsupported or invalid"
    return Refusal("2010", detail, name)


def shaped(body: Mapping[str, Any]) -> None:
    """Refuse fields that are not of their kind: objects, lists of objects, plain values."""
    for name, value in body.items():
        if name == "LineEx":
            # Computed by the server, and of a form of its own.
            continue
        is_list = name in _LISTS and isinstance(value, list)
        for each in value if is_list else [value]:
            if isinstance(each, Mapping) and (is_list or _OBJECT.fullmatch(name)):
                shaped(each)
            elif is_list or (each is not None and not _is_plain(name, each)):
                raise unreadable(name)


def _is_plain(name: str, value: Any) -> bool:
    if name in _TEXTS:
        return isinstance(value, str)
    is_compound = name in _LISTS or _OBJECT.fullmatch(name)
    return not is_compound and not isinstance(value, Mapping | list)


def writable(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a body that are kept."""
    shaped(body)
    for name, value in body.items():
        if name not in WRITABLE[kind] and name not in READ_ONLY:
            raise unreadable(name)
        if name in ENUMERATIONS and value and value not in ENUMERATIONS[name]:
            raise Refusal("2170", f"{value} is not supported", name)
    return {name: value for name, value in body.items() if name in WRITABLE[kind]}


def number(value: Any, name: str) -> Decimal:
    """A number of the request; 2080 where it is none."""
    text = str(value)
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        raise Refusal("2080", f"{text} is not a number", name)
    return Decimal(text)


def money(value: Any, name: str, currency: str) -> Decimal:
    """An amount of the request, without zeros at its end; 2080 where it is none."""
    amount = number(value, name)
    if amount != round(amount, PLACES.get(currency, 2)):
        raise Refusal("2080", f"{value} has too many decimals", name)
    return plain(amount)


def plain(amount: Decimal) -> Decimal:
    """The same amount as the vendor writes it: 300.00 is 300, 12.50 is 12.5."""
    return Decimal(format(amount.normalize(), "f")) if amount else ZERO


def ref_of(fields: Mapping[str, Any], name: str) -> str:
    """The id in a reference, or ''."""
    return str((fields.get(name) or {}).get("value") or "")


def day_of(fields: Mapping[str, Any], name: str) -> date | None:
    """A plain date, if it is there."""
    given = fields.get(name)
    if given is None:
        return None
    try:
        return date.fromisoformat(str(given))
    except ValueError:
        raise unreadable(name) from None


def check_length(fields: Mapping[str, Any], name: str, most: int) -> None:
    """2050 for a text that is too long."""
    length = len(fields.get(name) or "")
    if length > most:
        detail = f"Min:0 Max:{most} supported. Supplied length:{length}"
        raise Refusal("2050", detail, name)


def check_addresses(fields: Mapping[str, Any], name: str) -> None:
    """2210 for what is no e-mail address; several, with commas, are fine."""
    text = (fields.get(name) or {}).get("Address") or ""
    if text and not all(_EMAIL.fullmatch(each.strip()) for each in text.split(",")):
        raise Refusal("2210", text, name)
