"""
The ties as the log tells them: what is linked to what, made anew from events alone.

Pure. An event holds the tie as it stands since then, so that events may come in any order,
and those that a later one has overtaken may be missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import define, field

from tieout.models import Link
from tieout.store import Event, key, link_key


def rebuilt(events: Iterable[Event]) -> dict[str, Link]:
    """
    The links that these events of one pair leave, by their key in the store.

    Memory grows with the links, not with the events.
    """
    ties = _Ties()
    for event in events:
        ties.take(event)
    return dict(ties.standing())


@define
class _Ties:
    """What the latest event so far says of each tie; None where it was let go."""

    told: dict[str, tuple[tuple[int, int], Link | None]] = field(factory=dict)

    def take(self, event: Event) -> None:
        """One more event."""
        if event.link is None:
            return
        at = (event.fence, event.serial)
        self._set(key(event.link), at, event.link)
        if event.let_go is not None:
            gone = event.let_go
            own = link_key(event.pair, gone.kind, gone.id, event.link.role)
            self._set(own, at, None)

    def _set(self, own: str, at: tuple[int, int], link: Link | None) -> None:
        """The holds of a pair are numbered: what was told under a later one counts."""
        held = self.told.get(own)
        if held is None or held[0] < at:
            self.told[own] = (at, link)

    def standing(self) -> Iterator[tuple[str, Link]]:
        """The ties that were not let go."""
        for own, (_, link) in self.told.items():
            if link is not None:
                yield own, link
