"""
A store in one SQLite file: durable on return, shared by processes on one machine.

The schema is two tables of facts and one row about the store itself; what a fact looks like
is none of its business. Not for network file systems, whose locks cannot be trusted.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any, NoReturn, TypeVar, cast
from uuid import uuid4

from attrs import evolve, frozen

from tieout import codec
from tieout.clock import Clock, SystemClock
from tieout.errors import StoreError, StoreTrouble
from tieout.store import SHAPES, Expect, Fact, Gone, Restored, indexes, key, place
from tieout.stores.file import Life, Sidecar, StoreFile, refusal, refused

F = TypeVar("F")

log = logging.getLogger("tieout.stores")

BUSY_SECONDS = 10.0
"""How long to wait for another process's transaction; ours take milliseconds."""

BUSY_ROUND_SECONDS = 0.025
"""SQLite looks ever more rarely: it is asked anew after this, or some would wait for ever."""

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
    (
        """CREATE TABLE life (
            one INTEGER PRIMARY KEY CHECK (one = 1), store TEXT NOT NULL,
            commits INTEGER NOT NULL, writer TEXT NOT NULL)""",
        "INSERT INTO life VALUES (1, lower(hex(randomblob(16))), 0, '')",
    ),
)
"""By schema version, the statements that lead to it, each version in one transaction."""

_TROUBLES: Mapping[int, StoreTrouble] = {
    sqlite3.SQLITE_PERM: StoreTrouble.NOT_PERMITTED,
    sqlite3.SQLITE_BUSY: StoreTrouble.LOCKED,
    sqlite3.SQLITE_LOCKED: StoreTrouble.LOCKED,
    sqlite3.SQLITE_PROTOCOL: StoreTrouble.LOCKED,
    sqlite3.SQLITE_READONLY: StoreTrouble.READ_ONLY,
    sqlite3.SQLITE_IOERR: StoreTrouble.DISK,
    sqlite3.SQLITE_CORRUPT: StoreTrouble.DAMAGED,
    sqlite3.SQLITE_NOTADB: StoreTrouble.NOT_A_STORE,
    sqlite3.SQLITE_FULL: StoreTrouble.FULL,
    sqlite3.SQLITE_CANTOPEN: StoreTrouble.NOT_PERMITTED,
    sqlite3.SQLITE_CONSTRAINT: StoreTrouble.DAMAGED,
}
"""SQLite's primary result codes, as far as they can be met."""

_FATAL = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
"""After these, a writer does not know any more what is on the disk."""


