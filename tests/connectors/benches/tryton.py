"""Tryton: its fake, its connector, and what a bookkeeper does in it."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from attrs import evolve

from benches.canary import CANARY
from tieout.connectors.tryton import Tryton
from tieout.errors import Code
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Record,
    RecordType,
    Settlement,
)
from tieout.testing.conformance import Bench, NotStaged, Sample, SetClock
from tieout.testing.fakes.tryton import FakeTryton
from tieout.wire import Answer, Request, Response, write_json

JSON = {"Content-Type": "application/json"}
TRACE = 'Traceback (most recent call last):\n  File "trytond/rpc.py"'

USER_ERRORS: Mapping[str, Code] = {
    'You are not allowed to access "User".': Code.PERMISSION_MISSING,
    'You are trying to read records "9" of "Account Invoice" that don\'t exist.': Code.NO_SUCH_RESOURCE,
    'To continue, you must create a period for the date "01/01/2020" and company "Acme".': Code.LOCKED_PERIOD,
    'To number the invoice "[X]", you must set an invoice date after "11/16/2026" because the sequence "2026" has already been used for invoice "13".': Code.REFUSED,
    "The code on party must be unique.": Code.DUPLICATE_NUMBER,
    'You are not allowed to modify the field "Code" in record "Acme" of "Party".': Code.REFUSED,
    'You can not call "post" on "1 [REF1]" of "Account Invoice".': Code.REFUSED,
}
"""What Tryton says of what it will not do, and what that is."""


def failure(*error: Any) -> Response:
    """Tryton's answer to what it does not carry out: status 200, and an error."""
    return Response(200, JSON, write_json({"id": 1, "error": error}))


def plain(response: Response) -> Response:
    """The answer, unpacked."""
    if not response.body.startswith(b"\x1f\x8b"):
        return response
    headers = [pair for pair in response.headers if pair[0] != "Content-Encoding"]
    return Response(response.status, headers, gzip.decompress(response.body))


class UnpackedTryton(FakeTryton):
    """The fake, whose answers are unpacked as by every transport."""

    def send(self, request: Request, timeout: float) -> Response:
        return plain(super().send(request, timeout))


class TrytonBench(Bench):
    """One company in one Tryton database."""

    secrets = (CANARY,)
    zero_decimal = "JPY"
    fields: Mapping[RecordType, Mapping[str, str]] = {
        kind: {
            "number": "number",
            "status": "state",
            "total": "total_amount",
            "customer": "party",
            "on": "invoice_date",
        }
        for kind in (Invoice, CreditNote, Settlement)
    }
    excuses: Mapping[str, str] = {
        "a credit note is positive, less what was applied": "it is applied as a whole",
        "a balance that is none": "what is owed is worked out from several move lines",
    }

    def __init__(
        self, database: str = "ledger", clock: SetClock | None = None, **fake: Any
    ) -> None:
        self.clock = clock or SetClock()
        self.database = database
        self._lines: dict[str, int] = {}
        self.tryton = UnpackedTryton(
            now=self.clock.now, database=database, password=CANARY, **fake
        )
        self.transport = self.tryton
        self.tryton.add_currency("JPY")

    def connector(self, **overrides: Any) -> Tryton:
        chart = self.tryton.chart
        keys = dict(user="connector", password=CANARY, database=self.database)
        ids = dict(
            receivable=chart.receivable,
            revenue=chart.revenue,
            journal=chart.revenue_journal,
            payment_method=chart.payment_method,
            skip_warnings=("invoice_payment_term",),
        )
        return Tryton(**{"url": "http://tryton.example", **keys, **ids, **overrides})

    # What a bookkeeper does

    def customer(self, name: str, number: str = "") -> str:
        return str(self.tryton.add_customer(name, number))

    def invoice(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self._bill(number, total, customer, on, currency)

    def draft(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self._bill(number, total, customer, on, currency, status="draft")

    def _bill(
        self,
        number: str,
        total: Decimal,
        customer: str,
        on: date,
        currency: str,
        **more: Any,
    ) -> str:
        whose = int(customer)
        made = self.tryton.add_invoice(
            number, whose, total, on=on, currency=currency, **more
        )
        return str(made)

    def credit_note(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        given = (number, int(customer), total)
        return str(self.tryton.add_credit_note(*given, on=on, currency=currency))

    def pay(self, invoice: str, amount: Decimal, on: date) -> str:
        line = self.tryton.pay(int(invoice), amount, on)
        rows = self.tryton.payments()
        return next(str(row["move."]["id"]) for row in rows if row["id"] == line)

    overpay = pay

    def take_back(self, payment: str) -> None:
        for row in self.tryton.payments():
            if str(row["move."]["id"]) == payment:
                self.tryton.void_payment(row["id"])

    def apply_credit(self, credit: str, invoice: str, amount: Decimal, on: date) -> str:
        try:
            line = self.tryton.allocate(int(credit), int(invoice), amount, on)
        except ValueError as reason:
            raise NotStaged("Tryton applies a credit note as a whole") from reason
        self._lines[f"{credit}/{invoice}"] = line
        return f"{credit}/{invoice}"

    def unapply_credit(self, application: str) -> None:
        invoice = int(application.partition("/")[2])
        self.tryton.unreconcile(invoice)
        apart = [["remove", [self._lines[application]]]]
        self.tryton.edit_invoice(invoice, payment_lines=apart)

    def edit(self, kind: RecordType, identity: str) -> None:
        if kind is Customer:
            self.tryton.edit_customer(int(identity), name="Edited")
        else:
            self.tryton.edit_invoice(int(identity), reference="edited")

    def void(self, kind: RecordType, identity: str) -> None:
        self.tryton.void_invoice(int(identity))

    def wanted(self, kind: RecordType, record: Record) -> Record:
        if not isinstance(record, Application):
            return record
        # It is of the whole credit note, and of its day.
        note = self.tryton.invoice(int(record.source.id))
        total, on = -note["total_amount"], note["invoice_date"]
        return evolve(record, amount=total, on=on)

    # What goes wrong

    def expire(self) -> None:
        self.tryton.expire()

    def revoke(self) -> None:
        self.tryton.revoke()

    def deny(self) -> str:
        self.tryton.deny("account.invoice")
        return "account.invoice"

    def neighbour(self) -> TrytonBench:
        return TrytonBench("other", self.clock)

    def samples(self) -> Iterable[Sample]:
        for words, code in USER_ERRORS.items():
            yield Sample(words, failure("UserError", [words, "", None]), code)
        key = "99ba69afe432253fdbdd01a73b2b3b86.invoice_payment_term"
        past = failure("UserWarning", [key, "A payment date in the past.", ""])
        yield Sample("a warning", past, Code.REFUSED)
        stale = failure("ConcurrencyException", "Records were modified")
        yield Sample("somebody was faster", stale, Code.STALE_VERSION)
        factor = failure("LoginException", ["sms", "A code", "char"])
        yield Sample("a second factor", factor, Code.SIGN_IN_REFUSED)
        module = failure("'account.invoice'", "")
        yield Sample("a missing module", module, Code.PERMISSION_MISSING)
        busy = failure("database is locked", TRACE)
        yield Sample("a busy database", busy, Code.SERVER_ERROR, Answer.UNCLEAR)
        odd = failure("list index out of range", TRACE)
        yield Sample("a bug of Tryton's", odd, Code.UNKNOWN_ERROR)
        nothing = Response(204)
        yield Sample("nothing", nothing, Code.BAD_PAYLOAD, Answer.UNCLEAR)

    @property
    def writes(self) -> int:
        return self.tryton.writes
