"""The nouns: references, fingerprints, instants, and the day of full payment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from types import MappingProxyType
from typing import Any

import pytest
from attrs import evolve, fields
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import Code, Fault
from tieout.models import (
    KINDS,
    Application,
    Basis,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    Posting,
    Ref,
    Settlement,
    Status,
    clean_number,
    fingerprint,
    settled_day,
)
from tieout.money import Money

AT = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
DAY = date(2026, 3, 1)
REF = Ref("c:1", "Invoice", "1")
LINE = Line("hours", Decimal("100.00"), dimensions={"job": "J1"}, custom={"a": True})
APPLIED = Application(
    Ref("c:1", "Application", "1"),
    Ref("c:1", "Payment", "1"),
    REF,
    Decimal(50),
    "EUR",
    DAY,
)
FULL: Mapping[str, Any] = {
    "Customer": Customer(REF, "ACME", "C1", "a@b.example", "EUR", changed_at=AT),
    "Invoice": Invoice(
        REF,
        "1",
        REF,
        "EUR",
        DAY,
        Decimal(100),
        Status.OPEN,
        lines=(LINE,),
        changed_at=AT,
    ),
    "CreditNote": CreditNote(REF, "1", REF, "EUR", DAY, Decimal(100), Status.OPEN),
    "Payment": Payment(
        REF, REF, "EUR", DAY, Decimal(50), Status.SETTLED, applications=(APPLIED,)
    ),
    "Application": APPLIED,
    "Settlement": Settlement(
        REF,
        "1",
        "EUR",
        Decimal(100),
        Decimal(50),
        Status.OPEN,
        settled_by={Part.CASH: Decimal(30), Part.CREDIT: Decimal(20)},
        changed_at=AT,
    ),
    "Posting": Posting(REF, "1", AT, "B1", changed_at=AT),
}
OTHER: Mapping[str, Any] = {
    "ref": Ref("c:1", "Invoice", "2"),
    "customer": Ref("c:1", "Customer", "9"),
    "source": Ref("c:1", "Payment", "9"),
    "target": Ref("c:1", "Invoice", "9"),
    "parent": Ref("c:1", "Customer", "9"),
    "active": False,
    "live": False,
    "how": Part.CREDIT,
    "status": Status.VOID,
    "basis": Basis.OBSERVED,
    "lines": (evolve(LINE, amount=Decimal(99)),),
    "applications": (evolve(APPLIED, amount=Decimal(49)),),
    "settled_by": {Part.CASH: Decimal(50)},
    "receipts": ("r1",),
    "custom": {"ship": "DHL"},
    "due": date(2026, 4, 1),
    "on": date(2026, 3, 2),
    "paid_on": date(2026, 4, 1),
    "last_on": date(2026, 4, 1),
}
MONEY = {"total", "balance", "amount", "remaining", "unapplied", "source_amount"}
CASES = [
    (kind, each.name)
    for kind, record in FULL.items()
    for each in fields(type(record))
    if not each.metadata.get("volatile")
]


def changed(kind: str, name: str) -> Any:
    """The record with one field set to something else."""
    if name in MONEY:
        value: Any = Decimal("0.01")
    elif (kind, name) == ("Posting", "on"):
        value = AT + timedelta(days=1)
    else:
        value = OTHER.get(name, "something else")
    return evolve(FULL[kind], **{name: value})


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_every_lasting_field_matters(kind: str, name: str) -> None:
    """B23: what differs anywhere has another fingerprint."""
    assert fingerprint(changed(kind, name)) != fingerprint(FULL[kind])


VOLATILE: Mapping[str, Any] = {
    "changed_at": AT + timedelta(hours=1),
    "version": "v2",
    "carry": {"raw": 1},
}


@pytest.mark.parametrize("kind", FULL)
@pytest.mark.parametrize("name", VOLATILE)
def test_volatile_fields_do_not_matter(kind: str, name: str) -> None:
    """B23: a new change time, version or luggage is no news."""
    record = FULL[kind]
    assert fingerprint(evolve(record, **{name: VOLATILE[name]})) == fingerprint(record)


@pytest.mark.parametrize("name", VOLATILE)
def test_volatile_fields_of_parts_do_not_matter_either(name: str) -> None:
    """B23: the version of an application is no news of its payment."""
    newer = evolve(APPLIED, **{name: VOLATILE[name]})
    payment = evolve(FULL["Payment"], applications=(newer,))
    assert fingerprint(payment) == fingerprint(FULL["Payment"])


def test_exactly_three_fields_are_volatile_in_each_kind() -> None:
    """No field slips out of the comparison unseen."""
    for kind in KINDS.values():
        names = {f.name for f in fields(kind) if f.metadata.get("volatile")}
        assert names == set(VOLATILE)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.5", "1.50"), ("100", "1E+2"), ("0", "0.00"), ("0", "-0"), ("-1.0", "-1")],
)
def test_equal_amounts_have_equal_fingerprints(one: str, other: str) -> None:
    """B23: how an amount is spelled is no news."""
    base = FULL["Settlement"]
    spelled = [evolve(base, total=Decimal(text)) for text in (one, other)]
    assert spelled[0] == spelled[1]
    assert fingerprint(spelled[0]) == fingerprint(spelled[1])


def test_fingerprints_do_not_depend_on_the_hosts_decimals() -> None:
    """B153: with few digits of precision, two amounts stay two."""
    one = evolve(FULL["Settlement"], total=Decimal("1234567.89"))
    other = evolve(FULL["Settlement"], total=Decimal("1234567.88"))
    apart = fingerprint(one)
    with localcontext() as context:
        context.prec = 4
        assert fingerprint(one) != fingerprint(other)
        assert fingerprint(one) == apart


def test_the_order_of_mappings_does_not_matter() -> None:
    """B23: parts, dimensions and custom fields in any order."""
    parts = {Part.CREDIT: Decimal(20), Part.CASH: Decimal(30)}
    turned = evolve(FULL["Settlement"], settled_by=parts, custom={"b": "1", "a": "2"})
    straight = evolve(FULL["Settlement"], custom={"a": "2", "b": "1"})
    assert fingerprint(turned) == fingerprint(straight)


def test_any_mapping_is_a_mapping() -> None:
    """B23: a host may hand in a read-only one."""
    plain = evolve(FULL["Settlement"], custom={"a": "2", "b": "1"})
    strange = evolve(plain, custom=MappingProxyType({"b": "1", "a": "2"}))
    assert fingerprint(strange) == fingerprint(plain)


def test_the_order_of_lines_matters() -> None:
    """Lines are a sequence."""
    two = (LINE, evolve(LINE, description="parts"))
    invoice = evolve(FULL["Invoice"], lines=two)
    assert fingerprint(invoice) != fingerprint(evolve(invoice, lines=two[::-1]))


def test_text_cannot_run_over_into_the_next_field() -> None:
    """X24: moving a character from one field to another is seen."""
    base = FULL["Invoice"]
    one = evolve(base, number="A'", reference="B")
    other = evolve(base, number="A", reference="'B")
    assert fingerprint(one) != fingerprint(other)


def test_aliases_are_todays_handles() -> None:
    """A handle that changes is no other record."""
    renamed = evolve(REF, aliases=("INV-9",))
    assert renamed == REF
    assert fingerprint(evolve(FULL["Invoice"], ref=renamed)) == fingerprint(
        FULL["Invoice"]
    )


@pytest.mark.parametrize("kind", FULL)
def test_a_fingerprint_is_short_and_plain(kind: str) -> None:
    """It is stored with every link: sixteen hexadecimal digits."""
    assert re.fullmatch("[0-9a-f]{16}", fingerprint(FULL[kind]))


@pytest.mark.parametrize("kind", FULL)
def test_a_naive_instant_is_an_error(kind: str) -> None:
    """B15: an instant without a zone is refused by name."""
    with pytest.raises(Fault) as caught:
        evolve(FULL[kind], changed_at=datetime(2026, 3, 10))
    assert caught.value.code is Code.BAD_DATE
    assert caught.value.field == "changed_at"


def test_instants_are_kept_in_utc() -> None:
    """D24: +02:00 and UTC are one instant, and equal."""
    there = AT.astimezone(timezone(timedelta(hours=2)))
    record = evolve(FULL["Customer"], changed_at=there)
    assert record == FULL["Customer"]
    assert record.changed_at.tzinfo is UTC


def test_records_are_values() -> None:
    """Frozen: nothing changes under a plan."""
    with pytest.raises(FrozenInstanceError):
        FULL["Settlement"].total = Decimal(1)


def test_paid_is_the_cash_part_where_one_is_told() -> None:
    """B19: total minus balance is settled; the cash part alone is paid in billing."""
    record = FULL["Settlement"]
    assert record.settled == Decimal(50)
    assert record.paid == Decimal(30)
    assert evolve(record, settled_by={}).paid == Decimal(50)
    assert evolve(record, settled_by={Part.CASH: Decimal(0)}).paid == Decimal(0)
    assert record.money(Decimal(1)) == Money("1", "EUR")


def test_what_was_settled_does_not_depend_on_the_hosts_decimals() -> None:
    """B153: a host with few digits of precision loses no money."""
    record = evolve(
        FULL["Settlement"], total=Decimal("1234567.89"), balance=Decimal("0.01")
    )
    with localcontext() as context:
        context.prec = 4
        assert record.settled == Decimal("1234567.88")


def test_a_ref_shows_what_it_means() -> None:
    """Connection, kind and id, in one line."""
    assert str(REF) == "c:1 Invoice 1"


# The day of full payment ----------------------------------------------------------------


def by_brute_force(
    total: Decimal, settling: list[tuple[date, Decimal]], not_before: date | None
) -> date | None:
    """Look at every single day: the first from which nothing is owed to the end."""
    moved = [(max(d, not_before) if not_before else d, a) for d, a in settling]
    days = sorted({d for d, _ in moved} | ({not_before} if not_before else set()))
    owed = {d: total - sum(a for when, a in moved if when <= d) for d in days}
    for day in days:
        if all(owed[later] <= 0 for later in days if later >= day):
            return day
    return None


DAYS = st.integers(0, 6).map(lambda n: DAY + timedelta(days=n))
PARTS = st.lists(
    st.tuples(DAYS, st.sampled_from([Decimal(50), Decimal(100), Decimal(-50)])),
    max_size=5,
)


@given(
    st.sampled_from([Decimal(0), Decimal(50), Decimal(100)]), PARTS, st.none() | DAYS
)
def test_the_settled_day_is_what_every_day_shows(
    total: Decimal, settling: list[tuple[date, Decimal]], not_before: date | None
) -> None:
    """B37: the first day from which the balance stays nothing."""
    if total <= 0 and not_before is None:
        return  # nothing was ever owed, and there is no day to name: see below
    expected = by_brute_force(total, settling, not_before)
    assert settled_day(total, settling, not_before) == expected


@given(PARTS, st.randoms())
def test_the_order_of_applications_does_not_matter(
    settling: list[tuple[date, Decimal]], random: Any
) -> None:
    """B37: applications come in any order."""
    turned = list(settling)
    random.shuffle(turned)
    assert settled_day(Decimal(100), settling) == settled_day(Decimal(100), turned)


def test_the_settled_day_by_example() -> None:
    """B37: paid, bounced, paid again counts from the second time."""
    first, second, third = DAY, DAY + timedelta(days=1), DAY + timedelta(days=5)
    paid, back = Decimal(100), Decimal(-100)
    assert settled_day(paid, [(first, paid), (second, back), (third, paid)]) == third
    assert settled_day(paid, [(first, paid), (first, back), (first, paid)]) == first
    assert settled_day(paid, [(first, paid), (second, back)]) is None
    assert settled_day(paid, [(first, paid)], not_before=third) == third
    assert settled_day(paid, []) is None
    assert settled_day(Decimal(0), [], not_before=DAY) == DAY
    assert settled_day(Decimal(0), []) is None


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("  INV-1 ", "INV-1"),
        ("\u00a0INV-1\u3000\n", "INV-1"),
        ("Ru\u0308ck-1", "R\u00fcck-1"),
        ("inv-1", "inv-1"),
        ("INV 1", "INV 1"),
        ("\uff29NV", "\uff29NV"),  # full-width stays itself: NFC, not NFKC
        ("\u0406NV", "\u0406NV"),  # and so does a Cyrillic letter
    ],
)
def test_numbers_are_cleaned_and_not_bent(given: str, clean: str) -> None:
    """B44, D15: outer white space and NFC, nothing more."""
    assert clean_number(given) == clean
