"""
Autotask PSA, the billing side: invoices, when they were paid, and what was handed over.

It writes of an invoice its number, its paid date and its web service date, and nothing
else: Autotask holds no amount that was paid, so a part payment is not written at all.
Tickets, contracts, PDFs and webhooks are no part of it. Facts come from the vendor's help
pages and public clients of its API; "unverified" says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from attrs import evolve, field, frozen

from tieout import capabilities as caps
from tieout.auth import Grant
from tieout.capabilities import Changed, Dated, Everything, Open, Select, Unposted, Verb
from tieout.change import Action, Change, Outcome
from tieout.connector import (
    Books,
    Fields,
    Resource,
    RestConnector,
    Rule,
    iso_day,
    iso_instant,
    judge,
)
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.models import (
    Basis,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Posting,
    RecordType,
    Ref,
    Settlement,
    Status,
    clean_number,
)
from tieout.money import ZERO, exponent, parse_amount
from tieout.wire import Answer, Flow, Request, Response, Verdict

PAGE_MAX = 500
"""Records in one page, and values in one query: Autotask takes no more of either."""

FETCH_MAX = 250
"""Numbers in one query: each may be asked for in two fields."""

NUMBER_LENGTH = 100
"""Characters of an invoice's number."""

ZONE_LASTS = timedelta(hours=24)
"""How long a zone is believed; where a database moves meanwhile, the old one says 401."""

PAUSES = {Code.TOO_MANY_REQUESTS: 60.0, Code.DAY_LIMIT_REACHED: 600.0}
"""Seconds, where Autotask names no pause. The quota is that of a rolling hour: too long
for a run to sit out, so it ends and says when to go on."""

DISCOVERY = "https://webservices2.autotask.net/atservicesrest/"
QUESTION = "zoneInformation"
"""Which database is a user's, and where it lives: every zone answers it."""

# fmt: off
LINK_PATHS: Mapping[str, str] = {
    "Customer": "Autotask/AutotaskExtend/ExecuteCommand.aspx?Code=OpenAccount&AccountID={id}",
    **dict.fromkeys(("Invoice", "CreditNote", "Posting"), "Mvc/Contracts/InvoiceViewer.mvc?invoiceId={id}"),
}
"""Pages for people, below the address that they sign in at; the invoice's is second hand."""

FIELDS: Mapping[RecordType, str] = {
    Settlement: "id companyID invoiceNumber invoiceDateTime invoiceTotal isVoided paidDate orderNumber",
    Posting: "id invoiceNumber webServiceDate",
}
"""What is read where a few fields are enough; ``id`` always, or there is no second page."""

HELD, LINE_HELD = ("paymentTerm", "batchID"), ("id", "billingItemType", "lineItemID", "contractID", "projectID")

# Errors -------------------------------------------------------------------------------

ERRORS = "errors"
"""Our code for Autotask's own envelope: a list of what is wrong."""

_KEYS = "Check the API user's name and secret and the integration code; the user must be active."
_USER = "No zone knows this user: check its name, and base_url if the site is one of its own."
_QUOTA = "All integrations share it: Admin > Extensions & Integrations > API Activity by Hour names the culprit."
_LEVEL = "Give the API user's security level what is named, and the invoices' line of business."
_GONE = "It is gone, or of a line of business that the API user does not see."
_FIELD = "If the field is one of your arguments, correct it; otherwise report it with the text."
_FIX = "Correct what is named; it is tried again when the record changes."

# The vendor lists no texts: these are words that were seen, or guesses. What says what is
# wrong with a request was refused; all else in a 500 proves nothing.
_USED_UP = r"threshold.*exceeded|exceeded.*threshold"
_FAILED = r"unexpected error|internal (server )?error|time(d )?[- ]?out|deadlock|try again"
_FORBIDDEN = r"forbidden|permission|not authori[sz]ed|access (is )?denied"
_WRONG = (
    r"required|invalid|not valid|must (be|have|not)|can ?not|not allowed|read.?only|exceed|too long"
    r"|does not exist|not found"
)
_WAIT, _UNCLEAR = Answer.WAIT, Answer.UNCLEAR

