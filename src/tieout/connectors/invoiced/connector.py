"""
Invoiced, the billing side: customers, invoices, credit notes, payments, and what is paid.

What was paid of an invoice is kept as one payment of ours. Estimates, subscriptions,
charges, refunds, events and webhooks are no part of it. Facts come from the vendor's API
documentation and its own clients; "unverified" says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from attrs import evolve

from tieout import capabilities as caps
from tieout.auth import Headers, basic
from tieout.capabilities import Changed, Dated, Everything, Open, Select, Verb
from tieout.change import Action, Change, Issue, Outcome
from tieout.connector import (
    FETCH_PAGES_MAX,
    Books,
    Fields,
    Page,
    Resource,
    RestConnector,
    Rule,
    next_link,
)
from tieout.connectors.invoiced.money import Level, Look, Told, each_once
from tieout.connectors.invoiced.records import (
    CASH,
    CREDIT,
    METHODS,
    VALUE_LENGTH_MAX,
    WRITTEN,
    Records,
    split,
)
from tieout.errors import Code, ConfigError, Fate, Fault, Scope
from tieout.models import (
    Application,
    Basis,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    R,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.money import ZERO
from tieout.owned import keep_level
from tieout.wire import Answer, Flow, Request, Response, Verdict
from tieout.zones import configured_zone

BASE, SANDBOX = "https://api.invoiced.com", "https://api.sandbox.invoiced.com"

PAGE_MAX = 100
"""What a public client asks for; the vendor's most is not documented."""

PAUSE = 60.0
"""Seconds after a 429 that names none: what a public client waits."""

LIMITS = (caps.Limit(300, 60.0, caps.LimitScope.CREDENTIAL),)
"""The vendor publishes none: five a second is modest."""

LINK = "https://app.invoiced.com/{path}/{id}"

# fmt: off
PATHS: Mapping[str, str] = {
    "Customer": "customers", "Invoice": "invoices",
    "CreditNote": "credit_notes", "Payment": "payments",
}
_DATED = frozenset({Changed, Dated, Everything})
_DOCUMENT = "number currency on reference lines custom"
_ALONE = "nothing is applied to it"  # unverified
_KINDS: Mapping[RecordType, tuple[str, frozenset[type], str, int, str]] = {
    # verbs, selects, what can be written, calls of one write, when it can be voided
    Customer: ("READ CREATE UPDATE", _DATED - {Dated}, "name number email currency parent custom", 1, ""),
    Invoice: ("READ CREATE UPDATE VOID", _DATED | {Open}, f"{_DOCUMENT} due", 1, _ALONE),
    CreditNote: ("READ CREATE UPDATE VOID", _DATED | {Open}, _DOCUMENT, 1, _ALONE),
    Payment: ("READ CREATE UPDATE VOID", _DATED, "on amount reference method applications custom", 2, "always"),
    Application: ("READ CREATE VOID", _DATED, "", 2, "always"),
    Settlement: ("READ UPDATE", _DATED | {Open}, "settled_by paid_on last_on", 3, ""),
}
PAYMENTS = caps.Payments(
    feeds=(caps.Feed.STAMP, caps.Feed.PAYMENTS, caps.Feed.CREDITS),
    blind=frozenset({caps.Blind.DELETIONS}), parts=frozenset({CASH, CREDIT}),
    paid_on=Basis.LAST_RECEIPT, detail=caps.Cost.CALL_EACH,
    holds_date_alone=False, holds_open_date=True, owned_payment=True,
)
_NAME = re.compile(r"[\w.-]{1,60}", re.ASCII)
_KEY = re.compile(r"[\w-]{1,40}", re.ASCII)

EVENTS = Resource[Any](Customer, "events", lambda row: None)

# Errors -----------------------------------------------------------------------------

_SIGN_IN = "Enter an API key of this business again; the sandbox has keys of its own."
_RIGHTS = "Give the API key, or the user it belongs to, the right to what is named."
_PARAMETER = "Correct the parameter that is named; it is tried again when the record changes."
_REMAP = "It was deleted, or merged into another. Link the record to the one that is there."
RULES = (
    Rule(Code.DUPLICATE_NUMBER, 400, "number", "taken|already|exists|unique|in use"),
    Rule(Code.REFUSED, 400, remedy=_PARAMETER),
    Rule(Code.SIGN_IN_REFUSED, 401, remedy=_SIGN_IN, answer=Answer.SIGN_IN),
    Rule(Code.PERMISSION_MISSING, 403, remedy=_RIGHTS),
    Rule(Code.NO_SUCH_RESOURCE, 404, remedy=_REMAP),
    Rule(Code.TOO_MANY_REQUESTS, 429, remedy="Run less often.", answer=Answer.WAIT),
)
# fmt: on


