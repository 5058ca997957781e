"""The first sync: what was made before, over a range of days, as often as one likes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from attrs import evolve

import tieout
from desk import HOUR, TODAY, Desk
from tieout import Code, ConfigError, Direction, Fault, Since
from tieout.capabilities import Changed, Dated, Kind, Select
from tieout.change import Change
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Payment,
    R,
    RecordType,
    Settlement,
    Status,
)
from tieout.protocol import Page
from tieout.report import Report
from tieout.settings import Settings
from tieout.store import Marker, ResumePoint, key_of
from tieout.testing.year.books import Books
from tieout.testing.year.connector import KINDS, BooksConnector
from tieout.wire import Flow
from worlds import Crash, Mortal

OUT, OFF = Direction.TO_LEDGER, Direction.OFF
ALL = Settings(
    directions={
        Customer: OUT,
        Invoice: OUT,
        CreditNote: OUT,
        Payment: OUT,
        Settlement: OFF,
    }
)
STABLE: Mapping[RecordType, Kind] = {
    kind: evolve(able, stable_order=True) for kind, able in KINDS.items()
}
FIRST, LAST = date(2025, 3, 21), date(2026, 3, 20)
"""A year, as far as it may go."""
WAIT = timedelta(minutes=15)


def desk(count_: int = 0, **more: Any) -> Desk:
    """A desk where all documents go to the ledger, with so many invoices of the year."""
    made = Desk(**{"settings": ALL, "shop": STABLE, **more})
    for place in range(count_):
        made.invoice(f"INV-{place:04}", 100, FIRST + timedelta(days=place % 365))
    return made


def sync(
    desk: Desk,
    *kinds: RecordType,
    first: date = FIRST,
    last: date = LAST,
    store: Any = None,
    **more: Any,
) -> tuple[Report, ...]:
    """An initial sync of these kinds; of invoices, where none is named."""
    return desk.engine(store).initial_sync(
        first, last, kinds=kinds or (Invoice,), **more
    )


def dated(desk: Desk) -> set[date]:
    """The days of the ledger's invoices."""
    return {each.on for each in desk.book.of(Invoice).values()}


# What, and from when to when ------------------------------------------------------------------


def test_it_begins_only_when_somebody_starts_it() -> None:
    """B70: what is older than the link is not carried by the ongoing sync."""
    made = desk()
    made.invoice("OLD", on=date(2025, 6, 1))
    made.clock.advance(30 * 24 * HOUR)
    made.engine().sync_invoices(Since.PAST_WEEK)
    assert made.booked == []
    sync(made)
    assert made.booked == [("OLD", 100)]


def test_the_kinds_are_chosen() -> None:
    """B71: of what is asked for, in the order in which it depends on each other."""
    made = desk(2)
    note = made.shop.ref(CreditNote)
    ten = Decimal(10)
    made.shop.put(
        CreditNote(note, "CN-1", made.owner.ref, "EUR", LAST, ten, Status.OPEN)
    )
    reports = sync(made, CreditNote, Customer)
    assert [report.verb.rpartition(" of ")[2] for report in reports] == [
        "customers",
        "credit notes",
    ]
    assert len(made.book.of(CreditNote)) == 1
    assert made.booked == []
    sync(made, Invoice)
    assert len(made.booked) == 2


def test_both_days_of_the_range_are_included() -> None:
    """B71: the first and the last; not the days beside them."""
    made = desk()
    days = [date(2026, 1, 31), date(2026, 2, 1), date(2026, 2, 28), date(2026, 3, 1)]
    for day in days:
        made.invoice(f"INV-{day}", on=day)
    sync(made, first=days[1], last=days[2])
    assert dated(made) == {days[1], days[2]}


