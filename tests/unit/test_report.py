"""What a run did: lights, counts, and its records read page by page."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from attrs import evolve
from doubles import NOW, level

from tieout import report as report_module
from tieout.change import Issue
from tieout.errors import Code
from tieout.money import Money
from tieout.report import Report
from tieout.session import Traffic
from tieout.store import Ending, Event, Held, IssueRow, ResumePoint
from tieout.stores.memory import MemoryStore

REPORT = Report(
    run="r",
    pair="p",
    verb="payments",
    window="past week",
    start=NOW,
    started_at=NOW,
    ended_at=NOW,
    ending=Ending.DONE,
    counts={"updated": 2, "unchanged": 0, "failed": 1},
    red=0,
    yellow=0,
    totals={},
    traffic={},
    marker=None,
    marker_moved=False,
    marker_note="",
    resume=None,
)


@pytest.mark.parametrize(
    ("fields", "ok"),
    [
        ({}, True),
        ({"yellow": 7}, True),
        ({"red": 1}, False),
        ({"code": Code.NOT_REACHED, "ending": Ending.FAILED}, False),
        ({"code": Code.DAY_LIMIT_REACHED, "ending": Ending.STOPPED}, True),
        ({"ending": Ending.STOPPED}, True),
    ],
)
def test_a_run_is_ok_without_a_red_light(fields: dict[str, Any], ok: bool) -> None:
    """B42: yellow is allowed; red is not, and neither is a red end."""
    assert evolve(REPORT, **fields).ok is ok


@pytest.mark.parametrize("ending", list(Ending))
def test_a_run_is_complete_when_its_whole_window_was_read(ending: Ending) -> None:
    """B6: only then may the marker move."""
    assert evolve(REPORT, ending=ending).complete is (ending is Ending.DONE)


def test_a_report_prints_what_matters() -> None:
    """B155: counts that are not nothing, sums, calls, why it ended, where it goes on."""
    point = ResumePoint(
        "p", "payments", "me", NOW, "2", NOW, "past week", trusting=False, run="r"
    )
    told = evolve(
        REPORT,
        totals={"EUR": Money("1234.5", "EUR")},
        traffic={"ledger": Traffic(7, 2, 10, 20)},
        code=Code.DAY_LIMIT_REACHED,
        text="used up.",
        remedy="Run later.",
        resume=point,
        marker_note="the marker stays",
    )
    assert str(told).splitlines() == [
        "payments, past week: 2 updated, 1 failed",
        "  paid amounts in billing changed by 1,234.50 EUR",
        "  ledger: 7 calls, 2 of them writes",
        "  ended early: used up. Run later.",
        "  an interrupted run goes on with since=report.resume (past week)",
        "  the marker stays",
    ]
    assert str(evolve(REPORT, counts={})) == "payments, past week: nothing to look at"


class Counting(MemoryStore):
    """A store that counts how often it is searched, and for how much."""

    def __init__(self) -> None:
        super().__init__()
        self.searches: list[int] = []

    def find(
        self,
        kind: Any,
        index: str,
        value: str | Collection[str],
        after: str = "",
        limit: int = 1000,
    ) -> Any:
        self.searches.append(limit)
        return super().find(kind, index, value, after, limit)


@pytest.mark.parametrize("many", [0, 1, 3, 4, 6, 7])
def test_records_and_issues_are_read_page_by_page(
    monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    """Memory is flat: nothing is read before somebody looks, and then in pages."""
    monkeypatch.setattr(report_module, "PAGE", 3)
    store = Counting()
    for n in range(many):
        issue = Issue(Code.BAD_FIELD, level(str(n)).ref)
        store.commit(
            Event("r", n, "p", NOW, "applied"),
            IssueRow("p", "v", str(n), issue, Held.OPEN, "r", NOW, NOW),
        )
    store.commit(Event("other", 1, "p", NOW, "applied"))
    report = evolve(REPORT, store=store)
    assert store.searches == []
    assert [each.serial for each in report.records] == list(range(many))
    assert store.searches == [3] * (many // 3 + 1)
    assert [i.source.id for i in report.issues if i.source] == [
        str(n) for n in range(many)
    ]
    assert len(list(report.records)) == many


def test_the_first_records_cost_one_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks at one reads one page."""
    monkeypatch.setattr(report_module, "PAGE", 3)
    store = Counting()
    store.commit(*(Event("r", n, "p", NOW, "applied") for n in range(50)))
    assert next(evolve(REPORT, store=store).records).serial == 0
    assert store.searches == [3]


def test_a_report_without_a_store_has_nothing_to_read() -> None:
    """And its store is no part of what it is, or shows."""
    assert list(REPORT.records) == []
    assert list(REPORT.issues) == []
    assert evolve(REPORT, store=MemoryStore()) == REPORT
    assert "Store" not in repr(evolve(REPORT, store=MemoryStore()))
