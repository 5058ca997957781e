"""Reading both sides: pages, records by id, the sweep, and counterparts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from doubles import NOW, Desk, SetClock, Wire, able, change, level

from tieout import reading
from tieout.capabilities import Changed, Payments
from tieout.change import Issue
from tieout.connector import Page
from tieout.errors import Code, Fault
from tieout.models import Link, Ref, Settlement, Status
from tieout.reading import Batch, Reader, Start
from tieout.session import Session
from tieout.settings import NumberRule, Settings
from tieout.store import Intent, Stage, Store
from tieout.stores.memory import MemoryStore
from tieout.windows import Window
from tieout.wire import Call, Flow

WINDOW = Window(NOW - timedelta(days=7), trusting=False, label="past week")
TODAY = NOW.date()


def made(
    ledger: Desk,
    billing: Desk | None = None,
    *,
    store: Store | None = None,
    settings: Settings | None = None,
) -> Reader:
    held = store if store is not None else MemoryStore()
    here = Session(billing or Desk("billing:1"), Wire(), held, SetClock())
    there = Session(ledger, Wire(), held, SetClock())
    return Reader(here, there, held, settings or Settings(), "p")


def read(reader: Reader, **more: Any) -> list[Batch]:
    return list(reader.levels(Start(WINDOW, **more), TODAY))


def ids(batches: list[Batch]) -> list[list[str]]:
    return [[each.ref.id for each in batch.records] for batch in batches]


def desk(*keys: str, **more: Any) -> Desk:
    return Desk("ledger:1", *(level(key) for key in keys), capabilities=able(**more))


def bill(key: str, **more: Any) -> Settlement:
    return level(key, connection="billing:1", **more)


def link(ledger: str, billing: str, **more: Any) -> Link:
    return Link(
        "p",
        Ref("billing:1", "Invoice", billing),
        Ref("ledger:1", "Invoice", ledger),
        **more,
    )


# Pages ----------------------------------------------------------------------------------


def test_a_listing_is_read_page_by_page() -> None:
    """B11, B74: all of it, each page with where reading goes on after it."""
    ledger = desk("1", "2", "3", "4", "5")
    ledger.page_size = 2
    batches = read(made(ledger))
    assert ids(batches) == [["1", "2"], ["3", "4"], ["5"]]
    assert [(each.page, each.cursor) for each in batches] == [
        (True, "2"),
        (True, "4"),
        (True, None),
    ]
    assert ledger.selects == [
        (Changed(WINDOW.start, None), c) for c in (None, "2", "4")
    ]


def test_a_listing_goes_on_where_it_was_interrupted() -> None:
    """The cursor, the token and the clock of the interrupted run are kept."""
    ledger = desk("1", "2", "3")
    ledger.page_size = 1
    ledger.as_of = NOW
    reader = made(ledger)
    earlier = NOW - timedelta(hours=3)
    batches = read(reader, cursor="1", token="t", as_of=earlier)
    assert ids(batches) == [["2"], ["3"]]
    assert ledger.selects[0] == (Changed(WINDOW.start, "t"), "1")
    assert reader.as_of == earlier


def test_the_other_sides_clock_is_that_of_the_first_page() -> None:
    """P5: what changes while reading belongs to the next run."""

    class Ticking(Desk):
        def _page(self, select: Any, cursor: str | None) -> Page[Settlement]:
            self.token = f"token {cursor}"
            page = super()._page(select, cursor)
            assert self.as_of is not None
            self.as_of += timedelta(minutes=1)
            return page

    ledger = Ticking("ledger:1", level("1"), level("2"))
    ledger.page_size = 1
    reader = made(ledger)
    read(reader)
    assert reader.as_of == NOW
    assert reader.token == "token 1"


def test_the_next_page_is_read_ahead() -> None:
    """It is on its way while this one is being worked on."""
    ledger = desk("1", "2", "3")
    ledger.page_size = 1
    listing = made(ledger).levels(Start(WINDOW), TODAY)
    next(listing)
    assert [cursor for _, cursor in ledger.selects] == [None, "1"]
    listing.close()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    assert len(ledger.selects) == 2


def test_a_loop_of_pages_is_found() -> None:
    """P7: a page that comes twice is not read for ever."""

    class Looping(Desk):
        def _page(self, select: Any, cursor: str | None) -> Page[Settlement]:
            return Page(next="b" if cursor == "a" else "a")

    with pytest.raises(Fault) as caught:
        read(made(Looping("ledger:1")))
    assert caught.value.code is Code.LOOPING_PAGES


def test_endless_pages_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """P7: also where each is a new one."""

    class Endless(Desk):
        def _page(self, select: Any, cursor: str | None) -> Page[Settlement]:
            return Page(next=str(int(cursor or 0) + 1))

    monkeypatch.setattr(reading, "PAGES_MAX", 5)
    with pytest.raises(Fault) as caught:
        read(made(Endless("ledger:1")))
    assert caught.value.code is Code.LOOPING_PAGES


def test_a_page_that_fails_ends_the_reading_behind_the_last_good_one() -> None:
    """B33: what was read is handed on before the failure is raised."""
    ledger = desk("1", "2", "3")
    ledger.page_size = 1
    ledger.trouble["page"] = [None, None, Fault(Code.SERVER_ERROR)]
    listing = made(ledger).levels(Start(WINDOW), TODAY)
    assert ids([next(listing)]) == [["1"]]
    assert ids([next(listing)]) == [["2"]]
    with pytest.raises(Fault):
        next(listing)


def test_issues_and_deletions_of_a_page_are_handed_on() -> None:
    """P9, P10: beside the records that could be read."""
    gone, bad = Ref("ledger:1", "Invoice", "9"), Issue(Code.BAD_FIELD)

    class Mixed(Desk):
        def _page(self, select: Any, cursor: str | None) -> Page[Settlement]:
            return Page((level("1"),), (bad,), (gone,))

    (batch,) = read(made(Mixed("ledger:1")))
    assert (ids([batch]), batch.issues, batch.gone) == ([["1"]], (bad,), (gone,))


def test_what_cannot_be_read_is_not_carried_by_an_older_state_of_it() -> None:
    """P6, P8, P10: whichever row is the younger, the record stays held in this run."""
    bad = Issue(Code.BAD_FIELD, Ref("ledger:1", "Invoice", "1"))

    class Mixed(Desk):
        def _page(self, select: Any, cursor: str | None) -> Page[Settlement]:
            if cursor is None:
                return Page((level("1"), level("2")), (bad,), next="more")
            return Page((level("1"), evolve(level("3"), changed_at=None)))

    assert ids(read(made(Mixed("ledger:1")))) == [["2"], ["3"]]


def test_what_could_not_be_read_by_its_id_is_not_carried_by_a_page() -> None:
    """P6, P10: a record read by its id is as it is now; a page may be older."""
    bad = Issue(Code.BAD_FIELD, Ref("ledger:1", "Invoice", "1"))

    class Mixed(Desk):
        def _fetch(self, ids: Any, numbers: Any) -> Page[Settlement]:
            return Page((evolve(level("1"), changed_at=None),), (bad,))

    ledger = Mixed("ledger:1", evolve(level("1"), changed_at=None), level("2"))
    batches = read(made(ledger), again=("1",))
    assert ids(batches) == [[], ["2"]]
    assert batches[0].issues == (bad,)


# By id ----------------------------------------------------------------------------------


def test_touched_invoices_are_read_by_id_before_their_page_is_done() -> None:
    """B11: what a payment touched is looked at, once, in batches."""
    ledger = desk("1", "2", "3", "4", fetch_size=2)
    ledger.records = {
        k: evolve(v, changed_at=WINDOW.start - timedelta(days=1))
        for k, v in ledger.records.items()
    }
    ledger.touched = tuple(
        Ref("ledger:1", "Invoice", key) for key in ("1", "2", "3", "1")
    )
    batches = read(made(ledger))
    assert ids(batches) == [["1", "2"], ["3"], []]
    assert [each.page for each in batches] == [False, False, True]
    assert ledger.fetched == [(("1", "2"), ()), (("3",), ())]


def test_what_was_read_is_not_read_again() -> None:
    """Cost follows what changed: a record that is listed, touched and open is read once."""
    ledger = desk("1", "2")
    ledger.page_size = 1
    ledger.touched = (Ref("ledger:1", "Invoice", "1"),)
    batches = read(made(ledger))
    assert ledger.fetched == [(("1",), ())]
    assert ids(batches) == [["1"], [], ["2"]]


def test_open_matters_are_looked_at_first() -> None:
    """What earlier runs left is read whether it changed or not."""
    ledger = desk("1", "2")
    old = evolve(level("9"), changed_at=WINDOW.start - timedelta(days=99))
    ledger.put(old)
    batches = read(made(ledger), again=("9", "9", "1"))
    assert ids(batches)[0] == ["9", "1"] or ids(batches)[0] == ["1", "9"]
    assert ledger.fetched == [(("9", "1"), ())]


def test_what_is_asked_for_by_id_and_does_not_come_is_gone() -> None:
    """P9: absence from a window says nothing, absence by id does."""
    batches = read(made(desk("1")), again=("1", "77"))
    assert [each.gone for each in batches if each.gone] == [
        (Ref("ledger:1", "Invoice", "77"),)
    ]


def test_what_is_there_and_cannot_be_read_is_not_gone() -> None:
    """P10: it has an issue instead."""
    bad = Issue(Code.BAD_FIELD, Ref("ledger:1", "Invoice", "77"))

    class Bad(Desk):
        def _fetch(self, ids: Any, numbers: Any) -> Page[Settlement]:
            return Page((), (bad,))

    batches = read(made(Bad("ledger:1")), again=("77",))
    assert not [each for each in batches if each.gone]
    assert batches[0].issues == (bad,)


def test_memory_of_what_was_read_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it a record may be read twice, which costs a call and nothing else."""
    monkeypatch.setattr(reading, "SEEN_MAX", 2)
    ledger = desk("1", "2", "3")
    reader = made(ledger)
    read(reader)
    assert list(reader._seen.ids) == ["2", "3"]


