"""
The proof that the books agree: both sides read, compared line by line, and certified.

A verification writes nothing to either side, and nothing to the store but that there was
one and what it found. How it goes about it stands in `tieout.proof.proving`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import localcontext
from itertools import islice

from attrs import evolve

from tieout.carrying import DOCUMENTS, Stopped
from tieout.connections import Connections
from tieout.errors import Code, ConfigError, Fault, Severity
from tieout.footing import PAYMENTS, Stop, Tell
from tieout.models import CreditNote, Invoice, Payment, RecordType, Settlement
from tieout.money import EXACT
from tieout.proof.certificate import Certificate, Scope, sealed
from tieout.proof.differences import Difference
from tieout.proof.explaining import Explaining
from tieout.proof.proving import Proving, selected
from tieout.proof.recognising import Recognising
from tieout.protocol import batches
from tieout.session import Session
from tieout.settings import Direction, Side
from tieout.store import Ending, Event, Run
from tieout.underway import run_name

VERIFY = "verify"
"""The verb under which verifications are on record."""

KINDS: tuple[RecordType, ...] = (Settlement, Invoice, CreditNote, Payment)
"""What holds money, and can be verified."""

EVENTS_MAX = 1_000
"""Unexplained differences that one verification writes down as events. Where there are
more, the books were never tied, and the certificate names them all."""


class Verification(Connections):
    """What an engine does to prove that the books agree."""

    def verify(
        self,
        first: date | None = None,
        last: date | None = None,
        *,
        kinds: Iterable[RecordType] = (),
        on_progress: Tell | None = None,
        stop: Stop | None = None,
    ) -> Certificate:
        """
        Read both sides fully and certify what they come to, and every difference.

        Documents dated from ``first`` through ``last``; without them, all there are.
        ``kinds``: of `Settlement`, `Invoice`, `CreditNote`, `Payment`; by default those
        that the settings carry (levels say what invoices do). Nothing is written to either
        side. A verification that ends early certifies nothing and says why. Raises
        `ConfigError` where a side cannot list what is wanted, and `StoreError`.
        """
        wanted = self._verified(kinds)
        if first is not None and last is not None and last < first:
            raise ConfigError(f"the range ends on {last}, before it begins on {first}")
        for session in self._sessions.values():
            for kind in wanted:
                selected(session.connector, kind, first, last)
        run = self._begun(first, last)
        scope = Scope(
            self.pair,
            self._billing.connector.connection,
            self._ledger.connector.connection,
            self.settings.digest(),
            wanted,
            run.started_at,
            run.started_at,
            first,
            last,
        )
        proving = self._proving(first, last, on_progress, stop)
        try:
            with proving, localcontext(EXACT):
                return self._proved(proving, scope, run)
        except Exception as error:
            # A bug, ours or the caller's, or a full disk: the run is on record all the same.
            self._ended(run, Ending.FAILED, text=type(error).__name__)
            raise

    def _verified(self, kinds: Iterable[RecordType]) -> tuple[RecordType, ...]:
        """The kinds that are meant, in one order."""
        given = set(kinds)
        if strangers := given - set(KINDS):
            names = ", ".join(sorted(getattr(e, "__name__", str(e)) for e in strangers))
            known = ", ".join(kind.__name__ for kind in KINDS)
            raise ConfigError(
                f"kinds: {names} cannot be verified; choose among {known}"
            )
        off = Direction.OFF
        carried = {e for e in KINDS if self.settings.direction(e) is not off}
        if Settlement in carried:
            carried.discard(Invoice)
        wanted = given or carried
        if not wanted:
            raise ConfigError(
                "the settings carry nothing that holds money: give kinds="
            )
        return tuple(kind for kind in KINDS if kind in wanted)

    def _begun(self, first: date | None, last: date | None) -> Run:
        """The record of a verification that has begun."""
        days = f"{first or 'the beginning'} to {last or 'the end'}"
        label = f"dated {days}" if first or last else "all dates"
        now = self._clock.now()
        run = Run(run_name(now), self.pair, VERIFY, self._profile, now, label)
        self._store.commit(run)
        return run

    def _proving(
        self,
        first: date | None,
        last: date | None,
        on_progress: Tell | None,
        stop: Stop | None,
    ) -> Proving:
        billing, ledger = self._billing, self._ledger
        reader = self._reader()
        sessions: dict[Side, Session] = {"billing": billing, "ledger": ledger}
        return Proving(
            reader=reader,
            sessions=sessions,
            settings=self.settings,
            recognising=Recognising(
                pair=self.pair,
                store=self._store,
                reader=reader,
                billing=billing.connector.connection,
            ),
            explaining=Explaining(
                pair=self.pair,
                verbs=(PAYMENTS, DOCUMENTS),
                store=self._store,
                reader=reader,
                sessions=sessions,
                settings=self.settings,
                first=first,
                last=last,
            ),
            today=self._clock.now().date(),
            on_progress=on_progress,
            stop=self._stopping(stop),
            first=first,
            last=last,
        )

    def _proved(self, proving: Proving, scope: Scope, run: Run) -> Certificate:
        """Prove each kind; whatever ends it, the run and the certificate say so."""
        ended, fault = self._prove(proving, scope.kinds)
        scope = evolve(
            scope,
            ended_at=self._clock.now(),
            read=dict(proving.read),
            unreadable=proving.unreadable,
            compared=proving.compared,
        )
        if ended is not Ending.DONE:
            code, why = (fault.code, str(fault)) if fault else (None, "it was stopped")
            self._ended(run, ended, code=code, text=why)
            scope = evolve(scope, complete=False, code=code, ended_early=why)
            return sealed(scope, (), (), (), run.id)
        counts = {kind.name: n for kind, n in proving.counts.items()}
        certificate = sealed(
            evolve(scope, counts=dict(sorted(counts.items())), red=proving.red),
            proving.statements.totals,
            proving.statements.customers(),
            proving.differences(),
            run.id,
        )
        for some in batches(_events(certificate, run), EVENTS_TOGETHER):
            self._store.commit(*some)
        words = {kind.word: n for kind, n in proving.counts.items()}
        counted = {"compared": proving.compared, **words}
        self._ended(run, ended, text=f"digest {certificate.digest}", counts=counted)
        return certificate

    def _prove(
        self, proving: Proving, kinds: Iterable[RecordType]
    ) -> tuple[Ending, Fault | None]:
        """How the reading and comparing ended, and by what fault."""
        try:
            for session in self._sessions.values():
                self._bind(session, dry=True)
            for kind in kinds:
                proving.prove(kind)
        except Stopped:
            return Ending.STOPPED, None
        except Fault as fault:
            red = fault.code.severity is Severity.RED
            return (Ending.FAILED if red else Ending.STOPPED), fault
        return Ending.DONE, None

    def _ended(
        self,
        run: Run,
        ending: Ending,
        *,
        code: Code | None = None,
        text: str = "",
        counts: Mapping[str, int] | None = None,
    ) -> None:
        now, counted = self._clock.now(), counts or {}
        ended = evolve(
            run, ending=ending, ended_at=now, code=code, text=text, counts=counted
        )
        self._store.commit(ended)


EVENTS_TOGETHER = 500
"""Events in one commit."""


def _events(certificate: Certificate, run: Run) -> Iterator[Event]:
    """That a verification was made, and what it found that nothing explains."""
    at = certificate.scope.ended_at
    text = f"{certificate.unexplained} unexplained differences; digest {certificate.digest}"
    yield Event(run.id, 1, run.pair, at, "verified", text=text)
    open_ones = (each for each in certificate.differences if not each.kind.explained)
    for serial, each in enumerate(islice(open_ones, EVENTS_MAX), 2):
        yield _event(each, run, serial, at)


def _event(found: Difference, run: Run, serial: int, at: datetime) -> Event:
    return Event(
        run.id,
        serial,
        run.pair,
        at,
        "difference",
        kind=found.about,
        source=found.ledger or found.billing,
        target=found.billing if found.ledger else None,
        numbers=(found.number,) if found.number else (),
        code=found.code,
        text=str(found),
        before=found.in_billing,
        after=found.in_ledger,
    )
