"""
What differs between two sides' records of the same things, and what that does to the sums.

Pure: one group of records that belong together is compared at a time. Nothing here reads a
system or a store; who belongs to whom is found in `tieout.pairing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal

from attrs import define, evolve, field, frozen

from tieout.capabilities import Capabilities
from tieout.certificate import (
    NOTHING,
    Amounts,
    Difference,
    DifferenceKind,
    Section,
    Shift,
    in_figures,
)
from tieout.change import Issue
from tieout.entries import Entry, Put, day_text
from tieout.errors import Code
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Part,
    Payment,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.money import ZERO
from tieout.pairing import Group
from tieout.planners import settlements
from tieout.settings import Direction, Settings, Side


@frozen
class Filing:
    """To whom and where an entry is counted."""

    side: Side
    currency: str
    customer: Ref | None
    called: str
    amounts: Amounts


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
class Comparison:
    """
    How records of one kind are compared.

    ``able`` is what billing can hold. ``today`` is the paid date of last resort.
    """

    kind: RecordType
    billing: str
    ledger: str
    able: Capabilities
    settings: Settings
    today: date

    @property
    def section(self) -> Section:
        """To which statement these records belong."""
        levels = self.kind is Settlement
        return Section.LEVELS if levels else Section.DOCUMENTS

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
        amount = _money(each.total, each.currency)
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
            text = "It is the fee of a payment, which is no invoice in billing."
            return evolve(found, kind=DifferenceKind.POLICY, text=text)
        if each.tie:
            return evolve(found, text="It is tied to a document that is not there.")
        reason = self._not_carried(outward=here)
        if not reason:
            return found
        return evolve(found, kind=DifferenceKind.POLICY, text=reason)

    def _not_carried(self, *, outward: bool) -> str:
        """Why records of this kind are not brought over from one side, or nothing."""
        kind = Invoice if self.kind is Settlement else self.kind
        direction = self.settings.direction(kind)
        way = Direction.TO_LEDGER if outward else Direction.TO_BILLING
        if direction in (way, Direction.BOTH, Direction.OFF):
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
            text = "A draft is not carried until it is posted."
            return evolve(found, kind=DifferenceKind.POLICY, text=text)
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

    def _level(self, group: Group) -> Iterator[Difference]:
        """
        What differs in the money of one invoice, from what billing should show of it.

        What the rules take off or add on the way from the ledger's level to billing's is
        policy; what billing shows otherwise than by the rules is a difference.
        """
        here, there = group.billing[0], group.ledger[0]
        if self._plainly_alike(here, there):
            return
        billing, ledger = self._settlement(here), self._settlement(there)
        seen_on = billing.paid_on or self.today
        wanted = settlements.due(ledger, billing, self.able, self.settings, seen_on)
        due, notes = (billing, ()) if isinstance(wanted, Issue) else wanted
        if not self.able.payments.partial and due.paid_on and billing.paid_on:
            # Only the day is held: what was paid follows from there being one.
            due = evolve(billing, paid_on=due.paid_on)
        shown = amounts_of(due)
        by_rule = amounts_of(ledger) - shown
        wrong = shown - amounts_of(billing)
        if here.total != there.total:
            yield self._total(group, by_rule)
        elif by_rule and isinstance(wanted, Issue):
            found = self._by_money(group, DifferenceKind.AMOUNT, by_rule)
            yield evolve(found, code=wanted.code, text=wanted.text)
        elif by_rule:
            yield self._ruled(group, by_rule, notes)
        if wrong:
            yield self._by_money(group, DifferenceKind.AMOUNT, wrong)
        elif due != billing:
            yield self._paid_date(group, due, billing)

    def _plainly_alike(self, here: Entry, there: Entry) -> bool:
        """
        Whether billing shows a usual level as it is: most records, most of the time.

        It is the short way to what the rules come to, for levels that are no more than
        cash; a property test holds the two together.
        """
        usual = self.settings.paid_amount == "settled" and self.able.payments.partial
        paid = there.total - there.balance
        if there.balance:
            dated = there.paid_on is None and not self.able.payments.holds_open_date
        else:
            dated = there.paid_on is not None and not (
                there.on and there.paid_on < there.on
            )
        return (
            usual
            and dated
            and here.paid_on == there.paid_on
            and here.total == there.total != ZERO
            and there.balance >= ZERO
            and here.balance == there.balance
            and not self.settings.tolerance
            and there.parts.keys() <= {Part.CASH}
            and here.parts.keys() == {Part.CASH}
            and here.parts[Part.CASH] == paid
        )

    def _by_money(self, group: Group, kind: DifferenceKind, by: Amounts) -> Difference:
        """What was paid, or is open, differs."""
        here, there = group.billing[0], group.ledger[0]
        name = "paid" if by.payments else "balance"
        ours, theirs = self.amounts(here), self.amounts(there)
        values = [(a.payments if by.payments else a.open) for a in (ours, theirs)]
        found = self._difference(kind, group, name)
        return evolve(
            found,
            in_billing=_money(values[0], here.currency),
            in_ledger=_money(values[1], there.currency),
            shifts=self._moves(group, by),
        )

    def _ruled(
        self, group: Group, by: Amounts, notes: Sequence[tuple[Code, str]]
    ) -> Difference:
        """What the rules make of a level."""
        found = self._by_money(group, DifferenceKind.POLICY, by)
        for code, text in notes:
            if code in _RULES:
                return evolve(found, code=code, text=text)
        usual = self.settings.paid_amount == "settled"
        return evolve(found, text=_SETTLED if usual else _CASH)

    def _total(self, group: Group, by: Amounts) -> Difference:
        here, there = group.billing[0], group.ledger[0]
        limit = self.settings.tolerance.get(there.currency, ZERO)
        within = abs(here.total - there.total) <= limit
        kind = DifferenceKind.POLICY if within else DifferenceKind.AMOUNT
        found = self._difference(kind, group, "total")
        return evolve(
            found,
            in_billing=_money(here.total, here.currency),
            in_ledger=_money(there.total, there.currency),
            shifts=self._moves(group, by),
            code=Code.WITHIN_TOLERANCE if within else None,
            text=Code.WITHIN_TOLERANCE.meaning if within else "",
        )

    def _paid_date(
        self, group: Group, due: Settlement, billing: Settlement
    ) -> Difference:
        name = "paid_on" if due.paid_on != billing.paid_on else "last_on"
        return evolve(
            self._difference(DifferenceKind.DATE, group, name),
            in_billing=day_text(getattr(billing, name)),
            in_ledger=day_text(getattr(due, name)),
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
                in_billing=_money(here, currency),
                in_ledger=_money(there, currency),
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

    def _settlement(self, each: Entry) -> Settlement:
        connection = self.billing if each.side == "billing" else self.ledger
        return Settlement(
            Ref(connection, Invoice.__name__, each.id),
            each.number,
            each.currency,
            each.total,
            each.balance,
            each.status,
            on=each.on,
            settled_by=each.parts,
            paid_on=each.paid_on,
            last_on=each.last_on,
        )

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

        What one side does not tell is as the other has it, because nothing says otherwise.
        """
        there = group.ledger if side == "ledger" else group.billing
        for each in (*there, *group.entries):
            own = each.owner if each.side == "ledger" else each.customer
            if own:
                return Ref(self.billing, Customer.__name__, own)
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


