"""
What a sales invoice in Xero owes, and by what it was settled.

Pure. All of it is told by the invoice's own row: what was applied to it is nested there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from tieout.connector import Fields
from tieout.connectors.xero.values import day
from tieout.errors import Code, Fault
from tieout.models import Basis, Part, Status, settled_day
from tieout.money import ZERO

_NOTES, _ADVANCES = ("CreditNotes",), ("Prepayments", "Overpayments")


def money_of(
    row: Fields, currency: str, total: Decimal, status: Status, on: date | None
) -> dict[str, Any]:
    """What an invoice owes and how it was settled, by a settlement's fields."""
    if status is Status.VOID:
        return {"balance": ZERO}
    if status is Status.DRAFT:
        due = row.maybe_amount("AmountDue", currency)
        return {"balance": total if due is None else due}
    balance = _balance(row, currency, total, status)
    payments = _applied(row, "Payments")
    cash, notes = payments + _applied(row, *_ADVANCES), _applied(row, *_NOTES)
    paid_on, basis = None, None
    if balance <= 0:
        # While something is due, FullyPaidOnDate is of a payment that was deleted since.
        paid_on, basis = day(row, "FullyPaidOnDate"), Basis.LEDGER_FIELD
        if paid_on is None:
            dated = [(day(x, "Date"), _amount(x, currency)) for x in cash + notes]
            settling = [(day, amount) for day, amount in dated if day]
            paid_on, basis = settled_day(total, settling, on), Basis.APPLICATIONS
    days = [day(each, "Date") for each in cash]
    ids = [each.text("PaymentID") for each in payments]
    return {
        "balance": balance,
        "status": Status.OPEN if balance > 0 else Status.SETTLED,
        "settled_by": _parts(row, currency, total - balance),
        "paid_on": paid_on,
        "basis": basis if paid_on else None,
        "last_on": max((day for day in days if day), default=None),
        "receipts": tuple(sorted(each for each in ids if each)),
    }


def _balance(row: Fields, currency: str, total: Decimal, status: Status) -> Decimal:
    """What is due of a posted invoice; `Fault` TOTALS_DISAGREE where the row denies it."""
    balance = row.amount("AmountDue", currency)
    if status is Status.SETTLED and balance > 0:
        text = f"it is called paid, and {balance} is due"
        raise Fault(Code.TOTALS_DISAGREE, text, field="Status")
    told = row.has("AmountPaid") or row.has("AmountCredited")
    if status is Status.OPEN and balance <= 0 and total and not told:
        text = "nothing is due, and nothing is said to have been applied"
        raise Fault(Code.TOTALS_DISAGREE, text, field="AmountDue")
    return balance


def _parts(row: Fields, currency: str, settled: Decimal) -> Mapping[Part, Decimal]:
    """
    Cash and credit, as far as they are told.

    Xero counts prepayments and overpayments as credited; here they are cash. Where it
    does not list all that was credited, the split is unknown and no part is given.
    """
    paid = row.maybe_amount("AmountPaid", currency)
    credited = row.maybe_amount("AmountCredited", currency)
    if paid is None and credited is None and settled:
        return {}
    paid = settled - (credited or ZERO) if paid is None else paid
    credited = settled - paid if credited is None else credited
    if paid + credited != settled or min(paid, credited) < 0:
        text = f"{settled} is settled, but {paid} paid and {credited} credited"
        raise Fault(Code.TOTALS_DISAGREE, text, field="AmountDue")
    credit, advance = (
        sum((_amount(each, currency) for each in _applied(row, *names)), ZERO)
        for names in (_NOTES, _ADVANCES)
    )
    whole = credit + advance == credited
    return {Part.CASH: paid + advance, Part.CREDIT: credit} if whole else {}


def _applied(row: Fields, *names: str) -> list[Fields]:
    """What Xero nests in an invoice as applied to it, and was not taken back."""
    rows = [each for name in names for each in row.children(name)]
    return [each for each in rows if each.text("Status") not in ("DELETED", "VOIDED")]


def _amount(row: Fields, currency: str) -> Decimal:
    name = "Amount" if row.has("Amount") else "AppliedAmount"
    return row.maybe_amount(name, currency) or ZERO
