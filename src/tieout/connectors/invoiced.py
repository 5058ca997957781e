"""
Invoiced, the billing side: customers, invoices, credit notes, payments, and what is paid.

What was paid of an invoice is kept as one payment of ours. Estimates, subscriptions,
charges, refunds, events and webhooks are no part of it. Facts come from the vendor's API
documentation and its own clients; "unverified" says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attrs import define, evolve, field, frozen

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
    sound_day,
)
from tieout.errors import Code, ConfigError, Fate, Fault, Scope
from tieout.models import (
    Application,
    Basis,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    R,
    RecordType,
    Ref,
    Settlement,
    Status,
    clean_number,
)
from tieout.money import ZERO, parse_amount
from tieout.owned import Receipt, Wanted, keep_level, last_on, total
from tieout.wire import Answer, Flow, Request, Response, Verdict

BASE, SANDBOX = "https://api.invoiced.com", "https://api.sandbox.invoiced.com"

PAGE_MAX = 100
"""What a public client asks for; the vendor's most is not documented."""

PAUSE = 60.0
"""Seconds after a 429 that names none: what a public client waits."""

LIMITS = (caps.Limit(300, 60.0, caps.LimitScope.CREDENTIAL),)
"""The vendor publishes none: five a second is modest."""

NOON = time(12)
"""Dates are instants at Invoiced: at noon no zone of the reader's makes another day."""

ANCESTORS_MAX = 5
"""Parents of a customer that are looked at for payments; deeper trees are mistakes."""

KEYS_MAX, KEY_LENGTH_MAX, VALUE_LENGTH_MAX = 10, 40, 255
"""The vendor's limits of the metadata of one object."""

LINK = "https://app.invoiced.com/{path}/{id}"
PATHS: Mapping[str, str] = {
    "Customer": "customers",
    "Invoice": "invoices",
    "CreditNote": "credit_notes",
    "Payment": "payments",
}

# Invoiced's words -------------------------------------------------------------------

# fmt: off
_SENT = ("not_sent", "sent", "viewed", "past_due", "pending")
_INVOICE_STATUSES: Mapping[str, Status] = {
    "draft": Status.DRAFT, **dict.fromkeys(_SENT, Status.OPEN),
    "bad_debt": Status.OPEN,  # unverified; a closed invoice is still owed
    "paid": Status.SETTLED, "voided": Status.VOID,
}
_NOTE_STATUSES: Mapping[str, Status] = {
    "draft": Status.DRAFT, "open": Status.OPEN,
    "paid": Status.SETTLED, "closed": Status.SETTLED, "voided": Status.VOID,
}
_CASH, _CREDIT, _KEPT = Part.CASH, Part.CREDIT, None
_SPLITS: Mapping[str, Part | None] = {
    "invoice": _CASH, "convenience_fee": Part.OTHER,
    "credit_note": _CREDIT, "applied_credit": _CREDIT,
    # Kept for the customer: it settles no invoice yet.
    "credit": _KEPT, "estimate": _KEPT,
}
METHODS = ("ach", "cash", "check", "credit_card", "direct_debit", "eft", "other", "paypal", "wire_transfer")

_DATED = frozenset({Changed, Dated, Everything})
_SELECTS: Mapping[RecordType, frozenset[type]] = {
    Customer: frozenset({Changed, Everything}),
    **dict.fromkeys((Payment, Application), _DATED),
    **dict.fromkeys((Invoice, Settlement, CreditNote), _DATED | {Open}),
}

# Errors -----------------------------------------------------------------------------

_KEY = "Enter an API key of this business again; the sandbox has keys of its own."
_RIGHTS = "Give the API key, or the user it belongs to, the right to what is named."
_PARAMETER = "Correct the parameter that is named; it is tried again when the record changes."
_REMAP = "It was deleted, or merged into another. Link the record to the one that is there."
RULES = (
    Rule(Code.DUPLICATE_NUMBER, 400, "number", "taken|already|exists|unique|in use"),
    Rule(Code.REFUSED, 400, remedy=_PARAMETER),
    Rule(Code.SIGN_IN_REFUSED, 401, remedy=_KEY, answer=Answer.SIGN_IN),
    Rule(Code.PERMISSION_MISSING, 403, remedy=_RIGHTS),
    Rule(Code.NO_SUCH_RESOURCE, 404, remedy=_REMAP),
    Rule(Code.TOO_MANY_REQUESTS, 429, remedy="Run less often.", answer=Answer.WAIT),
)
# fmt: on

_SHARED = (
    "Invoiced applied it to something else too. Undo one of the two there by hand."
)
_LOOK = "Look at the invoice's payments and credit notes in Invoiced, then run again."


