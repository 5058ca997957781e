"""
The JSON-RPC that Tryton speaks: its values, its envelope, its errors, and the session.

It knows no record and no company's books. Observed in real replies of 8.2 and 7.0.
"""

from __future__ import annotations

import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from attrs import evolve, field, frozen

from tieout.auth import Grant
from tieout.connector import BY_STATUS, Fields, judge
from tieout.connectors.tryton.errors import ADDRESS, COMPANIES, SIGN_IN_RULES
from tieout.errors import Code, Fate, Fault
from tieout.wire import Answer, Flow, Request, Response, read_json, write_json

T = TypeVar("T")
Dialect = Literal["8.2", "7.0", ""]

INFLATED_MAX = 64 * 2**20
"""Bytes; a page of a thousand invoices has about 1.5 MB."""

LOCK_SECONDS = 300.0
"""How long a login stays locked after five wrong passwords, as Tryton is delivered."""


_PARTS = ("year", "month", "day", "hour", "minute", "second", "microsecond")
_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([Ee][+-]?[0-9]{1,3})?", re.ASCII)
"""As Tryton writes one; Python's own would also take digits of other scripts and NaN."""


_NAME = re.compile(r"'[\w.]+'")
"""A model or field that is not there, as Tryton's error says it: nothing but its name."""


def _decimal(held: Mapping[str, Any]) -> Decimal:
    if not _DECIMAL.fullmatch(held["decimal"]):
        raise ValueError("no decimal of Tryton")
    return Decimal(held["decimal"])


def _numbers(held: Mapping[str, Any]) -> Mapping[str, int]:
    if any(type(each) is not int for each in held.values()):
        raise TypeError("a part of a date is a whole number")
    return held


_TYPES: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "Decimal": _decimal,
    "date": lambda held: date(**_numbers(held)),
    "datetime": lambda held: datetime(**_numbers(held), tzinfo=UTC),
    "timedelta": lambda held: timedelta(seconds=float(held["seconds"])),
    "bytes": lambda held: b64decode(held["base64"]),
}


class Plain(Decimal):
    """A number that Tryton holds as a float, such as a quantity; money never is one."""


def encode(value: Any) -> Any:
    """A value as Tryton's JSON has it: a date, an instant and a decimal are objects."""
    match value:
        case Plain():
            return Decimal(value)
        case datetime():
            at = value.astimezone(UTC)
            return {"__class__": "datetime"} | {x: getattr(at, x) for x in _PARTS}
        case date():
            return {"__class__": "date"} | {x: getattr(value, x) for x in _PARTS[:3]}
        case Decimal():
            return {"__class__": "Decimal", "decimal": format(value, "f")}
        case Mapping():
            return {key: encode(item) for key, item in value.items()}
        case list() | tuple():
            return [encode(item) for item in value]
    return value


def decode(value: Any) -> Any:
    """A value out of Tryton's JSON; what cannot be read stays as it is."""
    match value:
        case {"__class__": str(name)} if name in _TYPES:
            try:
                held = {key: value[key] for key in value if key != "__class__"}
                return _TYPES[name](held)
            except (KeyError, TypeError, ValueError, ArithmeticError):
                return value
        case dict():
            return {key: decode(item) for key, item in value.items()}
        case list():
            return [decode(item) for item in value]
    return value


def body_of(response: Response) -> Mapping[str, Any]:
    """The JSON object in an answer, also where a gzip body was handed on as it came."""
    if response.body.startswith(b"\x1f\x8b"):
        unpack = zlib.decompressobj(wbits=31)
        with suppress(zlib.error):
            body = unpack.decompress(response.body, INFLATED_MAX)
            if unpack.unconsumed_tail:
                raise Fault(Code.TOO_LARGE, "an answer of more than 64 MiB unpacked")
            response = evolve(response, body=body)
    body = response.json()
    return body if isinstance(body, dict) else {}


def answered(response: Response, kind: type[T]) -> T:
    """The ``result`` in an answer; `Fault` BAD_PAYLOAD where there is none of that type."""
    try:
        result = decode(body_of(response).get("result"))
    except RecursionError:
        text = "the JSON-RPC result is nested too deeply"
        raise Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR) from None
    if not isinstance(result, kind):
        text = f"the JSON-RPC result is no {kind.__name__}"
        raise Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR)
    return result


def explain(response: Response) -> tuple[str, str]:
    """
    The type and the text of the error in an answer; empty where it is a good one.

    In an answer of status 200 the error is a list: a type and its words, or the words of
    an unforeseen exception and a trace. ``lookup`` is a model or field that is not there.
    """
    if response.status != HTTPStatus.OK:
        # With other statuses Tryton sends pages for people, or nothing.
        known = response.status in BY_STATUS or response.status // 100 in (2, 5)
        told = "" if known else response.text().strip()
        return "", f"HTTP {response.status} {told}".strip()
    try:
        error = body_of(response).get("error")
    except Fault:
        return "", ""  # what asked will find out
    match error:
        case None:
            return "", ""
        case [("UserError" | "UserWarning" | "LoginException") as kind, [*words]]:
            # A warning's first word is a key, a sign-in's is the name of a factor; what
            # follows a UserError's second is a domain.
            said = words[:2] if kind == "UserError" else words[1:3]
            return kind, " ".join(str(word) for word in said if word) or kind
        case [str(kind), str(words)] if kind.endswith("Exception"):
            return kind, words or kind
        case [str(words), *_] if _NAME.fullmatch(words):
            return "lookup", words
        case [str(words), *_] | words:
            return "", str(words) or "an error without words"


