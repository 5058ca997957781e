"""A connector to Paperbook, the made-up ledger of the tutorial, and its bench."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from attrs import evolve

from tieout.auth import Headers
from tieout.capabilities import (
    Capabilities,
    Changed,
    Creates,
    Everything,
    Feed,
    Kind,
    Mark,
    Payments,
    Select,
    Updates,
    Verb,
)
from tieout.change import Change
from tieout.connector import (
    Books,
    Fields,
    Resource,
    RestConnector,
    Rule,
    iso_day,
    iso_instant,
)
from tieout.errors import Code, Fault
from tieout.models import (
    Customer,
    Invoice,
    Part,
    R,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.testing.conformance import Bench, Sample, SetClock
from tieout.testing.fakes.paperbook import FakePaperbook
from tieout.wire import Answer, Request, Response

# The connector --------------------------------------------------------------------------

# fmt: off
STATUSES = {"draft": Status.DRAFT, "open": Status.OPEN, "paid": Status.SETTLED, "void": Status.VOID}
# fmt: on
RULES = (
    Rule(Code.SIGN_IN_REFUSED, 401, remedy="Make a new key.", answer=Answer.SIGN_IN),
    Rule(Code.DUPLICATE_NUMBER, 422, "number_taken"),
    Rule(Code.REFUSED, 422, "paid", remedy="Take its receipts back first."),
    Rule(Code.REFUSED, 422, "invalid"),
    Rule(Code.STALE_VERSION, 409),
)
LISTED = Kind(selects=frozenset({Changed, Everything}))
MADE = frozenset({Verb.READ, Verb.CREATE, Verb.VOID})
KEPT = frozenset({Verb.READ, Verb.UPDATE})
MONEY = frozenset({"settled_by", "paid_on"})
KINDS: Mapping[RecordType, Kind] = {
    Customer: LISTED,
    Invoice: evolve(
        LISTED, verbs=MADE, creates=Creates.FINAL, mark=Mark("memo"), number_unique=True
    ),
    Settlement: evolve(LISTED, verbs=KEPT, writable=MONEY, updates=Updates.SPARSE),
}
PAYMENTS = Payments(
    feeds=(Feed.STAMP,), parts=frozenset({Part.CASH}), holds_date_alone=False
)


class Paperbook(RestConnector):
    """One company's book in Paperbook."""

    rules = RULES
    ids = re.compile("[0-9]{1,12}", re.ASCII)
    cursors = re.compile("[0-9T:-]{19}~[0-9]{12}", re.ASCII)

    def __init__(self, company: str, key: str, page_size: int = 100) -> None:
        self.connection = f"paperbook:{company}"
        self.auth = Headers(f"https://paperbook.example/{company}", {"X-Key": key})
        self.resources = {
            Customer: _list(Customer, "customers", self._customer),
            Invoice: _list(Invoice, "invoices", self._invoice, _new),
            Settlement: _list(Settlement, "invoices", self._settlement, _paid),
        }
        kinds = {kind: evolve(can, page_size=page_size) for kind, can in KINDS.items()}
        self.capabilities = Capabilities(
            "Paperbook", kinds, PAYMENTS, version_token=True
        )

    def probes(self) -> Mapping[str, Request]:
        return {each: Request("GET", each) for each in ("book", "invoices")}

    def books(self, answers: Mapping[str, Response]) -> Books:
        book = Fields(answers["book"].json())
        return Books(book.id("id"), book.text("name"), book.currency("currency"))

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        asked = {"limit": str(self.capabilities.kind(resource.kind).page_size)}
        if isinstance(select, Changed):
            asked["since"] = f"{select.since:%Y-%m-%dT%H:%M:%SZ}"
        if cursor:
            asked["after"] = cursor
        return Request("GET", resource.path, asked)

    def literal(self, resource: Resource[Any], by: str, value: str) -> str:
        if (
            "," in value
        ):  # Paperbook takes such numbers, and splits there when it searches
            raise Fault(Code.NOT_ALLOWED, f"{value!r} has a comma")
        return value

    def explain(self, response: Response) -> tuple[str, str]:
        try:
            told = Fields(response.json())
            return told.text("error"), told.text("text") or response.text()
        except Fault:  # it is not Paperbook that answers
            return "", response.text().strip()

    def _customer(self, row: Fields) -> Customer:
        ref = Ref(self.connection, "Customer", self.own_id(row))
        found = Customer(ref, row.text("name"), row.number("number"))
        return evolve(found, changed_at=row.read("changed", iso_instant))

    def _bill(self, row: Fields) -> dict[str, Any]:
        """What an invoice and its money have in common."""
        currency = row.currency("currency")
        return {
            "ref": Ref(self.connection, "Invoice", self.own_id(row)),
            "number": row.number("number"),
            "customer": Ref(self.connection, "Customer", self.own_id(row, "customer")),
            "currency": currency,
            "on": row.read("date", iso_day),
            "total": row.amount("total", currency),
            "status": row.choice("status", STATUSES),
            "changed_at": row.read("changed", iso_instant),
            "version": row.text("version"),
        }

    def _invoice(self, row: Fields) -> Invoice:
        return Invoice(**self._bill(row), reference=row.text("memo"))

    def _settlement(self, row: Fields) -> Settlement:
        bill, day = self._bill(row), row.maybe("paid_on", iso_day)
        paid = row.amount("paid", bill["currency"])
        parts, rest = {Part.CASH: paid}, bill["total"] - paid
        return Settlement(**bill, balance=rest, settled_by=parts, paid_on=day)


