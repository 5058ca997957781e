"""
Twelve failures as support meets them: why names the cause and the remedy, the fix is made
on the other side, one call carries the record, and the log shows both rounds.

Between doubles of Invoiced and Sage Intacct, whose words are the vendor's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, field, frozen

import tieout
from offices import DAY, HOUR, LEVELS, SINCE, Vendors
from tieout.errors import Code
from tieout.plan import Plan
from tieout.report import Report
from tieout.story import Story

NUMBER = "INV-1"


@define
class Desk:
    """What an office does in Invoiced, and what a bookkeeper does in Intacct."""

    vendors: Vendors
    owner: int = 0
    bill: int = 0
    bolt: str = ""
    plans: list[Plan] = field(factory=list)

    @property
    def intacct(self) -> Any:
        """The double of Sage Intacct."""
        return self.vendors.intacct

    def invoice(self, **more: Any) -> None:
        """The invoice that all this is about."""
        given = {"on": DAY, **more}
        self.bill = self.vendors.invoiced.add_invoice(
            NUMBER, self.owner, "100", **given
        )

    def pay(self) -> None:
        """It is carried, and then paid in part."""
        self.vendors.sync()
        self.vendors.invoiced.pay(self.bill, "40", DAY)

    def why(self) -> Story:
        """What one call tells."""
        return self.vendors.engine().why(NUMBER)

    def papers(self) -> list[dict[str, Any]]:
        """The live invoices of the number in Intacct."""
        return [e for e in self.vendors.papers(NUMBER) if e["STATE"] != "Reversed"]


Act = Callable[[Desk], Any]


@frozen
class Failure:
    """
    How it is staged, what why has to say of it, and how it is put right.

    ``rounds`` are what the log shows of the number, the looks before a first write left
    out; ``company`` and ``given`` are arguments of the double and of the connector.
    """

    name: str
    stage: Act
    code: Code
    words: str
    fix: Act
    rounds: tuple[tuple[str, Code | None], ...]
    run: bool = False
    """Whether the run ended as a whole: then that is among the log of runs."""
    company: dict[str, Any] = field(factory=dict)
    given: dict[str, Any] = field(factory=dict)
    rules: dict[str, Any] = field(factory=dict)


# Staging ----------------------------------------------------------------------------------


def new_password(desk: Desk) -> None:
    desk.invoice()
    desk.intacct.revoke()


def collision(desk: Desk) -> None:
    """Somebody typed an invoice of that number for another customer."""
    desk.invoice()
    other = desk.intacct.add_customer("Bolt", "B7")
    desk.bolt = desk.intacct.add_invoice(NUMBER, other, "70", on=DAY)


def numbers_by_hand(desk: Desk) -> None:
    desk.invoice()
    desk.pay()


def catch_all(desk: Desk) -> None:
    desk.invoice()
    desk.intacct.hiccup(of="create_invoice")


def foreign_payment(desk: Desk) -> None:
    desk.invoice(currency="EUR")
    desk.pay()


def crowded(desk: Desk) -> None:
    desk.invoice()
    desk.intacct.crowd(9, of="create_invoice")


def closed(desk: Desk) -> None:
    desk.invoice()
    desk.intacct.lock_through(DAY)


def asleep(desk: Desk) -> None:
    desk.invoice()
    desk.intacct.edit_customer("C1", STATUS="inactive")


def unknown(desk: Desk) -> None:
    """An invoice that was made in the ledger, and paid."""
    customer = desk.intacct.add_customer("Acme", "C1")
    paper = desk.intacct.add_invoice(NUMBER, customer, "100", on=DAY)
    desk.intacct.pay(paper, "40", DAY)


def lost(desk: Desk) -> None:
    desk.invoice()
    desk.intacct.lose(of="create_invoice")
    # A sync of all kinds would look at it in its next step.
    desk.vendors.engine().sync_invoices(SINCE)


def stale(desk: Desk) -> None:
    """A plan is made, the invoice is changed, and then the plan is applied."""
    desk.invoice()
    desk.plans.append(desk.vendors.engine().plan_invoices(SINCE))
    desk.vendors.clock.advance(HOUR)
    desk.vendors.invoiced.edit_invoice(
        desk.bill, items=[{"name": "work", "quantity": 1, "unit_cost": 110}]
    )
    desk.vendors.engine().apply(desk.plans[0])


def denied(desk: Desk) -> None:
    desk.invoice()
    desk.intacct.deny("ARINVOICE")


# Putting right ----------------------------------------------------------------------------


def nothing(desk: Desk) -> None:
    """It passes by itself."""


FAILURES = (
    Failure(
        "401",
        new_password,
        Code.SIGN_IN_REFUSED,
        "Check the company id (Company > Setup > Company",
        lambda desk: desk.vendors.given.update(password="user-secret, changed"),
        (("applied", None),),
        run=True,
    ),
    Failure(
        "number collision",
        collision,
        Code.NUMBER_MEANS_ANOTHER_DOCUMENT,
        "otherwise renumber one",
        lambda desk: desk.intacct.edit_invoice(desk.bolt, RECORDID="B-1"),
        (("issue", Code.NUMBER_MEANS_ANOTHER_DOCUMENT), ("applied", None)),
    ),
    Failure(
        "payment batch key",
        numbers_by_hand,
        Code.NOT_ALLOWED,
        "summary frequency of payments to daily or monthly",
        lambda desk: desk.intacct.make_summaries(),
        (("applied", None), ("rejected", Code.NOT_ALLOWED), ("applied", None)),
        company={"summaries_by_hand": True},
    ),
    Failure(
        "DL02000001",
        catch_all,
        Code.BAD_FIELD,
        "a field that was asked for does not exist",
        nothing,
        (("rejected", Code.BAD_FIELD), ("applied", None)),
    ),
    Failure(
        "BL02000051",
        foreign_payment,
        Code.NOT_ALLOWED,
        "give deposit_accounts a bank account",
        lambda desk: desk.vendors.given.update(
            deposit_accounts={"*/*": "undeposited:1050", "EUR/*": "BOAEUR"}
        ),
        (("applied", None), ("rejected", Code.NOT_ALLOWED), ("applied", None)),
        given={"deposit_accounts": {"*/*": "undeposited:1050"}, "base_currency": ""},
    ),
    Failure(
        "too many operations",
        crowded,
        Code.TOO_MANY_REQUESTS,
        "the run waited, and goes on next time",
        nothing,
        (("not sent", Code.TOO_MANY_REQUESTS), ("applied", None)),
        run=True,
    ),
    Failure(
        "closed period",
        closed,
        Code.LOCKED_PERIOD,
        "Open the period in Intacct",
        lambda desk: desk.intacct.lock_through(None),
        (("rejected", Code.LOCKED_PERIOD), ("applied", None)),
    ),
    Failure(
        "inactive customer",
        asleep,
        Code.REFUSED,
        "Make the customer active in Intacct",
        lambda desk: desk.intacct.edit_customer("C1", STATUS="active"),
        (("rejected", Code.REFUSED), ("applied", None)),
    ),
    Failure(
        "unknown invoice",
        unknown,
        Code.NOT_IN_BILLING,
        "compare the invoice numbers",
        lambda desk: desk.invoice(),
        (("issue", Code.NOT_IN_BILLING), ("applied", None)),
        rules={"directions": LEVELS, "fees": None},
    ),
    Failure(
        "lost answer",
        lost,
        Code.OUTCOME_UNKNOWN,
        "the other side is looked at once the answer can no longer be late",
        nothing,
        (("unknown", Code.ANSWER_LOST), ("adopted", None)),
    ),
    Failure(
        "stale plan",
        stale,
        Code.STALE_PLAN,
        "Make a new plan",
        nothing,
        (("issue", Code.STALE_PLAN), ("applied", None)),
    ),
    Failure(
        "missing permission",
        denied,
        Code.PERMISSION_MISSING,
        "Give the web services user the permission that is named",
        lambda desk: desk.intacct.allow("ARINVOICE"),
        (("applied", None),),
        run=True,
    ),
)
each_failure = pytest.mark.parametrize(
    "failure", FAILURES, ids=[f.name for f in FAILURES]
)
TOLD = ("lost answer", "stale plan")
"""What its staging has met already: a sync would carry it at once."""


def staged(failure: Failure) -> Desk:
    """It has gone wrong."""
    desk = Desk(Vendors({**failure.rules}, {**failure.company}, {**failure.given}))
    desk.owner = desk.vendors.invoiced.add_customer(
        "Acme", "C1", email="a@acme.example"
    )
    desk.vendors.sync()
    failure.stage(desk)
    if failure.name not in TOLD:
        desk.vendors.sync()
    return desk


@each_failure
def test_it_is_explained_put_right_and_carried(failure: Failure) -> None:
    """B107, B139, B141, B143, B145 to B147: why, fix, force again; both rounds on record."""
    desk = staged(failure)
    story = desk.why()
    assert failure.code in story.causes
    assert any(failure.words in step for step in story.remedies), story.remedies
    assert failure.code.name in str(story)
    assert story.light is failure.code.severity
    failure.fix(desk)
    desk.vendors.clock.advance(HOUR)
    reports = desk.vendors.sync()
    assert all(report.ok for report in reports)
    after = desk.why()
    assert after.causes == ()
    assert str(after).startswith(f"{NUMBER}: it is carried.")
    told = [(e.what, e.code) for e in after.happened if e.what != "proved absent"]
    assert tuple(told) == failure.rounds
    assert len(desk.papers()) == 1
    assert list(desk.vendors.engine().issues()) == []
    if failure.run:
        (event, *_) = desk.vendors.engine().events(code=failure.code)
        ended = [e for e in desk.vendors.engine().runs() if e.code is failure.code]
        assert event.at < after.happened[-1].at
        assert ended[0].task in str(story)


RETRIED = [f for f in FAILURES if not f.run and f.name != "lost answer"]


@pytest.mark.parametrize("failure", RETRIED, ids=[f.name for f in RETRIED])
def test_one_retry_is_enough(failure: Failure) -> None:
    """B104, B105, B146: by the issue that why names, without a sync of all the rest."""
    desk = staged(failure)
    (row, *others) = desk.why().issues
    assert not others
    assert f"({row.id})" in str(desk.why())
    failure.fix(desk)
    desk.vendors.clock.advance(HOUR)
    report: Report = desk.vendors.engine().retry(row.id)
    assert report.ok
    story = desk.why()
    assert story.causes == ()
    assert [e.what for e in story.happened if e.what == "tried again"] == [
        "tried again"
    ]
    assert len(desk.papers()) == 1


def test_the_vendors_own_word_for_a_number_collision_is_told_too() -> None:
    """B107, B145: where the other document cannot be seen beforehand."""
    desk = Desk(Vendors())
    desk.owner = desk.vendors.invoiced.add_customer(
        "Acme", "C1", email="a@acme.example"
    )
    desk.vendors.sync()
    desk.invoice()
    words = "A transaction with the number 'INV-1' already exists."
    desk.intacct.refuse("BL01001973", words, of="create_invoice")
    desk.vendors.sync()
    story = desk.why()
    assert story.causes == (Code.DUPLICATE_NUMBER,)
    assert words in str(story)
    assert any("Choose a unique number" in step for step in story.remedies)
    assert desk.vendors.engine().retry(story.issues[0]).ok
    assert desk.why().light is tieout.Severity.GREEN


def test_a_run_that_ended_as_a_whole_names_the_connection_and_what_to_do() -> None:
    """B150: 401 and a missing permission: no record is at fault, and each is told so."""
    for failure in FAILURES:
        if failure.code not in (Code.SIGN_IN_REFUSED, Code.PERMISSION_MISSING):
            continue
        desk = staged(failure)
        story = desk.why()
        assert story.issues == ()
        assert story.said[0].record is not None
        assert story.said[1].code is failure.code
        assert "the ledger (intacct:acme) could not be asked" in str(story)
        assert "nothing goes by this connection until a person has put it right" in (
            story.next
        )
        (_, ledger) = desk.vendors.engine().connections()
        assert ledger.code is failure.code or any(
            "ARINVOICE" in e for e in ledger.missing
        )
