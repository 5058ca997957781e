"""
ConnectWise Manage (PSA), the billing side: documents, money, and what was handed over.

It reads no lines of invoices and registers no callbacks. Facts come from the vendor's
developer guide and public clients of its API; "unverified" says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any
from urllib.parse import quote

from attrs import evolve

from tieout import capabilities as caps
from tieout.auth import basic
from tieout.capabilities import (
    Changed,
    Dated,
    Everything,
    Open,
    Select,
    Unposted,
    Verb,
)
from tieout.change import Action, Change, Outcome
from tieout.connector import (
    Books,
    Fields,
    Resource,
    RestConnector,
    guarded_batch,
    next_link,
)
from tieout.connectors.connectwise.batches import (
    BATCHES,
    LISTED,
    hand_over,
    hands_over,
    is_posting,
    take_back,
)
from tieout.connectors.connectwise.errors import DELETING, RULES, explained, mapping
from tieout.connectors.connectwise.member import MemberKeys, host_of
from tieout.connectors.connectwise.records import (
    ID,
    IDENTIFIER_MAX,
    INVOICE_TYPES,
    Records,
    edits,
    filled,
    id_behind,
    invoice_of,
    of_type,
    only,
    receipt_of,
    receipts_of,
    stamp,
)
from tieout.errors import Code, ConfigError, Fault, Scope
from tieout.models import (
    Application,
    Basis,
    CreditNote,
    Customer,
    Invoice,
    Part,
    Payment,
    Posting,
    RecordType,
    Ref,
    Settlement,
)
from tieout.owned import Receipt, Wanted, keep_level
from tieout.wire import Flow, Request, Response

PAGE_SIZE_MAX = 1000
"""The vendor's own; it gives 25 where nothing is said."""

NUMBER_LENGTH = 15
"""Characters of an invoice's number, which is our mark."""

INVOICES, COMPANIES = "finance/invoices", "company/companies"
BILLS, MEMOS = 'type!="CreditMemo"', 'type="CreditMemo"'

ROLL_UPS: Mapping[RecordType, tuple[str, ...]] = {
    Settlement: ("payments",),
    Payment: ("payments",),
    Application: ("payments", "credits"),
}
"""Where all of these are zero, an invoice has no payment records of the kind."""

_ZERO = re.compile(r"0+(\.0+)?", re.ASCII)
_PLAIN = re.compile(r"""[^\x00-\x1f"'\\%*&<>\[\]]+""")
"""Other numbers are asked for alone: one that is refused must not spoil a batch."""

DEEP_LINK = (
    "https://{host}/v4_6_release/services/system_io/router/openrecord.rails"
    "?locale=en_US&companyName={company}&recordType={type}&recid={id}"
)
RECORD_TYPES = {
    "Customer": "CompanyFV",
    **dict.fromkeys(("Invoice", "CreditNote"), "InvoiceFV"),  # unverified
}


