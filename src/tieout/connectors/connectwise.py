"""
ConnectWise Manage (PSA), the billing side: an invoice's money as one payment of ours.

It reads companies, invoices and credit memos and writes payment records, nothing else;
accounting batches, credit applications and webhooks are no part of it. Facts come from
the vendor's developer guide and public clients of its API; "unverified" says otherwise.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlsplit

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
    Open,
    Payments,
    Select,
    Updates,
    Verb,
)
from tieout.change import Action, Change, Issue, Outcome, State
from tieout.connector import (
    Books,
    Fields,
    Health,
    Page,
    Resource,
    RestConnector,
    Rule,
    batches,
    iso_day,
    iso_instant,
    judge,
    next_link,
)
from tieout.errors import Code, ConfigError, Fate, Fault, Scope
from tieout.models import (
    Basis,
    CreditNote,
    Customer,
    Invoice,
    Part,
    R,
    RecordType,
    Ref,
    Settlement,
    Status,
    clean_number,
)
from tieout.money import ZERO
from tieout.wire import Answer, Flow, Request, Response, Verdict

API_HOSTS: Mapping[str, str] = {
    **{
        f"{area}.myconnectwise.net": f"api-{area}.myconnectwise.net"
        for area in ("na", "eu", "au", "aus", "za")
    },
    "staging.connectwisedev.com": "api-staging.connectwisedev.com",
}
"""Where the hosted sites have their API; an installation of one's own has it itself."""

FIXED_PATH = "v4_6_release/apis/3.0"
"""Where an installation of one's own has it, whatever its version."""

PAGE_SIZE_MAX = 1000
"""The vendor's own; it gives 25 where nothing is said."""

CONDITIONS_LENGTH_MAX = 1500
"""Encoded characters of one list of numbers; web servers cut addresses at about 2,000."""

PAGES_MAX = 100
"""Of one invoice's payments or one batch of numbers: a hundred thousand rows."""

INVOICE_TYPES: Mapping[str, type[Invoice | CreditNote]] = {
    **dict.fromkeys(
        ("Agreement", "DownPayment", "Miscellaneous", "Progress", "Standard"), Invoice
    ),
    "CreditMemo": CreditNote,
}

RECORD_TYPES = {
    "Customer": "CompanyFV",
    "Invoice": "InvoiceFV",
    "CreditNote": "InvoiceFV",
}
"""For addresses of pages. CompanyFV is documented; InvoiceFV is unverified."""

DEEP_LINK = (
    "https://{host}/v4_6_release/services/system_io/router/openrecord.rails"
    "?locale=en_US&companyName={company}&recordType={type}&recid={id}"
)

ZONES = {
    "UTC": "UTC",
    "GMT Standard Time": "Europe/London",
    "W. Europe Standard Time": "Europe/Berlin",
    "South Africa Standard Time": "Africa/Johannesburg",
    "Eastern Standard Time": "America/New_York",
    "Central Standard Time": "America/Chicago",
    "Mountain Standard Time": "America/Denver",
    "Pacific Standard Time": "America/Los_Angeles",
    "AUS Eastern Standard Time": "Australia/Sydney",
    "New Zealand Standard Time": "Pacific/Auckland",
}
"""Windows' names of the zones of the hosted areas; that they are used is unverified."""

_KEYS = "Check company id, public and private key and client id of the API member."
_ROLE = (
    "Give the API member's security role the module that is named, access to the GL and "
    "accounting interface, and a system level that covers the invoices' locations."
)
_ADDRESS = "No ConnectWise API answers there. Check the site, and the base address if it is set."
_OURS = "This is a mistake of tieout: please report it with the text."
_HTML = r"^\s*<"

RULES = (
    Rule(Code.BAD_PAYLOAD, 200, text=_HTML, answer=Answer.UNCLEAR),
    Rule(Code.BAD_PAYLOAD, 201, text=_HTML, answer=Answer.UNCLEAR),
    Rule(
        Code.SIGN_IN_REFUSED,
        text=r"UserNotAuthenticated",
        vendor_code="ConnectWiseApi",
        remedy=_KEYS,
        answer=Answer.SIGN_IN,
    ),
    Rule(Code.SIGN_IN_REFUSED, 401, remedy=_KEYS, answer=Answer.SIGN_IN),
    Rule(Code.PERMISSION_MISSING, 403, remedy=_ROLE),
    Rule(Code.DUPLICATE_NUMBER, 400, "ObjectExists"),
    Rule(
        Code.UNKNOWN_ERROR, 400, text=r"String values should be enclosed", remedy=_OURS
    ),
    Rule(
        Code.REFUSED,
        400,
        "InvalidObject",
        remedy="Correct the fields that are named; it is tried again when the record changes.",
    ),
    Rule(Code.UNKNOWN_ERROR, 405, remedy=_OURS),
    Rule(Code.UNKNOWN_ERROR, 415, remedy=_OURS),
    Rule(Code.IN_USE, 409, remedy="It is in use in ConnectWise; close it there."),
)
"""Errors by the vendor's codes; a 5xx is unclear, also where its text says "timeout"."""


