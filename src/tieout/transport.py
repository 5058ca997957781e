"""
The only module that opens a socket: requests over HTTP, as they are, once.

It follows no redirect, repeats nothing, reads no proxy or password from the environment,
keeps no cookies, and stops at a total deadline and at a total size. What may be repeated
is decided in `tieout.wire`, by whom in `tieout.session`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlencode

import httpcore
import httpx

from tieout.errors import Code, Fate, Fault
from tieout.wire import Request, Response

BODY_MAX = 50 * 1024 * 1024
"""Bytes of a decoded body. The largest honest page of any vendor is a tenth of it; a
compressed bomb is a thousand times its size on the wire."""

HEADERS_MAX = 200
"""Header lines of an answer; real ones have some thirty."""

CONNECT_SECONDS = 10.0
"""A host that does not take a connection within this is down."""

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
"""What is raised before the first byte of a request has left."""


class HTTPTransport:
    """
    HTTP by httpx, with connections kept open between calls.

    ``client`` replaces the httpx client (for a proxy or a private certificate authority);
    it must not follow redirects, and its own time-outs then bound each read instead of the
    whole. ``body_max`` in bytes after decompression. May be used from several threads.
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
        until = _DEADLINE.until = time.monotonic() + timeout
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
                return self._read(answer, until)
            finally:
                answer.close()
        except _NOT_SENT as error:
            text = f"{_host(request)} was not reached ({type(error).__name__})"
            raise Fault(Code.NOT_REACHED, text, fate=Fate.NOT_SENT) from error
        except httpx.DecodingError as error:
            text = f"the answer of {_host(request)} cannot be decompressed"
            raise Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR) from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            text = f"the answer of {_host(request)} was lost ({type(error).__name__})"
            raise Fault(Code.ANSWER_LOST, text, fate=Fate.UNCLEAR) from error

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._client.close()

    def _read(self, answer: httpx.Response, until: float) -> Response:
        headers = answer.headers.multi_items()
        if len(headers) > HEADERS_MAX:
            text = "an answer of too many headers"
            raise Fault(Code.TOO_LARGE, text, fate=Fate.UNCLEAR)
        body = bytearray()
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > self._body_max:
                text = f"an answer of more than {self._body_max} bytes"
                raise Fault(Code.TOO_LARGE, text, fate=Fate.UNCLEAR)
            if time.monotonic() > until:
                text = "the answer was not complete in time"
                raise Fault(Code.ANSWER_LOST, text, fate=Fate.UNCLEAR)
        return Response(answer.status_code, headers, bytes(body))


# The total deadline -----------------------------------------------------------------------
#
# httpx bounds each read from the socket; a server that sends a byte now and then keeps a
# call alive for ever. So each read is given what is left of the whole.


class _Deadline(threading.local):
    """Until when the request that this thread is sending has to be answered."""

    until = 0.0

    def left(self, timeout: float | None) -> float:
        """Seconds left for one step; never 0, which would mean "do not wait"."""
        left = max(self.until - time.monotonic(), 0.001)
        return left if timeout is None else min(left, timeout)


_DEADLINE = _Deadline()


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every read and write ends by the deadline."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _DEADLINE.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # A process that slept since it was told to send may have been replaced by now.
        if time.monotonic() > _DEADLINE.until:
            raise httpcore.WriteTimeout("the time for this request is over")
        self._stream.write(buffer, _DEADLINE.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _TimedStream(self._stream.start_tls(*args, **kwargs))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _TimedBackend(httpcore.SyncBackend):
    """Opens connections that keep to the deadline."""

    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _TimedStream(super().connect_tcp(*args, **kwargs))


class _Timed(httpx.HTTPTransport):
    """httpx's own transport over connections that keep to the deadline."""

    def __init__(self) -> None:
        super().__init__(trust_env=False)
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            retries=0,
            network_backend=_TimedBackend(),
        )


def _address(request: Request) -> str:
    if not request.params:
        return request.url
    glue = "&" if "?" in request.url else "?"
    return f"{request.url}{glue}{urlencode(request.params)}"


def _headers(request: Request) -> Iterable[tuple[str, str]]:
    yield from request.headers
    if request.json is not None and request.header("Content-Type") is None:
        yield ("Content-Type", "application/json")


def _host(request: Request) -> str:
    return request.url.partition("://")[2].partition("/")[0].rpartition("@")[2]
