"""
One seed's year: months of work and of runs in which things fail, then rest, then the verdict.

The engine is driven by its public verbs alone. A process that ends is followed by another
one on the same store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias

from attrs import field, frozen

from tieout.change import Change
from tieout.engine import Engine
from tieout.errors import Fault, StoreError
from tieout.footing import PAYMENTS
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Link,
    Payment,
    RecordType,
    Ref,
    Settlement,
)
from tieout.report import Report
from tieout.settings import Direction
from tieout.store import Intent, Marker
from tieout.store import Stage as At
from tieout.testing.simulator.result import (
    Result,
    Sabotage,
    broken_by,
    figures,
)
from tieout.testing.simulator.stage import (
    DAWN,
    Crash,
    Decisions,
    Stage,
    Violation,
)
from tieout.testing.simulator.world import seeded
from tieout.testing.year.judge import LIVE, SILENT
from tieout.testing.year.world import SHOP, START, World
from tieout.verbs import INWARD, VERBS
from tieout.windows import Since

YEAR = timedelta(days=365)
MONTHS = 12
ACTS = 12
"""In each month people do fewer things than this."""

ROUNDS_MAX = 20
"""At rest, a world is quiet within so many rounds."""

AFTERMATH = (400.0, 1.0)
"""Seconds until somebody runs again after a crash: behind the lease, or within it."""

PAUSES = (900.0, 20.0, 90000.0)
"""Seconds between two rounds of runs."""

Begin: TypeAlias = Since | date

_BEGINS: tuple[Begin, ...] = (
    Since.LAST_RUN,
    Since.LAST_RUN,
    START,
    Since.PAST_MONTH,
)
"""From when runs read."""

_UNSETTLED = (At.SENDING, At.UNKNOWN)

_CALLS: tuple[tuple[RecordType, Callable[..., Report]], ...] = (
    (Customer, Engine.sync_customers),
    (Invoice, Engine.sync_invoices),
    (CreditNote, Engine.sync_credit_notes),
    (Payment, Engine.sync_payments),
)
"""The public verbs, in the order in which kinds depend on each other."""


@frozen
class Year(Result):
    """What came of one seed's year; ``counts`` are what was done, made and compared."""

    counts: Mapping[str, int] = field(factory=dict)
    program: str = "tieout.testing.year"


FAIR = "fair"
"""The profile of a year in which nothing fails: only people and systems disagree."""


def simulate(
    seed: int,
    profile: str = "year",
    until: int | None = None,
    *,
    decisions: Sequence[int] | None = None,
    recording: bool = False,
    sabotage: Sabotage | None = None,
) -> Year:
    """Play one year and check the invariants; the arguments are those of the simulator's."""
    stage = Stage(Decisions(seed, decisions), until=until)
    stage.recording = recording
    with sabotage or nullcontext(), seeded([]):
        world = World(stage, fair=profile == FAIR)
        broken = broken_by(stage, lambda: play(world))
        return Year(
            seed,
            profile,
            runs=world.syncs,
            gap={},
            violations=broken,
            counts=dict(world.counts),
            **figures(stage, world.disk, world.unclear),
        )


# The year -----------------------------------------------------------------------------------


def play(world: World) -> None:
    """Twelve months, then rest."""
    for clerks in world.clerks:
        clerks.open_up()
    draw, stage = world.stage.decisions, world.stage
    for month in range(MONTHS):
        ends = DAWN + YEAR * (month + 1) / MONTHS
        acts = draw.draw(ACTS)
        for left in range(acts, 0, -1):
            world.somebody_works()
            _wait_until(world, stage.now + (ends - stage.now) / (left + 1))
        _some_runs(world)
        _wait_until(world, ends)
    rest(world)


def _wait_until(world: World, moment: datetime) -> None:
    world.stage.advance((moment - world.stage.now).total_seconds())


def _some_runs(world: World) -> None:
    """What is run in a month: all kinds, one of them, or a record at once."""
    draw = world.stage.decisions
    for _ in range(1 + draw.draw(2)):
        since = draw.pick(_BEGINS)
        how = draw.draw(4)
        if how == 3:  # noqa: PLR2004 - one in four
            _at_once(world)
        elif how == 2:  # noqa: PLR2004 - one in four
            verbs = _verbs(world)
            sync(world, [draw.pick(verbs)], since)
        else:
            sync(world, _verbs(world), since)
        world.stage.advance(draw.pick(PAUSES))


def _at_once(world: World) -> None:
    """A record is carried as soon as it changed: it is named."""
    draw = world.stage.decisions
    kind, verb = draw.pick([each for each in _verbs(world) if each[0] is not Payment])
    records = [e for books in world.books.values() for e in books.of(kind).values()]
    if records:
        record = draw.pick(records)
        name = (record.number if draw.draw(2) else "") or record.ref.id
        _act(world, lambda engine: verb(engine, only=[name]))


def _verbs(world: World) -> list[tuple[RecordType, Callable[..., Report]]]:
    """The verbs of the kinds that go some way."""
    rules = world.settings
    on = {kind for kind, _ in _CALLS if rules.direction(kind) is not Direction.OFF}
    if rules.direction(Settlement) is not Direction.OFF:
        on.add(Payment)
    return [each for each in _CALLS if each[0] in on]


def sync(
    world: World,
    verbs: Sequence[tuple[RecordType, Callable[..., Report]]],
    since: Begin,
    **more: Any,
) -> bool:
    """Run some verbs, one after another; whether all of them came to their end."""
    whole = True
    for kind, verb in verbs:
        # The first run reads all there is; only then it is said from when.
        first = since if _has_run(world, kind) else START
        report = _act(world, lambda engine: verb(engine, first, **more))  # noqa: B023
        whole = whole and report is not None and report.complete
    return whole


