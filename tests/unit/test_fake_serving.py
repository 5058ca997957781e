"""Any fake can be served over loopback HTTP, and leaves nothing behind."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tieout.errors import Code, Fate, Fault
from tieout.testing.fakes.serving import Served, serve
from tieout.testing.fakes.xero import FakeXero
from tieout.wire import Request, Response


class Echo:
    """A fake that keeps what it was asked and answers what it was told to."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.answer: Callable[[Request], Response] = lambda _: Response(200)

    def send(self, request: Request, timeout: float) -> Response:
        self.asked.append(request)
        return self.answer(request)

    def close(self) -> None:
        raise AssertionError("the fake is its caller's to close")


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def served(echo: Echo) -> Iterator[Served]:
    with serve(echo) as served:
        yield served


@pytest.fixture
def connection(served: Served) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(
        served.url.removeprefix("http://"), timeout=5
    )
    yield connection
    connection.close()


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[http.client.HTTPResponse, bytes]:
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    return answer, answer.read()


def test_a_request_reaches_the_fake_whole(
    echo: Echo, served: Served, connection: http.client.HTTPConnection
) -> None:
    ask(connection, "PUT", "/a%20b?where=x%3D%3D1&n=", b"body", {"X-Mark": "m"})
    [request] = echo.asked
    assert request.method == "PUT"
    assert request.url == f"{served.url}/a%20b?where=x%3D%3D1&n="
    assert request.body() == b"body"
    assert request.header("x-mark") == "m"
    assert request.params == ()


def test_the_answer_reaches_the_client_whole(
    echo: Echo, connection: http.client.HTTPConnection
) -> None:
    large = b"x" * 300_000
    echo.answer = lambda _: Response(
        418, (("X-Two", "1"), ("X-Two", "2"), ("Content-Length", "7")), large
    )
    answer, body = ask(connection, "GET", "/")
    assert (answer.status, body) == (418, large)
    assert answer.headers.get_all("X-Two") == ["1", "2"]
    assert answer.headers.get_all("Content-Length") == ["300000"]


def test_one_connection_carries_many_requests_without_delay(
    echo: Echo, connection: http.client.HTTPConnection
) -> None:
    connection.connect()
    port = connection.sock.getsockname()[1]
    start = time.perf_counter()
    for _ in range(50):
        ask(connection, "POST", "/", b"{}")
        assert connection.sock.getsockname()[1] == port
    # With unbuffered writes it is 44 ms a call, above two seconds in all.
    assert time.perf_counter() - start < 1


def test_head_and_no_content_have_no_body(
    echo: Echo, connection: http.client.HTTPConnection
) -> None:
    echo.answer = lambda _: Response(200, (), b"unseen")
    assert ask(connection, "HEAD", "/")[1] == b""
    echo.answer = lambda _: Response(204)
    answer, body = ask(connection, "DELETE", "/")
    assert (answer.status, body, answer.getheader("Content-Length")) == (204, b"", None)
    echo.answer = lambda _: Response(200, (), b"seen")
    assert ask(connection, "PATCH", "/")[1] == b"seen"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Transfer-Encoding": "chunked"}, 411),
        ({"Content-Length": "-1"}, 400),
        ({"Content-Length": "99999999999"}, 413),
    ],
)
def test_bodies_of_unknown_length_are_refused(
    echo: Echo,
    connection: http.client.HTTPConnection,
    headers: dict[str, str],
    status: int,
) -> None:
    answer, _ = ask(connection, "POST", "/", None, headers)
    assert (answer.status, answer.getheader("Connection")) == (status, "close")
    assert echo.asked == []


def test_a_fault_of_the_fake_is_a_lost_connection(
    echo: Echo, connection: http.client.HTTPConnection
) -> None:
    def lose(_: Request) -> Response:
        raise Fault(Code.ANSWER_LOST, fate=Fate.UNCLEAR)

    echo.answer = lose
    with pytest.raises(http.client.RemoteDisconnected):
        ask(connection, "GET", "/")


def test_a_broken_fake_is_seen_by_its_client(
    echo: Echo,
    connection: http.client.HTTPConnection,
    capsys: pytest.CaptureFixture[str],
) -> None:
    echo.answer = lambda _: Response(int("not a number"))
    answer, body = ask(connection, "GET", "/")
    assert answer.status == 500
    assert b"ValueError" in body
    assert capsys.readouterr().err == ""


def test_closing_ends_idle_connections_and_threads(echo: Echo) -> None:
    before = threading.active_count()
    served = serve(echo)
    address = served.url.removeprefix("http://")
    idle = http.client.HTTPConnection(address, timeout=5)
    ask(idle, "GET", "/")
    assert threading.active_count() == before + 2
    start = time.perf_counter()
    served.close()
    assert time.perf_counter() - start < 1
    assert threading.active_count() == before
    assert idle.sock.recv(1) == b""
    idle.close()
    host, port = address.split(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=1)


def test_a_client_that_goes_away_is_not_worth_a_word(
    echo: Echo, served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = threading.Event()

    def late(_: Request) -> Response:
        gone.wait(5)
        return Response(200, (), b"x" * 5_000_000)

    echo.answer = late
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    gone.set()
    served.close()
    assert capsys.readouterr().err == ""


def test_the_fake_xero_works_over_http() -> None:
    fake = FakeXero()
    key = fake.add_invoice("INV-1", fake.add_contact("Acme"), "50.00")
    headers = {
        "Authorization": f"Bearer {fake.issue_token()}",
        "xero-tenant-id": fake.tenant,
        "Accept": "application/json",
    }
    with serve(fake) as served:
        client = http.client.HTTPConnection(served.url.removeprefix("http://"))
        path = "/api.xro/2.0/Invoices?where=Type%3D%3D%22ACCREC%22&page=1"
        answer, body = ask(client, "GET", path, None, headers)
        client.close()
    assert answer.getheader("X-MinLimit-Remaining") == "59"
    assert json.loads(body)["Invoices"][0]["InvoiceID"] == key
