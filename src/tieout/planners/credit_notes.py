"""
Which credit notes the other side should hold, and to which invoices they are applied.

Pure. A credit note is made before it is applied; each application is a change of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import evolve

from tieout.change import Action, Issue
from tieout.errors import Code
from tieout.models import (
    CreditNote,
    Record,
    Ref,
    Status,
    as_made,
    clean_number,
    fingerprint,
)
from tieout.plan import Plan
from tieout.planners.course import Across, Course, issue
from tieout.planners.documents import Documents, custom, lines, tied
from tieout.planners.legs import Legs
from tieout.settings import Direction

COMPARED = ("number", "currency", "customer", "on", "reference", "total", "lines")
"""By what a changed credit note is compared with the one that is there."""

APPLIED_THERE = "its applications there: "
"""Behind these words, a note names what was applied to a copy on the other side."""


def plan(page: Iterable[CreditNote], across: Across, course: Course) -> Plan:
    """The plan of one page of credit notes, the notes themselves before their legs."""
    notes = list(page)
    documents = Documents(across, course, wanted, COMPARED)
    whole = documents.plan(notes)
    made = {change.source: change.name for change in whole.changes}
    kept = {e.source: e.before for e in whole.changes if e.action is Action.KEEP}
    stuck = {each.source for each in whole.issues if each.blocking}
    legs = Legs(evolve(across, planned={**across.planned, **made}), course)
    for note in notes:
        if note.ref not in stuck:
            # Those of a note that came from there too: each has an origin of its own.
            for put in note.applications:
                legs.apply(put, note)
            there = kept.get(note.ref) or _copy(note, across, course)
            legs.drafting.issues += _applied_there(note, there, across, course)
    more = legs.drafting
    undone: dict[Ref | None, list[str]] = {}
    for each in more.changes:
        if each.action is Action.VOID:
            undone.setdefault(each.within, []).append(each.name)
    # What is applied anywhere cannot be taken back.
    firsts = (
        evolve(each, depends_on=tuple(undone.get(each.source, ())))
        if each.action is Action.VOID
        else each
        for each in whole.changes
    )
    return evolve(
        whole,
        changes=(*firsts, *more.changes),
        issues=(*whole.issues, *more.issues),
    )


def _copy(note: CreditNote, across: Across, course: Course) -> Record | None:
    """What a credit note is on the other side, as far as it is there."""
    link = across.links.get(note.ref)
    tied_to = None if link is None or link.released else link.on(course.target)
    return across.records.get(tied_to) if tied_to else None


def _applied_there(
    note: CreditNote, there: Record | None, across: Across, course: Course
) -> Iterator[Issue]:
    """What people applied of a credit note's copy, where nobody reads it there."""
    if course.settings.direction(CreditNote) is Direction.BOTH:
        return
    if not across.unsettled.isdisjoint(put.ref for put in note.applications):
        return  # what is applied there may be one of these
    puts = there.applications if isinstance(there, CreditNote) else ()
    foreign = [put for put in puts if put.live and put.ref not in across.claimed]
    if foreign:
        told = ", ".join(f"{put.amount} to {put.target.id}" for put in foreign)
        text, agreed = f"{APPLIED_THERE}{told}.", fingerprint(as_made(note))
        yield issue(Code.APPLIED_THERE, note, text, blocking=False, agreed=agreed)


def wanted(record: CreditNote, course: Course, across: Across) -> CreditNote:
    """A credit note as the target is to hold it: all of it still to be applied."""
    return evolve(
        record,
        ref=evolve(record.ref, connection=course.target, id="", aliases=()),
        number=clean_number(record.number),
        customer=tied(record.customer, across),
        status=Status.OPEN,
        remaining=record.total,
        lines=lines(record.lines, course),
        applications=(),
        custom=custom(record, course),
        changed_at=None,
        version="",
        carry=None,
    )
