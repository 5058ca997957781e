"""
The calls that applying a plan will cost, from what the two systems declare.

It counts what `tieout.run` and `tieout.documents` do with a plan whose records are all as
they were: both sides are read again, documents that may be there already are looked for,
and the changes are written in batches, each as dear as `Capabilities` says. Of a plan that
is carried out whole and directly, that is an upper bound, and the very number where a
system declares exactly what it costs.

Not counted is what no plan can tell: signing in and asking whose books these are, requests
that are repeated, and what earlier runs left unclear. Reading costs nothing where it is
declared to be free. Nothing here calls anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from attrs import define, evolve, frozen

from tieout.adapters import DryAdapter
from tieout.capabilities import Capabilities, Verb
from tieout.change import Action, Change
from tieout.documents import CHECK_SIZE as DOCUMENTS_READ
from tieout.documents import VERBS, in_steps
from tieout.doubts import LOOK_SIZE
from tieout.models import RecordType, Settlement
from tieout.plan import Header, Plan
from tieout.protocol import batches
from tieout.reading import asked_numbers
from tieout.run import CHECK_SIZE as LEVELS_READ
from tieout.settings import NumberRule


@frozen
class Side:
    """One connection, and what it can do."""

    connection: str
    can: Capabilities

    def reading(self, kind: RecordType, ids: int) -> int:
        """Calls for so many records by their ids or numbers."""
        readable = self.can.kind(kind).can(Verb.READ) and not self.can.free_reads
        return self.can.fetch_calls(kind, ids) if readable else 0

    def looking(self, kind: RecordType, documents: int) -> int:
        """Calls to look whether so many documents are there already, by their marks."""
        mark = self.can.kind(kind).mark
        if mark is None or not mark.searchable:
            return 0
        return sum(self.reading(kind, some) for some in _sizes(documents, LOOK_SIZE))


# Documents ----------------------------------------------------------------------------


def of_documents(
    changes: Iterable[Change], sides: Iterable[Side], wave: int
) -> dict[str, int]:
    """
    The calls that a plan of documents costs, by connection.

    ``wave`` is how many changes a run sends after one durable transaction.
    """
    by_name = {side.connection: side for side in sides}
    total: Counter[str] = Counter()
    for ready in in_steps(changes):
        for some in batches(ready, DOCUMENTS_READ):
            total += _read_again(some, by_name)
            writes = [each for each in some if each.action is not Action.KEEP]
            for sent in batches(writes, wave):
                total += _written(sent, by_name)
    return {name: total[name] for name in by_name if total[name]}


def _read_again(changes: Sequence[Change], sides: Mapping[str, Side]) -> Counter[str]:
    wanted: dict[tuple[str, RecordType], set[str]] = {}
    for change in changes:
        for ref in (change.source, change.target):
            if ref is not None and ref.connection in sides:
                wanted.setdefault((ref.connection, change.kind), set()).add(ref.id)
    total: Counter[str] = Counter()
    for (connection, kind), ids in wanted.items():
        total[connection] += sides[connection].reading(kind, len(ids))
    return total


def _written(changes: Sequence[Change], sides: Mapping[str, Side]) -> Counter[str]:
    writes: Counter[tuple[str, RecordType]] = Counter()
    looks: Counter[tuple[str, RecordType]] = Counter()
    for change in changes:
        side = sides.get(change.connection)
        if side is None or not side.can.kind(change.kind).can(VERBS[change.action]):
            continue  # it will be an issue
        about = (change.connection, change.kind)
        writes[about] += 1
        looks[about] += change.action is Action.CREATE and bool(change.mark)
    total: Counter[str] = Counter()
    for (connection, kind), number in writes.items():
        side = sides[connection]
        total[connection] += side.can.write_calls(kind, number)
        total[connection] += side.looking(kind, looks[connection, kind])
    return total


# Levels -------------------------------------------------------------------------------


@define
class LevelCost:
    """
    The calls that a plan of payment levels costs, counted while its pages come in.

    Records that agree and are not tied yet are compared once more when the plan is
    applied: billing is asked for their numbers, the ledger for others of the same number.
    """

    billing: Side
    ledger: Side
    rule: NumberRule
    wave: int
    changes: int = 0
    ties: int = 0
    asked: int = 1
    """The most numbers that billing is asked for because of one tie."""
    rivals: int = 0
    """The most numbers that the ledger is asked for because of one tie."""

    def add(self, plan: Plan) -> None:
        """One more page."""
        self.changes += len(plan.changes)
        kept = {claim.source.id for claim in plan.claims if claim.kept}
        self.ties += len(kept)
        unique = self.ledger.can.kind(Settlement).number_unique
        for record, *_ in plan.same:
            if record.ref.id in kept:
                spellings = asked_numbers(record, self.rule)
                self.asked = max(self.asked, len({*spellings}))
                if not unique:
                    own = asked_numbers(evolve(record, reference=""), self.rule)
                    self.rivals = max(self.rivals, len({*own}))

    @property
    def calls(self) -> dict[str, int]:
        """By connection, for all pages until now."""
        total: Counter[str] = Counter()
        for size, times in _shares(self.changes, LEVELS_READ):
            billing = self.billing.reading(Settlement, size)
            billing += sum(
                self.billing.can.write_calls(Settlement, sent)
                for sent in _sizes(size, self.wave)
            )
            total[self.billing.connection] += times * billing
            ledger = self.ledger.reading(Settlement, size)
            total[self.ledger.connection] += times * ledger
        for size, times in _shares(self.ties, LEVELS_READ):
            billing, ledger = self._tied(size)
            total[self.billing.connection] += times * billing
            total[self.ledger.connection] += times * ledger
        return {name: number for name, number in total.items() if number}

    def _tied(self, ties: int) -> tuple[int, int]:
        """Calls to billing and to the ledger for ties that are read together."""
        page = self.ledger.can.kind(Settlement).fetch_size
        billing, ledger = 0, self.ledger.reading(Settlement, ties)
        for size in _sizes(ties, page):
            billing += self.billing.reading(Settlement, size * self.asked)
            ledger += self.ledger.reading(Settlement, size * self.rivals)
        return billing, ledger


class Priced:
    """A dry adapter that is told with each page what the plan will cost by then."""

    dry = True

    def __init__(self, inner: DryAdapter, cost: LevelCost) -> None:
        self._inner = inner
        self._cost = cost

    def begin(self, header: Header) -> None:
        self._inner.begin(header)

    def take(self, plan: Plan) -> None:
        before = self._cost.calls
        self._cost.add(plan)
        more = {
            name: number - before.get(name, 0)
            for name, number in self._cost.calls.items()
        }
        self._inner.take(evolve(plan, calls=more))

    def end(self, *, complete: bool, as_of: datetime | None = None) -> None:
        self._inner.end(complete=complete, as_of=as_of)


def _sizes(count: int, size: int) -> list[int]:
    """The sizes of the batches of so many."""
    return [min(size, count - at) for at in range(0, count, size)]


def _shares(count: int, size: int) -> list[tuple[int, int]]:
    """The sizes of the batches of so many, each with how many are of that size."""
    whole, rest = divmod(count, size)
    return [(size, whole), (rest, 1)] if rest else [(size, whole)]
