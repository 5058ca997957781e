"""Driving flows: signing, renewing, pacing, repeating, pinning the origin, counting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from attrs import evolve
from doubles import BASE, NOW, Plain, Renewing, SetClock, Wire, ask

from tieout import session as session_module
from tieout.auth import Auth, Grant, Headers
from tieout.capabilities import Limit, LimitScope
from tieout.clock import SystemClock
from tieout.errors import Code, Fate, Fault, StoreError
from tieout.grants import RENEWALS_MAX
from tieout.pace import WAIT_FIRST, WAIT_MAX, Pace
from tieout.session import (
    ATTEMPTS_MAX,
    DEADLINE_MARGIN,
    TIMEOUT,
    Attempt,
    Session,
    Traffic,
)
from tieout.store import Expect, Fact, Gone, StoredGrant
from tieout.stores.memory import MemoryStore
from tieout.wire import Answer, Call, Flow, Request, Response, Verdict

OK = Response(200, (), b"fine")
READ, WRITE = Request("GET", "x"), Request("PUT", "x", effect=True)
LOST = Fault(Code.ANSWER_LOST, fate=Fate.UNCLEAR)
UNSENT = Fault(Code.NOT_REACHED, fate=Fate.NOT_SENT)


def made(
    wire: Wire,
    auth: Auth | None = None,
    *,
    clock: SetClock | None = None,
    store: MemoryStore | None = None,
    **more: Any,
) -> Session:
    return Session(
        Plain(auth, **more),
        wire,
        store if store is not None else MemoryStore(),
        clock or SetClock(),
    )


def refused(code: Code, run: Callable[[], Any]) -> Fault:
    with pytest.raises(Fault) as caught:
        run()
    assert caught.value.code is code
    return caught.value


# Signing --------------------------------------------------------------------------------


def test_a_request_is_signed_and_given_its_address() -> None:
    """The flow's own request has neither; what travels has both."""
    wire = Wire(OK)
    session = made(wire)
    assert session.run(ask(Request("GET", "bills?a=1"))) == [OK]
    (sent,) = wire.sent
    assert sent.url == f"{BASE}/bills?a=1"
    assert sent.headers == (("X-Key", "key-1"),)
    assert wire.timeouts == [TIMEOUT]


def test_a_flow_that_asks_nothing_returns() -> None:
    """And costs nothing."""
    session = made(Wire())
    assert session.run(ask()) == []
    assert session.traffic == Traffic()


def test_the_sign_in_comes_before_the_first_call() -> None:
    """Where the arguments alone are no grant."""
    wire, auth = Wire(Response(200, (), b"token-1"), last=OK), Renewing()
    session = made(wire, auth)
    session.run(ask(READ, READ))
    assert wire.urls == [f"{BASE}/token", f"{BASE}/x", f"{BASE}/x"]
    assert [each.header("Authorization") for each in wire.sent] == [
        None,
        "token-1",
        "token-1",
    ]
    assert auth.renewals == 1


def test_a_grant_is_stored_before_it_is_used() -> None:
    """A3, C15: a rotated token that was not stored is lost for ever."""
    store = MemoryStore()
    held: list[StoredGrant | None] = []

    def look(_: Request) -> Response:
        held.append(store.get(StoredGrant, ["plain:1"]).get("plain:1"))
        return OK

    session = made(Wire(Response(200, (), b"token-1"), look), Renewing(), store=store)
    session.run(ask(READ))
    assert held[0] is not None
    assert held[0].grant.values == {"token": "token-1"}


def test_a_grant_outlives_the_session() -> None:
    """No sign-in where a stored grant is good."""
    store, auth = MemoryStore(), Renewing()
    made(Wire(Response(200, (), b"t"), last=OK), auth, store=store).run(ask(READ))
    wire = Wire(last=OK)
    made(wire, Renewing(), store=store).run(ask(READ))
    assert wire.urls == [f"{BASE}/x"]
    assert wire.sent[0].header("Authorization") == "t"


def test_other_arguments_void_the_stored_grant() -> None:
    """A6: a token of other credentials is never sent."""
    store = MemoryStore()
    made(Wire(Response(200, (), b"old"), last=OK), Renewing("a"), store=store).run(
        ask(READ)
    )
    wire, auth = Wire(Response(200, (), b"new"), last=OK), Renewing("b")
    made(wire, auth, store=store).run(ask(READ))
    assert wire.urls == [f"{BASE}/token", f"{BASE}/x"]
    assert wire.sent[1].header("Authorization") == "new"
    assert auth.renewed_from[0].values == {"refresh": "b"}
    assert store.get(StoredGrant, ["plain:1"])["plain:1"].grant.values == {
        "token": "new"
    }


def test_the_stored_fingerprint_of_the_arguments_shows_no_secret() -> None:
    """X18: nothing of the credentials can be read back from it."""
    store = MemoryStore()
    made(Wire(Response(200, (), b"t"), last=OK), Renewing("CANARY"), store=store).run(
        ask(READ)
    )
    held = store.get(StoredGrant, ["plain:1"])["plain:1"]
    assert held.arguments
    assert "CANARY" not in held.arguments


def test_an_expired_grant_is_renewed_before_it_is_used() -> None:
    """A1: by its own expiry, without a 401 first."""
    clock = SetClock()
    wire = Wire(Response(200, (), b"t1"), OK, Response(200, (), b"t2"), OK)
    session = made(wire, Renewing(lifetime=3600), clock=clock)
    session.run(ask(READ))
    clock.pass_by(3600)
    session.run(ask(READ))
    assert [each.header("Authorization") for each in wire.sent] == [
        None,
        "t1",
        None,
        "t2",
    ]


@pytest.mark.parametrize("request_", [READ, WRITE])
def test_a_401_renews_and_repeats_once(request_: Request) -> None:
    """H12, A1: a write that was answered 401 certainly had no effect."""
    token = Response(200, (), b"t")
    wire = Wire(token, Response(401), token, OK)
    attempt = made(wire, Renewing()).attempt(ask(request_))
    assert attempt.value == [OK]
    assert wire.urls == [f"{BASE}/token", f"{BASE}/x"] * 2


