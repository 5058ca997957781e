"""
What is remembered between runs, and the protocol of what remembers it.

Every fact has a kind, a key and indexes; the table `SHAPES` is their one description. The
protocol has three verbs, and `commit` is the only primitive that leases, fences, token
renewal and journal transitions are made of. Nothing here opens a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any, Protocol, TypeAlias, TypeVar

from attrs import evolve, field, frozen

from tieout.auth import Grant
from tieout.change import Action, Issue, State
from tieout.errors import Code, Severity
from tieout.models import Application, Link, RecordType, Ref, Settlement
from tieout.money import Money
from tieout.remedies import CATALOGUE, Remedies, Remedy, looked_up

F = TypeVar("F")
SEPARATOR = "\x1f"
"""Between the parts of a key: a character that no number or id may hold."""


def key_of(*parts: str) -> str:
    """A key made of parts."""
    return SEPARATOR.join(parts)


class Stage(Enum):
    """Where an intent is. The transitions are a table in `tieout.stages`."""

    PLANNED = "planned"
    SENDING = "sending"
    UNKNOWN = "unknown"
    APPLIED = "applied"
    REJECTED = "rejected"
    PARKED = "parked"
    SUPERSEDED = "superseded"
    IGNORED = "ignored"


class Doubt(Enum):
    """Why a write waits for a person; the value is what the person is told."""

    TOO_OFTEN = "its answer was lost again and again"
    DUPLICATE = "more than one document carries its mark"
    CONFLICT = "the document that carries its mark is not what was sent"
    TAKEN = "the document that was found belongs to another record"
    CANNOT_LOOK = "nothing shows whether it was carried out"


@frozen
class Intent:
    """
    The journal's row for one change: durable before the first byte leaves.

    ``wanted`` is a hash of the content, ``owner`` the customer of the document, ``also``
    other numbers that people know it by, ``within`` the record that the source is read
    with. ``settle`` is in seconds; ``not_before`` is the earliest moment at which "not
    found" proves that nothing happened; ``sent_at`` the last sending, ``looked_at`` the
    last time that absence was proven. ``key`` is the idempotency
    key, made at ``key_at``. ``result`` is the document it made; ``doubt`` why a person is
    asked, and ``candidates`` the documents in question. ``put`` is what it applies to what,
    where no mark will show that it did, and ``worth`` the money of what was sent;
    ``called`` the name of a customer. ``left`` are documents in question that a person left
    alone: nobody's news, whatever becomes of the write.
    """

    name: str
    pair: str
    verb: str
    kind: RecordType
    action: Action
    connection: str
    source: Ref
    target: Ref | None
    role: str
    generation: int
    link_version: int
    number: str
    agreed: str
    wanted: str
    mark: str
    stage: Stage
    attempt: int
    fence: int
    run: str
    owned: tuple[str, ...] = ()
    releases: bool = False
    first_sent_at: datetime | None = None
    sent_at: datetime | None = None
    deadline: datetime | None = None
    settle: float = 0.0
    not_before: datetime | None = None
    looked_at: datetime | None = None
    key: str = ""
    key_at: datetime | None = None
    result: Ref | None = None
    doubt: Doubt | None = None
    candidates: tuple[Ref, ...] = ()
    code: Code | None = None
    text: str = ""
    owner: str = ""
    also: tuple[str, ...] = ()
    within: Ref | None = None
    put: Application | None = None
    worth: Money | None = None
    called: str = ""
    left: tuple[Ref, ...] = ()

    @property
    def numbers(self) -> tuple[str, ...]:
        """All numbers by which people know it."""
        return tuple(dict.fromkeys(filter(None, (*self.also, self.number))))


class Held(Enum):
    """How an issue row stands."""

    OPEN = "open"
    NOTED = "noted"
    IGNORED = "ignored"


@frozen
class IssueRow:
    """The one row of a record that could not be carried, or that is worth a word."""

    pair: str
    verb: str
    about: str
    issue: Issue
    held: Held
    run: str
    first_at: datetime
    last_at: datetime
    attempts: int = 1
    settings: str = ""

    @property
    def id(self) -> str:
        """A short name for people to call it by: the same as long as it is open."""
        where = key_of(self.pair, self.verb, self.about)
        return hashlib.blake2b(where.encode(), digest_size=4).hexdigest()

    def is_quiet(self, basis: str) -> bool:
        """Whether a person wants the record left alone as it is, whatever the rules are."""
        # Behind the point stands by which rules a level was read.
        mine, now = (each.partition(".")[0] for each in (self.issue.basis, basis))
        return self.held is Held.IGNORED and mine == now


@frozen
class Event:
    """
    One thing that happened, as it was; never changed afterwards.

    ``fence`` and ``serial`` tell what came before what, whatever the clock says. ``link``
    is the tie as it stands since then, and ``let_go`` the ledger's record that the tie was
    to before: what is tied to what can be read from events alone. ``was`` and ``is_now``
    are what the record was about in money, where it has any.
    """

    run: str
    serial: int
    pair: str
    at: datetime
    what: str
    kind: RecordType | None = None
    source: Ref | None = None
    target: Ref | None = None
    numbers: tuple[str, ...] = ()
    change: str = ""
    state: State | None = None
    code: Code | None = None
    text: str = ""
    before: str = ""
    after: str = ""
    fence: int = 0
    link: Link | None = field(default=None, hash=False)
    let_go: Ref | None = None
    was: Money | None = None
    is_now: Money | None = None


class Ending(Enum):
    """How a run ended."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@frozen
