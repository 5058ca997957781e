"""
QuickBooks' rows as records of tieout: pure.

Nothing here asks for anything or makes a body to send. Calendar days are never shifted,
and what cannot be read is an issue of its record, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from attrs import frozen

from tieout.connector import Fields, iso_day, iso_instant, system_id
from tieout.connectors.quickbooks.money import Put, Sale, level, linked, split
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Payment,
    Ref,
    Settlement,
    Status,
    clean_number,
)
from tieout.money import ZERO, parse_amount

ID = re.compile(r"[0-9]{1,20}", re.ASCII)
"""What QuickBooks gives: digits, unique among the records of one type."""

CLASS, LOCATION = "class", "location"
"""The two dimensions, by the names that lines give them."""


def own_id(row: Fields, name: str = "Id") -> str:
    """An id that QuickBooks can be asked for."""
    return system_id(row, name, ID, "QuickBooks")


def value(row: Fields, name: str) -> str:
    """What a reference such as ``{"value": "1", "name": "Ada"}`` points to, or ""."""
    return row.inside(name).text("value")


def _changed(row: Fields) -> dict[str, Any]:
    """Change time and version."""
    at = row.inside("MetaData").maybe("LastUpdatedTime", iso_instant)
    return {"changed_at": at, "version": row.text("SyncToken")}


def stamped(row: Fields) -> datetime:
    """When a row was changed last."""
    return row.inside("MetaData").read("LastUpdatedTime", iso_instant)


def is_deleted(row: Any) -> bool:
    """Whether a row of the change feed says that its record is gone."""
    return isinstance(row, dict) and row.get("status") == "Deleted"


# Lines ------------------------------------------------------------------------------

_ITEM, _DISCOUNT = "SalesItemLineDetail", "DiscountLineDetail"


def _lines(row: Fields, currency: str) -> Iterator[Line]:
    """The lines of a document; groups are taken apart, computed sub-totals left out."""
    location = value(row, "DepartmentRef")
    for each in row.children("Line"):
        kind = each.text("DetailType")
        if kind == "GroupLineDetail":
            inner = {**each.inside(kind).raw, "DepartmentRef": {"value": location}}
            yield from _lines(Fields(inner, each.path(kind)), currency)
        elif kind != "SubTotalLineDetail":
            yield _line(each, each.inside(kind), currency, location)


def _line(row: Fields, detail: Fields, currency: str, location: str) -> Line:
    """A line; a discount takes off what QuickBooks gives as a positive amount."""
    discount = row.text("DetailType") == _DISCOUNT
    amount = row.maybe_amount("Amount", currency) or ZERO
    told = {CLASS: value(detail, "ClassRef"), LOCATION: location}
    # fmt: off
    return Line(
        row.text("Description"), -amount if discount else amount,
        quantity=detail.maybe("Qty", parse_amount), unit_price=detail.maybe("UnitPrice", parse_amount),
        tax_code=value(detail, "TaxCodeRef"), account=value(detail, "ItemAccountRef") or value(detail, "DiscountAccountRef"),
        item=value(detail, "ItemRef"), dimensions={name: held for name, held in told.items() if held},
        custom={"Id": row.text("Id")} if row.text("Id") else {},
    )
    # fmt: on


# Records ----------------------------------------------------------------------------


@frozen
class Records:
    """
    The records of one ``connection``.

    ``currency`` is that of documents that name none, ``void_note`` how the note of a
    voided record begins, ``marks`` the field of each kind that our mark goes to.
    """

    connection: str
    currency: str = ""
    void_note: str = "Voided"
    marks: Mapping[str, str] = {}

    def ref(self, kind: str, identity: str) -> Ref:
        return Ref(self.connection, kind, identity)

    def alive(
        self, kind: str, load: Callable[[Fields], Any]
    ) -> Callable[[Fields], Any]:
        """The loader; of a record that is gone it gives the ref."""

        def loaded(row: Fields) -> Any:
            gone = is_deleted(row.raw)
            return self.ref(kind, own_id(row)) if gone else load(row)

        return loaded

    def _currency(self, row: Fields) -> str:
        told = row.inside("CurrencyRef")
        unnamed = self.currency and not told.has("value")
        return self.currency if unnamed else told.currency("value")

    def _noted_void(self, row: Fields) -> bool:
        """Whether the note says that it was voided: evidence, and no proof."""
        note, begins = row.text("PrivateNote").casefold(), self.void_note.casefold()
        return bool(begins) and note.startswith(begins)

    def _marked(self, row: Fields, kind: str, *, but: str = "") -> dict[str, str]:
        """Our mark's field, where no field of the record holds it."""
        name = self.marks.get(kind, "")
        held = row.text(name) if name not in ("", "DocNumber", but) else ""
        return {name: held} if held else {}

    # fmt: off
    def customer(self, row: Fields) -> Customer:
        parent, name = value(row, "ParentRef"), row.text("DisplayName")
        marked = self._marked(row, "Customer")
        return Customer(
            self.ref("Customer", own_id(row)), name,
            email=row.inside("PrimaryEmailAddr").text("Address"), currency=value(row, "CurrencyRef"),
            active=row.flag("Active", default=True), parent=self.ref("Customer", parent) if parent else None,
            # QuickBooks fills some fields with the name itself.
            custom={key: held for key, held in marked.items() if held != name}, **_changed(row),
        )

    def _head(self, row: Fields, kind: str) -> dict[str, Any]:
        """What all documents have in common, by the names of the records' fields."""
        currency = self._currency(row)
        return {
            "ref": self.ref(kind, own_id(row)), "number": row.number("DocNumber"),
            "customer": self.ref("Customer", own_id(row.inside("CustomerRef"), "value")),
            "reference": clean_number(row.text("PrivateNote")), "currency": currency,
            "total": row.amount("TotalAmt", currency), **_changed(row),
            "custom": self._marked(row, kind, but="PrivateNote"),
        }
    # fmt: on

    def settlement(self, row: Fields) -> Settlement:
        head, on = self._head(row, "Invoice"), row.maybe("TxnDate", iso_day)
        currency, total = head["currency"], head["total"]
        balance, noted = row.amount("Balance", currency), self._noted_void(row)
        if noted and not total and not balance:
            return Settlement(**head, on=on, balance=ZERO, status=Status.VOID)
        sale = Sale(currency, total, balance, on)
        return Settlement(**head, **level(row, sale, noted_void=noted), on=on)

    def invoice(self, row: Fields) -> Invoice:
        document = self._document(row, "Invoice", "Balance")[0]
        return Invoice(**document, due=row.maybe("DueDate", iso_day))

    def credit_note(self, row: Fields) -> CreditNote:
        left = "RemainingCredit" if row.has("RemainingCredit") else "Balance"
        document, remaining = self._document(row, "CreditNote", left)
        return CreditNote(**document, remaining=remaining)

    def _document(
        self, row: Fields, kind: str, rest: str
    ) -> tuple[dict[str, Any], Decimal | None]:
        """What invoices and credit memos have in common, and what is left of one."""
        head = self._head(row, kind)
        left, status = row.maybe_amount(rest, head["currency"]), Status.OPEN
        if self._noted_void(row) and not head["total"] and not left:
            status = Status.VOID
        elif left is not None and left <= 0:
            status = Status.SETTLED
        lines = tuple(_lines(row, head["currency"]))
        on = row.read("TxnDate", iso_day)
        return {**head, "on": on, "lines": lines, "status": status}, left

    # Payments

    def payment(self, row: Fields) -> Payment | None:
        """A payment; one of no amount only applies credits and is none."""
        currency = self._currency(row)
        total = row.amount("TotalAmt", currency)
        unapplied = row.maybe_amount("UnappliedAmt", currency)
        puts = split(row, currency)
        nothing = not total and not unapplied
        void = nothing and not row.children("Line")
        if nothing and not void:
            return None
        status = Status.VOID if void else Status.OPEN if unapplied else Status.SETTLED
        cash = [
            self._application(row, currency, p) for p in puts if p.kind == "Payment"
        ]
        mixed = len(cash) < len(puts)  # its lines are not all told here
        # fmt: off
        return Payment(
            self.ref("Payment", own_id(row)), self.ref("Customer", own_id(row.inside("CustomerRef"), "value")),
            currency, row.read("TxnDate", iso_day), total, status,
            reference=clean_number(row.text("PaymentRefNum")), unapplied=unapplied, applications=tuple(cash),
            method=value(row, "PaymentMethodRef"), account=value(row, "DepositToAccountRef"),
            custom=self._marked(row, "Payment", but="PaymentRefNum"), carry=mixed or None, **_changed(row),
        )
        # fmt: on

    def applications(self, row: Fields) -> tuple[Application, ...]:
        """
        All that a payment put to invoices: its own money, and credit memos.

        One that was deleted does not tell what that was.
        """
        if is_deleted(row.raw):
            return ()
        currency = self._currency(row)
        puts = [p for p in split(row, currency) if p.kind in ("Payment", "CreditMemo")]
        return tuple(self._application(row, currency, put) for put in puts)

    def _application(self, row: Fields, currency: str, put: Put) -> Application:
        identity, cash = f"{own_id(row)}/{put.invoice}", put.kind == "Payment"
        # Only what stands alone in its payment can be undone by voiding that.
        alone = not cash and len(row.children("Line")) == 2 and self._is_link(row)  # noqa: PLR2004 - one of each side
        # fmt: off
        return Application(
            self.ref("Application", identity if cash else f"{identity}/{put.source}"),
            self.ref("Payment" if cash else "CreditNote", put.source), self.ref("Invoice", put.invoice),
            put.amount, currency, row.read("TxnDate", iso_day), how=put.how,
            source_amount=put.amount, source_currency=currency, carry=alone or None,
            custom=self._marked(row, "Application"), **_changed(row),
        )
        # fmt: on

    def _is_link(self, row: Fields) -> bool:
        """Whether a payment has no money of its own."""
        amounts = (row.raw.get("TotalAmt"), row.raw.get("UnappliedAmt"))
        return not any(amounts)

    def touched(self, row: Fields) -> tuple[Ref, ...]:
        """The invoices that a payment is put to."""
        if is_deleted(row.raw):
            return ()  # it does not tell what it left
        return tuple(self.ref("Invoice", each) for each in linked(row.raw, "Invoice"))
