"""Posting by hand: the list, posting, marking, the days of payment, and what is told."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from attrs import evolve

import tieout
from desk import DAY, HOUR, RULES, SHOP, TODAY, Desk, numbers, of, to
from tieout import BatchType, Code, ConfigError, Direction, Fault, Severity, State
from tieout.capabilities import Changed, Everything, Select, Unposted, Verb
from tieout.change import Change
from tieout.models import (
    Customer,
    Invoice,
    Payment,
    Posting,
    RecordType,
    Ref,
    Settlement,
    Status,
    agreed_as,
)
from tieout.protocol import Health
from tieout.report import Progress
from tieout.settings import Settings
from tieout.testing.year.books import Books
from tieout.wire import Flow

WAIT = timedelta(minutes=10)
"""After which a look proves that a write was not carried out."""


def three() -> Desk:
    """A desk with three invoices over 100, 200 and 300."""
    desk = Desk()
    for place in (1, 2, 3):
        desk.invoice(f"INV-{place}", 100 * place)
    return desk


# The list ---------------------------------------------------------------------------------


def test_the_list_is_what_was_not_handed_over() -> None:
    """B111: neither what was posted nor marked is listed, nor drafts and void ones."""
    desk = three()
    desk.invoice("DRAFT", status=Status.DRAFT)
    desk.invoice("VOID", status=Status.VOID)
    desk.post("INV-1")
    desk.engine().mark_posted(TODAY, only=["INV-2"])
    assert desk.unsynced() == ["INV-3"]


def test_the_list_goes_through_a_day_included() -> None:
    """B112: the day itself belongs to it, the next does not; a posted one has its date."""
    desk = Desk()
    for day in (9, 10, 11):
        desk.invoice(f"INV-{day}", on=date(2026, 3, day))
    assert desk.unsynced(date(2026, 3, 10)) == ["INV-9", "INV-10"]
    desk.post(through=date(2026, 3, 10))
    assert desk.posted == {"INV-9", "INV-10"}
    assert desk.shop.posted
    assert desk.unsynced(date(2026, 3, 11)) == ["INV-11"]


def test_the_list_is_read_anew_each_time() -> None:
    """B113: what was made, edited or taken back meanwhile shows; nothing is written."""
    desk = three()
    engine = desk.engine()
    assert len(engine.unsynced(DAY).invoices) == 3
    desk.invoice("INV-4")
    desk.edit("INV-1", total=Decimal(120))
    desk.edit("INV-2", status=Status.VOID)
    again = engine.unsynced(DAY)
    assert {each.number: each.total for each in again.invoices} == {
        "INV-1": 120,
        "INV-3": 300,
        "INV-4": 100,
    }
    assert engine.unsynced(DAY - timedelta(days=1)).invoices == ()
    assert desk.book.writes == 0
    assert desk.shop.posted == {}


def test_a_billing_system_that_cannot_tell_is_refused() -> None:
    """B111: before anything is read; also one that cannot be told what was handed over."""
    kinds = of([Invoice, Posting], selects=frozenset({Changed, Everything}))
    with pytest.raises(ConfigError, match="cannot tell which invoices were not posted"):
        Desk(shop=kinds).engine().unsynced(TODAY)
    deaf = of([Posting], verbs=frozenset({Verb.READ}))
    with pytest.raises(ConfigError, match="cannot be told that one was posted"):
        Desk(shop=deaf).engine().mark_posted(TODAY)


def test_where_postings_are_listed_their_invoices_are_read() -> None:
    """B111, B119: some systems list not the invoices, but that they wait."""
    selects = SHOP[Invoice].selects - {Unposted}
    desk = Desk(shop=of([Invoice], selects=selects))
    for place in range(9):
        desk.invoice(f"INV-{place}")
    assert len(desk.unsynced()) == 9
    desk.post()
    assert desk.unsynced() == []
    assert len(desk.booked) == len(desk.posted) == 9


# Both connections ---------------------------------------------------------------------------


class Down:
    """A check that says how a connection is."""

    def __init__(self, health: Health) -> None:
        self.health = health

    def __call__(self) -> Flow[Health]:
        yield from ()
        return self.health


def test_both_connections_are_told_in_short_and_in_detail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """B114, B115: each by itself; the books behind it, and what is wrong with one."""
    desk = Desk()
    engine = desk.engine()
    found = engine.check()
    assert {name: health.ok for name, health in found.items()} == {
        "shop:1": True,
        "book:1": True,
    }
    assert found["book:1"].books is not None
    assert found["book:1"].books.currency == "EUR"
    ill = Health(reachable=True, signed_in=False, notes=("refused",))
    monkeypatch.setattr(type(desk.ledger), "check", lambda own: _told(own, desk, ill))
    found = engine.check()
    assert (found["shop:1"].ok, found["book:1"].ok) == (True, False)
    assert found["book:1"].notes == ("refused",)


def _told(own: object, desk: Desk, ill: Health) -> Flow[Health]:
    yield from ()
    well = Health(reachable=True, signed_in=True)
    return ill if own is desk.ledger else well


def test_a_connection_that_is_down_is_brought_to_attention(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """B116: a run says which, and why, before it does anything."""
    desk = three()
    ill = Health(reachable=False, signed_in=False, notes=("no route to it",))
    monkeypatch.setattr(type(desk.ledger), "check", lambda own: _told(own, desk, ill))
    report = desk.post()
    assert report.code is Code.NOT_REACHED
    assert report.text == "book:1: no route to it"
    assert not report.ok
    assert report.batch == ""
    assert desk.posted == set()


# Posting ----------------------------------------------------------------------------------


def test_posting_makes_the_invoice_hands_it_over_and_files_a_batch() -> None:
    """B119, B138: the ledger's invoice, billing's date, and a batch that says all of it."""
    desk = three()
    report = desk.post(by="grace")
    assert desk.booked == [("INV-1", 100), ("INV-2", 200), ("INV-3", 300)]
    assert desk.posted == {"INV-1", "INV-2", "INV-3"}
    (batch,) = desk.batches()
    assert report.batch == batch.id == report.run
    assert (batch.type, batch.by, batch.through) == (BatchType.POSTED, "grace", TODAY)
    assert batch.at == desk.clock.now()
    assert numbers(batch) == ["INV-1", "INV-2", "INV-3"]
    for member in batch.members:
        assert member.state is State.APPLIED
        assert member.ledger is not None
        booked = desk.book.of(Invoice)[member.ledger.id]
        assert booked.number == member.number


def test_by_default_it_was_done_by_the_profile() -> None:
    """B138: whoever runs the engine."""
    desk = three()
    desk.post()
    desk.engine().mark_posted(TODAY)
    assert {batch.by for batch in desk.batches()} == {"ada"}


@pytest.mark.parametrize("mark", [False, True], ids=["post", "mark"])
def test_only_what_is_selected_is_done(mark: bool) -> None:
    """B117, B118: by number, by id or by ref; the others stay on the list."""
    desk = three()
    chosen = desk.engine().unsynced(TODAY).invoices[1]
    for only in ("INV-1", chosen.ref.id, desk.engine().unsynced(TODAY).invoices[2].ref):
        engine = desk.engine()
        report = (
            engine.mark_posted(TODAY, [only])
            if mark
            else engine.sync_invoices(through=TODAY, only=[only])
        )
        assert report.ok
    assert len(desk.batches()) == 3
    assert desk.posted == {"INV-1", "INV-2", "INV-3"}
    assert len(desk.booked) == (0 if mark else 3)


def test_nothing_selected_is_nothing_done() -> None:
    """B118: an empty selection is not all of the list."""
    desk = three()
    assert desk.engine().sync_invoices(through=TODAY, only=[]).ok
    assert desk.engine().mark_posted(TODAY, only=[]).ok
    assert desk.posted == set()
    assert desk.booked == []
    assert desk.batches() == []


def test_what_is_chosen_twice_is_posted_once() -> None:
    """B21, B118: by its number, its id and its ref at once; and again in a later run."""
    desk = three()
    invoice = desk.engine().unsynced(TODAY).invoices[0]
    chosen = [invoice.number, invoice.ref.id, invoice.ref, invoice.number]
    report = desk.engine().sync_invoices(through=TODAY, only=chosen)
    assert report.ok
    assert (numbers(desk.batches()[0]), desk.booked) == (["INV-1"], [("INV-1", 100)])
    again = desk.engine().sync_invoices(through=TODAY, only=chosen)
    assert [each.code for each in again.issues] == [Code.NOT_LISTED] * 2
    assert again.batch == ""
    assert desk.booked == [("INV-1", 100)]


@pytest.mark.parametrize("mark", [False, True], ids=["post", "mark"])
def test_a_name_that_means_two_invoices_is_never_guessed(mark: bool) -> None:
    """B118: an id that is another's number; neither is done, a ref says which is meant."""
    desk = Desk()
    first = desk.invoice("INV-1", own="7001")
    second = desk.invoice("7001", own="7002")

    def do(only: str | Ref) -> tieout.Report:
        engine = desk.engine()
        if mark:
            return engine.mark_posted(TODAY, [only])
        return engine.sync_invoices(through=TODAY, only=[only])

    report = do("7001")
    (issue,) = report.issues
    assert issue.code is Code.AMBIGUOUS_NUMBER
    assert "INV-1 (7001), 7001 (7002)" in str(issue)
    assert "Ref" in str(issue)
    assert not report.ok
    assert desk.posted == set()
    assert desk.booked == []
    assert do(second.ref).ok
    assert desk.posted == {"7001"}
    assert do(first.ref).ok
    assert desk.posted == {"7001", "INV-1"}


