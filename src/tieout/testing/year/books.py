"""
The books of one system: customers, documents, payments and applications, by hard rules.

They refuse what a ledger refuses: a second document of a number, more applied than is
owed, a void of what is paid. They know nothing of connectors, engines or marks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from attrs import define, evolve, field

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


@define
class Books:
    """
    What one system holds. ``normalise`` is what it does to every name and description;
    ``number_limit`` how long a number it takes; ``unique`` whether numbers are.
    """

    connection: str
    now: Callable[[], datetime]
    normalise: Callable[[str], str] = as_it_is
    unique: bool = True
    number_limit: int = 50
    records: dict[RecordType, dict[str, Any]] = field(factory=dict)
    posted: dict[str, datetime] = field(factory=dict)
    told: dict[str, Settlement] = field(factory=dict)
    """The levels that were written, by invoice: they stand before what is computed."""
    writes: int = 0
    _serial: int = 0

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
        for put in self.of(Application).values():
            if not put.live:
                continue
            if (invoice and put.target.id == invoice) or (
                source and put.source.id == source
            ):
                yield put

    def owed(self, invoice: Invoice) -> Decimal:
        """What is still owed on an invoice."""
        if invoice.status in (Status.VOID, Status.DRAFT):
            return ZERO
        paid = sum((put.amount for put in self.puts(invoice=invoice.ref.id)), ZERO)
        return invoice.total - paid

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
            puts = [
                put
                for put in self.of(Application).values()
                if put.source.id == record.ref.id
                or put.custom.get("payment") == record.ref.id
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
        puts = list(self.puts(invoice=invoice.ref.id))
        owed = self.owed(invoice)
        parts = {
            part: sum((put.amount for put in puts if put.how is part), ZERO)
            for part in (Part.CASH, Part.CREDIT)
        }
        status = invoice.status
        if status is Status.OPEN and owed <= 0:
            status = Status.SETTLED
        days = [(put.on, put.amount) for put in puts]
        told = self.told.get(invoice.ref.id)
        if told is not None:
            return evolve(told, changed_at=invoice.changed_at)
        return Settlement(
            invoice.ref,
            invoice.number,
            invoice.currency,
            invoice.total,
            owed,
            status,
            customer=invoice.customer,
            on=invoice.on,
            settled_by=parts,
            paid_on=settled_day(invoice.total, days, invoice.on),
            last_on=max((put.on for put in puts), default=None),
            changed_at=invoice.changed_at,
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
        kept = evolve(kept, changed_at=self.now(), carry=None)
        self.of(type(kept))[kept.ref.id] = kept
        self.writes += 1
        return kept

    def apply(self, put: Application) -> Application:
        """Apply a payment or a credit to an invoice, or a payment's fee to itself."""
        by_cash = put.source.kind == Payment.__name__
        source = self.get(put.source, Payment if by_cash else CreditNote)
        invoice = None
        if put.target != put.source:
            invoice = self.get(put.target, Invoice)
            if put.amount > self.owed(invoice):
                raise Fault(Code.REFUSED, f"{self.owed(invoice)} is owed")
        if put.amount <= 0 or put.amount > self.left(source):
            raise Fault(Code.REFUSED, f"{self.left(source)} is left of it")
        kept = evolve(put, changed_at=self.now(), live=True, carry=None)
        self.of(Application)[put.ref.id] = kept
        self._touch(invoice, source)
        self.writes += 1
        return kept

    def unapply(self, ref: Ref) -> None:
        """Take an application back."""
        put = self.get(ref, Application)
        self.of(Application)[ref.id] = evolve(put, live=False, changed_at=self.now())
        source = self.of(Payment).get(put.source.id) or self.of(CreditNote).get(
            put.source.id
        )
        self._touch(self.of(Invoice).get(put.target.id), source)
        self.writes += 1

    def pay(self, payment: Payment) -> Payment:
        """Record a payment with what it is put to, or change one: all of it or nothing."""
        bare = self._normalised(evolve(payment, applications=(), unapplied=None))
        puts = [put for put in payment.applications if put.live]
        applied = sum((put.amount for put in puts), ZERO)
        if applied > payment.amount:
            raise Fault(Code.REFUSED, "more is put to invoices than was paid")
        held = list(self.puts(source=bare.ref.id))
        own = {put.target.id: put.amount for put in held}
        for put in puts:
            if put.target != payment.ref:
                owed = self.owed(self.get(put.target, Invoice))
                if put.amount > owed + own.get(put.target.id, ZERO):
                    raise Fault(Code.REFUSED, f"{put.target.id} is owed less")
        for old in held:
            self.unapply(old.ref)
        self.of(Payment)[bare.ref.id] = evolve(
            bare, status=Status.OPEN, changed_at=self.now(), carry=None
        )
        for put in puts:
            name = f"{bare.ref.id}:{put.target.id}"
            if name in self.of(Application):
                name = f"{name}:{self.writes}"  # applied again is applied anew
            ref = Ref(self.connection, "Application", name)
            self.apply(evolve(put, ref=ref, source=bare.ref))
        self.writes += 1
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
        self.of(kind)[ref.id] = evolve(
            record, status=Status.VOID, changed_at=self.now()
        )
        self.writes += 1

    def tell(self, level: Settlement) -> None:
        """Show a level of an invoice, as some systems let one write it."""
        invoice = self.get(level.ref, Invoice)
        self.told[level.ref.id] = evolve(level, version="", carry=None)
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

    def _touch(self, *records: Record | None) -> None:
        """Records whose money moved show it by their change time."""
        for record in records:
            if record is not None:
                now = self.now()
                kept: Any = evolve(record, changed_at=now)
                self.of(type(record))[record.ref.id] = kept

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

    def _check_owner(self, ref: Ref | None) -> None:
        if ref is None:
            return
        if ref.connection != self.connection or ref.id not in self.of(Customer):
            raise Fault(Code.REFUSED, f"there is no customer {ref.id}")