def test_customers_have_no_date_and_are_all_read() -> None:
    """B71: whatever the range."""
    made = desk()
    for place in range(20):
        made.shop.put(Customer(made.shop.ref(Customer), f"N{place}", f"N{place}"))
    (report,) = sync(made, Customer, first=TODAY, last=TODAY)
    assert report.counts["created"] == 21
    assert report.counts["warning"] == 0


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2025, 1, 1), date(2025, 12, 31)),
        (date(2025, 1, 1), date(2026, 1, 1)),  # 366 days of a common year
        (date(2024, 1, 1), date(2024, 12, 31)),  # 366 days of a leap year
        (date(2023, 3, 1), date(2024, 2, 29)),  # 366 days across one
        (TODAY, TODAY),
    ],
)
def test_a_year_is_taken(first: date, last: date) -> None:
    """B72: at most 366 days, the first and the last included."""
    (report,) = sync(desk(), first=first, last=last)
    assert report.complete


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (date(2025, 1, 1), date(2026, 1, 2), "has 367 days; at most 366"),
        (date(2024, 1, 1), date(2025, 1, 1), "has 367 days; at most 366"),
        (date(2015, 1, 1), date(2025, 1, 1), "split it, the parts add up"),
        (date(2026, 3, 2), date(2026, 3, 1), "ends on 2026-03-01, before it begins"),
    ],
)
def test_a_longer_range_is_refused_before_any_read(
    first: date, last: date, words: str
) -> None:
    """B72: leap spans too; and one that ends before it begins."""
    made = desk(3)
    with pytest.raises(ConfigError, match=words):
        sync(made, first=first, last=last)
    assert (made.billing.calls, made.ledger.calls) == (0, 0)


@pytest.mark.parametrize("kinds", [(), (Settlement,), (Invoice, Settlement)])
def test_what_is_no_kind_of_document_is_refused(kinds: Sequence[RecordType]) -> None:
    """B71: the kinds that there are to choose among are named."""
    made = desk()
    with pytest.raises(ConfigError, match="choose among Customer, Invoice"):
        made.engine().initial_sync(FIRST, LAST, kinds=kinds)
    assert made.billing.calls == 0


def test_a_kind_that_is_switched_off_or_has_no_dates_is_refused() -> None:
    """B53, B71: before anything is read, also where another kind would go."""
    made = desk(settings=evolve(ALL, directions={**ALL.directions, CreditNote: OFF}))
    with pytest.raises(ConfigError, match="credit notes are switched off"):
        sync(made, Invoice, CreditNote)
    blind = {**KINDS, Invoice: evolve(KINDS[Invoice], selects=frozenset({Changed}))}
    made = desk(shop=blind)
    with pytest.raises(ConfigError, match="cannot list invoices by their dates"):
        sync(made, Customer, Invoice)
    assert made.billing.calls == 0


# Adding up, and repeating ---------------------------------------------------------------------


def test_several_ranges_add_up() -> None:
    """B73: side by side, or over each other; each document once."""
    made = desk(365)
    half = FIRST + timedelta(days=180)
    sync(made, first=FIRST, last=half)
    assert len(made.booked) == 181
    sync(made, first=half - timedelta(days=30), last=LAST)
    assert len(made.booked) == 365
    assert len(set(made.booked)) == 365


def test_a_repeat_changes_nothing() -> None:
    """B76: neither at once nor later; no write at all."""
    made = desk(30)
    sync(made, *ALL.directions.keys() - {Settlement})
    writes = (made.shop.writes, made.book.writes)
    for _ in range(2):
        made.clock.advance(HOUR)
        reports = sync(made, Customer, Invoice, CreditNote, Payment)
        assert all(report.ok for report in reports)
        assert {report.counts["created"] for report in reports} == {0}
    assert (made.shop.writes, made.book.writes) == writes


def test_after_it_the_ongoing_sync_goes_on_from_its_own_place() -> None:
    """B76, B77: what is new is carried, what was brought over is not touched again."""
    made = desk(10)
    made.engine().sync_invoices(LAST)
    sync(made)
    writes = made.book.writes
    made.clock.advance(HOUR)
    made.invoice("NEW")
    made.engine().sync_invoices(Since.LAST_RUN)
    assert made.book.writes == writes + 1
    assert len(made.booked) == 11


def test_the_ongoing_marker_is_not_touched() -> None:
    """B77: neither moved nor made; nor is an interrupted run's place."""
    made = desk(10)
    engine = made.engine()
    key = key_of(engine.pair, "invoices", "ada")
    sync(made)
    assert made.store.get(Marker, [key]) == {}
    engine.sync_invoices(LAST)
    before = made.store.get(Marker, [key])
    assert before
    place = ResumePoint(
        engine.pair, "invoices", "ada", made.clock.now(), "7", None, "x", True, "r"
    )
    made.store.commit(place)
    made.clock.advance(HOUR)
    (report,) = sync(made)
    assert report.complete
    assert made.store.get(Marker, [key]) == before
    assert made.store.get(ResumePoint, [key]) == {key: place}
    assert not report.marker_moved


