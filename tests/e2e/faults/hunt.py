"""
Two workers on one store, killed again and again at chosen and at random moments.

A strike is one such moment. Requests of the dead may be carried out later, within the
bound that billing declares. Between two strikes time leaps, so that leases end and waits
are over; the leap is made when nobody is in the middle of a write.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tieout.errors import Code, Fault
from tieout.wire import Request

from .company import Company, is_write, nothing
from .crew import PATIENCE, Crew
from .timing import SharedClock
from .worker import WORKER, Job

MOMENTS = (
    "at any time",
    "at a read",
    "before a write",
    "after a write",
    "during a write that lands late",
)
"""When somebody is killed."""

TROUBLES = ("answer lost", "write lands late")
"""What happens to writes of workers that live on."""

LATEST = 345.0
"""Seconds after which a request is carried out at the latest: later than a lease lasts,
earlier than the journal takes absence for proof. That is 420 s after a wave began, or
75 s after this for a request that left in the wave's first moment."""

OFTEN = 0.15
"""The share of writes that have trouble although nobody is killed."""

TAKEN_OVER = 301.0
"""Seconds after which a lease has certainly ended, and a late request is still on its way."""

LEAPS = (0.0, 45.0, TAKEN_OVER, 310.0, 480.0)
"""Seconds that pass after a kill: within the lease, at its end, after the settle time."""

BOOKINGS = 5
"""Payments and corrections entered meanwhile, for each kill."""

LOCKED_SECONDS = 0.03
"""Real seconds in which a pair that a dead process holds is asked for in vain."""


@dataclass(frozen=True)
class Late:
    """A request that will be carried out at ``at`` on the shared clock's elapsed time."""

    at: float
    request: Request


