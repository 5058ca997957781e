"""
Writes that always end in an outcome: what is certain of an effect, whatever was raised.

It sends nothing and repeats nothing: it watches a flow that does the writing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from tieout.change import Change, Outcome, State
from tieout.errors import Code, Fate, Fault
from tieout.wire import Answer, Flow, Response, Verdict

T = TypeVar("T")
Judge = Callable[[Response], Verdict]


def guarded(flow: Flow[Outcome], change: Change, judge: Judge) -> Flow[Outcome]:
    """
    The flow of one write, which never raises its way around an outcome.

    A fault before any effect went out says what it says; after one that was not
    definitely refused, the outcome is unknown, whatever was raised.
    """
    outcome, fault, sent = yield from _watched(flow, judge)
    if fault is not None:
        return Outcome.failed(change, fault, effect_sent=sent)
    assert outcome is not None
    return outcome


def guarded_batch(
    flow: Flow[Iterable[Outcome]], changes: Sequence[Change], judge: Judge
) -> Flow[tuple[Outcome, ...]]:
    """
    The flow of several writes in one request: an outcome for each, by its name.

    What the flow does not tell of is unknown once an effect went out, and so is that of
    which it tells two things.
    """
    outcomes, fault, sent = yield from _watched(flow, judge)
    told: dict[str, Outcome] = {}
    for outcome in outcomes or ():
        held = told.setdefault(outcome.name, outcome)
        if (held.state, held.ref) != (outcome.state, outcome.ref):
            text = "the answer tells two things of it"
            doubt = Outcome(
                held.name, State.UNKNOWN, code=Code.OUTCOME_UNKNOWN, text=text
            )
            told[held.name] = doubt
    lost = fault or Fault(
        Code.OUTCOME_UNKNOWN, "the answer does not tell of it", fate=Fate.UNCLEAR
    )
    return tuple(
        told.get(change.name) or Outcome.failed(change, lost, effect_sent=sent)
        for change in changes
    )


def _watched(flow: Flow[T], judge: Judge) -> Flow[tuple[T | None, Fault | None, bool]]:
    """
    A flow to its end: what it returned or the fault that ended it, and whether an effect
    was sent that was not definitely refused.
    """
    effect_sent = False
    reply: Response | None = None
    thrown: Exception | None = None
    while True:
        try:
            asked = flow.throw(thrown) if thrown else flow.send(reply)  # type: ignore[arg-type] # None starts a generator
        except StopIteration as stop:
            return stop.value, None, effect_sent
        except Fault as fault:
            return None, fault, effect_sent
        except Exception as error:  # noqa: BLE001 - a bug must not hide an effect
            bug = Fault(Code.UNKNOWN_ERROR, f"{type(error).__name__} while writing")
            return None, bug, effect_sent
        reply, thrown = None, None
        try:
            reply = yield asked
        except Exception as error:  # noqa: BLE001 - it is handed on to the flow
            thrown = error
            certain = isinstance(error, Fault) and error.fate is not Fate.UNCLEAR
        else:
            certain = judge(reply).answer not in (Answer.OK, Answer.UNCLEAR)
        effect_sent = effect_sent or (asked.effect and not certain)
