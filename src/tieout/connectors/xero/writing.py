"""
How Xero is written to: several documents in one request, each judged by its own element.

What an element holds stands in the room next door; nothing here reads a list of records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from tieout.change import Action, Change, Outcome
from tieout.connector import Fields, Resource, RestConnector, guarded_batch, judge
from tieout.connectors.xero.abilities import KEY_LENGTH_MAX
from tieout.connectors.xero.bodies import Bodies, allocation, ended
from tieout.connectors.xero.errors import said
from tieout.connectors.xero.records import Records
from tieout.errors import Code, Fault
from tieout.models import Application, Payment, RecordType
from tieout.wire import Flow, Request, Response


class Writer(RestConnector):
    """The half of a connector to Xero that writes."""

    _bodies: Bodies
    _records: Records

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        """Documents of one kind in one request; what has an address of its own, alone."""
        alone = [change for change in changes if _stands_alone(change)]
        found = [*(yield from super().write(alone))]
        together: dict[tuple[RecordType, bool], list[Change]] = {}
        for change in changes:
            if not _stands_alone(change):
                key = (change.kind, change.action is Action.CREATE)
                together.setdefault(key, []).append(change)
        for some in together.values():
            flow = guarded_batch(self._together(some), some, self.judge)
            found += yield from flow
        return tuple(found)

    # Together

    def _together(self, changes: Sequence[Change]) -> Flow[list[Outcome]]:
        """One request for several documents, each judged by its own element."""
        resource, creates = self.resource(changes[0].kind), changes[0].target is None
        mark = self.capabilities.kind(resource.kind).mark
        key = mark.field if creates and mark else resource.id_field
        sent: dict[str, Change] = {}
        elements: list[dict[str, Any]] = []
        outcomes: list[Outcome] = []
        for change in changes:
            try:
                element = self._element(resource, change, key, sent)
            except Fault as fault:
                outcomes.append(Outcome.failed(change, fault))
            else:
                sent[element[key]] = change
                elements.append(element)
        if not elements:
            return outcomes
        response = yield Request(
            # POST of a number that exists would overwrite that document.
            "PUT" if creates else "POST",
            resource.path,
            {"summarizeErrors": "false", "unitdp": "4"},
            _keyed(sent.values()),
            json={resource.rows: elements},
            effect=True,
        )
        if not response.ok:
            raise self.judge(response).fault()
        for row in map(Fields, self.rows(resource, response)):
            named, text = sent.get(row.text(key)), "; ".join(said(row.raw))
            if named is not None and text:
                verdict = judge(Response(400), self.rules, text=text)
                outcomes.append(Outcome.failed(named, verdict.fault()))
            elif named is not None:
                with suppress(Fault):  # then it is looked for
                    outcomes.append(self.made(resource, named, row))
        return outcomes

    def _element(
        self, resource: Resource[Any], change: Change, key: str, others: Container[str]
    ) -> dict[str, Any]:
        """A document as it is sent, told apart from the others by its key."""
        self.check_allowed(change)
        sent = self._bodies.of(change)
        if change.target is not None:
            sent |= {resource.id_field: change.target.id}
        if not sent.get(key):
            text = f"it needs a {key}, by which it is found again"
            raise Fault(Code.NOT_ALLOWED, text)
        if sent[key] in others:
            text = f"another document of the same {key} is sent with it"
            raise Fault(Code.DUPLICATE_NUMBER, text)
        return sent

    # Alone

    def write_request(self, resource: Resource[Any], change: Change) -> Request:
        """What stands alone: a credit note's allocation, and the end of a payment."""
        if change.kind is Payment and change.target:
            url = f"{resource.path}/{quote(change.target.id, safe='')}"
            body: dict[str, Any] = {resource.rows: [ended(change)]}
            return Request("POST", url, json=body, effect=True)
        if change.target:
            note, _, own = change.target.id.partition("/")
            url = f"{_allocations(resource, note)}/{quote(own, safe='')}"
            return Request("DELETE", url, effect=True)
        put = change.after
        if not isinstance(put, Application) or put.source.kind != "CreditNote":
            raise Fault(Code.NOT_ALLOWED, "only credit notes can be put to an invoice")
        url = _allocations(resource, put.source.id)
        body = {"Allocations": [allocation(put)]}
        return Request("PUT", url, (), _keyed([change]), json=body, effect=True)

    def written(
        self, resource: Resource[Any], change: Change, response: Response
    ) -> Outcome:
        put = change.after
        if not isinstance(put, Application):
            return Outcome.applied(change)
        (row,) = Fields(response.json()).children("Allocations")
        echo = self._records.application(row, put.source, put.currency, put.on)
        return Outcome.applied(change, ref=echo.ref, echo=echo)


def _stands_alone(change: Change) -> bool:
    """Whether a change has an address of its own: an allocation, a payment's end."""
    ends = change.kind is Payment and change.action is Action.VOID
    return ends or change.kind is Application


def _allocations(resource: Resource[Any], note: str) -> str:
    """Where the allocations of a credit note stand."""
    return f"{resource.path}/{quote(note, safe='')}/Allocations"


def _keyed(changes: Iterable[Change]) -> dict[str, str]:
    """The key of a request: the same for the same changes in the same order."""
    keys = [change.key for change in changes]
    if not all(keys):
        return {}
    joined = "|".join(keys)
    key = keys[0] if len(keys) == 1 else hashlib.sha256(joined.encode()).hexdigest()
    return {"Idempotency-Key": key[:KEY_LENGTH_MAX]}
