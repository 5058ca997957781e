"""The host's own application, by its methods and by its table, and what people do in it."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from attrs import evolve

from tieout.errors import Code, Fate, Fault
from tieout.local import Bill, Local, LocalApp
from tieout.models import RecordType, Settlement
from tieout.table import Columns, Table
from tieout.testing.conformance import Bench, SetClock, Unplugged

CONNECTION = "app:shop"


class Shop(LocalApp):
    """An application that holds its invoices in a dictionary."""

    def __init__(self, clock: SetClock) -> None:
        self.clock = clock
        self.bills: dict[str, Bill] = {}

    def put(self, bill: Bill) -> None:
        self.bills[str(bill.id)] = evolve(bill, changed_at=self.clock.now())

    def invoices(self, ids: Sequence[str], numbers: Sequence[str]) -> Iterable[Bill]:
        asked = {*ids}, {each.strip() for each in numbers}
        return [
            each
            for each in self.bills.values()
            if str(each.id) in asked[0] or str(each.number) in asked[1]
        ]

    def set_paid(self, invoice: Settlement) -> None:
        if invoice.ref.id not in self.bills:
            raise Fault(Code.VANISHED, "no such invoice", fate=Fate.REFUSED)
        bill = self.bills[invoice.ref.id]
        self.put(evolve(bill, paid_amount=invoice.paid, date_paid=invoice.paid_on))

    def changed(self, since: datetime) -> Iterable[Bill]:
        every = self.bills.values()
        return [each for each in every if each.changed_at and each.changed_at >= since]

    def everything(self) -> Iterable[Bill]:
        return [*self.bills.values()]


class _HostBench(Bench):
    """An application of the host's: paid amounts are entered, payments are no records."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.transport = Unplugged()
        self._serial = 0
        self.set_up()

    def set_up(self) -> None:
        """Make the application."""

    def own(self) -> str:
        self._serial += 1
        return str(self._serial)

    def customer(self, name: str, number: str = "") -> str:
        return self.own()


class LocalBench(_HostBench):
    """The host's application by its methods."""

    def set_up(self) -> None:
        self.shop = Shop(self.clock)

    def connector(self, **overrides: Any) -> Local:
        return Local(self.shop, connection=CONNECTION, base_currency="USD", **overrides)

    def invoice(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        own = self.own()
        told = {"id": own, "number": number, "currency": currency, "total": total}
        self.shop.put(Bill(**told, on=on, customer=customer))  # type: ignore[arg-type]
        return own

    def pay(self, invoice: str, amount: Decimal, on: date) -> str:
        bill = self.shop.bills[invoice]
        paid = Decimal(bill.paid_amount or 0) + amount
        settled = paid + Decimal(bill.credited or 0) >= Decimal(bill.total)
        day = on if settled else None
        self.shop.put(evolve(bill, paid_amount=paid, date_paid=day))
        return f"{invoice}:{amount}"

    overpay = pay

    def take_back(self, payment: str) -> None:
        invoice, _, amount = payment.partition(":")
        bill = self.shop.bills[invoice]
        paid = Decimal(bill.paid_amount or 0) - Decimal(amount)
        self.shop.put(evolve(bill, paid_amount=paid, date_paid=None))

    def edit(self, kind: RecordType, identity: str) -> None:
        self.shop.put(evolve(self.shop.bills[identity], reference="edited"))

    def void(self, kind: RecordType, identity: str) -> None:
        self.shop.put(evolve(self.shop.bills[identity], void=True))

    def delete(self, kind: RecordType, identity: str) -> None:
        del self.shop.bills[identity]


SCHEMA = """
CREATE TABLE invoices (
    id TEXT PRIMARY KEY, number TEXT NOT NULL, currency TEXT NOT NULL, total TEXT NOT NULL,
    paid_amount TEXT NOT NULL DEFAULT '0.00', date_paid TEXT, invoice_date TEXT,
    credited TEXT, customer TEXT, void INTEGER NOT NULL DEFAULT 0, changed_at TEXT
)
"""
COLUMNS = Columns(
    id="id",
    number="number",
    total="total",
    paid_amount="paid_amount",
    date_paid="date_paid",
    currency="currency",
    on="invoice_date",
    customer="customer",
    void="void",
    changed_at="changed_at",
)


class TableBench(_HostBench):
    """The host's application by its table, in SQLite."""

    excuses: Mapping[str, str] = {
        "nothing older is read": "it reads from a day earlier, whatever zone a column is in"
    }

    def set_up(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "shop.db"
        self.make_tables()

    def make_tables(self) -> None:
        """The application's tables, as yet without a row."""
        self._do(SCHEMA)

    def close(self) -> None:
        self.folder.cleanup()

    def _do(self, sql: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.path)) as database, database:
            return database.execute(sql, values).fetchall()

    def connector(self, **overrides: Any) -> Table:
        told = {"columns": COLUMNS, "connection": CONNECTION, "base_currency": "USD"}
        return Table(
            connect=lambda: sqlite3.connect(self.path),
            table="invoices",
            **{**told, **overrides},
        )

    def invoice(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        own = self.own()
        row = (own, number, currency, str(total), on.isoformat(), customer)
        names = "id, number, currency, total, invoice_date, customer, changed_at"
        sql = f"INSERT INTO invoices ({names}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        self._do(sql, *row, self._now())
        return own

    def _now(self) -> str:
        return self.clock.now().isoformat()

    def _paid(self, invoice: str, more: Decimal, on: date | None) -> None:
        sql = "SELECT total, paid_amount, credited FROM invoices WHERE id = ?"
        ((total, before, credited),) = self._do(sql, invoice)
        paid = Decimal(before) + more
        settled = paid + Decimal(credited or 0) >= Decimal(total)
        day = on.isoformat() if on and settled else None
        sql = "UPDATE invoices SET paid_amount=?, date_paid=?, changed_at=? WHERE id=?"
        self._do(sql, str(paid), day, self._now(), invoice)

    def pay(self, invoice: str, amount: Decimal, on: date) -> str:
        self._paid(invoice, amount, on)
        return f"{invoice}:{amount}"

    overpay = pay

    def take_back(self, payment: str) -> None:
        invoice, _, amount = payment.partition(":")
        self._paid(invoice, -Decimal(amount), None)

    def edit(self, kind: RecordType, identity: str) -> None:
        sql = "UPDATE invoices SET changed_at = ? WHERE id = ?"
        self._do(sql, self._now(), identity)

    def void(self, kind: RecordType, identity: str) -> None:
        sql = "UPDATE invoices SET void = 1, changed_at = ? WHERE id = ?"
        self._do(sql, self._now(), identity)

    def delete(self, kind: RecordType, identity: str) -> None:
        self._do("DELETE FROM invoices WHERE id = ?", identity)
