"""
When two texts, and the lines of two documents, are the same although systems respell them.

Pure. What follows from that a document differs is not said here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tieout.models import Line, clean_number


def alike(new: Any, old: Any) -> bool:
    """Whether two values are the same, but for white space around texts."""
    if isinstance(new, str) and isinstance(old, str):
        return clean_number(new) == clean_number(old)
    return bool(new == old)


CUT_OFF_MIN = 10
"""The shortest beginning to which a system cuts a text off. What is shorter was edited."""


def respelled(new: str, old: str) -> bool:
    """Whether one text is the other as a system may keep it: case, spaces, its beginning."""
    folded = (" ".join(each.casefold().split()) for each in (new, old))
    short, long = sorted(folded, key=len)
    return short == long or (len(short) >= CUT_OFF_MIN and long.startswith(short))


def alike_lines(
    new: Sequence[Line], old: Sequence[Line], *, closely: bool, fine: bool
) -> bool:
    """
    Whether lines come to the same, in whatever order they stand.

    ``closely``: by their whole texts; ``fine``: by account and dimensions too, as far as
    the other side tells them.
    """
    if len(new) != len(old):
        return False
    told = any(line.dimensions for line in old)
    return all(
        one.amount == other.amount
        and _same_text(one.description, other.description, closely=closely)
        and not (fine and _goes_elsewhere(one, other, told=told))
        for one, other in zip(
            sorted(new, key=_place), sorted(old, key=_place), strict=True
        )
    )


def _place(line: Line) -> tuple[Any, ...]:
    """By what lines are set beside each other."""
    text = line.description.strip().casefold()
    return line.amount, text, line.account, sorted(line.dimensions.items())


def _same_text(new: str, old: str, *, closely: bool) -> bool:
    if closely:
        return new.strip().casefold() == old.strip().casefold()
    return not old.strip() or respelled(new, old)


def _goes_elsewhere(new: Line, old: Line, *, told: bool) -> bool:
    """Whether a line is booked otherwise than it should be; ``told``: dimensions are."""
    if new.account and old.account and new.account != old.account:
        return True
    return told and any(
        old.dimensions.get(name, "") != value for name, value in new.dimensions.items()
    )