class Invoiced(RestConnector):
    """
    One business at Invoiced.

    ``company`` is your name for it and stays the same for ever: the API does not tell who
    it is, so a key of another business is not noticed. ``currency`` is its base currency.
    ``metadata_key`` holds our mark. ``item`` is the catalog item of lines without one,
    ``method`` that of payments without one. ``fetch_size`` invoices are read together:
    what one customer paid is read once for all of them.

    Facts that are unverified, each with the best guess as default:

    - ``page_size``: 100 is what others ask for;
    - ``limits``, ``concurrency``: the vendor publishes none;
    - ``idempotency_lifetime``: how long a repeated key makes nothing new; with nothing,
      no key is sent;
    - ``overlap``: how late a record may be committed;
    - ``zone``: in which zone Invoiced's instants are the days that people entered;
    - ``link``: the address of a record's page for people.
    """

    rules = RULES
    ids = re.compile(r"[0-9]{1,18}(:[a-z0-9-]{1,60})?", re.ASCII)
    cursors = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}", re.ASCII)

    def __init__(
        self,
        *,
        company: str,
        api_key: str,
        sandbox: bool = False,
        base_url: str = "",
        currency: str = "",
        zone: str = "UTC",
        metadata_key: str = "tieout",
        method: str = "other",
        item: str = "",
        page_size: int = PAGE_MAX,
        fetch_size: int = 50,
        concurrency: int = 4,
        limits: tuple[caps.Limit, ...] = LIMITS,
        idempotency_lifetime: timedelta = timedelta(hours=24),
        overlap: timedelta = timedelta(minutes=5),
        sweep_every: timedelta | None = timedelta(days=1),
        link: str = LINK,
    ) -> None:
        for holds, text in (
            (_NAME.fullmatch(company), "company is a short name without blanks"),
            (re.fullmatch(r"[!-~]+", api_key), "api_key is plain text"),
            (1 <= page_size <= PAGE_MAX, f"page_size is 1 to {PAGE_MAX}"),
            (fetch_size >= 1, "fetch_size is 1 or more"),
            (_KEY.fullmatch(metadata_key), "metadata_key has at most 40 letters"),
            (method in METHODS, f"method is one of {', '.join(METHODS)}"),
        ):
            if not holds:
                raise ConfigError(text)
        name = f"{company}{'@sandbox' if sandbox else ''}"
        self.connection = f"invoiced:{name}"
        self._books = Books(name, company, currency, zone)
        base = base_url.rstrip("/") or (SANDBOX if sandbox else BASE)
        head = {"Authorization": basic(api_key, ""), "Accept": "application/json"}
        self.auth = Headers(base, head)
        self.records = Records(
            self.connection, configured_zone(zone), metadata_key, method, item
        )
        self._page_size, self._fetch_size, self._link = page_size, fetch_size, link
        self.resources = self._resources()
        self.feeds = self._money_feeds()
        self.capabilities = caps.Capabilities(
            "Invoiced",
            self._kinds(),
            evolve(PAYMENTS, sweep_every=sweep_every),
            idempotency_key=bool(idempotency_lifetime),
            idempotency_lifetime=idempotency_lifetime,
            limits=limits,
            concurrency=concurrency,
            overlap=overlap,
            credits_applicable=True,
        )

    # fmt: off
    def _kinds(self) -> dict[RecordType, caps.Kind]:
        mark = caps.Mark(f"metadata[{self.records.key}]", length=VALUE_LENGTH_MAX)
        return {
            of: caps.Kind(
                frozenset(Verb[verb] for verb in verbs.split()), selects, frozenset(writable.split()),
                caps.Creates.FINAL if "CREATE" in verbs else None,
                caps.Updates.SPARSE if "UPDATE" in verbs else caps.Updates.NONE,
                mark=mark if "CREATE" in verbs else None, void_when=when,
                page_size=self._page_size, page_repeats=1, stable_order=True,
                fetch_size=self._fetch_size, fetch_alone=True, write_calls=calls,
                # A credit note was issued against few of the invoices that change.
                lists=3 if of is Settlement else 1, long_lists=2 if of is Settlement else 1,
            )
            for of, (verbs, selects, writable, calls, when) in _KINDS.items()
        }

    def _resources(self) -> dict[RecordType, Resource[Any]]:
        of, shown = self.records, {"include": "applied_to"}
        rows: tuple[tuple[Any, ...], ...] = (
            (Customer, "customers", of.load_customer, "number", of.customer_body, {}),
            (Invoice, "invoices", of.load_invoice, "number", of.document_body, {}),
            (Settlement, "invoices", of.load_settlement, "number", None, {}),
            (CreditNote, "credit_notes", of.load_note, "number", of.document_body, {}),
            (Payment, "payments", of.load_payment, "", of.payment_body, shown),
            (Application, "payments", of.load_applications, "", None, shown),
        )
        return {
            kind: Resource[Any](kind, path, load, number_field=name, parameters=more, one=True, dump=dump)
            for kind, path, load, name, dump, more in rows
        }

    def _money_feeds(self) -> tuple[Resource[Any], ...]:
        """Whether an invoice's change time moves with its money is not documented."""
        of, paid, notes = self.records, self.resources[Payment], self.resources[CreditNote]
        return (
            self.resources[Settlement], evolve(paid, load=of.load_touched),
            evolve(notes, load=of.load_issued, number_field=""),
        )
    # fmt: on

    # How it is ------------------------------------------------------------------------

    def probes(self) -> Mapping[str, Request]:
        one = {"per_page": "1"}
        return {path: Request("GET", path, one) for path in PATHS.values()}

    def books(self, answers: Mapping[str, Response]) -> Books:
        return self._books

    def deep_link(self, ref: Ref) -> str:
        if ref.kind not in PATHS:
            return ""
        return self._link.format(path=PATHS[ref.kind], id=quote(ref.id, safe=""))

    # Asking ---------------------------------------------------------------------------

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        since = 0
        if isinstance(select, Changed):
            # Whether "after" takes in the second itself is not documented.
            since = max(int(select.since.timestamp()) - 1, 0)
        return self._listing(resource, self._selected(select), cursor or f"{since}.1")

    def _selected(self, select: Select) -> dict[str, str]:
        match select:
            case Dated(first, last):
                first_second = str(self.records.since(first))
                return {"start_date": first_second, "end_date": self._end(last)}
            case Open(through):
                until = {"end_date": self._end(through)} if through else {}
                return {"filter[paid]": "0", "filter[draft]": "0", **until}
            case _:
                return {}

    def _end(self, day: date) -> str:
        return str(self.records.since(day + timedelta(days=1)) - 1)

    def _listing(
        self, resource: Resource[Any], only: Mapping[str, str], cursor: str = "0.1"
    ) -> Request:
        how = {"sort": "updated_at ASC", "per_page": str(self._page_size)}
        request = Request("GET", resource.path, {**resource.parameters, **only, **how})
        return self.turned(resource, request, cursor)

    def turned(self, resource: Resource[Any], request: Request, cursor: str) -> Request:
        """The request for what a cursor says: from which change time on, and which page."""
        since, _, page = cursor.partition(".")
        kept = [e for e in request.params if e[0] not in ("updated_after", "page")]
        place = [("updated_after", since)] if since != "0" else []
        return evolve(request, params=(*kept, *place, ("page", page)))

    def next_cursor(
        self,
        resource: Resource[Any],
        asked: Request,
        response: Response,
        rows: Sequence[Any],
    ) -> str | None:
        """
        From the last row's change time on, or the next page of the same time.

        A row that is edited while pages are counted moves to the end and pushes its
        neighbours across the boundary, unseen. So pages are counted only where a whole
        page has one time, and none is jumped over.
        """
        params = dict(asked.params)
        full = len(rows) >= self._page_size and response.header("Link") is None
        if next_link(response) is None and not full:
            return None
        since, page = int(params.get("updated_after", "0")), int(params["page"])
        told = [row.get("updated_at") for row in rows if isinstance(row, Mapping)]
        stamps = [stamp for stamp in told if isinstance(stamp, int)]
        reached = stamps[-1] - 1 if stamps and stamps == sorted(stamps) else since
        return f"{reached}.1" if reached > since else f"{since}.{page + 1}"

    def all_rows(self, resource: Resource[Any], request: Request) -> Flow[list[Any]]:
        found: list[Any] = []
        for _ in range(FETCH_PAGES_MAX):
            response = yield from self.ask(request)
            rows = self.rows(resource, response)
            found += rows
            cursor = self.next_cursor(resource, request, response, rows)
            if cursor is None:
                return found
            request = self.turned(resource, request, cursor)
        raise Fault(Code.LOOPING_PAGES, "a search of endless pages", fate=Fate.UNCLEAR)

    def fetch_request(
        self, resource: Resource[Any], by: str, literals: Sequence[str]
    ) -> Request:
        if by == "id":  # an application stands in its payment
            return super().fetch_request(resource, by, [literals[0].partition(":")[0]])
        name = "filter[number]" if by == "number" else f"metadata[{self.records.key}]"
        return self._listing(resource, {name: literals[0]})

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        """Those of these ids and numbers; of a merged customer, into which one it went."""
        page = yield from super().fetch(kind, ids=ids, numbers=numbers)
        if kind is not Customer:
            return page
        there = {each.ref.id for each in page.records}
        there |= {each.source.id for each in page.issues if each.source}
        gone = [*page.gone]
        for each in dict.fromkeys(ids):
            if each not in there and self.is_id(each):
                gone += yield from self._merged(each)
        return evolve(page, gone=tuple(gone))

    def _merged(self, customer: str) -> Flow[list[Ref]]:
        """
        The customer that is gone, with the one that it was merged into, if events tell.

        They are a hint: what they do not tell, or may not be asked, is no failure.
        """
        asked = Request("GET", "events", {"related_to": f"customer,{customer}"})
        try:
            rows = self.rows(EVENTS, (yield from self.ask(asked)))
            into = [self.records.survivor(Fields(row), customer) for row in rows]
        except Fault as fault:
            lacks = fault.code is Code.PERMISSION_MISSING
            if fault.code.scope is Scope.CONNECTION and not lacks:
                raise
            return []
        found = next(filter(None, into), "")
        gone = Ref(self.connection, "Customer", customer, aliases=(found,))
        return [gone] if found else []

    # An invoice's money ---------------------------------------------------------------

    def detailed(self, page: Page[R]) -> Flow[Page[R]]:
        """The page with the payments behind its settlements."""
        levels = [each for each in page.records if isinstance(each, Settlement)]
        look, found, issues = Look.at(self, levels), list[Any](), [*page.issues]
        for level in levels:
            try:
                found.append((yield from look.receipted(level)))
            except Fault as fault:
                if fault.code.scope is Scope.CONNECTION:
                    raise
                numbers = (level.number,) if level.number else ()
                words = fault.field, fault.text, fault.remedy
                issues.append(Issue(fault.code, level.ref, numbers, *words))
        return (
            evolve(page, records=tuple(found), issues=tuple(issues)) if levels else page
        )

    def payments_of(self, customer: Ref | None, since: int) -> Flow[Told]:
        """
        A customer's payments that were touched from a second on, and what was unreadable.

        Whatever is applied to an invoice was touched after the invoice was made: so its
        payments are found without reading all that the customer ever paid.
        """
        resource = self.resources[Payment]
        only = {"filter[customer]": customer.id} if customer else {}
        asked = self._listing(resource, only, f"{max(since - 1, 0)}.1")
        rows = yield from self.all_rows(resource, asked)
        records, issues = self.load(resource, rows)
        return each_once(records), issues

    def found(self, kind: RecordType, ids: Sequence[str]) -> Flow[Sequence[Any]]:
        """The records of these ids."""
        page = yield from self.fetch(kind, ids=ids)
        return page.records

    def level_now(self, invoice: str) -> Flow[Settlement]:
        """What an invoice itself says now."""
        resource = self.resources[Settlement]
        response = yield from self.ask(self.fetch_request(resource, "id", [invoice]))
        return self.records.load_settlement(Fields(response.json()))

    # Answers --------------------------------------------------------------------------

    def explain(self, response: Response) -> tuple[str, str]:
        """The parameter at fault, else the type; the text names it too."""
        try:
            body = response.json()
        except Fault:
            body = None
        if not isinstance(body, Mapping):
            return "", response.text().strip()
        name, kind = (str(body.get(each) or "") for each in ("param", "type"))
        said = str(body.get("message") or kind or response.text().strip())
        return name or kind, f"{said} ({name})" if name and name not in said else said

    def judge(self, response: Response) -> Verdict:
        verdict = super().judge(response)
        unnamed = verdict.answer is Answer.WAIT and verdict.wait is None
        return evolve(verdict, wait=PAUSE) if unnamed else verdict

    # Writing --------------------------------------------------------------------------

    def write_one(self, change: Change) -> Flow[Outcome]:
        if change.kind is Settlement:
            return (yield from keep_level(change, Level(self, change)))
        if change.kind is Application:
            return (yield from self._write_application(change))
        resource = self.resource(change.kind)
        request = self.write_request(resource, change)
        if change.action is Action.UPDATE and not request.json:
            text = "nothing of what differs can be changed at Invoiced"
            raise Fault(Code.NOT_ALLOWED, text)
        if (
            change.kind is Payment
            and change.target
            and "applied_to" in (request.json or ())
        ):
            request = yield from self._keeping(request, change)
        response = yield from self.ask(request)
        return self.written(resource, change, response)

    def write_request(self, resource: Resource[Any], change: Change) -> Request:
        request = super().write_request(resource, change)
        if change.action is Action.VOID and change.kind is not Payment:
            return evolve(request, method="POST", url=f"{request.url}/void")
        return request

    def written(
        self, resource: Resource[Any], change: Change, response: Response
    ) -> Outcome:
        if change.action is Action.VOID and response.body:
            # Only the document as void confirms it; a sign-in page does not.
            record = resource.load(Fields(response.json()))
            if getattr(record, "status", None) is not Status.VOID:
                text = "the answer does not show the document as void"
                raise Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR)
        return super().written(resource, change, response)

    def payment_made(self, change: Change, body: Mapping[str, Any]) -> Request:
        """The request that makes a payment, with our key and our mark."""
        keyed = change.key and self.capabilities.idempotency_key
        key = {"Idempotency-Key": change.key} if keyed else {}
        mark = {"metadata": {self.records.key: change.mark}} if change.mark else {}
        return Request("POST", "payments", (), key, json={**body, **mark}, effect=True)

    def payment_changed(self, payment: str, body: Mapping[str, Any] | None) -> Request:
        """The request that changes a payment, or (None) voids it."""
        address = f"payments/{quote(payment, safe='')}"
        method = "DELETE" if body is None else "PATCH"
        return Request(method, address, json=body, effect=True)

    def _payment_row(self, identity: str) -> Flow[Fields]:
        resource = self.resources[Payment]
        response = yield from self.ask(self.fetch_request(resource, "id", [identity]))
        return Fields(response.json())

    def _keeping(self, request: Request, change: Change) -> Flow[Request]:
        """
        The update of a payment with what else it is applied to: fees, credit balance.

        Applications are written as a whole: what is not sent again is taken back.
        """
        before, target = change.before, change.target
        assert target is not None
        row = yield from self._payment_row(target.id)
        there = self.records.load_payment(row)
        if isinstance(before, Payment) and _put(there) != _put(before):
            text = "its applications changed since they were read"
            raise Fault(Code.STALE_VERSION, text)
        splits = row.children("applied_to")
        others = [each.raw for each in splits if each.text("type") not in WRITTEN]
        applied = [*request.json["applied_to"], *others]
        return evolve(request, json={**request.json, "applied_to": applied})

    def _write_application(self, change: Change) -> Flow[Outcome]:
        """A credit note applied by a payment of nothing, or taken out of its payment."""
        if change.target is not None:
            return (yield from self._take_out(change, change.target))
        after = change.after
        if not isinstance(after, Application) or after.source.kind != "CreditNote":
            text = "Invoiced applies a payment when the payment itself is written"
            raise Fault(Code.NOT_ALLOWED, text)
        notes = yield from self.found(CreditNote, [after.source.id])
        if not notes:
            raise Fault(Code.VANISHED, "the credit note is gone")
        body = {
            # Under the same customer: nobody would look for it elsewhere.
            "customer": int(notes[0].customer.id),
            "date": self.records.at(after.on),
            "currency": after.currency.lower(),
            "amount": ZERO,
            "method": self.records.method,
            "applied_to": [split(after, after)],
        }
        response = yield from self.ask(self.payment_made(change, body))
        payment = self.records.load_payment(Fields(response.json()))
        shown = next(iter(payment.applications), None)
        name = f"{payment.ref.id}:{after.source.id}-{after.target.id}"
        ref = shown.ref if shown else Ref(self.connection, "Application", name)
        return Outcome.applied(change, ref=ref, version=payment.version, echo=shown)

    def _take_out(self, change: Change, target: Ref) -> Flow[Outcome]:
        """The payment that holds nothing else is voided, another goes on without it."""
        owner = target.id.partition(":")[0]
        row = yield from self._payment_row(owner)
        payment = self.records.load_payment(row)
        if payment.status is Status.VOID:
            return Outcome.applied(change)
        splits = row.children("applied_to")
        named = [(self.records.application(payment, each), each.raw) for each in splits]
        kept = [raw for each, raw in named if each is None or each.ref != target]
        if len(kept) == len(splits):
            raise Fault(Code.VANISHED, "the payment is not applied so any more")
        body = {"applied_to": kept} if kept else None
        response = yield from self.ask(self.payment_changed(owner, body))
        if kept:
            return Outcome.applied(change)
        return self.written(self.resources[Payment], change, response)


def _put(payment: Payment) -> dict[str, Decimal]:
    """What a payment put where."""
    return {each.ref.id: each.amount for each in payment.applications}
