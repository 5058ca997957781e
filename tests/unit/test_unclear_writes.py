"""What a write may have made whose answer was lost is nobody else's, and is told until known."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from attrs import evolve

from desks import BOTH, DAY, IN, OFF, OUT, Desks
from tieout.answers import Landed, Reply
from tieout.capabilities import Verb
from tieout.errors import Code
from tieout.journal import Journal
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Link,
    Payment,
    Ref,
)
from tieout.proof.differences import DifferenceKind
from tieout.settings import Fees
from tieout.store import Doubt
from tieout.stores.memory import MemoryStore
from tieout.testing.year.connector import without
from tieout.windows import Since

HOUR = timedelta(hours=1)
LATER = date(2026, 3, 4)
"""A day on which nothing was sent: what is dated so was dated by somebody else."""


def test_what_an_unclear_write_may_have_made_is_nobody_elses() -> None:
    """B44, B92: another document of its number is not tied to it."""
    desks = Desks(directions={Invoice: OUT})
    desks.shop.unique = False
    desks.customer()
    desks.bill("I1")
    desks.fates = ["lost"]
    desks.engine.sync_invoices(DAY)
    (made,) = desks.live(desks.book, Invoice)
    desks.book.put(evolve(desks.book.of(Invoice)[made.ref.id], on=date(2026, 3, 4)))
    desks.sync()
    assert [each.doubt for each in desks.engine.parked()] == [Doubt.CONFLICT]
    second = desks.bill("I1")
    desks.sync()
    found = desks.issues()[second.id]
    assert found.code is Code.WAITS
    assert found.text.startswith(f"{made.ref.id} may be what was made for I1,")
    (write,) = desks.engine.parked()
    desks.engine.answer(write, Landed(made.ref.id))
    desks.sync()
    assert desks.issues()[second.id].code is Code.ALREADY_LINKED
    assert len(desks.live(desks.book, Invoice)) == 1


def test_where_a_level_was_shown_says_not_where_its_invoice_was_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """B92: what we made came from where it was asked for: its void goes there too."""
    desks = Desks(shop_levels=True)
    desks.customer()
    bill = desks.bill("I1", books=desks.book)
    desks.fates = ["lost"]
    desks.engine.sync_invoices(DAY)
    desks.engine.sync_payments(DAY)  # it is found by its number
    with monkeypatch.context() as nobody_looks:
        nobody_looks.setattr(Journal, "recover", lambda *_, **more: [])
        desks.engine.sync_invoices(DAY)
    ties = [e for e in desks.store._facts["link"].values() if isinstance(e, Link)]
    (tie,) = (each for each in ties if each.ledger == bill)
    assert tie.origin == ""
    desks.store.commit(evolve(tie, origin="shop:1"))  # as it was once taken for
    desks.engine.sync_invoices(DAY)
    desks.book.void(bill, Invoice)
    desks.sync()
    assert not desks.live(desks.shop, Invoice)


def test_whom_an_unclear_write_may_have_made_is_nobody_elses() -> None:
    """B86: another customer of the same number is not tied to it."""
    desks = Desks(directions={Customer: OUT}, match_customers="number")
    desks.shop.unique = False
    desks.shop.put(Customer(desks.shop.ref(Customer), "Ada", "C1"))
    desks.fates = ["lost"]
    desks.engine.sync_customers(DAY)
    (made,) = desks.live(desks.book, Customer)
    desks.book.put(evolve(desks.book.of(Customer)[made.ref.id], active=False))
    desks.engine.sync_customers(DAY)
    assert [each.doubt for each in desks.engine.parked()] == [Doubt.CONFLICT]
    desks.shop.put(evolve(made, ref=desks.shop.ref(Customer), active=True))
    second = max(desks.shop.of(Customer))
    desks.engine.sync_customers(DAY)
    assert desks.issues()[second].code is Code.WAITS
    assert "may be what was made for" in desks.issues()[second].text


def test_an_issue_of_a_payment_is_not_closed_by_the_credits_used_with_it() -> None:
    """B97, B98: the void that the ledger does not let us make stays told."""
    desks = Desks(directions={Payment: OUT, CreditNote: OUT, Invoice: OUT})
    desks.customer()
    desks.ledger.kinds = without([Payment], Verb.VOID)
    bills = [desks.bill("I1"), desks.bill("I2")]
    notes = [desks.credit("N1"), desks.credit("N2")]
    paid = desks.pay(30, (bills[0], 30))
    desks.sync()
    desks.shop.void(paid, Payment)
    for note, bill in zip(notes, bills, strict=True):
        desks.apply(note, bill, 10, payment=paid.id)
    desks.clock.pass_by(HOUR)
    desks.engine.sync_payments(Since.LAST_RUN)
    for _ in range(3):
        assert desks.issues()[paid.id].code is Code.NOT_ALLOWED
        desks.changed()
    assert desks.owed() == (["I1 90", "I2 90"], ["I1 60", "I2 90"])


@pytest.mark.parametrize("names", [("Ada", "C1"), ("Ada", "")])
def test_a_customer_of_another_number_and_name_does_not_wait(
    names: tuple[str, str],
) -> None:
    """B86, B103: one parked write of a customer holds up nobody else."""
    off = {Invoice: OUT, CreditNote: OFF, Payment: OFF}
    desks = Desks(directions={Customer: OUT, **off}, match_customers="number and name")
    name, number = names
    desks.shop.put(Customer(desks.shop.ref(Customer), name, number))
    desks.fates = ["never"] * 5
    for _ in range(7):
        desks.clock.pass_by(HOUR)
        desks.engine.sync_customers(DAY)
    (write,) = desks.engine.parked()
    for books in (desks.book, desks.shop):
        bob = books.put(Customer(books.ref(Customer), "Bob", "C7"))
    desks.clock.pass_by(HOUR)
    desks.engine.sync_customers(DAY)
    assert bob.ref.id not in desks.issues()
    assert desks.issues().keys() == {write.source.id}


def conflicted(**rules: bool) -> tuple[Desks, Invoice]:
    """An invoice I1 whose answer was lost, and which was dated otherwise over there."""
    directions = {Invoice: OUT, CreditNote: OFF}
    desks = Desks(shop_levels=True, directions=directions, **rules)
    desks.shop.unique = False
    desks.customer()
    desks.bill("I1")
    desks.fates = ["lost"]
    desks.clock.pass_by(HOUR)
    desks.engine.sync_invoices(DAY)
    (made,) = desks.live(desks.book, Invoice)
    desks.book.put(evolve(desks.book.of(Invoice)[made.ref.id], on=LATER))
    desks.engine.sync_invoices(DAY)
    return desks, made


def test_no_level_is_shown_of_what_an_unclear_write_may_have_made() -> None:
    """B44: neither on an invoice of its number, as long as that is another one's."""
    desks, made = conflicted()
    (write,) = desks.engine.parked()
    desks.shop.put(evolve(desks.shop.of(Invoice)[write.source.id], number="I9"))
    second = desks.bill("I1")
    desks.pay(40, (made.ref, 40), books=desks.book)
    desks.engine.sync_payments(DAY)
    assert not desks.shop.paid
    found = desks.issues()[made.ref.id]
    assert found.code is Code.WAITS
    assert f"{made.ref.id} may be what was made for I1" in found.text
    desks.engine.answer(write, Landed(made.ref.id))
    desks.sync()
    desks.changed()
    assert desks.shop.shown_paid(desks.shop.of(Invoice)[write.source.id]).amount == 40
    assert second.id not in desks.shop.paid


