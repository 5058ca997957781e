"""
Reads a page as a browser would, without running it: its elements, texts and addresses.

It knows nothing of what made the page.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import TypeAlias

from attrs import define, field, frozen

VOID = {"meta", "br", "hr", "img", "input", "link", "source", "wbr"}
LOADS = {"src", "srcset", "data", "poster", "background", "xlink:href", "action"}
"""Attributes whose address is fetched, or called, without anybody's click on a link."""
RUNS = {"script", "iframe", "frame", "object", "embed", "form", "base", "link", "img"}
"""Elements that run or load something, or send something away."""

Attributes: TypeAlias = dict[str, str]


@frozen
class Element:
    """One element: its name, its attributes, and the names of those that it is within."""

    name: str
    attributes: Attributes
    within: tuple[str, ...]


@define
class Reader(HTMLParser):
    """What is in a page, in order."""

    elements: list[Element] = field(factory=list)
    texts: list[str] = field(factory=list)
    style: str = ""
    _open: list[str] = field(factory=list)

    def __attrs_pre_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        given = {name: value or "" for name, value in attrs}
        self.elements.append(Element(tag, given, tuple(self._open)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["style"]:
            self.style += data
        elif data.strip():
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def named(self, name: str) -> list[Element]:
        """All elements of a name."""
        return [each for each in self.elements if each.name == name]

    @property
    def text(self) -> str:
        """All that is written on the page."""
        return "\n".join(self.texts)

    @property
    def policy(self) -> str:
        """The content security policy."""
        found = [
            each.attributes["content"]
            for each in self.named("meta")
            if each.attributes.get("http-equiv") == "Content-Security-Policy"
        ]
        assert len(found) == 1
        return found[0]


def read(page: str) -> Reader:
    """A page, read to its end; every element is closed where it has to be."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader._open == []
    return reader


def check_harmless(page: str) -> Reader:
    """That a page runs nothing, loads nothing, and leads nowhere but to web pages."""
    found = read(page)
    for each in found.elements:
        assert each.name not in RUNS, each
        for name, value in each.attributes.items():
            assert not name.startswith("on"), each
            assert name != "style", each
            assert name not in LOADS, each
            if name == "href":
                assert each.name == "a", each
                check_link(each, value)
    assert not re.search(r"@import|url\(|expression", found.style)
    digest = base64.b64encode(hashlib.sha256(found.style.encode()).digest()).decode()
    assert "default-src 'none'" in found.policy
    assert f"style-src 'sha256-{digest}'" in found.policy
    assert "unsafe" not in found.policy
    assert "http" not in found.policy
    assert all(sign.isprintable() or sign == "\n" for sign in page)
    return found


def check_link(link: Element, address: str) -> None:
    """A place on the page, or a web page that learns nothing of this one."""
    if address.startswith("#"):
        return
    assert address.startswith(("https://", "http://")), address
    assert {"noopener", "noreferrer"} <= set(link.attributes["rel"].split())
    assert link.attributes["referrerpolicy"] == "no-referrer"
