"""
Asking why: what both sides say of a number, and all that is remembered of it, put together.

It reads both systems and the store, and writes nothing. The words stand in
`tieout.story`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tieout.capabilities import Verb
from tieout.chronicle import PAGE
from tieout.errors import Fault, Scope
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Link,
    Payment,
    Record,
    RecordType,
    Ref,
    Settlement,
    clean_number,
    is_name,
)
from tieout.retention import Retention
from tieout.session import Session
from tieout.store import OPEN_STAGES, Event, Intent, IssueRow, key, key_of
from tieout.story import Said, Story, in_time, left_alone

KINDS: tuple[RecordType, ...] = (Settlement, Invoice, CreditNote, Customer, Payment)
"""The kinds that are asked for, the most telling first: one that is found ends the
asking. A payment has no number of its own in most systems: it is asked for by its id."""

MEMORY = ("the links", "the open issues", "the event log")
"""Where of the store is looked."""


class Inquiry(Retention):
    """What an engine does to explain itself."""

    def why(self, number: str) -> Story:
        """
        Why a number is where it is: what each side says, what was done, what is next.

        A payment is found by the numbers of its invoices. Both systems are asked once;
        one that cannot be is told as such, and nothing is written. ``str`` of it is the
        story in words.
        """
        named = clean_number(number)
        names = self.settings.number_rule.spellings(named)
        # Half a character cannot be looked up: nothing is filed under one.
        filed = [each.encode(errors="replace").decode() for each in names]
        issues = tuple(row for each in filed for row in self.issues(number=each))
        ignored = tuple(
            row for each in filed for row in self.issues(number=each, ignored=True)
        )
        values = [key_of(self.pair, each) for each in filed]
        events = list(self._found("number", values))
        links = self._filed(values, events)
        refs = _refs((*issues, *ignored), events, links)
        said = tuple(self._said(*side, named, refs) for side in self._both())
        refs |= {each.record.ref for each in said if each.record}
        links = {**links, **{key(each): each for each in self._ties(refs)}}
        events += self._about(refs)
        return Story(
            named,
            said,
            tuple(links.values()),
            in_time(events),
            tuple(self._unfinished(refs)),
            issues,
            tuple(self._looked(named)),
            tuple(self.last_runs().values()),
            () if issues or links else tuple(self._reasons(said)),
            ignored,
        )

    def _both(self) -> tuple[tuple[str, Session], ...]:
        return ("billing", self._billing), ("the ledger", self._ledger)

    def _looked(self, number: str) -> Iterator[str]:
        """Where was looked for a number."""
        if is_name(number):
            for side, session in self._both():
                yield f"{side} ({session.connector.connection}) by number"
        yield from MEMORY

    # What each side says ------------------------------------------------------------------

    def _said(
        self, side: str, session: Session, number: str, refs: Iterable[Ref]
    ) -> Said:
        """What one side says of a number, or of the records that were filed under it."""
        connector = session.connector
        said = Said(connector.connection, side)
        names = self.settings.number_rule.spellings(number)
        own = [ref for ref in refs if ref.connection == connector.connection]
        try:
            self._refuse_ended(connector.connection)
        except Fault as fault:
            return self._troubled(said, fault)
        for kind in KINDS:
            if not connector.capabilities.kind(kind).can(Verb.READ):
                continue
            filed = (Invoice if kind is Settlement else kind).__name__
            ids = [ref.id for ref in own if ref.kind == filed]
            numbers = [] if kind is Payment else [*filter(is_name, names)]
            if not ids and not numbers:
                continue
            try:
                page = session.run(connector.fetch(kind, ids=ids, numbers=numbers))
            except Fault as fault:
                said = self._troubled(said, fault)
                if fault.code.scope is Scope.CONNECTION:
                    return said
                continue
            found = self._likeliest(page.records, number)
            if found is not None:
                return Said(connector.connection, side, found)
            for each in page.issues:
                if not {*names}.isdisjoint(each.numbers) or each.source in own:
                    told = (each.code, str(each), each.remedy)
                    return said.troubled(*told, self._remedies)
        return said

    def _troubled(self, said: Said, fault: Fault) -> Said:
        """A side that could not be asked, and what can be done about it."""
        told = (fault.code, fault.text, fault.remedy)
        return said.troubled(*told, self._remedies)

    def _reasons(self, said: Sequence[Said]) -> Iterator[str]:
        """By which rules a record is left alone that a side tells of and nothing else does."""
        for each, (_, session) in zip(said, self._both(), strict=True):
            record: Any = each.record
            if record is None:
                continue
            outward = session is self._billing
            kind = Invoice if isinstance(record, Settlement) else type(record)
            level = not outward and self._is_level(record.ref)
            carried = level or self.settings.direction(kind).goes(outward=outward)
            owner = getattr(record, "customer", None)
            inactive = (
                carried and not level and not outward and self.settings.active_only
            )
            asleep = self._asleep(session, owner) if inactive else None
            yield from left_alone(record, each.side, carried=carried, asleep=asleep)

    def _asleep(self, session: Session, owner: Ref | None) -> Customer | None:
        """The customer of a document, where it is not active."""
        able = session.connector.capabilities.kind(Customer)
        if owner is None or not able.can(Verb.READ):
            return None
        try:
            page = session.run(session.connector.fetch(Customer, ids=[owner.id]))
        except Fault:
            return None  # why it cannot be asked was told already
        return next((each for each in page.records if not each.active), None)

    def _likeliest(self, records: Sequence[Record], number: str) -> Record | None:
        """The record of this number among those that were filed under it, or one of them."""
        rule = self.settings.number_rule
        for each in records:
            own = clean_number(getattr(each, "number", ""))
            if rule.key(own) == rule.key(number):
                return each
        return records[0] if records else None

    # What is remembered -------------------------------------------------------------------

    def _filed(self, values: Sequence[str], events: Iterable[Event]) -> dict[str, Link]:
        """The links of a number, and those that its events tell of, as they are now."""
        told = [key(each.link) for each in events if each.link is not None]
        filed = self._store.find(Link, "number", values)
        found = self._store.get(Link, told)
        return {**{key(each): each for each in filed}, **found}

    def _ties(self, refs: Iterable[Ref]) -> Iterator[Link]:
        """The links of records that were found otherwise."""
        yield from self._reader().ties((ref, "") for ref in refs).values()

    def _about(self, refs: set[Ref]) -> Iterator[Event]:
        """The events of these records, also those that were filed under other numbers."""
        values = [key_of(self.pair, ref.kind, ref.id) for ref in refs]
        for event in self._found("about", values):
            # Two sides may have the same ids.
            if event.source in refs or event.target in refs:
                yield event

    def _unfinished(self, refs: Iterable[Ref]) -> Iterator[Intent]:
        """The writes about these records that are not finished."""
        wanted = set(refs)
        values, after = [key_of(self.pair, ref.kind, ref.id) for ref in wanted], ""
        while some := self._store.find(Intent, "about", values, after, PAGE):
            after = some[-1].name
            for intent in some:
                if intent.stage in OPEN_STAGES and intent.source in wanted:
                    yield intent


def _refs(
    issues: Iterable[IssueRow], events: Iterable[Event], links: dict[str, Link]
) -> set[Ref]:
    """The records that were filed under a number."""
    found = [row.issue.source for row in issues]
    for event in events:
        found += [event.source, event.target]
    for link in links.values():
        found += [link.billing, link.ledger]
    return {ref for ref in found if ref is not None}
