"""
The applications of credits, each as a change of its own: applied once, taken back once.

Pure. Which credits are applied where is the source's to say; what is not tied yet waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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
from tieout.planners.course import LEFT_ALONE, LEFT_REMEDY, Across, Course, issue
from tieout.planners.documents import Drafting, tied

KIND = Application.__name__


@define
class Legs:
    """The applications that belong to the records of a page, one after another."""

    across: Across
    course: Course
    drafting: Drafting = field(factory=Drafting)

    def apply(self, put: Application, of: Payment | CreditNote) -> None:
        """One application: to be made, kept, or taken back."""
        link = self.across.links.get(put.ref)
        if self.course.made_there(link):
            self.drafting.skipped += 1
        elif link is None or link.released:
            if put.live:
                self.drafting.take(self._made(put, of))
        elif put.live:
            self._kept(put, of, link)
        elif link.agreed.get(self._key) == fingerprint(put) and not self._free(of):
            self.drafting.kept += 1  # it was told that it stays there
        else:
            for each in self._undone(put, of, link):
                self.drafting.take(each)

    @property
    def _key(self) -> str:
        """Under which name a link holds what was agreed of an application."""
        return agreed_as(KIND, self.course.source)

    def _made(self, put: Application, of: Payment | CreditNote) -> Change | Issue:
        wrong = self._wrong(put, of)
        if wrong is not None:
            return wrong
        if put.ref in self.across.doubtful:
            text = "it may be what was applied before, and the answer to that was lost."
            return self._issue(Code.WAITS, put, of, text)
        if put.ref in self.across.left:
            return evolve(
                self._issue(Code.COPIED, put, of, LEFT_ALONE), remedy=LEFT_REMEDY
            )
        needed = (put.source, put.target)
        missing = [
            each
            for each in needed
            if each not in self.across.ties and each not in self.across.planned
        ]
        if missing:
            names = " and ".join(self._named(each) for each in missing)
            text = f"{names} of it is not tied to a document of {self._system}."
            return self._issue(Code.WAITS, put, of, text)
        if not self.course.able.kind(Application).can(Verb.CREATE):
            text = f"{self._system} does not let us apply a credit."
            return self._issue(Code.NOT_ALLOWED, put, of, text)
        locked = self._locked(put, of)
        if locked is not None:
            return locked
        after = self._there(put, Ref(self.course.target, KIND, ""))
        planned = [self.across.planned.get(each, "") for each in needed]
        change = self._change(Action.CREATE, put, of, None, after)
        return evolve(change, depends_on=tuple(filter(None, planned)))

    def _wrong(self, put: Application, of: Payment | CreditNote) -> Issue | None:
        """What of an application cannot be, whatever the other side can do."""
        if put.source == put.target:
            text = "a document is applied to itself."
            return self._issue(Code.BAD_FIELD, put, of, text, "target")
        if isinstance(of, CreditNote) and put.currency != of.currency:
            text = f"the credit is in {of.currency}, the invoice in {put.currency}."
            return self._issue(Code.CURRENCY_DIFFERS, put, of, text, "currency")
        if put.source.kind != CreditNote.__name__:
            text = "money of the customer's credit balance has no document to apply."
            return self._issue(Code.NOT_ALLOWED, put, of, text, "source")
        if put.target.kind != Invoice.__name__:
            text = "a credit is applied to what is no invoice."
            return self._issue(Code.BAD_FIELD, put, of, text, "target")
        if put.amount <= 0:
            text = f"{put.amount} cannot be applied."
            return self._issue(Code.TOTALS_DISAGREE, put, of, text, "amount")
        used = sum((each.amount for each in of.applications if each.live), ZERO)
        if isinstance(of, CreditNote) and used > of.total:
            text = f"{used} of a credit of {of.total} cannot be applied."
            return self._issue(Code.TOTALS_DISAGREE, put, of, text, "amount")
        return None

    def _kept(self, put: Application, of: Payment | CreditNote, link: Link) -> None:
        """An application that is tied: as it was, as far as is known."""
        there = self.across.records.get(link.on(self.course.target))
        if not isinstance(there, Application) or _same(put, there):
            self.drafting.kept += 1
            return
        name = self._named(put.source)
        text = f"{put.amount} of {name} here, {there.amount} there."
        if not there.live:
            text = f"that of {name} was taken back there."
        code = Code.POSTED_CANNOT_CHANGE if there.live else Code.VANISHED
        self.drafting.take(self._issue(code, put, of, text, "amount"))

    def _locked(self, put: Application, of: Payment | CreditNote) -> Issue | None:
        """An issue for an application in a closed period, or None."""
        locked = self.course.locked_through
        if locked is None or put.on > locked:
            return None
        text = f"it is dated {put.on}, the books are closed through {locked}."
        return self._issue(Code.LOCKED_PERIOD, put, of, text, "on")

    def _undone(
        self, put: Application, of: Payment | CreditNote, link: Link
    ) -> Iterable[Change | Issue]:
        """
        An application that ended here. With its whole payment, it stays there (B99).

        What a ledger applied by a transaction of its own is for a person to take back.
        """
        ref = link.on(self.course.target)
        there: Any = self.across.records.get(ref) or self._there(put, ref)
        if not there.live:
            gone = self._change(Action.KEEP, put, of, link, there, there)
            yield evolve(gone, closes=True, releases=True)
            return
        if not self._free(of):
            yield self._change(Action.KEEP, put, of, link, there, there)
            text = f"{put.amount} of {self._named(put.source)} is still applied to {self._named(put.target)}."
            found = self._issue(Code.CREDITS_STAY, put, of, text)
            yield evolve(found, blocking=False)
            return
        locked = self._locked(put, of)
        change = self._change(Action.VOID, put, of, link, None, there)
        yield locked or evolve(change, closes=True, releases=True)

    def _free(self, of: Payment | CreditNote) -> bool:
        """Whether an application may be taken back: as its own credit note says."""
        able = self.course.able.kind(Application).can(Verb.VOID)
        return able and isinstance(of, CreditNote)

    def _there(self, put: Application, ref: Ref) -> Application:
        """An application as the target holds it."""
        return evolve(
            put,
            ref=ref,
            source=tied(put.source, self.across) or put.source,
            target=tied(put.target, self.across) or put.target,
            live=True,
            changed_at=None,
            version="",
            custom={},
            carry=None,
        )

    def _change(
        self,
        action: Action,
        put: Application,
        of: Payment | CreditNote,
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
            also=self._numbers(put),
            agreed=fingerprint(put),
            mark=mark_of(target, KIND, put.ref, generation) if marked else "",
            within=of.ref,
            reason=f"{self._named(put.source)} to {self._named(put.target)}",
        )

    def _named(self, ref: Ref) -> str:
        """A document as people know it."""
        words = {"CreditNote": "credit note", "Invoice": "invoice"}
        kind = words.get(ref.kind, ref.kind.lower())
        return f"{kind} {self.across.numbers.get(ref, ref.id)}"

    def _issue(
        self,
        code: Code,
        put: Application,
        of: Payment | CreditNote,
        text: str,
        field: str = "",
    ) -> Issue:
        return issue(
            code,
            put,
            text,
            field=field,
            numbers=self._numbers(put),
            agreed=fingerprint(put),
            within=of.ref,
        )

    def _numbers(self, put: Application) -> tuple[str, ...]:
        """The numbers of the invoice and of the credit, by which people look for it."""
        known = self.across.numbers
        return tuple(known[e] for e in (put.target, put.source) if known.get(e))

    @property
    def _system(self) -> str:
        return self.course.able.system


def _same(put: Application, there: Application) -> bool:
    """Whether an application is on the other side as it is here."""
    return there.live and there.amount == put.amount
