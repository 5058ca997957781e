"""Whether a SQLite store is the one that was last used: restored, copied, moved, swapped."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve
from test_stores import FACTS, LINK, a_link

from tieout.errors import StoreError, StoreTrouble
from tieout.store import Event, Expect, Fact, Marker, Restored, key
from tieout.stores import sqlite as sqlite_module
from tieout.stores.file import Life, Sidecar
from tieout.stores.sqlite import APPLICATION_ID, MIGRATIONS, SQLiteStore

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
BESIDE = ("", "-wal", "-shm", ".life")


class At:
    """A clock that stands still."""

    def __init__(self, now: datetime = NOW) -> None:
        self.instant = now

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Nobody waits."""


def marker(number: int) -> Marker:
    return Marker("p", "v", f"user {number}", NOW)


def fill(path: Path, first: int, last: int) -> None:
    """So many commits, each of one fact."""
    with closing(SQLiteStore(path, clock=At())) as store:
        for number in range(first, last):
            assert store.commit(marker(number))


def beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def restored(path: Path, now: datetime = NOW) -> Restored | None:
    """What an engine finds on opening."""
    with closing(SQLiteStore(path, clock=At(now))) as store:
        return store.get(Restored, ["store"]).get("store")


def schema_1(path: Path, *facts: Fact) -> None:
    """A store as version 1 made it."""
    with closing(sqlite3.connect(path)) as old:
        old.execute("PRAGMA journal_mode = WAL")
        for statement in MIGRATIONS[0]:
            old.execute(statement)
        rows = sqlite_module._Rows.of(facts)
        old.executemany("INSERT INTO fact VALUES (?, ?, ?)", rows.put)
        old.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", rows.entries)
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute("PRAGMA user_version = 1")
        old.commit()


# Opened again after something was done to the files --------------------------------------
# Each takes the store's path and the folder of a backup made three commits earlier (with
# its sidecar), and returns the path to open.


def nothing(path: Path, backup: Path) -> Path:
    return path


def folder_renamed(path: Path, backup: Path) -> Path:
    return path.parent.rename(backup / "elsewhere") / path.name


def moved_with_sidecar(path: Path, backup: Path) -> Path:
    beside(path, ".life").rename(backup / "moved.db.life")
    return path.rename(backup / "moved.db")


def lagging(path: Path, backup: Path) -> Path:
    """As after a crash between the commit and the note of it."""
    with beside(path, ".life").open("r+b") as note:
        words = note.read().split()
        words[2] = b"%020d" % (int(words[2]) - 2)
        note.seek(0)
        note.write(b" ".join(words) + b"\n")
    return path


def all_deleted(path: Path, backup: Path) -> Path:
    """Nothing is left that could tell: a new store like any other."""
    for end in BESIDE:
        beside(path, end).unlink(missing_ok=True)
    return path


def moved_alone(path: Path, backup: Path) -> Path:
    return path.rename(backup / "moved.db")


def copied_with_sidecar(path: Path, backup: Path) -> Path:
    """The other one may go on being used: which of the two is older, nobody knows."""
    shutil.copy2(beside(path, ".life"), backup / "copy.db.life")
    return Path(shutil.copy2(path, backup / "copy.db"))


def sidecar_gone(path: Path, backup: Path) -> Path:
    beside(path, ".life").unlink()
    return path


def sidecar_empty(path: Path, backup: Path) -> Path:
    beside(path, ".life").write_bytes(b"")
    return path


def sidecar_garbage(path: Path, backup: Path) -> Path:
    beside(path, ".life").write_bytes(b"\xff tieout x -1 1e9\n" * 9)
    return path


def older_copied_over(path: Path, backup: Path) -> Path:
    """`cp backup tieout.db`: the same inode."""
    shutil.copyfile(backup / path.name, path)
    return path


def older_renamed_over(path: Path, backup: Path) -> Path:
    (backup / path.name).replace(path)
    return path


def older_folder(path: Path, backup: Path) -> Path:
    """A whole folder from a backup, its sidecar with it, each file new."""
    for end in ("", ".life"):
        (backup / (path.name + end)).replace(beside(path, end))
    return path


def older_by_sqlite(path: Path, backup: Path) -> Path:
    """SQLite's own backup, the other way round."""
    with (
        closing(sqlite3.connect(backup / path.name)) as old,
        closing(sqlite3.connect(path)) as live,
    ):
        old.backup(live)
    return path


def older_of_schema_1(path: Path, backup: Path) -> Path:
    path.unlink()
    schema_1(path, LINK)
    return path


def another_store(path: Path, backup: Path) -> Path:
    """Of another tenant, and further along."""
    fill(backup / "other.db", 0, 20)
    shutil.copyfile(backup / "other.db", path)
    return path


def deleted(path: Path, backup: Path) -> Path:
    path.unlink()
    return path


def log_lost(path: Path, backup: Path) -> Path:
    """Copied while in use, without its log; or killed, and somebody cleared up."""
    store = SQLiteStore(path)
    store.commit(marker(100))
    without = path.read_bytes()
    store.close()
    path.write_bytes(without)
    return path


