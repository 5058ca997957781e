"""
What one side says of one record, cut down to what is verified, and as a row of text.

A million of them lie on disk while two sides are compared. Nothing here compares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from attrs import evolve, field, frozen

from tieout.change import Issue
from tieout.errors import Code
from tieout.evidence import marks_in
from tieout.models import (
    CreditNote,
    Invoice,
    Part,
    Payment,
    Record,
    Settlement,
    Status,
    as_made,
    clean_number,
    fingerprint,
)
from tieout.money import ZERO
from tieout.settings import Side


@frozen
class Put:
    """
    A part of a payment or credit, and the id of its invoice.

    A fee has no invoice on the side of its payment: it is put to the payment itself.
    ``own`` is the id of the part.
    """

    target: str
    amount: Decimal
    fee: bool = False
    own: str = ""

    @property
    def key(self) -> str:
        """The target among those of all kinds: a payment may have the id of an invoice."""
        return fee_key(self.target) if self.fee else self.target


def fee_key(payment: str) -> str:
    """What the fee of a payment is put to, by the payment's id."""
    return f"fee {payment}"


@frozen
class Entry:
    """
    What one side says of one record, as far as it is verified, and what is known of it.

    ``puts`` are None where the side does not tell them; ``legs`` are the fingerprints of
    all that a credit was ever put to, by id. ``owner`` is the other side's id of the
    customer, where the two sides' are tied, and ``called`` the customer's name; ``tie`` is
    what the record has in common with its counterpart, "" where it is tied to none.
    ``fee``: it is the invoice of a payment's fee. ``problem``: it could not be read.
    ``state`` is the fingerprint by which issues and writes know the record as it is,
    ``marks`` are those of its texts that look like marks of ours, and ``ours`` is where the
    write stands whose mark it is.
    """

    side: Side
    id: str
    number: str = ""
    currency: str = ""
    status: Status = Status.OPEN
    total: Decimal = ZERO
    customer: str = ""
    reference: str = ""
    on: date | None = None
    balance: Decimal = ZERO
    parts: Mapping[Part, Decimal] = field(factory=dict)
    paid_on: date | None = None
    last_on: date | None = None
    puts: tuple[Put, ...] | None = None
    legs: Mapping[str, str] = field(factory=dict)
    problem: Code | None = None
    text: str = ""
    owner: str = ""
    called: str = ""
    tie: str = ""
    fee: bool = False
    state: str = ""
    marks: tuple[str, ...] = ()
    ours: str = ""

    @property
    def live(self) -> bool:
        """Whether it counts: neither void nor a draft, or nobody knows."""
        return self.status.counts or self.problem is not None

    def now(self, told: Entry) -> Entry:
        """What its side says of it now, with what is known of it."""
        return evolve(
            told,
            owner=self.owner,
            called=self.called,
            tie=self.tie,
            fee=self.fee,
            ours=self.ours,
        )


def entry(record: Record, side: Side) -> Entry:
    """What is verified of a record."""
    owner = getattr(record, "customer", None)
    shared: dict[str, Any] = {
        "number": clean_number(getattr(record, "number", "")),
        "customer": owner.id if owner else "",
    }
    match record:
        case Settlement():
            shared.update(
                reference=clean_number(record.reference),
                total=record.total,
                balance=record.balance,
                parts=record.settled_by,
                paid_on=record.paid_on,
                last_on=record.last_on,
            )
        case Invoice():
            shared.update(total=record.total)
        case CreditNote():
            shared.update(total=record.total, puts=_puts(record, record.remaining))
            legs = {put.ref.id: fingerprint(put) for put in record.applications}
            shared.update(legs=legs)
        case Payment():
            shared.update(total=record.amount, puts=_puts(record, record.unapplied))
        case _:
            raise TypeError(f"a {type(record).__name__} is not verified")
    return Entry(
        side,
        record.ref.id,
        currency=record.currency,
        status=record.status,
        on=record.on,
        state=fingerprint(as_made(record)),
        marks=tuple(sorted(marks_in(record))),
        **shared,
    )


def _puts(record: CreditNote | Payment, left: Decimal | None) -> tuple[Put, ...] | None:
    """
    What a payment's own money, or a credit, is put to; None where not all of it is told.

    Some systems tell what is ``left`` of a document, and not where the rest went.
    """
    credit = isinstance(record, CreditNote)
    total = record.total if isinstance(record, CreditNote) else record.amount
    live = [
        put
        for put in record.applications
        if put.live and (credit or put.how is not Part.CREDIT)
    ]
    gone = sum((put.source_amount or put.amount for put in live), ZERO)
    if (not live and left is None) or (left is not None and gone != total - left):
        return None
    return tuple(
        Put(record.ref.id, put.amount, fee=True, own=put.ref.id)
        if put.how is Part.OTHER
        else Put(put.target.id, put.amount, own=put.ref.id)
        for put in live
    )


def unreadable(issue: Issue, side: Side) -> Entry:
    """A record of which nothing is known but that it is there."""
    source, numbers = issue.source, issue.numbers
    number = clean_number(numbers[0]) if numbers else ""
    return Entry(
        side,
        source.id if source else "",
        number,
        problem=issue.code,
        text=issue.text or issue.code.meaning,
    )


# As rows of text ----------------------------------------------------------------------


def packed(entry: Entry) -> list[Any]:
    """An entry as what JSON can hold."""
    return [
        entry.side,
        entry.id,
        entry.number,
        entry.currency,
        entry.status.name,
        str(entry.total),
        entry.customer,
        entry.reference,
        day_text(entry.on),
        str(entry.balance),
        {part.name: str(amount) for part, amount in entry.parts.items()},
        day_text(entry.paid_on),
        day_text(entry.last_on),
        [[put.target, str(put.amount), put.fee, put.own] for put in entry.puts]
        if entry.puts is not None
        else None,
        dict(entry.legs),
        entry.problem.name if entry.problem else None,
        entry.text,
        entry.owner,
        entry.called,
        entry.tie,
        entry.fee,
        entry.state,
        entry.marks,
        entry.ours,
    ]


def unpacked(row: Sequence[Any]) -> Entry:
    """The entry that `packed` was given."""
    side, own, number, currency, status, total, customer, reference, on = row[:9]
    balance, parts, paid_on, last_on, puts, legs, problem = row[9:16]
    text, owner, called, tie, fee, state, marks, ours = row[16:]
    return Entry(
        side,
        own,
        number,
        currency,
        Status[status],
        Decimal(total),
        customer,
        reference,
        _read_day(on),
        Decimal(balance),
        {Part[name]: Decimal(amount) for name, amount in parts.items()},
        _read_day(paid_on),
        _read_day(last_on),
        tuple(Put(to, Decimal(amount), fee, own) for to, amount, fee, own in puts)
        if puts is not None
        else None,
        legs,
        Code[problem] if problem else None,
        text,
        owner,
        called,
        tie,
        fee,
        state,
        tuple(marks),
        ours,
    )


def day_text(day: date | None) -> str:
    """A day as text, "" for none."""
    return day.isoformat() if day else ""


def _read_day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
