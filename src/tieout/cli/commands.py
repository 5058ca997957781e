"""
What each command does: call the engine, show what came of it, and say it by the exit code.

0: all agrees, warnings included. 1: something is red. 2: it could not run.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from tieout import codec
from tieout.change import Issue
from tieout.cli import config, statement, tables
from tieout.cli.screen import Column, Screen
from tieout.engine import Engine
from tieout.errors import ConfigError, Severity
from tieout.models import CreditNote, Invoice, Payment, Settlement, visible
from tieout.plan import Plan, load, save, table
from tieout.report import Progress, Report, html_of
from tieout.schedule import Schedule
from tieout.store import IssueRow

AGREES, RED, COULD_NOT_RUN = 0, 1, 2

KINDS = ("payments", "invoices", "customers", "credit_notes")
"""What can be planned and synced, as the verbs of the engine are called."""

VERIFIED = {
    "levels": Settlement,
    "invoices": Invoice,
    "credit_notes": CreditNote,
    "payments": Payment,
}
"""What can be verified: levels are what was paid of each invoice."""

OFFICE = "office.py"
"""Under which name the small office is written."""

SHOWN_MAX = 50
"""Issues that are listed under a report; the rest is counted."""


def init(asked: Namespace, screen: Screen) -> int:
    """Write a commented file to begin with; never over one that is there."""
    path = Path(asked.config)
    if asked.demo:
        return _office(path, screen)
    _written(path, config.template())
    screen.say(f"Wrote {path}. Fill it in, then call: tieout check")
    return AGREES


def _office(path: Path, screen: Screen) -> int:
    """Write a file, and beside it the small office that it is about."""
    from tieout.testing import office  # noqa: PLC0415 - no other command needs it

    folder = path.parent
    books = [folder / name for name in (office.SHOP, office.BOOKS)]
    for each in (path, *books, folder / OFFICE):
        if each.exists():
            raise ConfigError(f"{each} is there already: it is left as it is")
    _written(path, tables.demo())
    _written(folder / OFFICE, Path(office.__file__).read_text("utf-8"))
    office.make(folder)
    names = ", ".join(str(each) for each in (path, *books))
    screen.say(f"Wrote {names} and {folder / OFFICE}. Look: python {OFFICE}")
    return AGREES


def _written(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path} is there already: it is left as it is") from None


def check(asked: Namespace, screen: Screen) -> int:
    """Both connections: reachable, signed in, permitted, and whose books they are."""
    with engine(asked) as made:
        found = made.check()
    if asked.json:
        _print(screen, {name: codec.dump(health) for name, health in found.items()})
    else:
        columns = [
            Column("Connection"),
            Column("Reachable"),
            Column("Signed in"),
            Column("Lacks"),
            Column("Company", optional=True),
        ]
        screen.table(
            columns,
            [
                (
                    name,
                    "yes" if health.reachable else "no",
                    "yes" if health.signed_in else "no",
                    ", ".join(health.missing) or "-",
                    (health.books.name if health.books else "") or "-",
                )
                for name, health in found.items()
            ],
        )
        for name, health in found.items():
            for note in health.notes:
                screen.say(f"{name}: {visible(note)}")
    return AGREES if all(health.ok for health in found.values()) else COULD_NOT_RUN


def plan(asked: Namespace, screen: Screen) -> int:
    """What a sync would do; nothing is written anywhere but to a file of yours."""
    with engine(asked) as made:
        make: Callable[..., Plan] = getattr(made, f"plan_{asked.what}")
        found = make(config.since(asked.since), **_named(asked))
        html = found.html(made.deep_link) if asked.html else ""
    if asked.out:
        save(found, asked.out)
        screen.say(f"Saved as {asked.out}. To carry it out: tieout apply {asked.out}")
    if asked.json:
        _print(screen, codec.dump(found.changes))
    else:
        screen.say(next(table(found)), indent=0)
        screen.plan(found, rows=None if asked.full else 20)
        _told(screen, found.issues)
    _page(screen, asked, html)
    red = any(each.severity is Severity.RED for each in found.issues)
    return RED if red else AGREES if found.complete else COULD_NOT_RUN


def apply(asked: Namespace, screen: Screen) -> int:
    """Carry out a saved plan, as far as its records are still as they were."""
    with engine(asked) as made:
        saved = load(asked.plan)
        with _telling(screen, asked, len(saved.changes)) as tell:
            report = made.apply(saved, on_progress=tell)
        return _shown(screen, asked, [report])


def sync(asked: Namespace, screen: Screen) -> int:
    """Carry what changed, of one kind or of all."""
    # What is named, or listed by hand, is chosen by that; the rest by when it changed.
    chosen = asked.only or asked.through or asked.what == "all"
    start = asked.since or ("" if chosen else "last-run")
    begin = config.since(start) if start else None
    with engine(asked) as made, _telling(screen, asked, 0) as tell:
        if asked.what == "all":
            reports = made.sync_now(*([begin] if begin else []), on_progress=tell)
        elif asked.through:
            through = config.since(asked.through)
            reports = (
                made.sync_invoices(through=through, **_named(asked), on_progress=tell),
            )
        else:
            carry: Callable[..., Report] = getattr(made, f"sync_{asked.what}")
            reports = (carry(begin, **_named(asked), on_progress=tell),)
        return _shown(screen, asked, reports)


def issues(asked: Namespace, screen: Screen) -> int:
    """What is open, who can put it right, and how; or what nobody has deciphered."""
    if asked.unknown:
        return _unknown(asked, screen)
    with engine(asked) as made:
        rows = list(made.issues(number=asked.number or "", ignored=asked.ignored))
    if asked.json:
        _print(screen, [{"id": row.id, **codec.dump(row)} for row in rows])
    else:
        _list(screen, rows)
    red = any(row.issue.severity is Severity.RED for row in rows)
    return RED if red and not asked.ignored else AGREES


def _unknown(asked: Namespace, screen: Screen) -> int:
    """Errors that no table knows, in clusters, the most frequent first."""
    with engine(asked) as made:
        found = made.unknown_errors()
    if asked.json:
        _print(screen, [codec.dump(each) for each in found])
    elif not found:
        screen.say("Nothing is unknown.")
    else:
        screen.table(
            [
                Column("Times", right=True),
                Column("System"),
                Column("Code"),
                Column("Last"),
                Column("Such as", optional=True),
            ],
            [
                (
                    str(each.count),
                    each.system or "-",
                    each.code.name,
                    f"{each.last_at:%Y-%m-%d}",
                    visible(", ".join(each.numbers)),
                )
                for each in found
            ],
        )
        for each in found[:SHOWN_MAX]:
            screen.say(f"{each.count}: {visible(each.example)}", hang=4)
    return AGREES


def retry(asked: Namespace, screen: Screen) -> int:
    """Carry the record of an issue once more."""
    with engine(asked) as made:
        return _shown(screen, asked, [made.retry(name) for name in asked.issue])


def ignore(asked: Namespace, screen: Screen) -> int:
    """Leave a record alone until it changes."""
    with engine(asked) as made:
        for name in asked.issue:
            made.ignore(name)
            screen.say(f"{name} is left alone until its record changes.")
    return AGREES


def why(asked: Namespace, screen: Screen) -> int:
    """Why a number is where it is."""
    with engine(asked) as made:
        story = made.why(asked.number)
    if asked.json:
        _print(screen, codec.dump(story))
    else:
        for line in str(story).splitlines():
            text = line.lstrip()
            screen.say(visible(text), indent=len(line) - len(text), hang=4)
    return RED if story.light is Severity.RED or not story.known else AGREES


def events(asked: Namespace, screen: Screen) -> int:
    """What happened, in order."""
    with engine(asked) as made:
        found = list(made.events(number=asked.number or "", run=asked.run_id or ""))
    if asked.json:
        _print(screen, [codec.dump(each) for each in found])
        return AGREES
    screen.table(
        [
            Column("When"),
            Column("What"),
            Column("Numbers"),
            Column("Text", optional=True),
        ],
        [
            (
                f"{each.at:%Y-%m-%d %H:%M}",
                each.what,
                visible(", ".join(each.numbers)),
                visible(each.text),
            )
            for each in found
        ],
    )
    return AGREES


def batches(asked: Namespace, screen: Screen) -> int:
    """What was done by hand and can be undone."""
    with engine(asked) as made:
        found = list(made.batches())
    if asked.json:
        _print(screen, [codec.dump(each) for each in found])
        return AGREES
    screen.table(
        [
            Column("Batch"),
            Column("Type"),
            Column("When"),
            Column("By"),
            Column("Invoices", right=True),
        ],
        [
            (
                each.id,
                each.type.value,
                f"{each.at:%Y-%m-%d %H:%M}",
                visible(each.by),
                str(len(each.members)),
            )
            for each in found
        ],
    )
    return AGREES


def undo(asked: Namespace, screen: Screen) -> int:
    """Take a batch back in billing; the ledger's documents stay."""
    with engine(asked) as made:
        return _shown(screen, asked, [made.undo(asked.batch)])


