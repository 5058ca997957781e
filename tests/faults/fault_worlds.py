"""
Pairs of systems with twenty good invoices and one victim, whose record can be spoiled.

Real connectors all: over the fakes of Xero and ConnectWise with their answers rewritten on
the way, over a Tryton of hand-built rows, over the host's own app and table.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from attrs import evolve, frozen
from fault_rows import EMAIL, PAID, TOKEN, VICTIM, Edit, Shown, Side, dumps

import tieout
from tieout.connector import Connector
from tieout.connectors.connectwise import ConnectWise
from tieout.connectors.tryton import Tryton
from tieout.connectors.xero import Xero
from tieout.local import Bill, Local, LocalApp
from tieout.models import Settlement
from tieout.table import Columns, Table
from tieout.testing.fakes.connectwise import FakeConnectWise
from tieout.testing.fakes.xero import FakeXero
from tieout.wire import Request, Response, Transport
from worlds import NOON, SetClock

MARCH = date(2026, 3, 1)
"""The day of every invoice."""

ADDRESS_MAX = 8000
"""Characters: what web servers take at most, most of them less."""


@frozen
class Good:
    """A sound invoice: what was paid of it, and when the last of it."""

    number: str
    total: Decimal
    paid: Decimal
    last_on: date

    @property
    def shows(self) -> Shown:
        """What billing has to show: the date only where nothing is owed."""
        return self.paid, self.last_on if self.paid == self.total else None


def _good(at: int) -> Good:
    total = Decimal(100 + at)
    paid = Decimal(40) if at % 3 == 0 else total
    return Good(f"G{at:02d}", total, paid, date(2026, 3, at % 18 + 1))


GOOD = [_good(at) for at in range(1, 21)]
"""The twenty bystanders."""

BOOKED = [*GOOD[:10], Good(VICTIM, PAID[0], PAID[0], PAID[1] or MARCH), *GOOD[10:]]
"""All that is booked: the victim stands in the middle."""


class FaultWorld(Protocol):
    """A pair under test."""

    clock: SetClock

    def sides(self) -> tuple[Connector, Connector]:
        """Fresh connectors: billing and the ledger."""
        ...

    def transports(self) -> Mapping[str, Transport]: ...

    def spoil(self, edit: Edit) -> None:
        """From now on the victim's record is what ``edit`` makes of it."""
        ...

    def mend(self) -> None: ...

    def ledger_id(self) -> str:
        """The victim's id in the ledger."""
        ...

    def shows(self) -> dict[str, Any]:
        """By number, what billing really holds as paid, whatever its answers say."""
        ...

    def traffic(self) -> Sequence[Any]:
        """Every request and answer so far."""
        ...


# Vendors ----------------------------------------------------------------------------------


class Spoiled:
    """A transport that rewrites the victim's rows in the answers of another."""

    def __init__(
        self, inner: Transport, rows_of: Callable[[str, Any, Edit], Any]
    ) -> None:
        self.inner = inner
        self.edit: Edit | None = None
        self.traffic: list[Request | Response] = []
        self._rows_of = rows_of

    def send(self, request: Request, timeout: float) -> Response:
        if len(request.url) + len(urlencode(request.params)) > ADDRESS_MAX:
            return Response(414, (), b"URI Too Long")
        answer = self.inner.send(request, timeout)
        headers = (*answer.headers, ("Set-Cookie", f"session={TOKEN}"))
        answer = evolve(answer, headers=headers, body=self._body(request, answer))
        self.traffic += [request, answer]
        return answer

    def close(self) -> None:
        self.inner.close()

    def _body(self, request: Request, answer: Response) -> bytes:
        if self.edit is None or request.effect or answer.status != 200:
            return answer.body
        body = json.loads(answer.body, parse_float=Decimal)
        return dumps(
            self._rows_of(urlsplit(request.url).path, body, self.edit)
        ).encode()


def _memo(row: Any) -> Any:
    """Free text beside every record: it is nobody's business."""
    return {**row, "Memo": f"{EMAIL} {TOKEN}"} if isinstance(row, dict) else row


