"""
What payments and credits put to invoices, as their details tell it.

Pure. Cash that was taken back stands beside its counterpart, or alone; which of the two
it is, the sum says. Nothing here makes a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

from attrs import frozen

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
    One part of a detail: what it put to an invoice, in the invoice's currency.

    ``source`` is the record of a ``kind`` that it came from, ``target`` the invoice.

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
    """All that the details of a row put to invoices."""
    details = row.children("DETAILS")
    return [put for each in details for put in puts_of(each, currency, payment_states)]


def puts_of(
    row: Fields, currency: str, payment_states: Mapping[str, Status]
) -> list[Put]:
    """
    What one detail puts to its invoice: cash, a credit, or both.

    The first part has the detail's number, the others one that names their field too.
    """
    payment = row.child("PAYMENT") or Fields({})
    # A payment's own details are dated by it; those of others come with theirs.
    on = payment.maybe("RECEIPTDATE", day) or payment.maybe("WHENPAID", day)
    on = on or payment.maybe("WHENCREATED", day)
    total = payment.maybe_amount("TRX_TOTALENTERED", currency) or ZERO
    state = word(payment.text("STATE"))
    status = payment_states.get(state)
    dead = status is Status.VOID or payment.flag("REVERSED")
    target = row.text("INVOICEID") or key_of(row, "RECORDKEY")
    found: list[Put] = []
    for name, key, how, kind in PARTS:
        amount = row.maybe_amount(name, currency)
        if not amount or not target:
            continue
        own = number_of(row)
        # Only cash is taken back with its payment (BEHAVIOURS, B99).
        live = status is not Status.DRAFT and not (dead and key == "PAYMENTKEY")
        counter = state == REVERSAL or total < 0 or amount < 0
        named = row.text("CREDITNOTEID") if key == "ADJUSTMENTKEY" else ""
        source = named or key_of(row, key) or row.id("PAYMENTKEY")
        identity = f"{own}/{name}" if found else own
        put = Put(identity, kind, source, target, amount, how, on, live, counter)
        found.append(put)
    return found


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
