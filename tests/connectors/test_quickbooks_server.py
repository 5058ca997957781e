"""QuickBooks Online against a server of its kind: whole syncs, long lists, lost answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from attrs import evolve

import tieout
from tieout.capabilities import Changed, Dated, Everything, Open, Select
from tieout.change import Action, Change, Outcome, State
from tieout.connectors.quickbooks import QuickBooks
from tieout.errors import Code
from tieout.evidence import believed, carries
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    Ref,
    Settlement,
    Status,
)
from tieout.session import Session
from tieout.stores.memory import MemoryStore
from tieout.testing.conformance import SetClock
from tieout.testing.fakes.quickbooks import FakeQuickBooks
from tieout.testing.fakes.quickbooks_books import Ways
from tieout.testing.fakes.quickbooks_fields import Refusal

START = datetime(2026, 3, 20, 12, tzinfo=UTC)
ON = date(2026, 3, 2)
MARK = "TO-ABCDEFGHIJKLM"
SEARCHED = {"Customer.PrintOnCheckName": True}
D = Decimal


class Office:
    """One company, and a session of the connector to it."""

    def __init__(self, ways: Ways | None = None, fake: Any = None, **ours: Any) -> None:
        self.clock = SetClock(START)
        self.fake = FakeQuickBooks(
            now=self.clock.now,
            realm="1234",
            ways=ways or Ways(filterable=SEARCHED),
            **(fake or {}),
        )
        given = {
            "realm_id": "1234",
            "client_id": "client",
            "client_secret": "secret",
            "refresh_token": "refresh-0",
            "item": "1",
        }
        self.quickbooks = QuickBooks(**{**given, **ours})
        self.session = Session(self.quickbooks, self.fake, MemoryStore(), self.clock)
        self.ada = self.fake.add_customer("Ada")

    def bill(self, number: str, total: str = "100", on: date = ON) -> str:
        return self.fake.add_invoice(number, self.ada, total, on=on)

    def pages(self, kind: Any, select: Select) -> Iterator[Any]:
        cursor = None
        while True:
            page = self.session.run(self.quickbooks.page(kind, select, cursor))
            assert page.issues == ()
            yield page
            if page.next is None:
                return
            cursor = page.next

    def read(self, kind: Any, select: Select) -> list[Any]:
        return [each for page in self.pages(kind, select) for each in page.records]

    def fetched(self, kind: Any, *ids: str) -> list[Any]:
        page = self.session.run(self.quickbooks.fetch(kind, ids=ids))
        assert page.issues == ()
        return [*page.records]

    def level(self, invoice: str) -> Settlement:
        (found,) = self.fetched(Settlement, invoice)
        assert isinstance(found, Settlement)
        return found

    def write(self, *changes: Change) -> list[Outcome]:
        flow = self.quickbooks.write(changes)
        return [
            believed(change, outcome)
            for change, outcome in zip(changes, self.session.run(flow), strict=True)
        ]

    def find(self, *changes: Change) -> list[Any]:
        return [*self.session.run(self.quickbooks.find(changes)).records]

    def ref(self, kind: str, identity: str = "") -> Ref:
        return Ref(self.quickbooks.connection, kind, identity)

    def change(
        self, after: Any = None, before: Any = None, *, name: str = "c", **more: Any
    ) -> Change:
        action = Action.CREATE if before is None else Action.UPDATE
        action = action if after is not None else Action.VOID
        kind: Any = type(after or before)
        number = getattr(after, "number", "")
        return Change(
            name,
            action,
            kind,
            self.quickbooks.connection,
            Ref("psa:1", kind.__name__, name),
            target=before.ref if before else None,
            before=before,
            after=after,
            number=number,
            mark=number if kind in (Invoice, CreditNote) else MARK,
            **{"key": f"key-{name}", **more},
        )

    def wanted(self, kind: Any, number: str = "N-1", **ends: str) -> Any:
        """A new record of a kind: of 100 for Ada, or between these ends."""
        ref, owner = self.ref(kind.__name__), self.ref("Customer", self.ada)
        if kind is Customer:
            return Customer(ref, f"Customer {number}", currency="USD")
        if kind in (Invoice, CreditNote):
            lines = (Line("Hours", D("100.00")),)
            head = (ref, number, owner, "USD", ON, D("100.00"), Status.OPEN)
            return kind(*head, lines=lines)
        target = self.ref("Invoice", ends["invoice"])
        credit = self.ref("CreditNote", ends.get("credit", ""))
        how = Part.CREDIT if kind is Application else Part.CASH
        put = Application(
            self.ref("Application"), credit, target, D(40), "USD", ON, how=how
        )
        if kind is Application:
            return put
        return Payment(
            ref, owner, "USD", ON, D(40), Status.SETTLED, applications=(put,)
        )


@pytest.fixture
def office() -> Office:
    return Office()


# Reading ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize("feed_rows", [0, 1, 950])
def test_everything_that_changed_is_read(size: int, feed_rows: int) -> None:
    """PF19: whatever the size of a page, by the feed or by the lists, ties or none."""
    office = Office(page_size=size, feed_rows=feed_rows)
    ids = [office.bill(f"INV-{each}") for each in range(3)]
    office.clock.advance(timedelta(minutes=1))
    late = Changed(office.clock.now())
    ids += [office.bill(f"INV-{each}") for each in range(3, 5)]
    office.fake.pay(ids[4], "30", ON)
    for select in (Changed(START), Everything(), Dated(ON, ON), Open()):
        assert {r.ref.id for r in office.read(Settlement, select)} == {*ids}
    assert {r.ref.id for r in office.read(Invoice, Changed(START))} == {*ids}
    assert {r.ref.id for r in office.read(Settlement, late)} == {*ids[3:]}


@pytest.mark.parametrize("newest_first", [False, True])
def test_more_than_the_feed_holds_is_read_from_the_lists(*, newest_first: bool) -> None:
    """PITFALLS templates#467: a thousand rows in one answer, and the rest cut off silently."""
    office = Office(Ways(newest_changes_first=newest_first))
    gone = office.bill("INV-GONE")
    ids = [office.bill(f"INV-{each}") for each in range(1100)]
    for each in ids:
        office.fake.pay(each, "30", ON)
    office.clock.advance(timedelta(seconds=1))
    office.fake.delete_invoice(gone)
    pages = list(office.pages(Settlement, Changed(START)))
    found = {r.ref.id: r for page in pages for r in page.records}
    assert {*ids} <= {*found}
    assert {r.settled_by[Part.CASH] for r in found.values()} == {D(30)}
    if newest_first:  # else the deletion is cut off: the sweep finds it
        assert pages[0].gone == (office.ref("Invoice", gone),)


