"""
Xero as a ledger: customers, sales invoices, credit notes, payments, and what is paid.

It reads and never writes, leaves bills (accounts payable) alone, and has no webhooks.

Where facts come from: the vendor's OpenAPI description and real replies unless said
otherwise; "second hand" is a third party that quotes the vendor, "unverified" is nobody's
word yet. What is not sure is an argument of `Xero`.

Traps that shape it: ``FullyPaidOnDate`` stays on an invoice whose payment was deleted;
deleted payments show only in the list of payments; calendar days come as midnight UTC and
are never shifted; a list that is paged by number over a moving order loses rows.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from attrs import evolve, frozen

from tieout.auth import Grant
from tieout.capabilities import (
    Blind,
    Capabilities,
    Changed,
    Cost,
    Dated,
    Everything,
    Feed,
    Kind,
    Limit,
    LimitScope,
    Open,
    Payments,
    Select,
)
from tieout.change import Issue
from tieout.connector import (
    Books,
    Fields,
    Health,
    Page,
    Resource,
    RestConnector,
    Rule,
    iso_day,
    iso_instant,
    judge,
    server_time,
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
    settled_day,
)
from tieout.money import ZERO, parse_amount
from tieout.wire import Answer, Flow, Request, Response, Verdict

PAGE_MAX = 1000
"""Xero's largest page (second hand); more is cut to it."""
PAGES_MAX = 100
"""Of one search by id or number: more is a loop."""
FEEDS = ("invoices", "payments", "credits", "overpayments", "prepayments")
"""What `Xero.page` reads, one after another, to learn whose payment info changed."""

# Signing in -------------------------------------------------------------------------

_TOKEN_RULES = (
    Rule(
        Code.RECONNECT_NEEDED,
        vendor_code="invalid_grant",
        remedy="An administrator has to connect Xero again: the refresh token was used up, revoked, or not used for too long.",
    ),
    Rule(Code.SIGN_IN_REFUSED, vendor_code="invalid_client"),
    Rule(Code.SIGN_IN_REFUSED, vendor_code="unauthorized_client"),
    Rule(Code.PERMISSION_MISSING, vendor_code="invalid_scope"),
)
_MARGIN = 60.0  # seconds: a token is renewed before it ends in the middle of a call
_LIFETIME = 1800.0  # seconds: second hand, where the answer does not say


