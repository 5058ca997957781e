"""The host's own application with documents, by its methods and by its tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from attrs import evolve

from benches.host import COLUMNS, CONNECTION, LocalBench, Shop, TableBench
from tieout.errors import Code, Fault
from tieout.local import (
    ApplicationRow,
    CreditNoteRow,
    CreditNotes,
    CustomerRow,
    Customers,
    Documents,
    InvoiceRow,
    Invoices,
    Local,
    PaymentRow,
    Payments,
)
from tieout.models import CreditNote, Customer, Invoice, Payment, RecordType
from tieout.table import (
    ApplicationTable,
    CreditNoteTable,
    CustomerTable,
    InvoiceTable,
    LineTable,
    PaymentTable,
    Table,
)
from tieout.testing.conformance import SetClock

# By its methods ---------------------------------------------------------------------------


class Drawer(Documents[Any]):
    """Rows of one kind in a dictionary; each is stamped when it changes."""

    def __init__(self, shop: DocumentShop) -> None:
        self.shop = shop
        self.rows: dict[str, Any] = {}

    def put(self, row: Any) -> None:
        self.rows[str(row.id)] = evolve(row, changed_at=self.shop.clock.now())

    def named(self, ids: Sequence[str], numbers: Sequence[str]) -> Iterable[Any]:
        wanted = {each.strip() for each in numbers}
        for key, row in self.rows.items():
            if key in ids or (row.number and str(row.number) in wanted):
                yield row

    def everything(self) -> Iterable[Any]:
        yield from self.rows.values()

    def changed(self, since: datetime) -> Iterable[Any]:
        return [row for row in self.rows.values() if row.changed_at >= since]

    def marked(self, marks: Sequence[str]) -> Iterable[Any]:
        return [row for row in self.rows.values() if row.mark in marks]

    def create(self, row: Any) -> str:
        self.check(row)
        own = self.shop.own()
        self.put(evolve(row, id=own))
        return own

    def check(self, row: Any) -> None:
        """Refuse a row that names what is not there."""
        known = self.shop.customers.rows
        if getattr(row, "customer", None) and row.customer not in known:
            raise Fault(Code.REFUSED, f"no customer {row.customer}")
        for each in getattr(row, "applications", None) or ():
            if each.invoice not in self.shop.bought.rows:
                raise Fault(Code.REFUSED, f"no invoice {each.invoice}")

    def update(self, row: Any) -> None:
        # What the app keeps besides stays as it is.
        held = self.rows[row.id]
        kept = {
            name: getattr(held, name)
            for name in ("posted_at", "paid_amount", "credited")
            if hasattr(held, name)
        }
        self.put(evolve(row, **kept))

    def void(self, identity: str) -> None:
        self.put(evolve(self.rows[identity], void=True))


class ShopCustomers(Drawer, Customers):
    def void(self, identity: str) -> None:
        self.put(evolve(self.rows[identity], active=False))


class ShopInvoices(Drawer, Invoices):
    def unposted(self, through: date) -> Iterable[InvoiceRow]:
        rows: Iterable[InvoiceRow] = self.rows.values()
        return [row for row in rows if not row.posted_at and row.on <= through]

    def set_posted(self, identity: str, at: datetime | None) -> None:
        self.put(evolve(self.rows[identity], posted_at=at))


class ShopCreditNotes(Drawer, CreditNotes):
    """All of what it can."""


class ShopPayments(Drawer, Payments):
    def dated(self, first: date, last: date) -> Iterable[PaymentRow]:
        return [row for row in self.rows.values() if first <= row.on <= last]


class DocumentShop(Shop):
    """An application that holds documents besides what is paid of them."""

    def __init__(self, clock: SetClock) -> None:
        super().__init__(clock)
        self.serial = 0
        self.customers = ShopCustomers(self)
        self.bought = ShopInvoices(self)
        self.credit_notes = ShopCreditNotes(self)
        self.payments = ShopPayments(self)

    def own(self) -> str:
        self.serial += 1
        return str(self.serial)

    def documents(self) -> Iterable[Documents[Any]]:
        return (self.customers, self.bought, self.credit_notes, self.payments)


class LocalDocumentsBench(LocalBench):
    """The host's application by its methods, with documents."""

    zero_decimal = "JPY"

    def set_up(self) -> None:
        self.documents = DocumentShop(self.clock)
        self.shop = self.documents

    def own(self) -> str:
        return self.documents.own()

    def connector(self, **overrides: Any) -> Local:
        return Local(
            self.documents, connection=CONNECTION, base_currency="USD", **overrides
        )

    def customer(self, name: str, number: str = "") -> str:
        own = self.own()
        self.documents.customers.put(CustomerRow(id=own, name=name, number=number))
        return own

    def invoice(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        own = super().invoice(
            number, total, customer=customer, on=on, currency=currency
        )
        told = {"id": own, "number": number, "currency": currency, "total": total}
        row = InvoiceRow(**told, on=on, customer=customer)  # type: ignore[arg-type]
        self.documents.bought.put(row)
        return own

    def draft(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        own = self.invoice(number, total, customer=customer, on=on, currency=currency)
        self._invoice(own, draft=True)
        return own

    def _invoice(self, own: str, **values: Any) -> None:
        rows = self.documents.bought
        rows.put(evolve(rows.rows[own], **values))

    def credit_note(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        own = self.own()
        self.documents.credit_notes.put(
            CreditNoteRow(
                id=own,
                number=number,
                currency=currency,
                on=on,
                total=total,
                customer=customer,
                applications=(),
            )
        )
        return own

    def pay(self, invoice: str, amount: Decimal, on: date) -> str:
        super().pay(invoice, amount, on)
        bill, own = self.shop.bills[invoice], self.own()
        self._invoice(invoice, paid_amount=bill.paid_amount)
        put = ApplicationRow(invoice=invoice, amount=amount)
        self.documents.payments.put(
            PaymentRow(
                id=own,
                currency=bill.currency,
                on=on,
                amount=amount,
                customer=bill.customer,
                applications=(put,),
            )
        )
        return own

    overpay = pay

    def take_back(self, payment: str) -> None:
        row = self.documents.payments.rows[payment]
        (put,) = row.applications
        super().take_back(f"{put.invoice}:{put.amount}")
        paid = self.shop.bills[put.invoice].paid_amount
        self._invoice(put.invoice, paid_amount=paid)
        self.documents.payments.void(payment)

    def apply_credit(self, credit: str, invoice: str, amount: Decimal, on: date) -> str:
        notes, bill = self.documents.credit_notes, self.shop.bills[invoice]
        put = ApplicationRow(id=self.own(), invoice=invoice, amount=amount, on=on)
        held = notes.rows[credit]
        notes.put(evolve(held, applications=(*held.applications, put)))
        self._credited(invoice, Decimal(bill.credited or 0) + amount, on)
        return f"{credit}:{put.id}"

    def _credited(self, invoice: str, credited: Decimal, on: date | None) -> None:
        bill = self.shop.bills[invoice]
        settled = Decimal(bill.paid_amount or 0) + credited >= Decimal(bill.total)
        day = on if settled else None
        self.shop.put(evolve(bill, credited=credited, date_paid=day))
        self._invoice(invoice, credited=credited)

    def unapply_credit(self, application: str) -> None:
        credit, _, own = application.partition(":")
        notes = self.documents.credit_notes
        held = notes.rows[credit]
        (put,) = [each for each in held.applications if each.id == own]
        left = tuple(each for each in held.applications if each.id != own)
        notes.put(evolve(held, applications=left))
        bill = self.shop.bills[put.invoice]
        self._credited(put.invoice, Decimal(bill.credited or 0) - put.amount, None)

    def post(self, invoice: str) -> str:
        self._invoice(invoice, posted_at=self.clock.now())
        return invoice

    def _drawer(self, kind: RecordType) -> Drawer:
        return {
            Customer: self.documents.customers,
            Invoice: self.documents.bought,
            CreditNote: self.documents.credit_notes,
            Payment: self.documents.payments,
        }[kind]

    def edit(self, kind: RecordType, identity: str) -> None:
        rows = self._drawer(kind)
        what = "email" if kind is Customer else "reference"
        rows.put(evolve(rows.rows[identity], **{what: "edited"}))
        if kind is Invoice:
            super().edit(kind, identity)

    def void(self, kind: RecordType, identity: str) -> None:
        self._drawer(kind).void(identity)
        if kind is Invoice:
            super().void(kind, identity)

    def delete(self, kind: RecordType, identity: str) -> None:
        del self._drawer(kind).rows[identity]
        if kind is Invoice:
            super().delete(kind, identity)


# By its tables ----------------------------------------------------------------------------

OWN = "id TEXT PRIMARY KEY DEFAULT (lower(hex(randomblob(8))))"
HEAD = "customer TEXT, reference TEXT, currency TEXT, changed_at TEXT, mark TEXT UNIQUE"
LINE = "position INTEGER, description TEXT, amount TEXT, quantity TEXT, unit_price TEXT"
SCHEMA = f"""
CREATE TABLE customers (
    {OWN}, name TEXT NOT NULL, number TEXT, email TEXT, active INTEGER NOT NULL DEFAULT 1,
    changed_at TEXT, mark TEXT UNIQUE
);
CREATE TABLE invoices (
    {OWN}, number TEXT NOT NULL, invoice_date TEXT NOT NULL, due_date TEXT, total TEXT,
    paid_amount TEXT NOT NULL DEFAULT '0.00', credited TEXT, date_paid TEXT,
    void INTEGER NOT NULL DEFAULT 0, draft INTEGER NOT NULL DEFAULT 0, posted_at TEXT,
    {HEAD}
);
CREATE TABLE invoice_lines (invoice_id TEXT NOT NULL, {LINE});
CREATE TABLE credit_notes (
    {OWN}, number TEXT NOT NULL, note_date TEXT NOT NULL, total TEXT NOT NULL,
    void INTEGER NOT NULL DEFAULT 0, {HEAD}
);
CREATE TABLE credit_lines (note_id TEXT NOT NULL, {LINE});
CREATE TABLE credit_applications (
    id INTEGER PRIMARY KEY, note_id TEXT NOT NULL, invoice_id TEXT NOT NULL, amount TEXT, day TEXT
);
CREATE TABLE payments (
    {OWN}, day TEXT NOT NULL, amount TEXT NOT NULL, method TEXT, number TEXT,
    void INTEGER NOT NULL DEFAULT 0, {HEAD}
);
CREATE TABLE payment_invoices (
    payment_id TEXT NOT NULL, invoice_id TEXT NOT NULL, amount TEXT NOT NULL
);
"""
LINES = {
    each: each
    for each in ("position", "description", "amount", "quantity", "unit_price")
}
NAMED = {
    each: each
    for each in ("id", "customer", "reference", "currency", "changed_at", "mark")
}
DOCUMENTS = (
    CustomerTable(
        table="customers",
        id="id",
        name="name",
        number="number",
        email="email",
        active="active",
        changed_at="changed_at",
        mark="mark",
    ),
    InvoiceTable(
        table="invoices",
        number="number",
        on="invoice_date",
        due="due_date",
        total="total",
        paid_amount="paid_amount",
        credited="credited",
        void="void",
        draft="draft",
        posted_at="posted_at",
        lines=LineTable(table="invoice_lines", document="invoice_id", **LINES),
        **NAMED,  # type: ignore[arg-type]
    ),
    CreditNoteTable(
        table="credit_notes",
        number="number",
        on="note_date",
        total="total",
        void="void",
        lines=LineTable(table="credit_lines", document="note_id", **LINES),
        applications=ApplicationTable(
            table="credit_applications",
            id="id",
            document="note_id",
            invoice="invoice_id",
            amount="amount",
            on="day",
        ),
        **NAMED,  # type: ignore[arg-type]
    ),
    PaymentTable(
        table="payments",
        on="day",
        amount="amount",
        method="method",
        number="number",
        void="void",
        applications=ApplicationTable(
            table="payment_invoices",
            document="payment_id",
            invoice="invoice_id",
            amount="amount",
        ),
        **NAMED,  # type: ignore[arg-type]
    ),
)
TABLES = {each.kind: each.table for each in DOCUMENTS}


class TableDocumentsBench(TableBench):
    """The host's application by its tables, with documents, in SQLite."""

    zero_decimal = "JPY"

    def make_tables(self) -> None:
        with closing(sqlite3.connect(self.path)) as database, database:
            database.executescript(SCHEMA)

    def connector(self, **overrides: Any) -> Table:
        columns = evolve(COLUMNS, credited="credited")
        return super().connector(
            **{"columns": columns, "documents": DOCUMENTS, **overrides}
        )

    def _insert(self, table: str, **row: Any) -> str:
        names, places = ", ".join(row), ", ".join("?" for _ in row)
        self._do(f"INSERT INTO {table} ({names}) VALUES ({places})", *row.values())
        return str(row.get("id", ""))

    def customer(self, name: str, number: str = "") -> str:
        own, now = self.own(), self._now()
        return self._insert(
            "customers", id=own, name=name, number=number, changed_at=now
        )

    def draft(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        own = self.invoice(number, total, customer=customer, on=on, currency=currency)
        self._do("UPDATE invoices SET draft = 1 WHERE id = ?", own)
        return own

    def credit_note(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self._insert(
            "credit_notes",
            id=self.own(),
            number=number,
            note_date=on.isoformat(),
            total=str(total),
            customer=customer,
            currency=currency,
            changed_at=self._now(),
        )

    def pay(self, invoice: str, amount: Decimal, on: date) -> str:
        self._paid(invoice, amount, on)
        sql = "SELECT customer, currency FROM invoices WHERE id = ?"
        ((customer, currency),) = self._do(sql, invoice)
        own = self._insert(
            "payments",
            id=self.own(),
            day=on.isoformat(),
            amount=str(amount),
            customer=customer,
            currency=currency,
            changed_at=self._now(),
        )
        self._insert(
            "payment_invoices", payment_id=own, invoice_id=invoice, amount=str(amount)
        )
        return own

    overpay = pay

    def take_back(self, payment: str) -> None:
        sql = "SELECT invoice_id, amount FROM payment_invoices WHERE payment_id = ?"
        for invoice, amount in self._do(sql, payment):
            self._paid(invoice, -Decimal(amount), None)
        self.void(Payment, payment)

    def apply_credit(self, credit: str, invoice: str, amount: Decimal, on: date) -> str:
        own = self.own()
        self._insert(
            "credit_applications",
            id=int(own),
            note_id=credit,
            invoice_id=invoice,
            amount=str(amount),
            day=on.isoformat(),
        )
        self._credited(invoice, amount, on)
        self._stamp("credit_notes", credit)
        return own

    def unapply_credit(self, application: str) -> None:
        sql = "SELECT invoice_id, amount FROM credit_applications WHERE id = ?"
        ((invoice, amount),) = self._do(sql, int(application))
        self._do("DELETE FROM credit_applications WHERE id = ?", int(application))
        self._credited(invoice, -Decimal(amount), None)

    def _credited(self, invoice: str, more: Decimal, on: date | None) -> None:
        sql = "SELECT total, paid_amount, credited FROM invoices WHERE id = ?"
        ((total, paid, before),) = self._do(sql, invoice)
        credited = Decimal(before or 0) + more
        settled = Decimal(paid) + credited >= Decimal(total)
        day = on.isoformat() if on and settled else None
        sql = "UPDATE invoices SET credited=?, date_paid=?, changed_at=? WHERE id=?"
        self._do(sql, str(credited), day, self._now(), invoice)

    def post(self, invoice: str) -> str:
        sql = "UPDATE invoices SET posted_at = ?, changed_at = ? WHERE id = ?"
        self._do(sql, self._now(), self._now(), invoice)
        return invoice

    def _stamp(self, table: str, own: str) -> None:
        sql = f"UPDATE {table} SET changed_at = ? WHERE id = ?"
        self._do(sql, self._now(), own)

    def edit(self, kind: RecordType, identity: str) -> None:
        what = "email" if kind is Customer else "reference"
        sql = f"UPDATE {TABLES[kind]} SET {what} = 'edited' WHERE id = ?"
        self._do(sql, identity)
        self._stamp(TABLES[kind], identity)

    def void(self, kind: RecordType, identity: str) -> None:
        how = "active = 0" if kind is Customer else "void = 1"
        self._do(f"UPDATE {TABLES[kind]} SET {how} WHERE id = ?", identity)
        self._stamp(TABLES[kind], identity)

    def delete(self, kind: RecordType, identity: str) -> None:
        self._do(f"DELETE FROM {TABLES[kind]} WHERE id = ?", identity)