class Invoiced(RestConnector):
    """
    One business at Invoiced.

    ``company`` is your name for it and stays the same for ever: the API does not tell who
    it is, so a key of another business is not noticed. ``currency`` is its base currency,
    ``zone`` the one that its dates are in. ``item`` is the catalog item of lines without
    one, ``method`` that of payments without one.

    Facts that are unverified, each with the best guess as default:

    - ``page_size``: 100 is what others ask for;
    - ``limits``, ``concurrency``: the vendor publishes none;
    - ``idempotency_lifetime``: how long a repeated key makes nothing new;
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
        concurrency: int = 4,
        limits: tuple[caps.Limit, ...] = LIMITS,
        idempotency_lifetime: timedelta = timedelta(0),
        overlap: timedelta = timedelta(minutes=5),
        sweep_every: timedelta | None = timedelta(days=1),
        link: str = LINK,
    ) -> None:
        # fmt: off
        for holds, text in (
            (re.fullmatch(r"[\w.-]{1,60}", company, re.ASCII), "company is a short name without blanks"),
            (re.fullmatch(r"[!-~]+", api_key), "api_key is plain text"),
            (1 <= page_size <= PAGE_MAX, f"page_size is 1 to {PAGE_MAX}"),
            (re.fullmatch(r"[\w-]{1,40}", metadata_key, re.ASCII), "metadata_key has at most 40 letters"),
            (method in METHODS, f"method is one of {', '.join(METHODS)}"),
        ):
            if not holds:
                raise ConfigError(text)
        try:
            self._zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ConfigError(f"{zone!r} is no IANA time zone") from None
        self.connection = f"invoiced:{company}{'@sandbox' if sandbox else ''}"
        base = base_url.rstrip("/") or (SANDBOX if sandbox else BASE)
        self.auth = Headers(base, {"Authorization": basic(api_key, ""), "Accept": "application/json"})
        identity = self.connection.removeprefix("invoiced:")
        self._books = Books(identity, company, currency, zone)
        self._key, self.method, self._item = metadata_key, method, item
        self._page_size, self._link = page_size, link
        self.resources = self._resources()
        paid, notes = self.resources[Payment], self.resources[CreditNote]
        # Whether an invoice's change time moves with its money is not documented.
        self.feeds = (
            self.resources[Settlement], evolve(paid, load=self._paid),
            evolve(notes, load=self._issued, number_field=""),
        )
        payments = caps.Payments(
            feeds=(caps.Feed.STAMP, caps.Feed.PAYMENTS, caps.Feed.CREDITS),
            blind=frozenset({caps.Blind.DELETIONS}), sweep_every=sweep_every,
            parts=frozenset({_CASH, _CREDIT}), paid_on=Basis.LAST_RECEIPT,
            detail=caps.Cost.CALL_EACH, holds_date_alone=False, holds_open_date=True,
            owned_payment=True,
        )
        self.capabilities = caps.Capabilities(
            "Invoiced", self._kinds(), payments,
            idempotency_key=True, idempotency_lifetime=idempotency_lifetime,
            limits=limits, concurrency=concurrency, overlap=overlap,
            credits_applicable=True,
        )
        # fmt: on

    # fmt: off
    def _kinds(self) -> dict[RecordType, caps.Kind]:
        mark = caps.Mark(f"metadata[{self._key}]", length=VALUE_LENGTH_MAX)
        documents = "number currency on reference lines custom"
        return {
            of: caps.Kind(
                frozenset(Verb[verb] for verb in verbs.split()),
                _SELECTS[of],
                frozenset(writable.split()),
                caps.Creates.FINAL if "CREATE" in verbs else None,
                caps.Updates.SPARSE if "UPDATE" in verbs else caps.Updates.NONE,
                mark=mark if "CREATE" in verbs else None,
                page_size=self._page_size, fetch_size=1, stable_order=True,
                lists=3 if of is Settlement else 1, write_calls=calls,
            )
            for of, verbs, writable, calls in (
                (Customer, "READ CREATE UPDATE", "name number email currency parent custom", 1),
                (Invoice, "READ CREATE UPDATE VOID", f"{documents} due", 1),
                (CreditNote, "READ CREATE UPDATE VOID", documents, 1),
                (Payment, "READ CREATE UPDATE VOID", "on amount reference method applications custom", 2),
                (Application, "READ CREATE VOID", "", 2),
                (Settlement, "READ UPDATE", "settled_by paid_on last_on", 2),
            )
        }

    def _resources(self) -> dict[RecordType, Resource[Any]]:
        shown = {"include": "applied_to"}
        rows: tuple[tuple[Any, ...], ...] = (
            (Customer, "customers", self._customer, "number", self.customer_body, {}),
            (Invoice, "invoices", self._invoice, "number", self.document_body, {}),
            (Settlement, "invoices", self._settlement, "number", None, {}),
            (CreditNote, "credit_notes", self._note, "number", self.document_body, {}),
            (Payment, "payments", self._payment, "", self.payment_body, shown),
            (Application, "payments", self._applications, "", None, shown),
        )
        return {
            kind: Resource[Any](kind, path, load, number_field=name, parameters=more, one=True, dump=dump)
            for kind, path, load, name, dump, more in rows
        }
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
                return {"start_date": self._start(first), "end_date": self._end(last)}
            case Open(through):
                until = {"end_date": self._end(through)} if through else {}
                return {"filter[paid]": "0", "filter[draft]": "0", **until}
            case _:
                return {}

    def _start(self, day: date) -> str:
        return str(int(datetime.combine(day, time(), self._zone).timestamp()))

    def _end(self, day: date) -> str:
        return str(int(self._start(day + timedelta(days=1))) - 1)

    def _listing(
        self, resource: Resource[Any], only: Mapping[str, str], cursor: str = "0.1"
    ) -> Request:
        how = {"sort": "updated_at ASC", "per_page": str(self._page_size)}
        params = {**resource.parameters, **only, **how}
        return _turned(Request("GET", resource.path, params), cursor)

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
        page has one time, and are never jumped.
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
            request = _turned(request, cursor)
        raise Fault(Code.LOOPING_PAGES, "a search of endless pages", fate=Fate.UNCLEAR)

    def fetch_request(
        self, resource: Resource[Any], by: str, literals: Sequence[str]
    ) -> Request:
        if by == "id":  # an application stands in its payment
            return super().fetch_request(resource, by, [literals[0].partition(":")[0]])
        name = "filter[number]" if by == "number" else f"metadata[{self._key}]"
        return self._listing(resource, {name: literals[0]})

    def names(self, record: Any) -> Iterable[str]:
        return (getattr(record, "number", ""),)

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        page = yield from super().page(kind, select, cursor)
        if not isinstance(select, Open):
            return page
        # A void document is not paid either.
        owing = [r for r in page.records if getattr(r, "status", None) is Status.OPEN]
        return evolve(page, records=tuple(owing))

    # Answers --------------------------------------------------------------------------

    def explain(self, response: Response) -> tuple[str, str]:
        """The parameter at fault, else the type; the text names it too."""
        try:
            body = response.json()
        except Fault:
            body = None
        if not isinstance(body, Mapping):
            return "", response.text().strip()
        name = str(body.get("param") or "")
        said = str(body.get("message") or body.get("type") or response.text().strip())
        text = f"{said} ({name})" if name and name not in said else said
        return name or str(body.get("type") or ""), text

    def judge(self, response: Response) -> Verdict:
        verdict = super().judge(response)
        unnamed = verdict.answer is Answer.WAIT and verdict.wait is None
        return evolve(verdict, wait=PAUSE) if unnamed else verdict

    # Loading --------------------------------------------------------------------------

    def _ref(self, kind: str, identity: str) -> Ref:
        return Ref(self.connection, kind, identity)

    def _other(self, row: Fields, kind: str, name: str) -> Ref | None:
        return self._ref(kind, self.own_id(row, name)) if row.has(name) else None

    def _day(self, value: Any) -> date:
        return sound_day(_instant(value).astimezone(self._zone).date())

    def _customer(self, row: Fields) -> Customer:
        return Customer(
            self._ref("Customer", self.own_id(row)),
            row.text("name"),
            number=row.number("number"),
            email=row.text("email"),
            currency=_currency(row) if row.raw.get("currency") else "",
            active=row.flag("active", default=True),
            parent=self._other(row, "Customer", "parent_customer"),
            **_stamped(row),
        )

    def _head(self, row: Fields, kind: str) -> dict[str, Any]:
        """What all documents have in common, by the names of the records' fields."""
        currency = _currency(row)
        return {
            "ref": self._ref(kind, self.own_id(row)),
            "number": row.number("number"),
            "customer": self._ref("Customer", self.own_id(row, "customer")),
            "currency": currency,
            "total": row.amount("total", currency),
            "reference": clean_number(row.text("purchase_order")),
            **_stamped(row),
        }

    def _settlement(self, row: Fields) -> Settlement:
        """What the invoice itself says; `detailed` adds what its payments say."""
        head, on = self._head(row, "Invoice"), row.maybe("date", self._day)
        balance = row.amount("balance", head["currency"])
        status = _status(row, _INVOICE_STATUSES, balance)
        return Settlement(
            **head,
            balance=ZERO if status is Status.VOID else balance,
            status=status,
            on=on,
            settled_by={} if status is Status.VOID else {_CASH: ZERO, _CREDIT: ZERO},
            # From when on its payments can have been applied to it.
            carry=row.maybe("created_at", _seconds) or 0,
        )

    def _invoice(self, row: Fields) -> Invoice:
        head, balance = self._document(row, "Invoice")
        status = _status(row, _INVOICE_STATUSES, balance)
        return Invoice(**head, status=status, due=row.maybe("due_date", self._day))

    def _note(self, row: Fields) -> CreditNote:
        head, left = self._document(row, "CreditNote")
        status = _status(row, _NOTE_STATUSES, left)
        return CreditNote(**head, status=status, remaining=left)

    def _document(self, row: Fields, kind: str) -> tuple[dict[str, Any], Decimal]:
        head = self._head(row, kind)
        currency = head["currency"]
        lines = [
            line
            for each in row.children("items")
            for line in (self._line(each, currency), *_discounts(each, currency))
        ]
        lines += [*_discounts(row, currency), *_taxes(row, currency)]
        head |= {"on": row.read("date", self._day), "lines": tuple(lines)}
        return head, row.amount("balance", currency)

    def _line(self, row: Fields, currency: str) -> Line:
        taxes = _taxes(row, currency)
        title = (row.text("name"), row.text("description"))
        return Line(
            ": ".join(filter(None, title)),
            row.maybe_amount("amount", currency) or ZERO,
            quantity=row.maybe("quantity", parse_amount),
            unit_price=row.maybe("unit_cost", parse_amount),
            tax=sum((each.tax or ZERO for each in taxes), ZERO) if taxes else None,
            tax_code=taxes[0].tax_code if taxes else "",
            item=row.maybe("catalog_item", _name) or "",
            custom=_metadata(row),
        )

    def _payment(self, row: Fields) -> Payment:
        """
        A payment with its applications, where the answer shows them.

        ``unapplied`` takes in what was put to the customer's credit balance, and deposits
        on estimates.
        """
        currency = _currency(row)
        rest = row.maybe_amount("balance", currency) or ZERO
        bare = Payment(
            self._ref("Payment", self.own_id(row)),
            self._other(row, "Customer", "customer"),
            currency,
            row.read("date", self._day),
            row.amount("amount", currency),
            _payment_status(row),
            reference=clean_number(row.text("reference")),
            unapplied=rest,
            method=row.text("method"),
            **_stamped(row),
        )
        if row.has("applied_to"):
            bare = self._applied(bare, rest, row.children("applied_to"))
        open_still = bare.status is Status.SETTLED and bare.unapplied
        return evolve(bare, status=Status.OPEN) if open_still else bare

    def _applied(self, bare: Payment, rest: Decimal, splits: list[Fields]) -> Payment:
        """The payment with what it was applied to, which has to make its amount."""
        sums = dict.fromkeys(_SPLITS.values(), ZERO)
        found: dict[str, Application] = {}
        for split in splits:
            how = split.choice("type", _SPLITS)
            amount = split.amount("amount", bare.currency)
            sums[how] += amount
            each = self._application(bare, how, amount, split)
            if each is not None:
                held = found.get(each.ref.id)
                amount += held.amount if held else ZERO
                found[each.ref.id] = evolve(each, amount=amount, source_amount=amount)
        credit = sums.pop(_CREDIT)
        cash = sum(sums.values(), rest)
        # Whether credits count in the amount is not documented: either is taken.
        if bare.status is not Status.VOID and bare.amount not in (cash, cash + credit):
            text = (
                f"the amount is {bare.amount}, its parts are {cash} and {credit} credit"
            )
            raise Fault(Code.TOTALS_DISAGREE, text, field="amount", remedy=_LOOK)
        return evolve(
            bare,
            amount=cash,
            unapplied=rest + sums[_KEPT],
            applications=tuple(found.values()),
        )

    def _application(
        self, of: Payment, how: Part | None, amount: Decimal, split: Fields
    ) -> Application | None:
        """
        What one split put to an invoice, if it did.

        A fee is an invoice of its own to a ledger: it is the target of its application.
        """
        if how is None or (how is _CREDIT and not split.has("invoice")):
            return None
        if how is Part.OTHER:
            source, part, target = of.ref, "fee", f"{of.ref.id}:fee"
        else:
            part = target = self.own_id(split, "invoice")
            source = of.ref
        if how is _CREDIT and split.has("credit_note"):
            source = self._ref("CreditNote", self.own_id(split, "credit_note"))
            part = f"{source.id}-{target}"
        elif how is _CREDIT:
            source, part = of.customer or of.ref, f"balance-{target}"
        return Application(
            self._ref("Application", f"{of.ref.id}:{part}"),
            source,
            self._ref("Invoice", target),
            amount,
            of.currency,
            of.on,
            how,
            live=of.status is not Status.VOID,
            source_currency=of.currency,
            changed_at=of.changed_at,
            version=of.version,
            custom=of.custom,
        )

    def payment_of(self, response: Response) -> Payment:
        """The payment that an answer shows."""
        return self._payment(Fields(response.json()))

    def _applications(self, row: Fields) -> tuple[Application, ...]:
        return self._payment(row).applications

    def _paid(self, row: Fields) -> tuple[Ref, ...]:
        """The invoices that a payment, perhaps a void one, is or was applied to."""
        splits = row.children("applied_to")
        return tuple(
            self._ref("Invoice", self.own_id(each, "invoice"))
            for each in splits
            if each.has("invoice")
        )

    def _issued(self, row: Fields) -> tuple[Ref, ...]:
        """The invoice that a credit note was issued against."""
        invoice = self._other(row, "Invoice", "invoice")
        return (invoice,) if invoice else ()

    # An invoice's money ---------------------------------------------------------------

    def detailed(self, page: Page[R]) -> Flow[Page[R]]:
        """The page with the payments behind its settlements."""
        levels = [each for each in page.records if isinstance(each, Settlement)]
        if not levels:
            return page
        since: dict[Ref, int] = {}
        for each in levels:
            if each.customer is not None:
                since[each.customer] = min(
                    each.carry, since.get(each.customer, each.carry)
                )
        look, records, issues = _Look(self, since), list[Any](), [*page.issues]
        for record in levels:
            try:
                records.append((yield from look.receipted(record)))
            except Fault as fault:
                if fault.code.scope is Scope.CONNECTION:
                    raise
                numbers = (record.number,) if record.number else ()
                words = fault.field, fault.text, fault.remedy
                issues.append(Issue(fault.code, record.ref, numbers, *words))
        return evolve(page, records=tuple(records), issues=tuple(issues))

    def payments_of(
        self, customer: Ref | None, since: int
    ) -> Flow[tuple[list[Payment], tuple[Issue, ...]]]:
        """
        A customer's payments that were touched from a second on, and what was unreadable.

        Whatever is applied to an invoice was touched after the invoice was made, so this
        finds all of its payments without reading all that the customer ever paid.
        """
        resource = self.resources[Payment]
        only = {"filter[customer]": customer.id} if customer else {}
        asked = self._listing(resource, only, f"{max(since - 1, 0)}.1")
        rows = yield from self.all_rows(resource, asked)
        records, issues = self.load(resource, rows)
        return list({each.ref.id: each for each in records}.values()), issues

    # Writing --------------------------------------------------------------------------

    def write_one(self, change: Change) -> Flow[Outcome]:
        if change.kind is Settlement:
            return (yield from keep_level(change, _Level(self, change)))
        if change.kind is Application:
            return (yield from self._write_application(change))
        resource = self.resource(change.kind)
        request = self.write_request(resource, change)
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

    def customer_body(self, change: Change) -> dict[str, Any]:
        """What is sent of a customer."""

        def fields(of: Any) -> dict[str, Any]:
            return {
                "name": of.name,
                "number": of.number,
                "email": of.email,
                "currency": of.currency.lower(),
                "parent_customer": _own(of.parent) if of.parent else None,
            }

        return _differing(change, fields) | self.marked(change)

    def document_body(self, change: Change) -> dict[str, Any]:
        """What is sent of an invoice or a credit note; an update leaves out what stays."""

        def fields(of: Any) -> dict[str, Any]:
            due = getattr(of, "due", None)
            return {
                "number": of.number,
                "currency": of.currency.lower(),
                "date": self.at(of.on),
                "due_date": due and self.at(due),
                "purchase_order": of.reference,
                "draft": of.status is Status.DRAFT,
            }

        before, after = change.before, change.after
        assert isinstance(after, Invoice | CreditNote)
        body = _differing(change, fields) | self.marked(change)
        told = (after.lines, after.total)
        if not isinstance(before, Invoice | CreditNote):
            body |= {"customer": _own(after.customer), "calculate_taxes": False}
            return {**body, "items": self._items(after)}
        if after.customer != before.customer:
            text = "Invoiced does not move a document to another customer"
            raise Fault(Code.NOT_ALLOWED, text, field="customer")
        if told != (before.lines, before.total):
            # Discounts and taxes of the whole document were read as lines.
            rest = {"discounts": [], "taxes": [], "calculate_taxes": False}
            body |= {"items": self._items(after), **rest}
        return body

    def _items(self, of: Invoice | CreditNote) -> list[dict[str, Any]]:
        lines = of.lines or (Line(of.reference or of.number, of.total),)
        return [self._item_of(line) for line in lines]

    def _item_of(self, line: Line) -> dict[str, Any]:
        """One line, whose quantity times price is its amount to the last digit."""
        quantity, price = line.quantity, line.unit_price
        if quantity is None or price is None or quantity * price != line.amount:
            quantity, price = Decimal(1), line.amount
        item = line.item or self._item
        metadata = _metadata_of({**line.custom, **line.dimensions})
        sent = {
            "catalog_item": item,
            "name": line.description or item or "-",
            "quantity": quantity,
            "unit_cost": price,
            "taxes": [{"amount": line.tax}] if line.tax else None,
            "metadata": metadata or None,
        }
        return {name: value for name, value in sent.items() if value not in (None, "")}

    def payment_body(self, change: Change) -> dict[str, Any]:
        """What is sent of a payment."""

        def fields(of: Any) -> dict[str, Any]:
            return {
                "date": self.at(of.on),
                "amount": of.amount,
                "method": of.method if of.method in METHODS else self.method,
                "reference": of.reference,
                "applied_to": [
                    _split(each, of) for each in of.applications if _ours(each)
                ],
            }

        after, body = change.after, _differing(change, fields) | self.marked(change)
        assert isinstance(after, Payment)
        if change.before is not None:
            return body
        customer = {"customer": _own(after.customer)} if after.customer else {}
        return {**customer, "currency": after.currency.lower(), **body}

    def _keeping(self, request: Request, change: Change) -> Flow[Request]:
        """
        The update of a payment with what it is applied to besides: fees, credit balance.

        Applications are written as a whole: what is not sent again is taken back.
        """
        assert change.target is not None
        row = yield from self.payment_row(change.target.id)
        before = change.before
        if isinstance(before, Payment):
            now = {a.ref.id: a.amount for a in self._payment(row).applications}
            if now != {a.ref.id: a.amount for a in before.applications}:
                text = "its applications changed since they were read"
                raise Fault(Code.STALE_VERSION, text)
        others = [
            each.raw
            for each in row.children("applied_to")
            if each.text("type") not in ("invoice", "credit_note")
        ]
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
        path = f"{PATHS['CreditNote']}/{quote(after.source.id, safe='')}"
        answer = yield from self.ask(Request("GET", path))
        # Under the same customer, or nobody would look for it there.
        body = {
            "customer": int(Fields(answer.json()).id("customer")),
            "date": self.at(after.on),
            "currency": after.currency.lower(),
            "amount": ZERO,
            "method": self.method,
            "applied_to": [_split(after, after)],
        }
        response = yield from self.ask(self.creating(change, body))
        payment = self._payment(Fields(response.json()))
        shown = next(iter(payment.applications), None)
        name = f"{payment.ref.id}:{after.source.id}-{after.target.id}"
        ref = shown.ref if shown else self._ref("Application", name)
        return Outcome.applied(change, ref=ref, version=payment.version, echo=shown)

    def _take_out(self, change: Change, target: Ref) -> Flow[Outcome]:
        owner = target.id.partition(":")[0]
        row = yield from self.payment_row(owner)
        payment = self._payment(row)
        if payment.status is Status.VOID:
            return Outcome.applied(change)
        splits = row.children("applied_to")
        kept = [each for each in splits if self._name_of(payment, each) != target.id]
        if len(kept) == len(splits):
            raise Fault(Code.VANISHED, "the payment is not applied so any more")
        body = {"applied_to": [each.raw for each in kept]} if kept else None
        response = yield from self.ask(self.paying(owner, body))
        if not kept:
            return self.written(self.resources[Payment], change, response)
        return Outcome.applied(change)

    def _name_of(self, payment: Payment, split: Fields) -> str:
        how = split.choice("type", _SPLITS)
        found = self._application(payment, how, ZERO, split)
        return found.ref.id if found else ""

    # Payments, as they are written

    def at(self, day: date) -> int:
        """A day as Invoiced has it."""
        return int(datetime.combine(day, NOON, self._zone).timestamp())

    def marked(self, change: Change) -> dict[str, Any]:
        """
        The metadata to send: what is there, what is wanted, and on a create our mark.

        It goes as a whole, since a part may wipe out the rest (not documented).
        """
        before, after = change.before, change.after
        kept = dict(before.custom) if before else {}
        mark = {self._key: change.mark} if change.mark and change.target is None else {}
        wanted = {**kept, **(after.custom if after else {}), **mark}
        return {} if wanted == kept else {"metadata": _metadata_of(wanted)}

    def payment_row(self, identity: str) -> Flow[Fields]:
        """One payment with what it is applied to."""
        resource = self.resources[Payment]
        response = yield from self.ask(self.fetch_request(resource, "id", [identity]))
        return Fields(response.json())

    def creating(self, change: Change, body: Mapping[str, Any]) -> Request:
        """The request that makes a payment, with our key and our mark."""
        key = {"Idempotency-Key": change.key} if change.key else {}
        mark = {"metadata": {self._key: change.mark}} if change.mark else {}
        sent = {**body, **mark}
        return Request("POST", PATHS["Payment"], (), key, json=sent, effect=True)

    def paying(self, payment: str, body: Mapping[str, Any] | None) -> Request:
        """The request that changes a payment, or (None) voids it."""
        address = f"{PATHS['Payment']}/{quote(payment, safe='')}"
        if body is None:
            return Request("DELETE", address, effect=True)
        return Request("PATCH", address, json=body, effect=True)