def test_a_second_401_is_the_answer() -> None:
    """A3: no loop; one clear error."""
    token = Response(200, (), b"t")
    wire = Wire(token, Response(401), token, Response(401))
    session = made(wire, Renewing())
    assert [each.status for each in session.run(ask(READ))] == [401]
    assert len(wire.sent) == 4


def test_a_401_without_a_renewal_is_the_answer_at_once() -> None:
    """Fixed keys cannot be renewed: repeating would lock the login."""
    wire = Wire(Response(401))
    assert [each.status for each in made(wire).run(ask(READ))] == [401]
    assert len(wire.sent) == 1


def test_several_flows_renew_once() -> None:
    """A2: three calls in flight are answered 401; there is one sign-in."""
    token_1, token_2 = Response(200, (), b"t1"), Response(200, (), b"t2")
    together = threading.Barrier(3)

    def reply(request: Request) -> Response:
        if request.url.endswith("token"):
            return token_2
        if request.header("Authorization") == "t1":
            together.wait(10)
            return Response(401)
        return OK

    auth = Renewing()
    session = made(Wire(token_1, last=reply), auth, concurrency=3)
    attempts = list(session.map(ask(READ) for _ in range(3)))
    session.close()
    assert [each.result() for each in attempts] == [[OK]] * 3
    assert auth.renewals == 2


def test_a_grant_that_another_process_renewed_is_taken() -> None:
    """A2: the loser uses the winner's token."""
    store, auth = MemoryStore(), Renewing()
    wire = Wire(Response(200, (), b"t1"), OK, Response(401), OK)
    session = made(wire, auth, store=store)
    session.run(ask(READ))
    held = store.get(StoredGrant, ["plain:1"])["plain:1"]
    store.commit(evolve(held, grant=held.grant.renewed({"token": "theirs"})))
    session.run(ask(READ))
    assert auth.renewals == 1
    assert wire.sent[-1].header("Authorization") == "theirs"


def test_of_two_renewals_at_once_the_stored_one_counts() -> None:
    """A2: another process was faster while the sign-in was under way."""
    store = MemoryStore()
    theirs: list[StoredGrant] = []

    def meanwhile(_: Request) -> Response:
        theirs[0] = evolve(
            theirs[0], grant=theirs[0].grant.renewed({"token": "theirs"})
        )
        store.commit(theirs[0])
        return Response(200, (), b"ours")

    wire = Wire(Response(200, (), b"t1"), OK, Response(401), meanwhile, OK)
    session = made(wire, Renewing(), store=store)
    session.run(ask(READ))
    theirs.append(store.get(StoredGrant, ["plain:1"])["plain:1"])
    session.run(ask(READ))
    assert wire.sent[-1].header("Authorization") == "theirs"
    assert store.get(StoredGrant, ["plain:1"])["plain:1"] == theirs[0]


class Discovering(Renewing):
    """An auth whose renewal also calls the host, and handles a fault."""

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        secret = (yield Call(lambda: "from the host")).value
        with suppress(Fault):
            yield Request("GET", "discover")
        return grant.renewed({"token": secret})


def test_a_renewal_may_call_the_host_and_handle_a_fault() -> None:
    """Secrets may live with the host; discovery may fail."""
    wire = Wire(*[LOST] * RENEWALS_MAX, OK)
    made(wire, Discovering()).run(ask(READ))
    assert wire.urls == [f"{BASE}/discover"] * RENEWALS_MAX + [f"{BASE}/x"]
    assert wire.sent[-1].header("Authorization") == "from the host"


def test_a_renewal_is_paced_pinned_and_counted_too() -> None:
    """B159: sign-ins are calls like any other."""
    clock = SetClock()
    wire = Wire(Response(200, (), b"t"), OK)
    session = made(wire, Renewing(), clock=clock, limits=[Limit(1, 10)])
    session.run(ask(READ))
    assert clock.slept == [10]
    assert session.traffic.calls == 2

    class Astray(Renewing):
        def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
            yield Request("POST", "https://evil.example/token", content=b"CANARY")
            return grant

    astray = Wire()
    refused(Code.FOREIGN_LINK, lambda: made(astray, Astray()).run(ask(READ)))
    assert astray.sent == []


def test_a_renewal_waits_within_the_limit() -> None:
    """The limit may be used up by calls before it."""
    clock = SetClock()
    token = Response(200, (), b"t")
    session = made(
        Wire(token, Response(401), token, OK),
        Renewing(),
        clock=clock,
        limits=[Limit(2, 60)],
    )
    session.run(ask(READ))
    assert clock.slept == [60]


@pytest.mark.parametrize("fate", [Fate.UNCLEAR, Fate.NOT_SENT, Fate.REFUSED])
def test_a_lost_sign_in_is_no_effect_of_the_write(fate: Fate) -> None:
    """A7: the write itself never left, whatever became of the sign-in."""
    wire = Wire(last=Fault(Code.ANSWER_LOST, fate=fate))
    attempt = made(wire, Renewing()).attempt(ask(WRITE))
    assert not attempt.sent
    assert attempt.fault is not None
    assert attempt.fault.fate is not Fate.UNCLEAR
    tries = 1 if fate is Fate.REFUSED else RENEWALS_MAX
    assert wire.urls == [f"{BASE}/token"] * tries


# Repeating ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble", [Response(500), Response(503), Response(302), LOST, UNSENT]
)
def test_a_read_is_repeated_with_doubling_waits(trouble: Response | Fault) -> None:
    """H2, H20: at most so often, then it is the answer."""
    clock = SetClock()
    wire = Wire(last=trouble)
    attempt = made(wire, clock=clock).attempt(ask(READ))
    assert len(wire.sent) == ATTEMPTS_MAX
    assert clock.slept == [WAIT_FIRST * 2**n for n in range(ATTEMPTS_MAX - 1)]
    if isinstance(trouble, Fault):
        assert attempt.fault is trouble
    else:
        assert attempt.value == [trouble]
    assert not attempt.sent