def xero_rows(kind: str, invoice: str) -> Callable[[str, Any, Edit], Any]:
    """Rewrites the rows of one kind that are of an invoice, in Xero's envelope."""

    def rewritten(path: str, body: Any, edit: Edit) -> Any:
        name = path.rpartition("/")[2]
        if name not in body or not isinstance(body[name], list):
            return body
        rows = [_memo(row) for row in body[name]]
        if name == kind:
            rows = [edit(row) if _of_invoice(row, invoice) else row for row in rows]
        return {**body, name: rows}

    return rewritten


def _of_invoice(row: Mapping[str, Any], invoice: str) -> bool:
    return (row.get("Invoice") or row).get("InvoiceID") == invoice


def connectwise_rows(kind: str, invoice: int) -> Callable[[str, Any, Edit], Any]:
    """Rewrites an invoice's own row, or the rows of its payments, in ConnectWise's lists."""

    def rewritten(path: str, body: Any, edit: Edit) -> Any:
        if not isinstance(body, list):
            return body
        rows = [_memo(row) for row in body]
        if kind == "payments" and path.endswith(f"/{invoice}/payments"):
            return [edit(row) for row in rows]
        if kind == "invoices" and path.endswith("/finance/invoices"):
            return [edit(row) if row["id"] == invoice else row for row in rows]
        return rows

    return rewritten


class Vendors:
    """Xero as the ledger, ConnectWise as billing."""

    def __init__(self, side: Side) -> None:
        self.clock = SetClock()
        self.xero = FakeXero(
            now=self.clock.now,
            calls_per_minute=None,
            calls_per_day=None,
            client_secret=TOKEN,
            refresh_token=TOKEN,
        )
        self.connectwise = FakeConnectWise(now=self.clock.now, private_key=TOKEN)
        self.papers: dict[str, str] = {}
        self.bills: dict[str, int] = {}
        self._book()
        self.there = self._spoiled_ledger(side)
        self.here = self._spoiled_billing(side)
        billing_sides = (Side.CONNECTWISE, Side.CONNECTWISE_PAYMENT)
        self._target = self.here if side in billing_sides else self.there

    def _book(self) -> None:
        contact = self.xero.add_contact("A customer", email=EMAIL)
        company = self.connectwise.add_company("A customer")
        for each in BOOKED:
            paper = self.xero.add_invoice(
                each.number, contact, str(each.total), on=MARCH
            )
            self.xero.pay(paper, str(each.paid), each.last_on, reference=EMAIL)
            self.papers[each.number] = paper
            self.bills[each.number] = self.connectwise.add_invoice(
                each.number, company, each.total, on=MARCH
            )

    def _spoiled_ledger(self, side: Side) -> Spoiled:
        kind = "Payments" if side is Side.XERO_PAYMENT else "Invoices"
        return Spoiled(self.xero, xero_rows(kind, self.papers[VICTIM]))

    def _spoiled_billing(self, side: Side) -> Spoiled:
        kind = "payments" if side is Side.CONNECTWISE_PAYMENT else "invoices"
        return Spoiled(self.connectwise, connectwise_rows(kind, self.bills[VICTIM]))

    def sides(self) -> tuple[Connector, Connector]:
        billing = ConnectWise(
            company="acme",
            public_key="public",
            private_key=TOKEN,
            client_id="00000000-0000-4000-8000-000000000001",
            partial_payment_date=False,
        )
        ledger = Xero(
            tenant_id=self.xero.tenant,
            client_id="client",
            client_secret=TOKEN,
            refresh_token=TOKEN,
        )
        return billing, ledger

    def transports(self) -> Mapping[str, Transport]:
        billing, ledger = self.sides()
        return {billing.connection: self.here, ledger.connection: self.there}

    def spoil(self, edit: Edit) -> None:
        self._target.edit = edit

    def mend(self) -> None:
        self._target.edit = None

    def ledger_id(self) -> str:
        return self.papers[VICTIM]

    def shows(self) -> dict[str, Any]:
        return {
            number: self.connectwise.paid(bill) for number, bill in self.bills.items()
        }

    def traffic(self) -> Sequence[Any]:
        return [*self.there.traffic, *self.here.traffic]


