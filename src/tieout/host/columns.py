"""
Which table and which of its columns hold what: what a host says of its database.

Declarations alone: nothing here reads or writes, and a name is checked where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from attrs import asdict, field, frozen

from tieout.models import CreditNote, Customer, Invoice, Payment, RecordType


@frozen(kw_only=True)
class Columns:
    """
    Which column holds what; None where there is none.

    ``credited`` is what credit notes took off. ``void`` is true or 1 where the invoice was taken back. ``changed_at`` is set by the app
    at each change of the row: an instant or a text of ISO 8601, UTC if it names no zone.
    """

    id: str
    number: str
    total: str
    paid_amount: str
    date_paid: str
    currency: str | None = None
    on: str | None = None
    customer: str | None = None
    reference: str | None = None
    void: str | None = None
    changed_at: str | None = None
    version: str | None = None
    credited: str | None = None


@frozen(kw_only=True)
class LineTable:
    """
    The lines of documents, a row for each.

    ``document`` is the column with the document's id. By ``position`` lines are put in
    order, and new ones are numbered from 1; by ``id`` where the database gives that itself.
    """

    table: str
    document: str
    amount: str
    id: str | None = None
    position: str | None = None
    description: str | None = None
    quantity: str | None = None
    unit_price: str | None = None
    tax: str | None = None
    tax_code: str | None = None
    account: str | None = None
    item: str | None = None


@frozen(kw_only=True)
class ApplicationTable:
    """
    What was put to invoices, a row for each part.

    ``document`` is the column with the payment's or credit note's id, ``invoice`` that
    with the invoice's. The amounts are in the currency of the document.
    """

    table: str
    document: str
    invoice: str
    amount: str
    id: str | None = None
    on: str | None = None


@frozen(kw_only=True)
class DocumentTable:
    """
    A table with a row for each document of one kind: what all of them have.

    ``mark`` is a column for a text of ours, by which a document that we had made is found
    again: without one none is made. ``void`` is true or 1 where a document was taken back.
    ``changed_at`` and ``version`` are the app's to keep. ``only`` names columns and the
    values that rows must have, and that new ones get. ``integer_ids`` and
    ``integer_numbers`` tell that these columns hold whole numbers. ``new_id`` gives the id
    of a new row, where the database does not.
    """

    kind: ClassVar[RecordType]
    table: str
    id: str
    mark: str | None = None
    changed_at: str | None = None
    version: str | None = None
    only: Mapping[str, str | int | None] = field(factory=dict, repr=False)
    integer_ids: bool = False
    integer_numbers: bool = False
    new_id: Callable[[], str | int] | None = None


@frozen(kw_only=True)
class CustomerTable(DocumentTable):
    """Customers; ``active`` is false or 0 for one that was taken back."""

    kind: ClassVar[RecordType] = Customer
    name: str
    number: str | None = None
    email: str | None = None
    currency: str | None = None
    active: str | None = None
    parent: str | None = None


@frozen(kw_only=True)
class InvoiceTable(DocumentTable):
    """
    Invoices as documents; ``total`` with tax.

    ``paid_amount`` and ``credited`` are read to tell what is settled, and not written.
    ``posted_at`` is when an invoice was handed over to the ledger, NULL where it was not.
    """

    kind: ClassVar[RecordType] = Invoice
    number: str
    on: str
    total: str
    currency: str | None = None
    customer: str | None = None
    due: str | None = None
    reference: str | None = None
    paid_amount: str | None = None
    credited: str | None = None
    draft: str | None = None
    void: str | None = None
    posted_at: str | None = None
    lines: LineTable | None = None


@frozen(kw_only=True)
class CreditNoteTable(DocumentTable):
    """Credit notes; amounts are above zero, ``remaining`` is what is not yet applied."""

    kind: ClassVar[RecordType] = CreditNote
    number: str
    on: str
    total: str
    currency: str | None = None
    customer: str | None = None
    reference: str | None = None
    remaining: str | None = None
    draft: str | None = None
    void: str | None = None
    lines: LineTable | None = None
    applications: ApplicationTable | None = None


@frozen(kw_only=True)
class PaymentTable(DocumentTable):
    """Payments; what they were put to stands in ``applications``."""

    kind: ClassVar[RecordType] = Payment
    on: str
    amount: str
    currency: str | None = None
    customer: str | None = None
    number: str | None = None
    reference: str | None = None
    method: str | None = None
    account: str | None = None
    unapplied: str | None = None
    void: str | None = None
    applications: ApplicationTable | None = None


def mapped(declared: Any) -> dict[str, str]:
    """The columns that there are, by what they hold."""
    told = asdict(declared, recurse=False)
    return {n: c for n, c in told.items() if isinstance(c, str) and n != "table"}
