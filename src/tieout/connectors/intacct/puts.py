"""
What payments and credits put to invoices, as their details tell it.

Pure. Cash that was taken back stands beside its counterpart, or alone; which of the two
it is, the sum says. Nothing here makes a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal

from attrs import evolve, frozen

from tieout.connector import Fields
from tieout.connectors.intacct.values import day, key_of, number_of, word
from tieout.models import Part, Status
from tieout.money import ZERO

REVERSAL = "reversal"
"""The state of a document that takes another back: the other one says so itself."""

# fmt: off
PARTS: tuple[tuple[str, str, Part, str], ...] = (
    ("TRX_PAYMENTAMOUNT", "PAYMENTKEY", Part.CASH, "Payment"),
    ("TRX_TOTALDISCOUNTTOAPPLY", "PAYMENTKEY", Part.DISCOUNT, "Payment"),
    ("TRX_POSTEDADVANCEAMOUNT", "ADVANCEKEY", Part.CASH, "Payment"),
    ("TRX_POSTEDOVERPAYMENTAMOUNT", "OVERPAYMENTKEY", Part.CASH, "Payment"),
    ("TRX_ADJUSTMENTAMOUNT", "ADJUSTMENTKEY", Part.CREDIT, "CreditNote"),
    ("TRX_INLINEAMOUNT", "INLINEKEY", Part.CREDIT, "CreditNote"),
    ("TRX_NEGATIVEINVOICEAMOUNT", "NEGATIVEINVOICEKEY", Part.CREDIT, "CreditNote"),
)
"""What a detail puts to an invoice: the amount, of what, and by what it settles. (That
the discount can be read is unverified: it is asked for only as an extra field.)"""
# fmt: on


@frozen
class Put:
    """
    What one payment record put to an invoice, in the invoice's currency, by one means.

    ``source`` is the record of a ``kind`` that the money is of, ``target`` the invoice.
    ``live`` is false for the cash of a payment that was taken back, and for all that a
    draft would put; ``counter`` is true for the record that took a payment back.
    """

    id: str
    kind: str
    source: str
    target: str
    amount: Decimal
    how: Part
    on: date | None
    live: bool = True
    counter: bool = False


def puts(row: Fields, currency: str, payment_states: Mapping[str, Status]) -> list[Put]:
    """
    All that the details of a row put to invoices.

    A payment fills the lines of an invoice one by one: what is of one payment, one source
    and one invoice is one.
    """
    found: dict[str, Put] = {}
    for detail in row.children("DETAILS"):
        for put in _puts(detail, currency, payment_states):
            held = found.get(put.id)
            amount = put.amount + (held.amount if held else ZERO)
            found[put.id] = evolve(held or put, amount=amount)
    return list(found.values())


def _puts(
    row: Fields, currency: str, payment_states: Mapping[str, Status]
) -> Iterator[Put]:
    """What one detail puts to its invoice: cash, a credit, or both."""
    payment = row.child("PAYMENT") or Fields({})
    on = payment.maybe("RECEIPTDATE", day) or payment.maybe("WHENPAID", day)
    on = on or payment.maybe("WHENCREATED", day)
    total = payment.maybe_amount("TRX_TOTALENTERED", currency) or ZERO
    state = word(payment.text("STATE"))
    status = payment_states.get(state)
    dead = status is Status.VOID or payment.flag("REVERSED")
    invoice = key_of(row, "RECORDKEY")
    if not invoice:
        return  # put to a debit memo
    by = number_of(row, "PAYMENTKEY")
    for name, key, how, kind in PARTS:
        amount = row.maybe_amount(name, currency)
        if not amount:
            continue
        held = key_of(row, key) or by
        named = row.text("CREDITNOTEID") if key == "ADJUSTMENTKEY" else ""
        what = {Part.CASH: held if held != by else "", Part.DISCOUNT: "discount"}
        yield Put(
            "/".join(filter(None, (by, invoice, what.get(how, held)))),
            kind,
            named or held,
            row.text("INVOICEID") or invoice,
            amount,
            how,
            on,
            # Only cash is taken back with its payment (BEHAVIOURS, B99).
            live=status is not Status.DRAFT and not (dead and key == "PAYMENTKEY"),
            counter=state == REVERSAL or total < 0 or amount < 0,
        )


def told(puts: Sequence[Put], settled: Decimal) -> Sequence[Put] | None:
    """
    What settled an invoice, where it comes to what is settled; None where it does not.

    A payment that was taken back may stand there with its counterpart, or alone.
    """
    standing = [put for put in puts if put.live and not put.counter]
    for some in (puts, standing):
        parts = [sum_of(some, part) for part in dict.fromkeys(x[2] for x in PARTS)]
        if sum(parts, ZERO) == settled and min(parts) >= 0:
            return some
    return None


def sum_of(puts: Iterable[Put], part: Part) -> Decimal:
    """What was settled by a part."""
    return sum((put.amount for put in puts if put.how is part), ZERO)
