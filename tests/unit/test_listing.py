"""Changes as lines of text: aligned, cut, and without anything that hides."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from mixed import (
    BOOK,
    SHOP,
    application,
    credit_note,
    customer,
    invoice,
    level,
    payment,
    posting,
)

from tieout.change import Action, Change, Issue
from tieout.effects import Effect, summed
from tieout.errors import Code
from tieout.listing import (
    columns,
    complaints,
    costs,
    cut,
    groups,
    in_words,
    padded,
    sums,
    wrapped,
)
from tieout.models import Customer, Ref
from tieout.money import Money

CREATE, UPDATE, VOID = Action.CREATE, Action.UPDATE, Action.VOID


def change(action: Action, record: Any, **more: Any) -> Change:
    kind, key = type(record), record.ref.id
    source = Ref(SHOP, record.ref.kind, key)
    given = {"number": getattr(record, "number", ""), **more}
    before = given.pop("before", record if action is VOID else None)
    after = None if action is VOID else record
    return Change(key, action, kind, BOOK, source, before=before, after=after, **given)


def ref(kind: str, key: str) -> Ref:
    return Ref(BOOK, kind, key)


def shown(*changes: Change, **more: Any) -> list[str]:
    return [*groups(changes, **more)]


ACME = evolve(customer(ref("Customer", "c1"), 1, 1, "USD"), name="Acme")
BILL = evolve(invoice(ref("Invoice", "i1"), 1, 10_000, "USD"), customer=ACME.ref)
NOTE = credit_note(ref("CreditNote", "n1"), 1, 500, "USD")
PUT = evolve(
    application(ref("Application", "a1"), 1, 500, "USD"),
    source=NOTE.ref,
    target=BILL.ref,
)


def test_groups_stand_in_the_order_in_which_documents_depend_on_each_other() -> None:
    """By kind, then by what happens, then by connection; each with its count."""
    records = [
        level(ref("Invoice", "l1"), 1, 5, "USD"),
        posting(ref("Posting", "p1"), 1, 5, "USD"),
        PUT,
        payment(ref("Payment", "m1"), 1, 5, "USD"),
        NOTE,
        BILL,
        ACME,
    ]
    changes = [
        *(change(VOID, record) for record in records),
        *(change(CREATE, record) for record in records),
        change(Action.KEEP, BILL),
        evolve(change(CREATE, BILL), connection=SHOP, name="other"),
    ]
    titles = [line for line in shown(*changes) if line.endswith(" (1)")]
    assert titles[:6] == [
        "Customers to create in book:1 (1)",
        "Customers to void in book:1 (1)",
        "Invoices to create in book:1 (1)",
        "Invoices to create in shop:1 (1)",
        "Invoices to void in book:1 (1)",
        "Invoices to leave as they are in book:1 (1)",
    ]
    assert [title.partition(" to ")[0] for title in titles[6::2]] == [
        "Credit notes",
        "Payments",
        "Applications",
        "Postings",
        "Paid amounts",
    ]
    assert shown() == []


def test_a_row_says_what_happens_to_whom_by_how_much_when_and_why() -> None:
    """The customer's name and the documents' numbers, where the plan knows them."""
    dearer = evolve(BILL, total=Decimal("1234.5"))
    lines = shown(
        change(CREATE, ACME),
        change(UPDATE, dearer, before=BILL, reason="two hours more"),
        change(CREATE, NOTE),
        change(CREATE, PUT),
    )
    assert lines == [
        "",
        "Customers to create in book:1 (1)",
        "+  Acme",
        "",
        "Invoices to update in book:1 (1)",
        "~  INV-1  Acme  100.00 USD → 1,234.50 USD  2026-01-06  two hours more",
        "",
        "Credit notes to create in book:1 (1)",
        "+  CN-1  5.00 USD  2026-01-05",
        "",
        "Applications to create in book:1 (1)",
        "+  CN-1 to INV-1  5.00 USD  2026-01-05",
    ]


def test_without_the_customer_in_the_plan_its_id_is_shown_for_documents() -> None:
    """A level is known by its number alone."""
    (_, _, row) = shown(change(CREATE, BILL))
    assert row == "+  INV-1  c1  100.00 USD  2026-01-06"
    owing = evolve(level(ref("Invoice", "l1"), 1, 500, "USD"), customer=ACME.ref)
    (_, _, row) = shown(change(CREATE, owing))
    assert row == "+  INV-1  5.00 USD"
    assert shown(change(CREATE, owing), change(CREATE, ACME))[-1] == (
        "+  INV-1  Acme  5.00 USD"
    )


def test_columns_are_aligned_in_each_group() -> None:
    """Numbers to the left, amounts to the right, the arrow between; 9 before 10."""
    small = evolve(BILL, total=Decimal(5), number="INV-9")
    changes = [
        change(UPDATE, evolve(BILL, number="INV-10"), before=small),
        change(UPDATE, small, before=evolve(small, total=Decimal(1234567))),
        change(UPDATE, evolve(BILL, number="INV-7"), before=BILL, reason="its lines"),
    ]
    assert shown(*changes)[2:] == [
        "~  INV-7   c1                     100.00 USD  2026-01-06  its lines",
        "~  INV-9   c1  1,234,567.00 USD →   5.00 USD  2026-01-06",
        "~  INV-10  c1          5.00 USD → 100.00 USD  2026-01-06",
    ]


def test_what_was_not_there_before_is_a_dash() -> None:
    """A date that comes, and one that goes."""
    open_, paid = (level(ref("Invoice", "1"), 1, n, "USD") for n in (0, 500))
    settled = evolve(paid, paid_on=BILL.on)
    assert shown(change(UPDATE, settled, before=open_))[-1] == (
        "~  INV-1  0.00 USD → 5.00 USD  - → 2026-01-06"
    )
    assert shown(change(UPDATE, open_, before=settled))[-1] == (
        "~  INV-1  5.00 USD → 0.00 USD  2026-01-06 → -"
    )
    assert shown(change(UPDATE, settled))[-1] == "~  INV-1  5.00 USD  2026-01-06"


def test_hostile_and_long_texts_are_shown_and_cut_for_the_table_alone() -> None:
    """X12: what turns text around, ends lines or paints them is spelled out."""
    nasty = "\u202e\x1b[31mA\nB\u2028" + "x" * 5000
    made = change(
        CREATE,
        evolve(ACME, name=nasty),
        number=nasty,
        reason=nasty,
    )
    made = evolve(made, connection=nasty)
    bill = change(CREATE, evolve(BILL, currency=nasty), number=nasty, reason=nasty)
    lines = [*shown(made, bill), *shown(made, bill, width=40)]
    assert all(line.isprintable() for line in lines)
    assert max(map(columns, lines[: len(lines) // 2])) <= 120
    assert max(map(columns, lines[len(lines) // 2 :])) <= 40
    assert "+  \\u202e\\x1b[31mA\\nB\\u202…  \\u202e" in lines[2]
    assert made.number == nasty


def test_wide_characters_take_two_columns() -> None:
    """Names in Japanese do not push the amounts aside."""
    tokyo = evolve(ACME, ref=ref("Customer", "c2"), name="東京商事")
    bills = [
        BILL,
        evolve(BILL, customer=tokyo.ref, ref=ref("Invoice", "i2"), number="INV-2"),
    ]
    known = [change(CREATE, each) for each in (ACME, tokyo, *bills)]
    assert shown(*known)[-2:] == [
        "+  INV-1  Acme      100.00 USD  2026-01-06",
        "+  INV-2  東京商事  100.00 USD  2026-01-06",
    ]
    assert (columns("東京"), columns("é"), columns("ab")) == (4, 1, 2)
    assert cut("東京商事", 5) == "東京…"
    assert padded("東京", 6) == "東京  "
    assert padded("東京", 6, right=True) == "  東京"


def test_reasons_give_room_first_and_amounts_never() -> None:
    """The narrower the line, the less of the texts; the money stays whole."""
    one = change(UPDATE, BILL, before=evolve(BILL, total=Decimal(99)), reason="r" * 90)
    named = [one, change(CREATE, evolve(ACME, name="Acme Incorporated of Delaware"))]
    for width in (120, 100, 80, 70, 60, 55):
        line = shown(*named, width=width)[-1]
        assert columns(line) <= width
        assert "99.00 USD → 100.00 USD  2026-01-06" in line
        assert "INV-1" in line
    assert shown(*named, width=120)[-1].endswith("…")
    assert "Acme Incorp…" in shown(*named, width=60)[-1]


def test_more_rows_than_asked_for_are_summed_up() -> None:
    """B74: in one line with what they come to; all of them where all are asked for."""
    bills = [
        change(CREATE, evolve(BILL, ref=ref("Invoice", f"i{n}"), number=f"INV-{n}"))
        for n in range(1, 2001)
    ]
    lines = shown(*bills)
    assert len(lines) == 23
    assert lines[1] == "Invoices to create in book:1 (2,000)"
    assert lines[2].startswith("+  INV-1 ")
    assert lines[-1] == "… and 1,980 more, 198,000.00 USD"
    assert len(shown(*bills, rows=None)) == 2002
    assert shown(*bills[:20])[-1].startswith("+  INV-20 ")
    assert shown(*bills[:3], rows=1)[-1] == "… and 2 more, 200.00 USD"
    assert shown(*bills[:3], rows=0)[2:] == ["… and 3 more, 300.00 USD"]


def test_of_what_changes_the_rest_says_in_which_direction() -> None:
    """Rises and falls are not set off against each other."""
    less = evolve(BILL, total=Decimal(40))
    changes = [
        change(UPDATE, evolve(BILL, ref=ref("Invoice", "1")), before=less),
        change(UPDATE, evolve(less, ref=ref("Invoice", "2")), before=BILL),
    ]
    assert shown(*changes, rows=0)[-1] == (
        "… and 2 more, invoice totals raised 60.00 USD, invoice totals lowered 60.00 USD"
    )
    puts = [evolve(PUT, ref=ref("Application", str(n))) for n in range(2)]
    cash = evolve(
        puts[1], source=ref("Payment", "1"), how=application(PUT.ref, 0, 1, "USD").how
    )
    assert shown(change(CREATE, puts[0]), change(CREATE, cash), rows=0)[-1] == (
        "… and 2 more, payments applied 5.00 USD, credits applied 5.00 USD"
    )
    assert shown(change(CREATE, ACME), rows=0)[-1] == "… and 1 more"


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        ("1234.5", "USD", "1,234.50 USD"),
        ("100.0000", "USD", "100.00 USD"),
        ("10.005", "EUR", "10.005 EUR"),
        ("10.5", "JPY", "10.5 JPY"),
        ("7", "", "7"),
        ("7", "???", "7 ???"),
        ("NaN", "USD", "NaN USD"),
        ("1e1000000", "USD", "1E+1000000 USD"),
    ],
)
def test_an_amount_is_never_rounded_for_the_eye(
    value: str, currency: str, text: str
) -> None:
    """What a currency cannot hold is seen as it stands."""
    assert in_words(Decimal(value), currency) == text


def test_a_kind_without_a_name_is_called_what_it_is() -> None:
    """A kind that this page does not know comes last."""

    class Parcel(Customer):
        pass

    odd = evolve(change(CREATE, ACME), kind=Parcel)
    titles = [each for each in shown(odd, change(CREATE, BILL)) if each.endswith(")")]
    assert titles[-1] == "Parcel to create in book:1 (1)"


# Below the groups -----------------------------------------------------------------------


def test_sums_stand_one_effect_a_line() -> None:
    """Aligned, one column a currency; where these are too wide, one after the other."""
    effects, _ = summed([change(CREATE, BILL), change(VOID, NOTE)])
    assert [*sums(effects, 3)] == [
        "",
        "In all",
        "  new invoices         100.00 USD",
        "  voided credit notes    5.00 USD",
        "  not in these sums: 3 whose amount or currency is not known",
    ]
    both = {
        Effect.NEW_INVOICES: {"EUR": Money("5", "EUR"), "JPY": Money("5", "JPY")},
        Effect.VOIDED_INVOICES: {"JPY": Money("1234", "JPY")},
    }
    assert [*sums(both)][2:] == [
        "  new invoices     5.00 EUR      5 JPY",
        "  voided invoices            1,234 JPY",
    ]
    many = {
        c: Money("123456789", c)
        for c in ("AUD", "CAD", "CHF", "EUR", "GBP", "JPY", "NZD", "USD")
    }
    lines = [*sums({Effect.NEW_INVOICES: many}, width=60)]
    assert len(lines) > 4
    assert all(len(line) <= 60 for line in lines)
    assert all(line.startswith(" " * 16) for line in lines[3:])
    assert "  new invoices  123,456,789.00 AUD," in lines[2]
    narrow = [*sums({Effect.OTHERS_UNAPPLIED: many}, width=30)]
    assert max(map(len, narrow)) <= 30
    assert "    123,456,789.00 CAD," in narrow
    assert [*sums({})] == []


def test_issues_are_paragraphs_and_too_many_are_counted_by_code() -> None:
    """The whole text of each, however long; what is cut off is counted."""
    text = "word " * 60 + "\n\u202eend"
    issues = [
        Issue(Code.BAD_FIELD, BILL.ref, (f"INV-{n}",), text=text) for n in range(5)
    ]
    lines = [*complaints(issues[:1])]
    assert all(columns(line) <= 120 for line in lines)
    assert lines[0].startswith("! INV-0: word")
    assert all(line.startswith("  ") for line in lines[1:])
    assert "word \\n\\u202eend. " in lines[-2]
    other = Issue(Code.NOT_IN_BILLING, BILL.ref, ("INV-9",))
    assert [*complaints([*issues, other], rows=0)] == [
        "! … and 6 more: 5 BAD_FIELD, 1 NOT_IN_BILLING"
    ]
    full = [*complaints([*issues, other], rows=None)]
    assert sum(line.startswith("! ") for line in full) == 5
    assert sum(line.startswith("* ") for line in full) == 1
    assert [*complaints([])] == []


def test_the_calls_are_one_sentence() -> None:
    """The dearer connection first; none where nothing is known."""
    assert [*costs({"a:1": 4, "b:1": 3700})] == [
        "",
        "Will take about 3,700 calls to b:1 and 4 to a:1.",
    ]
    assert [*costs({"a:1": 1, "b:1": 0})] == ["", "Will take about 1 call to a:1."]
    assert [*costs({})] == [*costs({"a:1": 0})] == []
    assert max(map(len, costs({"a" * 300: 1}, width=50))) <= 50


def test_a_word_that_is_longer_than_a_line_is_broken() -> None:
    """An address, say; nothing of it is lost."""
    lines = [*wrapped(["see", "x" * 50, "there"], 20, "! ", "  ")]
    assert all(columns(line) <= 20 for line in lines)
    assert (
        "".join(line[2:] for line in lines).replace(" ", "")
        == "see" + "x" * 50 + "there"
    )
