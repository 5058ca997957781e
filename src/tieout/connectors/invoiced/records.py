"""
Invoiced's rows as records: customers, invoices, credit notes, and what an invoice says.

Pure: nothing here asks for anything. What an invoice was paid by is not in its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from attrs import frozen

from tieout.connector import Fields
from tieout.connectors.invoiced import metadata
from tieout.connectors.invoiced.days import seconds
from tieout.connectors.invoiced.errors import LOOK
from tieout.connectors.invoiced.rows import Rows, currency_of, stamped
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Ref,
    Settlement,
    Status,
    clean_number,
)
from tieout.money import ZERO, parse_amount

# fmt: off
_SENT = ("not_sent", "sent", "viewed", "past_due", "pending")
_INVOICE_STATUSES: Mapping[str, Status] = {
    "draft": Status.DRAFT, **dict.fromkeys(_SENT, Status.OPEN),
    "bad_debt": Status.OPEN,  # unverified; a closed invoice is still owed
    "paid": Status.SETTLED, "voided": Status.VOID,
}
_NOTE_STATUSES: Mapping[str, Status] = {
    "draft": Status.DRAFT, "open": Status.OPEN,
    "paid": Status.SETTLED, "closed": Status.SETTLED, "voided": Status.VOID,
}
# fmt: on


@frozen
class Records(Rows):
    """The customers and documents of one business."""

    def customer(self, row: Fields) -> Customer:
        return Customer(
            self.ref("Customer", row),
            row.text("name"),
            number=row.number("number"),
            email=row.text("email"),
            currency=currency_of(row) if row.raw.get("currency") else "",
            active=row.flag("active", default=True),
            parent=self.maybe_ref("Customer", row, "parent_customer"),
            **stamped(row),
        )

    def survivor(self, event: Fields, customer: str) -> str:
        """Into which customer an event says that this one was merged, or nothing."""
        data = event.inside("data")
        into, was = data.inside("object"), data.inside("previous")
        told = event.text("type") == "customer.merged" and into.has("id")
        if not told or (was.has("id") and was.id("id") != customer):
            return ""
        found = self.ref("Customer", into).id
        return "" if found == customer else found

    def _head(self, row: Fields, kind: str) -> dict[str, Any]:
        """What all documents have in common, by the names of the records' fields."""
        currency = currency_of(row)
        return {
            "ref": self.ref(kind, row),
            "number": row.number("number"),
            "customer": self.ref("Customer", row, "customer"),
            "currency": currency,
            "total": row.amount("total", currency),
            "reference": clean_number(row.text("purchase_order")),
            **stamped(row),
        }

    def settlement(self, row: Fields) -> Settlement:
        """What the invoice itself says; its payments say the rest."""
        head, on = self._head(row, "Invoice"), row.maybe("date", self.days.of)
        balance = row.amount("balance", head["currency"])
        status = _status(row, _INVOICE_STATUSES, balance)
        void = status is Status.VOID
        return Settlement(
            **head,
            balance=ZERO if void else balance,
            status=status,
            on=on,
            settled_by={} if void else {Part.CASH: ZERO, Part.CREDIT: ZERO},
            # From when on payments can have been applied to it.
            carry=row.maybe("created_at", seconds) or 0,
        )

    def invoice(self, row: Fields) -> Invoice:
        head, balance = self._document(row, "Invoice")
        status = _status(row, _INVOICE_STATUSES, balance)
        return Invoice(**head, status=status, due=row.maybe("due_date", self.days.of))

    def credit_note(self, row: Fields) -> CreditNote:
        head, left = self._document(row, "CreditNote")
        status = _status(row, _NOTE_STATUSES, left)
        return CreditNote(**head, status=status, remaining=left)

    def _document(self, row: Fields, kind: str) -> tuple[dict[str, Any], Decimal]:
        """What invoices and credit notes have in common, and what is left of one."""
        head = self._head(row, kind)
        currency = head["currency"]
        lines = [
            line
            for each in row.children("items")
            for line in (_line(each, currency), *_discounts(each, currency))
        ]
        lines += [*_discounts(row, currency), *_taxes(row, currency)]
        head |= {"on": row.read("date", self.days.of), "lines": tuple(lines)}
        return head, row.amount("balance", currency)

    def issued(self, row: Fields) -> tuple[Ref, ...]:
        """The invoice that a credit note was issued against."""
        invoice = self.maybe_ref("Invoice", row, "invoice")
        return (invoice,) if invoice else ()


def _status(row: Fields, table: Mapping[str, Status], balance: Decimal) -> Status:
    """Where a document is: the status is what customers see, what is owed decides."""
    told = row.choice("status", table)
    if told in (Status.VOID, Status.DRAFT):
        return told
    if row.text("status") == "paid" and balance > 0:
        text = f"it is called paid, and {balance} is owed"
        raise LOOK.fault(text, field="status")
    return Status.SETTLED if balance <= 0 else told


# Lines ------------------------------------------------------------------------------


def _line(row: Fields, currency: str) -> Line:
    taxes = _taxes(row, currency)
    title = (row.text("name"), row.text("description"))
    return Line(
        ": ".join(filter(None, title)),
        row.maybe_amount("amount", currency) or ZERO,
        quantity=row.maybe("quantity", parse_amount),
        unit_price=row.maybe("unit_cost", parse_amount),
        tax=sum((each.tax or ZERO for each in taxes), ZERO) if taxes else None,
        tax_code=taxes[0].tax_code if taxes else "",
        item=row.maybe("catalog_item", _name) or "",
        custom=metadata.read(row),
    )


def _discounts(row: Fields, currency: str) -> list[Line]:
    """Discounts as lines of their own."""
    amounts = [each.amount("amount", currency) for each in row.children("discounts")]
    return [Line("Discount", -amount) for amount in amounts]


def _taxes(row: Fields, currency: str) -> list[Line]:
    """Taxes as lines of nothing but tax."""
    return [
        Line(
            "Tax",
            tax=each.amount("amount", currency),
            tax_code=each.maybe("tax_rate", _name) or "",
        )
        for each in row.children("taxes")
    ]


def _name(value: Any) -> str:
    """An id, also where the whole object stands in its place."""
    return Fields(value if isinstance(value, Mapping) else {"id": value}).id("id")
