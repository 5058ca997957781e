"""
A host application whose invoices are rows of its own table; the ledger is Xero.

Run it as it is: a fake Xero stands in for the real one. To reach that, give `Xero` the
credentials of your app and leave out ``transport=``.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import tieout
from tieout.connectors.xero import Xero
from tieout.testing.fakes.xero import FakeXero

SCHEMA = """
CREATE TABLE invoices (
    id INTEGER PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    currency TEXT NOT NULL,
    total TEXT NOT NULL,                -- amounts as text: SQLite has no decimals
    paid_amount TEXT NOT NULL DEFAULT '0.00',
    date_paid TEXT
)
"""

INVOICES = (
    ("INV-1", "USD", "120.00"),
    ("INV-2", "USD", "80.00"),
    ("INV-3", "EUR", "45.50"),
)

SINCE = date(2026, 1, 1)


def make_shop(path: Path) -> None:
    """The host application, as it is before anything is synced."""
    with closing(sqlite3.connect(path)) as shop:
        shop.execute(SCHEMA)
        shop.executemany(
            "INSERT INTO invoices (number, currency, total) VALUES (?, ?, ?)", INVOICES
        )
        shop.commit()


def make_ledger() -> tuple[FakeXero, str]:
    """A ledger in which something was paid; and the id of one of its payments."""
    ledger = FakeXero()
    contact = ledger.add_contact("Alder & Sons")
    first, second, _ = (
        ledger.add_invoice(number, contact, total, currency=currency)
        for number, currency, total in INVOICES
    )
    ledger.pay(first, "70.00", date(2026, 3, 9))
    payment = ledger.pay(first, "50.00", date(2026, 3, 12))
    ledger.pay(second, "30.00", date(2026, 3, 10))
    return ledger, payment


def engine_of(shop: Path, ledger: FakeXero, store: tieout.Store) -> tieout.Engine:
    """Billing is the table, the ledger is Xero; one fake stands in for the network."""
    billing = tieout.Table(
        connect=lambda: sqlite3.connect(shop),
        table="invoices",
        columns=tieout.Columns(
            id="id",
            number="number",
            currency="currency",
            total="total",
            paid_amount="paid_amount",
            date_paid="date_paid",
        ),
        integer_ids=True,
        connection="app:shop",
    )
    xero = Xero(
        tenant_id=ledger.tenant,
        client_id="client",
        client_secret="secret",
        refresh_token=ledger.refresh_token,
    )
    return tieout.Engine(
        billing=billing, ledger=xero, store=store, transport={xero.connection: ledger}
    )


def show(shop: Path) -> None:
    """The host's table, as it is now."""
    with closing(sqlite3.connect(shop)) as database:
        rows = database.execute(
            "SELECT number, currency, total, paid_amount, date_paid FROM invoices"
        ).fetchall()
    for number, currency, total, paid, paid_on in rows:
        print(f"  {number}  {paid:>6} of {total:>6} {currency}  {paid_on or 'open'}")


def main() -> None:
    with TemporaryDirectory() as folder:
        shop = Path(folder, "shop.db")
        make_shop(shop)
        ledger, payment = make_ledger()
        with (
            closing(tieout.SQLiteStore(Path(folder, "tieout.db"))) as store,
            engine_of(shop, ledger, store) as engine,
        ):
            print(engine.plan_payments(SINCE))
            print(engine.sync_payments(SINCE))
            show(shop)

            print("A payment is taken back in the ledger:")
            ledger.delete_payment(payment)
            print(engine.sync_payments(tieout.Since.LAST_RUN))
            show(shop)


if __name__ == "__main__":
    main()
