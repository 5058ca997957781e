"""A process that dies between any two steps of a composite payment, and the next one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest
from attrs import define, field

from tieout.change import Change
from tieout.models import Application, CreditNote, Invoice, Part, Payment, Ref
from tieout.store import Expect, Fact, Gone, Store
from tieout.stores.memory import MemoryStore
from tieout.stores.sqlite import SQLiteStore
from tieout.testing.year.connector import KINDS, BooksConnector
from tieout.windows import Since
from tills import LATER, UNMARKED, Tills, fees, kinds

F = TypeVar("F")


class Death(BaseException):
    """The process is gone: nothing catches this, and nothing is done any more."""


class Reaper:
    """Lets a process live for so many moments, and not a call longer."""

    def __init__(self, left: int) -> None:
        self._left = left
        self.died_at = ""

    def pass_by(self, moment: str) -> None:
        """One more moment of its life, or its death."""
        self.check()
        self._left -= 1
        if self._left < 0:
            self.died_at = moment
            raise Death

    def check(self) -> None:
        """The dead do nothing."""
        if self.died_at:
            raise Death


class MortalStore:
    """A store of a process that may die before or after each commit."""

    def __init__(self, store: Store, reaper: Reaper) -> None:
        self._store, self._reaper = store, reaper

    def get(self, kind: type[F], keys: Iterable[str]) -> dict[str, F]:
        self._reaper.check()
        return self._store.get(kind, keys)

    def find(
        self,
        kind: type[F],
        index: str,
        value: str | Collection[str],
        after: str = "",
        limit: int = 1000,
    ) -> list[F]:
        self._reaper.check()
        return self._store.find(kind, index, value, after, limit)

    def commit(self, *facts: Fact | Gone, expect: Iterable[Expect] = ()) -> bool:
        self._reaper.pass_by("before a commit")
        done = self._store.commit(*facts, expect=expect)
        self._reaper.pass_by("after a commit")
        return done

    def close(self) -> None:
        """Nothing: its file is let go of by the system."""


@define(eq=False)
class MortalConnector(BooksConnector):
    """The connector of a process that may die before or after each of its writes."""

    reaper: Reaper = field(factory=lambda: Reaper(10**9))

    def _carried(self, change: Change) -> Any:
        name = f"{change.action.name} {change.role or change.kind.__name__}"
        self.reaper.pass_by(f"before {name}")
        made = super()._carried(change)
        self.reaper.pass_by(f"after {name}")
        return made


def _made(tills: Tills) -> Ref:
    """A payment of two invoices, a rest and a fee, with two credits."""
    a, b, note = tills.bill("A", 100), tills.bill("B", 50), tills.credit("N", 60)
    tills.sync()
    tills.clock.advance(LATER)
    credited = [(note, a, 40), (note, b, 20)]
    return tills.pay(105, [(a, 60), (b, 30)], credited=credited, fee=5)


def _changed(tills: Tills) -> Ref:
    """The same one, written already, and now another."""
    ref = _made(tills)
    tills.go_on(Since.LAST_RUN)
    tills.clock.advance(LATER)
    a, b = tills.live(Invoice, tills.shop)
    return tills.pay(106, [(a, 50), (b, 30)], fee=6, ref=ref)


def _taken_back(tills: Tills) -> Ref:
    """The same one, written already, and now void."""
    ref = _made(tills)
    tills.go_on(Since.LAST_RUN)
    tills.clock.advance(LATER)
    tills.take_back(ref)
    return ref


STORIES: dict[str, Callable[[Tills], Ref]] = {
    "made": _made,
    "changed": _changed,
    "taken back": _taken_back,
}


WRITES = {"made": (4, 7), "changed": (4, 8), "taken back": (2, 5)}
"""How many legs are written, where a payment is put to any invoices and to one."""


def _lives(
    open_: Callable[[], Store], left: int, story: str, *, per: int | None, able: Any
) -> str:
    """One life, the next one, and when the first one ended ("" if it did not)."""
    reaper = Reaper(left)
    tills = Tills(
        store=open_(),
        per=per,
        fees=fees(),
        replace_payments=True,
        ledger=able,
    )
    STORIES[story](tills)
    whole = tills.ledger
    tills.ledger = MortalConnector(
        tills.book, able, invoices_per_payment=per, marks=whole.marks, reaper=reaper
    )
    try:
        tills.engine(MortalStore(tills.store, reaper)).sync_payments(Since.LAST_RUN)
    except Death:
        assert reaper.died_at
    tills.store.close()
    tills.store, tills.ledger = open_(), whole
    tills.clock.advance(LATER)
    engine = tills.engine()
    for _ in range(2):
        engine.sync_payments(Since.LAST_RUN)
        tills.clock.advance(LATER)
    where = f"died {reaper.died_at}"
    assert engine.parked() == [], where
    _whole(tills, story, where)
    tills.store.close()
    return reaper.died_at


def _whole(tills: Tills, story: str, where: str) -> None:
    """Every leg is there once, and the other side says the same of all money."""
    applied = [put for put in tills.live(Application) if put.how is Part.CREDIT]
    assert sorted(str(put.amount) for put in applied) == ["20", "40"], where
    charged = [i for i in tills.live(Invoice) if i.number.startswith("FEE-")]
    if story == "taken back":
        # The credits stay applied there, and a person is told (B99, B100).
        assert (tills.live(Payment), charged) == ([], []), where
        assert tills.owed(tills.book) == {"A": Decimal(60), "B": Decimal(30)}, where
        return
    (fee,) = charged
    assert tills.book.owed(fee) == 0, where
    assert tills.equal, where
    assert len(tills.live(CreditNote)) == 1, where


def _in_memory(_: str) -> Callable[[], Store]:
    """Something that keeps what was committed, as a disk does, and is quick."""
    store = MemoryStore()
    return lambda: store


def _all_lives(
    make: Callable[[str], Callable[[], Store]],
    story: str,
    *,
    per: int | None,
    marked: bool,
) -> None:
    """One life after another, each a moment longer, until one does not end."""
    able = KINDS if marked else kinds(Application=UNMARKED)
    moments: list[str] = []
    while True:
        name = str(len(moments))
        moment = _lives(make(name), len(moments), story, per=per, able=able)
        if not moment:
            break
        moments.append(moment)
    writes = [each for each in moments if "commit" not in each]
    assert len(writes) == 2 * WRITES[story][per or 0], moments
    assert {"before a commit", "after a commit"} <= {*moments}


@pytest.mark.parametrize("per", [None, 1])
@pytest.mark.parametrize(
    ("story", "marked"), [("made", False), *((story, True) for story in STORIES)]
)
def test_every_leg_is_there_once_wherever_the_process_dies(
    story: str, per: int | None, marked: bool
) -> None:
    """B102: before and after each write and each commit of the payment's run."""
    _all_lives(_in_memory, story, per=per, marked=marked)


def test_what_a_dead_process_left_in_a_file_is_enough(tmp_path: Path) -> None:
    """B102: what the next one reads is all that there is of the first."""

    def in_a_file(name: str) -> Callable[[], Store]:
        return lambda: SQLiteStore(tmp_path / f"{name}.db")

    _all_lives(in_a_file, "made", per=None, marked=False)
