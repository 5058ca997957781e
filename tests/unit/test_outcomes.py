"""
What becomes of a change, whatever goes wrong: by fate, by what was sent before, by what raised.

Issue 3: once an effect of a flow is out, any failure of that flow leaves it unknown; no
connector, transport or bug raises its way around an outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from doubles import NOW, Plain, SetClock, Wire, able, change

from tieout.adapters import Direct
from tieout.change import Change, Outcome, State
from tieout.connector import guarded
from tieout.errors import Code, Fate, Fault
from tieout.session import Session
from tieout.stores.memory import MemoryStore
from tieout.wire import Call, Flow, Request, Response

FIRST, READ = Request("PUT", "first", effect=True), Request("GET", "second")
SECOND = Request("PUT", "second", effect=True)
OK = Response(200)
DEADLINE = NOW + timedelta(hours=1)


class Odd(Exception):
    """What nobody expects."""


class Steps(Plain):
    """Writes a change in steps of a test's own, inside the usual guard or without it."""

    def __init__(
        self, steps: Callable[[Change], Flow[Any]], *, is_guarded: bool, batch: int = 1
    ) -> None:
        super().__init__()
        self.capabilities = able(batch_size=batch, concurrency=2)
        self._steps, self._is_guarded = steps, is_guarded

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        outcomes = []
        for each in changes:
            flow = self._steps(each)
            if self._is_guarded:
                flow = guarded(flow, each, self.judge)
            outcomes.append((yield from flow))
        return tuple(outcomes)


def carried(connector: Any, *replies: Any, count: int = 1) -> list[Outcome]:
    session = Session(connector, Wire(*replies), MemoryStore(), SetClock())
    changes = [change(str(n), connection="plain:1") for n in range(count)]
    outcomes = list(Direct({"plain:1": session}).apply(changes, DEADLINE))
    session.close()
    assert sorted(each.name for each in outcomes) == sorted(c.name for c in changes)
    return outcomes


def two_steps(second: Request | None, *, before: bool) -> Callable[[Change], Flow[Any]]:
    def steps(each: Change) -> Flow[Outcome]:
        if before:
            yield FIRST
        if second is not None:
            response = yield second
            if response.status >= 400:
                raise Plain().judge(response).fault()
        return Outcome.applied(each)

    return steps


ASKED = {"a read": READ, "an effect": SECOND}
GONE_WRONG: dict[str, tuple[Any, dict[str, State]]] = {
    # what the wire does           what a read and an effect come to, nothing sent before
    "refused": (
        Fault(Code.REFUSED, fate=Fate.REFUSED),
        {"a read": State.REJECTED, "an effect": State.REJECTED},
    ),
    "too large": (
        Fault(Code.TOO_LARGE, fate=Fate.UNCLEAR),
        {"a read": State.UNKNOWN, "an effect": State.UNKNOWN},
    ),
    "lost": (
        Fault(Code.ANSWER_LOST, fate=Fate.UNCLEAR),
        {"a read": State.UNKNOWN, "an effect": State.UNKNOWN},
    ),
    "not sent": (
        Fault(Code.NOT_REACHED, fate=Fate.NOT_SENT),
        {"a read": State.NOT_SENT, "an effect": State.NOT_SENT},
    ),
    "a bug in the transport": (
        Odd("x"),
        {"a read": State.UNKNOWN, "an effect": State.UNKNOWN},
    ),
    "a broken connection": (
        ConnectionResetError(),
        {"a read": State.UNKNOWN, "an effect": State.UNKNOWN},
    ),
    "422": (Response(422), {"a read": State.REJECTED, "an effect": State.REJECTED}),
    "401": (Response(401), {"a read": State.NOT_SENT, "an effect": State.NOT_SENT}),
    "429": (
        Response(429, {"Retry-After": "9999"}),
        {"a read": State.NOT_SENT, "an effect": State.NOT_SENT},
    ),
    "500": (Response(500), {"a read": State.UNKNOWN, "an effect": State.UNKNOWN}),
}


@pytest.mark.parametrize("before", [False, True], ids=["first", "after an effect"])
@pytest.mark.parametrize("is_guarded", [False, True], ids=["bare", "guarded"])
@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("wrong", GONE_WRONG)
def test_what_goes_wrong_on_the_wire(
    wrong: str, asked: str, *, is_guarded: bool, before: bool
) -> None:
    """H1 to H9, H12, H20: by its fate; unknown after an effect, even a 429 (2.5)."""
    reply, states = GONE_WRONG[wrong]
    steps = two_steps(ASKED[asked], before=before)
    replies = [OK, *[reply] * 5] if before else [reply] * 5
    (outcome,) = carried(Steps(steps, is_guarded=is_guarded), *replies)
    assert outcome.state is (State.UNKNOWN if before else states[asked])
    assert outcome.code is not None


