"""
What a system can do, declared as data, and what a page can be asked for.

Planners read this; nothing is found out at run time. The documentation's table of systems
is made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from math import ceil
from typing import TypeAlias

from attrs import field, frozen

from tieout.models import Basis, Part, RecordType, Settlement


@frozen
class Changed:
    """What changed at or after an instant (inclusive), or since a change token."""

    since: datetime
    token: str | None = None


@frozen
class Dated:
    """Documents dated from one day through another, both included."""

    first: date
    last: date


@frozen
class Open:
    """Documents on which something is owed, dated through a day (included)."""

    through: date | None = None


@frozen
class Unposted:
    """Documents not yet handed over to the ledger, dated through a day (included)."""

    through: date


@frozen
class Everything:
    """All there is."""


Select: TypeAlias = Changed | Dated | Open | Unposted | Everything
"""Which records a page is asked for."""


class Verb(Enum):
    """What can be done with a kind of record."""

    READ = "read"
    CREATE = "create"
    UPDATE = "update"
    VOID = "void"


class Creates(Enum):
    """What a create leaves behind."""

    FINAL = "a final document"
    DRAFT_THEN_POST = "a draft, posted by a second write"
    """A create that is repeated finds the draft by its mark, and posts it."""
    POSTED_BY_A_PERSON = "a draft that a person posts"


class Updates(Enum):
    """What an update may send."""

    SPARSE = "only the fields that change"
    FULL = "the whole record"
    DRAFTS_ONLY = "drafts only"
    NONE = "nothing"


class Cost(Enum):
    """What reading a detail costs."""

    IN_THE_LIST = "nothing more: it is in the list"
    CALL_EACH = "one call for each record"
    CALL_BATCH = "one call for as many records as are fetched together"


class Feed(Enum):
    """By what a system tells that an invoice's money may have moved."""

    STAMP = "the invoice's change time"
    PAYMENTS = "its payments' change times"
    CREDITS = "its credit notes' change times"
    ENTRIES = "ledger entries"
    TOKEN = "a change token"


class Blind(Enum):
    """What a system's feeds do not show."""

    PARTIALS = "partial payments"
    CREDITS = "credits applied or taken back"
    REVERSALS = "payments taken back"
    DELETIONS = "deleted documents"


class LimitScope(Enum):
    """What shares a limit."""

    CONNECTION = "the connection"
    CREDENTIAL = "all users of the credential"
    COMPANY = "everybody in the company"


@frozen
class Limit:
    """
    At most ``calls`` in any ``seconds``, counted for all of this process in its scope.

    ``shared_by`` names the credential of a limit that several connections share (an app's
    id, never a secret); without it, connections of equal credentials share it.
    """

    calls: int
    seconds: float
    scope: LimitScope = LimitScope.CONNECTION
    shared_by: str = ""


@frozen
class Mark:
    """
    Where our mark on a document goes: a ``field`` of the system's, whether it can be
    searched for there, whether it is the document's number itself, and its ``length``.

    Wherever it goes, the loaded record has to show it, or nothing that is found counts as
    ours: in its ``number``, in its ``reference``, or in a text of its ``custom``. A
    `Customer` has no reference: there it is the ``custom`` under a name of the connector's.
    """

    field: str
    searchable: bool = True
    is_number: bool = False
    length: int = 255


@frozen
class Kind:
    """
    What can be done with one kind of record.

    ``verbs``: reading alone where nothing is given. ``selects``: by what it can be listed
    (`Changed`, `Everything`, `Dated`, `Open`, `Unposted`); none where it is read by id and
    number only. ``writable``: the record's fields that an update may change. ``creates``
    and ``updates``: how, where the verbs allow it; ``mark``: where ours goes.
    ``number_length`` in characters, None for no limit; ``number_unique``: whether the
    system refuses a number that is there. ``page_size``, ``fetch_size`` and ``batch_size``
    are the most records of one page, one search by ids, one write. ``stable_order``:
    whether no record changes its place while pages are turned.
    """

    verbs: frozenset[Verb] = frozenset({Verb.READ})
    selects: frozenset[type] = frozenset()
    writable: frozenset[str] = frozenset()
    creates: Creates | None = None
    updates: Updates = Updates.NONE
    mark: Mark | None = None
    number_length: int | None = None
    number_unique: bool = False
    page_size: int = 100
    fetch_size: int = 50
    fetch_alone: bool = False
    """Whether each id or number is a call of its own, however many are asked for together;
    what else has to be read for them is then shared by ``fetch_size`` of them."""
    batch_size: int = 1
    stable_order: bool = False
    lists: int = 1
    """How many lists are gone through to read what changed."""
    long_lists: int = 1
    """How many of them hold a row for each change; the others are short."""
    page_repeats: int = 0
    """Rows at least that a page has in common with the one before it."""
    page_after_full: bool = False
    """Whether a full page is followed by another, if an empty one."""
    page_calls: int = 1
    """Calls for one page, or one search by ids: more where other lists are read for it."""
    write_calls: int = 1
    """Calls for one batch of writes: 2 where each is looked at before it is sent."""

    def can(self, verb: Verb) -> bool:
        """Whether the verb is allowed."""
        return verb in self.verbs


