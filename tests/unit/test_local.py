"""The host's own app and its table as connectors, driven by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve
from banks import Bank, Spied, drive

from tieout import table as tables
from tieout.capabilities import Blind, Changed, Dated, Everything, Feed, Open, Verb
from tieout.change import Action, Change, Outcome, State
from tieout.connector import Books, Connector, Page
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.local import Bill, Local, LocalApp
from tieout.models import (
    Basis,
    Customer,
    Invoice,
    Part,
    Ref,
    Settlement,
    Status,
    fingerprint,
)
from tieout.table import Columns, Dialect, Table
from tieout.wire import Answer, Call, Response

DAY = date(2026, 3, 10)
SINCE = datetime(2026, 3, 10, 8, 30, tzinfo=UTC)


def paying(
    before: Settlement, paid: str, on: date | None = None, name: str = ""
) -> Change:
    amount = Decimal(paid)
    after = evolve(
        before,
        settled_by={**before.settled_by, Part.CASH: amount},
        balance=before.total - amount,
        paid_on=on,
        last_on=on,
        status=Status.SETTLED if amount >= before.total else Status.OPEN,
    )
    return Change(
        name or f"pay {before.ref.id}",
        Action.UPDATE,
        Settlement,
        before.ref.connection,
        Ref("ledger:x", "Invoice", f"L{before.ref.id}"),
        target=before.ref,
        before=before,
        after=after,
    )


# LocalApp -------------------------------------------------------------------------------


class Shop(LocalApp):
    """A host's app over a dict."""

    def __init__(self, *bills: Any) -> None:
        self.bills = list(bills)
        self.paid: list[tuple[str, Decimal, date | None]] = []
        self.error: Exception | None = None

    def invoices(self, ids: Sequence[str], numbers: Sequence[str]) -> Iterable[Bill]:
        if self.error:
            raise self.error
        yield from self.bills

    def set_paid(self, invoice: Settlement) -> None:
        self.paid.append((invoice.ref.id, invoice.paid, invoice.paid_on))
        if self.error:
            raise self.error


class Books2(Shop):
    """An app that can be a ledger and says more of itself."""

    def changed(self, since: datetime) -> Iterable[Bill]:
        return [b for b in self.bills if b.changed_at and b.changed_at >= since]

    def everything(self) -> Iterable[Bill]:
        return iter(self.bills)

    def books(self) -> Books | None:
        return Books("company 7", currency="GBP", zone="Europe/London")


class ReadOnly(LocalApp):
    def invoices(self, ids: Sequence[str], numbers: Sequence[str]) -> Iterable[Bill]:
        return ()


def bill(**given: Any) -> Bill:
    defaults: dict[str, Any] = {
        "id": 1,
        "number": "INV-1",
        "currency": "EUR",
        "total": "100.00",
    }
    return Bill(**{**defaults, **given})


def shop(*bills: Any) -> Local:
    return Local(Shop(*bills), connection="app:shop")


def read_one(given: Any) -> Page[Settlement]:
    page: Page[Settlement] = drive(
        shop(given).fetch(Settlement, ids=["1"], numbers=["INV-1"])
    )
    return page


def test_a_bill_becomes_a_settlement() -> None:
    """B18: Paid Amount and Date Paid are the cash part and the paid date."""
    page = read_one(
        bill(
            paid_amount=Decimal("30.5"),
            customer=UUID(int=7),
            on=DAY,
            reference="PO 4",
            version=3,
            changed_at=SINCE,
        )
    )
    (found,) = page.records
    assert found == Settlement(
        Ref("app:shop", "Invoice", "1"),
        "INV-1",
        "EUR",
        Decimal("100.00"),
        Decimal("69.50"),
        Status.OPEN,
        reference="PO 4",
        customer=Ref("app:shop", "Customer", str(UUID(int=7))),
        on=DAY,
        settled_by={Part.CASH: Decimal("30.5")},
        version="3",
        changed_at=SINCE,
    )


@pytest.mark.parametrize(
    ("given", "status", "balance", "paid_on"),
    [
        ({"paid_amount": 100, "date_paid": DAY}, Status.SETTLED, "0", DAY),
        ({"paid_amount": "110"}, Status.SETTLED, "-10", None),
        ({"paid_amount": "50", "date_paid": DAY}, Status.OPEN, "50", DAY),
        ({"total": 0}, Status.SETTLED, "0", None),
        ({"void": True, "paid_amount": 10}, Status.VOID, "90", None),
        ({}, Status.OPEN, "100", None),
    ],
)
def test_what_a_bill_says(
    given: dict[str, Any], status: Status, balance: str, paid_on: date | None
) -> None:
    """B24: a date on an invoice that is not paid is seen, so that it can be cleared."""
    (found,) = read_one(bill(**given)).records
    assert (found.status, found.balance, found.paid_on) == (
        status,
        Decimal(balance),
        paid_on,
    )
    assert found.basis is (Basis.LEDGER_FIELD if paid_on else None)


def test_credits_are_a_part_of_their_own() -> None:
    (found,) = read_one(bill(paid_amount="30", credited="20")).records
    assert found.settled_by == {Part.CASH: Decimal(30), Part.CREDIT: Decimal(20)}
    assert (found.paid, found.balance) == (Decimal(30), Decimal(50))


