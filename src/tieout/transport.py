"""
The only module that opens a socket: requests over HTTP, as they are, once.

It follows no redirect, repeats nothing, reads no proxy or password from the environment,
keeps no cookies, and stops at a total deadline and at a total size. What may be repeated
is decided in `tieout.wire`, by whom in `tieout.session`.
"""

from __future__ import annotations

import ssl
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlencode

import httpcore
import httpx

from tieout.errors import Code, Fate, Fault
from tieout.wire import Request, Response

BODY_MAX = 50 * 1024 * 1024
"""Bytes of a decoded body. The largest honest page of any vendor is a tenth of it; a
compressed bomb is a thousand times its size on the wire. A body takes at most twice its
size of memory while it is read."""

HEADERS_MAX = 200
"""Header lines of an answer; real ones have some thirty."""

HEADER_BYTES_MAX = 64 * 1024
"""Bytes of all names and values of an answer's headers; servers themselves stop at 8 to
32 kB."""

CONNECT_SECONDS = 10.0
"""A host that does not take a connection within this is down."""

PIECE = 16 * 1024
"""Bytes handed to the socket at once: one record of TLS, which arrives whole or not at
all."""

UNPACKED_STEP = 1024 * 1024
"""Bytes unpacked at once, so that the limit is looked at long before the memory is full."""

_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.ProxyError,
    httpx.InvalidURL,
    httpx.LocalProtocolError,
    UnicodeError,  # a header that cannot be written
)
"""What is raised before anything is written to a connection."""


class HTTPTransport:
    """
    HTTP by httpx, with connections kept open between calls.

    ``client`` replaces the httpx client (for a proxy or a private certificate authority);
    it must not follow redirects, its own time-outs then bound each read instead of the
    whole, and a request whose connection broke counts as sent. ``body_max`` in bytes after
    decompression. May be used from several threads.
    """

    def __init__(
        self, *, client: httpx.Client | None = None, body_max: int = BODY_MAX
    ) -> None:
        self._client = client or httpx.Client(
            transport=_Timed(),
            follow_redirects=False,
            # A proxy or a .netrc of the environment must not see the books by accident.
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        self._body_max = body_max

    def send(self, request: Request, timeout: float) -> Response:
        """One request, once; see `tieout.wire.Transport`."""
        _CALL.begin(timeout)
        try:
            built = self._client.build_request(
                request.method,
                _address(request),
                headers=list(_headers(request)),
                content=request.body() or None,
                timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
            )
            answer = self._client.send(built, stream=True, follow_redirects=False)
            try:
                self._check_own(request)
                return self._read(answer)
            finally:
                answer.close()
        except (
            httpx.HTTPError,
            httpx.StreamError,
            httpx.InvalidURL,
            UnicodeError,
        ) as error:
            raise self._fault(request, error) from error

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._client.close()

    @staticmethod
    def _fault(request: Request, error: Exception) -> Fault:
        """What became of a request that brought no answer."""
        if _nothing_left(error):
            text = f"{_host(request)} was not reached ({type(error).__name__})"
            return Fault(Code.NOT_REACHED, text, fate=Fate.NOT_SENT)
        if _headers_too_long(error):
            text = "an answer of too many bytes of headers"
            return Fault(Code.TOO_LARGE, text, fate=Fate.UNCLEAR)
        text = f"the answer of {_host(request)} was lost ({type(error).__name__})"
        return Fault(Code.ANSWER_LOST, text, fate=Fate.UNCLEAR)

    @staticmethod
    def _check_own(request: Request) -> None:
        """
        Whether the answer can be one to this request.

        One that lay there before a byte was written, or that came with the answer before
        it, belongs to another request.
        """
        if _CALL.written is None:
            return  # not over a connection of ours
        if _CALL.written == 0:
            text = f"{_host(request)} had closed the connection"
            raise Fault(Code.NOT_REACHED, text, fate=Fate.NOT_SENT)
        if _CALL.received == 0:
            text = f"{_host(request)} answered the request before twice"
            raise Fault(Code.ANSWER_LOST, text, fate=Fate.UNCLEAR)

    def _read(self, answer: httpx.Response) -> Response:
        headers = answer.headers.multi_items()
        length = sum(len(name) + len(value) for name, value in headers)
        if len(headers) > HEADERS_MAX or length > HEADER_BYTES_MAX:
            text = f"an answer of {len(headers)} headers, {length} bytes"
            raise Fault(Code.TOO_LARGE, text, fate=Fate.UNCLEAR)
        body, unpacking = bytearray(), _Unpacking(_encodings(answer))
        for chunk in answer.iter_raw():
            for piece in unpacking.pieces(chunk):
                body += piece
                if len(body) > self._body_max:
                    text = f"an answer of more than {self._body_max} bytes"
                    raise Fault(Code.TOO_LARGE, text, fate=Fate.UNCLEAR)
            if _CALL.is_over():
                text = "the answer was not complete in time"
                raise Fault(Code.ANSWER_LOST, text, fate=Fate.UNCLEAR)
        unpacking.end()
        return Response(answer.status_code, headers, bytes(body))


# Unpacking ----------------------------------------------------------------------------------
#
# Not left to httpx: it unpacks each chunk as a whole, and one encoding after the other, so
# that 64 kB of a chained bomb are 64 GB before anybody can look at the length.


_ZLIB = frozenset({"gzip", "x-gzip", "deflate"})
_EITHER = zlib.MAX_WBITS + 32
"""For zlib: the header says whether it is gzip or zlib."""


class _Unpacking:
    """A body on its way from how it was sent to what was meant, a step at a time."""

    def __init__(self, encodings: list[str]) -> None:
        if len(encodings) > 1 or not _ZLIB.issuperset(encodings):
            raise _packed(f"an encoding that was not asked for: {encodings}")
        self._packed = bool(encodings)
        self._zlib = zlib.decompressobj(_EITHER)
        self._begun = False

    def pieces(self, raw: bytes) -> Iterator[bytes]:
        """What these bytes are, at most `UNPACKED_STEP` at once."""
        if not self._packed:
            yield raw
            return
        while raw:
            if self._zlib.eof:  # gzip members may follow one another
                self._zlib = zlib.decompressobj(_EITHER)
            self._begun = True
            try:
                yield self._zlib.decompress(raw, UNPACKED_STEP)
            except zlib.error:
                raise _packed("the answer cannot be decompressed") from None
            raw = self._zlib.unconsumed_tail or self._zlib.unused_data

    def end(self) -> None:
        """Raises where the body broke off within what was packed."""
        if self._begun and not self._zlib.eof:
            raise _packed("the answer ends in the middle of what was compressed")


def _packed(text: str) -> Fault:
    return Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR)


