"""
What differs in the money of one invoice, from what billing should show of it by the rules.

Nothing here compares documents, reads a system or a store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from attrs import define, evolve

from tieout.capabilities import Capabilities
from tieout.change import Issue
from tieout.errors import Code
from tieout.models import Invoice, Link, Part, Ref, Settlement
from tieout.money import ZERO
from tieout.planners import settlements
from tieout.planners.matching import Known
from tieout.proof.counting import Counting, amounts_of
from tieout.proof.differences import Amounts, Difference, DifferenceKind, in_money
from tieout.proof.entries import Entry, day_text
from tieout.proof.pairing import Group
from tieout.settings import Settings


@define
class Levels(Counting):
    """
    How the levels of both sides are compared.

    ``able`` is what billing can hold. ``today`` is the paid date of last resort.
    """

    able: Capabilities
    settings: Settings
    today: date

    def _level(self, group: Group) -> Iterator[Difference]:
        """
        What differs in the money of one invoice, from what billing should show of it.

        What the rules take off or add on the way from the ledger's level to billing's is
        policy; what billing shows otherwise than by the rules is a difference.
        """
        here, there = group.billing[0], group.ledger[0]
        if self._plainly_alike(here, there):
            return
        billing, ledger = self.settlement(here), self.settlement(there)
        wanted = self.due(billing, ledger)
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
            found = self._byin_money(group, DifferenceKind.AMOUNT, by_rule)
            yield evolve(found, code=wanted.code, text=wanted.text)
        elif by_rule:
            yield self._ruled(group, by_rule, notes)
        if wrong:
            yield self._byin_money(group, DifferenceKind.AMOUNT, wrong)
        elif due != billing:
            yield self._paid_date(group, due, billing)

    def due(
        self, billing: Settlement, ledger: Settlement
    ) -> tuple[Settlement, tuple[tuple[Code, str], ...]] | Issue:
        """What billing should show of a level by the rules, or why nobody can say."""
        seen_on = billing.paid_on or self.today
        return settlements.due(ledger, billing, self.able, self.settings, seen_on)

    def refusals(self, billing: Settlement, ledger: Settlement) -> tuple[Issue, ...]:
        """What the rules say of a level that is not carried to what it is paired with."""
        known = Known({ledger.ref.id: Link("", billing.ref, ledger.ref)})
        found = settlements.plan([ledger], [billing], known, self.able, self.settings)
        return tuple(each for each in found.issues if each.blocking)

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

    def _byin_money(
        self, group: Group, kind: DifferenceKind, by: Amounts
    ) -> Difference:
        """What was paid, is open, or was credited differs; told where both sides show it."""
        here, there = group.billing[0], group.ledger[0]
        ours, theirs = (dict(self.amounts(each).items()) for each in (here, there))
        moved = [name for name in _TOLD if getattr(by, name)]
        seen = [name for name in moved if ours[name] != theirs[name]]
        name = (seen or moved)[0]
        return evolve(
            self._difference(kind, group, _TOLD[name]),
            in_billing=in_money(ours[name], here.currency),
            in_ledger=in_money(theirs[name], there.currency),
            shifts=self._moves(group, by),
        )

    def _ruled(
        self, group: Group, by: Amounts, notes: Sequence[tuple[Code, str]]
    ) -> Difference:
        """What the rules make of a level."""
        found = self._byin_money(group, DifferenceKind.POLICY, by)
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
            in_billing=in_money(here.total, here.currency),
            in_ledger=in_money(there.total, there.currency),
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

    def settlement(self, each: Entry) -> Settlement:
        """The level that an entry is of, as far as it is compared."""
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


_TOLD = {
    "payments": "paid",
    "open": "balance",
    "credits": "credits",
    "adjustments": "adjustments",
}
"""What of the amounts of a level is told where it differs, the first that does, and as what."""

_RULES = (
    Code.WRITTEN_OFF,
    Code.OVERPAID,
    Code.WITHIN_TOLERANCE,
    Code.PARTIAL_NOT_HELD,
)
"""The notes of a level that change what is shown of it."""

_SETTLED = "By paid_amount='settled', all that is no longer owed is shown as paid."
_CASH = "By paid_amount='cash', only what was paid is shown."
