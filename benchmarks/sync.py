"""
A whole payment sync beside a bare loop of the same HTTP calls: its CPU and its calls.

``python benchmarks/sync.py`` pays 10,000 invoices in a fake Xero and syncs them to a fake
ConnectWise, both served over loopback by processes of their own, with the memory in a
SQLite file. The calls of one such run are recorded and then made again by one httpx client
a side and a ``json.loads`` of each answer. Only the client's CPU counts. The number of
calls must be what the connectors promise; a second run must read no more than its feeds
and write nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import date
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any

import httpx
from measure import fresh, middle, peak, table, timed

import tieout
from tieout.connectors.connectwise import ConnectWise
from tieout.connectors.xero import Xero
from tieout.testing.fakes.connectwise import FakeConnectWise
from tieout.testing.fakes.serving import serve
from tieout.testing.fakes.xero import FakeXero
from tieout.transport import HTTPTransport
from tieout.wire import Request, Response, Transport

RECORDS = 10_000
ROUNDS = 3
PAGE, FETCH = 1000, 50
"""Rows in a page of Xero, and numbers in one question to ConnectWise."""

FEEDS = 5
"""What Xero is asked for: invoices, payments, credit notes, over- and prepayments."""
SIGN_IN, CHECKS = 1, {"ledger": 1, "billing": 4}
"""Calls of the first run of all: the token, and what `check` asks each side."""

TIMES_MAX = 2.0
"""The aim: see ``docs/performance.md``."""

SINCE = date(2026, 1, 1)
ISSUED, PAID = date(2026, 1, 5), date(2026, 2, 3)
KEY = "00000000-0000-4000-8000-000000000001"

# The systems ------------------------------------------------------------------------


def amount(n: int) -> Decimal:
    return Decimal(f"{100 + n * 37 % 9000}.{n % 100:02}")


def paid_xero(count: int) -> FakeXero:
    """A ledger where all invoices have just been paid."""
    fake = FakeXero(calls_per_minute=None, calls_per_day=None)
    contact = fake.add_contact("Northwind", "C1")
    made = [
        fake.add_invoice(f"INV-{n:08}", contact, amount(n), on=ISSUED)
        for n in range(count)
    ]
    for n, own in enumerate(made):
        fake.pay(own, amount(n), PAID)
    return fake


def unpaid_connectwise(count: int) -> FakeConnectWise:
    """Billing, where nothing has been paid yet."""
    fake = FakeConnectWise()
    company = fake.add_company("Northwind")
    for n in range(count):
        fake.add_invoice(f"INV-{n:08}", company, amount(n), on=ISSUED)
    return fake


def served(side: str, count: int) -> None:
    """Serve one side until the standard input ends; then say what was asked of it."""
    made = {"ledger": paid_xero, "billing": unpaid_connectwise}
    fake: Any = made[side](count)
    with serve(fake) as server:
        print(server.url, flush=True)
        sys.stdin.read()
    print(json.dumps({"requests": fake.requests, "writes": fake.writes}), flush=True)


@contextmanager
def server(side: str, count: int, told: dict[str, Any]) -> Iterator[str]:
    """A side in a process of its own; what it was asked goes to ``told`` at the end."""
    arguments = ["--serve", side, "--records", str(count)]
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
        said, _ = process.communicate(timeout=60)
        told[side] = json.loads(said)
    finally:
        process.kill()
        process.wait()


# The clients ------------------------------------------------------------------------


class Recording:
    """A transport that notes what it is given, relative to the server's origin."""

    def __init__(self, side: str, origin: str, calls: list[Any]) -> None:
        self._side, self._origin, self._calls = side, origin, calls
        self._through = HTTPTransport()

    def send(self, request: Request, timeout: float) -> Response:
        path = request.url.removeprefix(self._origin)
        headers = [*request.headers]
        if request.json is not None:
            headers.append(("Content-Type", "application/json"))
        body = request.body().decode()
        call = (self._side, request.method, path, [*request.params], headers, body)
        self._calls.append(call)
        return self._through.send(request, timeout)

    def close(self) -> None:
        self._through.close()


