"""What a system said, word for word, and that no secret is in it."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from doubles import SetClock

import tieout
from tieout.auth import Headers, basic
from tieout.capabilities import Capabilities, Kind, Verb
from tieout.connector import RestConnector
from tieout.connectors.xero import Xero
from tieout.errors import Code, ConfigError, Fault
from tieout.models import Invoice, R, Ref
from tieout.payload import HIDDEN, overheard, stripped
from tieout.protocol import Page
from tieout.testing.fakes.xero import FakeXero
from tieout.testing.year.books import Books
from tieout.testing.year.connector import BooksConnector
from tieout.wire import Call, Flow, Request, Response

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


# Secrets by their names ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        # JSON, of each type of value, and with all that a text may hold
        ('{"password": "hunter2", "n": 1.50}', '{"password": "***", "n": 1.50}'),
        (r'{"Password":"a\"b, c}","n":1}', '{"Password":"***","n":1}'),
        ('{"access_token": null, "n": 1}', '{"access_token": "***", "n": 1}'),
        ('{"apiKey": 12345, "n": 1}', '{"apiKey": "***", "n": 1}'),
        ('{"x-api-key":"k","n":1}', '{"x-api-key":"***","n":1}'),
        ('{"tokens": ["a", "b"], "n": 1}', '{"tokens": "***", "n": 1}'),
        ('{"secret": {"value": "a", "b": [1]}}', '{"secret": "***"}'),
        ('{"sessionId":"s"},{"session_id":"t"}', '{"sessionId":"***"},{"session_id":"***"}'),
        (r'{"body": "{\"password\": \"x\", \"n\": 1}"}', r'{"body": "{\"password\": \"***\", \"n\": 1}"}'),
        ('{"password": "cut o', '{"password": "***"'),
        ('{"password": {"a": "cut o', '{"password": "***"'),
        ('{"password": ' + "[" * 99_999, '{"password": "***"'),
        ('{"password":', '{"password":"***"'),
        ("{'password': 'it\\'s', 'n': 1}", "{'password': '***', 'n': 1}"),
        ("{'password': 7, 'n': 1}", "{'password': '***', 'n': 1}"),
        ('{"name": "Portal Password", "value": "x"}', '{"name": "Portal Password", "value": "***"}'),
        # XML
        ("<password>a, b &amp; c</password><n>1</n>", "<password>***</password><n>1</n>"),
        ("<a:sessionid t='1'><![CDATA[a<b]]></a:sessionid>", "<a:sessionid t='1'>***</a:sessionid>"),
        ("<token><id>a</id>\n<of>b</of></token>", "<token>***</token>"),
        ("<password>cut o", "<password>***"),
        ("<password/><n>1</n>", "<password/><n>1</n>"),
        ('<login user="u" password="x y" n="1"/>', '<login user="u" password=*** n="1"/>'),
        ("<login password='x y'/>", "<login password=***/>"),
        # Forms and addresses
        ("grant_type=x&refresh_token=a%20b&client_secret=c&n=1", "grant_type=x&refresh_token=***&client_secret=***&n=1"),
        ("https://h/p?api_key=abc&n=1", "https://h/p?api_key=***&n=1"),
        ("https://user:pa55@h/p", "https://user:***@h/p"),
        ("Grant(token='abc', n=1)", "Grant(token=***, n=1)"),
        # Headers
        ("Authorization: Bearer abc.def ghi\nAge: 1", "Authorization: ***\nAge: 1"),
        ("Set-Cookie: JSESSIONID=1; Path=/", "Set-Cookie: ***"),
        ("X-Api-Key:abc", "X-Api-Key:***"),
        # By their looks
        ("sent Bearer abcdef12345 twice", "sent Bearer *** twice"),
        ("was eyJhbGciOi.eyJzdWIi.abc-_1", "was ***"),
    ],
)  # fmt: skip
def test_what_is_named_like_a_secret_is_hidden(told: str, shown: str) -> None:
    """B133, B157: in JSON, XML, form bodies, addresses and headers; the rest stays."""
    assert stripped(told) == shown


@pytest.mark.parametrize(
    "told",
    [
        '{"number": "INV-1", "total": 10.50, "SyncToken": "3"}',
        '{"description": "Password reset for Bob; token ring, 3 m"}',
        "<Invoice><Number>INV-1</Number><Memo>secretary desk</Memo></Invoice>",
        "The token expired. Basic subscription; Bearer bonds certificate.",
        "number=INV-1&total=5",
        "",
    ],
)
def test_what_is_no_secret_stays_word_for_word(told: str) -> None:
    """B133: it is for finding out why."""
    assert stripped(told) == told


def test_characters_that_cannot_be_seen_are_shown() -> None:
    """B133: what a system sent may be harmful to a terminal; lines stay lines."""
    shown = stripped("one\x1b[31m\r\ntwo\u202e")
    assert len(shown.splitlines()) == 2
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_a_long_answer_is_stripped_in_time() -> None:
    """B133: without a name in it, and with many."""
    begun = time.monotonic()
    stripped("a" * 300_000)
    stripped('{"data": "' + "QUJD" * 50_000 + '"}')
    stripped('{"password": "x", "n": [' * 5_000)
    stripped("<password>x</password>" * 5_000)
    assert time.monotonic() - begun < 20


# Secrets that are known -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "secret",
    [
        "s3cr3t/+=&<ö",
        basic("user", "pa:ss w0rd"),
        "Bearer opaque-1",
        "Basic no base64",
    ],
)
def test_a_known_secret_is_hidden_however_it_is_written(secret: str) -> None:
    """B133, B157: as it is, in an address, in XML, in JSON; and what is within it."""
    forms = [secret, quote(secret, safe=""), secret.partition(" ")[2] or secret]
    if secret.startswith("Basic dX"):
        forms.append("pa:ss w0rd")
    for form in forms:
        assert form not in stripped(f"said: {form}.", [secret])
        assert HIDDEN in stripped(f"said: {form}.", [secret])


def test_a_short_secret_does_not_blank_out_words() -> None:
    """B133: `1` would be everywhere."""
    assert stripped("1 of 10", ["1", ""]) == "1 of 10"


def test_what_is_not_text_within_a_header_is_left() -> None:
    """B133: bytes that are no UTF-8 are no password."""
    odd = f"Basic {base64.b64encode(bytes([255, 254, 253, 252])).decode()}"
    assert stripped("the rest", [odd]) == "the rest"


# Listening ------------------------------------------------------------------------------------


def asked() -> Flow[str]:
    """A flow that asks twice, and is told a fault in between."""
    first = yield Request("GET", "one")
    try:
        yield Request("GET", "two")
    except Fault as fault:
        third = yield Call(lambda: {"password": "x"})
        return f"{first.text()} {fault.code.name} {third.value}"
    return "no fault"


def test_a_flow_is_listened_to_and_goes_on_as_it_was() -> None:
    """B133: answers, faults and its value pass through; bodies and calls are noted."""
    heard: list[str] = []
    flow = overheard(asked(), heard)
    assert isinstance(next(flow), Request)
    assert flow.send(Response(200, (), b'{"n": 1}')) == Request("GET", "two")
    call = flow.throw(Fault(Code.SERVER_ERROR, "down"))
    assert isinstance(call, Call)
    with pytest.raises(StopIteration) as ended:
        flow.send(Response(200, value={"password": "x"}))
    assert ended.value.value == "{\"n\": 1} SERVER_ERROR {'password': 'x'}"
    assert heard == ['{"n": 1}', "{'password': 'x'}"]


def test_a_fault_that_a_flow_does_not_take_passes_through() -> None:
    """B133: nothing is swallowed."""

    def one() -> Flow[None]:
        yield Request("GET", "one")

    flow = overheard(one(), [])
    next(flow)
    with pytest.raises(Fault, match="down"):
        flow.throw(Fault(Code.SERVER_ERROR, "down"))


# Through an engine ----------------------------------------------------------------------------


class Echo(RestConnector):
    """A system that answers with all that it was sent."""

    connection = "echo:1"
    auth = Headers(
        "https://echo.example/", {"X-Key": "key-1234567", "Authorization": basic("u", "passw0rd1")}
    )  # fmt: skip
    capabilities = Capabilities("Echo", {Invoice: Kind(frozenset({Verb.READ}))})

    def fetch(
        self, kind: type[R], *, ids: object = (), numbers: object = ()
    ) -> Flow[Page[R]]:
        yield from self.ask(Request("GET", "invoice"))
        return Page()


class Repeats:
    """A transport that gives back the request as the answer."""

    def send(self, request: Request, timeout: float) -> Response:
        told = "\n".join(f"{name} is {value}" for name, value in request.headers)
        return Response(200, (), f"INV-1\n{told}\npassw0rd1".encode())

    def close(self) -> None:
        """Nothing to let go of."""


def test_nothing_of_the_connectors_grant_is_shown() -> None:
    """B133, B157: not where the system repeats what it was sent, either."""
    clock = SetClock()
    books = BooksConnector(Books("book:1", clock.now))
    off = tieout.Settings(directions={tieout.Settlement: tieout.Direction.OFF})
    engine = tieout.Engine(
        billing=Echo(), ledger=books, settings=off, transport=Repeats(), clock=clock
    )
    shown = engine.payload(Ref("echo:1", "Invoice", "1"))
    assert shown.startswith("INV-1\n")
    assert HIDDEN in shown
    for secret in ("key-1234567", "passw0rd1", basic("u", "passw0rd1").split()[1]):
        assert secret not in shown


def test_what_a_ledger_says_of_a_record_is_shown_word_for_word() -> None:
    """B133: the answer of the real connector, as it came; not that of its sign-in."""
    fake = FakeXero(now=lambda: NOW, calls_per_minute=None)
    own = fake.add_invoice("INV-1", fake.add_contact("Ada"), "10.50", on=NOW.date())
    ledger = Xero(
        tenant_id=fake.tenant,
        client_id="client",
        client_secret="secret",
        refresh_token="refresh-0",
        per_minute=1000,
    )
    clock = SetClock()
    billing = BooksConnector(Books("shop:1", clock.now))
    off = tieout.Settings(directions={tieout.Settlement: tieout.Direction.OFF})
    engine = tieout.Engine(
        billing=billing, ledger=ledger, settings=off, transport=fake, clock=clock
    )
    shown = engine.payload(Ref(ledger.connection, "Invoice", own))
    assert '"InvoiceNumber"' in shown
    assert "INV-1" in shown
    assert "refresh" not in shown


def test_a_record_of_another_pair_is_refused() -> None:
    """B133: before anything is asked."""
    clock = SetClock()
    engine = tieout.Engine(
        billing=BooksConnector(Books("shop:1", clock.now)),
        ledger=BooksConnector(Books("book:1", clock.now)),
        settings=tieout.Settings(directions={tieout.Settlement: tieout.Direction.OFF}),
        clock=clock,
    )
    with pytest.raises(ConfigError, match="no connection of this pair"):
        engine.payload(Ref("elsewhere:1", "Invoice", "1"))
