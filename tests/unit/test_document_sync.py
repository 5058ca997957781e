"""What documents, payments and credits become when both sides go on working."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from desks import BOTH, DAY, IN, OFF, OUT, Desks
from tieout.answers import Reply
from tieout.capabilities import Verb
from tieout.change import Issue
from tieout.errors import Code
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Link,
    Payment,
    R,
    Ref,
    Status,
)
from tieout.noting import as_one
from tieout.protocol import Page
from tieout.settings import Fees
from tieout.store import Held, Stage
from tieout.stores.memory import MemoryStore
from tieout.testing.year.connector import BooksConnector, without
from tieout.windows import Since


def amounts(desks: Desks) -> list[int]:
    """The payments that live in the book."""
    found = desks.live(desks.book, Payment)
    return sorted(int(each.amount) for each in found)


# What came from one side does not go back -----------------------------------------------


def test_the_invoice_of_a_fee_is_not_sent_back() -> None:
    """B69, B92: the invoice of a fee came from billing, if in a role of its own."""
    desks = Desks(fees=Fees())
    desks.customer()
    bill = desks.bill("I1")
    desks.pay(105, (bill, 100), fee=5)
    for _ in range(3):
        desks.sync()
    assert [e.number for e in desks.live(desks.shop, Invoice)] == ["I1"]
    assert len(desks.live(desks.book, Invoice)) == 2
    assert not desks.issues()


def test_a_part_of_a_payment_is_not_sent_back() -> None:
    """B92: where a ledger puts a payment to one invoice, its parts came from billing."""
    desks = Desks()
    desks.ledger.invoices_per_payment = 1
    desks.customer()
    desks.pay(150, (desks.bill("I1"), 100), (desks.bill("I2", 50), 50))
    for _ in range(3):
        desks.sync()
    assert amounts(desks) == [50, 100]
    assert len(desks.live(desks.shop, Payment)) == 1


@pytest.mark.parametrize("kind", [Customer, Invoice, CreditNote, Payment, Application])
def test_what_an_unclear_write_made_is_not_sent_back(kind: type[object]) -> None:
    """A document whose answer was lost is ours, although nothing ties it yet."""
    desks = Desks()
    desks.ledger.search_lag = timedelta(hours=3)
    if kind is Customer:
        desks.shop.put(Customer(desks.shop.ref(Customer), "Ada", "C1"))
    else:
        desks.customer()
        bill = desks.bill("I1")
        if kind is Payment:
            desks.sync()
            desks.pay(100, (bill, 100))
        if kind in (CreditNote, Application):
            note = desks.credit("N1")
            if kind is Application:
                desks.sync()
                desks.apply(note, bill, 50)
            else:
                desks.engine.sync_invoices(DAY)
    desks.fates = ["lost"]
    for _ in range(3):
        desks.sync()
    desks.clock.pass_by(timedelta(hours=4))
    for _ in range(2):
        desks.sync()
    assert len(desks.live(desks.shop, kind)) == 1
    assert len(desks.live(desks.book, kind)) == 1
    assert not desks.issues()


def test_a_document_waits_for_an_unclear_write_that_may_have_made_it() -> None:
    """Until then it is told that it waits, and nothing is made of it."""
    desks = Desks()
    desks.customer()
    desks.ledger.search_lag = timedelta(hours=9)
    desks.bill("I1")
    desks.fates = ["lost"]
    desks.sync()
    (found,) = (e for e in desks.issues().values() if e.code is Code.WAITS)
    assert found.source is not None
    assert found.source.connection == "book:1"
    assert "it may be what was made for I1" in found.text


def test_an_application_made_on_the_other_side_has_an_origin_of_its_own() -> None:
    """A credit that came from the shop and was applied in the book is so in the shop."""
    desks = Desks()
    desks.customer()
    desks.bill("I1")
    desks.credit("N1")
    desks.sync()
    (note,) = desks.live(desks.book, CreditNote)
    (bill,) = desks.live(desks.book, Invoice)
    desks.apply(note.ref, bill.ref, 50)
    desks.sync()
    assert desks.owed() == (["I1 50"], ["I1 50"])
    before = desks.writes
    desks.sync()
    assert desks.writes == before


def test_an_application_that_nobody_reads_is_told_when_all_is_compared() -> None:
    """Where credit notes go one way, what people apply of a copy is worth a word."""
    desks = Desks(directions={CreditNote: OUT})
    desks.customer()
    desks.bill("I1")
    ours = desks.credit("N1")
    desks.sync()
    (note,) = desks.live(desks.book, CreditNote)
    (bill,) = desks.live(desks.book, Invoice)
    desks.apply(note.ref, bill.ref, 50)
    desks.sync(recheck=True)
    told = desks.issues(Held.NOTED)[ours.id]
    assert told.code is Code.APPLIED_THERE
    assert "50" in told.text


def test_a_note_of_another_kind_does_not_hide_that_money_differs() -> None:
    """B104: one row a record, and all that is to be said of it; told once."""
    desks = Desks(updates="void_only", directions={CreditNote: OUT, Invoice: OUT})
    desks.customer()
    desks.bill("I1", 200)
    ours = desks.credit("N1")
    desks.sync()
    (note,) = desks.live(desks.book, CreditNote)
    (bill,) = desks.live(desks.book, Invoice)
    edited = evolve(desks.shop.of(CreditNote)[ours.id], total=Decimal(500), lines=())
    desks.shop.put(edited)
    desks.sync()
    desks.apply(note.ref, bill.ref, 20)
    for _ in range(2):
        desks.sync(recheck=True)
    told = desks.issues(Held.NOTED)[ours.id]
    assert told.code is Code.EDIT_NOT_CARRIED
    assert "total 500.00 EUR here, 50.00 EUR there." in told.text
    assert told.text.endswith(f"its applications there: 20 to {bill.ref.id}.")
    assert told.remedy == (
        f"{Code.EDIT_NOT_CARRIED.remedy} {Code.APPLIED_THERE.remedy}"
    )
    warnings = [e for e in desks.engine.events() if e.what == "warning"]
    assert len(warnings) == 2


def test_the_worst_of_several_notes_leads() -> None:
    """B128: red before yellow; what is said twice is said once."""
    less = Issue(Code.APPLIED_THERE, text="20 to i1.", basis="x", blocking=False)
    worse = Issue(Code.TOTAL_DIFFERS, blocking=False, remedy="Look.")
    (one,) = as_one([less, worse, less])
    assert (one.code, one.basis) == (Code.TOTAL_DIFFERS, "")
    assert one.text == (
        f"{Code.TOTAL_DIFFERS.meaning} {Code.APPLIED_THERE.meaning[:-1]}: 20 to i1."
    )
    assert one.remedy == f"Look. {Code.APPLIED_THERE.remedy}"
    assert as_one([less, less]) == [less]
    assert as_one(()) == []


# What was deleted ------------------------------------------------------------------------


def test_a_deleted_source_is_told_when_all_is_compared() -> None:
    """B44: also where its system announces no deletions; the copy is left as it is."""
    desks = Desks()
    desks.customer()
    bill, kept = desks.bill("I1"), desks.bill("I2")
    paid, note = desks.pay(20), desks.credit("N1")
    back = desks.bill("I3", books=desks.book)
    desks.sync()
    del desks.shop.of(Invoice)[bill.id], desks.book.of(Invoice)[back.id]
    del desks.shop.of(Payment)[paid.id], desks.shop.of(CreditNote)[note.id]
    desks.sync()
    assert not desks.issues()
    for _ in range(2):
        desks.sync(recheck=True)
        found = {e.issue.source: e.issue.code for e in desks.engine.issues()}
        gone = dict.fromkeys((bill, back, paid, note), Code.VANISHED)
        assert {ref: found.get(ref) for ref in gone} == gone
        assert kept not in found
    assert "was deleted" in desks.issues()[paid.id].text
    assert len(desks.live(desks.book, Payment)) == 1
    told = [e for e in desks.engine.events() if e.source == paid and e.what == "issue"]
    assert len(told) == 1


def test_a_recheck_asks_only_for_what_was_tied_since_its_start() -> None:
    """B44: a look at one week does not read a year."""
    desks = Desks()
    desks.customer()
    bill = desks.bill("I1")
    desks.sync()
    del desks.shop.of(Invoice)[bill.id]
    desks.clock.pass_by(timedelta(days=9))
    desks.sync(Since.PAST_WEEK, recheck=True)
    assert not desks.issues()


@pytest.mark.parametrize("name", ["", "I1"])
def test_a_deleted_source_is_told_when_it_is_named(name: str) -> None:
    """B44: by its id or its number, and not as one that never was."""
    desks = Desks()
    desks.customer()
    bill = desks.bill("I1")
    desks.sync()
    there = desks.live(desks.book, Invoice)
    del desks.shop.of(Invoice)[bill.id]
    for _ in range(2):
        report = desks.engine.sync_invoices(only=[name or bill.id])
        assert [(e.code, e.source) for e in report.issues] == [(Code.VANISHED, bill)]
    assert desks.live(desks.book, Invoice) == there
    (row,) = desks.engine.issues()
    desks.engine.retry(row)
    assert [each.issue.code for each in desks.engine.issues()] == [Code.VANISHED]


def test_what_cannot_be_read_is_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """B44: of a page with a nameless row, nothing is known to be absent."""
    desks = Desks()
    desks.customer()
    bills = [desks.bill(f"I{number}") for number in (1, 2)]
    desks.sync()
    desks.shop.of(Invoice).clear()
    fetch = BooksConnector.fetch
    unread = [Issue(Code.BAD_FIELD, bills[0]), Issue(Code.BAD_FIELD)]

    def garbled(
        self: BooksConnector, kind: type[R], **asked: Any
    ) -> Generator[Any, Any, Page[R]]:
        page = yield from fetch(self, kind, **asked)
        ours = self is desks.billing and kind is Invoice
        return evolve(page, issues=tuple(unread)) if ours else page

    monkeypatch.setattr(BooksConnector, "fetch", garbled)
    desks.sync(recheck=True)
    assert not {each.id for each in bills} & desks.issues().keys()
    unread.pop()
    desks.sync(recheck=True)
    assert [e.code for k, e in desks.issues().items() if k == bills[1].id] == [
        Code.VANISHED
    ]
    assert bills[0].id not in desks.issues()


# Payments that are put otherwise ---------------------------------------------------------


def _parts(*, replace: bool) -> Desks:
    """A payment of two parts in the book, the first of which is taken off its invoice."""
    desks = Desks(replace_payments=replace)
    desks.ledger.invoices_per_payment = 1
    desks.customer()
    bill = desks.bill("I1")
    desks.pay(150, (bill, 100))
    desks.sync()
    assert amounts(desks) == [50, 100]
    (put,) = desks.live(desks.shop, Application)
    desks.shop.unapply(put.ref)
    desks.sync()
    return desks


def test_a_payment_that_is_put_otherwise_is_made_anew() -> None:
    """Its parts are taken back first: money is never there twice."""
    desks = _parts(replace=True)
    assert amounts(desks) == [150]
    assert not desks.issues()


def test_a_payment_that_is_put_otherwise_is_left_where_nothing_may_be_replaced() -> (
    None
):
    """Nothing is added to its parts, and a person is told."""
    desks = _parts(replace=False)
    assert amounts(desks) == [50, 100]
    (found,) = desks.issues().values()
    assert found.code is Code.POSTED_CANNOT_CHANGE
    assert "replace_payments" in found.remedy


def test_two_applications_to_one_invoice_are_one_part() -> None:
    """Each invoice has one part of a payment, however often it was put to it."""
    desks = Desks()
    desks.ledger.invoices_per_payment = 1
    desks.customer()
    bill = desks.bill("I1")
    payment = desks.pay(100, (bill, 50))
    own = desks.shop.ref(Application)
    desks.shop.apply(Application(own, payment, bill, Decimal(50), "EUR", DAY))
    desks.sync()
    assert amounts(desks) == [100]
    assert desks.owed() == (["I1 0"], ["I1 0"])


def test_a_fee_is_found_in_its_invoice_when_all_is_compared() -> None:
    """The part of a payment that is its fee is put to the fee's invoice, then as before."""
    desks = Desks(fees=Fees())
    desks.ledger.kinds = {
        **desks.ledger.kinds,
        Payment: evolve(
            desks.ledger.kinds[Payment],
            verbs=desks.ledger.kinds[Payment].verbs | {Verb.UPDATE},
            writable=frozenset({"amount", "on"}),
        ),
    }
    desks.customer()
    desks.pay(105, (desks.bill("I1"), 100), fee=5)
    desks.sync()
    before = desks.writes
    desks.sync(recheck=True)
    assert desks.writes == before


