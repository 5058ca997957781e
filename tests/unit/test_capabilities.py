"""What a system can do, as data."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from tieout.capabilities import (
    NOTHING,
    Capabilities,
    Cost,
    Kind,
    Limit,
    LimitScope,
    Payments,
    Verb,
)
from tieout.models import Invoice, Settlement

ABLE = Capabilities(
    "X", {Settlement: Kind(verbs=frozenset({Verb.READ, Verb.UPDATE}), page_size=7)}
)


def test_what_is_not_declared_cannot_be_done() -> None:
    """A kind that is missing allows nothing, not even reading."""
    assert ABLE.kind(Invoice) is NOTHING
    assert not any(NOTHING.can(verb) for verb in Verb)


def test_what_is_declared_can_be_done() -> None:
    """Verb by verb; reading alone is the default of a declared kind."""
    kind = ABLE.kind(Settlement)
    assert kind.can(Verb.UPDATE)
    assert not kind.can(Verb.VOID)
    assert kind.page_size == 7
    assert [verb for verb in Verb if Kind().can(verb)] == [Verb.READ]


def test_settling_waits_for_late_commits_and_slow_searches() -> None:
    """H6, P12: absence proves nothing before the longest of both together."""
    told = Capabilities(
        "X", {}, late_commit=timedelta(minutes=3), search_lag=timedelta(seconds=30)
    )
    assert told.settle == timedelta(seconds=210)
    assert ABLE.settle == timedelta(minutes=5)


def test_the_cost_counts_what_else_is_read_for_a_page() -> None:
    """Pages and batches of ids, each with the calls for other lists."""
    kind = Kind(page_size=7, fetch_size=5, page_calls=3)
    told = Capabilities("X", {Invoice: kind})
    assert told.read_calls(Invoice, 0) == 3
    assert told.read_calls(Invoice, 15) == 9
    assert told.fetch_calls(Invoice, 11) == 9
    alone = Kind(fetch_size=5, fetch_alone=True)
    assert Capabilities("X", {Invoice: alone}).fetch_calls(Invoice, 11) == 11


def test_the_cost_of_details_is_counted_by_record_or_by_batch() -> None:
    """Only the money of an invoice has details; without them nothing is added."""
    kinds = {Settlement: Kind(page_size=7, fetch_size=5), Invoice: Kind(page_size=7)}
    for detail, read, fetched in (
        (Cost.IN_THE_LIST, 2, 3),
        (Cost.CALL_EACH, 10, 14),
        (Cost.CALL_BATCH, 5, 6),
    ):
        told = Capabilities("X", kinds, Payments(detail=detail))
        assert told.read_calls(Settlement, 8) == read
        assert told.fetch_calls(Settlement, 11) == fetched
        assert told.read_calls(Invoice, 8) == 2


def test_the_cost_counts_long_lists_and_rows_that_come_again() -> None:
    """Seven rows a page, of which one was on the page before: six are new."""
    kind = Kind(page_size=7, page_repeats=1, lists=3, long_lists=2)
    told = Capabilities("X", {Invoice: kind})
    assert [told.read_calls(Invoice, n) for n in (0, 6, 7, 12, 13)] == [3, 3, 5, 5, 7]


def test_the_cost_counts_the_empty_page_behind_a_full_one() -> None:
    """Where nothing but a page that is not full says that a list has ended."""
    kinds = {
        kind: Kind(page_size=7, page_after_full=True) for kind in (Invoice, Settlement)
    }
    told = Capabilities("X", kinds, Payments(detail=Cost.CALL_EACH))
    assert [told.read_calls(Invoice, n) for n in (0, 6, 7, 13, 14)] == [1, 1, 2, 2, 3]
    assert told.read_calls(Settlement, 14) == 3 + 14


def test_capabilities_are_values() -> None:
    """Declared, never found out: nothing changes them at run time."""
    with pytest.raises(FrozenInstanceError):
        ABLE.concurrency = 9  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert Limit(60, 60.0).scope is LimitScope.CONNECTION


def test_a_full_page_may_be_followed_by_an_empty_one() -> None:
    """Where nothing says that a page is the last, one more is asked for."""
    kind = Kind(page_size=100)
    told, untold = (
        Capabilities("X", {Settlement: each})
        for each in (kind, evolve(kind, page_after_full=True))
    )
    assert [told.read_calls(Settlement, n) for n in (0, 99, 100, 101)] == [1, 1, 1, 2]
    assert [untold.read_calls(Settlement, n) for n in (0, 99, 100, 101)] == [1, 1, 2, 2]
