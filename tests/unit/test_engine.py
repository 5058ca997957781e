"""The order of things: windows, binding, recovery, the marker, endings, plans."""

from __future__ import annotations

import getpass
import socket
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from doubles import NOW, Desk, Wire, able, level
from test_run import WEEK, World, counted

from tieout.adapters import Callbacks, PlanFile, Preview
from tieout.capabilities import Blind, Capabilities, Changed, Feed, Kind, Payments, Verb
from tieout.clock import SystemClock
from tieout.connector import Books, Health
from tieout.engine import Engine, this_user
from tieout.errors import Code, ConfigError, Fault, StoreError
from tieout.footing import BOOKS_AGE_MAX
from tieout.lease import LEASE
from tieout.models import Customer, Invoice, Payment, Ref, Settlement
from tieout.plan import Plan
from tieout.settings import Direction, Settings
from tieout.store import (
    Contact,
    Ending,
    Event,
    Identity,
    Intent,
    Lease,
    Marker,
    ResumePoint,
    Run,
    Sweep,
    key_of,
)
from tieout.stores.memory import MemoryStore
from tieout.stores.sqlite import SQLiteStore
from tieout.windows import Since


def marker(world: World, profile: str = "shared") -> datetime | None:
    own = key_of(world.engine.pair, "payments", profile)
    found = world.store.get(Marker, [own]).get(own)
    return found.at if found else None


def raised(code: Code, run: Callable[[], Any]) -> Fault:
    with pytest.raises(Fault) as caught:
        run()
    assert caught.value.code is code
    return caught.value


def calls(world: World) -> int:
    """How much was asked of both sides."""
    return sum(
        len(d.selects) + len(d.fetched) + len(d.written)
        for d in (world.ledger, world.billing)
    )


# What cannot be -------------------------------------------------------------------------


def test_two_sides_are_two() -> None:
    """A connection tied to itself would tie every record to itself."""
    one = Desk("x:1")
    with pytest.raises(ConfigError, match="one connection"):
        Engine(billing=one, ledger=one)


@pytest.mark.parametrize(
    ("billing", "ledger", "match"),
    [
        (able(), Capabilities("L", {}), "changed"),
        (able(), Capabilities("L", {Settlement: Kind(selects=frozenset())}), "changed"),
        (
            able(),
            Capabilities(
                "L",
                {
                    Settlement: Kind(
                        verbs=frozenset({Verb.UPDATE}), selects=frozenset({Changed})
                    )
                },
            ),
            "changed",
        ),
        (Capabilities("B", {}), able(), "shows as paid"),
        (able(), able(payments=Payments(blind=frozenset({Blind.REVERSALS}))), "sweep"),
    ],
)
def test_what_two_systems_cannot_do_is_found_at_once(
    billing: Capabilities, ledger: Capabilities, match: str
) -> None:
    """B162: by their capabilities, before any call."""
    sides: dict[str, Any] = {
        "billing": Desk("b:1", capabilities=billing),
        "ledger": Desk("l:1", capabilities=ledger),
    }
    with pytest.raises(ConfigError, match=match):
        Engine(**sides)
    Engine(**sides, settings=Settings(directions={Settlement: Direction.OFF})).close()


@pytest.mark.parametrize("kind", [Customer, Invoice])
def test_what_this_version_does_not_carry_is_refused(kind: Any) -> None:
    """Nothing is silently left out."""
    with pytest.raises(ConfigError, match=kind.__name__):
        World(settings=Settings(directions={kind: Direction.TO_LEDGER}))


def test_levels_that_are_switched_off_are_not_synced() -> None:
    """And payments as documents are refused in this version."""
    world = World("1", settings=Settings(directions={Settlement: Direction.OFF}))
    with pytest.raises(ConfigError, match="switched off"):
        world.sync()
    documents = {Settlement: Direction.OFF, Payment: Direction.TO_BILLING}
    with pytest.raises(ConfigError, match="Payment"):
        World(settings=Settings(directions=documents))


