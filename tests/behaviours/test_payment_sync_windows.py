"""From when a run reads: the five kinds of start, whole days, zones, and the marker."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import tieout
from tieout import Since
from tieout.capabilities import Changed
from tieout.errors import Code, ConfigError
from worlds import DAY, LONG_AGO, NOON, TODAY, Paper, World, fails, unreached

AUCKLAND, NEW_YORK = ZoneInfo("Pacific/Auckland"), ZoneInfo("America/New_York")


def start_of(world: World, since: Any) -> datetime:
    """The instant from which the ledger was asked."""
    return world.sync(since).start


def bound(zone: str | None, now: datetime) -> World:
    """A world whose books are known already."""
    world = World(now=now - DAY, ledger={"zone": zone})
    world.sync()
    world.clock.advance(DAY)
    return world


STARTS = (
    ("B7 past week", Since.PAST_WEEK, datetime(2026, 4, 10, 9), date(2026, 4, 3)),
    ("B7 past two weeks", Since.PAST_TWO_WEEKS, datetime(2026, 4, 10, 9), date(2026, 3, 27)),
    ("B8 past month", Since.PAST_MONTH, datetime(2026, 4, 10, 9), date(2026, 3, 10)),
    ("B9 31 March", Since.PAST_MONTH, datetime(2026, 3, 31, 9), date(2026, 2, 28)),
    ("B9 30 March", Since.PAST_MONTH, datetime(2026, 3, 30, 9), date(2026, 2, 28)),
    ("B9 31 March of a leap year", Since.PAST_MONTH, datetime(2028, 3, 31, 9), date(2028, 2, 29)),
    ("B9 31 May", Since.PAST_MONTH, datetime(2026, 5, 31, 9), date(2026, 4, 30)),
    ("B9 January", Since.PAST_MONTH, datetime(2026, 1, 15, 9), date(2025, 12, 15)),
    ("B9 1 January, past week", Since.PAST_WEEK, datetime(2026, 1, 1, 9), date(2025, 12, 25)),
    ("B10 a date", date(2026, 3, 1), datetime(2026, 4, 10, 9), date(2026, 3, 1)),
    ("B10 today", date(2026, 4, 10), datetime(2026, 4, 10, 9), date(2026, 4, 10)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("since", "now", "first"), [row[1:] for row in STARTS], ids=[r[0] for r in STARTS]
)
def test_where_a_named_start_begins(since: Any, now: datetime, first: date) -> None:
    """B4, B7-B10, B12: at 00:00 of the first day."""
    world = bound("UTC", now.replace(tzinfo=UTC))
    midnight = datetime.combine(first, datetime.min.time(), UTC)
    assert start_of(world, since) == midnight


def test_there_are_exactly_five_kinds_of_start() -> None:
    """B4: four by name, and a date (or an instant) of one's own."""
    assert [each.name for each in Since] == [
        "LAST_RUN",
        "PAST_WEEK",
        "PAST_TWO_WEEKS",
        "PAST_MONTH",
    ]
    for nonsense in ("2026-03-01", 7, 1.5):
        with pytest.raises(ConfigError, match="neither"):
            World().sync(nonsense)
    with pytest.raises(ConfigError, match="say from when"):
        World().sync(None)


ZONES = (
    # zone, the start day, its midnight in UTC: across both changes of the clocks
    ("Pacific/Auckland", date(2026, 4, 5), datetime(2026, 4, 4, 11, tzinfo=UTC)),
    ("Pacific/Auckland", date(2026, 4, 6), datetime(2026, 4, 5, 12, tzinfo=UTC)),
    ("Pacific/Auckland", date(2026, 9, 27), datetime(2026, 9, 26, 12, tzinfo=UTC)),
    ("Pacific/Auckland", date(2026, 9, 28), datetime(2026, 9, 27, 11, tzinfo=UTC)),
    ("America/New_York", date(2026, 3, 8), datetime(2026, 3, 8, 5, tzinfo=UTC)),
    ("America/New_York", date(2026, 3, 9), datetime(2026, 3, 9, 4, tzinfo=UTC)),
    ("America/New_York", date(2026, 11, 1), datetime(2026, 11, 1, 4, tzinfo=UTC)),
    ("America/New_York", date(2026, 11, 2), datetime(2026, 11, 2, 5, tzinfo=UTC)),
    ("UTC", date(2026, 3, 29), datetime(2026, 3, 29, tzinfo=UTC)),
    (None, date(2026, 3, 29), datetime(2026, 3, 28, 10, tzinfo=UTC)),
    ("No/Such_Zone", date(2026, 3, 29), datetime(2026, 3, 28, 10, tzinfo=UTC)),
)


