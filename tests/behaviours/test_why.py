"""Why a number is where it is: the whole story, by one call, in words."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

import tieout
from desk import Desk, to
from desks import DAY as A_DESK_DAY
from desks import OUT, Desks
from offices import BOTH, DAY, EVERY_WAY, HOUR, IN, NOTHING, SINCE, Offices
from tieout import Severity
from tieout.capabilities import Verb
from tieout.change import Action, Change
from tieout.errors import Code, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    Posting,
    R,
    Ref,
    Status,
)
from tieout.protocol import Page
from tieout.settings import NumberRule, Settings
from tieout.store import Stage
from tieout.story import Story
from tieout.testing.year.connector import BooksConnector, without
from tieout.wire import Flow
from worlds import DAY as A_DAY
from worlds import World, fails, unreached

OUTWARD = {Customer: OUT, Invoice: OUT, CreditNote: tieout.Direction.OFF, Payment: OUT}
"""All that is made in billing goes to the ledger."""


class Deaf(BooksConnector):
    """A system that does not answer when it is asked for one kind of record."""

    to: tuple[Fault, Any]

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        if kind is self.to[1]:
            raise self.to[0]
        return (yield from super().fetch(kind, ids=ids, numbers=numbers))


def steps(story: Story) -> list[str]:
    """What happened, but for the looks before a first write."""
    return [e.what for e in story.happened if e.what != "proved absent"]


# A record's whole way ---------------------------------------------------------------------


def test_a_carried_invoice_tells_its_way() -> None:
    """B143, B145: what each side says, what it is tied to, what was done and by which rule."""
    offices = Offices()
    bill = offices.invoice("INV-1", offices.customer())
    offices.sync()
    story = offices.engine().why(" INV-1 ")
    assert (story.number, story.known, story.light) == ("INV-1", True, Severity.GREEN)
    assert [each.connection for each in story.said] == ["shop:1", "book:1"]
    assert [getattr(each.record, "balance", None) for each in story.said] == [100, 100]
    (link,) = story.links
    assert link.billing == bill.ref
    assert steps(story) == ["applied"]
    open_ones = [*story.issues, *story.waiting, *story.causes, *story.remedies]
    assert open_ones == []
    text = str(story)
    assert text.startswith(
        "INV-1: it is carried.\n  billing (shop:1) says: invoice INV-1"
    )
    assert f"tied: shop:1 invoice {bill.ref.id} is book:1 invoice" in text
    assert "invoice applied: book:1 invoice i2 it is new" in text
    assert "next: changes are carried in the next run" in text


def test_a_failed_payment_is_found_by_its_invoices_number() -> None:
    """B143, B144: the invoice went through; its payment did not, and that is told."""
    offices = Offices()
    owner = offices.customer()
    one, two = (offices.invoice(number, owner) for number in ("INV-1", "INV-2"))
    offices.sync()
    paid = offices.pay(owner, "P-1", **{one.ref.id: 60, two.ref.id: 20})
    offices.ledger.fate = lambda c: "refused" if c.number == "P-1" else ""
    offices.sync()
    for number in ("INV-1", "INV-2"):
        story = offices.engine().why(number)
        assert story.causes == (Code.REFUSED,)
        assert story.light is Severity.RED
        (row,) = story.issues
        assert row.issue.source == paid.ref
        text = str(story)
        assert "payment rejected [REFUSED] no" in text
        told = ("Its own words are given.", "Correct the record;")
        assert all(f"you can: {step}" in text for step in told)
        assert "who can put it right: user" in text
        assert f"then retry {row.id}" in text
    own = offices.engine().why("P-1")
    assert "says: payment P-1 of 80.00 EUR" in str(own.said[0])
    offices.ledger.fate = lambda c: ""
    offices.engine().retry(row)
    story = offices.engine().why("INV-2")
    assert story.causes == ()
    assert steps(story)[-2:] == ["tried again", "applied"]
    assert {link.billing for link in story.links} == {two.ref, paid.ref}


def test_a_payment_that_waits_says_for_what() -> None:
    """B144, B152: and what comes next by itself."""
    offices = Offices()
    owner = offices.customer()
    bill = offices.invoice("INV-1", owner)
    offices.ledger.fate = lambda c: "refused" if c.number == "INV-1" else ""
    offices.sync()
    offices.pay(owner, "P-1", **{bill.ref.id: 60})
    offices.sync()
    story = offices.engine().why("INV-1")
    assert set(story.causes) == {Code.REFUSED, Code.WAITS}
    assert "WAITS [applications]: it waits for invoice INV-1." in str(story)
    assert "it is tried again in the next run" in story.next
    again = "it is tried again when the record or the settings change"
    assert any(each.startswith(again) for each in story.next)


def test_fix_and_force_is_told_round_by_round() -> None:
    """B146, B147: each attempt has its line, and the last one says that it went through."""
    offices = Offices()
    offices.invoice("INV-1", offices.customer())
    other = offices.entered("INV-1", 70, "Bolt")
    offices.sync()
    offices.book.put(evolve(other, number="B-1"))
    offices.ledger.fate = lambda c: "refused" if c.number == "INV-1" else ""
    offices.sync()
    offices.ledger.fate = lambda c: ""
    offices.sync()
    story = offices.engine().why("INV-1")
    codes = [(e.what, e.code) for e in story.happened if e.what != "proved absent"]
    assert codes == [
        ("issue", Code.NUMBER_MEANS_ANOTHER_DOCUMENT),
        ("rejected", Code.REFUSED),
        ("applied", None),
    ]
    times = [each.at for each in story.happened]
    assert times == sorted(times)
    assert story.light is Severity.GREEN


def test_a_lost_answer_says_until_when_it_waits_and_a_parked_write_whom_it_waits_for() -> (
    None
):
    """B145: what is next, when, and what a person can do."""
    offices = Offices()
    offices.invoice("INV-1", offices.customer())
    offices.sync()
    offices.invoice("INV-2", next(iter(offices.shop.of(Customer).values())))
    offices.ledger.fate = lambda c: "lost" if c.number == "INV-2" else ""
    offices.engine().sync_invoices(tieout.Since.LAST_RUN)
    story = offices.engine().why("INV-2")
    assert [each.stage for each in story.waiting] == [Stage.UNKNOWN]
    assert story.causes == (Code.OUTCOME_UNKNOWN,)
    assert story.next[0].startswith("the other side is looked at after 2026-03-20 13:")
    made = next(i for i in offices.book.of(Invoice).values() if i.number == "INV-2")
    offices.book.of(Invoice)[made.ref.id] = evolve(made, total=Decimal(7))
    offices.clock.advance(HOUR)
    offices.engine().sync_invoices(tieout.Since.LAST_RUN)
    story = offices.engine().why("INV-2")
    (write,) = story.waiting
    assert (write.stage, story.light) == (Stage.PARKED, Severity.RED)
    assert story.next[0] == "nothing, until somebody answers what came of the write"
    assert any(f"tieout answer {write.name} " in step for step in story.remedies)


def test_what_is_not_sent_yet_is_told_as_under_way() -> None:
    """B145: it was proved absent, and goes out in the next run."""
    offices = Offices()
    offices.invoice("INV-1", offices.customer())
    offices.ledger.fate = lambda c: "never" if c.number == "INV-1" else ""
    offices.sync()
    offices.clock.advance(HOUR)
    engine = offices.engine()
    journal = engine._journal("documents", "a look")
    journal.acquire()
    journal.recover(engine._direct().find)
    journal.clear(())
    journal.release()
    story = engine.why("INV-1")
    assert [each.stage for each in story.waiting] == [Stage.PLANNED]
    assert "it is sent in the next run" in story.next


def test_every_kind_of_record_is_told_by_its_number() -> None:
    """B143: customers, credit notes and what was applied of them, by number and by invoice."""
    offices = Offices()
    owner = offices.customer()
    bill = offices.invoice("INV-1", owner)
    note = CreditNote(
        offices.shop.ref(CreditNote),
        "CN-1",
        owner.ref,
        "EUR",
        DAY,
        Decimal(30),
        Status.OPEN,
        lines=(Line("less", Decimal(30)),),
    )
    offices.shop.put(note)
    offices.sync()
    ref = offices.shop.ref(Application)
    put = Application(ref, note.ref, bill.ref, Decimal(30), "EUR", DAY, Part.CREDIT)
    offices.shop.apply(put)
    offices.sync()
    engine = offices.engine()
    assert "says: customer C1 Acme" in str(engine.why("C1").said[1])
    assert "says: credit note CN-1 of 30.00 EUR, 2026-03-10" in str(engine.why("CN-1"))
    assert "70.00 EUR owed" in str(engine.why("INV-1").said[1])
    offices.shop.void(owner.ref, Customer)
    assert "Acme, not active" in str(engine.why("C1").said[0])


def test_levels_tell_their_story_too() -> None:
    """B143: what was shown, by what evidence, and since when."""
    world = World()
    paper, _ = world.both("INV-1", 50)
    world.ledger.apply(paper, 50)
    world.sync()
    story = world.engine().why("INV-1")
    assert "settled, 0.00 USD owed, paid on 2026-03-20" in str(story.said[1])
    assert steps(story) == ["applied"]
    assert len(story.links) == 1


def test_numbers_that_are_written_otherwise_are_the_same() -> None:
    """B44, B143: by the rule of the settings, on both sides and in the store."""
    world = World(settings=Settings(number_rule=NumberRule(prefix="INV-", pad=4)))
    paper, bill = world.ledger.add("INV-0007", 50), world.billing.add("7", 50)
    world.ledger.apply(paper, 20)
    world.sync()
    assert world.billing.shows(bill)[0] == 20
    for number in ("7", "0007", "INV-0007"):
        story = world.engine().why(number)
        assert [each.record is not None for each in story.said] == [True, True]
        assert (steps(story), len(story.links)) == (["applied"], 1)


def verdict(engine: tieout.Engine, number: str) -> str:
    """What is said of a number before all else."""
    return str(engine.why(number)).splitlines()[0].removeprefix(f"{number}: ")


def test_what_is_tied_and_no_longer_agrees_is_not_called_carried() -> None:
    """B143: by what both sides say now."""
    desks = Desks(directions=OUTWARD)
    desks.customer()
    for number in ("INV-1", "INV-2", "INV-3", "INV-4", "INV-5"):
        desks.bill(number)
    desks.sync()
    here = {each.number: each for each in desks.live(desks.shop, Invoice)}
    there = {each.number: each for each in desks.live(desks.book, Invoice)}
    desks.book.put(evolve(there["INV-1"], total=Decimal(7), lines=()))
    desks.book.void(there["INV-2"].ref, Invoice)
    del desks.book.of(Invoice)[there["INV-3"].ref.id]
    del desks.shop.of(Invoice)[here["INV-4"].ref.id]
    del desks.book.of(Invoice)[there["INV-4"].ref.id]
    engine = desks.engine
    assert verdict(engine, "INV-1") == (
        "it was carried, and differs: total 100.00 EUR in billing, "
        "7.00 EUR in the ledger."
    )
    assert verdict(engine, "INV-2") == "it was carried, and is void in the ledger."
    assert (
        verdict(engine, "INV-3") == "it was carried, and is not in the ledger any more."
    )
    assert (
        verdict(engine, "INV-4") == "it was carried, and is on neither side any more."
    )
    assert verdict(engine, "INV-5") == "it is carried."
    desks.shop.void(here["INV-2"].ref, Invoice)
    desks.sync()
    assert verdict(engine, "INV-2") == "it was carried, and is void on both sides."


def test_what_somebody_wants_left_alone_says_so() -> None:
    """B104, B143: no run that comes will look at it, whether it is anywhere or not."""
    desks = Desks(directions=OUTWARD)
    desks.customer()
    desks.bill("INV-1")
    desks.fates = ["refused"]
    desks.sync()
    (row,) = desks.engine.issues()
    desks.engine.ignore(row)
    desks.sync(recheck=True)
    story = desks.engine.why("INV-1")
    assert verdict(desks.engine, "INV-1").startswith(
        "it is left alone, because somebody said so: "
    )
    assert story.next == ("nothing, it is left alone until it changes",)
    assert story.remedies == (f"retry {row.id}, to try it all the same",)
    assert f"left alone since 2026-03-10 13:00 ({row.id}): REFUSED" in str(story)
    assert story.light is Severity.GREEN
    desks.shop.of(Invoice).clear()
    assert desks.engine.why("INV-1").next == story.next
    desks.engine.retry(row.id)


def test_a_plan_that_is_carried_out_again_leaves_no_trouble() -> None:
    """B154: what was carried out already did not change since."""
    desks = Desks(directions=OUTWARD)
    desks.customer()
    bill = desks.bill("INV-1")
    desks.sync()
    desks.pay(40, (bill, 40))
    desks.clock.pass_by(HOUR)
    plan = desks.engine.plan_payments(A_DESK_DAY)
    assert desks.engine.apply(plan).counts["created"] > 0
    again = desks.engine.apply(plan)
    assert (again.counts["skipped"], again.counts["created"]) == (len(plan.changes), 0)
    assert list(desks.engine.issues()) == []
    assert verdict(desks.engine, "INV-1") == "it is carried."


def test_a_mark_that_was_not_set_is_set_by_hand_alone() -> None:
    """B104: what is offered can be done, and what is refused is refused first."""
    desk = Desk()
    desk.invoice("INV-1")
    desk.billing.fate = to(Posting, "refused")
    desk.post()
    desk.billing.fate = lambda change: ""
    (row,) = desk.engine().issues()
    story = desk.engine().why("INV-1")
    by_hand = "nothing, until it is posted by hand once more, or its batch is undone"
    assert story.next == (by_hand,)
    assert not any("retry" in each for each in story.remedies)
    assert any(f"ignore {row.id}" in each for each in story.remedies)
    with pytest.raises(tieout.ConfigError, match="post it by hand once more"):
        desk.engine().retry(row, by="ada")
    assert "tried again" not in [each.what for each in desk.engine().events()]
    desk.post()
    assert list(desk.engine().issues()) == []
    assert desk.posted == {"INV-1"}


# What is left alone -----------------------------------------------------------------------


def test_a_draft_a_void_and_what_is_switched_off_are_told_as_rules() -> None:
    """B141: what no run complains of is explained when somebody asks."""
    offices = Offices()
    owner = offices.customer()
    offices.invoice("INV-1", owner, status=Status.DRAFT)
    void = offices.invoice("INV-2", owner)
    offices.shop.void(void.ref, Invoice)
    offices.sync()
    engine = offices.engine()
    assert engine.why("INV-1").reasons == (
        "it is a draft in billing, and is carried once it is final",
    )
    assert engine.why("INV-2").reasons == (
        "it was voided in billing before it was carried",
    )
    offices.invoice("INV-3", owner)
    offices.rules = {"directions": NOTHING}
    story = offices.engine().why("INV-3")
    assert story.reasons == ("by the settings, Invoice records do not go from billing",)
    assert "INV-3: it is left alone, by rule." in str(story)
    assert story.next == ()


def test_an_invoice_of_an_inactive_customer_is_told_as_such() -> None:
    """B89, B141: with the customer's number, and what can be done."""
    offices = Offices(rules={"directions": {**NOTHING, Customer: IN, Invoice: IN}})
    paper = offices.entered("INV-9", 70, "Zed")
    assert paper.customer is not None
    owner = offices.book.of(Customer)[paper.customer.id]
    offices.book.put(evolve(owner, active=False))
    offices.sync()
    assert offices.shop.of(Invoice) == {}
    story = offices.engine().why("INV-9")
    assert "its customer of INV-9 is not active" in story.reasons[0]
    assert "active_only=False" in story.reasons[0]
    offices.book.put(evolve(owner, active=True))
    assert offices.engine().why("INV-9").reasons == ()
    offices.rules = {"directions": {**NOTHING, Invoice: IN}}
    offices.book.put(evolve(owner, active=False))
    offices.ledger.kinds = without([Customer], Verb.READ)
    assert offices.engine().why("INV-9").reasons == ()


