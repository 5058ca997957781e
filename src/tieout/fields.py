"""
One vendor record while it is read: every refusal names the field.

What cannot be read becomes a `Fault`, never a guess: no case is folded, no currency
assumed, no day shifted. Nothing here knows a vendor, or what a record is made of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from tieout.errors import Code, Fault
from tieout.models import clean_number, is_name
from tieout.money import amount, described, exponent

T = TypeVar("T")
C = TypeVar("C")

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2200, 12, 31)
"""Business dates outside these are mistakes of entry or a vendor's "never"."""

_DAY_LIKE = r"[0-9TWZ:+./ -]{1,40}"
_WORD_LIKE = r"[A-Za-z][A-Za-z _-]{0,39}"
"""What may be told of a bad date or status: it can be no address and no secret."""


def sound_day(day: date) -> date:
    """The day, if a business can have meant it; else `Fault` BAD_DATE."""
    if not FIRST_DAY <= day <= LAST_DAY:
        raise Fault(Code.BAD_DATE, f"{day} lies outside 1900 to 2200")
    return day


_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?",
    re.ASCII,
)
"""A day, alone or with a time: the standard library takes much more for one."""


def iso_day(text: str) -> date:
    """
    A calendar day from ``2026-03-08``, with or without a time behind it.

    The time and its zone are not looked at: a calendar day never shifts.
    """
    match = _ISO.fullmatch(text)
    try:
        year, month, day = match.groups() if match else ("", "", "")
        return sound_day(date(int(year), int(month), int(day)))
    except ValueError:
        told = described(text, _DAY_LIKE)
        raise Fault(Code.BAD_DATE, f"{told} is no calendar day") from None


def iso_instant(text: str, *, naive_is_utc: bool = False) -> datetime:
    """An instant from ISO 8601; one without a zone is refused unless the vendor means UTC."""
    try:
        found = datetime.fromisoformat(text if _ISO.fullmatch(text) else "")
    except ValueError:
        told = described(text, _DAY_LIKE)
        raise Fault(Code.BAD_DATE, f"{told} is no instant") from None
    if found.tzinfo is None:
        if not naive_is_utc:
            told = described(text, _DAY_LIKE)
            raise Fault(Code.BAD_DATE, f"{told} has no time zone")
        found = found.replace(tzinfo=UTC)
    sound_day(found.date())
    return found.astimezone(UTC)


class Fields:
    """
    One vendor record while it is read: every refusal names the field.

    Unknown fields are not looked at. A missing field and a null are the same: the default
    where there is one, else `Fault` BAD_FIELD.
    """

    def __init__(self, raw: Any, at: str = "") -> None:
        if not isinstance(raw, Mapping):
            raise Fault(Code.BAD_FIELD, f"{at or 'the record'} is no object", field=at)
        self.raw: Mapping[str, Any] = raw
        self._at = at

    def path(self, name: str) -> str:
        """Where a field stands, such as ``Invoice.Total``."""
        return f"{self._at}.{name}" if self._at else name

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.raw.get(name) is not None

    def read(self, name: str, parse: Callable[[Any], T]) -> T:
        """The required field, parsed; what the parser raises is told with its path."""
        value = self.raw.get(name)
        if value is None:
            raise Fault(
                Code.BAD_FIELD, f"{self.path(name)} is missing", field=self.path(name)
            )
        try:
            return parse(value)
        except Fault as fault:
            raise Fault(
                fault.code,
                f"{self.path(name)}: {fault.text}",
                field=fault.field or self.path(name),
                remedy=fault.remedy,
            ) from fault
        except (
            TypeError,
            ValueError,
            KeyError,
            AttributeError,
            ArithmeticError,
        ) as error:
            raise Fault(
                Code.BAD_FIELD,
                f"{self.path(name)} is not what it should be ({type(error).__name__})",
                field=self.path(name),
            ) from error

    def maybe(self, name: str, parse: Callable[[Any], T]) -> T | None:
        """The field, parsed, or None where it is missing, null or an empty string."""
        return None if self.raw.get(name) in (None, "") else self.read(name, parse)

    def text(self, name: str, default: str = "") -> str:
        """A text; a number is written out."""
        return self.read(name, _text) if self.has(name) else default

    def id(self, name: str) -> str:
        """An id as an opaque string; required and not empty."""
        return self.read(name, _id)

    def number(self, name: str) -> str:
        """A document number, NFC and without outer white space; empty where missing."""
        return self.read(name, _number) if self.has(name) else ""

    def currency(self, name: str) -> str:
        """An ISO 4217 code, as it is: no case is folded. None is ever assumed."""
        if not self.has(name):
            at = self.path(name)
            raise Fault(Code.BAD_CURRENCY, f"{at} is missing", field=at)
        return self.read(name, _currency)

    def amount(self, name: str, currency: str) -> Decimal:
        """An exact amount that the currency can hold; required."""
        return self.read(name, lambda value: amount(value, currency))

    def maybe_amount(self, name: str, currency: str) -> Decimal | None:
        """An exact amount, or None where the system does not tell it."""
        return self.maybe(name, lambda value: amount(value, currency))

    def choice(self, name: str, table: Mapping[str, C]) -> C:
        """The meaning of an enumerated text; an unknown one is UNKNOWN_STATUS."""
        text = self.read(name, _text)
        if text not in table:
            at = self.path(name)
            raise Fault(
                Code.UNKNOWN_STATUS,
                f"{at} is {described(text, _WORD_LIKE)}, which is not known",
                field=at,
            )
        return table[text]

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True or false."""
        return self.read(name, _flag) if self.has(name) else default

    def child(self, name: str) -> Fields | None:
        """The record inside this one, or None."""
        return Fields(self.raw[name], self.path(name)) if self.has(name) else None

    def inside(self, *names: str) -> Fields:
        """The record behind these names, one in the other; empty where there is none."""
        found = self
        for name in names:
            found = found.child(name) or Fields({}, found.path(name))
        return found

    def children(self, name: str) -> list[Fields]:
        """The records of a list inside this one; a missing list is empty."""
        if not self.has(name):
            return []
        rows = self.raw[name]
        if not isinstance(rows, list):
            raise Fault(
                Code.BAD_FIELD, f"{self.path(name)} is no list", field=self.path(name)
            )
        return [Fields(row, f"{self.path(name)}[{at}]") for at, row in enumerate(rows)]


def system_id(row: Fields, name: str, ids: re.Pattern[str], system: str) -> str:
    """An id that looks as those of a system do: it becomes a part of addresses."""
    found, at = row.id(name), row.path(name)
    if not ids.fullmatch(found):
        raise Fault(Code.BAD_FIELD, f"{at} is no id of {system}", field=at)
    return found


def utc_second(instant: datetime) -> str:
    """An instant as ``2026-03-08T12:00:00``: UTC to the second, without its zone."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")


def _text(value: Any) -> str:
    if isinstance(value, str):
        value.encode()  # half a character can be written nowhere: a ValueError
        return value
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    raise TypeError(type(value).__name__)


def _id(value: Any) -> str:
    if isinstance(value, Decimal) or not is_name(text := _text(value)):
        raise TypeError("an id is a short text or a whole number")
    return text


def _number(value: Any) -> str:
    number = clean_number(_text(value))
    if number and not is_name(number):
        raise ValueError("a document number is short and can be seen")
    return number


def _currency(value: Any) -> str:
    code = _text(value)
    exponent(code)
    return code


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError(type(value).__name__)
