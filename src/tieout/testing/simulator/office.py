"""
The people of a simulated world: who enters, edits, voids and deletes in both systems.

Everything is drawn from the world's decisions. People know neither engine nor store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TypeAlias

from tieout.testing.simulator.book import POISONS, Book, Paper
from tieout.testing.simulator.faults import Swarm
from tieout.testing.simulator.shop import Shop
from tieout.testing.simulator.stage import DAWN, Stage

TODAY = DAWN.date()
DAYS = tuple(TODAY - timedelta(days=back) for back in (0, 2, 9))
CURRENCIES = ("USD", "USD", "JPY", "BHD")
TOTALS = (Decimal(100), Decimal(50))
"""Few amounts: where they collide, bugs show."""
_OTHER = {"USD": "JPY"}
"""By a currency, the wrong one that billing may have instead; else dollars."""
PARTS = (Decimal(50), Decimal(100), Decimal(30))
MIL = Decimal("0.005")
LARGE = Decimal(1000)
BY_HAND = Decimal(7)
"""What people enter in billing: never an amount of ours."""

Act: TypeAlias = Callable[["Office"], object]


class Office:
    """The bookkeeper and the office, at work."""

    def __init__(
        self, stage: Stage, swarm: Swarm, book: Book, shop: Shop, *, credits_told: bool
    ) -> None:
        self.stage = stage
        self.swarm = swarm
        self.book = book
        self.shop = shop
        self.serial = 0
        self._credits = credits_told
        self._draw = stage.decisions

    def open_up(self, count: int) -> None:
        """The invoices with which the world begins."""
        for _ in range(count):
            self.invoice()
        bill = self.shop.add("FOREIGN", Decimal(100), self.stage.now)
        bill.foreign, bill.memo = True, "not ours"

    def work(self) -> None:
        """One thing that somebody does."""
        self._draw.pick(_ACTS)(self)

    # The ledger -----------------------------------------------------------------------

    def invoice(self) -> Paper:
        """A new invoice: on both sides, or on one."""
        draw = self._draw
        self.serial += 1
        number = f"N{self.serial}"
        total, currency = draw.pick(TOTALS), draw.pick(CURRENCIES)
        known = draw.draw(8)
        if known != 7:  # noqa: PLR2004 - one in eight is the ledger's alone
            there, money = total, currency
            if known == 6:  # noqa: PLR2004 - another one is not the same in billing
                there, money = draw.pick(
                    ((total, _OTHER.get(currency, "USD")), (total + 1, currency))
                )
            bill = self.shop.add(number, there, self.stage.now, currency=money)
            if self._credits and draw.one_in(4):
                bill.credited = min(Decimal(20), total)
            self._lagging(bill.id)
        paper = self.book.add(
            number, total, self.stage.now, currency=currency, on=draw.pick(DAYS)
        )
        self._told(f"{paper.id} {number} entered, {total} {currency}")
        if draw.draw(3):
            self.pay(paper)
        return paper

    def plain(self) -> None:
        """A new invoice on both sides, with a part payment."""
        self.serial += 1
        number, on = f"N{self.serial}", TODAY
        bill = self.shop.add(number, LARGE, self.stage.now - timedelta(days=1))
        paper = self.book.add(bill.number, LARGE, self.stage.now, on=on)
        self.grow(paper)

    def grow(self, paper: Paper) -> None:
        """One more part payment; nothing is ever settled by it."""
        self.book.apply(paper, Decimal(10), TODAY, "cash", self.stage.now)

    def _lagging(self, bill: str) -> None:
        """P12: a search by number does not show it yet; mostly it is long there."""
        if self.swarm.on("P12") and self._draw.draw(3) == 0:
            self.stage.fault("P12")
            return
        self.shop.bills[bill].made_at -= timedelta(days=1)

    def pay(self, paper: Paper | None = None) -> None:
        """A payment or a credit is applied."""
        draw = self._draw
        paper = paper or self._some()
        if paper is None or paper.status != "open":
            return
        amount = draw.pick(PARTS)
        if paper.currency == "BHD" and draw.draw(2):
            amount -= MIL
        how = draw.pick(("cash", "cash", "credit", "discount"))
        if how not in self.book.style.tells:
            how = "cash"
        day, lag = draw.pick(DAYS), self._lag()
        self.book.apply(paper, amount, day, how, self.stage.now, lag)
        self._told(f"{paper.id} {how} {amount}")

    def take_back(self) -> None:
        """A part is taken back."""
        paper = self._some()
        live = [each for each in paper.pieces if each.live] if paper else []
        if paper is None or not live:
            return
        self.book.undo(paper, live[-1], self.stage.now, self._lag())
        self._told(f"{paper.id} took back {live[-1].amount}")

    def burst(self) -> None:
        """P2, P3: many changes with one timestamp."""
        papers = list(self.book.papers.values())
        name = "P3" if len(papers) > self.book.style.page_size else "P2"
        if not self.swarm.on(name):
            return
        self.stage.fault(name)
        for paper in papers:
            self.book.touch(paper, self.stage.now)
        self._told("all invoices were changed at once")

    def void(self) -> None:
        """P9: an invoice is voided; now and then another takes its number."""
        paper = self._some()
        if paper is None or paper.status != "open":
            return
        self.stage.fault("P9")
        paper.status = "void"
        self.book.touch(paper, self.stage.now)
        self._told(f"{paper.id} voided")
        if self._draw.draw(3) == 0:
            again = self.book.add(
                paper.number,
                paper.total,
                self.stage.now,
                currency=paper.currency,
                on=paper.on,
            )
            self._told(f"{again.id} entered as {paper.number}")

    def delete(self) -> None:
        """P9: an invoice is deleted."""
        paper = self._some()
        if paper is None or not self.swarm.on("P9"):
            return
        self.stage.fault("P9")
        self.book.delete(paper, self.stage.now)
        self._told(f"{paper.id} deleted")

    def spoil(self) -> None:
        """P10: an invoice becomes unreadable, or readable again."""
        paper = self._some()
        if paper is None or not self.swarm.on("P10"):
            return
        self.stage.fault("P10")
        paper.poison = "" if paper.poison else self._draw.pick(tuple(POISONS))
        self.book.touch(paper, self.stage.now)
        self._told(f"{paper.id} unreadable: {paper.poison or 'no longer'}")

    def _lag(self) -> float:
        """P5: the feed shows the change only after so many seconds."""
        style = self.book.style
        if not style.lag or not style.stamping or not self._draw.draw(2):
            return 0.0
        self.stage.fault("P5")
        return self._draw.seconds(style.lag)

    # Billing --------------------------------------------------------------------------

    def annotate(self) -> None:
        """A person edits a bill, in what is no business of ours."""
        bills = [each for each in self.shop.bills.values() if not each.foreign]
        if bills:
            self.shop.edit(self._draw.pick(bills), "seen")

    def by_hand(self) -> None:
        """A person enters a payment in billing."""
        bills = [each for each in self.shop.bills.values() if not each.foreign]
        if bills and self.shop.style.owned:
            bill = self._draw.pick(bills)
            self.shop.receive(bill, BY_HAND, TODAY)
            self._told(f"{bill.id} was paid by hand")

    def wait(self) -> None:
        """Nobody does anything for a while."""
        self.stage.advance(self._draw.pick((1.0, 60.0, 540.0, 3600.0, 100000.0)))

    def _some(self) -> Paper | None:
        papers: Sequence[Paper] = list(self.book.papers.values())
        return self._draw.pick(papers) if papers else None

    def _told(self, text: str) -> None:
        self.stage.changed(text)


_ACTS: tuple[Act, ...] = (
    Office.pay,
    Office.pay,
    Office.pay,
    Office.pay,
    Office.pay,
    Office.take_back,
    Office.take_back,
    Office.wait,
    Office.invoice,
    Office.invoice,
    Office.burst,
    Office.void,
    Office.delete,
    Office.spoil,
    Office.annotate,
    Office.by_hand,
)
