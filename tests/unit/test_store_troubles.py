"""Every way in which a SQLite store can fail has its own words, remedy and trouble."""

from __future__ import annotations

import functools
import gc
import json
import logging
import os
import random
import resource
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from test_store_life import beside, marker
from test_stores import FACTS, INTENT, ISSUE, LINK, a_link

from tieout.errors import StoreError, StoreTrouble
from tieout.store import (
    SHAPES,
    Expect,
    Fact,
    Intent,
    Lease,
    Marker,
    Restored,
    indexes,
    key,
)
from tieout.stores import file as file_module
from tieout.stores import sqlite as sqlite_module
from tieout.stores.file import Sidecar
from tieout.stores.sqlite import SQLiteStore

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of an ordinary user, and this process acting as one: root may do anything."""
    made = Path(tempfile.mkdtemp())
    root = os.geteuid() == 0
    if root:
        os.chown(made, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield made
    finally:
        if root:
            os.seteuid(0)
        made.chmod(0o700)
        shutil.rmtree(made)


def refused(run: Callable[[], Any]) -> StoreError:
    """The error; its text names the remedy."""
    with pytest.raises(StoreError) as caught:
        run()
    assert caught.value.trouble.remedy in str(caught.value)
    assert caught.value.trouble.meaning in str(caught.value)
    return caught.value


# When it is opened -----------------------------------------------------------------------


def no_folder(folder: Path) -> Path:
    return folder / "missing" / "tieout.db"


def file_as_folder(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "tieout.db"


def a_folder(folder: Path) -> Path:
    return folder


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "tieout.db", 0o600)
    return folder / "tieout.db"


def a_nul(folder: Path) -> Path:
    return folder / "a\0b"


def a_loop(folder: Path) -> Path:
    (folder / "loop").symlink_to("loop")
    return folder / "loop"


def read_only_file(folder: Path) -> Path:
    SQLiteStore(folder / "tieout.db").close()
    (folder / "tieout.db").chmod(0o400)
    return folder / "tieout.db"


def secret_file(folder: Path) -> Path:
    SQLiteStore(folder / "tieout.db").close()
    (folder / "tieout.db").chmod(0o000)
    return folder / "tieout.db"


def read_only_folder(folder: Path) -> Path:
    SQLiteStore(folder / "tieout.db").close()
    folder.chmod(0o500)
    return folder / "tieout.db"


def new_in_read_only_folder(folder: Path) -> Path:
    folder.chmod(0o500)
    return folder / "tieout.db"


def two_names(folder: Path) -> Path:
    SQLiteStore(folder / "tieout.db").close()
    (folder / "second.db").hardlink_to(folder / "tieout.db")
    return folder / "tieout.db"


def no_database(folder: Path) -> Path:
    (folder / "tieout.db").write_bytes(b"an ordinary text\n" * 500)
    return folder / "tieout.db"


def foreign(folder: Path) -> Path:
    with closing(sqlite3.connect(folder / "tieout.db")) as raw:
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute("CREATE TABLE invoice (id)")
    return folder / "tieout.db"


def newer(folder: Path) -> Path:
    return changed(folder, "PRAGMA user_version = 99")


def older_than_any(folder: Path) -> Path:
    return changed(folder, "PRAGMA user_version = -1")


def a_table_less(folder: Path) -> Path:
    return changed(folder, "DROP TABLE entry")


def no_life(folder: Path) -> Path:
    return changed(folder, "DELETE FROM life")


def odd_life(folder: Path) -> Path:
    return changed(folder, "UPDATE life SET store = 'ü\n'")


def changed(folder: Path, statement: str) -> Path:
    SQLiteStore(folder / "tieout.db").close()
    with closing(sqlite3.connect(folder / "tieout.db")) as raw:
        raw.execute(statement)
        raw.commit()
    return folder / "tieout.db"


AT_OPEN: dict[Callable[[Path], Path], StoreTrouble] = {
    no_folder: StoreTrouble.NO_FOLDER,
    file_as_folder: StoreTrouble.NO_FOLDER,
    a_folder: StoreTrouble.NOT_A_FILE,
    a_pipe: StoreTrouble.NOT_A_FILE,
    a_nul: StoreTrouble.NOT_A_FILE,
    a_loop: StoreTrouble.NOT_A_FILE,
    read_only_file: StoreTrouble.READ_ONLY,
    secret_file: StoreTrouble.NOT_PERMITTED,
    read_only_folder: StoreTrouble.READ_ONLY,
    new_in_read_only_folder: StoreTrouble.NOT_PERMITTED,
    two_names: StoreTrouble.TWO_NAMES,
    no_database: StoreTrouble.NOT_A_STORE,
    foreign: StoreTrouble.NOT_A_STORE,
    newer: StoreTrouble.NEWER,
    older_than_any: StoreTrouble.DAMAGED,
    a_table_less: StoreTrouble.DAMAGED,
    no_life: StoreTrouble.DAMAGED,
    odd_life: StoreTrouble.DAMAGED,
}


@pytest.mark.parametrize("prepare", AT_OPEN, ids=lambda each: each.__name__)
def test_what_cannot_be_opened_is_named_and_left_alone(
    folder: Path, prepare: Callable[[Path], Path]
) -> None:
    """S6, S11, S13: the trouble, the remedy; not a byte and not a permission changes."""
    path = prepare(folder)
    regular = "\0" not in str(path) and path.is_file()
    before = path.stat() if regular else None
    content = path.read_bytes() if regular and prepare is not secret_file else None
    error = refused(lambda: SQLiteStore(path))
    assert error.trouble is AT_OPEN[prepare]
    assert str(folder) in str(error)
    if before is not None:
        after = path.stat()
        assert (after.st_mode, after.st_size, after.st_mtime_ns) == (
            before.st_mode,
            before.st_size,
            before.st_mtime_ns,
        )
        assert content is None or path.read_bytes() == content


@pytest.mark.parametrize(
    ("system", "refuses"),
    [("nfs4", True), ("cifs", True), ("fuse.sshfs", True), ("ext4", False)],
)
def test_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, refuses: bool
) -> None:
    """S11: where the machine can tell; its locks would let two runs write."""
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 250:9 / / rw - nfs server:/ rw\n\ngarbage\n"
        f"36 22 {os.major(device)}:{os.minor(device)} / /with\\040space rw,noatime "
        f"shared:1 - {system} server:/export rw\n"
    )
    monkeypatch.setattr(file_module, "MOUNTS", mounts)
    if refuses:
        error = refused(lambda: SQLiteStore(tmp_path / "tieout.db"))
        assert error.trouble is StoreTrouble.NETWORK
        assert system in str(error)
    else:
        SQLiteStore(tmp_path / "tieout.db").close()


def test_a_machine_that_does_not_tell_its_file_systems_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S11: elsewhere than on Linux nothing is known."""
    monkeypatch.setattr(file_module, "MOUNTS", tmp_path / "nowhere")
    SQLiteStore(tmp_path / "tieout.db").close()


