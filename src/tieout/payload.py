"""
What a system said of a record, word for word but for secrets: for finding out why.

It listens to a flow as it is driven. Nothing here asks for anything or understands it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

from tieout.models import visible
from tieout.wire import Call, Flow, Request, Response

T = TypeVar("T")

_SECRET = re.compile(
    r"""(["'<]?[\w.-]*(?:password|secret|token|api_?key|authorization|session_?id)[\w.-]*["'>]?\s*[:=>]?\s*)"""
    r"""("[^"]*"|'[^']*'|[^\s,;<>&}\]]+)""",
    re.IGNORECASE,
)
"""A name that is one of a secret, and its value: in JSON, XML, forms and headers."""

HIDDEN = "***"

SECRET_LENGTH_MIN = 6
"""A known secret shorter than this would blank out parts of ordinary words."""


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
    for secret in secrets:
        if len(secret) >= SECRET_LENGTH_MIN:
            text = text.replace(secret, HIDDEN)
    text = _SECRET.sub(lambda found: f"{found[1]}{HIDDEN}", text)
    return "\n".join(visible(line) for line in text.splitlines())
