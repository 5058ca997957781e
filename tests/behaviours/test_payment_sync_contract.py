"""B34: what the payment sync does on any pair of systems, the same on each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from stages import PAIRS, Stage

import tieout
from tieout import Since
from tieout.errors import Code, ConfigError
from worlds import DAY, LONG_AGO, TODAY

NOTHING = (Decimal(0), None)


@pytest.fixture(params=list(PAIRS))
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """One pair of systems after another."""
    made = PAIRS[request.param]()
    yield made
    made.close()


def sync(stage: Stage, since: Any = LONG_AGO, **arguments: Any) -> tieout.Report:
    """One run in a process of its own."""
    with stage.engine() as engine:
        return engine.sync_payments(since, **arguments)


def test_total_and_date_arrive_on_the_billing_invoice(stage: Stage) -> None:
    """B1, B2, B3, B16-B19, B34: 30 and 20 make 50, dated by the one that closed it."""
    stage.invoice("I1", 50, on=TODAY - 9 * DAY)
    stage.pay("I1", 30, TODAY - 5 * DAY)
    stage.pay("I1", 20, TODAY - 2 * DAY)
    report = sync(stage)
    assert report.ok
    assert stage.shows("I1") == stage.holds(50, TODAY - 2 * DAY)
    assert stage.ledger_writes() == 0
    assert report.counts["updated"] == 1
    assert str(report.totals["USD"]) == "50.00 USD"


def test_a_partial_payment_sets_the_amount_and_no_date(stage: Stage) -> None:
    """B35: the date stays empty until nothing is owed."""
    stage.invoice("I1", 100)
    stage.pay("I1", 30)
    sync(stage)
    assert stage.shows("I1") == stage.holds(30, None)
    stage.clock.advance(timedelta(minutes=1))
    stage.pay("I1", 70)
    stage.clock.advance(timedelta(minutes=1))
    sync(stage, Since.LAST_RUN)
    assert stage.shows("I1") == stage.holds(100, TODAY)


def test_the_same_payment_synced_twice_in_a_day_is_there_once(stage: Stage) -> None:
    """B20, B23: a level is set, never added, and a second run writes nothing."""
    stage.invoice("I1", 50)
    stage.pay("I1", 50)
    sync(stage)
    writes = stage.billing_writes()
    for since in (TODAY, LONG_AGO, Since.LAST_RUN, Since.PAST_MONTH):
        report = sync(stage, since)
        assert report.counts["updated"] == 0
        assert stage.shows("I1") == stage.holds(50, TODAY)
    assert stage.billing_writes() == writes


def test_a_payment_taken_back_lowers_the_amount_and_clears_the_date(
    stage: Stage,
) -> None:
    """B24: 100 paid, 60 of it taken back: 40 and no date; then nothing at all."""
    stage.invoice("I1", 100)
    stage.pay("I1", 40)
    stage.pay("I1", 60)
    sync(stage)
    assert stage.shows("I1") == stage.holds(100, TODAY)
    stage.clock.advance(DAY)
    stage.take_back("I1")
    sync(stage, TODAY)
    assert stage.shows("I1") == stage.holds(40, None)
    stage.clock.advance(DAY)
    stage.take_back("I1")
    sync(stage, TODAY)
    assert stage.shows("I1") == NOTHING


def test_a_voided_invoice_shows_nothing_paid(stage: Stage) -> None:
    """Decision on B36: after something was written, void takes it back, in yellow."""
    stage.invoice("I1", 100)
    stage.pay("I1", 100)
    sync(stage)
    stage.clock.advance(DAY)
    stage.void("I1")
    report = sync(stage, TODAY)
    assert report.ok
    assert stage.shows("I1") == NOTHING
    assert Code.VOIDED_AFTER_PAYMENT in {issue.code for issue in report.issues}


def test_a_void_invoice_that_was_never_tied_is_of_no_concern(stage: Stage) -> None:
    """Decision on B36: void before anything was written: skipped, nothing is said."""
    stage.invoice("I1", 100)
    stage.void("I1")
    report = sync(stage)
    assert report.counts["skipped"] == 1
    assert stage.shows("I1") == NOTHING
    assert list(report.issues) == []


def test_invoices_that_billing_does_not_know_do_not_stop_the_run(stage: Stage) -> None:
    """B38-B43: each is named, counted and yellow; the others are carried; the marker moves."""
    for number in ("HAND-1", "HAND-2"):
        stage.invoice(number, 50, exported=False)
        stage.pay(number, 50)
    stage.invoice("I1", 50)
    stage.invoice("I2", 50)
    stage.pay("I1", 50)
    report = sync(stage)
    assert report.ok
    assert report.marker_moved
    assert report.counts["updated"] == 1
    assert report.counts["unchanged"] == 1
    assert report.counts["not found"] == 2
    assert report.counts["failed"] == 0
    assert (report.red, report.yellow) == (0, 2)
    unknown = [issue for issue in report.issues if issue.code is Code.NOT_IN_BILLING]
    assert {issue.numbers for issue in unknown} == {("HAND-1",), ("HAND-2",)}
    assert stage.shows("I1") == stage.holds(50, TODAY)


def test_an_unknown_invoice_is_looked_up_again_only_when_it_changes(
    stage: Stage,
) -> None:
    """Decision on B42: LAST_RUN asks billing nothing about it until its money moves."""
    stage.invoice("HAND-1", 50, exported=False)
    sync(stage)
    before = stage.calls()
    report = sync(stage, Since.LAST_RUN)
    assert report.counts["not found"] == 1
    quiet = stage.calls() - before
    stage.clock.advance(timedelta(minutes=1))
    stage.pay("HAND-1", 50)
    stage.clock.advance(timedelta(minutes=1))
    before = stage.calls()
    sync(stage, Since.LAST_RUN)
    assert stage.calls() - before > quiet or stage.free


def test_every_start_that_reaches_the_change_ends_the_same(stage: Stage) -> None:
    """B4, B10, B22: and one far back also repairs what somebody changed by hand."""
    stage.invoice("I1", 50)
    stage.pay("I1", 50)
    now = stage.clock.now()
    starts = [
        TODAY,
        now - timedelta(hours=1),
        Since.PAST_WEEK,
        Since.PAST_TWO_WEEKS,
        Since.PAST_MONTH,
        TODAY - 4000 * DAY,
    ]
    spoilt: tuple[Decimal, date | None] = NOTHING
    for since in starts:
        sync(stage, since)
        assert stage.shows("I1") == stage.holds(50, TODAY)
        spoilt = stage.spoil("I1")
        assert spoilt != stage.holds(50, TODAY)
    sync(stage, Since.LAST_RUN)
    # What costs nothing to read is compared in every run.
    assert stage.shows("I1") == (stage.holds(50, TODAY) if stage.free else spoilt)


def test_rechecking_can_be_asked_for_and_done_without(stage: Stage) -> None:
    """Decision on B17: ``recheck=`` overrides what the kind of start would do."""
    stage.invoice("I1", 50)
    stage.pay("I1", 50)
    sync(stage)
    spoilt = stage.spoil("I1")
    sync(stage, recheck=False)
    assert stage.shows("I1") == spoilt
    sync(stage, Since.LAST_RUN, recheck=True)
    assert stage.shows("I1") == stage.holds(50, TODAY)


def test_what_is_selected_is_what_changed_not_what_is_dated(stage: Stage) -> None:
    """B11, B12: an old invoice paid today is in; a new one on which nothing moved is out."""
    stage.invoice("OLD", 50, on=date(2024, 5, 5))
    stage.invoice("NEW", 50, on=TODAY + 2 * DAY)
    stage.clock.advance(2 * DAY)
    stage.pay("OLD", 50, TODAY)
    report = sync(stage, TODAY + 2 * DAY)
    assert stage.shows("OLD") == stage.holds(50, TODAY)
    assert report.counts["updated"] + report.counts["unchanged"] == 1


def test_a_run_without_a_marker_names_the_choices(stage: Stage) -> None:
    """B13: no last run yet: refused before any call, with what can be chosen instead."""
    before = stage.calls()
    with pytest.raises(ConfigError, match=r"PAST_WEEK.*PAST_MONTH or a date"):
        sync(stage, Since.LAST_RUN)
    assert stage.calls() == before


@pytest.mark.parametrize("ahead", [timedelta(days=2), timedelta(days=400)])
def test_a_start_in_the_future_is_refused_before_any_call(
    stage: Stage, ahead: timedelta
) -> None:
    """B14: a date or an instant to come."""
    before = stage.calls()
    for since in (TODAY + ahead, stage.clock.now() + ahead):
        with pytest.raises(ConfigError, match="future"):
            sync(stage, since)
        with pytest.raises(ConfigError, match="future"), stage.engine() as engine:
            engine.plan_payments(since)
    assert stage.calls() == before


def test_looking_first_writes_nothing_and_applying_does_it(stage: Stage) -> None:
    """B154, B158: a plan is a look; applied, it ends like a run; applied again, it is stale."""
    stage.invoice("I1", 50)
    stage.invoice("I2", 100)
    stage.pay("I1", 50)
    stage.pay("I2", 30)
    with stage.engine() as engine:
        plan = engine.plan_payments(LONG_AGO)
        assert stage.billing_writes() == 0
        shown = [stage.holds(50, TODAY)[0], stage.holds(30, None)[0]]
        writes = len([each for each in shown if each])
        assert len(plan.changes) == writes
        assert str(plan.totals["USD"]) == f"{sum(shown)}.00 USD"
        assert engine.apply(plan).counts["updated"] == writes
        assert stage.shows("I1") == stage.holds(50, TODAY)
        assert stage.shows("I2") == stage.holds(30, None)
        writes = stage.billing_writes()
        again = engine.apply(plan)
    assert {issue.code for issue in again.issues} == {Code.STALE_PLAN}
    assert stage.billing_writes() == writes
    with stage.engine() as engine:
        assert engine.plan_payments(LONG_AGO).changes == ()


def test_a_run_is_resumed_where_it_was_stopped(stage: Stage) -> None:
    """B6, B160: a stopped run ends cleanly, keeps the marker, and goes on when asked to."""
    stage.invoice("I1", 50)
    stage.pay("I1", 50)
    report = sync(stage, stop=lambda: True)
    assert not report.complete
    assert not report.marker_moved
    assert report.ok
    assert report.resume is not None
    assert stage.shows("I1") == NOTHING
    report = sync(stage, report.resume)
    assert report.complete
    assert report.marker_moved
    assert stage.shows("I1") == stage.holds(50, TODAY)