RULES = (
    Rule(Code.DAY_LIMIT_REACHED, None, "", _USED_UP, _QUOTA, _WAIT),
    Rule(Code.DAY_LIMIT_REACHED, 500, "", _USED_UP, _QUOTA, _WAIT),
    Rule(Code.TOO_MANY_REQUESTS, 429, answer=_WAIT),
    # The database may have moved: the session asks for its zone once.
    Rule(Code.SIGN_IN_REFUSED, 401, remedy=_KEYS, answer=Answer.SIGN_IN),
    Rule(Code.PERMISSION_MISSING, 403, remedy=_LEVEL),
    Rule(Code.NO_SUCH_RESOURCE, 404, remedy=_GONE),
    Rule(Code.REFUSED, 409, remedy=_FIX),
    Rule(Code.REFUSED, 422, remedy=_FIX),
    Rule(Code.SERVER_ERROR, 500, ERRORS, _FAILED, answer=_UNCLEAR),
    Rule(Code.PERMISSION_MISSING, 500, ERRORS, _FORBIDDEN, _LEVEL),
    Rule(Code.UNKNOWN_ERROR, 500, ERRORS, "unable to find .* in the .* entity", _FIELD),
    Rule(Code.DUPLICATE_NUMBER, 500, ERRORS, r"already (exists|in use|used)|duplicate|must be unique"),
    Rule(Code.REFUSED, 500, ERRORS, _WRONG, _FIX),
    Rule(Code.UNKNOWN_ERROR, 500, ERRORS, answer=_UNCLEAR),
    Rule(Code.UNKNOWN_ERROR, 200, ERRORS, answer=_UNCLEAR),
)
ZONE_RULES = tuple(Rule(Code.SIGN_IN_REFUSED, each, remedy=_USER) for each in (400, 401, 403, 404, 500))
"""An unknown user is told by any status; 429 and gateways mean what they always do."""
# fmt: on


def explain(response: Response) -> tuple[str, str]:
    """Whether an answer lists errors, and their texts with their fields."""
    try:
        body = response.json()
    except Fault:
        body = None
    told: Mapping[str, Any] = body if isinstance(body, dict) else {}
    listed = told.get("errors")
    if isinstance(listed, list) and listed:
        return ERRORS, "; ".join(map(_complaint, listed))
    # An address that does not exist is answered by the web server itself.
    return "", str(told.get("Message") or response.text().strip())


def _complaint(error: Any) -> str:
    if not isinstance(error, Mapping):
        return str(error)
    told = (error.get("field"), error.get("message"))
    return ": ".join(str(each) for each in told if each)


# Signing in ---------------------------------------------------------------------------


