"""
What a system costs: calls for so many changed records read, and for so many written.

The calls are counted on the wire against the bench's server, sign-in aside; beside them
stands what the capabilities declare. It judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from attrs import frozen

from tieout.capabilities import Capabilities, Changed, Verb
from tieout.change import Change
from tieout.connector import batches
from tieout.models import RecordType, Settlement
from tieout.testing.conformance.bench import NotStaged, stages
from tieout.testing.conformance.check import STAGED_BY, readable
from tieout.testing.conformance.suite import Make
from tieout.testing.conformance.trial import Trial
from tieout.testing.conformance.wanted import any_write, first_verb

COUNT = 1000
"""Records: a day's work of a large company, and a whole page of the largest pages."""


@frozen
class Cost:
    """The calls for ``count`` records of a kind: counted, and declared."""

    what: str
    kind: str
    count: int
    calls: int
    declared: int

    def __str__(self) -> str:
        about = f"{self.what} {self.count} {self.kind} records"
        return f"{about}: {self.calls} calls ({self.declared} declared)"


@frozen
class Measured:
    """What a system costs, reading and writing."""

    system: str
    costs: tuple[Cost, ...]

    def __str__(self) -> str:
        return "\n".join([self.system, *(f"  {each}" for each in self.costs)])

    def markdown(self) -> str:
        """A table for documentation."""
        lines = ["| | Records | Calls | Declared |", "| --- | --- | --- | --- |"]
        for each in self.costs:
            cells = (f"{each.what} {each.kind}", each.count, each.calls, each.declared)
            lines.append(f"| {' | '.join(map(str, cells))} |")
        return "\n".join(lines)


def measure(
    make: Make, count: int = COUNT, only: Collection[RecordType] = ()
) -> Measured:
    """
    The calls for so many changed records read, by their ids fetched, and written.

    Kinds that the bench does not stage are left out; ``only`` names those of interest.
    """
    bench = make()
    try:
        capabilities = bench.connector().capabilities
        kinds = [
            kind
            for kind in capabilities.kinds
            if all(stages(bench, verb) for verb in STAGED_BY[kind])
            and (not only or kind in only)
        ]
    finally:
        bench.close()
    found = [*_costs(make, capabilities, kinds, count)]
    return Measured(capabilities.system, tuple(found))


def _costs(
    make: Make, capabilities: Capabilities, kinds: list[RecordType], count: int
) -> Iterator[Cost]:
    for kind in kinds:
        if kind in [*readable(capabilities)]:
            able = capabilities.kind(kind)
            if Changed in able.selects:
                yield from _tried(make, kind, count, _read)
            yield from _tried(make, kind, count, _fetched)
    for kind in kinds:
        if capabilities.kind(kind).verbs - {Verb.READ}:
            yield from _tried(make, kind, count, _written)


def _tried(
    make: Make,
    kind: RecordType,
    count: int,
    measured: Callable[[Trial, int], Cost],
) -> Iterator[Cost]:
    bench = make()
    try:
        yield measured(Trial(bench, kind), count)
    except NotStaged:
        return
    finally:
        bench.close()


def _read(trial: Trial, count: int) -> Cost:
    since = trial.clock.now()
    _paid(trial, count)
    calls = _calls(trial, lambda: trial.read(Changed(since)))
    declared = trial.capabilities.read_calls(trial.kind, count)
    return Cost("read changed", trial.kind.__name__, count, calls, declared)


def _fetched(trial: Trial, count: int) -> Cost:
    ids = _paid(trial, count)
    calls = _calls(trial, lambda: trial.fetch(*ids))
    declared = trial.capabilities.fetch_calls(trial.kind, count)
    return Cost("fetched by id", trial.kind.__name__, count, calls, declared)


def _paid(trial: Trial, count: int) -> list[str]:
    """So many records, and what was paid where that is what they tell; their ids."""
    made = [trial.make() for _ in range(count)]
    if trial.kind is Settlement and stages(trial.bench, "pay"):
        for each in made:
            trial.bench.pay(each.id, each.total, trial.day(30))
    return [each.id for each in made]


def _written(trial: Trial, count: int) -> Cost:
    verb = first_verb(trial)
    changes = [any_write(trial, verb) for _ in range(count)]

    def write() -> None:
        some: list[Change]
        for some in batches(changes, trial.can.batch_size):
            trial.write(*some)

    calls = _calls(trial, write)
    declared = trial.capabilities.write_calls(trial.kind, count)
    return Cost(f"{verb.value}d", trial.kind.__name__, count, calls, declared)


def _calls(trial: Trial, work: Callable[[], object]) -> int:
    """The calls that some work costs, without signing in."""
    trial.warm()
    before = trial.tap.calls
    work()
    return trial.tap.calls - before
