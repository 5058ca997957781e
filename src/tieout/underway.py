"""
A run under way: where each of its listings began, and where the next run may begin.

Values and the marker's rule; nothing here reads, writes or plans.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from uuid import uuid4

from attrs import define, field

from tieout.errors import Code, Fault
from tieout.session import Traffic
from tieout.store import Ending, Marker, ResumePoint
from tieout.windows import Window

CLOCKS_APART_MAX = timedelta(hours=1)
"""How far ahead of ours a vendor's clock may be; beyond it, one of the two is wrong."""


def run_name(now: datetime) -> str:
    """
    The name of a run that begins now: names sort as their runs began.

    Within one moment of the clock, those of one process do.
    """
    return f"{now:%Y%m%dT%H%M%S.%f}-{next(_BEGUN) % 10**6:06d}-{uuid4().hex[:8]}"


_BEGUN = count()


@define
class Track:
    """
    One listing of a run: under which verb, from where, and by which marker.

    ``as_of`` is the other side's clock when the reading began, ``token`` its change token.
    ``keeps_place``: asked for once more, an interrupted run goes on where it was.
    """

    verb: str
    moment: Window
    marker: Marker | None = None
    as_of: datetime | None = None
    token: str | None = None
    keeps_place: bool = False


@define
class Under:
    """A run under way, and how it came to its end."""

    id: str
    started_at: datetime
    tracks: Sequence[Track]
    traffic: dict[str, Traffic]
    ending: Ending = Ending.RUNNING
    fault: Fault | None = None
    resume: ResumePoint | None = None
    moved: list[Marker] = field(factory=list)
    note: str = ""
    whole: bool = False
    """Whether all that has changed is carried, and not only what was named."""

    @property
    def track(self) -> Track:
        """The first listing: most runs have no other."""
        return self.tracks[0]

    @property
    def lost(self) -> bool:
        """Whether another run has taken over, so that nothing more may be written."""
        return self.fault is not None and self.fault.code is Code.LEASE_LOST

    def move(self, pair: str, profile: str) -> list[Marker]:
        """The markers that move now that the run has ended; why one stays is noted."""
        for track in self.tracks:
            at = sound_clock(track.as_of, self.started_at)
            new = Marker(pair, track.verb, profile, at, track.token)
            moves, note = self._rule(track, new)
            if moves:
                self.moved.append(new)
            self.note = self.note or note
        return self.moved

    def _rule(self, track: Track, new: Marker) -> tuple[bool, str]:
        """Whether a marker moves: after success only, and never over a gap."""
        old = track.marker
        if old is not None and old.at > self.started_at + CLOCKS_APART_MAX:
            old = None  # a clock was wrong once; what it said is no marker
        if self.ending is not Ending.DONE:
            return False, "the marker stays where it was: the run did not end well"
        if old is not None and track.moment.start > old.at:
            return False, (
                f"the marker stays at {old.at:%Y-%m-%d %H:%M} UTC: this run began later "
                "than that, and what changed in between is still to be read"
            )
        if old is not None and new.at <= old.at:
            return False, ""
        return True, ""


def sound_clock(told: datetime | None, started_at: datetime) -> datetime:
    """The other side's clock, unless it is so far ahead that it must be wrong."""
    return min(told or started_at, started_at + CLOCKS_APART_MAX)
