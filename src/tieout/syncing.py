"""
One run that carries documents of a kind: page after page, from reading to remembering.

It knows the order of the steps, for whichever way the documents go. Which of them are
wanted is decided by the planners; nothing here decides about money.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from attrs import define, evolve, field

from tieout.capabilities import Select
from tieout.change import Action, Change, Issue
from tieout.documents import DocumentRun
from tieout.errors import Code, Fault
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Payment,
    Record,
    RecordType,
    Ref,
)
from tieout.plan import Plan
from tieout.planners import credit_notes, customers, invoices, payments
from tieout.planners.course import Across, Course
from tieout.protocol import Page
from tieout.reading import Seen, listed, youngest
from tieout.session import Session
from tieout.settings import Direction
from tieout.survey import Survey

Planner: TypeAlias = Callable[[Sequence[Any], Across, Course], Plan]

PLANNERS: Mapping[RecordType, Planner] = {
    Customer: customers.plan,
    Invoice: invoices.plan,
    CreditNote: credit_notes.plan,
    Payment: payments.plan,
}
"""What decides, by kind, in the order in which kinds depend on each other."""


@define(kw_only=True)
class DocumentSync(DocumentRun):
    """A run that carries documents of one kind, whichever ways the settings say."""

    survey: Survey
    sessions: Mapping[str, Session]
    only: frozenset[str] = frozenset()
    """Ids or numbers of the records that are wanted alone; empty for all."""
    seen: Seen = field(factory=Seen)
    course: Course | None = None

    def begin(self, course: Course) -> None:
        """From now on, records of this course."""
        self.course, self.seen, self.rereads = course, Seen(), True

    # Reading ------------------------------------------------------------------------------

    def pages(
        self, course: Course, select: Select, cursor: str | None = None
    ) -> Iterator[Page[Any]]:
        """The pages of what is selected of a course's source."""
        session = self.sessions[course.source]
        return listed(session, course.kind, select, cursor)

    def named(self, course: Course) -> Iterator[Page[Any]]:
        """Records by the ids or numbers of ``only``: some may be both."""
        session, names = self.sessions[course.source], sorted(self.only)
        yield from self.reader.fetch_from(session, course.kind, ids=names)
        try:
            yield from self.reader.fetch_from(session, course.kind, numbers=names)
        except Fault as fault:
            if fault.code is not Code.NOT_ALLOWED:
                raise  # else: a kind that has no numbers there, such as payments

    def again(self, course: Course) -> Iterator[Page[Any]]:
        """Records of which something is open, whether they changed or not."""
        refs = {intent.source for intent in self.unfinished_of(course)}
        refs |= {ref for ref in self.open_issues() if _of(ref, course)}
        ids = sorted({ref.id for ref in refs})
        return self.reader.fetch(course.source, course.kind, ids)

    def unfinished_of(self, course: Course) -> Iterator[Any]:
        """Intents of a course's records that are not finished."""
        for intent in self.pending.values():
            if intent is not None and _of(intent.source, course):
                yield intent

    # A page -------------------------------------------------------------------------------

    def process(self, page: Page[Any]) -> None:
        """From a page of records to what is remembered of it."""
        course = self.course
        assert course is not None
        self._process(page, course)
        # Where somebody was faster, both sides are read and compared again.
        while self.reread:
            ids, self.reread = self.reread, []
            self.seen = Seen()
            for again in self.reader.fetch(course.source, course.kind, ids):
                self._process(again, course)

    def _again(self, change: Change) -> bool:
        assert self.course is not None
        return change.kind is self.course.kind and super()._again(change)

    def _process(self, page: Page[Any], course: Course) -> None:
        self.check_stop()
        if self.journal is not None:
            self.journal.hold_on()
        records = self._news(page)
        issues = [*page.issues, *self._gone(page.gone, course)]
        first = self._customers(records, course)
        across = self.survey.across(records, course, _made(first))
        across = evolve(across, ties={**across.ties, **_found(first)})
        plan = PLANNERS[course.kind](records, across, course)
        plan = evolve(plan, issues=(*issues, *plan.issues))
        if self.journal is not None:
            self.journal.clear(self._settled_refs(records, plan))
        self._take(plan)

    def _settled_refs(self, records: Sequence[Any], plan: Plan) -> list[Ref]:
        """The records of a page about which there is nothing to say and nothing to do."""
        refs = [each.ref for each in records]
        for each in records:
            refs += [put.ref for put in getattr(each, "applications", ())]
        asked = {change.source for change in plan.changes} | self.unfinished.keys()
        asked |= {each.source for each in plan.issues if each.source}
        return [ref for ref in refs if ref not in asked]

    def _news(self, page: Page[Any]) -> list[Any]:
        """The records of a page that this run has not met as they are."""
        seen = self.seen
        seen.unreadable(page.issues)
        fresh = [
            each
            for each in youngest(page.records)
            if seen.is_news(each) and self._asked(each)
        ]
        seen.remember(fresh)
        return fresh

    def _asked(self, record: Record) -> bool:
        if not self.only:
            return True
        return not self.only.isdisjoint({record.ref.id, getattr(record, "number", "")})

    def _gone(self, gone: Iterable[Ref], course: Course) -> list[Issue]:
        """Issues for tied records that were deleted; what was made of them is left."""
        links = self.reader.ties((ref, "") for ref in gone)
        return [
            Issue(
                Code.VANISHED,
                ref,
                (link.number,) if link.number else (),
                text=f"{ref.id} was deleted; {link.on(course.target).id} was left as it is.",
            )
            for (ref, _), link in links.items()
            if not link.released and not course.made_there(link)
        ]

    def _customers(self, records: Sequence[Record], course: Course) -> Plan:
        """
        The customers that documents name are seen to first: found there, or made where
        customers go this way.
        """
        if course.kind is Customer:
            return Plan()
        untied = self.survey.untied_customers(records, course)
        if not untied:
            return Plan()
        way = evolve(course, kind=Customer, recheck=False)
        across = self.survey.across(untied, way)
        plan = customers.plan(untied, across, way)
        if not goes(self.settings.direction(Customer), outward=course.outward):
            found = (c for c in plan.changes if c.action is Action.KEEP)
            plan = evolve(plan, changes=tuple(found))
        # That a customer is not there is said of the documents that need it.
        told = (i for i in plan.issues if i.code is not Code.NOT_ALLOWED)
        plan = evolve(plan, issues=tuple(told))
        self._take(plan)
        return plan if self.sink is not None else Plan()

    def _take(self, plan: Plan) -> None:
        """Hand a plan on, or carry it out."""
        self.tally.count("skipped", plan.skipped)
        self.tally.count("unchanged", plan.kept)
        if self.sink is not None:
            self.sink.take(plan)
            for each in plan.issues:
                self.tell(each)
            self.tally.planned(plan.changes)
            return
        notes = self.notes(plan)
        self.carry(Plan(issues=tuple(each for each in plan.issues if each.blocking)))
        for ready in self.in_order(plan.changes):
            self.carry_out(ready, notes, lambda change: change)


def goes(direction: Direction, *, outward: bool) -> bool:
    """Whether records of this direction go from billing to the ledger, or inward."""
    one_way = Direction.TO_LEDGER if outward else Direction.TO_BILLING
    return direction in (one_way, Direction.BOTH)


def _of(ref: Ref, course: Course) -> bool:
    return (ref.connection, ref.kind) == (course.source, course.kind.__name__)


def _made(plan: Plan) -> dict[Ref, str]:
    """The names of the changes of a plan that make a record, by its source."""
    return {c.source: c.name for c in plan.changes if c.action is Action.CREATE}


def _found(plan: Plan) -> dict[Ref, Ref]:
    """The records that a plan found on the other side, by their source."""
    kept = (each for each in plan.changes if each.action is Action.KEEP)
    return {each.source: each.target for each in kept if each.target}
