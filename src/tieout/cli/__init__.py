"""
The command line: ``tieout …``, how it is called and what its exit codes mean.

What a command does stands in `tieout.cli.commands`, how it looks in `tieout.cli.screen`.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

from tieout.cli.screen import Column, RichScreen, Screen, screen_of
from tieout.errors import TieoutError

__all__ = ["Column", "RichScreen", "Screen", "main", "screen_of"]

WRONG_CALL = 2
INTERRUPTED = 130
"""The exit codes that shells expect: argparse's own, and 128 and the signal's number."""


class _Version(argparse.Action):
    """Asked of the installed package only when somebody wants to know."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from tieout import __version__  # noqa: PLC0415

        sys.stdout.write(f"tieout {__version__}\n")
        parser.exit()


def _demo(arguments: argparse.Namespace, screen: Screen) -> int:
    """The demo; it imports the fakes, which no other command needs."""
    try:
        from tieout.testing import demo  # noqa: PLC0415

        return demo.run(screen)
    except KeyboardInterrupt:
        screen.say("Stopped. Nothing is left of the demo: its books were in memory.")
        return INTERRUPTED


def _help(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace, screen: Screen
) -> int:
    """No command: which ones there are."""
    parser.print_help()
    return WRONG_CALL


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tieout",
        description="Keep a billing system and an accounting ledger in agreement.",
        epilog="Exit codes: 0 all agrees, 1 something is red, 2 it could not run.",
    )
    parser.add_argument("--version", action=_Version)
    parser.set_defaults(run=partial(_help, parser))
    found = parser.add_subparsers(title="commands", metavar="command")
    for name, help_, arguments in COMMANDS:
        one = found.add_parser(name, help=help_, description=help_)
        one.add_argument("--config", default="tieout.toml", help="the file to go by")
        one.add_argument("--json", action="store_true", help="for another program")
        for names, options in arguments:
            one.add_argument(*names, **options)
        if name in ONE_OF:
            group = one.add_mutually_exclusive_group(required=True)
            for names, options in ONE_OF[name]:
                group.add_argument(*names, **options)
        one.set_defaults(run=partial(_command, name))
    demo = found.add_parser(
        "demo",
        help="two made-up companies' books on this computer, tied out before your eyes",
        description="Serve a made-up Xero and a made-up ConnectWise Manage on this "
        "computer, sync what was paid from one to the other, and compare the two.",
    )
    demo.set_defaults(run=_demo)
    return parser


def _command(name: str, asked: argparse.Namespace, screen: Screen) -> int:
    """One of the commands; what they need is imported for none but them."""
    from tieout.cli import commands  # noqa: PLC0415

    run: Callable[[argparse.Namespace, Screen], int] = getattr(commands, name)
    return run(asked, screen)


Argument: TypeAlias = tuple[tuple[str, ...], dict[str, Any]]

_ONLY: Argument = (
    ("--only",),
    {
        "action": "append",
        "metavar": "NUMBER",
        "help": "this record alone; may be given several times",
    },
)
_THROUGH: Argument = (
    ("--through",),
    {
        "default": "",
        "metavar": "DAY",
        "help": "of invoices, those that were not handed over through this day",
    },
)
_NUMBER: Argument = (("--number",), {"help": "of an invoice or other document"})
_PAGE: Argument = (
    ("--html",),
    {"metavar": "FILE", "help": "write a page for a browser as well"},
)
_ISSUES: Argument = (
    ("issue",),
    {"nargs": "+", "help": "the names that `tieout issues` lists"},
)
_WHAT = ("payments", "invoices", "customers", "credit_notes")
_START = "last-run, past-week, past-two-weeks, past-month, a day, or an instant"

