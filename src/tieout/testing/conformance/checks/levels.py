"""
Checks of an invoice's money: what is owed, by what it was settled, when, and who tells.

All of them are about `Settlement`; how a level is written is checked in `writing`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from tieout.capabilities import Blind, Capabilities, Changed
from tieout.models import Basis, CreditNote, Part, Settlement, Status
from tieout.money import ZERO
from tieout.testing.conformance.bench import stages
from tieout.testing.conformance.check import (
    Cases,
    Check,
    expect,
    of,
    readable,
    selecting,
    where,
)
from tieout.testing.conformance.trial import DAY, HOUR, Made, Trial

PART, REST, WHOLE = Decimal(30), Decimal(70), Decimal(100)
FIRST, SECOND = 30, 33
"""Days of the first and second payment, both behind the invoice's own."""


def _level(trial: Trial, made: Made) -> Settlement:
    found = trial.one(made, Settlement)
    assert isinstance(found, Settlement)
    return found


def _credit(trial: Trial, total: Decimal) -> Made:
    """A credit note that will be applied as a whole: some systems know nothing else."""
    return trial.make(CreditNote, total=total)


def _owes(level: Settlement, balance: Decimal, what: str) -> None:
    """What is owed, and that status and paid date say the same."""
    owed = f"{what}: {level.balance} is owed; it has to be {balance}"
    expect(level.balance == balance, owed)
    status = Status.OPEN if balance > 0 else Status.SETTLED
    told = f"{what}: the status is {level.status.name}; it has to be {status.name}"
    expect(level.status is status, told)
    if balance > 0:
        early = f"{what}: {balance} is owed, and it is called paid on {level.paid_on}"
        expect(level.paid_on is None, early)


def _paid(level: Settlement, paid: Decimal, what: str) -> None:
    told = f"{what}: {level.paid} is called paid; it has to be {paid}"
    expect(level.paid == paid, told)


# What is owed ---------------------------------------------------------------------------


def an_unpaid_invoice(trial: Trial) -> None:
    level = _level(trial, trial.make())
    _owes(level, WHOLE, "an invoice of 100")
    _paid(level, ZERO, "an invoice of 100")
    told = f"nothing was received, and last_on is {level.last_on}"
    expect(level.last_on is None, told)
    expect(
        not level.receipts, f"nothing was received, and receipts are {level.receipts}"
    )


def a_part_payment(trial: Trial) -> None:
    made, day = trial.make(), trial.day(FIRST)
    trial.bench.pay(made.id, PART, day)
    level, what = _level(trial, made), "30 of 100 were paid"
    _owes(level, REST, what)
    _paid(level, PART, what)
    told = f"{what} on {day}, and last_on is {level.last_on}"
    expect(level.last_on in (None, day), told)


def paid_in_full(trial: Trial) -> None:
    made, day = trial.make(), trial.day(SECOND)
    amounts = [(PART, FIRST), (REST, SECOND)]
    if not trial.capabilities.payments.partial:
        amounts = [(WHOLE, SECOND)]
    for amount, position in amounts:
        trial.bench.pay(made.id, amount, trial.day(position))
    level, what = _level(trial, made), "all of it was paid"
    _owes(level, ZERO, what)
    _paid(level, WHOLE, what)
    _dated(trial, level, what)
    told = f"{what} on {day}, and last_on is {level.last_on}"
    expect(level.last_on in (None, day), told)


def payments_in_any_order(trial: Trial) -> None:
    made = trial.make()
    trial.bench.pay(made.id, REST, trial.day(SECOND))
    trial.clock.advance(HOUR)
    trial.bench.pay(made.id, PART, trial.day(FIRST))
    level, what = _level(trial, made), "the later payment was entered first"
    _owes(level, ZERO, what)
    _dated(trial, level, what)


def nothing_to_pay(trial: Trial) -> None:
    level, what = _level(trial, trial.make(total=ZERO)), "an invoice of nothing"
    _owes(level, ZERO, what)
    _paid(level, ZERO, what)


