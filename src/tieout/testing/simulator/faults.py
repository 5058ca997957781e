"""
The fault catalogue as a table: what each fault is, where it is injected, how often.

An id (H6, C17) names one fault wherever it is spoken of: in tests, in the timeline of a
seed, in the table of many. Nothing here injects anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from tieout.testing.simulator.profiles import Profile
from tieout.testing.simulator.stage import Decisions


@frozen
class Known:
    """
    One fault of the catalogue.

    ``place``: where it is injected (``crash``, ``effect``, ``read``, ``token``, ``store``,
    ``file``, ``office``, ``shape``). ``weight``: how likely beside others of its place.
    ``why_not``: why the simulator cannot inject it; empty where it can.
    """

    text: str
    place: str
    weight: int = 1
    why_not: str = ""


CATALOGUE: Mapping[str, Known] = {
    # Crash points: the place is found by what the worker had just done -----------------
    "C1": Known("killed after the lease was taken", "crash"),
    "C2": Known("killed after a page was read", "crash"),
    "C3": Known("killed in the middle of a page chain", "crash"),
    "C4": Known("killed with a plan and no intent", "crash"),
    "C5": Known("killed with a planned intent that was not sent again", "crash"),
    "C6": Known("killed with SENDING durable and no byte sent", "crash"),
    "C7": Known("killed while the request was leaving", "crash"),
    "C8": Known("killed after the other side committed", "crash"),
    "C9": Known("killed with the answer read and nothing written down", "crash"),
    "C10": Known("killed inside the transaction of outcome and link", "crash"),
    "C11": Known("killed with the link written and the marker not", "crash"),
    "C12": Known("killed with the marker written and the lease held", "crash"),
    "C13": Known("killed during recovery", "crash"),
    "C14": Known("killed during a schema migration", "file"),
    "C15": Known("killed during a token refresh", "crash"),
    "C16": Known("killed while a plan was written to a file", "crash"),
    "C17": Known("the store is restored from an older backup", "office"),
    # HTTP and time -----------------------------------------------------------------------
    "H1": Known("connection refused", "both"),
    "H2": Known("time-out before the commit", "effect", 2),
    "H3": Known("time-out after the commit", "effect", 2),
    "H4": Known("500, 502 or 504 before the commit", "both"),
    "H5": Known("500, 502 or 504 after the commit", "effect"),
    "H6": Known("committed late, after the client gave up", "effect", 4),
    "H7": Known("429 with any Retry-After", "both"),
    "H8": Known("503 that says: not processed, too many operations", "both"),
    "H9": Known("400 or 422", "effect"),
    "H10": Known("409, number exists", "office"),
    "H11": Known("412: somebody else was faster", "effect"),
    "H12": Known("401 in the middle", "both"),
    "H13": Known("402, 403 or 410 for the whole connection", "both"),
    "H14": Known("404: the record was deleted before the update", "effect"),
    "H15": Known("200 with a body that is no answer", "both"),
    "H16": Known("a batch answer with mixed, missing or reordered items", "batch", 3),
    "H17": Known("202 and an operation to ask for", "effect"),
    "H18": Known("a proxy delivers a request twice", "effect"),
    "H19": Known("a body that drips until the total time is up", "both"),
    "H20": Known("a kept connection is reset", "both"),
    "H21": Known("a redirect", "both"),
    "H22": Known("something below repeats a request unseen", "effect"),
    "H23": Known("the wall clock is wrong or is set back", "office"),
    "H24": Known("the rate limit is reached", "limit"),
    # Reading and paging ------------------------------------------------------------------
    "P1": Known("a record is edited between two pages", "paging"),
    "P2": Known("updates within the same second", "office"),
    "P3": Known("more than a page with one timestamp", "office"),
    "P4": Known("the cursor has expired", "paging"),
    "P5": Known("a row becomes visible late", "office"),
    "P6": Known("an older version comes after a newer one", "shape"),
    "P7": Known("pages that lead to themselves", "shape"),
    "P8": Known("a page names a record twice", "shape"),
    "P9": Known("a record is deleted or voided between runs", "office"),
    "P10": Known("the shape of a record changes", "shape"),
    "P11": Known("a marker in the year 2999, or another company's books", "office"),
    "P12": Known("a search does not show what was just made", "office"),
    # Authentication ----------------------------------------------------------------------
    "A1": Known("the token expires in the middle", "time"),
    "A2": Known("two workers refresh one token", "time"),
    "A3": Known("killed after the token was rotated and before it was stored", "crash"),
    "A4": Known("a refresh answer without a refresh token", "token"),
    "A5": Known("invalid_grant", "token"),
    "A6": Known("a link leads to another tenant", "shape"),
    "A7": Known("the answer of a refresh is lost", "token", 2),
    # Store -------------------------------------------------------------------------------
    "S1": Known("the disk is full before SENDING is durable", "store"),
    "S2": Known("the disk is full after the request", "store"),
    "S3": Known("the store is locked for too long", "store"),
    "S4": Known("the power fails while the store writes", "crash"),
    "S5": Known("fsync fails, and what was written may be there", "store"),
    "S6": Known("the store file is corrupt, or no database", "file"),
    "S7": Known("two runs at once", "crowd"),
    "S8": Known("a worker wakes after its lease has ended", "crowd"),
    "S9": Known(
        "PostgreSQL fails over in a commit",
        "store",
        why_not="there is no store in PostgreSQL yet",
    ),
    "S10": Known(
        "PostgreSQL serialisation failure",
        "store",
        why_not="there is no store in PostgreSQL yet",
    ),
    "S11": Known("the store file cannot be written", "file"),
    "S12": Known(
        "the event log has grown",
        "store",
        why_not="a matter of load, not of a moment",
    ),
    "S13": Known("the store file is of a newer version", "file"),
    "S14": Known("the store file is gone, or another company's", "file"),
}
"""All 74 numbered faults."""

INJECTED = tuple(name for name, known in CATALOGUE.items() if not known.why_not)
"""Those that the simulator can inject."""

LOST: Mapping[str, tuple[float, tuple[str, ...]]] = {
    "ambiguous": (
        0.95,
        (
            "H2",
            "H3",
            "H4",
            "H4",
            "H5",
            "H5",
            "H5",
            "H6",
            "H6",
            "H6",
            "H20",
            "H20",
            "H20",
            "H20",
        ),
    ),
    "broken": (0.5, ("H6", "H6", "H6", "H3", "H2")),
}
"""The profiles in which answers are lost: at what rate, and how."""

_RATES = (0.0, 0.05, 0.15, 0.3, 0.6)
_CRASH_RATES = (0.0, 0.0, 0.002, 0.005, 0.02, 0.05)


class Swarm:
    """
    Which faults one world has, and how often: each seed switches on a subset.

    `at` draws whether a call of some place meets a fault, and which.
    """

    def __init__(self, decisions: Decisions, profile: str = "default") -> None:
        self._decisions = decisions
        self.quiet = False
        self.frozen_rate = 0.0
        self._on: dict[str, list[str]] = {}
        if profile in LOST:
            rate, names = LOST[profile]
            self.crash_rate = 0.0005
            self.rates = {"effect": rate}
            self._on["effect"] = list(names)
            return
        self.crash_rate = decisions.pick(_CRASH_RATES)
        self.rates = {
            "effect": decisions.pick(_RATES),
            "read": decisions.pick(_RATES) / 8,
            "token": decisions.pick(_RATES) / 2,
            "store": decisions.pick(_RATES) / 15,
            "shape": decisions.pick(_RATES) / 5,
            "paging": decisions.pick(_RATES),
            "office": decisions.pick(_RATES),
            "batch": decisions.pick(_RATES),
        }
        on: list[str] = []
        for name in INJECTED:
            known = CATALOGUE[name]
            if known.place in ("crash", "time", "limit", "crowd", "file"):
                continue
            if decisions.draw(2):
                on.append(name)
        self._switch_on(on)

    def force(self, profile: Profile) -> None:
        """What a profile wants otherwise than it was drawn."""
        self.frozen_rate = profile.frozen_rate
        if profile.crash_rate is not None:
            self.crash_rate = profile.crash_rate
        self.rates.update(profile.rates)
        if profile.faults is not None:
            self._on = {}
            self._switch_on(name for name in INJECTED if name in profile.faults)

    def _switch_on(self, names: Iterable[str]) -> None:
        for name in names:
            known = CATALOGUE[name]
            places = ("effect", "read") if known.place == "both" else (known.place,)
            for place in places:
                self._on.setdefault(place, []).extend([name] * known.weight)

    def at(self, place: str) -> str:
        """The fault that this call meets, or nothing."""
        names = self._on.get(place)
        if self.quiet or not names:
            return ""
        decisions = self._decisions
        return decisions.pick(names) if decisions.chance(self.rates[place]) else ""

    def on(self, name: str) -> bool:
        """Whether a fault is switched on in this world."""
        names = self._on.get(CATALOGUE[name].place, ())
        return not self.quiet and name in names

    def crashes(self, weight: float = 1.0) -> bool:
        """Whether the process ends at this call; ``weight``: how telling a moment it is."""
        rate = min(self.crash_rate * weight, 0.5)
        return not self.quiet and self._decisions.chance(rate)
