"""The planner of customers, asked directly for what an engine seldom shows."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from rows import BOOK, across, course, customer, done, link, only, said

from tieout.capabilities import Mark, Verb
from tieout.change import Action
from tieout.models import Customer
from tieout.planners.customers import plan
from tieout.planners.likeness import respelled
from tieout.testing.year.connector import KINDS, without


def there(
    own: str = "t", name: str = "Acme", number: str = "C1", **more: Any
) -> Customer:
    return customer(own, name, number, side=BOOK, **more)


def test_a_customer_that_cannot_be_made_there_is_an_issue() -> None:
    """B53: for a document that needs one where customers do not go that way."""
    ours = course(Customer, without([Customer], Verb.CREATE))
    found = plan([customer()], across(), ours)
    assert said(found) == ["NOT_ALLOWED"]


def test_who_was_found_and_is_tied_to_another_is_not_taken() -> None:
    """B84"""
    known = across(there(), claimed={there().ref: customer("other").ref})
    found = plan([customer()], known, course(Customer))
    assert said(found) == ["ALREADY_LINKED"]
    assert "C1 Acme is tied to other" in found.issues[0].text


def test_who_was_found_and_is_tied_to_this_very_one_is_kept() -> None:
    """B84: a tie that was let go may be made again."""
    known = across(
        there(),
        claimed={there().ref: customer().ref},
        links=(link(customer(), there().ref, released=True),),
    )
    assert done(plan([customer()], known, course(Customer))) == [(Action.KEEP, "C1")]


def test_a_tie_that_was_let_go_ties_nobody() -> None:
    """An inactive one is left alone, an active one is made anew."""
    gone = customer()
    known = across(links=(link(gone, there().ref, released=True),))
    assert done(plan([gone], known, course(Customer))) == [(Action.CREATE, "C1")]
    closed = evolve(gone, active=False)
    assert plan([closed], known, course(Customer)).skipped == 1


def test_where_the_number_is_the_mark_everybody_gets_one() -> None:
    """B154: a customer without a number could not be found again."""
    able = evolve(KINDS[Customer], mark=Mark("CUSTOMERID", is_number=True))
    ours = course(Customer, {**KINDS, Customer: able})
    made = only(plan([customer(number="")], across(), ours))
    assert isinstance(made.after, Customer)
    assert made.after.number == made.mark
    assert made.mark.startswith("TO-")
    numbered = only(plan([customer(number=" C7 ")], across(), ours))
    assert isinstance(numbered.after, Customer)
    assert (numbered.mark, numbered.after.number) == ("C7", "C7")


def test_without_a_mark_nothing_is_marked() -> None:
    able = evolve(KINDS[Customer], mark=None)
    made = only(
        plan([customer()], across(), course(Customer, {**KINDS, Customer: able}))
    )
    assert made.mark == ""


@pytest.mark.parametrize("found", [[], ["a"], ["a", "b"]])
def test_a_number_that_several_have_is_said_with_all_of_them(found: list[str]) -> None:
    """B84"""
    known = across(*(there(own) for own in found))
    plan_ = plan([customer()], known, course(Customer))
    expected = [[], [], ["AMBIGUOUS_NUMBER"]]
    assert said(plan_) == expected[len(found)]


def test_names_are_not_compared_where_only_numbers_count() -> None:
    """B83"""
    known = across(named={"acme": (there(number=""),)})
    by_number = course(Customer, match_customers="number")
    assert done(plan([customer()], known, by_number)) == [(Action.CREATE, "C1")]
    assert done(plan([customer()], known, course(Customer))) == [(Action.KEEP, "C1")]


def test_a_warning_stands_beside_the_tie() -> None:
    """B84"""
    known = across(there(name="Bolt"), named={"acme": (there("u", number="C2"),)})
    found = plan([customer()], known, course(Customer))
    assert done(found) == [(Action.KEEP, "C1")]
    assert said(found) == ["NAME_AND_NUMBER_DISAGREE"]
    assert not found.issues[0].blocking


def test_a_field_that_nobody_may_write_there_is_told() -> None:
    """B141"""
    able = evolve(KINDS[Customer], writable=frozenset({"email"}))
    ours = course(Customer, {**KINDS, Customer: able})
    here = customer(name="Acme Group", email="new")
    known = across(there(email="old"), links=(link(here, there().ref, agreed=False),))
    found = plan([here], known, ours)
    change = only(found)
    assert isinstance(change.after, Customer)
    assert (change.action, change.after.email, change.after.name) == (
        Action.UPDATE,
        "new",
        "Acme",
    )
    assert said(found) == ["EDIT_NOT_CARRIED"]
    assert found.issues[0].field == "name"


def test_compared_again_only_edits_count() -> None:
    """B63: what a system made of a name is no edit, and a number is one."""
    here = customer(name="Industrial Painting Works")
    tie = (link(here, there().ref),)
    kept = there(name="INDUSTRIAL PAI")
    again = course(Customer, recheck=True)
    assert done(plan([here], across(kept, links=tie), again)) == [(Action.KEEP, "C1")]
    edited = evolve(kept, number="C9")
    change = only(plan([here], across(edited, links=tie), again))
    assert isinstance(change.after, Customer)
    assert (change.after.number, change.after.name) == ("C1", "INDUSTRIAL PAI")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Acme", " ACME ", True),
        ("Acme  Ltd", "acme ltd", True),
        ("Industrial Painting", "INDUSTRIAL P", True),
        ("Acme", "Acme Group", False),
        ("Acme", "", False),
        ("Industrial Painting", "Industrial Works", False),
    ],
)
def test_what_systems_make_of_a_text(one: str, other: str, same: bool) -> None:
    """B63: case, spaces, the end; no shorter name is called cut off."""
    assert respelled(one, other) is same
    assert respelled(other, one) is same
