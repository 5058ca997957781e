"""
Autotask's rows as records of tieout: pure.

Nothing here asks for anything; a row comes with the currency and the lines that it was
joined with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from attrs import frozen

from tieout.connector import Fields, iso_day, system_id
from tieout.connectors.autotask.queries import instant
from tieout.errors import Code, Fault
from tieout.models import (
    Basis,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Posting,
    Ref,
    Settlement,
    Status,
    clean_number,
)
from tieout.money import ZERO, parse_amount

ID = re.compile(r"[0-9]{1,18}", re.ASCII)
"""What an id of Autotask looks like: a whole number of 64 bits."""

HELD = ("paymentTerm", "batchID")
LINE_HELD = ("id", "billingItemType", "lineItemID", "contractID", "projectID")
"""What a document and a line hold besides, as it is."""


# Fields -------------------------------------------------------------------------------


def own_id(row: Fields, name: str = "id") -> str:
    """An id that Autotask can have given, and can be asked for."""
    return system_id(row, name, ID, "Autotask")


def _number(row: Fields) -> str:
    """An invoice's number; one without is printed with its id."""
    return row.number("invoiceNumber") or own_id(row)


def _held(row: Fields, names: Iterable[str]) -> dict[str, Any]:
    return {name: row.text(name) for name in names if row.has(name)}


def _lines(row: Fields, currency: str, sign: int) -> tuple[Line, ...]:
    """Billing items; ``sign`` is -1 where the document is a credit note."""
    return tuple(_line(each, currency, sign) for each in row.children("lines"))


def _line(row: Fields, currency: str, sign: int) -> Line:
    price, tax = (
        row.maybe_amount(name, currency) for name in ("extendedPrice", "taxDollars")
    )
    rate = row.maybe("rate", parse_amount)
    return Line(
        row.text("description") or row.text("itemName"),
        sign * (price or ZERO) or ZERO,
        quantity=row.maybe("quantity", parse_amount),
        unit_price=None if rate is None else sign * rate or ZERO,
        tax=None if tax is None else sign * tax or ZERO,
        account=row.text("billingCodeID"),
        item=row.text("serviceID"),
        custom=_held(row, LINE_HELD),
    )


# Records ------------------------------------------------------------------------------


@frozen
class Records:
    """
    The records of one ``connection``.

    ``currency`` is that of all of them, or "" where each row has its own. With
    ``credit_notes`` an invoice below zero is one. ``stamp_field`` is where a company tells
    when it changed, ``mark_field`` the user-defined field that our mark is in.
    """

    connection: str
    currency: str
    credit_notes: bool
    stamp_field: str
    mark_field: str

    def _ref(self, kind: str, identity: str) -> Ref:
        return Ref(self.connection, kind, identity)

    def customer(self, row: Fields) -> Customer:
        """A company, with our mark where it shows one."""
        parent = row.id("parentCompanyID") if row.has("parentCompanyID") else ""
        udfs = row.children("userDefinedFields") if self.mark_field else []
        told = {each.text("name"): each.text("value") for each in udfs}
        mark = told.get(self.mark_field)
        return Customer(
            self._ref("Customer", own_id(row)),
            name=row.text("companyName"),
            number=row.number("companyNumber"),
            currency=self.currency or row.text("currency"),
            active=row.flag("isActive", default=True),
            parent=self._ref("Customer", parent) if parent else None,
            changed_at=row.maybe(self.stamp_field, instant),
            custom={self.mark_field: mark} if mark else {},
        )

    def _head(self, row: Fields, kind: str) -> dict[str, Any] | None:
        """What all documents have in common; None where it is one of the other kind."""
        if not self.currency and not row.has("currency"):
            text = f"company {row.text('companyID')} has no currency that can be read"
            raise Fault(Code.BAD_CURRENCY, text, field="companyID")
        currency = self.currency or row.currency("currency")
        own, total = own_id(row), row.amount("invoiceTotal", currency)
        credit = total < 0 and self.credit_notes
        if credit is not (kind == "CreditNote"):
            return None
        paid = row.maybe("paidDate", iso_day) or (total <= 0 and not credit)
        standing = Status.SETTLED if paid else Status.OPEN
        return {
            "ref": self._ref(kind, own),
            "number": _number(row),
            "customer": self._ref("Customer", row.id("companyID")),
            "currency": currency,
            "on": row.read("invoiceDateTime", iso_day),
            "total": abs(total) if credit else total,
            "status": Status.VOID if row.flag("isVoided") else standing,
            "reference": clean_number(row.text("orderNumber")),
        }

    def settlement(self, row: Fields) -> Settlement | None:
        """Paid in full on a day, or not: Autotask knows nothing between."""
        head = self._head(row, "Invoice")
        if head is None:
            return None
        paid_on, void = row.maybe("paidDate", iso_day), head["status"] is Status.VOID
        balance = head["total"] if head["status"] is Status.OPEN else ZERO
        return Settlement(
            **head,
            balance=balance,
            settled_by={} if void else {Part.CASH: head["total"] - balance},
            paid_on=paid_on,
            basis=Basis.LEDGER_FIELD if paid_on else None,
        )

    def invoice(self, row: Fields) -> Invoice | None:
        """An invoice with its lines; None for a credit note."""
        head = self._head(row, "Invoice")
        if head is None:
            return None
        lines = _lines(row, head["currency"], 1)
        due, custom = row.maybe("dueDate", iso_day), _held(row, HELD)
        return Invoice(**head, due=due, lines=lines, custom=custom)

    def credit_note(self, row: Fields) -> CreditNote | None:
        """An invoice below zero, its amounts turned round; None for any other."""
        head = self._head(row, "CreditNote")
        if head is None:
            return None
        lines = _lines(row, head["currency"], -1)
        # What was applied of it stands nowhere, but that a day says that it is used up.
        left = None if head["status"] is Status.OPEN else ZERO
        return CreditNote(**head, remaining=left, lines=lines, custom=_held(row, HELD))

    def posting(self, row: Fields) -> Posting:
        """When an invoice was handed over."""
        own, on = own_id(row), row.maybe("webServiceDate", instant)
        return Posting(self._ref("Posting", own), _number(row), on)