def test_a_customer_that_cannot_be_asked_for_spoils_no_story() -> None:
    """B150: the rest of it is told."""
    offices = Offices(rules={"directions": {**NOTHING, Customer: IN, Invoice: IN}})
    offices.entered("INV-9", 70, "Zed")
    offices.ledger = Deaf(offices.book)
    offices.ledger.to = Fault(Code.SERVER_ERROR, "no"), Customer
    assert offices.engine().why("INV-9").reasons == ()


def test_what_no_run_has_come_to_yet_says_so() -> None:
    """B141: nothing is wrong, and nothing was done."""
    offices = Offices()
    offices.invoice("INV-1", offices.customer())
    story = offices.engine().why("INV-1")
    assert str(story).startswith("INV-1: it was not carried yet.")
    assert story.next == ("the next run whose window it falls into looks at it",)


# Where nobody knows it, or nobody answers ---------------------------------------------------


def test_a_number_that_nobody_knows_tells_where_it_looked() -> None:
    """B141, B143: both sides by number, and all that is remembered."""
    offices = Offices()
    story = offices.engine().why("INV-404")
    assert not story.known
    assert str(story).splitlines() == [
        "INV-404: nobody knows this number.",
        f"  looked in {', '.join(story.looked)}",
    ]
    assert story.looked == (
        "billing (shop:1) by number",
        "the ledger (book:1) by number",
        "the links",
        "the open issues",
        "the event log",
    )


