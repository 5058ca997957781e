"""
What a host overrides: plain methods of its own app, for levels and for documents.

Each raises `NotImplementedError` until it is overridden. What an app can do is seen by
that alone (`overrides`); nothing here calls anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, ClassVar, Generic, TypeVar

from tieout.host.rows import (
    Bill,
    CreditNoteRow,
    CustomerRow,
    InvoiceRow,
    PaymentRow,
)
from tieout.host.values import Key
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Payment,
    RecordType,
    Settlement,
)
from tieout.protocol import Books

Row = TypeVar("Row")


class Documents(Generic[Row]):
    """
    Documents of one kind: override what the app can do, and `Local` sees what that is.

    Subclass `Customers`, `Invoices`, `CreditNotes` or `Payments`, and hand one over in
    `LocalApp.documents`. Rows come and go as plain values under plain ids. An exception
    from a method that reads ends the run with its words. From one that writes, a `Fault`
    says that certainly nothing was done; after anything else the outcome is unknown, and
    the document is looked for before anything is written again.
    """

    kind: ClassVar[RecordType]

    # Reading

    def named(self, ids: Sequence[str], numbers: Sequence[str]) -> Iterable[Row]:
        """The documents of these ids and of these numbers, as far as they exist."""
        raise NotImplementedError

    def everything(self) -> Iterable[Row]:
        """All of them, as one list in memory."""
        raise NotImplementedError

    def changed(self, since: datetime) -> Iterable[Row]:
        """Those that changed at or after an instant."""
        raise NotImplementedError

    def dated(self, first: date, last: date) -> Iterable[Row]:
        """Those of these days, both included; without it, `everything` is looked through."""
        raise NotImplementedError

    def marked(self, marks: Sequence[str]) -> Iterable[Row]:
        """
        Those that were made with one of these marks, as far as they exist.

        Without it a document whose answer was lost is not looked for: a person is asked.
        """
        raise NotImplementedError

    # Writing

    def create(self, row: Row) -> Key:
        """Make a document, and keep ``row.mark`` with it; the id of the new one."""
        raise NotImplementedError

    def update(self, row: Row) -> None:
        """Make the document ``row.id`` show what the row says; twice is the same as once."""
        raise NotImplementedError

    def void(self, identity: str) -> None:
        """Take a document back; it stays there and says so."""
        raise NotImplementedError


class Customers(Documents[CustomerRow]):
    """The customers of the host's app, one of whom is taken back by not being active."""

    kind = Customer


class Invoices(Documents[InvoiceRow]):
    """The invoices of the host's app, and which of them were handed over to the ledger."""

    kind = Invoice

    def unposted(self, through: date) -> Iterable[InvoiceRow]:
        """Those that were not handed over, dated through a day (included)."""
        raise NotImplementedError

    def set_posted(self, identity: str, at: datetime | None) -> None:
        """Say that an invoice was handed over, and when; None: that it was not."""
        raise NotImplementedError


class CreditNotes(Documents[CreditNoteRow]):
    """The credit notes of the host's app."""

    kind = CreditNote


class Payments(Documents[PaymentRow]):
    """The payments of the host's app, with what they were put to."""

    kind = Payment


class LocalApp:
    """
    The host's own app: override what it can do, and `Local` sees what that is.

    An exception from a method that reads ends the run with its words. From `set_paid`, a
    `Fault` says that certainly nothing was done; after anything else the outcome is
    unknown, and the invoice is looked at before it is written again.
    """

    def invoices(self, ids: Sequence[str], numbers: Sequence[str]) -> Iterable[Bill]:
        """The invoices of these ids and of these numbers, as far as they exist."""
        raise NotImplementedError

    def set_paid(self, invoice: Settlement) -> None:
        """
        Make the invoice ``invoice.ref.id`` show ``invoice.paid`` as its paid amount and
        ``invoice.paid_on`` as its date paid: None while something is owed. Both replace
        what is there, so that doing it twice is the same as once.
        """
        raise NotImplementedError

    def changed(self, since: datetime) -> Iterable[Bill]:
        """Invoices whose money changed at or after an instant; needed to be a ledger."""
        raise NotImplementedError

    def everything(self) -> Iterable[Bill]:
        """All invoices, as one list in memory; for very many use a `Table`."""
        raise NotImplementedError

    def documents(self) -> Iterable[Documents[Any]]:
        """What it offers besides the money of invoices, at most one of each kind."""
        return ()

    def books(self) -> Books | None:
        """The company behind the app, where `Local`'s arguments do not say it all."""
        return None


OFFERED: Mapping[RecordType, type[Documents[Any]]] = {
    each.kind: each for each in (Customers, Invoices, CreditNotes, Payments)
}
"""By kind, what a host subclasses to offer documents of it."""


def overrides(offered: LocalApp | Documents[Any], name: str) -> bool:
    """Whether a host overrides a method that ships with us."""
    shipped = LocalApp if isinstance(offered, LocalApp) else OFFERED[offered.kind]
    own = getattr(type(offered), name, None)
    return own is not getattr(shipped, name, None)
