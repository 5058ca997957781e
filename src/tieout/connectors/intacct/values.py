"""
Intacct's single values: days, instants, record numbers, words, and the ids of contacts.

Pure. Nothing here knows a record.
"""

from __future__ import annotations

import re
from datetime import date, datetime, tzinfo
from typing import Any

from tieout.connector import Fields, iso_day, iso_instant, sound_day
from tieout.errors import Code, Fault

_DAY = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", re.ASCII)
_TIME = re.compile(r" ([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])", re.ASCII)


def day(text: Any) -> date:
    """A calendar day, month first, or ISO 8601; a time behind it is not looked at."""
    match = _DAY.match(text)
    rest = text[match.end() :] if match else ""
    if match is None or (rest and not _TIME.fullmatch(rest)):
        return iso_day(text)
    month, of_month, year = map(int, match.groups())
    try:
        return sound_day(date(year, month, of_month))
    except ValueError:
        raise Fault(Code.BAD_DATE, "no calendar day") from None


def moment(text: Any, zone: tzinfo) -> datetime:
    """An instant in either form; one without a zone is of the company's."""
    match = _DAY.match(text)
    if match:
        text = f"{day(text)}{text[match.end() :]}"
    found = iso_instant(text, naive_is_utc=True)
    told = re.search(r"(Z|[+-][0-9:]{2,5})$", text[10:]) is not None
    return found if told else found.replace(tzinfo=zone)


UNDEPOSITED = "undeposited:"
"""What an account begins with that is one of undeposited funds, not a bank's."""


def word(text: str) -> str:
    return "".join(text.split()).casefold()


def key_of(row: Fields, name: str) -> str:
    """The number of another record, or empty; 0 means none."""
    found = row.text(name)
    return "" if found == "0" else found


def number_of(row: Fields, name: str = "RECORDNO") -> str:
    """A record number: digits alone."""
    found, at = row.id(name), row.path(name)
    if not re.fullmatch("[0-9]{1,18}", found):
        raise Fault(Code.BAD_FIELD, f"{at} is no record number", field=at)
    return found


def contact_id(customer: str, contact: str) -> str:
    """What a customer's bill-to contact is called, such as ``C100/Ada``."""
    plain = customer.replace("%", "%25").replace("/", "%2F")
    return f"{plain}/{contact}" if contact else plain


def split_contact(identity: str) -> tuple[str, str]:
    """The customer and the contact that such an id names; no contact where it has none."""
    customer, _, contact = identity.partition("/")
    return customer.replace("%2F", "/").replace("%25", "%"), contact
