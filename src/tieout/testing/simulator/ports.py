"""
What one simulated process has of the outside: its clock, its store, its wire.

Every call is a step of the stage, where the baton may go to another, the process may end,
and a fault of the catalogue may be met. Nothing here decides what a fault does on the
wire; that is `tieout.testing.simulator.wire`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, TypeVar

from tieout.errors import StoreError
from tieout.store import (
    OPEN_STAGES,
    SHAPES,
    Expect,
    Fact,
    Gone,
    Intent,
    Lease,
    Marker,
    Store,
    StoredGrant,
)
from tieout.store import (
    Stage as At,
)
from tieout.testing.simulator.disk import Disk, FileDisk, Torn
from tieout.testing.simulator.faults import Swarm
from tieout.testing.simulator.stage import DAWN, Stage, Worker

F = TypeVar("F")


class ClockPort:
    """The clock of one process: the stage's time, and a wall clock that may be wrong."""

    def __init__(self, stage: Stage, worker: Worker) -> None:
        self._stage = stage
        self._worker = worker

    def now(self) -> datetime:
        return self._stage.now + self._stage.skew

    def monotonic(self) -> float:
        return (self._stage.now - DAWN).total_seconds()

    def sleep(self, seconds: float) -> None:
        self._stage.step(self._worker, "sleep", f"{seconds:.3f}", takes=0)
        # No clock stands still: less than its grain is a grain.
        self._stage.sleep(self._worker, max(seconds, 0.001))


class _Ready(Future[Any]):
    """An answer that is there; its hash is a number, so that sets have an order."""

    def __init__(self, serial: int) -> None:
        super().__init__()
        self._serial = serial

    def __hash__(self) -> int:
        return self._serial


