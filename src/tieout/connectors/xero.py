"""
Xero as a ledger: customers, sales invoices, credit notes, payments, and what is paid.

It reads and never writes, and leaves bills (accounts payable) and webhooks alone. Facts
come from the vendor's OpenAPI description and real replies; "second hand" is a third
party that quotes the vendor, "unverified" is nobody's word yet.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from attrs import evolve, field, frozen

from tieout import capabilities as caps
from tieout.auth import Grant
from tieout.capabilities import Changed, Dated, Everything, Limit, Open, Select
from tieout.connector import (
    Books,
    Fields,
    Health,
    Page,
    Resource,
    RestConnector,
    Rule,
    enveloped,
    iso_day,
    iso_instant,
    judge,
    server_time,
    sound_day,
)
from tieout.errors import Code, ConfigError, Fate, Fault
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
    settled_day,
)
from tieout.money import ZERO, parse_amount
from tieout.wire import Answer, Flow, Request, Response, read_json, write_json

PAGE_MAX = 1000
"""Xero's largest page (second hand); more is cut to it."""

FETCH_MAX, ADDRESS_MAX = 40, 1700
"""Ids or numbers in one request, and their encoded characters: addresses fail at about
52 ids (XeroAPI/Xero-OpenAPI#534)."""

# Xero's words -----------------------------------------------------------------------

# fmt: off
_STATUSES: Mapping[str, Status] = {
    "DRAFT": Status.DRAFT, "SUBMITTED": Status.DRAFT,
    "AUTHORISED": Status.OPEN, "PAID": Status.SETTLED,
    "VOIDED": Status.VOID, "DELETED": Status.VOID,
}
_PAYMENT_STATUSES = {"AUTHORISED": Status.SETTLED, "DELETED": Status.VOID}
_CONTACT_STATUSES = {"ACTIVE": True, "ARCHIVED": False, "GDPRREQUEST": False}
_MERGED = "MergedToContactID"
_TYPES = {"ACCREC": "a sales invoice", "ACCPAY": "a bill"}
_SALE, _CREDIT, _PAID = "ACCREC", "ACCRECCREDIT", "ACCRECPAYMENT"

_ZONES = dict(re.findall(r"(\w+)=(\S+)", """
GMT=Europe/London WEUROPE=Europe/Berlin ROMANCE=Europe/Paris
SOUTHAFRICA=Africa/Johannesburg ARABIAN=Asia/Dubai INDIA=Asia/Kolkata
SEASIA=Asia/Bangkok CHINA=Asia/Shanghai SINGAPORE=Asia/Singapore
WAUSTRALIA=Australia/Perth AUSCENTRAL=Australia/Darwin CENAUSTRALIA=Australia/Adelaide
EAUSTRALIA=Australia/Brisbane AUSEASTERN=Australia/Sydney TASMANIA=Australia/Hobart
NEWZEALAND=Pacific/Auckland FIJI=Pacific/Fiji HAWAIIAN=Pacific/Honolulu
ALASKAN=America/Anchorage PACIFIC=America/Los_Angeles USMOUNTAIN=America/Phoenix
MOUNTAIN=America/Denver CENTRAL=America/Chicago CANADACENTRAL=America/Regina
EASTERN=America/New_York USEASTERN=America/Indiana/Indianapolis
ATLANTIC=America/Halifax NEWFOUNDLAND=America/St_Johns UTC=UTC
"""))
"""IANA names by Windows' (Unicode CLDR), which Xero gives as ``GMTSTANDARDTIME``."""

LINK = "https://go.xero.com/organisationlogin/default.aspx?shortcode={shortcode}&redirecturl={path}"
LINK_PATHS: Mapping[str, str] = {
    "Invoice": "/AccountsReceivable/View.aspx?InvoiceID={id}",
    "CreditNote": "/AccountsReceivable/ViewCreditNote.aspx?creditNoteID={id}",
    "Customer": "/Contacts/View/{id}",
}
"""Pages for people; the credit note's is unverified."""

_SELECTS: Mapping[RecordType, frozenset[type]] = {
    Customer: frozenset({Changed, Everything}),
    Payment: frozenset({Changed, Everything, Dated}),
    **dict.fromkeys((Invoice, Settlement, CreditNote), frozenset({Changed, Everything, Dated, Open})),
}

