"""
The test's side of the launcher: starts workers, signals them, reads what they noted.

It never signals a process itself; whatever is left is killed when it is closed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .worker import Job, as_command

TESTS = Path(__file__).parents[2]
PATIENCE = 60.0
"""Real seconds. Nothing here takes a tenth of it, unless it hangs."""


class Crew:
    """Workers on one machine."""

    def __init__(self) -> None:
        path = os.pathsep.join(
            [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        self._launcher = subprocess.Popen(
            [sys.executable, "-m", "e2e.faults.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            text=True,
        )
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._launcher as launcher:
            assert launcher.stdin is not None
            launcher.stdin.close()
            launcher.wait(PATIENCE)

    def start(self, job: Job) -> int:
        """A new process that does the job; its process id."""
        return int(self._ask("start", as_command(job)))

    def kill(self, pid: int) -> bool:
        """SIGKILL; false where it has ended already. Dead on return."""
        return self._signalled(pid, signal.SIGKILL)

    def stop(self, pid: int) -> bool:
        """SIGSTOP."""
        return self._signalled(pid, signal.SIGSTOP)

    def go_on(self, pid: int) -> bool:
        """SIGCONT."""
        return self._signalled(pid, signal.SIGCONT)

    def wait(self, pids: Sequence[int]) -> None:
        """Until all of them have ended by themselves."""
        until = time.monotonic() + PATIENCE
        left = list(pids)
        while left:
            assert time.monotonic() < until, f"processes {left} hang"
            left = [each for each in left if self._ask("ended", {"pid": each}) is None]
            time.sleep(0.005)

    def run(self, job: Job) -> list[dict[str, Any]]:
        """One job from beginning to end; what that worker noted."""
        pid = self.start(job)
        self.wait([pid])
        return [each for each in noted(job) if each["pid"] == pid]

    def _signalled(self, pid: int, number: signal.Signals) -> bool:
        return self._ask("signal", {"pid": pid, "number": number}) is not None

    def _ask(self, command: str, told: dict[str, Any]) -> Any:
        with self._lock:
            assert self._launcher.stdin is not None
            assert self._launcher.stdout is not None
            self._launcher.stdin.write(json.dumps([command, told]) + "\n")
            self._launcher.stdin.flush()
            return json.loads(self._launcher.stdout.readline())


def noted(job: Job) -> list[dict[str, Any]]:
    """What the workers of a job's notes have noted, without a line that a kill cut off."""
    found = []
    for line in Path(job.notes).read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def complaints(job: Job) -> str:
    """What its workers wrote to their standard error."""
    return Path(f"{job.notes}.err").read_text(encoding="utf-8")
