"""
The stage of a simulated world: its one clock, its one source of chance, and the baton.

Workers are threads of which exactly one runs; at every port call the baton may go to
another, drawn from the seed. Nothing here knows what the workers do.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from random import Random
from threading import Semaphore, Thread
from typing import Any, TypeVar

from attrs import define, field, frozen

T = TypeVar("T")

DAWN = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
"""When every simulated world begins."""

FINE = 1000
"""The grain of a chance: one in a thousand."""


class Crash(BaseException):
    """The process ends here: nothing of it runs any more, `finally` clauses included."""


class Halt(BaseException):
    """The step up to which a world was to be played has been reached."""


class Violation(BaseException):
    """
    An invariant does not hold.

    No `Exception`: the library takes whatever a transport raises for a lost answer.
    """

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(f"{invariant}: {text}")
        self.invariant = invariant
        self.text = text


class Decisions:
    """
    All that is left to chance, as a list of numbers that can be replayed and shrunk.

    0 is the calm choice everywhere, and what comes after a given list has ended.
    """

    def __init__(self, seed: int, given: Sequence[int] | None = None) -> None:
        self.made: list[int] = []
        self._random = Random(seed).random
        self._given = given

    def draw(self, count: int) -> int:
        """A number from 0 to below ``count``."""
        place = len(self.made)
        if self._given is None:
            value = int(self._random() * count)
        else:
            value = self._given[place] % count if place < len(self._given) else 0
        self.made.append(value)
        return value

    def chance(self, rate: float) -> bool:
        """Whether something of this rate (0 to 1) happens; nothing is drawn for 0."""
        return rate > 0 and self.draw(FINE) >= FINE - rate * FINE

    def one_in(self, count: int) -> bool:
        """Whether one of ``count`` equal cases holds."""
        return self.draw(count) == count - 1

    def pick(self, choices: Sequence[T]) -> T:
        """One of several; the first is the calm one."""
        return choices[self.draw(len(choices))]

    def seconds(self, most: float) -> float:
        """A span of 0 to ``most`` seconds, in hundredths."""
        return self.draw(101) * most / 100


@frozen
class Entry:
    """One line of the timeline."""

    step: int
    at: datetime
    worker: str
    port: str
    what: str
    fault: str = ""
    journal: str = ""
    change: str = ""


@define(eq=False)
class Worker:
    """One process of the world: alive, asleep until ``due``, or dead."""

    name: str
    gate: Semaphore = field(factory=lambda: Semaphore(0), repr=False)
    due: datetime = DAWN
    dead: bool = False
    done: bool = False
    error: BaseException | None = None
    doing: str = ""
    """The crash point behind what it did last."""
    only: str = ""
    """The crash point of all that it does, where there is but one."""


class Stage:
    """One clock, one order of steps, one trace."""

    def __init__(self, decisions: Decisions, *, until: int | None = None) -> None:
        self.decisions = decisions
        self.now = DAWN
        self.steps = 0
        self.recording = False
        self.timeline: list[Entry] = []
        self.faults: dict[str, int] = {}
        self.crashes: dict[str, int] = {}
        self.skew = timedelta(0)
        """How far the machines' wall clock is off."""
        self._until = until
        self._hash = blake2b(digest_size=12)
        self._due: list[tuple[datetime, int, Callable[[], Any]]] = []
        self._serial = 0
        self._crew: list[Worker] = []
        self._director = Semaphore(0)
        self._changes: list[str] = []
        self._fault = ""
        self._journal = ""

    # Time -----------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time pass; what was put off until then happens on the way."""
        until = self.now + timedelta(seconds=seconds)
        while self._due and self._due[0][0] <= until:
            at, _, act = heapq.heappop(self._due)
            self.now = max(self.now, at)
            act()
        self.now = max(self.now, until)

    def later(self, seconds: float, act: Callable[[], Any]) -> None:
        """Put something off."""
        self._serial += 1
        at = self.now + timedelta(seconds=seconds)
        heapq.heappush(self._due, (at, self._serial, act))

    # Steps ----------------------------------------------------------------------------

    def step(self, worker: Worker, port: str, what: str, takes: float = 0.001) -> None:
        """A port call begins: time passes, and the baton may go to another worker."""
        if worker.dead:
            raise Crash
        self.flush()
        if self._until is not None and self.steps >= self._until:
            raise Halt
        self.steps += 1
        self.advance(takes)
        self._hash.update(
            f"{self.now.timestamp()}|{worker.name}|{port}|{what}|".encode()
        )
        if self.recording:
            self._open = (self.steps, self.now, worker.name, port, what)
        if self._crew:
            self._hand_over(worker)

    def fault(self, fault: str) -> None:
        """A fault of the catalogue was injected."""
        self.faults[fault] = self.faults.get(fault, 0) + 1
        self._hash.update(fault.encode())
        if self.recording:
            self._fault = f"{self._fault} {fault}".strip()

    def journaled(self, text: str) -> None:
        """Rows of the journal moved in the step that is under way."""
        self._journal = text

    def changed(self, text: str) -> None:
        """Something changed in one of the systems."""
        self._hash.update(text.encode())
        if self.recording:
            self._changes.append(text)

    _open: tuple[int, datetime, str, str, str] | None = None

    def flush(self) -> None:
        """Write the step that is under way into the timeline."""
        if not self.recording:
            return
        change = "; ".join(self._changes)
        if self._open is not None:
            self.timeline.append(Entry(*self._open, self._fault, self._journal, change))
        elif change:
            self.timeline.append(
                Entry(self.steps, self.now, "", "", "", self._fault, "", change)
            )
        self._open, self._fault, self._journal = None, "", ""
        self._changes = []

    def crash(self, worker: Worker, kind: str) -> None:
        """End a worker's process, at a crash point of the catalogue."""
        kind = worker.only or kind
        self.crashes[kind] = self.crashes.get(kind, 0) + 1
        self.fault(kind)
        worker.dead = True
        raise Crash

    @property
    def trace(self) -> str:
        """A hash of everything that happened, in order."""
        return self._hash.copy().hexdigest()

    # The baton ------------------------------------------------------------------------

    @property
    def crowded(self) -> bool:
        """Whether more than one worker is on stage."""
        return bool(self._crew)

    def sleep(self, worker: Worker, seconds: float) -> None:
        """A worker does nothing for a while; alone, the clock just goes on."""
        if not self._crew:
            self.advance(seconds)
            return
        worker.due = self.now + timedelta(seconds=seconds)
        self._hand_over(worker)

    def play(self, parts: Sequence[tuple[Worker, Callable[[], Any]]]) -> None:
        """Let several workers run side by side until all have ended."""
        self._crew = [worker for worker, _ in parts]
        threads = [
            Thread(target=self._act, args=part, name=part[0].name, daemon=True)
            for part in parts
        ]
        for thread in threads:
            thread.start()
        self._next(None).gate.release()
        self._director.acquire()
        for thread in threads:
            thread.join()
        self._crew = []
        errors = [worker.error for worker, _ in parts if worker.error is not None]
        for error in sorted(errors, key=lambda each: isinstance(each, Halt)):
            raise error

    def _act(self, worker: Worker, part: Callable[[], Any]) -> None:
        worker.gate.acquire()
        try:
            part()
        except Crash:
            worker.dead = True
        except BaseException as error:  # noqa: BLE001 - it is raised by the director
            worker.error = error
            if not isinstance(error, Halt):
                self._until = self.steps  # the timeline ends where it was found
        worker.done = True
        following = self._next(None)
        (following.gate if following is not _NOBODY else self._director).release()

    def _hand_over(self, worker: Worker) -> None:
        following = self._next(worker)
        if following is worker:
            return
        following.gate.release()
        worker.gate.acquire()

    def _next(self, holder: Worker | None) -> Worker:
        """Who goes on: drawn among those awake, the holder being the calm choice."""
        crew = [each for each in self._crew if not each.done]
        if not crew:
            return _NOBODY
        awake = [each for each in crew if each.due <= self.now]
        if not awake:
            first = min(each.due for each in crew)
            self.advance((first - self.now).total_seconds())
            awake = [each for each in crew if each.due <= self.now]
        if len(awake) == 1:
            return awake[0]
        awake.sort(key=lambda each: each is not holder)
        return self.decisions.pick(awake)


_NOBODY = Worker("nobody")
