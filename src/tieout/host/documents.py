"""
Documents in tables: made with their lines and applications, changed, and taken back.

A new document is looked for by its mark, before it is made and after. How a batch becomes
a transaction is said in `tieout.host.transactions`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from attrs import field, frozen

from tieout.change import Action, Change, Outcome
from tieout.errors import Code, Fault
from tieout.host.records import MARK
from tieout.host.registers import ROW, Register, writable_columns
from tieout.host.rows import ApplicationRow
from tieout.host.sql import Database, Sheet
from tieout.host.transactions import OTHERWISE, Step, came_of
from tieout.host.values import written
from tieout.host.wanted import (
    changed_names,
    is_as_wanted,
    is_ended,
    named_by,
    not_moved,
    values_of,
)
from tieout.models import Application, Customer, Line, RecordType, Status

_MONEY = frozenset({"total", "amount", "remaining", "unapplied", "tax"})
_LASTING = frozenset({"name", "total", "amount", "currency", "on"})
"""What a document that was made before has to show still; the rest is the app's to change."""

_GIVEN = frozenset({ROW, "id", "position"})
"""What a row of lines or applications gets that is no part of the document."""


@frozen
class Look:
    """What stands there: rows by id and by mark, and what else is known, by kind."""

    by_id: Mapping[str, dict[str, Any]]
    by_mark: Mapping[str, list[dict[str, Any]]]
    known: Mapping[RecordType, set[str]]


