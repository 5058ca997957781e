"""
ConnectWise's rows as records of tieout: pure.

Nothing here asks for anything, or makes a body to send. A payment record tells neither
currency nor customer, so its row is read together with its invoice's (``bill``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from attrs import frozen

from tieout.connector import Fields, iso_day, iso_instant, system_id
from tieout.connectors.connectwise.errors import TOTALS, mapping
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
    Posting,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.money import ZERO
from tieout.owned import Receipt, last_on
from tieout.owned import total as total_of

INVOICE_TYPES: Mapping[str, RecordType] = {
    "CreditMemo": CreditNote,
    **dict.fromkeys(("Agreement", "DownPayment", "Miscellaneous"), Invoice),
    **dict.fromkeys(("Progress", "Standard"), Invoice),
}

ID = re.compile(r"[0-9]{1,18}", re.ASCII)


# Fields -------------------------------------------------------------------------------


def own_id(row: Fields, name: str = "id") -> str:
    """An id, which becomes a part of addresses and conditions: digits alone."""
    return system_id(row, name, ID, "ConnectWise")


def id_behind(row: Fields, name: str) -> str:
    """The id of the record that a reference names; "" where it names none."""
    inner = row.inside(name)
    return "" if inner.raw.get("id") in (None, "", 0, "0") else own_id(inner)


def ids_of(rows: Iterable[Any]) -> list[int]:
    """The ids of rows, as far as they have one."""
    found = [str(mapping(each).get("id")) for each in rows]
    return [int(each) for each in found if ID.fullmatch(each)]


def receipt_of(row: Fields, invoice: str, currency: str) -> tuple[Receipt, str]:
    """A payment record, and the id of the credit memo that it applies, if it does."""
    if id_behind(row, "invoice") not in ("", invoice):
        at = row.path("invoice.id")
        raise Fault(Code.BAD_FIELD, "the payment belongs to another invoice", field=at)
    amount, on = row.amount("amount", currency), row.maybe("paymentDate", iso_day)
    return Receipt(own_id(row), amount, on), id_behind(row, "credit")


def receipts_of(
    rows: Sequence[Any], invoice: str, currency: str
) -> tuple[list[Receipt], Decimal]:
    """An invoice's cash payments, and the sum of those that apply a credit memo."""
    at = [Fields(row, f"payments[{at}]") for at, row in enumerate(rows)]
    found = [receipt_of(row, invoice, currency) for row in at]
    cash = [receipt for receipt, memo in found if not memo]
    return cash, total_of(receipt for receipt, memo in found if memo)


def records_of(row: Fields) -> list[Any]:
    """The payment records that were read with an invoice; raises where they could not be."""
    found: list[Any] | Fault = row.raw["records"]
    if isinstance(found, Fault):
        raise found
    return found


def _parts(
    total: Decimal, balance: Decimal, cash: Decimal, told: Collection[Decimal]
) -> dict[Part, Decimal]:
    """Cash, and that of the credits that makes the total; their sign is unverified."""
    credit = total - balance - cash
    if credit not in {*told, *map(abs, told)}:
        said = " or ".join(map(str, told))
        text = f"total {total}, payments {cash}, credits {said}, balance {balance}"
        raise TOTALS.fault(text, field="balance")
    return {Part.CASH: cash, Part.CREDIT: credit}


def of_type(kind: RecordType, load: Callable[[Fields], Any]) -> Callable[[Fields], Any]:
    """The loader, for rows whose type is of this kind; one for others alone."""
    return lambda row: load(row) if row.choice("type", INVOICE_TYPES) is kind else None


def only(kind: RecordType, load: Callable[[Fields], Any]) -> Callable[[Fields], Any]:
    """The loader, where it makes a record of this kind."""

    def loaded(row: Fields) -> Any:
        found = load(row)
        return found if isinstance(found, kind) else None

    return loaded


def _at(row: Fields, name: str) -> datetime | None:
    """An instant of a row; the vendor's times are UTC."""
    told = row.inside("_info")
    return told.maybe(name, lambda text: iso_instant(text, naive_is_utc=True))


def _changed(row: Fields) -> dict[str, Any]:
    """Change time and version."""
    version = row.inside("_info").text("lastUpdated")
    return {"changed_at": _at(row, "lastUpdated"), "version": version}


def _held(row: Fields, *names: str) -> dict[str, str]:
    """Texts that go into ``custom``, where there are any."""
    return {name: row.text(name) for name in names if row.text(name)}


def _taxed(row: Fields, head: Mapping[str, Any]) -> tuple[Line, ...]:
    """
    What a document tells of its lines: without tax, nothing; else its net amount and tax.

    ConnectWise keeps the lines themselves in three other lists, which are not read.
    """
    tax = abs(row.maybe_amount("salesTax", head["currency"]) or ZERO)
    return (Line(head["number"], head["total"] - tax, tax=tax),) if tax else ()


def _status(row: Fields, rest: Decimal) -> Status:
    """A document is final once its billing status is a closed one."""
    status = row.inside("status")
    if not status.has("isClosed"):
        at = status.path("isClosed")
        raise Fault(Code.UNKNOWN_STATUS, f"{at} is missing", field=at)
    if not status.flag("isClosed"):
        return Status.DRAFT
    return Status.OPEN if rest > 0 else Status.SETTLED


# Records ------------------------------------------------------------------------------


