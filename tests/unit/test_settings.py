"""The user's rules: directions, tolerances, spellings of numbers, and their digest."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from doubles import rules
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import ConfigError
from tieout.models import Customer, Invoice, Payment, Settlement
from tieout.settings import EXACT, Direction, NumberRule, Settings


def test_levels_go_to_billing_unless_somebody_says_otherwise() -> None:
    """B1: the payment sync carries levels from the ledger to billing."""
    settings = Settings()
    assert settings.direction(Settlement) is Direction.TO_BILLING
    assert settings.direction(Payment) is Direction.OFF
    assert settings.direction(Invoice) is Direction.OFF


def test_levels_and_documents_exclude_each_other() -> None:
    """One pair carries payments as levels or as documents, never both."""
    for direction in (Direction.TO_BILLING, Direction.TO_LEDGER, Direction.BOTH):
        with pytest.raises(ConfigError, match="two representations"):
            Settings(directions={Payment: direction})
    Settings(directions={Payment: Direction.OFF})
    documents = {Payment: Direction.TO_BILLING, Settlement: Direction.OFF}
    assert Settings(directions=documents).direction(Payment) is Direction.TO_BILLING


@pytest.mark.parametrize("direction", [Direction.TO_LEDGER, Direction.BOTH])
def test_levels_never_go_to_the_ledger(direction: Direction) -> None:
    """B1: a payment sync writes nothing to the ledger."""
    with pytest.raises(ConfigError, match="only"):
        Settings(directions={Settlement: direction})


@pytest.mark.parametrize(
    "wrong",
    [
        {"paid_amount": "gross"},
        {"write_off": "ignore"},
        {"directions": {str: Direction.OFF}},
        {"tolerance": {"EUR": Decimal("-0.01")}},
        {"tolerance": {"EUR": 0.01}},
        {"tolerance": {"EUR": "0.001"}},
        {"tolerance": {"eur": "0.01"}},
        {"tolerance": {"EUR": "NaN"}},
    ],
)
def test_what_makes_no_sense_is_refused_at_once(wrong: Mapping[str, Any]) -> None:
    """B162: a wrong rule is found when it is set, once, not record by record."""
    with pytest.raises(ConfigError) as caught:
        Settings(**wrong)
    assert next(iter(wrong)) in str(caught.value)


def test_tolerances_are_amounts_of_their_currency() -> None:
    """B36: given as text or whole numbers, kept as decimals."""
    settings = rules(tolerance={"EUR": "0.05", "JPY": 2})
    assert settings.tolerance == {"EUR": Decimal("0.05"), "JPY": Decimal(2)}


SAME = [
    (Settings(), Settings()),
    (
        rules(tolerance={"EUR": "0.05"}),
        rules(tolerance={"EUR": Decimal("0.050")}),
    ),
    (
        rules(tolerance={"EUR": "1", "USD": "2"}),
        rules(tolerance={"USD": "2.00", "EUR": 1}),
    ),
    (
        Settings(directions={Invoice: Direction.OFF, Customer: Direction.OFF}),
        Settings(directions={Customer: Direction.OFF, Invoice: Direction.OFF}),
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_rules_have_the_same_digest(one: Settings, other: Settings) -> None:
    """C4: neither spelling nor order of what was given matters."""
    assert one.digest() == other.digest()


DIFFERENT = [
    Settings(),
    Settings(paid_amount="cash"),
    Settings(write_off="settle"),
    Settings(take_over=True),
    rules(tolerance={"EUR": "0.05"}),
    rules(tolerance={"USD": "0.05"}),
    rules(tolerance={"EUR": "0.06"}),
    Settings(number_rule=NumberRule(prefix="INV-")),
    Settings(number_rule=NumberRule(strip="INV-")),
    Settings(number_rule=NumberRule(pad=6)),
    Settings(number_rule=NumberRule(same_case=False)),
    Settings(directions={Settlement: Direction.OFF}),
    Settings(directions={Settlement: Direction.OFF, Payment: Direction.BOTH}),
]


def test_different_rules_have_different_digests() -> None:
    """A plan made under other settings is refused: every rule bears on the digest."""
    digests = [each.digest() for each in DIFFERENT]
    assert len(set(digests)) == len(digests)
    assert all(len(digest) == 16 for digest in digests)


# Numbers --------------------------------------------------------------------------------


@given(st.text(max_size=8))
def test_by_default_numbers_are_compared_exactly(number: str) -> None:
    """B44: no case is folded, no zero is dropped."""
    assert EXACT.key(number) == number
    assert EXACT.spellings(number) == (number,)


@pytest.mark.parametrize(
    ("rule", "one", "other"),
    [
        (NumberRule(prefix="INV-"), "INV-7", "7"),
        (NumberRule(pad=6), "000007", "7"),
        (NumberRule(pad=6, prefix="INV-"), "INV-000007", "7"),
        (NumberRule(strip=" -/"), "2026/7-1", "2026 7 1"),
        (NumberRule(same_case=False), "inv-7", "INV-7"),
        (NumberRule(same_case=False, prefix="inv-"), "INV-7", "7"),
        (NumberRule(same_case=False), "STRASSE", "straße"),
        (NumberRule(pad=3), "000", "0"),
    ],
)
def test_spellings_that_a_rule_makes_equal(
    rule: NumberRule, one: str, other: str
) -> None:
    """B44: strip, prefix, pad and case, as data."""
    assert rule.key(one) == rule.key(other)
    assert EXACT.key(one) != EXACT.key(other)


@pytest.mark.parametrize(
    ("rule", "one", "other"),
    [
        (NumberRule(prefix="INV-"), "INV-7", "CRN-7"),
        (NumberRule(prefix="INV-"), "inv-7", "7"),
        (NumberRule(pad=6), "700", "7"),
        (NumberRule(strip="-"), "1-2", "1 2"),
        (NumberRule(prefix="INV-"), "INV-INV-7", "7"),
    ],
)
def test_spellings_that_stay_apart(rule: NumberRule, one: str, other: str) -> None:
    """B44: nothing more than the rule says."""
    assert rule.key(one) != rule.key(other)


def test_the_number_itself_is_asked_for_first() -> None:
    """B44: then the other ways in which it may be written."""
    rule = NumberRule(prefix="INV-", pad=4)
    assert set(rule.spellings("7")) == {
        f"{prefix}{zeros}7"
        for prefix in ("", "INV-")
        for zeros in ("", "0", "00", "000")
    }
    assert rule.spellings("7")[0] == "7"
    assert rule.spellings("INV-0007")[0] == "INV-0007"
    assert NumberRule(same_case=False).spellings("inv-7") == ("inv-7", "INV-7")


NUMBERS = st.from_regex(r"\A(INV-)?0{0,2}[1-9][0-9]{0,2}\Z")


@given(
    NUMBERS,
    NUMBERS,
    st.sampled_from([NumberRule(prefix="INV-"), NumberRule(prefix="INV-", pad=5)]),
)
def test_every_spelling_means_the_same_number(
    one: str, other: str, rule: NumberRule
) -> None:
    """B44: what is asked for comes back under the same key, and nothing else does."""
    assert {rule.key(each) for each in rule.spellings(one)} == {rule.key(one)}
    if rule.key(one) != rule.key(other):
        assert not set(rule.spellings(one)) & set(rule.spellings(other))


def test_an_empty_number_is_no_zero() -> None:
    """B44: padding does not turn nothing into a number."""
    rule = NumberRule(pad=4, prefix="INV-")
    assert rule.key("") == ""
    assert rule.key("INV-") == ""
