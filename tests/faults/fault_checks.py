"""
What has to hold after any fault: the bystanders landed, and nothing secret is to be seen.

Nothing here knows a vendor.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fault_rows import EMAIL, TOKEN, VICTIM
from fault_worlds import GOOD, FaultWorld

import tieout

FORBIDDEN = (TOKEN[:8], EMAIL, "canary.person")
"""Not even the first eight characters of a secret, nor the name in an address."""

VALUES = ("100.00", "2026-03-10", "A customer", VICTIM)
"""Values of the victim: an issue may hold them, a log line may not."""


def bystanders(world: FaultWorld) -> list[str]:
    """The good records that do not show exactly what they should."""
    shown = world.shows()
    return [each.number for each in GOOD if shown[each.number] != each.shows]


def store_text(path: Path) -> str:
    """Everything in a store but the grants, which are there to hold secrets."""
    with closing(sqlite3.connect(path)) as database:
        facts = database.execute("SELECT * FROM fact WHERE kind <> 'grant'").fetchall()
        entries = database.execute("SELECT * FROM entry").fetchall()
    return "\n".join(map(repr, [*facts, *entries]))


def log_lines(records: Sequence[logging.LogRecord]) -> Iterator[str]:
    """Every line as a handler writes it, with its arguments and its traceback."""
    formatter = logging.Formatter("%(message)s")
    for record in records:
        yield f"{formatter.format(record)} {record.args!r}"


def connector_texts(world: FaultWorld) -> Iterator[str]:
    """Every representation of what holds a secret."""
    for connector in world.sides():
        yield from map(repr, (connector, connector.auth, connector.auth.first()))
        yield repr(connector.capabilities)
    yield from map(repr, world.traffic())


def report_texts(report: tieout.Report) -> Iterator[str]:
    """A report and all that can be read through it."""
    yield from (str(report), repr(report))
    for each in (*report.issues, *report.records):
        yield from (str(each), repr(each))


def no_leak(texts: Iterator[str] | Sequence[str]) -> None:
    """No secret and no address of a person in any of these."""
    everything = "\n".join(texts)
    assert [word for word in FORBIDDEN if word in everything] == []


def quiet_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Ids and codes, never values; one line each."""
    lines = list(log_lines(caplog.records))
    no_leak(lines)
    assert [line for line in lines if any(value in line for value in VALUES)] == []
    assert [line for line in lines if len(line.splitlines()) > 1] == []


def marker_is_sound(report: Any, *, ended: bool) -> None:
    """The marker moves after a run that ended well, and only then."""
    assert report.complete is ended
    assert report.marker_moved is ended