# Tryton -----------------------------------------------------------------------------------


def decimal_of(value: Decimal | str) -> dict[str, Any]:
    """A decimal as Tryton's JSON has it."""
    return {"__class__": "Decimal", "decimal": str(value)}


def date_of(day: date) -> dict[str, Any]:
    """A day as Tryton's JSON has it."""
    return {"__class__": "date", "year": day.year, "month": day.month, "day": day.day}


def instant_of(moment: datetime) -> dict[str, Any]:
    """An instant as Tryton's JSON has it."""
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime"} | {name: getattr(moment, name) for name in names}


def move_line(own: int, amount: Decimal, day: date, invoice: int) -> dict[str, Any]:
    """A line of the books; a negative amount is a credit."""
    return {
        "id": own,
        "date": date_of(day),
        "debit": decimal_of(max(amount, Decimal(0))),
        "credit": decimal_of(max(-amount, Decimal(0))),
        "amount_second_currency": None,
        "second_currency": None,
        "account": 39,
        "reconciliation": None,
        "reconciliation.": None,
        "move.": {
            "id": own,
            "origin": f"account.invoice,{invoice}",
            "journal.": {"id": 3, "type": "cash"},
        },
    }


def tryton_invoice(own: int, booked: Good) -> dict[str, Any]:
    """An invoice in the shape of a real reply of 8.2."""
    owed = move_line(own * 10, booked.total, MARCH, own)
    paid = move_line(own * 10 + 1, -booked.paid, booked.last_on, own)
    linked = [paid]
    if booked.paid == booked.total:
        held = {"id": own, "delegate_to.": None, "lines.": [dict(owed), dict(paid)]}
        owed |= {"reconciliation": own, "reconciliation.": held}
        linked = [{**paid, "reconciliation": own}]
    return {
        "id": own,
        "state": "paid" if booked.paid == booked.total else "posted",
        "number": booked.number,
        "reference": "",
        "invoice_date": date_of(MARCH),
        "party": 2,
        "account": 39,
        "total_amount": decimal_of(booked.total),
        "amount_to_pay": decimal_of(0 * booked.total),
        "write_date": instant_of(NOON - timedelta(days=1)),
        "create_date": instant_of(NOON - timedelta(days=2)),
        "_timestamp": "1795303474.7396",
        "comment": f"{EMAIL} {TOKEN}",
        "currency.": {"id": 1, "code": "USD"},
        "company.": {"id": 1, "currency": 1},
        "move.": {"id": own, "lines.": [owed]},
        "additional_moves.": [],
        "payment_lines.": linked,
    }


class TrytonServer:
    """Answers the JSON-RPC calls of a run out of hand-built rows."""

    def __init__(self) -> None:
        self.edit: Edit | None = None
        self.traffic: list[Request | Response] = []
        self.rows = {at: tryton_invoice(at, each) for at, each in enumerate(BOOKED, 1)}
        self.victim = next(
            at for at, row in self.rows.items() if row["number"] == VICTIM
        )

    def send(self, request: Request, timeout: float) -> Response:
        asked = request.json
        result = self._answers(asked["method"], asked["params"])
        body = dumps({"id": asked["id"], "result": result}).encode()
        headers = (("Content-Type", "application/json"), ("Set-Cookie", f"s={TOKEN}"))
        answer = Response(200, headers, body)
        self.traffic += [request, answer]
        return answer

    def close(self) -> None:
        """Nothing to close."""

    def _answers(self, method: str, params: Sequence[Any]) -> Any:
        preferences = {"company": 1, "companies": [1], "language": "en", "mail": EMAIL}
        company = {
            "party.": {"name": "Demo"},
            "currency.": {"code": "USD"},
            "timezone": "UTC",
        }
        known = {
            "common.db.login": [1, TOKEN, None],
            "model.res.user.get_preferences": preferences,
            "model.company.company.search_read": [company],
            "model.account.period.search_read": [{"start_date": date_of(MARCH)}],
        }
        if method in known:
            return known[method]
        if method.endswith(".search"):
            return [1]
        assert method == "model.account.invoice.search_read", method
        return list(self._found(params[0]))

    def _found(self, domain: Sequence[Any]) -> Iterator[Any]:
        wanted = {cond[0]: cond[2] for cond in domain if cond[1:2] == ["in"]}
        behind = next((cond[2] for cond in domain if cond[:2] == ["id", ">"]), 0)
        for own, row in self.rows.items():
            meant = all(row[name] in values for name, values in wanted.items())
            if meant and own > behind:
                spoiled = own == self.victim and self.edit is not None
                yield self.edit(row) if spoiled and self.edit else row


