"""What could not be carried: listed once, tried again, left alone, and on record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from attrs import define, evolve

import tieout
from offices import DAY, HOUR, SINCE, Offices, Vendors
from tieout.change import Action, Change, Outcome
from tieout.connectors.intacct.errors import Trouble, verdict
from tieout.errors import Code, ConfigError, Fault, Severity
from tieout.models import Customer, Ref
from tieout.settings import Settings
from tieout.store import Expect, Held, IssueRow, key
from tieout.story import in_time
from tieout.wire import Answer
from worlds import World, refused

LAST = tieout.Since.LAST_RUN


# Four ways in which a record can fail --------------------------------------------------------


@define
class Case:
    """A record that cannot be carried, and what a person does about it."""

    sync: Callable[..., Any]
    engine: Callable[[], tieout.Engine]
    mend: Callable[[], Any]
    touch: Callable[[], Any]
    carried: Callable[[], bool]
    code: Code
    later: Callable[[timedelta], None]
    number: str = "INV-1"

    def rows(self, **more: Any) -> list[IssueRow]:
        """What is open."""
        return list(self.engine().issues(**more))


def level_that_differs() -> Case:
    """A level whose total is another in billing."""
    world = World()
    paper, bill = world.both("INV-1", 50)
    world.ledger.apply(paper, 50)
    world.billing.edit(bill, total=tieout.Money("60", "USD").amount)
    return Case(
        lambda since=LAST: _levels(world, since),
        world.engine,
        lambda: world.billing.edit(bill, total=tieout.Money("50", "USD").amount),
        lambda: world.ledger.edit(paper, reference=f"{world.clock.now()}"),
        lambda: bool(world.billing.shows(bill)[0]),
        Code.NUMBER_MEANS_ANOTHER_DOCUMENT,
        world.clock.advance,
    )


def level_that_is_refused() -> Case:
    """A level that billing does not want to show."""
    world = World()
    paper, bill = world.both("INV-1", 50)
    world.ledger.apply(paper, 50)
    write = world.billing._write
    frozen = [True]

    def freeze(change: Change) -> Outcome:
        if frozen:
            raise refused()
        return write(change)

    world.billing._write = freeze  # type: ignore[method-assign]
    return Case(
        lambda since=LAST: _levels(world, since),
        world.engine,
        frozen.clear,
        lambda: world.ledger.edit(paper, reference=f"{world.clock.now()}"),
        lambda: bool(world.billing.shows(bill)[0]),
        Code.REFUSED,
        world.clock.advance,
    )


def _levels(world: World, since: Any) -> Any:
    known = world.engine().last_runs()
    if not known:
        world.clock.advance(HOUR)
    report = world.sync(since if known else SINCE)
    world.clock.advance(HOUR)
    return report


def document_that_collides() -> Case:
    """An invoice whose number means another one in the ledger."""
    offices = Offices()
    bill = offices.invoice("INV-1", offices.customer())
    other = offices.entered("INV-1", 70, "Bolt")
    return Case(
        lambda since=LAST: _documents(offices, since),
        offices.engine,
        lambda: offices.book.put(evolve(other, number="B-1")),
        lambda: offices.touch(bill),
        lambda: len(offices.book.of(tieout.Invoice)) == 2,
        Code.NUMBER_MEANS_ANOTHER_DOCUMENT,
        offices.clock.advance,
    )


def document_that_is_refused() -> Case:
    """An invoice that the ledger does not want."""
    offices = Offices()
    bill = offices.invoice("INV-1", offices.customer())
    offices.ledger.fate = lambda change: "refused" if change.number == "INV-1" else ""

    def mend() -> None:
        offices.ledger.fate = lambda change: ""

    return Case(
        lambda since=LAST: _documents(offices, since),
        offices.engine,
        mend,
        lambda: offices.touch(bill),
        lambda: len(offices.book.of(tieout.Invoice)) == 1,
        Code.REFUSED,
        offices.clock.advance,
    )


def _documents(offices: Offices, since: Any) -> Any:
    engine = offices.engine()
    known = engine.last_runs()
    if not known:
        offices.clock.advance(HOUR)
    report = engine.sync_invoices(since if known else SINCE)
    offices.clock.advance(HOUR)
    return report


CASES = (
    level_that_differs,
    level_that_is_refused,
    document_that_collides,
    document_that_is_refused,
)
each_way = pytest.mark.parametrize("make", CASES, ids=lambda each: each.__name__)
Make = Callable[[], Case]


# Listed -----------------------------------------------------------------------------------


@each_way
def test_a_record_that_fails_is_listed_with_its_reason(make: Make) -> None:
    """B103: by code, by number, with what is wrong and what to do."""
    case = make()
    report = case.sync()
    assert not report.ok
    (row,) = case.rows()
    assert (row.issue.code, row.issue.numbers, row.held) == (
        case.code,
        (case.number,),
        Held.OPEN,
    )
    assert case.number in str(row.issue)
    assert row.issue.remedy or row.issue.code.remedy
    assert case.rows(number=f" {case.number} ") == case.rows(code=case.code) == [row]
    assert case.rows(number="INV-2") == case.rows(code=Code.PARKED) == []
    assert case.rows(ignored=True) == []


@each_way
def test_a_record_never_has_two_open_issues(make: Make) -> None:
    """B105: whatever is tried, and however often: one row, which knows since when."""
    case = make()
    case.sync()
    (first,) = case.rows()
    case.sync(SINCE)
    case.engine().retry(first.id)
    case.engine().sync_now()
    case.touch()
    case.sync()
    (row,) = case.rows()
    assert (row.id, row.first_at) == (first.id, first.first_at)
    assert row.last_at > first.last_at
    assert row.attempts > first.attempts
    assert len(case.rows(number=case.number)) == 1


def test_one_failure_does_not_stop_the_others() -> None:
    """B106: of ten invoices the third is refused, and the others are carried."""
    offices = Offices()
    owner = offices.customer()
    for place in range(10):
        offices.invoice(f"INV-{place}", owner)
    offices.ledger.fate = lambda change: "refused" if change.number == "INV-3" else ""
    offices.sync()
    assert len(offices.book.of(tieout.Invoice)) == 9
    assert [row.issue.numbers for row in offices.issues()] == [("INV-3",)]


def test_what_is_open_is_counted_by_kind_and_light_and_has_an_age() -> None:
    """B103, B127: how many, of which kinds, with which lights, and since when."""
    offices = Offices()
    engine = offices.engine()
    assert engine.standing().age(offices.clock.now()) == timedelta(0)
    owner = offices.customer()
    for number in ("INV-1", "INV-2"):
        offices.invoice(number, owner)
    offices.entered("INV-2", 70, "Bolt")
    offices.ledger.fate = lambda change: "refused" if change.number == "INV-1" else ""
    begun = offices.clock.now()
    offices.sync()
    offices.pay(owner, i2=10, i3=10)
    offices.sync()
    standing = offices.engine().standing()
    assert standing.count == 3
    assert standing.by_code == {
        Code.NUMBER_MEANS_ANOTHER_DOCUMENT: 1,
        Code.REFUSED: 1,
        Code.WAITS: 1,
    }
    assert standing.by_light == {
        Severity.RED: 2,
        Severity.YELLOW: 1,
        Severity.GREEN: 0,
    }
    assert standing.oldest == begun
    assert standing.age(offices.clock.now()) == 2 * HOUR


def test_a_word_about_a_record_is_no_trouble_and_has_not_begun_one() -> None:
    """B103: a warning is not open, and an issue that follows it is not as old as it."""
    world = World()
    paper, bill = world.both("INV-1", 50)
    world.ledger.apply(paper, 60)
    world.sync()
    assert list(world.engine().issues()) == []
    world.clock.advance(HOUR)
    world.ledger.edit(paper, total=tieout.Money("70", "USD").amount)
    world.sync()
    (row,) = world.engine().issues()
    assert row.issue.code is Code.TOTAL_DIFFERS
    assert (row.first_at, row.attempts) == (world.clock.now(), 1)
    assert world.billing.shows(bill)[0] == 50


# Tried again ------------------------------------------------------------------------------


@each_way
def test_a_retry_that_succeeds_closes_the_issue(make: Make) -> None:
    """B104, B105, B146: put right by hand, tried again by one call, and gone."""
    case = make()
    case.sync()
    (row,) = case.rows()
    case.mend()
    report = case.engine().retry(row, by="Ada")
    assert report.ok
    assert case.carried()
    assert case.rows() == case.rows(ignored=True) == []
    said = in_time([*case.engine().events(number=case.number)])
    assert [(e.what, e.text) for e in said][-1][0] == "applied"
    assert ("tried again", "by Ada") in [(e.what, e.text) for e in said]


@each_way
def test_a_retry_that_fails_updates_the_issue(make: Make) -> None:
    """B105: the same row, one attempt more, and no second one."""
    case = make()
    case.sync()
    (before,) = case.rows()
    report = case.engine().retry(before)
    assert not report.ok
    (after,) = case.rows()
    assert (after.id, after.issue.code) == (before.id, before.issue.code)
    assert (after.attempts, after.run) == (before.attempts + 1, report.run)
    assert not case.carried()


def test_a_retry_that_fails_otherwise_says_so_in_the_same_row() -> None:
    """B105, B147: a second error appears when the first is put right."""
    offices = Offices()
    offices.invoice("INV-1", offices.customer())
    other = offices.entered("INV-1", 70, "Bolt")
    offices.sync()
    (first,) = offices.issues()
    offices.book.put(evolve(other, number="B-1"))
    offices.ledger.locked_through = DAY
    offices.clock.advance(timedelta(days=2))
    offices.engine().retry(first)
    (second,) = offices.issues()
    assert second.id == first.id
    assert [first.issue.code, second.issue.code] == [
        Code.NUMBER_MEANS_ANOTHER_DOCUMENT,
        Code.LOCKED_PERIOD,
    ]


@each_way
def test_it_is_not_tried_again_while_nothing_changed(make: Make) -> None:
    """B104: a run by schedule sends no hopeless write a second time."""
    case = make()
    case.sync()
    case.mend()
    case.engine().sync_now(retry=False)
    assert not case.carried()
    assert len(case.rows()) == 1


@each_way
def test_it_is_tried_again_when_its_source_changes(make: Make) -> None:
    """B105: by the next run, without anybody asking for it."""
    case = make()
    case.sync()
    case.mend()
    case.touch()
    case.sync()
    assert case.carried()
    assert case.rows() == []


def test_it_is_tried_again_when_the_settings_change() -> None:
    """B105: a rule or a mapping that was put right is enough."""
    offices = Offices()
    offices.invoice("INV-1", offices.customer())

    def needs_a_place(change: Change) -> str:
        lines = getattr(change.after, "lines", ())
        placed = all("location" in line.dimensions for line in lines)
        return "" if placed else "refused"

    offices.ledger.fate = needs_a_place
    offices.sync()
    assert len(offices.issues()) == 1
    offices.rules["dimensions"] = {"location": "100"}
    offices.sync(retry=False)
    assert offices.issues() == []
    assert len(offices.book.of(tieout.Invoice)) == 1


def test_an_issue_that_is_gone_is_refused() -> None:
    """B104: a clear word, and nothing is sent."""
    case = document_that_is_refused()
    case.sync()
    (row,) = case.rows()
    case.mend()
    case.engine().retry(row)
    for gone in (row, row.id, "no such"):
        with pytest.raises(ConfigError, match="there is no issue"):
            case.engine().retry(gone)
        with pytest.raises(ConfigError, match="there is no issue"):
            case.engine().ignore(gone)


def test_an_issue_that_names_no_record_waits_for_the_next_run() -> None:
    """B104: nothing can be asked for by name."""
    case = document_that_is_refused()
    case.sync()
    (row,) = case.rows()
    nameless = evolve(row, about="?", issue=evolve(row.issue, source=None))
    engine = case.engine()
    assert engine._store.commit(nameless)
    with pytest.raises(ConfigError, match="names no record"):
        engine.retry(nameless)


def test_what_a_caller_planned_is_planned_anew_by_the_caller() -> None:
    """B104: it is listed with the rest, and the engine makes no plan of its own of it."""
    offices = Offices()
    owner = offices.customer()
    offices.ledger.fate = lambda change: "refused"
    made = Change(
        "mine",
        Action.CREATE,
        Customer,
        "book:1",
        owner.ref,
        after=evolve(owner, ref=Ref("book:1", "Customer", "")),
        number="C1",
        agreed=tieout.fingerprint(owner),
    )
    engine = offices.engine()
    engine.apply(engine.plan_changes([made], verb="my own"))
    (row,) = engine.issues()
    assert (row.verb, row.issue.code) == ("my own", Code.REFUSED)
    with pytest.raises(ConfigError, match="make a new plan"):
        engine.retry(row)
    engine.ignore(row)
    assert list(engine.issues()) == []


# Left alone -------------------------------------------------------------------------------


@each_way
def test_an_ignored_issue_is_quiet_until_the_record_changes(make: Make) -> None:
    """B104: by schedule, by hand and from a date: it is not listed, told or tried."""
    case = make()
    case.sync()
    (row,) = case.rows()
    case.engine().ignore(row.id, by="Ada")
    case.mend()
    for quiet in (case.sync(), case.sync(SINCE), *case.engine().sync_now()):
        assert quiet.ok
        assert list(quiet.issues) == []
    assert not case.carried()
    assert case.rows() == []
    (left,) = case.rows(ignored=True)
    assert (left.id, left.attempts) == (row.id, row.attempts)
    assert case.engine().standing().count == 0
    told = [(e.what, e.text) for e in case.engine().events(number=case.number)]
    assert told[-1] == ("ignored", "by Ada")
    case.touch()
    case.sync()
    assert case.carried()
    assert case.rows() == case.rows(ignored=True) == []


@each_way
def test_an_ignored_issue_opens_again_with_the_record(make: Make) -> None:
    """B104, B105: it changed and cannot be carried still; it is the same row."""
    case = make()
    case.sync()
    (row,) = case.rows()
    case.engine().ignore(row)
    case.touch()
    case.sync()
    (again,) = case.rows()
    assert (again.id, again.issue.code) == (row.id, row.issue.code)
    assert case.rows(ignored=True) == []


@each_way
def test_an_ignored_issue_can_be_taken_up_again(make: Make) -> None:
    """B104: by the same call that tries any other."""
    case = make()
    case.sync()
    (row,) = case.rows()
    case.engine().ignore(row)
    case.mend()
    assert case.engine().retry(row).ok
    assert case.carried()
    assert case.rows() == case.rows(ignored=True) == []


@pytest.mark.parametrize("rules", [{"take_over": True}, {"tolerance": {}}])
def test_other_rules_do_not_wake_what_is_ignored(rules: dict[str, Any]) -> None:
    """B104: a person said so of the record, and the record is as it was."""
    world = World()
    paper, bill = world.both("INV-1", 50)
    world.ledger.apply(paper, 50)
    world.billing.edit(bill, total=tieout.Money("60", "USD").amount)
    world.sync()
    (row,) = world.engine().issues()
    world.engine().ignore(row)
    world.settings = Settings(**rules)
    world.sync()
    assert list(world.engine().issues()) == []
    assert len(list(world.engine().issues(ignored=True))) == 1


def test_what_is_in_order_by_now_is_ignored_no_longer() -> None:
    """B105: the list of what is left alone holds no ghosts."""
    offices = Offices()
    bill = offices.invoice("INV-1", offices.customer())
    offices.entered("INV-1", 70, "Bolt")
    offices.sync()
    (row,) = offices.issues()
    offices.engine().ignore(row)
    offices.shop.void(bill.ref, tieout.Invoice)
    offices.sync()
    assert offices.issues() == offices.issues(ignored=True) == []


def test_an_issue_that_a_run_has_just_closed_is_not_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """B104: two people, or a person and a run, at one moment: the second looks again."""
    case = document_that_is_refused()
    case.sync()
    (row,) = case.rows()
    engine = case.engine()
    commit = engine._store.commit

    def later(*facts: Any, expect: Any = ()) -> bool:
        assert commit(evolve(row, issue=evolve(row.issue, text="something else")))
        return commit(*facts, expect=expect)

    monkeypatch.setattr(engine._store, "commit", later)
    with pytest.raises(ConfigError, match="has just changed"):
        engine.ignore(row)
    monkeypatch.undo()
    (now,) = case.rows()
    assert now.issue.text == "something else"
    assert not Expect(IssueRow, key(row), {"issue": row.issue}).holds(now)


# Payments ---------------------------------------------------------------------------------


def test_a_payments_issue_is_found_under_each_of_its_invoices() -> None:
    """B143, B144: it waits, then it is refused; both are found by either number."""
    offices = Offices()
    owner = offices.customer()
    one, two = (offices.invoice(number, owner) for number in ("INV-1", "INV-2"))
    offices.ledger.fate = lambda change: "refused" if change.number == "INV-2" else ""
    offices.sync()
    paid = offices.pay(owner, "P-1", **{one.ref.id: 60, two.ref.id: 20})
    offices.sync()
    for number in ("INV-1", "INV-2", "P-1"):
        (row,) = offices.issues(number=number, code=Code.WAITS)
        assert row.issue.source == paid.ref
        assert {"INV-1", "INV-2"} < {*row.issue.numbers}
    offices.ledger.fate = lambda change: "refused" if change.number == "P-1" else ""
    offices.sync()
    for number in ("INV-1", "INV-2", "P-1"):
        (row,) = offices.issues(number=number)
        assert (row.issue.source, row.issue.code) == (paid.ref, Code.REFUSED)
        told = [e for e in offices.engine().events(number=number) if e.code]
        assert told[-1].source == paid.ref
    offices.ledger.fate = lambda change: ""
    offices.sync()
    assert offices.issues() == []
    for number in ("INV-1", "INV-2", "P-1"):
        *_, last = offices.engine().events(number=number)
        assert (last.what, last.source) == ("applied", paid.ref)


# The log ----------------------------------------------------------------------------------


def test_several_rounds_each_leave_an_event_and_success_closes_them() -> None:
    """B146, B147: refused twice for two reasons, then carried: all three are on record."""
    vendors = Vendors()
    owner = vendors.invoiced.add_customer("Acme", "C1", email="a@acme.example")
    vendors.sync()
    vendors.invoiced.add_invoice("INV-1", owner, "100", on=DAY)
    vendors.intacct.edit_customer("C1", STATUS="inactive")
    vendors.intacct.lock_through(DAY)
    vendors.sync()
    vendors.intacct.edit_customer("C1", STATUS="active")
    vendors.sync()
    vendors.intacct.lock_through(None)
    vendors.sync()
    told = [
        (event.what, event.code)
        for event in vendors.engine().events(number="INV-1")
        if event.what != "proved absent"
    ]
    assert told == [
        ("rejected", Code.REFUSED),
        ("rejected", Code.LOCKED_PERIOD),
        ("applied", None),
    ]
    assert list(vendors.engine().issues()) == []


def test_events_are_found_by_number_run_code_and_time() -> None:
    """B143, B155: and in the order in which they happened."""
    offices = Offices()
    owner = offices.customer()
    offices.invoice("INV-1", owner)
    offices.ledger.fate = lambda change: "refused" if change.number == "INV-1" else ""
    first = offices.clock.now()
    reports = offices.sync()
    offices.ledger.fate = lambda change: ""
    second = offices.clock.now()
    offices.sync()
    engine = offices.engine()
    every = list(engine.events())
    assert [e.at for e in every] == sorted(e.at for e in every)
    assert {e.number for e in map(_one, every)} == {"C1", "INV-1"}
    refusals = list(engine.events(code=Code.REFUSED))
    assert [(e.what, e.at) for e in refusals] == [("rejected", first)]
    assert list(engine.events(since=second)) == [e for e in every if e.at >= second]
    assert list(engine.events(until=first)) == [e for e in every if e.at <= first]
    invoices = next(r for r in reports if r.verb == "invoices")
    by_run = list(engine.events(run=invoices.run))
    assert by_run == [e for e in every if e.run == invoices.run]
    assert {*by_run} < {*engine.events(number=" INV-1 ")}
    assert list(engine.events(number="INV-9")) == list(engine.events(run="x")) == []


@define
class _Told:
    number: str


def _one(event: tieout.Event) -> _Told:
    return _Told(event.numbers[0])


def test_what_people_did_is_among_the_events() -> None:
    """B155: who ignored it, who tried it again, and when."""
    case = document_that_is_refused()
    case.sync()
    (row,) = case.rows()
    case.engine().ignore(row)
    case.later(HOUR)
    case.engine().retry(row, by="Ada")
    told = [(e.what, e.text) for e in case.engine().events() if e.text[:3] == "by "]
    assert told == [("ignored", "by shared"), ("tried again", "by Ada")]


# What errors mean -------------------------------------------------------------------------

CATALOGUE = [
    (
        "a",
        401,
        "",
        "Sign-in information is incorrect",
        Code.SIGN_IN_REFUSED,
        "company id",
    ),
    (
        "b",
        200,
        "BL01001973",
        "A transaction with the number 'INV-1' already exists.",
        Code.DUPLICATE_NUMBER,
        "unique number",
    ),
    (
        "c",
        200,
        "BL03002155",
        "Please provide a payment batch key",
        Code.NOT_ALLOWED,
        "daily or monthly",
    ),
    (
        "d",
        200,
        "DL02000001",
        "There was an error processing the request.",
        Code.BAD_FIELD,
        "does not exist",
    ),
    (
        "e",
        200,
        "BL02000051",
        "Undeposited funds are not allowed for foreign currency",
        Code.NOT_ALLOWED,
        "bank account",
    ),
    ("f", 200, "XMLGW_JPP0001", "Too many operations", Code.TOO_MANY_REQUESTS, ""),
]


@pytest.mark.parametrize(
    ("letter", "status", "number", "text", "code", "remedy"),
    CATALOGUE,
    ids=[row[0] for row in CATALOGUE],
)
def test_the_six_known_errors_have_a_meaning_and_a_remedy(
    letter: str, status: int, number: str, text: str, code: Code, remedy: str
) -> None:
    """B107, B145: only too many operations pass by themselves."""
    found = verdict([Trouble(number, text)], status)
    assert found is not None
    assert found.code is code
    assert remedy in (found.remedy or code.remedy)
    assert code.retryable is (letter == "f")
    assert (found.answer is Answer.WAIT) is (letter == "f")


def test_it_is_told_where_to_find_the_company_id() -> None:
    """B109: where a sign-in is refused, and on the page of the system."""
    found = verdict([Trouble("XMLGW_JPP0002", "Sign-in failed")])
    assert found is not None
    assert "Company > Setup > Company" in found.remedy


def test_an_error_that_nobody_knows_is_kept_word_for_word() -> None:
    """B110: and called unknown, whichever ledger said it."""
    said = "BL99999999 The <frobnicator> has 3 knobs; turn the 2nd"
    found = verdict([Trouble("", said)])
    assert found is not None
    assert (found.code, found.text) == (Code.UNKNOWN_ERROR, said)
    offices = Offices()
    offices.invoice("INV-1", offices.customer())

    def odd(change: Change) -> str:
        raise Fault(Code.UNKNOWN_ERROR, said)

    offices.ledger.fate = odd
    offices.sync()
    row = next(r for r in offices.issues() if r.issue.numbers == ("C1",))
    assert (row.issue.code, row.issue.text) == (Code.UNKNOWN_ERROR, said)
