"""
A stateful double of Autotask's server, which *is* a `tieout.wire.Transport`.

It is written from the vendor's sheet alone and keeps the vendor's traps. It opens no
socket, and shares no code with the connector. It knows no webhooks and no picklists.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from tieout.errors import Code, Fate, Fault
from tieout.testing.fakes.autotask_books import (
    START,
    Books,
    amount,
    markup_html,
    markup_xml,
    pdf,
    printed_number,
)
from tieout.testing.fakes.autotask_shapes import (
    BILLING_ITEM,
    COMPANY,
    ENTITIES,
    INVOICE,
    Entity,
    Problem,
    Query,
    Record,
    Refusal,
    Unsure,
    read_changes,
    read_query,
    shown,
)
from tieout.wire import Request, Response, write_json

ZONE = 5
URL_LENGTH_MAX = 2000
"""Longer addresses are refused; a query that needs one is sent by POST."""
THRESHOLD = 10_000
THRESHOLD_MINUTES = 60
DELAYS = ((Decimal("0.75"), 1.0), (Decimal("0.5"), 0.5))
"""From that share of the quota on, seconds that each call is held back."""
PREVIOUS_PAGES_MAX = 50
ID_LENGTH_MAX = 18

_JSON = ("Content-Type", "application/json; charset=utf-8")
_HOST = re.compile(r"webservices(\d*)\.autotask\.net")
_LAST_WORDS = (
    "query count next InvoicePDF InvoiceMarkupXml InvoiceMarkupHtml "
    "ThresholdInformation versioninformation zoneInformation"
)
_SPELLED = {name.lower(): name for name in _LAST_WORDS.split()} | {
    path: entity.path for path, entity in ENTITIES.items()
}
_USUAL = Unsure()


@dataclass(frozen=True, slots=True)
class _Ask:
    """One request, taken apart; ``label`` is its address in the server's own spelling."""

    request: Request
    origin: str
    zone: int | None
    """The zone that the address belongs to; None where it names none."""
    root: str
    """What stands before the version: the origin, a zone's folder, ATServicesRest."""
    label: str
    ids: tuple[int, ...]
    query: Mapping[str, str]

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def is_write(self) -> bool:
        return self.method != "GET" and "/query" not in self.label

    @property
    def is_discovery(self) -> bool:
        return self.label in _DISCOVERY

    def json(self) -> Any:
        """The body; `Refusal` where it is none."""
        kind = self.request.header("Content-Type") or "json"
        if "json" not in kind.lower():
            raise Refusal(f"The media type '{kind}' is not supported.", status=415)
        return _read(self.request.body())


_DISCOVERY = {"/versioninformation", "/zoneInformation"}
_VERSIONS = {"versioninformation": {""}, "zoneinformation": {"1.0", "v1.0"}}
"""How a version is written before those; all else has ``V1.0``."""


def _read(body: bytes | str) -> Any:
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, ArithmeticError, RecursionError):
        raise Refusal("The request could not be read as JSON.") from None


def _no_number(text: str) -> Any:
    raise ValueError(text)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= ID_LENGTH_MAX


def _taken_apart(request: Request, home_zone: int) -> _Ask:
    try:
        parts = urlsplit(request.url)
        pairs = (*parse_qsl(parts.query, keep_blank_values=True), *request.params)
    except ValueError:
        return _Ask(request, "", None, "", "/", (), {})
    origin = f"{parts.scheme}://{parts.netloc}"
    segments = [unquote(each) for each in parts.path.split("/") if each]
    zone: int | None = home_zone
    if host := _HOST.fullmatch(parts.hostname or ""):
        zone = int(host[1] or 0)
    root = [origin]
    # On other hosts a zone is a folder, as there is but one host.
    if segments and (folder := re.fullmatch(r"zone(\d+)", segments[0])):
        zone = int(folder[1])
        root.append(segments.pop(0))
    if not segments or segments.pop(0).lower() != "atservicesrest":
        return _Ask(request, origin, zone, "", "/", (), {})
    root.append("atservicesrest")
    version = segments.pop(0).lower() if len(segments) > 1 else ""
    if version not in _VERSIONS.get(segments[0].lower() if segments else "", {"v1.0"}):
        return _Ask(request, origin, zone, "", "/", (), {})
    label = "/" + "/".join(
        "{id}" if _is_id(each) else _SPELLED.get(each.lower(), each)
        for each in segments
    )
    ids = tuple(int(each) for each in segments if _is_id(each))
    query = {name.lower(): value for name, value in pairs}
    return _Ask(request, origin, zone, "/".join(root), label, ids, query)


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What a test asked for: an answer, or None for one that is lost."""

    answer: Response | None
    after: bool
    writes: bool


_Handler: TypeAlias = Callable[[_Ask], Response]


def _json(status: int, value: Any, *headers: tuple[str, str]) -> Response:
    return Response(status, (_JSON, *headers), write_json(value))


def _framework(status: int, message: str) -> Response:
    """What the web framework says before Autotask's own code runs: another envelope."""
    return _json(status, {"Message": message})


