"""Taking a batch back: what it marked or wrote in billing, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

import tieout
from desk import DAY, HOUR, SHOP, TODAY, Desk, numbers, of, to
from tieout import Batch, BatchType, Code, ConfigError, Severity, State
from tieout.capabilities import Verb
from tieout.models import Invoice, Part, Posting, Settlement, Status
from tieout.report import Progress
from tieout.testing.year.books import Books
from tieout.testing.year.connector import BooksConnector

WAIT = timedelta(minutes=10)


def posted(*more: str, **settings: Any) -> tuple[Desk, Batch]:
    """A desk with three invoices that were posted, and their batch."""
    desk = Desk(**settings)
    for place, number in enumerate(("INV-1", "INV-2", "INV-3", *more), 1):
        desk.invoice(number, 100 * place)
    return desk, desk.batch(desk.post())


# What was posted ----------------------------------------------------------------------------


def test_undoing_clears_billings_date_and_leaves_the_ledger() -> None:
    """B134: the batch is forgotten; the ledger's invoices are as they were."""
    desk, batch = posted()
    writes, booked = desk.book.writes, desk.booked
    report = desk.engine().undo(batch)
    assert report.ok
    assert report.counts["voided"] == 3
    assert desk.posted == set()
    assert (desk.book.writes, desk.booked) == (writes, booked)
    assert desk.batches() == []
    assert desk.unsynced() == ["INV-1", "INV-2", "INV-3"]


def test_undoing_asks_nothing_of_the_ledger() -> None:
    """B134: it goes also while the ledger is down."""
    desk, batch = posted()
    calls = desk.ledger.calls
    desk.engine().undo(batch)
    assert desk.ledger.calls == calls


def test_posting_again_updates_the_ledgers_invoice() -> None:
    """B135: the same document, with what was edited; it is handed over anew."""
    desk, batch = posted()
    ids = set(desk.book.of(Invoice))
    desk.engine().undo(batch)
    desk.edit("INV-1", total=Decimal(150))
    again = desk.batch(desk.post())
    assert set(desk.book.of(Invoice)) == ids
    assert desk.booked == [("INV-1", 150), ("INV-2", 200), ("INV-3", 300)]
    assert desk.posted == {"INV-1", "INV-2", "INV-3"}
    assert numbers(again) == ["INV-1", "INV-2", "INV-3"]


def test_posting_and_undoing_can_go_on_for_ever() -> None:
    """B134, B135: each time is another write, and the ledger has one invoice."""
    desk, batch = posted()
    for _ in range(4):
        desk.clock.advance(HOUR)
        assert desk.engine().undo(batch).ok
        assert desk.posted == set()
        batch = desk.batch(desk.post())
        assert desk.posted == {"INV-1", "INV-2", "INV-3"}
    assert len(desk.booked) == 3


def test_what_was_voided_after_the_undoing_is_voided_in_the_ledger() -> None:
    """B95, B135: the tie stands, so that a void is carried by any sync."""
    desk, batch = posted()
    desk.engine().undo(batch)
    desk.edit("INV-1", status=Status.VOID)
    assert desk.unsynced() == ["INV-2", "INV-3"]
    desk.engine().sync_invoices(DAY)
    assert desk.booked == [("INV-2", 200), ("INV-3", 300)]


@pytest.mark.parametrize("verbs", [{Verb.READ, Verb.UPDATE}, {Verb.UPDATE}])
def test_where_a_date_is_cleared_by_an_update_it_is(verbs: set[Verb]) -> None:
    """B134: by whatever billing offers, also where it does not tell what stands there."""
    desk, batch = posted(shop=of([Posting], verbs=frozenset(verbs)))
    assert desk.engine().undo(batch).counts["updated"] == 3
    assert desk.posted == set()
    assert desk.batches() == []
    desk.post()
    assert desk.posted == {"INV-1", "INV-2", "INV-3"}


def test_what_failed_of_a_batch_has_nothing_to_take_back() -> None:
    """B134, B137: the batch goes all the same."""
    desk = Desk()
    desk.invoice("INV-1")
    desk.invoice("INV-2")
    desk.ledger.fate = to(Invoice, "refused", "INV-2")
    batch = desk.batch(desk.post())
    assert len(batch.members) == 2
    desk.engine().undo(batch)
    assert desk.batches() == []
    assert desk.posted == set()


# What was marked, and what was paid -----------------------------------------------------------


