"""
A ledger and a billing system in memory, on one clock that tests set.

Both are connectors whose flows yield calls, which they answer themselves. Every call goes
through one `Calls`, where a test can make it fail, get lost, come late, or meet a change.
They know nothing of engines, plans and stores, and open nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, TypeAlias, cast

from attrs import define, field, frozen

import tieout
from tieout.auth import Auth, NoAuth
from tieout.capabilities import (
    Capabilities,
    Changed,
    Everything,
    Kind,
    Payments,
    Select,
    Updates,
    Verb,
)
from tieout.change import Change, Issue, Outcome
from tieout.connector import Books, Health, Page
from tieout.errors import Code, Fate, Fault
from tieout.models import (
    Basis,
    Part,
    R,
    Record,
    Ref,
    Settlement,
    Status,
    clean_number,
    settled_day,
)
from tieout.store import Expect, Fact, Gone, IssueRow, Store, key_of
from tieout.wire import Answer, Call, Flow, Request, Response, Verdict

ZERO = Decimal(0)
NOON = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
TODAY = NOON.date()
LONG_AGO = date(2025, 1, 1)
LONG_BEFORE = datetime(1900, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
AT_ONCE = timedelta(0)
READS = frozenset({Verb.READ})
WRITES = frozenset({Verb.READ, Verb.UPDATE})

Money: TypeAlias = Decimal | int | str


class SetClock:
    """Time that passes only when a test, or somebody's sleep, lets it."""

    def __init__(self, now: datetime = NOON) -> None:
        self._start = self._now = now
        self._due: list[tuple[datetime, Callable[[], Any]]] = []
        self.slept = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.advance(timedelta(seconds=seconds))

    def advance(self, by: timedelta) -> None:
        """Let time pass; what was put off until then happens on the way."""
        until = self._now + by
        while due := [each for each in self._due if each[0] <= until]:
            first = min(due, key=lambda each: each[0])
            self._due.remove(first)
            self._now = max(self._now, first[0])
            first[1]()
        self._now = until

    def later(self, by: timedelta, act: Callable[[], Any]) -> None:
        """Put something off."""
        self._due.append((self._now + by, act))


# What can happen to a call ----------------------------------------------------------------

Run: TypeAlias = Callable[[], Any]
Hook: TypeAlias = Callable[[Run], Any]
"""Takes what a call would do, and decides whether and when it does it."""


class Crash(BaseException):
    """The process ends here: nothing of it runs any more."""


