"""Invoices as documents: made once, known again, changed by policy, voided once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import tieout
from bookkeeping import (
    BOTH,
    DAY,
    HOUR,
    IN,
    OUT,
    SINCE,
    Computing,
    Pair,
    codes,
    effects,
    issue_of,
    lost_once,
    told,
    ways,
)
from tieout.capabilities import Creates, Everything, Kind, Mark, Updates, Verb
from tieout.change import Change
from tieout.errors import Code, ConfigError, Fault
from tieout.models import (
    Application,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.plan import load, save
from tieout.settings import Fees, NumberRule
from tieout.store import Ending
from tieout.testing.year.connector import KINDS, without

ONLY_INVOICES = ways(OUT, Invoice)
UPDATE: Mapping[str, Any] = {"updates": "update"}


def able(**values: Any) -> Mapping[RecordType, Kind]:
    """What the books can do, with other abilities for invoices."""
    return {**KINDS, Invoice: evolve(KINDS[Invoice], **values)}


OWN_NUMBERS = able(
    mark=Mark("custom.mark"), writable=frozenset({"reference", "on", "total", "lines"})
)
"""A ledger that gives its documents numbers of its own; ours are found by a mark."""


# Made once ---------------------------------------------------------------------------------


def test_an_invoice_of_billing_is_an_invoice_in_the_ledger_once() -> None:
    """B48: with its customer, its days and its lines; a second sync writes nothing."""
    pair = Pair(ways(OUT, Customer, Invoice))
    customer = pair.customer()
    here = pair.invoice(
        "INV-1",
        "120",
        customer,
        due=date(2026, 4, 10),
        reference="PO 7",
        lines=(Line("Work", Decimal(100)), Line("Tax", Decimal(20))),
    )
    assert pair.sync(Invoice).counts["created"] == 2  # the customer too
    there = pair.across(here)
    assert (there.number, there.total, there.on, there.due, there.reference) == (
        "INV-1",
        120,
        DAY,
        date(2026, 4, 10),
        "PO 7",
    )
    assert there.customer == pair.across(customer).ref
    assert [line.description for line in there.lines] == ["Work", "Tax"]
    with pair.quiet():
        for again in (SINCE, tieout.Since.LAST_RUN):
            assert pair.sync(Invoice, again).ok
        assert pair.sync(Invoice, recheck=True).ok


def test_an_invoice_of_the_ledger_is_an_invoice_in_billing() -> None:
    """B47: read, and never written back, whatever is changed about it in billing (B92)."""
    pair = Pair({Customer: BOTH, Invoice: BOTH}, **UPDATE)
    customer = pair.customer(on=pair.book)
    there = pair.invoice("SO-1", "80", customer, on=pair.book)
    assert pair.sync(Invoice).ok
    here = pair.across(there)
    assert (here.number, here.total, here.status) == ("SO-1", 80, Status.OPEN)
    before = pair.book.writes
    pair.edit(here, total=Decimal(99), due=date(2026, 5, 1))
    assert pair.sync(Invoice).counts["skipped"] >= 1
    pair.void(here)
    pair.sync(Invoice, recheck=True)
    assert pair.book.writes == before
    assert pair.book.get(there.ref, Invoice).total == 80


def test_changes_of_what_came_from_the_ledger_go_on_coming_from_there() -> None:
    """B47: its changes by the same policy, its void once."""
    pair = Pair(ways(IN, Invoice), **UPDATE)
    there = pair.invoice("SO-1", "80", on=pair.book)
    pair.sync(Invoice)
    pair.edit(there, total=Decimal(90), lines=(Line("Work", Decimal(90)),))
    assert pair.sync(Invoice).counts["updated"] == 1
    assert pair.across(there).total == 90
    here = pair.across(there)
    pair.void(there)
    assert pair.sync(Invoice).counts["voided"] == 1
    assert pair.shop.get(here.ref, Invoice).status is Status.VOID


def test_only_invoices_of_active_customers_are_imported() -> None:
    """B89: those of others are skipped without a word."""
    pair = Pair(ways(IN, Customer, Invoice))
    closed = pair.customer("Old", "C0", on=pair.book, active=False)
    active = pair.customer("Acme", "C1", on=pair.book)
    pair.invoice("SO-1", "80", closed, on=pair.book)
    pair.invoice("SO-2", "80", active, on=pair.book)
    report = pair.sync(Invoice)
    assert (codes(report), report.counts["failed"]) == ([], 0)
    assert [each.number for each in pair.all(Invoice, pair.shop)] == ["SO-2"]
    pair.edit(active, active=False)
    pair.invoice("SO-3", "80", active, on=pair.book)
    with pair.quiet():
        assert codes(pair.sync(Invoice)) == []


def test_invoices_of_all_customers_are_imported_where_that_is_asked_for() -> None:
    """B89"""
    pair = Pair(ways(IN, Customer, Invoice), active_only=False)
    closed = pair.customer("Old", "C0", on=pair.book, active=False)
    there = pair.invoice("SO-1", "80", closed, on=pair.book)
    assert pair.sync(Invoice).ok
    assert pair.across(there).customer == pair.across(closed).ref


def test_drafts_wait_until_they_are_final_and_are_posted_once_then() -> None:
    """B90, B93"""
    pair = Pair(ONLY_INVOICES)
    here = pair.invoice("INV-1", status=Status.DRAFT)
    with pair.quiet():
        assert pair.sync(Invoice).counts["skipped"] == 1
    pair.edit(here, status=Status.OPEN)
    assert pair.sync(Invoice, tieout.Since.LAST_RUN).counts["created"] == 1
    pair.edit(here, status=Status.DRAFT)
    with pair.quiet():
        pair.sync(Invoice)
    pair.edit(here, status=Status.OPEN)
    with pair.quiet():
        assert pair.sync(Invoice).ok
    assert len(pair.all(Invoice)) == 1


def test_an_invoice_is_posted_the_moment_that_it_is_made() -> None:
    """B61: by its number or its id, with its customer, and nothing else."""
    pair = Pair(ways(OUT, Customer, Invoice))
    pair.sync(Invoice)
    customer = pair.customer()
    pair.invoice("INV-1", "100", customer)
    one = pair.invoice("INV-2", "100", customer)
    two = pair.invoice("INV-3", "100", customer)
    assert pair.sync(Invoice, only=["INV-2", two.ref.id]).ok
    assert sorted(e.number for e in pair.all(Invoice)) == ["INV-2", "INV-3"]
    pair.void(one)
    assert pair.sync(Invoice, only=["INV-2"]).counts["voided"] == 1
    # What was not named is still to be read by the next run.
    assert pair.sync(Invoice, tieout.Since.LAST_RUN).counts["created"] == 1
    assert sorted(e.number for e in pair.all(Invoice)) == ["INV-1", "INV-2", "INV-3"]


def test_names_among_what_changed_leave_the_rest_for_the_next_run() -> None:
    """B6, B61: the marker does not pass what was not carried."""
    pair = Pair(ONLY_INVOICES)
    pair.sync(Invoice)
    pair.clock.advance(HOUR)
    pair.invoice("INV-1")
    pair.invoice("INV-2")
    pair.clock.advance(HOUR)
    report = pair.engine.sync_invoices(tieout.Since.LAST_RUN, only=["INV-1"])
    assert (report.counts["created"], report.marker_moved) == (1, False)
    assert pair.sync(Invoice, tieout.Since.LAST_RUN).counts["created"] == 1


def test_a_name_that_nobody_has_is_said_and_forgotten_once_somebody_has_it() -> None:
    """B61: a slip of the pen is no silent success."""
    pair = Pair(ways(BOTH, Invoice))
    pair.invoice("INV-1")
    report = pair.sync(Invoice, only=["INV-1", "INV-9"])
    assert codes(report) == ["NO_SUCH_RECORD"]
    assert issue_of(report, "INV-9").severity is tieout.Severity.RED
    assert codes(pair.plan(Invoice, only=["INV-9"])) == ["NO_SUCH_RECORD"]
    pair.invoice("INV-9", on=pair.book)
    report = pair.sync(Invoice, only=["INV-9"])
    assert report.ok
    assert pair.open_issues() == []


@pytest.mark.parametrize(
    ("only", "why"),
    [("INV-1", "put the one in a list"), ([7], "as texts"), ([""], "as texts")],
)
def test_names_are_a_list_of_texts(only: Any, why: str) -> None:
    """B61"""
    pair = Pair(ONLY_INVOICES)
    with pytest.raises(ConfigError, match=why):
        pair.engine.sync_invoices(only=only)
    with pytest.raises(ConfigError, match="say from when"):
        pair.engine.sync_invoices(only=[])


# No echo -----------------------------------------------------------------------------------


def test_what_a_sync_wrote_is_not_taken_for_news() -> None:
    """B63: both ways switched on, each invoice is on each side once."""
    pair = Pair(ways(BOTH, Customer, Invoice), **UPDATE)
    pair.invoice("INV-1", "100", pair.customer())
    pair.invoice("SO-1", "50", pair.customer("Bolt", "C2", on=pair.book), on=pair.book)
    pair.sync(Invoice)
    with pair.quiet():
        for again in (SINCE, tieout.Since.LAST_RUN):
            assert pair.sync(Invoice, again).ok
    for books in (pair.shop, pair.book):
        assert sorted(e.number for e in pair.all(Invoice, books)) == ["INV-1", "SO-1"]


@pytest.mark.parametrize("kinds", [KINDS, OWN_NUMBERS], ids=["number", "mark"])
def test_a_document_whose_answer_was_lost_is_not_sent_back(
    kinds: Mapping[RecordType, Kind],
) -> None:
    """B63: it waits until it is known whose it is."""
    pair = Pair(
        ways(BOTH, Invoice), ledger={"kinds": kinds, "fate": lost_once(Invoice)}
    )
    here = pair.invoice("INV-1")
    report = pair.sync(Invoice)
    assert codes(report) == ["OUTCOME_UNKNOWN", "WAITS"]
    assert len(pair.all(Invoice, pair.shop)) == 1
    with pair.quiet():
        assert pair.sync(Invoice, tieout.Since.LAST_RUN).ok
    link = pair.link(here)
    assert link is not None
    assert link.origin == "shop:1"
    pair.void(here)
    assert pair.sync(Invoice).counts["voided"] == 1


def test_an_invoice_of_somebody_else_does_not_wait_for_a_lost_answer() -> None:
    """B63: only what may be the one that was made does."""
    pair = Pair(ways(BOTH, Customer, Invoice), ledger={"fate": lost_once(Invoice)})
    pair.invoice("INV-1", "100", pair.customer())
    bolt = pair.customer("Bolt", "C2", on=pair.book)
    other = pair.invoice("SO-1", "100", bolt, on=pair.book)
    pair.invoice("SO-2", "70", None, on=pair.book)
    report = pair.sync(Invoice)
    assert codes(report) == ["OUTCOME_UNKNOWN", "WAITS"]
    assert pair.across(other).number == "SO-1"


def test_the_customer_of_a_lost_answer_is_not_made_by_what_names_it() -> None:
    """B63: an invoice of the ledger brings no second customer into billing."""
    pair = Pair(
        ways(BOTH, Customer, Invoice),
        ledger={"fate": lost_once(Customer)},
        match_customers="number",
    )
    pair.customer("Acme", "")
    pair.sync(Customer)
    (made,) = pair.all(Customer)
    pair.invoice("SO-1", "50", made, on=pair.book)
    pair.ledger.marks.clear()  # a search does not show it yet
    assert codes(pair.engine.sync_invoices(SINCE)) == ["WAITS"]
    assert len(pair.all(Customer, pair.shop)) == 1


def test_the_invoice_of_a_fee_is_no_news_for_billing() -> None:
    """B63, B69: it was made for a payment of billing's own."""
    pair = Pair(
        {Customer: OUT, Invoice: BOTH, Payment: OUT, Settlement: tieout.Direction.OFF},
        fees=Fees(),
    )
    customer = pair.customer()
    invoice = pair.invoice("INV-1", "100", customer)
    pair.sync(Invoice)
    own = pair.shop.ref(Payment)
    puts = [
        Application(
            pair.shop.ref(Application), own, to, Decimal(amount), "EUR", DAY, how
        )
        for to, amount, how in ((invoice.ref, 100, Part.CASH), (own, 3, Part.OTHER))
    ]
    pair.shop.of(Payment)[own.id] = Payment(
        own, customer.ref, "EUR", DAY, Decimal(103), Status.OPEN, number="P-1"
    )
    for put in puts:
        pair.shop.apply(put)
    pair.clock.advance(HOUR)
    assert pair.engine.sync_payments(SINCE).ok
    assert "FEE-P-1" in [each.number for each in pair.all(Invoice)]
    with pair.quiet():
        assert pair.sync(Invoice).ok
    assert [e.number for e in pair.all(Invoice, pair.shop)] == ["INV-1"]


