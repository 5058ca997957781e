"""From when a run reads: five choices, whole days, the books' own zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import ConfigError
from tieout.windows import UNKNOWN_ZONE_MARGIN, Since, Window, midnight, window
from tieout.zones import zone

NOW = datetime(2026, 4, 10, 15, 30, tzinfo=UTC)
MARKER = datetime(2026, 4, 1, 8, 0, tzinfo=UTC)


def start(since: Any, now: datetime = NOW, books_zone: str | None = "UTC") -> datetime:
    return window(since, now=now, books_zone=books_zone).start


def day(since: Any, now: datetime, books_zone: str = "UTC") -> date:
    """The first day of the window, as the books see it."""
    return start(since, now, books_zone).astimezone(ZoneInfo(books_zone)).date()


def test_there_are_four_named_starts() -> None:
    """B4: last run, past week, past two weeks, past month; the fifth is a date."""
    assert [each.value for each in Since] == [
        "last successful run",
        "past week",
        "past two weeks",
        "past month",
    ]


def test_a_week_is_seven_days() -> None:
    """B7: 7 days and 14 days back, from the beginning of that day (B12)."""
    assert start(Since.PAST_WEEK) == datetime(2026, 4, 3, tzinfo=UTC)
    assert start(Since.PAST_TWO_WEEKS) == datetime(2026, 3, 27, tzinfo=UTC)


@pytest.mark.parametrize(
    ("today", "first"),
    [
        ((2026, 4, 10), (2026, 3, 10)),  # B8: not thirty days
        ((2026, 3, 31), (2026, 2, 28)),
        ((2024, 3, 31), (2024, 2, 29)),
        ((2024, 3, 29), (2024, 2, 29)),
        ((2025, 3, 29), (2025, 2, 28)),
        ((2026, 5, 31), (2026, 4, 30)),
        ((2026, 1, 15), (2025, 12, 15)),
        ((2026, 1, 31), (2025, 12, 31)),
        ((2024, 2, 29), (2024, 1, 29)),
        ((2026, 2, 28), (2026, 1, 28)),
        ((2000, 3, 30), (2000, 2, 29)),
        ((2100, 3, 31), (2100, 2, 28)),
    ],
)
def test_a_month_is_the_same_day_of_the_month_before(
    today: tuple[int, int, int], first: tuple[int, int, int]
) -> None:
    """B8, B9: clamped to the last day that exists; the year rolls over."""
    now = datetime(*today, 23, 59, tzinfo=UTC)
    assert day(Since.PAST_MONTH, now) == date(*first)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2150, 1, 1), timezones=st.just(UTC)))
def test_a_month_back_is_never_less_than_28_days(now: datetime) -> None:
    """B9: the clamped day still lies in the month before."""
    first = day(Since.PAST_MONTH, now)
    assert 28 <= (now.date() - first).days <= 31
    assert (first.year, first.month) != (now.year, now.month)


def test_a_date_is_a_whole_day_and_included() -> None:
    """B10, B12: 10 March begins at 00:00 of 10 March."""
    assert start(date(2026, 3, 10)) == datetime(2026, 3, 10, tzinfo=UTC)
    assert start(date(2026, 4, 10)) == datetime(2026, 4, 10, tzinfo=UTC)


def test_an_instant_is_taken_as_it_is() -> None:
    """B12: an aware instant, in UTC; the present moment is no future."""
    there = timezone(timedelta(hours=-5))
    given = datetime(2026, 3, 10, 20, 0, tzinfo=there)
    assert start(given) == datetime(2026, 3, 11, 1, 0, tzinfo=UTC)
    assert start(given).tzinfo is UTC
    assert start(NOW) == NOW


def test_the_last_run_begins_at_the_marker_less_the_overlap() -> None:
    """B5, P5: what was committed late before the marker is found again."""
    found = window(Since.LAST_RUN, now=NOW, marker=MARKER, overlap=timedelta(minutes=5))
    assert found == Window(MARKER - timedelta(minutes=5), True, "last successful run")


def test_without_a_marker_the_last_run_is_refused_with_guidance() -> None:
    """B13: never "nothing", never "everything"; the other choices are named."""
    with pytest.raises(ConfigError) as caught:
        window(Since.LAST_RUN, now=NOW)
    for choice in ("PAST_WEEK", "PAST_TWO_WEEKS", "PAST_MONTH", "date"):
        assert choice in str(caught.value)


@pytest.mark.parametrize(
    "since",
    [date(2026, 4, 11), date(9999, 12, 31), NOW + timedelta(microseconds=1)],
)
def test_a_start_in_the_future_is_refused(since: date) -> None:
    """B14: before any call."""
    with pytest.raises(ConfigError, match="future"):
        start(since)


def test_a_naive_instant_is_refused() -> None:
    """B15: without a zone it could mean any of two days."""
    with pytest.raises(ConfigError, match="time zone"):
        start(datetime(2026, 3, 10, 8, 0))


@pytest.mark.parametrize(
    "since", ["2026-03-10", 7, None, timedelta(days=7), "LAST_RUN"]
)
def test_anything_else_is_no_start(since: Any) -> None:
    """B4: exactly these five kinds exist."""
    with pytest.raises(ConfigError, match="neither"):
        start(since)


def test_only_the_last_run_trusts() -> None:
    """B22: every other window compares with billing as it is now."""
    for since in (Since.PAST_WEEK, Since.PAST_MONTH, date(2026, 3, 10), MARKER):
        assert not window(since, now=NOW).trusting
    assert window(Since.LAST_RUN, now=NOW, marker=MARKER).trusting


@pytest.mark.parametrize(
    ("since", "label"),
    [
        (Since.PAST_WEEK, "past week"),
        (date(2026, 3, 10), "from 2026-03-10"),
        (MARKER, "from 2026-04-01 08:00:00+00:00"),
    ],
)
def test_the_window_is_named(since: Any, label: str) -> None:
    """B155: the run record says which window was used."""
    assert window(since, now=NOW).label == label


@pytest.mark.parametrize(
    ("books_zone", "first"),
    [
        ("Europe/Berlin", datetime(2026, 3, 9, 23, 0, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 3, 10, 4, 0, tzinfo=UTC)),
        ("Pacific/Kiritimati", datetime(2026, 3, 9, 10, 0, tzinfo=UTC)),
        ("Pacific/Niue", datetime(2026, 3, 10, 11, 0, tzinfo=UTC)),
        ("Asia/Kathmandu", datetime(2026, 3, 9, 18, 15, tzinfo=UTC)),
    ],
)
def test_a_day_begins_where_the_books_are(books_zone: str, first: datetime) -> None:
    """B15: midnight in the company's own zone."""
    assert start(date(2026, 3, 10), NOW, books_zone) == first


