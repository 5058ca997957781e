"""
A shop and its books in memory, on one clock, and the engine that keeps them in agreement.

What stands on either side is put there by a test, without an engine. Nothing here checks
anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from attrs import evolve

import tieout
from tieout.capabilities import Select
from tieout.carrying import DOCUMENTS as DOCUMENT_VERBS
from tieout.change import Action, Change, Issue
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Link,
    Part,
    R,
    RecordType,
    Ref,
    Status,
)
from tieout.plan import Plan
from tieout.protocol import Page
from tieout.report import Report
from tieout.settings import Direction, Settings
from tieout.store import IssueRow, key_of, link_billing, link_key
from tieout.testing.year.books import Books
from tieout.testing.year.connector import BooksConnector
from tieout.wire import Flow
from worlds import NOON, SetClock

OUT, IN, BOTH, OFF = (
    Direction.TO_LEDGER,
    Direction.TO_BILLING,
    Direction.BOTH,
    Direction.OFF,
)
DOCUMENTS = (Customer, Invoice, CreditNote)
SINCE = date(2026, 3, 1)
"""Before everything that happens here."""
DAY = date(2026, 3, 10)
"""On which documents are dated that name no other day."""
HOUR = timedelta(hours=1)

Ways: TypeAlias = Mapping[RecordType, Direction]


def ways(direction: Direction, *kinds: RecordType) -> Ways:
    """That these kinds go one way; all three of them where none is named."""
    return dict.fromkeys(kinds or DOCUMENTS, direction)


class System(BooksConnector):
    """A system whose customers can be merged: who is gone is told with who stayed."""

    def merge(self, customer: Customer, into: Customer) -> None:
        """A bookkeeper makes one customer of two."""
        del self.books.of(Customer)[customer.ref.id]
        self.gone.append(evolve(customer.ref, aliases=(into.ref.id,)))

    @property
    def gone(self) -> list[Ref]:
        """The customers that are gone."""
        return self.books.of(Ref).setdefault("gone", [])  # type: ignore[no-any-return]

    def _marked(self, record: Any) -> Any:
        mark = self.kinds[type(record)].mark
        # A number that is the mark is what the document shows, and not what it was.
        return record if mark is None or mark.is_number else super()._marked(record)

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        page = yield from super().page(kind, select, cursor)
        return evolve(page, gone=tuple(self.gone)) if kind is Customer else page

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        page = yield from super().fetch(kind, ids=ids, numbers=numbers)
        gone = [each for each in self.gone if kind is Customer and each.id in ids]
        return evolve(page, gone=tuple(gone))


class Numbering(Books):
    """A system that gives each customer a number of its own."""

    def put(self, record: Any) -> Any:
        if isinstance(record, Customer) and not record.number:
            record = evolve(record, number=f"CUST-{record.ref.id}")
        return super().put(record)


class Computing(Books):
    """Books that work out the total of an invoice themselves: a cent more."""

    def put(self, record: Any) -> Any:
        made = super().put(record)
        if isinstance(made, Invoice):
            made = evolve(made, total=Decimal(record.total) + Decimal("0.01"))
            self.of(Invoice)[made.ref.id] = made
        return made


class Pair:
    """
    A shop that bills and the books that are its ledger.

    ``shop`` and ``book`` are arguments of their `Books`, ``billing`` and ``ledger`` of
    their connectors, ``bills`` and ``keeps`` other kinds of books; ``rules`` are settings.
    """

    def __init__(
        self,
        directions: Ways | None = None,
        *,
        shop: Mapping[str, Any] | None = None,
        book: Mapping[str, Any] | None = None,
        billing: Mapping[str, Any] | None = None,
        ledger: Mapping[str, Any] | None = None,
        bills: type[Books] = Books,
        keeps: type[Books] = Books,
        **rules: Any,
    ) -> None:
        self.clock = SetClock(NOON - HOUR)
        self.shop = bills("shop:1", self.clock.now, **(shop or {}))
        self.book = keeps("book:1", self.clock.now, **(book or {}))
        self.billing = System(self.shop, **(billing or {}))
        self.ledger = System(self.book, **(ledger or {}))
        self.store = tieout.MemoryStore()
        self.rules: dict[str, Any] = {
            "directions": ways(OUT) if directions is None else directions,
            **rules,
        }

    @property
    def engine(self) -> tieout.Engine:
        """An engine under the rules as they are now."""
        return tieout.Engine(
            billing=self.billing,
            ledger=self.ledger,
            store=self.store,
            settings=Settings(**self.rules),
            clock=self.clock,
        )

    @property
    def pair(self) -> str:
        return self.engine.pair

    # What people do -----------------------------------------------------------------------

    def customer(
        self,
        name: str = "Acme",
        number: str = "C1",
        *,
        on: Books | None = None,
        **more: Any,
    ) -> Customer:
        """A customer of the shop, or of the books that are named."""
        books = on or self.shop
        own = more.pop("id", "")
        made: Customer = books.put(
            Customer(books.ref(Customer, own), name, number, **more)
        )
        return made

    def invoice(
        self,
        number: str,
        total: str = "100",
        of: Customer | None = None,
        *,
        on: Books | None = None,
        **more: Any,
    ) -> Invoice:
        """An invoice of the shop, with one line where none is given."""
        made: Invoice = self._document(Invoice, number, total, of, on, more)
        return made

    def credit_note(
        self,
        number: str,
        total: str = "30",
        of: Customer | None = None,
        *,
        on: Books | None = None,
        **more: Any,
    ) -> CreditNote:
        """A credit note of the shop, with one line where none is given."""
        made: CreditNote = self._document(CreditNote, number, total, of, on, more)
        return made

    def _document(
        self,
        kind: RecordType,
        number: str,
        total: str,
        of: Customer | None,
        on: Books | None,
        more: dict[str, Any],
    ) -> Any:
        books, amount = on or self.shop, Decimal(total)
        values = {
            "lines": (Line("Work", amount),),
            "status": Status.OPEN,
            "on": DAY,
            "currency": "EUR",
            "customer": of.ref if of else None,
            **more,
        }
        return books.put(kind(books.ref(kind), number, total=amount, **values))

    def put(
        self, note: CreditNote, to: Invoice, amount: str, *, on: Books | None = None
    ) -> Application:
        """Apply a credit note to an invoice."""
        books = on or self.shop
        return books.apply(
            Application(
                books.ref(Application),
                note.ref,
                to.ref,
                Decimal(amount),
                "EUR",
                DAY,
                Part.CREDIT,
            )
        )

    def edit(self, record: Any, **values: Any) -> Any:
        """Somebody changes a record, an hour later."""
        self.clock.advance(HOUR)
        books = self.of(record.ref)
        return books.put(evolve(books.get(record.ref, type(record)), **values))

    def void(self, record: Any) -> None:
        """Somebody takes a record back, an hour later."""
        self.clock.advance(HOUR)
        self.of(record.ref).void(record.ref, type(record))

    def of(self, ref: Ref) -> Books:
        """The books that a record stands in."""
        return self.shop if ref.connection == self.shop.connection else self.book

    # What the engine does -----------------------------------------------------------------

    def sync(
        self,
        kind: RecordType,
        since: Any = SINCE,
        *,
        only: Iterable[str] = (),
        **more: Any,
    ) -> Report:
        """Carry a kind of records, an hour later."""
        self.clock.advance(HOUR)
        verb = getattr(self.engine, f"sync_{_VERBS[kind]}")
        report: Report = verb(None if only else since, only=only, **more)
        return report

    def sync_all(self, since: Any = SINCE, **more: Any) -> list[Report]:
        """Carry all that goes any way, what others depend on first."""
        going = self.rules["directions"]
        return [self.sync(kind, since, **more) for kind in DOCUMENTS if kind in going]

    def plan(
        self,
        kind: RecordType,
        since: Any = SINCE,
        *,
        only: Iterable[str] = (),
        **more: Any,
    ) -> Plan:
        """What a sync would do."""
        verb = getattr(self.engine, f"plan_{_VERBS[kind]}")
        plan: Plan = verb(None if only else since, only=only, **more)
        return plan

    def apply(self, plan: Plan) -> Report:
        """Carry out a plan, an hour later."""
        self.clock.advance(HOUR)
        return self.engine.apply(plan)

    # What is there then -------------------------------------------------------------------

    def link(self, record: Any, role: str = "") -> Link | None:
        """The link of a record of either side."""
        ref = record.ref
        if ref.connection == self.shop.connection:
            value = link_billing(self.pair, ref.kind, ref.id, role)
            return next(iter(self.store.find(Link, "billing", value)), None)
        key = link_key(self.pair, ref.kind, ref.id, role)
        return self.store.get(Link, [key]).get(key)

    def across(self, record: Any, role: str = "") -> Any:
        """The counterpart of a record as the other side shows it."""
        link = self.link(record, role)
        assert link is not None, f"{record.ref} is tied to nothing"
        ours = record.ref.connection == self.shop.connection
        books, ref = (self.book, link.ledger) if ours else (self.shop, link.billing)
        return books.shown(books.get(ref, type(record)))

    def all(self, kind: RecordType, on: Books | None = None) -> list[Any]:
        """The records of a kind in the ledger, or in the books that are named."""
        books = on or self.book
        return [books.shown(each) for each in books.of(kind).values()]

    def open_issues(self) -> list[Issue]:
        """What is on record as not carried."""
        rows = self.store.find(IssueRow, "open", key_of(self.pair, DOCUMENT_VERBS))
        return [row.issue for row in rows]

    @property
    def writes(self) -> tuple[int, int]:
        """How often each side was written, by whomever."""
        return self.shop.writes, self.book.writes

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """What is done in here writes to neither side."""
        before = self.writes
        yield
        assert self.writes == before


_VERBS: Mapping[RecordType, str] = {
    Customer: "customers",
    Invoice: "invoices",
    CreditNote: "credit_notes",
}


def codes(report: Report | Plan) -> list[str]:
    """The names of the issues of a run or a plan, in order."""
    return sorted(each.code.name for each in report.issues)


def issue_of(report: Report | Plan, number: str) -> Issue:
    """The one issue that names a number."""
    (found,) = [each for each in report.issues if number in each.numbers]
    return found


def told(plan: Plan) -> list[tuple[str, str, str]]:
    """What a plan would do: action, kind, number."""
    return sorted((c.action.value, c.kind.__name__, c.number) for c in plan.changes)


def effects(plan: Plan) -> list[Change]:
    """The changes of a plan that would write anything."""
    return [each for each in plan.changes if each.action is not Action.KEEP]


def lost_once(*kinds: RecordType) -> Any:
    """The answer to the first write of these kinds is lost; it was carried out."""
    left = set(kinds)

    def fate(change: Change) -> str:
        if change.kind in left:
            left.discard(change.kind)
            return "lost"
        return ""

    return fate