@pytest.mark.parametrize(
    ("status", "code"),
    [(Status.OPEN, Code.POSTED_CANNOT_CHANGE), (Status.VOID, Code.VANISHED)],
)
def test_an_invoice_of_a_fee_that_was_changed_there_is_told(
    status: Status, code: Code
) -> None:
    """What people make of it is found when all is compared."""
    desks = Desks(fees=Fees())
    desks.customer()
    payment = desks.pay(105, (desks.bill("I1"), 100), fee=5)
    desks.sync()
    fee = next(e for e in desks.live(desks.book, Invoice) if e.number != "I1")
    for put in list(desks.book.puts(invoice=fee.ref.id)):
        desks.book.unapply(put.ref)
    desks.book.put(evolve(fee, total=Decimal(7), status=Status.OPEN))
    if status is Status.VOID:
        desks.book.void(fee.ref, Invoice)
    desks.sync(recheck=True)
    assert desks.issues()[payment.id].code is code


def test_a_fee_that_is_none_any_more_is_taken_back() -> None:
    """Its invoice goes once the payment is put otherwise."""
    desks = Desks(fees=Fees(), replace_payments=True)
    desks.customer()
    bill = desks.bill("I1")
    payment = desks.pay(105, (bill, 100), fee=5)
    desks.sync()
    held = desks.shop.shown(desks.shop.get(payment, Payment))
    cash = tuple(put for put in held.applications if put.target == bill)
    desks.shop.pay(evolve(held, amount=Decimal(100), applications=cash))
    desks.sync()
    assert [e.number for e in desks.live(desks.book, Invoice)] == ["I1"]
    assert amounts(desks) == [100]
    assert not desks.issues()


