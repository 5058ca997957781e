"""Posting by hand: the list, posting, marking, the days of payment, and what is told."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from attrs import evolve

import tieout
from desk import DAY, HOUR, RULES, SHOP, TODAY, Desk, Watched, numbers, of, to
from tieout import (
    BatchType,
    Code,
    ConfigError,
    Direction,
    Doubt,
    Fault,
    Severity,
    State,
)
from tieout.capabilities import Capabilities, Changed, Everything, Unposted, Verb
from tieout.change import Change
from tieout.models import (
    Customer,
    Invoice,
    Payment,
    Posting,
    Ref,
    Settlement,
    Status,
    agreed_as,
)
from tieout.protocol import Health
from tieout.report import Progress
from tieout.settings import Settings
from tieout.testing.year.connector import KINDS
from tieout.wire import Flow
from worlds import Crash, Mortal

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
    number, ref = invoice.number, invoice.ref
    chosen: list[str | Ref] = [number, ref.id, ref, number]
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


def test_an_edit_that_was_not_carried_before_is_carried_by_hand() -> None:
    """B91, B135: a sync by its rules leaves it; who posts by hand wants it as it is now."""
    desk = three()
    desk.engine().sync_invoices(DAY)
    desk.edit("INV-1", total=Decimal(150))
    for _ in range(2):
        desk.clock.advance(HOUR)
        report = desk.engine().sync_invoices(DAY)
        assert report.counts["updated"] == 0
    assert desk.booked[0] == ("INV-1", 100)
    assert desk.post().ok
    assert desk.booked == [("INV-1", 150), ("INV-2", 200), ("INV-3", 300)]
    assert desk.posted == {"INV-1", "INV-2", "INV-3"}


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


def test_what_is_parked_is_told_and_a_person_answers() -> None:
    """B120, B129: two documents of one number in the ledger; neither is taken unasked."""
    desk = three()
    desk.book.unique = False
    desk.ledger.fate = to(Invoice, "lost", "INV-2")
    desk.post("INV-2")
    desk.ledger.fate = to(Invoice, "")
    first = desk._of(desk.book, "INV-2")
    desk.book.put(evolve(first, ref=desk.book.ref(Invoice)))
    desk.clock.advance(WAIT)
    rows: list[Progress] = []
    report = desk.post(on_progress=rows.append)
    assert Doubt.DUPLICATE.value in rows[0].text
    assert desk.posted == {"INV-1", "INV-3"}
    (bad,) = [e for e in desk.batch(report).members if e.number == "INV-2"]
    assert (bad.state, bad.code) == (State.UNKNOWN, Code.PARKED)
    engine = desk.engine()
    (parked,) = engine.parked()
    engine.answer(parked, tieout.Landed(first.ref.id))
    desk.post()
    assert desk.posted == {"INV-1", "INV-2", "INV-3"}


def test_a_mark_whose_answer_is_always_lost_is_parked() -> None:
    """B120, B121: a person is asked; nothing is marked twice, and the ledger not asked."""
    desk = three()
    desk.billing.fate = to(Posting, "never", "INV-1")
    rows: list[Progress] = []
    for _ in range(6):
        desk.engine().mark_posted(TODAY, ["INV-1"], on_progress=rows.append)
        desk.clock.advance(WAIT)
    desk.engine().mark_posted(TODAY, ["INV-1"], on_progress=rows.append)
    assert "parked" in rows[-1].text.lower() or "lost" in rows[-1].text
    (parked,) = desk.engine().parked()
    assert parked.number == "INV-1"
    assert desk.posted == set()
    desk.billing.fate = to(Posting, "")
    desk.engine().answer(parked, tieout.Reply.NOT_THERE)
    desk.engine().mark_posted(TODAY, ["INV-1"])
    assert desk.posted == {"INV-1"}


class Slow(Watched):
    """A ledger that may carry a request out half an hour late."""

    @property
    def capabilities(self) -> Capabilities:
        return evolve(super().capabilities, late_commit=timedelta(minutes=30))


def test_while_a_write_of_it_may_still_land_it_is_not_handed_over() -> None:
    """B120, B160: edited, posted by a process that died, and edited back."""
    desk = three()
    desk.engine().undo(desk.post().batch)
    desk.ledger = Slow(desk.book, kinds=KINDS)
    desk.edit("INV-1", total=Decimal(150))
    store = Mortal(desk.store)

    def dies(change: Change) -> str:
        if change.kind is Invoice:
            store.die()
        return ""

    desk.ledger.fate = dies
    with pytest.raises(Crash):
        desk.engine(store).sync_invoices(through=TODAY, only=["INV-1"])
    desk.ledger.fate = to(Invoice, "")
    desk.edit("INV-1", total=Decimal(100))
    desk.clock.advance(WAIT)
    report = desk.post()
    assert desk.posted == {"INV-2", "INV-3"}
    assert [issue.code for issue in report.issues] == [Code.OUTCOME_UNKNOWN]
    desk.clock.advance(HOUR)
    desk.post()
    assert desk.posted == {"INV-1", "INV-2", "INV-3"}
    assert desk.booked[0] == ("INV-1", 100)


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


# Marking alone ----------------------------------------------------------------------------


def test_marking_asks_nothing_of_the_ledger() -> None:
    """B121: the date is set and a batch filed; not one call, whatever was left unclear there."""
    desk = three()
    desk.ledger.fate = to(Invoice, "never", "INV-1")
    desk.post("INV-1")
    desk.clock.advance(2 * WAIT)
    calls = desk.ledger.calls
    report = desk.engine().mark_posted(TODAY, ["INV-2", "INV-3"], by="grace")
    assert desk.ledger.calls == calls
    assert report.ok
    assert desk.posted == {"INV-2", "INV-3"}
    batch = desk.batch(report)
    assert (batch.type, batch.by) == (BatchType.MARKED, "grace")
    assert _done(batch) == ["INV-2", "INV-3"]
    assert [member.ledger for member in batch.members] == [None, None]
    assert desk.booked == []


def test_what_may_be_in_the_ledger_can_be_marked_once_that_is_settled() -> None:
    """B121: a write to the ledger that is not settled may have made it: it is told."""
    desk = three()
    desk.ledger.fate = to(Invoice, "lost", "INV-1")
    desk.post("INV-1")
    report = desk.engine().mark_posted(TODAY, ["INV-1"])
    assert not desk.posted
    (issue,) = report.issues
    assert issue.code is Code.OUTCOME_UNKNOWN
    desk.ledger.fate = to(Invoice, "")
    desk.clock.advance(WAIT)
    desk.post("INV-1")
    assert desk.posted == {"INV-1"}
    assert len(desk.booked) == 1


def test_what_was_marked_is_left_alone_by_every_sync() -> None:
    """B121, B136: "do not post" holds for `since=` and by name too, until it is undone."""
    desk = three()
    marked = desk.engine().mark_posted(TODAY, ["INV-1"]).batch
    for since, only in ((DAY, ()), (None, ["INV-1"])):
        report = desk.engine().sync_invoices(since, only=only)
        assert report.counts["skipped"] == 1
    assert desk.booked == [("INV-2", 200), ("INV-3", 300)]
    desk.engine().undo(marked)
    desk.engine().sync_invoices(DAY)
    assert desk.booked == [("INV-1", 100), ("INV-2", 200), ("INV-3", 300)]


def test_what_was_marked_can_be_posted_by_hand_once_it_is_listed_again() -> None:
    """B111, B121: a person took the mark away in billing, and chose to post it."""
    desk = three()
    desk.engine().mark_posted(TODAY, ["INV-1"])
    own = desk._of(desk.shop, "INV-1").ref.id
    desk.shop.post(own, None)
    assert desk.post("INV-1").ok
    assert desk.booked == [("INV-1", 100)]


def test_what_was_handed_over_meanwhile_is_not_called_so_once_more() -> None:
    """B121: somebody was faster; it is in order, and nothing of ours to take back."""
    desk = three()
    own = desk._of(desk.shop, "INV-1").ref.id

    def faster() -> bool:
        desk.shop.post(own, desk.clock.now())
        return False

    report = desk.engine().mark_posted(TODAY, ["INV-1"], stop=faster)
    assert report.ok
    (batch,) = desk.batches()
    assert _done(batch) == ["INV-1"]
    assert desk.engine().undo(batch).ok
    assert desk.posted == {"INV-1"}
    assert desk.batches() == []


# The days of payment ------------------------------------------------------------------------


def paid_desk(**more: object) -> Desk:
    """Four posted invoices: paid, paid in part, not paid, and one that is dated later."""
    desk = Desk(**more)  # type: ignore[arg-type]
    for number, on in (("FULL", DAY), ("PART", DAY), ("OPEN", DAY), ("LATE", TODAY)):
        desk.invoice(number, 100, on)
    desk.post()
    desk.pay("FULL", 100)
    desk.pay("PART", 40)
    desk.pay("LATE", 100)
    return desk


def test_fetching_the_days_of_payment_takes_what_was_paid_in_full() -> None:
    """B118, B122: by no selection; part payments and the ledger are left alone."""
    desk = paid_desk()
    writes = desk.book.writes
    report = desk.engine().sync_paid_dates(DAY, by="grace")
    assert desk.shown("FULL") == (100, TODAY)
    assert desk.shown("PART") == (0, None)
    assert desk.shown("OPEN") == (0, None)
    assert desk.shown("LATE") == (0, None)
    assert desk.book.writes == writes
    assert report.counts["updated"] == 1
    assert report.counts["skipped"] == 1
    batch = desk.batch(report)
    assert (batch.type, batch.by, batch.through) == (BatchType.PAID, "grace", DAY)
    assert _done(batch) == ["FULL"]


def test_the_days_of_payment_go_through_a_day_included() -> None:
    """B112, B118: the through date is kept, whatever was selected."""
    desk = paid_desk()
    desk.engine().sync_paid_dates(TODAY - timedelta(days=1))
    assert desk.shown("LATE") == (0, None)
    desk.engine().sync_paid_dates(TODAY)
    assert desk.shown("LATE") == (100, TODAY)
    assert desk.engine().sync_paid_dates(TODAY).batch == ""


def test_all_that_was_paid_is_shown_although_it_leaves_the_list() -> None:
    """B118, B122: a list of what is open, of several pages, that shrinks as it is read."""
    desk = Desk()
    for place in range(20):
        desk.invoice(f"INV-{place}")
    desk.post()
    for place in range(20):
        desk.pay(f"INV-{place}", 100)
    rows: list[Progress] = []
    report = desk.engine().sync_paid_dates(TODAY, on_progress=rows.append)
    assert report.counts["updated"] == 20
    assert [(row.done, row.total) for row in rows] == [(n, 20) for n in range(1, 21)]
    assert {desk.shown(f"INV-{place}") for place in range(20)} == {(100, TODAY)}


def test_a_tied_invoice_that_is_gone_from_the_ledger_is_told() -> None:
    """B122, B141: its day of payment cannot be known."""
    desk = paid_desk()
    del desk.book.of(Invoice)[desk._of(desk.book, "OPEN").ref.id]
    report = desk.engine().sync_paid_dates(TODAY)
    assert [issue.code for issue in report.issues] == [Code.VANISHED]
    assert desk.shown("FULL") == (100, TODAY)


def test_a_day_of_payment_that_cannot_be_written_is_told_with_its_reason() -> None:
    """B122, B137: refused, it is an error of its invoice; lost, it is found again."""
    desk = paid_desk()
    desk.pay("OPEN", 100)
    desk.billing.fate = to(Settlement, "refused", "FULL")
    report = desk.engine().sync_paid_dates(TODAY)
    by_number = {member.number: member for member in desk.batch(report).members}
    assert by_number["FULL"].state is State.REJECTED
    assert by_number["FULL"].code is Code.REFUSED
    assert by_number["OPEN"].state is State.APPLIED
    desk.billing.fate = to(Settlement, "lost")
    lost = desk.engine().sync_paid_dates(TODAY)
    assert {each.state for each in desk.batch(lost).members} == {State.UNKNOWN}
    desk.billing.fate = to(Settlement, "")
    desk.clock.advance(WAIT)
    desk.engine().sync_paid_dates(TODAY)
    (member,) = desk.batch(lost).members
    assert (member.state, member.code) == (State.APPLIED, None)


def test_the_days_of_payment_need_levels_and_a_list_of_what_is_open() -> None:
    """B51, B117: where payments go as documents, or billing cannot tell, it is refused."""
    documents = {**RULES.directions, Payment: Direction.TO_BILLING}
    documents[Settlement] = Direction.OFF
    desk = Desk(settings=Settings(directions=documents))
    with pytest.raises(ConfigError, match="levels are switched off"):
        desk.engine().sync_paid_dates(TODAY)
    blind = of([Settlement], selects=frozenset({Changed, Everything}))
    with pytest.raises(ConfigError, match="cannot tell which invoices are open"):
        Desk(shop=blind).engine().sync_paid_dates(TODAY)


# Automatic payment --------------------------------------------------------------------------


class Payments:
    """An automatic payment that keeps what it was asked and told, and may be down."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.told: list[Ref] = []
        self.down = False

    def posted(self, invoice: Invoice) -> tieout.AutoPayStatus:
        if self.down:
            raise RuntimeError
        self.asked.append(invoice.number)
        return tieout.AutoPayStatus(tieout.AutoPayState.QUEUED)

    def paid(self, invoice: Ref) -> None:
        if self.down:
            raise RuntimeError
        self.told.append(invoice)