class Run:
    """
    One run: who, when, with which window, and how it ended.

    ``task`` is what it was to carry, in words, and ``whole`` whether all that had changed;
    ``verb`` is that under which intents and issues are filed. ``connection`` is where it
    ended early, where that is known.
    """

    id: str
    pair: str
    verb: str
    profile: str
    started_at: datetime
    window: str
    ending: Ending = Ending.RUNNING
    ended_at: datetime | None = None
    counts: Mapping[str, int] = field(factory=dict)
    code: Code | None = None
    text: str = ""
    remedy: str = ""
    task: str = ""
    whole: bool = False
    connection: str = ""
    _advice: Remedy | None = looked_up()
    """What the engine's table of remedies says of how it ended; never stored."""

    @property
    def advice(self) -> Remedy | None:
        """What can be done about how it ended; None where it did not end early."""
        if self.code is None:
            return None
        return self._advice or CATALOGUE.of(self.code, self.text, self.remedy)

    def by(self, remedies: Remedies) -> Run:
        """The same, as a table of remedies reads it."""
        if self.code is None:
            return self
        system = self.connection.partition(":")[0]
        told = remedies.of(self.code, self.text, self.remedy, system)
        return evolve(self, advice=told)


@frozen
class Marker:
    """Where "last successful run" begins, for one pair, verb and profile."""

    pair: str
    verb: str
    profile: str
    at: datetime
    token: str | None = None


@frozen
class ResumePoint:
    """Where an interrupted run goes on."""

    pair: str
    verb: str
    profile: str
    start: datetime
    cursor: str | None
    as_of: datetime | None
    label: str
    trusting: bool
    run: str


@frozen
class Lease:
    """Who may write for a pair, and until when. ``fence`` rises with each holder."""

    pair: str
    holder: str
    fence: int
    until: datetime


@frozen
class StoredGrant:
    """The grant of a connection, and a fingerprint of the arguments it grew out of."""

    connection: str
    grant: Grant
    arguments: str = ""


@frozen
class Renewal:
    """
    How the renewal of a connection's grant stands: under way, or refused.

    Under way, it is ``holder``'s until ``until``; then anybody may take it over. Refused,
    ``code`` says why and ``until`` when: it is not tried again with these ``arguments``.
    """

    connection: str
    holder: str
    until: datetime
    arguments: str = ""
    code: Code | None = None
    text: str = ""
    remedy: str = ""


@frozen
class Identity:
    """Which company a connection was found to be, and what was found of its books."""

    connection: str
    identity: str
    name: str
    currency: str
    zone: str | None
    seen_at: datetime
    locked_through: date | None = None


@frozen
class Contact:
    """
    How a connection was when it was last looked at, or that a person has ended it.

    ``missing`` are the permissions that were lacking, ``code`` and ``text`` say why nobody
    was let in, and ``by`` is who ended it.
    """

    connection: str
    at: datetime
    ended: bool = False
    by: str = ""
    missing: tuple[str, ...] = ()
    code: Code | None = None
    text: str = ""


@frozen
class Sweep:
    """When the linked records of a pair were last read again to close blind spots."""

    pair: str
    verb: str
    at: datetime


@frozen
class Restored:
    """
    That the store was last found to be older than, or another than, the one used here.

    ``compared`` are the profiles whose runs have read again since then, from their old
    markers on, what forgotten runs may have written.
    """

    store: str
    at: datetime
    compared: tuple[str, ...] = ()


class BatchType(Enum):
    """What a run by hand did to the invoices of a batch."""

    POSTED = "invoice / automatic payment"
    MARKED = "do not post"
    PAID = "payment"


