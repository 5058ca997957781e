"""
Registers: one kind of record in its table, with the lines or applications of another.

What is read is rows, and what a row means is said in `tieout.host.records`. Nothing is
written here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from attrs import field, frozen

from tieout.capabilities import (
    Changed,
    Dated,
    Everything,
    Kind,
    Open,
    Select,
    Unposted,
    Verb,
)
from tieout.change import Change
from tieout.errors import Code, ConfigError, Fault
from tieout.fields import Fields
from tieout.host.abilities import DAILY, document_kind
from tieout.host.columns import (
    ApplicationTable,
    DocumentTable,
    LineTable,
    mapped,
)
from tieout.host.records import MARK, Load
from tieout.host.sql import Database, Dialect, Sheet
from tieout.host.values import identity
from tieout.host.wanted import VALUES
from tieout.models import (
    Customer,
    Invoice,
    Posting,
    RecordType,
)

ROW = "document"
"""What the column is called in which lines and applications name their document."""

_ENDS = ("void", "active")
"""By what a document is taken back."""


@frozen(eq=False)
class Register:
    """
    One kind of record: its sheet, the loader of its rows, and the sheets of what is inside
    of them (``lines``, ``applications``).
    """

    kind: RecordType
    sheet: Sheet
    load: Load
    inner: Mapping[str, Sheet] = field(factory=dict)
    declared: DocumentTable | None = None

    def record(self, row: Mapping[str, Any] | None) -> Any:
        """What a row means; None where there is none."""
        return None if row is None else self.load(Fields(row))

    def listed(
        self, database: Database, select: Select, last: Any, size: int
    ) -> list[dict[str, Any]]:
        """The rows of one page: those behind the id of the last one before it."""
        where, values = self._narrowed(select)
        if last is not None:
            where.append("r.{id} > ?")
            values.append(last)
        return self._whole(database, self.sheet.select(database, where, values, size))

    def within(
        self, database: Database, name: str, values: Sequence[Any]
    ) -> list[dict[str, Any]]:
        """The rows that hold one of these values; `Fault` where no column has them."""
        if name not in self.sheet.columns:
            text = f"{self.kind.__name__} records have no {name} in {self.sheet.table}"
            raise Fault(Code.NOT_ALLOWED, text)
        return self._whole(database, self.sheet.within(database, name, values))

    def targets(
        self, database: Database, changes: Sequence[Change]
    ) -> dict[str, dict[str, Any]]:
        """The rows that are to be changed, by id, as far as they are there."""
        ids = [change.target.id for change in changes if change.target]
        rows = self.within(database, "id", ids)
        return {identity(row["id"]): row for row in rows}

    def known(self, database: Database, ids: Sequence[str]) -> set[str]:
        """Those of these ids that are of a row."""
        return {identity(r["id"]) for r in self.sheet.within(database, "id", ids)}

    def _whole(
        self, database: Database, rows: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """The rows with what is inside of them."""
        ids = [row["id"] for row in rows]
        for name, sheet in self.inner.items():
            parts: dict[str, list[dict[str, Any]]] = {}
            for part in sheet.within(database, ROW, ids, ordered=True):
                parts.setdefault(str(part[ROW]), []).append(part)
            for row in rows:
                row[name] = parts.get(str(row["id"]), [])
        return rows

    def _narrowed(self, select: Select) -> tuple[list[str], list[Any]]:
        """What spares most other rows the journey; `selected` then decides exactly."""
        match select:
            case Changed(since=since):
                # From a day earlier: right in whatever zone and form the column is.
                early = since.astimezone(UTC).date() - DAILY
                return ["(r.{changed_at} IS NULL OR r.{changed_at} >= ?)"], [early]
            case Dated(first=first, last=last):
                return ["r.{on} >= ?", "r.{on} < ?"], [first, last + DAILY]
            case Open():
                unequal = "r.{paid_amount} IS NULL OR r.{paid_amount} <> r.{total}"
                return [f"(r.{{total}} IS NULL OR {unequal})"], []
            case Unposted(through=through):
                texts = self.sheet.dialect.dates_as_text
                empty = " OR r.{posted_at} = ''" if texts else ""
                # One without a day is never handed over: somebody has to be told.
                dated = "(r.{on} IS NULL OR r.{on} < ?)"
                return [f"(r.{{posted_at}} IS NULL{empty})", dated], [through + DAILY]
            case _:
                return [], []


# What it can do ---------------------------------------------------------------------------


def able(register: Register, **sizes: Any) -> Kind:
    """What can be done with the records of a register: what there are columns for."""
    kind, columns = register.kind, register.sheet.columns.keys()
    verbs = {Verb.READ, Verb.UPDATE}
    if kind is Posting:
        own = frozenset(verbs | {Verb.VOID})
        unposted: set[type] = {Unposted}
        return document_kind(own, frozenset(unposted), VALUES[kind], "", **sizes)
    verbs |= {Verb.CREATE} if MARK in columns else set()
    verbs |= {Verb.VOID} if columns & set(_ENDS) else set()
    writable = writable_columns(register)
    verbs -= set() if writable else {Verb.UPDATE}
    return document_kind(
        frozenset(verbs),
        frozenset(_selects(register)),
        writable,
        register.sheet.columns.get(MARK, ""),
        **sizes,
    )


def _selects(register: Register) -> set[type]:
    columns = register.sheet.columns
    found: set[type] = {Everything}
    found |= {Changed} if "changed_at" in columns else set()
    found |= {Dated} if "on" in columns else set()
    found |= {Unposted} if "posted_at" in columns else set()
    return found


def writable_columns(register: Register) -> frozenset[str]:
    """
    What an update may change: columns of the document itself.

    Lines and applications are written with a new document and not changed afterwards, and
    so is the amount that they come to.
    """
    found = VALUES[register.kind] & register.sheet.columns.keys()
    if register.inner:
        found -= {"total", "amount", "currency"}
    return found


# How it is made ---------------------------------------------------------------------------


@frozen
class Surroundings:
    """
    What the tables of a connection have in common.

    ``currency`` stands in for a column; ``whole`` says of which kinds the ids are whole
    numbers.
    """

    dialect: Dialect
    currency: str | None
    whole: frozenset[RecordType]


def register_of(declared: DocumentTable, load: Load, around: Surroundings) -> Register:
    """The register of a table of documents; `ConfigError` where it cannot be one."""
    columns = mapped(declared)
    fixed = {}
    if declared.kind is not Customer and "currency" not in columns:
        if around.currency is None:
            text = f"{declared.table}: give the currency, or the column that holds it"
            raise ConfigError(text)
        fixed = {"currency": around.currency}
    sheet = Sheet(
        declared.table,
        columns,
        around.dialect,
        declared.only,
        fixed,
        _whole(declared, around),
    )
    lines: LineTable | None = getattr(declared, "lines", None)
    puts: ApplicationTable | None = getattr(declared, "applications", None)
    inner = {"lines": _lines(lines, around)} if lines else {}
    inner |= {"applications": _puts(puts, around)} if puts else {}
    return Register(declared.kind, sheet, load, inner, declared)


def postings_of(invoices: Register, load: Load) -> Register:
    """The register of what was handed over: the same rows, read as `Posting`."""
    return Register(Posting, invoices.sheet, load)


def _whole(declared: DocumentTable, around: Surroundings) -> frozenset[str]:
    """What this table holds as whole numbers."""
    named = {"id": declared.integer_ids, "number": declared.integer_numbers}
    named |= dict.fromkeys(("customer", "parent"), Customer in around.whole)
    return frozenset(name for name, whole in named.items() if whole)


def _lines(declared: LineTable, around: Surroundings) -> Sheet:
    columns = mapped(declared)
    order = next((name for name in ("position", "id") if name in columns), "")
    if not order:
        raise ConfigError(f"{declared.table}: give the position of a line, or its id")
    return Sheet(declared.table, columns, around.dialect, order=order)


def _puts(declared: ApplicationTable, around: Surroundings) -> Sheet:
    columns = mapped(declared)
    whole = frozenset({"invoice"} if Invoice in around.whole else ())
    order = "id" if "id" in columns else "invoice"
    return Sheet(declared.table, columns, around.dialect, whole=whole, order=order)
