"""
A clock that calls an engine: once an hour by default, never twice at once, for small hosts.

A host with a scheduler of its own needs none of this. What is carried is the engine's.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Self

from attrs import define, field

from tieout.clock import Clock, SystemClock
from tieout.errors import ConfigError, TieoutError

log = logging.getLogger("tieout.schedule")

HOURLY = timedelta(hours=1)

JITTER = 0.1
"""Which part of the pause is drawn anew each time, so that a fleet does not call at once."""

LOOK = timedelta(milliseconds=200)
"""How often `Schedule.wait` looks up: an interruption is seen within this."""

JOIN_MAX = timedelta(seconds=30)
"""How long `Schedule.stop` waits for a run that has been told to end."""


@define
class Schedule:
    """
    Calls ``work`` every so often on a thread of its own: ``engine.sync_now``, as a rule.

    ``work`` is given a ``stop`` function that a run asks between its steps. ``last``,
    ``next`` and ``trouble`` can be read at any time. A run that raises is noted and does
    not end the schedule. A context manager; `start` and `stop` may be called by hand.
    """

    work: Callable[..., Any]
    every: timedelta = HOURLY
    jitter: float = JITTER
    clock: Clock = field(factory=SystemClock)
    last: datetime | None = field(default=None, init=False)
    """When the last run ended."""
    next: datetime | None = field(default=None, init=False)
    """When the next one begins; None while it is stopped."""
    result: Any = field(default=None, init=False)
    """What the last run came to: its reports."""
    trouble: str = field(default="", init=False)
    """Why the last run raised; empty where it did not."""
    _busy: threading.Lock = field(factory=threading.Lock, init=False, repr=False)
    _over: threading.Event = field(factory=threading.Event, init=False, repr=False)
    _due: threading.Event = field(factory=threading.Event, init=False, repr=False)
    _thread: threading.Thread | None = field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.every <= timedelta(0):
            raise ConfigError(f"every={self.every}: a pause is longer than nothing")
        if not 0 <= self.jitter < 1:
            raise ConfigError(
                f"jitter={self.jitter}: a part of the pause, from 0 below 1"
            )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin, with a first run at once. Started twice, it goes on as it is."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._over.clear()
        self._due.set()
        self._thread = threading.Thread(
            target=self._turn, name="tieout-schedule", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End: a run under way is told to end cleanly, and is waited for."""
        self._over.set()
        self._due.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(JOIN_MAX.total_seconds())
        self.next = None

    def wait(self) -> None:
        """Until it is stopped, by another thread or by an interruption."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(LOOK.total_seconds())

    def now(self) -> bool:
        """Run once on this thread; False where a run is under way already."""
        if not self._busy.acquire(blocking=False):
            return False
        try:
            self._run()
            return True
        finally:
            self._busy.release()

    def hurry(self) -> None:
        """Let the next run begin at once, on the schedule's own thread."""
        self._due.set()

    def _turn(self) -> None:
        while not self._over.is_set():
            pause = self._pause()
            if not self._due.is_set():
                self.next = self.clock.now() + pause
                self._due.wait(pause.total_seconds())
            self._due.clear()
            if not self._over.is_set():
                self.now()

    def _pause(self) -> timedelta:
        """The pause, somewhat shorter or longer each time."""
        drawn = random.uniform(-self.jitter, self.jitter)  # noqa: S311 - no secret
        return self.every * (1 + drawn)

    def _run(self) -> None:
        self.trouble = ""
        try:
            self.result = self.work(stop=self._over.is_set)
        except TieoutError as error:
            self.trouble = str(error)
            log.warning("a scheduled run was refused: %s", type(error).__name__)
        except Exception as error:  # a host's own code may have been called
            self.trouble = type(error).__name__
            log.exception("a scheduled run failed")
        self.last = self.clock.now()