@pytest.mark.parametrize("request_", [READ, WRITE])
def test_what_is_too_large_is_not_fetched_again(request_: Request) -> None:
    """X8: a bomb goes off once, not five times."""
    large = Fault(Code.TOO_LARGE, fate=Fate.UNCLEAR)
    wire = Wire(last=large)
    attempt = made(wire).attempt(ask(request_))
    assert attempt.fault is large
    assert len(wire.sent) == 1
    assert attempt.sent is request_.effect


JSON, PAGE = "application/json; charset=utf-8", "Text/HTML; charset=utf-8"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (PAGE, b"<html>sign in</html>"),
        (PAGE, b""),
        (JSON, b"<html>sign in</html>"),
        (JSON, b'{"a": [1'),
        (JSON, b"\xff"),
        ("application/problem+json", b" "),
    ],
)
def test_a_page_that_is_not_what_it_says_is_asked_for_again(
    kind: str, body: bytes
) -> None:
    """H15: a sign-in page, half an answer; a write is sent once, whatever comes."""
    garbled = Response(200, {"Content-Type": kind}, body)
    good = Response(200, {"Content-Type": JSON}, b'{"a": 1}')
    wire = Wire(garbled, good)
    assert made(wire).run(ask(READ)) == [good]
    assert len(wire.sent) == 2
    wire = Wire(last=garbled)
    assert made(wire).run(ask(READ)) == [garbled], "in the end it is the answer"
    assert len(wire.sent) == ATTEMPTS_MAX
    wire = Wire(garbled)
    attempt = made(wire).attempt(ask(WRITE))
    assert attempt.sent
    assert len(wire.sent) == 1


@pytest.mark.parametrize("kind", ["", "text/xml", "application/xml", JSON, "text/csv"])
def test_what_a_connector_reads_in_its_own_way_is_left_to_it(kind: str) -> None:
    """H15: no body, XML, a table: only what says it is JSON is held to it."""
    body = b"" if kind == JSON else b"<a>1</a>"
    wire = Wire(Response(200, {"Content-Type": kind}, body))
    assert made(wire).run(ask(READ))[0].body == body


def test_a_read_that_succeeds_again_goes_on() -> None:
    """The flow does not notice."""
    wire = Wire(Response(503), LOST, UNSENT, OK)
    assert made(wire).run(ask(READ)) == [OK]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 302, 200])
def test_an_effect_is_sent_once_whatever_the_server_says(status: int) -> None:
    """H4, H5, H21, H22: counted on the wire."""
    wire = Wire(Response(status))
    attempt = made(wire).attempt(ask(WRITE))
    assert len(wire.sent) == 1
    assert attempt.sent


@pytest.mark.parametrize(
    "error", [LOST, RuntimeError("x"), ConnectionResetError(), TypeError()]
)
def test_an_effect_whose_answer_was_lost_is_sent_once(error: Exception) -> None:
    """H2, H3, H20: also where a transport raises something that is no fault."""
    wire = Wire(error)
    attempt = made(wire).attempt(ask(WRITE))
    assert len(wire.sent) == 1
    assert attempt.sent
    assert attempt.fault is not None
    assert attempt.fault.fate is Fate.UNCLEAR


def test_an_effect_that_did_not_leave_is_sent_again() -> None:
    """H1, H7: not connected, throttled: certainly no effect."""
    clock = SetClock()
    wire = Wire(UNSENT, Response(429), Response(429, {"Retry-After": "7"}), OK)
    attempt = made(wire, clock=clock).attempt(ask(WRITE))
    assert attempt.value == [OK]
    assert clock.slept == [1, 2, 7]
    assert attempt.sent


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
@pytest.mark.parametrize("request_", [READ, WRITE])
def test_a_refusal_is_an_answer(status: int, request_: Request) -> None:
    """H9: no blind repetition; and a refused effect is none."""
    wire = Wire(Response(status))
    attempt = made(wire).attempt(ask(request_))
    assert len(wire.sent) == 1
    assert not attempt.sent


def test_once_an_effect_is_out_it_stays_out() -> None:
    """A refused second step does not undo the first."""
    attempt = made(Wire(OK, Response(422))).attempt(ask(WRITE, WRITE))
    assert attempt.sent


def test_a_judge_that_fails_hides_no_effect() -> None:
    """Whatever is raised after an effect went out, it may have landed."""

    class Confused(Plain):
        def judge(self, response: Response) -> Verdict:
            raise Fault(Code.BAD_FIELD, "what is this?")

    session = Session(Confused(), Wire(OK), MemoryStore(), SetClock())
    attempt = session.attempt(ask(WRITE))
    assert attempt.fault is not None
    assert attempt.sent


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        ("0", 1),
        ("-1", 1),
        ("-999999999999999", 1),
        ("0.2", 1),
        ("3", 3),
        ("120", 120),
        ("soon", 1),
        ("", 1),
        ("1e9", 1),
        ("NaN", 1),
        ("Infinity", 1),
        ("٣", 1),
        ("9" * 400, 1),
        ("Tue, 10 Mar 2026 12:00:07 GMT", 7),
        ("Tue, 10 Mar 2026 11:00:00 GMT", 1),
        ("Tue, 10 Mar 2026 12:00:07 -0000", 1),
        ("Xyz, 99 Foo 2026 99:99:99 GMT", 1),
    ],
)
def test_the_pause_that_was_asked_for_is_kept(asked: str, waited: float) -> None:
    """H7, X29: at least a second; garbage is our own doubling wait."""
    clock = SetClock()
    told = {"Retry-After": asked, "Date": "Tue, 10 Mar 2026 12:00:00 GMT"}
    made(Wire(Response(429, told), OK), clock=clock).run(ask(READ))
    assert clock.slept == [waited]


