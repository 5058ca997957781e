"""
What Xero can do, as data: a pure function of the connector's arguments.

Nothing here does it. The vendor's limits stand here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from attrs import evolve

from tieout import capabilities as caps
from tieout.capabilities import Changed, Dated, Everything, Open
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

PAGE_MAX = 1000
"""Xero's largest page (second hand); more is cut to it."""

BATCH_MAX = 50
"""Documents in one write: more are slow, and 3.5 MB are the most (the vendor's FAQ)."""

FETCH_MAX, ADDRESS_MAX = 40, 1700
"""Ids or numbers in one request, and their encoded characters: addresses fail at about
52 ids (XeroAPI/Xero-OpenAPI#534)."""

CONDITIONS_MAX = 20
"""Ids in one request where each is a condition: so many fit into an address."""

KEY_LENGTH_MAX, KEY_LIFETIME = 128, timedelta(minutes=6)
"""Of an idempotency key; the lifetime is second hand."""

_READ, _CREATE, _UPDATE, _VOID = caps.Verb
_LISTED = frozenset({Changed, Everything})
# fmt: off
_DOCUMENT = caps.Kind(
    verbs=frozenset(caps.Verb), selects=_LISTED | {Dated, Open}, updates=caps.Updates.SPARSE,
    writable=frozenset({"number", "reference", "customer", "on", "due", "lines", "currency"}),
    number_length=255, batch_size=BATCH_MAX, creates=caps.Creates.FINAL,
    fetch_size=FETCH_MAX, stable_order=True,
)
_MONEY = evolve(
    _DOCUMENT, verbs=frozenset({_READ, _CREATE, _VOID}), writable=frozenset(), updates=caps.Updates.NONE,
    fetch_size=CONDITIONS_MAX,
)
_KINDS: Mapping[RecordType, caps.Kind] = {
    # A document whose number Xero gives could not be found again: so ours is the mark.
    Invoice: evolve(_DOCUMENT, mark=caps.Mark("InvoiceNumber", is_number=True), number_unique=True),
    Settlement: caps.Kind(selects=_DOCUMENT.selects, number_unique=True, lists=5, fetch_size=FETCH_MAX, stable_order=True),
    CreditNote: evolve(_DOCUMENT, mark=caps.Mark("Reference"), fetch_size=CONDITIONS_MAX),
    Payment: evolve(_MONEY, selects=_LISTED | {Dated}, mark=caps.Mark("Reference")),
    Application: evolve(_MONEY, selects=frozenset(), batch_size=1),
    Customer: evolve(
        _DOCUMENT, selects=_LISTED, mark=caps.Mark("ContactNumber", length=50), number_length=50,
        writable=frozenset({"name", "number", "email"}),
    ),
}
# fmt: on


def capabilities(
    *,
    client_id: str,
    page_size: int,
    per_minute: int,
    per_day: int,
    concurrency: int,
    overlap: timedelta,
    sweep_every: timedelta | None,
) -> caps.Capabilities:
    """What the connector with these arguments can do."""
    app_limit = caps.Limit(10_000, 60, caps.LimitScope.CREDENTIAL, client_id)
    return caps.Capabilities(
        "Xero",
        {kind: evolve(able, page_size=page_size) for kind, able in _KINDS.items()},
        payments=caps.Payments(
            feeds=(caps.Feed.STAMP, caps.Feed.PAYMENTS, caps.Feed.CREDITS),
            blind=frozenset({caps.Blind.CREDITS}),
            sweep_every=sweep_every,
            parts=frozenset({Part.CASH, Part.CREDIT}),
        ),
        deletions_visible=True,
        invoices_per_payment=1,
        idempotency_key=True,
        idempotency_lifetime=KEY_LIFETIME,
        limits=(caps.Limit(per_minute, 60), caps.Limit(per_day, 86_400), app_limit),
        concurrency=concurrency,
        overlap=overlap,
    )
