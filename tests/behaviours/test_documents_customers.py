"""Customers both ways: who is who, whose word counts, and what is never guessed."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

import tieout
from bookkeeping import (
    BOTH,
    HOUR,
    IN,
    OFF,
    OUT,
    SINCE,
    Numbering,
    Pair,
    codes,
    effects,
    issue_of,
    lost_once,
    told,
    ways,
)
from tieout.capabilities import Verb
from tieout.change import Action
from tieout.errors import ConfigError
from tieout.models import Customer, Invoice, Ref
from tieout.testing.year.connector import KINDS, without


def keeping(text: str) -> str:
    """What a careless system makes of a text: trimmed, in capitals, cut off."""
    return text.strip().upper()[:12].rstrip()


# Both ways ---------------------------------------------------------------------------------


def test_customers_are_carried_both_ways() -> None:
    """B46: what is new on one side is made on the other, once."""
    pair = Pair(ways(BOTH, Customer))
    here = pair.customer("Acme", "C1", email="a@acme.test")
    there = pair.customer("Bolt", "C2", on=pair.book)
    assert pair.sync(Customer).counts["created"] == 2
    assert pair.across(here).name == "Acme"
    assert pair.across(here).email == "a@acme.test"
    assert pair.across(there).name == "Bolt"
    with pair.quiet():
        assert pair.sync(Customer).ok
        assert pair.sync(Customer, tieout.Since.LAST_RUN).ok


def test_customers_of_a_way_that_is_off_stay_where_they_are() -> None:
    """B46, B53: each way has its switch."""
    pair = Pair(ways(IN, Customer))
    pair.customer("Acme", "C1")
    pair.customer("Bolt", "C2", on=pair.book)
    pair.sync(Customer)
    assert [each.name for each in pair.all(Customer)] == ["Bolt"]
    assert sorted(each.name for each in pair.all(Customer, pair.shop)) == [
        "Acme",
        "Bolt",
    ]


def test_a_flow_that_is_off_does_nothing() -> None:
    """B53: whatever happened, no side is asked anything."""
    pair = Pair({Customer: OFF, Invoice: OUT})
    pair.customer()
    with pair.quiet(), pytest.raises(ConfigError, match="switched off"):
        pair.sync(Customer)
    with pytest.raises(ConfigError, match=r"directions\[Customer\]"):
        pair.engine.sync_customers(only=["C1"])
    assert pair.billing.calls == pair.ledger.calls == 0


def test_who_is_not_active_is_not_made_anew() -> None:
    """B46, B89: nor is a customer taken away who becomes inactive; that is carried."""
    pair = Pair(ways(OUT, Customer))
    pair.customer("Old", "C0", active=False)
    kept = pair.customer("Acme", "C1")
    assert pair.sync(Customer).counts["skipped"] == 1
    pair.edit(kept, active=False)
    pair.sync(Customer)
    assert [(e.number, e.active) for e in pair.all(Customer)] == [("C1", False)]


def test_inactive_customers_are_made_where_that_is_asked_for() -> None:
    pair = Pair(ways(OUT, Customer), active_only=False)
    old = pair.customer("Old", "C0", active=False)
    pair.sync(Customer)
    assert pair.across(old).active is False


def test_a_customer_comes_after_the_one_it_belongs_to() -> None:
    """B152: also where both are new, and the child is read first."""
    pair = Pair(ways(OUT, Customer))
    parent = Ref("shop:1", "Customer", "z9")
    child = pair.customer("Branch", "C2", parent=parent)
    head = pair.customer("Head office", "C1", id="z9")
    plan = pair.plan(Customer)
    assert len(plan.changes) == 2
    assert pair.sync(Customer).ok
    assert pair.across(child).parent == pair.across(head).ref


def test_custom_fields_are_carried_under_the_other_sides_names() -> None:
    """B161: those that the settings name, and no others."""
    pair = Pair(ways(IN, Customer), custom={"territory": "region"})
    made = pair.customer(
        on=pair.book, custom={"territory": "north", "credit_limit": "900"}
    )
    pair.sync(Customer)
    assert pair.across(made).custom == {"region": "north"}


# Who is who --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "number", "name", "found"),
    [
        ("number and name", "C1", "Other name", True),
        ("number and name", "", "ACME  ltd", True),
        ("number", "C1", "Other name", True),
        ("number", "", "Acme Ltd", False),
        ("name", "C9", "acme ltd", True),
        ("name", "C1", "Other name", False),
        # A number of its own says that it is another customer of the same name.
        ("number and name", "C9", "Acme Ltd", False),
    ],
)
def test_by_what_a_customer_is_known_again(
    rule: str, number: str, name: str, found: bool
) -> None:
    """B83: by number, by name, or by both, as the settings say."""
    pair = Pair(ways(OUT, Customer), match_customers=rule, book={"unique": False})
    there = pair.customer("Acme Ltd", "C1", on=pair.book)
    here = pair.customer(name, number)
    report = pair.sync(Customer)
    assert report.ok
    assert report.counts["created"] == int(not found)
    link = pair.link(here)
    assert link is not None
    assert (link.ledger == there.ref) is found


def test_the_number_wins_and_the_disagreement_is_told() -> None:
    """B84: a warning names both customers, and the number's one is tied."""
    pair = Pair(ways(OUT, Customer))
    numbered = pair.customer("Acme Europe", "C1", on=pair.book)
    pair.customer("Acme", "C2", on=pair.book)
    here = pair.customer("Acme", "C1")
    report = pair.sync(Customer)
    assert report.ok
    assert codes(report) == ["NAME_AND_NUMBER_DISAGREE"]
    assert "C2 Acme" in issue_of(report, "C1").text
    assert pair.across(here).ref == numbered.ref


