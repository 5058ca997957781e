"""
A stateful double of QuickBooks Online's server: it *is* a `tieout.wire.Transport`.

Give it to a session in place of HTTP, or serve it on loopback with
`tieout.testing.fakes.serving`. It answers as the vendor's documentation and what is known
of its replies say that it does, traps included, and never raises for a bad request; a lost
answer alone is raised. Tests play the bookkeeper through its Python methods. It knows no
reports, no webhooks, no attachments and no purchases.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

from tieout.testing.fakes import quickbooks_queries as queries
from tieout.testing.fakes import quickbooks_shapes as shapes
from tieout.testing.fakes.quickbooks_books import LINKING_NOTE, Books, Ways, lines_of
from tieout.testing.fakes.quickbooks_fields import (
    ACCOUNT,
    CREDIT_MEMO,
    CUSTOMER,
    DEPOSIT,
    INVOICE,
    ITEM,
    JOURNAL_ENTRY,
    PAYMENT,
    REFUND,
    Refusal,
    broken,
    required,
    unreadable,
)
from tieout.testing.fakes.quickbooks_sign_in import SignIn, lost
from tieout.wire import Request, Response

HOSTS: Mapping[str, bool] = {
    "quickbooks.api.intuit.com": False,
    "sandbox-quickbooks.api.intuit.com": True,
}
"""The vendor's hosts, and whether they are of the sandbox. Any other host is the fake's."""
API_PATH = ("v3", "company")
REQUEST_ID_LENGTH_MAX = 50
BATCH_REQUEST_ID_LENGTH_MAX = 36
MINOR_VERSION_MIN = 75
THROTTLED = "The request limit was reached.  Try again later"
ENTITIES: Mapping[str, str] = {
    kind.lower(): kind
    for kind in (
        *(CUSTOMER, ITEM, ACCOUNT, INVOICE, CREDIT_MEMO),
        *(PAYMENT, JOURNAL_ENTRY, REFUND, DEPOSIT),
    )
}
FORBIDDEN = 403
LAPSED = "Subscription period has ended or canceled or there was a billing problem"
NO_ACCESS = "-11014-You do not have access to use QuickBooks Online Plus."
PDF = b"%PDF-1.4\n%%EOF\n"

_Content = dict[str, Any]
_Reply = tuple[int, _Content]


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What a test asked for: an answer, or none; ``after`` it was carried out or instead."""

    answer: Response | None
    after: bool = False


@dataclass(slots=True)
class _Window:
    """How many calls came in the last so many seconds."""

    limit: int | None
    seconds: float
    times: deque[float] = field(default_factory=deque)

    def is_full(self, at: float) -> bool:
        while self.times and self.times[0] <= at - self.seconds:
            self.times.popleft()
        return self.limit is not None and len(self.times) >= self.limit


@dataclass(frozen=True, slots=True)
class _Ask:
    """One request, taken apart; ``parts`` are what follows the company in the path."""

    request: Request
    host: str
    path: str
    realm: str
    parts: tuple[str, ...]
    params: Mapping[str, str]

    @property
    def label(self) -> str:
        """How `FakeQuickBooks.calls` counts it."""
        shown = [self.path] if not self.parts else [self.parts[0]]
        shown += ["{id}"] if len(self.parts) > 1 else []
        shown += self.parts[2:]
        operation = self.params.get("operation", "")
        include = self.params.get("include", "") if operation else ""
        named = f"?operation={operation}" if operation else ""
        named += f"&include={include}" if include else ""
        return f"{self.request.method} {'/'.join(shown)}{named}"

    @property
    def wants_xml(self) -> bool:
        return "json" not in (self.request.header("Accept") or "")

    def text(self) -> str:
        return self.request.body().decode("utf-8", "replace")

    def json(self) -> _Content:
        """The body; 2010 where it is no JSON object."""
        kind = self.request.header("Content-Type") or ""
        if self.request.json is None and "json" not in kind:
            raise unreadable("Content-Type")
        try:
            body = json.loads(
                self.text(), parse_float=Decimal, parse_constant=_no_number
            )
        except (ValueError, ArithmeticError, RecursionError):
            raise unreadable("body") from None
        if not isinstance(body, dict):
            raise unreadable("body")
        return body


