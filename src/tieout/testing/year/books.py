"""
The books of one system: customers, documents, payments and applications, by hard rules.

They refuse what a ledger refuses: a second document of a number, more applied than is
owed, a void of what is paid. They know nothing of connectors, engines or marks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from attrs import define, evolve, field, frozen

from tieout.errors import Code, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Part,
    Payment,
    Posting,
    Record,
    RecordType,
    Ref,
    Settlement,
    Status,
    settled_day,
)
from tieout.money import ZERO


def as_it_is(text: str) -> str:
    """A text that is kept as it was given."""
    return text


@frozen
class Paid:
    """What is shown as paid of an invoice, where that is a field of it."""

    amount: Decimal
    on: date | None = None
    last_on: date | None = None


NOTHING_PAID = Paid(ZERO)


@define
class Books:
    """
    What one system holds. ``normalise`` is what it does to every name and description;
    ``number_limit`` how long a number it takes; ``unique`` whether numbers are;
    ``invoices_per_payment`` how many invoices a payment is put to at most. ``levels``:
    what was paid of an invoice is a field of it, set from outside, and no payments are kept.
    """

    connection: str
    now: Callable[[], datetime]
    normalise: Callable[[str], str] = as_it_is
    unique: bool = True
    number_limit: int = 50
    invoices_per_payment: int | None = None
    levels: bool = False
    records: dict[RecordType, dict[str, Any]] = field(factory=dict)
    posted: dict[str, datetime] = field(factory=dict)
    paid: dict[str, Paid] = field(factory=dict)
    made_at: dict[str, datetime] = field(factory=dict)
    """When each record was first there, by its id."""
    writes: int = 0
    _serial: int = 0
    _revision: int = 0
    _ends: dict[str, dict[str, None]] = field(factory=dict)
    """By record, the ids of the applications that have it at one of their ends."""
    _indexed: int = 0

    def ref(self, kind: RecordType, own: str = "") -> Ref:
        """The ref of a record here; a new one where no id is given."""
        if not own:
            self._serial += 1
            own = f"{kind.__name__[0].lower()}{self._serial}"
        return Ref(self.connection, kind.__name__, own)

    def of(self, kind: RecordType) -> dict[str, Any]:
        """The records of a kind, by id."""
        return self.records.setdefault(kind, {})

    def get(self, ref: Ref, kind: RecordType) -> Any:
        """A record; `Fault` VANISHED where there is none."""
        found = self.of(kind).get(ref.id)
        if found is None:
            raise Fault(Code.VANISHED, f"there is no {kind.__name__} {ref.id}")
        return found

    # What is owed -------------------------------------------------------------------------

    def puts(self, invoice: str = "", source: str = "") -> Iterator[Application]:
        """The live applications to an invoice, or of a payment or credit."""
        for put in self.put_to(invoice or source):
            if put.live and (
                (invoice and put.target.id == invoice)
                or (source and put.source.id == source)
            ):
                yield put

    def put_to(self, end: str) -> list[Application]:
        """The applications with this record at one of their ends, or made with it."""
        held = self.of(Application)
        # A test may have put some in, or taken some out, itself.
        if self._indexed != len(held):
            self._ends.clear()
            self._indexed = 0
            for put in held.values():
                self._index(put)
        return [held[own] for own in self._ends.get(end, ())]

    def _index(self, put: Application) -> None:
        self._indexed += 1
        with_it = str(put.custom.get("payment", ""))
        for end in (put.source.id, put.target.id, with_it):
            self._ends.setdefault(end, {})[put.ref.id] = None

    def owed(self, invoice: Invoice) -> Decimal:
        """What is still owed on an invoice."""
        if invoice.status in (Status.VOID, Status.DRAFT):
            return ZERO
        if self.levels:
            return invoice.total - self.shown_paid(invoice).amount
        paid = sum((put.amount for put in self.puts(invoice=invoice.ref.id)), ZERO)
        return invoice.total - paid

    def shown_paid(self, invoice: Invoice) -> Paid:
        """What is shown as paid of an invoice, where that is a field of it."""
        return self.paid.get(invoice.ref.id, NOTHING_PAID)

    def left(self, of: CreditNote | Payment) -> Decimal:
        """What of a credit note or payment is applied to nothing yet."""
        if of.status is Status.VOID:
            return ZERO
        used = sum((put.amount for put in self.puts(source=of.ref.id)), ZERO)
        return (of.total if isinstance(of, CreditNote) else of.amount) - used

    # What is there, as it is now ----------------------------------------------------------

    def shown(self, record: Any) -> Any:
        """A record as the system tells it: with what was applied, and what is left."""
        if isinstance(record, Invoice) and record.status is Status.OPEN:
            owed = self.owed(record)
            return evolve(record, status=Status.OPEN if owed > 0 else Status.SETTLED)
        if isinstance(record, CreditNote | Payment):
            own = record.ref.id
            puts = [
                put
                for put in self.put_to(own)
                if put.source.id == own or put.custom.get("payment") == own
            ]
            told = tuple(evolve(put, custom={}) for put in puts)
            if isinstance(record, CreditNote):
                return evolve(record, remaining=self.left(record), applications=told)
            return evolve(record, unapplied=self.left(record), applications=told)
        if isinstance(record, Application):
            return evolve(record, custom={})  # as its payment or credit note tells it
        return record

    def level(self, invoice: Invoice) -> Settlement:
        """The money of an invoice."""
        owed, status = self.owed(invoice), invoice.status
        if status is Status.OPEN and owed <= 0:
            status = Status.SETTLED
        shown = Settlement(
            invoice.ref,
            invoice.number,
            invoice.currency,
            invoice.total,
            owed,
            status,
            customer=invoice.customer,
            on=invoice.on,
            changed_at=invoice.changed_at,
            version=invoice.version,
        )
        if self.levels:
            paid = self.shown_paid(invoice)
            parts = {Part.CASH: paid.amount}
            return evolve(
                shown, settled_by=parts, paid_on=paid.on, last_on=paid.last_on
            )
        puts = list(self.puts(invoice=invoice.ref.id))
        parts = {
            part: sum((put.amount for put in puts if put.how is part), ZERO)
            for part in (Part.CASH, Part.CREDIT)
        }
        days = [(put.on, put.amount) for put in puts]
        return evolve(
            shown,
            settled_by=parts,
            paid_on=settled_day(invoice.total, days, invoice.on),
            last_on=max((put.on for put in puts), default=None),
        )

    def posting(self, invoice: Invoice) -> Posting:
        """Whether an invoice was handed over."""
        ref = Ref(self.connection, Posting.__name__, invoice.ref.id)
        return Posting(ref, invoice.number, self.posted.get(invoice.ref.id))

    # What is written ----------------------------------------------------------------------

    def put(self, record: Any) -> Any:
        """Make or replace a record, as the rules allow; as it is kept."""
        kept = self._normalised(record)
        self._check_number(kept)
        if isinstance(kept, Invoice | CreditNote):
            self._check_owner(kept.customer)
            self._check_busy(kept)
        return self._keep(evolve(kept, carry=None))

    def apply(self, put: Application) -> Application:
        """Apply a payment or a credit to an invoice, or a payment's fee to itself."""
        by_cash = put.source.kind == Payment.__name__
        source = self.get(put.source, Payment if by_cash else CreditNote)
        if put.amount <= 0 or put.amount > self.left(source):
            raise Fault(Code.REFUSED, f"{self.left(source)} is left of it")
        invoice = None
        if put.target != put.source:
            invoice = self.get(put.target, Invoice)
            self._check_put(put, invoice, source)
        kept: Application = self._keep(evolve(put, live=True, carry=None))
        self._touch(invoice, source, self._made_with(put))
        return kept

    def unapply(self, ref: Ref) -> None:
        """Take an application back."""
        put = self.get(ref, Application)
        if not put.live:
            return
        self._keep(evolve(put, live=False))
        self._touch(
            self.of(Invoice).get(put.target.id),
            self.of(Payment).get(put.source.id),
            self.of(CreditNote).get(put.source.id),
            self._made_with(put),
        )

    def _made_with(self, put: Application) -> Payment | None:
        """The payment together with which a credit was applied, if any."""
        return self.of(Payment).get(str(put.custom.get("payment", "")))

    def pay(self, payment: Payment) -> Payment:
        """Record a payment with what it is put to, or change one: all of it or nothing."""
        self._check_owner(payment.customer)
        bare = evolve(payment, applications=(), unapplied=None, carry=None)
        puts = [put for put in payment.applications if put.live]
        self._check_payment(payment, puts)
        for old in list(self.puts(source=bare.ref.id)):
            if old.how is not Part.CREDIT:
                self.unapply(old.ref)
        self._keep(evolve(bare, status=Status.OPEN))
        for put in puts:
            self._revision += 1
            own = f"{bare.ref.id}:{put.target.id}"
            if own in self.of(Application):
                own = f"{own}:{self._revision}"  # applied again is applied anew
            ref = Ref(self.connection, Application.__name__, own)
            to = bare.ref if put.target == payment.ref else put.target
            self.apply(evolve(put, ref=ref, source=bare.ref, target=to))
        return self.of(Payment)[bare.ref.id]  # type: ignore[no-any-return]

    def void(self, ref: Ref, kind: RecordType) -> None:
        """Take a record back."""
        record = self.get(ref, kind)
        if kind is Application:
            self.unapply(ref)
            return
        if kind is Customer:
            self.put(evolve(record, active=False))
            return
        if kind is Payment:
            for put in list(self.puts(source=ref.id)):
                self.unapply(put.ref)
        busy = list(self.puts(invoice=ref.id)) + list(self.puts(source=ref.id))
        if busy:
            raise Fault(Code.REFUSED, "something is applied to it")
        self._keep(evolve(self.get(ref, kind), status=Status.VOID))

    def show(self, level: Settlement) -> None:
        """Set what is shown as paid of an invoice, where that is a field of it."""
        invoice = self.get(level.ref, Invoice)
        if invoice.status is Status.VOID and level.paid:
            raise Fault(Code.REFUSED, "it is void")
        self.paid[level.ref.id] = Paid(level.paid, level.paid_on, level.last_on)
        self._touch(invoice)
        self.writes += 1

    def post(self, invoice: str, at: datetime | None) -> None:
        """Set or clear that an invoice was handed over."""
        self.get(self.ref(Invoice, invoice), Invoice)
        if at is None:
            self.posted.pop(invoice, None)
        else:
            self.posted[invoice] = at
        self.writes += 1

    def _keep(self, record: Any) -> Any:
        """Write a record down, as of now and in a version of its own."""
        self._stamp(record)
        self.writes += 1
        return self.of(type(record))[record.ref.id]

    def _touch(self, *records: Record | None) -> None:
        """Records whose money moved show it by their change time."""
        for record in records:
            if record is not None:
                self._stamp(record)

    def _stamp(self, record: Any) -> None:
        self._revision += 1
        self.made_at.setdefault(record.ref.id, self.now())
        kept = evolve(record, changed_at=self.now(), version=str(self._revision))
        held = self.of(type(record))
        if isinstance(record, Application) and record.ref.id not in held:
            self._index(record)
        held[record.ref.id] = kept

    def _normalised(self, record: Any) -> Any:
        """A record with its texts as this system keeps them; never a number or a mark."""
        if isinstance(record, Customer):
            return evolve(record, name=self.normalise(record.name))
        if isinstance(record, Invoice | CreditNote):
            lines = tuple(
                evolve(line, description=self.normalise(line.description))
                for line in record.lines
            )
            return evolve(record, lines=lines)
        return record

    def _check_number(self, record: Any) -> None:
        number = getattr(record, "number", "")
        if len(number) > self.number_limit:
            raise Fault(
                Code.REFUSED, f"a number has at most {self.number_limit} characters"
            )
        if not self.unique or not number or isinstance(record, Payment):
            return
        for other in self.of(type(record)).values():
            dead = getattr(other, "status", None) is Status.VOID
            if other.number == number and other.ref.id != record.ref.id and not dead:
                raise Fault(Code.DUPLICATE_NUMBER, f"{number} is {other.ref.id}")

    def _check_busy(self, record: Any) -> None:
        """What is void, or what something is applied to, cannot become just anything."""
        held = self.of(type(record)).get(record.ref.id)
        if held is None:
            return
        if held.status is Status.VOID:
            raise Fault(Code.REFUSED, "it is void")
        own = record.ref.id
        puts = [*self.puts(invoice=own), *self.puts(source=own)]
        if not puts:
            return
        used = sum((put.amount for put in puts), ZERO)
        same = (held.currency, held.customer) == (record.currency, record.customer)
        if not same or record.total < used:
            raise Fault(Code.REFUSED, f"{used} of it is applied")

    def _check_payment(self, payment: Payment, puts: list[Application]) -> None:
        """A payment is put to what is owed, by no more than it is, and to no more."""
        held = self.of(Payment).get(payment.ref.id)
        if held is not None and held.status is Status.VOID:
            raise Fault(Code.REFUSED, "it is void")
        applied = sum((put.amount for put in puts), ZERO)
        if payment.amount <= 0 or applied > payment.amount:
            raise Fault(Code.REFUSED, "more is put to invoices than was paid")
        most = self.invoices_per_payment
        if most is not None and len(puts) > most:
            raise Fault(Code.REFUSED, f"a payment is put to {most} invoice")
        own = {old.target.id: old.amount for old in self.puts(source=payment.ref.id)}
        for put in puts:
            if put.target == payment.ref:
                continue  # a fee
            invoice = self.get(put.target, Invoice)
            self._check_put(put, invoice, payment, own.get(put.target.id, ZERO))

    def _check_put(
        self,
        put: Application,
        invoice: Invoice,
        source: Payment | CreditNote,
        own: Decimal = ZERO,
    ) -> None:
        """An invoice is paid by its own customer, in its currency, up to what is owed."""
        if put.amount <= 0 or put.amount > self.owed(invoice) + own:
            raise Fault(Code.REFUSED, f"{self.owed(invoice)} of it is owed")
        ends = (invoice.currency, invoice.customer), (source.currency, source.customer)
        if ends[0] != ends[1]:
            raise Fault(Code.REFUSED, "it is of another customer or currency")

    def _check_owner(self, ref: Ref | None) -> None:
        if ref is None:
            return
        if ref.connection != self.connection or ref.id not in self.of(Customer):
            raise Fault(Code.REFUSED, f"there is no customer {ref.id}")