@frozen
class ZoneKeys:
    """
    The keys of an API user, and the zone in which its database lives.

    The zone is asked for without keys: at first, after a day, and when the one that is
    known refuses them. They go nowhere but to hosts that end with ``domain``, or to the
    very host that was asked.
    """

    user: str = field(repr=False)
    secret: str = field(repr=False)
    code: str = field(repr=False)
    base_url: str
    domain: str

    def first(self) -> Grant:
        """To be discovered. Its values are there so that other keys void what is stored."""
        values = {"user": self.user, "secret": self.secret, "code": self.code}
        place = urlsplit(self.base_url)
        hosts = (f"{place.scheme}://{place.netloc}",)
        return Grant(self.base_url, values, hosts=hosts, signed_in=False)

    def sign(self, request: Request, grant: Grant) -> Request:
        if not grant.signed_in:
            text = "no zone is known yet"
            raise Fault(Code.SIGN_IN_REFUSED, text, fate=Fate.NOT_SENT)
        keys = {"ApiIntegrationCode": self.code, "UserName": self.user}
        keys |= {"Secret": self.secret, "Content-Type": "application/json"}
        return evolve(request, headers=(*request.headers, *keys.items()))

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        """Ask for the zone; where it has not moved, the keys were refused for good."""
        try:
            url = f"{self.base_url}V1.0/{QUESTION}"
            zone = self._zone((yield Request("GET", url, {"user": self.user})))
        except Fault as fault:
            fault.fate = Fate.NOT_SENT  # whatever waits for the grant has not left
            raise
        base = f"{zone}V1.0/"
        current = grant.expires_at is not None and now < grant.expires_at
        if grant.signed_in and current and base == grant.base_url:
            text = "the user, the secret or the integration code was refused"
            raise Fault(Code.SIGN_IN_REFUSED, text, remedy=_KEYS, fate=Fate.NOT_SENT)
        fresh = grant.renewed({}, expires_at=now + ZONE_LASTS, base_url=base)
        return evolve(fresh, previous={})

    def _zone(self, response: Response) -> str:
        """The address of the zone, to which the keys may be sent."""
        verdict = judge(response, ZONE_RULES, *explain(response))
        if verdict.answer is not Answer.OK:
            raise verdict.fault()
        url = Fields(response.json()).text("url")
        if not url:
            raise Fault(Code.SIGN_IN_REFUSED, "the user has no zone", remedy=_USER)
        home, place = urlsplit(self.base_url), urlsplit(url)
        host, known = place.netloc.lower(), home.netloc.lower()
        sound = re.fullmatch(r"https?://[\w.-]+(:\d+)?(/[\w./-]*)?", url, re.ASCII)
        safe = place.scheme == "https" or home.scheme == "http"
        ours = host == known or host.partition(":")[0].endswith(self.domain)
        if not (sound and safe and ours):
            text = f"the zone {url[:60]!r} is outside of {self.domain}"
            raise Fault(Code.FOREIGN_LINK, text)
        return url if url.endswith("/") else f"{url}/"


# Queries ------------------------------------------------------------------------------


def _is(op: str, name: str, value: Any = None, **more: Any) -> dict[str, Any]:
    """One condition. No comparison matches null, not even ``noteq``."""
    told = {} if op.endswith("xist") else {"value": value}
    return {"op": op, "field": name, **told, **more}


def _either(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"op": "or", "items": [*conditions]}


def _until(day: date | None) -> list[dict[str, Any]]:
    return [_is("lte", "invoiceDateTime", f"{day}T23:59:59.999Z")] if day else []


def selected(select: Select, stamp: str) -> list[dict[str, Any]]:
    """The conditions that a selection is; ``stamp`` is the change time of a company."""
    standing = _is("eq", "isVoided", value=False)
    match select:
        case Changed(since):
            # A company that has not changed since Autotask keeps track has no time.
            return [_either(_is("gte", stamp, _stamp(since)), _is("notExist", stamp))]
        case Dated(first, last):
            return [_is("gte", "invoiceDateTime", f"{first}T00:00:00Z"), *_until(last)]
        case Open(through):
            return [_is("notExist", "paidDate"), standing, *_until(through)]
        case Unposted(through):
            return [_is("notExist", "webServiceDate"), standing, *_until(through)]
        case _:
            return [_is("exist", "id")]


def _query(path: str, conditions: list[Any], fields: str = "", **more: Any) -> Request:
    body = {"MaxRecords": PAGE_MAX, "filter": conditions, **more}
    if fields:
        body["IncludeFields"] = fields.split()
    return Request("POST", f"{path}/query", json=body)


