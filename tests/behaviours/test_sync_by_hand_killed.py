"""A process that dies anywhere in a run by hand: nothing doubled, and nothing forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import tieout
from desk import DAY, TODAY, Desk
from tieout import BatchType, State
from tieout.change import Change
from tieout.models import Invoice, Ref
from tieout.store import Intent, Stage
from worlds import Crash, Mortal

WAIT = timedelta(minutes=15)
"""After which the dead process holds nothing any more, and a look is proof."""

Doing = Callable[[tieout.Engine], Any]


class Payments:
    """An automatic payment that counts how often it was asked of each invoice."""

    def __init__(self) -> None:
        self.asked: dict[str, int] = {}
        self.told: dict[str, int] = {}

    def posted(self, invoice: Invoice) -> tieout.AutoPayStatus:
        self.asked[invoice.number] = self.asked.get(invoice.number, 0) + 1
        return tieout.AutoPayStatus(tieout.AutoPayState.QUEUED)

    def paid(self, invoice: Ref) -> None:
        self.told[invoice.id] = self.told.get(invoice.id, 0) + 1


def dying(desk: Desk, do: Doing, at: int, where: str) -> bool:
    """Do something in a process that dies at its Nth step; whether it got so far."""
    steps = count()
    after = where.startswith("after")

    def fate(change: Change) -> str:
        return "dies" if where.endswith("write") and next(steps) == at else ""

    store = Mortal(
        desk.store, dies_at=at if where.endswith("commit") else -1, after=after
    )

    def carried(own: Any) -> Callable[[Change], Any]:
        landed = own._landed

        def one(change: Change) -> Any:
            if fate(change) == "dies":
                if after:
                    landed(change)
                store.die()
            return landed(change)

        return one

    ends: list[Any] = [desk.billing, desk.ledger]
    for connector in ends:
        connector._landed = carried(connector)
    try:
        do(desk.engine(store))
    except Crash:
        return True
    finally:
        for connector in ends:
            del connector._landed
        desk.clock.advance(WAIT)
    return False


WHERE = ("before commit", "after commit", "before write", "after write")


def everywhere(make: Callable[[], Desk], do: Doing) -> Iterator[Desk]:
    """A desk for each step at which the process that does it died."""
    for where in WHERE:
        for at in count():
            desk = make()
            if not dying(desk, do, at, where):
                break
            yield desk


def in_batches(desk: Desk, type_: BatchType) -> list[str]:
    """The numbers of all that is called done in batches of a type."""
    return sorted(
        member.number
        for batch in desk.batches()
        for member in batch.members
        if batch.type is type_ and member.state is State.APPLIED
    )


def unfinished(desk: Desk) -> list[Intent]:
    """Writes that are not settled."""
    pair = desk.engine().pair
    some = desk.store.find(Intent, "open", f"{pair}\x1fdocuments")
    return [each for each in some if each.stage is not Stage.PLANNED]


def desk_of_four() -> Desk:
    """Four invoices that nobody has posted yet."""
    desk = Desk(auto_pay=Payments())
    for place in range(4):
        desk.invoice(f"INV-{place}", 100 + place)
    return desk


ALL = [f"INV-{place}" for place in range(4)]


def test_a_posting_that_died_anywhere_is_finished_by_the_next() -> None:
    """
    B119, B120, B138, B160: between document, mark and batch; before and after each step.

    One document each, all handed over, each of them in exactly one batch, and automatic
    payment asked of each.
    """
    tried = 0
    for desk in everywhere(desk_of_four, lambda e: e.sync_invoices(through=TODAY)):
        before = set(desk.posted)
        assert before <= {number for number, _ in desk.booked}
        desk.post()
        assert desk.booked == [(f"INV-{n}", 100 + n) for n in range(4)]
        assert desk.posted == set(ALL)
        assert desk.unsynced() == []
        assert in_batches(desk, BatchType.POSTED) == ALL
        assert isinstance(desk.auto_pay, Payments)
        assert set(desk.auto_pay.asked) == set(ALL)
        assert unfinished(desk) == []
        tried += 1
    assert tried > 30


def test_what_a_dead_run_handed_over_can_be_undone() -> None:
    """B134, B138, B160: its batch was written first, and knows what was marked."""
    for desk in everywhere(desk_of_four, lambda e: e.sync_invoices(through=TODAY)):
        desk.post()
        for batch in desk.batches():
            assert desk.engine().undo(batch).ok
        assert desk.posted == set()
        assert desk.batches() == []
        assert len(desk.booked) == 4


def test_a_dead_run_is_seen_as_it_was_without_another_run() -> None:
    """B138: what is listed after a crash is true as far as it can be known."""
    for desk in everywhere(desk_of_four, lambda e: e.sync_invoices(through=TODAY)):
        said = [m for batch in desk.batches() for m in batch.members]
        for member in said:
            if member.state is State.APPLIED:
                assert member.number in desk.posted
            elif member.state is State.NOT_SENT:
                assert member.number not in desk.posted
        assert desk.posted <= {member.number for member in said}


def test_a_marking_that_died_anywhere_is_finished_by_the_next() -> None:
    """B121, B160: all marked, each in one batch; nothing in the ledger."""
    for desk in everywhere(desk_of_four, lambda e: e.mark_posted(TODAY)):
        desk.engine().mark_posted(TODAY)
        assert desk.posted == set(ALL)
        assert in_batches(desk, BatchType.MARKED) == ALL
        assert desk.booked == []
        desk.engine().sync_invoices(DAY)
        assert desk.booked == []


def posted() -> Desk:
    """Four invoices that were posted, and paid in the ledger."""
    desk = desk_of_four()
    desk.post()
    for place in range(4):
        desk.pay(f"INV-{place}", 100 + place)
    return desk


def undo_all(engine: tieout.Engine) -> None:
    """Take all batches back."""
    for batch in list(engine.batches()):
        engine.undo(batch)


def test_an_undo_that_died_anywhere_is_finished_by_the_next() -> None:
    """B134, B137, B160: all dates cleared, the batch forgotten, the ledger untouched."""
    for desk in everywhere(posted, undo_all):
        undo_all(desk.engine())
        assert desk.posted == set()
        assert desk.batches() == []
        assert len(desk.booked) == 4
        desk.post()
        assert len(desk.booked) == 4
        assert in_batches(desk, BatchType.POSTED) == ALL


def test_paid_dates_that_died_anywhere_are_finished_by_the_next() -> None:
    """B122, B124, B160: all shown, each in a batch, automatic payment told of each."""

    def fetch(engine: tieout.Engine) -> None:
        engine.sync_paid_dates(TODAY)

    for desk in everywhere(posted, fetch):
        fetch(desk.engine())
        assert {desk.shown(number)[1] for number in ALL} == {TODAY}
        assert in_batches(desk, BatchType.PAID) == ALL
        assert isinstance(desk.auto_pay, Payments)
        assert len(desk.auto_pay.told) == 4
        for batch in desk.batches():
            if batch.type is BatchType.PAID:
                desk.engine().undo(batch)
        assert {desk.shown(number) for number in ALL} == {(0, None)}
        assert {b.type for b in desk.batches()} == {BatchType.POSTED}


@pytest.mark.parametrize("where", WHERE)
def test_an_undo_of_payments_that_died_is_finished_by_the_next(where: str) -> None:
    """B136, B137, B160: what was shown before, whatever step it died at."""

    def paid() -> Desk:
        desk = posted()
        desk.engine().sync_paid_dates(TODAY)
        return desk

    def undo(engine: tieout.Engine) -> None:
        for batch in list(engine.batches()):
            if batch.type is BatchType.PAID:
                engine.undo(batch)

    for at in count():
        desk = paid()
        if not dying(desk, undo, at, where):
            break
        undo(desk.engine())
        assert {desk.shown(number) for number in ALL} == {(0, None)}
        assert {b.type for b in desk.batches()} == {BatchType.POSTED}


def test_a_caller_that_chokes_on_a_row_loses_nothing() -> None:
    """B126, B138: whatever `on_progress` raises, what was done is on file."""
    desk = desk_of_four()

    def choke(row: tieout.Progress) -> None:
        raise RuntimeError

    with suppress(RuntimeError):
        desk.post(on_progress=choke)
    desk.clock.advance(WAIT)
    desk.post()
    assert desk.posted == set(ALL)
    assert in_batches(desk, BatchType.POSTED) == ALL
    assert len(desk.booked) == 4


def test_what_is_on_file_outlives_the_process(tmp_path: Path) -> None:
    """B138, B160: in a file, read by another store."""
    path, desk = tmp_path / "tieout.db", desk_of_four()
    with closing(tieout.SQLiteStore(path)) as store:
        desk.store = store
        desk.post()
    with closing(tieout.SQLiteStore(path)) as again:
        desk.store = again
        (batch,) = desk.batches()
        assert len(batch.members) == 4
        desk.engine().undo(batch)
        assert desk.posted == set()
