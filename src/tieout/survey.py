"""
What is known of the other side for one page of documents: ties, counterparts, namesakes.

It reads the store and the target, in batches and only for what the planners need. It
writes nothing and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import define, evolve, field

from tieout.capabilities import Everything, Verb
from tieout.models import (
    KINDS,
    Application,
    CreditNote,
    Customer,
    Invoice,
    Link,
    Payment,
    Record,
    RecordType,
    Ref,
    Status,
    agreed_as,
    as_made,
    clean_number,
    fingerprint,
    is_name,
)
from tieout.planners import fees, parts
from tieout.planners.course import Across, Course
from tieout.planners.customers import name_key
from tieout.reading import Reader, listed
from tieout.session import Session
from tieout.store import Intent, Stage, Store, key_of

Tie = tuple[Ref, str]
"""A record, and the role of one of its links."""

NAMES_MAX = 200_000
"""Customers whose names are held at most; of a longer list, who stands behind is not found
by name, and a customer is matched by number alone."""


@define
class Survey:
    """Looks across for the pages of one run."""

    pair: str
    store: Store
    reader: Reader
    sessions: Mapping[str, Session]
    names: dict[str, dict[str, tuple[Customer, ...]]] = field(factory=dict)
    """By connection, its customers by name: read once in a run, and only if needed."""
    merged: dict[Ref, Ref] = field(factory=dict)
    """Customers that were found to be gone, and those into which they went."""

    def across(
        self,
        page: Sequence[Record],
        course: Course,
        planned: Mapping[Ref, str] | None = None,
        open_issues: frozenset[Ref] = frozenset(),
    ) -> Across:
        """What bears on the records of a page, which all are of the course's kind."""
        ties = _ties(page, course)
        generations = self._generations(ties)
        # A payment may have documents in parts that it is not made of any more.
        wanted = dict.fromkeys([*ties, *generations])
        named = dict.fromkeys(ref for record in page for ref in _named(record))
        made = self._held([each.ref for each in page], wanted, named)
        known = Across(held=open_issues)
        records = self._tied(page, made, course, known)
        held = self._followed(made, records, course)
        links = {ref: link for (ref, role), link in held.items() if not role}
        for (ref, role), link in held.items():
            if ref.kind == Invoice.__name__ and role == fees.ROLE:
                links.setdefault(ref, link)  # made for a payment, and ours all the same
        live = {ref: link for ref, link in links.items() if not link.released}
        fresh = [each for each in page if each.ref not in live]
        records |= self._namesakes(fresh, course)
        news = _news(page, held, course)
        missing = (ref for each in news for ref in _named(each) if ref not in live)
        untied = self._untied(dict.fromkeys(missing), course)
        told = {each.ref: clean_number(each.number) for each in untied}
        closed = {e.ref for e in untied if isinstance(e, Customer) and not e.active}
        numbers = {ref: link.number for ref, link in live.items() if link.number}
        return evolve(
            known,
            links=links,
            legs=held,
            ties={ref: link.on(course.target) for ref, link in live.items()},
            planned=planned or {},
            generations=generations,
            records=records,
            named=self._by_name(fresh, course),
            claimed=self._claimed(records, course),
            inactive=self._inactive(fresh, course) | closed,
            numbers={**numbers, **told},
        )

    def _claimed(self, records: Mapping[Ref, Record], course: Course) -> dict[Ref, Ref]:
        """To which of the source's records those found, and their parts, are tied already."""
        parts = (put for each in records.values() for put in _puts(each))
        refs = [*records, *(put.ref for put in parts)]
        owners = self.reader.ties((ref, "") for ref in refs)
        return {
            ref: link.on(course.source)
            for (ref, _), link in owners.items()
            if not link.released
        }

    def untied_customers(self, page: Sequence[Record], course: Course) -> list[Any]:
        """The customers that the records of a page name and that are not tied yet."""
        held = self._held([each.ref for each in page], _ties(page, course), ())
        named = {
            ref
            for record in _news(page, held, course)
            for ref in _named(record)
            if ref.kind == Customer.__name__
        }
        links = self.reader.ties((ref, "") for ref in named)
        free = [
            ref.id
            for ref in sorted(named, key=lambda each: each.id)
            if (ref, "") not in links or links[ref, ""].released
        ]
        return self._read(course.source, Customer, free)

    # The target -------------------------------------------------------------------------

    def _tied(
        self,
        page: Sequence[Record],
        held: Mapping[Tie, Link],
        course: Course,
        known: Across,
    ) -> dict[Ref, Record]:
        """The target's records that are tied and may differ."""
        by_kind: dict[str, list[str]] = {}
        now = {record.ref: fingerprint(as_made(record)) for record in page}
        now |= {put.ref: fingerprint(put) for each in page for put in _puts(each)}
        for (ref, _), link in held.items():
            agreed = link.agreed.get(agreed_as(ref.kind, course.source))
            stale = ref in now and agreed != now[ref]
            # Customers go back too: each side owns fields of its own.
            came = course.kind is not Customer and course.made_there(link)
            if link.released or came:
                continue
            if stale or (ref in now and course.compares(ref, known)):
                there = link.on(course.target)
                by_kind.setdefault(there.kind, []).append(there.id)
        found: dict[Ref, Record] = {}
        for kind, ids in by_kind.items():
            for record in self._read(course.target, KINDS[kind], ids):
                found[record.ref] = record
        return found

    def _followed(
        self, held: Mapping[Tie, Link], records: dict[Ref, Record], course: Course
    ) -> Mapping[Tie, Link]:
        """
        The links, those to customers that were merged leading to where they went.

        Which are read too: what is theirs is compared with what is tied to them.
        """
        into = {
            tie: self.merged[link.on(course.target)]
            for tie, link in held.items()
            if link.on(course.target) in self.merged
        }
        ids = sorted({ref.id for ref in into.values()})
        for record in self._read(course.target, Customer, ids):
            records[record.ref] = record
        moved = {
            tie: evolve(held[tie], ledger=ref)
            if course.outward
            else evolve(held[tie], billing=ref)
            for tie, ref in into.items()
        }
        return {**held, **moved}

    def _namesakes(self, fresh: Sequence[Record], course: Course) -> dict[Ref, Record]:
        """The target's records that have the number of one that is not tied."""
        found: dict[Ref, Record] = {}
        numbers = _spelled(fresh, course)
        if numbers and course.there.can(Verb.READ):
            session = self.sessions[course.target]
            for page_ in self.reader.fetch_from(session, course.kind, numbers=numbers):
                found.update((record.ref, record) for record in page_.records)
        return found

    def _by_name(
        self, fresh: Sequence[Record], course: Course
    ) -> Mapping[str, tuple[Customer, ...]]:
        """The target's customers by name, where a customer is to be matched by it."""
        by_name = "name" in course.settings.match_customers
        if course.kind is not Customer or not fresh or not by_name:
            return {}
        if course.target not in self.names:
            self.names[course.target] = _by_name(self.sessions[course.target])
        return self.names[course.target]

    # The source -------------------------------------------------------------------------

    def _inactive(self, fresh: Sequence[Record], course: Course) -> frozenset[Ref]:
        """
        The inactive customers of documents that are not tied: nothing new is brought into
        billing for them.
        """
        if course.outward or not course.settings.active_only:
            return frozenset()
        owners = [
            record.customer
            for record in fresh
            if isinstance(record, Invoice | CreditNote) and record.status.counts
        ]
        ids = sorted({ref.id for ref in owners if ref is not None})
        found = self._read(course.source, Customer, ids)
        return frozenset(each.ref for each in found if not each.active)

    def _untied(self, refs: Iterable[Ref], course: Course) -> list[Any]:
        """The records that a page names and that are tied to nothing yet."""
        by_kind: dict[str, list[str]] = {}
        for ref in refs:
            if ref.kind in _NUMBERED and ref.connection == course.source:
                by_kind.setdefault(ref.kind, []).append(ref.id)
        return [
            record
            for kind, ids in by_kind.items()
            for record in self._read(course.source, KINDS[kind], ids)
        ]

    def _read(self, connection: str, kind: RecordType, ids: Sequence[str]) -> list[Any]:
        """Records by id, as far as the system tells of such a kind."""
        able = self.sessions[connection].connector.capabilities.kind(kind)
        if not ids or not able.can(Verb.READ):
            return []
        found: list[Any] = []
        for page in self.reader.fetch(connection, kind, list(dict.fromkeys(ids))):
            found += page.records
            self.merged.update(
                (ref, into) for ref in page.gone if (into := survivor(ref)) is not None
            )
        return [each for each in found if each.ref not in self.merged]

    # The store --------------------------------------------------------------------------

    def _held(
        self, page: Sequence[Ref], wanted: Iterable[Tie], named: Iterable[Ref]
    ) -> dict[Tie, Link]:
        """The links of a page's records, and of those that they name."""
        made = self.reader.legs(page)
        found = self.reader.ties([*wanted, *((ref, "") for ref in named)])
        released = self.reader.let_go(page)
        return {
            **{(ref, ""): link for ref, link in released.items()},
            # What was made as a part of another's record came from there, whatever its role.
            **{(ref, ""): made[ref] for ref in page if ref in made},
            **found,
        }

    def _generations(self, wanted: Iterable[Tie]) -> dict[Tie, int]:
        """How often each was made before: a document made anew is another document."""
        refs = {ref for ref, _ in wanted}
        values = [key_of(self.pair, ref.kind, ref.id) for ref in refs]
        found: dict[Tie, int] = {}
        after = ""
        while some := self.store.find(Intent, "about", values, after):
            after = some[-1].name
            for intent in some:
                # A level of an invoice is filed under it too, and makes no document.
                if intent.stage is Stage.APPLIED and intent.source in refs:
                    tie = (intent.source, intent.role)
                    born = intent.generation + 1 if intent.target is None else 0
                    found[tie] = max(found.get(tie, 0), born)
        return found


