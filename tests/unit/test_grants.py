"""Renewing a grant: by one at a time, durable first, and not again once it was refused."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from attrs import evolve
from doubles import Desk, Plain, Renewing, SetClock, Wire, able, ask, change, level
from issuers import FIRST, Issuer, patiently, rotating

from tieout import grants
from tieout.adapters import Direct
from tieout.auth import Grant
from tieout.change import Change, Outcome, State
from tieout.clock import Clock, SystemClock
from tieout.connector import Health
from tieout.connectors.xero import Xero
from tieout.engine import Engine
from tieout.errors import Code, Fate, Fault, StoreError
from tieout.grants import CLAIM_MARGIN, LOOK_AGAIN
from tieout.session import TIMEOUT, Session
from tieout.store import Expect, Fact, Gone, IssueRow, Renewal, Store, StoredGrant
from tieout.stores.memory import MemoryStore
from tieout.stores.sqlite import SQLiteStore
from tieout.testing.fakes.serving import serve
from tieout.testing.fakes.xero import FakeXero
from tieout.windows import Since
from tieout.wire import Answer, Flow, Request, Response, Transport, Verdict

F = TypeVar("F")
READ = Request("GET", "x")
WRITE = Request("PUT", "x", effect=True)
NAME = "rotating:1"


def made(
    issuer: Transport,
    store: Store,
    clock: Clock | None = None,
    connector: Plain | None = None,
) -> Session:
    return Session(connector or rotating(), issuer, store, clock or SetClock())


def refused(run: Callable[[], Any], code: Code = Code.RECONNECT_NEEDED) -> Fault:
    with pytest.raises(Fault) as caught:
        run()
    assert (caught.value.code, caught.value.fate) == (code, Fate.NOT_SENT)
    return caught.value


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fingerprint is slow on purpose; a thousand of them would be most of a test."""

    def told(first: Grant) -> str:
        return repr((first.base_url, sorted(first.values.items())))

    monkeypatch.setattr(grants, "_fingerprint", told)


# Single flight --------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_a_thousand_at_once_renew_once() -> None:
    """A2, PF56: a thousand sessions in a thousand threads; the issuer sees one call."""
    issuer, store, clock = Issuer(), MemoryStore(), SystemClock()
    sessions = [made(issuer, store, clock) for _ in range(1000)]
    together = threading.Barrier(1000)

    def work(session: Session) -> list[Response]:
        together.wait(60)
        return session.run(ask(READ))

    with ThreadPoolExecutor(1000) as pool:
        answers = list(pool.map(work, sessions))
    assert {answer.status for (answer,) in answers} == {200}
    assert issuer.refreshes == 1
    assert store.get(Renewal, [NAME]) == {}, "the claim was let go"


@pytest.mark.usefixtures("quick")
def test_each_expiry_is_renewed_once(tmp_path: Path) -> None:
    """A1, A2: eight engines' worth of sessions, over and over; never a token twice."""
    issuer, clock = Issuer(calls_each=20), SystemClock()
    stores = [SQLiteStore(tmp_path / "tieout.db") for _ in range(8)]

    def work(store: Store) -> None:
        made(issuer, store, clock).run(patiently(50))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, stores))
    for store in stores:
        store.close()
    assert issuer.calls["x"] == 8 * 50
    assert issuer.again == 0
    assert issuer.refreshes == len(issuer.issued) == 8 * 50 // 20


CHILD = """
import sys
from issuers import patiently, rotating
from tieout.clock import SystemClock
from tieout.session import Session
from tieout.stores.sqlite import SQLiteStore
from tieout.transport import HTTPTransport

url, path = sys.argv[1:]
store, http = SQLiteStore(path), HTTPTransport()
session = Session(rotating(base_url=url), http, store, SystemClock())
sys.stdin.readline()
session.run(patiently(60))
store.close()
http.close()
"""


