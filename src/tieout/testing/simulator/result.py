"""One seed played: what came of it, as a value."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeAlias

from attrs import field, frozen

from tieout.store import Intent
from tieout.store import Stage as At
from tieout.testing.simulator import archive, scenario
from tieout.testing.simulator.archive import Archive
from tieout.testing.simulator.disk import Disk
from tieout.testing.simulator.faults import LOST
from tieout.testing.simulator.stage import (
    Decisions,
    Entry,
    Halt,
    Stage,
    Violation,
)
from tieout.testing.simulator.world import World, seeded

Sabotage: TypeAlias = AbstractContextManager[object]

BUG = "bug"
"""Stands in the place of an invariant where a world ended with an exception."""


@frozen
class Broken:
    """An invariant that does not hold, or `BUG`: which, at which step, and how."""

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
    in the end, by currency, in minor units. ``duplicates`` and ``detected`` are those of
    a profile that breaks an assumption: what is there twice, and what of it was told.
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
    duplicates: int = 0
    detected: int = 0
    program: str = "tieout.testing.simulator"
    """What replays it on the command line."""

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
    with sabotage or nullcontext(), seeded(told):
        world = built(stage, profile)
        world.told = told
        broken = broken_by(stage, lambda: play(world))
        try:
            return Result(
                seed,
                profile,
                runs=world.runs,
                gap=world.gap() if broken else {},
                violations=broken,
                duplicates=world.duplicates,
                detected=world.detected,
                **figures(stage, world.disk, world.unclear),
            )
        finally:
            world.close()


def broken_by(stage: Stage, act: Callable[[], object]) -> tuple[Broken, ...]:
    """What breaks while a world is played, if anything."""
    try:
        act()
    except Halt:
        return ()
    except Violation as error:
        return (Broken(error.invariant, stage.steps, error.text),)
    except Exception as error:  # noqa: BLE001 - whatever a world raises is a bug
        return (Broken(BUG, stage.steps, raised(error)),)
    finally:
        stage.flush()
    return ()


def figures(
    stage: Stage, disk: Disk, unclear: Collection[tuple[str, Any]]
) -> dict[str, Any]:
    """What a stage and a disk tell of a world that was played, as a result has it."""
    waiting = {
        (each.name, each.sent_at)
        for each in disk.facts(Intent)
        if each.stage in (At.UNKNOWN, At.SENDING)
    }
    return {
        "steps": stage.steps,
        "faults": dict(stage.faults),
        "crashes": dict(stage.crashes),
        "unknown": len(unclear),
        "resolved": len(set(unclear) - waiting),
        "trace": stage.trace,
        "decisions": tuple(stage.decisions.made),
        "timeline": tuple(stage.timeline),
    }


def raised(error: Exception) -> str:
    """An exception in one line: what it is, and where it was raised."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}, line {place.lineno}"
    return f"{type(error).__name__} in {where}: {error}"


def built(stage: Stage, profile: str) -> World | Archive:
    """A world of payment levels, or one of documents; directed ones are of payments."""
    some = 4 if profile == "default" else 2
    if (profile == "default" or profile in LOST) and stage.decisions.one_in(some):
        return Archive(stage, profile)
    return World(stage, profile)


def play(world: World | Archive) -> None:
    """Play a world with what befalls its kind."""
    if isinstance(world, Archive):
        archive.play(world)
    else:
        scenario.play(world)
