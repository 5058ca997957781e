"""
How changes are written to QuickBooks Online: in batches, each part judged by itself.

What a body holds stands in the room next door; nothing here reads a list of records,
besides the invoices that credits are put to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from attrs import evolve

from tieout.change import Action, Change, Outcome
from tieout.connector import Fields, Resource, batches, guarded_batch, judge
from tieout.connectors.quickbooks import queries
from tieout.connectors.quickbooks.bodies import Bodies, applies_credit, refused, targets
from tieout.connectors.quickbooks.errors import INACTIVE, faulty, told
from tieout.connectors.quickbooks.reading import Reader
from tieout.connectors.quickbooks.records import own_id
from tieout.errors import Code, Fate, Fault
from tieout.models import (
    Application,
    CreditNote,
    Invoice,
    Payment,
    RecordType,
)
from tieout.wire import Answer, Flow, Request, Response, Verdict

KEY_MAX, BATCH_KEY_MAX = 50, 36
"""Characters of a ``requestid``; in a batch at most 36, and 10 for each part's own."""

PAUSE = 60.0
"""Seconds after a throttled call; the vendor's advice, since no answer names a pause."""

_ENDS: Mapping[RecordType, Mapping[str, str]] = {
    Invoice: {"operation": "void"},
    Payment: {"operation": "update", "include": "void"},
    Application: {"operation": "update", "include": "void"},
    CreditNote: {"operation": "delete"},
}
"""By what parameters of the address a record is taken back."""