@pytest.mark.parametrize(
    "number",
    [
        "INV\x00-1",
        "INV-\u202e1",
        "a\nb",
        "\x1b[31mred",
        "\ud800",
        "x" * 300,
        "",
        "\x1f",
    ],
)
def test_a_number_that_no_document_can_have_is_harmless(number: str) -> None:
    """B141: it is looked for in the store alone, and shown with nothing hidden."""
    offices = Offices()
    story = offices.engine().why(number)
    assert not story.known
    assert (offices.billing.calls, offices.ledger.calls) == (0, 0)
    text = str(story)
    assert all(each.isprintable() for each in text.splitlines())
    assert "looked in the links, the open issues, the event log" in text
    assert len(text.splitlines()) == 2


def test_hostile_words_come_out_in_one_line_each() -> None:
    """B141: whatever a number, a name or an error holds."""
    hostile = "<script>alert(1)</script>"
    offices = Offices()
    owner = offices.customer("C1", "Acme\n\x1b[2J\u202egnp.exe")
    offices.invoice(hostile, owner)

    def rude(change: Change) -> str:
        raise Fault(Code.REFUSED, "no\r\n  you can: pay me\x07")

    offices.ledger.fate = rude
    offices.sync()
    for number in (hostile, "C1"):
        story = offices.engine().why(number)
        text = str(story)
        assert text.splitlines()[0].startswith(f"{number}: ")
        assert all(each.isprintable() for each in text.split("\n"))
        assert "\n  you can: pay me" not in text
    assert r"no\r\n  you can: pay me\x07" in text
    assert r"Acme\n\x1b[2J\u202egnp.exe" in text