# Lines -------------------------------------------------------------------------------------


def test_what_a_line_says_itself_comes_before_what_is_set() -> None:
    """B78, B79, B81: line by line, tax lines too; no line's own values reach another."""
    pair = Pair(
        ONLY_INVOICES,
        dimensions={"location": "HQ", "department": "10"},
        line_fields={"branch": "location"},
        accounts={"revenue": "4000"},
    )
    here = pair.invoice(
        "INV-1",
        "160",
        lines=(
            Line("Work", Decimal(100), custom={"branch": "NORTH"}),
            Line("Trip", Decimal(40), dimensions={"department": "20"}, account="4100"),
            Line("Tax", Decimal(20), tax_code="S"),
            Line("Gift", Decimal(0), custom={"branch": ""}),
        ),
    )
    pair.sync(Invoice)
    work, trip, tax, gift = pair.across(here).lines
    assert dict(work.dimensions) == {"location": "NORTH", "department": "10"}
    assert dict(trip.dimensions) == {"location": "HQ", "department": "20"}
    assert dict(tax.dimensions) == {"location": "HQ", "department": "10"}
    assert dict(gift.dimensions) == {"location": "HQ", "department": "10"}
    assert [x.account for x in (work, trip, tax)] == ["4000", "4100", "4000"]


