"""
What goes over the wire, as values: requests, answers and the flows that exchange them.

Every verb of a connector is a *flow*: a generator that yields a `Request` (or a `Call`
into the host's own code), is sent the `Response`, and returns its result. A flow does no
I/O. Who drives it decides how requests travel: `tieout.session` in production, ``next``
and ``send`` in a test::

    flow = connector.page(Settlement, Changed(since))
    request = next(flow)                       # what it wants to ask
    flow.send(Response(200, {}, b"{...}"))     # StopIteration.value is the page

Nothing here opens a socket, knows a secret, or decides to wait.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from decimal import Decimal
from enum import Enum
from functools import cached_property
from http import HTTPStatus
from typing import Any, Protocol, TypeAlias, TypeVar

from attrs import field, frozen

from tieout.errors import Code, Fate, Fault

T = TypeVar("T")

NUMBER_LENGTH_MAX = 400
"""Longer numbers are hostile; Python itself refuses integers of more than 4300 digits."""


def _pairs(
    value: Mapping[str, str] | Iterable[tuple[str, str]],
) -> tuple[tuple[str, str], ...]:
    items = value.items() if isinstance(value, Mapping) else value
    return tuple((str(name), str(content)) for name, content in items)


def _names(pairs: tuple[tuple[str, str], ...]) -> str:
    """Names alone: values may be secrets, or what a person typed."""
    return str([name for name, _ in pairs])


def _bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


@frozen
class Request:
    """
    One HTTP request.

    ``url`` is relative to the connection's base, or the absolute address of a next page,
    which the session checks against the connection's origin. ``json`` and ``content``
    exclude each other. ``effect`` says whether it can change anything on the other side;
    the connector sets it, it is never guessed from the method.
    """

    method: str
    url: str
    params: tuple[tuple[str, str], ...] = field(
        default=(), converter=_pairs, repr=_names
    )
    headers: tuple[tuple[str, str], ...] = field(
        default=(), converter=_pairs, repr=_names
    )
    json: Any = field(default=None, repr=False)
    content: bytes | None = field(default=None, repr=False)
    effect: bool = False

    def body(self) -> bytes:
        """The bytes to send: ``content``, or ``json`` encoded with exact decimals."""
        if self.json is None:
            return self.content or b""
        return write_json(self.json)

    def header(self, name: str) -> str | None:
        """The header of that name, whatever its case."""
        return _find(self.headers, name)


@frozen
class Response:
    """One answer: ``Response(status, headers, body)``; ``value`` is what a `Call` returned."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(
        default=(), converter=_pairs, repr=_names
    )
    body: bytes = field(default=b"", converter=_bytes, repr=False)
    value: Any = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether the status is one of success (2xx), whatever the body says."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def header(self, name: str) -> str | None:
        """The header of that name, whatever its case."""
        return _find(self.headers, name)

    def json(self) -> Any:
        """
        The body as JSON, numbers with a point as exact `Decimal`.

        Raises `Fault` BAD_PAYLOAD for anything that is not well-formed JSON.
        """
        return self._json

    @cached_property
    def _json(self) -> Any:
        return read_json(self.body)

    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced."""
        return self.body.decode("utf-8", "replace")


def _find(pairs: tuple[tuple[str, str], ...], name: str) -> str | None:
    wanted = name.lower()
    return next((value for key, value in pairs if key.lower() == wanted), None)


@frozen
class Call:
    """
    A call into the host's own code, made on the thread that called the engine.

    ``run`` takes nothing; what it returns comes back as ``Response.value``. ``effect`` as
    in `Request`.
    """

    run: Callable[[], Any] = field(repr=False)
    effect: bool = False
    name: str = ""

    def answer(self) -> Response:
        """Make the call; whatever it raises is raised inside the flow."""
        return Response(200, value=self.run())


Flow: TypeAlias = Generator[Request | Call, Response, T]
"""A conversation in progress: yields what it asks, is sent the answer, returns a `T`."""


class Answer(Enum):
    """What an answer means for the one who asked."""

    OK = "ok"
    WAIT = "wait"
    """Not processed, ask again later: certainly no effect."""
    SIGN_IN = "sign in again"
    """Not processed, the grant is no longer good: certainly no effect."""
    REFUSED = "refused"
    """Processed and refused: certainly no effect."""
    UNCLEAR = "unclear"
    """Nothing is certain."""


FATES: Mapping[Answer, Fate] = {
    Answer.WAIT: Fate.NOT_SENT,
    Answer.SIGN_IN: Fate.NOT_SENT,
    Answer.REFUSED: Fate.REFUSED,
    Answer.UNCLEAR: Fate.UNCLEAR,
}


@frozen
class Verdict:
    """A judged answer. ``wait`` in seconds, where the other side named a pause."""

    answer: Answer
    code: Code | None = None
    text: str = ""
    remedy: str = ""
    field: str = ""
    wait: float | None = None

    def fault(self) -> Fault:
        """The verdict as an exception."""
        return Fault(
            self.code or Code.UNKNOWN_ERROR,
            self.text,
            field=self.field,
            remedy=self.remedy,
            fate=FATES.get(self.answer, Fate.UNCLEAR),
            wait=self.wait,
        )


class Repeat(Enum):
    """Whether a request may be sent again."""

    NEVER = "never"
    AFTER_WAIT = "after the wait"
    AFTER_SIGN_IN = "once, after signing in"


REPEATS: Mapping[tuple[Fate | Answer, bool], Repeat] = {
    # what came of it      had an effect in mind
    (Answer.WAIT, False): Repeat.AFTER_WAIT,
    (Answer.WAIT, True): Repeat.AFTER_WAIT,
    (Answer.SIGN_IN, False): Repeat.AFTER_SIGN_IN,
    (Answer.SIGN_IN, True): Repeat.AFTER_SIGN_IN,
    (Answer.REFUSED, False): Repeat.NEVER,
    (Answer.REFUSED, True): Repeat.NEVER,
    (Answer.UNCLEAR, False): Repeat.AFTER_WAIT,
    (Answer.UNCLEAR, True): Repeat.NEVER,  # 500, 502, 504: it may have been carried out
    (Fate.NOT_SENT, False): Repeat.AFTER_WAIT,
    (Fate.NOT_SENT, True): Repeat.AFTER_WAIT,
    (Fate.REFUSED, False): Repeat.NEVER,
    (Fate.REFUSED, True): Repeat.NEVER,
    (Fate.UNCLEAR, False): Repeat.AFTER_WAIT,
    (
        Fate.UNCLEAR,
        True,
    ): Repeat.NEVER,  # the answer was lost: it may have been carried out
}
"""What may be repeated. The one place that says so; `tieout.session` obeys it."""


class Transport(Protocol):
    """
    What carries a request whose ``url`` is absolute by now.

    ``timeout`` is the total number of seconds allowed, headers and body together. Raises
    `Fault` with fate NOT_SENT where certainly nothing left, else with fate UNCLEAR. May
    be called from several threads at once. Follows no redirect and repeats nothing.
    """

    def send(self, request: Request, timeout: float) -> Response: ...

    def close(self) -> None: ...


@frozen
class Twice:
    """A JSON key that was given twice with different values; no reader accepts it."""

    first: Any
    second: Any


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found and found[key] != value:
            found[key] = Twice(found[key], value)
        else:
            found[key] = value
    return found


def _integer(text: str) -> int:
    if len(text) > NUMBER_LENGTH_MAX:
        raise ValueError("a number of too many digits")
    return int(text)


def _decimal(text: str) -> Decimal:
    if len(text) > NUMBER_LENGTH_MAX:
        raise ValueError("a number of too many digits")
    return Decimal(text)


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number")


def read_json(body: bytes) -> Any:
    """
    JSON from bytes, with exact decimals; `Fault` BAD_PAYLOAD where it is not JSON.

    A key given twice with different values becomes `Twice`, so that the record that it
    stands in is refused and its neighbours are not.
    """
    try:
        return json.loads(
            body.decode("utf-8-sig"),
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError, ArithmeticError) as error:
        # The body itself is not told: it may be a token answer that was cut off.
        looks = "a page of HTML or XML" if body.lstrip()[:1] == b"<" else "not JSON"
        text = f"the answer is {looks} ({len(body)} bytes, {type(error).__name__})"
        raise Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR) from None


def write_json(value: Any) -> bytes:
    """
    JSON as bytes; a `Decimal` is written digit by digit, never through a float.

    Raises `TypeError` for a float, NaN or infinity: no amount is one.
    """
    return "".join(_written(value)).encode()


def _written(value: Any) -> Iterator[str]:
    match value:
        case Decimal() if value.is_finite():
            yield format(value, "f")
        case Decimal() | float():
            raise TypeError(f"{value!r} is no exact number; amounts are finite Decimal")
        case Mapping():
            yield "{"
            for position, (key, item) in enumerate(value.items()):
                yield f"{',' if position else ''}{json.dumps(str(key))}:"
                yield from _written(item)
            yield "}"
        case list() | tuple():
            yield "["
            for position, item in enumerate(value):
                yield "," if position else ""
                yield from _written(item)
            yield "]"
        case _:
            yield json.dumps(value, ensure_ascii=False)
