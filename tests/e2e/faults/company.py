"""
Two served systems, Xero as the ledger and ConnectWise as billing, and who judges them.

The judge adds up both fakes' own books and shares no code with the engine. Billing takes
any number of payments for an invoice here: what is sent twice is there twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from random import Random
from types import TracebackType
from typing import Self

from tieout.errors import Code, Fault
from tieout.testing.fakes.connectwise import FakeConnectWise
from tieout.testing.fakes.serving import serve
from tieout.testing.fakes.xero import FakeXero
from tieout.wire import Request, Response, Transport

CURRENCIES = ("USD", "EUR", "GBP")
TOTAL = Decimal(1000)
BILLED_ON = date(2026, 3, 1)
PAID_ON = date(2026, 3, 9)

Hook = Callable[[Request], None]


def nothing(request: Request) -> None:
    """The hook of a gate that lets everything through."""


class Gate:
    """
    Stands between a served fake and those who ask it, and does what a test's hooks say.

    A hook may block, or raise a `Fault`: then the asker's connection ends without an
    answer. ``writes`` counts requests with an effect on the books that arrived.
    """

    def __init__(self, fake: Transport) -> None:
        self.fake = fake
        self.before: Hook = nothing
        self.after: Hook = nothing
        self.writes = 0
        self.requests = 0

    def send(self, request: Request, timeout: float) -> Response:
        self.requests += 1
        self.writes += is_write(request)
        self.before(request)
        answer = self.fake.send(request, timeout)
        self.after(request)
        return answer

    def close(self) -> None:
        self.fake.close()


def lost(request: Request) -> None:
    """The hook of a gate that ends the connection without an answer."""
    raise Fault(Code.ANSWER_LOST)


def is_write(request: Request) -> bool:
    """Whether it changes somebody's books; signing in does not."""
    return request.method != "GET" and not request.url.endswith("/connect/token")


@dataclass(frozen=True)
class Verdict:
    """How the books differ, by billing's money less the ledger's: ``lost`` by invoice."""

    duplicates: int
    lost: Mapping[str, Decimal]
    gap: dict[str, Decimal]

    @property
    def sound(self) -> bool:
        """Whether nothing is there twice, missing or of another amount."""
        return not self.duplicates and not self.lost and not any(self.gap.values())


class Company:
    """One pair of systems on loopback, with ``count`` invoices to begin with."""

    def __init__(self, now: Callable[[], datetime], count: int = 12) -> None:
        self.xero = FakeXero(now=now, calls_per_minute=None, calls_per_day=None)
        self.connectwise = FakeConnectWise(now=now, single_payment=False)
        self.ledger, self.billing = Gate(self.xero), Gate(self.connectwise)
        self._served = serve(self.ledger), serve(self.billing)
        self.ledger_url, self.billing_url = (each.url for each in self._served)
        self._papers: dict[str, str] = {}
        self.bills: dict[str, int] = {}
        self._payments: dict[str, list[tuple[str, Decimal]]] = {}
        self._contacts = {c: self.xero.add_contact(f"In {c}") for c in CURRENCIES}
        self._owner = self.connectwise.add_company("A customer")
        self.numbers = tuple(self.bill() for _ in range(count))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each in self._served:
            each.close()

    def bill(self) -> str:
        """One more invoice, in billing and in the ledger; its number."""
        at = len(self._papers)
        number, currency = f"INV-{at:03d}", CURRENCIES[at % len(CURRENCIES)]
        # Billing first: whoever reads the ledger's finds its counterpart.
        self.bills[number] = self.connectwise.add_invoice(
            number, self._owner, TOTAL, currency=currency, on=BILLED_ON
        )
        self._papers[number] = self.xero.add_invoice(
            number, self._contacts[currency], TOTAL, currency=currency, on=BILLED_ON
        )
        self._payments[number] = []
        return number

    def pay(self, number: str, amount: Decimal | int) -> None:
        """A customer's payment, entered in the ledger."""
        done = self.xero.pay(self._papers[number], Decimal(amount), PAID_ON)
        self._payments[number].append((done, Decimal(amount)))

    def take_back(self, number: str) -> None:
        """The latest payment of an invoice was a mistake."""
        self.xero.delete_payment(self._payments[number].pop()[0])

    def work(self, random: Random) -> None:
        """Something that a bookkeeper does on a usual day."""
        number = self.bill() if random.random() < 0.5 else random.choice(self.numbers)
        paid = sum((amount for _, amount in self._payments[number]), Decimal(0))
        if self._payments[number] and (paid == TOTAL or random.random() < 0.2):
            self.take_back(number)
        else:
            parts = [Decimal(100), Decimal("33.33"), TOTAL - paid]
            self.pay(number, min(random.choice(parts), TOTAL - paid))

    def late(self, request: Request) -> None:
        """Billing carries out a request whose sender has long given up."""
        self.connectwise.send(request, 60)

    def shown(self) -> dict[str, list[tuple[Decimal, str]]]:
        """What billing holds: by invoice number, each payment's amount and day."""
        return {
            number: [
                (Decimal(str(each["amount"])), str(each.get("paymentDate")))
                for each in self.connectwise.payments(bill)
            ]
            for number, bill in self.bills.items()
        }

    def judged(self) -> Verdict:
        """Both books, added up."""
        owed = dict.fromkeys(self.bills, Decimal(0))
        for payment in self.xero.payments():
            if payment["Status"] == "AUTHORISED":
                number = payment["Invoice"]["InvoiceNumber"]
                owed[number] += Decimal(str(payment["Amount"]))
        gap: dict[str, Decimal] = {each: Decimal(0) for each in CURRENCIES}
        duplicates, lost = 0, dict[str, Decimal]()
        for at, (number, held) in enumerate(self.shown().items()):
            short = sum((amount for amount, _ in held), Decimal(0)) - owed[number]
            gap[CURRENCIES[at % len(CURRENCIES)]] += short
            duplicates += max(0, len(held) - 1)
            if short:
                lost[number] = short
        return Verdict(duplicates, lost, gap)
