"""The wall clock set wrong by an hour, between and within runs, while writes are unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from tieout.wire import Request

from .company import Company, is_write, lost, nothing
from .crew import Crew, complaints
from .hunt import settled
from .timing import SharedClock
from .worker import Job

HOUR = 3600.0
PAID = 6
PAUSE = 2000.0
"""Seconds between quiet runs: what has to be waited for lasts an hour longer at worst."""


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not committed"])
@pytest.mark.parametrize("within", [True, False], ids=["within", "between"])
@pytest.mark.parametrize("by", [HOUR, -HOUR], ids=["forward", "back"])
def test_a_clock_that_jumps_doubles_no_unknown_write(
    by: float,
    within: bool,
    committed: bool,
    crew: Crew,
    company: Company,
    clock: SharedClock,
    job: Callable[..., Job],
) -> None:
    """H23: an hour on or back, with half of the writes unknown: each is there once."""
    for number in company.numbers[:PAID]:
        company.pay(number, 250)
    seen: list[Request] = []

    def trouble(request: Request) -> None:
        if not is_write(request):
            return
        seen.append(request)
        if len(seen) == 2 and within:
            clock.jump(by)
        if len(seen) % 2:
            lost(request)

    place = "after" if committed else "before"
    setattr(company.billing, place, trouble)
    ours = job(runs=1)
    crew.run(ours)
    setattr(company.billing, place, nothing)
    if not within:
        clock.jump(by)
    crew.run(ours)
    clock.jump(-by)  # somebody corrects it
    settled(crew, clock, ours, pause=PAUSE)
    assert len(seen) > PAID // 2
    assert company.judged().sound
    assert complaints(ours) == ""


def test_a_write_that_lands_late_is_not_sent_again_after_a_jump_back(
    crew: Crew, company: Company, clock: SharedClock, job: Callable[..., Job]
) -> None:
    """H6, H23: set back, the clock makes the wait longer; corrected, it is what it was."""
    company.pay(company.numbers[0], 250)
    late: list[Request] = []

    def hold(request: Request) -> None:
        if is_write(request):
            late.append(request)
            lost(request)

    company.billing.before = hold
    ours = job(runs=1)
    crew.run(ours)
    company.billing.before = nothing
    clock.jump(-HOUR)
    for jump in (0.0, 0.0, HOUR):
        clock.leap(75)
        clock.jump(jump)
        crew.run(replace(ours, fresh=True))
    company.late(late[0])
    settled(crew, clock, ours, pause=PAUSE)
    assert company.judged().sound
    assert company.connectwise.writes == 1
    assert complaints(ours) == ""


def test_clocks_that_jump_all_the_time_double_nothing(
    crew: Crew, company: Company, clock: SharedClock, job: Callable[..., Job]
) -> None:
    """H23: 20 runs under a clock that goes wrong and is corrected at random moments."""
    random, chance = Random(23), Random(24)
    off = 0.0

    def trouble(request: Request) -> None:
        nonlocal off
        if chance.random() < 0.1:
            to = chance.choice([-HOUR, 0.0, HOUR])
            clock.jump(to - off)
            off = to
        if is_write(request) and chance.random() < 0.3:
            lost(request)

    ours = job(runs=1)
    for _ in range(20):
        for _ in range(4):
            company.work(random)
        company.billing.before, company.billing.after = random.choice(
            [(trouble, nothing), (nothing, trouble)]
        )
        crew.run(replace(ours, fresh=random.random() < 0.5))
        clock.leap(random.choice([0, 60, 300, 480]))
    company.billing.before = company.billing.after = nothing
    clock.jump(-off)
    settled(crew, clock, ours, pause=PAUSE)
    assert company.judged().sound
    assert complaints(ours) == ""
