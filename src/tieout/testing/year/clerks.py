"""
The people of one side: who enters, edits, voids, pays, credits, applies and takes back.

Everything is drawn from the world's decisions, from few values: where these collide, bugs
show. People know neither engine nor store; what a ledger refuses them, they leave.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar

from attrs import evolve

from tieout.errors import Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    RecordType,
    Ref,
    Status,
)
from tieout.money import ZERO
from tieout.testing.simulator.stage import Stage
from tieout.testing.year.books import Books

T = TypeVar("T")

AMOUNTS = (Decimal(100), Decimal(50))
CURRENCIES = ("EUR", "JPY")
NAMES = ("Acme Ltd", " bolt  Inc ", "Carla and her sons", "ACME LTD")
NUMBERS = ("C1", "C2", "C3")
WORDS = ("work ", "Travel", "a much longer description of it")
FEE = Decimal(5)
LONG = "N" * 60
"""A number that no ledger of ours holds."""

CUSTOMERS_MAX = 4
"""Customers that one side makes; few, so that they meet those of the other."""


class Clerks:
    """
    The people of one side.

    ``made`` holds the records that were not made by people, ``unheard`` those of them whose
    number nobody touches yet. ``fees``: convenience fees are taken; ``pays``: payments and
    credits are entered here.
    """

    def __init__(
        self,
        stage: Stage,
        books: Books,
        other: Books,
        made: Container[Ref],
        *,
        unheard: Container[Ref] = (),
        pays: bool = True,
        fees: bool = False,
    ) -> None:
        self.stage = stage
        self.books = books
        self.retired: set[Ref] = set()
        """The customers who were not active at some time."""
        self._other = other
        self._made = made
        self._unheard = unheard
        self._fees = fees
        self._draw = stage.decisions
        self._acts = _ACTS + (_MONEY if pays else ())
        self._serial = 0

    @property
    def today(self) -> date:
        """The day, as everybody knows it."""
        return self.stage.now.date()

    def open_up(self) -> None:
        """What a side begins with: one customer of both, and maybe two more."""
        self._customer(NAMES[0], NUMBERS[0])
        for number, name in zip(NUMBERS[1:], NAMES[1:], strict=False):
            if self._draw.draw(3):
                self._customer(name, number if self._draw.draw(4) else "")

    def work(self) -> None:
        """One thing that somebody does, as far as the books let them."""
        act = self._draw.pick(self._acts)
        with suppress(Fault):
            act(self)

    # Customers ----------------------------------------------------------------------------

    def welcome(self) -> None:
        """A new customer, who may be one of the other side's already."""
        if len(self._all(Customer)) < CUSTOMERS_MAX:
            number = self._draw.pick((*NUMBERS, ""))
            self._customer(self._draw.pick(NAMES), number)

    def _customer(self, name: str, number: str) -> None:
        ref = self.books.ref(Customer)
        self.books.put(Customer(ref, name, number))
        self._told(ref, f"customer {number} {name!r}")

    def rename(self) -> None:
        """A customer gets another name."""
        self._edit(Customer, name=self._draw.pick(NAMES))

    def renumber_customer(self) -> None:
        """A customer gets another number."""
        self._edit(Customer, number=self._draw.pick((*NUMBERS, "C4")))

    def readdress(self) -> None:
        """A customer gets another address."""
        self._edit(Customer, email=self._draw.pick(("a@example.org", "")))

    def retire(self) -> None:
        """A customer is active no longer, or again."""
        found = self._some(self._all(Customer))
        if found is not None:
            self.books.put(evolve(found, active=not found.active))
            self.retired.add(found.ref)
            self._told(found.ref, "active" if not found.active else "inactive")

    # Documents ----------------------------------------------------------------------------

    def bill(self) -> None:
        """A new invoice, a draft now and then."""
        owner = self._some([e for e in self._all(Customer) if e.active])
        if owner is not None:
            self._enter(Invoice, owner.ref, self._draw.pick(CURRENCIES))

    def credit(self) -> None:
        """A new credit note, for a customer who owes something."""
        found = self._some(self._owing())
        if found is not None:
            self._enter(CreditNote, found.customer, found.currency)

    def _enter(self, kind: RecordType, owner: Ref | None, currency: str) -> None:
        draw, total = self._draw, self._draw.pick(AMOUNTS)
        status = Status.DRAFT if draw.one_in(8) else Status.OPEN
        line = Line(draw.pick(WORDS), total)
        record = kind(
            self.books.ref(kind),
            self._number(kind),
            owner,
            currency,
            self._day(),
            total,
            status,
            lines=(line,),
        )
        self.books.put(record)
        text = f"{record.number} {total} {record.currency} {status.value}"
        self._told(record.ref, text)

    def _number(self, kind: RecordType) -> str:
        """A number of one's own; now and then one that is somewhere already."""
        draw, used = self._draw, [*self._all(kind), *self._other.of(kind).values()]
        if used and draw.one_in(6):
            return str(draw.pick(used).number)
        if draw.one_in(30):
            return LONG
        self._serial += 1
        return f"{kind.__name__[0]}{self.books.connection[0]}{self._serial}"

    def finish(self) -> None:
        """A draft becomes final."""
        all_: list[Any] = [*self._bills(), *self._notes()]
        found = self._some([each for each in all_ if self._is_draft(each)])
        if found is not None:
            self.books.put(evolve(found, status=Status.OPEN))
            self._told(found.ref, "is final")

    def reprice(self) -> None:
        """A document comes to another amount."""
        found = self._some(self._documents())
        if found is not None:
            total = self._draw.pick(AMOUNTS)
            lines = (Line(self._draw.pick(WORDS), total),)
            self._change(found, total=total, lines=lines)

    def redate(self) -> None:
        """A document gets another date."""
        found = self._some(self._documents())
        if found is not None:
            self._change(found, on=self._day())

    def annotate(self) -> None:
        """A document gets another reference."""
        found = self._some(self._documents())
        if found is not None:
            self._change(found, reference=self._draw.pick(("PO 1", "PO 2")))

    def renumber(self) -> None:
        """A document gets another number."""
        found = self._some(self._documents())
        if found is not None and found.ref not in self._unheard:
            self._change(found, number=self._number(type(found)))

    def reassign(self) -> None:
        """A document turns out to be another customer's."""
        found, owner = self._some(self._documents()), self._some(self._all(Customer))
        if found is not None and owner is not None:
            self._change(found, customer=owner.ref)

    def void(self) -> None:
        """A document is taken back."""
        found = self._some(self._documents())
        if found is not None:
            self.books.void(found.ref, type(found))
            self._told(found.ref, "void")

    # Money --------------------------------------------------------------------------------

    def pay(self) -> None:
        """A payment of one or two invoices, with a fee or a rest on account."""
        first = self._some(self._owing())
        if first is None:
            return
        draw, ref = self._draw, self.books.ref(Payment)
        invoices = [first]
        if self.books.invoices_per_payment is None and draw.one_in(2):
            invoices += self._beside(first)[:1]
        puts = [self._put(ref, each) for each in invoices]
        if self._fees and draw.one_in(3):
            own = Application(ref, ref, ref, FEE, first.currency, self.today)
            puts.append(evolve(own, how=Part.OTHER))
        amount = sum((put.amount for put in puts), ZERO) + draw.pick((ZERO, *AMOUNTS))
        self._received(ref, first, amount, puts)

    def advance(self) -> None:
        """A payment on account."""
        first = self._some(self._owing())
        if first is not None:
            self._received(self.books.ref(Payment), first, self._draw.pick(AMOUNTS), [])

    def pay_with_credit(self) -> None:
        """A credit and a payment together settle an invoice."""
        note = self._some([e for e in self._notes() if self._left(e)])
        invoice = self._some(self._beside(note)) if note is not None else None
        if note is None or invoice is None:
            return
        ref, credit = self.books.ref(Payment), AMOUNTS[1]
        rest = self.books.owed(invoice) - credit
        if rest <= 0 or self._left(note) < credit:
            return
        put = evolve(self._put(ref, invoice), amount=rest)
        self._received(ref, invoice, rest, [put])
        own = self.books.ref(Application)
        applied = Application(
            own, note.ref, invoice.ref, credit, note.currency, self.today
        )
        with_it = {"payment": ref.id}
        self.books.apply(evolve(applied, how=Part.CREDIT, custom=with_it))
        self._told(own, f"{note.ref.id} to {invoice.ref.id} with {ref.id}")

    def _received(
        self, ref: Ref, first: Invoice, amount: Decimal, puts: Sequence[Application]
    ) -> None:
        payment = Payment(
            ref,
            first.customer,
            first.currency,
            self._day(),
            amount,
            Status.OPEN,
            reference=f"R{ref.id}",
            applications=tuple(puts),
        )
        self.books.pay(payment)
        told = ", ".join(f"{put.target.id} {put.amount}" for put in puts)
        self._told(ref, f"paid {amount} {first.currency}: {told or 'on account'}")

    def _put(self, ref: Ref, invoice: Invoice) -> Application:
        amount = min(self.books.owed(invoice), self._draw.pick(AMOUNTS))
        return Application(ref, ref, invoice.ref, amount, invoice.currency, self.today)

    def correct(self) -> None:
        """A payment turns out to be of another amount or date."""
        found = self._some(self._payments())
        if found is None:
            return
        shown = self.books.shown(found)
        puts = [e for e in shown.applications if e.live and e.how is not Part.CREDIT]
        if self._draw.one_in(2):
            changed = evolve(shown, on=self._day(), applications=tuple(puts))
        else:
            amount = self._draw.pick(AMOUNTS)
            kept = tuple(puts) if sum(e.amount for e in puts) <= amount else ()
            changed = evolve(shown, amount=amount, applications=kept)
        self.books.pay(changed)
        self._told(found.ref, f"is {changed.amount} of {changed.on}")

    def apply(self) -> None:
        """What is left of a payment or credit is applied to an invoice."""
        self._apply([*self._payments(), *self._notes()])

    def use_credit(self) -> None:
        """What is left of a credit is applied to an invoice."""
        self._apply(self._notes())

    def _apply(self, found: Sequence[Any]) -> None:
        source = self._some([each for each in found if self._left(each)])
        invoice = self._some(self._beside(source)) if source is not None else None
        if source is None or invoice is None:
            return
        amount = min(
            self._left(source), self.books.owed(invoice), self._draw.pick(AMOUNTS)
        )
        own = self.books.ref(Application)
        put = Application(
            own, source.ref, invoice.ref, amount, source.currency, self.today
        )
        credit = isinstance(source, CreditNote)
        self.books.apply(evolve(put, how=Part.CREDIT if credit else Part.CASH))
        self._told(own, f"{amount} of {source.ref.id} to {invoice.ref.id}")

    def unapply(self) -> None:
        """What was applied is taken back."""
        puts = [
            put
            for put in self._all(Application)
            if put.live and put.how is not Part.OTHER and self._hands_on(put.ref)
        ]
        put = self._some(puts)
        if put is not None:
            self.books.unapply(put.ref)
            self._told(put.ref, f"{put.target.id} is no longer paid by it")

    def reverse(self) -> None:
        """A payment is taken back, with the credits that were applied together with it."""
        found = self._some(self._payments())
        if found is None:
            return
        for put in self.books.shown(found).applications:
            if put.live and put.how is Part.CREDIT:
                self.books.unapply(put.ref)
        self.books.void(found.ref, Payment)
        self._told(found.ref, "reversed")

    # Whom and what they choose ------------------------------------------------------------

    def _all(self, kind: RecordType) -> list[Any]:
        return list(self.books.of(kind).values())

    def _bills(self) -> list[Invoice]:
        return [each for each in self._all(Invoice) if each.status is not Status.VOID]

    def _notes(self) -> list[CreditNote]:
        found = self._all(CreditNote)
        return [each for each in found if each.status is not Status.VOID]

    def _payments(self) -> list[Payment]:
        found = self._all(Payment)
        alive = [each for each in found if each.status is not Status.VOID]
        return [each for each in alive if self._hands_on(each.ref)]

    def _documents(self) -> list[Any]:
        """The documents that somebody may change."""
        found: list[Any] = [*self._bills(), *self._notes()]
        return [each for each in found if self._hands_on(each.ref)]

    def _hands_on(self, ref: Ref) -> bool:
        """People change what is theirs, and now and then what the sync has made."""
        return ref not in self._made or self._draw.one_in(12)

    def _owing(self) -> list[Invoice]:
        return [each for each in self._bills() if self.books.owed(each) > 0]

    def _beside(self, of: Any) -> list[Invoice]:
        """Other invoices of the same customer and currency on which something is owed."""
        return [
            each
            for each in self._owing()
            if (each.customer, each.currency) == (of.customer, of.currency)
            and each.ref != of.ref
        ]

    def _left(self, of: CreditNote | Payment) -> Decimal:
        return ZERO if self._is_draft(of) else self.books.left(of)

    def _is_draft(self, record: Any) -> bool:
        return bool(record.status is Status.DRAFT)

    def _day(self) -> date:
        return self.today - timedelta(days=self._draw.pick((0, 3)))

    def _some(self, found: Sequence[T]) -> T | None:
        return self._draw.pick(found) if found else None

    def _edit(self, kind: RecordType, **values: Any) -> None:
        found = self._some(self._all(kind))
        if found is not None:
            self._change(found, **values)

    def _change(self, record: Any, **values: Any) -> None:
        self.books.put(evolve(record, **values))
        self._told(record.ref, ", ".join(f"{n} {v}" for n, v in values.items()))

    def _told(self, ref: Ref, text: str) -> None:
        self.stage.changed(f"{ref.connection} {ref.id} {text}")


Act: TypeAlias = Callable[[Clerks], object]

_ACTS: tuple[Act, ...] = (
    *[Clerks.bill] * 6,
    Clerks.finish,
    *[Clerks.reprice] * 2,
    Clerks.redate,
    Clerks.annotate,
    Clerks.renumber,
    Clerks.reassign,
    *[Clerks.void] * 2,
    Clerks.welcome,
    Clerks.rename,
    Clerks.renumber_customer,
    Clerks.readdress,
    Clerks.retire,
)

_MONEY: tuple[Act, ...] = (
    *[Clerks.pay] * 5,
    Clerks.advance,
    *[Clerks.credit] * 4,
    *[Clerks.pay_with_credit] * 2,
    *[Clerks.correct] * 2,
    *[Clerks.apply] * 3,
    *[Clerks.use_credit] * 4,
    *[Clerks.unapply] * 2,
    *[Clerks.reverse] * 2,
)
"""What is done where payments are kept."""