def test_a_payment_is_compared_again_when_asked() -> None:
    """``recheck`` finds what people changed in a payment that was agreed."""
    desks = Desks()
    desks.customer()
    payment = desks.pay(100, (desks.bill("I1"), 100))
    desks.sync()
    (put,) = desks.live(desks.book, Application)
    desks.book.unapply(put.ref)
    desks.sync()
    assert not desks.issues()
    desks.sync(recheck=True)
    assert desks.issues()[payment.id].code is Code.POSTED_CANNOT_CHANGE


def test_an_application_that_was_taken_back_there_is_told_when_all_is_compared() -> (
    None
):
    """So is a credit that nobody here took back."""
    desks = Desks()
    desks.customer()
    put = desks.apply(desks.credit("N1"), desks.bill("I1"), 50)
    desks.sync()
    (copy,) = desks.live(desks.book, Application)
    desks.book.unapply(copy.ref)
    desks.sync(recheck=True)
    assert desks.issues()[put.id].code is Code.VANISHED


def test_what_one_part_lacks_outlives_what_another_is_kept() -> None:
    """An issue of a payment stays although a second part of it agrees."""
    desks = Desks()
    desks.ledger.invoices_per_payment = 1
    desks.customer()
    payment = desks.pay(150, (desks.bill("I1"), 100))
    desks.sync()
    (put,) = desks.live(desks.book, Application)
    desks.book.unapply(put.ref)
    desks.sync(recheck=True)
    assert desks.issues()[payment.id].code is Code.POSTED_CANNOT_CHANGE


