"""One SQLite store and several processes: at once, and killed in the middle."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import crashes
from test_store_life import schema_1
from test_stores import LINK

from tieout.store import Event, Lease, Restored, key
from tieout.stores.sqlite import SQLiteStore

PROCESSES = 8


def test_eight_processes_lose_nothing_and_are_never_told_that_it_is_locked(
    tmp_path: Path,
) -> None:
    """S3, S7: made, opened, closed and raised by all at once; the sum is exact."""
    path = tmp_path / "tieout.db"
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(PROCESSES)
    children = [
        spawn.Process(target=crashes.hammer, args=(str(path), own, start))
        for own in range(PROCESSES)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * PROCESSES
    with closing(SQLiteStore(path)) as store:
        assert store.get(Lease, ["p"])["p"].fence == PROCESSES * crashes.STEPS
        for own in range(PROCESSES):
            assert len(store.find(Event, "run", f"run {own}")) == crashes.STEPS
        assert store.get(Restored, ["store"]) == {}


def crash(*arguments: object) -> dict[str, int]:
    """What `crashes` saw, in a process of its own."""
    ended = subprocess.run(
        [sys.executable, crashes.__file__, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    seen: dict[str, int] = json.loads(ended.stdout)
    print(seen)  # noqa: T201 - the figures
    return seen


def test_what_was_acknowledged_survives_every_kill(tmp_path: Path) -> None:
    """S4, C10: SIGKILL at moments of chance; nothing lost, nothing half, no false alarm."""
    seen = crash("acknowledged", tmp_path, 40, 20260310)
    assert seen["kills"] == 40
    assert seen["acknowledged"] >= 40
    assert (seen["lost"], seen["half"], seen["restored"]) == (0, 0, 0)


def test_a_kill_at_any_call_leaves_a_store_that_goes_on(tmp_path: Path) -> None:
    """C10, C14, C17: making it, migrating schema 1, noting a restore, committing."""
    schema_1(tmp_path / "old.db", LINK)
    with closing(SQLiteStore(tmp_path / "made.db")) as store:
        store.commit(LINK)
        assert store.get(type(LINK), [key(LINK)])
    seen = crash("everywhere", tmp_path)
    assert seen.pop("kills") >= 100
    assert set(seen.values()) == {0}, seen
