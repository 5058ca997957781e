"""A payment of many legs whose process is killed between any two of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tieout.wire import Request

from .company import Hook, is_write, lost, nothing
from .crew import Crew, complaints
from .till import PARTS, WHOLE, Till
from .timing import SharedClock
from .worker import WORKER, Job

WRITES = 4
"""Requests that carry the legs: the fee's invoice, the payments, and two credits."""

SETTLED = 480.0
"""Seconds after which a lease has ended, and what is absent was not carried out."""


@pytest.fixture
def till(clock: SharedClock) -> Iterator[Till]:
    """Both systems, served."""
    with Till(clock.now) as made:
        yield made


@pytest.fixture
def job(tmp_path: Path, till: Till, clock: SharedClock) -> Job:
    """One run on the pair, with everything compared."""
    return Job(
        name="worker",
        store=str(tmp_path / "store.db"),
        clock=str(clock.path),
        ledger_url=till.ledger_url,
        billing_url=till.billing_url,
        notes=str(tmp_path / "worker.jsonl"),
        runs=1,
        fresh=True,
        documents=True,
    )


def nth(number: int, strike: Hook) -> Hook:
    """A hook that strikes at the write of this number, and lets all others through."""
    seen: list[str] = []

    def hook(request: Request) -> None:
        if is_write(request):
            seen.append(request.url)
            if len(seen) == number + 1:
                strike(request)

    return hook


def killing(crew: Crew) -> Hook:
    """Kills the process that asks; what it asked for is not answered."""

    def strike(request: Request) -> None:
        assert crew.kill(int(request.header(WORKER) or 0))
        lost(request)

    return strike


def recovered(
    crew: Crew, till: Till, clock: SharedClock, job: Job
) -> list[dict[str, Any]]:
    """What the next processes say, after whatever stood in the way is gone."""
    till.ledger.before = till.ledger.after = nothing
    told: list[dict[str, Any]] = []
    for _ in range(3):
        clock.leap(SETTLED)
        told += crew.run(job)
    assert till.owed() == WHOLE
    assert till.received() == PARTS
    assert (told[-1]["writes"], told[-1]["issues"], told[-1]["parked"]) == (0, [], 0)
    assert complaints(job) == ""
    return told


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(WRITES))
def test_a_process_killed_between_two_legs_loses_and_doubles_nothing(
    number: int, when: str, crew: Crew, till: Till, clock: SharedClock, job: Job
) -> None:
    """B102: SIGKILL before or after each write arrives; the next process makes the rest."""
    crew.run(job)
    till.pay()
    setattr(till.ledger, when, nth(number, killing(crew)))
    assert crew.run(job) == [], "it was killed before it could note anything"
    recovered(crew, till, clock, job)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(WRITES))
def test_a_leg_whose_answer_is_lost_is_there_once(
    number: int, when: str, crew: Crew, till: Till, clock: SharedClock, job: Job
) -> None:
    """B102: carried out or not, the process that asked lives on and makes the rest."""
    crew.run(job)
    till.pay()
    setattr(till.ledger, when, nth(number, lost))
    (told,) = crew.run(job)
    assert told["counts"]["unknown"] >= 1
    recovered(crew, till, clock, job)


def test_undisturbed_every_leg_is_written_at_once(
    crew: Crew, till: Till, clock: SharedClock, job: Job
) -> None:
    """B64, B65, B96: one run, and the writes that the kills are counted by."""
    crew.run(job)
    till.pay()
    seen: list[str] = []

    def count(request: Request) -> None:
        if is_write(request):
            seen.append(request.url)

    till.ledger.after = count
    (told,) = crew.run(job)
    assert (len(seen), told["writes"], told["issues"]) == (WRITES, WRITES, [])
    recovered(crew, till, clock, job)
