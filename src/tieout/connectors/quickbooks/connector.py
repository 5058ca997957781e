"""
QuickBooks Online as a ledger: customers, invoices, credit memos, payments, what is paid.

Bills, refunds, sales receipts, journal entries and reports are no part of it. Facts come
from the vendor's pages, its own clients and real replies; "unverified" says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from attrs import evolve

from tieout import zones
from tieout.auth import OAuth2
from tieout.connector import Books, Fields, Resource, iso_day
from tieout.connectors.quickbooks import queries
from tieout.connectors.quickbooks.abilities import (
    BATCH_MAX,
    MARKS,
    Arguments,
    abilities,
)
from tieout.connectors.quickbooks.bodies import Bodies
from tieout.connectors.quickbooks.errors import FINDINGS, RULES
from tieout.connectors.quickbooks.queries import PAGE_MAX
from tieout.connectors.quickbooks.reading import CDC_MAX
from tieout.connectors.quickbooks.records import Records
from tieout.connectors.quickbooks.writing import Writer
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
from tieout.wire import Request, Response

# fmt: off
HOST, SANDBOX = "https://quickbooks.api.intuit.com", "https://sandbox-quickbooks.api.intuit.com"
TOKEN_URL = "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer"
LINK, SANDBOX_LINK = "https://app.qbo.intuit.com/app", "https://app.sandbox.qbo.intuit.com/app"
LINK_PATHS: Mapping[str, str] = {
    "Invoice": "invoice?txnId={id}", "CreditNote": "creditmemo?txnId={id}",
    "Payment": "recvpayment?txnId={id}", "Application": "recvpayment?txnId={id}",
    "Customer": "customerdetail?nameId={id}",
}
"""Pages for people; all but the invoice's are unverified."""

GRACE = timedelta(days=1)
"""How long a refresh token still works after a newer one was given (from memory)."""
# fmt: on


class QuickBooks(Writer):
    """
    One QuickBooks Online company.

    ``realm_id`` is the company's id, told once when somebody connects it. ``sandbox``
    chooses Intuit's test environment, which has keys of its own. ``item`` is the id of the
    item for lines that name none, ``items`` those for lines that name an account alone;
    ``tax_code``, ``class_id``, ``location`` and ``deposit_account`` likewise are ids.
    ``tax_mode`` (``TaxExcluded``, ``TaxInclusive``) is sent outside the USA alone.
    ``currency`` is that of documents that name none, ``zone`` the company's time zone:
    the API's own word for it is unverified. ``delete_credit_memos``: a credit memo cannot
    be voided; this lets it be deleted instead.

    Facts that are unverified, each with the best guess as default:

    - ``minor_version``: below 75 nothing is served any more;
    - ``fetch_size``: how many values a query may list;
    - ``batch_size``: 30 is recommended, other pages say 10 or 50;
    - ``marks``: which fields can be searched; "" for none: then a lost answer is parked;
    - ``feed_rows``: from how many rows on the change feed is taken for cut off; 0 reads
      the lists each time;
    - ``overlap``: how late a record may be committed;
    - ``sweep_every``: whether an invoice's change time moves when a payment leaves it;
    - ``unique_numbers``: whether the company refuses a number that is taken, which is a
      setting of its own (it warns of duplicates);
    - ``void_note``: how the note of a voided record begins, in the company's language;
    - ``idempotency_lifetime``: how long a repeated key makes nothing new;
    - ``auto_apply``: what the preference for credits that apply themselves is called;
    - ``per_minute``, ``per_second``, ``concurrency``: the limits of the company;
    - ``link``, ``link_paths``: the addresses of pages for people.
    """

    rules = RULES
    findings = FINDINGS
    ids = re.compile(r"[0-9]{1,20}(/[0-9]{1,20}){0,2}", re.ASCII)
    cursors = queries.CURSOR
    plain = queries.PLAIN
    literals_length_max = 20_000  # such a query is posted

    def __init__(
        self,
        *,
        realm_id: str,
        client_id: str,
        client_secret: str,
        refresh_token: str,
        sandbox: bool = False,
        base_url: str = "",
        token_url: str = TOKEN_URL,
        minor_version: int = 75,
        page_size: int = PAGE_MAX,
        fetch_size: int = 200,
        batch_size: int = 30,
        feed_rows: int = 950,
        overlap: timedelta = timedelta(minutes=5),
        sweep_every: timedelta | None = timedelta(days=1),
        per_minute: int = 500,
        per_second: int = 10,
        concurrency: int = 4,
        idempotency_lifetime: timedelta = timedelta(minutes=5),
        unique_numbers: bool = False,
        currency: str = "",
        zone: str = "",
        item: str = "",
        items: Mapping[str, str] | None = None,
        tax_code: str = "",
        tax_mode: str = "",
        class_id: str = "",
        location: str = "",
        deposit_account: str = "",
        delete_credit_memos: bool = False,
        marks: Mapping[str, str] | None = None,
        void_note: str = "Voided",
        auto_apply: str = "AutoApplyCredit",
        link: str = "",
        link_paths: Mapping[str, str] = LINK_PATHS,
    ) -> None:
        _check_arguments(realm_id, zone, feed_rows, page_size, fetch_size, batch_size)
        self.connection = f"quickbooks:{realm_id}"
        host, pages = (SANDBOX, SANDBOX_LINK) if sandbox else (HOST, LINK)
        base = base_url.rstrip("/") or f"{host}/v3/company/{realm_id}"
        app = (client_id, client_secret, refresh_token)
        self.auth = OAuth2(base, token_url, *app, grace=GRACE)
        self.version = {"minorversion": str(minor_version)}
        self.feed_rows = feed_rows
        self.mark_fields = {**MARKS, **(marks or {})}
        codes = (tax_code, tax_mode, class_id, location, deposit_account)
        self.bodies = Bodies(self.mark_fields, item, items or {}, *codes)
        self._realm, self._zone, self._auto_apply = realm_id, zone, auto_apply
        self._link, self._link_paths = link.rstrip("/") or pages, link_paths
        records = Records(self.connection, currency, void_note, self.mark_fields)
        self.resources = _resources(records)
        paid = evolve(self.resources[Application], load=records.touched)
        self.feeds = (self.resources[Settlement], paid)
        given = Arguments(
            page_size=page_size,
            fetch_size=fetch_size,
            batch_size=batch_size,
            marks=self.mark_fields,
            change_feed=feed_rows > 0,
            unique_numbers=unique_numbers,
            delete_credit_memos=delete_credit_memos,
            sweep_every=sweep_every,
            overlap=overlap,
            idempotency_lifetime=idempotency_lifetime,
            per_minute=per_minute,
            per_second=per_second,
            concurrency=concurrency,
        )
        self.capabilities = abilities(given)

    # How it is

    def probes(self) -> Mapping[str, Request]:
        counts = {
            name: self.query(queries.count(name))
            for name in ("Invoice", "Payment", "CreditMemo", "Customer")
        }
        return {
            "CompanyInfo": Request("GET", f"companyinfo/{self._realm}", self.version),
            "Preferences": Request("GET", "preferences", self.version),
            **counts,
        }

    def books(self, answers: Mapping[str, Response]) -> Books:
        company = _object(answers.get("CompanyInfo"), "CompanyInfo")
        prefs = _object(answers.get("Preferences"), "Preferences")
        home = prefs.inside("CurrencyPrefs", "HomeCurrency")
        books = prefs.inside("AccountingInfoPrefs")
        told = company.text("DefaultTimeZone")
        return Books(
            self._realm,
            name=company.text("CompanyName"),
            currency=home.currency("value") if home.has("value") else "",
            zone=self._zone or (told if zones.zone(told) else None),
            locked_through=books.maybe("BookCloseDate", iso_day),
        )

    def notes(self, answers: Mapping[str, Response]) -> Iterator[str]:
        response = answers.get("Preferences")
        told = response.json() if response else None
        if any(each in (True, "true") for each in _named(told, self._auto_apply)):
            yield (
                "QuickBooks applies credits by itself: switch that off in its settings, "
                "or an application may be refused, or doubled."
            )
        if any(each in (False, "false") for each in _named(told, "CustomTxnNumbers")):
            yield (
                "Custom transaction numbers are off in QuickBooks: switch them on, so "
                "that documents keep the numbers that they are sent with."
            )

    def deep_link(self, ref: Ref) -> str:
        """The address of the record's page for people; "" where it has none."""
        if ref.kind not in self._link_paths:
            return ""
        identity = quote(ref.id.partition("/")[0], safe="")
        path = self._link_paths[ref.kind].format(id=identity)
        return f"{self._link}/{path}&companyId={self._realm}"


