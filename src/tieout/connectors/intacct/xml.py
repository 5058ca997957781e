"""
XML as Intacct speaks it: elements written as text, and answers read as plain values.

The only place that knows a parser. Nothing here knows what an element means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias
from xml.sax.saxutils import escape, quoteattr

from attrs import field, frozen

from tieout.errors import Code, ConfigError, Fate, Fault

Content: TypeAlias = "str | Decimal | Sequence[Element]"

_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way of writing, however it is escaped."""

_LITERAL = {"\r": "&#13;"}
"""What a parser would otherwise turn into a line feed."""

DEPTH_MAX = 40
"""Of elements in an answer; real ones have less than ten."""


@frozen
class Element:
    """One element: its name, a text or elements, and attributes."""

    name: str
    content: Content = ""
    attributes: Mapping[str, str] = field(factory=dict)

    def text(self) -> str:
        """The element as XML; `Fault` NOT_ALLOWED for what XML cannot hold."""
        told = "".join(
            f" {name}={quoteattr(_writable(value))}"
            for name, value in self.attributes.items()
        )
        content = self.content
        if isinstance(content, Decimal):
            inner = format(content, "f")
        elif isinstance(content, str):
            inner = escape(_writable(content), _LITERAL)
        else:
            inner = "".join(each.text() for each in content)
        return f"<{self.name}{told}>{inner}</{self.name}>"


def can_hold(text: str) -> bool:
    """Whether XML can hold a text."""
    return _UNWRITABLE.search(text) is None


def _writable(text: str) -> str:
    if not can_hold(text):
        raise Fault(Code.NOT_ALLOWED, "it holds characters that XML cannot")
    return text


def elements(*pairs: tuple[str, Content | None]) -> list[Element]:
    """Elements of these names in this order, without those that say nothing."""
    return [
        Element(name, content)
        for name, content in pairs
        if content is not None and content not in ("", [])
    ]


def split_date(day: date | None) -> list[Element]:
    """A date in three elements, as the older functions want it; none of nothing."""
    if day is None:
        return []
    return elements(("year", f"{day:%Y}"), ("month", f"{day:%m}"), ("day", f"{day:%d}"))


def us_date(day: date) -> str:
    """A date as the newer functions and all filters want it."""
    return f"{day:%m/%d/%Y}"


# Reading ----------------------------------------------------------------------------


def parser() -> Callable[..., Any]:
    """What parses XML safely; `ConfigError` where it is not installed."""
    try:
        from defusedxml.ElementTree import fromstring  # noqa: PLC0415 - not everybody's
    except ImportError:
        text = "Intacct answers in XML, which needs: pip install tieout[intacct]"
        raise ConfigError(text) from None
    return fromstring


def parsed(body: bytes) -> Any:
    """
    The root element of an answer.

    `Fault` BAD_PAYLOAD for what is no well-formed XML, and for XML with a DTD or entities.
    """
    try:
        return parser()(body, forbid_dtd=True)
    except (SyntaxError, ValueError, LookupError, RecursionError) as error:
        # The body itself is not told: it may be anything.
        text = f"the answer is not XML ({len(body)} bytes, {type(error).__name__})"
        raise Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR) from None


def plain(element: Any, depth: int = 0) -> Any:
    """
    An element as a text, None where it is empty, or its children by upper-case name.

    Of several children of one name all are kept, in a list: the vendor writes one record
    and many alike, and varies the case of names.
    """
    if depth > DEPTH_MAX:
        text = "the answer is nested too deeply"
        raise Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR)
    if not len(element):
        return element.text or None
    found: dict[str, Any] = {}
    for child in element:
        name, value = str(child.tag).upper(), plain(child, depth + 1)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def under(element: Any, *names: str) -> Any:
    """The first child behind these names, whatever their case; None where there is none."""
    for name in names:
        if element is None:
            return None
        element = next(iter(children(element, name)), None)
    return element


def children(element: Any, name: str) -> Iterable[Any]:
    """The children of that name, whatever its case."""
    return [each for each in element if str(each.tag).lower() == name]


def said(element: Any, name: str) -> str:
    """The text of a child, without outer white space; empty where there is none."""
    found = under(element, name)
    return (found.text or "").strip() if found is not None else ""