def test_a_disk_that_keeps_no_log_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S11, S4: without the write-ahead log readers would lock writers out."""

    class Without(sqlite3.Connection):
        def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
            mode = "PRAGMA journal_mode"
            return super().execute(mode if sql.startswith(mode) else sql, *rest)

    connected_by(monkeypatch, Without)
    error = refused(lambda: SQLiteStore(tmp_path / "tieout.db"))
    assert error.trouble is StoreTrouble.NETWORK


def connected_by(
    monkeypatch: pytest.MonkeyPatch, kind: type[sqlite3.Connection]
) -> None:
    """Every store opened from now on has a connection of this kind."""
    plain = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **more: plain(*args, factory=kind, **more)
    )


def test_a_store_that_another_holds_for_itself_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3: a bounded wait at opening, too; then it can be opened."""
    path = tmp_path / "tieout.db"
    SQLiteStore(path).close()
    monkeypatch.setattr(sqlite_module, "BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        error = refused(lambda: SQLiteStore(path))
        assert error.trouble is StoreTrouble.LOCKED
    SQLiteStore(path).close()


def test_a_store_that_is_being_made_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3: turning the log on is refused at once while another does; it is tried again."""
    refusals = iter([True, True, False])

    class Busy(sqlite3.Connection):
        def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
            if sql.startswith("PRAGMA journal_mode") and next(refusals, False):
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error
            return super().execute(sql, *rest)

    connected_by(monkeypatch, Busy)
    with closing(SQLiteStore(tmp_path / "tieout.db")) as store:
        assert store.commit(LINK)
    assert list(refusals) == []


# Who may read it -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o660, 0o777, 0o604])
def test_a_file_that_others_could_use_is_narrowed(
    folder: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    """X18: whatever its mode was and under any umask, with its log; and that is logged."""
    path = folder / "tieout.db"
    before = os.umask(0)
    try:
        path.touch()
        path.chmod(mode)
        store = SQLiteStore(path)
        store.commit(*FACTS)
        for each in folder.iterdir():
            each.chmod(mode)  # as a careless copy would, the log with it
        again = SQLiteStore(path)
        found = {
            each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()
        }
        assert set(found.values()) == {0o600}, found
        assert len(found) == 4
        store.close()
        again.close()
    finally:
        os.umask(before)
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert any(f"{mode:o}" in record.getMessage() for record in told)


def test_a_file_that_cannot_be_narrowed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X18: another user's file that everybody may write holds no grant of ours."""
    path = tmp_path / "tieout.db"
    path.touch()
    path.chmod(0o666)

    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    error = refused(lambda: SQLiteStore(path))
    assert error.trouble is StoreTrouble.NOT_PERMITTED


# While it is used ------------------------------------------------------------------------


def test_a_write_that_the_system_refuses_ends_the_handle_and_loses_nothing(
    tmp_path: Path,
) -> None:
    """S1, S2, S5: a real failing write; what was acknowledged is all there afterwards."""
    path = tmp_path / "tieout.db"
    store = SQLiteStore(path)
    for number in range(20):
        assert store.commit(marker(number))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    big = evolve(ISSUE, issue=evolve(ISSUE.issue, text="x" * 500_000))
    size = beside(path, "-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10_000, hard))
    try:
        error = refused(lambda: store.commit(INTENT, big))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.trouble in (StoreTrouble.DISK, StoreTrouble.UNKNOWN)
    assert refused(lambda: store.get(Intent, ["n1"])).trouble is error.trouble
    assert refused(lambda: store.commit(LINK)).trouble is error.trouble
    store.close()
    with closing(SQLiteStore(path)) as again:
        keys = [key(marker(number)) for number in range(20)]
        assert len(again.get(Marker, keys)) == 20
        assert again.get(Intent, ["n1"]) == {}
        assert again.get(Restored, ["store"]) == {}
        assert again.commit(INTENT, big)


def test_a_full_disk_has_a_name(tmp_path: Path) -> None:
    """S1: and the store goes on once there is room."""
    with closing(SQLiteStore(tmp_path / "tieout.db")) as store:
        store.commit(LINK)
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        big = evolve(ISSUE, issue=evolve(ISSUE.issue, text="x" * 100_000))
        error = refused(lambda: store.commit(INTENT, big))
        assert error.trouble is StoreTrouble.FULL
        assert store.get(Intent, ["n1"]) == {}
        store._connection.execute("PRAGMA max_page_count = 100000")
        assert store.commit(INTENT, big)


@pytest.mark.parametrize(
    ("prepare", "trouble"),
    [
        ("PRAGMA query_only = ON", StoreTrouble.READ_ONLY),
        ("DELETE FROM life", StoreTrouble.DAMAGED),
        ("DROP TABLE entry", StoreTrouble.OTHER),
        ("UPDATE life SET commits = -1", StoreTrouble.DAMAGED),
    ],
)
def test_a_commit_that_fails_has_a_name(
    tmp_path: Path, prepare: str, trouble: StoreTrouble
) -> None:
    """S6, S11: and nothing of it is written."""
    with closing(SQLiteStore(tmp_path / "tieout.db")) as store:
        store._connection.execute(prepare)
        assert refused(lambda: store.commit(INTENT)).trouble is trouble
        assert store.get(Intent, ["n1"]) == {}


def test_a_page_that_is_damaged_is_told_when_it_is_read(tmp_path: Path) -> None:
    """S6: by get, by find and by commit."""
    path = tmp_path / "tieout.db"
    with closing(SQLiteStore(path)) as store:
        store.commit(*(a_link(f"l{n:04d}", f"b{n:04d}") for n in range(500)))
    content = bytearray(path.read_bytes())
    content[10 * 4096 : 60 * 4096] = b"\xa5" * (50 * 4096)
    path.write_bytes(content)
    keys = [key(a_link(f"l{n:04d}", "b")) for n in range(500)]
    with closing(SQLiteStore(path)) as store:
        for run in (
            lambda: store.get(type(LINK), keys),
            lambda: store.find(type(LINK), "open", "p\x1fInvoice"),
            lambda: store.commit(*(a_link(f"m{n}", f"m{n}") for n in range(500))),
        ):
            assert refused(run).trouble is StoreTrouble.DAMAGED
    assert path.read_bytes() == content


def test_a_commit_within_a_commit_is_refused(tmp_path: Path) -> None:
    """C10: as from a signal handler; the outer one is still all or nothing."""
    with closing(SQLiteStore(tmp_path / "tieout.db")) as store:
        errors: list[StoreError] = []
        written = store._write

        def interrupted(rows: Any) -> None:
            errors.append(refused(lambda: store.commit(marker(1))))
            written(rows)

        store._write = interrupted  # type: ignore[method-assign]
        assert store.commit(LINK)
        del store._write
        assert [error.trouble for error in errors] == [StoreTrouble.IN_USE]
        assert store.get(type(LINK), [key(LINK)])
        assert store.get(Marker, [key(marker(1))]) == {}


def test_a_store_is_not_carried_into_a_forked_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S7: SQLite forbids it; the child is told, and the parent's handle is left alone."""
    store = SQLiteStore(tmp_path / "tieout.db")
    own = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: own + 1)
    assert refused(lambda: store.commit(LINK)).trouble is StoreTrouble.FORKED
    store.close()
    monkeypatch.undo()
    assert store.commit(LINK)
    store.close()


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    """And afterwards every use says that it is closed."""
    store = SQLiteStore(tmp_path / "tieout.db")
    store.close()
    store.close()
    assert refused(lambda: store.commit(LINK)).trouble is StoreTrouble.CLOSED


def test_what_cannot_be_written_as_text_has_a_name(tmp_path: Path) -> None:
    """X10, D5: half a character, or no number; nothing is half written."""
    with closing(SQLiteStore(tmp_path / "tieout.db")) as store:
        fence: Any = float("nan")
        odds: list[Fact] = [
            a_link("\ud800", "b1"),
            Lease("p", "me", fence, datetime(2026, 3, 10, tzinfo=UTC)),
        ]
        for odd in odds:
            error = refused(functools.partial(store.commit, INTENT, odd))
            assert error.trouble is StoreTrouble.NOT_TEXT
        assert store.get(Intent, ["n1"]) == {}


def test_a_store_that_cannot_be_opened_holds_no_file_open(tmp_path: Path) -> None:
    """S11: whatever goes wrong, nothing is left open."""
    path = changed(tmp_path, "DELETE FROM life")
    gc.collect()
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(5):
        refused(lambda: SQLiteStore(path))
    gc.collect()
    assert len(list(Path("/dev/fd").iterdir())) == before


# What the facts say ----------------------------------------------------------------------

GOOD = json.loads(sqlite_module._Rows.of([INTENT]).put[0][2])


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({**GOOD, "__class__": "os.system"}),
        json.dumps({**GOOD, "source": {**GOOD["source"], "__class__": "subprocess"}}),
        json.dumps({**GOOD, "generation": float("nan")}),
        json.dumps({**GOOD, "generation": float("inf")}),
        json.dumps({**GOOD, "generation": 1.5}),
        json.dumps({**GOOD, "generation": "1"}),
        json.dumps({**GOOD, "generation": True}),
        json.dumps({**GOOD, "generation": None}),
        json.dumps({**GOOD, "mark": None}),
        json.dumps({**GOOD, "mark": ["m"]}),
        json.dumps({**GOOD, "owned": "abc"}),
        json.dumps({**GOOD, "owned": {"a": 1}}),
        json.dumps({**GOOD, "owned": [1]}),
        json.dumps({**GOOD, "stage": "SENT"}),
        json.dumps({**GOOD, "stage": "__class__"}),
        json.dumps({**GOOD, "kind": "os"}),
        json.dumps({**GOOD, "source": None}),
        json.dumps({**GOOD, "deadline": "yesterday"}),
        json.dumps({**GOOD, "deadline": 5}),
        json.dumps({**GOOD, "name": "another"}),
        json.dumps(GOOD)[:-1] + ',"name":"n1"}',
        "[" * 100_000,
        '{"name":' + "9" * 5000 + "}",
        "",
        "\x00",
        "!!python/object/apply:os.system [id]",
    ],
    ids=range(26),
)
def test_a_fact_that_is_not_what_it_should_be_is_refused(
    tmp_path: Path, body: str
) -> None:
    """X22, X10, S6: JSON only, exact types, its own key; nothing is run, nothing guessed."""
    with closing(SQLiteStore(tmp_path / "tieout.db")) as store:
        store.commit(INTENT)
        store._connection.execute("UPDATE fact SET body = ?", (body,))
        for run in (
            lambda: store.get(Intent, ["n1"]),
            lambda: store.find(Intent, "mark", "p\x1fm-1"),
            lambda: store.commit(LINK, expect=[Expect(Intent, "n1", {"fence": 3})]),
        ):
            error = refused(run)
            assert error.trouble is StoreTrouble.DAMAGED
            assert "intent" in str(error)
        assert store.get(type(LINK), [key(LINK)]) == {}


