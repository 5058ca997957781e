"""What billing should show as paid: amounts, dates, notes and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from doubles import able, level, rules
from hypothesis import given
from hypothesis import strategies as st

from tieout.capabilities import Capabilities, Payments
from tieout.change import Action
from tieout.errors import Code
from tieout.evidence import shown as told
from tieout.models import Basis, Link, Part, Ref, Settlement, Status, fingerprint
from tieout.plan import Plan
from tieout.planners import settlements
from tieout.planners.matching import Known
from tieout.settings import Settings

PLAIN = Settings()
ABLE = able("Billing")
SEEN = date(2026, 3, 20)
INVOICED, PAID = date(2026, 3, 1), date(2026, 3, 9)


def ledger(**fields: Any) -> Settlement:
    """A ledger's level of 100, fully paid unless said otherwise."""
    base = level("l1", number="INV-1", paid="100")
    return evolve(base, **fields)


def split(*, total: str = "100", **parts: str) -> Settlement:
    """A ledger's level whose parts are told."""
    by = {Part[name.upper()]: Decimal(text) for name, text in parts.items()}
    balance = Decimal(total) - sum(by.values(), Decimal(0))
    day = PAID if balance <= 0 else None
    status = Status.SETTLED if balance <= 0 else Status.OPEN
    return ledger(
        total=Decimal(total),
        balance=balance,
        settled_by=by,
        paid_on=day,
        last_on=PAID,
        status=status,
    )


def bill(**fields: Any) -> Settlement:
    """Billing's invoice of 100, on which nothing is paid."""
    return evolve(level("b1", number="INV-1", connection="billing:1"), **fields)


def planned(
    there: Settlement,
    here: Settlement | None = None,
    *,
    link: Link | None = None,
    capabilities: Capabilities = ABLE,
    settings: Settings = PLAIN,
) -> Plan:
    known = Known(links={there.ref.id: link} if link else {})
    here = bill() if here is None else here
    return settlements.plan(
        [there], [here], known, capabilities, settings, observed_on=SEEN
    )


def shown(plan: Plan) -> tuple[Any, date | None]:
    """The paid amount and the date that the plan's one change writes."""
    (change,) = plan.changes
    assert isinstance(change.after, Settlement)
    return change.after.paid, change.after.paid_on


def codes(plan: Plan) -> list[Code]:
    return [each.code for each in plan.issues]


TIED = Link("p", bill().ref, ledger().ref, version=3, owned=("r1",))


# How much, and when ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "paid", "paid_on"),
    [
        (ledger(), "100", PAID),
        (level("l1", number="INV-1", paid="50"), "50", None),
        (split(cash="30"), "30", None),
        (split(cash="60", credit="40"), "100", PAID),
        (split(cash="98", discount="2"), "100", PAID),
        (split(cash="90", withholding="10"), "100", PAID),
        (split(cash="90", other="10"), "100", PAID),
        (split(credit="100"), "100", PAID),
        (ledger(settled_by={}), "100", PAID),
    ],
)
def test_paid_is_what_is_settled_and_dated_when_nothing_is_owed(
    there: Settlement, paid: str, paid_on: date | None
) -> None:
    """B17, B19, B35: by whatever it was settled; the date only when paid in full."""
    plan = planned(there)
    assert shown(plan) == (Decimal(paid), paid_on)
    assert plan.issues == ()


def test_cash_alone_where_that_is_set() -> None:
    """B17: `paid_amount="cash"`."""
    cash = Settings(paid_amount="cash")
    assert shown(planned(split(cash="60", credit="40"), settings=cash)) == (60, PAID)
    assert codes(planned(ledger(settled_by={}), settings=cash)) == [Code.PARTS_UNKNOWN]
    unpaid = level("l1", number="INV-1")
    nothing = planned(evolve(unpaid, settled_by={}), settings=cash)
    assert (nothing.kept, nothing.issues) == (1, ())
    more = split(cash="120")
    assert shown(planned(more, settings=cash)) == (100, PAID)


def test_what_is_overpaid_is_the_total() -> None:
    """B36: the excess is named, in yellow."""
    plan = planned(split(cash="120"))
    assert shown(plan) == (100, PAID)
    assert codes(plan) == [Code.OVERPAID]
    assert not plan.issues[0].blocking
    assert "20.00 EUR" in plan.issues[0].text


