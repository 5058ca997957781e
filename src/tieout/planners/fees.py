"""
Convenience fees: a part of a payment that is an invoice of its own, or stays on account.

Pure. A fee is the application of a payment to itself: the source has no invoice for it.
"""

from __future__ import annotations

from attrs import evolve

from tieout.change import Action, Change, change_name, mark_of
from tieout.models import (
    Application,
    Invoice,
    Line,
    Part,
    Payment,
    Ref,
    Status,
    fingerprint,
)
from tieout.money import ZERO
from tieout.planners.course import Across, Course
from tieout.planners.documents import tied
from tieout.settings import Fees

ROLE = "fee"
"""The role of the link between a payment and the invoice of its fee."""

KIND = Invoice.__name__


def is_fee(put: Application) -> bool:
    """Whether a part of a payment is a fee: money for no invoice that the source has."""
    return put.how is Part.OTHER


def fee_of(payment: Payment) -> tuple[Application, ...]:
    """The parts of a payment that are fees."""
    return tuple(put for put in payment.applications if put.live and is_fee(put))


def invoice_of(payment: Payment, rules: Fees, across: Across, course: Course) -> Change:
    """The change that makes the invoice of a payment's fee."""
    amount = sum((put.amount for put in fee_of(payment)), ZERO)
    generation = across.generations.get((payment.ref, ROLE), 0)
    number = f"FEE-{payment.number or payment.ref.id}"
    able, target = course.able.kind(Invoice), course.target
    line = Line(
        rules.description,
        amount,
        account=rules.account or course.settings.accounts.get("fee", ""),
        item=rules.item,
        dimensions={**course.settings.dimensions, **rules.dimensions},
    )
    after = Invoice(
        Ref(target, KIND, ""),
        number,
        tied(payment.customer, across),
        payment.currency,
        payment.on,
        amount,
        Status.OPEN,
        due=payment.on,
        lines=(line,),
    )
    mark = mark_of(target, KIND, payment.ref, generation, ROLE)
    if able.mark is None or able.mark.is_number:
        mark = number if able.mark else ""
    planned = across.planned.get(payment.customer, "") if payment.customer else ""
    return Change(
        change_name(target, KIND, payment.ref, generation, Action.CREATE, 0, ROLE),
        Action.CREATE,
        Invoice,
        target,
        payment.ref,
        after=after,
        role=ROLE,
        generation=generation,
        number=number,
        agreed=fingerprint(payment),
        mark=mark,
        depends_on=(planned,) if planned else (),
        reason="the fee of a payment",
    )


def unwritten(payment: Payment) -> Payment:
    """A payment whose fees are no applications: their money stays with the customer."""
    fees = fee_of(payment)
    amount = sum((put.source_amount or put.amount for put in fees), ZERO)
    return evolve(
        payment,
        applications=tuple(put for put in payment.applications if put not in fees),
        unapplied=(payment.unapplied or ZERO) + amount,
    )
