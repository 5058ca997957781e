"""
What differs between two sides' records of the same things, and what that does to the sums.

Pure: one group of records that belong together is compared at a time. Nothing here reads a
system or a store; who belongs to whom is found in `tieout.proof.pairing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from attrs import define, evolve, field, frozen

from tieout.errors import Code
from tieout.models import Invoice, Payment, Ref, Settlement, Status
from tieout.money import ZERO
from tieout.proof.counting import Filing
from tieout.proof.differences import (
    NOTHING,
    Amounts,
    Difference,
    DifferenceKind,
    Shift,
    in_money,
)
from tieout.proof.entries import Entry, Put, day_text
from tieout.proof.levels import Levels
from tieout.proof.pairing import Group
from tieout.settings import Direction
from tieout.store import Stage

DRAFT = "A draft is not carried until it is posted."


@frozen
class Found:
    """
    A group that was compared: what is counted, and what differs.

    ``across`` is what was known of the invoices that it is put to.
    """

    group: Group
    filings: tuple[Filing, ...] = ()
    differences: tuple[Difference, ...] = ()
    across: Mapping[str, str] = field(factory=dict)

    def residual(self) -> dict[tuple[str, Ref | None], Amounts]:
        """What the differences leave unexplained of the sums: nothing, or it is a bug."""
        left: dict[tuple[str, Ref | None], Amounts] = {}
        for filing in self.filings:
            sign = filing.amounts if filing.side == "ledger" else -filing.amounts
            where = filing.currency, filing.customer
            left[where] = left.get(where, NOTHING) + sign
        for difference in self.differences:
            for shift in difference.shifts:
                where = shift.currency, shift.customer
                left[where] = left.get(where, NOTHING) - shift.amounts
        return {where: amounts for where, amounts in left.items() if amounts}


@define
class Comparison(Levels):
    """How records of one kind are compared, levels and documents."""

    def compare(self, group: Group, across: Mapping[str, str] | None = None) -> Found:
        """
        What differs within a group.

        ``across``: by billing's id of an invoice, the ledger's, as far as they are tied.
        """
        group = _live_first(group)
        found = tuple(self._differences(group, across or {}))
        filings = tuple(self._filings(group))
        compared = Found(group, filings, found, across or {})
        assert not compared.residual(), "a difference of the sums has no name"
        return compared

    def _differences(
        self, group: Group, across: Mapping[str, str]
    ) -> Iterator[Difference]:
        live = [each for each in group.entries if each.live]
        unread = [each for each in live if each.problem]
        if unread:
            yield self._unread(group, unread[0])
        elif not group.paired:
            yield from (
                self._missing(each, group) for each in live if self._counts(each)
            )
        elif live and not all(map(_any_live, (group.billing, group.ledger))):
            yield self._dead(group)
        elif live:
            yield from self._paired(group, across)

    def _paired(self, group: Group, across: Mapping[str, str]) -> Iterator[Difference]:
        currencies = {each.currency for each in group.entries if each.live}
        if len(currencies) > 1:
            yield self._currency(group)
            return
        moved = self._customer(group)
        if moved is not None:
            yield moved
        if self.kind is Settlement:
            yield from self._level(group)
        else:
            yield from self._document(group, across)

    # A record on one side only ------------------------------------------------------------

    def _counts(self, each: Entry) -> bool:
        """Whether anybody would miss it: credits alone make a payment that moves nothing."""
        return self.kind is not Payment or bool(each.total)

    def _missing(self, each: Entry, group: Group) -> Difference:
        here = each.side == "billing"
        amount = in_money(each.total, each.currency)
        if here:
            kind = DifferenceKind.MISSING_IN_LEDGER
            found = evolve(self._named(kind, each, None), in_billing=amount)
        else:
            kind = DifferenceKind.MISSING_IN_BILLING
            found = evolve(self._named(kind, None, each), in_ledger=amount)
        found = evolve(found, shifts=self._shifts(group, [each]))
        if group.ambiguous:
            text = f"{group.ambiguous} live documents have this number."
            return evolve(found, code=Code.AMBIGUOUS_NUMBER, text=text)
        if each.fee:
            where = "the ledger" if here else "billing"
            text = f"It is the fee of a payment, which is no invoice in {where}."
            return evolve(found, kind=DifferenceKind.POLICY, text=text)
        if each.tie:
            return evolve(found, text="It is tied to a document that is not there.")
        if each.ours or (each.marks and self._made_on(each.side)):
            return _made_by_us(found, each)
        reason = self._not_carried(outward=here)
        if not reason:
            return found
        return evolve(found, kind=DifferenceKind.POLICY, text=reason)

    def _made_on(self, side: str) -> bool:
        """Whether this pair makes documents of this kind there: other marks are not ours."""
        kind = Invoice if self.kind is Settlement else self.kind
        return self.settings.direction(kind).goes(outward=side == "ledger")

    def _not_carried(self, *, outward: bool) -> str:
        """Why records of this kind are not brought over from one side, or nothing."""
        kind = Invoice if self.kind is Settlement else self.kind
        direction = self.settings.direction(kind)
        if direction.goes(outward=outward) or direction is Direction.OFF:
            return ""
        return f"By the settings, this kind goes {direction.value} only."

    def _unread(self, group: Group, each: Entry) -> Difference:
        found = self._difference(DifferenceKind.OPEN_ISSUE, group)
        others = [e for e in group.entries if not e.problem]
        shifts = self._shifts(group, others)
        return evolve(found, shifts=shifts, code=each.problem, text=each.text)

    def _dead(self, group: Group) -> Difference:
        """What is void or a draft on one side."""
        dead = next(each for each in group.entries if not each.live)
        found = self._difference(DifferenceKind.STATUS, group, "status")
        found = evolve(found, shifts=self._shifts(group, group.entries))
        drafted = dead.status is Status.DRAFT and not dead.tie
        if drafted:
            return evolve(found, kind=DifferenceKind.POLICY, text=DRAFT)
        return found

    # A record on both sides ---------------------------------------------------------------

    def _currency(self, group: Group) -> Difference:
        found = self._difference(DifferenceKind.CURRENCY, group, "currency")
        return evolve(found, shifts=self._shifts(group, group.entries))

    def _customer(self, group: Group) -> Difference | None:
        """What belongs to other customers: billing's amounts move from one to the other."""
        here, there = group.billing[0], group.ledger[0]
        ours, theirs = (self._owner(side, group) for side in ("billing", "ledger"))
        if ours == theirs:
            return None
        amounts = sum(map(self.amounts, group.billing), NOTHING)
        moved = (
            Shift(here.currency, theirs, amounts),
            Shift(here.currency, ours, -amounts),
        )
        return evolve(
            self._difference(DifferenceKind.CUSTOMER, group, "customer"),
            in_billing=here.called or here.customer,
            in_ledger=there.called or there.customer,
            shifts=moved if amounts else (),
        )

    def _document(
        self, group: Group, across: Mapping[str, str]
    ) -> Iterator[Difference]:
        """What differs in a document: its amount, its date, what it is put to."""
        here, there = (_summed(each) for each in (group.billing, group.ledger))
        currency = group.billing[0].currency
        if here != there:
            name = "amount" if self.kind is Payment else "total"
            yield evolve(
                self._difference(DifferenceKind.AMOUNT, group, name),
                in_billing=in_money(here, currency),
                in_ledger=in_money(there, currency),
                shifts=self._moves(group, self._signed(there - here)),
            )
        ours, theirs = (_days(each) for each in (group.billing, group.ledger))
        if ours != theirs:
            yield evolve(
                self._difference(DifferenceKind.DATE, group, "on"),
                in_billing=", ".join(ours),
                in_ledger=", ".join(theirs),
            )
        if here == there and _put_elsewhere(group, across):
            yield evolve(
                self._difference(DifferenceKind.AMOUNT, group, "applications"),
                in_billing=_listed(group.billing),
                in_ledger=_listed(group.ledger),
            )

    # What every one of them needs ---------------------------------------------------------