def test_a_name_that_several_have_is_an_issue() -> None:
    """B84: and no third customer is made."""
    pair = Pair(ways(OUT, Customer), book={"unique": False})
    pair.customer("Acme", "", on=pair.book)
    pair.customer("ACME", "", on=pair.book)
    pair.customer("Acme", "")
    with pair.quiet():
        report = pair.sync(Customer)
    assert codes(report) == ["AMBIGUOUS_NAME"]
    assert not report.ok


def test_a_number_that_several_have_is_an_issue() -> None:
    """B84"""
    pair = Pair(ways(OUT, Customer), book={"unique": False})
    pair.customer("Acme", "C1", on=pair.book)
    pair.customer("Bolt", "C1", on=pair.book)
    pair.customer("Acme", "C1")
    with pair.quiet():
        assert codes(pair.sync(Customer)) == ["AMBIGUOUS_NUMBER"]


def test_a_closed_namesake_does_not_count() -> None:
    """B84: of two of a name, the one who is active is meant."""
    pair = Pair(ways(OUT, Customer), book={"unique": False})
    pair.customer("Acme", "", on=pair.book, active=False)
    live = pair.customer("Acme", "", on=pair.book)
    here = pair.customer("Acme", "")
    assert pair.sync(Customer).ok
    assert pair.across(here).ref == live.ref


def test_two_that_one_name_means_are_not_guessed() -> None:
    """B84: two customers of billing, one in the ledger."""
    pair = Pair(ways(OUT, Customer))
    pair.customer("Acme", "", on=pair.book)
    pair.customer("Acme", "", id="a")
    pair.customer("acme", "", id="b")
    with pair.quiet():
        report = pair.sync(Customer)
    assert codes(report) == ["AMBIGUOUS_NAME", "AMBIGUOUS_NAME"]
    assert "a, b" in next(report.issues).text


def test_the_one_whom_number_and_name_mean_goes_before_whom_the_name_means() -> None:
    """B84"""
    pair = Pair(ways(OUT, Customer))
    there = pair.customer("Acme", "C1", on=pair.book)
    pair.customer("Acme", "", id="a")
    right = pair.customer("Acme", "C1", id="b")
    with pair.quiet():
        report = pair.sync(Customer)
    assert codes(report) == ["ALREADY_LINKED"]
    assert pair.across(right).ref == there.ref
    with pair.quiet():
        assert codes(pair.sync(Customer)) == ["ALREADY_LINKED"]