def test_a_side_that_does_not_answer_is_told_as_such() -> None:
    """B145, B150: the other side and all that is remembered are told all the same."""
    world = World()
    paper, _ = world.both("INV-1", 50)
    world.ledger.apply(paper, 20)
    world.sync()
    world.calls.at(1, fails(unreached()))
    story = world.engine().why("INV-1")
    billing, ledger = story.said
    assert (billing.record is not None, ledger.code) == (True, Code.NOT_REACHED)
    assert story.causes == (Code.NOT_REACHED,)
    assert "the ledger (book:ledger) could not be asked: nobody answers" in str(story)
    assert Code.NOT_REACHED.remedy in story.remedies
    assert steps(story) == ["applied"]
    world.calls.at(0, fails(unreached()))
    unknown = world.engine().why("INV-9")
    assert "could not be asked: nobody answers" in str(unknown)


def test_a_kind_that_cannot_be_asked_for_hides_no_other() -> None:
    """B145: where a system refuses one question, the next is asked."""
    offices = Offices()
    offices.invoice("INV-1", offices.customer())
    offices.billing = Deaf(offices.shop)
    offices.billing.to = Fault(Code.NOT_ALLOWED, "not by number"), tieout.Settlement
    engine = offices.engine()
    assert isinstance(engine.why("INV-1").said[0].record, Invoice)
    said = engine.why("INV-2").said[0]
    assert (said.trouble, said.code) == ("not by number", Code.NOT_ALLOWED)


