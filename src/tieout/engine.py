"""
The order of things: lease, recovery, reading, planning, applying, the marker.

Everything that happens, happens because a line here says so; each step hands a value on to
the next. How a step is done stands in its own module.
"""

from __future__ import annotations

import getpass
import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import localcontext
from threading import Lock
from typing import Any, Self, TypeAlias, cast
from uuid import uuid4

from attrs import define, evolve

from tieout.adapters import Adapter, Direct, DryAdapter
from tieout.capabilities import Capabilities, Changed, Verb
from tieout.carrying import WAVE_ROUNDS, Carrying, Stopped
from tieout.change import Change, Issue
from tieout.clock import Clock, SystemClock
from tieout.costs import LevelCost, Priced, Side, of_documents
from tieout.documents import DocumentRun
from tieout.errors import Code, ConfigError, Fault, Severity, StoreError
from tieout.journal import Journal, PersonsAnswer
from tieout.models import Settlement
from tieout.money import EXACT
from tieout.plan import Header, Plan, join
from tieout.protocol import Connector, Health
from tieout.reading import Reader, Start
from tieout.report import Progress, Report
from tieout.run import UNSETTLED, PaymentRun
from tieout.session import Session, Traffic
from tieout.settings import Direction, Settings
from tieout.store import (
    Ending,
    Gone,
    Identity,
    Intent,
    Marker,
    Restored,
    ResumePoint,
    Run,
    Store,
    Sweep,
    key_of,
)
from tieout.stores.memory import MemoryStore
from tieout.transport import HTTPTransport
from tieout.windows import Since, Window, window
from tieout.wire import Request, Response, Transport

log = logging.getLogger("tieout.engine")

PAYMENTS = "payments"
"""The verb of the payment sync: part of the keys of its marker and its issues."""

DOCUMENTS = "documents"
"""The verb of plans that a caller makes of its own changes."""

BOOKS_AGE_MAX = timedelta(days=1)
"""After this, a connection's books are asked for again: zones move, companies change."""

CLOCKS_APART_MAX = timedelta(hours=1)
"""How far ahead of ours a vendor's clock may be; beyond it, one of the two is wrong."""

Begin: TypeAlias = Since | date | datetime | ResumePoint
Tell: TypeAlias = Callable[[Progress], None]
Stop: TypeAlias = Callable[[], bool]


def this_user() -> str:
    """``user@host``: a profile for scripts, where each user has a "last run" of its own."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


class _Collect:
    """The dry adapter behind `Engine.plan_payments`: it keeps the pages' plans."""

    dry = True

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.header: Header | None = None
        self.as_of: datetime | None = None

    def begin(self, header: Header) -> None:
        self.header = header

    def take(self, plan: Plan) -> None:
        # What needs nothing is only counted: memory grows with changes alone.
        self.plans.append(evolve(plan, same=()))

    def end(self, *, complete: bool, as_of: datetime | None = None) -> None:
        self.as_of = as_of


@define
class _Under:
    """A run under way, and how it came to its end."""

    id: str
    started_at: datetime
    moment: Window
    marker: Marker | None
    traffic: dict[str, Traffic]
    ending: Ending = Ending.RUNNING
    fault: Fault | None = None
    resume: ResumePoint | None = None


class _OnDemand:
    """An HTTP client that is made when the first request is sent: a table needs none."""

    def __init__(self) -> None:
        self._made: HTTPTransport | None = None
        self._lock = Lock()

    def send(self, request: Request, timeout: float) -> Response:
        with self._lock:
            self._made = self._made or HTTPTransport()
        return self._made.send(request, timeout)

    def close(self) -> None:
        if self._made is not None:
            self._made.close()


