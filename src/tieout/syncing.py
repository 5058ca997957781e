"""
One run that carries documents of a kind: page after page, from reading to remembering.

It knows the order of the steps, for whichever way the documents go. Which of them are
wanted is decided by the planners; nothing here decides about money.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, TypeAlias

from attrs import define, evolve, field

from tieout.capabilities import Select
from tieout.carrying import may_pass
from tieout.change import Action, Change, Issue
from tieout.errors import Code
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Link,
    Payment,
    Record,
    RecordType,
    Ref,
)
from tieout.news import News, parts_of
from tieout.plan import Plan
from tieout.planners import credit_notes, customers, invoices, payments
from tieout.planners.course import Across, Course
from tieout.protocol import Page
from tieout.reading import Seen, listed, youngest
from tieout.register import Register
from tieout.session import Session
from tieout.store import Held, Intent, IssueRow, Stage, key, key_of
from tieout.survey import Survey, survivor

Planner: TypeAlias = Callable[[Sequence[Any], Across, Course], Plan]

PLANNERS: Mapping[RecordType, Planner] = {
    Customer: customers.plan,
    Invoice: invoices.plan,
    CreditNote: credit_notes.plan,
    Payment: payments.plan,
}
"""What decides, by kind, in the order in which kinds depend on each other."""


@define(kw_only=True)
class DocumentSync(News):
    """A run that carries documents of one kind, whichever ways the settings say."""

    survey: Survey
    sessions: Mapping[str, Session]
    only: frozenset[str] = frozenset()
    """Ids or numbers of the records that are wanted alone; empty for all."""
    met: set[tuple[str, str]] = field(factory=set)
    """Those of them that were read, each with the connection on which it was."""
    seen: Seen = field(factory=Seen)
    insistent: bool = True
    """Whether a write that was refused is sent again, though nothing changed."""

    def begin(self, course: Course, *, insistent: bool = True) -> None:
        """From now on, records of this course."""
        self.course, self.seen, self.rereads = course, Seen(), True
        self.insistent = insistent or self.insist

    # Reading ------------------------------------------------------------------------------

    def pages(
        self, course: Course, select: Select, cursor: str | None = None
    ) -> Iterator[Page[Any]]:
        """The pages of what is selected of a course's source."""
        session = self.sessions[course.source]
        return listed(session, course.kind, select, cursor)

    def named(self, course: Course) -> Iterator[Page[Any]]:
        """Records by the ids or numbers of ``only``: some may be both. Payments by id."""
        session, names = self.sessions[course.source], sorted(self.only)
        numbers = () if course.kind is Payment else names
        yield from self.reader.fetch_from(
            session, course.kind, ids=names, numbers=numbers
        )

    def again(self, course: Course) -> Iterator[Page[Any]]:
        """
        Records of which something is or was open, whether they changed or not.

        Also those whose outcome became known just now: they may have changed since they
        were sent, and the marker may have passed that.
        """
        refs = {each.within or each.source for each in self.left}
        refs.update(self.open_issues())
        ids = sorted({ref.id for ref in refs if _of(ref, course)})
        return self.reader.fetch(course.source, course.kind, ids)

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
        issues = [*page.issues, *self._gone(page.gone, course)]
        news = self.sorted_out(self._news(page), course)
        records, issues = news.records, [*issues, *news.issues]
        first = self._customers(records, course)
        rows = self.rows(_with_parts(records), (Held.OPEN, Held.IGNORED, Held.NOTED))
        held = _held(records, rows)
        across = self.survey.across(records, course, _made(first), held)
        ties = {**across.ties, **_found(first)}
        across = evolve(
            across,
            ties=ties,
            doubtful=news.doubtful,
            left=news.left,
            unsettled=frozenset(self.unfinished),
        )
        across = self.with_unclear(across)
        plan = PLANNERS[course.kind](records, across, course)
        plan = evolve(plan, issues=(*issues, *plan.issues))
        if self.journal is not None:
            self.journal.clear(self._settled_refs(records, plan, rows))
        self._take(plan)

    def _settled_refs(
        self, records: Sequence[Any], plan: Plan, rows: Mapping[Ref, IssueRow]
    ) -> list[Ref]:
        """
        The records of a page about which there is nothing to say and nothing to do.

        Of one that is stuck, the parts were not looked at: what was said of them with it
        is covered by its own issue, and what another record said of them stays.
        """
        stuck = {each.source for each in plan.issues if each.blocking}
        asked = {change.source for change in plan.changes} | self.unfinished.keys()
        asked |= {each.source for each in plan.issues if each.source}
        refs = [each.ref for each in records]
        for each in records:
            for part in parts_of([each]):
                row = rows.get(part.ref)
                own = row is not None and row.issue.within == each.ref
                if own or each.ref not in stuck:
                    refs.append(part.ref)
        return [ref for ref in refs if ref not in asked]

    def _news(self, page: Page[Any]) -> list[Any]:
        """The records of a page that this run has not met as they are."""
        seen = self.seen
        seen.unreadable(page.issues)
        for each in page.issues:
            source = each.source.id if each.source else ""
            self._meet({source, *each.numbers})
        fresh = [
            each
            for each in youngest(page.records)
            if seen.is_news(each) and self._asked(each)
        ]
        seen.remember(fresh)
        return self._let_go(fresh)

    def _let_go(self, records: Sequence[Any]) -> list[Any]:
        """
        The records but invoices that a person has marked as not to be posted.

        One that is in the ledger all the same goes on as it is there.
        """
        course = self.course
        assert course is not None
        if course.kind is not Invoice or not course.outward or course.by_hand:
            return list(records)
        register = Register(self.store, self.pair)
        withheld = register.withheld(each.ref for each in records)
        ties = self.reader.ties((ref, "") for ref in withheld)
        withheld -= {ref for (ref, _), link in ties.items() if not link.released}
        self.tally.count("skipped", len(withheld))
        return [each for each in records if each.ref not in withheld]

    def _asked(self, record: Record) -> bool:
        if not self.only:
            return True
        return self._meet({record.ref.id, getattr(record, "number", "")})

    def _meet(self, names: set[str]) -> bool:
        """Whether a record of these names was asked for; it was read, then."""
        assert self.course is not None
        asked = self.only & names
        self.met |= {(self.course.source, name) for name in asked}
        return bool(asked)

    def end(self, courses: Sequence[Course]) -> None:
        """Say which of the records that were named are on no side that was read."""
        first = courses[0]
        about = {
            name: Ref(first.source, first.kind.__name__, name) for name in self.only
        }
        met = {name for _, name in self.met}
        gone: list[Issue] = []
        for course in courses:
            missing = sorted(n for n in self.only if (course.source, n) not in self.met)
            named = [Ref(course.source, course.kind.__name__, name) for name in missing]
            known = self._gone(named, course)
            refs = self._numbered(missing, course)
            known += self._gone(self._absent(refs, course), course) if refs else []
            gone += known
        told = {each.source.id for each in gone if each.source}
        told |= {number for each in gone for number in each.numbers}
        unknown = [
            Issue(Code.NO_SUCH_RECORD, about[name], (name,))
            for name in sorted(self.only - met - told)
        ]
        if self.journal is not None:
            rows = self.rows(about[name] for name in met).items()
            over = [r for r, row in rows if row.issue.code is Code.NO_SUCH_RECORD]
            self.journal.clear(over)
        fresh = [each for each in gone if each.source not in self.troubled]
        self._take(Plan(issues=(*fresh, *unknown)))

    # What is there no longer --------------------------------------------------------------

    def lost(self, course: Course, since: date | None) -> Iterator[Page[Any]]:
        """
        The documents that were tied ``since`` a day, were not met in this run, and are not
        there when they are asked for: for sources that announce no deletions.
        """
        after, value = "", key_of(self.pair, course.kind.__name__)
        while some := self.store.find(Link, "open", value, after):
            after = key(some[-1])
            refs = [
                link.on(course.source)
                for link in some
                if _sent(link, course) and _made_since(link, since)
            ]
            unmet = [ref for ref in refs if ref.id not in self.seen.ids]
            yield Page(gone=tuple(self._absent(unmet, course)))

    def _absent(self, refs: Sequence[Ref], course: Course) -> list[Ref]:
        """Which of these are not there; those that cannot be read are."""
        there: set[str] = set()
        ids = [ref.id for ref in refs]
        for page in self.reader.fetch(course.source, course.kind, ids):
            if any(each.blocking and each.source is None for each in page.issues):
                return []  # it may be any of them
            told = [each.ref for each in page.records]
            told += [each.source for each in page.issues if each.source]
            there |= {name for ref in told for name in (ref.id, *ref.aliases)}
        return [ref for ref in refs if ref.id not in there]

    def _numbered(self, numbers: Iterable[str], course: Course) -> list[Ref]:
        """The documents of a course's source that were tied under these numbers."""
        values = [key_of(self.pair, number) for number in numbers]
        found: list[Ref] = []
        after = ""
        while some := self.store.find(Link, "number", values, after):
            after = key(some[-1])
            found += [e.on(course.source) for e in some if _sent(e, course)]
        return found

    def _gone(self, gone: Iterable[Ref], course: Course) -> list[Issue]:
        """
        Issues for tied records that were deleted; what was made of them is left.

        A customer that was merged into another is that one from now on.
        """
        into = {ref: survivor(ref) for ref in gone}
        links = self.reader.ties((ref, "") for ref in into)
        found: list[Issue] = []
        for (ref, _), link in links.items():
            other = into[ref]
            if link.released or (other is None and course.made_there(link)):
                continue
            text = f"{ref.id} was deleted"
            if other is not None:
                if self.journal is None or self.journal.follow(link, ref, other):
                    continue
                text = f"{ref.id} was merged into {other.id}, which is tied to another"
            text = f"{text}; {link.on(course.target).id} was left as it is."
            numbers = (link.number,) if link.number else ()
            found.append(Issue(Code.VANISHED, ref, numbers, text=text))
        return found

    def _customers(self, records: Sequence[Record], course: Course) -> Plan:
        """
        The customers that documents name are seen to first: found there, or made where
        customers go this way.
        """
        if course.kind is Customer:
            return Plan()
        untied = self.survey.untied_customers(records, course)
        doubtful = self._doubtful(untied)
        untied = [each for each in untied if each.ref not in doubtful]
        if not untied:
            return Plan()
        way = evolve(course, kind=Customer, recheck=False)
        across = self.with_unclear(self.survey.across(untied, way))
        plan = customers.plan(untied, across, way)
        if not self.settings.direction(Customer).goes(outward=course.outward):
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
            self._others_unsettled(plan.changes)
            held = {e.name: found for e in plan.changes if (found := self.unsettled(e))}
            free = tuple(each for each in plan.changes if each.name not in held)
            plan = evolve(plan, changes=free, issues=(*plan.issues, *held.values()))
            self.sink.take(plan)
            for each in plan.issues:
                self.tell(each)
            self.tally.planned(plan.changes)
            return
        notes = self.notes(plan)
        self.carry(Plan(issues=tuple(each for each in plan.issues if each.blocking)))
        assert self.journal is not None
        worth = self._worth(plan.changes)
        self.journal.announce(worth, plan.issues)
        for ready in self.in_order(worth):
            self.carry_out(ready, notes, lambda change: change)

    def _worth(self, changes: Sequence[Change]) -> Sequence[Change]:
        """The changes but those that were refused before, as they are now."""
        if self.insistent:
            return changes
        held = self.store.get(Intent, [each.name for each in changes])
        refused = [each for each in changes if _refused(held.get(each.name), each)]
        rows = self.rows(each.source for each in changes) if refused else {}
        digest = self.settings.digest()
        left = {
            each.name
            for each in refused
            if (row := rows.get(each.source)) is not None
            and row.settings == digest
            and not may_pass(row.issue.code)
        }
        # What waits for one of them, and is known to, waits on: its reason is the refusal.
        known = [each for each in changes if each.source in rows]
        while more := {e.name for e in known if left & {*e.depends_on}} - left:
            left |= more
        self.tally.count("skipped", len(left))
        assert self.journal is not None
        self.journal.stuck(each for each in changes if each.name in left)
        return [each for each in changes if each.name not in left]


