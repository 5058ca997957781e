"""Autotask against a server of its kind: whole syncs, searches and writes over one wire."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

import tieout
from tieout.capabilities import Changed, Everything, Open, Select, Unposted
from tieout.change import Action, Change, Outcome, State
from tieout.connectors.autotask import Autotask
from tieout.errors import Code, Fault
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Posting,
    Ref,
    Settlement,
    Status,
)
from tieout.session import Session
from tieout.stores.memory import MemoryStore
from tieout.testing.fakes.autotask import FakeAutotask

START = datetime(2026, 3, 20, 12, tzinfo=UTC)
ON = date(2026, 3, 2)


class SetClock:
    """A clock that goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - START).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Desk:
    """One database, and a session of the connector to it."""

    def __init__(self, **changed: Any) -> None:
        self.clock = SetClock()
        user, secret, code = "api@example.com", "secret", "CODE"
        self.fake = FakeAutotask(
            now=self.clock.now, user=user, secret=secret, integration_code=code
        )
        keys = {"user": user, "secret": secret, "integration_code": code}
        known = {"company": "acme", "currency": "USD"}
        self.autotask = Autotask(**{**keys, **known, **changed})
        self.session = Session(self.autotask, self.fake, MemoryStore(), self.clock)
        self.ada = self.fake.add_customer("Ada", "C1")

    def bill(self, number: str | None, total: str = "50", on: date = ON) -> str:
        return str(self.fake.add_invoice(number, self.ada, total, on=on))

    def pages(self, kind: Any, select: Select) -> Iterator[Any]:
        cursor = None
        while True:
            page = self.session.run(self.autotask.page(kind, select, cursor))
            assert page.issues == ()
            yield from page.records
            if page.next is None:
                return
            cursor = page.next

    def fetched(self, kind: Any, *ids: str, numbers: Any = ()) -> list[Any]:
        flow = self.autotask.fetch(kind, ids=ids, numbers=numbers)
        page = self.session.run(flow)
        assert page.issues == ()
        return [*page.records]

    def write(self, before: Any, after: Any, action: Action = Action.UPDATE) -> Outcome:
        (outcome,) = self.session.run(
            self.autotask.write([self.change(before, after, action)])
        )
        return outcome

    def change(self, before: Any, after: Any, action: Action = Action.UPDATE) -> Change:
        target = None if before is None else before.ref
        kind, source = type(before or after), Ref("ledger:1", "Invoice", "L1")
        name, connection = f"change-{action.name}", self.autotask.connection
        return Change(
            name, action, kind, connection, source, target, before=before, after=after
        )

    def calls(self) -> int:
        return sum(self.fake.calls.values())


@pytest.fixture
def desk() -> Desk:
    return Desk()


def paid(level: Settlement, on: date | None) -> Settlement:
    status = Status.SETTLED if on else Status.OPEN
    return evolve(level, paid_on=on, status=status)


# Reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 500])
def test_a_listing_is_read_to_its_end(size: int) -> None:
    """PF19: whatever the size of a page, each record once."""
    desk = Desk(page_size=size)
    ids = [desk.bill(f"INV-{each}") for each in range(5)]
    for kind in (Settlement, Invoice, Posting):
        assert [r.ref.id for r in desk.pages(kind, Everything())] == ids
        assert [r.ref.id for r in desk.fetched(kind, *ids)] == ids