@pytest.mark.parametrize(("zone", "day", "midnight"), ZONES)
def test_days_are_those_of_the_books(
    zone: str | None, day: date, midnight: datetime
) -> None:
    """B12, B15: in the books' own zone; where unknown, UTC and 14 hours earlier."""
    world = bound(zone, datetime(2026, 12, 1, 12, tzinfo=UTC))
    inside, _ = world.both("inside", 50)
    outside, _ = world.both("outside", 50)
    world.ledger.papers[inside].stamp = midnight
    world.ledger.papers[outside].stamp = midnight - timedelta(seconds=1)
    report = world.sync(day)
    assert report.start == midnight
    assert report.counts["unchanged"] == 1


def test_the_zone_is_known_before_the_first_read() -> None:
    """B15: also in the very first run, the day is the books' own."""
    world = World(ledger={"zone": "Pacific/Auckland"})
    assert start_of(world, TODAY) == datetime(2026, 3, 19, 11, tzinfo=UTC)


def test_today_begins_earlier_where_it_is_already_tomorrow() -> None:
    """B14, B15: what lies in the future is said by the books' own calendar."""
    now = datetime(2026, 3, 20, 23, 0, tzinfo=UTC)
    ahead = bound("Pacific/Auckland", now)
    assert ahead.sync(date(2026, 3, 21)).complete
    with pytest.raises(ConfigError, match="today is 2026-03-21"):
        ahead.sync(date(2026, 3, 22))
    behind = bound("America/New_York", datetime(2026, 3, 21, 3, 0, tzinfo=UTC))
    with pytest.raises(ConfigError, match="today is 2026-03-20"):
        behind.sync(date(2026, 3, 21))


def test_a_future_day_in_unknown_books_asks_nothing_of_the_listing() -> None:
    """B14: where only the books can tell that a day is to come, nothing is read or written."""
    world = World(ledger={"zone": "UTC"})
    with pytest.raises(ConfigError, match="future"):
        world.sync(TODAY + DAY)
    assert world.calls.of("page") == []
    assert world.calls.of("write") == []
    assert world.sync(TODAY).complete


def test_an_instant_needs_a_zone() -> None:
    """B15: a naive datetime is refused before any call."""
    world = World()
    for since in (datetime(2026, 3, 1), datetime(2026, 3, 1, 12, 30)):
        with pytest.raises(ConfigError, match="no time zone"):
            world.sync(since)
    assert world.calls.made == []


def test_an_instant_is_taken_as_it_is() -> None:
    """B10, B12: an aware instant in any zone, included itself."""
    world = World()
    since = datetime(2026, 3, 20, 8, 0, tzinfo=NEW_YORK)
    assert start_of(world, since) == NOON
    paper, _ = world.both("I1", 50)
    world.ledger.papers[paper].stamp = since.astimezone(UTC)
    assert world.sync(since).counts["unchanged"] == 1


# The marker ---------------------------------------------------------------------------------


def test_last_run_begins_where_the_last_good_one_began() -> None:
    """B5, B6: at the other side's clock when it answered first, less the overlap."""
    world = World()
    report = world.sync()
    assert report.marker_moved
    assert report.marker == NOON
    world.clock.advance(DAY)
    overlap = world.ledger.capabilities.overlap
    report = world.sync(Since.LAST_RUN)
    assert report.start == NOON - overlap
    assert report.marker == NOON + DAY


def test_a_failed_run_leaves_the_marker() -> None:
    """B6: and says so."""
    world = World()
    world.sync()
    world.clock.advance(timedelta(hours=2))
    world.calls.at(0, fails(unreached()))
    report = world.sync(Since.LAST_RUN)
    assert report.code is Code.NOT_REACHED
    assert not report.ok
    assert not report.marker_moved
    assert report.marker == NOON
    assert "did not end well" in report.marker_note