@pytest.mark.parametrize(
    "since",
    [
        Since.LAST_RUN,
        date(2026, 3, 12),
        NOW + timedelta(seconds=1),
        datetime(2026, 3, 1),
        "x",
    ],
)
def test_a_start_that_cannot_be_is_refused_before_any_call(since: Any) -> None:
    """B13, B14, B15: nothing is asked, nothing is stored."""
    world = World("1")
    with pytest.raises(ConfigError):
        world.sync(since)
    assert calls(world) == 0
    assert world.store.commits == 0


def test_a_dry_adapter_has_to_take_plans() -> None:
    """Otherwise it would silently drop them."""

    class Dry(Callbacks):
        dry = True

    with pytest.raises(ConfigError, match="begin, take and end"):
        World("1").sync(adapter=Dry())


# The marker -----------------------------------------------------------------------------


def test_the_marker_is_the_other_sides_clock_when_the_run_began() -> None:
    """B5, B6: not ours, which may be an hour off; our own where it tells none."""
    world = World("1")
    world.ledger.as_of = NOW - timedelta(minutes=7)
    report = world.sync()
    assert marker(world) == NOW - timedelta(minutes=7)
    assert (report.marker, report.marker_moved, report.marker_note) == (
        marker(world),
        True,
        "",
    )
    other = World("1")
    other.ledger.as_of = None
    other.sync()
    assert marker(other) == NOW


def test_the_last_run_begins_at_the_marker() -> None:
    """B5: less the overlap, with the token that was told."""
    world = World("1")
    world.ledger.token = "token-1"
    world.sync()
    world.sync(Since.LAST_RUN)
    overlap = world.ledger.capabilities.overlap
    assert world.ledger.selects[-1] == (Changed(NOW - overlap, "token-1"), None)
    world.sync()
    assert world.ledger.selects[-1][0] == Changed(
        datetime(2026, 3, 2, 23, tzinfo=UTC), None
    )


def test_each_profile_has_a_marker_of_its_own() -> None:
    """B5: user A's run does not move user B's."""
    world = World("1")
    anna, bert = (world.made(profile=name) for name in ("anna@pc", "bert@pc"))
    assert anna.sync_payments(WEEK).marker_moved
    assert marker(world, "anna@pc") is not None
    assert marker(world, "bert@pc") is None
    with pytest.raises(ConfigError):
        bert.sync_payments(Since.LAST_RUN)
    anna.sync_payments(Since.LAST_RUN)


def test_a_profile_may_be_user_and_computer() -> None:
    """B5: as asked for, by those who want it."""
    assert this_user() == f"{getpass.getuser()}@{socket.gethostname()}"


def test_a_run_that_began_later_than_the_marker_leaves_it() -> None:
    """B6: otherwise what changed in between would never be read."""
    world = World("1")
    world.sync()
    before = marker(world)
    world.clock.pass_by(20 * 86400)
    world.ledger.as_of = world.clock.now()
    report = world.sync(Since.PAST_WEEK)
    assert report.complete
    assert not report.marker_moved
    assert "still to be read" in report.marker_note
    assert marker(world) == before == report.marker
    assert world.sync(Since.PAST_MONTH).marker_moved
    assert marker(world) == world.clock.now()


def test_the_marker_never_goes_back() -> None:
    """P11: the other side's clock was set back."""
    world = World("1")
    world.sync()
    world.ledger.as_of = NOW - timedelta(hours=2)
    report = world.sync()
    assert not report.marker_moved
    assert marker(world) == NOW


