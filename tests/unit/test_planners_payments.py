"""The planners of payments, their fees and their credits, asked directly."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from tieout.capabilities import Capabilities, Kind, Updates, Verb
from tieout.change import Action, Change, Issue, mark_of
from tieout.errors import Code
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Link,
    Part,
    Payment,
    Record,
    RecordType,
    Ref,
    Status,
    agreed_as,
    fingerprint,
)
from tieout.plan import Plan
from tieout.planners import credit_notes, payments
from tieout.planners.course import Across, Course
from tieout.planners.parts import roles
from tieout.settings import Fees, Settings
from tieout.testing.year.connector import KINDS

SHOP, BOOK = "shop:1", "book:1"
DAY, PAST, TODAY = date(2026, 3, 1), date(2026, 1, 31), date(2026, 3, 9)
REPLACING = Settings(replace_payments=True)
CHARGING = Settings(fees=Fees(account="4200", dimensions={"location": "L1"}))
CHANGING = evolve(
    KINDS[Payment], verbs=frozenset(Verb), writable=frozenset({"amount", "on"})
)


def ref(kind: str, own: str, connection: str = SHOP) -> Ref:
    return Ref(connection, kind, own)


OWNER, NOTE = ref("Customer", "c1"), ref("CreditNote", "n1")
A, B = ref("Invoice", "i1"), ref("Invoice", "i2")
PAID = ref("Payment", "p1")
NUMBERS = {A: "INV-A", B: "INV-B", NOTE: "CN-1"}
TIES = {
    OWNER: ref("Customer", "lc", BOOK),
    A: ref("Invoice", "lA", BOOK),
    B: ref("Invoice", "lB", BOOK),
    NOTE: ref("CreditNote", "ln", BOOK),
}


def put(target: Ref, amount: str, **more: Any) -> Application:
    """A part of the payment, unless another source is named."""
    source = more.pop("source", PAID)
    own = ref("Application", more.pop("own", f"{source.id}:{target.id}"))
    currency = more.pop("currency", "EUR")
    return Application(own, source, target, Decimal(amount), currency, DAY, **more)


def fee(amount: str, own: str = "fee", **more: Any) -> Application:
    """A fee, with the target that Invoiced's connector gives it."""
    target = ref("Invoice", f"p1:{own}")
    return put(target, amount, how=Part.OTHER, own=own, **more)


def credit(amount: str = "30", **more: Any) -> Application:
    """A credit that was applied together with the payment."""
    given = {"source": NOTE, "how": Part.CREDIT, **more}
    return put(given.pop("target", A), amount, **given)


def payment(amount: str, *puts: Application, **more: Any) -> Payment:
    given = {"customer": OWNER, "status": Status.SETTLED, "number": "P-1", **more}
    return Payment(
        PAID,
        given.pop("customer"),
        given.pop("currency", "EUR"),
        given.pop("on", DAY),
        Decimal(amount),
        given.pop("status"),
        applications=puts,
        **given,
    )


def course(
    settings: Settings | None = None,
    *,
    per: int | None = None,
    kinds: Mapping[RecordType, Kind] = KINDS,
    kind: RecordType = Payment,
    **more: Any,
) -> Course:
    able = Capabilities("Books", kinds, invoices_per_payment=per)
    source, target = (SHOP, BOOK) if more.get("outward", True) else (BOOK, SHOP)
    return Course(kind, source, target, able, settings or Settings(), **more)


def without(kind: RecordType, *verbs: Verb) -> Mapping[RecordType, Kind]:
    return {**KINDS, kind: evolve(KINDS[kind], verbs=KINDS[kind].verbs - {*verbs})}


def link(
    role: str,
    there: Ref,
    agreed: Payment | Application | str = "of old",
    *,
    version: int = 1,
    origin: str = SHOP,
    released: bool = False,
    of: Ref = PAID,
) -> Link:
    said = agreed if isinstance(agreed, str) else fingerprint(agreed)
    return Link(
        "pair",
        of,
        there,
        role,
        version,
        origin,
        {agreed_as(of.kind, SHOP): said},
        released=released,
    )


def across(*links: Link, there: tuple[Record, ...] = (), **more: Any) -> Across:
    """What is known of the ledger: the customer, both invoices, and these."""
    given: dict[str, Any] = {
        "ties": {**TIES, **{each.billing: each.ledger for each in links}},
        "numbers": NUMBERS,
        "links": {each.billing: each for each in links if not each.role},
        "legs": {(each.billing, each.role): each for each in links},
        "generations": {(each.billing, each.role): 1 for each in links},
        "records": {each.ref: each for each in there},
    }
    return Across(**{**given, **more})