class Calls:
    """All calls of a world in order, and what is to happen at some of them."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.hooks: dict[int, Hook] = {}

    def through(self, name: str, run: Run) -> Any:
        """Make a call, or let the hook of its position make it."""
        hook = self.hooks.pop(len(self.made), None)
        self.made.append(name)
        return run() if hook is None else hook(run)

    def at(self, calls_ahead: int, hook: Hook) -> None:
        """Plan a hook for the call after so many others."""
        self.hooks[len(self.made) + calls_ahead] = hook

    def of(self, word: str) -> list[str]:
        """The calls whose name holds a word."""
        return [each for each in self.made if word in each]


def fails(fault: Fault) -> Hook:
    """The call does nothing and ends with the fault."""

    def hook(run: Run) -> Any:
        raise fault

    return hook


def loses_answer(run: Run) -> Any:
    """The call is carried out, and its answer is lost."""
    run()
    raise lost()


def lands_after(clock: SetClock, by: timedelta) -> Hook:
    """The answer is lost, and the call is carried out only later."""

    def hook(run: Run) -> Any:
        clock.later(by, run)
        raise lost()

    return hook


def meanwhile(act: Callable[[], Any]) -> Hook:
    """Somebody does something just before the call."""

    def hook(run: Run) -> Any:
        act()
        return run()

    return hook


def lost() -> Fault:
    """An answer that never came."""
    return Fault(Code.ANSWER_LOST, "the line broke", fate=Fate.UNCLEAR)


def unreached() -> Fault:
    """A system that was not there."""
    return Fault(Code.NOT_REACHED, "nobody answers", fate=Fate.NOT_SENT)


def refused() -> Fault:
    """A write that the other side will not have."""
    return Fault(Code.REFUSED, "this invoice is frozen")


# The ledger -------------------------------------------------------------------------------


@define
class Piece:
    """A part of a payment or credit that was applied to an invoice."""

    id: str
    amount: Decimal
    on: date
    how: Part = Part.CASH
    live: bool = True
    stamp: datetime = NOON


@define
class Paper:
    """An invoice in the ledger, with what was applied to it."""

    id: str
    number: str
    total: Decimal
    currency: str = "USD"
    on: date = TODAY
    reference: str = ""
    customer: str = ""
    status: Status = Status.OPEN
    pieces: list[Piece] = field(factory=list)
    stamp: datetime = NOON
    bad: bool = False

    def live(self) -> list[Piece]:
        """What counts."""
        return [each for each in self.pieces if each.live]


def by_change(paper: Paper) -> Any:
    """The order of many ledgers: by change time, then id."""
    return paper.stamp, paper.id


class _System:
    """What both systems have in common."""

    connection: str
    capabilities: Capabilities
    zone: str | None
    _calls: Calls

    @property
    def auth(self) -> Auth:
        return NoAuth()

    def check(self) -> Flow[Health]:
        answer = yield self._call(
            "check", lambda: Books(self.connection, zone=self.zone)
        )
        return Health(reachable=True, signed_in=True, books=answer.value)

    def judge(self, response: Response) -> Verdict:
        return Verdict(Answer.OK)

    def _call(self, name: str, run: Run, *, effect: bool = False) -> Call:
        named = f"{self.connection} {name}"
        through = partial(self._calls.through, named, run)
        return Call(through, effect=effect, name=named)

    def _unreadable(self, record_id: str, number: str) -> Issue:
        ref = Ref(self.connection, "Invoice", record_id)
        return Issue(Code.BAD_AMOUNT, ref, (number,), field="total")


class Ledger(_System):
    """
    An accounting system that is only read.

    ``stamping``: an invoice's change time moves with what is applied to it; otherwise the
    invoice is named among a page's ``touched``. ``blind`` are parts that show in neither.
    ``lag``: how much earlier than now a change is stamped. ``tells`` are the parts told.
    """

    def __init__(
        self,
        clock: SetClock,
        calls: Calls,
        *,
        connection: str = "book:ledger",
        page_size: int = 100,
        stable: bool = True,
        order: Callable[[Paper], Any] = by_change,
        number_unique: bool = True,
        stamping: bool = True,
        blind: Iterable[Part] = (),
        lag: timedelta = AT_ONCE,
        zone: str | None = "UTC",
        sweep_every: timedelta | None = None,
        tells: Iterable[Part] = tuple(Part),
    ) -> None:
        self.connection = connection
        self.papers: dict[str, Paper] = {}
        self.zone = zone
        self.page_size = page_size
        self.order = order
        self.stamping = stamping
        self.blind = frozenset(blind)
        self.lag = lag
        self.tells = frozenset(tells)
        self._clock = clock
        self._calls = calls
        self._cursors: dict[str, Any] = {}
        self.capabilities = Capabilities(
            "a ledger",
            {
                Settlement: Kind(
                    READS,
                    frozenset({Changed, Everything}),
                    number_unique=number_unique,
                    stable_order=stable,
                    fetch_size=3,
                )
            },
            payments=Payments(sweep_every=sweep_every, parts=self.tells),
        )

    # The bookkeeper

    def add(self, number: str, total: Money, **fields: Any) -> str:
        """A new invoice; its id."""
        paper = Paper(f"L{len(self.papers) + 1}", number, Decimal(total), **fields)
        paper.stamp = self._now()
        self.papers[paper.id] = paper
        return paper.id

    def apply(
        self,
        paper_id: str,
        amount: Money,
        on: date = TODAY,
        how: Part = Part.CASH,
    ) -> str:
        """Apply a part of a payment or credit; its id."""
        paper = self.papers[paper_id]
        piece = Piece(f"{paper_id}/{len(paper.pieces)}", Decimal(amount), on, how)
        paper.pieces.append(piece)
        self._touch(paper, piece)
        return piece.id

    def undo(self, piece_id: str) -> None:
        """Take a part back."""
        paper = self.papers[piece_id.partition("/")[0]]
        piece = next(each for each in paper.pieces if each.id == piece_id)
        piece.live = False
        self._touch(paper, piece)

    def void(self, paper_id: str) -> None:
        """Void an invoice."""
        self.edit(paper_id, status=Status.VOID)

    def edit(self, paper_id: str, **fields: Any) -> None:
        """Change an invoice's fields."""
        paper = self.papers[paper_id]
        for name, value in fields.items():
            setattr(paper, name, value)
        paper.stamp = self._now()

    def _touch(self, paper: Paper, piece: Piece) -> None:
        if piece.how in self.blind:
            return
        piece.stamp = self._now()
        if self.stamping:
            paper.stamp = piece.stamp

    def _now(self) -> datetime:
        return self._clock.now() - self.lag

    # The connector

    def page(
        self, kind: type[R], select: Any, cursor: str | None = None
    ) -> Flow[Page[R]]:
        answer = yield self._call("page", lambda: self._page(select, cursor))
        return cast(Page[R], answer.value)

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        def run() -> Page[Settlement]:
            return self._read(
                paper
                for paper in self.papers.values()
                if paper.id in ids or paper.number in numbers
            )

        answer = yield self._call("fetch", run)
        return cast(Page[R], answer.value)

    def find(self, changes: Sequence[Change]) -> Flow[Page[Record]]:
        yield from ()
        return Page()

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        yield self._call("write", lambda: None, effect=True)
        fault = Fault(Code.NOT_ALLOWED, "the ledger is only read")
        return tuple(Outcome.failed(each, fault) for each in changes)

    def _page(self, select: Select, cursor: str | None) -> Page[Settlement]:
        since = select.since if isinstance(select, Changed) else LONG_BEFORE
        changed = sorted(
            (each for each in self.papers.values() if each.stamp >= since),
            key=self.order,
        )
        if cursor is not None:
            after = self._cursors[cursor]
            changed = [each for each in changed if self.order(each) > after]
        some = changed[: self.page_size]
        following = None
        if len(changed) > len(some):
            key = self.order(some[-1])
            following = repr(key)
            self._cursors[following] = key
        read = self._read(some)
        return Page(
            read.records,
            read.issues,
            touched=() if following else self._touched(since),
            next=following,
            as_of=self._clock.now(),
        )

    def _touched(self, since: datetime) -> tuple[Ref, ...]:
        if self.stamping:
            return ()
        return tuple(
            self.ref(paper.id)
            for paper in self.papers.values()
            if any(each.stamp >= since for each in paper.pieces)
        )

    def _read(self, papers: Iterable[Paper]) -> Page[Settlement]:
        held = list(papers)
        return Page(
            tuple(self.level(each) for each in held if not each.bad),
            tuple(self._unreadable(each.id, each.number) for each in held if each.bad),
        )

    def ref(self, paper_id: str) -> Ref:
        """How a record refers to an invoice."""
        return Ref(self.connection, "Invoice", paper_id)

    def level(self, paper: Paper) -> Settlement:
        """What this ledger says of an invoice's money."""
        live = [] if paper.status is Status.VOID else paper.live()
        balance = paper.total - sum((each.amount for each in live), ZERO)
        status = paper.status
        if status is Status.OPEN and balance <= 0:
            status = Status.SETTLED
        if status is Status.VOID:
            balance = ZERO
        parts = dict.fromkeys(self.tells, ZERO)
        for each in live:
            if each.how in parts:
                parts[each.how] += each.amount
        settling = [(each.on, each.amount) for each in live]
        paid_on = None
        if status is Status.SETTLED:
            paid_on = settled_day(paper.total, settling, paper.on)
        return Settlement(
            self.ref(paper.id),
            paper.number,
            paper.currency,
            paper.total,
            balance,
            status,
            reference=paper.reference,
            customer=Ref(self.connection, "Customer", paper.customer)
            if paper.customer
            else None,
            on=paper.on,
            settled_by=parts,
            paid_on=paid_on,
            last_on=max((each.on for each in live), default=None),
            basis=Basis.APPLICATIONS if paid_on else None,
            changed_at=paper.stamp,
        )


