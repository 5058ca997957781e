"""A worker that is stopped longer than its lease lasts, and wakes up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tieout.wire import Request

from .company import Company, is_write
from .crew import Crew, complaints, noted
from .hunt import settled
from .timing import SharedClock
from .worker import WORKER, Job

PAYMENTS = "/payments"

TIMEOUT = 1.0
"""Real seconds that the zombie has for one request: it sleeps longer."""


def reading(request: Request) -> bool:
    """The ledger is read: nothing is planned yet."""
    return "/Invoices" in request.url


def about_to_write(request: Request) -> bool:
    """Billing is asked for what is there, right before a payment is made."""
    return request.url.partition("?")[0].endswith(PAYMENTS)


# One write where it is stopped in the middle of it: others that are on their way to the
# socket at that very moment cannot be called back (R2).
@pytest.mark.parametrize(
    ("moment", "paid"), [(reading, 5), (about_to_write, 5), (is_write, 1)]
)
def test_a_zombie_writes_nothing(
    moment: Callable[[Request], bool],
    paid: int,
    crew: Crew,
    company: Company,
    clock: SharedClock,
    job: Callable[..., Job],
) -> None:
    """S8: stopped while another took over, it sends nothing more and says LEASE_LOST."""
    for number in company.numbers[:paid]:
        company.pay(number, 250)
    zombie, stopped = job("zombie", runs=1, timeout=TIMEOUT), threading.Event()
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
    time.sleep(TIMEOUT)
    awake.set()
    assert crew.go_on(pid)
    crew.wait([pid])
    (told,) = noted(zombie)
    assert (told["ending"], told["code"]) == ("stopped", "LEASE_LOST")
    assert company.connectwise.writes == before == paid
    assert not any(by_zombie)
    assert runs[-1]["ok"]
    assert company.judged().sound
    assert complaints(zombie) == complaints(other) == ""
