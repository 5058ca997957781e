"""The host's documents in tables of its own, driven by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from banks import Bank, Spied, drive
from host_changes import HERE, changed, ended, made, put

from tieout.capabilities import (
    Changed,
    Creates,
    Dated,
    Everything,
    Unposted,
    Updates,
    Verb,
)
from tieout.change import Action, Change, Outcome, State
from tieout.errors import Code, ConfigError, Fault
from tieout.evidence import believed, carries
from tieout.models import (
    Application,
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
from tieout.table import (
    MARKS,
    POSTGRES,
    ApplicationTable,
    Columns,
    CreditNoteTable,
    CustomerTable,
    Dialect,
    DocumentTable,
    InvoiceTable,
    LineTable,
    PaymentTable,
    Table,
)

DAY = date(2026, 3, 10)
SINCE = datetime(2026, 3, 10, 8, 30, tzinfo=UTC)

SCHEMA = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, name TEXT, number TEXT, email TEXT, currency TEXT,
    active INTEGER DEFAULT 1, parent INTEGER, changed_at TEXT, version INTEGER,
    mark TEXT, tenant INTEGER
);
CREATE TABLE invoices (
    id INTEGER PRIMARY KEY, number TEXT, day TEXT, due TEXT, total {money}, currency TEXT,
    customer INTEGER, note TEXT, paid {money}, credited {money}, draft INTEGER,
    void INTEGER, posted_at TEXT, changed_at TEXT, version INTEGER, mark TEXT,
    date_paid TEXT, secret TEXT DEFAULT 'kept', CHECK (number <> 'refused')
);
CREATE TABLE lines (
    id INTEGER PRIMARY KEY, invoice INTEGER, text TEXT, amount {money}, quantity {money},
    price {money}, tax {money}, code TEXT, account TEXT, item TEXT
);
CREATE TABLE notes (
    id INTEGER PRIMARY KEY, number TEXT, day TEXT, total {money}, currency TEXT,
    customer INTEGER, note TEXT, remaining {money}, void INTEGER, mark TEXT
);
CREATE TABLE note_lines (note INTEGER, place INTEGER, text TEXT, amount {money});
CREATE TABLE payments (
    id INTEGER PRIMARY KEY, day TEXT, amount {money}, currency TEXT, customer INTEGER,
    number TEXT, note TEXT, method TEXT, account TEXT, unapplied {money}, void INTEGER,
    mark TEXT
);
CREATE TABLE puts (
    id INTEGER PRIMARY KEY, payment INTEGER, invoice INTEGER, amount {money}, day TEXT,
    CHECK (amount <> '66.00')
);
"""

CUSTOMERS = CustomerTable(
    table="customers",
    id="id",
    name="name",
    number="number",
    email="email",
    currency="currency",
    active="active",
    parent="parent",
    changed_at="changed_at",
    version="version",
    mark="mark",
    integer_ids=True,
)
LINES = LineTable(
    table="lines",
    document="invoice",
    id="id",
    description="text",
    amount="amount",
    quantity="quantity",
    unit_price="price",
    tax="tax",
    tax_code="code",
    account="account",
    item="item",
)
INVOICES = InvoiceTable(
    table="invoices",
    id="id",
    number="number",
    on="day",
    due="due",
    total="total",
    currency="currency",
    customer="customer",
    reference="note",
    paid_amount="paid",
    credited="credited",
    draft="draft",
    void="void",
    posted_at="posted_at",
    changed_at="changed_at",
    version="version",
    mark="mark",
    integer_ids=True,
    lines=LINES,
)
NOTES = CreditNoteTable(
    table="notes",
    id="id",
    number="number",
    on="day",
    total="total",
    currency="currency",
    customer="customer",
    reference="note",
    remaining="remaining",
    void="void",
    mark="mark",
    integer_ids=True,
    lines=LineTable(
        table="note_lines",
        document="note",
        position="place",
        description="text",
        amount="amount",
    ),
)
PUTS = ApplicationTable(
    table="puts",
    document="payment",
    id="id",
    invoice="invoice",
    amount="amount",
    on="day",
)
PAYMENTS = PaymentTable(
    table="payments",
    id="id",
    on="day",
    amount="amount",
    currency="currency",
    customer="customer",
    number="number",
    reference="note",
    method="method",
    account="account",
    unapplied="unapplied",
    void="void",
    mark="mark",
    integer_ids=True,
    applications=PUTS,
)
ALL = (CUSTOMERS, INVOICES, NOTES, PAYMENTS)
FILLED: dict[str, dict[str, Any]] = {
    "customers": {"name": "Alder"},
    "invoices": {"number": "INV-1", "day": "2026-03-10", "total": "100.00"},
    "notes": {"number": "CN-1", "day": "2026-03-10", "total": "40.00"},
    "payments": {"day": "2026-03-10", "amount": "100.00"},
}


class Books(Bank):
    """A database with a table for each kind of document."""

    def make(self, money: str = "TEXT") -> None:
        for statement in SCHEMA.format(money=money).split(";"):
            self.run(statement)

    def put(self, table: str, **row: Any) -> None:
        """One row; what it needs at least is filled in."""
        given = dict(FILLED.get(table, {}))
        if table in ("invoices", "notes", "payments"):
            given["currency"] = "EUR"
        row = {**given, **row}
        marks = ", ".join("?" for _ in row)
        self.run(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", *row.values()
        )

    def rows(self, table: str, names: str = "*") -> list[tuple[Any, ...]]:
        return self.run(f"SELECT {names} FROM {table} ORDER BY 1")

    def table(self, *documents: DocumentTable, **given: Any) -> Table:
        return Table(
            **{
                "connect": lambda: Spied(self),
                "documents": documents or ALL,
                "connection": HERE,
                **given,
            }
        )

    def written(self) -> list[str]:
        """The statements that changed something."""
        verbs = ("INSERT", "UPDATE", "DELETE")
        return [sql for sql, _ in self.statements if sql.startswith(verbs)]


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Books]:
    found = Books(tmp_path / "books.db")
    found.make()
    yield found
    assert found.open == 0, "every connection is closed after every call"


def read(table: Table, kind: RecordType, *ids: str) -> list[Any]:
    page = drive(table.fetch(kind, ids=ids))
    assert not page.issues
    return list(page.records)


def listed(table: Table, kind: RecordType, select: Any) -> list[str]:
    return [each.ref.id for each in drive(table.page(kind, select)).records]


def write(table: Table, *changes: Change) -> list[Outcome]:
    return list(drive(table.write(changes)))


def ref(kind: str, own: str) -> Ref:
    return Ref(HERE, kind, own)


# Reading ----------------------------------------------------------------------------------


def test_a_row_becomes_a_customer(bank: Books) -> None:
    bank.put("customers", id=2, name="Bo")
    bank.put(
        "customers",
        id=1,
        name="Alder & Sons",
        number=" A-1 ",
        email="a@example.com",
        currency="EUR",
        active=0,
        parent=2,
        changed_at="2026-03-10 08:30:00",
        version=3,
        mark="TO-1",
    )
    found, other = read(bank.table(), Customer, "1", "2")
    assert found == Customer(
        ref("Customer", "1"),
        "Alder & Sons",
        "A-1",
        "a@example.com",
        "EUR",
        active=False,
        parent=ref("Customer", "2"),
        changed_at=SINCE,
        version="3",
        custom={"mark": "TO-1"},
    )
    assert (other.active, other.custom, other.currency) == (True, {}, "")


