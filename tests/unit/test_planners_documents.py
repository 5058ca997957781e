"""The planners of invoices and credit notes, asked directly for what seldom happens."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from rows import (
    BOOK,
    DAY,
    across,
    course,
    credit_note,
    customer,
    done,
    invoice,
    link,
    only,
    put,
    ref,
    said,
)

from tieout.capabilities import Mark, Verb
from tieout.change import Action
from tieout.models import CreditNote, Customer, Invoice, Line, Status
from tieout.planners import credit_notes, invoices
from tieout.testing.year.connector import KINDS, without

UPDATE: dict[str, Any] = {"updates": "update"}


def there(
    own: str = "t", number: str = "INV-1", total: str = "100", **more: Any
) -> Invoice:
    return invoice(own, number, total, side=BOOK, **more)


def able(**values: Any) -> Any:
    return {**KINDS, Invoice: evolve(KINDS[Invoice], **values)}


def changed(here: Invoice, was: Invoice) -> Any:
    """What is known of an invoice that changed since it was posted."""
    return across(was, links=(link(here, was.ref, agreed=False),))


# What it is made with ----------------------------------------------------------------------


def test_what_is_made_names_the_other_sides_records() -> None:
    """B48: and is marked by its number, clean of white space."""
    owner, theirs = customer(), customer("t", side=BOOK)
    here = invoice(number=" INV-1 ", customer=owner.ref, version="7", carry="x")
    known = across(links=(link(owner, theirs.ref),))
    change = only(invoices.plan([here], known, course(Invoice)))
    assert isinstance(change.after, Invoice)
    assert (change.mark, change.after.number, change.number) == ("INV-1",) * 3
    assert change.after.customer == theirs.ref
    assert change.after.ref == ref(Invoice, "", BOOK)
    assert (change.after.version, change.after.carry) == ("", None)


def test_what_is_made_comes_after_its_customer() -> None:
    """B152: the planned one; its ref is filled in when it is there."""
    owner = customer()
    here = invoice(customer=owner.ref)
    known = across(planned={owner.ref: "first"})
    change = only(invoices.plan([here], known, course(Invoice)))
    assert change.depends_on == ("first",)
    assert isinstance(change.after, Invoice)
    assert change.after.customer == owner.ref


@pytest.mark.parametrize(
    ("mark", "starts"),
    [
        (Mark("number", is_number=True), "INV-1"),
        (Mark("custom.mark"), "TO-"),
        (None, ""),
    ],
)
def test_by_what_it_will_be_found_again(mark: Mark | None, starts: str) -> None:
    """B154"""
    change = only(
        invoices.plan([invoice()], across(), course(Invoice, able(mark=mark)))
    )
    assert change.mark.startswith(starts)
    assert bool(change.mark) is bool(starts)


def test_a_document_made_anew_has_another_name_and_mark() -> None:
    """B154"""
    ours = course(Invoice, able(mark=Mark("custom.mark")))
    first = only(invoices.plan([invoice()], across(), ours))
    known = across(generations={(invoice().ref, ""): 1})
    second = only(invoices.plan([invoice()], known, ours))
    assert first.name != second.name
    assert first.mark != second.mark


def test_where_none_can_be_made_that_is_said() -> None:
    ours = course(Invoice, without([Invoice], Verb.CREATE))
    assert said(invoices.plan([invoice()], across(), ours)) == ["NOT_ALLOWED"]


# Adopted -----------------------------------------------------------------------------------


def test_a_tie_that_was_let_go_may_be_made_again() -> None:
    """B44: by whom the document was tied before."""
    known = across(there(), claimed={there().ref: invoice().ref})
    assert done(invoices.plan([invoice()], known, course(Invoice))) == [
        (Action.KEEP, "INV-1")
    ]
    other = across(there(), claimed={there().ref: invoice("other").ref})
    assert said(invoices.plan([invoice()], other, course(Invoice))) == [
        "ALREADY_LINKED"
    ]


def test_a_customer_that_is_told_on_one_side_alone_is_no_difference() -> None:
    """B44: nothing can be compared."""
    owner = customer()
    ours = invoice(customer=owner.ref)
    known = across(there(), planned={owner.ref: "first"})
    assert done(invoices.plan([ours], known, course(Invoice)))[0][0] is Action.KEEP
    theirs = there(customer=customer("t", side=BOOK).ref)
    known = across(theirs)
    assert done(invoices.plan([invoice()], known, course(Invoice)))[0][0] is Action.KEEP


# Compared ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "here", "was", "differs"),
    [
        ("reference", " PO 7 ", "PO 7", False),
        ("reference", "", "PO 7", False),  # what is not said is not taken away
        ("due", None, DAY, False),
        ("due", DAY, None, True),
        ("on", date(2026, 3, 11), DAY, True),
        ("number", "INV-2", "INV-1", True),
    ],
)
def test_which_fields_make_a_change(
    field: str, here: Any, was: Any, differs: bool
) -> None:
    """B135"""
    ours, theirs = evolve(invoice(), **{field: here}), evolve(there(), **{field: was})
    change = only(
        invoices.plan([ours], changed(ours, theirs), course(Invoice, **UPDATE))
    )
    assert (change.action is Action.UPDATE) is differs


def test_a_mark_in_the_reference_is_not_the_users_to_change() -> None:
    """B154"""
    ours = invoice(reference="PO 8")
    theirs = there(reference="TO-ABC PO 7")
    kinds = able(mark=Mark("Reference"), writable=frozenset({"reference", "on"}))
    found = invoices.plan(
        [ours], changed(ours, theirs), course(Invoice, kinds, **UPDATE)
    )
    assert only(found).action is Action.KEEP


def test_a_number_of_the_ledgers_own_is_not_compared() -> None:
    """B44"""
    kinds = able(mark=Mark("custom.mark"), writable=frozenset({"on"}))
    ours, theirs = invoice(), there(number="4711")
    found = invoices.plan(
        [ours], changed(ours, theirs), course(Invoice, kinds, **UPDATE)
    )
    assert only(found).action is Action.KEEP


def test_a_total_is_written_with_its_lines() -> None:
    """B135: also where they are the same: the other side works it out from them."""
    ours = invoice(total="120", lines=(Line("Work", Decimal(100)),))
    change = only(
        invoices.plan([ours], changed(ours, there()), course(Invoice, **UPDATE))
    )
    assert isinstance(change.after, Invoice)
    assert (change.after.total, change.after.lines) == (ours.total, ours.lines)
    assert change.reason == "changed: total"


@pytest.mark.parametrize("policy", [UPDATE, {}])
def test_what_was_computed_there_is_told_and_left(policy: Any) -> None:
    """TOTAL_DIFFERS: nothing was edited here; other edits there are repaired all the same."""
    ours, theirs = invoice(due=DAY), there(total="100.01")
    theirs = evolve(theirs, lines=invoice().lines, due=date(2026, 12, 1))
    known = across(theirs, links=(link(ours, theirs.ref),))
    found = invoices.plan([ours], known, course(Invoice, recheck=True, **policy))
    assert said(found) == ["TOTAL_DIFFERS"]
    change = only(found)
    if policy:
        assert isinstance(change.after, Invoice)
        assert (change.action, change.after.total) == (
            Action.UPDATE,
            Decimal("100.01"),
        )
    else:
        assert change.action is Action.KEEP


def test_lines_that_a_person_edited_there_are_repaired_with_their_total() -> None:
    """B135"""
    ours, theirs = invoice(), there(total="70")
    known = across(theirs, links=(link(ours, theirs.ref),))
    found = invoices.plan([ours], known, course(Invoice, recheck=True, **UPDATE))
    change = only(found)
    assert isinstance(change.after, Invoice)
    assert (change.after.total, change.after.lines) == (ours.total, ours.lines)
    assert said(found) == []


def lines(*told: tuple[str, int]) -> tuple[Line, ...]:
    return tuple(Line(text, Decimal(amount)) for text, amount in told)


@pytest.mark.parametrize(
    ("old", "agreed", "differs"),
    [
        (lines(("Trip", 40), ("Work", 60)), False, False),  # in another order
        (lines(("work ", 60), ("TRIP", 40)), False, False),
        (lines(("Work", 60)), False, True),
        (lines(("Work", 50), ("Trip", 50)), False, True),
        (lines(("", 60), ("Trip", 40)), True, False),  # texts are not told there
        (lines(("", 60), ("Trip", 40)), False, True),
    ],
)
def test_when_lines_are_others(
    old: tuple[Line, ...], agreed: bool, differs: bool
) -> None:
    """B135"""
    ours = invoice(lines=lines(("Work", 60), ("Trip", 40)))
    theirs = there(lines=old)
    known = across(theirs, links=(link(ours, theirs.ref, agreed=agreed),))
    again = course(Invoice, recheck=True, **UPDATE)
    change = only(invoices.plan([ours], known, again))
    assert (change.action is Action.UPDATE) is differs


@pytest.mark.parametrize(
    ("new", "old", "differs"),
    [
        ({"account": "4000"}, {"account": ""}, False),  # it is not told there
        ({"account": ""}, {"account": "4000"}, False),
        ({"account": "4000"}, {"account": "4100"}, True),
        ({"dimensions": {"a": "1"}}, {"dimensions": {}}, False),
        ({"dimensions": {"a": "1"}}, {"dimensions": {"b": "2"}}, True),
        ({"dimensions": {"a": "1"}}, {"dimensions": {"a": "1", "b": "2"}}, False),
        ({"dimensions": {"a": "1"}}, {"dimensions": {"a": "2"}}, True),
    ],
)
@pytest.mark.parametrize("writable", [True, False])
def test_where_a_line_is_booked(
    new: dict[str, Any], old: dict[str, Any], differs: bool, writable: bool
) -> None:
    """B81, B135: as far as the other side tells it, and lets it be changed."""
    plain = Line("Work", Decimal(100))
    ours = invoice(lines=(evolve(plain, **new),))
    theirs = there(lines=(evolve(plain, **old),))
    kinds = KINDS if writable else able(writable=frozenset({"number", "due"}))
    found = invoices.plan(
        [ours], changed(ours, theirs), course(Invoice, kinds, **UPDATE)
    )
    assert (only(found).action is Action.UPDATE) is (differs and writable)


def test_a_changed_document_of_a_new_customer_waits_for_that_one() -> None:
    """B152"""
    owner = customer()
    ours, theirs = invoice(customer=owner.ref), there(customer=ref(Customer, "t", BOOK))
    known = evolve(changed(ours, theirs), planned={owner.ref: "first"})
    change = only(invoices.plan([ours], known, course(Invoice, **UPDATE)))
    assert (change.action, change.depends_on) == (Action.UPDATE, ("first",))


def test_a_draft_of_a_document_that_is_there_changes_nothing() -> None:
    """B90"""
    ours = invoice(status=Status.DRAFT)
    found = invoices.plan([ours], changed(ours, there()), course(Invoice, **UPDATE))
    assert (found.changes, found.skipped) == ((), 1)


@pytest.mark.parametrize("locked", [None, date(2026, 3, 9), DAY])
def test_a_void_in_a_closed_period_waits_until_it_is_open(locked: date | None) -> None:
    """LOCKED_PERIOD: by the day that the document has there."""
    ours = invoice(status=Status.VOID, on=date(2026, 1, 1))
    found = invoices.plan(
        [ours], changed(ours, there()), course(Invoice, locked=locked)
    )
    assert said(found) == (["LOCKED_PERIOD"] if locked == DAY else [])
    if not found.issues:
        change = only(found)
        assert (change.action, change.releases, change.closes) == (
            Action.VOID,
            True,
            True,
        )


# Credit notes and what they are put to ------------------------------------------------------


def applied(**more: Any) -> tuple[CreditNote, Any]:
    """A credit note that is put to a tied invoice, and what is known of it."""
    bill = invoice()
    note = credit_note()
    note = evolve(note, applications=(put("a", note.ref, bill.ref, **more),))
    return note, (link(bill, there().ref),)


def test_a_note_and_what_it_is_put_to_are_two_changes() -> None:
    """B50: the second depends on the first, and is read with it."""
    note, links = applied()
    found = credit_notes.plan([note], across(links=links), course(CreditNote))
    made, leg = found.changes
    assert leg.depends_on == (made.name,)
    assert leg.within == note.ref
    assert isinstance(made.after, CreditNote)
    assert (made.after.remaining, made.after.applications) == (note.total, ())


def test_what_may_be_ours_is_not_applied_back() -> None:
    """B63"""
    note, links = applied()
    known = across(links=links, doubtful=frozenset({note.applications[0].ref}))
    found = credit_notes.plan([note], known, course(CreditNote))
    assert said(found) == ["WAITS"]
    assert found.issues[0].within == note.ref


def test_what_came_from_there_is_not_applied_there() -> None:
    """B63: the note's own application is, whoever made the note."""
    note, links = applied()
    (own,) = note.applications
    mine = link(note, credit_note("t", side=BOOK).ref, origin=BOOK)
    came = link(own, put("t", mine.ledger, there().ref).ref, origin=BOOK)
    found = credit_notes.plan(
        [note], across(links=(*links, mine, came)), course(CreditNote)
    )
    assert (found.changes, found.skipped) == ((), 1)
    found = credit_notes.plan([note], across(links=(*links, mine)), course(CreditNote))
    assert [change.action for change in found.changes] == [Action.CREATE]


