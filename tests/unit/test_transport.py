"""HTTP over loopback sockets: once, as it is, within a time and a size."""

from __future__ import annotations

import gzip
import itertools
import socket
import struct
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest

from tieout import transport
from tieout.errors import Code, Fate, Fault
from tieout.transport import (
    BODY_MAX,
    HEADER_BYTES_MAX,
    HEADERS_MAX,
    UNPACKED_STEP,
    HTTPTransport,
)
from tieout.wire import Request, Response

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n"


zipped = partial(gzip.compress, mtime=0)
"""The same bytes each time: they name tests."""


def answer(body: bytes = b"fine", *headers: bytes) -> bytes:
    """A whole answer as bytes."""
    return HEAD % (len(body), b"".join(h + b"\r\n" for h in headers)) + body


class Server:
    """A socket on loopback that does with each connection what a test says."""

    def __init__(self, serve: Callable[[socket.socket, bytes], None]) -> None:
        self.asked: list[bytes] = []
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            try:
                while request := self._read(connection):
                    self.asked.append(request)
                    self._serve(connection, request)
            except OSError:
                return  # the client has gone; so does this side

    def _read(self, connection: socket.socket) -> bytes:
        got = b""
        while b"\r\n\r\n" not in got:
            some = connection.recv(65536)
            if not some:
                return b""
            got += some
        head, _, body = got.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        self.ending.set()
        self._socket.close()


