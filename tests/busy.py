"""
A busy day: a run over five hundred invoices, a score of which need a person.

Nothing is checked here: it is what pages are made of, to be looked at and measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import tieout
from tieout.change import Change, Outcome
from tieout.errors import Code, Fault
from tieout.models import Part, Ref, Status
from tieout.money import exponent
from worlds import LONG_AGO, Billing, World

MANY = 500
CURRENCIES = ("USD", "USD", "USD", "EUR", "EUR", "JPY")

SCRIPT = "<script>document.title='ran'</script>"
HOSTILE: tuple[str, ...] = (
    SCRIPT,
    '"><img src=x onerror="document.title=\'ran\'">',
    "javascript:document.title='ran'",
    "=cmd|'/C calc'!A0",
    "invoice-\u202e0001-gpj.exe",
    "\x1b[31mred\x07\x00",
    "W" * 90,
    "فاتورة-١٢",
    "z\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301algo",
)
"""Names by which somebody might try something; the last two are no more than unusual."""

REFUSALS: Mapping[str, tuple[Code, str]] = {
    "locked": (Code.LOCKED_PERIOD, "the period 2026-02 is closed."),
    "frozen": (Code.REFUSED, "Invoice is on hold by credit control (E-4711)."),
    "strange": (Code.UNKNOWN_ERROR, "ORA-00060: deadlock detected"),
}


class Office(Billing):
    """Billing, with an address for each page of a record, that refuses what is locked."""

    def deep_link(self, ref: Ref) -> str:
        return f"https://desk.example/{ref.kind.lower()}s/{ref.id}"

    def _write(self, change: Change) -> Outcome:
        assert change.target is not None
        reason = self.bills[change.target.id].customer
        if reason in REFUSALS:
            raise Fault(*REFUSALS[reason])
        return super()._write(change)


def _amount(at: int, currency: str) -> Decimal:
    """Forty of the smallest unit, so often that every share that is paid is exact."""
    smallest = 40 * (90 + at * 7919 % 5300)
    return Decimal(smallest).scaleb(-exponent(currency))


def _ordinary(world: World, at: int) -> None:
    """One invoice of most: paid, paid in part, open, or shown as paid already."""
    currency = CURRENCIES[at % len(CURRENCIES)]
    total, number = _amount(at, currency), f"INV-{10001 + at}"
    made = world.ledger.add(number, total, currency=currency, on=date(2026, 2, 2))
    bill = world.billing.add(number, total, currency=currency)
    share = {0: 0, 1: 4, 2: 4, 3: 2, 4: 4, 5: 4, 6: 4}[at % 7]
    day = date(2026, 3, 1) + timedelta(at % 18)
    if share:
        world.ledger.apply(made, total * share / 4, day)
    if at % 7 in (4, 5) and share:  # carried long ago by somebody else
        world.billing.edit(bill, paid=total, paid_on=day)
    if at % 23 == 3:  # paid on both sides, and then taken back in the ledger
        world.billing.edit(bill, paid=total, paid_on=day)
    if at % 41 == 8:
        world.ledger.apply(made, total / 10, day)
    if at % 59 == 9:
        world.ledger.apply(made, total / 4, day, Part.WRITE_OFF)


def _both(world: World, number: str, here: str = "250", **there: Any) -> str:
    """An invoice that both sides have and that is paid in the ledger."""
    made = world.ledger.add(number, there.pop("total", "250"), on=date(2026, 2, 9))
    world.billing.add(number, here, **there)
    world.ledger.apply(made, "250", date(2026, 3, 12))
    return made


def _troubles(world: World) -> None:
    """What needs a person, of many kinds; half of it under names that are hostile."""
    for at, number in enumerate(HOSTILE):
        world.ledger.edit(_both(world, number), customer=f"c{at}")
        if at % 2:
            world.billing.edit(f"B{len(world.billing.bills)}", customer="frozen")
    for at in range(4):
        _both(world, f"INV-20{at:02}", customer="locked")
    for at in range(3):
        _both(world, f"INV-21{at:02}", "251")
    for at in range(2):
        _both(world, f"INV-22{at:02}", currency="EUR")
    _both(world, "INV-2300", customer="strange")
    for at in range(2):
        world.ledger.edit(_both(world, f"INV-24{at:02}"), bad=True)
    for at in range(2):
        _both(world, f"INV-25{at:02}")
        world.billing.add(f"INV-25{at:02}", "250")
    for at in range(12):
        made = world.ledger.add(f"GL-{at:04}", "75", on=date(2026, 3, 1))
        world.ledger.apply(made, "75", date(2026, 3, 2))
    for at in range(3):
        made = _both(world, f"INV-26{at:02}")
        world.ledger.edit(made, status=Status.VOID)
        world.billing.edit(
            f"B{len(world.billing.bills)}", paid=Decimal(250), paid_on=LONG_AGO
        )


class _Leads:
    """A ledger's addresses: of one record a page, of another what must not be followed."""

    def __init__(self, hostile: str) -> None:
        self._hostile = hostile

    def __call__(self, ref: Ref) -> str:
        if ref.id.endswith("7"):
            return self._hostile
        return f"https://books.example/view?invoice={ref.id}"


def busy(
    many: int = MANY, *, hostile: str = "javascript:document.title='ran'"
) -> World:
    """A world in which so many invoices, and the troubles, wait for a run."""
    world = World()
    world.billing = Office(world.clock, world.calls, batch_size=20)
    world.ledger.deep_link = _Leads(hostile)  # type: ignore[attr-defined]
    _troubles(world)
    for at in range(many - len(world.ledger.papers)):
        _ordinary(world, at)
    return world


def busy_report(many: int = MANY) -> tieout.Report:
    """The report of a run over a busy day."""
    return busy(many).engine().sync_payments(date(2026, 3, 1))