SIXTEEN = [
    "glaccountno",
    "offsetglaccountno",
    "allocation",
    "location",
    "department",
    "project",
    "vendor",
    "employee",
    "item",
    "class",
    "contract",
    "warehouse",
    "deferredrevaccount",
    "revrecstartdate",
    "revrecenddate",
    "revrectemplate",
]


def test_a_lines_own_fields_arrive_as_they_are() -> None:
    """B80, B82: the sixteen keys and any other; what they mean is the connector's to say."""
    custom = {f"intacct_{key}": f"v-{key}" for key in SIXTEEN} | {"intacct_typo": "x"}
    pair = Pair(ONLY_INVOICES, dimensions={"location": "HQ"})
    here = pair.invoice(
        "INV-1", lines=(Line("A", Decimal(60), custom=custom), Line("B", Decimal(40)))
    )
    pair.sync(Invoice)
    first, second = pair.across(here).lines
    assert len(SIXTEEN) == 16
    assert dict(first.custom) == custom
    assert dict(second.custom) == {}


def test_what_comes_into_billing_keeps_its_lines() -> None:
    """B78: defaults are for what is written to the ledger."""
    pair = Pair(
        ways(IN, Invoice), dimensions={"location": "HQ"}, accounts={"revenue": "4000"}
    )
    there = pair.invoice("SO-1", on=pair.book)
    pair.sync(Invoice)
    (line,) = pair.across(there).lines
    assert (line.account, dict(line.dimensions)) == ("", {})


def test_further_fields_of_the_ledger_are_read_into_billing() -> None:
    """B161: under the names that billing has for them."""
    pair = Pair(ways(IN, Invoice), custom={"PROJECTID": "project", "TERM": "terms"})
    there = pair.invoice(
        "SO-1", on=pair.book, custom={"PROJECTID": "P-7", "NOTE": "internal"}
    )
    pair.sync(Invoice)
    assert pair.across(there).custom == {"project": "P-7"}


def test_an_account_mapping_that_is_needed_is_found_before_anything_is_sent() -> None:
    """B162: once, and not record by record."""
    assert tieout.Settings(fees=Fees()).blank_accounts() == ("accounts['fee']",)
    given = tieout.Settings(fees=Fees(), accounts={"fee": "4900"})
    assert given.blank_accounts() == ()
    with pytest.raises(ConfigError, match="'fees' is none of revenue, fee"):
        tieout.Settings(accounts={"fees": "4900"})


# Known again -------------------------------------------------------------------------------


def test_the_same_document_is_adopted_and_linked() -> None:
    """B44: number, customer, total and currency agree; nothing is written."""
    pair = Pair(ways(OUT, Customer, Invoice))
    customer, theirs = pair.customer(), pair.customer(on=pair.book)
    there = pair.invoice("INV-1", "100", theirs, on=pair.book)
    here = pair.invoice(" INV-1 ", "100.00", customer)
    with pair.quiet():
        report = pair.sync(Invoice)
    assert report.ok
    assert pair.across(here).ref == there.ref
    pair.void(here)
    assert pair.sync(Invoice).counts["voided"] == 1


@pytest.mark.parametrize("what", ["total", "currency", "customer"])
def test_a_number_that_means_another_document_is_a_collision(what: str) -> None:
    """B44: never adopted, never overwritten; both documents are told apart by name."""
    pair = Pair(ways(OUT, Customer, Invoice), **UPDATE)
    customer, theirs = pair.customer(), pair.customer(on=pair.book)
    bolt = pair.customer("Bolt", "C2", on=pair.book)
    others = {"customer": bolt.ref, "total": Decimal(70), "currency": "USD"}
    there = pair.invoice("INV-1", "100", theirs, on=pair.book)
    there = pair.edit(there, **{what: others[what]})
    pair.invoice("INV-1", "100", customer)
    good = pair.invoice("INV-2", "100", customer)
    before = pair.book.get(there.ref, Invoice)
    report = pair.sync(Invoice)
    assert codes(report) == ["NUMBER_MEANS_ANOTHER_DOCUMENT"]
    assert what in issue_of(report, "INV-1").text
    assert pair.book.get(there.ref, Invoice) == before
    assert pair.across(good).number == "INV-2"
    with pair.quiet():
        assert codes(pair.sync(Invoice)) == ["NUMBER_MEANS_ANOTHER_DOCUMENT"]
    pair.void(there)
    assert pair.sync(Invoice).counts["created"] == 1


def test_a_customer_that_is_yet_to_be_made_is_not_the_owner_of_what_is_there() -> None:
    """B44: the number is a collision, although nobody could be compared."""
    pair = Pair(ways(OUT, Customer, Invoice))
    there = pair.customer("Bolt", "C2", on=pair.book)
    pair.invoice("INV-1", "100", there, on=pair.book)
    pair.invoice("INV-1", "100", pair.customer("Acme", "C1"))
    assert codes(pair.plan(Invoice)) == ["NUMBER_MEANS_ANOTHER_DOCUMENT"]
    assert codes(pair.sync(Invoice)) == ["NUMBER_MEANS_ANOTHER_DOCUMENT"]


@pytest.mark.parametrize("status", [Status.VOID, Status.DRAFT])
def test_dead_documents_do_not_count(status: Status) -> None:
    """B44: void and draft candidates are dropped before they are counted."""
    pair = Pair(ONLY_INVOICES, book={"unique": False})
    pair.invoice("INV-1", "100", on=pair.book, status=status)
    live = pair.invoice("INV-1", "100", on=pair.book)
    here = pair.invoice("INV-1")
    assert pair.sync(Invoice).ok
    assert pair.across(here).ref == live.ref


def test_a_draft_alone_is_no_document_of_the_number() -> None:
    """B44: ours is made beside it, where the ledger allows that."""
    pair = Pair(ONLY_INVOICES, book={"unique": False})
    draft = pair.invoice("INV-1", "70", on=pair.book, status=Status.DRAFT)
    here = pair.invoice("INV-1")
    assert pair.sync(Invoice).counts["created"] == 1
    assert pair.across(here).ref != draft.ref
    strict = Pair(ONLY_INVOICES)
    strict.invoice("INV-1", "70", on=strict.book, status=Status.DRAFT)
    strict.invoice("INV-1")
    assert codes(strict.sync(Invoice)) == ["DUPLICATE_NUMBER"]


def test_several_live_documents_are_an_issue() -> None:
    """B44: never a guess, and never a third one."""
    pair = Pair(ONLY_INVOICES, book={"unique": False})
    one = pair.invoice("INV-1", on=pair.book)
    two = pair.invoice("INV-1", on=pair.book)
    pair.invoice("INV-1")
    with pair.quiet():
        report = pair.sync(Invoice)
    assert codes(report) == ["AMBIGUOUS_NUMBER"]
    assert f"{one.ref.id}, {two.ref.id}" in issue_of(report, "INV-1").text


