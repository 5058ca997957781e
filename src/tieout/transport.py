"""
The only module that opens a socket: requests over HTTP, as they are, once.

It follows no redirect, repeats nothing, reads no proxy or password from the environment,
and stops at a total deadline and at a total size. What may be repeated is decided in
`tieout.wire`, by whom in `tieout.session`.
"""

from __future__ import annotations

import time

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
)
"""What httpx raises before the first byte of a request has left."""


class HTTPTransport:
    """
    HTTP by httpx, with connections kept open between calls.

    ``client`` replaces the httpx client (for a proxy or a private certificate authority);
    it must not follow redirects. ``body_max`` in bytes after decompression. May be used
    from several threads.
    """

    def __init__(
        self, *, client: httpx.Client | None = None, body_max: int = BODY_MAX
    ) -> None:
        self._client = client or httpx.Client(
            follow_redirects=False,
            # A proxy or a .netrc of the environment must not see the books by accident.
            trust_env=False,
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
        )
        self._body_max = body_max

    def send(self, request: Request, timeout: float) -> Response:
        """One request, once; see `tieout.wire.Transport`."""
        until = time.monotonic() + timeout
        try:
            built = self._client.build_request(
                request.method,
                request.url,
                params=list(request.params) or None,
                headers=_headers(request),
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
            raise Fault(
                Code.TOO_LARGE, "an answer of too many headers", fate=Fate.UNCLEAR
            )
        body = bytearray()
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > self._body_max:
                text = f"an answer of more than {self._body_max} bytes"
                raise Fault(Code.TOO_LARGE, text, fate=Fate.UNCLEAR)
            if time.monotonic() > until:
                text = "the answer was not complete in time"
                raise Fault(Code.ANSWER_LOST, text, fate=Fate.UNCLEAR)
        return Response(answer.status_code, tuple(headers), bytes(body))


def _headers(request: Request) -> list[tuple[str, str]]:
    headers = list(request.headers)
    if request.json is not None and request.header("Content-Type") is None:
        headers.append(("Content-Type", "application/json"))
    return headers


def _host(request: Request) -> str:
    return request.url.partition("://")[2].partition("/")[0].rpartition("@")[2]