@pytest.mark.parametrize(
    "asked", ["121", "86400", "999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"]
)
@pytest.mark.parametrize("request_", [READ, WRITE])
def test_a_pause_that_is_too_long_ends_the_run_cleanly(
    asked: str, request_: Request
) -> None:
    """H7, X29, H24: with a time to go on at, and nothing sat out."""
    clock = SetClock()
    wire = Wire(
        Response(429, {"Retry-After": asked, "Date": "Tue, 10 Mar 2026 12:00:00 GMT"})
    )
    session = made(wire, clock=clock)
    fault = refused(Code.TOO_MANY_REQUESTS, lambda: session.run(ask(request_)))
    assert fault.fate is Fate.NOT_SENT
    assert "it may go on after 202" in fault.text
    assert fault.wait is not None
    assert fault.wait > WAIT_MAX
    assert clock.slept == []
    assert len(wire.sent) == 1


def test_a_pause_asked_for_by_a_fault_ends_the_run_with_its_words() -> None:
    """The transport may know of a pause, too."""
    gone = Fault(Code.NOT_REACHED, "down", fate=Fate.NOT_SENT, wait=9999)
    fault = refused(Code.NOT_REACHED, lambda: made(Wire(gone)).run(ask(READ)))
    assert fault.text.startswith("down (it may go on after 2026-03-10 14:46:39 UTC)")


def test_a_long_pause_of_a_vendors_own_code_keeps_that_code() -> None:
    """DAY_LIMIT_REACHED is told as such."""

    class Daily(Plain):
        def judge(self, response: Response) -> Verdict:
            return evolve(
                super().judge(response), code=Code.DAY_LIMIT_REACHED, text="day"
            )

    session = Session(
        Daily(), Wire(Response(429, {"Retry-After": "9999"})), MemoryStore(), SetClock()
    )
    assert refused(
        Code.DAY_LIMIT_REACHED, lambda: session.run(ask(READ))
    ).text.startswith("day")


def test_a_long_pause_without_a_code_is_too_many_requests() -> None:
    """A connector's verdict may name no code."""

    class Mute(Plain):
        def judge(self, response: Response) -> Verdict:
            return Verdict(Answer.WAIT, wait=9999)

    session = Session(Mute(), Wire(OK), MemoryStore(), SetClock())
    fault = refused(Code.TOO_MANY_REQUESTS, lambda: session.run(ask(READ)))
    assert fault.text.startswith("the other side asked for a pause")


# Pacing ---------------------------------------------------------------------------------


def test_calls_keep_within_a_limit() -> None:
    """H24: three in ten seconds; the fourth waits for the first to be ten seconds old."""
    clock = SetClock()
    session = made(Wire(last=OK), clock=clock, limits=[Limit(3, 10)])
    session.run(ask(READ, READ))
    clock.pass_by(4)
    session.run(ask(READ, READ, READ, READ))
    assert clock.slept == [6, 4]


def test_each_limit_is_kept() -> None:
    """By the minute and by the second."""
    clock = SetClock()
    session = made(Wire(last=OK), clock=clock, limits=[Limit(2, 1), Limit(3, 60)])
    session.run(ask(*[READ] * 4))
    assert clock.slept == [1, 59]


def test_repetitions_count_against_the_limit() -> None:
    """A vendor counts every call."""
    clock = SetClock()
    session = made(Wire(Response(503), OK), clock=clock, limits=[Limit(1, 30)])
    session.run(ask(READ))
    assert clock.slept == [1, 29]


def test_a_day_limit_ends_cleanly_with_a_time() -> None:
    """H24: the run ends, and says when it may go on; nothing more is sent."""
    clock, wire = SetClock(), Wire(last=OK)
    session = made(wire, clock=clock, limits=[Limit(2, 86400)])
    clock.pass_by(0)
    fault = refused(Code.DAY_LIMIT_REACHED, lambda: session.run(ask(READ, READ, READ)))
    assert "2026-03-11 12:00:00" in fault.text
    assert fault.fate is Fate.NOT_SENT
    assert len(wire.sent) == 2
    assert clock.slept == []


def paced(connection: str, limit: Limit, clock: Any, wire: Wire, key: str) -> Session:
    auth = Headers(BASE, {"X-Key": key})
    return made(wire, auth, connection=connection, clock=clock, limits=[limit])


OF_APP = Limit(3, 10, LimitScope.CREDENTIAL, "app 1")
OF_KEY = Limit(3, 10, LimitScope.CREDENTIAL)
OF_COMPANY, OF_CONNECTION = Limit(3, 10, LimitScope.COMPANY), Limit(3, 10)


@pytest.mark.parametrize(
    ("limit", "second", "key", "is_shared"),
    [
        (OF_APP, "plain:2", "key-2", True),
        (OF_KEY, "plain:2", "key-1", True),
        (OF_KEY, "plain:2", "key-2", False),
        (OF_COMPANY, "plain:1", "key-2", True),
        (OF_COMPANY, "plain:2", "key-1", False),
        (OF_CONNECTION, "plain:1", "key-1", True),
        (OF_CONNECTION, "plain:2", "key-1", False),
    ],
)
def test_a_limit_is_shared_by_the_sessions_in_its_scope(
    limit: Limit, second: str, key: str, *, is_shared: bool
) -> None:
    """H24, PF58: engines of one process that use one credential, or one company."""
    clock, wire = SetClock(), Wire(last=OK)
    one = paced("plain:1", limit, clock, wire, "key-1")
    other = paced(second, limit, clock, wire, key)
    one.run(ask(READ, READ))
    other.run(ask(READ, READ))
    assert clock.slept == ([10] if is_shared else [])


def test_limits_by_another_clock_are_others() -> None:
    """B156: a simulated day does not use up the real one."""
    wire = Wire(last=OK)
    for _ in range(3):
        clock = SetClock()
        paced("plain:1", OF_COMPANY, clock, wire, "key-1").run(ask(*[READ] * 3))
        assert clock.slept == []


def test_a_limit_is_remembered_while_one_of_its_sessions_is_open() -> None:
    """H24: by the machine's clock too; afterwards the vendor's own answer tells."""
    day, name = Limit(2, 86_400, LimitScope.COMPANY), "plain:remembered"
    wire = Wire(last=OK)
    one = paced(name, day, SystemClock(), wire, "k")
    other = paced(name, day, SystemClock(), wire, "k")
    one.run(ask(READ))
    other.run(ask(READ))
    one.close()
    fault = refused(Code.DAY_LIMIT_REACHED, lambda: one.run(ask(READ)))
    assert fault.wait is not None
    assert 86_000 < fault.wait <= 86_400
    one.close()
    other.close()
    assert paced(name, day, SystemClock(), wire, "k").run(ask(READ)) == [OK]