def _made_by_us(found: Difference, each: Entry) -> Difference:
    """What carries a mark of ours and is tied to nothing is nobody's own document."""
    told = f"It carries {', '.join(each.marks)}, a mark of ours, and is tied to nothing"
    if each.ours in _UNSETTLED:
        text = f"{told}: it may be what a write made that is not settled yet."
        kind, code = DifferenceKind.IN_FLIGHT, Code.OUTCOME_UNKNOWN
    elif each.ours == Stage.PARKED.name:
        text = f"{told}: a person is asked what became of the write."
        kind, code = DifferenceKind.OPEN_ISSUE, Code.PARKED
    else:
        text, kind = f"{told}: it is a copy of what we made.", found.kind
        code = Code.COPIED
    return evolve(found, kind=kind, code=code, text=text)


_UNSETTLED = (Stage.SENDING.name, Stage.UNKNOWN.name)


def _any_live(entries: Sequence[Entry]) -> bool:
    return any(each.live for each in entries)


def _live(entries: Sequence[Entry]) -> list[Entry]:
    return [each for each in entries if each.live]


def _live_first(group: Group) -> Group:
    """A group whose first records are those that count, if any do."""
    if len(group.billing) < 2 and len(group.ledger) < 2:  # noqa: PLR2004 - one each
        return group
    billing, ledger = (
        tuple(sorted(each, key=lambda entry: not entry.live))
        for each in (group.billing, group.ledger)
    )
    return evolve(group, billing=billing, ledger=ledger)


def _summed(entries: Sequence[Entry]) -> Decimal:
    return sum((each.total for each in _live(entries)), ZERO)


def _days(entries: Sequence[Entry]) -> list[str]:
    return sorted({day_text(each.on) for each in _live(entries)})


def _put_elsewhere(group: Group, across: Mapping[str, str]) -> bool:
    """
    Whether the two sides put a payment or credit to other invoices, or other amounts.

    Where an invoice is tied to none, nobody can say which it is: then amounts are compared.
    """
    sides = [_live(each) for each in (group.billing, group.ledger)]
    if any(each.puts is None for entries in sides for each in entries):
        return False
    ours, theirs = ([p for e in entries for p in e.puts or ()] for entries in sides)
    # What of a fee was made no invoice is with the customer.
    ours = [put for put in ours if not put.fee or put.key in across]
    made = set(across.values())
    theirs = [put for put in theirs if not put.fee or put.key in made]
    here, there = _by_invoice(ours), _by_invoice(theirs)
    if here.keys() <= across.keys():
        return {across[target]: amount for target, amount in here.items()} != there
    return sorted(here.values()) != sorted(there.values())


def _by_invoice(puts: Iterable[Put]) -> dict[str, Decimal]:
    """What is put to each invoice, in one part or in several."""
    sums: dict[str, Decimal] = {}
    for put in puts:
        sums[put.key] = sums.get(put.key, ZERO) + put.amount
    return sums


def _listed(entries: Sequence[Entry]) -> str:
    """What is put to what, in short."""
    puts = [put for each in _live(entries) for put in each.puts or ()]
    told = sorted(
        f"{put.amount} to {'a fee' if put.fee else put.target}" for put in puts
    )
    return ", ".join(told) or "nothing"
