"""What a person chose of a list: by ref, by id, by number, and never by guessing."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tieout.change import Issue
from tieout.choosing import Choice
from tieout.errors import Code, ConfigError
from tieout.models import Invoice, Ref, Status


def invoice(own: str, number: str) -> Invoice:
    """An invoice of the list."""
    ref = Ref("shop:1", "Invoice", own)
    day, ten = date(2026, 3, 1), Decimal(10)
    return Invoice(ref, number, None, "EUR", day, ten, Status.OPEN)


ONE, TWO, SAME = invoice("1", "A"), invoice("2", "1"), invoice("A", "A")
LISTED = (ONE, TWO)


def chosen(only: object, listed: tuple[Invoice, ...] = LISTED) -> list[str]:
    """The ids of what is meant."""
    choice = Choice.of(only)  # type: ignore[arg-type]
    found, _ = choice.settle([each for each in listed if choice.wants(each)])
    return [each.ref.id for each in found]


@pytest.mark.parametrize(
    ("only", "ids"),
    [
        (None, ["1", "2"]),
        ([], []),
        (["2"], ["2"]),
        (["A"], ["1"]),
        ([" A "], ["1"]),
        (["A", "A", ONE.ref], ["1"]),
        ([ONE.ref], ["1"]),
        (["1"], []),
        (["1", TWO.ref], ["2"]),
        (["1", "A"], ["1"]),
        ([Ref("other:1", "Invoice", "1")], []),
        (["a"], []),
        ({"A", "2"}, ["1", "2"]),
        ((each for each in ["A"]), ["1"]),
    ],
)
def test_what_is_meant(only: object, ids: list[str]) -> None:
    """B118: each once; a name that means two of the list means neither."""
    assert chosen(only) == ids


def test_an_id_that_is_its_own_number_means_one() -> None:
    """B118: it is the same invoice twice."""
    assert chosen(["A"], (SAME, TWO)) == ["A"]
    assert chosen(["A"], (SAME, ONE)) == []


@pytest.mark.parametrize("only", ["A", [None], [3], [""], ["  "]])
def test_what_is_no_choice_is_refused(only: object) -> None:
    """B118: a text alone would be a list of letters."""
    with pytest.raises(ConfigError, match="only="):
        Choice.of(only)  # type: ignore[arg-type]


def test_what_is_not_there_is_named() -> None:
    """B118, B141: each name and ref once; what is ambiguous is not missing."""
    absent = Ref("shop:1", "Invoice", "9")
    _, issues = Choice.of(["1", "X", "X", "A", absent]).settle(LISTED)
    assert [(issue.code, issue.numbers) for issue in issues] == [
        (Code.AMBIGUOUS_NUMBER, ("1",)),
        (Code.NOT_LISTED, ("9",)),
        (Code.NOT_LISTED, ("X",)),
    ]
    assert not any(issue.blocking for issue in issues)
    assert "A (1), 1 (2)" in issues[0].text


def test_what_could_not_be_read_is_told_if_it_was_chosen() -> None:
    """B106, B118: by ref, id or number; it is not called missing as well."""
    unread = Issue(Code.BAD_AMOUNT, Ref("shop:1", "Invoice", "7"), ("G",))
    nameless = Issue(Code.BAD_FIELD)
    for only in (["7"], ["G"], [Ref("shop:1", "Invoice", "7")]):
        assert Choice.of(only).settle(LISTED, [unread, nameless])[1] == (unread,)
    assert Choice.of(["A"]).settle(LISTED, [unread, nameless])[1] == ()
    assert Choice.of(None).settle(LISTED, [unread, nameless])[1] == (unread, nameless)