# Payments -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Invoice, CreditNote])
def test_documents_without_their_payments_come_with_a_warning(kind: RecordType) -> None:
    """B75: yellow, and told at once; the documents are carried all the same."""
    made = desk(2)
    rows: list[tieout.Progress] = []
    (report,) = sync(made, kind, on_progress=rows.append)
    assert rows[0].what == "warning"
    (issue,) = report.issues
    assert issue.code is Code.PAYMENTS_LEFT_OUT
    assert report.ok
    assert report.yellow == 1
    assert len(made.booked) == (2 if kind is Invoice else 0)


@pytest.mark.parametrize(
    "kinds", [(Customer,), (Payment,), (Invoice, Payment), (CreditNote, Payment)]
)
def test_with_payments_or_without_documents_there_is_none(
    kinds: Iterable[RecordType],
) -> None:
    """B75: what is owed is right then, or nothing is owed."""
    reports = sync(desk(2), *kinds)
    assert [list(report.issues) for report in reports] == [[] for _ in reports]


# Any number, and interruptions ------------------------------------------------------------------


class Remembered(BooksConnector):
    """Books that make each record anew for each page, and see which of them are still held."""

    def __init__(self, books: Books, **more: Any) -> None:
        super().__init__(books, **more)
        self.given: list[weakref.ref[Any]] = []
        self.most = 0

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        gc.collect()
        self.given = [each for each in self.given if each() is not None]
        self.most = max(self.most, len(self.given))
        page = yield from super().page(kind, select, cursor)
        records: tuple[Any, ...] = tuple(_Own(each) for each in page.records)
        self.given += [weakref.ref(each.own) for each in records]
        return evolve(page, records=tuple(each.record for each in records))


class _Lent:
    """What a record carries, so that it can be seen whether anybody still holds it."""


class _Own:
    def __init__(self, record: Any) -> None:
        self.own = _Lent()
        self.record = evolve(record, carry=self.own)


def test_more_than_a_thousand_records_complete_in_bounded_memory() -> None:
    """B74: all of them; not more than a few pages are held at any time."""
    shop = {**STABLE, Invoice: evolve(STABLE[Invoice], page_size=50)}
    made = desk(0, shop=shop, book={**KINDS, Invoice: _quick(KINDS[Invoice])})
    made.shop.unique = made.book.unique = False  # or each is compared with all others
    for place in range(1500):
        made.invoice(f"INV-{place:04}", 100, FIRST + timedelta(days=place % 365))
    billing = Remembered(made.shop, kinds=shop)
    made.billing = billing  # type: ignore[assignment]
    (report,) = sync(made)
    assert report.complete
    assert report.ok
    assert report.counts["created"] == 1501  # and their customer
    assert len(set(made.booked)) == 1500
    assert 50 <= billing.most <= 4 * 50


def _quick(able: Kind) -> Kind:
    return evolve(able, batch_size=50, fetch_size=500)


def cursors(made: Desk) -> list[str | None]:
    """From where pages of invoices were read."""
    return [cursor for kind, cursor in made.billing.pages if kind is Invoice]


def test_a_stopped_one_goes_on_behind_the_last_completed_page() -> None:
    """B74, B160: not from its beginning; it is never called complete before it is."""
    made = desk(40)
    (report,) = sync(made, stop=lambda: len(made.booked) >= 21)
    assert not report.complete
    assert report.resume is not None
    assert len(made.booked) == 21
    made.billing.pages.clear()
    (report,) = sync(made)
    assert report.complete
    assert cursors(made)[0] is not None
    assert len(cursors(made)) <= 4  # of the six that there are
    assert len(set(made.booked)) == len(made.booked) == 40
    made.billing.pages.clear()
    sync(made)  # once it is finished, it begins anew
    assert cursors(made)[0] is None


