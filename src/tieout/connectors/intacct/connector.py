"""
Sage Intacct as a ledger: customers, invoices, credit notes, payments, and what is paid.

It leaves vendors, the general ledger's own entries and order entry's documents alone; of
those only what they made in accounts receivable is read. Facts come from the vendor's
documentation and from public source; "unverified" is nobody's word yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from tieout.capabilities import Changed, Select
from tieout.connector import (
    Books,
    Health,
    Resource,
    ailing,
)
from tieout.connectors.intacct.abilities import Arguments, able
from tieout.connectors.intacct.bodies import Bodies
from tieout.connectors.intacct.errors import FINDINGS, RULES
from tieout.connectors.intacct.gateway import IntacctSession, asking
from tieout.connectors.intacct.joins import Joins
from tieout.connectors.intacct.landing import Landing
from tieout.connectors.intacct.lines import Lines
from tieout.connectors.intacct.queries import (
    BILLED,
    IN_MAX,
    KEY,
    PAGE_MAX,
    SOURCES,
    Queries,
    Source,
)
from tieout.connectors.intacct.reading import READ_MAX
from tieout.connectors.intacct.records import Records
from tieout.connectors.intacct.replies import Reply
from tieout.connectors.intacct.rows import PAYMENT_STATES, STATES
from tieout.connectors.intacct.writing import IntacctWriter
from tieout.connectors.intacct.xml import Element, parser
from tieout.errors import Code, ConfigError, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    RecordType,
    Settlement,
    Status,
)
from tieout.wire import Flow
from tieout.zones import configured_zone

BATCH_MAX = 100
"""Objects in one call, as the vendor advises (second hand)."""

MARKS = {
    "DOCNUMBER": "invoiceno",
    "EXTERNALID": "externalid",
    "DESCRIPTION": "description",
}
"""Where the mark of a credit note may stand, and the element that writes it there."""

MODULES = {"General Ledger": "GLACCOUNT", "Cash Management": "CHECKINGACCOUNT"}
"""What else the user has to read, and an object of each module (unverified)."""


class Intacct(IntacctWriter):
    """
    One Sage Intacct company, or with ``locationid`` one entity of it.

    ``base_currency`` counts where a document tells no currency, as in companies that have
    only one. Unverified, and so arguments: ``zone`` of change times; ``states`` and
    ``payment_states``, the words for a document's state; which fields a company has
    (``without``, such as ``"CUSTOMER.CURRENCY"``); where the mark of a credit note can be
    searched (``mark_field``); how many objects one call takes (``batch_size``); how long
    Intacct goes on after a caller gave up (``late_commit``, by the vendor's word 15
    minutes). Without ``parts`` a page costs two calls less, and what was paid is not
    split. Without ``receivables`` the documents that are listed are order entry's alone:
    what was entered in accounts receivable is not carried from there. ``deletions`` reads
    the audit history, which needs a permission of its own. ``reversed_on`` gives the day
    on which a document of some day is taken back; by default that very day.
    """

    rules = RULES
    findings = FINDINGS

    def __init__(
        self,
        *,
        company: str,
        user: str,
        password: str,
        sender: str,
        sender_password: str,
        locationid: str = "",
        base_currency: str = "",
        url: str = "https://api.intacct.com/ia/xml/xmlgw.phtml",
        page_size: int = PAGE_MAX,
        fetch_size: int = 500,
        batch_size: int = 20,
        zone: str = "UTC",
        overlap: timedelta = timedelta(hours=1),
        late_commit: timedelta = timedelta(minutes=15),
        sweep_every: timedelta | None = timedelta(days=1),
        parts: bool = True,
        order_entry: bool = True,
        receivables: bool = True,
        returns: Sequence[str] = (),
        deletions: bool = False,
        bill_to_contacts: bool = False,
        account: str = "",
        tax_accounts: Mapping[str, str] | None = None,
        location: str = "",
        department: str = "",
        deposit_accounts: Mapping[str, str] | None = None,
        payment_methods: Mapping[str, str] | None = None,
        payment_method: str = "EFT",
        rate_type: str = "Intacct Daily Rate",
        mark_field: str = "DOCNUMBER",
        delete_credit_notes: bool = False,
        without: Sequence[str] = (),
        extra_fields: Mapping[str, Sequence[str]] | None = None,
        states: Mapping[str, Status] = STATES,
        payment_states: Mapping[str, Status] = PAYMENT_STATES,
        look_up: bool = True,
        reversed_on: Callable[[date], date] | None = None,
    ) -> None:
        parser()  # where it is missing, that is told now and not in a run
        _within("page_size", page_size, PAGE_MAX)
        _within("fetch_size", fetch_size, IN_MAX)
        _within("batch_size", batch_size, BATCH_MAX)
        if mark_field not in MARKS:
            raise ConfigError(f"mark_field is one of {', '.join(MARKS)}")
        self._books = f"{company}/{locationid}" if locationid else company
        self.connection = f"intacct:{self._books}"
        who = (company, user, password, sender, sender_password, locationid)
        self.auth = self._signer = IntacctSession(url, *who)
        self._base_currency, self._look_up = base_currency, look_up
        self._bill_to = bill_to_contacts
        self._ordered_alone = () if receivables else ("invoices", "credit notes")
        tz, extra = configured_zone(zone), dict(extra_fields or {})
        asked = _with(extra, mark_field, bill_to=bill_to_contacts)
        # fmt: off
        self._queries = Queries(tz, frozenset(without), asked, private=not locationid)
        self._joins = Joins(self._gathered, self._queries, parts, order_entry, bill_to_contacts)
        self._records = Records(
            self.connection, tz, base_currency, states, payment_states, bill_to_contacts, mark_field,
            tuple(returns), extra,
        )
        self._landing = Landing(self._queries, self._records, mark_field)
        self._bodies = Bodies(
            base_currency, rate_type, Lines(account, tax_accounts or {}, location or locationid, department),
            deposit_accounts or {}, payment_methods or {}, payment_method, MARKS[mark_field],
            reversed_on or _same_day, bill_to=bill_to_contacts,
        )
        self.resources = self._resources()
        self._history = self._deletions() if deletions else ()
        self.feeds = self._money_feeds()
        self.capabilities = able(Arguments(
            page_size, fetch_size, batch_size, mark_field, parts, deletions, delete_credit_notes, bill_to_contacts,
            order_entry, overlap, late_commit, sweep_every, lists=len(self.feeds), contacts_size=READ_MAX,
        ))

    def _resources(self) -> dict[RecordType, Resource[Any]]:
        """By kind; a path is a list of `SOURCES`, and behind ``/`` what it is read for."""
        records, names = self._records, ("ID", "RECORDID")
        # What cannot be read of a row that holds several is an issue of none of them.
        customer = "" if self._bill_to else "CUSTOMERID"
        return {
            Customer: Resource(
                Customer, "customers", records.customer, "", customer, "CUSTOMERID"
            ),
            Invoice: Resource(Invoice, "invoices", records.invoice, "", *names),
            Settlement: Resource(
                Settlement, "invoices/money", records.settlement, "", *names
            ),
            CreditNote: Resource(
                CreditNote, "credit notes", records.credit_note, "", *names
            ),
            Payment: Resource(Payment, "payments", records.payment, "", KEY, ""),
            Application: Resource(
                Application, "details", records.applications, "", "", ""
            ),
        }

    def _deletions(self) -> tuple[Resource[Any], ...]:
        deleted = self._records.deleted
        return (Resource(Invoice, "deletions", deleted, "", "OBJECTKEY", ""),)

    def _money_feeds(self) -> tuple[Resource[Any], ...]:
        """
        What is read for changed payment info; the loaders of all but the first give refs.

        Whether a payment or a credit moves its invoice's change time is unverified.
        """
        touched = self._records.touched
        return (
            self.resources[Settlement],
            Resource(Payment, "payments/touched", touched, "", KEY, ""),
            Resource(CreditNote, "credit notes/touched", touched, "", KEY, ""),
            *self._history,
        )

    # fmt: on

    def lists(self, kind: RecordType, select: Select) -> Sequence[Resource[Any]]:
        """Of changed invoices those that were deleted too, where the history is read."""
        found = super().lists(kind, select)
        changed = kind is Invoice and isinstance(select, Changed)
        return (*found, *self._history) if changed else found

    # How it is

    def check(self) -> Flow[Health]:
        """Each list with all its fields, one row of each, in one request."""
        probes = self._probes()
        try:
            response = yield asking(probes.items())
            reply = self._reply(response)
        except Fault as fault:
            return ailing(fault)
        missing: list[str] = []
        notes: list[str] = []
        codes: set[Code] = set()
        for name in probes:
            result = reply.of(name)
            verdict = result.verdict()
            text = f"{name}: {verdict.text}"
            if verdict.code in (Code.PERMISSION_MISSING, Code.BAD_FIELD):
                missing.append(text)
                codes.add(verdict.code)
            if not result.good:
                notes.append(f"{text} {verdict.remedy}".strip())
        base = self._base(reply)
        if self._base_currency and base not in ("", self._base_currency):
            # Documents in the company's own currency are sent without one.
            text = f"base_currency={self._base_currency!r}: documents are in {base}"
            missing.append(f"{text}; correct it, or leave it out")
        books = Books(self._books, currency=base or self._base_currency)
        # A field that the company lacks is none that a permission would bring.
        code = Code.BAD_FIELD if codes == {Code.BAD_FIELD} else None
        return Health(True, True, tuple(missing), books, tuple(notes), code)

    def _probes(self) -> dict[str, Element]:
        lists = ["customers", "invoices", "credit notes", "payments", "details"]
        lists += ["documents"] if self._joins.order_entry else []
        lists += ["deletions"] if self._history else []
        probes = {
            f"{SOURCES[name].module} ({SOURCES[name].object})": SOURCES[name]
            for name in lists
        }
        for module, name in MODULES.items():
            probes[f"{module} ({name})"] = Source(name, KEY)
        return {name: self._queries.query(x, size=1) for name, x in probes.items()}

    def _base(self, reply: Reply) -> str:
        """The company's base currency, as any document tells it."""
        rows = [row for each in reply.results for row in each.rows]
        told = [row.get("BASECURR") for row in rows if isinstance(row, Mapping)]
        return next((each for each in told if isinstance(each, str)), "")


def _with(
    extra: Mapping[str, Sequence[str]], mark_field: str, *, bill_to: bool
) -> dict[str, list[str]]:
    """The fields that are asked for besides, by object."""
    found = {name: list(fields) for name, fields in extra.items()}
    found.setdefault("ARADJUSTMENT", []).append(mark_field)
    if bill_to:
        found.setdefault("ARINVOICE", []).append(BILLED)
    return found


def _same_day(day: date) -> date:
    return day


def _within(name: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise ConfigError(f"{name} is from 1 to {most}")
