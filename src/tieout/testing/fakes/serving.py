"""
Any fake, served over HTTP on the loopback interface with the standard library.

What a fake answers goes out unchanged; nothing here knows a vendor, signs anyone in, or
listens to another machine.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tieout.errors import Fault
from tieout.wire import Request, Response, Transport

HOST = "127.0.0.1"
TIMEOUT_SECONDS = 60.0
"""What a fake is told to answer within; a fake that answers from memory never needs it."""
BODY_BYTES_MAX = 64 * 1024 * 1024
"""No client of ours sends more; a wrong length must not fill the memory."""

FRAMING = frozenset({"content-length", "connection", "transfer-encoding"})
"""Headers that belong to the server, whatever a fake says."""
NO_CONTENT, NOT_MODIFIED = 204, 304


class _Handler(BaseHTTPRequestHandler):
    """One connection: reads requests, hands them to the fake, writes what it answers."""

    protocol_version = "HTTP/1.1"
    # An unbuffered answer goes out in several packets, and each waits for the client's
    # delayed acknowledgement: 44 ms a call.
    wbufsize = -1
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        length = self.headers.get("Content-Length") or "0"
        if "Transfer-Encoding" in self.headers:
            self._write(Response(411, (), b"a Content-Length is needed"), closing=True)
        elif not length.isascii() or not length.isdigit():
            self._write(Response(400, (), b"a bad Content-Length"), closing=True)
        elif int(length) > BODY_BYTES_MAX:
            self._write(Response(413, (), b"the body is too large"), closing=True)
        else:
            self._ask(self.rfile.read(int(length)))

    def __getattr__(self, name: str) -> Any:
        # The standard library looks for do_GET, do_POST and so on: all are one.
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _ask(self, body: bytes) -> None:
        server = self.server
        assert isinstance(server, _Server)
        is_absolute = self.path.startswith(("http://", "https://"))
        request = Request(
            self.command,
            self.path if is_absolute else f"{server.url}{self.path}",
            headers=tuple(self.headers.items()),
            content=body or None,
        )
        try:
            answer = server.fake.send(request, TIMEOUT_SECONDS)
        except Fault:
            # The fake plays a lost connection: the client hears nothing more.
            self.close_connection = True
            return
        except Exception:  # noqa: BLE001 - a broken fake must be seen by its client
            text = traceback.format_exc().encode()
            answer = Response(500, (("Content-Type", "text/plain"),), text)
        self._write(answer)

    def _write(self, answer: Response, *, closing: bool = False) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in FRAMING:
                self.send_header(name, value)
        if answer.status not in {NO_CONTENT, NOT_MODIFIED}:
            self.send_header("Content-Length", str(len(answer.body)))
        if closing:
            # What follows on this connection cannot be told from the unread body.
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and answer.status not in {NO_CONTENT, NOT_MODIFIED}:
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Says nothing: a test's output is its own."""


class _Server(ThreadingHTTPServer):
    """The listening socket, and every connection that is open on it."""

    # Threads are joined at the end, so that no socket outlives the server.
    daemon_threads = False
    block_on_close = True

    def __init__(self, fake: Transport) -> None:
        super().__init__((HOST, 0), _Handler)
        self.fake = fake
        self.url = f"http://{HOST}:{self.server_address[1]}"
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, then serve it in a thread."""
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection, then close it."""
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the server, and not worth a word."""

    def hang_up(self) -> None:
        """End the connections that are kept alive and would be waited for."""
        with self._guard:
            for each in self._open:
                # The client may have been faster.
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


class Served:
    """
    A fake at ``url`` until `close`, or until the end of its ``with`` block.

    The fake stays the caller's: it is not closed here.
    """

    def __init__(self, fake: Transport) -> None:
        self._server = _Server(fake)
        self.url = self._server.url
        # The default of half a second is how long `close` would take.
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.02},
            name=f"tieout fake at {self.url}",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening, end every connection and wait until all threads are done."""
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def serve(fake: Transport) -> Served:
    """A fake on a free port of the loopback interface, from now on."""
    return Served(fake)
