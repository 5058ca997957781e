"""
Carrying at once: one record that has just changed, or all that the settings switch on.

Which ways a kind goes stands in `tieout.verbs`; when somebody calls, in `tieout.schedule`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from tieout.errors import Code, ConfigError
from tieout.footing import PAYMENTS, Begin, Stop, Tell
from tieout.handover import Handover
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    Record,
    RecordType,
    Ref,
    Settlement,
)
from tieout.report import Report
from tieout.settings import Direction
from tieout.syncing import PLANNERS
from tieout.verbs import Asked, verb_of
from tieout.windows import Since

NOT_LET_IN = frozenset(
    {
        Code.SIGN_IN_REFUSED,
        Code.RECONNECT_NEEDED,
        Code.LOCKED_OUT,
        Code.WRONG_COMPANY,
        Code.DISCONNECTED,
    }
)
"""What the other kinds of a sync would meet too: a password is not tried five times."""


class Dispatch(Handover):
    """What an engine does to carry what is due, or what it is told of."""

    def push(self, record: Ref | Record) -> Report:
        """
        Carry one record of either side now, because it has just changed.

        Of a ledger invoice that is not carried itself, what was paid of it. Raises
        `ConfigError` where records of its kind do not go from there.
        """
        ref = record if isinstance(record, Ref) else record.ref
        if isinstance(record, Settlement) or self._is_level(ref):
            return self._sync_named([ref.id], None, None, None, pushed=True)
        return self._carry_again(ref)

    def sync_now(
        self,
        since: Begin = Since.PAST_MONTH,
        *,
        retry: bool = True,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
    ) -> tuple[Report, ...]:
        """
        Carry all that the settings switch on, each kind behind those it depends on.

        From the last successful run of each kind; ``since`` is for those that had none
        yet. Each record ends carried, or as an issue. ``retry``: all that could not be
        carried before is tried again, as after something was put right on the other side;
        without it, only what may go through by itself by now. A report for each kind; one
        that ends early does not stop the others, unless nobody is let in. Raises as
        `sync_payments` does.
        """
        reports: list[Report] = []
        for task in self._tasks(since, on_progress, stop, retry=retry):
            reports.append(task())
            stopped = stop is not None and stop()
            if stopped or reports[-1].code in NOT_LET_IN:
                break
        return tuple(reports)

    # How it is done -----------------------------------------------------------------------

    def _tasks(
        self,
        since: Begin,
        on_progress: Tell | None,
        stop: Stop | None,
        *,
        retry: bool,
    ) -> Iterator[Callable[[], Report]]:
        """All that the settings switch on, each kind behind those it depends on."""
        for kind in PLANNERS:
            if self.settings.direction(kind) is not Direction.OFF:
                asked = Asked(self._since_last(kind, since), insist=retry)
                yield partial(
                    self._sync_documents, kind, asked, None, on_progress, stop
                )
        if self.settings.direction(Settlement) is not Direction.OFF:
            begin = Since.LAST_RUN if self._marker(PAYMENTS) else since
            levels = partial(self._sync_levels, begin, None, on_progress, stop, None)
            yield partial(levels, insist=retry)

    def _since_last(self, kind: RecordType, since: Begin) -> Begin:
        """From the last run of a kind, if all of its ways had one."""
        tracks = self._courses(kind, Asked())
        known = all(self._marker(verb_of(course)) for course in tracks)
        return Since.LAST_RUN if known else since

    def _is_level(self, ref: Ref) -> bool:
        """Whether of a ledger's invoice only what was paid is carried."""
        theirs = ref.connection == self._ledger.connector.connection
        if not theirs or ref.kind != Invoice.__name__:
            return False
        inward = self.settings.direction(Invoice).goes(outward=False)
        return not inward and self.settings.direction(Settlement) is not Direction.OFF

    def _carry_again(self, source: Ref, *, insist: bool = False) -> Report:
        """One record of either side, by the way that its kind goes from there."""
        kind = _KINDS.get(source.kind)
        if kind is None:
            raise ConfigError(f"{source.kind} records are not carried on their own")
        name = source.id
        if kind is Application:
            owner = self._owner(source)
            kind, name = _KINDS[owner.kind], owner.id
        outward = source.connection == self._billing.connector.connection
        asked = Asked(
            only=frozenset({name}),
            label=f"{name} again",
            outward=outward,
            insist=insist,
        )
        return self._sync_documents(kind, asked)

    def _owner(self, put: Ref) -> Ref:
        """The payment or credit note that an application belongs to."""
        session = self._session_of(put.connection)
        page = session.run(session.connector.fetch(Application, ids=[put.id]))
        found: list[Record] = [each for each in page.records if each.ref == put]
        if not found:
            raise ConfigError(f"{put.id} is not there any more: run its kind once more")
        owner = put.id.partition(":")[0]
        application = found[0]
        assert isinstance(application, Application)
        if application.source.kind == Payment.__name__ or not owner:
            return application.source
        # Some systems apply a credit by a payment, whose id theirs begins with.
        paid = session.run(session.connector.fetch(Payment, ids=[owner]))
        return paid.records[0].ref if paid.records else application.source


_KINDS: Mapping[str, RecordType] = {
    kind.__name__: kind
    for kind in (Customer, Invoice, CreditNote, Payment, Application)
}
