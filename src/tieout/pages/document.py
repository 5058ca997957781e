"""
The frame of a page: one file that runs nothing, loads nothing and tells nobody.

What stands in the frame is made elsewhere.
"""

from __future__ import annotations

import base64
import hashlib

from tieout.pages.style import STYLE
from tieout.pages.text import Html, element, harmless, own


def policy() -> str:
    """
    What a browser lets the page do: nothing but show itself in its own style.

    The style is named by its hash: any other style, and all that could run or be loaded,
    is refused, even if it found its way into the page.
    """
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def document(title: str, *body: Html) -> str:
    """A whole page. The policy comes first: it holds for what stands behind it."""
    head = "\n".join(
        (
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy()}">',
            '<meta name="referrer" content="no-referrer">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<meta name="robots" content="noindex">',
            element("title", own(harmless(title))),
            f"<style>{STYLE}</style>",
        )
    )
    content = "\n".join(each for each in body if each)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n'
        f"<body>\n{content}\n</body>\n</html>\n"
    )