# Issues come and go -----------------------------------------------------------------------


def test_credits_that_stay_are_told() -> None:
    """B100: a void of a payment lists the applications that a person has to reverse."""
    desks = Desks(directions={CreditNote: OUT})
    desks.customer()
    bill, note = desks.bill("I1"), desks.credit("N1")
    payment = desks.pay(50, (bill, 50))
    put = desks.apply(note, bill, 50, payment=payment.id)
    desks.sync()
    assert desks.owed() == (["I1 0"], ["I1 0"])
    desks.shop.unapply(put)
    desks.shop.void(payment, Payment)
    desks.clock.pass_by(timedelta(hours=1))
    desks.engine.sync_payments(DAY)
    told = desks.issues(Held.NOTED)[put.id]
    assert told.code is Code.CREDITS_STAY
    assert not told.blocking
    assert desks.owed()[1] == ["I1 50"]


def test_an_issue_of_what_is_in_order_again_is_closed() -> None:
    """What was refused and is void since is open no longer."""
    desks = Desks()
    desks.customer()
    bill = desks.bill("I1")
    desks.fates = ["refused"]
    desks.sync()
    assert desks.issues()[bill.id].code is Code.REFUSED
    desks.shop.void(bill, Invoice)
    desks.changed()
    assert not desks.issues()