class ConnectWise(RestConnector):
    """
    One company of ConnectWise Manage.

    ``site`` is the host that people sign in to, ``company`` their company id; the keys
    are an API member's, ``client_id`` the integration's. ``version`` pins the payload's
    version. ``base_url`` (up to ``/apis/3.0``) replaces discovery. ``may_delete``: whether
    an invoice or credit memo that is neither batched nor closed may be deleted.
    ``applications``: whether credit memos are read with what they were applied to, which
    costs a call for each credited invoice of their companies. ``batch_prefix`` begins the
    names of accounting batches.

    Facts that are unverified, each with the best guess as default:

    - ``limits``: the vendor publishes none;
    - ``payment_fields``, ``invoice_fields``, ``company_fields``: what a new payment,
      document or company needs besides what it is given here;
    - ``invoice_type``, ``negative_memos``: the type of new invoices, and whether a credit
      memo's total is sent as a negative one;
    - ``currencies``: ConnectWise's ids by currency code; without one nothing is sent, and
      the company's own currency applies;
    - ``final_status``: the id of a closed billing status for new documents; without it a
      person closes them;
    - ``voided_company``: the fields by which a company is taken back;
    - ``partial_payment_date``: whether a partial payment takes a date (the last receipt's);
    - ``payments_stamp``: whether an invoice's change time moves with its payments;
    - ``unposted_id``: where a row of the unposted list has the invoice's id;
    - ``active_statuses``: company statuses that count as active (sites name their own);
    - ``deep_link_template``: the address of a record's page for people.
    """

    rules = RULES
    ids = re.compile(rf"{ID.pattern}(/{ID.pattern})?", re.ASCII)
    """Of a payment or an application: its invoice's id and its own."""
    cursors = ID
    plain = re.compile(rf"[0-9]+|\"{_PLAIN.pattern}\"", re.ASCII)

    # fmt: off
    def __init__(
        self, *, company: str, public_key: str, private_key: str, client_id: str,
        site: str = "na.myconnectwise.net", version: str = "2025.16", base_url: str = "",
        page_size: int = PAGE_SIZE_MAX, fetch_size: int = 50, concurrency: int = 4, limits: tuple[caps.Limit, ...] = (),
        payment_fields: Mapping[str, Any] | None = None, invoice_fields: Mapping[str, Any] | None = None,
        company_fields: Mapping[str, Any] | None = None, voided_company: Mapping[str, Any] | None = None,
        invoice_type: str = "Miscellaneous", final_status: int | None = None, negative_memos: bool = False,
        currencies: Mapping[str, int] | None = None, may_delete: bool = False, applications: bool = False,
        partial_payment_date: bool = True, payments_stamp: bool = False,
        unposted_id: str = "billingLogId", batch_prefix: str = "TO-",
        active_statuses: Sequence[str] = ("Active",), deep_link_template: str = DEEP_LINK,
    ) -> None:
        if not 1 <= page_size <= PAGE_SIZE_MAX or fetch_size < 1:
            raise ConfigError("page_size is 1 to 1000, fetch_size 1 or more")
        given = (company, public_key, private_key, client_id, version)
        if not all(re.fullmatch(r"[!-~]+", text) for text in given):
            raise ConfigError("company, keys, client_id and version are plain text")
        self._host, self._company = host_of(site), company
        self.connection = f"connectwise:{company.lower()}@{self._host}"
        self.auth = MemberKeys(self._host, company, base_url, {
            "Authorization": basic(f"{company}+{public_key}", private_key), "clientId": client_id,
            "Accept": f"application/vnd.connectwise.com+json; version={version}",
        })
        self._records = Records(
            self.connection, frozenset({"", *active_statuses}), invoice_type, final_status, negative_memos,
            currencies or {}, company_fields or {}, invoice_fields or {}, payment_fields or {},
        )
        self._voided = dict(voided_company or {"deletedFlag": True})
        self._dated, self._applications, self._unposted_id = partial_payment_date, applications, unposted_id
        self.batch_prefix, self._template = batch_prefix, deep_link_template
        self.resources = self._resources()
        payments = caps.Payments(
            feeds=(caps.Feed.STAMP,), blind=frozenset({caps.Blind.DELETIONS} if payments_stamp else caps.Blind),
            parts=frozenset({Part.CASH, Part.CREDIT}), paid_on=Basis.LAST_RECEIPT, detail=caps.Cost.CALL_EACH,
            holds_date_alone=False, holds_open_date=partial_payment_date, owned_payment=True,
        )
        kinds = _kinds(page_size, fetch_size, may_delete=may_delete, stamped=payments_stamp, final=final_status is not None)
        self.capabilities = caps.Capabilities(
            "ConnectWise", kinds, payments, limits=limits, concurrency=concurrency, credits_applicable=True, invoices_per_payment=1,
        )

    def _resources(self) -> dict[RecordType, Resource[Any]]:
        made = self._records
        number, key = "invoiceNumber", "key"
        return {
            kind: Resource(
                kind, path, load, id_field=own, number_field=number, dump=dump,
                parameters={"conditions": which}, mark_parameter="identifier",
            )
            for kind, path, which, own, number, load, dump in (
                (Customer, COMPANIES, "", "id", "accountNumber", made.customer, made.company_body),
                (Invoice, INVOICES, BILLS, "id", number, of_type(Invoice, made.invoice), made.document_body),
                (Settlement, INVOICES, BILLS, "id", number, of_type(Invoice, made.settlement), None),
                (CreditNote, INVOICES, MEMOS, "id", number, of_type(CreditNote, made.memo), made.document_body),
                (Payment, INVOICES, BILLS, key, "", only(Payment, made.record), made.payment_body),
                (Application, INVOICES, BILLS, key, "", only(Application, made.record), made.payment_body),
                (Posting, INVOICES, "", "id", number, made.posting, None),
            )
        }
    # fmt: on

    # How it is --------------------------------------------------------------------------

    def deep_link(self, ref: Ref) -> str:
        """The address of the record's page, by the template; "" where it has none."""
        if ref.kind not in RECORD_TYPES:
            return ""
        company, own = (quote(text, safe="") for text in (self._company, ref.id))
        names = {"host": self._host, "company": company, "id": own}
        return self._template.format(**names, type=RECORD_TYPES[ref.kind])

    def probes(self) -> Mapping[str, Request]:
        """Asked one by one: each has a permission of its own."""
        paths = ("system/info", INVOICES, COMPANIES)
        return {path: Request("GET", path, {"pageSize": "1"}) for path in paths}

    def probes_behind(self, name: str, response: Response) -> Mapping[str, Request]:
        """The payments of an invoice, where one is to be seen."""
        rows = response.json()
        ids = _ids(rows) if name == INVOICES and isinstance(rows, list) else []
        paths = [_payments(str(each)) for each in ids[:1]]
        return {path: Request("GET", path, {"pageSize": "1"}) for path in paths}

    def books(self, answers: Mapping[str, Response]) -> Books:
        told = answers["system/info"].json() if "system/info" in answers else None
        zone = str(mapping(told).get("serverTimeZone"))
        iana = re.fullmatch(r"UTC|[A-Za-z]+/[\w/+-]+", zone, re.ASCII)
        return Books(self._company.lower(), self._company, zone=zone if iana else None)

    def notes(self, answers: Mapping[str, Response]) -> Iterable[str]:
        hint = "no invoice is visible: the API member's system level may be too low"
        seen = answers[INVOICES].json() if INVOICES in answers else None
        return (hint,) if seen == [] else ()

    def explain(self, response: Response) -> tuple[str, str]:
        return explained(response)

    # Reading ----------------------------------------------------------------------------

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        """
        The records behind the last one of the page before, by their ids.

        Pages by number would lose a record where others come and go between two calls.
        """
        path = LISTED if isinstance(select, Unposted) else resource.path
        conditions = (resource.parameters["conditions"], *_selected(select))
        size = self.capabilities.kind(resource.kind).page_size
        request = _query(path, conditions, size)
        return request if cursor is None else self.turned(resource, request, cursor)

    def turned(self, resource: Resource[Any], request: Request, cursor: str) -> Request:
        params = dict(request.params)
        behind = (params.get("conditions", ""), f"id>{cursor}")
        return evolve(
            request, params={**params, "conditions": " and ".join(filter(None, behind))}
        )

    def next_cursor(
        self,
        resource: Resource[Any],
        asked: Request,
        response: Response,
        rows: Sequence[Any],
    ) -> str | None:
        """The last id, if there is more: by its link, or a full page without any link."""
        size = int(dict(asked.params).get("pageSize", PAGE_SIZE_MAX))
        full = len(rows) >= size and response.header("Link") is None
        more = full or next_link(response) is not None
        return str(max(_ids(rows), default=0)) if more else None

    def literal(self, resource: Resource[Any], by: str, value: str) -> str:
        """A payment's id is found with its invoice's."""
        if by == "id":
            return value.partition("/")[0]
        return f'"{value}"' if _PLAIN.fullmatch(value) else _quoted(value)

    def fetch_request(
        self, resource: Resource[Any], by: str, literals: Sequence[str]
    ) -> Request:
        names = {"id": "id", "mark": resource.mark_parameter}
        name = names.get(by, resource.number_field)
        if self.plain.fullmatch(literals[0]):
            return _query(resource.path, [f"{name} in ({','.join(literals)})"])
        return _query(resource.path, [f"{name}={literals[0]}"])

    def joined(self, resource: Resource[Any], rows: list[Any]) -> Flow[list[Any]]:
        """Documents with their payment records, with their uses, or with their batches."""
        kind = resource.kind
        if kind in ROLL_UPS:
            rows = yield from self._with_records(rows, ROLL_UPS[kind])
            return rows if kind is Settlement else _each(rows)
        if kind is CreditNote and self._applications:
            return (yield from self._used(rows))
        return (yield from self._batched(rows)) if kind is Posting else rows

    def _with_records(
        self, rows: Iterable[Any], roll_ups: Iterable[str]
    ) -> Flow[list[Any]]:
        """Invoices with their payment ``records``, unless these roll-ups are zero."""
        found: list[Any] = []
        for row in rows:
            bill = mapping(row)
            told = any(not _ZERO.fullmatch(str(bill.get(name))) for name in roll_ups)
            if _kind_of(bill) is Invoice and told:
                try:
                    records: Any = yield from self.listed(_payments(str(bill["id"])))
                except Fault as fault:
                    if fault.code.scope is Scope.CONNECTION:
                        raise
                    records = fault
                row = {**bill, "records": records}  # noqa: PLW2901 - the same, and more
            found.append(row)
        return found

    def _used(self, rows: list[Any]) -> Flow[list[Any]]:
        """Credit memos with the payment records that apply them (``applied``)."""
        memos = [each for each in map(mapping, rows) if _kind_of(each) is CreditNote]
        used = [each for each in memos if each.get("total") != each.get("balance")]
        companies = ",".join(sorted({_named(each, "company") for each in used} - {""}))
        if not companies:
            return rows
        where = f"{BILLS} and credits!=0 and company/id in ({companies})"
        bills = yield from self.listed(INVOICES, where)
        uses: dict[str, list[Any]] = {}
        for each in _each((yield from self._with_records(bills, ("credits",)))):
            uses.setdefault(_named(each, "credit"), []).append(each)
        owns = [_named({"memo": row}, "memo") for row in rows]
        return [
            {**row, "applied": uses.get(own, [])} if own else row
            for row, own in zip(rows, owns, strict=True)
        ]

    def _batched(self, rows: Iterable[Any]) -> Flow[list[Any]]:
        """Documents, also as the unposted list has them, with their batches (``batch``)."""
        found: list[Any] = []
        for row in rows:
            told = mapping(row)
            # There a row's own id is a ledger entry's.
            own = {"id": told.get(self._unposted_id), "type": told.get("invoiceType")}
            found.append({**told, **own} if self._unposted_id in told else row)
        held = [_named(row, "glBatch") for row in found]
        ids = sorted({*held} - {""})
        if not ids:
            return found
        batches = yield from self.listed(BATCHES, f"id in ({','.join(ids)})")
        by_id = {str(mapping(each).get("id")): each for each in batches}
        return [
            {**row, "batch": by_id[own]} if own in by_id else row
            for row, own in zip(found, held, strict=True)
        ]

    def listed(self, path: str, condition: str = "") -> Flow[list[Any]]:
        """All rows of a list."""
        request = _query(path, [condition])
        return (yield from self.all_rows(self.resources[Invoice], request))

    # Writing ----------------------------------------------------------------------------

    def check_allowed(self, change: Change) -> None:
        try:
            super().check_allowed(change)
        except Fault as fault:
            if change.action is Action.VOID and change.kind in (Invoice, CreditNote):
                raise Fault(fault.code, fault.text, remedy=DELETING) from fault
            raise

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        """Documents one by one; what is handed over, all in one accounting batch."""
        others = [change for change in changes if not is_posting(change)]
        outcomes = yield from super().write(others)
        postings = [change for change in changes if is_posting(change)]
        for move, ahead in ((hand_over, True), (take_back, False)):
            some = [change for change in postings if hands_over(change) is ahead]
            if some:
                flow = guarded_batch(move(self, some), some, self.judge)
                outcomes += yield from flow
        return outcomes

    def write_one(self, change: Change) -> Flow[Outcome]:
        if change.kind is Settlement:
            return (yield from keep_level(change, self, partial_date=self._dated))
        if change.action is Action.VOID and change.kind in (Invoice, CreditNote):
            yield from self._deletable(change)
        return (yield from super().write_one(change))

    def _deletable(self, change: Change) -> Flow[None]:
        """Refuse what stands in a batch or is closed: it counts in the books."""
        assert change.target is not None
        url = f"{INVOICES}/{quote(change.target.id, safe='')}"
        row = Fields((yield from self.ask(Request("GET", url))).json())
        batch = id_behind(row, "glBatch")
        if batch or row.inside("status").flag("isClosed", default=True):
            text = f"it stands in batch {batch}" if batch else "it is closed"
            raise Fault(Code.REFUSED, text, remedy=DELETING)

    def write_request(self, resource: Resource[Any], change: Change) -> Request:
        """POST, PATCH of what differs, or DELETE; a company is taken back by a PATCH."""
        url, kind = _place(resource, change), change.kind
        if change.action is Action.VOID and kind is not Customer:
            return Request("DELETE", url, effect=True)
        assert resource.dump is not None
        told = self._voided if change.after is None else resource.dump(change)
        if change.target is None:
            return Request("POST", url, json=filled(told), effect=True)
        was: Mapping[str, Any] = dict.fromkeys(told, "")
        if change.after and change.before:
            was = resource.dump(evolve(change, after=change.before))
        body = edits(was, told)
        if not body:
            text = "nothing of what differs can be changed in ConnectWise"
            raise Fault(Code.NOT_ALLOWED, text)
        return Request("PATCH", url, json=body, effect=True)

    def written(
        self, resource: Resource[Any], change: Change, response: Response
    ) -> Outcome:
        """A payment record is told with its invoice, which the change names."""
        body, after = response.json() if response.body else {}, change.after
        if not body or not isinstance(after, Payment | Application):
            return super().written(resource, change, response)
        own = change.target.id.partition("/")[0] if change.target else invoice_of(after)
        owner = after.customer if isinstance(after, Payment) else None
        bill = {
            "id": own,
            "currency": {"currencyCode": after.currency},
            "company": {"id": owner.id} if owner else None,
        }
        return self.made(resource, change, Fields({**mapping(body), "bill": bill}))

    # One payment of ours on each invoice

    def receipts(self, invoice: Settlement) -> Flow[list[Receipt]]:
        """Its cash payments."""
        rows = yield from self.listed(_payments(invoice.ref.id))
        return receipts_of(rows, invoice.ref.id, invoice.currency)[0]

    def payment_request(
        self, invoice: Settlement, wanted: Wanted, held: Receipt | None
    ) -> Request:
        path, told = _payments(invoice.ref.id), {"amount": wanted.amount}
        dated = {"paymentDate": stamp(wanted.on)} if wanted.dated else {}
        if held is None:
            body = {**self._records.payment_fields, **told, **filled(dated)}
            return Request("POST", path, json=body, effect=True)
        path = f"{path}/{quote(held.id, safe='')}"
        if not wanted.amount:
            return Request("DELETE", path, effect=True)
        was = {"amount": held.amount, "paymentDate": stamp(held.on)}
        return Request("PATCH", path, json=edits(was, {**told, **dated}), effect=True)

    def receipt_in(self, response: Response, invoice: Settlement) -> Receipt | None:
        row = Fields(response.json())
        return receipt_of(row, invoice.ref.id, invoice.currency)[0]


