"""Laws of the payment sync, over small worlds drawn by Hypothesis."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from cases import AMOUNTS, DAYS, TOTALS, Row, books, built, put
from hypothesis import example, given
from hypothesis import strategies as st

import tieout
from oracle import expected, first_lasting_day, shown
from tieout import plan as plans
from tieout.change import Action
from tieout.errors import Code
from tieout.models import settled_day
from worlds import NOON, ZERO, Paper, World
from worlds import Piece as Applied

PAGES = st.integers(1, 4)
ORDERS: tuple[Callable[[Paper], Any], ...] = (
    lambda paper: (paper.stamp, paper.id),
    lambda paper: paper.id,
    lambda paper: -int(paper.id[1:]),
    lambda paper: (int(paper.id[1:]) * 7 % 5, paper.id),
)


def listed(page_size: int, order: int) -> dict[str, Any]:
    """A ledger that lists its invoices so."""
    return {"page_size": page_size, "order": ORDERS[order], "stable": order == 0}


def without_tie(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """As they are where nothing was voided: a void invoice never tied stays as it is."""
    return tuple(evolve(each, voided=False) for each in rows)


# Once, twice, many times --------------------------------------------------------------------


@given(books())
def test_running_twice_is_running_once(rows: tuple[Row, ...]) -> None:
    """B20, B23: the second run writes nothing, tells nothing, and changes nothing."""
    world = built(rows)
    world.sync()
    before, writes = world.billing.all(), world.billing.writes
    for since in (DAYS[0], tieout.Since.PAST_MONTH, tieout.Since.LAST_RUN):
        report = world.sync(since)
        assert report.ok
        assert report.counts["updated"] == 0
        assert list(report.records) == []
    assert world.billing.writes == writes
    assert world.billing.all() == before


@given(books())
def test_billing_ends_as_the_oracle_says(rows: tuple[Row, ...]) -> None:
    """B17, B18, B24, B35, B37: amount and date are those of the ledger's applications."""
    world = built(without_tie(rows))
    world.sync()
    shows = {each: world.billing.shows(each) for each in world.billing.bills}
    assert shows == expected(world.ledger, world.billing)


@given(books(), st.sampled_from(AMOUNTS))
def test_a_farther_window_ends_the_same_and_repairs(
    rows: tuple[Row, ...], wrong: Decimal
) -> None:
    """B22: any start at or before the change gives one end state; LAST_RUN trusts it."""
    rows = without_tie(rows)
    near, far = built(rows), built(rows)
    near.sync(NOON.date())
    far.sync(NOON.date() - timedelta(days=3000))
    assert near.billing.all() == far.billing.all()
    right = near.billing.all()
    for each in near.billing.bills:
        near.billing.edit(each, paid=wrong, paid_on=None)
    hurt = near.billing.all()
    near.clock.advance(timedelta(minutes=1))
    near.sync(tieout.Since.LAST_RUN)
    assert near.billing.all() == hurt
    near.sync(NOON.date() - timedelta(days=400))
    assert near.billing.all() == right


@given(st.lists(st.sampled_from(TOTALS), min_size=1, max_size=8), st.booleans())
def test_fifty_hundred_fifty_ends_where_the_ledger_does(
    levels: list[Decimal], owned: bool
) -> None:
    """B19, B20, B24: whatever the way there, billing shows the level that is."""
    world = World(billing={"owned": owned})
    paper, bill = world.both("N", 100)
    held = ""
    world.sync()
    for level in levels:
        if held:
            world.ledger.undo(held)
        held = world.ledger.apply(paper, level)
        world.clock.advance(timedelta(minutes=1))
        assert world.sync(tieout.Since.LAST_RUN).ok
        assert world.billing.shows(bill)[0] == level
    assert world.billing.shows(bill)[1] == (NOON.date() if levels[-1] == 100 else None)


@given(st.integers(1, 4))
def test_thirty_and_twenty_are_fifty(times: int) -> None:
    """B19, B20: 30 + 20 is 50, however often it is carried."""
    world = World()
    paper, bill = world.both("N", 50)
    world.ledger.apply(paper, 30)
    world.sync()
    assert world.billing.shows(bill) == (Decimal(30), None)
    world.ledger.apply(paper, 20)
    for _ in range(times):
        world.sync()
        assert world.billing.shows(bill) == (Decimal(50), NOON.date())
    assert world.billing.writes == 2


# Order and pages ----------------------------------------------------------------------------


