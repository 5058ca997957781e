"""
What Tryton can do, as data: a pure function of the connector's arguments.

Nothing here does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from attrs import evolve

from tieout import capabilities as caps
from tieout.capabilities import Changed, Dated, Everything, Open, Verb
from tieout.connectors.tryton.levels import JOURNALS
from tieout.models import (
    Application,
    Basis,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    RecordType,
    Settlement,
)

_READ, _CREATE, _UPDATE, _VOID = Verb
_LISTED = frozenset({Changed, Everything})
_DATED = _LISTED | {Dated}
_DOCUMENTS = _DATED | {Open}
_KINDS: Mapping[RecordType, caps.Kind] = {
    Settlement: caps.Kind(selects=_DOCUMENTS, stable_order=True),
    **dict.fromkeys(
        (Invoice, CreditNote),
        caps.Kind(
            verbs=frozenset(Verb),
            selects=_DOCUMENTS,
            writable=frozenset({"reference", "customer", "on", "lines"}),
            creates=caps.Creates.DRAFT_THEN_POST,
            updates=caps.Updates.DRAFTS_ONLY,
            mark=caps.Mark("account.invoice.reference"),
            stable_order=True,
            page_calls=2,  # also what took another document back is asked for
            write_calls=9,
        ),
    ),
    Payment: caps.Kind(
        verbs=frozenset({_READ, _CREATE, _VOID}),
        selects=_DATED,
        # What is put to no invoice is a draft first; the rest is final at once.
        creates=caps.Creates.DRAFT_THEN_POST,
        mark=caps.Mark("account.move.description"),
        stable_order=True,
        write_calls=8,
    ),
    Application: caps.Kind(
        verbs=frozenset({_READ, _CREATE, _VOID}),
        creates=caps.Creates.FINAL,
        page_calls=2,
        write_calls=6,
    ),
    Customer: caps.Kind(
        verbs=frozenset(Verb),
        selects=_LISTED,
        writable=frozenset({"name", "number", "email", "active"}),
        creates=caps.Creates.FINAL,
        updates=caps.Updates.SPARSE,
        mark=caps.Mark("party.identifier.code"),
        stable_order=True,
        write_calls=4,
    ),
}

_WARNED = (Invoice, CreditNote, Payment)
"""The kinds whose writes may give warnings."""


def capabilities(
    page_size: int, fetch_size: int, overlap: timedelta, skips: int
) -> caps.Capabilities:
    """What Tryton can do; ``skips`` are the most calls that warnings add to a write."""
    return caps.Capabilities(
        system="Tryton",
        kinds={
            kind: evolve(
                able,
                page_size=page_size,
                fetch_size=fetch_size,
                page_after_full=True,
                write_calls=able.write_calls + (skips if kind in _WARNED else 0),
            )
            for kind, able in _KINDS.items()
        },
        payments=caps.Payments(
            feeds=(caps.Feed.STAMP, caps.Feed.ENTRIES),
            parts=frozenset(JOURNALS.values()),
            paid_on=Basis.APPLICATIONS,
        ),
        version_token=True,
        invoices_per_payment=1,
        overlap=overlap,
    )
