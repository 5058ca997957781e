"""Autotask's rows as lines and ids, and what is sent of a record: pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tieout.change import Change
from tieout.connector import (
    Fields,
)
from tieout.connectors.autotask.queries import stamp
from tieout.errors import Code, Fault
from tieout.models import (
    Line,
    Status,
)
from tieout.money import ZERO, parse_amount

NUMBER_LENGTH = 100
"""Characters of an invoice's number."""

IDS = re.compile(r"[0-9]{1,18}", re.ASCII)
"""What an id of Autotask looks like: a whole number of 64 bits."""

LINE_HELD = ("id", "billingItemType", "lineItemID", "contractID", "projectID")
"""What a line holds besides, as it is."""


def line(row: Fields, currency: str, sign: int) -> Line:
    """A billing item; ``sign`` is -1 where the document is a credit note."""
    price, tax = (
        row.maybe_amount(name, currency) for name in ("extendedPrice", "taxDollars")
    )
    rate = row.maybe("rate", parse_amount)
    return Line(
        row.text("description") or row.text("itemName"),
        sign * (price or ZERO) or ZERO,
        quantity=row.maybe("quantity", parse_amount),
        unit_price=None if rate is None else sign * rate or ZERO,
        tax=None if tax is None else sign * tax or ZERO,
        account=row.text("billingCodeID"),
        item=row.text("serviceID"),
        custom=held(row, LINE_HELD),
    )


def held(row: Fields, names: Iterable[str]) -> dict[str, Any]:
    return {name: row.text(name) for name in names if row.has(name)}


def one_id(row: Any, name: str) -> str:
    """What a row is found by in another list; "" where there is nothing of the kind."""
    found = row.get(name) if isinstance(row, Mapping) else None
    return str(found) if isinstance(found, int | str) else ""


def all_ids(rows: Iterable[Any], name: str) -> list[int]:
    found = dict.fromkeys(one_id(row, name) for row in rows)
    return [int(each) for each in found if IDS.fullmatch(each)]


def joined_with(row: Any, **told: Any) -> Any:
    return {**row, **told} if isinstance(row, Mapping) else row


def company_body(customer: Any) -> dict[str, Any]:
    return {
        "companyName": customer.name,
        "companyNumber": customer.number or None,
        "isActive": customer.active,
        "parentCompanyID": int(customer.parent.id) if customer.parent else None,
    }


def paid_body(change: Change) -> dict[str, Any]:
    """The day of full payment; where something is owed, there is none."""
    after: Any = change.after
    if after.status is Status.SETTLED and after.paid_on is None:
        raise Fault(Code.NOT_ALLOWED, "the day of full payment is not known")
    settled = after.status is Status.SETTLED
    return {"paidDate": f"{after.paid_on}T00:00:00Z" if settled else None}


def renumbered_body(change: Change) -> dict[str, Any]:
    number = getattr(change.after, "number", "")
    if not 0 < len(number) <= NUMBER_LENGTH:
        text = f"a number has 1 to {NUMBER_LENGTH} characters"
        raise Fault(Code.NOT_ALLOWED, text, field="number")
    return {"invoiceNumber": number}


def handed_over_body(change: Change) -> dict[str, Any]:
    """When it was handed over, to the second; None takes it back."""
    after: Any = change.after
    return {"webServiceDate": stamp(after.on) if after.on else None}
