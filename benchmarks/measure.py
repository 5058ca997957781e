"""CPU time and memory of a process, and contenders in fresh processes of their own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, TypeVar

T = TypeVar("T")

KIBIBYTES_A_UNIT = 1 / 1024 if sys.platform == "darwin" else 1
"""What ``ru_maxrss`` counts in: kibibytes on Linux, bytes on macOS."""


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """What the work returns, and its CPU seconds: user and system, all threads."""
    before = time.process_time()
    result = work()
    return result, time.process_time() - before


def peak() -> float:
    """The most memory that this process has held so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIBIBYTES_A_UNIT / 1024


def fresh(script: str, *arguments: str) -> dict[str, Any]:
    """The JSON that a script prints as its last line, run in a process of its own."""
    done = subprocess.run(
        [sys.executable, script, *arguments], check=True, stdout=subprocess.PIPE
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def middle(runs: Sequence[dict[str, Any]], name: str) -> float:
    """The median of one figure."""
    return float(median(run[name] for run in runs))


def least(runs: Sequence[dict[str, Any]], name: str) -> float:
    """The least of one figure: what it costs where nothing else disturbs."""
    return float(min(run[name] for run in runs))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table, with columns of one width."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        f"| {' | '.join(cell.ljust(w) for cell, w in zip(line, widths, strict=True))} |"
        for line in lines
    )