def test_a_record_that_cannot_be_read_is_told_with_the_reason() -> None:
    """B145: by its number; somebody else's trouble is not its own."""
    world = World()
    paper, _ = world.both("INV-1", 50)
    world.ledger.edit(paper, bad=True)
    said = world.engine().why("INV-1").said[1]
    assert (said.record, said.code) == (None, Code.BAD_AMOUNT)
    assert "INV-1 [total]" in said.trouble
    world.ledger.papers[paper].number = "INV-7"
    world.sync()
    assert world.engine().why("INV-7").said[1].code is Code.BAD_AMOUNT


def test_a_run_that_ended_early_is_a_cause_for_what_it_had_not_come_to() -> None:
    """B145, B150: the record itself is fine, and nothing of it was tried."""
    world = World()
    paper, _ = world.both("INV-1", 50)
    world.ledger.apply(paper, 20)
    world.calls.at(2, fails(unreached()))
    world.sync()
    story = world.engine().why("INV-1")
    assert (story.issues, story.causes) == ((), (Code.NOT_REACHED,))
    assert str(story).startswith(
        "INV-1: it was not carried yet; the last run ended early."
    )
    assert (
        "the last run of payments ended early at 2026-03-20 12:00: NOT_REACHED"
        in str(story)
    )
    assert "it is tried again in the next run" in story.next
    (event,) = world.engine().events(code=Code.NOT_REACHED)
    assert event.what == "ended early"
    world.clock.advance(A_DAY)
    world.sync()
    assert world.engine().why("INV-1").causes == ()


