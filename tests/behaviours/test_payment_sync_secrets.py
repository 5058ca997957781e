"""Credentials stay where they belong: on requests to the connection's own address."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from stages import CANARY, Vendors

import tieout
from tieout.errors import Code
from tieout.wire import Request, Response, Transport
from worlds import LONG_AGO


class Watched:
    """A transport that notes where requests go, and may write other links into answers."""

    def __init__(
        self, inner: Transport, links: Mapping[str, str] | None = None
    ) -> None:
        self._inner = inner
        self._links = links or {}
        self.hosts: list[str] = []
        self.sent: list[Request] = []

    def send(self, request: Request, timeout: float) -> Response:
        self.hosts.append(urlsplit(request.url).netloc)
        self.sent.append(request)
        answer = self._inner.send(request, timeout)
        headers = [pair for pair in answer.headers if pair[0] != "Link"]
        if "/finance/invoices" in request.url and self._links:
            headers += self._links.items()
        return Response(answer.status, tuple(headers), answer.body)

    def close(self) -> None:
        self._inner.close()


def stage_with_payments() -> Vendors:
    """Three invoices, two of them paid."""
    stage = Vendors()
    for number in ("I1", "I2", "I3"):
        stage.invoice(number, 50)
    stage.pay("I1", 50)
    stage.pay("I2", 20)
    return stage


def watched(
    stage: Vendors, links: Mapping[str, str] | None = None
) -> tuple[tieout.Engine, Watched, Watched]:
    """An engine whose transports are watched."""
    billing, ledger = stage.connectors()
    there, here = Watched(stage.xero), Watched(stage.connectwise, links)
    transport = {billing.connection: here, ledger.connection: there}
    return stage.engine(transport=transport), here, there


FOREIGN = (
    "https://evil.example/v2025_1/apis/3.0/finance/invoices?page=2",
    "http://api-na.myconnectwise.net/v2025_1/apis/3.0/finance/invoices?page=2",
    "https://api-na.myconnectwise.net:8443/v2025_1/apis/3.0/finance/invoices?page=2",
    "https://api-na.myconnectwise.net@evil.example/v2025_1/apis/3.0/x",
    "https://api-na.myconnectwise.net.evil.example/v2025_1/apis/3.0/x",
    "//evil.example/v2025_1/apis/3.0/finance/invoices",
)


@pytest.mark.parametrize("link", FOREIGN)
def test_a_foreign_link_is_not_followed(link: str) -> None:
    """B157, B159: the run ends; no request, hence no credential, went there."""
    stage = stage_with_payments()
    engine, here, _ = watched(stage, {"Link": f'<{link}>; rel="next"'})
    with engine:
        report = engine.sync_payments(LONG_AGO)
    assert set(here.hosts) == {"na.myconnectwise.net", "api-na.myconnectwise.net"}
    assert all(urlsplit(each.url).scheme == "https" for each in here.sent)
    assert all(urlsplit(each.url).port is None for each in here.sent)
    assert report.code is Code.FOREIGN_LINK
    assert not report.marker_moved


def test_a_looping_link_ends_the_run() -> None:
    """B159: an address that names itself as the next is not followed for ever."""
    stage = stage_with_payments()
    own = "https://api-na.myconnectwise.net/v2025_1/apis/3.0/finance/invoices?page=1"
    engine, here, _ = watched(stage, {"Link": f'<{own}>; rel="next"'})
    with engine:
        report = engine.sync_payments(LONG_AGO)
    assert not report.complete
    assert report.code is Code.LOOPING_PAGES
    assert len(here.sent) < 200


def test_requests_go_to_the_vendors_own_hosts_alone() -> None:
    """B159: everything goes through the transports that were handed in."""
    stage = stage_with_payments()
    engine, here, there = watched(stage)
    with engine:
        assert engine.sync_payments(LONG_AGO).ok
    assert set(here.hosts) == {"na.myconnectwise.net", "api-na.myconnectwise.net"}
    assert set(there.hosts) == {"api.xero.com", "identity.xero.com"}


def test_no_secret_is_ever_shown(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """B157: not in reports, plans, files, events, issues, logs or representations."""
    caplog.set_level(logging.DEBUG, logger="tieout")
    stage = stage_with_payments()
    stage.invoice("by hand", 50, exported=False)
    engine, here, there = watched(stage)
    file = tieout.PlanFile(tmp_path / "plan.jsonl")
    with engine:
        engine.sync_payments(LONG_AGO, adapter=file)
        plan = engine.plan_payments(LONG_AGO)
        stage.connectwise.fail(1, 500, b"Server Error")
        reports = [engine.sync_payments(LONG_AGO) for _ in range(2)]
        health = engine.check()
    billing, ledger = stage.connectors()
    seen: list[Any] = [
        *map(str, reports),
        *map(repr, reports),
        *(list(report.issues) for report in reports),
        *(list(report.records) for report in reports),
        plan,
        str(plan),
        file.path.read_text(encoding="utf-8"),
        health,
        engine,
        billing,
        ledger,
        billing.auth,
        ledger.auth,
        billing.auth.first(),
        ledger.auth.first(),
        [*here.sent, *there.sent],
        [record.getMessage() for record in caplog.records],
    ]
    assert CANARY not in "\n".join(map(repr, seen))
    assert CANARY in json.dumps([str(each.content) for each in there.sent] + [CANARY])
    assert reports[-1].ok


def test_wrong_credentials_are_named_and_not_repeated() -> None:
    """B163: refused once, red, with what to do; nothing is written."""
    stage = stage_with_payments()
    stage.connectwise.private_key = "another"
    engine, here, _ = watched(stage)
    with engine:
        report = engine.sync_payments(LONG_AGO)
    assert report.code is Code.SIGN_IN_REFUSED
    assert "keys" in report.remedy or "password" in report.remedy
    assert not report.ok
    assert stage.connectwise.writes == 0
    assert CANARY not in str(report) + repr(report)
    assert len(here.sent) < 6


def test_a_missing_permission_is_named() -> None:
    """B163: which module, and what to give."""
    stage = stage_with_payments()
    stage.connectwise.deny("finance")
    engine, _, _ = watched(stage)
    with engine:
        report = engine.sync_payments(LONG_AGO)
    assert report.code is Code.PERMISSION_MISSING
    assert "finance" in report.text
    assert report.counts["updated"] == 0