class Engine:
    """
    Keeps one billing system and one ledger in agreement.

    ``transport`` is one for both connections, or one by connection name; by default each
    has an HTTP client of its own that lives as long as the engine. ``store`` defaults to
    memory, which forgets: give a `tieout.SQLiteStore` in earnest. ``profile`` names whose
    "last run" is meant. Raises `ConfigError` where the two sides cannot be tied out by the
    settings. A context manager; not for two threads at once.
    """

    def __init__(
        self,
        *,
        billing: Connector,
        ledger: Connector,
        store: Store | None = None,
        transport: Transport | Mapping[str, Transport] | None = None,
        settings: Settings | None = None,
        clock: Clock | None = None,
        profile: str = "shared",
    ) -> None:
        if billing.connection == ledger.connection:
            raise ConfigError(f"both sides are one connection: {billing.connection}")
        self.settings = settings or Settings()
        self.pair = key_of(billing.connection, ledger.connection)
        _check_sides(billing, ledger, self.settings)
        self._store: Store = store if store is not None else MemoryStore()
        self._clock: Clock = clock or SystemClock()
        self._profile = profile
        self._opened: list[_OnDemand] = []
        self._seen: dict[str, Identity] = {}
        if isinstance(transport, Mapping):
            strangers = set(transport) - {billing.connection, ledger.connection}
            if strangers:
                raise ConfigError(f"transport: no connection is {', '.join(strangers)}")
        self._billing = self._session(billing, transport)
        self._ledger = self._session(ledger, transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that the engine opened; the store stays open."""
        for session in (self._billing, self._ledger):
            session.close()
        for transport in self._opened:
            transport.close()

    # What a caller asks -----------------------------------------------------------------

    def check(self) -> dict[str, Health]:
        """
        Both connections: reachable, signed in, permitted, and whose books they are.

        A connection that was paused because its sign-in was refused is tried again.
        """
        return {
            session.connector.connection: session.check()
            for session in (self._billing, self._ledger)
        }

    def plan_payments(
        self,
        since: Begin,
        *,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
        recheck: bool | None = None,
    ) -> Plan:
        """
        What `sync_payments` would do; nothing is written anywhere.

        Where the reading ends early, the plan has ``complete`` false and says why among
        its issues. Raises `ConfigError` for a start that cannot be.
        """
        collect = _Collect()
        report = self.sync_payments(
            since, adapter=collect, on_progress=on_progress, stop=stop, recheck=recheck
        )
        plan = evolve(join(collect.plans, collect.header), as_of=collect.as_of)
        if report.complete:
            return plan
        code = report.code or Code.RUN_IN_PROGRESS
        why = Issue(
            code, text=report.text or "The planning was stopped.", remedy=report.remedy
        )
        return evolve(plan, complete=False, issues=(*plan.issues, why))

    def sync_payments(
        self,
        since: Begin,
        *,
        adapter: Adapter | DryAdapter | None = None,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
        recheck: bool | None = None,
    ) -> Report:
        """
        Carry payment levels from the ledger to billing.

        ``since``: a `Since`, a date (a whole day in the books' zone), an aware datetime, or
        an interrupted run's ``report.resume``. ``recheck``: compare with billing as it is
        now (True) or trust what was agreed (False); by default LAST_RUN trusts and every
        other start compares. ``stop`` is asked between steps; a stopped run ends cleanly.

        Raises `ConfigError` for a start that cannot be, `Fault` RUN_IN_PROGRESS while
        another run holds the pair, and `StoreError`. Everything else is in the report.
        """
        if self.settings.direction(Settlement) is Direction.OFF:
            raise ConfigError("payment levels are switched off in the settings")
        marker = self._marker()
        under = self._begin(
            self._window(since, marker), marker
        )  # refused before any call
        run = self._payment_run(adapter, on_progress, stop, under)
        if run.sink is not None:
            run.sink = Priced(run.sink, self._level_cost())

        def work() -> None:
            if run.sink is not None:
                passed = isinstance(since, ResumePoint) and since.cursor is not None
                run.sink.begin(self._header(under.moment, whole=not passed))
            for session in (self._billing, self._ledger):
                self._bind(session, dry=run.journal is None)
            under.moment = self._window(since, marker)  # now in the books' own zone
            free = self._billing.connector.capabilities.free_reads
            trusting = under.moment.trusting and not free
            run.trusting = trusting if recheck is None else not recheck
            # What a restored store calls agreed, forgotten runs may have written over.
            run.trusting = run.trusting and not self._forgetful()
            self._read(run, under, since)

        return self._carried(run, under, work)

    def plan_changes(self, changes: Iterable[Change], *, verb: str = DOCUMENTS) -> Plan:
        """
        A plan of the caller's own changes, to be looked at, saved, or given to `apply`.

        ``verb`` files what is remembered of them; each kind of work has one of its own.
        A document that agrees may be given as KEEP: what is open about it is closed.
        Raises `ConfigError` for a verb of the engine's own, and for two of one name.
        """
        if verb == PAYMENTS:
            raise ConfigError(f"{PAYMENTS!r} is the engine's own verb: choose another")
        window = Window(self._clock.now(), trusting=False, label="the caller's changes")
        header = self._header(window, verb, whole=False)
        given = tuple(changes)
        if len({change.name for change in given}) < len(given):
            raise ConfigError("two changes of one name: name them by `change_name`")
        return self._priced(Plan(given, header=header))

    def apply(
        self,
        plan: Plan,
        *,
        adapter: Adapter | DryAdapter | None = None,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
    ) -> Report:
        """
        Carry out a plan that was made before.

        Both sides are read again first: a record that has changed since is left alone and
        reported as STALE_PLAN. Applying a complete plan of payments is as good as the run
        it was made by: the marker moves by the same rule. Raises `ConfigError` for a plan
        of another pair, of other settings, or without a header.
        """
        header = self._checked_header(plan)
        start = header.start or self._clock.now()
        moment = Window(start, trusting=False, label=f"a plan ({header.window})")
        levels = header.verb == PAYMENTS
        under = self._begin(moment, self._marker() if levels else None)
        run: PaymentRun | DocumentRun
        if levels:
            run = self._payment_run(adapter, on_progress, stop, under)
        else:
            run = DocumentRun(
                **self._common(header.verb, adapter, on_progress, stop, under)
            )
        run.reader.as_of = plan.as_of

        def work() -> None:
            if run.sink is not None:
                run.sink.begin(header)
                run.sink.take(plan)
                return
            for session in (self._billing, self._ledger):
                self._bind(session, dry=False)
            doubts = run.recover()
            if not levels:
                for doubt in doubts:
                    run.tell(doubt)
            run.apply(plan)

        whole = plan.complete and None not in (plan.as_of, header.start)
        # What it left out may have been settled since, by what nobody compared anew.
        whole = whole and not any(issue.code in UNSETTLED for issue in plan.issues)
        restored = self._restored()
        whole = whole and (restored is None or header.made_at > restored.at)
        moves = levels and whole
        return self._carried(run, under, work, moves_marker=moves)

    def _restored(self) -> Restored | None:
        return self._store.get(Restored, ["store"]).get("store")

    def _forgetful(self) -> bool:
        """Whether the store was restored, and nothing has been compared since."""
        restored = self._restored()
        return restored is not None and self._profile not in restored.compared

    def _compared(self, run: Carrying, under: _Under, *, moved: bool) -> bool:
        """Whether this run has seen all that runs that are forgotten may have written."""
        covers = under.marker is not None and under.moment.start <= under.marker.at
        return (
            moved
            and covers
            and run.rereads
            and run.restored is not None
            and self._profile not in run.restored.compared
            and not run.trusting
        )

    # What is not certain -----------------------------------------------------------------

    def parked(self) -> list[Intent]:
        """
        The writes of which a person is asked what came of them.

        Each has a ``name`` to answer by, its ``number`` and ``source``, why it is in
        ``doubt``, and the ``candidates`` on the other side.
        """
        found: list[Intent] = []
        after = ""
        while some := self._store.find(Intent, "parked", self.pair, after):
            found.extend(some)
            after = some[-1].name
        return found

    def answer(
        self, write: Intent | str, reply: PersonsAnswer, *, by: str | None = None
    ) -> None:
        """
        Say what came of a parked write: `Landed` with the document's id, or a `Reply`.

        ``by`` is who says so, by default this user. Raises `ConfigError` where no such
        write is parked, `Fault` RUN_IN_PROGRESS while a run holds the pair, and `Fault`
        ALREADY_LINKED where the document belongs to another record.
        """
        name = write if isinstance(write, str) else write.name
        intent = self._store.get(Intent, [name]).get(name)
        verb = intent.verb if intent else DOCUMENTS
        journal = self._journal(verb, f"answer-{uuid4().hex[:8]}")
        journal.acquire()
        try:
            journal.answer(name, reply, by or this_user())
        finally:
            journal.release()

    def audit(self, *, verb: str = DOCUMENTS) -> list[Issue]:
        """
        Look for every document that carries a mark of ours; an issue for each that is
        there more than once.

        This finds what no wait can prevent: a request that was carried out hours late, a
        document that a person copied together with its mark. Nothing is deleted: each is
        parked, and a person answers which one it is. Reads one search for each document.
        """
        journal = self._journal(verb, f"audit-{uuid4().hex[:8]}")
        direct = self._direct()
        journal.acquire()
        try:
            return journal.audit(direct.find)
        finally:
            journal.release()

    # A run --------------------------------------------------------------------------------

    def _begin(self, moment: Window, marker: Marker | None) -> _Under:
        now = self._clock.now()
        sides = {"billing": self._billing.traffic, "ledger": self._ledger.traffic}
        return _Under(
            f"{now:%Y%m%dT%H%M%S}-{uuid4().hex[:8]}", now, moment, marker, sides
        )

    def _payment_run(
        self,
        adapter: Adapter | DryAdapter | None,
        on_progress: Tell | None,
        stop: Stop | None,
        under: _Under,
    ) -> PaymentRun:
        common = self._common(PAYMENTS, adapter, on_progress, stop, under)
        billing = self._billing.connector.capabilities
        common["wave"] = self._level_wave()
        return PaymentRun(billing=billing, **common)

    def _direct(self) -> Direct:
        return Direct(
            {s.connector.connection: s for s in (self._billing, self._ledger)}
        )

    def _journal(self, verb: str, run: str) -> Journal:
        digest = self.settings.digest()
        return Journal(self._store, self._clock, self.pair, verb, run, digest)

    def _common(
        self,
        verb: str,
        adapter: Adapter | DryAdapter | None,
        on_progress: Tell | None,
        stop: Stop | None,
        under: _Under,
    ) -> dict[str, Any]:
        """What every run is made of, whatever it carries."""
        through = adapter or self._direct()
        sink, journal = None, None
        if through.dry:
            if not isinstance(through, DryAdapter):
                raise ConfigError("a dry adapter has the methods begin, take and end")
            sink = through
        else:
            journal = self._journal(verb, under.id)
        sides = {s.connector.connection: s for s in (self._billing, self._ledger)}
        return {
            "pair": self.pair,
            "verb": verb,
            "reader": Reader(
                self._billing, self._ledger, self._store, self.settings, self.pair
            ),
            "settings": self.settings,
            "store": self._store,
            "clock": self._clock,
            "sides": {n: side.connector.capabilities for n, side in sides.items()},
            "wave": self._wave(),
            "adapter": None if sink else cast(Adapter, through),
            "sink": sink,
            "journal": journal,
            "on_progress": on_progress,
            "stop": stop,
        }

    def _wave(self) -> int:
        """How many documents of any kind are sent after one durable transaction."""
        sessions = (self._billing, self._ledger)
        widest = max(_batch(s.connector.capabilities) * s.concurrency for s in sessions)
        return widest * WAVE_ROUNDS

    def _level_wave(self) -> int:
        """The same of payment levels, which are written to billing alone."""
        batch = self._billing.connector.capabilities.kind(Settlement).batch_size
        return batch * self._billing.concurrency * WAVE_ROUNDS

    def _priced(self, plan: Plan) -> Plan:
        """A plan of documents with the calls that it will cost."""
        return evolve(
            plan, calls=of_documents(plan.changes, self._sides(), self._wave())
        )

    def _level_cost(self) -> LevelCost:
        """What counts the calls of a plan of payment levels."""
        billing, ledger = self._sides()
        return LevelCost(billing, ledger, self.settings.number_rule, self._level_wave())

    def _sides(self) -> tuple[Side, Side]:
        billing, ledger = self._billing.connector, self._ledger.connector
        return (
            Side(billing.connection, billing.capabilities),
            Side(ledger.connection, ledger.capabilities),
        )

    def _read(self, run: PaymentRun, under: _Under, since: Begin) -> None:
        """Recovery, then batch after batch, the resume point after each page."""
        run.rereads = True
        run.recover()
        again = run.again()
        point = since if isinstance(since, ResumePoint) else None
        marker = under.marker if since is Since.LAST_RUN else None
        start = Start(
            under.moment,
            token=marker.token if marker else None,
            cursor=point.cursor if point else None,
            again=again,
            sweep=self._sweep_due(),
            as_of=point.as_of if point else None,
        )
        run.reader.as_of = start.as_of
        self._point(run, under, start.cursor)
        for batch in run.reader.levels(start, self._clock.now().date()):
            run.process(batch)
            if batch.page:
                self._point(run, under, batch.cursor)

    def _point(self, run: PaymentRun, under: _Under, cursor: str | None) -> None:
        """
        Where an interrupted run goes on: behind the last completed page, where the
        listing has an order that stays; else at its start, which is harmless.
        """
        # A run that only looked has carried nothing: nothing may be passed over after it.
        stable = (
            run.journal is not None
            and self._ledger.connector.capabilities.kind(Settlement).stable_order
        )
        under.resume = ResumePoint(
            self.pair,
            PAYMENTS,
            self._profile,
            start=under.moment.start,
            cursor=cursor if stable else None,
            as_of=run.reader.as_of if stable else None,
            label=under.moment.label,
            trusting=under.moment.trusting,
            run=under.id,
        )
        if run.journal is not None:
            run.journal.note(under.resume)

    def _carried(
        self,
        run: Carrying,
        under: _Under,
        work: Callable[[], None],
        *,
        moves_marker: bool = True,
    ) -> Report:
        """Do the work under the pair's lease; whatever ends it, the report says so."""
        if run.journal is not None:
            run.journal.acquire()
            run.journal.note(self._record(under, run))
        try:
            try:
                # The host's own decimal context must not round anybody's money.
                with localcontext(EXACT):
                    work()
                under.ending = Ending.DONE
            except Stopped:
                under.ending = Ending.STOPPED
            except ConfigError as error:
                # The books' zone shows that the start cannot be: the run ends as failed.
                under.ending = Ending.FAILED
                under.fault = Fault(Code.NOT_ALLOWED, str(error))
                self._finish(run, under, moves_marker=False)
                raise
            except (KeyError, AssertionError, TypeError, ValueError) as error:
                # A bug, ours or the caller's: the run is on record as failed all the same.
                under.ending = Ending.FAILED
                under.fault = Fault(Code.UNKNOWN_ERROR, type(error).__name__)
                self._finish(run, under, moves_marker=False)
                raise
            except Fault as fault:
                log.warning("run %s ended early: %s", under.id, fault.code)
                yellow = fault.code.severity is not Severity.RED
                under.ending = Ending.STOPPED if yellow else Ending.FAILED
                under.fault = fault
            if run.sink is not None:
                as_of = run.reader.as_of or under.started_at
                run.sink.end(complete=under.ending is Ending.DONE, as_of=as_of)
            return self._finish(run, under, moves_marker=moves_marker)
        finally:
            if run.journal is not None:
                run.journal.release()

    def _finish(self, run: Carrying, under: _Under, *, moves_marker: bool) -> Report:
        """The marker last, and only by its rule; then the report."""
        facts: list[Marker | Gone | Restored | Run | Sweep] = []
        moved, note = False, ""
        done = under.ending is Ending.DONE
        # A plan does not look again at what was not settled when it began to be applied.
        if (
            run.journal is not None
            and moves_marker
            and (run.rereads or not run.pending)
        ):
            as_of = _sound_clock(run.reader.as_of, under.started_at)
            new = Marker(self.pair, PAYMENTS, self._profile, as_of, run.reader.token)
            moved, note = _marker_rule(under, new)
            if moved:
                facts.append(new)
            if done:
                facts.append(
                    Gone(ResumePoint, key_of(self.pair, PAYMENTS, self._profile))
                )
                if run.reader.swept:
                    facts.append(Sweep(self.pair, PAYMENTS, under.started_at))
                if self._compared(run, under, moved=moved):
                    assert run.restored is not None
                    profiles = (*run.restored.compared, self._profile)
                    facts.append(evolve(run.restored, compared=profiles))
        report = self._report(run, under, moved=moved, note=note)
        if run.journal is not None and not _lost(under):
            run.journal.note(self._record(under, run), *facts)
        return report

    def _record(self, under: _Under, run: Carrying) -> Run:
        return Run(
            under.id,
            self.pair,
            run.verb,
            self._profile,
            under.started_at,
            under.moment.label,
            ending=under.ending,
            ended_at=None if under.ending is Ending.RUNNING else self._clock.now(),
            counts=dict(run.tally.counts),
            code=under.fault.code if under.fault else None,
            text=under.fault.text if under.fault else "",
        )

    def _report(
        self, run: Carrying, under: _Under, *, moved: bool, note: str
    ) -> Report:
        fault = under.fault
        before = under.marker.at if under.marker else None
        traffic = {
            "billing": self._billing.traffic - under.traffic["billing"],
            "ledger": self._ledger.traffic - under.traffic["ledger"],
        }
        return Report(
            run=under.id,
            pair=self.pair,
            verb=run.verb,
            window=under.moment.label,
            start=under.moment.start,
            started_at=under.started_at,
            ended_at=self._clock.now(),
            ending=under.ending,
            counts=dict(run.tally.counts),
            red=run.tally.lights[Severity.RED],
            yellow=run.tally.lights[Severity.YELLOW],
            totals=dict(sorted(run.tally.totals.items())),
            traffic=traffic,
            marker=_sound_clock(run.reader.as_of, under.started_at)
            if moved
            else before,
            marker_moved=moved,
            marker_note=note,
            resume=None if under.ending is Ending.DONE else under.resume,
            code=fault.code if fault else None,
            text=fault.text if fault else "",
            remedy=fault.remedy if fault else "",
            store=self._store,
        )

    # What a run stands on -----------------------------------------------------------------

    def _session(
        self,
        connector: Connector,
        transport: Transport | Mapping[str, Transport] | None,
    ) -> Session:
        given = (
            transport.get(connector.connection)
            if isinstance(transport, Mapping)
            else transport
        )
        if given is None:
            given = _OnDemand()
            self._opened.append(given)
        return Session(connector, given, self._store, self._clock)

    def _bind(self, session: Session, *, dry: bool) -> None:
        """Know whose books these are before anything is read; refuse another company's."""
        connection = session.connector.connection
        held = self._store.get(Identity, [connection]).get(connection)
        now = self._clock.now()
        if held is not None and abs(now - held.seen_at) < BOOKS_AGE_MAX:
            return
        health = session.run(session.connector.check())
        if not health.signed_in or not health.reachable:
            usual = Code.SIGN_IN_REFUSED if health.reachable else Code.NOT_REACHED
            raise Fault(
                health.code or usual, f"{connection}: {'; '.join(health.notes)}"
            )
        if health.missing:
            text = f"{connection} lacks: {', '.join(health.missing)}"
            raise Fault(Code.PERMISSION_MISSING, text)
        books = health.books
        if books is None:
            return
        if held is not None and held.identity != books.identity:
            text = f"{connection} is {books.name or books.identity} now, it was {held.name}"
            raise Fault(Code.WRONG_COMPANY, text)
        seen = Identity(
            connection, books.identity, books.name, books.currency, books.zone, now
        )
        self._seen[connection] = seen
        if not dry and not self._store.commit(seen):
            raise StoreError(f"the books of {connection} could not be remembered")

    def _identity(self, connection: str) -> Identity | None:
        """What is known of a connection's books, remembered or just seen."""
        held = self._store.get(Identity, [connection]).get(connection)
        return self._seen.get(connection, held)

    def _window(self, since: Begin, marker: Marker | None) -> Window:
        if isinstance(since, ResumePoint):
            mine = (self.pair, PAYMENTS, self._profile)
            if (since.pair, since.verb, since.profile) != mine:
                raise ConfigError(
                    "this resume point belongs to another pair or profile"
                )
            return Window(since.start, since.trusting, since.label)
        connection = self._ledger.connector.connection
        books = self._identity(connection)
        return window(
            since,
            now=self._clock.now(),
            books_zone=books.zone if books else None,
            marker=marker.at if marker else None,
            overlap=self._ledger.connector.capabilities.overlap,
        )

    def _marker(self) -> Marker | None:
        key = key_of(self.pair, PAYMENTS, self._profile)
        return self._store.get(Marker, [key]).get(key)

    def _sweep_due(self) -> bool:
        every = self._ledger.connector.capabilities.payments.sweep_every
        if every is None:
            return False
        key = key_of(self.pair, PAYMENTS)
        last = self._store.get(Sweep, [key]).get(key)
        return last is None or self._clock.now() - last.at >= every

    def _header(self, moment: Window, verb: str = PAYMENTS, *, whole: bool) -> Header:
        return Header(
            pair=self.pair,
            billing=self._billing.connector.connection,
            ledger=self._ledger.connector.connection,
            verb=verb,
            settings=self.settings.digest(),
            window=moment.label,
            made_at=self._clock.now(),
            start=moment.start if whole else None,
        )

    def _checked_header(self, plan: Plan) -> Header:
        header = plan.header
        if header is None:
            raise ConfigError("this plan was not made by an engine")
        if header.pair != self.pair:
            raise ConfigError(
                f"this plan is for {header.billing} and {header.ledger}, not for this pair"
            )
        if header.settings != self.settings.digest():
            raise ConfigError("this plan was made under other settings: make a new one")
        kinds = {change.kind is Settlement for change in plan.changes}
        if kinds - {header.verb == PAYMENTS}:
            raise ConfigError("payment levels and documents do not go into one plan")
        return header


def _batch(capabilities: Capabilities) -> int:
    """The largest number of changes that this system takes at once."""
    return max((kind.batch_size for kind in capabilities.kinds.values()), default=1)


def _check_sides(billing: Connector, ledger: Connector, settings: Settings) -> None:
    """Whether the settings ask for anything that the two sides cannot do."""
    for kind, direction in settings.directions.items():
        if kind is not Settlement and direction is not Direction.OFF:
            raise ConfigError(
                f"directions[{kind.__name__}]: this version carries payment levels only"
            )
    if settings.direction(Settlement) is Direction.OFF:
        return
    reads = ledger.capabilities.kind(Settlement)
    if not reads.can(Verb.READ) or Changed not in reads.selects:
        raise ConfigError(f"{ledger.connection} cannot tell whose payments changed")
    told = ledger.capabilities.payments
    if told.blind and told.sweep_every is None:
        unseen = ", ".join(sorted(each.value for each in told.blind))
        raise ConfigError(
            f"{ledger.connection} does not show {unseen}, and has no sweep"
        )
    if not billing.capabilities.kind(Settlement).can(Verb.READ):
        raise ConfigError(f"{billing.connection} cannot tell what it shows as paid")


def _marker_rule(under: _Under, new: Marker) -> tuple[bool, str]:
    """Whether the marker moves: after success only, and never over a gap."""
    old = under.marker
    if old is not None and old.at > under.started_at + CLOCKS_APART_MAX:
        old = None  # a clock was wrong once; what it said is no marker
    if under.ending is not Ending.DONE:
        return False, "the marker stays where it was: the run did not end well"
    if old is not None and under.moment.start > old.at:
        return False, (
            f"the marker stays at {old.at:%Y-%m-%d %H:%M} UTC: this run began later than "
            "that, and what changed in between is still to be read"
        )
    if old is not None and new.at <= old.at:
        return False, ""
    return True, ""


def _sound_clock(told: datetime | None, started_at: datetime) -> datetime:
    """The other side's clock, unless it is so far ahead that it must be wrong."""
    return min(told or started_at, started_at + CLOCKS_APART_MAX)


def _lost(under: _Under) -> bool:
    """Whether another run has taken over, so that nothing more may be written."""
    return under.fault is not None and under.fault.code is Code.LEASE_LOST