def test_money_of_a_credit_balance_has_no_document() -> None:
    """B96"""
    note, links = applied(source=customer().ref)
    found = credit_notes.plan([note], across(links=links), course(CreditNote))
    assert said(found) == ["NOT_ALLOWED"]
    assert found.issues[0].field == "source"


def test_what_is_ended_on_both_sides_is_let_go() -> None:
    """B95: nothing is taken off twice."""
    note, links = applied(live=False)
    (own,) = note.applications
    mine = link(note, credit_note("t", side=BOOK).ref)
    ended = put("t", mine.ledger, there().ref, live=False)
    tie = link(own, ended.ref, agreed=False)
    known = across(ended, links=(*links, mine, tie))
    change = only(credit_notes.plan([note], known, course(CreditNote)))
    assert (change.action, change.releases) == (Action.KEEP, True)


def test_what_stays_applied_is_told_once() -> None:
    """B100: the tie remembers that it was."""
    note, links = applied(live=False)
    (own,) = note.applications
    mine = link(note, credit_note("t", side=BOOK).ref)
    theirs = put("t", mine.ledger, there().ref)
    ours = course(CreditNote, without([type(own)], Verb.VOID))
    tie = link(own, theirs.ref, agreed=False)
    found = credit_notes.plan([note], across(links=(*links, mine, tie)), ours)
    assert said(found) == ["CREDITS_STAY"]
    assert only(found).action is Action.KEEP
    told = across(links=(*links, mine, link(own, theirs.ref)))
    assert credit_notes.plan([note], told, ours).issues == ()
