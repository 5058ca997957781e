"""
Rows of the host's own as records: what a row means, kind by kind.

Pure. A `Fault` names the field that cannot be read; rows come from an app's methods or
from its tables, which is not told apart here but by ``strict``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from attrs import frozen

from tieout.errors import Code, Fault
from tieout.fields import Fields
from tieout.host.values import (
    day,
    identity,
    instant,
    money,
    price,
    quantity,
    truth,
    version,
)
from tieout.models import (
    Application,
    Basis,
    CreditNote,
    Custom,
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

Load = Callable[[Fields], Any]

MARK = "mark"
"""What our mark is called in a row, and in ``custom`` of the record."""

_TO_PARTS = (
    "Correct the applications, or what is left of it: both together make its amount."
)


@frozen
class Records:
    """
    Loaders of one connection's rows.

    ``minor_units``: amounts are whole. ``strict``: a day that is an instant, and an instant
    that names no zone, are refused. In a column they are a convention, in an app a mistake.
    """

    connection: str
    minor_units: bool = False
    strict: bool = False

    def loader(self, kind: RecordType) -> Load:
        """What makes a record of this kind out of a row."""
        return partial(_LOADERS[kind], self)

    # The money of an invoice

    def settlement(self, row: Fields) -> Settlement:
        currency = row.currency("currency")
        paid = self._money(row, "paid_amount", currency) or ZERO
        credited = self._money(row, "credited", currency)
        total, number = self._money(row, "total", currency), row.number("number")
        if total is None or not number:
            lacking = "total" if total is None else "number"
            raise Fault(Code.BAD_FIELD, f"{lacking} is missing", field=lacking)
        parts = {} if credited is None else {Part.CREDIT: credited}
        balance = total - paid - (credited or ZERO)
        status = Status.OPEN if balance > 0 else Status.SETTLED
        if row.maybe("void", truth):
            status = Status.VOID
        paid_on = self._day(row, "date_paid")
        return Settlement(
            self._ref("Invoice", row.read("id", identity)),
            number,
            currency,
            total,
            balance,
            status,
            reference=row.text("reference"),
            customer=self._named(row, "customer", "Customer"),
            on=self._day(row, "on"),
            settled_by={Part.CASH: paid, **parts},
            paid_on=paid_on,
            basis=Basis.LEDGER_FIELD if paid_on else None,
            **self._state(row),
        )

    # Documents

    def customer(self, row: Fields) -> Customer:
        own, active = row.read("id", identity), row.maybe("active", truth)
        if not (name := row.text("name")):
            raise Fault(Code.BAD_FIELD, "name is missing", field="name")
        return Customer(
            self._ref("Customer", own),
            name,
            number=row.number("number"),
            email=row.text("email"),
            currency=_currency(row),
            active=active is not False,
            parent=self._named(row, "parent", "Customer"),
            custom=_custom(row),
            **self._state(row),
        )

    def invoice(self, row: Fields) -> Invoice:
        currency = row.currency("currency")
        total = self._needed(row, "total", currency, signed=True)
        paid = self._money(row, "paid_amount", currency) or ZERO
        credited = self._money(row, "credited", currency) or ZERO
        return Invoice(
            self._ref("Invoice", row.read("id", identity)),
            _number(row),
            self._named(row, "customer", "Customer"),
            currency,
            self._needed_day(row),
            total,
            _status(row, owed=total - paid - credited > 0),
            reference=row.text("reference"),
            due=self._day(row, "due"),
            lines=self._lines(row, currency),
            custom=_custom(row),
            carry=self._instant(row, "posted_at"),
            **self._state(row),
        )

    def credit_note(self, row: Fields) -> CreditNote:
        currency = row.currency("currency")
        total = self._needed(row, "total", currency)
        ref = self._ref("CreditNote", row.read("id", identity))
        on = self._needed_day(row)
        puts = self._applications(row, ref, currency, on, Part.CREDIT)
        remaining = self._rest(row, "remaining", total, puts, currency)
        owed = total > 0 if remaining is None else remaining > 0
        return CreditNote(
            ref,
            _number(row),
            self._named(row, "customer", "Customer"),
            currency,
            on,
            total,
            _status(row, owed=owed),
            remaining=remaining,
            reference=row.text("reference"),
            lines=self._lines(row, currency),
            applications=puts,
            custom=_custom(row),
            **self._state(row),
        )

    def payment(self, row: Fields) -> Payment:
        currency = row.currency("currency")
        received = self._needed(row, "amount", currency)
        ref, on = self._ref("Payment", row.read("id", identity)), self._needed_day(row)
        puts = self._applications(row, ref, currency, on, Part.CASH)
        return Payment(
            ref,
            self._named(row, "customer", "Customer"),
            currency,
            on,
            received,
            _status(row, owed=False),
            number=row.number("number"),
            reference=row.text("reference"),
            unapplied=self._rest(row, "unapplied", received, puts, currency),
            applications=puts,
            method=row.text("method"),
            account=row.text("account"),
            custom=_custom(row),
            **self._state(row),
        )

    def posting(self, row: Fields) -> Posting:
        return Posting(
            self._ref("Posting", row.read("id", identity)),
            number=row.number("number"),
            on=self._instant(row, "posted_at"),
            carry=self._needed_day(row),
            **self._state(row),
        )

    # Parts of rows

    def _ref(self, kind: str, own: str) -> Ref:
        return Ref(self.connection, kind, own)

    def _named(self, row: Fields, name: str, kind: str) -> Ref | None:
        own = row.maybe(name, identity)
        return self._ref(kind, own) if own else None

    def _state(self, row: Fields) -> dict[str, Any]:
        return {
            "changed_at": self._instant(row, "changed_at"),
            "version": row.maybe("version", version) or "",
        }

    def _money(self, row: Fields, name: str, currency: str) -> Decimal | None:
        return money(row, name, currency, minor_units=self.minor_units)

    def _needed(
        self, row: Fields, name: str, currency: str, *, signed: bool = False
    ) -> Decimal:
        """An amount that has to be there; below zero only where it may be ``signed``."""
        found, at = self._money(row, name, currency), row.path(name)
        if found is None:
            raise Fault(Code.BAD_FIELD, f"{at} is missing", field=at)
        if found < 0 and not signed:
            raise Fault(Code.BAD_AMOUNT, f"{at} is below zero", field=at)
        return found

    def _day(self, row: Fields, name: str) -> date | None:
        if self.strict and isinstance(row.raw.get(name), datetime):
            at = row.path(name)
            raise Fault(Code.BAD_DATE, f"{at} is an instant, not a day", field=at)
        return row.maybe(name, day)

    def _needed_day(self, row: Fields, name: str = "on") -> date:
        found = self._day(row, name)
        if found is None:
            at = row.path(name)
            raise Fault(Code.BAD_FIELD, f"{at} is missing", field=at)
        return found

    def _instant(self, row: Fields, name: str) -> datetime | None:
        value = row.raw.get(name)
        if self.strict and isinstance(value, datetime) and value.tzinfo is None:
            at = row.path(name)
            raise Fault(Code.BAD_DATE, f"{at} has no time zone", field=at)
        return row.maybe(name, instant)

    def _lines(self, row: Fields, currency: str) -> tuple[Line, ...]:
        return tuple(self._line(each, currency) for each in row.children("lines"))

    def _line(self, row: Fields, currency: str) -> Line:
        minor = self.minor_units
        return Line(
            description=row.text("description"),
            amount=self._money(row, "amount", currency) or ZERO,
            quantity=quantity(row, "quantity"),
            unit_price=price(row, "unit_price", currency, minor_units=minor),
            tax=self._money(row, "tax", currency),
            tax_code=row.text("tax_code"),
            account=row.text("account"),
            item=row.text("item"),
            dimensions=row.maybe("dimensions", _texts) or {},
            custom=row.maybe("custom", _scalars) or {},
        )

    def _applications(
        self, row: Fields, source: Ref, currency: str, on: date, how: Part
    ) -> tuple[Application, ...]:
        """What was put to invoices, in an order that stays."""
        live = not row.maybe("void", truth)
        puts = [self._put(each, currency, on) for each in row.children("applications")]
        found: dict[str, Application] = {}
        for own, put_to, told in sorted(puts, key=_order):
            unlike = _unlike(own or f"{source.id}/{put_to}", found)
            found[unlike] = Application(
                self._ref("Application", unlike),
                source,
                self._ref("Invoice", put_to),
                how=how,
                live=live,
                source_currency=currency,
                **told,
            )
        return tuple(found.values())

    def _put(
        self, row: Fields, currency: str, on: date
    ) -> tuple[str, str, dict[str, Any]]:
        """An application's id, if it has one, its invoice's, and what was put to it."""
        own = _currency(row) or currency
        put = self._needed(row, "amount", own)
        source = self._money(row, "source_amount", currency)
        if source is None and own != currency:
            at = row.path("source_amount")
            raise Fault(Code.BAD_FIELD, f"{at} is missing", field=at)
        told = {
            "amount": put,
            "currency": own,
            "on": self._day(row, "on") or on,
            "source_amount": put if source is None else source,
        }
        return row.maybe("id", identity) or "", row.read("invoice", identity), told

    def _rest(
        self,
        row: Fields,
        name: str,
        total: Decimal,
        puts: Iterable[Application],
        currency: str,
    ) -> Decimal | None:
        """
        What of a document is not applied: as the row tells it, or worked out.

        A payment is what was applied and what was not; of a credit note, more may have
        been applied than is told.
        """
        told = self._money(row, name, currency)
        if told is not None and told < 0:
            at = row.path(name)
            raise Fault(Code.BAD_AMOUNT, f"{at} is below zero", field=at)
        if not row.has("applications"):
            return told
        rest = total - sum((each.source_amount or ZERO for each in puts), ZERO)
        left = rest if told is None else told
        if rest < 0 or left > rest or (name == "unapplied" and left != rest):
            text = f"{total} is not what was applied and what was not"
            at = row.path("applications")
            raise Fault(Code.TOTALS_DISAGREE, text, field=at, remedy=_TO_PARTS)
        return left


def _currency(row: Fields) -> str:
    """A currency that need not be there."""
    told = row.raw.get("currency") not in (None, "")
    return row.currency("currency") if told else ""


def _number(row: Fields) -> str:
    if not (number := row.number("number")):
        raise Fault(Code.BAD_FIELD, "number is missing", field="number")
    return number


def _status(row: Fields, *, owed: bool) -> Status:
    if row.maybe("void", truth):
        return Status.VOID
    if row.maybe("draft", truth):
        return Status.DRAFT
    return Status.OPEN if owed else Status.SETTLED


def _custom(row: Fields) -> Custom:
    mark = row.text(MARK)
    return {MARK: mark} if mark else {}


def _texts(value: Any) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise TypeError(type(value).__name__)
    told = dict(value)
    if not all(isinstance(each, str) for pair in told.items() for each in pair):
        raise TypeError("names and texts")
    return told


def _scalars(value: Any) -> Custom:
    if not isinstance(value, Mapping):
        raise TypeError(type(value).__name__)
    told = dict(value)
    if not all(
        isinstance(name, str) and isinstance(each, str | Decimal | date | bool)
        for name, each in told.items()
    ):
        raise TypeError("names and plain values")
    return told


def _order(put: tuple[str, str, dict[str, Any]]) -> tuple[str, str, Decimal, date]:
    """By what applications are put in order, also where they have no ids."""
    own, put_to, told = put
    return own, put_to, told["amount"], told["on"]


def _unlike(wanted: str, taken: Mapping[str, object]) -> str:
    """The id itself, or with a number behind it where another application has it."""
    own, count = wanted, 1
    while own in taken:
        count += 1
        own = f"{wanted}/{count}"
    return own


_LOADERS: Mapping[RecordType, Callable[[Records, Fields], Any]] = {
    Settlement: Records.settlement,
    Customer: Records.customer,
    Invoice: Records.invoice,
    CreditNote: Records.credit_note,
    Payment: Records.payment,
    Posting: Records.posting,
}