@pytest.mark.parametrize("value", [b"\xff\xfe", 7, 1.5, b"{}"])
def test_a_column_of_another_type_is_refused(tmp_path: Path, value: Any) -> None:
    """S6: bytes and numbers where text should be."""
    with closing(SQLiteStore(tmp_path / "tieout.db")) as store:
        store.commit(INTENT)
        store._connection.execute("UPDATE fact SET body = ?", (value,))
        assert (
            refused(lambda: store.get(Intent, ["n1"])).trouble is StoreTrouble.DAMAGED
        )


def test_what_cannot_be_read_is_not_quoted(tmp_path: Path) -> None:
    """X19, X20: neither in the text nor in the chain of causes."""
    with closing(SQLiteStore(tmp_path / "tieout.db")) as store:
        store.commit(INTENT)
        body = json.dumps({**GOOD, "generation": "CANARY", "deadline": "CANARY"})
        store._connection.execute("UPDATE fact SET body = ?", (body,))
        error = refused(lambda: store.get(Intent, ["n1"]))
        assert "CANARY" not in str(error)
        assert error.__cause__ is None
        assert error.__suppress_context__


# Bits that flip --------------------------------------------------------------------------

PLACES = ("opening", "reading", "committing", "nothing")
FLIPS = int(os.environ.get("TIEOUT_FLIPS", "600"))


