"""
What each record counts for, and the sums of two sides: by currency, and by customer.

However many customers there are, few are held in memory. Nothing here decides whether two
records differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Self, TypeAlias

from attrs import define, evolve, frozen

from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Part,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.money import ZERO
from tieout.proof.differences import (
    MEASURES,
    NOTHING,
    Amounts,
    Balance,
    Difference,
    DifferenceKind,
    Section,
    Shift,
)
from tieout.proof.entries import Entry
from tieout.proof.pairing import Group
from tieout.proof.sorting import Sorter
from tieout.settings import Side

HELD_MAX = 4_000
"""Customers whose sums are held in memory; those of more are put aside and added later."""

SIZE = len(MEASURES)


@frozen
class Filing:
    """To whom and where an entry is counted."""

    side: Side
    currency: str
    customer: Ref | None
    called: str
    amounts: Amounts


@define
class Counting:
    """How records of one kind are counted, and named where they differ."""

    kind: RecordType
    billing: str
    ledger: str

    @property
    def section(self) -> Section:
        """To which statement these records belong."""
        levels = self.kind is Settlement
        return Section.LEVELS if levels else Section.DOCUMENTS

    def amounts(self, each: Entry) -> Amounts:
        """What an entry counts for."""
        if not each.live or each.problem:
            return NOTHING
        if self.kind is Settlement:
            return amounts_of(each)
        return self._signed(each.total)

    def _signed(self, total: Decimal) -> Amounts:
        if self.kind is Invoice:
            return Amounts(invoices=total, open=total)
        if self.kind is CreditNote:
            return Amounts(credits=total, open=-total)
        return Amounts(payments=total, open=-total)

    def ref(self, each: Entry) -> Ref | None:
        """Which record an entry is of."""
        if not each.id:
            return None
        kind = Invoice if self.kind is Settlement else self.kind
        connection = self.billing if each.side == "billing" else self.ledger
        return Ref(connection, kind.__name__, each.id)

    def customer(self, each: Entry) -> Ref | None:
        """Whose an entry is on its own side."""
        connection = self.billing if each.side == "billing" else self.ledger
        return (
            Ref(connection, Customer.__name__, each.customer) if each.customer else None
        )

    def _owner(self, side: str, group: Group) -> Ref | None:
        """
        To which customer one side of a group is counted: billing's, where it is known.

        What one side does not tell is as the other has it, because nothing says otherwise;
        but a ledger customer who is tied to nobody is not the one of a billing customer
        who is tied to another.
        """
        there = group.ledger if side == "ledger" else group.billing
        for each in (*there, *group.entries):
            own = each.owner if each.side == "ledger" else each.customer
            if own:
                return Ref(self.billing, Customer.__name__, own)
            if each.side == "ledger" and _is_another(each, group):
                return self.customer(each)
        return next(filter(None, map(self.customer, group.ledger)), None)

    def _filings(self, group: Group) -> Iterator[Filing]:
        """How the records of a group are counted."""
        called = next((each.called for each in group.entries if each.called), "")
        owners = {side: self._owner(side, group) for side in ("billing", "ledger")}
        for each in group.entries:
            amounts = self.amounts(each)
            if amounts:
                owner, name = owners[each.side], each.called
                if len({*owners.values()}) == 1:
                    name = name or called
                yield Filing(each.side, each.currency, owner, name, amounts)

    def _shifts(self, group: Group, entries: Iterable[Entry]) -> tuple[Shift, ...]:
        """What it does to the sums that these are counted: the ledger's less billing's."""
        moved: dict[tuple[str, Ref | None], Amounts] = {}
        for each in entries:
            amounts = self.amounts(each)
            where = each.currency, self._owner(each.side, group)
            signed = amounts if each.side == "ledger" else -amounts
            moved[where] = moved.get(where, NOTHING) + signed
        return tuple(
            Shift(currency, customer, amounts)
            for (currency, customer), amounts in moved.items()
            if amounts
        )

    def _moves(self, group: Group, by: Amounts) -> tuple[Shift, ...]:
        there = group.ledger[0]
        owner = self._owner("ledger", group)
        return (Shift(there.currency, owner, by),) if by else ()

    def _difference(
        self, kind: DifferenceKind, group: Group, field: str = ""
    ) -> Difference:
        """A difference of a group, with what each side says of the field."""
        here = next(iter(group.billing), None)
        there = next(iter(group.ledger), None)
        found = self._named(kind, here, there)
        return evolve(
            found,
            field=field,
            in_billing=_said(here, field),
            in_ledger=_said(there, field),
        )

    def _named(
        self, kind: DifferenceKind, here: Entry | None, there: Entry | None
    ) -> Difference:
        """A difference of the records of these entries, under their number."""
        numbers = [each.number for each in (here, there) if each and each.number]
        return Difference(
            kind,
            self.kind,
            numbers[0] if numbers else "",
            self.ref(here) if here else None,
            self.ref(there) if there else None,
        )


def _is_another(there: Entry, group: Group) -> bool:
    """Whether a ledger customer who is tied to nobody cannot be billing's."""
    tied = {_whole(each.owner) for each in group.billing} - {""}
    return bool(there.customer and tied) and _whole(there.customer) not in tied


def _whole(customer: str) -> str:
    """The customer of whom a contact (``C100/contact``) is, and who may be told instead."""
    return customer.partition("/")[0]


def _said(each: Entry | None, field: str) -> str:
    """What a side says of a field, in short."""
    if each is None or not field:
        return ""
    value = getattr(each, field, "")
    return value.value if isinstance(value, Status) else str(value)


def amounts_of(level: Settlement | Entry) -> Amounts:
    """
    What the money of an invoice comes to.

    What is told of no part was paid, unless the cash part is told apart.
    """
    parts = level.settled_by if isinstance(level, Settlement) else level.parts
    credit = parts.get(Part.CREDIT, ZERO)
    rest = level.total - level.balance - credit
    cash = parts.get(Part.CASH)
    if cash is None:
        cash = rest - sum((parts.get(part, ZERO) for part in _ADJUSTING), ZERO)
    return Amounts(level.total, credit, cash, rest - cash, level.balance)


_ADJUSTING = (Part.DISCOUNT, Part.WITHHOLDING, Part.WRITE_OFF, Part.OTHER)


# The sums of two sides ----------------------------------------------------------------


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
