"""
Xero's rows as records.

Pure: nothing here asks for anything, and what an invoice was settled by is told in the
room next door.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from itertools import chain
from typing import Any

from attrs import evolve, frozen

from tieout.connector import Fields, system_id
from tieout.connectors.xero.money import money_of
from tieout.connectors.xero.values import ID, PAID, SALE, calendar, changed_at, day
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    Ref,
    Settlement,
    Status,
    clean_number,
)
from tieout.money import ZERO, parse_amount

# fmt: off
_STATUSES: Mapping[str, Status] = {
    "DRAFT": Status.DRAFT, "SUBMITTED": Status.DRAFT,
    "AUTHORISED": Status.OPEN, "PAID": Status.SETTLED,
    "VOIDED": Status.VOID, "DELETED": Status.VOID,
}
# fmt: on
_PAYMENT_STATUSES = {"AUTHORISED": Status.SETTLED, "DELETED": Status.VOID}
_CONTACT_STATUSES = {"ACTIVE": True, "ARCHIVED": False, "GDPRREQUEST": False}
_MERGED = "MergedToContactID"
_TYPES = {SALE: "a sales invoice", "ACCPAY": "a bill"}


def only(types: str, load: Callable[[Fields], Any]) -> Callable[[Fields], Any]:
    """The loader, for rows of these types; one without a type is of what was asked."""
    name, words = "PaymentType" if types == PAID else "Type", ["", *types.split()]

    def loaded(row: Fields) -> Any:
        told = row.text(name)
        if types == SALE and told:
            row.choice(name, _TYPES)  # of a new one nobody knows what it would mean
        return load(row) if told in words else None

    return loaded


@frozen
class Records:
    """The records of one ``connection``."""

    connection: str

    def _ref(self, kind: str, identity: str) -> Ref:
        return Ref(self.connection, kind, identity)

    def _own(self, row: Fields, kind: str, name: str) -> Ref:
        """Which record a field names, by an id that Xero can be asked for."""
        return self._ref(kind, system_id(row, name, ID, "Xero"))

    def _contact(self, row: Fields) -> Ref | None:
        held = row.inside("Contact").text("ContactID")
        return self._ref("Customer", held) if held else None

    # Customers

    def customer(self, row: Fields) -> Customer | tuple[Customer | Ref, ...]:
        """A customer; of a merged one also the one that is left."""
        told, ref = (
            row.text("ContactStatus") != "",
            self._own(row, "Customer", "ContactID"),
        )
        found = Customer(
            ref,
            row.text("Name"),
            number=row.number("AccountNumber"),
            email=row.text("EmailAddress"),
            currency=row.text("DefaultCurrency"),
            active=row.choice("ContactStatus", _CONTACT_STATUSES) if told else True,
            changed_at=changed_at(row),
            custom=_held(row, _MERGED, "ContactNumber"),
        )
        survivor = row.text(_MERGED)
        return (found, evolve(ref, aliases=(survivor,))) if survivor else found

    # Documents

    def _head(self, row: Fields, kind: str) -> dict[str, Any]:
        """What all documents have in common, by the names of the records' fields."""
        currency = row.currency("CurrencyCode")
        return {
            "ref": self._own(row, kind, f"{kind}ID"),
            "number": row.number(f"{kind}Number"),
            "customer": self._contact(row),
            "reference": clean_number(row.text("Reference")),
            "currency": currency,
            "total": row.amount("Total", currency),
            "status": row.choice("Status", _STATUSES),
            "changed_at": changed_at(row),
        }

    def settlement(self, row: Fields) -> Settlement:
        head, on = self._head(row, "Invoice"), day(row, "Date")
        money = money_of(row, head["currency"], head["total"], head["status"], on)
        return Settlement(**{**head, **money}, on=on)

    def invoice(self, row: Fields) -> Invoice:
        head = self._document(row, "Invoice", "AmountDue")[0]
        return Invoice(**head, due=day(row, "DueDate"))

    def credit_note(self, row: Fields) -> CreditNote:
        head, left = self._document(row, "CreditNote", "RemainingCredit")
        note = head["ref"], head["currency"], head["on"]
        put = tuple(self.application(x, *note) for x in row.children("Allocations"))
        return CreditNote(**head, remaining=left, applications=put)

    def _document(
        self, row: Fields, kind: str, rest: str
    ) -> tuple[dict[str, Any], Decimal | None]:
        """What invoices and credit notes have in common, and what is left of one."""
        head = self._head(row, kind)
        left = row.maybe_amount(rest, head["currency"])
        if head["status"] is Status.OPEN and left is not None and left <= 0:
            head["status"] = Status.SETTLED
        gross = row.text("LineAmountTypes") == "Inclusive"
        lines = [_line(x, head["currency"], gross) for x in row.children("LineItems")]
        on = day(row, "Date") or row.read("Date", calendar)
        return {**head, "on": on, "lines": tuple(lines)}, left

    # What is applied

    def applications(self, row: Fields) -> tuple[Application, ...]:
        """What a credit note was put to."""
        return self.credit_note(row).applications

    def application(
        self, row: Fields, note: Ref, currency: str, noted_on: date
    ) -> Application:
        """A part of a credit note, of ``noted_on``, that was put to an invoice."""
        target = self._own(row.inside("Invoice"), "Invoice", "InvoiceID")
        # Without an id of its own it is told apart by its invoice.
        own = row.text("AllocationID") or target.id
        return Application(
            self._ref("Application", f"{note.id}/{own}"),
            note,
            target,
            row.amount("Amount", currency),
            currency,
            day(row, "Date") or noted_on,
            how=Part.CREDIT,
        )

    def payment(self, row: Fields) -> Payment:
        """One payment of one invoice; a receipt for many is a batch of these."""
        invoice = Fields(row.raw.get("Invoice"), "Invoice")
        currency = invoice.currency("CurrencyCode")
        amount, on = row.amount("Amount", currency), row.read("Date", calendar)
        status = row.choice("Status", _PAYMENT_STATUSES)
        ref, account = self._own(row, "Payment", "PaymentID"), row.inside("Account")
        changed = changed_at(row)
        application = Application(
            self._ref("Application", ref.id),
            ref,
            self._own(invoice, "Invoice", "InvoiceID"),
            amount,
            currency,
            on,
            live=status is not Status.VOID,
            source_amount=amount,
            source_currency=currency,
            changed_at=changed,
        )
        return Payment(
            ref,
            self._contact(invoice),
            currency,
            on,
            amount,
            status,
            reference=clean_number(row.text("Reference")),
            unapplied=ZERO,
            applications=(application,),
            account=account.text("Code") or account.text("AccountID"),
            changed_at=changed,
            custom=_held(row, "BatchPaymentID"),
        )

    # Whose money moved

    def paid(self, row: Fields) -> tuple[Ref, ...]:
        """The invoice that a payment, perhaps a deleted one, is of."""
        invoice = Fields(row.raw.get("Invoice"), row.path("Invoice"))
        if invoice.text("Type", SALE) != SALE:
            return ()
        return (self._own(invoice, "Invoice", "InvoiceID"),)

    def allocated(self, row: Fields) -> tuple[Ref, ...]:
        """The invoices that a credit note, overpayment or prepayment was put to."""
        return tuple(chain(*map(self.paid, row.children("Allocations"))))


def _line(row: Fields, currency: str, gross: bool) -> Line:
    """A line, without tax also where Xero holds it with it."""
    tax = row.maybe_amount("TaxAmount", currency)
    amount = row.maybe_amount("LineAmount", currency) or ZERO
    tracking = row.children("Tracking")
    return Line(
        row.text("Description"),
        amount - (tax or ZERO) if gross else amount,
        quantity=row.maybe("Quantity", parse_amount),
        unit_price=row.maybe("UnitAmount", parse_amount),
        tax=tax,
        tax_code=row.text("TaxType"),
        account=row.text("AccountCode") or row.text("AccountID"),
        item=row.text("ItemCode"),
        dimensions={each.text("Name"): each.text("Option") for each in tracking},
        custom=_held(row, "LineItemID"),
    )


def _held(row: Fields, *names: str) -> dict[str, str]:
    """Texts that go into ``custom``, where there are any."""
    return {name: row.text(name) for name in names if row.text(name)}
