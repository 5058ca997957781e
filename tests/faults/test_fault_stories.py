"""Faults that take two records, or two looks: D3, D4, D13, D14, D16, D21, D28 to D30, P11."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from fault_checks import bystanders, marker_is_sound
from fault_rows import PAID, VICTIM, Side, put
from fault_worlds import GOOD, MARCH, Vendors, engine_of

import tieout
from tieout.capabilities import Everything
from tieout.connectors.connectwise import ConnectWise
from tieout.connectors.tryton import Tryton
from tieout.errors import Code, ConfigError, StoreError
from tieout.models import Settlement
from tieout.store import Marker, ResumePoint
from worlds import LONG_AGO

HOUR = timedelta(hours=1)
OPEN = (Decimal(0), None)


class Story:
    """A pair after a good first run, on which something happens."""

    def __init__(self, folder: Path) -> None:
        self.world = Vendors(Side.XERO)
        self.store = tieout.SQLiteStore(folder / "store.db")
        self.paper = self.world.papers[VICTIM]
        self.bill = self.world.bills[VICTIM]
        assert self.sync().ok
        assert self.shows() == PAID

    def sync(self, since: Any = LONG_AGO) -> tieout.Report:
        """An hour later."""
        self.world.clock.advance(HOUR)
        with engine_of(self.world, self.store) as engine:
            return engine.sync_payments(since)

    def shows(self) -> Any:
        return self.world.shows()[VICTIM]

    def payment(self) -> str:
        """The victim's payment in the ledger."""
        (found,) = self.world.xero.invoice(self.paper)["Payments"]
        return str(found["PaymentID"])


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """The bystanders are looked at, whatever the story was."""
    told = Story(tmp_path)
    yield told
    assert bystanders(told.world) == []
    told.store.close()


def bounce(story: Story) -> None:
    """The payment is taken back."""
    story.world.xero.delete_payment(story.payment())


def void(story: Story) -> None:
    """It is taken back, and the invoice is voided."""
    bounce(story)
    story.world.xero.void_invoice(story.paper)


def redraft(story: Story) -> None:
    """The ledger calls it a draft again."""
    story.world.spoil(put(Status="DRAFT", AmountDue=100, AmountPaid=0))


def revive(story: Story) -> None:
    """Voided, which billing is told, and then called paid again."""
    story.world.spoil(put(Status="VOIDED", AmountDue=0, AmountPaid=0))
    story.sync()
    assert story.shows() == OPEN
    story.world.mend()


def forget(story: Story) -> None:
    """The invoice is gone from billing."""
    story.world.connectwise.delete_invoice(story.bill)


def pay_twice(story: Story) -> None:
    """Ten more are said to be paid than it came to."""
    story.world.spoil(put(AmountDue=-10, AmountPaid=110))


def half_back(story: Story) -> None:
    """The payment bounced; a credit of 40 that was applied beside it stays."""
    note = {"CreditNoteID": "c", "AppliedAmount": 40, "Date": "/Date(1773100800000)/"}
    left = {"AmountDue": 60, "AmountPaid": 0, "AmountCredited": 40}
    story.world.spoil(put(Status="AUTHORISED", Payments=[], CreditNotes=[note], **left))


def recurrency(story: Story) -> None:
    """The ledger's document is in another currency now."""
    story.world.spoil(put(CurrencyCode="EUR"))


def retotal(story: Story) -> None:
    """It came to more than billing knows."""
    story.world.spoil(put(Total=120, AmountPaid=120))


def unreadable(story: Story) -> None:
    """It was carried once, and cannot be read now."""
    story.world.spoil(put(Total="NaN"))


STORIES: dict[str, tuple[Callable[[Story], None], Code | None, bool, Any]] = {
    # what happens; what is said, and whether it holds the record; what billing shows
    "D30: the payment bounced": (bounce, None, False, OPEN),
    "D21, D30: voided": (void, Code.VOIDED_AFTER_PAYMENT, False, OPEN),
    "D21: a draft again": (redraft, Code.WENT_BACK, True, PAID),
    "D21: paid again after a void": (revive, None, False, PAID),
    "D28: deleted in billing": (forget, Code.VANISHED, True, None),
    "D3: overpaid": (pay_twice, Code.OVERPAID, False, PAID),
    "D29: a half was taken back": (half_back, None, False, (Decimal(40), None)),
    "D10: another currency": (recurrency, Code.CURRENCY_DIFFERS, True, PAID),
    "D12: another total": (retotal, Code.TOTAL_DIFFERS, True, PAID),
    "D5: unreadable now": (unreadable, Code.BAD_AMOUNT, True, PAID),
}


