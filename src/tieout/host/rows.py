"""
Rows as a host gives them and gets them: plain values under plain ids.

Nothing is checked when one is made. What cannot be read becomes an issue of that one
record; what a row means as a record is said in `tieout.host.records`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from attrs import asdict, frozen

from tieout.host.values import Amount, Key
from tieout.models import Line


@frozen(kw_only=True)
class Bill:
    """
    One invoice and its money as the host has it.

    Nothing is checked when it is made: what cannot be read becomes an issue of this one
    invoice. ``paid_amount`` is all that was paid so far, ``credited`` what credit notes
    took off, where the app knows. Dates are calendar days, ``changed_at`` is aware.
    """

    id: Key
    number: str | int
    currency: str
    total: Amount
    paid_amount: Amount | None = None
    date_paid: date | None = None
    credited: Amount | None = None
    on: date | None = None
    customer: Key | None = None
    reference: str = ""
    void: bool = False
    changed_at: datetime | None = None
    version: str | int = ""


@frozen(kw_only=True)
class CustomerRow:
    """One customer as the host has it; ``parent`` is the id of another."""

    id: Key
    name: str
    number: str | int = ""
    email: str = ""
    currency: str = ""
    active: bool = True
    parent: Key | None = None
    mark: str = ""
    changed_at: datetime | None = None
    version: str | int = ""


@frozen(kw_only=True)
class InvoiceRow:
    """
    One invoice as a document; ``total`` with tax, ``customer`` an id.

    ``paid_amount`` and ``credited`` say whether it is settled, where the app knows.
    ``posted_at`` is when it was handed over to the ledger, None where it was not. Dates
    are calendar days, ``posted_at`` and ``changed_at`` are aware.
    """

    id: Key
    number: str | int
    currency: str
    on: date
    total: Amount
    customer: Key | None = None
    due: date | None = None
    reference: str = ""
    lines: Sequence[Line] = ()
    paid_amount: Amount | None = None
    credited: Amount | None = None
    draft: bool = False
    void: bool = False
    posted_at: datetime | None = None
    mark: str = ""
    changed_at: datetime | None = None
    version: str | int = ""


@frozen(kw_only=True)
class ApplicationRow:
    """
    A part of a payment or a credit note put to the invoice of this id.

    Without a ``currency`` or a day of its own it has the document's. In another currency
    ``source_amount`` says what it is in the document's.
    """

    invoice: Key
    amount: Amount
    id: Key = ""
    on: date | None = None
    currency: str = ""
    source_amount: Amount | None = None


@frozen(kw_only=True)
class CreditNoteRow:
    """
    One credit note; its amounts are above zero.

    ``remaining`` is what is not yet applied. Without it, it is worked out of the
    ``applications``, where the app knows these: None stands for an app that does not.
    """

    id: Key
    number: str | int
    currency: str
    on: date
    total: Amount
    customer: Key | None = None
    reference: str = ""
    lines: Sequence[Line] = ()
    applications: Sequence[ApplicationRow] | None = None
    remaining: Amount | None = None
    draft: bool = False
    void: bool = False
    mark: str = ""
    changed_at: datetime | None = None
    version: str | int = ""


@frozen(kw_only=True)
class PaymentRow:
    """
    Money received, and the invoices that it was put to.

    ``unapplied`` is worked out where it is not given: ``amount`` is what was applied and
    what was not. ``applications`` are None for an app that does not know them.
    """

    id: Key
    currency: str
    on: date
    amount: Amount
    customer: Key | None = None
    number: str | int = ""
    reference: str = ""
    method: str = ""
    account: str = ""
    applications: Sequence[ApplicationRow] | None = None
    unapplied: Amount | None = None
    void: bool = False
    mark: str = ""
    changed_at: datetime | None = None
    version: str | int = ""


_ROWS = (Bill, CustomerRow, InvoiceRow, CreditNoteRow, PaymentRow)
_INNER = ("lines", "applications")


def plain(row: Any) -> Any:
    """A row as a mapping, with its lines and applications; a mapping does as well."""
    held = asdict(row, recurse=False) if isinstance(row, _ROWS) else row
    if not isinstance(held, Mapping):
        return held
    return {**held, **{n: _inner(held[n]) for n in _INNER if n in held}}


def _inner(value: Any) -> Any:
    """The rows inside a row as a list; what cannot be one is left for the reader."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        return value
    return [
        asdict(each, recurse=False) if isinstance(each, Line | ApplicationRow) else each
        for each in value
    ]
