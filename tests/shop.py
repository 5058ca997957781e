"""
A shop's database: customers, invoices, credit notes, payments, and the table over it.

It is the host's own side of tests; what becomes of its rows elsewhere is not known here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from attrs import frozen

import tieout
from tieout.table import (
    ApplicationTable,
    CreditNoteTable,
    CustomerTable,
    InvoiceTable,
    LineTable,
    PaymentTable,
)

HERE = "app:shop"
VAT = "VAT 20%"
"""The tax that taxed lines name."""

SCHEMA = """
    CREATE TABLE customers (id INTEGER PRIMARY KEY, number, name, email,
        active DEFAULT 1, changed_at, mark UNIQUE);
    CREATE TABLE invoices (id INTEGER PRIMARY KEY, number, customer INTEGER, day, due,
        currency, total, reference, paid DEFAULT '0', credited DEFAULT '0', paid_on,
        draft DEFAULT 0, void DEFAULT 0, changed_at, mark UNIQUE);
    CREATE TABLE invoice_lines (id INTEGER PRIMARY KEY, invoice INTEGER, text, quantity,
        price, amount, tax, tax_code);
    CREATE TABLE notes (id INTEGER PRIMARY KEY, number, customer INTEGER, day, currency,
        total, reference, draft DEFAULT 0, void DEFAULT 0, changed_at, mark UNIQUE);
    CREATE TABLE note_lines (id INTEGER PRIMARY KEY, note INTEGER, text, quantity, price,
        amount, tax, tax_code);
    CREATE TABLE note_puts (id INTEGER PRIMARY KEY, note INTEGER, invoice INTEGER, amount,
        day);
    CREATE TABLE payments (id INTEGER PRIMARY KEY, number, customer INTEGER, day,
        currency, amount, reference, void DEFAULT 0, changed_at, mark UNIQUE);
    CREATE TABLE payment_puts (id INTEGER PRIMARY KEY, payment INTEGER, invoice INTEGER,
        amount, day);
"""

COMMON: dict[str, Any] = {
    "id": "id",
    "changed_at": "changed_at",
    "mark": "mark",
    "integer_ids": True,
}
BILLED: dict[str, Any] = {
    "number": "number",
    "customer": "customer",
    "on": "day",
    "currency": "currency",
    "total": "total",
    "reference": "reference",
    "draft": "draft",
    "void": "void",
}

Put: TypeAlias = tuple[int, str]
"""An invoice's id, and how much is put to it."""


def line(
    text: str, amount: str, *, quantity: str = "1", price: str = "", **tax: str
) -> dict[str, str]:
    """A line of a document; ``tax`` and ``tax_code``, where it is taxed."""
    return {
        "text": text,
        "amount": amount,
        "quantity": quantity,
        "price": price or amount,
        **tax,
    }


def _lines(table: str, document: str) -> LineTable:
    return LineTable(
        table=table,
        document=document,
        id="id",
        description="text",
        quantity="quantity",
        unit_price="price",
        amount="amount",
        tax="tax",
        tax_code="tax_code",
    )


def _puts(table: str, document: str) -> ApplicationTable:
    return ApplicationTable(
        table=table,
        document=document,
        id="id",
        invoice="invoice",
        amount="amount",
        on="day",
    )


