"""
The figures of many years, added up and as a person reads them.

Nothing here plays a year; how one failure is told stands in `tieout.testing.simulator`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import define, field

from tieout.testing.simulator.report import Total
from tieout.testing.simulator.result import Result
from tieout.testing.year.judge import INVARIANTS
from tieout.testing.year.play import Year

FATES = ("lost", "late", "never", "refused", "stale", "away", "reads not reached")
"""What befalls the engine's calls, as the counts name it."""

COMPARED = (
    "records in scope",
    "records carried",
    "records with an issue",
    "invoices tied",
    "invoices with an issue",
    "customers' balances compared",
    "levels compared",
    "levels with an issue",
)
"""What the judge compares once all is quiet, as the counts name it."""


@define
class Years(Total):
    """Many years, added up."""

    counts: dict[str, int] = field(factory=dict)

    def add(self, result: Result) -> None:
        """One more year."""
        Total.add(self, result)
        if isinstance(result, Year):
            self._count(result.counts)

    def merge(self, other: Total) -> None:
        """Another total."""
        Total.merge(self, other)
        if isinstance(other, Years):
            self._count(other.counts)

    def _count(self, counts: Mapping[str, int]) -> None:
        for name, number in counts.items():
            self.counts[name] = self.counts.get(name, 0) + number

    def of(self, action: str) -> int:
        """How many documents were made, changed or taken back."""
        return sum(n for name, n in self.counts.items() if name.startswith(action))


def table(total: Years, seconds: float) -> str:
    """The figures of many years."""
    return "\n".join(_table(total, seconds))


def _table(total: Years, seconds: float) -> Iterator[str]:
    rate = total.seeds / seconds if seconds else 0.0
    yield f"{total.seeds:,} years, {total.steps:,} steps, {total.runs:,} syncs"
    yield f"{seconds:.0f} seconds, {rate:.1f} years a second"
    crashes = sum(total.crashes.values())
    kinds = ", ".join(f"{n} {c:,}" for n, c in sorted(total.crashes.items()))
    yield f"{crashes:,} crashes: {kinds}"
    befell = ", ".join(f"{name} {total.counts.get(name, 0):,}" for name in FATES)
    yield f"calls: {befell}"
    broken = {name: n for name, n in total.faults.items() if name.startswith("S")}
    told = ", ".join(f"{name} {n:,}" for name, n in sorted(broken.items()))
    yield f"stores that failed: {told or 'none'}"
    yield f"{total.unknown:,} unknown writes, resolved {total.resolved:,}"
    for action, word in (
        ("CREATE ", "made"),
        ("UPDATE ", "changed"),
        ("VOID ", "taken back"),
    ):
        each = ", ".join(
            f"{name.removeprefix(action)} {n:,}"
            for name, n in sorted(total.counts.items())
            if name.startswith(action)
        )
        yield f"{total.of(action):,} {word}: {each}"
    for name in COMPARED:
        yield f"{name}: {total.counts.get(name, 0):,}"
    found = [each.violations[0].invariant for each in total.failed]
    for name, text in INVARIANTS.items():
        yield f"  {name}  {text}: {found.count(name)} violations"
    yield f"violations: {len(found)}"
    if total.failed:
        seeds = (f"{e.seed} {e.violations[0].invariant}" for e in total.failed)
        yield f"seeds that failed: {', '.join(seeds)}"
