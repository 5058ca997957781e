"""
Processes that use one store and are killed: run as a program, it prints what it saw as JSON.

``crashes.py acknowledged FOLDER KILLS SEED``: each child commits until it is killed with
SIGKILL at a moment of chance; after each kill the store is opened, and every commit that the
child had acknowledged must be there.

``crashes.py everywhere FOLDER``: each child kills itself before or after its Nth SQLite
call, while it makes a store, migrates one of schema 1, notes a restore, or commits.

`hammer` is for several processes that live. The others fork, which needs a process without
threads: not the one that runs the tests.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from attrs import evolve

from tieout.models import Link
from tieout.store import Event, Expect, Lease, Marker, Restored, key
from tieout.stores.file import Sidecar
from tieout.stores.sqlite import SQLiteStore

AT = datetime(2026, 3, 10, tzinfo=UTC)
FACTS = 4
"""In one commit."""


def batch(number: int) -> list[Marker]:
    """The facts of one commit: all of them are there, or none."""
    return [Marker("p", f"v{part}", f"{number}", AT) for part in range(FACTS)]


def present(store: SQLiteStore, number: int) -> int:
    """How many facts of a commit are there."""
    return len(store.get(Marker, [key(each) for each in batch(number)]))


def forked(run: Callable[[], None]) -> int:
    """A child that does this and never comes back; its process id."""
    child = os.fork()
    if child:
        return child
    try:
        run()
    except BaseException:  # noqa: BLE001 - it must not go on as a second parent
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def killed(child: int) -> bool:
    """Wait for a child: whether it was killed, and did not end by itself."""
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, "a child failed"
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


# All at once --------------------------------------------------------------------------

STEPS, REOPEN = 20, 5
"""How often each process raises the number, and after how many it opens the store anew."""


def hammer(path: str, own: int, start: Barrier) -> None:
    """Raise one number all the processes share, each time by what was read before."""
    start.wait()  # all of them find no file, or one being made
    store = SQLiteStore(path)
    store.commit(Lease("p", "nobody", 0, AT), expect=[Expect(Lease, "p")])
    step = 0
    while step < STEPS:
        lease = store.get(Lease, ["p"])["p"]
        event = Event(f"run {own}", step, "p", AT, "raised")
        mine = evolve(lease, holder=str(own), fence=lease.fence + 1)
        if store.commit(
            mine, event, expect=[Expect(Lease, "p", {"fence": lease.fence})]
        ):
            step += 1
            if step % REOPEN == 0:
                store.close()
                store = SQLiteStore(path)
    store.close()


# At moments of chance ---------------------------------------------------------------------


def committing(path: Path, first: int, tell: int) -> None:
    """Commit for ever, and say so each time."""
    store, number = SQLiteStore(path), first
    while True:
        assert store.commit(*batch(number))
        os.write(tell, b".")
        number += 1


def acknowledged(folder: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill after kill on one store; the counts of what was seen."""
    path, chance = folder / "tieout.db", random.Random(seed)
    seen = {"kills": 0, "acknowledged": 0, "lost": 0, "half": 0, "restored": 0}
    number = 0
    for _ in range(kills):
        listen, tell = os.pipe()
        child = forked(lambda first=number, to=tell: committing(path, first, to))  # type: ignore[misc]
        os.close(tell)
        told = 0
        for _ in range(chance.randrange(1, 12)):
            told += len(os.read(listen, 1))
        time.sleep(chance.random() * 0.004)
        os.kill(child, signal.SIGKILL)
        seen["kills"] += killed(child)
        while some := os.read(listen, 4096):
            told += len(some)
        os.close(listen)
        with closing(SQLiteStore(path)) as store:
            counts = [present(store, number + each) for each in range(told + 2)]
            seen["lost"] += sum(count == 0 for count in counts[:told])
            seen["half"] += sum(count not in (0, FACTS) for count in counts)
            seen["restored"] += len(store.get(Restored, ["store"]))
        seen["acknowledged"] += told
        number += told + 2
    return seen


# At each call -----------------------------------------------------------------------------


class Deadly(sqlite3.Connection):
    """A connection that kills its process at the Nth call."""

    at, after, calls = 0, False, 0

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        if sql == "PRAGMA synchronous = FULL":
            sql = "PRAGMA synchronous = OFF"  # a kill leaves the system's memory alone
        return self._count(lambda: super(Deadly, self).execute(sql, *rest))

    def executemany(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        return self._count(lambda: super(Deadly, self).executemany(sql, *rest))

    def _count(self, run: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        Deadly.calls += 1
        if Deadly.calls == Deadly.at and not Deadly.after:
            os.kill(os.getpid(), signal.SIGKILL)
        found = run()
        if Deadly.calls == Deadly.at:
            os.kill(os.getpid(), signal.SIGKILL)
        return found


def deadly(path: Path, at: int, *, after: bool) -> None:
    """Open the store and commit once; dies at some call of that."""
    plain = sqlite3.connect

    def connect(to: Any, **more: Any) -> sqlite3.Connection:
        kind = sqlite3.Connection if to == ":memory:" else Deadly
        return plain(to, factory=kind, **more)

    sqlite3.connect = connect  # type: ignore[assignment]
    Deadly.at, Deadly.after = at, after
    store = SQLiteStore(path)
    store.commit(*batch(1))


def everywhere(folder: Path) -> dict[str, int]:
    """Every call of every start, before and after; the counts of what was seen."""
    seen = {"kills": 0, "half": 0, "lost": 0, "restored": 0, "unnoticed": 0}
    path = folder / "tieout.db"
    Sidecar.keep = lambda self: None  # type: ignore[method-assign]
    for start in ("nothing", "old.db", "made.db"):
        for after in (False, True):
            at, died = 0, True
            while died:
                at += 1
                for each in folder.glob("tieout.db*"):
                    each.unlink()
                if start != "nothing":
                    shutil.copy(folder / start, path)
                child = forked(lambda n=at, a=after: deadly(path, n, after=a))  # type: ignore[misc]
                died = killed(child)
                seen["kills"] += died
                look(path, start, seen)
    return seen


def look(path: Path, start: str, seen: dict[str, int]) -> None:
    """What the next process finds: the old facts, all of the new ones or none."""
    with closing(SQLiteStore(path)) as store:
        seen["half"] += present(store, 1) not in (0, FACTS)
        if start != "nothing":
            seen["lost"] += len(store.find(Link, "open", "p\x1fInvoice")) != 1
        found = bool(store.get(Restored, ["store"]))
        seen["restored"] += found and start != "made.db"
        # A copy without its sidecar: however often it dies, the next one still says so.
        seen["unnoticed"] += start == "made.db" and not found
        assert store.commit(*batch(2))


if __name__ == "__main__":
    what, where, *numbers = sys.argv[1:]
    found = (
        acknowledged(Path(where), *map(int, numbers))
        if what == "acknowledged"
        else everywhere(Path(where))
    )
    sys.stdout.write(json.dumps(found))
