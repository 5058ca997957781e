"""
How Invoiced is written to: one change a request, and what its answer has to show.

What a body holds stands in the room next door. What an invoice was paid is kept as one
payment of ours, and an application as a split of a payment: both take a look first.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from attrs import evolve

from tieout.change import Action, Change, Outcome
from tieout.connector import Fields, Resource
from tieout.connectors.invoiced.bodies import WRITTEN, Bodies, split
from tieout.connectors.invoiced.levels import Level
from tieout.connectors.invoiced.payments import Payments
from tieout.connectors.invoiced.reading import Reader
from tieout.errors import Code, Fate, Fault
from tieout.models import (
    Application,
    CreditNote,
    Payment,
    Ref,
    Settlement,
    Status,
)
from tieout.money import ZERO
from tieout.owned import keep_level
from tieout.wire import Flow, Request, Response


class Writer(Reader):
    """The writing half of the connector."""

    payments: Payments
    bodies: Bodies

    def write_one(self, change: Change) -> Flow[Outcome]:
        if change.kind is Settlement:
            return (yield from keep_level(change, Level(self, change)))
        if change.kind is Application:
            return (yield from self._write_application(change))
        resource = self.resource(change.kind)
        request = self.write_request(resource, change)
        if change.action is Action.UPDATE and not request.json:
            text = "nothing of what differs can be changed at Invoiced"
            raise Fault(Code.NOT_ALLOWED, text)
        if (
            change.kind is Payment
            and change.target
            and "applied_to" in (request.json or ())
        ):
            request = yield from self._keeping(request, change)
        response = yield from self.ask(request)
        return self.written(resource, change, response)

    def write_request(self, resource: Resource[Any], change: Change) -> Request:
        request = super().write_request(resource, change)
        if change.action is Action.VOID and change.kind is not Payment:
            return evolve(request, method="POST", url=f"{request.url}/void")
        return request

    def written(
        self, resource: Resource[Any], change: Change, response: Response
    ) -> Outcome:
        if change.action is Action.VOID and response.body:
            # Only the document as void confirms it; a sign-in page does not.
            record = resource.load(Fields(response.json()))
            if getattr(record, "status", None) is not Status.VOID:
                text = "the answer does not show the document as void"
                raise Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR)
        return super().written(resource, change, response)

    # Payments

    def payment_made(self, change: Change, body: Mapping[str, Any]) -> Request:
        """The request that makes a payment, with our key."""
        keyed = change.key and self.capabilities.idempotency_key
        key = {"Idempotency-Key": change.key} if keyed else {}
        url = self.resources[Payment].path
        return Request("POST", url, (), key, json=body, effect=True)

    def payment_changed(self, payment: str, body: Mapping[str, Any] | None) -> Request:
        """The request that changes a payment, or (None) voids it."""
        url = f"{self.resources[Payment].path}/{quote(payment, safe='')}"
        method = "DELETE" if body is None else "PATCH"
        return Request(method, url, json=body, effect=True)

    def _keeping(self, request: Request, change: Change) -> Flow[Request]:
        """
        The update of a payment with what else it is applied to: fees, credit balance.

        Applications are written as a whole: what is not sent again is taken back.
        """
        before, target = change.before, change.target
        assert target is not None
        row = yield from self.row_now(Payment, target.id)
        there = self.payments.payment(row)
        if isinstance(before, Payment) and _put(there) != _put(before):
            text = "its applications changed since they were read"
            raise Fault(Code.STALE_VERSION, text)
        splits = row.children("applied_to")
        others = [each.raw for each in splits if each.text("type") not in WRITTEN]
        applied = [*request.json["applied_to"], *others]
        return evolve(request, json={**request.json, "applied_to": applied})

    # Applications

    def _write_application(self, change: Change) -> Flow[Outcome]:
        """A credit note applied by a payment of nothing, or taken out of its payment."""
        if change.target is not None:
            return (yield from self._take_out(change, change.target))
        after = change.after
        if not isinstance(after, Application) or after.source.kind != "CreditNote":
            text = "Invoiced applies a payment when the payment itself is written"
            raise Fault(Code.NOT_ALLOWED, text)
        notes = yield from self.found(CreditNote, [after.source.id])
        if not notes:
            raise Fault(Code.VANISHED, "the credit note is gone")
        # Under the same customer: nobody would look for it elsewhere.
        paid = notes[0].customer, after.currency, ZERO, after.on, [split(after, after)]
        body = self.bodies.paying(change.mark, *paid)
        response = yield from self.ask(self.payment_made(change, body))
        payment = self.payments.payment(Fields(response.json()))
        shown = next(iter(payment.applications), None)
        name = f"{payment.ref.id}:{after.source.id}-{after.target.id}"
        ref = shown.ref if shown else Ref(self.connection, "Application", name)
        return Outcome.applied(change, ref=ref, version=payment.version, echo=shown)

    def _take_out(self, change: Change, target: Ref) -> Flow[Outcome]:
        """The payment that holds nothing else is voided, another goes on without it."""
        owner = target.id.partition(":")[0]
        row = yield from self.row_now(Payment, owner)
        payment = self.payments.payment(row)
        if payment.status is Status.VOID:
            return Outcome.applied(change)
        splits = row.children("applied_to")
        named = [(self.payments.application(payment, x), x.raw) for x in splits]
        kept = [raw for each, raw in named if each is None or each.ref != target]
        if len(kept) == len(splits):
            raise Fault(Code.VANISHED, "the payment is not applied so any more")
        body = {"applied_to": kept} if kept else None
        response = yield from self.ask(self.payment_changed(owner, body))
        if kept:
            return Outcome.applied(change)
        return self.written(self.resources[Payment], change, response)


def _put(payment: Payment) -> dict[str, Decimal]:
    """What a payment put where."""
    return {each.ref.id: each.amount for each in payment.applications}