class Shop:
    """The shop; each change of a row is stamped with ``now``."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        self.path, self._now = path, now
        with closing(sqlite3.connect(path)) as books:
            books.executescript(SCHEMA)

    # What an office does

    def run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """One statement, committed; the rows that it gives."""
        with closing(sqlite3.connect(self.path)) as books, books:
            return books.execute(sql, values).fetchall()

    def _insert(self, table: str, row: dict[str, Any]) -> int:
        marks = ", ".join("?" for _ in row)
        sql = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks}) RETURNING id"
        ((made,),) = self.run(sql, *row.values())
        return int(made)

    def customer(self, name: str, number: str = "", email: str = "") -> int:
        row = {"name": name, "number": number or None, "email": email or None}
        return self._insert("customers", {**row, **self._stamp()})

    def invoice(self, number: str, customer: int, total: str, **row: Any) -> int:
        """An invoice of its ``lines``, on a ``day``."""
        return self._document("invoices", number, customer, total, **row)

    def note(self, number: str, customer: int, total: str, **row: Any) -> int:
        """A credit note of its ``lines``, put to the invoices of ``puts``."""
        return self._document("notes", number, customer, total, **row)

    def _document(
        self,
        table: str,
        number: str,
        customer: int,
        total: str,
        *,
        day: date,
        lines: Iterable[dict[str, str]] = (),
        puts: Iterable[Put] = (),
        currency: str = "USD",
        **row: Any,
    ) -> int:
        known = {"number": number, "customer": customer, "total": total}
        dated = {"day": day.isoformat(), "currency": currency}
        made = self._insert(table, {**known, **dated, **row, **self._stamp()})
        one = table.removesuffix("s")
        for each in lines:
            self._insert(f"{one}_lines", {one: made, **each})
        self._put_to(one, made, day, puts)
        return made

    def payment(
        self,
        customer: int,
        amount: str,
        *puts: Put,
        day: date,
        number: str = "",
        currency: str = "USD",
    ) -> int:
        """Money received, put to the invoices of ``puts``."""
        known = {"customer": customer, "amount": amount, "number": number or None}
        dated = {"day": day.isoformat(), "currency": currency}
        made = self._insert("payments", {**known, **dated, **self._stamp()})
        self._put_to("payment", made, day, puts)
        return made

    def _put_to(self, one: str, made: int, day: date, puts: Iterable[Put]) -> None:
        for invoice, amount in puts:
            row = {one: made, "invoice": invoice, "amount": amount}
            self._insert(f"{one}_puts", {**row, "day": day.isoformat()})
            if one == "note":
                asked = "SELECT credited FROM invoices WHERE id = ?"
                ((held,),) = self.run(asked, invoice)
                credited = str(Decimal(held) + Decimal(amount))
                told = "UPDATE invoices SET credited = ? WHERE id = ?"
                self.run(told, credited, invoice)

    def edit(self, table: str, row: int, **values: Any) -> None:
        """Change a row, or only stamp it anew."""
        told = {**values, **self._stamp()}
        names = ", ".join(f"{name} = ?" for name in told)
        self.run(f"UPDATE {table} SET {names} WHERE id = ?", *told.values(), row)

    def _stamp(self) -> dict[str, str]:
        return {"changed_at": self._now().isoformat()}

    # What it shows

    def paid(self, invoice: int) -> tuple[Decimal, str | None]:
        """What is shown as paid of an invoice, and since when it is paid in full."""
        asked = "SELECT paid, paid_on FROM invoices WHERE id = ?"
        ((paid, on),) = self.run(asked, invoice)
        return Decimal(paid), on

    def table(self) -> tieout.Table:
        """The shop's own connector: levels and documents."""
        lines, puts = _lines("note_lines", "note"), _puts("note_puts", "note")
        return tieout.Table(
            connect=lambda: sqlite3.connect(self.path),
            table="invoices",
            columns=tieout.Columns(
                id="id",
                number="number",
                total="total",
                currency="currency",
                on="day",
                customer="customer",
                paid_amount="paid",
                date_paid="paid_on",
                credited="credited",
                void="void",
            ),
            documents=[
                CustomerTable(
                    table="customers",
                    name="name",
                    number="number",
                    email="email",
                    active="active",
                    **COMMON,
                ),
                InvoiceTable(
                    table="invoices",
                    due="due",
                    paid_amount="paid",
                    credited="credited",
                    lines=_lines("invoice_lines", "invoice"),
                    **COMMON,
                    **BILLED,
                ),
                CreditNoteTable(
                    table="notes", lines=lines, applications=puts, **COMMON, **BILLED
                ),
                PaymentTable(
                    table="payments",
                    on="day",
                    amount="amount",
                    currency="currency",
                    customer="customer",
                    number="number",
                    reference="reference",
                    void="void",
                    applications=_puts("payment_puts", "payment"),
                    **COMMON,
                ),
            ],
            integer_ids=True,
            connection=HERE,
        )


# A week's work ----------------------------------------------------------------------------


@frozen
class Week:
    """What was done in a week, by the ids that the shop gave."""

    alder: int
    birch: int
    taxed: int
    """150.00: 120.00 with tax, 30.00 without; nothing is left of it."""
    plain: int
    """80.00, of which 30.00 are left; the oldest invoice, and not the first that was made."""
    open: int
    """99.95, of the other customer, and nothing paid of it."""
    note: int
    """30.00, put to the taxed one."""
    split: int
    """A payment of 120.00: 70.00 for the taxed one, 50.00 for the plain one."""
    rest: int
    """A payment of 50.00, the rest of the taxed one."""


def week(shop: Shop, last: date) -> Week:
    """
    Two customers, three invoices, a credit note, and two payments up to the ``last`` day.

    The invoices are made in another order than that of their days.
    """

    def day(before: int) -> date:
        return last - timedelta(days=before)

    alder = shop.customer("Alder", "C-1", "a@example.com")
    birch = shop.customer("Birch & Söhne")
    work = line(
        "Work", "100.00", quantity="2", price="50.00", tax="20.00", tax_code=VAT
    )
    taxed = shop.invoice(
        "INV-1", alder, "150.00", day=day(4), lines=[work, line("Travel", "30.00")]
    )
    hours = line("Hours", "80.00", quantity="2.5", price="32.00")
    plain = shop.invoice("INV-2", alder, "80.00", day=day(6), lines=[hours])
    stay = line("Stay", "99.95")
    unpaid = shop.invoice("INV-3", birch, "99.95", day=day(5), lines=[stay])
    goodwill = line("Goodwill", "30.00")
    puts = [(taxed, "30.00")]
    note = shop.note("CN-1", alder, "30.00", day=day(3), lines=[goodwill], puts=puts)
    parts = ((taxed, "70.00"), (plain, "50.00"))
    split = shop.payment(alder, "120.00", *parts, day=day(2), number="P-1")
    rest = shop.payment(alder, "50.00", (taxed, "50.00"), day=day(1))
    return Week(alder, birch, taxed, plain, unpaid, note, split, rest)
