"""
The sign-in of a simulated system, and the `Auth` of its connector: tokens that rotate.

Each refresh retires the token it was made with, which works on for a while (the grace).
The server's half knows nothing of `tieout.auth`; the client's half knows no server.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlencode

from attrs import define, evolve, field, frozen

from tieout.auth import Grant
from tieout.connector import Fields, Rule, judge
from tieout.errors import Code, Fate, Fault
from tieout.wire import Answer, Flow, Request, Response

CANARY = "CANARY"
"""Part of every secret of the world: it must be found in nothing that is kept or told."""


@define
class TokenServer:
    """What a system remembers of the tokens it gave out."""

    side: str
    lifetime: float
    grace: float
    rotating: bool = True
    serial: int = 0
    refreshes: int = 0
    raced: int = 0
    access: dict[str, datetime] = field(factory=dict)
    live: dict[str, datetime | None] = field(factory=dict)
    """Refresh tokens, and until when a retired one still works."""

    def connect(self) -> str:
        """A person connects the system: a new refresh token, the only good one."""
        self.live = {self._new("refresh"): None}
        self.access.clear()
        return next(iter(self.live))

    def revoke(self) -> None:
        """The vendor ends the grant; only a person can connect again."""
        self.live.clear()
        self.access.clear()

    def expire(self) -> None:
        """All access tokens end now."""
        self.access.clear()

    def knows(self, request: Request, now: datetime) -> bool:
        """Whether a request carries a token that is good here."""
        told = (request.header("Authorization") or "").removeprefix("Bearer ")
        until = self.access.get(told)
        return until is not None and now < until

    def refresh(self, request: Request, now: datetime, *, bare: bool) -> Response:
        """A refresh; ``bare``: the answer has no refresh token, the old one stays."""
        form = parse_qs(request.body().decode())
        asked = form.get("refresh_token", [""])[0]
        until = self.live.get(asked, now - timedelta(seconds=1))
        self.refreshes += 1
        if until is not None and now >= until:
            return _answer(400, {"error": "invalid_grant"})
        if until is not None:
            self.raced += 1
        access = self._new("access")
        self.access[access] = now + timedelta(seconds=self.lifetime)
        told = {"access_token": access, "expires_in": str(int(self.lifetime))}
        if self.rotating and not bare:
            if until is None:
                self.live[asked] = now + timedelta(seconds=self.grace)
            told["refresh_token"] = self._new("refresh")
            self.live[told["refresh_token"]] = None
        return _answer(200, told)

    def _new(self, kind: str) -> str:
        self.serial += 1
        return f"{CANARY}-{self.side}-{kind}-{self.serial:04d}"


def _answer(status: int, body: object) -> Response:
    headers = {"Content-Type": "application/json"}
    return Response(status, headers, json.dumps(body).encode())


_RULES = (Rule(Code.RECONNECT_NEEDED, 400, text="invalid_grant"),)


@frozen
class Rotating:
    """OAuth 2 with refresh tokens that rotate, as several vendors have it."""

    base_url: str
    refresh_token: str = field(repr=False)

    def first(self) -> Grant:
        values = {"refresh_token": self.refresh_token}
        return Grant(self.base_url, values, signed_in=False)

    def sign(self, request: Request, grant: Grant) -> Request:
        bearer = ("Authorization", f"Bearer {grant.values.get('access_token', '')}")
        return evolve(request, headers=(*request.headers, bearer))

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        held = (grant.values.get("refresh_token"), grant.previous.get("refresh_token"))
        refused = Fault(Code.RECONNECT_NEEDED)
        for token in dict.fromkeys(t for t in (*held, self.refresh_token) if t):
            try:
                return (yield from self._refreshed(token, grant, now))
            except Fault as fault:
                if fault.code is not Code.RECONNECT_NEEDED:
                    raise
                refused = fault
        raise refused

    def _refreshed(self, token: str, grant: Grant, now: datetime) -> Flow[Grant]:
        form = urlencode({"grant_type": "refresh_token", "refresh_token": token})
        response = yield Request("POST", "token", content=form.encode())
        verdict = judge(response, _RULES, text=response.text())
        if verdict.answer is not Answer.OK:
            raise verdict.fault()
        try:
            body = Fields(response.json())
            access = body.id("access_token")
            lifetime = int(body.text("expires_in", "60"))
        except Fault as fault:
            raise Fault(Code.BAD_PAYLOAD, fault.text, fate=Fate.UNCLEAR) from fault
        kept = body.text("refresh_token") or token
        values = {"access_token": access, "refresh_token": kept}
        lasting = timedelta(seconds=max(lifetime - 60, lifetime / 2))
        return grant.renewed(values, expires_at=now + lasting)
