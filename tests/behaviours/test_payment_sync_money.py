"""How much billing shows as paid, and since when: numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import field, frozen

import tieout
from tieout.errors import Code, Severity
from tieout.models import Part, Status
from worlds import DAY, TODAY, World

LAST_WEEK, YESTERDAY = TODAY - 7 * DAY, TODAY - DAY
CASH, CREDIT, DISCOUNT = Part.CASH, Part.CREDIT, Part.DISCOUNT
WITHHELD, WRITTEN_OFF, OTHER = Part.WITHHOLDING, Part.WRITE_OFF, Part.OTHER
Piece = tuple[str, date, Part]


@frozen
class Case:
    """An invoice of ``total`` and what was applied to it; then what billing must show."""

    says: str
    pieces: tuple[Piece, ...]
    paid: str
    since: date | None
    codes: tuple[Code, ...] = ()
    total: str = "100"
    currency: str = "USD"
    settings: Mapping[str, Any] = field(factory=dict)
    ledger: Mapping[str, Any] = field(factory=dict)
    billing: Mapping[str, Any] = field(factory=dict)
    bill: Mapping[str, Any] = field(factory=dict)


CASH_ONLY = {"paid_amount": "cash"}
SETTLING = {"write_off": "settle"}
CREDITS = {"credits_told": True}

CASES = (
    Case("B17 nothing paid", (), "0", None),
    Case(
        "B19 30 and 20 of 100",
        (("30", YESTERDAY, CASH), ("20", TODAY, CASH)),
        "50",
        None,
    ),
    Case("B35 all but a cent", (("99.99", TODAY, CASH),), "99.99", None),
    Case(
        "B37 all of it, dated by the last",
        (("60", TODAY, CASH), ("40", LAST_WEEK, CASH)),
        "100",
        TODAY,
    ),
    Case("B36 overpaid", (("130", TODAY, CASH),), "100", TODAY, (Code.OVERPAID,)),
    Case(
        "B37 paid up before the excess came",
        (("100", LAST_WEEK, CASH), ("30", TODAY, CASH)),
        "100",
        LAST_WEEK,
        (Code.OVERPAID,),
    ),
    Case(
        "B17 discount counts",
        (("98", TODAY, CASH), ("2", TODAY, DISCOUNT)),
        "100",
        TODAY,
    ),
    Case(
        "B17 withholding counts",
        (("90", TODAY, CASH), ("10", YESTERDAY, WITHHELD)),
        "100",
        TODAY,
    ),
    Case(
        "B36 a credit only the ledger has",
        (("60", YESTERDAY, CASH), ("40", TODAY, CREDIT)),
        "100",
        TODAY,
    ),
    Case(
        "B17 a credit that billing shows itself",
        (("60", YESTERDAY, CASH), ("40", TODAY, CREDIT)),
        "60",
        TODAY,
        billing=CREDITS,
        bill={"credited": Decimal(40)},
    ),
    Case(
        "B17 a smaller credit shown in billing",
        (("60", YESTERDAY, CASH), ("40", TODAY, CREDIT)),
        "85",
        TODAY,
        billing=CREDITS,
        bill={"credited": Decimal(15)},
    ),
    Case(
        "B17 a credit in billing that the ledger does not tell apart",
        (("100", TODAY, CASH),),
        "60",
        TODAY,
        ledger={"tells": ()},
        billing=CREDITS,
        bill={"credited": Decimal(40)},
    ),
    Case(
        "B17 cash alone",
        (("60", YESTERDAY, CASH), ("40", TODAY, CREDIT)),
        "60",
        TODAY,
        settings=CASH_ONLY,
    ),
    Case(
        "B17 cash alone, discount left out",
        (("98", TODAY, CASH), ("2", TODAY, DISCOUNT)),
        "98",
        TODAY,
        settings=CASH_ONLY,
    ),
    Case(
        "B17 cash alone, overpaid",
        (("130", TODAY, CASH),),
        "100",
        TODAY,
        (Code.OVERPAID,),
        settings=CASH_ONLY,
    ),
    Case(
        "B36 a write-off is still owed",
        (("60", YESTERDAY, CASH), ("40", TODAY, WRITTEN_OFF)),
        "60",
        None,
        (Code.WRITTEN_OFF,),
    ),
    Case(
        "B36 a write-off settles if set",
        (("60", YESTERDAY, CASH), ("40", TODAY, WRITTEN_OFF)),
        "100",
        TODAY,
        settings=SETTLING,
    ),
    Case(
        "B36 all written off",
        (("100", TODAY, WRITTEN_OFF),),
        "0",
        None,
        (Code.WRITTEN_OFF,),
    ),
    Case(
        "B36 a write-off that the ledger does not tell apart counts",
        (("60", YESTERDAY, CASH), ("40", TODAY, WRITTEN_OFF)),
        "100",
        TODAY,
        ledger={"tells": ()},
    ),
    Case(
        "B17 written off, then paid after all",
        (("60", LAST_WEEK, CASH), ("40", YESTERDAY, WRITTEN_OFF), ("40", TODAY, CASH)),
        "100",
        TODAY,
        (Code.OVERPAID, Code.WRITTEN_OFF),
    ),
    Case("B37 a zero invoice is paid on its own date", (), "0", YESTERDAY, total="0"),
    Case(
        "B37 a zero invoice where no date stands alone",
        (),
        "0",
        None,
        total="0",
        billing={"date_alone": False},
    ),
    Case(
        "B37 paid before its invoice: a prepayment",
        (("100", LAST_WEEK, CASH),),
        "100",
        YESTERDAY,
        (Code.PAID_BEFORE_INVOICE,),
    ),
    Case(
        "B37 overpaid before its invoice: two things to say",
        (("130", LAST_WEEK, CASH),),
        "100",
        YESTERDAY,
        (Code.OVERPAID, Code.PAID_BEFORE_INVOICE),
    ),
    Case(
        "B36 a residue within the tolerance",
        (("99.98", TODAY, CASH),),
        "100",
        TODAY,
        (Code.WITHIN_TOLERANCE,),
        settings={"tolerance": {"USD": "0.02"}},
    ),
    Case(
        "B36 a residue beyond the tolerance",
        (("99.97", TODAY, CASH),),
        "99.97",
        None,
        settings={"tolerance": {"USD": "0.02"}},
    ),
    Case(
        "B36 a tolerance of another currency",
        (("99.98", TODAY, CASH),),
        "99.98",
        None,
        settings={"tolerance": {"EUR": "0.02"}},
    ),
    Case(
        "B153 yen have no decimals", (("99", TODAY, CASH),), "99", None, currency="JPY"
    ),
    Case(
        "B153 dinars have three",
        (("99.995", YESTERDAY, CASH), ("0.005", TODAY, CASH)),
        "100",
        TODAY,
        currency="BHD",
    ),
    Case(
        "B153 dinars have three, still owed",
        (("99.999", TODAY, CASH),),
        "99.999",
        None,
        currency="BHD",
    ),
    Case(
        "B35 where billing holds no partial payment: nothing yet",
        (("30", TODAY, CASH),),
        "0",
        None,
        (Code.PARTIAL_NOT_HELD,),
        billing={"partial": False},
    ),
    Case(
        "B35 where billing holds no partial payment: all",
        (("100", TODAY, CASH),),
        "100",
        TODAY,
        billing={"partial": False},
    ),
    Case(
        "B18 as one payment of ours: partial",
        (("30", TODAY, CASH),),
        "30",
        None,
        billing={"owned": True},
    ),
    Case(
        "B18 as one payment of ours: all",
        (("30", TODAY, CASH), ("70", YESTERDAY, CASH)),
        "100",
        TODAY,
        billing={"owned": True},
    ),
    Case("B17 other means count", (("100", TODAY, OTHER),), "100", TODAY),
)


def entered(case: Case) -> tuple[World, str, str]:
    """The world of a case, and its invoice's two ids."""
    world = World(
        ledger=case.ledger,
        billing=case.billing,
        settings=tieout.Settings(**case.settings),
    )
    paper, bill = world.both("I1", case.total, currency=case.currency, on=YESTERDAY)
    world.billing.edit(bill, **case.bill)
    for amount, on, how in case.pieces:
        world.ledger.apply(paper, amount, on, how)
    # Days before the invoice's own are what two cases are about; others lie behind it.
    if Code.PAID_BEFORE_INVOICE not in case.codes and case.pieces:
        world.ledger.edit(paper, on=LAST_WEEK)
    return world, paper, bill


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_amount_and_date(case: Case) -> None:
    """B17-B19, B35-B37, B153: what is written, what is said, and that it is said once."""
    world, _, bill = entered(case)
    report = world.sync()
    assert world.billing.shows(bill) == (Decimal(case.paid), case.since)
    assert sorted(i.code.name for i in notes(world, report)) == sorted(
        code.name for code in case.codes
    )
    assert report.ok
    assert report.complete
    again = world.sync()
    assert again.counts["updated"] == 0
    assert list(again.records) == []