def test_rows_that_move_while_they_are_read_are_not_lost() -> None:
    """Somebody edits the first invoice between two pages: it goes to the end."""
    office = Office(page_size=3, feed_rows=0)
    ids = []
    for each in range(8):
        ids.append(office.bill(f"INV-{each}"))
        office.clock.advance(timedelta(seconds=10))
    found: list[str] = []
    for page in office.pages(Invoice, Everything()):
        found += [r.ref.id for r in page.records]
        if len(found) == 3:
            for moved in ids[:2]:
                office.fake.edit_invoice(moved, PrivateNote="moved")
    assert {*found} == {*ids}


def test_the_thirty_days_of_the_feed(office: Office) -> None:
    """PF21: after a longer pause the lists are read, and nothing is missed."""
    first = office.bill("INV-1")
    office.clock.advance(timedelta(days=31))
    (found,) = office.read(Settlement, Changed(START))
    assert found.ref.id == first
    assert office.fake.calls["GET cdc"] == 1
    assert office.fake.calls["GET query"] == 2


def test_what_is_deleted_is_gone_and_what_is_voided_is_void(office: Office) -> None:
    """PF32: of a payment that is taken back the invoice itself tells."""
    deleted, void, paid = (office.bill(f"INV-{each}") for each in range(3))
    payment = office.fake.pay(paid, "100", ON)
    assert office.level(paid).status is Status.SETTLED
    office.clock.advance(timedelta(hours=1))
    since = office.clock.now()
    office.fake.delete_invoice(deleted)
    office.fake.void_invoice(void)
    office.fake.void_payment(payment)
    (page,) = office.pages(Settlement, Changed(since))
    assert page.gone == (office.ref("Invoice", deleted),)
    levels = {r.ref.id: r for r in page.records}
    assert levels[void].status is Status.VOID
    assert (levels[paid].status, levels[paid].paid) == (Status.OPEN, D(0))
    assert [p.status for p in office.fetched(Payment, payment)] == [Status.VOID]


