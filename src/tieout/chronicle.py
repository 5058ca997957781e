"""
What has happened, as it was written down: the runs, how each ended, and the events in them.

Nothing is written here. How long events are kept stands in `tieout.retention`, what they
say of one number in `tieout.inquiry`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from tieout.dispatch import Dispatch
from tieout.errors import Code
from tieout.models import clean_number
from tieout.store import Event, Run, key, key_of

PAGE = 1000
"""Rows read from the store at a time."""

LATELY = timedelta(days=31)
"""How far back a last run is looked for: who runs less often is not waiting for one."""


class Chronicle(Dispatch):
    """What an engine does to tell what has happened."""

    def runs(self) -> Iterator[Run]:
        """The runs of this pair, the oldest first: when, by whom, and how each ended."""
        for run in self._found_runs(""):
            yield run.by(self._remedies)

    def last_runs(self) -> dict[str, Run]:
        """
        By what it was to carry, the last run of the past month: when it ended, and how.

        Of some records alone, one that ended well is not taken for the last.
        """
        begun = self._clock.now() - LATELY
        last: dict[str, Run] = {}
        for run in self._found_runs(f"{begun:%Y%m%dT%H%M%S}"):
            if not run.task:
                continue  # a verification: it was to carry nothing
            held = last.get(run.task)
            heals = held is not None and not held.whole
            if run.whole or run.code is not None or heals:
                last[run.task] = run.by(self._remedies)
        return last

    def events(
        self,
        *,
        number: str = "",
        run: str = "",
        code: Code | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Event]:
        """
        What happened: by document number, by run, by code, by time; run after run.

        Each try of each record is an event of its own. ``until`` is included.
        """
        for event in self._events(clean_number(number), run):
            if code is not None and event.code is not code:
                continue
            if since is not None and event.at < since:
                continue
            if until is None or event.at <= until:
                yield event

    # How it is done -----------------------------------------------------------------------

    def _events(self, number: str, run: str) -> Iterator[Event]:
        if number:
            return self._found("number", key_of(self.pair, number))
        return self._found("run", run) if run else self._found("pair", self.pair)

    def _found(self, index: str, value: str | Collection[str]) -> Iterator[Event]:
        after = ""
        while some := self._store.find(Event, index, value, after, PAGE):
            yield from some
            after = key(some[-1])

    def _found_runs(self, after: str) -> Iterator[Run]:
        """The runs of this pair, by their time, from behind a name."""
        while some := self._store.find(Run, "all", self.pair, after, PAGE):
            yield from some
            after = some[-1].id
