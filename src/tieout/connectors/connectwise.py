"""
ConnectWise Manage (PSA), the billing side: an invoice's money as one payment of ours.

It reads companies, invoices and credit memos and writes payment records, nothing else;
accounting batches, credit applications and webhooks are no part of it. Facts come from
the vendor's developer guide and public clients of its API; "unverified" says otherwise.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from attrs import evolve

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
from tieout.change import Change, Issue, Outcome
from tieout.connector import (
    BY_STATUS,
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
)
from tieout.money import ZERO
from tieout.owned import Receipt, Wanted, keep_level, last_on, total
from tieout.wire import Answer, Flow, Request, Response

HOSTED = (".myconnectwise.net", ".connectwisedev.com")
"""The vendor's own sites: their API has the site's host name with ``api-`` before it."""

PAGE_SIZE_MAX = 1000
"""The vendor's own; it gives 25 where nothing is said."""

PAGES_MAX = 100
"""Of one invoice's payments or one batch of numbers: a hundred thousand rows."""

CONDITION_LENGTH_MAX = 1500
"""Encoded characters of one list of values; web servers cut addresses at about 2,000."""

INVOICES = "finance/invoices"
BILLS, MEMOS = 'type!="CreditMemo"', 'type="CreditMemo"'
INVOICE_TYPES: Mapping[str, RecordType] = {
    "CreditMemo": CreditNote,
    **dict.fromkeys(("Agreement", "DownPayment", "Miscellaneous"), Invoice),
    **dict.fromkeys(("Progress", "Standard"), Invoice),
}

_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
_PLAIN = re.compile(r"""[^\x00-\x1f"'\\%*&<>\[\]]+""")
"""Other numbers are asked for alone: one that is refused must not spoil a batch."""
_LITERAL = re.compile(rf"[0-9]+|\"{_PLAIN.pattern}\"", re.ASCII)

DEEP_LINK = (
    "https://{host}/v4_6_release/services/system_io/router/openrecord.rails"
    "?locale=en_US&companyName={company}&recordType={type}&recid={id}"
)
RECORD_TYPES = {
    "Customer": "CompanyFV",
    **dict.fromkeys(("Invoice", "CreditNote"), "InvoiceFV"),  # unverified
}

# Errors -------------------------------------------------------------------------------

NOT_THE_API = "not the API"
"""Our code for the answer of a web server in front of it."""

_KEYS = "Check company id, public and private key and client id of the API member."
_COMPANY = "Unknown company id: check the company id and the site."
_ROLE = (
    "Give the API member's security role the module that is named, access to the GL and "
    "accounting interface, and a system level that covers the invoices' locations."
)
_ADDRESS = "No ConnectWise API answers there. Check the site, or the base address."
_FIELDS = (
    "Correct the fields that are named; it is tried again when the record changes."
)
_TOTALS = "Look at the invoice's payments and credits in ConnectWise, then run again."
_OURS = "This is a mistake of tieout: please report it with the text."
_STRANGER = "UserNotAuthenticated"
_AGAIN = Answer.SIGN_IN

RULES = (
    Rule(Code.SIGN_IN_REFUSED, text=_STRANGER, remedy=_KEYS, answer=_AGAIN),
    Rule(Code.SIGN_IN_REFUSED, 401, remedy=_KEYS, answer=_AGAIN),
    Rule(Code.PERMISSION_MISSING, 403, remedy=_ROLE),
    # The code base moved: the session asks for it once and repeats.
    Rule(Code.NOT_REACHED, 404, NOT_THE_API, remedy=_ADDRESS, answer=_AGAIN),
    Rule(Code.DUPLICATE_NUMBER, 400, "ObjectExists"),
    Rule(Code.UNKNOWN_ERROR, 400, text="values should be enclosed", remedy=_OURS),
    Rule(Code.REFUSED, 400, "InvalidObject", remedy=_FIELDS),
    Rule(Code.UNKNOWN_ERROR, 405, remedy=_OURS),
    Rule(Code.UNKNOWN_ERROR, 415, remedy=_OURS),
    Rule(Code.IN_USE, 409, remedy="It is in use in ConnectWise; close it there."),
    # No other 4xx is worth repeating. A 5xx stays unclear, whatever its text says.
    *(Rule(Code.UNKNOWN_ERROR, each) for each in {*range(400, 500)} - {*BY_STATUS}),
)


