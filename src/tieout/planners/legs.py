"""
The applications of credits, each as a change of its own: applied once, taken back once.

Pure. Which credits are applied where is the source's to say; what is not tied yet waits.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, evolve, field

from tieout.capabilities import Verb
from tieout.change import Action, Change, Issue, change_name, mark_of
from tieout.errors import Code
from tieout.models import (
    Application,
    CreditNote,
    Invoice,
    Link,
    Payment,
    Ref,
    agreed_as,
    fingerprint,
)
from tieout.money import ZERO
from tieout.plan import Plan
from tieout.planners.course import Across, Course, issue
from tieout.planners.documents import Drafting, tied

KIND = Application.__name__


def plan(page: Iterable[Application], across: Across, course: Course) -> Plan:
    """The plan of applications alone, whatever record they belong to."""
    legs = Legs(across, course)
    for put in page:
        legs.apply(put)
    return legs.drafting.plan()


@define
class Legs:
    """The applications that belong to the records of a page, one after another."""

    across: Across
    course: Course
    drafting: Drafting = field(factory=Drafting)

    def apply(self, put: Application, of: Payment | CreditNote | None = None) -> None:
        """One application, ``of`` the record that told it: to be made, kept, or taken back."""
        link = self.across.links.get(put.ref)
        if self.course.made_there(link):
            self.drafting.skipped += 1
        elif link is None or link.released:
            if put.live:
                self.drafting.take(self._made(put, of))
        elif put.live:
            self.drafting.kept += 1
        elif isinstance(of, CreditNote) and self._can(Verb.VOID):
            self.drafting.take(self._undone(put, link))
        elif link.agreed.get(self._key) == fingerprint(put):
            self.drafting.kept += 1
        else:
            for each in self._stays(put, link):
                self.drafting.take(each)

    def _made(
        self, put: Application, of: Payment | CreditNote | None
    ) -> Change | Issue:
        wrong = self._wrong(put, of) or self._locked(put)
        if wrong is not None:
            return wrong
        needed = (put.source, put.target)
        missing = [
            each
            for each in needed
            if each not in self.across.ties and each not in self.across.planned
        ]
        if missing:
            names = " and ".join(self._named(each) for each in missing)
            text = f"{names} of it is not tied to a document of {self._system}."
            return self._issue(Code.WAITS, put, text)
        if not self._can(Verb.CREATE):
            text = f"{self._system} does not let us apply a credit."
            return self._issue(Code.NOT_ALLOWED, put, text)
        after = evolve(
            put,
            ref=Ref(self.course.target, KIND, ""),
            source=tied(put.source, self.across) or put.source,
            target=tied(put.target, self.across) or put.target,
            changed_at=None,
            version="",
            custom={},
            carry=None,
        )
        planned = [self.across.planned.get(each, "") for each in needed]
        change = self._change(Action.CREATE, put, None, after)
        return evolve(change, depends_on=tuple(filter(None, planned)))

    def _wrong(self, put: Application, of: Payment | CreditNote | None) -> Issue | None:
        """What of an application cannot be, whatever the other side can do."""
        if put.source == put.target:
            text = "a document is applied to itself."
            return self._issue(Code.BAD_FIELD, put, text, "target")
        if isinstance(of, CreditNote) and put.currency != of.currency:
            text = f"the credit is in {of.currency}, the invoice in {put.currency}."
            return self._issue(Code.CURRENCY_DIFFERS, put, text, "currency")
        if put.source.kind != CreditNote.__name__:
            text = "money of the customer's credit balance has no document to apply."
            return self._issue(Code.NOT_ALLOWED, put, text, "source")
        if put.target.kind != Invoice.__name__:
            text = "a credit is applied to what is no invoice."
            return self._issue(Code.BAD_FIELD, put, text, "target")
        most, applied = None, put.amount
        if isinstance(of, CreditNote):
            most = of.total
            applied = sum((each.amount for each in of.applications if each.live), ZERO)
        if put.amount <= 0 or (most is not None and applied > most):
            told = f" of a credit of {most}" if most is not None else ""
            text = f"{applied}{told} cannot be applied."
            return self._issue(Code.TOTALS_DISAGREE, put, text, "amount")
        return None

    def _locked(self, put: Application) -> Issue | None:
        """That it would be written into a closed period."""
        locked = self.course.locked_through
        if locked is None or put.on > locked:
            return None
        text = f"it is dated {put.on}, the books are closed through {locked}."
        return self._issue(Code.LOCKED_PERIOD, put, text, "on")

    def _undone(self, put: Application, link: Link) -> Change | Issue:
        """A credit that is applied no more, as its own credit note says."""
        there = evolve(put, ref=link.on(self.course.target))
        void = self._change(Action.VOID, put, link, None, there)
        return self._locked(put) or evolve(void, closes=True, releases=True)

    def _stays(self, put: Application, link: Link) -> Iterable[Change | Issue]:
        """
        A credit that ended together with its payment: there it stays applied (B99).

        What a ledger applied by a transaction of its own is for a person to take back.
        That is told once: the tie remembers it.
        """
        there = evolve(put, ref=link.on(self.course.target))
        yield self._change(Action.KEEP, put, link, there, there)
        text = f"{put.amount} of {self._named(put.source)} is still applied to {self._named(put.target)}."
        yield evolve(self._issue(Code.CREDITS_STAY, put, text), blocking=False)

    def _change(
        self,
        action: Action,
        put: Application,
        link: Link | None,
        after: Application | None,
        before: Application | None = None,
    ) -> Change:
        target, version = self.course.target, link.version if link else 0
        generation = self.across.generations.get((put.ref, ""), 0)
        mark = self.course.able.kind(Application).mark
        marked = mark is not None and action is Action.CREATE
        return Change(
            change_name(target, KIND, put.ref, generation, action, version),
            action,
            Application,
            target,
            put.ref,
            target=before.ref if before is not None else None,
            before=before,
            after=after,
            generation=generation,
            link_version=version,
            number=self.across.numbers.get(put.target, ""),
            numbers=self._numbers(put),
            agreed=fingerprint(put),
            mark=mark_of(target, KIND, put.ref, generation) if marked else "",
            reason=f"{self._named(put.source)} to {self._named(put.target)}",
        )

    def _named(self, ref: Ref) -> str:
        """A document as people know it."""
        words = {"CreditNote": "credit note", "Invoice": "invoice"}
        kind = words.get(ref.kind, ref.kind.lower())
        return f"{kind} {self.across.numbers.get(ref, ref.id)}"

    def _issue(self, code: Code, put: Application, text: str, field: str = "") -> Issue:
        agreed, numbers = fingerprint(put), self._numbers(put)
        return issue(code, put, text, field=field, numbers=numbers, agreed=agreed)

    def _numbers(self, put: Application) -> tuple[str, ...]:
        """The numbers of the invoice and of the credit note, by which people look for it."""
        known = self.across.numbers
        return tuple(known[e] for e in (put.target, put.source) if known.get(e))

    def _can(self, verb: Verb) -> bool:
        return self.course.able.kind(Application).can(verb)

    @property
    def _key(self) -> str:
        """Under which name a link holds what was agreed of an application."""
        return agreed_as(KIND, self.course.source)

    @property
    def _system(self) -> str:
        return self.course.able.system
