"""What a run tells and remembers, how it ends, and who may run at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tieout
from tieout import Progress, Severity, Since
from tieout.capabilities import Changed
from tieout.connector import Page
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.models import Settlement
from tieout.store import Ending, Event, Intent, Marker, Run, Stage, key_of
from worlds import (
    DAY,
    LONG_AGO,
    NOON,
    TODAY,
    Crash,
    Mortal,
    World,
    fails,
    lands_after,
    loses_answer,
    lost,
    meanwhile,
    refused,
    unreached,
)

WEEK = timedelta(days=7)


def open_world(count: int = 3, **options: Any) -> World:
    """So many invoices over 50 on both sides, all paid in the ledger."""
    world = World(**options)
    for place in range(count):
        paper, _ = world.both(f"I{place}", 50)
        world.ledger.apply(paper, 50)
    return world


def shown(world: World) -> list[Decimal]:
    """What each billing invoice shows as paid."""
    return [paid for paid, _ in world.billing.all().values()]


# Telling ------------------------------------------------------------------------------------


def test_a_payment_sync_is_one_command_and_exports_nothing() -> None:
    """B1, B2, B16: it starts by itself, and no call to the ledger can change anything."""
    world = open_world()
    report = world.sync()
    assert report.verb == "payments"
    assert world.calls.of("book:ledger write") == []
    assert len(world.calls.of("shop:billing write")) == 2


def test_the_report_counts_by_word_and_light() -> None:
    """B41, B42, B127, B158: updated, unchanged, not found, failed, skipped, each apart."""
    world = open_world(2)
    world.both("unpaid", 50)
    world.ledger.add("by hand", 50)
    world.ledger.add("draft", 50, status=tieout.Status.DRAFT)
    world.both("odd", 50)
    world.ledger.edit("L6", bad=True)
    over, _ = world.both("over", 50)
    world.ledger.apply(over, 60)
    report = world.sync()
    assert dict(report.counts) == {
        "created": 0,
        "updated": 3,
        "voided": 0,
        "unchanged": 1,
        "not found": 1,
        "failed": 1,
        "unknown": 0,
        "skipped": 1,
        "warning": 1,
    }
    assert (report.red, report.yellow) == (1, 2)
    assert not report.ok
    assert report.complete
    assert str(report.totals["USD"]) == "150.00 USD"
    text = str(report)
    assert text.startswith("payments, from 2025-01-01: 3 updated, 1 unchanged")
    assert "150.00 USD" in text


def test_rows_come_during_the_run() -> None:
    """B126, B128, B164: each record's outcome, with its light, while others are still to do."""
    world = open_world(4, ledger={"page_size": 1})
    world.ledger.add("by hand", 50)
    seen: list[tuple[Progress, int]] = []
    report = world.sync(
        on_progress=lambda row: seen.append((row, world.billing.writes))
    )
    assert [row.number for row, _ in seen] == ["I0", "I1", "I2", "I3", "by hand"]
    assert [writes for _, writes in seen] == [1, 2, 3, 4, 4]
    assert [row.light for row, _ in seen] == [Severity.GREEN] * 4 + [Severity.YELLOW]
    assert [row.what for row, _ in seen] == ["updated"] * 4 + ["not found"]
    assert [row.done for row, _ in seen] == [1, 2, 3, 4, 5]
    assert report.ok


def test_a_run_is_on_record_also_when_it_failed() -> None:
    """B155: who, when, with which window, what came of it."""
    world = open_world()
    world.sync()
    world.clock.advance(DAY)
    world.calls.at(0, fails(unreached()))
    failed = world.sync(Since.PAST_WEEK)
    pair = world.engine().pair
    runs = world.store.find(Run, "pair", key_of(pair, "payments"))
    assert [run.ending for run in runs] == [Ending.DONE, Ending.FAILED]
    good, bad = runs
    assert good.profile == "shared"
    assert good.counts["updated"] == 3
    assert good.window == f"from {LONG_AGO}"
    assert (bad.id, bad.window) == (failed.run, "past week")
    assert bad.code is Code.NOT_REACHED
    assert bad.started_at == NOON + DAY
    assert failed.remedy == Code.NOT_REACHED.remedy
    assert "ended early" in str(failed)


