"""
A shop and its ledger in memory, and whoever sits between them and posts by hand.

What stands on either side is put there by a test, without an engine. Nothing here checks
anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve

import tieout
from tieout.capabilities import Changed, Everything, Kind, Open, Select, Verb
from tieout.change import Change, Issue
from tieout.models import (
    Application,
    Customer,
    Invoice,
    Part,
    Payment,
    R,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.protocol import Page
from tieout.report import Report
from tieout.settings import Direction, Settings
from tieout.store import Batch, Store
from tieout.stores.memory import MemoryStore
from tieout.testing.year.books import Books
from tieout.testing.year.connector import KINDS, BooksConnector
from tieout.wire import Flow
from worlds import NOON, SetClock

TODAY = NOON.date()
DAY = date(2026, 3, 10)
"""On which invoices are dated that name no other day."""
HOUR = timedelta(hours=1)

LEVELS = Kind(
    frozenset({Verb.READ, Verb.UPDATE}), frozenset({Changed, Everything, Open})
)
SHOP: Mapping[RecordType, Kind] = {**KINDS, Settlement: evolve(LEVELS, page_size=3)}
"""What the billing side can do: it shows what was paid."""

RULES = Settings(
    directions={Customer: Direction.TO_LEDGER, Invoice: Direction.TO_LEDGER}
)

Between = Callable[["Watched", RecordType, Select, str | None], None]


class Watched(BooksConnector):
    """Books whose reads are seen, and at which something can happen."""

    def __init__(self, books: Books, **more: Any) -> None:
        super().__init__(books, **more)
        self.pages: list[tuple[RecordType, str | None]] = []
        self.between: Between | None = None
        self.garbled: tuple[Issue, ...] = ()
        """The issues of what cannot be read, in each first page of invoices."""

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        self.pages.append((kind, cursor))
        if self.between is not None:
            self.between(self, kind, select, cursor)
        page = yield from super().page(kind, select, cursor)
        first = kind is Invoice and cursor is None
        return evolve(page, issues=self.garbled) if first else page


class Desk:
    """A shop with one customer, an empty ledger, and an engine whenever one is wanted."""

    def __init__(
        self,
        *,
        store: Store | None = None,
        settings: Settings = RULES,
        auto_pay: tieout.AutoPay | None = None,
        shop: Mapping[RecordType, Kind] = SHOP,
        book: Mapping[RecordType, Kind] = KINDS,
    ) -> None:
        self.clock = SetClock()
        self.shop = Books("shop:1", self.clock.now)
        self.book = Books("book:1", self.clock.now)
        self.billing = Watched(self.shop, kinds=shop)
        self.ledger = Watched(self.book, kinds=book)
        self.store: Store = store or MemoryStore()
        self.settings = settings
        self.auto_pay = auto_pay
        self.owner: Customer = self.shop.put(
            Customer(self.shop.ref(Customer), "Acme", "C1")
        )

    def engine(self, store: Store | None = None) -> tieout.Engine:
        """An engine of a process of its own."""
        return tieout.Engine(
            billing=self.billing,
            ledger=self.ledger,
            settings=self.settings,
            store=store or self.store,
            clock=self.clock,
            profile="ada",
            auto_pay=self.auto_pay,
        )

    def invoice(
        self,
        number: str,
        total: int = 100,
        on: date = DAY,
        *,
        own: str = "",
        status: Status = Status.OPEN,
        **custom: str,
    ) -> Invoice:
        """An invoice of the shop."""
        ref = self.shop.ref(Invoice, own)
        made = Invoice(ref, number, self.owner.ref, "EUR", on, Decimal(total), status)
        kept: Invoice = self.shop.put(evolve(made, custom=custom))
        return kept

    def edit(self, number: str, **values: Any) -> None:
        """Somebody changes an invoice in the shop."""
        self.shop.put(evolve(self._of(self.shop, number), **values))

    def pay(self, number: str, amount: int, on: date = TODAY) -> None:
        """A payment arrives in the ledger."""
        invoice, ref = self._of(self.book, number), self.book.ref(Payment)
        money, own = Decimal(amount), self.book.ref(Application)
        part = Application(own, ref, invoice.ref, money, "EUR", on, Part.CASH)
        paid = Payment(ref, invoice.customer, "EUR", on, money, Status.OPEN)
        self.book.pay(evolve(paid, applications=(part,)))

    def post(self, *only: str | Ref, through: date = TODAY, **more: Any) -> Report:
        """Post what is chosen; all, where nothing is."""
        return self.engine().sync_invoices(through=through, only=only or None, **more)

    def unsynced(self, through: date = TODAY) -> list[str]:
        """The numbers of what was not handed over."""
        return [each.number for each in self.engine().unsynced(through).invoices]

    def batches(self) -> list[Batch]:
        """The batches, as the next process sees them."""
        return list(self.engine().batches())

    def batch(self, report: Report) -> Batch:
        """The batch of a run."""
        return next(each for each in self.batches() if each.id == report.batch)

    @property
    def posted(self) -> set[str]:
        """The numbers of what the shop calls handed over."""
        held = self.shop.of(Invoice)
        return {held[own].number for own in self.shop.posted}

    @property
    def booked(self) -> list[tuple[str, int]]:
        """The ledger's live invoices: number and total of each."""
        return sorted(
            (each.number, whole(each.total))
            for each in self.book.of(Invoice).values()
            if each.status is not Status.VOID
        )

    def shown(self, number: str) -> tuple[int, date | None]:
        """What the shop shows as paid of an invoice, and since when."""
        level = self.shop.level(self._of(self.shop, number))
        return whole(level.paid), level.paid_on

    def _of(self, books: Books, number: str) -> Invoice:
        held: Iterable[Invoice] = books.of(Invoice).values()
        return next(each for each in held if each.number == number)


def whole(amount: Decimal) -> int:
    """An amount without decimals: there are no others here."""
    assert amount == int(amount)
    return int(amount)


def numbers(batch: Batch) -> list[str]:
    """The numbers of the invoices of a batch."""
    return sorted(member.number for member in batch.members)


def to(kind: RecordType, fate: str, *marks: str) -> Callable[[Change], str]:
    """A fate of all writes of a kind, or of those of these numbers."""

    def decide(change: Change) -> str:
        meant = change.kind is kind and (not marks or change.number in marks)
        return fate if meant else ""

    return decide


def of(kinds: Iterable[RecordType], **values: Any) -> Mapping[RecordType, Kind]:
    """What the shop can do, but for these values of these kinds."""
    wanted = set(kinds)
    return {k: evolve(v, **values) if k in wanted else v for k, v in SHOP.items()}