# Signing in ---------------------------------------------------------------------------


class MemberKeys:
    """
    The keys of an API member, and where its company's API is found.

    The company's code base moves at upgrades: `renew` asks the site for it, without keys.
    """

    def __init__(
        self, site: str, company: str, base_url: str, headers: Mapping[str, str]
    ) -> None:
        self._site, self._base_url = f"https://{site}", base_url.rstrip("/")
        self._api = f"https://api-{site}" if site.endswith(HOSTED) else self._site
        self._asks = f"{self._site}/login/companyinfo/{quote(company, safe='')}"
        self._headers = tuple(headers.items())

    def first(self) -> Grant:
        """Signed in where the base address is given, else to be discovered."""
        if self._base_url:
            return Grant(self._base_url)
        return Grant(self._site, hosts=(self._site,), signed_in=False)

    def sign(self, request: Request, grant: Grant) -> Request:
        """With the member's keys; the question for the code base goes without."""
        headers = () if request.url == self._asks else self._headers
        return evolve(request, headers=(*request.headers, *headers))

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        """Ask the site for the company's code base."""
        if self._base_url:
            return grant
        response = yield Request("GET", self._asks)
        try:
            base = f"{self._api}/{_code_base(response)}/apis/3.0"
        except Fault as fault:
            # Whatever waits for the grant has certainly not been sent.
            fault.fate = Fate.NOT_SENT
            raise
        return grant.renewed({}, base_url=base)


def _code_base(response: Response) -> str:
    """Such as ``v2025_1``, out of the company's information."""
    verdict = judge(response, (Rule(Code.NOT_REACHED, 404, remedy=_ADDRESS),))
    if verdict.answer is not Answer.OK:
        raise verdict.fault()
    info = response.json()
    if info is None:
        text = "the site does not know the company id"
        raise Fault(Code.SIGN_IN_REFUSED, text, remedy=_COMPANY)
    # It becomes a part of the address that the keys are sent to.
    told = str(_mapping(info).get("Codebase") or "")
    found = re.fullmatch(r"(\w+)/?", told, re.ASCII)
    if found is None:
        raise Fault(Code.BAD_PAYLOAD, "no code base in the company's information")
    return found[1]


# The connector ------------------------------------------------------------------------