def test_what_happened_to_each_record_can_be_read_later() -> None:
    """B143, B155: by run, and by invoice number."""
    world = open_world(2)
    report = world.sync()
    assert [(e.what, e.numbers) for e in report.records] == [
        ("applied", ("I0",)),
        ("applied", ("I1",)),
    ]
    pair = world.engine().pair
    found = world.store.find(Event, "number", key_of(pair, "I1"))
    assert [event.run for event in found] == [report.run]


def test_a_failed_record_does_not_stop_the_others() -> None:
    """B40, B106: one is refused, the rest are carried, and the marker moves."""
    world = open_world(3, billing={"batch_size": 1})
    # check, check, page, fetch, write, write: the second invoice's write is refused
    world.calls.at(5, fails(refused()))
    report = world.sync()
    assert shown(world) == [Decimal(50), Decimal(0), Decimal(50)]
    assert report.counts["failed"] == 1
    assert report.marker_moved
    issue = next(iter(report.issues))
    assert (issue.code, issue.numbers) == (Code.REFUSED, ("I1",))
    assert issue.text == "this invoice is frozen"


def test_a_refused_record_is_tried_again_when_it_changes() -> None:
    """B105: not before, and the issue is closed by success."""
    world = open_world(1)
    world.calls.at(4, fails(refused()))
    world.sync()
    writes = len(world.calls.of("write"))
    world.clock.advance(DAY)
    world.sync(Since.LAST_RUN)
    assert len(world.calls.of("write")) == writes
    world.ledger.apply("L1", 10)
    world.sync(Since.LAST_RUN)
    assert shown(world) == [Decimal(50)]
    assert [issue.code for issue in world.held().values()] == []


def test_the_clock_the_user_and_the_systems_are_handed_in() -> None:
    """B156, B159: nothing is looked up behind the host's back."""
    world = open_world(1)
    report = world.sync()
    assert (report.started_at, report.ended_at) == (NOON, NOON)
    assert world.clock.slept == 0


# Ending -------------------------------------------------------------------------------------


def test_a_stopped_run_ends_cleanly_and_goes_on() -> None:
    """B6, B160: asked between steps; the rest is left for the resumed run."""
    world = open_world(4, ledger={"page_size": 1})
    asked = iter([False, False, False, True])
    report = world.sync(stop=lambda: next(asked))
    assert report.ok
    assert not report.complete
    assert not report.marker_moved
    assert 0 < report.counts["updated"] < 4
    assert report.resume is not None
    pages = len(world.calls.of("page"))
    report = world.sync(report.resume)
    assert report.complete
    assert report.marker_moved
    assert shown(world) == [Decimal(50)] * 4
    assert len(world.calls.of("page")) - pages < 4


def test_an_unstable_listing_is_resumed_at_its_start() -> None:
    """B160: where the order does not stay, nothing is skipped."""
    world = open_world(4, ledger={"page_size": 1, "stable": False})
    asked = iter([False, False, False, True])
    report = world.sync(stop=lambda: next(asked))
    assert report.resume is not None
    assert report.resume.cursor is None
    assert world.sync(report.resume).complete
    assert shown(world) == [Decimal(50)] * 4


def test_a_resume_point_belongs_to_its_pair_and_profile() -> None:
    """B5, B160: another's is refused before any call."""
    world = open_world(1)
    report = world.sync(stop=lambda: True)
    assert report.resume is not None
    made = len(world.calls.made)
    with pytest.raises(ConfigError, match="another pair, verb or profile"):
        world.engine(profile="ann@one").sync_payments(report.resume)
    assert len(world.calls.made) == made


