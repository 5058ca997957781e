"""
The command line of the simulator: ``python -m tieout.testing.simulator``.

It plays a range of seeds on several processes, or one seed in full, and says with its
exit code whether all invariants held.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tieout.testing.simulator.profiles import PROFILES, profile_of
from tieout.testing.simulator.report import Total, failure, table
from tieout.testing.simulator.result import Result, simulate
from tieout.testing.simulator.sabotage import SABOTAGES, hunt
from tieout.testing.simulator.shards import dealt, watched
from tieout.testing.simulator.shrink import shrink

JUDGED_FROM = 1000
"""Seeds from which on the number of covered faults is judged."""

TOLD_MAX = 5
"""Failures told in full."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Play; 0 where all invariants held."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.sabotage and asked.shrink:
        parser.error("--shrink replays worlds without a sabotage")
    if asked.seed is None and asked.sabotage:
        return _sabotaged(asked)
    asked.start = asked.start or 0
    planted = SABOTAGES.get(asked.sabotage or "")
    if planted and not asked.profile:
        asked.profile = planted.profile
    return _many(asked) if asked.seed is None else _one(asked)


def _sabotaged(asked: argparse.Namespace) -> int:
    """Hunt one planted bug, or all; 0 where each is caught as it must be."""
    wanted = SABOTAGES if asked.sabotage == "all" else (asked.sabotage,)
    missed = 0
    _say(
        "switch | what it does | profile | seeds needed | from seed | broken invariant"
    )
    for name in wanted:
        planted = SABOTAGES[name]
        count, result = hunt(planted, asked.seeds, asked.start, asked.profile)
        broken = result.violations[0].invariant if result else ""
        missed += broken not in planted.caught_by
        first = planted.start if asked.start is None else asked.start
        profile = asked.profile or planted.profile
        needed = str(count) if result else f"not caught in {count}"
        cells = (name, planted.text, profile, needed, str(first), broken)
        _say(" | ".join(cells))
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tieout.testing.simulator", description="Play simulated worlds."
    )
    add = parser.add_argument
    add("--seeds", type=int, default=1000, help="how many seeds")
    add("--start", type=int, help="the first of them")
    add("--jobs", type=int, default=1, help="processes")
    add("--profile", choices=PROFILES, help="by default the seed's own")
    add("--sabotage", choices=(*SABOTAGES, "all"), help="plant this bug, or try all")
    add("--seed", type=int, help="play this one seed, with its timeline")
    add("--until", type=int, help="stop at this step of it")
    add("--shrink", action="store_true", help="calm a failing seed's decisions")
    add("--min-faults", type=int, default=65, help="fewer ids covered: exit code 1")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _one(asked: argparse.Namespace) -> int:
    planted = SABOTAGES.get(asked.sabotage or "")
    bug = planted.bug() if planted else None
    profile = asked.profile or profile_of(asked.seed)
    result = simulate(asked.seed, profile, asked.until, recording=True, sabotage=bug)
    shrunk = shrink(result) if asked.shrink else None
    _say(failure(result, shrunk))
    return 0 if result.ok else 1


def _many(asked: argparse.Namespace) -> int:
    total, began = Total(), time.monotonic()
    watched(dealt(played, asked, asked.profile), total, asked.seeds)
    for result in total.failed[:TOLD_MAX]:
        again = simulate(result.seed, result.profile, recording=True)
        _say(failure(again, shrink(again) if asked.shrink else None))
        _say("")
    _say(table(total, time.monotonic() - began))
    judged = total.seeds >= JUDGED_FROM and asked.profile in (None, "default")
    few = judged and total.covered < asked.min_faults
    return 1 if total.failed or few else 0


def played(first: int, last: int, profile: str | None) -> Total:
    """The total of a range of seeds, the last one not included."""
    total = Total()
    for seed in range(first, last):
        result: Result = simulate(seed, profile or profile_of(seed))
        total.add(result)
    return total


if __name__ == "__main__":
    sys.exit(main())
