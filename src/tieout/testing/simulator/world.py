"""
A simulated world of payment levels: a ledger whose levels go to billing.

All that is drawn comes from its `Decisions`. It comes to rest without faults, and checks
the invariants.
"""

from __future__ import annotations

import logging
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from uuid import UUID

from attrs import evolve

from tieout import grants as grants_module
from tieout.connector import Connector
from tieout.report import Report
from tieout.settings import Settings
from tieout.store import Fact, Gone, Intent, Marker
from tieout.store import Stage as At
from tieout.testing.simulator import invariants, judge
from tieout.testing.simulator.book import Book, BookConnector, BookStyle
from tieout.testing.simulator.faults import LOST
from tieout.testing.simulator.office import Office
from tieout.testing.simulator.ports import open_intents
from tieout.testing.simulator.profiles import PROFILES
from tieout.testing.simulator.shop import Shop, ShopConnector, ShopStyle
from tieout.testing.simulator.site import RUNS_MAX, Site
from tieout.testing.simulator.stage import Stage, Violation
from tieout.testing.simulator.wire import Server, Target
from tieout.windows import Since
from tieout.wire import Request

LONG_AGO = date(2025, 1, 1)
BROKEN_LATE = 3600.0
"""Seconds that a write may be late where less than half of it is declared."""