class FakeAutotask:
    """
    One Autotask database in its zone, and the discovery that leads to it.

    ``now`` gives an aware instant; without it the books have a clock of their own, which
    moves by one second with each change. A limit of None is off. ``calls`` counts by
    ``"POST /Invoices/query"``, ``requests`` all requests, ``writes`` those that could
    change something, whatever came of them. The server tells its addresses below the
    host it was asked at, unless that is one of the vendor's own. ``sleep`` is called with
    the seconds that the vendor holds back each call when half of the quota is used.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] | None = None,
        user: str = "api@example.com",
        secret: str = "secret",  # noqa: S107 - a fake one
        integration_code: str = "CODE",
        zone: int = ZONE,
        base_currency: str = "USD",
        multi_currency: bool = True,
        page_size_max: int = 500,
        quota: int | None = None,
        threads_max: int | None = None,
        lines_of_business: Collection[str] | None = None,
        sleep: Callable[[float], None] | None = None,
        unsure: Unsure = _USUAL,
    ) -> None:
        self.user = user
        self.zone = zone
        self.page_size_max = page_size_max
        self.quota = quota
        self.threads_max = threads_max
        self.calls: Counter[str] = Counter()
        self.requests = 0
        self.writes = 0
        self.held_back = 0.0
        """Seconds that callers were made to wait, with or without ``sleep``."""
        self._home_zone = zone
        self._credentials = (integration_code, user, secret)
        self._is_revoked = False
        self._now = now
        self._own_time = START
        self._sleep = sleep
        self._unsure = unsure
        self._lock = threading.RLock()
        self._open: Counter[str] = Counter()
        self._recent: deque[tuple[datetime, int]] = deque()
        self._spent = 0
        self._troubles: list[_Trouble] = []
        self._denied: set[str] = set()
        self._loops = False
        self._books = Books(
            self._instant,
            unsure,
            base_currency=base_currency,
            multi_currency=multi_currency,
        )
        self.assign_lines(lines_of_business)
        self._routes = self._all_routes()

    # The transport -------------------------------------------------------------------

    def send(self, request: Request, timeout: float) -> Response:
        """Answer as Autotask would; `Fault` ANSWER_LOST where a test asked for that."""
        ask = _taken_apart(request, self._home_zone)
        endpoint = ask.label.split("/")[1]
        with self._lock:
            self.requests += 1
            self.calls[f"{ask.method} {ask.label}"] += 1
            self.writes += ask.is_write and bool(ask.root)
            self._open[endpoint] += 1
            room = self.threads_max
            is_crowded = room is not None and self._open[endpoint] > room
            delay = 0.0 if ask.is_discovery else self._delay()
            self.held_back += delay
        try:
            if delay and self._sleep is not None:
                self._sleep(delay)
            with self._lock:
                return self._answer(ask, is_crowded=is_crowded)
        finally:
            with self._lock:
                self._open[endpoint] -= 1

    def close(self) -> None:
        """Nothing is held open."""

    def _answer(self, ask: _Ask, *, is_crowded: bool) -> Response:
        try:
            if ask.is_discovery:
                return self._discovered(ask)
            return self._refused(ask, is_crowded=is_crowded) or self._carried_out(ask)
        except Refusal as refused:
            return self._errors(refused)

    def _errors(self, refused: Refusal) -> Response:
        """Autotask's own envelope: strings, or objects that name the field."""
        as_objects = self._unsure.error_objects
        entries = [
            {"message": each.message, "field": each.field}
            if as_objects and each.field
            else each.message
            for each in refused.problems
        ]
        return _json(refused.status, {"errors": entries})

    # The gate --------------------------------------------------------------------------

    def _discovered(self, ask: _Ask) -> Response:
        if ask.method != "GET":
            return _no_method(ask)
        if ask.label == "/versioninformation":
            return _json(200, {"apiVersions": ["1.0"]})
        if ask.query.get("user", "").lower() != self.user.lower():
            if self._unsure.unknown_user_status != 200:  # noqa: PLR2004 - HTTP's OK
                text = "The user could not be found."
                raise Refusal(text, status=self._unsure.unknown_user_status)
            return _json(200, {"zoneName": None, "url": "", "webUrl": "", "ci": 0})
        url, web = f"{ask.origin}/zone{self.zone}/ATServicesRest/", ask.origin
        if _HOST.fullmatch(urlsplit(ask.origin).hostname or ""):
            url = f"https://webservices{self.zone}.autotask.net/ATServicesRest/"
            web = f"https://ww{self.zone}.autotask.net"
        elif self.zone == self._home_zone:
            url = f"{ask.origin}/ATServicesRest/"
        name = f"Zone {self.zone}"
        return _json(200, {"zoneName": name, "url": url, "webUrl": web, "ci": 4711})

    def _refused(self, ask: _Ask, *, is_crowded: bool) -> Response | None:
        """Who may not ask at all, or not now."""
        names = ("ApiIntegrationCode", "UserName", "Secret")
        given = tuple(ask.request.header(name) for name in names)
        if self._is_revoked or ask.zone != self.zone or given != self._credentials:
            text = "Authorization has been denied for this request."
            return _framework(401, text)
        if is_crowded:
            text = f"The Autotask API thread threshold of {self.threads_max} threads has been exceeded."
            raise Refusal(text, status=429)
        used = self._used()
        if self.quota is not None and used >= self.quota:
            text = f"The Autotask API request threshold of {self.quota} requests per {THRESHOLD_MINUTES} minutes has been exceeded."
            raise Refusal(text, status=self._unsure.quota_status)
        self.spend(1)
        return None

    def _used(self) -> int:
        """Requests of all integrations in the last hour; a refused one does not count."""
        start = self._instant() - timedelta(minutes=THRESHOLD_MINUTES)
        while self._recent and self._recent[0][0] <= start:
            self._spent -= self._recent.popleft()[1]
        return self._spent

    def _delay(self) -> float:
        if self.quota is None:
            return 0.0
        share = Decimal(self._used()) / self.quota
        return next((seconds for start, seconds in DELAYS if share >= start), 0.0)

    def _carried_out(self, ask: _Ask) -> Response:
        trouble = next(
            (each for each in self._troubles if ask.is_write or not each.writes), None
        )
        if trouble is None:
            return self._routed(ask)
        self._troubles.remove(trouble)
        if trouble.after:
            # A request that is refused leaves no other trace.
            with contextlib.suppress(Refusal):
                self._routed(ask)
        if trouble.answer is None:
            text = "the connection broke"
            raise Fault(Code.ANSWER_LOST, text, fate=Fate.UNCLEAR)
        return trouble.answer

    def _routed(self, ask: _Ask) -> Response:
        handlers = self._routes.get(ask.label)
        # A literal "{id}" in the address matches a label and names nothing.
        if handlers is None or ask.label.count("{id}") != len(ask.ids):
            text = f"No HTTP resource was found that matches '{ask.request.url}'."
            return _framework(404, text)
        handler = handlers.get(ask.method)
        if handler is None:
            return _no_method(ask)
        if len(f"{ask.request.url}?{urlencode(ask.request.params)}") > URL_LENGTH_MAX:
            return Response(414, (("Content-Type", "text/html"),), b"<h1>414</h1>")
        return handler(ask)

    def _permit(self, what: str, verb: str) -> None:
        denied = {what, f"{what}/write"} if verb != "query" else {what}
        if denied & self._denied:
            text = f"Forbidden: the logged in Resource does not have the adequate permissions to {verb} this entity type."
            raise Refusal(text, status=self._unsure.forbidden_status)

    # Time ------------------------------------------------------------------------------

    def _instant(self) -> datetime:
        return self._own_time if self._now is None else self._now()

    def _moved(self) -> None:
        self._own_time += timedelta(seconds=1)

    def advance(self, seconds: float) -> None:
        """Move the fake's own clock; without effect where ``now`` was given."""
        with self._lock:
            self._own_time += timedelta(seconds=seconds)

    # Routes ----------------------------------------------------------------------------

    def _all_routes(self) -> dict[str, dict[str, _Handler]]:
        routes: dict[str, dict[str, _Handler]] = {
            "/ThresholdInformation": {"GET": self._threshold},
            "/Invoices/{id}/InvoicePDF": {"GET": self._pdf},
        }
        for entity in ENTITIES.values():
            path = f"/{entity.path}"
            writes: dict[str, _Handler] = {
                "POST": self._create,
                "PATCH": partial(self._update, entity, False),
                "PUT": partial(self._update, entity, True),
            }
            routes[path] = {
                method: handler
                for method, handler in writes.items()
                if method in entity.methods
            }
            routes[f"{path}/{{id}}"] = {"GET": partial(self._one, entity)}
            for tail, read in (
                ("query", self._first_page),
                ("query/next", self._next_page),
                ("query/count", self._count),
            ):
                bound = partial(read, entity)
                routes[f"{path}/{tail}"] = {"GET": bound, "POST": bound}
        for name, kind, write in (
            ("InvoiceMarkupXml", "text/xml", markup_xml),
            ("InvoiceMarkupHtml", "text/html", markup_html),
        ):
            bound_markup: dict[str, _Handler] = {
                "GET": partial(self._markup, kind, write)
            }
            if self._unsure.markup != "flat":
                routes[f"/Invoices/{{id}}/{name}"] = bound_markup
            if self._unsure.markup != "nested":
                routes[f"/{name}"] = bound_markup
        return routes

    def _threshold(self, ask: _Ask) -> Response:
        facts = {
            "externalRequestThreshold": self.quota or THRESHOLD,
            "requestThresholdTimeframe": THRESHOLD_MINUTES,
            "currentTimeframeRequestCount": self._used(),
        }
        return _json(200, facts)

    # Reading ---------------------------------------------------------------------------

    def _query(self, entity: Entity, ask: _Ask) -> Query:
        self._permit(entity.path, "query")
        body = (
            ask.json() if ask.method == "POST" else _read(ask.query.get("search", ""))
        )
        known = self._books.user_fields.get(entity.path, set())
        return read_query(entity, body, self._unsure, known)

    def _count(self, entity: Entity, ask: _Ask) -> Response:
        test = self._query(entity, ask).test
        found = sum(test(row) for row in self._books.visible(entity))
        return _json(200, {"queryCount": found})

    def _first_page(self, entity: Entity, ask: _Ask) -> Response:
        query = self._query(entity, ask)
        size = min(query.size or self.page_size_max, self.page_size_max)
        return self._page(entity, ask, query, _Paging(size, (), 0))

    def _next_page(self, entity: Entity, ask: _Ask) -> Response:
        # A page of a query that was sent by POST is asked for so, with the same body.
        if ask.method == "GET" and "search" not in ask.query:
            return _no_method(ask)
        paging = _Paging.read(_read(ask.query.get("paging", "")), self.page_size_max)
        return self._page(entity, ask, self._query(entity, ask), paging)

    def _page(
        self, entity: Entity, ask: _Ask, query: Query, paging: _Paging
    ) -> Response:
        matching = (
            row for row in self._books.visible(entity, paging.start) if query.test(row)
        )
        rows = list(islice(matching, paging.size + 1))
        has_more = len(rows) > paging.size
        if has_more and query.names is not None and "id" not in query.names:
            raise Refusal(
                "IncludeFields must name id where more than one page is found."
            )
        rows = rows[: paging.size]
        links = {"prevPageUrl": paging.before(), "nextPageUrl": None}
        if has_more:
            links["nextPageUrl"] = paging.after(rows[-1]["id"])
        if self._loops:
            links["nextPageUrl"] = paging
        details = {
            "count": len(rows),
            "requestCount": paging.size,
            **{
                name: self._link(entity, ask, to) if to else None
                for name, to in links.items()
            },
        }
        items = [shown(entity, row, query.names) for row in rows]
        return _json(200, {"items": items, "pageDetails": details})

    @staticmethod
    def _link(entity: Entity, ask: _Ask, to: _Paging) -> str:
        address = f"{ask.root}/v1.0/{entity.path}/query/next?paging={quote(to.text())}"
        if ask.method == "GET":
            address += f"&search={quote(ask.query['search'])}"
        return address

    def _one(self, entity: Entity, ask: _Ask) -> Response:
        self._permit(entity.path, "query")
        record = self._books.one(entity, ask.ids[0])
        if record is None and self._unsure.missing_is_null:
            return _json(200, {"item": None})
        if record is None:
            raise _missing(entity, ask.ids[0])
        return _json(200, {"item": shown(entity, record)})

    def _printed(self, ask: _Ask) -> tuple[Record, list[Record]]:
        """An invoice that may be printed, and its items."""
        self._permit(INVOICE.path, "query")
        self._permit("InvoiceMarkup", "query")
        given = ask.query.get("invoiceid", "")
        row = ask.ids[0] if ask.ids else int(given) if _is_id(given) else 0
        invoice = self._books.one(INVOICE, row)
        if invoice is None:
            raise _missing(INVOICE, row)
        return invoice, self._items(row)

    def _items(self, invoice: int) -> list[Record]:
        return [
            row for row in self._books.items.values() if row["invoiceID"] == invoice
        ]

    def _markup(
        self, kind: str, write: Callable[[Record, Sequence[Record]], str], ask: _Ask
    ) -> Response:
        text = write(*self._printed(ask))
        return Response(200, (("Content-Type", f"{kind}; charset=utf-8"),), text)

    def _pdf(self, ask: _Ask) -> Response:
        invoice, _ = self._printed(ask)
        data = pdf(invoice)
        return _json(
            200,
            {
                "contentType": "application/pdf",
                "fileName": f"Invoice {printed_number(invoice)}.pdf",
                "fileSize": len(data),
                "data": base64.b64encode(data).decode(),
            },
        )

    # Writing ---------------------------------------------------------------------------

    def _create(self, ask: _Ask) -> Response:
        self._permit(COMPANY.path, "create")
        _, changes = read_changes(COMPANY, ask.json(), self._unsure, replacing=False)
        row = self._books.create_company(changes)
        self._moved()
        return _json(200, {"itemId": row})

    def _update(self, entity: Entity, replacing: bool, ask: _Ask) -> Response:
        self._permit(entity.path, "update")
        row, changes = read_changes(
            entity, ask.json(), self._unsure, replacing=replacing
        )
        if isinstance(row, bool) or not isinstance(row, int):
            raise Refusal(Problem("Required field 'id' is missing.", "id"))
        self._books.update(entity, row, changes)
        self._moved()
        return _json(200, {"itemId": row})

    # Trouble, on demand ------------------------------------------------------------------

    def throttle(self, times: int = 1, retry_after: int | None = 60) -> None:
        """The next calls of the API are answered 429; None leaves Retry-After out."""
        header = () if retry_after is None else (("Retry-After", str(retry_after)),)
        answer = _json(429, {"errors": ["Too many requests."]}, *header)
        self._trouble(times, answer)

    def fail(
        self,
        times: int = 1,
        status: int = 500,
        body: bytes = b"",
        *,
        after: bool = False,
        writes: bool = False,
    ) -> None:
        """
        The next calls of the API fail: before, or ``after`` they were carried out.

        Only calls that change something where ``writes``.
        """
        self._trouble(times, Response(status, (_JSON,), body), after, writes)

    def lose(self, times: int = 1) -> None:
        """The next writes are carried out, and their answers are lost."""
        self._trouble(times, None, after=True, writes=True)

    def _trouble(
        self,
        times: int,
        answer: Response | None,
        after: bool = False,
        writes: bool = False,
    ) -> None:
        with self._lock:
            self._troubles.extend([_Trouble(answer, after, writes)] * times)

    def expire(self) -> None:
        """The database moves to another zone: what a caller knows of it is worth nothing."""
        with self._lock:
            self.zone += 1

    def revoke(self) -> None:
        """The API user is locked: 401 in every zone, only a person can help."""
        with self._lock:
            self._is_revoked = True

    def deny(self, what: str) -> None:
        """Take a permission: ``Invoices``, ``Invoices/write``, ``InvoiceMarkup`` ..."""
        with self._lock:
            self._denied.add(what)

    def allow(self, what: str) -> None:
        """End what `deny` began."""
        with self._lock:
            self._denied.discard(what)

    def assign_lines(self, lines: Collection[str] | None) -> None:
        """Show the API user invoices of these lines of business, and of none; None all."""
        with self._lock:
            self._books.visible_lines = None if lines is None else set(lines)

    def loop_pages(self, *, on: bool = True) -> None:
        """From now on every page names itself as the next."""
        with self._lock:
            self._loops = on

    def spend(self, requests: int) -> None:
        """Other integrations use so much of the shared quota, now."""
        with self._lock:
            self._recent.append((self._instant(), requests))
            self._spent += requests

    # What people do in Autotask ------------------------------------------------------------

    def add_customer(
        self, name: str, number: str = "", *, currency: str = "", **fields: Any
    ) -> int:
        """A new company, other fields by the vendor's names; its id."""
        with self._lock:
            changes: Record = {"companyName": name, "companyType": 1}
            changes["companyNumber"] = number or None
            if currency:
                changes["currencyID"] = self._books.currency(currency)
            row = self._books.create_company(changes)
            self._books.edit(COMPANY, row, fields)
            self._moved()
            return row

    def edit_customer(self, company_id: int, **fields: Any) -> None:
        """Change a company by the vendor's names; ``isActive=False`` ends it."""
        self._edit(COMPANY, company_id, fields)

    def add_currency(self, code: str, rate: Decimal | str = "1") -> int:
        """A currency, with what one of it is worth in the internal one; its id."""
        with self._lock:
            return self._books.currency(code, amount(rate))

    def add_invoice(
        self,
        number: str | None,
        customer: int,
        total: Decimal | str | int = 0,
        *,
        lines: Sequence[Mapping[str, Any]] = (),
        tax: Decimal | str | int = 0,
        on: date = START.date(),  # noqa: B008 - a date is never changed
        due: date | None = None,
        line_of_business: str = "",
        **fields: Any,
    ) -> int:
        """
        Process an invoice; its id. ``total`` includes ``tax``, and may be negative.

        In place of the two, ``lines`` are billing items by the vendor's names, of which
        ``rate`` is needed. Numbers may repeat or be missing; other fields likewise.
        """
        with self._lock:
            one = {"rate": amount(total) - amount(tax), "taxDollars": amount(tax)}
            given = {
                "invoiceNumber": number,
                "invoiceDateTime": on,
                "dueDate": due or on,
                **fields,
            }
            row = self._books.add_invoice(
                customer, lines or [one], given, line_of_business
            )
            self._moved()
            return row

    def add_credit_note(
        self, number: str | None, customer: int, total: Decimal | str, **more: Any
    ) -> int:
        """A negative invoice of that positive total; the rest as for `add_invoice`."""
        return self.add_invoice(number, customer, -amount(total), **more)

    def edit_invoice(self, invoice_id: int, **fields: Any) -> None:
        """Change an invoice by the vendor's names, days and instants as such."""
        self._edit(INVOICE, invoice_id, fields)

    def edit_billing_item(self, item_id: int, **fields: Any) -> None:
        """Change a billing item by the vendor's names."""
        self._edit(BILLING_ITEM, item_id, fields)

    def _edit(self, entity: Entity, row: int, fields: Mapping[str, Any]) -> None:
        with self._lock:
            self._books.edit(entity, row, fields)
            self._moved()

    def set_user_fields(self, record_id: int, values: Mapping[str, str | None]) -> None:
        """Fill user-defined fields of an invoice or a company, which thereby exist."""
        with self._lock:
            entity = INVOICE if record_id in self._books.invoices else COMPANY
            self._books.set_user_fields(entity, record_id, values)
            self._moved()

    def void_invoice(self, invoice_id: int, at: datetime | None = None) -> None:
        """Void an invoice, as only a person can; its items stay with it."""
        with self._lock:
            self._books.void(invoice_id, at)
            self._moved()

    def pay(self, invoice_id: int, amount_paid: Decimal | str, on: date) -> int:
        """
        Mark an invoice as paid on a day; its id, as there is no payment.

        `ValueError` for a part of it: Autotask has no place for one.
        """
        total = self._books.invoices[invoice_id]["invoiceTotal"]
        if amount(amount_paid) != total:
            raise ValueError(f"{amount_paid} is not the whole of {total}")
        self.edit_invoice(invoice_id, paidDate=on)
        return invoice_id

    def void_payment(self, invoice_id: int) -> None:
        """Take the mark of `pay` away."""
        self.edit_invoice(invoice_id, paidDate=None)

    # Views -----------------------------------------------------------------------------

    def invoices(self) -> list[dict[str, Any]]:
        """All invoices as the API shows them, whoever may see them, by id."""
        return self._all(INVOICE)

    def invoice(self, invoice_id: int) -> dict[str, Any]:
        """One invoice as the API shows it."""
        with self._lock:
            return shown(INVOICE, self._books.invoices[invoice_id])

    def credit_notes(self) -> list[dict[str, Any]]:
        """The negative invoices."""
        return [row for row in self.invoices() if row["invoiceTotal"] < 0]

    def billing_items(self, invoice_id: int) -> list[dict[str, Any]]:
        """The items of an invoice as the API shows them."""
        with self._lock:
            return [shown(BILLING_ITEM, row) for row in self._items(invoice_id)]

    def customers(self) -> list[dict[str, Any]]:
        """All companies as the API shows them, by id."""
        return self._all(COMPANY)

    def customer(self, company_id: int) -> dict[str, Any]:
        """One company as the API shows it."""
        with self._lock:
            return shown(COMPANY, self._books.companies[company_id])

    def payments(self) -> list[dict[str, Any]]:
        """What stands for payments: id, total and day of each invoice that is paid."""
        names = ("id", "invoiceTotal", "paidDate")
        return [
            {name: row[name] for name in names}
            for row in self.invoices()
            if row["paidDate"] is not None
        ]

    def paid(self, invoice_id: int) -> tuple[Decimal, date | None]:
        """What is paid of an invoice, all or nothing, and since when."""
        with self._lock:
            row = self._books.invoices[invoice_id]
            if row["paidDate"] is None:
                return Decimal(0), None
            return row["invoiceTotal"], date.fromisoformat(row["paidDate"][:10])

    def _all(self, entity: Entity) -> list[dict[str, Any]]:
        with self._lock:
            return [
                shown(entity, row) for row in self._books.tables[entity.path].values()
            ]


