"""
A simulated world of documents: what billing has is wanted in the ledger.

All that is drawn comes from its `Decisions`. It plays episodes with faults, comes to rest
without them, and checks the invariants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from attrs import evolve

from tieout.connector import Connector, Fields
from tieout.engine import Engine
from tieout.models import Invoice, Link, Settlement
from tieout.report import Report
from tieout.settings import Direction, Settings
from tieout.store import Event, Fact, Gone, Intent
from tieout.store import Stage as At
from tieout.testing.simulator import invariants, judge, mirror
from tieout.testing.simulator.cabinet import (
    KEYS,
    Cabinet,
    CabinetConnector,
    CabinetStyle,
    load_sheet,
)
from tieout.testing.simulator.clerks import Clerks
from tieout.testing.simulator.faults import LOST
from tieout.testing.simulator.ports import open_intents
from tieout.testing.simulator.site import PAUSES, RUNS_MAX, Site, forgets
from tieout.testing.simulator.stage import Stage, Violation, Worker
from tieout.testing.simulator.wire import Server, Target, names_of
from tieout.wire import Request

BROKEN = ("L", "V")
BROKEN_LATE = 3600.0
"""Seconds that a write may be late, or unseen, where a fraction of it is declared."""

SETTINGS = Settings(directions={Settlement: Direction.OFF})


class Archive(Site):
    """One seed's world of documents: those of billing go to the ledger."""

    def __init__(self, stage: Stage, profile: str = "default") -> None:
        super().__init__(stage, profile)
        draw = stage.decisions
        self.settings = SETTINGS
        self.declared = self._style()
        self.shop = Cabinet(
            "shop",
            CabinetStyle(limit=self.limit, search_lag=0.0),
            self.token_server("shop"),
            stage.changed,
        )
        actual = self.declared
        if profile == "broken" and draw.pick(BROKEN) == "V":
            actual = evolve(actual, search_lag=BROKEN_LATE)
        tokens = self.token_server("book")
        self.book = Cabinet("book", actual, tokens, stage.changed, stage.fault)
        if profile == "broken":
            self.book.broken = True
            if actual is self.declared:
                self.late = BROKEN_LATE
        self.clerks = Clerks(stage, self.swarm, self.shop, self.book)
        self.reconnect()
        self._keys: dict[str, tuple[str, str]] = {}
        self._sent: dict[str, Mapping[str, Any]] = {}
        """What was last sent under the name of a change."""
        self._refused: set[str] = set()

    def _style(self) -> CabinetStyle:
        draw, plain = self.stage.decisions, self.profile in LOST
        style = CabinetStyle(
            keys=draw.pick(KEYS),
            late_commit=self.late,
            search_lag=self.lag,
            limit=self.limit,
            versioned=not draw.one_in(3),
            fetch_size=50 if plain else 10,
        )
        if plain:
            return evolve(style, keys="none")
        return evolve(
            style,
            number_unique=draw.one_in(2),
            batch=draw.pick((0, 0, 2, 3)),
            concurrency=1 if self.limit else draw.pick((1, 1, 3)),
        )

    @property
    def servers(self) -> Sequence[Server]:
        return (self.book, self.shop)

    @property
    def target(self) -> Target:
        return self.book

    def connectors(self) -> tuple[Connector, Connector]:
        return (
            _connector("shop", self.shop.style, self.tokens["shop:t1"], False),
            _connector("book", self.declared, self.tokens["book:t1"], True),
        )

    def gap(self) -> dict[str, int]:
        return judge.document_gap(self.differences(set()))

    def differences(self, excused: set[str]) -> list[judge.Difference]:
        """What is not in the ledger as billing has it, by the judge."""
        links = {each.billing.id: each.ledger.id for each in self.disk.facts(Link)}
        return judge.document_differences(
            self.shop.dump(), self.book.dump(), links, excused
        )

    # What is checked on the way -----------------------------------------------------------

    def sent(self, request: Request) -> None:
        """2.5: the same key for the same content; another after a refusal, or for other."""
        body = request.json or {}
        alone = {**body, "idempotency": request.header("Idempotency-Key") or ""}
        items = body.get("items") or [alone]
        held = {each.name: each for each in self.disk.facts(Intent)}
        for name, item in zip(names_of(request), items, strict=True):
            self._sent[name] = item
            key = item["idempotency"]
            wanted = f"{held[name].wanted} {item.get('number')}"
            before = self._keys.get(name)
            self._keys[name] = (key, wanted)
            if not key:
                raise Violation("key", f"a write left without its key: {name}")
            if before is None or self.amnesia:
                continue
            same = before[1] == wanted and name not in self._refused
            if same != (before[0] == key):
                why = "another key" if same else "the same key"
                raise Violation("key", f"{why} for {held[name].number}")
            self._refused.discard(name)

    def committed(self, facts: Sequence[Fact | Gone]) -> None:
        super().committed(facts)
        for fact in facts:
            if isinstance(fact, Intent) and fact.stage in _ANEW:
                self._refused.add(fact.name)
            if isinstance(fact, Intent) and not (self.amnesia or self.book.broken):
                sent = self._sent.get(fact.name)
                invariants.check_done(self.book, fact, sent)

    # Runs -----------------------------------------------------------------------------

    def changes(self, *, retry: bool = False) -> list[Any]:
        """What the mirror wants by now."""
        sources = [self._record(self.shop, each) for each in self.shop.sheets]
        targets = {e: self._record(self.book, e) for e in self.book.sheets}
        links = {each.billing.id: each for each in self.disk.facts(Link)}
        intents = {each.name: each for each in self.disk.facts(Intent)}
        book = self.book.connection
        unsettled = {each.source.id for each in open_intents(self.disk)}
        unsettled |= invariants.held(self.disk).keys()
        return list(
            mirror.wanted(
                sources, targets, links, intents, book, unsettled=unsettled, retry=retry
            )
        )

    def _record(self, cabinet: Cabinet, key: str) -> Invoice:
        row = Fields(cabinet.row(cabinet.sheets[key]))
        return load_sheet(row, cabinet.connection)

    def post(
        self, worker: Worker | None = None, *, retry: bool = False
    ) -> Report | None:
        """One run over all documents in a process of its own."""

        def act(engine: Engine) -> Report:
            return engine.apply(engine.plan_changes(self.changes(retry=retry)))

        return self.within(worker or self.worker(), "ann", act)

    def audited(self) -> bool:
        """Somebody lets the marks be looked for; whether that came to its end."""
        issues = self.attempted(self.worker(), "ann", lambda engine: engine.audit())
        if issues is not None:
            self.told.extend(map(str, issues))
        return issues is not None

    def answered(self, *, certain: bool = False) -> None:
        """A person answers what is parked, as far as it can be known."""
        now = self.stage.now + self.stage.skew

        def act(engine: Engine) -> None:
            for write in engine.parked():
                ripe = write.not_before is None or now > write.not_before
                reply = self.clerks.reply(write, certain=certain or ripe)
                if reply is not None:
                    engine.answer(write, reply, by="ann")

        self.attempted(self.worker(), "ann", act)

    # At rest --------------------------------------------------------------------------

    def rest(self) -> None:
        """Faults off: runs until all is quiet, then the invariants of the end."""
        self.swarm.quiet = True
        self.stage.advance(3600.0)
        self.until_quiet(retry=True)
        self._check_told()
        self.answered(certain=True)
        self.until_quiet(retry=True)
        self._check_told()
        self._check_carried()
        before = invariants.document_state(self)
        self.post()
        invariants.check_silent(before, invariants.document_state(self))
        if not self.amnesia:
            invariants.check_filed(self)
        invariants.check_unread(self.book.dump())
        self.hushed()

    def rest_warned(self) -> None:
        """Faults off, and all that was late has landed: each duplicate is told (R1)."""
        self.swarm.quiet = True
        self.stage.advance(3 * BROKEN_LATE)
        self.until_quiet(retry=True)
        self.audited()
        told = self._told_of()
        for mark in self.book.doubled():
            self.duplicates += 1
            self.detected += mark in told
        if self.detected < self.duplicates:
            raise Violation("R1", "a document that is there twice was not told")
        self.hushed()

    def until_quiet(self, *, retry: bool) -> None:
        """I13: runs until one of them had nothing to do."""
        why = ""
        for _ in range(RUNS_MAX):
            before = len(self.events())
            report = self.post(retry=retry)
            if report is not None and report.complete:
                waiting = [e for e in open_intents(self.disk) if not self._can_wait(e)]
                # What was found to be there may have to be changed yet.
                found = len(self.events()) - before
                writes = max(report.traffic["ledger"].writes, found)
                if not waiting and (not writes or retry):
                    if not writes:
                        return
                    retry = False
                told = ", ".join(f"{e.number} {e.stage.value}" for e in waiting)
                why = f"{writes} writes, open: {told}"
            else:
                why = str(report) if report else self.told[-1]
            self.stage.advance(600.0)
        raise Violation("I13", f"not quiet after {RUNS_MAX} runs: {why}")

    def _can_wait(self, intent: Intent) -> bool:
        """Whether nothing of it is under way: it is parked, or its record is no more."""
        if intent.stage is At.PARKED:
            return True
        sheet = self.shop.sheets.get(intent.source.id)
        gone = sheet is None or sheet.status == "void"
        target = intent.target
        lost = target is not None and target.id not in self.book.sheets
        return intent.stage is At.PLANNED and (gone or lost)

    def _told_of(self) -> set[str]:
        """The marks of which a person was asked, or said that they are left alone."""
        asked = (At.PARKED, At.IGNORED)
        return {e.mark for e in self.disk.facts(Intent) if e.stage in asked}

    def _check_told(self) -> None:
        """R3, H18, H22: what is there twice is parked once its mark is looked for."""
        if not (self.audited() or self.audited()):
            raise Violation("I13", f"no audit at rest: {self.told[-1]}")
        intents = {e.mark for e in self.disk.facts(Intent)}
        told = self._told_of()
        for mark, ids in self.book.doubled().items():
            if mark in intents and mark not in told:
                raise Violation("I1", f"nobody was told of {', '.join(ids)}")

    def _check_carried(self) -> None:
        """I2, I3: each document is in the ledger once and equal, or held with a reason."""
        rows = invariants.held(self.disk)
        links = {each.billing.id: each.ledger.id for each in self.disk.facts(Link)}
        allowed = judge.document_reasons(self.shop.dump(), self.book.dump(), links)
        asked = (At.PARKED, At.IGNORED)
        parked = {e.source.id for e in self.disk.facts(Intent) if e.stage in asked}
        found = self.differences((allowed | parked) & rows.keys())
        if found:
            raise Violation("I2", f"{found}; gap {judge.document_gap(found)}")
        for key, row in rows.items():
            if key in self.shop.sheets and key not in allowed | parked:
                raise Violation("I2", f"{key} is held without reason: {row.issue}")

    def events(self) -> list[Event]:
        """What was carried, in order."""
        done = ("applied", "adopted")
        return [e for e in self.disk.facts(Event) if e.what in done]


