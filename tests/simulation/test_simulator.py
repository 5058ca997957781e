"""The simulator: it repeats itself, finds nothing, and finds what is planted."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tieout.journal import Journal
from tieout.testing import simulator
from tieout.testing.simulator import Result, failure, shrink, simulate
from tieout.testing.simulator import judge as judge_module
from tieout.testing.simulator.__main__ import main, played
from tieout.testing.simulator.faults import CATALOGUE, INJECTED
from tieout.testing.simulator.report import Total, replay_command
from tieout.testing.simulator.shop import Shop, ShopStyle
from tieout.testing.simulator.signin import TokenServer
from tieout.testing.simulator.stage import DAWN, Decisions, Stage, Violation, Worker
from tieout.wire import Request

FEW = range(40)
SHARDS = tuple((first, first + 50) for first in range(0, 300, 50))


@cache
def shard(first: int, last: int) -> Total:
    """A range of seeds, played once."""
    return played(first, last, "default")


@pytest.mark.parametrize(("first", "last"), SHARDS)
def test_no_invariant_is_broken(first: int, last: int) -> None:
    """I1-I14 hold in some hundred worlds with faults."""
    failed = shard(first, last).failed
    assert not failed, failure(failed[0])


PAST = (
    (6754, "default"),
    (54739, "misshapen"),
    (87456, "default"),
    (202020, "default"),
    (215208, "default"),
    (218828, "default"),
    (79590, "default"),
    (300854, "default"),
    (302360, "default"),
)
"""Every seed that ever broke an invariant, with its profile: it is played for ever."""


@pytest.mark.parametrize(("seed", "profile"), PAST)
def test_what_broke_once_holds(seed: int, profile: str) -> None:
    """Found in long ranges of seeds, each only once in many thousands."""
    result = simulate(seed, profile)
    assert result.ok, failure(result)


def test_the_same_seed_plays_the_same_world() -> None:
    """The same seed twice: the same trace, faults and decisions."""
    for seed in FEW:
        one, other = simulate(seed), simulate(seed)
        assert one.trace == other.trace
        assert one.decisions == other.decisions
        assert one == other


def test_recorded_decisions_replay_the_world() -> None:
    """The list of decisions is the whole of the chance in a world."""
    for seed in FEW:
        one = simulate(seed)
        assert simulate(-1, decisions=one.decisions).trace == one.trace


TRACES = """
from tieout.testing.simulator import simulate
print([simulate(seed).trace for seed in range(40)])
"""


@pytest.mark.parametrize("hash_seed", ["1", "77"])
def test_the_order_of_sets_does_not_matter(hash_seed: str) -> None:
    """Another PYTHONHASHSEED, another process: the same traces."""
    told = subprocess.run(
        [sys.executable, "-c", TRACES],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ast.literal_eval(told.stdout) == [simulate(seed).trace for seed in FEW]


def test_every_fault_is_injected_or_has_a_reason() -> None:
    """C1-S14: 74 ids, at least 65 of them injected; the others say why not."""
    assert len(CATALOGUE) == 74
    assert len(INJECTED) >= 65
    total = Total()
    for first, last in SHARDS:
        total.merge(shard(first, last))
    assert total.covered >= 60
    assert total.faults.keys() <= set(INJECTED)
    for name, known in CATALOGUE.items():
        assert (name in INJECTED) is not bool(known.why_not)


def test_the_judge_shares_no_code_with_the_library() -> None:
    """The judge imports the standard library alone."""
    source = Path(judge_module.__file__).read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [node.module or ""]
        else:
            continue
        for name in names:
            assert name.partition(".")[0] in sys.stdlib_module_names


def test_an_item_of_a_batch_that_was_repeated_is_known_to_be() -> None:
    """H22: after that, what is told of it may be untrue, as of a request of its own."""
    tokens = TokenServer("shop", lifetime=1e7, grace=0.0, rotating=False)
    shop = Shop(ShopStyle(batch=2), tokens, lambda text: None)
    bills = [shop.add(number, Decimal(9), DAWN) for number in ("N1", "N2")]
    item = {"key": "k", "id": bills[0].id, "version": "1", "paid": "9", "paid_on": None}
    request = Request(
        "POST", f"{shop.host}{shop.path}batch", json={"items": [item]}, effect=True
    )
    first = shop.perform(request, DAWN)
    second = shop.perform(request, DAWN, echo=True)
    assert [each.json()["results"][0]["status"] for each in (first, second)] == [
        200,
        412,
    ]
    assert [each.repeated for each in bills] == [True, False]


def test_of_several_workers_the_one_that_broke_something_is_told() -> None:
    """The others stop there: the timeline ends with what went wrong."""
    stage = Stage(Decisions(0, ()))
    late, early = Worker("w1", due=DAWN + timedelta(seconds=5)), Worker("w2")

    def walk() -> None:
        for each in range(9):
            stage.step(late, "walk", str(each))

    def stumble() -> None:
        stage.step(early, "walk", "once")
        raise Violation("I1", "it stumbled")

    with pytest.raises(Violation, match="it stumbled"):
        stage.play([(late, walk), (early, stumble)])
    assert stage.steps == 1


# A planted bug ------------------------------------------------------------------------


@contextmanager
def nothing_is_journaled() -> Iterator[None]:
    """A bug: writes leave without a row on the disk."""
    real = Journal.send

    def send(self: Journal, changes: Any, deadline: Any, settle: Any) -> Any:
        commit, self._commit = self._commit, lambda *facts: None  # type: ignore[method-assign]
        try:
            return real(self, changes, deadline, settle)
        finally:
            self._commit = commit  # type: ignore[method-assign]

    Journal.send = send  # type: ignore[method-assign]
    try:
        yield
    finally:
        Journal.send = real  # type: ignore[method-assign]


def planted() -> Result:
    """The first seed that meets the planted bug."""
    for seed in range(50):
        result = simulate(seed, recording=True, sabotage=nothing_is_journaled())
        if not result.ok:
            return result
    raise AssertionError("the planted bug was not found")


def test_a_planted_violation_is_found_and_told() -> None:
    """I14: the report names seed, invariant, step, replay command and timeline."""
    result = planted()
    assert result.violations[0].invariant == "I14"
    told = failure(result)
    assert replay_command(result) in told
    assert f"--seed {result.seed}" in told
    assert "I14" in told
    assert "send POST" in told or "send PATCH" in told


@contextmanager
def every_wave_raises() -> Iterator[None]:
    """A bug: an exception that nobody expects."""
    real = Journal.send

    def send(self: Journal, changes: Any, deadline: Any, settle: Any) -> Any:
        raise KeyError("planted")

    Journal.send = send  # type: ignore[method-assign]
    try:
        yield
    finally:
        Journal.send = real  # type: ignore[method-assign]


def test_an_exception_that_nobody_expects_is_told_with_its_seed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A bug ends its world alone, and is told and replayed like a broken invariant."""
    with every_wave_raises():
        assert main(["--seeds", "30"]) == 1
    told = capsys.readouterr().out
    assert "30 seeds" in told
    assert "broken: bug at step" in told
    assert "KeyError in test_simulator.py" in told
    assert "replay: python -m" in told