_RECONNECT = "An administrator has to connect Xero again; what is queued is kept."
_RULES = (
    Rule(Code.DAY_LIMIT_REACHED, 429, "day", answer=Answer.WAIT),
    Rule(Code.PERMISSION_MISSING, 401, text="AuthorizationUnsuccessful",
         remedy="Give the app the scope for what was asked, and let an administrator consent again."),
    # After the one renewal that the session tries, only a person can help.
    Rule(Code.RECONNECT_NEEDED, 401, remedy=_RECONNECT, answer=Answer.SIGN_IN),
    Rule(Code.RECONNECT_NEEDED, 403, text="AuthenticationUnsuccessful", remedy=_RECONNECT),
    Rule(Code.DUPLICATE_NUMBER, text=r"invoice # must be unique",
         remedy="Find the invoice of this number in Xero. If it is the same one, link it; otherwise renumber."),
    Rule(Code.REFUSED, text=r"not of valid status for modification|cannot be edited as it has a payment",
         remedy="Change it in Xero, or remove the payment or credit there, then retry."),
    Rule(Code.REFUSED, text=r"payment amount exceeds the amount outstanding",
         remedy="The payment is probably recorded in Xero already: delete the duplicate, or mark ours as present."),
    Rule(Code.REFUSED, text=r"payments can only be made against authorised documents",
         remedy="Approve the invoice in Xero; make it again if it was voided."),
    Rule(Code.LOCKED_PERIOD, text=r"period lock date|end of year lock date",
         remedy="Ask the adviser to unlock the period in Xero, or date the document into an open one."),
    Rule(Code.REFUSED, text=r"contact with the specified contact details has been archived",
         remedy="Restore the contact in Xero, or link the customer to the one it was merged into."),
    Rule(Code.DUPLICATE_NUMBER, text=r"contact name .*already assigned to another contact",
         remedy="Link the customer to the contact in Xero that has this name."),
    Rule(Code.REFUSED, text=r"account code .*(has been archived, or deleted|is not a valid code)",
         remedy="Correct the account mapping, or restore the account in Xero."),
    Rule(Code.REFUSED, text=r"taxtype code .*cannot be used with account code",
         remedy="Correct the tax mapping for this account."),
    Rule(Code.NOT_ALLOWED, text=r"not subscribed to currency",
         remedy="Enable multi-currency in Xero, or bill in the base currency."),
    Rule(Code.NOT_ALLOWED, text=r"reached the limit of invoices you can approve",
         remedy="Upgrade the Xero plan, or send invoices as drafts."),
    Rule(Code.REFUSED, 200, text="."),  # a failed element in an answer that says 200
)
_TOKEN_RULES = (
    Rule(Code.RECONNECT_NEEDED, 400, text="invalid_grant",
         remedy="An administrator has to connect Xero again: the refresh token was used up, revoked, or not used for too long."),
    Rule(Code.SIGN_IN_REFUSED, 400, text="invalid_client|unauthorized_client"),
    Rule(Code.PERMISSION_MISSING, 400, text="invalid_scope"),
    Rule(Code.SIGN_IN_REFUSED, 401),
)
_AILMENTS: Mapping[Code, Health] = {
    **dict.fromkeys((Code.SIGN_IN_REFUSED, Code.RECONNECT_NEEDED), Health(reachable=True, signed_in=False)),
    Code.PERMISSION_MISSING: Health(reachable=True, signed_in=True, missing=("accounting.settings.read",)),
    **dict.fromkeys((Code.NOT_REACHED, Code.ANSWER_LOST, Code.SERVER_ERROR), Health(reachable=False, signed_in=False)),
}
# fmt: on


# Signing in -------------------------------------------------------------------------

GRACE = timedelta(minutes=30)
"""How long a refresh token that was used still works (the vendor's staff)."""


