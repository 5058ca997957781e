"""
Records and changes as Invoiced wants them sent.

Pure: nothing here sends anything or reads an answer. Of an update only what differs is
sent; lines, metadata and a payment's applications go as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from attrs import frozen

from tieout.change import Change
from tieout.connectors.invoiced import metadata
from tieout.connectors.invoiced.days import Days
from tieout.connectors.invoiced.rows import ID
from tieout.errors import Code, Fault
from tieout.models import (
    Application,
    CreditNote,
    Invoice,
    Line,
    Part,
    Payment,
    Ref,
    Status,
)

# fmt: off
METHODS = (
    "ach", "cash", "check", "credit_card", "direct_debit", "eft", "other", "paypal",
    "wire_transfer",
)
# fmt: on
"""The ways of payment that Invoiced knows."""

WRITTEN = ("invoice", "credit_note")
"""Types of splits that can be written; the others come about at Invoiced itself."""


@frozen
class Bodies:
    """
    How the records of one business are written.

    ``key`` is the metadata that holds our mark; ``method`` and ``item`` are those of
    payments and lines that have none.
    """

    days: Days
    key: str
    method: str
    item: str

    def customer(self, change: Change) -> dict[str, Any]:
        return self._differing(change, _customer_fields)

    # Documents

    def document(self, change: Change) -> dict[str, Any]:
        """Of an invoice or a credit note; an update leaves out what stays."""
        before, after = change.before, change.after
        assert isinstance(after, Invoice | CreditNote)
        body = self._differing(change, self._document_fields)
        if not isinstance(before, Invoice | CreditNote):
            body |= {"customer": own(after.customer), "calculate_taxes": False}
            return {**body, "items": self._items(after)}
        if after.customer != before.customer:
            text = "Invoiced does not move a document to another customer"
            raise Fault(Code.NOT_ALLOWED, text, field="customer")
        if (after.lines, after.total) != (before.lines, before.total):
            # Discounts and taxes of the whole document were read as lines.
            rest = {"discounts": [], "taxes": [], "calculate_taxes": False}
            body |= {"items": self._items(after), **rest}
        return body

    def _document_fields(self, of: Any) -> dict[str, Any]:
        due = getattr(of, "due", None)
        return {
            "number": of.number,
            "currency": of.currency.lower(),
            "date": self.days.noon(of.on),
            "due_date": due and self.days.noon(due),
            "purchase_order": of.reference,
            "draft": of.status is Status.DRAFT,
        }

    def _items(self, of: Invoice | CreditNote) -> list[dict[str, Any]]:
        lines = of.lines or (Line(of.reference or of.number, of.total),)
        return [self._item(line) for line in lines]

    def _item(self, line: Line) -> dict[str, Any]:
        """A line, whose quantity times price is its amount to the last digit."""
        quantity, price = line.quantity, line.unit_price
        if quantity is None or price is None or quantity * price != line.amount:
            quantity, price = Decimal(1), line.amount
        item, custom = line.item or self.item, {**line.custom, **line.dimensions}
        sent = {
            "catalog_item": item,
            "name": line.description or item or "-",
            "quantity": quantity,
            "unit_cost": price,
            "taxes": [{"amount": line.tax}] if line.tax else None,
            "metadata": metadata.written(custom) or None,
        }
        return {name: value for name, value in sent.items() if value not in (None, "")}

    # Payments

    def payment(self, change: Change) -> dict[str, Any]:
        after, body = change.after, self._differing(change, self._payment_fields)
        assert isinstance(after, Payment)
        if change.before is not None:
            return body
        owner = {"customer": own(after.customer)} if after.customer else {}
        return {**owner, "currency": after.currency.lower(), **body}

    def _payment_fields(self, of: Any) -> dict[str, Any]:
        ours = (Part.CASH, Part.CREDIT)
        applied = [each for each in of.applications if each.live and each.how in ours]
        return {
            "date": self.days.noon(of.on),
            "amount": of.amount,
            "method": of.method if of.method in METHODS else self.method,
            "reference": of.reference,
            "applied_to": [
                split(each, of) for each in applied if each.source.kind != "Customer"
            ],
        }

    def paying(
        self,
        mark: str,
        customer: Ref | None,
        currency: str,
        amount: Decimal,
        on: date | None,
        splits: Sequence[dict[str, Any]],
    ) -> dict[str, Any]:
        """A new payment for these splits alone, by the method of payments without one."""
        sent = {
            "customer": own(customer) if customer else None,
            "date": self.days.noon(on) if on else None,
            "currency": currency.lower(),
            "method": self.method,
            "amount": amount,
            "applied_to": [*splits],
            "metadata": {self.key: mark} if mark else None,
        }
        return {name: value for name, value in sent.items() if value is not None}

    # All of them

    def _differing(
        self, change: Change, fields: Callable[[Any], dict[str, Any]]
    ) -> dict[str, Any]:
        """Of a new record all that there is, else what differs; null clears."""
        wanted = fields(change.after)
        marked = self._marked(change)
        if change.before is None:
            told = {n: value for n, value in wanted.items() if value not in (None, "")}
            return told | marked
        held = fields(change.before)
        changed = {n: None if v == "" else v for n, v in wanted.items() if v != held[n]}
        return changed | marked

    def _marked(self, change: Change) -> dict[str, Any]:
        """
        The metadata: what is there, what is wanted, and on a new record our mark.

        It goes as a whole, since a part may wipe out the rest (not documented).
        """
        before, after = change.before, change.after
        kept = dict(before.custom) if before else {}
        mark = {self.key: change.mark} if change.mark and change.target is None else {}
        wanted = {**kept, **(after.custom if after else {}), **mark}
        return {} if wanted == kept else {"metadata": metadata.written(wanted)}


def _customer_fields(of: Any) -> dict[str, Any]:
    return {
        "name": of.name,
        "number": of.number,
        "email": of.email,
        "currency": of.currency.lower(),
        "parent_customer": own(of.parent) if of.parent else None,
    }


def own(ref: Ref | None) -> int:
    """An id as Invoiced has it, a whole number; `Fault` NOT_ALLOWED where it is none."""
    if ref is None or not ID.fullmatch(ref.id):
        raise Fault(
            Code.NOT_ALLOWED, f"{ref.id if ref else 'none'} is no id of Invoiced"
        )
    return int(ref.id)


def cash_split(invoice: Ref, amount: Decimal) -> dict[str, Any]:
    """What a payment itself puts to an invoice."""
    return {"type": "invoice", "invoice": own(invoice), "amount": amount}


def split(each: Application, of: Payment | Application) -> dict[str, Any]:
    """An application as one split of a payment."""
    if each.currency != of.currency:
        text = f"{each.currency} and {of.currency} in one payment"
        raise Fault(Code.NOT_ALLOWED, text, field="currency")
    put = cash_split(each.target, each.amount)
    if each.source.kind != "CreditNote":
        return put
    note = {"credit_note": own(each.source), "document_type": "invoice"}
    return {**put, "type": "credit_note", **note}