TROUBLES: dict[str, tuple[str, str, list[Fault | None]]] = {
    "a page fails": ("ledger", "page", [None, Fault(Code.SERVER_ERROR)]),
    "billing cannot be read": ("billing", "fetch", [Fault(Code.NOT_REACHED)]),
    "billing refuses the sign-in": ("billing", "write", [Fault(Code.RECONNECT_NEEDED)]),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_a_run_that_failed_leaves_the_marker(name: str) -> None:
    """B6, B43: a failed read is no success; a held record is one."""
    side, verb, trouble = TROUBLES[name]
    world = World(*"123")
    world.ledger.page_size = 1
    getattr(world, side).trouble[verb] = list(trouble)
    report = world.sync()
    assert (report.ending, report.ok, report.complete) == (Ending.FAILED, False, False)
    (wrong,) = [each for each in trouble if each]
    assert report.code is wrong.code
    assert not report.marker_moved
    assert "did not end well" in report.marker_note
    assert marker(world) is None
    assert counted(world.sync(report.resume))
    assert sorted(each.number for each in world.billing.written) == [
        "INV-1",
        "INV-2",
        "INV-3",
    ]


def test_a_yellow_end_is_a_stop() -> None:
    """H24: the day's limit is used up: no failure, and no success."""
    world = World("1")
    world.ledger.trouble["page"] = [Fault(Code.DAY_LIMIT_REACHED, "until tomorrow")]
    report = world.sync()
    assert (report.ending, report.ok) == (Ending.STOPPED, True)
    assert marker(world) is None
    assert "until tomorrow" in str(report)


# The resume point -----------------------------------------------------------------------


def interrupted(*, stable: bool = True) -> tuple[World, Any]:
    """A run over three pages that failed at the third."""
    world = World(*"123")
    world.ledger.capabilities = able("L", stable_order=stable)
    world.engine = world.made()
    world.ledger.page_size = 1
    world.ledger.trouble["page"] = [None, None, Fault(Code.SERVER_ERROR)]
    return world, world.sync()


def test_an_interrupted_run_goes_on_behind_the_last_completed_page() -> None:
    """C3: in its own window, and what it finds counts from its own beginning."""
    world, report = interrupted()
    assert counted(report) == {"updated": 2}
    point = report.resume
    assert (point.cursor, point.as_of, point.label) == ("2", NOW, "past week")
    world.clock.pass_by(3600)
    world.ledger.as_of = world.clock.now()
    world.ledger.selects.clear()
    rest = world.sync(point)
    assert world.ledger.selects == [(Changed(point.start, None), "2")]
    assert (counted(rest), rest.window, rest.complete) == (
        {"updated": 1},
        "past week",
        True,
    )
    assert marker(world) == NOW
    assert rest.resume is None


def test_without_a_stable_order_it_begins_again() -> None:
    """P1: pages may have shifted; repeating is harmless."""
    world, report = interrupted(stable=False)
    assert (report.resume.cursor, report.resume.as_of) == (None, None)
    world.ledger.selects.clear()
    assert counted(world.sync(report.resume)) == {"unchanged": 2, "updated": 1}
    assert world.ledger.selects[0][1] is None


def test_the_resume_point_is_stored_and_goes_when_the_run_is_done() -> None:
    """C3: a process that died left one; the last run never reads it."""
    world, report = interrupted()
    own = key_of(world.engine.pair, "payments", "shared")
    assert world.store.get(ResumePoint, [own])[own] == report.resume
    with pytest.raises(ConfigError):
        world.sync(Since.LAST_RUN)
    world.sync()
    assert world.store.get(ResumePoint, [own]) == {}


def test_a_resume_point_of_somebody_else_is_refused() -> None:
    """X21: another pair, verb or profile."""
    world, report = interrupted()
    for fields in ({"pair": "other"}, {"profile": "anna"}, {"verb": "invoices"}):
        with pytest.raises(ConfigError, match="another pair, verb or profile"):
            world.sync(evolve(report.resume, **fields))


def test_a_resumed_run_trusts_as_the_interrupted_one_did() -> None:
    """B17: LAST_RUN stays LAST_RUN."""
    world = World(*"12")
    world.sync()
    world.ledger.page_size = 1
    world.ledger.trouble["page"] = [None, Fault(Code.SERVER_ERROR)]
    report = world.sync(Since.LAST_RUN)
    assert report.resume is not None
    assert report.resume.trusting
    world.billing.fetched.clear()
    world.sync(report.resume)
    assert world.billing.fetched == []


# Binding --------------------------------------------------------------------------------


def test_whose_books_these_are_is_known_before_anything_is_read() -> None:
    """S14: identity, currency and zone are remembered, and asked for once a day."""
    world = World("1")
    world.sync()
    held = world.store.get(Identity, ["ledger:1"])["ledger:1"]
    assert (held.identity, held.currency, held.zone) == (
        "ledger:1",
        "EUR",
        "Europe/Berlin",
    )
    world.ledger.trouble["check"] = [Fault(Code.SERVER_ERROR)]
    assert world.sync().complete
    world.clock.pass_by(BOOKS_AGE_MAX.total_seconds())
    assert world.sync().code is Code.SERVER_ERROR


def test_another_company_is_refused() -> None:
    """S14, X21: nothing is read of it and nothing written."""
    world = World("1")
    world.sync()
    world.clock.pass_by(2 * 86400)
    before = calls(world)
    world.ledger.health = Health(
        reachable=True, signed_in=True, books=Books("other", "Other Ltd")
    )
    report = world.sync()
    assert (report.code, report.ok) == (Code.WRONG_COMPANY, False)
    assert "Other Ltd" in report.text
    assert "company of ledger:1" in report.text
    assert calls(world) == before


@pytest.mark.parametrize(
    ("health", "code", "told"),
    [
        (
            Health(reachable=True, signed_in=False, notes=("bad key",)),
            Code.SIGN_IN_REFUSED,
            "bad key",
        ),
        (
            Health(reachable=False, signed_in=True, notes=("no route",)),
            Code.NOT_REACHED,
            "no route",
        ),
        (
            Health(reachable=True, signed_in=True, missing=("invoices", "payments")),
            Code.PERMISSION_MISSING,
            "invoices, payments",
        ),
    ],
)
@pytest.mark.parametrize("side", ["ledger", "billing"])
def test_a_connection_that_is_not_well_ends_the_run_at_once(
    health: Health, code: Code, told: str, side: str
) -> None:
    """B163: named, and before a single record is read."""
    world = World("1")
    getattr(world, side).health = health
    report = world.sync()
    assert (report.code, report.ok, report.ending) == (code, False, Ending.FAILED)
    assert told in report.text
    assert f"{side}:1" in report.text
    assert calls(world) == 0


def test_a_system_without_books_is_let_be() -> None:
    """The host's own table may have none."""
    world = World("1")
    world.billing.health = Health(reachable=True, signed_in=True)
    assert counted(world.sync()) == {"updated": 1}
    assert world.store.get(Identity, ["billing:1"]) == {}


def test_books_that_cannot_be_remembered_end_the_run() -> None:
    """S1: without the store nothing goes on."""

    class Refusing(MemoryStore):
        def commit(self, *facts: Any, expect: Any = ()) -> bool:
            if any(isinstance(fact, Identity) for fact in facts):
                return False
            return super().commit(*facts, expect=expect)

    world = World("1")
    engine = world.made(store=Refusing())
    with pytest.raises(StoreError):
        engine.sync_payments(WEEK)
    assert world.billing.written == []


def test_days_are_those_of_the_books() -> None:
    """B15: widened while the zone is unknown, exact as soon as it is known."""
    world = World("1")
    report = world.sync(date(2026, 3, 10))
    assert report.start == datetime(2026, 3, 9, 23, tzinfo=UTC)
    assert world.ledger.selects[0][0] == Changed(report.start)
    nowhere = World("1")
    nowhere.ledger = Desk("ledger:1", zone=None)
    nowhere.engine = nowhere.made()
    assert nowhere.sync(date(2026, 3, 10)).start == datetime(2026, 3, 9, 10, tzinfo=UTC)


def test_a_check_tells_how_both_sides_are() -> None:
    """B163: without a run; how they were is remembered, and nothing else."""
    world = World()
    assert world.engine.check() == {
        "billing:1": world.billing.health,
        "ledger:1": world.ledger.health,
    }
    held = world.store.get(Contact, ["billing:1", "ledger:1"])
    assert [each.code for each in held.values()] == [None, None]
    assert world.store.commits == 2


# One at a time --------------------------------------------------------------------------


def test_a_second_run_of_the_pair_is_refused() -> None:
    """B160: and changes nothing; when the first has ended, it may run."""
    world = World("1")
    refused: list[Fault] = []

    def second() -> None:
        other = world.made()
        refused.append(raised(Code.RUN_IN_PROGRESS, lambda: other.sync_payments(WEEK)))

    world.billing.before_write = second
    assert world.sync().complete
    assert len(refused) == 1
    world.billing.before_write = lambda: None
    assert world.sync().complete


def test_a_run_that_was_taken_over_writes_no_more() -> None:
    """S7, S8: it says so, and its record is left to the other."""
    world = World(*"12")
    world.ledger.page_size = 1

    def sleep_on() -> None:
        world.clock.pass_by(LEASE.total_seconds() + 1)
        held = world.store.get(Lease, [world.engine.pair])[world.engine.pair]
        until = world.clock.now() + LEASE
        assert world.store.commit(
            evolve(held, holder="other", fence=held.fence + 1, until=until)
        )

    world.billing.before_write = sleep_on
    report = world.sync()
    assert (report.code, report.complete, report.marker_moved) == (
        Code.LEASE_LOST,
        False,
        False,
    )
    assert marker(world) is None
    assert (
        world.store.get(Lease, [world.engine.pair])[world.engine.pair].holder == "other"
    )
    assert world.store.get(Run, [report.run])[report.run].ending is Ending.RUNNING
    assert len(world.billing.written) == 1


def test_by_default_time_is_the_machines_own() -> None:
    """B156: one clock, aware, in UTC, that goes forward."""
    clock = SystemClock()
    before, began = clock.now(), clock.monotonic()
    clock.sleep(0)
    assert before.tzinfo is UTC
    assert abs(datetime.now(UTC) - before) < timedelta(seconds=60)
    assert clock.monotonic() >= began
    world = World("1")
    world.ledger.put(level("1", paid="30", changed_at=clock.now()))
    engine = Engine(billing=world.billing, ledger=world.ledger, transport=Wire())
    assert engine.sync_payments(WEEK).started_at >= before


def test_the_lease_is_let_go_however_a_run_ends() -> None:
    """C12: also where something was raised that is no fault."""
    world = World("1")
    world.ledger.trouble["page"] = [ZeroDivisionError()]
    with pytest.raises(ZeroDivisionError):
        world.sync()
    assert world.sync().complete


# The record of a run --------------------------------------------------------------------


def test_a_run_is_recorded_from_beginning_to_end() -> None:
    """B155: who, when, which window, how it ended; also when it failed."""
    world = World("1")
    report = world.sync()
    run = world.store.get(Run, [report.run])[report.run]
    assert (run.profile, run.window, run.ending) == ("shared", "past week", Ending.DONE)
    assert (run.started_at, run.ended_at) == (report.started_at, report.ended_at)
    assert run.counts["updated"] == 1
    world.ledger.trouble["page"] = [Fault(Code.SERVER_ERROR, "HTTP 500")]
    failed = world.sync()
    run = world.store.get(Run, [failed.run])[failed.run]
    assert (run.ending, run.code, run.text) == (
        Ending.FAILED,
        Code.SERVER_ERROR,
        "HTTP 500",
    )
    assert failed.run != report.run


def test_a_run_counts_its_own_traffic() -> None:
    """B155: of this run, by side."""
    world = World("1")
    report = world.sync()
    assert {side: each.calls for side, each in report.traffic.items()} == {
        "billing": 0,
        "ledger": 0,
    }


# The sweep ------------------------------------------------------------------------------


def test_blind_spots_are_swept_as_often_as_was_said() -> None:
    """B24: only when due, and only a run that was done counts."""
    world = World("1")
    told = Payments(
        feeds=(Feed.STAMP,),
        blind=frozenset({Blind.REVERSALS}),
        sweep_every=timedelta(days=7),
    )
    world.ledger.capabilities = able("L", payments=told)
    world.engine = world.made()
    world.sync()
    own = key_of(world.engine.pair, "payments")
    assert world.store.get(Sweep, [own])[own].at == NOW
    world.ledger.put(level("1", paid="30", changed_at=NOW - timedelta(days=99)))
    world.clock.pass_by(6 * 86400)
    world.ledger.as_of = world.clock.now()
    world.sync(Since.LAST_RUN)
    assert world.shown("1") == "100"
    world.clock.pass_by(86400)
    world.ledger.as_of = world.clock.now()
    world.ledger.trouble["fetch"] = [Fault(Code.SERVER_ERROR)]
    assert not world.sync(Since.LAST_RUN).complete
    assert world.store.get(Sweep, [own])[own].at == NOW
    world.sync(Since.LAST_RUN)
    assert world.shown("1") == "30"
    assert world.store.get(Sweep, [own])[own].at == world.clock.now()


# Plans ----------------------------------------------------------------------------------


def test_a_plan_writes_nothing_anywhere() -> None:
    """Look first: not to the systems, not to the store."""
    world = World("1", "2")
    del world.billing.records["b2"]
    plan = world.engine.plan_payments(WEEK)
    assert plan.complete
    assert [each.number for each in plan.changes] == ["INV-1"]
    assert [each.code for each in plan.issues] == [Code.NOT_IN_BILLING]
    assert plan.header is not None
    assert (plan.header.pair, plan.header.window) == (world.engine.pair, "past week")
    assert world.billing.written == []
    assert world.store.commits == 0


def test_planning_twice_gives_the_same_bytes() -> None:
    """C4: whatever the paging."""
    world = World(*"12345")
    one = world.engine.plan_payments(WEEK)
    world.ledger.page_size = 2
    two = world.engine.plan_payments(WEEK)
    assert one.digest == two.digest
    assert one.changes == two.changes


def test_rivals_on_two_pages_are_found_by_the_plan() -> None:
    """D13: neither is carried."""
    world = World("1")
    world.ledger.put(level("2", number="INV-1", paid="100"))
    world.ledger.page_size = 1
    plan = world.engine.plan_payments(WEEK)
    assert plan.changes == ()
    assert {each.code for each in plan.issues} == {Code.ALREADY_LINKED}
    assert len(plan.issues) == 2


def test_a_plan_that_could_not_be_completed_says_why() -> None:
    """It ended early: with the reason among its issues, or that it was stopped."""
    world = World(*"12")
    world.ledger.page_size = 1
    world.ledger.trouble["page"] = [None, Fault(Code.SERVER_ERROR, "HTTP 500")]
    plan = world.engine.plan_payments(WEEK)
    assert not plan.complete
    assert [each.code for each in plan.issues] == [Code.SERVER_ERROR]
    assert len(plan.changes) == 1
    stopped = world.engine.plan_payments(WEEK, stop=lambda: True)
    assert not stopped.complete
    assert "stopped" in stopped.issues[0].text


def test_a_plan_of_a_connection_that_is_not_well_is_incomplete() -> None:
    """B163: nothing could be read."""
    world = World("1")
    world.ledger.health = Health(reachable=True, signed_in=False)
    plan = world.engine.plan_payments(WEEK)
    assert (plan.complete, plan.changes) == (False, ())
    assert plan.issues[0].code is Code.SIGN_IN_REFUSED


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda plan: evolve(plan, header=None), "not made by an engine"),
        (
            lambda plan: evolve(plan, header=evolve(plan.header, pair="other")),
            "not for this pair",
        ),
        (
            lambda plan: evolve(plan, header=evolve(plan.header, settings="lax")),
            "other settings",
        ),
    ],
)
def test_a_plan_that_is_not_ours_is_refused(
    spoil: Callable[[Plan], Plan], match: str
) -> None:
    """X21: another pair, other rules, no header: before any call."""
    world = World("1")
    plan = world.engine.plan_payments(WEEK)
    before = calls(world)
    with pytest.raises(ConfigError, match=match):
        world.engine.apply(spoil(plan))
    assert (calls(world), world.store.commits) == (before, 0)


