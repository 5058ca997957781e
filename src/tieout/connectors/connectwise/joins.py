"""
Rows of ConnectWise joined with what its other lists say of them, before they are read.

Nothing here makes a record of a row; what cannot be asked about is passed on as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from tieout.connector import packed
from tieout.connectors.connectwise.batches import BATCHES
from tieout.connectors.connectwise.conditions import BILLS, INVOICES, payments_of
from tieout.connectors.connectwise.errors import mapping
from tieout.connectors.connectwise.records import ID, INVOICE_TYPES
from tieout.errors import Fault, Scope
from tieout.models import (
    Application,
    CreditNote,
    Invoice,
    Payment,
    RecordType,
    Settlement,
)
from tieout.wire import Flow

ROLL_UPS: Mapping[RecordType, tuple[str, ...]] = {
    Settlement: ("payments",),
    Payment: ("payments",),
    Application: ("payments", "credits"),
}
"""Where all of these are zero, an invoice has no payment records of the kind."""

IDS_LENGTH_MAX = 1500
"""Encoded characters of the ids in one address; web servers cut these at about 2,000."""

_ZERO = re.compile(r"0+(\.0+)?", re.ASCII)


class Lists(Protocol):
    """What a connector has to offer whose rows are joined."""

    def listed(self, path: str, condition: str = "") -> Flow[list[Any]]:
        """All rows of a list."""
        ...


def with_records(
    lists: Lists, rows: Iterable[Any], roll_ups: Iterable[str]
) -> Flow[list[Any]]:
    """Invoices with their payment ``records``, unless these roll-ups are zero."""
    found: list[Any] = []
    for row in rows:
        bill = mapping(row)
        told = any(not _ZERO.fullmatch(str(bill.get(name))) for name in roll_ups)
        if _kind_of(bill) is Invoice and told:
            try:
                records: Any = yield from lists.listed(payments_of(str(bill["id"])))
            except Fault as fault:
                if fault.code.scope is Scope.CONNECTION:
                    raise
                records = fault
            found.append({**bill, "records": records})
        else:
            found.append(row)
    return found


def with_uses(lists: Lists, rows: list[Any]) -> Flow[list[Any]]:
    """Credit memos with the payment records that apply them (``applied``)."""
    memos = [each for each in map(mapping, rows) if _kind_of(each) is CreditNote]
    used = [each for each in memos if each.get("total") != each.get("balance")]
    companies = sorted({_named(each, "company") for each in used} - {""})
    bills: list[Any] = []
    for some in packed(companies, len(companies), IDS_LENGTH_MAX):
        where = f"{BILLS} and credits!=0 and company/id in ({','.join(some)})"
        bills += yield from lists.listed(INVOICES, where)
    uses: dict[str, list[Any]] = {}
    for each in each_record((yield from with_records(lists, bills, ("credits",)))):
        uses.setdefault(_named(each, "credit"), []).append(each)
    owns = [_named({"memo": row}, "memo") for row in rows]
    return [
        {**row, "applied": uses.get(own, [])} if own else row
        for row, own in zip(rows, owns, strict=True)
    ]


def with_batches(
    lists: Lists, rows: Iterable[Any], unposted_id: str
) -> Flow[list[Any]]:
    """Documents, also as the unposted list has them, with their batches (``batch``)."""
    found: list[Any] = []
    for row in rows:
        told = mapping(row)
        # There a row's own id is a ledger entry's.
        own = {"id": told.get(unposted_id), "type": told.get("invoiceType")}
        found.append({**told, **own} if unposted_id in told else row)
    held = [_named(row, "glBatch") for row in found]
    ids = sorted({*held} - {""})
    if not ids:
        return found
    batches = yield from lists.listed(BATCHES, f"id in ({','.join(ids)})")
    by_id = {str(mapping(each).get("id")): each for each in batches}
    return [
        {**row, "batch": by_id[own]} if own in by_id else row
        for row, own in zip(found, held, strict=True)
    ]


def each_record(rows: Iterable[Any]) -> list[Any]:
    """The payment records of invoices, each with its invoice (``bill``) and its full id."""
    found: list[Any] = []
    for bill in map(mapping, rows):
        own, records = str(bill.get("id")), bill.get("records")
        if isinstance(records, Fault) or _kind_of(bill) is None:
            found.append({"bill": bill, "key": own, "records": records})
            continue
        found += [
            {**each, "bill": bill, "key": f"{own}/{each.get('id')}"}
            for each in map(mapping, records or ())
        ]
    return found


def _kind_of(bill: Mapping[str, Any]) -> RecordType | None:
    """Of a document, if it can be asked about; one of no known kind is an issue."""
    sound = ID.fullmatch(str(bill.get("id")))
    return INVOICE_TYPES.get(str(bill.get("type"))) if sound else None


def _named(row: Any, name: str) -> str:
    """The id behind a reference, where it can be asked about."""
    own = str(mapping(mapping(row).get(name)).get("id"))
    return own if ID.fullmatch(own) and own != "0" else ""
