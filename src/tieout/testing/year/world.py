"""
One seed's world: two systems with their connectors, one store, people, and what may fail.

All that is drawn comes from its `Decisions`: what each system can do and does to texts, the
rules of the pair, how often something fails. What happens in it, and when, stands in
`tieout.testing.year.play`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from attrs import evolve, field, frozen

from tieout.capabilities import Kind, Mark, Updates, Verb
from tieout.change import Change
from tieout.engine import Engine
from tieout.errors import Code, Fate, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    RecordType,
    Settlement,
)
from tieout.settings import CUSTOMER_FIELDS, Direction, Fees, Settings
from tieout.store import Fact, Gone, Intent
from tieout.store import Stage as At
from tieout.testing.simulator.disk import MemoryDisk
from tieout.testing.simulator.faults import Swarm
from tieout.testing.simulator.ports import ClockPort, StorePort
from tieout.testing.simulator.stage import DAWN, Decisions, Stage, Worker
from tieout.testing.year.books import Books, as_it_is
from tieout.testing.year.clerks import Clerks
from tieout.testing.year.connector import KINDS, LEVELS, BooksConnector
from tieout.testing.year.judge import Judge

SHOP, BOOK = "shop:1", "book:1"

START = DAWN.date() - timedelta(days=30)
"""From when the first run reads: before anything was there."""

LATE_COMMIT = timedelta(minutes=1)
"""The latest that a write lands after its caller gave up."""

_CUT = 12
"""Characters that a name or description has in some ledgers."""

_TEXTS: tuple[Callable[[str], str], ...] = (
    as_it_is,
    str.strip,
    str.upper,
    lambda text: text[:_CUT],
    lambda text: " ".join(text.split()).upper()[:_CUT],
)
"""What systems do to names and descriptions."""

_WAYS = (Direction.BOTH, Direction.TO_LEDGER, Direction.TO_BILLING)


class Luck(Swarm):
    """Which faults a world has, and how often."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions
        self.quiet = False
        self.frozen_rate = 0.0
        self.crash_rate = decisions.pick((0.0, 0.001, 0.003, 0.01))
        self.fate_rate = decisions.pick((0.0, 0.1, 0.2, 0.4))
        self.busy_rate = decisions.pick((0.0, 0.005, 0.02))
        """How often somebody works while a run is under way."""
        self.rates = {"store": decisions.pick((0.0, 0.0, 0.003, 0.01))}
        self._on = {"store": ["S1", "S2", "S3", "S5"]}
        names = ("lost", "late", "never", "refused", "stale", "away")
        self._fates = [each for each in names if decisions.draw(3)]

    def fair(self) -> None:
        """Nothing fails, and nobody works while a run is under way."""
        self.crash_rate = self.fate_rate = self.busy_rate = 0.0
        self.rates = {"store": 0.0}

    def fate(self) -> str:
        """What becomes of a write, as the connector names it."""
        if self.quiet or not self._fates or not self._decisions.chance(self.fate_rate):
            return ""
        return self._decisions.pick(self._fates)

    def unreached(self) -> bool:
        """Whether a read does not reach the system."""
        return not self.quiet and self._decisions.chance(self.fate_rate / 50)

    def busy(self) -> bool:
        """Whether somebody does something at this very moment."""
        return not self.quiet and self._decisions.chance(self.busy_rate)


@frozen
class Style:
    """How one system is, but for what it holds."""

    kinds: Mapping[RecordType, Kind]
    normalise: Callable[[str], str] = as_it_is
    unique: bool = True
    invoices_per_payment: int | None = None
    versioned: bool = False
    search_lag: timedelta = timedelta(0)
    levels: bool = False
    ways: Mapping[RecordType, bool] = field(factory=dict)


def drawn(draw: Decisions, *, levels: bool) -> Style:
    """A system, by chance; the calm one can do everything."""
    style = Style(
        KINDS,
        normalise=draw.pick(_TEXTS),
        unique=draw.draw(3) < 2,  # noqa: PLR2004 - two in three
        invoices_per_payment=draw.pick((None, None, 1)),
        versioned=not draw.one_in(3),
        search_lag=timedelta(seconds=draw.pick((0, 0, 45))),
        levels=levels,
    )
    kinds = {kind: _page(draw, each) for kind, each in KINDS.items()}
    invoice = kinds[Invoice]
    if not style.unique or draw.one_in(3):
        # A number that may be there twice is no mark.
        invoice = evolve(invoice, mark=Mark("custom.mark"), number_unique=style.unique)
    kinds[Invoice] = evolve(invoice, batch_size=draw.pick((3, 1)))
    if draw.one_in(3):
        kinds[Payment] = _changeable(kinds[Payment])
    for kind in (Invoice, CreditNote, Payment, Application):
        if draw.one_in(10):
            kinds[kind] = evolve(kinds[kind], verbs=kinds[kind].verbs - {Verb.VOID})
    if levels:
        held = LEVELS[Settlement]
        kinds[Settlement] = evolve(held, number_unique=style.unique)
    return evolve(style, kinds=kinds)


def _page(draw: Decisions, kind: Kind) -> Kind:
    return evolve(kind, page_size=draw.pick((7, 2)), fetch_size=draw.pick((50, 3)))


def _changeable(kind: Kind) -> Kind:
    """Payments that can be changed once they are there."""
    writable = frozenset({"on", "amount", "currency", "applications"})
    verbs = kind.verbs | {Verb.UPDATE}
    return evolve(kind, verbs=verbs, writable=writable, updates=Updates.SPARSE)


