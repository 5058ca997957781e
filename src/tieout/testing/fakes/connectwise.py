"""
A stateful double of ConnectWise Manage's server, which *is* a `tieout.wire.Transport`.

It is written from the vendor's sheet alone and keeps the vendor's traps. It opens no
socket, and shares no code with the connector.
"""

from __future__ import annotations

import base64
import json
import math
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Protocol, TypeAlias
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from tieout.testing.fakes.connectwise_books import CLOSED, OPEN, START, Books, midnight
from tieout.testing.fakes.connectwise_conditions import BadQuery, Record, order_key
from tieout.testing.fakes.connectwise_fields import (
    COMPANY,
    INVOICE,
    PAYMENT,
    Refusal,
    Resource,
    checked,
    from_body,
    missing,
    patched,
    refusal,
    replaced,
)
from tieout.testing.fakes.connectwise_tables import (
    Query,
    Selection,
    Table,
    position_after,
    to_json,
)
from tieout.wire import Request, Response

PAGE_SIZE_DEFAULT = 25
BOOKMARKS_MAX = 1024
"""Forward-only listings under way that are remembered; the oldest is forgotten."""
ID_LENGTH_MAX = 15
COMPANY_INFO = "/login/companyinfo/{id}"
MINUTE = timedelta(seconds=60)

_HTML_404 = (
    b"<html><head><title>404 - File or directory not found.</title></head></html>"
)
_HTML_504 = b"<html><head><title>504 Gateway Time-out</title></head></html>"
_JSON = ("Content-Type", "application/json; charset=utf-8")
_HTML = ("Content-Type", "text/html")


@dataclass(frozen=True, slots=True)
class _Ask:
    """One request, taken apart."""

    request: Request
    origin: str
    path: str
    query: Mapping[str, str]
    ids: tuple[int, ...] = ()

    def header(self, name: str) -> str:
        return self.request.header(name) or ""

    def json(self) -> Any:
        kind = self.header("Content-Type") or "application/json"
        if "json" not in kind:
            raise refusal(415, "UnsupportedMediaType", f"{kind} is not supported")
        try:
            return json.loads(
                self.request.body(), parse_float=Decimal, parse_constant=_no_number
            )
        except (ValueError, ArithmeticError, RecursionError):
            raise refusal(400, "InvalidObject", "The body is not JSON") from None

    def number(self, name: str, default: int) -> int:
        """A positive whole number of the query."""
        text = self.query.get(name, "") or str(default)
        if not _is_id(text) or int(text) < 1:
            raise refusal(400, "ConnectWiseApi", f"{name} must be a positive number")
        return int(text)


def _no_number(text: str) -> Any:
    raise ValueError(text)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= ID_LENGTH_MAX


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer before the headers that every answer has."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (_JSON,)


_Handler: TypeAlias = Callable[[_Ask], _Reply]


class _Update(Protocol):
    def __call__(self, ids: tuple[int, ...], changes: Record, /) -> Record: ...


def _json(status: int, value: Any, *headers: tuple[str, str]) -> _Reply:
    return _Reply(status, to_json(value).encode(), (_JSON, *headers))


def _error(status: int, code: str, message: str, *headers: tuple[str, str]) -> _Reply:
    return _json(status, {"code": code, "message": message, "errors": None}, *headers)


@dataclass(slots=True)
class _Troubles:
    """What goes wrong next."""

    throttled: int = 0
    retry_after: int = 1
    failing: int = 0
    failure: tuple[int, bytes] = (500, b"")
    losing: int = 0
    denied: set[str] = field(default_factory=set)


