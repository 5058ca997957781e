"""A database in a file that notes what is done to it, and fails as it is told to."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tieout.wire import Call, Flow, Response


def drive(flow: Flow[Any], seen: list[Call] | None = None) -> Any:
    """What a session does with calls: make them, and hand back what came of them."""
    step: Callable[[], Any] = lambda: next(flow)  # noqa: E731
    while True:
        try:
            call = step()
        except StopIteration as stop:
            return stop.value
        assert isinstance(call, Call)
        if seen is not None:
            seen.append(call)
        try:
            answer = call.answer()
        except Exception as error:  # noqa: BLE001
            step = _thrower(flow, error)
        else:
            step = _sender(flow, answer)


def _sender(flow: Flow[Any], answer: Response) -> Callable[[], Any]:
    return lambda: flow.send(answer)


def _thrower(flow: Flow[Any], error: Exception) -> Callable[[], Any]:
    return lambda: flow.throw(error)


class Spied:
    """A database connection that notes what was done to it, and can fail."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.inner = sqlite3.connect(bank.path, timeout=0)
        self.inner.row_factory = bank.row_factory
        bank.open += 1

    def cursor(self) -> Any:
        return SpiedCursor(self.inner.cursor(), self.bank)

    def commit(self) -> None:
        if self.bank.commit_fails == "before":
            raise sqlite3.OperationalError("disk I/O error")
        self.inner.commit()
        self.bank.commits += 1
        if self.bank.commit_fails == "after":
            raise sqlite3.OperationalError("connection lost")

    def rollback(self) -> None:
        self.inner.rollback()

    def close(self) -> None:
        assert not self.inner.in_transaction
        self.inner.close()
        self.bank.open -= 1
        if self.bank.close_fails:
            raise sqlite3.OperationalError("already gone")


class SpiedCursor:
    def __init__(self, inner: sqlite3.Cursor, bank: Bank) -> None:
        self.inner, self.bank = inner, bank

    def execute(self, sql: str, values: Any) -> None:
        self.bank.statements.append((sql, values))
        if self.bank.fails and (error := self.bank.fails(sql, values)):
            raise error
        if self.bank.before_update and sql.startswith("UPDATE"):
            step, self.bank.before_update = self.bank.before_update, None
            step(self.inner)
        self.inner.execute(*TRANSLATED[self.bank.paramstyle](sql, values))

    def fetchall(self) -> Any:
        return self.inner.fetchall()

    @property
    def rowcount(self) -> int:
        return self.inner.rowcount

    def close(self) -> None:
        self.inner.close()


def _by_name(pattern: str) -> Callable[[str, Any], tuple[str, Any]]:
    return lambda sql, values: (re.sub(pattern, r":\1", sql), dict(values))


TRANSLATED: dict[str, Callable[[str, Any], tuple[str, Any]]] = {
    "qmark": lambda sql, values: (sql, values),
    "numeric": lambda sql, values: (re.sub(r":(\d+)", r"?\1", sql), values),
    "named": _by_name(r":(v\d+)"),
    "format": lambda sql, values: (sql.replace("%s", "?"), values),
    "pyformat": _by_name(r"%\((v\d+)\)s"),
}


class Bank:
    """A database in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open = self.commits = 0
        self.statements: list[tuple[str, Any]] = []
        self.paramstyle = "qmark"
        self.commit_fails = ""
        self.close_fails = False
        self.fails: Callable[[str, Any], Exception | None] | None = None
        self.before_update: Callable[[sqlite3.Cursor], Any] | None = None
        self.row_factory: Any = None

    def run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        inner = sqlite3.connect(self.path)
        try:
            with inner:
                return inner.execute(sql, values).fetchall()
        finally:
            inner.close()