def test_last_run_never_reads_the_resume_point() -> None:
    """Decision on B6: two things: LAST_RUN begins at the marker, or is refused."""
    world = open_world(2)
    world.sync(stop=lambda: True)
    with pytest.raises(ConfigError, match="no successful run"):
        world.sync(Since.LAST_RUN)


def test_one_run_of_a_pair_at_a_time() -> None:
    """B160: a second one is refused while the first goes on; looking is not."""
    world = open_world(2)
    met: list[Code] = []

    def second(run: Callable[[], Any]) -> Any:
        with pytest.raises(Fault) as told:
            world.sync()
        met.append(told.value.code)
        assert len(world.plan().changes) == 2
        return run()

    world.calls.at(3, second)
    assert world.sync().ok
    assert met == [Code.RUN_IN_PROGRESS]
    assert world.sync().ok


def test_a_run_that_died_is_taken_over_after_its_lease() -> None:
    """B160: not before; then what it was sending is looked at first."""
    world = open_world(2)
    store = Mortal(world.store)

    def dies(run: Callable[[], Any]) -> Any:
        run()
        store.die()

    world.calls.at(4, dies)
    with pytest.raises(Crash):
        world.engine(store=store).sync_payments(LONG_AGO)
    with pytest.raises(Fault, match="RUN_IN_PROGRESS"):
        world.sync()
    world.clock.advance(timedelta(minutes=6))
    writes = world.billing.writes
    report = world.sync()
    assert report.complete
    assert shown(world) == [Decimal(50)] * 2
    assert world.billing.writes == writes
    assert "adopted" in {event.what for event in report.records}


def test_a_lost_answer_is_unknown_and_never_failed() -> None:
    """B20, B160: yellow; looked at before anything is sent again."""
    world = open_world(1)
    world.calls.at(4, loses_answer)
    report = world.sync()
    assert report.counts["unknown"] == 1
    assert report.counts["failed"] == 0
    assert report.ok
    world.clock.advance(timedelta(minutes=1))
    assert world.sync(Since.LAST_RUN).ok
    assert world.billing.writes == 1
    assert shown(world) == [Decimal(50)]
    assert world.held() == {}


def test_a_write_that_never_landed_is_sent_again_only_after_the_wait() -> None:
    """B160: absence is proof once the answer can no longer be late."""
    world = open_world(1)
    world.calls.at(4, fails(lost()))
    world.sync()
    world.clock.advance(timedelta(minutes=1))
    early = world.sync(Since.LAST_RUN)
    assert early.counts["unknown"] >= 1
    assert world.billing.writes == 0
    world.clock.advance(timedelta(minutes=10))
    assert world.sync(Since.LAST_RUN).counts["updated"] == 1
    assert shown(world) == [Decimal(50)]


def test_a_write_that_lands_late_is_found() -> None:
    """B160: three minutes later; it is there once, and adopted."""
    world = open_world(1)
    world.calls.at(4, lands_after(world.clock, timedelta(minutes=3)))
    world.sync()
    world.clock.advance(timedelta(minutes=30))
    report = world.sync(Since.LAST_RUN)
    assert world.billing.writes == 1
    assert "adopted" in {event.what for event in report.records}


def test_a_lost_answer_met_again_in_the_same_run_waits() -> None:
    """B160: a page may name a record that a touch has named before."""
    world = open_world(1, ledger={"stamping": False})
    # check, check, page, fetch (touched), fetch, write
    world.calls.at(5, fails(lost()))
    report = world.sync()
    assert report.complete
    assert report.counts["unknown"] >= 1
    world.clock.advance(timedelta(minutes=30))
    assert world.sync(Since.LAST_RUN).ok
    assert shown(world) == [Decimal(50)]


