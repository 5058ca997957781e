"""The event log: the ties can be made anew from it, and it is shortened without harm."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import define, evolve, field

import tieout
from bookkeeping import System
from offices import (
    BOTH,
    DAY,
    EVERY_WAY,
    HOUR,
    IN,
    NOTHING,
    OUT,
    SINCE,
    Offices,
    links_of,
)
from tieout.answers import Landed
from tieout.change import Action, Change
from tieout.errors import Code, ConfigError, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Link,
    Part,
    Payment,
    Status,
)
from tieout.replay import rebuilt
from tieout.settings import Fees
from tieout.store import Event, Expect, Fact, Gone, key
from worlds import DAY as A_DAY
from worlds import World, loses_answer


class Told(tieout.MemoryStore):
    """A store in which no tie is made or let go that the same commit does not tell."""

    def commit(self, *facts: Fact | Gone, expect: Iterable[Expect] = ()) -> bool:
        events = [each for each in facts if isinstance(each, Event)]
        told = {key(each.link): each.link for each in events if each.link}
        for fact in facts:
            if isinstance(fact, Link):
                assert told.get(key(fact)) == fact, fact
            elif isinstance(fact, Gone) and fact.kind is Link:
                let_go = {each.let_go.id for each in events if each.let_go}
                assert fact.key.rpartition("\x1f")[2] in let_go, fact
        return super().commit(*facts, expect=expect)


def in_any_order(events: Iterable[Event], dice: random.Random) -> list[Event]:
    """Events as a careless export may hand them over."""
    found = list(events)
    dice.shuffle(found)
    return found


# A long run ---------------------------------------------------------------------------------


@define
class Years:
    """Everything that happens between a shop and its books, as the dice fall."""

    dice: random.Random
    offices: Offices
    serial: int = 0
    fates: list[str] = field(
        factory=lambda: ["", "", "", "", "lost", "never", "refused"]
    )

    @property
    def owners(self) -> list[Customer]:
        """The shop's customers."""
        return [*self.offices.shop.of(Customer).values()]

    @property
    def open_bills(self) -> list[Invoice]:
        """The shop's invoices of which something is owed."""
        shop = self.offices.shop
        return [e for e in shop.of(Invoice).values() if shop.owed(e) > 0]

    def act(self) -> None:
        """One thing happens."""
        self.serial += 1
        acts: list[Callable[[], Any]] = [
            self.new_customer,
            self.new_invoice,
            self.new_invoice,
            self.new_invoice,
            self.edit,
            self.pay,
            self.pay,
            self.pay_with_fee,
            self.credit,
            self.apply_credit,
            self.void,
            self.take_back,
            self.there,
            self.bad_day,
            self.sync,
            self.sync,
            self.sync,
        ]
        self.dice.choice(acts)()

    def new_customer(self) -> None:
        self.offices.customer(f"C{self.serial}", f"Name {self.serial}")

    def new_invoice(self) -> None:
        if self.owners:
            owner = self.dice.choice(self.owners)
            self.offices.invoice(f"INV-{self.serial}", owner, self.dice.randint(2, 90))

    def edit(self) -> None:
        for bill in self.open_bills[:1]:
            self.offices.touch(bill)

    def pay(self) -> None:
        bills = self.open_bills[:2]
        owners = {bill.customer for bill in bills}
        if bills and len(owners) == 1 and bills[0].customer is not None:
            owner = self.offices.shop.get(bills[0].customer, Customer)
            self.offices.pay(owner, f"P-{self.serial}", **{e.ref.id: 1 for e in bills})

    def pay_with_fee(self) -> None:
        shop, bills = self.offices.shop, self.open_bills[:1]
        for bill in bills:
            ref = shop.ref(Payment)
            puts = (
                Application(
                    shop.ref(Application), ref, bill.ref, Decimal(1), "EUR", DAY
                ),
                Application(
                    shop.ref(Application),
                    ref,
                    ref,
                    Decimal(2),
                    "EUR",
                    DAY,
                    Part.OTHER,
                ),
            )
            paid = Payment(
                ref,
                bill.customer,
                "EUR",
                DAY,
                Decimal(3),
                Status.SETTLED,
                f"P-{self.serial}",
                applications=puts,
            )
            shop.of(Payment)[ref.id] = evolve(paid, changed_at=shop.now())
            for put in puts:
                shop.of(Application)[put.ref.id] = put

    def credit(self) -> None:
        if self.owners:
            note = CreditNote(
                self.offices.shop.ref(CreditNote),
                f"CN-{self.serial}",
                self.dice.choice(self.owners).ref,
                "EUR",
                DAY,
                Decimal(5),
                Status.OPEN,
                lines=(Line("less", Decimal(5)),),
            )
            self.offices.shop.put(note)

    def apply_credit(self) -> None:
        shop = self.offices.shop
        notes = [e for e in shop.of(CreditNote).values() if shop.left(e) > 0]
        for note in notes[:1]:
            bills = [e for e in self.open_bills if e.customer == note.customer]
            for bill in bills[:1]:
                ref = shop.ref(Application)
                put = Application(
                    ref, note.ref, bill.ref, Decimal(1), "EUR", DAY, Part.CREDIT
                )
                shop.apply(put)

    def void(self) -> None:
        shop = self.offices.shop
        free = [e for e in self.open_bills if shop.owed(e) == e.total]
        for bill in free[:1]:
            shop.void(bill.ref, Invoice)

    def take_back(self) -> None:
        shop = self.offices.shop
        for payment in shop.of(Payment).values():
            plain = all(
                put.target.kind == Invoice.__name__
                for put in shop.puts(source=payment.ref.id)
            )
            if plain and payment.status is not Status.VOID:
                shop.void(payment.ref, Payment)
                return

    def there(self) -> None:
        self.offices.entered(f"L-{self.serial}", 70, f"There {self.serial}")

    def bad_day(self) -> None:
        """Some answers are lost, some writes are refused, until the next sync."""
        fates = self.dice.choices(self.fates, k=7)

        def fate(change: Change) -> str:
            return fates[int(change.name, 16) % len(fates)]

        self.offices.ledger.fate = fate

    def sync(self) -> None:
        self.offices.sync(retry=self.dice.random() < 0.5)
        self.offices.ledger.fate = lambda change: ""


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("per_payment", [None, 1])
def test_the_log_alone_tells_what_is_tied_to_what(
    seed: int, per_payment: int | None
) -> None:
    """B143, B154: over a long mixed run, event by event, in whichever order they come."""
    rules = {
        "directions": {**EVERY_WAY, Invoice: BOTH},
        "updates": "update",
        "replace_payments": True,
        "fees": Fees(account="4900"),
    }
    offices = Offices(rules=rules, store=Told())
    offices.ledger.invoices_per_payment = per_payment
    years = Years(random.Random(seed), offices)
    for _ in range(120):
        years.act()
    for _ in range(3):
        offices.clock.advance(A_DAY)
        years.sync()
    held = links_of(offices.store)
    assert len(held) > 15
    assert len({link.role for link in held.values()}) > 1
    assert any(link.released for link in held.values())
    assert any(link.version > 1 for link in held.values())
    events = list(offices.engine().events())
    assert rebuilt(in_any_order(events, years.dice)) == held
    assert {"applied", "adopted"} < {event.what for event in events}


