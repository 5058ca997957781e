"""
What one fake Sage Intacct company keeps: its records, and the tables they stand in.

Every record is frozen and replaced as a whole; a table can take back what was done to it.
No rule of the business is here, and nothing of XML.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Generic, Protocol, TypeVar

INVOICE, ADJUSTMENT = "ARINVOICE", "ARADJUSTMENT"
RECEIPT, ADVANCE, APPLIED_OVERPAYMENT = "rp", "rr", "ro"
FROM_RECEIVABLES, FROM_ORDERS = "4.AR", "8.SO"
DRAFT, COMPLETE, VOIDED, REVERSAL = "D", "C", "V", "R"
"""States of a payment. The sheet knows the first two; the others are ours."""
CASH, CREDIT_MEMO, INLINE, ADVANCED, OVERPAID, NEGATIVE, DISCOUNT = (
    "PAYMENT",
    "ADJUSTMENT",
    "INLINE",
    "POSTEDADVANCE",
    "POSTEDOVERPAYMENT",
    "NEGATIVEINVOICE",
    "DISCOUNT",
)
"""Where the money of an application comes from, as in ``TRX_<source>AMOUNT``."""

ZERO = Decimal(0)
CENT = Decimal("0.01")
"""Intacct rounds every amount to two places, whatever the currency."""
_WIDE = Context(prec=60)
"""Products of the longest numbers that are read still fit."""

GENERIC, DUPLICATE, DUPLICATE_CONTACT = "BL01001973", "BL34000061", "PL05000104"
OVER_APPLIED, NO_UNDEPOSITED = "XL03000027", "BL02000051"
CATCH_ALL = "DL02000001"


@dataclass(frozen=True, slots=True)
class Problem:
    """One ``<error>`` of a reply: errorno, description2, description and correction."""

    number: str
    text: str
    description: str = ""
    correction: str = ""


class Refusal(Exception):
    """A function that was refused; ``data`` is what was carried out nevertheless."""

    def __init__(self, *problems: Problem, data: Any = None) -> None:
        super().__init__(problems[0].text)
        self.problems = problems
        self.data = data


def refusal(number: str, text: str, description: str = "") -> Refusal:
    """One problem, to be raised."""
    return Refusal(Problem(number, text, description))


def wrong(text: str) -> Refusal:
    """A refusal under the number that Intacct uses for nearly everything."""
    return refusal(GENERIC, text)


def cents(value: Decimal) -> Decimal:
    """An amount as Intacct keeps it."""
    return value.quantize(CENT, ROUND_HALF_UP, _WIDE)


@dataclass(frozen=True, slots=True)
class Contact:
    """A person or address; ``fields`` by the vendor's names, ``MAILADDRESS.CITY`` too."""

    recordno: int
    name: str
    created: datetime
    modified: datetime
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer; the contacts are names, ``listed`` pairs of category and name."""

    recordno: int
    id: str
    name: str
    created: datetime
    modified: datetime
    active: bool = True
    contacts: Mapping[str, str] = field(default_factory=dict)
    listed: tuple[tuple[str, str], ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    entity: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, signed as its document; ``fields`` by the vendor's names."""

    recordno: int
    amount: Decimal
    paid: Decimal = ZERO
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def open(self) -> Decimal:
        """What of it is not settled."""
        return self.amount - self.paid


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What AR documents and order entry transactions have in common."""

    recordno: int
    kind: str
    number: str
    customer: str
    on: date
    due: date
    currency: str
    rate: Decimal
    lines: tuple[Line, ...]
    created: datetime
    modified: datetime
    reference: str = ""
    description: str = ""
    external: str = ""
    term: str = ""
    bill_to: str = ""
    custom: Mapping[str, str] = field(default_factory=dict)
    entity: str = ""

    @property
    def total(self) -> Decimal:
        """What it is over."""
        return sum((line.amount for line in self.lines), ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(Paper):
    """An AR invoice or adjustment; an adjustment below zero is a credit memo."""

    posted: date
    status: str = "Posted"
    paid_on: date | None = None
    module: str = FROM_RECEIVABLES
    order: str = ""

    @property
    def paid(self) -> Decimal:
        """What was paid or applied, signed as the total."""
        return sum((line.paid for line in self.lines), ZERO)

    @property
    def open(self) -> Decimal:
        """What is still to be settled; nothing of a reversed one."""
        return self.total - self.paid if self.status in {"Posted", "Draft"} else ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Paper):
    """An order entry transaction; ``record`` is the AR record that it made."""

    state: str = "Pending"
    origin: str = ""
    record: int | None = None

    @property
    def docid(self) -> str:
        """The id that outlives every edit."""
        return f"{self.kind}-{self.number}"


@dataclass(frozen=True, slots=True)
class Payment:
    """Money received, or (with an amount of zero) the application of credits alone."""

    recordno: int
    type: str
    customer: str
    on: date
    amount: Decimal
    currency: str
    rate: Decimal
    created: datetime
    modified: datetime
    method: str = "Cash"
    account: str = ""
    undeposited: str = ""
    batch: str = ""
    number: str = ""
    description: str = ""
    payer: str = ""
    state: str = COMPLETE
    parent: int | None = None
    entity: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """What is asked to be applied: to ``target``, and to its line ``entry`` if given."""

    target: int
    amount: Decimal
    kind: str = CASH
    source: int | None = None
    entry: int | None = None
    is_memo: bool = False
    """The target is a debit memo and not an invoice."""


@dataclass(frozen=True, slots=True)
class Detail:
    """A part of a payment or credit that settles one line of one document."""

    recordno: int
    payment: int
    part: Part
    on: date
    created: datetime
    modified: datetime
    state: str = COMPLETE


@dataclass(frozen=True, slots=True)
class Access:
    """One entry of the audit history."""

    recordno: int
    object: str
    key: str
    mode: str
    at: datetime
    source: str


class Record(Protocol):
    """What a table holds."""

    @property
    def recordno(self) -> int: ...


R = TypeVar("R", bound=Record)


class Table(Generic[R]):
    """The records of one kind by RECORDNO and by further keys; how to go back is logged."""

    def __init__(
        self,
        log: list[Callable[[], None]],
        keys: Callable[[R], Sequence[object]] = lambda _: (),
    ) -> None:
        self.rows: dict[int, R] = {}
        self._log = log
        self._keys = keys
        self._index: dict[object, dict[int, None]] = {}

    def put(self, record: R) -> R:
        """Add or replace a record."""
        before = self.rows.get(record.recordno)
        self._log.append(lambda: self._set(record.recordno, before))
        self._set(record.recordno, record)
        return record

    def drop(self, record: R) -> None:
        """Take a record away."""
        self._log.append(lambda: self._set(record.recordno, record))
        self._set(record.recordno, None)

    def _set(self, key: int, record: R | None) -> None:
        before = self.rows.get(key)
        for word in self._keys(before) if before else ():
            self._index[word].pop(key, None)
        if record is None:
            self.rows.pop(key, None)
            return
        self.rows[key] = record
        for word in self._keys(record):
            self._index.setdefault(word, {})[key] = None

    def having(self, word: object) -> list[R]:
        """The records under a further key."""
        return [self.rows[key] for key in self._index.get(word, ())]

    def first(self, word: object) -> R | None:
        """The oldest record under a further key."""
        return next(iter(self.having(word)), None)
