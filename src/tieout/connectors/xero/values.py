"""
Xero's values: what its ids look like, its instants and calendar days, its types of rows.

Pure. A calendar day is never shifted by a zone.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tieout.connector import Fields, iso_day, iso_instant, sound_day

ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
"""What Xero can be asked for; a real id is a UUID."""

SALE, CREDIT, PAID = "ACCREC", "ACCRECCREDIT", "ACCRECPAYMENT"
"""The types of sales invoices, of their credit notes, and of their payments."""

CHANGED = "UpdatedDateUTC"
"""The field of a row's change time, by which lists are ordered."""

_MILLISECONDS = re.compile(r"/Date\((-?[0-9]{1,13})(?:[+-][0-9]{4})?\)/", re.ASCII)


def moment(value: Any) -> datetime:
    """``/Date(1772928000000+0000)/``, with or without the offset, or ISO 8601 in UTC."""
    match = _MILLISECONDS.fullmatch(value)
    if match is None:
        return iso_instant(value, naive_is_utc=True)
    found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(match[1]))
    sound_day(found.date())
    return found


def calendar(value: Any) -> date:
    """A calendar day in either form: midnight UTC in milliseconds, or as a text."""
    is_moment = _MILLISECONDS.fullmatch(value) is not None
    return moment(value).date() if is_moment else iso_day(value)


def day(row: Fields, name: str) -> date | None:
    """The calendar day of a field, rather from its text twin, if there is one."""
    return row.maybe(f"{name}String", calendar) or row.maybe(name, calendar)


def changed_at(row: Fields) -> datetime | None:
    """When a row was changed last."""
    return row.maybe(CHANGED, moment)