_RULES = (
    Code.WRITTEN_OFF,
    Code.OVERPAID,
    Code.WITHIN_TOLERANCE,
    Code.PARTIAL_NOT_HELD,
)
"""The notes of a level that change what is shown of it."""

_SETTLED = "By paid_amount='settled', all that is no longer owed is shown as paid."
_CASH = "By paid_amount='cash', only what was paid is shown."


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
    ours = [put for put in ours if not put.fee or put.target in across]
    here, there = _by_invoice(ours), _by_invoice(theirs)
    if here.keys() <= across.keys():
        return {across[target]: amount for target, amount in here.items()} != there
    return sorted(here.values()) != sorted(there.values())


def _by_invoice(puts: Iterable[Put]) -> dict[str, Decimal]:
    """What is put to each invoice, in one part or in several."""
    sums: dict[str, Decimal] = {}
    for put in puts:
        sums[put.target] = sums.get(put.target, ZERO) + put.amount
    return sums


def _listed(entries: Sequence[Entry]) -> str:
    """What is put to what, in short."""
    puts = [put for each in _live(entries) for put in each.puts or ()]
    told = sorted(f"{put.amount} to {put.target}" for put in puts)
    return ", ".join(told) or "nothing"


def _money(amount: Decimal, currency: str) -> str:
    return f"{in_figures(amount, currency)} {currency}"


def _said(each: Entry | None, field: str) -> str:
    """What a side says of a field, in short."""
    if each is None or not field:
        return ""
    value = getattr(each, field, "")
    return value.value if isinstance(value, Status) else str(value)