@frozen
class Member:
    """
    One invoice of a batch: billing's ref, and what came of it.

    ``state`` is None while it is under way; ``code`` and ``text`` say what went wrong, or
    is worth a word. ``auto_pay`` and ``method`` are words of `tieout.autopay`. ``was`` and
    ``is_now`` are the level that was shown before and is shown since, in batches of
    payments. ``change`` is the name of the write in billing; "" where there was none.
    """

    pair: str
    batch: str
    invoice: Ref
    number: str = ""
    ledger: Ref | None = None
    state: State | None = None
    code: Code | None = None
    text: str = ""
    auto_pay: str = ""
    method: str = ""
    was: Settlement | None = None
    is_now: Settlement | None = None
    change: str = ""

    @property
    def light(self) -> Severity:
        """Its light: green once it was done, yellow and red as the trouble is."""
        if self.code is not None:
            return self.code.severity
        return _LIGHTS.get(self.state, Severity.YELLOW)


_LIGHTS: Mapping[State | None, Severity] = {
    State.APPLIED: Severity.GREEN,
    State.REJECTED: Severity.RED,
}


@frozen
class Batch:
    """
    What one run by hand did: of which type, when, by whom, to which invoices.

    ``members`` are kept one by one, as they are dealt with, and put in when it is listed.
    """

    pair: str
    id: str
    type: BatchType
    at: datetime
    by: str
    through: date
    members: tuple[Member, ...] = ()

    @property
    def lights(self) -> Mapping[Severity, int]:
        """How many of its invoices have which light."""
        found = dict.fromkeys(Severity, 0)
        for member in self.members:
            found[member.light] += 1
        return found


Fact: TypeAlias = (
    Link
    | Intent
    | IssueRow
    | Event
    | Run
    | Marker
    | ResumePoint
    | Lease
    | StoredGrant
    | Renewal
    | Identity
    | Contact
    | Sweep
    | Restored
    | Batch
    | Member
)


@frozen
class Index:
    """One value under which a fact is found; ``unique`` where no other may have it."""

    name: str
    value: str
    unique: bool = False


@frozen
class Shape:
    """How one kind of fact is filed."""

    name: str
    key: Callable[[Any], str]
    indexes: Callable[[Any], Iterable[Index]] = lambda fact: ()


def link_key(pair: str, kind: str, ledger_id: str, role: str = "") -> str:
    """The key of the link of a ledger record."""
    return key_of(pair, kind, role, ledger_id)


def link_billing(pair: str, kind: str, billing_id: str, role: str = "") -> str:
    """The value of the ``billing`` index of the link of a billing record."""
    return key_of(pair, kind, role, billing_id)


def leg_of(pair: str, made: Ref) -> str:
    """
    The value of the ``leg`` index of the link of a part of another side's record; of the
    ``released`` index by the billing record of a link that was let go; of the ``left``
    index of the intent whose document was left alone.
    """
    return key_of(pair, made.connection, made.kind, made.id)


def _link_indexes(link: Link) -> Iterable[Index]:
    kind = link.ledger.kind
    if not link.released:
        # A fee's ledger invoice is tied to the payment that it is a part of.
        made_of = link.billing.kind
        billing = link_billing(link.pair, made_of, link.billing.id, link.role)
        yield Index("billing", billing, unique=True)
    if link.role:
        outward = link.origin == link.billing.connection
        made = link.ledger if outward else link.billing
        yield Index("leg", leg_of(link.pair, made))
    if link.released:
        yield Index("released", leg_of(link.pair, link.billing))
    for alias in link.ledger.aliases:
        yield Index("alias", link_key(link.pair, kind, alias, link.role))
    if link.number:
        yield Index("number", key_of(link.pair, link.number))
    if link.open:
        yield Index("open", key_of(link.pair, kind))
    elif link.seen_on:
        yield Index("seen", key_of(link.pair, kind, link.seen_on.isoformat()))


def _intent_indexes(intent: Intent) -> Iterable[Index]:
    yield Index("about", key_of(intent.pair, intent.source.kind, intent.source.id))
    if intent.mark:
        yield Index("mark", key_of(intent.pair, intent.mark))
    if intent.stage in OPEN_STAGES:
        yield Index("open", key_of(intent.pair, intent.verb))
    if intent.stage is Stage.PARKED:
        yield Index("parked", intent.pair)
    for ref in intent.left:
        yield Index("left", leg_of(intent.pair, ref))
    if intent.stage is Stage.APPLIED and intent.mark:
        yield Index("marked", key_of(intent.pair, intent.verb))


OPEN_STAGES = frozenset({Stage.PLANNED, Stage.SENDING, Stage.UNKNOWN, Stage.PARKED})
"""An intent that is not finished: nothing else may be sent about its record."""


def _issue_indexes(row: IssueRow) -> Iterable[Index]:
    yield Index("run", row.run)
    if row.held in (Held.OPEN, Held.IGNORED):
        yield Index(row.held.value, key_of(row.pair, row.verb))
    yield Index("held", key_of(row.pair, row.held.value))
    for number in row.issue.numbers:
        yield Index("number", key_of(row.pair, number))


