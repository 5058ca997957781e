"""
What could not be carried, and what a person does about it: look, try again, leave alone.

One record has one open issue, whatever is tried; each try is an event. How a record is
carried stands elsewhere: trying again is carrying it once more, by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import chain

from attrs import evolve, frozen

from tieout.carrying import DOCUMENTS
from tieout.chronicle import PAGE, Chronicle
from tieout.clusters import Met, UnknownError, clustered
from tieout.errors import Code, ConfigError, Severity
from tieout.footing import PAYMENTS
from tieout.models import Posting, clean_number
from tieout.report import Report
from tieout.store import Event, Expect, Held, IssueRow, key, key_of
from tieout.underway import run_name


@frozen
class Standing:
    """
    How many issues are open, of which kinds, by which lights, and since when.

    ``oldest`` is the first time at which the oldest of them was met; ``noted`` how many
    records were carried all the same, and differ still.
    """

    count: int
    by_code: Mapping[Code, int]
    by_light: Mapping[Severity, int]
    oldest: datetime | None
    noted: int = 0

    def age(self, now: datetime) -> timedelta:
        """How long the oldest has been open."""
        return now - self.oldest if self.oldest else timedelta(0)


class Troubles(Chronicle):
    """What an engine does about issues."""

    def issues(
        self,
        *,
        code: Code | None = None,
        number: str = "",
        ignored: bool = False,
        noted: bool = False,
    ) -> Iterator[IssueRow]:
        """
        What is open, or (``ignored``) what a person wants left alone.

        ``noted``: of what was carried all the same, where both sides still differ.
        ``number`` is that of an invoice or other document: a payment is found by each of
        the invoices that it is for. Read from the store as you go on.
        """
        held = Held.IGNORED if ignored else Held.NOTED if noted else Held.OPEN
        for row in self._rows(held, clean_number(number)):
            if code is None or row.issue.code is code:
                yield evolve(row, issue=row.issue.by(self._remedies))

    def standing(self) -> Standing:
        """How many issues are open, of which kinds, and since when."""
        codes: dict[Code, int] = {}
        lights = dict.fromkeys(Severity, 0)
        oldest: datetime | None = None
        for row in self._rows(Held.OPEN, ""):
            codes[row.issue.code] = codes.get(row.issue.code, 0) + 1
            lights[row.issue.severity] += 1
            oldest = min(oldest or row.first_at, row.first_at)
        noted = sum(1 for _ in self.issues(noted=True))
        return Standing(sum(codes.values()), codes, lights, oldest, noted)

    def unknown_errors(self) -> tuple[UnknownError, ...]:
        """
        What the other systems said that no table knows, the most frequent first.

        Of what is open, and of the last runs. Messages that differ only in numbers, ids,
        dates and quoted names are one, with a count and an example; a row that is given
        as ``remedies=`` to the engine takes what it is for out of the list.
        """
        return clustered(self._unknown())

    def retry(self, issue: IssueRow | str, *, by: str = "") -> Report:
        """
        Carry the record of an issue once more, now.

        What goes through closes the issue; what does not, keeps its one row, with the new
        reason. ``by`` is who asks for it. Raises `ConfigError` where there is no such
        issue, where its record cannot be named (then the next run that reads it tries it
        again), where it is of a plan of the caller's own, or of a mark that was set by hand.
        """
        row = self._held(issue)
        source = row.issue.source
        if source is None:
            raise ConfigError("this issue names no record that could be carried again")
        if row.verb not in (PAYMENTS, DOCUMENTS):
            raise ConfigError(f"{row.verb} is planned by you: make a new plan of it")
        if source.kind == Posting.__name__:
            step = "post it by hand once more, or undo its batch"
            raise ConfigError(f"a mark is set by hand alone: {step}")
        self._put(row, Held.OPEN, "tried again", by)
        if row.verb == PAYMENTS:
            return self._sync_named([source.id], None, None, None, insist=True)
        return self._carry_again(source, insist=True)

    def ignore(self, issue: IssueRow | str, *, by: str = "") -> None:
        """
        Leave a record alone until it changes: its issue is open no more.

        ``by`` is who says so. Raises `ConfigError` where there is no such issue.
        """
        self._put(self._held(issue), Held.IGNORED, "ignored", by)

    # How it is done -----------------------------------------------------------------------

    def _unknown(self) -> Iterator[Met]:
        """What no table knows: open issues, and how the last runs ended."""
        for row in self._rows(Held.OPEN, ""):
            issue = row.issue
            told = (issue.code, issue.text, issue.remedy, issue.system)
            if not self._remedies.knows(*told):
                times = (row.first_at, row.last_at)
                numbers = issue.numbers
                yield Met(issue.system, issue.code, issue.text, *times, numbers)
        for run in self.last_runs().values():
            system, at = run.connection.partition(":")[0], run.ended_at
            if run.code is None or at is None:
                continue
            if not self._remedies.knows(run.code, run.text, run.remedy, system):
                yield Met(system, run.code, run.text, run.started_at, at)

    def _held(self, issue: IssueRow | str) -> IssueRow:
        """An issue as it stands now."""
        if isinstance(issue, IssueRow):
            rows: Iterable[IssueRow] = self._store.get(IssueRow, [key(issue)]).values()
        else:
            rows = chain(self._rows(Held.OPEN, ""), self._rows(Held.IGNORED, ""))
        name = issue if isinstance(issue, str) else issue.id
        for row in rows:
            if row.id == name and row.held in (Held.OPEN, Held.IGNORED):
                return row
        raise ConfigError(f"there is no issue {name!r}: it may have been closed")

    def _rows(self, held: Held, number: str) -> Iterator[IssueRow]:
        index, about = ("number", number) if number else ("held", held.value)
        after, value = "", key_of(self.pair, about)
        while some := self._store.find(IssueRow, index, value, after, PAGE):
            after = key(some[-1])
            yield from (row for row in some if row.held is held)

    def _put(self, row: IssueRow, held: Held, what: str, by: str) -> None:
        """Change how an issue's row stands, if it is as it was, and write down who did."""
        now = self._clock.now()
        said = Event(
            run=run_name(now),
            serial=1,
            pair=self.pair,
            at=now,
            what=what,
            source=row.issue.source,
            numbers=row.issue.numbers,
            code=row.issue.code,
            text=f"by {by or self._profile}",
        )
        as_it_was = Expect(IssueRow, key(row), {"held": row.held, "issue": row.issue})
        if not self._store.commit(evolve(row, held=held), said, expect=[as_it_was]):
            raise ConfigError(f"issue {row.id!r} has just changed: look at it again")
