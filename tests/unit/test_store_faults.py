"""A fault at every SQLite call of opening and committing: all or nothing, and told truly."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NoReturn

import pytest
from attrs import Factory, define
from test_store_life import BESIDE, beside, marker, schema_1
from test_stores import FACTS, INTENT, LINK, a_link

from tieout.errors import StoreError, StoreTrouble
from tieout.models import Link
from tieout.store import (
    Expect,
    Fact,
    Gone,
    Intent,
    Lease,
    Marker,
    Restored,
    key,
)
from tieout.stores.file import Sidecar
from tieout.stores.sqlite import SQLiteStore


def sqlite_says(code: int, text: str) -> Callable[[], BaseException]:
    """SQLite's error of a code, as Python raises it."""

    def made() -> BaseException:
        error = sqlite3.OperationalError(text)
        error.sqlite_errorcode = code
        return error

    return made


FULL = sqlite_says(sqlite3.SQLITE_FULL, "database or disk is full")
BUSY = sqlite_says(sqlite3.SQLITE_BUSY, "database is locked")
FSYNC = sqlite_says(sqlite3.SQLITE_IOERR_FSYNC, "disk I/O error")
CORRUPT = sqlite_says(sqlite3.SQLITE_CORRUPT, "database disk image is malformed")
ERRORS = {
    "full": FULL,
    "busy": BUSY,
    "fsync": FSYNC,
    "corrupt": CORRUPT,
    "nameless": lambda: sqlite3.OperationalError("?"),
    "interrupt": KeyboardInterrupt,
}
WHEN = ("before", "after", "rolled back")
"""The call is not carried out; it is, and fails then; SQLite rolls all back by itself."""


@define
class Fault:
    """Which call fails, how, and whether those after it do too."""

    at: int = 0
    when: str = "before"
    lasting: bool = False
    error: Callable[[], BaseException] = FULL
    calls: int = 0
    statements: list[str] = Factory(list)
    struck: bool = False

    def due(self, statement: str) -> bool:
        """Whether this call fails."""
        self.calls += 1
        self.statements.append(statement)
        due = self.calls == self.at or (self.lasting and self.calls > self.at > 0)
        self.struck = self.struck or due
        return due


NO_FAULT = Fault()