# An invoice's money -----------------------------------------------------------------


@frozen
class _Held(Receipt):
    """A receipt, and whether its payment is of this invoice alone."""

    alone: bool = True


@define
class _Look:
    """The payments behind the settlements of one page; each customer's are read once."""

    of: Invoiced
    since: Mapping[Ref, int]
    payments: dict[Ref, tuple[list[Payment], tuple[Issue, ...]]] = field(factory=dict)
    parents: dict[Ref, Ref | None] = field(factory=dict)

    def receipted(self, record: Settlement) -> Flow[Settlement]:
        """A settlement with its parts and days; no call where nothing was settled."""
        owner = record.customer
        if owner is None or not record.settled or record.status is Status.VOID:
            return record
        found, bad = yield from self._payments_of(owner, record)
        cash, credit = _told(record, found)
        for _ in range(ANCESTORS_MAX):
            if owner is None or total(cash) + credit >= record.settled:
                break
            # Parents pay for their children.
            owner = yield from self._parent(owner)
            if owner is not None:
                more, worse = yield from self._payments_of(owner, record)
                found, bad = [*found, *more], (*bad, *worse)
                cash, credit = _told(record, found)
        rest = record.settled - total(cash) - credit
        if rest and bad:
            raise Fault(bad[0].code, f"payment: {bad[0].text}", field=bad[0].field)
        if rest < 0:
            text = (
                f"{record.settled} is settled, payments {total(cash)}, credits {credit}"
            )
            raise Fault(Code.TOTALS_DISAGREE, text, field="balance", remedy=_LOOK)
        # No payment shows a credit note that was issued against the invoice.
        return _with(record, cash, credit + rest)

    def _payments_of(
        self, owner: Ref, record: Settlement
    ) -> Flow[tuple[list[Payment], tuple[Issue, ...]]]:
        if owner not in self.payments:
            since = self.since.get(record.customer or owner, 0)
            self.payments[owner] = yield from self.of.payments_of(owner, since)
        return self.payments[owner]

    def _parent(self, owner: Ref) -> Flow[Ref | None]:
        if owner not in self.parents:
            page = yield from self.of.fetch(Customer, ids=[owner.id])
            found = {each.ref: each.parent for each in page.records}
            self.parents[owner] = found.get(owner)
        return self.parents[owner]


