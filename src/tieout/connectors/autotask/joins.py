"""
Rows of Autotask joined with what its other lists say of them, before they are read.

Nothing here makes a record of a row; what cannot be asked about is passed on as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from tieout.connector import Resource
from tieout.connectors.autotask.queries import condition, query
from tieout.connectors.autotask.records import ID
from tieout.models import Customer
from tieout.wire import Flow, Request


class Lists(Protocol):
    """What a connector has to offer whose rows are joined."""

    def all_rows(self, resource: Resource[Any], request: Request) -> Flow[list[Any]]:
        """All rows of a list."""
        ...


def with_currencies(
    lists: Lists, resource: Resource[Any], rows: list[Any]
) -> Flow[list[Any]]:
    """Companies with their ``currency``, and documents with that of their company."""
    asked = query("Currencies", [condition("exist", "id")])
    units = yield from lists.all_rows(resource, asked)
    codes = {_told(unit, "id"): _told(unit, "name") for unit in units}
    if resource.kind is Customer:
        return [_joined(r, currency=codes.get(_told(r, "currencyID"))) for r in rows]
    owners = [condition("in", "id", _ids(rows, "companyID"))]
    asked = query("Companies", owners, "id currencyID")
    found = yield from lists.all_rows(resource, asked)
    told = {_told(each, "id"): codes.get(_told(each, "currencyID")) for each in found}
    return [_joined(row, currency=told.get(_told(row, "companyID"))) for row in rows]


def with_lines(
    lists: Lists, resource: Resource[Any], rows: list[Any]
) -> Flow[list[Any]]:
    """Documents with their billing items (``lines``)."""
    asked = query("BillingItems", [condition("in", "invoiceID", _ids(rows, "id"))])
    items = yield from lists.all_rows(resource, asked)
    lines: dict[str, list[Any]] = {}
    for item in items:
        lines.setdefault(_told(item, "invoiceID"), []).append(item)
    return [_joined(row, lines=lines.get(_told(row, "id"), [])) for row in rows]


def _told(row: Any, name: str) -> str:
    """What a row is found by in another list; "" where there is nothing of the kind."""
    found = row.get(name) if isinstance(row, Mapping) else None
    return str(found) if isinstance(found, int | str) else ""


def _ids(rows: Iterable[Any], name: str) -> list[int]:
    """The ids under a name, each once, as far as they can be asked about."""
    found = dict.fromkeys(_told(row, name) for row in rows)
    return [int(each) for each in found if ID.fullmatch(each)]


def _joined(row: Any, **told: Any) -> Any:
    return {**row, **told} if isinstance(row, Mapping) else row
