"""What an audit of the payment sync found once; each of these misstated money, or hung."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

import pytest
from attrs import evolve

import tieout
from tieout import Since
from tieout.auth import Grant
from tieout.errors import Code, ConfigError
from tieout.session import _hushed
from tieout.store import Marker, key_of
from tieout.wire import Request, Response
from worlds import DAY, LONG_AGO, TODAY, World


def marker(world: World) -> Marker:
    """Where "last successful run" begins."""
    key = key_of(world.engine().pair, "payments", "shared")
    return world.store.get(Marker, [key])[key]


def test_what_was_only_looked_at_is_not_passed_over() -> None:
    """B6: a dry run's resume point skips no page of a real one."""
    world = World(ledger={"page_size": 1})
    for number in range(4):
        paper, _ = world.both(f"I{number}", 100)
        world.ledger.apply(paper, 100)
    asked = iter(range(10))
    looked = world.sync(
        adapter=tieout.Preview(io.StringIO()), stop=lambda: next(asked) > 2
    )
    assert looked.resume is not None
    assert world.sync(looked.resume).counts["updated"] == 4


def test_a_clock_that_was_wrong_once_does_not_end_all_runs() -> None:
    """P11: a marker in the future is refused by name, and a run from a date replaces it."""
    world = World()
    paper, bill = world.both("I1", 100)
    world.sync()
    wrong = evolve(marker(world), at=datetime(2099, 1, 1, tzinfo=UTC))
    world.store.commit(wrong)
    world.ledger.apply(paper, 100)
    world.clock.advance(timedelta(hours=1))
    with pytest.raises(ConfigError, match="a clock was wrong"):
        world.sync(Since.LAST_RUN)
    assert world.sync().counts["updated"] == 1
    assert world.billing.shows(bill)[0] == 100
    assert world.sync(Since.LAST_RUN).complete


def test_the_hosts_decimal_context_rounds_nobodys_money() -> None:
    """B153: six digits of precision are enough for a host, not for an invoice."""
    world = World()
    paper, bill = world.both("I1", "123456.78")
    world.ledger.apply(paper, "123456.78")
    with localcontext() as context:
        context.prec = 6
        world.sync()
    assert world.billing.shows(bill)[0] == Decimal("123456.78")


def test_a_plan_ties_what_agreed_when_it_was_made() -> None:
    """B20: plan and apply remember as much as a run: a later void is carried."""
    world = World()
    paper, bill = world.both("I1", 50)
    world.ledger.apply(paper, 50)
    world.billing.edit(bill, paid=Decimal(50), paid_on=TODAY)
    assert world.engine().apply(world.plan()).marker_moved
    world.clock.advance(DAY)
    world.ledger.void(paper)
    world.sync(Since.LAST_RUN)
    assert world.billing.shows(bill) == (Decimal(0), None)


def test_a_clock_set_back_does_not_lock_the_pair() -> None:
    """H23: a lease that ends later than any lease can is no lease."""
    world = World()
    world.both("I1", 50)
    world.sync()
    world.clock.advance(timedelta(days=-3))
    assert world.sync(LONG_AGO).complete


def test_a_tied_invoice_back_in_draft_is_told() -> None:
    """D21: billing is left as it is, and a person hears of it."""
    world = World()
    paper, bill = world.both("I1", 50)
    world.ledger.apply(paper, 50)
    world.sync()
    world.clock.advance(DAY)
    world.ledger.edit(paper, status=tieout.Status.DRAFT)
    report = world.sync(Since.LAST_RUN)
    assert [issue.code for issue in report.issues] == [Code.WENT_BACK]
    assert not report.ok
    assert world.billing.shows(bill)[0] == 50


def test_a_refusal_that_repeats_the_request_keeps_no_secret() -> None:
    """B157, X19: a gateway that echoes headers and tokens is hushed before anybody reads."""
    grant = Grant("https://x.example", {"access_token": "CANARY-token"})
    signed = Request(
        "GET", "x", headers={"Authorization": "Basic Y2FuYXJ5OnNlY3JldA=="}
    )
    echo = b"you sent Y2FuYXJ5OnNlY3JldA== that is canary:secret, and CANARY-token"
    for status in (200, 302, 400, 502):  # 200: what is no good answer by its body
        heard = _hushed(Response(status, (), echo), signed, grant)
        assert isinstance(heard, Response)
        assert heard.text() == "you sent *** that is ***, and ***"
