"""
Why a record is where it is: the whole story in order, as a value and in words.

Pure: it is given what was found and remembered. It asks no system and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

from tieout.errors import Code, Severity
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Link,
    Payment,
    Record,
    Ref,
    Settlement,
)
from tieout.money import Money
from tieout.store import Event, Intent, IssueRow, Stage


@frozen
class Said:
    """What one side says of a number: a record, nothing, or why it could not be asked."""

    connection: str
    side: str
    record: Record | None = None
    trouble: str = ""

    def __str__(self) -> str:
        if self.trouble:
            return f"{self.side} could not be asked: {self.trouble}"
        if self.record is None:
            return f"{self.side} has nothing of this number"
        return f"{self.side} says: {described(self.record)}"


@frozen
class Story:
    """
    All that is known of a number.

    ``said`` is what each side says now, ``links`` what is tied to what, ``happened`` the
    events in order, ``waiting`` the writes that are not finished, ``issues`` what is open.
    ``looked`` are the places that were looked in.
    """

    number: str
    said: tuple[Said, ...] = ()
    links: tuple[Link, ...] = ()
    happened: tuple[Event, ...] = ()
    waiting: tuple[Intent, ...] = ()
    issues: tuple[IssueRow, ...] = ()
    looked: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether anybody knows the number."""
        told = any(each.record for each in self.said)
        return bool(told or self.links or self.happened or self.issues)

    @property
    def light(self) -> Severity:
        """The worst of what is open: red, yellow, or green for nothing."""
        lights = {row.issue.severity for row in self.issues}
        if any(each.stage is Stage.PARKED for each in self.waiting):
            lights.add(Severity.RED)
        worst = (Severity.RED, Severity.YELLOW)
        return next((each for each in worst if each in lights), Severity.GREEN)

    @property
    def causes(self) -> tuple[Code, ...]:
        """The codes of what is open, each once."""
        return tuple(dict.fromkeys(row.issue.code for row in self.issues))

    @property
    def next(self) -> tuple[str, ...]:
        """What will happen by itself, and when."""
        return tuple(dict.fromkeys(_next(self)))

    @property
    def remedies(self) -> tuple[str, ...]:
        """What a person can do, a step each."""
        return tuple(dict.fromkeys(_remedies(self)))

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _lines(story: Story) -> Iterator[str]:
    yield f"{story.number}: {_verdict(story)}"
    if not story.known:
        yield "  looked in " + ", ".join(story.looked)
        return
    for said in story.said:
        yield f"  {said}"
    for link in story.links:
        yield f"  tied: {_named(link.billing)} is {_named(link.ledger)}{_role(link)}"
    if story.happened:
        yield "  what happened:"
        for event in story.happened:
            yield f"    {_when(event.at)}  {_told(event)}"
    for row in story.issues:
        often = "once" if row.attempts == 1 else f"{row.attempts} times"
        yield f"  open since {_when(row.first_at)}, met {often} ({row.id}): {_cause(row)}"
    for step in story.next:
        yield f"  next: {step}"
    for step in story.remedies:
        yield f"  you can: {step}"


def _verdict(story: Story) -> str:
    if not story.known:
        return "nobody knows this number."
    if story.issues:
        return "; ".join(dict.fromkeys(r.issue.code.meaning for r in story.issues))
    if story.waiting:
        return "it is under way."
    if story.links:
        return "it is carried."
    return "it was not carried yet."


def _cause(row: IssueRow) -> str:
    """What is wrong, in the words of whoever said it."""
    issue = row.issue
    at = f" [{issue.field}]" if issue.field else ""
    return f"{issue.code.name}{at}: {issue.text or issue.code.meaning}"


def _next(story: Story) -> Iterator[str]:
    for intent in story.waiting:
        match intent.stage:
            case Stage.PARKED:
                yield "nothing, until somebody answers what came of the write"
            case Stage.UNKNOWN | Stage.SENDING:
                after = _when(intent.not_before) if intent.not_before else "a while"
                yield f"the other side is looked at after {after}"
            case _:
                yield "it is sent in the next run"
    for row in story.issues:
        if row.issue.code.retryable:
            yield "it is tried again in the next run"
        else:
            yield "it is tried again when the record or the settings change, or by retry"
    if not story.waiting and not story.issues and story.links:
        yield "changes are carried in the next run"
    if story.known and not story.links and not story.issues and not story.waiting:
        yield "the next run whose window it falls into looks at it"


def _remedies(story: Story) -> Iterator[str]:
    for row in story.issues:
        yield row.issue.remedy or row.issue.code.remedy
        if not row.issue.code.retryable:
            yield f"then retry({row.id!r}), or ignore({row.id!r}) to leave it alone"
    for intent in story.waiting:
        if intent.stage is Stage.PARKED:
            yield f"answer({intent.name!r}, Landed(id) or a Reply), after a look over there"


def described(record: Any) -> str:
    """A record in a line: what people recognise it by."""
    kind = type(record).__name__.lower()
    match record:
        case Settlement():
            owed = record.money(record.balance)
            paid = f", paid on {record.paid_on}" if record.paid_on else ""
            return (
                f"invoice {record.number} of {record.money(record.total)}, "
                f"{record.status.value}, {owed} owed{paid}"
            )
        case Invoice() | CreditNote():
            total = Money(record.total, record.currency)
            name = "credit note" if isinstance(record, CreditNote) else "invoice"
            return (
                f"{name} {record.number} of {total}, {record.on}, {record.status.value}"
            )
        case Payment():
            amount = Money(record.amount, record.currency)
            return (
                f"payment {record.number or record.reference} of {amount}, {record.on}"
            )
        case Customer():
            state = "" if record.active else ", not active"
            return f"customer {record.number} {record.name}{state}"
    return f"{kind} {record.ref.id}"


def _told(event: Event) -> str:
    """One event in words."""
    what = event.what
    if event.kind is not None and event.target is not None:
        what = f"{event.kind.__name__.lower()} {what}: {_named(event.target)}"
    elif event.kind is not None:
        what = f"{event.kind.__name__.lower()} {what}"
    code = f" [{event.code.name}]" if event.code else ""
    return f"{what}{code} {event.text}".rstrip()


def _named(ref: Ref) -> str:
    return f"{ref.connection} {ref.kind.lower()} {ref.id}"


def _role(link: Link) -> str:
    return f" ({link.role})" if link.role else ""


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def in_time(events: Sequence[Event]) -> tuple[Event, ...]:
    """Events by their time, each once."""
    found = {(each.run, each.serial): each for each in events}
    return tuple(
        sorted(found.values(), key=lambda each: (each.at, each.run, each.serial))
    )