@pytest.mark.parametrize("only", ["INV-1", [3], [""], [None]])
def test_a_choice_that_is_none_is_refused(only: object) -> None:
    """B118: a text in the place of a list of them, and what is no name."""
    desk = three()
    with pytest.raises(ConfigError, match="only="):
        desk.engine().sync_invoices(through=TODAY, only=only)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="only="):
        desk.engine().mark_posted(TODAY, only)  # type: ignore[arg-type]
    assert desk.billing.calls == 0


def test_what_cannot_be_is_refused_before_any_call() -> None:
    """B117: two ways to choose at once; invoices that do not go to the ledger."""
    desk = three()
    with pytest.raises(ConfigError, match="since= and through="):
        desk.engine().sync_invoices(DAY, through=TODAY)
    desk.settings = Settings(directions={Customer: Direction.TO_LEDGER})
    with pytest.raises(ConfigError, match="do not go to the ledger"):
        desk.post()
    assert desk.billing.calls == 0


def test_looking_first_posts_nothing() -> None:
    """B117: the plan of a posting, with what is unclear of the choice."""
    desk = three()
    plan = desk.engine().plan_invoices(through=TODAY, only=["INV-2", "NOPE"])
    assert [change.number for change in plan.changes] == ["C1", "INV-2"]
    assert [issue.code for issue in plan.issues] == [Code.NOT_LISTED]
    assert desk.posted == set()
    assert desk.booked == []
    assert desk.batches() == []


