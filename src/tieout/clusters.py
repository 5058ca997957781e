"""
Errors that nobody has deciphered, in clusters: one for all that say the same of other things.

Pure. Which errors are unknown, and where they are met, is said by whoever asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from attrs import evolve, frozen

from tieout.errors import Code

NUMBERS_MAX = 5
"""Of the records that met one error: enough to look at some, whatever the number of them."""

ANY = "#"
"""Stands for what differs within a cluster."""

_QUOTED = re.compile(
    r"""(?<!\w)'(?:[^']|'(?=\w))*'(?!\w)|"[^"]*"|`[^`]*`|\u201c[^\u201d]*\u201d|\u00ab[^\u00bb]*\u00bb"""
)
"""What stands in quotation marks; an apostrophe within a word is none."""

_GUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)

_TOKEN = re.compile(r"(?:(?<!\w)[-+](?=\d))?\w+(?:[-+./:,_@]\w+)*")
"""A word, a number, a date, or an id of several parts."""

_LIST = re.compile(rf"{ANY}(?:[,;]? {ANY})+")
"""Several of them, one behind another."""

_DIGIT, _LETTER = re.compile(r"\d"), re.compile(r"[^\W\d_]")


def shape(text: str) -> str:
    """
    What two texts have in common that differ only in numbers, ids, dates and quoted names.

    The letters before a number stay (``INV-#``): they tell one series, or one of a
    vendor's codes, from another. All else with a digit in it is an id.
    """
    kept = _GUID.sub(ANY, _QUOTED.sub(ANY, " ".join(text.split())))
    return _LIST.sub(ANY, _TOKEN.sub(_common, kept))


def _common(found: re.Match[str]) -> str:
    token = found[0]
    digit = _DIGIT.search(token)
    if digit is None:
        return token
    at = digit.start()
    return ANY if _LETTER.search(token, at) else f"{token[:at].lstrip('-+')}{ANY}"


@frozen
class Met:
    """One error as it was met: where, when, how often, and of which numbers."""

    system: str
    code: Code
    text: str
    first_at: datetime
    last_at: datetime
    numbers: tuple[str, ...] = ()


@frozen
class UnknownError:
    """
    Errors of one system that differ only in numbers, ids, dates and quoted names.

    ``shape`` is what their texts have in common, ``count`` how many records (or runs) have
    met one, ``example`` the latest word for word, ``numbers`` those of some of the records.
    """

    system: str
    code: Code
    shape: str
    count: int
    example: str
    first_at: datetime
    last_at: datetime
    numbers: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f"{self.system}: " if self.system else ""
        often = "once" if self.count == 1 else f"{self.count} times"
        return f"{where}{self.example} ({often})"


def clustered(errors: Iterable[Met]) -> tuple[UnknownError, ...]:
    """The clusters, the largest first. Memory grows with their number alone."""
    found: dict[tuple[str, Code, str], UnknownError] = {}
    for met in errors:
        common = shape(met.text)
        key = (met.system, met.code, common)
        held = found.get(key)
        found[key] = _joined(held, met) if held else _first(met, common)
    return tuple(sorted(found.values(), key=_largest_first))


def _largest_first(each: UnknownError) -> tuple[int, str, str, str]:
    return -each.count, each.system, each.code.name, each.shape


def _first(met: Met, common: str) -> UnknownError:
    times, numbers = (met.first_at, met.last_at), met.numbers[:NUMBERS_MAX]
    return UnknownError(met.system, met.code, common, 1, met.text, *times, numbers)


def _joined(held: UnknownError, met: Met) -> UnknownError:
    numbers = tuple(dict.fromkeys((*held.numbers, *met.numbers)))[:NUMBERS_MAX]
    return evolve(
        held,
        count=held.count + 1,
        example=met.text if met.last_at >= held.last_at else held.example,
        first_at=min(held.first_at, met.first_at),
        last_at=max(held.last_at, met.last_at),
        numbers=numbers,
    )