def test_a_void_that_keeps_its_amounts_is_no_payment() -> None:
    """The one real sample of it: its balance of nothing would look like fully paid."""
    office = Office(Ways(void_keeps_amounts=True))
    void, other = office.bill("INV-1"), office.bill("INV-2")
    office.fake.void_invoice(void)
    page = office.session.run(office.quickbooks.fetch(Settlement, ids=[void, other]))
    assert [each.ref.id for each in page.records] == [other]
    (issue,) = page.issues
    assert (issue.code, issue.numbers) == (Code.UNKNOWN_STATUS, ("INV-1",))


def test_a_deposit_on_the_invoice_is_told(office: Office) -> None:
    made = office.fake.add_invoice("INV-1", office.ada, "100", on=ON, deposit="30")
    level = office.level(made)
    assert level.settled_by == {Part.CASH: D(30), Part.CREDIT: D(0)}
    assert (level.balance, level.last_on) == (D(70), ON)


def test_money_is_what_the_server_says_after_any_mixture() -> None:
    """PF40: cash, credits, journal entries, mixed payments, and what is taken back."""
    office, dice = Office(), Random(5)
    bills = [office.bill(f"INV-{each}", "500") for each in range(6)]
    notes = [
        office.fake.add_credit_note(f"CM-{each}", office.ada, "300", on=ON)
        for each in range(6)
    ]
    journal = office.fake.add_journal_credit(office.ada, "200", ON)
    payments, refusals = list[str](), 0
    for step in range(60):
        some = dice.sample(bills, 2)
        credit = dice.choice(notes)
        on = ON + timedelta(days=step)
        try:
            if step % 5 == 4 and payments:
                office.fake.delete_payment(payments.pop(dice.randrange(len(payments))))
            elif step % 5 == 3:
                payments.append(office.fake.allocate(credit, some[0], "7", on))
            elif step == 20:
                office.fake.allocate(journal, some[0], "9", on, kind="JournalEntry")
            else:
                puts = {some[0]: D(20), some[1]: D(15)}
                payments.append(
                    office.fake.add_payment(
                        office.ada, "31", on, invoices=puts, credits={credit: D(4)}
                    )
                )
        except Refusal:
            refusals += 1  # more than is owed, or than is left
        office.clock.advance(timedelta(minutes=1))
        for level in office.fetched(Settlement, *bills):
            paid, last = office.fake.paid(level.ref.id)
            assert sum(level.settled_by.values(), D(0)) == level.settled == paid
            assert level.paid_on == (None if level.balance else last)
    assert len(payments) > 10
    assert refusals < 20


@pytest.mark.parametrize(
    "ways",
    [
        Ways(fault_status=200),
        Ways(empty_has_paging=True),
        Ways(case_sensitive=True),
        Ways(refresh_rotates_after=86_400.0),
        Ways(retired_refresh_seconds=3600.0),
        Ways(throttle_status=403),
        Ways(bump_on_payment=False),
    ],
    ids=str,
)
def test_ways_that_are_not_sure_make_no_difference(ways: Ways) -> None:
    """A payment is found though its invoice's change time may stay."""
    office = Office(ways)
    first, second = office.bill("INV-1"), office.bill("inv-1x")
    office.clock.advance(timedelta(hours=2))
    office.fake.throttle()
    since = office.clock.now()
    office.fake.pay(second, "100", ON)
    (page,) = office.pages(Settlement, Changed(since))
    changed = {*(r.ref.id for r in page.records), *(ref.id for ref in page.touched)}
    assert changed == {second}
    numbers = office.session.run(
        office.quickbooks.fetch(Settlement, numbers=["INV-1", "INV-1X"])
    )
    assert [r.ref.id for r in numbers.records] == [first]
    odd = office.session.run(
        office.quickbooks.fetch(Settlement, numbers=["50 \u2013 60"])
    )
    told = [number for issue in odd.issues for number in issue.numbers]
    assert (odd.records, told) in (((), []), ((), ["50 \u2013 60"]))