def test_flipped_bits_are_store_errors_and_nothing_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """S6: open, get, find and commit; what cannot be read is not written to."""
    monkeypatch.setattr(Sidecar, "keep", lambda self: None)
    path = tmp_path / "tieout.db"
    links = [a_link(f"l{n:03d}", f"b{n:03d}") for n in range(60)]
    with closing(SQLiteStore(path)) as store:
        store.commit(*FACTS, *links)
    whole, note = path.read_bytes(), beside(path, ".life").read_bytes()
    chance = random.Random(20260310)
    told: dict[str, int] = dict.fromkeys(PLACES, 0)
    for _ in range(FLIPS):
        content = bytearray(whole)
        for _ in range(chance.choice((1, 1, 1, 8))):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        for end, held in (("", content), (".life", note)):
            beside(path, end).write_bytes(held)
        for end in ("-wal", "-shm"):
            beside(path, end).unlink(missing_ok=True)
        told[read_through(path, bytes(content))] += 1
    print(f"\n{FLIPS} rounds of flipped bits: {told}")  # noqa: T201 - the figures
    record_property("flips", told)
    assert min(told.values()) > 0, told


def read_through(path: Path, content: bytes) -> str:
    """Where reading everything and writing a little first fails."""
    try:
        store = SQLiteStore(path)
    except StoreError:
        assert path.read_bytes() == content
        return "opening"
    with closing(store):
        store._connection.execute("PRAGMA synchronous = OFF")
        written = path.read_bytes() != content or beside(path, "-wal").stat().st_size
        try:
            for kind in SHAPES:
                of_kind = [fact for fact in FACTS if isinstance(fact, kind)]
                store.get(kind, [key(fact) for fact in of_kind])
                for fact in of_kind:
                    for index in indexes(fact):
                        store.find(kind, index.name, index.value)
        except StoreError:
            size = beside(path, "-wal").stat().st_size
            assert written or (path.read_bytes() == content and not size)
            return "reading"
        try:
            store.commit(*FACTS)
        except StoreError:
            return "committing"
    return "nothing"
