"""
Xero's rows as records, and records as Xero wants them: pure, and the only place that
knows the names of its fields.

Nothing here asks for anything. What is applied to an invoice is told by the invoice
itself; calendar days are never shifted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

from attrs import evolve, frozen

from tieout.change import Change
from tieout.connector import Fields, iso_day, iso_instant, sound_day, system_id
from tieout.errors import Code, Fault
from tieout.models import (
    Application,
    Basis,
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
    settled_day,
)
from tieout.money import ZERO, parse_amount

ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
"""What Xero can be asked for; a real id is a UUID."""

# fmt: off
_STATUSES: Mapping[str, Status] = {
    "DRAFT": Status.DRAFT, "SUBMITTED": Status.DRAFT,
    "AUTHORISED": Status.OPEN, "PAID": Status.SETTLED,
    "VOIDED": Status.VOID, "DELETED": Status.VOID,
}
_PAYMENT_STATUSES = {"AUTHORISED": Status.SETTLED, "DELETED": Status.VOID}
_CONTACT_STATUSES = {"ACTIVE": True, "ARCHIVED": False, "GDPRREQUEST": False}
_MERGED = "MergedToContactID"
_TYPES = {"ACCREC": "a sales invoice", "ACCPAY": "a bill"}
SALE, CREDIT, PAID = "ACCREC", "ACCRECCREDIT", "ACCRECPAYMENT"
# fmt: on

# Xero's values ----------------------------------------------------------------------

_MILLISECONDS = re.compile(r"/Date\((-?[0-9]{1,13})(?:[+-][0-9]{4})?\)/", re.ASCII)


def moment(value: Any) -> datetime:
    """``/Date(1772928000000+0000)/``, with or without the offset, or ISO 8601 in UTC."""
    match = _MILLISECONDS.fullmatch(value)
    if match is None:
        return iso_instant(value, naive_is_utc=True)
    found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(match[1]))
    sound_day(found.date())
    return found


def _calendar(value: Any) -> date:
    """A calendar day in either form: midnight UTC in milliseconds, or as a text."""
    is_moment = _MILLISECONDS.fullmatch(value) is not None
    return moment(value).date() if is_moment else iso_day(value)


def day(row: Fields, name: str) -> date | None:
    """A day, rather from its text twin; no zone ever shifts it."""
    return row.maybe(f"{name}String", _calendar) or row.maybe(name, _calendar)


def _changed_at(row: Fields) -> datetime | None:
    return row.maybe("UpdatedDateUTC", moment)


def own_id(row: Fields, name: str) -> str:
    """An id that Xero can be asked for."""
    return system_id(row, name, ID, "Xero")


def _held(row: Fields, *names: str) -> dict[str, str]:
    """Texts that go into ``custom``, where there are any."""
    return {name: row.text(name) for name in names if row.text(name)}


# An invoice's money -----------------------------------------------------------------


def _applied(row: Fields, *names: str) -> list[Fields]:
    """What Xero nests in an invoice as applied to it, and was not taken back."""
    rows = [each for name in names for each in row.children(name)]
    return [each for each in rows if each.text("Status") not in ("DELETED", "VOIDED")]


def _amount(row: Fields, currency: str) -> Decimal:
    name = "Amount" if row.has("Amount") else "AppliedAmount"
    return row.maybe_amount(name, currency) or ZERO


def _money(
    row: Fields, currency: str, total: Decimal, status: Status, on: date | None
) -> dict[str, Any]:
    """What a posted invoice owes and how it was settled, by a settlement's fields."""
    balance = row.amount("AmountDue", currency)
    if status is Status.SETTLED and balance > 0:
        text = f"it is called paid, and {balance} is due"
        raise Fault(Code.TOTALS_DISAGREE, text, field="Status")
    told = row.has("AmountPaid") or row.has("AmountCredited")
    if status is Status.OPEN and balance <= 0 and total and not told:
        text = "nothing is due, and nothing is said to have been applied"
        raise Fault(Code.TOTALS_DISAGREE, text, field="AmountDue")
    payments = _applied(row, "Payments")
    cash = payments + _applied(row, "Prepayments", "Overpayments")
    notes = _applied(row, "CreditNotes")
    paid_on, basis = None, None
    if balance <= 0:
        # While something is due, FullyPaidOnDate is of a payment that was deleted since.
        paid_on, basis = day(row, "FullyPaidOnDate"), Basis.LEDGER_FIELD
        if paid_on is None:
            dated = [(day(x, "Date"), _amount(x, currency)) for x in cash + notes]
            settling = [(day, amount) for day, amount in dated if day]
            paid_on, basis = settled_day(total, settling, on), Basis.APPLICATIONS
    days = [day(each, "Date") for each in cash]
    ids = [each.text("PaymentID") for each in payments]
    return {
        "balance": balance,
        "status": Status.OPEN if balance > 0 else Status.SETTLED,
        "settled_by": _parts(row, currency, total - balance),
        "paid_on": paid_on,
        "basis": basis if paid_on else None,
        "last_on": max((day for day in days if day), default=None),
        "receipts": tuple(sorted(each for each in ids if each)),
    }


