"""
The demo: two made-up companies' books on this computer, tied out before your eyes.

A `FakeXero` and a `FakeConnectWise` are served over HTTP on the loopback interface, an
engine syncs what was paid, and the two are compared by a few lines that do not ask the
engine. Everything is made up, in memory, and the same in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from attrs import define, field, frozen

from tieout.change import Action, Issue
from tieout.cli import Column, Screen
from tieout.clock import SystemClock
from tieout.connectors.connectwise import ConnectWise
from tieout.connectors.xero import Xero
from tieout.engine import Engine
from tieout.errors import Severity
from tieout.money import exponent
from tieout.plan import Plan
from tieout.report import Report
from tieout.stores.sqlite import SQLiteStore
from tieout.testing.fakes.connectwise import FakeConnectWise
from tieout.testing.fakes.serving import serve
from tieout.testing.fakes.xero import FakeXero
from tieout.testing.fakes.xero_books import INVOICES, POSTED
from tieout.windows import Since

NOW = datetime(2026, 3, 20, 17, 0, tzinfo=UTC)
"""When the demo takes place: a fixed evening, so that every run is the same."""

FIRST_DAY = date(2026, 2, 2)
LAST_DAY = date(2026, 3, 1)
PAIRS = 126
"""Invoices that both sides have."""

NO_LIMIT = 1_000_000
"""Of calls: the fakes set none, and the demo shall not wait for a vendor's."""

CUSTOMERS: Sequence[tuple[str, str]] = (
    ("Alder & Sons", "USD"),
    ("Brightwater Clinic", "USD"),
    ("Dreiklang GmbH", "EUR"),
    ("Cedar Street Dental", "USD"),
    ("Fujimoto Trading", "JPY"),
    ("Lumière Studio", "EUR"),
    ("Harbor Logistics", "USD"),
)

STORIES: Sequence[Sequence[tuple[str, int, int]]] = (
    (("payment", 12, 100),),
    (("payment", 7, 30), ("payment", 19, 70)),
    (),
    (("payment", 15, 40),),
    (("credit", 9, 25), ("payment", 14, 75)),
    (("payment", 10, 100),),
    (("overpayment", 11, 100),),
    (("credit", 6, 20),),
)
"""What became of an invoice: by what, after how many days, how many per cent of it."""

PREPAID, DRAFT, VOIDED, BY_HAND = 12, 34, 58, 21
"""Positions of four invoices with stories of their own."""

MADE_IN_LEDGER = ("GL-0091", "GL-0092", "GL-0093")
"""Made by hand in the ledger: billing has never heard of them."""

REUSED = "INV-1900"
"""Billing's number of one document, and the ledger's of quite another."""


class DemoClock:
    """A clock that goes on like any other, from wherever it was set to."""

    def __init__(self) -> None:
        self._system = SystemClock()
        self.set(NOW)

    def set(self, instant: datetime) -> None:
        """It is that instant now."""
        self._start, self._began = instant, self._system.monotonic()

    def later(self, by: timedelta) -> None:
        """Time passes, and nobody has to wait for it."""
        self.set(self.now() + by)

    def now(self) -> datetime:
        elapsed = self._system.monotonic() - self._began
        return self._start + timedelta(seconds=elapsed)

    def monotonic(self) -> float:
        return self._system.monotonic()

    def sleep(self, seconds: float) -> None:
        self._system.sleep(seconds)


# The two companies' books -------------------------------------------------------------

Event: TypeAlias = tuple[date, Callable[[], object]]


@frozen
class Twin:
    """An invoice that both sides have."""

    number: str
    ledger: str
    billing: int
    total: Decimal


