"""What errors mean and who can put them right: the layers of the table, and all of its rows."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pytest
from attrs import define, evolve, field

from offices import Offices
from tieout.auth import TOKEN_RULES
from tieout.change import Change, Issue
from tieout.cli.config import SYSTEMS
from tieout.connector import Rule, judge
from tieout.errors import (
    GARBLED,
    Code,
    ConfigError,
    Fault,
    Retry,
    Severity,
    Who,
)
from tieout.models import Invoice
from tieout.remedies import CATALOGUE, Remedies, RemedyRow, steps_of
from tieout.testing.year.connector import BooksConnector
from tieout.wire import Response

OPEN_IT = "Open the period in Books."
KNOWN = RemedyRow(Code.LOCKED_PERIOD, OPEN_IT, Who.USER, "Books is closed.")
SAID = "The date 3 May is in a closed period"


# The layers -----------------------------------------------------------------------------


def test_the_catalogue_answers_where_nobody_else_does() -> None:
    """B107: each code has a meaning, somebody who can put it right, steps and a retry rule."""
    found = CATALOGUE.of(Code.LOCKED_PERIOD)
    assert (found.meaning, found.who) == (Code.LOCKED_PERIOD.meaning, Who.ADMIN)
    assert " ".join(found.steps) == Code.LOCKED_PERIOD.remedy
    assert found.retry is Retry.ON_CHANGE
    assert str(found) == f"admin: {Code.LOCKED_PERIOD.remedy}"


def test_a_connectors_row_comes_before_the_catalogue() -> None:
    """B107: it is found again by the words that it gave when the error was met."""
    table = Remedies(known=[KNOWN])
    found = table.of(Code.LOCKED_PERIOD, SAID, OPEN_IT)
    assert (found.meaning, found.who) == ("Books is closed.", Who.USER)
    assert found.steps == (OPEN_IT,)
    other = table.of(Code.REFUSED, SAID, OPEN_IT)
    assert (other.meaning, other.who) == (Code.REFUSED.meaning, Code.REFUSED.who)
    assert other.steps == (OPEN_IT,)


def test_what_was_said_of_one_error_comes_before_what_its_code_says() -> None:
    """B107: a remedy that names a field of this very record is kept."""
    found = CATALOGUE.of(Code.TOO_LONG, "", "Shorten the memo. Then save it.")
    assert found.steps == ("Shorten the memo.", "Then save it.")
    assert found.who is Code.TOO_LONG.who


def test_the_hosts_row_comes_before_all_others() -> None:
    """B107: and what it leaves out the next layer says."""
    ours = RemedyRow(Code.LOCKED_PERIOD, "Ask Ada.", text="closed period")
    table = Remedies([ours], [KNOWN])
    found = table.of(Code.LOCKED_PERIOD, SAID, OPEN_IT)
    assert (found.steps, found.who) == (("Ask Ada.",), Who.USER)
    assert found.meaning == "Books is closed."
    whom = Remedies([RemedyRow(who=Who.DEVELOPER)], [KNOWN])
    found = whom.of(Code.LOCKED_PERIOD, SAID, OPEN_IT)
    assert (found.steps, found.who) == ((OPEN_IT,), Who.DEVELOPER)


def test_the_first_of_the_hosts_rows_that_holds_counts() -> None:
    """B107: in the order in which they are given."""
    rows = [RemedyRow(None, "Wait.", text="busy"), RemedyRow(None, "Ask.")]
    assert Remedies(rows).of(Code.REFUSED, "too busy").steps == ("Wait.",)
    assert Remedies(rows[::-1]).of(Code.REFUSED, "too busy").steps == ("Ask.",)


@pytest.mark.parametrize(
    ("row", "holds"),
    [
        ({}, True),
        ({"code": Code.REFUSED}, True),
        ({"code": Code.IN_USE}, False),
        ({"system": "xero"}, True),
        ({"system": "intacct"}, False),
        ({"text": "LOCK(ED)? DATE"}, True),
        ({"text": "^date"}, False),
        ({"system": "xero", "code": Code.REFUSED, "text": "date"}, True),
        ({"system": "xero", "code": Code.REFUSED, "text": "day"}, False),
    ],
)
def test_all_that_a_row_names_must_hold(row: dict[str, Any], holds: bool) -> None:
    """B107: system, code, and a pattern of the text, whatever the case."""
    made = RemedyRow(steps="Ask.", **row)
    assert made.holds(Code.REFUSED, "before the lock date", "xero") is holds


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"text": "("}, "text is no pattern"),
        ({"steps": ()}, "a row of remedies says steps, who or meaning"),
        ({"steps": ("Ask.", " ")}, "a step is empty"),
        ({"code": "REFUSED"}, "code is a Code"),
        ({"who": "admin"}, "who is one of Who"),
    ],
)
def test_a_row_that_cannot_be_is_refused(row: dict[str, Any], told: str) -> None:
    """B107: with the name of what is wrong in it."""
    with pytest.raises(ConfigError, match=re.escape(told)):
        RemedyRow(**{"steps": "Ask.", **row})


def test_what_is_no_row_is_refused() -> None:
    """B107: when the engine is made, and not when the first error is met."""
    rows: Any = [{"steps": "Ask."}]
    with pytest.raises(ConfigError, match="rows are RemedyRow"):
        Offices().engine(remedies=rows)


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        ("", ()),
        ("Ask Ada.", ("Ask Ada.",)),
        ("Ask Ada. Then retry!  Or not?", ("Ask Ada.", "Then retry!", "Or not?")),
        ("Set unit=1.5 there; e.g. here.", ("Set unit=1.5 there; e.g. here.",)),
    ],
)
def test_each_sentence_is_a_step(words: str, steps: tuple[str, ...]) -> None:
    """B107: so that what is said in one text can be shown as a list."""
    assert steps_of(words) == steps


def test_a_finding_is_raised_by_its_row() -> None:
    """B107: code and words are those of the row, the text is that of the case."""
    fault = KNOWN.fault("closed", field="date")
    assert (fault.code, fault.remedy) == (Code.LOCKED_PERIOD, OPEN_IT)
    assert (fault.text, fault.field) == ("closed", "date")


# The codes ------------------------------------------------------------------------------


@pytest.mark.parametrize("code", list(Code))
def test_every_code_says_who_how_and_when_again(code: Code) -> None:
    """B107, B158: nobody has to guess whom to call, or whether to wait."""
    found = CATALOGUE.of(code)
    assert isinstance(found.who, Who)
    assert " ".join(found.steps) == code.remedy
    assert all(step.endswith((".", "!")) for step in found.steps)
    assert found.retry is code.retry
    if (
        found.who is Who.NOBODY
    ):  # what passes by itself is tried again, or is no trouble
        passing = code.retry is Retry.NEXT_RUN
        assert passing or code.severity is Severity.YELLOW


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.PARKED])
def test_the_retry_rule_is_what_runs_go_by(code: Code) -> None:
    """B105: what by its rule waits for a change is not sent again by a run by schedule."""
    offices = Offices()
    offices.invoice("INV-1", offices.customer())
    asked: list[str] = []

    def fate(change: Change) -> str:
        if change.number == "INV-1":
            asked.append(change.name)
            raise Fault(code, "no")
        return ""

    offices.ledger.fate = fate
    offices.sync()
    before = len(asked)
    offices.sync(retry=False)
    by_itself = code.retry in (Retry.NEXT_RUN, Retry.PUT_RIGHT)
    assert (len(asked) > before) is by_itself


@pytest.mark.parametrize("code", sorted(GARBLED, key=str))
def test_what_was_garbled_is_read_again(code: Code) -> None:
    """B105: the next run looks once more, although the record did not change."""
    offices = Offices()
    offices.invoice("INV-1", offices.customer())
    bad = Garbling(offices.shop, codes=[code])
    offices.billing = bad
    offices.sync()
    (row,) = offices.issues(number="INV-1")
    assert row.issue.advice.retry is Retry.READ_AGAIN
    bad.codes.clear()
    offices.sync(retry=False)
    assert offices.issues() == []
    assert [each.number for each in offices.book.of(Invoice).values()] == ["INV-1"]


@define
class Garbling(BooksConnector):
    """A system whose invoices cannot be read as long as it has a code for it."""

    codes: list[Code] = field(factory=list)

    def page(self, kind: Any, select: Any, cursor: str | None = None) -> Any:
        page = yield from super().page(kind, select, cursor)
        return self._garbled(page, kind)

    def fetch(self, kind: Any, **asked: Any) -> Any:
        page = yield from super().fetch(kind, **asked)
        return self._garbled(page, kind)

    def _garbled(self, page: Any, kind: Any) -> Any:
        if kind is not Invoice or not self.codes:
            return page
        bad = [Issue(self.codes[0], e.ref, (e.number,)) for e in page.records]
        return evolve(page, records=(), issues=tuple(bad))


# The rows of the connectors -------------------------------------------------------------


def tables() -> list[tuple[str, tuple[Rule, ...]]]:
    """Every table of rules: by its system and name."""
    found: list[tuple[str, tuple[Rule, ...]]] = [("a token endpoint", TOKEN_RULES)]
    for system in SYSTEMS:
        room = import_module(f"tieout.connectors.{system}.errors")
        for name, value in vars(room).items():
            if name.isupper() and name.endswith("RULES") and not name.startswith("_"):
                found.append((f"{system} {name}", value))
    return found


TABLES = tables()
RULES = [(name, at, rule) for name, table in TABLES for at, rule in enumerate(table)]


def first(table: tuple[Rule, ...], rule: Rule) -> int:
    """The place of the rule that takes an error which is just as a rule says."""
    asked = (rule.status or 400, rule.vendor_code, rule.says)
    return next(at for at, each in enumerate(table) if each.holds(*asked))


def named(row: Any) -> str:
    """A row as pytest lists it."""
    return row.code.name if isinstance(row, Rule) else str(row)


@pytest.mark.parametrize(("name", "at", "rule"), RULES, ids=named)
def test_every_rule_of_a_vendors_errors_can_be_met(
    name: str, at: int, rule: Rule
) -> None:
    """B107: no rule before it takes the error that it is for."""
    assert bool(rule.says) or not rule.text, "a rule with a text says an example of it"
    assert first(dict(TABLES)[name], rule) == at


def test_a_rule_that_another_one_swallows_is_seen() -> None:
    """The test above can fail: a pattern behind a wider one is never met."""
    wide = Rule(Code.REFUSED, text="closed")
    narrow = Rule(Code.LOCKED_PERIOD, text="closed period", says="a closed period")
    assert first((wide, narrow), narrow) == 0
    assert first((narrow, wide), narrow) == 0


@pytest.mark.parametrize(("name", "at", "rule"), RULES, ids=named)
def test_what_a_rule_says_is_what_people_are_told(
    name: str, at: int, rule: Rule
) -> None:
    """B107: its words, who can put it right and its meaning reach the issue."""
    row = rule.row
    if row is None:
        assert (rule.who, rule.meaning) == (None, ""), "nothing would find it again"
        return
    assert row.words == rule.remedy, "steps are whole sentences"
    assert all(step.endswith((".", "!")) for step in row.steps)
    table = dict(TABLES)[name]
    known = [each.row for each in table if each.row is not None]
    response = Response(rule.status or 400)
    verdict = judge(response, table, rule.vendor_code, rule.says)
    fault = verdict.fault()
    told = Remedies(known=known).of(fault.code, fault.text, fault.remedy)
    assert told.who is (rule.who or rule.code.who)
    assert told.steps == row.steps
    assert told.meaning == (rule.meaning or rule.code.meaning)


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_a_connector_finds_itself_is_told_apart(system: str) -> None:
    """B107: each has words of its own, and an example for the page."""
    room = import_module(f"tieout.connectors.{system}.errors")
    rules = [r.row for name, t in TABLES if name.startswith(system) for r in t if r.row]
    findings: tuple[RemedyRow, ...] = getattr(room, "FINDINGS", ())
    table = Remedies(known=[*rules, *findings])
    for each in findings:
        assert each.code is not None
        assert each.says
        fault = each.fault(each.says)
        told = table.of(fault.code, fault.text, fault.remedy)
        assert (told.who, told.steps) == (each.who or each.code.who, each.steps)
        assert told.meaning == (each.meaning or each.code.meaning)


# Through the engine ---------------------------------------------------------------------


def refused(offices: Offices, text: str, remedy: str = "", *more: str) -> None:
    """The books refuse invoices in these words."""
    texts = iter((text, *more))

    def fate(change: Change) -> str:
        if change.number.startswith("INV"):
            raise Fault(Code.REFUSED, next(texts, text), remedy=remedy)
        return ""

    offices.ledger.fate = fate


OURS = RemedyRow(
    Code.REFUSED,
    "Ask Ada. She has the key.",
    Who.ADMIN,
    "The moon is full.",
    system="book",
    text=r"moon",
)


def test_the_hosts_rows_are_what_issues_and_why_tell() -> None:
    """B107, B145: also of what was met before the row was written."""
    offices = Offices()
    offices.invoice("INV-1", offices.customer())
    refused(offices, "not by this moon")
    reports = offices.sync()
    plain = next(iter(offices.issues(number="INV-1"))).issue
    assert plain.advice.who is Who.USER
    engine = offices.engine(remedies=[OURS])
    (row,) = engine.issues(number="INV-1")
    assert row.issue.advice.steps == ("Ask Ada.", "She has the key.")
    assert row.issue.system == "book"
    assert str(row.issue) == "INV-1: not by this moon. Ask Ada. She has the key."
    story = engine.why("INV-1")
    assert story.who == (Who.ADMIN,)
    text = str(story)
    assert text.startswith("INV-1: The moon is full.")
    assert "who can put it right: admin" in text
    assert "  you can: Ask Ada.\n  you can: She has the key." in text
    assert any(
        issue.advice.steps == plain.advice.steps
        for report in reports
        for issue in report.issues
    )


def test_another_systems_row_is_not_taken() -> None:
    """B107: the system is the one where it went wrong, not the record's own."""
    offices = Offices()
    offices.invoice("INV-1", offices.customer())
    refused(offices, "not by this moon")
    offices.sync()
    engine = offices.engine(remedies=[evolve(OURS, system="shop")])
    (row,) = engine.issues(number="INV-1")
    assert row.issue.advice == CATALOGUE.of(Code.REFUSED, "not by this moon")


