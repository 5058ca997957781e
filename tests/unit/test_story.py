"""The words of a story: what is shown of each kind, what is next, and what nobody hides."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from doubles import NOW

from tieout.change import Action, Issue
from tieout.errors import Code, Severity, Who
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Link,
    Payment,
    Posting,
    Ref,
    Settlement,
    Status,
)
from tieout.remedies import CATALOGUE
from tieout.store import Ending, Event, Held, Intent, IssueRow, Run, Stage
from tieout.story import Said, Story, described, in_time, left_alone

DAY = date(2026, 3, 10)
OWNER = Ref("shop:1", "Customer", "c1")
HERE = Ref("shop:1", "Invoice", "i1")
THERE = Ref("book:1", "Invoice", "i9")
LINK = Link("p", HERE, THERE)
TEN = Decimal(10)
INVOICE = Invoice(HERE, "INV-1", OWNER, "EUR", DAY, TEN, Status.OPEN)
LEVEL = Settlement(HERE, "INV-1", "EUR", TEN, TEN, Status.OPEN)
PAYMENT = Payment(evolve(HERE, kind="Payment"), OWNER, "EUR", DAY, TEN, Status.OPEN)


def intent(stage: Stage, **more: Any) -> Intent:
    """A write that is not finished."""
    given: dict[str, Any] = {
        "name": "n1",
        "pair": "p",
        "verb": "documents",
        "kind": Invoice,
        "action": Action.CREATE,
        "connection": "book:1",
        "source": HERE,
        "target": None,
        "role": "",
        "generation": 0,
        "link_version": 0,
        "number": "INV-1",
        "agreed": "a",
        "wanted": "w",
        "mark": "INV-1",
        "stage": stage,
        "attempt": 1,
        "fence": 1,
        "run": "r",
    }
    return Intent(**{**given, **more})


def row(code: Code, **more: Any) -> IssueRow:
    """Something that is open."""
    issue = Issue(code, HERE, ("INV-1",), **more)
    return IssueRow("p", "documents", "i1", issue, Held.OPEN, "r", NOW, NOW)


def ran(code: Code | None = None, **more: Any) -> Run:
    """The last run of its kind."""
    ending = Ending.FAILED if code else Ending.DONE
    given: dict[str, Any] = {"ending": ending, "ended_at": NOW, "task": "invoices"}
    return Run("r", "p", "documents", "me", NOW, "x", code=code, **{**given, **more})


def event(serial: int, at: Any = NOW, **more: Any) -> Event:
    """Something that happened."""
    return Event("r", serial, "p", at, "applied", **more)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (LEVEL, "invoice INV-1 of 10.00 EUR, open, 10.00 EUR owed"),
        (
            evolve(LEVEL, balance=Decimal(0), status=Status.SETTLED, paid_on=DAY),
            "invoice INV-1 of 10.00 EUR, settled, 0.00 EUR owed, paid on 2026-03-10",
        ),
        (INVOICE, "invoice INV-1 of 10.00 EUR, 2026-03-10, open"),
        (
            CreditNote(HERE, "CN-1", OWNER, "EUR", DAY, TEN, Status.VOID),
            "credit note CN-1 of 10.00 EUR, 2026-03-10, void",
        ),
        (evolve(PAYMENT, number="P-1"), "payment P-1 of 10.00 EUR, 2026-03-10"),
        (
            evolve(PAYMENT, reference="by post"),
            "payment by post of 10.00 EUR, 2026-03-10",
        ),
        (Customer(OWNER, "Acme", "C1"), "customer C1 Acme"),
        (Customer(OWNER, "Acme", "C1", active=False), "customer C1 Acme, not active"),
        (Posting(evolve(HERE, kind="Posting")), "posting i1"),
        (
            Application(Ref("s", "Application", "a1"), HERE, THERE, TEN, "EUR", DAY),
            "application a1",
        ),
    ],
)
def test_each_kind_of_record_is_told_in_a_line(record: Any, words: str) -> None:
    """B143: by what people recognise it by."""
    assert described(record) == words
    assert str(Said("shop:1", "billing", record)) == f"billing (shop:1) says: {words}"


def test_a_side_may_have_nothing_or_be_out_of_reach() -> None:
    """B150: nothing, and why it could not be asked, are two answers."""
    said = Said("shop:1", "billing")
    assert str(said) == "billing (shop:1) has nothing of this number"
    bad = said.troubled(Code.NOT_REACHED, "nobody answers", "")
    assert str(bad) == "billing (shop:1) could not be asked: nobody answers"
    assert bad.advice == CATALOGUE.of(Code.NOT_REACHED)
    own = said.troubled(Code.NOT_REACHED, "x", "Call them.").advice
    assert own is not None
    assert own.steps == ("Call them.",)


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (Stage.PARKED, "nothing, until somebody answers what came of the write"),
        (Stage.UNKNOWN, "the other side is looked at after a while"),
        (Stage.SENDING, "the other side is looked at after a while"),
        (Stage.PLANNED, "it is sent in the next run"),
    ],
)
def test_what_is_next_of_an_unfinished_write(stage: Stage, words: str) -> None:
    """B145: by the stage it is in."""
    story = Story(
        "INV-1", (Said("shop:1", "billing", INVOICE),), waiting=(intent(stage),)
    )
    assert story.next == (words,)
    assert str(story).splitlines()[0] == "INV-1: it is under way."
    assert story.light is (Severity.RED if stage is Stage.PARKED else Severity.GREEN)


def test_when_it_is_looked_at_is_told() -> None:
    """B145: to the minute."""
    waiting = (intent(Stage.UNKNOWN, not_before=NOW + timedelta(minutes=7)),)
    assert Story("INV-1", waiting=waiting).next == (
        "the other side is looked at after 2026-03-10 12:07",
    )


def test_the_records_own_trouble_comes_before_its_connections() -> None:
    """B145, B150: causes in that order, each once; the light is the worst of them."""
    said = Said("book:1", "the ledger").troubled(Code.NOT_REACHED, "x", "")
    story = Story(
        "INV-1",
        (said,),
        issues=(row(Code.WAITS), row(Code.WAITS, text="twice")),
        runs=(ran(Code.NOT_REACHED), ran(task="customers")),
    )
    assert story.causes == (Code.WAITS, Code.NOT_REACHED)
    assert story.light is Severity.RED
    assert [run.task for run in story.stopped] == ["invoices"]
    assert story.next == ("it is tried again in the next run",)
    assert story.remedies == (Code.WAITS.remedy, Code.NOT_REACHED.remedy)
    assert story.who == (Who.USER, Who.ADMIN)


def test_a_yellow_trouble_is_a_yellow_light() -> None:
    """B128: and none is a green one."""
    assert Story("INV-1", issues=(row(Code.WAITS),)).light is Severity.YELLOW
    assert Story("INV-1").light is Severity.GREEN


@pytest.mark.parametrize(
    ("story", "words"),
    [
        (Story("N"), "nobody knows this number."),
        (Story("N", links=(LINK,)), "it is carried."),
        (
            Story("N", links=(LINK,), runs=(ran(Code.NOT_REACHED),)),
            "it is carried; the last run ended early.",
        ),
        (
            Story("N", happened=(event(1),), runs=(ran(Code.NOT_REACHED),)),
            "it was not carried yet; the last run ended early.",
        ),
        (
            Story("N", happened=(event(1),), reasons=("it is a draft",)),
            "it is left alone, by rule.",
        ),
        (Story("N", happened=(event(1),)), "it was not carried yet."),
        (
            Story("N", issues=(row(Code.STALE_PLAN, text="its source has changed."),)),
            "Its source has changed.",
        ),
        (Story("N", issues=(row(Code.STALE_PLAN),)), Code.STALE_PLAN.meaning),
        (
            Story("N", links=(LINK,), ignored=(row(Code.REFUSED),)),
            f"it is left alone, because somebody said so: {Code.REFUSED.meaning}",
        ),
        (
            Story("N", issues=(row(Code.WAITS), row(Code.REFUSED))),
            f"{Code.WAITS.meaning} {Code.REFUSED.meaning}",
        ),
    ],
)
def test_a_story_begins_with_its_verdict(story: Story, words: str) -> None:
    """B141: in one sentence."""
    assert str(story).splitlines()[0] == f"N: {words}"


def test_a_run_that_did_not_end_is_told_by_its_beginning() -> None:
    """B155: a crash leaves no end."""
    story = Story("N", runs=(ran(Code.LEASE_LOST, ended_at=None),))
    assert "the last run of invoices ended early at 2026-03-10 12:00" in str(story)


def test_every_part_of_a_story_has_its_lines() -> None:
    """B143, B145: in one order, nothing twice."""
    tie = evolve(LINK, role="fee")
    told = event(1, kind=Invoice, source=HERE, target=THERE, text="it is new")
    bare = event(2, kind=Invoice)
    seen = evolve(event(3), what="proved absent", kind=Invoice)
    story = Story(
        "INV-1",
        (Said("shop:1", "billing", INVOICE),),
        (tie,),
        (told, bare, seen),
        issues=(row(Code.TOTAL_DIFFERS, field="total"),),
    )
    number = story.issues[0].id
    cause = f"TOTAL_DIFFERS [total]: {Code.TOTAL_DIFFERS.meaning}"
    assert str(story).splitlines() == [
        f"INV-1: {Code.TOTAL_DIFFERS.meaning}",
        "  billing (shop:1) says: invoice INV-1 of 10.00 EUR, 2026-03-10, open",
        "  tied: shop:1 invoice i1 is book:1 invoice i9 (fee)",
        "  what happened:",
        "    2026-03-10 12:00  invoice applied: book:1 invoice i9 it is new",
        "    2026-03-10 12:00  invoice applied",
        "    2026-03-10 12:00  invoice was looked for and is not there yet",
        f"  open since 2026-03-10 12:00, met once ({number}): {cause}",
        "  next: it is tried again when the record or the settings change, by a retry, or by a sync of all",
        "  who can put it right: user",
        f"  you can: {Code.TOTAL_DIFFERS.remedy}",
        f"  you can: then retry {number}, or ignore {number} to leave it alone",
    ]
    many = evolve(story.issues[0], attempts=3)
    assert "met 3 times" in str(evolve(story, issues=(many,)))


def test_events_are_told_in_their_order_and_once() -> None:
    """B147: by time; within a moment by the hold, then by their count."""
    late = event(3, NOW + timedelta(hours=1))
    first, second = event(1, fence=1), event(2, fence=1)
    other = evolve(event(1, fence=2), run="a")
    given = [late, other, second, first, second]
    assert in_time(given) == (first, second, other, late)


@pytest.mark.parametrize(
    ("record", "carried", "asleep", "words"),
    [
        (INVOICE, True, None, []),
        (
            INVOICE,
            False,
            None,
            ["by the settings, Invoice records do not go from billing"],
        ),
        (
            LEVEL,
            False,
            None,
            ["by the settings, Invoice records do not go from billing"],
        ),
        (
            evolve(INVOICE, status=Status.DRAFT),
            True,
            None,
            ["it is a draft in billing, and is carried once it is final"],
        ),
        (
            evolve(INVOICE, status=Status.VOID),
            True,
            None,
            ["it was voided in billing before it was carried"],
        ),
    ],
)
def test_why_a_record_is_left_alone(
    record: Any, carried: bool, asleep: Customer | None, words: list[str]
) -> None:
    """B141: the rule, in words."""
    assert [*left_alone(record, "billing", carried=carried, asleep=asleep)] == words


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Customer(OWNER, "Acme", "C1", active=False), "C1"),
        (Customer(OWNER, "Acme", active=False), "Acme"),
        (Customer(OWNER, "", active=False), "c1"),
    ],
)
def test_an_inactive_customer_is_named(owner: Customer, name: str) -> None:
    """B89: by its number, its name, or its id."""
    (told,) = left_alone(INVOICE, "the ledger", carried=True, asleep=owner)
    assert told.startswith(f"its customer {name} is not active")