def test_applying_a_plan_is_as_good_as_the_run_it_was_made_by() -> None:
    """B6: the marker is where the plan's reading began, by the same rule."""
    world = World("1")
    plan = world.engine.plan_payments(WEEK)
    world.clock.pass_by(3600)
    report = world.engine.apply(plan)
    assert counted(report) == {"updated": 1}
    assert report.marker_moved
    assert marker(world) == NOW
    assert "past week" in report.window


@pytest.mark.parametrize("as_of", [NOW - timedelta(minutes=7), None])
def test_a_plan_says_when_its_reading_began(as_of: datetime | None) -> None:
    """B6: by the other side's clock; by ours where it tells none."""
    world = World("1")
    world.ledger.as_of = as_of
    assert world.engine.plan_payments(WEEK).as_of == (as_of or NOW)


def test_an_incomplete_plan_moves_no_marker() -> None:
    """B6: what was not read is still to be read."""
    world = World(*"12")
    world.ledger.page_size = 1
    world.ledger.trouble["page"] = [None, Fault(Code.SERVER_ERROR)]
    plan = world.engine.plan_payments(WEEK)
    assert not world.engine.apply(plan).marker_moved
    assert marker(world) is None


def test_a_plan_goes_through_a_file(tmp_path: Path) -> None:
    """Plan here, look, apply there: the same as at once."""
    world = World("1", "2")
    file = PlanFile(tmp_path / "plan.jsonl")
    report = world.sync(adapter=file)
    assert (counted(report), report.complete) == ({"updated": 2}, True)
    assert world.billing.written == []
    assert world.store.commits == 0
    assert file.read().digest == world.engine.plan_payments(WEEK).digest
    assert counted(world.engine.apply(file.read())) == {"updated": 2}
    assert marker(world) == NOW


