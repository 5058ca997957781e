"""
Sync by hand: what is not posted yet, posting it, marking it only, and the paid dates.

Each run makes a batch that can be listed and undone. How the invoices are carried stands
in `tieout.handing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date

from attrs import evolve, frozen

from tieout.adapters import Adapter, DryAdapter
from tieout.capabilities import Open, Unposted, Verb
from tieout.carrying import DOCUMENTS, Carrying
from tieout.change import Issue
from tieout.choosing import Choice
from tieout.documents import DocumentRun
from tieout.errors import ConfigError
from tieout.footing import PAYMENTS, Stop, Tell
from tieout.handing import PaidDatesRun, PostingRun
from tieout.marking import HAND_SIZE, HandingOver, say
from tieout.models import Invoice, Posting, Ref, Settlement
from tieout.protocol import Page, batches
from tieout.reading import fetched, listed
from tieout.report import Report
from tieout.store import Batch, BatchType
from tieout.survey import Survey
from tieout.underway import Under
from tieout.undoing import Undoing


@frozen
class Listing:
    """Invoices that were not posted through a day, and issues of unreadable ones."""

    through: date
    invoices: tuple[Invoice, ...] = ()
    issues: tuple[Issue, ...] = ()


class Handover(Undoing):
    """What an engine does by hand, invoice by invoice."""

    def unsynced(self, through: date) -> Listing:
        """
        The invoices that billing says were not handed over, dated through a day (included).

        Read anew at each call; nothing is written. Raises `ConfigError` where billing
        cannot tell, and `Fault` where it cannot be read.
        """
        self._check_unposted()
        self._bind(self._billing, dry=True)
        return self._listing(through, Choice.of(None))

    def mark_posted(
        self,
        through: date,
        only: Iterable[str | Ref] | None = None,
        *,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
        by: str = "",
    ) -> Report:
        """
        Call invoices handed over without posting them: the ledger is not asked.

        ``only``: by their `Ref`, id or number; without it, all that `unsynced` lists.
        Makes a batch of type "do not post": until that is undone, `sync_invoices` leaves
        its invoices alone, too.
        """
        self._check_unposted()
        choice = Choice.of(only)
        under = self._begin(self._by_hand(DOCUMENTS, f"do not post through {through}"))
        run = DocumentRun(**self._common(DOCUMENTS, None, on_progress, stop, under))
        billing = self._billing.connector.connection
        batch = self._new_batch(under, BatchType.MARKED, through, by)
        handing = HandingOver(run, billing, batch)

        def work() -> None:
            self._bind(self._billing, dry=False)
            for doubt in run.recover(billing):
                run.tell(doubt)
            chosen = self._meant(run, through, choice)
            run.total = len(chosen)
            for some in batches(chosen, HAND_SIZE):
                run.check_stop()
                at = self._clock.now()
                handing.hand_over([handing.blank(each) for each in some], at)

        return self._recorded(run, under, work)

    def sync_paid_dates(
        self,
        through: date,
        *,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
        by: str = "",
    ) -> Report:
        """
        Show in billing on which day its open invoices were wholly paid in the ledger.

        Of all invoices dated through a day (included) that are tied to a ledger document;
        what is paid in part is left alone, and nothing is written to the ledger. Makes a
        batch of type "payment".
        """
        self._check_levels_on()
        able = self._billing.connector.capabilities.kind(Settlement)
        if Open not in able.selects:
            system = self._billing.connector.capabilities.system
            raise ConfigError(f"{system} cannot tell which invoices are open")
        under = self._begin(self._by_hand(PAYMENTS, f"paid dates through {through}"))
        batch = self._new_batch(under, BatchType.PAID, through, by)
        common = self._payment_common(None, on_progress, stop, under)
        run = PaidDatesRun(batch=batch, **common)
        run.rereads = True

        def work() -> None:
            for session in (self._billing, self._ledger):
                self._bind(session, dry=False)
            run.recover()
            # All is read before anything is written: what is paid leaves the list.
            refs: list[Ref] = []
            for page in listed(self._billing, Settlement, Open(through)):
                run.check_stop()
                refs += [each.ref for each in page.records]
                say(run, [evolve(each, blocking=False) for each in page.issues])
            ids = list(dict.fromkeys(self._tied(run, refs)))
            run.total = len(ids)
            for found in run.reader.by_ids(ids):
                run.process(found)

        return self._recorded(run, under, work)

    # How it is done -----------------------------------------------------------------------

    def _sync_by_hand(
        self,
        through: date,
        only: Iterable[str | Ref] | None,
        adapter: Adapter | DryAdapter | None,
        on_progress: Tell | None,
        stop: Stop | None,
        by: str,
    ) -> Report:
        """Post chosen invoices, and put it on record as a batch."""
        self._check_unposted()
        choice = Choice.of(only)
        if not self.settings.direction(Invoice).goes(outward=True):
            raise ConfigError("directions[Invoice]: invoices do not go to the ledger")
        course = self._course(Invoice, outward=True, by_hand=True)
        track = self._by_hand("invoices", f"unposted through {through}")
        under = self._begin(track)
        common = self._common(DOCUMENTS, adapter, on_progress, stop, under)
        sessions = self._sessions
        run = PostingRun(
            survey=Survey(self.pair, self._store, common["reader"], sessions),
            sessions=sessions,
            billing=course.source,
            batch=self._new_batch(under, BatchType.POSTED, through, by),
            auto_pay=self._auto_pay,
            **common,
        )

        def work() -> None:
            if run.sink is not None:
                run.sink.begin(self._header(track.moment, DOCUMENTS, whole=False))
            for session in sessions.values():
                self._bind(session, dry=run.journal is None)
            for doubt in run.recover():
                run.tell(doubt)
            run.begin(self._bound(course))
            chosen = self._meant(run, through, choice)
            run.total = len(chosen)
            for some in batches(chosen, HAND_SIZE):
                run.post(some)

        return self._recorded(run, under, work)

    def _new_batch(
        self, under: Under, type_: BatchType, through: date, by: str
    ) -> Batch:
        who = by or self._profile
        return Batch(self.pair, under.id, type_, under.started_at, who, through)

    def _recorded(
        self, run: Carrying, under: Under, work: Callable[[], None]
    ) -> Report:
        """Carry out a run by hand; the report names its batch, if there is one."""
        report = self._carried(run, under, work, moves_marker=False)
        kept = self._register.batch(under.id) is not None
        return evolve(report, batch=under.id) if kept else report

    def _meant(self, run: DocumentRun, through: date, choice: Choice) -> list[Invoice]:
        """
        What is meant of the list as it is now; what there is to say of the choice is told.

        The list is read as a whole before anything is written: what is handed over leaves
        it, and where it goes on by position, others would be passed over.
        """
        listing = self._listing(through, choice, run.check_stop)
        chosen, issues = choice.settle(listing.invoices, listing.issues)
        say(run, issues)
        return chosen

    def _listing(
        self, through: date, choice: Choice, between: Callable[[], None] | None = None
    ) -> Listing:
        """The invoices that were not handed over and may be meant, each once."""
        invoices: dict[Ref, Invoice] = {}
        issues: list[Issue] = []
        for page in self._unposted(through):
            if between is not None:
                between()
            invoices.update((e.ref, e) for e in page.records if choice.wants(e))
            issues.extend(page.issues)
        return Listing(through, tuple(invoices.values()), tuple(issues))

    def _tied(self, run: PaidDatesRun, refs: Iterable[Ref]) -> Iterator[str]:
        """The ids of the ledger's documents of these invoices."""
        for link in run.reader.ties((ref, "") for ref in refs).values():
            if not link.released:
                yield link.ledger.id

    def _unposted(self, through: date) -> Iterator[Page[Invoice]]:
        """The invoices that were not handed over, in pages."""
        able = self._billing.connector.capabilities
        if Unposted in able.kind(Invoice).selects:
            yield from listed(self._billing, Invoice, Unposted(through))
            return
        for page in listed(self._billing, Posting, Unposted(through)):
            yield Page(issues=page.issues)
            ids = [each.ref.id for each in page.records]
            yield from fetched(self._billing, Invoice, ids, ())

    def _check_unposted(self) -> None:
        able = self._billing.connector.capabilities
        selects = able.kind(Invoice).selects | able.kind(Posting).selects
        if Unposted not in selects:
            text = f"{able.system} cannot tell which invoices were not posted"
            raise ConfigError(text)
        if not able.kind(Posting).can(Verb.UPDATE):
            raise ConfigError(f"{able.system} cannot be told that one was posted")
