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
from typing import Any
from urllib.parse import quote

from attrs import evolve

from tieout import capabilities as caps
from tieout.capabilities import Changed, Dated, Everything, Open, Select, Unposted, Verb
from tieout.change import Action, Change, Outcome
from tieout.connector import (
    Books,
    Fields,
    Resource,
    RestConnector,
    iso_day,
)
from tieout.connectors.autotask.errors import ERRORS, RULES, explain
from tieout.connectors.autotask.queries import (
    PAGE_MAX,
    condition,
    either,
    instant,
    query,
    selected,
)
from tieout.connectors.autotask.rows import (
    IDS,
    NUMBER_LENGTH,
    all_ids,
    company_body,
    handed_over_body,
    held,
    joined_with,
    line,
    one_id,
    paid_body,
    renumbered_body,
)
from tieout.connectors.autotask.zone import DISCOVERY, QUESTION, ZoneKeys
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.models import (
    Basis,
    CreditNote,
    Customer,
    Invoice,
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

FETCH_MAX = 250
"""Numbers in one query: each may be asked for in two fields."""

PAUSES = {Code.TOO_MANY_REQUESTS: 60.0, Code.DAY_LIMIT_REACHED: 600.0}
"""Seconds, where Autotask names no pause. The quota is that of a rolling hour: too long
for a run to sit out, so it ends and says when to go on."""

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

HELD = ("paymentTerm", "batchID")
# fmt: on


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
    ids = IDS
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
                (Settlement, "Invoices", "invoiceNumber", self._settlement, paid_body),
                (Invoice, "Invoices", "invoiceNumber", self._invoice, renumbered_body),
                (CreditNote, "Invoices", "invoiceNumber", self._credit_note, renumbered_body),
                (Posting, "Invoices", "invoiceNumber", self._posting, handed_over_body),
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
        anything = condition("exist", "id")
        marked = (
            condition("exist", self._mark_udf, udf=True) if self._mark_udf else anything
        )
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
        own = condition("in", "id", [int(each) for each in values if self.is_id(each)])
        if by == "id":
            return self._search(resource, [own])
        if by == "mark":
            return self._search(
                resource, [condition("in", self._mark_udf, values, udf=True)]
            )
        found = [condition("in", resource.number_field, values)]
        if resource.kind is Customer:
            found.append(condition("in", "companyName", values))
        elif own["value"]:  # an invoice without a number is printed with its id
            found.append(own)
        return self._search(resource, [either(*found)])

    def _search(
        self, resource: Resource[Any], conditions: list[Any], **more: Any
    ) -> Request:
        if resource.kind is CreditNote:
            conditions = [condition("lt", "invoiceTotal", 0), *conditions]
        fields = FIELDS.get(resource.kind, "")
        return query(resource.path, conditions, fields, **more)

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
            asked = query(
                "BillingItems", [condition("in", "invoiceID", all_ids(rows, "id"))]
            )
            items = yield from self.all_rows(resource, asked)
            lines: dict[str, list[Any]] = {}
            for item in items:
                lines.setdefault(one_id(item, "invoiceID"), []).append(item)
            rows = [
                joined_with(row, lines=lines.get(one_id(row, "id"), [])) for row in rows
            ]
        return rows

    def _priced(self, resource: Resource[Any], rows: list[Any]) -> Flow[list[Any]]:
        asked = query("Currencies", [condition("exist", "id")])
        units = yield from self.all_rows(resource, asked)
        codes = {one_id(unit, "id"): one_id(unit, "name") for unit in units}
        if resource.kind is Customer:
            return [
                joined_with(r, currency=codes.get(one_id(r, "currencyID")))
                for r in rows
            ]
        owners = [condition("in", "id", all_ids(rows, "companyID"))]
        asked = query("Companies", owners, "id currencyID")
        found = yield from self.all_rows(resource, asked)
        told = {
            one_id(each, "id"): codes.get(one_id(each, "currencyID")) for each in found
        }
        return [
            joined_with(row, currency=told.get(one_id(row, "companyID")))
            for row in rows
        ]

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
        lines = tuple(line(x, head["currency"], 1) for x in row.children("lines"))
        due, custom = row.maybe("dueDate", iso_day), held(row, HELD)
        return Invoice(**head, due=due, lines=lines, custom=custom)

    def _credit_note(self, row: Fields) -> CreditNote | None:
        head = self._head(row, "CreditNote")
        if head is None:
            return None
        lines = tuple(line(x, head["currency"], -1) for x in row.children("lines"))
        # What was applied of it stands nowhere, but that a day says that it is used up.
        left = None if head["status"] is Status.OPEN else ZERO
        return CreditNote(**head, remaining=left, lines=lines, custom=held(row, HELD))

    def _posting(self, row: Fields) -> Posting:
        own, on = self.own_id(row), row.maybe("webServiceDate", instant)
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
            changed_at=row.maybe(self._stamp, instant),
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
            told = company_body(change.after).items()
            new = {name: value for name, value in told if value is not None}
            return {**self._company_fields, **new, **marked}
        was = company_body(change.before) if change.before else {}
        told = company_body(change.after).items()
        body = {name: value for name, value in told if value != was.get(name)}
        if not body:
            raise Fault(Code.NOT_ALLOWED, "nothing differs that can be written")
        return body
