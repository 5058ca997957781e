"""
What is noted of a record: one row, in words that people read.

Pure: nothing here stores a row or knows of a run.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from attrs import evolve

from tieout.change import Change, Issue, Outcome
from tieout.errors import Code, Severity
from tieout.models import Ref
from tieout.store import Fact, Gone, Held, Intent, IssueRow, key_of


def when(moment: datetime | None) -> str:
    """A moment as people read it."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "later"


def about(source: Ref) -> str:
    """What an issue row is about."""
    return key_of(source.connection, source.kind, source.id)


def issue_of(change: Change, code: Code, text: str, *, blocking: bool = True) -> Issue:
    """The issue of a record of which a change could not be carried out, or of a word on it."""
    return Issue(
        code,
        change.source,
        change.numbers,
        text=text,
        blocking=blocking,
        basis=change.agreed,
        within=change.within,
    )


def unknown_of(intent: Intent, text: str, *, basis: str = "") -> Issue:
    """The issue of a record of which it is not known what became of a write."""
    return Issue(
        Code.OUTCOME_UNKNOWN,
        intent.source,
        intent.numbers,
        text=text,
        basis=basis,
        within=intent.within,
        connection=intent.connection,
    )


def nameless(issue: Issue) -> str:
    """What an issue is about whose record could not even be identified."""
    return key_of("?", *issue.numbers, issue.text[:200])


def same(row: IssueRow | None, issue: Issue) -> bool:
    """Whether a row already says this, of the same state of the record."""
    return (
        row is not None
        and row.issue.code is issue.code
        and row.issue.basis == issue.basis
        and row.issue.text == issue.text
    )


def asks(row: IssueRow) -> bool:
    """Whether a row asks a person what became of a write."""
    return row.held is Held.OPEN and row.issue.code is Code.PARKED


def noted(change: Change, outcome: Outcome) -> list[Issue]:
    """What the other side's answer adds that is worth a word."""
    return [
        issue_of(change, code, outcome.text, blocking=False)
        for code in outcome.notes
        if code.severity is not Severity.GREEN
    ]


def as_one(notes: Iterable[Issue]) -> list[Issue]:
    """
    What there is to say of a record in one note, the worst of it first; none for nothing.

    A record has one row: what is less must not hide that its money differs.
    """
    worst = sorted(notes, key=lambda each: each.severity is not Severity.RED)
    several = list({(each.code, each.text): each for each in worst}.values())
    if len(several) <= 1:
        return several
    first, *others = several
    texts = [first.text or first.code.meaning]
    texts += [f"{e.code.meaning.rstrip('.')}: {e.text}".rstrip(": ") for e in others]
    steps = dict.fromkeys(each.remedy or each.code.remedy for each in several)
    return [evolve(first, text=" ".join(texts), remedy=" ".join(steps))]


def one_row_each(facts: Iterable[Fact | Gone]) -> list[Fact | Gone]:
    """
    Each issue row once: where two are about one record, the blocking one wins, and of
    those the one that asks a person something.
    """
    rows: dict[str, IssueRow] = {}
    others: list[Fact | Gone] = []
    for fact in facts:
        if not isinstance(fact, IssueRow):
            others.append(fact)
        elif fact.about not in rows or (
            fact.held is Held.OPEN and not asks(rows[fact.about])
        ):
            rows[fact.about] = fact
    return [*others, *rows.values()]