def rules(payers: bool = True) -> tieout.AutoPayRules:
    """Two payers, by card and by bank account, each for its terms."""
    kinds = tieout.MethodKind
    known = {
        "c1": tieout.Payer(kinds.CARD, {"NET30"}),
        "c2": tieout.Payer(kinds.BANK_ACCOUNT, {"NET30"}),
    }
    return tieout.AutoPayRules(known if payers else {})


def auto_pay_desk(auto_pay: tieout.AutoPay) -> Desk:
    """An invoice for each answer."""
    desk = Desk(auto_pay=auto_pay)
    desk.invoice("CARD", terms="NET30")
    desk.invoice("TERMS", terms="NET60")
    desk.invoice("NONE")
    for number, name in (("BANK", "Second"), ("PAYER", "Third")):
        other = desk.shop.put(Customer(desk.shop.ref(Customer, name), name, name))
        desk.invoice(number, terms="NET30")
        desk.edit(number, customer=other.ref)
    return desk


def test_a_posted_invoice_says_how_it_stands_with_automatic_payment() -> None:
    """B123, B125, B132: queued with its method, no terms, no payer; each with its light."""
    found = rules()
    found.payers = {**found.payers, "Second": found.payers["c2"]}
    desk = auto_pay_desk(found)
    rows: list[Progress] = []
    desk.post(on_progress=rows.append)
    ((*members,),) = [batch.members for batch in desk.batches()]
    assert {m.number: (m.auto_pay, m.method) for m in members} == {
        "CARD": ("queued", "card"),
        "BANK": ("queued", "bank account"),
        "TERMS": ("no terms", ""),
        "NONE": ("no terms", ""),
        "PAYER": ("no payer", ""),
    }
    lights = {m.number: tieout.AutoPayState(m.auto_pay).light for m in members}
    assert lights["CARD"] is Severity.GREEN
    assert {lights["TERMS"], lights["NONE"], lights["PAYER"]} == {Severity.RED}
    told = {row.number: row.auto_pay for row in rows if row.what == "posted"}
    assert told["CARD"] == "queued"
    assert {each.number for each in found.outstanding.values()} == {"CARD", "BANK"}


