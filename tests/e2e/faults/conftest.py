"""What the tests of real faults stand on: a clock, two served systems, and a launcher."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .company import Company
from .crew import Crew
from .timing import SharedClock
from .worker import Job


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[SharedClock]:
    """A clock for all processes of a test."""
    made = SharedClock(tmp_path / "clock")
    yield made
    made.close()


@pytest.fixture
def company(clock: SharedClock) -> Iterator[Company]:
    """Both systems, served."""
    with Company(clock.now) as made:
        yield made


@pytest.fixture(scope="session")
def crew() -> Iterator[Crew]:
    """The launcher; whatever it has started ends with it."""
    with Crew() as made:
        yield made


@pytest.fixture
def job(tmp_path: Path, company: Company, clock: SharedClock) -> Callable[..., Job]:
    """Jobs on the pair of the test, on one store, by name."""

    def make(name: str = "worker", **options: Any) -> Job:
        given: dict[str, Any] = {
            "name": name,
            "store": str(tmp_path / "store.db"),
            "clock": str(clock.path),
            "ledger_url": company.ledger_url,
            "billing_url": company.billing_url,
            "notes": str(tmp_path / f"{name}.jsonl"),
        }
        return Job(**{**given, **options})

    return make
