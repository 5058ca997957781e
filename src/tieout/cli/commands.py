"""
What each command does: call the engine, show what came of it, and say it by the exit code.

0: all agrees, warnings included. 1: something is red. 2: it could not run.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

from tieout.answers import Landed, PersonsAnswer, Reply
from tieout.cli import config, printed, statement, tables
from tieout.cli.printed import AGREES, COULD_NOT_RUN, RED
from tieout.cli.screen import Column, Screen
from tieout.engine import Engine, this_user
from tieout.errors import ConfigError, Severity, TieoutError
from tieout.models import CreditNote, Invoice, Payment, Settlement, visible
from tieout.plan import Plan, load, save, table
from tieout.report import Progress, Report
from tieout.schedule import Schedule

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


def init(asked: Namespace, screen: Screen) -> int:
    """Write a commented file to begin with; never over one that is there."""
    path = Path(asked.config)
    if asked.demo:
        return _office(asked, path, screen)
    _written(path, config.template())
    if asked.json:
        printed.put(screen, {"wrote": [str(path)]})
    else:
        screen.say(f"Wrote {path}. Fill it in, then call: tieout check")
    return AGREES


def _office(asked: Namespace, path: Path, screen: Screen) -> int:
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
    names = [str(each) for each in (path, *books, folder / OFFICE)]
    if asked.json:
        printed.put(screen, {"wrote": names})
    else:
        told = f"{', '.join(names[:-1])} and {names[-1]}"
        screen.say(f"Wrote {told}. Look: python {OFFICE}")
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
        printed.put(
            screen, {name: printed.plain(health) for name, health in found.items()}
        )
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
            if health.missing and health.code:
                screen.say(f"{name}: {health.code.name}. {health.code.remedy}", hang=4)
    return AGREES if all(health.ok for health in found.values()) else COULD_NOT_RUN


def plan(asked: Namespace, screen: Screen) -> int:
    """What a sync would do; nothing is written anywhere but to a file of yours."""
    start, named = _chosen(asked)
    with engine(asked) as made:
        make: Callable[..., Plan] = getattr(made, f"plan_{asked.what}")
        found = make(*start, **named)
        html = found.html(made.deep_link) if asked.html else ""
    if asked.out:
        save(found, asked.out)
    if asked.json:
        printed.put(screen, printed.plain_plan(found))
    else:
        if asked.out:
            screen.say(
                f"Saved as {asked.out}. To carry it out: tieout apply {asked.out}"
            )
        screen.say(next(table(found)), indent=0)
        screen.plan(found, rows=None if asked.full else 20)
        printed.complain(screen, found.issues)
    printed.write_page(screen, asked, html)
    red = any(each.severity is Severity.RED for each in found.issues)
    return RED if red else AGREES if found.complete else COULD_NOT_RUN


def apply(asked: Namespace, screen: Screen) -> int:
    """Carry out a saved plan, as far as its records are still as they were."""
    with engine(asked) as made:
        saved = load(asked.plan)
        with _telling(screen, asked, len(saved.changes)) as tell:
            report = made.apply(saved, on_progress=tell)
        return printed.show(screen, asked, [report])


def sync(asked: Namespace, screen: Screen) -> int:
    """Carry what changed, of one kind or of all."""
    start, named = _chosen(asked)
    if asked.through:
        named["by"] = this_user()
    with engine(asked) as made, _telling(screen, asked, 0) as tell:
        if asked.what == "all":
            reports = made.sync_now(*start, on_progress=tell)
        else:
            carry: Callable[..., Report] = getattr(made, f"sync_{asked.what}")
            reports = (carry(*start, **named, on_progress=tell),)
        return printed.show(screen, asked, reports)


def _chosen(asked: Namespace) -> tuple[list[Any], dict[str, Any]]:
    """
    Which records are meant: a start, if one is given, and what names them.

    Raises `ConfigError` for what would be passed over.
    """
    if asked.what == "all" and (asked.only or asked.through):
        raise ConfigError(
            "`all` goes by --since alone: name a kind for --only or --through, "
            "such as: tieout sync payments --only INV-1"
        )
    if asked.through and asked.what != "invoices":
        raise ConfigError(
            "--through hands invoices over, through a day: it is for `invoices`, and "
            f"{asked.what} go by --since or --only"
        )
    if asked.since and (asked.only or asked.through):
        raise ConfigError(
            "--since is one way to choose, --only and --through another: give one"
        )
    named: dict[str, Any] = {}
    if asked.through:
        named["through"] = config.day(asked.through)
    if asked.only:
        named["only"] = asked.only
    usual = "" if named or asked.what == "all" else "last-run"
    start = asked.since or usual
    return [config.since(start)] if start else [], named


def issues(asked: Namespace, screen: Screen) -> int:
    """What is open, who can put it right, and how; or what nobody has deciphered."""
    if asked.unknown:
        return _unknown(asked, screen)
    if asked.ignored and asked.noted:
        raise ConfigError("--ignored and --noted are two lists: give one")
    aside = asked.ignored or asked.noted
    chosen = {"number": asked.number or "", "ignored": asked.ignored}
    with engine(asked) as made:
        rows = list(made.issues(**chosen, noted=asked.noted))
        noted = 0 if aside or asked.number else made.standing().noted
    if asked.json:
        printed.put(screen, [printed.plain_row(row) for row in rows])
    else:
        if rows:
            printed.list_issues(screen, rows)
        else:
            screen.say(f"Nothing is {_LISTS[asked.ignored, asked.noted]}.")
        if noted:
            more = "1 record was" if noted == 1 else f"{noted:,} records were"
            screen.say(f"{more} carried and differ still: tieout issues --noted")
    red = any(row.issue.severity is Severity.RED for row in rows)
    return RED if red and not aside else AGREES


_LISTS = {
    (False, False): "open",
    (True, False): "left alone",
    (False, True): "noted",
}
"""What the lists of issues are of, by whether the ignored and the noted ones are asked for."""


def _unknown(asked: Namespace, screen: Screen) -> int:
    """Errors that no table knows, in clusters, the most frequent first."""
    with engine(asked) as made:
        found = made.unknown_errors()
    if asked.json:
        printed.put(screen, [printed.plain(each) for each in found])
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
        for each in found[: printed.SHOWN_MAX]:
            screen.say(f"{each.count}: {visible(each.example)}", hang=4)
    return AGREES


def retry(asked: Namespace, screen: Screen) -> int:
    """Carry the record of an issue once more."""
    reports: list[Report] = []
    with engine(asked) as made:
        try:
            for name in _looked_up(made, asked.issue):
                # What one record needs may close the issue of another.
                if not reports or name in _names(made):
                    reports.append(made.retry(name, by=this_user()))
        except TieoutError:
            if reports:
                printed.show(screen, asked, reports)
            raise
        return printed.show(screen, asked, reports)


def ignore(asked: Namespace, screen: Screen) -> int:
    """Leave a record alone until it changes."""
    with engine(asked) as made:
        names = _looked_up(made, asked.issue)
        for name in names:
            made.ignore(name, by=this_user())
    if asked.json:
        printed.put(screen, [{"id": name, "ignored": True} for name in names])
        return AGREES
    for name in names:
        screen.say(
            f"{name} is left alone until its record changes. To take it up again: "
            f"tieout retry {name}"
        )
    return AGREES


def parked(asked: Namespace, screen: Screen) -> int:
    """The writes of which a person is asked what came of them."""
    with engine(asked) as made:
        found = made.parked()
    if asked.json:
        printed.put(screen, [printed.plain(each) for each in found])
    elif found:
        printed.list_parked(screen, found)
    else:
        screen.say("Nobody is asked anything.")
    return RED if found else AGREES


def answer(asked: Namespace, screen: Screen) -> int:
    """Say what came of a parked write; the next run goes on with it."""
    reply: PersonsAnswer = Reply.IGNORE if asked.ignore else Reply.NOT_THERE
    if asked.landed is not None:
        reply = Landed(asked.landed)
    with engine(asked) as made:
        made.answer(asked.write, reply, by=this_user())
    told = f"it made {asked.landed}" if isinstance(reply, Landed) else reply.value
    if asked.json:
        printed.put(screen, {"write": asked.write, "answer": told})
    else:
        screen.say(visible(f"{asked.write}: {told}. The next sync goes on with it."))
    return AGREES


def why(asked: Namespace, screen: Screen) -> int:
    """Why a number is where it is."""
    with engine(asked) as made:
        story = made.why(asked.number)
    if asked.json:
        printed.put(screen, printed.plain(story))
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
        printed.put(screen, [printed.plain(each) for each in found])
    else:
        printed.list_events(screen, found)
    return AGREES


def batches(asked: Namespace, screen: Screen) -> int:
    """What was done by hand and can be undone."""
    with engine(asked) as made:
        found = list(made.batches())
    if asked.json:
        printed.put(screen, [printed.plain(each) for each in found])
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
        return printed.show(screen, asked, [made.undo(asked.batch, by=this_user())])


def verify(asked: Namespace, screen: Screen) -> int:
    """Both sides read to their end and compared, line by line."""
    first, last = (
        config.day(text) if text else None for text in (asked.first, asked.last)
    )
    with engine(asked) as made, _telling(screen, asked, 0) as tell:
        kinds = [VERIFIED[each] for each in asked.kind or ()]
        found = made.verify(first, last, kinds=kinds, on_progress=tell)
        html = found.html(made.deep_link) if asked.html else ""
    if asked.json:
        screen.raw(found.to_json())
    else:
        statement.show(screen, found, full=asked.full)
    if asked.out:
        try:
            found.save(asked.out)
        except OSError as error:
            raise ConfigError(f"--out {asked.out}: {error.strerror}") from error
    printed.write_page(screen, asked, html)
    if not found.complete:
        return COULD_NOT_RUN
    return AGREES if found.ok else RED


def schedule(asked: Namespace, screen: Screen) -> int:
    """
    Sync all that is switched on, every so many minutes, until it is interrupted.

    The exit code is that of the last run.
    """
    every = config.minutes(asked.every)
    last: list[Report] = []
    with engine(asked) as made:

        def work(stop: Callable[[], bool]) -> Sequence[Report]:
            last[:] = made.sync_now(stop=stop, retry=False)
            if asked.json:  # a run a line: a stream has no end to wait for
                told = [printed.plain_report(report) for report in last]
                screen.raw(json.dumps(told, ensure_ascii=True, default=str))
            else:
                printed.say(screen, last)
            return last

        if not asked.json:
            screen.say(f"Every {asked.every} minutes; Ctrl-C ends it cleanly.")
        with Schedule(work, every=every) as running, suppress(KeyboardInterrupt):
            running.wait()
    return AGREES if all(report.ok for report in last) else RED


# What they share --------------------------------------------------------------------------


def engine(asked: Namespace) -> Engine:
    """The engine of the file; raises `ConfigError` before a run whose file has no place."""
    for name in ("html", "out"):
        file = getattr(asked, name, None)
        if file and not Path(file).parent.is_dir():
            raise ConfigError(f"--{name} {file}: there is no such folder")
    return config.load(Path(asked.config)).engine()


def _telling(
    screen: Screen, asked: Namespace, total: int
) -> AbstractContextManager[Callable[[Progress], None] | None]:
    """A progress bar while records go by; nothing where a script reads along."""
    if asked.json:
        return nullcontext(None)
    return screen.records(total)


def _names(made: Engine) -> set[str]:
    """The issues that can be taken up by name: those that are open or left alone."""
    return {row.id for each in (False, True) for row in made.issues(ignored=each)}


def _looked_up(made: Engine, names: Sequence[str]) -> list[str]:
    """Names of issues, each once. Raises `ConfigError` for one of none, before any is used."""
    known = _names(made)
    if unknown := [name for name in names if name not in known]:
        told = ", ".join(repr(name) for name in unknown)
        raise ConfigError(
            f"there is no issue {told}: it may have been closed; nothing was done"
        )
    return list(dict.fromkeys(names))
