"""The harness itself: a real Tryton holds the books that were intended."""

import datetime as dt
import json
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from . import reading
from .bookkeeper import CASES, TODAY, Bill, Bookkeeper, Intended, busy_template
from .server import TrytonError, TrytonServer


@pytest.fixture(scope="module")
def filled() -> tuple[Path, list[Intended]]:
    return busy_template()


@pytest.fixture(scope="module")
def server(filled: tuple[Path, list[Intended]]) -> Iterator[TrytonServer]:
    with TrytonServer(source=filled[0]) as running:
        yield running


@pytest.fixture(scope="module")
def quarter(filled: tuple[Path, list[Intended]]) -> list[Intended]:
    return filled[1]


@pytest.fixture(scope="module")
def found(server: TrytonServer, quarter: list[Intended]) -> dict[int, reading.Reading]:
    return {one.id: one for one in reading.read(server.database)}


def test_it_is_the_version_that_was_asked_for(server: TrytonServer) -> None:
    assert server.version() == "8.2"


def test_the_books_say_of_every_invoice_what_was_done_to_it(
    quarter: list[Intended], found: dict[int, reading.Reading]
) -> None:
    said = [
        Intended(
            invoice=want.invoice,
            case=want.case,
            total=found[want.invoice].total,
            paid=found[want.invoice].paid,
            paid_on=found[want.invoice].paid_on,
            written_off=found[want.invoice].written_off,
        )
        for want in quarter
    ]
    assert said == quarter


def test_every_case_is_there(
    quarter: list[Intended], found: dict[int, reading.Reading]
) -> None:
    cases = Counter(want.case for want in quarter)
    assert cases == {**CASES, "open": 125 - sum(CASES.values())}
    states = Counter(found[want.invoice].state for want in quarter)
    paid = ("paid", "parts", "over", "written_off", "credited")
    assert states == {
        "paid": sum(CASES[case] for case in paid),
        "cancelled": CASES["cancelled"],
        "posted": 125 - sum(CASES[case] for case in (*paid, "cancelled")),
    }


def test_credit_notes_are_customer_invoices_below_zero(
    quarter: list[Intended], found: dict[int, reading.Reading]
) -> None:
    notes = [one for one in found.values() if one.total < 0]
    cases = ("cancelled", "credited", "part_credited")
    assert len(notes) == sum(CASES[case] for case in cases)
    assert len(found) == len(quarter) + len(notes)


def test_a_handful_by_hand(
    quarter: list[Intended], found: dict[int, reading.Reading]
) -> None:
    first = {want.case: found[want.invoice] for want in reversed(quarter)}
    assert first["paid"].reference == "INV-10001"
    assert first["paid"].customer == "Acme Ltd"
    assert first["paid"].currency == "USD"
    assert first["paid"].paid_on == TODAY - dt.timedelta(days=80)
    assert first["part"].cash == Decimal(20)
    assert first["over"].cash == first["over"].total
    assert first["written_off"].closed_on is not None
    assert first["written_off"].paid == first["written_off"].total - Decimal("0.95")
    assert first["credited"].credit == first["credited"].total
    assert first["part_credited"].credit == Decimal(12)
    assert first["reversed"].owed == first["reversed"].total


def test_numbers_begin_with_the_year_and_are_unique(
    found: dict[int, reading.Reading],
) -> None:
    numbers = [one.number for one in found.values()]
    assert len(set(numbers)) == len(numbers)
    years = {str(TODAY.year), str((TODAY - dt.timedelta(days=90)).year)}
    assert {number[:4] for number in numbers} == years


def test_tryton_gives_the_due_date_where_it_is_later_than_the_payment(
    server: TrytonServer, quarter: list[Intended]
) -> None:
    paid = [want for want in quarter if want.case == "paid"]
    with Bookkeeper(server) as books:
        rows = books.call(
            "account.invoice", "read", [want.invoice for want in paid], ["reconciled"]
        )
    told = {row["id"]: row["reconciled"] for row in rows}
    late = [(told[want.invoice] - want.paid_on).days for want in paid if want.paid_on]
    assert late == [0, 20] * (len(paid) // 2)


def test_without_a_worker_an_invoice_stays_posted_until_it_is_processed(
    server: TrytonServer, quarter: list[Intended]
) -> None:
    before = {one.id: one for one in reading.read(server.database)}
    waiting, moved_on = [want.invoice for want in quarter if want.case == "open"][:2]
    with server.copy(worker=True) as idle:
        with Bookkeeper(idle) as books:
            for invoice in (waiting, moved_on):
                books.pay(invoice, TODAY)
            books.process([moved_on])
            assert books.invoice(waiting).amount_to_pay == 0
        found = {one.id: one for one in reading.read(idle.database)}
    assert (found[waiting].state, found[moved_on].state) == ("posted", "paid")
    assert found[waiting].paid_on == found[moved_on].paid_on == TODAY
    assert {one.id: one for one in reading.read(server.database)} == before


def test_a_server_comes_back_on_its_port_with_its_books(server: TrytonServer) -> None:
    with server.copy() as own:
        with Bookkeeper(own) as books:
            (customer,) = books.customers(["Late & Sons"])
            (invoice,) = books.invoices([Bill(customer, Decimal(50), TODAY, "again")])
        url = own.url
        own.stop()
        own.start()
        assert own.url == url
        with Bookkeeper(own) as books:
            assert books.invoice(invoice).state == "posted"


def test_the_reading_is_also_a_script(
    server: TrytonServer, found: dict[int, reading.Reading]
) -> None:
    script = Path(reading.__file__)
    command = (sys.executable, "-P", str(script), str(server.database))
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    rows = json.loads(done.stdout)
    assert rows == reading.as_json(list(found.values()))


def test_a_server_that_cannot_start_tells_the_end_of_its_log(
    filled: tuple[Path, list[Intended]],
) -> None:
    blocked = TrytonServer(source=filled[0])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", blocked.port))
        with pytest.raises(TrytonError, match="in use"), blocked:
            pass


def test_a_session_ends_by_its_age(filled: tuple[Path, list[Intended]]) -> None:
    with (
        TrytonServer(source=filled[0], session_age=1) as server,
        Bookkeeper(server) as books,
    ):
        time.sleep(1.1)
        with pytest.raises(xmlrpc.client.ProtocolError, match="401"):
            books.customers(["Too late"])
