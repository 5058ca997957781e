"""
What can be done with QuickBooks Online, as the connector's arguments make it.

A pure table: nothing here does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from attrs import evolve, frozen

from tieout import capabilities as caps
from tieout.capabilities import Changed, Dated, Everything, Open
from tieout.connectors.quickbooks.bodies import NUMBER_MAX, WORDED
from tieout.models import (
    Application,
    Basis,
    CreditNote,
    Customer,
    Invoice,
    Part,
    Payment,
    RecordType,
    Settlement,
)

# fmt: off
MARKS: Mapping[str, str] = {
    "Invoice": "DocNumber", "CreditNote": "DocNumber", "Payment": "PaymentRefNum",
    "Application": "PaymentRefNum", "Customer": "PrintOnCheckName",
}
"""The field of each kind that our mark goes to. Notes would be better, but cannot be
searched; the name on checks is the only searched field of a customer that nobody sees."""

BATCH_MAX = 99
"""Changes in one batch: more than any page says, and their ids have two digits."""

_READ, _CREATE, _UPDATE, _VOID = caps.Verb
_LISTED = frozenset({Changed, Dated, Everything})
_KIND = caps.Kind(
    verbs=frozenset(caps.Verb), selects=_LISTED, creates=caps.Creates.FINAL, updates=caps.Updates.SPARSE,
    stable_order=True, page_repeats=1,
)
_DOCUMENT = evolve(
    _KIND, writable=frozenset({"number", "reference", "customer", "on", "due", "lines"}), number_length=NUMBER_MAX,
)
_KINDS: Mapping[RecordType, caps.Kind] = {
    Customer: evolve(
        _KIND, selects=_LISTED - {Dated}, writable=frozenset({"name", "email", "parent"}),
    ),
    Invoice: evolve(_DOCUMENT, selects=_LISTED | {Open}),
    Settlement: evolve(
        _KIND, verbs=frozenset({_READ}), selects=_LISTED | {Open}, creates=None, updates=caps.Updates.NONE,
        lists=2, long_lists=2, number_length=NUMBER_MAX,
    ),
    CreditNote: evolve(_DOCUMENT, writable=_DOCUMENT.writable - {"due"}),
    Payment: evolve(
        _KIND, writable=frozenset({"on", "amount", "applications", "account"}),
    ),
    Application: evolve(
        _KIND, verbs=frozenset({_READ, _CREATE, _VOID}), updates=caps.Updates.NONE,
        write_calls=2,
    ),
}
_PAYMENTS = caps.Payments(
    feeds=(caps.Feed.STAMP, caps.Feed.PAYMENTS),
    # A payment that is edited or deleted does not tell which invoice it left.
    blind=frozenset({caps.Blind.REVERSALS, caps.Blind.CREDITS}),
    parts=frozenset({Part.CASH, Part.CREDIT, Part.OTHER}), paid_on=Basis.APPLICATIONS, detail=caps.Cost.CALL_BATCH,
)
# fmt: on


@frozen(kw_only=True)
class Arguments:
    """What of a connector's arguments says what it can do."""

    page_size: int
    fetch_size: int
    batch_size: int
    marks: Mapping[str, str]
    """The field of each kind that our mark goes to; "" for none."""
    change_feed: bool
    unique_numbers: bool
    delete_credit_memos: bool
    sweep_every: timedelta | None
    overlap: timedelta
    idempotency_lifetime: timedelta
    per_minute: int
    per_second: int
    concurrency: int


def abilities(given: Arguments) -> caps.Capabilities:
    """The capabilities of one connector."""
    return caps.Capabilities(
        "QuickBooks",
        {kind: _kind(kind, given) for kind in _KINDS},
        evolve(_PAYMENTS, sweep_every=given.sweep_every),
        deletions_visible=given.change_feed,
        version_token=True,
        idempotency_key=True,
        idempotency_lifetime=given.idempotency_lifetime,
        concurrency=given.concurrency,
        limits=(caps.Limit(given.per_minute, 60), caps.Limit(given.per_second, 1)),
        overlap=given.overlap,
    )


def _kind(kind: RecordType, given: Arguments) -> caps.Kind:
    """What can be done with a kind, by the arguments."""
    able = _KINDS[kind]
    able = evolve(
        able,
        page_size=given.page_size,
        fetch_size=given.fetch_size,
        lists=able.lists + given.change_feed,
        number_unique=given.unique_numbers and able.number_length is not None,
    )
    if able.can(_CREATE):
        mark = _mark(given.marks.get(kind.__name__, ""))
        able = evolve(able, batch_size=given.batch_size, mark=mark)
    if kind is CreditNote and not given.delete_credit_memos:
        able = evolve(able, verbs=able.verbs - {_VOID})
    return able


def _mark(field: str) -> caps.Mark | None:
    """Our mark in a field of QuickBooks', if it has a place at all."""
    if not field:
        return None
    is_number = field == "DocNumber"
    return caps.Mark(field, is_number=is_number, length=WORDED.get(field, NUMBER_MAX))
