"""
What Invoiced can do, as data: a pure function of the connector's arguments.

Nothing here does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from attrs import evolve

from tieout import capabilities as caps
from tieout.capabilities import Changed, Dated, Everything, Open
from tieout.connectors.invoiced.metadata import VALUE_LENGTH_MAX
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

PAGE_MAX = 100
"""What a public client asks for; the vendor's most is not documented."""

LIMITS = (caps.Limit(300, 60.0, caps.LimitScope.CREDENTIAL),)
"""The vendor publishes none: five a second is modest."""

_READ, _CREATE, _UPDATE, _VOID = caps.Verb
_DATED = frozenset({Changed, Dated, Everything})
_KIND = caps.Kind(
    verbs=frozenset(caps.Verb),
    selects=_DATED,
    creates=caps.Creates.FINAL,
    updates=caps.Updates.SPARSE,
    page_repeats=1,
    stable_order=True,
    fetch_alone=True,
)
_DOCUMENT = evolve(
    _KIND,
    selects=_DATED | {Open},
    writable=frozenset({"number", "currency", "on", "reference", "lines", "custom"}),
)
_KINDS: Mapping[RecordType, caps.Kind] = {
    Customer: evolve(
        _KIND,
        verbs=frozenset({_READ, _CREATE, _UPDATE}),
        selects=_DATED - {Dated},
        writable=frozenset({"name", "number", "email", "currency", "parent", "custom"}),
    ),
    Invoice: evolve(_DOCUMENT, writable=_DOCUMENT.writable | {"due"}),
    CreditNote: _DOCUMENT,
    Payment: evolve(
        _KIND,
        writable=frozenset(
            {"on", "amount", "reference", "method", "applications", "custom"}
        ),
        write_calls=2,
    ),
    Application: evolve(
        _KIND,
        verbs=frozenset({_READ, _CREATE, _VOID}),
        updates=caps.Updates.NONE,
        write_calls=2,
    ),
    Settlement: evolve(
        _KIND,
        verbs=frozenset({_READ, _UPDATE}),
        selects=_DATED | {Open},
        writable=frozenset({"settled_by", "paid_on", "last_on"}),
        creates=None,
        write_calls=3,
        # A credit note was issued against few of the invoices that change.
        lists=3,
        long_lists=2,
    ),
}
_PAYMENTS = caps.Payments(
    feeds=(caps.Feed.STAMP, caps.Feed.PAYMENTS, caps.Feed.CREDITS),
    blind=frozenset({caps.Blind.DELETIONS}),
    parts=frozenset({Part.CASH, Part.CREDIT}),
    paid_on=Basis.LAST_RECEIPT,
    detail=caps.Cost.CALL_EACH,
    holds_date_alone=False,
    holds_open_date=True,
    owned_payment=True,
)


def capabilities(
    *,
    metadata_key: str,
    page_size: int,
    fetch_size: int,
    concurrency: int,
    limits: tuple[caps.Limit, ...],
    idempotency_lifetime: timedelta,
    overlap: timedelta,
    sweep_every: timedelta | None,
) -> caps.Capabilities:
    """What the connector with these arguments can do."""
    mark = caps.Mark(f"metadata[{metadata_key}]", length=VALUE_LENGTH_MAX)
    return caps.Capabilities(
        "Invoiced",
        {
            kind: evolve(
                able,
                page_size=page_size,
                fetch_size=fetch_size,
                mark=mark if able.can(_CREATE) else None,
            )
            for kind, able in _KINDS.items()
        },
        evolve(_PAYMENTS, sweep_every=sweep_every),
        idempotency_key=bool(idempotency_lifetime),
        idempotency_lifetime=idempotency_lifetime,
        limits=limits,
        concurrency=concurrency,
        overlap=overlap,
    )
