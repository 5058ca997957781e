"""
A stateful double of Invoiced's server: it *is* a `tieout.wire.Transport`.

Give it to a session in place of HTTP, or serve it on loopback with
`tieout.testing.fakes.serving`. It is written from the vendor's sheet alone, traps
included, and never raises for a bad request. Tests play the bookkeeper through its Python
methods. It knows no OAuth, no form bodies, no subscriptions, and sends no webhook itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from tieout.errors import Code, Fate, Fault
from tieout.testing.fakes.invoiced_books import Books, Habits, Row
from tieout.testing.fakes.invoiced_fields import (
    ADJUSTMENTS,
    CONTACTS,
    CREDIT_NOTES,
    CUSTOMERS,
    DOCUMENT_KINDS,
    INVOICES,
    OBJECTS,
    PAYMENTS,
    Refusal,
    cleaned,
    whole,
)
from tieout.testing.fakes.invoiced_shapes import (
    listed,
    listed_events,
    shape,
    shape_as_asked,
    shape_balance,
    shape_event,
)
from tieout.wire import Request, Response, read_json, write_json

ID_LENGTH_MAX = 15
LISTINGS_MAX = 1024
"""Listings under way that are remembered; the oldest is forgotten."""
MINUTE_SECONDS = 60
IDEMPOTENCY_SECONDS = 24 * 60 * 60
"""Unknown of the vendor; a day is what others keep a key."""
JSON = ("Content-Type", "application/json")
HTML = ("Content-Type", "text/html; charset=utf-8")
PDF = b"%PDF-1.4\n%%EOF\n"
TOO_MANY = 429
ACTIONS: Mapping[str, str] = {"GET": "read", "POST": "create", "PATCH": "edit"}


@dataclass(frozen=True, slots=True)
class _Ask:
    """One request, taken apart; ``label`` is its path with {id} for every id."""

    request: Request
    origin: str
    path: str
    label: str
    ids: tuple[int, ...]
    params: Mapping[str, str]

    @property
    def kind(self) -> str:
        """The collection: invoices, payments…"""
        return self.label.split("/")[1]

    def body(self) -> Mapping[str, Any]:
        """The body, with every empty text turned into null."""
        content = self.request.body()
        try:
            body = cleaned(read_json(content)) if content else {}
        except Fault:
            raise Refusal("The body is not valid JSON") from None
        if not isinstance(body, Mapping):
            raise Refusal("The body must be an object")
        return body


@dataclass(frozen=True, slots=True)
class _Trouble:
    """An answer asked for by a test; None is a lost one. ``after``: it was carried out."""

    answer: Response | None
    after: bool


_Handler: TypeAlias = Callable[[_Ask], Response]


def _taken_apart(request: Request) -> _Ask:
    parts = urlsplit(request.url)
    segments = [unquote(each) for each in parts.path.strip("/").split("/")]
    is_id = [
        each.isascii() and each.isdigit() and len(each) <= ID_LENGTH_MAX
        for each in segments
    ]
    label = "".join(
        f"/{'{id}' if numeric else each}"
        for each, numeric in zip(segments, is_id, strict=True)
    )
    ids = tuple(int(s) for s, numeric in zip(segments, is_id, strict=True) if numeric)
    params = dict(parse_qsl(parts.query, keep_blank_values=True))
    params.update(request.params)
    origin = f"{parts.scheme}://{parts.netloc}"
    return _Ask(request, origin, parts.path, label, ids, params)


def _json(status: int, value: Any, *headers: tuple[str, str]) -> Response:
    return Response(status, (JSON, *headers), write_json(value))


class FakeInvoiced:
    """
    Invoiced in memory: one business with its customers, documents and payments.

    Any host is accepted. ``now`` gives an aware instant; without it the books have a
    clock of their own, which moves by one second with each change, and limits follow the
    real one. A limit of None is off. ``calls`` counts by ``"GET /invoices/{id}"``,
    ``requests`` all requests, ``writes`` those that are not GET, whatever came of them.

    What the vendor leaves open is in ``habits`` and in these: ``sequential`` paging,
    ``key_keeps_errors`` (a refused create is answered the same for its key),
    ``key_checks_body`` (another body for a known key is refused, else it gets the stored
    answer), ``base64_signatures``, and ``error_types`` by status.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] | None = None,
        api_key: str = "key",
        webhook_secret: str = "hook",  # noqa: S107 - a fake one
        base_currency: str = "USD",
        timezone: str = "UTC",
        habits: Habits | None = None,
        page_size_default: int = 100,
        page_size_max: int = 100,
        calls_per_minute: int | None = None,
        sequential: bool = True,
        idempotency_seconds: float = IDEMPOTENCY_SECONDS,
        key_keeps_errors: bool = False,
        key_checks_body: bool = False,
        base64_signatures: bool = False,
        error_types: Mapping[int, str] | None = None,
    ) -> None:
        self.books = Books(
            shape,
            now=now,
            base_currency=base_currency,
            timezone=timezone,
            habits=habits or Habits(),
        )
        self.calls: Counter[str] = Counter()
        self.requests = 0
        self.writes = 0
        self.page_size_default = page_size_default
        self.page_size_max = page_size_max
        self.calls_per_minute = calls_per_minute
        self.sequential = sequential
        self.idempotency_seconds = idempotency_seconds
        self.key_keeps_errors = key_keeps_errors
        self.key_checks_body = key_checks_body
        self.base64_signatures = base64_signatures
        self.error_types = dict(error_types or {})
        self._api_key: str | None = api_key
        self._webhook_secret = webhook_secret
        self._now = now
        self._lock = threading.RLock()
        self._troubles: deque[_Trouble] = deque()
        self._denied: set[str] = set()
        self._recent: deque[float] = deque()
        self._pages: OrderedDict[tuple[Any, ...], int] = OrderedDict()
        self._replies: dict[tuple[str, str], tuple[bytes, Response, float]] = {}
        self._routes = self._table()

    # The transport -------------------------------------------------------------------

    def send(self, request: Request, timeout: float) -> Response:
        """Answer as Invoiced would. Waits for nothing, whatever the timeout."""
        with self._lock:
            self.requests += 1
            self.writes += request.method != "GET"
            try:
                ask = _taken_apart(request)
            except ValueError:
                return self._error(Refusal("The address cannot be read"))
            self.calls[f"{request.method} {ask.label}"] += 1
            trouble = self._trouble(request)
            if trouble and not trouble.after and trouble.answer:
                return trouble.answer
            answer = self._answer(ask)
            if trouble is None:
                return answer
            if trouble.answer is None:
                raise Fault(Code.ANSWER_LOST, "the connection broke", fate=Fate.UNCLEAR)
            return trouble.answer

    def close(self) -> None:
        """Nothing is held open."""

    def _trouble(self, request: Request) -> _Trouble | None:
        if not self._troubles:
            return None
        # What is carried out first is only of interest where something is written.
        if self._troubles[0].after and request.method == "GET":
            return None
        return self._troubles.popleft()

    def _answer(self, ask: _Ask) -> Response:
        try:
            self._check_limit()
            self._check_sign_in(ask)
            return self._once(ask)
        except Refusal as refused:
            return self._error(refused)

    def _error(self, refused: Refusal, *headers: tuple[str, str]) -> Response:
        kind = "api" if refused.status >= 500 else "invalid_request"  # noqa: PLR2004 - a status
        kind = self.error_types.get(refused.status, kind)
        param = {"param": refused.param} if refused.param else {}
        body = {"type": kind, "message": refused.message, **param}
        return _json(refused.status, body, *headers)

    def _elapsed(self) -> float:
        return self._now().timestamp() if self._now else time.monotonic()

    # The gate ------------------------------------------------------------------------

    def _check_limit(self) -> None:
        if self.calls_per_minute is None:
            return
        at = self._elapsed()
        while self._recent and self._recent[0] <= at - MINUTE_SECONDS:
            self._recent.popleft()
        if len(self._recent) >= self.calls_per_minute:
            raise Refusal("Too many requests", status=TOO_MANY)
        self._recent.append(at)

    def _check_sign_in(self, ask: _Ask) -> None:
        given = ask.request.header("Authorization")
        if self._api_key is None or given != basic(self._api_key):
            raise Refusal("We could not authenticate you: invalid API key", status=401)
        action = ACTIONS.get(ask.request.method, "delete")
        action = "delete" if ask.label.endswith("/void") else action
        if {ask.kind, f"{ask.kind}.{action}"} & self._denied:
            raise Refusal(
                f"You do not have permission to do that: {ask.kind}.{action}",
                status=403,
            )

    def _once(self, ask: _Ask) -> Response:
        """A create with a key that is known is answered as it was before."""
        given = ask.request.header("Idempotency-Key")
        is_create = ask.request.method == "POST" and not ask.label.endswith("/void")
        if not given or not is_create:
            return self._routed(ask)
        key = (ask.path, given)
        body, at = ask.request.body(), self._elapsed()
        known = self._replies.get(key)
        if known and at < known[2]:
            if self.key_checks_body and known[0] != body:
                raise Refusal("This idempotency key was used for another request")
            return known[1]
        try:
            answer = self._routed(ask)
        except Refusal as refused:
            answer = self._error(refused)
            if not self.key_keeps_errors:
                return answer
        self._replies[key] = (body, answer, at + self.idempotency_seconds)
        return answer

    def _routed(self, ask: _Ask) -> Response:
        handlers = self._routes.get(ask.label)
        # A literal "{id}" in the address matches a label and names nothing.
        if handlers is None or ask.label.count("{id}") != len(ask.ids):
            raise Refusal(f"Request was not recognized: {ask.path}", status=404)
        handle = handlers.get(ask.request.method)
        if handle is None:
            raise Refusal(f"{ask.request.method} is not allowed here", status=405)
        return handle(ask)

    def _table(self) -> dict[str, dict[str, _Handler]]:
        table: dict[str, dict[str, _Handler]] = {
            "/events": {"GET": self._events},
            "/events/{id}": {"GET": self._event},
            "/customers/{id}/balance": {"GET": self._balance},
        }
        for kind in OBJECTS:
            path = "/customers/{id}/contacts" if kind == CONTACTS else f"/{kind}"
            table[path] = {
                "GET": partial(self._list, kind),
                "POST": partial(self._create, kind),
            }
            table[f"{path}/{{id}}"] = {
                "GET": partial(self._one, kind),
                "PATCH": partial(self._edit, kind),
                "DELETE": partial(self._delete, kind),
            }
        for kind in DOCUMENT_KINDS:
            table[f"/{kind}/{{id}}/void"] = {"POST": partial(self._void, kind)}
        return table

    # Reading -------------------------------------------------------------------------

    def _row(self, kind: str, ask: _Ask) -> Row:
        row = self.books.row(kind, ask.ids[-1])
        if kind == CONTACTS and row.fields["customer"] != ask.ids[0]:
            raise Refusal(f"No such contact: {row.id}", status=404)
        return row

    def _shown(self, row: Row, ask: _Ask, status: int = 200) -> Response:
        return _json(status, shape_as_asked(self.books, row, ask.params))

    def _one(self, kind: str, ask: _Ask) -> Response:
        row = self._row(kind, ask)
        has_pdf = kind in (*DOCUMENT_KINDS, PAYMENTS)
        if has_pdf and ask.request.header("Accept") == "application/pdf":
            return Response(200, (("Content-Type", "application/pdf"),), PDF)
        return self._shown(row, ask)

    def _list(self, kind: str, ask: _Ask) -> Response:
        rows = listed(self.books, kind, ask.params)
        if kind == CONTACTS:
            owner = self.books.row(CUSTOMERS, ask.ids[0])
            rows = [row for row in rows if row.fields["customer"] == owner.id]
        return self._page(
            ask, rows, lambda row: shape_as_asked(self.books, row, ask.params)
        )

    def _events(self, ask: _Ask) -> Response:
        return self._page(ask, listed_events(self.books, ask.params), shape_event)

    def _event(self, ask: _Ask) -> Response:
        event = self.books.events.get(ask.ids[0])
        if event is None:
            raise Refusal(f"No such event: {ask.ids[0]}", status=404)
        return _json(200, shape_event(event))

    def _balance(self, ask: _Ask) -> Response:
        owner = self.books.row(CUSTOMERS, ask.ids[0])
        return _json(200, shape_balance(self.books, owner))

    def _page(
        self, ask: _Ask, rows: Sequence[Any], shaped: Callable[[Any], dict[str, Any]]
    ) -> Response:
        """One page of a list, as the books are now: what moved since may be missed."""
        page = self._positive(ask, "page", 1)
        size = min(
            self._positive(ask, "per_page", self.page_size_default), self.page_size_max
        )
        last = max(1, -(-len(rows) // size))
        others = sorted(each for each in ask.params.items() if each[0] != "page")
        listing = (ask.path, *others)
        reached = self._pages.get(listing, 0)
        if self.sequential and page > reached + 1:
            raise Refusal("Pages must be requested one after the other", "page")
        self._pages[listing] = max(reached, page)
        self._pages.move_to_end(listing)
        if len(self._pages) > LISTINGS_MAX:
            self._pages.popitem(last=False)
        shown = rows[(page - 1) * size : page * size]
        return _json(
            200,
            [shaped(each) for each in shown],
            ("Link", _links(ask, page, last)),
            ("X-Total-Count", str(len(rows))),
        )

    @staticmethod
    def _positive(ask: _Ask, name: str, default: int) -> int:
        number = whole(name, ask.params.get(name) or default)
        if number < 1:
            raise Refusal(f"{name} must be 1 or more", name)
        return number

    # Writing -------------------------------------------------------------------------

    def _create(self, kind: str, ask: _Ask) -> Response:
        body = ask.body()
        if kind == CONTACTS:
            owner = self.books.row(CUSTOMERS, ask.ids[0])
            body = {**body, "customer": owner.id}
        return self._shown(self.books.save(kind, body), ask, 201)

    def _edit(self, kind: str, ask: _Ask) -> Response:
        row = self._row(kind, ask)
        return self._shown(self.books.save(kind, ask.body(), row), ask)

    def _void(self, kind: str, ask: _Ask) -> Response:
        return self._shown(self.books.void(self._row(kind, ask)), ask)

    def _delete(self, kind: str, ask: _Ask) -> Response:
        row = self._row(kind, ask)
        if kind == PAYMENTS:
            # A payment never goes: deleting it voids it.
            return self._shown(self.books.void(row), ask)
        self.books.delete(row)
        return Response(204)

    # Webhooks ------------------------------------------------------------------------

    def webhook(self, event_id: int) -> tuple[bytes, dict[str, str]]:
        """The body of an event's webhook, and its headers with the signature."""
        with self._lock:
            body = write_json(shape_event(self.books.events[event_id]))
        mac = hmac.new(self._webhook_secret.encode(), body, hashlib.sha256)
        in_base64 = base64.b64encode(mac.digest()).decode()
        signature = in_base64 if self.base64_signatures else mac.hexdigest()
        return body, dict([JSON, ("X-Invoiced-Signature", signature)])

    def events(self) -> list[dict[str, Any]]:
        """All events, oldest first."""
        with self._lock:
            return [shape_event(event) for event in self.books.events.values()]

    # Trouble, on demand ----------------------------------------------------------------

    def throttle(self, times: int = 1, *, retry_after: int | None = None) -> None:
        """The next calls are answered 429; the vendor is not known to say Retry-After."""
        wait = [] if retry_after is None else [("Retry-After", str(retry_after))]
        refused = Refusal("Too many requests", status=TOO_MANY)
        self._plan(times, _Trouble(self._error(refused, *wait), after=False))

    def fail(
        self,
        times: int = 1,
        status: int = 500,
        body: bytes | None = None,
        *,
        after: bool = False,
    ) -> None:
        """
        The next calls fail; with ``after`` the next writes, once they were carried out.

        A ``body`` goes out as HTML; without one it is the vendor's own error.
        """
        own = self._error(Refusal("An internal error occurred", status=status))
        answer = own if body is None else Response(status, (HTML,), body)
        self._plan(times, _Trouble(answer, after=after))

    def lose(self, times: int = 1) -> None:
        """The next writes are carried out, and their answers are lost."""
        self._plan(times, _Trouble(None, after=True))

    def _plan(self, times: int, trouble: _Trouble) -> None:
        with self._lock:
            self._troubles.extend([trouble] * times)

    def revoke(self) -> None:
        """The API key is deleted: only a person can make another."""
        with self._lock:
            self._api_key = None

    expire = revoke
    """There are no sessions: a key is good until it is deleted."""

    def reissue(self, api_key: str) -> None:
        """From now on this key is the one that is good."""
        with self._lock:
            self._api_key = api_key

    def deny(self, permission: str) -> None:
        """Answer 403: ``payments`` for all of it, ``payments.create`` (edit, delete, read)."""
        with self._lock:
            self._denied.add(permission)

    def allow(self, permission: str) -> None:
        """End what `deny` began."""
        with self._lock:
            self._denied.discard(permission)

    def lock_through(self, day: date | None) -> None:
        """Nothing dated on this day or before can change any more; None opens the books."""
        with self._lock:
            self.books.locked_through = day

    def advance(self, seconds: float) -> None:
        """Move the fake's own clock; without effect where ``now`` was given."""
        with self._lock:
            self.books.advance(seconds)

    # The bookkeeper ------------------------------------------------------------------------

    def _save(self, kind: str, body: Mapping[str, Any], key: int | None = None) -> int:
        """Write as people do in the dashboard: a `date` instead of seconds, no empty text."""
        with self._lock:
            before = None if key is None else self.books.row(kind, key)
            for_wire = {
                name: self.books.moment(value) if isinstance(value, date) else value
                for name, value in body.items()
            }
            return self.books.save(kind, cleaned(for_wire), before).id

    def add_customer(
        self, name: str, number: str = "", *, email: str = "", currency: str = ""
    ) -> int:
        """A new customer; its id. '' numbers it."""
        body = {"name": name, "number": number, "email": email, "currency": currency}
        return self._save(CUSTOMERS, body)

    def edit_customer(self, customer_id: int, **fields: Any) -> None:
        """Change a customer by the vendor's field names."""
        self._save(CUSTOMERS, fields, customer_id)

    def merge_customer(self, customer_id: int, into: int) -> None:
        """Merge the first customer into the second: its records move, its id is gone."""
        with self._lock:
            gone, kept = (self.books.row(CUSTOMERS, k) for k in (customer_id, into))
            self.books.merge(gone, kept)

    def add_invoice(
        self,
        number: str,
        customer: int,
        total: Decimal | str = "0",
        *,
        lines: Sequence[Mapping[str, Any]] = (),
        on: date | None = None,
        due: date | None = None,
        currency: str = "",
        status: str = "sent",
        metadata: Mapping[str, str] | None = None,
    ) -> int:
        """
        A new invoice of ``lines`` or of one line; its id. '' numbers it.

        ``status`` is draft, not_sent, sent, viewed or pending; the others come by
        themselves.
        """
        body = _document(number, customer, total, lines, on, currency, metadata)
        body |= {"due_date": due, "draft": status == "draft"}
        body["sent"] = status in {"sent", "viewed"}
        with self._lock:
            key = self._save(INVOICES, body)
            if status == "viewed":
                self.view(key)
            if status == "pending":
                self.books.mark(self.books.row(INVOICES, key), pending=True)
            return key

    def edit_invoice(self, invoice_id: int, **fields: Any) -> None:
        """Change an invoice by the vendor's field names; dates may be a `date`."""
        self._save(INVOICES, fields, invoice_id)

    def view(self, invoice_id: int) -> None:
        """The customer looks at an invoice."""
        with self._lock:
            self.books.viewed(self.books.row(INVOICES, invoice_id))

    def void_invoice(self, invoice_id: int) -> None:
        """Void an invoice; `Refusal` where something is applied to it."""
        with self._lock:
            self.books.void(self.books.row(INVOICES, invoice_id))

    def delete_invoice(self, invoice_id: int) -> None:
        """Delete an invoice for good; only its events remember it."""
        with self._lock:
            self.books.delete(self.books.row(INVOICES, invoice_id))

    def add_credit_note(
        self,
        number: str,
        customer: int,
        total: Decimal | str = "0",
        *,
        lines: Sequence[Mapping[str, Any]] = (),
        on: date | None = None,
        currency: str = "",
        status: str = "open",
        invoice: int | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> int:
        """A new credit note, draft or open; its id. ``invoice`` is what it is made for."""
        body = _document(number, customer, total, lines, on, currency, metadata)
        body |= {"invoice": invoice, "draft": status == "draft"}
        return self._save(CREDIT_NOTES, body)

    def void_credit_note(self, credit_id: int) -> None:
        """Void a credit note; `Refusal` where a part of it is applied."""
        with self._lock:
            self.books.void(self.books.row(CREDIT_NOTES, credit_id))

    def add_payment(
        self,
        customer: int | None,
        amount: Decimal | str,
        on: date | None = None,
        *,
        applied_to: Sequence[Mapping[str, Any]] = (),
        currency: str = "",
        **fields: Any,
    ) -> int:
        """A new payment, applied to what ``applied_to`` says in the vendor's words."""
        body = {"customer": customer, "amount": amount, "date": on, **fields}
        body |= {"applied_to": list(applied_to), "currency": currency}
        return self._save(PAYMENTS, body)

    def pay(
        self,
        invoice_id: int,
        amount: Decimal | str,
        on: date,
        reference: str = "",
        *,
        fee: Decimal | str = "0",
        method: str = "other",
    ) -> int:
        """Money for an invoice and a convenience ``fee`` on top; the payment's id."""
        applied: list[dict[str, Any]] = [
            {"type": "invoice", "invoice": invoice_id, "amount": amount}
        ]
        if Decimal(fee):
            applied.append({"type": "convenience_fee", "amount": fee})
        total = Decimal(amount) + Decimal(fee)
        with self._lock:
            fields = self.books.row(INVOICES, invoice_id).fields
            return self.add_payment(
                fields["customer"],
                total,
                on,
                applied_to=applied,
                currency=fields["currency"],
                reference=reference,
                method=method,
            )

    def allocate(
        self,
        credit_id: int,
        invoice_id: int,
        amount: Decimal | str,
        on: date | None = None,
    ) -> int:
        """Apply a credit note to an invoice; the id of the payment that tells of it."""
        part: dict[str, Any] = {"type": "credit_note", "document_type": "invoice"}
        part |= {"credit_note": credit_id, "invoice": invoice_id, "amount": amount}
        with self._lock:
            fields = self.books.row(CREDIT_NOTES, credit_id).fields
            owner, code = fields["customer"], fields["currency"]
            paid = amount if self.books.habits.amount_includes_credits else "0"
            return self.add_payment(owner, paid, on, applied_to=[part], currency=code)

    def edit_payment(self, payment_id: int, **fields: Any) -> None:
        """Change a payment by the vendor's field names; ``charge`` and ``matched`` too."""
        with self._lock:
            marks = {n: fields.pop(n) for n in ("charge", "matched") if n in fields}
            if marks:
                self.books.mark(self.books.row(PAYMENTS, payment_id), **marks)
            if fields:
                self._save(PAYMENTS, fields, payment_id)

    def void_payment(self, payment_id: int) -> None:
        """Void a payment: it stays, and what it was applied to is open again."""
        with self._lock:
            self.books.void(self.books.row(PAYMENTS, payment_id))

    delete_payment = void_payment

    def add_credit(
        self, customer: int, amount: Decimal | str, on: date | None = None
    ) -> int:
        """Add to a customer's credit balance (or take from it); the adjustment's id."""
        body = {"customer": customer, "amount": amount, "date": on}
        return self._save(ADJUSTMENTS, body)

    # What the books say ----------------------------------------------------------------

    def _views(self, kind: str) -> list[dict[str, Any]]:
        with self._lock:
            rows = sorted(self.books.rows[kind].values(), key=lambda row: row.id)
            return [shape(self.books, row) for row in rows]

    def customers(self) -> list[dict[str, Any]]:
        """All customers, in the order of their ids."""
        return self._views(CUSTOMERS)

    def invoices(self) -> list[dict[str, Any]]:
        """All invoices, the voided ones too, in the order of their ids."""
        return self._views(INVOICES)

    def credit_notes(self) -> list[dict[str, Any]]:
        """All credit notes, the voided ones too, in the order of their ids."""
        return self._views(CREDIT_NOTES)

    def payments(self) -> list[dict[str, Any]]:
        """All payments with ``applied_to``, the voided ones too, in order of their ids."""
        return self._views(PAYMENTS)

    def invoice(self, invoice_id: int) -> dict[str, Any]:
        """One invoice."""
        with self._lock:
            return shape(self.books, self.books.row(INVOICES, invoice_id))

    def credit_of(self, customer: int, currency: str = "") -> Decimal:
        """A customer's credit balance."""
        with self._lock:
            fields = {"customer": customer, "currency": currency}
            return self.books.credit_of(customer, self.books.currency_of(fields))

    def paid(self, invoice_id: int) -> tuple[Decimal, date | None]:
        """What is applied to an invoice, and the day on which that made up its total."""
        with self._lock:
            row = self.books.row(INVOICES, invoice_id)
            used, reached = self.books.used(row), Decimal(0)
            for at, amount in sorted(self._applied(row)):
                reached += amount
                if self.books.is_paid(row) and reached == row.fields["total"]:
                    return used, self.books.day(at)
            return used, None

    def _applied(self, row: Row) -> list[tuple[int, Decimal]]:
        payers = self.books.payers[(*row.key, "")]
        payments = [self.books.rows[kind][key] for kind, key in payers]
        return [
            (payment.fields["date"], each.amount)
            for payment in payments
            for each in payment.applied
            if each.target == row.key
        ]


def basic(api_key: str) -> str:
    """The one header that signs in: the key as the user, and a blank password."""
    return "Basic " + base64.b64encode(f"{api_key}:".encode()).decode()


def _links(ask: _Ask, page: int, last: int) -> str:
    """The pages next to this one, at the origin that was asked."""
    pages = {"self": page, "first": 1, "last": last}
    pages |= {"previous": page - 1} if page > 1 else {}
    pages |= {"next": page + 1} if page < last else {}
    return ", ".join(
        f'<{ask.origin}{ask.path}?{urlencode({**ask.params, "page": n})}>; rel="{name}"'
        for name, n in pages.items()
    )


def _document(
    number: str,
    customer: int,
    total: Decimal | str,
    lines: Sequence[Mapping[str, Any]],
    on: date | None,
    currency: str,
    metadata: Mapping[str, str] | None,
) -> dict[str, Any]:
    one = {"name": "Services", "quantity": 1, "unit_cost": total}
    return {
        "number": number,
        "customer": customer,
        "items": list(lines) or [one],
        "date": on,
        "currency": currency,
        "metadata": metadata,
    }
