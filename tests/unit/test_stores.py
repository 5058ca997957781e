"""Both stores against each other and against a dictionary; the SQLite file by itself."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from tieout.auth import Grant
from tieout.change import Action, Issue, State
from tieout.errors import Code, StoreError
from tieout.models import Link, Ref, Settlement, Status
from tieout.store import (
    SHAPES,
    Batch,
    BatchType,
    Contact,
    Ending,
    Event,
    Expect,
    Fact,
    Gone,
    Held,
    Identity,
    Intent,
    IssueRow,
    Lease,
    Marker,
    Member,
    Renewal,
    Restored,
    ResumePoint,
    Run,
    Stage,
    Store,
    StoredGrant,
    Sweep,
    indexes,
    key,
    link_billing,
)
from tieout.stores import sqlite as sqlite_module
from tieout.stores.memory import MemoryStore
from tieout.stores.sqlite import APPLICATION_ID, MIGRATIONS, SQLiteStore

AT = datetime(2026, 3, 10, 12, 30, 45, 123456, tzinfo=UTC)
HERE = Ref("billing:1", "Invoice", "b1")
THERE = Ref("ledger:1", "Invoice", "l1", ("INV-1",))
LINK = Link(
    "p",
    HERE,
    THERE,
    role="fee",
    version=3,
    origin="billing",
    agreed={"Settlement": "abc"},
    owned=("r1", "r2"),
    open=True,
    seen_on=date(2026, 3, 10),
)
INTENT = Intent(
    name="n1",
    pair="p",
    verb="payments",
    kind=Settlement,
    action=Action.UPDATE,
    connection="billing:1",
    source=THERE,
    target=HERE,
    role="",
    generation=1,
    link_version=2,
    number="INV-1",
    agreed="a",
    wanted="w",
    mark="m-1",
    stage=Stage.SENDING,
    attempt=2,
    fence=3,
    run="r",
    owned=("x",),
    first_sent_at=AT,
    deadline=AT,
    not_before=AT,
    code=Code.ANSWER_LOST,
    text="lost",
)
ISSUE = IssueRow(
    "p",
    "payments",
    "Invoice\x1fl1",
    Issue(
        Code.TOTAL_DIFFERS,
        THERE,
        ("INV-1", "INV-2"),
        field="total",
        text="a\u2028'; DROP TABLE fact;--\U0001f600",
        remedy="mend",
        blocking=False,
        basis="b",
        at=AT,
    ),
    Held.OPEN,
    "r",
    AT,
    AT + timedelta(days=1),
    attempts=4,
    settings="s",
)
RESUME = ResumePoint(
    "p", "v", "me", AT, "page 2", AT, "past week", trusting=True, run="r"
)
MEMBER = Member(
    "p",
    "batch-1",
    HERE,
    "INV-1",
    THERE,
    State.UNKNOWN,
    Code.ANSWER_LOST,
    "lost",
    "queued",
    "card",
    Settlement(HERE, "INV-1", "EUR", Decimal(50), Decimal(50), Status.OPEN),
    Settlement(HERE, "INV-1", "EUR", Decimal(50), Decimal(0), Status.SETTLED),
    "n1",
)
FACTS: list[Fact] = [
    LINK,
    INTENT,
    ISSUE,
    Event(
        "r",
        7,
        "p",
        AT,
        "applied",
        Settlement,
        THERE,
        HERE,
        ("INV-1",),
        "n1",
        State.APPLIED,
        Code.OVERPAID,
        "t",
        "before",
        "after",
        3,
        LINK,
        THERE,
    ),
    Run(
        "r",
        "p",
        "v",
        "me",
        AT,
        "past week",
        Ending.DONE,
        AT,
        {"updated": 3},
        Code.IN_USE,
        "x",
    ),
    Marker("p", "v", "me", AT, "token"),
    RESUME,
    Lease("p", "me", 3, AT),
    StoredGrant(
        "c:1",
        Grant("https://x/", {"a": "1"}, ("https://y",), AT, {"a": "0"}, 4, False, AT),
        "args",
    ),
    Renewal("c:1", "me", AT, "args", Code.RECONNECT_NEEDED, "gone", "connect"),
    Identity("c:1", "id", "ACME", "EUR", "Europe/Berlin", AT),
    Contact("c:1", AT, True, "me", ("AR",), Code.DISCONNECTED, "ended"),
    Sweep("p", "v", AT),
    Restored("0123", AT),
    Batch("p", "batch-1", BatchType.PAID, AT, "me", AT.date()),
    MEMBER,
]
SPARSE: list[Fact] = [
    Link("p", HERE, Ref("ledger:1", "Invoice", "l2")),
    evolve(
        INTENT,
        target=None,
        first_sent_at=None,
        deadline=None,
        not_before=None,
        code=None,
    ),
    Event("r", 1, "p", AT, "issue"),
    Run("r2", "p", "v", "me", AT, "x"),
    Marker("p", "v", "me", AT),
    evolve(RESUME, cursor=None, as_of=None),
    StoredGrant("c:1", Grant("")),
    Renewal("c:1", "me", AT),
    Identity("c:1", "id", "", "", None, AT),
    IssueRow("p", "v", "x", Issue(Code.BAD_FIELD), Held.NOTED, "r", AT, AT),
    Member("p", "batch-2", HERE),
]


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = (
        MemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "s.db")
    )
    yield made
    made.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tieout.db"


def a_link(ledger: str, billing: str, **more: Any) -> Link:
    return Link(
        "p", Ref("b:1", "Invoice", billing), Ref("l:1", "Invoice", ledger), **more
    )


# What every store does ------------------------------------------------------------------


@pytest.mark.parametrize("fact", [*FACTS, *SPARSE], ids=lambda f: type(f).__name__)
def test_every_kind_of_fact_comes_back(store: Store, fact: Fact) -> None:
    """B153, D23: equal and of the same types, by its key and by each of its indexes."""
    assert store.commit(fact)
    (found,) = store.get(type(fact), [key(fact)]).values()
    assert found == fact
    assert repr(found) == repr(fact)
    for index in indexes(fact):
        assert store.find(type(fact), index.name, index.value) == [fact]


def test_what_is_not_there_is_left_out(store: Store) -> None:
    """No error, no None."""
    store.commit(LINK)
    assert store.get(Link, ["nothing", key(LINK), key(LINK)]) == {key(LINK): LINK}
    assert store.get(Marker, [key(LINK)]) == {}
    assert store.get(Link, []) == {}
    assert store.find(Link, "open", "elsewhere") == []
    assert store.find(Link, "open", []) == []
    assert store.find(Link, "no such index", "x") == []


def test_a_fact_is_replaced_by_its_key(store: Store) -> None:
    """And is no longer found under what it was filed by before."""
    store.commit(evolve(LINK, open=True))
    store.commit(evolve(LINK, open=False, version=9))
    assert store.get(Link, [key(LINK)])[key(LINK)].version == 9
    assert store.find(Link, "open", "p\x1fInvoice") == []
    assert len(store.find(Link, "seen", "p\x1fInvoice\x1f2026-03-10")) == 1


def test_a_fact_can_be_taken_out(store: Store) -> None:
    """With its indexes; taking out what is not there is no error."""
    store.commit(LINK)
    assert store.commit(Gone(Link, key(LINK)), Gone(Link, "nothing"))
    assert store.get(Link, [key(LINK)]) == {}
    assert store.find(Link, "open", "p\x1fInvoice") == []
    assert store.commit(a_link("l9", HERE.id, role="fee"))


def test_facts_are_found_in_order_page_by_page(store: Store) -> None:
    """From behind a key, at most so many."""
    links = [a_link(f"l{n:02d}", f"b{n:02d}") for n in range(25)]
    store.commit(*reversed(links))
    found: list[Link] = []
    after = ""
    while some := store.find(Link, "open", "p\x1fInvoice", after, 10):
        assert len(some) <= 10
        found += some
        after = key(some[-1])
    assert found == links


def test_several_values_are_one_search(store: Store) -> None:
    """Each fact once and in order, however many values it is under."""
    links = [
        a_link(f"l{n:04d}", f"b{n:04d}", open=n % 2 == 0, seen_on=date(2026, 3, 1))
        for n in range(1200)
    ]
    store.commit(*links)
    values = [link_billing("p", "Invoice", f"b{n:04d}") for n in range(1200)]
    assert store.find(Link, "billing", values, limit=2000) == links
    assert store.find(Link, "billing", [*values, *values], "", 7) == links[:7]
    last = key(links[1100])
    assert store.find(Link, "billing", values, last, 5) == links[1101:1106]
    both = evolve(ISSUE, issue=evolve(ISSUE.issue, numbers=("A", "B")))
    store.commit(both)
    assert store.find(IssueRow, "number", ["p\x1fA", "p\x1fB"]) == [both]


def test_many_keys_are_one_look_up(store: Store) -> None:
    """More than a statement takes at once."""
    markers = [Marker("p", "v", f"user {n}", AT) for n in range(1300)]
    store.commit(*markers)
    assert len(store.get(Marker, [key(each) for each in markers])) == 1300


def test_all_or_nothing(store: Store) -> None:
    """C10: where one thing does not hold, nothing is written."""
    lease = Lease("p", "me", 1, AT)
    assert store.commit(lease, expect=[Expect(Lease, "p")])
    assert not store.commit(LINK, INTENT, expect=[Expect(Lease, "p", {"fence": 2})])
    assert not store.commit(
        LINK, expect=[Expect(Lease, "p", {"fence": 1}), Expect(Lease, "p")]
    )
    assert store.get(Link, [key(LINK)]) == {}
    assert store.get(Intent, ["n1"]) == {}
    assert store.commit(LINK, expect=[Expect(Lease, "p", {"fence": 1, "holder": "me"})])
    assert not store.commit(Gone(Link, key(LINK)), expect=[Expect(Lease, "p")])
    assert store.get(Link, [key(LINK)])


def test_a_unique_value_belongs_to_one(store: Store) -> None:
    """UNIQUE(pair, kind, billing id, role): a second claim writes nothing at all."""
    assert store.commit(a_link("l1", "b1"))
    assert not store.commit(Marker("p", "v", "me", AT), a_link("l2", "b1"))
    assert store.get(Marker, ["p\x1fv\x1fme"]) == {}
    assert store.get(Link, [key(a_link("l2", "b1"))]) == {}
    assert store.commit(a_link("l2", "b1", role="fee"))
    assert store.commit(a_link("l1", "b1", version=2))


def test_a_unique_value_belongs_to_one_within_a_commit_too(store: Store) -> None:
    """Two links of one billing record in one commit: neither is written."""
    assert not store.commit(a_link("l1", "b1"), a_link("l2", "b1"))
    assert store.find(Link, "open", "p\x1fInvoice") == []


def test_a_unique_value_can_change_hands(store: Store) -> None:
    """B84: a merge moves the link: given up and taken in one commit."""
    first = a_link("l1", "b1")
    assert store.commit(first)
    assert store.commit(Gone(Link, key(first)), a_link("l2", "b1"))
    assert store.commit(a_link("l3", "b1"), a_link("l2", "b9"))
    found = store.find(Link, "billing", link_billing("p", "Invoice", "b1"))
    assert [each.ledger.id for each in found] == ["l3"]


def test_of_two_facts_under_one_key_the_last_counts(store: Store) -> None:
    """C10: in one commit; filed under the values of the last alone."""
    first, last = evolve(LINK, open=True), evolve(LINK, open=False, version=9)
    assert store.commit(first, last)
    assert store.get(Link, [key(LINK)]) == {key(LINK): last}
    assert store.find(Link, "open", "p\x1fInvoice") == []
    assert store.commit(last, last, evolve(last, version=10))
    assert store.commit(first, Gone(Link, key(LINK)))
    assert store.get(Link, [key(LINK)]) == {}
    assert store.commit(Gone(Link, key(LINK)), first)
    assert store.find(Link, "open", "p\x1fInvoice") == [first]


def test_a_claim_that_is_taken_back_in_the_same_commit_is_none(store: Store) -> None:
    """UNIQUE(pair, kind, billing id, role): only what is written in the end counts."""
    assert store.commit(a_link("l1", "b1"), a_link("l2", "b1"), a_link("l1", "b2"))
    assert store.find(Link, "billing", link_billing("p", "Invoice", "b1")) == [
        a_link("l2", "b1")
    ]


def test_a_commit_of_nothing_only_asks(store: Store) -> None:
    """Whether the expectations hold, and nothing else."""
    assert store.commit()
    assert store.commit(expect=[Expect(Link, key(LINK))])
    assert not store.commit(expect=[Expect(Link, key(LINK), {"version": 3})])
    store.commit(LINK)
    assert store.commit(expect=iter([Expect(Link, key(LINK), {"version": 3})]))


def test_no_more_are_found_than_asked_for(store: Store) -> None:
    """Also when none is."""
    store.commit(a_link("l1", "b1"), a_link("l2", "b2"))
    for limit in range(4):
        found = store.find(Link, "open", "p\x1fInvoice", limit=limit)
        assert len(found) == min(limit, 2)


@pytest.mark.parametrize(
    "hostile",
    [
        'say "INV"',
        "O'Brien's",
        "`x`; --",
        "[x]",
        "?1 :name @name $name",
        "\x00",
        "\x1f",
        "\r\n\t ",
        "e\u0301",
        "007",
        "1e3",
        "'; DROP TABLE fact;--",
        "%",
        "_",
        "a\x00b",
        "\u202e\u2028",
        "\U0001f600",
        "x" * 100_000,
    ],
    ids=range(18),
)
def test_hostile_ids_are_only_ids(store: Store, hostile: str) -> None:
    """X15: parameters only; one id finds one record."""
    odd, plain = a_link(hostile, hostile), a_link("l1", "b1")
    assert store.commit(odd, plain)
    assert store.get(Link, [key(odd)]) == {key(odd): odd}
    assert store.find(Link, "billing", link_billing("p", "Invoice", hostile)) == [odd]
    assert store.find(Link, "open", "p\x1fInvoice", after=key(odd)) in ([], [plain])
    assert store.commit(Gone(Link, key(odd)))
    assert store.find(Link, "open", "p\x1fInvoice") == [plain]


# Against a dictionary -------------------------------------------------------------------

LEDGER, BILLING = ["1", "2", "3"], ["1", "2", "3"]
LINKS = st.builds(
    lambda here, there, version, still: a_link(
        here, there, version=version, open=still, seen_on=date(2026, 3, 1)
    ),
    st.sampled_from(LEDGER),
    st.sampled_from(BILLING),
    st.integers(0, 2),
    st.booleans(),
)
KEYS = [key(a_link(each, "x")) for each in LEDGER]
GONE = st.builds(lambda own: Gone(Link, own), st.sampled_from(KEYS))
EXPECTED = st.builds(
    lambda own, values: Expect(Link, own, values),
    st.sampled_from(KEYS),
    st.none() | st.builds(lambda n: {"version": n}, st.integers(0, 2)),
)


def own_key(fact: Any) -> str:
    return fact.key if isinstance(fact, Gone) else key(fact)


class BothStores(RuleBasedStateMachine):
    """Two stores and a dictionary are told the same, and answer the same."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, Link] = {}
        self.memory = MemoryStore()
        self.sqlite: SQLiteStore | None = None

    @initialize()
    def open(self) -> None:
        path = self.folder / f"{len(list(self.folder.iterdir()))}.db"
        self.sqlite = SQLiteStore(path)

    @property
    def stores(self) -> list[Store]:
        assert self.sqlite is not None
        return [self.memory, self.sqlite]

    @rule(
        facts=st.lists(LINKS | GONE, max_size=3, unique_by=own_key),
        expect=st.lists(EXPECTED, max_size=2),
    )
    def commit(self, facts: list[Any], expect: list[Expect]) -> None:
        after = dict(self.model)
        for fact in facts:
            after.pop(own_key(fact), None)
        after.update((key(f), f) for f in facts if not isinstance(f, Gone))
        taken = [each.billing.id for each in after.values()]
        holds = all(each.holds(self.model.get(each.key)) for each in expect)
        expected = holds and len(set(taken)) == len(taken)
        if expected:
            self.model = after
        for store in self.stores:
            assert store.commit(*facts, expect=expect) is expected

    @rule(
        values=st.lists(st.sampled_from(["p\x1fInvoice", "other"]), max_size=2),
        after=st.sampled_from(["", *KEYS]),
        limit=st.integers(0, 4),
    )
    def find(self, values: Collection[str], after: str, limit: int) -> None:
        expected = [
            self.model[own]
            for own in sorted(self.model)
            if own > after and self.model[own].open and "p\x1fInvoice" in values
        ]
        for store in self.stores:
            assert store.find(Link, "open", values, after, limit) == expected[:limit]

    @rule()
    def open_again(self) -> None:
        assert self.sqlite is not None
        self.sqlite.close()
        self.sqlite = SQLiteStore(self.sqlite.path)

    @invariant()
    def remember_the_same(self) -> None:
        if self.sqlite is None:
            return
        for store in self.stores:
            assert store.get(Link, KEYS) == self.model

    def teardown(self) -> None:
        if self.sqlite is not None:
            self.sqlite.close()


