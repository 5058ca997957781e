"""Convenience fees: an invoice of their own, or money that stays with the customer."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from attrs import evolve

from tieout.capabilities import Verb
from tieout.change import Change
from tieout.errors import Code
from tieout.models import Customer, Invoice, Payment, Ref
from tieout.settings import Fees
from tieout.testing.year.connector import KINDS
from tieout.windows import Since
from tills import BOTH, CHANGING, LATER, OUTWARD, Tills, fees, kinds


def _charged(tills: Tills) -> Ref:
    """A payment of 105, of which 5 are a fee."""
    ref = tills.pay(105, [(tills.bill("A", 100), 100)], fee=5)
    tills.sync()
    return ref


def _fees(tills: Tills) -> list[Invoice]:
    """The invoices of fees that count in the ledger."""
    return [each for each in tills.live(Invoice) if each.number.startswith("FEE-")]


@pytest.mark.parametrize("per", [None, 1])
def test_a_fee_is_an_invoice_of_its_own_and_nothing_is_left_over(
    per: int | None,
) -> None:
    """B64, B65: its part of the payment is applied to it."""
    tills = Tills(fees=fees(), per=per)
    _charged(tills)
    (fee,) = _fees(tills)
    assert (str(fee.total), tills.book.owed(fee)) == ("5", Decimal(0))
    assert tills.left(tills.book) == {}
    assert tills.settled()


def test_the_fees_line_has_the_dimensions_that_are_set_for_it() -> None:
    """B66, B79: its own come before those that are set for all lines."""
    tills = Tills(
        fees=fees(
            dimensions={"location": "L1", "department": "D1"},
            item="FEE",
            description="Card fee",
        ),
        dimensions={"location": "L9", "class": "C9"},
    )
    _charged(tills)
    (fee,) = _fees(tills)
    (line,) = fee.lines
    assert line.dimensions == {"location": "L1", "department": "D1", "class": "C9"}
    assert (line.account, line.item, line.description) == ("4200", "FEE", "Card fee")


def test_a_fees_account_may_be_set_for_all_that_are_fees() -> None:
    """B162: `accounts` has one for them."""
    tills = Tills(fees=Fees(), accounts={"fee": "4300"})
    _charged(tills)
    assert _fees(tills)[0].lines[0].account == "4300"


@pytest.mark.parametrize("per", [None, 1])
def test_with_fees_off_the_whole_amount_is_written_and_the_fee_is_an_overpayment(
    per: int | None,
) -> None:
    """B67: no invoice is made of it."""
    tills = Tills(fees=Fees("overpayment"), per=per)
    _charged(tills)
    assert _fees(tills) == []
    assert tills.received(tills.book) == {"EUR": Decimal(105)}
    assert tills.left(tills.book) == {"EUR": Decimal(5)}
    writes = tills.book.writes
    tills.go_on()
    assert (tills.book.writes, tills.issues) == (writes, [])


@pytest.mark.parametrize("per", [None, 1])
def test_the_overpayment_has_the_dimensions_that_are_set_for_it(
    per: int | None,
) -> None:
    """B68: and no other payment has them."""
    tills = Tills(fees=Fees("overpayment", dimensions={"location": "L1"}), per=per)
    _charged(tills)
    tills.pay(30)
    tills.go_on()
    told = [dict(each.custom) for each in tills.live(Payment) if each.custom]
    assert told == [{"location": "L1"}]


def test_without_a_rule_a_fee_is_told_and_not_guessed() -> None:
    """B64: what becomes of it is for the user to say; then it goes through by itself."""
    tills = Tills()
    _charged(tills)
    (issue,) = tills.issues
    assert (issue.code, issue.numbers[0]) == (Code.NOT_ALLOWED, "A")
    assert "fees=Fees(...)" in issue.remedy
    assert tills.live(Payment) == []
    tills.rules["fees"] = fees()
    tills.go_on(Since.LAST_RUN)
    assert tills.issues == []
    assert tills.settled()


def _edited(tills: Tills, ref: Ref) -> None:
    held = tills.shop.of(Payment)
    held[ref.id] = evolve(
        held[ref.id], reference="corrected", changed_at=tills.clock.now()
    )


def _another_fee(tills: Tills, ref: Ref) -> None:
    (a,) = tills.live(Invoice, tills.shop)
    tills.pay(107, [(a, 100)], fee=7, ref=ref)


def _no_fee(tills: Tills, ref: Ref) -> None:
    (a,) = tills.live(Invoice, tills.shop)
    tills.pay(100, [(a, 100)], ref=ref)


CHANGES: dict[str, tuple[Callable[[Tills, Ref], None], list[str]]] = {
    "nothing of its money": (_edited, ["5"]),
    "another fee": (_another_fee, ["7"]),
    "no fee any more": (_no_fee, []),
}


@pytest.mark.parametrize("able", [KINDS, kinds(Payment=CHANGING)])
@pytest.mark.parametrize("per", [None, 1])
@pytest.mark.parametrize("change", CHANGES)
def test_a_payment_that_changes_has_one_fee_invoice_at_most(
    change: str, per: int | None, able: object
) -> None:
    """B65, B69: again and again."""
    changed, wanted = CHANGES[change]
    tills = Tills(
        fees=fees(),
        per=per,
        replace_payments=True,
        ledger=KINDS if able is KINDS else kinds(Payment=CHANGING),
    )
    ref = _charged(tills)
    for _ in range(3):
        tills.clock.advance(LATER)
        changed(tills, ref)
        tills.go_on(Since.LAST_RUN)
        assert tills.issues == []
        assert [str(each.total) for each in _fees(tills)] == wanted
        assert all(tills.book.owed(each) == 0 for each in _fees(tills))
    assert tills.settled()


def test_a_fee_that_changed_is_told_where_payments_are_not_made_anew() -> None:
    """B69: neither a second invoice nor another amount is written unasked."""
    tills = Tills(fees=fees())
    ref = _charged(tills)
    tills.clock.advance(LATER)
    _another_fee(tills, ref)
    tills.go_on()
    assert tills.codes() == [Code.POSTED_CANNOT_CHANGE]
    assert [str(each.total) for each in _fees(tills)] == ["5"]
    tills.clock.advance(LATER)
    (a,) = tills.live(Invoice, tills.shop)
    tills.pay(105, [(a, 100)], fee=5, ref=ref)
    tills.go_on(Since.LAST_RUN)
    assert tills.issues == [], "it is again as it was agreed"
    assert tills.settled()


@pytest.mark.parametrize("fate", ["lost", "never"])
@pytest.mark.parametrize("leg", ["Invoice", "Payment"])
def test_an_answer_that_is_lost_makes_no_second_fee_invoice(
    leg: str, fate: str
) -> None:
    """B69, B102: the one that may be there is looked for, and used."""
    tills = Tills(fees=fees())
    a = tills.bill("A", 100)
    tills.sync()
    left = [fate]

    def fated(change: Change) -> str:
        return left.pop() if left and change.kind.__name__ == leg else ""

    tills.ledger.fate = fated
    tills.pay(105, [(a, 100)], fee=5)
    tills.go_on(Since.LAST_RUN)
    assert tills.codes() != []
    for _ in range(2):
        tills.go_on(Since.LAST_RUN)
    assert tills.issues == []
    assert len(_fees(tills)) == 1
    assert tills.settled()


def test_a_void_takes_back_the_fee_too_and_once() -> None:
    """B99, B101: the money first, then its invoice."""
    tills = Tills(fees=fees())
    ref = _charged(tills)
    order: list[str] = []

    def seen(change: Change) -> str:
        order.append(f"{change.action.value} {change.kind.__name__}")
        return ""

    tills.ledger.fate = seen
    tills.clock.advance(LATER)
    tills.take_back(ref)
    tills.go_on(Since.LAST_RUN)
    assert order == ["- Payment", "- Invoice"]
    assert (_fees(tills), tills.issues) == ([], [])
    assert tills.settled()


def test_where_its_invoice_cannot_be_voided_the_payment_is_not_either() -> None:
    """B99: it is told before anything is taken back."""
    able = evolve(KINDS[Invoice], verbs=KINDS[Invoice].verbs - {Verb.VOID})
    tills = Tills(fees=fees(), ledger=kinds(Invoice=able))
    ref = _charged(tills)
    tills.clock.advance(LATER)
    tills.take_back(ref)
    tills.go_on()
    assert tills.codes() == [Code.NOT_ALLOWED]
    assert len(tills.live(Payment)) == len(_fees(tills)) == 1


def test_a_fees_invoice_is_not_brought_to_billing() -> None:
    """B52, B63: fees are only written; billing has the fee in its payment."""
    tills = Tills(
        fees=fees(),
        directions={**OUTWARD, Customer: BOTH, Invoice: BOTH, Payment: BOTH},
    )
    _charged(tills)
    tills.go_on()
    assert [each.number for each in tills.live(Invoice, tills.shop)] == ["A"]
    assert tills.settled()


def test_a_fees_number_that_is_too_long_is_told_before_anything_is_written() -> None:
    """B64: a number is never cut off."""
    able = evolve(KINDS[Invoice], number_length=8)
    tills = Tills(fees=fees(), ledger=kinds(Invoice=able))
    a = tills.bill("A", 100)
    tills.pay(105, [(a, 100)], fee=5, number="2026-0301")
    tills.sync()
    (issue,) = tills.issues
    assert (issue.code, issue.field) == (Code.TOO_LONG, "number")
    assert tills.live(Payment) == _fees(tills) == []


def test_a_fees_number_that_somebody_else_has_is_not_taken_over() -> None:
    """B64, B69: another document of that number is nobody's fee."""
    tills = Tills(fees=fees())
    a = tills.bill("A", 100)
    tills.sync()
    (owner,) = tills.live(Customer)
    tills.bill("FEE-7", 80, owner=owner, books=tills.book)
    tills.pay(105, [(a, 100)], fee=5, number="7")
    tills.go_on()
    assert Code.PARKED in tills.codes()
    assert tills.live(Payment) == []
    assert [str(each.total) for each in _fees(tills)] == ["80"]