def test_undoing_a_batch_of_marks_lets_its_invoices_be_posted() -> None:
    """B136: they are on the list again."""
    desk = Desk()
    desk.invoice("INV-1")
    batch = desk.batch(desk.engine().mark_posted(TODAY))
    assert desk.unsynced() == []
    desk.engine().undo(batch)
    assert desk.unsynced() == ["INV-1"]
    desk.post()
    assert desk.booked == [("INV-1", 100)]


def paid() -> tuple[Desk, Batch]:
    """Two invoices that were shown as paid, and the batch of it."""
    desk, _ = posted()
    desk.pay("INV-1", 100)
    desk.pay("INV-2", 200)
    return desk, desk.batch(desk.engine().sync_paid_dates(TODAY))


def test_undoing_a_batch_of_payments_clears_what_it_wrote() -> None:
    """B136: as it was before; the ledger is left alone, and still says paid."""
    desk, batch = paid()
    assert batch.type is BatchType.PAID
    writes = desk.book.writes
    report = desk.engine().undo(batch)
    assert report.counts["updated"] == 2
    assert desk.shown("INV-1") == (0, None)
    assert desk.shown("INV-2") == (0, None)
    assert desk.book.writes == writes
    assert batch.id not in {each.id for each in desk.batches()}
    assert desk.posted == {"INV-1", "INV-2", "INV-3"}
    desk.engine().sync_paid_dates(TODAY)
    assert desk.shown("INV-1") == (100, TODAY)


def test_what_was_shown_before_is_shown_again() -> None:
    """B136: a part payment that stood there comes back."""
    desk, _ = posted()
    before = desk.shop.level(desk._of(desk.shop, "INV-1"))
    parts = {Part.CASH: Decimal(30)}
    desk.shop.show(evolve(before, settled_by=parts, balance=Decimal(70)))
    desk.pay("INV-1", 100)
    batch = desk.batch(desk.engine().sync_paid_dates(TODAY))
    assert desk.shown("INV-1") == (100, TODAY)
    desk.engine().undo(batch)
    assert desk.shown("INV-1") == (30, None)


def test_what_shows_something_else_by_now_is_left_alone() -> None:
    """B136: only where this library's word still stands; the batch is forgotten."""
    desk, batch = paid()
    level = desk.shop.level(desk._of(desk.shop, "INV-1"))
    other = TODAY - timedelta(days=3)
    desk.shop.show(evolve(level, paid_on=other))
    assert desk.engine().undo(batch).counts["skipped"] == 1
    assert desk.shown("INV-1") == (100, other)
    assert desk.shown("INV-2") == (0, None)
    assert batch.id not in {each.id for each in desk.batches()}


def test_where_no_part_payments_are_held_the_date_decides() -> None:
    """B136: what such a system shows as paid follows from its date."""

    class Dates(BooksConnector):
        @property
        def capabilities(self) -> Any:
            able = super().capabilities
            return evolve(able, payments=evolve(able.payments, partial=False))

    desk, _ = posted()
    desk.billing = Dates(desk.shop, kinds=SHOP)  # type: ignore[assignment]
    desk.pay("INV-1", 100)
    batch = desk.batch(desk.engine().sync_paid_dates(TODAY))
    level = desk.shop.level(desk._of(desk.shop, "INV-1"))
    desk.shop.show(evolve(level, settled_by={}, balance=Decimal(100)))
    desk.engine().undo(batch)
    assert desk.shown("INV-1") == (0, None)


# What cannot be taken back --------------------------------------------------------------------


def test_a_partly_failing_undo_keeps_what_could_not_be_reset() -> None:
    """B137: with the reason; a second one takes back the rest, and forgets the batch."""
    desk, batch = posted()
    desk.billing.fate = to(Posting, "refused", "INV-2")
    report = desk.engine().undo(batch)
    assert not report.ok
    assert desk.posted == {"INV-2"}
    (left,) = desk.batches()
    (member,) = left.members
    assert (left.id, left.type, left.by) == (batch.id, batch.type, batch.by)
    assert (member.number, member.code) == ("INV-2", Code.REFUSED)
    assert member.light is Severity.RED
    desk.billing.fate = to(Posting, "")
    assert desk.engine().undo(left).ok
    assert desk.posted == set()
    assert desk.batches() == []


