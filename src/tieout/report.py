"""
What a run did: counted, summed up, and readable record by record.

A report does not grow with the number of records: its issues and records are read from
the store when somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from attrs import evolve, field, frozen

from tieout.change import Issue, State
from tieout.effects import Effects
from tieout.errors import Code, Severity
from tieout.listing import KINDS
from tieout.models import Ref
from tieout.money import Money
from tieout.pages.sheet import Row, Sheet, groups_of, page, troubles_of
from tieout.remedies import CATALOGUE, Remedies
from tieout.session import Traffic
from tieout.store import (
    SEPARATOR,
    Ending,
    Event,
    Held,
    IssueRow,
    ResumePoint,
    Store,
    key,
    ties,
)

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
    ``totals``: by currency, by how much the paid amounts shown in billing rose or fell;
    ``effects``: what all that was written did to money, and ``left_out`` how many writes
    are in none of these sums, because their amount or currency is not known.
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
    effects: Effects = field(factory=dict)
    left_out: int = 0
    _store: Store | None = field(default=None, repr=False, eq=False, alias="store")
    _remedies: Remedies = field(
        default=CATALOGUE, repr=False, eq=False, alias="remedies"
    )
    _links: Mapping[str, Callable[[Ref], str]] = field(
        factory=dict, repr=False, eq=False, alias="links"
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
        return map(self._issue, self._facts(IssueRow))

    @property
    def records(self) -> Iterator[Event]:
        """What happened to each record that did not stay as it was, in order."""
        return self._facts(Event)

    def html(self) -> str:
        """
        The report as a page for a browser: one file, without a script.

        What needs a person is open, all else is closed. The same for the same run, as long
        as nothing of it is forgotten.
        """
        return html_of([self])

    def _issue(self, row: IssueRow) -> Issue:
        """An issue as it is told: deciphered, and with the name that it is taken up by."""
        name = "" if row.held is Held.NOTED else row.id
        return evolve(row.issue.by(self._remedies), id=name)

    def _address(self, ref: Ref) -> str:
        found = self._links.get(ref.connection)
        return str(found(ref)) if found is not None else ""

    def _ties(self, refs: Sequence[Ref]) -> Mapping[Ref, Ref]:
        """The counterparts of records, as far as they are tied."""
        found: dict[Ref, Ref] = {}
        if self._store is None:
            return found
        for at in range(0, len(refs), PAGE):
            wanted = [(ref, "") for ref in refs[at : at + PAGE]]
            for link in ties(self._store, self.pair, wanted).values():
                found |= {link.billing: link.ledger, link.ledger: link.billing}
        return found

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
        if traffic.calls:
            yield f"  {side}: {_calls(traffic)}"
    if report.code is not None:
        yield f"  ended early: {report.text} {report.remedy}"
    if report.resume is not None:
        yield f"  an interrupted run goes on with since=report.resume ({report.resume.label})"
    if report.marker_note:
        yield f"  {report.marker_note}"


# As a page ----------------------------------------------------------------------------

WRITTEN = ("created", "updated", "voided")
GREEN = (*WRITTEN, "unchanged")
"""What is in order is counted under these words."""


def html_of(reports: Iterable[Report]) -> str:
    """Several reports on one page, below each other."""
    return page(*((_sheet(each), each._address) for each in reports))  # noqa: SLF001


def _sheet(report: Report) -> Sheet:
    """All that a page of the report shows."""
    light, verdict = _verdict(report)
    billing, _, ledger = report.pair.partition(SEPARATOR)
    counts, tried = report.counts, dict[Ref, Ref]()
    groups = groups_of(_rows(report.records, tried))

    def ties_of(refs: Sequence[Ref]) -> Mapping[Ref, Ref]:
        return {**tried, **report._ties(refs)}  # noqa: SLF001 - its own page

    return Sheet(
        title=f"{report.verb.capitalize()}, {report.window}",
        light=light,
        verdict=verdict,
        steps=tuple(_steps(report)),
        red=report.red,
        yellow=report.yellow,
        green=sum(counts.get(word, 0) for word in GREEN),
        counts=counts,
        totals=report.totals,
        effects=report.effects,
        left_out=report.left_out,
        troubles=troubles_of(report.issues, ties_of),
        groups=groups,
        facts=_told(report, billing, ledger),
        sides={billing: "billing", ledger: "ledger"},
    )


def _verdict(report: Report) -> tuple[Severity, str]:
    """The light of the whole, and the sentence beside it."""
    needs = "1 record needs" if report.red == 1 else f"{report.red:,} records need"
    written = sum(report.counts.get(word, 0) for word in WRITTEN)
    were = "1 was" if written == 1 else f"{written:,} were"
    if report.code is not None:
        light = Severity.YELLOW if report.ok else Severity.RED
        return light, f"the run ended early. {report.code.meaning}"
    if report.red:
        return Severity.RED, f"{needs} a person; {were} written."
    if report.ending is not Ending.DONE:
        return Severity.YELLOW, "the run was stopped before its end."
    if report.yellow:
        some = f"{report.yellow:,} worth knowing about"
        return Severity.YELLOW, f"nothing needs a person; {some}, {were} written."
    if written:
        return Severity.GREEN, "all that had changed was carried."
    return Severity.GREEN, "nothing had to be written."


def _steps(report: Report) -> Iterator[str]:
    """What is to be known or done about the run as a whole."""
    if report.code is not None:
        yield f"{report.text} {report.remedy or report.code.remedy}".strip()
    if report.resume is not None:
        yield "What was not come to is read when the run goes on, or in the next one."


def _rows(
    records: Iterator[Event], tried: dict[Ref, Ref]
) -> Iterator[tuple[tuple[int, str], Row]]:
    """
    What happened, by the place and the title that it stands under.

    What issues tell of stands with them; which document was to be written is noted in
    ``tried``, by the record that asked for it.
    """
    for event in records:
        title = _title(event)
        if title is not None:
            yield title, _row(event)
        elif event.source is not None and event.target is not None:
            tried[event.source] = event.target


def _row(event: Event) -> Row:
    amounts = [each for each in (event.was, event.is_now) if each is not None]
    refs = [each for each in (event.source, event.target) if each is not None]
    both = tuple(dict.fromkeys(amounts)), tuple(dict.fromkeys(refs))
    return Row(event.numbers, both[0], event.text, both[1])


def _title(event: Event) -> tuple[int, str] | None:
    """The place and the title of an event; None where an issue tells of it."""
    kind = "Records" if event.kind is None else KINDS[event.kind]
    if event.what == "tied":
        return 3, f"{kind} that agreed, and are tied to each other now"
    if event.what == "adopted":
        return 1, f"{kind} of an earlier run, found to have been carried out"
    if event.state is State.APPLIED:
        done = "updated" if event.before and event.after else "voided"
        return 0, f"{kind} {done if event.before else 'created'}"
    if event.state is not None or event.what in ("issue", "warning", "ended early"):
        return None
    return 2, f"{kind}: {event.what}"


def _told(report: Report, billing: str, ledger: str) -> Mapping[str, str]:
    """How the run was, fact by fact."""
    took = max(0, round((report.ended_at - report.started_at).total_seconds()))
    connections = {"billing": billing, "ledger": ledger}
    return {
        "Run": report.run,
        "Began": f"{_minute(report.started_at)}, and took {took:,} seconds",
        "Reads from": _minute(report.start),
        **{
            side.capitalize(): _wire(name, report.traffic.get(side))
            for side, name in connections.items()
        },
        "Next time": report.marker_note or _marker(report),
    }


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} {moment.tzname() or ''}".strip()


def _marker(report: Report) -> str:
    if report.marker is None:
        return ""
    return f"the next run since the last one begins at {_minute(report.marker)}"


def _wire(connection: str, traffic: Traffic | None) -> str:
    """A connection, and what went over the wire."""
    if traffic is None or not traffic.calls:
        return connection  # it has no wire: a table, an app of the host's own
    kilobytes = (traffic.bytes_up + traffic.bytes_down) // 1000
    return f"{connection}: {_calls(traffic)}, {kilobytes:,} kB"


def _calls(traffic: Traffic) -> str:
    noun = "call" if traffic.calls == 1 else "calls"
    return f"{traffic.calls:,} {noun}, {traffic.writes:,} of them writes"