@frozen
class XeroAuth:
    """
    OAuth 2 at Xero: rotating refresh tokens, or client credentials of one organisation.

    Each refresh retires the token it was made with, which still works for 30 minutes
    (the vendor's staff): hence one lost answer does no harm, and so long the token before
    the last is tried before a person is asked.
    """

    tenant_id: str
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    scope: str
    base_url: str
    identity_url: str

    def first(self) -> Grant:
        place = urlsplit(self.identity_url)
        identity = f"{place.scheme}://{place.netloc}"
        held = {"refresh_token": self.refresh_token} if self.refresh_token else {}
        return Grant(self.base_url, held, hosts=(identity,), signed_in=False)

    def sign(self, request: Request, grant: Grant) -> Request:
        if "access_token" not in grant.values:
            raise Fault(Code.SIGN_IN_REFUSED, "not signed in", fate=Fate.NOT_SENT)
        headers = {
            "Authorization": f"Bearer {grant.values['access_token']}",
            "Accept": "application/json",
        }
        if self.refresh_token:
            headers["xero-tenant-id"] = self.tenant_id
        added = [(k, v) for k, v in headers.items() if request.header(k) is None]
        return evolve(request, headers=(*request.headers, *added))

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        if not self.refresh_token:
            form = {"grant_type": "client_credentials", "scope": self.scope}
            return (yield from self._granted(form, grant, now))
        held = [grant.values.get("refresh_token")]
        if grant.renewed_at is None or now - grant.renewed_at <= GRACE:
            held.append(grant.previous.get("refresh_token"))
        refused = Fault(Code.RECONNECT_NEEDED)
        for token in dict.fromkeys(each for each in held if each):
            form = {"grant_type": "refresh_token", "refresh_token": token}
            try:
                return (yield from self._granted(form, grant, now))
            except Fault as fault:
                if fault.code is not Code.RECONNECT_NEEDED:
                    raise
                refused = fault
        raise refused

    def _granted(
        self, form: Mapping[str, str], grant: Grant, now: datetime
    ) -> Flow[Grant]:
        # It has no effect on the books, and repeating it within 30 minutes is harmless.
        app = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode())
        headers = {
            "Authorization": f"Basic {app.decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        sent = urlencode([each for each in form.items() if each[1]]).encode()
        response = yield Request("POST", self.identity_url, (), headers, content=sent)
        verdict = judge(response, _TOKEN_RULES, text=response.text())
        if verdict.answer is not Answer.OK:
            raise verdict.fault()
        try:
            body = Fields(response.json())
            values = {"access_token": body.id("access_token")}
            refresh = body.text("refresh_token") or form.get("refresh_token", "")
            lifetime = float(body.maybe("expires_in", parse_amount) or 1800)
        except Fault as fault:
            raise Fault(Code.BAD_PAYLOAD, fault.text, fate=Fate.UNCLEAR) from fault
        if refresh:
            values["refresh_token"] = refresh
        # Renewed a minute early, so that it does not end in the middle of a call.
        lasting = timedelta(seconds=max(lifetime - 60, lifetime / 2))
        return grant.renewed(values, expires_at=now + lasting)


# Xero's values ----------------------------------------------------------------------

_MILLISECONDS = re.compile(r"/Date\((-?[0-9]{1,13})(?:[+-][0-9]{4})?\)/", re.ASCII)


def _moment(value: Any) -> datetime:
    """``/Date(1772928000000+0000)/``, with or without the offset, or ISO 8601 in UTC."""
    match = _MILLISECONDS.fullmatch(value)
    if match is None:
        return iso_instant(value, naive_is_utc=True)
    found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(match[1]))
    sound_day(found.date())
    return found


def _calendar(value: Any) -> date:
    """A calendar day in either form: midnight UTC in milliseconds, or as a text."""
    is_moment = _MILLISECONDS.fullmatch(value) is not None
    return _moment(value).date() if is_moment else iso_day(value)


def _day(row: Fields, name: str) -> date | None:
    """A day, rather from its text twin; no zone ever shifts it."""
    return row.maybe(f"{name}String", _calendar) or row.maybe(name, _calendar)


_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


def _own_id(row: Fields, name: str) -> str:
    """An id that Xero can be asked for; a real one is a UUID."""
    found, at = row.id(name), row.path(name)
    if not _ID.fullmatch(found):
        raise Fault(Code.BAD_FIELD, f"{at} is no id of Xero", field=at)
    return found


def _changed_at(row: Fields) -> datetime | None:
    return row.maybe("UpdatedDateUTC", _moment)


def _as_of(response: Response) -> datetime | None:
    """The envelope's clock, else the header's."""
    try:
        return Fields(response.json()).read("DateTimeUTC", _moment)
    except Fault:
        return server_time(response)


