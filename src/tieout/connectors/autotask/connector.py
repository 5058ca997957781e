"""
Autotask PSA, the billing side: invoices, when they were paid, and what was handed over.

It writes of an invoice its number, its paid date and its web service date, and nothing
else: Autotask holds no amount that was paid, so a part payment is not written at all.
Tickets, contracts, PDFs and webhooks are no part of it. Facts come from the vendor's help
pages and public clients of its API; "unverified" says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from attrs import evolve

from tieout.capabilities import Select
from tieout.change import Action, Change, Outcome
from tieout.connector import Books, Fields, Resource, RestConnector
from tieout.connectors.autotask.abilities import abilities
from tieout.connectors.autotask.bodies import (
    NUMBER_LENGTH,
    company_body,
    handed_over_body,
    paid_body,
    renumbered_body,
)
from tieout.connectors.autotask.errors import (
    ERRORS,
    FINDINGS,
    PAUSES,
    RULES,
    ZONE_RULES,
    explain,
)
from tieout.connectors.autotask.joins import with_currencies, with_lines
from tieout.connectors.autotask.queries import (
    FETCH_MAX,
    PAGE_MAX,
    condition,
    either,
    search,
    selected,
)
from tieout.connectors.autotask.records import ID, Records, own_id
from tieout.connectors.autotask.zone import DISCOVERY, QUESTION, ZoneKeys
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Posting,
    RecordType,
    Ref,
    Settlement,
    clean_number,
)
from tieout.money import exponent, parse_amount
from tieout.wire import Answer, Flow, Request, Response, Verdict

# fmt: off
LINK_PATHS: Mapping[str, str] = {
    "Customer": "Autotask/AutotaskExtend/ExecuteCommand.aspx?Code=OpenAccount&AccountID={id}",
    **dict.fromkeys(("Invoice", "CreditNote", "Posting"), "Mvc/Contracts/InvoiceViewer.mvc?invoiceId={id}"),
}
"""Pages for people, below the address that they sign in at; the invoice's is second hand."""
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
    sign_in_rules = ZONE_RULES
    findings = FINDINGS
    ids = ID
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
        self._stamp, self._mark_udf = company_stamp, mark_udf
        self._web_url, self._link_paths = web_url.rstrip("/"), link_paths
        self.capabilities = abilities(
            page_size,
            fetch_size,
            multi=multi_currency,
            credit_notes=credit_notes,
            mark_field=mark_udf,
            calls_per_hour=calls_per_hour,
            concurrency=concurrency,
        )
        records = Records(
            self.connection,
            "" if multi_currency else currency,
            credit_notes,
            company_stamp,
            mark_udf,
        )
        told = {"companyType": 1, **(company_fields or {})}
        dump = partial(company_body, new_fields=told, mark_field=mark_udf)
        rows = _resources(records, dump)
        self.resources = {kind: rows[kind] for kind in self.capabilities.kinds}

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
        size = self.capabilities.kind(resource.kind).page_size
        request = search(resource, conditions, MaxRecords=size)
        return evolve(request, url=cursor) if cursor else request

    def fetch_request(
        self, resource: Resource[Any], by: str, literals: Sequence[str]
    ) -> Request:
        values = [*literals]
        own = condition("in", "id", [int(each) for each in values if self.is_id(each)])
        if by == "id":
            return search(resource, [own])
        if by == "mark":
            return search(resource, [condition("in", self._mark_udf, values, udf=True)])
        found = [condition("in", resource.number_field, values)]
        if resource.kind is Customer:
            found.append(condition("in", "companyName", values))
        elif own["value"]:  # an invoice without a number is printed with its id
            found.append(own)
        return search(resource, [either(*found)])

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
        known = any(isinstance(row, Mapping) for row in rows)
        if self._multi and known and resource.kind is not Posting:
            rows = yield from with_currencies(self, resource, rows)
        if known and resource.kind in (Invoice, CreditNote):
            rows = yield from with_lines(self, resource, rows)
        return rows

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
        told = own_id(Fields(response.json()), "itemId")
        if change.target is not None and told != change.target.id:
            text = f"the answer is about {told}, {change.target.id} was written"
            raise Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR)
        ref = change.target or Ref(self.connection, change.kind.__name__, told)
        return Outcome.applied(change, ref=ref)


def _resources(
    records: Records, company_dump: Callable[[Change], Any]
) -> dict[RecordType, Resource[Any]]:
    # fmt: off
    rows = (
        (Customer, "Companies", "companyNumber", records.customer, company_dump),
        (Settlement, "Invoices", "invoiceNumber", records.settlement, paid_body),
        (Invoice, "Invoices", "invoiceNumber", records.invoice, renumbered_body),
        (CreditNote, "Invoices", "invoiceNumber", records.credit_note, renumbered_body),
        (Posting, "Invoices", "invoiceNumber", records.posting, handed_over_body),
    )
    # fmt: on
    return {
        kind: Resource[Any](kind, path, load, "items", number_field=number, dump=dump)
        for kind, path, number, load, dump in rows
    }
