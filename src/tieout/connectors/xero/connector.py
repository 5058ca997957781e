"""
Xero as a ledger: customers, sales invoices, credit notes, payments, and what is paid.

It leaves bills (accounts payable), refunds and webhooks alone. Facts come from the
vendor's OpenAPI description and real replies; "second hand" is a third party that quotes
the vendor, "unverified" is nobody's word yet.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from attrs import evolve

from tieout import capabilities as caps
from tieout.auth import OAuth2
from tieout.capabilities import Changed, Dated, Everything, Open, Select
from tieout.change import Action, Change, Outcome
from tieout.connector import (
    Books,
    Fields,
    Resource,
    RestConnector,
    enveloped,
    guarded_batch,
    judge,
    server_time,
    utc_second,
)
from tieout.connectors.xero.errors import RULES
from tieout.connectors.xero.records import (
    CREDIT,
    PAID,
    SALE,
    Records,
    day,
    moment,
    only,
)
from tieout.errors import Code, ConfigError, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Part,
    Payment,
    RecordType,
    Ref,
    Settlement,
    Status,
    clean_number,
)
from tieout.wire import Flow, Request, Response
from tieout.zones import iana

PAGE_MAX = 1000
"""Xero's largest page (second hand); more is cut to it."""

BATCH_MAX = 50
"""Documents in one write: more are slow, and 3.5 MB are the most (the vendor's FAQ)."""

FETCH_MAX, ADDRESS_MAX = 40, 1700
"""Ids or numbers in one request, and their encoded characters: addresses fail at about
52 ids (XeroAPI/Xero-OpenAPI#534)."""

CONDITIONS_MAX = 20
"""Ids in one request where each is a condition: so many fit into an address."""

KEY_LENGTH_MAX, KEY_LIFETIME = 128, timedelta(minutes=6)
"""Of an idempotency key; the lifetime is second hand."""

GRACE = timedelta(minutes=30)
"""How long a refresh token that was used still works (the vendor's staff)."""

# fmt: off
_ADVANCES = {
    "Overpayments": ("RECEIVE-OVERPAYMENT AROVERPAYMENT", "OverpaymentID"),
    "Prepayments": ("RECEIVE-PREPAYMENT ARPREPAYMENT", "PrepaymentID"),
}
LINK = "https://go.xero.com/organisationlogin/default.aspx?shortcode={shortcode}&redirecturl={path}"
LINK_PATHS: Mapping[str, str] = {
    "Invoice": "/AccountsReceivable/View.aspx?InvoiceID={id}",
    "CreditNote": "/AccountsReceivable/ViewCreditNote.aspx?creditNoteID={id}",
    "Customer": "/Contacts/View/{id}",
}
"""Pages for people; the credit note's is unverified."""

# What it can do ---------------------------------------------------------------------

_READ, _CREATE, _UPDATE, _VOID = caps.Verb
_LISTED = frozenset({Changed, Everything})
_DOCUMENT = caps.Kind(
    verbs=frozenset(caps.Verb), selects=_LISTED | {Dated, Open}, updates=caps.Updates.SPARSE,
    writable=frozenset({"number", "reference", "customer", "on", "due", "lines", "currency"}),
    void_when="nothing is applied to it", number_length=255, batch_size=BATCH_MAX, creates=caps.Creates.FINAL,
    fetch_size=FETCH_MAX, stable_order=True,
)
_MONEY = evolve(
    _DOCUMENT, verbs=frozenset({_READ, _CREATE, _VOID}), writable=frozenset(), updates=caps.Updates.NONE,
    fetch_size=CONDITIONS_MAX,
)
_KINDS: Mapping[RecordType, caps.Kind] = {
    # A document whose number Xero gives could not be found again: so ours is the mark.
    Invoice: evolve(_DOCUMENT, mark=caps.Mark("InvoiceNumber", is_number=True), number_unique=True),
    Settlement: caps.Kind(selects=_DOCUMENT.selects, number_unique=True, lists=5, fetch_size=FETCH_MAX, stable_order=True),
    CreditNote: evolve(_DOCUMENT, mark=caps.Mark("Reference"), fetch_size=CONDITIONS_MAX),
    Payment: evolve(_MONEY, selects=_LISTED | {Dated}, mark=caps.Mark("Reference"), void_when="it is not reconciled"),
    Application: evolve(_MONEY, selects=frozenset(), batch_size=1, void_when="always"),
    Customer: evolve(
        _DOCUMENT, selects=_LISTED, mark=caps.Mark("ContactNumber", length=50), number_length=50,
        writable=frozenset({"name", "number", "email"}), void_when="always: it is archived",
    ),
}
# fmt: on