def connected(urls: Mapping[str, str]) -> tuple[ConnectWise, Xero]:
    """Both connectors, with limits out of the way."""
    billing = ConnectWise(
        company="acme",
        public_key="public",
        private_key="private",
        client_id=KEY,
        base_url=f"{urls['billing']}/v2025_1/apis/3.0",
    )
    ledger = Xero(
        tenant_id="6ad21e9c-8a35-4c57-9f0e-1f4b5a2c7d10",
        client_id="client",
        client_secret="secret",
        refresh_token="refresh-0",
        base_url=f"{urls['ledger']}/api.xro/2.0",
        identity_url=f"{urls['ledger']}/connect/token",
        page_size=PAGE,
        per_minute=10**9,
        per_day=10**9,
    )
    return billing, ledger


def synced(urls: Mapping[str, str], record: Path | None) -> dict[str, Any]:
    """Two runs of tieout; with ``record``, the calls of the first are written there."""
    billing, ledger = connected(urls)
    calls: list[Any] = []
    transport: dict[str, Transport] | None = None
    if record:
        transport = {
            ledger.connection: Recording("ledger", urls["ledger"], calls),
            billing.connection: Recording("billing", urls["billing"], calls),
        }
    with tempfile.TemporaryDirectory() as folder:
        store = tieout.SQLiteStore(Path(folder) / "tieout.db")
        with tieout.Engine(
            billing=billing, ledger=ledger, store=store, transport=transport
        ) as engine:
            first, cpu = timed(lambda: engine.sync_payments(SINCE))
            assert first.ok, f"{first}: {first.code} {first.text}"
            if record:
                record.write_text(json.dumps(calls))
            again, cpu_again = timed(
                lambda: engine.sync_payments(tieout.Since.LAST_RUN)
            )
        store.close()
    assert again.ok, f"{again}: {again.code} {again.text}"
    return {
        "cpu": cpu,
        "again": cpu_again,
        "peak": peak(),
        "updated": first.counts["updated"],
        "updated again": again.counts["updated"],
        "first": traffic(first),
        "second": traffic(again),
    }


def traffic(report: tieout.Report) -> dict[str, dict[str, int]]:
    return {
        side: {"calls": each.calls, "writes": each.writes}
        for side, each in report.traffic.items()
    }


def replayed(urls: Mapping[str, str], recorded: Path) -> dict[str, Any]:
    """The bare loop: the recorded calls, one client a side, each answer read as JSON."""
    calls = json.loads(recorded.read_text())
    with ExitStack() as stack:
        clients = {
            side: stack.enter_context(httpx.Client(base_url=url))
            for side, url in urls.items()
        }
        before = time.process_time()
        for side, method, path, params, headers, body in calls:
            answer = clients[side].request(
                method,
                path,
                params=[tuple(each) for each in params] or None,
                headers=[tuple(each) for each in headers],
                content=body.encode() or None,
            )
            assert answer.is_success, answer.text
            json.loads(answer.content)
        return {"cpu": time.process_time() - before, "peak": peak()}


# The promise ------------------------------------------------------------------------


def pages(changed: int) -> list[int]:
    """
    The rows of each page of a feed of Xero, in the order of their change.

    Each page begins one second before the last row of the one before; the fake's clock
    moves by a second with each change, so two rows come again.
    """
    rows = [min(changed, PAGE)]
    left = changed - rows[0]
    while left:
        rows.append(min(left, PAGE - 2) + 2)
        left -= rows[-1] - 2
    return rows


