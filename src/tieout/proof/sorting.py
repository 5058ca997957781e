"""
Rows in order, of which there may be more than memory holds: sorted runs in unnamed files.

Few rows are held at a time, whatever comes. Nothing here knows what a row means.
"""

from __future__ import annotations

import heapq
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby, islice
from typing import IO, Any, Self
from weakref import finalize

from tieout.errors import StoreError

HELD_MAX = 4_000
"""Rows of one sorter that are held in memory: about 2 MB, and a run on disk is long enough
for a million rows to make 250 of them."""

RUNS_MAX = 64
"""Open files of one sorter: several sorters are open at once, and a process may often have
no more than 1,024."""

TOGETHER_MAX = 1_000
"""Rows of one key that are given together. More are given in several portions."""


class Sorter:
    """
    Takes rows in any order and gives them back by key, once.

    A row is what JSON can hold. Rows of one key come in the order of their values, so that
    equal rows give equal results whatever order they came in.
    """

    def __init__(self) -> None:
        self._held: list[str] = []
        self._runs: list[IO[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, key: str, *row: Any) -> None:
        """One more row."""
        # Lines are compared as they are: all that begin with one key stand together,
        # because no key in quotes is the beginning of another.
        self._held.append(f"{json.dumps([key, *row], separators=(',', ':'))}\n")
        if len(self._held) >= HELD_MAX:
            self._spill()

    def groups(self) -> Iterator[tuple[str, list[list[Any]]]]:
        """The rows by key, without it; at most `TOGETHER_MAX` together."""
        rows = map(json.loads, self._lines())
        for key, group in groupby(rows, key=lambda row: str(row[0])):
            while some := [row[1:] for row in islice(group, TOGETHER_MAX)]:
                yield key, some

    def rows(self) -> Iterator[list[Any]]:
        """The rows in order, without their keys."""
        for _, group in self.groups():
            yield from group

    def close(self) -> None:
        """Forget all rows."""
        self._held.clear()
        for run in self._runs:
            run.close()
        self._runs.clear()

    def _lines(self) -> Iterator[str]:
        """All lines in order; nothing of them is left afterwards."""
        self._held.sort()
        try:
            yield from heapq.merge(*self._runs, self._held)
        finally:
            self.close()

    def _spill(self) -> None:
        if len(self._runs) == RUNS_MAX:
            joined = _written(heapq.merge(*self._runs))
            for run in self._runs:
                run.close()
            self._runs = [joined]
        self._held.sort()
        self._runs.append(_written(self._held))
        self._held.clear()


def _written(lines: Iterable[str]) -> IO[str]:
    """A file of these lines, at its beginning."""
    with _room():
        run = tempfile.TemporaryFile("w+", encoding="ascii", newline="\n")  # noqa: SIM115
        run.writelines(lines)
        run.seek(0)
        return run


@contextmanager
def _room() -> Iterator[None]:
    """Say which folder it is where a file cannot be written."""
    try:
        yield
    except OSError as error:
        where = tempfile.gettempdir()
        text = f"{where} has no room for temporary files ({error}): clear it, or set TMPDIR"
        raise StoreError(text) from error


class Spool:
    """
    Lines that are written once and read as often as you like, by several at a time.

    They lie in an unnamed file, which is gone with the spool.
    """

    def __init__(self) -> None:
        with _room():
            self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self.size = 0
        finalize(self, self._file.close)

    def add(self, line: str) -> None:
        """One more line."""
        with _room():
            self._file.seek(self.size)
            self.size += self._file.write(line.encode() + b"\n")

    def take(self, lines: Iterable[bytes]) -> None:
        """Lines of another file, as they are."""
        self._file.seek(self.size)
        for line in lines:
            self.size += self._file.write(line)

    def lines(self, begin: int = 0) -> Iterator[str]:
        """The lines from the one that begins so many bytes behind the first."""
        while begin < self.size:
            with _room():  # what was written last may be on its way to the disk yet
                self._file.seek(begin)
                line = self._file.readline()
            begin += len(line)
            yield line.decode().removesuffix("\n")