class FakeConnectWise:
    """
    ConnectWise Manage in memory: one company, its invoices and their payments.

    Any host is accepted. ``calls`` counts by method and path (``GET
    /finance/invoices/{id}``), ``requests`` all that arrived, and ``writes`` what was
    carried out for the API. The methods that are no part of `Transport` are what people
    do in ConnectWise's own windows; they count nowhere.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] | None = None,
        company: str = "acme",
        public_key: str = "public",
        private_key: str = "private",
        client_id: str = "00000000-0000-4000-8000-000000000001",
        codebase: str = "v2025_1/",
        single_payment: bool = True,
        bump_on_payment: bool = True,
        page_size_max: int = 1000,
        calls_per_minute: int | None = None,
    ) -> None:
        self.company = company
        self.public_key = public_key
        self.private_key = private_key
        self.client_id = client_id
        self.codebase = codebase
        self.page_size_max = page_size_max
        self.calls_per_minute = calls_per_minute
        self.calls: Counter[str] = Counter()
        self.requests = 0
        self.writes = 0
        self._now = now
        self._own_time = START
        self._lock = threading.RLock()
        self._troubles = _Troubles()
        self._recent: deque[datetime] = deque()
        self._bookmarks: OrderedDict[str, tuple[Any, ...]] = OrderedDict()
        self._books = Books(
            self._next_instant,
            single_payment=single_payment,
            bump_on_payment=bump_on_payment,
        )
        self._routes = self._all_routes()

    # The transport ---------------------------------------------------------------

    def send(self, request: Request, timeout: float) -> Response:
        """Answer one request as ConnectWise would."""
        with self._lock:
            self.requests += 1
            reply = self._answer(request)
            return Response(
                reply.status,
                (
                    *reply.headers,
                    ("api-current-version", self._version()),
                    (
                        "x-cw-request-id",
                        f"00000000-0000-4000-8000-{self.requests:012d}",
                    ),
                ),
                reply.body,
            )

    def close(self) -> None:
        """Nothing to close; the books stay."""

    def _answer(self, request: Request) -> _Reply:
        try:
            parts = urlsplit(request.url)
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
        except ValueError:
            return _error(400, "InvalidObject", "The address cannot be read")
        query.update(request.params)
        origin = f"{parts.scheme}://{parts.netloc}"
        ask = _Ask(request, origin, parts.path, query)
        local = parts.path.removeprefix(self._prefix())
        segments = [unquote(each) for each in local.split("/")]
        template = "/".join("{id}" if _is_id(each) else each for each in segments)
        if parts.path.startswith("/login/companyinfo/"):
            template = COMPANY_INFO
        self.calls[f"{request.method} {template}"] += 1
        trouble = self._trouble()
        if trouble is not None:
            return trouble
        if template == COMPANY_INFO:
            return self._company_info(ask, segments[-1])
        if local == parts.path:
            return _Reply(404, _HTML_404, (_HTML,))
        ids = tuple(int(each) for each in segments if _is_id(each))
        ask = _Ask(request, origin, parts.path, query, ids)
        return self._refused(ask, local) or self._routed(ask, template)

    def _trouble(self) -> _Reply | None:
        """What is wrong just now, whatever was asked."""
        troubles = self._troubles
        if troubles.throttled:
            troubles.throttled -= 1
            return self._throttled(troubles.retry_after)
        wait = self._over_the_limit()
        if wait:
            return self._throttled(wait)
        if troubles.failing:
            troubles.failing -= 1
            status, body = troubles.failure
            return _Reply(status, body, (_HTML,))
        return None

    @staticmethod
    def _throttled(seconds: int) -> _Reply:
        header = ("Retry-After", str(seconds))
        return _error(429, "TooManyRequests", "Too many requests", header)

    def _over_the_limit(self) -> int:
        """Seconds until a call is allowed again; a refused call does not count."""
        if self.calls_per_minute is None:
            return 0
        now = self._instant()
        while self._recent and now - self._recent[0] >= MINUTE:
            self._recent.popleft()
        if len(self._recent) >= self.calls_per_minute:
            left = MINUTE - (now - self._recent[0])
            return max(1, math.ceil(left.total_seconds()))
        self._recent.append(now)
        return 0

    def _refused(self, ask: _Ask, local: str) -> _Reply | None:
        """Who may not ask at all."""
        keys = f"{self.company}+{self.public_key}:{self.private_key}"
        basic = "Basic " + base64.b64encode(keys.encode()).decode()
        if ask.header("Authorization") != basic:
            return _error(401, "ConnectWiseApi", "UserNotAuthenticated")
        if ask.header("clientId") != self.client_id:
            return _error(401, "Unauthorized", "clientId is missing or not known")
        for module in sorted(self._troubles.denied):
            if f"{local}/".startswith(f"/{module}/"):
                message = f"The security role has no access to {module}"
                return _error(403, "Forbidden", message)
        return None

    def _routed(self, ask: _Ask, template: str) -> _Reply:
        handlers = self._routes.get(template)
        # A literal "{id}" in the address matches a template and names nothing.
        if handlers is None or template.count("{id}") != len(ask.ids):
            return _error(404, "NotFound", "The address does not exist")
        handler = handlers.get(ask.request.method)
        if handler is None:
            return _error(
                405, "MethodNotAllowed", f"{ask.request.method} is not allowed"
            )
        try:
            return handler(ask)
        except Refusal as refused:
            return _json(refused.status, refused.body)
        except BadQuery as bad:
            return _error(400, "ConnectWiseApi", str(bad))

    def _prefix(self) -> str:
        return f"/{self.codebase}apis/3.0"

    def _version(self) -> str:
        return self.codebase.strip("v/").replace("_", ".")

    # Time ------------------------------------------------------------------------

    def _instant(self) -> datetime:
        return self._own_time if self._now is None else self._now()

    def _next_instant(self) -> datetime:
        """When the change being made happens: the own clock moves once it was made."""
        return self._instant() if self._now else self._own_time + timedelta(seconds=1)

    def _moved(self) -> None:
        self._own_time += timedelta(seconds=1)

    def advance(self, seconds: float) -> None:
        """Move the fake's own clock; without effect where ``now`` was given."""
        with self._lock:
            self._own_time += timedelta(seconds=seconds)

    # Routes ----------------------------------------------------------------------

    def _all_routes(self) -> dict[str, dict[str, _Handler]]:
        books, routes = self._books, self._own_routes()
        for path, table, forward in (
            ("/finance/invoices", books.invoices, True),
            ("/company/companies", books.companies, True),
            ("/finance/accounting/unpostedinvoices", books.unposted, True),
            ("/finance/accounting/batches", books.batches, True),
            ("/finance/billingStatuses", books.statuses, False),
            ("/finance/billingTerms", books.terms, False),
            ("/finance/currencies", books.currencies, False),
        ):
            listed = partial(self._list, table, forward)
            routes.setdefault(path, {})["GET"] = listed
            routes[f"{path}/count"] = {"GET": partial(self._count, table)}
            one = partial(self._one, table, path)
            routes.setdefault(f"{path}/{{id}}", {})["GET"] = one
        return routes

    def _own_routes(self) -> dict[str, dict[str, _Handler]]:
        change = partial(self._change, INVOICE, self._update_invoice)
        closed = partial(self._change, INVOICE, self._update_closed_invoice)
        company = partial(self._change, COMPANY, self._update_company)
        payment = partial(self._change, PAYMENT, self._update_payment)
        payments = "/finance/invoices/{id}/payments"
        batches = "/finance/accounting/batches"
        return {
            "/system/info": {"GET": self._system_info},
            "/finance/invoices": {"POST": self._post_invoice},
            "/finance/invoices/{id}": {
                "PATCH": partial(change, patched),
                "PUT": partial(change, replaced),
                "DELETE": self._delete_invoice,
            },
            "/finance/closedInvoices/{id}": {
                "PATCH": partial(closed, patched),
                "PUT": partial(closed, replaced),
            },
            "/company/companies": {"POST": self._post_company},
            "/company/companies/{id}": {
                "PATCH": partial(company, patched),
                "PUT": partial(company, replaced),
                "DELETE": self._delete_company,
            },
            payments: {"GET": self._list_payments, "POST": self._post_payment},
            f"{payments}/count": {"GET": self._count_payments},
            f"{payments}/{{id}}": {
                "GET": self._get_payment,
                "PATCH": partial(payment, patched),
                "PUT": partial(payment, replaced),
                "DELETE": self._delete_payment,
            },
            "/finance/accounting/export": {"POST": self._export},
            batches: {"POST": self._post_batch},
            f"{batches}/{{id}}": {"DELETE": self._delete_batch},
            f"{batches}/{{id}}/entries": {"GET": self._batch_entries},
            f"{batches}/{{id}}/export": {"POST": self._export_again},
        }

    def _company_info(self, ask: _Ask, company: str) -> _Reply:
        if ask.request.method != "GET":
            return _error(405, "MethodNotAllowed", "only GET is allowed")
        if company != self.company:
            return _Reply(200, b"null")
        return _json(
            200,
            {
                "CompanyName": self.company.title(),
                "Codebase": self.codebase,
                "VersionCode": f"v{self._version()}",
                "VersionNumber": f"v{self._version()}.0",
                "CompanyID": self.company,
                "IsCloud": True,
                "SiteUrl": urlsplit(ask.origin).netloc,
            },
        )

    def _system_info(self, ask: _Ask) -> _Reply:
        return _json(
            200,
            {
                "version": f"v{self._version()}.0",
                "isCloud": True,
                "serverTimeZone": "UTC",
                "licenseBits": [{"name": "Billing", "activeFlag": True}],
                "cloudRegion": "NA",
            },
        )

    # Reading ---------------------------------------------------------------------

    @staticmethod
    def _query(ask: _Ask, scope: tuple[str, Any] | None = None) -> Query:
        return Query(
            ask.query.get("conditions", ""),
            ask.query.get("customFieldConditions", ""),
            ask.query.get("orderBy", ""),
            scope,
        )

    def _list(
        self,
        table: Table,
        forward: bool,
        ask: _Ask,
        scope: tuple[str, Any] | None = None,
    ) -> _Reply:
        selection = table.select(self._query(ask, scope))
        size = min(ask.number("pageSize", PAGE_SIZE_DEFAULT), self.page_size_max)
        # Endpoints that do not support it pass over the header, as the sheet says.
        if forward and ask.header("pagination-type").lower() == "forward-only":
            ids, links = self._forward_page(table, selection, size, ask)
        else:
            ids, links = self._numbered_page(selection, size, ask)
        body = _listed(table, ids, ask.query.get("fields", ""))
        link = ", ".join(f'<{url}>; rel="{name}"' for name, url in links.items())
        return _Reply(200, body, (_JSON, ("Link", link)) if link else (_JSON,))

    @staticmethod
    def _numbered_page(
        selection: Selection, size: int, ask: _Ask
    ) -> tuple[list[int], dict[str, str]]:
        page, ids = ask.number("page", 1), selection.ids
        last = max(1, math.ceil(len(ids) / size))
        links: dict[str, str] = {}
        if page < last:
            links["next"] = _address(ask, page=page + 1)
            links["last"] = _address(ask, page=last)
        return ids[(page - 1) * size : page * size], links

    def _forward_page(
        self, table: Table, selection: Selection, size: int, ask: _Ask
    ) -> tuple[list[int], dict[str, str]]:
        start, page_id = 0, ask.query.get("pageId", "")
        if page_id:
            key = self._bookmark(selection, page_id)
            start = position_after(table, selection, key)
        ids = selection.ids[start : start + size]
        if start + size >= len(selection.ids):
            return ids, {}
        # By id the page id is the last id; another order is remembered at this end.
        mark = str(ids[-1])
        if not selection.by_id:
            mark = f"{self.requests}{mark}"
            self._bookmarks[mark] = order_key(selection.order)(table.rows[ids[-1]])
            while len(self._bookmarks) > BOOKMARKS_MAX:
                self._bookmarks.popitem(last=False)
        return ids, {"next": _address(ask, pageId=mark)}

    def _bookmark(self, selection: Selection, page_id: str) -> tuple[Any, ...]:
        if selection.by_id and _is_id(page_id):
            return order_key(selection.order)({"id": int(page_id)})
        if selection.by_id or page_id not in self._bookmarks:
            raise refusal(400, "ConnectWiseApi", f"pageId '{page_id}' is not known")
        return self._bookmarks[page_id]

    def _count(
        self, table: Table, ask: _Ask, scope: tuple[str, Any] | None = None
    ) -> _Reply:
        return _json(200, {"count": len(table.select(self._query(ask, scope)).ids)})

    def _one(self, table: Table, path: str, ask: _Ask) -> _Reply:
        row = ask.ids[0]
        if row not in table.rows:
            raise missing(path.rsplit("/", 1)[-1], row)
        return _Reply(
            200, _shown(table, row, _paths(ask.query.get("fields", ""))).encode()
        )

    # Writing ---------------------------------------------------------------------

    def _committed(self, reply: _Reply) -> _Reply:
        """The answer to a write that was carried out, unless it gets lost."""
        self._moved()
        self.writes += 1
        if self._troubles.losing:
            self._troubles.losing -= 1
            return _Reply(504, _HTML_504, (_HTML,))
        return reply

    def _change(
        self,
        resource: Resource,
        update: _Update,
        read: Callable[[Resource, Any], Record],
        ask: _Ask,
    ) -> _Reply:
        changes = read(resource, ask.json())
        self._books.begin("api")
        return self._committed(_json(200, update(ask.ids, changes)))

    def _update_invoice(self, ids: tuple[int, ...], changes: Record) -> Record:
        return self._books.update_invoice(ids[0], changes)

    def _update_closed_invoice(self, ids: tuple[int, ...], changes: Record) -> Record:
        record = self._books.invoices.rows.get(ids[0])
        if record is None or not record["status"]["isClosed"]:
            raise missing("closedInvoice", ids[0])
        return self._books.update_invoice(ids[0], changes)

    def _update_company(self, ids: tuple[int, ...], changes: Record) -> Record:
        return self._books.update_company(ids[0], changes)

    def _update_payment(self, ids: tuple[int, ...], changes: Record) -> Record:
        invoice, row = ids
        return self._books.update_payment(invoice, row, changes)

    def _post_invoice(self, ask: _Ask) -> _Reply:
        fields = from_body(INVOICE, ask.json())
        self._books.begin("api")
        return self._committed(_json(201, self._books.create_invoice(fields)))

    def _delete_invoice(self, ask: _Ask) -> _Reply:
        self._books.begin("api")
        self._books.remove_invoice(ask.ids[0])
        return self._committed(_Reply(204, headers=()))

    def _post_company(self, ask: _Ask) -> _Reply:
        fields = from_body(COMPANY, ask.json())
        self._books.begin("api")
        return self._committed(_json(201, self._books.create_company(fields)))

    def _delete_company(self, ask: _Ask) -> _Reply:
        self._books.begin("api")
        self._books.remove_company(ask.ids[0])
        return self._committed(_Reply(204, headers=()))

    def _scope(self, ask: _Ask) -> tuple[str, int]:
        if ask.ids[0] not in self._books.invoices.rows:
            raise missing("invoice", ask.ids[0])
        return "invoice/id", ask.ids[0]

    def _list_payments(self, ask: _Ask) -> _Reply:
        return self._list(self._books.payments, False, ask, self._scope(ask))

    def _count_payments(self, ask: _Ask) -> _Reply:
        return self._count(self._books.payments, ask, self._scope(ask))

    def _get_payment(self, ask: _Ask) -> _Reply:
        return _json(200, self._books.payment(*ask.ids))

    def _post_payment(self, ask: _Ask) -> _Reply:
        fields = from_body(PAYMENT, ask.json())
        self._books.begin("api")
        record = self._books.create_payment(ask.ids[0], fields)
        return self._committed(_json(201, record))

    def _delete_payment(self, ask: _Ask) -> _Reply:
        self._books.begin("api")
        self._books.remove_payment(*ask.ids)
        return self._committed(_Reply(204, headers=()))

    def _export(self, ask: _Ask) -> _Reply:
        return _json(200, self._books.export(ask.json()))

    def _post_batch(self, ask: _Ask) -> _Reply:
        body = ask.json()
        self._books.begin("api")
        return self._committed(_json(201, self._books.create_batch(body)))

    def _delete_batch(self, ask: _Ask) -> _Reply:
        self._books.begin("api")
        self._books.remove_batch(ask.ids[0])
        return self._committed(_Reply(204, headers=()))

    def _batch_entries(self, ask: _Ask) -> _Reply:
        entries = self._books.entries.get(ask.ids[0])
        if entries is None:
            raise missing("accountingBatch", ask.ids[0])
        return _json(200, entries)

    def _export_again(self, ask: _Ask) -> _Reply:
        return _json(200, self._books.export_again(ask.ids[0]))

    # What goes wrong -------------------------------------------------------------

    def throttle(self, times: int, *, retry_after: int = 1) -> None:
        """Answer the next calls with 429; nothing of them is carried out."""
        with self._lock:
            self._troubles.throttled = times
            self._troubles.retry_after = retry_after

    def fail(
        self, times: int, status: int = 500, body: bytes = b"Server Error"
    ) -> None:
        """Answer the next calls so; nothing of them is carried out."""
        with self._lock:
            self._troubles.failing = times
            self._troubles.failure = (status, body)

    def lose(self, times: int) -> None:
        """Carry out the next writes and answer 504."""
        with self._lock:
            self._troubles.losing = times

    def deny(self, module: str) -> None:
        """Answer 403 for everything below a path: ``finance``, ``finance/accounting``."""
        with self._lock:
            self._troubles.denied.add(module.strip("/"))

    def allow(self, module: str) -> None:
        """End what `deny` began."""
        with self._lock:
            self._troubles.denied.discard(module.strip("/"))

    def upgrade(self, codebase: str) -> None:
        """Move to another codebase; the old addresses answer 404 from now on."""
        with self._lock:
            self.codebase = codebase

    # What people do in ConnectWise -------------------------------------------------

    def add_company(
        self,
        name: str,
        *,
        identifier: str | None = None,
        account_number: str = "",
        currency: str = "USD",
        decimals: int = 2,
    ) -> int:
        """A new customer; its identifier is made of its name where none is given."""
        with self._lock:
            self._books.begin("hand")
            fields: Record = {
                "identifier": identifier or name.replace(" ", "")[:30],
                "name": name,
                "accountNumber": account_number,
                "currency": {"id": self._books.currency(currency, decimals)},
            }
            record = self._books.create_company(_as_typed(COMPANY, fields))
            self._moved()
            return int(record["id"])

    def edit_company(self, company_id: int, **fields: Any) -> None:
        """Change fields of a customer by the vendor's names."""
        with self._lock:
            self._books.begin("hand")
            self._books.update_company(company_id, _as_typed(COMPANY, fields))
            self._moved()

    def add_invoice(
        self,
        number: str,
        company: int,
        total: Decimal | str | int,
        *,
        currency: str = "USD",
        on: date = START.date(),  # noqa: B008 - a date is never changed
        due: date | None = None,
        type: str = "Standard",  # noqa: A002 - the vendor's own word
        closed: bool = True,
        decimals: int = 2,
        sales_tax: Decimal | str | int = 0,
        gl_mapped: bool = True,
    ) -> int:
        """
        A new invoice. Numbers may repeat here, as they can after an import.

        Without ``gl_mapped`` it has no GL entries, and stays unposted for ever.
        """
        with self._lock:
            self._books.begin("hand")
            fields: Record = {
                "invoiceNumber": number,
                "type": type,
                "status": {"id": CLOSED if closed else OPEN},
                "company": {"id": company},
                "date": on,
                "dueDate": due or on,
                "currency": {"id": self._books.currency(currency, decimals)},
                "subtotal": _decimal(total) - _decimal(sales_tax),
                "salesTax": _decimal(sales_tax),
                "total": _decimal(total),
            }
            record = self._books.create_invoice(
                _as_typed(INVOICE, fields), mapped=gl_mapped, by_hand=True
            )
            self._moved()
            return int(record["id"])

    def edit_invoice(self, invoice_id: int, **fields: Any) -> None:
        """Change fields by the vendor's names; also ``number, on, due, closed, company``."""
        with self._lock:
            changes = {_NAMES.get(name, name): value for name, value in fields.items()}
            if "closed" in changes:
                changes["status"] = {"id": CLOSED if changes.pop("closed") else OPEN}
            if isinstance(changes.get("company"), int):
                changes["company"] = {"id": changes["company"]}
            self._books.begin("hand")
            self._books.update_invoice(invoice_id, _as_typed(INVOICE, changes))
            self._moved()

    def delete_invoice(self, invoice_id: int) -> None:
        """Take an invoice away with its payments."""
        with self._lock:
            self._books.erase_invoice(invoice_id)
            self._moved()

    def add_payment(
        self,
        invoice_id: int,
        amount: Decimal | str | int,
        on: date | None,
        *,
        type: str = "Payment",  # noqa: A002 - the vendor's own word
    ) -> int:
        """A payment entered by hand, beside whatever is there."""
        fields = {"amount": amount, "paymentDate": on, "type": type}
        return self._enter_payment(invoice_id, fields)

    def add_credit(
        self,
        invoice_id: int,
        credit_memo_id: int,
        amount: Decimal | str | int,
        on: date | None = None,
    ) -> int:
        """A credit memo applied to an invoice by hand."""
        credit = {"id": credit_memo_id}
        fields = {"amount": amount, "paymentDate": on, "credit": credit}
        return self._enter_payment(invoice_id, fields)

    def _enter_payment(self, invoice_id: int, fields: Record) -> int:
        with self._lock:
            self._books.begin("hand")
            record = self._books.create_payment(
                invoice_id, _as_typed(PAYMENT, fields), by_hand=True
            )
            self._moved()
            return int(record["id"])

    def edit_payment(self, payment_id: int, **fields: Any) -> None:
        """Change a payment by hand, by the vendor's names; also ``on``."""
        with self._lock:
            changes = {"paymentDate" if n == "on" else n: v for n, v in fields.items()}
            self._books.begin("hand")
            invoice = self._books.payments.rows[payment_id]["invoice"]["id"]
            self._books.update_payment(invoice, payment_id, _as_typed(PAYMENT, changes))
            self._moved()

    def delete_payment(self, payment_id: int) -> None:
        """Take a payment away by hand."""
        with self._lock:
            self._books.begin("hand")
            invoice = self._books.payments.rows[payment_id]["invoice"]["id"]
            self._books.remove_payment(invoice, payment_id)
            self._moved()

    def lock_payment(self, payment_id: int) -> None:
        """Put a payment into a closed GL batch: it cannot be changed from now on."""
        with self._lock:
            self._books.begin("hand")
            self._books.lock_payment(payment_id)
            self._moved()

    # Looking ---------------------------------------------------------------------

    def invoice(self, invoice_id: int) -> Record:
        """A copy of the invoice as the server shows it; KeyError where there is none."""
        with self._lock:
            return deepcopy(self._books.invoices.rows[invoice_id])

    def invoices(self) -> list[Record]:
        """Copies of all invoices, by id."""
        with self._lock:
            return [
                deepcopy(each) for _, each in sorted(self._books.invoices.rows.items())
            ]

    def payments(self, invoice_id: int) -> list[Record]:
        """Copies of an invoice's payments and credit applications, by id."""
        with self._lock:
            table = self._books.payments
            rows = sorted(table.having("invoice/id", invoice_id))
            return [deepcopy(table.rows[row]) for row in rows]

    def paid(self, invoice_id: int) -> tuple[Decimal, date | None]:
        """What ConnectWise's windows show: Paid Amount without credits, and Date Paid."""
        payments = [each for each in self.payments(invoice_id) if "credit" not in each]
        days = [each["paymentDate"] for each in payments if "paymentDate" in each]
        amount = sum((each["amount"] for each in payments), Decimal(0))
        return amount, date.fromisoformat(max(days)[:10]) if days else None

    def time(self) -> datetime:
        """The instant that this server has now, in UTC."""
        with self._lock:
            return self._instant().astimezone(UTC)


