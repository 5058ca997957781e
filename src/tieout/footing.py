"""
What a run stands on: two sessions, a store, a lease; how a run begins, and how it ends.

Which runs there are and what they carry is the engine's to say; nothing here reads a
record or plans.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import localcontext
from threading import Lock
from typing import Any, Self, TypeAlias, cast

from attrs import evolve

from tieout.adapters import Adapter, Direct, DryAdapter
from tieout.autopay import AutoPay
from tieout.capabilities import Capabilities
from tieout.carrying import WAVE_ROUNDS, Carrying, Stopped
from tieout.change import Issue
from tieout.clock import Clock, SystemClock
from tieout.costs import Side, of_documents
from tieout.errors import Code, ConfigError, Fault, Scope, Severity, StoreError
from tieout.journal import Journal
from tieout.models import Ref, Settlement
from tieout.money import EXACT
from tieout.plan import Header, Plan, join
from tieout.protocol import Connector, Health
from tieout.reading import Reader
from tieout.report import Progress, Report
from tieout.session import Session
from tieout.settings import Settings
from tieout.store import (
    Contact,
    Ending,
    Expect,
    Gone,
    Identity,
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
from tieout.underway import Track, Under, run_name, sound_clock
from tieout.windows import Since, Window, window
from tieout.wire import Request, Response, Transport

log = logging.getLogger("tieout.engine")

PAYMENTS = "payments"
"""The verb of the payment sync: part of the keys of its marker and its issues."""

BOOKS_AGE_MAX = timedelta(days=1)
"""After this, a connection's books are asked for again: zones move, companies change."""

BOOKS_AGE_INSISTING = timedelta(minutes=1)
"""The same where a person has put something right and tries again: it may be a period that
was opened. Long enough for all kinds of one sync to share one look."""

Begin: TypeAlias = Since | date | datetime | ResumePoint
Tell: TypeAlias = Callable[[Progress], None]
Stop: TypeAlias = Callable[[], bool]


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