def _stamp(instant: datetime) -> str:
    """UTC to the second, without a zone: the form that the vendor's pages show."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")


def _held(row: Fields, name: str) -> dict[str, str]:
    """A text that goes into ``custom``, where there is one."""
    return {name: row.text(name)} if row.text(name) else {}


# An invoice's money -----------------------------------------------------------------


def _applied(row: Fields, *names: str) -> list[Fields]:
    """What Xero nests in an invoice as applied to it, and was not taken back."""
    rows = [each for name in names for each in row.children(name)]
    return [each for each in rows if each.text("Status") not in ("DELETED", "VOIDED")]


def _amount(row: Fields, currency: str) -> Decimal:
    name = "Amount" if row.has("Amount") else "AppliedAmount"
    return row.maybe_amount(name, currency) or ZERO


def _money(
    row: Fields, currency: str, total: Decimal, status: Status, on: date | None
) -> dict[str, Any]:
    """What a posted invoice owes and how it was settled, by a settlement's fields."""
    balance = row.amount("AmountDue", currency)
    if status is Status.SETTLED and balance > 0:
        text = f"it is called paid, and {balance} is due"
        raise Fault(Code.TOTALS_DISAGREE, text, field="Status")
    told = row.has("AmountPaid") or row.has("AmountCredited")
    if status is Status.OPEN and balance <= 0 and total and not told:
        text = "nothing is due, and nothing is said to have been applied"
        raise Fault(Code.TOTALS_DISAGREE, text, field="AmountDue")
    payments = _applied(row, "Payments")
    cash = payments + _applied(row, "Prepayments", "Overpayments")
    notes = _applied(row, "CreditNotes")
    paid_on, basis = None, None
    if balance <= 0:
        # While something is due, FullyPaidOnDate is of a payment that was deleted since.
        paid_on, basis = _day(row, "FullyPaidOnDate"), Basis.LEDGER_FIELD
        if paid_on is None:
            dated = [
                (_day(each, "Date"), _amount(each, currency)) for each in cash + notes
            ]
            settling = [(day, amount) for day, amount in dated if day]
            paid_on, basis = settled_day(total, settling, on), Basis.APPLICATIONS
    days = [_day(each, "Date") for each in cash]
    ids = [each.text("PaymentID") for each in payments]
    return {
        "balance": balance,
        "status": Status.OPEN if balance > 0 else Status.SETTLED,
        "settled_by": _parts(row, currency, total - balance),
        "paid_on": paid_on,
        "basis": basis if paid_on else None,
        "last_on": max((day for day in days if day), default=None),
        "receipts": tuple(sorted(each for each in ids if each)),
    }


def _parts(row: Fields, currency: str, settled: Decimal) -> Mapping[Part, Decimal]:
    """
    Cash and credit, as far as they are told.

    Xero counts prepayments and overpayments as credited; here they are cash. Where it
    does not list all that was credited, the split is unknown and no part is given.
    """
    paid = row.maybe_amount("AmountPaid", currency)
    credited = row.maybe_amount("AmountCredited", currency)
    if paid is None and credited is None and settled:
        return {}
    paid = settled - (credited or ZERO) if paid is None else paid
    credited = settled - paid if credited is None else credited
    if paid + credited != settled or min(paid, credited) < 0:
        text = f"{settled} is settled, but {paid} paid and {credited} credited"
        raise Fault(Code.TOTALS_DISAGREE, text, field="AmountDue")
    credit, advance = (
        sum((_amount(each, currency) for each in _applied(row, *names)), ZERO)
        for names in (("CreditNotes",), ("Prepayments", "Overpayments"))
    )
    whole = credit + advance == credited
    return {Part.CASH: paid + advance, Part.CREDIT: credit} if whole else {}


# Lists and conditions ---------------------------------------------------------------


def _reached(rows: Sequence[Any]) -> str:
    """From when on the rest is asked for: a second before the last row, if sorted."""
    try:
        stamps = [Fields(row).read("UpdatedDateUTC", _moment) for row in rows]
    except Fault:
        return ""
    return _stamp(stamps[-1] - timedelta(seconds=1)) if stamps == sorted(stamps) else ""


def _more(response: Response, rows: Sequence[Any], page: int, size: int) -> bool:
    """Whether there is a page behind this one."""

    def told() -> int | None:
        pagination = Fields(response.json()).child("pagination")
        return pagination.maybe("pageCount", int) if pagination else None

    count = enveloped(told)
    return bool(rows) and (len(rows) >= size if count is None else page < count)


def _place(cursor: str, lists: int) -> tuple[int, int, str]:
    """Which list, which of its pages, and from when; as `Xero.page` wrote it."""
    try:
        match read_json(cursor.encode()):
            case [int(at), int(number), str(since)] if 0 <= at < lists and number > 0:
                if since:
                    iso_instant(since, naive_is_utc=True)
                return at, number, since
    except Fault:
        pass
    raise ConfigError("this resume point is none of Xero's: start from a date")


def _date(day: date) -> str:
    return f"DateTime({day:%Y,%m,%d})"


