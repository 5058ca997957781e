"""
Why a record is where it is: the whole story in order, as a value and in words.

Pure: it is given what was found and remembered. It asks no system and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve, frozen

from tieout.errors import Code, Retry, Scope, Severity, Who
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Link,
    Payment,
    Record,
    Ref,
    Settlement,
    Status,
    visible,
)
from tieout.money import Money
from tieout.remedies import CATALOGUE, Remedies, Remedy
from tieout.store import Event, Intent, IssueRow, Run, Stage


@frozen
class Said:
    """
    What one side says of a number: a record, nothing, or why it could not be asked.

    ``trouble`` says why in words, ``code`` which kind of trouble it is, ``advice`` what can
    be done about it.
    """

    connection: str
    side: str
    record: Record | None = None
    trouble: str = ""
    code: Code | None = None
    advice: Remedy | None = None

    def troubled(
        self, code: Code, trouble: str, remedy: str, remedies: Remedies = CATALOGUE
    ) -> Said:
        """The same side, which could not be asked; a table says what can be done."""
        system = self.connection.partition(":")[0]
        advice = remedies.of(code, trouble, remedy, system)
        return evolve(self, code=code, trouble=trouble, advice=advice)

    def __str__(self) -> str:
        where = f"{self.side} ({self.connection})"
        if self.trouble:
            return f"{where} could not be asked: {self.trouble}"
        if self.record is None:
            return f"{where} has nothing of this number"
        return f"{where} says: {described(self.record)}"


@frozen
class Story:
    """
    All that is known of a number.

    ``said`` is what each side says now, ``links`` what is tied to what, ``happened`` the
    events in order, ``waiting`` the writes that are not finished, ``issues`` what is open,
    ``ignored`` what is left alone because somebody said so. ``looked`` are the places that were looked in, ``runs`` the last run of each kind of
    work, and ``reasons`` the rules by which it is left alone.
    """

    number: str
    said: tuple[Said, ...] = ()
    links: tuple[Link, ...] = ()
    happened: tuple[Event, ...] = ()
    waiting: tuple[Intent, ...] = ()
    issues: tuple[IssueRow, ...] = ()
    looked: tuple[str, ...] = ()
    runs: tuple[Run, ...] = ()
    reasons: tuple[str, ...] = ()
    ignored: tuple[IssueRow, ...] = ()

    @property
    def known(self) -> bool:
        """Whether anybody knows the number."""
        told = any(each.record for each in self.said)
        rows = self.issues or self.ignored
        return bool(told or self.links or self.happened or rows)

    @property
    def stopped(self) -> tuple[Run, ...]:
        """The last runs that ended early: what they had not come to was not carried."""
        return tuple(run for run in self.runs if run.code is not None)

    @property
    def light(self) -> Severity:
        """The worst of what is open: red, yellow, or green for nothing."""
        lights = {code.severity for code in self.causes}
        if any(each.stage is Stage.PARKED for each in self.waiting):
            lights.add(Severity.RED)
        worst = (Severity.RED, Severity.YELLOW)
        return next((each for each in worst if each in lights), Severity.GREEN)

    @property
    def causes(self) -> tuple[Code, ...]:
        """The codes of what is open, each once: the record's own before its connections'."""
        own = [row.issue.code for row in self.issues]
        sides = [each.code for each in self.said if each.code]
        ended = [run.code for run in self.stopped if run.code]
        return tuple(dict.fromkeys([*own, *sides, *ended]))

    @property
    def next(self) -> tuple[str, ...]:
        """What will happen by itself, and when."""
        return tuple(dict.fromkeys(_next(self)))

    @property
    def advice(self) -> tuple[Remedy, ...]:
        """What is known of each cause: who can put it right, by which steps, and when."""
        own = [row.issue.advice for row in self.issues]
        sides = [each.advice for each in self.said]
        return tuple(
            each for each in (*own, *sides, *(r.advice for r in self.stopped)) if each
        )

    @property
    def who(self) -> tuple[Who, ...]:
        """Who can put it right, of each cause, each once."""
        return tuple(dict.fromkeys(each.who for each in self.advice))

    @property
    def remedies(self) -> tuple[str, ...]:
        """What a person can do, a step each."""
        return tuple(dict.fromkeys(_remedies(self)))

    def __str__(self) -> str:
        return "\n".join(map(visible, _lines(self)))


def _lines(story: Story) -> Iterator[str]:
    yield f"{story.number}: {_verdict(story)}"
    if not story.known:
        yield "  looked in " + ", ".join(story.looked)
    for said in story.said if story.known else _unasked(story):
        yield f"  {said}"
    for link in story.links:
        yield f"  tied: {_named(link.billing)} is {_named(link.ledger)}{_role(link)}"
    if story.happened:
        yield "  what happened:"
        for event in story.happened:
            yield f"    {_when(event.at)}  {told(event)}"
    yield from _open(story)


def _open(story: Story) -> Iterator[str]:
    """What is wrong, what comes next, and what can be done."""
    for row in story.issues:
        often = "once" if row.attempts == 1 else f"{row.attempts} times"
        yield f"  open since {_when(row.first_at)}, met {often} ({row.id}): {_cause(row)}"
    for row in story.ignored:
        yield f"  left alone since {_when(row.last_at)} ({row.id}): {_cause(row)}"
    for run in story.stopped:
        yield f"  {_ended(run)}"
    for reason in story.reasons:
        yield f"  left alone: {reason}"
    for step in story.next:
        yield f"  next: {step}"
    if story.who:
        who = ", ".join(each.value for each in story.who)
        yield f"  who can put it right: {who}"
    for step in story.remedies:
        yield f"  you can: {step}"


def _unasked(story: Story) -> Iterator[Said]:
    """The sides that might know a number that nobody knows."""
    yield from (each for each in story.said if each.trouble)


def _verdict(story: Story) -> str:
    if not story.known:
        return "nobody knows this number."
    if story.issues:
        return " ".join(dict.fromkeys(map(_leading, story.issues)))
    if story.waiting:
        return "it is under way."
    if story.ignored:
        why = " ".join(dict.fromkeys(_leading(row) for row in story.ignored))
        return f"it is left alone, because somebody said so: {why}"
    carried = _carried(story) if story.links else "it was not carried yet"
    if story.stopped:
        return f"{carried}; the last run ended early."
    if story.reasons and not story.links:
        return "it is left alone, by rule."
    return f"{carried}."


def _leading(row: IssueRow) -> str:
    """
    What an issue means, in a sentence.

    Of a plan that no longer fits its own words say more: its record need not have changed.
    """
    issue = row.issue
    own = issue.code is Code.STALE_PLAN and bool(issue.text)
    text = issue.text if own else issue.advice.meaning
    return f"{text[:1].upper()}{text[1:]}"


def _carried(story: Story) -> str:
    """How the two sides of what is tied stand to each other, as they are now."""
    sides = story.said
    voided = [
        each.side for each in sides if _is_void(each.record) and _ties(story, each)
    ]
    if sides and len(voided) == len(sides):
        return "it was carried, and is void on both sides"
    if voided:
        return f"it was carried, and is void in {voided[0]}"
    if any(each.trouble for each in sides):
        return "it is carried"
    told = [each for each in sides if each.record]
    gone = [each.side for each in sides if each.record is None]
    if gone and told and any(_ties(story, each) for each in told):
        return f"it was carried, and is not in {gone[0]} any more"
    if gone and not told and any(link.ledger.kind in _READ for link in story.links):
        return "it was carried, and is on neither side any more"
    return _compared(story, told)


def _compared(story: Story, told: Sequence[Said]) -> str:
    """Whether two sides that are tied to each other say the same of the money."""
    pairs = [(link.billing, link.ledger) for link in story.links if not link.released]
    ends = tuple(each.record.ref for each in told if each.record)
    moneys = [_total(each.record) for each in told]
    if ends not in pairs or None in moneys or len(set(moneys)) <= 1:
        return "it is carried"
    words = ", ".join(
        f"{money} in {each.side}" for money, each in zip(moneys, told, strict=True)
    )
    return f"it was carried, and differs: total {words}"


def _ties(story: Story, said: Said) -> bool:
    """Whether what a side says is a record that is tied, or was until it was void."""
    ref = said.record.ref if said.record else None
    void = _is_void(said.record)
    live = [each for each in story.links if void or not each.released]
    return any(ref in (each.billing, each.ledger) for each in live)


def _is_void(record: Record | None) -> bool:
    return getattr(record, "status", None) is Status.VOID


def _total(record: Record | None) -> Money | None:
    """What a record is about, whatever was paid of it."""
    match record:
        case Settlement() | Invoice() | CreditNote():
            return Money(record.total, record.currency)
        case Payment():
            return Money(record.amount, record.currency)
    return None


_READ = ("Invoice", "CreditNote", "Customer", "Payment")
"""The kinds that are asked for by their ids: of others nobody can say they are gone."""


def _cause(row: IssueRow) -> str:
    """What is wrong, in the words of whoever said it."""
    issue = row.issue
    at = f" [{issue.field}]" if issue.field else ""
    return f"{issue.code.name}{at}: {issue.text or issue.advice.meaning}"


def _ended(run: Run) -> str:
    """How a run ended that ended early."""
    assert run.code is not None
    at = _when(run.ended_at or run.started_at)
    return f"the last run of {run.task} ended early at {at}: {run.code.name} {run.text}"


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
        yield row.issue.advice.retry.value
    for code in story.causes:
        if code.scope is Scope.CONNECTION:
            yield code.retry.value
    if story.ignored:
        yield "nothing, it is left alone until it changes"
    yield from _quiet(story)


def _quiet(story: Story) -> Iterator[str]:
    """What is next where nothing is wrong."""
    open_rows = story.issues or story.ignored or story.waiting
    if not story.known or open_rows or story.causes:
        return
    if story.links:
        yield "changes are carried in the next run"
    elif not story.reasons:
        yield "the next run whose window it falls into looks at it"


def _remedies(story: Story) -> Iterator[str]:
    for row in story.issues:
        yield from row.issue.advice.steps
        if row.issue.advice.retry is Retry.BY_HAND:
            yield f"then post it by hand once more, or ignore {row.id} to leave it alone"
        elif not row.issue.code.retryable:
            yield f"then retry {row.id}, or ignore {row.id} to leave it alone"
    for row in story.ignored:
        if row.issue.advice.retry is not Retry.BY_HAND:
            yield f"retry {row.id}, to try it all the same"
    for intent in story.waiting:
        if intent.stage is Stage.PARKED:
            yield (
                f"look over there, then: tieout answer {intent.name} --landed ID, "
                "or --not-there, or --ignore (in Python: engine.answer)"
            )
    for said in story.said:
        yield from said.advice.steps if said.advice else ()
    for run in story.stopped:
        yield from run.advice.steps if run.advice else ()


def left_alone(
    record: Any, side: str, *, carried: bool, asleep: Customer | None
) -> Iterator[str]:
    """
    By which rules a record that is tied to nothing is left alone, in words.

    ``carried``: whether records of its kind go from its side; ``asleep`` is its customer
    where that is not active and nothing new is brought over for such.
    """
    kind = Invoice if isinstance(record, Settlement) else type(record)
    status = getattr(record, "status", None)
    if not carried:
        yield f"by the settings, {kind.__name__} records do not go from {side}"
    elif status is Status.DRAFT:
        yield f"it is a draft in {side}, and is carried once it is final"
    elif status is Status.VOID:
        yield f"it was voided in {side} before it was carried"
    elif asleep is not None:
        name = asleep.number or asleep.name or asleep.ref.id
        yield (
            f"its customer {name} is not active, and nothing new is brought into billing "
            "for such: make the customer active, or set active_only=False, and sync once from a date"
        )


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


def told(event: Event) -> str:
    """One event in words."""
    what = WORDS.get(event.what, event.what)
    if event.kind is not None and event.target is not None:
        what = f"{event.kind.__name__.lower()} {what}: {_named(event.target)}"
    elif event.kind is not None:
        what = f"{event.kind.__name__.lower()} {what}"
    code = f" [{event.code.name}]" if event.code else ""
    return f"{what}{code} {event.text}".rstrip()


WORDS = {"proved absent": "was looked for and is not there yet"}
"""What happened, where its own word says little."""


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
        sorted(
            found.values(),
            key=lambda each: (each.at, each.fence, each.run, each.serial),
        )
    )