@pytest.mark.parametrize("name", STORIES)
def test_what_happens_after_a_good_run(name: str, story: Story) -> None:
    """It is told or carried exactly; the others stay as they are."""
    happens, code, holds, shows = STORIES[name]
    happens(story)
    report = story.sync()
    told = [(each.code, each.numbers, each.blocking) for each in report.issues]
    assert told == ([] if code is None else [(code, (VICTIM,), holds)])
    if shows is not None:
        assert story.shows() == shows
    else:
        del story.world.bills[VICTIM]
    marker_is_sound(report, ended=True)


def test_a_second_document_of_the_number_holds_both(tmp_path: Path) -> None:
    """D13, D14: in the ledger; none of the two is carried, and each is named."""
    world = Vendors(Side.XERO)
    world.spoil(put(InvoiceNumber="G01"))
    with engine_of(world, tieout.MemoryStore()) as engine:
        report = engine.sync_payments(LONG_AGO)
    assert [(each.code, each.numbers) for each in report.issues] == [
        (Code.NUMBER_MEANS_ANOTHER_DOCUMENT, ("G01",))
    ]
    assert bystanders(world) == []
    world.spoil(put(InvoiceNumber="G01", Total=101, AmountPaid=101))
    other = Vendors(Side.XERO)
    other.spoil(put(InvoiceNumber="G01", Total=101, AmountPaid=101))
    with engine_of(other, tieout.MemoryStore()) as engine:
        report = engine.sync_payments(LONG_AGO)
    issues = list(report.issues)
    assert {each.code for each in issues} == {Code.ALREADY_LINKED}
    assert {each.source.id for each in issues if each.source} == {
        other.papers["G01"],
        other.papers[VICTIM],
    }
    assert bystanders(other) == ["G01"]
    assert other.shows()["G01"] == OPEN


def test_a_second_invoice_of_the_number_in_billing_is_never_guessed() -> None:
    """D13, D16: the ledger's record is held, and both are named."""
    world = Vendors(Side.XERO)
    second = world.connectwise.add_invoice(VICTIM, 250, 100, on=MARCH)
    with engine_of(world, tieout.MemoryStore()) as engine:
        report = engine.sync_payments(LONG_AGO)
    (issue,) = report.issues
    assert (issue.code, issue.numbers) == (Code.AMBIGUOUS_NUMBER, (VICTIM,))
    assert str(second) in issue.text
    assert str(world.bills[VICTIM]) in issue.text
    assert world.shows()[VICTIM] == OPEN
    assert bystanders(world) == []


def test_nothing_is_owed_of_nothing() -> None:
    """D2: a zero invoice on both sides is no trouble, and nothing is written for it."""
    world = Vendors(Side.XERO)
    contact = world.xero.add_contact("Another")
    world.xero.add_invoice("ZERO", contact, "0", on=MARCH)
    zero = world.connectwise.add_invoice("ZERO", 250, 0, on=MARCH)
    with engine_of(world, tieout.MemoryStore()) as engine:
        report = engine.sync_payments(LONG_AGO)
    assert list(report.issues) == []
    assert world.connectwise.payments(zero) == []
    assert bystanders(world) == []


# What a store may hold --------------------------------------------------------------------

MARKERS = {
    "in 2999": datetime(2999, 12, 31, tzinfo=UTC),
    "in 9999": datetime.max.replace(tzinfo=UTC),
    "in 0001": datetime.min.replace(tzinfo=UTC),
    "in 1753": datetime(1753, 1, 1, tzinfo=UTC),
}


@pytest.mark.parametrize("when", MARKERS)
def test_a_marker_that_cannot_be_is_refused(when: str, story: Story) -> None:
    """P11: by a named error, before any call; a run from a date sets it right."""
    with engine_of(story.world, story.store) as engine:
        marker = Marker(engine.pair, "payments", "shared", MARKERS[when])
        story.store.commit(marker)
        calls = story.world.xero.requests
        with pytest.raises(ConfigError, match="last successful run"):
            engine.sync_payments(tieout.Since.LAST_RUN)
        assert story.world.xero.requests == calls
    if MARKERS[when].year > 2026:
        assert story.sync().marker_moved
        assert story.sync(tieout.Since.LAST_RUN).ok