def test_a_document_is_tied_to_one_record() -> None:
    """B44: a second invoice of the number is an issue, now and in every later run."""
    pair = Pair(ONLY_INVOICES, shop={"unique": False})
    first = pair.invoice("INV-1")
    pair.sync(Invoice)
    pair.clock.advance(HOUR)
    pair.invoice("INV-1")
    with pair.quiet():
        report = pair.sync(Invoice)
    assert codes(report) == ["ALREADY_LINKED"]
    assert first.ref.id in issue_of(report, "INV-1").text


def test_two_invoices_of_one_number_are_not_both_made() -> None:
    """B44: nor one of them by chance."""
    pair = Pair(ONLY_INVOICES, shop={"unique": False}, book={"unique": False})
    pair.invoice("INV-1")
    pair.invoice("INV-1", "70")
    good = pair.invoice("INV-2")
    report = pair.sync(Invoice)
    assert codes(report) == ["AMBIGUOUS_NUMBER", "AMBIGUOUS_NUMBER"]
    assert [each.number for each in pair.all(Invoice)] == ["INV-2"]
    assert pair.across(good).total == 100


def test_two_of_one_number_are_two_documents_where_the_ledger_numbers_them() -> None:
    """B44: there the number is nobody's name."""
    pair = Pair(
        ONLY_INVOICES,
        shop={"unique": False},
        book={"unique": False},
        ledger={"kinds": OWN_NUMBERS},
    )
    pair.invoice("INV-1")
    pair.invoice("INV-1", "70")
    assert pair.sync(Invoice).counts["created"] == 2


def test_the_link_comes_first() -> None:
    """B44: renumbered, and its old number given to another, it is still the same one."""
    pair = Pair(ONLY_INVOICES, **UPDATE)
    here = pair.invoice("INV-1")
    pair.sync(Invoice)
    there = pair.across(here)
    pair.edit(here, number="INV-1A")
    assert pair.sync(Invoice).counts["updated"] == 1
    now = pair.across(here)
    assert (now.ref, now.number) == (there.ref, "INV-1A")
    other = pair.invoice("INV-1")
    assert pair.sync(Invoice).counts["created"] == 1
    assert pair.across(other).ref != there.ref


def test_the_mark_comes_second() -> None:
    """B44, B154: a store that forgot all finds what was made, and makes nothing."""
    pair = Pair(ONLY_INVOICES, ledger={"kinds": OWN_NUMBERS})
    here = pair.invoice("INV-1")
    pair.sync(Invoice)
    there = pair.across(here)
    pair.edit(there, number="4711")
    pair.store = tieout.MemoryStore()
    with pair.quiet():
        assert pair.sync(Invoice).ok
    assert pair.across(here).ref == there.ref


def test_numbers_are_compared_by_the_rule_that_is_set() -> None:
    """B44: leading zeros, a prefix; exactly, where nothing is said."""
    rule = NumberRule(prefix="INV-", pad=4)
    pair = Pair(ONLY_INVOICES, number_rule=rule, **UPDATE)
    there = pair.invoice("0007", on=pair.book)
    here = pair.invoice("INV-7")
    with pair.quiet():
        pair.sync(Invoice)
        assert pair.sync(Invoice, recheck=True).ok
    assert pair.across(here).ref == there.ref
    exact = Pair(ONLY_INVOICES)
    exact.invoice("0007", on=exact.book)
    exact.invoice("7")
    assert exact.sync(Invoice).counts["created"] == 1


def test_a_rule_that_makes_two_numbers_equal_is_an_issue() -> None:
    """B44"""
    pair = Pair(ONLY_INVOICES, number_rule=NumberRule(pad=4))
    pair.invoice("7")
    pair.invoice("0007")
    with pair.quiet():
        report = pair.sync(Invoice)
    assert codes(report) == ["AMBIGUOUS_NUMBER", "AMBIGUOUS_NUMBER"]


def test_documents_of_others_are_left_alone_without_a_word() -> None:
    """B45: what no record of billing means is not even looked at."""
    pair = Pair(ONLY_INVOICES)
    pair.invoice("BY-HAND-1", on=pair.book)
    pair.invoice("INV-1")
    report = pair.sync(Invoice)
    assert (codes(report), report.counts["created"]) == ([], 1)


# Changed -----------------------------------------------------------------------------------


def test_a_posted_invoice_that_changes_is_not_posted_again() -> None:
    """B91: what matters about it is told, once; what does not is not."""
    pair = Pair(ONLY_INVOICES)
    here = pair.invoice("INV-1")
    pair.sync(Invoice)
    pair.edit(here, due=date(2026, 4, 30))
    with pair.quiet():
        assert codes(pair.sync(Invoice)) == []
    pair.edit(here, total=Decimal(90), lines=(Line("Work", Decimal(90)),))
    with pair.quiet():
        report = pair.sync(Invoice)
    assert (report.ok, codes(report)) == (True, ["EDIT_NOT_CARRIED"])
    assert "90.00 EUR here, 100.00 EUR there" in issue_of(report, "INV-1").text
    assert pair.sync(Invoice).yellow == 0
    pair.void(here)
    assert pair.sync(Invoice).counts["voided"] == 1  # a void is carried all the same


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("due", date(2026, 4, 30)),
        ("reference", "PO 8"),
        ("on", date(2026, 3, 11)),
        ("number", "INV-1B"),
    ],
)
def test_changes_are_carried_where_that_is_asked_for(field: str, value: Any) -> None:
    """B135: the document there is changed, and no other made."""
    pair = Pair(ONLY_INVOICES, **UPDATE)
    here = pair.invoice("INV-1")
    pair.sync(Invoice)
    before = pair.link(here)
    pair.edit(here, **{field: value})
    assert pair.sync(Invoice).counts["updated"] == 1
    assert getattr(pair.across(here), field) == value
    after = pair.link(here)
    assert before is not None
    assert after is not None
    assert (after.ledger, after.version) == (before.ledger, before.version + 1)
    with pair.quiet():
        pair.sync(Invoice)


@pytest.mark.parametrize(
    "line",
    [
        Line("Other work", Decimal(100)),
        Line("Work", Decimal(100), account="4100"),
        Line("Work", Decimal(100), dimensions={"location": "NORTH"}),
    ],
    ids=["description", "account", "dimension"],
)
def test_lines_that_come_to_the_same_total_are_changes_too(line: Line) -> None:
    """B135: what is booked elsewhere is booked elsewhere there."""
    plain = Line("Work", Decimal(100), account="4000", dimensions={"location": "HQ"})
    pair = Pair(ONLY_INVOICES, **UPDATE)
    here = pair.invoice("INV-1", lines=(plain,))
    pair.sync(Invoice)
    changed = evolve(plain, description=line.description)
    if line.account or line.dimensions:
        changed = evolve(
            plain,
            account=line.account or plain.account,
            dimensions=line.dimensions or plain.dimensions,
        )
    pair.edit(here, lines=(changed,))
    assert pair.sync(Invoice).counts["updated"] == 1
    assert pair.across(here).lines == (changed,)
    pair.edit(here, lines=(Line("Half", Decimal(50)), Line("Half", Decimal(50))))
    assert pair.sync(Invoice).counts["updated"] == 1
    assert len(pair.across(here).lines) == 2


