"""All that is switched on, by one call: forced, scheduled, or one record at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from attrs import evolve

import tieout
from offices import DAY, EVERY_WAY, HOUR, IN, LEVELS, NOTHING, OUT, SINCE, Offices
from tieout import Progress, Severity
from tieout.errors import Code, ConfigError, Fault
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Payment,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.report import Report
from tieout.schedule import HOURLY, Schedule
from tieout.settings import Direction
from tieout.store import Ending, Intent, Lease, key_of
from worlds import NOON, Crash, Mortal, World, fails, unreached


def full() -> Offices:
    """A customer, three invoices, a credit note applied to one, and a payment of two."""
    offices = Offices()
    owner = offices.customer()
    one, two, _ = (offices.invoice(f"INV-{n}", owner) for n in (1, 2, 3))
    offices.pay(owner, "P-1", **{one.ref.id: 60, two.ref.id: 100})
    offices.clock.advance(HOUR)
    return offices


def books(offices: Offices) -> dict[str, int]:
    """How many records of each kind stand in the ledger."""
    kinds: tuple[RecordType, ...] = (Customer, Invoice, CreditNote, Payment)
    return {kind.__name__: len(offices.book.of(kind)) for kind in kinds}


# Forced -----------------------------------------------------------------------------------


def test_one_call_carries_all_that_is_switched_on_in_order() -> None:
    """B60, B139, B152: customers before invoices before payments, at any time."""
    offices = full()
    reports = offices.sync()
    assert [report.verb for report in reports] == [
        "customers",
        "invoices",
        "credit notes",
        "payment documents",
    ]
    assert books(offices) == {
        "Customer": 1,
        "Invoice": 3,
        "CreditNote": 0,
        "Payment": 1,
    }
    assert all(report.ok and report.complete for report in reports)
    writes = offices.book.writes
    offices.sync()
    assert offices.book.writes == writes


def test_only_what_is_final_is_carried() -> None:
    """B140: a draft is left, and is found once it is final; so is what is older."""
    offices = Offices()
    owner = offices.customer()
    draft = offices.invoice("INV-1", owner, status=Status.DRAFT)
    offices.invoice("INV-2", owner)
    offices.clock.advance(timedelta(days=9))
    offices.sync()
    assert [each.number for each in offices.book.of(Invoice).values()] == ["INV-2"]
    offices.shop.put(evolve(draft, status=Status.OPEN))
    offices.sync()
    assert books(offices)["Invoice"] == 2


def test_each_record_ends_carried_or_explained() -> None:
    """B141: of one that is refused, one that collides and one that waits, why; no silence."""
    offices = Offices()
    owner, other = offices.customer(), offices.customer("C2", "Bolt")
    bills = {
        number: offices.invoice(number, owner if number != "INV-4" else other)
        for number in ("INV-1", "INV-2", "INV-3", "INV-4")
    }
    offices.entered("INV-2", 70, "Zed")
    paid = offices.pay(owner, "P-1", **{bills["INV-3"].ref.id: 10})
    refused = {"INV-3", "C2"}
    offices.ledger.fate = lambda c: "refused" if c.number in refused else ""
    offices.sync()
    engine = offices.engine()
    open_ones = {row.issue.source: row.issue.code for row in engine.issues()}
    assert open_ones == {
        bills["INV-2"].ref: Code.NUMBER_MEANS_ANOTHER_DOCUMENT,
        bills["INV-3"].ref: Code.REFUSED,
        bills["INV-4"].ref: Code.WAITS,
        other.ref: Code.REFUSED,
        paid.ref: Code.WAITS,
    }
    every: list[Any] = [*bills.values(), owner, other, paid]
    tied = set(engine._reader().ties((each.ref, "") for each in every))
    assert {ref for ref, _ in tied} | {*open_ones} == {each.ref for each in every}


def test_a_forced_sync_tries_again_what_was_put_right_over_there() -> None:
    """B139, B146: nothing changed in billing, and the next scheduled one would wait."""
    offices = full()
    offices.ledger.locked_through = DAY
    offices.sync()
    locked = [row.issue.code for row in offices.issues()]
    assert locked == [Code.LOCKED_PERIOD] * 4
    offices.ledger.locked_through = None
    offices.sync(retry=False)
    assert books(offices)["Invoice"] == 0
    offices.sync()
    assert offices.issues() == []
    assert (books(offices)["Invoice"], books(offices)["Payment"]) == (3, 1)


def test_levels_are_forced_too() -> None:
    """B139, B140: a level that is held is compared once more."""
    world = World()
    paper, _ = world.both("INV-1", 50)
    world.ledger.add("INV-2", 50)
    world.ledger.apply(paper, 50)
    world.ledger.apply("L2", 20)
    world.engine().sync_now(SINCE)
    (row,) = world.engine().issues()
    assert row.issue.code is Code.NOT_IN_BILLING
    late = world.billing.add("INV-2", 50)
    world.clock.advance(timedelta(days=3))
    (report,) = world.engine().sync_now(retry=False)
    assert report.window == "last successful run"
    assert world.billing.shows(late)[0] == 0
    world.engine().sync_now()
    assert world.billing.shows(late)[0] == 20
    assert list(world.engine().issues()) == []


def test_a_kind_that_had_no_run_yet_begins_where_the_caller_says() -> None:
    """B60, B139: and the others where they were."""
    offices = full()
    offices.rules = {"directions": {Settlement: Direction.OFF, Customer: OUT}}
    offices.sync()
    offices.rules = {"directions": EVERY_WAY}
    reports = offices.sync()
    assert [report.window for report in reports] == [
        "from 2026-03-01",  # a way was added: into billing
        "from 2026-03-01",
        "from 2026-03-01",
        "from 2026-03-01",
    ]
    assert {report.window for report in offices.sync()} == {"last successful run"}


def test_what_is_switched_off_does_nothing() -> None:
    """B53, B58: no flow, no call; one flow, and nothing of the others."""
    offices = full()
    offices.rules = {"directions": NOTHING}
    assert offices.sync() == ()
    assert (offices.billing.calls, offices.ledger.calls) == (0, 0)
    assert [*offices.engine().runs()] == []
    with pytest.raises(ConfigError, match="switched off"):
        offices.engine().sync_invoices(SINCE)
    with pytest.raises(ConfigError, match="switched off"):
        offices.engine().push(Ref("shop:1", "Invoice", "i2"))
    with pytest.raises(ConfigError, match="switched off"):
        offices.engine().sync_payments(SINCE)
    offices.rules = {"directions": {Settlement: Direction.OFF, Customer: OUT}}
    offices.sync()
    assert books(offices) == {
        "Customer": 1,
        "Invoice": 0,
        "CreditNote": 0,
        "Payment": 0,
    }


def test_one_kind_that_fails_does_not_stop_the_others() -> None:
    """B106, B155: each kind's report says how it ended; so does the list of runs."""
    offices = full()
    offices.ledger.fate = broken("Invoice", Code.SERVER_ERROR)
    reports = offices.sync()
    assert [report.code for report in reports] == [None, Code.SERVER_ERROR, None, None]
    assert [(run.task, run.code) for run in offices.engine().runs()][1] == (
        "invoices",
        Code.SERVER_ERROR,
    )
    offices.ledger.fate = lambda change: ""
    offices.sync()
    assert offices.issues() == []


