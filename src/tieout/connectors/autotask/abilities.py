"""
What can be done with Autotask, as the connector's arguments make it.

A pure table: nothing here does it.
"""

from __future__ import annotations

from attrs import evolve

from tieout import capabilities as caps
from tieout.capabilities import Changed, Dated, Everything, Open, Unposted, Verb
from tieout.connectors.autotask.bodies import NUMBER_LENGTH
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Part,
    Posting,
    RecordType,
    Settlement,
)

_DATED = frozenset({Dated, Everything})


# fmt: off
def _kinds(page: int, fetch: int, mark_field: str, *, multi: bool) -> dict[RecordType, caps.Kind]:
    """What can be done with each kind; ``page`` and ``fetch`` are sizes."""
    # A page of documents is followed by a call for their lines; where there are several
    # currencies, by one for these and one for the companies, which name their own.
    document = caps.Kind(
        frozenset({Verb.READ, Verb.UPDATE}), _DATED | {Unposted}, writable=frozenset({"number"}),
        updates=caps.Updates.SPARSE, number_length=NUMBER_LENGTH,
        page_size=page, fetch_size=fetch, page_calls=2 + 2 * multi,
    )
    companies_calls = 1 + multi
    return {
        Customer: evolve(
            document, verbs=frozenset(Verb), selects=frozenset({Changed, Everything}),
            writable=frozenset({"name", "number", "active", "parent"}), creates=caps.Creates.FINAL,
            mark=caps.Mark(mark_field) if mark_field else None,
            # One that was made is read again.
            number_length=None, page_calls=companies_calls, write_calls=1 + companies_calls,
        ),
        Settlement: evolve(document, selects=_DATED | {Open}, writable=frozenset({"paid_on"}), page_calls=1 + 2 * multi),
        Invoice: evolve(document, selects=document.selects | {Open}),
        CreditNote: document,
        Posting: evolve(document, writable=frozenset({"on"}), page_calls=1),
    }
# fmt: on


def abilities(
    page: int,
    fetch: int,
    *,
    multi: bool,
    credit_notes: bool,
    mark_field: str,
    calls_per_hour: int,
    concurrency: int,
) -> caps.Capabilities:
    """Kinds, money, and the quota that all integrations of a database share."""
    kinds = _kinds(page, fetch, mark_field, multi=multi)
    if not credit_notes:
        del kinds[CreditNote]
    return caps.Capabilities(
        "Autotask",
        kinds,
        caps.Payments(parts=frozenset({Part.CASH}), partial=False),
        limits=(caps.Limit(calls_per_hour, 3600, caps.LimitScope.COMPANY),),
        concurrency=concurrency,
    )