def verify(asked: Namespace, screen: Screen) -> int:
    """Both sides read to their end and compared, line by line."""
    first, last = (
        config.day(text) if text else None for text in (asked.first, asked.last)
    )
    with engine(asked) as made, _telling(screen, asked, 0) as tell:
        kinds = [VERIFIED[each] for each in asked.kind or ()]
        found = made.verify(first, last, kinds=kinds, on_progress=tell)
    if asked.json:
        screen.raw(found.to_json())
    else:
        statement.show(screen, found, full=asked.full)
    if asked.out:
        try:
            found.save(asked.out)
        except OSError as error:
            raise ConfigError(f"--out {asked.out}: {error.strerror}") from error
    if not found.complete:
        return COULD_NOT_RUN
    return AGREES if found.ok else RED


def schedule(asked: Namespace, screen: Screen) -> int:
    """Sync all that is switched on, every so many minutes, until it is interrupted."""
    every = config.minutes(asked.every)
    with engine(asked) as made:

        def work(stop: Callable[[], bool]) -> Sequence[Report]:
            reports = made.sync_now(stop=stop, retry=False)
            for report in reports:
                screen.say(str(report).splitlines()[0])
            return reports

        screen.say(f"Every {asked.every} minutes; Ctrl-C ends it cleanly.")
        with Schedule(work, every=every) as running:
            running.wait()
    return AGREES


