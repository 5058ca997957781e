"""
ConnectWise Manage (PSA), the billing side: documents, money, and what was handed over.

It reads no lines of invoices and registers no callbacks. Facts come from the vendor's
developer guide and public clients of its API; "unverified" says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tieout.auth import basic
from tieout.capabilities import Limit
from tieout.connector import Books, Resource
from tieout.connectors.connectwise.abilities import abilities
from tieout.connectors.connectwise.bodies import Bodies
from tieout.connectors.connectwise.conditions import (
    BILLS,
    COMPANIES,
    INVOICES,
    MEMOS,
    PAGE_SIZE_MAX,
    payments_of,
)
from tieout.connectors.connectwise.errors import (
    FINDINGS,
    RULES,
    SITE_RULES,
    explained,
    mapping,
)
from tieout.connectors.connectwise.member import MemberKeys, host_of
from tieout.connectors.connectwise.records import Records, ids_of, of_type, only
from tieout.connectors.connectwise.writing import Writer
from tieout.errors import ConfigError
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    Posting,
    RecordType,
    Ref,
    Settlement,
)
from tieout.wire import Request, Response

DEEP_LINK = (
    "https://{host}/v4_6_release/services/system_io/router/openrecord.rails"
    "?locale=en_US&companyName={company}&recordType={type}&recid={id}"
)
RECORD_TYPES = {
    "Customer": "CompanyFV",
    **dict.fromkeys(("Invoice", "CreditNote"), "InvoiceFV"),  # unverified
}


class ConnectWise(Writer):
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
    - ``closed_path``: where documents are changed that are closed;
    - ``unposted_id``: where a row of the unposted list has the invoice's id;
    - ``active_statuses``: company statuses that count as active (sites name their own);
    - ``deep_link_template``: the address of a record's page for people.
    """

    rules = RULES
    sign_in_rules = SITE_RULES
    findings = FINDINGS

    # fmt: off
    def __init__(
        self, *, company: str, public_key: str, private_key: str, client_id: str,
        site: str = "na.myconnectwise.net", version: str = "2025.16", base_url: str = "",
        page_size: int = PAGE_SIZE_MAX, fetch_size: int = 50, concurrency: int = 4, limits: tuple[Limit, ...] = (),
        payment_fields: Mapping[str, Any] | None = None, invoice_fields: Mapping[str, Any] | None = None,
        company_fields: Mapping[str, Any] | None = None, voided_company: Mapping[str, Any] | None = None,
        invoice_type: str = "Miscellaneous", final_status: int | None = None, negative_memos: bool = False,
        currencies: Mapping[str, int] | None = None, may_delete: bool = False, applications: bool = False,
        partial_payment_date: bool = True, payments_stamp: bool = False,
        closed_path: str = "finance/closedInvoices", unposted_id: str = "billingLogId", batch_prefix: str = "TO-",
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
        self._bodies = Bodies(
            invoice_type, final_status, negative_memos,
            currencies or {}, company_fields or {}, invoice_fields or {}, payment_fields or {},
        )
        self._voided = dict(voided_company or {"deletedFlag": True})
        self._dated, self._applications, self._unposted_id = partial_payment_date, applications, unposted_id
        self.batch_prefix, self._closed_path, self._template = batch_prefix, closed_path, deep_link_template
        records = Records(self.connection, frozenset({"", *active_statuses}))
        self.resources = _resources(records, self._bodies)
        self.capabilities = abilities(
            page_size, fetch_size, may_delete=may_delete, stamped=payments_stamp, final=final_status is not None,
            dated=partial_payment_date, limits=limits, concurrency=concurrency,
        )
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
        return _first_rows("system/info", INVOICES, COMPANIES)

    def probes_behind(self, name: str, response: Response) -> Mapping[str, Request]:
        """The payments of an invoice, where one is to be seen."""
        rows = response.json()
        ids = ids_of(rows) if name == INVOICES and isinstance(rows, list) else []
        return _first_rows(*(payments_of(str(each)) for each in ids[:1]))

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


def _first_rows(*paths: str) -> dict[str, Request]:
    """Requests for the least that shows that a list may be read."""
    return {path: Request("GET", path, {"pageSize": "1"}) for path in paths}


# fmt: off
def _resources(records: Records, bodies: Bodies) -> dict[RecordType, Resource[Any]]:
    number, key = "invoiceNumber", "key"
    return {
        kind: Resource(
            kind, path, load, id_field=own, number_field=number, dump=dump,
            parameters={"conditions": which}, mark_parameter="identifier",
        )
        for kind, path, which, own, number, load, dump in (
            (Customer, COMPANIES, "", "id", "accountNumber", records.customer, bodies.company),
            (Invoice, INVOICES, BILLS, "id", number, of_type(Invoice, records.invoice), bodies.document),
            (Settlement, INVOICES, BILLS, "id", number, of_type(Invoice, records.settlement), None),
            (CreditNote, INVOICES, MEMOS, "id", number, of_type(CreditNote, records.memo), bodies.document),
            (Payment, INVOICES, BILLS, key, "", only(Payment, records.record), bodies.payment),
            (Application, INVOICES, BILLS, key, "", only(Application, records.record), bodies.payment),
            (Posting, INVOICES, "", "id", number, records.posting, None),
        )
    }
# fmt: on
