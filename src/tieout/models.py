"""
The nouns: seven kinds of records, what refers to them, and what was agreed of them.

All are frozen values. Nothing here reads, writes or compares two systems. Amounts are
exact decimals in the record's own ``currency``; dates are the business's calendar days;
instants are aware and in UTC.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar

from attrs import Attribute, evolve, field, fields, frozen

from tieout.errors import Code, Fault
from tieout.money import EXACT, ZERO, Money


class Status(Enum):
    """Where a document is in its life."""

    DRAFT = "draft"
    """No effect on the ledger yet."""
    OPEN = "open"
    """Posted, and something is owed."""
    SETTLED = "settled"
    """Posted, and nothing is owed."""
    VOID = "void"
    """Taken back."""

    @property
    def counts(self) -> bool:
        """Whether such a document stands in the books: neither a draft nor taken back."""
        return self not in (Status.DRAFT, Status.VOID)


class Part(Enum):
    """By what an invoice was settled."""

    CASH = "cash"
    """Payments, and prepayments and overpayments that were applied to it."""
    CREDIT = "credit"
    DISCOUNT = "discount"
    WITHHOLDING = "withholding"
    WRITE_OFF = "write-off"
    OTHER = "other"

    # Members are single: the hash of `Enum` itself is computed in Python at each look-up.
    __hash__ = object.__hash__


class Basis(Enum):
    """What a paid date rests on."""

    LEDGER_FIELD = "the ledger's own field"
    APPLICATIONS = "the dates of the applications"
    LAST_RECEIPT = "the last receipt"
    OBSERVED = "the day it was first seen"


def _aware(_: Any, attribute: Attribute[Any], value: datetime | None) -> None:
    if value is not None and value.tzinfo is None:
        raise Fault(
            Code.BAD_DATE,
            f"{attribute.name}: an instant without a time zone",
            field=attribute.name,
        )


def _utc(value: datetime | None) -> datetime | None:
    aware = value is not None and value.tzinfo is not None
    return value.astimezone(UTC) if aware and value else value


def instant(*, volatile: bool = True) -> Any:
    """A field for an aware instant or None; stored in UTC."""
    return field(
        default=None,
        converter=_utc,
        validator=_aware,
        metadata={"volatile": volatile},
    )


_VOLATILE = {"volatile": True}
"""Marks fields that may change although nothing of interest did."""

Scalar: TypeAlias = str | Decimal | date | bool
Custom: TypeAlias = Mapping[str, Scalar]


@frozen
class Ref:
    """
    Which record it is: (connection, kind, id).

    The id is the one that stays; ``aliases`` are today's handles and do not take part in
    comparisons. ``kind`` is the name of a record class; the money of an invoice
    (`Settlement`) is referred to by the invoice.
    """

    connection: str
    kind: str
    id: str
    aliases: tuple[str, ...] = field(default=(), eq=False)

    def __str__(self) -> str:
        return f"{self.connection} {self.kind} {self.id}"


@frozen
class Line:
    """One line of a document; ``amount`` without tax, in the document's currency."""

    description: str = ""
    amount: Decimal = ZERO
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    tax: Decimal | None = None
    tax_code: str = ""
    account: str = ""
    item: str = ""
    dimensions: Mapping[str, str] = field(factory=dict)
    custom: Custom = field(factory=dict)


@frozen
class Customer:
    """Who owes."""

    ref: Ref
    name: str
    number: str = ""
    email: str = ""
    currency: str = ""
    active: bool = True
    parent: Ref | None = None
    changed_at: datetime | None = instant()
    version: str = field(default="", metadata=_VOLATILE)
    custom: Custom = field(factory=dict)
    carry: Any = field(default=None, eq=False, repr=False, metadata=_VOLATILE)


@frozen
class Invoice:
    """A bill as a document; ``total`` with tax."""

    ref: Ref
    number: str
    customer: Ref | None
    currency: str
    on: date
    total: Decimal
    status: Status
    reference: str = ""
    due: date | None = None
    lines: tuple[Line, ...] = ()
    changed_at: datetime | None = instant()
    version: str = field(default="", metadata=_VOLATILE)
    custom: Custom = field(factory=dict)
    carry: Any = field(default=None, eq=False, repr=False, metadata=_VOLATILE)


@frozen
class CreditNote:
    """
    Money taken off; amounts are positive.

    ``remaining`` is what is not yet applied, ``applications`` what was, as far as the
    system tells.
    """

    ref: Ref
    number: str
    customer: Ref | None
    currency: str
    on: date
    total: Decimal
    status: Status
    remaining: Decimal | None = None
    reference: str = ""
    lines: tuple[Line, ...] = ()
    applications: tuple[Application, ...] = ()
    changed_at: datetime | None = instant()
    version: str = field(default="", metadata=_VOLATILE)
    custom: Custom = field(factory=dict)
    carry: Any = field(default=None, eq=False, repr=False, metadata=_VOLATILE)