Serve = Callable[[Callable[[socket.socket, bytes], None]], Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(how: Callable[[socket.socket, bytes], None]) -> Server:
        servers.append(Server(how))
        return servers[-1]

    yield start
    for each in servers:
        each.close()


@pytest.fixture
def http() -> Iterator[HTTPTransport]:
    made = HTTPTransport(body_max=100_000)
    yield made
    made.close()


def always(reply: bytes) -> Callable[[socket.socket, bytes], None]:
    return lambda connection, _: connection.sendall(reply)


def lost(run: Callable[[], Response], code: Code, fate: Fate) -> Fault:
    with pytest.raises(Fault) as caught:
        run()
    assert (caught.value.code, caught.value.fate) == (code, fate)
    return caught.value


def get(http: HTTPTransport, url: str, timeout: float = 5) -> Response:
    return http.send(Request("GET", url), timeout)


def test_an_answer_comes_back_as_it_is(serve: Serve, http: HTTPTransport) -> None:
    """Status, headers (also several of a name), body."""
    server = serve(always(answer(b"[1]", b"X-A: 1", b"X-A: 2")))
    response = get(http, server.url)
    assert (response.status, response.body) == (200, b"[1]")
    assert [v for k, v in response.headers if k.lower() == "x-a"] == ["1", "2"]


def test_a_request_goes_out_as_it_is(serve: Serve, http: HTTPTransport) -> None:
    """Method, address, parameters, headers and body; JSON says what it is."""
    server = serve(always(answer()))
    request = Request(
        "PATCH",
        server.url + "a%2Fb",
        params=[("q", "x y"), ("q", "Müller & Söhne")],
        headers={"X-Key": "k"},
        json={"amount": 1},
    )
    http.send(request, 5)
    (asked,) = server.asked
    head, _, body = asked.partition(b"\r\n\r\n")
    assert head.startswith(b"PATCH /a%2Fb?q=x+y&q=M%C3%BCller+%26+S%C3%B6hne HTTP/1.1")
    assert b"X-Key: k" in head
    assert b"Content-Type: application/json" in head
    assert body == b'{"amount":1}'


def test_nothing_leaves_once_its_time_is_over(
    serve: Serve, http: HTTPTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S8, R2: a process that was frozen while it connected sends nothing on waking."""
    server = serve(always(answer()))
    connect = httpcore.SyncBackend.connect_tcp

    def frozen(*args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        stream = connect(*args, **kwargs)
        time.sleep(0.2)
        return stream

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", frozen)
    request = Request("POST", server.url, json={})
    lost(lambda: http.send(request, 0.1), Code.NOT_REACHED, Fate.NOT_SENT)
    assert server.asked == []


def test_a_content_type_that_was_given_stays(serve: Serve, http: HTTPTransport) -> None:
    """Some vendors want one of their own."""
    server = serve(always(answer()))
    http.send(Request("POST", server.url, headers={"content-type": "a/b"}, json={}), 5)
    assert server.asked[0].lower().count(b"content-type") == 1
    assert b"a/b" in server.asked[0]


def test_a_query_in_the_address_is_not_lost(serve: Serve, http: HTTPTransport) -> None:
    """A filter that silently falls away would be another question."""
    server = serve(always(answer()))
    http.send(Request("GET", server.url + "x?where=a", params={"page": "2"}), 5)
    http.send(Request("GET", server.url + "x?where=a"), 5)
    assert server.asked[0].startswith(b"GET /x?where=a&page=2 ")
    assert server.asked[1].startswith(b"GET /x?where=a ")


def test_connections_are_kept_open(serve: Serve, http: HTTPTransport) -> None:
    """One connection serves several calls."""
    ports: list[int] = []

    def how(connection: socket.socket, _: bytes) -> None:
        ports.append(connection.getpeername()[1])
        connection.sendall(answer())

    server = serve(how)
    for _ in range(3):
        get(http, server.url)
    assert len(set(ports)) == 1


def test_several_threads_may_send(serve: Serve, http: HTTPTransport) -> None:
    """Each gets its own answer."""

    def how(connection: socket.socket, request: bytes) -> None:
        connection.sendall(answer(request.split(b" ")[1]))

    server = serve(how)
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda n: get(http, f"{server.url}{n}").body, range(40)))
    assert bodies == [b"/%d" % n for n in range(40)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_redirect_is_followed(
    serve: Serve, http: HTTPTransport, status: int, method: str
) -> None:
    """X3, H21: the answer is handed on; nothing reaches the other address."""
    other = serve(always(answer()))
    there = b"Location: " + other.url.encode()
    redirect = b"HTTP/1.1 %d Go\r\nContent-Length: 0\r\n%s\r\n\r\n" % (status, there)
    server = serve(always(redirect))
    response = http.send(Request(method, server.url, headers={"X-Key": "CANARY"}), 5)
    assert response.status == status
    assert other.asked == []


def test_a_client_of_the_callers_own_follows_no_redirect_either(serve: Serve) -> None:
    """X3: whatever it was set to."""
    other = serve(always(answer()))
    there = b"Location: " + other.url.encode()
    server = serve(
        always(b"HTTP/1.1 302 Go\r\nContent-Length: 0\r\n%s\r\n\r\n" % there)
    )
    http = HTTPTransport(client=httpx.Client(follow_redirects=True))
    assert get(http, server.url).status == 302
    assert other.asked == []
    http.close()


# Nothing left -----------------------------------------------------------------------------


def test_a_closed_port_was_certainly_not_reached(http: HTTPTransport) -> None:
    """H1: not sent, so it may be sent again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    fault = lost(
        lambda: get(http, f"http://127.0.0.1:{port}/"), Code.NOT_REACHED, Fate.NOT_SENT
    )
    assert f"127.0.0.1:{port}" in fault.text


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host.example/",
        "http://",
        "http://[::1",
        "nothing",
        "http://a b/",
        "http://h:99999/",
    ],
)
def test_an_impossible_address_was_certainly_not_reached(
    http: HTTPTransport, url: str
) -> None:
    """H1: and never a raw error of the library below."""
    lost(lambda: get(http, url), Code.NOT_REACHED, Fate.NOT_SENT)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Key": "päss"},
        {"X-Key": "a\r\nX-Evil: 1"},
        {"X-Kéy": "a"},
        {"X-Key": "a\x00b"},
    ],
)
def test_a_header_that_cannot_be_written_was_not_sent(
    serve: Serve, http: HTTPTransport, headers: dict[str, str]
) -> None:
    """X14: no header is smuggled in, and what never left is not unclear."""
    server = serve(always(answer()))
    request = Request("POST", server.url, headers=headers, json={}, effect=True)
    with pytest.raises(Fault) as caught:
        http.send(request, 5)
    assert caught.value.fate is Fate.NOT_SENT
    assert server.asked == []


def test_a_certificate_that_is_not_trusted_is_not_talked_to(
    serve: Serve, http: HTTPTransport
) -> None:
    """X5: what does not speak TLS is no https; nothing was sent."""
    server = serve(always(answer()))
    url = server.url.replace("http:", "https:")
    lost(lambda: get(http, url, 0.5), Code.NOT_REACHED, Fate.NOT_SENT)
    assert server.asked == []


# Something left ---------------------------------------------------------------------------


