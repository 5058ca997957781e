"""Worlds of documents, and the profiles in which answers are lost or come too late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import count
from typing import Any

import pytest

from tieout import doubts as doubts_module
from tieout import evidence
from tieout import journal as journal_module
from tieout.engine import Engine
from tieout.journal import Journal
from tieout.testing.simulator import Result, failure, judge, simulate
from tieout.testing.simulator.__main__ import main, played
from tieout.testing.simulator.report import Total, table
from tieout.testing.simulator.stage import Decisions

AMBIGUOUS = range(8)
BROKEN = range(24)


def of_documents(first: int, last: int) -> list[int]:
    """The seeds of a range that are worlds of documents."""
    return [seed for seed in range(first, last) if Decisions(seed).one_in(4)]


@cache
def total(profile: str, seeds: range) -> Total:
    """A range of seeds of a profile, played once."""
    return played(seeds.start, seeds.stop, profile)


@contextmanager
def replaced(place: Any, name: str, by: Any) -> Iterator[None]:
    """Something of the library, for a while another."""
    real = getattr(place, name)
    setattr(place, name, by)
    try:
        yield
    finally:
        setattr(place, name, real)


def first_broken(profile: str, seeds: list[int], sabotage: Callable[[], Any]) -> Result:
    """The first seed in which a planted bug is found."""
    for seed in seeds:
        result = simulate(seed, profile, sabotage=sabotage())
        if not result.ok:
            return result
    raise AssertionError("the planted bug was not found")


# Documents ----------------------------------------------------------------------------


def test_documents_are_made_once_and_none_is_lost() -> None:
    """I1-I3, I5, I6, I9, I14: worlds of documents hold, and meet their faults (H10)."""
    met: set[str] = set()
    for seed in of_documents(0, 320):
        result = simulate(seed)
        assert result.ok, failure(result)
        met |= result.faults.keys()
    assert {"H3", "H6", "H10", "H16", "C17", "S7"} <= met


def test_an_early_not_found_makes_a_second_document() -> None:
    """SB3: the planted bug that does not wait is found as I1."""
    real = evidence.judged

    def hasty(intent: Any, found: Any, now: datetime, *, can_look: bool = True) -> Any:
        return real(intent, found, now + timedelta(days=9), can_look=can_look)

    seeds = [seed for seed in range(10) if Decisions(seed).one_in(2)]
    result = first_broken(
        "ambiguous", seeds, lambda: replaced(doubts_module, "judged", hasty)
    )
    assert result.violations[0].invariant == "I1"
    assert "have one mark" in result.violations[0].text


def test_a_fresh_key_on_every_attempt_is_found() -> None:
    """SB17, 2.5: the key of the same content must stay."""
    serial = count()

    def fresh(change: Any, held: Any, wanted: str, now: datetime) -> Any:
        return f"key{next(serial)}", now

    result = first_broken(
        "default",
        of_documents(0, 400),
        lambda: replaced(journal_module, "_key", fresh),
    )
    assert result.violations[0].invariant == "key"
    assert "another key" in result.violations[0].text


def test_a_key_that_outlives_a_refusal_is_found() -> None:
    """PF6: after a refusal another key is due, for some systems repeat the refusal."""

    def stale(change: Any, held: Any, wanted: str, now: datetime) -> Any:
        return f"{change.name}{wanted}", now

    result = first_broken(
        "default",
        of_documents(0, 400),
        lambda: replaced(journal_module, "_key", stale),
    )
    assert result.violations[0].invariant == "key"
    assert "the same key" in result.violations[0].text


DAY = date(2026, 3, 1)


def row(key: str, **more: Any) -> dict[str, Any]:
    """A document as a dump tells it."""
    plain = {"id": key, "number": "N1", "total": Decimal(100), "currency": "JPY"}
    return {**plain, "on": DAY, "status": "open", **more}


@pytest.mark.parametrize(
    ("source", "target", "reason", "gap"),
    [
        (row("S1"), row("B1"), False, {}),
        (row("S1"), row("B1", total=Decimal(90)), False, {"JPY": 10}),
        (row("S1"), row("B1", status="void"), True, {"JPY": 100}),
        (row("S1", status="void"), row("B1", status="void"), False, {}),
        (row("S1", status="void"), row("B1"), False, {"JPY": 100}),
        (row("S1"), row("B2"), True, {"JPY": 100}),
        (row("S1"), row("B1", number="N2"), False, {"JPY": 0}),
    ],
)
def test_the_judge_of_documents(
    source: dict[str, Any],
    target: dict[str, Any],
    reason: bool,
    gap: dict[str, int],
) -> None:
    """I2, I3: what is wrong, by how much, and whether it can be helped."""
    links = {"S1": "B1"}
    found = judge.document_differences([source], [target], links, ())
    assert judge.document_gap(found) == gap
    held = judge.document_reasons([source], [target], links)
    assert held == ({"S1"} if reason else set())
    assert not judge.document_differences([source], [target], links, {"S1"})


# Nearly every answer is lost -------------------------------------------------------------


def test_every_unknown_write_is_resolved() -> None:
    """H2-H6, H20: hundreds of unknown writes, none twice and none lost."""
    found = total("ambiguous", AMBIGUOUS)
    assert not found.failed, failure(found.failed[0])
    assert found.unknown == found.resolved
    assert found.unknown >= 300
    assert {"H2", "H3", "H4", "H5", "H6", "H20"} <= found.faults.keys()
    assert not {"H18", "H22"} & found.faults.keys()
    line = f"{found.unknown:,} unknown writes, resolved {found.resolved:,}"
    assert f"{line}: duplicates 0, losses 0" in table(found, 1.0)


def test_what_stays_unknown_is_not_counted_as_resolved() -> None:
    """A journal that never looks again leaves its writes unknown: it is told (I13)."""
    with replaced(Journal, "_looked_at", lambda *_: []):
        result = simulate(0, "ambiguous")
    assert [each.invariant for each in result.violations] == ["I13"]
    assert result.resolved < result.unknown


# An assumption is broken ------------------------------------------------------------------


def test_what_lands_too_late_is_told() -> None:
    """R1: L and V are broken on purpose; every duplicate that comes of it is told."""
    found = total("broken", BROKEN)
    assert not found.failed, failure(found.failed[0])
    assert found.detected == found.duplicates
    assert found.duplicates >= 10
    told = f"{found.duplicates:,} duplicates, detected {found.detected:,}"
    assert told in table(found, 1.0)


def test_a_duplicate_of_which_nobody_is_told_is_found() -> None:
    """R1: an audit that finds nothing is noticed."""
    seeds = [seed for seed in BROKEN if Decisions(seed).one_in(2)]
    quiet: Any = lambda self, **_: []  # noqa: E731 - as short as it does
    result = first_broken("broken", seeds, lambda: replaced(Engine, "audit", quiet))
    assert result.violations[0].invariant == "R1"
    assert result.detected < result.duplicates


def test_profiles_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    """``--profile``: the closing table says what came of it."""
    assert main(["--profile", "ambiguous", "--seeds", "2"]) == 0
    assert "duplicates 0, losses 0" in capsys.readouterr().out
    assert main(["--profile", "broken", "--seeds", "12"]) == 0
    assert "assumptions broken on purpose" in capsys.readouterr().out