def test_a_row_becomes_an_invoice_with_its_lines(bank: Books) -> None:
    bank.put(
        "invoices",
        id=7,
        due="2026-04-09",
        customer=1,
        note="PO 4",
        posted_at="2026-03-11T09:00:00Z",
        mark="TO-2",
    )
    bank.put("invoices", id=8, number="INV-2")
    line = {"text": "Work", "amount": "80.00", "quantity": "2.5", "price": "32.005"}
    bank.put("lines", id=2, invoice=7, text="Travel", amount="20.00")
    bank.put("lines", id=1, invoice=7, **line, tax="0.00", code="S", account="4000")
    found, other = read(bank.table(), Invoice, "7", "8")
    assert found == Invoice(
        ref("Invoice", "7"),
        "INV-1",
        ref("Customer", "1"),
        "EUR",
        DAY,
        Decimal(100),
        Status.OPEN,
        reference="PO 4",
        due=date(2026, 4, 9),
        lines=(
            Line(
                "Work",
                Decimal(80),
                quantity=Decimal("2.5"),
                unit_price=Decimal("32.005"),
                tax=Decimal(0),
                tax_code="S",
                account="4000",
            ),
            Line("Travel", Decimal(20)),
        ),
        custom={"mark": "TO-2"},
    )
    assert (other.lines, other.customer, other.due) == ((), None, None)


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ({}, Status.OPEN),
        ({"paid": "60.00"}, Status.OPEN),
        ({"paid": "60.00", "credited": "40"}, Status.SETTLED),
        ({"total": "0"}, Status.SETTLED),
        ({"draft": 1}, Status.DRAFT),
        ({"void": 1, "draft": 1}, Status.VOID),
    ],
)
def test_what_an_invoice_is(bank: Books, row: dict[str, Any], status: Status) -> None:
    bank.put("invoices", id=1, **row)
    (found,) = read(bank.table(), Invoice, "1")
    assert found.status is status


def test_a_row_becomes_a_credit_note(bank: Books) -> None:
    bank.put("notes", id=3, customer=1, note="PO 4", remaining="10.00")
    bank.put("notes", id=4, number="CN-2", remaining="0")
    bank.put("notes", id=5, number="CN-3")
    bank.put("note_lines", note=3, place=2, text="b", amount="10")
    bank.put("note_lines", note=3, place=1, text="a", amount="30")
    one, two, three = read(bank.table(), CreditNote, "3", "4", "5")
    assert one == CreditNote(
        ref("CreditNote", "3"),
        "CN-1",
        ref("Customer", "1"),
        "EUR",
        DAY,
        Decimal(40),
        Status.OPEN,
        remaining=Decimal(10),
        reference="PO 4",
        lines=(Line("a", Decimal(30)), Line("b", Decimal(10))),
    )
    assert (two.status, three.status) == (Status.SETTLED, Status.OPEN)
    assert three.remaining is None


def test_a_row_becomes_a_payment_with_what_it_was_put_to(bank: Books) -> None:
    """Without ids of their own, applications are told apart, and keep their order."""
    bank.put(
        "payments", id=9, customer=1, number="P-1", note="x", method="EFT", account="10"
    )
    bank.put("puts", id=2, payment=9, invoice=7, amount="30.00", day="2026-03-12")
    bank.put("puts", id=1, payment=9, invoice=8, amount="50.00")
    (found,) = read(bank.table(), Payment, "9")
    source = ref("Payment", "9")
    assert found == Payment(
        source,
        ref("Customer", "1"),
        "EUR",
        DAY,
        Decimal(100),
        Status.SETTLED,
        number="P-1",
        reference="x",
        unapplied=Decimal(20),
        applications=(
            Application(
                ref("Application", "1"),
                source,
                ref("Invoice", "8"),
                Decimal(50),
                "EUR",
                DAY,
                source_amount=Decimal(50),
                source_currency="EUR",
            ),
            Application(
                ref("Application", "2"),
                source,
                ref("Invoice", "7"),
                Decimal(30),
                "EUR",
                date(2026, 3, 12),
                source_amount=Decimal(30),
                source_currency="EUR",
            ),
        ),
        method="EFT",
        account="10",
    )
    bank.put("puts", payment=9, invoice=7, amount="10.00")
    columns = evolve(PAYMENTS, applications=evolve(PUTS, id=None))
    (again,) = read(bank.table(columns), Payment, "9")
    told = [(each.ref.id, each.amount) for each in again.applications]
    assert told == [("9/7", 10), ("9/7/2", 30), ("9/8", 50)]
    assert again.unapplied == Decimal(10)


def test_a_payment_that_was_taken_back_has_no_live_application(bank: Books) -> None:
    bank.put("payments", id=9, void=1)
    bank.put("puts", payment=9, invoice=7, amount="100.00")
    (found,) = read(bank.table(), Payment, "9")
    assert (found.status, found.unapplied) == (Status.VOID, Decimal(0))
    assert [each.live for each in found.applications] == [False]


def test_without_a_table_of_applications_nothing_is_told_of_them(bank: Books) -> None:
    bank.put("payments", id=9)
    bank.put("payments", id=10, unapplied="25")
    one, two = read(bank.table(evolve(PAYMENTS, applications=None)), Payment, "9", "10")
    assert (one.applications, one.unapplied) == ((), None)
    assert two.unapplied == Decimal(25)


def test_a_posting_is_the_invoice_that_was_handed_over(bank: Books) -> None:
    bank.put("invoices", id=1, posted_at="2026-03-10 08:30:00", version=2)
    bank.put("invoices", id=2, number="INV-2")
    one, two = read(bank.table(), Posting, "1", "2")
    assert one == Posting(ref("Posting", "1"), "INV-1", SINCE, version="2")
    assert (two.on, two.number) == (None, "INV-2")