def half(body: bytes) -> bytes:
    return HEAD % (len(body) * 2, b"") + body


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 2",
        b"garbage\r\n\r\n",
        half(b"x" * 100),
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ],
    ids=["nothing", "half a line", "garbage", "half a body", "no length"],
)
def test_an_answer_that_breaks_off_is_unclear(
    serve: Serve, http: HTTPTransport, reply: bytes
) -> None:
    """H20, C8: the request arrived; what came of it is not known; it is sent once."""

    def how(connection: socket.socket, _: bytes) -> None:
        connection.sendall(reply)
        connection.shutdown(socket.SHUT_RDWR)

    server = serve(how)
    lost(
        lambda: http.send(Request("POST", server.url, json={}, effect=True), 5),
        Code.ANSWER_LOST,
        Fate.UNCLEAR,
    )
    assert len(server.asked) == 1


def test_a_server_that_does_not_answer_is_unclear(
    serve: Serve, http: HTTPTransport
) -> None:
    """H2: within the time that was allowed."""
    server = serve(lambda *_: None)
    began = time.monotonic()
    lost(lambda: get(http, server.url, 0.2), Code.ANSWER_LOST, Fate.UNCLEAR)
    assert time.monotonic() - began < 2


def drip(
    server_ending: Callable[[], threading.Event], first: bytes, rest: bytes
) -> Callable[[socket.socket, bytes], None]:
    """Send a beginning, then a byte every twentieth of a second."""

    def how(connection: socket.socket, _: bytes) -> None:
        connection.sendall(first)
        for at in range(len(rest)):
            if server_ending().wait(0.05):
                return
            connection.sendall(rest[at : at + 1])

    return how


STREAM = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
SQUEEZED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n"
NAME = b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03" + b"n" * 70
"""The beginning of a gzip stream whose file name never ends: it decodes to nothing."""


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (STREAM, b"x" * 80),
        (SQUEEZED, NAME),
        (b"HTTP/1.1 200 OK\r\n", b"X-Header: " + b"x" * 80),
        (b"", b"HTTP/1.1 200 OK\r\n" + b"X-Header: " + b"x" * 80),
    ],
    ids=["body", "compressed body", "headers", "first line"],
)
def test_the_time_allowed_is_for_everything_together(
    serve: Serve, http: HTTPTransport, first: bytes, rest: bytes
) -> None:
    """H19, X9: a byte now and then does not keep a call alive."""
    servers: list[Server] = []
    servers.append(serve(drip(lambda: servers[0].ending, first, rest)))
    began = time.monotonic()
    lost(lambda: get(http, servers[0].url, 0.4), Code.ANSWER_LOST, Fate.UNCLEAR)
    assert time.monotonic() - began < 2


def test_an_endless_answer_without_a_body_ends_in_time(
    serve: Serve, http: HTTPTransport
) -> None:
    """H19: "Continue", again and again, is no answer."""

    def how(connection: socket.socket, _: bytes) -> None:
        while not servers[0].ending.wait(0.02):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    servers: list[Server] = []
    servers.append(serve(how))
    lost(lambda: get(http, servers[0].url, 0.4), Code.ANSWER_LOST, Fate.UNCLEAR)


def test_an_endless_body_in_tiny_chunks_ends_in_time(
    serve: Serve, http: HTTPTransport
) -> None:
    """X9: far below the limit of size, for ever."""

    def how(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not servers[0].ending.wait(0.01):
            connection.sendall(b"1\r\nx\r\n")

    servers: list[Server] = []
    servers.append(serve(how))
    lost(lambda: get(http, servers[0].url, 0.4), Code.ANSWER_LOST, Fate.UNCLEAR)


def test_a_server_that_does_not_read_ends_in_time(http: HTTPTransport) -> None:
    """H19: what is sent has its deadline too; a part of it has left."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        big = Request("POST", f"http://127.0.0.1:{port}/", content=b"x" * 20_000_000)
        fault = lost(lambda: http.send(big, 0.4), Code.ANSWER_LOST, Fate.UNCLEAR)
        assert "WriteTimeout" in fault.text


# Connections that are kept open -----------------------------------------------------------


def reset(connection: socket.socket) -> None:
    """End a connection with a RST, as a gateway does that has forgotten it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("how_it_ends", [reset, socket.socket.close])
def test_a_kept_connection_that_has_ended_is_not_used(
    serve: Serve,
    http: HTTPTransport,
    method: str,
    how_it_ends: Callable[[socket.socket], None],
) -> None:
    """H20: the next request takes a new connection, and arrives once."""
    answered, ended = threading.Event(), threading.Event()

    def how(connection: socket.socket, _: bytes) -> None:
        connection.sendall(answer())
        if not ended.is_set():
            assert answered.wait(5)
            how_it_ends(connection)
            ended.set()

    server = serve(how)
    get(http, server.url)
    answered.set()
    assert ended.wait(5)
    request = Request(method, server.url + "again", effect=method == "POST")
    assert http.send(request, 5).status == 200
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("how_it_ends", "fate"),
    [(reset, Fate.NOT_SENT), (socket.socket.close, Fate.UNCLEAR)],
    ids=["reset", "closed"],
)
def test_a_connection_that_ends_just_before_a_write(
    serve: Serve,
    http: HTTPTransport,
    monkeypatch: pytest.MonkeyPatch,
    how_it_ends: Callable[[socket.socket], None],
    fate: Fate,
) -> None:
    """
    H20: not sent where no byte was handed to the socket; unclear where one was.

    That it ended is not seen when the connection is chosen: as if it ended a moment later.
    """
    answered, ended = threading.Event(), threading.Event()

    def how(connection: socket.socket, _: bytes) -> None:
        connection.sendall(answer())
        assert answered.wait(5)
        how_it_ends(connection)
        ended.set()

    def unseen(self: transport._TimedStream, info: str) -> object:
        return False if info == "is_readable" else self._stream.get_extra_info(info)

    monkeypatch.setattr(transport._TimedStream, "get_extra_info", unseen)
    server = serve(how)
    get(http, server.url)
    answered.set()
    assert ended.wait(5)
    write = Request("POST", server.url, json={}, effect=True)
    with pytest.raises(Fault) as caught:
        http.send(write, 5)
    assert caught.value.fate is fate
    assert len(server.asked) == 1