class Writer(Reader):
    """The half of a connector to QuickBooks that writes."""

    bodies: Bodies

    # Judging

    def suspicious(self, response: Response) -> bool:
        if b'ault"' not in response.body:
            return False
        with suppress(Fault):
            return faulty(response.json())
        return False

    def explain(self, response: Response) -> tuple[str, str]:
        try:
            code, text = told(response.json())
        except Fault:
            code, text = "", response.text().strip()
        mark = response.header("intuit_tid")
        return code, f"{text} (intuit_tid {mark})" if text and mark else text

    def judge(self, response: Response) -> Verdict:
        verdict = super().judge(response)
        if verdict.answer is Answer.WAIT and verdict.wait is None:
            return evolve(verdict, wait=PAUSE)
        return verdict

    # Writing

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        """Changes of one kind in one request, as far as a batch takes them."""
        alone = [change for change in changes if _stands_alone(change)]
        groups: dict[RecordType, list[Change]] = {}
        for change in changes:
            if not _stands_alone(change):
                groups.setdefault(change.kind, []).append(change)
        alone += [some[0] for some in groups.values() if len(some) == 1]
        found = [*(yield from super().write(alone))]
        for kind, some in groups.items():
            size = self.capabilities.kind(kind).batch_size
            for batch in batches(some, size) if len(some) > 1 else ():
                flow = guarded_batch(self._together(batch), batch, self.judge)
                found += yield from flow
        return tuple(found)

    def write_one(self, change: Change) -> Flow[Outcome]:
        owners = yield from self._owners([change])
        resource, body = self.resource(change.kind), self._body(change, owners)
        ends = _ENDS.get(change.kind, {}) if change.action is Action.VOID else {}
        if ends.get("operation") == "update":
            body["sparse"] = True
        params = {**ends, **self._params([change])}
        request = Request("POST", resource.path, params, json=body, effect=True)
        try:
            response = yield from self.ask(request)
        except Fault as fault:
            raise _meant(fault, change, body) from fault
        row = Fields(response.json()).child(resource.item)
        return self._done(resource, change, row)

    def _together(self, changes: Sequence[Change]) -> Flow[list[Outcome]]:
        """One batch; its parts come back in any order, told apart by their ids."""
        owners = yield from self._owners(changes)
        resource = self.resource(changes[0].kind)
        sent: dict[str, tuple[Change, dict[str, Any]]] = {}
        parts: list[dict[str, Any]] = []
        outcomes: list[Outcome] = []
        for change in changes:
            try:
                self.check_allowed(change)
                body = self._body(change, owners)
            except Fault as fault:
                outcomes.append(Outcome.failed(change, fault))
                continue
            own = str(len(sent) + 1)
            sent[own] = (change, body)
            named = {"bId": own, "operation": _operation(change)}
            parts.append({**named, resource.item: body})
        if not sent:
            return outcomes
        response = yield from self.ask(
            Request(
                "POST",
                "batch",
                self._params([each for each, _ in sent.values()]),
                json={"BatchItemRequest": parts},
                effect=True,
            )
        )
        for part in Fields(response.json()).children("BatchItemResponse"):
            ours = sent.get(part.text("bId"))
            if ours is not None:
                with suppress(Fault):  # then it is looked for
                    outcomes.append(self._part(resource, *ours, part))
        return outcomes

    def _part(
        self,
        resource: Resource[Any],
        change: Change,
        body: Mapping[str, Any],
        part: Fields,
    ) -> Outcome:
        """What one part of a batch's answer says came of its change."""
        if faulty(part.raw):
            code, text = told(part.raw)
            fault = judge(Response(400), self.rules, code, text).fault()
            return Outcome.failed(change, _meant(fault, change, body))
        return self._done(resource, change, part.child(resource.item))

    def _done(
        self, resource: Resource[Any], change: Change, row: Fields | None
    ) -> Outcome:
        """A change that was carried out, with the record that the answer shows."""
        if change.action is Action.VOID:
            return Outcome.applied(change, version=row.text("SyncToken") if row else "")
        if row is None:
            raise Fault(
                Code.BAD_PAYLOAD, f"no {resource.item} in it", fate=Fate.UNCLEAR
            )
        return self.made(resource, change, row)

    def _body(self, change: Change, owners: Mapping[str, Fields]) -> dict[str, Any]:
        if change.kind is Application and change.action is Action.VOID:
            put = change.before
            if not isinstance(put, Application) or not put.carry:
                text = "it stands in a payment that holds more: edit that in QuickBooks"
                raise refused(text)
        elif change.kind is Application and not applies_credit(change):
            raise refused("a payment is put to an invoice by an update of the payment")
        if change.action is Action.CREATE:
            self._check_findable(change)
        owner = owners.get(targets([change])[0]) if targets([change]) else None
        return self.bodies.of(change, owner)

    def _check_findable(self, change: Change) -> None:
        """Refuse a number that no search could find again: it would be the only mark."""
        mark = self.capabilities.kind(change.kind).mark
        if mark is not None and mark.is_number:
            queries.literal(change.number or getattr(change.after, "number", ""))

    def _owners(self, changes: Sequence[Change]) -> Flow[dict[str, Fields]]:
        """The invoices that credits are put to: a payment needs their customer."""
        wanted = targets([each for each in changes if applies_credit(each)])
        wanted = [each for each in wanted if self.is_id(each)]
        if not wanted:
            return {}
        invoices = self.resource(Invoice)
        literals = [queries.literal(each) for each in wanted]
        request = self.fetch_request(invoices, "id", literals)
        rows = yield from self.all_rows(invoices, request)
        return {own_id(row): row for row in map(Fields, rows)}

    def _params(self, changes: Iterable[Change]) -> dict[str, str]:
        """What goes with every write: the version of the API, and our key."""
        key = _request_id([change.key for change in changes])
        return {**({"requestid": key} if key else {}), **self.version}


def _stands_alone(change: Change) -> bool:
    """Whether a change has parameters of its own, which a batch does not take."""
    return change.action is Action.VOID and change.kind in _ALONE


_ALONE = (Invoice, Payment, Application)


def _meant(fault: Fault, change: Change, body: Mapping[str, Any]) -> Fault:
    """
    A fault, as it is meant of a record that was to be changed.

    "Made inactive" is said of what a body names, and of a record that is gone itself:
    where the body names none it is the record.
    """
    names = any(key == "Line" or key.endswith("Ref") for key in body)
    gone = fault.code is Code.NO_SUCH_RESOURCE or (
        fault.remedy == INACTIVE and not names
    )
    if change.target is None or not gone:
        return fault
    return Fault(Code.VANISHED, fault.text, fate=fault.fate)


def _operation(change: Change) -> str:
    """What a batch calls it; a customer's end is an update."""
    if change.action is Action.CREATE:
        return "create"
    deletes = change.action is Action.VOID and change.kind is CreditNote
    return "delete" if deletes else "update"


def _request_id(keys: Sequence[str]) -> str:
    """One key for all: the same for the same changes in the same order."""
    if not all(keys):
        return ""
    if len(keys) == 1 and len(keys[0]) <= KEY_MAX:
        return keys[0]
    return hashlib.sha256("|".join(keys).encode()).hexdigest()[:BATCH_KEY_MAX]