@pytest.mark.parametrize(
    ("given", "code", "at"),
    [
        ({"total": 100.0}, Code.BAD_AMOUNT, "total"),
        ({"paid_amount": 1.5}, Code.BAD_AMOUNT, "paid_amount"),
        ({"total": "1,00"}, Code.BAD_AMOUNT, "total"),
        ({"total": True}, Code.BAD_AMOUNT, "total"),
        ({"total": Decimal("NaN")}, Code.BAD_AMOUNT, "total"),
        ({"total": "10.005"}, Code.BAD_AMOUNT, "total"),
        ({"total": "10.5", "currency": "JPY"}, Code.BAD_AMOUNT, "total"),
        ({"total": None}, Code.BAD_FIELD, "total"),
        ({"number": None}, Code.BAD_FIELD, "number"),
        ({"number": "  "}, Code.BAD_FIELD, "number"),
        ({"currency": "euro"}, Code.BAD_CURRENCY, "currency"),
        ({"currency": None}, Code.BAD_CURRENCY, "currency"),
        ({"id": None}, Code.BAD_FIELD, "id"),
        ({"id": ""}, Code.BAD_FIELD, "id"),
        ({"id": True}, Code.BAD_FIELD, "id"),
        ({"id": Decimal("1.5")}, Code.BAD_FIELD, "id"),
        ({"void": "no"}, Code.BAD_FIELD, "void"),
        ({"changed_at": datetime(2026, 3, 1)}, Code.BAD_DATE, "changed_at"),
        ({"changed_at": "soon"}, Code.BAD_DATE, "changed_at"),
        ({"date_paid": SINCE}, Code.BAD_DATE, "date_paid"),
        ({"date_paid": datetime(2026, 3, 1)}, Code.BAD_DATE, "date_paid"),
        ({"on": "yesterday"}, Code.BAD_DATE, "on"),
        ({"on": date(1066, 1, 1)}, Code.BAD_DATE, "on"),
        ({"on": 5}, Code.BAD_FIELD, "on"),
    ],
)
def test_bad_data_is_an_issue_of_that_record(
    given: dict[str, Any], code: Code, at: str
) -> None:
    """B153, B106: one unreadable record is named, its neighbours are read."""
    good = bill(id="2", number="INV-2")
    app = shop(bill(**given), good)
    page = drive(app.fetch(Settlement, ids=["1", "2"]))
    assert [each.ref.id for each in page.records] == ["2"]
    (issue,) = page.issues
    assert (issue.code, issue.field) == (code, at)


def test_a_float_has_a_remedy() -> None:
    (issue,) = read_one(bill(total=1.0)).issues
    assert "minor_units=True" in issue.remedy
    assert issue.numbers == ("INV-1",)


def test_what_is_no_bill_is_an_issue() -> None:
    page = read_one("INV-1")
    assert not page.records
    assert [issue.code for issue in page.issues] == [Code.BAD_FIELD]


def test_a_mapping_does_as_well() -> None:
    row = {"id": Decimal(1), "number": 1001, "currency": "EUR", "total": 5, "x": 1.5}
    (found,) = read_one(row).records
    assert (found.ref.id, found.number) == ("1", "1001")


def test_only_what_was_asked_for_is_returned() -> None:
    app = shop(bill(), bill(id=2, number="inv-1"), bill(id=3, number=" INV-3\n"))
    page = drive(app.fetch(Settlement, numbers=["INV-1", "INV-3 "]))
    assert [each.ref.id for each in page.records] == ["1", "3"]


def test_invoices_are_asked_for_in_batches() -> None:
    asked: list[tuple[int, int]] = []

    class Counting(ReadOnly):
        def invoices(
            self, ids: Sequence[str], numbers: Sequence[str]
        ) -> Iterable[Bill]:
            asked.append((len(ids), len(numbers)))
            return ()

    app = Local(Counting(), connection="app:x")
    drive(app.fetch(Settlement, ids=[str(n) for n in range(501)], numbers=["a"]))
    assert asked == [(500, 0), (1, 0), (0, 1)]


def test_set_paid_gets_the_wanted_state() -> None:
    """B18, B20: absolute values, the same however often they are sent."""
    app = shop(bill())
    (before,) = drive(app.fetch(Settlement, ids=["1"])).records
    calls: list[Call] = []
    for _ in range(2):
        (outcome,) = drive(app.write([paying(before, "100", DAY)]), calls)
        assert (outcome.state, outcome.ref) == (State.APPLIED, before.ref)
    assert isinstance(app.app, Shop)
    assert app.app.paid == [("1", Decimal(100), DAY)] * 2
    assert [(call.effect, call.name) for call in calls] == [(True, "set_paid")] * 2


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (Fault(Code.LOCKED_PERIOD), State.REJECTED, Code.LOCKED_PERIOD),
        (Fault(Code.IN_USE), State.NOT_SENT, Code.IN_USE),
        (Fault(Code.SERVER_ERROR, fate=Fate.NOT_SENT), State.NOT_SENT, None),
        (Fault(Code.SERVER_ERROR, fate=Fate.UNCLEAR), State.UNKNOWN, None),
        (RuntimeError("lost it"), State.UNKNOWN, Code.OUTCOME_UNKNOWN),
    ],
)
def test_what_set_paid_raises_becomes_the_outcome(
    error: Exception, state: State, code: Code | None
) -> None:
    app = shop(bill(), bill(id=2, number="INV-2"))
    first, second = drive(app.fetch(Settlement, ids=["1", "2"])).records
    assert isinstance(app.app, Shop)
    app.app.error = error
    outcomes = drive(app.write([paying(first, "1"), paying(second, "2")]))
    assert [outcome.state for outcome in outcomes] == [state, state]
    assert len(app.app.paid) == 2
    if code is not None:
        assert outcomes[0].code is code
    if code is Code.OUTCOME_UNKNOWN:
        assert outcomes[0].text == "RuntimeError: lost it"


def test_what_a_read_raises_ends_it_with_its_words() -> None:
    app = shop(bill())
    assert isinstance(app.app, Shop)
    app.app.error = RuntimeError("no such model")
    with pytest.raises(Fault, match="RuntimeError: no such model") as raised:
        drive(app.fetch(Settlement, ids=["1"]))
    assert raised.value.code is Code.SERVER_ERROR
    app.app.error = Fault(Code.NOT_REACHED)
    with pytest.raises(Fault, match="NOT_REACHED"):
        drive(app.fetch(Settlement, ids=["1"]))


def test_a_method_that_forgets_to_return_is_named() -> None:
    class Forgetful(LocalApp):
        def invoices(self, ids: Sequence[str], numbers: Sequence[str]) -> Any:
            pass

    with pytest.raises(Fault, match="TypeError: 'NoneType'"):
        drive(Local(Forgetful(), connection="a").fetch(Settlement, ids=["1"]))