def _encodings(answer: httpx.Response) -> list[str]:
    told = answer.headers.get("Content-Encoding", "").lower().split(",")
    return [each.strip()[:40] for each in told if each.strip() not in ("", "identity")]


# The total deadline, and what has left --------------------------------------------------------
#
# httpx bounds each read from the socket; a server that sends a byte now and then keeps a
# call alive for ever. So each read is given what is left of the whole. The bytes are
# counted where they are handed to the socket: a request of which none was is not sent.


class _Call(threading.local):
    """The request that this thread is sending: until when, and what of it has travelled."""

    until = 0.0
    received = 0
    written: int | None = None
    """None before anything was written to a connection of ours; 0 where that failed."""

    def begin(self, timeout: float) -> None:
        """A new request, which has so many seconds in all."""
        self.until = time.monotonic() + timeout
        self.written, self.received = None, 0

    def left(self, timeout: float | None = None) -> float:
        """Seconds left for one step; never 0, which would mean "do not wait"."""
        left = self.until - time.monotonic()
        return max(left if timeout is None else min(left, timeout), 0.001)

    def is_over(self) -> bool:
        """Whether the time is used up."""
        return time.monotonic() > self.until


_CALL = _Call()


def _nothing_left(error: Exception) -> bool:
    """Whether it is certain that no byte of the request reached the other side."""
    if _CALL.written is None:
        return isinstance(error, _NOT_SENT)
    return _CALL.written == 0


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every read and write ends by the deadline and is counted."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        got = self._stream.read(max_bytes, _CALL.left(timeout))
        _CALL.received += len(got)
        return got

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        carrier = self.get_extra_info("socket")
        written, rest = _CALL.written or 0, memoryview(buffer)
        while rest:
            _CALL.written = written
            if _CALL.is_over():  # the connection alone took all the time
                raise httpcore.WriteTimeout
            try:
                carrier.settimeout(_CALL.left(timeout))
                sent = carrier.send(rest[:PIECE])
            except TimeoutError as error:
                raise httpcore.WriteTimeout from error
            except OSError as error:
                raise httpcore.WriteError from error
            written += sent
            rest = rest[sent:]
        _CALL.written = written

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = _CALL.left(timeout)
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _TimedBackend(httpcore.SyncBackend):
    """Opens connections that keep to the deadline."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = _CALL.left(timeout)
        return _TimedStream(
            super().connect_tcp(host, port, left, local_address, socket_options)
        )


@cache
def _trust() -> ssl.SSLContext:
    """Whom to trust: one for the process, as reading the authorities takes a while."""
    return httpx.create_ssl_context(trust_env=False)


class _Timed(httpx.HTTPTransport):
    """httpx's own transport over connections that keep to the deadline."""

    def __init__(self) -> None:
        super().__init__(verify=_trust(), trust_env=False)
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=_trust(),
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            retries=0,
            network_backend=_TimedBackend(),
        )


def _headers_too_long(error: Exception) -> bool:
    """Whether the parser below gave up on headers that never ended."""
    wrapped = error.__cause__.args if error.__cause__ else ()
    hints = (getattr(each, "error_status_hint", None) for each in wrapped)
    return _HEADERS_TOO_LARGE in hints


_HEADERS_TOO_LARGE = 431


def _address(request: Request) -> str:
    if not request.params:
        return request.url
    glue = "&" if "?" in request.url else "?"
    return f"{request.url}{glue}{urlencode(request.params)}"


def _headers(request: Request) -> Iterable[tuple[str, str]]:
    yield from request.headers
    if request.header("Accept-Encoding") is None:
        # Only what is unpacked here; httpx would ask for whatever is installed.
        yield ("Accept-Encoding", "gzip, deflate")
    if request.json is not None and request.header("Content-Type") is None:
        yield ("Content-Type", "application/json")


def _host(request: Request) -> str:
    return request.url.partition("://")[2].partition("/")[0].rpartition("@")[2]
