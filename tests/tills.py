"""
A shop and its ledger with a cashier at each, and the engine that carries between them.

What the cashiers do goes through the rules of `Books`; what is true of both sides is added
up here by invoice number, and shares no code with the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from attrs import evolve

import tieout
from tieout.capabilities import Kind, Updates, Verb
from tieout.change import Issue
from tieout.errors import Code
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
from tieout.settings import Direction, Fees, Settings
from tieout.store import Store
from tieout.stores.memory import MemoryStore
from tieout.testing.conformance import SetClock
from tieout.testing.year.books import Books
from tieout.testing.year.connector import KINDS, BooksConnector, Fates, done

ZERO = Decimal(0)
DAY = date(2026, 3, 1)
LATER = timedelta(hours=1)
"""Longer than a lease, and than any write may still be under way."""

SHOP, BOOK = "shop:1", "book:1"
TO_LEDGER, BOTH = Direction.TO_LEDGER, Direction.BOTH
OUTWARD: Mapping[RecordType, Direction] = {
    Customer: TO_LEDGER,
    Invoice: TO_LEDGER,
    CreditNote: TO_LEDGER,
    Payment: TO_LEDGER,
    Settlement: Direction.OFF,
}

Money: TypeAlias = Decimal | int | str
Credited: TypeAlias = tuple[CreditNote, Invoice, Money]
"""So much of a credit note is applied to an invoice."""

CHANGING = evolve(
    KINDS[Payment],
    verbs=frozenset(Verb),
    writable=frozenset({"amount", "on", "customer"}),
    updates=Updates.SPARSE,
)
"""What can be done with payments where they can be changed."""

UNMARKED = evolve(KINDS[Application], mark=None)
"""Applications as in most real systems: nothing can be written on them."""


def kinds(**others: Kind) -> Mapping[RecordType, Kind]:
    """What books can do, but for kinds by name."""
    names = {kind.__name__: kind for kind in KINDS}
    return {**KINDS, **{names[name]: able for name, able in others.items()}}


class Tills:
    """
    Two sets of books and an engine; ``ledger`` and ``billing`` are their abilities.

    The engine is made anew for each run, as after a restart; only the store stays.
    """

    def __init__(
        self,
        *,
        store: Store | None = None,
        clock: SetClock | None = None,
        billing: Mapping[RecordType, Kind] = KINDS,
        ledger: Mapping[RecordType, Kind] = KINDS,
        per: int | None = None,
        billing_per: int | None = None,
        fate: Fates = done,
        locked: date | None = None,
        directions: Mapping[RecordType, Direction] = OUTWARD,
        **rules: Any,
    ) -> None:
        self.clock = clock or SetClock()
        self.store = store or MemoryStore()
        self.shop = Books(SHOP, self.clock.now)
        self.book = Books(BOOK, self.clock.now)
        self.billing = BooksConnector(
            self.shop, billing, invoices_per_payment=billing_per
        )
        self.ledger = BooksConnector(
            self.book, ledger, fate, locked, invoices_per_payment=per
        )
        self.rules: dict[str, Any] = {"directions": directions, **rules}
        self.owner = self.customer(self.shop, "C1")
        self.reports: list[Report] = []
        self.told: list[str] = []
        """What was told of records in the last run, with those that it went well for."""

    # The shop -----------------------------------------------------------------------------

    def customer(self, books: Books, number: str) -> Customer:
        made: Customer = books.put(Customer(books.ref(Customer), number, number))
        return made

    def bill(
        self,
        number: str,
        total: Money,
        *,
        currency: str = "EUR",
        owner: Customer | None = None,
        books: Books | None = None,
        status: Status = Status.OPEN,
    ) -> Invoice:
        """An invoice, in the shop unless other books are named."""
        books, amount = books or self.shop, Decimal(total)
        made: Invoice = books.put(
            Invoice(
                books.ref(Invoice),
                number,
                (owner or self.owner).ref,
                currency,
                DAY,
                amount,
                status,
                lines=(Line("work", amount),),
            )
        )
        return made

    def credit(
        self,
        number: str,
        total: Money,
        *,
        currency: str = "EUR",
        owner: Ref | None = None,
    ) -> CreditNote:
        """A credit note in the shop."""
        made: CreditNote = self.shop.put(
            CreditNote(
                self.shop.ref(CreditNote),
                number,
                owner or self.owner.ref,
                currency,
                DAY,
                Decimal(total),
                Status.OPEN,
            )
        )
        return made

    def pay(
        self,
        amount: Money,
        puts: Sequence[tuple[Invoice, Money]] = (),
        *,
        credited: Iterable[Credited] = (),
        fee: Money = 0,
        ref: Ref | None = None,
        books: Books | None = None,
        **more: Any,
    ) -> Ref:
        """A payment with what it is put to; the one of ``ref``, as it is now."""
        books = books or self.shop
        ref = ref or books.ref(Payment)
        day = more.pop("on", DAY)
        currency = more.pop("currency", puts[0][0].currency if puts else "EUR")
        owner = more.pop("owner", self.owner).ref
        number = more.pop("number", f"P-{ref.id}")

        def put(target: Ref, money: Money, how: Part = Part.CASH) -> Application:
            own = Ref(books.connection, "Application", f"{ref.id}/{target.id}")
            return Application(own, ref, target, Decimal(money), currency, day, how)

        parts = [put(invoice.ref, money) for invoice, money in puts]
        if fee:
            parts.append(put(ref, fee, Part.OTHER))
        payment = Payment(
            ref,
            owner,
            currency,
            day,
            Decimal(amount),
            Status.OPEN,
            number,
            applications=tuple(parts),
            **more,
        )
        if payment.amount:
            books.pay(payment)
        else:
            books.of(Payment)[ref.id] = evolve(
                payment, applications=(), changed_at=self.clock.now()
            )
        for note, invoice, money in credited:
            self.apply(note, invoice, money, ref)
        return ref

    def apply(
        self,
        note: CreditNote,
        invoice: Invoice,
        amount: Money,
        payment: Ref | None = None,
    ) -> Application:
        """A credit is applied, perhaps together with a payment."""
        told = {"payment": payment.id} if payment else {}
        return self.shop.apply(
            Application(
                self.shop.ref(Application),
                note.ref,
                invoice.ref,
                Decimal(amount),
                invoice.currency,
                DAY,
                Part.CREDIT,
                custom=told,
            )
        )

    def take_back(self, payment: Ref) -> None:
        """A payment is void, and the credits that were applied with it are so no more."""
        for put in list(self.shop.of(Application).values()):
            if put.live and put.custom.get("payment") == payment.id:
                self.shop.unapply(put.ref)
        self.shop.void(payment, Payment)

    # Carrying -----------------------------------------------------------------------------

    def engine(self, store: Store | None = None) -> tieout.Engine:
        """A new engine on the same store, as after a restart."""
        return tieout.Engine(
            billing=self.billing,
            ledger=self.ledger,
            store=store or self.store,
            settings=Settings(**self.rules),
            clock=self.clock,
        )

    def sync(self, since: Any = DAY, store: Store | None = None) -> list[Report]:
        """All kinds, in the order in which they depend on each other."""
        engine = self.engine(store)
        self.told = []

        def tell(progress: Any) -> None:
            self.told.append(f"{progress.number}: {progress.what}: {progress.text}")

        verbs: list[tuple[RecordType, Callable[..., Report]]] = [
            (Customer, engine.sync_customers),
            (Invoice, engine.sync_invoices),
            (CreditNote, engine.sync_credit_notes),
            (Payment, engine.sync_payments),
        ]
        ways = self.rules["directions"]
        self.reports = [
            verb(since, on_progress=tell)
            for kind, verb in verbs
            if ways.get(kind, Direction.OFF) is not Direction.OFF
        ]
        return self.reports

    def go_on(self, since: Any = DAY) -> list[Report]:
        """Time passes, and all is carried once more."""
        self.clock.advance(LATER)
        return self.sync(since)

    def payments(self, since: Any = DAY) -> Report:
        """Payments alone."""
        self.clock.advance(LATER)
        return self.engine().sync_payments(since)

    @property
    def issues(self) -> list[Issue]:
        """What all runs of the last `sync` have to say."""
        return [each for report in self.reports for each in report.issues]

    def codes(self) -> list[Code]:
        """The codes of `issues`."""
        return [each.code for each in self.issues]

    # Both sides ---------------------------------------------------------------------------

    def live(self, kind: RecordType, books: Books | None = None) -> list[Any]:
        """The records of a kind that count, in the ledger unless other books are named."""
        books = books or self.book
        return [
            books.shown(each)
            for each in books.of(kind).values()
            if getattr(each, "status", None) is not Status.VOID
            and getattr(each, "live", True)
        ]

    def owed(self, books: Books) -> dict[str, Decimal]:
        """What is owed on each invoice that is owed or paid, fees left out."""
        return {
            each.number: books.owed(each)
            for each in books.of(Invoice).values()
            if each.status is not Status.VOID and not each.number.startswith("FEE-")
        }

    def received(self, books: Books) -> dict[str, Decimal]:
        """By currency, the money of all payments that count."""
        found: dict[str, Decimal] = {}
        for each in self.live(Payment, books):
            found[each.currency] = found.get(each.currency, ZERO) + each.amount
        return {currency: amount for currency, amount in found.items() if amount}

    def left(self, books: Books) -> dict[str, Decimal]:
        """By currency, what of payments and credits is applied to nothing."""
        found: dict[str, Decimal] = {}
        for each in (*self.live(Payment, books), *self.live(CreditNote, books)):
            found[each.currency] = found.get(each.currency, ZERO) + books.left(each)
        return {currency: rest for currency, rest in found.items() if rest}

    @property
    def equal(self) -> bool:
        """Whether both sides say the same of all money."""
        both = (self.shop, self.book)
        return all(
            one == other
            for one, other in (
                [self.owed(each) for each in both],
                [self.received(each) for each in both],
                [self.left(each) for each in both],
            )
        )

    def settled(self) -> bool:
        """Whether both sides are equal, and another two runs find nothing to write."""
        before = self.shop.writes, self.book.writes
        self.go_on()
        self.go_on(tieout.Since.LAST_RUN)
        return self.equal and before == (self.shop.writes, self.book.writes)


def fees(**more: Any) -> Fees:
    """Fees as invoices of their own."""
    return Fees(**{"account": "4200", **more})