COMMANDS: Sequence[tuple[str, str, Sequence[Argument]]] = (
    ("init", "write a commented tieout.toml to begin with", (
        (("--demo",), {"action": "store_true", "help": "for a small made-up office, which is written too"}),
    )),
    ("check", "are both sides reachable, signed in and permitted?", ()),
    ("plan", "what a sync would do; nothing is written", (
        (("what",), {"choices": _WHAT}),
        (("--since",), {"default": "", "help": f"{_START}; last-run where nothing is chosen"}),
        _THROUGH,
        _ONLY,
        (("--out",), {"metavar": "FILE", "help": "save it, for `tieout apply`"}),
        (("--full",), {"action": "store_true", "help": "every row"}),
        _PAGE,
    )),
    ("apply", "carry out a saved plan", ((("plan",), {"metavar": "FILE"}), _PAGE)),
    ("sync", "carry what changed", (
        (("what",), {"choices": (*_WHAT, "all")}),
        (("--since",), {"default": "", "help": f"{_START}; for all: of kinds that never ran"}),
        _THROUGH,
        _ONLY,
        _PAGE,
    )),
    ("issues", "what could not be carried, and what to do", (
        _NUMBER,
        (("--ignored",), {"action": "store_true", "help": "those that are left alone"}),
        (("--noted",), {"action": "store_true", "help": "what was carried, and differs still"}),
        (("--unknown",), {"action": "store_true", "help": "errors that nobody has deciphered, in clusters"}),
    )),
    ("retry", "carry the record of an issue once more", (_ISSUES, _PAGE)),
    ("ignore", "leave a record alone until it changes", (_ISSUES,)),
    ("parked", "writes of which nobody knows what came of them", ()),
    ("answer", "say what came of a parked write", (
        (("write",), {"metavar": "NAME", "help": "the name that `tieout parked` lists"}),
    )),
    ("why", "why a number is where it is", ((("number",), {}),)),
    ("events", "what happened, in order", (
        _NUMBER,
        (("--run",), {"dest": "run_id", "help": "of this run alone"}),
    )),
    ("batches", "what was done by hand and can be undone", ()),
    ("undo", "take a batch back in billing", ((("batch",), {}), _PAGE)),
    ("verify", "read both sides to their end: do the books agree?", (
        (("--first",), {"default": "", "metavar": "DAY", "help": "documents from this day on"}),
        (("--last",), {"default": "", "metavar": "DAY", "help": "and through this day"}),
        (("--kind",), {
            "action": "append",
            "choices": ("levels", "invoices", "credit_notes", "payments"),
            "help": "this kind alone; may be given several times",
        }),
        (("--out",), {"metavar": "FILE", "help": "save the certificate"}),
        (("--full",), {"action": "store_true", "help": "every difference"}),
        _PAGE,
    )),
    ("schedule", "sync all, again and again", (
        (("--every",), {"default": "60", "metavar": "MINUTES"}),
    )),
)  # fmt: skip
"""Each command, what it is for, and its arguments besides --config and --json."""

ONE_OF: Mapping[str, Sequence[Argument]] = {
    "answer": (
        (("--landed",), {"metavar": "ID", "help": "it made the document of this id"}),
        (("--not-there",), {"action": "store_true", "help": "it did not: send it again"}),
        (("--ignore",), {"action": "store_true", "help": "leave it alone until the record changes"}),
    ),
}  # fmt: skip
"""Arguments of which exactly one is given."""

QUIET = logging.NullHandler()
"""What is logged is for who asks for it; what a person has to know is printed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. The exit code: 0 all agrees, 1 something is red, 2 no run."""
    asked = _parser().parse_args(arguments)
    # Without any handler, Python would print warnings among what is said here.
    logging.getLogger("tieout").addHandler(QUIET)
    run: Callable[[argparse.Namespace, Screen], int] = asked.run
    screen = screen_of(sys.stdout)
    try:
        return run(asked, screen)
    except KeyboardInterrupt:
        screen.say("Stopped.")
        return INTERRUPTED
    except BrokenPipeError:
        # Who was reading went away (``tieout demo | head``): no one is left to be told,
        # and the interpreter must not fail at its own last flush.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except TieoutError as error:
        sys.stderr.write(f"tieout: {as_typed(str(error))}\n")
        return WRONG_CALL


def as_typed(text: str) -> str:
    """A message in which a start is named as it is typed here, and not as in Python."""
    return re.sub(
        r"\bSince\.([A-Z_]+)",
        lambda found: f"--since {found[1].lower().replace('_', '-')}",
        text,
    )