POISON: list[tuple[RecordType, str, dict[str, Any], Code, str]] = [
    (Customer, "customers", {"name": None}, Code.BAD_FIELD, "name"),
    (Customer, "customers", {"name": b"x"}, Code.BAD_FIELD, "name"),
    (Customer, "customers", {"currency": "euro"}, Code.BAD_CURRENCY, "currency"),
    (Customer, "customers", {"active": 2}, Code.BAD_FIELD, "active"),
    (Customer, "customers", {"parent": 1.5}, Code.BAD_FIELD, "parent"),
    (Customer, "customers", {"number": "a\0b"}, Code.BAD_FIELD, "number"),
    (Customer, "customers", {"mark": b"x"}, Code.BAD_FIELD, "mark"),
    (Invoice, "invoices", {"number": None}, Code.BAD_FIELD, "number"),
    (Invoice, "invoices", {"day": None}, Code.BAD_FIELD, "on"),
    (Invoice, "invoices", {"day": "10/03/2026"}, Code.BAD_DATE, "on"),
    (Invoice, "invoices", {"total": None}, Code.BAD_FIELD, "total"),
    (Invoice, "invoices", {"total": "1,00"}, Code.BAD_AMOUNT, "total"),
    (Invoice, "invoices", {"total": "1.005"}, Code.BAD_AMOUNT, "total"),
    (Invoice, "invoices", {"currency": None}, Code.BAD_CURRENCY, "currency"),
    (Invoice, "invoices", {"due": "soon"}, Code.BAD_DATE, "due"),
    (Invoice, "invoices", {"paid": "much"}, Code.BAD_AMOUNT, "paid_amount"),
    (Invoice, "invoices", {"void": "no"}, Code.BAD_FIELD, "void"),
    (Invoice, "invoices", {"posted_at": "soon"}, Code.BAD_DATE, "posted_at"),
    (Invoice, "invoices", {"changed_at": "soon"}, Code.BAD_DATE, "changed_at"),
    (CreditNote, "notes", {"total": "-40.00"}, Code.BAD_AMOUNT, "total"),
    (CreditNote, "notes", {"remaining": "x"}, Code.BAD_AMOUNT, "remaining"),
    (Payment, "payments", {"amount": "-1"}, Code.BAD_AMOUNT, "amount"),
    (Payment, "payments", {"amount": None}, Code.BAD_FIELD, "amount"),
    (Payment, "payments", {"unapplied": "1"}, Code.TOTALS_DISAGREE, "applications"),
    (Posting, "invoices", {"posted_at": "soon"}, Code.BAD_DATE, "posted_at"),
    (Posting, "invoices", {"day": None}, Code.BAD_FIELD, "on"),
]


@pytest.mark.parametrize(("kind", "table", "row", "code", "at"), POISON)
def test_a_poison_row_is_an_issue_and_its_neighbours_go_on(
    bank: Books,
    kind: RecordType,
    table: str,
    row: dict[str, Any],
    code: Code,
    at: str,
) -> None:
    """B106, B153."""
    bank.put(table, id=1)
    bank.put(table, **{"id": 2, **row})
    bank.put(table, id=3)
    page = drive(bank.table().fetch(kind, ids=["1", "2", "3"]))
    assert [each.ref.id for each in page.records] == ["1", "3"]
    (issue,) = page.issues
    assert (issue.code, issue.field) == (code, at)
    assert issue.source == ref(kind.__name__, "2")


@pytest.mark.parametrize(
    ("table", "row", "code", "at"),
    [
        ("lines", {"amount": "x"}, Code.BAD_AMOUNT, "lines[1].amount"),
        ("lines", {"amount": "1.005"}, Code.BAD_AMOUNT, "lines[1].amount"),
        ("lines", {"quantity": "1e3"}, Code.BAD_AMOUNT, "lines[1].quantity"),
        ("lines", {"text": b"x"}, Code.BAD_FIELD, "lines[1].description"),
        ("puts", {"invoice": None}, Code.BAD_FIELD, "applications[1].invoice"),
        ("puts", {"amount": None}, Code.BAD_FIELD, "applications[1].amount"),
        ("puts", {"amount": "-1"}, Code.BAD_AMOUNT, "applications[1].amount"),
        ("puts", {"amount": "99"}, Code.TOTALS_DISAGREE, "applications"),
        ("puts", {"day": "soon"}, Code.BAD_DATE, "applications[1].on"),
    ],
)
def test_a_poison_row_inside_a_document_is_an_issue_of_that_document(
    bank: Books, table: str, row: dict[str, Any], code: Code, at: str
) -> None:
    """B106: it is named with its place, and the other documents are read."""
    kind: RecordType = Invoice if table == "lines" else Payment
    of = "invoice" if table == "lines" else "payment"
    inside = {"amount": "10.00"} | ({} if table == "lines" else {"invoice": 7})
    for own in (1, 2):
        bank.put("invoices" if table == "lines" else "payments", id=own)
        bank.put(table, **{**inside, of: own})
    bank.put(table, **{**inside, of: 2, **row})
    page = drive(bank.table().fetch(kind, ids=["1", "2"]))
    assert [each.ref.id for each in page.records] == ["1"]
    (issue,) = page.issues
    assert (issue.code, issue.field) == (code, at)
    if code is Code.TOTALS_DISAGREE:
        assert "Correct the applications" in issue.remedy


@pytest.mark.parametrize("money", ["REAL", "NUMERIC"])
def test_a_float_is_no_amount_of_a_document(tmp_path: Path, money: str) -> None:
    """B153."""
    bank = Books(tmp_path / "floats.db")
    bank.make(money)
    bank.put("invoices", id=1, total="100.25")
    bank.put("invoices", id=2, total="100")
    bank.put("lines", invoice=2, amount="50.25")
    bank.put("payments", id=1, amount="0.5")
    table = bank.table()
    issues = [
        *drive(table.fetch(Invoice, ids=["1", "2"])).issues,
        *drive(table.fetch(Payment, ids=["1"])).issues,
    ]
    told = [(each.code, each.field) for each in issues]
    assert (Code.BAD_AMOUNT, "lines[0].amount") in told or money == "REAL"
    assert {code for code, _ in told} == {Code.BAD_AMOUNT}
    assert len(told) == 3
    assert all("minor_units=True" in each.remedy for each in issues)


def test_minor_units_hold_in_every_table(tmp_path: Path) -> None:
    bank = Books(tmp_path / "cents.db")
    bank.make("INTEGER")
    bank.put("invoices", id=7, total=10_025, paid=25)
    bank.put("lines", invoice=7, amount=10_025, tax=5, price=2_005, quantity=5)
    bank.put("payments", id=9, amount=10_000)
    bank.put("puts", payment=9, invoice=7, amount=4_000)
    table = bank.table(minor_units=True)
    (invoice,) = read(table, Invoice, "7")
    assert invoice.total == Decimal("100.25")
    (line,) = invoice.lines
    assert (line.amount, line.tax) == (Decimal("100.25"), Decimal("0.05"))
    assert (line.unit_price, line.quantity) == (Decimal("20.05"), Decimal(5))
    (payment,) = read(table, Payment, "9")
    assert payment.unapplied == Decimal(60)
    change = made(_invoice(lines=(evolve(line, unit_price=Decimal("20.05")),)))
    (outcome,) = write(table, change)
    assert outcome.state is State.APPLIED
    held = bank.run("SELECT total, typeof(total) FROM invoices WHERE id > 7")
    assert held == [(10_000, "integer")]
    held = bank.run("SELECT amount, price, quantity FROM lines WHERE invoice > 7")
    assert held == [(10_025, 2_005, 5)]
    finer = evolve(line, unit_price=Decimal("20.055"))
    (outcome,) = write(table, made(_invoice(lines=(finer,)), "2"))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.BAD_AMOUNT)


# Selections -------------------------------------------------------------------------------


def test_selections_of_documents_are_exact(bank: Books) -> None:
    bank.put("invoices", id=1, changed_at="2026-03-10 08:30:00")
    bank.put("invoices", id=2, day="2026-03-11", changed_at="2026-03-01 00:00:00")
    bank.put("invoices", id=3, posted_at="2026-03-11 00:00:00")
    bank.put("invoices", id=4, posted_at="")
    table = bank.table()
    assert listed(table, Invoice, Everything()) == ["1", "2", "3", "4"]
    assert listed(table, Invoice, Changed(SINCE)) == ["1", "3", "4"]
    assert listed(table, Invoice, Dated(DAY, DAY)) == ["1", "3", "4"]
    for kind in (Invoice, Posting):
        assert listed(table, kind, Unposted(DAY)) == ["1", "4"]
        assert listed(table, kind, Unposted(DAY + timedelta(days=1))) == ["1", "2", "4"]