@frozen
class Application:
    """
    A part of a payment or a credit note put to an invoice.

    ``amount`` in the invoice's currency, ``source_amount`` in the payment's. ``how`` says
    what it settles by. An application that was undone has ``live`` false.
    """

    ref: Ref
    source: Ref
    target: Ref
    amount: Decimal
    currency: str
    on: date
    how: Part = Part.CASH
    live: bool = True
    source_amount: Decimal | None = None
    source_currency: str = ""
    changed_at: datetime | None = instant()
    version: str = field(default="", metadata=_VOLATILE)
    custom: Custom = field(factory=dict)
    carry: Any = field(default=None, eq=False, repr=False, metadata=_VOLATILE)


@frozen
class Payment:
    """Money received: ``amount`` = the source amounts of its applications + ``unapplied``."""

    ref: Ref
    customer: Ref | None
    currency: str
    on: date
    amount: Decimal
    status: Status
    number: str = ""
    reference: str = ""
    unapplied: Decimal | None = None
    applications: tuple[Application, ...] = ()
    method: str = ""
    account: str = ""
    changed_at: datetime | None = instant()
    version: str = field(default="", metadata=_VOLATILE)
    custom: Custom = field(factory=dict)
    carry: Any = field(default=None, eq=False, repr=False, metadata=_VOLATILE)

    @property
    def is_of_one(self) -> bool:
        """Whether all its money was put to one invoice, and nothing besides it."""
        puts = [put for put in self.applications if put.live]
        return len(puts) == 1 and (puts[0].amount, puts[0].currency, puts[0].how) == (
            self.amount,
            self.currency,
            Part.CASH,
        )


@frozen
class Settlement:
    """
    What is true of one invoice's money: a level, not an event.

    ``settled_by`` has only the parts that the system tells; a part that it does not tell
    is absent, never 0. Where all are known, total = sum of the parts + balance.
    ``paid_on`` is the day from which nothing was owed, ``last_on`` the last receipt.
    ``receipts`` are the ids of the payment records behind the cash part, in systems that
    keep payments as records of an invoice.
    """

    ref: Ref
    number: str
    currency: str
    total: Decimal
    balance: Decimal
    status: Status
    reference: str = ""
    customer: Ref | None = None
    on: date | None = None
    settled_by: Mapping[Part, Decimal] = field(factory=dict)
    paid_on: date | None = None
    last_on: date | None = None
    basis: Basis | None = None
    receipts: tuple[str, ...] = ()
    changed_at: datetime | None = instant()
    version: str = field(default="", metadata=_VOLATILE)
    custom: Custom = field(factory=dict)
    carry: Any = field(default=None, eq=False, repr=False, metadata=_VOLATILE)

    @property
    def settled(self) -> Decimal:
        """What is no longer owed, by whatever it was settled."""
        return EXACT.subtract(self.total, self.balance)

    @property
    def paid(self) -> Decimal:
        """The Paid Amount as a billing system shows it: its cash part, where it tells one."""
        cash = self.settled_by.get(Part.CASH)
        return self.settled if cash is None else cash

    def money(self, amount: Decimal) -> Money:
        """An amount in the settlement's currency."""
        return Money(amount, self.currency)


@frozen
class Posting:
    """That an invoice has been handed over to the ledger, and when."""

    ref: Ref
    number: str = ""
    on: datetime | None = instant(volatile=False)
    batch: str = ""
    changed_at: datetime | None = instant()
    version: str = field(default="", metadata=_VOLATILE)
    custom: Custom = field(factory=dict)
    carry: Any = field(default=None, eq=False, repr=False, metadata=_VOLATILE)


Record: TypeAlias = (
    Customer | Invoice | CreditNote | Payment | Application | Settlement | Posting
)
RecordType: TypeAlias = type[Any]
"""One of the seven kinds. (mypy does not take a ``type[R]`` for a type of the union.)"""

KINDS: Mapping[str, RecordType] = {
    kind.__name__: kind
    for kind in (
        Customer,
        Invoice,
        CreditNote,
        Payment,
        Application,
        Settlement,
        Posting,
    )
}
"""The record kinds by name."""

R = TypeVar("R", bound=Record)

FEE = "fee"
"""The role of the link between a payment and the invoice of its fee."""


@frozen
class Link:
    """
    That this record here is that record there.

    ``role`` tells several links of one record apart (``""``, ``fee``, ``apply:…``).
    ``version`` rises at each change that was carried over this link. ``agreed`` holds, by
    record kind, the fingerprint of what was last agreed. ``owned`` are the ids of payment
    records on the billing side that this library keeps. ``open`` says whether something
    was owed at the last look, ``seen_on`` the day of that look. ``released``: the ledger
    document was voided, and another may take its place. ``origin`` is the connection on
    which the record was made first, ``number`` the number by which people know it.
    """

    pair: str
    billing: Ref
    ledger: Ref
    role: str = ""
    version: int = 0
    origin: str = ""
    agreed: Mapping[str, str] = field(factory=dict)
    owned: tuple[str, ...] = ()
    open: bool = True
    released: bool = False
    seen_on: date | None = None
    number: str = ""

    def on(self, connection: str) -> Ref:
        """The record of the two that is on this connection."""
        return self.billing if self.billing.connection == connection else self.ledger


