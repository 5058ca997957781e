"""
The errors of each system as its page lists them: what it says, what that means, what to do.

Read from the connectors' own tables of rules and findings; nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tieout.connector import Rule
from tieout.errors import Code, Retry
from tieout.remedies import Remedies, Remedy, RemedyRow
from tieout.wire import Answer

AGAIN: Mapping[Retry, str] = {
    Retry.NEXT_RUN: "in the next run, by itself",
    Retry.READ_AGAIN: "read again in the next run",
    Retry.ON_CHANGE: "when the record, the settings or a mapping change, or by `retry`",
    Retry.PUT_RIGHT: "once a person has put the connection right",
    Retry.ANSWERED: "once a person has said what came of it",
}
"""When something is tried again, in a few words."""

THEN: Mapping[Answer, str] = {
    Answer.OK: "it is a good answer",
    Answer.WAIT: "it was not processed; asked again after a pause",
    Answer.SIGN_IN: "it was not processed; one new sign-in is tried",
    Answer.REFUSED: "it certainly had no effect",
    Answer.UNCLEAR: "a write may have had its effect: it is looked at first",
}

STATUSES_MAX = 5
"""More than these in one row are a connector's word for all the rest."""

HELP = ("Meaning", "Code", "Who", "What to do", "Tried again")
TITLES = ("Status", "Their code", "What it says", *HELP, "What is certain")
OUR_TITLES = ("What it says", *HELP)


def told(code: Code, remedy: Remedy) -> tuple[str, ...]:
    """What is told of an error, behind what it says."""
    link = f"[{code.name}](../errors.md#{code.name.lower()})"
    steps = " ".join(remedy.steps)
    return remedy.meaning, link, remedy.who.value, steps, AGAIN[remedy.retry]


def rules(table: Iterable[Rule]) -> Iterator[Sequence[str]]:
    """A row for each rule; rules that differ in their status alone are one."""
    merged: dict[tuple[str, ...], list[str]] = {}
    for rule in table:
        status = "any but 5xx" if rule.status is None else str(rule.status)
        code = f"`{rule.vendor_code}`" if rule.vendor_code else ""
        known = Remedies(known=[rule.row] if rule.row else [])
        remedy = known.of(rule.code, rule.says, rule.remedy)
        row = (code, rule.says, *told(rule.code, remedy), THEN[rule.answer])
        merged.setdefault(row, []).append(status)
    for row, statuses in merged.items():
        many = len(statuses) > STATUSES_MAX
        yield "other 4xx" if many else ", ".join(statuses), *row


def findings(table: Iterable[RemedyRow]) -> Iterator[Sequence[str]]:
    """A row for each thing that a connector itself finds wrong."""
    for row in table:
        code = row.code or Code.UNKNOWN_ERROR
        remedy = Remedies(known=[row]).of(code, row.says, row.words)
        yield row.says, *told(code, remedy)