_NAMES = {
    "number": "invoiceNumber",
    "on": "date",
    "due": "dueDate",
    "sales_tax": "salesTax",
}


def _decimal(value: Decimal | str | int) -> Decimal:
    if isinstance(value, float):
        raise TypeError(f"{value!r} is a float; amounts are Decimal")
    return Decimal(value)


def _as_typed(resource: Resource, fields: Mapping[str, Any]) -> Record:
    """Python values as the server holds them, checked by its own rules."""
    found: Record = {}
    for name, value in fields.items():
        known = resource.fields.get(name)
        match value:
            case date():
                typed: Any = midnight(value)
            case _ if known is not None and known.amount and value is not None:
                typed = _decimal(value)
            case _:
                typed = value
        found[name] = checked(resource, name, typed)
    return found


# Pages as bytes ----------------------------------------------------------------


def _address(ask: _Ask, **changed: object) -> str:
    """The address asked for, with some of its query changed."""
    query = {**ask.query, **{name: str(value) for name, value in changed.items()}}
    return f"{ask.origin}{ask.path}?{urlencode(query)}"


def _listed(table: Table, ids: list[int], fields: str) -> bytes:
    paths = _paths(fields)
    return f"[{','.join(_shown(table, row, paths) for row in ids)}]".encode()


def _paths(fields: str) -> list[list[str]]:
    return [path.strip().split("/") for path in fields.split(",") if path.strip()]


def _shown(table: Table, row: int, paths: list[list[str]]) -> str:
    """A record as JSON: all of it, or only what stands at those paths."""
    if not paths:
        return table.text(row)
    shown: Record = {}
    for path in paths:
        _copy(path, table.rows[row], shown)
    return to_json(shown)


def _copy(path: list[str], source: Record, target: Record) -> None:
    name, *rest = path
    if name not in source:
        return
    found = source[name]
    if rest and isinstance(found, dict):
        inner = target.setdefault(name, {})
        if inner is not found:
            _copy(rest, found, inner)
    else:
        target[name] = found