def _resources(records: Records) -> dict[RecordType, Resource[Any]]:
    alive = records.alive
    # fmt: off
    rows = (
        (Customer, "Customer", alive("Customer", records.customer), "DisplayName"),
        (Invoice, "Invoice", alive("Invoice", records.invoice), "DocNumber"),
        (Settlement, "Invoice", alive("Invoice", records.settlement), "DocNumber"),
        (CreditNote, "CreditMemo", alive("CreditNote", records.credit_note), "DocNumber"),
        (Payment, "Payment", alive("Payment", records.payment), ""),
        (Application, "Payment", records.applications, ""),
    )
    return {
        kind: Resource[Any](
            kind, entity.lower(), load, rows=entity, item=entity, id_field="Id", number_field=number,
        )
        for kind, entity, load, number in rows
    }
    # fmt: on


def _object(response: Response | None, name: str) -> Fields:
    """The object in an answer; an empty one where the answer was not allowed."""
    return Fields(response.json()).inside(name) if response else Fields({})


def _named(body: Any, name: str) -> Iterator[Any]:
    """All values of a preference, as a field or as a pair of name and value."""
    waiting = [body]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if name in found:
                yield found[name]
            if str(found.get("Name", "")).rpartition(".")[2] == name:
                yield found.get("Value")
            found = list(found.values())
        if isinstance(found, list):
            waiting += found


def _check_arguments(
    realm_id: str,
    zone: str,
    feed_rows: int,
    page_size: int,
    fetch_size: int,
    batch_size: int,
) -> None:
    """`ConfigError` for arguments that cannot be."""
    for holds, text in (
        (re.fullmatch(r"[0-9]{1,20}", realm_id, re.ASCII), "realm_id is digits"),
        (1 <= page_size <= PAGE_MAX, f"page_size is 1 to {PAGE_MAX}"),
        (1 <= fetch_size < PAGE_MAX, f"fetch_size is 1 to {PAGE_MAX - 1}"),
        (1 <= batch_size <= BATCH_MAX, f"batch_size is 1 to {BATCH_MAX}"),
        (0 <= feed_rows <= CDC_MAX, f"feed_rows is 0 to {CDC_MAX}"),
        (not zone or zones.zone(zone), f"{zone!r} is no IANA time zone"),
    ):
        if not holds:
            raise ConfigError(text)
