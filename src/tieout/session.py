"""
Drives the flows of one connection: signs, paces, repeats, pins the origin, counts.

The rules are a generator of their own (`Session._driven`), which yields what to send and
how long to wait; `run`, `start` and `map` carry that out. Flows run on the caller's
thread; worker threads do nothing but `Transport.send`.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Generic, TypeAlias, TypeVar, cast
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from attrs import evolve, frozen

from tieout.auth import Grant
from tieout.capabilities import Limit, LimitScope
from tieout.clock import Clock
from tieout.errors import Code, Fate, Fault, StoreError
from tieout.grants import Grants
from tieout.pace import WAIT_FIRST, WAIT_MAX, Pace
from tieout.protocol import Connector, Health
from tieout.store import Store
from tieout.wire import (
    REPEATS,
    Answer,
    Call,
    Flow,
    Repeat,
    Request,
    Response,
    Transport,
)

T = TypeVar("T")
log = logging.getLogger("tieout.session")

ATTEMPTS_MAX = 5
"""How often one request is sent in all; with doubling waits that is half a minute."""

TIMEOUT = 60.0
"""Seconds for one request in all. Vendors cut their own work off at 30 to 60."""

DEADLINE_MARGIN = timedelta(seconds=5)
"""No effect leaves later than this before its deadline: an answer takes a while."""


@frozen
class Send:
    """Carry this signed request, whose address is absolute, within so many seconds."""

    request: Request
    timeout: float


@frozen
class Pause:
    """Wait for so many seconds."""

    seconds: float


Step: TypeAlias = Send | Pause
Driven: TypeAlias = Generator[Step, Response | Fault | None, T]


class Attempt(Generic[T]):
    """
    A ``flow`` that was driven to its end: its ``value`` or its ``fault``, and whether an
    effect was ``sent`` that was not definitely refused. Where the flow raised what is no
    fault, that is its ``bug``, and the fault says so.
    """

    def __init__(self, flow: Flow[T]) -> None:
        self.flow = flow
        self.value: T | None = None
        self.fault: Fault | None = None
        self.bug: Exception | None = None
        self.sent = False

    def result(self) -> T:
        """The value; raises the bug or the fault where there is one."""
        if self.bug is not None:
            raise self.bug
        if self.fault is not None:
            raise self.fault
        return cast(T, self.value)


@frozen
class Traffic:
    """What went over the wire: calls, writes among them, bytes up and down."""

    calls: int = 0
    writes: int = 0
    bytes_up: int = 0
    bytes_down: int = 0

    def __sub__(self, other: Traffic) -> Traffic:
        return Traffic(
            self.calls - other.calls,
            self.writes - other.writes,
            self.bytes_up - other.bytes_up,
            self.bytes_down - other.bytes_down,
        )


class Session:
    """The flows of one connection on their way to its transport and back."""

    def __init__(
        self,
        connector: Connector,
        transport: Transport,
        store: Store,
        clock: Clock,
        *,
        timeout: float = TIMEOUT,
    ) -> None:
        self.connector = connector
        self.clock = clock
        self.traffic = Traffic()
        self._transport = transport
        self._timeout = timeout
        self._pace: Pace | None = None
        self._grants = Grants(connector, store, clock, timeout)
        self._concurrency = max(1, connector.capabilities.concurrency)
        self._pool: ThreadPoolExecutor | None = None

    # Carrying out ---------------------------------------------------------------------

    def run(self, flow: Flow[T], deadline: datetime | None = None) -> T:
        """Drive a flow to its end on this thread; its result, or the fault it ended with."""
        return self.attempt(flow, deadline).result()

    def attempt(self, flow: Flow[T], deadline: datetime | None = None) -> Attempt[T]:
        """
        Drive a flow to its end on this thread; what it raised is in the attempt.

        Raises `StoreError` alone: without the store nothing goes on.
        """
        attempt = Attempt(flow)
        driven = self._driven(flow, attempt, deadline)
        for step in (stepping := _Stepping(driven)):
            if isinstance(step, Pause):
                self.clock.sleep(step.seconds)
                stepping.answer = None
            else:
                stepping.answer = self._send(step)
        return attempt

    def secrets(self) -> tuple[str, ...]:
        """The values of the grant in use: what must be shown to nobody."""
        return self._grants.secrets()

    def check(self) -> Health:
        """
        The connector's own check, as a person asked for it.

        A sign-in that was refused before is tried again, and if it succeeds the
        connection is no longer paused.
        """
        self._grants.try_again()
        return self.run(self.connector.check())

    def forget(self) -> None:
        """Let go of the connection's grant: who comes next signs in anew."""
        self._grants.forget()

    def start(self, flow: Flow[T]) -> Started[T]:
        """Begin a flow whose first request travels while the caller goes on."""
        return Started(self, flow)

    def map(
        self, flows: Iterable[Flow[T]], deadline: datetime | None = None
    ) -> Iterator[Attempt[T]]:
        """Drive flows, at most ``concurrency`` open at once; each as it ends."""
        waiting = iter(flows)
        if self._concurrency == 1:
            for flow in waiting:
                yield self.attempt(flow, deadline)
            return
        yield from _Crew(self, waiting, deadline).work()

    def close(self) -> None:
        """
        End the worker threads, and count for no shared limit any more.

        The transport belongs to whoever made it. Whatever is asked later begins anew.
        """
        self._pace = None
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    @property
    def concurrency(self) -> int:
        """How many flows may be open at once."""
        return self._concurrency

    def pool(self) -> ThreadPoolExecutor:
        """The worker threads, made when they are first needed."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(
                max_workers=self._concurrency + 1, thread_name_prefix="tieout"
            )
        return self._pool

    def _send(self, step: Send) -> Response | Fault:
        try:
            return self._transport.send(step.request, step.timeout)
        except Fault as fault:
            return fault
        except Exception as error:  # noqa: BLE001 - a transport of the caller's own
            text = f"the transport raised {type(error).__name__}"
            return Fault(Code.ANSWER_LOST, text, fate=Fate.UNCLEAR)

    # The rules --------------------------------------------------------------------------

    def _driven(
        self, flow: Flow[T], attempt: Attempt[T], deadline: datetime | None
    ) -> Driven[None]:
        """Drive one flow: every request through `_exchange`, every call answered here."""
        answer: Response | None = None
        thrown: Exception | None = None
        try:
            while True:
                try:
                    asked = (
                        flow.throw(thrown) if thrown else flow.send(cast(Any, answer))
                    )
                except StopIteration as stop:
                    attempt.value = stop.value
                    return
                answer = thrown = None
                try:
                    if isinstance(asked, Call):
                        answer = self._called(asked, attempt, deadline)
                    else:
                        answer = yield from self._exchange(asked, attempt, deadline)
                except StoreError:
                    raise  # no answer to any request: a flow must not make one of it
                except Exception as error:  # noqa: BLE001 - of the host's own code
                    thrown = error
        except StoreError:
            raise
        except Fault as fault:
            fault.connection = fault.connection or self.connector.connection
            attempt.fault = fault
        except Exception as error:  # noqa: BLE001 - of a connector
            # Not raised here: the outcomes of the flows beside it would be lost.
            attempt.bug = error
            attempt.fault = Fault(
                Code.UNKNOWN_ERROR, f"{type(error).__name__} in the connector"
            )
        finally:
            flow.close()

    def _called(
        self, call: Call, attempt: Attempt[Any], deadline: datetime | None
    ) -> Response:
        if call.effect:
            self._allowed(deadline)
        try:
            response = call.answer()
        except Fault as fault:
            attempt.sent = attempt.sent or (call.effect and fault.fate is Fate.UNCLEAR)
            raise
        except Exception:
            attempt.sent = attempt.sent or call.effect
            raise
        attempt.sent = attempt.sent or call.effect
        return response

    def _exchange(
        self, request: Request, attempt: Attempt[Any], deadline: datetime | None
    ) -> Driven[Response]:
        """Send one request until it is answered for good, as `REPEATS` allows."""
        signed_in = False
        for number in range(1, ATTEMPTS_MAX + 1):
            grant = self._grants.current(self._sent_to_renew)
            ready = self._ready(request, grant)
            yield from self._paced()
            # Nothing waits between the look at the deadline and the request's departure.
            seconds = self._allowed(deadline) if request.effect else self._timeout
            answer = yield Send(ready, seconds)
            assert answer is not None
            self._count(ready, answer)
            before = attempt.sent
            attempt.sent = before or request.effect
            kind, repeat, fault, pause = self._judged(request, answer)
            if kind is not Answer.OK:
                answer = _hushed(answer, ready, grant)
            if kind not in (Answer.OK, Answer.UNCLEAR, Fate.UNCLEAR):
                attempt.sent = before  # certainly without effect
            last = number == ATTEMPTS_MAX or (
                repeat is Repeat.AFTER_SIGN_IN
                and (signed_in or not self._grants.can_renew())
            )
            if repeat is Repeat.NEVER or last:
                if fault is not None:
                    raise fault
                assert isinstance(answer, Response)
                return answer
            if repeat is Repeat.AFTER_SIGN_IN:
                signed_in = True
                self._grants.renewed(grant, self._sent_to_renew)
            else:
                yield from self._waited(
                    answer, pause, number, deadline if request.effect else None
                )
        raise AssertionError("the last attempt ends the loop")

    def _judged(
        self, request: Request, answer: Response | Fault
    ) -> tuple[Answer | Fate, Repeat, Fault | None, float | None]:
        if isinstance(answer, Fault):
            # What is too large now is too large again.
            hopeless = answer.fate is Fate.UNCLEAR and not answer.code.retryable
            repeat = REPEATS[answer.fate, request.effect]
            repeat = Repeat.NEVER if hopeless else repeat
            return answer.fate, repeat, answer, answer.wait
        verdict = self.connector.judge(answer)
        told = verdict.answer
        if told is Answer.OK and not request.effect and _is_garbled(answer):
            told = Answer.UNCLEAR
        repeat = REPEATS.get((told, request.effect), Repeat.NEVER)
        return told, repeat, None, verdict.wait

    def _waited(
        self,
        answer: Response | Fault,
        asked: float | None,
        number: int,
        deadline: datetime | None,
    ) -> Driven[None]:
        """The pause before a repetition; one that is too long ends the run instead."""
        own = min(WAIT_FIRST * 2 ** (number - 1), WAIT_MAX)
        pause = own if asked is None else max(WAIT_FIRST, asked)
        now = self.clock.now()
        late = deadline is not None and now + timedelta(seconds=pause) > deadline
        if pause > WAIT_MAX or late:
            resume = now + timedelta(seconds=min(pause, _PAUSE_LIMIT))
            code, text = Code.TOO_MANY_REQUESTS, "the other side asked for a pause"
            if isinstance(answer, Fault):
                code, text = answer.code, answer.text
            elif (judged := self.connector.judge(answer)).code is not None:
                code, text = judged.code, judged.text
            raise Fault(
                code,
                f"{text} (it may go on after {resume:%Y-%m-%d %H:%M:%S} UTC)",
                fate=Fate.NOT_SENT,
                wait=pause,
            )
        log.info("%s: waiting %.0f s", self.connector.connection, pause)
        yield Pause(pause)

    def _paced(self) -> Driven[None]:
        if self._pace is None:
            limits = self.connector.capabilities.limits
            shared = [(each, _sharer(self.connector, each)) for each in limits]
            self._pace = Pace(shared, self.clock)
        while (pause := self._pace.wait()) > 0:
            if pause > WAIT_MAX:
                resume = self.clock.now() + timedelta(seconds=pause)
                raise Fault(
                    Code.DAY_LIMIT_REACHED,
                    f"the limit is used up until {resume:%Y-%m-%d %H:%M:%S} UTC",
                    fate=Fate.NOT_SENT,
                    wait=pause,
                )
            yield Pause(pause)

    def _allowed(self, deadline: datetime | None) -> float:
        """
        How many seconds an effect may take: it is given up before its deadline.

        `Fault` NOT_IN_TIME where too little is left to send it at all.
        """
        if deadline is None:
            return self._timeout
        left = deadline - self.clock.now()
        if left < DEADLINE_MARGIN:
            raise Fault(Code.NOT_IN_TIME, fate=Fate.NOT_SENT)
        return min(self._timeout, left.total_seconds())

    def _sent_to_renew(self, request: Request, grant: Grant) -> Response | Fault:
        """Carry one request of a sign-in, once; it is paced and counted like any other."""
        ready = self._pinned(request, grant)
        for pause in self._paced():
            assert isinstance(pause, Pause)
            self.clock.sleep(pause.seconds)
        got = self._send(Send(ready, self._timeout))
        self._count(ready, got)
        if isinstance(got, Response) and got.ok:
            return got  # a good one brings the new secrets
        return _hushed(got, ready, grant)

    # The origin -------------------------------------------------------------------------

    def _ready(self, request: Request, grant: Grant) -> Request:
        """The request at its absolute address, signed; refused if it leads elsewhere."""
        return self.connector.auth.sign(self._pinned(request, grant), grant)

    def _pinned(self, request: Request, grant: Grant) -> Request:
        """
        The request at its absolute address, which lies below the connection's base, or
        on a host that the grant names; else `Fault` FOREIGN_LINK.
        """
        address = _address(grant.base_url, grant.hosts, request.url)
        if address is None:
            raise Fault(
                Code.FOREIGN_LINK,
                f"{request.url[:60]!r} is outside of the connection's own address",
                fate=Fate.NOT_SENT,
            )
        return evolve(request, url=address)

    def _count(self, request: Request, answer: Response | Fault) -> None:
        was = self.traffic
        down = len(answer.body) if isinstance(answer, Response) else 0
        self.traffic = Traffic(
            was.calls + 1,
            was.writes + request.effect,
            was.bytes_up + len(request.body()),
            was.bytes_down + down,
        )


_LOOK_AGAIN = 0.05
"""Seconds. While some flows pause, the answers of others are not kept waiting longer."""

_PAUSE_LIMIT = 366 * 86400.0
"""Seconds. A longer pause is nonsense; it is named as a year."""

_PORTS = {"http": 80, "https": 443}


@lru_cache(maxsize=1024)
def _address(base_url: str, hosts: tuple[str, ...], url: str) -> str | None:
    """The absolute address of a request, or None where it leads elsewhere."""
    base = base_url if base_url.endswith("/") else base_url + "/"
    try:
        address = urljoin(base, url) if url else base_url
        target, home = urlsplit(address), urlsplit(base)
    except ValueError:  # no address at all
        return None
    origin = _origin(target)
    if origin is None or not _sound(target):
        return None
    below = unquote(target.path + "/").startswith(unquote(home.path))
    if origin == _origin(home) and below:
        return address
    # A sign-in may live beside the API, on its very origin.
    if any(origin == _origin(urlsplit(host)) for host in hosts):
        return address
    return None


def _origin(address: SplitResult) -> tuple[str, str, int | None] | None:
    """Scheme, host and port; None for an address that is in disguise or broken."""
    try:
        port = address.port
    except ValueError:
        return None
    host = address.hostname or ""
    if not host.isascii() or not host or "@" in address.netloc:
        return None
    scheme = address.scheme.lower()
    return (scheme, host.lower(), port or _PORTS.get(scheme))


_UNSOUND = re.compile(r"[\x00-\x20\x7f\\]")


def _sound(address: SplitResult) -> bool:
    """Whether a path is what it looks like: no step upwards, however it is written."""
    path = address.path
    for _ in range(3):  # a server may decode more than once
        if _UNSOUND.search(path):
            return False
        if any(part.split(";")[0] == ".." for part in path.split("/")):
            return False
        path = unquote(path)
    return True


def _sharer(connector: Connector, limit: Limit) -> str:
    """The name of what shares a limit: a connection is one company in one system."""
    if limit.scope is not LimitScope.CREDENTIAL:
        return connector.connection
    values = sorted(connector.auth.first().values.items())
    if not values and not limit.shared_by:
        return connector.connection
    digest = hashlib.sha256(repr(values).encode()).hexdigest()
    return f"{connector.capabilities.system} {limit.shared_by or digest}"


SECRET_MIN = 6
"""Characters. A shorter value cannot be told from any other word of an answer."""


def _hushed(
    answer: Response | Fault, signed: Request, grant: Grant
) -> Response | Fault:
    """A failure without the secrets that it repeats: some gateways echo the request."""
    if isinstance(answer, Fault):
        return answer
    secrets = {*grant.values.values(), *grant.previous.values()}
    told = signed.header("Authorization") or ""
    secrets |= {told, told.partition(" ")[2]}
    with suppress(ValueError):
        plain = base64.b64decode(told.partition(" ")[2], validate=True).decode()
        secrets |= {plain, *re.split("[:+]", plain)}  # a user and a key, each alone too
    body = answer.body
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SECRET_MIN:
            body = body.replace(secret.encode(), b"***")
    return answer if body == answer.body else evolve(answer, body=body)


def _is_garbled(answer: Response) -> bool:
    """
    Whether a good answer to a read is not what it says, or a page for people.

    A gateway's sign-in page, or half an answer; asking again may bring the whole. JSON
    is parsed once: the flow finds it done.
    """
    kind = (answer.header("Content-Type") or "").partition(";")[0].strip().lower()
    if kind == "text/html":
        return True
    if not answer.body or not kind.endswith(("/json", "+json")):
        return False
    try:
        answer.json()
    except Fault:
        return True
    return False


class _Stepping:
    """Iterates over the steps of a driven flow; ``answer`` is sent back for each."""

    def __init__(self, driven: Driven[None]) -> None:
        self._driven = driven
        self.answer: Response | Fault | None = None

    def __iter__(self) -> Iterator[Step]:
        try:
            step = next(self._driven)
            while True:
                yield step
                answer, self.answer = self.answer, None
                step = self._driven.send(answer)
        except StopIteration:
            return


class Started(Generic[T]):
    """A flow under way; `result` carries it to its end on the caller's thread."""

    def __init__(self, session: Session, flow: Flow[T]) -> None:
        self._session = session
        self._attempt = Attempt(flow)
        self._driven = session._driven(flow, self._attempt, None)  # noqa: SLF001 - one module
        self._future: Future[Response | Fault] | None = None
        self._step: Step | None = next(self._driven, None)
        if isinstance(self._step, Send):
            send = session._send  # noqa: SLF001 - one module
            self._future = session.pool().submit(send, self._step)

    def result(self) -> T:
        """The flow's result; raises the fault it ended with."""
        step = self._step
        while step is not None:
            answer: Response | Fault | None = None
            if isinstance(step, Pause):
                self._session.clock.sleep(step.seconds)
            elif self._future is not None:
                answer, self._future = self._future.result(), None
            else:
                answer = self._session._send(step)  # noqa: SLF001 - one module
            try:
                step = self._driven.send(answer)
            except StopIteration:
                step = None
        self._step = None
        return self._attempt.result()

    def drop(self) -> None:
        """Give the flow up; what was sent is waited for and forgotten."""
        if self._future is not None:
            self._future.result()
            self._future = None
        self._step = None
        self._driven.close()