class XeroAuth:
    """
    OAuth 2 at Xero: rotating refresh tokens, or client credentials of one organisation.

    Each refresh retires the token it was made with, which still works for 30 minutes
    (the vendor's staff): hence one lost answer does no harm, and the grant before the
    last is tried before a person is asked.
    """

    def __init__(
        self,
        *,
        tenant_id: str,
        client_id: str,
        client_secret: str,
        refresh_token: str = "",
        scope: str = "",
        base_url: str,
        identity_url: str,
    ) -> None:
        self._tenant = tenant_id
        secret = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self._basic = f"Basic {secret}"
        self._refresh_token = refresh_token
        self._scope = scope
        self._base_url = base_url
        self._identity_url = identity_url

    def __repr__(self) -> str:
        return f"XeroAuth({self._tenant!r})"

    def first(self) -> Grant:
        place = urlsplit(self._identity_url)
        held = self._refresh_token
        return Grant(
            self._base_url,
            {"refresh_token": held} if held else {},
            hosts=(f"{place.scheme}://{place.netloc}",),
            signed_in=False,
        )

    def sign(self, request: Request, grant: Grant) -> Request:
        if "access_token" not in grant.values:
            raise Fault(Code.SIGN_IN_REFUSED, "not signed in", fate=Fate.NOT_SENT)
        added = {
            "Authorization": f"Bearer {grant.values['access_token']}",
            "xero-tenant-id": self._tenant if self._refresh_token else "",
            "Accept": "" if request.header("Accept") else "application/json",
        }
        return evolve(
            request,
            headers=(*request.headers, *((k, v) for k, v in added.items() if v)),
        )

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        if not self._refresh_token:
            form = {"grant_type": "client_credentials", "scope": self._scope}
            response = yield self._request(form)
            return self._granted(response, grant, now, "")
        # The configured token comes last: it is newer where a person has reconnected.
        held = (grant.values.get("refresh_token"), grant.previous.get("refresh_token"))
        tokens = list(dict.fromkeys(t for t in (*held, self._refresh_token) if t))
        dead = Fault(Code.RECONNECT_NEEDED)
        for token in tokens:
            form = {"grant_type": "refresh_token", "refresh_token": token}
            response = yield self._request(form)
            try:
                return self._granted(response, grant, now, token)
            except Fault as fault:
                if fault.code is not Code.RECONNECT_NEEDED:
                    raise
                dead = fault
        raise dead

    def _request(self, form: Mapping[str, str]) -> Request:
        # No effect on the books; repeating it within the 30 minutes is harmless.
        return Request(
            "POST",
            self._identity_url,
            headers={
                "Authorization": self._basic,
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
            content=urlencode({k: v for k, v in form.items() if v}).encode(),
        )

    @staticmethod
    def _granted(response: Response, grant: Grant, now: datetime, used: str) -> Grant:
        error = ""
        if response.status >= 300:  # noqa: PLR2004 - HTTP's own numbers
            try:
                body = response.json()
            except Fault:
                body = None
            error = str(body.get("error", "")) if isinstance(body, dict) else ""
        verdict = judge(response, _TOKEN_RULES, error, error)
        if verdict.answer is Answer.SIGN_IN:
            raise Fault(Code.SIGN_IN_REFUSED, verdict.text)
        if verdict.answer is not Answer.OK:
            raise verdict.fault()
        try:
            body = Fields(response.json())
            values = {"access_token": body.id("access_token")}
            seconds = float(body.maybe("expires_in", parse_amount) or _LIFETIME)
            refresh = body.text("refresh_token") or used
        except Fault as fault:
            raise Fault(Code.BAD_PAYLOAD, fault.text, fate=Fate.UNCLEAR) from fault
        if refresh:
            values["refresh_token"] = refresh
        lasting = timedelta(seconds=max(seconds - _MARGIN, seconds / 2))
        return grant.renewed(values, expires_at=now + lasting)


# Xero's words -----------------------------------------------------------------------

_STATUSES: Mapping[str, Status] = {
    "DRAFT": Status.DRAFT,
    "SUBMITTED": Status.DRAFT,
    "AUTHORISED": Status.OPEN,
    "PAID": Status.SETTLED,
    "VOIDED": Status.VOID,
    "DELETED": Status.VOID,
}
_PAYMENT_STATUSES = {"AUTHORISED": Status.SETTLED, "DELETED": Status.VOID}
_CONTACT_STATUSES = {"ACTIVE": True, "ARCHIVED": False, "GDPRREQUEST": False}
_LIVE = (Status.OPEN, Status.SETTLED)

_SALES = 'Type=="ACCREC"'
_FILTERS: Mapping[RecordType, str] = {
    Customer: "",
    Invoice: _SALES,
    Settlement: _SALES,
    CreditNote: 'Type=="ACCRECCREDIT"',
    Payment: 'PaymentType=="ACCRECPAYMENT"',  # refunds have types of their own
}
_ALWAYS: tuple[type, ...] = (Changed, Everything)
_SELECTS: Mapping[RecordType, frozenset[type]] = {
    Customer: frozenset(_ALWAYS),
    Invoice: frozenset((*_ALWAYS, Dated, Open)),
    Settlement: frozenset((*_ALWAYS, Dated, Open)),
    CreditNote: frozenset((*_ALWAYS, Dated, Open)),
    Payment: frozenset((*_ALWAYS, Dated)),
}

_ZONES = """
GMT=Europe/London WEUROPE=Europe/Berlin ROMANCE=Europe/Paris
SOUTHAFRICA=Africa/Johannesburg ARABIAN=Asia/Dubai INDIA=Asia/Kolkata
SEASIA=Asia/Bangkok CHINA=Asia/Shanghai SINGAPORE=Asia/Singapore
WAUSTRALIA=Australia/Perth AUSCENTRAL=Australia/Darwin CENAUSTRALIA=Australia/Adelaide
EAUSTRALIA=Australia/Brisbane AUSEASTERN=Australia/Sydney TASMANIA=Australia/Hobart
NEWZEALAND=Pacific/Auckland FIJI=Pacific/Fiji HAWAIIAN=Pacific/Honolulu
ALASKAN=America/Anchorage PACIFIC=America/Los_Angeles USMOUNTAIN=America/Phoenix
MOUNTAIN=America/Denver CENTRAL=America/Chicago CANADACENTRAL=America/Regina
EASTERN=America/New_York USEASTERN=America/Indiana/Indianapolis
ATLANTIC=America/Halifax NEWFOUNDLAND=America/St_Johns
"""
ZONES: Mapping[str, str] = {
    **{
        f"{name}STANDARDTIME": zone
        for name, zone in (pair.split("=") for pair in _ZONES.split())
    },
    "UTC": "UTC",
}
"""IANA names by Xero's, which are Windows' without spaces; after Unicode CLDR's windowsZones."""

LINK = "https://go.xero.com/organisationlogin/default.aspx?shortcode={shortcode}&redirecturl={path}"
LINK_PATHS: Mapping[str, str] = {
    "Invoice": "/AccountsReceivable/View.aspx?InvoiceID={id}",
    "CreditNote": "/AccountsReceivable/ViewCreditNote.aspx?creditNoteID={id}",
    "Customer": "/Contacts/View/{id}",
}
"""Pages of Xero's own; the credit note's is unverified."""

_RECONNECT = "An administrator has to connect Xero again; what is queued is kept."
# fmt: off
_VALIDATION: tuple[tuple[Code, str, str], ...] = (
    (Code.DUPLICATE_NUMBER, r"invoice # must be unique",
     "Find the invoice of this number in Xero. If it is the same one, link it; otherwise renumber."),
    (Code.REFUSED, r"not of valid status for modification|cannot be edited as it has a payment",
     "Change it in Xero, or remove the payment or credit there, then retry."),
    (Code.REFUSED, r"payment amount exceeds the amount outstanding",
     "The payment is probably recorded in Xero already: delete the duplicate, or mark ours as present."),
    (Code.REFUSED, r"payments can only be made against authorised documents",
     "Approve the invoice in Xero; make it again if it was voided."),
    (Code.LOCKED_PERIOD, r"period lock date|end of year lock date",
     "Ask the adviser to unlock the period in Xero, or date the document into an open one."),
    (Code.REFUSED, r"contact with the specified contact details has been archived",
     "Restore the contact in Xero, or link the customer to the one it was merged into."),
    (Code.DUPLICATE_NUMBER, r"contact name .*already assigned to another contact",
     "Link the customer to the contact in Xero that has this name."),
    (Code.REFUSED, r"account code .*(has been archived, or deleted|is not a valid code)",
     "Correct the account mapping, or restore the account in Xero."),
    (Code.REFUSED, r"taxtype code .*cannot be used with account code",
     "Correct the tax mapping for this account."),
    (Code.NOT_ALLOWED, r"not subscribed to currency",
     "Enable multi-currency in Xero, or bill in the base currency."),
    (Code.NOT_ALLOWED, r"reached the limit of invoices you can approve",
     "Upgrade the Xero plan, or send invoices as drafts."),
)
# fmt: on
_RULES: tuple[Rule, ...] = (
    Rule(Code.DAY_LIMIT_REACHED, 429, "day", answer=Answer.WAIT),
    Rule(
        Code.PERMISSION_MISSING,
        401,
        text="AuthorizationUnsuccessful",
        remedy="Give the app the scope for what was asked, and let an administrator consent again.",
    ),
    # After the one renewal that the session tries, only a person can help.
    Rule(Code.RECONNECT_NEEDED, 401, remedy=_RECONNECT, answer=Answer.SIGN_IN),
    Rule(
        Code.RECONNECT_NEEDED,
        403,
        text="AuthenticationUnsuccessful",
        remedy=_RECONNECT,
    ),
    # Bound to a status: the same words in a 5xx prove nothing.
    *(
        Rule(code, status, text=text, remedy=remedy)
        for status in (400, 200)
        for code, text, remedy in _VALIDATION
    ),
)

# Reading Xero's values --------------------------------------------------------------

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS = re.compile(r"/Date\((-?[0-9]{1,15})(?:[+-][0-9]{4})?\)/", re.ASCII)


def _moment(value: Any) -> datetime:
    """``/Date(1772928000000+0000)/``, with or without the offset, or ISO 8601 in UTC."""
    match = _MILLISECONDS.fullmatch(value)
    if match is None:
        return iso_instant(value, naive_is_utc=True)
    try:
        found = _EPOCH + timedelta(milliseconds=int(match[1]))
    except OverflowError:
        raise Fault(Code.BAD_DATE, f"{value[:40]!r} is no instant") from None
    sound_day(found.date())
    return found


def _calendar_day(value: Any) -> date:
    return _moment(value).date() if _MILLISECONDS.fullmatch(value) else iso_day(value)


def _day(row: Fields, name: str) -> date | None:
    """A calendar day, rather from its text twin; no zone ever shifts it."""
    return row.maybe(f"{name}String", _calendar_day) or row.maybe(name, _calendar_day)


def _currency(row: Fields, name: str = "CurrencyCode") -> str:
    if row.text(name):
        return row.currency(name)
    at = row.path(name)
    raise Fault(
        Code.BAD_CURRENCY, f"{at} is missing; the base is not assumed", field=at
    )


def _changed_at(row: Fields) -> datetime | None:
    return row.maybe("UpdatedDateUTC", _moment)


def _rows(response: Response, name: str) -> tuple[Mapping[str, Any], list[Any]]:
    body = response.json()
    rows = body.get(name) if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise Fault(Code.BAD_PAYLOAD, f"no list of {name!r}", fate=Fate.UNCLEAR)
    return body, rows


def _as_of(body: Mapping[str, Any], response: Response) -> datetime | None:
    try:
        return Fields(body).maybe("DateTimeUTC", _moment) or server_time(response)
    except Fault:
        return server_time(response)


def _more(body: Mapping[str, Any], rows: Sequence[Any], page: int, size: int) -> bool:
    """Whether there is a page behind this one."""
    pagination = body.get("pagination")
    count = pagination.get("pageCount") if isinstance(pagination, dict) else None
    if isinstance(count, int | str) and re.fullmatch(r"[0-9]{1,9}", str(count)):
        return bool(rows) and page < int(count)
    return len(rows) >= size


def _messages(value: Any) -> Iterator[str]:
    """The texts of all ``ValidationErrors``, wherever they stand."""
    if isinstance(value, dict):
        errors = value.get("ValidationErrors") or ()
        for error in errors if isinstance(errors, list) else ():
            if isinstance(error, dict) and error.get("Message"):
                yield str(error["Message"])
        if value.get("StatusAttributeString") == "ERROR" and not errors:
            yield "Xero marks it as an error without saying which"
        for item in value.values():
            yield from _messages(item)
    elif isinstance(value, list):
        for item in value:
            yield from _messages(item)


# Invoices' money --------------------------------------------------------------------

_CASH, _CREDIT = ("Payments", "Prepayments", "Overpayments"), ("CreditNotes",)


@frozen
class _Applied:
    """One thing that Xero nests in an invoice as applied to it."""

    source: str
    id: str
    day: date | None
    amount: Decimal | None


def _applied(row: Fields, currency: str) -> list[_Applied]:
    found = []
    for source in (*_CASH, *_CREDIT):
        name = "Amount" if source == "Payments" else "AppliedAmount"
        found += [
            _Applied(
                source,
                each.text("PaymentID"),
                _day(each, "Date"),
                each.maybe_amount(name, currency),
            )
            for each in row.children(source)
            if each.text("Status") not in ("DELETED", "VOIDED")
        ]
    return found


def _parts(
    row: Fields,
    currency: str,
    total: Decimal,
    balance: Decimal,
    applied: Sequence[_Applied],
) -> dict[Part, Decimal]:
    """
    Cash and credit, as far as they are told.

    Xero counts prepayments and overpayments as credited; here they are cash. Where it
    does not list what was credited, the split is unknown and no part is given.
    """
    paid = row.maybe_amount("AmountPaid", currency)
    credited = row.maybe_amount("AmountCredited", currency)
    if paid is None and credited is None and balance == total:
        paid = credited = ZERO
    elif paid is not None and credited is None:
        credited = total - balance - paid
    elif credited is not None and paid is None:
        paid = total - balance - credited
    if paid is None or credited is None:
        return {}
    if paid + credited + balance != total or min(paid, credited) < 0:
        raise Fault(
            Code.TOTALS_DISAGREE,
            f"{total} is not {paid} paid + {credited} credited + {balance} due",
            field="AmountDue",
        )
    listed = [each for each in applied if each.source != "Payments"]
    amounts = [each.amount for each in listed]
    advance = sum((e.amount or ZERO for e in listed if e.source in _CASH), ZERO)
    whole = None not in amounts and sum(a or ZERO for a in amounts) == credited
    rest = row.has("Prepayments") and row.has("Overpayments")
    by_rest = rest and not row.has("CreditNotes") and None not in amounts
    if whole or (by_rest and advance <= credited):
        return {Part.CASH: paid + advance, Part.CREDIT: credited - advance}
    return {}


def _balance(row: Fields, status: Status, currency: str, total: Decimal) -> Decimal:
    """What is due; dead documents owe nothing, and drafts all where it is not told."""
    if status in _LIVE:
        return row.amount("AmountDue", currency)
    if status is Status.VOID:
        return ZERO
    told = row.maybe_amount("AmountDue", currency)
    return total if told is None else told


def _standing(status: Status, total: Decimal, balance: Decimal, known: bool) -> Status:
    """Open or settled, by what is due and not by the word alone."""
    if status is Status.SETTLED and balance > 0:
        text = f"it is called paid, and {balance} is due"
        raise Fault(Code.TOTALS_DISAGREE, text, field="Status")
    if status is Status.OPEN and balance <= 0:
        if total != 0 and not known:
            text = "nothing is due, and nothing is said to have been applied"
            raise Fault(Code.TOTALS_DISAGREE, text, field="AmountDue")
        return Status.SETTLED
    return status


def _paid_on(
    row: Fields, total: Decimal, on: date | None, applied: Sequence[_Applied]
) -> tuple[date | None, Basis | None]:
    """The day of full payment of a settled invoice: as told, else from what was applied."""
    day = _day(row, "FullyPaidOnDate")
    if day is not None:
        return day, Basis.LEDGER_FIELD
    settling = [(e.day, e.amount) for e in applied if e.day and e.amount is not None]
    if len(settling) < len(applied):
        return None, None
    derived = settled_day(total, settling, on)
    return derived, Basis.APPLICATIONS if derived else None


# Feeds and cursors ------------------------------------------------------------------


def _of_payment(row: Fields) -> list[Fields]:
    sale = row.text("PaymentType", "ACCRECPAYMENT") == "ACCRECPAYMENT"
    return [Fields(row.raw.get("Invoice"), "Invoice")] if sale else []


def _of_allocations(row: Fields) -> list[Fields]:
    if row.text("Type").startswith(("SPEND", "ACCPAY")):
        return []
    return [Fields(each.raw.get("Invoice"), each.path("Invoice")) for each in row.children("Allocations")]  # fmt: skip


@frozen
class _Touching:
    """A list whose rows say whose money may have moved."""

    path: str
    kind: str
    id_field: str
    invoices: Callable[[Fields], list[Fields]]
    where: str = ""


_TOUCHING: Mapping[str, _Touching] = {
    "payments": _Touching("Payments", "Payment", "PaymentID", _of_payment, _FILTERS[Payment]),
    "credits": _Touching("CreditNotes", "CreditNote", "CreditNoteID", _of_allocations, _FILTERS[CreditNote]),
    "overpayments": _Touching("Overpayments", "Payment", "OverpaymentID", _of_allocations),
    "prepayments": _Touching("Prepayments", "Payment", "PrepaymentID", _of_allocations),
}  # fmt: skip


@frozen
class _Spot:
    """Where a run stands: a feed, a page of a size, and from which instant on."""

    feed: str
    page: int
    size: int
    since: str

    def __str__(self) -> str:
        return f"{self.feed}:{self.page}:{self.size}:{self.since}"


def _stamp(instant: datetime) -> str:
    """UTC to the second, without a zone: the form that the vendor's pages show."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")


def _reached(rows: Sequence[Any]) -> str:
    """From where the rest is asked for: a second before the last row of sorted ones."""
    try:
        stamps = [Fields(row).read("UpdatedDateUTC", _moment) for row in rows]
    except Fault:
        return ""
    if not stamps or any(late < early for early, late in pairwise(stamps)):
        return ""
    return _stamp(stamps[-1] - timedelta(seconds=1))


def _after(spot: _Spot, rows: Sequence[Any], more: bool, size: int) -> _Spot | None:
    """
    The place behind a page of a feed, or None at its end.

    A row that is edited while pages are counted moves to the end and pushes its
    neighbours across the boundary, unseen. So the next page starts at the last row's
    change time; where a whole page has one time, the page grows, and only a full-sized
    one is counted on.
    """
    if not more:
        return None
    since = _reached(rows)
    if since > spot.since:
        return evolve(spot, page=1, size=size, since=since)
    if spot.size < PAGE_MAX:
        return evolve(spot, page=1, size=min(spot.size * 2, PAGE_MAX))
    return evolve(spot, page=spot.page + 1)


# Conditions -------------------------------------------------------------------------


_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_UNWRITABLE = frozenset('"\\')


def _date(day: date) -> str:
    return f"DateTime({day:%Y,%m,%d})"


def _equals(name: str, value: str) -> str:
    """
    A condition that holds for the value, and perhaps for a few others; "" if there is none.

    Xero takes no quotation mark inside a string, however it is written
    (XeroAPI/Xero-Java#347): a value that has one is looked for by the pieces between.
    """
    pieces = [piece for piece in re.split(r'["\\\x00-\x1f]', value) if piece]
    if pieces == [value]:
        return f'{name}=="{value}"'
    contained = [f'{name}.Contains("{piece}")' for piece in pieces]
    return " AND ".join([f"{name}!=null", *contained]) if contained else ""


def _both(base: str, term: str) -> str:
    return f"{base} AND ({term})" if base else term


def _fitting(
    values: Iterable[str], glue: str, count: int, length: int
) -> Iterator[str]:
    """The values in texts that fit into an address."""
    some: list[str] = []
    size = 0
    for value in values:
        cost = len(quote(value + glue, safe=""))
        if some and (len(some) == count or size + cost > length):
            yield glue.join(some)
            some, size = [], 0
        some.append(value)
        size += cost
    if some:
        yield glue.join(some)


# The connector ----------------------------------------------------------------------


_APP_LIMIT = Limit(10_000, 60, LimitScope.CREDENTIAL)


def _check_settings(feeds: Sequence[str], page_size: int) -> None:
    if not feeds or not set(feeds) <= set(FEEDS):
        raise ConfigError(f"feeds are some of {', '.join(FEEDS)}")
    if not 1 <= page_size <= PAGE_MAX:
        raise ConfigError(f"page_size is from 1 to {PAGE_MAX}")


class Xero(RestConnector):
    """
    One Xero organisation.

    With a ``refresh_token`` it signs in as an authorization-code app, without one as a
    custom connection (``scope`` is only sent then). What else may be set:

    ``feeds``
        what is read for changed payment info, in order (`FEEDS`).
    ``page_size``
        at most 1000 (second hand).
    ``summary``
        list invoices in Xero's light form: fewer bytes, but no day of the last receipt
        and no split between cash and credit where anything was credited.
    ``fetch_size``, ``url_max``
        ids or numbers in one request, and characters of them: addresses fail at about
        52 ids (XeroAPI/Xero-OpenAPI#534).
    ``unit_dp``
        decimals of unit prices, 2 or 4.
    ``per_minute``, ``per_day``, ``concurrency``
        Xero's limits of an app in one organisation; 1000 a day on its free tier.
    ``overlap``, ``late_commit``, ``search_lag``
        see `Capabilities`; unverified, hence generous.
    ``sweep_every``
        edits of part-paid invoices, and credits that are taken back, may not show
        (second hand).
    ``customer_number``
        the contact's field that is a customer's number: ``AccountNumber`` or
        ``ContactNumber``.
    ``awkward``
        characters that keep a number out of the list of ``InvoiceNumbers``: a comma
        cannot be written there (unverified).
    ``guid``
        how an id is written in a condition (unverified).
    ``zones``
        more of Xero's time zones, by IANA name.
    ``shortcode``, ``link``, ``link_paths``
        for `deep_link`; without a shortcode a link opens the user's last organisation.
    """

    rules = _RULES

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
        feeds: Sequence[str] = FEEDS,
        page_size: int = PAGE_MAX,
        summary: bool = False,
        fetch_size: int = 40,
        url_max: int = 1700,
        unit_dp: int = 4,
        per_minute: int = 60,
        per_day: int = 5000,
        concurrency: int = 5,
        overlap: timedelta = timedelta(minutes=2),
        late_commit: timedelta = timedelta(minutes=10),
        search_lag: timedelta = timedelta(minutes=1),
        sweep_every: timedelta | None = timedelta(days=1),
        customer_number: str = "AccountNumber",
        awkward: str = ",",
        guid: str = 'Guid("{}")',
        zones: Mapping[str, str] | None = None,
        shortcode: str = "",
        link: str = LINK,
        link_paths: Mapping[str, str] = LINK_PATHS,
    ) -> None:
        _check_settings(feeds, page_size)
        self.connection = f"xero:{tenant_id}"
        self.auth = XeroAuth(
            tenant_id=tenant_id,
            client_id=client_id,
            client_secret=client_secret,
            refresh_token=refresh_token,
            scope=scope,
            base_url=base_url,
            identity_url=identity_url,
        )
        self._tenant = tenant_id
        self._feeds = tuple(dict.fromkeys(feeds))
        self._page_size = page_size
        self._summary = summary
        self._url_max = url_max
        self._customer_number = customer_number
        self._awkward = frozenset(awkward)
        self._guid = guid
        self._zones = {**ZONES, **(zones or {})}
        self._shortcode = shortcode
        self._link = link
        self._link_paths = link_paths
        self.resources = self._resources(unit_dp)
        self.capabilities = Capabilities(
            "Xero",
            {kind: self._kind(kind, fetch_size) for kind in _SELECTS},
            payments=self._payments(sweep_every),
            deletions_visible=True,
            limits=(Limit(per_minute, 60), Limit(per_day, 86_400), _APP_LIMIT),
            concurrency=concurrency,
            overlap=overlap,
            late_commit=late_commit,
            search_lag=search_lag,
            invoices_per_payment=1,
        )

    def _kind(self, kind: RecordType, fetch_size: int) -> Kind:
        return Kind(
            selects=_SELECTS[kind],
            number_length={Payment: None, Customer: 50}.get(kind, 255),
            number_unique=kind in (Invoice, Settlement),
            page_size=self._page_size,
            fetch_size=fetch_size,
            stable_order=True,
        )

    def __repr__(self) -> str:
        return f"Xero({self.connection!r})"

    def _payments(self, sweep_every: timedelta | None) -> Payments:
        told = {"invoices": Feed.STAMP, "payments": Feed.PAYMENTS}
        blind = {Blind.CREDITS}
        if "payments" not in self._feeds:
            blind.add(Blind.REVERSALS)
        if "invoices" not in self._feeds:
            blind.add(Blind.DELETIONS)
        return Payments(
            feeds=tuple(dict.fromkeys(told.get(f, Feed.CREDITS) for f in self._feeds)),
            blind=frozenset(blind),
            sweep_every=sweep_every,
            parts=frozenset() if self._summary else frozenset({Part.CASH, Part.CREDIT}),
            paid_on=Basis.LEDGER_FIELD,
            detail=Cost.IN_THE_LIST,
        )

    def _resources(self, unit_dp: int) -> Mapping[RecordType, Resource[Any]]:
        old, exact = {"includeArchived": "true"}, {"unitdp": str(unit_dp)}
        # fmt: off
        rows: tuple[tuple[RecordType, str, Any, str, str, str, dict[str, str]], ...] = (
            (Customer, "Contacts", self._customer, "ContactID", self._customer_number, "IDs", old),
            (Invoice, "Invoices", self._invoice, "InvoiceID", "InvoiceNumber", "IDs", old | exact),
            (CreditNote, "CreditNotes", self._credit_note, "CreditNoteID", "CreditNoteNumber", "", exact),
            (Payment, "Payments", self._payment, "PaymentID", "", "", {}),
            (Settlement, "Invoices", self._settlement, "InvoiceID", "InvoiceNumber", "IDs", old),
        )
        # fmt: on
        return {
            kind: Resource(
                kind,
                path,
                load,
                rows=path,
                id_field=id_field,
                number_field=number_field,
                id_parameter=id_parameter,
                number_parameter="InvoiceNumbers" if path == "Invoices" else "",
                parameters=parameters,
            )
            for kind, path, load, id_field, number_field, id_parameter, parameters in rows
        }

    # How it is

    def check(self) -> Flow[Health]:
        try:
            response = yield from self.ask(Request("GET", "Organisation"))
        except Fault as fault:
            said = f"{fault.text} {fault.remedy}".strip()
            match fault.code:
                case Code.SIGN_IN_REFUSED | Code.RECONNECT_NEEDED:
                    return Health(reachable=True, signed_in=False, notes=(said,))
                case Code.PERMISSION_MISSING:
                    scope = ("accounting.settings.read",)
                    return Health(
                        reachable=True, signed_in=True, missing=scope, notes=(said,)
                    )
                case Code.NOT_REACHED | Code.ANSWER_LOST | Code.SERVER_ERROR:
                    return Health(reachable=False, signed_in=False, notes=(said,))
                case _:
                    raise
        _, rows = _rows(response, "Organisations")
        features, notes = yield from self._actions()
        books = self._books(Fields(rows[0] if rows else None, "Organisation"), features)
        return Health(reachable=True, signed_in=True, books=books, notes=notes)

    def _actions(self) -> Flow[tuple[tuple[str, ...], tuple[str, ...]]]:
        """What the organisation's plan and the user's role allow, for information."""
        try:
            response = yield from self.ask(Request("GET", "Organisation/Actions"))
            rows = [Fields(row) for row in _rows(response, "Actions")[1]]
            allowed = (r.text("Name") for r in rows if r.text("Status") == "ALLOWED")
            return tuple(allowed), ()
        except Fault as fault:
            return (), (f"allowed actions are not known: {fault.text}",)

    def _books(self, row: Fields, features: tuple[str, ...]) -> Books:
        locks = (_day(row, "PeriodLockDate"), _day(row, "EndOfYearLockDate"))
        return Books(
            row.text("OrganisationID") or row.text("ShortCode") or self._tenant,
            name=row.text("Name"),
            currency=_currency(row, "BaseCurrency"),
            zone=self._zones.get(row.text("Timezone")),
            locked_through=max((day for day in locks if day), default=None),
            features=features,
        )

    def deep_link(self, ref: Ref) -> str:
        path = self._link_paths.get(ref.kind)
        if path is None:
            return ""
        link = self._link
        if not self._shortcode:
            link = link.replace("shortcode={shortcode}&", "")
        return link.format(
            shortcode=quote(self._shortcode, safe="!"),
            path=path.format(id=quote(ref.id, safe="")),
        )

    # Reading

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        resource = self.resource(kind)
        if type(select) not in _SELECTS[kind]:
            raise Fault(
                Code.NOT_ALLOWED,
                f"Xero cannot select {kind.__name__} by {type(select).__name__}",
            )
        main = resource.path.lower()
        feeds: tuple[str, ...] = (main,)
        if kind is Settlement and isinstance(select, Changed):
            feeds = self._feeds
        spot = self._spot(cursor, feeds, select)
        touching = None if spot.feed == main else _TOUCHING[spot.feed]
        response = yield from self.ask(self._listing(resource, touching, select, spot))
        body, rows = _rows(response, touching.path if touching else resource.path)
        records: tuple[R, ...] = ()
        touched: tuple[Ref, ...] = ()
        if touching is None:
            records, issues = self.load(resource, rows)
        else:
            touched, issues = self._touched(touching, rows)
        more = _more(body, rows, spot.page, spot.size)
        following = _after(spot, rows, more, self._page_size)
        rest = feeds[feeds.index(spot.feed) + 1 :]
        return Page(
            records,
            issues,
            gone=tuple(ref for ref in map(_merged, records) if ref),
            touched=touched,
            next=str(following) if following else f"{rest[0]}:1" if rest else None,
            as_of=_as_of(body, response),
        )

    def _spot(
        self, cursor: str | None, feeds: tuple[str, ...], select: Select
    ) -> _Spot:
        """The place that a cursor names; one of other settings starts over: harmless."""
        since = _stamp(select.since) if isinstance(select, Changed) else ""
        match (cursor or "").split(":", 3):
            case [feed, page] if feed in feeds and page.isdecimal():
                return _Spot(feed, int(page), self._page_size, since)
            case [feed, page, size, reached] if (
                feed in feeds and page.isdecimal() and size.isdecimal()
            ):
                return _Spot(feed, int(page), int(size), max(reached, since))
            case _:
                return _Spot(feeds[0], 1, self._page_size, since)

    def _listing(
        self,
        resource: Resource[Any],
        touching: _Touching | None,
        select: Select,
        spot: _Spot,
    ) -> Request:
        where = [touching.where if touching else _FILTERS[resource.kind]]
        params = {} if touching else dict(resource.parameters)
        if self._summary and resource.kind is Settlement and not touching:
            params["summaryOnly"] = "true"
        match select:
            case Dated(first, last):
                where += [f"Date>={_date(first)}", f"Date<={_date(last)}"]
            case Open(through):
                if resource.path == "Invoices":
                    params["Statuses"] = "AUTHORISED"
                else:
                    where.append('Status=="AUTHORISED"')
                where += [f"Date<={_date(through)}"] if through else []
        params["where"] = " AND ".join(each for each in where if each)
        params["order"] = "UpdatedDateUTC ASC"
        params |= {"page": str(spot.page), "pageSize": str(spot.size)}
        return Request(
            "GET",
            touching.path if touching else resource.path,
            params={name: value for name, value in params.items() if value},
            headers={"If-Modified-Since": spot.since} if spot.since else {},
        )

    def _touched(
        self, touching: _Touching, rows: Iterable[Any]
    ) -> tuple[tuple[Ref, ...], tuple[Issue, ...]]:
        refs: dict[Ref, None] = {}
        issues: list[Issue] = []
        for row in rows:
            try:
                for invoice in touching.invoices(Fields(row)):
                    if invoice.text("Type", "ACCREC") == "ACCREC":
                        refs[self._ref("Invoice", invoice.id("InvoiceID"))] = None
            except Fault as fault:
                held = row.get(touching.id_field) if isinstance(row, dict) else None
                source = self._ref(touching.kind, str(held)) if held else None
                issues.append(
                    Issue(fault.code, source, field=fault.field, text=fault.text)
                )
        return tuple(refs), tuple(issues)

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        resource = self.resource(kind)
        wanted = {each.lower() for each in ids}
        named = {clean_number(each) for each in numbers}
        found: dict[str, R] = {}
        issues: dict[Issue, None] = {}
        for asked, params in self._searches(resource, ids, numbers):
            if not params:
                text = "Xero cannot be searched for this number"
                issues[Issue(Code.NOT_ALLOWED, numbers=(asked,), text=text)] = None
                continue
            try:
                rows = yield from self._all(resource, params)
            except Fault as fault:
                refused = (
                    fault.fate is Fate.REFUSED and fault.code.scope is Scope.RECORD
                )
                if not (asked and refused):
                    raise
                issues[Issue(fault.code, numbers=(asked,), text=fault.text)] = None
                continue
            records, bad = self.load(resource, rows)
            for record in records:
                if record.ref.id.lower() in wanted or named & _names(record):
                    found[record.ref.id] = record
            for issue in bad:
                at = issue.source.id.lower() if issue.source else None
                if at is None or at in wanted or named & set(issue.numbers):
                    issues[issue] = None
        return Page(tuple(found.values()), tuple(issues))

    def _all(
        self, resource: Resource[Any], params: Mapping[str, str]
    ) -> Flow[list[Any]]:
        """All rows of a search; without a page number Xero leaves out the lines."""
        found: list[Any] = []
        for page in range(1, PAGES_MAX + 1):
            paging = {"page": str(page), "pageSize": str(PAGE_MAX)}
            full = {**resource.parameters, **params, **paging}
            response = yield from self.ask(Request("GET", resource.path, params=full))
            body, rows = _rows(response, resource.path)
            found += rows
            if not _more(body, rows, page, PAGE_MAX):
                return found
        raise Fault(Code.LOOPING_PAGES, fate=Fate.UNCLEAR)

    def _searches(
        self, resource: Resource[Any], ids: Sequence[str], numbers: Sequence[str]
    ) -> Iterator[tuple[str, dict[str, str]]]:
        """The parameters of each search, with the number where it asks for just one."""
        if numbers and not resource.number_field:
            raise Fault(Code.NOT_ALLOWED, "payments in Xero have no number")
        limits = self.capabilities.kind(resource.kind).fetch_size, self._url_max
        base = _FILTERS[resource.kind]
        sound = [x for x in dict.fromkeys(ids) if _ID.fullmatch(x)]
        if resource.id_parameter:
            for some in _fitting(sound, ",", *limits):
                yield "", {resource.id_parameter: some}
        else:
            terms = [f"{resource.id_field}=={self._guid.format(x)}" for x in sound]
            for some in _fitting(terms, " OR ", *limits):
                yield "", {"where": _both(base, some)}
        plain: list[str] = []
        alone: list[str] = []
        for number in dict.fromkeys(each for each in numbers if each.strip()):
            odd = self._awkward if resource.number_parameter else _UNWRITABLE
            (alone if odd & set(number) else plain).append(number)
        if resource.number_parameter:
            for some in _fitting(plain, ",", *limits):
                yield "", {resource.number_parameter: some, "where": base}
        else:
            terms = [self._condition(resource, number) for number in plain]
            for some in _fitting(terms, " OR ", *limits):
                yield "", {"where": _both(base, some)}
        for number in alone:
            term = self._condition(resource, number)
            yield number, {"where": _both(base, term)} if term else {}

    def _condition(self, resource: Resource[Any], number: str) -> str:
        """That a record has this number, or a customer this name."""
        also = ("Name",) if resource.kind is Customer else ()
        terms = [_equals(name, number) for name in (resource.number_field, *also)]
        return " OR ".join(f"({term})" for term in terms if term)

    # Judging

    def judge(self, response: Response) -> Verdict:
        verdict = super().judge(response)
        if verdict.answer is Answer.OK and self.suspicious(response):
            text = self.explain(response)[1]
            if text:
                return Verdict(Answer.REFUSED, Code.REFUSED, text)
        return verdict

    def suspicious(self, response: Response) -> bool:
        return b'"ERROR"' in response.body or b'"ValidationException"' in response.body

    def explain(self, response: Response) -> tuple[str, str]:
        code, text = self._explained(response)
        mark = response.header("Xero-Correlation-Id")
        return code, f"{text} (Xero-Correlation-Id {mark})" if text and mark else text

    def _explained(self, response: Response) -> tuple[str, str]:
        if response.status == 429:  # noqa: PLR2004 - HTTP's own number
            problem = (response.header("X-Rate-Limit-Problem") or "").strip().lower()
            if not problem and response.header("X-DayLimit-Remaining") == "0":
                problem = "day"
            code = "day" if problem.startswith("day") else problem
            return code, f"limit reached: {problem or 'not named'}"
        try:
            body = response.json()
        except Fault:
            bare = re.sub(r"<[^>]*>", " ", response.text())
            return "", " ".join(bare.split())
        if not isinstance(body, dict):
            return "", ""
        said = list(dict.fromkeys(_messages(body)))
        if not said:
            low = {key.lower(): value for key, value in body.items()}
            values = (low.get(name) for name in ("title", "detail", "message"))
            said = [value for value in values if isinstance(value, str) and value]
        return str(body.get("ErrorNumber") or ""), "; ".join(said)

    # Loading

    def _ref(self, kind: str, identity: str) -> Ref:
        return Ref(self.connection, kind, identity)

    def _contact(self, row: Fields | None) -> Ref | None:
        contact = row.child("Contact") if row else None
        held = contact.text("ContactID") if contact else ""
        return self._ref("Customer", held) if held else None

    def _customer(self, row: Fields) -> Customer:
        merged = row.text("MergedToContactID")
        return Customer(
            self._ref("Customer", row.id("ContactID")),
            row.text("Name"),
            number=row.number(self._customer_number),
            email=row.text("EmailAddress"),
            currency=row.maybe("DefaultCurrency", str) or "",
            active=(
                row.choice("ContactStatus", _CONTACT_STATUSES)
                if row.text("ContactStatus")
                else True
            ),
            changed_at=_changed_at(row),
            custom={"MergedToContactID": merged} if merged else {},
        )

    def _settlement(self, row: Fields) -> Settlement | None:
        if row.text("Type", "ACCREC") != "ACCREC":
            return None
        currency = _currency(row)
        status = row.choice("Status", _STATUSES)
        total = row.amount("Total", currency)
        balance = _balance(row, status, currency, total)
        on = _day(row, "Date")
        parts: dict[Part, Decimal] = {}
        applied: list[_Applied] = []
        paid_on, basis = None, None
        if status in _LIVE:
            applied = _applied(row, currency)
            parts = _parts(row, currency, total, balance, applied)
            known = row.has("AmountPaid") or row.has("AmountCredited")
            status = _standing(status, total, balance, known)
        if status is Status.SETTLED:
            paid_on, basis = _paid_on(row, total, on, applied)
        receipts = (each.id for each in applied if each.source == "Payments")
        days = (each.day for each in applied if each.source in _CASH)
        return Settlement(
            self._ref("Invoice", row.id("InvoiceID")),
            row.number("InvoiceNumber"),
            currency,
            total,
            balance,
            status,
            reference=clean_number(row.text("Reference")),
            customer=self._contact(row),
            on=on,
            settled_by=parts,
            paid_on=paid_on,
            last_on=max((day for day in days if day), default=None),
            basis=basis,
            receipts=tuple(sorted(each for each in receipts if each)),
            changed_at=_changed_at(row),
        )

    def _invoice(self, row: Fields) -> Invoice | None:
        if row.text("Type", "ACCREC") != "ACCREC":
            return None
        currency = _currency(row)
        status = row.choice("Status", _STATUSES)
        total = row.amount("Total", currency)
        due = row.maybe_amount("AmountDue", currency)
        if status is Status.OPEN and due is not None and due <= 0:
            status = Status.SETTLED
        return Invoice(
            self._ref("Invoice", row.id("InvoiceID")),
            row.number("InvoiceNumber"),
            self._contact(row),
            currency,
            _required_day(row),
            total,
            status,
            reference=clean_number(row.text("Reference")),
            due=_day(row, "DueDate"),
            lines=_lines(row, currency),
            changed_at=_changed_at(row),
        )

    def _credit_note(self, row: Fields) -> CreditNote | None:
        if row.text("Type", "ACCRECCREDIT") != "ACCRECCREDIT":
            return None
        currency = _currency(row)
        status = row.choice("Status", _STATUSES)
        remaining = row.maybe_amount("RemainingCredit", currency)
        total = row.amount("Total", currency)
        if status is Status.OPEN and remaining == 0:
            status = Status.SETTLED
        return CreditNote(
            self._ref("CreditNote", row.id("CreditNoteID")),
            row.number("CreditNoteNumber"),
            self._contact(row),
            currency,
            _required_day(row),
            total,
            status,
            remaining=remaining,
            reference=clean_number(row.text("Reference")),
            lines=_lines(row, currency),
            changed_at=_changed_at(row),
        )

    def _payment(self, row: Fields) -> Payment | None:
        """One payment of one invoice; a receipt for many is a batch of these."""
        if row.text("PaymentType", "ACCRECPAYMENT") != "ACCRECPAYMENT":
            return None
        invoice = Fields(row.raw.get("Invoice"), "Invoice")
        currency = _currency(invoice)
        status = row.choice("Status", _PAYMENT_STATUSES)
        amount = row.amount("Amount", currency)
        on = _required_day(row)
        ref = self._ref("Payment", row.id("PaymentID"))
        account = row.child("Account")
        application = Application(
            self._ref("Application", ref.id),
            ref,
            self._ref("Invoice", invoice.id("InvoiceID")),
            amount,
            currency,
            on,
            live=status is not Status.VOID,
            source_amount=amount,
            source_currency=currency,
            changed_at=_changed_at(row),
        )
        batch = row.text("BatchPaymentID")
        return Payment(
            ref,
            self._contact(invoice),
            currency,
            on,
            amount,
            status,
            reference=clean_number(row.text("Reference")),
            unapplied=ZERO,
            applications=(application,),
            account=(account.text("Code") or account.text("AccountID"))
            if account
            else "",
            changed_at=_changed_at(row),
            custom={"BatchPaymentID": batch} if batch else {},
        )


def _required_day(row: Fields) -> date:
    day = _day(row, "Date")
    if day is None:
        at = row.path("Date")
        raise Fault(Code.BAD_FIELD, f"{at} is missing", field=at)
    return day


def _lines(row: Fields, currency: str) -> tuple[Line, ...]:
    """The lines, without tax also where Xero holds them with it."""
    gross = row.text("LineAmountTypes") == "Inclusive"
    return tuple(_line(each, currency, gross) for each in row.children("LineItems"))


def _line(row: Fields, currency: str, gross: bool) -> Line:
    amount = row.maybe_amount("LineAmount", currency) or ZERO
    tax = row.maybe_amount("TaxAmount", currency)
    identity = row.text("LineItemID")
    return Line(
        row.text("Description"),
        amount - (tax or ZERO) if gross else amount,
        quantity=row.maybe("Quantity", parse_amount),
        unit_price=row.maybe("UnitAmount", parse_amount),
        tax=tax,
        tax_code=row.text("TaxType"),
        account=row.text("AccountCode") or row.text("AccountID"),
        item=row.text("ItemCode"),
        dimensions={
            each.text("Name"): each.text("Option") for each in row.children("Tracking")
        },
        custom={"LineItemID": identity} if identity else {},
    )


def _names(record: Any) -> set[str]:
    name = clean_number(record.name) if isinstance(record, Customer) else ""
    return {record.number, name} - {""}


def _merged(record: Any) -> Ref | None:
    """A merged contact's reference, with the survivor as its alias."""
    survivor = record.custom.get("MergedToContactID")
    return evolve(record.ref, aliases=(str(survivor),)) if survivor else None
