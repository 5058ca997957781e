"""Laws of clusters: numbers make no difference, words do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.clusters import NUMBERS_MAX, Met, clustered, shape
from tieout.errors import Code

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)

WORD = st.text("abcdefghijklmnopqrstuvwxyzäßé", min_size=1, max_size=8)
NUMBER = st.one_of(
    st.integers(0, 10**12).map(str),
    st.decimals(0, 10**6, places=2).map(str),
    st.integers(0, 10**6).map(lambda n: f"{n:,}"),
    st.dates().map(str),
    st.datetimes().map(lambda t: t.isoformat()),
    st.dates().map(lambda day: f"{day:%m/%d/%Y}"),
    st.uuids().map(str),
    st.text("xyz ", max_size=5).map(lambda name: f"'{name}'"),
    st.text("xyz ", max_size=5).map(lambda name: f'"{name}"'),
)
SLOT = None
TEMPLATE = st.lists(st.one_of(WORD, st.just(SLOT)), min_size=1, max_size=8)


def fill(data: st.DataObject, template: list[str | None]) -> str:
    """A text of the words of a template, with something drawn for each slot."""
    words = [data.draw(NUMBER) if each is SLOT else each for each in template]
    return " ".join(map(str, words))


@given(st.data(), TEMPLATE)
def test_texts_that_differ_in_numbers_alone_are_one(
    data: st.DataObject, template: list[str | None]
) -> None:
    """B110: numbers, dates, ids, GUIDs and quoted names."""
    assert shape(fill(data, template)) == shape(fill(data, template))


@given(
    st.lists(st.tuples(st.text("ABCDEFG", min_size=1, max_size=4), st.booleans())),
    st.data(),
)
def test_numbers_within_a_name_make_no_difference(
    parts: list[tuple[str, bool]], data: st.DataObject
) -> None:
    """B110: INV-1 and INV-1002 are of one series."""

    def told() -> str:
        digits = st.integers(0, 99_999)
        return " ".join(
            f"{name}{'-' if dash else ''}{data.draw(digits)}" for name, dash in parts
        )

    assert shape(told()) == shape(told())


@given(st.data(), TEMPLATE, TEMPLATE)
def test_texts_of_different_words_are_two(
    data: st.DataObject, one: list[str | None], other: list[str | None]
) -> None:
    """B110: whatever their numbers are."""
    words = [[each for each in some if each is not SLOT] for some in (one, other)]
    same = shape(fill(data, one)) == shape(fill(data, other))
    assert not same or words[0] == words[1]


@given(st.text(max_size=60))
def test_any_text_has_a_shape_and_it_is_final(text: str) -> None:
    """B110: also what is no sentence of any language."""
    assert shape(shape(text)) == shape(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Invoice INV-1001 is locked", "Invoice INV-# is locked"),
        ("BL01001973 Invalid Location '9' specified.", "BL# Invalid Location # specified."),
        ("the customer's key isn't 'Acme's'", "the customer's key isn't #"),
        ("ids 1, 2, 3 and 4", "ids # and #"),
        ("at 2026-03-10T12:00:00Z", "at #"),
        ("request 6f1c2ab9-0000-4d1e-9abc-0123456789ab", "request #"),
        ("request 5f9c2e0b7a", "request #"),
        ("-12.50 is owed", "# is owed"),
        ("nothing\n  at all", "nothing at all"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_kept_of_a_text(text: str, wanted: str) -> None:
    """B110: the words, and the letters before a number."""
    assert shape(text) == wanted


def met(text: str, minutes: int = 0, system: str = "xero") -> Met:
    """One error."""
    at = NOW + timedelta(minutes=minutes)
    return Met(system, Code.REFUSED, text, at, at, (text[-2:],))


@given(st.permutations([met(f"no {n:02}", n) for n in range(9)] + [met("oh", 3)] * 2))
def test_the_order_in_which_they_are_met_does_not_matter(errors: list[Met]) -> None:
    """B110: the count, the times and the latest example are the same."""
    most, least = clustered(errors)
    assert (most.count, most.example, most.shape) == (9, "no 08", "no #")
    assert (most.first_at, most.last_at) == (NOW, NOW + timedelta(minutes=8))
    assert len(most.numbers) == NUMBERS_MAX
    assert (least.count, str(least)) == (2, "xero: oh (2 times)")


def test_two_systems_are_never_one() -> None:
    """B110: the same words may mean something else."""
    found = clustered([met("no 1"), met("no 2", system="intacct")])
    assert [each.system for each in found] == ["intacct", "xero"]