def paper(own: str, amount: str, *puts: tuple[str, str], **more: Any) -> Payment:
    """A payment of the ledger."""
    made = ref("Payment", own, BOOK)
    parts = tuple(
        Application(
            ref("Application", f"{own}:{target}", BOOK),
            made,
            ref("Invoice", target, BOOK),
            Decimal(part),
            "EUR",
            DAY,
        )
        for target, part in puts
    )
    given = {"on": DAY, "status": Status.OPEN, "customer": TIES[OWNER], **more}
    return Payment(
        made,
        given.pop("customer"),
        "EUR",
        given.pop("on"),
        Decimal(amount),
        given.pop("status"),
        applications=parts,
        **given,
    )


def fee_invoice(total: str = "5", **more: Any) -> Invoice:
    given = {"on": DAY, "status": Status.OPEN, **more}
    return Invoice(
        ref("Invoice", "lF", BOOK),
        "FEE-P-1",
        TIES[OWNER],
        "EUR",
        given["on"],
        Decimal(total),
        given["status"],
    )


def planned(
    what: Payment, known: Across | None = None, way: Course | None = None
) -> Plan:
    return payments.plan([what], known or across(), way or course())


def told(plan: Plan) -> list[tuple[str, str]]:
    """The changes of a plan as action and role, in their order."""
    return [(each.action.value, each.role) for each in plan.changes]


def only(plan: Plan) -> Change:
    (change,) = plan.changes
    assert plan.issues == ()
    return change


def refused(plan: Plan) -> Issue:
    (issue,) = plan.issues
    assert plan.changes == (), "half of it would be carried"
    assert issue.blocking
    return issue


def made(change: Change) -> Payment:
    assert isinstance(change.after, Payment)
    return change.after


def money(change: Change) -> tuple[str, str]:
    """The amount of a payment, and what of it is put to nothing."""
    return str(made(change).amount), str(made(change).unapplied)


def puts(change: Change) -> list[tuple[str, str]]:
    """What a payment is put to as the ledger is told of it."""
    return [(each.target.id, str(each.amount)) for each in made(change).applications]


# What is written --------------------------------------------------------------------------


def test_a_payment_is_one_document_with_all_that_it_is_put_to() -> None:
    """B51, B108: what routes it to an account, its currency, method and account, goes along."""
    paid = payment("150", put(A, "100"), put(B, "50"), method="card", account="1090")
    change = only(planned(paid))
    after = made(change)
    assert (change.action, change.kind, change.role) == (Action.CREATE, Payment, "")
    assert money(change) == ("150", "0")
    assert after.status is Status.SETTLED
    assert puts(change) == [("lA", "100"), ("lB", "50")]
    assert (after.customer, after.ref) == (TIES[OWNER], ref("Payment", "", BOOK))
    assert (after.currency, after.method, after.account) == ("EUR", "card", "1090")
    assert change.mark == mark_of(BOOK, "Payment", PAID)
    assert change.numbers == ("INV-A", "INV-B", "P-1")


def test_what_is_put_to_nothing_stays_unapplied() -> None:
    """B98: whether the source tells of the rest or not."""
    for unapplied in (Decimal(40), None):
        change = only(planned(payment("100", put(A, "60"), unapplied=unapplied)))
        assert money(change) == ("100", "40")
        assert made(change).status is Status.OPEN


def test_a_payment_on_account_names_no_invoice() -> None:
    """B51: a prepayment is a payment that is put to nothing yet."""
    change = only(planned(payment("100", unapplied=Decimal(100))))
    assert (puts(change), money(change)) == ([], ("100", "100"))
    assert (change.reason, change.numbers) == ("on account", ("P-1",))


def test_two_parts_for_one_invoice_are_one() -> None:
    """B98: a ledger holds one application of a payment to an invoice; no money is lost."""
    first, second = put(A, "60"), put(A, "40", own="again")
    for per in (None, 1):
        change = only(planned(payment("100", first, second), way=course(per=per)))
        assert puts(change) == [("lA", "100")]


def test_parts_in_another_currency_count_in_the_payments_own() -> None:
    """B98: what an invoice in dollars took of a payment in euros."""
    foreign = put(
        A, "110", currency="USD", source_amount=Decimal(100), source_currency="EUR"
    )
    twice = evolve(
        foreign,
        ref=ref("Application", "x"),
        source_amount=Decimal(20),
        amount=Decimal(22),
    )
    whole = only(planned(payment("150", foreign, twice)))
    assert (puts(whole), money(whole)) == ([("lA", "132")], ("150", "30"))
    part, rest = planned(payment("150", foreign, twice), way=course(per=1)).changes
    assert money(part) == ("120", "0")
    assert made(part).applications[0].source_amount == Decimal(120)
    assert (money(rest), rest.role) == (("30", "30"), "rest")