def test_what_has_no_day_is_not_left_behind_unsaid(bank: Books) -> None:
    """An invoice that is never handed over, because it has no day, is an issue."""
    bank.put("invoices", id=1, day=None)
    for kind in (Invoice, Posting):
        page = drive(bank.table().page(kind, Unposted(DAY)))
        assert [issue.field for issue in page.issues] == ["on"]


def test_an_empty_text_is_not_asked_of_a_column_of_instants() -> None:
    """Databases that have instants refuse the comparison."""
    asked: list[tuple[str, Any]] = []

    class Native:
        def cursor(self) -> Native:
            return self

        def execute(self, sql: str, values: Any) -> None:
            asked.append((sql, values))

        def fetchall(self) -> list[Any]:
            return []

        def commit(self) -> None: ...
        def rollback(self) -> None: ...
        def close(self) -> None: ...

    table = Table(
        connect=Native, documents=(INVOICES,), connection=HERE, dialect=POSTGRES
    )
    assert not drive(table.page(Invoice, Unposted(DAY))).records
    ((sql, values),) = asked
    assert '(r."posted_at" IS NULL) AND' in sql
    assert values == {"v1": DAY + timedelta(days=1)}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_of_documents_bring_each_once(bank: Books, size: int) -> None:
    for own in range(1, 6):
        bank.put("payments", id=own)
        bank.put("puts", payment=own, invoice=7, amount="1.00")
    table = bank.table(page_size=size)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = drive(table.page(Payment, Everything(), cursor))
        assert all(len(each.applications) == 1 for each in page.records)
        seen += [each.ref.id for each in page.records]
        if (cursor := page.next) is None:
            break
    assert seen == list("12345")


def test_numbers_are_asked_for_where_there_are_some(bank: Books) -> None:
    bank.put("customers", id=1, number="A-1")
    bank.put("payments", id=9, number="P-1")
    table = bank.table()
    assert [e.ref.id for e in drive(table.fetch(Customer, numbers=["A-1"])).records]
    assert [e.ref.id for e in drive(table.fetch(Payment, numbers=["P-1"])).records]
    few = bank.table(evolve(CUSTOMERS, number=None), evolve(PAYMENTS, number=None))
    for kind in (Customer, Payment):
        with pytest.raises(Fault, match="records have no number"):
            drive(few.fetch(kind, numbers=["A-1"]))


# What it can do -----------------------------------------------------------------------------


def test_capabilities_are_what_there_are_columns_for(bank: Books) -> None:
    can = bank.table(batch_size=7).capabilities
    assert list(can.kinds) == [Customer, Invoice, CreditNote, Payment, Posting]
    assert can.version_token
    assert can.payments.parts == frozenset()
    invoices = can.kind(Invoice)
    assert invoices.verbs == frozenset(Verb)
    assert invoices.selects == {Everything, Changed, Dated, Unposted}
    assert invoices.writable == {"number", "customer", "on", "reference", "due"}
    assert (invoices.creates, invoices.updates) == (Creates.FINAL, Updates.SPARSE)
    assert invoices.mark is not None
    assert (invoices.mark.field, invoices.mark.searchable) == ("mark", True)
    assert (invoices.number_length, invoices.batch_size) == (None, 7)
    assert invoices.stable_order
    assert can.kind(Customer).selects == {Everything, Changed}
    assert can.kind(Customer).writable == {
        "number",
        "name",
        "email",
        "currency",
        "active",
        "parent",
    }
    assert can.kind(CreditNote).selects == {Everything, Dated}
    assert "amount" not in can.kind(Payment).writable
    posting = can.kind(Posting)
    assert posting.verbs == {Verb.READ, Verb.UPDATE, Verb.VOID}
    assert posting.selects == {Unposted}
    assert posting.writable == {"on"}
    assert can == bank.table(batch_size=7).capabilities


def test_less_is_offered_where_there_are_fewer_columns(bank: Books) -> None:
    few = CustomerTable(table="customers", id="id", name="name")
    payments = evolve(PAYMENTS, mark=None, void=None, applications=None)
    invoices = evolve(INVOICES, posted_at=None, lines=None, void=None)
    can = bank.table(few, payments, invoices).capabilities
    assert can.kind(Customer).verbs == {Verb.READ, Verb.UPDATE}
    assert can.kind(Customer).mark is None
    assert can.kind(Payment).verbs == {Verb.READ, Verb.UPDATE}
    assert "amount" in can.kind(Payment).writable
    assert {"total", "currency"} <= can.kind(Invoice).writable
    assert Unposted not in can.kind(Invoice).selects
    assert not can.kind(Posting).verbs
    assert not can.kind(Settlement).verbs


def test_levels_and_documents_stand_side_by_side(bank: Books) -> None:
    bank.put("invoices", id=7, paid="60.00", credited="15.00")
    columns = Columns(
        id="id",
        number="number",
        total="total",
        currency="currency",
        paid_amount="paid",
        credited="credited",
        date_paid="date_paid",
    )
    table = bank.table(PAYMENTS, table="invoices", columns=columns)
    (level,) = read(table, Settlement, "7")
    assert level.settled_by == {Part.CASH: Decimal(60), Part.CREDIT: Decimal(15)}
    assert (level.balance, level.status) == (Decimal(25), Status.OPEN)
    can = table.capabilities
    assert list(can.kinds) == [Settlement, Payment]
    assert can.payments.parts == {Part.CASH, Part.CREDIT}
    # The invoices that payments are put to are those of the level.
    unknown = _payment(put("8", Decimal(100)))
    assert write(table, made(unknown))[0].code is Code.REFUSED
    known = _payment(put("7", Decimal(100)), customer=None)
    assert write(table, made(known))[0].state is State.APPLIED


# Making -----------------------------------------------------------------------------------


def _customer(**given: Any) -> Customer:
    told = {"ref": ref("Customer", ""), "name": "O'Hara & Söhne", **given}
    return Customer(**told)


def _invoice(**given: Any) -> Invoice:
    told: dict[str, Any] = {
        "ref": ref("Invoice", ""),
        "number": "INV-9",
        "customer": None,
        "currency": "EUR",
        "on": DAY,
        "total": Decimal("100.00"),
        "status": Status.OPEN,
    }
    return Invoice(**{**told, **given})


def _note(**given: Any) -> CreditNote:
    told: dict[str, Any] = {
        "ref": ref("CreditNote", ""),
        "number": "CN-9",
        "customer": None,
        "currency": "EUR",
        "on": DAY,
        "total": Decimal("40.00"),
        "status": Status.OPEN,
    }
    return CreditNote(**{**told, **given})


def _payment(*puts: Application, **given: Any) -> Payment:
    told: dict[str, Any] = {
        "ref": ref("Payment", ""),
        "customer": None,
        "currency": "EUR",
        "on": DAY,
        "amount": Decimal("100.00"),
        "status": Status.SETTLED,
        "applications": puts,
    }
    return Payment(**{**told, **given})