def rules(draw: Decisions, *, levels: bool) -> Settings:
    """The rules of the pair, by chance."""
    directions: dict[RecordType, Direction] = {
        Customer: draw.pick(_WAYS),
        Invoice: draw.pick(_WAYS),
        CreditNote: Direction.OFF if levels else draw.pick((*_WAYS, Direction.OFF)),
        Payment: Direction.OFF if levels else draw.pick((*_WAYS, Direction.BOTH)),
        Settlement: Direction.TO_BILLING if levels else Direction.OFF,
    }
    owned = [name for name in CUSTOMER_FIELDS if draw.one_in(3)]
    return Settings(
        directions=directions,
        paid_amount=draw.pick(("settled", "cash")),
        updates=draw.pick(("update", "void_only")),
        replace_payments=draw.draw(2) == 0,
        match_customers=draw.pick(("number and name", "number", "name")),
        owners={name: draw.pick(("billing", "ledger")) for name in owned},
        active_only=draw.draw(2) == 0,
        fees=draw.pick((Fees(), Fees(written_as="overpayment"), None)),
    )


class World:
    """Two systems, their people, and the processes of an engine between them."""

    def __init__(self, stage: Stage, *, fair: bool = False) -> None:
        draw = stage.decisions
        self.stage = stage
        levels = draw.one_in(4)
        self.settings = rules(draw, levels=levels)
        self.luck = Luck(draw)
        if fair:
            self.luck.fair()
        self.disk = MemoryDisk()
        self.disk.clock = ClockPort(stage, Worker("the disk"))
        styles = {
            SHOP: drawn(draw, levels=levels),
            BOOK: drawn(draw, levels=False),
        }
        self.books = {name: self._books(name, style) for name, style in styles.items()}
        self.judge = Judge(stage, self.books, self.disk, self.settings, levels=levels)
        self.connectors = {
            name: self._connector(name, style) for name, style in styles.items()
        }
        self.clerks = self._people(levels=levels)
        self.syncs = 0
        self.counts: dict[str, int] = {}
        self.unclear: set[tuple[str, Any]] = set()
        self.writes = 0
        """Writes that were carried out, on both sides."""
        self.worker = Worker("nobody")
        self._workers = 0
        self._engine: Engine | None = None

    def _books(self, name: str, style: Style) -> Books:
        return Books(
            name,
            lambda: self.stage.now,
            normalise=style.normalise,
            unique=style.unique,
            invoices_per_payment=style.invoices_per_payment,
            levels=style.levels,
        )

    def _connector(self, name: str, style: Style) -> BooksConnector:
        return BooksConnector(
            self.books[name],
            style.kinds,
            fate=self._fate,
            invoices_per_payment=style.invoices_per_payment,
            reached=lambda what: self._reached(name, what),
            landed=lambda change, made: self._landed(name, change, made),
            later=self._later,
            versioned=style.versioned,
            search_lag=style.search_lag,
        )

    def _people(self, *, levels: bool) -> Sequence[Clerks]:
        shop, book, made = self.books[SHOP], self.books[BOOK], self.judge.made
        fees, unheard = not levels, self.judge.unheard
        return (
            Clerks(
                self.stage,
                shop,
                book,
                made,
                unheard=unheard,
                pays=not levels,
                fees=fees,
            ),
            Clerks(self.stage, book, shop, made, unheard=unheard),
        )

    # Processes ------------------------------------------------------------------------

    def engine(self) -> Engine:
        """The engine of the process that runs, or of a new one on the same store."""
        self._engine = self._engine or self._process()
        return self._engine

    def engine_ended(self) -> None:
        """The process has ended."""
        self._engine = None

    def _process(self) -> Engine:
        self._workers += 1
        self.worker = Worker(f"w{self._workers}", due=self.stage.now)
        store = StorePort(
            self.stage, self.worker, self.luck, self.disk, self._committed
        )
        return Engine(
            billing=self.connectors[SHOP],
            ledger=self.connectors[BOOK],
            store=store,
            settings=self.settings,
            clock=ClockPort(self.stage, self.worker),
        )

    def somebody_works(self) -> None:
        """One thing that somebody does, on one of the sides."""
        self.stage.decisions.pick(self.clerks).work()

    def count(self, name: str, number: int = 1) -> None:
        """One more of something that is told in the end."""
        self.counts[name] = self.counts.get(name, 0) + number

    # Ports ----------------------------------------------------------------------------

    def _reached(self, name: str, what: str) -> None:
        """A call of the engine arrives at a system."""
        self.stage.step(self.worker, name, what, takes=0.05)
        if self.luck.crashes():
            self.stage.crash(self.worker, self.worker.doing or "C1")
        if self.luck.busy():
            self.judge.disturbed = True
            self.somebody_works()
        if not what.startswith("write") and self.luck.unreached():
            self.count("reads not reached")
            raise Fault(Code.NOT_REACHED, "nobody answers", fate=Fate.NOT_SENT)

    def _fate(self, change: Change) -> str:
        fate = self.luck.fate()
        if fate:
            self.stage.changed(f"{fate}: {change.kind.__name__} {change.number}")
            self.count(fate)
        return fate

    def _later(self, act: Callable[[], object]) -> None:
        most = LATE_COMMIT.total_seconds()
        self.stage.later(self.stage.decisions.seconds(most), act)

    def _landed(self, name: str, change: Change, made: Any) -> None:
        self.writes += 1
        ref = made.ref.id if made is not None else change.target
        self.stage.changed(
            f"{name} {change.action.name} {change.kind.__name__} {ref} for "
            f"{change.source.id} {change.role} {change.generation}"
        )
        self.count(f"{change.action.name} {change.kind.__name__}")
        self.judge.landed(change, made)

    def _committed(self, facts: Sequence[Fact | Gone]) -> None:
        for fact in facts:
            if isinstance(fact, Intent) and fact.stage is At.UNKNOWN:
                self.unclear.add((fact.name, fact.sent_at))
        self.judge.committed(facts)
