"""Who is who: link, mark, reference, number; never a guess."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from doubles import level, rules

from tieout.change import Issue
from tieout.errors import Code
from tieout.models import Link, Ref, Settlement, Status
from tieout.planners.matching import Candidates, Found, Known, issue, match
from tieout.settings import NumberRule, Settings

PLAIN = Settings()


def bill(key: str, number: str = "INV-1", **more: Any) -> Settlement:
    return level(key, number=number, connection="billing:1", **more)


def matched(
    ledger: Settlement,
    *billing: Settlement,
    known: Known | None = None,
    settings: Settings = PLAIN,
) -> Found | Issue:
    candidates = Candidates(billing, settings.number_rule)
    return match(ledger, known or Known(), candidates, settings)


def found(result: Found | Issue) -> Found:
    assert isinstance(result, Found), result
    return result


def refused(result: Found | Issue) -> Issue:
    assert isinstance(result, Issue), result
    return result


LEDGER = level("l1", number="INV-1")
TIED = Link("p", Ref("billing:1", "Invoice", "b9"), LEDGER.ref)


def test_a_link_comes_first() -> None:
    """B44: whatever the numbers say by now."""
    known = Known(links={"l1": TIED})
    result = found(matched(LEDGER, bill("b1"), bill("b9", "OTHER"), known=known))
    assert (result.billing.ref.id, result.evidence, result.link) == ("b9", "link", TIED)


def test_a_tied_invoice_that_is_gone_is_not_made_up_for() -> None:
    """H14: never another one of the same number."""
    known = Known(links={"l1": TIED})
    assert refused(matched(LEDGER, bill("b1"), known=known)).code is Code.VANISHED


def test_a_mark_comes_second() -> None:
    """B45: what we wrote on the document says whose it is."""
    marked = evolve(LEDGER, reference="m-1")
    known = Known(marks={"m-1": Ref("billing:1", "Invoice", "b9")})
    result = found(matched(marked, bill("b1"), bill("b9", "OTHER"), known=known))
    assert (result.billing.ref.id, result.evidence) == ("b9", "mark")
    result = found(matched(marked, bill("b1"), known=known))
    assert (result.billing.ref.id, result.evidence) == ("b1", "number")


def test_a_reference_comes_before_the_number() -> None:
    """B44: the ledger may number its documents anew."""
    told = evolve(LEDGER, number="SI-7", reference="INV-1")
    result = found(matched(told, bill("b1")))
    assert (result.billing.ref.id, result.evidence) == ("b1", "reference")
    both = evolve(LEDGER, reference="INV-1")
    assert found(matched(both, bill("b1"))).evidence == "reference"


def test_a_reference_that_means_nothing_is_no_evidence() -> None:
    """A purchase order number, say: then the number counts."""
    told = evolve(LEDGER, reference="PO 4711")
    assert found(matched(told, bill("b1"))).evidence == "number"


def test_reference_and_number_that_disagree_are_an_issue() -> None:
    """B44: two invoices are meant; neither is guessed."""
    told = evolve(LEDGER, reference="INV-2")
    result = refused(matched(told, bill("b1"), bill("b2", "INV-2")))
    assert result.code is Code.REFERENCE_AND_NUMBER_DISAGREE
    assert "INV-2" in result.text
    assert result.field == "reference"


@pytest.mark.parametrize(
    ("number", "matches"),
    [
        ("INV-1", True),
        (" INV-1\u00a0", True),
        ("inv-1", False),
        ("INV-01", False),
        ("\u0406NV-1", False),
        ("\uff29NV-1", False),
        ("INV-1\u200b", False),
    ],
)
def test_numbers_compare_exactly(number: str, matches: bool) -> None:
    """B44, D15: after outer white space and NFC, nothing more."""
    result = matched(evolve(LEDGER, number=number), bill("b1"))
    assert isinstance(result, Found) is matches
    if not matches:
        assert refused(result).code is Code.NOT_IN_BILLING


def test_a_rule_may_make_spellings_equal() -> None:
    """B44: as data."""
    settings = Settings(number_rule=NumberRule(prefix="INV-", pad=6))
    told = evolve(LEDGER, number="000001")
    assert found(matched(told, bill("b1"), settings=settings)).billing.ref.id == "b1"


def test_a_rule_that_makes_two_numbers_equal_is_an_issue() -> None:
    """B44: both are named."""
    settings = Settings(number_rule=NumberRule(pad=6))
    two = (bill("b1", "1"), bill("b2", "001"))
    result = refused(matched(evolve(LEDGER, number="01"), *two, settings=settings))
    assert result.code is Code.AMBIGUOUS_NUMBER
    assert "b1, b2" in result.text


@pytest.mark.parametrize("status", [Status.VOID, Status.DRAFT])
def test_void_and_draft_candidates_are_dropped_first(status: Status) -> None:
    """B44: then there is one, or none."""
    dead = bill("b2", status=status)
    assert found(matched(LEDGER, dead, bill("b1"))).billing.ref.id == "b1"
    assert refused(matched(LEDGER, dead)).code is Code.NOT_IN_BILLING


@pytest.mark.parametrize("by", ["number", "reference"])
def test_several_live_candidates_are_an_issue(by: str) -> None:
    """B44: never the first hit."""
    told = (
        evolve(LEDGER, reference="INV-1", number="X") if by == "reference" else LEDGER
    )
    result = refused(matched(told, bill("b1"), bill("b2")))
    assert result.code is Code.AMBIGUOUS_NUMBER
    assert by in result.text
    assert "b1, b2" in result.text


def test_several_live_ledger_documents_are_an_issue() -> None:
    """B44: numbers that the ledger does not keep unique."""
    known = Known(rivals={"l1": ("l7", "l8")})
    result = refused(matched(LEDGER, bill("b1"), known=known))
    assert result.code is Code.AMBIGUOUS_NUMBER
    assert "l7, l8" in result.text


def test_an_unknown_invoice_is_named() -> None:
    """B38, B39: the number is told, and it blocks nothing but itself."""
    result = refused(matched(LEDGER))
    assert (result.code, result.numbers) == (Code.NOT_IN_BILLING, ("INV-1",))
    assert result.source == LEDGER.ref
    assert result.field == "number"


@pytest.mark.parametrize("number", ["", "  "])
def test_no_number_matches_nothing(number: str) -> None:
    """Two records without a number are not therefore one."""
    nameless = evolve(LEDGER, number=number)
    assert refused(matched(nameless, bill("b1", ""))).code is Code.NOT_IN_BILLING
    assert refused(matched(nameless, bill("b1", " "))).code is Code.NOT_IN_BILLING
    result = found(matched(LEDGER, bill("b0", number), bill("b1")))
    assert result.billing.ref.id == "b1"


def test_an_invoice_that_is_tied_elsewhere_is_not_taken() -> None:
    """B44: two ledger documents claim one billing invoice."""
    known = Known(claimed={"b1": evolve(TIED, ledger=Ref("ledger:1", "Invoice", "l7"))})
    result = refused(matched(LEDGER, bill("b1"), known=known))
    assert result.code is Code.ALREADY_LINKED
    assert "l7" in result.text


@pytest.mark.parametrize(
    ("billing", "told"),
    [
        (bill("b1", currency="USD"), "EUR, billing's in USD"),
        (bill("b1", total="101"), "100.00 EUR, billing's 101.00 EUR"),
        (bill("b1", total="-100"), "-100.00 EUR"),
    ],
)
def test_a_number_alone_is_no_proof(billing: Settlement, told: str) -> None:
    """D14: currency and total must agree, or it is another document."""
    result = refused(matched(LEDGER, billing))
    assert result.code is Code.NUMBER_MEANS_ANOTHER_DOCUMENT
    assert told in result.text


def test_a_tolerance_is_for_totals_too() -> None:
    """D12: configured by currency, and not one cent more."""
    settings = rules(tolerance={"EUR": "0.05"})
    found(matched(LEDGER, bill("b1", total="100.05"), settings=settings))
    refused(matched(LEDGER, bill("b1", total="100.06"), settings=settings))
    dollars = rules(tolerance={"USD": "5"})
    refused(matched(LEDGER, bill("b1", total="100.05"), settings=dollars))


def test_the_customer_must_agree_where_it_is_known() -> None:
    """B44: linked customers tell; unlinked ones say nothing."""
    here, there = Ref("billing:1", "Customer", "c1"), Ref("ledger:1", "Customer", "k1")
    told, billed = evolve(LEDGER, customer=there), bill("b1", customer=here)
    assert found(matched(told, billed)).evidence == "number"
    tied = Known(customers={"k1": "c1"})
    assert found(matched(told, billed, known=tied)).evidence == "number"
    result = refused(matched(told, billed, known=Known(customers={"k1": "c9"})))
    assert result.code is Code.NUMBER_MEANS_ANOTHER_DOCUMENT
    assert "different customers" in result.text
    both = refused(
        matched(
            told, evolve(billed, currency="USD"), known=Known(customers={"k1": "c9"})
        )
    )
    assert "USD and they belong" in both.text


def test_an_issue_names_the_field_its_code_speaks_of() -> None:
    """B39: where to look."""
    assert issue(Code.TOTAL_DIFFERS, LEDGER).field == "total"
    assert issue(Code.STALE_PLAN, LEDGER).field == ""
    assert not issue(Code.OVERPAID, LEDGER, "x", blocking=False).blocking
