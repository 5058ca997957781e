"""
One check under way: a fresh bench, a connector to it, and a session over a tapped wire.

What checks have in common is here: staging records, reading to the end, driving flows.
Nothing here says what is right.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

from attrs import frozen

from tieout.capabilities import Capabilities, Changed, Everything, Kind, Select
from tieout.change import Change, Issue, Outcome
from tieout.connector import Connector, Page
from tieout.errors import ConfigError, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Payment,
    Posting,
    RecordType,
    Settlement,
)
from tieout.session import Session
from tieout.stores.memory import MemoryStore
from tieout.testing.conformance.bench import Bench, NotStaged
from tieout.testing.conformance.check import Failed, expect, listed
from tieout.testing.conformance.tap import Tap
from tieout.wire import Call, Flow, Request, Response

T = TypeVar("T")
Asked: TypeAlias = Request | Call

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LONG_AGO = timedelta(days=60)
PAGES_MAX = 400
"""Of one reading; the kit never stages more than a few hundred records."""

NATURAL_PAGE_MAX = 250
"""Where pages have a fixed size, the kit fills them up to this one."""

HUNDRED = Decimal("100.00")


@frozen
class Made:
    """A record that was staged, as it was asked for."""

    kind: RecordType
    id: str
    number: str = ""
    total: Decimal = HUNDRED
    on: date | None = None
    currency: str = ""
    customer: str = ""
    invoice: str = ""
    """The invoice that a payment, an application or a posting is of."""


def identity(record: Any) -> str:
    """By what a record is told from others of its kind, as it was staged."""
    return str(record.ref.id)


@frozen
class Reading:
    """Pages from the first to the last."""

    pages: tuple[Page[Any], ...]

    @property
    def records(self) -> list[Any]:
        """All records, in the order in which they came."""
        return [record for page in self.pages for record in page.records]

    @property
    def ids(self) -> list[str]:
        """What the records are told apart by, in the order in which they came."""
        return [identity(record) for record in self.records]

    @property
    def issues(self) -> list[Issue]:
        """All issues."""
        return [issue for page in self.pages for issue in page.issues]

    @property
    def told(self) -> set[str]:
        """The ids of records, of what is gone, and of invoices whose money moved."""
        refs = [ref for page in self.pages for ref in (*page.touched, *page.gone)]
        return {*self.ids, *(ref.id for ref in refs)}

    def by_id(self) -> dict[str, Any]:
        """The records by what they are told apart by; the last, where one came twice."""
        return {identity(record): record for record in self.records}


class Trial:
    """What one check works with; ``kind`` is the kind of record that it is made for."""

    def __init__(self, bench: Bench, kind: RecordType | None = None) -> None:
        self.bench = bench
        self.kind: RecordType = kind or Settlement
        self.clock = bench.clock
        self.tap = Tap(bench)
        self.asked: list[Asked] = []
        """What the connector's flows have asked for, unsigned."""
        self._positions = count(1)
        self._customer = ""
        self._store = MemoryStore()
        self.connect()

    # The connector ------------------------------------------------------------------------

    def connect(self, **overrides: Any) -> Connector:
        """Go on with a new connector, and a session of its own that knows the old grant."""
        self.connector = self.bench.connector(**overrides)
        self.session = Session(self.connector, self.tap, self._store, self.clock)
        return self.connector

    def connect_if(self, **overrides: Any) -> bool:
        """`connect`, if the connector takes these arguments."""
        try:
            self.connect(**overrides)
        except (TypeError, ConfigError):
            return False
        return True

    @property
    def capabilities(self) -> Capabilities:
        """What the connector says it can do."""
        return self.connector.capabilities

    @property
    def can(self) -> Kind:
        """What it says it can do with the kind of this check."""
        return self.capabilities.kind(self.kind)

    def pages_of(self, size: int) -> int:
        """
        Go on with pages of this size, or with the connector's own where it is fixed and
        not too large; the size that they have.
        """
        if not self.connect_if(page_size=size) and self.can.page_size > size:
            expect_staged(
                self.can.page_size <= NATURAL_PAGE_MAX,
                f"the connector takes no page_size, and its pages have {self.can.page_size}",
            )
        return self.can.page_size

    # Driving flows ------------------------------------------------------------------------

    def run(self, flow: Flow[T]) -> T:
        """
        Drive a flow through the session; its result.

        Raises the `Fault` it ended with; a bug of the connector is `Failed`.
        """
        attempt = self.session.attempt(watched(flow, self.asked))
        if attempt.bug is not None:
            raise Failed(f"the connector crashed: {crash(attempt.bug)}")
        return attempt.result()

    def fault(self, flow: Flow[Any], words: str) -> Fault:
        """The fault that a flow ends with; `Failed` with these words where it does not."""
        try:
            self.run(flow)
        except Fault as fault:
            return fault
        raise Failed(words)

    def warm(self) -> None:
        """Sign in, so that the next request is one of the API."""
        self.run(self.connector.check())

    def page(
        self,
        select: Select | None = None,
        cursor: str | None = None,
        kind: RecordType | None = None,
    ) -> Page[Any]:
        """One page of the check's kind (or another)."""
        wanted = select or self.any_select()
        flow = self.connector.page(kind or self.kind, wanted, cursor)
        return self.run(flow)

    def read(
        self,
        select: Select | None = None,
        *,
        kind: RecordType | None = None,
        between: Callable[[int], object] | None = None,
    ) -> Reading:
        """All pages; ``between`` is called before each but the first, with its position."""
        pages = [self.page(select, kind=kind)]
        while (cursor := pages[-1].next) is not None:
            expect(
                len(pages) < PAGES_MAX,
                f"reading does not end: after {PAGES_MAX} pages there is still a next one",
            )
            if between is not None:
                between(len(pages))
            pages.append(self.page(select, cursor, kind))
        return Reading(tuple(pages))

    def fetch(
        self,
        *ids: str,
        numbers: Sequence[str] = (),
        kind: RecordType | None = None,
    ) -> Page[Any]:
        """The records of these ids and numbers."""
        flow = self.connector.fetch(kind or self.kind, ids=ids, numbers=numbers)
        return self.run(flow)

    def one(self, made: Made, kind: RecordType | None = None) -> Any:
        """The record that was staged, read by its id."""
        wanted = kind or made.kind
        page = self.fetch(made.id, kind=wanted)
        found = [each for each in page.records if identity(each) == made.id]
        what = f"{wanted.__name__} {made.id} ({made.number})"
        expect(
            len(found) == 1,
            f"fetch of the id of {what} brought {len(page.records)} records"
            + (f" and the issue: {page.issues[0]}" if page.issues else ""),
        )
        return found[0]

    def write(self, *changes: Change) -> list[Outcome]:
        """Carry changes out; an outcome for each, in the order of the changes."""
        outcomes = self.run(self.connector.write(changes))
        by_name = {outcome.name: outcome for outcome in outcomes}
        missing = [each.name for each in changes if each.name not in by_name]
        expect(not missing, f"no outcome for {len(missing)} of {len(changes)} changes")
        return [by_name[each.name] for each in changes]

    def find(self, *changes: Change) -> Page[Any]:
        """What these changes may have made."""
        return self.run(self.connector.find(changes))

    # Selections ---------------------------------------------------------------------------

    @property
    def listed(self) -> bool:
        """Whether all of this kind can be gone through, or all that changed."""
        return bool({Changed, Everything} & self.can.selects)

    def any_select(self) -> Select:
        """A selection of all there is, as far as one can be asked for."""
        return Everything() if Everything in self.can.selects else self.since_ever()

    def since_ever(self) -> Changed:
        """What changed since before anything was staged."""
        return Changed(self.clock.now() - LONG_AGO)

    # Staging ------------------------------------------------------------------------------

    def day(self, position: int) -> date:
        """A day for documents and payments: the higher the later, all of them past."""
        return (self.clock.now() - timedelta(days=40)).date() + timedelta(days=position)

    def money(self, amount: int | str) -> Decimal:
        """An amount with cents, as systems show it."""
        return Decimal(amount).quantize(Decimal("0.01"))

    def position(self) -> int:
        """The next of the numbers by which what the kit makes is told apart."""
        return next(self._positions)

    def customer(self) -> str:
        """The id of the customer whose documents these are."""
        if not self._customer:
            self._customer = self.bench.customer("A customer of the kit")
        return self._customer

    def make(
        self,
        kind: RecordType | None = None,
        *,
        number: str | None = None,
        total: Decimal = HUNDRED,
        on: date | None = None,
        currency: str = "",
    ) -> Made:
        """Stage one record of the check's kind (or another)."""
        wanted, position = kind or self.kind, self.position()
        own = self.bench.number(position) if number is None else number
        if wanted is Customer:
            name = f"Customer {position} of the kit"
            return Made(Customer, self.bench.customer(name, own), own)
        document: dict[str, Any] = {
            "customer": self.customer(),
            "on": on or self.day(position % 20),
            "currency": currency or self.bench.currency,
        }
        stage = self.bench.credit_note if wanted is CreditNote else self.bench.invoice
        made = Made(wanted, stage(own, total, **document), own, total, **document)
        if wanted is Payment:
            paid = self.bench.pay(made.id, total, made.on or self.day(1))
            return Made(Payment, paid, "", total, **document, invoice=made.id)
        if wanted is Application:
            credit = self.make(CreditNote, total=total, on=made.on, currency=currency)
            day = made.on or self.day(1)
            applied = self.bench.apply_credit(credit.id, made.id, total, day)
            return Made(Application, applied, "", total, **document, invoice=made.id)
        if wanted is Posting:
            posted = self.bench.post(made.id)
            return Made(Posting, posted, own, total, **document, invoice=made.id)
        return made

    def make_many(
        self, times: int, *, gap: timedelta = MINUTE, kind: RecordType | None = None
    ) -> list[Made]:
        """Stage several, with so much time between two of them."""
        made: list[Made] = []
        for _ in range(times):
            made.append(self.make(kind))
            self.clock.advance(gap)
        return made