def test_levels_are_rebuilt_from_the_log_too() -> None:
    """B143, B154: owned payments, adopted ties, a tie that was let go, a person's answer."""
    world = World(billing={"owned": True})
    world.store = Told()
    papers = [world.both(f"INV-{n}", 50)[0] for n in range(6)]
    for paper in papers[:4]:
        world.ledger.apply(paper, 20)
    world.sync()
    world.clock.advance(HOUR)
    world.ledger.apply(papers[0], 30)
    world.ledger.void(papers[5])
    for piece in list(world.ledger.papers[papers[1]].pieces):
        world.ledger.undo(piece.id)
    world.ledger.void(papers[1])
    world.calls.at(3, loses_answer)
    for _ in range(4):
        world.sync()
        world.clock.advance(HOUR)
    again = world.ledger.add("INV-1", 50)
    world.ledger.apply(again, 10)
    world.sync()
    held = links_of(world.store)
    assert rebuilt(world.engine().events()) == held
    assert {link.released for link in held.values()} == {True, False}
    assert any(link.owned for link in held.values())


@pytest.mark.parametrize("side", ["shop:1", "book:1"])
def test_a_tie_that_moves_with_a_merged_customer_is_in_the_log(side: str) -> None:
    """B84, B143: which one it was tied to, and to which one it is."""
    way = OUT if side == "shop:1" else IN
    rules = {"directions": {**NOTHING, Customer: way}}
    offices = Offices(rules=rules, store=Told())
    here = System(offices.shop if side == "shop:1" else offices.book)
    if side == "shop:1":
        offices.billing = here
    else:
        offices.ledger = here
    old = here.books.put(Customer(here.books.ref(Customer), "Acme", "C1"))
    offices.sync()
    kept = here.books.put(Customer(here.books.ref(Customer), "Acme Inc", "C9"))
    here.merge(old, kept)
    offices.engine().sync_customers(SINCE)
    engine = offices.engine()
    (event,) = [e for e in engine.events() if e.what == "rekeyed"]
    assert (event.source, event.target) == (old.ref, kept.ref)
    assert event.link is not None
    assert event.link.on(side) == kept.ref
    assert (event.let_go is not None) is (side == "book:1")
    assert rebuilt(engine.events()) == links_of(offices.store)


