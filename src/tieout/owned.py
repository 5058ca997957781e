"""
An invoice's money as one payment of ours, in systems that hold payments as records.

Such a system has no field for the amount that was paid: what it shows is the sum of its
payments. So the level is kept as one payment record, which is ours: made, changed or taken
away with at most one effect, and never added to what is there. Nothing here knows an
address or a field of any system.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Protocol

from attrs import evolve, frozen

from tieout.change import Change, Outcome, State
from tieout.errors import Code, Fault
from tieout.models import Settlement
from tieout.money import ZERO
from tieout.wire import Flow, Request, Response

_SEVERAL = "Delete by hand all but one of the named payments."


@frozen
class Receipt:
    """One payment record of an invoice: ``amount`` in the invoice's currency."""

    id: str
    amount: Decimal
    on: date | None


@frozen
class Wanted:
    """The one payment that is wanted; without ``dated`` its day is left as it is."""

    amount: Decimal
    on: date | None
    dated: bool = True

    def met(self, cash: Sequence[Receipt]) -> bool:
        """Whether these payments are the one that is wanted."""
        if not self.amount:
            return not cash
        return len(cash) == 1 and self.differs(cash[0]) == ()

    def differs(self, held: Receipt) -> tuple[str, ...]:
        """In which fields a payment is not what is wanted: ``amount``, ``on``."""
        amount = held.amount != self.amount
        return ("amount",) * amount + ("on",) * (self.dated and held.on != self.on)


class PaymentRecords(Protocol):
    """What a connector has to offer whose system keeps levels so."""

    def receipts(self, invoice: Settlement) -> Flow[list[Receipt]]:
        """The cash payments of an invoice, as they are now."""
        ...

    def payment_request(
        self, invoice: Settlement, wanted: Wanted, held: Receipt | None
    ) -> Request:
        """
        The one request, with an effect, that brings about what is wanted: a new payment
        (``held`` is None), a change of the one that is held, or, where the wanted amount
        is 0, its removal.
        """
        ...

    def receipt_in(self, response: Response, invoice: Settlement) -> Receipt | None:
        """The payment that an answer shows; None where it shows none."""
        ...

    def ask(self, request: Request) -> Flow[Response]: ...


def keep_level(
    change: Change, records: PaymentRecords, *, partial_date: bool = True
) -> Flow[Outcome]:
    """
    Make one payment of ours the invoice's money: read, then at most one effect.

    ``partial_date``: a part payment is dated by the last receipt; else it has no date.
    Raises `Fault` STALE_VERSION where somebody was faster, PAID_ON_BOTH_SIDES where what
    is there is not ours to change.
    """
    after = change.after
    if not isinstance(after, Settlement):
        raise Fault(Code.NOT_ALLOWED, "a level is a settlement")
    invoice = evolve(after, ref=change.target or after.ref)
    wanted = _wanted(invoice, partial_date=partial_date)
    cash = yield from records.receipts(invoice)
    if not wanted.met(cash):
        _guard(change, cash)
        cash = yield from _put(records, invoice, wanted, cash)
    return _outcome(change, invoice, wanted, cash)


def total(receipts: Iterable[Receipt]) -> Decimal:
    """What payments come to."""
    return sum((each.amount for each in receipts), ZERO)


def last_on(receipts: Iterable[Receipt]) -> date | None:
    """The day of the last payment."""
    return max((each.on for each in receipts if each.on), default=None)


def _wanted(after: Settlement, *, partial_date: bool) -> Wanted:
    """The one payment; its date is left alone where none is told."""
    if after.paid < 0:
        raise Fault(Code.NOT_ALLOWED, f"a payment of {after.paid} cannot be kept")
    day = after.paid_on or (after.last_on if partial_date else None)
    return Wanted(after.paid, day, dated=day is not None or not partial_date)


def _put(
    records: PaymentRecords,
    invoice: Settlement,
    wanted: Wanted,
    cash: Sequence[Receipt],
) -> Flow[list[Receipt]]:
    """Send the one request; the payments that it left."""
    held = cash[0] if cash else None
    try:
        response = yield from records.ask(
            records.payment_request(invoice, wanted, held)
        )
    except Fault as fault:
        if fault.code is Code.NO_SUCH_RESOURCE and held is not None:
            if not wanted.amount:
                return []  # somebody was faster; it is gone all the same
            raise Fault(Code.STALE_VERSION, fault.text) from fault
        raise
    if not wanted.amount and not response.body:
        return []
    try:
        shown = records.receipt_in(response, invoice)
    except Fault:
        shown = None
    if shown is not None and wanted.met([shown]):
        return [shown]
    return (yield from records.receipts(invoice))


def _guard(change: Change, cash: Sequence[Receipt]) -> None:
    """Refuse what changed since the change was planned, and what is not ours to change."""
    ids, before = [each.id for each in cash], change.before
    if isinstance(before, Settlement):
        was = set(before.receipts), before.last_on
        # None were read where nothing was paid.
        other = before.receipts and was != (set(ids), last_on(cash))
        if other or total(cash) != before.paid:
            text = "its payments changed since they were read"
            raise Fault(Code.STALE_VERSION, text)
    if len(cash) > 1 or not (change.take_over or {*ids} <= {*change.owned}):
        text = f"the invoice holds payment {', '.join(ids)}, not one of ours alone"
        remedy = _SEVERAL if len(cash) > 1 else ""
        raise Fault(Code.PAID_ON_BOTH_SIDES, text, remedy=remedy)


def _outcome(
    change: Change, invoice: Settlement, wanted: Wanted, cash: Sequence[Receipt]
) -> Outcome:
    """What the payments that are there in the end say of the change."""
    done = Outcome.applied(change, owned=tuple(each.id for each in cash))
    if wanted.met(cash):
        return done
    held = ", ".join(f"{each.id}: {each.amount} of {each.on}" for each in cash)
    sent = f"{wanted.amount} of {wanted.on}"
    text = f"{sent} was sent, payments there: {held or 'none'}"
    short = wanted.amount - total(cash)
    before = change.before
    untouched = isinstance(before, Settlement) and total(cash) == before.paid != 0
    if len(cash) == 1 and short > 0 and not untouched:
        text = f"{short} {invoice.currency} was not applied: {text}"
        return evolve(done, notes=(Code.UNAPPLIED_CREDIT,), text=text)
    # Kept as unknown, with what is ours named: it is looked at before a next try.
    return evolve(done, state=State.UNKNOWN, code=Code.UNKNOWN_ERROR, text=text)