@pytest.mark.parametrize(
    ("parts", "rest", "wanted"),
    [
        (((A, "100"),), "0", [("part:i1", "100", "0")]),
        ((), "100", [("rest", "100", "100")]),
        (((A, "60"),), "40", [("part:i1", "60", "0"), ("rest", "40", "40")]),
        (((A, "60"), (B, "40")), "0", [("part:i1", "60", "0"), ("part:i2", "40", "0")]),
        (
            ((A, "60"), (B, "30")),
            "10",
            [("part:i1", "60", "0"), ("part:i2", "30", "0"), ("rest", "10", "10")],
        ),
    ],
)
def test_where_a_payment_is_put_to_one_invoice_it_is_written_in_parts(
    parts: tuple[tuple[Ref, str], ...], rest: str, wanted: list[tuple[str, str, str]]
) -> None:
    """B51, B98: each part a document of its own, and together no more than was paid."""
    paid = payment("100", *(put(*each) for each in parts), unapplied=Decimal(rest))
    plan = planned(paid, way=course(per=1))
    assert [(c.role, *money(c)) for c in plan.changes] == wanted
    assert sum(made(c).amount for c in plan.changes) == 100
    assert {c.role for c in plan.changes} <= {*roles(paid, course(per=1))}
    assert len(
        {c.name for c in plan.changes} | {c.mark for c in plan.changes}
    ) == 2 * len(wanted)


def test_credits_alone_make_no_payment_of_nothing() -> None:
    """B97: only the credit is applied."""
    change = only(planned(payment("0", credit(), unapplied=Decimal(0))))
    assert (change.kind, change.source.kind) == (Application, "Application")


def test_credits_and_cash_are_a_payment_and_an_application_each() -> None:
    """B96, B98: the payment is of the cash alone, each credit a change of its own."""
    paid = payment("70", put(A, "70"), credit("30"), credit("20", target=B))
    cash, *credits_ = planned(paid).changes
    assert (money(cash), puts(cash)) == (("70", "0"), [("lA", "70")])
    applied: list[Any] = [each.after for each in credits_]
    assert [(e.source.id, e.target.id, e.amount) for e in applied] == [
        ("ln", "lA", 30),
        ("ln", "lB", 20),
    ]
    assert [each.depends_on for each in credits_] == [(), ()]
    assert credits_[0].numbers == ("INV-A", "CN-1")


def test_a_payment_comes_after_the_customer_that_is_made_for_it() -> None:
    """B152: by the name of the change that makes it."""
    known = across(ties={A: TIES[A]}, planned={OWNER: "make the customer"})
    change = only(planned(payment("10", put(A, "10")), known))
    assert change.depends_on == ("make the customer",)
    assert made(change).customer == OWNER


# Fees -------------------------------------------------------------------------------------


def test_a_fee_is_an_invoice_to_which_its_part_is_put() -> None:
    """B64, B65, B66: the invoice first, the payment put to it, nothing left over."""
    paid = payment("105", put(A, "100"), fee("5"), unapplied=Decimal(0))
    first, second = planned(paid, way=course(CHARGING)).changes
    invoice = first.after
    assert isinstance(invoice, Invoice)
    assert (first.role, first.number, first.mark) == ("fee", "FEE-P-1", "FEE-P-1")
    assert invoice.total == Decimal(5)
    assert (invoice.customer, invoice.on) == (TIES[OWNER], DAY)
    (line,) = invoice.lines
    assert (line.account, line.dimensions) == ("4200", {"location": "L1"})
    assert second.depends_on == (first.name,)
    # The payment itself stands for the invoice that is yet to be made.
    assert puts(second) == [("lA", "100"), ("p1", "5")]
    assert [each.how for each in made(second).applications] == [Part.CASH] * 2
    assert made(second).unapplied == 0
    assert first.numbers == ("FEE-P-1", "INV-A", "P-1")


def test_several_fees_are_one_invoice() -> None:
    """B64: and one part of the payment."""
    paid = payment("15", put(A, "8"), fee("5"), fee("2", "more"))
    first, second = planned(paid, way=course(CHARGING)).changes
    assert isinstance(first.after, Invoice)
    assert first.after.total == Decimal(7)
    assert puts(second) == [("lA", "8"), ("p1", "7")]


def test_a_fees_mark_stands_where_the_system_takes_one() -> None:
    """B69: in the number where that is the mark, in a text otherwise, or nowhere."""
    paid = payment("105", put(A, "100"), fee("5"))
    marks: list[str] = []
    for mark in (KINDS[Customer].mark, None):
        kinds = {**KINDS, Invoice: evolve(KINDS[Invoice], mark=mark)}
        marks.append(planned(paid, way=course(CHARGING, kinds=kinds)).changes[0].mark)
    assert marks == [mark_of(BOOK, "Invoice", PAID, 0, "fee"), ""]


def test_a_fee_by_itself_is_a_part_where_there_is_one_invoice_a_payment() -> None:
    """B65: the fee's part is put to the fee's invoice by a document of its own."""
    paid = payment("105", put(A, "100"), fee("5"))
    plan = planned(paid, way=course(CHARGING, per=1))
    assert told(plan) == [("+", "fee"), ("+", "part:i1"), ("+", "fee part")]
    assert puts(plan.changes[2]) == [("p1", "5")]


