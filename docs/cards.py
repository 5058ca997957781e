"""
The report cards of the connectors as one table.

Each card is played anew, on the benches of the tests.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TESTS = Path(__file__).parent.parent / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "connectors")]

from benches import BENCHES  # noqa: E402 - it lies among the tests

from tieout.testing.conformance import Card, Result, examine  # noqa: E402

SIGNS = {Result.FAILED: "✗", Result.PASSED: "✓", Result.NOT_APPLICABLE: "-"}


def cards(systems: Sequence[str]) -> tuple[list[str], list[list[str]], list[str]]:
    """The titles and rows of one table of all cards, and a summary of each."""
    found = {name: examine(BENCHES[name]) for name in systems}
    red = [str(row) for card in found.values() for row in card.failed]
    if red:
        raise SystemExit("\n".join(["a report card is red:", *red]))
    names = dict.fromkeys(row.name for card in found.values() for row in card.rows)
    shows = {r.name: r.shows for card in found.values() for r in card.rows}
    rows = [
        [f"*{name}*: {shows[name]}", *(sign(card, name) for card in found.values())]
        for name in names
    ]
    summaries = [f"- {card.summary()}" for card in found.values()]
    return ["Check", *found], rows, summaries


def sign(card: Card, name: str) -> str:
    """What came of one check, over all kinds of records."""
    results = {row.result for row in card.rows if row.name == name}
    return next((shown for result, shown in SIGNS.items() if result in results), "-")


def benches(modules: Mapping[str, object]) -> list[str]:
    """The names of the benches of these connectors."""
    return [name for name in BENCHES if name.lower() in modules]
