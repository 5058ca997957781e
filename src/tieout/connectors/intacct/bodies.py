"""
Changes as the functions that carry them out: pure, and the only place that writes one.

The older functions want their elements in one order, and dates in three parts; the newer
ones are objects. Nothing here sends anything or looks at an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from attrs import evolve, frozen

from tieout.change import Action, Change
from tieout.connectors.intacct.errors import BANK_ACCOUNT, DEPOSIT_ACCOUNT, METHOD
from tieout.connectors.intacct.lines import Lines, rounded
from tieout.connectors.intacct.values import UNDEPOSITED, split_contact
from tieout.connectors.intacct.xml import (
    Content,
    Element,
    elements,
    split_date,
    us_date,
)
from tieout.errors import Code, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Part,
    Payment,
    Ref,
    Status,
)
from tieout.money import ZERO

METHODS = (
    *("Printed Check", "Cash", "EFT", "Credit Card"),
    *("Online Charge Card", "Online ACH Debit"),
)
"""The vendor's names of payment methods."""


@frozen
class Body:
    """A function, and ``left_out``: what of the change it does not hold."""

    function: Element
    left_out: tuple[str, ...] = ()


@frozen
class Bodies:
    """
    Writes the functions of one company.

    ``deposit_accounts`` are bank accounts by ``currency/method`` (``*`` for any), or with
    ``undeposited:`` before it an account of undeposited funds; ``methods`` are the vendor's
    words for the other side's. ``mark_element`` is where the mark of a credit note goes.
    ``reversed_on`` says on which day something is taken back, from the day that it is of.
    """

    base_currency: str
    rate_type: str
    lines: Lines
    deposit_accounts: Mapping[str, str]
    methods: Mapping[str, str]
    method: str
    mark_element: str
    reversed_on: Callable[[date], date]
    bill_to: bool

    def body(self, change: Change) -> Body:
        """
        The function that carries out a change.

        `Fault` where the change lacks what Intacct needs: nothing has been sent then.
        """
        if change.action is Action.VOID:
            return Body(self._void(change))
        match change.after:
            case Customer():
                return Body(self._customer(change, change.after))
            case Invoice() | CreditNote():
                return self._document(change, change.after)
            case Payment():
                return Body(self._payment(change, change.after))
            case Application():
                return Body(self._applied(change.after))
        raise Fault(Code.NOT_ALLOWED, "Intacct has no such records to write")

    # Customers

    def _customer(self, change: Change, after: Customer) -> Element:
        new = change.target is None
        number = change.target.id if change.target else after.number
        if not number:
            text = "a customer needs a number, which is its id in Intacct"
            raise Fault(Code.NOT_ALLOWED, text, field="number")
        contact = [Element("PRINTAS", after.name)]
        if after.email or not new:  # an empty one clears
            contact.append(Element("EMAIL1", after.email))
        told = elements(
            ("CUSTOMERID", number),
            ("NAME", after.name),
            ("DISPLAYCONTACT", contact),
            ("STATUS", "active" if after.active else "inactive"),
            ("CURRENCY", after.currency if new else ""),
        )
        return Element("create" if new else "update", [Element("CUSTOMER", told)])

    # Invoices and credit notes

    def _document(self, change: Change, after: Invoice | CreditNote) -> Body:
        if change.target is None:
            told, left_out = self._whole(change, after)
        else:
            told, left_out = self._differing(change, after), ()
        verb = "update" if change.target else "create"
        noun = "invoice" if isinstance(after, Invoice) else "aradjustment"
        key = {"key": record_number(change.target)} if change.target else {}
        return Body(Element(f"{verb}_{noun}", told, key), left_out)

    def _differing(self, change: Change, after: Invoice | CreditNote) -> list[Element]:
        """The elements of the head that are not as they were; an empty one clears."""
        now, before = self._head(change, after), change.before
        if not isinstance(before, Invoice | CreditNote):
            return elements(*now)
        was = dict(self._head(evolve(change, after=before), before))
        found = [Element(name, told) for name, told in now if was[name] != told]
        if not found:
            text = "what differs cannot be changed in a document that is posted"
            raise Fault(Code.NOT_ALLOWED, text)
        return found

    def _whole(
        self, change: Change, after: Invoice | CreditNote
    ) -> tuple[list[Element], tuple[str, ...]]:
        if after.customer is None:
            raise Fault(Code.BAD_FIELD, "it has no customer", field="customer")
        customer, contact = self._customer_of(after.customer)
        invoice = isinstance(after, Invoice)
        items, left_out = self.lines.written(after)
        billed = [Element("contactname", contact)] if contact and invoice else []
        told = [
            Element("customerid", customer),
            *elements(*self._head(change, after)),
            *elements(("billto", billed)),
            *self._currency(after.currency, after.on),
            Element("invoiceitems" if invoice else "aradjustmentitems", items),
        ]
        return told, left_out

    def _head(
        self, change: Change, after: Invoice | CreditNote
    ) -> list[tuple[str, Content]]:
        """What a document says of itself, in the vendor's order."""
        new = change.target is None
        draft = after.status is Status.DRAFT
        action = ("action", ("Draft" if draft else "Submit") if new else "")
        on: tuple[str, Content] = ("datecreated", split_date(after.on))
        if isinstance(after, Invoice):
            due = after.due or (after.on if new else None)
            return [
                *(on, ("datedue", split_date(due)), action),
                *(("invoiceno", after.number), ("ponumber", after.reference)),
            ]
        marked = {self.mark_element: change.mark} if new else {}
        names = ("invoiceno", "description", "externalid")
        others = [(name, marked.get(name, "")) for name in names]
        return [on, ("adjustmentno", after.number), action, *others]

    def _customer_of(self, ref: Ref) -> tuple[str, str]:
        """The customer's id and, in bill-to mode, the contact's name."""
        return split_contact(ref.id) if self.bill_to else (ref.id, "")

    def _currency(self, currency: str, on: date) -> list[Element]:
        """The currency, where it is not the company's own; at the vendor's own rate."""
        if currency == self.base_currency:
            return []
        if not self.base_currency:
            return [Element("currency", currency)]
        return elements(
            ("basecurr", self.base_currency),
            ("currency", currency),
            ("exchratedate", split_date(on)),
            ("exchratetype", self.rate_type),
        )

    # Payments

    def _payment(self, change: Change, after: Payment) -> Element:
        if after.customer is None:
            raise Fault(Code.BAD_FIELD, "it has no customer", field="customer")
        for put in after.applications:
            if put.how is not Part.CASH or put.currency != after.currency:
                text = "a payment puts its own cash to invoices of its currency, nothing else"
                raise Fault(Code.NOT_ALLOWED, text, field="applications")
        applied = sum((put.amount for put in after.applications), ZERO)
        if applied > after.amount:
            text = f"{applied} of a payment of {after.amount} is put to invoices"
            raise Fault(Code.TOTALS_DISAGREE, text, field="applications")
        whole = applied == after.amount
        return (self._paid if whole else self._overpaid)(change, after)

    def _paid(self, change: Change, after: Payment) -> Element:
        """A payment that is wholly put to invoices."""
        method, account = self._routed(after)
        bank = "" if account.startswith(UNDEPOSITED) else account
        foreign = after.currency != self.base_currency
        details = [
            Element(
                "ARPYMTDETAIL",
                elements(
                    ("RECORDKEY", record_number(put.target)),
                    ("TRX_PAYMENTAMOUNT", rounded(put.amount)),
                ),
            )
            for put in after.applications
        ]
        told = elements(
            ("FINANCIALENTITY", bank),
            ("PAYMENTMETHOD", method),
            ("CUSTOMERID", self._payer(after)),
            ("DOCNUMBER", change.mark or after.reference),
            ("DESCRIPTION", after.reference if change.mark else ""),
            ("RECEIPTDATE", us_date(after.on)),
            ("PAYMENTDATE", us_date(after.on)),
            ("CURRENCY", after.currency),
            ("BASECURR", self.base_currency if foreign else ""),
            ("UNDEPOSITEDACCOUNTNO", "" if bank else account[len(UNDEPOSITED) :]),
            ("ARPYMTDETAILS", details),
        )
        return Element("create", [Element("ARPYMT", told)])

    def _overpaid(self, change: Change, after: Payment) -> Element:
        """A payment of which something stays with the customer: only the older way."""
        method, account = self._routed(after)
        bank = "" if account.startswith(UNDEPOSITED) else account
        items = [
            Element(
                "arpaymentitem",
                elements(
                    ("invoicekey", record_number(put.target)),
                    ("amount", rounded(put.amount)),
                ),
            )
            for put in after.applications
        ]
        told = elements(
            ("customerid", self._payer(after)),
            ("paymentamount", rounded(after.amount)),
            ("bankaccountid", bank),
            ("undepfundsacct", "" if bank else account[len(UNDEPOSITED) :]),
            ("refid", change.mark or after.reference),
            ("overpaylocid", str(after.custom.get("location", self.lines.location))),
            (
                "overpaydeptid",
                str(after.custom.get("department", self.lines.department)),
            ),
            ("datereceived", split_date(after.on)),
            ("paymentmethod", method),
        )
        return Element(
            "create_arpayment",
            [*told, *self._currency(after.currency, after.on), *items],
        )

    def _payer(self, after: Payment) -> str:
        """A contact's payment is its customer's (BEHAVIOURS, B88)."""
        assert after.customer is not None
        return self._customer_of(after.customer)[0]

    def _routed(self, after: Payment) -> tuple[str, str]:
        """The vendor's word for the method, and the account for it and the currency."""
        method = self.methods.get(after.method, after.method) or self.method
        if method not in METHODS:
            text = (
                f"Intacct has no payment method {method}: it has {', '.join(METHODS)}"
            )
            raise METHOD.fault(text, field="method")
        ways = (
            f"{after.currency}/{method}",
            f"{after.currency}/*",
            f"*/{method}",
            "*/*",
        )
        found = (self.deposit_accounts.get(way, "") for way in ways)
        account = after.account or next(filter(None, found), "")
        if not account:
            text = f"no account for {after.currency} by {method}"
            raise DEPOSIT_ACCOUNT.fault(text, field="account")
        foreign = self.base_currency and after.currency != self.base_currency
        if foreign and account.startswith(UNDEPOSITED):
            way = f"{after.currency} by {method}"
            text = f"undeposited funds hold no foreign currency: {way}"
            raise BANK_ACCOUNT.fault(text, field="account")
        return method, account

    def _applied(self, after: Application) -> Element:
        """A part of a credit note, or of money on account, put to an invoice."""
        item = elements(
            ("invoicekey", record_number(after.target)),
            ("amount", rounded(after.amount)),
        )
        told = elements(
            ("arpaymentkey", record_number(after.source)),
            ("paymentdate", split_date(after.on)),
            ("arpaymentitems", [Element("arpaymentitem", item)]),
        )
        return Element("apply_arpayment", told)

    # Taking back

    def _void(self, change: Change) -> Element:
        assert change.target is not None
        before: Any = change.before
        if change.kind is Customer:
            told = elements(("CUSTOMERID", change.target.id), ("STATUS", "inactive"))
            return Element("update", [Element("CUSTOMER", told)])
        key = record_number(change.target)
        noun = {Invoice: "invoice", CreditNote: "aradjustment", Payment: "arpayment"}
        draft = getattr(before, "status", None) is Status.DRAFT
        if change.kind is Payment and draft:
            named = elements(("object", "ARPYMT"), ("keys", key))
            return Element("delete", named)
        if change.kind is CreditNote or draft:
            return Element(f"delete_{noun[change.kind]}", "", {"key": key})
        on = getattr(before, "on", None)
        if not isinstance(on, date):
            text = "its day is not known, and so not on which to take it back"
            raise Fault(Code.NOT_ALLOWED, text)
        day = split_date(self.reversed_on(on))
        dated = [Element("datereversed", day)]
        return Element(f"reverse_{noun[change.kind]}", dated, {"key": key})


def record_number(ref: Ref) -> str:
    """The number by which a function names a document; not every id is one."""
    if not ref.id.isascii() or not ref.id.isdigit():
        text = f"{ref.id} was made by order entry, and is changed there"
        raise Fault(Code.NOT_ALLOWED, text)
    return ref.id