class World(Site):
    """One seed's world of payment levels: the ledger's go to billing."""

    def __init__(self, stage: Stage, profile: str = "default") -> None:
        super().__init__(stage, profile)
        draw = stage.decisions
        self.forced = PROFILES[profile]
        if profile not in LOST:
            self.swarm.force(self.forced)
        self.latency = _forced(self.forced.latency, self.latency)
        self.late = _forced(self.forced.late, self.late)
        self.book = self._book(self.lag, self.limit)
        self.shop = self._shop(self.lag, self.limit)
        self.overlap = timedelta(seconds=self.book.style.overlap)
        cash = not self.shop.style.owned and draw.one_in(6)
        self.settings = Settings(paid_amount="cash" if cash else "settled")
        self.rules = {
            "cash_only": cash,
            "partial": self.shop.style.partial,
            "owned": self.shop.style.owned,
        }
        self.office = Office(
            stage,
            self.swarm,
            self.book,
            self.shop,
            credits_told=self.shop.style.credits_told,
        )
        self.profiles = draw.pick((("ann",), ("ann",), ("ann", "bob")))
        self.writes = 0
        """Requests with an effect that left; one that lands late is not another."""
        self.reconnect()
        if profile == "broken":
            self.late, self.shop.broken = BROKEN_LATE, True

    @property
    def servers(self) -> Sequence[Server]:
        return (self.book, self.shop)

    @property
    def target(self) -> Target:
        return self.shop

    def connectors(self) -> tuple[Connector, Connector]:
        return (
            _shop_connector(self.shop.style, self.tokens["shop:t1"]),
            _book_connector(self.book.style, self.tokens["book:t1"]),
        )

    def gap(self) -> dict[str, int]:
        return judge.gap(invariants.wrong(self, invariants.held(self.disk)))

    def _book(self, lag: float, limit: int) -> Book:
        if self.profile in LOST:
            style = BookStyle(
                page_size=50, late_commit=self.late, search_lag=lag, fetch_size=50
            )
            return Book(style, self.token_server("book"))
        draw = self.stage.decisions
        by_id = draw.one_in(2)
        feed_lag = draw.pick((0.0, 0.0, 120.0, 290.0))
        tells = ("cash", "credit", "discount", "write-off")
        style = BookStyle(
            page_size=draw.pick((3, 1, 2, 5)),
            by_id=by_id,
            stable=draw.draw(2) == 0,
            stamping=not draw.one_in(4),
            whole_seconds=draw.one_in(2),
            lag=feed_lag,
            number_unique=draw.draw(2) == 0,
            tells=draw.pick((tells, ("cash", "credit"))),
            late_commit=self.late,
            search_lag=lag,
            limit=limit,
            sweep=draw.one_in(8),
        )
        style = evolve(style, **self.forced.book)
        if style.whole_seconds and not style.lag:
            # Nothing comes late: reading begins in the very second of the marker.
            style = evolve(style, overlap=0.0)
        return Book(style, self.token_server("book"))

    def _shop(self, lag: float, limit: int) -> Shop:
        if self.profile in LOST:
            style = ShopStyle(
                owned=True,
                versioned=False,
                late_commit=self.late,
                search_lag=lag,
                fetch_size=50,
            )
            return Shop(style, self.token_server("shop"), self.stage.changed)
        draw = self.stage.decisions
        owned = draw.one_in(2)
        style = ShopStyle(
            owned=owned,
            versioned=not draw.one_in(3),
            batch=0 if owned else draw.pick((0, 0, 2, 3)),
            partial=owned or not draw.one_in(5),
            credits_told=draw.one_in(4) and not owned,
            late_commit=self.late,
            search_lag=lag,
            limit=limit,
            concurrency=1 if limit else draw.pick((1, 1, 3)),
        )
        style = evolve(style, **self.forced.shop)
        return Shop(style, self.token_server("shop"), self.stage.changed)

    def edit(self) -> None:
        self.office.pay()

    def sent(self, request: Request) -> None:
        self.writes += 1

    def committed(self, facts: Sequence[Fact | Gone]) -> None:
        super().committed(facts)
        for fact in facts:
            if (
                isinstance(fact, Intent)
                and not self.amnesia
                and self.profile != "broken"
            ):
                invariants.check_recorded(self, fact)
            if isinstance(fact, Marker) and self.forced.checks_markers:
                invariants.check_marker(self, fact)

    def marker(self, profile: str) -> Marker | None:
        """Where a profile's last run began."""
        markers = self.disk.facts(Marker)
        return next((each for each in markers if each.profile == profile), None)

    # Runs -----------------------------------------------------------------------------

    def sync(self, profile: str, since: Any, **more: Any) -> Report | None:
        """One run in a process of its own; None where it did not come to a report."""
        return self.within(
            self.worker(),
            profile,
            lambda engine: engine.sync_payments(since, **more),
        )

    def since(self, profile: str) -> Any:
        """From when somebody lets a run read; the first run begins long ago."""
        if self.marker(profile) is None:
            return LONG_AGO
        now = self.stage.now + self.stage.skew
        starts = (
            Since.LAST_RUN,
            Since.LAST_RUN,
            LONG_AGO,
            now,
            now - timedelta(hours=1),
            Since.PAST_WEEK,
        )
        return self.stage.decisions.pick(starts)

    def someone(self) -> str:
        """Whose run it is."""
        return self.stage.decisions.pick(self.profiles)

    # At rest --------------------------------------------------------------------------

    def rest(self) -> None:
        """Faults off: runs until all is quiet, then the invariants of the end."""
        self.swarm.quiet = True
        self.stage.advance(3600.0)
        for profile in self.profiles:
            self._until_quiet(profile, trusting=True)
        if not self.amnesia:
            invariants.check_carried(self)
        self._until_quiet(self.profiles[0], trusting=False)
        invariants.check_all_carried(self, amnesia=self.amnesia)
        for profile in self.profiles:
            before = invariants.state(self)
            self.sync(profile, Since.LAST_RUN)
            invariants.check_silent(before, invariants.state(self))
        if not self.amnesia:
            invariants.check_explained(self)
        invariants.check_untouched(self)
        self.hushed()

    def rest_warned(self) -> None:
        """Faults off, and all that was late has landed: each duplicate is told (R1)."""
        self.swarm.quiet = True
        self.stage.advance(2 * BROKEN_LATE)
        for _ in range(3):
            self.sync(self.profiles[0], LONG_AGO)
            self.stage.advance(600.0)
        held = invariants.held(self.disk)
        numbers = {p.number for p in self.book.papers.values() if p.id in held}
        doubled = {bill.number for bill in self.shop.doubled()}
        wrong = {paper for paper, *_ in invariants.wrong(self, ())}
        for paper in self.book.papers.values():
            # Two payments that together show what they must are worth no word.
            if paper.number in doubled and paper.id in wrong:
                self.duplicates += 1
                self.detected += paper.number in numbers
        if self.detected < self.duplicates:
            raise Violation("R1", "a second payment was not told")
        self.hushed()

    def _until_quiet(self, profile: str, *, trusting: bool) -> None:
        """I13: runs until one of them had nothing to do."""
        why = ""
        for _ in range(RUNS_MAX):
            first = self.marker(profile) is None
            since = Since.LAST_RUN if trusting and not first else LONG_AGO
            before = invariants.settled(self)
            report = self.sync(profile, since)
            calm = trusting or before == invariants.settled(self)
            if report is not None and report.complete:
                left = open_intents(self.disk)
                waiting = [each for each in left if not self._can_wait(each)]
                parked = len([each for each in left if each.stage is At.PARKED])
                writes = report.traffic["billing"].writes
                if calm and not waiting and not writes and (trusting or not parked):
                    return
                told = ", ".join(f"{e.number} {e.stage.value}" for e in waiting)
                why = f"{writes} writes, open: {told}, {parked} parked"
            else:
                why = str(report) if report else self.told[-1]
            self.stage.advance(600.0)
        raise Violation("I13", f"not quiet after {RUNS_MAX} runs: {why}")

    def _can_wait(self, intent: Intent) -> bool:
        """Whether nothing of it is under way: its record is held, void or gone."""
        if intent.stage is At.PARKED:
            return True
        paper = self.book.papers.get(intent.source.id)
        dead = paper is None or paper.status == "void"
        held = intent.source.id in invariants.held(self.disk)
        return intent.stage is At.PLANNED and (dead or held)


