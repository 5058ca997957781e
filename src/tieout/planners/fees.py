"""
Convenience fees: a part of a payment that is an invoice of its own, or stays on account.

Pure. A fee is money of a payment for which the source has no invoice of its own.
"""

from __future__ import annotations

from attrs import evolve

from tieout.models import FEE, Application, Invoice, Line, Part, Payment, Ref, Status
from tieout.money import ZERO
from tieout.planners.course import Across, Course
from tieout.planners.documents import tied
from tieout.settings import Fees

ROLE = FEE


def is_fee(put: Application) -> bool:
    """Whether a part of a payment is a fee: money for no invoice that the source has."""
    return put.how is Part.OTHER


def fee_of(payment: Payment) -> tuple[Application, ...]:
    """The parts of a payment that are fees."""
    return tuple(put for put in payment.applications if put.live and is_fee(put))


def invoice_of(
    payment: Payment, rules: Fees, across: Across, course: Course
) -> Invoice:
    """The invoice of a payment's fee, as the target is to hold it."""
    amount = sum((put.amount for put in fee_of(payment)), ZERO)
    line = Line(
        rules.description,
        amount,
        account=rules.account or course.settings.accounts.get("fee", ""),
        item=rules.item,
        dimensions={**course.settings.dimensions, **rules.dimensions},
    )
    return Invoice(
        Ref(course.target, Invoice.__name__, ""),
        _number(payment, across.generations.get((payment.ref, ROLE), 0)),
        tied(payment.customer, across),
        payment.currency,
        payment.on,
        amount,
        Status.OPEN,
        due=payment.on,
        lines=(line,),
    )


_PREFIX = "FEE-"


def _number(payment: Payment, generation: int) -> str:
    """The number of a fee's invoice: one that was made anew is another document."""
    again = f"-{generation + 1}" if generation else ""
    return f"{_PREFIX}{payment.number or payment.ref.id}{again}"


def is_of_a_fee(invoice: Invoice) -> bool:
    """Whether an invoice has a number that fees' invoices are given: it is the mark of one."""
    return invoice.number.startswith(_PREFIX)


def unwritten(payment: Payment) -> Payment:
    """A payment whose fees are no applications: their money stays with the customer."""
    puts = (put for put in payment.applications if not is_fee(put))
    return evolve(payment, applications=tuple(puts))
