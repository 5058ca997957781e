"""
Tables of any DB-API 2.0 database as a connector: rows in, two columns out.

::

    billing = Table(
        connect=lambda: sqlite3.connect("shop.db"),
        table="invoices",
        columns=Columns(id="id", number="number", total="total", currency="currency",
                        paid_amount="paid_amount", date_paid="date_paid"),
        connection="app:shop",
    )

With ``documents`` it reads and writes customers, invoices, credit notes and payments too,
each in a table that is named for it.

Never call the engine inside a transaction of your own: the table opens its own connection
and would wait for your lock. Nothing here takes SQL from a caller, keeps a database
connection between two calls, rounds an amount, or writes a column that was not named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from attrs import field, frozen

from tieout.capabilities import (
    Capabilities,
    Changed,
    Dated,
    Everything,
    Kind,
    Open,
    Verb,
)
from tieout.change import Change, Outcome
from tieout.connector import Health, batches
from tieout.errors import Code, ConfigError, Fault
from tieout.host.abilities import LEVELS_WRITTEN, own_capabilities
from tieout.host.columns import (
    ApplicationTable,
    Columns,
    CreditNoteTable,
    CustomerTable,
    DocumentTable,
    InvoiceTable,
    LineTable,
    PaymentTable,
    mapped,
)
from tieout.host.documents import DocumentWriter
from tieout.host.flows import InProcess, unknown
from tieout.host.levels import LevelWriter
from tieout.host.postings import PostingWriter
from tieout.host.records import MARK, Load, Records
from tieout.host.registers import (
    Register,
    Surroundings,
    able,
    postings_of,
    register_of,
)
from tieout.host.sql import (
    MARKS,
    MYSQL,
    POSTGRES,
    SQLITE,
    Database,
    Dialect,
    Sheet,
)
from tieout.host.transactions import GIVE_UP, Transactions, Writer, opened
from tieout.models import Customer, Invoice, Posting, RecordType, Settlement
from tieout.money import EXPONENTS
from tieout.wire import Call, Flow

__all__ = [
    "GIVE_UP",
    "MARKS",
    "MYSQL",
    "POSTGRES",
    "SQLITE",
    "ApplicationTable",
    "Columns",
    "CreditNoteTable",
    "CustomerTable",
    "Database",
    "Dialect",
    "DocumentTable",
    "InvoiceTable",
    "LineTable",
    "PaymentTable",
    "Table",
]


@frozen(kw_only=True, eq=False)
class Table(InProcess):
    """
    A table with a row for each invoice as a connector, and tables of documents.

    ``connect`` opens a connection; it is committed or rolled back, and closed, before a
    call returns. ``currency`` stands in for a column. ``only`` names columns and the
    values that rows must have to be seen or written at all. ``integer_ids`` and
    ``integer_numbers`` tell that these columns hold whole numbers. ``documents`` are the
    tables of documents, at most one for each kind; ``table`` and ``columns``, which hold
    what is paid, may then be left out.

    A batch is one short transaction: a row that changed since it was read is left alone,
    and before the commit the columns are read again, so that nothing lands rounded.
    """

    connect: Callable[[], Database] = field(repr=False)
    table: str | None = None
    columns: Columns | None = None
    documents: Sequence[DocumentTable] = ()
    dialect: Dialect = SQLITE
    currency: str | None = None
    only: Mapping[str, str | int | None] = field(factory=dict, repr=False)
    minor_units: bool = False
    integer_ids: bool = False
    integer_numbers: bool = False
    page_size: int = 500
    fetch_size: int = 500
    batch_size: int = 500

    def __attrs_post_init__(self) -> None:
        if (self.table is None) != (self.columns is None):
            raise ConfigError("a table and its columns go together")
        if self.columns is None and not self.documents:
            raise ConfigError("give a table and its columns, or documents")
        if self.columns and (self.currency is None) == (self.columns.currency is None):
            raise ConfigError("give either a currency or the column that holds it")
        if self.currency is not None and self.currency not in EXPONENTS:
            raise ConfigError(f"{self.currency[:20]!r} is no current ISO 4217 code")
        kinds = [getattr(each, "kind", None) for each in self.documents]
        if None in kinds:
            raise ConfigError("documents are tables of customers, invoices, …")
        if len({*kinds}) < len(kinds):
            raise ConfigError("one table for each kind of document")
        assert self._registers  # a name that cannot be one is refused here

    @property
    def capabilities(self) -> Capabilities:
        """What there are tables and columns for."""
        return self._abilities

    @cached_property
    def _abilities(self) -> Capabilities:
        registers = dict(self._registers)
        level = registers.pop(Settlement, None)
        sizes = {
            "page_size": self.page_size,
            "fetch_size": self.fetch_size,
            "batch_size": self.batch_size,
            "stable_order": True,
        }
        documents = {kind: able(each, **sizes) for kind, each in registers.items()}
        return own_capabilities(
            "table",
            _level_kind(level, **sizes) if level else None,
            documents,
            credits_told=level is not None and "credited" in level.sheet.columns,
            compared=any(each.can(Verb.UPDATE) for each in documents.values()),
        )

    # Its registers

    @cached_property
    def _registers(self) -> Mapping[RecordType, Register]:
        records = Records(self.connection, minor_units=self.minor_units)
        around = Surroundings(self.dialect, self.currency, self._whole_kinds())
        found: dict[RecordType, Register] = {}
        if self.table is not None and self.columns is not None:
            found[Settlement] = Register(
                Settlement, self._level_sheet(), records.loader(Settlement)
            )
        for each in self.documents:
            found[each.kind] = register_of(each, records.loader(each.kind), around)
        invoices = found.get(Invoice)
        if invoices and "posted_at" in invoices.sheet.columns:
            found[Posting] = postings_of(invoices, records.loader(Posting))
        return found

    def _level_sheet(self) -> Sheet:
        assert self.table is not None
        named = {"id": self.integer_ids, "number": self.integer_numbers}
        return Sheet(
            self.table,
            mapped(self.columns),
            self.dialect,
            self.only,
            {"currency": self.currency} if self.currency else {},
            frozenset(name for name, whole in named.items() if whole),
        )

    def _whole_kinds(self) -> frozenset[RecordType]:
        """The kinds whose ids are whole numbers."""
        whole: dict[RecordType, bool] = {Invoice: self.integer_ids}
        whole |= {each.kind: each.integer_ids for each in self.documents}
        return frozenset(kind for kind, is_whole in whole.items() if is_whole)

    @cached_property
    def _writers(self) -> Mapping[RecordType, Writer]:
        registers = self._registers
        known = {
            kind: register
            for kind, register in (
                (Customer, registers.get(Customer)),
                (Invoice, registers.get(Invoice) or registers.get(Settlement)),
            )
            if register is not None
        }
        found: dict[RecordType, Writer] = {
            kind: DocumentWriter(register, known, self.minor_units)
            for kind, register in registers.items()
            if kind not in (Settlement, Posting)
        }
        if Settlement in registers:
            found[Settlement] = LevelWriter(
                registers[Settlement], self._wanted, self.minor_units
            )
        if Posting in registers:
            found[Posting] = PostingWriter(registers[Posting])
        return found

    # Reading

    def _loader(self, kind: RecordType) -> Load:
        return self._registers[kind].load

    def _is_cursor(self, text: str) -> bool:
        try:
            last = json.loads(text)
        except ValueError:
            return False
        return isinstance(last, int | str) and not isinstance(last, bool)

    def _select(
        self, kind: RecordType, select: Any, cursor: str | None
    ) -> tuple[list[Any], str | None]:
        behind = None if cursor is None else json.loads(cursor)
        with opened(self.connect) as database:
            register = self._registers[kind]
            rows = register.listed(database, select, behind, self.page_size)
        last = rows[-1]["id"] if len(rows) == self.page_size else None
        if last is None:
            return rows, None
        return rows, json.dumps(last if isinstance(last, int) else str(last))

    def _named(self, kind: RecordType, ids: list[str], numbers: list[str]) -> list[Any]:
        with opened(self.connect) as database:
            if ids:
                return self._registers[kind].within(database, "id", ids)
            return self._registers[kind].within(database, "number", numbers)

    def _marked(self, kind: RecordType, marks: list[str]) -> list[Any]:
        with opened(self.connect) as database:
            return self._registers[kind].within(database, MARK, marks)

    # Checking

    def _health(self) -> Health:
        notes: list[str] = []
        try:
            for kind, register in self._registers.items():
                with opened(self.connect) as database:
                    sample = register.listed(database, Everything(), None, 1)
                notes += [str(issue) for issue in self._read(kind, sample).issues]
        except Fault as fault:
            lacking = [] if fault.code is Code.NOT_REACHED else self._lacking()
            return Health(
                reachable=bool(lacking),
                signed_in=bool(lacking),
                missing=tuple(lacking),
                notes=(fault.text,),
                code=_lack(fault) if lacking else None,
            )
        told = tuple(dict.fromkeys(notes))
        return Health(
            reachable=True, signed_in=True, books=self._own_books(), notes=told
        )

    def _lacking(self) -> list[str]:
        """The tables, or those of their columns, that cannot be read."""
        found: dict[str, None] = {}
        for register in self._registers.values():
            for sheet in (register.sheet, *register.inner.values()):
                if not self._readable(sheet, sheet.probe):
                    found[sheet.table] = None
                    continue
                found |= dict.fromkeys(
                    name
                    for name, sql in sheet.lacking()
                    if not self._readable(sheet, sql)
                )
        return list(found)

    def _readable(self, sheet: Sheet, sql: str) -> bool:
        try:
            with opened(self.connect) as database, sheet.executed(database, sql):
                return True
        except Fault:
            return False

    # Writing

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        outcomes: list[Outcome] = []
        allowed: list[Change] = []
        for change in changes:
            try:
                self._check_allowed(change)
            except Fault as refused:
                outcomes.append(Outcome.failed(change, refused))
            else:
                allowed.append(change)
        transactions = Transactions(self.connect, self._writers)
        for some in batches(allowed, self.batch_size):
            store = partial(transactions.store, some)
            try:
                response = yield Call(store, effect=True, name="update")
                outcomes.extend(response.value)
            except Exception as error:  # noqa: BLE001 - it becomes the outcomes
                fault = error if isinstance(error, Fault) else unknown(error)
                outcomes.extend(Outcome.failed(change, fault) for change in some)
        return tuple(outcomes)


DENIED = ("denied", "privilege")
"""What databases say where the user lacks a permission, in lower case; of what is not there
each has words of its own."""


def _lack(fault: Fault) -> Code:
    """Whether what cannot be read is not there, or not for this user."""
    told = fault.text.lower()
    denied = any(word in told for word in DENIED)
    return Code.PERMISSION_MISSING if denied else Code.COLUMN_MISSING


def _level_kind(register: Register, **sizes: Any) -> Kind:
    """What can be done with the money of an invoice."""
    columns = register.sheet.columns
    selects: set[type] = {Everything}
    selects |= {Changed} if "changed_at" in columns else set()
    selects |= {Dated, Open} if "on" in columns else set()
    return Kind(selects=frozenset(selects), **sizes, **LEVELS_WRITTEN)