class ConnectWise(RestConnector):
    """
    One company of ConnectWise Manage.

    ``site`` is the host that people sign in to, ``company`` their company id; the keys
    are an API member's, ``client_id`` the integration's. ``version`` pins the payload's
    version. ``base_url`` (up to ``/apis/3.0``) replaces discovery.

    Facts that are unverified, each with the best guess as default:

    - ``limits``: the vendor publishes none;
    - ``payment_fields``: what a new payment needs besides amount and date;
    - ``partial_payment_date``: whether a partial payment takes a date (the last receipt's);
    - ``active_statuses``: company statuses that count as active (sites name their own);
    - ``deep_link_template``: the address of a record's page for people.
    """

    rules = RULES
    ids = _ID
    cursors = _ID
    plain = _LITERAL

    def __init__(
        self,
        *,
        company: str,
        public_key: str,
        private_key: str,
        client_id: str,
        site: str = "na.myconnectwise.net",
        version: str = "2025.16",
        base_url: str = "",
        page_size: int = PAGE_SIZE_MAX,
        fetch_size: int = 50,
        concurrency: int = 4,
        limits: tuple[Limit, ...] = (),
        payment_fields: Mapping[str, Any] | None = None,
        partial_payment_date: bool = True,
        active_statuses: Sequence[str] = ("Active",),
        deep_link_template: str = DEEP_LINK,
    ) -> None:
        if not 1 <= page_size <= PAGE_SIZE_MAX or fetch_size < 1:
            raise ConfigError("page_size is 1 to 1000, fetch_size 1 or more")
        given = (company, public_key, private_key, client_id, version)
        if not all(re.fullmatch(r"[!-~]+", text) for text in given):
            raise ConfigError("company, keys, client_id and version are plain text")
        self._host, self._company = _host(site), company
        self.connection = f"connectwise:{company.lower()}@{self._host}"
        member = f"{company}+{public_key}:{private_key}".encode()
        headers = {
            "Authorization": f"Basic {base64.b64encode(member).decode()}",
            "clientId": client_id,
            "Accept": f"application/vnd.connectwise.com+json; version={version}",
        }
        self.auth = MemberKeys(self._host, company, base_url, headers)
        self._page_size, self._fetch_size = page_size, fetch_size
        self._payment_fields = dict(payment_fields or {})
        self._partial_payment_date = partial_payment_date
        self._active, self._template = {"", *active_statuses}, deep_link_template
        self.resources = {
            kind: Resource[Any](
                kind, path, load, number_field=number, parameters={"conditions": only}
            )
            for kind, path, number, load, only in (
                (Customer, "company/companies", "accountNumber", self._customer, ""),
                (Invoice, INVOICES, "invoiceNumber", self._invoice, BILLS),
                (Settlement, INVOICES, "invoiceNumber", self._settlement, BILLS),
                (CreditNote, INVOICES, "invoiceNumber", self._memo, MEMOS),
            )
        }
        self.capabilities = self._able(limits, concurrency)

    def _able(self, limits: tuple[Limit, ...], concurrency: int) -> Capabilities:
        companies = Kind(
            selects=frozenset({Changed, Everything}),
            page_size=self._page_size,
            fetch_size=self._fetch_size,
            stable_order=True,
        )
        selects = frozenset({Changed, Dated, Open, Everything})
        bills = evolve(companies, selects=selects, number_length=15)
        levels = evolve(
            bills,
            verbs=frozenset({Verb.READ, Verb.UPDATE}),
            writable=frozenset({"settled_by", "paid_on"}),
            updates=Updates.SPARSE,
            write_calls=2,  # its payments are read before one is written
        )
        payments = Payments(
            feeds=(Feed.STAMP,),
            # Whether the invoice's stamp moves with its payments is unverified.
            blind=frozenset(Blind),
            parts=frozenset({Part.CASH, Part.CREDIT}),
            paid_on=Basis.LAST_RECEIPT,
            detail=Cost.CALL_EACH,
            holds_date_alone=False,
            holds_open_date=self._partial_payment_date,
            owned_payment=True,
        )
        kinds = {Customer: companies, Invoice: bills, CreditNote: bills}
        return Capabilities(
            "ConnectWise",
            {**kinds, Settlement: levels},
            payments,
            limits=limits,
            concurrency=concurrency,
            invoices_per_payment=1,
        )

    def deep_link(self, ref: Ref) -> str:
        """The address of the record's page, by the template; "" where it has none."""
        if ref.kind not in RECORD_TYPES:
            return ""
        company, own = (quote(text, safe="") for text in (self._company, ref.id))
        names = {"host": self._host, "company": company, "id": own}
        return self._template.format(**names, type=RECORD_TYPES[ref.kind])

    def check(self) -> Flow[Health]:
        """Who answers, whether the keys are good, and what is not permitted."""
        missing: list[str] = []
        found: dict[str, Any] = {}
        # Asked one by one: each has a permission of its own.
        paths = ["system/info", INVOICES, "company/companies"]
        while paths:
            path = paths.pop(0)
            try:
                response = yield from self.ask(Request("GET", path, {"pageSize": "1"}))
                found[path] = response.json()
            except Fault as fault:
                if fault.code is not Code.PERMISSION_MISSING:
                    reachable = fault.code is Code.SIGN_IN_REFUSED
                    note = f"{fault.text} {fault.remedy}"
                    return Health(reachable, False, code=fault.code, notes=(note,))
                missing.append(path)
            if path == INVOICES and isinstance(found.get(path), list):
                paths += [_payments(str(each)) for each in _ids(found[path])]
        zone = str(_mapping(found.get("system/info")).get("serverTimeZone"))
        iana = re.fullmatch(r"UTC|[A-Za-z]+/[\w/+-]+", zone, re.ASCII)
        name = self._company
        books = Books(name.lower(), name, zone=zone if iana else None)
        hint = "no invoice is visible: the API member's system level may be too low"
        notes = (hint,) if found.get(INVOICES) == [] else ()
        return Health(True, True, tuple(missing), books=books, notes=notes)

    # Reading --------------------------------------------------------------------------

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        """
        The records behind the last one of the page before, by their ids.

        Pages by number would lose a record where others come and go between two calls.
        """
        if type(select) not in self.capabilities.kind(resource.kind).selects:
            text = f"{resource.kind.__name__} records cannot be selected so"
            raise Fault(Code.NOT_ALLOWED, text)
        behind = f"id>{cursor}" if cursor else ""
        conditions = [resource.parameters["conditions"], *_selected(select), behind]
        return self._query(resource, " and ".join(filter(None, conditions)))

    def next_cursor(
        self,
        resource: Resource[Any],
        asked: Request,
        response: Response,
        rows: Sequence[Any],
    ) -> str | None:
        """The last id, if there is more: by its link, or a full page without any link."""
        full = len(rows) >= self._page_size and response.header("Link") is None
        more = full or next_link(response) is not None
        return str(max(_ids(rows), default=0)) if more else None

    def literal(self, resource: Resource[Any], by: str, value: str) -> str:
        if by == "id" or _PLAIN.fullmatch(value):
            return value if by == "id" else f'"{value}"'
        return _quoted(value)

    def fetch_request(
        self, resource: Resource[Any], by: str, literals: Sequence[str]
    ) -> Request:
        name = "id" if by == "id" else resource.number_field
        if self.plain.fullmatch(literals[0]):
            return self._query(resource, f"{name} in ({','.join(literals)})")
        return self._query(resource, f"{name}={literals[0]}")

    def _query(self, resource: Resource[Any], conditions: str) -> Request:
        params = {"conditions": conditions} if conditions else {}
        params |= {"orderBy": "id asc", "pageSize": str(self._page_size)}
        return Request("GET", resource.path, params)

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

    def _customer(self, row: Fields) -> Customer:
        status, currency = _child(row, "status"), _child(row, "currency")
        active = not row.flag("deletedFlag") and status.text("name") in self._active
        return Customer(
            Ref(self.connection, "Customer", _own_id(row)),
            name=row.text("name"),
            number=row.number("accountNumber"),
            email=row.text("invoiceToEmailAddress"),
            currency=currency.text("currencyCode"),
            active=active,
            **_changed(row),
        )

    def _invoice(self, row: Fields) -> Invoice | None:
        if row.choice("type", INVOICE_TYPES) is not Invoice:
            return None
        head = self._head(row, "Invoice")
        status = _status(row, row.amount("balance", head["currency"]))
        on, due = row.read("date", iso_day), row.maybe("dueDate", iso_day)
        return Invoice(**head, status=status, on=on, due=due)

    def _memo(self, row: Fields) -> CreditNote | None:
        if row.choice("type", INVOICE_TYPES) is not CreditNote:
            return None
        head = self._head(row, "CreditNote")
        # Whether a credit memo's own amounts are negative is unverified.
        head["total"] = abs(head["total"])
        rest = abs(row.amount("balance", head["currency"]))
        status, on = _status(row, rest), row.read("date", iso_day)
        return CreditNote(**head, status=status, on=on, remaining=rest)

    def _settlement(self, row: Fields) -> Settlement | None:
        """What the invoice itself says; `detailed` adds what its payments say."""
        if row.choice("type", INVOICE_TYPES) is not Invoice:
            return None
        head, on = self._head(row, "Invoice"), row.maybe("date", iso_day)
        balance = row.amount("balance", head["currency"])
        cash = row.maybe_amount("payments", head["currency"])
        credit = row.maybe_amount("credits", head["currency"])
        told = {Part.CASH: cash, Part.CREDIT: credit}
        parts = {part: each for part, each in told.items() if each is not None}
        if cash is not None and credit is not None:
            parts = _parts(head["total"], balance, cash, [credit])
        # A billing status says where the document is, not whether it is paid.
        status = Status.SETTLED if balance <= 0 else Status.OPEN
        return Settlement(
            **head, balance=balance, status=status, on=on, settled_by=parts
        )

    def _head(self, row: Fields, kind: str) -> dict[str, Any]:
        """What all documents have in common, by the names of the records' fields."""
        owner = _child(row, "company")
        customer = owner.id("id") if owner.has("id") else None
        currency = _child(row, "currency").currency("currencyCode")
        return {
            "ref": Ref(self.connection, kind, _own_id(row)),
            "number": row.number("invoiceNumber"),
            "currency": currency,
            "total": row.amount("total", currency),
            "customer": customer and Ref(self.connection, "Customer", customer),
            **_changed(row),
        }

    def detailed(self, page: Page[R]) -> Flow[Page[R]]:
        """The page with the payments behind its settlements."""
        records: list[Any] = []
        issues = [*page.issues]
        for record in page.records:
            if not isinstance(record, Settlement):
                return page
            try:
                records.append((yield from self._with_receipts(record)))
            except Fault as fault:
                if fault.code.scope is Scope.CONNECTION:
                    raise
                numbers = (record.number,) if record.number else ()
                words = fault.field, fault.text, fault.remedy
                issues.append(Issue(fault.code, record.ref, numbers, *words))
        return evolve(page, records=tuple(records), issues=tuple(issues))

    def _with_receipts(self, record: Settlement) -> Flow[Settlement]:
        """With its payments' ids and days; no call where nothing was paid."""
        if record.settled_by.get(Part.CASH) == ZERO:
            return record
        cash, credit = yield from self._receipts(record)
        told = [credit, record.settled_by.get(Part.CREDIT, credit)]
        latest = last_on(cash)
        paid_on = latest if record.status is Status.SETTLED else None
        return evolve(
            record,
            settled_by=_parts(record.total, record.balance, total(cash), told),
            receipts=tuple(each.id for each in cash),
            last_on=latest,
            paid_on=paid_on,
            basis=Basis.LAST_RECEIPT if paid_on else None,
        )

    def _receipts(self, invoice: Settlement) -> Flow[tuple[list[Receipt], Decimal]]:
        """Its cash payments, and the sum of those that apply a credit memo."""
        path, size = _payments(invoice.ref.id), str(self._page_size)
        rows = yield from self._all(Request("GET", path, {"pageSize": size}))
        found = [
            _receipt(Fields(row, f"payments[{at}]"), invoice)
            for at, row in enumerate(rows)
        ]
        cash = [receipt for receipt, credit in found if not credit]
        return cash, total(receipt for receipt, credit in found if credit)

    # Writing --------------------------------------------------------------------------

    def write_one(self, change: Change) -> Flow[Outcome]:
        """Make one payment of ours the invoice's money."""
        return (
            yield from keep_level(change, self, partial_date=self._partial_payment_date)
        )

    def receipts(self, invoice: Settlement) -> Flow[list[Receipt]]:
        """Its cash payments."""
        cash, _ = yield from self._receipts(invoice)
        return cash

    def payment_request(
        self, invoice: Settlement, wanted: Wanted, held: Receipt | None
    ) -> Request:
        path = _payments(invoice.ref.id)
        day = _stamp(wanted.on)
        if held is None:
            new = {
                "amount": wanted.amount,
                "paymentDate": day if wanted.dated else None,
            }
            sent = {name: value for name, value in new.items() if value}
            body = {**self._payment_fields, **sent}
            return Request("POST", path, json=body, effect=True)
        path = f"{path}/{quote(held.id, safe='')}"
        if not wanted.amount:
            return Request("DELETE", path, effect=True)
        return Request("PATCH", path, json=_edits(wanted, held), effect=True)

    def receipt_in(self, response: Response, invoice: Settlement) -> Receipt | None:
        return _receipt(Fields(response.json()), invoice)[0]

    # Answers --------------------------------------------------------------------------

    def explain(self, response: Response) -> tuple[str, str]:
        """The most telling code, and every message with its resource and field."""
        try:
            body = _mapping(response.json())
        except Fault:
            body = {}
        errors = body.get("errors")
        parts = [body, *map(_mapping, errors if isinstance(errors, list) else [])]
        codes = [str(each.get("code") or "") for each in parts]
        code = "ObjectExists" if "ObjectExists" in codes else codes[0]
        said = "; ".join(filter(None, map(_complaint, parts)))
        text = said or response.text().strip()
        signed = response.header("api-current-version") is not None
        if not code and (text.startswith("<") or not signed):
            code = NOT_THE_API
        request_id = response.header("x-cw-request-id")
        return code, f"{text} (request {request_id})" if request_id else text