def test_without_payers_automatic_payment_is_disabled() -> None:
    """B125: it is not configured; a yellow light."""
    desk = auto_pay_desk(rules(payers=False))
    desk.post()
    states = {member.auto_pay for member in desk.batches()[0].members}
    assert states == {"disabled"}
    assert tieout.AutoPayState.DISABLED.light is Severity.YELLOW


def test_for_the_other_actions_automatic_payment_does_not_apply() -> None:
    """B125: marking and fetching ask nothing; nor does an engine without one."""
    auto_pay = Payments()
    desk = paid_desk(auto_pay=auto_pay)
    auto_pay.asked.clear()
    desk.invoice("MARK")
    marked = desk.engine().mark_posted(TODAY, ["MARK"])
    paid = desk.engine().sync_paid_dates(TODAY)
    assert auto_pay.asked == []
    states = {m.auto_pay for run in (marked, paid) for m in desk.batch(run).members}
    assert states == {""}
    plain = three()
    plain.post()
    assert {member.auto_pay for member in plain.batches()[0].members} == {""}


@pytest.mark.parametrize("by_hand", [True, False])
def test_what_was_paid_is_no_longer_due(by_hand: bool) -> None:
    """B124: told of what was paid in full, by hand and by every payment sync."""
    found = rules()
    desk = Desk(auto_pay=found)
    for number in ("FULL", "PART"):
        desk.invoice(number, terms="NET30")
    desk.post()
    assert len(found.outstanding) == 2
    desk.pay("FULL", 100)
    desk.pay("PART", 40)
    if by_hand:
        desk.engine().sync_paid_dates(TODAY)
    else:
        desk.engine().sync_payments(DAY)
    assert [each.number for each in found.outstanding.values()] == ["PART"]


