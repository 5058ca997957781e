"""
One bad thing as data: what is done to which record of which side, and what must be told.

Nothing here runs an engine; the tables in ``*_rows.py`` are made of these rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias

from attrs import field as attrs_field
from attrs import frozen

import tieout
from tieout.errors import Code

TOKEN = "tkCNRY4f3a9c21b7"
"""Stands in every secret of every connection; not even its beginning may be seen again."""

EMAIL = "canary.person@leak.example"
"""Stands beside every record, and in many bad fields."""

VICTIM = "INV-X"
"""The number of the one record that something is done to."""

PAID = Decimal(100), date(2026, 3, 10)
"""What billing shows of the victim once nothing is wrong with it."""

Shown: TypeAlias = tuple[Decimal, date | None]


class Side(Enum):
    """Whose record is spoiled."""

    XERO = "an invoice in Xero's answers"
    XERO_PAYMENT = "a payment in Xero's list of payments"
    CONNECTWISE = "an invoice in ConnectWise's answers"
    CONNECTWISE_PAYMENT = "a payment in ConnectWise's answers"
    TRYTON = "an invoice in Tryton's answers"
    LOCAL_LEDGER = "an invoice of the host's app as the ledger"
    LOCAL_BILLING = "an invoice of the host's app as billing"
    TABLE_LEDGER = "a row of a table as the ledger"
    TABLE_BILLING = "a row of a table as billing"


@frozen
class Raw:
    """JSON text that goes out as it is, for what no Python value can be written as."""

    text: str


def dumps(value: Any) -> str:
    """JSON as a server may write it: decimals digit by digit, and `Raw` as it is."""
    match value:
        case Raw(text):
            return text
        case Decimal():
            return format(value, "f")
        case Mapping():
            pairs = (f"{json.dumps(key)}:{dumps(item)}" for key, item in value.items())
            return "{" + ",".join(pairs) + "}"
        case list() | tuple():
            return "[" + ",".join(map(dumps, value)) + "]"
        case _:
            return json.dumps(value)


Edit: TypeAlias = Callable[[dict[str, Any]], Any]
"""Takes the sound record and returns what stands in its place."""

GONE = object()
"""In `put`: the field is taken out."""


def put(**fields: Any) -> Edit:
    """Other values for these fields; ``a__b`` is the field ``b`` inside ``a``."""

    def edit(record: dict[str, Any]) -> dict[str, Any]:
        found = dict(record)
        for path, value in fields.items():
            outer, _, inner = path.partition("__")
            if inner:
                found[outer] = put(**{inner: value})(found.get(outer) or {})
            elif value is GONE:
                found.pop(outer, None)
            else:
                found[outer] = value
        return found

    return edit


def instead(value: Any) -> Edit:
    """Something else in place of the whole record."""
    return lambda record: value


@frozen
class Row:
    """
    One case: ``name`` begins with the ids that it shows.

    ``code`` is the one issue that holds the record, naming ``field`` and ``numbers``;
    None where nothing does. ``shows`` is what billing then shows of the victim, None where
    it is left as it was. ``notes`` are the codes of what is told besides. ``prior``: a good
    run came before. ``mends`` false: the spoiled record was carried under an id of its own,
    so that the sound one is another document.
    """

    name: str
    side: Side
    edit: Edit = attrs_field(repr=False)
    code: Code | None = None
    field: str = ""
    shows: Shown | None = PAID
    notes: tuple[Code, ...] = ()
    numbers: tuple[str, ...] = (VICTIM,)
    settings: tieout.Settings = attrs_field(factory=tieout.Settings)
    prior: bool = False
    mends: bool = True

    @property
    def ids(self) -> list[str]:
        """The ids of the catalogue that the row shows."""
        return [
            each for each in self.name.split(":")[0].replace(",", " ").split() if each
        ]


def held(side: Side, name: str, edit: Edit, code: Code, field: str, **more: Any) -> Row:
    """A record that must be held."""
    return Row(name, side, edit, code, field, **{"shows": None, **more})


def carried(side: Side, name: str, edit: Edit, **more: Any) -> Row:
    """A record that must be carried, exactly."""
    return Row(name, side, edit, **more)


def ignored(side: Side, name: str, edit: Edit) -> Row:
    """A record that is of no concern: nothing is carried and nothing is said."""
    return Row(name, side, edit, shows=None)