def test_a_shared_limit_holds_for_threads_too() -> None:
    """H24: no two of them take the last call that is allowed."""
    clock, allowed = SetClock(), Limit(500, 10)
    paces = [Pace([(allowed, "threads")], clock) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda n: paces[n % 8].wait(), range(2000)))
    assert waits.count(0) == 500


def test_the_name_of_a_credential_shows_no_secret() -> None:
    """X19: what is kept for the process is a digest."""
    auth = Headers(BASE, {"X-Key": "CANARY"})
    name = session_module._sharer(Plain(auth), OF_KEY)
    assert name.startswith("Plain ")
    assert "CANARY" not in name


def test_a_sign_in_does_not_sit_out_a_day() -> None:
    """H24: where the day is used up, the run ends before the sign-in, with a time."""
    clock = SetClock()
    day = [Limit(1, 86_400)]
    wire = Wire(last=Response(200, (), b"t"))
    made(wire, Renewing(), clock=clock, limits=day).attempt(ask(READ))
    later = made(wire, Renewing("other"), clock=clock, limits=day)
    fault = refused(Code.DAY_LIMIT_REACHED, lambda: later.run(ask(READ)))
    assert "2026-03-11 12:00:00" in fault.text
    assert fault.fate is Fate.NOT_SENT
    assert clock.slept == []
    assert len(wire.sent) == 1


def test_pace_by_hand() -> None:
    """0 counts the call; a pause does not."""
    clock = SetClock()
    pace = Pace([(Limit(1, 5), "all")], clock)
    assert pace.wait() == 0
    assert pace.wait() == 5
    assert pace.wait() == 5
    clock.pass_by(5)
    assert pace.wait() == 0
    assert Pace([], clock).wait() == 0


# Deadlines ------------------------------------------------------------------------------


def test_no_effect_leaves_after_its_deadline() -> None:
    """C7, S8: and none so late that its answer would be later still."""
    clock, wire = SetClock(), Wire(last=OK)
    session = made(wire, clock=clock)
    just = NOW + DEADLINE_MARGIN
    assert session.run(ask(WRITE), just) == [OK]
    attempt = session.attempt(ask(READ, WRITE), just - timedelta(microseconds=1))
    assert attempt.fault is not None
    assert attempt.fault.fate is Fate.NOT_SENT
    assert not attempt.sent
    assert [each.method for each in wire.sent] == ["PUT", "GET"]


def test_the_deadline_is_looked_at_after_the_pacing() -> None:
    """A wait within the limit may use the time up."""
    clock, wire = SetClock(), Wire(last=OK)
    session = made(wire, clock=clock, limits=[Limit(1, 100)])
    attempt = session.attempt(ask(READ, WRITE), NOW + timedelta(seconds=60))
    assert [each.method for each in wire.sent] == ["GET"]
    assert attempt.fault is not None
    assert not attempt.sent


def test_an_effect_does_not_wait_past_its_deadline() -> None:
    """H7: a pause that ends later is not begun."""
    clock = SetClock()
    wire = Wire(Response(429, {"Retry-After": "90"}))
    session = made(wire, clock=clock)
    attempt = session.attempt(ask(WRITE), NOW + timedelta(seconds=60))
    assert attempt.fault is not None
    assert attempt.fault.code is Code.TOO_MANY_REQUESTS
    assert attempt.fault.fate is Fate.NOT_SENT
    assert clock.slept == []
    assert len(wire.sent) == 1


def test_a_call_with_an_effect_has_a_deadline_too() -> None:
    """The host's own code is a system like any other."""
    done: list[int] = []
    call = Call(lambda: done.append(1), effect=True)

    def flow() -> Flow[None]:
        yield call

    session = made(Wire())
    attempt = session.attempt(flow(), NOW)
    assert attempt.fault is not None
    assert done == []
    assert not attempt.sent


@pytest.mark.parametrize(
    ("left", "allowed"),
    [
        (600, TIMEOUT),
        (TIMEOUT, TIMEOUT),
        (59.5, 59.5),
        (5, 5),
        (4.999, None),
        (-1, None),
    ],
)
def test_no_effect_outlives_its_deadline(left: float, allowed: float | None) -> None:
    """H2, S8: what an effect may take ends at the deadline, from which the wait counts."""
    wire = Wire(last=OK)
    attempt = made(wire).attempt(ask(WRITE), NOW + timedelta(seconds=left))
    assert wire.timeouts == ([] if allowed is None else [allowed])
    if allowed is None:
        assert attempt.fault is not None
        assert (attempt.fault.code, attempt.fault.fate) == (
            Code.NOT_IN_TIME,
            Fate.NOT_SENT,
        )


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_repeated_effect_may_take_what_is_left(concurrency: int) -> None:
    """H7, S8: each attempt is given up at the same deadline."""
    clock = SetClock()
    wire = Wire(Response(429, {"Retry-After": "20"}), OK)
    session = made(wire, clock=clock, concurrency=concurrency)
    deadline = NOW + timedelta(seconds=50)
    assert [each.value for each in session.map([ask(WRITE)], deadline)] == [[OK]]
    session.close()
    assert wire.timeouts == [50, 30]


def test_a_read_has_no_deadline() -> None:
    """It changes nothing, however late it is answered."""
    wire = Wire(last=OK)
    assert made(wire).run(ask(READ), NOW - timedelta(seconds=1)) == [OK]
    assert wire.timeouts == [TIMEOUT]


# Calls into the host --------------------------------------------------------------------


def calling(run: Callable[[], Any], *, effect: bool) -> Flow[Any]:
    reply = yield Call(run, effect=effect)
    return reply.value


def raising(error: Exception) -> Callable[[], Any]:
    def run() -> Any:
        raise error

    return run


