"""
How Xero is read: lists in the order of change, and searches by id, number or mark.

What a row means stands in the rooms next door; nothing here writes anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from attrs import evolve

from tieout.capabilities import Changed, Dated, Open, Select
from tieout.connector import (
    Fields,
    Resource,
    RestConnector,
    enveloped,
    server_time,
    utc_second,
)
from tieout.connectors.xero.abilities import ADDRESS_MAX, PAGE_MAX
from tieout.connectors.xero.values import CHANGED, ID, moment
from tieout.errors import Code, Fault
from tieout.models import Customer, clean_number
from tieout.wire import Request, Response


class Reader(RestConnector):
    """The half of a connector to Xero that reads."""

    ids = re.compile(rf"{ID.pattern}(/{ID.pattern})?", re.ASCII)
    ids_have_case = False
    cursors = re.compile(r"[1-9][0-9]{0,6}@([0-9T:-]{19})?", re.ASCII)
    literals_length_max = ADDRESS_MAX

    _page_size: int

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        page, _, since = (cursor or "1@").partition("@")
        if cursor is None and isinstance(select, Changed):
            since = utc_second(select.since)
        paging = {"page": page, "pageSize": str(self._page_size)}
        params = {**resource.parameters, **paging, "order": f"{CHANGED} ASC"}
        where = [params["where"]] if "where" in params else []
        match select:
            case Dated(first, last):
                where += [f"Date>={_date(first)}", f"Date<={_date(last)}"]
            case Open(through):
                if resource.path == "Invoices":
                    params["Statuses"] = "AUTHORISED"
                else:
                    where.append('Status=="AUTHORISED"')
                where += [f"Date<={_date(through)}"] if through else []
        if where:
            params["where"] = " AND ".join(where)
        headers = {"If-Modified-Since": since} if since else {}
        return Request("GET", resource.path, params=params, headers=headers)

    def next_cursor(
        self,
        resource: Resource[Any],
        asked: Request,
        response: Response,
        rows: Sequence[Any],
    ) -> str | None:
        """
        From the last row's change time on; pages are counted only where all have one time.

        A row that is edited while pages are counted moves to the end and pushes its
        neighbours across the boundary, unseen.
        """

        def told() -> int | None:
            return Fields(response.json()).inside("pagination").maybe("pageCount", int)

        params, count = dict(asked.params), enveloped(told)
        page, size = int(params["page"]), int(params["pageSize"])
        if not rows or not (len(rows) >= size if count is None else page < count):
            return None
        since, reached = asked.header("If-Modified-Since") or "", _reached(rows)
        searching = "order" not in params
        onward = reached > since and not searching
        return f"1@{reached}" if onward else f"{page + 1}@{since}"

    def turned(self, resource: Resource[Any], request: Request, cursor: str) -> Request:
        page = cursor.partition("@")[0]
        return evolve(request, params={**dict(request.params), "page": page})

    def as_of(self, response: Response) -> datetime | None:
        """The envelope's clock, else the header's."""
        try:
            return Fields(response.json()).read("DateTimeUTC", moment)
        except Fault:
            return server_time(response)

    def literal(self, resource: Resource[Any], by: str, value: str) -> str:
        """In a list where Xero takes one, else as a condition."""
        listed = _listed(resource, by)
        # A list cannot hold a comma, nor a condition's text a quotation mark, however it
        # is written (XeroAPI/Xero-Java#347).
        if by != "id" and re.search("," if listed else r'["\\\x00-\x1f]', value):
            raise Fault(Code.NOT_ALLOWED, "it holds characters that a search cannot")
        if listed:
            return value
        if by == "id":
            # That this is how an id is written is unverified. An application's begins
            # with that of its credit note.
            return f'{resource.id_field}==Guid("{value.partition("/")[0]}")'
        mark = self.capabilities.kind(resource.kind).mark
        names = [mark.field] if by == "mark" and mark else [resource.number_field]
        names += ["Name"] if by == "number" and resource.kind is Customer else []
        return " OR ".join(f'{name}=="{value}"' for name in names)

    def fetch_request(
        self, resource: Resource[Any], by: str, literals: Sequence[str]
    ) -> Request:
        # Without a page number Xero leaves out the lines.
        params = {**resource.parameters, "page": "1", "pageSize": str(PAGE_MAX)}
        listed = _listed(resource, by)
        if listed:
            params[listed] = ",".join(literals)
        else:
            base, either = params.get("where"), " OR ".join(dict.fromkeys(literals))
            params["where"] = f"{base} AND ({either})" if base else either
        return Request("GET", resource.path, params=params)

    def names(self, record: Any) -> Iterable[str]:
        name = record.name if isinstance(record, Customer) else ""
        return (getattr(record, "number", ""), clean_number(name))


def _date(day: date) -> str:
    """A day as a condition has it."""
    return f"DateTime({day:%Y,%m,%d})"


def _listed(resource: Resource[Any], by: str) -> str:
    """The parameter that takes a list of ids or numbers, where there is one."""
    lists = {"id": resource.id_parameter, "number": resource.number_parameter}
    return lists.get(by, "")


def _reached(rows: Sequence[Any]) -> str:
    """From when on the rest is asked for: a second before the last row, if sorted."""
    try:
        stamps = [Fields(row).read(CHANGED, moment) for row in rows]
    except Fault:
        return ""
    if stamps != sorted(stamps):
        return ""
    return utc_second(stamps[-1] - timedelta(seconds=1))