@define
class Companies:
    """The two fakes, and the people who work in them."""

    xero: FakeXero
    connectwise: FakeConnectWise
    clock: DemoClock
    contacts: dict[str, str] = field(factory=dict)
    companies: dict[str, int] = field(factory=dict)
    twins: list[Twin] = field(factory=list)
    _diary: list[Event] = field(factory=list)

    def furnish(self) -> None:
        """Seven customers, some 130 invoices, and what became of them, day by day."""
        for name, currency in CUSTOMERS:
            self.contacts[name] = self.xero.add_contact(name, currency=currency)
            self.companies[name] = self.connectwise.add_company(
                name, currency=currency, decimals=exponent(currency)
            )
        for at in range(PAIRS):
            self._both(at)
        self._strangers()
        # What is written in the diary is done in the order of its days.
        for day, event in sorted(self._diary, key=lambda entry: entry[0]):
            self.clock.set(datetime.combine(day, time(8), UTC))
            event()
        self.clock.set(NOW)

    def _both(self, at: int) -> None:
        """One invoice, made in billing and exported to the ledger, and what became of it."""
        day = FIRST_DAY + (LAST_DAY - FIRST_DAY) * at // (PAIRS - 1)
        name, currency = CUSTOMERS[at % len(CUSTOMERS)]
        # Twenty of the smallest unit, so often that every per cent used is exact.
        smallest = 20 * (900 + at * 7919 % 5300)
        total = Decimal(smallest).scaleb(-exponent(currency))
        number = f"INV-{1001 + at}"
        self.clock.set(datetime.combine(day, time(8), UTC))
        twin = Twin(
            number,
            self.xero.add_invoice(
                number,
                self.contacts[name],
                total,
                currency=currency,
                on=day,
                status="DRAFT" if at == DRAFT else "AUTHORISED",
            ),
            self.connectwise.add_invoice(
                number, self.companies[name], total, currency=currency, on=day
            ),
            total,
        )
        self.twins.append(twin)
        self._story(at, twin, name, currency, day)

    def _story(self, at: int, twin: Twin, name: str, currency: str, day: date) -> None:
        match at:
            case _ if at == DRAFT:
                return
            case _ if at == VOIDED:
                void = partial(self.xero.void_invoice, twin.ledger)
                self._diary.append((day + timedelta(days=3), void))
                return
            case _ if at == PREPAID:
                steps: Sequence[tuple[str, int, int]] = (("prepayment", -2, 100),)
            case _:
                steps = STORIES[at % len(STORIES)]
        for how, days, share in steps:
            on = day + timedelta(days=days)
            settle = partial(
                self.settle, how, twin, twin.total * share / 100, on, name, currency
            )
            self._diary.append((max(on, day), settle))
            if at == BY_HAND:
                enter = partial(
                    self.connectwise.add_payment, twin.billing, twin.total, on
                )
                self._diary.append((on, enter))

    def settle(
        self,
        how: str,
        twin: Twin,
        amount: Decimal,
        on: date,
        name: str = "",
        currency: str = "",
    ) -> str:
        """The ledger's bookkeeper settles an invoice, or a part of it."""
        if how == "payment":
            return self.xero.pay(twin.ledger, amount, on)
        contact, key = self.contacts[name], f"{how[0].upper()}-{twin.number}"
        match how:
            case "credit":
                source = self.xero.add_credit_note(
                    key, contact, amount, currency=currency, on=on
                )
            case "overpayment":
                # A tenth more than was owed: the excess stays on the customer's account.
                source = self.xero.add_overpayment(
                    contact, amount * 11 / 10, currency=currency, on=on
                )
            case _:
                source = self.xero.add_prepayment(
                    contact, amount, currency=currency, on=on, reference=key
                )
        return self.xero.allocate(source, twin.ledger, amount, on)

    def _strangers(self) -> None:
        """What only one side has, and a number that each uses for another document."""
        names = [name for name, _ in CUSTOMERS]
        for number, amount in zip(MADE_IN_LEDGER, ("75", "480", "19.90"), strict=True):
            made = self.xero.add_invoice(
                number, self.contacts[names[0]], amount, currency="USD", on=LAST_DAY
            )
            pay = partial(self.xero.pay, made, amount, LAST_DAY)
            self._diary.append((LAST_DAY, pay))
        self.connectwise.add_invoice(
            REUSED, self.companies[names[1]], "250", currency="USD", on=LAST_DAY
        )
        other = self.xero.add_invoice(
            REUSED, self.contacts[names[2]], "80", currency="EUR", on=LAST_DAY
        )
        self._diary.append((LAST_DAY, partial(self.xero.pay, other, "80", LAST_DAY)))

    def twin(self, *, story: int, nth: int) -> Twin:
        """The nth invoice of a story."""
        return self.twins[story + nth * len(STORIES)]

    def take_back(self, twin: Twin) -> None:
        """The ledger's bookkeeper deletes the last payment of an invoice."""
        paid = self.xero.books.document(twin.ledger).payments
        self.xero.delete_payment(paid[-1])


