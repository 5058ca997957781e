"""
How Invoiced is read: lists in the order of change, searches, and the money of invoices.

What a row means stands in the rooms next door; nothing here writes anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from tieout.capabilities import Changed, Dated, Open, Select
from tieout.change import Issue
from tieout.connector import (
    FETCH_PAGES_MAX,
    Fields,
    Page,
    Resource,
    RestConnector,
    next_link,
)
from tieout.connectors.invoiced.money import Look, Told, each_once
from tieout.connectors.invoiced.records import Records
from tieout.connectors.invoiced.rows import ID
from tieout.errors import Code, Fate, Fault, Scope
from tieout.models import Customer, Payment, R, RecordType, Ref, Settlement
from tieout.wire import Flow, Request, Response

EVENTS = Resource[Any](Customer, "events", lambda row: None)


class Reader(RestConnector):
    """The reading half of the connector."""

    ids = re.compile(rf"{ID.pattern}(:[a-z0-9-]{{1,60}})?", re.ASCII)
    cursors = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}", re.ASCII)

    records: Records
    _page_size: int

    # Lists

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        since = 0
        if isinstance(select, Changed):
            # Whether "after" takes in the second itself is not documented.
            since = max(int(select.since.timestamp()) - 1, 0)
        return self._listing(resource, self._selected(select), cursor or f"{since}.1")

    def _selected(self, select: Select) -> dict[str, str]:
        days = self.records.days
        match select:
            case Dated(first, last):
                ends = (days.first(first), days.last(last))
                return {"start_date": str(ends[0]), "end_date": str(ends[1])}
            case Open(through):
                until = {"end_date": str(days.last(through))} if through else {}
                return {"filter[paid]": "0", "filter[draft]": "0", **until}
            case _:
                return {}

    def _listing(
        self, resource: Resource[Any], only: Mapping[str, str], cursor: str = "0.1"
    ) -> Request:
        how = {"sort": "updated_at ASC", "per_page": str(self._page_size)}
        request = Request("GET", resource.path, {**resource.parameters, **only, **how})
        return self.turned(resource, request, cursor)

    def turned(self, resource: Resource[Any], request: Request, cursor: str) -> Request:
        """The request for what a cursor says: from which change time on, and which page."""
        since, _, page = cursor.partition(".")
        kept = [e for e in request.params if e[0] not in ("updated_after", "page")]
        place = [("updated_after", since)] if since != "0" else []
        return evolve(request, params=(*kept, *place, ("page", page)))

    def next_cursor(
        self,
        resource: Resource[Any],
        asked: Request,
        response: Response,
        rows: Sequence[Any],
    ) -> str | None:
        """
        From the last row's change time on, or the next page of the same time.

        A row that is edited while pages are counted moves to the end and pushes its
        neighbours across the boundary, unseen. So pages are counted only where a whole
        page has one time, and none is jumped over.
        """
        params = dict(asked.params)
        full = len(rows) >= self._page_size and response.header("Link") is None
        if next_link(response) is None and not full:
            return None
        since, page = int(params.get("updated_after", "0")), int(params["page"])
        told = [row.get("updated_at") for row in rows if isinstance(row, Mapping)]
        stamps = [stamp for stamp in told if isinstance(stamp, int)]
        reached = stamps[-1] - 1 if stamps and stamps == sorted(stamps) else since
        return f"{reached}.1" if reached > since else f"{since}.{page + 1}"

    def all_rows(self, resource: Resource[Any], request: Request) -> Flow[list[Any]]:
        """Page by page as a list is read: links count pages even where stamps move on."""
        found: list[Any] = []
        for _ in range(FETCH_PAGES_MAX):
            response = yield from self.ask(request)
            rows = self.rows(resource, response)
            found += rows
            cursor = self.next_cursor(resource, request, response, rows)
            if cursor is None:
                return found
            request = self.turned(resource, request, cursor)
        raise Fault(Code.LOOPING_PAGES, "a search of endless pages", fate=Fate.UNCLEAR)

    # Searches

    def fetch_request(
        self, resource: Resource[Any], by: str, literals: Sequence[str]
    ) -> Request:
        if by == "id":  # an application stands in its payment
            return super().fetch_request(resource, by, [literals[0].partition(":")[0]])
        mark = self.capabilities.kind(resource.kind).mark
        name = mark.field if by == "mark" and mark else "filter[number]"
        return self._listing(resource, {name: literals[0]})

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        """Those of these ids and numbers; of a merged customer, into which one it went."""
        page = yield from super().fetch(kind, ids=ids, numbers=numbers)
        if kind is not Customer:
            return page
        there = {each.ref.id for each in page.records}
        there |= {each.source.id for each in page.issues if each.source}
        gone = [*page.gone]
        for each in dict.fromkeys(ids):
            if each not in there and self.is_id(each):
                gone += yield from self._merged(each)
        return evolve(page, gone=tuple(gone))

    def _merged(self, customer: str) -> Flow[list[Ref]]:
        """
        The customer that is gone, with the one that it was merged into, if events tell.

        They are a hint: what they do not tell, or may not be asked, is no failure.
        """
        asked = Request("GET", EVENTS.path, {"related_to": f"customer,{customer}"})
        try:
            rows = self.rows(EVENTS, (yield from self.ask(asked)))
            into = [self.records.survivor(Fields(row), customer) for row in rows]
        except Fault as fault:
            lacks = fault.code is Code.PERMISSION_MISSING
            if fault.code.scope is Scope.CONNECTION and not lacks:
                raise
            return []
        found = next(filter(None, into), "")
        gone = Ref(self.connection, "Customer", customer, aliases=(found,))
        return [gone] if found else []

    def found(self, kind: RecordType, ids: Sequence[str]) -> Flow[Sequence[Any]]:
        """The records of these ids."""
        page = yield from self.fetch(kind, ids=ids)
        return page.records

    def row_now(self, kind: RecordType, identity: str) -> Flow[Fields]:
        """The row of one id; `Fault` NO_SUCH_RESOURCE where it is gone."""
        request = self.fetch_request(self.resources[kind], "id", [identity])
        response = yield from self.ask(request)
        return Fields(response.json())

    # An invoice's money

    def detailed(self, page: Page[R]) -> Flow[Page[R]]:
        """The page with the payments behind its settlements."""
        levels = [each for each in page.records if isinstance(each, Settlement)]
        look, found, issues = Look.at(self, levels), list[Any](), [*page.issues]
        for level in levels:
            try:
                found.append((yield from look.receipted(level)))
            except Fault as fault:
                if fault.code.scope is Scope.CONNECTION:
                    raise
                numbers = (level.number,) if level.number else ()
                words = fault.field, fault.text, fault.remedy
                issues.append(Issue(fault.code, level.ref, numbers, *words))
        return (
            evolve(page, records=tuple(found), issues=tuple(issues)) if levels else page
        )

    def payments_of(self, customer: Ref | None, since: int) -> Flow[Told]:
        """
        A customer's payments that were touched from a second on, and what was unreadable.

        Whatever is applied to an invoice was touched after the invoice was made: so its
        payments are found without reading all that the customer ever paid.
        """
        resource = self.resources[Payment]
        only = {"filter[customer]": customer.id} if customer else {}
        asked = self._listing(resource, only, f"{max(since - 1, 0)}.1")
        rows = yield from self.all_rows(resource, asked)
        records, issues = self.load(resource, rows)
        return each_once(records), issues

    def level_now(self, invoice: str) -> Flow[Settlement]:
        """What an invoice itself says now."""
        return self.records.settlement((yield from self.row_now(Settlement, invoice)))
