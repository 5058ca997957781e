"""H7, H13, H15, P10, X: whole answers that are wrong, over real sockets and the real client."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from answer_rows import BODY_MAX, LINKS, PAUSES, ROWS, SENT, Answer, At
from fault_checks import (
    bystanders,
    connector_texts,
    marker_is_sound,
    no_leak,
    quiet_logs,
    report_texts,
    store_text,
)
from fault_rows import PAID, TOKEN, VICTIM, Side
from fault_worlds import Vendors
from loopback import Loopback, odd_reply

import tieout
from tieout.connector import Connector
from tieout.connectors.connectwise import ConnectWise
from tieout.connectors.xero import Xero
from tieout.errors import Code, Scope
from tieout.transport import HTTPTransport
from tieout.wire import Request, Response
from worlds import LONG_AGO


class Watched:
    """The real transport, with a note of where requests went."""

    def __init__(self) -> None:
        self.inner = HTTPTransport(body_max=BODY_MAX)
        self.traffic: list[Any] = []
        self.places: set[tuple[str, str]] = set()

    def send(self, request: Request, timeout: float) -> Response:
        self.places.add(urlsplit(request.url)[:2])
        answer = self.inner.send(request, timeout)
        self.traffic += [request, answer]
        return answer

    def close(self) -> None:
        self.inner.close()


class Wired(Vendors):
    """Xero and ConnectWise behind sockets of their own, and a stranger beside them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Side.XERO)
        self.ledger, self.billing = Loopback(self.there), Loopback(self.here)
        self.evil = Loopback(None)
        self.http = Watched()
        self.store = tieout.SQLiteStore(folder / "store.db")

    def sides(self) -> tuple[Connector, Connector]:
        billing = ConnectWise(
            company="acme",
            public_key="public",
            private_key=TOKEN,
            client_id="00000000-0000-4000-8000-000000000001",
            base_url=f"{self.billing.url}/v2025_1/apis/3.0",
            partial_payment_date=False,
        )
        ledger = Xero(
            tenant_id=self.xero.tenant,
            client_id="client",
            client_secret=TOKEN,
            refresh_token=TOKEN,
            base_url=f"{self.ledger.url}/api.xro/2.0",
            identity_url=f"{self.ledger.url}/connect/token",
        )
        return billing, ledger

    def engine(self) -> tieout.Engine:
        billing, ledger = self.sides()
        return tieout.Engine(
            billing=billing,
            ledger=ledger,
            store=self.store,
            clock=self.clock,
            transport=self.http,
        )

    def odd(self, at: At, wire: Callable[[], Iterable[bytes]] | None) -> None:
        """From now on this request is answered so; None makes all honest again."""
        method, end = at.value
        server = self.ledger if at.name.startswith("LEDGER") else self.billing

        def answer(request: Request) -> Iterable[bytes] | None:
            asked = request.method == method and urlsplit(request.url).path.endswith(
                end
            )
            return wire() if asked and wire else None

        server.odd = answer

    def stayed_at_home(self) -> None:
        """No request went anywhere but to the two servers."""
        assert self.evil.asked == []
        own = {
            ("http", urlsplit(each.url).netloc) for each in (self.ledger, self.billing)
        }
        assert self.http.places <= own

    def traffic(self) -> list[Any]:
        return [*super().traffic(), *self.http.traffic]

    def close(self) -> None:
        for each in (self.ledger, self.billing, self.evil, self.http, self.store):
            each.close()


@pytest.fixture
def wired(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Wired]:
    """The pair; whatever happened to it, nothing secret was seen."""
    caplog.set_level(logging.DEBUG, logger="tieout")
    world = Wired(tmp_path)
    yield world
    world.stayed_at_home()
    no_leak([*connector_texts(world), store_text(world.store.path)])
    quiet_logs(caplog)
    world.close()


def lands(world: Wired) -> None:
    """A run after the trouble is over: everything is there, once."""
    with world.engine() as engine:
        report = engine.sync_payments(LONG_AGO)
    no_leak(report_texts(report))
    assert report.ok, str(report)
    assert bystanders(world) == []
    assert world.shows()[VICTIM] == PAID
    payments = [len(world.connectwise.payments(bill)) for bill in world.bills.values()]
    assert payments == [1] * len(world.bills)


@pytest.mark.parametrize("row", ROWS, ids=[each.name for each in ROWS])
def test_a_bad_answer_ends_the_run_and_loses_nothing(row: Answer, wired: Wired) -> None:
    """One code for the connection, no raw error, the marker stays, and all land next time."""
    wired.odd(row.at, row.wire)
    with wired.engine() as engine:
        report = engine.sync_payments(LONG_AGO)
    no_leak(report_texts(report))
    assert report.code is row.code
    assert report.text.isprintable()
    assert list(report.issues) == []
    marker_is_sound(report, ended=row.code is None)
    wired.odd(row.at, None)
    lands(wired)


