"""
What a payment sync reads: ledger levels page by page, and their counterparts in billing.

A `Reader` hands on one `Batch` after another, in bounded memory. It writes nothing and
decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from attrs import field, frozen

from tieout.capabilities import Changed, Select
from tieout.change import Issue
from tieout.errors import Code, Fault
from tieout.models import (
    Customer,
    Invoice,
    Link,
    R,
    Record,
    Ref,
    Settlement,
    clean_number,
    is_name,
)
from tieout.planners.matching import Candidates, Known
from tieout.protocol import Page, batches
from tieout.session import Session
from tieout.settings import NumberRule, Settings
from tieout.store import (
    Intent,
    Store,
    key,
    key_of,
    leg_of,
    link_billing,
    link_key,
    ties,
)
from tieout.windows import Window

T = TypeVar("T")

INVOICE = Invoice.__name__
"""Levels are filed under the invoice whose money they are."""

PAGES_MAX = 100_000
"""More pages than any company has; a listing that goes on is looping."""

SAME_PAGES_MAX = 3
"""How often a page may repeat the one before it."""

SEEN_MAX = 200_000
"""How many ids are remembered as read in this run. Beyond it, a touched invoice may be
read twice, which costs a call and nothing else."""

UNREADABLE = datetime.max.replace(tzinfo=UTC)
"""Stands for the time of a record that could not be read: nothing later comes in a run."""

SWEEP_PAGE = 1000
"""Links taken from the store at a time."""


@frozen
class Batch:
    """
    Levels read together. ``cursor`` is where reading goes on after them, if they are a
    completed page of the listing (``page``).
    """

    records: tuple[Settlement, ...] = ()
    issues: tuple[Issue, ...] = ()
    gone: tuple[Ref, ...] = ()
    page: bool = False
    cursor: str | None = None


@frozen
class Start:
    """From where a listing is read."""

    window: Window
    token: str | None = None
    cursor: str | None = None
    again: tuple[str, ...] = field(default=())
    """Ids of ledger records that are read whether they changed or not."""
    sweep: bool = False
    as_of: datetime | None = None
    """The other side's clock when an interrupted run began; None for a new one."""


class Seen:
    """
    Which state of each record of one list was read in this run.

    Pages overlap, and a record that changes meanwhile comes again.
    """

    def __init__(self) -> None:
        self.ids: dict[str, datetime | None] = {}

    def is_news(self, record: Record) -> bool:
        """
        Whether this state of a record was not read in this run already.

        One that could not be read is not carried by another row of it, which may be the
        older one.
        """
        stamp, seen = record.changed_at, self.ids.get(record.ref.id)
        if seen == UNREADABLE:
            return False
        return stamp is None or seen is None or stamp > seen

    def unreadable(self, issues: Iterable[Issue]) -> list[str]:
        """Remember which records could not be read; their ids."""
        ids = [each.source.id for each in issues if each.source and each.blocking]
        self.ids.update((each, UNREADABLE) for each in ids)
        return ids

    def remember(self, records: Iterable[Record]) -> None:
        """These were read."""
        for record in records:
            self.ids[record.ref.id] = record.changed_at
        while len(self.ids) > SEEN_MAX:
            del self.ids[next(iter(self.ids))]


def listed(
    session: Session, kind: type[R], select: Select, cursor: str | None = None
) -> Iterator[Page[R]]:
    """
    The pages of a list, the next one being read ahead.

    Raises `Fault` LOOPING_PAGES for a list that does not end.
    """
    connector = session.connector
    asked = {cursor}
    coming = session.start(connector.page(kind, select, cursor))
    last, times = None, 0
    try:
        for _ in range(PAGES_MAX):
            page, coming_next = coming.result(), None
            told = (page.records, page.issues, page.touched)
            # Twice is fair: a listing may begin again at the last record's time.
            last, times = told, times + 1 if told == last and any(told) else 0
            if times == SAME_PAGES_MAX:
                raise Fault(Code.LOOPING_PAGES, "one page came again and again")
            if page.next is not None:
                if page.next in asked:
                    text = f"page {page.next[:60]} came twice"
                    raise Fault(Code.LOOPING_PAGES, text)
                asked.add(page.next)
                flow = connector.page(kind, select, page.next)
                coming = coming_next = session.start(flow)
            yield page
            if coming_next is None:
                return
        raise Fault(Code.LOOPING_PAGES, f"more than {PAGES_MAX} pages")
    finally:
        coming.drop()


