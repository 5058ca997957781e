"""
What the pages show of the command line is run: each command, in order, word for word.

The ``console`` blocks of a page share one folder that is empty at first. All is run in this
process, on one clock, so that the times of a page stay as they are. A block marked
``console notest`` is not run.
"""

from __future__ import annotations

import runpy
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from attrs import define, frozen

from test_docs import BLOCKS, Block
from tieout import cli
from tieout.clock import SystemClock

CONSOLE = "console"
BEGIN = datetime(2026, 3, 9, 9, tzinfo=UTC)
BETWEEN = timedelta(minutes=10)
"""Between two commands: nobody reads faster, and it is longer than a run reaches back."""

WIDTH = "80"
"""Columns of the terminal on the pages."""

PAGES = sorted({block.page for block in BLOCKS if block.info == CONSOLE})


@frozen
class Step:
    """A command as it is typed, where it stands, and what it prints."""

    where: str
    command: str
    printed: list[str]


def steps(block: Block) -> Iterator[Step]:
    """The commands of a block; what stands above the first one is of none."""
    command, at, printed = "", 0, list[str]()
    for number, line in enumerate(block.text.splitlines(), block.line):
        if not line.startswith("$ "):
            printed.append(line.rstrip())
            continue
        if command or printed:
            yield Step(f"{block.page.name}:{at}", command, printed)
        command, at, printed = line[2:].strip(), number, []
    yield Step(f"{block.page.name}:{at}", command, printed)


@define
class Terminal:
    """Where commands are typed; after each some time passes."""

    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    now: datetime = BEGIN
    code: int = 0
    """The exit code of the last command."""

    def typed(self, command: str) -> list[str]:
        """The lines that a command prints."""
        name, *rest = shlex.split(command)
        if name == "echo":
            assert rest == ["$?"], command
            return [str(self.code)]
        run: dict[str, Callable[[Sequence[str]], int]] = {
            "tieout": self._tieout,
            "python": self._python,
        }
        self.code = run[name](rest)
        self.now += BETWEEN
        told = self.capsys.readouterr()
        return [line.rstrip() for line in (told.out + told.err).splitlines()]

    def _tieout(self, arguments: Sequence[str]) -> int:
        with self.monkeypatch.context() as patched:
            patched.setattr(SystemClock, "now", lambda _: self.now)
            return cli.main(arguments)

    def _python(self, arguments: Sequence[str]) -> int:
        with self.monkeypatch.context() as patched:
            patched.setattr(sys, "argv", list(arguments))
            patched.setattr(time, "gmtime", self.now.timetuple)
            runpy.run_path(arguments[0], run_name="__main__")
        return 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_typed_on_a_page_prints_what_stands_there(
    page: object,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From an empty folder, in the order of the page, nothing left out."""
    monkeypatch.chdir(tmp_path_factory.mktemp("office"))
    monkeypatch.setenv("COLUMNS", WIDTH)
    terminal = Terminal(capsys, monkeypatch)
    found = [
        step
        for block in BLOCKS
        if block.page == page and block.info == CONSOLE
        for step in steps(block)
    ]
    for step in found:
        assert step.command, f"{step.where}: output of no command"
        assert terminal.typed(step.command) == step.printed, step.where


def test_the_tutorial_goes_all_the_way() -> None:
    """From the first file to the proof that the books agree."""
    typed = [
        step.command.split()[1]
        for block in BLOCKS
        if block.page.name == "tutorial.md" and block.info == CONSOLE
        for step in steps(block)
        if step.command.startswith("tieout ")
    ]
    way = ["init", "check", "plan", "sync", "why", "retry", "verify"]
    assert [name for name in dict.fromkeys(typed) if name in way] == way