def test_several_processes_renew_each_expiry_once(tmp_path: Path) -> None:
    """A2, PF56: six real processes, one file, one issuer on loopback that forgives nothing."""
    issuer = Issuer(calls_each=30)
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with serve(issuer) as served:
        given = (f"{served.url}/v1/", str(tmp_path / "t.db"))
        SQLiteStore(given[1]).close()  # how a store is made is not what is shown here
        command = [sys.executable, "-c", CHILD, *given]
        children = [
            subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
            for _ in range(6)
        ]
        for child in children:
            child.communicate(b"go\n", 120)
    assert [child.returncode for child in children] == [0] * 6
    assert issuer.calls["x"] == 6 * 60
    assert issuer.again == 0
    assert issuer.refreshes == len(issuer.issued) == 6 * 60 // 30


@pytest.mark.parametrize("index", range(6))
def test_a_token_may_expire_before_any_page(index: int) -> None:
    """A1, H12: one refresh, the same page again, and all pages in their order."""
    issuer, store = Issuer(), MemoryStore()
    made(issuer, store).run(ask(READ))
    session, read = made(issuer, store), list[str]()

    def pages() -> Any:
        for page in range(5):
            if page == index:
                issuer.expire()
            answer = yield Request("GET", f"page-{page}")
            read.append(answer.json())

    session.run(pages())
    assert read == [f"page-{n}" for n in range(5)]
    assert issuer.refreshes == (2 if index < 5 else 1)
    assert issuer.calls == {"x": 1, **{f"page-{n}": 1 for n in range(5)}}


def test_the_token_of_one_tenant_is_never_sent_for_another() -> None:
    """A6, PF55, X21: two tenants at once in one store; every call in the log is clean."""
    store, clock = MemoryStore(), SystemClock()
    issuers = {name: Issuer(calls_each=3, name=f"{name}-") for name in "AB"}
    connectors = {
        name: rotating(
            f"{name}-{FIRST}", f"https://api.example/{name}", f"tenant:{name}"
        )
        for name in "AB"
    }

    class Gate:
        """One host for both: by its path each call goes to its tenant's issuer."""

        def send(self, request: Request, timeout: float) -> Response:
            return issuers[request.url.split("/")[3]].send(request, timeout)

        def close(self) -> None: ...

    def work(name: str) -> None:
        made(Gate(), store, clock, connectors[name]).run(patiently(30))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, "ABABABAB"))
    for name, issuer in issuers.items():
        assert issuer.calls["x"] == 4 * 30
        assert {token[:2] for path, token in issuer.log if path == "x"} == {f"{name}-"}
        assert issuer.again == 0


# A holder that dies ---------------------------------------------------------------------


def test_the_claim_of_a_holder_that_died_runs_out() -> None:
    """C1, A2: the others wait for so long, in small steps, and then renew."""
    issuer, store, clock = Issuer(), MemoryStore(), SetClock()
    lasting = timedelta(seconds=TIMEOUT) + CLAIM_MARGIN
    store.commit(Renewal(NAME, "somebody who died", clock.now() + lasting))
    made(issuer, store, clock).run(ask(READ))
    assert set(clock.slept) == {LOOK_AGAIN}
    assert lasting.total_seconds() <= sum(clock.slept) + 1e-6
    assert sum(clock.slept) <= lasting.total_seconds() + 2 * LOOK_AGAIN
    assert issuer.refreshes == 1


def test_a_claim_from_a_wrong_clock_holds_nobody_up() -> None:
    """H23: one that ends later than any claim can was made before the clock was set back."""
    issuer, store, clock = Issuer(), MemoryStore(), SetClock()
    store.commit(Renewal(NAME, "somebody", clock.now() + timedelta(hours=1)))
    made(issuer, store, clock).run(ask(READ))
    assert clock.slept == []
    assert issuer.refreshes == 1