def test_a_customer_is_made_and_found_by_its_mark(bank: Books) -> None:
    bank.put("customers", id=1)
    table = bank.table()
    parent = ref("Customer", "1")
    change = made(_customer(number="A-9", email="o@example.com", parent=parent))
    (outcome,) = write(table, change)
    assert outcome.state is State.APPLIED
    assert outcome.ref == ref("Customer", "2")
    assert outcome.echo is not None
    assert carries(outcome.echo, change.mark)
    assert believed(change, outcome) is outcome
    names = "id, name, number, email, currency, active, parent, mark"
    row = (2, "O'Hara & Söhne", "A-9", "o@example.com", None, 1, 1, change.mark)
    assert bank.rows("customers", names)[1] == row
    (found,) = drive(table.find([change])).records
    assert found.ref == outcome.ref
    assert not drive(table.find([made(_customer(), "other")])).records


def test_an_invoice_is_made_with_its_lines(bank: Books) -> None:
    """The app's own defaults count where nothing is wanted."""
    bank.put("customers", id=1)
    table = bank.table()
    lines = (
        Line("Work", Decimal("80.00"), quantity=Decimal("1E+1"), unit_price=Decimal(8)),
        Line("%s ? :v1 {id}", Decimal(20), tax=Decimal("0.5"), account="4000"),
    )
    wanted = _invoice(
        customer=ref("Customer", "1"), due=DAY, reference="PO 4", lines=lines
    )
    change = made(wanted)
    (outcome,) = write(table, change)
    assert (outcome.state, outcome.ref) == (State.APPLIED, ref("Invoice", "1"))
    (row,) = bank.rows(
        "invoices", "number, day, due, total, currency, customer, note, draft, secret"
    )
    assert row[:4] == ("INV-9", "2026-03-10", "2026-03-10", "100.00")
    assert row[4:] == ("EUR", 1, "PO 4", None, "kept")
    assert bank.rows(
        "lines", "invoice, text, amount, quantity, price, tax, account"
    ) == [
        (1, "Work", "80.00", "10", "8", None, None),
        (1, "%s ? :v1 {id}", "20.00", None, None, "0.50", "4000"),
    ]
    (found,) = read(table, Invoice, "1")
    assert found.lines == lines


def test_a_draft_is_made_as_one(bank: Books) -> None:
    (outcome,) = write(bank.table(), made(_invoice(status=Status.DRAFT)))
    assert outcome.state is State.APPLIED
    assert bank.rows("invoices", "draft") == [(1,)]
    table = bank.table(evolve(INVOICES, draft=None))
    (outcome,) = write(table, made(_invoice(status=Status.DRAFT), "2"))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.NOT_ALLOWED)


def test_a_credit_note_is_made_with_numbered_lines(bank: Books) -> None:
    lines = (Line("a", Decimal(30)), Line("b", Decimal(10)))
    change = made(_note(lines=lines, remaining=Decimal(40)))
    (outcome,) = write(bank.table(), change)
    assert outcome.state is State.APPLIED
    assert bank.rows("note_lines") == [(1, 1, "a", "30.00"), (1, 2, "b", "10.00")]
    assert bank.rows("notes", "total, remaining") == [("40.00", "40.00")]


def test_a_payment_with_two_applications_is_one_transaction(bank: Books) -> None:
    bank.put("invoices", id=7)
    bank.put("invoices", id=8)
    table = bank.table()
    puts = (put("8", Decimal(70)), put("7", Decimal(30)))
    change = made(_payment(*puts, method="EFT", unapplied=Decimal(0)))
    (outcome,) = write(table, change)
    assert outcome.state is State.APPLIED
    assert bank.commits == 1
    assert [sql.split(" (")[0] for sql in bank.written()] == [
        'INSERT INTO "payments"',
        'INSERT INTO "puts"',
        'INSERT INTO "puts"',
    ]
    assert bank.rows("puts", "payment, invoice, amount, day") == [
        (1, 8, "70.00", "2026-03-10"),
        (1, 7, "30.00", "2026-03-10"),
    ]
    (found,) = read(table, Payment, "1")
    assert (found.unapplied, len(found.applications)) == (Decimal(0), 2)


def test_a_payment_of_which_a_part_is_refused_leaves_nothing(bank: Books) -> None:
    """B106: neither the payment nor its first application stays; its neighbour lands."""
    bank.put("invoices", id=7)
    bank.put("invoices", id=8)
    puts = (put("7", Decimal(34)), put("8", Decimal(66)))
    bad = made(_payment(*puts), "bad")
    good = made(_payment(put("7", Decimal(100))), "good")
    outcomes = {each.name: each for each in write(bank.table(), bad, good)}
    assert outcomes[bad.name].code is Code.REFUSED
    assert "CHECK constraint failed" in outcomes[bad.name].text
    assert outcomes[good.name].state is State.APPLIED
    assert bank.rows("payments", "mark") == [(good.mark,)]
    assert bank.rows("puts", "amount") == [("100.00",)]


def test_what_was_made_is_not_made_again(bank: Books) -> None:
    """B20: its mark is looked for within the transaction."""
    table, change = bank.table(), made(_invoice())
    for _ in range(2):
        (outcome,) = write(table, change)
        assert (outcome.state, outcome.ref) == (State.APPLIED, ref("Invoice", "1"))
    assert len(bank.rows("invoices")) == 1
    twice = write(table, made(_invoice(), "2"), made(_invoice(), "2", name="again"))
    assert [each.state for each in twice] == [State.APPLIED] * 2
    assert len(bank.rows("invoices")) == 2


def test_a_row_that_has_the_mark_and_shows_something_else_is_left_alone(
    bank: Books,
) -> None:
    change = made(_invoice())
    bank.put("invoices", id=1, mark=change.mark, note="theirs", paid="1.00")
    table = bank.table()
    assert write(table, change)[0].state is State.APPLIED
    bank.run("UPDATE invoices SET total = '120.00'")
    (outcome,) = write(table, change)
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.REFUSED)
    assert "holds something else" in outcome.text
    bank.put("invoices", id=2, mark=change.mark)
    (outcome,) = write(table, change)
    assert "2 rows of invoices hold its mark" in outcome.text
    assert not bank.written()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_commit_of_a_new_document_is_unknown_and_then_looked_for(
    bank: Books, when: str
) -> None:
    table, change = bank.table(), made(_invoice())
    bank.commit_fails = when
    (outcome,) = write(table, change)
    assert (outcome.state, outcome.code) == (State.UNKNOWN, Code.OUTCOME_UNKNOWN)
    bank.commit_fails = ""
    found = drive(table.find([change])).records
    assert [carries(each, change.mark) for each in found] == [True] * (when == "after")
    assert write(table, change)[0].state is State.APPLIED
    assert len(bank.rows("invoices")) == 1


FOREIGN = Ref("ledger:x", "Customer", "1")


