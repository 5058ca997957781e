"""
How payments, and credit notes put to invoices, are written to Tryton.

A payment is made with one effect and taken back with two: the end of its reconciliation,
and a move that reverses it. Nothing is undone on which other documents hang.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from tieout.change import Change, Outcome
from tieout.connector import Fields
from tieout.connectors.tryton.asking import Asking, wanted
from tieout.connectors.tryton.bodies import needed, words
from tieout.connectors.tryton.errors import (
    AS_A_WHOLE,
    HOME_CURRENCY,
    ON_ACCOUNT,
    OVERPAY,
)
from tieout.connectors.tryton.levels import inside, level_of, own_lines, receivable
from tieout.connectors.tryton.queries import BILLS, FIELDS, MOVES
from tieout.connectors.tryton.records import ID, own_id
from tieout.connectors.tryton.wire import about, answered, call, wizard
from tieout.errors import Code, Fault
from tieout.models import Application, CreditNote, Payment, Settlement, Status
from tieout.money import ZERO
from tieout.wire import Flow

PAY, CANCEL = "account.invoice.pay", "account.move.cancel"
RECONCILE = "account.move.reconcile_lines"
METHODS = "account.invoice.payment.method"


class Paying(Asking):
    """Payments, and credit notes put to invoices."""

    def create_payment(self, change: Change) -> Flow[Outcome]:
        """Pay one invoice by Tryton's own wizard, with our mark in the description."""
        after = wanted(change, Payment)
        found = yield from self.found(change)
        if found and getattr(found[1], "status", None) is Status.DRAFT:
            return (yield from self._posted(change, found[1].ref.id))
        if found:
            return Outcome.applied(change, ref=found[1].ref, echo=found[1])
        told = self.defaults.payment_method
        method = needed(told, "payment_method", "way of payment")
        if not after.applications:
            return (yield from self._on_account(change, after, method))
        target = _only_target(after)
        row = yield from self.row(Settlement, target)
        self._payable(after, row)
        description = words(after.reference, [change.mark])
        more = {
            "amount": after.amount,
            "date": after.on,
            "payment_method": method,
            "description": description,
        }

        def forms(session: int) -> Flow[Mapping[str, Any]]:
            on = about(BILLS, int(target))
            asked = wizard(PAY, "execute", session, {}, "start", **on)
            shown = answered((yield from self.connector.ask(asked)), dict)
            held = Fields(shown).inside("view", "defaults").raw
            start = {name: x for name, x in held.items() if "." not in name} | more
            return {"start": start, "ask": _ask(row, start)}

        yield from self.through(PAY, "pay", forms, about(BILLS, int(target)))
        origin = ["origin", "=", f"{BILLS},{target}"]
        domain = [origin, ["description", "=", description or None]]
        rows = yield from self.rows(MOVES, domain, FIELDS[Payment])
        if not rows:
            text = "the payment that was made is not shown"
            raise Fault(Code.BAD_PAYLOAD, text)
        newest = max(map(Fields, rows), key=lambda row: int(own_id(row)))
        resource = self.connector.resource(Payment)
        return self.connector.made(resource, change, newest)

    def _on_account(self, change: Change, after: Payment, method: int) -> Flow[Outcome]:
        """What is put to no invoice: a move on the customer's account, and its posting."""
        told = self.defaults.receivable
        account = needed(told, "receivable", "account of customers")
        fields = "journal debit_account company company.currency.code"
        rows = yield from self.rows(METHODS, [["id", "=", method]], fields)
        how = Fields(rows[0] if rows else {})
        self._keepable(after, how)
        assert after.customer is not None
        party, company = int(after.customer.id), int(how.id("company"))
        period = yield from self._period(after.on, company)
        bank, none = int(how.id("debit_account")), {"debit": ZERO, "credit": ZERO}
        lines = [
            {**none, "account": account, "party": party, "credit": after.amount},
            {**none, "account": bank, "debit": after.amount},
        ]
        values = {
            "company": company,
            "journal": int(how.id("journal")),
            "period": period,
            "date": after.on,
            "description": words(after.reference, [change.mark]),
            "lines": [["create", lines]],
        }
        made = yield from self.made(MOVES, values)
        return (yield from self._posted(change, made))

    def _period(self, on: date, company: int) -> Flow[int]:
        """The period of a day; a closed one is refused by Tryton itself."""
        days = [["start_date", "<=", on], ["end_date", ">=", on]]
        own = [["type", "=", "standard"], ["company", "=", company]]
        rows = yield from self.rows("account.period", [*days, *own], "state")
        if not rows:
            raise Fault(Code.LOCKED_PERIOD, f"there is no period of {on}", field="on")
        return int(own_id(Fields(rows[0])))

    def _posted(self, change: Change, move: str) -> Flow[Outcome]:
        yield from self.insisted(call(f"{MOVES}.post", [int(move)], effect=True))
        return (yield from self.done(change, move))

    def _keepable(self, after: Payment, how: Fields) -> None:
        """Refuse what cannot be kept as the customer's credit."""
        if not self.overpay:
            text = f"Tryton pays invoices, and {after.amount} of it are put to none."
            raise ON_ACCOUNT.fault(text, field="applications")
        if after.customer is None or not ID.fullmatch(after.customer.id):
            raise Fault(Code.BAD_FIELD, "it has no customer", field="customer")
        home = inside(how, "company", "currency").text("code")
        if after.currency != home:
            text = f"the books are in {home}, and it is put to no invoice."
            raise HOME_CURRENCY.fault(text)

    def _payable(self, after: Payment, row: Fields) -> None:
        """Refuse what Tryton would put otherwise than it is wanted."""
        bill: Any = self.connector.resource(Settlement).load(row)
        if bill is None or bill.status is not Status.OPEN:
            raise Fault(Code.REFUSED, "nothing is owed on the invoice")
        if bill.currency != after.currency:
            text = f"the invoice is in {bill.currency}, the payment in {after.currency}"
            raise Fault(Code.CURRENCY_DIFFERS, text)
        if after.customer not in (None, bill.customer):
            text = f"the invoice is of party {bill.customer and bill.customer.id}"
            raise Fault(Code.NOT_ALLOWED, text, field="customer")
        over = max(after.amount - bill.balance, ZERO)
        if over and not self.overpay:
            text = f"{after.amount} is paid, {bill.balance} is owed"
            raise OVERPAY.fault(text)
        if after.unapplied not in (None, over):
            text = f"Tryton would leave {over} unapplied, not {after.unapplied}"
            raise Fault(Code.NOT_ALLOWED, text, field="unapplied")

    def void_payment(self, change: Change) -> Flow[Outcome]:
        """Undo its reconciliation, then reverse its move."""
        row, now = yield from self.target(change)
        if now.status is Status.VOID:
            return Outcome.applied(change)
        lines, move = receivable(row), int(own_id(row))
        yield from self.undone(lines, f"payment {move}", [x.id("id") for x in lines])
        forms = {"default": {"description": None, "reversal": True}}
        confirmed = ["cancel_invoice_move"]  # that is what was asked for
        on = about(MOVES, move)
        yield from self.through(CANCEL, "cancel", forms, on, confirmed)
        return Outcome.applied(change)

    def create_application(self, change: Change) -> Flow[Outcome]:
        """
        Put the whole of a credit note to an invoice.

        Where it covers what is owed the lines are reconciled; otherwise they are linked
        to the invoice, and it is reconciled with the rest.
        """
        after = wanted(change, Application)
        if after.source.kind != "CreditNote":
            text = f"a {after.source.kind} cannot be put to an invoice by itself"
            raise Fault(Code.NOT_ALLOWED, text, field="source")
        note_row = yield from self.row(CreditNote, after.source.id)
        note: Any = self.connector.resource(CreditNote).load(note_row)
        if note is None:
            text = f"{after.source.id} is no credit note"
            raise Fault(Code.NO_SUCH_RESOURCE, text)
        held = [x for x in note.applications if x.target.id == after.target.id]
        if held and held[0].amount == after.amount:
            return Outcome.applied(change, ref=held[0].ref, echo=held[0])
        row = yield from self.row(Settlement, after.target.id)
        level = level_of(row, row.amount("total_amount", note.currency))
        if after.amount != note.remaining:
            text = f"{after.amount} is to be applied, {note.remaining} of it is left"
            raise AS_A_WHOLE.fault(text, field="amount")
        if level.balance < after.amount:
            text = f"{level.balance} is owed, {after.amount} is to be applied"
            raise Fault(Code.REFUSED, text, field="amount")
        credit, bill = open_lines(own_lines(note_row)), open_lines(own_lines(row))
        if level.balance == after.amount:
            paid = open_lines(row.children("payment_lines."))
            on = about("account.move.line", *credit, *bill, *paid)
            shown = yield from self.through(RECONCILE, "start", {}, on)
            if shown:
                raise Fault(Code.REFUSED, "the lines do not balance")
        else:
            told = {"payment_lines": [["add", credit]]}
            target = [int(own_id(row))]
            asked = call(f"{BILLS}.write", target, told, effect=True)
            yield from self.connector.ask(asked)
        return (yield from self._put(change, after))

    def _put(self, change: Change, after: Application) -> Flow[Outcome]:
        """The application as the credit note tells it now."""
        row = yield from self.row(CreditNote, after.source.id)
        note: Any = self.connector.resource(CreditNote).load(row)
        for each in note.applications:
            if each.target.id == after.target.id:
                return Outcome.applied(change, ref=each.ref, echo=each)
        raise Fault(Code.BAD_PAYLOAD, "the credit note does not show what was applied")

    def void_application(self, change: Change) -> Flow[Outcome]:
        """Undo the reconciliation, and the link, of a credit note with an invoice."""
        assert change.target is not None
        source, _, target = change.target.id.partition("/")
        row = yield from self.row(CreditNote, source)
        note: Any = self.connector.resource(CreditNote).load(row)
        held = note.applications if note else ()
        if not any(x.ref.id == change.target.id for x in held):
            yield from self.row(Settlement, target)
            return Outcome.applied(change)
        lines = own_lines(row)
        own = [line.id("id") for line in lines]
        yield from self.undone(lines, f"credit note {source}", own)
        linked = [
            int(own_id(line))
            for line in lines
            if int(target) in (line.raw.get("invoice_payments") or [])
        ]
        if linked:
            told = {"payment_lines": [["remove", linked]]}
            asked = call(f"{BILLS}.write", [int(target)], told, effect=True)
            yield from self.connector.ask(asked)
        return Outcome.applied(change)


