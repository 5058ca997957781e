"""
The journal of one run: on disk before the first byte leaves, settled in one transaction.

It is a chain of classes, each a room: `tieout.lease` holds the pair, `tieout.notebook`
writes events and rows, `tieout.ties` makes ties, `tieout.doubts` settles what is unclear,
`tieout.answers` what people say of it; here is what is sent and what came of it.
`tieout.stages` is the machine. Every step is one local transaction that holds only while
the lease still carries our fence. Nothing here talks to a system.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from attrs import evolve

from tieout.answers import Answers
from tieout.change import Action, Change, Issue, Outcome, State
from tieout.effects import money_of
from tieout.errors import Code
from tieout.evidence import awaited, owner_of, unmarked
from tieout.models import Ref
from tieout.noting import about, as_one, issue_of, noted, one_row_each, same, when
from tieout.stages import step
from tieout.store import Doubt, Fact, Gone, Held, Intent, IssueRow, Stage, key_of
from tieout.ties import alike_but_seen, taken_already, tied_by


class Journal(Answers):
    """What one run remembers of the changes it makes, while its lease lasts."""

    def send(
        self, changes: Sequence[Change], deadline: datetime, settle: timedelta
    ) -> list[Change]:
        """
        Make the intents of a wave durable; the changes, each with its idempotency key.

        Only then may anything be sent. What was planned for the same records under
        another name, and not sent, is given up in the same transaction.
        """
        held = self._store.get(Intent, [change.name for change in changes])
        self._check_lease()
        intents = [
            self._intent(change, held.get(change.name), deadline, settle)
            for change in changes
        ]
        rows = self._beginning(changes)
        self._commit(*self._outdated(changes), *intents, *rows)
        return [
            evolve(change, key=intent.key)
            for change, intent in zip(changes, intents, strict=True)
        ]

    def suspect(self, changes: Sequence[Change], not_before: datetime) -> None:
        """
        Treat writes that may be there already as if they had been sent before.

        This store knows nothing of them, or a person left one alone: they are looked for
        first, and "not found" proves something after ``not_before``.
        """
        held = self._store.get(Intent, [change.name for change in changes])
        self._check_lease()
        settle = timedelta(0)
        intents = [
            evolve(
                self._intent(change, held.get(change.name), not_before, settle),
                stage=step(held.get(change.name), "suspected"),
                attempt=0,
            )
            for change in changes
        ]
        self._commit(*self._outdated(changes), *intents)

    def _outdated(self, changes: Sequence[Change]) -> list[Intent]:
        """What was planned for these records under other names and never sent."""
        return [
            evolve(intent, stage=step(intent, "no longer needed"))
            for change in changes
            for intent in self._planned.pop(about(change.source), ())
            if intent.name != change.name
        ]

    def _intent(
        self,
        change: Change,
        held: Intent | None,
        deadline: datetime,
        settle: timedelta,
    ) -> Intent:
        now, wanted = self._clock.now(), awaited(change)
        # After a refusal the content is another one: its count begins again.
        attempt = (held.attempt if held and held.stage is Stage.PLANNED else 0) + 1
        key, key_at = _key(change, held, wanted, now)
        return Intent(
            name=change.name,
            pair=self._pair,
            verb=self._verb,
            kind=change.kind,
            action=change.action,
            connection=change.connection,
            source=change.source,
            target=change.target,
            role=change.role,
            generation=change.generation,
            link_version=change.link_version,
            number=change.number,
            also=change.also,
            agreed=change.agreed,
            wanted=wanted,
            owner=owner_of(change.after),
            within=change.within,
            mark=change.mark,
            put=unmarked(change),
            worth=money_of(change.after),
            called=getattr(change.after, "name", ""),
            left=held.left if held else (),
            stage=step(held, "sent"),
            attempt=attempt,
            fence=self.fence,
            run=self._run,
            owned=change.owned,
            releases=change.releases,
            first_sent_at=held.first_sent_at if held else now,
            sent_at=now,
            deadline=deadline,
            settle=settle.total_seconds(),
            not_before=deadline + settle,
            looked_at=held.looked_at if held else None,
            key=key,
            key_at=key_at,
        )

    def settle(
        self,
        results: Iterable[tuple[Change, Outcome]],
        notes: Mapping[Ref, Sequence[Issue]] | None = None,
    ) -> dict[str, Issue]:
        """
        Store what came of a wave: outcomes, links, issues and events in one transaction.

        ``notes`` by source are things worth knowing about changes that were applied.
        Returns the issues of those that were not, by the names of the changes.
        """
        pairs = list(results)
        held = self._store.get(Intent, [change.name for change, _ in pairs])
        self._check_lease()
        links = self._links([change for change, _ in pairs])
        rows = self._rows([change.source for change, _ in pairs])
        taken = self._taken(pairs, links)
        facts: list[Fact | Gone] = []
        issues: dict[str, Issue] = {}
        for change, outcome in pairs:
            intent = held[change.name]
            if change.name in taken:
                made = (outcome.ref,) if outcome.ref else ()
                issues[change.name] = self._doubted(
                    intent, Doubt.TAKEN, made, change, facts, rows
                )
                continue
            facts.append(self._settled(intent, outcome))
            facts.extend(self._through(change))
            event = self._event(change, outcome)
            if outcome.state is State.APPLIED:
                self._succeeds(change)
                facts.extend(self._tying(change, outcome, links, event))
                told = (notes or {}).get(change.source, ())
                worth = [*told, *noted(change, outcome)]
                facts.extend(self._closing(change.source, worth, rows))
            else:
                facts.append(event)
                self._fails(change)
                issue = issues[change.name] = self._failed(change, outcome, intent)
                facts.append(self._row(issue, Held.OPEN, rows))
        self._commit(*one_row_each(facts))
        return issues

    def _settled(self, intent: Intent, outcome: Outcome) -> Intent:
        """The intent after its outcome. What is unknown now was given up now, not before."""
        not_before = intent.not_before
        if outcome.state is State.UNKNOWN and not_before is not None:
            wait = timedelta(seconds=intent.settle)
            not_before = max(not_before, self._clock.now() + wait)
        tried = outcome.state is not State.NOT_SENT
        # What the answer showed is ours in all but the mark (`believed`).
        unknown = outcome.state is State.UNKNOWN
        unmarked = unknown and intent.action is Action.CREATE
        return evolve(
            intent,
            stage=step(intent, outcome.state.value),
            attempt=intent.attempt if tried else intent.attempt - 1,
            not_before=not_before,
            result=outcome.ref if outcome.state is State.APPLIED else None,
            candidates=(outcome.ref,) if outcome.ref and unmarked else (),
            code=outcome.code,
            text=outcome.text,
        )

    def _failed(self, change: Change, outcome: Outcome, intent: Intent) -> Issue:
        code, text = outcome.code or Code.UNKNOWN_ERROR, outcome.text
        remedy = outcome.remedy
        if outcome.state is State.UNKNOWN:
            until = when(self._settled(intent, outcome).not_before)
            code, text = Code.OUTCOME_UNKNOWN, f"{text} It is looked at after {until}."
            remedy = code.remedy
        return evolve(
            issue_of(change, code, text),
            remedy=remedy,
            at=self._clock.now(),
            connection=change.connection,
        )

    def keep(
        self,
        changes: Sequence[Change],
        issues: Sequence[Issue],
        notes: Mapping[Ref, Sequence[Issue]] | None = None,
    ) -> list[Issue]:
        """
        Remember what needs no write: links of records that agree, and issues.

        Returns what had not been told before: notes, and ties that cannot be.
        """
        if not changes and not issues:
            return []
        links = self._links(changes)
        rows = self._rows([*(c.source for c in changes), *(i.source for i in issues)])
        told = dict(notes or {})
        facts: list[Fact | Gone] = []
        new: list[Issue] = []
        taken = self._taken([(c, Outcome.applied(c)) for c in changes], links)
        for change in changes:
            if change.name in taken:
                self._fails(change)
                new.append(taken_already(change))
                facts.append(self._row(new[-1], Held.OPEN, rows))
                facts.extend(self._told(new[-1], rows))
                continue
            outcome = Outcome.applied(change, owned=change.owned)
            link, held = self._link(change, outcome, links), links.get(tied_by(change))
            if held is None or not alike_but_seen(link, held):
                event = evolve(self._event(change, outcome), what="tied", state=None)
                facts.extend(self._tying(change, outcome, links, event))
            facts.extend(
                evolve(intent, stage=step(intent, "no longer needed"))
                for intent in self._planned.pop(about(change.source), ())
            )
            worth = told.get(change.source, ())
            facts.extend(self._closing(change.source, worth, rows))
            row = rows.get(about(change.source))
            new.extend(() if all(same(row, e) for e in as_one(worth)) else worth)
        for issue in issues:
            facts.append(self._row(issue, Held.OPEN, rows))
            facts.extend(self._told(issue, rows))
        if facts:
            self._commit(*one_row_each(facts))
        return new

    def clear(self, sources: Iterable[Ref]) -> None:
        """Forget what was open about records that are in order, or of no concern."""
        wanted = list(sources)
        if not wanted:
            return
        rows = self._rows(wanted)
        facts: list[Fact | Gone] = []
        for source in wanted:
            where = about(source)
            facts.extend(
                evolve(intent, stage=step(intent, "no longer needed"))
                for intent in self._planned.pop(where, ())
            )
            row = rows.get(where)
            if row is not None and row.held in (Held.OPEN, Held.IGNORED):
                facts.append(Gone(IssueRow, key_of(self._pair, self._verb, where)))
                if row.issue.code is not Code.OUTCOME_UNKNOWN:
                    facts.append(self._closed(row))
        if facts:
            self._commit(*facts)


def _key(
    change: Change, held: Intent | None, wanted: str, now: datetime
) -> tuple[str, datetime]:
    """
    The idempotency key of a sending, and when it was made.

    The same for all attempts at the same content; another one for other content and after
    a refusal, which some vendors would replay.
    """
    if (
        held is not None
        and held.key
        and held.stage in (Stage.PLANNED, Stage.UNKNOWN)
        and (held.wanted, held.agreed) == (wanted, change.agreed)
    ):
        return held.key, held.key_at or now
    told = f"{change.name}|{wanted}|{held.key if held else ''}|{now.isoformat()}"
    return hashlib.sha256(told.encode()).hexdigest()[:36], now
