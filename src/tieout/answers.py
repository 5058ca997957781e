"""
What a person says of a parked write, and what follows from it.

Who said so is written down. Whether the document really is there is looked at by whoever
asks; here it is only refused where it is tied to another record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TypeAlias

from attrs import evolve, frozen

from tieout.change import Change, Issue, Outcome, State
from tieout.doubts import Doubts, asked
from tieout.errors import Code, ConfigError, Fault
from tieout.models import Ref, Settlement
from tieout.noting import about
from tieout.stages import step
from tieout.store import Fact, Gone, Held, Intent, IssueRow, Stage


@frozen
class Landed:
    """The answer of a person who found a parked write: it made the document of this id."""

    id: str


class Reply(Enum):
    """What else a person may answer about a parked write."""

    NOT_THERE = "it was not carried out: send it again"
    IGNORE = "leave it alone until the record changes"


PersonsAnswer: TypeAlias = Landed | Reply


class Answers(Doubts):
    """The parked writes of a pair, as people settle them."""

    def answer(self, name: str, reply: PersonsAnswer, by: str) -> None:
        """
        Go on with a parked write as a person says; who said so is written down.

        Of a level (a paid amount) it does not matter whether it landed: it is compared
        anew. Raises `ConfigError` where no such write is parked, and `Fault`
        ALREADY_LINKED where the document belongs to another record.
        """
        intent = self._store.get(Intent, [name]).get(name)
        if (
            intent is None
            or intent.pair != self._pair
            or intent.stage is not Stage.PARKED
        ):
            raise ConfigError(f"no parked write has the name {name!r}")
        if isinstance(reply, Landed) and not reply.id.strip():
            raise ConfigError("Landed: the id of the document is missing")
        self.unfinished()
        change, rows = asked(intent), self._rows([intent.source])
        facts: list[Fact | Gone]
        if reply is Reply.IGNORE:
            facts = list(self._ignoring(intent, change, rows, by))
        elif isinstance(reply, Landed) and intent.kind is not Settlement:
            facts = self._landing(intent, change, reply, rows, by)
        else:
            text = f"{by} answered: {'landed' if isinstance(reply, Landed) else 'not there'}"
            absent, *rest = self._absent(intent, change, "answered: not there", text)
            assert isinstance(absent, Intent)
            # The doubt stays on record: it is looked for once more before it is sent.
            facts = [evolve(absent, doubt=intent.doubt), *rest]
        self._commit(*facts)

    def _ignoring(
        self, intent: Intent, change: Change, rows: Mapping[str, IssueRow], by: str
    ) -> Iterable[Fact]:
        self._answered(intent)
        left = (*intent.left, *intent.candidates)
        yield evolve(intent, stage=step(intent, "answered: ignore"), left=left)
        outcome = Outcome(
            intent.name, State.UNKNOWN, code=Code.PARKED, text=f"{by} answered: ignore"
        )
        yield evolve(self._event(change, outcome), what="ignored")
        row = rows.get(about(intent.source))
        issue = row.issue if row else Issue(Code.PARKED, intent.source, change.numbers)
        yield self._row(evolve(issue, basis=intent.agreed), Held.IGNORED, rows)

    def _landing(
        self,
        intent: Intent,
        change: Change,
        reply: Landed,
        rows: Mapping[str, IssueRow],
        by: str,
    ) -> list[Fact | Gone]:
        made = Ref(intent.connection, intent.kind.__name__, reply.id)
        outcome = Outcome.applied(change, ref=made)
        outcome = evolve(outcome, text=f"{by} answered: landed as {reply.id}")
        links = self._links([change])
        if self._taken([(change, outcome)], links):
            text = f"document {reply.id} is tied to another record."
            raise Fault(Code.ALREADY_LINKED, text)
        found = (change, outcome)
        return list(self._adopting(intent, found, links, rows, "answered: landed"))