def notes(world: World, report: tieout.Report) -> list[tieout.Issue]:
    """The warnings that the run told, as its events have them."""
    return [
        tieout.Issue(event.code, blocking=False)
        for event in report.records
        if event.what in ("warning", "issue") and event.code
    ]


def test_a_draft_has_no_effect_until_it_is_posted() -> None:
    """Decision on B36: DRAFT is skipped; once posted, it is carried."""
    world = World()
    paper, bill = world.both("I1", 100, status=Status.DRAFT)
    world.ledger.apply(paper, 100)
    assert world.sync().counts["skipped"] == 1
    assert world.billing.shows(bill) == (Decimal(0), None)
    world.clock.advance(DAY)
    world.ledger.edit(paper, status=Status.OPEN)
    world.sync(tieout.Since.LAST_RUN)
    assert world.billing.shows(bill)[0] == Decimal(100)


@pytest.mark.parametrize("owned", [False, True], ids=["fields", "owned payment"])
def test_a_void_takes_back_what_was_shown(owned: bool) -> None:
    """Decision on B36: paid 0, no date, one yellow light, and quiet afterwards."""
    world = World(billing={"owned": owned})
    paper, bill = world.both("I1", 100)
    world.ledger.apply(paper, 100)
    world.sync()
    world.clock.advance(DAY)
    world.ledger.void(paper)
    report = world.sync(tieout.Since.LAST_RUN)
    assert world.billing.shows(bill) == (Decimal(0), None)
    assert (report.red, report.yellow) == (0, 1)
    assert [issue.code for issue in report.issues] == [Code.VOIDED_AFTER_PAYMENT]
    assert str(report.totals["USD"]) == "-100.00 USD"
    assert list(world.sync().records) == []


