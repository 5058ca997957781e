"""Laws of the tie-out certificate, over small worlds and groups drawn by Hypothesis."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from cases import DAYS, Row, books, built
from hypothesis import given
from hypothesis import strategies as st

import tieout
from tieout.errors import Code
from tieout.models import (
    CreditNote,
    Invoice,
    Part,
    Payment,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.proof.certificate import Certificate
from tieout.proof.comparing import Comparison
from tieout.proof.differences import NOTHING, Amounts, DifferenceKind
from tieout.proof.entries import Entry, Put, packed, unpacked
from tieout.proof.pairing import Group, Pairing
from tieout.proof.sorting import Sorter
from tieout.settings import EXACT, Settings
from worlds import Bill, Paper, World

ZERO = Decimal(0)
RULES = st.builds(
    tieout.Settings,
    paid_amount=st.sampled_from(("settled", "cash")),
    write_off=st.sampled_from(("open", "settle")),
    tolerance=st.sampled_from(({}, {"USD": Decimal(20), "JPY": Decimal(50)})),
)
DESKS = st.sampled_from(
    (
        {},
        {"partial": False},
        {"owned": True},
        {"credits_told": True},
        {"date_alone": False},
    )
)
EDITS = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.sampled_from(
            (
                {"status": Status.VOID},
                {"status": Status.DRAFT},
                {"currency": "EUR"},
                {"total": Decimal(70)},
                {"paid": Decimal(20)},
                {"number": "N0"},
                {"customer": "C2"},
                {"bad": True},
            )
        ),
    ),
    max_size=3,
)


def edited(world: World, edits: list[tuple[int, dict[str, Any]]]) -> None:
    """Somebody works in billing by hand."""
    for which, values in edits:
        bills = list(world.billing.bills.values())
        if bills:
            world.billing.edit(bills[which % len(bills)].id, **values)


def here(world: World, bill: Bill) -> tuple[Decimal, Decimal]:
    """What of a bill is invoiced and open, looked at without tieout's own sums."""
    if bill.status in (Status.VOID, Status.DRAFT) or bill.bad:
        return ZERO, ZERO
    paid = bill.paid
    if world.billing.capabilities.payments.owned_payment:
        paid = sum((each.amount for each in bill.receipts.values()), ZERO)
    elif not world.billing.capabilities.payments.partial:
        paid = bill.total if bill.paid_on else ZERO
    return bill.total, bill.total - paid - bill.credited


def there(paper: Paper) -> tuple[Decimal, Decimal]:
    """What of a ledger's invoice is invoiced and open."""
    if paper.status in (Status.VOID, Status.DRAFT):
        return ZERO, ZERO
    return paper.total, paper.total - sum((p.amount for p in paper.live()), ZERO)


def raw_gaps(world: World) -> dict[str, tuple[Decimal, Decimal]]:
    """By currency, the ledger's sums less billing's, from what lies in the two worlds."""
    gaps: dict[str, tuple[Decimal, Decimal]] = {}
    counted = [(each.currency, there(each), 1) for each in world.ledger.papers.values()]
    counted += [
        (each.currency, here(world, each), -1) for each in world.billing.bills.values()
    ]
    for currency, (invoiced, owed), sign in counted:
        held = gaps.get(currency, (ZERO, ZERO))
        gaps[currency] = held[0] + sign * invoiced, held[1] + sign * owed
    return {currency: gap for currency, gap in gaps.items() if any(gap)}


def moved(certificate: Certificate) -> dict[str, tuple[Decimal, Decimal]]:
    """By currency, what the listed differences come to."""
    sums: dict[str, tuple[Decimal, Decimal]] = {}
    for shift in (e for d in certificate.differences for e in d.shifts):
        held = sums.get(shift.currency, (ZERO, ZERO))
        by = shift.amounts
        sums[shift.currency] = held[0] + by.invoices, held[1] + by.open
    return {currency: by for currency, by in sums.items() if any(by)}


@given(books(alike=False), EDITS, RULES, DESKS, st.booleans())
def test_no_cent_is_unexplained(
    rows: tuple[Row, ...],
    edits: list[tuple[int, dict[str, Any]]],
    rules: Settings,
    desk: dict[str, Any],
    synced: bool,
) -> None:
    """Per currency, the difference of the sums is the sum of the listed differences."""
    world = built(rows, billing=desk, settings=rules)
    if synced:
        world.sync()
    edited(world, edits)
    certificate = world.engine().verify()
    assert moved(certificate) == raw_gaps(world)
    for each in (*certificate.totals, *certificate.customers):
        for side in (each.billing, each.ledger):
            taken = side.credits + side.payments + side.adjustments
            assert side.invoices - taken == side.open


@given(books(alike=True), EDITS)
def test_no_cent_is_unexplained_where_numbers_repeat(
    rows: tuple[Row, ...], edits: list[tuple[int, dict[str, Any]]]
) -> None:
    """Also what nobody can tell apart is counted, and named, once."""
    world = built(rows, ledger={"number_unique": False})
    edited(world, edits)
    certificate = world.engine().verify()
    assert moved(certificate) == raw_gaps(world)
    assert sum(certificate.scope.read.values()) == len(world.ledger.papers) + len(
        world.billing.bills
    )


