"""
Checks of writing an invoice's money: a level that is set, set again, lowered and cleared.

Levels are absolute: repeating one is harmless. What goes wrong on the wire is checked for
every write in `writing`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from attrs import frozen

from tieout.capabilities import Verb
from tieout.change import Change, State
from tieout.errors import Code
from tieout.evidence import shown
from tieout.models import Settlement
from tieout.money import ZERO
from tieout.testing.conformance.check import Cases, Check, able_to, expect, listed, of
from tieout.testing.conformance.check import where as provided
from tieout.testing.conformance.checks.writing import applied, code_of, settle
from tieout.testing.conformance.trial import HOUR, Made, Trial
from tieout.testing.conformance.wanted import level, same_but

WHOLE, PART, LESS = Decimal(100), Decimal(60), Decimal(25)


@frozen
class _Kept:
    """An invoice, the level that was last written, and what is ours of it."""

    made: Made
    owned: tuple[str, ...] = ()


def _read(trial: Trial, made: Made) -> Settlement:
    found = trial.one(made, Settlement)
    assert isinstance(found, Settlement)
    return found


def _set(trial: Trial, kept: _Kept, paid: Decimal, on: date | None) -> _Kept:
    """Write a level, and see that it is what is read afterwards."""
    change = level(trial, _read(trial, kept.made), paid, on, owned=kept.owned)
    trial.clock.advance(HOUR)
    outcome = applied(trial, change, f"setting {paid} paid on {on}")
    _shows(trial, kept.made, change)
    return _Kept(kept.made, outcome.owned)


def _shows(trial: Trial, made: Made, change: Change) -> None:
    after, now = change.after, _read(trial, made)
    assert isinstance(after, Settlement)
    told = (
        f"{after.paid} paid, paid_on {after.paid_on}, last_on {after.last_on} was "
        f"wanted; {now.paid}, {now.paid_on}, {now.last_on} is shown"
    )
    expect(shown(now) == shown(after), told)
    differ = same_but(now, after, but="receipts")
    others = [each for each in differ if each not in ("basis", "last_on")]
    expect(not others, f"a level was written, and {listed(others)} is otherwise")


def a_level_is_set(trial: Trial) -> None:
    _set(trial, _Kept(trial.make()), WHOLE, trial.day(30))


def a_level_is_set_again(trial: Trial) -> None:
    kept = _set(trial, _Kept(trial.make()), WHOLE, trial.day(30))
    before = _read(trial, kept.made)
    change = level(trial, before, WHOLE, trial.day(30), owned=kept.owned)
    outcome = applied(trial, change, "the same level again")
    _shows(trial, kept.made, change)
    now = _read(trial, kept.made)
    told = f"the same level again: receipts {before.receipts} became {now.receipts}"
    expect(len(now.receipts) == len(before.receipts), told)
    told = f"what is ours was {kept.owned}, and is called {outcome.owned}"
    expect(outcome.owned == kept.owned, told)


def a_level_moves(trial: Trial) -> None:
    kept = _Kept(trial.make())
    for paid, position in ((PART, 30), (WHOLE, 33), (LESS, 31), (PART, 32)):
        kept = _set(trial, kept, paid, trial.day(position))
    receipts = _read(trial, kept.made).receipts
    expect(len(receipts) <= 1, f"a level that moved left {len(receipts)} payments")


def a_level_is_cleared(trial: Trial) -> None:
    kept = _set(trial, _Kept(trial.make()), WHOLE, trial.day(30))
    kept = _set(trial, kept, ZERO, None)
    receipts = _read(trial, kept.made).receipts
    expect(not receipts, f"nothing is paid, and {listed(receipts)} is still there")
    _set(trial, kept, WHOLE, trial.day(31))


def the_day_alone_moves(trial: Trial) -> None:
    kept = _set(trial, _Kept(trial.make()), WHOLE, trial.day(30))
    _set(trial, kept, WHOLE, trial.day(34))


def exact_levels(trial: Trial) -> None:
    made = trial.make(total=Decimal("1234567.89"))
    kept = _set(trial, _Kept(made), Decimal("1234567.89"), trial.day(30))
    if trial.capabilities.payments.partial:
        _set(trial, kept, Decimal("0.01"), trial.day(30))


def somebody_was_faster(trial: Trial) -> None:
    made = trial.make()
    change = level(trial, _read(trial, made), WHOLE, trial.day(30))
    trial.clock.advance(HOUR)
    trial.bench.pay(made.id, LESS, trial.day(29))
    (outcome,) = trial.write(change)
    told = f"somebody paid in between, and it is {outcome.state.name}"
    expect(outcome.code is Code.STALE_VERSION, f"{told} ({code_of(outcome)})")
    paid = _read(trial, made).paid
    expect(paid == LESS, f"25 were paid by hand; after a refused write it is {paid}")


def what_is_not_ours(trial: Trial) -> None:
    made = trial.make()
    trial.bench.pay(made.id, LESS, trial.day(29))
    before = _read(trial, made)
    change = level(trial, before, WHOLE, trial.day(30))
    (outcome,) = trial.write(change)
    told = f"over a payment entered by hand, it is {outcome.state.name}"
    expect(outcome.code is Code.PAID_ON_BOTH_SIDES, f"{told} ({code_of(outcome)})")
    now = _read(trial, made)
    expect(now.receipts == before.receipts, "a payment entered by hand was touched")
    take = level(trial, now, WHOLE, trial.day(30), take_over=True)
    applied(trial, take, "taking a payment over that was entered by hand")
    _shows(trial, made, take)


def what_is_ours_is_told(trial: Trial) -> None:
    kept = _set(trial, _Kept(trial.make()), WHOLE, trial.day(30))
    receipts = _read(trial, kept.made).receipts
    told = f"the outcome calls {kept.owned} ours; the invoice has {receipts}"
    expect(kept.owned == receipts, told)


def a_lost_answer_to_a_level(trial: Trial) -> None:
    made = trial.make()
    change = level(trial, _read(trial, made), WHOLE, trial.day(30))
    trial.warm()
    trial.tap.lose()
    (outcome,) = trial.write(change)
    told = f"its answer was lost, and the outcome is {outcome.state.name}"
    expect(outcome.state is State.UNKNOWN, told)
    sent = trial.tap.effects()
    expect(len(sent) == 1, f"its answer was lost, and it was sent {len(sent)} times")
    settle(trial)
    found = [each for each in trial.find(change).records if each.ref.id == made.id]
    expect(len(found) == 1, f"find brings the invoice {len(found)} times")
    told = f"it was carried out, and find shows {found[0].paid} on {found[0].paid_on}"
    expect(shown(found[0]) == shown(change.after), told)


# The table ------------------------------------------------------------------------------

_KEEPS = of(able_to(Verb.UPDATE), Settlement)
_OWNED = provided(lambda c: c.payments.owned_payment, _KEEPS)


def _check(
    name: str,
    shows: str,
    run: Callable[[Trial], None],
    cases: Cases = _KEEPS,
    *needs: str,
    wire: bool = False,
) -> Check:
    group = "keeping an invoice's money"
    return Check(name, group, shows, run, cases, needs, staged=True, wire=wire)


KEEPING: tuple[Check, ...] = (
    _check(
        "a level is set",
        "Paid Amount and Date Paid are read as they were written; nothing else changed.",
        a_level_is_set,
    ),
    _check(
        "a level is set again",
        "The same level again has no second effect.",
        a_level_is_set_again,
    ),
    _check(
        "a level moves",
        "It is set in part, raised to the whole, lowered and raised: always what is shown.",
        a_level_moves,
        provided(lambda c: c.payments.partial, _KEEPS),
    ),
    _check(
        "a level is cleared",
        "Nothing is paid any more, the date is gone, and it can be set anew.",
        a_level_is_cleared,
    ),
    _check(
        "the day alone moves",
        "Another date of the same amount is written.",
        the_day_alone_moves,
    ),
    _check(
        "levels are exact",
        "A million to the cent, and a cent, are kept as they are.",
        exact_levels,
    ),
    _check(
        "somebody was faster",
        "What changed since it was read is refused as stale, and left as it is.",
        somebody_was_faster,
        provided(lambda c: c.payments.owned_payment or c.version_token, _KEEPS),
        "pay",
    ),
    _check(
        "what is not ours",
        "A payment that was entered by hand is replaced only where that is allowed.",
        what_is_not_ours,
        _OWNED,
        "pay",
    ),
    _check(
        "what is ours is told",
        "The outcome names the payment that keeps the level.",
        what_is_ours_is_told,
        _OWNED,
    ),
    _check(
        "a lost answer to a level",
        "It is unknown, never sent again, and a look shows that it was carried out.",
        a_lost_answer_to_a_level,
        wire=True,
    ),
)
