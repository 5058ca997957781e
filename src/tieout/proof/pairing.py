"""
Which records of two sides belong together: by tie, by reference, by number.

Rounds over sorted rows, so that neither side has to fit into memory. What two records
say is not compared here, and what ties them is looked up elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Self

from attrs import frozen

from tieout.models import clean_number
from tieout.proof.entries import Entry, packed, unpacked
from tieout.proof.sorting import Sorter
from tieout.settings import NumberRule


@frozen
class Group:
    """
    Records of the two sides that belong together; one side may have none.

    ``ambiguous``: so many live ones share a number, and none of them is paired.
    """

    billing: tuple[Entry, ...] = ()
    ledger: tuple[Entry, ...] = ()
    ambiguous: int = 0

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Those of both sides."""
        return (*self.billing, *self.ledger)

    @property
    def paired(self) -> bool:
        """Whether both sides have it."""
        return bool(self.billing and self.ledger)


class Pairing:
    """
    Takes the records of both sides, in any order, and gives them back in groups.

    ``several``: a record may be several on the other side, as a payment that a system
    keeps in parts. ``referring``: the ledger's reference may hold billing's number.
    Without ``numbered`` nothing is paired by its number, as no run pairs payments.
    """

    def __init__(
        self,
        rule: NumberRule,
        *,
        several: bool = False,
        referring: bool = False,
        numbered: bool = True,
    ) -> None:
        self._rule = rule
        self._several = several
        self._referring = referring
        self._by_numbers = numbered
        self._tied, self._referred, self._numbered = Sorter(), Sorter(), Sorter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:
            for each in (self._tied, self._referred, self._numbered):
                stack.callback(each.close)

    def add(self, entry: Entry) -> None:
        """One more record."""
        ours = entry.side == "billing"
        if entry.tie or ours or self._several:
            # What is tied to nothing itself may be what the other side's is tied to, by
            # our mark, or because those are its parts.
            own = tie_to_billing(entry.id) if ours else tie_to_ledger(entry.id)
            self._tied.add(entry.tie or own, *packed(entry))
        else:
            self._refer(entry)

    def groups(self) -> Iterator[Group]:
        """All records, each in one group."""
        for _, rows in self._tied.groups():
            yield from self._by_tie([unpacked(row) for row in rows])
        for _, rows in self._referred.groups():
            yield from self._by_reference([unpacked(row) for row in rows])
        for _, rows in self._numbered.groups():
            yield from self._by_number([unpacked(row) for row in rows])

    def _by_tie(self, entries: Sequence[Entry]) -> Iterator[Group]:
        billing, ledger = _sides(entries)
        if not (billing and ledger):
            for each in entries:
                if not each.tie:
                    self._refer(each)
            tied = [each for each in entries if each.tie]
            if tied:
                yield Group(*_sides(tied))
        elif self._several:
            yield Group(billing, ledger)
        else:
            yield Group(billing[:1], ledger[:1])
            yield from _alone((*billing[1:], *ledger[1:]), len(ledger))

    def _refer(self, entry: Entry) -> None:
        """Put an entry under what it may be found by: its reference, or its number."""
        if not self._referring:
            self._number(entry)
        elif entry.side == "billing" and entry.number:
            self._referred.add(self._key(entry.number), *packed(entry))
        elif entry.side == "ledger" and entry.reference:
            self._referred.add(self._key(entry.reference), *packed(entry))
        else:
            self._number(entry)

    def _by_reference(self, entries: Sequence[Entry]) -> Iterator[Group]:
        billing, ledger = (_live(each) for each in _sides(entries))
        paired: tuple[Entry, ...] = ()
        if len(billing) == len(ledger) == 1:
            paired = (*billing, *ledger)
            yield Group(billing, ledger)
        for each in entries:
            if each not in paired:
                self._number(each)

    def _number(self, entry: Entry) -> None:
        # What is found by nothing stands alone.
        key = self._key(entry.number) if self._by_numbers else ""
        key = key or f"\x1f{entry.side} {entry.id}"
        self._numbered.add(key, *packed(entry))

    def _by_number(self, entries: Sequence[Entry]) -> Iterator[Group]:
        sides = _sides(entries)
        billing, ledger = (_live(each) for each in sides)
        if len(billing) > 1 or len(ledger) > 1:
            yield from _alone((*billing, *ledger), max(len(billing), len(ledger)))
        elif billing or ledger:
            # One that is void or a draft shows why there is no live one.
            yield Group(billing or sides[0][:1], ledger or sides[1][:1])

    def _key(self, number: str) -> str:
        cleaned = clean_number(number)
        return self._rule.key(cleaned) if cleaned else ""


def tie_to_billing(own: str) -> str:
    """What a billing record and its counterpart have in common."""
    return f"b{own}"


def tie_to_ledger(own: str) -> str:
    """What a ledger record that is several in billing has in common with those."""
    return f"l{own}"


def _sides(entries: Iterable[Entry]) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    held = list(entries)
    billing = tuple(each for each in held if each.side == "billing")
    return billing, tuple(each for each in held if each.side == "ledger")


def _live(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(each for each in entries if each.live)


def _alone(entries: Iterable[Entry], ambiguous: int) -> Iterator[Group]:
    for each in entries:
        if each.side == "billing":
            yield Group((each,), ambiguous=ambiguous)
        else:
            yield Group((), (each,), ambiguous)
