"""
The command line of the year: ``python -m tieout.testing.year``.

It plays a range of seeds on several processes, or one seed in full, and says with its
exit code whether all invariants held.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tieout.testing.simulator.report import failure
from tieout.testing.simulator.sabotage import hunt
from tieout.testing.simulator.shards import dealt, watched
from tieout.testing.simulator.shrink import shrink
from tieout.testing.year.play import FAIR, simulate
from tieout.testing.year.report import Years, table
from tieout.testing.year.sabotage import SABOTAGES

TOLD_MAX = 5
"""Failures told in full."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Play; 0 where all invariants held."""
    asked = _parser().parse_args(arguments)
    if asked.seed is None and asked.sabotage:
        return _sabotaged(asked)
    asked.start = asked.start or 0
    return _many(asked) if asked.seed is None else _one(asked)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tieout.testing.year",
        description="Two systems talk for a year: play simulated years.",
    )
    add = parser.add_argument
    add("--seeds", type=int, default=1000, help="how many seeds")
    add("--start", type=int, help="the first of them")
    add("--jobs", type=int, default=1, help="processes")
    add("--profile", choices=("year", FAIR), default="year", help="which years")
    add("--sabotage", choices=(*SABOTAGES, "all"), help="plant this bug, or try all")
    add("--seed", type=int, help="play this one seed, with its timeline")
    add("--until", type=int, help="stop at this step of it")
    add("--shrink", action="store_true", help="calm a failing seed's decisions")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _sabotaged(asked: argparse.Namespace) -> int:
    """Hunt one planted bug, or all; 0 where each is caught as it must be."""
    wanted = SABOTAGES if asked.sabotage == "all" else (asked.sabotage,)
    missed = 0
    _say("switch | what it does | seeds needed | broken invariant")
    for name in wanted:
        planted = SABOTAGES[name]
        first = planted.start if asked.start is None else asked.start
        count, result = hunt(planted, asked.seeds, first, world=simulate)
        broken = result.violations[0].invariant if result else ""
        missed += broken not in planted.caught_by
        needed = str(count) if result else f"not caught in {count}"
        _say(f"{name} | {planted.text} | {needed} | {broken}")
    return 1 if missed else 0


def _one(asked: argparse.Namespace) -> int:
    planted = SABOTAGES.get(asked.sabotage or "")
    bug = planted.bug() if planted else None
    result = simulate(
        asked.seed, asked.profile, asked.until, recording=True, sabotage=bug
    )
    calm = asked.shrink and not planted
    _say(failure(result, shrink(result, world=simulate) if calm else None))
    return 0 if result.ok else 1


def _many(asked: argparse.Namespace) -> int:
    total, began = Years(), time.monotonic()
    watched(dealt(played, asked, asked.profile), total, asked.seeds)
    for result in total.failed[:TOLD_MAX]:
        again = simulate(result.seed, asked.profile, recording=True)
        _say(failure(again, shrink(again, world=simulate) if asked.shrink else None))
        _say("")
    _say(table(total, time.monotonic() - began))
    return 1 if total.failed else 0


def played(first: int, last: int, profile: str = "year") -> Years:
    """The total of a range of seeds, the last one not included."""
    total = Years()
    for seed in range(first, last):
        total.add(simulate(seed, profile))
    return total


if __name__ == "__main__":
    sys.exit(main())
