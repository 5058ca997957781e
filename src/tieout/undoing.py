"""
Taking a batch back: its marks in billing, or the levels that it wrote, and then the batch.

What is in the ledger stays. What cannot be taken back stays in the batch.
"""

from __future__ import annotations

from collections.abc import Iterator

from tieout.carrying import DOCUMENTS
from tieout.documents import CHECK_SIZE, DocumentRun
from tieout.errors import ConfigError
from tieout.footing import PAYMENTS, Stop, Tell
from tieout.protocol import batches
from tieout.register import Register
from tieout.report import Report
from tieout.run import PaymentRun
from tieout.store import Batch, BatchType, Event
from tieout.underway import Track, run_name
from tieout.verbs import DocumentVerbs
from tieout.windows import Window
from tieout.withdrawal import Reshowing, Unmarking, close


class Undoing(DocumentVerbs):
    """What an engine does to list and take back what was done by hand."""

    @property
    def _register(self) -> Register:
        return Register(self._store, self.pair)

    def batches(self) -> Iterator[Batch]:
        """What was done by hand and can be undone, the oldest first."""
        return self._register.batches()

    def undo(
        self,
        batch: Batch | str,
        *,
        on_progress: Tell | None = None,
        stop: Stop | None = None,
        by: str = "",
    ) -> Report:
        """
        Take a batch back in billing, and forget it; the ledger's documents stay.

        Its invoices are not handed over any more, and a later posting updates the ledger's
        documents instead of making others. Of a batch of payments, what billing showed
        before is shown again, where it still shows what was written. What somebody else
        has handed over since is left alone. What could not be taken back stays in the
        batch. ``by`` is who says so, which is written down. Raises `ConfigError` for a batch that is not there.
        """
        name = batch if isinstance(batch, str) else batch.id
        held = self._batch(name)
        self._store.commit(self._to_undo(held, by or self._profile))
        if held.type is BatchType.PAID:
            return self._undo_levels(held, on_progress, stop)
        return self._undo_marks(held, on_progress, stop)

    def _batch(self, name: str) -> Batch:
        held = self._register.batch(name)
        if held is None:
            raise ConfigError(f"there is no batch {name!r} of this pair")
        return held

    def _to_undo(self, batch: Batch, by: str) -> Event:
        """That somebody wants a batch taken back."""
        now = self._clock.now()
        text = f"{batch.id}, by {by}"
        return Event(run_name(now), 1, self.pair, now, "batch to undo", text=text)

    def _by_hand(self, verb: str, label: str) -> Track:
        return Track(verb, Window(self._clock.now(), trusting=False, label=label))

    # Marks --------------------------------------------------------------------------------

    def _undo_marks(
        self, batch: Batch, on_progress: Tell | None, stop: Stop | None
    ) -> Report:
        under = self._begin(self._by_hand(DOCUMENTS, f"undo of batch {batch.id}"))
        run = DocumentRun(**self._common(DOCUMENTS, None, on_progress, stop, under))
        billing = self._billing.connector.connection

        def work() -> None:
            self._bind(self._billing, dry=False)
            for doubt in run.recover(billing):
                run.tell(doubt)
            taking = Unmarking(run, billing)
            members = list(self._register.members(self._batch(batch.id)))
            run.total = len(members)
            for some in taking.groups(members):
                run.check_stop()
                taking.take_back(some)
            close(run, batch)

        return self._carried(run, under, work, moves_marker=False)

    # Levels -------------------------------------------------------------------------------

    def _undo_levels(
        self, batch: Batch, on_progress: Tell | None, stop: Stop | None
    ) -> Report:
        under = self._begin(self._by_hand(PAYMENTS, f"undo of batch {batch.id}"))
        run = PaymentRun(**self._payment_common(None, on_progress, stop, under))

        def work() -> None:
            self._bind(self._billing, dry=False)
            run.recover()
            taking = Reshowing(run)
            members = list(self._register.members(self._batch(batch.id)))
            run.total = len(members)
            for some in batches(members, CHECK_SIZE):
                run.check_stop()
                taking.take_back(some)
            close(run, batch)

        return self._carried(run, under, work, moves_marker=False)