def _stamp(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _instant(text: str) -> datetime:
    return iso_instant(text, naive_is_utc=True)


# The connector ------------------------------------------------------------------------


class Autotask(RestConnector):
    """
    One Autotask database.

    ``company`` is a name of yours for it: a part of every key, so never to be changed;
    ``user``, ``secret`` and ``integration_code`` are an API-only user's. ``currency`` is
    that of all invoices; with ``multi_currency`` each is in its company's, which costs two
    more calls a page. The zone is asked for at ``base_url``; the host of one ends with
    ``domain``. ``calls_per_hour`` is shared by all integrations of the database: less
    leaves them more. ``web_url`` is where people sign in, for the addresses of pages.

    Facts that are unverified, each with the best guess as default:

    - ``credit_notes``: whether an invoice below zero is a credit note;
    - ``concurrency``: requests at once, of one integration to one kind of record;
    - ``company_stamp``: the field of a company that tells when it changed;
    - ``company_fields``: what a new company needs besides its name and number;
    - ``mark_udf``: a user-defined field of companies for our mark; without one, a new
      company whose answer was lost cannot be looked for, and a person is asked;
    - ``link_paths``: the addresses of pages for people; the invoice's is second hand.
    """

    rules = RULES
    ids = re.compile(r"[0-9]{1,18}", re.ASCII)
    cursors = re.compile(r"\w+/query\S*")
    plain = re.compile(rf"[^\x00-\x1f\x7f]{{1,{NUMBER_LENGTH}}}")
    literals_length_max = 2**20  # they are posted, and no part of an address

    def __init__(
        self,
        *,
        company: str,
        user: str,
        secret: str,
        integration_code: str,
        currency: str = "",
        multi_currency: bool = False,
        credit_notes: bool = True,
        page_size: int = PAGE_MAX,
        fetch_size: int = FETCH_MAX,
        calls_per_hour: int = 10_000,
        concurrency: int = 3,
        company_stamp: str = "lastTrackedModifiedDateTime",
        company_fields: Mapping[str, Any] | None = None,
        mark_udf: str = "",
        base_url: str = DISCOVERY,
        domain: str = ".autotask.net",
        web_url: str = "",
        link_paths: Mapping[str, str] = LINK_PATHS,
    ) -> None:
        keys = (user, secret, integration_code)
        if not (1 <= page_size <= PAGE_MAX and 1 <= fetch_size <= FETCH_MAX):
            raise ConfigError("page_size is 1 to 500, fetch_size 1 to 250")
        if not all(re.fullmatch(r"[!-~]+", each) for each in keys):
            raise ConfigError("user, secret and integration_code are plain text")
        if not company or not (currency or multi_currency):
            text = "company is a name for the database; give currency or multi_currency"
            raise ConfigError(text)
        if currency:
            exponent(currency)
        self.connection = f"autotask:{company.lower()}"
        self._keys = ZoneKeys(*keys, f"{base_url.rstrip('/')}/", domain)
        self.auth = self._keys
        self._company, self._currency, self._multi = company, currency, multi_currency
        self._page_size, self._credit_notes = page_size, credit_notes
        self._stamp, self._mark_udf = company_stamp, mark_udf
        self._company_fields = {"companyType": 1, **(company_fields or {})}
        self._web_url, self._link_paths = web_url.rstrip("/"), link_paths
        # fmt: off
        self.resources = {
            kind: Resource[Any](kind, path, load, "items", number_field=number, dump=dump)
            for kind, path, number, load, dump in (
                (Customer, "Companies", "companyNumber", self._customer, self._company_body),
                (Settlement, "Invoices", "invoiceNumber", self._settlement, _paid),
                (Invoice, "Invoices", "invoiceNumber", self._invoice, _renumbered),
                (CreditNote, "Invoices", "invoiceNumber", self._credit_note, _renumbered),
                (Posting, "Invoices", "invoiceNumber", self._posting, _handed_over),
            )
            if credit_notes or kind is not CreditNote
        }
        payments = caps.Payments(parts=frozenset({Part.CASH}), partial=False)
        quota = caps.Limit(calls_per_hour, 3600, caps.LimitScope.COMPANY)
        self.capabilities = caps.Capabilities(
            "Autotask", {kind: self._kind(kind, fetch_size) for kind in self.resources},
            payments, limits=(quota,), concurrency=concurrency,
        )
        # fmt: on

    def _kind(self, kind: RecordType, fetch_size: int) -> caps.Kind:
        # fmt: off
        dated = {Dated, Everything}
        selects, writable, calls = {  # calls for a page; companies and currencies besides
            Customer: ({Changed, Everything}, {"name", "number", "active", "parent"}, 1 + self._multi),
            Settlement: (dated | {Open}, {"paid_on"}, 1 + 2 * self._multi),
            Invoice: (dated | {Open, Unposted}, {"number"}, 2 + 2 * self._multi),
            CreditNote: (dated | {Unposted}, {"number"}, 2 + 2 * self._multi),
            Posting: (dated | {Unposted}, {"on"}, 1),
        }[kind]
        able = caps.Kind(
            frozenset({Verb.READ, Verb.UPDATE}), frozenset(selects), frozenset(writable),
            updates=caps.Updates.SPARSE, number_length=NUMBER_LENGTH,
            page_size=self._page_size, fetch_size=fetch_size, page_calls=calls,
        )
        if kind is not Customer:
            return able
        mark = caps.Mark(self._mark_udf) if self._mark_udf else None
        return evolve(
            able, verbs=frozenset(Verb), creates=caps.Creates.FINAL, mark=mark,
            void_when="always: it is made inactive", number_length=None, write_calls=1 + calls,
        )
        # fmt: on

    def deep_link(self, ref: Ref) -> str:
        if not self._web_url or ref.kind not in self._link_paths:
            return ""
        path = self._link_paths[ref.kind].format(id=quote(ref.id, safe=""))
        return f"{self._web_url}/{path}"

    # How it is

    def probes(self) -> Mapping[str, Request]:
        anything = _is("exist", "id")
        marked = _is("exist", self._mark_udf, udf=True) if self._mark_udf else anything
        seen = {"Invoices": anything, "Companies": marked}
        seen |= {"Currencies": anything} if self._multi else {}
        return {
            "zone": Request("GET", QUESTION, {"user": self._keys.user}),
            "ThresholdInformation": Request("GET", "ThresholdInformation"),
            **{
                name: Request("POST", f"{name}/query/count", json={"filter": [what]})
                for name, what in seen.items()
            },
        }

    def books(self, answers: Mapping[str, Response]) -> Books:
        told = Fields(answers["zone"].json()) if "zone" in answers else Fields({})
        identity = told.text("ci") or self.connection
        return Books(identity, self._company, self._currency)

    def notes(self, answers: Mapping[str, Response]) -> Iterable[str]:
        """How much of the quota is used up, and whether any invoice is to be seen."""
        told = {name: Fields(answer.json()) for name, answer in answers.items()}
        quota = told.get("ThresholdInformation", Fields({}))
        used = quota.maybe("currentTimeframeRequestCount", parse_amount)
        limit = quota.maybe("externalRequestThreshold", parse_amount)
        if used is not None and limit is not None:
            minutes = quota.text("requestThresholdTimeframe")
            slow = ", which slows down every call" if 2 * used >= limit else ""
            yield f"requests of all integrations{slow} ({used}-{limit}-{minutes})"
        if "Invoices" in told and told["Invoices"].text("queryCount") == "0":
            yield "no invoice is visible: the user's line of business may be another"

    # Reading

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        """The address of a next page answers only to the body of the first."""
        conditions = selected(select, self._stamp)
        request = self._search(resource, conditions, MaxRecords=self._page_size)
        return evolve(request, url=cursor) if cursor else request

    def fetch_request(
        self, resource: Resource[Any], by: str, literals: Sequence[str]
    ) -> Request:
        values = [*literals]
        own = _is("in", "id", [int(each) for each in values if self.is_id(each)])
        if by == "id":
            return self._search(resource, [own])
        if by == "mark":
            return self._search(resource, [_is("in", self._mark_udf, values, udf=True)])
        found = [_is("in", resource.number_field, values)]
        if resource.kind is Customer:
            found.append(_is("in", "companyName", values))
        elif own["value"]:  # an invoice without a number is printed with its id
            found.append(own)
        return self._search(resource, [_either(*found)])

    def _search(
        self, resource: Resource[Any], conditions: list[Any], **more: Any
    ) -> Request:
        if resource.kind is CreditNote:
            conditions = [_is("lt", "invoiceTotal", 0), *conditions]
        fields = FIELDS.get(resource.kind, "")
        return _query(resource.path, conditions, fields, **more)

    def next_cursor(
        self,
        resource: Resource[Any],
        asked: Request,
        response: Response,
        rows: Sequence[Any],
    ) -> str | None:
        """The next page's address below the zone's: the zone may change between two."""
        told = Fields(response.json()).inside("pageDetails").text("nextPageUrl")
        if not told:
            return None
        entity = asked.url.partition("/")[0]
        found = re.search(rf"/{entity}(/query\S*)", told, re.IGNORECASE)
        if found is None:
            text = f"the next page of {entity} is at {told[:60]!r}"
            raise Fault(Code.FOREIGN_LINK, text, fate=Fate.UNCLEAR)
        if (following := f"{entity}{found[1]}") == asked.url:
            text = "a page names itself as the next one"
            raise Fault(Code.LOOPING_PAGES, text, fate=Fate.UNCLEAR)
        return following

    def names(self, record: Any) -> Iterable[str]:
        name = record.name if isinstance(record, Customer) else ""
        return (record.number, clean_number(name))

    def joined(self, resource: Resource[Any], rows: list[Any]) -> Flow[list[Any]]:
        """With the currency of the company, and with the lines of the document."""
        known = [row for row in rows if isinstance(row, Mapping)]
        if self._multi and known and resource.kind is not Posting:
            rows = yield from self._priced(resource, rows)
        if known and resource.kind in (Invoice, CreditNote):
            asked = _query("BillingItems", [_is("in", "invoiceID", _ids(rows, "id"))])
            items = yield from self.all_rows(resource, asked)
            lines: dict[str, list[Any]] = {}
            for item in items:
                lines.setdefault(_id(item, "invoiceID"), []).append(item)
            rows = [_with(row, lines=lines.get(_id(row, "id"), [])) for row in rows]
        return rows

    def _priced(self, resource: Resource[Any], rows: list[Any]) -> Flow[list[Any]]:
        asked = _query("Currencies", [_is("exist", "id")])
        units = yield from self.all_rows(resource, asked)
        codes = {_id(unit, "id"): _id(unit, "name") for unit in units}
        if resource.kind is Customer:
            return [_with(r, currency=codes.get(_id(r, "currencyID"))) for r in rows]
        owners = [_is("in", "id", _ids(rows, "companyID"))]
        asked = _query("Companies", owners, "id currencyID")
        found = yield from self.all_rows(resource, asked)
        told = {_id(each, "id"): codes.get(_id(each, "currencyID")) for each in found}
        return [_with(row, currency=told.get(_id(row, "companyID"))) for row in rows]

    # Records

    def _head(self, row: Fields, kind: str) -> dict[str, Any] | None:
        """What all documents have in common; None where it is one of the other kind."""
        if self._multi and not row.has("currency"):
            text = f"company {row.text('companyID')} has no currency that can be read"
            raise Fault(Code.BAD_CURRENCY, text, field="companyID")
        currency = row.currency("currency") if self._multi else self._currency
        own, total = self.own_id(row), row.amount("invoiceTotal", currency)
        credit = total < 0 and self._credit_notes
        if credit is not (kind == "CreditNote"):
            return None
        paid = row.maybe("paidDate", iso_day) or (total <= 0 and not credit)
        standing = Status.SETTLED if paid else Status.OPEN
        return {
            "ref": Ref(self.connection, kind, own),
            "number": row.number("invoiceNumber") or own,
            "customer": Ref(self.connection, "Customer", row.id("companyID")),
            "currency": currency,
            "on": row.read("invoiceDateTime", iso_day),
            "total": abs(total) if credit else total,
            "status": Status.VOID if row.flag("isVoided") else standing,
            "reference": clean_number(row.text("orderNumber")),
        }

    def _settlement(self, row: Fields) -> Settlement | None:
        """Paid in full on a day, or not: Autotask knows nothing between."""
        head = self._head(row, "Invoice")
        if head is None:
            return None
        paid_on, void = row.maybe("paidDate", iso_day), head["status"] is Status.VOID
        balance = head["total"] if head["status"] is Status.OPEN else ZERO
        return Settlement(
            **head,
            balance=balance,
            settled_by={} if void else {Part.CASH: head["total"] - balance},
            paid_on=paid_on,
            basis=Basis.LEDGER_FIELD if paid_on else None,
        )

    def _invoice(self, row: Fields) -> Invoice | None:
        head = self._head(row, "Invoice")
        if head is None:
            return None
        lines = tuple(_line(x, head["currency"], 1) for x in row.children("lines"))
        due, custom = row.maybe("dueDate", iso_day), _held(row, HELD)
        return Invoice(**head, due=due, lines=lines, custom=custom)

    def _credit_note(self, row: Fields) -> CreditNote | None:
        head = self._head(row, "CreditNote")
        if head is None:
            return None
        lines = tuple(_line(x, head["currency"], -1) for x in row.children("lines"))
        # What was applied of it stands nowhere, but that a day says that it is used up.
        left = None if head["status"] is Status.OPEN else ZERO
        return CreditNote(**head, remaining=left, lines=lines, custom=_held(row, HELD))

    def _posting(self, row: Fields) -> Posting:
        own, on = self.own_id(row), row.maybe("webServiceDate", _instant)
        number = row.number("invoiceNumber") or own
        return Posting(Ref(self.connection, "Posting", own), number, on)

    def _customer(self, row: Fields) -> Customer:
        parent = row.id("parentCompanyID") if row.has("parentCompanyID") else ""
        udfs = row.children("userDefinedFields") if self._mark_udf else []
        told = {each.text("name"): each.text("value") for each in udfs}
        mark = told.get(self._mark_udf)
        return Customer(
            Ref(self.connection, "Customer", self.own_id(row)),
            name=row.text("companyName"),
            number=row.number("companyNumber"),
            currency=row.text("currency") if self._multi else self._currency,
            active=row.flag("isActive", default=True),
            parent=Ref(self.connection, "Customer", parent) if parent else None,
            changed_at=row.maybe(self._stamp, _instant),
            custom={self._mark_udf: mark} if mark else {},
        )

    # Answers

    def judge(self, response: Response) -> Verdict:
        verdict = super().judge(response)
        if verdict.answer is Answer.WAIT and verdict.wait is None and verdict.code:
            return evolve(verdict, wait=PAUSES[verdict.code])
        return verdict

    def suspicious(self, response: Response) -> bool:
        return b'"errors"' in response.body and explain(response)[0] == ERRORS

    def explain(self, response: Response) -> tuple[str, str]:
        """A gateway may repeat the request: the keys are left out."""
        code, text = explain(response)
        for secret in (self._keys.secret, self._keys.code):
            text = text.replace(secret, "***")
        return code, text

    # Writing

    def write_one(self, change: Change) -> Flow[Outcome]:
        """A new record is read again: fields that Autotask does not know it ignores."""
        outcome = yield from super().write_one(change)
        if change.action is not Action.CREATE or outcome.ref is None:
            return outcome
        try:
            page = yield from self.fetch(change.kind, ids=[outcome.ref.id])
        except Fault:
            return outcome  # it was made all the same
        # One that does not show the mark proves nothing: its field may have been missed.
        shown = [r for r in page.records if change.mark in ("", *r.custom.values())]
        return evolve(outcome, echo=next(iter(shown), None))

    def write_request(self, resource: Resource[Any], change: Change) -> Request:
        """PATCH changes what is named alone; PUT would empty every other field."""
        if change.action is Action.VOID:
            body: dict[str, Any] = {"isActive": False}
        elif resource.dump is None or not isinstance(change.after, change.kind):
            raise Fault(Code.NOT_ALLOWED, f"no {change.kind.__name__} is wanted")
        else:
            body = resource.dump(change)
        if change.target is None:
            return Request("POST", resource.path, json=body, effect=True)
        body = {"id": int(change.target.id), **body}
        return Request("PATCH", resource.path, json=body, effect=True)

    def written(
        self, resource: Resource[Any], change: Change, response: Response
    ) -> Outcome:
        """The answer names what was written, and shows nothing of it."""
        told = self.own_id(Fields(response.json()), "itemId")
        if change.target is not None and told != change.target.id:
            text = f"the answer is about {told}, {change.target.id} was written"
            raise Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR)
        ref = change.target or Ref(self.connection, change.kind.__name__, told)
        return Outcome.applied(change, ref=ref)

    def _company_body(self, change: Change) -> dict[str, Any]:
        """All of a new company; of one that is there, what differs."""
        if change.action is Action.CREATE:
            mark = {"name": self._mark_udf, "value": change.mark}
            marked = {"userDefinedFields": [mark]} if all(mark.values()) else {}
            told = _company(change.after).items()
            new = {name: value for name, value in told if value is not None}
            return {**self._company_fields, **new, **marked}
        was = _company(change.before) if change.before else {}
        told = _company(change.after).items()
        body = {name: value for name, value in told if value != was.get(name)}
        if not body:
            raise Fault(Code.NOT_ALLOWED, "nothing differs that can be written")
        return body