class MemberKeys:
    """
    The keys of an API member, and where its company's API is found.

    The company's code base moves at upgrades: `renew` asks the site for it, without keys.
    """

    def __init__(
        self,
        *,
        site: str,
        company: str,
        public_key: str,
        private_key: str,
        client_id: str,
        version: str,
        base_url: str = "",
    ) -> None:
        member = f"{company}+{public_key}:{private_key}"
        self._headers = (
            ("Authorization", f"Basic {base64.b64encode(member.encode()).decode()}"),
            ("clientId", client_id),
            ("Accept", f"application/vnd.connectwise.com+json; version={version}"),
        )
        self._site = f"https://{site}"
        self._base_url = base_url
        self._api = f"https://{API_HOSTS.get(site, site)}"
        self._asks = f"{self._site}/login/companyinfo/{quote(company, safe='')}"

    def __repr__(self) -> str:
        return f"MemberKeys({self._site!r})"

    def first(self) -> Grant:
        """Signed in where the base address is given, else to be discovered."""
        if self._base_url:
            return Grant(self._base_url)
        return Grant(self._site, hosts=(self._site,), signed_in=False)

    def sign(self, request: Request, grant: Grant) -> Request:
        """With the member's keys; the question for the code base goes without."""
        if request.url == self._asks:
            return request
        return evolve(request, headers=(*request.headers, *self._headers))

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        """Ask the site for the company's code base."""
        if self._base_url:
            return grant
        response = yield Request("GET", self._asks)
        verdict = judge(response, (), text=response.text().strip())
        if verdict.answer is not Answer.OK:
            fault = verdict.fault()
            missing = fault.code is Code.NO_SUCH_RESOURCE
            code = Code.NOT_REACHED if missing else fault.code
            raise _unsent(code, fault.text, _ADDRESS if missing else "", fault.wait)
        try:
            info = response.json()
        except Fault as fault:
            raise _unsent(fault.code, fault.text, _ADDRESS) from fault
        if info is None:
            text = "the site does not know the company id"
            remedy = "Unknown company id: check the company id and the site."
            raise _unsent(Code.SIGN_IN_REFUSED, text, remedy)
        base = info.get("Codebase") if isinstance(info, Mapping) else None
        # It becomes a part of the address that the keys are sent to.
        if not isinstance(base, str) or not re.fullmatch(r"\w+/?", base, re.ASCII):
            text = "the company's information holds no code base"
            raise _unsent(Code.BAD_PAYLOAD, text, _ADDRESS)
        found = f"{self._api}/{base.rstrip('/')}/apis/3.0"
        return grant.renewed({}, base_url=found)


def _unsent(
    code: Code, text: str, remedy: str = "", wait: float | None = None
) -> Fault:
    # Whatever waits for the grant has certainly not been sent.
    return Fault(code, text, remedy=remedy, fate=Fate.NOT_SENT, wait=wait)


# Payment records ----------------------------------------------------------------------


@frozen
class Receipt:
    """One payment record of an invoice; ``credit`` where it applies a credit memo."""

    id: str
    amount: Decimal
    on: date | None
    credit: bool

    def seen(self) -> tuple[str, str, str]:
        """What is compared to see whether somebody changed it."""
        return self.id, f"{self.amount.normalize():f}", str(self.on or "")


@frozen
class Wanted:
    """The one payment that an invoice should have; ``dated`` where the day matters."""

    amount: Decimal
    on: date | None
    dated: bool

    def met_by(self, cash: Sequence[Receipt]) -> bool:
        """Whether these cash payments are it."""
        if not self.amount:
            return not cash
        return len(cash) == 1 and not self.edits(cash[0])

    def fields(self) -> dict[str, Any]:
        """The fields of a new record."""
        day = {"paymentDate": _stamp(self.on)} if self.on else {}
        return {"amount": self.amount, **day}

    def edits(self, held: Receipt) -> list[dict[str, Any]]:
        """What has to change in a record: only the fields that differ."""
        edits: list[dict[str, Any]] = []
        if held.amount != self.amount:
            edits.append({"op": "replace", "path": "amount", "value": self.amount})
        if self.dated and held.on != self.on:
            verb = "replace" if held.on else "add"
            edits.append(
                {"op": verb, "path": "paymentDate", "value": _stamp(self.on)}
                if self.on
                else {"op": "remove", "path": "paymentDate"}
            )
        return edits