# Payments -----------------------------------------------------------------------------


def _edits(wanted: Wanted, held: Receipt) -> list[dict[str, Any]]:
    """What has to change in a payment: only the fields that differ."""
    differs, edits = wanted.differs(held), list[dict[str, Any]]()
    if "amount" in differs:
        edits.append({"op": "replace", "path": "amount", "value": wanted.amount})
    if "on" in differs and wanted.on is None:
        edits.append({"op": "remove", "path": "paymentDate"})
    elif "on" in differs:
        op = "replace" if held.on else "add"
        edits.append({"op": op, "path": "paymentDate", "value": _stamp(wanted.on)})
    return edits


def _receipt(row: Fields, invoice: Settlement) -> tuple[Receipt, bool]:
    """One payment record, and whether it applies a credit memo."""
    owner, memo = _child(row, "invoice"), _child(row, "credit")
    if owner.has("id") and owner.id("id") != invoice.ref.id:
        at = owner.path("id")
        raise Fault(Code.BAD_FIELD, "the payment belongs to another invoice", field=at)
    amount = row.amount("amount", invoice.currency)
    on = row.maybe("paymentDate", iso_day)
    applies = bool(memo.raw.get("id")) and memo.id("id") != "0"
    return Receipt(_own_id(row), amount, on), applies


