"""Rows in order, of which there may be more than memory holds."""

from __future__ import annotations

import random
import tempfile
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import StoreError
from tieout.proof import sorting
from tieout.proof.sorting import Sorter, Spool

KEYS = st.text(st.characters(exclude_categories=()), max_size=3)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sorter that holds three rows, and two runs on disk."""
    monkeypatch.setattr(sorting, "HELD_MAX", 3)
    monkeypatch.setattr(sorting, "RUNS_MAX", 2)


def grouped(rows: list[tuple[str, Any]]) -> Iterator[tuple[str, list[Any]]]:
    """The rows by key, as a sorter gives them."""
    with Sorter() as sorter:
        for key, value in rows:
            sorter.add(key, value)
        for key, group in sorter.groups():
            yield key, [value for (value,) in group]


@pytest.mark.usefixtures("small")
def test_rows_come_back_by_key_whatever_their_number() -> None:
    """Held, on disk, and on disk in runs that were joined: all of them, in one order."""
    rows = [(f"k{n % 7}", n) for n in range(50)]
    random.Random(1).shuffle(rows)
    found = dict(grouped(rows))
    assert list(found) == sorted(found)
    assert {key: sorted(group) for key, group in found.items()} == {
        f"k{n}": [each for each in range(50) if each % 7 == n] for n in range(7)
    }


@given(st.lists(st.tuples(KEYS, st.integers(0, 3)), max_size=12))
def test_each_key_is_given_once(rows: list[tuple[str, int]]) -> None:
    """Also where one key is the beginning of another, or holds quotes and half characters."""
    found = list(grouped(rows))
    keys = [key for key, _ in found]
    assert len(set(keys)) == len(keys)
    assert sorted((key, value) for key, group in found for value in group) == sorted(
        rows
    )


def test_the_order_of_rows_is_that_of_their_values() -> None:
    """Equal rows give equal results, whatever order they came in."""
    rows = [("a", 2), ("b", 1), ("a", 1)]
    assert (
        list(grouped(rows)) == list(grouped(rows[::-1])) == [("a", [1, 2]), ("b", [1])]
    )


def test_very_many_rows_of_one_key_come_in_portions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A number that all documents have does not bring all of them into memory."""
    monkeypatch.setattr(sorting, "TOGETHER_MAX", 4)
    found = list(grouped([("a", n) for n in range(9)]))
    assert [len(group) for _, group in found] == [4, 4, 1]


def test_memory_does_not_grow_with_the_rows() -> None:
    """Five times as many rows need the same few megabytes."""
    peaks = []
    for count in (8_000, 40_000):
        tracemalloc.start()
        with Sorter() as sorter:
            for n in range(count):
                sorter.add(f"{n * 7919 % count:06}", "x" * 100)
            assert sum(1 for _ in sorter.rows()) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.usefixtures("small")
def test_a_sorter_that_is_left_half_read_closes_its_files() -> None:
    """Nothing is left open where a reading breaks off."""
    with Sorter() as sorter:
        for n in range(20):
            sorter.add(str(n))
        rows = sorter.rows()
        next(rows)
        assert sorter._runs
    assert not sorter._runs


def test_a_spool_is_read_by_several_at_a_time() -> None:
    """Each reader has a place of its own; what is added later is read too."""
    spool = Spool()
    spool.add("one")
    begins = spool.size
    spool.add("zwölf")
    first, second = spool.lines(), spool.lines(begins)
    assert next(first) == "one"
    assert next(second) == "zwölf"
    spool.take([b"three\n"])
    assert list(first) == ["zwölf", "three"]


def test_a_disk_that_is_full_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder and the remedy are told, whoever needed the room."""

    def full(*_: object, **__: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    monkeypatch.setattr(sorting, "HELD_MAX", 1)
    with pytest.raises(StoreError, match=r"has no room .* set TMPDIR"):
        Spool()
    with Sorter() as sorter, pytest.raises(StoreError, match="No space left"):
        sorter.add("key", 1)