# Billing ----------------------------------------------------------------------------------


@frozen
class Receipt:
    """A payment record on a billing invoice."""

    amount: Decimal
    on: date | None


@define
class Bill:
    """An invoice in billing, and what it shows as paid."""

    id: str
    number: str
    total: Decimal
    currency: str = "USD"
    customer: str = ""
    status: Status = Status.OPEN
    paid: Decimal = ZERO
    paid_on: date | None = None
    credited: Decimal = ZERO
    receipts: dict[str, Receipt] = field(factory=dict)
    version: int = 1
    bad: bool = False


class Billing(_System):
    """
    A billing system whose invoices show a paid amount and a date.

    ``owned``: they are not fields but payment records. ``partial`` false: a date alone
    says that all was paid. ``date_alone`` false: no date where nothing was paid.
    ``versioned`` false: nothing tells a write that somebody was faster.
    ``credits_told``: credit notes may be applied here too, and are told as a part.
    """

    def __init__(
        self,
        clock: SetClock,
        calls: Calls,
        *,
        connection: str = "shop:billing",
        owned: bool = False,
        partial: bool = True,
        date_alone: bool = True,
        free_reads: bool = False,
        can_update: bool = True,
        credits_told: bool = False,
        versioned: bool = True,
        batch_size: int = 2,
        zone: str | None = "UTC",
    ) -> None:
        self.connection = connection
        self.bills: dict[str, Bill] = {}
        self.zone = zone
        self.writes = 0
        self._owned = owned
        self._partial = partial
        self._credits_told = credits_told
        self._versioned = versioned
        self._calls = calls
        self._serial = 0
        self.capabilities = Capabilities(
            "a billing system",
            {
                Settlement: Kind(
                    WRITES if can_update else READS,
                    frozenset({Everything}),
                    updates=Updates.SPARSE,
                    fetch_size=3,
                    batch_size=batch_size,
                )
            },
            payments=Payments(
                parts=frozenset(
                    {Part.CASH, Part.CREDIT} if credits_told else {Part.CASH}
                ),
                partial=partial,
                holds_date_alone=date_alone and not owned,
                holds_open_date=owned,
                owned_payment=owned,
            ),
            free_reads=free_reads,
        )

    # The office

    def add(self, number: str, total: Money, **fields: Any) -> str:
        """A new invoice; its id."""
        bill = Bill(f"B{len(self.bills) + 1}", number, Decimal(total), **fields)
        self.bills[bill.id] = bill
        return bill.id

    def edit(self, bill_id: str, **fields: Any) -> None:
        """Change an invoice by hand."""
        bill = self.bills[bill_id]
        for name, value in fields.items():
            setattr(bill, name, value)
        bill.version += 1

    def receive(self, bill_id: str, amount: Money, on: date | None = TODAY) -> str:
        """Enter a payment by hand; its id."""
        self._serial += 1
        receipt = f"R{self._serial}"
        self.bills[bill_id].receipts[receipt] = Receipt(Decimal(amount), on)
        self.bills[bill_id].version += 1
        return receipt

    def shows(self, bill_id: str) -> tuple[Decimal, date | None]:
        """Paid Amount and Date Paid as people see them."""
        level = self.level(self.bills[bill_id])
        return level.paid, level.paid_on

    def all(self) -> dict[str, tuple[Decimal, date | None]]:
        """What every invoice shows, by number."""
        return {bill.number: self.shows(bill.id) for bill in self.bills.values()}

    # The connector

    def page(
        self, kind: type[R], select: Any, cursor: str | None = None
    ) -> Flow[Page[R]]:
        if not isinstance(select, Everything):
            raise Fault(Code.NOT_ALLOWED, "all of them or none")
        answer = yield self._call("page", lambda: self._read(self.bills.values()))
        return cast(Page[R], answer.value)

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        def run() -> Page[Settlement]:
            return self._read(
                bill
                for bill in self.bills.values()
                if bill.id in ids or clean_number(bill.number) in numbers
            )

        answer = yield self._call("fetch", run)
        return cast(Page[R], answer.value)

    def find(self, changes: Sequence[Change]) -> Flow[Page[Record]]:
        ids = [each.target.id for each in changes if each.target]
        found: Page[Any] = yield from self.fetch(Settlement, ids=ids)
        return found

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        run = partial(self._written, changes)
        answer = yield self._call("write", run, effect=True)
        return cast(tuple[Outcome, ...], answer.value)

    def _written(self, changes: Iterable[Change]) -> tuple[Outcome, ...]:
        outcomes: list[Outcome] = []
        for change in changes:
            try:
                outcomes.append(self._write(change))
            except Fault as fault:
                outcomes.append(Outcome.failed(change, fault))
        return tuple(outcomes)

    def _write(self, change: Change) -> Outcome:
        before, after = change.before, change.after
        assert isinstance(before, Settlement)
        assert isinstance(after, Settlement)
        assert change.target is not None
        bill = self.bills[change.target.id]
        if before.version != self._version(bill):
            raise Fault(Code.STALE_VERSION)
        self.writes += 1
        bill.version += 1
        if self._owned:
            owned = self._receipts(bill, change, after)
            return Outcome.applied(change, version=self._version(bill), owned=owned)
        bill.paid, bill.paid_on = after.paid, after.paid_on
        return Outcome.applied(change, version=self._version(bill))

    def _receipts(
        self, bill: Bill, change: Change, after: Settlement
    ) -> tuple[str, ...]:
        gone = list(bill.receipts) if change.take_over else list(change.owned)
        for each in gone:
            bill.receipts.pop(each, None)
        if not after.paid:
            return ()
        self._serial += 1
        receipt = f"R{self._serial}"
        bill.receipts[receipt] = Receipt(after.paid, after.paid_on or after.last_on)
        return (receipt,)

    def _version(self, bill: Bill) -> str:
        return str(bill.version) if self._versioned else ""

    def _read(self, bills: Iterable[Bill]) -> Page[Settlement]:
        held = list(bills)
        return Page(
            tuple(self.level(each) for each in held if not each.bad),
            tuple(self._unreadable(each.id, each.number) for each in held if each.bad),
        )

    def level(self, bill: Bill) -> Settlement:
        """What this system says of an invoice's money."""
        paid, paid_on, last_on = bill.paid, bill.paid_on, bill.paid_on
        if self._owned:
            paid = sum((each.amount for each in bill.receipts.values()), ZERO)
            days = [each.on for each in bill.receipts.values() if each.on]
            last_on = max(days, default=None)
            closed = paid + bill.credited >= bill.total
            paid_on = last_on if closed else None
        elif not self._partial:
            paid = bill.total if paid_on else ZERO
        balance = bill.total - paid - bill.credited
        parts = {Part.CASH: paid}
        if self._credits_told:
            parts[Part.CREDIT] = bill.credited
        status = bill.status
        if status is Status.OPEN and balance <= 0:
            status = Status.SETTLED
        return Settlement(
            Ref(self.connection, "Invoice", bill.id),
            bill.number,
            bill.currency,
            bill.total,
            balance,
            status,
            customer=Ref(self.connection, "Customer", bill.customer)
            if bill.customer
            else None,
            settled_by=parts,
            paid_on=paid_on,
            last_on=last_on,
            receipts=tuple(sorted(bill.receipts)),
            version=self._version(bill),
        )