# What they share --------------------------------------------------------------------------


def engine(asked: Namespace) -> Engine:
    """The engine of the file; raises `ConfigError` before a run whose file has no place."""
    for name in ("html", "out"):
        file = getattr(asked, name, None)
        if file and not Path(file).parent.is_dir():
            raise ConfigError(f"--{name} {file}: there is no such folder")
    return config.load(Path(asked.config)).engine()


def _named(asked: Namespace) -> dict[str, Any]:
    return {"only": asked.only} if asked.only else {}


def _telling(
    screen: Screen, asked: Namespace, total: int
) -> AbstractContextManager[Callable[[Progress], None] | None]:
    """A progress bar while records go by; nothing where a script reads along."""
    if asked.json:
        return nullcontext(None)
    return screen.records(total)


def _shown(screen: Screen, asked: Namespace, reports: Iterable[Report]) -> int:
    """What runs came to, and their exit code."""
    found = list(reports)
    if asked.json:
        _print(screen, [_plain(report) for report in found])
    for report in found if not asked.json else ():
        for line in str(report).splitlines():
            text = line.lstrip()
            screen.say(visible(text), indent=len(line) - len(text))
        _told(screen, list(report.issues))
    _page(screen, asked, html_of(found) if asked.html else "")
    if any(report.code and report.code.severity is Severity.RED for report in found):
        return COULD_NOT_RUN
    return AGREES if all(report.ok for report in found) else RED


def _told(screen: Screen, issues: Sequence[Issue]) -> None:
    """What could not be carried, or has to be known."""
    for issue in issues[:SHOWN_MAX]:
        screen.say(f"! {visible(str(issue))}", hang=4)
    if len(issues) > SHOWN_MAX:
        screen.say(f"... and {len(issues) - SHOWN_MAX} more: tieout issues")


def _page(screen: Screen, asked: Namespace, html: str) -> None:
    """Write a page, if one is wanted. Raises `ConfigError` where that is not possible."""
    if not asked.html:
        return
    try:
        Path(asked.html).write_text(html, "utf-8")
    except OSError as error:
        raise ConfigError(f"--html {asked.html}: {error.strerror}") from error
    if not asked.json:
        screen.say(f"Wrote {visible(asked.html)}: open it in a browser.")


def _plain(report: Report) -> dict[str, Any]:
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
        "issues": [codec.dump(issue) for issue in report.issues],
    }


def _list(screen: Screen, rows: Sequence[IssueRow]) -> None:
    """Issues as a table, and under it of each what to do, a step a line."""
    if not rows:
        screen.say("Nothing is open.")
        return
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


def _print(screen: Screen, value: Any) -> None:
    screen.raw(json.dumps(value, ensure_ascii=True, indent=2, default=str))