def _no_number(text: str) -> Any:
    raise ValueError(text)


def _taken_apart(request: Request) -> _Ask:
    try:
        parts = urlsplit(request.url)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    params = dict(parse_qsl(parts.query, keep_blank_values=True))
    params.update(request.params)
    split = tuple(unquote(each) for each in parts.path.strip("/").split("/"))
    is_api = split[:2] == API_PATH and len(split) > len(API_PATH) + 1
    realm, rest = (split[2], split[3:]) if is_api else ("", ())
    return _Ask(request, host, parts.path, realm, rest, params)


class FakeQuickBooks:
    """
    One QuickBooks Online company, and the sign-in that leads to it.

    ``now`` gives an aware instant; without it the books have a clock of their own, which
    moves by one second with each change, and tokens and limits follow the real one. A
    limit of None is off. ``ways`` are the vendor's where they are not known for sure.
    ``calls`` counts by ``"GET invoice/{id}"``, ``"POST
    invoice?operation=void"`` and the like, ``requests`` all requests, ``writes`` those
    that could change something, ``metered`` the reads that the vendor bills.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] | None = None,
        realm: str = "4620816365179422850",
        client_id: str = "client",
        client_secret: str = "secret",  # noqa: S107 - a fake one
        refresh_token: str = "refresh-0",  # noqa: S107 - a fake one
        code: str = "code-0",
        is_sandbox: bool = False,
        name: str = "Demo Company",
        country: str = "US",
        base_currency: str = "USD",
        multi_currency: bool = True,
        timezone: str = "America/Los_Angeles",
        access_token_seconds: int = 3600,
        calls_per_second: int | None = None,
        calls_per_minute: int | None = None,
        batches_per_minute: int | None = None,
        metered_calls_max: int | None = None,
        page_size_max: int = queries.PAGE_SIZE_MAX,
        changes_max: int = queries.CHANGES_MAX,
        batch_size_max: int = 30,
        custom_txn_numbers: bool = False,
        auto_apply_credit: bool = False,
        ways: Ways | None = None,
    ) -> None:
        self.ways = ways or Ways()
        self.books = Books(
            now,
            self.ways,
            home_currency=base_currency,
            multi_currency=multi_currency,
            zone=ZoneInfo(timezone),
        )
        self.books.custom_numbers = custom_txn_numbers
        self.books.auto_apply_credit = auto_apply_credit
        self.realm = realm
        self.calls: Counter[str] = Counter()
        self.requests = 0
        self.writes = 0
        self.metered = 0
        self._now = now
        self._lock = self.books.lock
        self._facts = {"CompanyName": name, "LegalName": name, "Country": country}
        self._sign_in = SignIn(
            self._elapsed,
            (client_id, client_secret),
            refresh_token,
            code,
            access_seconds=access_token_seconds,
            rotates_after=self.ways.refresh_rotates_after,
            retired_seconds=self.ways.retired_refresh_seconds,
        )
        self._is_sandbox = is_sandbox
        self._metered_max = metered_calls_max
        self._batch_max = batch_size_max
        self._page_size_max = page_size_max
        self._changes_max = changes_max
        self._is_lapsed = False
        self._denied: set[str] = set()
        self._troubles: deque[_Trouble] = deque()
        self._replies: dict[str, tuple[float, _Reply]] = {}
        self._windows = (_Window(calls_per_second, 1), _Window(calls_per_minute, 60))
        self._batches = _Window(batches_per_minute, 60)

    # The transport -------------------------------------------------------------------

    def send(self, request: Request, timeout: float) -> Response:
        """Answer as QuickBooks would. Waits for nothing, whatever the timeout."""
        with self._lock:
            ask = _taken_apart(request)
            self.requests += 1
            self.calls[ask.label] += 1
            answer = (
                self._api(ask) if ask.realm else self._sign_in.answer(request, ask.path)
            )
            tid = ("intuit_tid", f"1-{self.requests:08x}-{'0' * 24}")
            return Response(answer.status, (*answer.headers, tid), answer.body)

    def close(self) -> None:
        """Nothing is held open."""

    def _elapsed(self) -> float:
        return self._now().timestamp() if self._now else time.monotonic()

    def _instant(self) -> datetime:
        return self._now() if self._now else self.books.now()

    # The gate before the API -----------------------------------------------------------

    def _api(self, ask: _Ask) -> Response:
        self.writes += _could_change(ask)
        refused = self._unauthorised(ask) or self._limited(ask)
        if refused is not None:
            return refused
        trouble = self._troubles.popleft() if self._troubles else None
        if trouble is None:
            return self._carried_out(ask)
        if trouble.after:
            self._carried_out(ask)
        if trouble.answer is None:
            raise lost()
        if (
            trouble.answer.status == self.ways.throttle_status
            and not trouble.answer.body
        ):
            return self._throttled(ask, trouble.answer.headers)
        return trouble.answer

    def _gateway(
        self, ask: _Ask, status: int, told: Mapping[str, Any], *headers: Any
    ) -> Response:
        at, as_xml = self._instant(), ask.wants_xml
        content = shapes.framed_gateway_fault(told, at, as_xml=as_xml)
        answer = shapes.answer(status, content, as_xml=as_xml)
        return Response(status, (*answer.headers, *headers), answer.body)

    def _unauthorised(self, ask: _Ask) -> Response | None:
        if not self._sign_in.is_signed(ask.request):
            words = "AuthenticationFailed"
            told = shapes.gateway_fault(401, "3200", words, "AUTHENTICATION")
            return self._gateway(ask, 401, told)
        is_here = HOSTS.get(ask.host, self._is_sandbox) == self._is_sandbox
        if ask.realm == self.realm and is_here:
            return None
        words = "ApplicationAuthorizationFailed"
        told = shapes.gateway_fault(403, "3100", words, "AuthorizationFault")
        return self._gateway(ask, 403, told)

    def _limited(self, ask: _Ask) -> Response | None:
        at = self._elapsed()
        windows = (
            *self._windows,
            *([self._batches] if ask.parts == ("batch",) else []),
        )
        is_metered_out = self._metered_max is not None and not _could_change(ask)
        if is_metered_out and self.metered >= (self._metered_max or 0):
            return self._throttled(ask)
        if any(window.is_full(at) for window in windows):
            return self._throttled(ask)
        for window in windows:
            window.times.append(at)
        return None

    def _throttled(self, ask: _Ask, headers: Iterable[Any] = ()) -> Response:
        status, words = self.ways.throttle_status, "ThrottleExceeded"
        told = shapes.gateway_fault(status, "3001", words, "SERVICE", detail=THROTTLED)
        return self._gateway(ask, status, told, *headers)

    # The API -------------------------------------------------------------------------------

    def _carried_out(self, ask: _Ask) -> Response:
        try:
            self._check_company(ask)
            if ask.parts[2:] == ("pdf",) and ask.request.method == "GET":
                self._one(ask)
                return Response(200, {"Content-Type": "application/pdf"}, PDF)
            status, content = self._answered(ask)
        except Refusal as refused:
            status, content = self._refused(refused)
        return shapes.answer(status, self._timed(content), as_xml=ask.wants_xml)

    def _refused(self, refused: Refusal) -> _Reply:
        is_rights = refused.code == shapes.AUTHORIZATION
        fault = {"Fault": shapes.fault(refused)}
        return (FORBIDDEN if is_rights else self.ways.fault_status), fault

    def _timed(self, content: _Content) -> _Content:
        return {"time": shapes.stamp(self._instant(), milliseconds=True), **content}

    def _check_company(self, ask: _Ask) -> None:
        if self._is_lapsed:
            raise Refusal("6190", LAPSED)
        minor = ask.params.get("minorversion", str(MINOR_VERSION_MIN))
        is_old = not minor.isdigit() or int(minor) < MINOR_VERSION_MIN
        if is_old and self.ways.refuses_old_minor_versions:
            raise unreadable("minorversion")

    def _answered(self, ask: _Ask) -> _Reply:
        routes: Mapping[tuple[str, str], Callable[[_Ask], _Reply]] = {
            ("GET", "query"): self._query_in_address,
            ("POST", "query"): self._query_in_body,
            ("GET", "cdc"): self._changes,
            ("POST", "batch"): self._batch,
            ("GET", "companyinfo"): partial(self._singleton, "CompanyInfo"),
            ("GET", "preferences"): partial(self._singleton, "Preferences"),
        }
        route = routes.get((ask.request.method, ask.parts[0]))
        if route is not None:
            return route(ask)
        match ask.request.method, ask.parts:
            case "GET", (_, _):
                return 200, self._one(ask)
            case "POST", (entity,) if entity in ENTITIES:
                return self._write(ask, ENTITIES[entity])
            case _:
                raise Refusal("500", f"Operation {ask.label} is not supported.")

    def _allowed(self, kind: str, *, writing: bool = False) -> None:
        wanted = {kind, f"{kind} write"} if writing else {kind}
        if self._denied & wanted or "*" in self._denied:
            raise Refusal(shapes.AUTHORIZATION, NO_ACCESS)

    def _singleton(self, name: str, ask: _Ask) -> _Reply:
        self.metered += 1
        return 200, {name: self._company(name)}

    def _company(self, name: str) -> _Content:
        self._allowed(name)
        at = self.books.now()
        if name == "CompanyInfo":
            return shapes.company_info(self.books, self._facts, at)
        return shapes.preferences(self.books, at)

    def _query_in_address(self, ask: _Ask) -> _Reply:
        return 200, self._query(ask.params.get("query", ""))

    def _query_in_body(self, ask: _Ask) -> _Reply:
        kind = ask.request.header("Content-Type") or ""
        if kind.partition(";")[0] not in {"application/text", "text/plain"}:
            raise unreadable("Content-Type")
        return 200, self._query(ask.text())

    def _query(self, text: str) -> _Content:
        self.metered += 1
        query = queries.parse(text)
        self._allowed(query.entity)
        if query.entity in queries.SINGLETONS:
            rows = {query.entity: [self._company(query.entity)], "maxResults": 1}
            return {"QueryResponse": rows}
        found = queries.answer(self.books, query, self._page_size_max)
        return {"QueryResponse": found}

    def _changes(self, ask: _Ask) -> _Reply:
        self.metered += 1
        entities = [x for x in ask.params.get("entities", "").split(",") if x]
        if not entities:
            raise required("entities")
        for entity in entities:
            self._allowed(entity)
        since = ask.params.get("changedSince")
        blocks = queries.changes(self.books, entities, since, self._changes_max)
        return 200, {"CDCResponse": [{"QueryResponse": blocks}]}

    def _one(self, ask: _Ask) -> _Content:
        self.metered += 1
        kind, key = ENTITIES.get(ask.parts[0], ""), ask.parts[1]
        if not kind:
            raise Refusal("500", f"Operation {ask.label} is not supported.")
        self._allowed(kind)
        found = shapes.shape(self.books, self.books.find(kind, key))
        if kind == INVOICE and "invoiceLink" in ask.params.get("include", ""):
            found["InvoiceLink"] = f"https://connect.intuit.com/t/scs-v1-{key}"
        return {kind: found}

    # Writing ---------------------------------------------------------------------------------

    def _write(self, ask: _Ask, kind: str) -> _Reply:
        operation = ask.params.get("operation", "")
        if kind == PAYMENT:
            # A payment is voided by the longer way only.
            is_void = operation == "update" and ask.params.get("include") == "void"
            operation = "void" if is_void else operation.replace("void", "void?")
        body = ask.json()
        key = ask.params.get("requestid", "")
        return self._once(key, lambda: self._written(kind, operation, body))

    def _once(self, key: str, act: Callable[[], _Content]) -> _Reply:
        """The stored reply to a request of that name; else what ``act`` answers, stored."""
        if len(key) > REQUEST_ID_LENGTH_MAX:
            raise broken(
                f"You cannot enter more than {REQUEST_ID_LENGTH_MAX} characters in the request_id field. You tried entering {key[:10]}..., which is {len(key)} characters."
            )
        at = self._elapsed()
        until, known = self._replies.get(key, (-math.inf, (0, {})))
        if at < until:
            # Whatever the body of the second is: the name alone counts.
            return known
        try:
            reply = 200, self._timed(act())
        except Refusal as refused:
            status, content = self._refused(refused)
            reply = status, self._timed(content)
        if key and ("Fault" not in reply[1] or self.ways.request_id_keeps_faults):
            seconds = self.ways.request_id_seconds
            self._replies[key] = (math.inf if seconds is None else at + seconds), reply
        return reply

    def _written(self, kind: str, operation: str, body: _Content) -> _Content:
        self._allowed(kind, writing=True)
        match operation:
            case "" | "create" | "update":
                if operation == "update" and "Id" not in body:
                    raise required("Id")
                row = self.books.save(kind, body)
            case "void" if self._is_voidable(kind):
                row = self.books.void(self.books.current(kind, body))
            case "delete":
                row = self.books.current(kind, body)
                self.books.delete(row)
                return {kind: shapes.tombstone(row)}
            case _:
                raise Refusal("500", f"Operation {operation} is not supported.")
        return {kind: shapes.shape(self.books, row)}

    def _is_voidable(self, kind: str) -> bool:
        is_memo = kind == CREDIT_MEMO and self.ways.credit_memo_void
        return is_memo or kind in {INVOICE, PAYMENT}

    def _batch(self, ask: _Ask) -> _Reply:
        items = ask.json().get("BatchItemRequest")
        key = ask.params.get("requestid", "")
        if not isinstance(items, list) or not all(isinstance(x, dict) for x in items):
            raise required("BatchItemRequest")
        if len(items) > self._batch_max:
            raise broken(f"A batch has at most {self._batch_max} items.")
        if len(key) > BATCH_REQUEST_ID_LENGTH_MAX:
            raise broken(f"A requestid has {BATCH_REQUEST_ID_LENGTH_MAX} characters.")
        replies = [self._batch_item(item, key) for item in items]
        # The order is not guaranteed: replies are matched by bId.
        return 200, {"BatchItemResponse": replies[::-1]}

    def _batch_item(self, item: _Content, key: str) -> _Content:
        name = str(item.get("bId", ""))
        try:
            content = self._batch_done(item, f"{key}{name}" if key else "")
        except Refusal as refused:
            content = self._refused(refused)[1]
        return {"bId": name, **{k: v for k, v in content.items() if k != "time"}}

    def _batch_done(self, item: _Content, key: str) -> _Content:
        if "Query" in item:
            return self._query(str(item["Query"]))
        kind = next((each for each in item if each in ENTITIES.values()), "")
        body, operation = item.get(kind), str(item.get("operation", ""))
        if not isinstance(body, dict) or not operation:
            raise required("operation")
        if operation == "update" and item.get("optionsData") == "void":
            operation = "void"
        return self._once(key, lambda: self._written(kind, operation, body))[1]

    # Trouble, on demand ------------------------------------------------------------------

    @property
    def refresh_token(self) -> str:
        """The newest refresh token."""
        return self._sign_in.latest

    def issue_token(self) -> str:
        """An access token, without the sign-in."""
        with self._lock:
            return self._sign_in.issue()

    def expire(self) -> None:
        """All access tokens given so far have expired; a refresh helps."""
        with self._lock:
            self._sign_in.expire()

    def revoke(self) -> None:
        """The app was disconnected: every token is dead, only a person can help."""
        with self._lock:
            self._sign_in.revoke()

    def reconnect(self, code: str) -> None:
        """A person connects the app again: ``code`` can be exchanged for tokens, once."""
        with self._lock:
            self._sign_in.connect(code)

    def lapse(self, *, is_lapsed: bool = True) -> None:
        """The company no longer pays for QuickBooks: everything is answered 6190."""
        with self._lock:
            self._is_lapsed = is_lapsed

    def deny(self, permission: str) -> None:
        """No access to an entity (``"Payment"``), its writes (``"Payment write"``), or ``"*"``."""
        with self._lock:
            self._denied.add(permission)

    def allow(self, permission: str) -> None:
        """Access again."""
        with self._lock:
            self._denied.discard(permission)

    def throttle(self, times: int = 1, retry_after: int | None = None) -> None:
        """The next calls of the API are throttled; a Retry-After is not the vendor's habit."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        trouble = _Trouble(Response(self.ways.throttle_status, headers))
        with self._lock:
            self._troubles.extend([trouble] * times)

    def fail(
        self,
        times: int = 1,
        status: int = 500,
        body: bytes = b"",
        *,
        after: bool = False,
    ) -> None:
        """The next calls of the API fail: before, or ``after`` they were carried out."""
        with self._lock:
            self._troubles.extend([_Trouble(Response(status, (), body), after)] * times)

    def lose(self, times: int = 1, *, sign_in: bool = False) -> None:
        """The next calls of the API (or of the sign-in) are carried out, the answers lost."""
        with self._lock:
            if sign_in:
                self._sign_in.losses += times
            else:
                self._troubles.extend([_Trouble(None, after=True)] * times)

    # The bookkeeper ------------------------------------------------------------------------

    @contextmanager
    def _at_the_books(self) -> Iterator[Books]:
        with self._lock:
            yield self.books

    def _made(self, kind: str, fields: Mapping[str, Any]) -> str:
        with self._lock:
            kept = {k: v for k, v in fields.items() if v not in (None, "")}
            return self.books.save(kind, kept).id

    def _edited(self, kind: str, key: str, fields: Mapping[str, Any]) -> None:
        with self._lock:
            token = str(self.books.find(kind, key).version)
            own = {"Id": key, "SyncToken": token, "sparse": True}
            self.books.save(kind, {**fields, **own})

    def add_customer(
        self,
        name: str,
        number: str = "",
        *,
        email: str = "",
        currency: str = "",
        parent: str = "",
    ) -> str:
        """A new customer; its id. QuickBooks has no customer numbers: Notes keep it."""
        fields = {
            "DisplayName": name,
            "Notes": number,
            "PrimaryEmailAddr": {"Address": email} if email else None,
            "CurrencyRef": _ref(currency),
            "ParentRef": _ref(parent),
            "Job": True if parent else None,
        }
        return self._made(CUSTOMER, fields)

    def edit_customer(self, customer_id: str, **fields: Any) -> None:
        """Change a customer by the vendor's names; ``Active=False`` is its deletion."""
        self._edited(CUSTOMER, customer_id, fields)

    def add_vendor(self, name: str) -> None:
        """A name that no customer can have any more; vendors are not shown."""
        with self._lock:
            self.books.other_names.add(name.casefold())

    def add_item(self, name: str) -> str:
        """A new item for lines; its id. There are ``"1"`` Services and ``"2"`` Hours."""
        with self._lock:
            return self.books.make(ITEM, {"Name": name, "Active": True}).id

    def add_invoice(
        self,
        number: str,
        customer: str,
        total: Decimal | str = "0",
        *,
        on: date | None = None,
        due: date | None = None,
        currency: str = "",
        rate: Decimal | str | None = None,
        tax: Decimal | str = "0",
        deposit: Decimal | str | None = None,
        note: str = "",
        lines: Iterable[Mapping[str, Any]] = (),
    ) -> str:
        """A new invoice of one line, or of ``lines``; ``total`` includes ``tax``. '' numbers it."""
        fields = _form(number, customer, total, on, currency, rate, tax, note, lines)
        fields |= {"DueDate": due and due.isoformat(), "Deposit": deposit}
        return self._made(INVOICE, fields)

    def add_credit_note(
        self,
        number: str,
        customer: str,
        total: Decimal | str = "0",
        *,
        on: date | None = None,
        currency: str = "",
        rate: Decimal | str | None = None,
        tax: Decimal | str = "0",
        note: str = "",
        lines: Iterable[Mapping[str, Any]] = (),
    ) -> str:
        """A new credit memo; nothing of it applied, unless the preference applies credits."""
        form = _form(number, customer, total, on, currency, rate, tax, note, lines)
        return self._made(CREDIT_MEMO, form)

    def _added(
        self, kind: str, customer: str, total: Decimal | str, on: date | None
    ) -> str:
        with self._at_the_books() as books:
            currency = books.find(CUSTOMER, customer).ref("CurrencyRef")
            fields = {
                "CustomerRef": _ref(customer),
                "CurrencyRef": _ref(currency),
                "TxnDate": (on or books.today()).isoformat(),
            }
            return books.make(kind, fields, Decimal(total)).id

    def add_journal_credit(
        self, customer: str, total: Decimal | str, on: date | None = None
    ) -> str:
        """A journal entry that credits receivables (a write-off); applied like a credit memo."""
        return self._added(JOURNAL_ENTRY, customer, total, on)

    def add_refund(
        self, customer: str, total: Decimal | str, on: date | None = None
    ) -> str:
        """Money paid back to a customer; no invoice or credit memo moves."""
        return self._added(REFUND, customer, total, on)

    def add_payment(
        self,
        customer: str,
        total: Decimal | str,
        on: date | None = None,
        reference: str = "",
        *,
        invoices: Mapping[str, Decimal | str] | None = None,
        credits: Mapping[str, Decimal | str] | None = None,  # noqa: A002
        note: str = "",
    ) -> str:
        """Money, with what it settles and the credit memos it consumes; the rest is unapplied."""
        lines = [_line_to(INVOICE, *each) for each in (invoices or {}).items()]
        lines += [_line_to(CREDIT_MEMO, *each) for each in (credits or {}).items()]
        fields = {
            "CustomerRef": _ref(customer),
            "TotalAmt": total,
            "TxnDate": on and on.isoformat(),
            "PaymentRefNum": reference,
            "PrivateNote": note,
            "Line": lines,
        }
        return self._made(PAYMENT, fields)

    def pay(
        self,
        invoice_id: str,
        amount: Decimal | str,
        on: date | None = None,
        reference: str = "",
    ) -> str:
        """Money for one invoice; the payment's id."""
        with self._lock:
            customer = self.books.find(INVOICE, invoice_id).ref("CustomerRef")
            invoices = {invoice_id: amount}
            return self.add_payment(customer, amount, on, reference, invoices=invoices)

    def apply_payment(
        self, payment_id: str, invoice_id: str, amount: Decimal | str
    ) -> None:
        """Apply unapplied money of a payment to an invoice."""
        with self._lock:
            payment = self.books.find(PAYMENT, payment_id)
            lines = [*lines_of(payment), _line_to(INVOICE, invoice_id, amount)]
            self._edited(PAYMENT, payment_id, {"Line": lines})

    def allocate(
        self,
        credit_id: str,
        invoice_id: str,
        amount: Decimal | str,
        on: date | None = None,
        *,
        kind: str = CREDIT_MEMO,
        note: str = LINKING_NOTE,
    ) -> str:
        """Apply a credit memo (or JournalEntry) to an invoice: the id of the payment of 0."""
        with self._at_the_books() as books:
            credit, invoice = (
                books.find(kind, credit_id),
                books.find(INVOICE, invoice_id),
            )
            day = on or books.today()
            made = books.link_credit(credit, invoice, Decimal(amount), day, note)
            books.advance(1)
            return made.id

    def void_invoice(self, invoice_id: str) -> None:
        """Void by hand: payments are detached, whatever the API would say."""
        with self._at_the_books() as books:
            books.void(books.find(INVOICE, invoice_id), by_hand=True)

    def void_payment(self, payment_id: str) -> None:
        """The payment stays, of 0; what it settled is owed again."""
        with self._at_the_books() as books:
            books.void(books.find(PAYMENT, payment_id), by_hand=True)

    def delete_invoice(self, invoice_id: str) -> None:
        """Delete: only change data capture tells of it."""
        with self._at_the_books() as books:
            books.delete(books.find(INVOICE, invoice_id))

    def delete_credit_note(self, credit_id: str) -> None:
        """Delete a credit memo; what it settled is owed again."""
        with self._at_the_books() as books:
            books.delete(books.find(CREDIT_MEMO, credit_id))

    def delete_payment(self, payment_id: str) -> None:
        """Delete: only change data capture tells of it, and not what it settled."""
        with self._at_the_books() as books:
            books.delete(books.find(PAYMENT, payment_id))

    def edit_invoice(self, invoice_id: str, **fields: Any) -> None:
        """Change an invoice by the vendor's names."""
        self._edited(INVOICE, invoice_id, fields)

    def edit_credit_note(self, credit_id: str, **fields: Any) -> None:
        """Change a credit memo by the vendor's names."""
        self._edited(CREDIT_MEMO, credit_id, fields)

    def edit_payment(self, payment_id: str, **fields: Any) -> None:
        """Change a payment by the vendor's names."""
        self._edited(PAYMENT, payment_id, fields)

    def deposit(self, payment_ids: Iterable[str], on: date | None = None) -> str:
        """Bank payments: they are locked from now on; the deposit's id."""
        with self._at_the_books() as books:
            rows = [books.find(PAYMENT, key) for key in payment_ids]
            return books.bank(rows, on or books.today()).id

    def remove_deposit(self, deposit_id: str) -> None:
        """Delete a deposit: its payments can be changed again."""
        with self._at_the_books() as books:
            books.unbank(books.find(DEPOSIT, deposit_id))

    def lock_through(self, day: date | None) -> None:
        """Close the books through that day; None opens them."""
        with self._at_the_books() as books:
            books.closed_through = day

    def prefer(
        self,
        *,
        custom_txn_numbers: bool | None = None,
        auto_apply_credit: bool | None = None,
    ) -> None:
        """Change the company's preferences; None leaves one as it is."""
        with self._at_the_books() as books:
            if custom_txn_numbers is not None:
                books.custom_numbers = custom_txn_numbers
            if auto_apply_credit is not None:
                books.auto_apply_credit = auto_apply_credit

    def restamp(self, kind: str, key: str, at: datetime) -> None:
        """Set LastUpdatedTime of an object alone, to an equal or an earlier one too."""
        with self._at_the_books() as books:
            books.restamp(kind, key, at)

    def advance(self, seconds: float) -> None:
        """Move the books' own clock; without effect where ``now`` was given."""
        with self._at_the_books() as books:
            books.advance(seconds)

    # What a test looks at ------------------------------------------------------------------

    def _shown(self, kind: str) -> list[dict[str, Any]]:
        with self._at_the_books() as books:
            return [shapes.shape(books, row) for row in books.live(kind)]

    def invoice(self, invoice_id: str) -> dict[str, Any]:
        """An invoice as GET by id shows it."""
        with self._at_the_books() as books:
            return shapes.shape(books, books.find(INVOICE, invoice_id))

    def invoices(self) -> list[dict[str, Any]]:
        """All invoices, the voided too, in the order of creation."""
        return self._shown(INVOICE)

    def credit_notes(self) -> list[dict[str, Any]]:
        """All credit memos, in the order of creation."""
        return self._shown(CREDIT_MEMO)

    def payments(self) -> list[dict[str, Any]]:
        """All payments, those of 0 and the voided too, in the order of creation."""
        return self._shown(PAYMENT)

    def customers(self) -> list[dict[str, Any]]:
        """All customers, the inactive too, in the order of creation."""
        return self._shown(CUSTOMER)

    def paid(self, invoice_id: str) -> tuple[Decimal, date | None]:
        """What payments have settled, credit that they applied included, and the last day."""
        with self._at_the_books() as books:
            row = books.find(INVOICE, invoice_id)
            days = [x.fields["TxnDate"] for x in books.payments_of(row)]
            last = date.fromisoformat(max(days)) if days else None
            return books.applied(row), last


