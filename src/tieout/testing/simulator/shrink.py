"""
The smallest list of decisions that still breaks the same invariant.

Delta debugging: chunk by chunk, decisions are replaced by the calm one (0), for as long as
the world goes on failing in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tieout.testing.simulator.result import Result, simulate

TRIES_MAX = 600
"""Worlds played for one seed."""


def shrink(
    result: Result,
    play: Callable[[Sequence[int]], Result] | None = None,
    *,
    world: Callable[..., Result] = simulate,
) -> Result:
    """
    The failing result with the calmest decisions found, its timeline recorded.

    ``play`` replays a list of decisions, by default in the result's own profile; ``world``
    is what plays it. A result without a violation is given back as it is.
    """
    if result.ok:
        return result
    again = play or (lambda given: world(result.seed, result.profile, decisions=given))
    wanted = result.violations[0].invariant
    best, tries = list(result.decisions), 0

    def fails(given: Sequence[int]) -> bool:
        nonlocal tries
        tries += 1
        found = again(given)
        return not found.ok and found.violations[0].invariant == wanted

    size = max(len(best) // 2, 1)
    while size and tries < TRIES_MAX:
        for start in range(0, len(best), size):
            chunk = best[start : start + size]
            if any(chunk) and tries < TRIES_MAX:
                calmer = [*best[:start], *[0] * len(chunk), *best[start + size :]]
                if fails(calmer):
                    best = calmer
        size //= 2
    while best and best[-1] == 0:
        best.pop()
    return world(result.seed, result.profile, decisions=best, recording=True)