def test_a_write_off_is_not_paid_unless_that_is_set() -> None:
    """B17: by default amount without it, no date, yellow."""
    there = split(cash="70", write_off="30")
    plan = planned(there)
    assert shown(plan) == (70, None)
    assert codes(plan) == [Code.WRITTEN_OFF]
    plan = planned(there, settings=Settings(write_off="settle"))
    assert shown(plan) == (100, PAID)
    assert codes(plan) == []


def test_a_residue_within_the_tolerance_is_nothing() -> None:
    """B36: set by currency; the residue is named; not one cent more."""
    some = rules(tolerance={"EUR": "0.05"})
    plan = planned(split(cash="99.95"), settings=some)
    assert shown(plan) == (100, PAID)
    assert codes(plan) == [Code.WITHIN_TOLERANCE]
    assert "0.05 EUR" in plan.issues[0].text
    assert shown(planned(split(cash="99.94"), settings=some)) == (
        Decimal("99.94"),
        None,
    )
    assert shown(planned(split(cash="99.95"))) == (Decimal("99.95"), None)


def test_credits_that_billing_shows_itself_are_not_written_twice() -> None:
    """B17: a linked credit note applied there."""
    here = bill(
        settled_by={Part.CREDIT: Decimal(40), Part.CASH: Decimal(0)},
        balance=Decimal(60),
    )
    assert shown(planned(split(cash="60", credit="40"), here)) == (60, PAID)
    assert shown(planned(split(cash="60"), here)) == (60, None)
    assert shown(planned(split(cash="90", credit="10"), here)) == (90, PAID)
    untold = ledger(settled_by={})
    assert shown(planned(untold, here)) == (60, PAID)
    partly = evolve(untold, balance=Decimal(70), paid_on=None, status=Status.OPEN)
    assert shown(planned(partly, here)) == (30, None)


def test_totals_within_the_tolerance_are_billings_own() -> None:
    """D12: billing would otherwise stay open for a cent for ever."""
    some = rules(tolerance={"EUR": "0.05"})
    here = bill(total=Decimal("100.02"), balance=Decimal("100.02"))
    assert shown(planned(ledger(), here, settings=some)) == (Decimal("100.02"), PAID)
    assert shown(planned(split(cash="50"), here, settings=some)) == (50, None)


@pytest.mark.parametrize(
    ("fields", "paid_on"),
    [
        ({"paid_on": PAID, "last_on": date(2026, 3, 11)}, PAID),
        ({"paid_on": None, "last_on": date(2026, 3, 11)}, date(2026, 3, 11)),
        ({"paid_on": None, "last_on": None}, SEEN),
        ({"paid_on": None, "last_on": None, "on": None}, SEEN),
        ({"paid_on": PAID, "on": None}, PAID),
    ],
)
def test_the_day_of_full_payment(fields: Mapping[str, Any], paid_on: date) -> None:
    """B37: as told, else the last receipt, else the day it was seen."""
    assert shown(planned(ledger(**fields))) == (100, paid_on)


def test_a_payment_before_its_invoice_is_a_prepayment() -> None:
    """D22: dated by the invoice, noted, and not isolated."""
    plan = planned(ledger(paid_on=date(2026, 2, 1), last_on=date(2026, 2, 1)))
    assert shown(plan) == (100, INVOICED)
    assert codes(plan) == [Code.PAID_BEFORE_INVOICE]


def test_a_prepayment_is_noted_though_billing_shows_it_already() -> None:
    """D22: what is worth a word is said where nothing is written, too."""
    there = ledger(last_on=date(2026, 2, 1))
    here = bill(
        settled_by={Part.CASH: Decimal(100)},
        balance=Decimal(0),
        paid_on=PAID,
        last_on=date(2026, 2, 1),
        receipts=TIED.owned,
    )
    plan = planned(there, here, link=TIED)
    assert plan.kept == 1
    assert codes(plan) == [Code.PAID_BEFORE_INVOICE]


def test_an_invoice_of_nothing_is_paid_on_its_own_day() -> None:
    """B37, D2: a zero total is settled when it is posted."""
    zero = {"total": Decimal(0), "balance": Decimal(0), "settled_by": {}}
    there = ledger(**zero, paid_on=None, last_on=None)
    here = bill(**zero)
    assert shown(planned(there, here)) == (0, INVOICED)
    assert shown(planned(evolve(there, on=None), here)) == (0, SEEN)
    holds = able("B", payments=Payments(holds_date_alone=False))
    plan = planned(there, here, capabilities=holds)
    assert (plan.kept, plan.changes) == (1, ())