def test_a_plan_can_be_applied_through_another_adapter(tmp_path: Path) -> None:
    """Printed, saved again, or carried out by the caller's own code."""
    world = World("1")
    plan = world.engine.plan_payments(WEEK)
    file = PlanFile(tmp_path / "plan.jsonl")
    world.engine.apply(plan, adapter=file)
    assert file.read().changes == plan.changes
    assert world.billing.written == []
    done: list[str] = []
    engine = world.made()
    engine.apply(plan, adapter=Callbacks(update=lambda c: done.append(c.number)))
    assert done == ["INV-1"]


@pytest.mark.parametrize("side", ["ledger", "billing"])
def test_a_plan_file_is_written_though_nothing_could_be_read(
    tmp_path: Path, side: str
) -> None:
    """B163: the report says why; the file is whole, and says that it is not complete."""
    world = World("1")
    getattr(world, side).health = Health(reachable=True, signed_in=False)
    file = PlanFile(tmp_path / "plan.jsonl")
    report = world.sync(adapter=file)
    assert report.code is Code.SIGN_IN_REFUSED
    plan = file.read()
    assert (plan.complete, plan.changes) == (False, ())


def test_a_dry_run_moves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """B2: no marker, no run, no lease, no identity; the report counts what would be."""
    world = World("1")
    report = world.sync(adapter=Preview())
    assert "INV-1" in capsys.readouterr().out
    assert (counted(report), report.marker_moved) == ({"updated": 1}, False)
    assert world.store.commits == 0
    assert world.store.find(Event, "run", report.run) == []


