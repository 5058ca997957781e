"""Which billing invoice a ledger invoice is, and what happens where that is not clear."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import field, frozen

import tieout
from tieout import NumberRule, Since
from tieout.errors import Code
from tieout.models import Link, Ref, Status
from tieout.store import Event
from worlds import DAY, TODAY, World

PAID = (Decimal(50), TODAY)
NOTHING = (Decimal(0), None)


@frozen
class Case:
    """A ledger invoice over 50, paid; the bills there are; which one shows it, or why none."""

    says: str
    paper: Mapping[str, Any]
    bills: tuple[Mapping[str, Any], ...]
    shown: int | None = None
    code: Code | None = None
    rule: NumberRule = field(factory=NumberRule)
    others: tuple[Mapping[str, Any], ...] = ()
    ledger: Mapping[str, Any] = field(factory=dict)


def number(text: str, **fields: Any) -> dict[str, Any]:
    """An invoice of this number."""
    return {"number": text, **fields}


MANY = {"number_unique": False}
ANOTHER = Code.NUMBER_MEANS_ANOTHER_DOCUMENT
CASES = (
    Case("B44 the same number", number("7"), (number("7"), number("8")), 0),
    Case("B44 outer white space", number(" 7\t"), (number("7"),), 0),
    Case("B44 white space in billing", number("7"), (number(" 7 "),), 0),
    Case("B44 composed and decomposed letters", number("Re\u0301-7"), (number("R\u00e9-7"),), 0),
    Case("B44 case counts", number("a7"), (number("A7"),), None, Code.NOT_IN_BILLING),
    Case("B44 zeros count", number("7"), (number("007"),), None, Code.NOT_IN_BILLING),
    Case("B44 inner spaces count", number("A 7"), (number("A7"),), None, Code.NOT_IN_BILLING),
    Case("B44 a rule for case", number("a7"), (number("A7"),), 0, rule=NumberRule(same_case=False)),
    Case("B44 a rule for zeros", number("7"), (number("007"),), 0, rule=NumberRule(pad=3)),
    Case("B44 a rule for a prefix", number("7"), (number("INV-7"),), 0, rule=NumberRule(prefix="INV-")),
    Case("B44 a prefix in the ledger", number("INV-7"), (number("7"),), 0, rule=NumberRule(prefix="INV-")),
    Case("B44 a rule for characters", number("A-7"), (number("A7"),), 0, rule=NumberRule(strip="- ")),
    Case(
        "B44 a rule that makes two numbers equal",
        number("7"),
        (number("7"), number("007")),
        None,
        Code.AMBIGUOUS_NUMBER,
        rule=NumberRule(pad=3),
    ),
    Case("B44 two in billing", number("7"), (number("7"), number("7")), None, Code.AMBIGUOUS_NUMBER),
    Case("B44 two in billing, one void", number("7"), (number("7", status=Status.VOID), number("7")), 1),
    Case("B44 two in billing, one draft", number("7"), (number("7"), number("7", status=Status.DRAFT)), 0),
    Case(
        "B44 two in the ledger",
        number("7"),
        (number("7"),),
        None,
        Code.AMBIGUOUS_NUMBER,
        others=(number("7"),),
        ledger=MANY,
    ),
    Case(
        "B44 two in the ledger, the other void",
        number("7"),
        (number("7"),),
        0,
        others=(number("7", status=Status.VOID),),
        ledger=MANY,
    ),
    Case("B44 the reference names it", number("L-1", reference="7"), (number("7"),), 0),
    Case("B44 reference and number agree", number("7", reference="7"), (number("7"),), 0),
    Case("B44 a reference that means nothing", number("7", reference="PO 99"), (number("7"),), 0),
    Case(
        "B44 reference and number disagree",
        number("7", reference="8"),
        (number("7"), number("8")),
        None,
        Code.REFERENCE_AND_NUMBER_DISAGREE,
    ),
    Case("B44 another total", number("7"), (number("7", total=Decimal(60)),), None, ANOTHER),
    Case("B44 another currency", number("7"), (number("7", currency="EUR"),), None, ANOTHER),
    Case("B44 an empty number", number(""), (number(""),), None, Code.NOT_IN_BILLING),
    Case("B38 unknown to billing", number("7"), (number("8"),), None, Code.NOT_IN_BILLING),
)  # fmt: skip


def entered(case: Case) -> World:
    """The world of a case."""
    world = World(ledger=case.ledger, settings=tieout.Settings(number_rule=case.rule))
    for fields in (case.paper, *case.others):
        paper = world.ledger.add(**{"total": 50, **fields})
        if world.ledger.papers[paper].status is Status.OPEN:
            world.ledger.apply(paper, 50)
    for fields in case.bills:
        world.billing.add(**{"total": 50, **fields})
    return world


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_who_is_who(case: Case) -> None:
    """B38, B44: link, reference, number, in this order; never a guess."""
    world = entered(case)
    report = world.sync()
    held = world.held()
    assert (held["L1"].code if "L1" in held else None) is case.code
    for place, bill in enumerate(world.billing.bills):
        wanted = PAID if place == case.shown else NOTHING
        assert world.billing.shows(bill) == wanted
    assert report.complete
    assert report.marker_moved
    assert report.ok is (case.code in (None, Code.NOT_IN_BILLING))


def test_a_tie_outlives_a_new_number() -> None:
    """B44, B45: the link is the first evidence: renumbered on both sides, still the same."""
    world = World()
    paper, bill = world.both("7", 50)
    world.sync()
    world.clock.advance(DAY)
    world.ledger.edit(paper, number="L-700")
    world.billing.edit(bill, number="B-700")
    other = world.billing.add("L-700", 50)
    world.ledger.apply(paper, 50)
    world.sync(Since.LAST_RUN)
    assert world.billing.shows(bill) == PAID
    assert world.billing.shows(other) == NOTHING


def test_one_billing_invoice_is_tied_to_one_ledger_document() -> None:
    """B44: a second document of the number is an issue, also in a later run."""
    world = World()
    paper, bill = world.both("7", 50)
    world.ledger.apply(paper, 30)
    world.sync()
    world.clock.advance(DAY)
    second = world.ledger.add("7", 50)
    world.ledger.apply(second, 50)
    report = world.sync(Since.LAST_RUN)
    assert [issue.code for issue in report.issues] == [Code.ALREADY_LINKED]
    assert world.billing.shows(bill)[0] == Decimal(30)


def test_customers_that_are_tied_have_to_agree() -> None:
    """B44: the customer counts where it is linked, and only there."""
    world = World()
    for name, customer in (("1", "K1"), ("2", "K2")):
        paper = world.ledger.add(name, 50, customer="C1")
        world.ledger.apply(paper, 50)
        world.billing.add(name, 50, customer=customer)
    tied = Link(
        world.engine().pair,
        Ref(world.billing.connection, "Customer", "K1"),
        Ref(world.ledger.connection, "Customer", "C1"),
    )
    world.store.commit(tied)
    world.sync()
    assert world.billing.shows("B1") == PAID
    assert world.billing.shows("B2") == NOTHING
    assert world.held()["L2"].code is ANOTHER


def test_customers_that_are_not_tied_do_not_count() -> None:
    """B44: two systems name their customers as they like."""
    world = World()
    world.ledger.apply(world.ledger.add("1", 50, customer="C1"), 50)
    world.billing.add("1", 50, customer="K9")
    assert world.sync().ok
    assert world.billing.shows("B1") == PAID


def test_a_tied_invoice_that_vanished_from_billing_is_told_and_never_made_anew() -> (
    None
):
    """B151: the link leads nowhere: an issue; another invoice of the number is not taken."""
    world = World()
    paper, bill = world.both("7", 50)
    world.sync()
    world.clock.advance(DAY)
    del world.billing.bills[bill]
    again = world.billing.add("7", 50)
    world.billing.bills["B9"] = world.billing.bills.pop(again)
    world.billing.bills["B9"].id = "B9"
    world.ledger.apply(paper, 50)
    report = world.sync(Since.LAST_RUN)
    assert [issue.code for issue in report.issues] == [Code.VANISHED]
    assert world.billing.shows("B9") == NOTHING


def test_a_bill_that_cannot_be_read_is_the_reason_and_not_missing() -> None:
    """B41: where billing has the invoice but cannot tell it, that is said."""
    world = World()
    paper, bill = world.both("7", 50)
    world.ledger.apply(paper, 50)
    world.billing.edit(bill, bad=True)
    report = world.sync()
    assert [issue.code for issue in report.issues] == [Code.BAD_AMOUNT]
    assert report.counts["failed"] == 1
    assert report.counts["not found"] == 0


def test_a_mistake_that_was_corrected_goes_through_in_an_explicit_window() -> None:
    """B42, B105: looked up again there, and the issue is closed."""
    world = World()
    world.ledger.apply(world.ledger.add("7", 50), 50)
    assert world.sync().counts["not found"] == 1
    bill = world.billing.add("7", 50)
    world.clock.advance(DAY)
    assert world.sync(Since.LAST_RUN).counts["updated"] == 0
    assert world.sync().counts["updated"] == 1
    assert world.billing.shows(bill) == PAID
    assert world.held() == {}


def test_unknown_invoices_are_counted_and_stored_once() -> None:
    """Decision on B42: a list, not a flood: one row and one event for each."""
    world = World(ledger={"page_size": 2})
    for place in range(7):
        world.ledger.add(f"hand {place}", 50)
    reports = [world.sync(), world.sync(), world.sync(Since.LAST_RUN)]
    assert [report.counts["not found"] for report in reports] == [7, 7, 7]
    told = [len(world.store.find(Event, "run", each.run)) for each in reports]
    assert told == [7, 0, 0]
    assert len(world.held()) == 7


def test_unknown_invoices_cost_billing_no_call_under_last_run() -> None:
    """Decision on B42: remembered as unmatched, and not looked up again."""
    world = World()
    world.ledger.add("hand", 50)
    world.sync()
    made = len(world.calls.of("shop:billing fetch"))
    world.sync(Since.LAST_RUN)
    assert len(world.calls.of("shop:billing fetch")) == made


def test_a_settings_change_looks_again_at_what_was_held() -> None:
    """B105: other rules, another answer: held records are read again by id."""
    world = World()
    world.ledger.apply(world.ledger.add("7", 50), 50)
    bill = world.billing.add("007", 50)
    world.sync()
    world.clock.advance(DAY)
    world.settings = tieout.Settings(number_rule=NumberRule(pad=3))
    world.sync(Since.LAST_RUN)
    assert world.billing.shows(bill) == PAID


def test_a_voided_invoice_gives_way_to_the_one_that_replaces_it() -> None:
    """B44: voided and entered again under its number: the new one is carried, and stays."""
    world = World()
    paper, bill = world.both("I1", 50)
    world.ledger.apply(paper, 50)
    world.sync()
    world.clock.advance(timedelta(hours=1))
    world.ledger.void(paper)
    world.sync(Since.LAST_RUN)
    assert world.billing.shows(bill) == (Decimal(0), None)
    world.clock.advance(timedelta(hours=1))
    again = world.ledger.add("I1", 50)
    world.ledger.apply(again, 20)
    world.sync(Since.LAST_RUN)
    assert world.held() == {}
    assert world.billing.shows(bill)[0] == Decimal(20)
    for _ in range(2):
        assert world.sync().counts["updated"] == 0
    assert world.billing.shows(bill)[0] == Decimal(20)


@pytest.mark.parametrize("unique", [True, False])
def test_a_voided_invoice_that_lives_again_takes_nothing_from_its_successor(
    unique: bool,
) -> None:
    """B44: whose tie was let go and given to another is a stranger like any other."""
    world = World(ledger={"number_unique": unique})
    paper, bill = world.both("I1", 50)
    other, second = world.both("I2", 50)
    world.sync()
    world.ledger.void(paper)
    world.sync()
    again = world.ledger.add("I1", 50)
    world.ledger.apply(again, 20)
    world.sync()
    shown = world.billing.shows(bill)
    assert shown[0] == Decimal(20)
    world.ledger.edit(paper, status=Status.OPEN)
    world.ledger.apply(other, 50)
    report = world.sync()
    assert (report.complete, report.counts["updated"]) == (True, 1)
    assert world.billing.shows(second) == PAID
    assert world.billing.shows(bill) == shown
    wanted = Code.ALREADY_LINKED if unique else Code.AMBIGUOUS_NUMBER
    assert {k: v.code for k, v in world.held().items()} == {paper: wanted}


def test_a_voided_invoice_that_lives_again_is_carried_again() -> None:
    """B44: nobody else has taken its place."""
    world = World()
    paper, bill = world.both("I1", 50)
    world.ledger.apply(paper, 50)
    world.sync()
    world.ledger.void(paper)
    world.sync()
    assert world.billing.shows(bill) == NOTHING
    world.ledger.edit(paper, status=Status.DRAFT)
    assert (world.sync().counts["skipped"], world.held()) == (1, {})
    world.ledger.edit(paper, status=Status.OPEN)
    world.sync()
    assert (world.billing.shows(bill), world.held()) == (PAID, {})