def _date(day: date) -> str:
    return f"DateTime({day:%Y,%m,%d})"


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
    Without ``shortcode`` a deep link opens the user's last organisation. ``account`` is
    the code for lines that name none, ``deposit_account`` that for payments.
    """

    rules = RULES
    ids = re.compile(r"[\w.-]{1,64}(/[\w.-]{1,64})?", re.ASCII)
    ids_have_case = False
    cursors = re.compile(r"[1-9][0-9]{0,6}@([0-9T:-]{19})?", re.ASCII)
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
        account: str = "",
        deposit_account: str = "",
        shortcode: str = "",
        link_paths: Mapping[str, str] = LINK_PATHS,
    ) -> None:
        if not 1 <= page_size <= PAGE_MAX:
            raise ConfigError(f"page_size is from 1 to {PAGE_MAX}")
        self.connection = f"xero:{tenant_id}"
        # A custom connection is of one organisation and names none.
        tenant = {"xero-tenant-id": tenant_id} if refresh_token else {}
        app = (client_id, client_secret, refresh_token, scope)
        self.auth = OAuth2(base_url, identity_url, *app, headers=tenant, grace=GRACE)
        self._tenant, self._page_size = tenant_id, page_size
        self._records = Records(self.connection, account, deposit_account)
        self._shortcode, self._link_paths = shortcode, link_paths
        self.resources = self._resources()
        self.feeds = self._money_feeds()
        app_limit = caps.Limit(10_000, 60, caps.LimitScope.CREDENTIAL, client_id)
        # fmt: off
        self.capabilities = caps.Capabilities(
            "Xero",
            {kind: evolve(able, page_size=page_size) for kind, able in _KINDS.items()},
            payments=caps.Payments(
                feeds=(caps.Feed.STAMP, caps.Feed.PAYMENTS, caps.Feed.CREDITS),
                blind=frozenset({caps.Blind.CREDITS}), sweep_every=sweep_every,
                parts=frozenset({Part.CASH, Part.CREDIT}),
            ),
            deletions_visible=True, invoices_per_payment=1, credits_applicable=True,
            idempotency_key=True, idempotency_lifetime=KEY_LIFETIME,
            limits=(caps.Limit(per_minute, 60), caps.Limit(per_day, 86_400), app_limit),
            concurrency=concurrency, overlap=overlap,
        )
        # fmt: on

    def _resources(self) -> dict[RecordType, Resource[Any]]:
        records = self._records
        archived, exact = {"includeArchived": "true"}, {"unitdp": "4"}
        sale = {"where": f'Type=="{SALE}"', **archived}
        credit = {"where": f'Type=="{CREDIT}"', **exact}
        paid = {"where": f'PaymentType=="{PAID}"'}  # refunds have types of their own
        # fmt: off
        bills = ("Invoices", "InvoiceID", "InvoiceNumber", "IDs", "InvoiceNumbers")
        notes = ("CreditNotes", "CreditNoteID", "CreditNoteNumber", "", "", credit)
        return {
            Customer: Resource(Customer, "Contacts", records.customer, "Contacts", "ContactID", "AccountNumber", "IDs", "", archived, dump=records.customer_body),
            Invoice: Resource(Invoice, "Invoices", only(SALE, records.invoice), *bills, sale | exact, dump=records.document_body),
            Settlement: Resource(Settlement, "Invoices", only(SALE, records.settlement), *bills, sale),
            CreditNote: Resource(CreditNote, "CreditNotes", only(CREDIT, records.credit_note), *notes, dump=records.document_body),
            Application: Resource(Application, "CreditNotes", only(CREDIT, lambda row: records.credit_note(row).applications), *notes),
            Payment: Resource(Payment, "Payments", only(PAID, records.payment), "Payments", "PaymentID", "", "", "", paid, dump=records.payment_body),
        }

    def _money_feeds(self) -> tuple[Resource[Any], ...]:
        """
        What is read for changed payment info; the loaders of all but the first give refs.

        An invoice lists no deleted payments, and whether its change time moves with a
        payment or a credit is unverified: so these are asked too.
        """
        records = self._records
        return (
            self.resources[Settlement],
            evolve(self.resources[Payment], load=only(PAID, records.paid)),
            evolve(
                self.resources[CreditNote],
                load=only(CREDIT, records.allocated),
                number_field="",
            ),
            *(
                Resource(Payment, name, only(types, records.allocated), name, key, "")
                for name, (types, key) in _ADVANCES.items()
            ),
        )
        # fmt: on

    # How it is

    def probes(self) -> Mapping[str, Request]:
        return {"accounting.settings.read": Request("GET", "Organisation")}

    def books(self, answers: Mapping[str, Response]) -> Books:
        if not answers:
            return Books(self._tenant)
        (response,) = answers.values()
        row = next(iter(Fields(response.json()).children("Organisations")), Fields({}))
        locks = (day(row, "PeriodLockDate"), day(row, "EndOfYearLockDate"))
        return Books(
            row.text("OrganisationID") or self._tenant,
            name=row.text("Name"),
            currency=row.currency("BaseCurrency"),
            zone=iana(row.text("Timezone")),
            locked_through=max((day for day in locks if day), default=None),
        )

    def deep_link(self, ref: Ref) -> str:
        if ref.kind not in self._link_paths:
            return ""
        path = self._link_paths[ref.kind].format(id=quote(ref.id, safe=""))
        link = LINK if self._shortcode else LINK.replace("shortcode={shortcode}&", "")
        return link.format(shortcode=quote(self._shortcode, safe="!"), path=path)

    # Reading

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        page, _, since = (cursor or "1@").partition("@")
        if cursor is None and isinstance(select, Changed):
            since = utc_second(select.since)
        paging = {"page": page, "pageSize": str(self._page_size)}
        params = {**resource.parameters, **paging, "order": "UpdatedDateUTC ASC"}
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

    def next_cursor(
        self,
        resource: Resource[Any],
        asked: Request,
        response: Response,
        rows: Sequence[Any],
    ) -> str | None:
        """
        From the last row's change time on; pages are counted only where all have one time.

        A row that is edited while pages are counted moves to the end and pushes its
        neighbours across the boundary, unseen.
        """

        def told() -> int | None:
            return Fields(response.json()).inside("pagination").maybe("pageCount", int)

        params = dict(asked.params)
        page, size, count = (
            int(params["page"]),
            int(params["pageSize"]),
            enveloped(told),
        )
        if not rows or not (len(rows) >= size if count is None else page < count):
            return None
        since, reached = asked.header("If-Modified-Since") or "", _reached(rows)
        searching = "order" not in params
        onward = reached > since and not searching
        return f"1@{reached}" if onward else f"{page + 1}@{since}"

    def turned(self, resource: Resource[Any], request: Request, cursor: str) -> Request:
        page = cursor.partition("@")[0]
        return evolve(request, params={**dict(request.params), "page": page})

    def as_of(self, response: Response) -> datetime | None:
        """The envelope's clock, else the header's."""
        try:
            return Fields(response.json()).read("DateTimeUTC", moment)
        except Fault:
            return server_time(response)

    def literal(self, resource: Resource[Any], by: str, value: str) -> str:
        """In a list where Xero takes one, else as a condition."""
        listed = _listed(resource, by)
        # A list cannot hold a comma, nor a condition's text a quotation mark, however it
        # is written (XeroAPI/Xero-Java#347).
        if by != "id" and re.search("," if listed else r'["\\\x00-\x1f]', value):
            raise Fault(Code.NOT_ALLOWED, "it holds characters that a search cannot")
        if listed:
            return value
        if by == "id":
            # That this is how an id is written is unverified. An application's begins
            # with that of its credit note.
            return f'{resource.id_field}==Guid("{value.partition("/")[0]}")'
        mark = self.capabilities.kind(resource.kind).mark
        names = [mark.field] if by == "mark" and mark else [resource.number_field]
        names += ["Name"] if by == "number" and resource.kind is Customer else []
        return " OR ".join(f'{name}=="{value}"' for name in names)

    def fetch_request(
        self, resource: Resource[Any], by: str, literals: Sequence[str]
    ) -> Request:
        # Without a page number Xero leaves out the lines.
        params = {**resource.parameters, "page": "1", "pageSize": str(PAGE_MAX)}
        listed = _listed(resource, by)
        if listed:
            params[listed] = ",".join(literals)
        else:
            base, either = params.get("where"), " OR ".join(dict.fromkeys(literals))
            params["where"] = f"{base} AND ({either})" if base else either
        return Request("GET", resource.path, params=params)

    def names(self, record: Any) -> Iterable[str]:
        name = record.name if isinstance(record, Customer) else ""
        return (getattr(record, "number", ""), clean_number(name))

    # Judging

    def suspicious(self, response: Response) -> bool:
        return b'"ERROR"' in response.body

    def explain(self, response: Response) -> tuple[str, str]:
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            problem = (response.header("X-Rate-Limit-Problem") or "").strip().lower()
            used_up = response.header("X-DayLimit-Remaining") == "0"
            day = problem.startswith("day") or (used_up and not problem)
            return "day" if day else "", f"limit reached: {problem or 'not named'}"
        try:
            body = response.json()
            said = list(dict.fromkeys(filter(None, _said(body))))
            if not said and isinstance(body, dict):  # the case of these keys differs
                low = {name.lower(): value for name, value in body.items()}
                told = (low.get(name) for name in ("title", "detail", "message"))
                said = [str(each) for each in told if each]
        except Fault:  # some answers are XML
            said = [" ".join(re.sub(r"<[^>]*>", " ", response.text()).split())]
        text, mark = "; ".join(said), response.header("Xero-Correlation-Id")
        return "", f"{text} (Xero-Correlation-Id {mark})" if text and mark else text

    # Writing

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        """Documents of one kind in one request; what has an address of its own, alone."""
        alone = [change for change in changes if _stands_alone(change)]
        found = [*(yield from super().write(alone))]
        together: dict[tuple[RecordType, bool], list[Change]] = {}
        for change in changes:
            if not _stands_alone(change):
                key = (change.kind, change.action is Action.CREATE)
                together.setdefault(key, []).append(change)
        for some in together.values():
            flow = guarded_batch(self._together(some), some, self.judge)
            found += yield from flow
        return tuple(found)

    def _together(self, changes: Sequence[Change]) -> Flow[list[Outcome]]:
        """One request for several documents, each judged by its own element."""
        resource, creates = self.resource(changes[0].kind), changes[0].target is None
        mark = self.capabilities.kind(resource.kind).mark
        key = mark.field if creates and mark else resource.id_field
        sent: dict[str, Change] = {}
        elements: list[dict[str, Any]] = []
        outcomes: list[Outcome] = []
        for change in changes:
            try:
                element = self._element(resource, change, key, sent)
            except Fault as fault:
                outcomes.append(Outcome.failed(change, fault))
            else:
                sent[element[key]] = change
                elements.append(element)
        if not elements:
            return outcomes
        response = yield Request(
            # POST of a number that exists would overwrite that document.
            "PUT" if creates else "POST",
            resource.path,
            {"summarizeErrors": "false", "unitdp": "4"},
            _keyed(sent.values()),
            json={resource.rows: elements},
            effect=True,
        )
        if not response.ok:
            raise self.judge(response).fault()
        for row in map(Fields, self.rows(resource, response)):
            named = sent.get(row.text(key))
            said = "; ".join(_said(row.raw))
            if named is not None and said:
                verdict = judge(Response(400), self.rules, text=said)
                outcomes.append(Outcome.failed(named, verdict.fault()))
            elif named is not None:
                with suppress(Fault):  # then it is looked for
                    outcomes.append(self.made(resource, named, row))
        return outcomes

    def _element(
        self, resource: Resource[Any], change: Change, key: str, others: Container[str]
    ) -> dict[str, Any]:
        """A document as it is sent, of an update only what differs; told by its key."""
        self.check_allowed(change)
        sent: dict[str, Any] = {}
        if change.action is Action.VOID:
            draft = getattr(change.before, "status", None) is Status.DRAFT
            sent = {"Status": "DELETED" if draft else "VOIDED"}
            if change.kind is Customer:
                sent = {"ContactStatus": "ARCHIVED"}
        elif resource.dump is not None:
            sent = resource.dump(change)
        if change.action is Action.UPDATE and resource.dump and change.before:
            was = resource.dump(evolve(change, after=change.before))
            sent = {name: v for name, v in sent.items() if was.get(name) != v}
        if change.target is not None:
            sent |= {resource.id_field: change.target.id}
        if not sent.get(key):
            text = f"it needs a {key}, by which it is found again"
            raise Fault(Code.NOT_ALLOWED, text)
        if sent[key] in others:
            text = f"another document of the same {key} is sent with it"
            raise Fault(Code.DUPLICATE_NUMBER, text)
        return sent

    def write_request(self, resource: Resource[Any], change: Change) -> Request:
        """What stands alone: a credit note's allocation, and the end of a payment."""
        if change.kind is Payment and change.target:
            url = f"Payments/{quote(change.target.id, safe='')}"
            body = {"Payments": [{"Status": "DELETED"}]}
            return Request("POST", url, json=body, effect=True)
        if change.target:
            note, _, own = change.target.id.partition("/")
            url = (
                f"CreditNotes/{quote(note, safe='')}/Allocations/{quote(own, safe='')}"
            )
            return Request("DELETE", url, effect=True)
        put = change.after
        if not isinstance(put, Application) or put.source.kind != "CreditNote":
            raise Fault(Code.NOT_ALLOWED, "only credit notes can be put to an invoice")
        url = f"CreditNotes/{quote(put.source.id, safe='')}/Allocations"
        part: dict[str, Any] = {
            "Invoice": {"InvoiceID": put.target.id},
            "Amount": put.amount,
            "Date": put.on.isoformat(),
        }
        body = {"Allocations": [part]}
        return Request("PUT", url, (), _keyed([change]), json=body, effect=True)

    def written(
        self, resource: Resource[Any], change: Change, response: Response
    ) -> Outcome:
        put = change.after
        if not isinstance(put, Application):
            return Outcome.applied(change)
        note = {"ref": put.source, "currency": put.currency, "on": put.on}
        (row,) = Fields(response.json()).children("Allocations")
        echo = self._records.application(row, note)
        return Outcome.applied(change, ref=echo.ref, echo=echo)


def _stands_alone(change: Change) -> bool:
    """Whether a change has an address of its own: an allocation, a payment's end."""
    ends = change.kind is Payment and change.action is Action.VOID
    return ends or change.kind is Application


def _listed(resource: Resource[Any], by: str) -> str:
    """The parameter that takes a list of ids or numbers, where there is one."""
    lists = {"id": resource.id_parameter, "number": resource.number_parameter}
    return lists.get(by, "")


def _reached(rows: Sequence[Any]) -> str:
    """From when on the rest is asked for: a second before the last row, if sorted."""
    try:
        stamps = [Fields(row).read("UpdatedDateUTC", moment) for row in rows]
    except Fault:
        return ""
    return (
        utc_second(stamps[-1] - timedelta(seconds=1))
        if stamps == sorted(stamps)
        else ""
    )


def _keyed(changes: Iterable[Change]) -> dict[str, str]:
    """The key of a request: the same for the same changes in the same order."""
    keys = [change.key for change in changes]
    if not all(keys):
        return {}
    joined = (
        keys[0]
        if len(keys) == 1
        else hashlib.sha256("|".join(keys).encode()).hexdigest()
    )
    return {"Idempotency-Key": joined[:KEY_LENGTH_MAX]}