def test_a_call_is_made_on_the_callers_thread() -> None:
    """Flows and callbacks never run on a worker."""
    session = made(Wire(), concurrency=3)
    names = list(
        session.map(
            calling(lambda: threading.current_thread().name, effect=False)
            for _ in range(4)
        )
    )
    assert {each.result() for each in names} == {threading.current_thread().name}


@pytest.mark.parametrize(
    ("error", "effect", "sent"),
    [
        (ValueError("x"), True, True),
        (ValueError("x"), False, False),
        (LOST, True, True),
        (LOST, False, False),
        (UNSENT, True, False),
        (Fault(Code.REFUSED), True, False),
    ],
)
def test_what_a_call_raises_reaches_the_flow(
    error: Exception, effect: bool, sent: bool
) -> None:
    """After an effect, anything but a clear word leaves it possible that it landed."""

    def flow() -> Flow[str]:
        try:
            yield Call(raising(error), effect=effect)
        except type(error):
            return "caught"
        return "missed"

    attempt = made(Wire()).attempt(flow())
    assert attempt.result() == "caught"
    assert attempt.sent is sent


def test_a_call_that_worked_is_an_effect_that_is_out() -> None:
    """And one without effect is not."""
    session = made(Wire())
    assert session.attempt(calling(lambda: 7, effect=True)).sent
    assert not session.attempt(calling(lambda: 7, effect=False)).sent
    assert session.traffic.calls == 0


def test_a_bug_in_a_flow_is_not_swallowed() -> None:
    """What is no fault comes out as it is; the flow is closed."""
    session = made(Wire())
    with pytest.raises(ZeroDivisionError):
        session.run(calling(raising(ZeroDivisionError()), effect=False))
    closed: list[bool] = []

    def flow() -> Flow[None]:
        try:
            yield READ
        finally:
            closed.append(True)

    refused(Code.ANSWER_LOST, lambda: made(Wire(last=LOST)).run(flow()))
    assert closed == [True]


def test_an_attempt_tells_value_or_fault() -> None:
    """`result` raises what `attempt` keeps."""
    attempt = made(Wire(last=LOST)).attempt(ask(READ))
    assert isinstance(attempt, Attempt)
    assert attempt.value is None
    assert refused(Code.ANSWER_LOST, attempt.result) is attempt.fault


# The origin -----------------------------------------------------------------------------

HOSTILE = [
    "https://evil.example/p2",
    "https://api.vendor.example.evil.example/books/v1/p2",
    "https://evil.example/books/v1/p2",
    "https://api.vendor.example:8443/books/v1/p2",
    "http://api.vendor.example/books/v1/p2",
    "https://user@api.vendor.example/books/v1/p2",
    "https://user:pw@api.vendor.example/books/v1/p2",
    "https://api.vendor.example@evil.example/books/v1/p2",
    "https://api.vendor.example%2eevil.example/books/v1/p2",
    "https://api.vendor.example\\@evil.example/books/v1/p2",
    "https://аpi.vendor.example/books/v1/p2",  # noqa: RUF001 - a Cyrillic letter
    "https://api.vendor.example./books/v1/p2",
    "//evil.example/books/v1/p2",
    "///evil.example/p2",
    "file:///etc/passwd",
    "gopher://api.vendor.example/books/v1/p2",
    "ftp://api.vendor.example/books/v1/p2",
    "javascript:alert(1)",
    "data:text/plain,x",
    "https://127.0.0.1/books/v1/p2",
    "https://169.254.169.254/latest",
    "https://[::1]/books/v1/p2",
    "https://[::ffff:127.0.0.1]/books/v1/p2",
    "https://0x7f.1/books/v1/p2",
    "/other/v1/p2",
    "/books/v10/p2",
    "/books",
    "/",
    "../admin",
    "../../admin",
    "a/../../admin",
    "/books/v1/../admin",
    "%2e%2e/admin",
    "%2E%2E/admin",
    "..%2fadmin",
    "bills/..%2f..%2fadmin",
    "bills/%2e%2e/%2e%2e/admin",
    "..\\admin",
    "..%5cadmin",
    "bills/..;/..;/admin",
    "https://api.vendor.example:99999/books/v1/p2",
    "https://api.vendor.example:port/books/v1/p2",
    "https://[::1",
    "https://[not an address]/books/v1/p2",
    "https://api.vendor.example\u2100.evil.example/books/v1/p2",
    "ht\ttps://evil.example/p2",
    "\n//evil.example/p2",
]


@pytest.mark.parametrize("url", HOSTILE)
def test_a_link_that_leads_elsewhere_is_not_followed(url: str) -> None:
    """X1, X2, X17: FOREIGN_LINK, and nothing reaches the transport."""
    wire = Wire(last=OK)
    session = made(wire)
    fault = refused(Code.FOREIGN_LINK, lambda: session.run(ask(Request("GET", url))))
    assert fault.fate is Fate.NOT_SENT
    assert wire.sent == []


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("p2", f"{BASE}/p2"),
        ("", BASE),
        ("?page=2", f"{BASE}/?page=2"),
        ("a/b%2fc?x=..%2f..", f"{BASE}/a/b%2fc?x=..%2f.."),
        (f"{BASE}/p2", f"{BASE}/p2"),
        (
            "HTTPS://API.Vendor.Example/books/v1/p2",
            "https://API.Vendor.Example/books/v1/p2",
        ),
        (
            "https://api.vendor.example:443/books/v1/p2",
            "https://api.vendor.example:443/books/v1/p2",
        ),
        ("//api.vendor.example/books/v1/p2", f"{BASE}/p2"),
        ("/books/v1/p2", f"{BASE}/p2"),
        ("/books/v1", BASE),
        ("a/../b", f"{BASE}/b"),
        ("a..b/...", f"{BASE}/a..b/..."),
    ],
)
def test_a_link_within_the_connection_is_followed(url: str, address: str) -> None:
    """The same scheme, host, port and base path, however it is written."""
    wire = Wire(OK)
    made(wire).run(ask(Request("GET", url)))
    assert wire.urls == [address]


