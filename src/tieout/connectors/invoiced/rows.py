"""
What all of Invoiced's rows have in common: whose they are, their currency, their stamps.

Pure. Nothing here knows what a row is of.
"""

from __future__ import annotations

import re
from typing import Any

from attrs import frozen

from tieout.connector import Fields, system_id
from tieout.connectors.invoiced import metadata
from tieout.connectors.invoiced.days import Days, instant
from tieout.models import Ref

ID = re.compile(r"[0-9]{1,18}", re.ASCII)


@frozen
class Rows:
    """Reads the rows of one ``connection``, whose dates are ``days`` of the business."""

    connection: str
    days: Days

    def ref(self, kind: str, row: Fields, name: str = "id") -> Ref:
        """Which record a field names."""
        return Ref(self.connection, kind, system_id(row, name, ID, "Invoiced"))

    def maybe_ref(self, kind: str, row: Fields, name: str) -> Ref | None:
        """Which record a field names, if any."""
        return self.ref(kind, row, name) if row.has(name) else None


def currency_of(row: Fields) -> str:
    """The ISO code, which Invoiced writes in small letters."""
    told = row.raw.get("currency")
    if isinstance(told, str) and re.fullmatch("[a-z]{3}", told, re.ASCII):
        told = told.upper()
    return Fields({"currency": told}).currency("currency")


def stamped(row: Fields) -> dict[str, Any]:
    """Change time, version and metadata of any record."""
    return {
        "changed_at": row.maybe("updated_at", instant),
        "version": row.text("updated_at"),
        "custom": metadata.read(row),
    }