# The host's own ---------------------------------------------------------------------------


class Book(LocalApp):
    """An app of plain fields: one `Bill` for each, or whatever stands in its place."""

    def __init__(self, *, paid: bool) -> None:
        self.edit: Edit | None = None
        self.rows = {
            each.number: {
                "id": at,
                "number": each.number,
                "currency": "USD",
                "total": each.total,
                "paid_amount": each.paid if paid else Decimal(0),
                "date_paid": each.shows[1] if paid else None,
                "on": MARCH,
                "customer": 7,
                "changed_at": NOON - timedelta(days=1),
            }
            for at, each in enumerate(BOOKED, 1)
        }

    def invoices(self, ids: Sequence[str], numbers: Sequence[str]) -> Iterable[Bill]:
        for number, row in self.rows.items():
            if str(row["id"]) in ids or number in numbers:
                yield self._bill(number)

    def changed(self, since: datetime) -> Iterable[Bill]:
        return [self._bill(number) for number in self.rows]

    def _bill(self, number: str) -> Any:
        row = self.rows[number]
        if number == VICTIM and self.edit is not None:
            edited = self.edit(dict(row))
            return Bill(**edited) if isinstance(edited, dict) else edited
        return Bill(**row)

    def shows(self) -> dict[str, Any]:
        return {
            number: (row["paid_amount"], row["date_paid"])
            for number, row in self.rows.items()
        }


class Shop(Book):
    """The same as billing: it can be told what was paid."""

    def set_paid(self, invoice: Settlement) -> None:
        row = next(r for r in self.rows.values() if str(r["id"]) == invoice.ref.id)
        row.update(paid_amount=invoice.paid, date_paid=invoice.paid_on)


COLUMNS = Columns(
    id="id",
    number="number",
    total="total",
    paid_amount="paid_amount",
    date_paid="date_paid",
    currency="currency",
    on="day",
    changed_at="changed_at",
)


class Sheet:
    """A SQLite table without types: a column holds whatever is put into it."""

    def __init__(self, path: Path, *, paid: bool) -> None:
        self.path = path
        names = "id INTEGER, number, total, currency, paid_amount, date_paid, day, changed_at"
        with closing(self.connect()) as database:
            database.execute(f"CREATE TABLE invoices ({names}, memo)")
            for at, each in enumerate(BOOKED, 1):
                day = each.shows[1]
                held = (
                    str(each.paid if paid else 0),
                    str(day) if paid and day else None,
                )
                row = (at, each.number, str(each.total), "USD", *held, str(MARCH))
                more = ((NOON - timedelta(days=1)).isoformat(), f"{EMAIL} {TOKEN}")
                marks = ",".join("?" * 9)
                database.execute(f"INSERT INTO invoices VALUES ({marks})", row + more)
            database.commit()
        self._sound: dict[str, Any] = {}

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path)

    def table(self, connection: str) -> Table:
        return Table(
            connect=self.connect,
            table="invoices",
            columns=COLUMNS,
            connection=connection,
            base_currency="USD",
            zone="UTC",
        )

    def raw(self) -> dict[int, dict[str, Any]]:
        """All rows as they are, by the order in which they were put in."""
        with closing(self.connect()) as database:
            database.row_factory = sqlite3.Row
            found = database.execute("SELECT rowid AS at, * FROM invoices").fetchall()
        return {row["at"]: dict(row) for row in found}

    def write(self, at: int, row: Mapping[str, Any]) -> None:
        kept = {name: value for name, value in row.items() if name != "at"}
        fields = ", ".join(f"{name} = ?" for name in kept)
        with closing(self.connect()) as database:
            database.execute(
                f"UPDATE invoices SET {fields} WHERE rowid = ?", (*kept.values(), at)
            )
            database.commit()

    def shows(self) -> dict[str, Any]:
        """What the columns hold; numbers of the good rows do not change."""
        found: dict[str, Any] = {}
        for at, row in self.raw().items():
            day = row["date_paid"]
            found[BOOKED[at - 1].number] = (row["paid_amount"], day)
        return found


