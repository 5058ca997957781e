"""
What a document owes, and by what the rest was settled: worked out from its move lines.

The fields that Tryton computes do not tell: ``amount_to_pay`` is 0 for everything that is
not ``posted`` and where a reconciliation was undone, ``reconciled`` is the due date where
that is later (8.2), and ``state`` lags where a queue worker is configured. Nothing here
makes a record or asks for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from attrs import field, frozen

from tieout.connector import Fields, sound_day
from tieout.errors import Code, Fault
from tieout.models import Part, Status, settled_day
from tieout.money import ZERO, parse_amount

PaidDate = Literal["applied", "last"]

STATES = {
    "draft": Status.DRAFT,
    "validated": Status.DRAFT,
    "posted": Status.OPEN,
    "paid": Status.SETTLED,
    "cancelled": Status.VOID,
}

JOURNALS: Mapping[str, Part] = {
    "cash": Part.CASH,
    "statement": Part.CASH,
    "revenue": Part.CREDIT,
    "write-off": Part.WRITE_OFF,
}
"""What a line settles by, after the type of its move's journal. (``statement`` is of the
module account_statement and was not observed.)"""

PAYING_MODELS = ("account.payment", "account.statement")
"""What the origin of a payment's move starts with besides the invoice itself (unverified)."""


def day(value: Any) -> date:
    """A calendar day that a business can have meant."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise Fault(Code.BAD_DATE, "not a date")
    return sound_day(value)


def instant(value: Any) -> datetime:
    """An instant; Tryton's are UTC without saying so."""
    if not isinstance(value, datetime):
        raise Fault(Code.BAD_DATE, "not an instant")
    return value


def inside(raw: Fields, *links: str) -> Fields:
    """What stands behind these links, which Tryton names with a point; may be empty."""
    for link in links:
        raw = raw.child(f"{link}.") or Fields({}, raw.path(f"{link}."))
    return raw


def status_of(document: Fields) -> Status:
    """Where a document is in its life; one that took another back is void with it."""
    status = document.choice("state", STATES)
    return Status.VOID if document.raw.get("cancels") is True else status


def own_lines(document: Fields) -> list[Fields]:
    """The lines that say what the customer owes: of its moves, on its account."""
    moves = [inside(document, "move"), *document.children("additional_moves.")]
    lines = [line for move in moves for line in move.children("lines.")]
    account = document.id("account") if lines else ""
    return [line for line in lines if line.id("account") == account]


@frozen
class MoveLine:
    """
    One line of the books as a document sees it, in the document's currency.

    ``amount`` is what it adds to what is owed; None where it is in another currency.
    """

    on: date
    amount: Decimal | None
    part: Part | None
    open: bool

    @classmethod
    def read(cls, raw: Fields, document: Fields) -> MoveLine:
        currency, amount = inside(document, "currency"), None
        unit, code = currency.id("id"), currency.currency("code")
        if raw.has("second_currency") and raw.id("second_currency") == unit:
            amount = raw.amount("amount_second_currency", code)
        elif inside(document, "company").id("currency") == unit:
            debit = raw.maybe_amount("debit", code) or ZERO
            amount = debit - (raw.maybe_amount("credit", code) or ZERO)
        origin = inside(raw, "move").text("origin")
        ours = origin == f"account.invoice,{document.id('id')}"
        cash = Part.CASH if ours or origin.startswith(PAYING_MODELS) else None
        part = JOURNALS.get(inside(raw, "move", "journal").text("type"), cash)
        # A reconciliation may hand what is owed on to another line. A credit note's line
        # is spent where it is linked to an invoice, although it stays unreconciled.
        delegate = inside(raw, "reconciliation").child("delegate_to.")
        closed = (delegate or raw).has("reconciliation")
        is_open = not closed and not raw.raw.get("invoice_payments")
        return cls(raw.read("date", day), amount, part, is_open)


def total_of(lines: Iterable[MoveLine]) -> Decimal | None:
    """What lines add to what is owed; None where one is in another currency."""
    amounts = [line.amount for line in lines]
    known = [amount for amount in amounts if amount is not None]
    return sum(known, ZERO) if len(known) == len(amounts) else None


def split(settled: Decimal, lines: Sequence[MoveLine]) -> Mapping[Part, Decimal]:
    """
    By what an amount was settled; empty where the lines do not tell.

    Where other invoices were settled by the same lines, the lines tell only if all were
    of one kind.
    """
    parts = dict.fromkeys(JOURNALS.values(), ZERO)
    for line in lines:
        if line.part is None or line.amount is None:
            return {}
        parts[line.part] -= line.amount
    if min(parts.values()) >= 0 and sum(parts.values()) == settled:
        return parts
    paying = {line.part for line in lines if line.amount and line.amount < 0}
    if len(paying) != 1:
        return {}
    return {part: settled if part in paying else ZERO for part in parts}


@frozen
class Level:
    """What a document owes, and the lines that settled the rest; ``parts`` may be empty."""

    status: Status
    balance: Decimal
    settling: Sequence[MoveLine] = ()
    parts: Mapping[Part, Decimal] = field(factory=dict)

    @property
    def last_on(self) -> date | None:
        """The day of the last receipt; where the parts are not told, of the last line."""
        taken = [x for x in self.settling if x.amount is None or x.amount < 0]
        days = [x.on for x in taken if not self.parts or x.part is Part.CASH]
        return max(days, default=None)

    def paid_on(self, total: Decimal, on: date | None, rule: PaidDate) -> date | None:
        """The day from which nothing was owed; None while something is."""
        if self.status is not Status.SETTLED:
            return None
        known = [(x.on, -x.amount) for x in self.settling if x.amount is not None]
        found = None
        if rule == "applied" and len(known) == len(self.settling):
            found = settled_day(total, known, not_before=on)
        # Where a currency difference is among the lines, the last of them settled it.
        return found or max((x.on for x in self.settling), default=on)