def _dated(trial: Trial, level: Settlement, what: str) -> None:
    """The day from which nothing was owed, where it is told and not merely observed."""
    if trial.capabilities.payments.paid_on is Basis.OBSERVED:
        return
    day = trial.day(SECOND)
    told = f"{what} on {day}, and paid_on is {level.paid_on}"
    expect(level.paid_on == day, told)


def a_payment_taken_back(trial: Trial) -> None:
    made = trial.make()
    payment = trial.bench.pay(made.id, WHOLE, trial.day(FIRST))
    trial.clock.advance(HOUR)
    trial.bench.take_back(payment)
    level, what = _level(trial, made), "all of it was paid, and the payment taken back"
    _owes(level, WHOLE, what)
    _paid(level, ZERO, what)


def an_applied_credit(trial: Trial) -> None:
    made, credit = trial.make(), _credit(trial, PART)
    trial.bench.apply_credit(credit.id, made.id, PART, trial.day(FIRST))
    level, what = _level(trial, made), "a credit of 30 was put to 100"
    _owes(level, REST, what)
    told = level.settled_by.get(Part.CREDIT)
    if Part.CREDIT in trial.capabilities.payments.parts:
        expect(told == PART, f"{what}: its credit part is {told}; it has to be 30")
    expect(
        level.settled_by.get(Part.CASH, ZERO) == ZERO
        or Part.CREDIT not in level.settled_by,
        f"{what}: the credit is also called cash ({level.settled_by})",
    )


def credit_and_cash(trial: Trial) -> None:
    made, credit = trial.make(), _credit(trial, PART)
    trial.bench.apply_credit(credit.id, made.id, PART, trial.day(FIRST))
    trial.bench.pay(made.id, REST, trial.day(SECOND))
    level, what = _level(trial, made), "30 were credited, then 70 paid"
    _owes(level, ZERO, what)
    _dated(trial, level, what)
    _adds_up(trial, level, what)


def a_credit_taken_back(trial: Trial) -> None:
    made, credit = trial.make(), _credit(trial, PART)
    day = trial.day(FIRST)
    applied = trial.bench.apply_credit(credit.id, made.id, PART, day)
    trial.clock.advance(HOUR)
    trial.bench.unapply_credit(applied)
    _owes(_level(trial, made), WHOLE, "a credit of 30 was put to 100 and taken back")


def too_much(trial: Trial) -> None:
    made = trial.make()
    trial.bench.overpay(made.id, Decimal(130), trial.day(SECOND))
    level, what = _level(trial, made), "130 were paid of 100"
    expect(level.balance <= 0, f"{what}: {level.balance} is owed")
    told = f"{what}: the status is {level.status.name}; it has to be SETTLED"
    expect(level.status is Status.SETTLED, told)
    _dated(trial, level, what)
    _adds_up(trial, level, what)


def parts_make_the_total(trial: Trial) -> None:
    made = trial.make()
    _adds_up(trial, _level(trial, made), "nothing was paid")
    if trial.capabilities.payments.partial:
        trial.bench.pay(made.id, PART, trial.day(FIRST))
        _adds_up(trial, _level(trial, made), "30 of 100 were paid")
    if stages(trial.bench, "credit_note") and stages(trial.bench, "apply_credit"):
        credit = _credit(trial, Decimal(20))
        trial.bench.apply_credit(credit.id, made.id, Decimal(20), trial.day(SECOND))
        _adds_up(trial, _level(trial, made), "30 of 100 were paid, 20 credited")


def _adds_up(trial: Trial, level: Settlement, what: str) -> None:
    """Total = parts + balance, where all parts are told; none that is not declared."""
    declared = trial.capabilities.payments.parts
    strange = [part.name for part in level.settled_by if part not in declared]
    expect(not strange, f"{what}: {strange} is told, and not declared in parts")
    if {Part.CASH, Part.CREDIT} <= {*level.settled_by}:
        parts = sum(level.settled_by.values(), ZERO)
        told = f"{parts} in parts + {level.balance} owed is not {level.total}"
        expect(parts + level.balance == level.total, f"{what}: {told}")


