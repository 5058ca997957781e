"""
What can be done with ConnectWise, as the connector's arguments make it.

A pure table: nothing here does it.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from tieout import capabilities as caps
from tieout.capabilities import Changed, Dated, Everything, Open, Unposted, Verb
from tieout.connectors.connectwise.bodies import IDENTIFIER_MAX
from tieout.models import (
    Application,
    Basis,
    CreditNote,
    Customer,
    Invoice,
    Part,
    Payment,
    Posting,
    RecordType,
    Settlement,
)

BATCH_MAX = 50
"""Documents in one accounting batch of ours; as many are asked for in one address."""

NUMBER_LENGTH = 15
"""Characters of an invoice's number, which is our mark."""

# fmt: off
_LISTED, _VERBS = frozenset({Changed, Everything}), frozenset(Verb)


def _kinds(page: int, fetch: int, *, may_delete: bool, stamped: bool, final: bool) -> dict[RecordType, caps.Kind]:
    """What can be done with each kind; ``page`` and ``fetch`` are sizes."""
    document = caps.Kind(
        _VERBS if may_delete else _VERBS - {Verb.VOID}, _LISTED | {Dated, Open},
        writable=frozenset({"number", "customer", "on", "due", "total"}), updates=caps.Updates.SPARSE,
        creates=caps.Creates.FINAL if final else caps.Creates.POSTED_BY_A_PERSON,
        mark=caps.Mark("invoiceNumber", is_number=True, length=NUMBER_LENGTH), number_length=NUMBER_LENGTH,
        page_size=page, fetch_size=fetch, page_after_full=True, stable_order=True, write_calls=1 + may_delete,
    )
    # Nothing lists payments: a page of them is one of invoices, and a call for each of these.
    some = min(page, fetch)
    payment = evolve(
        document, verbs=_VERBS, selects=_LISTED if stamped else frozenset({Everything}), writable=frozenset({"amount", "on"}),
        creates=caps.Creates.FINAL, mark=None, number_length=None,
        page_size=some, fetch_size=some, page_calls=1 + some, write_calls=1,
    )
    changed = evolve(document, verbs=_VERBS - {Verb.CREATE, Verb.VOID}, creates=None, mark=None)
    return {
        Customer: evolve(
            payment, selects=_LISTED, writable=frozenset({"name", "number", "email"}), mark=caps.Mark("identifier", length=IDENTIFIER_MAX),
            page_size=page, fetch_size=fetch, page_calls=1,
        ),
        Invoice: document, CreditNote: evolve(document, writable=document.writable - {"due"}),
        Payment: payment, Application: evolve(payment, verbs=_VERBS - {Verb.UPDATE}, writable=frozenset(), updates=caps.Updates.NONE),
        Settlement: evolve(changed, writable=frozenset({"settled_by", "paid_on"}), write_calls=2),
        # What stands there, whether the batch was made before, the export, the batch.
        Posting: evolve(
            changed, verbs=_VERBS - {Verb.CREATE}, selects=frozenset({Unposted}), writable=frozenset({"on"}),
            batch_size=min(fetch, BATCH_MAX), page_calls=2, write_calls=4,
        ),
    }


def abilities(page: int, fetch: int, *, may_delete: bool, stamped: bool, final: bool, dated: bool, **ways: Any) -> caps.Capabilities:
    """Kinds, money, and the ``ways`` of asking that are arguments too."""
    payments = caps.Payments(
        feeds=(caps.Feed.STAMP,), blind=frozenset({caps.Blind.DELETIONS} if stamped else caps.Blind),
        parts=frozenset({Part.CASH, Part.CREDIT}), paid_on=Basis.LAST_RECEIPT, detail=caps.Cost.CALL_EACH,
        holds_date_alone=False, holds_open_date=dated, owned_payment=True,
    )
    kinds = _kinds(page, fetch, may_delete=may_delete, stamped=stamped, final=final)
    return caps.Capabilities("ConnectWise", kinds, payments, invoices_per_payment=1, **ways)
# fmt: on
