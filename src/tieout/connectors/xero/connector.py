"""
Xero as a ledger: customers, sales invoices, credit notes, payments, and what is paid.

It leaves bills (accounts payable), refunds and webhooks alone. Facts come from the
vendor's OpenAPI description and real replies; "second hand" is a third party that quotes
the vendor, "unverified" is nobody's word yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from attrs import evolve

from tieout.auth import OAuth2
from tieout.connector import Books, Fields, Resource
from tieout.connectors.xero import errors
from tieout.connectors.xero.abilities import PAGE_MAX, capabilities
from tieout.connectors.xero.bodies import Bodies
from tieout.connectors.xero.reading import Reader
from tieout.connectors.xero.records import Records, only
from tieout.connectors.xero.values import CREDIT, PAID, SALE, day
from tieout.connectors.xero.writing import Writer
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
from tieout.zones import iana

GRACE = timedelta(minutes=30)
"""How long a refresh token that was used still works (the vendor's staff)."""

LINK = "https://go.xero.com/organisationlogin/default.aspx?shortcode={shortcode}&redirecturl={path}"
LINK_PATHS: Mapping[str, str] = {
    "Invoice": "/AccountsReceivable/View.aspx?InvoiceID={id}",
    "CreditNote": "/AccountsReceivable/ViewCreditNote.aspx?creditNoteID={id}",
    "Customer": "/Contacts/View/{id}",
}
"""Pages for people; the credit note's is unverified."""

_ARCHIVED, _EXACT = {"includeArchived": "true"}, {"unitdp": "4"}
_BILLS = partial(
    Resource[Any],
    path="Invoices",
    rows="Invoices",
    id_field="InvoiceID",
    number_field="InvoiceNumber",
    id_parameter="IDs",
    number_parameter="InvoiceNumbers",
)
_NOTES = partial(
    Resource[Any],
    path="CreditNotes",
    rows="CreditNotes",
    id_field="CreditNoteID",
    number_field="CreditNoteNumber",
    id_parameter="",
    number_parameter="",
    parameters={"where": f'Type=="{CREDIT}"', **_EXACT},
)
_ADVANCES = {
    "Overpayments": ("RECEIVE-OVERPAYMENT AROVERPAYMENT", "OverpaymentID"),
    "Prepayments": ("RECEIVE-PREPAYMENT ARPREPAYMENT", "PrepaymentID"),
}
"""What was paid before there was an invoice: by list, its types and its id."""


class Xero(Reader, Writer):
    """
    One Xero organisation.

    With a ``refresh_token`` it signs in as an authorization-code app, without one as a
    custom connection (``scope`` is only sent then). ``per_minute``, ``per_day`` and
    ``concurrency`` are Xero's limits; 1000 a day on its free tier. ``sweep_every``: edits
    of part-paid invoices, and credits that are taken back, may not show (second hand).
    Without ``shortcode`` a deep link opens the user's last organisation. ``account`` is
    the code for lines that name none, ``deposit_account`` that for payments.
    """

    rules = errors.RULES

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
        self._records = Records(self.connection)
        self._bodies = Bodies(account, deposit_account)
        self._shortcode, self._link_paths = shortcode, link_paths
        self.resources = self._resources()
        self.feeds = self._money_feeds()
        self.capabilities = capabilities(
            client_id=client_id,
            page_size=page_size,
            per_minute=per_minute,
            per_day=per_day,
            concurrency=concurrency,
            overlap=overlap,
            sweep_every=sweep_every,
        )

    def _resources(self) -> dict[RecordType, Resource[Any]]:
        records = self._records
        sale = {"where": f'Type=="{SALE}"', **_ARCHIVED}
        return {
            Customer: Resource(
                Customer,
                "Contacts",
                records.customer,
                "Contacts",
                "ContactID",
                "AccountNumber",
                "IDs",
                number_parameter="",
                parameters=_ARCHIVED,
            ),
            Invoice: _BILLS(
                Invoice, load=only(SALE, records.invoice), parameters=sale | _EXACT
            ),
            Settlement: _BILLS(
                Settlement, load=only(SALE, records.settlement), parameters=sale
            ),
            CreditNote: _NOTES(CreditNote, load=only(CREDIT, records.credit_note)),
            Application: _NOTES(Application, load=only(CREDIT, records.applications)),
            Payment: Resource(
                Payment,
                "Payments",
                only(PAID, records.payment),
                "Payments",
                "PaymentID",
                number_field="",
                id_parameter="",
                number_parameter="",
                # Refunds have types of their own.
                parameters={"where": f'PaymentType=="{PAID}"'},
            ),
        }

    def _money_feeds(self) -> tuple[Resource[Any], ...]:
        """
        What is read for changed payment info; the loaders of all but the first give refs.

        An invoice lists no deleted payments, and whether its change time moves with a
        payment or a credit is unverified: so these are asked too.
        """
        paid, allocated = self._records.paid, self._records.allocated
        notes = self.resources[CreditNote]
        return (
            self.resources[Settlement],
            evolve(self.resources[Payment], load=only(PAID, paid)),
            evolve(notes, load=only(CREDIT, allocated), number_field=""),
            *(
                Resource(Payment, name, only(types, allocated), name, key, "")
                for name, (types, key) in _ADVANCES.items()
            ),
        )

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

    # Judging

    def suspicious(self, response: Response) -> bool:
        return b'"ERROR"' in response.body

    def explain(self, response: Response) -> tuple[str, str]:
        return errors.told(response)
