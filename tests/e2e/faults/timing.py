"""
One clock for several processes: real time made faster, which a test can move.

The file holds all of it, so that a process that starts later has the same time. It is a
`tieout.clock.Clock`; it knows nothing of those who use it.
"""

from __future__ import annotations

import mmap
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

BEGIN = datetime(2026, 3, 10, 9, tzinfo=UTC)
"""What the clock shows when it is made."""

SPEED = 5.0
"""Seconds shown for each real one: waits of a session are short, and a lease of five
minutes still lasts a real one, which no busy machine exceeds by accident."""

_LAYOUT = struct.Struct("=ddd")


class SharedClock:
    """
    The clock of a file, which is made where there is none.

    `leap` lets time pass for everybody; `jump` sets the wall clock alone, as somebody does
    who corrects it. Both in seconds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_bytes(_LAYOUT.pack(time.monotonic(), 0.0, 0.0))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _LAYOUT.size)

    def now(self) -> datetime:
        jumped = self._read()[2]
        return BEGIN + timedelta(seconds=self.monotonic() + jumped)

    def monotonic(self) -> float:
        start, leapt, _ = self._read()
        return (time.monotonic() - start) * SPEED + leapt

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / SPEED)

    def leap(self, seconds: float) -> None:
        """Let so much time pass at once."""
        start, leapt, jumped = self._read()
        self._shared[:] = _LAYOUT.pack(start, leapt + seconds, jumped)

    def jump(self, seconds: float) -> None:
        """Set the wall clock on, or back where it is negative; no time passes."""
        start, leapt, jumped = self._read()
        self._shared[:] = _LAYOUT.pack(start, leapt, jumped + seconds)

    def close(self) -> None:
        """Let go of the file."""
        self._shared.close()

    def _read(self) -> tuple[float, float, float]:
        start, leapt, jumped = _LAYOUT.unpack(self._shared[:])
        return start, leapt, jumped
