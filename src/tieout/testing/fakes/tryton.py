"""
A stateful double of a Tryton server, which *is* a `tieout.wire.Transport`.

It speaks JSON-RPC as Tryton 8.2 does, or 7.0, and keeps its traps: two clocks in a
session, envelopes, errors inside a 200, warnings to be accepted, states that follow
later. It knows one company and one user, no REST, no bus, no reports and no scheduled
payments.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tieout.errors import Code, Fate, Fault
from tieout.testing.fakes import tryton_chart
from tieout.testing.fakes.tryton_api import PAY, Api, is_write
from tieout.testing.fakes.tryton_books import (
    INVOICE,
    LINE,
    MOVE,
    PARTY,
    START,
    ZERO,
    Books,
    balance,
    lines_to_pay,
    owed,
)
from tieout.testing.fakes.tryton_ledger import Ledger
from tieout.testing.fakes.tryton_models import Row
from tieout.testing.fakes.tryton_shapes import (
    Dropped,
    Refused,
    plain,
    read_body,
    read_row,
    write_body,
)
from tieout.wire import Request, Response

T = TypeVar("T")

COMPRESSED_FROM = 1400
"""Longer answers of 8.2 are compressed, or said to be."""
SESSION_SECONDS = 300
SESSION_AGE_SECONDS = 30 * 24 * 3600
ATTEMPTS_MAX = 5
LOCKOUT_SECONDS = 300
BODY_BYTES_MAX = 2 * 1024 * 1024
USER = 2
EXACT = frozenset({"id", "method", "params"})
"""An envelope with these keys and no others gets its errors in the body."""
VERSIONS = {"8.2": "8.2", "7.0": "7.0.59"}
FRESH = f"wizard.{PAY}.create"
"""The method that asks for a session that was used just now."""
_EXPLAINED = {
    401: "The server could not verify that you are authorized to access the URL requested.",
    403: "You don't have the permission to access the requested resource.",
    404: "The requested URL was not found on the server.",
    405: "The method is not allowed for the requested URL.",
    413: "The data value transmitted exceeds the capacity limit.",
    429: "This user has exceeded an allotted request count. Try again later.",
}
_INVOICE_VIEW = """
    number reference state type party currency.code invoice_date total_amount
    amount_to_pay reconciled payment_lines reconciliation_lines lines_to_pay
    payment_term write_date
