"""
Payments as documents: their cash, their credits and their fees, each leg a change.

Pure. A payment is written once all its invoices are there; where a system puts a payment to
so many invoices only, it is written in parts. Levels of money are another planner's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from attrs import define, evolve, field, frozen

from tieout.capabilities import Verb
from tieout.change import Action, Change, Issue, change_name, mark_of
from tieout.errors import Code
from tieout.models import (
    Application,
    Link,
    Part,
    Payment,
    Ref,
    Status,
    fingerprint,
)
from tieout.money import ZERO
from tieout.plan import Plan
from tieout.planners import fees
from tieout.planners.course import Across, Course, issue
from tieout.planners.documents import Drafting, tied
from tieout.planners.legs import Legs

KIND = Payment.__name__


@frozen
class Leg:
    """One payment document that the target should hold of a payment, by its role."""

    role: str
    after: Payment


def plan(page: Iterable[Payment], across: Across, course: Course) -> Plan:
    """The plan of one page of payments."""
    found = _Payments(across, course)
    for payment in page:
        found.look(payment)
    return found.drafting.plan()


def roles(payment: Payment, course: Course) -> tuple[str, ...]:
    """The roles in which a payment may have documents on the other side."""
    puts = [put for put in payment.applications if put.how is not Part.CREDIT]
    parts = [_part(put) for put in puts] if course.able.invoices_per_payment else []
    return ("", fees.ROLE, REST, *dict.fromkeys(parts))


REST = "rest"
"""The role of what of a payment was put to no invoice, where that is a document apart."""


def _part(put: Application) -> str:
    return f"part:{put.target.id}"


@define
class _Payments:
    """The payments of a page, one after another."""

    across: Across
    course: Course
    drafting: Drafting = field(factory=Drafting)

    def look(self, payment: Payment) -> None:
        links = self._links(payment)
        came = any(self.course.made_there(link) for link in links.values())
        if came or payment.status is Status.DRAFT:
            self.drafting.skipped += 1
        elif payment.status is Status.VOID:
            self._void(payment, links)
        elif self._agreed(payment, links):
            self.drafting.kept += 1
            self._credits(payment)
        else:
            self._write(payment, links)

    def _agreed(self, payment: Payment, links: dict[str, Link]) -> bool:
        """Whether every document of a payment says what was agreed of it."""
        now = fingerprint(payment)
        wanted = {leg.role for leg in _legs(self._plain(payment), self.course)}
        return wanted <= links.keys() and all(
            links[role].agreed.get(self.course.key) == now for role in wanted
        )

    def _links(self, payment: Payment) -> dict[str, Link]:
        """The links of a payment by role."""
        return {
            role: link
            for role in roles(payment, self.course)
            if (link := self.across.legs.get((payment.ref, role))) is not None
            and not link.released
        }

    # Writing ------------------------------------------------------------------------------

    def _write(self, payment: Payment, links: dict[str, Link]) -> None:
        hindered = self._hindered(payment)
        if hindered is not None:
            self.drafting.take(hindered)
            return
        fee = self._fee(payment) if fees.ROLE not in links else None
        if fee is not None:
            self.drafting.take(fee)
        needs = self._needs(payment, fee)
        for leg in _legs(self._plain(payment), self.course):
            filled = self._filled(leg.after, links)
            link = links.get(leg.role)
            for each in self._leg(payment, evolve(leg, after=filled), link, needs):
                self.drafting.take(each)
        self._credits(payment)

    def _fee(self, payment: Payment) -> Change | None:
        """The change that makes the invoice of a payment's fee, where there is to be one."""
        rules = self.course.settings.fees
        if rules is None or rules.written_as != "invoice" or not fees.fee_of(payment):
            return None
        return fees.invoice_of(payment, rules, self.across, self.course)

    def _plain(self, payment: Payment) -> Payment:
        """A payment by the rule for fees."""
        rules = self.course.settings.fees
        as_invoice = rules is not None and rules.written_as == "invoice"
        return payment if as_invoice else fees.unwritten(payment)

    def _filled(self, payment: Payment, links: dict[str, Link]) -> Payment:
        """A payment whose records are those of the target, as far as they are there."""
        puts: list[Application] = []
        for put in payment.applications:
            target = tied(put.target, self.across) or put.target
            if fees.is_fee(put):
                fee = links.get(fees.ROLE)
                # Itself stands for its fee's invoice, which is yet to be made.
                target = fee.on(self.course.target) if fee else payment.ref
            puts.append(evolve(put, target=target))
        owner = tied(payment.customer, self.across)
        return evolve(payment, customer=owner, applications=tuple(puts))

    def _needs(self, payment: Payment, fee: Change | None) -> tuple[str, ...]:
        """The changes that have to come first."""
        named = [*_targets(payment), *filter(None, [payment.customer])]
        planned = [self.across.planned.get(each, "") for each in named]
        made = [fee.name] if fee else []
        return tuple(dict.fromkeys([*filter(None, planned), *made]))

    def _leg(
        self, payment: Payment, leg: Leg, link: Link | None, needs: tuple[str, ...]
    ) -> Iterable[Change | Issue]:
        """One document of a payment: to be made, kept, changed, or made anew."""
        after = evolve(leg.after, ref=Ref(self.course.target, KIND, ""))
        if link is None:
            change = self._change(Action.CREATE, payment, leg.role, None, None, after)
            yield evolve(change, depends_on=needs)
            return
        there: Any = self.across.records.get(link.on(self.course.target))
        if there is None or there.status is Status.VOID:
            what = "is gone" if there is None else "was taken back there"
            text = f"{link.on(self.course.target).id} {what}."
            yield self._issue(Code.VANISHED, payment, text)
            return
        differing = _differing(after, there)
        if not differing:
            yield self._change(Action.KEEP, payment, leg.role, link, there, there)
        else:
            yield from self._changed(payment, leg.role, link, there, after, differing)

    def _changed(
        self,
        payment: Payment,
        role: str,
        link: Link,
        there: Payment,
        after: Payment,
        differing: Sequence[str],
    ) -> Iterable[Change | Issue]:
        """A written payment that is another one now: changed, or made anew if asked for."""
        able = self.course.there
        values: dict[str, Any] = {name: getattr(after, name) for name in differing}
        # What a payment is put to follows its amount where the one of it can be written.
        if able.can(Verb.UPDATE) and {*differing} - {"applications"} <= able.writable:
            changed = evolve(there, **values)
            yield self._change(Action.UPDATE, payment, role, link, there, changed)
            return
        if not self.course.settings.replace_payments or not able.can(Verb.VOID):
            told = ", ".join(differing)
            text = f"{self._system} cannot change {told} of {there.ref.id}."
            remedy = "Set replace_payments=True to have it taken back and made anew, or change it by hand."
            found = self._issue(Code.POSTED_CANNOT_CHANGE, payment, text, differing[0])
            yield evolve(found, remedy=remedy)
            return
        void = self._change(Action.VOID, payment, role, link, there, None)
        void = evolve(void, closes=True, releases=True)
        yield void
        anew = self._change(Action.CREATE, payment, role, None, None, after)
        # Where a link is found by the ledger's record, what was let go is found too.
        version = 0 if self.course.outward else link.version + 1
        yield evolve(anew, depends_on=(void.name,), link_version=version)

    def _credits(self, payment: Payment) -> None:
        """The credits that were applied with a payment."""
        legs = Legs(self.across, self.course, self.drafting)
        for put in payment.applications:
            if put.how is Part.CREDIT:
                legs.apply(put, payment)

    # Taking back --------------------------------------------------------------------------

    def _void(self, payment: Payment, links: dict[str, Link]) -> None:
        """Only the cash is taken back; what was written nowhere needs nothing (B99 to B101)."""
        undone: list[str] = []
        for role in sorted(links, key=lambda each: each == fees.ROLE):
            link = links[role]
            there: Any = self.across.records.get(link.on(self.course.target))
            gone = there is None or there.status is Status.VOID
            if not gone and not self.course.able.kind(type(there)).can(Verb.VOID):
                text = f"{self._system} does not let us take back {there.ref.id}."
                self.drafting.take(self._issue(Code.NOT_ALLOWED, payment, text))
                return
            before = there or evolve(payment, ref=link.on(self.course.target))
            action = Action.KEEP if gone else Action.VOID
            after = before if gone else None
            change = self._change(action, payment, role, link, before, after)
            change = evolve(
                change, closes=True, releases=True, depends_on=tuple(undone)
            )
            undone.append(change.name)
            self.drafting.take(change)
        if not links:
            self.drafting.skipped += 1
        self._credits(payment)

    # What every one of them needs ---------------------------------------------------------

    def _hindered(self, payment: Payment) -> Issue | None:
        """Why a payment cannot be written yet, or at all."""
        able, rules = self.course.there, self.course.settings.fees
        if not able.can(Verb.CREATE):
            text = f"{self._system} does not let us record payments."
            return self._issue(Code.NOT_ALLOWED, payment, text)
        if fees.fee_of(payment) and rules is None:
            text = (
                "a convenience fee is part of it, and no rule says what becomes of it."
            )
            remedy = "Give the settings fees=Fees(...)."
            found = self._issue(Code.NOT_ALLOWED, payment, text, "applications")
            return evolve(found, remedy=remedy)
        wrong = self._contradiction(payment)
        if wrong:
            return self._issue(Code.TOTALS_DISAGREE, payment, wrong, "applications")
        locked = self.course.locked_through
        if locked is not None and payment.on <= locked:
            text = f"it is dated {payment.on}, the books are closed through {locked}."
            return self._issue(Code.LOCKED_PERIOD, payment, text, "on")
        missing = [
            each
            for each in (*_targets(payment), *filter(None, [payment.customer]))
            if each not in self.across.ties and each not in self.across.planned
        ]
        if missing:
            told = ", ".join(
                f"{each.kind.lower()} {self.across.numbers.get(each, each.id)}"
                for each in missing
            )
            text = f"it waits for {told}."
            return self._issue(Code.WAITS, payment, text, "applications")
        return None

    def _contradiction(self, payment: Payment) -> str:
        """What of a payment's parts cannot be, or nothing."""
        puts = [p for p in payment.applications if p.live and p.how is not Part.CREDIT]
        applied = sum((put.source_amount or put.amount for put in puts), ZERO)
        rest = payment.unapplied if payment.unapplied is not None else ZERO
        if any(put.amount <= 0 for put in puts):
            return "a part of it is not above zero."
        if payment.unapplied is not None and applied + rest != payment.amount:
            return (
                f"its parts come to {applied + rest}, its amount is {payment.amount}."
            )
        if applied > payment.amount:
            return f"{applied} of a payment of {payment.amount} is put to invoices."
        return ""

    def _change(
        self,
        action: Action,
        payment: Payment,
        role: str,
        link: Link | None,
        before: Any,
        after: Any,
    ) -> Change:
        target, version = self.course.target, link.version if link else 0
        age = self.across.generations.get((payment.ref, role), 0)
        record = before if before is not None else after
        kind = type(record).__name__
        mark = self.course.able.kind(type(record)).mark
        marked = mark is not None and action is Action.CREATE
        numbers = [self.across.numbers.get(each, "") for each in _targets(payment)]
        invoices = tuple(filter(None, numbers))
        known = ", ".join(invoices)
        return Change(
            change_name(target, kind, payment.ref, age, action, version, role),
            action,
            type(record),
            target,
            payment.ref,
            target=before.ref if before is not None else None,
            before=before,
            after=after,
            role=role,
            generation=age,
            link_version=version,
            number=payment.number or payment.reference,
            agreed=fingerprint(payment),
            mark=mark_of(target, kind, payment.ref, age, role) if marked else "",
            reason=f"for {known}" if known else "on account",
            also=invoices,
        )

    def _issue(self, code: Code, payment: Payment, text: str, field: str = "") -> Issue:
        """An issue of a payment, under the numbers of all its invoices (B144)."""
        known = [self.across.numbers.get(each, "") for each in _targets(payment)]
        names = [*known, payment.number or payment.reference]
        numbers = tuple(dict.fromkeys(filter(None, names)))
        agreed = fingerprint(payment)
        return issue(code, payment, text, field=field, numbers=numbers, agreed=agreed)

    @property
    def _system(self) -> str:
        return self.course.able.system