def test_a_void_invoice_shows_nothing_paid() -> None:
    """B17: cancelled is never paid; what was shown is taken back, in yellow."""
    void = ledger(status=Status.VOID, balance=Decimal(0), settled_by={})
    here = bill(settled_by={Part.CASH: Decimal(100)}, balance=Decimal(0), paid_on=PAID)
    plan = planned(void, here, link=TIED)
    assert shown(plan) == (0, None)
    assert codes(plan) == [Code.VOIDED_AFTER_PAYMENT]
    assert plan.changes[0].closes
    quiet = planned(void, bill(), link=TIED)
    assert (quiet.kept, quiet.issues) == (1, ())


@pytest.mark.parametrize("status", [Status.DRAFT, Status.VOID])
def test_drafts_and_strangers_that_are_void_are_of_no_concern(status: Status) -> None:
    """B17: skipped, counted, and nothing looked up."""
    plan = planned(ledger(status=status))
    assert (plan.skipped, plan.changes, plan.issues, plan.kept) == (1, (), (), 0)


def test_a_tied_invoice_that_went_back_to_draft_is_told() -> None:
    """D21: an illegal way back: nothing is written, and a person hears of it."""
    plan = planned(ledger(status=Status.DRAFT), link=TIED)
    assert (plan.skipped, plan.changes) == (0, ())
    assert [each.code for each in plan.issues] == [Code.WENT_BACK]


def test_what_was_removed_is_taken_back() -> None:
    """B24: the amount goes down, the date is cleared."""
    here = bill(settled_by={Part.CASH: Decimal(100)}, balance=Decimal(0), paid_on=PAID)
    assert shown(planned(split(cash="30"), here, link=TIED)) == (30, None)
    none = level("l1", number="INV-1")
    assert shown(planned(none, here, link=TIED)) == (0, None)


# What billing can hold ------------------------------------------------------------------


def test_where_no_partial_payment_can_be_held_only_the_end_is_written() -> None:
    """Autotask: the amount paid so far is a note."""
    holds = able("B", payments=Payments(partial=False))
    plan = planned(split(cash="30"), capabilities=holds)
    assert plan.changes == ()
    assert codes(plan) == [Code.PARTIAL_NOT_HELD]
    assert "30.00 EUR" in plan.issues[0].text
    assert shown(planned(ledger(), capabilities=holds)) == (100, PAID)
    assert codes(planned(level("l1", number="INV-1"), capabilities=holds)) == []


def test_what_is_taken_back_there_is_what_can_be_seen_there() -> None:
    """After a lost answer it is compared: a receipt's date that is not held is none."""
    holds = able("B", payments=Payments(partial=False))
    here = bill(balance=Decimal(0), paid_on=PAID)
    (change,) = planned(split(cash="30"), here, capabilities=holds).changes
    assert isinstance(change.after, Settlement)
    assert change.after.last_on is None
    seen = evolve(bill(), settled_by={}, last_on=None)
    assert told(change.after) == told(seen)


def test_where_an_open_date_is_held_it_is_compared() -> None:
    """A partial payment's receipt date, where billing keeps one."""
    holds = able("B", payments=Payments(holds_open_date=True))
    here = bill(settled_by={Part.CASH: Decimal(30)}, balance=Decimal(70), last_on=None)
    (change,) = planned(split(cash="30"), here, capabilities=holds).changes
    assert isinstance(change.after, Settlement)
    assert (change.after.paid_on, change.after.last_on) == (None, PAID)
    dated = evolve(here, last_on=PAID)
    assert planned(split(cash="30"), dated, capabilities=holds).kept == 1
    assert planned(split(cash="30"), here).kept == 1


def test_a_system_that_cannot_be_told_gets_no_change() -> None:
    """A write that capabilities do not allow is an issue before anything moves."""
    plan = planned(ledger(), capabilities=able("Reader", update=False))
    assert plan.changes == ()
    assert codes(plan) == [Code.NOT_ALLOWED]
    assert "Reader" in plan.issues[0].text


OWNS = able("B", payments=Payments(owned_payment=True))