def test_a_level_that_went_back_before_it_was_sent_leaves_nothing_open() -> None:
    """B105: 50, then 100 that did not get through, then 50 again: nothing is left to do."""
    world = World()
    paper, bill = world.both("I1", 100)
    world.ledger.apply(paper, 50)
    world.sync()
    world.clock.advance(DAY)
    more = world.ledger.apply(paper, 50)
    # check, check, page, fetch, write
    world.calls.at(4, fails(lost()))
    assert world.sync(Since.LAST_RUN).counts["unknown"] == 1
    world.clock.advance(DAY)
    world.ledger.undo(more)
    world.sync(Since.LAST_RUN)
    world.sync(Since.LAST_RUN)
    assert world.billing.shows(bill) == (Decimal(50), None)
    assert world.held() == {}
    assert still_open(world) == []


def still_open(world: World) -> list[Stage]:
    """The stages of intents that are not finished."""
    value = key_of(world.engine().pair, "payments")
    return [each.stage for each in world.store.find(Intent, "open", value)]


def test_a_record_that_somebody_changes_meanwhile_is_compared_again() -> None:
    """B158, H11: nothing is overwritten unseen: it is read and compared again at once."""
    world = open_world(1)
    bill = next(iter(world.billing.bills))
    hand = meanwhile(lambda: world.billing.edit(bill, paid=Decimal(5)))
    world.calls.at(4, hand)
    report = world.sync()
    assert report.ok
    assert not list(report.issues)
    assert (report.counts["updated"], world.billing.writes) == (1, 1)
    assert len(world.calls.of("billing write")) == 2
    assert shown(world) == [Decimal(50)]


def test_a_record_that_somebody_changes_all_the_time_becomes_an_issue() -> None:
    """B158, H11, PF9: after three more comparisons; the next run carries it."""
    world = open_world(1)
    bill = next(iter(world.billing.bills))
    for ahead in (4, 7, 10, 13):
        hand = meanwhile(lambda: world.billing.edit(bill, paid=Decimal(5)))
        world.calls.at(ahead, hand)
    report = world.sync()
    assert [issue.code for issue in report.issues] == [Code.STALE_VERSION]
    assert report.ok
    assert len(world.calls.of("billing write")) == 4
    assert shown(world) == [Decimal(5)]
    world.clock.advance(timedelta(minutes=1))
    world.sync(Since.LAST_RUN)
    assert shown(world) == [Decimal(50)]


@pytest.mark.parametrize("fate", list(Fate))
def test_a_read_that_fails_ends_the_run_and_loses_nothing(fate: Fate) -> None:
    """B33, B43: a failed read is no success; the next run carries all."""
    for ahead in range(5):
        world = open_world(3, ledger={"page_size": 1})
        world.calls.at(ahead, fails(Fault(Code.SERVER_ERROR, "sorry", fate=fate)))
        report = world.sync()
        wrote = "write" in world.calls.made[ahead]
        assert report.complete is wrote
        assert report.marker_moved is wrote
        world.clock.advance(timedelta(minutes=30))
        assert world.sync().ok
        assert shown(world) == [Decimal(50)] * 3


def test_an_unexpected_exception_of_an_adapter_leaves_the_outcome_unknown() -> None:
    """B160: whatever was raised: it may have been carried out."""
    world = open_world(1)

    def explode(change: tieout.Change) -> None:
        raise ZeroDivisionError

    report = world.sync(adapter=tieout.Callbacks(update=explode))
    assert report.counts["unknown"] == 1
    assert world.billing.writes == 0


# Adapters and saved plans -------------------------------------------------------------------


def test_a_preview_writes_nothing_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    """B158: neither to a system nor to the store; and prints what would happen."""
    world = open_world(2)
    world.ledger.add("by hand", 50)
    report = world.sync(adapter=tieout.Preview())
    assert world.billing.writes == 0
    assert shown(world) == [Decimal(0)] * 2
    assert not report.marker_moved
    assert report.counts["updated"] == 2
    assert world.store.find(Event, "run", report.run) == []
    marker = key_of(world.engine().pair, "payments", "shared")
    assert world.store.get(Marker, [marker]) == {}
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("~") for line in lines) == 2
    assert lines[0] == "Plan for shop:billing and book:ledger, from 2025-01-01"
    assert any(line.startswith("* by hand") for line in lines)
    assert lines[-1] == "End of plan"