def _forced(wanted: float | None, drawn: float) -> float:
    return drawn if wanted is None else wanted


@lru_cache(maxsize=4096)
def _book_connector(style: BookStyle, token: str) -> BookConnector:
    return BookConnector(style, token)


@lru_cache(maxsize=4096)
def _shop_connector(style: ShopStyle, token: str) -> ShopConnector:
    return ShopConnector(style, token)


@contextmanager
def seeded(told: list[str]) -> Iterator[None]:
    """What the library asks of chance, made the same each time; its log is listened to."""
    serial = iter(range(1, 10**9))

    def uuid4() -> UUID:
        told = blake2b(str(next(serial)).encode(), digest_size=16)
        return UUID(bytes=told.digest())

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    log, listener = logging.getLogger("tieout"), Listener()
    level, spread = log.level, log.propagate
    log.addHandler(listener)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        for module in _CHANCY:
            module.uuid4 = uuid4
        grants_module._fingerprint = _arguments  # noqa: SLF001 - patched from outside
        yield
    finally:
        for module in _CHANCY:
            module.uuid4 = _UUID4
        grants_module._fingerprint = _REAL  # noqa: SLF001
        log.removeHandler(listener)
        log.setLevel(level)
        log.propagate = spread


_UUID4 = uuid.uuid4
_CHANCY: tuple[Any, ...] = tuple(
    module
    for name, module in sorted(sys.modules.items())
    if name.startswith("tieout.") and hasattr(module, "uuid4")
)
"""The modules that ask chance for a name."""
_REAL = grants_module._fingerprint  # noqa: SLF001 - slow on purpose; remembered here
_KNOWN: dict[str, str] = {}


def _arguments(first: Any) -> str:
    told = repr((first.base_url, first.hosts, sorted(first.values.items())))
    if told not in _KNOWN:
        _KNOWN[told] = _REAL(first)
    return _KNOWN[told]