class _Crew(Generic[T]):
    """Several flows open at once; worker threads carry requests and nothing else."""

    def __init__(
        self, session: Session, flows: Iterator[Flow[T]], deadline: datetime | None
    ) -> None:
        self._session = session
        self._flows = flows
        self._deadline = deadline
        self._sent: dict[Future[Response | Fault], tuple[Driven[None], Attempt[T]]] = {}
        self._paused: list[tuple[float, Driven[None], Attempt[T]]] = []

    def work(self) -> Iterator[Attempt[T]]:
        """Each flow's attempt, as it ends."""
        try:
            while True:
                yield from self._take_on()
                if not self._sent and not self._paused:
                    return
                yield from self._go_on()
        finally:
            wait(self._sent)

    def _take_on(self) -> Iterator[Attempt[T]]:
        while len(self._sent) + len(self._paused) < self._session.concurrency:
            flow = next(self._flows, None)
            if flow is None:
                return
            attempt = Attempt(flow)
            driven = self._session._driven(flow, attempt, self._deadline)  # noqa: SLF001
            yield from self._advance(driven, attempt, None)

    def _go_on(self) -> Iterator[Attempt[T]]:
        clock = self._session.clock
        now = clock.monotonic()
        due = [entry for entry in self._paused if entry[0] <= now]
        if due:
            self._paused = [entry for entry in self._paused if entry[0] > now]
            for _, driven, attempt in due:
                yield from self._advance(driven, attempt, None)
            return
        nearest = min((entry[0] for entry in self._paused), default=None)
        if not self._sent:
            assert nearest is not None
            clock.sleep(nearest - now)
            return
        if nearest is not None:
            # Do not sleep past an answer; look again soon.
            nearest = min(nearest - now, _LOOK_AGAIN)
        done, _ = wait(self._sent, timeout=nearest, return_when=FIRST_COMPLETED)
        for future in done:
            driven, attempt = self._sent.pop(future)
            yield from self._advance(driven, attempt, future.result())

    def _advance(
        self, driven: Driven[None], attempt: Attempt[T], answer: Response | Fault | None
    ) -> Iterator[Attempt[T]]:
        try:
            step = driven.send(answer)
        except StopIteration:
            yield attempt
            return
        if isinstance(step, Pause):
            due = self._session.clock.monotonic() + step.seconds
            self._paused.append((due, driven, attempt))
            return
        send = self._session._send  # noqa: SLF001 - one module
        future = self._session.pool().submit(send, step)
        self._sent[future] = (driven, attempt)