def survivor(gone: Ref) -> Ref | None:
    """Into which customer one that is gone was merged, as far as is told."""
    if gone.kind != Customer.__name__ or not gone.aliases:
        return None
    return evolve(gone, id=gone.aliases[0], aliases=())


def _by_name(session: Session) -> dict[str, tuple[Customer, ...]]:
    """A connection's customers by name, as far as it lists them."""
    able = session.connector.capabilities.kind(Customer)
    if Everything not in able.selects:
        return {}
    found: dict[str, tuple[Customer, ...]] = {}
    count = 0
    for page in listed(session, Customer, Everything()):
        for customer in page.records:
            key = name_key(customer.name)
            others = [e for e in found.get(key, ()) if e.ref != customer.ref]
            found[key] = (*others, customer)
        count += len(page.records)
        if count > NAMES_MAX:
            break
    return found


_NUMBERED = (Invoice.__name__, CreditNote.__name__, Customer.__name__)


def _ties(page: Iterable[Record], course: Course) -> list[Tie]:
    """The links that records of a page may have, by record and role."""
    found: list[Tie] = []
    for record in page:
        if isinstance(record, Payment):
            found += [(record.ref, role) for role in parts.roles(record, course)]
        else:
            found.append((record.ref, ""))
        if isinstance(record, Invoice) and not course.outward:
            found.append((record.ref, fees.ROLE))
        found += [(put.ref, "") for put in _puts(record)]
    return found