def _stamp(day: date | None) -> str | None:
    return f"{day}T00:00:00Z" if day else None


def _parts(
    total: Decimal, balance: Decimal, cash: Decimal, told: Sequence[Decimal]
) -> dict[Part, Decimal]:
    """Cash, and that of the credits that makes the total; their sign is unverified."""
    credit = total - balance - cash
    if credit not in {*told, *map(abs, told)}:
        said = " or ".join(map(str, told))
        text = f"total {total}, payments {cash}, credits {said}, balance {balance}"
        raise Fault(Code.TOTALS_DISAGREE, text, field="balance", remedy=_TOTALS)
    return {Part.CASH: cash, Part.CREDIT: credit}


# Conditions ---------------------------------------------------------------------------


def _quoted(text: str) -> str:
    """In the quotes that it does not hold; how to escape is not documented."""
    mark = "'" if '"' in text else '"'
    if mark in text or "\\" in text:
        raise Fault(Code.NOT_ALLOWED, "both kinds of quotes, or a backslash")
    return f"{mark}{text}{mark}"


def _selected(select: Select) -> list[str]:
    match select:
        case Changed(since):
            return [f"lastUpdated>=[{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}]"]
        case Dated(first, last):
            return [f"date>=[{first}T00:00:00Z]", f"date<=[{last}T23:59:59Z]"]
        case Open(through):
            return ["balance>0", *([f"date<=[{through}T23:59:59Z]"] if through else [])]
        case _:
            return []