BUGS: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("x"),
    "KeyError": lambda: KeyError("x"),
    "AttributeError": AttributeError,
    "AssertionError": AssertionError,
    "RecursionError": RecursionError,
    "MemoryError": MemoryError,
    "TimeoutError": TimeoutError,
    "StopIteration": StopIteration,
    "StopAsyncIteration": StopAsyncIteration,
    "Odd": Odd,
    "Fault refused": lambda: Fault(Code.REFUSED, fate=Fate.REFUSED),
    "Fault bad field": lambda: Fault(Code.BAD_FIELD),
    "Fault not sent": lambda: Fault(Code.NOT_REACHED, fate=Fate.NOT_SENT),
    "Fault unclear": lambda: Fault(Code.BAD_PAYLOAD, fate=Fate.UNCLEAR),
}
BEFORE_ANY = {"Fault not sent": State.NOT_SENT, "Fault unclear": State.UNKNOWN}
"""What is not a plain refusal where nothing was sent."""


@pytest.mark.parametrize("when", ["at once", "after a read", "after an effect"])
@pytest.mark.parametrize("is_guarded", [False, True], ids=["bare", "guarded"])
@pytest.mark.parametrize("bug", BUGS)
def test_what_a_connector_raises(bug: str, when: str, *, is_guarded: bool) -> None:
    """2.5: a bug after an effect leaves it unknown; before any it is a refusal of ours."""

    def steps(_: Change) -> Flow[Outcome]:
        if when == "after a read":
            yield READ
        if when == "after an effect":
            yield FIRST
        error = BUGS[bug]()
        raise error

    (outcome,) = carried(Steps(steps, is_guarded=is_guarded), OK)
    expected = BEFORE_ANY.get(bug, State.REJECTED)
    assert outcome.state is (State.UNKNOWN if when == "after an effect" else expected)


@pytest.mark.parametrize("effect", [False, True])
@pytest.mark.parametrize("is_guarded", [False, True], ids=["bare", "guarded"])
@pytest.mark.parametrize("bug", [name for name in BUGS if name != "StopIteration"])
def test_what_the_hosts_own_code_raises(
    bug: str, *, is_guarded: bool, effect: bool
) -> None:
    """2.5: a call that may have had its effect is like a request whose answer was lost."""

    def run() -> None:
        error = BUGS[bug]()
        raise error

    def steps(each: Change) -> Flow[Outcome]:
        yield Call(run, effect=effect)
        return Outcome.applied(each)

    (outcome,) = carried(Steps(steps, is_guarded=is_guarded))
    certain = bug in ("Fault refused", "Fault bad field", "Fault not sent")
    expected = BEFORE_ANY.get(bug, State.REJECTED)
    assert outcome.state is (State.UNKNOWN if effect and not certain else expected)


@pytest.mark.parametrize(
    "told",
    [
        None,
        (),
        [],
        "applied",
        7,
        (None,),
        ("applied",),
        (Outcome("another", State.APPLIED),),
    ],
    ids=repr,
)
def test_what_a_connector_does_not_tell_is_unknown(told: Any) -> None:
    """H16: by name; what is no outcome, or that of another change, is none."""

    class Mute(Plain):
        def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
            yield SECOND
            return told  # type: ignore[no-any-return]

    connector = Mute()
    connector.capabilities = able()
    (outcome,) = carried(connector, OK)
    assert outcome.state is State.UNKNOWN


def test_a_write_that_is_no_flow_is_an_outcome_too() -> None:
    """2.5: a connector that fails before its first step has sent nothing."""

    class Eager(Plain):
        def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
            raise Odd

    connector = Eager()
    connector.capabilities = able()
    assert [each.state for each in carried(connector, count=3)] == [State.REJECTED] * 3


@pytest.mark.parametrize("bad", range(3))
def test_a_bug_in_one_batch_leaves_the_others_their_outcomes(bad: int) -> None:
    """H16, 2.4: at once and side by side; only the batch in which it happened suffers."""

    def steps(each: Change) -> Flow[Outcome]:
        yield Request("PUT", each.source.id, effect=True)
        if each.source.id == str(bad * 2):
            raise Odd
        return Outcome.applied(each)

    connector = Steps(steps, is_guarded=False, batch=2)
    outcomes = {
        each.name: each.state for each in carried(connector, *[OK] * 6, count=6)
    }
    changes = [change(str(n), connection="plain:1") for n in range(6)]
    states = [outcomes[each.name] for each in changes]
    expected = [State.APPLIED] * 6
    expected[bad * 2 : bad * 2 + 2] = [State.UNKNOWN] * 2
    assert states == expected


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_is_no_outcome(stop: type[BaseException]) -> None:
    """C8: what is in flight is found unknown by the next run."""

    def steps(_: Change) -> Flow[Outcome]:
        yield FIRST
        raise stop

    with pytest.raises(stop):
        carried(Steps(steps, is_guarded=True), OK)


@pytest.mark.parametrize(
    ("fate", "state"),
    [
        (Fate.NOT_SENT, State.NOT_SENT),
        (Fate.REFUSED, State.REJECTED),
        (Fate.UNCLEAR, State.UNKNOWN),
    ],
)
@pytest.mark.parametrize("effect_sent", [False, True])
def test_the_table_of_fates(fate: Fate, state: State, *, effect_sent: bool) -> None:
    """2.2: what each fate means for a change, and that an effect before outweighs it."""
    fault = Fault(Code.REFUSED, fate=fate)
    outcome = Outcome.failed(change("1"), fault, effect_sent=effect_sent)
    assert outcome.state is (State.UNKNOWN if effect_sent else state)
