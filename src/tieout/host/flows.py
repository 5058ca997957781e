"""
Flows into the host's own code: they yield calls, never requests.

`InProcess` is what an app and a table have in common. Nothing here knows how a host keeps
its rows, or decides what is to be written.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from attrs import evolve, field, frozen

from tieout.auth import Auth, NoAuth
from tieout.capabilities import Capabilities, Dated, Open, Select, Unposted, Verb
from tieout.change import Action, Change, Issue
from tieout.connector import (
    TEXT_KEPT_MAX,
    Books,
    Health,
    Page,
    batches,
    discreet,
    read_rows,
)
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.host.records import Load
from tieout.models import (
    Posting,
    R,
    Record,
    RecordType,
    Ref,
    Settlement,
    Status,
    clean_number,
)
from tieout.wire import Answer, Call, Flow, Response, Verdict


@frozen(eq=False)
class InProcess:
    """The flows. A subclass does the blocking work, in the calls that they yield."""

    connection: str = field(kw_only=True)
    base_currency: str = field(default="", kw_only=True)
    zone: str | None = field(default=None, kw_only=True)
    auth: Auth = field(factory=NoAuth, init=False, repr=False)

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities: ...
    @abstractmethod
    def _health(self) -> Health: ...
    @abstractmethod
    def _select(
        self, kind: RecordType, select: Any, cursor: str | None
    ) -> tuple[list[Any], str | None]: ...
    @abstractmethod
    def _named(
        self, kind: RecordType, ids: list[str], numbers: list[str]
    ) -> list[Any]: ...
    @abstractmethod
    def _marked(self, kind: RecordType, marks: list[str]) -> list[Any]: ...
    @abstractmethod
    def _loader(self, kind: RecordType) -> Load: ...

    def _is_cursor(self, text: str) -> bool:
        """Whether a text can be a cursor of this connection; here there is one page."""
        return False

    def _own_books(self) -> Books:
        return Books(self.connection, currency=self.base_currency, zone=self.zone)

    def check(self) -> Flow[Health]:
        health: Health = yield from ask(self._health, "check")
        return health

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        if type(select) not in self.capabilities.kind(kind).selects:
            asked = f"{kind.__name__} records by {type(select).__name__}"
            raise Fault(Code.NOT_ALLOWED, f"{self.connection} cannot list {asked}")
        if cursor is not None and not self._is_cursor(cursor):
            text = f"this resume point is none of {self.connection}'s"
            raise ConfigError(f"{text}: start from a date")
        call = partial(self._select, kind, select, cursor)
        rows, following = yield from ask(call, "page")
        page = self._read(kind, rows)
        meant = tuple(each for each in page.records if selected(each, select))
        return evolve(page, records=meant, next=following)

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        offered = self.capabilities.kind(kind)
        if not offered.can(Verb.READ):
            raise Fault(Code.NOT_ALLOWED, f"{self.connection} has no {kind.__name__}")
        size = offered.fetch_size
        calls = [partial(self._named, kind, some, []) for some in batches(ids, size)]
        calls += [
            partial(self._named, kind, [], some) for some in batches(numbers, size)
        ]
        rows: list[Any] = []
        for call in calls:
            rows.extend((yield from ask(call, "fetch")))
        page = self._read(kind, rows)
        wanted, named = set(ids), {clean_number(number) for number in numbers}
        # A database may compare without case: what was not asked for is not returned.
        exact = {
            each.ref.id: each
            for each in page.records
            if each.ref.id in wanted or each.number in named
        }
        return evolve(page, records=tuple(exact.values()))

    def find(self, changes: Sequence[Change]) -> Flow[Page[Record]]:
        records: list[Record] = []
        issues: list[Issue] = []
        for kind in dict.fromkeys(change.kind for change in changes):
            some = [change for change in changes if change.kind is kind]
            ids = [change.target.id for change in some if change.target]
            page: Page[Any] = yield from self.fetch(kind, ids=ids)
            made = [change for change in some if change.action is Action.CREATE]
            marked = yield from self._made(kind, made) if made else _nothing()
            records += [*page.records, *marked.records]
            issues += [*page.issues, *marked.issues]
        return Page(tuple(records), tuple(issues))

    def _made(self, kind: RecordType, changes: Sequence[Change]) -> Flow[Page[Any]]:
        """Documents that carry the marks of these changes; others are looked through."""
        offered = self.capabilities.kind(kind)
        if offered.mark is None:
            text = f"{self.connection} has no mark to find a {kind.__name__} by"
            raise Fault(Code.NOT_ALLOWED, text)
        marks = [change.mark for change in changes if change.mark]
        rows: list[Any] = []
        for some in batches(dict.fromkeys(marks), offered.fetch_size):
            rows += yield from ask(partial(self._marked, kind, some), "find")
        return self._read(kind, rows)

    def judge(self, response: Response) -> Verdict:
        return Verdict(Answer.OK)

    def _read(self, kind: RecordType, rows: Iterable[Any]) -> Page[Any]:
        records, issues = read_rows(
            rows,
            self._loader(kind),
            kind=kind,
            connection=self.connection,
            id_field="id",
            number_field="number",
        )
        return Page(records, tuple(dict.fromkeys(issues)))

    def _check_allowed(self, change: Change) -> None:
        """Refuse what is not offered: `Fault` NOT_ALLOWED."""
        target, action = change.target, change.action
        if action is Action.CREATE:
            sound = target is None
        else:
            ours = target is not None and target.connection == self.connection
            sound = ours and change.before is not None
        able = self.capabilities.kind(change.kind).verbs
        if not sound or action.name not in {verb.name for verb in able}:
            asked = f"{action.name.lower()} this {change.kind.__name__}"
            raise Fault(Code.NOT_ALLOWED, f"{self.connection} cannot {asked}")

    def _wanted(self, change: Change) -> tuple[Ref, Settlement, Settlement]:
        """Which invoice, as it was read, and as it should be; else `Fault` NOT_ALLOWED."""
        match change:
            case Change(
                target=Ref() as target,
                before=Settlement() as before,
                after=Settlement() as after,
            ):
                self._check_allowed(change)
                return target, before, after
        raise Fault(Code.NOT_ALLOWED, "no level of an invoice is wanted")


def ask(run: Callable[[], Any], name: str, fate: Fate = Fate.UNCLEAR) -> Flow[Any]:
    """A call that changes nothing; whatever it raises becomes a `Fault`."""
    try:
        response = yield Call(run, name=name)
    except Fault:
        raise
    except Exception as error:
        raise Fault(Code.SERVER_ERROR, in_words(error), fate=fate) from error
    return response.value


def _nothing() -> Flow[Page[Any]]:
    yield from ()
    return Page()


def in_words(error: Exception) -> str:
    """What an exception of the host's says, in short."""
    return discreet(f"{type(error).__name__}: {error}"[:TEXT_KEPT_MAX])


def unknown(error: Exception) -> Fault:
    """What an exception means after which a write may have been carried out."""
    return Fault(Code.OUTCOME_UNKNOWN, in_words(error), fate=Fate.UNCLEAR)


def selected(record: Any, select: Select) -> bool:
    """Whether a record is meant; a host may bring more than it was asked for."""
    match select:
        case Dated(first=first, last=last):
            return record.on is not None and first <= record.on <= last
        case Open(through=through):
            later = bool(through and record.on and record.on > through)
            return record.status is Status.OPEN and not later
        case Unposted(through=through):
            # What is no part of the record itself stands in its luggage.
            if isinstance(record, Posting):
                return record.on is None and record.carry <= through
            return record.carry is None and record.on <= through
        case _:
            return True
