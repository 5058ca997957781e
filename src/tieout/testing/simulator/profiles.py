"""
The profiles of worlds: what is forced upon what a seed draws, so that some things meet.

A default world is left as it was drawn. A directed one has what one kind of bug needs:
two workers, one-row pages, changes within one second. Nothing here plays a world.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen


@frozen
class Profile:
    """
    What is forced upon a world; what is None or empty stays as it was drawn.

    ``faults`` are those that are switched on, and ``rates`` how often they are met, by
    place. ``book`` and ``shop`` are fields of the systems' styles. ``late`` and
    ``latency`` are in seconds, and ``pause`` is how many of them pass before each episode.
    ``frozen_rate`` is how often one of several workers is stopped, ``invoices`` how many
    there are at first. ``episodes`` are the names of those that may happen, and
    ``checks_markers`` whether I4 is checked whenever a marker moves.
    """

    text: str
    faults: frozenset[str] | None = None
    rates: Mapping[str, float] = field(factory=dict)
    crash_rate: float | None = None
    book: Mapping[str, Any] = field(factory=dict)
    shop: Mapping[str, Any] = field(factory=dict)
    late: float | None = None
    latency: float | None = None
    frozen_rate: float = 0.03
    invoices: int | None = None
    pause: float = 0.0
    episodes: frozenset[str] = frozenset()
    checks_markers: bool = True


QUIET = {
    "effect": 0.0,
    "read": 0.0,
    "token": 0.0,
    "store": 0.0,
    "shape": 0.0,
    "paging": 0.0,
    "office": 0.0,
    "batch": 0.0,
}
"""No fault anywhere."""

_UNCLEAR = frozenset({"H2", "H3", "H5", "H6", "H20"})
_RUNS = frozenset({"run", "work"})
_OWNED = {
    "owned": True,
    "versioned": False,
    "batch": 0,
    "partial": True,
    "credits_told": False,
    "limit": 0,
}
_UNLIMITED = {"limit": 0}

PROFILES: Mapping[str, Profile] = {
    "default": Profile("whatever the seed draws"),
    "broken": Profile(
        "requests land later than the connector declares; only detection is checked",
        checks_markers=False,
    ),
    "ambiguous": Profile("nearly every write ends unknown, and little else goes wrong"),
    "unclear": Profile(
        "payments of our own, without versions; most answers are lost, some land late",
        faults=_UNCLEAR,
        rates={**QUIET, "effect": 0.6},
        crash_rate=0.0,
        book=_UNLIMITED,
        shop=_OWNED,
        late=240.0,
        episodes=_RUNS,
    ),
    "crashing": Profile(
        "payments of our own, without versions; processes end at any moment",
        faults=_UNCLEAR,
        rates={**QUIET, "effect": 0.15},
        crash_rate=0.03,
        book=_UNLIMITED,
        shop=_OWNED,
        episodes=_RUNS,
    ),
    "crowded": Profile(
        "several workers at once, some of which are stopped for a while",
        faults=_UNCLEAR,
        rates={**QUIET, "effect": 0.05},
        crash_rate=0.0,
        book=_UNLIMITED,
        shop=_OWNED,
        latency=1.5,
        frozen_rate=0.15,
        invoices=4,
        episodes=frozenset({"crowd", "work"}),
    ),
    "same second": Profile(
        "quick runs over a ledger whose times have no fractions",
        faults=frozenset({"P2", "P3"}),
        rates={**QUIET, "office": 0.3},
        crash_rate=0.0,
        book={
            **_UNLIMITED,
            "whole_seconds": True,
            "stamping": True,
            "sweep": False,
            "lag": 0.0,
        },
        shop=_UNLIMITED,
        latency=0.05,
        episodes=_RUNS,
    ),
    "lagging": Profile(
        "the ledger's feed shows changes minutes late",
        faults=frozenset(),
        rates=QUIET,
        crash_rate=0.0,
        book={**_UNLIMITED, "lag": 290.0, "stamping": True, "sweep": False},
        shop=_UNLIMITED,
        latency=1.5,
        invoices=4,
        pause=60.0,
        episodes=_RUNS,
    ),
    "paging": Profile(
        "one-row pages, and people who work while they are read",
        faults=frozenset({"P1"}),
        rates={**QUIET, "paging": 0.6},
        crash_rate=0.0,
        book={
            **_UNLIMITED,
            "page_size": 1,
            "stamping": True,
            "sweep": False,
            "lag": 0.0,
            "by_id": True,
        },
        shop=_UNLIMITED,
        latency=1.5,
        invoices=5,
        pause=900.0,
        episodes=_RUNS,
    ),
    "batches": Profile(
        "batches whose answers are mixed, about bills that are deleted meanwhile",
        faults=frozenset({"H14", "H16"}),
        rates={**QUIET, "effect": 0.3, "batch": 0.9},
        crash_rate=0.0,
        book={**_UNLIMITED, "page_size": 5, "sweep": False},
        shop={"owned": False, "batch": 3, "limit": 0, "partial": True},
        invoices=6,
        episodes=_RUNS,
    ),
    "overtaken": Profile(
        "bills with versions, which somebody else changes just before",
        faults=frozenset({"H11"}),
        rates={**QUIET, "effect": 0.3},
        crash_rate=0.0,
        book=_UNLIMITED,
        shop={"versioned": True, "limit": 0},
        episodes=_RUNS,
    ),
    "doubled": Profile(
        "levels without versions, whose writes are delivered twice",
        faults=frozenset({"H18", "H22"}),
        rates={**QUIET, "effect": 0.6},
        crash_rate=0.0,
        book=_UNLIMITED,
        shop={"owned": False, "versioned": False, "limit": 0, "partial": True},
        episodes=_RUNS,
    ),
    "misshapen": Profile(
        "pages with rows that cannot be read, that are old, or that lead elsewhere",
        faults=frozenset({"P6", "P8", "P10", "A6"}),
        rates={**QUIET, "shape": 0.3, "office": 0.3},
        crash_rate=0.0,
        book={**_UNLIMITED, "page_size": 5},
        shop=_UNLIMITED,
        episodes=_RUNS,
    ),
    "older": Profile(
        "pages with older states of a record behind the younger one",
        faults=frozenset({"P6"}),
        rates={**QUIET, "shape": 0.6},
        crash_rate=0.0,
        book={**_UNLIMITED, "page_size": 5},
        shop=_UNLIMITED,
        invoices=5,
        pause=900.0,
        episodes=_RUNS,
    ),
    "limited": Profile(
        "three calls in ten seconds, and no faults",
        faults=frozenset(),
        rates=QUIET,
        crash_rate=0.0,
        book={"limit": 3},
        shop={"limit": 3, "concurrency": 1},
        episodes=_RUNS,
    ),
}
"""All profiles, by name."""


def profile_of(seed: int) -> str:
    """
    The profile in which a seed is played unless one is named.

    Every other world is left as it was drawn; the rest take the directed ones in turn, so
    that a bug that needs things to meet is met in any long range of seeds.
    """
    directed = [
        name for name in PROFILES if name not in ("default", "broken", "ambiguous")
    ]
    return directed[seed // 2 % len(directed)] if seed % 2 else "default"
