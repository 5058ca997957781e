"""
QuickBooks' query language: literals, conditions, and where a page begins.

Pure; it knows no record and no address but the one that takes queries. There is no OR, no
join, and no list of fields: ``IN`` is the only way to ask for one or another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from attrs import frozen

from tieout.connector import Fields, utc_second
from tieout.connectors.quickbooks.records import stamped
from tieout.errors import Code, Fault
from tieout.wire import Request

CHANGED = "MetaData.LastUpdatedTime"

PAGE_MAX = 1000
"""Rows in one answer; QuickBooks gives 100 where nothing is said."""

ADDRESS_MAX = 1500
"""Encoded characters of a query in an address; a longer one is posted."""

CURSOR = re.compile(
    r"[1-9][0-9]{0,8}@([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8})?", re.ASCII
)

PLAIN = re.compile(r"'(?:[ !#$&(-;=?-\[\]-~]|\\')*'")
"""Literals of which it is certain how they are read: what may be a sign of the language,
and letters beyond ASCII, which its reader has refused, are asked for one by one."""

_UNWRITABLE = re.compile(r"[\\\x00-\x1f\x7f]")
"""How these are escaped nobody says; guessed wrong, a search would be another one."""


def literal(text: str) -> str:
    """A text as a literal; `Fault` NOT_ALLOWED where it is not certain how to write it."""
    if _UNWRITABLE.search(text):
        raise Fault(Code.NOT_ALLOWED, "it holds characters that a query cannot")
    escaped = text.replace("'", "\\'")
    return f"'{escaped}'"


def zoned(told: str) -> str:
    """A stamp with its zone, as QuickBooks' own pages write instants."""
    return f"{told}+00:00"


@frozen
class Place:
    """Where a page begins: at its ``start``-th row of those changed ``since`` a stamp."""

    start: int = 1
    since: str = ""

    @classmethod
    def at(cls, cursor: str) -> Place:
        """The place that a cursor names."""
        start, _, since = cursor.partition("@")
        return cls(int(start), since)

    def __str__(self) -> str:
        return f"{self.start}@{self.since}"


def query(
    entity: str,
    conditions: Iterable[str],
    place: Place,
    size: int = PAGE_MAX,
    *,
    ordered: bool = False,
) -> str:
    """The query for one page of an entity."""
    given = list(conditions)
    if place.since:
        given.append(f"{CHANGED} >= '{zoned(place.since)}'")
    where = f" WHERE {' AND '.join(given)}" if given else ""
    order = f" ORDERBY {CHANGED}" if ordered else ""
    paging = f"STARTPOSITION {place.start} MAXRESULTS {size}"
    return " ".join(("SELECT * FROM", f"{entity}{where}{order}", paging))


def count(entity: str) -> str:
    """The query for how many records of an entity there are."""
    return f"SELECT count(*) FROM {entity}"  # noqa: S608 - a name of ours


def asked(text: str, version: Mapping[str, str]) -> Request:
    """The request for a query: in the address where it fits into one, else posted."""
    if len(quote(text)) <= ADDRESS_MAX:
        return Request("GET", "query", {"query": text, **version})
    headers = {"Content-Type": "application/text"}
    return Request("POST", "query", version, headers, content=text.encode())


def text_of(request: Request) -> str:
    """The query that a request asks."""
    sent = (request.content or b"").decode()
    return sent or dict(request.params).get("query", "")


_PAGING = re.compile(r" STARTPOSITION ([0-9]+) MAXRESULTS ([0-9]+)$")
_SINCE = re.compile(rf"{re.escape(CHANGED)} >= '([0-9T:-]{{19}})")


def moved(text: str, place: Place) -> str:
    """The same query from another row on."""
    return _PAGING.sub(rf" STARTPOSITION {place.start} MAXRESULTS \2", text)


def after(text: str, rows: Sequence[Any]) -> Place | None:
    """
    Where the page behind these rows of a query begins; None behind the last.

    From the last row's change time on, so that what is edited meanwhile pushes nothing
    across a boundary unseen. Where all rows have one time, or are in no order of time,
    they are counted, and a few are read again.
    """
    paging = _PAGING.search(text)
    start, size = (int(paging[1]), int(paging[2])) if paging else (1, PAGE_MAX)
    if len(rows) < size:
        return None
    found = _SINCE.search(text)
    since = found[1] if found else ""
    reached = _reached(rows) if f" ORDERBY {CHANGED}" in text else ""
    if reached > since:
        return Place(1, reached)
    again = size // 20
    return Place(start + len(rows) - again, since)


def _reached(rows: Sequence[Any]) -> str:
    """The last row's change time, if the rows are in the order of theirs."""
    try:
        stamps = [stamped(Fields(row)) for row in rows]
    except Fault:
        return ""
    return utc_second(stamps[-1]) if stamps == sorted(stamps) else ""