def _parts(row: Fields, currency: str, settled: Decimal) -> Mapping[Part, Decimal]:
    """
    Cash and credit, as far as they are told.

    Xero counts prepayments and overpayments as credited; here they are cash. Where it
    does not list all that was credited, the split is unknown and no part is given.
    """
    paid = row.maybe_amount("AmountPaid", currency)
    credited = row.maybe_amount("AmountCredited", currency)
    if paid is None and credited is None and settled:
        return {}
    paid = settled - (credited or ZERO) if paid is None else paid
    credited = settled - paid if credited is None else credited
    if paid + credited != settled or min(paid, credited) < 0:
        text = f"{settled} is settled, but {paid} paid and {credited} credited"
        raise Fault(Code.TOTALS_DISAGREE, text, field="AmountDue")
    credit, advance = (
        sum((_amount(each, currency) for each in _applied(row, *names)), ZERO)
        for names in (("CreditNotes",), ("Prepayments", "Overpayments"))
    )
    whole = credit + advance == credited
    return {Part.CASH: paid + advance, Part.CREDIT: credit} if whole else {}


def only(types: str, load: Callable[[Fields], Any]) -> Callable[[Fields], Any]:
    """The loader, for rows of these types; one without a type is of what was asked."""
    name, words = "PaymentType" if types == PAID else "Type", ["", *types.split()]

    def loaded(row: Fields) -> Any:
        told = row.text(name)
        if types == SALE and told:
            row.choice(name, _TYPES)  # of a new one nobody knows what it would mean
        return load(row) if told in words else None

    return loaded


def _line(row: Fields, currency: str, gross: bool) -> Line:
    """A line, without tax also where Xero holds it with it."""
    tax = row.maybe_amount("TaxAmount", currency)
    amount = row.maybe_amount("LineAmount", currency) or ZERO
    tracking = row.children("Tracking")
    # fmt: off
    return Line(
        row.text("Description"), amount - (tax or ZERO) if gross else amount,
        quantity=row.maybe("Quantity", parse_amount), unit_price=row.maybe("UnitAmount", parse_amount),
        tax=tax, tax_code=row.text("TaxType"),
        account=row.text("AccountCode") or row.text("AccountID"), item=row.text("ItemCode"),
        dimensions={each.text("Name"): each.text("Option") for each in tracking},
        custom=_held(row, "LineItemID"),
    )
    # fmt: on


# Records ----------------------------------------------------------------------------