def test_other_hosts_are_those_of_the_grant() -> None:
    """A sign-in host, a regional host: by their whole origin."""

    class Wide(Headers):
        def first(self) -> Grant:
            return Grant(
                BASE,
                {},
                hosts=("https://login.vendor.example", "http://127.0.0.1:8080"),
            )

    wire = Wire(last=OK)
    session = made(wire, Wide(BASE, {}))
    session.run(ask(Request("POST", "https://login.vendor.example/token")))
    session.run(ask(Request("GET", "http://127.0.0.1:8080/any")))
    for url in (
        "https://login.vendor.example:8443/token",
        "http://login.vendor.example/token",
        "https://evil.login.vendor.example/token",
        "https://u@login.vendor.example/token",
        "http://127.0.0.1:8081/any",
    ):
        astray = ask(Request("GET", url))
        refused(Code.FOREIGN_LINK, partial(session.run, astray))
    assert len(wire.sent) == 2


@pytest.mark.parametrize(
    "url",
    ["https://x@evil.example/books/v1/p2", "https://evil.example:99999/books/v1/p"],
)
@pytest.mark.parametrize(
    "base",
    [
        "https://user:pw@api.vendor.example/books/v1",
        "https://api.vendor.example:99999/books/v1",
    ],
)
def test_a_base_with_a_flaw_opens_no_door(base: str, url: str) -> None:
    """X2: two addresses that are equally odd are not therefore one origin."""
    wire = Wire(last=OK)
    session = made(wire, Headers(base, {"X-Key": "CANARY"}))
    refused(Code.FOREIGN_LINK, lambda: session.run(ask(Request("GET", url))))
    assert wire.sent == []


def test_a_foreign_link_spoils_no_write() -> None:
    """Nothing left, so nothing is unknown."""
    attempt = made(Wire()).attempt(
        ask(Request("PUT", "https://evil.example/x", effect=True))
    )
    assert attempt.fault is not None
    assert attempt.fault.fate is Fate.NOT_SENT
    assert not attempt.sent


# Several at once ------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 3])
def test_every_flow_comes_to_its_end(concurrency: int) -> None:
    """Values, faults and flows that ask nothing, each with its own attempt."""

    def reply(request: Request) -> Response:
        if request.url.endswith("bad"):
            raise Fault(Code.REFUSED, "no", fate=Fate.REFUSED)
        return Response(200, (), request.url.rsplit("/", 1)[1])

    flows = {name: ask(Request("GET", name)) for name in ("a", "b", "bad", "c", "d")}
    empty = ask()
    session = made(Wire(last=reply), concurrency=concurrency)
    attempts = list(session.map([*flows.values(), empty]))
    session.close()
    by_flow = {attempt.flow: attempt for attempt in attempts}
    assert len(by_flow) == 6
    for name, flow in flows.items():
        attempt = by_flow[flow]
        if name == "bad":
            assert attempt.fault is not None
        else:
            assert [each.text() for each in attempt.result()] == [name]
    assert by_flow[empty].result() == []


def test_one_at_a_time_needs_no_thread() -> None:
    """Nothing runs elsewhere where nothing has to."""
    wire = Wire(last=OK)
    session = made(wire)
    list(session.map(ask(READ) for _ in range(3)))
    assert wire.threads == {threading.current_thread().name}


def test_at_most_so_many_are_open_and_the_next_is_taken_on_as_one_ends() -> None:
    """`concurrency`, no more and no less; flows are taken one by one."""
    begun: list[int] = []
    open_now: list[int] = []
    most: list[int] = []
    lock, together = threading.Lock(), threading.Barrier(3)

    def reply(request: Request) -> Response:
        with lock:
            open_now.append(1)
            most.append(len(open_now))
        if request.url.endswith(("/0", "/1", "/2")):
            together.wait(10)  # only passes if three are open at once
        with lock:
            open_now.pop()
        return OK

    def flows() -> Any:
        for n in range(7):
            begun.append(n)
            yield ask(Request("GET", str(n)))

    session = made(Wire(last=reply), concurrency=3)
    mapping = session.map(flows())
    next(mapping)
    assert len(begun) <= 5
    assert len(list(mapping)) == 6
    session.close()
    assert max(most) == 3


def test_pauses_of_one_flow_do_not_hold_up_the_others() -> None:
    """A throttled call waits; the others go on; time passes only when all wait."""
    clock = SetClock()
    tries: dict[str, int] = {}
    lock = threading.Lock()

    def reply(request: Request) -> Response:
        with lock:
            tries[request.url] = tries.get(request.url, 0) + 1
        slow = request.url.endswith("slow") and tries[request.url] == 1
        return Response(429, {"Retry-After": "30"}) if slow else OK

    session = made(Wire(last=reply), clock=clock, concurrency=2)
    flows = {name: ask(Request("GET", name)) for name in ("slow", "a", "b", "c")}
    order = [attempt.flow for attempt in session.map(flows.values())]
    session.close()
    assert order[-1] is flows["slow"]
    assert clock.slept == [30]


def test_a_pause_ends_while_another_call_is_under_way() -> None:
    """The paused flow goes on when its time has come, not when the other is done."""
    clock = SetClock()
    release = threading.Event()
    seen: list[str] = []

    def reply(request: Request) -> Response:
        name = request.url.rsplit("/", 1)[1]
        seen.append(name)
        if name == "held":
            assert release.wait(10)
        elif seen.count("paused") == 1:
            clock.pass_by(0)
            return Response(429)
        else:
            release.set()
        return OK

    class Ticking(SetClock):
        def monotonic(self) -> float:
            self.elapsed += 0.6  # looking at the clock lets time pass
            return self.elapsed

    session = made(Wire(last=reply), clock=Ticking(), concurrency=2)
    attempts = list(
        session.map([ask(Request("GET", "held")), ask(Request("GET", "paused"))])
    )
    session.close()
    assert all(each.result() == [OK] for each in attempts)
    assert seen.count("paused") == 2


