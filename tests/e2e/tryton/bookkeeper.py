"""
The accountant: does in Tryton by hand what a sync must find out.

Works over the network through proteus, Tryton's own client, as a user of its
own. Creating and posting go as bulk calls, since the form-filling that
proteus imitates costs ten calls a document; paying, crediting and cancelling
go through the same wizards that a person clicks through.
"""

import contextlib
import datetime as dt
import functools
import hashlib
import xmlrpc.client
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any, Self

from proteus import Model, Wizard
from proteus import config as proteus_config

from .server import TrytonServer, copy_books, temporary_directory

# One value for the whole process, which may run past midnight.
TODAY = dt.datetime.now().astimezone().date()


@dataclass(frozen=True)
class Bill:
    """One invoice to be made; a negative amount makes a credit note."""

    customer: int
    amount: Decimal
    on: dt.date
    reference: str = ""
    term: str = "now"
    text: str = "Services"


class Bookkeeper:
    """
    Signed in for as long as the `with` lasts.

    With a server whose queue worker does not run, an invoice stays `posted`
    after its last payment until `process` is called for it.
    """

    def __init__(self, server: TrytonServer, login: str = "accountant") -> None:
        self.server = server
        self.login = login
        self.facts: dict[str, Any] = server.facts
        self._config: Any = None

    def __enter__(self) -> Self:
        self._session = proteus_config.set_xmlrpc_session(
            self.server.rpc_url, self.login, self.facts["users"][self.login]
        )
        self._config = self._session.__enter__()
        # proteus remembers models by the id() of a config, which Python reuses.
        Model.reset(self._config)
        return self

    def __exit__(self, *exc_info: object) -> None:
        # The server may have been stopped, or the session have ended, on purpose.
        with contextlib.suppress(OSError, xmlrpc.client.Error):
            self._session.__exit__(None, None, None)
        self._config.server("close")()

    def model(self, name: str) -> Any:
        return Model.get(name, self._config)

    def invoice(self, invoice: int) -> Any:
        """The invoice as a proteus record, read now."""
        return self.model("account.invoice")(invoice)

    def call(self, model: str, method: str, *args: object) -> Any:
        """A bare call of a model's method, in the user's own context."""
        proxy = self._config.get_proxy(model)
        return getattr(proxy, method)(*args, self._config.context)

    def _accept(self, warning: str, record: str) -> None:
        """
        Say yes to a warning before it is given.

        Its key is made of a digest, and XML-RPC tells the text but not the key.
        """
        digest = hashlib.md5(record.encode(), usedforsecurity=False).hexdigest()
        self.call("res.user.warning", "skip", f"{digest}.{warning}", False)

    def _wizard(self, name: str, records: Sequence[Any]) -> Any:
        return Wizard(name, list(records), config=self._config)

    # Documents.

    def customers(self, names: Iterable[str]) -> list[int]:
        blank: dict[str, Any] = {}
        values = [{"name": name, "addresses": [("create", [blank])]} for name in names]
        made: list[int] = self.call("party.party", "create", values)
        return made

    def drafts(self, bills: Sequence[Bill]) -> list[int]:
        """Invoices not yet posted, in the order of the bills."""
        parties = {bill.customer for bill in bills}
        rows = self.call("party.party", "read", sorted(parties), ["addresses"])
        address = {row["id"]: row["addresses"][0] for row in rows}
        values = [self._values(bill, address[bill.customer]) for bill in bills]
        made: list[int] = self.call("account.invoice", "create", values)
        return made

    def _values(self, bill: Bill, address: int) -> dict[str, Any]:
        # Over the network nothing fills in what a form would.
        ids = self.facts
        line = {
            "type": "line",
            "account": ids["accounts"]["revenue"],
            "company": ids["company"],
            "currency": ids["currency"],
            "description": bill.text,
            "quantity": 1.0 if bill.amount >= 0 else -1.0,
            "unit_price": abs(bill.amount),
        }
        return {
            "type": "out",
            "company": ids["company"],
            "currency": ids["currency"],
            "journal": ids["journals"]["revenue"],
            "account": ids["accounts"]["receivable"],
            "party": bill.customer,
            "invoice_address": address,
            "payment_term": ids["terms"][bill.term],
            "invoice_date": bill.on,
            "reference": bill.reference,
            "lines": [("create", [line])],
        }

    def invoices(self, bills: Sequence[Bill]) -> list[int]:
        """
        Posted invoices, in the order of the bills.

        Tryton wants numbers to follow dates: one call a day, oldest first.
        """
        made = self.drafts(bills)
        dated = sorted(zip(made, bills, strict=True), key=lambda pair: pair[1].on)
        for _, day in groupby(dated, key=lambda pair: pair[1].on):
            self.post([invoice for invoice, _ in day])
        return made

    def post(self, invoices: Sequence[int]) -> None:
        """
        Post in one call, accepting beforehand that they are overdue already.

        Otherwise Tryton refuses the call for each overdue invoice in turn.
        """
        for invoice in invoices:
            self._accept("invoice_payment_term", f"account.invoice,{invoice}")
        self.call("account.invoice", "post", list(invoices))

    def process(self, invoices: Sequence[int]) -> None:
        """What a queue worker would do: move the state on after a payment."""
        self.call("account.invoice", "process", list(invoices))

    # Money.

    def _pay(
        self, invoice: int, amount: Decimal | None, on: dt.date, kind: str
    ) -> None:
        wizard = self._wizard("account.invoice.pay", [self.invoice(invoice)])
        form = wizard.form
        form.amount = form.amount if amount is None else amount
        form.payment_method = self.model("account.invoice.payment.method")(
            self.facts["payment_method"]
        )
        form.date = on
        form.description = f"Payment of {on}"
        wizard.execute("choice")
        if wizard.state == "end":
            return
        wizard.form.type = kind
        if kind == "writeoff":
            wizard.form.writeoff = self.model("account.move.reconcile.write_off")(
                self.facts["write_off"]
            )
        wizard.execute("pay")

    def pay(self, invoice: int, on: dt.date, amount: Decimal | None = None) -> None:
        """Money received: all that is open, or a part of it."""
        self._pay(invoice, amount, on, "partial")

    def overpay(self, invoice: int, on: dt.date, amount: Decimal) -> None:
        """More than is open: the rest stays as the customer's open credit."""
        self._pay(invoice, amount, on, "overpayment")

    def pay_and_write_off(self, invoice: int, on: dt.date, amount: Decimal) -> None:
        """Less than is open, and the rest is given up."""
        self._pay(invoice, amount, on, "writeoff")

    def reverse(self, invoice: int, *, on_the_books: bool = True) -> None:
        """
        Undo the last payment, so that the invoice is open again.

        Taking the reconciliation apart comes first; the state follows at once
        or when `process` runs. With `on_the_books=False` it stops there: the
        payment still hangs on the invoice, of which Tryton then says posted, 0 to pay.
        """
        record = self.invoice(invoice)
        lines = [line for line in record.lines_to_pay if line.reconciliation]
        if lines:
            self._wizard("account.move.unreconcile_lines", lines)
        if on_the_books:
            last = self._last_payment(record)
            self._accept("cancel_invoice_move", f"account.move,{last.id}")
            self._wizard("account.move.cancel", [last]).execute("cancel")

    def _last_payment(self, record: Any) -> Any:
        """The move of the latest payment that nobody has undone yet."""
        record.reload()
        moves = [
            line.move
            for line in record.payment_lines
            if not line.reconciliation
            and line.move.journal.id == self.facts["journals"]["cash"]
        ]
        return max(moves, key=lambda move: (move.date, move.id))

    # Credit.

    def cancel(self, invoice: int, on: dt.date) -> int:
        """Cancel by a credit note over the whole; returns the note."""
        return self._credit(invoice, on, with_refund=True)

    def credit_note(self, invoice: int, on: dt.date) -> int:
        """A posted credit note over the whole invoice, not yet applied."""
        note = self._credit(invoice, on, with_refund=False)
        self.post([note])
        return note

    def _credit(self, invoice: int, on: dt.date, *, with_refund: bool) -> int:
        wizard = self._wizard("account.invoice.credit", [self.invoice(invoice)])
        wizard.form.with_refund = with_refund
        wizard.form.invoice_date = on
        wizard.execute("credit")
        (note,) = wizard.actions[0]
        return int(note.id)

    def apply_in_full(self, invoice: int, note: int) -> None:
        """Set a credit note against all that the invoice still owes."""
        lines = [
            line
            for document in (self.invoice(invoice), self.invoice(note))
            for line in (*document.lines_to_pay, *document.payment_lines)
            if not line.reconciliation
        ]
        self._wizard("account.move.reconcile_lines", lines)

    def apply_in_part(self, invoice: int, note: int) -> None:
        """Set a smaller credit note against the invoice, which stays open."""
        lines = [line.id for line in self.invoice(note).lines_to_pay]
        self.call(
            "account.invoice", "write", [invoice], {"payment_lines": [("add", lines)]}
        )