class InHouse:
    """The host's own app and table on both sides, or Tryton as the ledger."""

    def __init__(self, side: Side, folder: Path) -> None:
        self.clock = SetClock()
        self._side = side
        self.server = TrytonServer() if side is Side.TRYTON else None
        table_pays = side in (Side.TRYTON, Side.LOCAL_LEDGER, Side.TABLE_BILLING)
        self.sheet = Sheet(folder / "table.db", paid=not table_pays)
        self.table_pays = table_pays
        self.book = Book(paid=True)
        self.shop = Shop(paid=False)

    def sides(self) -> tuple[Connector, Connector]:
        if self.server is not None:
            given = {"user": "connector", "password": TOKEN, "dialect": "8.2"}
            tryton = Tryton(url="http://books.example:8000", database="b", **given)  # type: ignore[arg-type]
            return self.sheet.table("app:table"), tryton
        if self.table_pays:
            ledger = Local(self.book, connection="app:book", zone="UTC")
            return self.sheet.table("app:table"), ledger
        return Local(self.shop, connection="app:shop"), self.sheet.table("app:table")

    def transports(self) -> Mapping[str, Transport]:
        ledger = self.sides()[1].connection
        return {} if self.server is None else {ledger: self.server}

    def spoil(self, edit: Edit) -> None:
        match self._side:
            case Side.TRYTON:
                assert self.server is not None
                self.server.edit = edit
            case Side.LOCAL_LEDGER:
                self.book.edit = edit
            case Side.LOCAL_BILLING:
                self.shop.edit = edit
            case _:
                rows = self.sheet.raw()
                at = next(at for at, row in rows.items() if row["number"] == VICTIM)
                self._sound = (at, rows[at])
                self.sheet.write(at, edit(rows[at]))

    def mend(self) -> None:
        if self.server is not None:
            self.server.edit = None
        self.book.edit = self.shop.edit = None
        if self._side in (Side.TABLE_LEDGER, Side.TABLE_BILLING):
            self.sheet.write(*self._sound)

    def ledger_id(self) -> str:
        return str(self.book.rows[VICTIM]["id"])

    def shows(self) -> dict[str, Any]:
        if not self.table_pays:
            return self.shop.shows()
        return {
            number: (Decimal(paid), date.fromisoformat(day) if day else None)
            if _plain(paid) and (day is None or _plain(day.replace("-", "")))
            else (paid, day)
            for number, (paid, day) in self.sheet.shows().items()
        }

    def traffic(self) -> Sequence[Any]:
        return [] if self.server is None else self.server.traffic


def _plain(text: Any) -> bool:
    return isinstance(text, str) and text.replace(".", "").isdecimal()


def world_of(side: Side, folder: Path) -> FaultWorld:
    """A fresh pair in which this side can be spoiled."""
    vendors = (
        Side.XERO,
        Side.XERO_PAYMENT,
        Side.CONNECTWISE,
        Side.CONNECTWISE_PAYMENT,
    )
    return Vendors(side) if side in vendors else InHouse(side, folder)


def engine_of(world: FaultWorld, store: tieout.Store, **given: Any) -> tieout.Engine:
    """A process of its own over the pair."""
    billing, ledger = world.sides()
    return tieout.Engine(
        billing=billing,
        ledger=ledger,
        store=store,
        clock=world.clock,
        transport=world.transports(),
        **given,
    )


UTC_ZONE = UTC