@pytest.mark.parametrize(
    ("after", "code", "text"),
    [
        (_invoice(status=Status.VOID), Code.NOT_ALLOWED, "taken back from the start"),
        (_invoice(customer=FOREIGN), Code.NOT_ALLOWED, "is no record of app:db"),
        (_invoice(customer=ref("Customer", "")), Code.NOT_ALLOWED, "is no record of"),
        (
            _invoice(customer=ref("Customer", "5")),
            Code.REFUSED,
            "Customer 5 is not there",
        ),
        (_customer(parent=ref("Customer", "5")), Code.REFUSED, "is not there"),
        (_invoice(total=Decimal("1.005")), Code.BAD_AMOUNT, "total: "),
        (_invoice(lines=(Line("x", Decimal("0.001")),)), Code.BAD_AMOUNT, "lines: "),
        (
            _invoice(lines=(Line("x", Decimal(1), tax=Decimal("0.001")),)),
            Code.BAD_AMOUNT,
            "lines: ",
        ),
        (_payment(put("5", Decimal(1))), Code.REFUSED, "Invoice 5 is not there"),
        (
            _payment(put("7", Decimal(1), how=Part.DISCOUNT)),
            Code.NOT_ALLOWED,
            "an application of discount",
        ),
        (
            _payment(put("7", Decimal(1), currency="USD")),
            Code.CURRENCY_DIFFERS,
            "in EUR alone",
        ),
        (_payment(status=Status.DRAFT), Code.NOT_ALLOWED, "holds no drafts"),
        (_invoice(number="refused"), Code.REFUSED, "CHECK constraint failed"),
    ],
)
def test_what_cannot_be_made_is_refused_and_its_neighbour_lands(
    bank: Books, after: Any, code: Code, text: str
) -> None:
    bank.put("invoices", id=7)
    good = made(evolve(after, **_sound(after)), "good")
    bad = made(after, "bad")
    outcomes = {each.name: each for each in write(bank.table(), bad, good)}
    refused = outcomes[bad.name]
    assert (refused.state, refused.code) == (State.REJECTED, code)
    assert text in refused.text
    assert outcomes[good.name].state is State.APPLIED
    found = drive(bank.table().find([bad, good])).records
    assert [carries(each, good.mark) for each in found] == [True]


def _sound(after: Any) -> dict[str, Any]:
    """What makes a good document out of a bad one."""
    match after:
        case Customer():
            return {"parent": None}
        case Payment():
            return {"applications": (), "status": Status.SETTLED}
    return {
        "customer": None,
        "status": Status.OPEN,
        "total": Decimal(1),
        "lines": (),
        "number": "ok",
    }


def test_nothing_is_made_that_could_not_be_found_again(bank: Books) -> None:
    table = bank.table()
    (outcome,) = write(table, made(_invoice(), mark=""))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.NOT_ALLOWED)
    assert "without a mark" in outcome.text
    unmarked = bank.table(evolve(INVOICES, mark=None))
    (outcome,) = write(unmarked, made(_invoice()))
    assert outcome.code is Code.NOT_ALLOWED
    with pytest.raises(Fault, match="no mark to find a Invoice by"):
        drive(unmarked.find([made(_invoice())]))
    assert not bank.written()


def test_one_currency_may_stand_in_for_a_column(bank: Books) -> None:
    tables = (evolve(INVOICES, currency=None), evolve(CUSTOMERS, currency=None))
    table = bank.table(*tables, currency="EUR")
    (outcome,) = write(table, made(_invoice(currency="USD")))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.CURRENCY_DIFFERS)
    (outcome,) = write(table, made(_invoice()))
    assert outcome.state is State.APPLIED
    (found,) = read(table, Invoice, "1")
    assert found.currency == "EUR"
    assert write(table, made(_customer()))[0].state is State.APPLIED
    assert read(table, Customer, "1")[0].currency == ""


def test_an_id_may_be_given_by_the_app(tmp_path: Path) -> None:
    bank = Books(tmp_path / "uuid.db")
    bank.run("CREATE TABLE customers (id TEXT PRIMARY KEY, name TEXT, mark TEXT)")
    ids = count(1)
    columns = CustomerTable(
        table="customers",
        id="id",
        name="name",
        mark="mark",
        new_id=lambda: f"c-{next(ids)}",
    )
    (outcome,) = write(bank.table(columns), made(_customer()))
    assert outcome.ref == ref("Customer", "c-1")
    # Without it SQLite would leave the id of such a row empty.
    (outcome,) = write(bank.table(evolve(columns, new_id=None)), made(_customer(), "2"))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.REFUSED)
    assert "has no id" in outcome.text
    assert len(bank.rows("customers")) == 1
    whole = bank.table(evolve(columns, integer_ids=True))
    (outcome,) = write(whole, made(_customer(), "3"))
    assert (outcome.code, outcome.text) == (
        Code.REFUSED,
        "id is held as a whole number",
    )


def test_a_new_row_is_the_tenants(bank: Books) -> None:
    bank.put("customers", id=1, tenant=8, mark="TO-OTHER")
    table = bank.table(evolve(CUSTOMERS, only={"tenant": 7}))
    assert not read(table, Customer, "1")
    change = made(_customer())
    assert write(table, change)[0].state is State.APPLIED
    assert bank.rows("customers", "id, tenant") == [(1, 8), (2, 7)]
    (found,) = drive(table.find([change])).records
    (before,) = read(table, Customer, "2")
    assert found == before
    assert write(table, changed(before, email="x"))[0].state is State.APPLIED
    other = evolve(before, ref=ref("Customer", "1"))
    assert write(table, changed(other, email="x"))[0].code is Code.VANISHED


@pytest.mark.parametrize("paramstyle", sorted(MARKS))
def test_every_paramstyle_makes_changes_and_finds(bank: Books, paramstyle: str) -> None:
    bank.paramstyle = paramstyle
    bank.put("invoices", id=7)
    table = bank.table(dialect=Dialect(paramstyle))
    hostile = "x'; DROP TABLE customers; -- %s ? :1 {id} \\"
    change = made(_customer(name=hostile))
    assert write(table, change)[0].state is State.APPLIED
    (before,) = drive(table.find([change])).records
    assert before.name == hostile
    assert write(table, changed(before, name=f"{hostile}'"))[0].state is State.APPLIED
    payment = made(_payment(put("7", Decimal(100))))
    assert write(table, payment)[0].state is State.APPLIED
    assert listed(table, Payment, Dated(DAY, DAY)) == ["1"]


def test_whole_numbers_are_written_as_such(tmp_path: Path) -> None:
    """In columns without a type SQLite compares 7 and '7' as two."""
    bank = Books(tmp_path / "whole.db")
    bank.run("CREATE TABLE customers (id, name, number, mark)")
    bank.run("CREATE TABLE invoices (id, number, day, total, customer, mark)")
    bank.run("INSERT INTO customers VALUES (1, 'a', 5, NULL)")
    ids = count(70)
    customers = CustomerTable(
        table="customers",
        id="id",
        name="name",
        number="number",
        integer_ids=True,
        integer_numbers=True,
    )
    invoices = InvoiceTable(
        table="invoices",
        id="id",
        number="number",
        on="day",
        total="total",
        customer="customer",
        mark="mark",
        new_id=lambda: next(ids),
        integer_ids=True,
        integer_numbers=True,
    )
    table = bank.table(customers, invoices, currency="EUR")
    customer = ref("Customer", "1")
    (outcome,) = write(table, made(_invoice(number="1001", customer=customer)))
    assert outcome.state is State.APPLIED
    types = "SELECT id, number, customer, typeof(id), typeof(customer) FROM invoices"
    assert bank.run(types) == [(70, 1001, 1, "integer", "integer")]
    (outcome,) = write(table, made(_invoice(number="A-1"), "2"))
    assert (outcome.code, outcome.text) == (
        Code.REFUSED,
        "number is held as a whole number",
    )
    assert not drive(table.fetch(Customer, ids=["x"], numbers=["y"])).records
    (before,) = read(table, Customer, "1")
    assert write(table, changed(before, number="6"))[0].state is State.APPLIED
    assert bank.run("SELECT number, typeof(number) FROM customers") == [(6, "integer")]


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE invoices SET total = '99.00' WHERE id = new.id",
        "UPDATE invoices SET draft = 1 WHERE id = new.id",
        "UPDATE invoices SET void = 1 WHERE id = new.id",
        "UPDATE invoices SET mark = 'x' WHERE id = new.id",
        "INSERT INTO lines (invoice, amount) VALUES (new.id, '1.00')",
    ],
)
def test_a_document_that_does_not_land_as_wanted_is_taken_back(
    bank: Books, spoil: str
) -> None:
    bank.run(f"CREATE TRIGGER spoil AFTER INSERT ON invoices BEGIN {spoil}; END")
    (outcome,) = write(bank.table(), made(_invoice()))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.REFUSED)
    assert not bank.rows("invoices")
    assert not bank.rows("lines")


