"""The clock that calls an engine: hourly, never twice at once, readable, and stoppable."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from attrs import define, field
from doubles import NOW, SetClock

import tieout.schedule
from tieout.errors import Code, ConfigError, Fault
from tieout.schedule import HOURLY, JITTER, Schedule

SOON = timedelta(milliseconds=5)
PATIENCE = 10.0
"""Seconds that a test waits for another thread before it fails."""


@define
class Work:
    """What a schedule calls: it counts, waits to be let go, and says how it was told to end."""

    fails: Exception | None = None
    holds: bool = False
    count: int = 0
    told: list[bool] = field(factory=list)
    begun: threading.Semaphore = field(factory=lambda: threading.Semaphore(0))
    go: threading.Event = field(factory=threading.Event)
    busy: threading.Lock = field(factory=threading.Lock)
    threads: set[str] = field(factory=set)

    def __call__(self, *, stop: Callable[[], bool]) -> int:
        assert self.busy.acquire(blocking=False), "two at once"
        try:
            self.threads.add(threading.current_thread().name)
            self.count += 1
            self.begun.release()
            while self.holds and not self.go.wait(0.005) and not stop():
                pass
            self.told.append(stop())
            if self.fails is not None:
                raise self.fails
            return self.count
        finally:
            self.busy.release()

    def awaited(self, runs: int = 1) -> None:
        """Until so many more runs have begun."""
        for _ in range(runs):
            assert self.begun.acquire(timeout=PATIENCE)


@pytest.fixture
def made() -> Iterator[Callable[..., Schedule]]:
    """Makes schedules, and stops each of them."""
    found: list[Schedule] = []

    def one(work: Callable[..., Any], **more: Any) -> Schedule:
        found.append(Schedule(work, clock=SetClock(), **more))
        return found[-1]

    yield one
    for each in found:
        each.stop()


Made = Callable[..., Schedule]


def settled(schedule: Schedule, of: Callable[[], bool]) -> None:
    """Until something is as it is to be."""
    end = threading.Event()
    for _ in range(int(PATIENCE / 0.005)):
        if of():
            return
        end.wait(0.005)
    raise AssertionError(schedule)


def test_it_runs_hourly_and_last_and_next_can_be_read(made: Made) -> None:
    """B59: the first run is at once, the next within an hour and a tenth of it."""
    work = Work()
    schedule = made(work)
    assert (schedule.every, schedule.last, schedule.next) == (HOURLY, None, None)
    schedule.start()
    work.awaited()
    settled(schedule, lambda: schedule.next is not None)
    assert schedule.last == NOW
    assert schedule.next is not None
    assert abs(schedule.next - NOW - HOURLY) <= HOURLY * JITTER
    assert (schedule.result, schedule.trouble) == (1, "")
    assert work.threads == {"tieout-schedule"}


def test_it_runs_again_and_again_each_time_after_another_pause(made: Made) -> None:
    """B59: a fleet of them does not call at one and the same moment."""
    work = Work()
    schedule = made(work, every=SOON)
    schedule.start()
    work.awaited(3)
    pauses = {schedule._pause() for _ in range(20)}
    assert len(pauses) > 1
    assert all(SOON * 0.9 <= each <= SOON * 1.1 for each in pauses)


def test_a_run_can_be_asked_for_at_any_time(made: Made) -> None:
    """B60: on one's own thread, before it is started, while it waits, and after it ended."""
    work = Work()
    schedule = made(work)
    assert schedule.now()
    assert work.threads == {threading.current_thread().name}
    schedule.start()
    settled(schedule, lambda: work.count == 2)
    settled(schedule, lambda: schedule.next is not None)
    assert schedule.now()
    schedule.stop()
    assert schedule.now()
    assert work.count == 4
    assert work.told == [False] * 4


def test_the_next_run_can_be_hurried(made: Made) -> None:
    """B60: the schedule's own thread begins at once."""
    work = Work()
    schedule = made(work)
    schedule.start()
    work.awaited()
    settled(schedule, lambda: schedule.next is not None)
    schedule.hurry()
    work.awaited()
    assert work.threads == {"tieout-schedule"}