HARMLESS = (nothing, folder_renamed, moved_with_sidecar, lagging, all_deleted)
HARMFUL = (
    *(moved_alone, copied_with_sidecar, sidecar_gone, sidecar_empty, sidecar_garbage),
    *(older_copied_over, older_renamed_over, older_folder, older_by_sqlite),
    *(older_of_schema_1, another_store, deleted, log_lost),
)
Deed = Callable[[Path, Path], Path]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "live").mkdir()
    return tmp_path / "live" / "tieout.db"


@pytest.fixture
def backup(file: Path, tmp_path: Path) -> Path:
    """A folder with the store as it was three commits ago, and its sidecar."""
    folder = tmp_path / "backup"
    folder.mkdir()
    fill(file, 0, 5)
    for end in ("", ".life"):
        shutil.copy2(beside(file, end), folder)
    fill(file, 5, 8)
    return folder


@pytest.mark.parametrize("deed", HARMLESS, ids=lambda deed: deed.__name__)
def test_the_store_that_was_last_used_is_known_again(
    file: Path, backup: Path, deed: Deed
) -> None:
    """R5, C17: no false alarm where nothing was lost, or nothing can be known."""
    assert restored(deed(file, backup)) is None


@pytest.mark.parametrize("deed", HARMFUL, ids=lambda deed: deed.__name__)
def test_an_older_or_another_store_says_so(
    file: Path, backup: Path, deed: Deed
) -> None:
    """R5, C17, S14: noted with the time, once, and under a new id."""
    path = deed(file, backup)
    found = restored(path)
    assert found is not None
    assert found.at == NOW
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT store FROM life").fetchall() == [(found.store,)]
    fill(path, 50, 52)
    assert restored(path, NOW + timedelta(days=1)) == found


def test_a_store_restored_twice_says_so_twice(file: Path, backup: Path) -> None:
    """R5: the later time counts, since what was made in between may be lost too."""
    first = restored(older_copied_over(file, backup))
    later = NOW + timedelta(days=3)
    second = restored(older_copied_over(file, backup), later)
    assert first is not None
    assert second is not None
    assert second.at == later
    assert second.store != first.store


def test_a_copy_that_was_mixed_with_another_log_is_damaged(
    file: Path, backup: Path
) -> None:
    """C17, S6: what was put back is checked before it is believed."""
    with closing(SQLiteStore(backup / file.name)) as old:
        old.commit(*(a_link(f"l{n:04d}", f"b{n:04d}") for n in range(500)))
    content = bytearray((backup / file.name).read_bytes())
    middle = len(content) // 8192 * 4096  # a page that the note of it does not touch
    content[middle : middle + 4096] = bytes(4096)
    file.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        SQLiteStore(file)
    assert caught.value.trouble is StoreTrouble.DAMAGED
    assert file.read_bytes() == content


