"""
A system in this very process, which has what the made-up ledgers of other tests lack.

Change tokens, deletions that are told, credits that show, hand-overs, versions of
documents. Its flows yield calls. Each of its ``bugs`` switches one of these off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from attrs import define, evolve, field

from tieout.auth import NoAuth
from tieout.capabilities import (
    Capabilities,
    Changed,
    Everything,
    Feed,
    Kind,
    Payments,
    Select,
    Unposted,
    Updates,
    Verb,
)
from tieout.change import Change, Outcome
from tieout.connector import Books, Health, Page, guarded
from tieout.errors import Code, ConfigError, Fault
from tieout.models import (
    Basis,
    CreditNote,
    Customer,
    Invoice,
    Part,
    Posting,
    R,
    Record,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.money import ZERO
from tieout.testing.conformance import Bench, SetClock, Unplugged
from tieout.wire import Answer, Call, Flow, Response, Verdict

HERE = "slate:1"
READ, CHANGED = frozenset({Verb.READ}), frozenset({Changed, Everything})


@define
class Bill:
    """One document, with what was put to it and when it changed."""

    id: str
    kind: str
    number: str
    total: Decimal
    customer: str
    on: date
    currency: str
    stamp: datetime
    serial: int
    reference: str = ""
    cash: list[tuple[date, Decimal]] = field(factory=list)
    credits: dict[str, Decimal] = field(factory=dict)
    posted: datetime | None = None


class Slate:
    """The connector, and the system itself."""

    connection = HERE
    auth = NoAuth()

    def __init__(self, clock: SetClock, bugs: Iterable[str] = ()) -> None:
        self.clock, self.bugs = clock, {*bugs}
        self.bills: dict[str, Bill] = {}
        self.people: dict[str, Customer] = {}
        self.gone: dict[str, tuple[datetime, int]] = {}
        self.serial = 0

    @property
    def capabilities(self) -> Capabilities:
        kinds: dict[RecordType, Kind] = {
            Customer: Kind(),
            Invoice: Kind(
                verbs=frozenset({Verb.READ, Verb.UPDATE}),
                selects=CHANGED,
                writable=frozenset({"reference"}),
                updates=Updates.SPARSE,
            ),
            CreditNote: Kind(),
            Settlement: Kind(selects=CHANGED),
            Posting: Kind(selects=frozenset({Unposted})),
        }
        payments = Payments(
            feeds=(Feed.TOKEN, Feed.STAMP), parts=frozenset({Part.CASH, Part.CREDIT})
        )
        return Capabilities(
            "Slate", kinds, payments, deletions_visible=True, version_token=True
        )

    # The connector

    def check(self) -> Flow[Health]:
        books = Books(HERE, currency="USD", zone="UTC")
        yield Call(lambda: None, name="check")
        return Health(reachable=True, signed_in=True, books=books)

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        if type(select) not in self.capabilities.kind(kind).selects:
            raise Fault(Code.NOT_ALLOWED, "it cannot be selected so")
        if cursor is not None:
            raise ConfigError("it has one page")
        found = yield Call(partial(self._selected, kind, select), name="page")
        page: Page[R] = found.value
        return page

    def _selected(self, kind: RecordType, select: Select) -> Page[Any]:
        token = getattr(select, "token", None)
        since = getattr(select, "since", None)
        behind = int(token) if token and "token" not in self.bugs else 0

        def meant(stamp: datetime, serial: int) -> bool:
            return serial > behind and (since is None or stamp >= since)

        name = "CreditNote" if kind is CreditNote else "Invoice"
        rows = [b for b in self.bills.values() if b.kind == name]
        rows = [b for b in rows if meant(b.stamp, b.serial)]
        if isinstance(select, Unposted) and "unposted" not in self.bugs:
            rows = [b for b in rows if not b.posted and b.on <= select.through]
        gone = [Ref(HERE, "Invoice", k) for k, v in self.gone.items() if meant(*v)]
        told = () if "gone" in self.bugs else tuple(gone)
        records = tuple(self._read(kind, bill) for bill in rows)
        return Page(records, gone=told, token=str(self.serial))

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        if kind not in self.capabilities.kinds:
            raise Fault(Code.NOT_ALLOWED, "there is none")
        if not (ids or numbers):
            return Page()
        found = yield Call(partial(self._named, kind, ids, numbers), name="fetch")
        page: Page[R] = found.value
        return page

    def _named(
        self, kind: RecordType, ids: Sequence[str], numbers: Sequence[str]
    ) -> Any:
        if kind is Customer:
            people = self.people.values()
            cut = [each.strip() for each in numbers]
            return Page(tuple(p for p in people if p.ref.id in ids or p.number in cut))
        names = "CreditNote" if kind is CreditNote else "Invoice"
        wanted = {*ids}, {each.strip() for each in numbers}
        rows = [b for b in self.bills.values() if b.kind == names]
        rows = [b for b in rows if b.id in wanted[0] or b.number in wanted[1]]
        return Page(tuple(self._read(kind, bill) for bill in rows))

    def find(self, changes: Sequence[Change]) -> Flow[Page[Record]]:
        ids = [each.target.id for each in changes if each.target]
        page: Page[Any] = yield from self.fetch(Invoice, ids=ids)
        return page

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        outcomes: list[Outcome] = []
        for change in changes:
            outcome = yield from guarded(self._write(change), change, self.judge)
            outcomes.append(outcome)
        return tuple(outcomes)

    def _write(self, change: Change) -> Flow[Outcome]:
        if not self.capabilities.kind(change.kind).can(Verb[change.action.name]):
            raise Fault(Code.NOT_ALLOWED, "it cannot be written")
        yield Call(partial(self._written, change), effect=True, name="write")
        return Outcome.applied(change)

    def _written(self, change: Change) -> None:
        bill = self.bills.get(change.target.id if change.target else "")
        before, after = change.before, change.after
        assert isinstance(before, Invoice)
        assert isinstance(after, Invoice)
        if bill is None:
            raise Fault(Code.VANISHED)
        if before.version != str(bill.serial) and "stale" not in self.bugs:
            raise Fault(Code.STALE_VERSION)
        bill.reference = after.reference
        self.touch(bill)

    def judge(self, response: Response) -> Verdict:
        return Verdict(Answer.OK)

    # Records

    def _read(self, kind: RecordType, bill: Bill) -> Any:
        if kind is Posting:
            return Posting(Ref(HERE, "Posting", bill.id), bill.number, bill.posted)
        head: dict[str, Any] = {
            "ref": Ref(HERE, bill.kind, bill.id),
            "number": bill.number,
            "customer": Ref(HERE, "Customer", bill.customer),
            "currency": bill.currency,
            "on": bill.on,
            "total": bill.total,
            "changed_at": bill.stamp,
            "version": str(bill.serial),
        }
        cash = sum((amount for _, amount in bill.cash), ZERO)
        credit = sum(bill.credits.values(), ZERO)
        balance = bill.total - cash - credit
        status = Status.OPEN if balance > 0 else Status.SETTLED
        if kind is Invoice:
            return Invoice(**head, status=status, reference=bill.reference)
        if kind is CreditNote:
            return CreditNote(**head, status=status, remaining=balance)
        last = max((day for day, _ in bill.cash), default=None)
        paid_on = last if balance <= 0 else None
        return Settlement(
            **head,
            status=status,
            balance=balance,
            settled_by={Part.CASH: cash, Part.CREDIT: credit},
            paid_on=paid_on,
            last_on=last,
            basis=Basis.APPLICATIONS if paid_on else None,
        )

    def touch(self, bill: Bill) -> None:
        self.serial += 1
        bill.stamp, bill.serial = self.clock.now(), self.serial


class SlateBench(Bench):
    """What people do on a slate."""

    bugs: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.clock = SetClock()
        self.transport = Unplugged()
        self.slate = Slate(self.clock, self.bugs)

    def connector(self, **overrides: Any) -> Slate:
        if overrides:
            raise TypeError("a slate takes no arguments")
        return self.slate

    def _own(self) -> str:
        self.slate.serial += 1
        return str(self.slate.serial)

    def customer(self, name: str, number: str = "") -> str:
        own = self._own()
        ref = Ref(HERE, "Customer", own)
        self.slate.people[own] = Customer(ref, name, number)
        return own

    def invoice(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self._bill("Invoice", number, total, customer, on, currency)

    def credit_note(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self._bill("CreditNote", number, total, customer, on, currency)

    def _bill(
        self,
        kind: str,
        number: str,
        total: Decimal,
        customer: str,
        on: date,
        currency: str,
    ) -> str:
        own, now = self._own(), self.clock.now()
        bill = Bill(own, kind, number, total, customer, on, currency, now, int(own))
        self.slate.bills[own] = bill
        return own

    def pay(self, invoice: str, amount: Decimal, on: date) -> str:
        bill = self.slate.bills[invoice]
        bill.cash.append((on, amount))
        self.slate.touch(bill)
        return f"{invoice}/{len(bill.cash)}"

    def take_back(self, payment: str) -> None:
        bill = self.slate.bills[payment.partition("/")[0]]
        bill.cash.pop()
        self.slate.touch(bill)

    def apply_credit(self, credit: str, invoice: str, amount: Decimal, on: date) -> str:
        for each in (self.slate.bills[credit], self.slate.bills[invoice]):
            each.credits[f"{credit}/{invoice}"] = amount
            if "credits" not in self.slate.bugs:
                self.slate.touch(each)
        return f"{credit}/{invoice}"

    def unapply_credit(self, application: str) -> None:
        for own in application.split("/"):
            del self.slate.bills[own].credits[application]
            if "credits" not in self.slate.bugs:
                self.slate.touch(self.slate.bills[own])

    def post(self, invoice: str) -> str:
        bill = self.slate.bills[invoice]
        bill.posted = self.clock.now()
        self.slate.touch(bill)
        return invoice

    def edit(self, kind: RecordType, identity: str) -> None:
        if kind is Customer:
            known = self.slate.people[identity]
            self.slate.people[identity] = evolve(known, email="new@example.com")
        else:
            self.slate.bills[identity].reference = "edited"
            self.slate.touch(self.slate.bills[identity])

    def delete(self, kind: RecordType, identity: str) -> None:
        del self.slate.bills[identity]
        self.slate.serial += 1
        self.slate.gone[identity] = (self.clock.now(), self.slate.serial)
