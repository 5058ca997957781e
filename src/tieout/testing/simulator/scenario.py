"""
What befalls a world, episode by episode, before it comes to rest.

Each episode is one thing that people or machines do: work, run, stop, plan and apply
later, run side by side, restore a backup, set a clock, break a file.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import evolve

from tieout.adapters import PlanFile
from tieout.engine import Engine
from tieout.errors import StoreError
from tieout.report import Report
from tieout.store import Identity, Marker
from tieout.stores.sqlite import SQLiteStore
from tieout.testing.simulator.disk import FileDisk
from tieout.testing.simulator.faults import LOST
from tieout.testing.simulator.site import PAUSES, forgets
from tieout.testing.simulator.stage import Violation, Worker
from tieout.testing.simulator.world import LONG_AGO, World
from tieout.windows import Since

AFTERMATH = (1.0, 400.0, 30.0)
"""Seconds until somebody runs again after a crash: within the lease, or behind it."""


def play(world: World) -> None:
    """Episodes with faults, then rest."""
    if world.profile in LOST:
        _play_lost(world)
        return
    draw = world.stage.decisions
    forced = world.forced
    invoices = draw.draw(6)
    world.office.open_up(invoices if forced.invoices is None else forced.invoices)
    episodes = 3 + draw.draw(7)
    choices = [
        each
        for each in _EPISODES
        if not forced.episodes or each.__name__ in forced.episodes
    ]
    for _ in range(episodes):
        world.stage.advance(forced.pause)
        draw.pick(choices)(world)
    world.rest()


def _play_lost(world: World) -> None:
    """Many payments, whose answers are nearly all lost, over several runs."""
    draw, broken = world.stage.decisions, world.profile == "broken"
    world.office.open_up(0)
    for _ in range(6 if broken else 25):
        world.office.plain()
    for _ in range(5):
        world.sync(world.profiles[0], LONG_AGO)
        for paper in list(world.book.papers.values()):
            if draw.draw(2):
                world.office.grow(paper)
        world.stage.advance(draw.pick(PAUSES))
    if broken:
        world.rest_warned()
    else:
        world.rest()


# Episodes -------------------------------------------------------------------------------


def run(world: World) -> None:
    """A run, and what a crash leaves time for."""
    profile = world.someone()
    report = world.sync(profile, world.since(profile))
    if report is None:
        world.stage.advance(world.stage.decisions.pick(AFTERMATH))


def work(world: World) -> None:
    """People work, then somebody runs."""
    for _ in range(1 + world.stage.decisions.draw(3)):
        world.office.work()
    run(world)


def stopped(world: World) -> None:
    """A run that the caller stops, and who watches it meanwhile."""
    worker, profile = world.worker(), world.someone()
    left = iter(range(world.stage.decisions.draw(4)))

    def stop() -> bool:
        world.stage.step(worker, "stop", "asked")
        if world.swarm.crashes():
            world.stage.crash(worker, worker.doing or "C1")
        return next(left, None) is None

    def watch(progress: Any) -> None:
        world.told.append(repr(progress))
        world.stage.step(worker, "progress", progress.what)

    since = world.since(profile)
    world.within(
        worker,
        profile,
        lambda engine: engine.sync_payments(since, stop=stop, on_progress=watch),
    )


def resumed(world: World) -> None:
    """An interrupted run goes on."""
    profile = world.someone()
    point = world.resume.pop(profile, None)
    if point is not None:
        world.sync(profile, point)


def planned(world: World) -> None:
    """A plan is made, time passes, and it is applied, maybe through a file."""
    profile, worker = world.someone(), world.worker()
    if world.stage.decisions.draw(2):
        _through_a_file(world, worker, profile)
        return
    since = world.since(profile)

    def act(engine: Engine) -> Report:
        plan = engine.plan_payments(since)
        world.told.append(str(plan))
        if world.stage.decisions.draw(2):
            world.office.work()
        return engine.apply(plan)

    world.within(worker, profile, act)


def _through_a_file(world: World, worker: Worker, profile: str) -> None:
    """C16: a process that ends while it writes a plan leaves the old file as it was."""
    folder = Path(tempfile.mkdtemp(prefix="tieout-plan-"))
    path = folder / "plan"
    path.write_text("the old plan\n")
    worker.only = "C16"
    adapter = PlanFile(path)
    since = world.since(profile)
    try:
        report = world.within(
            worker,
            profile,
            lambda engine: engine.sync_payments(since, adapter=adapter),
        )
        if worker.dead or report is None:
            if path.read_text() != "the old plan\n":
                raise Violation("C16", "a plan that was cut off replaced the old one")
            return
        world.told.append(path.read_text())
        again = world.worker()
        world.within(again, profile, lambda engine: engine.apply(PlanFile(path).read()))
    finally:
        if adapter._file is not None:  # noqa: SLF001 - a process that ends lets go of it
            adapter._file.close()  # noqa: SLF001
        for each in folder.iterdir():
            each.unlink()
        folder.rmdir()


def crowd(world: World) -> None:
    """S7: two or three runs at once."""
    stage = world.stage
    parts: list[tuple[Worker, Callable[[], Any]]] = []
    for _ in range(2 + stage.decisions.draw(2)):
        worker, profile = world.worker(), world.someone()
        since = world.since(profile)
        # Some come when the lease of one that was stopped has ended.
        begins = stage.decisions.pick((0.0, 400.0, 30.0)) if parts else 0.0
        worker.due = stage.now + timedelta(seconds=begins)

        def act(
            worker: Worker = worker, profile: str = profile, since: Any = since
        ) -> None:
            world.within(worker, profile, lambda engine: engine.sync_payments(since))

        parts.append((worker, act))
    stage.fault("S7")
    stage.play(parts)


def amnesia(world: World) -> None:
    """C17: a backup is put back."""
    forgets(world, lambda: work(world))


def wrong_clock(world: World) -> None:
    """H23: the wall clock is set back by up to an hour."""
    if not world.swarm.on("H23") or world.stage.skew:
        return
    world.stage.fault("H23")
    world.stage.skew = -timedelta(seconds=world.stage.decisions.seconds(3600.0))


def strange_marker(world: World) -> None:
    """P11: a marker in 2999, or the books of another company: refused by name."""
    profile = world.someone()
    marker = world.marker(profile)
    if not world.swarm.on("P11") or marker is None:
        return
    store = world.disk.open()
    if world.stage.decisions.draw(2):
        _strange_books(world)
        return
    world.stage.fault("P11")
    future = datetime(2999, 1, 1, tzinfo=UTC)
    store.commit(evolve(marker, at=future))
    writes = world.writes
    if world.sync(profile, Since.LAST_RUN) is not None:
        raise Violation("P11", "a marker in 2999 was believed")
    if world.writes != writes:
        raise Violation("P11", "something was written on a marker in 2999")
    world.disk.open().commit(marker)


def _strange_books(world: World) -> None:
    """The store remembers another company than the one that answers."""
    store, connection = world.disk.open(), world.book.connection
    held = store.get(Identity, [connection]).get(connection)
    if held is None:
        return
    world.stage.fault("P11")
    long_ago = held.seen_at - timedelta(days=9)
    store.commit(evolve(held, identity="another", seen_at=long_ago))
    writes = world.writes
    report = world.sync(world.someone(), LONG_AGO)
    if (report is not None and report.complete) or world.writes != writes:
        raise Violation("P11", "the books of another company were taken for its own")
    # Opened again: the power may have failed in that run.
    world.disk.open().commit(held)


def broken_file(world: World) -> None:
    """C14, S6, S11, S13, S14: what can be wrong with the store's file."""
    disk = world.disk
    if not isinstance(disk, FileDisk):
        run(world)
        return
    disk.shut()
    name = world.stage.decisions.pick(("C14", "S6", "S11", "S13", "S14"))
    world.stage.fault(name)
    _FILES[name](world, disk)