def a_receipt_is_told(trial: Trial) -> None:
    made = trial.make()
    payment = trial.bench.pay(made.id, WHOLE, trial.day(FIRST))
    receipts = _level(trial, made).receipts
    told = f"payment {payment} is behind it, and receipts are {receipts}"
    # As a record of its own, a payment may be named with its invoice before it.
    own = payment.rpartition("/")[2]
    expect(receipts in ((payment,), (own,)), told)


# Who tells ------------------------------------------------------------------------------


def _is_seen(trial: Trial, made: Made, act: Callable[[], object], what: str) -> None:
    """An invoice is among what changed since an hour before somebody did something."""
    trial.clock.advance(DAY)
    since = trial.clock.now()
    trial.clock.advance(HOUR)
    act()
    reading = trial.read(Changed(since), kind=Settlement)
    expect(
        made.id in reading.told,
        f"{what}, and the invoice is neither among the changed settlements nor touched; "
        "declare the blind spot in Payments.blind, or read what tells of it",
    )
    now = _level(trial, made)
    then = reading.by_id().get(made.id, now)
    told = f"{what}; the list says {then.balance} is owed, the invoice {now.balance}"
    expect(then.balance == now.balance, told)


def a_payment_is_seen(trial: Trial) -> None:
    made = trial.make()
    day = trial.day(FIRST)
    pay = lambda: trial.bench.pay(made.id, WHOLE, day)  # noqa: E731 - one act
    _is_seen(trial, made, pay, "an invoice was paid")


def a_part_payment_is_seen(trial: Trial) -> None:
    made = trial.make()
    day = trial.day(FIRST)
    pay = lambda: trial.bench.pay(made.id, PART, day)  # noqa: E731 - one act
    _is_seen(trial, made, pay, "a part of an invoice was paid")


def a_reversal_is_seen(trial: Trial) -> None:
    made = trial.make()
    payment = trial.bench.pay(made.id, WHOLE, trial.day(FIRST))
    undo = lambda: trial.bench.take_back(payment)  # noqa: E731 - one act
    _is_seen(trial, made, undo, "a payment was taken back")


def a_credit_is_seen(trial: Trial) -> None:
    made, credit = trial.make(), _credit(trial, PART)
    day = trial.day(FIRST)
    put = lambda: trial.bench.apply_credit(credit.id, made.id, PART, day)  # noqa: E731
    _is_seen(trial, made, put, "a credit was put to an invoice")


def a_credit_taken_back_is_seen(trial: Trial) -> None:
    made, credit = trial.make(), _credit(trial, PART)
    day = trial.day(FIRST)
    applied = trial.bench.apply_credit(credit.id, made.id, PART, day)
    undo = lambda: trial.bench.unapply_credit(applied)  # noqa: E731 - one act
    _is_seen(trial, made, undo, "a credit was taken back from an invoice")


# The table ------------------------------------------------------------------------------

_MONEY = of(readable, Settlement)
_TOLD = of(selecting(Changed), Settlement)
_DERIVED = (Basis.APPLICATIONS, Basis.LAST_RECEIPT)
_PARTIAL = where(lambda c: c.payments.partial, _MONEY)


def _sees(*blind: Blind) -> Cases:
    """Settlements by change, where these are no declared blind spots."""

    def seeing(capabilities: Capabilities) -> bool:
        return not {*blind} & capabilities.payments.blind

    return where(seeing, _TOLD)