def test_what_is_open_and_what_waits_to_be_handed_over(desk: Desk) -> None:
    """B112: through a day, inclusive; void ones not."""
    on = [date(2026, 3, each) for each in (30, 31)]
    first, last = (desk.bill(f"INV-{each}", on=each) for each in on)
    desk.bill("INV-LATER", on=date(2026, 4, 1))
    gone = desk.bill("INV-VOID", on=on[0])
    desk.fake.void_invoice(int(gone))
    nothing = desk.bill("INV-ZERO", "0", on=on[0])
    note = str(desk.fake.add_credit_note("CN-1", desk.ada, "20"))
    through = on[1]
    owed = [r.ref.id for r in desk.pages(Settlement, Open(through))]
    assert owed == [first, last]
    waiting = [r.ref.id for r in desk.pages(Posting, Unposted(through))]
    assert waiting == [first, last, nothing, note]
    bills = [r.ref.id for r in desk.pages(Invoice, Unposted(through))]
    assert bills == [first, last, nothing]
    assert [r.ref.id for r in desk.pages(CreditNote, Unposted(through))] == [note]


def test_a_void_invoice_is_seen(desk: Desk) -> None:
    gone = desk.bill("INV-1")
    desk.fake.void_invoice(int(gone))
    (level,) = desk.fetched(Settlement, gone)
    assert (level.status, level.balance) == (Status.VOID, Decimal(0))


def test_each_number_is_found_exactly(desk: Desk) -> None:
    """Other characters are values; a blank number is the id; case counts."""
    numbers = [
        *("O'Hara", 'a"b', "50%", "a&b", "<i>", "a\\b", "a,b", "a*b", "a_b"),
        *("Äß", "' or 1=1 --", "[x]", "{}", "x" * 100),
    ]
    for each in (*numbers, "inv-1"):
        desk.bill(each)
    blank = desk.bill(None)
    found = desk.fetched(Settlement, numbers=[*numbers, blank, "INV-1", "x" * 101])
    assert sorted(r.number for r in found) == sorted([*numbers, blank])


def test_each_invoice_is_in_the_currency_of_its_company() -> None:
    desk = Desk(multi_currency=True, currency="")
    for code in ("EUR", "JPY"):
        desk.fake.add_currency(code)
    owners = [desk.fake.add_customer(each, currency=each) for each in ("EUR", "JPY")]
    for each in (*owners, desk.ada):
        desk.fake.add_invoice(f"INV-{each}", each, "50", on=ON)
    levels = desk.pages(Settlement, Everything())
    assert [level.currency for level in levels] == ["EUR", "JPY", "USD"]
    customers = desk.pages(Customer, Everything())
    assert [customer.currency for customer in customers] == ["USD", "EUR", "JPY"]


@pytest.mark.parametrize("several", [False, True])
def test_the_declared_cost_is_the_cost(several: bool) -> None:
    """For a thousand invoices, of one line each."""
    desk = Desk(multi_currency=several)
    ids = [desk.bill(f"INV-{each}") for each in range(1000)]
    able = desk.autotask.capabilities
    for kind in (Settlement, Invoice, Posting):
        before = desk.calls()
        assert len([*desk.pages(kind, Everything())]) == 1000
        signing_in = before == 0
        cost = desk.calls() - before - signing_in
        assert cost == able.read_calls(kind, 1000)
        before = desk.calls()
        assert len(desk.fetched(kind, *ids)) == 1000
        assert desk.calls() - before == able.fetch_calls(kind, 1000)
    level = desk.fetched(Settlement, ids[0])[0]
    before = desk.calls()
    desk.write(level, paid(level, ON))
    assert desk.calls() - before == able.write_calls(Settlement, 1)


def test_changed_customers_are_those_from_an_instant_on(desk: Desk) -> None:
    desk.clock.sleep(60)
    since = desk.clock.now()
    bob = str(desk.fake.add_customer("Bob", "C2"))
    found = desk.pages(Customer, Changed(since))
    assert [customer.ref.id for customer in found] == [bob]


# Writing ---------------------------------------------------------------------------------


