"""
Intacct's rows as records: pure, and the only place that knows what its fields mean.

Nothing here asks for anything. A row has been joined before: ``ID`` is what its document
is called for ever, ``DETAILS`` what was put to or by it, ``LINES`` what it bills.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from attrs import evolve, frozen

from tieout.connector import Fields
from tieout.connectors.intacct.puts import Put, puts, sum_of, told
from tieout.connectors.intacct.rows import Rows
from tieout.connectors.intacct.values import UNDEPOSITED, day, key_of, number_of
from tieout.errors import Code, Fault
from tieout.models import (
    Application,
    Basis,
    CreditNote,
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
from tieout.money import ZERO

# fmt: off
OVERPAYMENT, APPLIED_OVERPAYMENT = "rp", "ro"
"""Types of payment records that are a part of another, or money that is put to use."""

DIMENSIONS = {
    "LOCATIONID": "location", "DEPARTMENTID": "department", "PROJECTID": "project", "CLASSID": "class",
    "TASKID": "task", "VENDORID": "vendor", "EMPLOYEEID": "employee", "CONTRACTID": "contract", "WAREHOUSEID": "warehouse",
}
# fmt: on


@frozen
class Records(Rows):
    """The records of one connection."""

    # Documents

    def _head(self, row: Fields, kind: str, object_: str) -> dict[str, Any] | None:
        """
        What invoices and credit notes have in common, by the records' fields.

        None for what is of no interest: a document that takes another back, and one of
        the other sign.
        """
        status = self.status(row, self.states)
        currency = self.currency(row)
        total = self.amount(row, "TOTALENTERED", currency)
        total = -total if kind == "CreditNote" else total  # here credits are negative
        credit = kind == "CreditNote"
        if status is None or total < 0 or (credit and not self._is_credit(row, total)):
            return None
        if row.flag("UNKEYED"):
            text = "its order-entry document was not found: it is being edited, or may not be read"
            raise Fault(Code.IN_USE, text)
        number = number_of(row)
        marked = [self.mark_field] if kind == "CreditNote" else []
        marked = [each for each in marked if each != "DOCNUMBER"]
        return {
            "ref": self.ref(kind, row.text("ID") or number, number),
            "number": row.number("RECORDID"),
            "customer": self.customer_ref(row),
            "currency": currency,
            "total": total,
            "status": status,
            "reference": clean_number(row.text("DOCNUMBER")),
            "changed_at": self.changed_at(row),
            "custom": self.custom(row, object_, *marked),
        }

    def _is_credit(self, row: Fields, total: Decimal) -> bool:
        """Whether it takes money off, and is of a definition that is read."""
        document = row.text("ID")
        ours = not self.returns or document == row.text("RECORDNO")
        named = any(document.startswith(f"{each}-") for each in self.returns)
        return total > 0 and (ours or named)

    def _left(self, row: Fields, head: Mapping[str, Any]) -> Decimal:
        """What is still owed of a document, or left of a credit; 0 of a dead one."""
        status, total = head["status"], head["total"]
        if status is Status.VOID:
            return ZERO
        if status is Status.DRAFT:
            return Decimal(total)
        due = self.amount(row, "TOTALDUE", head["currency"])
        if isinstance(head["ref"], Ref) and head["ref"].kind == "CreditNote":
            due = abs(due)
        if status is Status.SETTLED and due > 0:
            text = f"it is called paid, and {due} is due"
            raise Fault(Code.TOTALS_DISAGREE, text, field="STATE")
        return due

    def settlement(self, row: Fields) -> Settlement | None:
        """The money of an invoice."""
        head = self._head(row, "Invoice", "ARINVOICE")
        if head is None:
            return None
        on, balance = row.maybe("WHENCREATED", day), self._left(row, head)
        money: dict[str, Any] = {"balance": balance}
        if head["status"] not in (Status.VOID, Status.DRAFT):
            money |= self._money(row, head, balance, on)
        return Settlement(**{**head, **money}, on=on)

    def _money(
        self, row: Fields, head: Mapping[str, Any], balance: Decimal, on: date | None
    ) -> dict[str, Any]:
        """How a posted invoice was settled, as far as its details tell."""
        total = head["total"]
        every = puts(row, head["currency"], self.payment_states)
        settling = told(every, total - balance)
        known = settling or ()
        cash = [x for x in known if x.how is Part.CASH and x.live and x.amount > 0]
        # Cash that was taken back and does not say so would be among the receipts.
        whole = sum_of(cash, Part.CASH) == sum_of(known, Part.CASH)
        cash = cash if whole else []
        paid_on, basis = None, None
        if balance <= 0:
            paid_on, basis = row.maybe("WHENPAID", day), Basis.LEDGER_FIELD
            if paid_on is None or not total:
                dated = [(x.on, x.amount) for x in known if x.on]
                paid_on, basis = settled_day(total, dated, on), Basis.APPLICATIONS
        return {
            "balance": balance,
            "status": Status.OPEN if balance > 0 else Status.SETTLED,
            "settled_by": {} if settling is None else _parts(settling),
            "paid_on": paid_on,
            "basis": basis if paid_on else None,
            "last_on": max((x.on for x in cash if x.on), default=None),
            "receipts": tuple(sorted({x.source for x in cash})),
        }

    def invoice(self, row: Fields) -> Invoice | None:
        """An invoice as a document."""
        head = self._document(row, "Invoice", "ARINVOICE")
        return Invoice(**head[0], due=row.maybe("WHENDUE", day)) if head else None

    def credit_note(self, row: Fields) -> CreditNote | None:
        """A credit memo, and what of it was put to invoices."""
        head = self._document(row, "CreditNote", "ARADJUSTMENT")
        if head is None:
            return None
        document, left = head
        currency = document["currency"]
        own = [
            evolve(put, source=document["ref"].id)
            for put in puts(row, currency, self.payment_states)
            if put.kind == "CreditNote"
        ]
        dated = document["on"]
        applied = tuple(self.application(put, currency, dated) for put in own)
        return CreditNote(**document, remaining=left, applications=applied)

    def _document(
        self, row: Fields, kind: str, object_: str
    ) -> tuple[dict[str, Any], Decimal] | None:
        """An invoice or a credit note with its lines, and what is left of it."""
        head = self._head(row, kind, object_)
        if head is None:
            return None
        left = self._left(row, head)
        if head["status"] is Status.OPEN and left <= 0:
            head["status"] = Status.SETTLED
        sign = -1 if kind == "CreditNote" else 1
        lines = [
            self._line(x, head["currency"], sign, f"{object_}ITEM")
            for x in row.children("LINES")
        ]
        return {**head, "on": row.read("WHENCREATED", day), "lines": tuple(lines)}, left

    def _line(self, row: Fields, currency: str, sign: int, object_: str) -> Line:
        amount = row.maybe_amount("TRX_AMOUNT", currency)
        if amount is None:
            amount = row.maybe_amount("AMOUNT", currency) or ZERO
        return Line(
            row.text("ENTRYDESCRIPTION"),
            sign * amount,
            account=row.text("ACCOUNTNO"),
            item=row.text("ITEMID"),
            dimensions={
                ours: row.text(name)
                for name, ours in DIMENSIONS.items()
                if row.text(name)
            },
            custom=self.custom(row, object_),
        )

    # Payments

    def payment(self, row: Fields) -> Payment | None:
        """
        Money received, advances too.

        None for a record that takes another back or only puts money to use that was
        received before, and for one without cash.
        """
        currency = self.currency(row)
        amount = self.amount(row, "TOTALENTERED", currency)
        if amount <= 0 or _is_part(row):
            return None  # the state of what takes another back is of no concern
        status = self.status(row, self.payment_states)
        if status is None:
            return None
        if row.flag("REVERSED"):
            status = Status.VOID
        ref = self.ref("Payment", number_of(row))
        on = row.maybe("RECEIPTDATE", day) or row.maybe("WHENPAID", day)
        on = on or row.read("WHENCREATED", day)
        applied = self._applied(row, ref, currency, on, live=status is not Status.VOID)
        rest = amount - sum((each.amount for each in applied), ZERO)
        if rest < 0:
            text = f"{amount} was received, and {amount - rest} put to invoices"
            raise Fault(Code.TOTALS_DISAGREE, text, field="TRX_TOTALENTERED")
        held = row.text("UNDEPOSITEDACCOUNTNO")
        return Payment(
            ref,
            self.owner(row.text("CUSTOMERID"), row.text("CONTACT")),
            currency,
            on,
            amount,
            status,
            reference=clean_number(row.text("DOCNUMBER")),
            unapplied=rest,
            applications=applied,
            method=row.text("PAYMENTMETHOD"),
            account=row.text("FINANCIALENTITY") or (held and f"{UNDEPOSITED}{held}"),
            changed_at=self.changed_at(row),
            custom=self.custom(row, "ARPYMT", "RECORD_URL"),
        )

    def _applied(
        self, row: Fields, ref: Ref, currency: str, on: date, *, live: bool
    ) -> tuple[Application, ...]:
        """What a payment's own money was put to."""
        return tuple(
            self.application(put, currency, on, live=live)
            for put in puts(row, currency, self.payment_states)
            if (put.kind, put.source, put.how) == ("Payment", ref.id, Part.CASH)
        )

    def touched(self, row: Fields) -> tuple[Ref, ...]:
        """The invoices whose money a payment or a credit, perhaps a dead one, moved."""
        details = row.children("DETAILS")
        named = dict.fromkeys(each.text("INVOICEID") for each in details)
        return tuple(self.ref("Invoice", each) for each in named if each)

    def deleted(self, row: Fields) -> Ref:
        """An invoice that was deleted, by its record number; it may be there again."""
        return self.ref("Invoice", row.id("OBJECTKEY"))

    def applications(self, row: Fields) -> tuple[Application, ...]:
        """What one payment record put to invoices, by whatever means."""
        currency = self.currency(row.child("PAYMENT") or Fields({}))
        found = puts(row, currency, self.payment_states)
        return tuple(self.application(put, currency) for put in found)

    def application(
        self, put: Put, currency: str, on: date | None = None, *, live: bool = True
    ) -> Application:
        """A part of a payment or a credit note, put to an invoice; by default on a day."""
        on = put.on or on
        if on is None:
            raise Fault(Code.BAD_DATE, f"application {put.id} has no day")
        return Application(
            self.ref("Application", put.id),
            self.ref(put.kind, put.source),
            self.ref("Invoice", put.target),
            put.amount,
            currency,
            on,
            how=put.how,
            live=live and put.live,
            source_amount=put.amount,
            source_currency=currency,
        )


def _parts(settling: Sequence[Put]) -> dict[Part, Decimal]:
    """By what an invoice was settled; a discount only where there is one."""
    parts = {part: sum_of(settling, part) for part in Part}
    always = (Part.CASH, Part.CREDIT)
    return {part: sum_ for part, sum_ in parts.items() if sum_ or part in always}


def _is_part(row: Fields) -> bool:
    """Whether a payment record is no money of its own, but a part of another's."""
    kind = row.text("RECORDTYPE").lower()
    of_another = kind == OVERPAYMENT and key_of(row, "PARENTPAYMENTKEY") != ""
    return kind == APPLIED_OVERPAYMENT or of_another