def test_capabilities_follow_from_what_is_overridden() -> None:
    reader = Local(ReadOnly(), connection="app:r").capabilities
    assert reader.kind(Settlement).verbs == {Verb.READ}
    assert not reader.kind(Settlement).selects
    assert not reader.payments.feeds
    full = Local(
        Books2(), connection="app:f", late_commit=timedelta(minutes=1)
    ).capabilities
    assert full.kind(Settlement).verbs == {Verb.READ, Verb.UPDATE}
    assert full.kind(Settlement).writable == {"settled_by", "paid_on"}
    assert full.kind(Settlement).selects == {Changed, Everything, Dated, Open}
    assert full.payments.feeds == (Feed.STAMP,)
    assert full.payments.blind == {Blind.DELETIONS}
    assert full.payments.sweep_every is not None
    assert full.free_reads
    assert full.settle == timedelta(minutes=1)
    assert shop().capabilities.settle == timedelta(0)
    with pytest.raises(ConfigError, match="LocalApp has to override invoices"):
        Local(LocalApp(), connection="app:0")


def test_what_is_not_overridden_says_so() -> None:
    app, asked = LocalApp(), datetime(2026, 1, 1, tzinfo=UTC)
    (found,) = read_one(bill()).records
    for call in (
        lambda: app.invoices([], []),
        lambda: app.set_paid(found),
        lambda: app.changed(asked),
        app.everything,
    ):
        with pytest.raises(NotImplementedError):
            call()
    assert app.books() is None


def test_an_app_as_a_ledger_pages_what_changed() -> None:
    """B12: the start is included."""
    app = Local(
        Books2(
            bill(changed_at=SINCE),
            bill(id=2, number="INV-2", changed_at=SINCE - timedelta(seconds=1)),
            bill(id=3, number="INV-3", total=1.5, changed_at=SINCE),
        ),
        connection="app:books",
    )
    page = drive(app.page(Settlement, Changed(SINCE)))
    assert [each.ref.id for each in page.records] == ["1"]
    assert [issue.code for issue in page.issues] == [Code.BAD_AMOUNT]
    assert page.next is None


def test_selections_are_exact() -> None:
    app = Local(
        Books2(
            bill(id=1, on=DAY),
            bill(id=2, on=DAY + timedelta(days=1)),
            bill(id=3, on=DAY, paid_amount=100),
            bill(id=4, void=True, on=DAY),
            bill(id=5),
        ),
        connection="app:books",
    )

    def ids(select: Any) -> list[str]:
        return [each.ref.id for each in drive(app.page(Settlement, select)).records]

    assert ids(Everything()) == ["1", "2", "3", "4", "5"]
    assert ids(Dated(DAY, DAY)) == ["1", "3", "4"]
    assert ids(Open()) == ["1", "2", "5"]
    assert ids(Open(DAY)) == ["1", "5"]


def test_what_is_not_offered_is_refused() -> None:
    app = shop()
    with pytest.raises(Fault, match="cannot list Settlement records by Everything"):
        drive(app.page(Settlement, Everything()))
    with pytest.raises(Fault, match="has no Customer"):
        drive(app.fetch(Customer, ids=["1"]))
    (before,) = read_one(bill()).records
    change = paying(before, "1")
    foreign = Ref("app:other", "Invoice", "1")
    for wrong in (
        evolve(change, action=Action.VOID),
        evolve(change, target=None),
        evolve(change, before=None),
        evolve(change, target=foreign),
        evolve(change, kind=Invoice, after=None),
    ):
        (outcome,) = drive(app.write([wrong]))
        assert (outcome.state, outcome.code) == (State.REJECTED, Code.NOT_ALLOWED)
    reader = Local(ReadOnly(), connection="app:shop")
    (outcome,) = drive(reader.write([change]))
    assert outcome.code is Code.NOT_ALLOWED


def test_health_is_the_books() -> None:
    app = Local(Shop(), connection="app:s", base_currency="EUR", zone="Europe/Paris")
    health = drive(app.check())
    assert health.ok
    assert health.books == Books("app:s", currency="EUR", zone="Europe/Paris")
    told = drive(Local(Books2(), connection="app:b").check())
    assert told.books.identity == "company 7"


def test_find_looks_by_id() -> None:
    app = shop(bill(), bill(id=2, number="INV-2"))
    (before,) = drive(app.fetch(Settlement, ids=["2"])).records
    page = drive(
        app.find([paying(before, "1"), evolve(paying(before, "1"), target=None)])
    )
    assert [each.ref.id for each in page.records] == ["2"]


def test_it_is_a_connector_without_credentials() -> None:
    connector: Connector = shop()
    assert connector.judge(Response(200)).answer is Answer.OK
    assert connector.auth.first().signed_in
    assert connector.connection == "app:shop"


# Table ----------------------------------------------------------------------------------


MADE = """
CREATE TABLE invoices (
    id {key} PRIMARY KEY, number TEXT, total {money}, currency TEXT,
    paid_amount {money}, date_paid {date}, day TEXT, customer TEXT, note TEXT,
    void INTEGER, changed_at TEXT, version INTEGER, tenant INTEGER,
    CHECK (paid_amount IS NULL OR paid_amount <> '66.00')
)
"""
ALL = Columns(
    id="id",
    number="number",
    total="total",
    currency="currency",
    paid_amount="paid_amount",
    date_paid="date_paid",
    on="day",
    customer="customer",
    reference="note",
    void="void",
    changed_at="changed_at",
    version="version",
)
FEW = Columns(
    id="id",
    number="number",
    total="total",
    currency="currency",
    paid_amount="paid_amount",
    date_paid="date_paid",
)


class InvoiceBank(Bank):
    """A database with a table of invoices."""

    def make(
        self, *, key: str = "INTEGER", money: str = "TEXT", date: str = "TEXT"
    ) -> None:
        self.run(MADE.format(key=key, money=money, date=date))

    def add(self, **row: Any) -> None:
        given = {"number": f"INV-{row['id']}", "total": "100.00", "currency": "EUR"}
        row = {**given, **row}
        marks = ", ".join("?" for _ in row)
        names = ", ".join(f'"{name}"' for name in row)
        self.run(f"INSERT INTO invoices ({names}) VALUES ({marks})", *row.values())

    def paid(self) -> list[tuple[Any, ...]]:
        return self.run("SELECT id, paid_amount, date_paid FROM invoices ORDER BY id")

    def table(self, columns: Columns = ALL, **given: Any) -> Table:
        return Table(
            **{
                "connect": lambda: Spied(self),
                "table": "invoices",
                "columns": columns,
                "connection": "app:db",
                **given,
            }
        )


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[InvoiceBank]:
    made = InvoiceBank(tmp_path / "books.db")
    yield made
    assert made.open == 0, "every connection is closed after every call"