def test_two_of_one_number_are_not_made() -> None:
    """B84: whichever of them is meant, the other is not."""
    pair = Pair(ways(OUT, Customer), shop={"unique": False})
    pair.customer("Acme", "C1")
    pair.customer("Bolt", "C1")
    good = pair.customer("Cog", "C2")
    report = pair.sync(Customer)
    assert codes(report) == ["AMBIGUOUS_NUMBER", "AMBIGUOUS_NUMBER"]
    assert [each.name for each in pair.all(Customer)] == ["Cog"]
    assert pair.across(good).number == "C2"


def test_a_tie_outlives_a_new_number_and_a_new_name() -> None:
    """B44, B83: what is tied is not matched again."""
    pair = Pair(ways(OUT, Customer))
    here = pair.customer("Acme", "C1")
    pair.sync(Customer)
    first = pair.across(here)
    pair.customer("Acme Group", "C7", on=pair.book)
    pair.edit(here, name="Acme Group", number="C8")
    assert pair.sync(Customer).counts["updated"] == 1
    assert pair.across(here).ref == first.ref
    assert (pair.across(here).name, pair.across(here).number) == ("Acme Group", "C8")


def test_a_name_is_matched_by_number_alone_where_nobody_lists_the_others() -> None:
    kinds = {**KINDS, Customer: KINDS[Customer]}
    kinds[Customer] = _unlisted(kinds[Customer])
    pair = Pair(ways(OUT, Customer), ledger={"kinds": kinds})
    pair.customer("Acme", "", on=pair.book)
    pair.customer("Acme", "")
    assert pair.sync(Customer).counts["created"] == 1


def _unlisted(able: Any) -> Any:
    return evolve(able, selects=frozenset())


# Whose word counts -------------------------------------------------------------------------


def test_each_field_goes_from_the_side_that_owns_it() -> None:
    """B46: both sides edited, and both edits stay."""
    pair = Pair(ways(BOTH, Customer), owners={"name": "billing", "email": "ledger"})
    here = pair.customer("Acme", "C1", email="old@acme.test")
    pair.sync(Customer)
    pair.edit(here, name="Acme Group")
    pair.edit(pair.across(here), email="new@acme.test")
    report = pair.sync(Customer)
    assert report.counts["updated"] == 2
    ours, theirs = pair.shop.get(here.ref, Customer), pair.across(here)
    assert (ours.name, ours.email) == ("Acme Group", "new@acme.test")
    assert (theirs.name, theirs.email) == ("Acme Group", "new@acme.test")
    with pair.quiet():
        pair.sync(Customer)
        assert pair.sync(Customer).counts["unchanged"] == 2


def test_a_change_on_the_side_that_does_not_own_it_is_told_and_put_back() -> None:
    """B46: both sides changed is a decision that the plan shows."""
    pair = Pair(ways(BOTH, Customer), owners={"email": "billing"})
    here = pair.customer("Acme", "C1", email="right@acme.test")
    pair.sync(Customer)
    pair.edit(pair.across(here), email="wrong@acme.test")
    plan = pair.plan(Customer)
    assert codes(plan) == ["OWNED_BY_THE_OTHER_SIDE"]
    issue = issue_of(plan, "C1")
    assert issue.field == "email"
    assert "'wrong@acme.test' here, 'right@acme.test' there" in issue.text
    pair.sync(Customer)
    assert pair.across(here).email == "wrong@acme.test"  # nothing changed in billing
    pair.edit(here, email="newer@acme.test")
    pair.sync(Customer)
    assert pair.across(here).email == "newer@acme.test"