# What it can do -----------------------------------------------------------------------


# fmt: off
_LISTED, _VERBS = frozenset({Changed, Everything}), frozenset(Verb)


def _kinds(page: int, fetch: int, *, may_delete: bool, stamped: bool, final: bool) -> dict[RecordType, caps.Kind]:
    """What can be done with each kind; ``page`` and ``fetch`` are sizes."""
    document = caps.Kind(
        _VERBS if may_delete else _VERBS - {Verb.VOID}, _LISTED | {Dated, Open},
        writable=frozenset({"number", "customer", "on", "due", "total"}), updates=caps.Updates.SPARSE,
        creates=caps.Creates.FINAL if final else caps.Creates.POSTED_BY_A_PERSON,
        void_when="it is neither batched nor closed: it is deleted" if may_delete else "",
        mark=caps.Mark("invoiceNumber", is_number=True, length=NUMBER_LENGTH), number_length=NUMBER_LENGTH,
        page_size=page, fetch_size=fetch, stable_order=True, last_page_says_so=False, write_calls=1 + may_delete,
    )
    # Nothing lists payments: a page of them is one of invoices, and a call for each of these.
    some = min(page, fetch)
    payment = evolve(
        document, verbs=_VERBS, selects=_LISTED if stamped else frozenset({Everything}), writable=frozenset({"amount", "on"}),
        creates=caps.Creates.FINAL, void_when="always: it is deleted", mark=None, number_length=None,
        page_size=some, fetch_size=some, page_calls=1 + some, write_calls=1,
    )
    changed = evolve(document, verbs=_VERBS - {Verb.CREATE, Verb.VOID}, creates=None, mark=None, void_when="")
    return {
        Customer: evolve(
            payment, selects=_LISTED, writable=frozenset({"name", "number", "email"}), mark=caps.Mark("identifier", length=IDENTIFIER_MAX),
            void_when="always: it is called deleted, or gets another status", page_size=page, fetch_size=fetch, page_calls=1,
        ),
        Invoice: document, CreditNote: evolve(document, writable=document.writable - {"due"}),
        Payment: payment, Application: evolve(payment, verbs=_VERBS - {Verb.UPDATE}, writable=frozenset(), updates=caps.Updates.NONE),
        Settlement: evolve(changed, writable=frozenset({"settled_by", "paid_on"}), write_calls=2),
        # What stands there and when that was batched, whether the batch was made before, the export, the batch.
        Posting: evolve(
            changed, verbs=_VERBS - {Verb.CREATE}, selects=frozenset({Unposted}), writable=frozenset({"on"}),
            void_when="its batch holds nothing else", batch_size=fetch, page_calls=2, write_calls=5,
        ),
    }