def broken(kind: str, code: Code) -> Callable[[Any], str]:
    """A connection that fails whoever writes a kind."""

    def fate(change: Any) -> str:
        if change.kind.__name__ == kind:
            raise Fault(code, "no")
        return ""

    return fate


@pytest.mark.parametrize("code", [Code.SIGN_IN_REFUSED, Code.RECONNECT_NEEDED])
def test_a_password_that_is_refused_is_not_tried_for_each_kind(code: Code) -> None:
    """B56: some systems lock a user out after a few tries."""
    offices = full()
    offices.ledger.fate = broken("Customer", code)
    (report,) = offices.sync()
    assert report.code is code


def test_a_forced_sync_can_be_stopped() -> None:
    """B160: between two steps; the rest is there the next time."""
    offices = full()
    asked = iter([False, False])
    reports = offices.sync(stop=lambda: next(asked, True))
    assert [report.ending for report in reports] == [Ending.STOPPED]
    assert len(offices.sync()) == 4
    assert books(offices)["Payment"] == 1


# By schedule ------------------------------------------------------------------------------


def test_the_schedule_syncs_hourly_and_tells_when(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """B59, B142, B148: what changed meanwhile goes out; its outcome is read later."""
    offices = full()
    engine = offices.engine()
    work = partial(engine.sync_now, SINCE, retry=False)
    schedule = Schedule(work, clock=offices.clock)
    assert schedule.every == HOURLY
    assert schedule.now()
    assert schedule.last == offices.clock.now()
    assert [report.verb for report in schedule.result][1] == "invoices"
    offices.invoice("INV-4", next(iter(offices.shop.of(Customer).values())))
    offices.clock.advance(HOUR)
    assert schedule.now()
    assert books(offices)["Invoice"] == 4
    last = offices.engine().last_runs()
    assert last["invoices"].ended_at == offices.clock.now() == schedule.last
    assert last["invoices"].counts["created"] == 1
    run = next(r for r in offices.engine().runs() if r.id == last["invoices"].id)
    (event, *_) = offices.engine().events(run=run.id)
    assert event.numbers == ("INV-4",)


def test_a_sync_by_hand_and_a_scheduled_one_never_meet() -> None:
    """B62, B160: whoever comes second is told so, and nothing of it is sent."""
    offices = full()
    engine, inside = offices.engine(), list[str]()

    def meanwhile(row: Progress) -> None:
        try:
            offices.engine().sync_now(SINCE)
        except Fault as fault:
            inside.append(fault.code.name)

    calls: list[tuple[Report, ...]] = []
    schedule = Schedule(
        lambda stop: calls.append(
            engine.sync_now(SINCE, stop=stop, on_progress=meanwhile)
        ),
        clock=offices.clock,
    )
    assert schedule.now()
    assert {*inside} == {"RUN_IN_PROGRESS"}
    assert books(offices) == {
        "Customer": 1,
        "Invoice": 3,
        "CreditNote": 0,
        "Payment": 1,
    }
    undisturbed = full()
    undisturbed.sync()
    assert offices.book.writes == undisturbed.book.writes


def test_a_scheduled_run_that_meets_another_notes_it_and_goes_on() -> None:
    """B62, B148: it is no failure of the schedule."""
    offices = full()
    other = offices.engine()._journal("documents", "somebody else's")
    other.acquire()
    schedule = Schedule(offices.engine().sync_now, clock=offices.clock)
    assert schedule.now()
    assert schedule.trouble.startswith("RUN_IN_PROGRESS")
    other.release()
    assert schedule.now()
    assert schedule.trouble == ""


def test_a_scheduled_run_is_stopped_between_two_steps() -> None:
    """B160: by the schedule's own end."""
    offices = full()
    engine = offices.engine()
    begun, told = threading.Event(), list[Report]()

    def work(*, stop: Callable[[], bool]) -> None:
        def halt() -> bool:
            begun.set()
            threading.Event().wait(0.01)
            return stop()

        told.extend(engine.sync_now(SINCE, stop=halt))

    with Schedule(work, clock=offices.clock):
        assert begun.wait(10)
    assert told[-1].ending in (Ending.STOPPED, Ending.DONE)
    lease = offices.store.get(Lease, [engine.pair])[engine.pair]
    assert lease.until <= offices.clock.now()


# At once ----------------------------------------------------------------------------------


def test_what_happens_in_billing_is_pushed_at_once() -> None:
    """B61: one record and the customer that it names; nothing else is read or written."""
    offices = full()
    bill = offices.shop.of(Invoice)["i3"]
    report = offices.engine().push(bill)
    assert report.ok
    assert books(offices) == {
        "Customer": 1,
        "Invoice": 1,
        "CreditNote": 0,
        "Payment": 0,
    }
    assert offices.engine().push(bill.ref).counts["unchanged"] == 1
    assert not report.marker_moved


@pytest.mark.parametrize("outcome", ["", "refused", "lost", "never"])
def test_what_was_pushed_ends_carried_or_explained(outcome: str) -> None:
    """B61, B141: also where the answer is lost."""
    offices = full()
    offices.sync()
    bill = offices.invoice("INV-4", next(iter(offices.shop.of(Customer).values())))
    offices.ledger.fate = lambda change: outcome
    report = offices.engine().push(bill)
    rows = offices.issues(number="INV-4")
    assert report.ok is (outcome != "refused")
    assert [row.issue.code for row in rows] == {
        "": [],
        "refused": [Code.REFUSED],
        "lost": [Code.OUTCOME_UNKNOWN],
        "never": [Code.OUTCOME_UNKNOWN],
    }[outcome]
    offices.ledger.fate = lambda change: ""
    offices.clock.advance(HOUR)
    offices.sync()
    assert offices.issues() == []
    assert books(offices)["Invoice"] == 4


def test_a_payment_and_its_parts_can_be_pushed() -> None:
    """B61: an application is carried with the payment that it is a part of."""
    offices = full()
    offices.sync()
    (paid,) = offices.shop.of(Payment).values()
    shown = offices.shop.shown(paid)
    report = offices.engine().push(shown.applications[0])
    assert report.verb == "payment documents"
    assert (report.counts["unchanged"], report.ok) == (1, True)
    with pytest.raises(ConfigError, match="not there any more"):
        offices.engine().push(Ref("shop:1", "Application", "gone"))
    with pytest.raises(ConfigError, match="not carried on their own"):
        offices.engine().push(Ref("shop:1", "Posting", "i2"))


def test_what_came_from_the_ledger_is_not_sent_back() -> None:
    """B63, B92: our own write is no news, whoever announces it."""
    offices = Offices()
    offices.rules = {"directions": {**EVERY_WAY, Invoice: Direction.BOTH}}
    offices.entered("INV-9", 70, "Zed")
    offices.clock.advance(HOUR)
    offices.sync()
    (bill,) = offices.shop.of(Invoice).values()
    writes = offices.book.writes
    report = offices.engine().push(bill)
    assert (report.ok, report.counts["skipped"]) == (True, 1)
    offices.sync()
    assert offices.book.writes == writes


def test_a_ledger_invoice_is_pushed_as_what_was_paid_of_it() -> None:
    """B61: where levels are carried, and the invoices themselves are not."""
    world = World()
    paper, bill = world.both("INV-1", 50)
    world.both("INV-2", 50)
    world.ledger.apply(paper, 20)
    world.ledger.apply("L2", 20)
    report = world.engine().push(world.ledger.ref(paper))
    assert report.verb == "payments"
    shown: dict[str, Any] = dict(world.billing.all())
    assert shown == {"INV-1": (20, None), "INV-2": (0, None)}
    world.ledger.apply(paper, 30)
    world.engine().push(world.ledger.level(world.ledger.papers[paper]))
    assert world.billing.shows(bill)[0] == 50
    with pytest.raises(ConfigError, match="switched off"):
        world.engine().push(Ref("shop:billing", "Invoice", bill))


def test_a_ledger_invoice_that_is_carried_itself_is_pushed_as_a_document() -> None:
    """B47, B61: where both could be meant, the record itself is."""
    offices = Offices(rules={"directions": {**NOTHING, Customer: IN, Invoice: IN}})
    paper = offices.entered("INV-9", 70, "Zed")
    assert offices.engine().push(paper).verb == "invoices into billing"
    assert len(offices.shop.of(Invoice)) == 1


# During and after -------------------------------------------------------------------------


def test_results_come_row_by_row_and_are_summed_up() -> None:
    """B126, B127, B128, B129, B164: progress, lights, totals, and each error in full."""
    offices = full()
    offices.ledger.fate = lambda c: "refused" if c.number == "INV-2" else ""
    rows: list[tuple[Progress, int]] = []
    reports = offices.engine().sync_now(
        SINCE, on_progress=lambda row: rows.append((row, offices.book.writes))
    )
    told = [(row.number, row.what, row.light) for row, _ in rows]
    green, red, yellow = Severity.GREEN, Severity.RED, Severity.YELLOW
    assert told == [
        ("C1", "created", green),
        ("INV-1", "created", green),
        ("INV-3", "created", green),
        ("INV-2", "failed", red),
        ("INV-1, INV-2, P-1", "failed", yellow),
    ]
    assert [writes for _, writes in rows] == [1, 3, 3, 3, 3]
    assert rows[3][0].text == f"INV-2: no. {Code.REFUSED.remedy}"
    invoices = reports[1]
    assert (invoices.counts["created"], invoices.counts["failed"]) == (2, 1)
    assert (invoices.red, invoices.yellow, invoices.ok) == (1, 0, False)
    assert (reports[3].red, reports[3].yellow, reports[3].ok) == (0, 1, True)
    later = offices.engine()
    assert [str(issue) for issue in invoices.issues] == [rows[3][0].text]
    assert {e.state for e in later.events(run=invoices.run) if e.code} == {
        tieout.State.REJECTED
    }


def test_every_run_is_on_record_with_who_and_what() -> None:
    """B155: who, when, what, the window, the counts and how it ended, also where it failed."""
    offices = full()
    offices.engine(profile="ada@desk").sync_now(SINCE)
    runs = list(offices.engine().runs())
    assert [run.task for run in runs] == [
        "customers and customers into billing",
        "invoices",
        "credit notes",
        "payment documents and payment documents into billing",
    ]
    assert {run.profile for run in runs} == {"ada@desk"}
    assert {run.window for run in runs} == {"from 2026-03-01"}
    assert [run.started_at for run in runs] == sorted(run.started_at for run in runs)
    assert runs[1].counts["created"] == 3
    assert all(run.ending is Ending.DONE and run.ended_at for run in runs)


def test_the_last_runs_are_those_that_say_how_things_stand() -> None:
    """B59, B155: a run of one record neither hides a failure nor stands for the rest."""
    world = World()
    paper, _ = world.both("INV-1", 50)
    world.ledger.apply(paper, 20)
    engine = world.engine()
    engine.push(world.ledger.ref(paper))
    assert engine.last_runs() == {}
    world.calls.at(0, fails(unreached()))
    engine.push(world.ledger.ref(paper))
    assert engine.last_runs()["payments"].code is Code.NOT_REACHED
    engine.push(world.ledger.ref(paper))
    assert engine.last_runs()["payments"].code is None
    world.calls.at(1, fails(unreached()))
    world.sync()
    failed = engine.last_runs()["payments"]
    assert (failed.code, failed.remedy) == (
        Code.NOT_REACHED,
        Code.NOT_REACHED.remedy,
    )
    world.clock.advance(HOUR)
    engine.push(world.ledger.ref(paper))
    assert engine.last_runs()["payments"] == failed
    world.sync()
    assert engine.last_runs()["payments"].ended_at == NOON + HOUR
    world.clock.advance(timedelta(days=40))
    assert engine.last_runs() == {}
    assert len(list(engine.runs())) == 6


def test_a_crash_leaves_a_state_from_which_the_next_sync_goes_on() -> None:
    """B142, B160: at whichever commit the process ends, nothing is doubled or lost."""
    for dies_at in range(40):
        offices = full()
        store = Mortal(offices.store, dies_at=dies_at)
        try:
            offices.engine(store=store).sync_now(SINCE)
        except Crash:
            offices.clock.advance(HOUR)
            offices.sync()
            offices.sync()
            assert books(offices) == {
                "Customer": 1,
                "Invoice": 3,
                "CreditNote": 0,
                "Payment": 1,
            }, dies_at
            assert offices.issues() == []
            open_ones = key_of(offices.engine().pair, "documents")
            assert offices.store.find(Intent, "open", open_ones) == []
            continue
        return
    raise AssertionError("it never ran to its end")


def test_levels_alone_are_one_run() -> None:
    """B53: documents are off unless somebody switches them on."""
    world = World()
    assert world.settings.directions == LEVELS
    (report,) = world.engine().sync_now(SINCE)
    assert report.verb == "payments"
