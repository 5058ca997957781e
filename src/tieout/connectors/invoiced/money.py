"""
What an invoice was paid by: the payments behind it, and the one of them that is ours.

Nothing here reads a row. Invoiced tells of an invoice what is left of it alone; which
payments settled it is told by the payments, and only if they are asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any, Protocol, TypeAlias

from attrs import define, evolve, field, frozen

from tieout.change import Change, Issue
from tieout.connector import Fields
from tieout.connectors.invoiced.records import CASH, CREDIT, LOOK, Records, own
from tieout.errors import Code, Fault
from tieout.models import (
    Basis,
    Customer,
    Payment,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.money import ZERO
from tieout.owned import Receipt, Wanted, last_on, total
from tieout.wire import Flow, Request, Response

ANCESTORS_MAX = 5
"""Parents of a customer that are looked at for payments; deeper trees are mistakes."""

_SHARED = "Take it off the other invoices by hand, or make the invoice's part equal."


Told: TypeAlias = tuple[list[Payment], tuple[Issue, ...]]
"""Payments, and an issue for each that could not be read."""


class Asking(Protocol):
    """What is needed of the connector."""

    records: Records

    def ask(self, request: Request) -> Flow[Response]: ...

    def payments_of(self, customer: Ref | None, since: int) -> Flow[Told]: ...

    def found(self, kind: RecordType, ids: Sequence[str]) -> Flow[Sequence[Any]]: ...

    def level_now(self, invoice: str) -> Flow[Settlement]: ...

    def payment_made(self, change: Change, body: Mapping[str, Any]) -> Request: ...

    def payment_changed(
        self, payment: str, body: Mapping[str, Any] | None
    ) -> Request: ...


@frozen
class Held(Receipt):
    """A receipt, and whether its payment is of this invoice alone."""

    alone: bool = True


# Reading a level --------------------------------------------------------------------


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
            raise Fault(Code.TOTALS_DISAGREE, text, field="balance", remedy=LOOK)
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
        settled_by={CASH: total(cash), CREDIT: credit},
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
        cash = sum((each.amount for each in mine if each.how is CASH), ZERO)
        credit += sum((each.amount for each in mine if each.how is CREDIT), ZERO)
        if cash:
            alone = len(payment.applications) == 1 and not payment.unapplied
            held.append(Held(payment.ref.id, cash, payment.on, alone))
    return sorted(held, key=lambda each: int(each.id)), credit


# Writing a level --------------------------------------------------------------------


@frozen
class Level:
    """The payment records of the invoice that one change is about."""

    system: Asking
    change: Change

    def ask(self, request: Request) -> Flow[Response]:
        response = yield from self.system.ask(request)
        if request.method == "DELETE" and response.body:
            # The record stays, and shows that it is void: that is its removal.
            shown = response.json()
            void = isinstance(shown, Mapping) and shown.get("voided") is True
            return evolve(response, body=b"") if void else response
        return response

    def receipts(self, invoice: Settlement) -> Flow[list[Receipt]]:
        """
        Its cash payments: those that are known, if they explain what the invoice says.

        Else somebody else paid: then its customer's are gone through.
        """
        now = yield from self.system.level_now(invoice.ref.id)
        before = self.change.before
        seen = before.settled_by if isinstance(before, Settlement) else {}
        known = dict.fromkeys((*invoice.receipts, *self.change.owned))
        payments = [*(yield from self.system.found(Payment, [*known]))]
        cash, credit = told(now, payments)
        if total(cash) + max(credit, seen.get(CREDIT, ZERO)) != now.settled:
            others, _ = yield from self.system.payments_of(now.customer, now.carry)
            cash, _ = told(now, each_once(payments, others))
        return [*cash]

    def payment_request(
        self, invoice: Settlement, wanted: Wanted, held: Receipt | None
    ) -> Request:
        records = self.system.records
        split = {
            "type": "invoice",
            "invoice": own(invoice.ref),
            "amount": wanted.amount,
        }
        money = {"amount": wanted.amount, "applied_to": [split]}
        day = {"date": records.at(wanted.on)} if wanted.on else {}
        if held is None:
            owner = {"customer": own(invoice.customer)} if invoice.customer else {}
            how = {"currency": invoice.currency.lower(), "method": records.method}
            body = {**owner, **day, **how, **money}
            return self.system.payment_made(self.change, body)
        if isinstance(held, Held) and not held.alone:
            text = f"payment {held.id} is not of this invoice alone"
            raise Fault(Code.PAID_ON_BOTH_SIDES, text, remedy=_SHARED)
        if not wanted.amount:
            return self.system.payment_changed(held.id, None)
        edits: Mapping[str, Mapping[str, Any]] = {"amount": money, "on": day}
        body = {n: v for each in wanted.differs(held) for n, v in edits[each].items()}
        return self.system.payment_changed(held.id, body)

    def receipt_in(self, response: Response, invoice: Settlement) -> Receipt | None:
        payment = self.system.records.load_payment(Fields(response.json()))
        if payment.status is Status.VOID:
            return None
        if payment.applications:
            return next(iter(shares(invoice, [payment])[0]), None)
        # They may be hidden. Ours is of one invoice: what is not left of it was applied.
        applied = payment.amount - (payment.unapplied or ZERO)
        return Receipt(payment.ref.id, applied, payment.on)