_ANEW = (At.REJECTED, At.IGNORED, At.SUPERSEDED)
"""Behind these a write has another key."""


@lru_cache(maxsize=4096)
def _connector(
    side: str, style: CabinetStyle, token: str, writing: bool
) -> CabinetConnector:
    host = f"https://{side}.example"
    return CabinetConnector(host, side, style, token, writing=writing)


# What befalls it ----------------------------------------------------------------------

AFTERMATH = (1.0, 400.0, 30.0)
"""Seconds until somebody runs again after a crash: within the lease, or behind it."""


def play(archive: Archive) -> None:
    """Episodes with faults, then rest."""
    if archive.profile in LOST:
        _play_lost(archive)
        return
    draw = archive.stage.decisions
    archive.clerks.open_up(draw.draw(6))
    for _ in range(3 + draw.draw(6)):
        draw.pick(_EPISODES)(archive)
    archive.rest()


def _play_lost(archive: Archive) -> None:
    """Many documents, of which nearly all answers are lost, over several runs."""
    draw, broken = archive.stage.decisions, archive.profile == "broken"
    archive.clerks.open_up(0)
    for _ in range(8 if broken else 40):
        archive.clerks.plain()
    for _ in range(5):
        archive.post()
        for sheet in list(archive.shop.sheets.values()):
            if draw.draw(2):
                archive.clerks.edit(sheet)
        archive.stage.advance(draw.pick(PAUSES))
    if broken:
        archive.rest_warned()
    else:
        archive.rest()