def test_an_invoice_can_go_to_another_customer_one_that_is_new_included() -> None:
    """B135: that one is made first, by a sync and by a plan."""
    for by_plan in (False, True):
        kinds = able(writable=KINDS[Invoice].writable)
        pair = Pair(ways(OUT, Customer, Invoice), ledger={"kinds": kinds}, **UPDATE)
        here = pair.invoice("INV-1", "100", pair.customer())
        pair.sync(Invoice)
        bolt = pair.customer("Bolt", "C2")
        pair.edit(here, customer=bolt.ref)
        report = pair.apply(pair.plan(Invoice)) if by_plan else pair.sync(Invoice)
        assert (report.ok, codes(report)) == (True, [])
        assert pair.across(here).customer == pair.across(bolt).ref


@pytest.mark.parametrize(
    ("kinds", "there", "field"),
    [
        (without([Invoice], Verb.UPDATE), Status.OPEN, "total"),
        (able(updates=Updates.DRAFTS_ONLY), Status.OPEN, "total"),
        (able(writable=frozenset({"due", "number"})), Status.OPEN, "total"),
    ],
    ids=["no update", "drafts only", "not that field"],
)
def test_what_cannot_be_changed_there_is_an_issue(
    kinds: Mapping[RecordType, Kind], there: Status, field: str
) -> None:
    """B135, POSTED_CANNOT_CHANGE: never credited and issued again unasked."""
    pair = Pair(ONLY_INVOICES, ledger={"kinds": kinds}, **UPDATE)
    here = pair.invoice("INV-1")
    pair.sync(Invoice)
    pair.edit(here, total=Decimal(90), lines=(Line("Work", Decimal(90)),))
    with pair.quiet():
        report = pair.sync(Invoice)
    assert codes(report) == ["POSTED_CANNOT_CHANGE"]
    assert issue_of(report, "INV-1").field == field
    # Changed by hand on the other side, it is in order again.
    by_hand = evolve(pair.shop.get(here.ref, Invoice), ref=pair.across(here).ref)
    pair.book.put(by_hand)
    assert pair.sync(Invoice).ok
    assert pair.open_issues() == []


def test_a_draft_there_can_still_be_changed() -> None:
    """B135: where only drafts can be."""
    kinds = able(updates=Updates.DRAFTS_ONLY, creates=Creates.POSTED_BY_A_PERSON)
    pair = Pair(ONLY_INVOICES, ledger={"kinds": kinds}, **UPDATE)
    here = pair.invoice("INV-1")
    pair.sync(Invoice)
    pair.edit(pair.across(here), status=Status.DRAFT)
    pair.edit(here, due=date(2026, 4, 30))
    assert pair.sync(Invoice).counts["updated"] == 1


def test_an_invoice_that_is_reopened_and_changed_is_no_second_one() -> None:
    """B149: it follows the same policy, and its link's version rises."""
    pair = Pair(ONLY_INVOICES, **UPDATE)
    here = pair.invoice("INV-1")
    pair.sync(Invoice)
    pair.edit(here, status=Status.DRAFT, total=Decimal(90))
    with pair.quiet():
        assert pair.sync(Invoice).counts["skipped"] == 1
    pair.edit(here, status=Status.OPEN, lines=(Line("Work", Decimal(90)),))
    assert pair.sync(Invoice).counts["updated"] == 1
    link = pair.link(here)
    assert link is not None
    assert link.version == 2
    assert [each.total for each in pair.all(Invoice)] == [90]


def test_an_edit_by_hand_in_the_ledger_is_repaired_only_if_it_is_looked_for() -> None:
    """B135: ``recheck`` compares what was agreed before."""
    pair = Pair(ONLY_INVOICES, **UPDATE)
    here = pair.invoice("INV-1")
    pair.sync(Invoice)
    pair.edit(pair.across(here), due=date(2026, 12, 1), on=date(2026, 3, 12))
    with pair.quiet():
        assert pair.sync(Invoice).ok
    assert pair.sync(Invoice, recheck=True).counts["updated"] == 1
    assert pair.across(here).on == DAY


# Voided ------------------------------------------------------------------------------------


def test_a_void_is_posted_once_however_often_it_is_announced() -> None:
    """B95"""
    pair = Pair(ONLY_INVOICES)
    here = pair.invoice("INV-1")
    pair.sync(Invoice)
    pair.void(here)
    assert pair.sync(Invoice, only=["INV-1"]).counts["voided"] == 1
    with pair.quiet():
        for _ in range(2):
            assert pair.sync(Invoice, only=["INV-1"]).ok
        pair.sync(Invoice, recheck=True)
    assert [each.status for each in pair.all(Invoice)] == [Status.VOID]


def test_voiding_what_was_never_posted_posts_nothing() -> None:
    """B94"""
    pair = Pair(ONLY_INVOICES)
    pair.void(pair.invoice("INV-1"))
    with pair.quiet():
        assert pair.sync(Invoice).counts["skipped"] == 1
    assert pair.all(Invoice) == []


@pytest.mark.parametrize("by_plan", [False, True])
@pytest.mark.parametrize("how", ["voided", "deleted"])
def test_what_is_void_on_both_sides_is_let_go(how: str, by_plan: bool) -> None:
    """B95: whoever did it there."""
    pair = Pair(ONLY_INVOICES)
    here = pair.invoice("INV-1")
    pair.sync(Invoice)
    there = pair.across(here)
    if how == "voided":
        pair.void(there)
    else:
        del pair.book.of(Invoice)[there.ref.id]
    pair.void(here)
    with pair.quiet():
        report = pair.apply(pair.plan(Invoice)) if by_plan else pair.sync(Invoice)
    assert report.ok
    assert pair.link(here) is None


@pytest.mark.parametrize("how", ["voided", "deleted"])
def test_what_is_gone_there_is_not_made_anew(how: str) -> None:
    pair = Pair(ONLY_INVOICES, **UPDATE)
    here = pair.invoice("INV-1")
    pair.sync(Invoice)
    there = pair.across(here)
    if how == "voided":
        pair.void(there)
    else:
        del pair.book.of(Invoice)[there.ref.id]
    pair.edit(here, due=date(2026, 4, 30))
    with pair.quiet():
        report = pair.sync(Invoice)
    assert codes(report) == ["VANISHED"]


def test_where_no_void_is_possible_that_is_said() -> None:
    """B91"""
    kinds = without([Invoice], Verb.VOID)
    pair = Pair(ONLY_INVOICES, ledger={"kinds": kinds})
    here = pair.invoice("INV-1")
    pair.sync(Invoice)
    pair.void(here)
    with pair.quiet():
        report = pair.sync(Invoice)
    assert codes(report) == ["NOT_ALLOWED"]
    assert "void" in issue_of(report, "INV-1").text


# Closed periods ----------------------------------------------------------------------------


def locked(pair: Pair, through: date | None) -> Pair:
    """The books are closed through a day from now on."""
    pair.ledger.locked_through = through
    pair.clock.advance(timedelta(days=2))  # what is known of the books is asked again
    return pair