def test_a_field_without_an_owner_belongs_to_where_the_customer_was_made() -> None:
    """B46"""
    pair = Pair(ways(BOTH, Customer))
    made = pair.customer("Bolt", "C2", on=pair.book)
    pair.sync(Customer)
    pair.edit(pair.across(made), name="Bolted")
    report = pair.sync(Customer)
    assert codes(report) == ["OWNED_BY_THE_OTHER_SIDE"]
    assert pair.book.get(made.ref, Customer).name == "Bolt"
    pair.edit(made, name="Bolt & Sons")
    pair.sync(Customer)
    assert pair.across(made).name == "Bolt & Sons"


def test_where_customers_go_one_way_that_side_owns_all() -> None:
    """B46"""
    pair = Pair(ways(OUT, Customer), owners={"email": "ledger"})
    here = pair.customer("Acme", "C1", email="a@acme.test")
    pair.sync(Customer)
    pair.edit(here, email="b@acme.test")
    assert pair.sync(Customer).counts["updated"] == 1
    assert pair.across(here).email == "b@acme.test"


def test_what_cannot_be_changed_there_is_told_once() -> None:
    """B141: no edit is lost without a word."""
    kinds = without([Customer], Verb.UPDATE)
    pair = Pair(ways(OUT, Customer), ledger={"kinds": kinds})
    here = pair.customer("Acme", "C1")
    pair.sync(Customer)
    pair.edit(here, name="Acme Group", number="C9")
    report = pair.sync(Customer)
    assert report.ok
    assert codes(report) == ["EDIT_NOT_CARRIED"]
    assert "by hand" in str(next(report.issues))
    assert pair.sync(Customer).yellow == 0


def test_no_number_is_ever_taken_away() -> None:
    """B87: a system that gives numbers of its own keeps them."""
    pair = Pair(ways(BOTH, Customer), match_customers="name")
    there = pair.customer("Acme", "", on=pair.book)
    here = pair.customer("Acme", "CUST-1")
    pair.sync(Customer)
    pair.edit(there, name="Acme Group")
    pair.edit(here, email="a@acme.test")
    pair.sync(Customer)
    assert pair.shop.get(here.ref, Customer).number == "CUST-1"


# Contacts ----------------------------------------------------------------------------------


def contacts(pair: Pair, *names: str) -> list[Customer]:
    """One ledger customer with bill-to contacts, as its system tells of them."""
    parent = pair.customer("Acme Holding", "C100", on=pair.book, id="C100")
    return [
        pair.customer(
            f"{name} of Acme",
            "",
            on=pair.book,
            id=f"C100/{name}",
            parent=parent.ref,
            email=f"{name.lower()}@acme.test",
        )
        for name in names
    ]


def test_each_bill_to_contact_is_a_customer_of_its_own_in_billing() -> None:
    """B85, B86: by the contact's name and details."""
    pair = Pair(ways(IN, Customer), match_customers="number")
    anna, ben = contacts(pair, "Anna", "Ben")
    pair.sync(Customer)
    assert pair.across(anna).name == "Anna of Acme"
    assert pair.across(anna).email == "anna@acme.test"
    assert pair.across(ben).name == "Ben of Acme"
    assert pair.across(anna).ref != pair.across(ben).ref
    with pair.quiet():
        pair.sync(Customer, recheck=True)


def test_a_contacts_number_is_billings_to_give_and_the_ledgers_is_shown() -> None:
    """B87: also when the contact changes later."""
    pair = Pair(ways(IN, Customer), bills=Numbering, match_customers="number")
    (anna,) = contacts(pair, "Anna")
    pair.sync(Customer)
    made = pair.across(anna)
    assert made.number.startswith("CUST-")
    assert made.parent is None
    assert made.custom["ledger_customer"] == "C100"
    pair.edit(anna, name="Anna B of Acme")
    pair.sync(Customer)
    assert (pair.across(anna).name, pair.across(anna).number) == (
        "Anna B of Acme",
        made.number,
    )


