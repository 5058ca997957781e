"""
The main job against a real ledger: Tryton's payments into a host app's SQL table.

The judge is `tryton.reading`, which reads Tryton's move lines by SQL and shares no code
with tieout.
"""

import datetime as dt
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

import tieout
from tieout.connectors.tryton import Tryton

from .tryton import reading
from .tryton.bookkeeper import Bookkeeper, Intended, busy_template
from .tryton.server import TrytonServer

QUARTER = dt.date.today() - dt.timedelta(days=200)  # noqa: DTZ011 - the ledger's own day

Shown = dict[str, tuple[Decimal, str | None]]


@pytest.fixture(scope="module", params=[False, True], ids=["inline", "worker"])
def server(request: pytest.FixtureRequest) -> Iterator[TrytonServer]:
    """A Tryton with a quarter's work in its books; its queue worker off and on."""
    with TrytonServer(source=busy_template()[0], worker=request.param) as running:
        yield running


class Shop:
    """A small host app: one table of invoices, made from what the ledger was billed."""

    def __init__(self, path: Path, bills: list[reading.Reading]) -> None:
        self.path = path
        with closing(sqlite3.connect(path)) as books:
            books.execute(
                "CREATE TABLE invoices (id INTEGER PRIMARY KEY, number TEXT, total TEXT,"
                " currency TEXT, paid_amount TEXT, date_paid TEXT)"
            )
            books.executemany(
                "INSERT INTO invoices (number, total, currency, paid_amount)"
                " VALUES (?, ?, ?, '0')",
                [(bill.number, str(bill.total), bill.currency) for bill in bills],
            )
            books.commit()

    def shown(self) -> Shown:
        """What the app shows as paid, by invoice number."""
        with closing(sqlite3.connect(self.path)) as books:
            rows = books.execute("SELECT number, paid_amount, date_paid FROM invoices")
            return {number: (Decimal(paid), day) for number, paid, day in rows}

    def edit(self, number: str, paid: str) -> None:
        """Somebody changes a row by hand."""
        with closing(sqlite3.connect(self.path)) as books:
            books.execute(
                "UPDATE invoices SET paid_amount = ? WHERE number = ?", (paid, number)
            )
            books.commit()

    def table(self) -> tieout.Table:
        return tieout.Table(
            connect=lambda: sqlite3.connect(self.path),
            table="invoices",
            columns=tieout.Columns(
                id="id",
                number="number",
                total="total",
                currency="currency",
                paid_amount="paid_amount",
                date_paid="date_paid",
            ),
            connection="app:shop",
        )


def bills(server: TrytonServer) -> list[reading.Reading]:
    """The invoices (credit notes are documents below zero) as the judge reads them."""
    return [each for each in reading.read(server.database) if each.total > 0]


def judged(server: TrytonServer) -> Shown:
    """What should be shown as paid, by the judge."""
    return {
        each.number: (each.paid, each.paid_on.isoformat() if each.paid_on else None)
        for each in bills(server)
    }


def ledger(server: TrytonServer) -> Tryton:
    return Tryton(
        url=server.url,
        database="ledger",
        user="connector",
        password=server.facts["users"]["connector"],
    )


@pytest.fixture
def shop(server: TrytonServer, tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop.db", bills(server))


@pytest.fixture
def engine(server: TrytonServer, shop: Shop, tmp_path: Path) -> Iterator[tieout.Engine]:
    store = tieout.SQLiteStore(tmp_path / "tieout.db")
    with tieout.Engine(
        billing=shop.table(), ledger=ledger(server), store=store
    ) as made:
        yield made
    store.close()


def test_every_paid_amount_and_date_is_the_ledgers(
    server: TrytonServer, shop: Shop, engine: tieout.Engine
) -> None:
    """B17, B18, B19, B35, B37: of 125 invoices, to the minor unit and the day."""
    report = engine.sync_payments(since=QUARTER)
    assert report.complete, report
    assert report.counts["failed"] == 0, list(report.issues)
    assert len(shop.shown()) >= 120
    assert shop.shown() == judged(server)


def test_a_second_run_writes_nothing(
    server: TrytonServer, shop: Shop, engine: tieout.Engine
) -> None:
    """B20, B22, B23: running again, also from far back, changes nothing."""
    engine.sync_payments(since=QUARTER)
    before = shop.shown()
    for since in (tieout.Since.LAST_RUN, QUARTER, dt.date(2000, 1, 1)):
        report = engine.sync_payments(since=since)
        assert report.complete
        assert report.counts["updated"] == 0
        assert list(report.records) == []
    assert shop.shown() == before


def test_an_undone_payment_changes_exactly_one_row(
    server: TrytonServer, shop: Shop, engine: tieout.Engine
) -> None:
    """B24: the paid amount goes down and the date is cleared, on that invoice alone."""
    paid = next(each for each in _cases("paid") if _is_paid(server, each))
    engine.sync_payments(since=QUARTER)
    before = shop.shown()
    with Bookkeeper(server) as books:
        books.reverse(paid.invoice)
    report = engine.sync_payments(since=tieout.Since.LAST_RUN)
    assert report.complete
    assert report.counts["updated"] == 1
    after = shop.shown()
    (changed,) = [number for number in after if after[number] != before[number]]
    assert changed == _number(server, paid)
    assert after[changed] == (Decimal(0), None)
    assert after == judged(server)


def test_a_row_edited_by_hand_is_repaired_from_far_back(
    server: TrytonServer, shop: Shop, engine: tieout.Engine
) -> None:
    """B17, B22: an explicit start compares with billing as it is now."""
    engine.sync_payments(since=QUARTER)
    number = next(iter(shop.shown()))
    shop.edit(number, "1.23")
    report = engine.sync_payments(since=QUARTER)
    assert report.counts["updated"] == 1
    assert shop.shown() == judged(server)


def _cases(case: str) -> list[Intended]:
    return [each for each in busy_template()[1] if each.case == case]


def _is_paid(server: TrytonServer, wanted: Intended) -> bool:
    return any(
        each.id == wanted.invoice and each.paid == each.total for each in bills(server)
    )


def _number(server: TrytonServer, wanted: Intended) -> str:
    return next(each.number for each in bills(server) if each.id == wanted.invoice)