def test_an_application_that_does_not_land_is_taken_back(bank: Books) -> None:
    bank.put("invoices", id=7)
    bank.put("invoices", id=8)
    bank.run(
        "CREATE TRIGGER spoil AFTER INSERT ON puts BEGIN "
        "UPDATE puts SET invoice = 8 WHERE id = new.id; END"
    )
    (outcome,) = write(bank.table(), made(_payment(put("7", Decimal(100)))))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.REFUSED)
    assert not bank.rows("payments")
    dead = _payment(evolve(put("7", Decimal(100)), live=False))
    assert write(bank.table(), made(dead, "2"))[0].state is State.APPLIED
    assert not bank.rows("puts")


# Changing -----------------------------------------------------------------------------------


def test_an_update_writes_what_changes_and_nothing_else(bank: Books) -> None:
    bank.put("customers", id=1)
    bank.put("invoices", id=7, note="old", version=1)
    table = bank.table()
    (before,) = read(table, Invoice, "7")
    new = {"reference": "new", "customer": ref("Customer", "1"), "due": DAY}
    (outcome,) = write(table, changed(before, **new))
    assert (outcome.state, outcome.version) == (State.APPLIED, "1")
    assert bank.rows("invoices", "note, customer, due, number, total, secret") == [
        ("new", 1, "2026-03-10", "INV-1", "100.00", "kept")
    ]
    (sql,) = bank.written()
    assert sql.startswith(
        'UPDATE "invoices" SET "customer" = ?, "due" = ?, "note" = ? WHERE'
    )
    (outcome,) = write(table, changed(before, **new))
    assert outcome.state is State.APPLIED
    assert len(bank.written()) == 1
    (now,) = read(table, Invoice, "7")
    assert write(table, changed(now, due=None))[0].state is State.APPLIED
    assert bank.rows("invoices", "due") == [(None,)]


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE invoices SET total = '120.00'",
        "UPDATE invoices SET paid = '100.00'",
        "UPDATE invoices SET note = 'theirs'",
        "UPDATE invoices SET void = 1",
        "UPDATE invoices SET version = 9",
        "UPDATE lines SET amount = '1.00'",
    ],
)
def test_a_document_that_changed_since_is_left_alone(bank: Books, spoil: str) -> None:
    for own in (1, 2):
        bank.put("invoices", id=own, version=1)
        bank.put("lines", id=own, invoice=own, amount="100.00")
    table = bank.table()
    first, second = read(table, Invoice, "1", "2")
    bank.run(f"{spoil} WHERE id = 1")
    held = bank.rows("invoices")[0]
    one, two = write(table, changed(first, due=DAY), changed(second, due=DAY))
    assert (one.state, one.code) == (State.NOT_SENT, Code.STALE_VERSION)
    assert two.state is State.APPLIED
    assert bank.rows("invoices")[0] == held
    ending = write(table, ended(first))[0]
    is_void = "void" in spoil
    assert ending.state is (State.APPLIED if is_void else State.NOT_SENT)


def test_a_document_that_changes_under_the_write_is_left_alone(bank: Books) -> None:
    bank.put("invoices", id=1)
    table = bank.table()
    (before,) = read(table, Invoice, "1")
    bank.before_update = lambda c: c.execute("UPDATE invoices SET note = 'theirs'")
    (outcome,) = write(table, changed(before, reference="ours"))
    assert (outcome.state, outcome.code) == (State.NOT_SENT, Code.STALE_VERSION)
    (before,) = read(table, Invoice, "1")
    bank.before_update = lambda c: c.execute("DELETE FROM invoices")
    (outcome,) = write(table, changed(before, reference="ours"))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.VANISHED)


@pytest.mark.parametrize(
    ("values", "at"),
    [
        ({"total": Decimal(90)}, "total"),
        ({"currency": "USD"}, "currency"),
        ({"lines": (Line("x", Decimal(1)),)}, "lines"),
        ({"status": Status.DRAFT}, "status"),
        ({"custom": {"mark": "other"}}, "custom"),
    ],
)
def test_what_cannot_be_changed_is_refused(
    bank: Books, values: dict[str, Any], at: str
) -> None:
    """B107: no other field is changed either."""
    bank.put("invoices", id=1)
    table = bank.table()
    (before,) = read(table, Invoice, "1")
    (outcome,) = write(table, changed(before, reference="new", **values))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.NOT_ALLOWED)
    assert outcome.text == f"{at} cannot be changed"
    assert not bank.written()


def test_what_follows_from_other_values_is_not_asked_for(bank: Books) -> None:
    bank.put("invoices", id=1)
    table = bank.table(evolve(INVOICES, lines=None))
    (before,) = read(table, Invoice, "1")
    new = {"total": Decimal(0), "status": Status.SETTLED}
    assert write(table, changed(before, **new))[0].state is State.APPLIED
    assert bank.rows("invoices", "total") == [("0.00",)]


def test_an_update_may_name_only_what_is_there(bank: Books) -> None:
    """What was named before is not looked for anew: it may be gone by now."""
    bank.put("invoices", id=1, customer=5)
    table = bank.table()
    (before,) = read(table, Invoice, "1")
    assert write(table, changed(before, reference="x"))[0].state is State.APPLIED
    (before,) = read(table, Invoice, "1")
    strange = changed(before, customer=ref("Customer", "6"))
    (outcome,) = write(table, strange)
    assert (outcome.code, outcome.text) == (Code.REFUSED, "Customer 6 is not there")


def test_what_is_taken_back_says_so(bank: Books) -> None:
    bank.put("customers", id=1)
    bank.put("invoices", id=1)
    bank.put("notes", id=1)
    bank.put("payments", id=1)
    table = bank.table()
    for kind in (Invoice, CreditNote, Payment, Customer):
        (before,) = read(table, kind, "1")
        for _ in range(2):
            (outcome,) = write(table, ended(before))
            assert outcome.state is State.APPLIED
        (after,) = read(table, kind, "1")
        if kind is Customer:
            assert not after.active
        else:
            assert after.status is Status.VOID
    assert len(bank.written()) == 4