# fmt: off
@frozen
class Records:
    """
    The records of one ``connection``.

    ``active`` are the company statuses that count as active.
    """

    connection: str
    active: frozenset[str]

    def _ref(self, kind: str, identity: str) -> Ref:
        return Ref(self.connection, kind, identity)

    def _company(self, row: Fields) -> Ref | None:
        owner = row.inside("company")
        return self._ref("Customer", owner.id("id")) if owner.has("id") else None

    def customer(self, row: Fields) -> Customer:
        """A company; its identifier is what our mark is in."""
        status = row.inside("status").text("name")
        return Customer(
            self._ref("Customer", own_id(row)), row.text("name"), number=row.number("accountNumber"),
            email=row.text("invoiceToEmailAddress"), currency=row.inside("currency").text("currencyCode"),
            active=not row.flag("deletedFlag") and status in self.active,
            custom=_held(row, "identifier"), **_changed(row),
        )

    def _head(self, row: Fields, kind: str) -> dict[str, Any]:
        """What all documents have in common, by the names of the records' fields."""
        currency = row.inside("currency").currency("currencyCode")
        return {
            "ref": self._ref(kind, own_id(row)), "number": row.number("invoiceNumber"), "customer": self._company(row),
            "currency": currency, "total": row.amount("total", currency), **_changed(row),
        }

    def invoice(self, row: Fields) -> Invoice:
        head = self._head(row, "Invoice")
        status = _status(row, row.amount("balance", head["currency"]))
        on, due = row.read("date", iso_day), row.maybe("dueDate", iso_day)
        return Invoice(**head, status=status, on=on, due=due, lines=_taxed(row, head))

    def memo(self, row: Fields) -> CreditNote:
        """A credit memo, with the payment records that apply it where they were read."""
        head = self._head(row, "CreditNote")
        # Whether a credit memo's own amounts are negative is unverified.
        head["total"] = abs(head["total"])
        rest = abs(row.amount("balance", head["currency"]))
        status, on = _status(row, rest), row.read("date", iso_day)
        uses = map(self.record, row.children("applied"))
        put = tuple(each for each in uses if isinstance(each, Application))
        lines = _taxed(row, head)
        return CreditNote(**head, status=status, on=on, remaining=rest, lines=lines, applications=put)

    def settlement(self, row: Fields) -> Settlement:
        """An invoice's money: its roll-ups, and its payment ``records`` where it has some."""
        head, on = self._head(row, "Invoice"), row.maybe("date", iso_day)
        currency, total = head["currency"], head["total"]
        balance = row.amount("balance", currency)
        cash, credit = (row.maybe_amount(name, currency) for name in ("payments", "credits"))
        parts = {part: each for part, each in ((Part.CASH, cash), (Part.CREDIT, credit)) if each is not None}
        if cash is not None and credit is not None:
            parts = _parts(total, balance, cash, {credit})
        money: dict[str, Any] = {}
        if row.has("records"):
            held, applied = receipts_of(records_of(row), head["ref"].id, currency)
            parts = _parts(total, balance, total_of(held), {applied, parts.get(Part.CREDIT, applied)})
            money = {"receipts": tuple(each.id for each in held), "last_on": last_on(held)}
            if balance <= 0 and money["last_on"]:
                money |= {"paid_on": money["last_on"], "basis": Basis.LAST_RECEIPT}
        # A billing status says where the document is, not whether it is paid.
        status = Status.SETTLED if balance <= 0 else Status.OPEN
        return Settlement(**head, balance=balance, status=status, on=on, settled_by=parts, **money)

    def record(self, row: Fields) -> Payment | Application:
        """A payment record: money, or where it names a credit memo a part of that."""
        bill = row.inside("bill")
        if bill.has("type"):
            bill.choice("type", INVOICE_TYPES)
        if row.has("records"):
            records_of(row)
        invoice, currency = own_id(bill), bill.inside("currency").currency("currencyCode")
        receipt, memo = receipt_of(row, invoice, currency)
        own, on, changed = f"{invoice}/{receipt.id}", row.read("paymentDate", iso_day), _changed(row)
        source = self._ref("CreditNote", memo) if memo else self._ref("Payment", own)
        put = Application(
            self._ref("Application", own), source, self._ref("Invoice", invoice), receipt.amount, currency, on,
            how=Part.CREDIT if memo else Part.CASH, source_amount=receipt.amount, source_currency=currency, **changed,
        )
        if memo:
            return put
        return Payment(
            source, self._company(bill), currency, on, receipt.amount, Status.SETTLED,
            unapplied=ZERO, applications=(put,), **changed,
        )

    def posting(self, row: Fields) -> Posting:
        """Whether a document stands in an accounting batch, and since when."""
        batch, changed, made = id_behind(row, "glBatch"), _changed(row), row.inside("batch")
        on = _at(made, "dateEntered") or _at(made, "lastUpdated") or changed["changed_at"]
        if batch and on is None:
            text = "nothing says when its accounting batch was made"
            raise Fault(Code.BAD_DATE, text, field=row.path("glBatch"))
        name = row.inside("glBatch").text("name") or batch
        return Posting(
            self._ref("Posting", own_id(row)), row.number("invoiceNumber"), on if batch else None, name,
            custom=_held(row, "type"), carry=batch, **changed,
        )
# fmt: on
