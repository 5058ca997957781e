"""The ties as the log tells them, whatever order events come in."""

from __future__ import annotations

from itertools import permutations

from attrs import evolve
from doubles import NOW

from tieout.models import Link, Ref
from tieout.replay import rebuilt
from tieout.store import Event, key

HERE = Ref("shop:1", "Invoice", "i1")
OLD, NEW = (Ref("book:1", "Invoice", name) for name in ("old", "new"))
TIE = Link("p", HERE, OLD, version=1)
MOVED = evolve(TIE, ledger=NEW, version=2)


def told(
    fence: int, serial: int, link: Link | None, let_go: Ref | None = None
) -> Event:
    """An event that says how a tie stands since then."""
    named = f"{fence}-{serial}"
    return Event(
        named, serial, "p", NOW, "applied", fence=fence, link=link, let_go=let_go
    )


def test_what_was_told_under_a_later_hold_counts() -> None:
    """B143: whatever the clock said, and in whichever order events are read."""
    events = [
        told(1, 7, TIE),
        told(2, 1, evolve(TIE, version=2)),
        told(2, 2, evolve(TIE, version=3)),
        told(2, 3, None),
    ]
    expected = {key(TIE): evolve(TIE, version=3)}
    for order in permutations(events):
        assert rebuilt(order) == expected


def test_a_tie_that_was_let_go_is_gone() -> None:
    """B143: unless a later one ties the same again."""
    events = [told(1, 1, TIE), told(2, 1, MOVED, OLD)]
    for order in permutations(events):
        assert rebuilt(order) == {key(MOVED): MOVED}
    again = evolve(TIE, version=3)
    for order in permutations([*events, told(3, 1, again, NEW)]):
        assert rebuilt(order) == {key(again): again}


def test_of_another_role_nothing_is_let_go() -> None:
    """B143: the fee of a payment and the payment are two ties."""
    fee = evolve(TIE, role="fee")
    events = [told(1, 1, TIE), told(1, 2, evolve(fee, ledger=NEW), OLD)]
    assert set(rebuilt(events)) == {key(TIE), key(evolve(fee, ledger=NEW))}


def test_a_log_without_ties_leaves_none() -> None:
    """B143: of nothing comes nothing."""
    assert rebuilt([]) == rebuilt([told(1, 1, None)]) == {}
