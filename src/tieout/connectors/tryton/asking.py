"""
What each write of Tryton's is made of: looking up, wizards, warnings, and the look before.

Tryton has no idempotency keys and accepts duplicates, so each write looks before it sends.
What is written is known in `documents` and `paying`; nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

from attrs import frozen

from tieout.change import Change, Outcome
from tieout.connector import Fields, RestConnector
from tieout.connectors.tryton.bodies import Defaults
from tieout.connectors.tryton.errors import BY_HAND
from tieout.connectors.tryton.levels import JOURNALS, inside
from tieout.connectors.tryton.queries import FIELDS, MODELS, marked, scope, search_read
from tieout.connectors.tryton.records import ID
from tieout.connectors.tryton.wire import answered, call, warning, wizard
from tieout.errors import Code, Fault
from tieout.models import Part, Record, RecordType, Settlement
from tieout.wire import Answer, Flow, Request, Response

WARNINGS_MAX = 5
"""Warnings that one call may give one after the other; each is skipped by a call."""


@frozen
class Asking:
    """
    What all writers need of a connector.

    ``skip`` are the names of warnings that count as confirmed; ``overpay`` allows payments
    of more than is owed.
    """

    connector: RestConnector
    defaults: Defaults
    skip: Collection[str] = ()
    overpay: bool = False

    def rows(self, model: str, domain: list[Any], fields: str) -> Flow[list[Any]]:
        asked = search_read(model, domain, fields)
        return answered((yield from self.connector.ask(asked)), list)

    def row(self, kind: RecordType, identity: str) -> Flow[Fields]:
        """The record of an id; `Fault` NO_SUCH_RESOURCE where there is none."""
        ids = [int(identity)] if ID.fullmatch(identity) else []
        domain = [*scope(kind, self.defaults.company), ["id", "in", ids]]
        rows = yield from self.rows(MODELS[kind], domain, FIELDS[kind])
        if not rows:
            name = "Invoice" if kind is Settlement else kind.__name__
            text = f"there is no {name} {identity}"
            raise Fault(Code.NO_SUCH_RESOURCE, text)
        return Fields(rows[0])

    def target(self, change: Change) -> Flow[tuple[Fields, Any]]:
        """The row that a change is about, and the record that it is."""
        assert change.target is not None
        row = yield from self.row(change.kind, change.target.id)
        record = self.connector.resource(change.kind).load(row)
        if record is None:
            kind, identity = change.kind.__name__, change.target.id
            raise Fault(Code.NO_SUCH_RESOURCE, f"{identity} is no {kind}")
        return row, record

    def found(self, change: Change) -> Flow[tuple[Fields, Record] | None]:
        """What carries the mark of a create already."""
        kind = change.kind
        if not change.mark:
            return None
        domain = [*scope(kind, self.defaults.company), *marked(kind, [change.mark])]
        rows = yield from self.rows(MODELS[kind], domain, FIELDS[kind])
        load = self.connector.resource(kind).load
        pairs: list[tuple[Fields, Any]] = [
            (row, load(row)) for row in map(Fields, rows)
        ]
        ours = [(row, x) for row, x in pairs if x and change.mark in _marks(x)]
        if len(ours) > 1:
            text = f"{len(ours)} documents carry the mark {change.mark}"
            raise Fault(Code.DUPLICATE_NUMBER, text)
        return ours[0] if ours else None

    def done(self, change: Change, identity: str) -> Flow[Outcome]:
        """A change that was carried out, with the record as it is now."""
        row = yield from self.row(change.kind, identity)
        return self.connector.made(self.connector.resource(change.kind), change, row)

    def insisted(
        self, request: Request, confirmed: Collection[str] = ()
    ) -> Flow[Response]:
        """
        A call whose warnings are skipped, as far as they count as confirmed: each for one
        call of this user.
        """
        response = yield request
        for _ in range(WARNINGS_MAX):
            key = warning(response)
            if key.partition(".")[2] not in (*self.skip, *confirmed):
                break
            skip = call("res.user.warning.skip", key, False, effect=True)
            yield from self.connector.ask(skip)
            response = yield request
        verdict = self.connector.judge(response)
        if verdict.answer is not Answer.OK:
            fault = verdict.fault()
            name = warning(response).partition(".")[2]
            fault.text = f"{fault.text} ({name})" if name else fault.text
            raise fault
        return response

    def through(
        self,
        name: str,
        state: str,
        forms: Callable[[int], Flow[Mapping[str, Any]]] | Mapping[str, Any],
        on: dict[str, Any],
        confirmed: Collection[str] = (),
    ) -> Flow[dict[str, Any]]:
        """A wizard to its one step with an effect; what that answers."""
        begun = yield from self.connector.ask(wizard(name, "create"))
        (session, *_) = answered(begun, list)
        sent = (yield from forms(session)) if callable(forms) else forms
        step = wizard(name, "execute", session, sent, state, effect=True, **on)
        response = yield from self.insisted(step, confirmed)
        with suppress(Fault):  # sessions that were left are cleared by Tryton itself
            yield from self.connector.ask(wizard(name, "delete", session))
        return answered(response, dict)

    def made(self, model: str, values: Mapping[str, Any]) -> Flow[str]:
        asked = call(f"{model}.create", [values], effect=True)
        (made,) = answered((yield from self.connector.ask(asked)), list)
        return str(made)

    def guarded(self, change: Change, model: str, values: Mapping[str, Any]) -> Request:
        """A write that is refused where the record changed since it was read."""
        assert change.target is not None
        identity, before = int(change.target.id), change.before
        version = getattr(before, "version", "")
        guard = {"_timestamp": {f"{model},{identity}": version}} if version else {}
        return call(f"{model}.write", [identity], values, effect=True, **guard)

    def undone(
        self, lines: Iterable[Fields], what: str, own: Collection[str]
    ) -> Flow[None]:
        """Delete the reconciliations of these lines, where nothing else hangs on them."""
        ids = set()
        for line in lines:
            if not line.has("reconciliation"):
                continue
            ids.add(int(line.id("reconciliation")))
            for each in inside(line, "reconciliation").children("lines."):
                if each.id("id") not in own and not _stays(each):
                    text = f"{what} is reconciled together with other documents"
                    raise BY_HAND.fault(text)
        if ids:
            name = "account.move.reconciliation.delete"
            yield from self.insisted(call(name, sorted(ids), effect=True))


def wanted(change: Change, kind: type[Any]) -> Any:
    """What is wanted, of this kind; the base has let no other change through."""
    if not isinstance(change.after, kind):
        raise Fault(Code.BAD_FIELD, f"what is wanted is no {kind.__name__}")
    return change.after


def _marks(record: Record) -> list[str]:
    return str(record.custom.get("mark", "")).split()


def _stays(line: Fields) -> bool:
    """
    Whether nothing is lost of a line where its reconciliation is undone.

    The invoice's own is simply owed again, and what is linked to an invoice stays so.
    """
    part = JOURNALS.get(inside(line, "move", "journal").text("type"))
    owed = line.raw.get("debit") or 0
    linked = bool(line.raw.get("invoice_payments"))
    return linked or (part is Part.CREDIT and owed > 0)