def test_a_read_that_fails_ends_it_and_the_next_goes_on() -> None:
    """B74: it is called failed; kinds that depend on it are not begun."""
    made = desk(40)

    def broken(own: Any, kind: RecordType, select: Select, cursor: str | None) -> None:
        if kind is Invoice and len(cursors(made)) == 4:
            raise Fault(Code.SERVER_ERROR, "down")

    made.billing.between = broken
    reports = sync(made, Invoice, CreditNote)
    assert len(reports) == 1
    assert reports[0].code is Code.SERVER_ERROR
    assert not reports[0].complete
    done = len(made.booked)
    assert 0 < done < 40
    made.billing.between = None
    made.billing.pages.clear()
    reports = sync(made, Invoice, CreditNote)
    assert [report.complete for report in reports] == [True, True]
    assert cursors(made)[0] is not None
    assert len(set(made.booked)) == len(made.booked) == 40


def test_where_the_order_does_not_stay_it_begins_anew_and_doubles_nothing() -> None:
    """B74: a place in such a list means nothing."""
    made = desk(40, shop=KINDS)
    sync(made, stop=lambda: len(made.booked) >= 21)
    made.billing.pages.clear()
    sync(made)
    assert cursors(made)[0] is None
    assert len(set(made.booked)) == len(made.booked) == 40


def test_another_range_has_a_place_of_its_own() -> None:
    """B73, B74: what was interrupted is not gone on with by another one."""
    made = desk(40)
    sync(made, stop=lambda: len(made.booked) >= 21)
    made.billing.pages.clear()
    sync(made, first=FIRST, last=FIRST + timedelta(days=3))
    assert cursors(made)[0] is None
    made.billing.pages.clear()
    sync(made)
    assert cursors(made)[0] is not None
    assert len(made.booked) == 40


@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_dies_anywhere_is_gone_on_with(after: bool) -> None:
    """B74, B76, B160: at each commit, before it and after it; nothing is doubled."""
    at = 0
    for at in count():
        made = desk(16)
        store = Mortal(made.store, dies_at=at, after=after)
        with suppress(Crash):
            sync(made, Customer, Invoice, store=store)
        if not store.dead:
            break
        made.clock.advance(WAIT)
        reports = sync(made, Customer, Invoice)
        assert [report.complete for report in reports] == [True, True]
        assert len(set(made.booked)) == len(made.booked) == 16
        assert len(made.book.of(Customer)) == 1
    assert at > 10


@pytest.mark.parametrize("fate", ["lost", "never", "refused"])
def test_a_write_that_goes_wrong_is_told_and_made_good(fate: str) -> None:
    """B74, B106: the others go on; the next one carries it, once."""
    made = desk(20)

    def one(change: Change) -> str:
        return fate if change.number == "INV-0007" else ""

    made.ledger.fate = one
    (report,) = sync(made)
    assert report.complete
    assert report.counts["created"] == 20  # 19 invoices and their customer
    assert report.counts["failed"] + report.counts["unknown"] == 1
    made.ledger.fate = lambda change: ""
    made.clock.advance(WAIT)
    (report,) = sync(made)
    assert report.complete
    assert len(set(made.booked)) == len(made.booked) == 20


def test_both_ways_are_read() -> None:
    """B71, B92: what either side made before; nothing is sent back."""
    both = evolve(ALL, directions={**ALL.directions, Customer: Direction.BOTH})
    both = evolve(both, directions={**both.directions, Invoice: Direction.BOTH})
    made = desk(3, settings=both)
    there = made.book.put(Customer(made.book.ref(Customer), "Other", "C9"))
    own, ten = made.book.ref(Invoice), Decimal(10)
    made.book.put(Invoice(own, "GL-1", there.ref, "EUR", LAST, ten, Status.OPEN))
    for _ in range(2):
        sync(made, Customer, Invoice)
        found = {each.number for each in made.shop.of(Invoice).values()}
        assert found == {"INV-0000", "INV-0001", "INV-0002", "GL-1"}
        assert len(made.booked) == 4


def test_dated_is_what_is_asked_for() -> None:
    """B71: by the days of the documents, and not by when they changed."""
    made = desk(3)
    asked: list[Select] = []
    made.billing.between = lambda own, kind, select, cursor: asked.append(select)
    sync(made)
    assert asked == [Dated(FIRST, LAST)]