def test_the_hosts_own_functions_carry_changes_out() -> None:
    """B158, B159: done, refused, unknown: each as the function said."""
    world = open_world(3)
    seen: list[str] = []

    def update(change: tieout.Change) -> None:
        seen.append(change.number)
        if change.number == "I1":
            raise refused()
        assert isinstance(change.after, Settlement)
        assert change.target is not None
        world.billing.edit(
            change.target.id, paid=change.after.paid, paid_on=change.after.paid_on
        )

    report = world.sync(adapter=tieout.Callbacks(update=update))
    assert seen == ["I0", "I1", "I2"]
    assert report.counts["updated"] == 2
    assert report.counts["failed"] == 1
    assert shown(world) == [Decimal(50), Decimal(0), Decimal(50)]
    assert world.calls.of("write") == []


def saved(world: World, path: Path) -> tieout.PlanFile:
    """The plan of a world, in a file."""
    file = tieout.PlanFile(path)
    world.sync(adapter=file)
    return file


def test_a_plan_in_a_file_does_what_it_says(tmp_path: Path) -> None:
    """B158: made now, looked at, applied later."""
    world = open_world(3, ledger={"page_size": 2})
    file = saved(world, tmp_path / "plan.jsonl")
    assert world.billing.writes == 0
    assert world.engine().apply(file.read()).counts["updated"] == 3
    assert shown(world) == [Decimal(50)] * 3


def cut_off(lines: list[str]) -> list[str]:
    return lines[:-1]


def altered(lines: list[str]) -> list[str]:
    return [line.replace('"50"', '"51"') for line in lines]


def shortened(lines: list[str]) -> list[str]:
    return [lines[0], *lines[2:]]


def newer(lines: list[str]) -> list[str]:
    return [lines[0].replace('"format":1', '"format":2'), *lines[1:]]


def nonsense(lines: list[str]) -> list[str]:
    return ["not a plan"]