# Crossing the process boundary ----------------------------------------------------------


def test_another_process_goes_on_where_this_one_died(tmp_path: Path) -> None:
    """C8, C9: what was being sent is found, and never sent again."""
    path = tmp_path / "tieout.db"
    world = World("1")
    store = SQLiteStore(path)
    world.billing.before_write = lambda: None

    class Died(BaseException):
        """The process is killed."""

    def die() -> None:
        world.billing.put(
            level("b1", number="INV-1", connection="billing:1", paid="100")
        )
        raise Died

    world.billing.before_write = die
    with pytest.raises(Died):
        world.made(store=store).sync_payments(WEEK)
    store.close()
    world.billing.before_write = lambda: None
    world.clock.pass_by(LEASE.total_seconds())
    again = SQLiteStore(path)
    report = world.made(store=again).sync_payments(WEEK)
    assert [each.what for each in report.records] == ["adopted"]
    assert world.billing.written == []
    assert again.find(Intent, "open", key_of(world.engine.pair, "payments")) == []
    again.close()


# Transports -----------------------------------------------------------------------------


def test_the_engine_closes_what_it_opened() -> None:
    """And leaves the caller's own transport and the store open."""
    world = World("1")

    class Closing(Wire):
        closed = False

        def close(self) -> None:
            self.closed = True

    wire = Closing()
    with world.made(transport={"billing:1": wire}) as engine:
        (opened,) = engine._opened
        assert counted(engine.sync_payments(WEEK)) == {"updated": 1}
    assert opened._made is None  # nothing was sent over it: none was needed
    assert not wire.closed
    with Engine(billing=world.billing, ledger=world.ledger) as plain:
        assert len(plain._opened) == 2