def test_a_planted_violation_shrinks() -> None:
    """A failing world is calmed: fewer decisions, the same invariant."""
    result = planted()
    small = shrink(
        result,
        lambda given: simulate(
            result.seed, decisions=given, sabotage=nothing_is_journaled()
        ),
    )
    assert sum(map(bool, small.decisions)) < sum(map(bool, result.decisions))
    again = simulate(
        result.seed, decisions=small.decisions, sabotage=nothing_is_journaled()
    )
    assert again.violations[0].invariant == "I14"


def test_a_world_stops_at_a_step() -> None:
    """``until`` plays a world up to a step, the same way."""
    whole = simulate(3, recording=True)
    part = simulate(3, until=50, recording=True)
    assert part.steps == 50
    assert part.timeline[:40] == whole.timeline[:40]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
)
@given(st.lists(st.integers(0, 1000), max_size=400))
def test_hypothesis_drives_the_same_world(decisions: list[int]) -> None:
    """Worlds made of drawn decisions hold too, and would shrink."""
    result = simulate(0, decisions=decisions)
    assert result.ok, failure(result)


# The command line ---------------------------------------------------------------------


def test_many_seeds_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A range of seeds: the table, and exit code 0."""
    assert main(["--seeds", "20"]) == 0
    told = capsys.readouterr().out
    assert "20 seeds" in told
    assert "of 74" in told
    assert "violations: 0" in told
    assert "duplicates 0, losses 0" in told


def test_one_seed_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    """One seed up to a step: its timeline."""
    assert main(["--seed", "5", "--until", "30"]) == 0
    assert "| w1 |" in capsys.readouterr().out


def test_two_jobs_play_the_same_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    """Several processes come to the same figures."""
    assert main(["--seeds", "120", "--jobs", "2"]) == 0
    steps = f"{played(0, 120, None).steps:,} steps"
    assert steps in capsys.readouterr().out


def test_a_failure_makes_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """A broken invariant is told in full, with exit code 1."""
    with nothing_is_journaled():
        assert main(["--seeds", "30"]) == 1
    assert "broken: I14" in capsys.readouterr().out


def test_the_front_door() -> None:
    """What the package offers."""
    assert set(simulator.__all__) == {
        "Broken",
        "Result",
        "failure",
        "shrink",
        "simulate",
    }