@pytest.mark.parametrize("fate", ["lost", "never"])
def test_an_undo_whose_answer_is_lost_is_finished_by_the_next(fate: str) -> None:
    """B137, B160: what is not known stays in the batch until it is."""
    desk, batch = posted()
    desk.billing.fate = to(Posting, fate, "INV-2")
    desk.engine().undo(batch)
    assert [numbers(each) for each in desk.batches()] == [["INV-2"]]
    desk.billing.fate = to(Posting, "")
    if fate == "never":
        desk.engine().undo(batch)  # too early to know
        assert [numbers(each) for each in desk.batches()] == [["INV-2"]]
    desk.clock.advance(WAIT)
    desk.engine().undo(batch)
    assert desk.batches() == []
    assert desk.posted == set()


def test_a_partly_failing_undo_of_payments_keeps_the_rest() -> None:
    """B136, B137: refused, it stays with its reason; a second one finishes it."""
    desk, batch = paid()
    desk.billing.fate = to(Settlement, "refused", "INV-2")
    desk.engine().undo(batch)
    (left,) = [each for each in desk.batches() if each.id == batch.id]
    (member,) = left.members
    assert (member.number, member.code) == ("INV-2", Code.REFUSED)
    assert desk.shown("INV-2") == (200, TODAY)
    desk.billing.fate = to(Settlement, "")
    desk.engine().undo(batch)
    assert desk.shown("INV-2") == (0, None)
    assert batch.id not in {each.id for each in desk.batches()}


@pytest.mark.parametrize("fate", ["lost", "never"])
def test_an_undo_of_payments_whose_answer_is_lost_is_finished_later(fate: str) -> None:
    """B136, B137, B160: it waits until the write is settled, and then compares anew."""
    desk, batch = paid()
    desk.billing.fate = to(Settlement, fate, "INV-2")
    desk.engine().undo(batch)
    desk.billing.fate = to(Settlement, "")
    again = desk.engine().undo(batch)
    if fate == "never":
        assert again.counts["unknown"] == 1
        desk.clock.advance(WAIT)
        desk.engine().undo(batch)
    assert desk.shown("INV-2") == (0, None)
    assert batch.id not in {each.id for each in desk.batches()}


def test_an_invoice_that_is_gone_has_nothing_to_take_back() -> None:
    """B137: it is told, and does not keep the batch for ever."""
    desk, batch = posted()
    own = desk._of(desk.shop, "INV-2").ref.id
    del desk.shop.of(Invoice)[own]
    report = desk.engine().undo(batch)
    assert report.counts["failed"] == 1
    assert desk.batches() == []
    assert list(desk.engine().issues()) == []


def test_a_paid_invoice_that_is_gone_has_nothing_to_take_back() -> None:
    """B136, B137: of a batch of payments neither."""
    desk, batch = paid()
    del desk.shop.of(Invoice)[desk._of(desk.shop, "INV-1").ref.id]
    assert desk.engine().undo(batch).ok
    assert desk.shown("INV-2") == (0, None)
    assert batch.id not in {each.id for each in desk.batches()}


def test_a_paid_invoice_that_cannot_be_read_stays() -> None:
    """B137: until it can be."""
    desk, batch = paid()
    own = desk._of(desk.shop, "INV-1").ref
    garbled = tieout.Issue(Code.BAD_AMOUNT, own, ("INV-1",), text="1,2,3")
    desk.billing.unreadable = {own.id: garbled}
    desk.engine().undo(batch)
    (left,) = [each for each in desk.batches() if each.id == batch.id]
    assert [(m.number, m.code) for m in left.members] == [("INV-1", Code.BAD_AMOUNT)]
    desk.billing.unreadable = {}
    desk.engine().undo(batch)
    assert desk.shown("INV-1") == (0, None)


# Which batch --------------------------------------------------------------------------------


def test_a_batch_is_undone_once() -> None:
    """B134: a second time there is none of this name."""
    desk, batch = posted()
    desk.engine().undo(batch.id)
    for again in (batch, batch.id, "NOPE"):
        with pytest.raises(ConfigError, match="there is no batch"):
            desk.engine().undo(again)


def test_a_batch_of_another_pair_is_not_touched() -> None:
    """B134: each pair knows its own batches, also in one store."""
    desk, batch = posted()
    other = tieout.Engine(
        billing=BooksConnector(Books("shop:2", desk.clock.now), kinds=SHOP),
        ledger=desk.ledger,
        settings=desk.settings,
        store=desk.store,
        clock=desk.clock,
    )
    assert list(other.batches()) == []
    with pytest.raises(ConfigError, match="of this pair"):
        other.undo(batch)
    assert len(desk.posted) == 3
    assert [each.id for each in desk.batches()] == [batch.id]


