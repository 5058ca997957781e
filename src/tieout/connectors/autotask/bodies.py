"""
What is sent to Autotask of a record: pure.

Nothing here reads a row, or knows where a body is sent to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tieout.change import Action, Change
from tieout.connectors.autotask.queries import stamp
from tieout.errors import Code, Fault
from tieout.models import Status

NUMBER_LENGTH = 100
"""Characters of an invoice's number."""


def company_body(
    change: Change, new_fields: Mapping[str, Any], mark_field: str
) -> dict[str, Any]:
    """All of a new company, with what it needs besides; of one that is there, what differs."""
    told = _company(change.after)
    if change.action is Action.CREATE:
        mark = {"name": mark_field, "value": change.mark}
        marked = {"userDefinedFields": [mark]} if all(mark.values()) else {}
        new = {name: value for name, value in told.items() if value is not None}
        return {**new_fields, **new, **marked}
    was = _company(change.before) if change.before else {}
    body = {name: value for name, value in told.items() if value != was.get(name)}
    if not body:
        raise Fault(Code.NOT_ALLOWED, "nothing differs that can be written")
    return body


def _company(customer: Any) -> dict[str, Any]:
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
    """An invoice's number: nothing else of it can be changed."""
    number = getattr(change.after, "number", "")
    if not 0 < len(number) <= NUMBER_LENGTH:
        text = f"a number has 1 to {NUMBER_LENGTH} characters"
        raise Fault(Code.NOT_ALLOWED, text, field="number")
    return {"invoiceNumber": number}


def handed_over_body(change: Change) -> dict[str, Any]:
    """When it was handed over, to the second; None takes it back."""
    after: Any = change.after
    return {"webServiceDate": stamp(after.on) if after.on else None}