# Flows ------------------------------------------------------------------------------------


def watched(flow: Flow[T], asked: list[Asked]) -> Flow[T]:
    """A flow that does the same, and is listened to."""
    reply: Any = None
    thrown: Exception | None = None
    while True:
        try:
            request = flow.throw(thrown) if thrown else flow.send(reply)
        except StopIteration as stop:
            return cast(T, stop.value)
        asked.append(request)
        reply, thrown = None, None
        try:
            reply = yield request
        except Exception as error:  # noqa: BLE001 - it is handed on to the flow
            thrown = error


def by_hand(flow: Flow[Any]) -> Asked | None:
    """What a flow asks for first; None where it ends without asking."""
    try:
        return next(flow)
    except StopIteration:
        return None
    finally:
        flow.close()


def crash(error: BaseException) -> str:
    """An exception and where it was raised, in a line."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def expect_staged(condition: object, words: str) -> None:
    """Raise `NotStaged` with these words unless the condition holds."""
    if not condition:
        raise NotStaged(words)


# Words ------------------------------------------------------------------------------------


def lost(made: Iterable[Made], found: Iterable[str]) -> str:
    """The records that were staged and are not among those found; "" where all are."""
    held = {*found}
    missing = [f"{each.number or each.id}" for each in made if each.id not in held]
    return listed(missing) if missing else ""


def repeated(ids: Sequence[str]) -> str:
    """Ids that came more than once; "" where each came once."""
    twice = [each for each in dict.fromkeys(ids) if ids.count(each) > 1]
    return listed(twice) if twice else ""


def answer_of(status: int, body: bytes = b"", **headers: str) -> Response:
    """An answer; ``Retry_After`` is the header ``Retry-After``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, body)