# The sweep ------------------------------------------------------------------------------


def test_the_sweep_reads_open_and_lately_closed_links(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """B24: blind spots end here; long closed ones are left alone; page by page."""
    monkeypatch.setattr(reading, "SWEEP_PAGE", 2)
    reach = Payments(sweep_reach=timedelta(days=30))
    ledger = desk("o1", "o2", "o3", "c0", "c30", "c31", payments=reach)
    ledger.records = {
        k: evolve(v, changed_at=WINDOW.start - timedelta(days=9))
        for k, v in ledger.records.items()
    }
    store = MemoryStore()
    for key in ("o1", "o2", "o3"):
        store.commit(link(key, f"b{key}"))
    for key, back in (("c0", 0), ("c30", 30), ("c31", 31)):
        store.commit(
            link(key, f"b{key}", open=False, seen_on=TODAY - timedelta(days=back))
        )
    reader = made(ledger, store=store)
    assert not reader.swept
    batches = read(reader, sweep=True)
    assert reader.swept
    assert sorted(key for some in ids(batches) for key in some) == [
        "c0",
        "c30",
        "o1",
        "o2",
        "o3",
    ]


def test_no_sweep_unless_it_is_due() -> None:
    """It costs a call for every batch of links."""
    store = MemoryStore()
    store.commit(link("o1", "b1"))
    ledger = Desk("ledger:1")
    reader = made(ledger, store=store)
    assert ids(read(reader)) == [[]]
    assert ledger.fetched == []
    assert not reader.swept


# Counterparts ---------------------------------------------------------------------------


def counterparts(reader: Reader, *records: Settlement) -> Any:
    return reader.counterparts(records, reader.links(each.ref.id for each in records))


def test_tied_records_are_fetched_by_id_and_strangers_by_number() -> None:
    """B44: numbers and references, each once; nothing is asked for a tied one's number."""
    billing = Desk("billing:1", bill("b1", number="X"), bill("b2", number="INV-2"))
    store = MemoryStore()
    store.commit(link("1", "b1"))
    reader = made(desk(), billing, store=store)
    two = evolve(level("2"), reference="PO-2")
    found, known, issues = counterparts(reader, level("1"), two)
    assert {each.ref.id for each in found} == {"b1", "b2"}
    assert billing.fetched == [(("b1",), ()), ((), ("INV-2", "PO-2"))]
    assert known.links["1"].billing.id == "b1"
    assert issues == []


def test_whose_tie_was_let_go_is_a_stranger() -> None:
    """B44: looked up by number, and it is known who has the billing record by now."""
    billing = Desk("billing:1", bill("b1", number="INV-1"))
    store = MemoryStore()
    store.commit(link("1", "b1", released=True), link("7", "b1"))
    one = evolve(level("1"), reference="PO-1")
    _, known, _ = counterparts(made(desk(), billing, store=store), one)
    assert billing.fetched == [((), ("INV-1", "PO-1"))]
    assert known.claimed["b1"].ledger.id == "7"
    assert known.links["1"].released


@pytest.mark.parametrize("status", [Status.DRAFT, Status.VOID])
def test_what_is_of_no_concern_is_not_looked_up(status: Status) -> None:
    """Drafts, and strangers that are void, cost no call."""
    billing = Desk("billing:1")
    counterparts(made(desk(), billing), evolve(level("1"), status=status))
    assert billing.fetched == []


def test_numbers_are_asked_for_in_every_spelling() -> None:
    """B44: as the rule says; blank ones not at all."""
    billing = Desk("billing:1")
    rule = Settings(number_rule=NumberRule(prefix="INV-"))
    reader = made(desk(), billing, settings=rule)
    counterparts(reader, level("1", number=" 7 "), level("2", number="  "))
    assert billing.fetched == [((), ("7", "INV-7"))]


def test_what_billing_cannot_read_is_handed_on() -> None:
    """B161: the reason is better than "not found"."""
    bad = Issue(Code.BAD_AMOUNT, numbers=("INV-1",))

    class Bad(Desk):
        def _fetch(self, ids: Any, numbers: Any) -> Page[Settlement]:
            return Page((), (bad,))

    *_, issues = counterparts(made(desk(), Bad("billing:1")), level("1"))
    assert issues == [bad]


def test_who_claims_what_is_known() -> None:
    """B44: the links of billing records that were found for strangers."""
    store = MemoryStore()
    store.commit(link("7", "b1"))
    billing = Desk("billing:1", bill("b1", number="INV-1"))
    _, known, _ = counterparts(made(desk(), billing, store=store), level("1"))
    assert known.claimed["b1"].ledger.id == "7"
    store.commit(link("1", "b2"))
    _, known, _ = counterparts(made(desk(), billing, store=store), level("1"))
    assert known.claimed == {}


def test_a_mark_of_ours_leads_to_the_billing_record() -> None:
    """B45: by the journal, without a number."""
    store = MemoryStore()
    source = Ref("billing:1", "Invoice", "b1")
    one = change("1", mark="m-1")
    intent = Intent(
        name=one.name, pair="p", verb="invoices", kind=Settlement, action=one.action,
        connection="ledger:1", source=source, target=None, role="", generation=0,
        link_version=0, number="", agreed="", wanted="", mark="m-1",
        stage=Stage.APPLIED, attempt=1, fence=1, run="r",
    )  # fmt: skip
    store.commit(intent)
    billing = Desk("billing:1", bill("b1", number="OTHER"))
    marked = evolve(level("1"), reference="m-1")
    found, known, _ = counterparts(made(desk(), billing, store=store), marked)
    assert known.marks == {"m-1": source}
    assert [each.ref.id for each in found] == ["b1"]
    assert billing.fetched == [(("b1",), ())]


def test_customers_that_are_tied_are_known() -> None:
    """B44: by the link of the ledger's customer."""
    store = MemoryStore()
    here, there = Ref("billing:1", "Customer", "c1"), Ref("ledger:1", "Customer", "k1")
    store.commit(Link("p", here, there))
    one = evolve(level("1"), customer=there)
    two = evolve(level("2"), customer=Ref("ledger:1", "Customer", "k2"))
    _, known, _ = counterparts(made(desk(), store=store), one, two)
    assert known.customers == {"k1": "c1"}


@pytest.mark.parametrize("unique", [True, False])
def test_rivals_of_a_number_are_looked_for_where_numbers_may_repeat(
    unique: bool,
) -> None:
    """B44: live ones only, not the record itself, and only where billing has the number."""
    same: dict[str, Any] = {"number": "INV-1"}
    ledger = desk(number_unique=unique)
    ledger.put(
        level("1"),
        level("2", **same),
        level("3", status=Status.VOID, **same),
        level("9"),
    )
    billing = Desk("billing:1", bill("b1", number="INV-1"), bill("b9", number="INV-9"))
    some = (level("1"), level("8"), level("9"))
    _, known, _ = counterparts(made(ledger, billing), *some)
    assert known.rivals == ({} if unique else {"1": ("2",)})
    assert ledger.fetched == ([] if unique else [((), ("INV-1", "INV-9"))])


def test_nothing_costs_nothing() -> None:
    """An empty page asks neither side."""
    ledger, billing = desk(), Desk("billing:1")
    found, known, issues = counterparts(made(ledger, billing))
    assert (found, issues, known.links, billing.fetched, ledger.fetched) == (
        [],
        [],
        {},
        [],
        [],
    )


def test_a_batch_is_a_page_only_where_reading_can_go_on_behind_it() -> None:
    """The resume point follows pages, not records read by id."""
    assert not Batch().page
    assert Batch().cursor is None


class Calling(Desk):
    """A desk whose listing is no read of its own."""

    def page(
        self, kind: Any, select: Any, cursor: str | None = None
    ) -> Flow[Page[Any]]:
        yield Call(lambda: None)
        return Page(as_of=None)


def test_a_system_without_a_clock_has_none() -> None:
    """Then the marker is our own time."""
    reader = made(Calling("ledger:1"))
    read(reader)
    assert reader.as_of is None
    assert reader.token is None
