"""Two systems talk for a year: the invariants hold, each planted bug is caught."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import pytest

from tieout.testing.simulator.report import failure
from tieout.testing.simulator.sabotage import hunt
from tieout.testing.simulator.stage import DAWN
from tieout.testing.year.__main__ import main, played
from tieout.testing.year.judge import INVARIANTS
from tieout.testing.year.play import FAIR, YEAR, simulate
from tieout.testing.year.report import FATES, Years, table
from tieout.testing.year.sabotage import SABOTAGES, SEEDS_MAX

SEEDS = 60


@cache
def total() -> Years:
    """The first seeds, played once."""
    return played(0, SEEDS)


def test_all_invariants_hold() -> None:
    """Y1 to Y8, in years in which everything befalls the engine that may."""
    found = total()
    assert not found.failed, failure(found.failed[0])
    assert found.seeds == SEEDS
    assert all(found.counts.get(name) for name in FATES)
    assert sum(found.crashes.values()) > SEEDS
    assert found.unknown == found.resolved > SEEDS


def test_documents_of_all_kinds_are_made_changed_and_taken_back() -> None:
    """The years are full: no invariant holds because nothing happens."""
    counts = total().counts
    for kind in ("Customer", "Invoice", "CreditNote", "Payment", "Application"):
        assert counts[f"CREATE {kind}"] >= 8, kind
    for kind in ("Customer", "Invoice", "CreditNote", "Payment", "Settlement"):
        assert counts[f"UPDATE {kind}"] >= 2, kind
    for kind in ("Invoice", "Payment"):
        assert counts[f"VOID {kind}"] >= 5, kind


def test_most_is_compared_and_little_is_excused() -> None:
    """An issue excuses its own record: most are carried and equal to the minor unit."""
    counts = total().counts
    scope, carried = counts["records in scope"], counts["records carried"]
    assert carried >= 0.7 * scope
    assert counts["records with an issue"] == scope - carried
    assert counts["invoices with an issue"] <= 0.4 * counts["invoices tied"]
    assert counts["customers' balances compared"] >= SEEDS
    assert counts["levels compared"] >= 10


def test_a_year_passes() -> None:
    """365 days on one clock, and the time that it takes to come to rest."""
    result = simulate(3, recording=True)
    assert YEAR <= result.timeline[-1].at - DAWN < YEAR * 1.1


def test_the_same_seed_is_the_same_year() -> None:
    """A trace can be replayed, whatever the hashes of the process are."""
    code = "from tieout.testing.year.play import simulate; print(simulate(11).trace)"
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert told == {simulate(11).trace}
    assert simulate(12).trace not in told


def test_recorded_decisions_are_the_same_year() -> None:
    """What was drawn replays the trace, and calmer decisions another one."""
    result = simulate(5)
    assert simulate(5, decisions=result.decisions).trace == result.trace
    calm = simulate(5, decisions=())
    assert calm.ok
    assert not calm.crashes


@pytest.mark.parametrize("name", SABOTAGES)
def test_a_deliberate_bug_is_caught(name: str) -> None:
    """Each bug breaks an invariant below seed 300."""
    planted = SABOTAGES[name]
    assert planted.start + planted.seeds <= SEEDS_MAX
    count, caught = hunt(planted, planted.seeds, world=simulate)
    assert caught is not None, f"not caught in {count} seeds"
    assert caught.violations[0].invariant in planted.caught_by


def test_bugs_of_all_kinds_are_planted() -> None:
    """Every invariant is broken by some bug."""
    caught = {each for planted in SABOTAGES.values() for each in planted.caught_by}
    assert caught == set(INVARIANTS)


def test_in_a_fair_year_only_people_and_systems_disagree() -> None:
    """Y1 to Y8 where no call fails and no process ends: what is left is the rules alone."""
    for seed in range(20):
        result = simulate(seed, FAIR)
        assert result.ok, failure(result)
        assert not result.crashes
        assert not result.counts.get("lost")


def test_the_command_line_tells_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    """``--seeds``: a table of what was done, and exit code 0."""
    assert main(["--seeds", "2"]) == 0
    told = capsys.readouterr().out
    assert "2 years" in told
    assert "violations: 0" in told
    assert all(text in told for text in INVARIANTS.values())


def test_the_command_line_tells_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """``--seed``: one year with its timeline, and how to see it again."""
    planted = next(each for each in SABOTAGES.values() if each.start == 0)
    _, caught = hunt(planted, planted.seeds, world=simulate)
    assert caught is not None
    asked = ["--sabotage", planted.id, "--seed", str(caught.seed)]
    assert main(asked) == 1
    told = capsys.readouterr().out
    assert f"python -m tieout.testing.year --seed {caught.seed}" in told
    assert caught.violations[0].text in told
    assert main(["--seed", str(caught.seed)]) == 0


def test_the_command_line_hunts_bugs(capsys: pytest.CaptureFixture[str]) -> None:
    """``--sabotage``: how many seeds it took."""
    planted = next(each for each in SABOTAGES.values() if each.start == 0)
    seeds = str(planted.seeds)
    assert main(["--sabotage", planted.id, "--seeds", seeds]) == 0
    assert planted.text in capsys.readouterr().out


def test_a_table_names_what_broke() -> None:
    """The figures of years in which an invariant broke count it by its id."""
    planted = next(each for each in SABOTAGES.values() if each.start == 0)
    _, caught = hunt(planted, planted.seeds, world=simulate)
    assert caught is not None
    broken = Years()
    broken.add(caught)
    told = table(broken, 1.0)
    assert "violations: 1" in told
    seed, (first, *_) = caught.seed, caught.violations
    assert told.endswith(f"seeds that failed: {seed} {first.invariant}")
