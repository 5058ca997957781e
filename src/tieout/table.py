"""
A table of any DB-API 2.0 database as a connector: rows in, two columns out::

    billing = Table(
        connect=lambda: sqlite3.connect("shop.db"),
        table="invoices",
        columns=Columns(id="id", number="number", total="total", currency="currency",
                        paid_amount="paid_amount", date_paid="date_paid"),
        connection="app:shop",
    )

Never call the engine inside a transaction of your own: the table opens its own connection
and would wait for your lock. Nothing here takes SQL from a caller, keeps a database
connection between two calls, rounds an amount, or writes anything but the two payment
columns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date
from decimal import Decimal
from functools import partial
from typing import Any, Protocol

from attrs import asdict, field, frozen

from tieout.capabilities import Capabilities, Changed, Dated, Everything, Open, Select
from tieout.change import Change, Outcome
from tieout.connector import Fields, Health, batches
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.local import (
    DAILY,
    WRITES,
    InProcess,
    bill_settlement,
    identity,
    in_words,
    own_capabilities,
    unknown,
)
from tieout.models import Settlement, is_name
from tieout.money import EXPONENTS, amount, exponent
from tieout.wire import Call, Flow


class Database(Protocol):
    """A DB-API 2.0 connection, not in autocommit mode."""

    def cursor(self) -> Any: ...
    def commit(self) -> Any: ...
    def rollback(self) -> Any: ...
    def close(self) -> Any: ...


MARKS: Mapping[str, str] = {
    "qmark": "?",
    "numeric": ":{0}",
    "named": ":v{0}",
    "format": "%s",
    "pyformat": "%(v{0})s",
}
"""How each DB-API paramstyle writes the place of a value."""


@frozen
class Dialect:
    """
    What differs between databases.

    ``quotes`` stand around a name. ``fetch_first`` is for those without LIMIT (Oracle, SQL
    Server). Dates and amounts go as text where the driver has no sound way to take them
    (sqlite3: its date adapters are deprecated, and it has no decimals) and where the
    column is a text.
    """

    paramstyle: str = "qmark"
    quotes: str = '""'
    fetch_first: bool = False
    dates_as_text: bool = True
    amounts_as_text: bool = True

    def __attrs_post_init__(self) -> None:
        if self.paramstyle not in MARKS or self.quotes not in ('""', "``", "[]"):
            raise ConfigError(f"no such dialect: {self.paramstyle} {self.quotes}")

    def name(self, name: str) -> str:
        """A checked name, quoted; each part of a qualified one for itself."""
        first, last = self.quotes[0], self.quotes[1]
        return ".".join(f"{first}{part}{last}" for part in name.split("."))

    def limit(self, rows: int) -> str:
        """The clause that brings at most so many rows."""
        if self.fetch_first:
            return f"OFFSET 0 ROWS FETCH NEXT {rows} ROWS ONLY"
        return f"LIMIT {rows}"

    def statement(self, sql: str, values: Sequence[Any]) -> tuple[str, Any]:
        """Our SQL, with a ``?`` for each value and none elsewhere, as the driver takes it."""
        mark = MARKS[self.paramstyle]
        head, *rest = sql.split("?")
        text = head + "".join(mark.format(at) + part for at, part in enumerate(rest, 1))
        given = [self._value(value) for value in values]
        if "v{0}" in mark:
            return text, {f"v{at}": value for at, value in enumerate(given, 1)}
        return text, tuple(given)

    def _value(self, value: Any) -> Any:
        dates = self.dates_as_text and isinstance(value, date)
        amounts = self.amounts_as_text and isinstance(value, Decimal)
        return str(value) if dates or amounts else value


SQLITE = Dialect()
POSTGRES = Dialect("pyformat", dates_as_text=False, amounts_as_text=False)
MYSQL = Dialect("pyformat", "``", dates_as_text=False, amounts_as_text=False)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)  # 64 bits hold these
GIVE_UP = 3
"""After so many failures of the database in a row the rest of a batch is not tried: each
may have waited for a lock."""


@frozen(kw_only=True)
class Columns:
    """
    Which column holds what; None where there is none.

    ``void`` is true or 1 where the invoice was taken back. ``changed_at`` is set by the app
    at each change of the row: an instant or a text of ISO 8601, UTC if it names no zone.
    """

    id: str
    number: str
    total: str
    paid_amount: str
    date_paid: str
    currency: str | None = None
    on: str | None = None
    customer: str | None = None
    reference: str | None = None
    void: str | None = None
    changed_at: str | None = None
    version: str | None = None


@frozen(kw_only=True, eq=False)
class Table(InProcess):
    """
    A table with a row for each invoice as a connector.

    ``connect`` opens a connection; it is committed or rolled back, and closed, before a
    call returns. ``currency`` stands in for a column. ``only`` names columns and the
    values that rows must have to be seen or written at all. ``integer_ids`` and
    ``integer_numbers`` tell that these columns hold whole numbers.

    A batch is one short transaction: a row that changed since it was read is left alone,
    and before the commit the columns are read again, so that nothing lands rounded.
    """

    connect: Callable[[], Database] = field(repr=False)
    table: str
    columns: Columns
    dialect: Dialect = SQLITE
    currency: str | None = None
    only: Mapping[str, str | int | None] = field(factory=dict, repr=False)
    minor_units: bool = False
    integer_ids: bool = False
    integer_numbers: bool = False
    page_size: int = 500
    fetch_size: int = 500
    batch_size: int = 500

    @property
    def capabilities(self) -> Capabilities:
        selects: set[type] = {Everything}
        selects |= {Changed} if self.columns.changed_at else set()
        selects |= {Dated, Open} if self.columns.on else set()
        return own_capabilities(
            "table",
            selects,
            page_size=self.page_size,
            fetch_size=self.fetch_size,
            batch_size=self.batch_size,
            stable_order=True,
            **WRITES,
        )

    def __attrs_post_init__(self) -> None:
        if (self.currency is None) == (self.columns.currency is None):
            raise ConfigError("give either a currency or the column that holds it")
        if self.currency is not None and self.currency not in EXPONENTS:
            raise ConfigError(f"{self.currency[:20]!r} is no current ISO 4217 code")
        columns = list(self._mapped().values())
        if len({column.lower() for column in columns}) < len(columns):
            raise ConfigError("two things cannot be in one column")
        for name in (*self.table.split("."), *columns, *self.only):
            if not _NAME.fullmatch(name):
                raise ConfigError(f"{name[:40]!r} is no name of a table or column")

    def _mapped(self) -> dict[str, str]:
        return {name: col for name, col in asdict(self.columns).items() if col}

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        outcomes: list[Outcome] = []
        for some in batches(changes, self.batch_size):
            store = partial(self._store, some)
            try:
                response = yield Call(store, effect=True, name="update")
                outcomes.extend(response.value)
            except Exception as error:  # noqa: BLE001 - it becomes the outcomes
                fault = error if isinstance(error, Fault) else unknown(error)
                outcomes.extend(Outcome.failed(change, fault) for change in some)
        return tuple(outcomes)

    # Reading

    def _load(self, bill: Fields) -> Settlement:
        return bill_settlement(bill, self.connection, minor_units=self.minor_units)

    def _is_cursor(self, text: str) -> bool:
        try:
            last = json.loads(text)
        except ValueError:
            return False
        return isinstance(last, int | str) and not isinstance(last, bool)

    def _select(self, select: Any, cursor: str | None) -> tuple[list[Any], str | None]:
        where, values = _narrowed(select)
        if cursor is not None:
            where.append("r.{id} > ?")
            values.append(json.loads(cursor))
        with self._database() as database:
            rows = self._query(database, where, values, limit=self.page_size)
        last = rows[-1]["id"] if len(rows) == self.page_size else None
        if last is None:
            return rows, None
        return rows, json.dumps(last if isinstance(last, int) else str(last))

    def _named(self, ids: list[str], numbers: list[str]) -> list[Any]:
        with self._database() as database:
            if ids:
                return self._in(database, "id", ids, whole=self.integer_ids)
            return self._in(database, "number", numbers, whole=self.integer_numbers)

    def _in(
        self, database: Database, name: str, values: Sequence[str], *, whole: bool
    ) -> list[dict[str, Any]]:
        asked: list[Any] = [value for value in values if _askable(value)]
        if whole:
            asked = [int(value) for value in asked if _WHOLE.fullmatch(value)]
        marks = ", ".join("?" for _ in asked)
        where = f"r.{{{name}}} IN ({marks})"
        return self._query(database, [where], asked) if asked else []

    def _query(
        self,
        database: Database,
        where: Sequence[str],
        values: Sequence[Any],
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        quoted = {k: self.dialect.name(column) for k, column in self._mapped().items()}
        # Each name with its r: SQLite takes a lone "name" that is no column for a text.
        names = ", ".join(f"r.{name}" for name in quoted.values())
        sql = f"SELECT {names} FROM {self.dialect.name(self.table)} r"  # noqa: S608 - checked names
        only, more = self._restricted("r.")
        if where or only:
            sql += f" WHERE {' AND '.join([*where, *only])}".format_map(quoted)
        if limit is not None:
            sql += f" ORDER BY r.{quoted['id']} {self.dialect.limit(limit)}"
        with self._executed(database, sql, [*values, *more]) as cursor:
            found = cursor.fetchall()
        rows = [row.values() if isinstance(row, Mapping) else row for row in found]
        fixed = {"currency": self.currency} if self.currency else {}
        return [{**dict(zip(quoted, row, strict=True)), **fixed} for row in rows]

    def _restricted(self, prefix: str = "") -> tuple[list[str], list[Any]]:
        return _equal({prefix + self.dialect.name(n): v for n, v in self.only.items()})

    @contextmanager
    def _executed(
        self, database: Database, sql: str, values: Sequence[Any]
    ) -> Iterator[Any]:
        with closing(database.cursor()) as cursor:
            cursor.execute(*self.dialect.statement(sql, values))
            yield cursor

    @contextmanager
    def _database(self, refusal: Code = Code.SERVER_ERROR) -> Iterator[Database]:
        """A connection for one call; what it raises before a commit had no effect."""
        try:
            database = self.connect()
        except Exception as error:
            fault = Fault(Code.NOT_REACHED, in_words(error), fate=Fate.NOT_SENT)
            raise fault from error
        try:
            yield database
        except Fault:
            raise
        except Exception as error:
            # Every driver has exceptions of its own, with the names of DB-API 2.0.
            names = {each.__name__ for each in type(error).__mro__}
            if names & {"OperationalError", "InterfaceError"}:
                fault = Fault(Code.SERVER_ERROR, in_words(error), fate=Fate.NOT_SENT)
            else:
                fault = Fault(refusal, in_words(error))
            raise fault from error
        finally:
            for leave in (database.rollback, database.close):
                with suppress(Exception):
                    leave()

    # Checking

    def _health(self) -> Health:
        try:
            with self._database() as database:
                sample = self._query(database, (), (), limit=1)
        except Fault as fault:
            lacking = [] if fault.code is Code.NOT_REACHED else self._lacking()
            return Health(
                reachable=bool(lacking),
                signed_in=bool(lacking),
                missing=tuple(lacking),
                notes=(fault.text,),
            )
        notes = tuple(str(issue) for issue in self._read(sample).issues)
        return Health(reachable=True, signed_in=True, books=self._books(), notes=notes)

    def _lacking(self) -> list[str]:
        """The table, or those of its columns, that cannot be read."""
        table = self.dialect.name(self.table)
        if not self._readable(f"SELECT 1 FROM {table} r WHERE 1 = 0"):  # noqa: S608
            return [self.table]
        return [
            f"{self.table}.{column}"
            for column in (*self._mapped().values(), *self.only)
            if not self._readable(
                f"SELECT r.{self.dialect.name(column)} FROM {table} r WHERE 1 = 0"  # noqa: S608
            )
        ]

    def _readable(self, sql: str) -> bool:
        try:
            with self._database() as database, self._executed(database, sql, ()):
                return True
        except Fault:
            return False

    # Writing

    def _store(self, changes: Sequence[Change]) -> list[Outcome]:
        """All in one transaction; where that fails, each in one of its own."""
        try:
            return self._transaction(changes)
        except Fault as caught:
            fault = caught
        outcomes: list[Outcome] = []
        if len(changes) > 1 and fault.code not in _HOPELESS:
            failures = 0
            for change in changes:
                outcomes += self._store([change])
                failures = failures + 1 if outcomes[-1].code in _FAILURES else 0
                if failures == GIVE_UP:
                    text = f"not tried after: {outcomes[-1].text}"
                    fault = Fault(Code.SERVER_ERROR, text, fate=Fate.NOT_SENT)
                    break
        rest = changes[len(outcomes) :]
        return outcomes + [Outcome.failed(change, fault) for change in rest]

    def _transaction(self, changes: Sequence[Change]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        sent: list[tuple[Change, int]] = []
        with self._database(Code.REFUSED) as database:
            held = self._rows(database, changes)
            for change in changes:
                try:
                    count = self._update(database, change, held)
                except Fault as fault:
                    outcomes.append(Outcome.failed(change, fault))
                else:
                    sent.append((change, count))
            now = self._rows(database, [change for change, _ in sent])
            outcomes += [self._came_of(change, count, now) for change, count in sent]
            try:
                database.commit()
            except Exception as error:
                raise unknown(error) from error
        return outcomes

    def _rows(
        self, database: Database, changes: Iterable[Change]
    ) -> dict[str, dict[str, Any]]:
        ids = [change.target.id for change in changes if change.target]
        rows = self._in(database, "id", ids, whole=self.integer_ids)
        return {identity(row["id"]): row for row in rows}

    def _update(
        self, database: Database, change: Change, held: Mapping[str, dict[str, Any]]
    ) -> int:
        """How many rows were changed; 0 also where all was as wanted. Raises `Fault`."""
        target, before, after = self._wanted(change)
        if target.id not in held:
            raise Fault(Code.VANISHED)
        row = held[target.id]
        now = self._load(Fields(row))
        if _as_wanted(now, after):
            return 0
        moved = [n for n in _GUARDED if getattr(now, n) != getattr(before, n)]
        if moved or (before.version and before.version != now.version):
            text = f"changed: {', '.join(moved or ['version'])}"
            raise Fault(Code.STALE_VERSION, text)
        name = {key: self.dialect.name(col) for key, col in self._mapped().items()}
        # Compared with what the columns hold themselves: 50.0 and 50.00 are two texts.
        guarding = {"id", "paid_amount", "date_paid", "version"} & name.keys()
        where, guards = _equal({name[key]: row[key] for key in sorted(guarding)})
        only, more = self._restricted()
        table = self.dialect.name(self.table)
        sql = f"UPDATE {table} SET {name['paid_amount']} = ?, {name['date_paid']} = ?"  # noqa: S608
        sql += f" WHERE {' AND '.join(where + only)}"
        values = [self._written(after), after.paid_on, *guards, *more]
        with self._executed(database, sql, values) as cursor:
            return int(cursor.rowcount)

    def _written(self, after: Settlement) -> Decimal | int:
        places = exponent(after.currency)
        paid = amount(after.paid, after.currency)
        if self.minor_units:
            return int(paid.scaleb(places))
        return paid.quantize(Decimal(1).scaleb(-places))

    def _came_of(
        self, change: Change, count: int, now: Mapping[str, dict[str, Any]]
    ) -> Outcome:
        """Looked at again, inside the transaction; a `Fault` takes the batch back."""
        target, _, after = self._wanted(change)
        if count > 1:
            raise Fault(Code.REFUSED, "more than one row has this id")
        row = now.get(target.id)
        if row is None:
            return Outcome.failed(change, Fault(Code.VANISHED))
        read = self._load(Fields(row))
        if _as_wanted(read, after):
            return Outcome.applied(change, version=read.version)
        if count < 1:
            return Outcome.failed(change, Fault(Code.STALE_VERSION))
        raise Fault(Code.REFUSED, "the columns do not hold what was written to them")


_GUARDED = ("paid", "paid_on", "total", "currency", "number", "status")
_FAILURES = {Code.SERVER_ERROR, Code.NOT_REACHED, Code.OUTCOME_UNKNOWN}
_HOPELESS = {Code.NOT_REACHED, Code.OUTCOME_UNKNOWN}


def _as_wanted(read: Settlement, wanted: Settlement) -> bool:
    return (read.paid, read.paid_on) == (wanted.paid, wanted.paid_on)


def _equal(values: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    """Conditions that hold for equal values, and for nothing where it is nothing."""
    where = [f"{n} IS NULL" if v is None else f"{n} = ?" for n, v in values.items()]
    return where, [value for value in values.values() if value is not None]


def _narrowed(select: Select) -> tuple[list[str], list[Any]]:
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
        case _:
            return [], []


def _askable(text: str) -> bool:
    """Whether a database takes the text at all; what it does not take, it cannot hold."""
    return is_name(text)