def test_where_automatic_payment_is_down_nothing_is_lost() -> None:
    """B106, B123, B124: the invoice is left as it is, in red, and tried again."""
    auto_pay = Payments()
    desk = Desk(auto_pay=auto_pay)
    desk.invoice("INV-1")
    auto_pay.down = True
    report = desk.post()
    assert [issue.code for issue in report.issues] == [Code.AUTO_PAY_FAILED]
    assert not report.ok
    assert desk.posted == set()
    assert desk.booked == [("INV-1", 100)]
    auto_pay.down = False
    assert desk.post().ok
    assert (desk.posted, auto_pay.asked) == ({"INV-1"}, ["INV-1"])
    assert desk.booked == [("INV-1", 100)]
    desk.pay("INV-1", 100)
    auto_pay.down = True
    report = desk.engine().sync_paid_dates(TODAY)
    assert [issue.code for issue in report.issues] == [Code.AUTO_PAY_FAILED]
    assert desk.shown("INV-1") == (0, None)
    (member,) = desk.batch(report).members
    assert (member.state, member.code) == (State.NOT_SENT, Code.AUTO_PAY_FAILED)
    auto_pay.down = False
    assert desk.engine().sync_paid_dates(TODAY).ok
    assert desk.shown("INV-1") == (100, TODAY)
    assert auto_pay.told == [desk._of(desk.shop, "INV-1").ref]


