"""A store that cannot be written: nothing is sent whose intent is not on disk."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tieout.wire import Request

from .company import Company, nothing
from .crew import Crew, complaints
from .hunt import settled
from .timing import SharedClock
from .worker import Job

PAID = 3
"""Payments entered before each run: each is one write."""

INDEX_BYTES = 32 * 1024
"""What SQLite needs beside the file before it writes anything."""

STEP_BYTES = 4 * (4096 + 24)
"""Four pages in SQLite's write-ahead log: a commit or two."""

LIMITS_MAX = 40


@pytest.fixture
def known(
    crew: Crew, company: Company, clock: SharedClock, job: Callable[..., Job]
) -> Job:
    """A job whose store has seen a first run: its schema and sign-in are there."""
    made = job(runs=1)
    settled(crew, clock, made)
    return made


def test_a_full_disk_stops_the_run_before_anything_is_sent(
    crew: Crew, company: Company, clock: SharedClock, known: Job
) -> None:
    """S1, S2: with each limit from nothing to enough, every payment is written once."""
    before_sending = after_sending = 0
    ending = ""
    for at in range(LIMITS_MAX):
        for number in range(PAID):
            company.pay(company.numbers[(at * PAID + number) % 12], 1)
        writes, reads = company.connectwise.writes, company.xero.requests
        limit = INDEX_BYTES + at * STEP_BYTES
        (told,) = crew.run(replace(known, file_size_max=limit))
        sent = company.connectwise.writes - writes
        ending = told["ending"]
        if ending == "store":
            assert known.store in told["text"]
            before_sending += not sent and company.xero.requests > reads
            after_sending += sent == PAID
            assert sent in {0, PAID}
        settled(crew, clock, known)  # space was freed
        assert company.connectwise.writes - writes == PAID, limit
        assert company.judged().sound, limit
        if ending == "done":
            break
    assert ending == "done"
    assert before_sending
    assert after_sending
    assert complaints(known) == ""


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter, which pytest's own are not."""
    made = Path(tempfile.mkdtemp(prefix="tieout-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def test_a_file_that_may_not_be_written_stops_the_run(
    crew: Crew, company: Company, clock: SharedClock, known: Job, public: Path
) -> None:
    """S11: refused at once, by name, and nobody is asked anything."""
    for number in company.numbers[:PAID]:
        company.pay(number, 100)
    barred = replace(known, store=str(public / "store.db"), plain=True)
    Path(shutil.copy(known.store, barred.store)).chmod(0o444)
    public.chmod(0o555)
    asked = company.billing.requests, company.ledger.requests
    (told,) = crew.run(barred)
    assert told["ending"] == "store"
    assert barred.store in told["text"]
    assert (company.billing.requests, company.ledger.requests) == asked
    public.chmod(0o755)
    settled(crew, clock, known)
    assert company.judged().sound
    assert complaints(known) == ""


def deleted(path: str) -> None:
    """The store's files, all of them."""
    for each in Path(path).parent.glob(f"{Path(path).name}*"):
        each.unlink()


def test_a_file_that_is_deleted_under_a_run_stops_it(
    crew: Crew, company: Company, known: Job
) -> None:
    """S14: what is written to a deleted file is not durable: nothing is sent on it."""
    for number in company.numbers[:PAID]:
        company.pay(number, 100)

    def delete(request: Request) -> None:
        company.ledger.before = nothing
        deleted(known.store)

    company.ledger.before = delete
    (told,) = crew.run(known)
    assert company.connectwise.writes == 0
    assert told["ending"] == "store"
    assert known.store in told["text"]
    assert complaints(known) == ""


def test_a_file_that_was_deleted_between_runs_doubles_nothing(
    crew: Crew, company: Company, clock: SharedClock, known: Job
) -> None:
    """S14, C17: what was paid is found and kept; what rose since is left to a person."""
    for number in company.numbers[:4]:
        company.pay(number, 100)
    settled(crew, clock, known)
    assert company.judged().sound
    company.pay(company.numbers[0], 50)
    deleted(known.store)
    # The rotated token was in the store: a person has to sign in anew.
    reconnected = replace(known, refresh_token=company.xero.refresh_token)
    runs = settled(crew, clock, reconnected, most=2)
    verdict = company.judged()
    assert verdict.duplicates == 0
    assert verdict.lost == {company.numbers[0]: -50}
    assert [(each["counts"]["failed"], each["writes"]) for each in runs] == [(1, 0)] * 2
    assert complaints(known) == ""
