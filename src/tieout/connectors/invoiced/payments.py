"""
Invoiced's rows of payments as records: what was paid, and what it was applied to.

Pure. Applications have no rows of their own: each is one of the splits of a payment. What
an invoice makes of them is not said here.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from attrs import evolve, frozen

from tieout.connector import Fields
from tieout.connectors.invoiced.errors import LOOK
from tieout.connectors.invoiced.rows import Rows, currency_of, stamped
from tieout.models import Application, Part, Payment, Ref, Status, clean_number
from tieout.money import ZERO

FEE = Part.OTHER
_SPLITS: Mapping[str, Part | None] = {
    "invoice": Part.CASH,
    "convenience_fee": FEE,
    "credit_note": Part.CREDIT,
    "applied_credit": Part.CREDIT,
    # Kept for the customer: it settles no invoice yet.
    "credit": None,
    "estimate": None,
}


@frozen
class Payments(Rows):
    """The payments of one business."""

    def payment(self, row: Fields) -> Payment:
        """
        A payment with its applications, where the answer shows them.

        ``unapplied`` takes in what was put to the customer's credit balance, and deposits
        on estimates.
        """
        currency = currency_of(row)
        rest = row.maybe_amount("balance", currency) or ZERO
        bare = Payment(
            self.ref("Payment", row),
            self.maybe_ref("Customer", row, "customer"),
            currency,
            row.read("date", self.days.of),
            row.amount("amount", currency),
            _status(row),
            reference=clean_number(row.text("reference")),
            unapplied=rest,
            method=row.text("method"),
            **stamped(row),
        )
        if row.has("applied_to"):
            bare = self._applied(bare, rest, row.children("applied_to"))
        left = bare.status is Status.SETTLED and bare.unapplied
        return evolve(bare, status=Status.OPEN) if left else bare

    def applications(self, row: Fields) -> tuple[Application, ...]:
        """What a payment was applied to."""
        return self.payment(row).applications

    def touched(self, row: Fields) -> tuple[Ref, ...]:
        """The invoices that a payment, perhaps a void one, is or was applied to."""
        splits = [each for each in row.children("applied_to") if each.has("invoice")]
        return tuple(self.ref("Invoice", each, "invoice") for each in splits)

    def _applied(self, bare: Payment, rest: Decimal, splits: list[Fields]) -> Payment:
        """The payment with what it was applied to, which has to make its amount."""
        sums = dict.fromkeys(_SPLITS.values(), ZERO)
        found: dict[str, Application] = {}
        for split in splits:
            amount = split.amount("amount", bare.currency)
            sums[split.choice("type", _SPLITS)] += amount
            each = self.application(bare, split)
            if each is not None:
                held = found.get(each.ref.id)
                amount += held.amount if held else ZERO
                found[each.ref.id] = evolve(each, amount=amount, source_amount=amount)
        credit = sums.pop(Part.CREDIT)
        cash = sum(sums.values(), rest)
        # Whether credits count in the amount is not documented: either is taken.
        if bare.status is not Status.VOID and bare.amount not in (cash, cash + credit):
            text = f"the amount is {bare.amount}, its parts {cash}, and {credit} credit"
            raise LOOK.fault(text, field="amount")
        applied, unapplied = tuple(found.values()), rest + sums[None]
        return evolve(bare, amount=cash, unapplied=unapplied, applications=applied)

    def application(self, of: Payment, split: Fields) -> Application | None:
        """
        What one split of a payment put to an invoice, if it did.

        A fee is an invoice of its own to a ledger: it is the target of its application.
        """
        how, source = split.choice("type", _SPLITS), of.ref
        if how is None or (how is Part.CREDIT and not split.has("invoice")):
            return None
        if how is FEE:
            target = Ref(self.connection, "Invoice", f"{of.ref.id}:fee")
            part = "fee"
        else:
            target = self.ref("Invoice", split, "invoice")
            part = target.id
        if how is Part.CREDIT and split.has("credit_note"):
            source = self.ref("CreditNote", split, "credit_note")
            part = f"{source.id}-{target.id}"
        elif how is Part.CREDIT:
            source, part = of.customer or of.ref, f"balance-{target.id}"
        return Application(
            Ref(self.connection, "Application", f"{of.ref.id}:{part}"),
            source,
            target,
            split.amount("amount", of.currency),
            of.currency,
            of.on,
            how,
            live=of.status is not Status.VOID,
            source_currency=of.currency,
            changed_at=of.changed_at,
            version=of.version,
            custom=of.custom,
        )


def _status(row: Fields) -> Status:
    """A charge that failed paid nothing; one under way has paid nothing yet."""
    charge = row.inside("charge").text("status")
    if row.flag("voided") or charge == "failed":
        return Status.VOID
    return Status.DRAFT if charge == "pending" else Status.SETTLED