def test_a_payment_that_is_not_ours_is_not_touched() -> None:
    """Equal is adopted; different is an issue that names it; take_over replaces it."""
    cash = {"settled_by": {Part.CASH: Decimal(40)}, "balance": Decimal(60)}
    here = bill(receipts=("r1", "r7"), **cash)
    plan = planned(ledger(), here, link=TIED, capabilities=OWNS)
    assert codes(plan) == [Code.PAID_ON_BOTH_SIDES]
    assert "r7" in plan.issues[0].text
    assert "r1" not in plan.issues[0].text
    equal = bill(
        receipts=("r7",),
        settled_by={Part.CASH: Decimal(100)},
        balance=Decimal(0),
        paid_on=PAID,
    )
    adopted = planned(ledger(), equal, capabilities=OWNS)
    assert (adopted.kept, adopted.issues) == (1, ())
    (kept,) = settlements.keeping(adopted, OWNS, PLAIN)
    assert kept.owned == ("r7",)
    over = planned(
        ledger(), here, link=TIED, capabilities=OWNS, settings=Settings(take_over=True)
    )
    assert over.changes[0].take_over
    ours = planned(
        ledger(), evolve(here, receipts=("r1",)), link=TIED, capabilities=OWNS
    )
    assert shown(ours) == (100, PAID)
    assert ours.changes[0].owned == ("r1",)
    assert not ours.changes[0].take_over
    assert shown(planned(ledger(), here, link=TIED)) == (100, PAID)


# Refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("here", "code"),
    [
        (bill(currency="USD"), Code.CURRENCY_DIFFERS),
        (bill(total=Decimal(101), balance=Decimal(101)), Code.TOTAL_DIFFERS),
        (bill(status=Status.VOID), Code.NOT_ALLOWED),
    ],
)
def test_a_tied_pair_that_cannot_be_compared_is_an_issue(
    here: Settlement, code: Code
) -> None:
    """D10, D12: nothing is converted, spread or guessed; the basis is remembered."""
    plan = planned(ledger(), here, link=TIED)
    assert plan.changes == ()
    assert codes(plan) == [code]
    assert plan.issues[0].blocking
    assert plan.issues[0].basis == settlements.basis(ledger(), PLAIN.digest())


def test_a_void_invoice_on_which_nothing_was_paid_is_fine() -> None:
    """Both show nothing."""
    plan = planned(level("l1", number="INV-1"), bill(status=Status.VOID), link=TIED)
    assert (plan.kept, plan.issues) == (1, ())


def test_an_unknown_invoice_is_remembered_with_its_basis() -> None:
    """B43: looked up again when its settlement changes."""
    plan = settlements.plan([ledger()], [], Known(), ABLE, PLAIN)
    assert codes(plan) == [Code.NOT_IN_BILLING]
    assert plan.issues[0].basis == settlements.basis(ledger(), PLAIN.digest())


def test_two_documents_of_one_page_that_claim_one_invoice_are_not_carried() -> None:
    """D13: also where one of them needs nothing."""
    there = [ledger(), ledger(ref=Ref("ledger:1", "Invoice", "l2"))]
    plan = settlements.plan(there, [bill()], Known(), ABLE, PLAIN)
    assert plan.changes == ()
    assert codes(plan) == [Code.ALREADY_LINKED] * 2
    open_ = [level("l1", number="INV-1"), evolve(there[1])]
    plan = settlements.plan(open_, [bill()], Known(), ABLE, PLAIN)
    assert (plan.changes, plan.kept) == ((), 0)
    assert codes(plan) == [Code.ALREADY_LINKED] * 2


# Changes --------------------------------------------------------------------------------


def test_a_change_says_what_it_is_about() -> None:
    """From billing as it is to billing as wanted; the rest of the record stays."""
    here = bill(custom={"x": "y"}, version="7", carry=object())
    (change,) = planned(ledger(), here).changes
    assert (change.action, change.kind, change.connection) == (
        Action.UPDATE,
        Settlement,
        "billing:1",
    )
    assert (change.source, change.target, change.before) == (
        ledger().ref,
        here.ref,
        here,
    )
    assert isinstance(change.after, Settlement)
    assert change.after.balance == 0
    assert change.after.status is Status.SETTLED
    assert (change.after.custom, change.after.version) == ({"x": "y"}, "7")
    assert change.after.carry is here.carry
    assert change.agreed == settlements.basis(ledger(), PLAIN.digest())
    assert (change.number, change.evidence, change.closes) == ("INV-1", "number", True)
    (partial,) = planned(split(cash="30"), here).changes
    assert isinstance(partial.after, Settlement)
    assert partial.after.balance == 70
    assert partial.after.status is Status.OPEN
    assert not partial.closes


