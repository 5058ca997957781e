"""
A store in one SQLite file: durable on return, shared by processes on one machine.

The schema is two tables; what a fact looks like is none of its business. Not for network
file systems, whose locks cannot be trusted.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

from tieout import codec
from tieout.errors import StoreError
from tieout.store import SHAPES, Expect, Fact, Gone, indexes, key

F = TypeVar("F")

BUSY_SECONDS = 10.0
"""How long to wait for another process's transaction; ours take milliseconds."""

VARIABLES_MAX = 500
"""Parameters in one statement; the least that any build of SQLite allows is 999."""

APPLICATION_ID = 0x7469656F
"""Marks the file as ours ("tieo"), so that a foreign database is not written into."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE fact (
            kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (kind, key)) WITHOUT ROWID""",
        """CREATE TABLE entry (
            kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
            key TEXT NOT NULL, sole INTEGER NOT NULL,
            PRIMARY KEY (kind, name, value, key)) WITHOUT ROWID""",
        "CREATE INDEX entry_of ON entry (kind, key)",
        "CREATE UNIQUE INDEX entry_sole ON entry (kind, name, value) WHERE sole",
    ),
)
"""By schema version, the statements that lead to it, each version in one transaction."""


class SQLiteStore:
    """
    Facts in a SQLite file, made where there is none, readable by its owner alone.

    Raises `StoreError` for a file that is no store, was written by a newer version, is
    locked for long, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = RLock()
        with _named(self.path):
            self._own_file()
            self._connection = sqlite3.connect(
                self.path,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._open()
            except BaseException:
                self._connection.close()
                raise

    def __repr__(self) -> str:
        return f"SQLiteStore({str(self.path)!r})"

    def get(self, kind: type[F], keys: Iterable[str]) -> dict[str, F]:
        name, found = SHAPES[kind].name, dict[str, F]()
        asked = list(dict.fromkeys(keys))
        with self._lock, _named(self.path):
            for first in range(0, len(asked), VARIABLES_MAX):
                some = asked[first : first + VARIABLES_MAX]
                rows = self._connection.execute(
                    f"SELECT key, body FROM fact WHERE kind = ? AND key IN ({_marks(some)})",  # noqa: S608 - only question marks
                    (name, *some),
                )
                found.update((own, self._load(body, kind)) for own, body in rows)
        return found

    def find(
        self,
        kind: type[F],
        index: str,
        value: str | Collection[str],
        after: str = "",
        limit: int = 1000,
    ) -> list[F]:
        name, found = SHAPES[kind].name, dict[str, F]()
        values = [value] if isinstance(value, str) else list(dict.fromkeys(value))
        with self._lock, _named(self.path):
            for first in range(0, len(values), VARIABLES_MAX):
                some = values[first : first + VARIABLES_MAX]
                rows = self._connection.execute(
                    # The entries lead: otherwise all facts of the kind are walked through.
                    f"""SELECT {"DISTINCT" if len(some) > 1 else ""} fact.key, fact.body
                    FROM entry CROSS JOIN fact
                    ON fact.kind = entry.kind AND fact.key = entry.key
                    WHERE entry.kind = ? AND entry.name = ? AND entry.value IN ({_marks(some)})
                    AND entry.key > ? ORDER BY entry.key LIMIT ?""",  # noqa: S608 - only question marks
                    (name, index, *some, after, limit),
                )
                found.update((own, self._load(body, kind)) for own, body in rows)
        return [found[own] for own in sorted(found)[:limit]]

    def commit(self, *facts: Fact | Gone, expect: Iterable[Expect] = ()) -> bool:
        with self._lock, _named(self.path):
            try:
                with self._transaction():
                    return self._commit(facts, expect)
            except sqlite3.IntegrityError:
                return False  # a unique value is taken: somebody else was first

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _own_file(self) -> None:
        # Created by ourselves first, so that it never exists with other permissions.
        try:
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        except FileExistsError:
            return
        os.close(handle)

    def _open(self) -> None:
        execute = self._connection.execute
        version = execute("PRAGMA user_version").fetchone()[0]
        owner = execute("PRAGMA application_id").fetchone()[0]
        empty = not execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if owner != APPLICATION_ID and not empty:
            raise StoreError(f"{self.path} is a database, but not a tieout store")
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{self.path} was written by a newer version of tieout (schema {version}, "
                f"this one knows {len(MIGRATIONS)}): update tieout"
            )
        execute("PRAGMA journal_mode = WAL")
        # A journal row that is lost with the power is a document sent twice.
        execute("PRAGMA synchronous = FULL")
        if version < len(MIGRATIONS):
            self._migrate()

    def _migrate(self) -> None:
        with self._transaction():
            execute = self._connection.execute
            # Another process may have been faster: look again under the lock.
            version = execute("PRAGMA user_version").fetchone()[0]
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    execute(statement)
            execute(f"PRAGMA application_id = {APPLICATION_ID}")
            execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # A full disk has already rolled back.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _commit(self, facts: Iterable[Fact | Gone], expect: Iterable[Expect]) -> bool:
        for each in expect:
            if not each.holds(self._one(each.kind, each.key)):
                return False
        gone: list[tuple[str, str]] = []
        put: list[tuple[str, str, str]] = []
        entries: list[tuple[str, str, str, str, int]] = []
        for fact in facts:
            if isinstance(fact, Gone):
                gone.append((SHAPES[fact.kind].name, fact.key))
                continue
            name, own = SHAPES[type(fact)].name, key(fact)
            put.append((name, own, _dump(fact)))
            entries += [
                (name, i.name, i.value, own, i.unique)
                for i in dict.fromkeys(indexes(fact))
            ]
        many = self._connection.executemany
        many(
            "DELETE FROM entry WHERE kind = ? AND key = ?",
            [*gone, *((k, o) for k, o, _ in put)],
        )
        many("DELETE FROM fact WHERE kind = ? AND key = ?", gone)
        many("INSERT OR REPLACE INTO fact VALUES (?, ?, ?)", put)
        many("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", entries)
        return True

    def _one(self, kind: type[F], own: str) -> F | None:
        row = self._connection.execute(
            "SELECT body FROM fact WHERE kind = ? AND key = ?", (SHAPES[kind].name, own)
        ).fetchone()
        return self._load(row[0], kind) if row else None

    def _load(self, body: str, kind: type[F]) -> F:
        try:
            return codec.load(json.loads(body), kind)
        except Exception as error:
            raise StoreError(
                f"{self.path} holds a {SHAPES[kind].name} that cannot be read"
            ) from error


def _dump(fact: Fact) -> str:
    return json.dumps(codec.dump(fact), ensure_ascii=False, separators=(",", ":"))


def _marks(values: Collection[Any]) -> str:
    return ",".join("?" * len(values))


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Whatever SQLite or the disk says, as a `StoreError` that names the file."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except (sqlite3.Error, UnicodeError) as error:
        raise StoreError(f"the store {path} failed: {error}") from error
    except OSError as error:
        raise StoreError(
            f"the store {path} cannot be opened: {error.strerror}"
        ) from error
