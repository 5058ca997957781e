"""
What changes do to money: sums by effect and currency.

Nothing here rounds or converts. A change whose money is not known is in no sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import TypeAlias

from attrs import define, field

from tieout.change import Action, Change
from tieout.errors import Fault
from tieout.models import (
    Application,
    CreditNote,
    Invoice,
    Part,
    Payment,
    Record,
    RecordType,
    Settlement,
)
from tieout.money import Money, add_up


class Effect(Enum):
    """
    What a change does to money; its value is how a plan prints it.

    The direction is in the name: a fall of 30 is an amount of 30.
    """

    NEW_INVOICES = "new invoices"
    RAISED_INVOICES = "invoice totals raised"
    LOWERED_INVOICES = "invoice totals lowered"
    VOIDED_INVOICES = "voided invoices"
    NEW_CREDIT_NOTES = "new credit notes"
    RAISED_CREDIT_NOTES = "credit note totals raised"
    LOWERED_CREDIT_NOTES = "credit note totals lowered"
    VOIDED_CREDIT_NOTES = "voided credit notes"
    PAYMENTS_RECORDED = "payments recorded"
    PAYMENTS_RAISED = "payments raised"
    PAYMENTS_LOWERED = "payments lowered"
    PAYMENTS_TAKEN_BACK = "payments taken back"
    PAYMENTS_APPLIED = "payments applied"
    PAYMENTS_UNAPPLIED = "payments no longer applied"
    CREDITS_APPLIED = "credits applied"
    CREDITS_UNAPPLIED = "credits no longer applied"
    OTHERS_APPLIED = "discounts, write-offs and the like applied"
    OTHERS_UNAPPLIED = "discounts, write-offs and the like no longer applied"
    PAID_RISEN = "paid amounts risen"
    PAID_FALLEN = "paid amounts fallen"

    # Members are single: the hash of `Enum` itself is computed in Python at each look-up.
    __hash__ = object.__hash__


Effects: TypeAlias = Mapping[Effect, Mapping[str, Money]]
"""The sums of the effects that occur, by currency."""

_Four: TypeAlias = tuple[Effect, Effect, Effect, Effect]
"""What it is to make, to raise, to lower and to take back."""

_BY_KIND: Mapping[RecordType, _Four] = {
    Invoice: (
        Effect.NEW_INVOICES,
        Effect.RAISED_INVOICES,
        Effect.LOWERED_INVOICES,
        Effect.VOIDED_INVOICES,
    ),
    CreditNote: (
        Effect.NEW_CREDIT_NOTES,
        Effect.RAISED_CREDIT_NOTES,
        Effect.LOWERED_CREDIT_NOTES,
        Effect.VOIDED_CREDIT_NOTES,
    ),
    Payment: (
        Effect.PAYMENTS_RECORDED,
        Effect.PAYMENTS_RAISED,
        Effect.PAYMENTS_LOWERED,
        Effect.PAYMENTS_TAKEN_BACK,
    ),
    Settlement: (
        Effect.PAID_RISEN,
        Effect.PAID_RISEN,
        Effect.PAID_FALLEN,
        Effect.PAID_FALLEN,
    ),
}


def _applying(applied: Effect, unapplied: Effect) -> _Four:
    """More that is applied is applied, and less is not applied any more."""
    return (applied, applied, unapplied, unapplied)


_CASH = _applying(Effect.PAYMENTS_APPLIED, Effect.PAYMENTS_UNAPPLIED)
_CREDIT = _applying(Effect.CREDITS_APPLIED, Effect.CREDITS_UNAPPLIED)
_OTHER = _applying(Effect.OTHERS_APPLIED, Effect.OTHERS_UNAPPLIED)


def _four(change: Change) -> _Four | None:
    """What a change may do to money, or None where its kind has none."""
    record = change.after or change.before
    if not isinstance(record, Application):
        return _BY_KIND.get(change.kind)
    if record.how is Part.CREDIT or record.source.kind == CreditNote.__name__:
        return _CREDIT
    return _CASH if record.how is Part.CASH else _OTHER


def worth(record: Record | None) -> tuple[Decimal, str] | None:
    """What a record is about, and in which currency; None where it has no money."""
    try:
        match record:
            case Invoice() | CreditNote():
                return record.total, record.currency
            case Payment() | Application():
                return record.amount, record.currency
            case Settlement():
                return record.paid, record.currency
    except ArithmeticError:  # a caller's own record may hold what is no number
        return None
    return None


def money_of(record: Record | None) -> Money | None:
    """What a record is about as money; None where it has none, or it is not known."""
    held = worth(record)
    try:
        return Money(*held) if held is not None else None
    except Fault:
        return None


def _moves(change: Change) -> list[tuple[Effect, Money]] | None:
    """What a change does to money; None where that cannot be told."""
    four = _four(change)
    if four is None or change.action is Action.KEEP:
        return []
    made, raised, lowered, taken = four
    before, after = money_of(change.before), money_of(change.after)
    if change.action is Action.CREATE:
        return None if after is None else [(made, after)]
    if change.action is Action.VOID:
        return None if before is None else [(taken, before)]
    if before is None or after is None:
        return None
    if before.currency != after.currency:
        return [(lowered, before), (raised, after)]
    by = after - before
    if not by:
        return []
    return [(raised, by)] if by.amount > 0 else [(lowered, -by)]


@define
class Sums:
    """
    What changes do to money, added up as they come.

    ``left_out`` counts those that are in no sum: their amount or currency is not known,
    or is none.
    """

    left_out: int = 0
    _held: dict[Effect, dict[str, Money]] = field(factory=dict)

    def add(self, change: Change) -> None:
        """One more change."""
        moves = _moves(change)
        try:
            for effect, money in moves or ():
                sums = self._held.setdefault(effect, {})
                had = sums.get(money.currency)
                sums[money.currency] = money if had is None else had + money
        except Fault:  # more digits than any money has
            moves = None
        self.left_out += moves is None

    @property
    def effects(self) -> Effects:
        """The sums so far."""
        return _in_order(self._held)


def summed(changes: Iterable[Change]) -> tuple[Effects, int]:
    """
    The money of changes by effect and currency, and how many changes are in no sum.

    Those are changes whose amount or currency is not known, or is none.
    """
    sums = Sums()
    for change in changes:
        sums.add(change)
    return sums.effects, sums.left_out


def together(*many: Effects) -> Effects:
    """Several sums as one."""
    held: dict[Effect, dict[str, Money]] = {}
    for effects in many:
        for effect, sums in effects.items():
            held[effect] = add_up((*held.get(effect, {}).values(), *sums.values()))
    return _in_order(held)


def _in_order(held: Effects) -> Effects:
    return {
        effect: dict(sorted(held[effect].items()))
        for effect in Effect
        if held.get(effect)
    }