def read(table: Table, *ids: str) -> list[Settlement]:
    page = drive(table.fetch(Settlement, ids=ids))
    assert not page.issues
    return list(page.records)


def write(table: Table, *changes: Change) -> list[Outcome]:
    return list(drive(table.write(changes)))


def test_a_row_becomes_a_settlement(bank: InvoiceBank) -> None:
    """B18."""
    bank.make()
    bank.add(
        id=1,
        paid_amount="30.50",
        day="2026-03-10 00:00:00",
        customer="C1",
        note="PO 4",
        void=0,
        changed_at="2026-03-10 08:30:00",
        version=2,
    )
    (found,) = read(bank.table(), "1")
    assert found == Settlement(
        Ref("app:db", "Invoice", "1"),
        "INV-1",
        "EUR",
        Decimal(100),
        Decimal("69.50"),
        Status.OPEN,
        reference="PO 4",
        customer=Ref("app:db", "Customer", "C1"),
        on=DAY,
        settled_by={Part.CASH: Decimal("30.50")},
        changed_at=SINCE,
        version="2",
    )
    assert found.receipts == ()


@pytest.mark.parametrize("paramstyle", sorted(tables.MARKS))
def test_every_paramstyle_reads_and_writes(bank: InvoiceBank, paramstyle: str) -> None:
    bank.make()
    bank.add(id=1, tenant=7, changed_at="2026-03-11 00:00:00")
    bank.add(id=2, tenant=8, changed_at="2026-03-11 00:00:00")
    bank.paramstyle = paramstyle
    table = bank.table(dialect=Dialect(paramstyle), only={"tenant": 7})
    page = drive(table.page(Settlement, Changed(SINCE)))
    assert [each.ref.id for each in page.records] == ["1"]
    (before,) = read(table, "1", "2")
    (outcome,) = write(table, paying(before, "100", DAY))
    assert outcome.state is State.APPLIED
    assert bank.paid() == [(1, "100.00", "2026-03-10"), (2, None, None)]


def test_rows_of_another_tenant_are_never_written(bank: InvoiceBank) -> None:
    bank.make()
    bank.add(id=1, tenant=8)
    (before,) = read(bank.table(), "1")
    table = bank.table(only={"tenant": None, "void": None})
    assert not read(table, "1")
    (outcome,) = write(table, paying(before, "100", DAY))
    assert outcome.code is Code.VANISHED
    assert bank.paid() == [(1, None, None)]


def test_writing_twice_is_harmless(bank: InvoiceBank) -> None:
    """B20, B23: the second time nothing is changed, and both say so."""
    bank.make()
    bank.add(id=1)
    table = bank.table()
    (before,) = read(table, "1")
    change = paying(before, "50")
    for _ in range(2):
        bank.statements.clear()
        assert write(table, change)[0].state is State.APPLIED
        assert bank.paid() == [(1, "50.00", None)]
    assert not [sql for sql, _ in bank.statements if sql.startswith("UPDATE")]
    (after,) = read(table, "1")
    assert after.paid == Decimal(50)
    assert isinstance(change.after, Settlement)
    assert fingerprint(after) == fingerprint(change.after)


def test_a_payment_taken_back_lowers_and_clears(bank: InvoiceBank) -> None:
    """B24, B35."""
    bank.make()
    bank.add(id=1, paid_amount="100", date_paid="2026-03-10")
    table = bank.table()
    (before,) = read(table, "1")
    assert write(table, paying(before, "40"))[0].state is State.APPLIED
    assert bank.paid() == [(1, "40.00", None)]


def test_nothing_but_the_two_columns_is_written(bank: InvoiceBank) -> None:
    bank.make()
    bank.add(id=1, day="2026-01-01", note="keep", version=4, changed_at="2026-01-01")
    table = bank.table()
    (before,) = read(table, "1")
    held = bank.run("SELECT * FROM invoices")[0]
    assert write(table, paying(before, "100", DAY))[0].version == "4"
    now = bank.run("SELECT * FROM invoices")[0]
    moved = [
        at for at, (was, is_) in enumerate(zip(held, now, strict=True)) if was != is_
    ]
    assert moved == [4, 5]


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE invoices SET paid_amount = '5'",
        "UPDATE invoices SET date_paid = '2026-03-01'",
        "UPDATE invoices SET total = '120.00'",
        "UPDATE invoices SET void = 1",
        "UPDATE invoices SET version = 9",
    ],
)
def test_a_row_that_changed_since_is_left_alone(bank: InvoiceBank, spoil: str) -> None:
    bank.make()
    bank.add(id=1, version=1)
    bank.add(id=2)
    table = bank.table()
    first, second = read(table, "1", "2")
    bank.run(f"{spoil} WHERE id = 1")
    held = bank.paid()[0]
    one, two = write(table, paying(first, "100", DAY), paying(second, "100", DAY))
    assert (one.state, one.code) == (State.NOT_SENT, Code.STALE_VERSION)
    assert two.state is State.APPLIED
    assert bank.paid() == [held, (2, "100.00", "2026-03-10")]


def test_a_row_that_changes_under_the_write_is_left_alone(bank: InvoiceBank) -> None:
    bank.make()
    bank.add(id=1)
    table = bank.table()
    (before,) = read(table, "1")
    bank.before_update = lambda c: c.execute("UPDATE invoices SET paid_amount = '7'")
    (outcome,) = write(table, paying(before, "100", DAY))
    assert (outcome.state, outcome.code) == (State.NOT_SENT, Code.STALE_VERSION)
    assert bank.paid() == [(1, "7", None)]
    bank.before_update = lambda c: c.execute("DELETE FROM invoices")
    (before,) = read(table, "1")
    (outcome,) = write(table, paying(before, "100", DAY))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.VANISHED)


def test_a_row_that_became_as_wanted_is_applied(bank: InvoiceBank) -> None:
    bank.make()
    bank.add(id=1)
    table = bank.table()
    (before,) = read(table, "1")
    wanted = "UPDATE invoices SET paid_amount = '100.0', date_paid = '2026-03-10'"
    bank.before_update = lambda c: c.execute(wanted)
    (outcome,) = write(table, paying(before, "100", DAY))
    assert outcome.state is State.APPLIED


