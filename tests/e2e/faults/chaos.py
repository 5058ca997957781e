"""
A TCP proxy that does to HTTP messages what networks do: delays, cuts, drops, resets.

It knows where one message ends and the next begins, and nothing else of HTTP. It repeats
nothing, and nothing gets through that was not sent.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

HOST = "127.0.0.1"
PATIENCE = 30.0
"""Seconds that a connection may be silent before the proxy gives it up."""

HEAD_END = b"\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked"
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True)
class Trouble:
    """
    What happens to one exchange. Bytes below 0 count from the end; None is all of them.

    ``asked`` of the request reach the server, ``answered`` of its answer the client; where
    one of them is cut, both connections end: by a ``reset``, or politely. ``delay`` in
    seconds before the answer goes on its way.
    """

    asked: int | None = None
    answered: int | None = None
    delay: float = 0.0
    reset: bool = False


NONE = Trouble()

Choice = Callable[[bytes], Trouble]
"""What happens to an exchange, by the bytes of its request."""


class Chaos:
    """A proxy to ``upstream``, at ``url`` until `close`; ``choice`` may be replaced."""

    def __init__(self, upstream: str, choice: Choice = lambda _: NONE) -> None:
        place = urlsplit(upstream)
        self._upstream = (place.hostname or HOST, place.port or 80)
        self.choice = choice
        self._listening = socket.create_server((HOST, 0))
        self.url = f"http://{HOST}:{self._listening.getsockname()[1]}"
        self._guard = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, end every connection and wait for the threads."""
        # Closing alone does not wake a thread that accepts.
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._accepting.join(PATIENCE)
        with self._guard:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        """One client's connection, with one of its own to the server."""
        with client, socket.create_connection(self._upstream) as server:
            for each in (client, server):
                each.settimeout(PATIENCE)
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._guard:
                self._open |= {client, server}
            try:
                # Either side may go away at any time; then so does the other one.
                with contextlib.suppress(OSError):
                    while self._exchanged(client, server):
                        pass
            finally:
                with self._guard:
                    self._open -= {client, server}

    def _exchanged(self, client: socket.socket, server: socket.socket) -> bool:
        """One request and its answer; false where the connection is over."""
        request = message(client)
        if not request:
            return False
        trouble = self.choice(request)
        server.sendall(request[: trouble.asked])
        if trouble.asked is not None:
            return _over(client, trouble)
        answer = message(server)
        time.sleep(trouble.delay)
        client.sendall(answer[: trouble.answered])
        if trouble.answered is not None or not answer:
            return _over(client, trouble)
        return True


def _over(client: socket.socket, trouble: Trouble) -> bool:
    """Whether a reset is due is told to the socket; it is closed by its owner."""
    if trouble.reset:
        linger = struct.pack("ii", 1, 0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    return False


def message(connection: socket.socket) -> bytes:
    """One whole HTTP message, of the length it tells or in chunks; empty at the end."""
    got = b""
    while HEAD_END not in got:
        some = connection.recv(65536)
        if not some:
            return b""
        got += some
    head, _, body = got.partition(HEAD_END)
    if CHUNKED in head.lower():
        return _in_chunks(connection, got)
    lengths = [
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    missing = (lengths[0] if lengths else 0) - len(body)
    while missing > 0:
        some = connection.recv(missing)
        if not some:
            return b""
        got += some
        missing -= len(some)
    return got


def _in_chunks(connection: socket.socket, got: bytes) -> bytes:
    """A message in chunks, of which so much has come; empty where it ends early."""
    while not got.endswith(LAST_CHUNK):
        some = connection.recv(65536)
        if not some:
            return b""
        got += some
    return got
