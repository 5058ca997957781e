"""
What a write may have made whose answer was lost: as long as that is not known, nobody else's.

Values and one question to them; which writes come into question is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from tieout.models import Ref


@frozen
class Maker:
    """The record for which a write may have made something, and how people call it."""

    source: Ref
    number: str


@frozen
class Unclear:
    """
    The writes of documents of which nobody knows yet what they made.

    ``made`` by record, for whom it may have been made; ``sent`` the records for which
    something may have been made on the other side.
    """

    made: Mapping[Ref, Maker] = field(factory=dict)
    sent: frozenset[Ref] = frozenset()

    def hinders(self, one: Ref, other: Ref) -> str:
        """Why these two may not be tied to each other yet; "" where they may."""
        lost = "and the answer to that was lost."
        for there, asking in ((other, one), (one, other)):
            maker = self.made.get(there)
            if maker is not None and maker.source != asking:
                return f"{there.id} may be what was made for {maker.number}, {lost}"
        if other in self.sent and one not in self.made:
            return f"another may be what was made for {other.id}, {lost}"
        return ""
