"""
What every simulated world has: a stage, two systems, a store, processes, and people who
reconnect.

Which records are carried, and what befalls them, is the business of
`tieout.testing.simulator.world` and `tieout.testing.simulator.archive`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from tieout.connector import Connector
from tieout.engine import Engine
from tieout.errors import Code, ConfigError, Fault, StoreError
from tieout.report import Report
from tieout.settings import Settings
from tieout.store import Event, Fact, Gone, Identity, Intent, IssueRow, ResumePoint
from tieout.store import Stage as At
from tieout.testing.simulator import invariants
from tieout.testing.simulator.disk import Disk, FileDisk, MemoryDisk
from tieout.testing.simulator.faults import LOST, Swarm
from tieout.testing.simulator.ports import ClockPort, InlinePool, StorePort
from tieout.testing.simulator.signin import TokenServer
from tieout.testing.simulator.stage import Crash, Stage, Worker
from tieout.testing.simulator.wire import Server, Target, WirePort
from tieout.wire import Request

T = TypeVar("T")

RUNS_MAX = 20
"""At rest, a world is quiet within so many runs (I13)."""

PAUSES = (900.0, 400.0, 20.0, 90.0)
"""Seconds between two runs whose answers are lost: beyond the wait, and within it."""


class Site:
    """One seed's world, whatever it carries."""

    settings: Settings

    def __init__(self, stage: Stage, profile: str) -> None:
        draw = stage.decisions
        self.stage = stage
        self.profile = profile
        self.swarm = Swarm(draw, profile)
        self.latency = draw.pick((0.2, 0.05, 1.5))
        self.late = draw.pick((60.0, 10.0, 240.0))
        self.patience = 1.0 if profile == "ambiguous" else 1e9
        self.lag = draw.pick((20.0, 0.0, 60.0))
        plain = profile in LOST
        self.disk: Disk = FileDisk() if not plain and draw.one_in(12) else MemoryDisk()
        self.disk.clock = ClockPort(stage, Worker("the disk"))
        self.limit = 0 if plain else draw.pick((0, 0, 0, 3))
        self.resume: dict[str, ResumePoint] = {}
        self.tokens: dict[str, str] = {}
        self.told: list[str] = []
        self.runs = 0
        self.amnesia = False
        self.unclear: set[tuple[str, datetime | None]] = set()
        """The writes whose outcome was not known for a while: name, and when it was sent."""
        self.duplicates = 0
        """Where an assumption is broken on purpose: documents that are there twice."""
        self.detected = 0
        """Those of them of which a person was told."""
        self._workers = 0

    # What a world has of its own --------------------------------------------------------

    @property
    def servers(self) -> Sequence[Server]:
        """Both systems."""
        raise NotImplementedError

    @property
    def target(self) -> Target:
        """That of them which is written to."""
        raise NotImplementedError

    def connectors(self) -> tuple[Connector, Connector]:
        """Those of billing and of the ledger."""
        raise NotImplementedError

    def gap(self) -> dict[str, int]:
        """The money that is wrong by now, by currency, in minor units."""
        raise NotImplementedError

    def edit(self) -> None:
        """Somebody works while pages are read."""

    def sent(self, request: Request) -> None:
        """A request with an effect leaves."""

    def committed(self, facts: Sequence[Fact | Gone]) -> None:
        """Facts were written to the store."""
        for fact in facts:
            if isinstance(fact, Intent) and fact.stage is At.UNKNOWN:
                self.unclear.add((fact.name, fact.sent_at))

    # Processes ------------------------------------------------------------------------

    def token_server(self, side: str) -> TokenServer:
        """How a system gives out its tokens."""
        draw = self.stage.decisions
        lifetime = draw.pick((1800.0, 1800.0, 90.0, 8.0))
        rotating = not draw.one_in(4)
        if self.profile in LOST:
            lifetime = 1e7
        return TokenServer(side, lifetime, grace=1800.0, rotating=rotating)

    def worker(self) -> Worker:
        """A new process."""
        self._workers += 1
        return Worker(f"w{self._workers}", due=self.stage.now)

    def engine(self, worker: Worker, profile: str) -> Engine:
        """The engine of a process; raises `StoreError` where its store does not open."""
        store = StorePort(self.stage, worker, self.swarm, self.disk, self.committed)
        billing, ledger = self.connectors()
        engine = Engine(
            billing=billing,
            ledger=ledger,
            store=store,
            transport=WirePort(self, worker),
            settings=self.settings,
            clock=ClockPort(self.stage, worker),
            profile=profile,
        )
        for session in (engine._billing, engine._ledger):  # noqa: SLF001 - from outside
            session._pool = InlinePool()  # type: ignore[assignment]  # noqa: SLF001
        return engine

    def attempted(
        self, worker: Worker, profile: str, act: Callable[[Engine], T]
    ) -> T | None:
        """What a process comes to, or None where it ended otherwise."""
        self.runs += 1
        try:
            return act(self.engine(worker, profile))
        except (StoreError, ConfigError, Fault) as error:
            self.told.append(str(error))
            if isinstance(error, Fault) and error.code is Code.RECONNECT_NEEDED:
                self.reconnect()
            return None
        except Crash:
            if self.stage.crowded:
                raise
            return None

    def within(
        self, worker: Worker, profile: str, act: Callable[[Engine], Report]
    ) -> Report | None:
        """A run of a process, and what a person does about its report."""
        report = self.attempted(worker, profile, act)
        if report is None:
            return None
        self.told.append(str(report))
        if report.resume is not None:
            self.resume[profile] = report.resume
        if report.code is Code.RECONNECT_NEEDED:
            self.reconnect()
        return report

    def reconnect(self) -> None:
        """A person connects both systems again."""
        for server in self.servers:
            self.tokens[server.connection] = server.tokens.connect()

    def artefacts(self) -> Iterator[str]:
        """Everything that is told or kept, but for the grants themselves."""
        yield from self.told
        for kind in (Event, IssueRow, Identity):
            yield from map(repr, self.disk.facts(kind))

    def hushed(self) -> None:
        """I10: nothing secret was told."""
        invariants.check_hushed(self.artefacts())

    def close(self) -> None:
        """Throw everything away."""
        self.disk.close()


def forgets(site: Site, work: Callable[[], Any]) -> None:
    """C17: a backup is put back, maybe while forgotten writes can still land."""
    if not site.swarm.on("C17"):
        return
    disk = site.disk
    assert isinstance(disk, MemoryDisk | FileDisk)
    disk.back_up()
    work()
    if disk.restore():
        site.stage.fault("C17")
        site.amnesia = True
        site.stage.advance(site.stage.decisions.pick((3600.0, 0.0, 300.0)))