# Whole syncs ------------------------------------------------------------------------


class Shop(tieout.LocalApp):
    """The billing side: some invoices, and what they show as paid."""

    def __init__(self, numbers: list[str]) -> None:
        self.shown: dict[str, tuple[Decimal, date | None]] = {}
        self.numbers = numbers

    def invoices(self, ids: Any, numbers: Any) -> Iterator[tieout.Bill]:
        for number in self.numbers:
            if number in numbers or number in {*map(str, ids)}:
                paid, on = self.shown.get(number, (D(0), None))
                yield tieout.Bill(
                    id=number,
                    number=number,
                    currency="USD",
                    total="100.00",
                    paid_amount=paid,
                    date_paid=on,
                )

    def set_paid(self, invoice: Settlement) -> None:
        self.shown[invoice.number] = (invoice.paid, invoice.paid_on)


def test_a_payment_sync_from_quickbooks(office: Office) -> None:
    """B17, B19, B24, B35: parts, fully paid, taken back; a second run does nothing."""
    numbers = [f"INV-{each}" for each in range(4)]
    bills = [office.bill(number) for number in numbers]
    shop = Shop(numbers)
    engine = tieout.Engine(
        billing=tieout.Local(shop, connection="app:shop"),
        ledger=office.quickbooks,
        transport={office.quickbooks.connection: office.fake},
        clock=office.clock,
    )
    office.fake.pay(bills[0], "30", date(2026, 3, 5))
    office.fake.pay(bills[0], "20", date(2026, 3, 6))
    payment = office.fake.pay(bills[1], "100", date(2026, 3, 7))
    credit = office.fake.add_credit_note("CM-1", office.ada, "60", on=ON)
    office.fake.allocate(credit, bills[2], "60", date(2026, 3, 8))
    office.fake.pay(bills[2], "40", date(2026, 3, 9))
    assert engine.sync_payments(since=date(2026, 3, 1)).ok
    assert shop.shown == {
        "INV-0": (D(50), None),
        "INV-1": (D(100), date(2026, 3, 7)),
        "INV-2": (D(100), date(2026, 3, 9)),
    }
    office.clock.advance(timedelta(hours=1))
    assert engine.sync_payments(since=tieout.Since.LAST_RUN).counts["updated"] == 0
    office.clock.advance(timedelta(hours=1))
    office.fake.void_payment(payment)
    before = sum(office.fake.calls.values())
    report = engine.sync_payments(since=tieout.Since.LAST_RUN)
    assert report.counts["updated"] == 1
    assert shop.shown["INV-1"] == (D(0), None)
    assert sum(office.fake.calls.values()) - before <= 2  # the feed; perhaps a sign-in


# Writing ----------------------------------------------------------------------------


def made(office: Office, kind: Any) -> Change:
    """A change that makes a record of a kind, with what it needs."""
    ends = {}
    if kind in (Payment, Application):
        ends = {"invoice": office.bill("INV-1")}
    if kind is Application:
        ends["credit"] = office.fake.add_credit_note("CM-1", office.ada, "60", on=ON)
    return office.change(office.wanted(kind, **ends))


