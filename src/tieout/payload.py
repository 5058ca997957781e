"""
What a system said of a record, word for word but for secrets: for finding out why.

It listens to a flow as it is driven. Nothing here asks for anything or understands it.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import TypeVar
from urllib.parse import quote

from tieout.models import visible
from tieout.wire import Call, Flow, Request, Response

T = TypeVar("T")

HIDDEN = "***"

SECRET_LENGTH_MIN = 6
"""A known secret shorter than this would blank out parts of ordinary words."""

_WORDS = (
    r"(?:passw(?:or)?d|passphrase|pwd|secret|(?<!sync)token|api[_-]?key|private[_-]?key"
    r"|access[_-]?key|authori[sz]ation|session[_-]?id|credential|cookie)"
)
"""What the name of a secret has in it. A ``SyncToken`` is a version, and no secret."""

_NAME = rf"[\w.:-]*{_WORDS}[\w.:-]*"

_ELEMENT = re.compile(
    rf"(?P<open><(?P<name>{_NAME})(?:\s[^<>]*)?(?<!/)>)"
    r"(?P<value>.*?)(?=</(?P=name)\s*>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
"""An element of XML; one that never ends, since the answer was cut off, to the end."""

_MEMBER = re.compile(rf"(?P<quote>\\*[\"']){_NAME}(?P=quote)\s*[:=]\s*", re.IGNORECASE)
"""The name of a member of a JSON object, also of one within a text of another."""

_FIELD = re.compile(
    rf"\"(?:name|key|field)\"\s*:\s*(?P<quote>\")[^\"]*{_WORDS}[^\"]*\"\s*,"
    r"\s*\"value\"\s*:\s*",
    re.IGNORECASE,
)
"""A field whose name is itself a value."""

_LINE = re.compile(rf"^(?P<keep>\s*{_NAME}\s*:\s*)\S.*$", re.IGNORECASE | re.MULTILINE)
"""A header, whose value is the rest of its line."""

_ASSIGNED = re.compile(
    rf"(?P<keep>(?<![\w.:-]){_NAME}\s*=\s*)"
    r"(?:\"[^\"]*\"|'[^']*'|[^\s&;,<>\"']+)",
    re.IGNORECASE,
)
"""A field of a form or of an address, or an attribute."""

_BARE = re.compile(
    r"(?P<keep>\bBearer\s+)(?=\S*\d)[\w.~+/=-]{8,}"
    r"|(?P<jwt>\beyJ[\w-]{5,}\.[\w-]+\.[\w-]+)"
    r"|(?P<user>://[^/\s:@]+:)[^/\s@]+(?=@)",
)
"""What is a secret by its looks: bearer and web tokens, a password in an address."""


def overheard(flow: Flow[T], heard: list[str]) -> Flow[T]:
    """The same flow; the bodies of the answers that it gets are noted in ``heard``."""
    reply: Response | None = None
    thrown: Exception | None = None
    while True:
        asked: Request | Call
        try:
            asked = flow.throw(thrown) if thrown else flow.send(reply)  # type: ignore[arg-type] # None starts a generator
        except StopIteration as stop:
            value: T = stop.value
            return value
        reply, thrown = None, None
        try:
            reply = yield asked
        except Exception as error:  # noqa: BLE001 - it is handed on to the flow
            thrown = error
        else:
            told = reply.text() if isinstance(asked, Request) else repr(reply.value)
            heard.append(told)


def stripped(text: str, secrets: Iterable[str] = ()) -> str:
    """A text without the values of known secrets, and of what is named like one."""
    for form in sorted(set(_forms(secrets)), key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    text = _ELEMENT.sub(lambda found: f"{found['open']}{HIDDEN}", text)
    for named in (_MEMBER, _FIELD):
        text = "".join(_without_values(text, named))
    for pattern in (_LINE, _ASSIGNED):
        text = pattern.sub(lambda found: f"{found['keep']}{HIDDEN}", text)
    text = _BARE.sub(lambda m: f"{m['keep'] or m['user'] or ''}{HIDDEN}", text)
    return "\n".join(visible(line) for line in text.splitlines())


def _forms(secrets: Iterable[str]) -> Iterator[str]:
    """The ways in which known secrets may be written, as far as they are long enough."""
    for secret in secrets:
        for each in (secret, *_inside(secret)):
            if len(each) >= SECRET_LENGTH_MIN:
                yield from (each, quote(each, safe=""), html.escape(each))
                yield json.dumps(each)[1:-1]


def _inside(header: str) -> Iterator[str]:
    """What is secret within the value of a header: its token, or its password."""
    scheme, _, value = header.partition(" ")
    if not value:
        return
    yield value
    if scheme.lower() == "basic":
        try:
            told = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return
        yield told.partition(":")[2]


def _without_values(text: str, named: re.Pattern[str]) -> Iterator[str]:
    """The pieces of a text, the value behind each such name hidden."""
    at = 0
    while found := named.search(text, at):
        yield text[at : found.end()]
        at = _end(text, found.end(), found["quote"])
        yield f"{found['quote']}{HIDDEN}{found['quote']}"
    yield text[at:]


def _end(text: str, begin: int, mark: str) -> int:
    """Where a value ends that begins here; ``mark`` is the quote of its name."""
    if mark == '"':
        try:
            return json.JSONDecoder().raw_decode(text, begin)[1]
        except (ValueError, RecursionError):
            pass  # cut off, or no JSON
    if text.startswith(mark, begin):
        closing = re.compile(rf"(?<!\\){re.escape(mark)}").search(
            text, begin + len(mark)
        )
        return closing.end() if closing else len(text)
    if text[begin : begin + 1] in ("{", "[", "("):
        return len(text)  # nobody can tell where it ends
    bare = re.compile(r"[^\s,;}\])]*").match(text, begin)
    return bare.end() if bare else begin
