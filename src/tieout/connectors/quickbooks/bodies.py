"""
Records and changes as QuickBooks wants them sent: pure.

Nothing here sends anything or reads an answer. Of an update only what differs is sent;
lines and a payment's applications go as a whole, since QuickBooks replaces them so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from attrs import evolve, frozen

from tieout.change import Action, Change
from tieout.connector import Fields
from tieout.connectors.quickbooks.records import CLASS, ID, LOCATION, value
from tieout.errors import Code, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    Record,
    Ref,
)
from tieout.money import ZERO

NUMBER_MAX = 21
"""Characters of a document's number and of a payment's reference (from memory)."""

WORDED: Mapping[str, int] = {"PrintOnCheckName": 110, "PrivateNote": 4000}
"""Fields that carry the mark as their last word, and their lengths (from memory)."""


def points_to(identity: str) -> dict[str, str]:
    """A reference as QuickBooks writes it."""
    return {"value": identity}


def refused(text: str, field: str = "") -> Fault:
    """That QuickBooks has no place for what a record holds."""
    return Fault(Code.NOT_ALLOWED, text, field=field)


@frozen
class Bodies:
    """
    How the records of one company are written.

    ``item`` is that of lines that name none, ``items`` that of lines that name an account
    alone; ``tax_code``, ``class_id`` and ``location`` are those of lines without one.
    ``tax_mode`` is sent as ``GlobalTaxCalculation``, outside the USA alone.
    ``deposit_account`` is that of payments without one.
    """

    marks: Mapping[str, str]
    item: str = ""
    items: Mapping[str, str] = {}
    tax_code: str = ""
    tax_mode: str = ""
    class_id: str = ""
    location: str = ""
    deposit_account: str = ""

    def of(self, change: Change, owner: Fields | None = None) -> dict[str, Any]:
        """
        The body for a change; ``owner`` is the invoice's row for a new application.

        Raises `Fault` NOT_ALLOWED for what QuickBooks cannot hold, STALE_VERSION where
        the version of the record is not known.
        """
        if change.target is None:
            return self._whole(change, change.after, owner)
        known = [change.before, change.after]
        token = next((each.version for each in known if each and each.version), "")
        if not token:
            raise Fault(Code.STALE_VERSION, "its version is not known")
        identity = change.target.id.partition("/")[0]
        told: dict[str, Any] = {"Id": identity, "SyncToken": token}
        if change.action is Action.VOID:
            customer = {"sparse": True, "Active": False}
            return told | (customer if change.kind is Customer else {})
        return told | {"sparse": True} | self._differing(change)

    def _differing(self, change: Change) -> dict[str, Any]:
        """Of an update what is not as it was; lines as a whole."""
        before, after = change.before, change.after
        if isinstance(before, Invoice | CreditNote) and before.lines == _lines(after):
            # Lines that stay are not sent: they may hold what ours cannot.
            keep = (Line(amount=before.total, item="kept"),)
            after, before = _with_lines(after, keep), _with_lines(before, keep)
        sent = self._whole(change, after, None)
        was = self._whole(change, before, None) if before else {}
        differs = {
            name: each
            for name, each in sent.items()
            if was.get(name) != each and name not in _ONCE
        }
        if isinstance(before, Payment) and before.carry and "Line" in differs:
            raise refused("it applies credits too: change it in QuickBooks by hand")
        return differs

    def _whole(
        self, change: Change, record: Record | None, owner: Fields | None
    ) -> dict[str, Any]:
        """A record with all its fields, without those that are empty at a create."""
        match record:
            case Customer():
                told = self._customer(change, record)
            case Invoice() | CreditNote():
                told = self._document(change, record)
            case Payment():
                told = self._payment(change, record)
            case _:
                assert isinstance(record, Application)  # no other kind is written
                told = self._application(change, record, owner)
        empty: tuple[Any, ...] = (None, "", []) if change.target is None else (None,)
        return {name: each for name, each in told.items() if each not in empty}

    def _marked(self, change: Change, text: str, field: str) -> str:
        """A text field with our mark, where the mark goes there."""
        mark = _mark(change) if self.marks.get(change.kind.__name__) == field else ""
        if not mark or field == "DocNumber":
            return text
        if field not in WORDED:
            return mark
        room = WORDED[field] - len(mark) - 1
        return f"{text[:room]} {mark}".strip()

    # Records ------------------------------------------------------------------------

    def _customer(self, change: Change, record: Customer) -> dict[str, Any]:
        parent, told_email = record.parent, bool(record.email or change.target)
        told: dict[str, Any] = {
            "DisplayName": record.name,
            "PrimaryEmailAddr": {"Address": record.email} if told_email else None,
            "CurrencyRef": points_to(record.currency) if record.currency else None,
            "ParentRef": points_to(parent.id) if parent else None,
            "Job": True if parent else None,
        }
        marked = self.marks.get("Customer", "")
        if marked and _mark(change):
            told[marked] = self._marked(change, record.name, marked)
        return told

    def _document(self, change: Change, record: Invoice | CreditNote) -> dict[str, Any]:
        numbered = self.marks.get(change.kind.__name__) == "DocNumber"
        if numbered and change.target is None and not record.number:
            raise refused("it needs a number, by which it is found again", "number")
        told = {
            "DocNumber": _short(change, record.number, "number"),
            "PrivateNote": self._marked(change, record.reference, "PrivateNote"),
            "CustomerRef": _owner(record.customer),
            "TxnDate": record.on.isoformat(),
            "DueDate": _due(record),
            "CurrencyRef": points_to(record.currency),
        }
        return told | self._sale(record)

    def _sale(self, record: Invoice | CreditNote) -> dict[str, Any]:
        """The lines and what goes with them: tax, and the one location of a document."""
        whole = (Line(record.number or record.reference, record.total),)
        lines = record.lines or whole
        tax = record.total - sum((line.amount for line in lines), ZERO)
        places = {line.dimensions.get(LOCATION) or self.location for line in lines}
        if len(places) > 1:
            raise refused("a document has one location, and its lines name several")
        place = places.pop()
        return {
            "Line": [self._line(line) for line in lines],
            "TxnTaxDetail": {"TotalTax": tax} if tax else None,
            "GlobalTaxCalculation": self.tax_mode or None,
            "DepartmentRef": points_to(place) if place else None,
        }

    def _line(self, line: Line) -> dict[str, Any]:
        strange = sorted({*line.dimensions} - {CLASS, LOCATION})
        if strange:
            text = (
                f"a line names {', '.join(strange)}: QuickBooks has class and location"
            )
            raise refused(text, "dimensions")
        item = line.item or self._item_of(line.account)
        quantity, price = line.quantity, line.unit_price
        if quantity is None or price is None or quantity * price != line.amount:
            quantity = price = None  # QuickBooks checks the product
        codes = {
            "ItemRef": item,
            "TaxCodeRef": line.tax_code or self.tax_code,
            "ClassRef": line.dimensions.get(CLASS) or self.class_id,
        }
        detail = {name: points_to(code) for name, code in codes.items() if code}
        numbers = {"Qty": quantity, "UnitPrice": price}
        held = line.custom.get("Id")
        known = isinstance(held, str) and ID.fullmatch(held)
        told = {"Id": held} if known else {}
        told |= {"Description": line.description} if line.description else {}
        return {
            **told,
            "Amount": line.amount,
            "DetailType": "SalesItemLineDetail",
            "SalesItemLineDetail": detail
            | {name: each for name, each in numbers.items() if each is not None},
        }

    def _item_of(self, account: str) -> str:
        """The item of a line that names none: QuickBooks books by items."""
        if account and account not in self.items:
            text = f"no item is booked to account {account}: give one in items"
            raise refused(text, "account")
        item = self.items.get(account) or self.item
        if not item:
            raise refused("a line needs an item: set item", "item")
        return item

    def _payment(self, change: Change, record: Payment) -> dict[str, Any]:
        account = record.account or self.deposit_account
        told: dict[str, Any] = {
            "CustomerRef": _owner(record.customer),
            "TotalAmt": record.amount,
            "TxnDate": record.on.isoformat(),
            "CurrencyRef": points_to(record.currency),
            "PaymentRefNum": record.reference,
            "DepositToAccountRef": points_to(account) if account else None,
            "Line": [_part(put, record) for put in record.applications if put.live],
        }
        marked = self.marks.get("Payment", "")
        if marked and _mark(change):
            told["PrivateNote"] = record.reference  # where the mark takes its place
            told[marked] = self._marked(change, record.reference, marked)
        _short(change, told["PaymentRefNum"], "reference")
        return told

    def _application(
        self, change: Change, record: Application, owner: Fields | None
    ) -> dict[str, Any]:
        """A payment of no money, with an invoice on one side and a credit on the other."""
        if owner is None:
            raise Fault(Code.VANISHED, f"there is no invoice {record.target.id}")
        sides = (("Invoice", record.target), ("CreditMemo", record.source))
        currency = value(owner, "CurrencyRef")
        if currency and currency != record.currency:
            text = f"the invoice is in {currency}, the application in {record.currency}"
            raise Fault(Code.CURRENCY_DIFFERS, text, field="currency")
        told: dict[str, Any] = {
            "CustomerRef": points_to(value(owner, "CustomerRef")),
            "TotalAmt": ZERO,
            "TxnDate": record.on.isoformat(),
            "CurrencyRef": points_to(currency) if currency else None,
            "Line": [_linked(record.amount, kind, ref.id) for kind, ref in sides],
        }
        marked = self.marks.get("Application", "")
        return told | ({marked: change.mark} if marked and _mark(change) else {})


_ONCE = ("CurrencyRef", "PaymentRefNum")
"""What is only sent with a new record: the currency stays, the reference may be ours."""


def _lines(record: Record | None) -> tuple[Line, ...] | None:
    return record.lines if isinstance(record, Invoice | CreditNote) else None


def _with_lines(record: Any, lines: tuple[Line, ...]) -> Any:
    """The document with other lines, whose total they make."""
    total = sum((line.amount for line in lines), ZERO)
    return evolve(record, lines=lines, total=total)


def _owner(customer: Ref | None) -> dict[str, str]:
    if customer is None:
        raise Fault(Code.BAD_FIELD, "it has no customer", field="customer")
    return points_to(customer.id)


def _due(record: Invoice | CreditNote) -> str | None:
    due = record.due if isinstance(record, Invoice) else None
    return due.isoformat() if due else None


def _mark(change: Change) -> str:
    """What a new record is found again by; one that is there keeps what it has."""
    return change.mark if change.target is None else ""


def _short(change: Change, text: str, field: str) -> str:
    if change.target is None and len(text) > NUMBER_MAX:
        raise refused(f"its {field} has more than {NUMBER_MAX} characters", field)
    return text


def _linked(amount: Decimal, kind: str, identity: str) -> dict[str, Any]:
    """A line of a payment: what it settles, or consumes."""
    return {"Amount": amount, "LinkedTxn": [{"TxnId": identity, "TxnType": kind}]}


def _part(put: Application, payment: Payment) -> dict[str, Any]:
    """The part of a payment's own money that goes to an invoice."""
    if put.how is not Part.CASH or put.currency != payment.currency:
        text = "a payment puts its own money to invoices of its currency"
        raise refused(f"{text}: apply credits apart", "applications")
    return _linked(put.amount, "Invoice", put.target.id)


def applies_credit(change: Change) -> bool:
    """Whether a new application puts a credit memo to an invoice."""
    put = change.after
    return isinstance(put, Application) and put.source.kind == "CreditNote"


def targets(changes: Iterable[Change]) -> list[str]:
    """The invoices that new applications are put to."""
    found = [c.after.target.id for c in changes if isinstance(c.after, Application)]
    return list(dict.fromkeys(found))
