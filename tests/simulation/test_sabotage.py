"""Sabotage: the simulator catches each deliberate bug, and the same worlds hold without it."""

from __future__ import annotations

import pytest

from tieout.stages import TRANSITIONS
from tieout.testing.simulator import failure, simulate
from tieout.testing.simulator.__main__ import main
from tieout.testing.simulator.profiles import PROFILES
from tieout.testing.simulator.sabotage import SABOTAGES, hunt
from tieout.wire import REPEATS


@pytest.mark.parametrize("name", SABOTAGES)
def test_a_deliberate_bug_is_caught(name: str) -> None:
    """SB1-SB38: within the stated number of seeds, by a stated invariant."""
    sabotage = SABOTAGES[name]
    count, caught = hunt(sabotage, sabotage.seeds)
    assert caught is not None, f"not caught in {count} seeds"
    broken = caught.violations[0]
    assert broken.invariant in sabotage.caught_by, broken
    for seed in range(sabotage.start, sabotage.start + count):
        clean = simulate(seed, sabotage.profile)
        assert clean.ok, failure(clean)


def test_there_are_enough_of_them() -> None:
    """At least 20 switches, each under its own id and in a profile that there is."""
    assert len(SABOTAGES) >= 20
    assert {each.profile for each in SABOTAGES.values()} <= set(PROFILES)
    assert all(each.caught_by for each in SABOTAGES.values())


def test_nothing_of_a_bug_is_left_behind() -> None:
    """A switch that is off again has changed nothing, also where a world broke."""
    repeats, transitions = dict(REPEATS), dict(TRANSITIONS)
    before = simulate(3)
    for sabotage in SABOTAGES.values():
        with sabotage.bug():
            pass
    assert simulate(3) == before
    assert (dict(REPEATS), dict(TRANSITIONS)) == (repeats, transitions)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_directed_world_holds(profile: str) -> None:
    """The worlds that catch bugs are in order without one."""
    for seed in range(3):
        result = simulate(seed, profile)
        assert result.ok, failure(result)


def test_the_table_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    """One switch: what it does, after how many seeds it was caught, and by what."""
    assert main(["--sabotage", "SB1", "--seeds", "5"]) == 0
    told = capsys.readouterr().out
    assert "SB1 | " in told
    assert told.rstrip().endswith("| I1")


def test_a_bug_that_is_not_caught_makes_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where too few seeds are played, the table says so, with exit code 1."""
    assert main(["--sabotage", "SB1", "--seeds", "1", "--profile", "limited"]) == 1
    assert "not caught in 1" in capsys.readouterr().out


def test_one_sabotaged_world_on_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A planted bug in one seed, told in full."""
    name = "SB1"
    _, caught = hunt(SABOTAGES[name], SABOTAGES[name].seeds)
    assert caught is not None
    assert main(["--sabotage", name, "--seed", str(caught.seed)]) == 1
    assert "broken: I1" in capsys.readouterr().out