def _with(record: Settlement, cash: Sequence[Receipt], credit: Decimal) -> Settlement:
    latest = last_on(cash)
    paid_on = latest if record.status is Status.SETTLED else None
    return evolve(
        record,
        settled_by={_CASH: total(cash), _CREDIT: credit},
        receipts=tuple(each.id for each in cash),
        last_on=latest,
        paid_on=paid_on,
        basis=Basis.LAST_RECEIPT if paid_on else None,
    )


def _told(
    record: Settlement, payments: Sequence[Payment]
) -> tuple[list[_Held], Decimal]:
    """
    The cash and the credit of an invoice: of the payments that went through, and of those
    under way too, where only that makes what the invoice says.
    """
    done = [each for each in payments if each.status is not Status.DRAFT]
    for some in (done, payments):
        cash, credit = _shares(record.ref, some)
        if total(cash) + credit == record.settled:
            return cash, credit
    return _shares(record.ref, done)


def _shares(ref: Ref, payments: Iterable[Payment]) -> tuple[list[_Held], Decimal]:
    """What payments put to an invoice: cash, payment by payment, and credit."""
    held, credit = list[_Held](), ZERO
    for payment in payments:
        mine = [
            each for each in payment.applications if each.live and each.target == ref
        ]
        cash = sum((each.amount for each in mine if each.how is _CASH), ZERO)
        credit += sum((each.amount for each in mine if each.how is _CREDIT), ZERO)
        if cash:
            alone = len(payment.applications) == 1 and not payment.unapplied
            held.append(_Held(payment.ref.id, cash, payment.on, alone))
    return sorted(held, key=lambda each: int(each.id)), credit


