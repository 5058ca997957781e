"""
From when to read: last successful run, past week, two weeks, month, a date, an instant.

Pure: the time, the zone and the marker are handed in.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import Enum

from attrs import frozen
from dateutil.relativedelta import relativedelta

from tieout.errors import ConfigError
from tieout.zones import zone


class Since(Enum):
    """The named starts of a run."""

    LAST_RUN = "last successful run"
    PAST_WEEK = "past week"
    PAST_TWO_WEEKS = "past two weeks"
    PAST_MONTH = "past month"


UNKNOWN_ZONE_MARGIN = timedelta(hours=14)
"""No place on earth is farther than this from UTC: a start widened by it misses no day."""

MARKER_AHEAD_MAX = timedelta(hours=2)
"""A marker further ahead of the clock than this is no time at which a run began."""

FIRST_MARKER = datetime(1900, 1, 1, tzinfo=UTC)
"""No run was earlier, and no vendor's clock is further behind."""

_BACK = {
    Since.PAST_WEEK: relativedelta(days=7),
    Since.PAST_TWO_WEEKS: relativedelta(days=14),
    # The same day of the month before; the last one where there is no such day.
    Since.PAST_MONTH: relativedelta(months=1),
}


@frozen
class Window:
    """
    From when a run reads, in UTC. ``trusting``: whether agreed fingerprints save the
    comparison with billing as it is now.
    """

    start: datetime
    trusting: bool
    label: str


def window(
    since: Since | date | datetime,
    *,
    now: datetime,
    books_zone: str | None = None,
    marker: datetime | None = None,
    overlap: timedelta = timedelta(0),
) -> Window:
    """
    The window of a run.

    A day begins at midnight in the books' own zone; where that is unknown, in UTC and 14
    hours earlier. Raises `ConfigError` for LAST_RUN without a marker, a start in the
    future, a naive datetime, and anything that is no start at all.
    """
    if since is Since.LAST_RUN:
        return _last_run(marker, overlap, now)
    if isinstance(since, datetime):
        return _instant(since, now)
    known = zone(books_zone)
    today = now.astimezone(known or UTC).date()
    if isinstance(since, date):
        # Somewhere it is already tomorrow: with no zone known, that is no mistake yet.
        latest = today if known else (now + UNKNOWN_ZONE_MARGIN).date()
        if since > latest:
            raise ConfigError(f"since={since} lies in the future; today is {today}")
        return Window(midnight(since, known), trusting=False, label=f"from {since}")
    if not isinstance(since, Since):
        raise ConfigError(
            f"since={since!r} is neither a Since, a date nor an aware datetime"
        )
    first = today - _BACK[since]
    return Window(midnight(first, known), trusting=False, label=since.value)


def midnight(day: date, known: tzinfo | None) -> datetime:
    """The first instant of a day, in UTC; earlier by 14 hours where no zone is known."""
    first = datetime.combine(day, time(0), known or UTC)
    return _in_utc(first, timedelta(0) if known else UNKNOWN_ZONE_MARGIN)


def _in_utc(instant: datetime, earlier: timedelta = timedelta(0)) -> datetime:
    """The instant in UTC, or so much earlier; never before the first that there is."""
    try:
        return instant.astimezone(UTC) - earlier
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _last_run(marker: datetime | None, overlap: timedelta, now: datetime) -> Window:
    if marker is None:
        choices = "Since.PAST_WEEK, Since.PAST_TWO_WEEKS, Since.PAST_MONTH or a date"
        raise ConfigError(
            f"there has been no successful run yet: choose {choices} for the first one"
        )
    if marker > now + MARKER_AHEAD_MAX:
        raise ConfigError(
            f"the last successful run is remembered for {marker:%Y-%m-%d %H:%M} UTC, which "
            "lies in the future: a clock was wrong. Run once from a date to set it right"
        )
    if marker < FIRST_MARKER:
        raise ConfigError(
            f"the last successful run is remembered for {marker:%Y-%m-%d}, when there was "
            "none: the store was tampered with. Run once from a date to set it right"
        )
    return Window(marker - overlap, trusting=True, label=Since.LAST_RUN.value)


def _instant(since: datetime, now: datetime) -> Window:
    if since.tzinfo is None:
        raise ConfigError(f"since={since} has no time zone: give it one, or use a date")
    if since > now:
        raise ConfigError(f"since={since} lies in the future; it is {now} now")
    return Window(_in_utc(since), trusting=False, label=f"from {since}")