def _no_method(ask: _Ask) -> Response:
    text = f"The requested resource does not support http method '{ask.method}'."
    return _framework(405, text)


def _missing(entity: Entity, row: int) -> Refusal:
    return Refusal(f"{entity.name} {row} does not exist.", status=404)


@dataclass(frozen=True, slots=True)
class _Paging:
    """Where a page stands: its size, the starts of those before it, and its own start."""

    size: int
    previous: tuple[int, ...]
    start: int

    @classmethod
    def read(cls, given: Any, size_max: int) -> _Paging:
        """A page from the address that was told; `Refusal` where it is not one."""
        match given:
            case {
                "pageSize": int(size),
                "previousIds": list(ids),
                "nextId": int(start),
            }:
                if size > 0 and all(isinstance(each, int) for each in ids):
                    return cls(min(size, size_max), tuple(ids), start)
        raise Refusal("The page cannot be read.")

    def text(self) -> str:
        names = {"pageSize": self.size, "previousIds": list(self.previous)}
        return json.dumps({**names, "nextId": self.start}, separators=(",", ":"))

    def after(self, last: int) -> _Paging:
        """The page that follows, when ``last`` is the last id of this one."""
        previous = (*self.previous, self.start)[-PREVIOUS_PAGES_MAX:]
        return _Paging(self.size, previous, last)

    def before(self) -> _Paging | None:
        """The page before, if there was one."""
        if not self.previous:
            return None
        return _Paging(self.size, self.previous[:-1], self.previous[-1])