def test_a_write_that_is_no_longer_wanted_is_given_up() -> None:
    """What was planned for a document that is void since waits for nothing."""
    desks = Desks()
    desks.customer()
    bill = desks.bill("I1")
    desks.fates = ["away"]
    desks.sync()
    desks.shop.void(bill, Invoice)
    desks.sync()
    stages = {each.stage for each in desks.intents() if each.source == bill}
    assert stages == {Stage.SUPERSEDED}
    assert not desks.issues()


def test_what_a_comparison_found_stays_open() -> None:
    """A run that trusts what was agreed does not close what a comparison has shown."""
    desks = Desks()
    desks.customer()
    bill = desks.bill("I1")
    desks.sync()
    (copy,) = desks.live(desks.book, Invoice)
    desks.book.void(copy.ref, Invoice)
    desks.sync(recheck=True)
    desks.sync()
    desks.changed()
    assert desks.issues()[bill.id].code is Code.VANISHED


@pytest.mark.parametrize("fate", ["away", "never", "late"])
def test_an_application_is_carried_although_its_credit_did_not_change(
    fate: str,
) -> None:
    """B102: runs of what changed alone bring about what was left of a credit note."""
    desks = Desks()
    desks.customer()
    bill, note = desks.bill("I1"), desks.credit("N1")
    desks.sync()
    desks.apply(note, bill, 50)
    desks.fates = [fate]
    for _ in range(4):
        desks.changed()
    assert desks.owed() == (["I1 50"], ["I1 50"])
    assert not desks.issues()


def test_what_is_found_to_be_written_is_compared_once_more() -> None:
    """A payment that changed while its first write was unclear is not forgotten."""
    desks = Desks(replace_payments=True)
    desks.customer()
    bill = desks.bill("I1")
    desks.sync()
    payment = desks.pay(100, (bill, 100))
    desks.fates = ["lost"]
    desks.sync()
    held = desks.shop.shown(desks.shop.get(payment, Payment))
    changed = evolve(held, amount=Decimal(50), applications=())
    desks.shop.pay(changed)
    desks.clock.pass_by(timedelta(hours=1))
    # Another kind's run finds it; the payments' own marker is behind the change already.
    desks.engine.sync_customers(Since.LAST_RUN)
    desks.changed()
    assert amounts(desks) == [50]
    assert not desks.issues()


def test_a_void_of_an_application_whose_answer_was_lost_is_found() -> None:
    """It is taken back once."""
    desks = Desks()
    desks.customer()
    put = desks.apply(desks.credit("N1"), desks.bill("I1"), 50)
    desks.sync()
    desks.shop.unapply(put)
    desks.fates = ["lost"]
    desks.changed()
    before = desks.writes
    for _ in range(3):
        desks.changed()
    assert desks.writes == before
    assert desks.owed() == (["I1 100"], ["I1 100"])


# Beside levels ------------------------------------------------------------------------------


def test_a_void_is_carried_beside_levels() -> None:
    """The level of a void invoice does not let it go before its document is void too."""
    desks = Desks(shop_levels=True, directions={Invoice: IN, CreditNote: OFF})
    desks.customer()
    bill = desks.bill("I1", books=desks.book)
    desks.sync()
    desks.book.void(bill, Invoice)
    desks.engine.sync_payments(DAY)
    desks.sync()
    assert not desks.live(desks.shop, Invoice)
    assert not desks.issues()


def test_what_the_levels_let_go_is_not_made_anew() -> None:
    """B135: a document that was voided in the ledger is not issued again unasked."""
    desks = Desks(shop_levels=True, directions={Invoice: OUT, CreditNote: OFF})
    desks.customer()
    bill = desks.bill("I1")
    desks.sync()
    (copy,) = desks.live(desks.book, Invoice)
    desks.book.void(copy.ref, Invoice)
    desks.sync()
    desks.sync()
    assert not desks.live(desks.book, Invoice)
    assert desks.issues()[bill.id].code is Code.VANISHED