def test_limits_hold_for_all_flows_together() -> None:
    """H24: pacing is the connection's, not the flow's."""
    clock = SetClock()
    session = made(Wire(last=OK), clock=clock, concurrency=3, limits=[Limit(2, 10)])
    attempts = list(session.map(ask(READ) for _ in range(5)))
    session.close()
    assert all(each.result() == [OK] for each in attempts)
    assert clock.elapsed == 20


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_bug_in_one_flow_costs_no_other_its_outcome(concurrency: int) -> None:
    """No answer is left to arrive at nobody; the bug is in its own attempt."""
    session = made(Wire(last=OK), concurrency=concurrency)
    bug = ZeroDivisionError()
    flows = [ask(WRITE), calling(raising(bug), effect=False), ask(WRITE)]
    attempts = {each.flow: each for each in session.map(flows)}
    session.close()
    assert [attempts[flow].bug for flow in flows] == [None, bug, None]
    assert [attempts[flow].value for flow in flows] == [[OK], None, [OK]]
    broken = attempts[flows[1]].fault
    assert broken is not None
    assert (broken.code, broken.text) == (
        Code.UNKNOWN_ERROR,
        "ZeroDivisionError in the connector",
    )
    with pytest.raises(ZeroDivisionError):
        attempts[flows[1]].result()


class Failing(MemoryStore):
    """A store whose disk is full."""

    def commit(self, *facts: Fact | Gone, expect: Iterable[Expect] = ()) -> bool:
        raise StoreError("the disk is full")


def test_a_store_that_fails_answers_no_request() -> None:
    """S1: it ends the run; no flow makes an outcome, or an issue, of it."""
    session = made(Wire(last=OK), Renewing(), store=Failing())
    seen: list[BaseException] = []

    def flow() -> Flow[str]:
        try:
            yield WRITE
        except Exception as error:  # noqa: BLE001 - as `guarded` does
            seen.append(error)
        return "an outcome"

    with pytest.raises(StoreError):
        session.attempt(flow())
    with pytest.raises(StoreError):
        list(session.map([flow()]))
    assert seen == []


# Reading ahead --------------------------------------------------------------------------


def test_a_started_flow_travels_while_the_caller_goes_on() -> None:
    """The first request leaves at once; the rest when the result is asked for."""
    left = threading.Event()

    def first(_: Request) -> Response:
        left.set()
        return OK

    wire = Wire(first, OK)
    session = made(wire)
    started = session.start(ask(READ, READ))
    assert left.wait(10)
    assert len(wire.sent) == 1
    assert started.result() == [OK, OK]
    assert len(wire.sent) == 2
    assert threading.current_thread().name not in {
        n for n in wire.threads if n.startswith("tieout")
    }
    session.close()


def test_a_started_flow_waits_and_repeats_as_any_other() -> None:
    """Pauses are sat out when the result is asked for."""
    clock = SetClock()
    session = made(Wire(Response(503), OK, OK), clock=clock)
    started = session.start(ask(READ, READ))
    assert clock.slept == []
    assert started.result() == [OK, OK]
    assert clock.slept == [1]
    session.close()


def test_a_started_flow_may_begin_with_a_pause() -> None:
    """Where the limit is used up, nothing leaves yet."""
    clock, wire = SetClock(), Wire(last=OK)
    session = made(wire, clock=clock, limits=[Limit(1, 10)])
    session.run(ask(READ))
    started = session.start(ask(READ))
    assert len(wire.sent) == 1
    assert started.result() == [OK]
    assert clock.slept == [10]
    session.close()


def test_a_started_flow_that_asks_nothing_or_fails_at_once() -> None:
    """Its value, or its fault, comes with the result."""
    session = made(Wire())
    assert session.start(ask()).result() == []
    astray = session.start(ask(Request("GET", "https://evil.example/")))
    refused(Code.FOREIGN_LINK, astray.result)
    session.close()


def test_a_flow_can_be_given_up() -> None:
    """What was sent is waited for and forgotten; the flow is closed."""
    closed: list[bool] = []

    def flow() -> Flow[None]:
        try:
            yield READ
        finally:
            closed.append(True)

    wire = Wire(OK)
    session = made(wire)
    started = session.start(flow())
    started.drop()
    started.drop()
    assert closed == [True]
    assert len(wire.sent) == 1
    session.close()


def test_a_session_can_be_closed_twice_and_used_again() -> None:
    """Worker threads are made when they are needed."""
    wire = Wire(last=OK)
    session = made(wire, concurrency=2)
    session.close()
    assert len(list(session.map([ask(READ), ask(READ)]))) == 2
    session.close()
    session.close()
    assert session.start(ask(READ)).result() == [OK]
    session.close()
    assert session.concurrency == 2


# Counting -------------------------------------------------------------------------------


def test_everything_that_was_sent_is_counted() -> None:
    """B155: calls, writes among them, bytes up and down; repetitions too."""
    wire = Wire(Response(503, (), b"12345"), LOST, OK, OK)
    session = made(wire)
    before = session.traffic
    session.run(ask(READ, Request("POST", "y", json={"a": 1}, effect=True)))
    used = session.traffic - before
    assert used == Traffic(calls=4, writes=1, bytes_up=7, bytes_down=13)
    assert session.traffic - session.traffic == Traffic()


def test_waits_are_logged_without_addresses_or_values(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """X19, X20: connection and seconds, nothing else."""
    caplog.set_level("DEBUG")
    request = Request(
        "GET", "CANARY-path", params={"q": "CANARY"}, headers={"H": "CANARY"}
    )
    made(Wire(Response(429, (), b"CANARY"), OK), Headers(BASE, {"K": "CANARY"})).run(
        ask(request)
    )
    assert "plain:1: waiting 1 s" in caplog.text
    assert "CANARY" not in caplog.text


def test_times_are_those_of_the_clock_that_was_given() -> None:
    """B156: nothing asks the machine for the time."""
    clock = SetClock(datetime(2030, 1, 1, tzinfo=UTC))
    auth = Renewing(lifetime=10)
    store = MemoryStore()
    made(Wire(Response(200, (), b"t"), OK), auth, clock=clock, store=store).run(
        ask(READ)
    )
    held = store.get(StoredGrant, ["plain:1"])["plain:1"]
    assert held.grant.expires_at == datetime(2030, 1, 1, 0, 0, 10, tzinfo=UTC)