def test_the_paid_date_is_set_again_and_cleared(desk: Desk) -> None:
    """B20, B24: an absolute value."""
    bill = desk.bill("INV-1")
    (level,) = desk.fetched(Settlement, bill)
    day = date(2026, 3, 9)
    for _ in range(2):
        assert desk.write(level, paid(level, day)).state is State.APPLIED
        assert desk.fake.paid(int(bill)) == (Decimal(50), day)
    (level,) = desk.fetched(Settlement, bill)
    assert (level.paid_on, level.status) == (day, Status.SETTLED)
    assert desk.write(level, paid(level, None)).state is State.APPLIED
    assert desk.fake.paid(int(bill)) == (Decimal(0), None)
    held = desk.fake.invoice(int(bill))
    assert (held["invoiceNumber"], held["invoiceTotal"]) == ("INV-1", 50)


def test_an_invoice_is_handed_over_and_taken_back(desk: Desk) -> None:
    """B119, B134: also a credit note."""
    note = desk.fake.add_credit_note("CN-1", desk.ada, "20")
    for bill in (desk.bill("INV-1"), str(note)):
        (posting,) = desk.fetched(Posting, bill)
        handed = evolve(posting, on=desk.clock.now())
        assert desk.write(posting, handed).state is State.APPLIED
        assert desk.fetched(Posting, bill) == [handed]
        assert desk.write(handed, posting).state is State.APPLIED
        assert desk.fetched(Posting, bill) == [posting]


def test_documents_are_renumbered(desk: Desk) -> None:
    bill = desk.bill(None)
    (invoice,) = desk.fetched(Invoice, bill)
    wanted = evolve(invoice, number="N'1")
    assert desk.write(invoice, wanted).state is State.APPLIED
    assert desk.fetched(Invoice, numbers=["N'1"]) == [wanted]


def test_a_customer_is_made_changed_and_made_inactive(desk: Desk) -> None:
    new = Customer(Ref(desk.autotask.connection, "Customer", ""), "O'Hara", "C9")
    made = desk.write(None, new, Action.CREATE)
    assert made.ref is not None
    (held,) = desk.fetched(Customer, made.ref.id)
    assert (held.name, held.number, held.active) == ("O'Hara", "C9", True)
    after = evolve(held, name="O'Hara & Söhne")
    assert desk.write(held, after).state is State.APPLIED
    assert desk.fetched(Customer, numbers=[after.name])[0].number == "C9"
    assert desk.write(held, None, Action.VOID).state is State.APPLIED
    assert not desk.fetched(Customer, made.ref.id)[0].active


def test_what_is_gone_and_what_is_forbidden(desk: Desk) -> None:
    (level,) = desk.fetched(Settlement, desk.bill("INV-1"))
    gone = evolve(level, ref=Ref(level.ref.connection, "Invoice", "999"))
    outcome = desk.write(gone, paid(gone, ON))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.VANISHED)
    desk.fake.deny("Invoices/write")
    outcome = desk.write(level, paid(level, ON))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.PERMISSION_MISSING)
    desk.fake.deny("Invoices")
    assert "Invoices" in desk.session.check().missing[0]


def test_an_answer_that_is_lost_is_looked_for(desk: Desk) -> None:
    """PF1."""
    (level,) = desk.fetched(Settlement, desk.bill("INV-1"))
    change = desk.change(level, paid(level, ON))
    desk.fake.lose(1)
    (outcome,) = desk.session.run(desk.autotask.write([change]))
    assert outcome.state is State.UNKNOWN
    found = desk.session.run(desk.autotask.find([change]))
    assert [each.paid_on for each in found.records] == [ON]  # type: ignore[union-attr]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_write_that_failed_on_the_other_side_is_not_repeated(
    desk: Desk, status: int
) -> None:
    (level,) = desk.fetched(Settlement, desk.bill("INV-1"))
    desk.fake.fail(1, status, b"")
    before = desk.calls()
    assert desk.write(level, paid(level, ON)).state is State.UNKNOWN
    assert desk.calls() - before == 1


# Signing in ------------------------------------------------------------------------------


def test_a_database_that_moves_is_followed(desk: Desk) -> None:
    bill = desk.bill("INV-1")
    assert len(desk.fetched(Settlement, bill)) == 1
    desk.fake.expire()
    assert len(desk.fetched(Settlement, bill)) == 1