def test_a_row_that_is_gone_has_vanished(bank: InvoiceBank) -> None:
    bank.make()
    bank.add(id=1)
    table = bank.table()
    (before,) = read(table, "1")
    bank.run("DELETE FROM invoices")
    (outcome,) = write(table, paying(before, "100", DAY))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.VANISHED)


@pytest.mark.parametrize("held", [None, 0, "0", "0.0", "0.00"])
def test_nothing_paid_has_many_spellings(bank: InvoiceBank, held: Any) -> None:
    bank.make(money="BLOB")  # no affinity: kept as it is given
    bank.add(id=1, paid_amount=held, date_paid="" if held else None)
    table = bank.table()
    (before,) = read(table, "1")
    assert (before.paid, before.paid_on) == (Decimal(0), None)
    assert write(table, paying(before, "100", DAY))[0].state is State.APPLIED


def test_a_broken_row_among_good_ones(bank: InvoiceBank) -> None:
    """B106: the database refuses one row, the others land."""
    bank.make()
    for number in range(1, 6):
        bank.add(id=number)
    table = bank.table()
    changes = [
        paying(each, "66" if each.ref.id == "3" else "100")
        for each in read(table, *"12345")
    ]
    outcomes = write(table, *changes)
    assert [outcome.name for outcome in outcomes] == [change.name for change in changes]
    states = [outcome.state for outcome in outcomes]
    assert states == [State.APPLIED] * 2 + [State.REJECTED] + [State.APPLIED] * 2
    assert outcomes[2].code is Code.REFUSED
    assert "CHECK constraint failed" in outcomes[2].text
    assert [paid for _, paid, _ in bank.paid()] == ["100.00"] * 2 + [None] + [
        "100.00"
    ] * 2


def test_a_batch_is_one_transaction(bank: InvoiceBank) -> None:
    bank.make()
    for number in range(1, 6):
        bank.add(id=number)
    table = bank.table(batch_size=2)
    calls: list[Call] = []
    changes = [paying(each, "10") for each in read(table, *"12345")]
    outcomes = drive(table.write(changes), calls)
    assert {outcome.state for outcome in outcomes} == {State.APPLIED}
    assert (bank.commits, len(calls)) == (3, 3)
    assert all(call.effect for call in calls)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_commit_is_unknown(bank: InvoiceBank, when: str) -> None:
    bank.make()
    for number in (1, 2):
        bank.add(id=number)
    table = bank.table()
    changes = [paying(each, "10") for each in read(table, "1", "2")]
    bank.commit_fails = when
    outcomes = write(table, *changes)
    assert [each.state for each in outcomes] == [State.UNKNOWN] * 2
    assert {each.code for each in outcomes} == {Code.OUTCOME_UNKNOWN}
    bank.commit_fails = ""
    found = [each.paid for each in drive(table.find(changes)).records]
    assert found == [Decimal(0 if when == "before" else 10)] * 2
    assert {each.state for each in write(table, *changes)} == {State.APPLIED}


def test_a_lock_is_not_sent(bank: InvoiceBank) -> None:
    """The host's own open transaction; nothing hangs and nothing is tried for ever."""
    bank.make()
    for number in range(1, 10):
        bank.add(id=number)
    table = bank.table()
    changes = [paying(each, "10") for each in read(table, *"123456789")]
    holder = sqlite3.connect(bank.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        outcomes = write(table, *changes)
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert {(each.state, each.code) for each in outcomes} == {
        (State.NOT_SENT, Code.SERVER_ERROR)
    }
    tried = [sql for sql, _ in bank.statements if sql.startswith("UPDATE")]
    assert len(tried) == 1 + tables.GIVE_UP
    assert outcomes[-1].text == "not tried after: OperationalError: database is locked"


def test_a_commit_that_is_lost_again_and_again_is_given_up(bank: InvoiceBank) -> None:
    bank.make()
    for number in range(1, 6):
        bank.add(id=number)
    table = bank.table()
    changes = [paying(each, "66") for each in read(table, "1")]
    changes += [paying(each, "10") for each in read(table, *"2345")]
    bank.commit_fails = "before"
    states = [outcome.state for outcome in write(table, *changes)]
    assert states == [State.REJECTED] + [State.UNKNOWN] * 3 + [State.NOT_SENT]


def test_a_refusing_database_is_not_sent(bank: InvoiceBank) -> None:
    bank.make()
    bank.add(id=1)
    (before,) = read(bank.table(), "1")
    tries = []

    def refuse() -> Any:
        tries.append(1)
        raise sqlite3.OperationalError("no route")

    table = bank.table(connect=refuse)
    outcomes = write(table, paying(before, "1"), paying(before, "2"))
    assert {(o.state, o.code) for o in outcomes} == {(State.NOT_SENT, Code.NOT_REACHED)}
    assert len(tries) == 1
    with pytest.raises(Fault, match="NOT_REACHED: OperationalError: no route"):
        drive(table.fetch(Settlement, ids=["1"]))
    health = drive(table.check())
    assert (health.reachable, health.ok) == (False, False)
    assert health.notes == ("OperationalError: no route",)


def test_a_close_that_fails_changes_nothing(bank: InvoiceBank) -> None:
    bank.make()
    bank.add(id=1)
    bank.close_fails = True
    table = bank.table()
    (before,) = read(table, "1")
    assert write(table, paying(before, "1"))[0].state is State.APPLIED


@pytest.mark.parametrize("error", [ValueError("out of time"), Fault(Code.LEASE_LOST)])
def test_a_call_that_never_came_back(bank: InvoiceBank, error: Exception) -> None:
    bank.make()
    bank.add(id=1)
    table = bank.table()
    (before,) = read(table, "1")
    flow = table.write([paying(before, "1")])
    next(flow)
    with pytest.raises(StopIteration) as stopped:
        flow.throw(error)
    (outcome,) = stopped.value.value
    known = isinstance(error, Fault)
    assert outcome.state is (State.NOT_SENT if known else State.UNKNOWN)
    assert bank.paid() == [(1, None, None)]


def test_an_update_of_another_kind_is_not_allowed(bank: InvoiceBank) -> None:
    bank.make()
    bank.add(id=1)
    table = bank.table()
    (before,) = read(table, "1")
    good = paying(before, "1")
    bad = evolve(good, action=Action.VOID)
    assert [o.code for o in write(table, bad, good)] == [Code.NOT_ALLOWED, None]


@pytest.mark.parametrize("money", ["REAL", "NUMERIC"])
def test_a_float_column_is_an_issue_with_a_remedy(
    bank: InvoiceBank, money: str
) -> None:
    """B153: no amount that went through a float is believed."""
    bank.make(money=money)
    bank.add(id=1, total="100.25")
    bank.add(id=2, total="100.25", number="x")
    page = drive(bank.table().fetch(Settlement, ids=["1"]))
    assert not page.records
    (issue,) = page.issues
    assert (issue.code, issue.field) == (Code.BAD_AMOUNT, "total")
    assert issue.source == Ref("app:db", "Invoice", "1")
    assert "TEXT" in issue.remedy
    assert "INV-1 [total]" in drive(bank.table().check()).notes[0]


def test_an_amount_that_would_land_rounded_is_taken_back(bank: InvoiceBank) -> None:
    """B153: SQLite would keep 50.25 as a float in a NUMERIC column."""
    bank.make(money="NUMERIC")
    bank.add(id=1)
    bank.add(id=2)
    table = bank.table()
    first, second = read(table, "1", "2")
    one, two = write(table, paying(first, "50.25"), paying(second, "50"))
    assert (one.state, one.code) == (State.REJECTED, Code.BAD_AMOUNT)
    assert "TEXT" in one.remedy
    assert two.state is State.APPLIED
    assert bank.paid() == [(1, None, None), (2, 50, None)]


def test_a_trigger_that_changes_the_amount_is_noticed(bank: InvoiceBank) -> None:
    bank.make()
    bank.add(id=1)
    bank.run(
        "CREATE TRIGGER cut AFTER UPDATE ON invoices WHEN new.paid_amount <> '50' BEGIN "
        "UPDATE invoices SET paid_amount = '50' WHERE id = new.id; END"
    )
    table = bank.table()
    (before,) = read(table, "1")
    (outcome,) = write(table, paying(before, "50.25"))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.REFUSED)
    assert bank.paid() == [(1, None, None)]