def test_a_change_over_a_link_bears_its_version() -> None:
    """A legitimate 50, 100, 50 is three changes."""
    names = {
        planned(ledger(), link=evolve(TIED, version=n)).changes[0].name
        for n in (0, 1, 2)
    }
    assert len(names) == 3
    (change,) = planned(ledger(), link=TIED).changes
    assert (change.link_version, change.owned, change.evidence) == (3, ("r1",), "link")


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        (
            ledger(basis=Basis.LAST_RECEIPT),
            "dated by the last receipt, found by number",
        ),
        (ledger(), "as in the ledger, found by number"),
        (split(cash="3"), "as in the ledger, found by number"),
    ],
)
def test_a_change_tells_people_why(there: Settlement, reason: str) -> None:
    """The basis of the date, and the evidence."""
    assert planned(there).changes[0].reason == reason


def test_a_void_is_told_as_the_reason() -> None:
    """And nothing is dated."""
    here = bill(settled_by={Part.CASH: Decimal(100)}, balance=Decimal(0), paid_on=PAID)
    plan = planned(ledger(status=Status.VOID), here, link=TIED)
    assert plan.changes[0].reason.startswith("voided in the ledger")


def test_a_billing_invoice_without_number_is_named_by_the_ledgers() -> None:
    """B39: a person needs one to look for."""
    (change,) = planned(ledger(), bill(number=""), link=TIED).changes
    assert change.number == "INV-1"


# Laws -----------------------------------------------------------------------------------

AMOUNTS = st.sampled_from([Decimal(0), Decimal(50), Decimal(100)])
DATES = st.none() | st.sampled_from([date(2026, 2, 1), PAID, date(2026, 3, 11)])


@st.composite
def levels(draw: st.DrawFn) -> Settlement:
    """A ledger's level from small domains: bugs hide in large ones."""
    names = draw(
        st.lists(st.sampled_from([Part.CASH, Part.CREDIT, Part.WRITE_OFF]), unique=True)
    )
    parts = {name: draw(AMOUNTS) for name in names}
    balance = Decimal(100) - sum(parts.values(), Decimal(0))
    return ledger(
        balance=balance,
        settled_by=parts if draw(st.booleans()) else {},
        status=draw(st.sampled_from([Status.OPEN, Status.SETTLED, Status.VOID])),
        paid_on=draw(DATES),
        last_on=draw(DATES),
    )


@st.composite
def bills(draw: st.DrawFn) -> Settlement:
    cash, credit = draw(AMOUNTS), draw(AMOUNTS)
    parts = (
        {Part.CASH: cash, Part.CREDIT: credit}
        if draw(st.booleans())
        else {Part.CASH: cash}
    )
    return bill(
        settled_by=parts,
        balance=Decimal(100) - sum(parts.values(), Decimal(0)),
        paid_on=draw(DATES),
        last_on=draw(DATES),
        receipts=("r1",) if draw(st.booleans()) else (),
    )


RULES = st.sampled_from(
    [
        PLAIN,
        Settings(write_off="settle"),
        Settings(paid_amount="cash"),
        rules(tolerance={"EUR": 50}),
    ]
)
HOLDS = st.sampled_from(
    [
        ABLE,
        able("B", payments=Payments(partial=False)),
        able("B", payments=Payments(holds_open_date=True)),
        able("B", payments=Payments(holds_date_alone=False)),
    ]
)


@given(levels(), bills(), RULES, HOLDS, st.booleans())
def test_what_was_applied_needs_nothing_more(
    there: Settlement,
    here: Settlement,
    used: Settings,
    holds: Capabilities,
    tied: bool,
) -> None:
    """B20, B23: after `apply(diff(a, b))` the diff is empty."""
    link = TIED if tied else None
    plan = planned(there, here, link=link, settings=used, capabilities=holds)
    for change in plan.changes:
        assert isinstance(change.after, Settlement)
        again = planned(
            there, change.after, link=link, settings=used, capabilities=holds
        )
        assert again.changes == ()
        assert again.kept == 1