class Footing:
    """One pair's sessions and store, and the life of its runs."""

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
        auto_pay: AutoPay | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.pair = key_of(billing.connection, ledger.connection)
        self._check_sides(billing, ledger)
        self._store: Store = store if store is not None else MemoryStore()
        self._clock: Clock = clock or SystemClock()
        self._profile = profile
        self._auto_pay = auto_pay
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

    def _check_sides(self, billing: Connector, ledger: Connector) -> None:
        """Whether these two can be a pair, as the settings say. Raises `ConfigError`."""
        if billing.connection == ledger.connection:
            raise ConfigError(f"both sides are one connection: {billing.connection}")

    def _begin(self, *tracks: Track) -> Under:
        now = self._clock.now()
        sides = {"billing": self._billing.traffic, "ledger": self._ledger.traffic}
        return Under(run_name(now), now, tracks, sides)

    @property
    def _sessions(self) -> dict[str, Session]:
        """Both sessions, by connection."""
        return {s.connector.connection: s for s in (self._billing, self._ledger)}

    @property
    def _deep_links(self) -> Mapping[str, Callable[[Ref], str]]:
        """By connection, what knows the address of a record's page; not all do."""
        found = {
            name: getattr(session.connector, "deep_link", None)
            for name, session in self._sessions.items()
        }
        return {name: link for name, link in found.items() if link is not None}

    def _direct(self) -> Direct:
        return Direct(self._sessions)

    def _reader(self) -> Reader:
        ends = (self._billing, self._ledger)
        return Reader(*ends, self._store, self.settings, self.pair)

    def _journal(self, verb: str, run: str) -> Journal:
        digest = self.settings.digest()
        return Journal(self._store, self._clock, self.pair, verb, run, digest)

    def _common(
        self,
        verb: str,
        adapter: Adapter | DryAdapter | None,
        on_progress: Tell | None,
        stop: Stop | None,
        under: Under,
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
        sides = self._sessions
        return {
            "pair": self.pair,
            "verb": verb,
            "reader": self._reader(),
            "settings": self.settings,
            "store": self._store,
            "clock": self._clock,
            "sides": {n: side.connector.capabilities for n, side in sides.items()},
            "wave": self._wave(),
            "adapter": None if sink else cast(Adapter, through),
            "sink": sink,
            "journal": journal,
            "on_progress": on_progress,
            "stop": self._stopping(stop),
        }

    def _stopping(self, stop: Stop | None) -> Stop:
        """Whether a run is to end between two steps; raises where a connection was ended."""

        def over() -> bool:
            self._refuse_ended(*self._sessions)
            return stop is not None and stop()

        return over

    def _refuse_ended(self, *connections: str) -> None:
        """Raise `Fault` DISCONNECTED where a person has ended one of these."""
        for contact in self._store.get(Contact, connections).values():
            if contact.ended:
                text = f"{contact.connection} was disconnected by {contact.by}"
                raise Fault(Code.DISCONNECTED, f"{text} at {contact.at:%Y-%m-%d %H:%M}")

    def _wave(self) -> int:
        """How many documents of any kind are sent after one durable transaction."""
        sessions = self._sessions.values()
        widest = max(_batch(s.connector.capabilities) * s.concurrency for s in sessions)
        return widest * WAVE_ROUNDS

    def _priced(self, plan: Plan) -> Plan:
        """A plan of documents with the calls that it will cost."""
        calls = of_documents(plan.changes, self._sides(), self._wave())
        return evolve(plan, calls=calls)

    def _sides(self) -> tuple[Side, Side]:
        billing, ledger = self._billing.connector, self._ledger.connector
        return (
            Side(billing.connection, billing.capabilities),
            Side(ledger.connection, ledger.capabilities),
        )

    def _carried(
        self,
        run: Carrying,
        under: Under,
        work: Callable[[], None],
        *,
        moves_marker: bool = True,
    ) -> Report:
        """Do the work under the pair's lease; whatever ends it, the report says so."""
        under.whole = moves_marker
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
                self._note_trouble(fault)
                yellow = fault.code.severity is not Severity.RED
                under.ending = Ending.STOPPED if yellow else Ending.FAILED
                under.fault = fault
            if run.sink is not None:
                as_of = under.track.as_of or under.started_at
                run.sink.end(complete=under.ending is Ending.DONE, as_of=as_of)
            return self._finish(run, under, moves_marker=moves_marker)
        finally:
            if run.journal is not None:
                run.journal.release()

    def _finish(self, run: Carrying, under: Under, *, moves_marker: bool) -> Report:
        """The markers last, and only by their rule; then the report."""
        facts: list[Marker | Gone | Restored | Run | Sweep] = []
        # A plan does not look again at what was not settled when it began to be applied.
        if (
            run.journal is not None
            and moves_marker
            and (run.rereads or not run.pending)
        ):
            facts.extend(under.move(self.pair, self._profile))
            if under.ending is Ending.DONE:
                facts.extend(self._done(run, under))
        facts.extend(self._places(under))
        report = self._report(run, under)
        if run.journal is not None and not under.lost:
            if under.fault is not None:
                run.journal.ended(under.fault)
            run.journal.note(self._record(under, run), *facts)
        return report

    def _places(self, under: Under) -> Iterable[Gone]:
        """The places at which runs that are at their end would have gone on."""
        for track in under.tracks:
            if track.keeps_place and under.ending is Ending.DONE:
                yield Gone(ResumePoint, key_of(self.pair, track.verb, self._profile))

    def _done(self, run: Carrying, under: Under) -> Iterable[Gone | Restored | Sweep]:
        """What a run that ended well leaves behind."""
        for track in under.tracks:
            yield Gone(ResumePoint, key_of(self.pair, track.verb, self._profile))
        if run.reader.swept:
            yield Sweep(self.pair, PAYMENTS, under.started_at)
        if self._compared(run, under):
            assert run.restored is not None
            yield evolve(run.restored, compared=(*run.restored.compared, self._profile))

    def _record(self, under: Under, run: Carrying) -> Run:
        return Run(
            under.id,
            self.pair,
            run.verb,
            self._profile,
            under.started_at,
            under.track.moment.label,
            ending=under.ending,
            ended_at=None if under.ending is Ending.RUNNING else self._clock.now(),
            counts=dict(run.tally.counts),
            code=under.fault.code if under.fault else None,
            text=under.fault.text if under.fault else "",
            remedy=under.fault.remedy if under.fault else "",
            task=" and ".join(track.verb for track in under.tracks),
            whole=under.whole,
        )

    def _report(self, run: Carrying, under: Under) -> Report:
        fault, first, moved = under.fault, under.track, bool(under.moved)
        before = first.marker.at if first.marker else None
        traffic = {
            "billing": self._billing.traffic - under.traffic["billing"],
            "ledger": self._ledger.traffic - under.traffic["ledger"],
        }
        return Report(
            run=under.id,
            pair=self.pair,
            verb=first.verb,
            window=first.moment.label,
            start=first.moment.start,
            started_at=under.started_at,
            ended_at=self._clock.now(),
            ending=under.ending,
            counts=dict(run.tally.counts),
            red=run.tally.lights[Severity.RED],
            yellow=run.tally.lights[Severity.YELLOW],
            totals=dict(sorted(run.tally.totals.items())),
            traffic=traffic,
            marker=sound_clock(first.as_of, under.started_at) if moved else before,
            marker_moved=moved,
            marker_note=under.note,
            resume=None if under.ending is Ending.DONE else under.resume,
            code=fault.code if fault else None,
            text=fault.text if fault else "",
            remedy=fault.remedy if fault else "",
            effects=run.tally.sums.effects,
            left_out=run.tally.sums.left_out,
            store=self._store,
            links=self._deep_links,
        )

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

    def _bind(self, session: Session, *, dry: bool, insist: bool = False) -> None:
        """Know whose books these are before anything is read; refuse another company's."""
        connection = session.connector.connection
        self._refuse_ended(connection)
        held = self._store.get(Identity, [connection]).get(connection)
        now = self._clock.now()
        age_max = BOOKS_AGE_INSISTING if insist else BOOKS_AGE_MAX
        recent = held is not None and abs(now - held.seen_at) < age_max
        if recent and not self._in_trouble(connection):
            return
        health = session.run(session.connector.check())
        if not dry:
            self._remember(contact_of(connection, health, now))
        if not health.signed_in or not health.reachable:
            usual = Code.SIGN_IN_REFUSED if health.reachable else Code.NOT_REACHED
            raise Fault(
                health.code or usual, f"{connection}: {'; '.join(health.notes)}"
            )
        if health.missing:
            text = f"{connection} lacks: {', '.join(health.missing)}"
            raise Fault(health.code or Code.PERMISSION_MISSING, text)
        books = health.books
        if books is None:
            return
        if held is not None and held.identity != books.identity:
            text = f"{connection} is {books.name or books.identity} now, it was {held.name}"
            raise Fault(Code.WRONG_COMPANY, text)
        seen = Identity(
            connection,
            books.identity,
            books.name,
            books.currency,
            books.zone,
            now,
            books.locked_through,
        )
        self._seen[connection] = seen
        if not dry and not self._store.commit(seen):
            raise StoreError(f"the books of {connection} could not be remembered")

    def _in_trouble(self, connection: str) -> bool:
        """Whether something was wrong with a connection when it was last looked at."""
        contact = self._store.get(Contact, [connection]).get(connection)
        return contact is not None and (
            contact.code is not None or contact.missing != ()
        )

    def _note_trouble(self, fault: Fault) -> None:
        """Remember which connection a run failed at: the next one looks at it first."""
        where, code, now = fault.connection, fault.code, self._clock.now()
        if not where or (code.scope, code.severity) != (Scope.CONNECTION, Severity.RED):
            return
        if code is Code.PERMISSION_MISSING:
            self._remember(Contact(where, now, missing=(fault.text,)))
        else:
            self._remember(Contact(where, now, code=code, text=fault.text))

    def _remember(self, contact: Contact) -> None:
        """Remember how a connection is, unless a person has ended it meanwhile."""
        held = self._store.get(Contact, [contact.connection]).get(contact.connection)
        if held is not None and held.ended:
            return
        before = None if held is None else {"at": held.at, "ended": False}
        expect = Expect(Contact, contact.connection, before)
        self._store.commit(contact, expect=[expect])

    def _identity(self, connection: str) -> Identity | None:
        """What is known of a connection's books, remembered or just seen."""
        held = self._store.get(Identity, [connection]).get(connection)
        return self._seen.get(connection, held)

    def _window(
        self, since: Begin, marker: Marker | None, verb: str, source: Session
    ) -> Window:
        """The window of one listing, in the zone of the books that are read."""
        if isinstance(since, ResumePoint):
            mine = (self.pair, verb, self._profile)
            if (since.pair, since.verb, since.profile) != mine:
                raise ConfigError(
                    "this resume point belongs to another pair, verb or profile"
                )
            return Window(since.start, since.trusting, since.label)
        books = self._identity(source.connector.connection)
        return window(
            since,
            now=self._clock.now(),
            books_zone=books.zone if books else None,
            marker=marker.at if marker else None,
            overlap=source.connector.capabilities.overlap,
        )

    def _marker(self, verb: str) -> Marker | None:
        key = key_of(self.pair, verb, self._profile)
        return self._store.get(Marker, [key]).get(key)

    def _restored(self) -> Restored | None:
        return self._store.get(Restored, ["store"]).get("store")

    def _forgetful(self) -> bool:
        """Whether the store was restored, and nothing has been compared since."""
        restored = self._restored()
        return restored is not None and self._profile not in restored.compared

    def _compared(self, run: Carrying, under: Under) -> bool:
        """Whether this run has seen all that runs that are forgotten may have written."""
        marker, moment = under.track.marker, under.track.moment
        return (
            bool(under.moved)
            and marker is not None
            and moment.start <= marker.at
            and run.rereads
            and run.restored is not None
            and self._profile not in run.restored.compared
            and not run.trusting
        )

    def _planned(self, sync: Callable[[DryAdapter], Report]) -> Plan:
        """What a sync would do, as a plan; where it ended early, an issue says why."""
        collect = _Collect()
        report = sync(collect)
        plan = evolve(join(collect.plans, collect.header), as_of=collect.as_of)
        if collect.header is not None and collect.header.verb != PAYMENTS:
            plan = self._priced(plan)
        if report.complete:
            return plan
        code = report.code or Code.RUN_IN_PROGRESS
        text = report.text or "The planning was stopped."
        why = Issue(code, text=text, remedy=report.remedy)
        return evolve(plan, complete=False, issues=(*plan.issues, why))

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


def contact_of(connection: str, health: Health, now: datetime) -> Contact:
    """What is remembered of a look at a connection."""
    code = None if health.missing else health.code
    if code is None and not (health.reachable and health.signed_in):
        code = Code.SIGN_IN_REFUSED if health.reachable else Code.NOT_REACHED
    text = "; ".join(health.notes) if code else ""
    return Contact(connection, now, missing=health.missing, code=code, text=text)


def _batch(capabilities: Capabilities) -> int:
    """The largest number of changes that this system takes at once."""
    return max((kind.batch_size for kind in capabilities.kinds.values()), default=1)
