"""
The documents that a system holds of one payment: a whole one, or parts of it by invoice.

Pure. Credits that were applied with a payment are no part of its money. What becomes of
the documents is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from attrs import evolve, frozen

from tieout.models import Application, Part, Payment, Status
from tieout.money import ZERO
from tieout.planners import fees
from tieout.planners.course import Course

WHOLE = ""
"""The role of a payment that is one document."""

REST = "rest"
"""The role of what of a payment was put to no invoice, where that is a document apart."""


@frozen
class Leg:
    """One payment document that the target should hold of a payment, by its role."""

    role: str
    after: Payment


def legs(payment: Payment, course: Course) -> list[Leg]:
    """
    A payment as the documents that the target can hold of it, its credits apart.

    Where a payment is put to so many invoices only, each invoice has a document of its
    own, also the only one: what is put to others later leaves it as it is. Of a payment
    that moves no cash, because credits alone were applied, there is none.
    """
    puts = _by_invoice(payment)
    rest = payment.amount - sum(map(money_of, puts), ZERO)
    if not payment.amount:
        return []
    if course.able.invoices_per_payment is None:
        return [Leg(WHOLE, _written(payment, puts, payment.amount, rest))]
    parts = [
        Leg(_part(put), _written(payment, [put], money_of(put), ZERO)) for put in puts
    ]
    left = [Leg(REST, _written(payment, [], rest, rest))] if rest else []
    return [*parts, *left]


def roles(payment: Payment, course: Course) -> tuple[str, ...]:
    """The roles in which a payment may have documents on the other side."""
    puts = [put for put in payment.applications if put.how is not Part.CREDIT]
    parts = [_part(put) for put in puts] if course.able.invoices_per_payment else []
    return (WHOLE, fees.ROLE, REST, *dict.fromkeys(parts))


def own(payment: Payment) -> tuple[Application, ...]:
    """The live applications of a payment's own money, its fees among them."""
    return tuple(
        put for put in payment.applications if put.live and put.how is not Part.CREDIT
    )


def money_of(put: Application) -> Decimal:
    """What of a payment an application takes, in the payment's currency."""
    return put.amount if put.source_amount is None else put.source_amount


def _by_invoice(payment: Payment) -> list[Application]:
    """What a payment is put to, each invoice once; fees are one, as their invoice is."""
    found: dict[str, Application] = {}
    for put in own(payment):
        fee = fees.is_fee(put)
        key = fees.ROLE if fee else put.target.id
        # The payment itself stands for its fee's invoice, which is yet to be made.
        each = evolve(put, target=payment.ref) if fee else put
        held = found.get(key)
        found[key] = each if held is None else _together(held, each)
    return list(found.values())


def _together(one: Application, other: Application) -> Application:
    """Two applications to the same invoice as one."""
    told = one.source_amount is not None or other.source_amount is not None
    return evolve(
        one,
        amount=one.amount + other.amount,
        source_amount=money_of(one) + money_of(other) if told else None,
        on=max(one.on, other.on),
    )


def _written(
    payment: Payment, puts: Iterable[Application], amount: Decimal, rest: Decimal
) -> Payment:
    """A payment of so much as a system is told of it: what it is put to is cash there."""
    told = [
        evolve(put, how=Part.CASH, changed_at=None, version="", custom={}, carry=None)
        for put in puts
    ]
    return evolve(
        payment,
        amount=amount,
        unapplied=rest,
        status=Status.OPEN if rest else Status.SETTLED,
        applications=tuple(told),
        changed_at=None,
        version="",
        custom={},
        carry=None,
    )


def _part(put: Application) -> str:
    return f"{fees.ROLE} part" if fees.is_fee(put) else f"part:{put.target.id}"