def _event_indexes(event: Event) -> Iterable[Index]:
    yield Index("run", event.run)
    yield Index("pair", event.pair)
    for ref in (event.source, event.target):
        if ref is not None:
            yield Index("about", key_of(event.pair, ref.kind, ref.id))
    for number in event.numbers:
        yield Index("number", key_of(event.pair, number))


SHAPES: Mapping[type[Any], Shape] = {
    Link: Shape(
        "link",
        lambda f: link_key(f.pair, f.ledger.kind, f.ledger.id, f.role),
        _link_indexes,
    ),
    Intent: Shape("intent", lambda f: f.name, _intent_indexes),
    IssueRow: Shape("issue", lambda f: key_of(f.pair, f.verb, f.about), _issue_indexes),
    Event: Shape("event", lambda f: key_of(f.run, f"{f.serial:09d}"), _event_indexes),
    Run: Shape(
        "run",
        lambda f: f.id,
        lambda f: [Index("pair", key_of(f.pair, f.verb)), Index("all", f.pair)],
    ),
    Marker: Shape("marker", lambda f: key_of(f.pair, f.verb, f.profile)),
    ResumePoint: Shape("resume", lambda f: key_of(f.pair, f.verb, f.profile)),
    Lease: Shape("lease", lambda f: f.pair),
    StoredGrant: Shape("grant", lambda f: f.connection),
    Renewal: Shape("renewal", lambda f: f.connection),
    Identity: Shape("identity", lambda f: f.connection),
    Contact: Shape("contact", lambda f: f.connection),
    Sweep: Shape("sweep", lambda f: key_of(f.pair, f.verb)),
    Restored: Shape("restored", lambda f: "store"),
    Batch: Shape(
        "batch",
        lambda f: key_of(f.pair, f.id),
        lambda f: [Index("pair", f.pair)],
    ),
    Member: Shape(
        "member",
        lambda f: key_of(f.pair, f.batch, f.invoice.id),
        lambda f: [Index("batch", key_of(f.pair, f.batch))],
    ),
}
"""How each kind of fact is filed: the one description of keys and indexes."""


@frozen
class Gone:
    """Takes a fact out of the store."""

    kind: type[Any]
    key: str


@frozen
class Expect:
    """What must still hold for a commit: the fact has these values, or does not exist."""

    kind: type[Any]
    key: str
    values: Mapping[str, Any] | None = None

    def holds(self, fact: Any | None) -> bool:
        """Whether it does."""
        if self.values is None or fact is None:
            return self.values is None and fact is None
        return all(getattr(fact, name) == value for name, value in self.values.items())


class Store(Protocol):
    """Where facts are kept between runs. Every method may raise `StoreError`."""

    def get(self, kind: type[F], keys: Iterable[str]) -> dict[str, F]:
        """The facts of these keys, as far as there are any."""
        ...

    def find(
        self,
        kind: type[F],
        index: str,
        value: str | Collection[str],
        after: str = "",
        limit: int = 1000,
    ) -> list[F]:
        """The facts under a value (or several) of an index, by key, from behind ``after``."""
        ...

    def commit(self, *facts: Fact | Gone, expect: Iterable[Expect] = ()) -> bool:
        """
        Write all facts or none; durable on return. Of two with one key the last counts.

        False when an expectation no longer holds, or when a unique value is taken.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def key(fact: Fact) -> str:
    """The key of a fact."""
    return SHAPES[type(fact)].key(fact)


def indexes(fact: Fact) -> tuple[Index, ...]:
    """The index entries of a fact."""
    return tuple(SHAPES[type(fact)].indexes(fact))


def place(fact: Fact | Gone) -> tuple[str, str]:
    """The kind's name and the key of a fact that is written or taken out."""
    if isinstance(fact, Gone):
        return SHAPES[fact.kind].name, fact.key
    return SHAPES[type(fact)].name, key(fact)


def ties(
    store: Store, pair: str, wanted: Iterable[tuple[Ref, str]]
) -> dict[tuple[Ref, str], Link]:
    """The links of records of either side, by record and role."""
    asked = list(wanted)
    billing = pair.partition(SEPARATOR)[0]
    values = [
        link_billing(pair, ref.kind, ref.id, role)
        for ref, role in asked
        if ref.connection == billing
    ]
    keys = [
        link_key(pair, ref.kind, ref.id, role)
        for ref, role in asked
        if ref.connection != billing
    ]
    found = store.find(Link, "billing", values, limit=len(values) + 1)
    return {
        **{(link.billing, link.role): link for link in found},
        **{(link.ledger, link.role): link for link in store.get(Link, keys).values()},
    }
