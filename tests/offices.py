"""
Two offices that keep books of the same business, and the engine between them.

`Offices` has both in memory; `Vendors` has doubles of Invoiced and Sage Intacct. Each engine
is a process of its own that knows what the store holds. Nothing here checks anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from attrs import define, evolve, field

import tieout
from tieout.connectors.intacct import Intacct
from tieout.connectors.invoiced import Invoiced
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Link,
    Payment,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.report import Report
from tieout.settings import Direction, Fees, Settings
from tieout.store import IssueRow
from tieout.testing.fakes.intacct import FakeIntacct
from tieout.testing.fakes.invoiced import FakeInvoiced
from tieout.testing.year.books import Books
from tieout.testing.year.connector import BooksConnector
from worlds import SetClock, Unplugged

OFF, IN, OUT, BOTH = (
    Direction.OFF,
    Direction.TO_BILLING,
    Direction.TO_LEDGER,
    Direction.BOTH,
)
EVERY_WAY: Mapping[RecordType, Direction] = {
    Settlement: OFF,
    Customer: BOTH,
    Invoice: OUT,
    CreditNote: OUT,
    Payment: BOTH,
}
"""Documents two ways, as between Invoiced and Sage Intacct."""
LEVELS: Mapping[RecordType, Direction] = {}
"""The payment sync alone: levels from the ledger to billing."""
NOTHING: Mapping[RecordType, Direction] = {Settlement: OFF}
"""No flow is switched on."""

SINCE = date(2026, 3, 1)
"""Before everything that happens here."""
DAY = date(2026, 3, 10)
"""On which documents are dated that name no other day."""
HOUR = timedelta(hours=1)


@define
class Offices:
    """A shop that bills and its books, both in memory."""

    rules: dict[str, Any] = field(factory=lambda: {"directions": EVERY_WAY})
    clock: SetClock = field(factory=SetClock)
    store: tieout.Store = field(factory=tieout.MemoryStore)
    shop: Books = field(init=False)
    book: Books = field(init=False)
    billing: BooksConnector = field(init=False)
    ledger: BooksConnector = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.shop = Books("shop:1", self.clock.now)
        self.book = Books("book:1", self.clock.now)
        self.billing = BooksConnector(self.shop)
        self.ledger = BooksConnector(self.book)

    def engine(self, **more: Any) -> tieout.Engine:
        """A process of its own: it knows what the store holds."""
        given: dict[str, Any] = {
            "store": self.store,
            "settings": Settings(**self.rules),
            "clock": self.clock,
            "transport": Unplugged(),
            **more,
        }
        return tieout.Engine(billing=self.billing, ledger=self.ledger, **given)

    def sync(self, **more: Any) -> tuple[Report, ...]:
        """All that is switched on; then an hour passes."""
        found = self.engine().sync_now(SINCE, **more)
        self.clock.advance(HOUR)
        return found

    def issues(self, **more: Any) -> list[IssueRow]:
        """What is open."""
        return list(self.engine().issues(**more))

    # What people do

    def customer(self, number: str = "C1", name: str = "Acme") -> Customer:
        """A new customer of the shop."""
        made: Customer = self.shop.put(Customer(self.shop.ref(Customer), name, number))
        return made

    def invoice(
        self, number: str, owner: Customer, total: int = 100, **more: Any
    ) -> Invoice:
        """A new invoice of the shop."""
        ref = self.shop.ref(Invoice)
        given = Invoice(ref, number, owner.ref, "EUR", DAY, Decimal(total), Status.OPEN)
        lines = (Line("work", Decimal(total)),)
        made: Invoice = self.shop.put(evolve(given, lines=lines, **more))
        return made

    def pay(self, owner: Customer, number: str = "", **parts: int) -> Payment:
        """Money that comes in at the shop, put to its invoices by their ids."""
        ref = self.shop.ref(Payment)
        puts = tuple(
            Application(
                self.shop.ref(Application),
                ref,
                Ref("shop:1", "Invoice", own),
                Decimal(amount),
                "EUR",
                DAY,
            )
            for own, amount in parts.items()
        )
        amount = Decimal(sum(parts.values()))
        given = Payment(ref, owner.ref, "EUR", DAY, amount, Status.OPEN, number)
        return self.shop.pay(evolve(given, applications=puts))

    def entered(self, number: str, total: int = 100, name: str = "Acme") -> Invoice:
        """A new invoice in the books, made there by hand."""
        ref = self.book.ref(Customer)
        owner = self.book.put(Customer(ref, name, f"of {number}"))
        given = Invoice(
            self.book.ref(Invoice),
            number,
            owner.ref,
            "EUR",
            DAY,
            Decimal(total),
            Status.OPEN,
        )
        made: Invoice = self.book.put(given)
        return made

    def touch(self, record: Any) -> Any:
        """Somebody saves a record of the shop once more: it has changed since."""
        return self.shop.put(evolve(record, reference=f"touched {self.clock.now()}"))


@define
class Vendors:
    """Invoiced, and a company in Sage Intacct: doubles of both, without a line between."""

    rules: dict[str, Any] = field(factory=dict)
    company: dict[str, Any] = field(factory=dict)
    """Arguments of the double of Intacct."""
    given: dict[str, Any] = field(factory=dict)
    """Arguments of Intacct's connector, besides the usual ones."""
    clock: SetClock = field(factory=SetClock)
    store: tieout.Store = field(factory=tieout.MemoryStore)
    invoiced: FakeInvoiced = field(init=False)
    intacct: FakeIntacct = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.rules = {
            "directions": EVERY_WAY,
            "fees": Fees(account="4900"),
            **self.rules,
        }
        self.invoiced = FakeInvoiced(now=self.clock.now)
        self.intacct = FakeIntacct(now=self.clock.now, **self.company)

    def engine(self, **more: Any) -> tieout.Engine:
        """A process of its own: it knows what the store holds."""
        billing = Invoiced(company="acme", api_key="key", currency="USD", limits=())
        usual: dict[str, Any] = {
            "company": "acme",
            "user": "billing",
            "password": "user-secret",
            "sender": "sender",
            "sender_password": "sender-secret",
            "base_currency": "USD",
            "account": "4000",
            "deposit_accounts": {"*/*": "BOA"},
            "payment_methods": {"other": "EFT"},
        }
        ledger = Intacct(**{**usual, **self.given})
        return tieout.Engine(
            billing=billing,
            ledger=ledger,
            settings=Settings(**self.rules),
            store=self.store,
            clock=self.clock,
            transport={
                billing.connection: self.invoiced,
                ledger.connection: self.intacct,
            },
            **more,
        )

    def sync(self, **more: Any) -> tuple[Report, ...]:
        """All that is switched on; then an hour passes."""
        found = self.engine().sync_now(SINCE, **more)
        self.clock.advance(HOUR)
        return found

    def papers(self, number: str) -> list[dict[str, Any]]:
        """The invoices of a number in Intacct."""
        found = self.intacct.invoices()
        return [each for each in found if each["RECORDID"] == number]


def links_of(store: tieout.Store) -> dict[str, Link]:
    """All links that a store in memory holds, by key."""
    assert isinstance(store, tieout.MemoryStore)
    return dict(store._facts["link"])