def warning(response: Response) -> str:
    """The key of the warning that is the answer; empty where it is none."""
    try:
        error = (
            body_of(response).get("error") if response.status == HTTPStatus.OK else 0
        )
    except Fault:
        return ""
    match error:
        case ["UserWarning", [str(key), *_]]:
            return key
    return ""


def call(method: str, *params: Any, effect: bool = False, **context: Any) -> Request:
    """
    A call of a model's method; `TrytonSession.sign` adds what the envelope needs.

    ``context`` goes on top of the session's own.
    """
    asked = {"method": f"model.{method}", "params": encode(params)}
    more = {"context": encode(context)} if context else {}
    return Request("POST", "", json={**asked, **more}, effect=effect)


def wizard(
    name: str, method: str, *params: Any, effect: bool = False, **context: Any
) -> Request:
    """A step of a wizard; only the one that changes the books is an effect."""
    request = call(method, *params, effect=effect, **context)
    asked = {**request.json, "method": f"wizard.{name}.{method}"}
    return evolve(request, json=asked)


def about(model: str, *ids: int) -> dict[str, Any]:
    """The context of a wizard that works on these records."""
    return {"active_model": model, "active_id": ids[0], "active_ids": [*ids]}


@frozen
class TrytonSession:
    """
    Signs in with a password and wraps each call for the session.

    A grant holds the user's id, the session's token and the context, which goes with
    every call. Its base URL is the whole address of the database, ``/<db>/rpc/`` or, up to
    7.0, ``/<db>/``: all calls go to exactly that address, their own URL is empty.
    """

    root: str
    database: str
    user: str
    password: str = field(repr=False)
    dialect: Dialect
    company: int | None
    language: str

    def first(self) -> Grant:
        """
        Not signed in; the values are there so that other arguments void what is stored.

        Its base URL is the root where the version has to be found out.
        """
        names = ("database", "user", "password", "company", "language")
        values = {name: str(getattr(self, name)) for name in names}
        base = self._base(self.dialect) if self.dialect else f"{self.root}/"
        return Grant(base, values, signed_in=False)

    def sign(self, request: Request, grant: Grant) -> Request:
        """The call in its envelope; one that has its envelope already stays as it is."""
        asked = request.json
        if "id" in asked:
            return request
        held = read_json(grant.values["context"].encode())
        params = [*asked["params"], {**held, **asked.get("context", {})}]
        signed = _plea(request.url, asked["method"], params, grant.values)
        return evolve(request, json=signed.json, headers=signed.headers)

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        """Sign in anew; a refused password is never tried a second time."""
        base = grant.base_url
        if base == f"{self.root}/":
            base = yield from self._discover()
        login = [self.user, {"password": self.password}, self.language]
        session = yield from _asked(_plea(base, "common.db.login", login), list)
        given = Fields(dict(zip(("id", "token"), session, strict=False)))
        values = {"user": self.user, "id": given.id("id"), "token": given.id("token")}
        plea = _plea(base, "model.res.user.get_preferences", [True, {}], values)
        context = self._context((yield from _asked(plea, dict)))
        values["context"] = write_json(encode(context)).decode()
        # The password, and a session that has ended, are not kept.
        return evolve(grant.renewed(values, base_url=base), previous={})

    def _base(self, dialect: str) -> str:
        path = quote(self.database, safe="")
        return f"{self.root}/{path}/" + ("" if dialect == "7.0" else "rpc/")

    def _discover(self) -> Flow[str]:
        # Up to 7.0 the root's calls have no path of their own, and ``rpc`` would be the
        # name of a database: 401.
        for path, dialect in (("rpc/", "8.2"), ("", "7.0")):
            response = yield _plea(f"{self.root}/{path}", "common.server.version", [])
            good = response.status == HTTPStatus.OK
            if good and isinstance(answered(response, object), str):
                return self._base(dialect)
        text = f"no Tryton server answers there (HTTP {response.status})"
        raise ADDRESS.fault(text)

    def _context(self, preferences: dict[str, Any]) -> dict[str, Any]:
        # Messages in a language of ours, so that their texts can say more; one company's
        # books; inactive parties too, which no domain with an OR in it finds otherwise.
        ours = {"company_filter": "one", "active_test": False}
        context = {**preferences, **ours, "language": self.language}
        if self.company is None:
            return context
        allowed = preferences.get("companies") or [preferences.get("company")]
        if self.company not in allowed:
            text = f"the user may not work for company {self.company}"
            raise COMPANIES.fault(text)
        return {**context, "company": self.company}


def _plea(
    url: str, method: str, params: list[Any], session: Mapping[str, str] | None = None
) -> Request:
    # Without Accept-Encoding, 8.2 calls long answers gzip and sends them plain.
    headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
    if session:
        token = ":".join(session[name] for name in ("user", "id", "token"))
        headers["Authorization"] = f"Session {b64encode(token.encode()).decode()}"
    asked = {"id": 1, "method": method, "params": params}
    return Request("POST", url, headers=headers, json=asked)


def _asked(plea: Request, kind: type[T]) -> Flow[T]:
    response = yield plea
    kind_of_error, text = explain(response)
    # What repeats the request would repeat the password.
    text = text if response.status == HTTPStatus.OK else f"HTTP {response.status}"
    verdict = judge(response, SIGN_IN_RULES, kind_of_error, text)
    if verdict.code is Code.LOCKED_OUT:
        verdict = evolve(verdict, wait=LOCK_SECONDS)
    if verdict.answer is not Answer.OK:
        raise verdict.fault()
    return answered(response, kind)