def _torn_migration(world: World, disk: FileDisk) -> None:
    """C14: the store opens after a process died in its schema's first transaction."""
    fresh = FileDisk()
    try:
        fresh.tear_migration(world.stage.decisions.draw(4))
        fresh.open()
        if fresh.image():
            raise Violation("C14", "a new store is not empty")
    finally:
        fresh.close()


def _corrupt(world: World, disk: FileDisk) -> None:
    """S6: bits flip, or it is no database: a named error, or none."""
    if not disk.path.exists():
        return
    content = bytearray(disk.path.read_bytes())
    damaged = bytearray(content)
    if not content or world.stage.decisions.draw(3) == 0:
        damaged = bytearray(b"this is no database, but a letter to a friend" * 30)
    else:
        for _ in range(20):
            damaged[world.stage.decisions.draw(len(damaged))] ^= 0x55
    _opened(world, disk, bytes(damaged))
    disk.path.write_bytes(bytes(content))


def _newer(world: World, disk: FileDisk) -> None:
    """S13: a file of a newer version is refused and left as it is."""
    if not disk.path.exists():
        return
    content = disk.path.read_bytes()
    connection = sqlite3.connect(disk.path)
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()
    newer = disk.path.read_bytes()
    if _opened(world, disk, newer):
        raise Violation("S13", "a store of a newer version was opened")
    if disk.path.read_bytes() != newer:
        raise Violation("S13", "a store of a newer version was touched")
    _remove_logs(disk)
    disk.path.write_bytes(content)