# fmt: on


# Requests -----------------------------------------------------------------------------


def _query(path: str, conditions: Iterable[str], size: int = PAGE_SIZE_MAX) -> Request:
    told = " and ".join(filter(None, conditions))
    params = {"conditions": told} if told else {}
    params |= {"orderBy": "id asc", "pageSize": str(size)}
    return Request("GET", path, params)


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
        case Unposted(through):
            return [f"invoiceDate<=[{through}T23:59:59Z]"]
        case _:
            return []


def _payments(invoice: str) -> str:
    return f"{INVOICES}/{quote(invoice, safe='')}/payments"


def _place(resource: Resource[Any], change: Change) -> str:
    """Where a change is sent to: a payment record stands below its invoice."""
    target = change.target.id if change.target else ""
    if change.kind not in (Payment, Application):
        return "/".join(filter(None, (resource.path, quote(target, safe=""))))
    if not target:
        return _payments(invoice_of(change.after))
    invoice, _, own = target.partition("/")
    if not own:
        raise Fault(Code.VANISHED, f"{target} is no payment of an invoice")
    return f"{_payments(invoice)}/{quote(own, safe='')}"


# Rows ---------------------------------------------------------------------------------


def _ids(rows: Iterable[Any]) -> list[int]:
    found = [str(mapping(each).get("id")) for each in rows]
    return [int(each) for each in found if ID.fullmatch(each)]


def _kind_of(bill: Mapping[str, Any]) -> RecordType | None:
    """Of a document, if it can be asked about; one of no known kind is an issue."""
    sound = ID.fullmatch(str(bill.get("id")))
    return INVOICE_TYPES.get(str(bill.get("type"))) if sound else None


def _named(row: Any, name: str) -> str:
    """The id behind a reference, where it can be asked about."""
    own = str(mapping(mapping(row).get(name)).get("id"))
    return own if ID.fullmatch(own) and own != "0" else ""


def _each(rows: Iterable[Any]) -> list[Any]:
    """The payment records of invoices, each with its invoice (``bill``) and its full id."""
    found: list[Any] = []
    for bill in map(mapping, rows):
        own, records = str(bill.get("id")), bill.get("records")
        if isinstance(records, Fault) or _kind_of(bill) is None:
            found.append({"bill": bill, "key": own, "records": records})
            continue
        found += [
            {**each, "bill": bill, "key": f"{own}/{each.get('id')}"}
            for each in map(mapping, records or ())
        ]
    return found