def _payments(invoice: str) -> str:
    return f"{INVOICES}/{quote(invoice, safe='')}/payments"


def _host(site: str) -> str:
    """The host of a site, whichever way it was written."""
    host = site.strip().lower().removeprefix("https://").partition("/")[0]
    if not re.fullmatch(r"[a-z0-9.-]+(:[0-9]+)?", host, re.ASCII):
        raise ConfigError("site is the host name that people sign in to")
    return host.removeprefix("api-") if host.endswith(HOSTED) else host


# Fields -------------------------------------------------------------------------------


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _child(row: Fields, name: str) -> Fields:
    """The record inside; an empty one where it is missing."""
    return row.child(name) or Fields({}, row.path(name))


def _ids(rows: Sequence[Any]) -> list[int]:
    found = [str(_mapping(each).get("id")) for each in rows]
    return [int(each) for each in found if _ID.fullmatch(each)]


def _own_id(row: Fields) -> str:
    """An id, which becomes a part of addresses and conditions: digits alone."""
    found, at = row.id("id"), row.path("id")
    if not _ID.fullmatch(found):
        raise Fault(Code.BAD_FIELD, f"{at} is no id of ConnectWise", field=at)
    return found


def _changed(row: Fields) -> dict[str, Any]:
    """Change time and version; the vendor's times are UTC."""
    info = _child(row, "_info")
    at = info.maybe("lastUpdated", lambda text: iso_instant(text, naive_is_utc=True))
    return {"changed_at": at, "version": info.text("lastUpdated")}


def _status(row: Fields, rest: Decimal) -> Status:
    """A document is final once its billing status is a closed one."""
    status = _child(row, "status")
    if not status.has("isClosed"):
        at = status.path("isClosed")
        raise Fault(Code.UNKNOWN_STATUS, f"{at} is missing", field=at)
    if not status.flag("isClosed"):
        return Status.DRAFT
    return Status.OPEN if rest > 0 else Status.SETTLED


def _complaint(error: Mapping[str, Any]) -> str:
    at = ".".join(str(error[name]) for name in ("resource", "field") if error.get(name))
    said = str(error.get("message") or error.get("code") or "")
    return ": ".join(filter(None, (at, said)))
