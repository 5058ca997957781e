"""D, X, P10: every row of the tables, each among twenty good records."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from connectwise_rows import ROWS as CONNECTWISE
from fault_checks import (
    bystanders,
    connector_texts,
    marker_is_sound,
    no_leak,
    quiet_logs,
    report_texts,
    store_text,
)
from fault_rows import PAID, VICTIM, Row
from fault_worlds import FaultWorld, engine_of, world_of
from host_rows import ROWS as HOST
from tryton_rows import ROWS as TRYTON
from xero_rows import ROWS as XERO

import tieout
from tieout.errors import Scope
from tieout.store import IssueRow, key_of
from worlds import LONG_AGO

ROWS: list[Row] = [*XERO, *CONNECTWISE, *TRYTON, *HOST]


def told(report: tieout.Report, row: Row) -> None:
    """Exactly this is said of the record, by its number and field; nothing of others."""
    issues = list(report.issues)
    blocking = [
        (each.code, each.numbers, each.field) for each in issues if each.blocking
    ]
    if row.code is None:
        assert blocking == []
    else:
        assert blocking == [(row.code, row.numbers, row.field)]
    assert tuple(each.code for each in issues if not each.blocking) == row.notes
    assert all(each.code.scope is Scope.RECORD for each in issues)
    assert all(each.text.isprintable() for each in issues)


def looked_at(engine: tieout.Engine, world: FaultWorld, path: Path) -> Iterator[str]:
    """What the plan of the spoiled pair shows and saves; nothing is written by it."""
    before = world.shows()
    plan = engine.plan_payments(LONG_AGO)
    engine.sync_payments(LONG_AGO, adapter=tieout.PlanFile(path))
    assert world.shows() == before
    assert plan.complete
    yield from (str(plan), repr(plan), path.read_text(encoding="utf-8"))


def still_open(store: tieout.Store, pair: str) -> set[str]:
    """The ids of the records that something is still said about."""
    rows = store.find(IssueRow, "open", key_of(pair, "payments"))
    return {row.issue.source.id for row in rows if row.issue.source}


@pytest.mark.parametrize(
    "row", ROWS, ids=[f"{each.side.name}-{each.name}" for each in ROWS]
)
def test_one_bad_record_harms_nobody(
    row: Row, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told or carried exactly, the others land, and it lands once it is mended."""
    caplog.set_level(logging.DEBUG)
    world = world_of(row.side, tmp_path)
    store = tieout.SQLiteStore(tmp_path / "store.db")
    texts: list[str] = []
    with engine_of(world, store, settings=row.settings) as engine:
        if row.prior:
            assert engine.sync_payments(LONG_AGO).ok
            world.clock.advance(timedelta(hours=1))
        world.spoil(row.edit)
        before = world.shows()[VICTIM]
        texts += looked_at(engine, world, tmp_path / "plan.jsonl")
        report = engine.sync_payments(
            LONG_AGO, on_progress=lambda it: texts.append(repr(it))
        )
        assert bystanders(world) == []
        assert world.shows()[VICTIM] == (before if row.shows is None else row.shows)
        told(report, row)
        marker_is_sound(report, ended=True)
        texts += report_texts(report)
        world.mend()
        again = engine.sync_payments(LONG_AGO)
        texts += [*report_texts(again), repr(engine)]
    assert bystanders(world) == []
    if row.mends:
        assert world.shows()[VICTIM] == PAID
        assert world.ledger_id() not in still_open(store, engine.pair)
    no_leak([*texts, *connector_texts(world), store_text(store.path)])
    quiet_logs(caplog)
    store.close()
