"""
Paperbook: a small made-up ledger, whose server *is* a `tieout.wire.Transport`.

The tutorial of connectors is written against it, and the conformance kit is tried on it.
It has customers, invoices and what was paid of them, an API key, change times, versions
and pages; it knows no taxes, credits or users, and keeps no vendor's traps.
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
    """A customer or an invoice, with what every record has."""

    id: str
    fields: dict[str, Any]
    changed: datetime
    version: int = 1
    receipts: dict[str, tuple[Decimal, date | None]] = field(default_factory=dict)

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
        self._tables: dict[str, dict[str, Row]] = {"customers": {}, "invoices": {}}

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
        body = _read(request.body()) if request.method != "GET" else {}
        match request.method, path:
            case "GET", ["book"]:
                told = {"id": f"book-{self.company}", "name": self.company.title()}
                return told | {"currency": self.currency, "zone": "UTC"}
            case "GET", [name] if name in self._tables:
                return self._listed(self._tables[name], query)
            case "POST", ["invoices"]:
                return self._made(body)
            case "PATCH", ["invoices", own]:
                return self._paid(own, body)
            case "DELETE", ["invoices", own]:
                return self._voided(own)
        raise Refusal(404, "not_found", "nothing is there")

    def _listed(self, table: Mapping[str, Row], query: Mapping[str, str]) -> Any:
        size = min(int(query.get("limit", PAGE_MAX)), PAGE_MAX)
        rows = sorted(table.values(), key=lambda row: row.place)
        rows = [row for row in rows if _asked(row.shown(), query)]
        rows = [row for row in rows if row.place > query.get("after", "")]
        following = rows[size - 1].place if len(rows) > size else None
        return {"items": [row.shown() for row in rows[:size]], "next": following}

    def _made(self, body: Mapping[str, Any]) -> Any:
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
        ).shown()

    def _voided(self, own: str) -> Any:
        row = self._invoice(own)
        if row.receipts:
            raise Refusal(422, "paid", "an invoice that was paid cannot be voided")
        row.fields["status"] = "void"
        return self._touched(row).shown()

    def _paid(self, own: str, body: Mapping[str, Any]) -> Any:
        row = self._invoice(own)
        if body.get("version") != row.version:
            raise Refusal(409, "stale", f"it has version {row.version} by now")
        amount, day = Decimal(str(body["paid"])), body.get("paid_on")
        on = date.fromisoformat(day) if day else None
        row.receipts = {self._next(): (amount, on)} if amount else {}
        return self._touched(row).shown()

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
            row, own = self._invoice(invoice), self._next()
            row.receipts[own] = (amount, on)
            self._touched(row)
            return own

    def take_back(self, receipt: str) -> None:
        """Undo a receipt."""
        with self._lock:
            row = next(each for each in self._invoices() if receipt in each.receipts)
            del row.receipts[receipt]
            self._touched(row)

    def edit(self, table: str, own: str, **fields: Any) -> None:
        """Change fields of a row of ``customers`` or ``invoices``."""
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
    "numbers": lambda row, value: row["number"] in value.split(","),
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
