"""
Which invoices the other side should hold, and how.

Pure. Drafts are left alone until they are final; what was paid is no business of this.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from tieout.models import Invoice, Status, clean_number
from tieout.plan import Plan
from tieout.planners.course import Across, Course
from tieout.planners.documents import Documents, custom, lines, tied

COMPARED = (
    "number",
    "currency",
    "customer",
    "on",
    "due",
    "reference",
    "total",
    "lines",
)
"""By what a changed invoice is compared with the one that is there."""


def plan(page: Iterable[Invoice], across: Across, course: Course) -> Plan:
    """The plan of one page of invoices."""
    return Documents(across, course, wanted, COMPARED).plan(page)


def wanted(record: Invoice, course: Course, across: Across) -> Invoice:
    """An invoice as the target is to hold it."""
    return evolve(
        record,
        ref=evolve(record.ref, connection=course.target, id="", aliases=()),
        number=clean_number(record.number),
        customer=tied(record.customer, across),
        status=Status.OPEN,
        lines=lines(record.lines, course),
        custom=custom(record, course),
        changed_at=None,
        version="",
        carry=None,
    )