# Comparing, without the engine ----------------------------------------------------------


@frozen
class Compared:
    """How many invoices agree, which do not, and which cannot be compared."""

    agree: int
    differ: tuple[str, ...]
    only_in_ledger: tuple[str, ...]
    other_document: tuple[str, ...]

    @property
    def all(self) -> int:
        """How many invoices both sides have."""
        return self.agree + len(self.differ)


def compare(xero: FakeXero, connectwise: FakeConnectWise) -> Compared:
    """Both sides' own books, invoice by invoice: what was paid, and when in full."""
    there = {each["invoiceNumber"]: each for each in connectwise.invoices()}
    agree = 0
    differ: list[str] = []
    only: list[str] = []
    other: list[str] = []
    for document in xero.books.documents[INVOICES].ordered():
        bill = there.get(document.number)
        if bill is None:
            only.append(document.number)
            continue
        shown, day = connectwise.paid(bill["id"])
        if (bill["total"], bill["currency"]["currencyCode"]) != (
            document.total,
            document.currency,
        ):
            (differ if shown else other).append(document.number)
            continue
        # Drafts and voided ones are not owed, so nothing of them is paid.
        live = document.status in POSTED
        owed = xero.books.sums(document).open if live else document.total
        closed = document.paid_on if document.status == "PAID" else None
        fits = not closed or day == max(closed, document.on)
        if shown == document.total - owed and fits:
            agree += 1
        else:
            differ.append(document.number)
    return Compared(agree, *(tuple(sorted(each)) for each in (differ, only, other)))


# The demo -------------------------------------------------------------------------------