def test_what_a_person_answers_is_in_the_log_with_the_tie() -> None:
    """B143: found among all the others, by time too, and not only by its number."""
    offices = Offices(store=Told())
    offices.invoice("INV-1", offices.customer())
    offices.ledger.fate = lambda c: "lost" if c.number == "INV-1" else ""
    offices.engine().sync_invoices(SINCE)
    (made,) = offices.book.of(Invoice).values()
    offices.book.of(Invoice)[made.ref.id] = evolve(made, total=Decimal(7))
    offices.clock.advance(HOUR)
    offices.ledger.fate = lambda c: ""
    offices.engine().sync_invoices(tieout.Since.LAST_RUN)
    (write,) = offices.engine().parked()
    offices.clock.advance(HOUR)
    begun = offices.clock.now()
    offices.engine().answer(write, Landed(made.ref.id), by="Ada")
    engine = offices.engine()
    (event,) = engine.events(since=begun, until=begun)
    assert (event.what, event.text) == (
        "adopted",
        f"Ada answered: landed as {made.ref.id}",
    )
    assert rebuilt(engine.events()) == links_of(offices.store)


def test_a_record_that_agrees_is_tied_once_and_told_once() -> None:
    """B143: looked at again, nothing is written, and the log does not grow."""
    offices = Offices(store=Told())
    bill = offices.invoice("INV-1", offices.customer())
    offices.sync()
    before = [*offices.engine().events()]
    for _ in range(3):
        offices.clock.advance(A_DAY)
        offices.engine().sync_invoices(SINCE, recheck=True)
    assert [*offices.engine().events()] == before
    world = World()
    world.both("INV-1", 50)
    world.sync()
    (tied,) = world.engine().events()
    assert (tied.what, tied.state, tied.numbers) == ("tied", None, ("INV-1",))
    assert bill.number == "INV-1"


# Shortened --------------------------------------------------------------------------------


def grown() -> Offices:
    """A month of daily changes to one invoice, and one that could not be carried."""
    rules = {"directions": EVERY_WAY, "updates": "update"}
    offices = Offices(rules=rules, store=Told())
    owner = offices.customer()
    bill = offices.invoice("INV-1", owner)
    offices.invoice("INV-2", owner)
    offices.entered("INV-2", 70, "Bolt")
    for _ in range(30):
        bill = offices.touch(bill)
        offices.sync()
        offices.clock.advance(A_DAY)
    return offices


def test_old_events_are_forgotten_and_why_is_on_record() -> None:
    """B143: how many, until when, by whom and for which reason."""
    offices = grown()
    engine = offices.engine()
    before = offices.clock.now() - timedelta(days=10)
    old = [e for e in engine.events() if e.at < before]
    count = engine.forget_events(before, "kept for 10 days by law", by="Ada")
    assert 0 < count < len(old)
    (note,) = [e for e in engine.events() if e.what == "forgotten"]
    assert note.text == (
        f"{count} events before {before:%Y-%m-%d %H:%M}, by Ada: kept for 10 days by law"
    )
    assert note.at == offices.clock.now()
    assert engine.forget_events(before, "again") == 0
    assert engine.forget_events(before - A_DAY, "and again") == 0
    assert len([e for e in engine.events() if e.what == "forgotten"]) == 1