def test_what_a_contact_is_billed_goes_to_the_contact() -> None:
    """B86: several billing customers of one ledger customer keep their invoices apart."""
    pair = Pair({Customer: IN, Invoice: OUT}, match_customers="number")
    anna, ben = contacts(pair, "Anna", "Ben")
    pair.sync(Customer)
    one = pair.invoice("INV-1", of=pair.across(anna))
    two = pair.invoice("INV-2", of=pair.across(ben))
    assert pair.sync(Invoice).ok
    assert pair.across(one).customer.id == "C100/Anna"
    assert pair.across(two).customer.id == "C100/Ben"


# Merged, gone ------------------------------------------------------------------------------


def test_a_tie_moves_to_the_customer_that_another_was_merged_into() -> None:
    """B84: in the ledger, where customers go to it."""
    pair = Pair(ways(OUT, Customer))
    here = pair.customer("Acme", "C1", email="a@acme.test")
    pair.sync(Customer)
    kept = pair.customer("Acme Group", "C9", on=pair.book)
    pair.ledger.merge(pair.across(here), kept)
    pair.edit(here, email="b@acme.test")
    report = pair.sync(Customer)
    assert report.ok
    assert pair.across(here).ref == kept.ref
    assert pair.across(here).email == "b@acme.test"
    with pair.quiet():
        pair.sync(Customer, recheck=True)


@pytest.mark.parametrize("side", ["billing", "ledger"])
def test_a_tie_moves_where_the_source_was_merged(side: str) -> None:
    """B84: read from either side."""
    pair = Pair(ways(OUT if side == "billing" else IN, Customer))
    books, connector = (
        (pair.shop, pair.billing) if side == "billing" else (pair.book, pair.ledger)
    )
    old = pair.customer("Acme", "C1", on=books)
    pair.sync(Customer)
    made = pair.across(old)
    kept = pair.customer("Acme Group", "", on=books)
    connector.merge(old, kept)
    report = pair.sync(Customer)
    assert report.ok
    assert "rekeyed" in [event.what for event in report.records]
    assert pair.link(old) is None
    assert pair.across(kept).ref == made.ref
    assert pair.across(kept).name == "Acme Group"


def test_two_that_are_tied_and_merged_are_left_to_a_person() -> None:
    """B84: of two ties no one is given up."""
    pair = Pair(ways(OUT, Customer))
    one, two = pair.customer("Acme", "C1"), pair.customer("Bolt", "C2")
    pair.sync(Customer)
    there = pair.across(one).ref
    pair.billing.merge(one, two)
    with pair.quiet():
        report = pair.sync(Customer)
    assert codes(report) == ["VANISHED"]
    assert "merged into" in issue_of(report, "C1").text
    link = pair.link(one)
    assert link is not None
    assert link.ledger == there


def test_two_whose_counterparts_were_merged_are_left_to_a_person() -> None:
    """B84: one ledger customer is not tied to two of billing."""
    pair = Pair(ways(OUT, Customer))
    one, two = pair.customer("Acme", "C1"), pair.customer("Bolt", "C2")
    pair.sync(Customer)
    pair.ledger.merge(pair.across(one), pair.across(two))
    pair.edit(one, email="a@acme.test")
    with pair.quiet():
        report = pair.sync(Customer)
    assert codes(report) == ["ALREADY_LINKED"]
    assert pair.across(two).number == "C2"


def test_a_customer_that_was_deleted_there_is_not_made_anew() -> None:
    pair = Pair(ways(OUT, Customer))
    here = pair.customer()
    pair.sync(Customer)
    del pair.book.of(Customer)[pair.across(here).ref.id]
    pair.edit(here, name="Acme Group")
    with pair.quiet():
        assert codes(pair.sync(Customer)) == ["VANISHED"]


def test_a_customer_that_was_deleted_here_is_told_and_left_there() -> None:
    pair = Pair(ways(OUT, Customer))
    here = pair.customer()
    pair.sync(Customer)
    del pair.shop.of(Customer)[here.ref.id]
    pair.billing.gone.append(here.ref)
    with pair.quiet():
        report = pair.sync(Customer)
    assert codes(report) == ["VANISHED"]
    assert "was deleted" in issue_of(report, "C1").text