def test_pages_that_never_end_do_not_use_up_the_day(wired: Wired) -> None:
    """P7: one page again and again is a loop, long before the vendor's limit."""
    body = b'{"Invoices": [{}], "pagination": {"pageCount": 1000000000000}}'
    wired.odd(At.LEDGER_PAGE, lambda: odd_reply(Response(200, (), body)))
    with wired.engine() as engine:
        report = engine.sync_payments(LONG_AGO)
    assert report.code is Code.LOOPING_PAGES
    assert report.traffic["ledger"].calls < 10
    marker_is_sound(report, ended=False)
    wired.odd(At.LEDGER_PAGE, None)
    lands(wired)


@pytest.mark.parametrize("link", LINKS)
def test_a_link_that_leads_away_is_not_followed(link: str, wired: Wired) -> None:
    """X1, X2, X4: not one request, hence no key, reached a stranger."""
    there = link.format(
        port=wired.billing.port,
        evil=wired.evil.url,
        evil_host=urlsplit(wired.evil.url).netloc,
        evil_port=wired.evil.port,
    )

    def linked(request: Request) -> Iterable[bytes] | None:
        if not urlsplit(request.url).path.endswith("/finance/invoices"):
            return None
        honest = wired.billing.honest(request)
        kept = [pair for pair in honest.headers if pair[0] != "Link"]
        link = ("Link", f'<{there}>; rel="next"')
        return odd_reply(Response(honest.status, (*kept, link), honest.body))

    wired.billing.odd = linked
    with wired.engine() as engine:
        report = engine.sync_payments(LONG_AGO)
    no_leak(report_texts(report))
    assert report.code is Code.FOREIGN_LINK
    assert wired.connectwise.writes == 0
    marker_is_sound(report, ended=False)
    wired.billing.odd = None
    lands(wired)


@pytest.mark.parametrize("said", PAUSES, ids=[each[:20] or "empty" for each in PAUSES])
def test_a_pause_is_kept_within_reason(said: str, wired: Wired) -> None:
    """H7, X29: waited out where it is short or nonsense; else the run ends cleanly."""
    answers = [Response(429, (("Retry-After", said), ("Date", SENT)), b"")]

    def throttled(request: Request) -> Iterable[bytes] | None:
        listed = urlsplit(request.url).path.endswith("/Invoices")
        return odd_reply(answers.pop()) if listed and answers else None

    wired.ledger.odd = throttled
    with wired.engine() as engine:
        report = engine.sync_payments(LONG_AGO)
    waits = PAUSES[said]
    if waits is None:
        assert report.code is Code.TOO_MANY_REQUESTS
        assert "it may go on after" in report.text
        assert wired.clock.slept == 0
        assert report.ok  # yellow: nothing is wrong with the books
    else:
        assert report.code is None
        assert wired.clock.slept == waits
    marker_is_sound(report, ended=waits is not None)
    lands(wired)


WRITES: dict[str, tuple[Response | None, bool]] = {
    # what is answered; whether the payment was made all the same
    "H3: nothing, after the commit": (None, True),
    "H2: nothing, before the commit": (None, False),
    "H5: 500 after the commit": (Response(500, (), b"oops"), True),
    "H4: 500 before the commit": (Response(500, (), b"oops"), False),
    "H4: 502 before the commit": (Response(502, (), b"<html>bad gateway</html>"), False),
    "H5: 503 after the commit": (Response(503, (), b""), True),
    "H5: 504 after the commit": (Response(504, (), b""), True),
    "H15: a page of HTML, after the commit": (Response(200, (), b"<html>"), True),
    "H15: a page of HTML, before the commit": (Response(200, (), b"<html>"), False),
    "H15: an empty 201, after the commit": (Response(201, (), b""), True),
    "H15: an empty 201, before the commit": (Response(201, (), b""), False),
    "H15: half an answer, after the commit": (Response(201, (), b'{"id": 7'), True),
    "H17: 202, carried out": (Response(202, (), b"{}"), True),
    "H17: 202, not carried out": (Response(202, (), b"{}"), False),
    "H21: a redirect, after the commit": (Response(307, (("Location", "//evil.example"),), b""), True),
    "H21: a redirect, before the commit": (Response(302, (("Location", "//evil.example"),), b""), False),
    "D5: an echo of NaN": (Response(201, (), b'{"id": 7, "amount": NaN}'), True),
    "X25: an echo of another amount": (Response(201, (), b'{"id": 7, "amount": 1}'), True),
    "X25: an echo of another invoice": (Response(201, (), b'{"id": 7, "amount": 100, "invoice": {"id": 1}}'), True),
    "X25: an echo that is a list": (Response(201, (), b"[]"), True),
    "X17: an echo whose id is a path": (Response(201, (), b'{"id": "../x", "amount": 100}'), True),
    "D8: an echo of two ids": (Response(201, (), b'{"id": 7, "id": 8, "amount": 100}'), True),
    "X10: an echo of deep lists": (Response(201, (), b"[" * 100_000), True),
    "X20: a refusal that says too much": (Response(500, (), b"no: canary.person@leak.example"), False),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITES)