def _run(archive: Archive) -> None:
    """A run, and what a crash leaves time for."""
    if archive.post(retry=archive.stage.decisions.one_in(3)) is None:
        archive.stage.advance(archive.stage.decisions.pick(AFTERMATH))


def _work(archive: Archive) -> None:
    """People work, then somebody runs."""
    for _ in range(1 + archive.stage.decisions.draw(3)):
        archive.clerks.work()
    _run(archive)


def _planned(archive: Archive) -> None:
    """A plan is made, people go on working, and it is applied."""
    changes = archive.changes()
    archive.clerks.work()
    archive.within(
        archive.worker(),
        "ann",
        lambda engine: engine.apply(engine.plan_changes(changes)),
    )


def _asked(archive: Archive) -> None:
    """The marks are looked for, and a person answers."""
    archive.audited()
    archive.answered()


def _crowd(archive: Archive) -> None:
    """S7: two or three runs at once."""
    stage = archive.stage
    parts: list[tuple[Worker, Callable[[], Any]]] = []
    for _ in range(2 + stage.decisions.draw(2)):
        worker = archive.worker()

        def act(worker: Worker = worker) -> None:
            archive.post(worker)

        parts.append((worker, act))
    stage.fault("S7")
    stage.play(parts)


def _amnesia(archive: Archive) -> None:
    """C17: a backup is put back."""
    forgets(archive, lambda: _work(archive))


_EPISODES: tuple[Callable[[Archive], None], ...] = (
    _run,
    _work,
    _work,
    _work,
    _work,
    _planned,
    _asked,
    _crowd,
    _amnesia,
)