def test_the_total_of_a_tied_invoice_may_not_differ() -> None:
    """Decision on B36: beyond the tolerance an issue, and billing stays as it is."""
    world = World()
    paper, bill = world.both("I1", 100)
    world.ledger.apply(paper, 30)
    world.sync()
    world.clock.advance(DAY)
    world.ledger.edit(paper, total=Decimal(120))
    world.ledger.apply(paper, 30)
    report = world.sync(tieout.Since.LAST_RUN)
    assert [issue.code for issue in report.issues] == [Code.TOTAL_DIFFERS]
    assert not report.ok
    assert report.marker_moved
    assert world.billing.shows(bill) == (Decimal(30), None)


def test_within_the_tolerance_billings_own_total_is_written() -> None:
    """Decision on B36: settled within tolerance: billing shows its own total."""
    world = World(settings=tieout.Settings(tolerance={"USD": Decimal("0.05")}))
    paper = world.ledger.add("I1", "100.03")
    bill = world.billing.add("I1", 100)
    world.ledger.apply(paper, "100.03")
    assert world.sync().ok
    assert world.billing.shows(bill) == (Decimal(100), TODAY)


def test_the_currency_of_a_tied_invoice_may_not_change() -> None:
    """B153: two currencies are never compared."""
    world = World()
    paper, bill = world.both("I1", 100)
    world.sync()
    world.clock.advance(DAY)
    world.ledger.edit(paper, currency="EUR")
    world.ledger.apply(paper, 100)
    report = world.sync()
    assert [issue.code for issue in report.issues] == [Code.CURRENCY_DIFFERS]
    assert world.billing.shows(bill) == (Decimal(0), None)


def test_cash_that_the_ledger_does_not_tell_is_not_guessed() -> None:
    """Decision on B17: ``paid_amount="cash"`` needs the parts."""
    world = World(ledger={"tells": ()}, settings=tieout.Settings(paid_amount="cash"))
    paper, bill = world.both("I1", 100)
    world.ledger.apply(paper, 50)
    report = world.sync()
    assert [issue.code for issue in report.issues] == [Code.PARTS_UNKNOWN]
    assert world.billing.shows(bill) == (Decimal(0), None)


