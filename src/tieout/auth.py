"""
Signing requests and renewing grants, as flows.

The only place where a secret enters a request. Nothing here sends one, stores one, or
decides when a grant is renewed.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import urlencode, urlsplit

from attrs import evolve, field, frozen

from tieout.errors import Code, Fate, Fault
from tieout.fields import Fields
from tieout.money import parse_amount
from tieout.rules import Rule, judge
from tieout.wire import Answer, Flow, Request


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


def basic(user: str, password: str) -> str:
    """The value of an ``Authorization`` header for a user and a password (RFC 7617)."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


_RECONNECT = "An administrator has to connect the system again; what is queued is kept."
_CLIENT = "invalid_client|unauthorized_client"
_USED_UP = "The refresh token was used up, revoked, or not used for too long."

# fmt: off
TOKEN_RULES = (
    Rule(Code.RECONNECT_NEEDED, 400, text="invalid_grant", remedy=_RECONNECT, meaning=_USED_UP, says="invalid_grant"),
    Rule(Code.SIGN_IN_REFUSED, 400, text=_CLIENT, says="invalid_client"),
    Rule(Code.PERMISSION_MISSING, 400, text="invalid_scope", says="invalid_scope"),
    Rule(Code.SIGN_IN_REFUSED, 401),
)
# fmt: on
"""The errors of a token endpoint (RFC 6749, section 5.2)."""

LIFETIME_DEFAULT = 1800.0
"""Seconds, where a token endpoint does not tell how long a token lasts: half an hour is
less than all vendors give, and renewing too early costs one call."""

LIFETIME_MAX = 86_400.0 * 366
"""Seconds; a token endpoint that promises more than a year means "for ever"."""


@frozen
class OAuth2:
    """
    OAuth 2 with rotating refresh tokens, or with client credentials alone.

    Without a ``refresh_token`` the app signs in for itself, with ``scope``. ``headers``
    go with every request. ``grace``: how long a refresh token that was used still works
    at this vendor, so that one lost answer does no harm: so long the token before the
    last is tried before a person is asked.
    """

    base_url: str
    token_url: str
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    scope: str = ""
    headers: Mapping[str, str] = field(factory=dict)
    grace: timedelta = timedelta(0)
    rules: Sequence[Rule] = TOKEN_RULES

    def first(self) -> Grant:
        place = urlsplit(self.token_url)
        held = {"refresh_token": self.refresh_token} if self.refresh_token else {}
        hosts = (f"{place.scheme}://{place.netloc}",)
        return Grant(self.base_url, held, hosts=hosts, signed_in=False)

    def sign(self, request: Request, grant: Grant) -> Request:
        if "access_token" not in grant.values:
            raise Fault(Code.SIGN_IN_REFUSED, "not signed in", fate=Fate.NOT_SENT)
        headers = {
            "Authorization": f"Bearer {grant.values['access_token']}",
            "Accept": "application/json",
            **self.headers,
        }
        added = [(k, v) for k, v in headers.items() if request.header(k) is None]
        return evolve(request, headers=(*request.headers, *added))

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        if not self.refresh_token:
            form = {"grant_type": "client_credentials", "scope": self.scope}
            return (yield from self._granted(form, grant, now))
        held = [grant.values.get("refresh_token")]
        if grant.renewed_at is None or now - grant.renewed_at <= self.grace:
            held.append(grant.previous.get("refresh_token"))
        refused = Fault(Code.RECONNECT_NEEDED)
        for token in dict.fromkeys(each for each in held if each):
            form = {"grant_type": "refresh_token", "refresh_token": token}
            try:
                return (yield from self._granted(form, grant, now))
            except Fault as fault:
                if fault.code is not Code.RECONNECT_NEEDED:
                    raise
                refused = fault
        raise refused

    def _granted(
        self, form: Mapping[str, str], grant: Grant, now: datetime
    ) -> Flow[Grant]:
        headers = {
            "Authorization": basic(self.client_id, self.client_secret),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        sent = urlencode([each for each in form.items() if each[1]]).encode()
        # It has no effect on the books, and within the grace repeating it is harmless.
        response = yield Request("POST", self.token_url, (), headers, content=sent)
        text = self._hushed(response.text(), form.get("refresh_token", ""))
        verdict = judge(response, self.rules, text=text)
        if verdict.answer is not Answer.OK:
            raise verdict.fault()
        try:
            body = Fields(response.json())
            values = {"access_token": body.id("access_token")}
            refresh = body.text("refresh_token") or form.get("refresh_token", "")
            told = body.maybe("expires_in", parse_amount)
        except Fault as fault:
            raise Fault(Code.BAD_PAYLOAD, fault.text, fate=Fate.UNCLEAR) from fault
        if refresh:
            values["refresh_token"] = refresh
        # One that has ended already would be renewed before every call.
        lasts = told if told is not None and told > 0 else LIFETIME_DEFAULT
        lifetime = min(float(lasts), LIFETIME_MAX)
        # Renewed a minute early, so that it does not end in the middle of a call.
        lasting = timedelta(seconds=max(lifetime - 60, lifetime / 2))
        return grant.renewed(values, expires_at=now + lasting)

    def _hushed(self, text: str, token: str) -> str:
        """An error's words, which may repeat what was sent, without the secrets."""
        for secret in (self.client_secret, token):
            text = text.replace(secret, "***") if secret else text
        return text