def test_keys_that_are_refused_are_told_after_one_look_at_the_zone(desk: Desk) -> None:
    bill = desk.bill("INV-1")
    assert len(desk.fetched(Settlement, bill)) == 1
    desk.fake.revoke()
    before = desk.calls()
    with pytest.raises(Fault) as caught:
        desk.fetched(Settlement, bill)
    assert caught.value.code is Code.SIGN_IN_REFUSED
    assert desk.calls() - before == 2
    assert not desk.session.check().signed_in


def test_a_busy_database_is_waited_for(desk: Desk) -> None:
    bill = desk.bill("INV-1")
    desk.fake.throttle(1, retry_after=7)
    assert len(desk.fetched(Settlement, bill)) == 1
    assert desk.clock.monotonic() == 7


def test_pages_that_loop_end(desk: Desk) -> None:
    desk.bill("INV-1")
    desk.fake.loop_pages()
    with pytest.raises(Fault) as caught:
        list(desk.pages(Settlement, Everything()))
    assert caught.value.code is Code.LOOPING_PAGES


# Whole syncs -----------------------------------------------------------------------------


class Books(tieout.LocalApp):
    """A ledger of one invoice of 50."""

    def __init__(self) -> None:
        self.paid: Decimal = Decimal(0)
        self.on: date | None = None

    def invoices(self, ids: Any, numbers: Any) -> Iterator[tieout.Bill]:
        yield tieout.Bill(
            id=1,
            number="INV-1",
            currency="USD",
            total="50.00",
            on=ON,
            paid_amount=self.paid,
            date_paid=self.on,
        )

    def changed(self, since: Any) -> Iterator[tieout.Bill]:
        return self.invoices((), ())


class Sync:
    """An engine over Autotask and the books."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.books = desk, Books()
        self.bill = int(desk.bill("INV-1"))
        self.engine = tieout.Engine(
            billing=desk.autotask,
            ledger=tieout.Local(self.books, connection="app:books"),
            store=tieout.MemoryStore(),
            transport={desk.autotask.connection: desk.fake},
            clock=desk.clock,
        )

    def run(self, paid: str, on: date | None) -> Any:
        self.books.paid, self.books.on = Decimal(paid), on
        return self.engine.sync_payments(since=date(2026, 3, 1))

    @property
    def shown(self) -> date | None:
        return self.desk.fake.paid(self.bill)[1]


def test_only_full_payment_is_carried_and_taken_back_with_it(desk: Desk) -> None:
    """B24, B122: a part payment is told and leaves the invoice alone."""
    sync = Sync(desk)
    report = sync.run("20", None)
    assert report.counts["unchanged"] == 1
    assert [each.code for each in report.issues] == [Code.PARTIAL_NOT_HELD]
    assert desk.fake.writes == 0
    assert sync.run("50", date(2026, 3, 9)).counts["updated"] == 1
    assert sync.shown == date(2026, 3, 9)
    assert sync.run("50", date(2026, 3, 9)).counts["unchanged"] == 1
    assert sync.run("20", None).counts["updated"] == 1
    assert sync.shown is None
    assert desk.fake.writes == 2


@pytest.mark.parametrize("day", [date(2026, 3, 9), None])
def test_a_sync_whose_answer_was_lost_comes_to_the_same(
    desk: Desk, day: date | None
) -> None:
    """PF1: what a look shows is what was wanted, and nothing is sent twice."""
    sync = Sync(desk)
    if day is None:
        sync.run("50", date(2026, 3, 9))
    paid = "50" if day else "20"
    desk.fake.lose(1)
    assert sync.run(paid, day).counts["unknown"] == 1
    writes = desk.fake.writes
    desk.clock.sleep(3600)
    assert sync.run(paid, day).ok
    assert sync.shown == day
    assert desk.fake.writes == writes
