"""
Keeps calls within the limits of a system, for all sessions that share one in this process.

What other processes, or sessions that have been closed, have used up is not known: the
vendor's own answer tells. Nothing here waits; it says for how long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from threading import Lock
from typing import TypeAlias
from weakref import WeakValueDictionary

from tieout.capabilities import Limit
from tieout.clock import Clock, SystemClock

WAIT_FIRST, WAIT_MAX = 1.0, 120.0
"""Seconds. The first wait, doubled each time; and the longest that a run sits out. A
longer pause that the other side asks for ends the run cleanly instead."""

_Calls: TypeAlias = "deque[float]"

_SHARED: WeakValueDictionary[tuple[int, str, int, float], _Calls]
_SHARED = WeakValueDictionary()
_LOCK = Lock()


class Pace:
    """
    The limits that one session keeps, each with the name of what shares it.

    Sessions of one process that name the same thing, by the same clock, count together.
    """

    def __init__(self, limits: Iterable[tuple[Limit, str]], clock: Clock) -> None:
        self._clock = clock
        with _LOCK:
            self._calls = [(limit, _calls(limit, who, clock)) for limit, who in limits]

    def wait(self) -> float:
        """How long to wait, in seconds, before the next call may leave; 0 counts it."""
        now, pause = self._clock.monotonic(), 0.0
        with _LOCK:
            for limit, calls in self._calls:
                while calls and calls[0] <= now - limit.seconds:
                    calls.popleft()
                if len(calls) >= limit.calls:
                    pause = max(pause, calls[0] + limit.seconds - now)
            if pause <= 0:
                for _, calls in self._calls:
                    calls.append(now)
        return pause


def _calls(limit: Limit, who: str, clock: Clock) -> _Calls:
    """The times of the calls that count against a limit, the same for all who share it."""
    # The machine has one time; a clock of somebody's own, which `Pace` keeps alive, another.
    time = 0 if isinstance(clock, SystemClock) else id(clock)
    name = (time, who, limit.calls, limit.seconds)
    return _SHARED.setdefault(name, deque())