def test_a_window_that_leaves_a_gap_does_not_move_the_marker() -> None:
    """Decision on B5: 1 to 18 March are still to be read after a run from the 19th."""
    world = World(now=datetime(2026, 3, 1, 12, tzinfo=UTC))
    world.sync()
    paper, bill = world.both("I1", 50)
    world.clock.advance(9 * DAY)
    world.ledger.apply(paper, 50)
    world.clock.advance(10 * DAY)
    report = world.sync(date(2026, 3, 19))
    assert report.ok
    assert not report.marker_moved
    assert "still to be read" in report.marker_note
    assert world.billing.shows(bill)[1] is None
    world.sync(Since.LAST_RUN)
    assert world.billing.shows(bill)[0] == 50


def test_a_window_that_covers_the_marker_moves_it() -> None:
    """Decision on B6: from at or before the old marker."""
    world = World()
    world.sync()
    world.clock.advance(timedelta(days=3))
    report = world.sync(Since.PAST_WEEK)
    assert report.marker_moved
    assert report.marker == NOON + 3 * DAY


def test_each_profile_has_its_own_last_run() -> None:
    """B5: user A's run does not move user B's marker; nor does another computer's."""
    world = World()
    for profile in ("ann@one", "bob@one", "ann@two"):
        engine = world.engine(profile=profile)
        with pytest.raises(ConfigError, match="no successful run"):
            engine.sync_payments(Since.LAST_RUN)
        engine.sync_payments(LONG_AGO)
        world.clock.advance(DAY)
    starts = {
        profile: world.engine(profile=profile).sync_payments(Since.LAST_RUN).start
        for profile in ("ann@one", "bob@one", "ann@two")
    }
    overlap = world.ledger.capabilities.overlap
    assert starts == {
        "ann@one": NOON - overlap,
        "bob@one": NOON + DAY - overlap,
        "ann@two": NOON + 2 * DAY - overlap,
    }


def test_this_user_names_user_and_computer() -> None:
    """B5, B156: what scripts pass as profile."""
    user, _, host = tieout.this_user().rpartition("@")
    assert user
    assert host


def test_a_change_during_the_run_is_found_by_the_next() -> None:
    """B6: the marker is the beginning of the run, not its end."""
    world = World(ledger={"page_size": 1, "order": lambda paper: paper.id})
    world.both("I1", 50)
    world.both("I2", 50)
    first = next(iter(world.ledger.papers))

    def pays(run: Any) -> Any:
        world.clock.advance(timedelta(minutes=30))
        world.ledger.apply(first, 50)
        world.clock.advance(timedelta(minutes=30))
        return run()

    # check, check, page one, page two: the first invoice is paid once it was read
    world.calls.at(3, pays)
    world.sync()
    assert world.billing.shows("B1")[0] == 0
    world.sync(Since.LAST_RUN)
    assert world.billing.shows("B1")[0] == 50


def by_id(paper: Paper) -> Any:
    """An order in which a changed invoice keeps its place."""
    return paper.id


def test_a_run_resumed_twice_keeps_its_first_clock() -> None:
    """B6: what changed behind the resume point since the first page is not lost."""
    world = World(ledger={"page_size": 1, "order": by_id, "stable": True})
    for number in ("I1", "I2", "I3"):
        world.both(number, 50)
    world.sync()
    world.clock.advance(timedelta(hours=1))
    # Page one, page two, billing's for page one, page three; billing's for page two fails.
    world.calls.at(4, fails(unreached()))
    first = world.sync()
    assert first.resume is not None
    assert first.resume.cursor is not None
    world.clock.advance(timedelta(hours=1))
    world.ledger.apply("L1", 50)
    world.clock.advance(timedelta(hours=1))
    world.calls.at(0, fails(unreached()))
    second = world.sync(first.resume)
    assert second.resume is not None
    world.clock.advance(timedelta(hours=1))
    assert world.sync(second.resume).complete
    world.clock.advance(timedelta(hours=1))
    world.sync(Since.LAST_RUN)
    assert world.billing.shows("B1")[0] == 50


def test_the_listing_is_asked_for_what_changed() -> None:
    """B11: by the update of the payment info; capabilities say so."""
    world = World()
    selects = world.ledger.capabilities.kind(tieout.Settlement).selects
    assert Changed in selects
