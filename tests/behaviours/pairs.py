"""
Two real connectors and an engine between them, over HTTP on the loopback interface.

Documents go between the doubles of two servers, which count what they are asked. What a
bookkeeper or an office does is done in the doubles themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

from attrs import define, field, frozen
from halves import CLIENT

import tieout
from tieout.connector import Connector
from tieout.connectors.autotask import Autotask
from tieout.connectors.connectwise import ConnectWise
from tieout.connectors.intacct import Intacct
from tieout.connectors.invoiced import Invoiced
from tieout.connectors.quickbooks import QuickBooks
from tieout.connectors.xero import Xero
from tieout.errors import Code, Fate, Fault
from tieout.models import CreditNote, Customer, Invoice, Payment, RecordType
from tieout.report import Report
from tieout.settings import Settings
from tieout.testing.fakes.autotask import FakeAutotask
from tieout.testing.fakes.connectwise import FakeConnectWise
from tieout.testing.fakes.intacct import FakeIntacct
from tieout.testing.fakes.invoiced import FakeInvoiced
from tieout.testing.fakes.quickbooks import FakeQuickBooks
from tieout.testing.fakes.quickbooks_books import Ways
from tieout.testing.fakes.serving import serve
from tieout.testing.fakes.xero import FakeXero
from tieout.wire import Request, Response
from worlds import SetClock

DAY = date(2026, 3, 1)
LAST = tieout.Since.LAST_RUN
LATER = timedelta(hours=2)
"""Between two runs: longer than a marker reaches back."""

SIGN_INS = ("getAPISession", "POST /connect/token", "POST /oauth2/v1/tokens/bearer")
"""What the doubles count a sign-in under; no formula of costs has them."""


@frozen
class Cost:
    """What was asked of one side, sign-ins aside, and how much of it could change something."""

    calls: int
    writes: int
    labels: Counter[str] = field(eq=False)


@define
class Pair:
    """Billing and a ledger, each a double of a server, and what stands between them."""

    billing: Any
    ledger: Any
    connect: Callable[[str, str], tuple[Connector, Connector]]
    rules: dict[str, Any]
    clock: SetClock
    store: tieout.Store = field(factory=tieout.MemoryStore)
    engine: tieout.Engine = field(init=False)
    sides: tuple[Connector, Connector] = field(init=False)
    _servers: list[Any] = field(factory=list)
    _http: tieout.HTTPTransport = field(factory=tieout.HTTPTransport)

    def __attrs_post_init__(self) -> None:
        self._servers = [serve(self.billing), serve(self.ledger)]
        self.join(**self.rules)

    def join(self, **rules: Any) -> None:
        """An engine with these rules; what was remembered stays."""
        self.rules = rules
        addresses = (each.url for each in self._servers)
        billing, ledger = self.sides = self.connect(*addresses)
        self.engine = tieout.Engine(
            billing=billing,
            ledger=ledger,
            settings=Settings(**rules),
            store=self.store,
            transport=self._http,
            clock=self.clock,
        )

    def close(self) -> None:
        """Stop serving."""
        self._http.close()
        for each in self._servers:
            each.close()

    def carry(self, *kinds: RecordType, since: Any = DAY) -> list[Report]:
        """Each kind once, those that others name first; then time passes."""
        verbs = {
            Customer: self.engine.sync_customers,
            Invoice: self.engine.sync_invoices,
            CreditNote: self.engine.sync_credit_notes,
            Payment: self.engine.sync_payments,
        }
        found = [verbs[kind](since) for kind in kinds or verbs]
        self.clock.advance(LATER)
        return found

    def quietly(self, *kinds: RecordType, since: Any = DAY) -> list[Report]:
        """The same, and nothing is to say about anything."""
        found = self.carry(*kinds, since=since)
        told = [str(issue) for report in found for issue in report.issues]
        assert not told, told
        assert all(report.ok for report in found), found
        return found

    @contextmanager
    def costs(self) -> Iterator[list[Cost]]:
        """What is asked meanwhile: of billing, and of the ledger."""
        sides = (self.billing, self.ledger)
        before = [(e.requests, e.writes, e.calls.copy()) for e in sides]
        found: list[Cost] = []
        yield found
        for side, (requests, writes, calls) in zip(sides, before, strict=True):
            labels = Counter(side.calls) - calls
            sign_ins = sum(labels.pop(label, 0) for label in SIGN_INS)
            made = side.requests - requests - sign_ins
            found.append(Cost(made, side.writes - writes, labels))


def lose(fake: Any, method: str, path: str) -> None:
    """The next request of this method and path is carried out, and its answer is lost."""
    send = fake.send

    def losing(request: Request, timeout: float) -> Response:
        answer: Response = send(request, timeout)
        if request.method == method and path in request.url:
            fake.send = send
            raise Fault(Code.ANSWER_LOST, "the connection broke", fate=Fate.UNCLEAR)
        return answer

    fake.send = losing


# Invoiced and Sage Intacct ----------------------------------------------------------------

METHODS = {"other": "EFT", "check": "Printed Check", "credit_card": "Credit Card"}


def invoiced_intacct(
    *,
    ledger: dict[str, Any] | None = None,
    fake: dict[str, Any] | None = None,
    **rules: Any,
) -> Pair:
    """Both ways; ``ledger`` are arguments of its connector, ``fake`` of its double."""
    clock, more = SetClock(), ledger or {}

    def connect(billing: str, book: str) -> tuple[Connector, Connector]:
        given: dict[str, Any] = {
            "company": "acme",
            "user": "billing",
            "password": "user-secret",
            "sender": "sender",
            "sender_password": "sender-secret",
            "url": f"{book}/ia/xml/xmlgw.phtml",
            "base_currency": "USD",
            "account": "4000",
            "tax_accounts": {"": "2200"},
            "deposit_accounts": {"*/*": "BOA"},
            "payment_methods": METHODS,
        }
        return (
            Invoiced(
                company="acme",
                api_key="key",
                base_url=billing,
                currency="USD",
                limits=(),
            ),
            Intacct(**{**given, **more}),
        )

    return Pair(
        FakeInvoiced(now=clock.now),
        FakeIntacct(now=clock.now, **(fake or {})),
        connect,
        rules,
        clock,
    )


# Autotask and Xero ------------------------------------------------------------------------


def autotask_xero(**rules: Any) -> Pair:
    """Invoices from Autotask are posted to Xero, and what is paid comes back."""
    clock = SetClock()
    ledger = FakeXero(
        now=clock.now,
        calls_per_minute=None,
        calls_per_day=None,
        client_secret="secret",
        refresh_token="refresh",
    )

    def connect(billing: str, book: str) -> tuple[Connector, Connector]:
        return (
            Autotask(
                company="acme",
                user="api@example.com",
                secret="secret",
                integration_code="code",
                currency="USD",
                base_url=f"{billing}/atservicesrest/",
            ),
            Xero(
                tenant_id=ledger.tenant,
                client_id="client",
                client_secret="secret",
                refresh_token="refresh",
                account="200",
                base_url=f"{book}/api.xro/2.0",
                identity_url=f"{book}/connect/token",
            ),
        )

    billing = FakeAutotask(now=clock.now, secret="secret", integration_code="code")
    return Pair(billing, ledger, connect, rules, clock)


# ConnectWise and QuickBooks ---------------------------------------------------------------


def connectwise_quickbooks(**rules: Any) -> Pair:
    """Invoices from ConnectWise are posted to QuickBooks, and what is paid comes back."""
    clock = SetClock()
    # That the field of the mark can be searched is told by no document of the vendor's.
    ways = Ways(filterable={"Customer.PrintOnCheckName": True})
    ledger = FakeQuickBooks(
        now=clock.now, client_secret="secret", refresh_token="refresh", ways=ways
    )

    def connect(billing: str, book: str) -> tuple[Connector, Connector]:
        return (
            ConnectWise(
                company="acme",
                public_key="public",
                private_key="private",
                client_id=CLIENT,
                partial_payment_date=False,
                base_url=f"{billing}/v2025_1/apis/3.0",
            ),
            QuickBooks(
                realm_id=ledger.realm,
                client_id="client",
                client_secret="secret",
                refresh_token="refresh",
                item="1",
                tax_code="TAX",
                delete_credit_memos=True,
                base_url=f"{book}/v3/company/{ledger.realm}",
                token_url=f"{book}/oauth2/v1/tokens/bearer",
            ),
        )

    billing = FakeConnectWise(now=clock.now, private_key="private")
    return Pair(billing, ledger, connect, rules, clock)
