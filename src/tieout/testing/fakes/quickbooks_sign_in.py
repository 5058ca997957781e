"""
The sign-in of the fake QuickBooks: who may ask, with which tokens, and for how long.

Refresh tokens rotate, and the newest alone is good. Knows nothing of the books.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from tieout.errors import Code, Fate, Fault
from tieout.wire import Request, Response

TOKEN_PATH = "/oauth2/v1/tokens/bearer"
REVOKE_PATH = "/v2/oauth2/tokens/revoke"
REFRESH_SECONDS = 8_726_400
"""101 days: a refresh token that nobody used for so long is dead."""


class SignIn:
    """
    The tokens of one company's connection.

    ``rotates_after`` is how many seconds old a refresh token must be to be replaced when
    it is used, ``retired_seconds`` how long the replaced one still works.
    """

    def __init__(
        self,
        elapsed: Callable[[], float],
        client: tuple[str, str],
        refresh_token: str,
        code: str,
        *,
        access_seconds: float,
        rotates_after: float,
        retired_seconds: float,
    ) -> None:
        self.latest = refresh_token
        self.losses = 0
        self._elapsed = elapsed
        self._client = client
        self._codes = {code}
        self._access_seconds = access_seconds
        self._rotates_after = rotates_after
        self._retired_seconds = retired_seconds
        self._access: dict[str, float] = {}
        self._latest_since = elapsed()
        self._refresh = {refresh_token: elapsed() + REFRESH_SECONDS}
        self._serial = 0

    def answer(self, request: Request, path: str) -> Response:
        """What the token and revocation addresses answer; 404 for any other."""
        if request.method != "POST" or path not in {TOKEN_PATH, REVOKE_PATH}:
            return Response(404)
        form = dict(parse_qsl(request.body().decode("utf-8", "replace")))
        if _client(request, form) != self._client:
            return _told(401, {"error": "invalid_client"})
        if path == REVOKE_PATH:
            self.revoke()
            return Response(200)
        answer = self._token(form)
        if self.losses:
            self.losses -= 1
            raise lost()
        return answer

    def _token(self, form: Mapping[str, str]) -> Response:
        at = self._elapsed()
        match form.get("grant_type"):
            case "authorization_code" if form.get("code") in self._codes:
                self._codes.discard(form["code"])
                self._rotate(at)
            case "refresh_token" if self._is_good(form.get("refresh_token", ""), at):
                if at - self._latest_since >= self._rotates_after:
                    self._rotate(at)
            case "authorization_code" | "refresh_token":
                text = "Incorrect or invalid refresh token"
                told = {"error": "invalid_grant", "error_description": text}
                return _told(400, told)
            case _:
                return _told(400, {"error": "unsupported_grant_type"})
        # Used, and so good for another hundred days.
        self._refresh[self.latest] = at + REFRESH_SECONDS
        granted = {
            "token_type": "bearer",
            "expires_in": self._access_seconds,
            "refresh_token": self.latest,
            "x_refresh_token_expires_in": REFRESH_SECONDS,
            "access_token": self.issue(),
        }
        return _told(200, granted)

    def _rotate(self, at: float) -> None:
        if self.latest in self._refresh:
            self._refresh[self.latest] = at + self._retired_seconds
        self.latest, self._latest_since = self._minted("refresh"), at

    def _is_good(self, refresh: str, at: float) -> bool:
        return self._refresh.get(refresh, -math.inf) > at

    def _minted(self, kind: str) -> str:
        self._serial += 1
        digest = hashlib.sha256(f"{self._client}/{self._serial}".encode()).hexdigest()
        return f"{kind}-{digest[:32]}"

    def issue(self) -> str:
        """A new access token."""
        token = self._minted("access")
        self._access[token] = self._elapsed() + self._access_seconds
        return token

    def is_signed(self, request: Request) -> bool:
        """Whether a request carries an access token that is still good."""
        scheme, _, token = (request.header("Authorization") or "").partition(" ")
        until = self._access.get(token, -math.inf)
        return scheme.lower() == "bearer" and until > self._elapsed()

    def expire(self) -> None:
        """All access tokens are dead."""
        self._access.clear()

    def revoke(self) -> None:
        """All tokens are dead."""
        self._access.clear()
        self._refresh.clear()

    def connect(self, code: str) -> None:
        """A code that can be exchanged for tokens, once."""
        self._codes.add(code)


def lost() -> Fault:
    """The answer to a call that was carried out, lost on its way."""
    return Fault(Code.ANSWER_LOST, "the fake lost its answer", fate=Fate.UNCLEAR)


def _client(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """Who asks: in the header, or in the form."""
    scheme, _, code = (request.header("Authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(code).decode().partition(":")
    except ValueError:
        return "", ""
    return name, secret


def _told(status: int, content: Mapping[str, Any]) -> Response:
    kind = ("Content-Type", "application/json;charset=UTF-8")
    return Response(status, (kind,), json.dumps(content).encode())