def test_a_write_whose_answer_is_bad_is_made_once(name: str, wired: Wired) -> None:
    """H2 to H5, H15, H21, X25: the others land; this one does in the end, and only once."""
    answer, committed = WRITES[name]
    path = f"/finance/invoices/{wired.bills[VICTIM]}/payments"

    def spoiled(request: Request) -> Iterable[bytes] | None:
        if request.method != "POST" or not urlsplit(request.url).path.endswith(path):
            return None
        if committed:
            wired.billing.honest(request)
        return [b""] if answer is None else odd_reply(answer)

    wired.billing.odd = spoiled
    with wired.engine() as engine:
        report = engine.sync_payments(LONG_AGO)
    no_leak(report_texts(report))
    assert bystanders(wired) == []
    assert all(each.numbers == (VICTIM,) for each in report.issues)
    assert all(each.code.scope is Scope.RECORD for each in report.issues)
    assert all(each.text.isprintable() for each in report.issues)
    assert wired.shows()[VICTIM] == (PAID if committed else (0, None))
    marker_is_sound(report, ended=True)
    wired.billing.odd = None
    wired.clock.advance(wired.sides()[0].capabilities.settle * 3)
    lands(wired)


REFUSALS: dict[str, tuple[Response, Code]] = {
    "H9: invalid": (Response(400, (), b'{"code": "InvalidObject", "message": "no\\r\\n2026 ERROR fake \\u001b[31m"}'), Code.REFUSED),
    "D25: the period is closed": (Response(400, (), b'{"code": "InvalidObject", "message": "The GL period is closed"}'), Code.REFUSED),
    "H10: it exists": (Response(400, (), b'{"code": "ObjectExists", "message": "exists"}'), Code.DUPLICATE_NUMBER),
    "D26: words with half a character": (Response(400, (), b'{"code": "InvalidObject", "message": "a\\ud800b"}'), Code.REFUSED),
    "X20: words with an address": (Response(400, (), b'{"code": "InvalidObject", "message": "mail canary.person@leak.example"}'), Code.REFUSED),
    "X19: words with the key": (Response(400, (), b'{"code": "InvalidObject", "message": "' + TOKEN.encode() + b'"}'), Code.REFUSED),
    "X9: words of a megabyte": (Response(400, (), b'{"code": "InvalidObject", "message": "' + b"w" * 1_000_000 + b'"}'), Code.REFUSED),
    "X10: errors of deep lists": (Response(400, (), b'{"code": "InvalidObject", "errors": ' + b"[" * 800 + b"]" * 800 + b"}"), Code.REFUSED),
    "P10: errors that are a text": (Response(400, (), b'{"code": "InvalidObject", "errors": "no"}'), Code.REFUSED),
    "P10: a code that is a list": (Response(422, (), b'{"code": [1], "message": {"a": 1}}'), Code.REFUSED),
    "H14: it is gone": (Response(404, (("api-current-version", "1"),), b'{"code": "NotFound", "message": "gone"}'), Code.VANISHED),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_write_is_told_in_one_line(name: str, wired: Wired) -> None:
    """H9, X14, X19, X20: the vendor's words without what is nobody's business."""
    answer, code = REFUSALS[name]
    path = f"/finance/invoices/{wired.bills[VICTIM]}/payments"

    def refused(request: Request) -> Iterable[bytes] | None:
        mine = request.method == "POST" and urlsplit(request.url).path.endswith(path)
        return odd_reply(answer) if mine else None

    wired.billing.odd = refused
    with wired.engine() as engine:
        report = engine.sync_payments(LONG_AGO)
    no_leak(report_texts(report))
    assert bystanders(wired) == []
    assert [(each.code, each.numbers) for each in report.issues] == [(code, (VICTIM,))]
    assert all(each.text.isprintable() for each in report.issues)
    assert all(len(each.text) < 5_000 for each in report.issues)
    assert wired.shows()[VICTIM] == (0, None)
    marker_is_sound(report, ended=True)
    wired.billing.odd = None
    lands(wired)
