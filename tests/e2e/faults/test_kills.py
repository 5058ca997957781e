"""The kill loop: real processes, real SIGKILLs, one SQLite file."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .company import Company
from .crew import Crew, complaints
from .hunt import MOMENTS, Hunt, settled
from .timing import SharedClock
from .worker import Job

KILLS = 120
SEED = 20260310


def test_processes_killed_at_random_lose_and_double_nothing(
    crew: Crew,
    company: Company,
    clock: SharedClock,
    job: Callable[..., Job],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """C1-C13, H3, H6, S4, S7: after 120 SIGKILLs both books agree in every currency."""
    jobs = [job("first"), job("second")]
    settled(crew, clock, jobs[0])  # from here on, "last run" is a time
    hunt = Hunt(crew, company, clock, jobs, SEED)
    try:
        hunt.go_on(KILLS)
    finally:
        hunt.end()
    runs = settled(crew, clock, jobs[0])
    verdict = company.judged()
    with capsys.disabled():
        print(f"\n{hunt}\n{company.connectwise.writes} writes, {verdict}")  # noqa: T201 - the figures are asked for
    assert hunt.struck.total() >= KILLS
    assert set(MOMENTS) < set(hunt.struck)
    assert verdict.sound, hunt.story(company.bills[each] for each in verdict.lost)
    assert (runs[-1]["ok"], runs[-1]["writes"]) == (True, 0)
    assert complaints(jobs[0]) == complaints(jobs[1]) == ""
