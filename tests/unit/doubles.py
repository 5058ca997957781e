"""What unit tests drive the core with: a set clock, a scripted wire, a system in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar, cast

from attrs import evolve

from tieout.auth import Auth, Grant, Headers, NoAuth
from tieout.capabilities import (
    Capabilities,
    Changed,
    Kind,
    Limit,
    Payments,
    Select,
    Updates,
    Verb,
)
from tieout.change import Action, Change, Outcome, change_name
from tieout.connector import (
    Books,
    Health,
    Page,
    RestConnector,
    guarded,
    judge,
)
from tieout.errors import Fault
from tieout.models import Part, R, Record, Ref, Settlement, Status
from tieout.settings import Settings
from tieout.store import Expect, Fact, Gone
from tieout.stores.memory import MemoryStore
from tieout.wire import Call, Flow, Request, Response, Verdict

T = TypeVar("T")
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
BASE = "https://api.vendor.example/books/v1"


class SetClock:
    """A clock that moves only when a test or a wait moves it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.at = now
        self.elapsed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.elapsed += seconds


Reply = Response | Exception | Callable[[Request], Response]


class Wire:
    """A transport that answers by a script, and remembers what it was asked to carry."""

    def __init__(self, *replies: Reply, last: Reply | None = None) -> None:
        self.replies = list(replies)
        self.last = last
        self.sent: list[Request] = []
        self.timeouts: list[float] = []
        self.threads: set[str] = set()
        self._lock = threading.Lock()

    def send(self, request: Request, timeout: float) -> Response:
        with self._lock:
            self.sent.append(request)
            self.timeouts.append(timeout)
            self.threads.add(threading.current_thread().name)
            reply = self.replies.pop(0) if self.replies else self.last
        assert reply is not None, f"nothing was scripted for {request.url}"
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, Response) else reply(request)

    def close(self) -> None:
        """Nothing to let go of."""

    @property
    def urls(self) -> list[str]:
        return [request.url for request in self.sent]


class Plain(RestConnector):
    """The least of a connector: an address, an auth and what is certain of an answer."""

    def __init__(
        self,
        auth: Auth | None = None,
        *,
        concurrency: int = 1,
        limits: Sequence[Limit] = (),
        connection: str = "plain:1",
    ) -> None:
        self.connection = connection
        self.auth = auth or Headers(BASE, {"X-Key": "key-1"})
        self.capabilities = Capabilities(
            "Plain", {}, limits=tuple(limits), concurrency=concurrency
        )


class Renewing:
    """An auth that signs in by one request and counts how often it did."""

    def __init__(self, secret: str = "secret", lifetime: float | None = None) -> None:
        self.secret = secret
        self.lifetime = lifetime
        self.renewals = 0
        self.renewed_from: list[Grant] = []

    def first(self) -> Grant:
        return Grant(BASE, {"refresh": self.secret}, signed_in=False)

    def sign(self, request: Request, grant: Grant) -> Request:
        token = grant.values.get("token", "none")
        return evolve(request, headers=(*request.headers, ("Authorization", token)))

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        self.renewed_from.append(grant)
        self.renewals += 1
        response = yield Request("POST", "token", effect=True)
        until = now + timedelta(seconds=self.lifetime) if self.lifetime else None
        return grant.renewed({"token": response.text()}, expires_at=until)


def ask(*requests: Request) -> Flow[list[Response]]:
    """A flow that asks one request after another and returns the answers."""
    answers: list[Response] = []
    for request in requests:
        answer = yield request
        answers.append(answer)
    return answers


def drive(flow: Flow[T], *replies: Response | Exception) -> tuple[list[Any], T]:
    """Drive a flow by hand: what it asked, and what it returned."""
    asked: list[Any] = []
    waiting = list(replies)
    try:
        asked.append(next(flow))
        while True:
            assert waiting, f"the flow asked more than expected: {asked[-1]}"
            reply = waiting.pop(0)
            step = (
                flow.throw(reply) if isinstance(reply, Exception) else flow.send(reply)
            )
            asked.append(step)
    except StopIteration as stop:
        assert not waiting, f"the flow left {len(waiting)} replies unasked"
        return asked, cast(T, stop.value)


def rules(**given: Any) -> Settings:
    """Settings from plain texts and numbers, as a caller's configuration has them."""
    return Settings(**given)


# Records ------------------------------------------------------------------------------


def level(
    key: str,
    *,
    paid: str = "0",
    total: str = "100",
    connection: str = "ledger:1",
    number: str | None = None,
    on: date | None = date(2026, 3, 1),
    paid_on: date | None = None,
    status: Status | None = None,
    changed_at: datetime | None = NOW,
    currency: str = "EUR",
    **more: Any,
) -> Settlement:
    """The money of one invoice, paid in cash."""
    balance = Decimal(total) - Decimal(paid)
    settled = balance <= 0
    day = paid_on or (date(2026, 3, 9) if settled else None)
    return Settlement(
        ref=Ref(connection, "Invoice", key),
        number=f"INV-{key}" if number is None else number,
        currency=currency,
        total=Decimal(total),
        balance=balance,
        status=status or (Status.SETTLED if settled else Status.OPEN),
        on=on,
        settled_by={Part.CASH: Decimal(paid)},
        paid_on=day,
        last_on=day,
        changed_at=changed_at,
        **more,
    )