@define
class Demo:
    """The engine between the two companies, and what it has said so far."""

    screen: Screen
    engine: Engine
    companies: Companies
    addresses: Mapping[str, str]
    explained: set[str] = field(factory=set)

    def show_books(self) -> None:
        """1: what is there before anything is synced."""
        xero, connectwise = self.companies.xero, self.companies.connectwise
        held = {
            "Xero": (len(xero.invoices()), len(xero.payments())),
            "ConnectWise": (
                len(bills := connectwise.invoices()),
                sum(len(connectwise.payments(bill["id"])) for bill in bills),
            ),
        }
        self.screen.heading("1. Two made-up companies' books, served on this computer")
        self.screen.table(
            [
                Column("System"),
                Column("Role", optional=True),
                Column("Address", optional=True),
                Column("Invoices", right=True),
                Column("Payments", right=True),
            ],
            [
                (name, role, self.addresses[name], *map(str, held[name]))
                for name, role in (("ConnectWise", "billing"), ("Xero", "ledger"))
            ],
        )

    def show_plan(self) -> Plan:
        """2: what would be written, before anything is."""
        plan = self.engine.plan_payments(FIRST_DAY)
        self.screen.heading(f"2. The plan: what was paid since {FIRST_DAY}")
        self._changes(plan)
        return plan

    def apply(self, plan: Plan) -> None:
        """3: write it."""
        self.screen.heading("3. Carrying it out")
        total = len(plan.changes) + sum(issue.blocking for issue in plan.issues)
        with self.screen.progress("Invoices", total) as tell:
            report = self.engine.apply(
                plan, on_progress=lambda progress: tell(progress.done)
            )
        self._hear(report)
        self._counts(report)

    def repeat(self) -> None:
        """4: nothing is written twice."""
        self.screen.heading("4. The same again")
        # A saved plan leaves the marker of the last run alone; a sync sets it.
        for label, since in (
            (f"since {FIRST_DAY}", FIRST_DAY),
            ("since the last run", Since.LAST_RUN),
        ):
            report = self.engine.sync_payments(since)
            self._hear(report)
            self.screen.say(f"{label}: {_written(report)}", hang=GAP_AFTER_LABEL)

    def go_on(self) -> None:
        """5: an hour later in the ledger."""
        companies = self.companies
        companies.clock.later(timedelta(hours=1))
        self.screen.heading("5. An hour later: paid, paid in part, taken back")
        today = companies.clock.now().date()
        for nth in (1, 2):
            unpaid = companies.twin(story=2, nth=nth)
            companies.settle("payment", unpaid, unpaid.total, today)
        for nth, share in ((1, 60), (2, 10)):
            part = companies.twin(story=3, nth=nth)
            companies.settle("payment", part, part.total * share / 100, today)
        for story in (0, 1):
            companies.take_back(companies.twin(story=story, nth=3))
        plan = self.engine.plan_payments(Since.LAST_RUN)
        self._changes(plan)
        self._counts(self._synced())

    def lose_an_answer(self) -> None:
        """6: a write is carried out, and its answer never arrives."""
        companies = self.companies
        companies.clock.later(timedelta(hours=1))
        self.screen.heading("6. The answer to a write is lost")
        unpaid = companies.twin(story=2, nth=5)
        today = companies.clock.now().date()
        companies.settle("payment", unpaid, unpaid.total, today)
        companies.connectwise.lose(1)
        report = self._synced()
        if report.counts["unknown"]:
            text = "the answer was lost; it may have been written: not sent again"
            self.screen.say(f"{unpaid.number}: {text}", hang=GAP_AFTER_LABEL)
        companies.clock.later(timedelta(minutes=10))
        report = self._synced()
        if any(event.what == "adopted" for event in report.records):
            text = "ten minutes later: looked for, and found there"
            self.screen.say(f"{unpaid.number}: {text}", hang=GAP_AFTER_LABEL)
        self.screen.say(_written(report))

    def finish(self) -> int:
        """7: both sides compared by other means. The exit code."""
        found = compare(self.companies.xero, self.companies.connectwise)
        self.screen.heading("7. Both sides' own books, compared without the engine")
        exceptions = {
            "known only to the ledger": found.only_in_ledger,
            "the number of another document": found.other_document,
        }
        unexplained = list(found.differ)
        for what, numbers in exceptions.items():
            named = [number for number in numbers if number in self.explained]
            unexplained += [each for each in numbers if each not in self.explained]
            self.screen.say(
                f"{len(named)} explained: {', '.join(named)} ({what})",
                hang=GAP_AFTER_LABEL,
            )
        for number in unexplained:
            self.screen.say(f"{number} does not agree", style="red")
        line = f"{found.agree} of {found.all} invoices agree"
        if unexplained:
            self.screen.say(line, style="bold red", indent=0)
            return 1
        self.screen.say(f"{line}: all agree", style="bold green", indent=0)
        return 0

    # Showing ------------------------------------------------------------------------

    def _synced(self) -> Report:
        report = self.engine.sync_payments(Since.LAST_RUN)
        self._hear(report)
        return report

    def _hear(self, report: Report) -> None:
        self.explained.update(n for issue in report.issues for n in issue.numbers)

    def _changes(self, plan: Plan) -> None:
        counts = {
            "to update": plan.counts[Action.UPDATE],
            "agree already": plan.kept,
            "of no concern (drafts, voided)": plan.skipped,
        }
        self.screen.say(", ".join(f"{n} {what}" for what, n in counts.items() if n))
        self._issues(plan.issues)
        self.screen.plan(plan)

    def _issues(self, issues: Iterable[Issue]) -> None:
        by_code: dict[object, list[Issue]] = {}
        for issue in issues:
            by_code.setdefault(issue.code, []).append(issue)
        for some in by_code.values():
            first = some[0]
            numbers = ", ".join(sorted(n for each in some for n in each.numbers))
            why = first.code.meaning
            if len(some) == 1 and first.text not in ("", why):
                why = f"{why} {first.text[0].upper()}{first.text[1:]}"
            light = first.severity
            self.screen.say(
                f"{light.value.ljust(6)} {numbers}: {why}", style=STYLES[light], hang=7
            )

    def _counts(self, report: Report) -> None:
        counts = ", ".join(f"{n} {word}" for word, n in report.counts.items() if n)
        traffic = report.traffic
        self.screen.say(counts)
        self.screen.say(
            f"ConnectWise: {traffic['billing'].calls} calls, "
            f"{traffic['billing'].writes} of them writes; "
            f"Xero: {traffic['ledger'].calls} calls, {traffic['ledger'].writes} writes"
        )