@frozen
class _Level:
    """The payment records of the invoice that one change is about."""

    of: Invoiced
    change: Change

    def ask(self, request: Request) -> Flow[Response]:
        response = yield from self.of.ask(request)
        if request.method == "DELETE" and response.body:
            # The record stays and shows that it is void: that is its removal.
            shown = response.json()
            void = isinstance(shown, Mapping) and shown.get("voided") is True
            return evolve(response, body=b"") if void else response
        return response

    def receipts(self, invoice: Settlement) -> Flow[list[Receipt]]:
        """Its cash payments: its customer's, and those that were seen before."""
        payments, _ = yield from self.of.payments_of(
            invoice.customer, invoice.carry or 0
        )
        there = {each.ref.id for each in payments}
        elsewhere = [each for each in invoice.receipts if each not in there]
        if elsewhere:
            page = yield from self.of.fetch(Payment, ids=elsewhere)
            payments = [*payments, *page.records]
        before = self.change.before
        seen = before if isinstance(before, Settlement) else invoice
        return [*_told(evolve(seen, ref=invoice.ref), payments)[0]]

    def payment_request(
        self, invoice: Settlement, wanted: Wanted, held: Receipt | None
    ) -> Request:
        split = {
            "type": "invoice",
            "invoice": _own(invoice.ref),
            "amount": wanted.amount,
        }
        on = {"date": self.of.at(wanted.on)} if wanted.on else {}
        money = {"amount": wanted.amount, "applied_to": [split]}
        if held is None:
            owner = {"customer": _own(invoice.customer)} if invoice.customer else {}
            how = {"currency": invoice.currency.lower(), "method": self.of.method}
            return self.of.creating(self.change, {**owner, **on, **how, **money})
        if isinstance(held, _Held) and not held.alone:
            text = f"payment {held.id} is not of this invoice alone"
            raise Fault(Code.PAID_ON_BOTH_SIDES, text, remedy=_SHARED)
        if not wanted.amount:
            return self.of.paying(held.id, None)
        differs = wanted.differs(held)
        edits = {
            **(money if "amount" in differs else {}),
            **(on if "on" in differs else {}),
        }
        return self.of.paying(held.id, edits)

    def receipt_in(self, response: Response, invoice: Settlement) -> Receipt | None:
        payment = self.of.payment_of(response)
        if payment.status is Status.VOID:
            return None
        if payment.applications:
            return next(iter(_shares(invoice.ref, [payment])[0]), None)
        # Applications may be hidden: ours is of one invoice, and what is not left of it
        # was applied.
        return Receipt(
            payment.ref.id, payment.amount - (payment.unapplied or ZERO), payment.on
        )