def agreed_as(kind: str, connection: str) -> str:
    """
    The key in `Link.agreed` of what was agreed of a document.

    By the connection that asked for it: where both sides ask, each has its own.
    """
    return f"{kind} {connection}"


def fingerprint(record: Record) -> str:
    """
    A short hash of all that matters in a record, the same for equal values.

    Versions, change times and the connector's own luggage do not matter; 1.5 and 1.50 are
    equal. 16 hexadecimal digits: among a million records two meet by chance once in
    thirty million.
    """
    values = [
        value if type(value) in _AS_IT_IS else _canon(value)
        for value in _lasting(type(record))(record)
    ]
    return hashlib.blake2b(repr(values).encode(), digest_size=8).hexdigest()


def uncarried(agreed: str) -> str:
    """
    What is remembered of a document whose change was seen, and is not carried by the rules.

    It is not what was agreed: under other rules, or by hand, it is still to be carried.
    """
    return f"{agreed} not carried"


def as_made(record: R) -> R:
    """
    A document without what became of its money since: what was paid or applied.

    What is agreed of an invoice or credit note is the fingerprint of this. A payment's
    applications are its content, and stay.
    """
    settled = getattr(record, "status", None) is Status.SETTLED
    if isinstance(record, Invoice) and settled:
        return evolve(record, status=Status.OPEN)
    if isinstance(record, CreditNote):
        status = Status.OPEN if settled else record.status
        return evolve(record, status=status, remaining=None, applications=())
    return record


_LASTING: dict[RecordType, Callable[[Any], tuple[Any, ...]]] = {}


def _lasting(kind: RecordType) -> Callable[[Any], tuple[Any, ...]]:
    """What takes out of a record of this kind all values that matter."""
    found = _LASTING.get(kind)
    if found is None:
        names = [e.name for e in fields(kind) if not e.metadata.get("volatile")]
        found = _LASTING[kind] = attrgetter(*names)
    return found


def _canon_mapping(value: Mapping[Any, Any]) -> Any:
    if len(value) < 2:  # noqa: PLR2004 - nothing to put in order
        return [[_canon(key), _canon(item)] for key, item in value.items()]
    return sorted([_canon(key), _canon(item)] for key, item in value.items())


_AS_IT_IS = frozenset({str, bool, int, type(None)})
_CANON: dict[type, Callable[[Any], Any]] = {
    Decimal: lambda value: str(value.normalize(EXACT) or ZERO),
    date: date.isoformat,
    datetime: datetime.isoformat,
    Ref: lambda value: [value.connection, value.kind, value.id],
    dict: _canon_mapping,
    tuple: lambda value: [_canon(item) for item in value],
    Status: lambda value: value.name,
    Part: lambda value: value.name,
    Basis: lambda value: value.name,
}


def _canon(value: Any) -> Any:
    if type(value) in _AS_IT_IS:
        return value
    known = _CANON.get(type(value))
    if known is not None:
        return known(value)
    if isinstance(value, Mapping):
        return _canon_mapping(value)
    return [_canon(each) for each in _lasting(type(value))(value)]


def settled_day(
    total: Decimal,
    settling: Iterable[tuple[date, Decimal]],
    not_before: date | None = None,
) -> date | None:
    """
    The first day from which the balance stays nothing, or None while something is owed.

    ``settling`` are the live applications, each with the day it takes effect and its
    amount (negative where it takes back), in any order. A day before the invoice's own
    counts as the invoice's (``not_before``): it was a prepayment.
    """
    owed = total
    by_day: dict[date, Decimal] = {}
    for day, part in settling:
        effective = max(day, not_before) if not_before else day
        by_day[effective] = by_day.get(effective, ZERO) + part
    since: date | None = None if owed > 0 else not_before
    for day in sorted(by_day):
        owed -= by_day[day]
        since = None if owed > 0 else (since or day)
    return since


def clean_number(text: str) -> str:
    """A document number as it is compared: NFC, without outer white space."""
    return (text if text.isascii() else unicodedata.normalize("NFC", text)).strip()


NUMBER_MAX = 255
"""The longest document number or id of all systems; a longer text is not one."""

_UNSEEN = ("C", "Zl", "Zp")
"""Beginnings of the Unicode categories of what cannot be seen, or turns text around."""


def is_name(text: str) -> bool:
    """Whether a text can be a number or an id: not empty, short, and all of it to be seen."""
    if not 0 < len(text) <= NUMBER_MAX:
        return False
    if text.isascii() and text.isprintable():
        return True
    return not any(unicodedata.category(each).startswith(_UNSEEN) for each in text)


def visible(text: str) -> str:
    """A text in one line that hides nothing: other characters are escaped."""
    if text.isprintable():
        return text
    shown = (
        e if e.isprintable() else e.encode("unicode_escape").decode() for e in text
    )
    return "".join(shown)