def _has_run(world: World, kind: RecordType) -> bool:
    """Whether a kind was read whole before, each way that it goes."""
    run = {marker.verb for marker in world.disk.facts(Marker)}
    way = world.settings.direction(kind)
    if kind is Payment and way is Direction.OFF:
        return PAYMENTS in run
    ways = {"": Direction.TO_LEDGER, INWARD: Direction.TO_BILLING}
    needed = [name for name, each in ways.items() if way in (each, Direction.BOTH)]
    return run.issuperset(VERBS[kind] + name for name in needed)


def _act(world: World, act: Callable[[Engine], Report]) -> Report | None:
    """What a process comes to; None where it ended otherwise."""
    world.syncs += 1
    world.judge.disturbed = False
    try:
        return act(world.engine())
    except (StoreError, Fault):
        world.engine_ended()
    except Crash:
        world.engine_ended()
        world.stage.advance(world.stage.decisions.pick(AFTERMATH))
    return None


# At rest --------------------------------------------------------------------------------------


def rest(world: World) -> None:
    """Nothing fails any more: runs until all is quiet, the verdict, and silence."""
    world.luck.quiet = True
    world.stage.advance(3600.0)
    _until_quiet(world, Since.LAST_RUN)
    _nothing_left(world)
    # What people changed in documents of ours is put right or told by comparing all.
    sync(world, _verbs(world), START, recheck=True)
    _until_quiet(world, START)
    for name, number in world.judge.verdict().items():
        world.count(name, number)
    for since in (Since.LAST_RUN, START, Since.LAST_RUN):
        before = world.writes, _writes(world)
        world.stage.advance(600.0)
        if not sync(world, _verbs(world), since):
            raise Violation(SILENT, "a run of a quiet system did not come to its end")
        if (world.writes, _writes(world)) != before:
            raise Violation(SILENT, f"something was written: {since}")


def _nothing_left(world: World) -> None:
    """
    What changed is enough: reading all there is brings nothing but what was refused.

    Raises `Violation` where something is carried that nothing had said was open.
    """
    judge = world.judge
    judge.surprised = []
    listed, refused = judge.listed(), judge.listed(passing=False)
    sync(world, _verbs(world), START)
    # Where what was refused goes through now, what had waited for it follows.
    done = any(not refused.isdisjoint(_ends(e)) for e in judge.surprised)
    known = listed if done else refused
    for change in judge.surprised:
        # What is told of its customer is why a document waits.
        about, parts = _about(world, change), _parts(world, change)
        told = not known.isdisjoint(about) or not listed.isdisjoint(parts)
        if not told and not _passed_over(world, change, about):
            text = f"{change.source} {change.role} {change.action.name}"
            raise Violation(LIVE, f"{text} was left by runs of what changed")
    _until_quiet(world, START)


def _ends(change: Change) -> set[Ref]:
    """The records that a change names."""
    ends = (change.source, change.target, change.within)
    return {each for each in ends if each is not None}


def _about(world: World, change: Change) -> set[Ref]:
    """
    The records that a change has to do with: those it names, what an application is put
    to, and whose they are, on either side.
    """
    about = _ends(change)
    put = world.judge.record(change.source)
    if isinstance(put, Application):
        about |= {put.source, put.target}
    records = (world.judge.record(each) for each in about)
    owners: set[Ref | None] = {getattr(each, "customer", None) for each in records}
    ties = ((link.billing, link.ledger) for link in world.disk.facts(Link))
    tied = {ref for tie in ties if not owners.isdisjoint(tie) for ref in tie}
    return about | tied | {each for each in owners if each is not None}


def _parts(world: World, change: Change) -> set[Ref]:
    """What is applied by the source of a change: told of a part, the whole is compared."""
    whole = world.judge.record(change.source)
    if not isinstance(whole, CreditNote | Payment):
        return set()
    shown = world.books[change.source.connection].shown(whole)
    return {put.ref for put in shown.applications}


def _passed_over(world: World, change: Change, about: set[Ref]) -> bool:
    """Whether a record was rightly passed over until all there is was read again."""
    if change.kind is Customer and change.link_version == 0:
        return True  # the fields of two that were tied are compared when one changes
    # Nothing is brought in for a customer who is not active; who is so again is no news.
    # Who was retired on the other side was so here, too, for a while.
    inward = change.connection == SHOP and world.settings.active_only
    retired = {ref for clerks in world.clerks for ref in clerks.retired}
    return inward and not about.isdisjoint(retired)


def _writes(world: World) -> list[int]:
    return [books.writes for books in world.books.values()]


def _ties(world: World) -> set[tuple[Ref, Ref, str]]:
    """What is tied to what."""
    return {(e.billing, e.ledger, e.role) for e in world.disk.facts(Link)}


def _until_quiet(world: World, since: Begin) -> None:
    why = ""
    for _ in range(ROUNDS_MAX):
        before, ties = world.writes, _ties(world)
        whole = sync(world, _verbs(world), since)
        left = [e for e in world.disk.facts(Intent) if e.stage in _UNSETTLED]
        # Those who were tied just now are compared in the next run.
        if whole and not left and world.writes == before and _ties(world) == ties:
            return
        told = ", ".join(f"{e.source.id} {e.stage.value} {e.text}" for e in left)
        why = f"{world.writes - before} writes, complete: {whole}, open: {told}"
        world.stage.advance(600.0)
    raise Violation(LIVE, f"not quiet after {ROUNDS_MAX} rounds: {why}")
