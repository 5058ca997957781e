"""
How customers, invoices and credit notes are written to Tryton.

All questions come first. A document takes two effects, a draft and its posting: what was
left behind between them is found by its mark, and posted rather than made again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from tieout.change import Change, Outcome
from tieout.connector import Fields
from tieout.connectors.tryton import bodies
from tieout.connectors.tryton.asking import Asking, wanted
from tieout.connectors.tryton.bodies import NAMED, Known, needed, words
from tieout.connectors.tryton.errors import UNDO_FIRST
from tieout.connectors.tryton.levels import inside
from tieout.connectors.tryton.queries import BILLS, PARTIES
from tieout.connectors.tryton.records import ID, own_id
from tieout.connectors.tryton.wire import about, call
from tieout.errors import Code, Fate, Fault
from tieout.models import Customer, Invoice, Ref, Settlement, Status
from tieout.wire import Flow, Response

CREDIT = "account.invoice.credit"


class Documents(Asking):
    """Customers, invoices and credit notes."""

    def create_customer(self, change: Change) -> Flow[Outcome]:
        """A party with its address, e-mail, and our mark as an identifier."""
        after = wanted(change, Customer)
        found = yield from self.found(change)
        if found:
            return Outcome.applied(change, ref=found[1].ref, echo=found[1])
        values = bodies.customer(after, change.mark)
        return (yield from self._created(change, PARTIES, values))

    def _created(
        self, change: Change, model: str, values: Mapping[str, Any]
    ) -> Flow[Outcome]:
        made = yield from self.made(model, values)
        return (yield from self.done(change, made))

    def update_customer(self, change: Change) -> Flow[Outcome]:
        """What differs, unless somebody else changed it since it was read."""
        after = wanted(change, Customer)
        row, now = yield from self.target(change)
        mails: list[int] = []
        if after.email != now.email:
            party = ["party", "=", int(own_id(row))]
            domain = [party, ["type", "=", "email"]]
            held = yield from self.rows("party.contact_mechanism", domain, "type")
            mails = [int(own_id(Fields(each))) for each in held]
        told = bodies.customer_changes(now, after, mails)
        if told:
            yield from self.connector.ask(self.guarded(change, PARTIES, told))
        return (yield from self.done(change, own_id(row)))

    def void_customer(self, change: Change) -> Flow[Outcome]:
        """A party is never deleted: it becomes inactive."""
        row, now = yield from self.target(change)
        if now.active:
            values = {"active": False}
            asked = call(f"{PARTIES}.write", [int(own_id(row))], values, effect=True)
            yield from self.connector.ask(asked)
        return Outcome.applied(change)

    def create_document(self, change: Change) -> Flow[Outcome]:
        """
        A draft with our mark in its reference, and then its posting.

        What carries the mark already is not made again: a draft, left behind where an
        answer was lost, is made to be what is wanted, and posted. Where the posting of a
        draft that was made just now is refused, the draft is deleted: a refusal leaves
        nothing behind.
        """
        after = _document(change)
        found = yield from self.found(change)
        if found:
            return (yield from self._left(change, *found))
        values = yield from self._values(change, after)
        made = yield from self.made(BILLS, values)
        if after.status is not Status.DRAFT:
            refused = yield from self._posted(made)
            if refused is not None:
                return Outcome.failed(change, refused)
        return (yield from self.done(change, made))

    def _posted(self, made: str) -> Flow[Fault | None]:
        """
        Post a new draft; if that is refused, delete it and say why.

        Raises the refusal where the draft may still be there: then nothing is certain.
        """
        try:
            yield from self._post(made)
        except Fault as refused:
            if refused.fate is Fate.UNCLEAR:
                raise
            try:
                yield from self._delete(int(made))
            except Fault as stays:
                raise refused from stays
            return refused
        return None

    def _left(self, change: Change, row: Fields, record: Any) -> Flow[Outcome]:
        """What an earlier write left behind, with the mark of this one."""
        after: Any = change.after
        if record.status is not Status.DRAFT or after.status is Status.DRAFT:
            return Outcome.applied(change, ref=record.ref, echo=record)
        about = [(x.total, x.currency, x.on, x.customer) for x in (record, after)]
        if about[0] != about[1]:
            values = yield from self._values(change, after)
            old = [int(own_id(each)) for each in row.children("lines.")]
            values["lines"] = [["delete", old], *values["lines"]]
            asked = call(f"{BILLS}.write", [int(own_id(row))], values, effect=True)
            yield from self.connector.ask(asked)
        return (yield from self._finished(change, record))

    def _values(self, change: Change, after: Any) -> Flow[dict[str, Any]]:
        """A new document, after what it needs has been looked up."""
        bodies.billed(after)
        needed(self.defaults.receivable, "receivable", "account of customers")
        needed(self.defaults.journal, "journal", "journal for invoices")
        address = yield from self._address(after.customer)
        where = [["code", "=", after.currency]]
        rows = yield from self.rows("currency.currency", where, "code")
        if not rows:
            text = f"Tryton has no currency {after.currency}"
            raise Fault(Code.BAD_CURRENCY, text, field="currency")
        return bodies.document(
            after,
            change.mark,
            self.defaults,
            address=address,
            currency=int(own_id(Fields(rows[0]))),
            known=(yield from self._known(after)),
        )

    def _address(self, customer: Ref | None) -> Flow[int]:
        if customer is None:
            raise Fault(Code.BAD_FIELD, "it has no customer", field="customer")
        ids = [int(customer.id)] if ID.fullmatch(customer.id) else []
        rows = yield from self.rows(PARTIES, [["id", "in", ids]], "addresses")
        held = [each for row in rows for each in row.get("addresses") or []]
        if not held:
            what = "has no address" if rows else "is not there"
            text = f"the party {customer.id} {what}"
            raise Fault(Code.BAD_FIELD, text, field="customer")
        return int(held[0])

    def _known(self, after: Any) -> Flow[Known]:
        """The ids of the accounts, products and taxes that lines name."""
        known: dict[str, dict[str, int]] = {}
        for name, codes in bodies.named(after.lines).items():
            model, by = NAMED[name]
            of = self.defaults.company if name != "item" else None
            own = [] if of is None else [["company", "=", of]]
            domain = [[by, "in", sorted(codes)], *own]
            rows = yield from self.rows(model, domain, by)
            held = map(Fields, rows)
            known[name] = {each.text(by): int(own_id(each)) for each in held}
        return known

    def _post(self, identity: str) -> Flow[Response]:
        asked = call(f"{BILLS}.post", [int(identity)], effect=True)
        return (yield from self.insisted(asked))

    def _delete(self, identity: int) -> Flow[Response]:
        asked = call(f"{BILLS}.delete", [identity], effect=True)
        return (yield from self.connector.ask(asked))

    def _finished(self, change: Change, record: Any) -> Flow[Outcome]:
        """A document that is there, posted where that is wanted of it."""
        draft = getattr(change.after, "status", None) is Status.DRAFT
        if record.status is Status.DRAFT and not draft:
            yield from self._post(record.ref.id)
        return (yield from self.done(change, record.ref.id))

    def update_document(self, change: Change) -> Flow[Outcome]:
        """
        What differs of a draft, and its posting where it is wanted posted.

        Of a posted one Tryton lets nothing be changed but its reference.
        """
        after = _document(change)
        row, now = yield from self.target(change)
        told = yield from self._changed(row, now, change)
        if told:
            yield from self.connector.ask(self.guarded(change, BILLS, told))
        evolved = evolve(change, after=after)
        return (yield from self._finished(evolved, now))

    def _changed(self, row: Fields, now: Any, change: Change) -> Flow[dict[str, Any]]:
        after: Any = change.after
        was: Any = change.before or now
        told: dict[str, Any] = {}
        if after.reference != was.reference:
            marks = bodies.marks_in(row.text("reference"))
            told["reference"] = words(after.reference, marks)
        if after.on != was.on:
            told["invoice_date"] = after.on
        if after.customer != was.customer:
            address = yield from self._address(after.customer)
            told |= {"party": int(after.customer.id), "invoice_address": address}
        if after.lines != was.lines:
            old = [int(own_id(each)) for each in row.children("lines.")]
            known = yield from self._known(after)
            currency = int(own_id(inside(row, "currency")))
            new = bodies.lines(after, self.defaults, known, currency)
            told["lines"] = [["delete", old], ["create", new]]
        return told

    def void_document(self, change: Change) -> Flow[Outcome]:
        """A draft is deleted; what is posted is cancelled by a credit of its own."""
        kind = Settlement if change.kind is Invoice else change.kind
        assert change.target is not None
        row = yield from self.row(kind, change.target.id)
        record: Any = self.connector.resource(kind).load(row)
        if record is None:
            text = f"{change.target.id} is no {change.kind.__name__}"
            raise Fault(Code.NO_SUCH_RESOURCE, text)
        identity = int(own_id(row))
        if record.status is Status.VOID:
            return Outcome.applied(change)
        if record.status is Status.DRAFT:
            yield from self._delete(identity)
            return Outcome.applied(change)
        left = record.balance if isinstance(record, Settlement) else record.remaining
        if left != record.total:
            text = f"{record.total - left} of it is paid or applied"
            raise UNDO_FIRST.fault(text)
        start = {"with_refund": True, "with_refund_allowed": True, "invoice_date": None}
        forms, on = {"start": start}, about(BILLS, identity)
        yield from self.through(CREDIT, "credit", forms, on)
        return Outcome.applied(change)


def _document(change: Change) -> Any:
    return wanted(change, change.kind)
