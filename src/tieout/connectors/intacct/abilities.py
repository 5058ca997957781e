"""
What Intacct can do, as data.

Nothing here asks for anything; what depends on a connector's arguments is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from attrs import evolve, frozen

from tieout import capabilities as caps
from tieout.capabilities import Blind, Changed, Dated, Everything, Feed, Open
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Part,
    Payment,
    RecordType,
    Settlement,
)

_READ, _CREATE, _UPDATE, _VOID = caps.Verb
_LISTED = frozenset({Changed, Everything})
_DOCUMENT = caps.Kind(
    verbs=frozenset(caps.Verb),
    selects=_LISTED | {Dated, Open},
    updates=caps.Updates.SPARSE,
    writable=frozenset({"number", "reference", "on", "due"}),
    creates=caps.Creates.FINAL,
    stable_order=True,
)
_MONEY = evolve(_DOCUMENT, writable=frozenset(), updates=caps.Updates.NONE)
# fmt: off
_KINDS: Mapping[RecordType, caps.Kind] = {
    Customer: evolve(
        _DOCUMENT, selects=_LISTED, mark=caps.Mark("CUSTOMERID", is_number=True), number_unique=True,
        writable=frozenset({"name", "email"}),
    ),
    Invoice: evolve(_DOCUMENT, mark=caps.Mark("RECORDID", is_number=True), number_unique=True, page_calls=2),
    Settlement: caps.Kind(selects=_DOCUMENT.selects, number_unique=True, stable_order=True, page_calls=3),
    CreditNote: evolve(
        _DOCUMENT, writable=frozenset({"number", "on"}), page_calls=3,
    ),
    Payment: evolve(
        _MONEY, verbs=frozenset({_READ, _CREATE, _VOID}), selects=_LISTED | {Dated}, mark=caps.Mark("DOCNUMBER"),
        page_calls=3,
    ),
    Application: evolve(
        _MONEY, verbs=frozenset({_READ, _CREATE}), selects=frozenset(), stable_order=False, page_calls=2,
    ),
}
# fmt: on


@frozen
class Arguments:
    """What of a connector's arguments says what it can do."""

    page_size: int
    fetch_size: int
    batch_size: int
    mark_field: str
    parts: bool
    deletions: bool
    delete_credit_notes: bool
    bill_to: bool
    order_entry: bool
    overlap: timedelta
    late_commit: timedelta
    sweep_every: timedelta | None
    lists: int
    """How many lists tell of changed payment info."""
    contacts_size: int
    """Customers in a page where each is read with its contacts."""


def able(given: Arguments) -> caps.Capabilities:
    """The capabilities of one connector."""
    blind = {Blind.CREDITS, Blind.REVERSALS}
    return caps.Capabilities(
        "Sage Intacct",
        _kinds(given),
        payments=caps.Payments(
            feeds=(Feed.STAMP, Feed.PAYMENTS, Feed.CREDITS),
            blind=frozenset(blind if given.deletions else blind | {Blind.DELETIONS}),
            sweep_every=given.sweep_every,
            parts=frozenset({Part.CASH, Part.CREDIT} if given.parts else ()),
        ),
        deletions_visible=given.deletions,
        idempotency_key=True,
        # Not known. So long the vendor says that a call may go on.
        idempotency_lifetime=given.late_commit,
        concurrency=1,
        overlap=given.overlap,
        late_commit=given.late_commit,
    )


def _kinds(given: Arguments) -> dict[RecordType, caps.Kind]:
    kinds = {
        kind: evolve(
            each,
            page_size=given.page_size,
            fetch_size=given.fetch_size,
            batch_size=given.batch_size if each.can(_CREATE) else 1,
        )
        for kind, each in _KINDS.items()
    }
    money, notes = kinds[Settlement], kinds[CreditNote]
    calls = money.page_calls if given.parts else 2
    kinds[Settlement] = evolve(money, lists=given.lists, page_calls=calls)
    kept = notes.verbs if given.delete_credit_notes else notes.verbs - {_VOID}
    kinds[CreditNote] = evolve(notes, verbs=kept, mark=caps.Mark(given.mark_field))
    if given.order_entry:  # what it made is asked for by its name there first
        for kind in (Invoice, Settlement, CreditNote):
            kinds[kind] = evolve(kinds[kind], page_calls=kinds[kind].page_calls + 1)
        for paying in (Payment, Application):
            kinds[paying] = evolve(kinds[paying], write_calls=2)
    if given.deletions:
        kinds[Invoice] = evolve(kinds[Invoice], lists=2)
    if given.bill_to:
        contacts = evolve(
            caps.Kind(selects=_LISTED, stable_order=True, page_calls=3),
            page_size=min(given.page_size, given.contacts_size),
            fetch_size=min(given.fetch_size, given.contacts_size),
        )
        kinds[Customer] = contacts
    return kinds