def test_nothing_is_written_into_a_closed_period() -> None:
    """LOCKED_PERIOD: found while planning, and nothing is re-dated."""
    pair = locked(Pair(ONLY_INVOICES), DAY)
    pair.invoice("INV-1")
    pair.edit(pair.invoice("INV-2"), on=date(2026, 3, 11))
    plan = pair.plan(Invoice)
    assert codes(plan) == ["LOCKED_PERIOD"]
    assert issue_of(plan, "INV-1").field == "on"
    report = pair.sync(Invoice)
    assert codes(report) == ["LOCKED_PERIOD"]
    assert [each.number for each in pair.all(Invoice)] == ["INV-2"]
    locked(pair, None)
    assert pair.sync(Invoice).counts["created"] == 1


@pytest.mark.parametrize(
    ("values", "lock"),
    [
        ({"due": date(2026, 4, 30)}, DAY),
        # Out of a closed period, and into one.
        ({"on": date(2026, 3, 20)}, DAY),
        ({"on": date(2026, 3, 2)}, date(2026, 3, 5)),
    ],
)
def test_nothing_is_changed_in_a_closed_period(
    values: dict[str, Any], lock: date
) -> None:
    """LOCKED_PERIOD: neither where a document was, nor where it would be."""
    pair = Pair(ONLY_INVOICES, **UPDATE)
    here = pair.invoice("INV-1")
    pair.sync(Invoice)
    locked(pair, lock)
    pair.edit(here, **values)
    with pair.quiet():
        assert codes(pair.sync(Invoice)) == ["LOCKED_PERIOD"]


def test_reading_a_closed_period_is_free() -> None:
    """What is there is adopted and compared; only a void would write."""
    pair = locked(Pair(ONLY_INVOICES), DAY)
    pair.invoice("INV-1", on=pair.book)
    here = pair.invoice("INV-1")
    with pair.quiet():
        assert pair.sync(Invoice).ok
        assert pair.sync(Invoice, recheck=True).ok
    pair.void(here)
    before = pair.book.writes
    assert codes(pair.sync(Invoice)) == ["LOCKED_PERIOD"]
    assert pair.book.writes == before


# Bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("I" * 51, "TOO_LONG"),
        ("", "BAD_FIELD"),
        ("INV\u200b1", "BAD_FIELD"),
        ("INV\n1", "BAD_FIELD"),
    ],
    ids=["too long", "none", "unseen", "two lines"],
)
def test_a_number_that_cannot_be_is_an_issue(number: str, code: str) -> None:
    """TOO_LONG: never cut off. One poison record beside good ones (B106)."""
    pair = Pair(ONLY_INVOICES, shop={"number_limit": 99})
    pair.invoice("INV-A")
    bad = pair.invoice(number)
    pair.invoice("INV-Z")
    report = pair.sync(Invoice)
    assert codes(report) == [code]
    assert next(report.issues).field == "number"
    assert sorted(each.number for each in pair.all(Invoice)) == ["INV-A", "INV-Z"]
    pair.edit(bad, number="INV-1")
    assert pair.sync(Invoice, tieout.Since.LAST_RUN).counts["created"] == 1


def test_an_amount_that_its_currency_cannot_hold_is_not_sent() -> None:
    """B106, B153"""
    pair = Pair(ONLY_INVOICES)
    pair.invoice("INV-1", "100.005")
    pair.invoice("INV-2")
    report = pair.sync(Invoice)
    assert codes(report) == ["BAD_AMOUNT"]
    assert [each.number for each in pair.all(Invoice)] == ["INV-2"]


def test_an_invoice_waits_for_its_customer_and_follows_by_itself() -> None:
    """B152: it is read again although it did not change."""
    pair = Pair({Customer: OUT, Invoice: OUT})
    pair.sync(Customer)
    bad = pair.customer(" ", "C1")
    here = pair.invoice("INV-1", "100", bad)
    report = pair.sync(Invoice)
    assert codes(report) == ["BAD_FIELD", "WAITS"]
    assert "its customer C1 is not tied" in issue_of(report, "INV-1").text
    pair.edit(bad, name="Acme")
    assert pair.sync(Customer, tieout.Since.LAST_RUN).ok
    assert pair.sync(Invoice, tieout.Since.LAST_RUN).counts["created"] == 1
    assert pair.across(here).customer == pair.across(bad).ref


def test_an_invoice_waits_where_customers_do_not_go_that_way() -> None:
    """B53, B152: nobody is made; who is there is found."""
    pair = Pair(ONLY_INVOICES)
    acme, bolt = pair.customer(), pair.customer("Bolt", "C2")
    pair.invoice("INV-1", "100", acme)
    pair.invoice("INV-2", "100", bolt)
    theirs = pair.customer("Bolt", "C2", on=pair.book)
    report = pair.sync(Invoice)
    assert codes(report) == ["WAITS"]
    assert [each.customer for each in pair.all(Invoice)] == [theirs.ref]
    pair.customer(on=pair.book)
    assert pair.sync(Invoice, tieout.Since.LAST_RUN).counts["created"] == 1


def test_an_invoice_of_an_inactive_customer_says_so() -> None:
    """B152: nobody who is closed is made anew in the ledger."""
    pair = Pair(ways(OUT, Customer, Invoice))
    closed = pair.customer(active=False)
    pair.invoice("INV-1", "100", closed)
    report = pair.sync(Invoice)
    assert codes(report) == ["WAITS"]
    assert "C1 is not active" in issue_of(report, "INV-1").text
    pair.edit(closed, active=True)
    assert pair.sync(Invoice, tieout.Since.LAST_RUN).ok
    assert len(pair.all(Invoice)) == 1


def test_what_the_ledger_refuses_is_told_in_its_words_and_the_rest_goes_on() -> None:
    """B106, B110: and it is tried again when it changes."""
    refused = {"INV-2"}
    pair = Pair(
        ONLY_INVOICES,
        ledger={"fate": lambda change: "refused" if change.number in refused else ""},
    )
    for number in ("INV-1", "INV-2", "INV-3"):
        pair.invoice(number)
    report = pair.sync(Invoice)
    assert codes(report) == ["REFUSED"]
    assert issue_of(report, "INV-2").text == "no"
    assert report.counts["created"] == 2
    refused.clear()
    with pair.quiet():
        assert pair.sync(Invoice, tieout.Since.LAST_RUN).ok
    assert pair.sync(Invoice, only=["INV-2"]).counts["created"] == 1


def test_a_record_that_cannot_be_read_is_an_issue_of_its_own() -> None:
    """B106: also where it was asked for by name."""
    pair = Pair(ONLY_INVOICES)
    bad = pair.invoice("INV-1")
    pair.invoice("INV-2")
    unreadable = tieout.Issue(Code.BAD_AMOUNT, bad.ref, ("INV-1",), text="x")

    def spoiled(page: Any) -> Any:
        rest = tuple(each for each in page.records if each.ref != bad.ref)
        issues = (unreadable,) if len(rest) < len(page.records) else ()
        return evolve(page, records=rest, issues=issues)

    pair.billing = _altered(pair, spoiled)
    report = pair.sync(Invoice)
    assert (codes(report), report.counts["created"]) == (["BAD_AMOUNT"], 1)
    assert codes(pair.sync(Invoice, only=["INV-1"])) == ["BAD_AMOUNT"]


