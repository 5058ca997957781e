"""
What can be done with the host's own, as data: a pure function of what it offers.

Nothing here does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tieout import capabilities as can
from tieout.capabilities import Capabilities, Changed, Verb
from tieout.models import Basis, Part, RecordType, Settlement

AT_ONCE, DAILY = timedelta(0), timedelta(days=1)

LEVELS_WRITTEN: Mapping[str, Any] = {
    "verbs": frozenset({Verb.READ, Verb.UPDATE}),
    "writable": frozenset({"settled_by", "paid_on"}),
    "updates": can.Updates.SPARSE,
}
"""What is said of the money of an invoice where it can be written."""


def document_kind(
    verbs: frozenset[Verb],
    selects: frozenset[type],
    writable: frozenset[str],
    mark: str,
    **sizes: Any,
) -> can.Kind:
    """What can be done with one kind of document; ``mark`` is where ours stands, or ""."""
    creates, updates = Verb.CREATE in verbs, Verb.UPDATE in verbs
    return can.Kind(
        verbs,
        selects,
        writable if updates else frozenset(),
        can.Creates.FINAL if creates else None,
        can.Updates.SPARSE if updates else can.Updates.NONE,
        mark=can.Mark(mark) if mark and creates else None,
        **sizes,
    )


def own_capabilities(
    system: str,
    levels: can.Kind | None,
    documents: Mapping[RecordType, can.Kind],
    *,
    credits_told: bool = False,
    compared: bool = False,
    late_commit: timedelta = AT_ONCE,
) -> Capabilities:
    """
    The money of invoices, where it is offered, and the documents.

    ``credits_told``: the credited part of a level is known. ``compared``: what is changed
    is compared with what it was, all of it, by the host itself: as good as a version.
    """
    stamped = levels is not None and Changed in levels.selects
    parts = {Part.CASH, Part.CREDIT} if credits_told else {Part.CASH}
    payments = can.Payments(
        feeds=(can.Feed.STAMP,) if stamped else (),
        blind=frozenset({can.Blind.DELETIONS}) if stamped else frozenset(),
        sweep_every=DAILY if stamped else None,
        parts=frozenset(parts if levels else ()),
        paid_on=Basis.LEDGER_FIELD,
    )
    kinds = {Settlement: levels} if levels else {}
    return Capabilities(
        system,
        {**kinds, **documents},
        payments=payments,
        late_commit=late_commit,
        search_lag=AT_ONCE,
        version_token=compared,
        free_reads=True,
    )