def test_what_we_made_and_somebody_deleted_is_said_when_it_is_compared() -> None:
    """B63: the other side's list is not asked about what came from here."""
    pair = Pair(ways(BOTH, Customer))
    here = pair.customer()
    pair.sync(Customer)
    gone = pair.across(here).ref
    del pair.book.of(Customer)[gone.id]
    pair.ledger.gone.append(gone)
    with pair.quiet():
        assert codes(pair.sync(Customer)) == []
    pair.edit(here, email="a@acme.test")
    with pair.quiet():
        assert codes(pair.sync(Customer)) == ["VANISHED"]


def test_of_very_long_lists_names_are_not_all_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """B83: who stands behind is matched by number alone; nobody is guessed."""
    monkeypatch.setattr("tieout.survey.NAMES_MAX", 7)
    pair = Pair(ways(OUT, Customer))
    for position in range(15):
        pair.customer(f"Name {position:02}", "", on=pair.book)
    first, last = pair.customer("Name 00", ""), pair.customer("Name 08", "")
    more = [pair.customer(f"More {position}", "") for position in range(8)]
    report = pair.sync(Customer)
    assert report.counts["created"] == len(more) + 1
    assert pair.across(first).ref.id != pair.across(last).ref.id
    assert len(pair.all(Customer)) == 15 + len(more) + 1


# Bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "number", "code", "field"),
    [
        ("Acme", "C" * 11, "TOO_LONG", "number"),
        ("  ", "C1", "BAD_FIELD", "name"),
    ],
)
def test_what_cannot_be_made_is_an_issue_and_the_others_go_on(
    name: str, number: str, code: str, field: str
) -> None:
    """B106: one poison record beside two good ones; nothing is cut off."""
    kinds = {**KINDS, Customer: evolve(KINDS[Customer], number_length=10)}
    pair = Pair(ways(OUT, Customer), ledger={"kinds": kinds})
    pair.customer("Bolt", "C2")
    bad = pair.customer(name, number)
    pair.customer("Cog", "C3")
    report = pair.sync(Customer)
    assert codes(report) == [code]
    assert next(report.issues).field == field
    assert sorted(each.name for each in pair.all(Customer)) == ["Bolt", "Cog"]
    pair.edit(bad, name="Acme", number="C1")
    assert pair.sync(Customer, tieout.Since.LAST_RUN).ok
    assert pair.across(bad).number == "C1"


def test_where_no_customer_can_be_made_that_is_found_when_the_engine_is() -> None:
    """B53: and not record by record."""
    pair = Pair(ways(OUT, Customer), ledger={"kinds": without([Customer], Verb.CREATE)})
    with pytest.raises(ConfigError, match="does not let us create them"):
        pair.engine.check()
    blind = Pair(ways(OUT, Customer), ledger={"kinds": without([Customer], Verb.READ)})
    with pytest.raises(ConfigError, match="does not let us read them"):
        blind.engine.check()


# Careless systems, lost answers ------------------------------------------------------------


@pytest.mark.parametrize("careless", ["shop", "book"])
def test_what_a_system_makes_of_names_is_no_news(careless: str) -> None:
    """B63: trimmed, in capitals, cut off; a second sync writes on neither side."""
    pair = Pair(
        ways(BOTH, Customer),
        shop={"normalise": keeping} if careless == "shop" else None,
        book={"normalise": keeping} if careless == "book" else None,
    )
    pair.customer("  Acme Industrial Works ", "C1")
    pair.customer(" Bolt and Nut Company", "C2", on=pair.book)
    pair.sync(Customer)
    with pair.quiet():
        for again in (SINCE, tieout.Since.LAST_RUN, SINCE):
            report = pair.sync(Customer, again)
            assert (report.ok, report.yellow) == (True, 0)
        assert pair.sync(Customer, recheck=True).yellow == 0


