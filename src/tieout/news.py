"""
What of a page is news: all but what a write of ours made, may have made, or a person left alone.

It looks at what the store remembers and at marks, and says of each record that is no news
why it waits. What becomes of news is decided by the planners.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, evolve, frozen

from tieout.change import Action, Issue
from tieout.documents import DocumentRun
from tieout.errors import Code
from tieout.evidence import carries, marks_in, may_have_made
from tieout.models import (
    KINDS,
    Application,
    CreditNote,
    Invoice,
    Payment,
    Record,
    Ref,
    Status,
    as_made,
    clean_number,
    fingerprint,
)
from tieout.planners import fees
from tieout.planners.course import LEFT_ALONE, LEFT_REMEDY, Across, Course, issue
from tieout.planners.unclear import Maker, Unclear
from tieout.store import Intent, Stage, key_of, leg_of

FEE_NUMBER = "its number is one that a sync gives to the invoice of a payment's fee."
FEE_REMEDY = (
    "Sync the payments: it is tied to its own then. If it is an invoice of your own, give "
    "it another number."
)


@frozen
class Sorted:
    """
    The records of a page that are news, and what is told of the others.

    ``doubtful`` are those that a write may have made whose answer was lost, ``left`` those,
    parts too, of which a person left the write alone.
    """

    records: list[Any]
    issues: list[Issue]
    doubtful: frozenset[Ref]
    left: frozenset[Ref]


@define(kw_only=True)
class News(DocumentRun):
    """A run of documents that knows its own handwriting."""

    course: Course | None = None

    def sorted_out(self, records: Sequence[Any], course: Course) -> Sorted:
        """The records of a page, without those that are no news."""
        doubtful = self._doubtful([*records, *parts_of(records)])
        issues = [_waits(each, doubtful) for each in records if each.ref in doubtful]
        rest = [each for each in records if each.ref not in doubtful]
        stands = [*self._standing([*rest, *parts_of(rest)], course)]
        held_back = {each.source for each in stands}
        rest = [each for each in rest if _is_over(each) or each.ref not in held_back]
        left = self._left_alone([*rest, *parts_of(rest)])
        copied = {
            **self._copied(rest),
            **_alone(rest, left),
            **self._shown_as_paid(rest, course),
        }
        rest = [each for each in rest if each.ref not in copied]
        issues += [*stands, *copied.values()]
        return Sorted(rest, issues, frozenset(doubtful), left)

    def _doubtful(self, records: Sequence[Record]) -> dict[Ref, Intent]:
        """
        Which records a write of ours may have made, of which the answer was lost.

        Until that is known they are no news: taken for news, they would be sent back.
        """
        unsure = self._open_intents() if self.unfinished else []
        unsure = [each for each in unsure if each.stage is not Stage.PLANNED]
        maybe = {
            record.ref: intent
            for intent in unsure
            for record in records
            if may_have_made(intent, record)
        }
        ties = self.reader.ties((ref, "") for ref in maybe)
        # Levels tie documents too, and cannot say on which side one was made.
        known = {
            ref for (ref, _), tie in ties.items() if tie.origin and not tie.released
        }
        legs = self.reader.legs(maybe)
        known |= {ref for ref, tie in legs.items() if not tie.released}
        return {ref: intent for ref, intent in maybe.items() if ref not in known}

    def _left_alone(self, records: Sequence[Record]) -> frozenset[Ref]:
        """
        The untied records that a write may have made which a person left alone.

        They stay where they are, on that side alone, also where the write goes on since.
        """
        if not self._makes_such():
            return frozenset()
        live = (e for e in records if getattr(e, "status", None) is not Status.VOID)
        mine = {each.ref: each for each in live}
        writes = self._under("left", (leg_of(self.pair, ref) for ref in mine))
        left = {ref for write in writes for ref in write.left if ref in mine}
        marks = (key_of(self.pair, each) for each in _names(mine.values()))
        named = self._under("mark", marks)
        ignored = [each for each in named if each.stage is Stage.IGNORED]
        left |= {r for r, e in mine.items() for i in ignored if may_have_made(i, e)}
        ties = self.reader.ties((ref, "") for ref in left)
        tied = {ref for (ref, _), link in ties.items() if not link.released}
        return frozenset(left - tied)

    def _standing(self, records: Sequence[Record], course: Course) -> Iterator[Issue]:
        """
        The issues of records of which something is there that a person left alone.

        Where one was taken back meanwhile, nobody takes that back; and where it has another
        number now, and the number is the mark, nobody would find it: it would be made twice.
        """
        mark = self.sides[course.target].kind(course.kind).mark
        by_number = mark is not None and mark.is_number
        renamed = course.kind if by_number else ()
        suspects = {e.ref: e for e in records if isinstance(e, renamed) or _is_over(e)}
        about = (key_of(self.pair, ref.kind, ref.id) for ref in suspects)
        ignored = [
            each
            for each in self._under("about", about)
            if each.stage is Stage.IGNORED and each.source in suspects
        ]
        there = self._alive(ref for each in ignored for ref in each.left)
        for intent in ignored:
            record = suspects[intent.source]
            found = [there[ref] for ref in intent.left if ref in there]
            if not _is_over(record):  # what carries its mark is found before it is made
                number = clean_number(getattr(record, "number", ""))
                found = [each for each in found if not carries(each, number)]
            if found:
                yield _still_there(record, found, intent)

    def _alive(self, refs: Iterable[Ref]) -> dict[Ref, Record]:
        """Those of some records that are there, and are tied to nothing."""
        wanted = list(dict.fromkeys(refs))
        ties = self.reader.ties((ref, "") for ref in wanted)
        known = {ref for (ref, _), link in ties.items() if not link.released}
        ids: dict[tuple[str, str], list[str]] = {}
        for ref in wanted:
            if ref not in known:
                ids.setdefault((ref.connection, ref.kind), []).append(ref.id)
        return {
            record.ref: record
            for (connection, kind), some in ids.items()
            for page in self.reader.fetch(connection, KINDS[kind], some)
            for record in page.records
            if not _is_over(record)
        }

    def with_unclear(self, across: Across) -> Across:
        """
        With the records found that a write may have made, whose answer was lost.

        Until that is known nobody else's record is tied to them, whatever their number; nor
        to those for which one may have made another.
        """
        named = (each for some in across.named.values() for each in some)
        found = [e for e in across.records.values() if e.ref not in across.claimed]
        doubtful = self._doubtful([*found, *named])
        made = {ref: Maker(e.source, e.number) for ref, e in doubtful.items()}
        sent = (
            source
            for source, each in self.unfinished.items()
            if each.action is Action.CREATE and each.kind.__name__ == source.kind
        )
        return evolve(across, unclear=Unclear(made, frozenset(sent)))

    def _copied(self, records: Sequence[Record]) -> dict[Ref, Issue]:
        """
        The untied records that carry a mark of ours: no news, whoever put it there.

        A person copied a document with all that stands on it; or a write was given up, or
        is forgotten by a store that was lost, and it landed. Taken for news, it would be
        carried back, and the money be there twice. A mark that this store does not know is
        ours only where this pair makes such documents there: it may be another pair's.
        """
        live = (e for e in records if getattr(e, "status", None) is not Status.VOID)
        marked = {
            each.ref: (each, marks) for each in live if (marks := self._marks(each))
        }
        ties = self.reader.ties((ref, "") for ref in marked)
        known = {ref for (ref, _), link in ties.items() if not link.released}
        known |= self.reader.legs(marked).keys()
        strangers = [found for ref, found in marked.items() if ref not in known]
        made = self._made_under(sorted(m for _, marks in strangers for m in marks))
        ours = self._makes_such()
        return {
            each.ref: _is_copy(each, mark, made.get(mark))
            for each, marks in strangers
            for mark in sorted(marks)
            # Some systems apply a credit by a payment of nothing: that is no copy of it.
            if (made[mark].kind is type(each) if mark in made else ours)
        }

    def _shown_as_paid(
        self, records: Sequence[Record], course: Course
    ) -> dict[Ref, Issue]:
        """
        The payments that billing shows already, by a payment that stands for a paid amount.

        Where paid amounts were carried before payments were, the same money would be there
        twice: neither the payment of ours nor the ledger's own one is news.
        """
        payments = [each for each in records if isinstance(each, Payment)]
        puts = {
            put.target for each in payments for put in each.applications if put.live
        }
        ties = self.reader.ties((ref, "") for ref in puts)
        billing = course.source if course.outward else course.target
        owned = {
            ref: {Ref(billing, Payment.__name__, own) for own in tie.owned}
            for (ref, _), tie in ties.items()
        }
        standing = self._alive(own for some in owned.values() for own in some)
        if not standing:
            return {}
        tied = self.reader.ties((each.ref, "") for each in payments)
        called = {ref: tie.number for (ref, _), tie in ties.items()}
        found: dict[Ref, Issue] = {}
        for each in payments:
            on = [put.target for put in each.applications if put.live]
            ours = {own for ref in on for own in owned.get(ref, ()) if own in standing}
            ours &= {each.ref} if course.outward else ours
            if ours and (each.ref, "") not in tied:
                numbers = tuple(dict.fromkeys(filter(None, map(called.get, on))))
                found[each.ref] = _is_paid_amount(each, ours, numbers)
        return found

    def _marks(self, record: Record) -> set[str]:
        """The marks of ours on a record; where a number is the mark, a fee's is known by it."""
        found = marks_in(record)
        if (
            isinstance(record, Invoice)
            and fees.is_of_a_fee(record)
            and self._makes_fees()
        ):
            mark = self.sides[record.ref.connection].kind(Invoice).mark
            if mark is not None and mark.is_number:
                found.add(record.number)
        return found

    def _makes_such(self) -> bool:
        """Whether this pair makes documents of the course's kind at the course's source."""
        course = self.course
        assert course is not None
        back = self.settings.direction(course.kind).goes(outward=not course.outward)
        return back or (course.kind is Invoice and self._makes_fees())

    def _makes_fees(self) -> bool:
        """Whether this pair makes the invoices of fees at the course's source."""
        course, rules = self.course, self.settings.fees
        assert course is not None
        paid = self.settings.direction(Payment).goes(outward=not course.outward)
        return paid and rules is not None and rules.written_as == "invoice"

    def _made_under(self, marks: Iterable[str]) -> dict[str, Intent]:
        """The writes that were to make something under some marks, as far as is known."""
        writes = self._under("mark", (key_of(self.pair, mark) for mark in marks))
        return {each.mark: each for each in writes}

    def _under(self, index: str, values: Iterable[str]) -> Iterator[Intent]:
        """All writes under some values of an index."""
        wanted = list(values)
        after = ""
        while wanted and (some := self.store.find(Intent, index, wanted, after)):
            after = some[-1].name
            yield from some