class Faulty(sqlite3.Connection):
    """A connection whose Nth call fails."""

    fault = NO_FAULT

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        if sql == "PRAGMA synchronous = FULL":
            sql = "PRAGMA synchronous = OFF"  # no power fails here
        return self._strike(sql, lambda: super(Faulty, self).execute(sql, *rest))

    def executemany(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        return self._strike(sql, lambda: super(Faulty, self).executemany(sql, *rest))

    def _strike(self, sql: str, run: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        fault = Faulty.fault
        if not fault.due(sql):
            return run()
        if fault.when == "after":
            run()
        elif fault.when == "rolled back" and self.in_transaction:
            super().execute("ROLLBACK")
        raise fault.error()


@pytest.fixture(autouse=True)
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    plain = sqlite3.connect

    def connect(path: Any, **more: Any) -> sqlite3.Connection:
        kind = sqlite3.Connection if path == ":memory:" else Faulty
        return plain(path, factory=kind, **more)

    monkeypatch.setattr(sqlite3, "connect", connect)
    monkeypatch.setattr(Sidecar, "keep", lambda self: None)
    yield
    Faulty.fault = NO_FAULT


def faults(error: str, when: str) -> Iterator[Fault]:
    """At the first call, the second, …, once and lasting; until the run gets through."""
    for lasting in (False, True):
        at = 0
        while True:
            at += 1
            fault = Fault(at, when, lasting, ERRORS[error], statements=[])
            Faulty.fault = fault
            yield fault
            assert at < 100, "it never gets through"
            if not fault.struck:
                break


BEFORE = (LINK, Lease("p", "me", 1, INTENT.first_sent_at))  # type: ignore[arg-type]
OTHER = a_link("l2", "b2", role="fee")
COMMIT: tuple[Fact | Gone, ...] = (INTENT, OTHER, Gone(Link, key(LINK)))
EXPECT = (Expect(Lease, "p", {"fence": 1}),)


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "template.db"
    with closing(SQLiteStore(path)) as store:
        store.commit(*BEFORE)
    return path


def fresh(template: Path) -> Path:
    """The same store again, under a path of its own."""
    path = template.with_name("tieout.db")
    for end in BESIDE:
        beside(path, end).unlink(missing_ok=True)
    shutil.copy(template, path)
    return path


def kept(store: SQLiteStore) -> bool:
    """Whether the whole commit is there; never a part of it."""
    there = [
        store.get(Intent, ["n1"]) == {"n1": INTENT},
        store.get(Link, [key(OTHER)]) == {key(OTHER): OTHER},
        store.find(Link, "open", "p\x1fInvoice") == [OTHER],
        store.get(Link, [key(LINK)]) == {},
    ]
    assert len(set(there)) == 1, there
    return there[0]


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("error", ERRORS)
def test_a_commit_with_a_fault_anywhere_is_whole_and_told_truly(
    template: Path, error: str, when: str
) -> None:
    """S1, S2, S5, C10: at each call, once and lasting; then usable, or refused by name."""
    statements: list[str] = []
    for fault in faults(error, when):
        Faulty.fault = NO_FAULT
        path = fresh(template)
        store = SQLiteStore(path)
        Faulty.fault = fault
        said: bool | StoreTrouble | None
        try:
            said = store.commit(*COMMIT, expect=EXPECT)
        except StoreError as failure:
            said = failure.trouble
        except KeyboardInterrupt:
            said = None
        Faulty.fault = NO_FAULT
        statements = fault.statements
        still = usable(store)
        store.close()
        with closing(SQLiteStore(path)) as again:
            whole = kept(again)
            assert bool(again.get(Marker, [key(marker(1))])) is still
        assert said is not False
        if said is True:
            assert whole
        elif isinstance(said, StoreTrouble) and said is not StoreTrouble.UNKNOWN:
            assert not whole, (fault, said)
    assert [each for each in statements if each == "COMMIT"]


def usable(store: SQLiteStore) -> bool:
    """Whether it takes another commit; otherwise every use is refused by name."""
    try:
        assert store.commit(marker(1))
    except StoreError as error:
        trouble = error.trouble
        for use in (
            lambda: store.commit(marker(1)),
            lambda: store.get(Intent, ["n1"]),
            lambda: store.find(Intent, "mark", "x"),
        ):
            with pytest.raises(StoreError) as caught:
                use()
            assert caught.value.trouble is trouble
        return False
    return True


def commit_fails(
    template: Path, error: Callable[[], BaseException], when: str
) -> tuple[SQLiteStore, bool | StoreTrouble]:
    """A store whose COMMIT failed once, and what it said of it."""
    store = SQLiteStore(fresh(template))

    class AtCommit(Fault):
        def due(self, statement: str) -> bool:
            return statement == "COMMIT" and super().due(statement)

    Faulty.fault = AtCommit(1, when, False, error)
    try:
        return store, store.commit(*COMMIT)
    except StoreError as failure:
        return store, failure.trouble
    finally:
        Faulty.fault = NO_FAULT


@pytest.mark.parametrize(
    ("error", "when", "said"),
    [
        (FULL, "before", StoreTrouble.FULL),
        (FULL, "rolled back", StoreTrouble.FULL),
        (FULL, "after", True),
        (BUSY, "before", StoreTrouble.LOCKED),
        (BUSY, "after", True),
        (FSYNC, "before", StoreTrouble.DISK),
        (FSYNC, "rolled back", StoreTrouble.UNKNOWN),
        (FSYNC, "after", StoreTrouble.UNKNOWN),
    ],
)
def test_an_error_at_the_commit_itself_is_resolved_or_called_unknown(
    template: Path,
    error: Callable[[], BaseException],
    when: str,
    said: bool | StoreTrouble,
) -> None:
    """S1, S5: read again; after a failed fsync nobody can know, and the handle is done with."""
    store, told = commit_fails(template, error, when)
    assert told is said
    assert usable(store) is (error is not FSYNC)
    store.close()


def test_a_commit_that_others_have_overtaken_is_unknown(
    template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1: where another has committed before it could be looked at, nobody can know."""
    resolve = SQLiteStore._kept

    def overtaken(store: SQLiteStore, then: Any) -> bool:
        with closing(SQLiteStore(store.path)) as other:
            assert other.commit(marker(7))
            assert other.commit(marker(8))
        return resolve(store, then)

    monkeypatch.setattr(SQLiteStore, "_kept", overtaken)
    store, told = commit_fails(template, FULL, "rolled back")
    assert told is StoreTrouble.UNKNOWN
    assert not usable(store)
    store.close()


def test_after_a_failed_fsync_nothing_more_reaches_sqlite(template: Path) -> None:
    """S5: no retry on the same handle, whatever is asked of it."""
    store, _ = commit_fails(template, FSYNC, "rolled back")

    def refuse(*_: Any) -> NoReturn:
        raise AssertionError("SQLite was asked")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Faulty, "execute", refuse)
        patch.setattr(Faulty, "executemany", refuse)
        assert not usable(store)
    store.close()


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("error", ["full", "fsync", "interrupt"])
@pytest.mark.parametrize("start", ["nothing", "schema 1", "restored"])
def test_opening_with_a_fault_anywhere_harms_nothing(
    template: Path, start: str, error: str, when: str
) -> None:
    """C14, S1, S6: making, migrating, noting a restore; the next opening finishes it."""
    old = template.with_name("old.db")
    facts = [fact for fact in FACTS if not isinstance(fact, Restored)]
    Faulty.fault = NO_FAULT
    schema_1(old, *facts)
    for fault in faults(error, when):
        path = fresh(old if start == "schema 1" else template)
        if start == "nothing":
            path.unlink()
        with suppress(StoreError, KeyboardInterrupt):
            SQLiteStore(path).close()
        Faulty.fault = NO_FAULT
        with closing(SQLiteStore(path)) as store:
            for fact in {"nothing": [], "schema 1": facts}.get(start, BEFORE):
                assert store.get(type(fact), [key(fact)]) == {key(fact): fact}
            assert bool(store.get(Restored, ["store"])) is (start == "restored")
            assert store.commit(*COMMIT)
        Faulty.fault = fault