# What is told -------------------------------------------------------------------------------


def test_rows_come_during_the_run_with_a_count_of_all() -> None:
    """B126, B128, B164: done of total, each invoice with light and text, as it happens."""
    desk = Desk(auto_pay=rules())
    for place in range(60):
        desk.invoice(f"INV-{place:02}", terms="NET30")
    desk.ledger.fate = to(Invoice, "refused", "INV-07")
    rows: list[tuple[Progress, int]] = []
    desk.post(on_progress=lambda row: rows.append((row, len(desk.posted))))
    results = [row for row, _ in rows if row.what in ("posted", "failed")]
    assert [row.done for row in results] == list(range(1, 61))
    assert {row.total for row in results} == {60}
    assert len({row.ref for row in results}) == 60
    bad = next(row for row in results if row.number == "INV-07")
    assert (bad.what, bad.light, bad.auto_pay) == ("failed", Severity.RED, "")
    assert bad.text.startswith("INV-07: no")
    good = [row for row in results if row is not bad]
    assert {(r.what, r.light, r.text, r.auto_pay) for r in good} == {
        ("posted", Severity.GREEN, "handed over", "queued")
    }
    first = next(posted for row, posted in rows if row.what == "posted")
    assert first < 59  # it was told while others were still to do
    made = [row.number for row, _ in rows if row.what == "created"]
    assert len(made) == 60  # 59 invoices and their customer


def test_at_its_end_all_is_counted() -> None:
    """B127, B128: processed, success, warning, error; the report and the batch agree."""
    desk = three()
    desk.ledger.fate = to(Invoice, "refused", "INV-2")
    report = desk.post()
    (batch,) = desk.batches()
    assert dict(batch.lights) == {
        Severity.GREEN: 2,
        Severity.YELLOW: 0,
        Severity.RED: 1,
    }
    assert len(batch.members) == 3
    assert report.counts["failed"] == 1
    assert report.red == 1