def test_a_fee_that_is_no_invoice_stays_with_the_customer() -> None:
    """B67, B68: it is an overpayment, with the dimensions that are set for it."""
    rules = Settings(fees=Fees("overpayment", dimensions={"department": "D2"}))
    paid = payment("105", put(A, "100"), fee("5"), unapplied=Decimal(0))
    change = only(planned(paid, way=course(rules)))
    assert (puts(change), money(change)) == ([("lA", "100")], ("105", "5"))
    assert made(change).custom == {"department": "D2"}
    bare = payment("100", put(A, "60"), unapplied=Decimal(40))
    assert made(only(planned(bare, way=course(rules)))).custom == {}
    part, rest = planned(paid, way=course(rules, per=1)).changes
    assert (made(part).custom, made(rest).custom) == ({}, {"department": "D2"})


def test_a_fee_whose_invoice_is_there_makes_no_second() -> None:
    """B69: only what is missing is made, and put to the invoice that is there."""
    paid = payment("105", put(A, "100"), fee("5"))
    held = link("fee", ref("Invoice", "lF", BOOK), paid)
    change = only(planned(paid, across(held), course(CHARGING)))
    assert (change.role, puts(change)) == ("", [("lA", "100"), ("lF", "5")])


# What is not written ----------------------------------------------------------------------