@frozen
class DocumentWriter:
    """
    Writes one kind of document.

    ``others`` are the registers of what it may name: a customer or an invoice that is not
    there is refused, whether or not the database would.
    """

    register: Register
    others: Mapping[RecordType, Register] = field(factory=dict)
    minor_units: bool = False

    def look(self, database: Database, changes: Sequence[Change]) -> Look:
        made = [c.mark for c in changes if c.action is Action.CREATE and c.mark]
        marked: dict[str, list[dict[str, Any]]] = {}
        for row in self.register.within(database, MARK, made) if made else ():
            marked.setdefault(row[MARK], []).append(row)
        known = {
            kind: other.known(database, [i for c in changes for i in named_by(c, kind)])
            for kind, other in self.others.items()
        }
        return Look(self.register.targets(database, changes), marked, known)

    def step(self, change: Change, held: Look) -> Step | None:
        if change.action is Action.CREATE:
            return self._making(change, held)
        assert change.target is not None
        row = held.by_id.get(change.target.id)
        if row is None:
            raise Fault(Code.VANISHED)
        now = self.register.record(row)
        if self._is_done(change, now):
            return None
        not_moved(now, change.before)
        if change.action is Action.VOID:
            values = {"active": False} if change.kind is Customer else {"void": True}
        else:
            self._check_known(change, held)
            told, names = values_of(change), self._changed(change)
            values = self._columns(self.register.sheet, told, change, names)
        return partial(self.register.sheet.update, values=values, held=row)

    def outcome(self, change: Change, count: int, now: Look) -> Outcome:
        if change.action is Action.CREATE:
            return self._made(change, count, now)
        assert change.target is not None
        read = self.register.record(now.by_id.get(change.target.id))
        return came_of(change, count, read, lambda it: self._is_done(change, it))

    def _is_done(self, change: Change, read: Any) -> bool:
        if change.action is Action.VOID:
            return is_ended(read)
        return is_as_wanted(read, change, self._changed(change))

    def _changed(self, change: Change) -> list[str]:
        return changed_names(change, writable_columns(self.register))

    # Making

    def _making(self, change: Change, held: Look) -> Step | None:
        if not change.mark:
            text = "without a mark it could not be found again"
            raise Fault(Code.NOT_ALLOWED, text)
        if change.mark in held.by_mark:
            return None  # it was made before: the outcome says whether it is as wanted
        told = values_of(change)
        self._check_held(told)
        self._check_known(change, held)
        inner = {
            name: [self._inner(sheet, each, change) for each in told.get(name, ())]
            for name, sheet in self.register.inner.items()
        }
        head = self._columns(self.register.sheet, told, change)
        return partial(self._make, head=head | self._own(change), inner=inner)

    def _own(self, change: Change) -> dict[str, Any]:
        """What a new row is told apart by: our mark, and its id where we give it."""
        declared = self.register.declared
        if declared is None or declared.new_id is None:
            return {MARK: change.mark}
        own = self.register.sheet.typed("id", str(declared.new_id()))
        return {MARK: change.mark, "id": own}

    def _make(
        self,
        database: Database,
        head: Mapping[str, Any],
        inner: Mapping[str, Sequence[Mapping[str, Any]]],
    ) -> int:
        """Insert a document and what is inside of it. What is raised takes it back."""
        sheet = self.register.sheet
        sheet.insert(database, head)
        ids = [row["id"] for row in sheet.within(database, MARK, [head[MARK]])]
        if len(ids) != 1 or ids[0] is None:
            text = f"a new row of {sheet.table} has no id, or is not found by its mark"
            raise Fault(Code.REFUSED, text)
        for name, parts in inner.items():
            numbered = "position" in self.register.inner[name].columns
            for at, part in enumerate(parts, 1):
                number = {"position": at} if numbered else {}
                row = {ROW: ids[0], **number, **part}
                self.register.inner[name].insert(database, row)
        return 1

    def _made(self, change: Change, count: int, now: Look) -> Outcome:
        rows = now.by_mark.get(change.mark, ())
        if len(rows) != 1:
            text = f"{len(rows)} rows of {self.register.sheet.table} hold its mark"
            raise Fault(Code.REFUSED, text)
        read = self.register.record(rows[0])
        if not self._shows(read, change, new=count > 0):
            there = "a row with its mark is there, and holds something else"
            raise Fault(Code.REFUSED, OTHERWISE if count else there)
        return Outcome.applied(change, ref=read.ref, version=read.version, echo=read)

    def _shows(self, read: Any, change: Change, *, new: bool) -> bool:
        """Whether a row shows what was wanted; of an older one, what lasts alone."""
        told = values_of(change)
        kept = {*self.register.sheet.columns, *self.register.sheet.fixed}
        names = {n for n in kept if told.get(n) not in (None, "")} - {"draft"}
        if not new:
            return is_as_wanted(read, change, names & _LASTING)
        is_draft = getattr(read, "status", None) is Status.DRAFT
        return (
            is_as_wanted(read, change, names)
            and is_draft == ("draft" in told)
            and not (change.kind is not Customer and is_ended(read))
            and all(self._same(n, read, change.after) for n in self.register.inner)
        )

    def _same(self, name: str, read: Any, wanted: Any) -> bool:
        """Whether lines or applications are as they were wanted, so far as they are kept."""
        kept = self.register.inner[name].columns.keys() - _GIVEN
        found = [_shown(each, kept) for each in getattr(read, name)]
        asked = [
            _shown(each, kept)
            for each in getattr(wanted, name)
            if getattr(each, "live", True)
        ]
        # Lines have an order, applications have none.
        return found == asked if name == "lines" else _are_alike(found, asked)

    # Values

    def _check_held(self, told: Mapping[str, Any]) -> None:
        """Refuse what the table has no place for, where leaving it out would be a lie."""
        sheet = self.register.sheet
        if "draft" in told and "draft" not in sheet.columns:
            raise Fault(Code.NOT_ALLOWED, f"{sheet.table} holds no drafts")
        held = sheet.fixed.get("currency")
        if held is not None and told["currency"] != held:
            text = f"{sheet.table} holds {held} alone"
            raise Fault(Code.CURRENCY_DIFFERS, text, field="currency")

    def _check_known(self, change: Change, held: Look) -> None:
        """Refuse a customer or an invoice that is in no row."""
        for kind, known in held.known.items():
            if strange := named_by(change, kind) - known:
                text = f"{kind.__name__} {', '.join(sorted(strange))} is not there"
                raise Fault(Code.REFUSED, text, field=kind.__name__.lower())

    def _columns(
        self,
        sheet: Sheet,
        told: Mapping[str, Any],
        change: Change,
        names: Iterable[str] | None = None,
    ) -> dict[str, Any]:
        """
        Values for the columns of a sheet; what has no column is not kept.

        A new row leaves out what is not wanted, so that the app's own defaults count.
        """
        chosen = (
            names
            if names is not None
            else {name for name, value in told.items() if value not in (None, "")}
        )
        return {
            name: sheet.typed(name, self._value(name, told[name], change))
            for name in sheet.columns
            if name in chosen
        }

    def _value(self, name: str, value: Any, change: Change) -> Any:
        if not isinstance(value, Decimal):
            return value
        if name in _MONEY or (name == "unit_price" and self.minor_units):
            currency = getattr(change.after, "currency", "")
            return written(value, currency, minor_units=self.minor_units)
        return Decimal(f"{value:f}")  # as text, never with an exponent

    def _inner(
        self, sheet: Sheet, part: Line | ApplicationRow, change: Change
    ) -> dict[str, Any]:
        """One line or application as a row."""
        of = getattr(change.after, "currency", "")
        if isinstance(part, ApplicationRow) and part.currency != of:
            text = f"{sheet.table} holds what was put to invoices in {of} alone"
            raise Fault(Code.CURRENCY_DIFFERS, text, field="applications")
        told = {name: getattr(part, name) for name in sheet.columns.keys() - _GIVEN}
        return self._columns(sheet, told, change)


def _shown(part: Line | Application, kept: Collection[str]) -> dict[str, Any]:
    """What is kept of a line or an application, by the names of columns."""
    told = {name: getattr(part, name) for name in kept if name != "invoice"}
    if isinstance(part, Application):
        told["invoice"] = part.target.id
    return told


def _are_alike(some: list[dict[str, Any]], others: list[dict[str, Any]]) -> bool:
    """Whether two lists hold the same, in whatever order."""
    left = list(others)
    for each in some:
        if each not in left:
            return False
        left.remove(each)
    return not left