def test_two_that_open_a_restored_store_at_once_find_it_restored_once(
    file: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C17, S7: the second one comes between the first one's commit and its note."""
    older_copied_over(file, backup)
    noted_at = SQLiteStore._counted
    others: list[SQLiteStore] = []

    def between(store: SQLiteStore, now: Life) -> None:
        if not others:
            others.append(store)
            others[:] = [SQLiteStore(file, clock=At(NOW + timedelta(days=1)))]
        noted_at(store, now)

    monkeypatch.setattr(SQLiteStore, "_counted", between)
    store = SQLiteStore(file, clock=At())
    for each in (store, *others):
        assert each.commit(marker(100))
        assert each.get(Restored, ["store"])["store"].at == NOW
        each.close()


# While it is in use ----------------------------------------------------------------------


def gone(path: Path, backup: Path) -> None:
    path.unlink()


def renamed_away(path: Path, backup: Path) -> None:
    path.rename(backup / "away.db")


def swapped(path: Path, backup: Path) -> None:
    (backup / path.name).replace(path)


def log_gone(path: Path, backup: Path) -> None:
    beside(path, "-wal").unlink()


def put_back_by_sqlite(path: Path, backup: Path) -> None:
    older_by_sqlite(path, backup)


def found_restored_by_another(path: Path, backup: Path) -> None:
    assert restored(sidecar_gone(path, backup)) is not None


@pytest.mark.parametrize(
    "deed",
    [
        *(gone, renamed_away, swapped, log_gone),
        *(put_back_by_sqlite, found_restored_by_another),
    ],
    ids=lambda deed: deed.__name__,
)
def test_a_store_that_changed_underneath_takes_no_more_commits(
    file: Path, backup: Path, deed: Callable[[Path, Path], None]
) -> None:
    """S14, C17: refused by name before anything is written; this handle is done with."""
    store = SQLiteStore(file)
    assert store.commit(marker(100))
    deed(file, backup)
    for use in (
        lambda: store.commit(marker(101)),
        lambda: store.commit(marker(101)),
        lambda: store.get(Marker, [key(marker(100))]),
        lambda: store.find(Event, "run", "r"),
    ):
        with pytest.raises(StoreError) as caught:
            use()
        assert caught.value.trouble is StoreTrouble.REPLACED
    store.close()
    if file.exists():
        with closing(sqlite3.connect(file)) as raw:
            keys = {key for (key,) in raw.execute("SELECT key FROM fact")}
        assert key(marker(101)) not in keys
        assert key(marker(4)) in keys
    if deed in (swapped, put_back_by_sqlite):
        assert restored(file) is not None


def test_a_store_migrated_by_a_newer_version_takes_no_more_commits(file: Path) -> None:
    """S13: an old process does not go on writing what it does not understand."""
    with closing(SQLiteStore(file)) as store:
        with closing(sqlite3.connect(file)) as newer:
            newer.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        with pytest.raises(StoreError) as caught:
            store.commit(LINK)
        assert caught.value.trouble is StoreTrouble.NEWER
        assert store.get(type(LINK), [key(LINK)]) == {}


def test_a_backup_of_a_store_in_use_does_not_disturb_it(
    file: Path, backup: Path
) -> None:
    """R5: SQLite's own backup, taken mid-run; opened elsewhere, the copy says so."""
    store = SQLiteStore(file)
    store.commit(*FACTS)
    with (
        closing(sqlite3.connect(file)) as live,
        closing(sqlite3.connect(backup / "copy.db")) as copy,
    ):
        live.backup(copy)
    assert store.commit(marker(101))
    store.close()
    with closing(SQLiteStore(backup / "copy.db", clock=At())) as copied:
        facts = [fact for fact in FACTS if not isinstance(fact, Restored)]
        for fact in facts:
            assert copied.get(type(fact), [key(fact)]) == {key(fact): fact}
        assert copied.get(Restored, ["store"])["store"].at == NOW


# The note beside it ----------------------------------------------------------------------


def noted(path: Path) -> int:
    """The number of commits that the sidecar tells."""
    return int(beside(path, ".life").read_bytes().split()[2])


def counted(path: Path) -> int:
    """The number of commits that the store tells."""
    with closing(sqlite3.connect(path)) as raw:
        (number,) = raw.execute("SELECT commits FROM life").fetchone()
    return int(number)


def test_each_commit_that_writes_is_counted_and_noted(file: Path) -> None:
    """C17: also by two handles in turn; what writes nothing is not counted."""
    with closing(SQLiteStore(file)) as one, closing(SQLiteStore(file)) as two:
        for number in range(4):
            assert (one, two)[number % 2].commit(marker(number))
            assert noted(file) == counted(file) == number + 1
        assert one.commit()
        assert not one.commit(LINK, expect=[Expect(Marker, "x", {})])
        assert noted(file) == counted(file) == 4


def test_the_note_never_leads(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C17: a commit that fails is not noted, and a note that fails loses no commit."""
    with closing(SQLiteStore(file, clock=At())) as store:
        store.commit(marker(0))
        store._connection.execute(
            "CREATE TEMP TRIGGER refuses BEFORE INSERT ON fact "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        with pytest.raises(StoreError):
            store.commit(marker(1))
        assert noted(file) == counted(file) == 1
        store._connection.execute("DROP TRIGGER refuses")

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(Sidecar, "note", full)
            assert store.commit(marker(2))
        assert (noted(file), counted(file)) == (1, 2)
    assert restored(file) is None
    assert noted(file) == 2


def test_the_note_is_its_owners_alone(file: Path) -> None:
    """X18: as the store itself; a link in its place is not followed."""
    beside(file, ".life").touch()
    beside(file, ".life").chmod(0o666)
    fill(file, 0, 1)
    assert stat.S_IMODE(beside(file, ".life").stat().st_mode) == 0o600
    beside(file, ".life").unlink()
    target = file.with_name("precious")
    target.write_text("precious")
    beside(file, ".life").symlink_to(target)
    with pytest.raises(StoreError) as caught:
        SQLiteStore(file)
    assert caught.value.trouble is StoreTrouble.NOT_A_FILE
    assert target.read_text() == "precious"


def test_a_store_under_a_link_is_one_store(file: Path, tmp_path: Path) -> None:
    """S14: one file has one log and one note, by whichever name it is opened."""
    fill(file, 0, 2)
    link = tmp_path / "link.db"
    link.symlink_to(file)
    fill(link, 2, 4)
    assert counted(file) == noted(file) == 4
    assert restored(file) is None
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.db", "live"]


# Schema 1 --------------------------------------------------------------------------------


def test_a_store_of_schema_1_keeps_all_its_facts(file: Path) -> None:
    """S13, C14: every kind, by key and by index; not taken for a restored one."""
    facts = [fact for fact in FACTS if not isinstance(fact, Restored)]
    schema_1(file, *facts)
    assert restored(file) is None
    with closing(SQLiteStore(file)) as store:
        for fact in facts:
            assert store.get(type(fact), [key(fact)]) == {key(fact): fact}
        assert not store.commit(evolve(LINK, ledger=evolve(LINK.ledger, id="l9")))
        assert store.commit(evolve(LINK, version=9))
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert raw.execute("SELECT count(*) FROM fact").fetchone() == (len(facts),)