def _news(
    page: Iterable[Record], held: Mapping[Tie, Link], course: Course
) -> list[Record]:
    """
    The records of a page of which it matters whom and what they name.

    What came from the other side is not sent back there; and a ledger's customer whose
    contact is one of billing's is not made there.
    """
    came = {ref for (ref, _), link in held.items() if course.made_there(link)}
    return [
        each
        for each in page
        if each.ref not in came and (course.outward or not isinstance(each, Customer))
    ]


def _puts(record: Record) -> tuple[Application, ...]:
    """What a record tells of what it is applied to."""
    return record.applications if isinstance(record, Payment | CreditNote) else ()


def _named(record: Record) -> Iterable[Ref]:
    """The records that a record names, which have to be on the other side before it."""
    owner = record.parent if isinstance(record, Customer) else None
    if isinstance(record, Invoice | CreditNote | Payment):
        owner = record.customer
    if owner is not None:
        yield owner
    for put in _puts(record):
        yield from _ends(put)


def _ends(put: Application) -> Iterable[Ref]:
    # A fee is put to no invoice that its own side has.
    ends = (put.source,) if fees.is_fee(put) else (put.source, put.target)
    for ref in ends:
        if ref.kind in _NUMBERED:
            yield ref


def _spelled(fresh: Iterable[Record], course: Course) -> list[str]:
    """The numbers under which the target may hold documents that are not tied."""
    numbered = course.keeps_number or course.kind is Customer
    if course.kind is Payment or not numbered:
        return []
    rule = course.settings.number_rule
    found: list[str] = []
    for record in fresh:
        number = clean_number(getattr(record, "number", ""))
        status = getattr(record, "status", Status.OPEN)
        if is_name(number) and status.counts:
            found += rule.spellings(number)
    return list(dict.fromkeys(found))