def test_a_level_is_shown_on_the_very_invoice_whose_write_is_unclear() -> None:
    """B38: it is found by its number, and its document is made for it."""
    desks, made = conflicted()
    (write,) = desks.engine.parked()
    desks.pay(40, (made.ref, 40), books=desks.book)
    desks.engine.sync_payments(DAY)
    assert desks.shop.paid[write.source.id].amount == 40


def test_no_level_is_shown_on_what_an_unclear_write_may_have_made() -> None:
    """B44: another ledger invoice of its number waits."""
    desks = Desks(shop_levels=True, directions={Invoice: IN, CreditNote: OFF})
    desks.book.unique = False
    desks.customer()
    bill = desks.bill("I1", books=desks.book)
    desks.fates = ["lost"]
    desks.clock.pass_by(HOUR)
    desks.engine.sync_invoices(DAY)
    desks.book.put(evolve(desks.book.of(Invoice)[bill.id], number="I9"))
    other = desks.bill("I1", books=desks.book)
    desks.pay(40, (other, 40), books=desks.book)
    desks.engine.sync_payments(DAY)
    assert not desks.shop.paid
    assert desks.issues()[other.id].code is Code.WAITS


def left_alone() -> tuple[Desks, CreditNote]:
    """An application that landed, was edited there, and is left alone by a person."""
    desks = Desks()
    desks.customer()
    bill, note = desks.bill("I1"), desks.credit("N1")
    desks.sync()
    desks.apply(note, bill, 20)
    desks.clock.pass_by(HOUR)
    desks.fates = ["lost"]
    desks.engine.sync_credit_notes(Since.LAST_RUN)
    (put,) = desks.live(desks.book, Application)
    held = desks.book.of(Application)[put.ref.id]
    desks.book._keep(evolve(held, amount=Decimal(15)))
    desks.changed()
    (write,) = desks.engine.parked()
    desks.engine.answer(write, Reply.IGNORE, by="ann")
    return desks, desks.shop.of(CreditNote)[note.id]


