"""
What an invoice was paid by: the payments behind a settlement.

Nothing here reads a row or writes one. Invoiced tells of an invoice what is left of it
alone; which payments settled it is told by the payments, and only if they are asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any, Protocol, TypeAlias

from attrs import define, evolve, field, frozen

from tieout.change import Issue
from tieout.connectors.invoiced.errors import LOOK
from tieout.errors import Code, Fault
from tieout.models import (
    Basis,
    Customer,
    Part,
    Payment,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.money import ZERO
from tieout.owned import Receipt, last_on, total
from tieout.wire import Flow

ANCESTORS_MAX = 5
"""Parents of a customer that are looked at for payments; deeper trees are mistakes."""

Told: TypeAlias = tuple[list[Payment], tuple[Issue, ...]]
"""Payments, and an issue for each that could not be read."""


class Asking(Protocol):
    """What is needed of the connector."""

    def payments_of(self, customer: Ref | None, since: int) -> Flow[Told]: ...

    def found(self, kind: RecordType, ids: Sequence[str]) -> Flow[Sequence[Any]]: ...


@frozen
class Held(Receipt):
    """A receipt, and whether its payment is of this invoice alone."""

    alone: bool = True


@define
class Look:
    """
    The payments behind the settlements of one page; each customer's are read once.

    ``since`` is from when on they can have been applied, by customer.
    """

    system: Asking
    since: Mapping[Ref | None, int]
    payments: dict[tuple[Ref, int], Told] = field(factory=dict)
    parents: dict[Ref, Ref | None] = field(factory=dict)

    @classmethod
    def at(cls, system: Asking, levels: Iterable[Settlement]) -> Look:
        """A look at these settlements."""
        since: dict[Ref | None, int] = {}
        for each in levels:
            earliest = since.get(each.customer, each.carry)
            since[each.customer] = min(each.carry, earliest)
        return cls(system, since)

    def receipted(self, record: Settlement) -> Flow[Settlement]:
        """
        A settlement with its parts and days; no call where nothing was settled.

        Raises `Fault` TOTALS_DISAGREE where its payments come to more than was settled.
        """
        owner, tries = record.customer, ANCESTORS_MAX
        if owner is None or not record.settled or record.status is Status.VOID:
            return record
        since = self.since[owner]
        found, bad = yield from self._payments(owner, since)
        cash, credit = told(record, found)
        while owner is not None and tries and total(cash) + credit < record.settled:
            # Parents pay for their children.
            owner, tries = (yield from self._parent(owner)), tries - 1
            if owner is not None:
                more, worse = yield from self._payments(owner, since)
                found, bad = each_once(found, more), (*bad, *worse)
                cash, credit = told(record, found)
        rest = record.settled - total(cash) - credit
        if rest and bad:
            raise Fault(bad[0].code, f"payment: {bad[0].text}", field=bad[0].field)
        if rest < 0:
            text = f"{record.settled} is settled, by payments of {total(cash)} and {credit} credit"
            raise LOOK.fault(text, field="balance")
        # No payment shows a credit note that was issued against the invoice.
        return _with(record, cash, credit + rest)

    def _payments(self, owner: Ref, since: int) -> Flow[Told]:
        asked = owner, since
        if asked not in self.payments:
            self.payments[asked] = yield from self.system.payments_of(owner, since)
        return self.payments[asked]

    def _parent(self, owner: Ref) -> Flow[Ref | None]:
        if owner not in self.parents:
            customers = yield from self.system.found(Customer, [owner.id])
            self.parents[owner] = next((each.parent for each in customers), None)
        return self.parents[owner]


def _with(record: Settlement, cash: Sequence[Receipt], credit: Decimal) -> Settlement:
    latest = last_on(cash)
    paid_on = latest if record.status is Status.SETTLED else None
    return evolve(
        record,
        settled_by={Part.CASH: total(cash), Part.CREDIT: credit},
        receipts=tuple(each.id for each in cash),
        last_on=latest,
        paid_on=paid_on,
        basis=Basis.LAST_RECEIPT if paid_on else None,
    )


def told(record: Settlement, payments: Sequence[Payment]) -> tuple[list[Held], Decimal]:
    """
    The cash and the credit of an invoice: of the payments that went through, and of those
    under way too, where only that makes what the invoice says.
    """
    done = [each for each in payments if each.status is not Status.DRAFT]
    for some in (done, payments):
        cash, credit = shares(record, some)
        if total(cash) + credit == record.settled:
            return cash, credit
    return shares(record, done)


def each_once(*some: Iterable[Payment]) -> list[Payment]:
    """The payments of several lists, as they are last."""
    return list({each.ref.id: each for each in chain(*some)}.values())


def shares(
    record: Settlement, payments: Iterable[Payment]
) -> tuple[list[Held], Decimal]:
    """
    What payments put to an invoice: cash, payment by payment, and the sum of credits.

    Raises `Fault` CURRENCY_DIFFERS where one is in another currency.
    """
    held, credit = list[Held](), ZERO
    for payment in payments:
        mine = [e for e in payment.applications if e.live and e.target == record.ref]
        if mine and payment.currency != record.currency:
            text = f"payment {payment.ref.id} is in {payment.currency}"
            raise Fault(Code.CURRENCY_DIFFERS, text, field="currency")
        cash = sum((each.amount for each in mine if each.how is Part.CASH), ZERO)
        credit += sum((each.amount for each in mine if each.how is Part.CREDIT), ZERO)
        if cash:
            alone = len(payment.applications) == 1 and not payment.unapplied
            held.append(Held(payment.ref.id, cash, payment.on, alone))
    return sorted(held, key=lambda each: int(each.id)), credit
