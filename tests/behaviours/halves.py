"""
One system each: ledgers with a bookkeeper, billing systems with an office.

Each is a double of a server behind real HTTP on the loopback interface, and the connector
to it; the host's own table is a database file. Invoices go by number.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import tieout
from tieout.connector import Connector
from tieout.connectors.autotask import Autotask
from tieout.connectors.connectwise import ConnectWise
from tieout.connectors.intacct import Intacct
from tieout.connectors.invoiced import Invoiced
from tieout.connectors.quickbooks import QuickBooks
from tieout.connectors.tryton import Tryton
from tieout.connectors.xero import Xero
from tieout.testing.fakes.autotask import FakeAutotask
from tieout.testing.fakes.connectwise import FakeConnectWise
from tieout.testing.fakes.intacct import FakeIntacct
from tieout.testing.fakes.invoiced import FakeInvoiced
from tieout.testing.fakes.quickbooks import FakeQuickBooks
from tieout.testing.fakes.serving import serve
from tieout.testing.fakes.tryton import FakeTryton
from tieout.testing.fakes.xero import FakeXero
from worlds import Money, SetClock

CLIENT = "00000000-0000-4000-8000-000000000001"
Shown: TypeAlias = tuple[Decimal, date | None]


class Served:
    """A double of a server on the loopback interface, and the connector to it."""

    def __init__(self, fake: Any, connect: Callable[[str], Connector]) -> None:
        self._fake = fake
        self._server = serve(fake)
        self.connector = connect(self._server.url)

    def writes(self) -> int:
        """Requests that could change something."""
        return int(self._fake.writes)

    def requests(self) -> int:
        """All requests."""
        return int(self._fake.requests)

    def close(self) -> None:
        """Stop serving."""
        self._server.close()


class Books(Served):
    """A ledger: what its bookkeeper does, by the ids that the ledger gives."""

    def __init__(
        self,
        fake: Any,
        connect: Callable[[str], Connector],
        *,
        enter: Callable[[str, str, date], Any],
        pay: Callable[[Any, str, date], Any],
        take_back: Callable[[Any], Any],
        void: Callable[[Any], Any],
    ) -> None:
        super().__init__(fake, connect)
        self._enter, self._pay, self._undo, self._void = enter, pay, take_back, void
        self._papers: dict[str, Any] = {}
        self._pieces: dict[str, list[Any]] = {}

    def invoice(self, number: str, total: Money, on: date) -> None:
        self._papers[number] = self._enter(number, str(total), on)

    def pay(self, number: str, amount: Money, on: date) -> None:
        piece = self._pay(self._papers[number], str(amount), on)
        self._pieces.setdefault(number, []).append(piece)

    def take_back(self, number: str) -> None:
        self._undo(self._pieces[number].pop())

    def void(self, number: str) -> None:
        while self._pieces.get(number):
            self.take_back(number)
        self._void(self._papers[number])


class Office(Protocol):
    """
    A billing system: what an office does in it, and what it sees.

    ``partial`` says whether a part payment is shown.
    """

    partial: bool
    connector: Connector

    def invoice(self, number: str, total: Money, on: date) -> None: ...
    def spoil(self, number: str) -> Shown:
        """Somebody changes what is shown as paid by hand; what is shown then."""
        ...

    def shows(self, number: str) -> Shown: ...
    def writes(self) -> int: ...
    def requests(self) -> int: ...
    def close(self) -> None: ...


# Ledgers ----------------------------------------------------------------------------------


def xero(clock: SetClock, secret: str) -> Books:
    fake = FakeXero(
        now=clock.now,
        calls_per_minute=None,
        calls_per_day=None,
        client_secret=secret,
        refresh_token=secret,
    )
    contact = fake.add_contact("A customer")

    def connect(url: str) -> Connector:
        return Xero(
            tenant_id=fake.tenant,
            client_id="client",
            client_secret=secret,
            refresh_token=secret,
            base_url=f"{url}/api.xro/2.0",
            identity_url=f"{url}/connect/token",
        )

    return Books(
        fake,
        connect,
        enter=lambda number, total, on: fake.add_invoice(number, contact, total, on=on),
        pay=fake.pay,
        take_back=fake.delete_payment,
        void=fake.void_invoice,
    )


def quickbooks(clock: SetClock, secret: str) -> Books:
    fake = FakeQuickBooks(now=clock.now, client_secret=secret, refresh_token=secret)
    customer = fake.add_customer("A customer")

    def connect(url: str) -> Connector:
        return QuickBooks(
            realm_id=fake.realm,
            client_id="client",
            client_secret=secret,
            refresh_token=secret,
            base_url=f"{url}/v3/company/{fake.realm}",
            token_url=f"{url}/oauth2/v1/tokens/bearer",
        )

    return Books(
        fake,
        connect,
        enter=lambda number, total, on: fake.add_invoice(
            number, customer, total, on=on
        ),
        pay=fake.pay,
        take_back=fake.delete_payment,
        void=fake.void_invoice,
    )


def intacct(clock: SetClock, secret: str) -> Books:
    fake = FakeIntacct(now=clock.now, user_password=secret, sender_password=secret)
    customer = fake.add_customer("A customer")

    def connect(url: str) -> Connector:
        return Intacct(
            company="acme",
            user="billing",
            password=secret,
            sender="sender",
            sender_password=secret,
            url=f"{url}/ia/xml/xmlgw.phtml",
        )

    return Books(
        fake,
        connect,
        enter=lambda number, total, on: fake.add_invoice(
            number, customer, Decimal(total), on=on
        ),
        pay=lambda paper, amount, on: fake.pay(paper, Decimal(amount), on),
        take_back=fake.void_payment,
        void=fake.void_invoice,
    )


def tryton(clock: SetClock, secret: str) -> Books:
    years = (2024, 2025, 2026)  # one test dates an invoice long ago
    fake = FakeTryton(now=clock.now, password=secret, years=years)
    customer = fake.add_customer("A customer")

    def connect(url: str) -> Connector:
        return Tryton(url=url, database="ledger", user="connector", password=secret)

    return Books(
        fake,
        connect,
        enter=lambda number, total, on: fake.add_invoice(
            number, customer, total, on=on
        ),
        pay=fake.pay,
        take_back=fake.void_payment,
        void=lambda paper: fake.void_invoice(paper, clock.now().date()),
    )


LEDGERS: Mapping[str, Callable[[SetClock, str], Books]] = {
    "Intacct": intacct,
    "QuickBooks": quickbooks,
    "Tryton": tryton,
    "Xero": xero,
}


# Billing ----------------------------------------------------------------------------------


class ConnectWiseOffice(Served):
    """ConnectWise Manage: the level is one payment of ours."""

    partial = True

    def __init__(self, clock: SetClock, secret: str, folder: Path) -> None:
        self.fake = FakeConnectWise(now=clock.now, private_key=secret)
        self._company = self.fake.add_company("A customer")
        self._bills: dict[str, int] = {}

        def connect(url: str) -> Connector:
            return ConnectWise(
                company="acme",
                public_key="public",
                private_key=secret,
                client_id=CLIENT,
                partial_payment_date=False,
                base_url=f"{url}/v2025_1/apis/3.0",
            )

        super().__init__(self.fake, connect)

    def invoice(self, number: str, total: Money, on: date) -> None:
        bill = self.fake.add_invoice(number, self._company, total, on=on)
        self._bills[number] = bill

    def spoil(self, number: str) -> Shown:
        ours = self.fake.payments(self._bills[number])
        self.fake.edit_payment(ours[0]["id"], amount=Decimal(7))
        return self.shows(number)

    def shows(self, number: str) -> Shown:
        return self.fake.paid(self._bills[number])


class AutotaskOffice(Served):
    """Autotask: nothing but the day of full payment is held."""

    partial = False

    def __init__(self, clock: SetClock, secret: str, folder: Path) -> None:
        self.fake = FakeAutotask(now=clock.now, secret=secret, integration_code=secret)
        self._company = self.fake.add_customer("A customer")
        self._bills: dict[str, int] = {}

        def connect(url: str) -> Connector:
            return Autotask(
                company="acme",
                user="api@example.com",
                secret=secret,
                integration_code=secret,
                currency="USD",
                base_url=f"{url}/atservicesrest/",
            )

        super().__init__(self.fake, connect)

    def invoice(self, number: str, total: Money, on: date) -> None:
        bill = self.fake.add_invoice(number, self._company, total, on=on)
        self._bills[number] = bill

    def spoil(self, number: str) -> Shown:
        self.fake.edit_invoice(self._bills[number], paidDate="2001-01-01T00:00:00Z")
        return self.shows(number)

    def shows(self, number: str) -> Shown:
        return self.fake.paid(self._bills[number])


class InvoicedOffice(Served):
    """Invoiced: the paid amount cannot be written; the level is one payment of ours."""

    partial = True

    def __init__(self, clock: SetClock, secret: str, folder: Path) -> None:
        self.fake = FakeInvoiced(now=clock.now, api_key=secret)
        self._customer = self.fake.add_customer("A customer")
        self._bills: dict[str, int] = {}

        def connect(url: str) -> Connector:
            return Invoiced(company="acme", api_key=secret, base_url=url, limits=())

        super().__init__(self.fake, connect)

    def invoice(self, number: str, total: Money, on: date) -> None:
        bill = self.fake.add_invoice(number, self._customer, str(total), on=on)
        self._bills[number] = bill

    def spoil(self, number: str) -> Shown:
        (ours,) = [each for each in self.fake.payments() if not each["voided"]]
        applied = [{"type": "invoice", "invoice": self._bills[number], "amount": 7}]
        self.fake.edit_payment(ours["id"], amount=7, applied_to=applied)
        return self.shows(number)

    def shows(self, number: str) -> Shown:
        paid, on = self.fake.paid(self._bills[number])
        owed = self.fake.invoice(self._bills[number])["balance"]
        return paid, None if owed else on


SCHEMA = """
CREATE TABLE invoices (
    id INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE, total TEXT NOT NULL,
    invoice_date TEXT, paid_amount TEXT NOT NULL DEFAULT '0.00', date_paid TEXT
)
"""


class TableOffice:
    """The host's own app: a table in a database file."""

    partial = True

    def __init__(self, clock: SetClock, secret: str, folder: Path) -> None:
        self._path = folder / "shop.sqlite"
        with closing(sqlite3.connect(self._path)) as shop:
            shop.execute(SCHEMA)
        self._opened = 0
        self._written = 0
        self.connector: Connector = tieout.Table(
            connect=self._connect,
            table="invoices",
            currency="USD",
            columns=tieout.Columns(
                id="id",
                number="number",
                total="total",
                on="invoice_date",
                paid_amount="paid_amount",
                date_paid="date_paid",
            ),
            integer_ids=True,
            connection="app:shop",
        )

    def _connect(self) -> sqlite3.Connection:
        self._opened += 1
        return sqlite3.connect(self._path)

    def _run(self, sql: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self._path)) as shop:
            rows = shop.execute(sql, values).fetchall()
            shop.commit()
            return rows

    def invoice(self, number: str, total: Money, on: date) -> None:
        self._run(
            "INSERT INTO invoices (number, total, invoice_date) VALUES (?, ?, ?)",
            number,
            f"{Decimal(total):.2f}",
            on.isoformat(),
        )
        self._seen = self._state()

    def spoil(self, number: str) -> Shown:
        self._run("UPDATE invoices SET paid_amount='7.00' WHERE number=?", number)
        return self.shows(number)

    def shows(self, number: str) -> Shown:
        sql = "SELECT paid_amount, date_paid FROM invoices WHERE number=?"
        ((amount, day),) = self._run(sql, number)
        return Decimal(amount), date.fromisoformat(day) if day else None

    def _state(self) -> list[Any]:
        return self._run("SELECT id, paid_amount, date_paid FROM invoices ORDER BY id")

    def writes(self) -> int:
        """How often the payment columns were seen to change."""
        state = self._state()
        self._written += state != self._seen
        self._seen = state
        return self._written

    def requests(self) -> int:
        return self._opened

    def close(self) -> None:
        """Nothing stays open."""


OFFICES: Mapping[str, Callable[[SetClock, str, Path], Office]] = {
    "Autotask": AutotaskOffice,
    "ConnectWise": ConnectWiseOffice,
    "Invoiced": InvoicedOffice,
    "a table": TableOffice,
}
