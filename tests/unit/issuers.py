"""
An issuer of rotating tokens with the API behind it, and a connector that signs in there.

The issuer is a transport: it may be driven directly, or served over loopback to several
processes. Each access token is good for so many calls, so that expiry needs no clock.
"""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime
from urllib.parse import urlsplit

from attrs import evolve, frozen
from doubles import Plain

from tieout.auth import Grant
from tieout.errors import Code, Fault
from tieout.wire import Flow, Request, Response

BASE = "https://api.vendor.example/books/v1"
FIRST = "refresh-0"


class Issuer:
    """
    Rotates its refresh token at each use.

    With ``grace`` a token that was used once more still brings a new grant; without it,
    using one twice revokes the whole family, as many issuers do.
    """

    def __init__(
        self, *, grace: bool = False, calls_each: int = 10**9, name: str = ""
    ) -> None:
        self.refreshes = 0
        self.again = 0
        self.issued: list[str] = []
        self.log: list[tuple[str, str]] = []
        self.calls: Counter[str] = Counter()
        self.revoked = False
        self._grace, self._each, self._name = grace, calls_each, name
        self._refresh = name + FIRST
        self._used: set[str] = set()
        self._left: dict[str, int] = {}
        self._lock = threading.Lock()

    def send(self, request: Request, timeout: float) -> Response:
        with self._lock:
            path = urlsplit(request.url).path.rsplit("/", 1)[1]
            token = request.header("Authorization") or ""
            self.log.append((path, token))
            return self._token(request) if path == "token" else self._api(path, token)

    def close(self) -> None:
        """Nothing is held open."""

    def expire(self) -> None:
        """All access tokens given so far are over."""
        with self._lock:
            self._left.clear()

    def revoke(self) -> None:
        """Nobody gets in any more with what was issued."""
        with self._lock:
            self.revoked = True
            self._left.clear()

    def connect(self) -> str:
        """A person connects again: a new refresh token."""
        with self._lock:
            self.revoked = False
            self._refresh = f"{self._name}refresh-new-{self.refreshes}"
            return self._refresh

    def _token(self, request: Request) -> Response:
        self.refreshes += 1
        given = request.body().decode()
        if given in self._used:
            self.again += 1
            self.revoked = self.revoked or not self._grace
        elif given != self._refresh:
            return Response(400, (), b"invalid_grant")
        if self.revoked:
            return Response(400, (), b"invalid_grant")
        self._used.add(given)
        access = f"{self._name}access-{len(self.issued) + 1}"
        self._refresh = f"{self._name}refresh-{len(self.issued) + 1}"
        self.issued.append(access)
        self._left[access] = self._each
        return Response(200, (), f"{access} {self._refresh}".encode())

    def _api(self, path: str, token: str) -> Response:
        if not self._left.get(token):
            return Response(401)
        self._left[token] -= 1
        self.calls[path] += 1
        return Response(200, (), b'"%s"' % path.encode())


@frozen
class Rotating:
    """Refreshes with the token it holds, which is then replaced."""

    base_url: str = BASE
    refresh_token: str = FIRST

    def first(self) -> Grant:
        held = {"refresh": self.refresh_token}
        return Grant(self.base_url, held, signed_in=False)

    def sign(self, request: Request, grant: Grant) -> Request:
        added = ("Authorization", grant.values["access"])
        return evolve(request, headers=(*request.headers, added))

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        token = grant.values["refresh"].encode()
        response = yield Request("POST", "token", content=token)
        if response.status != 200:
            raise Fault(Code.RECONNECT_NEEDED, response.text(), remedy="Connect again.")
        access, refresh = response.text().split()
        return grant.renewed({"access": access, "refresh": refresh})


def patiently(calls: int) -> Flow[int]:
    """
    So many calls that succeed, and how many did not.

    Tokens that live for a few calls may be used up by others before a call is repeated.
    """
    failed = 0
    for _ in range(calls):
        while (yield Request("GET", "x")).status != 200:
            failed += 1
    return failed


def rotating(
    refresh_token: str = FIRST, base_url: str = BASE, connection: str = "rotating:1"
) -> Plain:
    """A connector that signs in at an issuer."""
    return Plain(Rotating(base_url, refresh_token), connection=connection)