def test_a_tie_of_levels_learns_where_the_document_was_made() -> None:
    """B92: a level may tie an invoice before the answer to its making is known."""
    desks = Desks(shop_levels=True, directions={Invoice: BOTH, CreditNote: OFF})
    desks.customer()
    bill = desks.bill("I1", books=desks.book)
    desks.fates = ["lost"]
    desks.clock.pass_by(timedelta(hours=1))
    desks.engine.sync_invoices(DAY)
    desks.engine.sync_payments(DAY)
    desks.sync()
    links: Mapping[str, Link] = desks.store._facts["link"]
    (link,) = (each for each in links.values() if each.ledger == bill)
    assert link.origin == "book:1"


def test_without_takes_a_verb_away() -> None:
    """The desks can lack what a system lacks: then it is an issue."""
    desks = Desks()
    desks.ledger.kinds = without([Invoice], Verb.VOID)
    desks.customer()
    bill = desks.bill("I1")
    desks.sync()
    desks.shop.void(bill, Invoice)
    desks.sync()
    assert desks.issues()[bill.id].code is Code.NOT_ALLOWED


def _copied() -> tuple[Desks, Payment, Ref]:
    """A payment of ours in the book, and what somebody made of it there by copying it."""
    desks = Desks()
    desks.customer()
    desks.pay(33)
    desks.sync()
    (ours,) = desks.live(desks.book, Payment)
    copy = desks.book.ref(Payment)
    desks.book.pay(evolve(ours, ref=copy, applications=()))
    return desks, ours, copy


def test_a_copy_with_our_mark_on_it_is_not_carried_back() -> None:
    """PITFALLS: somebody copies a document of ours with all that stands on it."""
    desks, ours, copy = _copied()
    desks.ledger.marks[copy.id] = desks.ledger.marks[ours.ref.id]
    desks.sync()
    assert len(desks.live(desks.shop, Payment)) == 1
    found = desks.issues()[copy.id]
    assert found.code is Code.COPIED
    assert ours.ref.id in found.text
    desks.book.void(copy, Payment)
    desks.sync()
    assert not desks.issues()


def test_a_copy_whose_mark_was_taken_off_is_a_document_of_its_own() -> None:
    """The other way out of COPIED."""
    desks, _, _ = _copied()
    desks.sync()
    assert len(desks.live(desks.shop, Payment)) == 2
    assert not desks.issues()


def test_what_a_forgotten_run_made_is_not_carried_back() -> None:
    """B92: a store that was lost knows no tie; the mark says whose the document is."""
    desks = Desks()
    desks.customer()
    desks.pay(33)
    desks.sync()
    (ours,) = desks.live(desks.book, Payment)
    desks.clock.pass_by(timedelta(days=30))
    desks.store = MemoryStore()
    desks.restarted()
    desks.engine.push(ours.ref)
    assert len(desks.live(desks.shop, Payment)) == 1
    found = desks.issues()[ours.ref.id]
    assert found.code is Code.WAITS
    assert "a sync has made it" in found.text
    for _ in range(2):  # found by its mark, then compared
        desks.sync()
    assert len(desks.live(desks.shop, Payment)) == 1
    assert not desks.issues()


def test_a_write_that_a_person_leaves_alone_is_not_carried_back() -> None:
    """B130: Reply.IGNORE leaves what landed where it is, on that side alone."""
    desks = Desks()
    desks.customer()
    desks.sync()
    desks.pay(33)
    desks.fates = ["lost"]
    desks.sync()
    (landed,) = desks.live(desks.book, Payment)
    desks.book.pay(evolve(landed, on=DAY + timedelta(days=3)))
    desks.sync()
    (write,) = desks.engine.parked()
    desks.engine.answer(write, Reply.IGNORE, by="ann")
    for _ in range(2):
        desks.sync()
    assert len(desks.live(desks.shop, Payment)) == 1
    assert amounts(desks) == [33]


class Died(BaseException):
    """The process ends here."""


def test_a_process_that_dies_between_parts_leaves_the_record_open() -> None:
    """B152: the first part closes nothing: nobody would come back for the others."""
    desks = Desks(fees=Fees())
    desks.customer()
    bill = desks.bill("I1")
    payment = desks.pay(105, (bill, 100), fee=5)
    desks.fates = ["refused"]
    desks.sync()  # the payment waits for its invoice
    desks.shop.put(evolve(desks.shop.of(Invoice)[bill.id], reference="PO 1"))

    def reached(what: str) -> None:
        if what == "write Payment CREATE":
            raise Died

    desks.ledger.reached = reached
    with pytest.raises(Died):
        desks.changed()  # the invoice, the fee's invoice, and then nothing more
    assert payment.id in desks.issues()
    desks.ledger.reached = lambda what: None
    desks.clock.pass_by(timedelta(hours=1))
    desks.restarted()
    for _ in range(2):
        desks.changed()
    assert amounts(desks) == [105]
    assert not desks.issues()


