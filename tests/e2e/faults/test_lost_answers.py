"""Writes through a chaos proxy: whatever is lost on the way, each lands once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from tieout.wire import Request

from .chaos import NONE, Chaos, Trouble
from .company import Company, is_write, lost, nothing
from .crew import Crew, complaints
from .hunt import settled
from .timing import SharedClock
from .worker import Job

TIMEOUT = 0.4
"""Real seconds that a worker waits for an answer here."""

COMMITTED = {
    "H3: dropped": Trouble(answered=0),
    "H3: reset": Trouble(answered=0, reset=True),
    "H15: one byte": Trouble(answered=1),
    "H15: within the head": Trouble(answered=60, reset=True),
    "H15: within the body": Trouble(answered=-10),
    "H3: too late": Trouble(delay=2 * TIMEOUT),
}
"""The server has carried it out, and the client does not hear so."""

NOT_COMMITTED = {
    "H20: no byte": Trouble(asked=0, reset=True),
    "C7: within the head": Trouble(asked=40),
    "C7: within the body": Trouble(asked=-5, reset=True),
}
"""The server has not seen all of it, which the client cannot know."""


def writing(request: bytes) -> bool:
    """Whether a request makes or changes a payment."""
    return request.startswith((b"POST", b"PATCH", b"DELETE"))


class Once:
    """Gives trouble to the first ``times`` writes."""

    def __init__(self, trouble: Trouble, times: int) -> None:
        self._trouble = trouble
        self.left = times

    def __call__(self, request: bytes) -> Trouble:
        if not self.left or not writing(request):
            return NONE
        self.left -= 1
        return self._trouble


@pytest.mark.parametrize("how", [*COMMITTED, *NOT_COMMITTED])
def test_a_write_whose_answer_is_lost_lands_once(
    how: str, crew: Crew, company: Company, clock: SharedClock, job: Callable[..., Job]
) -> None:
    """C7, C8, H2, H3, H15, H20: it is unknown at first, never sent blindly again, and lands."""
    trouble = {**COMMITTED, **NOT_COMMITTED}[how]
    for number in company.numbers[:6]:
        company.pay(number, 250)
    with Chaos(company.billing_url, Once(trouble, 3)) as chaos:
        ours = job(billing_url=chaos.url, timeout=TIMEOUT, runs=1)
        (first,) = crew.run(ours)
        assert first["counts"]["unknown"] == 3
        committed = company.connectwise.writes
        assert committed == (6 if how in COMMITTED else 3)
        (second,) = crew.run(ours)
        assert company.connectwise.writes == committed, "sent again before its time"
        assert second["counts"]["unknown"] == 3
        settled(crew, clock, ours)
    assert company.judged().sound
    assert company.connectwise.writes == 6
    assert complaints(ours) == ""


@pytest.mark.parametrize("after", [30, 200, 340])
def test_a_write_that_lands_late_lands_once(
    after: int,
    crew: Crew,
    company: Company,
    clock: SharedClock,
    job: Callable[..., Job],
) -> None:
    """H6: carried out minutes after its sender gave up; looked for, and not sent again."""
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
    for seconds in (0, after):
        clock.leap(seconds)
        (told,) = crew.run(replace(ours, fresh=True))
        assert (told["counts"]["unknown"], told["writes"]) == (1, 0)
    (request,) = late
    company.late(request)
    settled(crew, clock, ours)
    assert company.judged().sound
    assert company.connectwise.writes == 1
    assert complaints(ours) == ""


def test_a_connection_that_fails_all_the_time_doubles_nothing(
    crew: Crew, company: Company, clock: SharedClock, job: Callable[..., Job]
) -> None:
    """H1-H5, H15, H20: reads and writes fail at random; the books agree in the end."""
    random = Random(7)
    troubles = [*COMMITTED.values(), *NOT_COMMITTED.values()]

    def sometimes(request: bytes) -> Trouble:
        often = 0.4 if writing(request) else 0.05
        return random.choice(troubles) if random.random() < often else NONE

    with (
        Chaos(company.billing_url) as billing,
        Chaos(company.ledger_url) as ledger,
    ):
        urls = {"billing_url": billing.url, "ledger_url": ledger.url}
        ours = job(timeout=TIMEOUT, runs=1, **urls)
        billing.choice = ledger.choice = sometimes
        told = []
        for _ in range(20):
            for _ in range(4):
                company.work(random)
            told += crew.run(replace(ours, fresh=random.random() < 0.5))
            clock.leap(random.choice([0, 60, 300, 480]))
        billing.choice = ledger.choice = lambda _: NONE
        settled(crew, clock, ours)
    assert sum("counts" in each and each["counts"]["unknown"] for each in told) > 5
    assert company.judged().sound
    assert complaints(ours) == ""
