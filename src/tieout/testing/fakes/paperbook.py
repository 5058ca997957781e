"""
Paperbook: a small made-up ledger, whose server *is* a `tieout.wire.Transport`.

The tutorial of connectors is written against it, and the conformance kit is tried on it.
It has customers, invoices, the receipts that were put to them, an API key, change times,
versions and pages; it knows no taxes, credits or users, and keeps no vendor's traps.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tieout.wire import Request, Response

PAGE_MAX = 100
JSON = {"Content-Type": "application/json"}


class Refusal(Exception):
    """What the server will not do: a status, a word for programs, a sentence for people."""

    def __init__(self, status: int, error: str, text: str) -> None:
        super().__init__(text)
        self.status, self.error, self.text = status, error, text


@dataclass
class Row:
    """A customer, an invoice or a receipt, with what every record has."""

    id: str
    fields: dict[str, Any]
    changed: datetime
    version: int = 1
    receipts: dict[str, tuple[Decimal, date | None]] = field(default_factory=dict)
    """Of an invoice: by receipt, how much of it was put there, and when."""

    @property
    def place(self) -> str:
        """Where it stands in a list: by change time, then id."""
        return f"{self.changed:%Y-%m-%dT%H:%M:%S}~{int(self.id):012d}"

    def shown(self) -> dict[str, Any]:
        """As the API shows it."""
        told: dict[str, Any] = {"id": self.id, "version": self.version, **self.fields}
        told["changed"] = f"{self.changed:%Y-%m-%dT%H:%M:%SZ}"
        if "total" not in told:
            return told
        paid = sum((amount for amount, _ in self.receipts.values()), Decimal(0))
        closed = paid >= told["total"]
        days = [day for _, day in self.receipts.values() if day]
        told |= {"paid": paid, "paid_on": max(days, default=None) if closed else None}
        if told["status"] == "open" and closed:
            told["status"] = "paid"
        return told


class FakePaperbook:
    """
    One company's book. ``writes`` counts requests that are no GET, ``requests`` all.

    ``now`` gives an aware instant; the other methods are what people do in Paperbook's
    own windows.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        company: str = "acme",
        key: str = "key-of-acme",
        currency: str = "USD",
    ) -> None:
        self.company, self.key, self.currency = company, key, currency
        self.requests = 0
        self.writes = 0
        self.denied: set[str] = set()
        self._now = now
        self._serial = 0
        self._lock = threading.RLock()
        names = ("customers", "invoices", "receipts")
        self._tables: dict[str, dict[str, Row]] = {name: {} for name in names}

    # The transport

    def send(self, request: Request, timeout: float) -> Response:
        """Answer one request."""
        with self._lock:
            self.requests += 1
            self.writes += request.method != "GET"
            try:
                return Response(200, JSON, _json(self._answer(request)))
            except Refusal as no:
                body = {"error": no.error, "text": no.text}
                return Response(no.status, JSON, _json(body))

    def close(self) -> None:
        """Nothing is held open."""

    def _answer(self, request: Request) -> Any:
        parts = urlsplit(request.url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        query.update(request.params)
        _, company, *path = [unquote(each) for each in parts.path.split("/")]
        if company != self.company or request.header("X-Key") != self.key:
            raise Refusal(401, "bad_key", "no such company, or another key")
        if path[0] in self.denied:
            raise Refusal(403, "forbidden", f"this key may not use {path[0]}")
        if request.method == "GET":
            return self._told(path, query)
        return self._done(request.method, path, _read(request.body())).shown()

    def _told(self, path: list[str], query: Mapping[str, str]) -> Any:
        match path:
            case ["book"]:
                told = {"id": f"book-{self.company}", "name": self.company.title()}
                return told | {"currency": self.currency, "zone": "UTC"}
            case [name] if name in self._tables:
                return self._listed(self._tables[name], query)
        raise Refusal(404, "not_found", "nothing is there")

    def _done(self, method: str, path: list[str], body: Mapping[str, Any]) -> Row:
        match method, path:
            case "POST", ["customers"]:
                return self._new_customer(body)
            case "POST", ["invoices"]:
                return self._made(body)
            case "PATCH", ["invoices", own]:
                return self._paid(own, body)
            case "DELETE", ["invoices", own]:
                return self._voided(own)
            case "POST", ["receipts"]:
                return self._put(body)
            case "DELETE", ["receipts", own]:
                return self._taken_back(own)
        raise Refusal(404, "not_found", "nothing is there")

    def _listed(self, table: Mapping[str, Row], query: Mapping[str, str]) -> Any:
        size = min(int(query.get("limit", PAGE_MAX)), PAGE_MAX)
        rows = sorted(table.values(), key=lambda row: row.place)
        rows = [row for row in rows if _asked(row.shown(), query)]
        rows = [row for row in rows if row.place > query.get("after", "")]
        following = rows[size - 1].place if len(rows) > size else None
        return {"items": [row.shown() for row in rows[:size]], "next": following}

    def _made(self, body: Mapping[str, Any]) -> Row:
        customer, number = str(body.get("customer")), str(body.get("number") or "")
        if customer not in self._tables["customers"]:
            raise Refusal(422, "invalid", f"there is no customer {customer}")
        if any(number == row.fields["number"] for row in self._invoices()):
            raise Refusal(422, "number_taken", f"{number} is the number of another")
        return self._new_invoice(
            number,
            customer,
            Decimal(str(body["total"])),
            date.fromisoformat(body["date"]),
            str(body["currency"]),
            memo=str(body.get("memo") or ""),
        )

    def _voided(self, own: str) -> Row:
        row = self._invoice(own)
        if row.receipts:
            raise Refusal(422, "paid", "an invoice that was paid cannot be voided")
        row.fields["status"] = "void"
        return self._touched(row)

    def _paid(self, own: str, body: Mapping[str, Any]) -> Row:
        row = self._invoice(own)
        if body.get("version") != row.version:
            raise Refusal(409, "stale", f"it has version {row.version} by now")
        amount, day = Decimal(str(body["paid"])), body.get("paid_on")
        on = date.fromisoformat(day) if day else None
        row.receipts = {self._next(): (amount, on)} if amount else {}
        return self._touched(row)

    def _new_customer(self, body: Mapping[str, Any]) -> Row:
        if not body.get("name"):
            raise Refusal(422, "invalid", "a customer has a name")
        told = {each: str(body.get(each) or "") for each in ("name", "number", "memo")}
        return self._kept("customers", told)

    def _put(self, body: Mapping[str, Any]) -> Row:
        amount = Decimal(str(body["amount"]))
        puts = [(str(p["invoice"]), Decimal(str(p["amount"]))) for p in body["puts"]]
        for invoice, _ in puts:
            if invoice not in self._tables["invoices"]:
                raise Refusal(422, "invalid", f"there is no invoice {invoice}")
        if sum(part for _, part in puts) > amount:
            raise Refusal(422, "invalid", "more is put to invoices than was received")
        return self._received(
            amount,
            date.fromisoformat(body["date"]),
            puts,
            customer=str(body.get("customer") or ""),
            currency=str(body["currency"]),
            memo=str(body.get("memo") or ""),
        )

    def _received(
        self,
        amount: Decimal,
        on: date,
        puts: Iterable[tuple[str, Decimal]],
        **fields: str,
    ) -> Row:
        shown = [{"invoice": invoice, "amount": part} for invoice, part in puts]
        told = {"amount": amount, "date": on, "puts": shown, "memo": "", **fields}
        receipt = self._kept("receipts", {**told, "status": "received"})
        for put in shown:
            row = self._invoice(str(put["invoice"]))
            row.receipts[receipt.id] = (Decimal(str(put["amount"])), on)
            self._touched(row)
        return receipt

    def _taken_back(self, own: str) -> Row:
        if own not in self._tables["receipts"]:
            raise Refusal(404, "not_found", f"there is no receipt {own}")
        for row in self._invoices():
            if row.receipts.pop(own, None):
                self._touched(row)
        receipt = self._tables["receipts"][own]
        receipt.fields["status"] = "void"
        return self._touched(receipt)

    # The book

    def _next(self) -> str:
        self._serial += 1
        return str(self._serial)

    def _invoices(self) -> Iterable[Row]:
        return self._tables["invoices"].values()

    def _invoice(self, own: str) -> Row:
        if own not in self._tables["invoices"]:
            raise Refusal(404, "not_found", f"there is no invoice {own}")
        return self._tables["invoices"][own]

    def _touched(self, row: Row) -> Row:
        row.changed, row.version = self._now(), row.version + 1
        return row

    def _kept(self, table: str, fields: dict[str, Any]) -> Row:
        row = Row(self._next(), fields, self._now())
        self._tables[table][row.id] = row
        return row

    def _new_invoice(
        self,
        number: str,
        customer: str,
        total: Decimal,
        on: date,
        currency: str,
        *,
        memo: str = "",
        status: str = "open",
    ) -> Row:
        fields = {"number": number, "customer": customer, "total": total, "date": on}
        more = {"currency": currency, "memo": memo, "status": status}
        return self._kept("invoices", fields | more)

    # What people do

    def add_customer(self, name: str, number: str = "") -> str:
        """A new customer; its id."""
        with self._lock:
            return self._kept("customers", {"name": name, "number": number}).id

    def add_invoice(
        self,
        number: str,
        customer: str,
        total: Decimal,
        on: date,
        currency: str = "USD",
        *,
        status: str = "open",
    ) -> str:
        """A new invoice; its id. ``status`` is open or draft."""
        with self._lock:
            given = (number, customer, total, on, currency)
            return self._new_invoice(*given, status=status).id

    def pay(self, invoice: str, amount: Decimal, on: date) -> str:
        """Money for an invoice; the receipt's id."""
        with self._lock:
            bill = self._invoice(invoice).fields
            told = {name: str(bill[name]) for name in ("customer", "currency")}
            return self._received(amount, on, [(invoice, amount)], **told).id

    def take_back(self, receipt: str) -> None:
        """Undo a receipt."""
        with self._lock:
            self._taken_back(receipt)

    def edit(self, table: str, own: str, **fields: Any) -> None:
        """Change fields of a row of ``customers``, ``invoices`` or ``receipts``."""
        with self._lock:
            row = self._tables[table][own]
            row.fields.update(fields)
            self._touched(row)

    def void(self, invoice: str) -> None:
        """Take an invoice back."""
        with self._lock:
            self._voided(invoice)


_ASKS: Mapping[str, Callable[[Mapping[str, Any], str], bool]] = {
    "since": lambda row, value: row["changed"] >= value,
    "ids": lambda row, value: row["id"] in value.split(","),
    "numbers": lambda row, value: row.get("number") in value.split(","),
    "memo": lambda row, value: row.get("memo") in value.split(","),
}
"""By parameter, which rows are meant."""


def _asked(row: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    return all(
        _ASKS[name](row, value) for name, value in query.items() if name in _ASKS
    )


def _read(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}", parse_float=Decimal)
    except ValueError:
        raise Refusal(400, "not_json", "the body is no JSON") from None


_QUOTED_AMOUNT = re.compile(r'"\$(-?[0-9.]+)"')


def _json(value: Any) -> bytes:
    """JSON, with amounts as numbers of all their digits."""
    text = json.dumps(
        value, default=lambda v: f"${v}" if isinstance(v, Decimal) else str(v)
    )
    return _QUOTED_AMOUNT.sub(r"\1", text).encode()