def parts_of(records: Iterable[Record]) -> Iterator[Application]:
    """What is read with some records."""
    for each in records:
        if isinstance(each, Payment | CreditNote):
            yield from each.applications


def _waits(record: Record, doubtful: Mapping[Ref, Intent]) -> Issue:
    """The issue of a record that waits until the outcome of a write is known."""
    made_for = doubtful[record.ref].number or "another"
    text = f"it may be what was made for {made_for}, and the answer to that was lost."
    return issue(Code.WAITS, record, text, agreed=fingerprint(as_made(record)))


def _is_over(record: Record) -> bool:
    """Whether a record was taken back, or is not final any more."""
    if isinstance(record, Application):
        return not record.live
    status = getattr(record, "status", Status.OPEN)
    return not status.counts


def _still_there(record: Record, found: Sequence[Record], intent: Intent) -> Issue:
    """The issue of a record of which something is there that a person left alone."""
    ids = ", ".join(each.ref.id for each in found)
    return issue(
        Code.COPIED,
        record,
        f"{ids} was made for it, and left alone by a person: it is still there.",
        remedy="Take it back there by hand; or ignore this, and both stay as they are.",
        numbers=intent.numbers,
        agreed=fingerprint(as_made(record)),
        within=intent.within,
    )


def _is_paid_amount(
    payment: Payment, ours: Iterable[Ref], numbers: tuple[str, ...]
) -> Issue:
    """The issue of a payment that billing shows by a payment made for a paid amount."""
    ids = ", ".join(sorted(ref.id for ref in ours))
    return issue(
        Code.PAID_ON_BOTH_SIDES,
        payment,
        f"billing payment {ids} was made when paid amounts were carried.",
        remedy=f"Take payment {ids} of billing back: then payments are carried as they are.",
        numbers=numbers,
        agreed=fingerprint(payment),
    )