@given(books(), RULES, DESKS)
def test_after_a_sync_nothing_that_it_carries_is_unexplained(
    rows: tuple[Row, ...], rules: Settings, desk: dict[str, Any]
) -> None:
    """What still differs is policy, has an issue, or is what no level can carry."""
    world = built(rows, billing=desk, settings=rules)
    world.sync()
    world.clock.advance(timedelta(hours=1))
    kinds = {each.kind for each in world.engine().verify().differences}
    uncarried = {DifferenceKind.STATUS, DifferenceKind.MISSING_IN_LEDGER}
    assert {kind for kind in kinds if not kind.explained} <= uncarried


@given(books(), EDITS, RULES, DESKS)
def test_the_short_way_to_agreement_is_the_long_way(
    rows: tuple[Row, ...],
    edits: list[tuple[int, dict[str, Any]]],
    rules: Settings,
    desk: dict[str, Any],
) -> None:
    """Levels that are passed over at a glance differ in nothing by the rules."""
    world = built(rows, billing=desk, settings=rules)
    world.sync()
    edited(world, edits)
    quick = list(world.engine().verify().differences)
    with patch.object(Comparison, "_plainly_alike", lambda *_: False):
        assert list(world.engine().verify().differences) == quick


# Groups -------------------------------------------------------------------------------------

MONEY = st.sampled_from((ZERO, Decimal(50), Decimal(100), Decimal(-20)))
KINDS = (Settlement, Invoice, CreditNote, Payment)


@st.composite
def entries(draw: st.DrawFn, side: Any, serial: int) -> Entry:
    """What a side may say of a record, and what may be known of it."""
    return Entry(
        side,
        f"{side[0]}{serial}",
        draw(st.sampled_from(("", "N1", "N2"))),
        draw(st.sampled_from(("EUR", "USD"))),
        draw(st.sampled_from((*Status, Status.OPEN))),
        draw(MONEY),
        draw(st.sampled_from(("", "C1", "C2"))),
        draw(st.sampled_from(("", "N1"))),
        draw(st.sampled_from(DAYS)),
        draw(MONEY),
        draw(st.dictionaries(st.sampled_from(Part), MONEY)),
        draw(st.sampled_from((None, *DAYS))),
        draw(st.sampled_from((None, *DAYS))),
        draw(st.sampled_from((None, (), (Put("i1", Decimal(50)),)))),
        {"a1": "print"},
        draw(st.sampled_from((None, None, None, Code.BAD_AMOUNT))),
        "",
        draw(st.sampled_from(("", "C1", "C2"))),
        draw(st.sampled_from(("", "Acme"))),
        draw(st.sampled_from(("", "", "b1", "bbilling"))),
        draw(st.booleans()),
    )


def several(side: Any) -> st.SearchStrategy[list[Entry]]:
    """A few records of a side."""
    return st.integers(0, 3).flatmap(
        lambda count: st.tuples(*(entries(side, n) for n in range(count))).map(list)
    )


def comparison(kind: RecordType, rules: Settings) -> Comparison:
    """How records of a kind are compared."""
    world = World()
    able = world.billing.capabilities
    return Comparison(kind, "shop", "books", able, rules, DAYS[-1])


@given(several("billing"), several("ledger"), st.sampled_from(KINDS), RULES)
def test_a_group_is_explained_to_the_cent_for_each_customer(
    ours: list[Entry], theirs: list[Entry], kind: RecordType, rules: Settings
) -> None:
    """Whatever the records of a group say, what is counted differs by what is listed."""
    compare = comparison(kind, rules)
    with Pairing(EXACT, several=kind is Payment, referring=True) as pairing:
        for each in (*ours, *theirs):
            pairing.add(each)
        groups = list(pairing.groups())
    left: dict[tuple[str, Ref | None], Amounts] = {}
    for group in groups:
        found = compare.compare(group, {"i1": "i1"})
        for filing in found.filings:
            sign = filing.amounts if filing.side == "ledger" else -filing.amounts
            key = filing.currency, filing.customer
            left[key] = left.get(key, NOTHING) + sign
        for shift in (e for d in found.differences for e in d.shifts):
            key = shift.currency, shift.customer
            left[key] = left.get(key, NOTHING) - shift.amounts
    assert not any(left.values())


@given(several("billing"), several("ledger"), st.booleans(), st.booleans())
def test_each_record_that_counts_is_in_one_group(
    ours: list[Entry], theirs: list[Entry], several_: bool, referring: bool
) -> None:
    """Pairing loses none, and gives none twice."""
    with Pairing(EXACT, several=several_, referring=referring) as pairing:
        for each in (*ours, *theirs):
            pairing.add(each)
        groups: list[Group] = list(pairing.groups())
    given_ = Counter(each.id for group in groups for each in group.entries if each.live)
    assert given_ == Counter(each.id for each in (*ours, *theirs) if each.live)


@given(entries("ledger", 1))
def test_an_entry_survives_the_disk(entry: Entry) -> None:
    """What is packed is unpacked as it was."""
    with Sorter() as sorter:
        sorter.add("key", *packed(entry))
        (row,) = sorter.rows()
    assert unpacked(row) == entry
