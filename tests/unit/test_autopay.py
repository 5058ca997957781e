"""Automatic payment by rules: terms and payers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tieout.autopay import (
    AutoPay,
    AutoPayRules,
    AutoPayState,
    AutoPayStatus,
    MethodKind,
    Payer,
)
from tieout.errors import Severity
from tieout.models import Invoice, Ref, Status

CARD = Payer(MethodKind.CARD, {"NET30", "NET14"})
BANK = Payer(MethodKind.BANK_ACCOUNT, ["NET30"])


def invoice(
    terms: object = "NET30", customer: str | None = "c1", own: str = "i1", **more: str
) -> Invoice:
    """An invoice with these terms."""
    owner = Ref("shop:1", "Customer", customer) if customer else None
    custom = {} if terms is None else {"terms": terms, **more}
    return Invoice(
        Ref("shop:1", "Invoice", own),
        "INV-1",
        owner,
        "EUR",
        date(2026, 3, 1),
        Decimal(100),
        Status.OPEN,
        custom=custom,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("terms", "customer", "status"),
    [
        ("NET30", "c1", AutoPayStatus(AutoPayState.QUEUED, MethodKind.CARD)),
        (" NET14 ", "c1", AutoPayStatus(AutoPayState.QUEUED, MethodKind.CARD)),
        ("NET30", "c2", AutoPayStatus(AutoPayState.QUEUED, MethodKind.BANK_ACCOUNT)),
        ("NET14", "c2", AutoPayStatus(AutoPayState.NO_TERMS)),
        ("net30", "c1", AutoPayStatus(AutoPayState.NO_TERMS)),
        ("", "c1", AutoPayStatus(AutoPayState.NO_TERMS)),
        ("  ", "c9", AutoPayStatus(AutoPayState.NO_TERMS)),
        (None, "c1", AutoPayStatus(AutoPayState.NO_TERMS)),
        ("NET30", "c9", AutoPayStatus(AutoPayState.NO_PAYER)),
        ("NET30", None, AutoPayStatus(AutoPayState.NO_PAYER)),
    ],
)
def test_terms_and_payer_decide(
    terms: str | None, customer: str | None, status: AutoPayStatus
) -> None:
    """B123, B125, B132: both have to match; the method is told of what is queued."""
    rules = AutoPayRules({"c1": CARD, "c2": BANK})
    assert rules.posted(invoice(terms, customer)) == status
    queued = status.state is AutoPayState.QUEUED
    assert bool(rules.outstanding) is queued
    assert bool(status.method) is queued


@pytest.mark.parametrize("terms", ["NET30", "", None])
def test_without_payers_it_is_not_configured(terms: str | None) -> None:
    """B125: whatever the invoice says."""
    assert AutoPayRules().posted(invoice(terms)).state is AutoPayState.DISABLED


def test_the_terms_may_stand_in_another_field() -> None:
    """B125: by the name that the host gives."""
    rules = AutoPayRules({"c1": CARD}, terms_field="payment_terms")
    assert rules.posted(invoice("NET30")).state is AutoPayState.NO_TERMS
    given = invoice("x", payment_terms="NET30")
    assert rules.posted(given).state is AutoPayState.QUEUED


@pytest.mark.parametrize(
    ("state", "light"),
    [
        (AutoPayState.QUEUED, Severity.GREEN),
        (AutoPayState.DISABLED, Severity.YELLOW),
        (AutoPayState.NO_TERMS, Severity.RED),
        (AutoPayState.NO_PAYER, Severity.RED),
    ],
)
def test_each_state_has_its_light(state: AutoPayState, light: Severity) -> None:
    """B125: queued is green, not configured yellow, the others red."""
    assert state.light is light


def test_each_state_and_method_is_told_in_words() -> None:
    """B125, B132: the words that batches and rows show."""
    states = [state.value for state in AutoPayState]
    assert states == ["queued", "disabled", "no terms", "no payer"]
    assert [kind.value for kind in MethodKind] == ["card", "bank account"]


def test_what_is_paid_is_outstanding_no_more() -> None:
    """B124: told once or twice, of what was queued or was not."""
    rules: AutoPay = AutoPayRules({"c1": CARD})
    assert isinstance(rules, AutoPayRules)
    one, two = invoice(own="i1"), invoice(own="i2")
    for _ in range(2):  # asked once more after a crash
        rules.posted(one)
        rules.posted(two)
    assert rules.outstanding == {one.ref: one, two.ref: two}
    for _ in range(2):
        rules.paid(one.ref)
    rules.paid(Ref("shop:1", "Invoice", "never queued"))
    assert rules.outstanding == {two.ref: two}