def _alone(records: Iterable[Record], left: Container[Ref]) -> dict[Ref, Issue]:
    """The issues of records that a write may have made which a person left alone."""
    return {
        each.ref: issue(
            Code.COPIED,
            each,
            LEFT_ALONE,
            remedy=LEFT_REMEDY,
            agreed=fingerprint(as_made(each)),
        )
        for each in records
        if each.ref in left
    }


def _names(records: Iterable[Record]) -> Iterator[str]:
    """The numbers of some records, which are the marks of many."""
    numbers = (clean_number(getattr(each, "number", "")) for each in records)
    return filter(None, numbers)


def _is_copy(record: Record, mark: str, made: Intent | None) -> Issue:
    """The issue of an untied record that carries a mark of ours."""
    agreed = fingerprint(as_made(record))
    if made is not None and made.result is not None:
        text = f"it carries {mark}, which is the mark of {made.result.id}."
        return issue(Code.COPIED, record, text, agreed=agreed)
    if made is None and isinstance(record, Invoice) and fees.is_of_a_fee(record):
        return issue(Code.COPIED, record, FEE_NUMBER, remedy=FEE_REMEDY, agreed=agreed)
    text = (
        f"it carries {mark}, so a sync has made it; what it was made for is to be tied "
        "to it first."
    )
    return issue(Code.WAITS, record, text, agreed=agreed)