def open_lines(lines: Iterable[Fields]) -> list[int]:
    return [int(own_id(line)) for line in lines if not line.has("reconciliation")]


def _only_target(after: Payment) -> str:
    targets = {each.target.id for each in after.applications}
    if not targets:
        text = f"Tryton pays invoices, and {after.amount} of it are put to none."
        remedy = (
            "Put it to an invoice; or record it in Tryton by hand, and ignore this."
        )
        raise Fault(Code.NOT_ALLOWED, text, field="applications", remedy=remedy)
    if len(targets) != 1 or not all(map(ID.fullmatch, targets)):
        text = "a payment in Tryton is made for exactly one invoice"
        raise Fault(Code.NOT_ALLOWED, text, field="applications")
    return targets.pop()


def _ask(row: Fields, start: Mapping[str, Any]) -> dict[str, Any]:
    """
    The second form of the wizard, which it asks for where less or more is paid.

    7.0 needs each of its fields.
    """
    level = level_of(
        row, row.amount("total_amount", inside(row, "currency").text("code"))
    )
    over = start["amount"] > level.balance
    lines = open_lines(own_lines(row))
    return {
        "amount": start["amount"],
        "currency": start.get("currency"),
        "company": start.get("company"),
        "invoice": int(own_id(row)),
        "lines": lines,
        "lines_to_pay": lines,
        "payment_lines": open_lines(row.children("payment_lines.")),
        "type": "overpayment" if over else "partial",
        "writeoff": None,
    }