@frozen
class Payments:
    """How a system tells and holds the money of an invoice (`tieout.models.Settlement`)."""

    feeds: tuple[Feed, ...] = ()
    blind: frozenset[Blind] = frozenset()
    sweep_every: timedelta | None = None
    """How often linked invoices, open or lately closed, are read again by id, to close
    the blind spots; the lag that this causes. None where the feeds show everything."""
    sweep_reach: timedelta = timedelta(days=60)
    """How long after it was closed an invoice still takes part in the sweep."""
    parts: frozenset[Part] = frozenset()
    paid_on: Basis = Basis.LEDGER_FIELD
    detail: Cost = Cost.IN_THE_LIST
    partial: bool = True
    """Whether a partial amount can be held; otherwise only the day of full payment."""
    holds_date_alone: bool = True
    """Whether a paid date can be held where nothing was paid (a zero invoice)."""
    holds_open_date: bool = False
    """Whether a receipt's date is kept while something is owed."""
    owned_payment: bool = False
    """Whether the level is kept as one payment record of ours on each invoice."""


@frozen
class Capabilities:
    """What one system can do: a pure function of a connector's arguments."""

    system: str
    kinds: Mapping[RecordType, Kind]
    payments: Payments = field(factory=Payments)
    deletions_visible: bool = False
    idempotency_key: bool = False
    idempotency_lifetime: timedelta = timedelta(0)
    version_token: bool = False
    limits: tuple[Limit, ...] = ()
    concurrency: int = 1
    overlap: timedelta = timedelta(minutes=5)
    """How far before the marker a read begins: records that were committed late, with an
    earlier time, are found there."""
    late_commit: timedelta = timedelta(minutes=4)
    """The latest that a request may still be carried out after its caller gave up."""
    search_lag: timedelta = timedelta(minutes=1)
    """The longest until a committed document is found by search."""
    clock_resolution: timedelta = timedelta(seconds=1)
    invoices_per_payment: int | None = None
    free_reads: bool = False
    """Whether reading costs next to nothing, so that a comparison is always made."""

    def kind(self, kind: RecordType) -> Kind:
        """What can be done with a kind; nothing where it is not declared."""
        return self.kinds.get(kind, NOTHING)

    def read_calls(self, kind: RecordType, changed: int) -> int:
        """
        Calls that reading so many changed records of a kind costs, signing in aside.

        A page of each list at least, and the calls for the details of a settlement where
        these are not in the list.
        """
        can = self.kind(kind)
        step = max(1, can.page_size - can.page_repeats)
        pages = max(1, ceil((changed + can.page_after_full) / step))
        lists = pages * can.long_lists + can.lists - can.long_lists
        last = changed - (pages - 1) * step
        details = [can.page_size] * (pages - 1) + [last]
        return lists * can.page_calls + sum(
            self._detail_calls(kind, rows) for rows in details
        )

    def fetch_calls(self, kind: RecordType, ids: int) -> int:
        """Calls that reading so many records by their ids costs."""
        can = self.kind(kind)
        searches = ids if can.fetch_alone else ceil(ids / can.fetch_size)
        return searches * can.page_calls + self._detail_calls(kind, ids)

    def _detail_calls(self, kind: RecordType, rows: int) -> int:
        """Calls for what is not in the list, of so many rows of one page."""
        detail = self.payments.detail if kind is Settlement else Cost.IN_THE_LIST
        if detail is Cost.CALL_BATCH:
            return ceil(rows / self.kind(kind).fetch_size)
        return rows if detail is Cost.CALL_EACH else 0

    def write_calls(self, kind: RecordType, changes: int) -> int:
        """Calls that so many writes of a kind cost."""
        can = self.kind(kind)
        return ceil(changes / can.batch_size) * can.write_calls

    @property
    def settle(self) -> timedelta:
        """How long to wait before "not found" proves that a write did not happen."""
        return self.late_commit + self.search_lag


NOTHING = Kind(verbs=frozenset())
