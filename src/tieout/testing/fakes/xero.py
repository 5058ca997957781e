"""
A stateful double of Xero's server: it *is* a `tieout.wire.Transport`.

Give it to a session in place of HTTP, or serve it on loopback with
`tieout.testing.fakes.serving`. It answers as Xero's own description and real replies say
that Xero does, traps included, and never raises for a bad request. Tests play the
bookkeeper through its Python methods. It knows no scopes, no concurrency limit, no webhooks and no tax rates.
"""

from __future__ import annotations

import base64
import hashlib
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tieout.testing.fakes import xero_api
from tieout.testing.fakes.xero_api import Api, Ask, json_reply, not_found, validation
from tieout.testing.fakes.xero_books import (
    CREDIT_NOTES,
    INVOICES,
    OVERPAYMENTS,
    POSTED,
    PREPAYMENTS,
    Books,
    Contact,
)
from tieout.testing.fakes.xero_shapes import shape_document, shape_payment
from tieout.wire import Request, Response

RETIRED_REFRESH_SECONDS = 30 * 60
"""A refresh token that was replaced still works so long, in case the reply was lost."""
IDEMPOTENCY_SECONDS = 6 * 60
IDEMPOTENCY_KEY_LENGTH_MAX = 128
APP_CALLS_PER_MINUTE = 10_000
TOO_MANY = 429


@dataclass(frozen=True)
class _Trouble:
    """An answer asked for by a test; ``after`` the call was carried out, or instead."""

    answer: Response
    after: bool = False


@dataclass
class _Window:
    """How many calls went through in the last so many seconds."""

    problem: str
    header: str
    limit: int | None
    seconds: int
    times: deque[float] = field(default_factory=deque)

    def left(self, at: float) -> int | None:
        """How many more may come; None without a limit."""
        while self.times and self.times[0] <= at - self.seconds:
            self.times.popleft()
        return None if self.limit is None else max(0, self.limit - len(self.times))

    def wait(self, at: float) -> int:
        """Seconds until one more may come."""
        return max(1, math.ceil(self.times[0] + self.seconds - at)) if self.times else 1


def _windows(per_day: int | None, per_minute: int | None) -> tuple[_Window, ...]:
    return (
        _Window("day", "X-DayLimit-Remaining", per_day, 86_400),
        _Window("minute", "X-MinLimit-Remaining", per_minute, 60),
        _Window("appminute", "X-AppMinLimit-Remaining", APP_CALLS_PER_MINUTE, 60),
    )