def _list(
    kind: type[R], path: str, load: Callable[[Fields], R], dump: Any = None
) -> Resource[R]:
    pages: Any = {"rows": "items", "next_field": "next", "page_parameter": "after"}
    return Resource(kind, path, load, mark_parameter="memo", dump=dump, **pages)


def _new(change: Change) -> dict[str, Any]:
    """An invoice as Paperbook wants it."""
    bill: Any = change.after
    told = {"number": bill.number, "customer": bill.customer.id, "total": bill.total}
    return told | {"currency": bill.currency, "date": str(bill.on), "memo": change.mark}


def _paid(change: Change) -> dict[str, Any]:
    """What was paid, of the invoice as it was read."""
    level, was = change.after, change.before
    assert isinstance(level, Settlement)
    assert isinstance(was, Settlement)
    day = str(level.paid_on) if level.paid_on else None
    return {"paid": level.paid, "paid_on": day, "version": int(was.version)}


# The bench ------------------------------------------------------------------------------

CANARY = "canary-7f3a9c"


class PaperbookBench(Bench):
    """One company in Paperbook, on the fake server."""

    secrets = (CANARY,)
    zero_decimal = "JPY"
    fields: Mapping[RecordType, Mapping[str, str]] = {
        kind: {
            "number": "number",
            "status": "status",
            "total": "total",
            "balance": "paid",
            "customer": "customer",
            "on": "date",
        }
        for kind in (Invoice, Settlement)
    }

    def __init__(self, company: str = "acme", clock: SetClock | None = None) -> None:
        self.clock = clock or SetClock()
        self.book = FakePaperbook(now=self.clock.now, company=company, key=CANARY)
        self.transport = self.book

    def connector(self, **overrides: Any) -> Paperbook:
        keys = {"company": self.book.company, "key": CANARY}
        return Paperbook(**{**keys, **overrides})

    def customer(self, name: str, number: str = "") -> str:
        return self.book.add_customer(name, number)

    def invoice(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self.book.add_invoice(number, customer, total, on, currency)

    def draft(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self.book.add_invoice(
            number, customer, total, on, currency, status="draft"
        )

    def pay(self, invoice: str, amount: Decimal, on: date) -> str:
        return self.book.pay(invoice, amount, on)

    overpay = pay

    def take_back(self, payment: str) -> None:
        self.book.take_back(payment)

    def edit(self, kind: RecordType, identity: str) -> None:
        if kind is Customer:
            self.book.edit("customers", identity, number="C-1")
        else:
            self.book.edit("invoices", identity, memo="edited")

    def void(self, kind: RecordType, identity: str) -> None:
        self.book.void(identity)

    def revoke(self) -> None:
        self.book.key = "another one"

    def deny(self) -> str:
        self.book.denied.add("invoices")
        return "invoices"

    def neighbour(self) -> PaperbookBench:
        return PaperbookBench("other", self.clock)

    def samples(self) -> Iterable[Sample]:
        for status, error, code, answer in (
            (401, "bad_key", Code.SIGN_IN_REFUSED, Answer.SIGN_IN),
            (403, "forbidden", Code.PERMISSION_MISSING, Answer.REFUSED),
            (404, "not_found", Code.NO_SUCH_RESOURCE, Answer.REFUSED),
            (409, "stale", Code.STALE_VERSION, Answer.REFUSED),
            (422, "number_taken", Code.DUPLICATE_NUMBER, Answer.REFUSED),
            (422, "paid", Code.REFUSED, Answer.REFUSED),
            (422, "invalid", Code.REFUSED, Answer.REFUSED),
        ):
            body = f'{{"error": "{error}", "text": "as Paperbook says it"}}'
            headers = {"Content-Type": "application/json"}
            yield Sample(error, Response(status, headers, body), code, answer)

    @property
    def writes(self) -> int:
        return self.book.writes
