"""
The wire of a simulated process, and what can happen to a request on it.

It carries a request to the server of its host, or meets a fault of the catalogue: the
table `_EFFECTS` says what each fault does. Nothing here knows what a request means, but
for the few faults that a page, a batch or a refresh can have.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from attrs import evolve

from tieout.errors import Code, Fate, Fault
from tieout.store import Intent
from tieout.store import Stage as At
from tieout.testing.simulator.book import POISONS, told
from tieout.testing.simulator.disk import Disk
from tieout.testing.simulator.faults import Swarm
from tieout.testing.simulator.signin import CANARY, TokenServer
from tieout.testing.simulator.stage import Stage, Violation, Worker
from tieout.wire import Request, Response

RETRY_AFTER = ("2", "", "0", "-5", "315360000", "soon", "Wed, 31 Dec 9999 23:59:59 GMT")
"""What vendors write there (H7); the empty one is left out."""

BODIES = (b"<html>Sign in</html>", b"", b'{"id": "B1", "made', b"[1, 2]", b"null")
"""Bodies of status 200 that are no answer (H15)."""

BROKEN = (500, 502, 504)
"""What is answered before a commit and behind it alike (H4, H5): none proves anything."""

ZOMBIE = 900.0
"""Seconds: three times the lease, for which a worker may be stopped (S8)."""


class Server(Protocol):
    """What a wire knows of a system."""

    host: str
    path: str
    connection: str
    tokens: TokenServer

    @property
    def limit(self) -> int:
        """Calls in 10 seconds; 0 for as many as one likes."""
        ...

    def answer(
        self, request: Request, now: datetime, *, echo: bool = False
    ) -> Response:
        """What it says to a signed request; ``echo``: it was delivered before."""
        ...


class Target(Server, Protocol):
    """The system that is written to."""

    operations: dict[str, tuple[datetime, Response]]

    @property
    def guarded(self) -> bool:
        """Whether a version guards each record."""
        ...

    def perform(
        self, request: Request, now: datetime, *, echo: bool = False
    ) -> Response:
        """Carry out a request that was let in, at once or late."""
        ...

    def overtake(self) -> None:
        """Somebody edits what is being written just before."""
        ...

    def remove(self, request: Request) -> list[str]:
        """Somebody deletes what a request is about; what that was."""
        ...

    def check_single(self) -> None:
        """I1: nothing of ours is there twice."""
        ...


class Ground(Protocol):
    """What of the world a wire reaches."""

    stage: Stage
    swarm: Swarm
    disk: Disk
    latency: float
    late: float
    """The latest that a request lands after its client gave up, in seconds."""
    patience: float
    """Seconds after which a client gives up, if not before."""

    @property
    def servers(self) -> Sequence[Server]:
        """Both systems."""
        ...

    @property
    def target(self) -> Target:
        """That of them which is written to."""
        ...

    def sent(self, request: Request) -> None:
        """A request with an effect leaves."""
        ...

    def edit(self) -> None:
        """Somebody works in one of the systems."""
        ...


class WirePort:
    """The transport of one process."""

    def __init__(self, ground: Ground, worker: Worker) -> None:
        self._ground = ground
        self._stage = ground.stage
        self._worker = worker
        self._calls: dict[str, deque[float]] = {}
        self._signed_in: set[str] = set()

    def close(self) -> None:
        """Nothing to close."""

    def send(self, request: Request, timeout: float) -> Response:
        stage, worker, swarm = self._stage, self._worker, self._ground.swarm
        kind = _kind(request)
        address = request.url.partition("://")[2]
        stage.step(worker, "send", f"{request.method} {address}", takes=0)
        telling = 6.0 if kind == "effect" else 1.0
        ends = stage.decisions.draw(3) + 1 if swarm.crashes(telling) else 0
        if ends == 1:
            stage.crash(worker, "C6" if kind == "effect" else worker.doing or "C1")
        server = self._server(request)
        self._counted(request, server)
        if kind == "effect":
            self._journaled(request)
        if ends == 2 and kind == "effect":  # noqa: PLR2004 - the second of three moments
            stage.later(self._lateness(), lambda: self._executed(request, late=True))
            stage.crash(worker, "C7")
        if not worker.doing and kind != "token":
            worker.doing = "C1"
        stage.sleep(worker, self._ground.latency)
        answer = self._answered(request, server, kind, timeout)
        if kind == "feed":
            worker.doing = "C3" if dict(request.params).get("page") else "C2"
        elif kind == "effect":
            worker.doing = "C9"
        if ends:
            stage.crash(worker, _after(kind, worker))
        self._frozen()
        return answer

    # What is checked on the way ------------------------------------------------------

    def _server(self, request: Request) -> Server:
        """Whose request this is; none may carry another's token, or lead elsewhere."""
        for server in self._ground.servers:
            if request.url.startswith(server.host + server.path):
                told_header = request.header("Authorization") or ""
                for other in ("book", "shop"):
                    foreign = not server.connection.startswith(other)
                    if foreign and f"{CANARY}-{other}" in told_header:
                        raise Violation("I11", f"a token of {other} left elsewhere")
                return server
        raise Violation("I11", f"a request left for {request.url[:80]}")

    def _counted(self, request: Request, server: Server) -> None:
        limit = server.limit
        if not limit or self._stage.crowded:
            return
        now = self._stage.now.timestamp()
        calls = self._calls.setdefault(server.host, deque())
        while calls and calls[0] <= now - 10.0 + 1e-6:
            calls.popleft()
        if len(calls) >= limit:
            raise Violation("I12", f"more than {limit} calls in 10 s to {server.host}")
        calls.append(now)
        if len(calls) == limit:
            self._stage.fault("H24")

    def _journaled(self, request: Request) -> None:
        """I14: the SENDING row of each change of a request is on the disk."""
        held = {each.name: each for each in self._ground.disk.facts(Intent)}
        for name in names_of(request):
            intent = held.get(name)
            if intent is None or intent.stage is not At.SENDING:
                stage = intent.stage.value if intent else "not there"
                raise Violation("I14", f"a write left while its intent is {stage}")
        self._ground.sent(request)

    # What happens -----------------------------------------------------------------------

    def _answered(
        self, request: Request, server: Server, kind: str, timeout: float
    ) -> Response:
        swarm, stage = self._ground.swarm, self._stage
        if kind == "token":
            return self._refreshed(request, server)
        if kind == "feed" and dict(request.params).get("page"):
            fault = swarm.at("paging")
            if fault == "P4":
                stage.fault(fault)
                return told(410, {"error": "this cursor has expired"}, stage.now)
            if fault == "P1":
                stage.fault(fault)
                self._ground.edit()
        place = "effect" if kind == "effect" else "read"
        fault = swarm.at(place)
        if fault == "H11" and not self._ground.target.guarded:
            fault = ""
        if fault:
            stage.fault(fault)
            waits = min(timeout, self._ground.patience)
            answer = _EFFECTS[fault](self, request, server, waits)
        else:
            answer = self._executed(request)
        if fault not in _BEFORE:
            return answer
        if kind == "feed" and answer.status == 200:  # noqa: PLR2004 - HTTP's own
            return self._misshapen(request, answer)
        if kind == "effect" and request.url.endswith("/batch"):
            return self._mixed(answer)
        return answer

    def _executed(
        self, request: Request, *, echo: bool = False, late: bool = False
    ) -> Response:
        """The server does what it was asked."""
        server = self._server(request)
        now = self._stage.now
        if not request.effect:
            return server.answer(request, now)
        target = self._ground.target
        if late:
            answer = target.perform(request, now)
        else:
            answer = target.answer(request, now, echo=echo)
        target.check_single()
        return answer

    def _refreshed(self, request: Request, server: Server) -> Response:
        stage = self._stage
        if server.host in self._signed_in:
            stage.fault("A1")
        self._signed_in.add(server.host)
        fault = self._ground.swarm.at("token")
        if fault:
            stage.fault(fault)
        if fault == "A5":
            server.tokens.revoke()
        raced = server.tokens.raced
        bare = fault == "A4"
        answer = server.tokens.refresh(request, stage.now, bare=bare)
        if server.tokens.raced > raced and stage.crowded:
            stage.fault("A2")
        if fault == "A7":
            raise lost("the answer of the sign-in was lost")
        self._worker.doing = "C15"
        return answer

    def _misshapen(self, request: Request, answer: Response) -> Response:
        """A page of the feed, as some vendors deliver it."""
        fault = self._ground.swarm.at("shape")
        if not fault:
            return answer
        body = json.loads(answer.body)
        rows, decisions = body["levels"], self._stage.decisions
        cursor = dict(request.params).get("page")
        if fault == "P7":
            body["next"] = cursor or "0"
        elif fault == "A6":
            body["next"] = decisions.pick(_FOREIGN)
        elif rows and fault == "P8":
            rows.append(decisions.pick(rows))
        elif rows and fault == "P6":
            older = dict(decisions.pick(rows))
            older.update(balance=older["total"], status="open", paid_on=None, parts={})
            older["stamp"] = "2026-01-01T00:00:00+00:00"
            rows.insert(decisions.draw(len(rows) + 1), older)
        elif rows and fault == "P10":
            place = decisions.draw(len(rows))
            rows[place] = {**rows[place], **poisoned(decisions.pick(tuple(POISONS)))}
        else:
            return answer
        self._stage.fault(fault)
        return evolve(answer, body=json.dumps(body).encode())

    def _mixed(self, answer: Response) -> Response:
        """A batch answer whose items are missing, or in another order."""
        fault = self._ground.swarm.at("batch")
        if not fault or answer.status != 200:  # noqa: PLR2004 - HTTP's own
            return answer
        self._stage.fault(fault)
        body = json.loads(answer.body)
        results = body["results"]
        results.reverse()
        if self._stage.decisions.draw(2):
            results.pop()
        return evolve(answer, body=json.dumps(body).encode())

    def _lateness(self) -> float:
        return self._stage.decisions.seconds(self._ground.late)

    def _frozen(self) -> None:
        """S8: the process is stopped for a while, and wakes as if nothing had been."""
        stage, swarm = self._stage, self._ground.swarm
        if not stage.crowded or swarm.quiet:
            return
        if stage.decisions.chance(swarm.frozen_rate):
            stage.fault("S8")
            stage.sleep(self._worker, stage.decisions.seconds(ZOMBIE))

    # The faults ---------------------------------------------------------------------------

    def refused_connection(self, *_: Any) -> Response:
        """H1: nobody takes the connection."""
        raise Fault(Code.NOT_REACHED, "nobody answers", fate=Fate.NOT_SENT)

    def lost_before(self, request: Request, server: Any, timeout: float) -> Response:
        """H2: nothing was done, and no answer came in time."""
        self._stage.sleep(self._worker, timeout)
        raise lost("no answer in time")

    def lost_after(self, request: Request, server: Any, timeout: float) -> Response:
        """H3: it was done, and no answer came in time."""
        self._executed(request)
        self._stage.sleep(self._worker, timeout)
        raise lost("no answer in time")

    def failed_before(self, *_: Any) -> Response:
        """H4: a 5xx that did nothing."""
        status = self._stage.decisions.pick(BROKEN)
        return told(status, {"error": "internal"}, self._stage.now)

    def failed_after(self, request: Request, *_: Any) -> Response:
        """H5: a 5xx behind the commit, which repeats the request."""
        self._executed(request)
        secret = request.header("Authorization") or ""
        status = self._stage.decisions.pick(BROKEN)
        return told(
            status, {"error": f"internal, request was {secret}"}, self._stage.now
        )

    def late(self, request: Request, server: Any, timeout: float) -> Response:
        """H6: the client gives up, and it is done later."""
        waits = self._stage.decisions.pick((timeout, 0.0))
        self._stage.later(
            waits + self._lateness(), lambda: self._executed(request, late=True)
        )
        self._stage.sleep(self._worker, waits)
        raise lost("no answer in time")

    def throttled(self, *_: Any) -> Response:
        """H7: too many requests, and any wish for a pause."""
        answer = told(429, {"error": "slow down"}, self._stage.now)
        asked = self._stage.decisions.pick(RETRY_AFTER)
        headers = (*answer.headers, ("Retry-After", asked)) if asked else answer.headers
        return evolve(answer, headers=headers)

    def overloaded(self, *_: Any) -> Response:
        """H8: the vendor says that nothing was processed."""
        body = {"error": "too many operations in this company: not processed"}
        return told(503, body, self._stage.now)

    def invalid(self, *_: Any) -> Response:
        """H9: a definite refusal."""
        status = self._stage.decisions.pick((422, 400))
        return told(status, {"error": "this field is not valid"}, self._stage.now)

    def overtaken(self, request: Request, *_: Any) -> Response:
        """H11: somebody edits the records just before."""
        self._ground.target.overtake()
        return self._executed(request)

    def signed_out(self, request: Request, server: Server, _: float) -> Response:
        """H12: the tokens end just before."""
        server.tokens.expire()
        return self._executed(request)

    def forbidden(self, *_: Any) -> Response:
        """H13: the whole connection is refused."""
        status = self._stage.decisions.pick((403, 402, 410))
        return told(status, {"error": "organisation disconnected"}, self._stage.now)

    def deleted(self, request: Request, *_: Any) -> Response:
        """H14: the record is deleted just before."""
        for each in self._ground.target.remove(request):
            self._stage.changed(f"{each} deleted by hand")
        return self._executed(request)

    def no_answer(self, request: Request, server: Any, _: float) -> Response:
        """H15: status 200, and no answer."""
        if not request.effect or self._stage.decisions.draw(2):
            self._executed(request)
        return Response(200, {}, self._stage.decisions.pick(BODIES))

    def accepted(self, request: Request, server: Any, _: float) -> Response:
        """H17: 202; it is done a while later, and asked for meanwhile."""
        target, stage = self._ground.target, self._stage
        name = f"op{stage.steps}"
        pending = told(404, {"error": "no such operation"}, stage.now)
        waits = stage.decisions.seconds(min(20.0, self._ground.late))
        until = stage.now.fromtimestamp(stage.now.timestamp() + waits, stage.now.tzinfo)
        target.operations[name] = (until, pending)

        def done() -> None:
            answer = self._executed(request, late=True)
            target.operations[name] = (stage.now, answer)

        stage.later(waits, done)
        return told(202, {"operation": name}, stage.now)

    def doubled(self, request: Request, *_: Any) -> Response:
        """H18: delivered twice; the first answer is told."""
        answer = self._executed(request)
        self._executed(request, echo=True)
        return answer

    def repeated_below(self, request: Request, *_: Any) -> Response:
        """H22: repeated unseen; the second answer is told."""
        self._executed(request)
        return self._executed(request, echo=True)

    def dripping(self, request: Request, server: Any, timeout: float) -> Response:
        """H19: the body drips until the time is up."""
        if self._stage.decisions.draw(2):
            self._executed(request)
        self._stage.sleep(self._worker, timeout)
        raise lost("the answer was not complete in time")

    def reset(self, request: Request, *_: Any) -> Response:
        """H20: the connection is reset, before or behind the commit."""
        if self._stage.decisions.draw(2):
            self._executed(request)
        raise lost("the connection was reset")

    def redirected(self, request: Request, *_: Any) -> Response:
        """H21: an address elsewhere, which nobody may follow."""
        status = self._stage.decisions.pick((307, 301, 302))
        headers = {"Location": "https://elsewhere.example/t1/"}
        return Response(status, headers, b"")


