"""
How long the log is kept: old events are forgotten, on record, and none that is still needed.

Kept, however old: what tells of a tie as it is now, or that one was let go, since the ties
can be made anew from the log; and what happened to records whose issue is still open. Runs,
ties, issues and the journal are not touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from tieout.carrying import DOCUMENTS
from tieout.chronicle import PAGE
from tieout.errors import ConfigError
from tieout.footing import PAYMENTS
from tieout.journal import Journal
from tieout.models import Link, Ref
from tieout.noting import about
from tieout.store import Event, Held, IssueRow, key, key_of
from tieout.troubles import Troubles
from tieout.underway import run_name


class Retention(Troubles):
    """What an engine does about a log that grows."""

    def forget_events(self, before: datetime, reason: str, *, by: str = "") -> int:
        """
        Forget what happened before an instant; how many events that were.

        Why, and by whom, is written down. What is still needed stays: see
        `tieout.retention`. Raises `ConfigError` without a reason, or for an instant that
        has no zone or is yet to come, and `Fault` RUN_IN_PROGRESS while a run holds the
        pair.
        """
        now = self._clock.now()
        if before.tzinfo is None or before > now:
            raise ConfigError("before= is an instant of the past, with its time zone")
        if not reason.strip():
            raise ConfigError("reason= says why: who looks for an event will ask")
        why = f"by {by or self._profile}: {reason}"
        journal = self._journal(DOCUMENTS, run_name(now))
        journal.acquire()
        try:
            return self._forget(journal, before, why)
        finally:
            journal.release()

    def _forget(self, journal: Journal, before: datetime, why: str) -> int:
        """A page at a time, each with its note in the same transaction."""
        count, after = 0, ""
        while some := self._store.find(Event, "pair", self.pair, after, PAGE):
            after = key(some[-1])
            old = [each for each in some if each.at < before]
            gone = [key(each) for each in self._unneeded(old)]
            count += len(gone)
            if gone:
                told = f"{count} events before {before:%Y-%m-%d %H:%M}, {why}"
                journal.forget(gone, told)
        return count

    def _unneeded(self, old: Sequence[Event]) -> Iterable[Event]:
        """Those of some old events that nothing depends on any more."""
        told = {key(each.link): each.link for each in old if each.link is not None}
        links = self._store.get(Link, told)
        open_ones = self._open_among(old)
        for event in old:
            if event.let_go is not None or event.source in open_ones:
                continue
            if event.link is None or links.get(key(event.link)) != event.link:
                yield event

    def _open_among(self, events: Iterable[Event]) -> set[Ref]:
        """The records of these events about which an issue is open."""
        sources = {each.source for each in events if each.source is not None}
        keys = [
            key_of(self.pair, verb, about(source))
            for source in sources
            for verb in (PAYMENTS, DOCUMENTS)
        ]
        rows = self._store.get(IssueRow, keys).values()
        found = (each.issue.source for each in rows if each.held is Held.OPEN)
        return {source for source in found if source is not None}
