"""
The payment sync: levels of money, read from the ledger and shown in billing.

The order of its steps; how each is done stands in `tieout.reading` and `tieout.run`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from attrs import define, field

from tieout.adapters import Adapter, DryAdapter
from tieout.capabilities import Changed, Verb
from tieout.carrying import WAVE_ROUNDS
from tieout.change import Issue
from tieout.costs import LevelCost, Priced
from tieout.errors import Code, ConfigError
from tieout.footing import PAYMENTS, Begin, Footing, Stop, Tell
from tieout.models import Invoice, Ref, Settlement, clean_number
from tieout.protocol import Connector, Page
from tieout.reading import Batch, Start
from tieout.report import Report
from tieout.run import PaymentRun
from tieout.settings import Direction
from tieout.store import ResumePoint, Sweep, key_of
from tieout.underway import Track, Under
from tieout.windows import Since, Window


class Levels(Footing):
    """What an engine does to carry levels."""

    def _check_sides(self, billing: Connector, ledger: Connector) -> None:
        super()._check_sides(billing, ledger)
        if self.settings.direction(Settlement) is not Direction.OFF:
            check_levels(billing, ledger)

    def _sync_levels(
        self,
        since: Begin,
        adapter: Adapter | DryAdapter | None,
        on_progress: Tell | None,
        stop: Stop | None,
        recheck: bool | None,
        *,
        insist: bool = False,
    ) -> Report:
        self._check_levels_on()
        marker = self._marker(PAYMENTS)
        moment = self._window(since, marker, PAYMENTS, self._ledger)
        track = Track(PAYMENTS, moment, marker)
        under = self._begin(track)  # refused before any call
        under.resume = since if isinstance(since, ResumePoint) else None
        run = self._payment_run(adapter, on_progress, stop, under)
        run.insist = insist
        if run.sink is not None:
            run.sink = Priced(run.sink, self._level_cost())

        def work() -> None:
            if run.sink is not None:
                passed = isinstance(since, ResumePoint) and since.cursor is not None
                run.sink.begin(self._header(track.moment, whole=not passed))
            for session in (self._billing, self._ledger):
                self._bind(session, dry=run.journal is None, insist=insist)
            # Now in the books' own zone.
            track.moment = self._window(since, marker, PAYMENTS, self._ledger)
            free = self._billing.connector.capabilities.free_reads
            trusting = track.moment.trusting and not free
            run.trusting = trusting if recheck is None else not recheck
            # What a restored store calls agreed, forgotten runs may have written over.
            run.trusting = run.trusting and not self._forgetful()
            try:
                self._read_levels(run, under, since)
            finally:
                track.as_of, track.token = run.reader.as_of, run.reader.token

        return self._carried(run, under, work)

    def _check_levels_on(self) -> None:
        if self.settings.direction(Settlement) is Direction.OFF:
            raise ConfigError("payment levels are switched off in the settings")

    def _sync_named(
        self,
        only: Collection[str],
        adapter: Adapter | DryAdapter | None,
        on_progress: Tell | None,
        stop: Stop | None,
        *,
        insist: bool = False,
        pushed: bool = False,
    ) -> Report:
        """
        Carry the levels of named ledger invoices, compared with billing as it is.

        A name that is of none is an issue, unless a system ``pushed`` it: it may be gone
        by now, and was asked for by nobody.
        """
        self._check_levels_on()
        names = sorted(only)
        label = f"{len(names)} named {'record' if len(names) == 1 else 'records'}"
        moment = Window(self._clock.now(), trusting=False, label=label)
        under = self._begin(Track(PAYMENTS, moment))
        run = self._payment_run(adapter, on_progress, stop, under)
        if run.sink is not None:
            run.sink = Priced(run.sink, self._level_cost())

        def work() -> None:
            if run.sink is not None:
                run.sink.begin(self._header(moment, whole=False))
            for session in (self._billing, self._ledger):
                self._bind(session, dry=run.journal is None, insist=insist)
            run.rereads = True
            run.recover()
            named = Named(run, names, self._ledger.connector.connection)
            for page in run.reader.fetch_ledger(ids=names, numbers=names):
                named.meet(page)
                run.process(Batch(page.records, page.issues, page.gone))
            if not pushed:
                named.end()

        return self._carried(run, under, work, moves_marker=False)

    def _payment_run(
        self,
        adapter: Adapter | DryAdapter | None,
        on_progress: Tell | None,
        stop: Stop | None,
        under: Under,
    ) -> PaymentRun:
        return PaymentRun(**self._payment_common(adapter, on_progress, stop, under))

    def _payment_common(
        self,
        adapter: Adapter | DryAdapter | None,
        on_progress: Tell | None,
        stop: Stop | None,
        under: Under,
    ) -> dict[str, Any]:
        """What every run of levels is made of."""
        common = self._common(PAYMENTS, adapter, on_progress, stop, under)
        billing = self._billing.connector.capabilities
        ours = {"wave": self._level_wave(), "auto_pay": self._auto_pay}
        return {**common, "billing": billing, **ours}

    def _level_wave(self) -> int:
        """How many levels are sent after one durable transaction, to billing alone."""
        batch = self._billing.connector.capabilities.kind(Settlement).batch_size
        return batch * self._billing.concurrency * WAVE_ROUNDS

    def _level_cost(self) -> LevelCost:
        """What counts the calls of a plan of payment levels."""
        billing, ledger = self._sides()
        return LevelCost(billing, ledger, self.settings.number_rule, self._level_wave())

    def _read_levels(self, run: PaymentRun, under: Under, since: Begin) -> None:
        """Recovery, then batch after batch, the resume point after each page."""
        run.rereads = True
        run.recover()
        again = run.again()
        point = since if isinstance(since, ResumePoint) else None
        marker = under.track.marker if since is Since.LAST_RUN else None
        start = Start(
            under.track.moment,
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

    def _point(self, run: PaymentRun, under: Under, cursor: str | None) -> None:
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
            start=under.track.moment.start,
            cursor=cursor if stable else None,
            as_of=run.reader.as_of if stable else None,
            label=under.track.moment.label,
            trusting=under.track.moment.trusting,
            run=under.id,
        )
        if run.journal is not None:
            run.journal.note(under.resume)

    def _sweep_due(self) -> bool:
        every = self._ledger.connector.capabilities.payments.sweep_every
        if every is None:
            return False
        key = key_of(self.pair, PAYMENTS)
        last = self._store.get(Sweep, [key]).get(key)
        return last is None or self._clock.now() - last.at >= every


def check_levels(billing: Connector, ledger: Connector) -> None:
    """Whether the two sides can tell and show levels. Raises `ConfigError`."""
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


@define
class Named:
    """Which of the names that were asked for are of a ledger invoice."""

    run: PaymentRun
    names: Collection[str]
    connection: str
    met: set[str] = field(factory=set)

    def meet(self, page: Page[Settlement]) -> None:
        """A page that was read: also what could not be read is there."""
        for record in page.records:
            self.met |= {record.ref.id, record.number}
        for issue in page.issues:
            self.met |= {issue.source.id if issue.source else "", *issue.numbers}
        self.met |= {ref.id for ref in page.gone}

    def end(self) -> None:
        """Say which names are of none; of an invoice that is tied, that it is gone."""
        run, about = self.run, {each: self._ref(each) for each in self.names}
        here = {each for each in about if {each, clean_number(each)} & self.met}
        if run.journal is not None:
            rows = run.rows(about[each] for each in sorted(here)).items()
            lost = [r for r, row in rows if row.issue.code is Code.NO_SUCH_RECORD]
            run.journal.clear(lost)
        missing = sorted(about.keys() - here)
        links = run.reader.links(missing)
        tied = {name for name in missing if name in links and not links[name].released}
        issues = [
            Issue(Code.NO_SUCH_RECORD, about[name], (name,))
            for name in missing
            if name not in tied
        ]
        gone = tuple(about[name] for name in sorted(tied))
        if issues or gone:
            run.process(Batch((), tuple(issues), gone))

    def _ref(self, name: str) -> Ref:
        return Ref(self.connection, Invoice.__name__, name)