@pytest.mark.parametrize(
    ("books_zone", "given", "first"),
    [
        # Clocks went forward at midnight: the day began at 01:00.
        ("America/Sao_Paulo", date(2018, 11, 4), datetime(2018, 11, 4, 3, tzinfo=UTC)),
        ("Asia/Beirut", date(2024, 3, 31), datetime(2024, 3, 30, 22, tzinfo=UTC)),
        # Clocks went back over midnight: the first of two midnights counts.
        ("America/Havana", date(2025, 11, 2), datetime(2025, 11, 2, 4, tzinfo=UTC)),
        # The usual change, at two in the night, does not touch midnight.
        ("Europe/Berlin", date(2026, 3, 29), datetime(2026, 3, 28, 23, tzinfo=UTC)),
        ("Europe/Berlin", date(2026, 3, 30), datetime(2026, 3, 29, 22, tzinfo=UTC)),
        ("America/New_York", date(2025, 11, 2), datetime(2025, 11, 2, 4, tzinfo=UTC)),
        ("America/New_York", date(2025, 11, 3), datetime(2025, 11, 3, 5, tzinfo=UTC)),
        # A whole day left out: it begins where the next one does.
        ("Pacific/Apia", date(2011, 12, 30), datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ],
)
def test_days_begin_rightly_when_clocks_change(
    books_zone: str, given: date, first: datetime
) -> None:
    """B15, D23: gaps and folds at midnight."""
    assert start(given, NOW, books_zone) == first


@given(
    st.dates(date(1990, 1, 1), date(2037, 12, 31)),
    st.sampled_from(
        ["America/Sao_Paulo", "America/Havana", "Asia/Beirut", "Europe/Berlin"]
    ),
)
def test_no_instant_of_the_day_comes_before_its_beginning(
    given: date, name: str
) -> None:
    """B12: all of the start day is in, and at most hours of the day before."""
    local = ZoneInfo(name)
    first = midnight(given, local)
    assert first.astimezone(local).date() == given
    just_before = first - timedelta(microseconds=1)
    assert just_before.astimezone(local).date() < given


@pytest.mark.parametrize(
    "books_zone", [None, "", "Mars/Olympus", "../../etc/passwd", "/etc"]
)
def test_where_no_zone_is_known_the_start_is_widened(books_zone: str | None) -> None:
    """B15: no place on earth is further than 14 hours from UTC."""
    assert start(date(2026, 3, 10), NOW, books_zone) == datetime(
        2026, 3, 9, 10, tzinfo=UTC
    )
    assert start(Since.PAST_WEEK, NOW, books_zone) == datetime(
        2026, 4, 2, 10, tzinfo=UTC
    )
    assert zone(books_zone) is None


@given(
    st.dates(date(1990, 1, 1), date(2026, 4, 9)),
    st.sampled_from(
        ["Pacific/Kiritimati", "Pacific/Niue", "Asia/Kolkata", "Europe/London"]
    ),
)
def test_the_widened_start_misses_no_day_anywhere(given: date, name: str) -> None:
    """B15, B22: it is never later than the true one."""
    assert start(given, NOW, None) <= start(given, NOW, name)


def test_where_it_is_tomorrow_already_a_date_is_no_future() -> None:
    """B14, B15: today is the books' today; unknown zones get the benefit."""
    late = datetime(2026, 4, 10, 23, 30, tzinfo=UTC)
    tomorrow = date(2026, 4, 11)
    assert start(tomorrow, late, "Europe/Berlin") == datetime(
        2026, 4, 10, 22, tzinfo=UTC
    )
    assert start(tomorrow, late, None) <= late
    with pytest.raises(ConfigError, match="future"):
        start(tomorrow, late, "America/New_York")
    with pytest.raises(ConfigError, match="future"):
        start(date(2026, 4, 12), late, None)


@pytest.mark.parametrize(
    ("now", "books_zone", "first"),
    [
        (datetime(2026, 4, 10, 23, 30, tzinfo=UTC), "Europe/Berlin", date(2026, 4, 4)),
        (
            datetime(2026, 4, 10, 23, 30, tzinfo=UTC),
            "America/New_York",
            date(2026, 4, 3),
        ),
        (
            datetime(2026, 4, 10, 3, 30, tzinfo=UTC),
            "America/New_York",
            date(2026, 4, 2),
        ),
    ],
)
def test_a_week_counts_from_the_books_own_today(
    now: datetime, books_zone: str, first: date
) -> None:
    """B15: around midnight, today is another day elsewhere."""
    assert day(Since.PAST_WEEK, now, books_zone) == first


@pytest.mark.parametrize(
    "books_zone", ["UTC", "Europe/Berlin", "America/New_York", None]
)
def test_the_beginning_of_time_is_a_start(books_zone: str | None) -> None:
    """B22: a start far in the past converges; the first date of all is one, too."""
    assert start(date.min, NOW, books_zone) <= datetime(1, 1, 2, tzinfo=UTC)


def test_an_instant_at_the_beginning_of_time_is_a_start() -> None:
    """B22: the same for an instant whose UTC lies before the first year."""
    given = datetime.min.replace(tzinfo=timezone(timedelta(hours=2)))
    assert start(given) <= datetime(1, 1, 2, tzinfo=UTC)


def test_the_margin_covers_the_earth() -> None:
    """B15: Kiritimati is at +14."""
    there = datetime(2026, 1, 1, tzinfo=ZoneInfo("Pacific/Kiritimati")).utcoffset()
    assert there == UNKNOWN_ZONE_MARGIN
