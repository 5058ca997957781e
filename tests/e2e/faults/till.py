"""
Invoiced as billing and Xero as the ledger, both served, and one payment of many legs.

The judge reads both fakes' own books and shares no code with the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from tieout.testing.fakes.invoiced import FakeInvoiced
from tieout.testing.fakes.serving import serve
from tieout.testing.fakes.xero import FakeXero

from .company import Gate

BILLED_ON = date(2026, 3, 2)
PAID_ON = date(2026, 3, 9)


class Till:
    """Two invoices of 100 and 50 and a credit note of 60, and then a payment of 95."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.invoiced = FakeInvoiced(now=now)
        self.xero = FakeXero(now=now, calls_per_minute=None, calls_per_day=None)
        self.billing, self.ledger = Gate(self.invoiced), Gate(self.xero)
        self._served = serve(self.ledger), serve(self.billing)
        self.ledger_url, self.billing_url = (each.url for each in self._served)
        self._owner = self.invoiced.add_customer("A customer", "C1")
        self._bills = [
            self.invoiced.add_invoice(number, self._owner, total, on=BILLED_ON)
            for number, total in (("INV-1", "100"), ("INV-2", "50"))
        ]
        self._note = self.invoiced.add_credit_note(
            "CN-1", self._owner, "60", on=BILLED_ON
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each in self._served:
            each.close()

    def pay(self) -> None:
        """Cash for both invoices, a fee, and a credit for each: both are paid by it."""
        first, second = self._bills
        credited: dict[str, Any] = {
            "type": "credit_note",
            "document_type": "invoice",
            "credit_note": self._note,
        }
        parts: list[dict[str, Any]] = [
            {"type": "invoice", "invoice": first, "amount": "60"},
            {"type": "invoice", "invoice": second, "amount": "30"},
            {"type": "convenience_fee", "amount": "5"},
            {**credited, "invoice": first, "amount": "40"},
            {**credited, "invoice": second, "amount": "20"},
        ]
        self.invoiced.add_payment(self._owner, "95", PAID_ON, applied_to=parts)

    def owed(self) -> dict[str, str]:
        """What the ledger says is owed on each invoice, and of each fee, in dollars."""
        return {
            "fee"
            if row["InvoiceNumber"].startswith("FEE-")
            else row["InvoiceNumber"]: (
                f"{Decimal(str(row['AmountDue'])):.2f} of {Decimal(str(row['Total'])):.2f}"
            )
            for row in self.xero.invoices()
            if row["Status"] != "VOIDED"
        }

    def received(self) -> list[str]:
        """The ledger's payments, each by its amount, in dollars."""
        return sorted(
            f"{Decimal(str(row['Amount'])):.2f}"
            for row in self.xero.payments()
            if row["Status"] == "AUTHORISED"
        )


WHOLE = {
    "INV-1": "0.00 of 100.00",
    "INV-2": "0.00 of 50.00",
    "fee": "0.00 of 5.00",
}
"""What is owed in the ledger once every leg is there once."""

PARTS = ["30.00", "5.00", "60.00"]
"""The payments of the ledger then: it puts each to one invoice."""