def _could_change(ask: _Ask) -> bool:
    if ask.request.method == "GET" or ask.parts == ("query",):
        return False
    # A batch of queries alone changes nothing.
    return ask.parts != ("batch",) or '"operation"' in ask.text()


def _ref(key: str) -> dict[str, str] | None:
    return {"value": key} if key else None


def _line_to(kind: str, key: str, amount: Decimal | str) -> dict[str, Any]:
    linked = [{"TxnId": key, "TxnType": kind}]
    return {"Amount": amount, "LinkedTxn": linked}


def _form(
    number: str,
    customer: str,
    total: Decimal | str,
    on: date | None,
    currency: str,
    rate: Decimal | str | None,
    tax: Decimal | str,
    note: str,
    lines: Iterable[Mapping[str, Any]],
) -> dict[str, Any]:
    net = Decimal(total) - Decimal(tax)
    detail = {"ItemRef": {"value": "1"}, "Qty": 1, "UnitPrice": net}
    line = {
        "Amount": net,
        "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": detail,
    }
    return {
        "DocNumber": number,
        "CustomerRef": _ref(customer),
        "TxnDate": on and on.isoformat(),
        "CurrencyRef": _ref(currency),
        "ExchangeRate": rate,
        "PrivateNote": note,
        "TxnTaxDetail": {"TotalTax": tax} if Decimal(tax) else None,
        "Line": [*lines] or [line],
    }