def test_it_is_handed_over_only_once_it_is_in_the_ledger() -> None:
    """B120: no date in billing while the ledger's invoice is not there."""
    desk = three()

    def look(change: Change) -> str:
        if change.kind is Posting:
            assert change.number in {number for number, _ in desk.booked}
        return ""

    desk.billing.fate = look
    desk.post()
    assert len(desk.posted) == 3
    desk = three()
    desk.ledger.fate = to(Invoice, "refused", "INV-2")
    report = desk.post()
    assert desk.posted == {"INV-1", "INV-3"}
    assert not report.ok
    (batch,) = desk.batches()
    (bad,) = [each for each in batch.members if each.state is not State.APPLIED]
    assert (bad.number, bad.code, bad.light) == ("INV-2", Code.REFUSED, Severity.RED)
    assert desk.unsynced() == ["INV-2"]


@pytest.mark.parametrize("fate", ["refused", "lost", "never"])
def test_a_failing_date_is_an_error_and_doubles_nothing(fate: str) -> None:
    """B120: refused, or its answer lost; the next run finds the ledger's invoice."""
    desk = three()
    desk.billing.fate = to(Posting, fate, "INV-2")
    report = desk.post()
    (bad,) = [e for e in desk.batches()[0].members if e.number == "INV-2"]
    assert bad.light is not Severity.GREEN
    assert bad.text
    assert [issue.numbers for issue in report.issues] == [("INV-2",)]
    assert len(desk.booked) == 3
    desk.billing.fate = to(Posting, "")
    for _ in range(2):
        desk.clock.advance(WAIT)
        desk.post()
    assert desk.posted == {"INV-1", "INV-2", "INV-3"}
    assert desk.unsynced() == []
    assert len(desk.booked) == 3
    held = [number for batch in desk.batches() for number in _done(batch)]
    assert sorted(held) == ["INV-1", "INV-2", "INV-3"]
    assert list(desk.engine().issues()) == []


