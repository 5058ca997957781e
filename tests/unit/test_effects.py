"""What changes do to money, by effect and currency."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve
from mixed import (
    BOOK,
    Made,
    application,
    credit_note,
    customer,
    invoice,
    level,
    payment,
    posting,
)

from tieout.change import Action, Change
from tieout.effects import Effect, summed, together
from tieout.models import Part, Record, Ref, Settlement
from tieout.money import Money

REF = Ref(BOOK, "Invoice", "1")
CREATE, UPDATE, VOID = Action.CREATE, Action.UPDATE, Action.VOID


def change(
    action: Action, before: Record | None, after: Record | None, name: str = "n"
) -> Change:
    record = after or before
    assert record is not None
    return Change(name, action, type(record), BOOK, REF, before=before, after=after)


def told(*changes: Change) -> dict[Effect, list[str]]:
    effects, left_out = summed(changes)
    assert not left_out
    return {effect: [*map(str, held.values())] for effect, held in effects.items()}


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (
            invoice,
            ("NEW_INVOICES", "RAISED_INVOICES", "LOWERED_INVOICES", "VOIDED_INVOICES"),
        ),
        (
            credit_note,
            (
                "NEW_CREDIT_NOTES",
                "RAISED_CREDIT_NOTES",
                "LOWERED_CREDIT_NOTES",
                "VOIDED_CREDIT_NOTES",
            ),
        ),
        (
            payment,
            (
                "PAYMENTS_RECORDED",
                "PAYMENTS_RAISED",
                "PAYMENTS_LOWERED",
                "PAYMENTS_TAKEN_BACK",
            ),
        ),
        (level, ("PAID_RISEN", "PAID_RISEN", "PAID_FALLEN", "PAID_FALLEN")),
    ],
)
def test_making_raising_lowering_and_voiding(
    make: Made, names: tuple[str, ...]
) -> None:
    """B41: each action of each kind is an effect of its own, and no amount is negative."""
    small, large = make(REF, 1, 3000, "USD"), make(REF, 1, 10_000, "USD")
    cases = (
        (change(CREATE, None, large), "100.00 USD"),
        (change(UPDATE, small, large), "70.00 USD"),
        (change(UPDATE, large, small), "70.00 USD"),
        (change(VOID, large, None), "100.00 USD"),
    )
    for (one, money), name in zip(cases, names, strict=True):
        assert told(one) == {Effect[name]: [money]}
    assert told(change(UPDATE, large, large)) == {}
    assert told(change(Action.KEEP, None, large)) == {}


@pytest.mark.parametrize(
    ("n", "how", "word"),
    [
        (0, Part.CASH, "PAYMENTS"),
        (1, Part.CREDIT, "CREDITS"),
        (2, Part.DISCOUNT, "OTHERS"),
    ],
)
def test_what_is_applied_and_taken_off_again(n: int, how: Part, word: str) -> None:
    """By what it settles; of an application that changes, the difference."""
    some, more = application(REF, n, 100, "JPY"), application(REF, n, 250, "JPY")
    assert some.how is how
    on, off = Effect[f"{word}_APPLIED"], Effect[f"{word}_UNAPPLIED"]
    assert told(change(CREATE, None, some)) == {on: ["100 JPY"]}
    assert told(change(UPDATE, some, more)) == {on: ["150 JPY"]}
    assert told(change(UPDATE, more, some)) == {off: ["150 JPY"]}
    assert told(change(VOID, more, None)) == {off: ["250 JPY"]}


def test_a_credit_note_that_is_applied_is_a_credit_whatever_the_part_is_called() -> (
    None
):
    """By its source as well: some systems settle all by cash."""
    put = evolve(application(REF, 1, 100, "USD"), how=Part.CASH)
    assert told(change(CREATE, None, put)) == {Effect.CREDITS_APPLIED: ["1.00 USD"]}


def test_what_has_no_money_has_no_effect() -> None:
    """Customers and postings."""
    for make in (customer, posting):
        assert told(change(CREATE, None, make(REF, 1, 1, "USD"))) == {}
    assert told() == {}


def test_a_change_of_currency_is_a_fall_and_a_rise() -> None:
    """Two currencies are never set off against each other."""
    one, other = invoice(REF, 1, 500, "USD"), invoice(REF, 1, 500, "BHD")
    assert told(change(UPDATE, one, other)) == {
        Effect.RAISED_INVOICES: ["0.500 BHD"],
        Effect.LOWERED_INVOICES: ["5.00 USD"],
    }


@pytest.mark.parametrize(
    "record",
    [
        evolve(invoice(REF, 1, 1, "USD"), currency=""),
        evolve(invoice(REF, 1, 1, "USD"), currency="XXX"),
        evolve(invoice(REF, 1, 1, "USD"), total=Decimal("NaN")),
        evolve(invoice(REF, 1, 1, "USD"), total=Decimal("1e30")),
        evolve(level(REF, 1, 1, "USD"), total=Decimal("sNaN"), settled_by={}),
    ],
    ids=["no currency", "no such currency", "no number", "too large", "a trap"],
)
def test_one_poisonous_amount_spoils_no_sum(record: Record) -> None:
    """It is counted as left out, and the others are summed up."""
    good = invoice(REF, 1, 100, "USD")
    effects, left_out = summed(
        [change(CREATE, None, record), change(CREATE, None, good)]
    )
    assert left_out == 1
    assert effects == {Effect.NEW_INVOICES: {"USD": Money("1", "USD")}}


def test_a_sum_that_no_money_has_leaves_out_what_exceeds_it() -> None:
    """Eighteen digits are the most, for sums too."""
    most = evolve(invoice(REF, 1, 1, "USD"), total=Decimal("9" * 18))
    effects, left_out = summed([change(CREATE, None, most)] * 2)
    assert left_out == 1
    assert effects[Effect.NEW_INVOICES]["USD"].amount == most.total


@pytest.mark.parametrize("action", [CREATE, UPDATE, VOID])
def test_what_is_not_told_is_not_guessed(action: Action) -> None:
    """A void whose document nobody has read, an update of what is not known."""
    record = invoice(REF, 1, 100, "USD")
    before, after = (record, None) if action is CREATE else (None, record)
    assert summed([change(action, before, after)]) == ({}, 1)


def test_sums_of_pages_add_up_to_those_of_the_whole() -> None:
    """In one order of effects and currencies, whatever came first."""
    changes = [
        change(VOID, invoice(REF, 1, 5, "USD"), None),
        change(CREATE, None, invoice(REF, 1, 7, "USD")),
        change(CREATE, None, invoice(REF, 1, 9, "EUR")),
        change(CREATE, None, invoice(REF, 1, 9, "USD")),
    ]
    parts = [summed([each])[0] for each in changes]
    whole, _ = summed(changes)
    assert together(*parts) == whole == together(*reversed(parts))
    assert [*together(*parts)] == [Effect.NEW_INVOICES, Effect.VOIDED_INVOICES]
    assert [*whole[Effect.NEW_INVOICES]] == ["EUR", "USD"]
    assert together() == {}


def test_levels_come_to_what_totals_say() -> None:
    """Risen less fallen is the change of the shown paid amounts."""
    up = change(UPDATE, level(REF, 1, 10, "EUR"), level(REF, 1, 50, "EUR"))
    down = change(UPDATE, level(REF, 1, 50, "EUR"), level(REF, 1, 20, "EUR"))
    assert up.kind is Settlement
    assert told(up, down) == {
        Effect.PAID_RISEN: ["0.40 EUR"],
        Effect.PAID_FALLEN: ["0.30 EUR"],
    }
