"""Laws of documents, over small worlds drawn by Hypothesis: few names, few amounts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

import tieout
from bookkeeping import BOTH, DAY, HOUR, OUT, Pair, codes, effects, told, ways
from tieout.errors import Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Link,
    RecordType,
    Ref,
    Status,
    agreed_as,
    as_made,
    fingerprint,
)
from tieout.plan import Plan, join
from tieout.planners import credit_notes, customers, invoices
from tieout.planners.course import Across, Course
from tieout.settings import Settings
from tieout.testing.year.connector import KINDS

TEXTS: tuple[Callable[[str], str], ...] = (
    lambda text: text,
    str.strip,
    str.upper,
    lambda text: text[:12],
    lambda text: " ".join(text.split()).lower()[:12].rstrip(),
)
NUMBERS = st.sampled_from(["1", "2", "02"])
NAMES = st.sampled_from(["Acme", " acme", "Industrial Works, East", "Industrial Works"])
TOTALS = st.sampled_from(["50", "100"])
STATUSES = st.sampled_from([Status.OPEN, Status.OPEN, Status.DRAFT, Status.VOID])
POLICIES = st.sampled_from(["void_only", "update"])


# Planners alone ----------------------------------------------------------------------------


@st.composite
def documents(draw: Any, kind: RecordType, side: str) -> list[Any]:
    """A page of invoices or credit notes of one side."""
    found: list[Any] = []
    for position in range(draw(st.integers(0, 5))):
        total = Decimal(draw(TOTALS))
        found.append(
            kind(
                Ref(side, kind.__name__, f"{side[0]}{position}"),
                draw(NUMBERS),
                draw(st.sampled_from([None, Ref(side, "Customer", "c")])),
                draw(st.sampled_from(["EUR", "USD"])),
                DAY,
                total,
                draw(STATUSES),
                lines=(Line(draw(NAMES), total),),
            )
        )
    return found


@st.composite
def pages(draw: Any) -> tuple[Any, list[Any], Across, Course]:
    """A planner, a page, and what is known of the other side."""
    kind, planner = draw(
        st.sampled_from([(Invoice, invoices.plan), (CreditNote, credit_notes.plan)])
    )
    here, there = draw(documents(kind, "shop:1")), draw(documents(kind, "book:1"))
    links = {}
    for ours, theirs in zip(here, there, strict=False):
        if draw(st.booleans()):
            agreed = fingerprint(as_made(ours)) if draw(st.booleans()) else "other"
            links[ours.ref] = Link(
                "pair",
                ours.ref,
                theirs.ref,
                origin=draw(st.sampled_from(["shop:1", "book:1"])),
                agreed={agreed_as(kind.__name__, "shop:1"): agreed},
                released=draw(st.booleans()),
            )
    ties = {Ref("shop:1", "Customer", "c"): Ref("book:1", "Customer", "c")}
    known = Across(
        links=links,
        ties={**ties, **{e: x.ledger for e, x in links.items() if not x.released}},
        records={each.ref: each for each in there},
        claimed={x.ledger: e for e, x in links.items() if not x.released},
    )
    return planner, here, known, _course(kind, updates=draw(POLICIES))


def _course(kind: RecordType, **rules: Any) -> Course:
    able = tieout.Capabilities("Books", KINDS)
    return Course(kind, "shop:1", "book:1", able, Settings(**rules))


def _content(plan: Plan) -> str:
    return join([plan]).digest


@given(pages(), st.randoms(use_true_random=False))
def test_the_order_of_a_page_does_not_matter(given_: Any, random: Any) -> None:
    """Nor does planning twice: the same bytes."""
    planner, here, known, course = given_
    first = planner(here, known, course)
    assert _content(planner(list(here), known, course)) == _content(first)
    shuffled = list(here)
    random.shuffle(shuffled)
    assert _content(planner(shuffled, known, course)) == _content(first)


@given(pages())
def test_every_record_has_one_outcome(given_: Any) -> None:
    """B141: a change, an issue, kept or skipped; none twice, and no third thing."""
    planner, here, known, course = given_
    plan = planner(here, known, course)
    asked = [each.source for each in plan.changes]
    asked += [each.source for each in plan.issues if each.blocking]
    assert len(asked) == len(set(asked))
    assert len(asked) + plan.kept + plan.skipped == len(here)


@given(pages())
def test_no_document_is_taken_by_two(given_: Any) -> None:
    """B44: neither of one page, nor of one page and what is tied."""
    planner, here, known, course = given_
    taken = [c.target for c in planner(here, known, course).changes if c.target]
    assert len(taken) == len(set(taken))


@given(documents(Invoice, "shop:1"), POLICIES)
def test_what_is_equal_is_kept(here: list[Invoice], policy: Any) -> None:
    """``diff(a, a)``: what is tied and the same is never written, compared anew or not."""
    course = _course(Invoice, updates=policy)
    live = [each for each in here if each.status is Status.OPEN]
    there = {
        each.ref: evolve(
            invoices.wanted(each, course, Across()),
            ref=Ref("book:1", "Invoice", each.ref.id),
            customer=None,
        )
        for each in live
    }
    for agreed in (True, False):
        key = agreed_as("Invoice", "shop:1")
        links = {
            each.ref: Link(
                "pair",
                each.ref,
                there[each.ref].ref,
                origin="shop:1",
                agreed={key: fingerprint(each)} if agreed else {},
            )
            for each in live
        }
        records = {each.ref: each for each in there.values()}
        for again in (False, True):
            way = evolve(course, recheck=again)
            plan = invoices.plan(live, Across(links=links, records=records), way)
            assert effects(plan) == []
            assert plan.issues == ()
            assert plan.kept + len(plan.changes) == len(live)


@st.composite
def people(draw: Any, side: str) -> list[Customer]:
    """A page of customers of one side."""
    return [
        Customer(
            Ref(side, "Customer", f"{side[0]}{position}"),
            draw(NAMES),
            draw(st.sampled_from(["", "1", "2"])),
            active=draw(st.sampled_from([True, True, False])),
        )
        for position in range(draw(st.integers(0, 5)))
    ]


@given(
    people("shop:1"),
    people("book:1"),
    st.sampled_from(["number", "name", "number and name"]),
    st.randoms(use_true_random=False),
)
def test_customers_are_matched_in_any_order_and_each_once(
    here: list[Customer], there: list[Customer], rule: Any, random: Any
) -> None:
    """B83, B84: no customer is taken by two, and none is made who may be there."""
    named: dict[str, tuple[Customer, ...]] = {}
    for each in there:
        key = customers.name_key(each.name)
        named[key] = (*named.get(key, ()), each)
    known = Across(records={each.ref: each for each in there}, named=named)
    course = _course(Customer, match_customers=rule)
    first = customers.plan(here, known, course)
    shuffled = list(here)
    random.shuffle(shuffled)
    assert _content(customers.plan(shuffled, known, course)) == _content(first)
    taken = [c.target for c in first.changes if c.target]
    assert len(taken) == len(set(taken))
    blocking = [each for each in first.issues if each.blocking]
    assert len(first.changes) + len(blocking) + first.skipped == len(here)
    numbers = [c.number for c in effects(first) if c.number.isdigit()]
    if "number" in rule:
        assert len(numbers) == len(set(numbers))
        assert not {*numbers} & {each.number for each in there}


# Through the engine ------------------------------------------------------------------------


@frozen
class Drawn:
    """What stands on both sides, as a recipe: it can be laid out many times."""

    sides: tuple[tuple[str, str, str, str, Status], ...]
    edits: tuple[tuple[int, str], ...]
    keeps: tuple[int, int]
    policy: Any
    direction: Any


@st.composite
def worlds(draw: Any) -> Drawn:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["shop", "book"]),
                st.sampled_from(["A-1", "A-2", "A-3", "A" * 60]),
                TOTALS,
                NAMES,
                STATUSES,
            ),
            max_size=6,
        )
    )
    edits = draw(
        st.lists(
            st.tuples(st.integers(0, 5), st.sampled_from(["total", "void", "due"])),
            max_size=4,
        )
    )
    keeps = draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    direction = draw(st.sampled_from([OUT, BOTH]))
    return Drawn(tuple(rows), tuple(edits), keeps, draw(POLICIES), direction)


def laid(drawn: Drawn, *, poison: bool = True) -> tuple[Pair, list[Invoice]]:
    """Both sides as they are drawn; without what cannot be carried, if so wanted."""
    pair = Pair(
        ways(drawn.direction, Customer, Invoice),
        shop={"unique": False, "number_limit": 99, "normalise": TEXTS[drawn.keeps[0]]},
        book={"unique": False, "normalise": TEXTS[drawn.keeps[1]]},
        updates=drawn.policy,
    )
    owners = {
        "shop": pair.customer("Acme", "C1"),
        "book": pair.customer("Acme", "C1", on=pair.book),
    }
    made: list[Invoice] = []
    for side, number, total, text, status in drawn.sides:
        if len(number) > 50 and (side == "book" or not poison):
            continue
        books = pair.shop if side == "shop" else pair.book
        lines = (Line(text, Decimal(total)),)
        made.append(
            pair.invoice(
                number, total, owners[side], on=books, status=status, lines=lines
            )
        )
    return pair, made


def edited(pair: Pair, made: list[Invoice], drawn: Drawn) -> None:
    """Somebody does something to some of them."""
    for position, what in drawn.edits:
        if position >= len(made):
            continue
        record = pair.of(made[position].ref).get(made[position].ref, Invoice)
        if record.status is not Status.OPEN:
            continue
        if what == "void":
            pair.void(record)
        elif what == "due":
            pair.edit(record, due=DAY + timedelta(days=30))
        else:
            total = record.total + 20
            pair.edit(record, total=total, lines=(Line("More", total),))


@given(worlds())
def test_after_a_sync_there_is_nothing_to_plan_or_write(drawn: Drawn) -> None:
    """B63, B91: whatever both systems make of texts, and compared anew or not."""
    pair, made = laid(drawn)
    pair.sync(Invoice)
    for _ in range(2):
        edited(pair, made, drawn)
        pair.sync(Invoice)
        pair.sync(Customer)
        # What was adopted agreed in all that matters; now the rest of it does, too.
        pair.sync(Invoice, recheck=True)
        with pair.quiet():
            assert not effects(pair.plan(Invoice))
            for again in (tieout.Since.LAST_RUN, DAY):
                pair.sync(Customer, again)
                pair.sync(Invoice, again)
            pair.sync(Invoice, recheck=True)
            pair.sync(Customer, recheck=True)


@given(worlds())
def test_to_sync_is_to_apply_the_plan(drawn: Drawn) -> None:
    """B48: on the result of both; planned twice, the plan is the same."""
    (left, ours), (right, theirs) = laid(drawn), laid(drawn)
    for _ in range(2):
        plan = left.plan(Invoice)
        assert plan.digest == left.plan(Invoice).digest == right.plan(Invoice).digest
        one, two = left.apply(plan), right.sync(Invoice)
        assert shown(left) == shown(right)
        assert codes(one) == codes(two)
        edited(left, ours, drawn)
        edited(right, theirs, drawn)
        # What was applied moved no marker; both read on from the same place.
        left.sync(Invoice)
        right.sync(Invoice)


def shown(pair: Pair) -> Any:
    """All documents of both sides, but for their ids."""
    return [
        sorted(
            (
                each.number,
                each.total,
                each.status.name,
                str(each.due),
                each.customer is not None,
            )
            for each in pair.all(Invoice, books)
        )
        for books in (pair.shop, pair.book)
    ]


@given(worlds())
def test_what_cannot_be_carried_does_not_bear_on_the_rest(drawn: Drawn) -> None:
    """B106: a number that is too long changes nothing for the others."""
    (with_it, _), (without_it, _) = laid(drawn), laid(drawn, poison=False)
    with_it.sync(Invoice)
    without_it.sync(Invoice)
    assert shown(with_it)[1] == shown(without_it)[1]


@given(worlds(), st.sampled_from(["lost", "never", "refused"]), st.integers(0, 3))
def test_no_answer_makes_a_second_document(
    drawn: Drawn, what: str, position: int
) -> None:
    """B63, B154: whichever write loses its answer, each invoice is there once."""
    pair, _ = laid(drawn)
    calm, _ = laid(drawn)
    count = iter(range(99))
    pair.ledger.fate = lambda change: what if next(count) == position else ""
    pair.sync(Invoice)
    for again in (DAY, tieout.Since.LAST_RUN):
        pair.clock.advance(HOUR)
        pair.sync(Invoice, again)
    calm.sync(Invoice)
    assert shown(pair) == shown(calm)
    assert not effects(pair.plan(Invoice))


AMOUNTS = st.lists(st.sampled_from(["10", "20", "30"]), max_size=4)


@given(AMOUNTS, st.lists(st.integers(0, 3), max_size=3), st.booleans())
def test_what_is_applied_there_is_what_is_applied_here(
    amounts: list[str], taken_off: list[int], voided: bool
) -> None:
    """B50, B98: to the minor unit, through applying and taking off."""
    pair = Pair()
    owner = pair.customer()
    bills = [pair.invoice(f"A-{n}", "50", owner) for n in range(2)]
    note = pair.credit_note("CN-1", "60", owner)
    puts: list[Application] = []
    for position, amount in enumerate(amounts):
        try:
            puts.append(pair.put(note, bills[position % 2], amount))
        except Fault:
            continue  # the books of the shop let nobody apply more than there is
    for _ in range(2):
        pair.sync_all()
        assert [pair.book.owed(pair.across(bill)) for bill in bills] == [
            pair.shop.owed(bill) for bill in bills
        ]
        assert pair.across(note).remaining == pair.shop.left(note)
        pair.clock.advance(HOUR)
        for position in taken_off:
            if (
                position < len(puts)
                and pair.shop.of(Application)[puts[position].ref.id].live
            ):
                pair.shop.unapply(puts[position].ref)
    with pair.quiet():
        assert told(pair.plan(CreditNote)) == told(pair.plan(CreditNote))
    pair.sync_all()
    for each in puts:
        if pair.shop.of(Application)[each.ref.id].live:
            pair.shop.unapply(each.ref)
    if voided:
        pair.void(note)
    assert pair.sync(CreditNote).ok
    assert [pair.book.owed(pair.across(bill)) for bill in bills] == [50, 50]
    assert not effects(pair.plan(CreditNote))