def test_a_customer_whose_answer_was_lost_is_not_sent_back() -> None:
    """B63: neither in the same run, nor once it is found to be there."""
    pair = Pair(
        ways(BOTH, Customer),
        ledger={"fate": lost_once(Customer)},
        match_customers="number",
    )
    here = pair.customer("Acme", "")
    report = pair.sync(Customer)
    assert codes(report) == ["OUTCOME_UNKNOWN", "WAITS"]
    assert len(pair.all(Customer)) == len(pair.all(Customer, pair.shop)) == 1
    with pair.quiet():
        assert pair.sync(Customer, tieout.Since.LAST_RUN).ok
    assert pair.across(here).name == "Acme"
    link = pair.link(here)
    assert link is not None
    assert link.origin == "shop:1"


def test_a_customer_that_was_edited_while_its_write_was_unknown_is_compared() -> None:
    """B46: the marker passed the edit, and it is not lost."""
    fates = iter(["never", ""])
    pair = Pair(ways(OUT, Customer), ledger={"fate": lambda change: next(fates)})
    here = pair.customer("Acme", "C1")
    pair.sync(Customer)
    pair.edit(here, name="Acme Group")
    pair.clock.advance(-HOUR)  # the answer may still be late
    pair.edit(here, name="Acme Group")
    pair.sync(Customer, tieout.Since.LAST_RUN)
    pair.sync(Customer, tieout.Since.LAST_RUN)
    assert pair.across(here).name == "Acme Group"


# Plans -------------------------------------------------------------------------------------


def test_a_sync_does_what_its_plan_says() -> None:
    """B46: applied, the plan ends as the sync does; made twice, it is the same."""
    left, right = _mixed(), _mixed()
    plan = left.plan(Customer)
    assert plan.digest == left.plan(Customer).digest
    assert told(plan) == [
        ("+", "Customer", "C1"),
        ("+", "Customer", "C3"),
        ("=", "Customer", "C2"),  # seen from either side
        ("=", "Customer", "C2"),
    ]
    left.apply(plan)
    right.sync(Customer)
    assert _shown(left) == _shown(right)
    assert not effects(left.plan(Customer))


def test_a_plan_of_edits_on_both_sides_lands_on_both() -> None:
    """B46: what this very plan changed is no stranger's edit."""
    pair = Pair(ways(BOTH, Customer), owners={"name": "billing", "email": "ledger"})
    here = pair.customer("Acme", "C1", email="old@acme.test")
    pair.sync(Customer)
    pair.edit(here, name="Acme Group")
    pair.edit(pair.across(here), email="new@acme.test")
    assert pair.apply(pair.plan(Customer)).counts["updated"] == 2
    assert pair.across(here).name == "Acme Group"
    assert pair.shop.get(here.ref, Customer).email == "new@acme.test"
    assert not effects(pair.plan(Customer))


def test_who_changed_since_the_plan_is_left_alone() -> None:
    """B46: the rest of the plan lands."""
    pair = _mixed()
    plan = pair.plan(Customer)
    (acme,) = [e for e in pair.all(Customer, pair.shop) if e.number == "C1"]
    pair.edit(acme, name="Acme Group")
    report = pair.apply(plan)
    assert codes(report) == ["STALE_PLAN"]
    assert sorted(each.number for each in pair.all(Customer)) == ["C2", "C3"]
    assert {c.action for c in plan.changes} == {Action.CREATE, Action.KEEP}


def _mixed() -> Pair:
    pair = Pair(ways(BOTH, Customer))
    pair.customer("Acme", "C1")
    pair.customer("Bolt", "C2")
    pair.customer("Bolt", "C2", on=pair.book)
    pair.customer("Cog", "C3", on=pair.book)
    return pair


def _shown(pair: Pair) -> list[tuple[str, str]]:
    return sorted(
        (each.name, each.number)
        for books in (pair.shop, pair.book)
        for each in pair.all(Customer, books)
    )
