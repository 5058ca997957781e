"""
Many seeds, dealt out to processes, and how far they are by now.

What is played, and what becomes of the totals, is the caller's to say.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

from tieout.testing.simulator.report import Total

T = TypeVar("T", bound=Total)

SHARD = 100
"""Seeds that one process plays before it reports."""


def dealt(
    played: Callable[..., T], asked: argparse.Namespace, *more: Any
) -> Iterator[T]:
    """
    The totals of ``asked.seeds`` seeds from ``asked.start`` on, as they come in.

    ``played`` takes the first seed, the one behind the last, and ``more``; with more than
    one of ``asked.jobs`` it is called in processes of its own.
    """
    last = asked.start + asked.seeds
    shards = [
        (first, min(first + SHARD, last)) for first in range(asked.start, last, SHARD)
    ]
    if asked.jobs == 1:
        yield from (played(*shard, *more) for shard in shards)
        return
    with ProcessPoolExecutor(asked.jobs) as pool:
        waiting: list[Future[T]] = [pool.submit(played, *s, *more) for s in shards]
        for done in as_completed(waiting):
            yield done.result()


def watched(parts: Iterable[T], total: T, seeds: int) -> None:
    """Add the parts up as they come in, and say each time how far that is."""
    began = time.monotonic()
    for part in parts:
        total.merge(part)
        rate = total.seeds / max(time.monotonic() - began, 0.001)
        done = f"\r{total.seeds:,} of {seeds:,} seeds, {rate:.0f} a second, "
        sys.stderr.write(f"{done}{len(total.failed)} failed ")
    sys.stderr.write("\n")
    total.failed.sort(key=lambda each: each.seed)