# Fields -----------------------------------------------------------------------------


def _turned(request: Request, cursor: str) -> Request:
    """The request for what a cursor says: from a change time on, and which page."""
    since, _, page = cursor.partition(".")
    kept = [e for e in request.params if e[0] not in ("updated_after", "page")]
    place = [("updated_after", since)] if since != "0" else []
    return evolve(request, params=(*kept, *place, ("page", page)))


def _seconds(value: Any) -> int:
    """UNIX seconds, which some clients' databases turn into text."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value, re.ASCII):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**12:
        return value
    raise Fault(Code.BAD_DATE, "it is no UNIX time in seconds")


def _instant(value: Any) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=_seconds(value))


def _stamped(row: Fields) -> dict[str, Any]:
    """Change time, version and metadata of any record."""
    return {
        "changed_at": row.maybe("updated_at", _instant),
        "version": row.text("updated_at"),
        "custom": _metadata(row),
    }


def _metadata(row: Fields) -> dict[str, Any]:
    """Custom values as they are; an empty collection may come as a list."""
    held = row.raw.get("metadata")
    found = held if isinstance(held, Mapping) else {}
    scalars = (str, bool, Decimal)
    usual = {n: Decimal(v) if type(v) is int else v for n, v in found.items()}
    return {str(n): v for n, v in usual.items() if isinstance(v, scalars)}


def _metadata_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Custom values as metadata; `Fault` NOT_ALLOWED where the vendor takes no such."""
    told = {name: _written(value) for name, value in values.items()}
    long = [
        n
        for n, v in told.items()
        if len(n) > KEY_LENGTH_MAX or len(v) > VALUE_LENGTH_MAX
    ]
    if len(told) > KEYS_MAX or long:
        text = (
            f"{', '.join(long)} too long"
            if long
            else f"{len(told)} keys, {KEYS_MAX} fit"
        )
        raise Fault(Code.NOT_ALLOWED, f"metadata: {text}", field="metadata")
    return told


