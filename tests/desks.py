"""
Two books in memory, an engine between them, and people who enter what a test is about.

A test says what each side can do and what becomes of writes; nothing is drawn by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve

from tieout.change import Change, Issue
from tieout.engine import Engine
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.report import Report
from tieout.settings import Direction, Settings
from tieout.store import Held, Intent, IssueRow
from tieout.stores.memory import MemoryStore
from tieout.testing.year.books import Books
from tieout.testing.year.connector import KINDS, LEVELS, BooksConnector
from tieout.windows import Since

DAY = date(2026, 3, 1)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
BOTH, OUT, IN, OFF = (
    Direction.BOTH,
    Direction.TO_LEDGER,
    Direction.TO_BILLING,
    Direction.OFF,
)


class DeskClock:
    """Time that passes when a test lets it."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - NOON).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.pass_by(timedelta(seconds=seconds))

    def pass_by(self, by: timedelta) -> None:
        """Let time pass."""
        self.at += by


class Desks:
    """A shop and a book, each with its people, and one engine on one store."""

    def __init__(self, *, shop_levels: bool = False, **rules: Any) -> None:
        self.clock = DeskClock()
        self.shop = Books("shop:1", self.clock.now, levels=shop_levels)
        self.book = Books("book:1", self.clock.now)
        self.store = MemoryStore()
        self.late: list[Callable[[], object]] = []
        """Writes that come too late: they land before the next run."""
        kinds = LEVELS if shop_levels else KINDS
        self.billing = BooksConnector(self.shop, kinds, fate=self._fate)
        self.ledger = BooksConnector(self.book, fate=self._fate)
        for connector in (self.billing, self.ledger):
            connector.later = self.late.append
        self.fates: list[str] = []
        """What becomes of the next writes; all after them are done."""
        directions: dict[RecordType, Direction] = {
            Customer: BOTH,
            Invoice: BOTH,
            CreditNote: BOTH,
            Payment: OFF if shop_levels else BOTH,
            Settlement: IN if shop_levels else OFF,
        }
        directions.update(rules.pop("directions", {}))
        self.settings = Settings(directions, **{"updates": "update", **rules})
        self.engine = self.restarted()

    def _fate(self, change: Change) -> str:
        return self.fates.pop(0) if self.fates else ""

    def restarted(self) -> Engine:
        """Another engine on the same store, which goes on from here."""
        self.engine = Engine(
            billing=self.billing,
            ledger=self.ledger,
            store=self.store,
            settings=self.settings,
            clock=self.clock,
        )
        return self.engine

    # Runs -------------------------------------------------------------------------------

    def sync(self, since: Any = DAY, **more: Any) -> list[Report]:
        """All kinds that go some way, in their order, an hour after what was before."""
        self.clock.pass_by(timedelta(hours=1))
        while self.late:
            self.late.pop()()
        engine, on = self.engine, self.settings.direction
        verbs = [
            (Customer, engine.sync_customers),
            (Invoice, engine.sync_invoices),
            (CreditNote, engine.sync_credit_notes),
        ]
        found = [verb(since, **more) for kind, verb in verbs if on(kind) is not OFF]
        return [*found, engine.sync_payments(since, **more)]

    def changed(self) -> list[Report]:
        """What changed since the last run, of all kinds."""
        return self.sync(Since.LAST_RUN)

    def issues(self, *held: Held) -> dict[str, Issue]:
        """What is open, or held in another way, by the id of its record."""
        rows = self.store._facts["issue"].values()
        wanted = held or (Held.OPEN,)
        return {
            row.issue.source.id: row.issue
            for row in rows
            if isinstance(row, IssueRow) and row.issue.source and row.held in wanted
        }

    def intents(self) -> Iterator[Intent]:
        """All writes that were ever begun."""
        yield from self.store._facts["intent"].values()

    @property
    def writes(self) -> int:
        """How often something was written, on both sides."""
        return self.shop.writes + self.book.writes

    # People -----------------------------------------------------------------------------

    def customer(self, number: str = "C1", name: str = "Ada") -> Ref:
        """A customer whom both sides know."""
        for books in (self.book, self.shop):
            made = books.put(Customer(books.ref(Customer), name, number))
        return Ref(made.ref.connection, made.ref.kind, made.ref.id)

    def bill(
        self, number: str, total: int = 100, books: Books | None = None, **more: Any
    ) -> Ref:
        """An invoice of the first customer, by default in the shop."""
        return self._enter(Invoice, number, total, books or self.shop, **more)

    def credit(self, number: str, total: int = 50, books: Books | None = None) -> Ref:
        """A credit note of the first customer, by default in the shop."""
        return self._enter(CreditNote, number, total, books or self.shop)

    def _enter(
        self, kind: RecordType, number: str, total: int, books: Books, **more: Any
    ) -> Ref:
        owner = next(iter(books.of(Customer).values())).ref
        ref, amount = books.ref(kind), Decimal(total)
        line = (Line("work", amount),)
        record = kind(
            ref, number, owner, "EUR", DAY, amount, Status.OPEN, lines=line, **more
        )
        books.put(record)
        return ref

    def pay(
        self, amount: int, *puts: tuple[Ref, int], fee: int = 0, books: Any = None
    ) -> Ref:
        """A payment of the first customer, by default in the shop."""
        books = books or self.shop
        owner = next(iter(books.of(Customer).values())).ref
        ref = books.ref(Payment)
        applied = [self._put(ref, to, part) for to, part in puts]
        if fee:
            applied.append(evolve(self._put(ref, ref, fee), how=Part.OTHER))
        payment = Payment(ref, owner, "EUR", DAY, Decimal(amount), Status.OPEN)
        books.pay(evolve(payment, applications=tuple(applied)))
        return ref  # type: ignore[no-any-return]

    def apply(self, source: Ref, to: Ref, amount: int, **custom: str) -> Ref:
        """What is left of a credit note is applied to an invoice."""
        books = self.shop if source.connection == "shop:1" else self.book
        own = books.ref(Application)
        put = self._put(source, to, amount)
        books.apply(evolve(put, ref=own, how=Part.CREDIT, custom=custom))
        return own

    def _put(self, source: Ref, to: Ref, amount: int) -> Application:
        return Application(source, source, to, Decimal(amount), "EUR", DAY)

    # What they see ----------------------------------------------------------------------

    def live(self, books: Books, kind: RecordType) -> list[Any]:
        """The records of a kind that are not void, as they are shown."""
        found = [books.shown(each) for each in books.of(kind).values()]
        if kind is Application:
            return [each for each in found if each.live]
        return [e for e in found if getattr(e, "status", None) is not Status.VOID]

    def owed(self) -> tuple[list[str], list[str]]:
        """What is owed on the invoices of both sides, by number."""
        shop, book = (
            [
                f"{each.number} {books.owed(each)}"
                for each in sorted(
                    self.live(books, Invoice), key=lambda each: str(each.number)
                )
            ]
            for books in (self.shop, self.book)
        )
        return shop, book
