"""Money is conserved: whatever happens to payments and credits, both sides end equal."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from tieout.change import Change
from tieout.errors import Code, Fault
from tieout.models import Application, CreditNote, Customer, Invoice, Payment, Ref
from tieout.settings import Fees
from tieout.windows import Since
from tills import (
    BOTH,
    CHANGING,
    DAY,
    LATER,
    OUTWARD,
    UNMARKED,
    Tills,
    fees,
    kinds,
)

CURRENCIES = {"EUR": Decimal("0.01"), "JPY": Decimal(1), "KWD": Decimal("0.001")}
FATES = ("", "", "", "lost", "never", "refused")

Step: TypeAlias = tuple[str, int, int, int]
"""What happens, and three numbers to choose by."""


@define
class Story:
    """What two cashiers do, in the order of the numbers that are drawn."""

    tills: Tills
    doubts: bool
    """Whether answers of credit applications may be lost."""
    made: list[Ref] = field(factory=list)
    """The payments that were entered in the shop and count."""
    fates: list[str] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.tills.ledger.fate = self._fate

    def _fate(self, change: Change) -> str:
        if change.kind is Application and not self.doubts:
            return ""
        return self.fates.pop() if self.fates else ""

    def bill(self, one: int, two: int, _: int) -> None:
        currency = [*CURRENCIES][one % 3]
        number = f"I{len(self.tills.shop.of(Invoice))}"
        self.tills.bill(number, self._money(two, currency), currency=currency)

    def credit(self, one: int, two: int, _: int) -> None:
        currency = [*CURRENCIES][one % 3]
        number = f"N{len(self.tills.shop.of(CreditNote))}"
        self.tills.credit(number, self._money(two, currency), currency=currency)

    def pay(self, one: int, two: int, three: int, ref: Ref | None = None) -> None:
        """A payment of up to two invoices, with a fee and a rest at times."""
        owing = self._owing(one, own=ref)
        if not owing:
            return
        currency = owing[0][0].currency
        puts = [
            (bill, max(CURRENCIES[currency], self._cut(owed, two, currency)))
            for bill, owed in owing
            if bill.currency == currency
        ][: 1 + three % 2]
        fee = CURRENCIES[currency] * (three % 7 if three % 3 else 0)
        rest = CURRENCIES[currency] * (two % 5 if two % 2 else 0)
        amount = sum((money for _, money in puts), Decimal(0)) + fee + rest
        paid = self.tills.pay(amount, puts, fee=fee, ref=ref, currency=currency)
        if ref is None:
            self.made.append(paid)

    def change(self, one: int, two: int, three: int) -> None:
        """A payment becomes another one."""
        if self.made:
            ref = self.made[one % len(self.made)]
            self.pay(one + 1, two, three, ref)

    def take_back(self, one: int, _: int, __: int) -> None:
        if self.made:
            self.tills.take_back(self.made.pop(one % len(self.made)))

    def apply(self, one: int, two: int, three: int) -> None:
        """A credit is applied, with a payment or alone."""
        shop = self.tills.shop
        notes = [n for n in self.tills.live(CreditNote, shop) if shop.left(n)]
        if not notes:
            return
        note = notes[one % len(notes)]
        puts = self.tills.live(Application, shop)
        taken = {put.target.id for put in puts if put.source == note.ref}
        owing = [
            (bill, min(owed, shop.left(note)))
            for bill, owed in self._owing(two)
            if bill.currency == note.currency and bill.ref.id not in taken
        ]
        if owing:
            bill, most = owing[0]
            amount = max(
                CURRENCIES[note.currency], self._cut(most, three, note.currency)
            )
            paid = [
                each
                for each in self.made
                if shop.of(Payment)[each.id].currency == note.currency
            ]
            with_it = paid[three % len(paid)] if paid and three % 2 else None
            self.tills.apply(note, bill, amount, with_it)

    def unapply(self, one: int, _: int, __: int) -> None:
        puts = [
            put
            for put in self.tills.live(Application, self.tills.shop)
            if put.source.kind == CreditNote.__name__
        ]
        if puts:
            self.tills.shop.unapply(puts[one % len(puts)].ref)

    def void_bill(self, one: int, _: int, __: int) -> None:
        """An invoice that nothing is applied to is void."""
        bills = self.tills.live(Invoice, self.tills.shop)
        if bills:
            self.tills.shop.void(bills[one % len(bills)].ref, Invoice)

    def void_note(self, one: int, _: int, __: int) -> None:
        """A credit note that is applied to nothing is void."""
        notes = self.tills.live(CreditNote, self.tills.shop)
        if notes:
            self.tills.shop.void(notes[one % len(notes)].ref, CreditNote)

    def pay_there(self, one: int, two: int, _: int) -> None:
        """A payment is entered in the ledger, while all that was done is there."""
        self.tills.go_on()
        book = self.tills.book
        bills = [
            each
            for each in self.tills.live(Invoice)
            if book.owed(each) > 0 and not each.number.startswith("FEE-")
        ]
        owners = [*book.of(Customer).values()]
        if bills and owners:
            bill = bills[one % len(bills)]
            amount = max(
                CURRENCIES[bill.currency],
                self._cut(book.owed(bill), two, bill.currency),
            )
            self.tills.pay(
                amount,
                [(bill, amount)],
                books=book,
                owner=owners[0],
                currency=bill.currency,
            )
        self.tills.go_on()

    def sync(self, one: int, two: int, three: int) -> None:
        """All is carried; what becomes of some writes is drawn, too."""
        self.fates = [FATES[n % len(FATES)] for n in (one, two, three, one + three)]
        self.tills.go_on(Since.LAST_RUN if one % 2 and self.tills.reports else DAY)
        self.fates = []

    def play(self, steps: list[Step]) -> None:
        """All steps; what the cashier's own books refuse does not happen."""
        for name, *numbers in steps:
            act: Callable[..., None] = getattr(self, name)
            try:
                act(*numbers)
            except Fault as fault:
                if fault.code is not Code.REFUSED:
                    raise
            self.tills.clock.advance(LATER / 60)

    def _owing(self, first: int, own: Ref | None = None) -> list[tuple[Any, Decimal]]:
        """The shop's invoices that something is owed on, from one of them on."""
        shop = self.tills.shop
        ours = (
            {put.target.id: put.amount for put in shop.puts(source=own.id)}
            if own
            else {}
        )
        found = [
            (each, shop.owed(each) + ours.get(each.ref.id, Decimal(0)))
            for each in self.tills.live(Invoice, shop)
        ]
        owing = [each for each in found if each[1] > 0]
        at = first % len(owing) if owing else 0
        return [*owing[at:], *owing[:at]]

    def _money(self, number: int, currency: str) -> Decimal:
        return CURRENCIES[currency] * (1 + number)

    def _cut(self, most: Decimal, number: int, currency: str) -> Decimal:
        """Some part of an amount that its currency can hold."""
        unit = CURRENCIES[currency]
        return most if number % 2 else (most / unit // (1 + number % 4)) * unit


NUMBERS = st.integers(0, 500)
DOING = ("pay", "pay", "change", "change", "take_back", "apply", "apply", "unapply")
LATER_ON = (*DOING, "bill", "credit", "void_bill", "void_note", *["sync"] * 5)
OPENING = ("bill", "credit", "bill", "bill", "credit")


def steps(*names: str) -> st.SearchStrategy[list[Step]]:
    """Some invoices and credits to begin with, and then anything."""
    first = [st.tuples(st.just(name), NUMBERS, NUMBERS, NUMBERS) for name in OPENING]
    then = st.tuples(st.sampled_from(names), NUMBERS, NUMBERS, NUMBERS)
    return st.tuples(st.tuples(*first), st.lists(then, min_size=6, max_size=18)).map(
        lambda both: [*both[0], *both[1]]
    )


def ended(story: Story) -> Tills:
    """After the last step, all is carried until nothing is left to do."""
    for _ in range(4):
        story.tills.go_on()
    return story.tills


def told(tills: Tills) -> str:
    """Both sides, for a person who has to find out why they differ."""
    sides = [
        (books.connection, tills.owed(books), tills.received(books), tills.left(books))
        for books in (tills.shop, tills.book)
    ]
    return "\n".join(map(str, (*sides, *tills.issues)))


@given(steps(*LATER_ON), st.sampled_from((None, 1)))
def test_money_is_the_same_on_both_sides(given_: list[Step], per: int | None) -> None:
    """B51, B96, B98, B102: by invoice and currency, whatever became of the writes."""
    tills = Tills(per=per, fees=fees(), replace_payments=True)
    story = Story(tills, doubts=True)
    story.play(given_)
    ended(story)
    assert tills.engine().parked() == []
    assert tills.issues == [], told(tills)
    assert tills.equal, told(tills)
    assert tills.settled()


@given(steps(*LATER_ON), st.sampled_from((None, 1)))
def test_money_is_the_same_where_a_credit_cannot_be_marked(
    given_: list[Step], per: int | None
) -> None:
    """B96, B98, B102: what of a credit is applied where is known by that alone."""
    able = kinds(Application=UNMARKED)
    tills = Tills(per=per, fees=fees(), replace_payments=True, ledger=able)
    story = Story(tills, doubts=True)
    story.play(given_)
    ended(story)
    assert tills.engine().parked() == [], told(tills)
    assert tills.issues == [], told(tills)
    assert tills.settled(), told(tills)


@given(steps(*LATER_ON, "pay_there", "pay_there"), st.sampled_from((None, 1)))
def test_money_is_the_same_where_both_sides_are_paid(
    given_: list[Step], per: int | None
) -> None:
    """B51, B63, B98: nothing comes back as an echo."""
    ways = {**OUTWARD, Customer: BOTH, Invoice: BOTH, Payment: BOTH}
    tills = Tills(
        per=per, billing_per=per, fees=fees(), replace_payments=True, directions=ways
    )
    story = Story(tills, doubts=True)
    story.play(given_)
    ended(story)
    assert tills.issues == [], told(tills)
    assert tills.settled(), told(tills)


@given(steps(*LATER_ON))
def test_what_was_received_is_the_same_where_payments_are_changed(
    given_: list[Step],
) -> None:
    """B51, B98: two that change places on an invoice may be in each other's way: told."""
    able = kinds(Payment=CHANGING)
    tills = Tills(fees=Fees(), replace_payments=True, ledger=able)
    story = Story(tills, doubts=True)
    story.play(given_)
    ended(story)
    codes = {each.code for each in tills.issues}
    assert codes <= {Code.REFUSED}, told(tills)
    assert tills.settled() or codes, told(tills)
    assert not codes or sum(name == "change" for name, *_ in given_) > 1
