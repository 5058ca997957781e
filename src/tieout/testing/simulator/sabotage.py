"""
Sabotage switches: each puts one deliberate bug into the library, from outside, for a while.

A simulator that never caught a bug proves nothing. `SABOTAGES` is the table of all of
them, by id; `hunt` plays seeds with one switched on until an invariant breaks. The
library has no hook for any of this: functions, tables and properties are patched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from itertools import product
from typing import Any, TypeAlias
from unittest.mock import patch

from attrs import evolve, frozen

from tieout import doubts as doubts_module
from tieout import evidence as evidence_module
from tieout import footing as footing_module
from tieout import journal as journal_module
from tieout import reading as reading_module
from tieout import session as session_module
from tieout import windows
from tieout.capabilities import Capabilities
from tieout.change import Outcome, State
from tieout.connector import Fields, RestConnector
from tieout.engine import Engine
from tieout.errors import Code, Fate
from tieout.journal import Journal
from tieout.lease import LEASE, Hold
from tieout.models import Link, Settlement, Status
from tieout.pace import Pace
from tieout.planners import settlements
from tieout.reading import Batch, Reader, Seen, Start
from tieout.session import Session
from tieout.stages import TRANSITIONS
from tieout.store import Ending, Intent, Lease, Stage, key_of
from tieout.testing.simulator import shop as shop_module
from tieout.testing.simulator.book import Book, BookConnector, told
from tieout.testing.simulator.ports import StorePort
from tieout.testing.simulator.result import Result, simulate
from tieout.testing.simulator.shop import Bill, Shop, ShopConnector
from tieout.wire import REPEATS, Answer, Repeat, Request

Bug: TypeAlias = Callable[[], AbstractContextManager[object]]

_FAR = timedelta(days=36500)


@frozen
class Sabotage:
    """
    One deliberate bug.

    ``caught_by`` are the invariants one of which must break, in worlds of this
    ``profile``, within so many ``seeds`` from ``start`` on.
    """

    id: str
    text: str
    caught_by: tuple[str, ...]
    profile: str
    seeds: int
    bug: Bug
    start: int = 0


def hunt(
    sabotage: Sabotage,
    seeds: int,
    start: int | None = None,
    profile: str | None = None,
    *,
    world: Callable[..., Result] = simulate,
) -> tuple[int, Result | None]:
    """How many seeds were played until the bug was caught, and the world that did it."""
    first = sabotage.start if start is None else start
    for count in range(1, seeds + 1):
        result = world(
            first + count - 1, profile or sabotage.profile, sabotage=sabotage.bug()
        )
        if not result.ok:
            return count, result
    return seeds, None


# What may be repeated -------------------------------------------------------------------


def _repeats(what: Fate | Answer, repeat: Repeat) -> Bug:
    """A table of repetitions with one row otherwise."""
    return lambda: patch.dict(REPEATS, {(what, True): repeat})


@contextmanager
def _bad_gateway_is_repeated() -> Iterator[None]:
    """A write is sent again where a gateway, and not the system itself, answered."""
    real = Session._judged  # noqa: SLF001

    def judged(self: Any, request: Request, answer: Any) -> Any:
        kind, repeat, fault, pause = real(self, request, answer)
        if fault is None and answer.status == HTTPStatus.BAD_GATEWAY:
            repeat = Repeat.AFTER_WAIT
        return kind, repeat, fault, pause

    with patch.object(Session, "_judged", judged):
        yield


@contextmanager
def _unclear_is_not_sent() -> Iterator[None]:
    """An effect without a clear answer counts as one that never left."""
    real = Outcome.failed.__func__  # type: ignore[attr-defined]

    def failed(cls: type[Outcome], /, change: Any, fault: Any, **_: Any) -> Outcome:
        told: Outcome = real(cls, change, fault)
        unclear = told.state is State.UNKNOWN
        return evolve(told, state=State.NOT_SENT) if unclear else told

    with patch.object(Outcome, "failed", classmethod(failed)):
        yield


@contextmanager
def _stale_is_done() -> Iterator[None]:
    """412, somebody else was faster, is taken for done."""
    real = Outcome.failed.__func__  # type: ignore[attr-defined]

    def failed(cls: type[Outcome], /, change: Any, fault: Any, **more: Any) -> Outcome:
        if fault.code is Code.STALE_VERSION:
            return Outcome.applied(change, owned=change.owned)
        outcome: Outcome = real(cls, change, fault, **more)
        return outcome

    with patch.object(Outcome, "failed", classmethod(failed)):
        yield


# What a look proves ---------------------------------------------------------------------


@contextmanager
def believed_at_once() -> Iterator[None]:
    """Not found is proof of absence at any time."""
    real = evidence_module.judged

    def judged(intent: Any, found: Any, now: datetime, **more: Any) -> Any:
        return real(intent, found, now + _FAR, **more)

    with patch.object(doubts_module, "judged", judged):
        yield


@contextmanager
def _only_search_lag() -> Iterator[None]:
    """The wait covers the lag of the search, and no late commit."""
    lag = property(lambda self: self.search_lag)
    with patch.object(Capabilities, "settle", lag):
        yield


@contextmanager
def _adopt_anything() -> Iterator[None]:
    """Whatever a look finds is adopted; what it shows is not compared."""
    with patch.object(
        evidence_module, "_as_wanted", lambda intent, record: record is not None
    ):
        yield


# The journal ----------------------------------------------------------------------------


@contextmanager
def _numbers_do_not_count() -> Iterator[None]:
    """An update of a number is found in a document that has the old one."""

    def awaited(change: Any) -> str:
        return evidence_module.shown(change.after)

    with patch.object(journal_module, "awaited", awaited):
        yield


@contextmanager
def _nothing_journaled() -> Iterator[None]:
    """Writes leave without a row on the disk."""
    real = Journal.send

    def send(self: Journal, *arguments: Any) -> Any:
        with patch.object(self, "_commit", lambda *facts: None):
            return real(self, *arguments)

    with patch.object(Journal, "send", send):
        yield


@contextmanager
def _not_durable() -> Iterator[None]:
    """SENDING rows come to the disk only with the next commit."""
    real = StorePort._committed  # noqa: SLF001
    held: dict[StorePort, Sequence[Any]] = {}

    def committed(self: StorePort, facts: Any, expect: Any, *, torn: bool) -> bool:
        late = held.pop(self, ())
        if any(isinstance(f, Intent) and f.stage is Stage.SENDING for f in facts):
            held[self] = facts
            return True
        return real(self, [*late, *facts], expect, torn=torn)

    with patch.object(StorePort, "_committed", committed):
        yield


@contextmanager
def _link_apart() -> Iterator[None]:
    """Outcomes are written down first, links in a transaction of their own."""
    real = Hold._commit  # noqa: SLF001

    def commit(self: Hold, *facts: Any) -> None:
        links = [each for each in facts if isinstance(each, Link)]
        rest = [each for each in facts if not isinstance(each, Link)]
        for part in (rest, links):
            if part:
                real(self, *part)

    with patch.object(Hold, "_commit", commit):
        yield


@contextmanager
def _crashed_is_planned() -> Iterator[None]:
    """What was being sent when a process ended is taken for not sent."""
    row = {(Stage.SENDING, "crashed"): Stage.PLANNED}
    with patch.dict(TRANSITIONS, row):
        yield


@contextmanager
def _no_recovery() -> Iterator[None]:
    """Nothing looks after what earlier runs left."""
    with patch.object(Journal, "recover", lambda self, find, **more: []):
        yield


@contextmanager
def no_issues() -> Iterator[None]:
    """Records that cannot be carried are passed over in silence."""
    real = Journal.keep

    def keep(self: Journal, changes: Any, issues: Any, notes: Any = None) -> Any:
        return real(self, changes, (), notes)

    with patch.object(Journal, "keep", keep):
        yield


# The lease ------------------------------------------------------------------------------


def _any_step() -> Mapping[tuple[Stage | None, str], Stage]:
    """A machine without guards: what was seen later is where an intent is."""
    known = {step: to for (_, step), to in TRANSITIONS.items()}
    anywhere = product((None, *Stage), known)
    return {at: TRANSITIONS.get(at, known[at[1]]) for at in anywhere}


@contextmanager
def _no_fence() -> Iterator[None]:
    """A run goes on writing after it has lost its lease."""
    with ExitStack() as patches:
        put = patches.enter_context
        put(patch.object(Hold, "_fenced", lambda self: ()))
        put(patch.object(Hold, "_check_lease", lambda self: None))
        put(patch.dict(TRANSITIONS, _any_step()))
        yield


@contextmanager
def _no_lease() -> Iterator[None]:
    """Nobody is kept from writing to a pair at which another run is at work."""

    def acquire(self: Any) -> None:
        lease = Lease(self._pair, self._holder, 1, self._clock.now() + LEASE)
        self._store.commit(lease)
        self._lease = lease

    with _no_fence(), patch.object(Hold, "acquire", acquire):
        yield


# The marker and the window --------------------------------------------------------------


def _no_overlap(later: timedelta = timedelta(0)) -> AbstractContextManager[object]:
    """Runs begin to read at the marker, or a little behind it."""
    real = windows.window

    def window(since: Any, **more: Any) -> Any:
        found = real(since, **{**more, "overlap": timedelta(0)})
        return evolve(found, start=found.start + later) if found.trusting else found

    return patch.object(footing_module, "window", window)


@contextmanager
def _marker_at_end() -> Iterator[None]:
    """The marker is the time at which the run ended, and reading begins there."""
    real = Engine._finish  # noqa: SLF001

    def finish(self: Any, run: Any, under: Any, **more: Any) -> Any:
        under.track.as_of = self._clock.now()
        return real(self, run, under, **more)

    with patch.object(Engine, "_finish", finish), _no_overlap():
        yield


@contextmanager
def _marker_first() -> Iterator[None]:
    """The marker is written before the records are carried."""
    real = Engine._read_levels  # noqa: SLF001

    def read(self: Any, run: Any, under: Any, since: Any) -> Any:
        if run.journal is not None:
            early = evolve(under, ending=Ending.DONE, moved=[])
            run.journal.note(*early.move(self.pair, self._profile))
        return real(self, run, under, since)

    with patch.object(Engine, "_read_levels", read):
        yield


# Reading --------------------------------------------------------------------------------


@contextmanager
def _offsets() -> Iterator[None]:
    """Pages are counted off, although the order moves; it is declared to be stable."""

    def feed(self: Any, asked: Mapping[str, str], now: datetime) -> Any:
        since = datetime.fromisoformat(asked["since"])
        papers = [p for p in self.papers.values() if self._seen_stamp(p, now) >= since]
        papers.sort(key=lambda paper: (self._seen_stamp(paper, now), int(paper.id[1:])))
        first = int(asked.get("page") or 0)
        last = first + self.style.page_size
        body = {
            "levels": [self.row(each) for each in papers[first:last]],
            "next": str(last) if last < len(papers) else None,
            "touched": [],
            "gone": self._deleted(since),
        }
        return told(200, body, now)

    with patch.object(Book, "_feed", feed):
        yield


@contextmanager
def _first_page_alone() -> Iterator[None]:
    """The first page is taken for all of them."""
    with patch.object(BookConnector, "next_cursor", lambda *_: None):
        yield


@contextmanager
def _page_lost() -> Iterator[None]:
    """One row that cannot be read, and the whole page is left out."""
    real = RestConnector.load

    def load(self: Any, resource: Any, rows: Any) -> Any:
        records, issues = real(self, resource, rows)
        return ((), ()) if issues else (records, issues)

    with patch.object(RestConnector, "load", load):
        yield


@contextmanager
def _old_is_news() -> Iterator[None]:
    """Of two states of a record that are read, the one that comes last counts."""

    def last(records: Any) -> Any:
        return tuple({each.ref.id: each for each in records}.values())

    with (
        patch.object(reading_module, "youngest", last),
        patch.object(Seen, "is_news", lambda self, record: True),
        patch.object(settlements, "_latest", last),
    ):
        yield


@contextmanager
def _absent_is_deleted() -> Iterator[None]:
    """What a windowed read does not bring is taken for deleted."""
    real = Reader.levels

    def levels(self: Any, start: Start, today: Any) -> Iterator[Batch]:
        yield from real(self, start, today)
        kind = "Invoice"
        links = self._store.find(Link, "open", key_of(self._pair, kind))
        ids = [each.ledger.id for each in links if each.ledger.id not in self._seen.ids]
        for page in self.fetch_ledger(ids=ids):
            gone = [_voided(each) for each in page.records]
            yield Batch(tuple(gone))

    with patch.object(Reader, "levels", levels):
        yield


def _voided(level: Settlement) -> Settlement:
    """A level as if its invoice were void."""
    nothing: dict[Any, Any] = {}
    return evolve(
        level,
        status=Status.VOID,
        settled_by=nothing,
        balance=Decimal(0),
        paid_on=None,
        last_on=None,
    )


# Money ----------------------------------------------------------------------------------


@contextmanager
def _floats() -> Iterator[None]:
    """Amounts go through binary fractions."""
    real = Fields.amount

    def amount(self: Fields, name: str, currency: str) -> Decimal:
        return Decimal(float(real(self, name, currency)))

    with patch.object(Fields, "amount", amount):
        yield


@contextmanager
def _dollars() -> Iterator[None]:
    """Every amount is taken to be in the base currency."""
    with patch.object(Fields, "currency", lambda self, name: "USD"):
        yield


@contextmanager
def _deltas() -> Iterator[None]:
    """A level is sent as what has to be added to it."""
    real = ShopConnector._request  # noqa: SLF001
    set_level = Shop._set  # noqa: SLF001

    def request(self: Any, change: Any) -> Request:
        asked = real(self, change)
        by = change.after.paid - change.before.paid
        return evolve(asked, json={**asked.json, "paid": str(by)})

    def add(self: Any, bill: Bill, body: Mapping[str, Any]) -> None:
        paid = bill.paid + Decimal(body["paid"])
        set_level(self, bill, {**body, "paid": str(paid)})

    with (
        patch.object(ShopConnector, "_request", request),
        patch.object(ShopConnector, "write", RestConnector.write),
        patch.object(Shop, "_set", add),
    ):
        yield


@contextmanager
def _by_position() -> Iterator[None]:
    """The answers of a batch are taken in the order in which it was sent."""
    real = ShopConnector.write

    def write(self: Any, changes: Any) -> Any:
        if not self._style.batch:
            return (yield from real(self, changes))
        items = [
            {**shop_module._fields(c), "key": c.name, "id": shop_module._target(c)}  # noqa: SLF001
            for c in changes
        ]
        asked = Request("POST", "batch", json={"items": items}, effect=True)
        response = yield from self.ask(asked)
        rows = Fields(response.json()).children("results")
        pairs = zip(changes, rows, strict=False)
        return tuple(shop_module._batched(c, row) for c, row in pairs)  # noqa: SLF001

    with patch.object(ShopConnector, "write", write):
        yield


# Walls ----------------------------------------------------------------------------------


@contextmanager
def _one_grant() -> Iterator[None]:
    """One cache of grants for all connections of a process."""
    first: list[Any] = []

    def ready(self: Any, request: Request, grant: Any) -> Request:
        first.append(grant)
        other = first[0].base_url != grant.base_url
        pinned = self._pinned(request, grant)
        signed: Request = self.connector.auth.sign(pinned, first[0] if other else grant)
        return signed

    with patch.object(Session, "_ready", ready):
        yield


@contextmanager
def _echoed_secrets() -> Iterator[None]:
    """What a failing server says is told as it is."""
    with patch.object(session_module, "_hushed", lambda answer, signed, grant: answer):
        yield


@contextmanager
def _no_pace() -> Iterator[None]:
    """Nobody counts calls."""
    with patch.object(Pace, "wait", lambda self: 0.0):
        yield


@contextmanager
def _links_followed() -> Iterator[None]:
    """A page may lead anywhere."""

    def address(base_url: str, hosts: Any, url: str) -> str:
        return url if "://" in url else base_url + url

    with patch.object(session_module, "_address", address):
        yield


_ALL = (
    Sabotage(
        "SB1",
        "a write whose answer was lost is sent again at once",
        ("I1",),
        "unclear",
        20,
        _repeats(Fate.UNCLEAR, Repeat.AFTER_WAIT),
        start=6,
    ),
    Sabotage(
        "SB2",
        "an unclear answer counts as not sent",
        ("I1", "I2"),
        "unclear",
        20,
        _unclear_is_not_sent,
        start=5,
    ),
    Sabotage(
        "SB3",
        "not found is believed at once",
        ("I1",),
        "unclear",
        20,
        believed_at_once,
        start=4,
    ),
    Sabotage(
        "SB5",
        "no lease: several runs write at once",
        ("I1",),
        "crowded",
        20,
        _no_lease,
        start=24,
    ),
    Sabotage(
        "SB6",
        "reading begins strictly behind the marker",
        ("I2", "I4"),
        "same second",
        20,
        lambda: _no_overlap(timedelta(microseconds=1)),
        start=20,
    ),
    Sabotage(
        "SB7",
        "the marker is where the run ended",
        ("I2", "I4"),
        "paging",
        20,
        _marker_at_end,
    ),
    Sabotage(
        "SB8",
        "pages are counted off while the order moves",
        ("I2", "I4"),
        "paging",
        20,
        _offsets,
    ),
    Sabotage(
        "SB9",
        "no overlap, although the feed lags",
        ("I2", "I4"),
        "lagging",
        20,
        _no_overlap,
        start=15,
    ),
    Sabotage(
        "SB10",
        "the marker is written before the records",
        ("I4",),
        "default",
        20,
        _marker_first,
    ),
    Sabotage(
        "SB11",
        "SENDING rows are not durable when writes leave",
        ("I14",),
        "default",
        20,
        _not_durable,
    ),
    Sabotage(
        "SB12",
        "the link is written outside of the intent's transaction",
        ("I1", "I2", "I6", "I13"),
        "crashing",
        20,
        _link_apart,
        start=160,
    ),
    Sabotage(
        "SB13",
        "a write is sent again at once after a 500, 502 or 504",
        ("I1",),
        "unclear",
        20,
        _repeats(Answer.UNCLEAR, Repeat.AFTER_WAIT),
    ),
    Sabotage(
        "SB14",
        "no fence: a run that lost its lease goes on writing",
        ("I1", "I6", "I14"),
        "crowded",
        20,
        _no_fence,
        start=34,
    ),
    Sabotage(
        "SB15",
        "what was being sent in a crash counts as not sent",
        ("I1", "I2", "I6"),
        "crashing",
        20,
        _crashed_is_planned,
        start=5,
    ),
    Sabotage(
        "SB18",
        "whatever a look finds is adopted",
        ("I1", "I2", "I4", "I6"),
        "unclear",
        20,
        _adopt_anything,
    ),
    Sabotage(
        "SB20",
        "batch answers are taken by their position",
        ("I2", "I6"),
        "batches",
        20,
        _by_position,
        start=22,
    ),
    Sabotage(
        "SB21",
        "absence from a windowed read counts as deleted",
        ("I2", "I4"),
        "default",
        20,
        _absent_is_deleted,
    ),
    Sabotage(
        "SB22",
        "amounts go through floats",
        ("I2", "I4"),
        "default",
        20,
        _floats,
        start=14,
    ),
    Sabotage(
        "SB23",
        "every currency is the base currency",
        ("I2", "I4"),
        "default",
        20,
        _dollars,
    ),
    Sabotage("SB24", "levels are sent as deltas", ("I2", "I4"), "doubled", 20, _deltas),
    Sabotage(
        "SB25",
        "the wait forgets late commits",
        ("I1",),
        "unclear",
        20,
        _only_search_lag,
        start=33,
    ),
    Sabotage(
        "SB26",
        "writes leave without a journal",
        ("I14",),
        "default",
        20,
        _nothing_journaled,
    ),
    Sabotage("SB27", "issues are dropped", ("I2", "I4"), "misshapen", 20, no_issues),
    Sabotage("SB28", "recovery is skipped", ("I13",), "unclear", 20, _no_recovery),
    Sabotage(
        "SB29",
        "a stale version is taken for done",
        ("I2", "I4", "I6"),
        "overtaken",
        20,
        _stale_is_done,
    ),
    Sabotage(
        "SB30",
        "only the first page is read",
        ("I2", "I4"),
        "default",
        20,
        _first_page_alone,
    ),
    Sabotage(
        "SB31",
        "one unreadable row takes its page with it",
        ("I2", "I4"),
        "misshapen",
        20,
        _page_lost,
        start=4,
    ),
    Sabotage(
        "SB32",
        "an older state of a record counts as news",
        ("I2", "I4"),
        "older",
        20,
        _old_is_news,
    ),
    Sabotage(
        "SB33",
        "one connection signs with the grant of another",
        ("I11",),
        "default",
        20,
        _one_grant,
    ),
    Sabotage(
        "SB34",
        "the secrets in an answer are told",
        ("I10",),
        "unclear",
        20,
        _echoed_secrets,
    ),
    Sabotage("SB35", "nobody counts calls", ("I12",), "limited", 20, _no_pace),
    Sabotage(
        "SB36",
        "links are followed anywhere",
        ("I11",),
        "misshapen",
        20,
        _links_followed,
    ),
    Sabotage(
        "SB37",
        "a write is sent again at once after a 502 alone",
        ("I1",),
        "unclear",
        20,
        _bad_gateway_is_repeated,
    ),
    Sabotage(
        "SB38",
        "a new number counts as written where the rest agrees",
        ("I6",),
        "default",
        20,
        _numbers_do_not_count,
        start=80,
    ),
)

SABOTAGES: Mapping[str, Sabotage] = {each.id: each for each in _ALL}
"""All switches, by id."""
