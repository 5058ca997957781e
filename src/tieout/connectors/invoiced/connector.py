"""
Invoiced, the billing side: customers, invoices, credit notes, payments, and what is paid.

What was paid of an invoice is kept as one payment of ours. Estimates, subscriptions,
charges, refunds, events and webhooks are no part of it. Facts come from the vendor's API
documentation and its own clients; "unverified" says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from attrs import evolve

from tieout.auth import Headers, basic
from tieout.capabilities import Limit
from tieout.connector import Books, Resource
from tieout.connectors.invoiced import errors
from tieout.connectors.invoiced.abilities import LIMITS, PAGE_MAX, capabilities
from tieout.connectors.invoiced.bodies import METHODS, Bodies
from tieout.connectors.invoiced.days import Days
from tieout.connectors.invoiced.metadata import KEY_LENGTH_MAX
from tieout.connectors.invoiced.payments import Payments
from tieout.connectors.invoiced.records import Records
from tieout.connectors.invoiced.writing import Writer
from tieout.errors import ConfigError
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    RecordType,
    Ref,
    Settlement,
)
from tieout.wire import Answer, Request, Response, Verdict
from tieout.zones import configured_zone

BASE, SANDBOX = "https://api.invoiced.com", "https://api.sandbox.invoiced.com"

LINK = "https://app.invoiced.com/{path}/{id}"

PATHS: Mapping[str, str] = {
    "Customer": "customers",
    "Invoice": "invoices",
    "CreditNote": "credit_notes",
    "Payment": "payments",
}
"""Where each kind stands, in the API and among the pages for people."""

_NAME = re.compile(r"[\w.-]{1,60}", re.ASCII)
_KEY = re.compile(rf"[\w-]{{1,{KEY_LENGTH_MAX}}}", re.ASCII)
_KEY_RULE = f"metadata_key has at most {KEY_LENGTH_MAX} letters"


class Invoiced(Writer):
    """
    One business at Invoiced.

    ``company`` is your name for it and stays the same for ever: the API does not tell who
    it is, so a key of another business is not noticed. ``currency`` is its base currency.
    ``metadata_key`` holds our mark. ``item`` is the catalog item of lines without one,
    ``method`` that of payments without one. ``fetch_size`` invoices are read together:
    what one customer paid is read once for all of them.

    Facts that are unverified, each with the best guess as default:

    - ``page_size``: 100 is what others ask for;
    - ``limits``, ``concurrency``: the vendor publishes none;
    - ``idempotency_lifetime``: how long a repeated key makes nothing new; with nothing,
      no key is sent;
    - ``overlap``: how late a record may be committed;
    - ``zone``: in which zone Invoiced's instants are the days that people entered;
    - ``link``: the address of a record's page for people.
    """

    rules = errors.RULES
    findings = errors.FINDINGS

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
        fetch_size: int = 50,
        concurrency: int = 4,
        limits: tuple[Limit, ...] = LIMITS,
        idempotency_lifetime: timedelta = timedelta(hours=24),
        overlap: timedelta = timedelta(minutes=5),
        sweep_every: timedelta | None = timedelta(days=1),
        link: str = LINK,
    ) -> None:
        _check_arguments(company, api_key, metadata_key, method, page_size, fetch_size)
        name = f"{company}{'@sandbox' if sandbox else ''}"
        self.connection = f"invoiced:{name}"
        self._books = Books(name, company, currency, zone)
        base = base_url.rstrip("/") or (SANDBOX if sandbox else BASE)
        head = {"Authorization": basic(api_key, ""), "Accept": "application/json"}
        self.auth = Headers(base, head)
        days = Days(configured_zone(zone))
        self.records = Records(self.connection, days)
        self.payments = Payments(self.connection, days)
        self.bodies = Bodies(days, metadata_key, method, item)
        self._page_size, self._link = page_size, link
        self.resources = self._resources()
        self.feeds = self._money_feeds()
        self.capabilities = capabilities(
            metadata_key=metadata_key,
            page_size=page_size,
            fetch_size=fetch_size,
            concurrency=concurrency,
            limits=limits,
            idempotency_lifetime=idempotency_lifetime,
            overlap=overlap,
            sweep_every=sweep_every,
        )

    def _resources(self) -> dict[RecordType, Resource[Any]]:
        of, paid, sent = self.records, self.payments, self.bodies
        shown = {"include": "applied_to"}
        rows: tuple[tuple[Any, ...], ...] = (
            (Customer, "Customer", of.customer, "number", sent.customer, {}),
            (Invoice, "Invoice", of.invoice, "number", sent.document, {}),
            (Settlement, "Invoice", of.settlement, "number", None, {}),
            (CreditNote, "CreditNote", of.credit_note, "number", sent.document, {}),
            (Payment, "Payment", paid.payment, "", sent.payment, shown),
            (Application, "Payment", paid.applications, "", None, shown),
        )
        return {
            kind: Resource[Any](
                kind,
                PATHS[name],
                load,
                number_field=number,
                parameters=more,
                one=True,
                dump=dump,
            )
            for kind, name, load, number, dump, more in rows
        }

    def _money_feeds(self) -> tuple[Resource[Any], ...]:
        """Whether an invoice's change time moves with its money is not documented."""
        paid, notes = self.resources[Payment], self.resources[CreditNote]
        return (
            self.resources[Settlement],
            evolve(paid, load=self.payments.touched),
            evolve(notes, load=self.records.issued, number_field=""),
        )

    # How it is

    def probes(self) -> Mapping[str, Request]:
        one = {"per_page": "1"}
        return {path: Request("GET", path, one) for path in PATHS.values()}

    def books(self, answers: Mapping[str, Response]) -> Books:
        return self._books

    def deep_link(self, ref: Ref) -> str:
        if ref.kind not in PATHS:
            return ""
        return self._link.format(path=PATHS[ref.kind], id=quote(ref.id, safe=""))

    # Judging

    def explain(self, response: Response) -> tuple[str, str]:
        return errors.told(response)

    def judge(self, response: Response) -> Verdict:
        verdict = super().judge(response)
        unnamed = verdict.answer is Answer.WAIT and verdict.wait is None
        return evolve(verdict, wait=errors.PAUSE) if unnamed else verdict


def _check_arguments(
    company: str,
    api_key: str,
    metadata_key: str,
    method: str,
    page_size: int,
    fetch_size: int,
) -> None:
    """`ConfigError` for arguments that cannot be."""
    for holds, text in (
        (_NAME.fullmatch(company), "company is a short name without blanks"),
        (re.fullmatch(r"[!-~]+", api_key), "api_key is plain text"),
        (1 <= page_size <= PAGE_MAX, f"page_size is 1 to {PAGE_MAX}"),
        (fetch_size >= 1, "fetch_size is 1 or more"),
        (_KEY.fullmatch(metadata_key), _KEY_RULE),
        (method in METHODS, f"method is one of {', '.join(METHODS)}"),
    ):
        if not holds:
            raise ConfigError(text)
