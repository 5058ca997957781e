"""
Pictures of numbers, as SVG within a page: bars whose figures stand beside them as text.

Nothing here is the only place of a number: who cannot see a picture misses none.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from attrs import frozen

from tieout.pages.text import Html, element, own

LENGTH = 1000
"""Units from one end of a bar to the other; on the page it is as wide as there is room."""

SEEN_MIN = 8
"""Units: narrower than this, a part that is there would not be seen on a narrow screen."""

GAP = 3
"""Units between two parts, so that they are told apart without their colours."""


@frozen
class Part:
    """A part of a whole: what it is called, how many it is, and of which look."""

    name: str
    number: int
    look: str


def shares(parts: Sequence[Part]) -> Html:
    """One bar of several parts, each as long as its share; empty parts are left out."""
    there = [part for part in parts if part.number]
    total = sum(part.number for part in there)
    room = LENGTH - GAP * (len(there) - 1)
    widths = [max(SEEN_MIN, room * part.number // total) for part in there]
    if there:  # whatever rounding and the narrow ones left over is the widest one's
        widths[widths.index(max(widths))] += room - sum(widths)
    at, pieces = 0, list[Html]()
    for part, width in zip(there, widths, strict=True):
        said = element("title", own(f"{part.number:,} {part.name}"))
        pieces.append(
            element(
                "rect",
                said,
                x=str(at),
                y="0",
                width=str(width),
                height="24",
                class_=f"fill {part.look}",
            )
        )
        at += width + GAP
    label = ", ".join(f"{part.number:,} {part.name}" for part in there)
    return _picture(*pieces, height=24, label=label or "nothing")


def bar(value: Decimal, of: Decimal, look: str) -> Html:
    """One bar, as long as the value's part of the greatest; its figure stands beside it."""
    width = max(SEEN_MIN, int(LENGTH * value / of)) if value and of else 0
    piece = element(
        "rect", x="0", y="0", width=str(width), height="12", class_=f"fill {look}"
    )
    return _picture(piece, height=12)


def _picture(*pieces: Html, height: int, label: str = "") -> Html:
    """Drawn over all the room there is; hidden from those who hear it, if it has no label."""
    return element(
        "svg",
        *pieces,
        viewBox=f"0 0 {LENGTH} {height}",
        preserveAspectRatio="none",
        class_="bar",
        role="img" if label else None,
        aria_label=label or None,
        aria_hidden=None if label else "true",
    )


_SHAPES = {
    "red": ("M5 0h6l5 5v6l-5 5H5l-5-5V5z", "M5 5l6 6M11 5l-6 6"),
    "yellow": ("M8 0l8 15H0z", "M8 5v5M8 12v1"),
    "green": ("M8 0a8 8 0 1 1 0 16a8 8 0 1 1 0-16z", "M4 8l3 3l5-6"),
}
"""Each light has a shape of its own, and a sign on it."""


def lamp(light: str) -> Html:
    """A light by its name: known by its shape too; a text has to stand beside it."""
    shape, sign = _SHAPES[light]
    return element(
        "svg",
        element("path", d=shape, class_=f"fill {light}"),
        element("path", d=sign, class_="sign"),
        viewBox="0 0 16 16",
        class_="lamp",
        aria_hidden="true",
    )