# Both, and what stands between them -------------------------------------------------------


class Unplugged:
    """A transport for worlds that need none: nothing may leave by it."""

    def send(self, request: Request, timeout: float) -> Response:
        raise AssertionError(f"a request was to leave for {request.url}")

    def close(self) -> None:
        """Nothing to close."""


class Mortal:
    """
    A store as one process has it: once that is dead, it writes nothing more.

    ``dies_at`` is the commit, counted from 0, at which the process ends: before it is
    done, or ``after``.
    """

    def __init__(self, store: Store, *, dies_at: int = -1, after: bool = False) -> None:
        self._store = store
        self._dies_at = dies_at
        self._after = after
        self._commits = 0
        self.dead = False

    def get(self, kind: type[Any], keys: Iterable[str]) -> dict[str, Any]:
        return self._store.get(kind, keys)

    def find(
        self,
        kind: type[Any],
        index: str,
        value: Any,
        after: str = "",
        limit: int = 1000,
    ) -> list[Any]:
        return self._store.find(kind, index, value, after, limit)

    def commit(self, *facts: Fact | Gone, expect: Iterable[Expect] = ()) -> bool:
        number, self._commits = self._commits, self._commits + 1
        if self.dead or (number == self._dies_at and not self._after):
            self.die()
        done = self._store.commit(*facts, expect=expect)
        if number == self._dies_at:
            self.die()
        return done

    def die(self) -> None:
        """End the process."""
        self.dead = True
        raise Crash

    def close(self) -> None:
        """The store itself lives on."""