class InlinePool:
    """Stands in for worker threads: what is submitted is done at once, in order."""

    def __init__(self) -> None:
        self._serial = 0

    def submit(self, act: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Do it; a crash goes through."""
        self._serial += 1
        ready = _Ready(self._serial)
        ready.set_result(act(*arguments))
        return ready

    def shutdown(self) -> None:
        """There are no threads to end."""


class StorePort:
    """The store as one process has it: once that is dead, it writes nothing more."""

    def __init__(
        self,
        stage: Stage,
        worker: Worker,
        swarm: Swarm,
        disk: Disk,
        watch: Callable[[Sequence[Fact | Gone]], None],
    ) -> None:
        self._stage = stage
        self._worker = worker
        self._swarm = swarm
        self._disk = disk
        self._store: Store = disk.open()
        self._watch = watch
        self._broken = False

    def get(self, kind: type[F], keys: Iterable[str]) -> dict[str, F]:
        self._read("get", kind)
        return self._store.get(kind, keys)

    def find(
        self,
        kind: type[F],
        index: str,
        value: str | Collection[str],
        after: str = "",
        limit: int = 1000,
    ) -> list[F]:
        self._read("find", kind)
        return self._store.find(kind, index, value, after, limit)

    def commit(self, *facts: Fact | Gone, expect: Iterable[Expect] = ()) -> bool:
        self._stage.step(self._worker, "commit", _told(facts))
        self._alive()
        before, after = _points(self._worker, facts, self._disk)
        telling = any(isinstance(each, Intent | Marker) for each in facts)
        ends = self._swarm.crashes(6.0 if telling else 1.0)
        if ends and self._stage.decisions.draw(2) == 0:
            self._stage.crash(self._worker, before)
        fault = self._fault(facts)
        if self._stage.recording:
            self._stage.journaled(_moves(facts, self._disk))
        acknowledged = self._disk.written() if isinstance(self._disk, FileDisk) else 0
        done = self._committed(facts, expect, torn=ends)
        if done:
            self._watch(facts)
        if ends:
            self._end(after, acknowledged)
        if fault == "S5":
            self._broken = True
            raise StoreError("the store failed: disk I/O error")
        if done:
            self._worker.doing = after
        return done

    def close(self) -> None:
        """The disk lives on."""

    def _read(self, verb: str, kind: type[Any]) -> None:
        self._stage.step(self._worker, verb, SHAPES[kind].name)
        self._alive()
        if self._swarm.crashes(0.2):
            self._stage.crash(self._worker, self._worker.doing or "C1")

    def _alive(self) -> None:
        if self._broken:
            raise StoreError("the store failed: this handle is no longer good")

    def _fault(self, facts: Sequence[Fact | Gone]) -> str:
        """The fault of this commit; all but S5 are raised before anything is written."""
        fault = self._swarm.at("store")
        if not fault:
            return ""
        stages = {each.stage for each in facts if isinstance(each, Intent)}
        if fault == "S1" and At.SENDING not in stages:
            fault = "S3"
        if fault == "S2" and not stages - {At.SENDING}:
            fault = "S3"
        if fault == "S3" and not self._swarm.on("S3"):
            return ""
        self._stage.fault(fault)
        if fault == "S5":
            if self._stage.decisions.draw(2):
                return fault
            self._broken = True
        said = {"S3": "database is locked", "S5": "disk I/O error"}
        raise StoreError(f"the store failed: {said.get(fault, 'disk is full')}")

    def _committed(
        self, facts: Sequence[Fact | Gone], expect: Iterable[Expect], *, torn: bool
    ) -> bool:
        store: Any = self._store
        inside = torn and self._disk.durable and self._stage.decisions.draw(2) == 0
        if not inside:
            return self._store.commit(*facts, expect=expect)
        store.breaking = True
        try:
            return self._store.commit(*facts, expect=expect)
        except Torn:
            self._stage.crash(self._worker, "C10")
            raise AssertionError from None
        finally:
            store.breaking = False

    def _end(self, kind: str, acknowledged: int) -> None:
        """The process ends behind the commit; with a file, the power may fail too."""
        stage = self._stage
        if isinstance(self._disk, FileDisk) and not stage.crowded:
            stage.fault("S4")
            self._disk.lose_power(acknowledged, stage.decisions.seconds(1.0))
        stage.crash(self._worker, kind)


def _told(facts: Sequence[Fact | Gone]) -> str:
    """A commit in a few words: what kinds of facts, and where intents go."""
    words = [
        f"{SHAPES[type(f)].name}:{f.stage.value}"
        if isinstance(f, Intent)
        else SHAPES[f.kind].name + " gone"
        if isinstance(f, Gone)
        else SHAPES[type(f)].name
        for f in facts
    ]
    return " ".join(words)


def _moves(facts: Sequence[Fact | Gone], disk: Disk) -> str:
    """The rows of the journal that a commit moves: before and after."""
    held = {each.name: each.stage.value for each in disk.facts(Intent)}
    moved = [each for each in facts if isinstance(each, Intent)]
    return "; ".join(
        f"{m.number} {held.get(m.name, '-')} -> {m.stage.value}" for m in moved
    )


def _points(
    worker: Worker, facts: Sequence[Fact | Gone], disk: Disk
) -> tuple[str, str]:
    """The crash points just before and just after a commit."""
    stages = {each.stage for each in facts if isinstance(each, Intent)}
    kinds = {each.kind if isinstance(each, Gone) else type(each) for each in facts}
    doing = worker.doing or "C1"
    if StoredGrant in kinds:
        return "A3", "C15"
    if At.SENDING in stages:
        names = {each.name for each in facts if isinstance(each, Intent)}
        waiting = any(
            each.stage is At.PLANNED and each.name in names
            for each in disk.facts(Intent)
        )
        return ("C5" if waiting else "C4"), "C6"
    if stages:
        recovering = doing in ("C1", "C13")
        planned = stages <= {At.PLANNED}
        return ("C13" if recovering else "C9"), (
            "C13" if recovering else "C5" if planned else "C11"
        )
    if Marker in kinds:
        return "C11", "C12"
    if Lease in kinds:
        if worker.doing:
            return doing, doing
        unclear = any(each.stage is not At.PLANNED for each in open_intents(disk))
        return "C1", "C13" if unclear else "C1"
    return doing, doing


def open_intents(disk: Disk) -> list[Intent]:
    """The intents on the disk that are not finished."""
    return [each for each in disk.facts(Intent) if each.stage in OPEN_STAGES]
