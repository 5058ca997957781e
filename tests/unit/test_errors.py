"""The catalogue of what can go wrong, and the exceptions that carry its codes."""

from __future__ import annotations

import pytest

from tieout.errors import (
    Code,
    ConfigError,
    Fate,
    Fault,
    Scope,
    Severity,
    StoreError,
    TieoutError,
)


@pytest.mark.parametrize("code", list(Code))
def test_every_code_says_what_it_means_and_what_to_do(code: Code) -> None:
    """B158: a meaning and a remedy in whole sentences, a light and a reach."""
    assert code.meaning.endswith(".")
    assert len(code.meaning) > 15
    assert code.remedy.endswith(".")
    assert code.severity in (Severity.RED, Severity.YELLOW)
    assert isinstance(code.scope, Scope)
    assert isinstance(code.retryable, bool)
    assert str(code) == code.name


def test_no_two_codes_share_a_meaning() -> None:
    """Two codes of the same tuple would silently be one: an alias of the first."""
    assert len(Code.__members__) == len(list(Code))
    assert len({code.meaning for code in Code}) == len(list(Code))


@pytest.mark.parametrize(
    "name",
    [
        "SIGN_IN_REFUSED",
        "RECONNECT_NEEDED",
        "PERMISSION_MISSING",
        "WRONG_COMPANY",
        "LOCKED_OUT",
    ],
)
def test_what_is_wrong_with_credentials_reaches_the_whole_connection(name: str) -> None:
    """H13, A5: one error for the connection, not one for each record."""
    assert Code[name].scope is Scope.CONNECTION
    assert Code[name].severity is Severity.RED


def test_not_found_is_a_warning() -> None:
    """B42: an invoice that billing does not know is normal, and is no failure."""
    assert Code.NOT_IN_BILLING.severity is Severity.YELLOW
    assert Code.OUTCOME_UNKNOWN.severity is Severity.YELLOW
    assert Code.REFUSED.severity is Severity.RED


def test_a_fault_falls_back_on_the_catalogue() -> None:
    """Text and remedy are the code's own where nothing particular is said."""
    fault = Fault(Code.LOCKED_PERIOD)
    assert fault.text == Code.LOCKED_PERIOD.meaning
    assert fault.remedy == Code.LOCKED_PERIOD.remedy
    assert fault.fate is Fate.REFUSED
    assert fault.wait is None
    assert fault.field == ""


def test_a_fault_keeps_what_it_was_given() -> None:
    """The vendor's own words, the field, the remedy, the fate and the pause."""
    fault = Fault(
        Code.TOO_MANY_REQUESTS,
        "slow down",
        field="x",
        remedy="wait",
        fate=Fate.NOT_SENT,
        wait=7.5,
    )
    assert str(fault) == "TOO_MANY_REQUESTS: slow down"
    assert (fault.field, fault.remedy, fault.fate, fault.wait) == (
        "x",
        "wait",
        Fate.NOT_SENT,
        7.5,
    )


def test_one_root_catches_everything() -> None:
    """A host catches `TieoutError`, and nothing else is needed."""
    assert issubclass(ConfigError, TieoutError)
    assert issubclass(StoreError, TieoutError)
    assert issubclass(Fault, TieoutError)