def test_both_stores_do_what_a_dictionary_does(tmp_path: Path) -> None:
    """Get, find, commit, expectations, unique values, taking out, opening again."""
    from hypothesis.stateful import run_state_machine_as_test  # noqa: PLC0415

    BothStores.folder = tmp_path
    run_state_machine_as_test(
        BothStores,
        settings=settings(max_examples=30, stateful_step_count=10, deadline=None),
    )


# SQLite by itself -----------------------------------------------------------------------


def test_only_its_owner_can_read_the_file(file: Path) -> None:
    """X18: 0600 whatever the umask, the side files too."""
    before = os.umask(0)
    try:
        store = SQLiteStore(file)
        store.commit(LINK)
        for each in file.parent.iterdir():
            assert stat.S_IMODE(each.stat().st_mode) == 0o600, each.name
        assert len(list(file.parent.iterdir())) >= 2
        store.close()
    finally:
        os.umask(before)


def test_what_is_committed_is_on_disk(file: Path) -> None:
    """S4: synchronous FULL and a write-ahead log; a lost SENDING row is a duplicate."""
    store = SQLiteStore(file)
    execute = store._connection.execute
    assert execute("PRAGMA synchronous").fetchone()[0] == 2
    assert execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    store.commit(LINK)
    other = sqlite3.connect(file)
    assert other.execute("SELECT count(*) FROM fact").fetchone()[0] == 1
    other.close()
    store.close()