def _stamp(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _receipt(row: Fields, invoice: str, currency: str) -> Receipt:
    owner, memo = row.child("invoice"), row.child("credit")
    if owner is not None and owner.has("id") and owner.id("id") != invoice:
        raise Fault(
            Code.BAD_FIELD,
            "the payment belongs to another invoice",
            field=owner.path("id"),
        )
    return Receipt(
        row.id("id"),
        row.amount("amount", currency),
        row.maybe("paymentDate", iso_day),
        credit=memo is not None and bool(memo.raw.get("id")),
    )


def _sum(receipts: Sequence[Receipt]) -> Decimal:
    return sum((each.amount for each in receipts), ZERO)


def _fitting(
    total: Decimal, balance: Decimal, cash: Decimal, credit: Decimal
) -> dict[Part, Decimal]:
    """The two parts, where they make the total; the sign of credits is unverified."""
    for signed in (credit, abs(credit)):
        if cash + signed + balance == total:
            return {Part.CASH: cash, Part.CREDIT: signed}
    raise Fault(
        Code.TOTALS_DISAGREE,
        f"total {total}, payments {cash}, credits {credit}, balance {balance}",
        remedy="Look at the invoice's payments and credits in ConnectWise, then run again.",
    )


def _moved(before: Any, cash: Sequence[Receipt]) -> bool:
    """Whether the cash payments are not those that the change was planned from."""
    if not isinstance(before, Settlement):
        return False
    if before.carry is not None:
        return sorted(each.seen() for each in cash) != sorted(before.carry)
    # A plan that was saved holds ids and amount only; none were read where nothing was paid.
    same = {each.id for each in cash} == set(before.receipts)
    return not same and _sum(cash) != before.settled_by.get(Part.CASH, ZERO)


# Asking -------------------------------------------------------------------------------

_NUMBER_PLAIN = re.compile(r"""[^\x00-\x1f"'\\%*&<>\[\]]+""")
"""Others are asked for alone: one that is refused must not spoil a batch."""


_ID = re.compile(r"[0-9]{1,18}", re.ASCII)


def _literals(text: str) -> list[str]:
    """
    The spellings of a text in a condition; none where it holds both kinds of quotes.

    Whether a backslash escapes is unverified: both spellings are tried.
    """
    mark = '"' if '"' not in text else "'"
    if mark in text:
        return []
    doubled = text.replace("\\", "\\\\")
    return [f"{mark}{each}{mark}" for each in dict.fromkeys((text, doubled))]


def _groups(texts: Sequence[str], size: int) -> Iterator[list[str]]:
    """Literals in lists of at most ``size`` that fit into an address."""
    some: list[str] = []
    length = 0
    for text in texts:
        literal = f'"{text}"'
        cost = len(quote(literal, safe="")) + len("%2C")
        if some and (len(some) == size or length + cost > CONDITIONS_LENGTH_MAX):
            yield some
            some, length = [], 0
        some.append(literal)
        length += cost
    if some:
        yield some


def _moment(at: datetime) -> str:
    return f"[{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}]"


def _through(day: date) -> str:
    return f"date<=[{day.isoformat()}T23:59:59Z]"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _words(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


class ConnectWise(RestConnector):
    """
    One company of ConnectWise Manage.

    ``site`` is the host that people sign in to, ``company`` their company id; the keys
    are an API member's, ``client_id`` the integration's. ``base_url`` (up to ``/apis/3.0``)
    replaces discovery; ``discover=False`` takes the fixed code base ``v4_6_release``. ``version`` pins the payload's version.

    Facts that are unverified, each with the best guess as default:

    - ``payment_fields``: what a new payment needs besides amount and date;
    - ``partial_payment_date``: whether a partial payment takes a date (the last receipt's);
    - ``changed_field``: the name of the change time in conditions;
    - ``open_condition``: how invoices on which something is owed are asked for;
    - ``customer_field``: who owes, ``company`` or ``billToCompany``;
    - ``customer_number``: the company's field with the ledger's number for it;
    - ``active_statuses``: company statuses that count as active (sites name their own);
    - ``currency``: of invoices that name none; empty refuses them;
    - ``zone``: of the books (IANA); else the server's, where its name is known;
    - ``deep_link_template``, ``record_types``: addresses of pages for people;
    - ``limits``: the vendor publishes none.
    """

    rules = RULES

    def __init__(
        self,
        *,
        company: str,
        public_key: str,
        private_key: str,
        client_id: str,
        site: str = "na.myconnectwise.net",
        version: str = "2025.16",
        discover: bool = True,
        base_url: str = "",
        page_size: int = PAGE_SIZE_MAX,
        fetch_size: int = 50,
        concurrency: int = 4,
        limits: tuple[Limit, ...] = (),
        payment_fields: Mapping[str, Any] | None = None,
        partial_payment_date: bool = True,
        changed_field: str = "lastUpdated",
        open_condition: str = "balance>0",
        customer_field: str = "company",
        customer_number: str = "accountNumber",
        active_statuses: Sequence[str] = ("Active",),
        currency: str = "",
        zone: str | None = None,
        deep_link_template: str = DEEP_LINK,
        record_types: Mapping[str, str] = RECORD_TYPES,
    ) -> None:
        if not 1 <= page_size <= PAGE_SIZE_MAX or fetch_size < 1:
            raise ConfigError(
                f"page_size is 1 to {PAGE_SIZE_MAX}, fetch_size 1 or more"
            )
        given = (company, public_key, private_key, client_id, version)
        if not all(re.fullmatch(r"[!-~]+", text) for text in given):
            raise ConfigError("company, keys, client_id and version are plain text")
        self._host = _host(site)
        self._company = company
        if not base_url and not discover:
            base_url = f"https://{API_HOSTS.get(self._host, self._host)}/{FIXED_PATH}"
        self.connection = f"connectwise:{company.lower()}@{self._host}"
        self.auth = MemberKeys(
            site=self._host,
            company=company,
            public_key=public_key,
            private_key=private_key,
            client_id=client_id,
            version=version,
            base_url=base_url.rstrip("/"),
        )
        self._page_size, self._fetch_size = page_size, fetch_size
        self._payment_fields = dict(payment_fields or {})
        self._partial_payment_date = partial_payment_date
        self._changed_field, self._open_condition = changed_field, open_condition
        self._customer_field = customer_field
        self._active, self._currency, self._zone = set(active_statuses), currency, zone
        self._template, self._record_types = deep_link_template, dict(record_types)
        self.resources = self._resources(customer_number)
        self.capabilities = self._able(limits, concurrency)

    def _resources(self, customer_number: str) -> dict[RecordType, Resource[Any]]:
        found: dict[RecordType, Resource[Any]] = {
            Customer: Resource(
                Customer,
                "company/companies",
                self._load_customer,
                number_field=customer_number,
            )
        }
        bill, memo = 'type!="CreditMemo"', 'type="CreditMemo"'
        for kind, load, condition in (
            (Invoice, self._load_bill, bill),
            (Settlement, self._load_settlement, bill),
            (CreditNote, self._load_memo, memo),
        ):
            found[kind] = Resource[Any](
                kind,
                "finance/invoices",
                load,
                number_field="invoiceNumber",
                parameters={"conditions": condition},
            )
        return found

    def _able(self, limits: tuple[Limit, ...], concurrency: int) -> Capabilities:
        sizes = Kind(page_size=self._page_size, fetch_size=self._fetch_size)
        bills = evolve(
            sizes,
            selects=frozenset({Changed, Dated, Open, Everything}),
            number_length=15,
        )
        return Capabilities(
            system="ConnectWise",
            kinds={
                Customer: evolve(sizes, selects=frozenset({Changed, Everything})),
                Invoice: bills,
                CreditNote: bills,
                Settlement: evolve(
                    bills,
                    verbs=frozenset({Verb.READ, Verb.UPDATE}),
                    writable=frozenset({"settled_by", "paid_on"}),
                    updates=Updates.SPARSE,
                ),
            },
            payments=Payments(
                feeds=(Feed.STAMP,),
                # Whether the invoice's stamp moves with its payments is unverified.
                blind=frozenset(Blind),
                parts=frozenset({Part.CASH, Part.CREDIT}),
                paid_on=Basis.LAST_RECEIPT,
                detail=Cost.CALL_EACH,
                holds_date_alone=False,
                holds_open_date=self._partial_payment_date,
                owned_payment=True,
            ),
            limits=limits,
            concurrency=concurrency,
            invoices_per_payment=1,
        )

    def deep_link(self, ref: Ref) -> str:
        """The address of the record's page, by the template; "" where it has none."""
        kind = self._record_types.get(ref.kind)
        if not kind or not self._template:
            return ""
        return self._template.format(
            host=self._host,
            company=quote(self._company, safe=""),
            type=quote(kind, safe=""),
            id=quote(ref.id, safe=""),
        )

    # Reading --------------------------------------------------------------------------

    def check(self) -> Flow[Health]:
        """Who answers, whether the keys are good, and each permission by its module."""
        missing: list[str] = []
        info = yield from self._tried("system/info", "System (system/info)", missing)
        if isinstance(info, Health):
            return info
        # Asked one by one: each has a permission of its own.
        seen = yield from self._tried(
            "finance/invoices", "Finance: Invoicing (finance/invoices)", missing
        )
        if isinstance(seen, Health):
            return seen
        first = _mapping(seen[0]).get("id") if isinstance(seen, list) and seen else None
        asked = [("company/companies", "Companies (company/companies)")]
        if first is not None:
            payments = f"finance/invoices/{quote(str(first), safe='')}/payments"
            asked.append((payments, "Finance: payments of invoices"))
        for path, module in asked:
            answer = yield from self._tried(path, module, missing)
            if isinstance(answer, Health):
                return answer
        zone = _words(_mapping(info).get("serverTimeZone"))
        iana = zone if re.fullmatch(r"[A-Za-z]+/[\w/+-]+", zone, re.ASCII) else None
        books = Books(
            self.connection.partition(":")[2].partition("@")[0],
            name=self._company,
            zone=self._zone or ZONES.get(zone, iana),
        )
        hint = "no invoice is visible: the API member's system level may be too low"
        notes = (hint,) if seen == [] else ()
        return Health(
            reachable=True,
            signed_in=True,
            missing=tuple(missing),
            books=books,
            notes=notes,
        )

    def _tried(self, path: str, module: str, missing: list[str]) -> Flow[Any]:
        """The body; None and a name added where access is lacking; else what ails it."""
        params = {} if path == "system/info" else {"pageSize": "1"}
        try:
            response = yield from self.ask(Request("GET", path, params))
            return response.json()
        except Fault as fault:
            if fault.code is Code.PERMISSION_MISSING:
                missing.append(module)
                return None
            refused = fault.code is Code.SIGN_IN_REFUSED
            note = f"{fault.text} {fault.remedy}"
            return Health(reachable=refused, signed_in=False, notes=(note,))

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        """One page; a settlement with money on it costs one call more for its payments."""
        page = yield from super().page(kind, select, cursor)
        return (yield from self._detailed(page))

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        """The records of these ids and exactly these numbers."""
        resource = self.resource(kind)
        known = dict.fromkeys(each for each in ids if _ID.fullmatch(each))
        # Stored as it was typed: asked for as given and as it is compared.
        spelt = dict.fromkeys(
            text for each in numbers for text in (each, clean_number(each)) if text
        )
        rows: list[Any] = []
        issues: list[Issue] = []
        for some in batches(known, self._fetch_size):
            rows += yield from self._every(resource, f"id in ({','.join(some)})")
        plain = [text for text in spelt if _NUMBER_PLAIN.fullmatch(text)]
        for group in _groups(plain, self._fetch_size):
            condition = f"{resource.number_field} in ({','.join(group)})"
            rows += yield from self._every(resource, condition)
        for text in spelt:
            if not _NUMBER_PLAIN.fullmatch(text):
                odd = yield from self._odd(resource, text)
                rows += odd or []
                issues += [] if odd is not None else [_unaskable(text)]
        names = {clean_number(each) for each in numbers}
        asked = [r for r in rows if _asked(r, known, resource.number_field, names)]
        unique = {
            str(_mapping(row).get("id") or f"row {at}"): row
            for at, row in enumerate(asked)
        }
        records, bad = self.load(resource, unique.values())
        return (yield from self._detailed(Page(records, (*issues, *bad))))

    def _every(self, resource: Resource[Any], condition: str) -> Flow[list[Any]]:
        """All rows of a condition."""
        params = {"conditions": condition, "pageSize": str(self._page_size)}
        return (yield from self._all(Request("GET", resource.path, params)))

    def _all(self, request: Request) -> Flow[list[Any]]:
        """All rows behind a request, over the pages that it has."""
        rows: list[Any] = []
        for _ in range(PAGES_MAX):
            response = yield from self.ask(request)
            rows += self.rows(self.resources[Settlement], response)
            link = next_link(response)
            if link is None:
                return rows
            request = Request("GET", link)
        raise Fault(Code.LOOPING_PAGES, f"more than {PAGES_MAX} pages")

    def _odd(self, resource: Resource[Any], text: str) -> Flow[list[Any] | None]:
        """Rows of one number that may break a condition; None where it cannot be asked."""
        rows: list[Any] | None = None
        for literal in _literals(text):
            try:
                found = yield from self._every(
                    resource, f"{resource.number_field}={literal}"
                )
                rows = [*(rows or []), *found]
            except Fault as fault:
                if (
                    fault.fate is not Fate.REFUSED
                    or fault.code.scope is not Scope.RECORD
                ):
                    raise
        return rows

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        """The next page's address as given, or conditions and the number of the page."""
        if cursor is not None and not cursor.isdecimal():
            return Request("GET", cursor)
        if type(select) not in self.capabilities.kind(resource.kind).selects:
            text = f"{resource.kind.__name__} records cannot be selected so"
            raise Fault(Code.NOT_ALLOWED, text)
        conditions = [*resource.parameters.values()]
        order = "id asc"
        match select:
            case Changed(since):
                conditions.append(f"{self._changed_field}>={_moment(since)}")
                order = f"{self._changed_field} asc,id asc"
            case Dated(first, last):
                from_first = f"date>=[{first.isoformat()}T00:00:00Z]"
                conditions += [from_first, _through(last)]
            case Open(through):
                conditions.append(self._open_condition)
                conditions += [_through(through)] if through else []
            case _:
                pass
        params = {"conditions": " and ".join(conditions)} if conditions else {}
        params |= {"orderBy": order, "pageSize": str(self._page_size)}
        return Request("GET", resource.path, params | {"page": cursor or "1"})

    def next_cursor(
        self,
        resource: Resource[Any],
        response: Response,
        rows: Sequence[Any],
        cursor: str | None,
    ) -> str | None:
        """The next link; a full page from which a proxy took the links is counted on."""
        link = next_link(response)
        counted = cursor is None or cursor.isdecimal()
        full = len(rows) >= self._page_size and response.header("Link") is None
        return str(int(cursor or 1) + 1) if link is None and counted and full else link

    def _load_customer(self, row: Fields) -> Customer:
        status, currency = row.child("status"), row.child("currency")
        name = status.text("name") if status else ""
        return Customer(
            Ref(self.connection, "Customer", row.id("id")),
            name=row.text("name"),
            number=row.number(self.resources[Customer].number_field),
            email=row.text("invoiceToEmailAddress"),
            currency=currency.text("currencyCode") if currency else "",
            active=not row.flag("deletedFlag") and (not name or name in self._active),
            **_changed(row),
        )

    def _load_settlement(self, row: Fields) -> Settlement | None:
        if row.choice("type", INVOICE_TYPES) is not Invoice:
            return None
        head = self._head(row, "Invoice")
        told = {
            part: row.maybe_amount(name, head["currency"])
            for part, name in ((Part.CASH, "payments"), (Part.CREDIT, "credits"))
        }
        parts = {part: each for part, each in told.items() if each is not None}
        total, balance = head["total"], row.amount("balance", head["currency"])
        if len(parts) == len(told):
            parts = _fitting(total, balance, parts[Part.CASH], parts[Part.CREDIT])
        # A billing status says where the document is, not whether it is paid.
        status = Status.SETTLED if balance <= 0 else Status.OPEN
        on = row.maybe("date", iso_day)
        return Settlement(
            **head, balance=balance, status=status, on=on, settled_by=parts
        )

    def _load_bill(self, row: Fields) -> Invoice | None:
        if row.choice("type", INVOICE_TYPES) is not Invoice:
            return None
        head = self._head(row, "Invoice")
        status = _status(row, row.amount("balance", head["currency"]))
        due = row.maybe("dueDate", iso_day)
        return Invoice(**head, on=row.read("date", iso_day), status=status, due=due)

    def _load_memo(self, row: Fields) -> CreditNote | None:
        if row.choice("type", INVOICE_TYPES) is not CreditNote:
            return None
        head = self._head(row, "CreditNote")
        # Whether a credit memo's own amounts are negative is unverified.
        remaining = abs(row.amount("balance", head["currency"]))
        return CreditNote(
            **{**head, "total": abs(head["total"])},
            on=row.read("date", iso_day),
            status=_status(row, remaining),
            remaining=remaining,
        )

    def _head(self, row: Fields, kind: str) -> dict[str, Any]:
        """What all documents have in common, by the names of the records' fields."""
        currency = self._currency_of(row)
        owner = row.child(self._customer_field)
        known = owner if owner is not None and owner.has("id") else None
        return {
            "ref": Ref(self.connection, kind, row.id("id")),
            "number": row.number("invoiceNumber"),
            "currency": currency,
            "total": row.amount("total", currency),
            "customer": known and Ref(self.connection, "Customer", known.id("id")),
            **_changed(row),
        }

    def _currency_of(self, row: Fields) -> str:
        child = row.child("currency")
        if child is not None and child.has("currencyCode"):
            return child.currency("currencyCode")
        if self._currency:
            return self._currency
        at = "currency.currencyCode"
        raise Fault(Code.BAD_CURRENCY, f"{at} is missing", field=at)

    # Payment records ------------------------------------------------------------------

    def _detailed(self, page: Page[R]) -> Flow[Page[R]]:
        """The page with the payments behind its settlements, one call each."""
        records: list[Any] = []
        issues = [*page.issues]
        for record in page.records:
            if not isinstance(record, Settlement):
                records.append(record)
                continue
            try:
                records.append((yield from self._with_receipts(record)))
            except Fault as fault:
                if fault.code.scope is not Scope.RECORD:
                    raise
                issues.append(_unread(record, fault))
        return evolve(page, records=tuple(records), issues=tuple(issues))

    def _with_receipts(self, record: Settlement) -> Flow[Settlement]:
        """The settlement with its payments' ids and days; no call where nothing was paid."""
        if record.settled_by.get(Part.CASH) == ZERO:
            return record
        receipts = yield from self._receipts(record.ref.id, record.currency)
        cash = [each for each in receipts if not each.credit]
        paid = _sum(cash)
        parts: Mapping[Part, Decimal] = record.settled_by
        if parts.get(Part.CASH) != paid:
            credit = _sum([each for each in receipts if each.credit])
            parts = _fitting(record.total, record.balance, paid, credit)
        last_on = max((each.on for each in cash if each.on), default=None)
        paid_on = last_on if record.status is Status.SETTLED else None
        return evolve(
            record,
            settled_by=parts,
            receipts=tuple(each.id for each in cash),
            last_on=last_on,
            paid_on=paid_on,
            basis=Basis.LAST_RECEIPT if paid_on else None,
            carry=tuple(each.seen() for each in cash),
        )

    def _receipts(self, invoice: str, currency: str) -> Flow[list[Receipt]]:
        params = {"pageSize": str(self._page_size)}
        rows = yield from self._all(Request("GET", _payments(invoice), params))
        return [
            _receipt(Fields(row, f"payments[{at}]"), invoice, currency)
            for at, row in enumerate(rows)
        ]

    def _cash(self, change: Change, after: Settlement) -> Flow[list[Receipt]]:
        """The cash payments as they are now; those of credit memos are left alone."""
        try:
            receipts = yield from self._receipts(after.ref.id, after.currency)
        except Fault as fault:
            if fault.code is not Code.NO_SUCH_RESOURCE:
                raise
            raise Fault(Code.VANISHED, fault.text) from fault
        return [each for each in receipts if not each.credit]

    # Writing --------------------------------------------------------------------------

    def write_one(self, change: Change) -> Flow[Outcome]:
        """Make one payment of ours the invoice's money: read, then at most one effect."""
        after = change.after
        if change.action is not Action.UPDATE or not isinstance(after, Settlement):
            return (yield from super().write_one(change))
        after = evolve(after, ref=change.target or after.ref)
        wanted = self._wanted(after)
        cash = yield from self._cash(change, after)
        if wanted.met_by(cash):
            return Outcome.applied(change, owned=tuple(each.id for each in cash))
        request = self._effect(change, after, wanted, cash)
        response = yield from self._sent(request)
        if request.method == "DELETE":
            return Outcome.applied(change)
        echo = _echo(response, after)
        if echo is not None and wanted.met_by([echo]):
            return Outcome.applied(change, owned=(echo.id,))
        return (yield from self._read_back(change, after, wanted))

    def _wanted(self, after: Settlement) -> Wanted:
        if after.paid < 0:
            text = f"a payment of {after.paid} {after.currency} cannot be kept"
            raise Fault(Code.NOT_ALLOWED, text)
        day = after.paid_on or (after.last_on if self._partial_payment_date else None)
        dated = day is not None or not self._partial_payment_date
        return Wanted(after.paid, day, dated=dated)

    def _effect(
        self,
        change: Change,
        after: Settlement,
        wanted: Wanted,
        cash: Sequence[Receipt],
    ) -> Request:
        """The one request that brings it about; refuses what is not ours to change."""
        if _moved(change.before, cash):
            raise Fault(Code.STALE_VERSION, "its payments changed since they were read")
        foreign = [each.id for each in cash if each.id not in change.owned]
        if len(cash) > 1 or (foreign and not change.take_over):
            named = ", ".join(each.id for each in cash)
            text = (
                f"invoice {after.ref.id} holds payment {named}, not one of ours alone"
            )
            remedy = "Delete by hand all but one of the named payments." * (
                len(cash) > 1
            )
            raise Fault(Code.PAID_ON_BOTH_SIDES, text, remedy=remedy)
        path = _payments(after.ref.id)
        if not cash:
            fields = {**self._payment_fields, **wanted.fields()}
            return Request("POST", path, json=fields, effect=True)
        path = f"{path}/{quote(cash[0].id, safe='')}"
        if not wanted.amount:
            return Request("DELETE", path, effect=True)
        return Request("PATCH", path, json=wanted.edits(cash[0]), effect=True)

    def _sent(self, request: Request) -> Flow[Response]:
        try:
            return (yield from self.ask(request))
        except Fault as fault:
            if fault.code is not Code.NO_SUCH_RESOURCE:
                raise
            if request.method == "DELETE":
                return Response(204)  # somebody was faster; it is gone all the same
            created = request.method == "POST"
            code = Code.VANISHED if created else Code.STALE_VERSION
            raise Fault(code, fault.text) from fault

    def _read_back(
        self, change: Change, after: Settlement, wanted: Wanted
    ) -> Flow[Outcome]:
        """What an answer that did not confirm the payment left behind."""
        cash = yield from self._cash(change, after)
        done = Outcome.applied(change, owned=tuple(each.id for each in cash))
        if wanted.met_by(cash):
            return done
        held = ", ".join(" ".join(each.seen()) for each in cash) or "none"
        text = f"{wanted.amount} of {wanted.on} was sent, payments there: {held}"
        short = wanted.amount - _sum(cash)
        if len(cash) == 1 and short > 0:
            text = f"{short} {after.currency} was not applied: {text}"
            return evolve(done, notes=(Code.UNAPPLIED_CREDIT,), text=text)
        # Kept as unknown, with what is ours named: it is looked at before a next try.
        return evolve(done, state=State.UNKNOWN, code=Code.UNKNOWN_ERROR, text=text)

    # Answers --------------------------------------------------------------------------

    def suspicious(self, response: Response) -> bool:
        """A page for people where data was asked for is no answer."""
        return response.body.lstrip()[:1] == b"<"

    def judge(self, response: Response) -> Verdict:
        """
        By the rules. A 404 that is not the API's own means that the code base moved: the
        session asks for it once and repeats. Every other 4xx is a refusal.
        """
        if response.status == 404 and not _of_the_api(response):  # noqa: PLR2004 - HTTP
            _, text = self.explain(response)
            said = text or "HTTP 404"
            return Verdict(Answer.SIGN_IN, Code.NOT_REACHED, said, _ADDRESS)
        verdict = super().judge(response)
        unclear = (
            verdict.answer is Answer.UNCLEAR and verdict.code is Code.UNKNOWN_ERROR
        )
        return evolve(verdict, answer=Answer.REFUSED) if unclear else verdict

    def explain(self, response: Response) -> tuple[str, str]:
        """The most telling code, and every message with its resource and field."""
        try:
            body = _mapping(response.json())
        except Fault:
            body = {}
        rows = body.get("errors")
        errors = [_mapping(row) for row in rows] if isinstance(rows, list) else []
        codes = [_words(each.get("code")) for each in (*errors, body)]
        known = {rule.vendor_code for rule in self.rules if rule.vendor_code}
        code = next((each for each in codes if each in known), codes[0])
        said = [_words(body.get("message")), *map(_complaint, errors)]
        text = "; ".join(each for each in said if each) or response.text().strip()
        request_id = response.header("x-cw-request-id")
        return code, f"{text} (request {request_id})" if request_id else text


def _host(site: str) -> str:
    """The host of a site, whichever way it was written."""
    named = site.strip().lower()
    host = urlsplit(named if "://" in named else f"https://{named}").netloc
    if not re.fullmatch(r"[a-z0-9.-]+(:[0-9]+)?", host, re.ASCII):
        raise ConfigError("site is the host name that people sign in to")
    return next((ui for ui, api in API_HOSTS.items() if api == host), host)


def _of_the_api(response: Response) -> bool:
    """Whether the API itself answered, and not a web server in front of it."""
    if response.header("api-current-version") is not None:
        return True
    try:
        return "code" in _mapping(response.json())
    except Fault:
        return False


def _complaint(error: Mapping[str, Any]) -> str:
    names = [_words(error.get(name)) for name in ("resource", "field")]
    at = ".".join(name for name in names if name)
    said = _words(error.get("message")) or _words(error.get("code"))
    return f"{at}: {said}" if at and said else said or at


def _payments(invoice: str) -> str:
    return f"finance/invoices/{quote(invoice, safe='')}/payments"


def _echo(response: Response, after: Settlement) -> Receipt | None:
    """The payment in the answer to a write, or None where it does not tell."""
    try:
        return _receipt(Fields(response.json()), after.ref.id, after.currency)
    except Fault:
        return None


def _changed(row: Fields) -> dict[str, Any]:
    """Change time and version; the vendor's times are UTC."""
    info = row.child("_info") or Fields({})
    at = info.maybe("lastUpdated", lambda text: iso_instant(text, naive_is_utc=True))
    return {"changed_at": at, "version": info.text("lastUpdated")}


def _status(row: Fields, rest: Decimal) -> Status:
    """A document is final once its billing status is a closed one."""
    status = row.child("status")
    if status is None or not status.has("isClosed"):
        at = "status.isClosed"
        raise Fault(Code.UNKNOWN_STATUS, f"{at} is missing", field=at)
    if not status.flag("isClosed"):
        return Status.DRAFT
    return Status.OPEN if rest > 0 else Status.SETTLED


def _asked(
    row: Any, ids: Mapping[str, None], number_field: str, numbers: set[str]
) -> bool:
    """Whether a row is of what was asked for: the vendor compares without case."""
    if not isinstance(row, Mapping):
        return True
    number = row.get(number_field)
    named = number is not None and clean_number(str(number)) in numbers
    return named or str(row.get("id")) in ids


def _unread(record: Settlement, fault: Fault) -> Issue:
    return Issue(
        fault.code,
        record.ref,
        numbers=(record.number,) if record.number else (),
        field=fault.field,
        text=fault.text,
        remedy=fault.remedy,
    )


def _unaskable(number: str) -> Issue:
    text = "ConnectWise cannot be asked for a number with these characters."
    return Issue(Code.NOT_ALLOWED, None, (clean_number(number),), text=text)
