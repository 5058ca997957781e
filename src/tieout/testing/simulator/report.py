"""
What a person reads of the simulator: one failure told in full, and the table of many seeds.

Nothing here plays a world.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version

from attrs import define, field

from tieout.testing.simulator.faults import CATALOGUE, INJECTED
from tieout.testing.simulator.result import Result
from tieout.testing.simulator.stage import Entry

LINES = 60
"""Lines of the timeline that are told, before the step that broke the invariant."""


def replay_command(result: Result) -> str:
    """How to see the same failure again."""
    step = result.violations[0].step if result.violations else result.steps
    return (
        f"python -m {result.program} --seed {result.seed} "
        f"--profile {result.profile} --until {step}"
    )


def failure(result: Result, shrunk: Result | None = None) -> str:
    """The failure of one seed: what, where, how to replay it, and what had happened."""
    told = shrunk or result
    return "\n".join(_failure(result, told))


def _failure(result: Result, told: Result) -> Iterator[str]:
    yield f"seed {result.seed}, profile {result.profile}"
    yield f"tieout {_version()}, Python {platform.python_version()}"
    yield f"replay: {replay_command(result)}"
    for broken in result.violations:
        yield f"broken: {broken.invariant} at step {broken.step}: {broken.text}"
    if result.gap:
        yield f"money gap in minor units: {dict(result.gap)}"
    yield f"faults: {dict(sorted(result.faults.items()))}"
    if told is not result:
        kept = [(place, n) for place, n in enumerate(told.decisions) if n]
        yield f"shrunk to {len(kept)} decisions of {len(result.decisions)}: {kept}"
        yield f"shrunk: {told.violations[0].text}" if told.violations else ""
    yield "time | worker | port call | fault | journal | system"
    yield from (_line(entry) for entry in told.timeline[-LINES:])


def _line(entry: Entry) -> str:
    cells = (
        f"{entry.step} {entry.at:%d %H:%M:%S}",
        entry.worker,
        f"{entry.port} {entry.what}".strip(),
        entry.fault,
        entry.journal,
        entry.change,
    )
    return " | ".join(cells)


def _version() -> str:
    try:
        return version("tieout")
    except PackageNotFoundError:
        return "(not installed)"


@define
class Total:
    """Many seeds, added up."""

    seeds: int = 0
    steps: int = 0
    runs: int = 0
    unknown: int = 0
    resolved: int = 0
    duplicates: int = 0
    detected: int = 0
    faults: dict[str, int] = field(factory=dict)
    crashes: dict[str, int] = field(factory=dict)
    gap: dict[str, int] = field(factory=dict)
    failed: list[Result] = field(factory=list)

    def add(self, result: Result) -> None:
        """One more seed."""
        self.seeds += 1
        self.steps += result.steps
        self.runs += result.runs
        self.unknown += result.unknown
        self.resolved += result.resolved
        self.duplicates += result.duplicates
        self.detected += result.detected
        _add(self.faults, result.faults.items())
        _add(self.crashes, result.crashes.items())
        _add(self.gap, result.gap.items())
        if not result.ok:
            self.failed.append(result)

    def merge(self, other: Total) -> None:
        """Another total."""
        self.seeds += other.seeds
        self.steps += other.steps
        self.runs += other.runs
        self.unknown += other.unknown
        self.resolved += other.resolved
        self.duplicates += other.duplicates
        self.detected += other.detected
        _add(self.faults, other.faults.items())
        _add(self.crashes, other.crashes.items())
        _add(self.gap, other.gap.items())
        self.failed.extend(other.failed)

    @property
    def covered(self) -> int:
        """How many ids of the catalogue were injected."""
        return len([each for each in CATALOGUE if self.faults.get(each)])


def _add(sums: dict[str, int], items: Iterable[tuple[str, int]]) -> None:
    for name, count in items:
        sums[name] = sums.get(name, 0) + count


def table(total: Total, seconds: float) -> str:
    """The figures of many seeds."""
    return "\n".join(_table(total, seconds))


def _table(total: Total, seconds: float) -> Iterator[str]:
    rate = total.seeds / seconds if seconds else 0.0
    yield f"{total.seeds:,} seeds, {total.steps:,} steps, {total.runs:,} runs"
    yield f"{seconds:.0f} seconds, {rate:.1f} seeds a second"
    yield f"ids covered {total.covered} of {len(CATALOGUE)}"
    for name, known in CATALOGUE.items():
        count = total.faults.get(name, 0)
        why = f"  not injected: {known.why_not}" if known.why_not else ""
        yield f"  {name:4} {count:9,}  {known.text}{why}"
    crashes = sum(total.crashes.values())
    kinds = ", ".join(f"{n} {c:,}" for n, c in sorted(total.crashes.items()))
    yield f"{crashes:,} crashes: {kinds}"
    broken = [each.violations[0].invariant for each in total.failed]
    if total.duplicates:
        yield (
            f"assumptions broken on purpose: {total.duplicates:,} duplicates, "
            f"detected {total.detected:,}"
        )
    yield (
        f"{total.unknown:,} unknown writes, resolved {total.resolved:,}: "
        f"duplicates {broken.count('I1')}, losses {broken.count('I4')}"
    )
    gap = total.gap or {"every currency": 0}
    yield f"money gap in minor units: {gap}"
    yield f"violations: {len(broken)}"
    missing = [each for each in INJECTED if not total.faults.get(each)]
    if missing:
        yield f"not met in these seeds: {', '.join(missing)}"