def test_a_run_that_ended_early_is_told_by_the_hosts_rows() -> None:
    """B145, B150: in the list of runs and in the story of what it did not come to."""
    offices = Offices()
    offices.invoice("INV-1", offices.customer())

    def shut(change: Change) -> str:
        raise Fault(Code.PERMISSION_MISSING, "General Ledger")

    offices.ledger.fate = shut
    offices.sync()
    ours = RemedyRow(Code.PERMISSION_MISSING, "Call Ada.", system="book")
    engine = offices.engine(remedies=[ours])
    run = next(each for each in engine.runs() if each.code is not None)
    assert run.advice is not None
    assert run.advice.steps == ("Call Ada.",)
    assert run.advice.retry is Retry.PUT_RIGHT
    assert "Call Ada." in engine.why("INV-1").remedies
    assert next(each for each in engine.runs() if each.code is None).advice is None


def test_unknown_errors_are_counted_in_clusters() -> None:
    """B110: three invoices, two messages; what a row knows is unknown no longer."""
    offices = Offices()
    owner = offices.customer()
    for number in ("INV-1", "INV-2", "INV-3"):
        offices.invoice(number, owner)
    moon = "Invoice INV-1 meets a 'new' moon at 12:30"
    same = "Invoice INV-22 meets a 'full' moon at 9:05"
    refused(offices, moon, "", same, "the sun is out")
    offices.sync()
    found = offices.engine().unknown_errors()
    assert [(each.count, each.system, each.code) for each in found] == [
        (2, "book", Code.REFUSED),
        (1, "book", Code.REFUSED),
    ]
    assert found[0].shape == "Invoice INV-# meets a # moon at #"
    assert found[0].example in (moon, same)
    assert set(found[0].numbers) == {"INV-1", "INV-2"}
    assert str(found[1]) == "book: the sun is out (once)"
    (left,) = offices.engine(remedies=[OURS]).unknown_errors()
    assert left.example == "the sun is out"


