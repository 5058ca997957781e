"""
Sync by hand: what is not posted yet, posting it, marking it only, the paid dates, undoing.

Each run makes a batch that can be listed and undone. How the invoices are carried stands
in `tieout.handing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date

from attrs import evolve, frozen

from tieout.adapters import Adapter, DryAdapter
from tieout.capabilities import Open, Unposted, Verb
from tieout.carrying import Carrying
from tieout.change import Action, Change, Issue, State, change_name
from tieout.documents import DocumentRun
from tieout.errors import ConfigError
from tieout.footing import PAYMENTS, Stop, Tell
from tieout.handing import Marking, PaidDatesRun, PostingRun
from tieout.models import Invoice, Posting, Ref, Settlement, fingerprint
from tieout.plan import Plan
from tieout.protocol import Page, batches
from tieout.reading import Batch as Levels
from tieout.reading import fetched, listed
from tieout.report import Report
from tieout.run import CHECK_SIZE, PaymentRun
from tieout.store import Batch, BatchType, Gone, Member, key_of
from tieout.survey import Survey
from tieout.syncing import goes
from tieout.underway import Track, Under
from tieout.verbs import DOCUMENTS, DocumentVerbs
from tieout.windows import Window


@frozen
class Listing:
    """Invoices that were not posted through a day, and issues of unreadable ones."""

    through: date
    invoices: tuple[Invoice, ...] = ()
    issues: tuple[Issue, ...] = ()


class Handover(DocumentVerbs):
    """What an engine does by hand, invoice by invoice."""

    def unsynced(self, through: date) -> Listing:
        """
        The invoices that billing says were not handed over, dated through a day (included).

        Read anew at each call; nothing is written. Raises `ConfigError` where billing
        cannot tell, and `Fault` where it cannot be read.
        """
        self._check_unposted()
        self._bind(self._billing, dry=True)
        invoices: list[Invoice] = []
        issues: list[Issue] = []
        for page in self._unposted(through):
            invoices.extend(page.records)
            issues.extend(page.issues)
        return Listing(through, tuple(invoices), tuple(issues))

    def batches(self) -> Iterator[Batch]:
        """What was done by hand and can be undone, the oldest first."""
        after = ""
        while some := self._store.find(Batch, "pair", self.pair, after):
            yield from some
            after = key_of(self.pair, some[-1].id)

    def mark_posted(
        self,
        through: date,
        only: Iterable[str] = (),
        *,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
        by: str = "",
    ) -> Report:
        """
        Call invoices handed over without posting them: the ledger is not asked.

        ``only``: their ids or numbers; without it, all that `unsynced` lists. Makes a
        batch of type "do not post".
        """
        self._check_unposted()
        names = _names(only)
        under = self._begin(self._by_hand(DOCUMENTS, f"do not post through {through}"))
        run = DocumentRun(**self._common(DOCUMENTS, None, on_progress, stop, under))
        marking = Marking(run, self._billing.connector.connection)

        def work() -> None:
            self._bind(self._billing, dry=False)
            for doubt in run.recover():
                run.tell(doubt)
            for page in self._unposted(through):
                run.check_stop()
                run.carry(Plan(issues=page.issues))
                chosen = [each for each in page.records if _chosen(each, names)]
                marking.mark(chosen, self._clock.now())

        return self._recorded(
            run, under, work, BatchType.MARKED, through, by, marking.members
        )

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
        able = self._billing.connector.capabilities.kind(Settlement)
        if Open not in able.selects:
            system = self._billing.connector.capabilities.system
            raise ConfigError(f"{system} cannot tell which invoices are open")
        track = self._by_hand(PAYMENTS, f"paid dates through {through}")
        under = self._begin(track)
        common = self._payment_common(None, on_progress, stop, under)
        run = PaidDatesRun(**common)
        run.rereads = True

        def work() -> None:
            for session in (self._billing, self._ledger):
                self._bind(session, dry=False)
            run.recover()
            for page in listed(self._billing, Settlement, Open(through)):
                links = run.reader.ties((each.ref, "") for each in page.records)
                ids = [link.ledger.id for link in links.values() if not link.released]
                for found in run.reader.fetch_ledger(ids=ids):
                    run.process(Levels(found.records, found.issues, found.gone))

        report = self._recorded(
            run, under, work, BatchType.PAID, through, by, run.members
        )
        if self._auto_pay is not None:
            for member in run.members.values():
                if member.state is State.APPLIED:
                    self._auto_pay.paid(member.invoice)
        return report

    def undo(
        self,
        batch: Batch | str,
        *,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
    ) -> Report:
        """
        Take a batch back in billing, and forget it; the ledger's documents stay.

        Its invoices are not handed over any more, and a later posting updates the ledger's
        documents instead of making others. Of a batch of payments, what billing showed
        before is shown again, where it still shows what was written. What could not be
        taken back stays in the batch. Raises `ConfigError` for a batch that is not there.
        """
        name = batch if isinstance(batch, str) else batch.id
        key = key_of(self.pair, name)
        held = self._store.get(Batch, [key]).get(key)
        if held is None:
            raise ConfigError(f"there is no batch {name!r}")
        flow = self._undo_levels if held.type is BatchType.PAID else self._undo_marks
        report, left = flow(held, on_progress, stop)
        self._keep(held, left)
        return report

    # How it is done -----------------------------------------------------------------------

    def _sync_by_hand(
        self,
        through: date,
        only: Iterable[str],
        adapter: Adapter | DryAdapter | None,
        on_progress: Tell | None,
        stop: Stop | None,
        by: str,
    ) -> Report:
        """Post chosen invoices, and put it on record as a batch."""
        self._check_unposted()
        names = _names(only)
        if not goes(self.settings.direction(Invoice), outward=True):
            raise ConfigError("directions[Invoice]: invoices do not go to the ledger")
        course = self._course(Invoice, outward=True, by_hand=True)
        track = self._by_hand("invoices", f"unposted through {through}")
        under = self._begin(track)
        common = self._common(DOCUMENTS, adapter, on_progress, stop, under)
        sessions = self._sessions
        run = PostingRun(
            survey=Survey(self.pair, self._store, common["reader"], sessions),
            sessions=sessions,
            only=names,
            billing=course.source,
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
            for page in self._unposted(through):
                run.process(page)

        return self._recorded(
            run, under, work, BatchType.POSTED, through, by, run.members
        )

    def _undo_marks(
        self, batch: Batch, on_progress: Tell | None, stop: Stop | None
    ) -> tuple[Report, list[Member]]:
        under = self._begin(self._by_hand(DOCUMENTS, f"undo of batch {batch.id}"))
        run = DocumentRun(**self._common(DOCUMENTS, None, on_progress, stop, under))
        connection = self._billing.connector.connection
        marking = Marking(run, connection)

        def work() -> None:
            self._bind(self._billing, dry=False)
            for doubt in run.recover():
                run.tell(doubt)
            ids = [each.invoice.id for each in batch.members if _was_done(each)]
            for some in batches(ids, CHECK_SIZE):
                run.check_stop()
                for page in run.reader.fetch(connection, Invoice, some):
                    marking.mark(page.records, None)

        report = self._carried(run, under, work, moves_marker=False)
        done = {r for r, m in marking.members.items() if m.state is State.APPLIED}
        stuck = marking.members
        left = [
            evolve(each, text=stuck[each.invoice].text or each.text)
            if each.invoice in stuck
            else each
            for each in batch.members
            if _was_done(each) and each.invoice not in done
        ]
        return report, left

    def _undo_levels(
        self, batch: Batch, on_progress: Tell | None, stop: Stop | None
    ) -> tuple[Report, list[Member]]:
        under = self._begin(self._by_hand(PAYMENTS, f"undo of batch {batch.id}"))
        run = PaymentRun(**self._payment_common(None, on_progress, stop, under))
        wanted = {e.invoice.id: e for e in batch.members if _was_done(e)}
        done: set[str] = set()

        def work() -> None:
            self._bind(self._billing, dry=False)
            run.recover()
            for some in batches(wanted, CHECK_SIZE):
                run.check_stop()
                for page in run.reader.fetch_billing(ids=some):
                    changes = self._taken_back(run, page, wanted, done)
                    run.carry(Plan(tuple(changes)))
                    for change in changes:
                        assert change.target is not None
                        assert run.journal is not None
                        stage = run.journal.stage(change.name)
                        if stage is not None and stage.value == "applied":
                            done.add(change.target.id)

        report = self._carried(run, under, work, moves_marker=False)
        return report, [e for own, e in wanted.items() if own not in done]

    def _taken_back(
        self,
        run: PaymentRun,
        page: Page[Settlement],
        wanted: dict[str, Member],
        done: set[str],
    ) -> list[Change]:
        """The changes that show again what was shown before, where ours still is shown."""
        links = run.reader.ties((each.ref, "") for each in page.records)
        changes: list[Change] = []
        for now in page.records:
            member, link = wanted[now.ref.id], links.get((now.ref, ""))
            was, ours = member.was, member.is_now
            if was is None or ours is None or link is None:
                continue
            if (now.paid, now.paid_on) != (ours.paid, ours.paid_on):
                done.add(now.ref.id)  # somebody else's word stands there by now
                continue
            kind = Settlement.__name__
            after = evolve(
                now,
                settled_by=was.settled_by,
                balance=was.balance,
                status=was.status,
                paid_on=was.paid_on,
                last_on=was.last_on,
            )
            changes.append(
                Change(
                    change_name(
                        now.ref.connection,
                        kind,
                        link.ledger,
                        0,
                        Action.UPDATE,
                        link.version,
                    ),
                    Action.UPDATE,
                    Settlement,
                    now.ref.connection,
                    link.ledger,
                    target=now.ref,
                    before=now,
                    after=after,
                    link_version=link.version,
                    number=now.number,
                    # Nothing is agreed by it: the next sync compares, and writes again.
                    agreed=f"undone {fingerprint(after)}",
                    owned=link.owned,
                    reason="the batch was undone",
                )
            )
        return changes

    def _recorded(
        self,
        run: Carrying,
        under: Under,
        work: Callable[[], None],
        type_: BatchType,
        through: date,
        by: str,
        members: dict[Ref, Member],
    ) -> Report:
        """Carry out a run by hand; what it did is a batch, whatever ended it."""
        report = self._carried(run, under, work, moves_marker=False)
        if members and run.journal is not None:
            batch = Batch(
                self.pair,
                under.id,
                type_,
                under.started_at,
                by or self._profile,
                through,
                tuple(members.values()),
            )
            self._store.commit(batch)
            return evolve(report, batch=under.id)
        return report

    def _keep(self, batch: Batch, left: Sequence[Member]) -> None:
        """Forget a batch, or keep what of it could not be taken back."""
        if left:
            self._store.commit(evolve(batch, members=tuple(left)))
        else:
            self._store.commit(Gone(Batch, key_of(self.pair, batch.id)))

    def _by_hand(self, verb: str, label: str) -> Track:
        return Track(verb, Window(self._clock.now(), trusting=False, label=label))

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


def _names(only: Iterable[str]) -> frozenset[str]:
    if isinstance(only, str):
        raise ConfigError("only= takes several ids or numbers: put the one in a list")
    return frozenset(only)


def _chosen(invoice: Invoice, names: frozenset[str]) -> bool:
    return not names or not names.isdisjoint({invoice.ref.id, invoice.number})


def _was_done(member: Member) -> bool:
    """Whether something was written of a member, or may have been."""
    return member.state in (State.APPLIED, State.UNKNOWN)