def _targets(payment: Payment) -> tuple[Ref, ...]:
    """The invoices that a payment's own money is put to."""
    return tuple(
        dict.fromkeys(
            put.target
            for put in payment.applications
            if put.live and put.how is not Part.CREDIT and not fees.is_fee(put)
        )
    )


def _legs(payment: Payment, course: Course) -> list[Leg]:
    """A payment as the documents that the target can hold of it, its credits apart."""
    puts = [p for p in payment.applications if p.live and p.how is not Part.CREDIT]
    bare = evolve(
        payment,
        status=Status.OPEN if payment.unapplied else Status.SETTLED,
        changed_at=None,
        version="",
        custom={},
        carry=None,
    )
    if not payment.amount:
        return []  # credits alone move no cash
    per = course.able.invoices_per_payment
    rest = payment.unapplied or ZERO
    if per is None or (len(puts) <= per and not (rest and puts)):
        return [Leg("", evolve(bare, applications=tuple(_cash(p) for p in puts)))]
    legs = [
        Leg(_part(put), _share(bare, [_cash(put)], put.source_amount or put.amount))
        for put in puts
    ]
    if rest:
        legs.append(Leg(REST, evolve(_share(bare, [], rest), unapplied=rest)))
    return legs


def _cash(put: Application) -> Application:
    """A part of a payment's money as the target is told of it: a fee is cash there."""
    return evolve(
        put, how=Part.CASH, changed_at=None, version="", custom={}, carry=None
    )


def _share(payment: Payment, puts: Sequence[Application], amount: Decimal) -> Payment:
    return evolve(
        payment,
        amount=amount,
        unapplied=ZERO,
        status=Status.SETTLED if puts else Status.OPEN,
        applications=tuple(puts),
    )


def _differing(after: Payment, there: Payment) -> list[str]:
    """In which of the fields that matter two payments differ."""
    found = [
        name
        for name in ("currency", "amount", "on")
        if getattr(after, name) != getattr(there, name)
    ]
    return found + ["applications"] * (_puts(after) != _puts(there))


def _puts(payment: Payment) -> list[tuple[str, Decimal]]:
    """To which invoices how much of a payment is put."""
    return sorted(
        (put.target.id, put.amount)
        for put in payment.applications
        if put.live and put.how is not Part.CREDIT
    )
