"""The initial sync: what was made before the link was, once, and within a year."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from attrs import evolve

import tieout
from bookkeeping import HOUR, IN, OFF, Pair, codes, ways
from tieout.capabilities import Changed, Everything, Kind
from tieout.errors import ConfigError
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    RecordType,
    Settlement,
)
from tieout.store import Ending
from tieout.testing.year.connector import KINDS

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 20)
STABLE = {kind: evolve(KINDS[kind], stable_order=True, page_size=2) for kind in KINDS}


def pair_of(*days: date, kinds: Mapping[RecordType, Kind] = STABLE) -> Pair:
    """A ledger with an invoice for each day."""
    pair = Pair(ways(IN), ledger={"kinds": kinds})
    customer = pair.customer(on=pair.book)
    for position, day in enumerate(days):
        pair.invoice(f"SO-{position}", "50", customer, on=pair.book)
        (made,) = [e for e in pair.all(Invoice) if e.number == f"SO-{position}"]
        pair.edit(made, on=day)
    return pair


def numbers(pair: Pair) -> list[str]:
    return sorted(each.number for each in pair.all(Invoice, pair.shop))


def initial(pair: Pair, *kinds: RecordType, **more: Any) -> tuple[tieout.Report, ...]:
    """An initial sync of an hour later."""
    pair.clock.advance(HOUR)
    days = {"first": FIRST, "last": LAST, **more}
    return pair.engine.initial_sync(kinds=kinds, **days)


def test_what_is_dated_within_the_range_is_read_when_a_person_asks_for_it() -> None:
    """B70, B71: of the kinds that were chosen, both days included."""
    pair = pair_of(date(2026, 2, 28), FIRST, LAST, date(2026, 3, 21))
    pair.credit_note("RMA-1", "5", on=pair.book)
    reports = initial(pair, Invoice)
    assert [each.ok for each in reports] == [True]
    assert numbers(pair) == ["SO-1", "SO-2"]
    assert pair.all(CreditNote, pair.shop) == []


@pytest.mark.parametrize(
    ("kinds", "first", "last", "why"),
    [
        ((Invoice,), date(2025, 3, 19), LAST, "367 days"),
        ((Invoice,), LAST, FIRST, "before it begins"),
        ((), FIRST, LAST, "choose among Customer, Invoice"),
        ((Application,), FIRST, LAST, "choose among"),
    ],
)
def test_a_range_that_cannot_be_is_refused_before_anything_is_read(
    kinds: tuple[RecordType, ...], first: date, last: date, why: str
) -> None:
    """B72: a year at most, a leap year included."""
    pair = pair_of(FIRST)
    calls = pair.ledger.calls
    with pytest.raises(ConfigError, match=why):
        initial(pair, *kinds, first=first, last=last)
    assert pair.ledger.calls == calls
    assert initial(pair, Invoice, first=date(2025, 3, 20), last=LAST)[0].ok


def test_a_system_that_cannot_list_by_dates_is_refused() -> None:
    """B71"""
    kinds = {
        **KINDS,
        Invoice: evolve(KINDS[Invoice], selects=frozenset({Changed, Everything})),
    }
    with pytest.raises(ConfigError, match="cannot list invoices by their dates"):
        initial(pair_of(FIRST, kinds=kinds), Invoice)


def test_several_ranges_add_up_and_a_repeated_one_changes_nothing() -> None:
    """B73, B76: no document is doubled."""
    pair = pair_of(date(2026, 2, 10), FIRST, LAST)
    initial(pair, Invoice)
    initial(pair, Invoice, first=date(2026, 2, 1), last=FIRST)
    assert numbers(pair) == ["SO-0", "SO-1", "SO-2"]
    with pair.quiet():
        assert initial(pair, Customer, Invoice, CreditNote)[1].ok


def test_an_interrupted_one_goes_on_behind_its_last_page() -> None:
    """B74: and is no success until it is complete."""
    pair = pair_of(*[FIRST] * 7)
    calls = iter(range(99))
    stopped = initial(pair, Customer, Invoice, stop=lambda: next(calls) > 7)
    assert (stopped[-1].ending, stopped[-1].complete) == (Ending.STOPPED, False)
    assert 0 < len(numbers(pair)) < 7
    before = pair.ledger.calls
    done = initial(pair, Invoice)
    assert done[0].complete
    assert len(numbers(pair)) == 7
    assert done[0].counts["created"] + stopped[-1].counts["created"] == 7
    assert pair.ledger.calls > before


def test_payments_that_are_left_out_are_warned_of() -> None:
    """B75: balances would be wrong without them."""
    pair = pair_of(FIRST)
    pair.rules["directions"] = {**ways(IN), Payment: IN, Settlement: OFF}
    _, without = initial(pair, Customer, Invoice)
    assert (without.ok, codes(without)) == (True, ["PAYMENTS_LEFT_OUT"])
    for report in initial(pair, Customer, Invoice, CreditNote, Payment):
        assert codes(report) == []


def test_the_ongoing_sync_goes_on_where_it_was() -> None:
    """B77: its own start is not moved."""
    pair = pair_of(FIRST)
    marker = pair.sync(Invoice).marker
    late = pair.invoice("SO-9", "50", None, on=pair.book)
    assert initial(pair, Invoice)[0].marker_moved is False
    report = pair.sync(Invoice, tieout.Since.LAST_RUN)
    assert marker is not None
    assert report.start <= marker
    assert pair.across(late).number == "SO-9"
