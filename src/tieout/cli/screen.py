"""
The screen that the commands write to: plain text, aligned; prettier where rich is there.

It knows nothing of what the commands do.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import TextIO

from attrs import frozen

from tieout.effects import summed
from tieout.listing import ROWS, WIDTH, costs, groups, sums
from tieout.models import visible
from tieout.plan import Plan
from tieout.report import Progress

WIDTH_MAX = 80
"""A line of text that is longer reads badly, however wide the terminal is."""

WIDTH_MIN = 20
"""Narrower than this, the terminal may break the lines itself."""

GAP = 2
"""Blanks between two columns."""

PLAINER = str.maketrans({"→": ">", "…": "...", "─": "-"})
"""For a terminal or file whose encoding has no more than ASCII."""


@frozen
class Column:
    """
    One column of a table.

    An ``optional`` one is left out where there is no room; one that ``wraps``, the last of
    its table, goes on in further lines.
    """

    title: str
    right: bool = False
    optional: bool = False
    wraps: bool = False


Tell = Callable[[int], None]


class Screen:
    """
    What a command writes to: plain text, aligned, without colour.

    ``width`` is the terminal's where it is not given, 80 where there is none.
    """

    def __init__(self, file: TextIO, *, width: int | None = None) -> None:
        self._file = file
        self.width = width or shutil.get_terminal_size((WIDTH_MAX, 24)).columns
        try:
            "→…".encode(file.encoding or "ascii")
            self._plainer = False
        except (UnicodeEncodeError, LookupError):
            self._plainer = True

    def heading(self, text: str) -> None:
        """The beginning of a part."""
        self._styled("", "")
        self.say(text, style="bold", indent=0, hang=3)

    def say(
        self, text: str, *, style: str = "", indent: int = GAP, hang: int = 0
    ) -> None:
        """A paragraph; its further lines begin by ``hang`` more to the right."""
        wrapped = textwrap.fill(
            text,
            max(WIDTH_MIN, min(self.width, WIDTH_MAX)),
            initial_indent=" " * indent,
            subsequent_indent=" " * (indent + hang),
            break_on_hyphens=False,
            break_long_words=False,
        )
        self._styled(wrapped, style)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
        """Rows under their titles; optional columns go where there is no room."""
        columns, kept = self._fitting(columns, list(rows))
        if columns[-1].wraps:
            kept = [line for row in kept for line in self._wrapped(row, columns, kept)]
        widths = _widths(columns, kept)
        titles = [column.title for column in columns]
        rule = ["─" * width for width in widths]
        for style, row in (
            ("bold", titles),
            ("dim", rule),
            *(("", row) for row in kept),
        ):
            cells = [
                cell.rjust(width) if column.right else cell.ljust(width)
                for cell, width, column in zip(row, widths, columns, strict=True)
            ]
            self._styled(f"{' ' * GAP}{(' ' * GAP).join(cells).rstrip()}", style)

    def plan(self, plan: Plan, rows: int | None = ROWS) -> None:
        """
        The changes of a plan in groups, what they come to, and the calls they will cost.

        As the plan prints itself, in less room where there is less; without its issues.
        """
        width = max(WIDTH_MIN, min(self.width, WIDTH))
        effects, left_out = summed(plan.changes)
        before = ""
        for line in (
            *groups(plan.changes, rows=rows, width=width),
            *sums(effects, left_out, width=width),
            *costs(plan.calls, width=width),
        ):
            self._styled(line, "" if before else "bold")  # a title follows a blank
            before = line

    def raw(self, text: str) -> None:
        """Text for another program: as it is."""
        self._write(f"{text}\n")

    @contextmanager
    def records(self, total: int) -> Iterator[Callable[[Progress], None]]:
        """Call what it gives with each record's outcome; how many there are may be open."""
        live, done = self._file.isatty(), 0

        def tell(row: Progress) -> None:
            nonlocal done
            done = row.done
            if live:
                of = f" of {total}" if total else ""
                name = visible(row.number or row.text)
                self._write(f"\r{' ' * GAP}{done}{of} {name[:40]:40}")

        yield tell
        if live and done:
            self._write("\r" + " " * min(self.width - 1, WIDTH_MAX) + "\r")

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Tell]:
        """Call what it gives with how many of ``total`` are done, as often as you like."""
        live, shown = self._file.isatty(), 0
        self._write(f"{' ' * GAP}{label} ")

        def tell(done: int) -> None:
            nonlocal shown
            # A file and a pipe keep every line: a mark for each quarter is enough there.
            if live:
                self._write(f"\r{' ' * GAP}{label} {done} of {total}")
            elif done * 4 // max(total, 1) > shown * 4 // max(total, 1) < 3:  # noqa: PLR2004
                self._write(f"{done} … " if done < total else "")
                shown = done

        try:
            yield tell
            self._write("" if live else f"{total} of {total}")
        finally:
            self._write("\n")

    def _fitting(
        self, columns: Sequence[Column], rows: Sequence[Sequence[str]]
    ) -> tuple[list[Column], list[list[str]]]:
        """As many columns as there is room for, the last optional ones given up first."""
        kept = list(range(len(columns)))
        spare = [at for at in kept if columns[at].optional]
        whole = _widths(columns, rows)
        while spare and sum(whole[at] + GAP for at in kept) > self.width:
            kept.remove(spare.pop())
        return [columns[at] for at in kept], [[row[at] for at in kept] for row in rows]

    def _wrapped(
        self,
        row: Sequence[str],
        columns: Sequence[Column],
        rows: Sequence[Sequence[str]],
    ) -> list[list[str]]:
        """A row in as many lines as its last cell needs, in the room that is left for it."""
        *others, last = row
        taken = sum(_widths(columns, rows)[:-1]) + GAP * len(row)
        room = max(WIDTH_MIN, min(self.width, WIDTH_MAX) - taken)
        first, *more = textwrap.wrap(last, room, break_on_hyphens=False) or [""]
        return [[*others, first], *([*[""] * len(others), line] for line in more)]

    def _styled(self, text: str, style: str) -> None:
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        if self._plainer:
            encoding = self._file.encoding or "ascii"
            shown = text.translate(PLAINER).encode(encoding, "replace")
            text = shown.decode(encoding)
        self._file.write(text)
        self._file.flush()


class RichScreen(Screen):
    """The same with rich: colours and a bar, where the terminal can show them."""

    def __init__(self, file: TextIO, *, width: int | None = None) -> None:
        from rich.console import Console  # noqa: PLC0415 - an extra, and slow to import

        super().__init__(file, width=width)
        # Rich itself leaves colours out for NO_COLOR and for what is no terminal.
        self.console = Console(
            file=file, width=width, highlight=False, markup=False, emoji=False
        )
        self.width = self.console.width

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Tell]:
        from rich import progress  # noqa: PLC0415

        columns = (
            progress.TextColumn(f"{' ' * GAP}{label}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
        )
        with progress.Progress(*columns, console=self.console) as bar:
            task = bar.add_task("", total=total)
            yield lambda done: bar.update(task, completed=done)

    def _styled(self, text: str, style: str) -> None:
        self.console.print(text, style=style or None, soft_wrap=True)


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    titles = [column.title for column in columns]
    return [max(map(len, cells)) for cells in zip_longest(titles, *rows, fillvalue="")]


def screen_of(file: TextIO) -> Screen:
    """The best screen that there is for a file."""
    screen = Screen(file)
    if screen._plainer:  # noqa: SLF001 - one module; rich would draw lines it cannot show
        return screen
    try:
        return RichScreen(file)
    except ImportError:
        return screen