def test_what_ties_and_open_issues_need_is_kept() -> None:
    """B143, B151: however old; nothing else is lost by it, and the next runs go on."""
    offices = grown()
    engine = offices.engine()
    now = offices.clock.now()
    held = links_of(offices.store)
    story = engine.why("INV-2").happened
    runs = [*engine.runs()]
    assert engine.forget_events(now, "all that can go") > 20
    left = [*engine.events()]
    assert rebuilt(left) == links_of(offices.store) == held
    assert len([e for e in left if "INV-1" in e.numbers]) == 1
    assert engine.why("INV-2").happened == story
    assert [*engine.runs()] == runs
    assert engine.why("INV-1").known
    offices.sync()
    assert offices.issues(number="INV-2")
    assert rebuilt(engine.events()) == links_of(offices.store)


def test_a_tie_that_was_let_go_stays_so() -> None:
    """B143: a caller ties an invoice to another document; the old tie comes back by nothing."""
    offices = Offices(store=Told())
    bill = offices.invoice("INV-1", offices.customer())
    offices.sync()
    other = offices.entered("B-1", 100)
    agreed = tieout.fingerprint(bill)
    named: dict[str, Any] = {
        "kind": Invoice,
        "connection": "book:1",
        "source": bill.ref,
    }
    keep = Change(
        "mine",
        Action.KEEP,
        target=other.ref,
        before=other,
        after=other,
        link_version=1,
        number="INV-1",
        agreed=agreed,
        **named,
    )
    engine = offices.engine()
    assert engine.apply(engine.plan_changes([keep])).counts["unchanged"] == 1
    held = links_of(offices.store)
    assert other.ref in {link.ledger for link in held.values()}
    (event,) = [e for e in engine.events() if e.let_go]
    assert event.what == "tied"
    assert rebuilt(engine.events()) == held
    assert engine.forget_events(offices.clock.now(), "all that can go") > 0
    assert rebuilt(engine.events()) == held
    assert event in [*engine.events()]


def test_every_page_of_a_long_log_is_looked_at() -> None:
    """B143: a thousand events at a time, each with its note in one transaction."""
    offices = Offices(store=Told())
    offices.invoice("INV-1", offices.customer())
    offices.sync()
    engine = offices.engine()
    event = next(engine.events(number="INV-1"))
    bare = evolve(event, link=None, source=None)
    engine._store.commit(*(evolve(bare, serial=10 + n) for n in range(2500)))
    held = len([*engine.events()])
    count = engine.forget_events(offices.clock.now(), "a test of pages")
    left = [*engine.events()]
    assert count == held - len(left) + 1 > 2500
    (note,) = [e for e in left if e.what == "forgotten"]
    assert note.text.startswith(f"{count} events")


@pytest.mark.parametrize(
    ("before", "reason", "words"),
    [
        (datetime(2026, 3, 1), "a reason", "time zone"),
        (datetime.max.replace(tzinfo=UTC), "a reason", "of the past"),
        (datetime(2026, 3, 1, tzinfo=UTC), "  ", "says why"),
    ],
)
def test_without_a_reason_or_of_the_future_nothing_is_forgotten(
    before: datetime, reason: str, words: str
) -> None:
    """B143: a clear refusal before anything is touched."""
    offices = grown()
    held = [*offices.engine().events()]
    with pytest.raises(ConfigError, match=words):
        offices.engine().forget_events(before, reason)
    assert [*offices.engine().events()] == held


def test_nothing_is_forgotten_under_a_run() -> None:
    """B160: whoever holds the pair writes its log."""
    offices = grown()
    other = offices.engine()._journal("documents", "somebody else's")
    other.acquire()
    with pytest.raises(Fault) as raised:
        offices.engine().forget_events(offices.clock.now(), "now")
    assert raised.value.code is Code.RUN_IN_PROGRESS