def test_who_waits_takes_what_the_holder_stored() -> None:
    """A2: and asks the issuer nothing."""
    issuer, store = Issuer(), MemoryStore()
    made(issuer, store).run(ask(READ))
    winner = store.get(StoredGrant, [NAME])[NAME]

    class Waiting(SetClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if len(self.slept) == 3:
                store.commit(winner)

    clock = Waiting()
    store.commit(Gone(StoredGrant, NAME))
    store.commit(Renewal(NAME, "the holder", clock.now() + timedelta(seconds=60)))
    made(issuer, store, clock).run(ask(READ))
    assert issuer.refreshes == 1
    assert clock.slept == [LOOK_AGAIN] * 3


def test_a_holder_that_was_overtaken_takes_the_newer_grant() -> None:
    """S8, A2: it slept through its claim; what it got late replaces nothing."""
    issuer, store, clock = Issuer(grace=True), MemoryStore(), SetClock()
    other = made(issuer, store, clock)

    class Frozen:
        """The process stands still while its answer is under way."""

        def send(self, request: Request, timeout: float) -> Response:
            answer = issuer.send(request, timeout)
            if request.url.endswith("token"):
                clock.pass_by(600)
                other.run(ask(READ))
            return answer

        def close(self) -> None: ...

    session = made(Frozen(), store, clock)
    assert [each.status for each in session.run(ask(READ))] == [200]
    assert issuer.refreshes == 2
    assert store.get(StoredGrant, [NAME])[NAME].grant.values["access"] == "access-2"
    assert issuer.log[-1] == ("x", "access-2")


def test_a_holder_that_was_overtaken_sends_nothing_more() -> None:
    """S8: its next try is not made; it waits for the new holder as anybody else."""
    issuer, store, clock = Issuer(), MemoryStore(), SetClock()
    other = made(issuer, store, clock)
    sent: list[str] = []

    class Frozen:
        def send(self, request: Request, timeout: float) -> Response:
            sent.append(request.url.rsplit("/", 1)[1])
            if sent == ["token"]:
                clock.pass_by(600)
                other.run(ask(READ))
                raise Fault(Code.ANSWER_LOST, fate=Fate.UNCLEAR)
            return issuer.send(request, timeout)

        def close(self) -> None: ...

    made(Frozen(), store, clock).run(ask(READ))
    assert sent == ["token", "x"]
    assert issuer.refreshes == 1


def test_a_long_renewal_keeps_its_claim() -> None:
    """A2: each try of a sign-in that fails holds the claim for as long as it may take."""
    store, clock = MemoryStore(), SetClock()
    held: list[timedelta] = []

    def slow(_: Request) -> Response:
        held.append(store.get(Renewal, [NAME])[NAME].until - clock.now())
        clock.pass_by(TIMEOUT)
        raise Fault(Code.ANSWER_LOST, fate=Fate.UNCLEAR)

    refused(
        lambda: made(Wire(last=slow), store, clock).run(ask(READ)), Code.ANSWER_LOST
    )
    assert len(held) == grants.RENEWALS_MAX
    assert min(held) >= timedelta(seconds=TIMEOUT)
    assert store.get(Renewal, [NAME]) == {}, "no pause, and no claim is left"


def test_a_sign_in_that_meets_a_busy_system_is_tried_again() -> None:
    """Also where being busy is told in the vendor's own words, with a status of 200."""

    class Busy(Plain):
        def judge(self, response: Response) -> Verdict:
            told = super().judge(response)
            busy = response.body == b"busy"
            return Verdict(Answer.WAIT, Code.TOO_MANY_REQUESTS) if busy else told

    clock, auth = SetClock(), Renewing()
    wire = Wire(Response(200, (), b"busy"), Response(200, (), b"t-1"), Response(200))
    made(wire, MemoryStore(), clock, Busy(auth)).run(ask(READ))
    assert [each.header("Authorization") for each in wire.sent] == [None, None, "t-1"]
    assert len(clock.slept) == 1


# Crashes --------------------------------------------------------------------------------


class Crash(BaseException):
    """The process is dead from here on."""


class Mortal:
    """A store and a transport that die together before or after their n-th call."""

    def __init__(self, store: Store, issuer: Transport, dies_at: int) -> None:
        self.steps = 0
        self._store, self._issuer, self._dies_at = store, issuer, dies_at

    def _step(self) -> None:
        self.steps += 1
        if self.steps >= self._dies_at:
            raise Crash

    def send(self, request: Request, timeout: float) -> Response:
        self._step()
        answer = self._issuer.send(request, timeout)
        self._step()
        return answer

    def get(self, kind: type[F], keys: Iterable[str]) -> dict[str, F]:
        self._step()
        return self._store.get(kind, keys)

    def commit(self, *facts: Fact | Gone, expect: Iterable[Expect] = ()) -> bool:
        self._step()
        done = self._store.commit(*facts, expect=expect)
        self._step()
        return done

    def find(self, *given: Any, **named: Any) -> Any:
        raise AssertionError("a grant is found by its connection")

    def close(self) -> None: ...


def steps_of_a_renewal() -> int:
    """How many steps it takes to renew a stored grant that has expired."""
    issuer, store = Issuer(), MemoryStore()
    made(issuer, store).run(ask(READ))
    issuer.expire()
    alive = Mortal(store, issuer, 10**9)
    made(alive, alive).run(ask(READ))
    return alive.steps


STEPS = steps_of_a_renewal()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("grace", [True, False], ids=["grace", "no grace"])
@pytest.mark.parametrize("dies_at", range(1, STEPS + 1))
def test_after_a_crash_at_any_step_the_next_process_goes_on(
    dies_at: int, grace: bool
) -> None:
    """A3, C15: or it is told once that a person is needed; and never again and again."""
    issuer, store, clock = Issuer(grace=grace), MemoryStore(), SetClock()
    made(issuer, store, clock).run(ask(READ))
    issuer.expire()
    mortal = Mortal(store, issuer, dies_at)
    with pytest.raises(Crash):
        made(mortal, mortal, clock).run(ask(READ))
    stored = store.get(StoredGrant, [NAME])[NAME].grant
    lost = stored.values["access"] != issuer.issued[-1]
    attempts = [made(issuer, store, clock).attempt(ask(READ)) for _ in range(3)]
    if grace or not lost:
        assert [each.fault for each in attempts] == [None] * 3
        assert issuer.again == (1 if lost else 0)
    else:
        assert {each.fault.code for each in attempts if each.fault} == {
            Code.RECONNECT_NEEDED
        }
        assert issuer.refreshes == 3, "sign-in, the one that was lost, and one more"
        fresh = rotating(issuer.connect())
        assert made(issuer, store, clock, fresh).run(ask(READ))[0].status == 200
    assert sum(clock.slept) <= TIMEOUT + CLAIM_MARGIN.total_seconds() + 1


def test_the_crashes_cover_a_lost_token() -> None:
    """C15: between the issuer's answer and the store there is a step to die at."""
    assert STEPS >= 12


# An answer that was lost ----------------------------------------------------------------


@pytest.mark.parametrize("lost", [1, 2])
def test_a_refresh_whose_answer_was_lost_is_asked_again(lost: int) -> None:
    """A7, A3, PF57: the same token, within its grace; the network's failure revokes nothing."""
    issuer, store = Issuer(grace=True), MemoryStore()
    left = [lost]

    class Losing:
        def send(self, request: Request, timeout: float) -> Response:
            answer = issuer.send(request, timeout)
            if request.url.endswith("token") and left[0]:
                left[0] -= 1
                raise Fault(Code.ANSWER_LOST, fate=Fate.UNCLEAR)
            return answer

        def close(self) -> None: ...

    attempt = made(Losing(), store).attempt(ask(WRITE))
    assert attempt.fault is None
    assert issuer.refreshes == lost + 1


def test_a_refresh_whose_answers_are_all_lost_is_no_pause() -> None:
    """A7: the next run asks again; nobody is told to connect anew."""
    lost = Fault(Code.ANSWER_LOST, fate=Fate.UNCLEAR)
    issuer, store = Issuer(), MemoryStore()
    refused(lambda: made(Wire(last=lost), store).run(ask(READ)), Code.ANSWER_LOST)
    assert made(issuer, store).run(ask(READ))[0].status == 200


def test_an_issuer_without_grace_that_lost_an_answer_asks_for_a_person_once() -> None:
    """A7, A3: an unknown outcome that turned out badly is one clear fault."""
    issuer, store = Issuer(), MemoryStore()

    class Losing:
        def send(self, request: Request, timeout: float) -> Response:
            answer = issuer.send(request, timeout)
            if issuer.refreshes == 1:
                raise Fault(Code.ANSWER_LOST, fate=Fate.UNCLEAR)
            return answer

        def close(self) -> None: ...

    for _ in range(3):
        refused(lambda: made(Losing(), store).run(ask(READ)))
    assert issuer.refreshes == 2


def test_a_grant_that_could_not_be_stored_is_not_wasted() -> None:
    """S2, A3: the disk was full; once it is not, the same grant is stored and used."""
    issuer, clock = Issuer(), SetClock()

    class Full(MemoryStore):
        full = True

        def commit(self, *facts: Fact | Gone, expect: Iterable[Expect] = ()) -> bool:
            if self.full and any(isinstance(each, StoredGrant) for each in facts):
                raise StoreError("the disk is full")
            return super().commit(*facts, expect=expect)

    store = Full()
    session = made(issuer, store, clock)
    with pytest.raises(StoreError):
        session.run(ask(READ))
    assert issuer.log == [("token", "")], "nothing is sent with what is not durable"
    store.full = False
    assert session.run(ask(READ))[0].status == 200
    assert issuer.refreshes == 1
    assert store.get(StoredGrant, [NAME])[NAME].grant.values["access"] == "access-1"


# Refused --------------------------------------------------------------------------------


def test_what_was_refused_is_asked_once() -> None:
    """A5, PF56: the same session, and every later one, ask the issuer nothing more."""
    issuer, store = Issuer(), MemoryStore()
    session = made(issuer, store)
    session.run(ask(READ))
    issuer.revoke()
    first = refused(lambda: session.run(ask(READ)))
    assert (first.text, first.remedy) == ("invalid_grant", "Connect again.")
    before = len(issuer.log)
    for paused in (session, made(issuer, store), made(issuer, store)):
        again = refused(partial(paused.run, ask(READ, READ)))
        assert again.text.startswith("invalid_grant (refused at 2026-03-10 12:00 UTC")
        assert again.remedy == "Connect again."
    assert len(issuer.log) == before


def test_other_arguments_end_the_pause() -> None:
    """A5: a person connected again, and the token that came of it is configured."""
    issuer, store = Issuer(), MemoryStore()
    issuer.revoke()
    refused(lambda: made(issuer, store).run(ask(READ)))
    fresh = rotating(issuer.connect())
    assert made(issuer, store, connector=fresh).run(ask(READ))[0].status == 200
    assert store.get(Renewal, [NAME]) == {}


def test_a_check_ends_the_pause_if_it_succeeds() -> None:
    """A5: who asks for a check has looked at it; it asks once, and once more each time."""

    class Checked(Plain):
        """Its check is a call of its API."""

        def check(self) -> Any:
            yield from self.ask(READ)
            return Health(reachable=True, signed_in=True)

    issuer, store, clock = Issuer(), MemoryStore(), SetClock()
    connector = Checked(rotating().auth, connection=NAME)
    session = made(issuer, store, clock, connector)
    session.run(ask(READ))
    issuer.revoke()
    refused(lambda: session.run(ask(READ)))
    asked = issuer.refreshes
    for number in (1, 2):
        refused(session.check)
        refused(lambda: session.run(ask(READ)))
        assert issuer.refreshes == asked + number
    issuer.revoked = False
    assert made(issuer, store, clock, connector).check().signed_in
    assert session.run(ask(READ))[0].status == 200


def test_a_check_leaves_the_claim_of_another_alone() -> None:
    """A2: what is under way is no pause."""
    issuer, store, clock = Issuer(), MemoryStore(), SetClock()
    store.commit(Renewal(NAME, "another", clock.now() + timedelta(seconds=5)))
    made(issuer, store, clock)._grants.try_again()
    assert store.get(Renewal, [NAME])[NAME].holder == "another"


def test_a_refusal_is_looked_up_once_more_before_it_is_believed() -> None:
    """A2, PF56: another process renewed without waiting; what it stored is used."""
    issuer, store = Issuer(), MemoryStore()
    session = made(issuer, store)
    session.run(ask(READ))
    issuer.expire()

    class Elsewhere:
        """Somebody who knows no claims uses the token just before we do."""

        def send(self, request: Request, timeout: float) -> Response:
            if request.url.endswith("token") and issuer.refreshes == 1:
                answer = issuer.send(request, timeout)
                access, refresh = answer.text().split()
                held = store.get(StoredGrant, [NAME])[NAME]
                values = {"access": access, "refresh": refresh}
                store.commit(evolve(held, grant=held.grant.renewed(values)))
                return Response(400, (), b"invalid_grant")
            return issuer.send(request, timeout)

        def close(self) -> None: ...

    assert made(Elsewhere(), store).run(ask(READ))[0].status == 200
    assert issuer.refreshes == 2
    assert store.get(Renewal, [NAME]) == {}


def test_a_write_whose_sign_in_was_refused_was_not_sent() -> None:
    """A5: no change is rejected for it, so none is forgotten until its source changes."""

    class Writing(Plain):
        def write_one(self, change: Change) -> Flow[Outcome]:
            yield from self.ask(WRITE)
            return Outcome.applied(change)

    issuer = Issuer()
    issuer.revoke()
    connector = Writing(rotating().auth)
    connector.capabilities = able()
    session = made(issuer, MemoryStore(), SetClock(), connector)
    changes = [change(str(n), connection="plain:1") for n in range(3)]
    direct = Direct({"plain:1": session})
    outcomes = list(direct.apply(changes, SetClock().now() + timedelta(minutes=2)))
    assert [each.state for each in outcomes] == [State.NOT_SENT] * 3
    assert {each.code for each in outcomes} == {Code.RECONNECT_NEEDED}
    assert issuer.refreshes == 1


def test_a_paused_ledger_is_one_error_of_the_run() -> None:
    """A5, C15: at Xero, through the engine: one fault a run, no issues, no calls."""
    clock = SetClock()
    fake = FakeXero(now=clock.now)
    billing = Desk("billing:1", level("b1", connection="billing:1"))
    store = MemoryStore()

    def engine(refresh_token: str) -> Engine:
        ledger = Xero(
            tenant_id=fake.tenant,
            client_id="client",
            client_secret="secret",
            refresh_token=refresh_token,
        )
        wires = {ledger.connection: fake}
        return Engine(
            billing=billing, ledger=ledger, store=store, transport=wires, clock=clock
        )

    with engine("refresh-0") as first:
        assert first.sync_payments(Since.PAST_WEEK).ok
        fake.revoke()
        clock.pass_by(3600)
        report = first.sync_payments(Since.LAST_RUN)
        assert report.code is Code.RECONNECT_NEEDED
        tried = fake.calls["POST /connect/token"]
        asked = fake.requests
        for _ in range(3):
            report = first.sync_payments(Since.LAST_RUN)
            assert report.code is Code.RECONNECT_NEEDED
        assert not first.check()[f"xero:{fake.tenant}"].signed_in
        assert fake.calls["POST /connect/token"] == tried + 1
        assert fake.requests == asked + 1
    assert store.find(IssueRow, "open", f"{first.pair}\x1fpayments") == []
    fake._refresh["refresh-new"] = float("inf")
    with engine("refresh-new") as second:
        assert second.sync_payments(Since.LAST_RUN).ok


def test_a_reconnected_app_needs_no_cleared_store() -> None:
    """B151: the token that a person configured anew is used, and none of the old ones."""
    store = MemoryStore()
    for fresh in (FIRST, "refresh-9"):
        wire = Wire(Response(200, (), b"access refresh"), Response(200))
        made(wire, store, connector=rotating(fresh)).run(ask(READ))
        assert wire.sent[0].body() == fresh.encode()


def test_what_is_wrong_in_another_way_is_no_pause() -> None:
    """A5: a wrong password, a missing permission: the next run asks again."""

    class Refusing(Renewing):
        def renew(self, grant: Any, now: Any) -> Any:
            yield Request("POST", "token")
            raise Fault(Code.SIGN_IN_REFUSED)

    store, wire = MemoryStore(), Wire(last=Response(200))
    for count in (1, 2):
        session = made(wire, store, connector=Plain(Refusing()))
        refused(partial(session.run, ask(READ)), Code.SIGN_IN_REFUSED)
        assert len(wire.sent) == count