def test_what_is_left_alone_does_not_come_back() -> None:
    """B104: it stays where it is, on that side alone."""
    desks, _ = left_alone()
    for _ in range(2):
        desks.changed()
        desks.sync()
    assert desks.owed() == (["I1 80"], ["I1 85"])


def test_a_record_of_which_a_part_is_left_alone_is_not_in_parts() -> None:
    """B104: its change is carried, and nothing of it stays open."""
    desks, note = left_alone()
    desks.changed()
    desks.shop.put(evolve(note, reference="PO 7"))
    for _ in range(3):
        desks.changed()
    assert note.ref.id not in desks.issues()


def test_an_invoice_that_is_left_alone_does_not_come_back_under_another_number() -> (
    None
):
    """B104, B92: what was made is still not news, whatever the invoice is called now."""
    desks = Desks()
    desks.customer()
    bill = desks.bill("I1")
    desks.fates = ["lost"]
    desks.clock.pass_by(HOUR)
    desks.engine.sync_invoices(DAY)
    (made,) = desks.live(desks.book, Invoice)
    edited = evolve(desks.book.of(Invoice)[made.ref.id], total=Decimal(120), lines=())
    desks.book.put(edited)
    desks.engine.sync_invoices(DAY)
    (write,) = desks.engine.parked()
    desks.engine.answer(write, Reply.IGNORE, by="ann")
    desks.shop.put(evolve(desks.shop.of(Invoice)[bill.id], number="I9"))
    for _ in range(3):
        desks.sync()
    assert [each.number for each in desks.live(desks.shop, Invoice)] == ["I9"]
    assert [each.number for each in desks.live(desks.book, Invoice)] == ["I1"]
    found = {row.issue.source: row.issue for row in desks.engine.issues()}
    assert {each.code for each in found.values()} == {Code.COPIED}
    assert found.keys() == {bill, made.ref}
    assert found[bill].text.startswith(f"{made.ref.id} was made for it")


KINDS = (Invoice, CreditNote, Payment)


def ignored(kind: type[Invoice | CreditNote | Payment]) -> tuple[Desks, Ref, Ref]:
    """A record of which a write landed, was edited, and is left alone; and its copy."""
    desks = Desks(directions={Invoice: OUT, CreditNote: OUT, Payment: OUT})
    desks.customer()
    bill = desks.bill("I0")
    desks.sync()
    desks.clock.pass_by(HOUR)
    desks.fates = ["lost"]
    if kind is Invoice:
        source = desks.bill("I1")
        desks.engine.sync_invoices(DAY)
    elif kind is CreditNote:
        source = desks.credit("N1")
        desks.engine.sync_credit_notes(DAY)
    else:
        source = desks.pay(40, (bill, 40))
        desks.engine.sync_payments(DAY)
    made = desks.live(desks.book, kind)[-1].ref
    held = desks.book.of(kind)[made.id]
    more = {"on": LATER} if kind is Payment else {"total": Decimal(120), "lines": ()}
    desks.book.of(kind)[made.id] = evolve(held, **more)
    desks.changed()
    (write,) = desks.engine.parked()
    desks.engine.answer(write, Reply.IGNORE, by="ann")
    return desks, source, made


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_alone_is_told_once_its_record_is_taken_back(
    kind: type[Invoice | CreditNote | Payment],
) -> None:
    """B104: the void changes the record, and nobody takes the copy back."""
    desks, source, made = ignored(kind)
    desks.sync()
    assert source.id not in desks.issues()
    desks.shop.void(source, kind)
    desks.changed()
    told = desks.issues()[source.id]
    assert told.code is Code.COPIED
    assert told.text.startswith(f"{made.id} was made for it")
    desks.book.void(made, kind)
    desks.sync()
    assert source.id not in desks.issues()


