"""
How ConnectWise is asked: lists by their ids, searches, and what rows are joined with.

What a row means stands in the room next door; nothing here writes anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from attrs import evolve

from tieout.capabilities import Select, Unposted
from tieout.connector import Page, Resource, RestConnector, next_link
from tieout.connectors.connectwise.batches import LISTED
from tieout.connectors.connectwise.conditions import (
    INVOICES,
    PAGE_SIZE_MAX,
    PLAIN,
    all_of,
    query,
    quoted,
    selected,
)
from tieout.connectors.connectwise.joins import (
    ROLL_UPS,
    each_record,
    with_batches,
    with_records,
    with_uses,
)
from tieout.connectors.connectwise.records import ID, ids_of
from tieout.models import CreditNote, Invoice, Posting, Settlement
from tieout.wire import Flow, Request, Response


class Reader(RestConnector):
    """The half of a connector to ConnectWise that reads."""

    ids = re.compile(rf"{ID.pattern}(/{ID.pattern})?", re.ASCII)
    """Of a payment or an application: its invoice's id and its own."""
    cursors = ID
    plain = re.compile(rf"[0-9]+|\"{PLAIN.pattern}\"", re.ASCII)

    _applications: bool
    _unposted_id: str

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        """
        The records behind the last one of the page before, by their ids.

        Pages by number would lose a record where others come and go between two calls.
        """
        path = LISTED if isinstance(select, Unposted) else resource.path
        conditions = (resource.parameters["conditions"], *selected(select))
        size = self.capabilities.kind(resource.kind).page_size
        request = query(path, conditions, size)
        return request if cursor is None else self.turned(resource, request, cursor)

    def turned(self, resource: Resource[Any], request: Request, cursor: str) -> Request:
        params = dict(request.params)
        behind = all_of((params.get("conditions", ""), f"id>{cursor}"))
        return evolve(request, params={**params, "conditions": behind})

    def next_cursor(
        self,
        resource: Resource[Any],
        asked: Request,
        response: Response,
        rows: Sequence[Any],
    ) -> str | None:
        """The last id, if there is more: by its link, or a full page without any link."""
        size = int(dict(asked.params).get("pageSize", PAGE_SIZE_MAX))
        full = len(rows) >= size and response.header("Link") is None
        more = full or next_link(response) is not None
        return str(max(ids_of(rows), default=0)) if more else None

    def literal(self, resource: Resource[Any], by: str, value: str) -> str:
        """A payment's id is found with its invoice's."""
        if by == "id":
            return value.partition("/")[0]
        return f'"{value}"' if PLAIN.fullmatch(value) else quoted(value)

    def fetch_request(
        self, resource: Resource[Any], by: str, literals: Sequence[str]
    ) -> Request:
        names = {"id": "id", "mark": resource.mark_parameter}
        name = names.get(by, resource.number_field)
        if self.plain.fullmatch(literals[0]):
            return query(resource.path, [f"{name} in ({','.join(literals)})"])
        return query(resource.path, [f"{name}={literals[0]}"])

    def joined(self, resource: Resource[Any], rows: list[Any]) -> Flow[list[Any]]:
        """Documents with their payment records, with their uses, or with their batches."""
        kind = resource.kind
        if kind in ROLL_UPS:
            rows = yield from with_records(self, rows, ROLL_UPS[kind])
            return rows if kind is Settlement else each_record(rows)
        if kind is CreditNote and self._applications:
            return (yield from with_uses(self, rows))
        if kind is Posting:
            return (yield from with_batches(self, rows, self._unposted_id))
        return rows

    def standing(self, ids: Sequence[str]) -> Flow[Page[Posting]]:
        """Documents as they stand, without asking when their batches were made."""
        known = list(filter(ID.fullmatch, ids))
        where = f"id in ({','.join(known)})"
        rows = (yield from self.listed(INVOICES, where)) if known else []
        return Page(*self.load(self.resources[Posting], rows))

    def listed(self, path: str, condition: str = "") -> Flow[list[Any]]:
        """All rows of a list."""
        request = query(path, [condition])
        return (yield from self.all_rows(self.resources[Invoice], request))