@given(levels(), bills(), RULES, HOLDS, st.booleans())
def test_planning_twice_gives_the_same_bytes(
    there: Settlement,
    here: Settlement,
    used: Settings,
    holds: Capabilities,
    tied: bool,
) -> None:
    """C4: pure."""
    link = TIED if tied else None
    one, two = (
        planned(there, here, link=link, settings=used, capabilities=holds)
        for _ in range(2)
    )
    assert one.digest == two.digest
    assert (
        one.kept
        + one.skipped
        + len(one.changes)
        + len([i for i in one.issues if i.blocking])
        == 1
    )


@given(levels(), bills(), HOLDS)
def test_the_short_way_comes_to_what_the_long_way_comes_to(
    there: Settlement, here: Settlement, holds: Capabilities
) -> None:
    """What is plainly shown needs no rules: the two ways agree, with a link."""
    far = rules(tolerance={"USD": 1})  # switches the short way off, and nothing else
    short = planned(there, here, link=TIED, capabilities=holds)
    long = planned(there, here, link=TIED, capabilities=holds, settings=far)
    assert short.kept == long.kept
    assert codes(short) == codes(long)
    assert [c.after for c in short.changes] == [c.after for c in long.changes]


@given(st.permutations(range(6)))
def test_the_order_of_a_page_does_not_matter(order: list[int]) -> None:
    """C4: the same plan, byte for byte."""
    there = [evolve(level(str(n), paid="50"), number=f"N{n}") for n in range(6)]
    here = [level(f"b{n}", number=f"N{n}", connection="billing:1") for n in range(6)]
    plain = settlements.plan(there, here, Known(), ABLE, PLAIN)
    turned = settlements.plan(
        [there[n] for n in order], here[::-1], Known(), ABLE, PLAIN
    )
    assert plain.changes == turned.changes


# Pages ----------------------------------------------------------------------------------


def test_of_a_record_that_a_page_names_twice_the_younger_counts() -> None:
    """P6, P8: whatever order they come in; one without a time is the older one."""
    older = split(cash="30")
    younger = evolve(split(cash="60"), changed_at=datetime(2026, 3, 11, tzinfo=UTC))
    timeless = evolve(split(cash="90"), changed_at=None)
    for page in (
        [older, younger, timeless],
        [timeless, younger, older],
        [younger, timeless, older],
    ):
        plan = settlements.plan(page, [bill()], Known(), ABLE, PLAIN)
        assert shown(plan)[0] == 60
    plan = settlements.plan(
        [timeless, evolve(timeless, balance=Decimal(0))], [bill()], Known(), ABLE, PLAIN
    )
    assert len(plan.changes) == 1


def test_only_what_has_to_be_remembered_is_kept() -> None:
    """B23: a link that says all this already is not written again."""
    here = bill(settled_by={Part.CASH: Decimal(100)}, balance=Decimal(0), paid_on=PAID)
    agreed = settlements.basis(ledger(), PLAIN.digest())
    tied = evolve(TIED, agreed={"Settlement": agreed}, open=False, owned=())
    for link, count in (
        (None, 1),
        (tied, 0),
        (evolve(tied, agreed={}), 1),
        (evolve(tied, open=True), 1),
        (evolve(tied, owned=("r1",)), 1),
    ):
        plan = planned(ledger(), here, link=link)
        assert plan.kept == 1
        kept = settlements.keeping(plan, ABLE, PLAIN)
        assert len(kept) == count
        assert all(each.action is Action.KEEP for each in kept)


def test_a_basis_is_the_level_and_the_rules() -> None:
    """B22: under other rules, nothing is agreed any more."""
    plain, other = PLAIN.digest(), Settings(write_off="settle").digest()
    assert settlements.basis(ledger(), plain) != settlements.basis(ledger(), other)
    assert settlements.basis(ledger(), plain) != settlements.basis(
        split(cash="1"), plain
    )
    agreed = settlements.basis(ledger(), plain)
    assert fingerprint(ledger()) in agreed
    tied = evolve(TIED, agreed={"Settlement": agreed})
    assert settlements.unchanged(tied, agreed)
    assert not settlements.unchanged(tied, "other")
    assert not settlements.unchanged(TIED, agreed)
    assert not settlements.unchanged(None, agreed)
