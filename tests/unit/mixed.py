"""A thousand mixed changes in four currencies, and what they come to in minor units."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice

from attrs import define, evolve, field

from tieout.change import Action, Change, change_name, mark_of
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
    fingerprint,
)

SHOP, BOOK = "shop:1", "book:1"
EXPONENTS = {"USD": 2, "EUR": 2, "JPY": 0, "BHD": 3}
CURRENCIES = tuple(EXPONENTS)
CREATE, UPDATE, VOID = Action.CREATE, Action.UPDATE, Action.VOID

DAY = date(2026, 1, 5)
BIDI = "\u202eevil"
"""Turns the rest of a line around, where it is printed as it is."""


def amount(minor: int, currency: str) -> Decimal:
    """So many of a currency's minor units."""
    return Decimal(minor).scaleb(-EXPONENTS[currency])


Made = Callable[[Ref, int, int, str], Record]
"""A record of a ref, by its number in the whole, its amount in minor units, a currency."""


def customer(ref: Ref, n: int, minor: int, currency: str) -> Customer:
    """Every seventh has a name that plays tricks, every ninth a very long one."""
    name = f"Customer {n} of {minor}"
    if n % 7 == 0:
        name = f"{BIDI}\n\x1b[31m{name}"
    return Customer(ref, name if n % 9 else name + " and Sons" * 40, currency=currency)


def invoice(ref: Ref, n: int, minor: int, currency: str) -> Invoice:
    """Of one of thirty customers, some of whom the plan makes."""
    whom = Ref(ref.connection, "Customer", f"t{n % 30}")
    total, on = amount(minor, currency), DAY + timedelta(n % 60)
    return Invoice(ref, f"INV-{n}", whom, currency, on, total, Status.OPEN)


def credit_note(ref: Ref, n: int, minor: int, currency: str) -> CreditNote:
    """Without a customer."""
    total = amount(minor, currency)
    return CreditNote(ref, f"CN-{n}", None, currency, DAY, total, Status.OPEN)


def payment(ref: Ref, n: int, minor: int, currency: str) -> Payment:
    """With a number as long as numbers may be."""
    number = f"P-{n}-".ljust(255, "x")
    total = amount(minor, currency)
    return Payment(ref, None, currency, DAY, total, Status.OPEN, number)


def application(ref: Ref, n: int, minor: int, currency: str) -> Application:
    """A third each of a payment, of a credit note, and a discount."""
    kind, how = (
        ("Payment", Part.CASH),
        ("CreditNote", Part.CREDIT),
        ("Payment", Part.DISCOUNT),
    )[n % 3]
    own = ref.connection
    source, target = Ref(own, kind, f"t{n}"), Ref(own, "Invoice", f"t{n}")
    put = amount(minor, currency)
    return Application(ref, source, target, put, currency, DAY, how)


def posting(ref: Ref, n: int, minor: int, currency: str) -> Posting:
    """That an invoice was handed over; it has no money."""
    at = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(minutes=minor)
    return Posting(ref, f"INV-{n}", at, batch=f"batch {n % 4}")


def level(ref: Ref, n: int, minor: int, currency: str) -> Settlement:
    """Paid in part."""
    whole, rest = amount(10**9, currency), amount(10**9 - minor, currency)
    parts = {Part.CASH: amount(minor, currency)}
    return Settlement(
        evolve(ref, kind="Invoice"),
        f"INV-{n}",
        currency,
        whole,
        rest,
        Status.OPEN,
        settled_by=parts,
    )


