"""
The real HTTP client over a recorded conversation: the whole way but the server.

The cassette was recorded against the fake served over loopback
(``RECORD=1 pytest tests/connectors/test_cassettes.py``). It is played with recording off,
and every exchange on it has to be used, so that no request can slip past it unseen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import vcr
from vcr.record_mode import RecordMode

import tieout
from tieout.capabilities import Changed
from tieout.clock import SystemClock
from tieout.connectors.xero import Xero
from tieout.session import Session
from tieout.testing.fakes.serving import serve
from tieout.testing.fakes.xero import FakeXero

CASSETTE = Path(__file__).parent / "cassettes" / "xero_levels.yaml"
RECORDING = os.environ.get("RECORD") == "1"
PORT = 49152
"""Of the recorded address; nothing listens there when the cassette is played."""


def books(now: datetime) -> FakeXero:
    """Three invoices: paid, paid in part, open."""
    fake = FakeXero(now=lambda: now, tenant="5f8d0c46-6f39-4f3b-9a5e-0d6f3b1a2c4d")
    contact = fake.add_contact("Acme")
    for number, paid in (("INV-1", "100.00"), ("INV-2", "30.00"), ("INV-3", "")):
        made = fake.add_invoice(number, contact, "100.00", on=date(2026, 3, 1))
        if paid:
            fake.pay(made, paid, date(2026, 3, 9))
    return fake


@contextmanager
def address() -> Iterator[str]:
    """Where the requests go: to the served fake while recording, else to nowhere."""
    if not RECORDING:
        yield f"http://127.0.0.1:{PORT}"
        return
    with serve(books(datetime(2026, 3, 10, 12, tzinfo=UTC))) as served:
        yield served.url


def scrubbed(request: Any) -> Any:
    """No token on the tape, not even a made-up one."""
    request.body = b"" if request.path.endswith("/connect/token") else request.body
    return request


def hushed(response: Any) -> Any:
    """Nor one in an answer."""
    if b"access_token" in response["body"]["string"]:
        made_up = (
            b'{"access_token":"made-up","expires_in":1800,"refresh_token":"made-up"}'
        )
        response["body"]["string"] = made_up
        response["headers"]["Content-Length"] = [str(len(made_up))]
    return response


tape = vcr.VCR(
    record_mode=RecordMode.ALL if RECORDING else RecordMode.NONE,
    match_on=["method", "path", "query"],
    filter_headers=["Authorization", "Host"],
    before_record_request=scrubbed,
    before_record_response=hushed,
    decode_compressed_response=True,
)


def test_levels_are_read_over_the_real_client() -> None:
    """B17, B18, B19: from bytes on the wire to amounts and dates."""
    with (
        address() as url,
        tape.use_cassette(str(CASSETTE), allow_playback_repeats=False) as played,
    ):
        ledger = Xero(
            tenant_id="5f8d0c46-6f39-4f3b-9a5e-0d6f3b1a2c4d",
            client_id="client",
            client_secret="secret",
            refresh_token="refresh-0",
            base_url=f"{url}/api.xro/2.0",
            identity_url=f"{url}/connect/token",
        )
        transport = tieout.HTTPTransport()
        session = Session(ledger, transport, tieout.MemoryStore(), SystemClock())
        since = datetime(2026, 3, 10, tzinfo=UTC) - timedelta(days=30)
        flow = ledger.page(tieout.Settlement, Changed(since))
        page = session.run(flow)
        session.close()
        transport.close()
    levels = {each.number: (each.paid, each.paid_on) for each in page.records}
    assert levels == {
        "INV-1": (Decimal(100), date(2026, 3, 9)),
        "INV-2": (Decimal(30), None),
        "INV-3": (Decimal(0), None),
    }
    if not RECORDING:
        assert played.play_count == 2
        assert played.all_played