class Hunt:
    """The hunt for two workers' processes; ``struck`` counts kills by moment."""

    def __init__(
        self,
        crew: Crew,
        company: Company,
        clock: SharedClock,
        jobs: list[Job],
        seed: int,
    ) -> None:
        self._crew, self._company, self._clock = crew, company, clock
        self._random = Random(seed)
        self._jobs = jobs
        self._pids = [crew.start(job) for job in jobs]
        self._lock = threading.Lock()
        self._victims: queue.Queue[int] = queue.Queue()
        self._moment = ""
        self._countdown = 0
        self._late: list[Late] = []
        self._chance = Random(seed + 1)
        self.struck: Counter[str] = Counter()
        self.troubles: Counter[str] = Counter()
        self.booked = 0
        self._dead: set[int] = set()
        self._story: list[str] = []
        company.billing.before = self._before_billing
        company.billing.after = self._after_billing
        company.ledger.before = self._before_ledger

    def __str__(self) -> str:
        moments = ", ".join(f"{n} {moment}" for moment, n in self.struck.items())
        troubles = ", ".join(f"{n} {what}" for what, n in self.troubles.items())
        return (
            f"{self.struck.total()} kills ({moments}); besides: {troubles}; "
            f"{self.booked} bookings meanwhile"
        )

    def story(self, bills: Iterable[int]) -> str:
        """What happened to the payments of these invoices of billing, and when."""
        about = [f"/invoices/{bill}/payments" for bill in bills]
        return "\n".join(
            line for line in self._story if any(path in line for path in about)
        )

    # What the served fakes do: on their own threads --------------------------------------

    def _before_ledger(self, request: Request) -> None:
        if self._due("at a read"):
            self._strike("at a read", request)

    def _before_billing(self, request: Request) -> None:
        self._tell("arrived", request)
        if int(request.header(WORKER) or 0) in self._dead:
            # It was still to be read when time leapt: no bound would hold for it.
            raise Fault(Code.ANSWER_LOST)
        if not is_write(request):
            if self._due("at a read"):
                self._strike("at a read", request)
        elif self._due("before a write"):
            self._strike("before a write", request)
        elif self._due("during a write that lands late"):
            self._delay(request, TAKEN_OVER)
            self._strike("during a write that lands late", request)
        elif self._troubled("write lands late"):
            self._delay(request, LATEST / 2)
            raise Fault(Code.ANSWER_LOST)

    def _after_billing(self, request: Request) -> None:
        if not is_write(request):
            return
        if self._due("after a write"):
            self._strike("after a write", request)
        elif self._troubled("answer lost"):
            raise Fault(Code.ANSWER_LOST)

    def _due(self, moment: str) -> bool:
        with self._lock:
            if self._moment != moment:
                return False
            self._countdown -= 1
            if self._countdown > 0:
                return False
            self._moment = ""
            return True

    def _troubled(self, trouble: str) -> bool:
        with self._lock:
            happens = self._chance.random() < OFTEN and self.struck.total() > 0
            self.troubles[trouble] += happens
            return happens

    def _delay(self, request: Request, least: float) -> None:
        with self._lock:
            at = self._clock.monotonic() + self._chance.uniform(least, LATEST)
            self._late.append(Late(at, request))
        self._tell(f"held until {at:.0f}", request)

    def _tell(self, what: str, request: Request) -> None:
        at = f"{self._clock.monotonic():8.1f} {request.header(WORKER)}"
        self._story.append(f"{at} {request.method} {request.url}: {what}")

    def _strike(self, moment: str, request: Request) -> None:
        """Kill who is asking; its connection ends."""
        pid = int(request.header(WORKER) or 0)
        if self._crew.kill(pid):
            self._tell(f"killed {moment}", request)
            self._dead.add(pid)
            self._victims.put(pid)
        else:  # what is left of one that is dead already is no victim
            with self._lock:
                self._moment = moment
        raise Fault(Code.ANSWER_LOST)

    # The hunter: on the test's thread -----------------------------------------------------

    def go_on(self, kills: int) -> None:
        """Strike until so many have been killed."""
        while self.struck.total() < kills:
            self._book()
            moment = self._random.choice(MOMENTS)
            dead = self._at_any_time() if moment == MOMENTS[0] else self._at(moment)
            self.struck[moment] += len(dead)
            # Whoever held the pair is dead, and whoever lives is waiting for it: time that
            # passes now passes for nobody's write.
            passed = self._random.choice(LEAPS if moment != MOMENTS[-1] else LEAPS[:3])
            self._leap(passed)
            for slot in dead:
                self._pids[slot] = self._crew.start(self._jobs[slot])
            if passed < TAKEN_OVER:
                time.sleep(LOCKED_SECONDS)
                self._leap(TAKEN_OVER - passed)

    def end(self) -> None:
        """Kill both, and let everything that is under way land."""
        for gate in (self._company.billing, self._company.ledger):
            gate.before = gate.after = nothing
        for pid in self._pids:
            self.struck["at the end"] += self._crew.kill(pid)
        self._leap(LATEST)
        assert not self._late

    def _book(self) -> None:
        self._company.work(self._random)
        self.booked += 1

    def _at_any_time(self) -> list[int]:
        """The power fails: both die, whatever they were doing."""
        time.sleep(self._random.uniform(0, 0.15))
        for pid in self._pids:
            assert self._crew.kill(pid), "a worker had ended by itself"
            self._dead.add(pid)
        return [0, 1]

    def _at(self, moment: str) -> list[int]:
        """Whoever comes by at that moment dies."""
        with self._lock:
            self._countdown = self._random.randint(1, 6 if moment == "at a read" else 3)
            self._moment = moment
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                return [self._pids.index(self._victims.get(timeout=0.02))]
            except queue.Empty:
                self._land()
            if self.booked < BOOKINGS * (self.struck.total() + 1):
                self._book()
        raise AssertionError(f"nobody came by {moment}")

    def _leap(self, seconds: float) -> None:
        """Let time pass; what is late lands at its own moment on the way."""
        until = self._clock.monotonic() + seconds
        while due := [each.at for each in self._held() if each.at <= until]:
            self._clock.leap(max(0.0, min(due) - self._clock.monotonic()))
            self._land()
        self._clock.leap(max(0.0, until - self._clock.monotonic()))

    def _held(self) -> list[Late]:
        with self._lock:
            return list(self._late)

    def _land(self) -> None:
        now = self._clock.monotonic()
        for each in self._held():
            if each.at <= now:
                self._company.late(each.request)
                self._tell("landed", each.request)
                with self._lock:
                    self._late.remove(each)


def settled(
    crew: Crew, clock: SharedClock, job: Job, most: int = 8, pause: float = 600
) -> list[dict[str, Any]]:
    """Quiet runs with a ``pause`` before each, until one has nothing to write."""
    runs: list[dict[str, Any]] = []
    quiet = replace(job, runs=1, fresh=True)
    while len(runs) < most:
        clock.leap(pause)
        runs += [each for each in crew.run(quiet) if each["ending"] != "refused"]
        if runs[-1]["ok"] and not runs[-1]["writes"] and not unknown(runs[-1]):
            break
    return runs


def unknown(run: dict[str, Any]) -> int:
    """How many records of a run had an unknown outcome."""
    return int(run["counts"]["unknown"])
