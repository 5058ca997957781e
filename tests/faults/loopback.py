"""
A server on loopback that is honest until it is told not to be.

It hands each request to a fake, and answers with the fake's words, or with whatever bytes
a test wants to see on the wire. Nothing here knows what is right.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from http.client import parse_headers
from io import BytesIO
from typing import Any, TypeAlias

from attrs import evolve

from tieout.wire import Request, Response, Transport

Odd: TypeAlias = Callable[[Request], Iterable[bytes] | None]
"""The bytes in place of an answer, or None where the honest one goes out."""


class Loopback:
    """A listening socket before a fake; ``odd`` may be set and taken away at any time."""

    def __init__(self, fake: Transport | None) -> None:
        self.asked: list[Request] = []
        self.odd: Odd | None = None
        self._fake = fake
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def honest(self, request: Request) -> Response:
        """What the fake says."""
        if self._fake is None:
            return Response(404, (), b"nobody is here")
        return self._fake.send(request, 60)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            try:
                while line := reader.readline():
                    self._serve(connection, line, reader)
            except OSError:
                return  # the client has gone; so does this side

    def _serve(self, connection: socket.socket, line: bytes, reader: Any) -> None:
        method, path, _ = line.decode("latin-1").split(" ", 2)
        headers = parse_headers(reader)
        body = reader.read(int(headers.get("Content-Length", 0)))
        pairs = tuple((str(k), str(v)) for k, v in headers.items())
        request = Request(method, self.url + path, (), pairs, content=body or None)
        self.asked.append(request)
        odd = self.odd(request) if self.odd else None
        if odd is None:
            connection.sendall(written(self.honest(request)))
            return
        for some in odd:
            connection.sendall(some)
        # What follows on this connection could not be told from an unfinished answer.
        connection.shutdown(socket.SHUT_RDWR)


def odd_reply(answer: Response) -> list[bytes]:
    """A whole answer in place of an honest one; the connection ends with it."""
    return [written(evolve(answer, headers=(*answer.headers, ("Connection", "close"))))]


def written(answer: Response) -> bytes:
    """An answer as bytes on the wire."""
    head = BytesIO()
    head.write(b"HTTP/1.1 %d X\r\n" % answer.status)
    for name, value in answer.headers:
        head.write(f"{name}: {value}\r\n".encode("latin-1"))
    head.write(b"Content-Length: %d\r\n\r\n" % len(answer.body))
    return head.getvalue() + answer.body