def _listing(
    resource: Resource[Any], select: Select, page: int, size: int, since: str
) -> Request:
    paging = {"page": str(page), "pageSize": str(size), "order": "UpdatedDateUTC ASC"}
    params = {**resource.parameters, **paging}
    where = [params["where"]] if "where" in params else []
    match select:
        case Dated(first, last):
            where += [f"Date>={_date(first)}", f"Date<={_date(last)}"]
        case Open(through):
            if resource.path == "Invoices":
                params["Statuses"] = "AUTHORISED"
            else:
                where.append('Status=="AUTHORISED"')
            where += [f"Date<={_date(through)}"] if through else []
    if where:
        params["where"] = " AND ".join(where)
    headers = {"If-Modified-Since": since} if since else {}
    return Request("GET", resource.path, params=params, headers=headers)


def _of(types: str, load: Callable[[Fields], Any]) -> Callable[[Fields], Any]:
    """The loader, for rows of these types; one without a type is of what was asked."""
    name, words = "PaymentType" if types == _PAID else "Type", ["", *types.split()]

    def loaded(row: Fields) -> Any:
        told = row.text(name)
        if types == _SALE and told:
            row.choice(name, _TYPES)  # of a new one nobody knows what it would mean
        return load(row) if told in words else None

    return loaded


