"""
The people of a world of documents: who enters, edits, voids, copies and deletes, and who
answers what is asked of them.

Everything is drawn from the world's decisions. What they answer is true.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from tieout.answers import Landed, PersonsAnswer, Reply
from tieout.change import Action
from tieout.connector import Fields
from tieout.evidence import shown
from tieout.store import Intent
from tieout.testing.simulator.cabinet import Cabinet, Sheet, load_sheet
from tieout.testing.simulator.faults import Swarm
from tieout.testing.simulator.stage import DAWN, Stage

TOTALS = (Decimal(100), Decimal(50), Decimal("12.5"))
CURRENCIES = ("USD", "USD", "EUR", "JPY")
TODAY: date = DAWN.date()

Act: TypeAlias = Callable[["Clerks"], object]


class Clerks:
    """The people of both sides."""

    def __init__(
        self, stage: Stage, swarm: Swarm, shop: Cabinet, book: Cabinet
    ) -> None:
        self.stage = stage
        self.swarm = swarm
        self.shop = shop
        self.book = book
        self._draw = stage.decisions
        self._serial = 0

    def open_up(self, count: int) -> None:
        """The documents with which the world begins."""
        for _ in range(count):
            self.enter()
        foreign = self.book.add("FOREIGN", TOTALS[0], "USD", TODAY, self.stage.now)
        foreign.foreign, foreign.memo = True, "not ours"

    def work(self) -> None:
        """One thing that somebody does."""
        self._draw.pick(_ACTS)(self)

    # In the shop ------------------------------------------------------------------------

    def enter(self) -> Sheet:
        """A new document; now and then the book has its number already (H10)."""
        draw = self._draw
        self._serial += 1
        total, currency = draw.pick(TOTALS), draw.pick(CURRENCIES)
        if currency == "JPY":
            total = total.to_integral_value()
        number, now = f"N{self._serial}", self.stage.now
        if self.swarm.on("H10") and draw.one_in(4):
            other = self.book.add(number, total, currency, TODAY, now)
            other.foreign, other.memo = True, "not ours"
        sheet = self.shop.add(number, total, currency, TODAY, now)
        self.stage.changed(f"{sheet.id} {number} entered, {total} {currency}")
        return sheet

    def plain(self) -> Sheet:
        """A new document of which nothing is drawn."""
        self._serial += 1
        number, now = f"N{self._serial}", self.stage.now
        return self.shop.add(number, TOTALS[0], "USD", TODAY, now)

    def edit(self, sheet: Sheet | None = None) -> None:
        """An open document becomes another amount."""
        sheet = sheet or self._open(self.shop)
        if sheet is not None:
            self.shop.edit(sheet, sheet.total + 1)
            self.stage.changed(f"{sheet.id} is {sheet.total} now")

    def renumber(self) -> None:
        """An open document gets another number, and nothing else changes."""
        sheet = self._open(self.shop)
        if sheet is not None:
            self._serial += 1
            self.shop.renumber(sheet, f"N{self._serial}")
            self.stage.changed(f"{sheet.id} is {sheet.number} now")

    def void(self) -> None:
        """A document is voided."""
        sheet = self._open(self.shop)
        if sheet is not None:
            self.shop.void(sheet)
            self.stage.changed(f"{sheet.id} voided")

    def delete(self) -> None:
        """P9: a document is deleted."""
        sheet = self._open(self.shop)
        if sheet is not None and self.swarm.on("P9"):
            self.stage.fault("P9")
            self.shop.delete(sheet)
            self.stage.changed(f"{sheet.id} deleted")

    # In the book ------------------------------------------------------------------------

    def overwrite(self) -> None:
        """Somebody edits a document of ours in the book."""
        sheet = self._open(self.book)
        if sheet is not None:
            self.book.edit(sheet, sheet.total + 5)
            self.stage.changed(f"{sheet.id} is {sheet.total} by hand")

    def strike(self) -> None:
        """Somebody voids a document of ours in the book."""
        sheet = self._open(self.book)
        if sheet is not None and self._draw.draw(2):
            self.book.void(sheet)
            self.stage.changed(f"{sheet.id} voided by hand")

    def remove(self) -> None:
        """H14, P9: somebody deletes a document of ours in the book."""
        sheet = self._open(self.book)
        if sheet is not None and self.swarm.on("P9"):
            self.stage.fault("P9")
            self.book.delete(sheet)
            self.stage.changed(f"{sheet.id} deleted by hand")

    def copy(self) -> None:
        """R3: somebody copies a document of ours together with its mark."""
        sheet = self._open(self.book)
        if sheet is not None and self._draw.draw(2):
            other = self.book.copy(sheet, self.stage.now)
            self.stage.changed(f"{other.id} copied from {sheet.id}")

    def wait(self) -> None:
        """Nobody does anything for a while."""
        self.stage.advance(self._draw.pick((1.0, 60.0, 540.0, 3600.0)))

    def _open(self, cabinet: Cabinet) -> Sheet | None:
        sheets = [
            each
            for each in cabinet.sheets.values()
            if each.status == "open" and not each.foreign
        ]
        return self._draw.pick(sheets) if sheets else None

    # What is asked of them --------------------------------------------------------------

    def reply(self, write: Intent, *, certain: bool) -> PersonsAnswer | None:
        """
        What came of a parked write, by what the book really holds.

        None where nobody can say yet; ``certain``: no request is on its way any more. Of
        two documents with one mark, the copies are deleted first, or all is left alone.
        """
        if self._draw.one_in(4):
            return Reply.IGNORE
        if write.target is not None:
            sheet = self.book.sheets.get(write.target.id)
            landed = sheet is not None and self._is(sheet, write)
            if landed:
                return Landed(write.target.id)
            return Reply.NOT_THERE if certain else None
        marked = [e for e in self.book.sheets.values() if e.reference == write.mark]
        if not marked:
            return Reply.NOT_THERE if certain else None
        marked.sort(key=lambda each: write.result is None or each.id != write.result.id)
        for other in marked[1:]:
            self.book.delete(other)
            self.stage.changed(f"{other.id} deleted: it was there twice")
        return Landed(marked[0].id)

    def _is(self, sheet: Sheet, write: Intent) -> bool:
        """Whether a document is as a write wanted it."""
        if write.action is Action.VOID:
            return sheet.status == "void"
        row = Fields(self.book.row(sheet))
        return shown(load_sheet(row, self.book.connection)) == write.wanted


_ACTS: tuple[Act, ...] = (
    Clerks.edit,
    Clerks.edit,
    Clerks.renumber,
    Clerks.enter,
    Clerks.enter,
    Clerks.wait,
    Clerks.void,
    Clerks.delete,
    Clerks.overwrite,
    Clerks.strike,
    Clerks.remove,
    Clerks.copy,
)
