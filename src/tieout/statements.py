"""
The sums of two sides: by currency, and by customer, however many customers there are.

It adds up; what there is to add is decided in `tieout.verify`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Self, TypeAlias

from attrs import evolve

from tieout.certificate import MEASURES, Amounts, Balance, Section
from tieout.models import Ref
from tieout.money import ZERO
from tieout.sorting import Sorter
from tieout.verify import Filing

HELD_MAX = 4_000
"""Customers whose sums are held in memory; those of more are put aside and added later."""

SIZE = len(MEASURES)


class Statements:
    """Sums that grow filing by filing."""

    def __init__(self) -> None:
        self._totals: dict[_Place, list[Decimal]] = {}
        self._held: dict[_Place, list[Decimal]] = {}
        self._names: dict[_Place, str] = {}
        self._aside = Sorter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._aside.close()

    def take(self, section: Section, filings: Iterable[Filing]) -> None:
        """Some more of what is counted."""
        for each in filings:
            begin = 0 if each.side == "billing" else SIZE
            place = section.name, each.currency, *_named(each.customer)
            _add(self._totals, place[:2], begin, each.amounts)
            _add(self._held, place, begin, each.amounts)
            if each.called:
                self._names[place] = each.called
        if len(self._held) >= HELD_MAX:
            self._put_aside()

    @property
    def totals(self) -> tuple[Balance, ...]:
        """The sums of each section and currency."""
        return tuple(
            _balance(each, self._totals[each]) for each in sorted(self._totals)
        )

    def customers(self) -> Iterator[Balance]:
        """The sums of each customer, in order; nothing of them is left afterwards."""
        self._put_aside()
        last: Balance | None = None
        for key, rows in self._aside.groups():
            for name, sums in rows:
                place, values = tuple(json.loads(key)), list(map(Decimal, sums))
                more = evolve(_balance(place, values), name=name)
                if last is not None and _same(last, more):
                    last = last + more
                    continue
                if last is not None:
                    yield last
                last = more
        if last is not None:
            yield last

    def _put_aside(self) -> None:
        for place, sums in self._held.items():
            name = self._names.get(place, "")
            self._aside.add(json.dumps(place), name, [str(each) for each in sums])
        self._held.clear()
        self._names.clear()


_Place: TypeAlias = tuple[str, ...]
"""A section and a currency; and a customer, by what its ref is made of."""


def _named(who: Ref | None) -> _Place:
    return (who.connection, who.kind, who.id) if who else ()


def _add(
    sums: dict[_Place, list[Decimal]], place: _Place, begin: int, more: Amounts
) -> None:
    held = sums.get(place)
    if held is None:
        held = sums[place] = [ZERO] * SIZE * 2
    for at, (_, value) in enumerate(more.items(), begin):
        held[at] += value


def _balance(place: _Place, sums: list[Decimal]) -> Balance:
    section, currency, *who = place
    return Balance(
        Section[section],
        currency,
        Amounts(*sums[:SIZE]),
        Amounts(*sums[SIZE:]),
        Ref(who[0], who[1], who[2]) if who else None,
    )


def _same(one: Balance, other: Balance) -> bool:
    """Whether two sums are of one customer."""
    places = ((e.section, e.currency, e.customer) for e in (one, other))
    return next(places) == next(places)
