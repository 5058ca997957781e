"""
How Intacct is asked: lists, what they are joined with, and what its answers are worth.

What a connector can do, and how it writes, is told elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve

from tieout.capabilities import Select
from tieout.connector import (
    Page,
    Resource,
    RestConnector,
    batches,
    iso_instant,
    server_time,
)
from tieout.connectors.intacct.gateway import IntacctSession, asking
from tieout.connectors.intacct.joins import PAID_BY, Joins, Row, Wanted
from tieout.connectors.intacct.queries import (
    KEY,
    PAGE_MAX,
    SOURCES,
    Queries,
    Source,
    after,
    asked_objects,
    either,
    moved,
    one_of,
    ordered,
    place,
)
from tieout.connectors.intacct.replies import Reply, Result, explained, judged, replied
from tieout.connectors.intacct.values import split_contact
from tieout.connectors.intacct.xml import Element, can_hold
from tieout.errors import Code, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    R,
    Settlement,
)
from tieout.wire import Answer, Flow, Request, Response, Verdict

PAGE = "page"
"""The control id of the one query of a page."""

READ_MAX = 100
"""Customers that are read whole at once."""

DOCUMENTS = (Invoice, Settlement, CreditNote)
"""What order entry may have made, and is called by its name there."""

_NUMBER = re.compile("[0-9]{1,18}", re.ASCII)
_PART = re.compile("[0-9]{1,18}/[0-9]{1,18}(/[0-9]{1,18}|/discount)?", re.ASCII)


class IntacctReader(RestConnector):
    """The reading half of the connector."""

    ids = re.compile(r"(?!\s*$)[^\x00-\x1f\x7f]{1,255}")
    cursors = _NUMBER
    literals_length_max = 500_000

    _signer: IntacctSession
    _queries: Queries
    _joins: Joins
    _bill_to: bool
    _ordered_alone: Sequence[str] = ()
    _look_up: bool

    # Reading

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        """By record number; what order entry made, by its name there too."""
        self.resource(kind)
        form = {Payment: _NUMBER, Application: _PART}.get(kind, self.ids)
        known = [each for each in ids if form.fullmatch(each)]
        if kind in DOCUMENTS:
            known = yield from self._numbered(known)
        return (yield from super().fetch(kind, ids=known, numbers=numbers))

    def _numbered(self, ids: Iterable[str]) -> Flow[list[str]]:
        """Today's record numbers: order entry makes a document anew with each edit."""
        given = [each for each in dict.fromkeys(ids) if self.is_id(each)]
        found = [each for each in given if _NUMBER.fullmatch(each)]
        names = (each for each in given if each not in found)
        called = yield from self._documents(names)
        return [*found, *called.values()]

    def _documents(self, names: Iterable[str]) -> Flow[dict[str, str]]:
        """The record numbers of what order entry made, by its name there."""
        asked = [each for each in dict.fromkeys(names) if can_hold(each)]
        if not asked or not self._joins.order_entry:
            return {}
        source = SOURCES["documents"]
        conditions = self._queries.keyed(source, ["DOCID"], asked)
        found = yield from self._gathered({"documents": (source, conditions)})
        rows = [
            (row.get("DOCID"), row.get("PRRECORDKEY")) for row in found["documents"]
        ]
        return {
            name: key
            for name, key in rows
            if isinstance(name, str) and isinstance(key, str)
        }

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        source = _source(resource)
        conditions = self._queries.selected(source, select)
        if resource.path in self._ordered_alone:
            conditions.append(ordered())
        # The money feeds are pages of the size of any.
        size = self.capabilities.kind(resource.kind).page_size
        query = self._queries.query(source, conditions, behind=cursor or "0", size=size)
        return asking([(PAGE, query)])

    def literal(self, resource: Resource[Any], by: str, value: str) -> str:
        Element("value", value).text()  # refuses what XML cannot hold
        if resource.kind is Customer:
            return split_contact(value)[0] if by == "id" and self._bill_to else value
        own = value.partition("/")[0] if by == "id" else ""
        if by == "id" and not _NUMBER.fullmatch(own):
            raise Fault(Code.NOT_ALLOWED, "it is no record number")
        return own or value

    def fetch_request(
        self, resource: Resource[Any], by: str, literals: Sequence[str]
    ) -> Request:
        key = "PAYMENTKEY" if resource.kind is Application else KEY
        fields = [key if by == "id" else resource.number_field]
        if resource.kind is Customer:
            fields = ["CUSTOMERID"] if by == "id" else ["CUSTOMERID", "NAME"]
        elif by == "mark":
            mark = self.capabilities.kind(resource.kind).mark
            fields = [mark.field] if mark else []
        anyone = either([one_of(field, literals) for field in fields])
        return asking([(PAGE, self._queries.query(_source(resource), [anyone]))])

    def names(self, record: Any) -> Iterable[str]:
        """A customer is found by its name too."""
        name = record.name if isinstance(record, Customer) else ""
        return (getattr(record, "number", ""), name)

    def rows(self, resource: Resource[Any], response: Response) -> list[Any]:
        return list(replied(response.body).of(PAGE).rows)

    def next_cursor(
        self,
        resource: Resource[Any],
        asked: Request,
        response: Response,
        rows: Sequence[Any],
    ) -> str | None:
        result = replied(response.body).of(PAGE)
        return after(_source(resource), result, *place(asked.content or b""))

    def as_of(self, response: Response) -> datetime | None:
        """The header's clock, else the session's own: it may be early, never late."""
        try:
            return server_time(response) or iso_instant(
                replied(response.body).timestamp
            )
        except Fault:
            return None

    def turned(self, resource: Resource[Any], request: Request, cursor: str) -> Request:
        return evolve(request, content=moved(request.content or b"", cursor))

    def joined(self, resource: Resource[Any], rows: list[Any]) -> Flow[list[Any]]:
        held: list[Row] = [dict(row) for row in rows if isinstance(row, Mapping)]
        others = [row for row in rows if not isinstance(row, Mapping)]
        joins = self._joins
        match resource.path:
            case "customers" if self._bill_to and held:
                held = yield from joins.contacts(held, self._whole(held))
            case "invoices/money":
                held = yield from joins.money(held)
            case "invoices":
                held = yield from joins.billed(held, "invoice lines")
            case "credit notes":
                held = yield from joins.credited(held)
            case "payments":
                held = yield from joins.paying(held)
            case "details":
                held = yield from joins.together(held)
            case "payments/touched":
                held = yield from joins.touching(held, PAID_BY)
            case "credit notes/touched":
                held = yield from joins.touching(held, ["ADJUSTMENTKEY"])
        return [*held, *others]

    def _whole(self, rows: Sequence[Row]) -> Flow[list[Row]]:
        """Customers as a whole: a query brings no contact lists."""
        ids = [str(row.get("CUSTOMERID") or "") for row in rows]
        # Keys are separated by commas: an id with one cannot be asked for.
        known = [each for each in dict.fromkeys(ids) if each and "," not in each]
        reads = {
            f"read-{position}": Element(
                "read",
                [
                    Element("object", "CUSTOMER"),
                    Element("keys", ",".join(some)),
                    Element("fields", "*"),
                ],
            )
            for position, some in enumerate(batches(known, READ_MAX))
        }
        response = yield from self.ask(asking(reads.items()))
        reply = replied(response.body)
        found = (row for name in reads for row in reply.of(name).rows)
        return [dict(row) for row in found if isinstance(row, Mapping)]

    def _gathered(self, wanted: Wanted) -> Flow[dict[str, list[Row]]]:
        """Lists to their ends, all of them in one request as long as they go on."""
        found: dict[str, list[Row]] = {name: [] for name in wanted}
        waiting = {
            f"{name}.{position}": (name, source, conditions, "0")
            for name, (source, groups) in wanted.items()
            for position, conditions in enumerate(groups)
        }
        while waiting:
            queries = [
                (control_id, self._queries.query(source, conditions, behind=behind))
                for control_id, (_, source, conditions, behind) in waiting.items()
            ]
            response = yield from self.ask(asking(queries))
            reply, going_on = replied(response.body), {}
            for control_id, (name, source, conditions, behind) in waiting.items():
                result = reply.of(control_id)
                found[name] += [dict(x) for x in result.rows if isinstance(x, Mapping)]
                further = after(source, result, behind, PAGE_MAX)
                if further is not None:
                    going_on[control_id] = (name, source, conditions, further)
            waiting = going_on
        return found

    # Judging

    def judge(self, response: Response) -> Verdict:
        verdict = judged(response)
        if verdict.answer is Answer.OK:
            return verdict
        return evolve(verdict, text=self._signer.hushed(verdict.text))

    def explain(self, response: Response) -> tuple[str, str]:
        number, text = explained(response)
        return number, self._signer.hushed(text)

    def ask(self, request: Request) -> Flow[Response]:
        """
        Send a request; one that Intacct has no better word for is sent once more.

        It is the database's bad moment, or a field that the company does not have: which
        one, its own description of the object tells.
        """
        try:
            return (yield from super().ask(request))
        except Fault as fault:
            if "DL02000001" not in fault.text or request.effect:
                raise
            missing = (yield from self._missing(request)) if self._look_up else []
            if missing:
                text = f"{fault.text} There is no field {', '.join(missing)}."
                raise Fault(
                    fault.code,
                    text,
                    field=missing[0],
                    remedy=fault.remedy,
                    fate=fault.fate,
                ) from fault
        return (yield from super().ask(request))

    def _missing(self, request: Request) -> Flow[list[str]]:
        """The fields of a request that its objects do not have, as far as they tell."""
        asked = asked_objects(request.content or b"")
        lookups = {name: Element("lookup", [Element("object", name)]) for name in asked}
        response = yield asking(lookups.items())
        if self.judge(response).answer is not Answer.OK:
            return []
        reply = replied(response.body)
        return [
            f"{name}.{field}"
            for name, fields in asked.items()
            if (known := _described(reply.of(name)))
            for field in fields
            # Fields of another object are not described here.
            if "." not in field and field not in known
        ]

    def _reply(self, response: Response) -> Reply:
        """An answer whose functions each have their say; raises what failed as a whole."""
        verdict = self.judge(response)
        try:
            reply = replied(response.body)
        except Fault:
            raise verdict.fault() from None
        if reply.troubles or not reply.results or not response.ok:
            raise verdict.fault()
        return reply


def _source(resource: Resource[Any]) -> Source:
    return SOURCES[resource.path.partition("/")[0]]


def _described(result: Result) -> set[str]:
    """The names of an object's fields in its own description; none where unreadable."""
    found: set[str] = set()
    waiting: list[Any] = list(result.rows)
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            if isinstance(value.get("ID"), str):
                found.add(value["ID"])
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return found