@define
class Mixed:
    """Changes of every kind and action by turns, and what they come to."""

    changes: list[Change] = field(factory=list)
    records: dict[tuple[str, RecordType, str], Record] = field(factory=dict)
    """What both sides hold, by connection, kind and id."""
    sums: dict[tuple[str, str], int] = field(factory=dict)
    """By the printed name of the effect and currency, minor units."""

    def add(
        self, kind: RecordType, make: Made, action: Action, told: str, n: int
    ) -> None:
        """One change; of ``told`` the first is what is made or raised, then what falls."""
        currency = CURRENCIES[n // 3 % 4]
        was, wanted = (n * 7919) % 90_000 + 1, (n * 104_729) % 90_000 + 1
        to, of = (BOOK, SHOP) if n % 5 else (SHOP, BOOK)  # most go to the ledger
        name = "Invoice" if kind is Settlement else kind.__name__
        source = make(Ref(of, name, f"s{n}"), n, wanted, currency)
        before = make(Ref(to, name, f"t{n}"), n, was, currency)
        after = make(
            Ref(to, name, "" if action is CREATE else f"t{n}"), n, wanted, currency
        )
        self.records[of, kind, f"s{n}"] = source
        if action is not CREATE:
            self.records[to, kind, f"t{n}"] = before
        self.changes.append(
            Change(
                change_name(to, kind.__name__, source.ref, 0, action, 0),
                action,
                kind,
                to,
                source.ref,
                target=None if action is CREATE else before.ref,
                before=None if action is CREATE else before,
                after=None if action is VOID else after,
                number=getattr(source, "number", ""),
                agreed=fingerprint(source),
                mark=mark_of(to, kind.__name__, source.ref) if n % 2 else "",
                # A fifth of them waits for the one before it.
                depends_on=(self.changes[-1].name,) if n % 10 == 3 else (),
                reason=f"because of {n}" + " and more" * (n % 3 * 9),
            )
        )
        self._sum_up(action, told, n, currency, was, wanted)

    def _sum_up(
        self, action: Action, told: str, n: int, currency: str, was: int, wanted: int
    ) -> None:
        by = {CREATE: wanted, VOID: -was, UPDATE: wanted - was}[action]
        names = told.split("|")
        if len(names) == 6:  # one pair for each kind of application
            names = names[n % 3 * 2 :][:2]
        if told and by:
            effect = names[0] if by > 0 else names[1]
            key = (effect, currency)
            self.sums[key] = self.sums.get(key, 0) + abs(by)


_APPLIED = (
    "payments applied|payments no longer applied|"
    "credits applied|credits no longer applied|"
    "discounts, write-offs and the like applied|"
    "discounts, write-offs and the like no longer applied"
)
_LEVELS = "paid amounts risen|paid amounts fallen"

CASES: tuple[tuple[RecordType, Made, Action, str], ...] = (
    (Customer, customer, CREATE, ""),
    (Invoice, invoice, CREATE, "new invoices|"),
    (CreditNote, credit_note, CREATE, "new credit notes|"),
    (Payment, payment, CREATE, "payments recorded|"),
    (Application, application, CREATE, _APPLIED),
    (Posting, posting, CREATE, ""),
    (Settlement, level, UPDATE, _LEVELS),
    (Customer, customer, UPDATE, ""),
    (Invoice, invoice, UPDATE, "invoice totals raised|invoice totals lowered"),
    (
        CreditNote,
        credit_note,
        UPDATE,
        "credit note totals raised|credit note totals lowered",
    ),
    (Payment, payment, UPDATE, "payments raised|payments lowered"),
    (Application, application, UPDATE, _APPLIED),
    (Posting, posting, UPDATE, ""),
    (Customer, customer, VOID, ""),
    (Invoice, invoice, VOID, "|voided invoices"),
    (CreditNote, credit_note, VOID, "|voided credit notes"),
    (Payment, payment, VOID, "|payments taken back"),
    (Application, application, VOID, _APPLIED),
    (Posting, posting, VOID, ""),
)


def mixed(count: int = 1000, *, levels: bool = True) -> Mixed:
    """So many changes; without levels, a plan that an engine applies."""
    found = Mixed()
    cases = [case for case in CASES if levels or case[0] is not Settlement]

    def turns() -> Iterator[tuple[RecordType, Made, Action, str]]:
        while True:
            yield from cases

    for n, case in enumerate(islice(turns(), count)):
        found.add(*case, n)
    return found