def test_an_id_of_two_rows_is_never_written(bank: InvoiceBank) -> None:
    bank.make()
    bank.add(id=1, note="same")
    bank.add(id=2, note="same", number="INV-1")
    table = bank.table(evolve(FEW, id="note"))
    (before,) = read(table, "same")
    (outcome,) = write(table, paying(before, "10"))
    assert outcome.state is State.REJECTED
    assert "more than one row" in outcome.text
    assert bank.paid() == [(1, None, None), (2, None, None)]


@pytest.mark.parametrize(
    ("currency", "held", "total", "wanted", "written"),
    [
        ("EUR", 10_025, "100.25", "100.25", 10_025),
        ("JPY", 500, "500", "20", 20),
        ("BHD", 1_001, "1.001", "0.5", 500),
    ],
)
def test_whole_minor_units(
    bank: InvoiceBank, currency: str, held: int, total: str, wanted: str, written: int
) -> None:
    bank.make(money="INTEGER")
    bank.add(id=1, total=held, currency=currency)
    table = bank.table(minor_units=True)
    (before,) = read(table, "1")
    assert before.total == Decimal(total)
    assert write(table, paying(before, wanted))[0].state is State.APPLIED
    assert bank.paid() == [(1, written, None)]
    bank.run("UPDATE invoices SET total = '1.5x'")
    (issue,) = drive(table.fetch(Settlement, ids=["1"])).issues
    assert issue.code is Code.BAD_AMOUNT


@pytest.mark.parametrize(
    ("row", "code", "at"),
    [
        ({"total": None}, Code.BAD_FIELD, "total"),
        ({"number": None}, Code.BAD_FIELD, "number"),
        ({"currency": None}, Code.BAD_CURRENCY, "currency"),
        ({"currency": "eur"}, Code.BAD_CURRENCY, "currency"),
        ({"paid_amount": "1e2"}, Code.BAD_AMOUNT, "paid_amount"),
        ({"date_paid": "10/03/2026"}, Code.BAD_DATE, "date_paid"),
        ({"day": 20260310}, Code.BAD_DATE, "on"),
        ({"void": "maybe"}, Code.BAD_FIELD, "void"),
        ({"changed_at": "yesterday"}, Code.BAD_DATE, "changed_at"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(
    bank: InvoiceBank, row: dict[str, Any], code: Code, at: str
) -> None:
    """B106."""
    bank.make()
    bank.add(id=1)
    bank.add(**{"id": 2, **row})
    page = drive(bank.table().page(Settlement, Everything()))
    assert [each.ref.id for each in page.records] == ["1"]
    (issue,) = page.issues
    assert (issue.code, issue.field) == (code, at)
    assert issue.source == Ref("app:db", "Invoice", "2")


def test_a_row_that_became_unreadable_is_not_written(bank: InvoiceBank) -> None:
    bank.make()
    bank.add(id=1)
    table = bank.table()
    (before,) = read(table, "1")
    bank.run("UPDATE invoices SET paid_amount = 'much'")
    (outcome,) = write(table, paying(before, "10"))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.BAD_AMOUNT)


HOSTILE = [
    "O'Brien",
    'a "b" c',
    "100%",
    "%s %(v1)s",
    "?",
    ":1 :v1",
    "a\\b",
    "x'; DROP TABLE invoices; --",
    "<&>",
    "Ünïcode 会",
    "_",
    "{id}",
]


@pytest.mark.parametrize("paramstyle", sorted(tables.MARKS))
def test_hostile_numbers_bring_only_what_was_asked(
    bank: InvoiceBank, paramstyle: str
) -> None:
    bank.make()
    for at, number in enumerate(HOSTILE, 1):
        bank.add(id=at, number=number)
    bank.paramstyle = paramstyle
    table = bank.table(dialect=Dialect(paramstyle))
    for number in HOSTILE:
        page = drive(table.fetch(Settlement, numbers=[number]))
        assert [each.number for each in page.records] == [number]
    assert len(drive(table.fetch(Settlement, numbers=HOSTILE)).records) == len(HOSTILE)
    assert not drive(table.fetch(Settlement, numbers=["o'brien", "%", "x"])).records


def test_what_a_database_cannot_take_is_not_asked_for(bank: InvoiceBank) -> None:
    bank.make()
    bank.add(id=1)
    table = bank.table()
    odd = ["a\0b", "\ud800", "n" * 300]
    assert not drive(table.fetch(Settlement, numbers=odd)).records
    assert not bank.statements
    page = drive(table.fetch(Settlement, numbers=[*odd, "INV-1"]))
    assert [each.ref.id for each in page.records] == ["1"]


def test_numbers_compare_exactly_whatever_the_collation(bank: InvoiceBank) -> None:
    """B44."""
    bank.run(
        MADE.replace("number TEXT", "number TEXT COLLATE NOCASE").format(
            key="INTEGER", money="TEXT", date="TEXT"
        )
    )
    bank.add(id=1, number="inv-1")
    assert not drive(bank.table().fetch(Settlement, numbers=["INV-1"])).records


def test_whole_number_columns_are_asked_whole_numbers(bank: InvoiceBank) -> None:
    bank.run("CREATE TABLE invoices (id, number, total, paid_amount, date_paid)")
    bank.run("INSERT INTO invoices VALUES (1, 1001, '5', NULL, NULL)")
    columns = evolve(FEW, currency=None)
    table = bank.table(columns, currency="EUR", integer_ids=True, integer_numbers=True)
    numbers = ["1001", "INV-1", "9" * 30, "01001"]
    page = drive(table.fetch(Settlement, ids=["1", "x"], numbers=numbers))
    (found,) = page.records
    assert [list(values) for _, values in bank.statements] == [[1], [1001, 1001]]
    assert write(table, paying(found, "5", DAY))[0].state is State.APPLIED
    assert not drive(table.fetch(Settlement, ids=["x"])).records


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8])
@pytest.mark.parametrize("kind", ["INTEGER", "TEXT"])
def test_pages_bring_each_row_once(bank: InvoiceBank, size: int, kind: str) -> None:
    bank.make(key=kind)
    for number in range(1, 8):
        bank.add(id=number)
    table = bank.table(page_size=size)
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(20):
        page = drive(table.page(Settlement, Everything(), cursor))
        assert len(page.records) <= size
        seen += [each.ref.id for each in page.records]
        cursor = page.next
        if cursor is None:
            break
    assert seen == list("1234567")
    assert all(f"LIMIT {size}" in sql for sql, _ in bank.statements)