def _altered(pair: Pair, alter: Callable[[Any], Any]) -> Any:
    """Billing's connector, with its pages of invoices altered on their way."""

    class Altered(type(pair.billing)):  # type: ignore[misc]
        def page(self, kind: Any, select: Any, cursor: Any = None) -> Any:
            page = yield from super().page(kind, select, cursor)
            return alter(page) if kind is Invoice else page

        def fetch(self, kind: Any, *, ids: Any = (), numbers: Any = ()) -> Any:
            page = yield from super().fetch(kind, ids=ids, numbers=numbers)
            return alter(page) if kind is Invoice else page

    return Altered(pair.shop)


def test_a_total_that_the_ledger_computed_differently_is_linked_and_red() -> None:
    """TOTAL_DIFFERS: counted, told as it happens, and never undone unasked."""
    pair = Pair(ONLY_INVOICES, keeps=Computing, **UPDATE)
    here = pair.invoice("INV-1")
    seen: list[str] = []
    report = pair.sync(Invoice, on_progress=lambda step: seen.append(step.light.name))
    assert (report.ok, report.red, codes(report)) == (False, 1, ["TOTAL_DIFFERS"])
    assert "100.00 EUR was sent, 100.01 EUR is there" in issue_of(report, "INV-1").text
    assert "RED" in seen
    assert pair.across(here).total == Decimal("100.01")
    with pair.quiet():
        assert pair.sync(Invoice).ok
        assert pair.sync(Invoice, recheck=True).red == 0  # told once
    (noted,) = pair.engine.issues(noted=True)
    assert noted.issue.code is Code.TOTAL_DIFFERS


def test_a_changed_total_that_is_computed_differently_is_carried_and_red() -> None:
    """TOTAL_DIFFERS: an update is carried out, too, and nothing waits for ever."""
    pair = Pair(ONLY_INVOICES, keeps=Computing, **UPDATE)
    here = pair.invoice("INV-1")
    pair.sync(Invoice)
    pair.edit(here, total=Decimal(90), lines=(Line("Work", Decimal(90)),))
    report = pair.sync(Invoice)
    assert (report.counts["updated"], codes(report)) == (1, ["TOTAL_DIFFERS"])
    assert pair.across(here).total == Decimal("90.01")
    with pair.quiet():
        assert pair.sync(Invoice).ok


def test_an_invoice_that_was_deleted_here_is_told_and_left_there() -> None:
    pair = Pair(ONLY_INVOICES)
    here = pair.invoice("INV-1")
    pair.sync(Invoice)
    del pair.shop.of(Invoice)[here.ref.id]
    gone = evolve(here.ref, aliases=("INV-1",))
    pair.billing = _altered(pair, lambda page: evolve(page, gone=(gone,)))
    with pair.quiet():
        report = pair.sync(Invoice)
    assert codes(report) == ["VANISHED"]
    assert "was deleted" in issue_of(report, "INV-1").text


# Lost answers, rivals, interruptions -------------------------------------------------------


@pytest.mark.parametrize("kinds", [KINDS, OWN_NUMBERS], ids=["number", "mark"])
def test_a_lost_answer_never_makes_a_second_invoice(
    kinds: Mapping[RecordType, Kind],
) -> None:
    """B154"""
    pair = Pair(ONLY_INVOICES, ledger={"kinds": kinds, "fate": lost_once(Invoice)})
    here = pair.invoice("INV-1")
    assert codes(pair.sync(Invoice)) == ["OUTCOME_UNKNOWN"]
    assert pair.sync(Invoice, tieout.Since.LAST_RUN).ok
    assert len(pair.all(Invoice)) == 1
    assert pair.across(here).number == "INV-1"


def test_a_plan_does_not_offer_what_is_not_settled() -> None:
    """B154: what came of the first write is looked at before there is a second."""
    pair = Pair(ONLY_INVOICES, ledger={"fate": lambda change: "never"})
    pair.invoice("INV-1")
    pair.sync(Invoice)
    plan = pair.plan(Invoice)
    assert (plan.changes, codes(plan)) == ((), ["OUTCOME_UNKNOWN"])


def test_a_void_that_came_while_a_write_was_unknown_is_not_lost() -> None:
    """B91, B154: it is read again once the answer is known, whatever the marker says."""
    fates = iter(["never"])
    pair = Pair(ONLY_INVOICES, ledger={"fate": lambda change: next(fates, "")})
    here = pair.invoice("INV-1")
    assert codes(pair.sync(Invoice)) == ["OUTCOME_UNKNOWN"]
    late = pair.shop.get(here.ref, Invoice)
    pair.shop.void(here.ref, Invoice)
    # Looked at before the request can no longer be carried out.
    assert pair.engine.sync_invoices(tieout.Since.LAST_RUN).ok
    pair.book.put(evolve(late, ref=pair.book.ref(Invoice)))
    pair.sync(Invoice, tieout.Since.LAST_RUN)
    assert [each.status for each in pair.all(Invoice)] == [Status.VOID]


def test_where_somebody_was_faster_both_sides_are_compared_again() -> None:
    """STALE_VERSION: within the same run, a few times."""
    tries: list[str] = []

    def fate(change: Change) -> str:
        tries.append(change.action.name)
        if len(tries) in {2, 4, 5, 6, 7}:
            raise Fault(Code.STALE_VERSION, "somebody was faster")
        return ""

    pair = Pair(ONLY_INVOICES, ledger={"fate": fate}, **UPDATE)
    here = pair.invoice("INV-1")
    pair.sync(Invoice)
    pair.edit(here, due=date(2026, 4, 30))
    assert pair.sync(Invoice).counts["updated"] == 1
    assert tries == ["CREATE", "UPDATE", "UPDATE"]
    pair.edit(here, due=date(2026, 5, 30))
    report = pair.sync(Invoice)
    assert codes(report) == ["STALE_VERSION"]
    assert len(tries) == 7
    assert pair.sync(Invoice, tieout.Since.LAST_RUN).counts["updated"] == 1


def test_an_interrupted_run_goes_on_behind_its_last_page() -> None:
    """B6, B160: and the other way is read by the next run."""
    kinds = able(stable_order=True)
    pair = Pair(ways(BOTH, Invoice), billing={"kinds": kinds})
    for position in range(20):
        pair.invoice(f"INV-{position:02}")
    calls = iter(range(99))
    report = pair.sync(Invoice, stop=lambda: next(calls) > 3)
    assert report.ending is Ending.STOPPED
    assert report.resume is not None
    assert report.resume.cursor is not None
    done = report.counts["created"]
    assert 0 < done < 20
    rest = pair.sync(Invoice, report.resume)
    assert (rest.complete, rest.counts["created"]) == (True, 20 - done)
    assert pair.sync(Invoice).counts["skipped"] == 20


def test_an_interrupted_plan_says_that_it_is_not_whole() -> None:
    pair = Pair(ONLY_INVOICES)
    pair.invoice("INV-1")
    plan = pair.plan(Invoice, stop=lambda: True)
    assert not plan.complete
    assert not plan.changes