def _done(batch: tieout.Batch) -> list[str]:
    return [m.number for m in batch.members if m.state is State.APPLIED]


@pytest.mark.parametrize("fate", ["lost", "never"])
def test_a_lost_answer_of_the_ledger_is_looked_for_before_it_is_handed_over(
    fate: str,
) -> None:
    """B120: while nobody knows whether it is there, it is not called handed over."""
    desk = three()
    desk.ledger.fate = to(Invoice, fate, "INV-2")
    desk.post()
    assert desk.posted == {"INV-1", "INV-3"}
    (bad,) = [e for e in desk.batches()[0].members if e.number == "INV-2"]
    assert (bad.state, bad.code) == (State.UNKNOWN, Code.OUTCOME_UNKNOWN)
    desk.ledger.fate = to(Invoice, "")
    if fate == "never":
        desk.post("INV-2")  # too early to know
        assert "INV-2" not in desk.posted
    desk.clock.advance(WAIT)
    desk.post()
    assert desk.posted == {"INV-1", "INV-2", "INV-3"}
    assert len(desk.booked) == 3


def test_what_was_edited_or_voided_after_it_was_listed_is_taken_as_it_is() -> None:
    """B113, B118: a selection is compared with the list as it is when the run begins."""
    desk = three()
    listed = desk.engine().unsynced(TODAY).invoices
    desk.edit("INV-1", total=Decimal(150))
    desk.edit("INV-2", status=Status.VOID)
    chosen = [each.ref for each in listed]
    report = desk.engine().sync_invoices(through=TODAY, only=chosen)
    assert desk.booked == [("INV-1", 150), ("INV-3", 300)]
    assert desk.posted == {"INV-1", "INV-3"}
    (issue,) = report.issues
    assert issue.code is Code.NOT_LISTED
    assert report.ok


def test_what_is_edited_while_it_is_posted_is_not_handed_over_as_it_was() -> None:
    """B120, B135: nobody would carry the edit; the next run does, and then hands it over."""
    desk = three()

    def edit(change: Change) -> str:
        if change.number == "INV-2" and change.kind is Invoice:
            desk.ledger.fate = to(Invoice, "")
            desk.edit("INV-2", total=Decimal(222))
        return ""

    desk.ledger.fate = edit
    report = desk.post()
    assert desk.posted == {"INV-1", "INV-3"}
    (issue,) = report.issues
    assert issue.code is Code.STALE_VERSION
    assert desk.unsynced() == ["INV-2"]
    desk.post()
    assert desk.booked == [("INV-1", 100), ("INV-2", 222), ("INV-3", 300)]
    assert desk.unsynced() == []
    assert list(desk.engine().issues()) == []


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.VOID, Code.NOT_LISTED),
        (Status.DRAFT, Code.NOT_LISTED),
        (None, Code.VANISHED),
    ],
)
def test_what_is_taken_back_while_it_is_posted_is_told(
    status: Status | None, code: Code
) -> None:
    """B120, B141: void, a draft again, or gone: not handed over, and not in silence."""
    desk = three()
    own = desk._of(desk.shop, "INV-2").ref.id

    def take_back(change: Change) -> str:
        if change.kind is Customer:
            if status is None:
                del desk.shop.of(Invoice)[own]
            else:
                desk.edit("INV-2", status=status)
        return ""

    desk.ledger.fate = take_back
    report = desk.post()
    assert desk.posted == {"INV-1", "INV-3"}
    assert [issue.code for issue in report.issues] == [code]
    (bad,) = [e for e in desk.batches()[0].members if e.number == "INV-2"]
    assert (bad.state, bad.code) == (State.NOT_SENT, code)


def test_what_was_carried_before_is_handed_over_and_not_made_again() -> None:
    """B120: posted by `since=`, it is in the ledger; by hand it is only called so."""
    desk = three()
    desk.engine().sync_invoices(DAY)
    assert len(desk.booked) == 3
    assert desk.unsynced() == ["INV-1", "INV-2", "INV-3"]
    writes = desk.book.writes
    assert desk.post().ok
    assert desk.book.writes == writes
    assert desk.posted == {"INV-1", "INV-2", "INV-3"}
    assert _done(desk.batches()[0]) == ["INV-1", "INV-2", "INV-3"]


