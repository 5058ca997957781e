"""Pairs of systems with one set of verbs: what a bookkeeper and an office do on each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from halves import CLIENT, LEDGERS, OFFICES, Shown

import tieout
from tieout.connectors.connectwise import ConnectWise
from tieout.connectors.xero import Xero
from tieout.testing.fakes.connectwise import FakeConnectWise
from tieout.testing.fakes.xero import FakeXero
from worlds import NOON, TODAY, Money, SetClock, World

CANARY = "canary-7f3a9c"
"""Stands in every secret: it must never be seen again."""


class Stage(Protocol):
    """Invoices go by number. ``free``: reading billing costs nothing."""

    clock: SetClock
    store: tieout.Store
    pair: str

    @property
    def free(self) -> bool: ...

    def invoice(
        self, number: str, total: Money, *, on: date = TODAY, exported: bool = True
    ) -> None: ...
    def pay(self, number: str, amount: Money, on: date = TODAY) -> None: ...
    def take_back(self, number: str) -> None: ...
    def void(self, number: str) -> None: ...
    def spoil(self, number: str) -> Shown:
        """Somebody changes what billing shows as paid by hand; what it shows then."""
        ...

    def shows(self, number: str) -> Shown: ...
    def holds(self, amount: Money, on: date | None) -> Shown:
        """What billing shows of a level of the ledger."""
        ...

    def ledger_writes(self) -> int: ...
    def billing_writes(self) -> int: ...
    def calls(self) -> int: ...
    def engine(self, **arguments: Any) -> tieout.Engine: ...
    def close(self) -> None: ...


class Simulated:
    """The two systems in memory."""

    free = False

    def __init__(self, now: datetime = NOON, **options: Any) -> None:
        self.world = World(now=now, **options)
        self.clock = self.world.clock
        self.store = self.world.store
        self.pair = self.engine().pair
        self._papers: dict[str, str] = {}
        self._bills: dict[str, str] = {}
        self._pieces: dict[str, list[str]] = {}

    def invoice(
        self, number: str, total: Money, *, on: date = TODAY, exported: bool = True
    ) -> None:
        self._papers[number] = self.world.ledger.add(number, total, on=on)
        if exported:
            self._bills[number] = self.world.billing.add(number, total)

    def pay(self, number: str, amount: Money, on: date = TODAY) -> None:
        piece = self.world.ledger.apply(self._papers[number], amount, on)
        self._pieces.setdefault(number, []).append(piece)

    def take_back(self, number: str) -> None:
        self.world.ledger.undo(self._pieces[number].pop())

    def void(self, number: str) -> None:
        while self._pieces.get(number):
            self.take_back(number)
        self.world.ledger.void(self._papers[number])

    def spoil(self, number: str) -> Shown:
        bill = self._bills[number]
        self.world.billing.edit(bill, paid=Decimal(7), paid_on=None)
        return self.shows(number)

    def holds(self, amount: Money, on: date | None) -> Shown:
        return Decimal(amount), on

    def close(self) -> None:
        """Nothing stays open."""

    def shows(self, number: str) -> Shown:
        return self.world.billing.shows(self._bills[number])

    def ledger_writes(self) -> int:
        return len(self.world.calls.of("book:ledger write"))

    def billing_writes(self) -> int:
        return self.world.billing.writes

    def calls(self) -> int:
        return len(self.world.calls.made)

    def engine(self, **arguments: Any) -> tieout.Engine:
        return self.world.engine(**arguments)


class Vendors:
    """Xero as the ledger, ConnectWise Manage as billing, both as doubles of their servers."""

    free = False

    def __init__(self, now: datetime = NOON) -> None:
        self.clock = SetClock(now)
        self.store: tieout.Store = tieout.MemoryStore()
        self.xero = FakeXero(
            now=self.clock.now,
            calls_per_minute=None,
            calls_per_day=None,
            client_secret=CANARY,
            refresh_token=CANARY,
        )
        self.connectwise = FakeConnectWise(now=self.clock.now, private_key=CANARY)
        self._contact = self.xero.add_contact("A customer")
        self._company = self.connectwise.add_company("A customer")
        self._papers: dict[str, str] = {}
        self._bills: dict[str, int] = {}
        self._pieces: dict[str, list[str]] = {}
        self.pair = self.engine().pair

    def invoice(
        self, number: str, total: Money, *, on: date = TODAY, exported: bool = True
    ) -> None:
        self._papers[number] = self.xero.add_invoice(
            number, self._contact, str(total), on=on
        )
        if exported:
            self._bills[number] = self.connectwise.add_invoice(
                number, self._company, total, on=on
            )

    def pay(self, number: str, amount: Money, on: date = TODAY) -> None:
        paid = self.xero.pay(self._papers[number], str(amount), on)
        self._pieces.setdefault(number, []).append(paid)

    def take_back(self, number: str) -> None:
        self.xero.delete_payment(self._pieces[number].pop())

    def void(self, number: str) -> None:
        while self._pieces.get(number):
            self.take_back(number)
        self.xero.void_invoice(self._papers[number])

    def spoil(self, number: str) -> Shown:
        ours = self.connectwise.payments(self._bills[number])
        self.connectwise.edit_payment(ours[0]["id"], amount=Decimal(7))
        return self.shows(number)

    def holds(self, amount: Money, on: date | None) -> Shown:
        return Decimal(amount), on

    def close(self) -> None:
        """Nothing stays open."""

    def shows(self, number: str) -> Shown:
        return self.connectwise.paid(self._bills[number])

    def ledger_writes(self) -> int:
        return self.xero.writes

    def billing_writes(self) -> int:
        return self.connectwise.writes

    def calls(self) -> int:
        return self.xero.requests + self.connectwise.requests

    def connectors(self) -> tuple[ConnectWise, Xero]:
        """Both connectors."""
        billing = ConnectWise(
            company="acme",
            public_key="public",
            private_key=CANARY,
            client_id=CLIENT,
            partial_payment_date=False,
        )
        ledger = Xero(
            tenant_id=self.xero.tenant,
            client_id="client",
            client_secret=CANARY,
            refresh_token=CANARY,
        )
        return billing, ledger

    def engine(self, **arguments: Any) -> tieout.Engine:
        billing, ledger = self.connectors()
        given: dict[str, Any] = {
            "store": self.store,
            "clock": self.clock,
            "transport": {
                billing.connection: self.connectwise,
                ledger.connection: self.xero,
            },
            **arguments,
        }
        return tieout.Engine(billing=billing, ledger=ledger, **given)


class Joined:
    """Any ledger and any billing system, over HTTP on the loopback interface."""

    def __init__(self, ledger: str, office: str, now: datetime = NOON) -> None:
        self.clock = SetClock(now)
        self.store: tieout.Store = tieout.MemoryStore()
        self._folder = TemporaryDirectory()
        self._ledger = LEDGERS[ledger](self.clock, CANARY)
        self._office = OFFICES[office](self.clock, CANARY, Path(self._folder.name))
        self._http = tieout.HTTPTransport()
        self.free = self._office.connector.capabilities.free_reads
        self.pair = self.engine().pair

    def invoice(
        self, number: str, total: Money, *, on: date = TODAY, exported: bool = True
    ) -> None:
        self._ledger.invoice(number, total, on)
        if exported:
            self._office.invoice(number, total, on)

    def pay(self, number: str, amount: Money, on: date = TODAY) -> None:
        self._ledger.pay(number, amount, on)

    def take_back(self, number: str) -> None:
        self._ledger.take_back(number)

    def void(self, number: str) -> None:
        self._ledger.void(number)

    def spoil(self, number: str) -> Shown:
        return self._office.spoil(number)

    def shows(self, number: str) -> Shown:
        return self._office.shows(number)

    def holds(self, amount: Money, on: date | None) -> Shown:
        """What billing shows of a level: one that holds no part shows full payment alone."""
        whole = self._office.partial or on is not None
        return (Decimal(amount) if whole else Decimal(0)), on

    def ledger_writes(self) -> int:
        return self._ledger.writes()

    def billing_writes(self) -> int:
        return self._office.writes()

    def calls(self) -> int:
        return self._ledger.requests() + self._office.requests()

    def engine(self, **arguments: Any) -> tieout.Engine:
        given: dict[str, Any] = {
            "store": self.store,
            "clock": self.clock,
            "transport": self._http,
            **arguments,
        }
        billing, ledger = self._office.connector, self._ledger.connector
        return tieout.Engine(billing=billing, ledger=ledger, **given)

    def close(self) -> None:
        """Stop serving."""
        self._http.close()
        self._ledger.close()
        self._office.close()
        self._folder.cleanup()


class Owned(Simulated):
    """Billing that keeps one payment record of ours on each invoice."""

    def __init__(self, now: datetime = NOON) -> None:
        super().__init__(now, billing={"owned": True})

    def spoil(self, number: str) -> Shown:
        bill = self.world.billing.bills[self._bills[number]]
        for receipt in list(bill.receipts):
            bill.receipts[receipt] = type(bill.receipts[receipt])(Decimal(7), TODAY)
        return self.shows(number)


PAIRS: Mapping[str, Callable[[], Stage]] = {
    "simulated": Simulated,
    "owned payments": Owned,
    "Xero to ConnectWise": Vendors,
    **{
        f"{ledger} to {office} over HTTP": partial(Joined, ledger, office)
        for ledger in LEDGERS
        for office in OFFICES
    },
}