@pytest.mark.parametrize("body", ['{"at": "NaN"}', "NaN", "[]", '{"at": 5}', "{}"])
def test_a_fact_that_cannot_be_read_is_refused(body: str, story: Story) -> None:
    """P11: a store whose marker is garbage is not worked with."""
    with closing(sqlite3.connect(story.store.path)) as database:
        database.execute("UPDATE fact SET body = ? WHERE kind = 'marker'", (body,))
        database.commit()
    with (
        engine_of(story.world, story.store) as engine,
        pytest.raises(StoreError, match="cannot be read"),
    ):
        engine.sync_payments(tieout.Since.LAST_RUN)


def test_a_marker_of_another_pair_is_not_ours(story: Story) -> None:
    """P11, X21: another tenant's marker in the store is no marker of this pair."""
    other = Marker("another\x1fpair", "payments", "shared", datetime.now(UTC))
    empty = tieout.MemoryStore()
    empty.commit(other)
    with (
        engine_of(story.world, empty) as engine,
        pytest.raises(ConfigError, match="no successful run yet"),
    ):
        engine.sync_payments(tieout.Since.LAST_RUN)


CURSORS = (
    "", "x", "5", "null", "[]", "[0]", "[0,1]", '[0,1,""," "]', '[-1,1,""]', '[9,1,""]',
    '[0,0,""]', '[0,1,"never"]', '[0,"1",""]', "[" * 100_000, "[0,1,NaN]", '{"at":0}',
    "0 or 1=1", "1) or (1=1", "../../x", "9" * 5000, "١٢",
)  # fmt: skip


@pytest.mark.parametrize("at", range(1, len(CURSORS)))
def test_a_resume_point_of_garbage_is_refused(at: int, story: Story) -> None:
    """P11, X16: by a named error; the marker stays where it was."""
    with engine_of(story.world, story.store) as engine:
        point = ResumePoint(
            engine.pair,
            "payments",
            "shared",
            datetime(2025, 1, 1, tzinfo=UTC),
            CURSORS[at],
            None,
            "",
            trusting=False,
            run="r",
        )
        with pytest.raises(ConfigError, match="resume point"):
            engine.sync_payments(point)
        others = (
            evolve(point, pair="another"),
            evolve(point, verb="other"),
            evolve(point, profile="other"),
        )
        for other in others:
            with pytest.raises(ConfigError, match="another pair, verb or profile"):
                engine.sync_payments(other)


def test_a_vendors_clock_that_is_wrong_spoils_no_later_run(story: Story) -> None:
    """P11, H23: neither 1900 nor 2200 in the envelope keeps the next run from starting."""
    for told in ("/Date(-2208988800000)/", "/Date(7258032000000)/"):
        send = story.world.xero.send

        def wrong(
            request: Any, timeout: float, send: Any = send, told: Any = told
        ) -> Any:
            answer = send(request, timeout)
            if b"DateTimeUTC" not in answer.body:
                return answer
            body = json.loads(answer.body)
            return evolve(answer, body=json.dumps({**body, "DateTimeUTC": told}))

        story.world.there.inner.send = wrong  # type: ignore[method-assign]
        assert story.sync().ok
        story.world.there.inner.send = send  # type: ignore[method-assign]
        assert story.sync(tieout.Since.LAST_RUN).ok


def test_the_twenty_are_what_they_should_be() -> None:
    """Full and partial payments, on days of their own, on all sides of the victim."""
    assert len(GOOD) == 20
    assert {each.paid == each.total for each in GOOD} == {True, False}
    assert len({each.last_on for each in GOOD}) > 10
    assert all(each.last_on >= date(2026, 3, 1) for each in GOOD)


OTHERS = {
    "ConnectWise": ConnectWise(
        company="a", public_key="p", private_key="s", client_id="c"
    ),
    "Tryton": Tryton(url="http://b.example", database="b", user="u", password="p"),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(
    "cursor", ["x", "0 or 1=1", "1) or (1=1", "9" * 5000, "١٢", "-1"]
)
def test_a_cursor_of_garbage_never_becomes_a_condition(name: str, cursor: str) -> None:
    """P11, X16: refused before anything is asked."""
    with pytest.raises(ConfigError, match="resume point"):
        next(OTHERS[name].page(Settlement, Everything(), cursor))