def _written(value: Any) -> str:
    match value:
        case bool():
            return "1" if value else "0"
        case Decimal():
            return format(value, "f")
        case _:
            return str(value)


def _currency(row: Fields) -> str:
    """The ISO code, which Invoiced writes in small letters."""
    told = row.raw.get("currency")
    if isinstance(told, str) and re.fullmatch("[a-z]{3}", told, re.ASCII):
        told = told.upper()
    return Fields({"currency": told}).currency("currency")


def _name(value: Any) -> str:
    """An id, also where the whole object stands in its place."""
    return Fields(value if isinstance(value, Mapping) else {"id": value}).id("id")


def _status(row: Fields, table: Mapping[str, Status], balance: Decimal) -> Status:
    """Where a document is: the status is what customers see, what is owed decides."""
    told = row.choice("status", table)
    if told is Status.VOID or told is Status.DRAFT or row.flag("draft"):
        return told if told is Status.VOID else Status.DRAFT
    if told is Status.SETTLED and balance > 0 and row.text("status") == "paid":
        text = f"it is called paid, and {balance} is owed"
        raise Fault(Code.TOTALS_DISAGREE, text, field="status", remedy=_LOOK)
    return Status.SETTLED if balance <= 0 else told


def _payment_status(row: Fields) -> Status:
    """A charge that failed paid nothing; one under way has paid nothing yet."""
    charge = row.inside("charge").text("status")
    if row.flag("voided") or charge == "failed":
        return Status.VOID
    return Status.DRAFT if charge == "pending" else Status.SETTLED