GAP_AFTER_LABEL = 2
STYLES: Mapping[Severity, str] = {
    Severity.RED: "red",
    Severity.YELLOW: "yellow",
    Severity.GREEN: "green",
}


def _written(report: Report) -> str:
    calls = sum(side.calls for side in report.traffic.values())
    writes = sum(side.writes for side in report.traffic.values())
    what = f"{writes} writes" if writes else "nothing to do: 0 writes"
    return f"{what} ({calls - writes} reads)"


def _billing(fake: FakeConnectWise, address: str) -> ConnectWise:
    return ConnectWise(
        company=fake.company,
        public_key=fake.public_key,
        private_key=fake.private_key,
        client_id=fake.client_id,
        base_url=f"{address}/{fake.codebase}apis/3.0",
    )


def _ledger(fake: FakeXero, address: str, identity: str) -> Xero:
    return Xero(
        tenant_id=fake.tenant,
        client_id="client",
        client_secret="secret",  # noqa: S106 - a fake one
        refresh_token=fake.refresh_token,
        base_url=f"{address}/api.xro/2.0",
        identity_url=f"{identity}/connect/token",
        per_minute=NO_LIMIT,
        per_day=NO_LIMIT,
    )


@contextmanager
def opened(screen: Screen) -> Iterator[Demo]:
    """Both fakes furnished and served, and an engine between them."""
    clock = DemoClock()
    companies = Companies(
        FakeXero(now=clock.now, calls_per_minute=None, calls_per_day=None),
        FakeConnectWise(now=clock.now),
        clock,
    )
    companies.furnish()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="tieout-demo-")))
        xero = stack.enter_context(serve(companies.xero)).url
        # Another address to sign in at: the real one has a host of its own for it too.
        identity = stack.enter_context(serve(companies.xero)).url
        connectwise = stack.enter_context(serve(companies.connectwise)).url
        store = stack.enter_context(closing(SQLiteStore(folder / "tieout.db")))
        engine = Engine(
            billing=_billing(companies.connectwise, connectwise),
            ledger=_ledger(companies.xero, xero, identity),
            store=store,
            clock=clock,
        )
        stack.enter_context(engine)
        yield Demo(
            screen, engine, companies, {"Xero": xero, "ConnectWise": connectwise}
        )


def run(screen: Screen) -> int:
    """The whole demo on a screen; 0 where both sides agree in the end, else 1."""
    with opened(screen) as demo:
        demo.show_books()
        plan = demo.show_plan()
        demo.apply(plan)
        demo.repeat()
        demo.go_on()
        demo.lose_an_answer()
        return demo.finish()