def test_a_document_that_is_gone_has_vanished(bank: Books) -> None:
    bank.put("invoices", id=1)
    table = bank.table()
    (before,) = read(table, Invoice, "1")
    (posting,) = read(table, Posting, "1")
    bank.run("DELETE FROM invoices")
    for change in (
        changed(before, due=DAY),
        ended(before),
        changed(posting, on=SINCE),
        ended(posting),
    ):
        (outcome,) = write(table, change)
        assert (outcome.state, outcome.code) == (State.REJECTED, Code.VANISHED)


def test_an_id_of_two_documents_is_never_written(bank: Books) -> None:
    bank.put("invoices", id=1, secret="same")
    bank.put("invoices", id=2, secret="same")
    columns = evolve(INVOICES, id="secret", integer_ids=False, lines=None)
    table = bank.table(columns)
    (before,) = read(table, Invoice, "same")
    (outcome,) = write(table, changed(before, due=DAY))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.REFUSED)
    assert bank.rows("invoices", "due") == [(None,), (None,)]


def test_a_column_that_does_not_hold_an_update_is_noticed(bank: Books) -> None:
    bank.put("invoices", id=1)
    bank.run(
        "CREATE TRIGGER cut AFTER UPDATE ON invoices WHEN new.note <> 'cut' BEGIN "
        "UPDATE invoices SET note = 'cut' WHERE id = new.id; END"
    )
    table = bank.table()
    (before,) = read(table, Invoice, "1")
    (outcome,) = write(table, changed(before, reference="whole"))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.REFUSED)
    assert bank.rows("invoices", "note") == [(None,)]


@pytest.mark.parametrize("given", [{"before": None}, {"after": None}, {"target": None}])
def test_a_change_that_is_no_whole_one_is_not_allowed(
    bank: Books, given: dict[str, Any]
) -> None:
    bank.put("invoices", id=1)
    table = bank.table()
    (before,) = read(table, Invoice, "1")
    change = evolve(changed(before, due=DAY), **given)
    good = changed(before, reference="x")
    outcomes = {
        each.name: each for each in write(table, evolve(change, name="bad"), good)
    }
    assert outcomes["bad"].code is Code.NOT_ALLOWED
    assert outcomes[good.name].state is State.APPLIED


def test_kinds_that_are_not_offered_are_refused_without_a_call(bank: Books) -> None:
    table = bank.table(CUSTOMERS)
    for change in (
        made(_invoice()),
        evolve(made(_customer()), target=ref("Customer", "1")),
        evolve(made(_customer()), action=Action.KEEP),
    ):
        (outcome,) = write(table, change)
        assert (outcome.state, outcome.code) == (State.REJECTED, Code.NOT_ALLOWED)
    assert not bank.statements


# Handing over -------------------------------------------------------------------------------


def test_an_invoice_is_handed_over_and_taken_back(bank: Books) -> None:
    bank.put("invoices", id=1, note="kept")
    table = bank.table()
    (before,) = read(table, Posting, "1")
    at = datetime(2026, 3, 11, 9, 0, 0, 123456, tzinfo=UTC)
    change = changed(before, on=at)
    for _ in range(2):
        assert write(table, change)[0].state is State.APPLIED
    assert bank.rows("invoices", "posted_at, note") == [
        ("2026-03-11 09:00:00+00:00", "kept")
    ]
    assert len(bank.written()) == 1
    (now,) = read(table, Posting, "1")
    assert now.on == at.replace(microsecond=0)
    assert not listed(table, Invoice, Unposted(DAY))
    assert write(table, ended(now))[0].state is State.APPLIED
    assert bank.rows("invoices", "posted_at") == [(None,)]
    (now,) = read(table, Posting, "1")
    assert write(table, changed(now, on=SINCE))[0].state is State.APPLIED
    (now,) = read(table, Posting, "1")
    assert write(table, changed(now, on=None))[0].state is State.APPLIED
    assert listed(table, Invoice, Unposted(DAY)) == ["1"]


def test_what_somebody_else_handed_over_is_left_alone(bank: Books) -> None:
    bank.put("invoices", id=1)
    table = bank.table()
    (before,) = read(table, Posting, "1")
    bank.run("UPDATE invoices SET posted_at = '2026-03-09 00:00:00'")
    (outcome,) = write(table, changed(before, on=SINCE))
    assert (outcome.state, outcome.code) == (State.NOT_SENT, Code.STALE_VERSION)
    (before,) = read(table, Posting, "1")
    bank.before_update = lambda c: c.execute("UPDATE invoices SET posted_at = NULL")
    (outcome,) = write(table, changed(before, on=SINCE))
    assert (outcome.state, outcome.code) == (State.NOT_SENT, Code.STALE_VERSION)


# Settings and checks ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("documents", "given", "text"),
    [
        ((CUSTOMERS, CUSTOMERS), {}, "one table for each kind"),
        (({"table": "customers"},), {}, "documents are tables of"),
        ((evolve(INVOICES, currency=None),), {}, "invoices: give the currency"),
        ((evolve(CUSTOMERS, name="ID"),), {}, "two things cannot be in one column"),
        ((evolve(CUSTOMERS, name="a b"),), {}, "is no name of a table or column"),
        ((evolve(CUSTOMERS, only={"x;": 1}),), {}, "is no name of a table or column"),
        ((evolve(INVOICES, lines=evolve(LINES, table="a'")),), {}, "is no name"),
        ((evolve(PAYMENTS, applications=evolve(PUTS, on="?")),), {}, "is no name"),
        (
            (evolve(INVOICES, lines=evolve(LINES, id=None)),),
            {},
            "the position of a line",
        ),
        ((CUSTOMERS,), {"table": "invoices"}, "a table and its columns go together"),
        ((CUSTOMERS,), {"currency": "euro"}, "no current ISO 4217 code"),
    ],
)
def test_settings_that_cannot_be_meant(
    bank: Books, documents: Any, given: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        bank.table(*documents, **given)


def test_something_has_to_be_offered() -> None:
    with pytest.raises(ConfigError, match="a table and its columns, or documents"):
        Table(connect=lambda: sqlite3.connect(":memory:"), connection=HERE)


def test_check_names_the_tables_and_columns_that_are_missing(tmp_path: Path) -> None:
    bank = Books(tmp_path / "few.db")
    bank.run("CREATE TABLE customers (id, name, number, email, currency, active)")
    bank.run("CREATE TABLE invoices AS SELECT 1 AS id, 'x' AS number, '1' AS total")
    health = drive(bank.table(CUSTOMERS, INVOICES).check())
    assert not health.ok
    assert {"customers.parent", "customers.mark", "invoices.day", "lines"} <= {
        *health.missing
    }
    assert len(health.missing) == len({*health.missing})


def test_check_looks_at_a_row_of_each_table(bank: Books) -> None:
    bank.put("customers", id=1)
    bank.put("invoices", id=1, total="1,00")
    health = drive(bank.table().check())
    assert health.ok
    (note,) = health.notes
    assert "INV-1 [total]" in note


def test_no_secret_of_a_tenant_is_shown() -> None:
    table = Table(
        connect=lambda: sqlite3.connect(":memory:"),
        documents=(evolve(CUSTOMERS, only={"tenant": "hunter2"}),),
        connection=HERE,
    )
    assert "hunter2" not in repr(table)