class Reader:
    """Reads both sides of one pair."""

    def __init__(
        self,
        billing: Session,
        ledger: Session,
        store: Store,
        settings: Settings,
        pair: str,
    ) -> None:
        self._billing = billing
        self._ledger = ledger
        self._store = store
        self._settings = settings
        self._pair = pair
        self._seen = Seen()
        self.as_of: datetime | None = None
        self.token: str | None = None
        self.swept = False

    # The ledger -------------------------------------------------------------------------

    def levels(self, start: Start, today: date) -> Iterator[Batch]:
        """All that has to be looked at, in batches."""
        self.as_of = start.as_of
        yield from self.by_ids(start.again)
        yield from self._pages(start)
        if start.sweep:
            yield from self._sweep(today)
            self.swept = True

    def _pages(self, start: Start) -> Iterator[Batch]:
        """The changed ones, the next page being read ahead, and those they touched."""
        select = Changed(start.window.start, start.token)
        for page in listed(self._ledger, Settlement, select, start.cursor):
            self._note(page)
            self._seen.unreadable(page.issues)
            yield from self.by_ids(ref.id for ref in page.touched)
            fresh = tuple(
                each for each in youngest(page.records) if self._seen.is_news(each)
            )
            self._seen.remember(fresh)
            yield Batch(fresh, page.issues, page.gone, True, page.next)

    def _note(self, page: Page[Settlement]) -> None:
        if self.as_of is None:
            self.as_of = page.as_of
        self.token = page.token or self.token

    def by_ids(self, ids: Iterable[str]) -> Iterator[Batch]:
        """
        Records by id, those left out that this run has read already.

        What is asked for by its id and does not come is gone: no windowed read says that.
        """
        missing = dict.fromkeys(each for each in ids if each not in self._seen.ids)
        for page in self.fetch_ledger(ids=list(missing)):
            unread = self._seen.unreadable(page.issues)
            read = tuple(each for each in page.records if each.ref.id not in unread)
            self._seen.remember(read)
            for ref in (*(r.ref for r in read), *(i.source for i in page.issues)):
                missing.pop(ref.id if ref else "", None)
            yield Batch(read, page.issues, page.gone)
        if missing:
            connection = self._ledger.connector.connection
            yield Batch(gone=tuple(Ref(connection, INVOICE, each) for each in missing))

    def _sweep(self, today: date) -> Iterator[Batch]:
        """Linked records that are open, or were closed lately: blind spots end here."""
        reach = self._ledger.connector.capabilities.payments.sweep_reach
        kind = INVOICE
        days = [
            key_of(self._pair, kind, (today - timedelta(days=back)).isoformat())
            for back in range(reach.days + 1)
        ]
        for index, value in (("open", [key_of(self._pair, kind)]), ("seen", days)):
            after = ""
            while links := self._store.find(Link, index, value, after, SWEEP_PAGE):
                yield from self.by_ids(link.ledger.id for link in links)
                last = links[-1]
                after = link_key(self._pair, kind, last.ledger.id, last.role)

    def fetch_ledger(
        self, *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Iterator[Page[Settlement]]:
        """Ledger levels by id or number, in pages."""
        return fetched(self._ledger, Settlement, ids, numbers)

    def fetch(
        self, connection: str, kind: type[R], ids: Sequence[str]
    ) -> Iterator[Page[R]]:
        """Records of any kind of one of the two connections by id, in pages."""
        ours = connection == self._billing.connector.connection
        return fetched(self._billing if ours else self._ledger, kind, ids, ())

    def fetch_from(
        self,
        session: Session,
        kind: type[R],
        *,
        ids: Sequence[str] = (),
        numbers: Sequence[str] = (),
    ) -> Iterator[Page[R]]:
        """Records of any kind of one connection by id or number, in pages."""
        return fetched(session, kind, ids, numbers)

    # Billing ----------------------------------------------------------------------------

    def fetch_billing(
        self, *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Iterator[Page[Settlement]]:
        """Billing's own records by id or number, in pages."""
        return fetched(self._billing, Settlement, ids, numbers)

    def counterparts(
        self, records: Sequence[Settlement], links: Mapping[str, Link]
    ) -> tuple[list[Settlement], Known, list[Issue]]:
        """What billing has for these levels, what is known of them, and what was unreadable."""
        # A tie that was let go is nobody's any more: another document may have its place.
        tied = {each: link for each, link in links.items() if not link.released}
        marks = self._marks(records, tied)
        ids = [tied[r.ref.id].billing.id for r in records if r.ref.id in tied]
        ids += [ref.id for ref in marks.values()]
        strangers = [each for each in records if _to_match(each, tied, marks)]
        rule = self._settings.number_rule
        numbers = [text for each in strangers for text in asked_numbers(each, rule)]
        found: dict[str, Settlement] = {}
        issues: list[Issue] = []
        for page in self.fetch_billing(ids=ids, numbers=numbers):
            found.update((record.ref.id, record) for record in page.records)
            issues.extend(page.issues)
        billing = list(found.values())
        known = Known(
            links=links,
            claimed=self._claimed(billing, strangers),
            marks=marks,
            customers=self._customers(records),
            rivals=self._rivals(strangers, billing),
        )
        return billing, known, issues

    def links(self, ids: Iterable[str]) -> dict[str, Link]:
        """The links of these ledger invoices, by id, in one look-up."""
        keys = [link_key(self._pair, INVOICE, each) for each in ids]
        found = self._store.get(Link, keys)
        return {link.ledger.id: link for link in found.values()}

    def ties(self, wanted: Iterable[tuple[Ref, str]]) -> dict[tuple[Ref, str], Link]:
        """The links of records of either side, by record and role."""
        return ties(self._store, self._pair, wanted)

    def legs(self, refs: Iterable[Ref]) -> dict[Ref, Link]:
        """The links of records that were made as a part of another side's record."""
        values = [leg_of(self._pair, ref) for ref in refs]
        found = self._store.find(Link, "leg", values, limit=len(values) + 1)
        return {ref: link for link in found for ref in (link.billing, link.ledger)}

    def let_go(self, refs: Iterable[Ref]) -> dict[Ref, Link]:
        """The links of billing records that were let go: no look-up by record knows them."""
        values = [leg_of(self._pair, ref) for ref in refs]
        found: dict[Ref, Link] = {}
        after = ""
        while some := self._store.find(Link, "released", values, after):
            after = key(some[-1])
            found.update((link.billing, link) for link in some if not link.role)
        return found

    def _marks(
        self, records: Sequence[Settlement], links: Mapping[str, Link]
    ) -> dict[str, Ref]:
        values = [
            key_of(self._pair, each.reference)
            for each in records
            if each.reference and each.ref.id not in links
        ]
        intents = self._store.find(Intent, "mark", values, limit=len(values) + 1)
        return {intent.mark: intent.source for intent in intents}

    def _claimed(
        self, billing: Sequence[Settlement], strangers: Sequence[Settlement]
    ) -> dict[str, Link]:
        if not strangers:
            return {}
        values = [link_billing(self._pair, b.ref.kind, b.ref.id) for b in billing]
        found = self._store.find(Link, "billing", values, limit=len(values) + 1)
        return {link.billing.id: link for link in found}

    def _customers(self, records: Sequence[Settlement]) -> dict[str, str]:
        kind = Customer.__name__
        ids = {record.customer.id for record in records if record.customer}
        found = self._store.get(
            Link, [link_key(self._pair, kind, each) for each in ids]
        )
        return {link.ledger.id: link.billing.id for link in found.values()}

    def _rivals(
        self, strangers: Sequence[Settlement], billing: Sequence[Settlement]
    ) -> dict[str, tuple[str, ...]]:
        """Other live ledger documents of the same number, where numbers may repeat."""
        if self._ledger.connector.capabilities.kind(Settlement).number_unique:
            return {}
        rule = self._settings.number_rule
        candidates = Candidates(billing, rule)
        found = [each for each in strangers if candidates.live(each.number)]
        numbers = [
            s for each in found for s in rule.spellings(clean_number(each.number))
        ]
        by_key: dict[str, set[str]] = {}
        for page in self.fetch_ledger(numbers=numbers):
            for record in page.records:
                if record.status.counts:
                    key = rule.key(clean_number(record.number))
                    by_key.setdefault(key, set()).add(record.ref.id)
        rivals: dict[str, tuple[str, ...]] = {}
        for each in found:
            others = by_key.get(rule.key(clean_number(each.number)), set()) - {
                each.ref.id
            }
            if others:
                rivals[each.ref.id] = tuple(sorted(others))
        return rivals


def youngest(records: Iterable[R]) -> Iterable[R]:
    """
    Each record of a page once, as it was last.

    Before anything is compared: beside an agreed version, an older one looks like news.
    """
    found: dict[str, R] = {}
    for each in records:
        held = found.get(each.ref.id)
        if (
            held is None
            or each.changed_at is None
            or held.changed_at is None
            or each.changed_at >= held.changed_at
        ):
            found[each.ref.id] = each
    return found.values()


def asked_numbers(record: Settlement, rule: NumberRule) -> list[str]:
    """The numbers that billing is asked for to find the counterpart of a level."""
    return [
        spelling
        for text in (record.number, record.reference)
        if is_name(clean_number(text))
        for spelling in rule.spellings(clean_number(text))
    ]


def _to_match(
    record: Settlement, links: Mapping[str, Link], marks: Mapping[str, Ref]
) -> bool:
    """Whether a level is looked up by its number: not tied yet, and of concern."""
    if record.ref.id in links or record.reference in marks:
        return False
    return record.status.counts


def fetched(
    session: Session, kind: type[R], ids: Sequence[str], numbers: Sequence[str]
) -> Iterator[Page[R]]:
    connector = session.connector
    size = connector.capabilities.kind(kind).fetch_size
    flows = [
        *(connector.fetch(kind, ids=some) for some in batches(_once(ids), size)),
        *(
            connector.fetch(kind, numbers=some)
            for some in batches(_once(numbers), size)
        ),
    ]
    for attempt in session.map(flows):
        yield attempt.result()


def _once(values: Sequence[T]) -> Iterable[T]:
    return dict.fromkeys(values)