def test_changed_rules_are_applied_to_what_was_agreed_under_others() -> None:
    """Decision on B17: another setting makes LAST_RUN compare again what it meets."""
    world = World()
    paper, bill = world.both("I1", 100)
    world.ledger.apply(paper, 60)
    world.ledger.apply(paper, 40, how=WRITTEN_OFF)
    world.sync()
    assert world.billing.shows(bill) == (Decimal(60), None)
    world.settings = tieout.Settings(write_off="settle")
    world.clock.advance(timedelta(minutes=1))
    world.sync(tieout.Since.LAST_RUN)
    assert world.billing.shows(bill) == (Decimal(100), TODAY)


# Payments on both sides ---------------------------------------------------------------------


def both_sides(by_hand: str, **settings: Any) -> tuple[World, str, tieout.Report]:
    """70 of 100 paid in the ledger, and something entered by hand in billing."""
    world = World(billing={"owned": True}, settings=tieout.Settings(**settings))
    paper, bill = world.both("I1", 100)
    world.billing.receive(bill, by_hand)
    world.ledger.apply(paper, 70)
    return world, bill, world.sync()


def test_a_payment_by_hand_that_differs_is_left_alone() -> None:
    """Documents: PAID_ON_BOTH_SIDES; never netted, never appended."""
    world, bill, report = both_sides("40")
    assert [issue.code for issue in report.issues] == [Code.PAID_ON_BOTH_SIDES]
    assert world.billing.shows(bill) == (Decimal(40), None)
    assert len(world.billing.bills[bill].receipts) == 1


def test_a_payment_by_hand_that_is_equal_is_adopted() -> None:
    """Documents: what is equal becomes ours, and follows the ledger from then on."""
    world, bill, report = both_sides("70")
    assert report.ok
    assert world.billing.writes == 0
    world.ledger.apply("L1", 30)
    world.clock.advance(DAY)
    assert world.sync(tieout.Since.LAST_RUN).ok
    assert world.billing.shows(bill) == (Decimal(100), TODAY)
    assert len(world.billing.bills[bill].receipts) == 1


def test_a_payment_by_hand_is_replaced_where_that_is_allowed() -> None:
    """Documents: ``take_over=True`` replaces it."""
    world, bill, report = both_sides("40", take_over=True)
    assert report.ok
    assert world.billing.shows(bill) == (Decimal(70), None)
    assert len(world.billing.bills[bill].receipts) == 1


def test_a_billing_system_that_takes_no_payments_is_told_in_the_plan() -> None:
    """B158: what capabilities do not allow is an issue before anything moves."""
    world = World(billing={"can_update": False})
    paper, _ = world.both("I1", 100)
    world.ledger.apply(paper, 70)
    plan = world.plan()
    assert plan.changes == ()
    assert [issue.code for issue in plan.issues] == [Code.NOT_ALLOWED]
    assert world.sync().red == 1
    assert world.calls.of("write") == []


def test_a_free_read_is_always_compared() -> None:
    """Decision on B23: where reading billing is free, LAST_RUN repairs too."""
    world = World(billing={"free_reads": True})
    paper, bill = world.both("I1", 100)
    world.ledger.apply(paper, 70)
    world.sync()
    world.billing.edit(bill, paid=Decimal(1))
    world.sync(tieout.Since.LAST_RUN)
    assert world.billing.shows(bill) == (Decimal(70), None)


def test_what_the_feeds_do_not_show_is_found_by_the_sweep() -> None:
    """B11: a credit that stamps nothing is found among the tied and open ones."""
    world = World(ledger={"blind": (CREDIT,), "sweep_every": DAY})
    paper, bill = world.both("I1", 100)
    for _ in range(2):
        world.clock.advance(timedelta(hours=1))
        world.sync()
    world.ledger.apply(paper, 100, how=CREDIT)
    world.sync(tieout.Since.LAST_RUN)
    assert world.billing.shows(bill) == (Decimal(0), None)
    world.clock.advance(DAY)
    world.sync(tieout.Since.LAST_RUN)
    assert world.billing.shows(bill) == (Decimal(100), TODAY)


def test_every_code_that_is_told_has_a_light_and_a_remedy() -> None:
    """B158: one vocabulary: a code, a light, a remedy in plain words."""
    for case in CASES:
        for code in case.codes:
            assert code.severity is Severity.YELLOW
            assert code.remedy.endswith(".")