def _sent(link: Link, course: Course) -> bool:
    """Whether a tie is that of a whole record which went the way of a course."""
    whole = not link.role and not link.released and not course.made_there(link)
    return whole and _of(link.on(course.source), course)


def _made_since(link: Link, since: date | None) -> bool:
    """Whether a tie was made or changed on a day or later; of an unknown day it may be."""
    return since is None or link.seen_on is None or link.seen_on >= since


def _of(ref: Ref, course: Course) -> bool:
    return (ref.connection, ref.kind) == (course.source, course.kind.__name__)


def _refused(intent: Intent | None, change: Change) -> bool:
    """Whether this very change was refused, of the record as it is."""
    if intent is None or intent.stage is not Stage.REJECTED:
        return False
    return intent.agreed == change.agreed


def _with_parts(records: Iterable[Record]) -> Iterator[Ref]:
    """Some records, and what is read with them."""
    for each in records:
        yield each.ref
        yield from (part.ref for part in parts_of([each]))


def _held(records: Iterable[Record], rows: Mapping[Ref, IssueRow]) -> frozenset[Ref]:
    """
    The records about which an issue is open, each with all its parts.

    They are compared until they agree, lest an issue of what a person changed on the
    other side be closed by a run that looks at what changed on this one.
    """
    wholes = [list(_with_parts([each])) for each in records]
    return frozenset(
        ref for refs in wholes if not rows.keys().isdisjoint(refs) for ref in refs
    )


def _made(plan: Plan) -> dict[Ref, str]:
    """The names of the changes of a plan that make a record, by its source."""
    return {c.source: c.name for c in plan.changes if c.action is Action.CREATE}


def _found(plan: Plan) -> dict[Ref, Ref]:
    """The records that a plan found on the other side, by their source."""
    kept = (each for each in plan.changes if each.action is Action.KEEP)
    return {each.source: each.target for each in kept if each.target}