WRONG = {
    "a fee without a rule": (payment("15", put(A, "10"), fee("5")), Code.NOT_ALLOWED),
    "put to itself": (payment("10", put(A, "4"), put(PAID, "6")), Code.BAD_FIELD),
    "a part of nothing": (payment("10", put(A, "0")), Code.TOTALS_DISAGREE),
    "a part below nothing": (payment("10", put(A, "-1")), Code.TOTALS_DISAGREE),
    "another currency": (
        payment("10", put(A, "10", currency="USD")),
        Code.CURRENCY_DIFFERS,
    ),
    "more put than paid": (payment("10", put(A, "11")), Code.TOTALS_DISAGREE),
    "parts that do not add up": (
        payment("10", put(A, "4"), unapplied=Decimal(5)),
        Code.TOTALS_DISAGREE,
    ),
    "a rest below nothing": (
        payment("10", put(A, "12"), unapplied=Decimal(-2)),
        Code.TOTALS_DISAGREE,
    ),
    "a refund": (payment("-10"), Code.TOTALS_DISAGREE),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_payment_that_cannot_be_is_told_and_its_neighbours_go_on(case: str) -> None:
    """B106, B144: under the numbers of its invoices; the next one is carried."""
    paid, code = WRONG[case]
    good = evolve(payment("10", put(B, "10")), ref=ref("Payment", "p2"))
    plan = payments.plan([paid, good], across(), course())
    (issue,) = plan.issues
    assert (issue.code, issue.source) == (code, PAID)
    named = {"INV-A"} if paid.applications else set()
    assert {*issue.numbers} == {*named, "P-1"}
    assert [each.source for each in plan.changes] == [good.ref]


def test_a_payment_waits_for_all_that_is_not_there() -> None:
    """B152, B144: it says for what, by the numbers that people know."""
    paid = payment("30", put(A, "10"), put(B, "20"))
    issue = refused(planned(paid, across(ties={A: TIES[A]})))
    assert (issue.code, issue.field) == (Code.WAITS, "applications")
    assert issue.text == "it waits for invoice INV-B, customer c1."
    assert issue.numbers == ("INV-A", "INV-B", "P-1")


@pytest.mark.parametrize(
    ("way", "code"),
    [
        (course(CHARGING, kinds=without(Payment, Verb.CREATE)), Code.NOT_ALLOWED),
        (course(CHARGING, kinds=without(Invoice, Verb.CREATE)), Code.NOT_ALLOWED),
        (course(CHARGING, locked_through=DAY), Code.LOCKED_PERIOD),
        (
            course(
                CHARGING,
                kinds={**KINDS, Invoice: evolve(KINDS[Invoice], number_length=6)},
            ),
            Code.TOO_LONG,
        ),
    ],
)
def test_what_the_other_side_does_not_take_is_not_begun(
    way: Course, code: Code
) -> None:
    """B64, B152: neither the fee's invoice nor the payment."""
    assert refused(planned(payment("15", put(A, "10"), fee("5")), way=way)).code is code


def test_a_closed_period_hinders_only_what_is_written() -> None:
    """B51: what agrees there needs no open period."""
    paid = payment("10", put(A, "10"), reference="corrected")
    held = link("", ref("Payment", "l1", BOOK))
    known = across(held, there=(paper("l1", "10", ("lA", "10")),))
    assert told(planned(paid, known, course(locked_through=DAY))) == [("=", "")]


# What was written before ------------------------------------------------------------------


def test_what_came_from_the_other_side_is_not_sent_back() -> None:
    """B51, B63: whichever document of it shows that."""
    for role in ("", "part:i1", "rest"):
        held = link(role, ref("Payment", "l1", BOOK), origin=BOOK)
        plan = planned(payment("10", put(A, "10")), across(held))
        assert (plan.changes, plan.issues, plan.skipped) == ((), (), 1)


def test_a_draft_is_left_alone() -> None:
    """B53: until it is a payment."""
    assert planned(payment("10", put(A, "10"), status=Status.DRAFT)).skipped == 1


def test_what_is_agreed_is_not_compared_unless_asked_for() -> None:
    """B23: and compared, what differs there is seen."""
    paid = payment("10", put(A, "10"))
    held = link("", ref("Payment", "l1", BOOK), paid)
    plan = planned(paid, across(held))
    assert (plan.changes, plan.kept) == ((), 1)
    known = across(held, there=(paper("l1", "9", ("lA", "9")),))
    issue = refused(planned(paid, known, course(recheck=True)))
    assert issue.code is Code.POSTED_CANNOT_CHANGE


def test_of_a_payment_in_parts_only_the_missing_one_is_made() -> None:
    """B102: the one that is there is not even read."""
    paid = payment("100", put(A, "60"), put(B, "40"))
    held = link("part:i1", ref("Payment", "l1", BOOK), paid)
    change = only(planned(paid, across(held), course(per=1)))
    assert (change.action, change.role) == (Action.CREATE, "part:i2")


@pytest.mark.parametrize("there", [(), (paper("l1", "10", status=Status.VOID),)])
def test_a_document_that_is_gone_there_is_not_made_anew(
    there: tuple[Payment, ...],
) -> None:
    """B51: deleted or taken back by a person, it is for a person to say why."""
    held = link("", ref("Payment", "l1", BOOK))
    issue = refused(planned(payment("12", put(A, "12")), across(held, there=there)))
    assert (issue.code, issue.numbers) == (Code.VANISHED, ("INV-A", "P-1"))


@pytest.mark.parametrize(
    ("paid", "field"),
    [
        (payment("12", put(A, "12")), "amount"),
        (payment("10", put(A, "10"), on=TODAY), "on"),
        (payment("10", put(B, "10")), "applications"),
        (payment("10", put(A, "8"), unapplied=Decimal(2)), "applications"),
        (payment("10", put(A, "10"), customer=ref("Customer", "c2")), "customer"),
    ],
)
def test_a_changed_payment_that_cannot_be_changed_there_is_told(
    paid: Payment, field: str
) -> None:
    """B51, B144: which field, how to have it, and under the numbers of its invoices."""
    held = link("", ref("Payment", "l1", BOOK))
    known = across(
        held,
        there=(paper("l1", "10", ("lA", "10")),),
        ties={**TIES, ref("Customer", "c2"): ref("Customer", "lc2", BOOK)},
    )
    issue = refused(planned(paid, known))
    assert (issue.code, issue.field) == (Code.POSTED_CANNOT_CHANGE, field)
    assert "replace_payments=True" in issue.remedy
    assert issue.numbers[-1] == "P-1"


def test_a_contact_of_the_customer_is_the_customer() -> None:
    """B88: some systems tell a contact's payment as its customer's."""
    contact = ref("Customer", "lc/contact", BOOK)
    held = link("", ref("Payment", "l1", BOOK))
    known = across(
        held,
        there=(paper("l1", "10", ("lA", "10")),),
        ties={**TIES, OWNER: contact},
    )
    assert told(planned(payment("10", put(A, "10")), known)) == [("=", "")]


def test_a_payment_is_changed_where_the_other_side_allows_it() -> None:
    """B51: what it is put to follows its amount."""
    held = link("", ref("Payment", "l1", BOOK), version=3)
    known = across(held, there=(paper("l1", "10", ("lA", "10")),))
    way = course(kinds={**KINDS, Payment: CHANGING})
    paid = payment("30", put(A, "10"), put(B, "15"), unapplied=Decimal(5))
    change = only(planned(paid, known, way))
    assert (change.action, change.target) == (Action.UPDATE, ref("Payment", "l1", BOOK))
    assert money(change) == ("30", "5")
    assert puts(change) == [("lA", "10"), ("lB", "15")]
    assert change.link_version == 3
    narrow = evolve(CHANGING, writable=frozenset({"on"}), updates=Updates.SPARSE)
    stuck = refused(planned(paid, known, course(kinds={**KINDS, Payment: narrow})))
    assert stuck.code is Code.POSTED_CANNOT_CHANGE


def test_a_changed_payment_is_taken_back_and_made_anew_if_asked_for() -> None:
    """B51: a new document, with a name and a mark of its own; first the old one ends."""
    held = link("", ref("Payment", "l1", BOOK))
    known = across(held, there=(paper("l1", "10", ("lA", "10")),))
    void, anew = planned(payment("12", put(A, "12")), known, course(REPLACING)).changes
    assert (void.action, void.releases, void.closes) == (Action.VOID, True, True)
    assert void.target == ref("Payment", "l1", BOOK)
    assert (anew.action, anew.generation, anew.depends_on) == (
        Action.CREATE,
        1,
        (void.name,),
    )
    first = only(planned(payment("10", put(A, "10"))))
    assert anew.mark != first.mark
    assert anew.name != first.name


def test_made_anew_after_a_crash_it_has_the_same_name() -> None:
    """B102: the old one was taken back, and nothing had been made of it yet."""
    paid, there = payment("12", put(A, "12")), paper("l1", "10", ("lA", "10"))
    held = link("", there.ref)
    _, before = planned(paid, across(held, there=(there,)), course(REPLACING)).changes
    let_go = evolve(held, released=True, version=2)
    after = only(planned(paid, across(let_go, there=(there,)), course(REPLACING)))
    assert (before.name, before.mark) == (after.name, after.mark)


def test_into_billing_what_was_let_go_is_still_found_by_the_ledgers_record() -> None:
    """B51: a saved plan compares the version of the tie that it will meet."""
    paid = evolve(payment("12", customer=None), ref=ref("Payment", "p1", BOOK))
    there = evolve(paper("l1", "10"), ref=ref("Payment", "l1"), customer=None)
    held = Link("pair", there.ref, paid.ref, "", 4, BOOK)
    way = course(REPLACING, outward=False)

    def known(found: Link) -> Across:
        return across(legs={(paid.ref, ""): found}, records={there.ref: there})

    void, anew = planned(paid, known(held), way).changes
    assert (void.link_version, anew.link_version) == (4, 5)
    again = only(planned(paid, known(evolve(held, released=True, version=5)), way))
    assert again.link_version == 5


def test_money_on_account_that_is_put_to_invoices_later_is_not_there_twice() -> None:
    """B51, B98: the document of what was put to nothing ends before the parts are made."""
    paid = payment("100", put(A, "60"), put(B, "40"))
    held = link("rest", ref("Payment", "l1", BOOK))
    known = across(held, there=(paper("l1", "100"),))
    assert (
        refused(planned(paid, known, course(per=1))).code is Code.POSTED_CANNOT_CHANGE
    )
    plan = planned(paid, known, course(REPLACING, per=1))
    assert told(plan) == [("-", "rest"), ("+", "part:i1"), ("+", "part:i2")]
    assert {each.depends_on for each in plan.changes[1:]} == {(plan.changes[0].name,)}


def test_a_rest_that_is_put_to_an_invoice_later_is_not_there_twice() -> None:
    """B51, B98: the part that stays as it is is kept."""
    paid = payment("100", put(A, "60"), put(B, "40"))
    known = across(
        link("part:i1", ref("Payment", "l1", BOOK)),
        link("rest", ref("Payment", "l2", BOOK)),
        there=(paper("l1", "60", ("lA", "60")), paper("l2", "40")),
    )
    plan = planned(paid, known, course(REPLACING, per=1))
    assert told(plan) == [("-", "rest"), ("=", "part:i1"), ("+", "part:i2")]


def test_a_part_that_ended_there_already_is_let_go() -> None:
    """B101: there is nothing to take back, and nothing hinders the rest."""
    paid = payment("60", put(A, "60"))
    known = across(
        link("part:i1", ref("Payment", "l1", BOOK)),
        link("part:i2", ref("Payment", "l2", BOOK)),
        there=(paper("l1", "60", ("lA", "60")),),
    )
    plan = planned(paid, known, course(per=1))
    assert told(plan) == [("=", "part:i2"), ("=", "part:i1")]
    assert [each.releases for each in plan.changes] == [True, False]


def test_parts_that_were_made_by_other_settings_are_left_as_they_are() -> None:
    """B51: a payment that did not change is not written again because a rule did."""
    paid = payment("105", put(A, "100"), fee("5"))
    known = across(
        link("", ref("Payment", "l1", BOOK), paid),
        link("fee", ref("Invoice", "lF", BOOK), paid),
    )
    later = Settings(fees=Fees("overpayment"))
    assert planned(paid, known, course(later)).kept == 1
    assert planned(paid, known, course(CHARGING, per=1)).kept == 1


# A fee that changes -----------------------------------------------------------------------


def charged(total: str, *there: Record) -> Across:
    """A payment of 100 with a fee that was written: its invoice and its money."""
    held = (
        link("fee", ref("Invoice", "lF", BOOK)),
        link("", ref("Payment", "l1", BOOK)),
    )
    return across(
        *held,
        there=there
        or (fee_invoice(total), paper("l1", "105", ("lA", "100"), ("lF", total))),
    )


def test_a_fee_that_did_not_change_stays_while_its_payment_is_made_anew() -> None:
    """B69: the new payment is put to the invoice that is there."""
    paid = payment("95", put(A, "90"), fee("5"))
    both = evolve(CHARGING, replace_payments=True)
    void, kept, anew = planned(paid, charged("5"), course(both)).changes
    assert told(Plan((void, kept, anew))) == [("-", ""), ("=", "fee"), ("+", "")]
    assert puts(anew) == [("lA", "90"), ("lF", "5")]


def test_a_fee_that_changed_is_another_invoice_of_another_number() -> None:
    """B69: the old one ends once nothing is put to it, and the new one comes before its money."""
    paid = payment("107", put(A, "100"), fee("7"))
    both = evolve(CHARGING, replace_payments=True)
    assert refused(planned(paid, charged("5"), course(CHARGING))).code is (
        Code.POSTED_CANNOT_CHANGE
    )
    for kinds in (KINDS, {**KINDS, Payment: CHANGING}):
        plan = planned(paid, charged("5"), course(both, kinds=kinds))
        assert told(plan) == [("-", ""), ("-", "fee"), ("+", "fee"), ("+", "")]
        money, old, new, again = plan.changes
        assert old.depends_on == (money.name,)
        assert new.depends_on == (money.name, old.name)
        assert again.depends_on == (money.name, old.name, new.name)
        assert (new.number, puts(again)[-1]) == ("FEE-P-1-2", ("p1", "7"))


def test_a_fee_that_is_no_more_ends_with_its_invoice() -> None:
    """B69: the payment is made anew without it."""
    paid = payment("100", put(A, "100"))
    both = evolve(CHARGING, replace_payments=True)
    plan = planned(paid, charged("5"), course(both))
    assert told(plan) == [("-", ""), ("-", "fee"), ("+", "")]


def test_a_fee_that_came_later_is_put_to_the_payment_that_is_there() -> None:
    """B64: where a payment can be changed, it is."""
    paid = payment("105", put(A, "100"), fee("5"))
    held = link("", ref("Payment", "l1", BOOK))
    known = across(held, there=(paper("l1", "100", ("lA", "100")),))
    way = course(CHARGING, kinds={**KINDS, Payment: CHANGING})
    first, second = planned(paid, known, way).changes
    assert (first.role, second.action, second.depends_on) == (
        "fee",
        Action.UPDATE,
        (first.name,),
    )


# Taking back ------------------------------------------------------------------------------

VOID = payment("105", put(A, "100"), fee("5"), status=Status.VOID)


def test_what_was_never_written_is_not_taken_back() -> None:
    """B101: nothing is written."""
    plan = planned(VOID)
    assert (plan.changes, plan.issues, plan.skipped) == ((), (), 1)


def test_a_void_takes_back_the_money_and_then_the_fees_invoice() -> None:
    """B99, B101: every document of it, the fee's invoice last."""
    money, invoice = planned(VOID, charged("5"), course(CHARGING)).changes
    assert (money.kind, invoice.kind) == (Payment, Invoice)
    assert (money.depends_on, invoice.depends_on) == ((), (money.name,))
    assert all(c.action is Action.VOID and c.releases for c in (money, invoice))


def test_parts_are_taken_back_each_by_itself() -> None:
    """B99: one that is refused keeps no other from ending."""
    known = across(
        link("part:i1", ref("Payment", "l1", BOOK)),
        link("part:i2", ref("Payment", "l2", BOOK)),
        there=(paper("l1", "60"), paper("l2", "40")),
    )
    plan = planned(VOID, known, course(per=1))
    assert told(plan) == [("-", "part:i1"), ("-", "part:i2")]
    assert [each.depends_on for each in plan.changes] == [(), ()]


def test_what_ended_there_already_is_only_let_go() -> None:
    """B101: whether it was taken back there, or is gone altogether."""
    void = evolve(fee_invoice(), status=Status.VOID)
    for there in ((void,), ()):
        plan = planned(VOID, charged("5", paper("l1", "105"), *there))
        assert told(plan) == [("-", ""), ("=", "fee")]
        assert plan.changes[1].releases


@pytest.mark.parametrize(
    ("way", "code"),
    [
        (course(kinds=without(Payment, Verb.VOID)), Code.NOT_ALLOWED),
        (course(kinds=without(Invoice, Verb.VOID)), Code.NOT_ALLOWED),
        (course(locked_through=DAY), Code.LOCKED_PERIOD),
    ],
)
def test_what_cannot_be_taken_back_is_told_before_anything_is(
    way: Course, code: Code
) -> None:
    """B99: not half of it either."""
    assert refused(planned(VOID, charged("5"), way)).code is code


# Credits ----------------------------------------------------------------------------------

NOTED = CreditNote(NOTE, "CN-1", OWNER, "EUR", DAY, Decimal(50), Status.OPEN)


def noted(*puts_: Application, **more: Any) -> CreditNote:
    return evolve(NOTED, applications=puts_, **more)


@pytest.mark.parametrize(
    ("applied", "code"),
    [
        (credit(target=NOTE), Code.BAD_FIELD),
        (credit(currency="USD"), Code.CURRENCY_DIFFERS),
        (credit(source=OWNER), Code.NOT_ALLOWED),
        (credit(target=ref("CreditNote", "n2")), Code.BAD_FIELD),
        (credit("0"), Code.TOTALS_DISAGREE),
        (credit("-5"), Code.TOTALS_DISAGREE),
        (credit("50.01"), Code.TOTALS_DISAGREE),
        (credit(target=ref("Invoice", "i9")), Code.WAITS),
    ],
)
def test_a_credit_that_cannot_be_applied_is_told(
    applied: Application, code: Code
) -> None:
    """B96, B144: to itself, in another currency, more than it is, to what is not there."""
    held = link("", TIES[NOTE], fingerprint(NOTED), of=NOTE)
    known = across(held, links={NOTE: held})
    plan = credit_notes.plan([noted(applied)], known, course(kind=CreditNote))
    (issue,) = plan.issues
    assert (issue.code, plan.changes) == (code, ())
    assert issue.source == applied.ref


def test_a_credit_is_not_applied_to_more_than_it_is() -> None:
    """B96: however the parts are cut."""
    parts = credit("30"), credit("30", target=B)
    held = link("", TIES[NOTE], fingerprint(NOTED), of=NOTE)
    plan = credit_notes.plan([noted(*parts)], across(held), course(kind=CreditNote))
    assert [each.code for each in plan.issues] == [Code.TOTALS_DISAGREE] * 2


def test_credits_wait_for_an_open_period_and_for_a_ledger_that_takes_them() -> None:
    """B96, B152: found while planning."""
    for way, code in (
        (course(locked_through=DAY), Code.LOCKED_PERIOD),
        (course(kinds=without(Application, Verb.CREATE)), Code.NOT_ALLOWED),
    ):
        (issue,) = planned(payment("0", credit()), way=way).issues
        assert (issue.code, issue.numbers) == (code, ("INV-A", "CN-1"))


def test_a_credit_that_came_from_there_or_is_applied_already_needs_nothing() -> None:
    """B51, B63: each is tied on its own."""
    put_ = credit()
    for origin, counted in ((BOOK, "skipped"), (SHOP, "kept")):
        there = ref("Application", "la", BOOK)
        held = link("", there, put_, of=put_.ref, origin=origin)
        plan = planned(payment("0", put_), across(held))
        assert plan.changes == ()
        # A payment of nothing counts as kept, too.
        assert getattr(plan, counted) == (2 if counted == "kept" else 1)


def test_a_credit_that_ended_with_its_payment_stays_and_is_named_once() -> None:
    """B99, B100, B144: the tie remembers that it was told."""
    over = credit(live=False)
    held = link("", ref("Application", "la", BOOK), credit(), of=over.ref)
    plan = planned(payment("0", over, status=Status.VOID), across(held))
    (kept,), (note,) = plan.changes, plan.issues
    assert (kept.action, kept.releases, kept.target) == (
        Action.KEEP,
        False,
        held.ledger,
    )
    assert (note.code, note.blocking) == (Code.CREDITS_STAY, False)
    assert note.text == "30 of credit note CN-1 is still applied to invoice INV-A."
    assert note.numbers == ("INV-A", "CN-1")
    known = across(link("", held.ledger, over, of=over.ref))
    again = planned(payment("0", over, status=Status.VOID), known)
    assert (again.changes, again.issues) == ((), ())


def test_a_credit_whose_own_note_says_that_it_ended_is_taken_back() -> None:
    """B99: where the ledger can; otherwise it is named."""
    over = credit(live=False)
    note, applied = (
        link("", TIES[NOTE], fingerprint(NOTED), of=NOTE),
        link("", ref("Application", "la", BOOK), credit(), of=over.ref),
    )
    known = across(note, applied)
    for kinds, locked, wanted in (
        (KINDS, None, [Action.VOID]),
        (KINDS, DAY, []),
        (without(Application, Verb.VOID), None, [Action.KEEP]),
    ):
        way = course(kind=CreditNote, kinds=kinds, locked_through=locked)
        plan = credit_notes.plan([noted(over)], known, way)
        assert [each.action for each in plan.changes] == wanted
        codes = [each.code for each in plan.issues]
        assert (
            codes
            == {
                (): [Code.LOCKED_PERIOD],
                (Action.VOID,): [],
                (Action.KEEP,): [Code.CREDITS_STAY],
            }[tuple(wanted)]
        )


def test_a_credit_note_ends_after_its_applications() -> None:
    """B99: a ledger voids no credit that is applied."""
    over = credit(live=False)
    known = across(
        link("", TIES[NOTE], of=NOTE),
        link("", ref("Application", "la", BOOK), credit(), of=over.ref),
        there=(evolve(NOTED, ref=TIES[NOTE], customer=TIES[OWNER]),),
    )
    void = noted(over, status=Status.VOID)
    note, applied = credit_notes.plan([void], known, course(kind=CreditNote)).changes
    assert (note.action, note.depends_on) == (Action.VOID, (applied.name,))