def test_each_result_can_be_read_in_full_after_the_run() -> None:
    """B129: an error with its text and remedy, by the batch and by the report."""
    desk = three()
    desk.ledger.fate = to(Invoice, "refused", "INV-2")
    report = desk.post()
    (bad,) = [m for m in desk.batches()[0].members if m.light is Severity.RED]
    (issue,) = report.issues
    assert bad.text == str(issue)
    assert Code.REFUSED.remedy in bad.text
    assert "no" in [e.text for e in report.records if "INV-2" in e.numbers]


def test_a_new_sync_begins_with_a_clean_sheet_and_undoes_nothing() -> None:
    """B130: neither counts nor issues of the last one; its batch stands."""
    desk = three()
    desk.ledger.fate = to(Invoice, "refused", "INV-2")
    engine = desk.engine()
    first = engine.sync_invoices(through=TODAY, only=["INV-1", "INV-2"])
    desk.ledger.fate = to(Invoice, "")
    desk.clock.advance(timedelta(hours=1))
    rows: list[Progress] = []
    second = engine.sync_invoices(
        through=TODAY, only=["INV-3"], on_progress=rows.append
    )
    assert second.run != first.run
    assert second.counts["failed"] == 0
    assert list(second.issues) == []
    assert [(row.done, row.total) for row in rows if row.what == "posted"] == [(1, 1)]
    assert [numbers(batch) for batch in desk.batches()] == [
        ["INV-1", "INV-2"],
        ["INV-3"],
    ]
    assert desk.posted == {"INV-1", "INV-3"}


def test_a_run_can_be_stopped_and_the_next_one_goes_on() -> None:
    """B126, B160: what was done is filed, what was not stays on the list."""
    desk = Desk()
    for place in range(120):
        desk.invoice(f"INV-{place:03}")
    report = desk.post(stop=lambda: len(desk.posted) >= 50)
    assert not report.complete
    assert len(desk.posted) == 50
    (batch,) = desk.batches()
    assert report.batch == batch.id
    assert len(_done(batch)) == 50
    desk.post()
    assert len(desk.posted) == len(desk.booked) == 120


# Looking closer -----------------------------------------------------------------------------


def test_a_missing_account_is_found_by_the_check_and_once() -> None:
    """B162: not record by record; one that is given, or not needed, is not missed."""
    fees = Settings(directions=RULES.directions, fees=tieout.Fees())
    desk = Desk(settings=fees)
    found = desk.engine().check()
    assert found["book:1"].missing == ("accounts['fee']",)
    assert Code.NO_ACCOUNT.meaning in found["book:1"].notes
    assert not found["book:1"].ok
    assert found["shop:1"].ok
    for given in (
        evolve(fees, accounts={"fee": "4000"}),
        evolve(fees, fees=tieout.Fees(item="FEE")),
        evolve(fees, fees=tieout.Fees("overpayment")),
    ):
        desk.settings = given
        assert desk.engine().check()["book:1"].ok


def test_each_document_has_the_address_of_its_page() -> None:
    """B131: where its system tells one; a record of another pair has none."""
    desk = three()
    desk.post()
    engine = desk.engine()
    (member, *_) = desk.batches()[0].members
    assert member.ledger is not None
    assert engine.deep_link(member.ledger) == ""
    desk.ledger.deep_link = lambda ref: f"https://book.example/{ref.id}"  # type: ignore[attr-defined]
    assert engine.deep_link(member.ledger) == f"https://book.example/{member.ledger.id}"
    assert engine.deep_link(member.invoice) == ""
    with pytest.raises(ConfigError, match="no connection of this pair"):
        engine.deep_link(Ref("elsewhere:1", "Invoice", "1"))


def test_agreed_is_what_was_posted() -> None:
    """B154: the link of a posted invoice holds what was agreed of it."""
    desk = three()
    desk.post("INV-1")
    link = next(iter(desk.engine().why("INV-1").links))
    assert agreed_as("Invoice", "shop:1") in link.agreed


def test_a_fault_of_billing_ends_the_list() -> None:
    """B111: it is raised, and not told as an empty list."""
    desk = three()

    def broken(*_: object) -> None:
        raise Fault(Code.SERVER_ERROR, "down")

    desk.billing.between = broken
    with pytest.raises(Fault, match="down"):
        desk.engine().unsynced(TODAY)
    report = desk.post()
    assert report.code is Code.SERVER_ERROR
    assert desk.batches() == []
