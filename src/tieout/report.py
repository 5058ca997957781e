"""
What a run did: counted, summed up, and readable record by record.

A report does not grow with the number of records: its issues and records are read from
the store when somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TypeVar

from attrs import field, frozen

from tieout.change import Issue
from tieout.errors import Code, Severity
from tieout.models import Ref
from tieout.money import Money
from tieout.remedies import CATALOGUE, Remedies
from tieout.session import Traffic
from tieout.store import Ending, Event, IssueRow, ResumePoint, Store, key

F = TypeVar("F", IssueRow, Event)

PAGE = 500
"""Facts read from the store at a time."""


@frozen
class Progress:
    """
    One record's outcome, as it happens.

    ``what``: updated, created, voided, posted, not found, failed, unknown, warning.
    ``done`` counts the records dealt with so far, unchanged ones included, and ``total``
    those that there are to deal with; 0 where nobody knows. ``auto_pay`` is what automatic
    payment says of an invoice that was posted by hand.
    """

    number: str
    what: str
    light: Severity
    text: str
    done: int
    ref: Ref | None = None
    total: int = 0
    auto_pay: str = ""


@frozen
class Report:
    """
    The outcome of one run.

    ``counts`` by word: created, updated, voided, unchanged, not found, failed, unknown, skipped, warning.
    ``totals``: by currency, by how much the paid amounts shown in billing rose or fell.
    ``resume`` is where an interrupted run goes on (hand it in as ``since=``). ``batch`` is
    the name of what was done by hand, for `Engine.undo`.
    """

    run: str
    pair: str
    verb: str
    window: str
    start: datetime
    started_at: datetime
    ended_at: datetime
    ending: Ending
    counts: Mapping[str, int]
    red: int
    yellow: int
    totals: Mapping[str, Money]
    traffic: Mapping[str, Traffic]
    marker: datetime | None
    marker_moved: bool
    marker_note: str
    resume: ResumePoint | None
    code: Code | None = None
    text: str = ""
    remedy: str = ""
    batch: str = ""
    _store: Store | None = field(default=None, repr=False, eq=False, alias="store")
    _remedies: Remedies = field(
        default=CATALOGUE, repr=False, eq=False, alias="remedies"
    )

    @property
    def ok(self) -> bool:
        """No red light: everything was carried, unchanged, or is worth no more than a word."""
        stopped = self.code is not None and self.code.severity is Severity.RED
        return not self.red and not stopped

    @property
    def complete(self) -> bool:
        """Whether the whole window was read."""
        return self.ending is Ending.DONE

    @property
    def issues(self) -> Iterator[Issue]:
        """The issues that this run met, read from the store."""
        return (row.issue.by(self._remedies) for row in self._facts(IssueRow))

    @property
    def records(self) -> Iterator[Event]:
        """What happened to each record that did not stay as it was, in order."""
        return self._facts(Event)

    def _facts(self, kind: type[F]) -> Iterator[F]:
        after = ""
        while self._store is not None:
            some = self._store.find(kind, "run", self.run, after, PAGE)
            yield from some
            if len(some) < PAGE:
                return
            after = key(some[-1])

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _lines(report: Report) -> Iterator[str]:
    counts = ", ".join(f"{n} {word}" for word, n in report.counts.items() if n)
    yield f"{report.verb}, {report.window}: {counts or 'nothing to look at'}"
    for money in report.totals.values():
        yield f"  paid amounts in billing changed by {money}"
    for side, traffic in report.traffic.items():
        yield f"  {side}: {traffic.calls} calls, {traffic.writes} of them writes"
    if report.code is not None:
        yield f"  ended early: {report.text} {report.remedy}"
    if report.resume is not None:
        yield f"  an interrupted run goes on with since=report.resume ({report.resume.label})"
    if report.marker_note:
        yield f"  {report.marker_note}"