@dataclass(frozen=True)
class Intended:
    """What was done to one invoice, and what the books should say of it."""

    invoice: int
    case: str
    total: Decimal
    paid: Decimal
    paid_on: dt.date | None
    written_off: Decimal = Decimal(0)


# How many invoices of a busy quarter meet which fate; the others stay open.
CASES = {
    "paid": 20,
    "part": 8,
    "parts": 5,
    "over": 4,
    "written_off": 3,
    "reversed": 4,
    "part_reversed": 2,
    "unreconciled": 1,
    "cancelled": 4,
    "credited": 3,
    "part_credited": 3,
}
AMOUNTS = (Decimal("100.00"), Decimal("50.00"), Decimal("99.95"))


class Quarter:
    """
    A quarter's work in the books: invoices, and every fate they can meet.

    Days lie in the past: payments come ten days after the invoice, which is
    before the due date of every second one. Credit notes are dated `today`, so
    that no invoice of an earlier day can be posted after them.
    """

    def __init__(self, books: Bookkeeper, today: dt.date, count: int = 125) -> None:
        self.books = books
        self.today = today
        self.first = today - dt.timedelta(days=90)
        self.count = count

    def run(self) -> list[Intended]:
        """Do it all; what each invoice should look like then, in their order."""
        bills = self.bills()
        made = self.books.invoices(bills)
        fates = [case for case, times in CASES.items() for _ in range(times)]
        fates += ["open"] * (self.count - len(fates))
        return [
            getattr(self, case)(invoice, bill, bill.on + dt.timedelta(days=10))
            for invoice, bill, case in zip(made, bills, fates, strict=True)
        ]

    def bills(self) -> list[Bill]:
        """A dozen a day; references are billing's number, or what a person typed."""
        customers = self.books.customers(["Acme Ltd", "Bolt & Sons", "Çelik A.Ş."])
        return [
            Bill(
                customer=customers[i % 3],
                amount=AMOUNTS[i % len(AMOUNTS)],
                on=self.first + dt.timedelta(days=i // 12),
                reference=f"as agreed, job {i}" if i % 10 == 9 else f"INV-{10001 + i}",
                term="days30" if i % 2 else "now",
            )
            for i in range(self.count)
        ]

    def open(self, invoice: int, bill: Bill, on: dt.date) -> Intended:
        return Intended(invoice, "open", bill.amount, Decimal(0), None)

    def paid(self, invoice: int, bill: Bill, on: dt.date) -> Intended:
        self.books.pay(invoice, on)
        return Intended(invoice, "paid", bill.amount, bill.amount, on)

    def part(self, invoice: int, bill: Bill, on: dt.date) -> Intended:
        self.books.pay(invoice, on, Decimal(20))
        return Intended(invoice, "part", bill.amount, Decimal(20), None)

    def parts(self, invoice: int, bill: Bill, on: dt.date) -> Intended:
        last = on + dt.timedelta(days=5)
        self.books.pay(invoice, on, Decimal(20))
        self.books.pay(invoice, on, Decimal(10))
        self.books.pay(invoice, last)
        return Intended(invoice, "parts", bill.amount, bill.amount, last)

    def over(self, invoice: int, bill: Bill, on: dt.date) -> Intended:
        self.books.overpay(invoice, on, bill.amount + 5)
        return Intended(invoice, "over", bill.amount, bill.amount, on)

    def written_off(self, invoice: int, bill: Bill, on: dt.date) -> Intended:
        lost = Decimal("0.95")
        self.books.pay_and_write_off(invoice, on, bill.amount - lost)
        paid = bill.amount - lost
        return Intended(invoice, "written_off", bill.amount, paid, None, lost)

    def reversed(self, invoice: int, bill: Bill, on: dt.date) -> Intended:
        self.books.pay(invoice, on)
        self.books.reverse(invoice)
        return Intended(invoice, "reversed", bill.amount, Decimal(0), None)

    def part_reversed(self, invoice: int, bill: Bill, on: dt.date) -> Intended:
        self.books.pay(invoice, on, Decimal(15))
        self.books.pay(invoice, on + dt.timedelta(days=1), Decimal(10))
        self.books.reverse(invoice)
        return Intended(invoice, "part_reversed", bill.amount, Decimal(15), None)

    def unreconciled(self, invoice: int, bill: Bill, on: dt.date) -> Intended:
        self.books.pay(invoice, on)
        self.books.reverse(invoice, on_the_books=False)
        return Intended(invoice, "unreconciled", bill.amount, Decimal(0), None)

    def cancelled(self, invoice: int, bill: Bill, on: dt.date) -> Intended:
        self.books.cancel(invoice, self.today)
        return Intended(invoice, "cancelled", bill.amount, Decimal(0), None)

    def credited(self, invoice: int, bill: Bill, on: dt.date) -> Intended:
        note = self.books.credit_note(invoice, self.today)
        self.books.apply_in_full(invoice, note)
        return Intended(invoice, "credited", bill.amount, bill.amount, self.today)

    def part_credited(self, invoice: int, bill: Bill, on: dt.date) -> Intended:
        credit = Bill(bill.customer, Decimal(-12), self.today, "goodwill")
        (note,) = self.books.invoices([credit])
        self.books.apply_in_part(invoice, note)
        return Intended(invoice, "part_credited", bill.amount, Decimal(12), None)


@functools.cache
def busy_template() -> tuple[Path, list[Intended]]:
    """
    A template with a quarter's work in it, made once a process.

    `TrytonServer(source=...)` over it starts as fast as over an empty one.
    """
    directory = temporary_directory()
    with TrytonServer() as server:
        with Bookkeeper(server) as books:
            intended = Quarter(books, TODAY).run()
        copy_books(server.directory, directory)
    return directory, intended
