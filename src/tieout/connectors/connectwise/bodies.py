"""
Records and changes as ConnectWise wants them sent: pure.

Nothing here sends anything or knows an address. Of an update only what differs is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from attrs import frozen

from tieout.change import Change
from tieout.connectors.connectwise.records import ID
from tieout.errors import Code, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    Status,
)

IDENTIFIER_MAX = 30
"""Characters of a company's identifier; a mark has 16."""


# fmt: off
@frozen
class Bodies:
    """
    What new records get: see the arguments of the connector.

    ``currencies`` are ConnectWise's ids by currency code.
    """

    invoice_type: str
    final_status: int | None
    negative_memos: bool
    currencies: Mapping[str, int]
    company_fields: Mapping[str, Any]
    invoice_fields: Mapping[str, Any]
    payment_fields: Mapping[str, Any]

    def company(self, change: Change) -> dict[str, Any]:
        """A company's fields; a new one has the mark as its identifier."""
        after = change.after
        assert isinstance(after, Customer)
        told = {"name": after.name, "accountNumber": after.number or None, "invoiceToEmailAddress": after.email or None}
        if change.target is not None:
            return told
        identifier = (change.mark or after.number or after.name)[:IDENTIFIER_MAX]
        new = {"identifier": identifier, "currency": _reference(self.currencies.get(after.currency))}
        return {**self.company_fields, **told, **new}

    def document(self, change: Change) -> dict[str, Any]:
        """An invoice's or credit memo's fields: no lines, ConnectWise takes none here."""
        after, memo = change.after, change.kind is CreditNote
        assert isinstance(after, Invoice | CreditNote)
        if after.customer is None:
            raise Fault(Code.BAD_FIELD, "it has no customer", field="customer")
        if not after.number:
            text = "it needs a number, by which it is found again"
            raise Fault(Code.NOT_ALLOWED, text, field="number")
        told = {
            "invoiceNumber": after.number, "company": _reference(after.customer.id), "date": _stamp(after.on),
            "total": -after.total if memo and self.negative_memos else after.total,
        }
        if isinstance(after, Invoice):
            told["dueDate"] = _stamp(after.due)
        if change.target is not None:
            return told
        final = self.final_status if after.status is not Status.DRAFT else None
        new = {
            "type": "CreditMemo" if memo else self.invoice_type, "status": _reference(final),
            "currency": _reference(self._unit(after.currency)),
        }
        return {**self.invoice_fields, **told, **new}

    def _unit(self, currency: str) -> int | None:
        """ConnectWise's id of a currency; where ids are given, none is left to be guessed."""
        if self.currencies and currency not in self.currencies:
            text = f"currencies has no id of ConnectWise's for {currency}"
            raise Fault(Code.NOT_ALLOWED, text, field="currency")
        return self.currencies.get(currency)

    def payment(self, change: Change) -> dict[str, Any]:
        """A payment record's fields, of money and of an applied credit memo alike."""
        after = change.after
        assert isinstance(after, Payment | Application)
        told = receipt_body(after.amount, after.on)
        if isinstance(after, Application):
            if after.source.kind != "CreditNote":
                text = "money is put to an invoice by making its payment"
                raise Fault(Code.NOT_ALLOWED, text, field="source")
            told["credit"] = _reference(after.source.id)
        return told if change.target else {**self.payment_fields, **told}
# fmt: on


# Parts of a body ----------------------------------------------------------------------


def receipt_body(
    amount: Decimal, on: date | None, *, dated: bool = True
) -> dict[str, Any]:
    """What a payment record tells of money; where it is not ``dated``, no day."""
    return {"amount": amount, **({"paymentDate": _stamp(on)} if dated else {})}


def _stamp(day: date | None) -> str | None:
    """A day as ConnectWise takes it: midnight, called UTC."""
    return f"{day}T00:00:00Z" if day else None


def filled(told: Mapping[str, Any]) -> dict[str, Any]:
    """Without the fields that have no value."""
    return {name: value for name, value in told.items() if value is not None}


def edits(was: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What makes the one of the other: the body of a PATCH, only of what differs."""
    found: list[dict[str, Any]] = []
    for name, value in wanted.items():
        held = was.get(name)
        if value is None and held is not None:
            found.append({"op": "remove", "path": name})
        elif value != held:
            op = "add" if held is None else "replace"
            found.append({"op": op, "path": name, "value": value})
    return found


def invoice_of(after: Any) -> str:
    """The id of the one invoice that a new payment or application is of."""
    if not isinstance(after, Payment):
        return str(after.target.id)
    if after.unapplied or not after.is_of_one:
        text = (
            "a payment in ConnectWise is of exactly one invoice, wholly applied to it"
        )
        raise Fault(Code.NOT_ALLOWED, text, field="applications")
    return next(put.target.id for put in after.applications if put.live)


def _reference(identity: str | int | None) -> dict[str, int] | None:
    """A record that another one names, as it is sent."""
    if identity is None:
        return None
    if not ID.fullmatch(str(identity)):
        text = f"{identity!r} is no id of ConnectWise"
        raise Fault(Code.BAD_FIELD, text, field="id")
    return {"id": int(identity)}
