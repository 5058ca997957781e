"""
Signing requests and renewing grants, as flows.

The only place where a secret enters a request. Nothing here sends one, stores one, or
decides when a grant is renewed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from attrs import evolve, field, frozen

from tieout.wire import Flow, Request


@frozen
class Grant:
    """
    What a sign-in brought: secret ``values``, where to call, and until when.

    ``hosts`` are the origins (``scheme://host[:port]``) that requests may go to besides
    the one of ``base_url``. ``expires_at`` None means that it does not expire by itself.
    ``previous`` are the values before the last renewal, at ``renewed_at``: a vendor may
    accept them for a while, in case an answer was lost. ``serial`` rises with each renewal.
    """

    base_url: str
    values: Mapping[str, str] = field(
        factory=dict, repr=lambda v: f"<{len(v)} secrets>"
    )
    hosts: tuple[str, ...] = ()
    expires_at: datetime | None = None
    previous: Mapping[str, str] = field(
        factory=dict, repr=lambda v: f"<{len(v)} secrets>"
    )
    serial: int = 0
    signed_in: bool = True
    renewed_at: datetime | None = None

    def renewed(
        self,
        values: Mapping[str, str],
        *,
        expires_at: datetime | None = None,
        base_url: str | None = None,
    ) -> Grant:
        """The next grant; the values before it are kept as ``previous``."""
        return evolve(
            self,
            values=dict(values),
            previous=dict(self.values),
            expires_at=expires_at,
            base_url=base_url or self.base_url,
            serial=self.serial + 1,
            signed_in=True,
        )


class Auth(Protocol):
    """How one connection proves who it is."""

    def first(self) -> Grant:
        """
        The grant that the connector's own arguments make.

        ``signed_in`` false means that `renew` has to be run before the first call.
        """
        ...

    def sign(self, request: Request, grant: Grant) -> Request:
        """The request with its credentials; it may also wrap the body."""
        ...

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        """
        Sign in, refresh or discover; raises `Fault` SIGN_IN_REFUSED where the credentials
        are wrong, and RECONNECT_NEEDED where only new ones help: then the connection is
        paused, and nobody is asked again until the arguments change or somebody asks for
        a check. A token may be used again where the answer to it was lost.
        """
        ...


class NoAuth:
    """For what needs no credentials: the host's own app."""

    def first(self) -> Grant:
        return Grant(base_url="")

    def sign(self, request: Request, grant: Grant) -> Request:
        return request

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        yield from ()
        return grant


class Headers:
    """Fixed headers on every request, such as an API key."""

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        self._base_url = base_url
        self._headers = dict(headers)

    def __repr__(self) -> str:
        return f"Headers({self._base_url!r}, {sorted(self._headers)})"

    def first(self) -> Grant:
        return Grant(self._base_url, self._headers)

    def sign(self, request: Request, grant: Grant) -> Request:
        return evolve(request, headers=(*request.headers, *grant.values.items()))

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        yield from ()
        return grant