def _said(value: Any) -> Iterator[str]:
    """The texts of all ``ValidationErrors``, wherever they stand, however deep."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            errors = Fields(value).children("ValidationErrors")
            yield from (each.text("Message") for each in errors)
            if value.get("StatusAttributeString") == "ERROR" and not errors:
                yield "Xero marks it as an error without saying which"
            value = list(value.values())
        if isinstance(value, list):
            waiting += reversed(value)


# The connector ----------------------------------------------------------------------


class Xero(RestConnector):
    """
    One Xero organisation.

    With a ``refresh_token`` it signs in as an authorization-code app, without one as a
    custom connection (``scope`` is only sent then). ``per_minute``, ``per_day`` and
    ``concurrency`` are Xero's limits; 1000 a day on its free tier. ``sweep_every``: edits
    of part-paid invoices, and credits that are taken back, may not show (second hand).
    Without ``shortcode`` a deep link opens the user's last organisation.
    """

    rules = _RULES
    ids = _ID
    ids_have_case = False
    literals_length_max = ADDRESS_MAX

    def __init__(
        self,
        *,
        tenant_id: str,
        client_id: str,
        client_secret: str,
        refresh_token: str = "",
        scope: str = "",
        base_url: str = "https://api.xero.com/api.xro/2.0",
        identity_url: str = "https://identity.xero.com/connect/token",
        page_size: int = PAGE_MAX,
        per_minute: int = 60,
        per_day: int = 5000,
        concurrency: int = 5,
        overlap: timedelta = timedelta(minutes=2),
        sweep_every: timedelta | None = timedelta(days=1),
        shortcode: str = "",
        link_paths: Mapping[str, str] = LINK_PATHS,
    ) -> None:
        if not 1 <= page_size <= PAGE_MAX:
            raise ConfigError(f"page_size is from 1 to {PAGE_MAX}")
        self.connection = f"xero:{tenant_id}"
        app = (tenant_id, client_id, client_secret, refresh_token, scope)
        self.auth = XeroAuth(*app, base_url, identity_url)
        self._tenant, self._page_size = tenant_id, page_size
        self._shortcode, self._link_paths = shortcode, link_paths
        self.resources = self._resources()
        self._feeds = self._money_feeds()
        kind = caps.Kind(page_size=page_size, fetch_size=FETCH_MAX, stable_order=True)
        unique = (Invoice, Settlement)
        app_limit = Limit(10_000, 60, caps.LimitScope.CREDENTIAL, client_id)
        # fmt: off
        self.capabilities = caps.Capabilities(
            "Xero",
            {each: evolve(kind, selects=selects, number_unique=each in unique) for each, selects in _SELECTS.items()},
            payments=caps.Payments(
                feeds=(caps.Feed.STAMP, caps.Feed.PAYMENTS, caps.Feed.CREDITS),
                blind=frozenset({caps.Blind.CREDITS}), sweep_every=sweep_every,
                parts=frozenset({Part.CASH, Part.CREDIT}),
            ),
            deletions_visible=True, invoices_per_payment=1,
            limits=(Limit(per_minute, 60), Limit(per_day, 86_400), app_limit),
            concurrency=concurrency, overlap=overlap,
        )
        # fmt: on

    def _resources(self) -> dict[RecordType, Resource[Any]]:
        archived, exact = {"includeArchived": "true"}, {"unitdp": "4"}
        sale = {"where": f'Type=="{_SALE}"', **archived}
        credit = {"where": f'Type=="{_CREDIT}"', **exact}
        paid = {"where": f'PaymentType=="{_PAID}"'}  # refunds have types of their own
        # fmt: off
        bills = ("Invoices", "InvoiceID", "InvoiceNumber", "IDs", "InvoiceNumbers")
        return {
            Customer: Resource(Customer, "Contacts", self._customer, "Contacts", "ContactID", "AccountNumber", "IDs", "", archived),
            Invoice: Resource(Invoice, "Invoices", _of(_SALE, self._invoice), *bills, sale | exact),
            Settlement: Resource(Settlement, "Invoices", _of(_SALE, self._settlement), *bills, sale),
            CreditNote: Resource(CreditNote, "CreditNotes", _of(_CREDIT, self._credit_note), "CreditNotes", "CreditNoteID", "CreditNoteNumber", "", "", credit),
            Payment: Resource(Payment, "Payments", _of(_PAID, self._payment), "Payments", "PaymentID", "", "", "", paid),
        }

    def _money_feeds(self) -> tuple[Resource[Any], ...]:
        """
        What is read for changed payment info; the loaders of all but the first give refs.

        An invoice lists no deleted payments, and whether its change time moves with a
        payment or a credit is unverified: so these are asked too.
        """
        over, pre = (
            "RECEIVE-OVERPAYMENT AROVERPAYMENT",
            "RECEIVE-PREPAYMENT ARPREPAYMENT",
        )
        return (
            self.resources[Settlement],
            evolve(self.resources[Payment], load=_of(_PAID, self._paid)),
            evolve(
                self.resources[CreditNote],
                load=_of(_CREDIT, self._allocated),
                number_field="",
            ),
            Resource(
                Payment,
                "Overpayments",
                _of(over, self._allocated),
                "Overpayments",
                "OverpaymentID",
                "",
            ),
            Resource(
                Payment,
                "Prepayments",
                _of(pre, self._allocated),
                "Prepayments",
                "PrepaymentID",
                "",
            ),
        )
        # fmt: on

    # How it is

    def check(self) -> Flow[Health]:
        try:
            response = yield from self.ask(Request("GET", "Organisation"))
        except Fault as fault:
            if fault.code not in _AILMENTS:
                raise
            note = f"{fault.text} {fault.remedy}"
            return evolve(_AILMENTS[fault.code], code=fault.code, notes=(note,))
        books = enveloped(lambda: self._books(response))
        return Health(reachable=True, signed_in=True, books=books)

    def _books(self, response: Response) -> Books:
        row = next(iter(Fields(response.json()).children("Organisations")), Fields({}))
        locks = (_day(row, "PeriodLockDate"), _day(row, "EndOfYearLockDate"))
        return Books(
            row.text("OrganisationID") or self._tenant,
            name=row.text("Name"),
            currency=row.currency("BaseCurrency"),
            zone=_ZONES.get(row.text("Timezone").removesuffix("STANDARDTIME")),
            locked_through=max((day for day in locks if day), default=None),
        )

    def deep_link(self, ref: Ref) -> str:
        if ref.kind not in self._link_paths:
            return ""
        path = self._link_paths[ref.kind].format(id=quote(ref.id, safe=""))
        link = LINK if self._shortcode else LINK.replace("shortcode={shortcode}&", "")
        return link.format(shortcode=quote(self._shortcode, safe="!"), path=path)

    # Reading

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        lists: tuple[Resource[Any], ...] = (self.resource(kind),)
        if type(select) not in _SELECTS[kind]:
            text = f"Xero cannot select {kind.__name__} by {type(select).__name__}"
            raise Fault(Code.NOT_ALLOWED, text)
        start = ""
        if isinstance(select, Changed):
            start = _stamp(select.since)
            lists = self._feeds if kind is Settlement else lists
        at, number, since = _place(cursor, len(lists)) if cursor else (0, 1, start)
        asked = _listing(lists[at], select, number, self._page_size, since)
        response = yield from self.ask(asked)
        rows = self.rows(lists[at], response)
        found, issues = self.load(lists[at], rows)
        # A row that is edited while pages are counted moves to the end and pushes its
        # neighbours across the boundary, unseen. So the next page starts at the last
        # row's change time; only where a whole page has one time are pages counted.
        following: tuple[int, int, str] | None = None
        if _more(response, rows, number, self._page_size):
            reached = _reached(rows)
            onward = reached > since
            following = (at, 1, reached) if onward else (at, number + 1, since)
        elif at + 1 < len(lists):
            following = (at + 1, 1, start)
        records, refs = ((), found) if at else (found, ())
        merged = [each for each in records if _MERGED in each.custom]
        return Page(
            records,
            issues,
            gone=tuple(evolve(r.ref, aliases=(r.custom[_MERGED],)) for r in merged),
            touched=tuple(dict.fromkeys(refs)),
            next=write_json(following).decode() if following else None,
            as_of=_as_of(response),
        )

    def literal(self, resource: Resource[Any], by: str, value: str) -> str:
        """In a list where Xero takes one, else as a condition."""
        listed = resource.id_parameter if by == "id" else resource.number_parameter
        # A list cannot hold a comma, nor a condition's text a quotation mark, however it
        # is written (XeroAPI/Xero-Java#347).
        if by == "number" and re.search("," if listed else r'["\\\x00-\x1f]', value):
            text = "Xero cannot be searched for a number with these characters"
            raise Fault(Code.NOT_ALLOWED, text)
        if listed:
            return value
        if by == "id":
            # That this is how an id is written is unverified.
            return f'{resource.id_field}==Guid("{value}")'
        names = [resource.number_field, "Name"][: 1 + (resource.kind is Customer)]
        return " OR ".join(f'{name}=="{value}"' for name in names)

    def fetch_request(
        self, resource: Resource[Any], by: str, literals: Sequence[str]
    ) -> Request:
        listed = resource.id_parameter if by == "id" else resource.number_parameter
        # Without a page number Xero leaves out the lines.
        params = {**resource.parameters, "page": "1", "pageSize": str(PAGE_MAX)}
        if listed:
            return Request(
                "GET", resource.path, params=params | {listed: ",".join(literals)}
            )
        base, either = params.get("where"), " OR ".join(literals)
        where = f"{base} AND ({either})" if base else either
        return Request("GET", resource.path, params=params | {"where": where})

    def names(self, record: Any) -> Iterable[str]:
        name = record.name if isinstance(record, Customer) else ""
        return (getattr(record, "number", ""), clean_number(name))

    # Judging

    def suspicious(self, response: Response) -> bool:
        return b'"ERROR"' in response.body

    def explain(self, response: Response) -> tuple[str, str]:
        if response.status == 429:  # noqa: PLR2004 - HTTP's own number
            problem = (response.header("X-Rate-Limit-Problem") or "").strip().lower()
            used_up = response.header("X-DayLimit-Remaining") == "0"
            day = problem.startswith("day") or (used_up and not problem)
            return "day" if day else "", f"limit reached: {problem or 'not named'}"
        try:
            body = response.json()
            said = list(dict.fromkeys(filter(None, _said(body))))
            if not said and isinstance(body, dict):  # the case of these keys differs
                low = {name.lower(): value for name, value in body.items()}
                said = [
                    str(low[n]) for n in ("title", "detail", "message") if low.get(n)
                ]
        except Fault:  # some answers are XML
            said = [" ".join(re.sub(r"<[^>]*>", " ", response.text()).split())]
        text, mark = "; ".join(said), response.header("Xero-Correlation-Id")
        return "", f"{text} (Xero-Correlation-Id {mark})" if text and mark else text

    # Loading

    def _ref(self, kind: str, identity: str) -> Ref:
        return Ref(self.connection, kind, identity)

    def _contact(self, row: Fields) -> Ref | None:
        contact = row.child("Contact")
        held = contact.text("ContactID") if contact else ""
        return self._ref("Customer", held) if held else None

    def _paid(self, row: Fields) -> tuple[Ref, ...]:
        """The invoice that a payment, perhaps a deleted one, is of."""
        invoice = Fields(row.raw.get("Invoice"), row.path("Invoice"))
        sale = invoice.text("Type", "ACCREC") == "ACCREC"
        return (self._ref("Invoice", _own_id(invoice, "InvoiceID")),) if sale else ()

    def _allocated(self, row: Fields) -> tuple[Ref, ...]:
        """The invoices that a credit note, overpayment or prepayment was put to."""
        return tuple(chain(*map(self._paid, row.children("Allocations"))))

    # fmt: off
    def _customer(self, row: Fields) -> Customer:
        told = row.text("ContactStatus") != ""
        return Customer(
            self._ref("Customer", _own_id(row, "ContactID")), row.text("Name"),
            number=row.number("AccountNumber"), email=row.text("EmailAddress"),
            currency=row.text("DefaultCurrency"),
            active=row.choice("ContactStatus", _CONTACT_STATUSES) if told else True,
            changed_at=_changed_at(row), custom=_held(row, _MERGED),
        )

    def _head(self, row: Fields, kind: str) -> dict[str, Any]:
        """What all documents have in common, by the names of the records' fields."""
        currency = row.currency("CurrencyCode")
        return {
            "ref": self._ref(kind, _own_id(row, f"{kind}ID")), "number": row.number(f"{kind}Number"),
            "customer": self._contact(row), "reference": clean_number(row.text("Reference")),
            "currency": currency, "total": row.amount("Total", currency),
            "status": row.choice("Status", _STATUSES), "changed_at": _changed_at(row),
        }
    # fmt: on

    def _settlement(self, row: Fields) -> Settlement:
        head, on = self._head(row, "Invoice"), _day(row, "Date")
        currency, total, status = head["currency"], head["total"], head["status"]
        if status is Status.VOID:
            money = {"balance": ZERO}
        elif status is Status.DRAFT:
            due = row.maybe_amount("AmountDue", currency)
            money = {"balance": total if due is None else due}
        else:
            money = _money(row, currency, total, status, on)
        return Settlement(**{**head, **money}, on=on)

    def _invoice(self, row: Fields) -> Invoice:
        head = self._document(row, "Invoice", "AmountDue")[0]
        return Invoice(**head, due=_day(row, "DueDate"))

    def _credit_note(self, row: Fields) -> CreditNote:
        head, left = self._document(row, "CreditNote", "RemainingCredit")
        return CreditNote(**head, remaining=left)

    def _document(
        self, row: Fields, kind: str, rest: str
    ) -> tuple[dict[str, Any], Decimal | None]:
        """What invoices and credit notes have in common, and what is left of one."""
        head = self._head(row, kind)
        left = row.maybe_amount(rest, head["currency"])
        if head["status"] is Status.OPEN and left is not None and left <= 0:
            head["status"] = Status.SETTLED
        gross = row.text("LineAmountTypes") == "Inclusive"
        lines = [_line(x, head["currency"], gross) for x in row.children("LineItems")]
        on = _day(row, "Date") or row.read("Date", _calendar)
        return {**head, "on": on, "lines": tuple(lines)}, left

    def _payment(self, row: Fields) -> Payment:
        """One payment of one invoice; a receipt for many is a batch of these."""
        invoice = Fields(row.raw.get("Invoice"), "Invoice")
        currency = invoice.currency("CurrencyCode")
        amount, on = row.amount("Amount", currency), row.read("Date", _calendar)
        status = row.choice("Status", _PAYMENT_STATUSES)
        ref = self._ref("Payment", _own_id(row, "PaymentID"))
        account = row.child("Account") or Fields({})
        changed_at = _changed_at(row)
        # fmt: off
        application = Application(
            self._ref("Application", ref.id), ref, self._ref("Invoice", _own_id(invoice, "InvoiceID")),
            amount, currency, on, live=status is not Status.VOID,
            source_amount=amount, source_currency=currency, changed_at=changed_at,
        )
        return Payment(
            ref, self._contact(invoice), currency, on, amount, status,
            reference=clean_number(row.text("Reference")),
            unapplied=ZERO, applications=(application,),
            account=account.text("Code") or account.text("AccountID"),
            changed_at=changed_at, custom=_held(row, "BatchPaymentID"),
        )
        # fmt: on


def _line(row: Fields, currency: str, gross: bool) -> Line:
    """A line, without tax also where Xero holds it with it."""
    tax = row.maybe_amount("TaxAmount", currency)
    amount = row.maybe_amount("LineAmount", currency) or ZERO
    tracking = row.children("Tracking")
    # fmt: off
    return Line(
        row.text("Description"), amount - (tax or ZERO) if gross else amount,
        quantity=row.maybe("Quantity", parse_amount), unit_price=row.maybe("UnitAmount", parse_amount),
        tax=tax, tax_code=row.text("TaxType"),
        account=row.text("AccountCode") or row.text("AccountID"), item=row.text("ItemCode"),
        dimensions={each.text("Name"): each.text("Option") for each in tracking},
        custom=_held(row, "LineItemID"),
    )
    # fmt: on