@pytest.mark.parametrize("cursor", ["", "[1]", "true", "1.5", "null", "2026-03-01~7"])
def test_a_cursor_of_another_system_is_refused(bank: InvoiceBank, cursor: str) -> None:
    """It is refused at once; the app itself has one page, and takes none at all."""
    bank.make()
    for connector in (bank.table(), Local(Books2(), connection="app:l")):
        with pytest.raises(ConfigError, match="is none of app:"):
            next(connector.page(Settlement, Everything(), cursor))


def test_a_page_of_rows_without_ids_ends(bank: InvoiceBank) -> None:
    bank.run("CREATE TABLE invoices (id, number, total, paid_amount, date_paid)")
    bank.run("INSERT INTO invoices VALUES (NULL, 'a', '5', NULL, NULL)")
    table = bank.table(evolve(FEW, currency=None), currency="EUR", page_size=1)
    page = drive(table.page(Settlement, Everything()))
    assert page.next is None
    assert [issue.field for issue in page.issues] == ["id"]


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-03-10 08:30:00",
        "2026-03-10T08:30:00Z",
        "2026-03-09T20:30:00-12:00",
        "2026-03-10T22:30:00.000001+14:00",
    ],
)
def test_what_changed_at_the_start_is_found(bank: InvoiceBank, stamp: str) -> None:
    """B11, B12: whatever the form of the column, the start is included."""
    bank.make()
    bank.add(id=1, changed_at=stamp)
    bank.add(id=2, changed_at="2026-03-01 00:00:00")
    bank.add(id=3)  # never stamped: nobody knows
    page = drive(bank.table().page(Settlement, Changed(SINCE)))
    assert [each.ref.id for each in page.records] == ["1", "3"]


def test_table_selections_are_exact(bank: InvoiceBank) -> None:
    bank.make()
    bank.add(id=1, day="2026-03-10T23:59:59")
    bank.add(id=2, day="2026-03-11")
    bank.add(id=3, day="2026-03-10", paid_amount="100.0", date_paid="2026-03-10")
    bank.add(id=4, day="2026-03-10", void=1)
    bank.add(id=5)
    bank.add(id=6, day="2026-03-09", paid_amount="30", date_paid="2026-03-10")
    bank.add(id=7, day="2026-03-09", paid_amount="100.00")
    table = bank.table()

    def ids(select: Any) -> list[str]:
        return [each.ref.id for each in drive(table.page(Settlement, select)).records]

    assert ids(Dated(DAY, DAY)) == ["1", "3", "4"]
    assert ids(Open()) == ["1", "2", "5", "6"]
    assert ids(Open(DAY)) == ["1", "5", "6"]
    bank.run("UPDATE invoices SET total = NULL WHERE id = 1")
    assert len(drive(table.page(Settlement, Open())).issues) == 1


def test_rows_may_come_as_mappings(bank: InvoiceBank) -> None:
    bank.make()
    bank.add(id=1)
    bank.row_factory = lambda cursor, row: {
        name[0]: value for name, value in zip(cursor.description, row, strict=True)
    }
    assert len(read(bank.table(), "1")) == 1
    bank.row_factory = sqlite3.Row
    assert len(read(bank.table(), "1")) == 1