def _company(customer: Any) -> dict[str, Any]:
    return {
        "companyName": customer.name,
        "companyNumber": customer.number or None,
        "isActive": customer.active,
        "parentCompanyID": int(customer.parent.id) if customer.parent else None,
    }


def _paid(change: Change) -> dict[str, Any]:
    """The day of full payment; where something is owed, there is none."""
    after: Any = change.after
    if after.status is Status.SETTLED and after.paid_on is None:
        raise Fault(Code.NOT_ALLOWED, "the day of full payment is not known")
    settled = after.status is Status.SETTLED
    return {"paidDate": f"{after.paid_on}T00:00:00Z" if settled else None}


def _renumbered(change: Change) -> dict[str, Any]:
    number = getattr(change.after, "number", "")
    if not 0 < len(number) <= NUMBER_LENGTH:
        text = f"a number has 1 to {NUMBER_LENGTH} characters"
        raise Fault(Code.NOT_ALLOWED, text, field="number")
    return {"invoiceNumber": number}


def _handed_over(change: Change) -> dict[str, Any]:
    """When it was handed over, to the second; None takes it back."""
    after: Any = change.after
    return {"webServiceDate": _stamp(after.on) if after.on else None}


# Rows ---------------------------------------------------------------------------------


def _line(row: Fields, currency: str, sign: int) -> Line:
    """A billing item; ``sign`` is -1 where the document is a credit note."""
    price, tax = (
        row.maybe_amount(name, currency) for name in ("extendedPrice", "taxDollars")
    )
    rate = row.maybe("rate", parse_amount)
    return Line(
        row.text("description") or row.text("itemName"),
        sign * (price or ZERO) or ZERO,
        quantity=row.maybe("quantity", parse_amount),
        unit_price=None if rate is None else sign * rate or ZERO,
        tax=None if tax is None else sign * tax or ZERO,
        account=row.text("billingCodeID"),
        item=row.text("serviceID"),
        custom=_held(row, LINE_HELD),
    )


def _held(row: Fields, names: Iterable[str]) -> dict[str, Any]:
    return {name: row.text(name) for name in names if row.has(name)}


def _id(row: Any, name: str) -> str:
    """What a row is found by in another list; "" where there is nothing of the kind."""
    found = row.get(name) if isinstance(row, Mapping) else None
    return str(found) if isinstance(found, int | str) else ""


def _ids(rows: Iterable[Any], name: str) -> list[int]:
    found = dict.fromkeys(_id(row, name) for row in rows)
    return [int(each) for each in found if Autotask.ids.fullmatch(each)]


def _with(row: Any, **told: Any) -> Any:
    return {**row, **told} if isinstance(row, Mapping) else row
