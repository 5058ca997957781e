"""
What two sides come to, and a difference between them: its kind, its reason, its effect.

Values only: nothing here reads a system or a store, compares, or prints a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import Enum

from attrs import fields, frozen

from tieout.errors import Code, Severity
from tieout.models import RecordType, Ref, visible
from tieout.money import EXPONENTS, ZERO


class DifferenceKind(Enum):
    """
    What kind of difference there is: its ``meaning``, whether it is ``explained``, a remedy.

    The first seven say what differs and have no reason that is known; of the last three
    the reason is known, and `Difference.field` says what differs.
    """

    meaning: str
    explained: bool
    remedy: str

    MISSING_IN_LEDGER = (
        "Billing has it, the ledger does not.",
        False,
        "Sync it, or find out who took it out of the ledger.",
    )
    MISSING_IN_BILLING = (
        "The ledger has it, billing does not.",
        False,
        "Usual for what is made by hand in the ledger. If billing should have it, compare the numbers.",
    )
    STATUS = (
        "It is void or a draft on one side only.",
        False,
        "Void it on the other side too, or post it again.",
    )
    CURRENCY = (
        "It is in two currencies.",
        False,
        "Correct the currency on one side; nothing is ever converted.",
    )
    CUSTOMER = (
        "It belongs to two different customers.",
        False,
        "Correct the customer on one side, or how the two customers are tied.",
    )
    AMOUNT = (
        "An amount differs: the total, what was paid, or what it was put to.",
        False,
        "Sync it; where it stays, correct the amount on the side that is wrong.",
    )
    DATE = (
        "A date differs, the amounts agree.",
        False,
        "Sync it; where it stays, correct the date on the side that is wrong.",
    )
    IN_FLIGHT = (
        "It was being written or changed while both sides were read.",
        True,
        "Verify again once the write is settled.",
    )
    OPEN_ISSUE = (
        "An open issue says why it was not carried.",
        True,
        "See to the issue that is named.",
    )
    POLICY = (
        "The settings, what a system can hold, or a person want it so.",
        True,
        "Nothing to do; another setting would carry it.",
    )

    def __init__(self, meaning: str, explained: bool, remedy: str) -> None:
        self.meaning = meaning
        self.explained = explained
        self.remedy = remedy

    @property
    def word(self) -> str:
        """Its name as people read it."""
        return self.name.replace("_", " ").lower()


class Section(Enum):
    """From which records a statement is drawn up; sums of two sections never add."""

    LEVELS = "levels"
    """Invoices, each with what was credited, paid and otherwise taken off it."""
    DOCUMENTS = "documents"
    """Invoices, credit notes and payments as documents, whatever they are put to."""


@frozen
class Amounts:
    """
    What some records come to in one currency; what is open is what the others leave of it.

    ``adjustments`` are discounts, withheld tax, write-offs, and whatever else took off an
    invoice without being a payment or a credit.
    """

    invoices: Decimal = ZERO
    credits: Decimal = ZERO
    payments: Decimal = ZERO
    adjustments: Decimal = ZERO
    open: Decimal = ZERO

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.invoices + other.invoices,
            self.credits + other.credits,
            self.payments + other.payments,
            self.adjustments + other.adjustments,
            self.open + other.open,
        )

    def __neg__(self) -> Amounts:
        return Amounts(
            -self.invoices,
            -self.credits,
            -self.payments,
            -self.adjustments,
            -self.open,
        )

    def __sub__(self, other: Amounts) -> Amounts:
        return self + -other

    def __bool__(self) -> bool:
        return any(value for _, value in self.items())

    def items(self) -> Iterator[tuple[str, Decimal]]:
        """Each amount with its name."""
        for name in MEASURES:
            yield name, getattr(self, name)


MEASURES = tuple(each.name for each in fields(Amounts))
NOTHING = Amounts()


@frozen
class Shift:
    """By how much a difference moves a customer's sums: the ledger's less billing's."""

    currency: str
    customer: Ref | None
    amounts: Amounts


@frozen
class Difference:
    """
    One thing about one record that is not the same on both sides.

    ``about`` is the kind of record, ``field`` what differs of it ("" where the whole
    record is missing), ``in_billing`` and ``in_ledger`` what each side says. ``code`` and
    ``text`` are those of the issue or the rule that explains it, where there is one.
    ``shifts`` say what it does to the sums; a date does nothing.
    """

    kind: DifferenceKind
    about: RecordType
    number: str = ""
    billing: Ref | None = None
    ledger: Ref | None = None
    field: str = ""
    in_billing: str = ""
    in_ledger: str = ""
    shifts: tuple[Shift, ...] = ()
    code: Code | None = None
    text: str = ""

    @property
    def light(self) -> Severity:
        """Red for what nothing explains, and for what an issue explains that is red itself."""
        if not self.kind.explained:
            return Severity.RED
        issue = self.code if self.kind is DifferenceKind.OPEN_ISSUE else None
        red = issue is not None and issue.severity is Severity.RED
        return Severity.RED if red else Severity.YELLOW

    @property
    def name(self) -> str:
        """By what people know the record."""
        known = [self.number, *(ref.id for ref in (self.billing, self.ledger) if ref)]
        return next(filter(None, known), "?")

    def __str__(self) -> str:
        told = f"{self.kind.word} {self.name}"
        if self.field:
            values = (self.in_billing or "-", self.in_ledger or "-")
            told += f": {self.field} {values[0]} in billing, {values[1]} in the ledger"
        elif self.in_billing or self.in_ledger:
            told += f": {self.in_billing or self.in_ledger}"
        return visible(f"{told}. {self.text}" if self.text else told)


@frozen
class Balance:
    """What both sides come to, for one currency, and for one customer where one is named."""

    section: Section
    currency: str
    billing: Amounts = NOTHING
    ledger: Amounts = NOTHING
    customer: Ref | None = None
    name: str = ""

    @property
    def difference(self) -> Amounts:
        """The ledger's less billing's: the sum of the shifts of all differences."""
        return self.ledger - self.billing

    def __add__(self, other: Balance) -> Balance:
        return Balance(
            self.section,
            self.currency,
            self.billing + other.billing,
            self.ledger + other.ledger,
            self.customer,
            self.name or other.name,
        )


def in_figures(amount: Decimal, currency: str) -> str:
    """An amount as people read it, with all the decimals that it has."""
    usual = f"{amount:,.{EXPONENTS.get(currency, 2)}f}"
    return usual if Decimal(usual.replace(",", "")) == amount else f"{amount:,f}"


def in_money(amount: Decimal, currency: str) -> str:
    """An amount with its currency, as people read it."""
    return f"{in_figures(amount, currency)} {currency}"
