"""
What billing ought to show, worked out the long way round.

It looks at the raw applications of the simulated ledger, tries every day, and shares no
code with tieout.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from tieout.models import Part, Status
from worlds import ZERO, Bill, Billing, Ledger, Paper, Piece


def first_lasting_day(total: Decimal, pieces: Iterable[Piece], on: date) -> date | None:
    """The first of all days from which nothing is owed on that day and every later one."""
    settling = [(max(each.on, on), each.amount) for each in pieces]
    days = sorted({on, *(day for day, _ in settling)})

    def owed(day: date) -> Decimal:
        return total - sum((amount for when, amount in settling if when <= day), ZERO)

    for day in days:
        if all(owed(later) <= 0 for later in days if later >= day):
            return day
    return None


def shown(
    paper: Paper, bill: Bill, *, write_off: str = "open", cash_only: bool = False
) -> tuple[Decimal, date | None]:
    """Paid Amount and Date Paid of one invoice."""
    if paper.status is Status.VOID:
        return ZERO, None
    live = [each for each in paper.pieces if each.live]
    if write_off == "open":
        live = [each for each in live if each.how is not Part.WRITE_OFF]
    counted = sum((each.amount for each in live), ZERO)
    day = first_lasting_day(paper.total, live, paper.on)
    amount = min(counted, paper.total)
    credit = sum((each.amount for each in live if each.how is Part.CREDIT), ZERO)
    amount -= min(credit, bill.credited)
    if cash_only:
        cash = sum((each.amount for each in live if each.how is Part.CASH), ZERO)
        amount = min(cash, paper.total)
    return amount, day


def expected(
    ledger: Ledger, billing: Billing, leaving_out: Iterable[str] = ()
) -> dict[str, tuple[Decimal, date | None]]:
    """By billing id, what each invoice that both sides have ought to show."""
    bills = {bill.number: bill for bill in billing.bills.values()}
    return {
        bills[paper.number].id: shown(paper, bills[paper.number])
        for paper in ledger.papers.values()
        if paper.number in bills
        and paper.id not in leaving_out
        and paper.status is not Status.DRAFT
    }