def test_many_events_of_one_record_are_all_told() -> None:
    """B147: more than the store hands over at once."""
    offices = Offices()
    bill = offices.invoice("INV-1", offices.customer())
    offices.sync()
    engine = offices.engine()
    event = next(engine.events(number="INV-1"))
    engine._store.commit(*(evolve(event, serial=10 + n) for n in range(2500)))
    story = engine.why("INV-1")
    assert len(story.happened) == 2502
    assert len(story.links) == 1
    assert bill.ref in {e.source for e in story.happened}


def test_a_record_is_told_by_the_number_it_has_and_not_by_anothers_id() -> None:
    """B143: ids of several kinds may be alike; what was filed under it is looked at."""
    offices = Offices(rules={"directions": {**EVERY_WAY, Invoice: BOTH}})
    owner = offices.customer()
    bill = offices.invoice("INV-1", owner)
    twin = Payment(
        Ref("shop:1", "Payment", bill.ref.id),
        owner.ref,
        "EUR",
        DAY,
        Decimal(5),
        Status.OPEN,
        "P-9",
    )
    offices.shop.pay(twin)
    offices.sync()
    story = offices.engine().why("P-9")
    assert getattr(story.said[0].record, "number", "") == "P-9"
    assert {e.kind for e in story.happened} == {Payment}


def test_a_change_of_the_callers_own_is_told_with_the_rest() -> None:
    """B143: under the number that the caller gave it."""
    offices = Offices()
    owner = offices.customer()
    made = Change(
        "mine",
        Action.CREATE,
        Customer,
        "book:1",
        owner.ref,
        after=evolve(owner, ref=Ref("book:1", "Customer", "")),
        number="C1",
        agreed=tieout.fingerprint(owner),
        reason="I say so",
    )
    engine = offices.engine()
    engine.apply(engine.plan_changes([made], verb="my own"))
    assert "I say so" in str(engine.why("C1"))
    assert engine.sync_customers(SINCE).counts["created"] == 0
