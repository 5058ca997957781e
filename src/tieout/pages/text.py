"""
Text and addresses of others, made harmless for a page, and the elements that hold them.

What is `Html` may stand in a page as it is; only this package makes any. Nothing here
knows what a page is about.
"""

from __future__ import annotations

import html
from typing import NewType
from urllib.parse import urlsplit

from tieout.models import visible

Html = NewType("Html", str)
"""Markup. A plain text is none: whoever forgets to escape it is told by the type checker."""

NOTHING = Html("")

TEXT_MAX = 600
"""Characters of one text: a paragraph. What is longer is no name and no message, and would
push all else off the page."""

FORMULA = ("=", "+", "-", "@")
"""With what a formula begins, where a cell of the page is copied into a spreadsheet."""


def harmless(text: str) -> str:
    """
    A text in one line that hides nothing, turns nothing round and calculates nothing.

    What cannot be seen is escaped, and before a formula stands an apostrophe: it is shown,
    and spreadsheets take what is behind it for text.
    """
    kept = text if len(text) <= TEXT_MAX else f"{text[: TEXT_MAX - 1]}…"
    seen = visible(kept)
    return f"'{seen}" if seen.lstrip().startswith(FORMULA) else seen


def told(text: str) -> Html:
    """A text of somebody else's; what is written from the right stays within it."""
    return Html(f"<bdi>{html.escape(harmless(text))}</bdi>")


def own(text: str) -> Html:
    """A text of ours, in which nothing of anybody else's is."""
    return Html(html.escape(text))


def joined(*parts: Html, by: Html = NOTHING) -> Html:
    """Several pieces of markup, one after another."""
    return Html(by.join(part for part in parts if part))


def element(name: str, *content: Html, **attributes: str | None) -> Html:
    """
    An element with its content; an attribute that is None is left out.

    ``class_`` is the attribute ``class``, and ``aria_label`` is ``aria-label``.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>{''.join(content)}</{name}>")


def address(url: str) -> str:
    """
    The address, if a person may be led there; otherwise "".

    Only whole http and https addresses, without blanks, without anything that cannot be
    seen, and without a user's name, which would be a secret or a disguise.
    """
    if not url.isprintable() or any(sign.isspace() or sign in '\\"<>' for sign in url):
        return ""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return ""
    plain = parts.scheme in ("http", "https") and "@" not in parts.netloc
    return url if plain and host else ""


def link(url: str, text: str, label: str) -> Html:
    """
    A link that opens a page of its own and tells it nothing; "" where it is not safe.

    ``label`` says in full where it leads, for those who hear the page.
    """
    safe = address(url)
    if not safe:
        return NOTHING
    return element(
        "a",
        own(harmless(text)),
        href=safe,
        target="_blank",
        rel="noopener noreferrer",
        referrerpolicy="no-referrer",
        aria_label=harmless(label),
    )