_GROUP = "an invoice's money"
LEVELS: tuple[Check, ...] = (
    Check(
        "an unpaid invoice",
        _GROUP,
        "All of it is owed, nothing is paid, and it has no paid date.",
        an_unpaid_invoice,
        _MONEY,
        staged=True,
    ),
    Check(
        "a part payment",
        _GROUP,
        "What was paid and what is still owed are told; it is open, without a paid date.",
        a_part_payment,
        _PARTIAL,
        needs=("pay",),
        staged=True,
    ),
    Check(
        "paid in full",
        _GROUP,
        "Nothing is owed, and the paid date is the day of the payment that closed it.",
        paid_in_full,
        _MONEY,
        needs=("pay",),
        staged=True,
    ),
    Check(
        "payments in any order",
        _GROUP,
        "The paid date is the day from which nothing was owed, in whatever order they came.",
        payments_in_any_order,
        where(lambda c: c.payments.paid_on in _DERIVED, _PARTIAL),
        needs=("pay",),
        staged=True,
    ),
    Check(
        "nothing to pay",
        _GROUP,
        "An invoice of nothing is settled from the start.",
        nothing_to_pay,
        _MONEY,
        staged=True,
    ),
    Check(
        "a payment taken back",
        _GROUP,
        "All of it is owed again, and the paid date is gone.",
        a_payment_taken_back,
        _MONEY,
        needs=("pay", "take_back"),
        staged=True,
    ),
    Check(
        "an applied credit",
        _GROUP,
        "A credit lowers what is owed and is not called cash.",
        an_applied_credit,
        _MONEY,
        needs=("credit_note", "apply_credit"),
        staged=True,
    ),
    Check(
        "credit and cash",
        _GROUP,
        "An invoice that was credited in part and then paid is closed by the payment.",
        credit_and_cash,
        _PARTIAL,
        needs=("credit_note", "apply_credit", "pay"),
        staged=True,
    ),
    Check(
        "a credit taken back",
        _GROUP,
        "All of it is owed again.",
        a_credit_taken_back,
        _MONEY,
        needs=("credit_note", "apply_credit", "unapply_credit"),
        staged=True,
    ),
    Check(
        "too much was paid",
        _GROUP,
        "An overpaid invoice is settled, and its parts still make the total.",
        too_much,
        _MONEY,
        needs=("overpay",),
        staged=True,
    ),
    Check(
        "parts and balance make the total",
        _GROUP,
        "What was settled by each part, and what is owed, add up to the total.",
        parts_make_the_total,
        _MONEY,
        needs=("pay",),
        staged=True,
    ),
    Check(
        "the payment behind it is named",
        _GROUP,
        "Where payments are records of an invoice, a level names those behind it.",
        a_receipt_is_told,
        where(lambda c: c.payments.owned_payment, _MONEY),
        needs=("pay",),
        staged=True,
    ),
    Check(
        "a payment is seen",
        _GROUP,
        "An invoice that was paid is among the changes.",
        a_payment_is_seen,
        # A system that is blind to part payments shows full ones all the same.
        where(lambda c: c.payments.blind != frozenset(Blind), _TOLD),
        needs=("pay",),
        staged=True,
    ),
    Check(
        "a part payment is seen",
        _GROUP,
        "Unless that is a declared blind spot, it is among the changes.",
        a_part_payment_is_seen,
        where(lambda c: c.payments.partial, _sees(Blind.PARTIALS)),
        needs=("pay",),
        staged=True,
    ),
    Check(
        "a reversal is seen",
        _GROUP,
        "Unless that is a declared blind spot, a payment taken back is among the changes.",
        a_reversal_is_seen,
        _sees(Blind.REVERSALS),
        needs=("pay", "take_back"),
        staged=True,
    ),
    Check(
        "a credit is seen",
        _GROUP,
        "Unless that is a declared blind spot, an applied credit is among the changes.",
        a_credit_is_seen,
        _sees(Blind.CREDITS),
        needs=("credit_note", "apply_credit"),
        staged=True,
    ),
    Check(
        "a credit taken back is seen",
        _GROUP,
        "Unless that is a declared blind spot, it is among the changes.",
        a_credit_taken_back_is_seen,
        _sees(Blind.CREDITS),
        needs=("credit_note", "apply_credit", "unapply_credit"),
        staged=True,
    ),
)