_EFFECTS: Mapping[str, Callable[[WirePort, Request, Any, float], Response]] = {
    "H1": WirePort.refused_connection,
    "H2": WirePort.lost_before,
    "H3": WirePort.lost_after,
    "H4": WirePort.failed_before,
    "H5": WirePort.failed_after,
    "H6": WirePort.late,
    "H7": WirePort.throttled,
    "H8": WirePort.overloaded,
    "H9": WirePort.invalid,
    "H11": WirePort.overtaken,
    "H12": WirePort.signed_out,
    "H13": WirePort.forbidden,
    "H14": WirePort.deleted,
    "H15": WirePort.no_answer,
    "H17": WirePort.accepted,
    "H18": WirePort.doubled,
    "H19": WirePort.dripping,
    "H20": WirePort.reset,
    "H21": WirePort.redirected,
    "H22": WirePort.repeated_below,
}
"""What each fault of the wire does."""

_BEFORE = ("", "H11", "H12", "H14")
"""What happens before a request, whose answer may be mixed or misshapen as any other."""

_FOREIGN = (
    "https://shop.example/t1/bills?ids=B1",
    "https://book.example/t2/levels?page=1",
    "https://book.example.evil/t1/levels?page=1",
    "http://book.example/t1/levels?page=1",
)
"""Links that lead to another tenant, or out of the connection (A6)."""


def lost(text: str) -> Fault:
    """An answer that never came."""
    return Fault(Code.ANSWER_LOST, text, fate=Fate.UNCLEAR)


def poisoned(poison: str) -> dict[str, Any]:
    """What is wrong with a poisoned row."""
    return dict(POISONS[poison])


def _kind(request: Request) -> str:
    if request.effect:
        return "effect"
    name = request.url.rpartition("/")[2]
    if name == "token":
        return "token"
    return "feed" if any(k == "since" for k, _ in request.params) else "read"


def _after(kind: str, worker: Worker) -> str:
    """The crash point behind an answer."""
    return {"effect": "C8", "token": "C15"}.get(kind, worker.doing or "C1")


def names_of(request: Request) -> list[str]:
    """The changes that a request carries out, by name."""
    if request.url.endswith("/batch"):
        return [item["key"] for item in request.json["items"]]
    told_name = request.header("X-Change") or request.header("Idempotency-Key")
    return [told_name or ""]
