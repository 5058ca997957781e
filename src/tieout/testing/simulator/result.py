"""One seed played: what came of it, as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

from attrs import field, frozen

from tieout.store import Intent
from tieout.store import Stage as At
from tieout.testing.simulator import invariants, judge
from tieout.testing.simulator.scenario import play
from tieout.testing.simulator.stage import (
    Decisions,
    Entry,
    Halt,
    Stage,
    Violation,
)
from tieout.testing.simulator.world import World, seeded

Sabotage: TypeAlias = AbstractContextManager[object]


@frozen
class Broken:
    """An invariant that does not hold: which, at which step, and how."""

    invariant: str
    step: int
    text: str


@frozen
class Result:
    """
    What came of one seed.

    ``faults`` and ``crashes`` count by the ids of the catalogue. ``unknown`` counts writes
    whose outcome was not known for a while, ``resolved`` those of them that are settled in
    the end. ``decisions`` replays the very same world. ``gap`` is the money that is wrong
    in the end, by currency, in minor units.
    """

    seed: int
    profile: str
    steps: int
    runs: int
    faults: Mapping[str, int]
    crashes: Mapping[str, int]
    unknown: int
    resolved: int
    gap: Mapping[str, int]
    violations: tuple[Broken, ...]
    trace: str
    decisions: tuple[int, ...] = field(repr=False)
    timeline: tuple[Entry, ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        """Whether all invariants held."""
        return not self.violations


def simulate(
    seed: int,
    profile: str = "default",
    until: int | None = None,
    *,
    decisions: Sequence[int] | None = None,
    recording: bool = False,
    sabotage: Sabotage | None = None,
) -> Result:
    """
    Play one world and check the invariants.

    ``until``: stop at this step. ``decisions`` replays a recorded list instead of drawing
    from the seed. ``recording`` keeps a timeline. ``sabotage`` is entered around it all.
    """
    stage = Stage(Decisions(seed, decisions), until=until)
    stage.recording = recording
    told: list[str] = []
    broken: list[Broken] = []
    with sabotage or nullcontext(), seeded(told):
        world = World(stage, profile)
        world.told = told
        try:
            play(world)
        except Halt:
            pass
        except Violation as error:
            broken.append(Broken(error.invariant, stage.steps, error.text))
        stage.flush()
        try:
            return _result(seed, profile, world, tuple(broken))
        finally:
            world.close()


def _result(
    seed: int, profile: str, world: World, broken: tuple[Broken, ...]
) -> Result:
    stage = world.stage
    stages = {each.name: each.stage for each in world.disk.facts(Intent)}
    left = [n for n in world.unclear if stages.get(n) in (At.UNKNOWN, At.SENDING)]
    found = invariants.wrong(world, invariants.held(world.disk)) if broken else ()
    return Result(
        seed,
        profile,
        stage.steps,
        world.runs,
        dict(stage.faults),
        dict(stage.crashes),
        len(world.unclear),
        len(world.unclear) - len(left),
        judge.gap(found),
        broken,
        stage.trace,
        tuple(stage.decisions.made),
        tuple(stage.timeline),
    )