def _not_to_be_written(world: World, disk: FileDisk) -> None:
    """S11: no file can be made there: an error that names the place."""
    for place in (disk.folder, disk.folder / "none" / "store.db"):
        try:
            SQLiteStore(place).close()
        except StoreError as error:
            if str(place) not in str(error):
                raise Violation("S11", f"the error does not name {place}") from error
        else:
            raise Violation("S11", f"{place} was opened as a store")


def _swapped(world: World, disk: FileDisk) -> None:
    """S14: the file is another database, or gone: refused, or a fresh beginning."""
    if not disk.path.exists():
        return
    content = disk.path.read_bytes()
    disk.path.unlink()
    _remove_logs(disk)
    connection = sqlite3.connect(disk.path)
    connection.execute("CREATE TABLE somebody (elses TEXT)")
    connection.commit()
    connection.close()
    if _opened(world, disk, disk.path.read_bytes()):
        raise Violation("S14", "another program's database was opened")
    disk.path.write_bytes(content)


def _opened(world: World, disk: FileDisk, content: bytes) -> bool:
    """Whether a run comes through with such a file; raises for any unnamed error."""
    _remove_logs(disk)
    disk.path.write_bytes(content)
    try:
        store = SQLiteStore(disk.path)
    except StoreError:
        return False
    try:
        store.get(Marker, ["x"])
    except StoreError:
        return False
    finally:
        store.close()
        _remove_logs(disk)
    return True


def _remove_logs(disk: FileDisk) -> None:
    for suffix in ("-wal", "-shm"):
        log = Path(f"{disk.path}{suffix}")
        if log.exists():
            log.unlink()


_FILES: dict[str, Callable[[World, FileDisk], None]] = {
    "C14": _torn_migration,
    "S6": _corrupt,
    "S11": _not_to_be_written,
    "S13": _newer,
    "S14": _swapped,
}

_EPISODES: tuple[Callable[[World], None], ...] = (
    run,
    run,
    work,
    work,
    work,
    work,
    stopped,
    resumed,
    planned,
    crowd,
    amnesia,
    wrong_clock,
    strange_marker,
    broken_file,
)
