"""A worker that is stopped longer than its lease lasts, and wakes up."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tieout.wire import Request

from .company import Company, is_write
from .crew import Crew, complaints, noted
from .hunt import settled
from .timing import SharedClock
from .worker import WORKER, Job

PAYMENTS = "/payments"


def reading(request: Request) -> bool:
    """The ledger is read: nothing is planned yet."""
    return "/Invoices" in request.url


def about_to_write(request: Request) -> bool:
    """Billing is asked for what is there, right before a payment is made."""
    return request.url.partition("?")[0].endswith(PAYMENTS)


@pytest.mark.parametrize("moment", [reading, about_to_write, is_write])
def test_a_zombie_writes_nothing(
    moment: Callable[[Request], bool],
    crew: Crew,
    company: Company,
    clock: SharedClock,
    job: Callable[..., Job],
) -> None:
    """S8: stopped while another took over, it sends nothing more and says LEASE_LOST."""
    for number in company.numbers[:5]:
        company.pay(number, 250)
    zombie, stopped = job("zombie", runs=1), threading.Event()
    pid = crew.start(zombie)
    awake = threading.Event()
    by_zombie: list[bool] = []

    def watch(request: Request) -> None:
        if request.header(WORKER) == str(pid):
            if is_write(request):
                by_zombie.append(awake.is_set())
            if moment(request) and not stopped.is_set():
                crew.stop(pid)
                stopped.set()

    company.ledger.after = company.billing.after = watch
    assert stopped.wait(30)
    clock.leap(310)
    other = job("other")
    runs = settled(crew, clock, other)
    assert company.judged().sound
    before = company.connectwise.writes
    awake.set()
    assert crew.go_on(pid)
    crew.wait([pid])
    (told,) = noted(zombie)
    assert (told["ending"], told["code"]) == ("stopped", "LEASE_LOST")
    assert company.connectwise.writes == before == 5
    assert not any(by_zombie)
    assert runs[-1]["ok"]
    assert company.judged().sound
    assert complaints(zombie) == complaints(other) == ""