def _discounts(row: Fields, currency: str) -> list[Line]:
    """Discounts as lines of their own."""
    amounts = [each.amount("amount", currency) for each in row.children("discounts")]
    return [Line("Discount", -amount) for amount in amounts]


def _taxes(row: Fields, currency: str) -> list[Line]:
    """Taxes as lines of nothing but tax."""
    return [
        Line(
            "Tax",
            tax=each.amount("amount", currency),
            tax_code=each.maybe("tax_rate", _name) or "",
        )
        for each in row.children("taxes")
    ]


# What is sent -----------------------------------------------------------------------


def _own(ref: Ref | None) -> int:
    """An id as Invoiced has it: a whole number."""
    if ref is None or not re.fullmatch(r"[0-9]{1,18}", ref.id, re.ASCII):
        text = f"{ref.id if ref else 'none'} is no id of Invoiced"
        raise Fault(Code.NOT_ALLOWED, text)
    return int(ref.id)


def _ours(each: Application) -> bool:
    """Whether an application can be written: of the payment, or of a credit note."""
    return (
        each.live
        and each.source.kind in ("Payment", "CreditNote")
        and each.how in (_CASH, _CREDIT)
    )


def _split(each: Application, of: Payment | Application) -> dict[str, Any]:
    """An application as one split of a payment."""
    if each.currency != of.currency:
        text = f"{each.currency} and {of.currency} in one payment"
        raise Fault(Code.NOT_ALLOWED, text, field="currency")
    to = {"invoice": _own(each.target), "amount": each.amount}
    if each.source.kind != "CreditNote":
        return {"type": "invoice", **to}
    note = {"credit_note": _own(each.source), "document_type": "invoice"}
    return {"type": "credit_note", **note, **to}


def _differing(
    change: Change, fields: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    """What is sent: of a new record all that there is, else what differs (null clears)."""
    wanted = fields(change.after)
    if change.before is None:
        return {
            name: value for name, value in wanted.items() if value not in (None, "")
        }
    held = fields(change.before)
    return {
        name: None if value == "" else value
        for name, value in wanted.items()
        if value != held[name]
    }
