"""
Autotask's filter language: selections and searches as the conditions of one query.

Nothing compares with null, and an unknown operator is silently dropped: only those that
are known are written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from tieout.capabilities import Changed, Dated, Open, Select, Unposted
from tieout.connector import Resource, iso_instant
from tieout.models import CreditNote, Posting, RecordType, Settlement
from tieout.wire import Request

PAGE_MAX = 500
"""Records in one page, and values in one query: Autotask takes no more of either."""

FETCH_MAX = 250
"""Numbers in one query: each may be asked for in two fields."""

# fmt: off
FIELDS: Mapping[RecordType, str] = {
    Settlement: "id companyID invoiceNumber invoiceDateTime invoiceTotal isVoided paidDate orderNumber",
    Posting: "id invoiceNumber webServiceDate",
}
# fmt: on
"""What is read where a few fields are enough; ``id`` always, or there is no second page."""


def condition(op: str, name: str, value: Any = None, **more: Any) -> dict[str, Any]:
    """One condition. No comparison matches null, not even ``noteq``."""
    told = {} if op.endswith("xist") else {"value": value}
    return {"op": op, "field": name, **told, **more}


def either(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"op": "or", "items": [*conditions]}


def _until(day: date | None) -> list[dict[str, Any]]:
    return [condition("lte", "invoiceDateTime", f"{day}T23:59:59.999Z")] if day else []


def selected(select: Select, stamped: str) -> list[dict[str, Any]]:
    """The conditions that a selection is; ``stamped`` is the change time of a company."""
    standing = condition("eq", "isVoided", value=False)
    match select:
        case Changed(since):
            # A company that has not changed since Autotask keeps track has no time.
            return [
                either(
                    condition("gte", stamped, stamp(since)),
                    condition("notExist", stamped),
                )
            ]
        case Dated(first, last):
            return [
                condition("gte", "invoiceDateTime", f"{first}T00:00:00Z"),
                *_until(last),
            ]
        case Open(through):
            return [condition("notExist", "paidDate"), standing, *_until(through)]
        case Unposted(through):
            return [condition("notExist", "webServiceDate"), standing, *_until(through)]
        case _:
            return [condition("exist", "id")]


def query(path: str, conditions: list[Any], fields: str = "", **more: Any) -> Request:
    body = {"MaxRecords": PAGE_MAX, "filter": conditions, **more}
    if fields:
        body["IncludeFields"] = fields.split()
    return Request("POST", f"{path}/query", json=body)


def search(resource: Resource[Any], conditions: list[Any], **more: Any) -> Request:
    """The query for records of a kind, of which credit notes stand among the invoices."""
    if resource.kind is CreditNote:
        conditions = [condition("lt", "invoiceTotal", 0), *conditions]
    return query(resource.path, conditions, FIELDS.get(resource.kind, ""), **more)


def stamp(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def instant(text: str) -> datetime:
    return iso_instant(text, naive_is_utc=True)
