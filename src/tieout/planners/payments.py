"""
Payments as documents: their cash, their credits and their fees, each leg a change.

Pure. A payment is written once all its invoices are there. All that is to become of the
documents of one payment can be carried, or nothing of it is planned: half of a change is
money that is nowhere, or there twice. Levels of money are another planner's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import define, evolve, field

from tieout.capabilities import Verb
from tieout.change import Action, Change, Issue, change_name, mark_of
from tieout.errors import Code
from tieout.models import Invoice, Link, Part, Payment, Ref, Status, fingerprint
from tieout.money import ZERO
from tieout.plan import Plan
from tieout.planners import fees
from tieout.planners.course import Across, Course, issue
from tieout.planners.documents import Drafting
from tieout.planners.legs import Legs
from tieout.planners.moves import Fate, Move, Moves
from tieout.planners.parts import money_of, own


def plan(page: Iterable[Payment], across: Across, course: Course) -> Plan:
    """The plan of one page of payments."""
    held: dict[Ref, dict[str, Link]] = {}
    for (ref, role), link in across.legs.items():
        held.setdefault(ref, {})[role] = link
    found = _Payments(across, course, Moves(across, course), held)
    for payment in page:
        found.look(payment)
    return found.drafting.plan()


@define
class _Payments:
    """The payments of a page, one after another."""

    across: Across
    course: Course
    moves: Moves
    held: Mapping[Ref, Mapping[str, Link]]
    """The links of each payment by role, those that were let go among them."""
    drafting: Drafting = field(factory=Drafting)

    def look(self, payment: Payment) -> None:
        held = self.held.get(payment.ref, {})
        links = {role: link for role, link in held.items() if not link.released}
        came = any(self.course.made_there(link) for link in links.values())
        if came or payment.status is Status.DRAFT:
            self.drafting.skipped += 1
        elif payment.status is Status.VOID:
            self._end(payment, links)
        elif self.moves.agreed(payment, links):
            self.drafting.kept += 1
            self._credits(payment)
        else:
            self._write(payment, links)

    def _write(self, payment: Payment, links: Mapping[str, Link]) -> None:
        """The changes of a payment, or the issue that says why there are none."""
        stuck = self._wrong(payment)
        moves = [] if stuck else self.moves.wanted(payment, links)
        stuck = stuck or self._vanished(payment, moves)
        stuck = stuck or self._unchangeable(payment, moves)
        stuck = stuck or self._hindered(payment, moves)
        if stuck is not None:
            self.drafting.take(stuck)
            return
        self._carry(payment, moves)
        self._credits(payment)

    def _end(self, payment: Payment, links: Mapping[str, Link]) -> None:
        """Only the cash is taken back; what was written nowhere needs nothing (B99 to B101)."""
        moves = self.moves.ended(links)
        stuck = self._hindered(payment, moves)
        if stuck is not None:
            self.drafting.take(stuck)
        else:
            self._carry(payment, moves)
        if not links:
            self.drafting.skipped += 1
        self._credits(payment)

    def _credits(self, payment: Payment) -> None:
        """The credits that were applied with a payment."""
        legs = Legs(self.across, self.course, self.drafting)
        for put in payment.applications:
            if put.how is Part.CREDIT:
                legs.apply(put, payment)

    # What is wrong with it ----------------------------------------------------------------

    def _wrong(self, payment: Payment) -> Issue | None:
        """What of a payment cannot be, whatever the other side can do."""
        if fees.fee_of(payment) and self.course.settings.fees is None:
            text = (
                "a convenience fee is part of it, and no rule says what becomes of it."
            )
            found = self._issue(Code.NOT_ALLOWED, payment, text, "applications")
            return evolve(found, remedy="Give the settings fees=Fees(...).")
        code, text = Code.TOTALS_DISAGREE, ""
        for put in own(payment):
            if put.target == payment.ref and not fees.is_fee(put):
                code, text = Code.BAD_FIELD, "a payment is put to itself."
            elif put.amount <= 0:
                text = "a part of it is not above zero."
            elif put.currency != payment.currency and put.source_amount is None:
                code = Code.CURRENCY_DIFFERS
                text = f"it is in {payment.currency}, the invoice in {put.currency}."
        text = text or self._miscounted(payment)
        return self._issue(code, payment, text, "applications") if text else None

    def _miscounted(self, payment: Payment) -> str:
        """In what the parts of a payment do not make its amount, or nothing."""
        applied = sum(map(money_of, own(payment)), ZERO)
        if applied > payment.amount:
            return f"{applied} of a payment of {payment.amount} is put to invoices."
        told = payment.unapplied
        if told is not None and applied + told != payment.amount:
            return (
                f"its parts come to {applied + told}, its amount is {payment.amount}."
            )
        return ""

    def _vanished(self, payment: Payment, moves: Sequence[Move]) -> Issue | None:
        for move in moves:
            if move.fate is Fate.GONE:
                what = "is gone" if move.there is None else "was taken back there"
                text = f"{self._there(move)} {what}."
                return self._issue(Code.VANISHED, payment, text)
        return None

    def _unchangeable(self, payment: Payment, moves: Sequence[Move]) -> Issue | None:
        """That a document would have to be made anew, and nobody asked for that."""
        ends = [move for move in moves if move.ends]
        if not ends or self.course.settings.replace_payments:
            return None
        told = ", ".join(ends[0].differing) or "what it is put to"
        text = f"{self._system} cannot change {told} of {self._there(ends[0])}."
        remedy = (
            "Set replace_payments=True to have it taken back and made anew, "
            "or change it by hand."
        )
        at = (*ends[0].differing, "applications")[0]
        found = self._issue(Code.POSTED_CANNOT_CHANGE, payment, text, at)
        return evolve(found, remedy=remedy)

    def _hindered(self, payment: Payment, moves: Sequence[Move]) -> Issue | None:
        """Why what is to become of a payment cannot be carried, or not yet."""
        found = self._not_allowed(payment, moves) or self._locked(payment, moves)
        if found is None and any(m.makes or m.fate is Fate.UPDATE for m in moves):
            found = self._waits(payment)
        return found

    def _not_allowed(self, payment: Payment, moves: Sequence[Move]) -> Issue | None:
        for move in moves:
            made, there = move.wanted, move.there
            if move.ends and not self._can(Verb.VOID, there):
                text = f"{self._system} does not let us take back {self._there(move)}."
                return self._issue(Code.NOT_ALLOWED, payment, text)
            if move.makes and not self._can(Verb.CREATE, made):
                what = "invoices of fees" if move.role == fees.ROLE else "payments"
                text = f"{self._system} does not let us record {what}."
                return self._issue(Code.NOT_ALLOWED, payment, text)
            if move.makes and isinstance(made, Invoice):
                limit = self.course.able.kind(Invoice).number_length
                if limit is not None and len(made.number) > limit:
                    text = f"{made.number} has {len(made.number)} characters, {self._system} holds {limit}."
                    return self._issue(Code.TOO_LONG, payment, text, "number")
        return None

    def _locked(self, payment: Payment, moves: Sequence[Move]) -> Issue | None:
        """That something of it would be written into a closed period."""
        days = [payment.on for m in moves if m.makes or m.fate is Fate.UPDATE]
        days += [
            move.there.on
            for move in moves
            if move.there is not None and (move.ends or move.fate is Fate.UPDATE)
        ]
        locked = self.course.locked_through
        if locked is None or not days or min(days) > locked:
            return None
        text = f"it is dated {min(days)}, the books are closed through {locked}."
        return self._issue(Code.LOCKED_PERIOD, payment, text, "on")

    def _waits(self, payment: Payment) -> Issue | None:
        """That an invoice or a customer of it is not there yet (B152)."""
        missing = [
            each
            for each in _needed(payment)
            if each not in self.across.ties and each not in self.across.planned
        ]
        if not missing:
            return None
        told = ", ".join(
            f"{each.kind.lower()} {self.across.numbers.get(each, each.id)}"
            for each in missing
        )
        return self._issue(Code.WAITS, payment, f"it waits for {told}.", "applications")

    # What is to be done -------------------------------------------------------------------

    def _carry(self, payment: Payment, moves: Sequence[Move]) -> None:
        """First what ends, then what is made; a fee's invoice before its payment."""
        taken: list[str] = []
        for move in sorted(moves, key=lambda each: each.role == fees.ROLE):
            if move.ends or move.fate is Fate.ENDED:
                freed = tuple(taken) if move.role == fees.ROLE else ()
                change = self._ended(payment, move)
                self.drafting.take(evolve(change, depends_on=freed))
                taken.append(change.name)
        planned = [self.across.planned.get(each, "") for each in _needed(payment)]
        needs = [*taken, *filter(None, planned)]
        for move in moves:
            if move.makes:
                change = self._made(payment, move)
            elif move.fate is Fate.UPDATE:
                change = self._updated(payment, move)
            elif move.fate is Fate.KEEP:
                there = move.there
                change = self._change(Action.KEEP, payment, move, there, there)
            else:
                continue
            if change.action is not Action.KEEP:
                change = evolve(change, depends_on=tuple(dict.fromkeys(needs)))
            if move.role == fees.ROLE:
                needs.append(change.name)
            self.drafting.take(change)

    def _ended(self, payment: Payment, move: Move) -> Change:
        """A document that is taken back, or was."""
        before: Any = move.there
        if before is None and move.link is not None:
            before = evolve(payment, ref=move.link.on(self.course.target))
        ended = move.fate is Fate.ENDED
        action = Action.KEEP if ended else Action.VOID
        change = self._change(action, payment, move, before, before if ended else None)
        return evolve(change, closes=True, releases=True)

    def _made(self, payment: Payment, move: Move) -> Change:
        """A document that is made, perhaps in the place of one that was taken back."""
        bare = evolve(move, link=None)
        change = self._change(Action.CREATE, payment, bare, None, move.wanted)
        held = self.held.get(payment.ref, {}).get(move.role)
        if self.course.outward or held is None:
            return change
        # Where a link is found by the ledger's record, what was let go is found too.
        return evolve(change, link_version=held.version + (not held.released))

    def _updated(self, payment: Payment, move: Move) -> Change:
        there, wanted = move.there, move.wanted
        assert isinstance(there, Payment)
        assert isinstance(wanted, Payment)
        values: dict[str, Any] = {
            name: getattr(wanted, name)
            for name in (*move.differing, "unapplied", "status")
        }
        after = evolve(there, **values)
        return self._change(Action.UPDATE, payment, move, there, after)

    def _change(
        self, action: Action, payment: Payment, move: Move, before: Any, after: Any
    ) -> Change:
        target, role = self.course.target, move.role
        version = move.link.version if move.link else 0
        age = self.across.generations.get((payment.ref, role), 0)
        record = before if before is not None else after
        kind, numbers = type(record), self._numbers(payment)
        fee = isinstance(record, Invoice)
        return Change(
            change_name(target, kind.__name__, payment.ref, age, action, version, role),
            action,
            kind,
            target,
            payment.ref,
            target=before.ref if before is not None else None,
            before=before,
            after=after,
            role=role,
            generation=age,
            link_version=version,
            number=record.number if fee else payment.number or payment.reference,
            also=(record.number, *numbers) if fee else numbers,
            agreed=fingerprint(payment),
            mark=self._mark(payment, record, role, age)
            if action is Action.CREATE
            else "",
            reason=self._reason(payment, action, fee=fee),
            customer=self._customer(payment),
        )

    def _reason(self, payment: Payment, action: Action, *, fee: bool) -> str:
        """Why a document of a payment is made or taken back, in words."""
        if fee:
            return "the fee of a payment"
        if action is Action.VOID:
            void = payment.status is Status.VOID
            return "it was taken back" if void else "it is not made of it any more"
        known = ", ".join(self._invoices(payment))
        return f"for {known}" if known else "on account"

    def _customer(self, payment: Payment) -> str:
        """What the customer of a payment is called."""
        return self.across.numbers.get(payment.customer, "") if payment.customer else ""

    # What every one of them needs ---------------------------------------------------------

    def _mark(
        self, payment: Payment, record: Payment | Invoice, role: str, age: int
    ) -> str:
        mark = self.course.able.kind(type(record)).mark
        if mark is None:
            return ""
        if mark.is_number:
            return record.number
        kind = type(record).__name__
        return mark_of(self.course.target, kind, payment.ref, age, role)

    def _can(self, verb: Verb, record: Payment | Invoice | None) -> bool:
        return record is not None and self.course.able.kind(type(record)).can(verb)

    def _there(self, move: Move) -> str:
        """The id of a document on the other side."""
        return move.link.on(self.course.target).id if move.link else ""

    def _invoices(self, payment: Payment) -> list[str]:
        known = self.across.numbers
        return [known[each] for each in _targets(payment) if known.get(each)]

    def _numbers(self, payment: Payment) -> tuple[str, ...]:
        """All by which people look for a payment: its invoices' numbers, and its own (B144)."""
        names = [*self._invoices(payment), payment.number or payment.reference]
        return tuple(dict.fromkeys(filter(None, names)))

    def _issue(self, code: Code, payment: Payment, text: str, field: str = "") -> Issue:
        agreed, numbers = fingerprint(payment), self._numbers(payment)
        return issue(code, payment, text, field=field, numbers=numbers, agreed=agreed)

    @property
    def _system(self) -> str:
        return self.course.able.system


def _targets(payment: Payment) -> tuple[Ref, ...]:
    """The invoices that a payment's own money is put to."""
    found = (put.target for put in own(payment) if not fees.is_fee(put))
    return tuple(dict.fromkeys(found))


def _needed(payment: Payment) -> tuple[Ref, ...]:
    """The records that a payment names, which have to be there before it."""
    return (*_targets(payment), *filter(None, [payment.customer]))