def test_two_runs_are_never_under_way_at_once(made: Made) -> None:
    """B62: one that is asked for while another runs is refused, and does not queue up."""
    work = Work(holds=True)
    schedule = made(work, every=SOON)
    schedule.start()
    work.awaited()
    assert not schedule.now()
    assert work.count == 1
    work.go.set()
    work.awaited(2)


def test_a_scheduled_run_gives_way_to_one_that_was_asked_for(made: Made) -> None:
    """B62: the schedule does not wait for it, and is there again after its pause."""
    work = Work(holds=True)
    schedule = made(work, every=SOON)
    mine = threading.Thread(target=schedule.now)
    mine.start()
    work.awaited()
    schedule.start()
    settled(schedule, lambda: schedule.next is not None)
    assert work.count == 1
    work.go.set()
    mine.join(PATIENCE)
    work.awaited(2)


def test_started_twice_it_goes_on_as_it_is(made: Made) -> None:
    """There is one thread."""
    work = Work()
    schedule = made(work)
    schedule.start()
    thread = schedule._thread
    schedule.start()
    assert schedule._thread is thread
    work.awaited()


def test_it_stops_cleanly(made: Made) -> None:
    """B160: a run under way is told to end, and is waited for; nothing is left running."""
    work = Work(holds=True)
    schedule = made(work)
    with schedule as same:
        assert same is schedule
        work.awaited()
    assert work.told == [True]
    assert schedule.next is None
    assert schedule._thread is not None
    assert not schedule._thread.is_alive()
    schedule.wait()


def test_a_run_on_ones_own_thread_is_told_to_end_too(made: Made) -> None:
    """B160: whoever began it."""
    work = Work(holds=True)
    schedule = made(work)
    mine = threading.Thread(target=schedule.now)
    mine.start()
    work.awaited()
    schedule.stop()
    assert work.told == [True]
    mine.join(PATIENCE)


def test_stopped_it_can_be_started_again(made: Made) -> None:
    """The second life begins with a run at once, and is not told to end."""
    work = Work()
    schedule = made(work)
    for _ in range(2):
        with schedule:
            work.awaited()
    assert work.count == 2


def test_a_run_may_stop_its_own_schedule(made: Made) -> None:
    """It does not wait for itself, and who waits for the schedule goes on."""

    def work(*, stop: Callable[[], bool]) -> bool:
        schedule.stop()
        return stop()

    schedule = made(work)
    schedule.start()
    schedule.wait()
    assert schedule.result is True


def test_one_that_does_not_end_is_left_behind(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second start has a thread of its own; the first one ends when its run does."""
    monkeypatch.setattr(tieout.schedule, "JOIN_MAX", timedelta(milliseconds=20))
    go, begun = threading.Event(), threading.Semaphore(0)

    def work(*, stop: Callable[[], bool]) -> None:
        begun.release()
        go.wait(PATIENCE)

    schedule = made(work, every=SOON)
    schedule.start()
    assert begun.acquire(timeout=PATIENCE)
    schedule.stop()
    first = schedule._thread
    schedule.start()
    assert first is not schedule._thread
    go.set()
    assert begun.acquire(timeout=PATIENCE)
    assert first is not None
    first.join(PATIENCE)
    assert not first.is_alive()


def test_a_run_that_raises_is_noted_and_is_not_the_last(made: Made) -> None:
    """B148: the next cycle comes all the same; words of the host's own code are not told."""
    work = Work(Fault(Code.RUN_IN_PROGRESS, "another run holds this pair"))
    schedule = made(work)
    assert schedule.now()
    assert schedule.trouble == "RUN_IN_PROGRESS: another run holds this pair"
    assert schedule.last == NOW
    work.fails = ValueError("a secret of the host")
    assert schedule.now()
    assert schedule.trouble == "ValueError"
    work.fails = None
    assert schedule.now()
    assert (schedule.trouble, schedule.result) == ("", 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"every": timedelta(0)}, "longer than nothing"),
        ({"every": -HOURLY}, "longer than nothing"),
        ({"jitter": 1}, "from 0 below 1"),
        ({"jitter": -0.1}, "from 0 below 1"),
    ],
)
def test_a_pause_that_cannot_be_is_refused(
    arguments: dict[str, Any], words: str
) -> None:
    """Before anything runs."""
    with pytest.raises(ConfigError, match=words):
        Schedule(Work(), **arguments)
