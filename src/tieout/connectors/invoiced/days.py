"""
Calendar days at Invoiced, where a date is an instant in UNIX seconds.

Pure. Which day an instant is, the zone of the business says, and never a reader's.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from attrs import frozen

from tieout.connector import sound_day
from tieout.errors import Code, Fault

NOON = time(12)
"""Dates are instants at Invoiced: at noon no zone of the reader's makes another day."""


def seconds(value: Any) -> int:
    """UNIX seconds."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value, re.ASCII):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**12:
        return value
    raise Fault(Code.BAD_DATE, "it is no UNIX time in seconds")


def instant(value: Any) -> datetime:
    """The instant that UNIX seconds are."""
    found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds(value))
    sound_day(found.date())
    return found


@frozen
class Days:
    """The days of one business, in its ``zone``."""

    zone: tzinfo

    def of(self, value: Any) -> date:
        """The calendar day of an instant."""
        return sound_day(instant(value).astimezone(self.zone).date())

    def noon(self, day: date) -> int:
        """A day as Invoiced has it."""
        return int(datetime.combine(day, NOON, self.zone).timestamp())

    def first(self, day: date) -> int:
        """The first second of a day."""
        return int(datetime.combine(day, time(), self.zone).timestamp())

    def last(self, day: date) -> int:
        """The last second of a day."""
        return self.first(day + timedelta(days=1)) - 1
