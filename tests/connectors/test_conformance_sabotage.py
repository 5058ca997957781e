"""The kit catches each deliberate bug, in every connector that has a bench."""

from __future__ import annotations

import pytest
from benches import BENCHES as VENDORS

from paperbook import PaperbookBench
from tieout.testing.conformance.sabotage import SABOTEURS, concerned, hunted

BENCHES = {**VENDORS, "Paperbook": PaperbookBench}
HARMLESS = {
    # It has one page.
    ("Local", "only the first page"),
    ("Local", "loses at the boundary"),
    ("Local, documents", "only the first page"),
    ("Local, documents", "loses at the boundary"),
    # It reads from a day earlier, whatever zone a column is in.
    ("Table", "exclusive since"),
    ("Table, documents", "exclusive since"),
    # Of a payment that was taken back nothing is there.
    ("ConnectWise", "leaves puts alive"),
    ("QuickBooks", "leaves puts alive"),
    ("QuickBooks, unique numbers", "leaves puts alive"),
}
CASES = [
    (name, each)
    for name, make in BENCHES.items()
    for each in concerned(make)
    if (name, each) not in HARMLESS
]


@pytest.mark.parametrize(("system", "bug"), CASES)
def test_a_deliberate_bug_turns_the_card_red(system: str, bug: str) -> None:
    """By one of the checks that are named for it, in words that say something."""
    caught = hunted(BENCHES[system], SABOTEURS[bug])
    assert caught is not None, f"{SABOTEURS[bug].text} {system} is called green"
    assert caught.words


@pytest.mark.parametrize("bug", SABOTEURS)
def test_each_bug_is_one_somewhere(bug: str) -> None:
    """There is a connector to which it applies, and it says what it does."""
    assert any(bug == each for _, each in CASES)
    assert SABOTEURS[bug].text.endswith(".")
