"""
Accounting batches: documents are handed over by putting them into one, all or none.

A batch counts in both systems, so none is made twice and none is deleted that holds
anything else. What the ledger makes of a document is no part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from tieout.change import Action, Change, Outcome
from tieout.connector import Fields, Page, enveloped, guarded_batch
from tieout.connectors.connectwise.errors import UNPOSTED, WHOLE_BATCH
from tieout.connectors.connectwise.records import id_behind, own_id
from tieout.errors import Code, Fault
from tieout.models import Posting
from tieout.wire import Flow, Request, Response, Verdict

ACCOUNTING = "finance/accounting"
LISTED, BATCHES, EXPORT = (
    f"{ACCOUNTING}/{name}" for name in ("unpostedinvoices", "batches", "export")
)

NAME_LENGTH = 50
"""Characters of a batch's name."""

INVOICES_ALONE = {
    "exportInvoicesFlag": True,
    "exportExpensesFlag": False,
    "exportProductsFlag": False,
}
"""What a batch is made of: expenses and products have batches of their own."""


class Documents(Protocol):
    """What a connector has to offer whose documents stand in batches."""

    batch_prefix: str

    def standing(self, ids: Sequence[str]) -> Flow[Page[Posting]]:
        """Documents as they stand, but for when their batches were made."""
        ...

    def ask(self, request: Request) -> Flow[Response]: ...

    def listed(self, path: str, condition: str = "") -> Flow[list[Any]]:
        """All rows of a list."""
        ...

    def judge(self, response: Response) -> Verdict: ...


def is_posting(change: Change) -> bool:
    """Whether a change is of a document's place in a batch."""
    return change.kind is Posting and change.action in (Action.UPDATE, Action.VOID)


def hands_over(change: Change) -> bool:
    """Whether it is to stand in one."""
    return isinstance(change.after, Posting) and change.after.on is not None


def hand_over(documents: Documents, changes: Sequence[Change]) -> Flow[list[Outcome]]:
    """
    Put what stands in no batch yet into one.

    Its name follows from the changes': one whose answer was lost is found by it.
    """
    outcomes, waiting = yield from _as_they_are(documents, changes, handed_over=False)
    if not waiting:
        return outcomes
    name = _name(documents.batch_prefix, waiting)
    there = yield from documents.listed(BATCHES, f'batchIdentifier="{name}"')
    if there:
        inside = yield from _inside(documents, own_id(Fields(there[0])))
        return outcomes + [_found(change, name, inside) for change, _ in waiting]
    ready, refused = yield from _ready(documents, name, waiting)
    outcomes += refused
    if ready:
        yield from _made(documents, name, ready.values())
    done = [change for change, _ in waiting if change.name in ready]
    return outcomes + [Outcome.applied(change) for change in done]


def take_back(documents: Documents, changes: Sequence[Change]) -> Flow[list[Outcome]]:
    """Delete the batches of these documents, each only if it holds nothing else."""
    outcomes, waiting = yield from _as_they_are(documents, changes, handed_over=True)
    batches: dict[str, list[Change]] = {}
    for change, held in waiting:
        batches.setdefault(held.carry, []).append(change)
    for batch, some in batches.items():
        flow = _deleted(documents, batch, some)
        outcomes += yield from guarded_batch(flow, some, documents.judge)
    return outcomes


def _as_they_are(
    documents: Documents, changes: Sequence[Change], *, handed_over: bool
) -> Flow[tuple[list[Outcome], list[tuple[Change, Posting]]]]:
    """What is as wanted already or is gone, and what is left to do."""
    targets = {change.name: change.target.id for change in changes if change.target}
    page = yield from documents.standing([*targets.values()])
    held = {record.ref.id: record for record in page.records}
    bad = {issue.source.id: issue for issue in page.issues if issue.source}
    outcomes: list[Outcome] = []
    waiting: list[tuple[Change, Posting]] = []
    for change in changes:
        own = targets.get(change.name, "")
        found = held.get(own)
        if found is None:
            fault = Fault(Code.VANISHED, f"there is no document {own}")
            if own in bad:
                fault = Fault(bad[own].code, bad[own].text, field=bad[own].field)
            outcomes.append(Outcome.failed(change, fault))
        elif (found.on is not None) is handed_over:
            waiting.append((change, found))
        else:
            outcomes.append(Outcome.applied(change, version=found.version))
    return outcomes, waiting