def test_what_another_pair_has_made_is_a_document_like_any_other() -> None:
    """A system may be the ledger of one pair and the billing of the next."""
    desks = Desks(directions={Payment: OUT})
    desks.customer()
    received = desks.pay(33)
    desks.billing.marks[received.id] = "TO-ABCDEFGHIJKLM"
    desks.sync()
    assert amounts(desks) == [33]
    assert not desks.issues()


def test_a_fee_whose_tie_is_forgotten_is_not_carried_back() -> None:
    """B69, B92: the fee of a payment is an invoice there, though no invoice goes there."""
    desks = Desks(fees=Fees(), directions={Invoice: IN, Payment: OUT})
    desks.customer()
    desks.pay(5, fee=5)
    desks.sync()
    desks.store = MemoryStore()
    desks.restarted()
    (fee,) = desks.live(desks.book, Invoice)
    desks.ledger.marks[fee.ref.id] = "TO-ABCDEFGHIJKLM"
    desks.sync()
    assert not desks.live(desks.shop, Invoice)


def test_the_ids_of_one_side_are_not_those_of_the_other() -> None:
    """B152: an invoice that is not over there is not the one that has its id there."""
    desks = Desks(directions={Invoice: OUT, Payment: OUT, CreditNote: OFF})
    desks.book.unique = False
    desks.customer()
    desks.bill("I2", 70, books=desks.book)  # so that no other one of its number is made
    desks.bill("I3", books=desks.book)
    first = desks.bill("I1")
    paid = desks.pay(40, (first, 40))
    desks.sync()
    second = desks.bill("I2")
    (copy,) = (e for e in desks.live(desks.book, Invoice) if e.number == "I1")
    assert copy.ref.id == second.id
    payment = desks.shop.of(Payment)[paid.id]
    for put in desks.shop.shown(payment).applications:
        desks.shop.unapply(put.ref)
    put = evolve(desks._put(paid, second, 40), ref=desks.shop.ref(Application))
    desks.shop.apply(put)
    desks.changed()
    assert paid.id in desks.issues()


def test_what_is_marked_and_in_the_ledger_goes_on_as_it_is_there() -> None:
    """B121, B136: "do not post" keeps nothing back of what was posted already."""
    desks = Desks(directions={Invoice: OUT, CreditNote: OFF, Payment: OUT})
    desks.customer()
    first, second = desks.bill("I1"), desks.bill("I2")
    desks.sync()
    desks.engine.mark_posted(DAY)
    desks.shop.void(first, Invoice)
    held = desks.shop.of(Invoice)[second.id]
    desks.shop.put(evolve(held, total=Decimal(150), lines=()))
    desks.changed()
    assert desks.owed() == (["I2 150"], ["I2 150"])


@pytest.mark.parametrize("asked", [{"since": DAY}, {"through": DAY}])
def test_a_plan_posts_nothing_that_was_marked_since(asked: dict[str, Any]) -> None:
    """B121, B136: "do not post" holds for every sync, a saved plan too."""
    desks = Desks(directions={Invoice: OUT, CreditNote: OFF, Payment: OFF})
    desks.customer()
    bill = desks.bill("I1")
    plan = desks.engine.plan_invoices(**asked)
    desks.engine.mark_posted(DAY)
    report = desks.engine.apply(plan)
    assert not desks.live(desks.book, Invoice)
    (told,) = (each for each in report.issues if each.source == bill)
    assert told.code is Code.STALE_PLAN


def test_what_was_applied_before_two_credit_notes_were_tied_is_told() -> None:
    """B92: both sides had entered the note, and one of them had applied it."""
    desks = Desks(directions={Invoice: OUT, CreditNote: IN, Payment: OUT})
    desks.customer()
    bill = desks.bill("I1")
    desks.sync()
    ours = desks.credit("N1")
    desks.apply(ours, bill, 20)
    theirs = desks.credit("N1", books=desks.book)
    desks.changed()
    assert desks.issues(Held.NOTED)[theirs.id].code is Code.APPLIED_THERE