KINDS = [Customer, Invoice, CreditNote, Payment, Application]


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_answer_is_found_once_and_a_repetition_makes_nothing_new(
    office: Office, kind: Any
) -> None:
    wanted = made(office, kind)
    office.session.run(office.quickbooks.check())
    if kind is Application:
        office.fake.lose()  # the look at the invoice is repeated
    office.fake.lose()
    (outcome,) = office.write(wanted)
    if kind is not Application:
        assert outcome.state is State.UNKNOWN
    office.clock.advance(timedelta(minutes=6))
    (found,) = office.find(wanted)
    assert carries(found, wanted.mark)
    (again,) = office.write(wanted)
    assert again.state is State.APPLIED
    assert again.ref == found.ref
    assert len(office.find(wanted)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_several_are_written_together_and_stand_there(
    office: Office, kind: Any
) -> None:
    changes = []
    for each in ("1", "2", "3"):
        ends = {}
        if kind in (Payment, Application):
            ends = {"invoice": office.bill(f"INV-{each}")}
        if kind is Application:
            ends["credit"] = office.fake.add_credit_note(
                f"CM-{each}", office.ada, "60", on=ON
            )
        after = office.wanted(kind, f"N-{each}", **ends)
        change = office.change(after, name=f"c-{each}")
        if kind not in (Invoice, CreditNote):
            change = evolve(change, mark=f"{MARK[:-1]}{each}")
        changes.append(change)
    before = sum(office.fake.calls.values())
    outcomes = office.write(*changes)
    assert [each.state for each in outcomes] == [State.APPLIED] * 3
    signing_in = before == 0
    cost = sum(office.fake.calls.values()) - before - signing_in
    assert cost == office.quickbooks.capabilities.write_calls(kind, 3)
    found = office.find(*changes)
    assert {each.ref for each in found} == {each.ref for each in outcomes}


def test_one_of_a_batch_that_is_refused_spoils_nothing(office: Office) -> None:
    """Numbers are taken, periods closed, customers inactive: each is told by itself."""
    office.bill("N-2")
    office.fake.lock_through(date(2026, 2, 28))
    sleepy = office.fake.add_customer("Sleepy")
    office.fake.edit_customer(sleepy, Active=False)
    wanted = [office.wanted(Invoice, f"N-{each}") for each in range(1, 6)]
    wanted[2] = evolve(wanted[2], on=date(2026, 2, 1))
    wanted[3] = evolve(wanted[3], customer=office.ref("Customer", sleepy))
    changes = [office.change(each, name=each.number) for each in wanted]
    outcomes = {each.name: each for each in office.write(*changes)}
    assert {name: each.code for name, each in outcomes.items()} == {
        "N-1": None,
        "N-2": Code.DUPLICATE_NUMBER,
        "N-3": Code.LOCKED_PERIOD,
        "N-4": Code.REFUSED,
        "N-5": None,
    }


def test_a_version_that_is_stale_is_not_overwritten(office: Office) -> None:
    """PF9: applying a payment moves the version of its invoice."""
    identity = office.bill("INV-1")
    (before,) = office.fetched(Invoice, identity)
    office.fake.pay(identity, "10", ON)
    after = evolve(before, due=date(2026, 5, 1))
    (outcome,) = office.write(office.change(after, before))
    assert (outcome.state, outcome.code) == (State.NOT_SENT, Code.STALE_VERSION)
    (fresh,) = office.fetched(Invoice, identity)
    (outcome,) = office.write(
        office.change(evolve(fresh, due=after.due), fresh, name="d")
    )
    assert outcome.state is State.APPLIED
    assert office.fetched(Invoice, identity)[0].due == date(2026, 5, 1)


def test_an_update_keeps_the_lines_and_what_is_not_ours(office: Office) -> None:
    identity = office.bill("INV-1")
    office.fake.edit_invoice(identity, CustomerMemo={"value": "Thanks"})
    (before,) = office.fetched(Invoice, identity)
    lines = (*before.lines, Line("More", D(20), item="2"))
    after = evolve(before, lines=lines, total=D(120), reference="PO 9")
    (outcome,) = office.write(office.change(after, before))
    assert outcome.state is State.APPLIED
    row = office.fake.invoice(identity)
    assert row["CustomerMemo"] == {"value": "Thanks"}
    assert (row["TotalAmt"], row["PrivateNote"]) == (120, "PO 9")
    (found,) = office.fetched(Invoice, identity)
    assert [line.item for line in found.lines] == ["1", "2"]


def test_a_payment_is_put_to_more_invoices(office: Office) -> None:
    first, second = office.bill("INV-1"), office.bill("INV-2")
    payment = office.fake.pay(first, "40", ON)
    (before,) = office.fetched(Payment, payment)
    put = evolve(before.applications[0], target=office.ref("Invoice", second))
    after = evolve(before, amount=D(80), applications=(*before.applications, put))
    (outcome,) = office.write(office.change(after, before))
    assert outcome.state is State.APPLIED
    assert [office.level(each).paid for each in (first, second)] == [D(40), D(40)]


def test_what_was_written_is_taken_back(office: Office) -> None:
    """Twice does no harm; a payment in a bank deposit is a person's to free."""
    invoice = office.bill("INV-1")
    credit = office.fake.add_credit_note("CM-1", office.ada, "60", on=ON)
    put = office.wanted(Application, invoice=invoice, credit=credit)
    (applied,) = office.write(office.change(put))
    assert office.level(invoice).settled_by[Part.CREDIT] == 40
    assert applied.ref is not None
    (before,) = office.fetched(Application, applied.ref.id)
    (undone,) = office.write(office.change(before=before, name="u"))
    assert undone.state is State.APPLIED
    assert office.level(invoice).settled == 0
    payment = office.fake.pay(invoice, "40", ON)
    deposit = office.fake.deposit([payment])
    (before,) = office.fetched(Payment, payment)
    (held,) = office.write(office.change(before=before, name="v"))
    assert (held.state, held.code) == (State.REJECTED, Code.REFUSED)
    assert "deposit" in held.remedy
    office.fake.remove_deposit(deposit)
    (before,) = office.fetched(Payment, payment)
    (undone,) = office.write(office.change(before=before, name="w"))
    assert undone.state is State.APPLIED
    (before,) = office.fetched(Invoice, invoice)
    (undone,) = office.write(office.change(before=before, name="x"))
    assert undone.state is State.APPLIED
    assert office.level(invoice).status is Status.VOID


@pytest.mark.parametrize("detaches", [False, True])
def test_voiding_an_invoice_with_payments_is_refused_or_detaches_them(
    *, detaches: bool
) -> None:
    office = Office(Ways(void_detaches_payments=detaches))
    invoice = office.bill("INV-1")
    office.fake.pay(invoice, "40", ON)
    (before,) = office.fetched(Invoice, invoice)
    (outcome,) = office.write(office.change(before=before))
    assert outcome.state is (State.APPLIED if detaches else State.REJECTED)
    level = office.level(invoice)
    assert level.status is (Status.VOID if detaches else Status.OPEN)


def test_a_credit_memo_is_deleted_only_where_that_is_allowed() -> None:
    office = Office(delete_credit_memos=True)
    credit = office.fake.add_credit_note("CM-1", office.ada, "60", on=ON)
    (before,) = office.fetched(CreditNote, credit)
    (outcome,) = office.write(office.change(before=before))
    assert outcome.state is State.APPLIED
    assert office.fetched(CreditNote, credit) == []
    (again,) = office.write(office.change(before=before, name="again"))
    assert again.code is Code.VANISHED


def test_credits_that_apply_themselves_are_warned_of_and_not_doubled() -> None:
    """PF42: the check says so; our application is refused, and the money is right."""
    office = Office(fake={"auto_apply_credit": True})
    invoice = office.bill("INV-1", "60")
    credit = office.fake.add_credit_note("CM-1", office.ada, "60", on=ON)
    notes = office.session.run(office.quickbooks.check()).notes
    assert [note for note in notes if "applies credits by itself" in note]
    put = office.wanted(Application, invoice=invoice, credit=credit)
    (outcome,) = office.write(office.change(put))
    assert outcome.state is State.REJECTED
    level = office.level(invoice)
    assert level.settled_by == {Part.CASH: D(0), Part.CREDIT: D(60)}


def test_a_customer_is_made_under_another_and_ends_inactive(office: Office) -> None:
    parent = office.ref("Customer", office.ada)
    wanted = evolve(office.wanted(Customer), parent=parent, email="a@example.com")
    (outcome,) = office.write(office.change(wanted))
    assert outcome.ref is not None
    (before,) = office.fetched(Customer, outcome.ref.id)
    assert (before.parent, before.email, before.active) == (parent, wanted.email, True)
    (ended,) = office.write(office.change(before=before, name="end"))
    assert ended.state is State.APPLIED
    assert not office.fetched(Customer, outcome.ref.id)[0].active
    taken = office.change(office.wanted(Customer), name="taken")
    office.fake.add_vendor("Customer N-1")
    (refused,) = office.write(taken)
    assert refused.code is Code.DUPLICATE_NUMBER