@frozen
class Records:
    """
    The records of one ``connection``.

    ``account`` is the code for lines that name none, ``deposit_account`` for payments.
    """

    connection: str
    account: str = ""
    deposit_account: str = ""

    def _ref(self, kind: str, identity: str) -> Ref:
        return Ref(self.connection, kind, identity)

    def _contact(self, row: Fields) -> Ref | None:
        held = row.inside("Contact").text("ContactID")
        return self._ref("Customer", held) if held else None

    def paid(self, row: Fields) -> tuple[Ref, ...]:
        """The invoice that a payment, perhaps a deleted one, is of."""
        invoice = Fields(row.raw.get("Invoice"), row.path("Invoice"))
        if invoice.text("Type", SALE) != SALE:
            return ()
        return (self._ref("Invoice", own_id(invoice, "InvoiceID")),)

    def allocated(self, row: Fields) -> tuple[Ref, ...]:
        """The invoices that a credit note, overpayment or prepayment was put to."""
        return tuple(chain(*map(self.paid, row.children("Allocations"))))

    # fmt: off
    def customer(self, row: Fields) -> Customer | tuple[Customer | Ref, ...]:
        told, ref = row.text("ContactStatus") != "", self._ref("Customer", own_id(row, "ContactID"))
        found = Customer(
            ref, row.text("Name"), number=row.number("AccountNumber"), email=row.text("EmailAddress"),
            currency=row.text("DefaultCurrency"),
            active=row.choice("ContactStatus", _CONTACT_STATUSES) if told else True,
            changed_at=_changed_at(row), custom=_held(row, _MERGED, "ContactNumber"),
        )
        survivor = row.text(_MERGED)
        return (found, evolve(ref, aliases=(survivor,))) if survivor else found

    def _head(self, row: Fields, kind: str) -> dict[str, Any]:
        """What all documents have in common, by the names of the records' fields."""
        currency = row.currency("CurrencyCode")
        return {
            "ref": self._ref(kind, own_id(row, f"{kind}ID")), "number": row.number(f"{kind}Number"),
            "customer": self._contact(row), "reference": clean_number(row.text("Reference")),
            "currency": currency, "total": row.amount("Total", currency),
            "status": row.choice("Status", _STATUSES), "changed_at": _changed_at(row),
        }
    # fmt: on

    def settlement(self, row: Fields) -> Settlement:
        head, on = self._head(row, "Invoice"), day(row, "Date")
        currency, total, status = head["currency"], head["total"], head["status"]
        if status is Status.VOID:
            money = {"balance": ZERO}
        elif status is Status.DRAFT:
            due = row.maybe_amount("AmountDue", currency)
            money = {"balance": total if due is None else due}
        else:
            money = _money(row, currency, total, status, on)
        return Settlement(**{**head, **money}, on=on)

    def invoice(self, row: Fields) -> Invoice:
        head = self._document(row, "Invoice", "AmountDue")[0]
        return Invoice(**head, due=day(row, "DueDate"))

    def credit_note(self, row: Fields) -> CreditNote:
        head, left = self._document(row, "CreditNote", "RemainingCredit")
        put = tuple(self.application(x, head) for x in row.children("Allocations"))
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
        on = day(row, "Date") or row.read("Date", _calendar)
        return {**head, "on": on, "lines": tuple(lines)}, left

    def application(self, row: Fields, note: Mapping[str, Any]) -> Application:
        """A part of a credit note that was put to an invoice."""
        source, currency = note["ref"], note["currency"]
        # Without an id of its own it is told apart by its invoice.
        target = own_id(row.inside("Invoice"), "InvoiceID")
        own = row.text("AllocationID") or target
        # fmt: off
        return Application(
            self._ref("Application", f"{source.id}/{own}"), source, self._ref("Invoice", target),
            row.amount("Amount", currency), currency, day(row, "Date") or note["on"], how=Part.CREDIT,
        )

    def payment(self, row: Fields) -> Payment:
        """One payment of one invoice; a receipt for many is a batch of these."""
        invoice = Fields(row.raw.get("Invoice"), "Invoice")
        currency = invoice.currency("CurrencyCode")
        amount, on = row.amount("Amount", currency), row.read("Date", _calendar)
        status = row.choice("Status", _PAYMENT_STATUSES)
        ref, account = (
            self._ref("Payment", own_id(row, "PaymentID")),
            row.inside("Account"),
        )
        changed_at = _changed_at(row)
        application = Application(
            self._ref("Application", ref.id),
            ref,
            self._ref("Invoice", own_id(invoice, "InvoiceID")),
            amount,
            currency,
            on,
            live=status is not Status.VOID,
            source_amount=amount,
            source_currency=currency,
            changed_at=changed_at,
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
            changed_at=changed_at,
            custom=_held(row, "BatchPaymentID"),
        )

    # fmt: on

    # As they are sent

    def customer_body(self, change: Change) -> dict[str, Any]:
        assert isinstance(change.after, Customer)
        after, mark = (
            change.after,
            {"ContactNumber": change.mark} if change.mark else {},
        )
        told = {"Name": after.name, "AccountNumber": after.number}
        return {**told, "EmailAddress": after.email, **mark}

    def document_body(self, change: Change) -> dict[str, Any]:
        after, kind = change.after, change.kind.__name__
        assert isinstance(after, Invoice | CreditNote)
        if after.customer is None:
            raise Fault(Code.BAD_FIELD, "it has no customer", field="customer")
        lines = after.lines or (Line(after.number or after.reference, after.total),)
        taxed = any(line.tax is not None or line.tax_code for line in lines)
        due = after.due if isinstance(after, Invoice) else None
        reference = after.reference if kind == "Invoice" else change.mark
        told = {
            "Type": SALE if kind == "Invoice" else CREDIT,
            f"{kind}Number": after.number,
            "Reference": reference,
            "Contact": {"ContactID": after.customer.id},
            "Date": after.on.isoformat(),
            "DueDate": due.isoformat() if due else None,
            "CurrencyCode": after.currency,
            "LineAmountTypes": "Exclusive" if taxed else "NoTax",
            "Status": "DRAFT" if after.status is Status.DRAFT else "AUTHORISED",
            "LineItems": [_line_body(line, self.account) for line in lines],
        }
        return {name: value for name, value in told.items() if value}

    def payment_body(self, change: Change) -> dict[str, Any]:
        after = change.after
        assert isinstance(after, Payment)
        if after.unapplied or not after.is_of_one:
            text = "a payment in Xero is of exactly one invoice, wholly applied to it"
            raise Fault(Code.NOT_ALLOWED, text)
        (target,) = (put.target.id for put in after.applications if put.live)
        account = after.account or self.deposit_account
        if not account:
            text = "no account to deposit it to: set deposit_account"
            raise Fault(Code.NOT_ALLOWED, text, field="account")
        told = {"Date": after.on.isoformat(), "Amount": after.amount}
        ends = {"Invoice": {"InvoiceID": target}, "Account": {"Code": account}}
        return {**ends, **told, "Reference": change.mark or after.reference}


def _line_body(line: Line, account: str) -> dict[str, Any]:
    quantity, price = line.quantity, line.unit_price
    if quantity is None or price is None or quantity * price != line.amount:
        quantity, price = Decimal(1), line.amount  # Xero checks the product
    told = {
        "Description": line.description,
        "Quantity": quantity,
        "UnitAmount": price,
        "LineAmount": line.amount,
        "TaxAmount": line.tax,
        "TaxType": line.tax_code,
        "AccountCode": line.account or account,
        "ItemCode": line.item,
        "Tracking": [{"Name": k, "Option": v} for k, v in line.dimensions.items()],
    }
    return {name: value for name, value in told.items() if value not in (None, "", [])}