class World:
    """A ledger, a billing system, their clock, and a store that outlives engines."""

    def __init__(
        self,
        *,
        ledger: Mapping[str, Any] | None = None,
        billing: Mapping[str, Any] | None = None,
        settings: tieout.Settings | None = None,
        now: datetime = NOON,
    ) -> None:
        self.clock = SetClock(now)
        self.calls = Calls()
        self.ledger = Ledger(self.clock, self.calls, **(ledger or {}))
        self.billing = Billing(self.clock, self.calls, **(billing or {}))
        self.settings = settings or tieout.Settings()
        self.store: Store = tieout.MemoryStore()

    def engine(self, **arguments: Any) -> tieout.Engine:
        """A new process: it knows what the store holds."""
        given = {
            "store": self.store,
            "settings": self.settings,
            "clock": self.clock,
            "transport": Unplugged(),
            **arguments,
        }
        return tieout.Engine(billing=self.billing, ledger=self.ledger, **given)

    def sync(self, since: Any = LONG_AGO, **arguments: Any) -> tieout.Report:
        """Carry payments, in a process of its own."""
        return self.engine().sync_payments(since, **arguments)

    def plan(self, since: Any = LONG_AGO, **arguments: Any) -> tieout.Plan:
        """Look what would happen."""
        return self.engine().plan_payments(since, **arguments)

    def both(self, number: str, total: Money, **fields: Any) -> tuple[str, str]:
        """An invoice that billing exported to the ledger: its ids there and here."""
        shared = {k: v for k, v in fields.items() if k == "currency"}
        return self.ledger.add(number, total, **fields), self.billing.add(
            number, total, **shared
        )

    def held(self) -> dict[str, Issue]:
        """The open issues by ledger id."""
        value = key_of(self.engine().pair, "payments")
        rows = self.store.find(IssueRow, "open", value)
        return {row.issue.source.id: row.issue for row in rows if row.issue.source}