def test_two_connections_see_each_other(file: Path) -> None:
    """S7: leases and fences are seen by the other process at once."""
    one, other = SQLiteStore(file), SQLiteStore(file)
    assert one.commit(Lease("p", "one", 1, AT), expect=[Expect(Lease, "p")])
    assert not other.commit(Lease("p", "other", 1, AT), expect=[Expect(Lease, "p")])
    assert other.get(Lease, ["p"])["p"].holder == "one"
    assert other.commit(a_link("l1", "b1"))
    assert not one.commit(a_link("l2", "b1"))
    one.close()
    other.close()


def test_a_store_can_be_opened_again(file: Path) -> None:
    """It remembers, and the schema is not made twice."""
    first = SQLiteStore(file)
    first.commit(*FACTS)
    first.close()
    second = SQLiteStore(str(file))
    for fact in FACTS:
        assert second.get(type(fact), [key(fact)]) == {key(fact): fact}
    second.close()


def raised(run: Callable[[], Any]) -> StoreError:
    with pytest.raises(StoreError) as caught:
        run()
    return caught.value


def made_by(file: Path, *statements: str) -> bytes:
    """A database of somebody else's, closed; its bytes."""
    connection = sqlite3.connect(file)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return file.read_bytes()


def test_a_newer_schema_is_refused_and_left_alone(file: Path) -> None:
    """S6, S13: the file is untouched, and the message says what to do."""
    SQLiteStore(file).close()
    before = made_by(file, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    assert "newer version" in str(raised(lambda: SQLiteStore(file)))
    assert file.read_bytes() == before


def test_a_foreign_database_is_refused_and_left_alone(file: Path) -> None:
    """S6, S14: nobody's tables are written into."""
    before = made_by(
        file, "CREATE TABLE invoice (id)", "INSERT INTO invoice VALUES (1)"
    )
    assert "not a tieout store" in str(raised(lambda: SQLiteStore(file)))
    assert file.read_bytes() == before


def test_an_empty_database_becomes_a_store(file: Path) -> None:
    """An empty file, or one that another process has just made."""
    file.touch()
    store = SQLiteStore(file)
    assert store.commit(LINK)
    assert (
        store._connection.execute("PRAGMA application_id").fetchone()[0]
        == APPLICATION_ID
    )
    store.close()


@pytest.mark.parametrize(
    "content", [b"not a database " * 100, b"SQLite format 3\x00" + b"\xff" * 4096]
)
def test_what_is_no_database_is_refused_and_left_alone(
    file: Path, content: bytes
) -> None:
    """S6: a named error, the file untouched."""
    file.write_bytes(content)
    assert file.name in str(raised(lambda: SQLiteStore(file)))
    assert file.read_bytes() == content


@pytest.mark.parametrize("where", ["missing/tieout.db", "."])
def test_a_file_that_cannot_be_made_is_named(tmp_path: Path, where: str) -> None:
    """S11: fails when it is opened, naming the cause."""
    assert str(tmp_path) in str(raised(lambda: SQLiteStore(tmp_path / where)))


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_directory_that_cannot_be_written_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """S11: read-only, not permitted, full."""

    def refuse(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    assert os.strerror(number) in str(raised(lambda: SQLiteStore(file)))
    assert not file.exists()


def test_a_full_disk_is_a_store_error_and_nothing_is_half_written(file: Path) -> None:
    """S1: SQLite has already rolled back; the store can be used afterwards."""
    store = SQLiteStore(file)
    store.commit(LINK)
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    big = evolve(ISSUE, issue=evolve(ISSUE.issue, text="x" * 100_000))
    assert "full" in str(raised(lambda: store.commit(INTENT, big)))
    assert store.get(Intent, ["n1"]) == {}
    store._connection.execute("PRAGMA max_page_count = 100000")
    assert store.commit(INTENT, big)
    store.close()


def test_a_file_that_turned_read_only_is_a_store_error(file: Path) -> None:
    """S11: reading goes on, writing is refused."""
    store = SQLiteStore(file)
    store.commit(LINK)
    store._connection.execute("PRAGMA query_only = ON")
    raised(lambda: store.commit(INTENT))
    assert store.get(Link, [key(LINK)])
    store.close()


def test_a_store_that_is_locked_for_long_is_a_store_error(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3: a bounded wait, then a named error; and it works once the other has ended."""
    monkeypatch.setattr(sqlite_module, "BUSY_SECONDS", 0.05)
    store = SQLiteStore(file)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "locked" in str(raised(lambda: store.commit(LINK)))
    other.execute("ROLLBACK")
    other.close()
    assert store.commit(LINK)
    store.close()


def test_a_closed_store_is_a_store_error(file: Path) -> None:
    """Every method may raise it, and nothing else."""
    store = SQLiteStore(file)
    store.close()
    raised(lambda: store.get(Link, ["x"]))
    raised(lambda: store.find(Link, "open", "x"))
    raised(lambda: store.commit(LINK))


@pytest.mark.parametrize("body", ["{", "{}", "[]", '{"pair": 1}', "null", '"x"'])
def test_a_fact_that_cannot_be_read_is_a_store_error(file: Path, body: str) -> None:
    """S6: bits that flipped are told, by kind; the values are not."""
    store = SQLiteStore(file)
    store.commit(INTENT)
    store._connection.execute("UPDATE fact SET body = ?", (body,))
    assert "intent" in str(raised(lambda: store.get(Intent, ["n1"])))
    raised(lambda: store.find(Intent, "mark", "p\x1fm-1"))
    raised(lambda: store.commit(LINK, expect=[Expect(Intent, "n1", {"fence": 3})]))
    store.close()


def test_half_a_character_is_a_store_error(file: Path) -> None:
    """X10: what cannot be written is told as such, and nothing is half written."""
    store = SQLiteStore(file)
    raised(lambda: store.commit(INTENT, a_link("\ud800", "b1")))
    raised(lambda: store.get(Link, [key(a_link("\ud800", "b1"))]))
    assert store.get(Intent, ["n1"]) == {}
    store.close()


def test_a_store_shows_its_path_and_nothing_it_holds(file: Path) -> None:
    """X19: no secret in repr."""
    store = SQLiteStore(file)
    store.commit(StoredGrant("c:1", Grant("https://x", {"token": "CANARY"})))
    assert repr(store) == f"SQLiteStore({str(file)!r})"
    assert "CANARY" not in repr(store.get(StoredGrant, ["c:1"]))
    store.close()


def test_a_commit_that_dies_halfway_leaves_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C10: whatever is raised inside, the transaction is rolled back."""
    store = SQLiteStore(file)

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SQLiteStore, "_count", dies)
        with pytest.raises(KeyboardInterrupt):
            store.commit(LINK)
    assert not store._connection.in_transaction
    assert store.commit(LINK)
    store.close()


def test_two_processes_may_make_the_store_at_once(file: Path) -> None:
    """C14: the second finds the schema made under its lock, and makes nothing."""
    store = SQLiteStore(file)
    store.commit(LINK)
    store._migrate()
    assert store.get(Link, [key(LINK)])
    store.close()


def effort(store: SQLiteStore, run: Callable[[], Any]) -> int:
    """How many thousands of steps SQLite takes for it."""
    ticks: list[None] = []
    store._connection.set_progress_handler(lambda: ticks.append(None), 1000)
    run()
    store._connection.set_progress_handler(None, 0)
    return len(ticks)


@pytest.mark.parametrize("many", [1, 400])
def test_finding_costs_what_is_found_and_not_what_is_there(
    file: Path, many: int
) -> None:
    """Cost follows what changed: no search walks through all the facts of a kind."""
    store = SQLiteStore(file)
    store.commit(*(a_link(f"l{n:05d}", f"b{n:05d}") for n in range(4000)))
    values = [link_billing("p", "Invoice", f"b{n:05d}") for n in range(many)]
    found: list[Link] = []
    assert (
        effort(store, lambda: found.extend(store.find(Link, "billing", values))) < 100
    )
    assert len(found) == many
    store.close()


def test_the_next_page_of_a_long_list_costs_no_more_than_the_page(file: Path) -> None:
    """Memory and time are flat in the number of records: nothing is sorted anew."""
    store = SQLiteStore(file)
    store.commit(*(a_link(f"l{n:05d}", f"b{n:05d}") for n in range(4000)))
    run = lambda: store.find(Link, "open", "p\x1fInvoice", "", 10)  # noqa: E731
    assert effort(store, run) < 5
    store.close()


def test_every_fact_has_one_row(file: Path) -> None:
    """Indexes are entries beside it; nothing is kept of what was replaced."""
    store = SQLiteStore(file)
    for _ in range(3):
        assert store.commit(*FACTS)
    count = store._connection.execute("SELECT count(*) FROM fact").fetchone()[0]
    assert count == len(FACTS) == len(SHAPES)
    entries = store._connection.execute("SELECT count(*) FROM entry").fetchone()[0]
    assert entries == sum(len(set(indexes(fact))) for fact in FACTS)
    store.close()
