"""
A value in a row of the host's own, as one of ours, and back.

Whatever an app or a database driver brings is looked at, and what is not sure is refused:
no float is money, nothing is rounded, no day is shifted. What the row is of is not known
here.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

from tieout.errors import Code, Fault
from tieout.fields import Fields, iso_day, iso_instant, sound_day
from tieout.models import is_name
from tieout.money import amount, exponent, parse_amount

Amount: TypeAlias = Decimal | int | str
Key: TypeAlias = str | int | UUID

NO_FLOATS = (
    "Floats cannot hold money exactly. Keep amounts as decimals (NUMERIC; in SQLite a TEXT "
    "column), or as whole minor units in an integer column with minor_units=True."
)


def identity(value: Any) -> str:
    """An id as a text; anything but a short text, a whole number or a UUID raises."""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)  # a key in a NUMERIC column
    if isinstance(value, bool) or not isinstance(value, str | int | UUID):
        raise TypeError(type(value).__name__)
    if not is_name(text := str(value)):
        raise ValueError("an id is not empty, short, and can be seen")
    return text


def day(value: Any) -> date:
    """A calendar day; of an instant, the day that it shows."""
    if isinstance(value, date):
        return sound_day(value.date() if isinstance(value, datetime) else value)
    return iso_day(value)


def instant(value: Any) -> datetime:
    """An instant; one that names no zone is UTC."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return iso_instant(value, naive_is_utc=True)


def truth(value: Any) -> bool:
    """True or false; 1 or 0 where a database has no booleans."""
    if value not in (0, 1):
        raise ValueError("neither true nor false")
    return bool(value)


def version(value: Any) -> str:
    """What tells one state of a row from another, as a text."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if not isinstance(value, str | int | float | Decimal | UUID | date):
        raise TypeError(type(value).__name__)
    return str(value)


def money(
    row: Fields, name: str, currency: str, *, minor_units: bool = False
) -> Decimal | None:
    """An exact amount of a currency, or None; a float is refused with its remedy."""
    _no_float(row, name)
    if minor_units:
        return row.maybe(name, lambda value: _from_minor(value, currency))
    return row.maybe(name, lambda value: amount(value, currency))


def quantity(row: Fields, name: str) -> Decimal | None:
    """An exact number that is no amount of a currency, or None."""
    _no_float(row, name)
    return row.maybe(name, parse_amount)


def price(
    row: Fields, name: str, currency: str, *, minor_units: bool = False
) -> Decimal | None:
    """What one of something costs, or None: it may be finer than the currency."""
    if minor_units:
        return money(row, name, currency, minor_units=True)
    return quantity(row, name)


def _no_float(row: Fields, name: str) -> None:
    if isinstance(row.raw.get(name), float):
        at = row.path(name)
        raise Fault(Code.BAD_AMOUNT, f"{at} is a float", field=at, remedy=NO_FLOATS)


def _from_minor(value: Any, currency: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Fault(Code.BAD_AMOUNT, f"a {type(value).__name__} is no minor units")
    return amount(parse_amount(value).scaleb(-exponent(currency)), currency)


def written(value: Decimal, currency: str, *, minor_units: bool = False) -> Any:
    """An amount as it goes into a column: with all its decimals, or in minor units."""
    places, exact = exponent(currency), amount(value, currency)
    if minor_units:
        return int(exact.scaleb(places))
    return exact.quantize(Decimal(1).scaleb(-places))
