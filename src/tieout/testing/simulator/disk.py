"""
What survives the processes of a simulated world: the store, in memory or in a file.

A disk is opened by each process anew. It can be copied and put back (an older backup),
and a file can be broken in the ways that files break.
"""

from __future__ import annotations

import copy
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any, TypeVar

from tieout.clock import Clock, SystemClock
from tieout.store import SHAPES, Restored, Store, key
from tieout.stores.memory import MemoryStore
from tieout.stores.sqlite import SQLiteStore

F = TypeVar("F")


class Torn(BaseException):
    """The process ended in the middle of a transaction."""


class _Breaking(SQLiteStore):
    """The real store, whose process can end between a transaction's writes and its end."""

    breaking = False

    def _write(self, rows: Any) -> None:
        super()._write(rows)
        if self.breaking:
            raise Torn


class Disk:
    """The durable image. ``facts`` reads it as it is, past every cache and fault."""

    durable = False
    clock: Clock = SystemClock()
    """By which an older copy is dated when it is noticed."""

    def open(self) -> Store:
        """The store as a new process opens it."""
        raise NotImplementedError

    def facts(self, kind: type[F]) -> list[F]:
        """All facts of a kind."""
        raise NotImplementedError

    def image(self) -> dict[str, Any]:
        """All facts by kind and key, as plain text that can be compared."""
        return {
            f"{shape.name} {key(fact)}": repr(fact)
            for kind, shape in SHAPES.items()
            for fact in self.facts(kind)
        }

    def close(self) -> None:
        """Throw the disk away."""


class MemoryDisk(Disk):
    """A store in memory that outlives its processes."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self._copy: Any = None

    def open(self) -> Store:
        return self._store

    def facts(self, kind: type[F]) -> list[F]:
        held = self._store._facts[SHAPES[kind].name]  # noqa: SLF001 - it is the disk
        return [held[each] for each in sorted(held)]

    def back_up(self) -> None:
        """Keep a copy."""
        held = self._store
        self._copy = (
            {name: dict(facts) for name, facts in held._facts.items()},  # noqa: SLF001
            copy.deepcopy(held._index),  # noqa: SLF001
        )

    def restore(self) -> bool:
        """Put the copy back; whether there was one."""
        if self._copy is None:
            return False
        self._store._facts, self._store._index = self._copy  # noqa: SLF001
        self._copy = None
        # What the file's sidecar does; memory has none.
        self._store.commit(Restored("copy", self.clock.now()))
        return True


class FileDisk(Disk):
    """A SQLite file in a folder of its own."""

    durable = True

    def __init__(self) -> None:
        place = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - faster
        self.folder = Path(tempfile.mkdtemp(prefix="tieout-sim-", dir=place))
        self.path = self.folder / "store.db"
        self._copy: Path | None = None
        self._opened: list[SQLiteStore] = []
        self._serial = 0

    def open(self) -> _Breaking:
        store = _Breaking(self.path, clock=self.clock)
        self._opened.append(store)
        return store

    def facts(self, kind: type[F]) -> list[F]:
        if not self._opened:
            self.open()
        store = self._opened[-1]
        name = SHAPES[kind].name
        rows = store._connection.execute(  # noqa: SLF001 - it is the disk
            "SELECT key, body FROM fact WHERE kind = ? ORDER BY key", (name,)
        )
        return [store._load(own, body, kind) for own, body in rows]  # noqa: SLF001

    def shut(self) -> None:
        """All processes have ended."""
        for store in self._opened:
            store.close()
        self._opened.clear()
        if self.written():  # what a failed power left behind
            SQLiteStore(self.path, clock=self.clock).close()

    def back_up(self) -> None:
        """Keep a copy."""
        self.shut()
        if self.path.exists():
            self._copy = self.folder / "backup.db"
            shutil.copy(self.path, self._copy)

    def restore(self) -> bool:
        """Put the copy back; whether there was one."""
        if self._copy is None:
            return False
        self.shut()
        shutil.copy(self._copy, self.path)
        self._copy = None
        return True

    def written(self) -> int:
        """How long the write-ahead log is by now, in bytes."""
        log = Path(f"{self.path}-wal")
        return log.stat().st_size if log.exists() else 0

    def lose_power(self, acknowledged: int, share: float) -> None:
        """The power fails: of what came after the acknowledged bytes, a share is there."""
        here = Path(f"{self.path}-wal")
        size = self.written()
        kept = acknowledged + int(max(0, size - acknowledged) * share)
        self._serial += 1
        moved = self.folder / f"store{self._serial}.db"
        shutil.copy(self.path, moved)
        Path(f"{moved}-wal").write_bytes(here.read_bytes()[:kept])
        for store in self._opened:
            store.close()
        self._opened.clear()
        self.path = moved

    def tear_migration(self, statements: int) -> None:
        """A process ends after some statements of the schema's first transaction."""
        from tieout.stores import sqlite  # noqa: PLC0415 - its table of the day

        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        for statement in sqlite.MIGRATIONS[0][:statements]:
            connection.execute(statement)
        connection.close()

    def close(self) -> None:
        for store in self._opened:
            store.close()
        shutil.rmtree(self.folder, ignore_errors=True)