def test_records_are_all_read_where_a_system_cannot_tell_what_changed() -> None:
    kinds = able(selects=frozenset({Everything}))
    pair = Pair(ONLY_INVOICES, billing={"kinds": kinds})
    for position in range(10):
        pair.invoice(f"INV-{position}")
    assert pair.sync(Invoice).counts["created"] == 10
    assert pair.sync(Invoice, tieout.Since.LAST_RUN).counts["unchanged"] == 10
    blind = Pair(ONLY_INVOICES, billing={"kinds": able(selects=frozenset())})
    with pytest.raises(ConfigError, match="cannot tell which of them changed"):
        blind.engine.check()


@pytest.mark.parametrize(
    ("kind", "direction", "why"),
    [
        (Application, OUT, "follow from the documents"),
        (Invoice, IN, "does not let us create them"),
    ],
)
def test_directions_that_cannot_be_are_refused_at_once(
    kind: RecordType, direction: Any, why: str
) -> None:
    """B53: before anything is asked of a system."""
    pair = Pair({kind: direction}, billing={"kinds": without([Invoice], Verb.CREATE)})
    with pytest.raises(ConfigError, match=why):
        pair.engine.check()
    off = tieout.Direction.OFF
    fine = Pair({Application: off, Settlement: IN, Invoice: OUT})
    fine.engine.check()


# Careless systems --------------------------------------------------------------------------


def careless(text: str) -> str:
    """What some ledgers make of a text: trimmed, in capitals, cut off."""
    return text.strip().upper()[:15].rstrip()


@pytest.mark.parametrize("direction", [OUT, IN, BOTH])
def test_what_a_system_makes_of_texts_is_no_change(direction: Any) -> None:
    """B63: a second sync writes on neither side, compared anew or not."""
    pair = Pair(
        ways(direction, Customer, Invoice),
        shop={"normalise": careless},
        book={"normalise": lambda text: careless(text)[:12].lower()},
        **UPDATE,
    )
    lines = (
        Line(" Industrial painting, two coats", Decimal(60)),
        Line("Industrial painting, third coat ", Decimal(40)),
        Line("", Decimal(0)),
    )
    for books in (pair.shop, pair.book):
        number = "INV-1" if books is pair.shop else "SO-1"
        customer = pair.customer(f" {number} Industrial Works", number, on=books)
        pair.invoice(number, "100", customer, on=books, lines=lines)
    pair.sync_all()
    with pair.quiet():
        pair.sync_all()
        pair.sync_all(tieout.Since.LAST_RUN)
        for report in pair.sync_all(recheck=True):
            assert (report.ok, report.yellow) == (True, 0)


# Plans -------------------------------------------------------------------------------------


def mixed() -> tuple[Pair, dict[str, Invoice]]:
    """A pair with something of everything to do."""
    pair = Pair(ways(OUT, Customer, Invoice), **UPDATE)
    customer = pair.customer()
    made = {
        number: pair.invoice(number, "100", customer)
        for number in ("INV-1", "INV-2", "INV-3")
    }
    pair.sync(Invoice)
    pair.edit(made["INV-1"], due=date(2026, 4, 30))
    pair.void(made["INV-2"])
    theirs = pair.all(Customer)[0]
    pair.invoice("INV-4", "100", theirs, on=pair.book)
    pair.invoice("INV-5", "70", theirs, on=pair.book)
    for number in ("INV-4", "INV-5"):
        made[number] = pair.invoice(number, "100", customer)
    bolt = pair.customer("Bolt", "C2")
    made["INV-6"] = pair.invoice("INV-6", "100", bolt)
    return pair, made


def test_a_sync_does_what_its_plan_says() -> None:
    """B48: ``sync`` is ``apply`` of the plan; planned twice, it is the same to the byte."""
    (left, _), (right, _) = mixed(), mixed()
    plan = left.plan(Invoice)
    assert plan.digest == left.plan(Invoice).digest == right.plan(Invoice).digest
    assert told(plan) == [
        ("+", "Customer", "C2"),
        ("+", "Invoice", "INV-6"),
        ("-", "Invoice", "INV-2"),
        ("=", "Invoice", "INV-4"),
        ("~", "Invoice", "INV-1"),
    ]
    one, two = left.apply(plan), right.sync(Invoice)
    for word in ("created", "updated", "voided", "failed"):
        assert one.counts[word] == two.counts[word]
    assert codes(one) == codes(two) == ["NUMBER_MEANS_ANOTHER_DOCUMENT"]
    assert shown(left) == shown(right)
    for pair in (left, right):
        assert not effects(pair.plan(Invoice))
        with pair.quiet():
            pair.sync(Invoice)
            pair.sync(Invoice, recheck=True)


def shown(pair: Pair) -> Any:
    """What the ledger holds."""
    return sorted(
        (each.number, each.status.name, each.total, each.due)
        for each in pair.all(Invoice)
    )


def test_what_changed_since_the_plan_is_left_alone_and_the_rest_lands(
    tmp_path: Path,
) -> None:
    """STALE_PLAN: on either side, also from a file."""
    pair, made = mixed()
    save(pair.plan(Invoice), tmp_path / "plan.jsonl")
    pair.edit(made["INV-6"], total=Decimal(1))
    pair.edit(pair.across(made["INV-1"]), due=date(2027, 1, 1))
    plan = load(tmp_path / "plan.jsonl")
    report = pair.apply(plan)
    assert codes(report) == [
        "NUMBER_MEANS_ANOTHER_DOCUMENT",
        "STALE_PLAN",
        "STALE_PLAN",
    ]
    assert {issue_of(report, n).code for n in ("INV-1", "INV-6")} == {Code.STALE_PLAN}
    assert pair.across(made["INV-4"]).number == "INV-4"
    assert (report.counts["voided"], report.counts["created"]) == (1, 1)
    assert pair.across(made["INV-1"]).due == date(2027, 1, 1)
    assert pair.sync(Invoice).counts["created"] == 1


def test_a_plan_is_carried_out_once() -> None:
    """B21, B154"""
    pair, _ = mixed()
    plan = pair.plan(Invoice)
    pair.apply(plan)
    with pair.quiet():
        report = pair.apply(plan)
    assert "STALE_PLAN" not in codes(report)
    assert report.counts["skipped"] == 4


def test_payments_on_an_invoice_are_no_change_of_it() -> None:
    """B91: what was paid is no business of a document."""
    pair = Pair(ONLY_INVOICES, **UPDATE)
    here = pair.invoice("INV-1")
    pair.sync(Invoice)
    own = Ref("shop:1", "Payment", "p")
    for books in (pair.shop, pair.book):
        invoice = here if books is pair.shop else pair.across(here)
        ref = evolve(own, connection=books.connection)
        put = Application(
            books.ref(Application), ref, invoice.ref, Decimal(100), "EUR", DAY
        )
        pair.clock.advance(HOUR)
        books.pay(
            Payment(
                ref, None, "EUR", DAY, Decimal(100), Status.OPEN, applications=(put,)
            )
        )
    assert pair.across(here).status is Status.SETTLED
    with pair.quiet():
        assert pair.sync(Invoice).counts["unchanged"] == 1
        assert pair.sync(Invoice, recheck=True).ok
