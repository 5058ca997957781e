"""
One seed played: what came of it, as a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

from attrs import field, frozen

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
        finally:
            stage.flush()
            world.close()
        return _result(seed, profile, world, tuple(broken))


def _result(
    seed: int, profile: str, world: World, broken: tuple[Broken, ...]
) -> Result:
    stage = world.stage
    return Result(
        seed,
        profile,
        stage.steps,
        world.runs,
        dict(stage.faults),
        dict(stage.crashes),
        0,
        0,
        {},
        broken,
        stage.trace,
        tuple(stage.decisions.made),
        tuple(stage.timeline),
    )
