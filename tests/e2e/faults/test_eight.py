"""Eight processes at once on one pair and one file, which none of them finds there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tieout
from tieout.models import Link
from tieout.store import Intent, key_of, link_key
from tieout.stores.sqlite import SQLiteStore

from .company import Company
from .crew import Crew, complaints, noted
from .timing import SharedClock
from .worker import PAIR, Job

ROUNDS = 4


def booked(company: Company) -> None:
    """The same work for every company."""
    for at, number in enumerate(company.numbers):
        if at % 4:
            company.pay(number, 100 * (at % 4))


def remembered(company: Company, path: str) -> dict[str, Any]:
    """What a store knows in the end, without what tells of the way there."""
    found: dict[str, Any] = {}
    store: tieout.Store = SQLiteStore(path)
    papers = {
        each["InvoiceID"]: each["InvoiceNumber"] for each in company.xero.invoices()
    }
    keys = {link_key(PAIR, "Invoice", paper): paper for paper in papers}
    for key, link in store.get(Link, keys).items():
        told = link.billing.id, link.version, link.open, len(link.owned)
        found[papers[keys[key]]] = told
    assert not store.find(Intent, "open", key_of(PAIR, "payments"))
    store.close()
    return found


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_eight_processes_end_with_the_same_state_as_one(
    round_: int,
    crew: Crew,
    company: Company,
    clock: SharedClock,
    job: Callable[..., Job],
    tmp_path: Path,
) -> None:
    """S3, S7: one file made by eight at once; the only refusal is RUN_IN_PROGRESS."""
    booked(company)
    begin = time.monotonic() + 0.3
    jobs = [job(f"worker{at}", runs=2, begin=begin) for at in range(8)]
    crew.wait([crew.start(each) for each in jobs])
    told = [note for each in jobs for note in noted(each)]
    refused = {note["code"] for note in told if note["ending"] == "refused"}
    done = [note for note in told if note["ending"] != "refused"]

    with Company(clock.now) as other:
        booked(other)
        urls = {"ledger_url": other.ledger_url, "billing_url": other.billing_url}
        alone = replace(job("alone", runs=2, **urls), store=str(tmp_path / "one.db"))
        crew.run(alone)
        assert company.shown() == other.shown()
        assert remembered(company, jobs[0].store) == remembered(other, alone.store)
        assert company.connectwise.writes == other.connectwise.writes == 9

    assert company.judged().sound
    assert [complaints(each) for each in jobs] == [""] * 8
    assert refused <= {"RUN_IN_PROGRESS"}
    assert [each["ending"] for each in done] == ["done"] * 16, done
    assert sum(each["writes"] for each in done) == 9
