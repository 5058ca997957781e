"""
What an invoice was paid, as it is written: as one payment record of ours.

Nothing here sends anything by itself; what is there already, the room `money` tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from attrs import evolve, frozen

from tieout.change import Change
from tieout.connector import Fields
from tieout.connectors.invoiced.bodies import Bodies, cash_split
from tieout.connectors.invoiced.errors import SHARED
from tieout.connectors.invoiced.money import Asking, Held, each_once, shares, told
from tieout.connectors.invoiced.payments import Payments
from tieout.models import Part, Payment, Settlement, Status
from tieout.money import ZERO
from tieout.owned import Receipt, Wanted, total
from tieout.wire import Flow, Request, Response


class Paying(Asking, Protocol):
    """What is needed of the connector."""

    payments: Payments
    bodies: Bodies

    def ask(self, request: Request) -> Flow[Response]: ...

    def level_now(self, invoice: str) -> Flow[Settlement]: ...

    def payment_made(self, change: Change, body: Mapping[str, Any]) -> Request: ...

    def payment_changed(
        self, payment: str, body: Mapping[str, Any] | None
    ) -> Request: ...


@frozen
class Level:
    """The payment records of the invoice that one change is about."""

    system: Paying
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
        if total(cash) + max(credit, seen.get(Part.CREDIT, ZERO)) != now.settled:
            others, _ = yield from self.system.payments_of(now.customer, now.carry)
            cash, _ = told(now, each_once(payments, others))
        return [*cash]

    def payment_request(
        self, invoice: Settlement, wanted: Wanted, held: Receipt | None
    ) -> Request:
        bodies, amount, on = self.system.bodies, wanted.amount, wanted.on
        splits = [cash_split(invoice.ref, amount)]
        if held is None:
            paid = invoice.customer, invoice.currency, amount, on, splits
            body = bodies.paying(self.change.mark, *paid)
            return self.system.payment_made(self.change, body)
        if isinstance(held, Held) and not held.alone:
            text = f"payment {held.id} is not of this invoice alone"
            raise SHARED.fault(text)
        if not wanted.amount:
            return self.system.payment_changed(held.id, None)
        edits: Mapping[str, Mapping[str, Any]] = {
            "amount": {"amount": amount, "applied_to": splits},
            "on": {"date": bodies.days.noon(on)} if on else {},
        }
        body = {n: v for each in wanted.differs(held) for n, v in edits[each].items()}
        return self.system.payment_changed(held.id, body)

    def receipt_in(self, response: Response, invoice: Settlement) -> Receipt | None:
        payment = self.system.payments.payment(Fields(response.json()))
        if payment.status is Status.VOID:
            return None
        if payment.applications:
            return next(iter(shares(invoice, [payment])[0]), None)
        # They may be hidden. Ours is of one invoice: what is not left of it was applied.
        applied = payment.amount - (payment.unapplied or ZERO)
        return Receipt(payment.ref.id, applied, payment.on)