def test_a_fees_invoice_is_no_news_to_a_store_that_was_lost() -> None:
    """B67, B92: its number is its mark; it waits for its payment, and is tied to it."""
    desks = Desks(
        directions={Invoice: BOTH, CreditNote: OFF, Payment: OUT},
        fees=Fees(account="4"),
    )
    desks.customer()
    bill = desks.bill("I1")
    desks.sync()
    desks.pay(33, (bill, 30), fee=3)
    desks.sync()
    desks.store = MemoryStore()
    desks.restarted()
    for _ in range(3):
        desks.sync()
    assert [each.number for each in desks.live(desks.shop, Invoice)] == ["I1"]
    assert not desks.issues()


def test_what_a_lost_store_has_made_is_no_policy() -> None:
    """A certificate calls it a copy, also where such documents go one way."""
    desks = Desks(directions={Invoice: OUT, CreditNote: OFF, Payment: OUT})
    desks.customer()
    paid = desks.pay(40, (desks.bill("I1"), 40))
    desks.sync()
    desks.store = MemoryStore()
    desks.restarted()
    desks.shop.void(paid, Payment)
    desks.sync()
    told = {(each.kind, each.code) for each in desks.engine.verify().differences}
    assert (DifferenceKind.MISSING_IN_BILLING, Code.COPIED) in told


def test_a_part_that_is_tied_does_not_wait_for_a_write_that_looks_like_it() -> None:
    """B96: it is known whose it is, in whatever role."""
    desks = Desks(replace_payments=True)
    desks.ledger.invoices_per_payment = 1
    desks.customer()
    first, second = desks.bill("I1"), desks.bill("I2")
    desks.pay(50, (first, 50))
    desks.sync()
    paid = desks.pay(50, (second, 50))
    desks.clock.pass_by(HOUR)
    desks.fates = ["lost"]
    desks.engine.sync_payments(DAY)
    made = max(desks.live(desks.book, Payment), key=lambda each: int(each.ref.id[1:]))
    kept = desks.book.shown(desks.book.of(Payment)[made.ref.id])
    desks.book.pay(evolve(kept, on=date(2026, 3, 5)))
    desks.sync()
    desks.sync()
    assert desks.issues().keys() <= {paid.id, made.ref.id}


@pytest.mark.parametrize("kind", [Invoice, CreditNote])
def test_a_copy_that_is_void_when_it_is_found_is_told(
    kind: type[Invoice | CreditNote],
) -> None:
    """B92: it was carried out, and is not there any more: it is not made anew unasked."""
    desks = Desks(directions={kind: OUT})
    desks.customer()
    desks.sync()
    desks.clock.pass_by(HOUR)
    made_of = desks.bill("I2") if kind is Invoice else desks.credit("N2")
    desks.fates = ["lost"]
    if kind is Invoice:
        desks.engine.sync_invoices(DAY)
    else:
        desks.engine.sync_credit_notes(DAY)
    (made,) = desks.live(desks.book, kind)
    desks.book.void(made.ref, kind)
    desks.changed()
    desks.changed()
    assert desks.issues()[made_of.id].code is Code.VANISHED
    assert not desks.live(desks.book, kind)


def test_a_mark_in_a_number_is_no_number_of_a_fee() -> None:
    """B92: what carries a mark that this store does not know waits for what it is of."""
    desks = Desks()
    desks.customer()
    made = desks.credit("TO-AAAAAAAAAAAAA", books=desks.book)
    desks.sync()
    told = desks.issues()[made.id]
    assert told.code is Code.WAITS
    assert told.text.startswith("it carries TO-AAAAAAAAAAAAA")