class SQLiteStore:
    """
    Facts in a SQLite file, made where there is none, readable by its owner alone.

    A file that others could read is narrowed to its owner. A file that is older than the
    one last used here, or another one, is noted in a `tieout.store.Restored`, at the time
    that ``clock`` tells. Raises `StoreError` for a file that is no store, was written by a
    newer version, is damaged, is locked for long, or cannot be written.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, clock: Clock | None = None
    ) -> None:
        self.path = Path(path)
        self._lock = RLock()
        self._process = os.getpid()
        self._clock: Clock = clock or SystemClock()
        self._rounds = max(1, round(BUSY_SECONDS / BUSY_ROUND_SECONDS))
        self._writer = uuid4().hex
        self._ended: StoreTrouble | None = None
        self._sidecar: Sidecar | None = None
        self._next: Life | None = None
        with self._named():
            self._file = StoreFile(self.path)
            self._connection = sqlite3.connect(
                self._file.path,
                timeout=min(BUSY_SECONDS, BUSY_ROUND_SECONDS),
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._open()
            except BaseException:
                self._let_go()
                raise

    def __repr__(self) -> str:
        return f"SQLiteStore({str(self.path)!r})"

    def get(self, kind: type[F], keys: Iterable[str]) -> dict[str, F]:
        name, found = SHAPES[kind].name, dict[str, F]()
        asked = list(dict.fromkeys(keys))
        with self._in_use():
            for first in range(0, len(asked), VARIABLES_MAX):
                some = asked[first : first + VARIABLES_MAX]
                rows = self._ask(
                    f"SELECT key, body FROM fact WHERE kind = ? AND key IN ({_marks(some)})",  # noqa: S608 - only question marks
                    (name, *some),
                )
                found.update((own, self._load(own, body, kind)) for own, body in rows)
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
        with self._in_use():
            for first in range(0, len(values), VARIABLES_MAX):
                some = values[first : first + VARIABLES_MAX]
                rows = self._ask(
                    # The entries lead: otherwise all facts of the kind are walked through.
                    f"""SELECT {"DISTINCT" if len(some) > 1 else ""} fact.key, fact.body
                    FROM entry CROSS JOIN fact
                    ON fact.kind = entry.kind AND fact.key = entry.key
                    WHERE entry.kind = ? AND entry.name = ? AND entry.value IN ({_marks(some)})
                    AND entry.key > ? ORDER BY entry.key LIMIT ?""",  # noqa: S608 - only question marks
                    (name, index, *some, after, limit),
                )
                found.update((own, self._load(own, body, kind)) for own, body in rows)
        return [found[own] for own in sorted(found)[:limit]]

    def commit(self, *facts: Fact | Gone, expect: Iterable[Expect] = ()) -> bool:
        with self._in_use():
            rows, wanted = _Rows.of(facts), list(expect)
            try:
                with self._transaction():
                    if not self._hold(wanted):
                        return False
                    self._write(rows)
            except sqlite3.IntegrityError as error:
                code = getattr(error, "sqlite_errorcode", 0)
                if code != sqlite3.SQLITE_CONSTRAINT_UNIQUE:
                    raise
                return False  # a unique value is taken: somebody else was first
            return True

    def close(self) -> None:
        if os.getpid() != self._process:
            return  # the files are the parent's
        with self._lock:
            if self._ended is None:
                self._ended = StoreTrouble.CLOSED
                self._let_go()

    # Errors by name ---------------------------------------------------------------------

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        """The store to this thread alone, if it can be used; what goes wrong by name."""
        # Before the lock: in a forked process, nobody may be left to release it.
        if os.getpid() != self._process:
            raise refusal(self.path, StoreTrouble.FORKED)
        with self._lock, self._named():
            if self._ended is StoreTrouble.CLOSED:
                raise refusal(self.path, self._ended)
            if self._ended is not None:
                raise refusal(self.path, self._ended, "it was given up")
            yield

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Whatever SQLite or the disk says, as a `StoreError` that names file and cause."""
        try:
            yield
        except sqlite3.Error as error:
            raise refusal(self.path, _trouble(error), str(error)) from error
        except ValueError as error:  # half a character, NaN
            raise refusal(self.path, StoreTrouble.NOT_TEXT) from error
        except OSError as error:
            raise refused(self.path, error) from error

    def _give_up(self, trouble: StoreTrouble, words: str) -> StoreError:
        """The error with which this handle ends: nothing is tried on it again."""
        self._ended = trouble
        self._let_go()
        return refusal(self.path, trouble, words)

    def _let_go(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()
        if self._sidecar is not None:
            with suppress(OSError):
                self._sidecar.close()
            self._sidecar = None

    # Opening ----------------------------------------------------------------------------

    def _open(self) -> None:
        # What a file holds is believed no further than it must be.
        self._ask("PRAGMA trusted_schema = OFF")
        self._ask("PRAGMA cell_size_check = ON")
        version = self._recognise()
        self._file.narrow()
        self._write_ahead()
        # A journal row that is lost with the power is a document sent twice.
        self._ask("PRAGMA synchronous = FULL")
        self._ask("PRAGMA fullfsync = ON")  # on a Mac, nothing less reaches the disk
        if version < len(MIGRATIONS):
            self._migrate()
        self._live()
        self._file.remember()

    def _recognise(self) -> int:
        """The schema's version; a file that is not ours is refused before any change."""
        # One moment: another process may be making the store.
        self._ask("BEGIN")
        try:
            ((version,),) = self._ask("PRAGMA user_version")
            ((owner,),) = self._ask("PRAGMA application_id")
            held = frozenset(name for (name,) in self._ask(_NAMES))
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        if owner != APPLICATION_ID and held:
            words = "it is a database, but not a tieout store"
            raise refusal(self.path, StoreTrouble.NOT_A_STORE, words)
        if version > len(MIGRATIONS):
            raise self._newer(version)
        if version < 0 or not _tables(version) <= held:
            raise refusal(self.path, StoreTrouble.DAMAGED, "tables are missing")
        return int(version)

    def _newer(self, version: int) -> StoreError:
        words = f"schema {version}, this one knows {len(MIGRATIONS)}"
        return refusal(self.path, StoreTrouble.NEWER, words)

    def _write_ahead(self) -> None:
        """Keep a log: one commit is one forced write, and readers wait for nobody."""
        for _ in range(self._rounds):
            try:
                ((mode,),) = self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if _primary(error) != sqlite3.SQLITE_BUSY:
                    raise
                # Another process makes the store. This statement waits for it, that did not.
                self._ask("BEGIN IMMEDIATE")
                self._connection.execute("ROLLBACK")
            else:
                break
        else:
            raise refusal(self.path, StoreTrouble.LOCKED)
        if mode != "wal":
            words = f"no write-ahead log can be kept here, only {mode}"
            raise refusal(self.path, StoreTrouble.NETWORK, words)

    def _migrate(self) -> None:
        with self._transaction():
            execute = self._connection.execute
            # Another process may have been faster: look again under the lock.
            version = execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise self._newer(version)
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    execute(statement)
            if version < len(MIGRATIONS):
                execute(f"PRAGMA application_id = {APPLICATION_ID}")
                execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    # The life of the store --------------------------------------------------------------

    def _live(self) -> None:
        """Find out whether this is the store that was last used here, and as far along."""
        self._sidecar, self._inode = Sidecar(self._file), self._file.inode
        # Noted first, then the store: it can only have come further meanwhile.
        noted, self._life = self._sidecar.read(), self._now()
        if noted is None or not noted.leads_to(self._life):
            with self._transaction():
                self._settle(self._sidecar)
        self._sidecar.note(self._life)
        self._sidecar.keep()

    def _settle(self, sidecar: Sidecar) -> None:
        """Look again, alone; then either the note is missing, or the store is not the one."""
        noted, now = sidecar.read(), self._now()
        self._life = now
        new = noted is None and not now.commits
        if not new and (noted is None or not noted.leads_to(now)):
            self._restore(now)
        # Before others may look. Should the commit fail, the id leads nowhere: looked at again.
        sidecar.note(self._next or self._life)

    def _restore(self, now: Life) -> None:
        """Say that it is not the store last used here; from now on it has another id."""
        # A copy beside another's log is neither of the two.
        ((sound,),) = self._ask("PRAGMA quick_check(1)")
        if sound != "ok":
            raise refusal(self.path, StoreTrouble.DAMAGED, sound)
        self._life = evolve(now, store=uuid4().hex)
        self._connection.execute("UPDATE life SET store = ?", (self._life.store,))
        self._write(_Rows.of([Restored(self._life.store, self._clock.now())]))
        log.warning("%s is not what was last used here: it was restored", self.path)

    def _now(self) -> Life:
        """The life as it is in the file."""
        match self._ask("SELECT store, commits, writer FROM life"):
            case [(str() as store, int() as commits, str() as writer)] if (
                _ID.fullmatch(store) and commits >= 0
            ):
                return Life(store, commits, self._inode, writer)
        raise refusal(self.path, StoreTrouble.DAMAGED, "it does not know itself")

    def _count(self) -> None:
        """Raise the number of commits, if the store is still the one that was opened."""
        now = self._now()
        if now.store != self._life.store or now.commits < self._life.commits:
            words = "another copy was put into it"
            raise self._give_up(StoreTrouble.REPLACED, words)
        ((version,),) = self._ask("PRAGMA user_version")
        if version > len(MIGRATIONS):
            raise self._newer(version)
        self._next = Life(now.store, now.commits + 1, self._inode, self._writer)
        self._connection.execute(
            "UPDATE life SET commits = ?, writer = ?",
            (self._next.commits, self._writer),
        )

    def _counted(self, now: Life) -> None:
        """The commit is on the disk: only now may the sidecar say so."""
        self._life = now
        if self._sidecar is not None:
            try:
                self._sidecar.note(now)
            except OSError as error:  # it lags: harmless
                log.warning("%s: %s", self._sidecar.path, error.strerror)

    # Transactions -----------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._connection.in_transaction:
            # A rollback here would leave the rest of the outer commit without one.
            raise refusal(self.path, StoreTrouble.IN_USE)
        self._next = None
        try:
            self._ask("BEGIN IMMEDIATE")
            self._check_same()
            yield
            self._finish(self._next)
        except BaseException as error:
            self._roll_back(error)
            raise
        if self._next is not None:
            self._counted(self._next)

    def _check_same(self) -> None:
        if changed := self._file.changed():
            raise self._give_up(StoreTrouble.REPLACED, changed)

    def _finish(self, then: Life | None) -> None:
        """Commit, and say what became of it: kept, raised and not kept, or unknown."""
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction or then is None:
                raise
            if _primary(error) == sqlite3.SQLITE_IOERR:
                # All of it may lie in the log, and come to life when that is read again.
                raise self._give_up(StoreTrouble.UNKNOWN, str(error)) from error
            if not self._kept(then):
                raise

    def _kept(self, then: Life) -> bool:
        """Whether a commit that was answered with an error has been carried out."""
        try:
            now = self._now()
        except (sqlite3.Error, StoreError) as error:
            raise self._give_up(StoreTrouble.UNKNOWN, str(error)) from error
        if now.commits > then.commits:
            raise self._give_up(StoreTrouble.UNKNOWN, "others have committed since")
        return now == then

    def _roll_back(self, error: BaseException) -> None:
        if self._ended is not None:
            return
        try:
            # A full disk has already rolled back.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except BaseException as again:  # noqa: BLE001 - a second Ctrl-C must not keep the lock
            self._give_up(_trouble(again), str(again))
            return
        if isinstance(error, sqlite3.Error) and _primary(error) in _FATAL:
            self._give_up(_trouble(error), str(error))

    # Rows -------------------------------------------------------------------------------

    def _ask(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """The rows of a statement that may have to wait for another process."""
        for _ in range(self._rounds - 1):
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.OperationalError as error:
                if _primary(error) != sqlite3.SQLITE_BUSY:
                    raise
        return self._connection.execute(statement, values).fetchall()

    def _hold(self, expect: Iterable[Expect]) -> bool:
        """Whether all expectations do."""
        for each in expect:
            rows = self._connection.execute(
                "SELECT key, body FROM fact WHERE kind = ? AND key = ?",
                (SHAPES[each.kind].name, each.key),
            ).fetchall()
            found = [self._load(own, body, each.kind) for own, body in rows]
            if not each.holds(found[0] if found else None):
                return False
        return True

    def _write(self, rows: _Rows) -> None:
        if not rows.places:
            return
        self._count()
        many = self._connection.executemany
        many("DELETE FROM entry WHERE kind = ? AND key = ?", rows.places)
        many("DELETE FROM fact WHERE kind = ? AND key = ?", rows.gone)
        many("INSERT OR REPLACE INTO fact VALUES (?, ?, ?)", rows.put)
        many("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", rows.entries)

    def _load(self, own: Any, body: Any, kind: type[F]) -> F:
        name = SHAPES[kind].name
        try:
            fact = codec.load(_DECODER.decode(body), kind)
            mine = key(cast(Fact, fact)) == own
        except Exception as error:  # noqa: BLE001 - whatever was made of it, it is damaged
            words = f"it holds a {name} that cannot be read: {type(error).__name__}"
            # Without the cause: its text may quote what the fact holds.
            raise refusal(self.path, StoreTrouble.DAMAGED, words) from None
        if not mine:
            words = f"it holds a {name} under a key that is not its own"
            raise refusal(self.path, StoreTrouble.DAMAGED, words)
        return fact


@frozen
class _Rows:
    """What a commit writes: places to clear, facts to take out, facts to put, entries."""

    places: Sequence[tuple[str, str]]
    gone: Sequence[tuple[str, str]]
    put: Sequence[tuple[str, str, str]]
    entries: Sequence[tuple[str, str, str, str, int]]

    @classmethod
    def of(cls, facts: Iterable[Fact | Gone]) -> _Rows:
        """The rows of facts; of several under one key, the last."""
        last = {place(fact): fact for fact in facts}
        gone: list[tuple[str, str]] = []
        put: list[tuple[str, str, str]] = []
        entries: list[tuple[str, str, str, str, int]] = []
        for (name, own), fact in last.items():
            if isinstance(fact, Gone):
                gone.append((name, own))
                continue
            put.append((name, own, _ENCODER.encode(codec.dump(fact))))
            entries += [
                (name, i.name, i.value, own, i.unique)
                for i in dict.fromkeys(indexes(fact))
            ]
        return cls(list(last), gone, put, entries)


_ID = re.compile("[0-9a-f]{32}")
_NAMES = "SELECT name FROM sqlite_master"


@cache
def _tables(version: int) -> frozenset[str]:
    """The names of the tables and indexes that a schema version has."""
    with closing(sqlite3.connect(":memory:")) as made:
        for statements in MIGRATIONS[:version]:
            for statement in statements:
                made.execute(statement)
        return frozenset(name for (name,) in made.execute(_NAMES))


def _primary(error: BaseException) -> int:
    """SQLite's result code without its details; 0 where it was not SQLite that spoke."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _trouble(error: BaseException) -> StoreTrouble:
    code = _primary(error)
    if not code and isinstance(error, sqlite3.OperationalError):
        return StoreTrouble.DAMAGED  # text that is no text
    return _TROUBLES.get(code, StoreTrouble.OTHER)


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def _plain(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, each of its names once; one that would be more than data is refused."""
    made = dict(pairs)
    if len(made) < len(pairs) or "__class__" in made:
        raise ValueError("names")
    return made


# Made once: making one takes longer than using it.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_plain)


def _marks(values: Collection[Any]) -> str:
    return ",".join("?" * len(values))
