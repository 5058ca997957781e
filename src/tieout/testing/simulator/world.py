"""
A simulated world: two systems, a store, people, workers, and what befalls them.

All that is drawn comes from its `Decisions`. It plays a number of episodes with faults,
then comes to rest without them, and checks the invariants.
"""

from __future__ import annotations

import logging
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from uuid import UUID

from attrs import evolve

from tieout import grants as grants_module
from tieout.engine import Engine
from tieout.errors import Code, ConfigError, Fault, StoreError
from tieout.report import Report
from tieout.settings import Settings
from tieout.store import (
    Event,
    Fact,
    Gone,
    Identity,
    Intent,
    IssueRow,
    Marker,
    ResumePoint,
)
from tieout.store import Stage as At
from tieout.testing.simulator import invariants
from tieout.testing.simulator.book import Book, BookConnector, BookStyle
from tieout.testing.simulator.disk import Disk, FileDisk, MemoryDisk
from tieout.testing.simulator.faults import Swarm
from tieout.testing.simulator.office import Office
from tieout.testing.simulator.ports import (
    ClockPort,
    InlinePool,
    StorePort,
    open_intents,
)
from tieout.testing.simulator.profiles import PROFILES
from tieout.testing.simulator.shop import Shop, ShopConnector, ShopStyle
from tieout.testing.simulator.signin import TokenServer
from tieout.testing.simulator.stage import (
    Crash,
    Stage,
    Violation,
    Worker,
)
from tieout.testing.simulator.wire import WirePort
from tieout.windows import Since

LONG_AGO = date(2025, 1, 1)
RUNS_MAX = 20
"""At rest, a world is quiet within so many runs (I13)."""


class World:
    """One seed's world."""

    def __init__(self, stage: Stage, profile: str = "default") -> None:
        draw = stage.decisions
        self.stage = stage
        self.profile = profile
        self.forced = PROFILES[profile]
        self.swarm = Swarm(draw)
        self.swarm.force(self.forced)
        self.latency = _forced(self.forced.latency, draw.pick((0.2, 0.05, 1.5)))
        self.late = _forced(self.forced.late, draw.pick((60.0, 10.0, 240.0)))
        lag = draw.pick((20.0, 0.0, 60.0))
        self.disk: Disk = FileDisk() if draw.one_in(12) else MemoryDisk()
        limit = draw.pick((0, 0, 0, 3))
        self.book = self._book(lag, limit)
        self.shop = self._shop(lag, limit)
        self.overlap = timedelta(minutes=5)
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
        self.resume: dict[str, ResumePoint] = {}
        self.tokens = {s.connection: s.tokens.connect() for s in (self.book, self.shop)}
        self.told: list[str] = []
        self.runs = 0
        self.amnesia = False
        self.unclear: set[str] = set()
        """Names of the writes whose outcome was not known for a while."""
        self._workers = 0

    def _book(self, lag: float, limit: int) -> Book:
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
        return Book(style, self._token_server("book"))

    def _shop(self, lag: float, limit: int) -> Shop:
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
        return Shop(style, self._token_server("shop"), self.stage.changed)

    def _token_server(self, side: str) -> TokenServer:
        draw = self.stage.decisions
        lifetime = draw.pick((1800.0, 1800.0, 90.0, 8.0))
        rotating = not draw.one_in(4)
        return TokenServer(side, lifetime, grace=1800.0, rotating=rotating)

    # Processes ------------------------------------------------------------------------

    def edit(self) -> None:
        """Somebody pays, or takes back, while pages are read."""
        self.office.pay()

    def worker(self) -> Worker:
        """A new process."""
        self._workers += 1
        return Worker(f"w{self._workers}", due=self.stage.now)

    def engine(self, worker: Worker, profile: str) -> Engine:
        """The engine of a process; raises `StoreError` where its store does not open."""
        store = StorePort(self.stage, worker, self.swarm, self.disk, self._watch)
        engine = Engine(
            billing=_shop_connector(self.shop.style, self.tokens["shop:t1"]),
            ledger=_book_connector(self.book.style, self.tokens["book:t1"]),
            store=store,
            transport=WirePort(self, worker),
            settings=self.settings,
            clock=ClockPort(self.stage, worker),
            profile=profile,
        )
        for session in (engine._billing, engine._ledger):  # noqa: SLF001 - from outside
            session._pool = InlinePool()  # type: ignore[assignment]  # noqa: SLF001
        return engine

    def _watch(self, facts: Sequence[Fact | Gone]) -> None:
        for fact in facts:
            if isinstance(fact, Intent) and fact.stage is At.UNKNOWN:
                self.unclear.add(fact.name)
            if isinstance(fact, Intent) and not self.amnesia:
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

    def within(
        self, worker: Worker, profile: str, act: Callable[[Engine], Report]
    ) -> Report | None:
        """Whatever a process does, and how it may end."""
        self.runs += 1
        try:
            report = act(self.engine(worker, profile))
        except (StoreError, ConfigError, Fault) as error:
            self.told.append(str(error))
            return None
        except Crash:
            if self.stage.crowded:
                raise
            return None
        self.told.append(str(report))
        self._heed(report, profile)
        return report

    def _heed(self, report: Report, profile: str) -> None:
        """What a person does about a report."""
        if report.resume is not None:
            self.resume[profile] = report.resume
        if report.code is Code.RECONNECT_NEEDED:
            self.reconnect()

    def reconnect(self) -> None:
        """A person connects both systems again."""
        for server in (self.book, self.shop):
            self.tokens[server.connection] = server.tokens.connect()

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
        if not (self.book.tokens.live and self.shop.tokens.live):
            self.reconnect()
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
        self._silent_recheck()
        if not self.amnesia:
            invariants.check_explained(self)
        invariants.check_untouched(self)
        invariants.check_hushed(self.artefacts())

    def _silent_recheck(self) -> None:
        before = invariants.state(self)
        self.sync(self.profiles[0], LONG_AGO)
        invariants.check_silent(before, invariants.state(self))

    def _until_quiet(self, profile: str, *, trusting: bool) -> None:
        """I13: runs until one of them had nothing to do."""
        why = ""
        for _ in range(RUNS_MAX):
            first = self.marker(profile) is None
            since = Since.LAST_RUN if trusting and not first else LONG_AGO
            before = invariants.state(self)
            report = self.sync(profile, since)
            calm = trusting or before == invariants.state(self)
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

    def artefacts(self) -> Iterator[str]:
        """Everything that is told or kept, but for the grants themselves."""
        yield from self.told
        for kind in (Event, IssueRow, Identity):
            yield from map(repr, self.disk.facts(kind))

    def close(self) -> None:
        """Throw everything away."""
        self.disk.close()


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
