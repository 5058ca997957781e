"""
A tie-out certificate: what two sides come to, and every difference between them, classified.

A value that can be looked at, printed, saved and loaded. What may be long in it lies in a
file and is read as you go on. Nothing here reads a system, a store, or compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from itertools import takewhile
from pathlib import Path
from typing import Any

from attrs import field, fields, frozen

from tieout import codec
from tieout.errors import Code, ConfigError, Severity
from tieout.models import RecordType, Ref, visible
from tieout.money import EXPONENTS, ZERO
from tieout.plan import Seal
from tieout.sorting import Spool

FORMAT = 1
"""The version of the file; a newer one is refused, never half understood."""

TOLD_MAX = 50
"""Differences that a printed certificate tells: what is more is read from it in turn."""


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
        "The settings, or what a system can hold, want it so.",
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

    @property
    def light(self) -> Severity:
        """Red for what nothing explains."""
        return Severity.YELLOW if self.explained else Severity.RED


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


@frozen
class Scope:
    """
    What was verified, when, and how much of it there was.

    ``first`` and ``last`` are None where all dates were; ``read`` counts records by
    connection, ``unreadable`` those of which nobody knows what they say, ``compared``
    those that were found on both sides. ``ended_early`` says why
    the reading ended before its end; then nothing is certified.
    """

    pair: str
    billing: str
    ledger: str
    settings: str
    kinds: tuple[RecordType, ...]
    began_at: datetime
    ended_at: datetime
    first: date | None = None
    last: date | None = None
    read: Mapping[str, int] = field(factory=dict)
    unreadable: int = 0
    compared: int = 0
    counts: Mapping[str, int] = field(factory=dict)
    complete: bool = True
    code: Code | None = None
    ended_early: str = ""
    format: int = FORMAT


@frozen
class Certificate:
    """
    What `Engine.verify` found: sums of both sides, and each difference with its reason.

    ``totals`` are the sums of each currency; ``run`` is the name of the run, "" for one
    that was loaded. ``digest`` covers every line: of two certificates of one digest, each
    says what the other says.
    """

    scope: Scope
    totals: tuple[Balance, ...]
    digest: str
    run: str = ""
    _spool: Spool = field(kw_only=True, repr=False, eq=False, alias="spool")
    _begins: tuple[int, int] = field(kw_only=True, repr=False, eq=False, alias="begins")

    @property
    def complete(self) -> bool:
        """Whether both sides were read to their end."""
        return self.scope.complete

    @property
    def unexplained(self) -> int:
        """How many differences have no reason that is known."""
        return sum(n for kind, n in self.counts.items() if not kind.explained)

    @property
    def ok(self) -> bool:
        """Whether all was read, and the books agree but for what has a reason."""
        return not (self.unexplained or self.scope.unreadable) and self.complete

    @property
    def counts(self) -> Mapping[DifferenceKind, int]:
        """How many differences there are of each kind."""
        return {kind: self.scope.counts.get(kind.name, 0) for kind in DifferenceKind}

    @property
    def customers(self) -> Iterator[Balance]:
        """The sums of each customer, by section, currency and customer."""
        for row in self._rows("customer", self._begins[0]):
            yield codec.load(row, Balance)

    @property
    def differences(self) -> Iterator[Difference]:
        """All differences, by number."""
        for row in self._rows("difference", self._begins[1]):
            yield codec.load(row, Difference)

    def lines(self) -> Iterator[str]:
        """The certificate for programs: JSON, line by line, the digest in the last one."""
        return self._spool.lines()

    def save(self, path: str | Path) -> None:
        """Write it to a file that `load_certificate` reads."""
        with Path(path).open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in self.lines())

    def text(self, differences: int | None = None) -> Iterator[str]:
        """The certificate for people, line by line; at most so many differences."""
        return _text(self, differences)

    def __str__(self) -> str:
        return "\n".join(self.text(TOLD_MAX))

    def _rows(self, name: str, begin: int) -> Iterator[dict[str, Any]]:
        """The lines of a name that begin there, one after another."""
        rows = map(json.loads, self._spool.lines(begin))
        return takewhile(lambda row: row["is"] == name, rows)


# As text ------------------------------------------------------------------------------


def _text(certificate: Certificate, differences: int | None) -> Iterator[str]:
    yield from _head(certificate)
    for balance in certificate.totals:
        yield ""
        yield from _statement(balance)
    counts = {kind: n for kind, n in certificate.counts.items() if n}
    if counts:
        yield ""
    for kind, count in counts.items():
        yield f"{count:>7,} {kind.word}: {kind.meaning} {kind.remedy}"
    told = 0
    for told, each in enumerate(certificate.differences, 1):
        if differences is not None and told > differences:
            rest = sum(counts.values()) - differences
            yield f"and {rest:,} more: read certificate.differences"
            return
        if told == 1:
            yield ""
        yield str(each)


def _head(certificate: Certificate) -> Iterator[str]:
    scope = certificate.scope
    yield visible(f"Tie-out certificate of {scope.billing} and {scope.ledger}")
    dates = "all dates"
    if scope.first or scope.last:
        dates = f"{scope.first or 'the beginning'} to {scope.last or 'the end'}"
    kinds = ", ".join(kind.__name__ for kind in scope.kinds)
    yield f"{kinds}; {dates}; read {_when(scope.began_at)} to {_when(scope.ended_at)}"
    read = ", ".join(f"{n:,} of {visible(side)}" for side, n in scope.read.items())
    if read:
        yield f"Read: {read}; {scope.compared:,} found on both sides"
    yield f"Digest: {certificate.digest}"
    if not certificate.complete:
        yield visible(f"NOT COMPLETE, nothing is certified: {scope.ended_early}")
    elif certificate.unexplained:
        yield f"THE BOOKS DIFFER: {_counted(certificate.unexplained)} unexplained"
    elif scope.unreadable:
        yield f"NOBODY KNOWS: {scope.unreadable:,} records could not be read"
    elif explained := sum(certificate.counts.values()):
        yield f"NOTHING IS UNEXPLAINED: {_counted(explained)} explained"
    else:
        yield "THE BOOKS AGREE"


def _counted(number: int) -> str:
    return "1 difference is" if number == 1 else f"{number:,} differences are"


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


_ASIDE = ("credits", "adjustments")
"""What is not printed where neither side has any."""


def _statement(balance: Balance) -> Iterator[str]:
    head = f"{balance.currency} ({balance.section.value})"
    yield f"{head:<18}{'billing':>20}{'ledger':>20}{'difference':>20}"
    there, gap = dict(balance.ledger.items()), dict(balance.difference.items())
    for name, here in balance.billing.items():
        values = here, there[name], gap[name]
        if name in _ASIDE and not any(values):
            continue
        told = [in_figures(value, balance.currency) for value in values]
        yield f"  {name:<16}" + "".join(f"{each:>20}" for each in told)


def in_figures(amount: Decimal, currency: str) -> str:
    """An amount as people read it, with all the decimals that it has."""
    usual = f"{amount:,.{EXPONENTS.get(currency, 2)}f}"
    return usual if Decimal(usual.replace(",", "")) == amount else f"{amount:,f}"


# As a file ----------------------------------------------------------------------------


def sealed(
    scope: Scope,
    totals: Iterable[Balance],
    customers: Iterable[Balance],
    differences: Iterable[Difference],
    run: str = "",
) -> Certificate:
    """A certificate of all this; what is long is taken one by one."""
    spool, seal = Spool(), Seal()
    sums = tuple(totals)

    def put(name: str, value: Any) -> None:
        spool.add(seal.add(_line(name, codec.dump(value))))

    head = {**codec.dump(scope), "format": scope.format}
    spool.add(seal.add(_line("certificate", head)))
    for each in sums:
        put("total", each)
    begins = [spool.size]
    for each in customers:
        put("customer", each)
    begins.append(spool.size)
    for found in differences:
        put("difference", found)
    end = seal.trailer(complete=scope.complete, as_of=scope.ended_at)
    spool.add(end)
    digest = str(json.loads(end)["digest"])
    return Certificate(
        scope, sums, digest, run, spool=spool, begins=(begins[0], begins[1])
    )


def load_certificate(path: str | Path) -> Certificate:
    """A certificate from a file. Raises `ConfigError` where it was cut off or altered."""
    spool = Spool()
    try:
        with Path(path).open("rb") as file:
            spool.take(file)
        return _loaded(path, spool)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        name = type(error).__name__
        raise ConfigError(f"{path} is no certificate ({name})") from error
    except ExceptionGroup as error:  # what cattrs raises
        raise ConfigError(f"{path} is no certificate of this version") from error


def _loaded(path: str | Path, spool: Spool) -> Certificate:
    seal, totals, at, end = Seal(), list[Balance](), 0, ""
    head: dict[str, Any] = {}
    begins: dict[str, int] = {}
    for line in spool.lines():
        row, end = json.loads(line), line
        begins.setdefault(row["is"], at)
        at += len(line.encode()) + 1
        if row["is"] == "end":
            break
        head = head or _checked_head(path, row)
        if row["is"] == "total":
            totals.append(codec.load(row, Balance))
        seal.add(line)
    last = json.loads(end)
    if last["is"] != "end":
        raise ConfigError(f"{path} was cut off: verify again")
    scope = codec.load(head, Scope)
    if end != seal.trailer(complete=scope.complete, as_of=scope.ended_at):
        raise ConfigError(f"{path} was altered after it was saved: verify again")
    places = [begins.get(name, begins["end"]) for name in ("customer", "difference")]
    return Certificate(
        scope,
        tuple(totals),
        last["digest"],
        spool=spool,
        begins=(places[0], places[1]),
    )


def _checked_head(path: str | Path, row: dict[str, Any]) -> dict[str, Any]:
    if row["is"] != "certificate":
        raise ConfigError(f"{path} is no certificate: it does not begin with a header")
    if row["format"] > FORMAT:
        raise ConfigError(
            f"{path} was saved by a newer version (format {row['format']}, this one "
            f"reads {FORMAT}): update tieout"
        )
    return row


def _line(name: str, data: Mapping[str, Any]) -> str:
    return json.dumps({"is": name, **data}, separators=(",", ":"))
