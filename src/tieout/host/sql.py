"""
SQL for one table of any DB-API 2.0 database: statements of checked names and bound values.

`Dialect` is what differs between databases, `Sheet` a table with its columns. No SQL of a
caller's is taken, and no connection is opened or kept here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, Protocol

from attrs import field, frozen

from tieout.errors import Code, ConfigError, Fault
from tieout.models import is_name


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


@frozen(eq=False)
class Sheet:
    """
    One table.

    ``columns`` says which column holds what, ``fixed`` what no column holds, ``only`` the
    values that rows must have to be seen or written at all. ``whole`` names what is held
    as a whole number, ``order`` by what its rows are put in order.
    """

    table: str
    columns: Mapping[str, str]
    dialect: Dialect
    only: Mapping[str, str | int | None] = field(factory=dict, repr=False)
    fixed: Mapping[str, Any] = field(factory=dict)
    whole: frozenset[str] = frozenset()
    order: str = "id"

    def __attrs_post_init__(self) -> None:
        columns = list(self.columns.values())
        if len({column.lower() for column in columns}) < len(columns):
            raise ConfigError("two things cannot be in one column")
        for name in (*self.table.split("."), *columns, *self.only):
            if not _NAME.fullmatch(name):
                raise ConfigError(f"{name[:40]!r} is no name of a table or column")

    @cached_property
    def quoted(self) -> Mapping[str, str]:
        """The columns as they stand in SQL."""
        return {name: self.dialect.name(col) for name, col in self.columns.items()}

    @property
    def _table(self) -> str:
        return self.dialect.name(self.table)

    # Reading

    def select(
        self,
        database: Database,
        where: Sequence[str] = (),
        values: Sequence[Any] = (),
        limit: int | None = None,
        *,
        ordered: bool = False,
    ) -> list[dict[str, Any]]:
        """Rows of which all conditions hold, by our names for the columns."""
        quoted = self.quoted
        # Each name with its r: SQLite takes a lone "name" that is no column for a text.
        names = ", ".join(f"r.{name}" for name in quoted.values())
        sql = f"SELECT {names} FROM {self._table} r"  # noqa: S608 - checked names
        only, more = self._restricted("r.")
        if where or only:
            sql += f" WHERE {' AND '.join([*where, *only])}".format_map(quoted)
        if limit is not None or ordered:
            sql += f" ORDER BY r.{quoted[self.order]}"
        if limit is not None:
            sql += f" {self.dialect.limit(limit)}"
        with self.executed(database, sql, [*values, *more]) as cursor:
            found = cursor.fetchall()
        rows = [row.values() if isinstance(row, Mapping) else row for row in found]
        return [{**dict(zip(quoted, row, strict=True)), **self.fixed} for row in rows]

    def within(
        self,
        database: Database,
        name: str,
        values: Sequence[Any],
        *,
        ordered: bool = False,
    ) -> list[dict[str, Any]]:
        """The rows that hold one of these values; what no column can hold is not asked."""
        asked: list[Any] = [each for each in values if _askable(each)]
        if name in self.whole:
            asked = [int(each) for each in asked if _WHOLE.fullmatch(str(each))]
        if not asked:
            return []
        places = ", ".join("?" for _ in asked)
        where = f"r.{{{name}}} IN ({places})"
        return self.select(database, [where], asked, ordered=ordered)

    def typed(self, name: str, value: Any) -> Any:
        """A value as its column takes it; `Fault` where that holds whole numbers alone."""
        if name not in self.whole or value is None:
            return value
        if not _WHOLE.fullmatch(str(value)):
            text = f"{name} is held as a whole number"
            raise Fault(Code.REFUSED, text, field=name)
        return int(value)

    def lacking(self) -> Iterator[tuple[str, str]]:
        """Statements that fail where a column, or the table itself, cannot be read."""
        for column in (*self.columns.values(), *self.only):
            name = self.dialect.name(column)
            sql = f"SELECT r.{name} FROM {self._table} r WHERE 1 = 0"  # noqa: S608
            yield f"{self.table}.{column}", sql

    @property
    def probe(self) -> str:
        """A statement that fails where the table itself cannot be read."""
        return f"SELECT 1 FROM {self._table} r WHERE 1 = 0"  # noqa: S608

    # Writing

    def insert(self, database: Database, values: Mapping[str, Any]) -> None:
        """One new row; it has the values of ``only`` too, or it would not be seen."""
        quoted = {self.quoted[name]: value for name, value in values.items()}
        quoted |= {self.dialect.name(name): value for name, value in self.only.items()}
        places = ", ".join("?" for _ in quoted)
        sql = f"INSERT INTO {self._table} ({', '.join(quoted)}) VALUES ({places})"  # noqa: S608
        with self.executed(database, sql, list(quoted.values())):
            pass

    def update(
        self,
        database: Database,
        values: Mapping[str, Any],
        held: Mapping[str, Any],
    ) -> int:
        """
        Give the row these values; how many rows it were.

        Only where its id, its version and what is replaced are as they are ``held``: what
        the columns hold themselves is compared, because 50.0 and 50.00 are two texts.
        """
        guarding = {"id", "version", *values} & self.quoted.keys()
        places = ", ".join(f"{self.quoted[name]} = ?" for name in values)
        where, guards = _equal({self.quoted[n]: held[n] for n in sorted(guarding)})
        only, more = self._restricted()
        sql = f"UPDATE {self._table} SET {places} WHERE {' AND '.join(where + only)}"  # noqa: S608
        bound = [*values.values(), *guards, *more]
        with self.executed(database, sql, bound) as cursor:
            return int(cursor.rowcount)

    def _restricted(self, prefix: str = "") -> tuple[list[str], list[Any]]:
        return _equal({prefix + self.dialect.name(n): v for n, v in self.only.items()})

    @contextmanager
    def executed(
        self, database: Database, sql: str, values: Sequence[Any] = ()
    ) -> Iterator[Any]:
        """A cursor behind one statement."""
        with closing(database.cursor()) as cursor:
            cursor.execute(*self.dialect.statement(sql, values))
            yield cursor


def _equal(values: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    """Conditions that hold for equal values, and for nothing where it is nothing."""
    where = [f"{n} IS NULL" if v is None else f"{n} = ?" for n, v in values.items()]
    return where, [value for value in values.values() if value is not None]


def _askable(value: Any) -> bool:
    """Whether a database takes the text at all; what it does not take, it cannot hold."""
    return is_name(value) if isinstance(value, str) else value is not None