def promised(changed: int) -> dict[str, dict[str, int]]:
    """
    The calls of a first run, by the connectors' formulas.

    Xero: signing in and `check`, the pages of both feeds that changed, one page of each
    other feed. ConnectWise: `check`; the numbers that each page brings, in batches (rows
    that come again unchanged cost nothing); for each write, a look at the invoice's
    payments before.
    """
    feeds = 2 * len(pages(changed)) + (FEEDS - 2)
    first, *rest = pages(changed)
    asked = ceil(first / FETCH) + sum(ceil((n - 2) / FETCH) for n in rest)
    return {
        "ledger": {"calls": SIGN_IN + CHECKS["ledger"] + feeds, "writes": 0},
        "billing": {
            "calls": CHECKS["billing"] + asked + 2 * changed,
            "writes": changed,
        },
    }


AGAIN: Mapping[str, Mapping[str, int]] = {
    "ledger": {"calls": FEEDS, "writes": 0},
    "billing": {"calls": 0, "writes": 0},
}
"""The calls of a second run right after: one page of each feed."""


def check(found: Mapping[str, Any], told: Mapping[str, Any], count: int) -> None:
    """Whether a run did what it should, by its own report and by what the servers saw."""
    assert found["updated"] == count, found
    assert found["updated again"] == 0, found
    assert found["first"] == promised(count), (found["first"], promised(count))
    assert found["second"] == AGAIN, found["second"]
    for side, seen in told.items():
        calls = found["first"][side]["calls"] + found["second"][side]["calls"]
        assert seen["requests"] == calls, (side, seen, calls)
    assert told["billing"]["writes"] == count, told


# The report -------------------------------------------------------------------------


def client(what: str, recorded: Path, count: int) -> dict[str, Any]:
    """One client in a fresh process, against two fresh servers."""
    told: dict[str, Any] = {}
    with ExitStack() as stack:
        urls = {
            side: stack.enter_context(server(side, count, told))
            for side in ("ledger", "billing")
        }
        found = fresh(
            __file__, "--client", what, "--urls", json.dumps(urls), "--calls",
            str(recorded),
        )  # fmt: skip
    if what != "replay":
        check(found, told, count)
    return found


def compared(count: int) -> None:
    """Both clients in turn, and the table of what they cost."""
    with tempfile.TemporaryDirectory() as folder:
        recorded = Path(folder) / "calls.json"
        client("record", recorded, count)
        runs: dict[str, list[dict[str, Any]]] = {"tieout": [], "replay": []}
        for _ in range(ROUNDS):
            for what, each in runs.items():
                each.append(client(what, recorded, count))
    ours, bare = runs["tieout"], runs["replay"]
    times = middle(ours, "cpu") / middle(bare, "cpu")
    again = middle(ours, "again") / middle(ours, "cpu")
    rows = [
        ["tieout", f"{times:.2f}", f"{middle(ours, 'peak'):.0f}"],
        ["bare loop", "1.00", f"{middle(bare, 'peak'):.0f}"],
        ["tieout, second run", f"{times * again:.3f}", ""],
    ]
    print(f"{count:,} changed invoices, CPU time, the bare loop = 1:\n")
    print(table(["client", "CPU", "peak MiB"], rows))
    calls = [
        [run, side, str(seen["calls"] - seen["writes"]), str(seen["writes"])]
        for run in ("first", "second")
        for side, seen in ours[0][run].items()
    ]
    print("\nCalls, as the connectors promise them and as the servers saw them:\n")
    print(table(["run", "side", "reads", "writes"], calls))
    word = "reached" if times <= TIMES_MAX else "MISSED"
    print(f"\n{times:.2f} times the bare loop's CPU (aim {TIMES_MAX:.0f}): {word}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--urls", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--calls", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        served(given.serve, given.records)
    elif given.client == "replay":
        print(json.dumps(replayed(given.urls, given.calls)))
    elif given.client:
        record = given.calls if given.client == "record" else None
        print(json.dumps(synced(given.urls, record)))
    else:
        compared(given.records)


if __name__ == "__main__":
    main()
