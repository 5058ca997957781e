"""
The report card of a connector: what each check showed, as a value, a table and Markdown.

It judges nothing: a row is what a check said.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from enum import Enum

from attrs import frozen

from tieout.testing.conformance.check import Case, Check

WIDTH = 100
"""Characters of a printed line."""


class Result(Enum):
    """What came of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


@frozen
class Row:
    """
    One check, of one ``kind`` of record ("" for the connector as a whole).

    ``words`` say why it failed, or why it does not apply; "" where it passed.
    """

    name: str
    group: str
    shows: str
    kind: str
    result: Result
    words: str = ""

    @classmethod
    def of(cls, check: Check, case: Case, result: Result, words: str = "") -> Row:
        """The row of a check."""
        kind = case.__name__ if case else ""
        return cls(check.name, check.group, check.shows, kind, result, words)

    def __str__(self) -> str:
        about = f" [{self.kind}]" if self.kind else ""
        return f"{self.name}{about}: {self.result.value}" + (
            f": {self.words}" if self.words else ""
        )


@frozen
class Card:
    """All rows of one connector; print it, or put its `markdown` into a page."""

    system: str
    rows: tuple[Row, ...]

    @property
    def green(self) -> bool:
        """Whether no check failed, and at least one was made."""
        return not self.failed and any(self.of(Result.PASSED))

    @property
    def failed(self) -> list[Row]:
        """The rows that failed."""
        return list(self.of(Result.FAILED))

    def of(self, result: Result) -> Iterator[Row]:
        """The rows with this result."""
        return (row for row in self.rows if row.result is result)

    def summary(self) -> str:
        """How many rows have which result, in a line."""
        counts = (f"{len(list(self.of(each)))} {each.value}" for each in Result)
        return f"{self.system}: {', '.join(counts)}"

    def __str__(self) -> str:
        """A table for the terminal: a line a check, the words of what failed below it."""
        lines = [self.summary()]
        for group, rows in _grouped(self.rows):
            lines += ["", group]
            for name, same in _named(rows):
                lines += _printed(name, same)
        return "\n".join(lines)

    def markdown(self) -> str:
        """A table for documentation: check, what it shows, and the result by kind."""
        lines = ["| Check | What it shows | Result |", "| --- | --- | --- |"]
        for _, rows in _grouped(self.rows):
            for name, same in _named(rows):
                cells = (name, same[0].shows, "; ".join(_results(same)))
                lines.append(f"| {' | '.join(map(_cell, cells))} |")
        return "\n".join(lines)


_SIGNS = {Result.PASSED: "+", Result.FAILED: "X", Result.NOT_APPLICABLE: "-"}


def _printed(name: str, rows: list[Row]) -> Iterator[str]:
    sign = _SIGNS[_worst(rows)]
    passed = ", ".join(r.kind for r in rows if r.result is Result.PASSED and r.kind)
    yield f"  {sign} {name}" + (f" ({passed})" if passed else "")
    for words, kinds in _said(rows).items():
        about = f"{', '.join(filter(None, kinds))}: " if any(kinds) else ""
        indent = " " * 6
        yield textwrap.fill(
            about + words, WIDTH, initial_indent=indent, subsequent_indent=indent
        )


def _worst(rows: Iterable[Row]) -> Result:
    found = {row.result for row in rows}
    order = (Result.FAILED, Result.PASSED, Result.NOT_APPLICABLE)
    return next(each for each in order if each in found)


def _said(rows: Iterable[Row]) -> dict[str, list[str]]:
    """The kinds by the words that were said of them."""
    said: dict[str, list[str]] = {}
    for row in rows:
        if row.words:
            said.setdefault(row.words, []).append(row.kind)
    return said


def _results(rows: list[Row]) -> Iterator[str]:
    for result in Result:
        same = [row for row in rows if row.result is result]
        if not same:
            continue
        kinds = ", ".join(row.kind for row in same if row.kind)
        words = "; ".join(_said(same)) if result is Result.FAILED else ""
        about = f" ({kinds})" if kinds else ""
        yield f"{result.value}{about}" + (f": {words}" if words else "")


def _grouped(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    """The rows by group, in order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.group, []).append(row)
    return list(found.items())


def _named(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    """The rows by name, in order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.name, []).append(row)
    return list(found.items())


def _cell(text: str) -> str:
    """A text that does not end its cell."""
    return " ".join(text.split()).replace("|", "\\|")
