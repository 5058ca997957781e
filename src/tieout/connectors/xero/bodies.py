"""
Records and changes as Xero wants them sent.

Pure: nothing here sends anything or reads an answer. Of an update only what differs is
sent; a document is taken back by its status.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from attrs import evolve, frozen

from tieout.change import Action, Change
from tieout.connectors.xero.values import CREDIT, SALE
from tieout.errors import Code, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Payment,
    Status,
)


@frozen
class Bodies:
    """
    How the records of one organisation are written.

    ``account`` is the code for lines that name none, ``deposit_account`` for payments.
    """

    account: str = ""
    deposit_account: str = ""

    def of(self, change: Change) -> dict[str, Any]:
        """The element of a request that carries out a change, without its id."""
        if change.action is Action.VOID:
            return ended(change)
        sent = self._whole(change)
        if change.action is Action.UPDATE and change.before:
            was = self._whole(evolve(change, after=change.before))
            return {name: each for name, each in sent.items() if was.get(name) != each}
        return sent

    def _whole(self, change: Change) -> dict[str, Any]:
        match change.after:
            case Customer() as customer:
                return _customer(customer, change.mark)
            case Invoice() | CreditNote() as document:
                return self._document(document, change.mark)
            case payment:
                assert isinstance(payment, Payment)  # no other kind is sent so
                return self._payment(payment, change.mark)

    def _document(self, of: Invoice | CreditNote, mark: str) -> dict[str, Any]:
        if of.customer is None:
            raise Fault(Code.BAD_FIELD, "it has no customer", field="customer")
        bill, kind = of if isinstance(of, Invoice) else None, type(of).__name__
        lines = of.lines or (Line(of.number or of.reference, of.total),)
        taxed = any(line.tax is not None or line.tax_code for line in lines)
        told = {
            "Type": SALE if bill else CREDIT,
            f"{kind}Number": of.number,
            "Reference": of.reference if bill else mark,
            "Contact": {"ContactID": of.customer.id},
            "Date": of.on.isoformat(),
            "DueDate": bill.due.isoformat() if bill and bill.due else None,
            "CurrencyCode": of.currency,
            "LineAmountTypes": "Exclusive" if taxed else "NoTax",
            "Status": "DRAFT" if of.status is Status.DRAFT else "AUTHORISED",
            "LineItems": [self._line(line) for line in lines],
        }
        return {name: value for name, value in told.items() if value}

    def _line(self, line: Line) -> dict[str, Any]:
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
            "AccountCode": line.account or self.account,
            "ItemCode": line.item,
            "Tracking": [{"Name": k, "Option": v} for k, v in line.dimensions.items()],
        }
        return {n: value for n, value in told.items() if value not in (None, "", [])}

    def _payment(self, of: Payment, mark: str) -> dict[str, Any]:
        if of.unapplied or not of.is_of_one:
            text = "a payment in Xero is of exactly one invoice, wholly applied to it"
            raise Fault(Code.NOT_ALLOWED, text)
        (target,) = (put.target.id for put in of.applications if put.live)
        account = of.account or self.deposit_account
        if not account:
            text = "no account to deposit it to: set deposit_account"
            raise Fault(Code.NOT_ALLOWED, text, field="account")
        return {
            "Invoice": {"InvoiceID": target},
            "Account": {"Code": account},
            "Date": of.on.isoformat(),
            "Amount": of.amount,
            "Reference": mark or of.reference,
        }


def _customer(of: Customer, mark: str) -> dict[str, Any]:
    told = {"Name": of.name, "AccountNumber": of.number, "EmailAddress": of.email}
    return told | ({"ContactNumber": mark} if mark else {})


def allocation(of: Application) -> dict[str, Any]:
    """A part of a credit note that is put to an invoice."""
    return {
        "Invoice": {"InvoiceID": of.target.id},
        "Amount": of.amount,
        "Date": of.on.isoformat(),
    }


def ended(change: Change) -> dict[str, Any]:
    """The status that takes a record back: drafts and payments are deleted."""
    if change.kind is Customer:
        return {"ContactStatus": "ARCHIVED"}
    draft = getattr(change.before, "status", None) is Status.DRAFT
    return {"Status": "DELETED" if draft or change.kind is Payment else "VOIDED"}