def level_of(document: Fields, total: Decimal) -> Level:
    """
    What an invoice or, below zero, a credit note owes, and by what the rest was settled.

    It owes what is open of its own lines, less the payment lines that are linked to it
    and not reconciled: that is a part payment. A linked line that is reconciled counts
    only if it is so with a line of the invoice; otherwise it is a payment that was taken
    back. Linked lines that cover the whole although nothing was reconciled are what is
    left where a reconciliation was undone: they settle nothing.
    """
    status = status_of(document)
    if status in (Status.DRAFT, Status.VOID):
        return Level(status, total if status is Status.DRAFT else ZERO)
    own: dict[str, MoveLine] = {}
    closing: dict[str, MoveLine] = {}
    for raw in own_lines(document):
        line = own[raw.id("id")] = MoveLine.read(raw, document)
        held = inside(raw, "reconciliation").children("lines.")
        if not line.open:
            closing |= {x.id("id"): MoveLine.read(x, document) for x in held}
    settling = [line for name, line in closing.items() if name not in own]
    if not own:
        return Level(Status.OPEN if total else Status.SETTLED, total)
    billed = total_of(own.values())
    if billed not in (None, total):
        text = f"the document is of {total}, its move lines are of {billed}"
        raise Fault(Code.TOTALS_DISAGREE, text, field="total_amount")
    linked = [MoveLine.read(x, document) for x in document.children("payment_lines.")]
    linked = [line for line in linked if line.open]
    owed, offer = total_of(x for x in own.values() if x.open), total_of(linked)
    if owed is None or offer is None:
        # A payment in the company's currency for an invoice in another one: Tryton's
        # own conversion is the only one there is.
        currency = inside(document, "currency").currency("code")
        balance = document.amount("amount_to_pay", currency)
    else:
        balance = owed + offer
    if owed and balance <= 0 < owed:
        balance, linked = owed, []
    settling += linked
    owes = balance < 0 if total < 0 else balance > 0
    status = Status.OPEN if owes else Status.SETTLED
    return Level(status, balance, settling, split(total - balance, settling))


# What was put to what ---------------------------------------------------------------


def receivable(move: Fields) -> list[Fields]:
    """The lines of a move that are on what customers owe."""
    lines = move.children("lines.")
    # SQLite has no booleans: 0 and 1.
    return [x for x in lines if inside(x, "account", "type").raw.get("receivable")]


@frozen
class Receipt:
    """
    One line of a payment: what a customer paid with it, and to what it was put.

    ``back``: it was taken back. ``targets`` are amounts by the ids of invoices, what is
    missing in them is not applied; None where that cannot be told.
    """

    party: str
    currency: str
    amount: Decimal
    back: bool
    targets: Mapping[str, Decimal] | None

    @classmethod
    def read(cls, raw: Fields, move: Fields) -> Receipt:
        foreign = raw.has("second_currency")
        home = inside(move, "company", "currency")
        currency = (inside(raw, "second_currency") if foreign else home).currency(
            "code"
        )
        amount = -_owed(raw, foreign=foreign)
        others = inside(raw, "reconciliation").children("lines.")
        origins = {inside(each, "move").text("origin") for each in others}
        back = f"account.move,{move.id('id')}" in origins
        closed = back or raw.has("reconciliation")
        # Where a reconciliation was undone nothing is due by Tryton's own reckoning, and
        # what is linked settles nothing.
        linked = [
            each.id("id")
            for each in raw.children("invoice_payments.")
            if closed or each.read("amount_to_pay", parse_amount)
        ]
        targets = {} if back and not linked else put_to(raw, amount, linked)
        return cls(raw.text("party"), currency, amount, back, targets)


def put_to(
    raw: Fields, amount: Decimal, linked: Sequence[str], own: Iterable[str] = ()
) -> Mapping[str, Decimal] | None:
    """
    To which invoices a line that takes off was put, and with how much.

    It is linked to one, or reconciled: with one invoice, or alone with several. Otherwise
    nobody can tell: None. ``own`` are the other lines of its document.
    """
    if linked:
        return {linked[0]: amount}
    if not raw.has("reconciliation"):
        return {}
    foreign, alone = raw.has("second_currency"), True
    bills: dict[str, Decimal] = {}
    for line in inside(raw, "reconciliation").children("lines."):
        move, owed = inside(line, "move"), _owed(line, foreign=foreign)
        model, _, target = move.text("origin").partition(",")
        refund = JOURNALS.get(inside(move, "journal").text("type")) is Part.CASH
        if owed > 0 and model == "account.invoice" and not refund:
            bills[target] = bills.get(target, ZERO) + owed
        elif line.id("id") not in (raw.id("id"), *own):
            alone = False
    if len(bills) == 1:
        return {target: min(amount, owed) for target, owed in bills.items()}
    return bills if alone and sum(bills.values(), ZERO) == amount else None


def _owed(line: Fields, *, foreign: bool) -> Decimal:
    """What a line adds to what is owed."""
    if foreign:
        return line.maybe("amount_second_currency", parse_amount) or ZERO
    debit = line.maybe("debit", parse_amount) or ZERO
    return debit - (line.maybe("credit", parse_amount) or ZERO)
