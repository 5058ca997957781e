"""
The connector to books in memory: all kinds, all verbs, by calls on the caller's thread.

It reads and writes `Books`; a test says what becomes of each effect by ``fate``. Nothing
here decides what is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeAlias, cast

from attrs import define, evolve, field, fields

from tieout.auth import Auth, NoAuth
from tieout.capabilities import (
    Capabilities,
    Changed,
    Creates,
    Dated,
    Everything,
    Kind,
    Mark,
    Open,
    Payments,
    Select,
    Unposted,
    Updates,
    Verb,
)
from tieout.change import Action, Change, Outcome
from tieout.errors import Code, Fate, Fault
from tieout.evidence import carries
from tieout.guarding import guarded
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    Posting,
    R,
    Record,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.protocol import Books as Company
from tieout.protocol import Health, Page
from tieout.rules import judge
from tieout.testing.year.books import Books
from tieout.wire import Call, Flow, Response, Verdict

_ALL = frozenset(Verb)
_LISTED = frozenset({Changed, Everything})
_TEXT = Mark("custom.mark")
_SPARSE = Updates.SPARSE

KINDS: Mapping[RecordType, Kind] = {
    Customer: Kind(
        _ALL, _LISTED, frozenset({"name", "number", "email", "active"}),
        Creates.FINAL, _SPARSE, mark=_TEXT, page_size=7,
    ),
    Invoice: Kind(
        _ALL, _LISTED | {Dated, Open, Unposted},
        frozenset({"number", "reference", "customer", "on", "due", "total", "lines"}),
        Creates.FINAL, _SPARSE,
        Mark("number", is_number=True), 50, number_unique=True, page_size=7, batch_size=3,
    ),
    CreditNote: Kind(
        _ALL, _LISTED | {Dated}, frozenset({"number", "reference", "on", "total", "lines"}),
        Creates.FINAL, _SPARSE, _TEXT, 50, page_size=7,
    ),
    Payment: Kind(
        _ALL - {Verb.UPDATE}, _LISTED | {Dated}, creates=Creates.FINAL,
        mark=_TEXT, page_size=7,
    ),
    Application: Kind(_ALL - {Verb.UPDATE}, creates=Creates.FINAL, mark=_TEXT),
    Settlement: Kind(frozenset({Verb.READ}), _LISTED | {Open}, page_size=7),
    Posting: Kind(
        frozenset({Verb.READ, Verb.UPDATE, Verb.VOID}), frozenset({Unposted}),
        frozenset({"on"}), updates=_SPARSE, batch_size=3,
    ),
}  # fmt: skip
"""What such books can do; a test takes away what another system lacks."""

LEVELS: Mapping[RecordType, Kind] = {
    **KINDS,
    Settlement: Kind(
        frozenset({Verb.READ, Verb.UPDATE}),
        _LISTED | {Open},
        frozenset({"paid", "paid_on"}),
        updates=_SPARSE,
        page_size=7,
        batch_size=3,
    ),
}
"""The same where what was paid of an invoice is a field of it, to be set from outside."""

Fates: TypeAlias = Callable[[Change], str]
"""
What becomes of a write: ``""`` done, ``lost`` done and not told, ``late`` done later and
not told, ``never`` and not told, ``refused``, ``stale`` somebody was faster, ``away`` the
system was not reached.
"""

Later: TypeAlias = Callable[[Callable[[], object]], object]
"""Puts something off."""


def done(change: Change) -> str:
    """Every write is done and told."""
    return ""


def nothing(*_: object) -> None:
    """Nobody is told."""


_FAILS: Mapping[str, tuple[Code, str, Fate | None]] = {
    "refused": (Code.REFUSED, "no", None),
    "stale": (Code.STALE_VERSION, "somebody was faster", None),
    "away": (Code.NOT_REACHED, "nobody answers", Fate.NOT_SENT),
    "never": (Code.ANSWER_LOST, "the line broke", Fate.UNCLEAR),
    "late": (Code.ANSWER_LOST, "the line broke", Fate.UNCLEAR),
    "lost": (Code.ANSWER_LOST, "the line broke", Fate.UNCLEAR),
}
"""The fault by which each fate is told."""


@define(eq=False)
class BooksConnector:
    """
    Books as a system that can be tied out.

    ``reached`` is told of each call before it does anything, ``landed`` of each write that
    was carried out, with the record that it made or changed. ``versioned``: an update or a
    void of what has changed since it was read is refused.
    """

    books: Books
    kinds: Mapping[RecordType, Kind] = KINDS
    fate: Fates = done
    locked_through: Any = None
    invoices_per_payment: int | None = None
    auth: Auth = field(factory=NoAuth)
    marks: dict[str, str] = field(factory=dict)
    calls: int = 0
    reached: Callable[[str], object] = nothing
    landed: Callable[[Change, Any], object] = nothing
    later: Later = nothing
    versioned: bool = False
    search_lag: timedelta = timedelta(0)
    _able: Capabilities | None = None

    @property
    def connection(self) -> str:
        return self.books.connection

    @property
    def capabilities(self) -> Capabilities:
        # Asked for at each step: made anew only where a test has taken something away.
        able, most = self._able, self.invoices_per_payment
        if able is None or (able.kinds, able.invoices_per_payment) != (
            self.kinds,
            most,
        ):
            able = self._able = self._abilities()
        return able

    def _abilities(self) -> Capabilities:
        return Capabilities(
            f"Books {self.connection}",
            self.kinds,
            payments=Payments(sweep_every=timedelta(days=1)),
            late_commit=timedelta(minutes=1),
            search_lag=self.search_lag,
            version_token=self.versioned,
            overlap=timedelta(seconds=1),
            invoices_per_payment=self.invoices_per_payment,
        )

    def check(self) -> Flow[Health]:
        yield from self._asked("check")
        company = Company(
            self.connection, self.connection, "EUR", "UTC", self.locked_through
        )
        return Health(reachable=True, signed_in=True, books=company)

    def judge(self, response: Response) -> Verdict:
        return judge(response, ())

    # Reading ------------------------------------------------------------------------------

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        yield from self._asked(f"page {kind.__name__}")
        able = self.kinds.get(kind)
        if able is None or type(select) not in able.selects:
            raise Fault(Code.NOT_ALLOWED, f"{kind.__name__} by {type(select).__name__}")
        rows = [each for each in self._rows(kind) if self._selected(each, select)]
        rows.sort(key=_place)
        # By the last row's own place: rows that change meanwhile move to the end.
        rest = [each for each in rows if cursor is None or _place(each) > cursor]
        some = rest[: able.page_size]
        after = _place(some[-1]) if len(rest) > len(some) else None
        page = Page(tuple(some), next=after, as_of=self.books.now())
        return cast(Page[R], page)

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        yield from self._asked(f"fetch {kind.__name__}")
        own, names = set(ids), set(numbers)
        found = [
            self._told(kind, each)
            for each in self._kept(kind)
            if each.ref.id in own or getattr(each, "number", None) in names
        ]
        return cast(Page[R], Page(tuple(found)))

    def find(self, changes: Sequence[Change]) -> Flow[Page[Record]]:
        yield from self._asked("find")
        found: dict[Ref, Record] = {}
        for kind in dict.fromkeys(change.kind for change in changes):
            some = [change for change in changes if change.kind is kind]
            targets = {each.target.id for each in some if each.target is not None}
            marks = {each.mark for each in some if each.mark}
            for kept in self._kept(kind):
                named = marks & {*_texts(kept), self.marks.get(kept.ref.id, "")}
                named = named if self._searchable(kept) else set()
                if kept.ref.id not in targets and not named:
                    continue
                told = self._told(kind, kept)
                if kept.ref.id in targets or any(carries(told, mark) for mark in named):
                    found[told.ref] = told
        return Page(tuple(found.values()))

    def _searchable(self, record: Any) -> bool:
        """Whether a search shows a record yet."""
        made = self.books.made_at.get(record.ref.id)
        return made is None or self.books.now() - made >= self.search_lag

    def _marked(self, record: Any) -> Any:
        """A record with the mark that it was made under, where that is not its number."""
        mark = self.marks.get(record.ref.id)
        if mark is None or not hasattr(record, "custom"):
            return record
        return evolve(record, custom={**record.custom, "mark": mark})

    def _rows(self, kind: RecordType) -> list[Any]:
        return [self._told(kind, each) for each in self._kept(kind)]

    def _kept(self, kind: RecordType) -> list[Any]:
        """What stands in the books behind the records of a kind."""
        behind = Invoice if kind in (Settlement, Posting) else kind
        return list(self.books.of(behind).values())

    def _told(self, kind: RecordType, kept: Any) -> Any:
        """A record of a kind as the system tells it, its mark among its custom fields."""
        if kind is Settlement:
            return self.books.level(kept)
        if kind is Posting:
            return self.books.posting(kept)
        return self._marked(self.books.shown(kept))

    def _selected(self, record: Any, select: Select) -> bool:
        match select:
            case Changed(since=since):
                return bool(record.changed_at is None or record.changed_at >= since)
            case Dated(first=first, last=last):
                return bool(first <= record.on <= last)
            case Open(through=through):
                owed = getattr(record, "balance", None)
                if owed is None:
                    owed = self.books.owed(self.books.of(Invoice)[record.ref.id])
                return owed > 0 and (through is None or record.on <= through)
            case Unposted(through=through):
                own = self.books.of(Invoice)[record.ref.id]
                final = own.status not in (Status.DRAFT, Status.VOID)
                return (
                    final and own.ref.id not in self.books.posted and own.on <= through
                )
            case _:
                return True

    # Writing ------------------------------------------------------------------------------

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        outcomes: list[Outcome] = []
        for change in changes:
            outcome = yield from guarded(self._one(change), change, self.judge)
            outcomes.append(outcome)
        return tuple(outcomes)

    def _one(self, change: Change) -> Flow[Outcome]:
        answer = yield Call(
            lambda: self._carried(change), effect=True, name=f"write {change.name}"
        )
        self.calls += 1
        made = cast(Any, answer.value)
        return Outcome.applied(change, ref=made.ref if made else None, echo=made)

    def _carried(self, change: Change) -> Any:
        self.reached(f"write {change.kind.__name__} {change.action.name}")
        fate = self.fate(change)
        made = self._landed(change) if fate in ("", "lost") else None
        if fate == "late":
            self.later(lambda: self._too_late(change))
        if fate:
            code, text, known = _FAILS[fate]
            raise Fault(code, text, fate=known or Fate.REFUSED)
        return made

    def _too_late(self, change: Change) -> None:
        """A write that lands when its caller has given up; nobody hears of a refusal."""
        with suppress(Fault):
            self._landed(change)

    def _landed(self, change: Change) -> Any:
        made = self._written(change)
        self.landed(change, made)
        if change.kind is Settlement:
            return self.books.level(made)
        new = change.target is None
        shown = self.books.shown(made) if made is not None else None
        return self._marked(shown) if new else shown

    def _written(self, change: Change) -> Any:
        """What a write makes or changes; None where it is no record with an id."""
        books, target = self.books, change.target
        if self.versioned and target is not None:
            self._check_version(change)
        if change.kind is Posting:
            assert target is not None
            after = cast(Posting | None, change.after)
            books.post(target.id, after.on if after else None)
            return None
        if change.kind is Settlement:
            books.show(cast(Settlement, change.after))
            return books.get(cast(Ref, target), Invoice)
        if change.action is Action.VOID:
            assert target is not None
            books.void(target, change.kind)
            return None
        after_ = self._as_sent(change)
        if change.kind is Payment:
            made: Any = books.pay(after_)
        elif change.kind is Application:
            made = books.apply(after_)
        else:
            made = books.put(after_)
        if change.mark and change.mark not in _texts(made):
            self.marks.setdefault(after_.ref.id, change.mark)
        return made

    def _as_sent(self, change: Change) -> Any:
        """The record as it is to be: of one that is there, what was sent changes alone."""
        after, before = cast(Any, change.after), change.before
        if change.target is None:
            return evolve(after, ref=self.books.ref(change.kind))
        held = self.books.shown(self.books.get(change.target, change.kind))
        names = [each.name for each in fields(change.kind) if each.name != "ref"]
        values = {
            name: getattr(after, name)
            for name in names
            if before is None or getattr(before, name) != getattr(after, name)
        }
        return evolve(held, **values)

    def _check_version(self, change: Change) -> None:
        read: Any = change.after if change.after is not None else change.before
        kind = Invoice if change.kind is Settlement else change.kind
        held = self.books.get(cast(Ref, change.target), kind)
        told = getattr(read, "version", "")
        if told and told != held.version:
            raise Fault(Code.STALE_VERSION, "it changed since it was read")

    def _asked(self, what: str) -> Flow[None]:
        """Every verb asks for something, if nothing that could fail."""
        self.calls += 1
        yield Call(lambda: self.reached(what), name=what)


def _texts(record: Any) -> set[str]:
    """The words in which a record may carry a mark."""
    told = (
        getattr(record, "number", ""),
        getattr(record, "reference", ""),
        *getattr(record, "custom", {}).values(),
    )
    texts = [text for text in told if isinstance(text, str)]
    return {word for text in texts for word in (text, *text.split())}


def _place(record: Any) -> str:
    """Where a record stands in a list: by its change time, then its id."""
    at = record.changed_at
    return f"{at.isoformat() if at else ''} {record.ref.id}"


def without(kinds: Iterable[RecordType], *verbs: Verb) -> Mapping[RecordType, Kind]:
    """What such books can do, less these verbs of these kinds."""
    wanted = set(kinds)
    return {
        kind: evolve(able, verbs=able.verbs - set(verbs)) if kind in wanted else able
        for kind, able in KINDS.items()
    }