def test_dates_of_databases_that_have_them() -> None:
    """Drivers bring date, datetime with and without a zone, Decimal and UUID."""
    statements: list[tuple[str, Any]] = []
    key = UUID(int=5)
    naive = datetime(2026, 3, 10, 9, 0)
    row = [key, "INV-1", Decimal("100.00"), "EUR", Decimal("0.00"), None]
    row += [datetime(2026, 3, 10), None, None, False, naive, None]

    class Native:
        rowcount = 1

        def cursor(self) -> Native:
            return self

        def execute(self, sql: str, values: Any) -> None:
            statements.append((sql, values))
            if sql.startswith("UPDATE"):
                row[4:6] = values["v1"], values["v2"]

        def fetchall(self) -> list[Any]:
            names = ["id", "number", "total", "paid_amount", "date_paid", "currency"]
            order = dict(zip(names, [0, 1, 2, 4, 5, 3], strict=True))
            return [[*(row[order[name]] for name in names), *row[6:]]]

        def commit(self) -> None: ...
        def rollback(self) -> None: ...
        def close(self) -> None: ...

    table = Table(
        connect=Native,
        table="app.invoices",
        columns=ALL,
        connection="app:pg",
        dialect=tables.POSTGRES,
        page_size=1,
    )
    page = drive(table.page(Settlement, Changed(SINCE.astimezone(_zone(-5)))))
    (found,) = page.records
    assert (found.on, found.changed_at) == (DAY, naive.replace(tzinfo=UTC))
    assert statements[0][1] == {"v1": date(2026, 3, 9)}
    assert 'FROM "app"."invoices" r' in statements[0][0]
    drive(table.page(Settlement, Everything(), page.next))
    assert statements[-1][1] == {"v1": str(key)}
    (outcome,) = write(table, paying(found, "100", DAY))
    assert outcome.state is State.APPLIED
    sql, values = next(each for each in statements if each[0].startswith("UPDATE"))
    assert sql.startswith('UPDATE "app"."invoices" SET "paid_amount" = %(v1)s')
    assert values == {
        "v1": Decimal("100.00"),
        "v2": DAY,
        "v3": key,
        "v4": Decimal("0.00"),
    }
    assert isinstance(values["v1"], Decimal)


def _zone(hours: int) -> timezone:
    return timezone(timedelta(hours=hours))


def test_dialects_without_limit_and_with_other_quotes() -> None:
    server = Dialect(quotes="[]", fetch_first=True)
    assert server.name("dbo.Invoice") == "[dbo].[Invoice]"
    assert server.limit(5) == "OFFSET 0 ROWS FETCH NEXT 5 ROWS ONLY"
    assert tables.MYSQL.name("a") == "`a`"
    with pytest.raises(ConfigError, match="no such dialect"):
        Dialect("dollar")
    with pytest.raises(ConfigError, match="no such dialect"):
        Dialect(quotes="''")


@pytest.mark.parametrize(
    "name",
    [
        'a"b',
        "a b",
        "a;",
        "",
        "a.b.c;--",
        "1a",
        "ä",
        "a\n",
        "a\0",
        "x" * 200,
        "a?",
        "{a}",
    ],
)
def test_hostile_names_are_refused(bank: InvoiceBank, name: str) -> None:
    refused = "is no name of a table or column"
    with pytest.raises(ConfigError, match=refused):
        bank.table(table=name)
    with pytest.raises(ConfigError, match=refused):
        bank.table(evolve(FEW, total=name or " "))
    with pytest.raises(ConfigError, match=refused):
        bank.table(only={name: 1})


def test_settings_that_cannot_be_meant(bank: InvoiceBank) -> None:
    with pytest.raises(ConfigError, match="either a currency or the column"):
        bank.table(currency="EUR")
    with pytest.raises(ConfigError, match="either a currency or the column"):
        bank.table(evolve(FEW, currency=None))
    with pytest.raises(ConfigError, match="no current ISO 4217 code"):
        bank.table(evolve(FEW, currency=None), currency="euro")
    with pytest.raises(ConfigError, match="in one column"):
        bank.table(evolve(FEW, paid_amount="TOTAL"))


def test_check_names_what_is_missing(bank: InvoiceBank) -> None:
    health = drive(bank.table().check())
    assert health.missing == ("invoices",)
    assert health.notes == ("OperationalError: no such table: invoices",)
    bank.run("CREATE TABLE invoices (id, number, total, currency, paid_amount)")
    # SQLite would take "date_paid" for a text where no table is named with it.
    assert drive(bank.table(FEW).check()).missing == ("invoices.date_paid",)
    table = bank.table(FEW, only={"tenant": 1})
    health = drive(table.check())
    assert (health.reachable, health.ok) == (True, False)
    assert health.missing == ("invoices.date_paid", "invoices.tenant")
    bank.run("ALTER TABLE invoices ADD COLUMN date_paid")
    with pytest.raises(Fault, match=r"no such column: r\.tenant"):
        drive(table.fetch(Settlement, ids=["1"]))
    bank.run("ALTER TABLE invoices ADD COLUMN tenant")
    assert drive(table.check()).ok


def test_check_tells_the_books(bank: InvoiceBank) -> None:
    bank.make()
    bank.add(id=1)
    table = bank.table(base_currency="EUR", zone="Europe/Paris")
    health = drive(table.check())
    assert health.ok
    assert health.books == Books("app:db", currency="EUR", zone="Europe/Paris")
    assert not health.notes


def test_a_failure_that_is_over_when_it_is_looked_into_is_told(
    bank: InvoiceBank,
) -> None:
    bank.make()
    bank.fails = lambda sql, _: (
        sqlite3.OperationalError("database is locked") if "LIMIT" in sql else None
    )
    health = drive(bank.table().check())
    assert (health.ok, health.missing) == (False, ())
    assert health.notes == ("OperationalError: database is locked",)


def test_table_capabilities(bank: InvoiceBank) -> None:
    few, full = bank.table(FEW).capabilities, bank.table(batch_size=7).capabilities
    assert few.system == "table"
    assert few.kind(Settlement).verbs == {Verb.READ, Verb.UPDATE}
    assert few.kind(Settlement).writable == {"settled_by", "paid_on"}
    assert few.kind(Settlement).selects == {Everything}
    assert full.kind(Settlement).selects == {Everything, Changed, Dated, Open}
    assert full.kind(Settlement).batch_size == 7
    assert not full.kind(Settlement).number_unique
    assert full.payments.partial
    assert full.payments.holds_date_alone
    assert (full.free_reads, full.concurrency) == (True, 1)
    assert full.settle == timedelta(0)
    assert few == bank.table(FEW).capabilities


def test_no_secret_in_a_repr() -> None:
    def connect(password: str = "hunter2") -> Any: ...

    table = Table(
        connect=lambda: connect("hunter2"),
        table="invoices",
        columns=FEW,
        connection="app:db",
        only={"tenant": "hunter2"},
    )
    assert "hunter2" not in repr(table)
    assert "connect=" not in repr(table)