def twice_posted() -> tuple[Desk, Batch, Batch]:
    """An invoice whose date somebody cleared by hand, and that was posted once more."""
    desk, first = posted()
    desk.shop.post(desk._of(desk.shop, "INV-1").ref.id, None)
    desk.clock.advance(HOUR)
    return desk, first, desk.batch(desk.post())


def test_of_two_batches_over_one_invoice_the_older_one_takes_nothing_of_it() -> None:
    """B134: it is the younger by which the invoice is handed over."""
    desk, first, second = twice_posted()
    assert (numbers(first), numbers(second)) == (["INV-1", "INV-2", "INV-3"], ["INV-1"])
    desk.engine().undo(first)
    assert desk.posted == {"INV-1"}
    assert [each.id for each in desk.batches()] == [second.id]
    desk.engine().undo(second)
    assert desk.posted == set()
    assert len(desk.booked) == 3


def test_of_two_batches_over_one_invoice_the_younger_one_takes_it_back() -> None:
    """B134: then the older one has nothing of it any more."""
    desk, first, second = twice_posted()
    desk.engine().undo(second)
    assert desk.posted == {"INV-2", "INV-3"}
    desk.engine().undo(first)
    assert desk.posted == set()
    assert desk.batches() == []


def test_batches_are_listed_with_all_that_is_known_of_them() -> None:
    """B138: type, time, user, members and outcome, the oldest first; they outlive a process."""
    desk = Desk()
    for place in range(3):
        desk.invoice(f"INV-{place}")
    desk.post("INV-0", by="ada")
    desk.clock.advance(HOUR)
    desk.engine().mark_posted(TODAY, ["INV-1"], by="grace")
    desk.clock.advance(HOUR)
    desk.pay("INV-0", 100)
    desk.engine().sync_paid_dates(TODAY, by="edith")
    found = [(b.type, b.by, numbers(b)) for b in desk.batches()]
    assert found == [
        (BatchType.POSTED, "ada", ["INV-0"]),
        (BatchType.MARKED, "grace", ["INV-1"]),
        (BatchType.PAID, "edith", ["INV-0"]),
    ]
    times = [each.at for each in desk.batches()]
    assert times == sorted(times)
    states = {m.state for batch in desk.batches() for m in batch.members}
    assert states == {State.APPLIED}


def test_an_undo_tells_its_rows_and_can_be_stopped() -> None:
    """B126, B137: done of total; what was not reached stays in the batch."""
    desk = Desk()
    for place in range(250):
        desk.invoice(f"INV-{place:03}")
    batch = desk.batch(desk.post())
    rows: list[Progress] = []
    report = desk.engine().undo(
        batch, on_progress=rows.append, stop=lambda: len(desk.posted) <= 50
    )
    assert not report.complete
    assert {row.total for row in rows} == {250}
    (left,) = desk.batches()
    assert len(left.members) == len(desk.posted) == 50
    assert desk.engine().undo(left).complete
    assert desk.posted == set()
    assert desk.batches() == []


def test_what_billing_keeps_together_is_taken_back_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """B134: some systems hand over by batches of their own, which go as a whole."""
    kinds = of([Posting], batch_size=3)
    desk = Desk(shop=kinds)
    for place in range(9):
        desk.invoice(f"INV-{place}")
    batch = desk.batch(desk.post())
    own = {f"INV-{n}": f"B{n % 3}" for n in range(9)}
    told = Books.posting
    monkeypatch.setattr(
        Books,
        "posting",
        lambda books, invoice: evolve(told(books, invoice), batch=own[invoice.number]),
    )
    sent: list[list[str]] = []

    def write(changes: Any) -> Any:
        sent.append([change.number for change in changes])
        return (yield from BooksConnector.write(desk.billing, changes))

    desk.billing.write = write  # type: ignore[method-assign]
    desk.engine().undo(batch)
    assert sorted(map(sorted, sent)) == [
        ["INV-0", "INV-3", "INV-6"],
        ["INV-1", "INV-4", "INV-7"],
        ["INV-2", "INV-5", "INV-8"],
    ]
    assert desk.posted == set()


def test_an_undo_that_meets_another_one_finds_nothing_left() -> None:
    """B62, B134: between looking for the batch and the run, another process took it back."""
    desk, batch = posted()
    engine = desk.engine()
    begin = engine._begin

    def late(*tracks: Any) -> Any:
        desk.engine().undo(batch)
        return begin(*tracks)

    engine._begin = late  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match="there is no batch"):
        engine.undo(batch)
    assert desk.posted == set()