def test_what_stands_in_the_ledger_under_its_number_is_taken_for_it() -> None:
    """B120, B154: one that was typed in there by hand is tied, where it is the same."""
    desk = three()
    there = desk.book.put(Customer(desk.book.ref(Customer), "Acme", "C1"))
    for number, total in (("INV-1", 100), ("INV-2", 999)):
        own, money = desk.book.ref(Invoice), Decimal(total)
        desk.book.put(Invoice(own, number, there.ref, "EUR", DAY, money, Status.OPEN))
    report = desk.post()
    assert desk.posted == {"INV-1", "INV-3"}
    assert desk.booked == [("INV-1", 100), ("INV-2", 999), ("INV-3", 300)]
    assert [i.code for i in report.issues] == [Code.NUMBER_MEANS_ANOTHER_DOCUMENT]


def test_what_came_from_the_ledger_is_handed_over_and_not_sent_back() -> None:
    """B92, B119: it is there already, and would stay on the list for ever."""
    both = Settings(
        directions={Customer: Direction.BOTH, Invoice: Direction.BOTH},
    )
    desk = Desk(settings=both)
    there = desk.book.put(Customer(desk.book.ref(Customer), "Acme", "C1"))
    own = desk.book.ref(Invoice)
    desk.book.put(Invoice(own, "GL-1", there.ref, "EUR", DAY, Decimal(5), Status.OPEN))
    desk.engine().sync_invoices(DAY)
    assert desk.unsynced() == ["GL-1"]
    writes = desk.book.writes
    assert desk.post().ok
    assert desk.book.writes == writes
    assert desk.posted == {"GL-1"}


def test_a_warning_about_a_posted_invoice_stays_with_it() -> None:
    """B128: it is handed over, with a yellow light and the reason."""
    only_void = Settings(directions=RULES.directions, updates="void_only")
    desk = Desk(settings=only_void)
    desk.invoice("INV-1")
    desk.engine().undo(desk.post().batch)
    desk.edit("INV-1", total=Decimal(150))
    report = desk.post()
    assert desk.booked == [("INV-1", 100)]
    assert desk.posted == {"INV-1"}
    ((member,),) = [batch.members for batch in desk.batches()]
    assert member.state is State.APPLIED
    assert (member.code, member.light) == (Code.EDIT_NOT_CARRIED, Severity.YELLOW)
    assert [issue.code for issue in report.issues] == [Code.EDIT_NOT_CARRIED]


def test_an_unreadable_invoice_of_the_list_is_told() -> None:
    """B106, B111: the others are posted; of a selection only what was chosen is told."""
    desk = three()
    garbled = tieout.Issue(
        Code.BAD_AMOUNT, Ref("shop:1", "Invoice", "x9"), ("INV-9",), text="1,2,3"
    )
    desk.billing.garbled = (garbled,)
    assert desk.engine().unsynced(TODAY).issues == (garbled,)
    assert [i.code for i in desk.post("INV-1").issues] == []
    report = desk.post("INV-2", "x9")
    assert [issue.code for issue in report.issues] == [Code.BAD_AMOUNT]
    report = desk.post()
    assert [issue.code for issue in report.issues] == [Code.BAD_AMOUNT]
    assert not report.ok
    assert desk.posted == {"INV-1", "INV-2", "INV-3"}


def test_a_long_list_is_posted_as_a_whole() -> None:
    """B119, B126: 3,000 at once; what is handed over leaves the list that is being read."""
    kinds = of([Invoice, Posting], page_size=200, fetch_size=500, batch_size=50)
    desk = Desk(shop=kinds, book=of([Invoice], batch_size=50, fetch_size=500))
    desk.shop.unique = desk.book.unique = False  # or each is compared with all others
    for place in range(3000):
        desk.invoice(f"INV-{place:04}", 1 + place % 7)
    rows: list[Progress] = []
    report = desk.post(on_progress=rows.append)
    assert report.ok
    assert len(desk.booked) == len(desk.posted) == 3000
    assert desk.unsynced() == []
    results = [row for row in rows if row.what == "posted"]
    assert [row.done for row in results] == list(range(1, 3001))
    assert {row.total for row in results} == {3000}
    (batch,) = desk.batches()
    assert len(set(_done(batch))) == 3000
    desk.engine().undo(batch)
    assert desk.posted == set()
    assert desk.batches() == []
    assert len(desk.booked) == 3000
