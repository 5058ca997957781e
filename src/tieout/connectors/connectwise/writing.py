"""
How changes are written to ConnectWise: one by one, and what is handed over in batches.

What a body holds, and how a batch is made, stands in the rooms next door.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from attrs import evolve

from tieout.change import Action, Change, Outcome
from tieout.connector import Fields, Resource, guarded_batch
from tieout.connectors.connectwise.batches import (
    hand_over,
    hands_over,
    is_posting,
    take_back,
)
from tieout.connectors.connectwise.bodies import (
    Bodies,
    edits,
    filled,
    invoice_of,
    receipt_body,
)
from tieout.connectors.connectwise.conditions import (
    INVOICES,
    document_at,
    payment_at,
    payments_of,
)
from tieout.connectors.connectwise.errors import DELETING, MAY_NOT_DELETE, mapping
from tieout.connectors.connectwise.reading import Reader
from tieout.connectors.connectwise.records import id_behind, receipt_of, receipts_of
from tieout.errors import Code, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    Settlement,
    Status,
)
from tieout.owned import Receipt, Wanted, keep_level
from tieout.wire import Flow, Request, Response


class Writer(Reader):
    """The half of a connector to ConnectWise that writes."""

    batch_prefix: str

    _bodies: Bodies
    _voided: Mapping[str, Any]
    _dated: bool
    _closed_path: str

    def check_allowed(self, change: Change) -> None:
        try:
            super().check_allowed(change)
        except Fault as fault:
            if change.action is Action.VOID and change.kind in (Invoice, CreditNote):
                raise MAY_NOT_DELETE.fault(fault.text) from fault
            raise

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        """Documents one by one; what is handed over, all in one accounting batch."""
        others = [change for change in changes if not is_posting(change)]
        outcomes = yield from super().write(others)
        postings = [change for change in changes if is_posting(change)]
        for move, ahead in ((hand_over, True), (take_back, False)):
            some = [change for change in postings if hands_over(change) is ahead]
            if some:
                flow = guarded_batch(move(self, some), some, self.judge)
                outcomes += yield from flow
        return outcomes

    def write_one(self, change: Change) -> Flow[Outcome]:
        if change.kind is Settlement:
            return (yield from keep_level(change, self, partial_date=self._dated))
        if change.action is Action.VOID and change.kind in (Invoice, CreditNote):
            yield from self._deletable(change)
        return (yield from super().write_one(change))

    def _deletable(self, change: Change) -> Flow[None]:
        """Refuse what stands in a batch or is closed: it counts in the books."""
        assert change.target is not None
        asked = Request("GET", document_at(change.target.id))
        row = Fields((yield from self.ask(asked)).json())
        batch = id_behind(row, "glBatch")
        if batch or row.inside("status").flag("isClosed", default=True):
            text = f"it stands in batch {batch}" if batch else "it is closed"
            raise DELETING.fault(text)

    def write_request(self, resource: Resource[Any], change: Change) -> Request:
        """POST, PATCH of what differs, or DELETE; a company is taken back by a PATCH."""
        kind, before = change.kind, change.before
        if kind in (Invoice, CreditNote) and change.action is Action.UPDATE:
            closed = getattr(before, "status", Status.DRAFT) is not Status.DRAFT
            path = self._closed_path if closed else INVOICES
            resource = evolve(resource, path=path)
        url = _place(resource, change)
        if change.action is Action.VOID and kind is not Customer:
            return Request("DELETE", url, effect=True)
        assert resource.dump is not None
        told = self._voided if change.after is None else resource.dump(change)
        if change.target is None:
            return Request("POST", url, json=filled(told), effect=True)
        was: Mapping[str, Any] = dict.fromkeys(told, "")
        if change.after and before:
            was = resource.dump(evolve(change, after=before))
        body = edits(was, told)
        if not body:
            text = "nothing of what differs can be changed in ConnectWise"
            raise Fault(Code.NOT_ALLOWED, text)
        return Request("PATCH", url, json=body, effect=True)

    def written(
        self, resource: Resource[Any], change: Change, response: Response
    ) -> Outcome:
        """A payment record is told with its invoice, which the change names."""
        body, after = response.json() if response.body else {}, change.after
        if not body or not isinstance(after, Payment | Application):
            return super().written(resource, change, response)
        own = change.target.id.partition("/")[0] if change.target else invoice_of(after)
        owner = after.customer if isinstance(after, Payment) else None
        bill = {
            "id": own,
            "currency": {"currencyCode": after.currency},
            "company": {"id": owner.id} if owner else None,
        }
        return self.made(resource, change, Fields({**mapping(body), "bill": bill}))

    # One payment of ours on each invoice

    def receipts(self, invoice: Settlement) -> Flow[list[Receipt]]:
        """Its cash payments."""
        rows = yield from self.listed(payments_of(invoice.ref.id))
        return receipts_of(rows, invoice.ref.id, invoice.currency)[0]

    def payment_request(
        self, invoice: Settlement, wanted: Wanted, held: Receipt | None
    ) -> Request:
        told = receipt_body(wanted.amount, wanted.on, dated=wanted.dated)
        if held is None:
            path = payments_of(invoice.ref.id)
            body = {**self._bodies.payment_fields, **filled(told)}
            return Request("POST", path, json=body, effect=True)
        path = payment_at(invoice.ref.id, held.id)
        if not wanted.amount:
            return Request("DELETE", path, effect=True)
        changes = edits(receipt_body(held.amount, held.on), told)
        return Request("PATCH", path, json=changes, effect=True)

    def receipt_in(self, response: Response, invoice: Settlement) -> Receipt | None:
        row = Fields(response.json())
        return receipt_of(row, invoice.ref.id, invoice.currency)[0]


def _place(resource: Resource[Any], change: Change) -> str:
    """Where a change is sent to: a payment record stands below its invoice."""
    target = change.target.id if change.target else ""
    if change.kind not in (Payment, Application):
        return "/".join(filter(None, (resource.path, quote(target, safe=""))))
    if not target:
        return payments_of(invoice_of(change.after))
    invoice, _, own = target.partition("/")
    if not own:
        raise Fault(Code.VANISHED, f"{target} is no payment of an invoice")
    return payment_at(invoice, own)
