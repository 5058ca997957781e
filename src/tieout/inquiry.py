"""
Asking why: what both sides say of a number, and all that is remembered of it, put together.

It reads both systems and the store, and writes nothing. The words stand in
`tieout.story`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tieout.capabilities import Verb
from tieout.errors import Fault
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Link,
    Record,
    RecordType,
    Ref,
    Settlement,
    clean_number,
)
from tieout.session import Session
from tieout.store import OPEN_STAGES, Event, Intent, key_of
from tieout.story import Said, Story, in_time
from tieout.troubles import Troubles

KINDS: tuple[RecordType, ...] = (Settlement, Invoice, CreditNote, Customer)
"""The kinds that are asked for by number, the most telling first: one that is found ends
the asking."""

LOOKED = (
    "billing by number",
    "the ledger by number",
    "the links",
    "the open issues",
    "the event log",
)


class Inquiry(Troubles):
    """What an engine does to explain itself."""

    def why(self, number: str) -> Story:
        """
        Why a number is where it is: what each side says, what was done, what is next.

        A payment is found by the numbers of its invoices. Both systems are asked once;
        one that cannot be is told as such, and nothing is written. ``str`` of it is the
        story in words.
        """
        named = clean_number(number)
        issues = tuple(self.issues(number=named))
        links = list(self._links_of(named))
        said = tuple(
            self._said(side, session, named, links)
            for side, session in (
                ("billing", self._billing),
                ("the ledger", self._ledger),
            )
        )
        refs = {each.record.ref for each in said if each.record}
        refs |= {row.issue.source for row in issues if row.issue.source}
        refs |= {ref for link in links for ref in (link.billing, link.ledger)}
        events = [*self.events(number=named), *self._events_about(refs)]
        return Story(
            named,
            said,
            tuple(links) or tuple(self._ties(refs)),
            in_time(events),
            tuple(self._unfinished(refs)),
            issues,
            LOOKED,
        )

    def _said(
        self, side: str, session: Session, number: str, links: Iterable[Link]
    ) -> Said:
        """What one side says of a number, or of the record that is tied under it."""
        connector = session.connector
        connection = connector.connection
        ids = [link.on(connection).id for link in links if not link.role]
        try:
            for kind in KINDS:
                if not connector.capabilities.kind(kind).can(Verb.READ):
                    continue
                flow = connector.fetch(kind, ids=ids, numbers=[number])
                page = session.run(flow)
                record: Record | None = next(iter(page.records), None)
                if record is not None:
                    return Said(connection, side, record)
                if page.issues:
                    return Said(connection, side, trouble=str(page.issues[0]))
        except Fault as fault:
            return Said(
                connection, side, trouble=f"{fault.text} {fault.remedy}".strip()
            )
        return Said(connection, side)

    def _links_of(self, number: str) -> Iterator[Link]:
        yield from self._store.find(Link, "number", key_of(self.pair, number))

    def _ties(self, refs: Iterable[Ref]) -> Iterator[Link]:
        """The links of records that were found otherwise, each once."""
        reader = self._reader()
        seen: set[tuple[Ref, Ref, str]] = set()
        for link in reader.ties((ref, "") for ref in refs).values():
            if (link.billing, link.ledger, link.role) not in seen:
                seen.add((link.billing, link.ledger, link.role))
                yield link

    def _unfinished(self, refs: Iterable[Ref]) -> Iterator[Intent]:
        """The writes about these records that are not finished."""
        values = [key_of(self.pair, ref.kind, ref.id) for ref in refs]
        for intent in self._store.find(Intent, "about", values):
            if intent.stage in OPEN_STAGES and intent.source in set(refs):
                yield intent

    def _events_about(self, refs: Iterable[Ref]) -> Iterator[Event]:
        """Events of these records that were filed under other numbers."""
        values = [key_of(self.pair, ref.kind, ref.id) for ref in refs]
        yield from self._store.find(Event, "about", values)