def test_what_breaks_in_the_middle_of_a_write_is_unclear(
    serve: Serve, http: HTTPTransport
) -> None:
    """H20, C7: some bytes have left; the server may have understood them."""
    server = serve(lambda connection, _: reset(connection))
    server._read = lambda connection: connection.recv(100)  # type: ignore[method-assign]
    big = Request("POST", server.url, content=b"x" * 20_000_000, effect=True)
    lost(lambda: http.send(big, 5), Code.ANSWER_LOST, Fate.UNCLEAR)


def test_an_answer_that_came_twice_answers_one_request(
    serve: Serve, http: HTTPTransport
) -> None:
    """H18, X25: the copy is not taken for the answer to the next request."""

    def how(connection: socket.socket, asked: bytes) -> None:
        path = asked.split()[1]
        connection.sendall(answer(path) * (2 if path == b"/first" else 1))

    server = serve(how)
    assert get(http, server.url + "first").body == b"/first"
    write = Request("POST", server.url + "second", json={}, effect=True)
    lost(lambda: http.send(write, 5), Code.ANSWER_LOST, Fate.UNCLEAR)
    assert get(http, server.url + "third").body == b"/third"


def test_an_answer_before_any_byte_was_sent_is_none(
    serve: Serve, http: HTTPTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H20: a server says goodbye on a connection that is no longer used: not sent."""
    goodbye = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"
    server = serve(always(answer()))
    get(http, server.url)

    class Broken:
        """The socket below: nothing can be written, and there is something to read."""

        def settimeout(self, seconds: float) -> None: ...

        def send(self, _: bytes) -> int:
            raise ConnectionResetError

    def info(_: transport._TimedStream, name: str) -> object:
        return Broken() if name == "socket" else False

    monkeypatch.setattr(transport._TimedStream, "get_extra_info", info)
    monkeypatch.setattr(transport._TimedStream, "read", lambda *_, **__: goodbye)
    write = Request("POST", server.url, json={}, effect=True)
    lost(lambda: http.send(write, 5), Code.NOT_REACHED, Fate.NOT_SENT)


def test_nothing_leaves_once_the_time_is_used_up(
    serve: Serve, http: HTTPTransport
) -> None:
    """S8: a connection that took all the time carries nothing any more."""
    server = serve(always(answer()))
    write = Request("POST", server.url, json={}, effect=True)
    lost(lambda: http.send(write, -1), Code.NOT_REACHED, Fate.NOT_SENT)
    assert server.asked == []


# Too much ---------------------------------------------------------------------------------


def test_a_body_up_to_the_limit_comes_through(
    serve: Serve, http: HTTPTransport
) -> None:
    """Exactly so many bytes."""
    server = serve(always(answer(b"x" * 100_000)))
    assert len(get(http, server.url).body) == 100_000


def test_a_body_over_the_limit_is_refused(serve: Serve, http: HTTPTransport) -> None:
    """X9: one byte more, and an endless one too."""
    server = serve(always(answer(b"x" * 100_001)))
    lost(lambda: get(http, server.url), Code.TOO_LARGE, Fate.UNCLEAR)

    def endless(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")

    lost(lambda: get(http, serve(endless).url), Code.TOO_LARGE, Fate.UNCLEAR)


@pytest.mark.parametrize("members", [1, 20], ids=["one", "one after the other"])
def test_a_compressed_bomb_is_refused(serve: Serve, members: int) -> None:
    """X8: the limit is on what is unpacked; 200 MB in 200 kB, within twice the limit."""
    bomb = zipped(b"\x00" * (200_000_000 // members)) * members
    server = serve(always(answer(bomb, b"Content-Encoding: gzip")))
    limit = 4 * UNPACKED_STEP
    http = HTTPTransport(body_max=limit)
    tracemalloc.start()
    lost(lambda: get(http, server.url, 30), Code.TOO_LARGE, Fate.UNCLEAR)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    http.close()
    assert peak < 2 * limit + 2 * UNPACKED_STEP + len(bomb)


@pytest.mark.parametrize(
    ("told", "packed"),
    [
        (b"gzip, gzip", zipped(zipped(b"x"))),
        (b"gzip, deflate", zlib.compress(zipped(b"x"))),
        (b"br", b"\x0b\x00\x80x\x03"),
        (b"zstd", b"(\xb5/\xfd \x01\t\x00\x00x"),
        (b"CANARY" * 20, b"x"),
    ],
    ids=["gzip twice", "gzip in deflate", "brotli", "zstandard", "unheard of"],
)
def test_an_encoding_that_was_not_asked_for_is_refused(
    serve: Serve, http: HTTPTransport, told: bytes, packed: bytes
) -> None:
    """X8: chained ones are a bomb of bombs; nothing is unpacked by what is installed."""
    server = serve(always(answer(packed, b"Content-Encoding: " + told)))
    lost(lambda: get(http, server.url), Code.BAD_PAYLOAD, Fate.UNCLEAR)
    assert b"accept-encoding: gzip, deflate\r\n" in server.asked[0].lower()


@pytest.mark.parametrize(
    "packed",
    [
        zipped(b"fine" * 1000)[:-9],
        zipped(b"fine") + zipped(b"more")[:-3],
        zipped(b"fine") + b"rubbish",
    ],
    ids=["cut off", "second member cut off", "rubbish behind"],
)
def test_what_was_compressed_comes_whole_or_not_at_all(
    serve: Serve, http: HTTPTransport, packed: bytes
) -> None:
    """H15: half a page is no page."""
    server = serve(always(answer(packed, b"Content-Encoding: gzip")))
    lost(lambda: get(http, server.url), Code.BAD_PAYLOAD, Fate.UNCLEAR)


@pytest.mark.parametrize(
    ("told", "packed"),
    [
        (b"gzip", zipped(b"fi") + zipped(b"ne")),
        (b"x-gzip", zipped(b"fine")),
        (b"GZIP", zipped(b"fine")),
        (b"deflate", zlib.compress(b"fine")),
        (b"identity", b"fine"),
        (b"", b"fine"),
        (b"identity, gzip", zipped(b"fine")),
    ],
    ids=[
        "members",
        "old name",
        "capitals",
        "zlib",
        "identity",
        "empty",
        "with identity",
    ],
)
def test_what_was_asked_for_is_unpacked(
    serve: Serve, http: HTTPTransport, told: bytes, packed: bytes
) -> None:
    """H15: gzip of several members too; the body is what was meant."""
    server = serve(always(answer(packed, b"Content-Encoding: " + told)))
    assert get(http, server.url).body == b"fine"


def test_an_empty_body_was_not_cut_off(serve: Serve, http: HTTPTransport) -> None:
    """H15: some servers call an empty answer gzip."""
    server = serve(always(answer(b"", b"Content-Encoding: gzip")))
    assert get(http, server.url).body == b""


def test_a_compressed_body_may_come_in_many_chunks(
    serve: Serve, http: HTTPTransport
) -> None:
    """X8: more than one step's worth, in pieces that break anywhere."""
    body = bytes(itertools.islice(itertools.cycle(range(251)), 90_000))
    packed = zipped(body)

    def how(connection: socket.socket, _: bytes) -> None:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for at in range(0, len(packed), 7):
            some = packed[at : at + 7]
            connection.sendall(b"%x\r\n%s\r\n" % (len(some), some))
        connection.sendall(b"0\r\n\r\n")

    assert get(http, serve(how).url).body == body


def test_what_cannot_be_unpacked_is_a_bad_payload(
    serve: Serve, http: HTTPTransport
) -> None:
    """H15: a body that is not what its header says."""
    server = serve(always(answer(b"not gzip", b"Content-Encoding: gzip")))
    lost(lambda: get(http, server.url), Code.BAD_PAYLOAD, Fate.UNCLEAR)


def test_a_compressed_body_is_unpacked(serve: Serve, http: HTTPTransport) -> None:
    """The body is what was meant."""
    server = serve(always(answer(zipped(b"fine"), b"Content-Encoding: gzip")))
    assert get(http, server.url).body == b"fine"


def test_too_many_headers_are_refused(serve: Serve, http: HTTPTransport) -> None:
    """X9: real answers have some thirty."""
    few = [b"X-%d: 1" % n for n in range(HEADERS_MAX - 1)]
    assert get(http, serve(always(answer(b"", *few))).url).status == 200
    many = [*few, b"X-More: 1"]
    server = serve(always(answer(b"", *many)))
    lost(lambda: get(http, server.url), Code.TOO_LARGE, Fate.UNCLEAR)


@pytest.mark.parametrize("size", [HEADER_BYTES_MAX, 200_000, 1_000_000])
def test_huge_headers_are_refused(serve: Serve, http: HTTPTransport, size: int) -> None:
    """X9: by their bytes, in one line or in many, up to a megabyte and more."""
    line = b"X-Big: " + b"x" * size
    lost(
        lambda: get(http, serve(always(answer(b"", line))).url),
        Code.TOO_LARGE,
        Fate.UNCLEAR,
    )
    many = [b"X-%d: " % n + b"x" * (size // 100) for n in range(100)]
    lost(
        lambda: get(http, serve(always(answer(b"", *many))).url),
        Code.TOO_LARGE,
        Fate.UNCLEAR,
    )


def test_large_headers_below_the_limit_come_through(
    serve: Serve, http: HTTPTransport
) -> None:
    """X9: servers themselves stop at half of it."""
    server = serve(always(answer(b"", b"X-Big: " + b"x" * (HEADER_BYTES_MAX // 2))))
    assert get(http, server.url).status == 200


def test_the_connection_is_good_after_a_refusal(
    serve: Serve, http: HTTPTransport
) -> None:
    """What was not read of one answer does not spill into the next."""
    replies = [answer(b"x" * 200_000), answer(b"second")]
    server = serve(lambda connection, _: connection.sendall(replies.pop(0)))
    lost(lambda: get(http, server.url), Code.TOO_LARGE, Fate.UNCLEAR)
    assert get(http, server.url).body == b"second"


def test_by_default_fifty_megabytes_are_enough() -> None:
    """The largest honest page of any vendor is a tenth of it."""
    assert BODY_MAX == 50 * 1024 * 1024


# The environment --------------------------------------------------------------------------


def test_no_proxy_is_taken_from_the_environment(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X27: the books must not pass through somebody's proxy by accident."""
    proxy, server = serve(always(answer(b"proxy"))), serve(always(answer(b"direct")))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    http = HTTPTransport()
    assert get(http, server.url).body == b"direct"
    assert proxy.asked == []
    http.close()


def test_no_password_is_taken_from_the_home_directory(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """X27: a .netrc of the user is not for us."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login canary password CANARY\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve(always(answer()))
    http = HTTPTransport()
    get(http, server.url)
    assert b"authorization" not in server.asked[0].lower()
    http.close()


def test_cookies_of_one_answer_are_not_sent_with_the_next(
    serve: Serve, http: HTTPTransport
) -> None:
    """A6: nothing that a server sets travels with another connection's calls."""
    server = serve(always(answer(b"", b"Set-Cookie: session=CANARY; Path=/")))
    get(http, server.url)
    get(http, server.url)
    assert b"cookie" not in server.asked[1].lower()


def test_a_fault_tells_the_host_and_no_secret(
    serve: Serve, http: HTTPTransport
) -> None:
    """X19: no user, no password, no query, no header."""
    server = serve(lambda connection, _: connection.close())
    url = f"http://user:CANARY@127.0.0.1:{server.port}/p?key=CANARY"
    with pytest.raises(Fault) as caught:
        http.send(Request("GET", url, headers={"X-Key": "CANARY"}), 5)
    assert "CANARY" not in str(caught.value)
    assert f"127.0.0.1:{server.port}" in str(caught.value)
