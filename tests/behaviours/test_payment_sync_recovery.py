"""What is remembered of unclear writes never stands in the way of what the books say now."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from attrs import evolve

from tieout import Since
from tieout.errors import Code
from tieout.store import Restored
from worlds import World, fails, loses_answer, lost

HOUR = timedelta(hours=1)


def paid(world: World) -> list[Decimal]:
    return [world.billing.shows(bill)[0] for bill in world.billing.bills]


def half_paid(**options: object) -> tuple[World, str]:
    """One invoice, half paid; its id in the ledger and the id of the payment."""
    world = World(**options)  # type: ignore[arg-type]
    paper, _ = world.both("A", 100)
    return world, world.ledger.apply(paper, 50)


def test_what_is_found_after_the_marker_has_passed_it_is_compared_anew() -> None:
    """I4, B5: the ledger took it back while nobody knew whether it had landed."""
    world, payment = half_paid()
    world.calls.at(4, loses_answer)
    world.calls.at(5, fails(lost()))
    world.sync()
    world.ledger.undo(payment)
    world.clock.advance(timedelta(minutes=10))
    # A look that fails: the record waits, and the marker goes on past its change.
    world.calls.at(0, fails(lost()))
    assert world.sync(Since.LAST_RUN).marker_moved
    world.clock.advance(HOUR)
    world.sync(Since.LAST_RUN)
    world.clock.advance(HOUR)
    world.sync(Since.LAST_RUN)
    assert paid(world) == [Decimal(0)]
    assert world.held() == {}


def test_a_plan_that_left_something_out_does_not_move_the_marker() -> None:
    """I4: what was unsettled is settled by now, by what nobody compared."""
    world, payment = half_paid()
    world.calls.at(4, loses_answer)
    world.sync()
    world.ledger.undo(payment)
    world.clock.advance(timedelta(seconds=1))
    plan = world.plan(Since.LAST_RUN)
    assert [issue.code for issue in plan.issues] == [Code.OUTCOME_UNKNOWN]
    world.clock.advance(HOUR)
    engine = world.engine()
    assert not engine.apply(plan).marker_moved
    world.clock.advance(HOUR)
    world.sync(Since.LAST_RUN)
    assert paid(world) == [Decimal(0)]


def test_a_restored_store_trusts_nothing_until_all_was_compared() -> None:
    """C17, R5: what it calls agreed, a forgotten run has written over."""
    world = World()
    paper, _ = world.both("A", 100)
    world.sync()
    old = {kind: dict(facts) for kind, facts in world.store._facts.items()}  # type: ignore[attr-defined]
    world.clock.advance(HOUR)
    payment = world.ledger.apply(paper, 50)
    world.sync(Since.LAST_RUN)
    assert paid(world) == [Decimal(50)]
    world.ledger.undo(payment)
    world.store._facts = old  # type: ignore[attr-defined]
    restored = Restored("copy", world.clock.now())
    world.store.commit(restored)
    assert world.sync(Since.LAST_RUN).code is Code.RESTORED
    world.clock.advance(HOUR)
    assert world.sync(Since.LAST_RUN).marker_moved
    assert paid(world) == [Decimal(0)]
    assert world.store.get(Restored, ["store"])["store"] == evolve(
        restored, compared=True
    )