def change(
    key: str,
    *,
    paid: str = "50",
    connection: str = "billing:1",
    action: Action = Action.UPDATE,
    version: int = 0,
    **more: Any,
) -> Change:
    """The change that writes a level into billing."""
    before = level(f"b{key}", connection=connection, number=f"INV-{key}")
    after = level(f"b{key}", connection=connection, number=f"INV-{key}", paid=paid)
    return Change(
        name=change_name(
            connection,
            "Settlement",
            Ref("ledger:1", "Invoice", key),
            0,
            action,
            version,
        ),
        action=action,
        kind=Settlement,
        connection=connection,
        source=Ref("ledger:1", "Invoice", key),
        target=before.ref,
        before=before,
        after=after,
        link_version=version,
        number=f"INV-{key}",
        agreed=f"agreed-{key}-{paid}",
        **more,
    )


# Systems ------------------------------------------------------------------------------


def able(
    system: str = "Desk",
    *,
    payments: Payments | None = None,
    update: bool = True,
    **more: Any,
) -> Capabilities:
    """What a desk can do."""
    verbs = {Verb.READ, Verb.UPDATE} if update else {Verb.READ}
    kind = Kind(
        verbs=frozenset(verbs),
        selects=frozenset({Changed}),
        updates=Updates.SPARSE,
        number_unique=bool(more.pop("number_unique", True)),
        fetch_size=int(more.pop("fetch_size", 50)),
        batch_size=int(more.pop("batch_size", 1)),
        stable_order=bool(more.pop("stable_order", True)),
    )
    held = payments or Payments()
    return Capabilities(system, {Settlement: kind}, payments=held, **more)


class Desk:
    """One company in memory, as a connector whose flows yield calls."""

    def __init__(
        self,
        connection: str,
        *records: Settlement,
        capabilities: Capabilities | None = None,
        zone: str | None = "Europe/Berlin",
    ) -> None:
        self.connection = connection
        self.capabilities = capabilities or able(connection)
        self.auth: Auth = NoAuth()
        self.records = {each.ref.id: each for each in records}
        books = Books(connection, f"company of {connection}", "EUR", zone)
        self.health = Health(reachable=True, signed_in=True, books=books)
        self.page_size = 100
        self.as_of: datetime | None = NOW
        self.token: str | None = None
        self.gone: tuple[Ref, ...] = ()
        self.touched: tuple[Ref, ...] = ()
        self.selects: list[tuple[Select, str | None]] = []
        self.fetched: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self.written: list[Change] = []
        self.trouble: dict[str, list[Exception | None]] = {}
        self.lost = False
        self.before_write: Callable[[], None] = lambda: None

    def put(self, *records: Settlement) -> None:
        self.records.update((each.ref.id, each) for each in records)

    def judge(self, response: Response) -> Verdict:
        return judge(response, ())

    def check(self) -> Flow[Health]:
        reply = yield Call(self._check)
        return cast(Health, reply.value)

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        self.selects.append((select, cursor))
        reply = yield Call(lambda: self._page(select, cursor))
        return cast(Page[R], reply.value)

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        self.fetched.append((tuple(ids), tuple(numbers)))
        reply = yield Call(lambda: self._fetch(ids, numbers))
        return cast(Page[R], reply.value)

    def find(self, changes: Sequence[Change]) -> Flow[Page[Record]]:
        ids = [each.target.id for each in changes if each.target]
        reply = yield Call(lambda: self._find(ids))
        return cast(Page[Record], reply.value)

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        outcomes: list[Outcome] = []
        for each in changes:
            outcome = yield from guarded(self._write_one(each), each, self.judge)
            outcomes.append(outcome)
        return tuple(outcomes)

    def _write_one(self, each: Change) -> Flow[Outcome]:
        yield Call(lambda: self._carry_out(each), effect=True)
        return Outcome.applied(each)

    def _carry_out(self, each: Change) -> None:
        self.before_write()
        self._met("write")
        assert isinstance(each.after, Settlement)
        self.written.append(each)
        self.put(each.after)
        if self.lost:
            raise ConnectionError("the answer was lost")

    def _check(self) -> Health:
        self._met("check")
        return self.health

    def _find(self, ids: Sequence[str]) -> Page[Settlement]:
        self._met("find")
        return self._fetch(ids, ())

    def _met(self, verb: str) -> None:
        waiting = self.trouble.get(verb)
        trouble = waiting.pop(0) if waiting else None
        if trouble is not None:
            raise trouble

    def _page(self, select: Select, cursor: str | None) -> Page[Settlement]:
        self._met("page")
        assert isinstance(select, Changed)
        chosen = [
            self.records[key]
            for key in sorted(self.records)
            if (self.records[key].changed_at or NOW) >= select.since
        ]
        first = int(cursor or 0)
        last = first + self.page_size
        return Page(
            tuple(chosen[first:last]),
            gone=self.gone,
            touched=self.touched,
            next=str(last) if last < len(chosen) else None,
            token=self.token,
            as_of=self.as_of,
        )

    def _fetch(self, ids: Iterable[str], numbers: Iterable[str]) -> Page[Settlement]:
        self._met("fetch")
        wanted, named = set(ids), set(numbers)
        found = [
            each
            for each in self.records.values()
            if each.ref.id in wanted or each.number in named
        ]
        return Page(tuple(found))


class Recorder(MemoryStore):
    """A store that remembers its commits in order, and can fail at one of them."""

    def __init__(self, story: list[Any] | None = None) -> None:
        super().__init__()
        self.story: list[Any] = story if story is not None else []
        self.fail_at: int | None = None
        self.error: Exception = Fault.__new__(Fault)
        self.commits = 0

    def commit(self, *facts: Fact | Gone, expect: Iterable[Expect] = ()) -> bool:
        self.commits += 1
        if self.commits == self.fail_at:
            raise self.error
        done = super().commit(*facts, expect=expect)
        self.story.append(("commit", facts) if done else ("refused", facts))
        return done
