"""
How QuickBooks Online is read: the change feed, lists in the order of change, searches.

What a row means stands in the rooms next door; nothing here writes anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve, frozen

from tieout.capabilities import Changed, Dated, Open, Select
from tieout.change import Change
from tieout.connector import (
    Fields,
    Health,
    Page,
    Resource,
    RestConnector,
    ailing,
    batches,
    enveloped,
    iso_instant,
    server_time,
    utc_second,
)
from tieout.connectors.quickbooks import queries
from tieout.connectors.quickbooks.bodies import WORDED
from tieout.connectors.quickbooks.money import PAYMENTS, Paid, linked
from tieout.connectors.quickbooks.queries import Place
from tieout.connectors.quickbooks.records import is_deleted
from tieout.errors import Code, Fate, Fault, Scope
from tieout.models import Customer, Payment, R, Record, Ref, Settlement, clean_number
from tieout.wire import Flow, Request, Response

CDC_REACH, CDC_MAX = timedelta(days=30), 1000
"""How far back the change feed goes, and how many rows of all kinds one answer holds;
what is more is cut off silently."""


@frozen
class _Feed:
    """What the change feed told: its rows by entity, and whether these are all."""

    rows: Mapping[str, list[Any]]
    whole: bool
    as_of: datetime | None = None


class Reader(RestConnector):
    """The half of a connector to QuickBooks that reads."""

    version: Mapping[str, str]
    """What every request tells: the version of the API."""
    mark_fields: Mapping[str, str]
    feed_rows: int
    """From how many rows on the change feed is taken for cut off."""

    def check(self) -> Flow[Health]:
        """As the base does, and whether the fields of our marks can be searched."""
        health = yield from super().check()
        found: list[str] = []
        for kind in (Payment, Customer) if health.ok else ():
            if self.capabilities.kind(kind).mark is None:
                continue
            resource = self.resource(kind)
            literal = self.literal(resource, "mark", "TO-NONE")
            try:
                yield from self.ask(self.fetch_request(resource, "mark", [literal]))
            except Fault as fault:
                if fault.code is not Code.UNKNOWN_ERROR:
                    return ailing(fault)
                name = kind.__name__
                found.append(
                    f"The mark of a {name} cannot be searched, see marks: {fault.text}"
                )
        return evolve(health, notes=(*health.notes, *found))

    # Reading: what changed

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        """
        One page: of changes all that the feed tells, and a list only where that is cut off.

        The first page of a list carries on what the feed told for certain: what is gone.
        """
        feeds = cursor is None and isinstance(select, Changed) and self.feed_rows > 0
        if not feeds or type(select) not in self.capabilities.kind(kind).selects:
            return (yield from super().page(kind, select, cursor))
        assert isinstance(select, Changed)
        resource = self.resource(kind)
        extra = ("Payment",) if kind is Settlement else ()
        feed = yield from self._feed(select.since, (resource.rows, *extra))
        rows = feed.rows.get(resource.rows, [])
        if feed.whole:
            return (yield from self._told(resource, rows, feed))
        gone = _refs(self.load(resource, filter(is_deleted, rows))[0])
        page: Page[R] = yield from super().page(kind, select)
        return evolve(page, gone=(*gone, *page.gone), as_of=feed.as_of or page.as_of)

    def _feed(self, since: datetime, entities: Sequence[str]) -> Flow[_Feed]:
        """What the change feed tells, and whether that is all."""
        asked = {
            "entities": ",".join(entities),
            "changedSince": queries.zoned(utc_second(since)),
            **self.version,
        }
        try:
            response = yield from self.ask(Request("GET", "cdc", asked))
        except Fault as fault:
            if fault.fate is not Fate.REFUSED or fault.code.scope is Scope.CONNECTION:
                raise
            return _Feed({}, whole=False)  # such as a day that is too far back
        rows = enveloped(lambda: _fed(Fields(response.json())))
        as_of = self.as_of(response)
        count = sum(map(len, rows.values()))
        near = as_of is not None and as_of - since <= CDC_REACH
        return _Feed(rows, whole=near and count < self.feed_rows, as_of=as_of)

    def _told(
        self, resource: Resource[R], rows: list[Any], feed: _Feed
    ) -> Flow[Page[R]]:
        """The page of all that changed, by what the feed told."""
        touched: tuple[Ref, ...] = ()
        if resource.kind is Settlement:
            payments = feed.rows.get("Payment", [])
            held = {str(each.get("Id")): each for each in _live(payments)}
            rows = yield from self._with_payments(rows, held)
            paid = self.load(self.feeds[1], payments)[0]
            told = {str(each.get("Id")) for each in rows if isinstance(each, dict)}
            touched = tuple(each for each in _refs(paid) if each.id not in told)
        loaded, issues = self.load(resource, rows)
        records = tuple(each for each in loaded if not isinstance(each, Ref))
        return Page(records, issues, _refs(loaded), touched, as_of=feed.as_of)

    # Reading: lists

    def query(self, text: str) -> Request:
        return queries.asked(text, self.version)

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        place = Place.at(cursor or "1@")
        if cursor is None and isinstance(select, Changed):
            place = Place(1, utc_second(select.since))
        conditions = [*_always(resource), *_selected(select)]
        size = self.capabilities.kind(resource.kind).page_size
        text = queries.query(resource.rows, conditions, place, size, ordered=True)
        return self.query(text)

    def next_cursor(
        self,
        resource: Resource[Any],
        asked: Request,
        response: Response,
        rows: Sequence[Any],
    ) -> str | None:
        place = queries.after(queries.text_of(asked), rows)
        return str(place) if place else None

    def turned(self, resource: Resource[Any], request: Request, cursor: str) -> Request:
        return self.query(queries.moved(queries.text_of(request), Place.at(cursor)))

    def rows(self, resource: Resource[Any], response: Response) -> list[Any]:
        """The rows of an entity; without any, QuickBooks does not name the entity."""

        def found() -> list[Any]:
            answer = Fields(response.json()).child("QueryResponse")
            if answer is None:
                raise Fault(Code.BAD_PAYLOAD, "no QueryResponse in the answer")
            return _rows(answer, resource.rows)

        return enveloped(found)

    def as_of(self, response: Response) -> datetime | None:
        """The envelope's clock, else the header's."""
        try:
            return Fields(response.json()).read("time", iso_instant)
        except Fault:
            return server_time(response)

    def joined(self, resource: Resource[Any], rows: list[Any]) -> Flow[list[Any]]:
        """Invoices with the payments that are linked to them, where money is read."""
        if resource.kind is not Settlement:
            return rows
        return (yield from self._with_payments(rows, {}))

    def _with_payments(
        self, rows: list[Any], held: Mapping[str, Any]
    ) -> Flow[list[Any]]:
        """Invoices with their payments: those that are held, and the rest by their ids."""
        links = [linked(row, "Payment") for row in rows]
        wanted = dict.fromkeys(each for some in links for each in some)
        found = dict(held)
        payments = self.resources[Payment]
        size = self.capabilities.kind(Settlement).fetch_size
        for some in batches([each for each in wanted if each not in held], size):
            literals = [queries.literal(each) for each in some]
            request = self.fetch_request(payments, "id", literals)
            more = yield from self.all_rows(payments, request)
            found.update((str(each.get("Id")), each) for each in _live(more))
        paid = {each: Paid(row) for each, row in found.items()}
        return [
            {**row, PAYMENTS: [paid[each] for each in some if each in paid]}
            if some
            else row
            for row, some in zip(rows, links, strict=True)
        ]

    # Reading: by id, number or mark

    def find(self, changes: Sequence[Change]) -> Flow[Page[Record]]:
        """As the base does; a field that cannot be searched parks the write at once."""
        try:
            return (yield from super().find(changes))
        except Fault as fault:
            if fault.code is Code.UNKNOWN_ERROR and fault.fate is Fate.REFUSED:
                text = f"no search for the mark, see marks: {fault.text}"
                raise Fault(Code.NOT_ALLOWED, text) from fault
            raise

    def literal(self, resource: Resource[Any], by: str, value: str) -> str:
        # An application's id begins with that of its payment.
        text = value.partition("/")[0] if by == "id" else value
        worded = by == "mark" and self.mark_fields[resource.kind.__name__] in WORDED
        return queries.literal(f"%{text}%" if worded else text)

    def fetch_request(
        self, resource: Resource[Any], by: str, literals: Sequence[str]
    ) -> Request:
        name = {"id": "Id", "number": resource.number_field}.get(by)
        name = name or self.mark_fields[resource.kind.__name__]
        either = f"{name} IN ({', '.join(literals)})"
        if by == "mark" and name in WORDED:
            either = f"{name} LIKE {literals[0]}"  # it is an odd one: asked for alone
        conditions = [*_always(resource), either]
        return self.query(queries.query(resource.rows, conditions, Place()))

    def names(self, record: Any) -> Iterable[str]:
        if isinstance(record, Customer):
            return (clean_number(record.name),)
        return (getattr(record, "number", ""),)


def _always(resource: Resource[Any]) -> list[str]:
    """Inactive customers are left out where they are not asked for."""
    return ["Active IN (true, false)"] if resource.kind is Customer else []


def _selected(select: Select) -> list[str]:
    match select:
        case Dated(first, last):
            return [f"TxnDate >= '{first}'", f"TxnDate <= '{last}'"]
        case Open(through):
            return [
                "Balance > '0.0'",
                *([f"TxnDate <= '{through}'"] if through else []),
            ]
        case _:
            return []


def _rows(answer: Fields, entity: str) -> list[Any]:
    if not answer.has(entity):
        return []
    rows = answer.raw[entity]
    if not isinstance(rows, list):
        raise Fault(Code.BAD_PAYLOAD, f"{answer.path(entity)} is no list")
    return rows


def _fed(body: Fields) -> dict[str, list[Any]]:
    """The rows of the change feed's answer, by entity; it has a block for each of them."""
    found: dict[str, list[Any]] = {}
    if not body.has("CDCResponse"):
        raise Fault(Code.BAD_PAYLOAD, "no CDCResponse in the answer")
    for answer in body.children("CDCResponse"):
        for block in answer.children("QueryResponse"):
            for name, rows in block.raw.items():
                if isinstance(rows, list):
                    found.setdefault(name, []).extend(rows)
    return found


def _live(rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
    return (each for each in rows if isinstance(each, dict) and not is_deleted(each))


def _refs(loaded: Iterable[Any]) -> tuple[Ref, ...]:
    return tuple(dict.fromkeys(each for each in loaded if isinstance(each, Ref)))