"""


@dataclass
class _Session:
    """Two clocks: when it began, and when it was last used in time."""

    began: float
    used: float


@dataclass(frozen=True)
class _Trouble:
    """What a test asked to go wrong with the next call that ``of`` begins."""

    answer: Response | None
    after: bool
    of: str


def _page(status: int, text: str = "", *headers: tuple[str, str]) -> Response:
    reason = HTTPStatus(status).phrase
    told = html.escape(text or _EXPLAINED.get(status, reason))
    body = (
        f"<!doctype html>\n<html lang=en>\n<title>{status} {reason}</title>\n"
        f"<h1>{reason}</h1>\n<p>{told}</p>\n"
    )
    kind = ("Content-Type", "text/html; charset=utf-8")
    return Response(status, (kind, *headers), body.encode())


def _no_session() -> Response:
    kind = ("Content-Type", "text/plain; charset=utf-8")
    return Response(401, (("WWW-Authenticate", 'Basic realm="Tryton"'), kind))


class FakeTryton:
    """
    One Tryton server with one database, one company and one user.

    ``now`` gives an aware instant; without it the books have a clock of their own, which
    moves by one second with each transaction, and sessions follow the real one.
    ``chart`` has the ids of accounts, journals, terms. ``calls`` counts by method
    (``model.account.invoice.search_read``), ``requests`` all requests, ``writes`` those
    that could change the books, whatever came of them.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] | None = None,
        version: str = "8.2",
        database: str = "ledger",
        login: str = "connector",
        password: str = "secret",  # noqa: S107 - a fake one
        company: str = "Dunder Mifflin",
        base_currency: str = "USD",
        timezone: str = "",
        language: str = "en",
        worker: bool = False,
        sqlite: bool = False,
        warnings_by_create: bool = False,
        number_format: str = "{year}-{n:05}",
        years: Collection[int] | None = None,
        session_seconds: float = SESSION_SECONDS,
        session_age_seconds: float = SESSION_AGE_SECONDS,
        body_bytes_max: int = BODY_BYTES_MAX,
    ) -> None:
        self.version, self.database = version, database
        self.login, self.password = login, password
        self.session_seconds = session_seconds
        self.session_age_seconds = session_age_seconds
        self.body_bytes_max = body_bytes_max
        self.calls: Counter[str] = Counter()
        self.requests = 0
        self.writes = 0
        self._now = now
        self._lock = threading.RLock()
        self._sessions: dict[str, _Session] = {}
        self._attempts: dict[str, list[float]] = {}
        self._troubles: deque[_Trouble] = deque()
        self._serial = 0
        self._is_revoked = False
        self.books = Books(now=now, version=version, sqlite=sqlite, timezone=timezone)
        this_year = (now() if now else START).year
        with self.books.transaction({}):
            self.chart = tryton_chart.open_books(
                self.books,
                company=company,
                currency=base_currency,
                login=login,
                years=years or (this_year - 1, this_year),
            )
        exchange = (self.chart.exchange_journal, self.chart.expense)
        self.ledger = Ledger(self.books, number_format, exchange)
        self._api = Api(self.books, self.ledger, self.chart, worker=worker)
        self._api.language = language
        self._api.warnings_by_create = warnings_by_create

    # The transport -------------------------------------------------------------------

    def send(self, request: Request, timeout: float) -> Response:
        """Answer as Tryton would. Waits for nothing, whatever the timeout."""
        with self._lock:
            self.requests += 1
            try:
                answer = self._answered(request)
            except Dropped as dropped:
                answer = _page(dropped.status, dropped.text)
            return self._packed(request, answer)

    def close(self) -> None:
        """Nothing is held open."""

    def _packed(self, request: Request, answer: Response) -> Response:
        is_json = answer.header("Content-Type") == "application/json"
        if self.books.is_old or not is_json or len(answer.body) <= COMPRESSED_FROM:
            return answer
        body = answer.body
        # 8.2 says gzip of a plain body to whoever does not accept it.
        if "gzip" in (request.header("Accept-Encoding") or ""):
            body = gzip.compress(body, mtime=0)
        header = ("Content-Encoding", "gzip")
        return Response(answer.status, (*answer.headers, header), body)

    def _answered(self, request: Request) -> Response:
        try:
            parts = urlsplit(request.url)
        except ValueError:
            return _page(400, "The address cannot be read")
        place = self._place(parts.path)
        if place is None:
            origin = f"{parts.scheme}://{parts.netloc}"
            return self._elsewhere(origin, parts.path)
        if request.method != "POST":
            return _page(405, "", ("Allow", "POST, OPTIONS"))
        if "json" not in (request.header("Content-Type") or "application/json"):
            return _page(400, "Not a RPC request")
        content = request.body()
        if len(content) > self.body_bytes_max:
            return _page(413)
        try:
            envelope = read_body(content)
        except ValueError:
            envelope = None
        if not isinstance(envelope, dict) or "method" not in envelope:
            old = self.books.is_old
            return _page(500) if old else _page(400, "Unable to get RPC method")
        if "params" not in envelope:
            return _page(400, "Unable to get RPC params")
        return self._enveloped(request, place, envelope)

    def _place(self, path: str) -> str | None:
        """'' for the server itself, else a database; None where nothing listens."""
        found = re.fullmatch(
            r"/(?:([^/]+)/)?" + ("" if self.books.is_old else "rpc/"), path
        )
        return None if found is None else found[1] or ""

    def _elsewhere(self, origin: str, path: str) -> Response:
        if self._place(f"{path}/") is not None:
            return _page(308, "", ("Location", f"{origin}{path}/"))
        # Nothing listens there, and yet it is the method that Tryton finds wrong.
        return _page(405, "", ("Allow", "OPTIONS"))

    def _enveloped(self, request: Request, place: str, envelope: Row) -> Response:
        method, params = str(envelope["method"]), envelope["params"]
        is_exact = set(envelope) == EXACT
        self.calls[method] += 1
        changes = is_write(method, params if isinstance(params, list) else ())
        self.writes += changes
        try:
            result = self._called(request, place, method, params)
        except Refused as refused:
            if not is_exact:
                return self._bare(refused.error)
            return _json({"id": envelope["id"], "error": refused.error})
        if isinstance(result, Response):
            return result
        return _json({"id": envelope["id"], "result": result} if is_exact else result)

    @staticmethod
    def _bare(error: list[Any]) -> Response:
        if error[0] in {"UserError", "UserWarning"}:
            told = error[1][:2] if error[0] == "UserError" else error[1][1:]
            return _page(400, " - ".join(told))
        return _page(500, str(error[0]))

    def _called(self, request: Request, place: str, method: str, params: Any) -> Any:
        if place == "":
            return self._of_server(method)
        if method == "common.db.login":
            self._check_database(place)
            return self._log_in(params)
        token = self._token(request)
        if token is None:
            return _no_session()
        self._check_database(place)
        if method == "common.db.logout":
            del self._sessions[token]
            return None
        if method.startswith("common."):
            raise plain(
                "'common'" if self.books.is_old else f"'{method.split('.')[1]}'"
            )
        return self._troubled(token, method, params)

    def _of_server(self, method: str) -> Any:
        if method == "common.server.version":
            return VERSIONS[self.version]
        if method == "common.db.list":
            return [self.database]
        raise plain(f"'{method}'")

    def _check_database(self, name: str) -> None:
        if name != self.database and self.books.is_old:
            raise plain(f"Database '{name}' doesn't exist!")
        if name != self.database:
            raise Dropped(404)

    # Signing in ----------------------------------------------------------------------

    def _elapsed(self) -> float:
        return self._now().timestamp() if self._now else time.monotonic()

    def _log_in(self, params: Any) -> Any:
        if not isinstance(params, list) or len(params) < 2:  # noqa: PLR2004
            raise plain("login() missing 1 required positional argument: 'parameters'")
        login, given, at = str(params[0]), params[1], self._elapsed()
        recent = [
            each
            for each in self._attempts.get(login, ())
            if at - each < LOCKOUT_SECONDS
        ]
        if len(recent) > ATTEMPTS_MAX:
            raise Dropped(429)
        if not isinstance(given, dict) or "password" not in given:
            asked = ["password", f"Password for {login}", "password"]
            raise Refused("LoginException", asked)
        is_right = (login, given["password"]) == (self.login, self.password)
        if not is_right or self._is_revoked:
            self._attempts[login] = [*recent, at]
            raise Dropped(401)
        self._attempts.pop(login, None)
        token = self._new_session()
        return [USER, token] if self.books.is_old else [USER, token, None]

    def _new_session(self) -> str:
        self._serial += 1
        token = hashlib.sha256(f"{self.database}/{self._serial}".encode()).hexdigest()
        at = self._elapsed()
        self._sessions[token] = _Session(at, at)
        return token

    def _token(self, request: Request) -> str | None:
        """The session of a request, if it is one and not too old."""
        scheme, _, code = (request.header("Authorization") or "").partition(" ")
        try:
            text = base64.b64decode(code, validate=True).decode()
        except ValueError:
            return None
        login, _, rest = text.rpartition(":")[0].rpartition(":")
        token = text.rpartition(":")[2]
        session = self._sessions.get(token)
        is_known = scheme.lower() == "session" and (login, rest) == (
            self.login,
            str(USER),
        )
        if session is None or not is_known:
            return None
        if self._elapsed() - session.began >= self.session_age_seconds:
            del self._sessions[token]
            return None
        return token

    def _use(self, token: str, method: str) -> None:
        session, at = self._sessions[token], self._elapsed()
        is_fresh = at - session.used < self.session_seconds
        if method == FRESH and not is_fresh:
            del self._sessions[token]
            raise Dropped(401)
        # One that was idle for too long never becomes fresh again.
        if is_fresh:
            session.used = at

    # Carrying out --------------------------------------------------------------------

    def _troubled(self, token: str, method: str, params: Any) -> Any:
        self._use(token, method)
        trouble = self._next_trouble(method, params)
        if trouble is None:
            return self._carried_out(method, params)
        if trouble.answer is not None and not trouble.after:
            return trouble.answer
        self._carried_out(method, params)
        if trouble.answer is None:
            text = "the connection broke before the answer was complete"
            raise Fault(Code.ANSWER_LOST, text, fate=Fate.UNCLEAR)
        return trouble.answer

    def _next_trouble(self, method: str, params: Any) -> _Trouble | None:
        for trouble in self._troubles:
            is_meant = method.startswith(trouble.of)
            if is_meant and (trouble.answer or is_write(method, params)):
                self._troubles.remove(trouble)
                return trouble
        return None

    def _carried_out(self, method: str, params: Any) -> Any:
        try:
            return self._api.call(method, params, USER)
        except (
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
            ArithmeticError,
        ) as error:
            # So does Tryton: whatever Python says of a senseless call is the answer.
            raise plain(str(error)) from error

    # What goes wrong -----------------------------------------------------------------

    def throttle(
        self, times: int = 1, retry_after: int | None = 1, *, of: str = ""
    ) -> None:
        """The next calls are answered 429, as a proxy before a server may."""
        wait = () if retry_after is None else (("Retry-After", str(retry_after)),)
        self._add_troubles(times, _Trouble(_page(429, "", *wait), after=False, of=of))

    def fail(
        self,
        times: int = 1,
        status: int = 500,
        body: bytes = b"",
        *,
        after: bool = False,
        of: str = "",
    ) -> None:
        """The next calls that ``of`` begins fail: before, or ``after`` they were done."""
        answer = _page(status)
        if body:
            answer = Response(status, answer.headers, body)
        self._add_troubles(times, _Trouble(answer, after, of))

    def lose(self, times: int = 1, *, of: str = "") -> None:
        """The next writes that ``of`` begins are carried out, and their answers get lost."""
        self._add_troubles(times, _Trouble(None, after=True, of=of))

    def _add_troubles(self, times: int, trouble: _Trouble) -> None:
        with self._lock:
            self._troubles.extend([trouble] * times)

    def expire(self) -> None:
        """No session that was handed out is good any longer."""
        with self._lock:
            self._sessions.clear()

    def idle(self) -> None:
        """Every session was left alone for too long: it reads and writes, but pays not."""
        with self._lock:
            for session in self._sessions.values():
                session.used = self._elapsed() - self.session_seconds

    def revoke(self) -> None:
        """The user's password was changed."""
        with self._lock:
            self._is_revoked = True
            self._sessions.clear()

    def deny(self, permission: str) -> None:
        """The user may not use that model (or wizard) any more."""
        with self._lock:
            self.books.denied.add(permission)

    def lock_through(self, day: date | None) -> None:
        """Close every month up to the one of that day, open the later ones."""
        self._do(lambda: self._lock_through(day))

    def _lock_through(self, day: date | None) -> None:
        for row in list(self.books.tables.all("account.period")):
            is_closed = day is not None and row["start_date"] <= day
            state = {"state": "closed" if is_closed else "open"}
            self.books.update("account.period", row["id"], state)

    def commit_late(self, seconds: float) -> None:
        """The next change is seen now, stamped with a start so many seconds ago."""
        with self._lock:
            self.books.lag = timedelta(seconds=seconds)

    def work(self) -> None:
        """Do what a queue worker would have done by now."""
        with self._lock:
            self._api.work()

    def advance(self, seconds: float) -> None:
        """Move the fake's own clock; without effect where ``now`` was given."""
        with self._lock:
            self.books.advance(seconds)

    def issue_session(self) -> str:
        """A new session as the ``Authorization`` header has it."""
        with self._lock:
            text = f"{self.login}:{USER}:{self._new_session()}"
        return f"Session {base64.b64encode(text.encode()).decode()}"

    # The bookkeeper ------------------------------------------------------------------

    def _do(self, action: Callable[[], T]) -> T:
        """A change made by a person, who accepts every warning."""
        with self._lock, self._patience():
            context = {"company": self.chart.company}
            made: T = self._api.transact(action, context)
            return made

    @contextmanager
    def _patience(self) -> Iterator[None]:
        self.books.is_patient = True
        try:
            yield
        finally:
            self.books.is_patient = False

    def add_customer(
        self, name: str, number: str = "", *, email: str = "", active: bool = True
    ) -> int:
        """A new party with an address; its id. '' lets Tryton give the code."""
        values: Row = {"name": name, "addresses": [["create", [{}]]], "active": active}
        values |= {"code": number} if number else {}
        if email:
            mechanism = {"type": "email", "value": email}
            values["contact_mechanisms"] = [["create", [mechanism]]]
        return self._do(lambda: self.books.create(PARTY, [values]))[0]

    def edit_customer(self, customer: int, **fields: Any) -> None:
        """Change a party by the vendor's field names; ``active=False`` archives it."""
        self._do(lambda: self.books.edit(PARTY, [customer], fields))

    def edit_address(self, customer: int, **fields: Any) -> None:
        """Change a party's first address; the party is not stamped."""
        key = self.books.tables.pointing("party.address", "party", customer)[0]
        self._do(lambda: self.books.edit("party.address", [key], fields))

    def add_currency(self, code: str, rate: Decimal | str = "1") -> int:
        """A currency, ``rate`` of it for one of the base; its id."""
        return self._do(
            lambda: tryton_chart.add_currency(self.books, code, Decimal(rate))
        )

    def add_term(self, name: str, *parts: tuple[int, str]) -> int:
        """A payment term of parts: days, and a share of the whole; its id."""
        return self._do(lambda: tryton_chart.add_term(self.books, name, *parts))

    def add_tax(self, name: str, rate: Decimal | str) -> int:
        """A tax of a percentage, ``rate`` as a fraction; its id."""
        account = self.chart.tax_account
        values = {"name": name, "description": name, "rate": Decimal(rate)}
        values |= {"invoice_account": account, "credit_note_account": account}
        return self._do(lambda: self.books.create("account.tax", [values]))[0]

    def add_invoice(
        self,
        number: str,
        customer: int,
        total: Decimal | str = "0",
        *,
        lines: Sequence[Decimal | str] = (),
        on: date | None = None,
        due: date | None = None,
        currency: str = "",
        status: str = "posted",
        reference: str = "",
        tax: Decimal | str = "0",
        term: int | None = None,
        kind: str = "out",
    ) -> int:
        """
        A new invoice; its id. ``total`` includes ``tax``; ``lines`` stand in its place.

        A ``number`` is given as it is, outside of every sequence; '' lets Tryton number
        it, which refuses a day before the last one. ``status`` is one of Tryton's.
        """
        day = on or self.books.today()
        prices = [Decimal(each) for each in lines] or [Decimal(total) - Decimal(tax)]
        if due is not None:
            term = self.add_term(f"due {due}", ((due - day).days, "1"))
        code = self._currency(currency)
        values = self._invoice_values(customer, prices, Decimal(tax), code, kind)
        values |= {"invoice_date": day, "reference": reference or None}
        values["payment_term"] = term or self.chart.term_now
        invoice = self._do(lambda: self.books.create(INVOICE, [values]))[0]
        if number:
            self._do(lambda: self.books.update(INVOICE, invoice, {"number": number}))
        if status == "posted":
            self._do(lambda: self.ledger.post([invoice]))
        elif status != "draft":
            step = "validate_invoice" if status == "validated" else "cancel"
            self._do(lambda: self.ledger.move_state(step, [invoice]))
        return invoice

    def _currency(self, code: str) -> int:
        if not code:
            return self.chart.currency
        rows = self.books.tables.all("currency.currency")
        known = {row["code"]: row["id"] for row in rows}
        return known[code] if code in known else self.add_currency(code)

    def _invoice_values(
        self,
        customer: int,
        prices: list[Decimal],
        tax: Decimal,
        currency: int,
        kind: str,
    ) -> Row:
        chart, is_out = self.chart, kind == "out"
        address = self.books.tables.pointing("party.address", "party", customer)[0]
        account = chart.revenue if is_out else chart.expense
        shared = {"account": account, "currency": currency, "description": "Services"}
        lines = [
            {
                **shared,
                "quantity": 1.0 if price >= 0 else -1.0,
                "unit_price": abs(price),
            }
            for price in prices
        ]
        values: Row = {"type": kind, "party": customer, "invoice_address": address}
        values |= {"currency": currency, "journal": chart.revenue_journal}
        values["account"] = chart.receivable if is_out else chart.payable
        values["lines"] = [["create", lines]]
        if tax:
            by_hand = {"account": chart.tax_account, "amount": tax, "base": sum(prices)}
            values["taxes"] = [["create", [{**by_hand, "description": "Tax"}]]]
        return values

    def add_credit_note(
        self,
        number: str,
        customer: int,
        total: Decimal | str,
        *,
        on: date | None = None,
        currency: str = "",
        status: str = "posted",
        reference: str = "",
    ) -> int:
        """A new credit note over a positive ``total``; its id."""
        return self.add_invoice(
            number,
            customer,
            -Decimal(total),
            on=on,
            currency=currency,
            status=status,
            reference=reference,
        )

    def pay(
        self,
        invoice_id: int,
        amount: Decimal | str,
        on: date | None = None,
        description: str = "",
        *,
        write_off: bool = False,
    ) -> int:
        """
        Money for an invoice (a negative amount refunds a credit note).

        More than is open is taken as an overpayment; with ``write_off`` what stays open
        is given up. Returns the receivable line of the payment's move.
        """
        row, value = self.books.tables.row(INVOICE, invoice_id), Decimal(amount)
        left = owed(self.books, row)
        own = lines_to_pay(self.books, row)
        is_over = abs(value) > abs(left)
        kind = "writeoff" if write_off else "overpayment" if is_over else "partial"
        self._do(
            lambda: self.ledger.pay(
                invoice_id,
                value,
                self.chart.payment_method,
                on or self.books.today(),
                description or None,
                kind=kind,
                write_off=self.chart.write_off,
                closes=[line["id"] for line in own if not line["reconciliation"]],
            )
        )
        moves = self.books.tables.pointing(MOVE, "origin", f"{INVOICE},{invoice_id}")
        return self.books.tables.pointing(LINE, "move", moves[-1])[0]

    def unreconcile(self, invoice_id: int) -> None:
        """Open what closed an invoice; the money stays linked to it."""
        own = lines_to_pay(self.books, self.books.tables.row(INVOICE, invoice_id))
        found = sorted({line["reconciliation"] for line in own} - {None})
        self._do(lambda: self.ledger.unreconcile(found))

    def void_payment(self, payment_id: int) -> None:
        """Undo a payment: open what it closed, then reverse its move."""
        line = self.books.tables.row(LINE, payment_id)
        if line["reconciliation"] is not None:
            self._do(lambda: self.ledger.unreconcile([line["reconciliation"]]))
        self._do(lambda: self.ledger.cancel_move(line["move"], None))

    def allocate(
        self,
        credit_id: int,
        invoice_id: int,
        amount: Decimal | str | None = None,
        on: date | None = None,
    ) -> int:
        """
        Apply a credit note to an invoice; the id of the note's line.

        Tryton applies a note whole: closed against an invoice of the same open amount,
        else linked to a larger one. `ValueError` for another amount; ``on`` is not kept.
        """
        note, row = self.books.rows(INVOICE, [credit_id, invoice_id])
        lines = [
            line
            for line in lines_to_pay(self.books, note)
            if not line["reconciliation"]
        ]
        whole = -owed(self.books, note)
        if amount is not None and Decimal(amount) != whole:
            raise ValueError(f"Tryton applies a credit note whole: {whole}")
        ids: list[int] = [line["id"] for line in lines]
        if whole == owed(self.books, row):
            linked = self.books.rows(LINE, row.get("payment_lines", ()))
            both = (*lines_to_pay(self.books, row), *linked)
            ids += [line["id"] for line in both if not line["reconciliation"]]
            self._do(lambda: self.ledger.reconcile(ids))
        else:
            added = {"payment_lines": [["add", ids]]}
            self._do(lambda: self.books.edit(INVOICE, [invoice_id], added))
        return ids[0]

    def void_invoice(self, invoice_id: int, on: date | None = None) -> int | None:
        """Cancel a draft, or a posted invoice by a credit note, whose id is returned."""
        if self.books.tables.row(INVOICE, invoice_id)["state"] in {
            "draft",
            "validated",
        }:
            return self._do(lambda: self.ledger.move_state("cancel", [invoice_id]))
        day = on or self.books.today()
        return self._do(lambda: self.ledger.credit([invoice_id], refund=True, day=day))[
            0
        ]

    def edit_invoice(self, invoice_id: int, **fields: Any) -> None:
        """Change an invoice by the vendor's field names."""
        self._do(lambda: self.books.edit(INVOICE, [invoice_id], fields))

    def delete_invoice(self, invoice_id: int) -> None:
        """Delete a draft."""
        self._do(lambda: self.books.delete(INVOICE, [invoice_id]))

    # What is there -------------------------------------------------------------------

    def _read(self, model: str, rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
        return [read_row(self.books, model, row, names) for row in rows]

    def invoice(self, invoice_id: int) -> Row:
        """An invoice (or credit note) with what a client would ask for."""
        with self._lock:
            row = self.books.tables.row(INVOICE, invoice_id)
            return self._read(INVOICE, [row], _INVOICE_VIEW.split())[0]

    def _documents(self, *, are_notes: bool) -> list[Row]:
        with self._lock:
            found = list(self.books.tables.all(INVOICE))
            rows = self._read(INVOICE, found, _INVOICE_VIEW.split())
            return [row for row in rows if (row["total_amount"] < 0) is are_notes]

    def invoices(self) -> list[Row]:
        """All invoices that are no credit notes."""
        return self._documents(are_notes=False)

    def credit_notes(self) -> list[Row]:
        """All invoices with a total below zero."""
        return self._documents(are_notes=True)

    def payments(self) -> list[Row]:
        """The first line of each payment's move, the reversed ones too."""
        names = [
            "date",
            "debit",
            "credit",
            "party",
            "reconciliation",
            "move.description",
        ]
        names += ["move.origin", "invoice_payment"]
        with self._lock:
            found = []
            for move in self.books.tables.all(MOVE):
                is_cash = move["journal"] == self.chart.cash_journal
                if is_cash and str(move["origin"]).startswith(f"{INVOICE},"):
                    first = self.books.tables.pointing(LINE, "move", move["id"])[0]
                    found.append(self.books.tables.row(LINE, first))
            return self._read(LINE, found, names)

    def on_account(self) -> list[Row]:
        """The customer's lines of money that was received for no invoice."""
        names = ["date", "credit", "party", "reconciliation", "move.state"]
        with self._lock:
            found = [
                self.books.tables.row(LINE, line)
                for move in self.books.tables.all(MOVE)
                if move["journal"] == self.chart.cash_journal and not move["origin"]
                for line in self.books.tables.pointing(LINE, "move", move["id"])
            ]
            return self._read(LINE, [row for row in found if row["party"]], names)

    def customers(self) -> list[Row]:
        """All parties but the company itself."""
        names = ["name", "code", "active", "email", "addresses", "write_date"]
        with self._lock:
            return self._read(PARTY, list(self.books.tables.all(PARTY))[1:], names)

    def paid(self, invoice_id: int) -> tuple[Decimal, date | None]:
        """
        What was received or credited, and the day of the last of it.

        What was written off is not paid; what was reversed does not count.
        """
        with self._lock:
            row = self.books.tables.row(INVOICE, invoice_id)
            linked = self.books.rows(LINE, row.get("payment_lines", ()))
            open_ones = [line["id"] for line in linked if not line["reconciliation"]]
            closing = self.books.value(INVOICE, row, "reconciliation_lines") or []
            total, last = ZERO, None
            for line in self.books.rows(LINE, sorted({*open_ones, *closing})):
                move = self.books.tables.row(MOVE, line["move"])
                journal = self.books.tables.row("account.journal", move["journal"])
                if journal["type"] != "write-off":
                    total -= balance(line, row["currency"])
                    last = max(last or move["date"], move["date"])
            return total if row["type"] == "out" else -total, last


def _json(value: Any) -> Response:
    return Response(200, (("Content-Type", "application/json"),), write_body(value))
