"""Which behaviours a test names, and that each has its sentence on the page."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

evidence = SimpleNamespace(**runpy.run_path(str(DOCS / "evidence.py")))
data = SimpleNamespace(**runpy.run_path(str(DOCS / "behaviours.py")))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("B17: the total.", {17}),
        ("As `B17` says (B24).", {17, 24}),
        ("B5/B6, B9", {5, 6, 9}),
        ("B1-B4 and B34", {1, 2, 3, 4, 34}),
        ("B46\u2013B48", {46, 47, 48}),
        ("B85 to B88", {85, 86, 87, 88}),
        ("B3 - B1", {1, 2, 3}),
        ("X19, D23, AB1, B2B, B1a, B-7, b17", set()),
        ("# noqa: B018", set()),
        ("# noqa: B008 - frozen", set()),
    ],
)
def test_numbers_stand_alone_in_lists_and_in_ranges(text: str, named: set[int]) -> None:
    """A rule of the linter has a zero in front, and is no behaviour."""
    assert evidence.numbers(text) == named


SAMPLE = '''\
"""B1: what all of it is about."""


# B2: above the decorator.
# And above that (B3).
@parametrize(
    "day",
    [31],  # B4: among the decorators
)
def test_comments(day):
    """Nothing."""
    # B99: within.
    assert day == "B99"


# B99: not directly above.

def test_b5_b6_name():
    """B7-B8."""


class TestClass:
    """B9: for each of its tests."""

    async def test_method(self):
        """B10, and B1 itself."""


class Testing(TestClass):
    def helper(self):
        """B99."""


def helper():
    """B99."""

    def test_inner():
        """B99."""
'''


def test_a_test_names_what_stands_around_it() -> None:
    """Its name, its docstring, a comment above it, and what it is in; nothing else."""
    found: dict[str, set[int]] = {}
    for number, naming in evidence.namings("unit/test_sample.py", SAMPLE):
        found.setdefault(naming.test, set()).add(number)
    assert found == {
        "test_comments": {1, 2, 3, 4},
        "test_b5_b6_name": {1, 5, 6, 7, 8},
        "TestClass::test_method": {1, 9, 10},
    }


def test_the_nearest_is_shown_first_and_a_module_once(tmp_path: Path) -> None:
    """Files that are no tests, and numbers of no behaviour, do not count."""
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    (tmp_path / "sample.py").write_text(SAMPLE)
    (tmp_path / "test_other.py").write_text(
        'def test_other():\n    """B1, B904."""\n    x = 1  # noqa: B018\n'
    )
    found = evidence.evidence(tmp_path, range(1, 165))
    assert list(found) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert evidence.shown(found[1], 6) == (
        [
            "test_other.py::test_other",
            "test_sample.py::TestClass::test_method",
            "test_sample.py",
        ],
        0,
    )
    assert evidence.shown(found[1], 1) == (["test_other.py::test_other"], 2)
    assert evidence.shown(found[9], 6)[0] == ["test_sample.py::TestClass::test_method"]


def test_each_behaviour_is_one_sentence() -> None:
    """All of them, in their order, each in a line."""
    assert list(data.BEHAVIOURS) == list(range(1, 165))
    for number, sentence in data.BEHAVIOURS.items():
        assert sentence.endswith("."), number
        assert "\n" not in sentence, number
        assert ". " not in sentence, number
    assert len(set(data.BEHAVIOURS.values())) == len(data.BEHAVIOURS)


def test_those_without_a_test_can_be_asked_for() -> None:
    """So that a range of them can be demanded."""
    asked = subprocess.run(
        [sys.executable, str(DOCS / "generate.py"), "--uncovered"],
        capture_output=True,
        check=True,
        text=True,
    )
    found = evidence.evidence(ROOT / "tests", data.BEHAVIOURS)
    assert evidence.numbers(asked.stdout) == set(data.BEHAVIOURS) - set(found)
    assert "-" not in asked.stdout