def saved_lines(plan: tieout.Plan, path: Path) -> list[str]:
    """The lines of a plan as it is kept in a file."""
    plans.save(plan, path)
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("alike", [False, True], ids=["distinct", "alike"])
@given(data=st.data())
def test_order_and_pages_do_not_bear_on_the_plan(
    alike: bool, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """B22: one plan, byte for byte, whatever the order of records and the page size."""
    rows = data.draw(books(alike=alike))
    path = tmp_path_factory.getbasetemp() / f"plan-{alike}-{os.getpid()}.jsonl"
    first: tuple[str, list[str]] | None = None
    for _ in range(3):
        ways = listed(data.draw(PAGES), data.draw(st.integers(0, len(ORDERS) - 1)))
        plan = built(rows, ledger={"number_unique": False, **ways}).plan()
        found = (plan.digest, saved_lines(plan, path))
        assert first in (None, found)
        first = found


@given(books(), PAGES, st.integers(0, len(ORDERS) - 1))
def test_order_and_pages_do_not_bear_on_the_end(
    rows: tuple[Row, ...], page_size: int, order: int
) -> None:
    """B22: one end state, whatever the order of records and the page size."""
    one, other = built(rows), built(rows, ledger=listed(page_size, order))
    one.sync()
    other.sync()
    assert one.billing.all() == other.billing.all()
    assert one.held().keys() == other.held().keys()


@pytest.mark.parametrize("page_size", [1, 2])
def test_two_claims_of_one_invoice_are_told_on_any_pages(page_size: int) -> None:
    """
    B44: two ledger invoices that name one billing invoice by their reference.

    On one page neither is carried. On two the first is tied before the second is met, as a
    run does not read ahead to its end; the second is an issue, and a plan carries neither.
    """
    world = World(ledger={"page_size": page_size})
    bill = world.billing.add("A", 50)
    for number in ("X", "Y"):
        world.ledger.apply(world.ledger.add(number, 50, reference="A"), 30)
    assert world.plan().changes == ()
    for _ in range(2):
        report = world.sync()
        assert not report.ok
        assert "L2" in world.held()
        assert {issue.code for issue in report.issues} == {Code.ALREADY_LINKED}
    tied = page_size == 1
    assert world.billing.shows(bill) == (Decimal(30) if tied else ZERO, None)
    assert world.billing.writes == tied


def test_a_claim_that_needs_nothing_is_a_claim_on_any_pages() -> None:
    """B44: the same plan on one page or two, also where one of two claims changes nothing."""
    digests = set()
    for page_size in (1, 2):
        world = World(ledger={"page_size": page_size})
        world.billing.add("A", 50)
        world.ledger.add("X", 50, reference="A")
        world.ledger.apply(world.ledger.add("Y", 50, reference="A"), 50)
        plan = world.plan()
        assert plan.changes == ()
        digests.add((plan.digest, plan.kept))
    assert len(digests) == 1


@given(books(alike=True), PAGES)
def test_sync_is_apply_of_plan(rows: tuple[Row, ...], page_size: int) -> None:
    """B20: looking first and applying then ends like doing it at once."""
    at_once = built(rows, ledger={"number_unique": False})
    at_once.sync()
    planned = built(rows, ledger={"number_unique": False, "page_size": page_size})
    plan = planned.plan()
    assert planned.billing.writes == 0
    report = planned.engine().apply(plan)
    assert report.counts["updated"] == sum(
        number for action, number in plan.counts.items() if action is not Action.KEEP
    )
    assert planned.billing.all() == at_once.billing.all()


@given(books(), PAGES)
def test_after_a_plan_is_applied_there_is_nothing_to_plan(
    rows: tuple[Row, ...], page_size: int
) -> None:
    """B23: equals differ in nothing."""
    world = built(rows, ledger={"page_size": page_size})
    world.engine().apply(world.plan())
    again = world.plan()
    assert again.changes == ()
    assert again.totals == {}
    assert again.complete


@given(books(most=3), st.booleans())
def test_the_comparison_of_equals_is_all_keep(
    rows: tuple[Row, ...], owned: bool
) -> None:
    """B23: billing that shows what the ledger says needs nothing, tied or not."""
    world = built(without_tie(rows), billing={"owned": owned})
    for paper in world.ledger.papers.values():
        for bill in world.billing.bills.values():
            if bill.number == paper.number:
                paid, day = shown(paper, bill)
                world.billing.edit(bill.id, paid=paid, paid_on=day)
                if owned and paid:
                    last = max(each.on for each in paper.live())
                    world.billing.receive(bill.id, paid, day or last)
    plan = world.plan()
    assert plan.changes == ()
    assert plan.counts[Action.KEEP] == len(world.billing.bills)


FIXED = """
import sys
from datetime import date, timedelta
from decimal import Decimal
from worlds import World
from tieout import plan as plans
world = World(ledger={"number_unique": False, "page_size": 2})
for place in range(9):
    paper = world.ledger.add(f"N{place % 7}", 100, reference=("", "N3")[place % 2])
    if place % 3:
        world.billing.add(f"N{place % 7}", 100)
    world.ledger.apply(paper, (30, 100, 170)[place % 3])
plan = world.plan()
plans.save(plan, sys.argv[1])
print(plan.digest, len(plan.changes), len(plan.issues))
"""


def test_a_plan_is_the_same_in_every_process(tmp_path: Path) -> None:
    """B22: the hash seed of the process does not bear on the plan."""
    found = set()
    for seed in ("0", "1", "4242"):
        path = tmp_path / f"{seed}.jsonl"
        here = os.pathsep.join(filter(None, sys.path))
        done = subprocess.run(
            [sys.executable, "-c", FIXED, str(path)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": here},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add((done.stdout, path.read_text(encoding="utf-8")))
    assert len(found) == 1
    digest, changes, issues = found.pop()[0].split()
    assert len(digest) == 64
    assert int(changes) > 0
    assert int(issues) > 0


# Days and sums ------------------------------------------------------------------------------

SETTLING = st.lists(
    st.tuples(st.sampled_from(DAYS), st.sampled_from((*AMOUNTS, Decimal(-50)))),
    max_size=5,
)


@given(st.sampled_from((*TOTALS, ZERO)), SETTLING, st.sampled_from(DAYS), st.randoms())
def test_the_paid_date_is_the_first_lasting_day(
    total: Decimal, settling: list[tuple[Any, Decimal]], on: Any, random: Any
) -> None:
    """B24, B35, B37: the first day from which nothing stays owed, in any order."""
    pieces = [Applied("", amount, day) for day, amount in settling]
    wanted = first_lasting_day(total, pieces, on)
    random.shuffle(settling)
    assert settled_day(total, settling, on) == wanted


@given(books(most=2), st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=5))
def test_the_date_comes_and_goes_with_the_debt(
    rows: tuple[Row, ...], steps: list[tuple[int, bool]]
) -> None:
    """B24, B35: a date stands exactly while nothing is owed, through any changes."""
    world = built(without_tie(rows))
    papers = list(world.ledger.papers.values())
    world.sync()
    for place, takes_back in steps:
        paper = papers[place % len(papers)]
        live = paper.live()
        if takes_back and live:
            world.ledger.undo(live[place % len(live)].id)
        else:
            world.ledger.apply(paper.id, AMOUNTS[place % 4], DAYS[place % 3])
        world.clock.advance(timedelta(minutes=3))
        assert world.sync(tieout.Since.LAST_RUN).ok
        wanted = expected(world.ledger, world.billing)
        assert {each: world.billing.shows(each) for each in wanted} == wanted


@given(books())
def test_money_is_conserved(rows: tuple[Row, ...]) -> None:
    """B17, B98: by currency, billing's paid amounts are those of the ledger."""
    world = built(without_tie(rows))
    before = sums(
        world, {each: world.billing.shows(each) for each in world.billing.bills}
    )
    report = world.sync()
    after = sums(
        world, {each: world.billing.shows(each) for each in world.billing.bills}
    )
    assert after == sums(world, expected(world.ledger, world.billing))
    moved = {
        currency: after[currency] - before[currency]
        for currency in after
        if currency in report.totals
    }
    assert {c: money.amount for c, money in report.totals.items()} == moved
    still = after.keys() - report.totals.keys()
    assert all(after[currency] == before[currency] for currency in still)


def sums(world: World, shows: dict[str, Any]) -> dict[str, Decimal]:
    """By currency, what is shown as paid in all."""
    found: dict[str, Decimal] = {}
    for bill_id, (paid, _) in shows.items():
        currency = world.billing.bills[bill_id].currency
        found[currency] = found.get(currency, ZERO) + paid
    return found


# Poison -------------------------------------------------------------------------------------

POISON = ("unreadable", "ambiguous here", "ambiguous there", "another document")


def poisoned(world: World, kind: str, place: int) -> None:
    """Put one bad record among the good ones."""
    number = f"bad{place}"
    paper, bill = world.both(number, 50)
    world.ledger.apply(paper, 50)
    match kind:
        case "unreadable":
            world.ledger.edit(paper, bad=True)
        case "ambiguous here":
            world.billing.add(number, 50)
        case "ambiguous there":
            world.ledger.add(number, 50)
        case _:
            world.billing.edit(bill, total=Decimal(70))


@given(books(), st.lists(st.sampled_from(POISON), min_size=1, max_size=4), PAGES)
@example((), list(POISON), 1)
def test_bad_records_do_not_bear_on_the_others(
    rows: tuple[Row, ...], kinds: list[str], page_size: int
) -> None:
    """B40, B44, B106: whatever is wrong with some, all others end as without them."""
    clean = built(rows)
    mixed = built((), ledger={"page_size": page_size, "number_unique": False})
    for place, kind in enumerate(kinds):
        poisoned(mixed, kind, place)
    for row in rows:
        put(mixed, row)
    clean.sync()
    report = mixed.sync()
    assert report.complete
    assert not report.ok
    good = clean.billing.all()
    assert {number: mixed.billing.all()[number] for number in good} == good
    assert all(
        mixed.billing.shows(bill.id) == (ZERO, None)
        for bill in mixed.billing.bills.values()
        if bill.number.startswith("bad")
    )