def headless(lines: list[str]) -> list[str]:
    return lines[1:]


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (cut_off, "cut off"),
        (altered, "altered"),
        (shortened, "altered"),
        (newer, "newer version"),
        (nonsense, "no saved plan"),
        (headless, "header"),
    ],
)
def test_a_plan_file_that_is_not_as_it_was_is_refused(
    harm: Callable[[list[str]], list[str]], says: str, tmp_path: Path
) -> None:
    """B158: cut off, altered, newer, or no plan at all: nothing of it is done."""
    world = open_world(2)
    file = saved(world, tmp_path / "plan.jsonl")
    lines = file.path.read_text(encoding="utf-8").splitlines()
    changed = harm(lines)
    assert changed != lines
    file.path.write_text("\n".join([*changed, ""]), encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        file.read()
    with pytest.raises(ConfigError, match="no saved plan"):
        tieout.PlanFile(tmp_path / "missing.jsonl").read()


def test_a_plan_of_other_rules_or_another_pair_is_refused(tmp_path: Path) -> None:
    """B158: before any call."""
    world = open_world(1)
    plan = saved(world, tmp_path / "plan.jsonl").read()
    made = len(world.calls.made)
    world.settings = tieout.Settings(write_off="settle")
    with pytest.raises(ConfigError, match="other settings"):
        world.engine().apply(plan)
    assert len(world.calls.made) == made
    other = open_world(1, ledger={"connection": "book:other"})
    with pytest.raises(ConfigError, match="not for this pair"):
        other.engine().apply(plan)
    with pytest.raises(ConfigError, match="not made by an engine"):
        other.engine().apply(tieout.Plan())
    assert other.calls.made == []


@pytest.mark.parametrize("side", ["ledger", "billing"])
def test_a_plan_whose_record_changed_since_leaves_it_alone(side: str) -> None:
    """B158: STALE_PLAN for that one, in yellow; the others are carried."""
    world = open_world(2)
    plan = world.plan()
    if side == "ledger":
        world.ledger.apply("L1", 5)
    else:
        world.billing.edit("B1", paid=Decimal(5))
    before = shown(world)[0]
    report = world.engine().apply(plan)
    assert [issue.code for issue in report.issues] == [Code.STALE_PLAN]
    assert report.ok
    assert shown(world) == [before, Decimal(50)]


def test_a_record_that_is_read_twice_in_a_run_is_counted_once() -> None:
    """B41: once as held or touched, once in the listing: one record."""
    world = open_world(2, ledger={"stamping": False})
    report = world.sync()
    assert report.counts["updated"] == 2
    assert report.counts["unchanged"] == 0
    world.clock.advance(timedelta(minutes=1))
    assert world.sync(Since.LAST_RUN).counts["unchanged"] == 2


@pytest.mark.parametrize("durable", [False, True], ids=["memory", "SQLite"])
def test_two_claims_in_a_plan_file_carry_neither(tmp_path: Path, durable: bool) -> None:
    """B44: also where the claims were found on different pages of a file."""
    world = World(ledger={"page_size": 1}, billing={"versioned": False})
    if durable:
        world.store = tieout.SQLiteStore(tmp_path / "store.db")
    bill = world.billing.add("A", 50)
    for number in ("X", "Y"):
        world.ledger.apply(world.ledger.add(number, 50, reference="A"), 50)
    plan = saved(world, tmp_path / "plan.jsonl").read()
    report = world.engine().apply(plan)
    assert report.complete
    assert {issue.code for issue in report.issues} == {Code.ALREADY_LINKED}
    assert world.billing.shows(bill) == (Decimal(0), None)
    world.clock.advance(DAY)
    assert world.sync().complete
    world.store.close()


def test_a_claim_whose_write_is_unknown_is_a_claim() -> None:
    """B44, B160: two documents for one invoice, one answer lost: no later run is stuck."""
    world = World(ledger={"page_size": 1})
    world.billing.add("A", 50)
    for number in ("X", "Y"):
        world.ledger.apply(world.ledger.add(number, 50, reference="A"), 50)
    # check, check, page, page, fetch, write
    world.calls.at(5, loses_answer)
    assert world.sync().counts["unknown"] == 1
    world.clock.advance(timedelta(hours=1))
    for _ in range(2):
        report = world.sync()
        assert report.code is None
        assert report.complete
    assert {issue.code for issue in world.held().values()} == {Code.ALREADY_LINKED}


def test_a_plan_that_could_not_be_finished_says_so() -> None:
    """B158: incomplete, with the reason among its issues."""
    world = open_world(3, ledger={"page_size": 1})
    world.calls.at(3, fails(unreached()))
    plan = world.plan()
    assert not plan.complete
    assert plan.issues[-1].code is Code.NOT_REACHED


# Listings that lead nowhere -----------------------------------------------------------------


def test_pages_that_come_again_end_the_run() -> None:
    """B159: a listing that loops is cut, red, and the marker stays."""
    world = open_world(3, ledger={"page_size": 1})
    listing = world.ledger._page
    first = listing(Changed(NOON - WEEK), None)

    def looping(select: Any, cursor: str | None) -> Page[Settlement]:
        page = listing(select, cursor)
        return page if cursor is None else first

    world.ledger._page = looping  # type: ignore[method-assign]
    report = world.sync(NOON - WEEK)
    assert report.code is Code.LOOPING_PAGES
    assert not report.marker_moved
    assert not report.ok


def test_a_page_that_names_an_invoice_twice_carries_it_once() -> None:
    """B20: the younger of the two counts."""
    world = open_world(1)
    listing = world.ledger._page

    def doubled(select: Any, cursor: str | None) -> Page[Settlement]:
        page = listing(select, cursor)
        return Page(page.records * 2, next=page.next, as_of=page.as_of)

    world.ledger._page = doubled  # type: ignore[method-assign]
    report = world.sync()
    assert report.counts["updated"] == 1
    assert world.billing.writes == 1
    assert shown(world) == [Decimal(50)]
    assert world.billing.shows("B1")[1] == TODAY
