"""
What runs, plans and issues look like: on the screen, as a page, and to another program.

It asks no engine and decides nothing but the exit code; `tieout.cli.commands` does.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tieout import codec
from tieout.change import Issue
from tieout.cli.screen import Column, Screen
from tieout.errors import ConfigError, Severity
from tieout.models import visible
from tieout.plan import Plan
from tieout.report import Report, html_of
from tieout.store import SEPARATOR, Event, Intent, IssueRow
from tieout.story import told

AGREES, RED, COULD_NOT_RUN = 0, 1, 2

SHOWN_MAX = 50
"""Issues that are listed under a report; the rest is counted."""


# On the screen ------------------------------------------------------------------------


def show(screen: Screen, asked: Namespace, reports: Iterable[Report]) -> int:
    """What runs came to, and their exit code."""
    found = list(reports)
    if asked.json:
        put(screen, [plain_report(report) for report in found])
    else:
        say(screen, found)
    write_page(screen, asked, html_of(found) if asked.html else "")
    return exit_code(found)


def say(screen: Screen, reports: Iterable[Report]) -> None:
    """What runs came to, for people."""
    for report in reports:
        for line in str(report).splitlines():
            text = line.lstrip()
            screen.say(visible(text), indent=len(line) - len(text))
        complain(screen, list(report.issues))


def exit_code(reports: Sequence[Report]) -> int:
    """What a shell is told of some runs."""
    if any(report.code and report.code.severity is Severity.RED for report in reports):
        return COULD_NOT_RUN
    return AGREES if all(report.ok for report in reports) else RED


def complain(screen: Screen, issues: Sequence[Issue]) -> None:
    """What could not be carried, or has to be known; `!` stands before what is red."""
    for issue in issues[:SHOWN_MAX]:
        name = f"{issue.id}: " if issue.id else ""
        screen.say(f"{issue.severity.sign} {name}{visible(str(issue))}", hang=4)
    if len(issues) > SHOWN_MAX:
        screen.say(f"... and {len(issues) - SHOWN_MAX} more: tieout issues")


def write_page(screen: Screen, asked: Namespace, html: str) -> None:
    """Write a page, if one is wanted. Raises `ConfigError` where that is not possible."""
    if not asked.html:
        return
    try:
        Path(asked.html).write_text(html, "utf-8")
    except OSError as error:
        raise ConfigError(f"--html {asked.html}: {error.strerror}") from error
    if not asked.json:
        screen.say(f"Wrote {visible(asked.html)}: open it in a browser.")


def list_issues(screen: Screen, rows: Sequence[IssueRow]) -> None:
    """Issues as a table, and under it of each what to do, a step a line."""
    screen.table(
        [
            Column("Issue"),
            Column("Light"),
            Column("Numbers"),
            Column("What"),
            Column("Who"),
            Column("Since", optional=True),
        ],
        [
            (
                row.id,
                row.issue.severity.value,
                visible(", ".join(row.issue.numbers)),
                row.issue.code.name,
                row.issue.advice.who.value,
                f"{row.first_at:%Y-%m-%d}",
            )
            for row in rows
        ],
    )
    for row in rows[:SHOWN_MAX]:
        screen.say(f"{row.id}: {visible(row.issue.headline)}", hang=4)
        for step in row.issue.advice.steps:
            screen.say(f"{row.issue.advice.who.value}: {visible(step)}", indent=6)


def list_events(screen: Screen, events: Iterable[Event]) -> None:
    """What happened, in the words of a story."""
    screen.table(
        [Column("When"), Column("Numbers"), Column("What", wraps=True)],
        [
            (
                f"{each.at:%Y-%m-%d %H:%M}",
                visible(", ".join(each.numbers)) or "-",
                visible(told(each)),
            )
            for each in events
        ],
    )


def list_parked(screen: Screen, writes: Iterable[Intent]) -> None:
    """The writes that a person is asked about, and below each how it is answered."""
    for write in writes:
        what = f"{write.action.value} of {write.kind.__name__.lower()} {write.number}"
        why = f" ({write.doubt.value})" if write.doubt else ""
        screen.say(visible(f"{what} in {write.connection}{why}: {write.text}"), hang=4)
        if write.candidates:
            there = ", ".join(ref.id for ref in write.candidates)
            screen.say(visible(f"there may be: {there}"), indent=6)
        screen.say(f"tieout answer {write.name} --landed ID", indent=6)
        screen.say("or: --not-there, --ignore", indent=6)


# To another program -------------------------------------------------------------------


def put(screen: Screen, value: Any) -> None:
    """A value as JSON, and nothing beside it."""
    screen.raw(json.dumps(value, ensure_ascii=True, indent=2, default=str))


def plain(value: Any) -> Any:
    """A value as plain ones; a pair by the names of its two sides."""
    return _sides(codec.dump(value))


def _sides(data: Any) -> Any:
    if isinstance(data, list | tuple):
        return [_sides(each) for each in data]
    if not isinstance(data, Mapping):
        return data
    found = {key: _sides(value) for key, value in data.items()}
    pair = found.get("pair")
    if not isinstance(pair, str) or SEPARATOR not in pair:
        return found
    del found["pair"]
    billing, _, ledger = pair.partition(SEPARATOR)
    # A tie has records of these names.
    return {"billing": billing, "ledger": ledger, **found}


def plain_issue(issue: Issue, name: str = "") -> dict[str, Any]:
    """An issue as plain values: with the name that `retry` takes, and its light."""
    known = {"id": name or issue.id, "severity": issue.severity.value}
    return {**plain(issue), **known}


def plain_row(row: IssueRow) -> dict[str, Any]:
    """An issue that is on record, as plain values."""
    issue = plain_issue(row.issue, row.id)
    return {"id": row.id, **plain(row), "issue": issue}


def plain_plan(plan: Plan) -> dict[str, Any]:
    """A plan as plain values: all that is printed of it."""
    return {
        "complete": plan.complete,
        "counts": {action.name.lower(): n for action, n in plan.counts.items()},
        "changes": [plain(change) for change in plan.changes],
        "issues": [plain_issue(issue) for issue in plan.issues],
        "effects": {
            effect.value: {name: str(money.amount) for name, money in sums.items()}
            for effect, sums in plan.effects.items()
        },
        "calls": dict(plan.calls),
    }


def plain_report(report: Report) -> dict[str, Any]:
    """A report as plain values."""
    return {
        "run": report.run,
        "verb": report.verb,
        "window": report.window,
        "ending": report.ending.value,
        "ok": report.ok,
        "counts": dict(report.counts),
        "totals": {name: str(money.amount) for name, money in report.totals.items()},
        "code": report.code.name if report.code else None,
        "text": report.text,
        "batch": report.batch,
        "issues": [plain_issue(issue) for issue in report.issues],
    }