def _name(prefix: str, waiting: Iterable[tuple[Change, Posting]]) -> str:
    joined = "\x1f".join(sorted(change.name for change, _ in waiting))
    digest = hashlib.sha256(joined.encode()).hexdigest()[:32]
    return f"{prefix[: NAME_LENGTH - len(digest)]}{digest}"


def _found(change: Change, name: str, inside: dict[str, str]) -> Outcome:
    """What a batch of our own name, made before, says of a change."""
    if change.target and change.target.id in inside:
        return Outcome.applied(change)
    text = f"batch {name} was made without it"
    return Outcome.failed(change, Fault(Code.STALE_VERSION, text))


def _ready(
    documents: Documents, name: str, waiting: Sequence[tuple[Change, Posting]]
) -> Flow[tuple[dict[str, list[int]], list[Outcome]]]:
    """The ledger entries of each document, and what cannot be handed over."""
    exported = yield from _exported(documents, name, [held for _, held in waiting])
    numbers = [held.number for _, held in waiting]
    ready: dict[str, list[int]] = {}
    refused: list[Outcome] = []
    for change, held in waiting:
        told = exported.get(held.number, [])
        # Of two documents with one number it is not known whose entries are whose.
        if len(told) == numbers.count(held.number) and all(told):
            ready[change.name] = [entry for entries in told for entry in entries]
        else:
            text = f"{held.number} is not among what can be handed over"
            refused.append(Outcome.failed(change, UNPOSTED.fault(text)))
    return ready, refused


def _exported(
    documents: Documents, name: str, wanted: Sequence[Posting]
) -> Flow[dict[str, list[list[int]]]]:
    """The ledger entries of these documents, by number; an export consumes nothing."""
    included = {"includedInvoiceIds": [int(each.ref.id) for each in wanted]}
    body = {"batchIdentifier": name, **included, **INVOICES_ALONE}
    response = yield from documents.ask(Request("POST", EXPORT, json=body))

    def told() -> dict[str, list[list[int]]]:
        found: dict[str, list[list[int]]] = {}
        for row in Fields(response.json()).children("transactions"):
            entries = row.read("glEntryIds", _whole_numbers)
            found.setdefault(row.number("documentNumber"), []).append(entries)
        return found

    return enveloped(told)


def _whole_numbers(told: Any) -> list[int]:
    """Ids from a list, or from a text with commas."""
    listed = told.split(",") if isinstance(told, str) else told
    return [int(each) for each in listed if str(each).strip()]


def _made(documents: Documents, name: str, entries: Iterable[list[int]]) -> Flow[None]:
    """The one effect: all of it becomes a batch."""
    processed = sorted({entry for some in entries for entry in some})
    body = {"batchIdentifier": name, "processedRecordIds": processed}
    request = Request("POST", BATCHES, json={**body, **INVOICES_ALONE}, effect=True)
    response = yield from documents.ask(request)
    if Fields(response.json()).text("batchIdentifier") != name:
        raise Fault(Code.BAD_PAYLOAD, "the answer shows another batch")


def _deleted(
    documents: Documents, batch: str, changes: Sequence[Change]
) -> Flow[list[Outcome]]:
    """Take a batch back that holds these documents and nothing else."""
    inside = yield from _inside(documents, batch)
    ours = {change.target.id for change in changes if change.target}
    others = sorted(name for own, name in inside.items() if own not in ours)
    if others:
        text = f"its accounting batch also holds {', '.join(others)}"
        raise WHOLE_BATCH.fault(text)
    yield from documents.ask(Request("DELETE", f"{BATCHES}/{batch}", effect=True))
    return [Outcome.applied(change) for change in changes]


def _inside(documents: Documents, batch: str) -> Flow[dict[str, str]]:
    """What a batch holds: names by the ids of documents, or of entries of other things."""
    rows = yield from documents.listed(f"{BATCHES}/{batch}/entries")

    def told() -> dict[str, str]:
        found: dict[str, str] = {}
        for entry in map(Fields, rows):
            own, alone = id_behind(entry, "invoice"), f"entry {entry.text('id')}"
            name = entry.inside("invoice").text("identifier") or own
            found[own or alone] = name or alone
        return found

    return enveloped(told)