class FakeXero:
    """
    One Xero organisation, and the sign-in that leads to it.

    ``now`` gives an aware instant; without it the books have a clock of their own, which
    moves by one second with each change, and tokens and limits follow the real one.
    A limit of None is off. ``calls`` counts by ``"GET /Invoices/{id}"``, ``requests`` all
    requests, ``writes`` those to the API that are not GET, whatever came of them.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] | None = None,
        tenant: str = "6ad21e9c-8a35-4c57-9f0e-1f4b5a2c7d10",
        client_id: str = "client",
        client_secret: str = "secret",  # noqa: S107 - a fake one
        refresh_token: str = "refresh-0",  # noqa: S107 - a fake one
        base_currency: str = "USD",
        currencies: Collection[str] | None = None,
        page_size_default: int = 100,
        access_token_seconds: int = 1800,
        calls_per_minute: int | None = 60,
        calls_per_day: int | None = 5000,
        shortcode: str = "!3T6Q-",
        timezone: str = "UTC",
        name: str = "Demo Company",
        country: str = "US",
        bump_on_delete: bool = True,
    ) -> None:
        self.books = Books(
            now=now,
            seed=tenant,
            base_currency=base_currency,
            currencies=currencies,
            bump_on_delete=bump_on_delete,
        )
        self.tenant = tenant
        self.calls: Counter[str] = Counter()
        self.requests = 0
        self.writes = 0
        self._name = name
        facts = {
            "OrganisationID": tenant,
            "Name": name,
            "ShortCode": shortcode,
            "BaseCurrency": base_currency,
            "CountryCode": country,
            "Timezone": timezone,
            "IsDemoCompany": False,
        }
        self._accounting = Api(self.books, facts, page_size_default)
        self.actions = self._accounting.actions
        self._client = f"{client_id}:{client_secret}"
        self._access_seconds = access_token_seconds
        self._now = now
        self._lock = threading.RLock()
        self._tokens: dict[str, tuple[float, bool]] = {}
        self._refresh: dict[str, float] = {refresh_token: math.inf}
        self._latest_refresh = refresh_token
        self._connected = True
        self._serial = 0
        self._troubles: deque[_Trouble] = deque()
        self._replays: dict[str, tuple[Any, Response, float]] = {}
        self._windows = _windows(calls_per_day, calls_per_minute)

    # The transport -------------------------------------------------------------------

    def send(self, request: Request, timeout: float) -> Response:
        """Answer as Xero would. Waits for nothing, whatever the timeout."""
        with self._lock, self.books.lock:
            ask = xero_api.taken_apart(request)
            self.requests += 1
            self.calls[f"{ask.method} {ask.label}"] += 1
            is_api = urlsplit(request.url).path.startswith(f"{xero_api.PATH}/")
            answer = self._api(ask) if is_api else self._identity(ask)
            self._serial += 1
            correlation = ("Xero-Correlation-Id", f"{self._serial:032x}")
            return Response(answer.status, (*answer.headers, correlation), answer.body)

    def close(self) -> None:
        """Nothing is held open."""

    def _elapsed(self) -> float:
        return self._now().timestamp() if self._now else time.monotonic()

    # Signing in ----------------------------------------------------------------------

    def _identity(self, ask: Ask) -> Response:
        match f"{ask.method} {ask.label}":
            case "POST /connect/token":
                return self._token(ask)
            case "POST /connect/revocation":
                return self._revocation(ask)
            case "GET /connections":
                return self._unauthorised(ask) or self._counted(self._connections())
            case "DELETE /connections/{id}":
                return self._unauthorised(ask) or self._counted(self._disconnect(ask))
            case _:
                return not_found()

    def _counted(self, answer: Response) -> Response:
        # No tenant is involved yet, so only the app's own limit counts and shows.
        window, at = self._windows[-1], self._elapsed()
        window.times.append(at)
        shown = (window.header, str(window.left(at)))
        return Response(answer.status, (*answer.headers, shown), answer.body)

    def _token(self, ask: Ask) -> Response:
        form = dict(parse_qsl(ask.request.body().decode("utf-8", "replace")))
        if _basic(ask.request.header("Authorization")) != self._client:
            return json_reply(401, {"error": "invalid_client"})
        match form.get("grant_type"):
            case "client_credentials":
                return json_reply(200, self._granted(is_custom=True))
            case "refresh_token":
                given = form.get("refresh_token", "")
                at = self._elapsed()
                if self._refresh.get(given, -math.inf) <= at:
                    return json_reply(400, {"error": "invalid_grant"})
                if math.isinf(self._refresh[given]):
                    self._refresh[given] = at + RETIRED_REFRESH_SECONDS
                grant = self._granted(is_custom=False)
                self._latest_refresh = f"refresh-{self._next_token()}"
                self._refresh[self._latest_refresh] = math.inf
                return json_reply(200, {**grant, "refresh_token": self._latest_refresh})
            case _:
                return json_reply(400, {"error": "unsupported_grant_type"})

    def _next_token(self) -> str:
        seed = f"{self.tenant}/{len(self._tokens)}/{len(self._refresh)}"
        return hashlib.sha256(seed.encode()).hexdigest()[:32]

    def _granted(self, *, is_custom: bool) -> dict[str, Any]:
        token = f"access-{self._next_token()}"
        self._tokens[token] = (self._elapsed() + self._access_seconds, is_custom)
        return {
            "access_token": token,
            "expires_in": self._access_seconds,
            "token_type": "Bearer",
            "scope": "offline_access accounting.transactions accounting.contacts",
        }

    def _revocation(self, ask: Ask) -> Response:
        if _basic(ask.request.header("Authorization")) != self._client:
            return json_reply(401, {"error": "invalid_client"})
        self.revoke()
        return Response(200)

    def _unauthorised(self, ask: Ask) -> Response | None:
        scheme, _, token = (ask.request.header("Authorization") or "").partition(" ")
        known = self._tokens.get(token) if scheme.lower() == "bearer" else None
        if known and known[0] > self._elapsed():
            return None
        at = f"{self.books.now():%m/%d/%Y %H:%M:%S}"
        return json_reply(
            401,
            {
                "Title": "Unauthorized",
                "Status": 401,
                "Detail": f"TokenExpired: token expired at {at}"
                if known
                else "AuthenticationUnsuccessful",
                "Instance": self._accounting.request_id(),
            },
        )

    def _forbidden(self, ask: Ask) -> Response | None:
        token = (ask.request.header("Authorization") or "").partition(" ")[2]
        given = ask.request.header("xero-tenant-id")
        # A custom connection has one organisation and needs no tenant header.
        is_custom = given is None and self._tokens[token][1]
        if self._connected and (is_custom or given == self.tenant):
            return None
        forbidden = {"title": "Forbidden", "status": 403}
        return json_reply(403, {**forbidden, "detail": "AuthenticationUnsuccessful"})

    def _connections(self) -> Response:
        at = "2026-01-15T08:30:00.0000000"
        connection = {
            "id": self._connection_id(),
            "authEventId": "7f0c6a52-55c5-4d0c-8b1e-0d9d3e7a4c11",
            "tenantId": self.tenant,
            "tenantType": "ORGANISATION",
            "tenantName": self._name,
            "createdDateUtc": at,
            "updatedDateUtc": at,
        }
        return json_reply(200, [connection] if self._connected else [])

    def _connection_id(self) -> str:
        return f"c0{self.tenant[2:]}"

    def _disconnect(self, ask: Ask) -> Response:
        if not self._connected or ask.ids[0] != self._connection_id():
            return not_found()
        self._connected = False
        return Response(204)

    # The gate before the API -----------------------------------------------------------

    def _api(self, ask: Ask) -> Response:
        self.writes += ask.method != "GET"
        refused = self._unauthorised(ask) or self._limited()
        if refused:
            return refused
        answer = self._forbidden(ask)
        if answer is None:
            trouble = self._troubles.popleft() if self._troubles else None
            answer = self._once(ask, trouble)
        return Response(
            answer.status, (*answer.headers, *self._remaining()), answer.body
        )

    def _limited(self) -> Response | None:
        at = self._elapsed()
        for window in self._windows:
            if window.left(at) == 0:
                return _throttled(window.problem, window.wait(at), self._remaining())
        for window in self._windows:
            if window.limit is not None:
                window.times.append(at)
        return None

    def _remaining(self) -> tuple[tuple[str, str], ...]:
        at = self._elapsed()
        return tuple(
            (window.header, str(left))
            for window in self._windows
            if (left := window.left(at)) is not None
        )

    def _once(self, ask: Ask, trouble: _Trouble | None) -> Response:
        key = ask.request.header("Idempotency-Key")
        is_throttled = trouble is not None and trouble.answer.status == TOO_MANY
        if key is None or ask.method == "GET" or is_throttled:
            return self._carried_out(ask, trouble)
        if len(key) > IDEMPOTENCY_KEY_LENGTH_MAX:
            return validation([], "The idempotency key is longer than 128 characters")
        at = self._elapsed()
        asked = (ask.method, ask.label, ask.ids, sorted(ask.params.items()))
        fingerprint = (repr(asked), ask.request.body())
        known = self._replays.get(key)
        if known and at < known[2]:
            if known[0] == fingerprint:
                return known[1]
            return validation([], "The idempotency key was used for another request")
        # Whatever was answered is kept, errors too: so does Xero.
        answer = self._carried_out(ask, trouble)
        self._replays[key] = (fingerprint, answer, at + IDEMPOTENCY_SECONDS)
        return answer

    def _carried_out(self, ask: Ask, trouble: _Trouble | None) -> Response:
        if trouble is None:
            return self._accounting.answer(ask)
        if trouble.after:
            self._accounting.answer(ask)
        return trouble.answer

    # Trouble, on demand ------------------------------------------------------------------

    @property
    def refresh_token(self) -> str:
        """The newest refresh token."""
        return self._latest_refresh

    def issue_token(self) -> str:
        """An access token, without the sign-in."""
        with self._lock:
            return str(self._granted(is_custom=False)["access_token"])

    def expire_tokens(self) -> None:
        """All access tokens given so far have expired."""
        with self._lock:
            self._tokens = {
                token: (-math.inf, custom)
                for token, (_, custom) in self._tokens.items()
            }

    def revoke(self) -> None:
        """The customer disconnects the app: every token is dead, only a person can help."""
        with self._lock:
            self.expire_tokens()
            self._refresh.clear()

    def throttle(
        self, times: int = 1, retry_after: int | None = 1, problem: str = "minute"
    ) -> None:
        """The next calls of the API are answered 429; None leaves Retry-After out."""
        answer = _throttled(problem, retry_after, ())
        with self._lock:
            self._troubles.extend([_Trouble(answer)] * times)

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

    # The bookkeeper ------------------------------------------------------------------------

    def add_contact(
        self, name: str, number: str = "", *, email: str = "", currency: str = ""
    ) -> str:
        """A new contact; its id."""
        fields = {"Name": name, "ContactNumber": number}
        fields |= {"EmailAddress": email} if email else {}
        fields |= {"DefaultCurrency": currency} if currency else {}
        return self.books.save_contact(fields).id

    def edit_contact(self, contact_id: str, fields: Mapping[str, Any]) -> None:
        """Change a contact; ``{"ContactStatus": "ARCHIVED"}`` archives it."""
        self.books.save_contact(fields, self._contact(contact_id))

    def merge_contact(self, contact_id: str, into: str) -> None:
        """Merge the first contact into the second."""
        self.books.merge_contact(self._contact(contact_id).id, into)

    def _contact(self, key: str) -> Contact:
        return self.books.contacts.rows[key]

    def add_invoice(
        self,
        number: str,
        contact: str,
        total: Decimal | str,
        *,
        currency: str = "",
        on: date | None = None,
        due: date | None = None,
        status: str = "AUTHORISED",
        reference: str = "",
        type: str = "ACCREC",  # noqa: A002
        tax: Decimal | str = "0",
        rate: Decimal | str = "1.0",
    ) -> str:
        """A new invoice of one line; ``total`` includes ``tax``. '' numbers it."""
        fields = _one_line(contact, total, tax, currency, on, rate)
        fields |= {"Type": type, "Status": status, "Reference": reference}
        fields |= {"InvoiceNumber": number or None, "DueDate": due}
        return self.books.save_document(INVOICES, fields).id

    def add_credit_note(
        self,
        number: str,
        contact: str,
        total: Decimal | str,
        *,
        currency: str = "",
        on: date | None = None,
        status: str = "AUTHORISED",
        reference: str = "",
        type: str = "ACCRECCREDIT",  # noqa: A002
        tax: Decimal | str = "0",
        rate: Decimal | str = "1.0",
    ) -> str:
        """A new credit note of one line, nothing of it allocated."""
        fields = _one_line(contact, total, tax, currency, on, rate)
        fields |= {"Type": type, "Status": status, "Reference": reference}
        fields |= {"CreditNoteNumber": number or None}
        return self.books.save_document(CREDIT_NOTES, fields).id

    def add_overpayment(
        self,
        contact: str,
        total: Decimal | str,
        *,
        currency: str = "",
        on: date | None = None,
        type: str = "RECEIVE-OVERPAYMENT",  # noqa: A002
    ) -> str:
        """Money received over what was owed, nothing of it allocated."""
        fields = _one_line(contact, total, "0", currency, on, "1.0")
        fields |= {"Type": type, "Status": "AUTHORISED"}
        return self.books.save_document(OVERPAYMENTS, fields).id

    def add_prepayment(
        self,
        contact: str,
        total: Decimal | str,
        *,
        currency: str = "",
        on: date | None = None,
        reference: str = "",
        type: str = "RECEIVE-PREPAYMENT",  # noqa: A002
    ) -> str:
        """Money received in advance, nothing of it allocated."""
        fields = _one_line(contact, total, "0", currency, on, "1.0")
        fields |= {"Type": type, "Status": "AUTHORISED", "Reference": reference}
        return self.books.save_document(PREPAYMENTS, fields).id

    def pay(
        self,
        invoice_id: str,
        amount: Decimal | str,
        on: date,
        reference: str = "",
        *,
        account: str = "090",
        rate: Decimal | str | None = None,
        batch: str = "",
    ) -> str:
        """Money for an invoice (or a refund of a credit); the payment's id."""
        with self.books.lock:
            return self.books.pay(
                self.books.document(invoice_id),
                Decimal(amount),
                on,
                reference=reference,
                account=account,
                rate=None if rate is None else Decimal(rate),
                batch=batch,
            ).id

    def refund_credit(
        self, credit_id: str, amount: Decimal | str, on: date, reference: str = ""
    ) -> str:
        """Pay the rest of a credit back; the payment's id."""
        return self.pay(credit_id, amount, on, reference)

    def delete_payment(self, payment_id: str) -> None:
        """Delete a payment; it stays visible in GET /Payments alone."""
        self.books.delete_payment(payment_id)

    def allocate(
        self,
        credit_id: str,
        invoice_id: str,
        amount: Decimal | str,
        on: date | None = None,
    ) -> str:
        """Apply a credit note, over- or prepayment to an invoice; the allocation's id."""
        with self.books.lock:
            source, target = map(self.books.document, (credit_id, invoice_id))
            return self.books.allocate(
                source, target, Decimal(amount), on or source.on
            ).id

    allocate_credit = allocate

    def remove_allocation(self, allocation_id: str) -> None:
        """Undo an allocation."""
        self.books.remove_allocation(allocation_id)

    def _set(self, key: str, fields: Mapping[str, Any]) -> None:
        with self.books.lock:
            document = self.books.document(key)
            self.books.save_document(document.kind, fields, document)

    def approve(self, document_id: str) -> None:
        """DRAFT or SUBMITTED becomes AUTHORISED."""
        self._set(document_id, {"Status": "AUTHORISED"})

    def void_invoice(self, document_id: str) -> None:
        """AUTHORISED becomes VOIDED, a draft DELETED; of a credit note too."""
        with self.books.lock:
            is_posted = self.books.document(document_id).status in POSTED
            self._set(document_id, {"Status": "VOIDED" if is_posted else "DELETED"})

    def edit_invoice(self, invoice_id: str, **fields: Any) -> None:
        """Change an invoice (or credit note) by the vendor's field names."""
        self._set(invoice_id, fields)

    def set_lock_dates(
        self, period: date | None = None, end_of_year: date | None = None
    ) -> None:
        """Close the books through these dates; None opens them."""
        with self.books.lock:
            self.books.period_lock, self.books.year_lock = period, end_of_year

    def archive_account(self, code: str) -> None:
        """Lines and payments with this account are refused from now on."""
        self.books.archived_accounts.add(code)

    def invoice(self, invoice_id: str) -> dict[str, Any]:
        """An invoice (or credit, by its id) as GET by id shows it."""
        with self.books.lock:
            document = self.books.document(invoice_id)
            return shape_document(self.books, document, single=True)

    def invoices(self) -> list[dict[str, Any]]:
        """All invoices as GET by id shows them, in the order of change."""
        with self.books.lock:
            rows = self.books.documents[INVOICES].ordered()
            return [shape_document(self.books, row, single=True) for row in rows]

    def payments(self) -> list[dict[str, Any]]:
        """All payments, the deleted ones too, in the order of change."""
        with self.books.lock:
            rows = self.books.payments.ordered()
            return [shape_payment(self.books, row) for row in rows]


def _basic(header: str | None) -> str | None:
    scheme, _, code = (header or "").partition(" ")
    try:
        return base64.b64decode(code).decode() if scheme.lower() == "basic" else None
    except ValueError:
        return None


def _one_line(
    contact: str,
    total: Decimal | str,
    tax: Decimal | str,
    currency: str,
    on: date | None,
    rate: Decimal | str,
) -> dict[str, Any]:
    price = Decimal(total) - Decimal(tax)
    line = {"Description": "Services", "UnitAmount": price, "TaxAmount": tax}
    return {
        "Contact": {"ContactID": contact},
        "Date": on,
        "CurrencyCode": currency or None,
        "CurrencyRate": rate,
        "LineItems": [{**line, "AccountCode": "200"}],
    }


def _throttled(
    problem: str, retry_after: int | None, remaining: Iterable[tuple[str, str]]
) -> Response:
    headers = [("X-Rate-Limit-Problem", problem), *remaining]
    if retry_after is not None:
        headers.append(("Retry-After", str(retry_after)))
    return Response(TOO_MANY, headers)