def test_two_pairs_never_meet() -> None:
    """X21: two tenants in one store, in two threads."""
    store = MemoryStore()
    worlds: list[World] = []
    for tenant in ("a", "b"):
        world = World("1", paid="30" if tenant == "a" else "60")
        world.ledger.connection = f"ledger:{tenant}"
        world.billing.connection = f"billing:{tenant}"
        bill = level("b1", number="INV-1", connection=f"billing:{tenant}")
        world.billing.records = {"b1": bill}
        ref = Ref(f"ledger:{tenant}", "Invoice", "1")
        world.ledger.records = {"1": evolve(world.ledger.records["1"], ref=ref)}
        world.engine = world.made(store=store)
        worlds.append(world)
    threads = [threading.Thread(target=world.sync) for world in worlds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [world.shown("1") for world in worlds] == ["30", "60"]
    assert worlds[0].engine.pair != worlds[1].engine.pair
    assert (
        len(
            store.get(
                Marker, [key_of(w.engine.pair, "payments", "shared") for w in worlds]
            )
        )
        == 2
    )


def test_named_payments_are_carried_at_once() -> None:
    """B61: by the ledger's number; what is not named is not read, and no marker moves."""
    world = World("1", "2")
    report = world.engine.sync_payments(only=["INV-1"])
    assert counted(report) == {"updated": 1}
    assert (world.shown("1"), world.shown("2")) == ("100", "0")
    assert not report.marker_moved
    assert world.engine.plan_payments(only=["2"]).changes
    with pytest.raises(ConfigError, match="since="):
        world.engine.sync_payments()
    with pytest.raises(ConfigError, match="since="):
        world.engine.sync_payments(WEEK, only=["INV-1"])
    with pytest.raises(ConfigError, match="put the one in a list"):
        world.engine.sync_payments(only="INV-1")
