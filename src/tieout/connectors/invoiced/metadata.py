"""
The metadata of an object at Invoiced: custom values by their keys, our mark among them.

Pure. Which of them a record wants is not said here.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tieout.connector import Fields
from tieout.errors import Code, Fault

KEYS_MAX, KEY_LENGTH_MAX, VALUE_LENGTH_MAX = 10, 40, 255
"""The vendor's limits of the metadata of one object."""


def read(row: Fields) -> dict[str, Any]:
    """Custom values as they are; an empty collection may come as a list."""
    held = row.raw.get("metadata")
    found = held if isinstance(held, Mapping) else {}
    values = {n: Decimal(v) if type(v) is int else v for n, v in found.items()}
    return {n: v for n, v in values.items() if isinstance(v, str | bool | Decimal)}


def written(values: Mapping[str, Any]) -> dict[str, str]:
    """Custom values as metadata; `Fault` NOT_ALLOWED where Invoiced takes no such."""
    told = {name: _text(value) for name, value in values.items()}
    long = [
        name
        for name, value in told.items()
        if len(name) > KEY_LENGTH_MAX or len(value) > VALUE_LENGTH_MAX
    ]
    if long or len(told) > KEYS_MAX:
        many = f"{len(told)} keys, and {KEYS_MAX} fit"
        text = f"{', '.join(long)} is too long" if long else many
        raise Fault(Code.NOT_ALLOWED, f"metadata: {text}", field="metadata")
    return told


def _text(value: Any) -> str:
    match value:
        case bool():
            return "1" if value else "0"
        case Decimal():
            return format(value, "f")
        case _:
            return str(value)