def test_what_somebody_has_a_word_for_is_not_unknown() -> None:
    """B110: a remedy was given when it was met, or the code says what it is."""
    offices = Offices()
    offices.invoice("INV-1", offices.customer())
    refused(offices, "no", "Take the receipts back first.")
    offices.sync()
    assert offices.engine().unknown_errors() == ()


class Teapot(BooksConnector):
    """A system that has a bad day."""

    def page(self, *_: Any, **__: Any) -> Any:
        yield from ()
        raise Fault(Code.UNKNOWN_ERROR, "teapot 418")


def test_an_error_that_ends_runs_is_among_the_unknown() -> None:
    """B110: a system that answers a listing in words that nobody knows."""
    offices = Offices()
    offices.sync()
    offices.billing = Teapot(offices.shop)
    offices.sync()
    found = offices.engine().unknown_errors()
    assert [(each.code, each.example) for each in found] == [
        (Code.UNKNOWN_ERROR, "teapot 418")
    ]
    assert found[0].shape == "teapot #"


def test_what_is_looked_up_is_no_part_of_an_issue() -> None:
    """B105: the store holds what was met; what it means is read anew each time."""
    one = Issue(Code.REFUSED, text="moon")
    read = one.by(Remedies([evolve(OURS, system="")]))
    assert read == one
    assert read.advice.meaning == "The moon is full."
    assert one.advice.meaning == Code.REFUSED.meaning
