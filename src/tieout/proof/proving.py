"""
One verification under way: both sides read to their end, paired, compared, added up.

Memory does not grow with the number of records: rows wait on disk, and the store is asked
for some at a time. Nothing is written to either side or to the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, time
from typing import Any, Self

from attrs import define, field

from tieout import codec
from tieout.capabilities import Changed, Dated, Everything, Select, Verb
from tieout.carrying import Stopped
from tieout.errors import ConfigError, Severity
from tieout.fields import FIRST_DAY, LAST_DAY
from tieout.models import Invoice, Payment, RecordType, Ref, Settlement
from tieout.planners import fees
from tieout.proof.comparing import Comparison, Found
from tieout.proof.counting import Statements
from tieout.proof.differences import Difference, DifferenceKind
from tieout.proof.entries import (
    Entry,
    entry,
    fee_key,
    packed,
    unpacked,
    unreadable,
)
from tieout.proof.explaining import SIDES, Explaining
from tieout.proof.pairing import Group, Pairing
from tieout.proof.recognising import Recognising
from tieout.proof.sorting import Sorter
from tieout.protocol import Connector, batches
from tieout.reading import Reader, listed
from tieout.report import Progress
from tieout.session import Session
from tieout.settings import Direction, Settings, Side

LOOKED_UP = 500
"""Records of which the store is asked together."""

COMPARED = 200
"""Groups that are compared together: those that differ are looked into in one go."""


@define(kw_only=True)
class Proving:
    """Verifies kinds of records, one after another."""

    reader: Reader
    sessions: Mapping[Side, Session]
    settings: Settings
    recognising: Recognising
    explaining: Explaining
    today: date
    first: date | None = None
    last: date | None = None
    on_progress: Callable[[Progress], None] | None = None
    stop: Callable[[], bool] | None = None
    read: dict[str, int] = field(factory=dict, init=False)
    """By connection, how many records were read."""
    unreadable: int = field(default=0, init=False)
    compared: int = field(default=0, init=False)
    """How many of them both sides have."""
    counts: dict[DifferenceKind, int] = field(factory=dict, init=False)
    red: int = field(default=0, init=False)
    """How many differences have a red light."""
    statements: Statements = field(factory=Statements, init=False)
    _differing: Sorter = field(factory=Sorter, init=False)
    _done: int = field(default=0, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:
            stack.enter_context(self.statements)
            stack.enter_context(self._differing)

    def prove(self, kind: RecordType) -> None:
        """Verify all records of a kind."""
        billing, ledger = (self.sessions[side].connector for side in SIDES)
        comparison = Comparison(
            kind,
            billing.connection,
            ledger.connection,
            billing.capabilities,
            self.settings,
            self.today,
        )
        with ExitStack() as stack:
            rows = {side: stack.enter_context(Sorter()) for side in SIDES}
            for side in self._in_order(kind):
                self._read(side, kind, rows[side])
            pairing = Pairing(
                self.settings.number_rule,
                several=kind is Payment,
                referring=kind is Settlement,
                numbered=kind is not Payment,
            )
            stack.enter_context(pairing)
            for side in SIDES:
                for some in batches(_latest(rows[side]), LOOKED_UP):
                    self._check_stop()
                    name = self.sessions[side].connector.connection
                    self.read[name] = self.read.get(name, 0) + len(some)
                    for each in self.recognising.known(some, comparison):
                        pairing.add(each)
            for groups in batches(pairing.groups(), COMPARED):
                self._check_stop()
                self._compare(groups, comparison)

    def _in_order(self, kind: RecordType) -> Iterable[Side]:
        """
        The sides, first the one that things come from.

        What comes after it was read is not missed on the other side, which was not read
        yet; what is carried there meanwhile is found by the second look.
        """
        inward = self.settings.direction(kind) is Direction.TO_BILLING
        return reversed(SIDES) if inward or kind is Settlement else SIDES

    def differences(self) -> Iterator[Difference]:
        """All that was found, by number; nothing of it is left afterwards."""
        for (row,) in self._differing.rows():
            yield codec.load(row, Difference)

    def _read(self, side: Side, kind: RecordType, rows: Sorter) -> None:
        """All that one side has of a kind, by id."""
        session, serial = self.sessions[side], 0
        name = session.connector.connection
        select = selected(session.connector, kind, self.first, self.last)
        for page in listed(session, kind, select):
            self._check_stop()
            found = [(entry(each, side), each.changed_at) for each in page.records]
            found += [(unreadable(e, side), None) for e in page.issues if e.blocking]
            for each, changed_at in found:
                serial += 1
                stamp = changed_at.isoformat() if changed_at else ""
                # What cannot even be named is nobody's double.
                key = each.id or f"\x1f{serial}"
                rows.add(key, bool(each.problem), stamp, serial, packed(each))
            self._tell("", "read", Severity.GREEN, f"{serial:,} of {name}")

    def _compare(self, groups: Sequence[Group], comparison: Comparison) -> None:
        """Compare some groups, add them up, and look into those that differ."""
        across = self._across(groups, comparison)
        differing: list[Found] = []
        for group in groups:
            found = comparison.compare(group, across)
            self.statements.take(comparison.section, found.filings)
            self.compared += group.paired
            self.unreadable += any(each.problem for each in group.entries)
            self._done += 1
            if found.differences:
                differing.append(found)
        if not differing:
            return
        for each in self.explaining.explained(differing, comparison):
            self.counts[each.kind] = self.counts.get(each.kind, 0) + 1
            self._differing.add(_order(each), codec.dump(each))
            self.red += each.light is Severity.RED
            ref = each.ledger or each.billing
            self._tell(each.name, each.kind.word, each.light, str(each), ref)

    def _across(
        self, groups: Sequence[Group], comparison: Comparison
    ) -> dict[str, str]:
        """
        By billing's id, the ledger's invoices that these documents are put to.

        A fee is put to its payment on one side, and to the invoice of it on the other.
        """
        wanted: list[tuple[Ref, str]] = []
        for each in (each for group in groups for each in group.billing):
            ref = comparison.ref(each)
            if each.puts is None or ref is None:
                continue
            invoices = [
                Ref(ref.connection, Invoice.__name__, p.target) for p in each.puts
            ]
            wanted += [(invoice, "") for invoice in invoices]
            if comparison.kind is Payment:
                wanted.append((ref, fees.ROLE))
        theirs = (each for group in groups for each in group.ledger)
        for each in theirs if comparison.kind is Payment else ():
            ref = comparison.ref(each)
            if ref is not None and any(put.fee for put in each.puts or ()):
                wanted.append((ref, fees.ROLE))
        ties = self.reader.ties(wanted)
        return dict(
            (link.billing.id, fee_key(ref.id))
            if ref.connection == comparison.ledger
            else (fee_key(ref.id) if role else ref.id, link.ledger.id)
            for (ref, role), link in ties.items()
            if not link.released
        )

    def _check_stop(self) -> None:
        if self.stop is not None and self.stop():
            raise Stopped

    def _tell(
        self, number: str, what: str, light: Severity, text: str, ref: Ref | None = None
    ) -> None:
        if self.on_progress is not None:
            told = Progress(number, what, light, text, self._done, ref)
            self.on_progress(told)


def _latest(rows: Sorter) -> Iterator[Entry]:
    """Each record once, as it was read last; what could not be read once is not known."""
    last: tuple[str, list[Any]] | None = None
    for key, group in rows.groups():
        newest = max(group, key=lambda row: row[:3])
        if last is not None and last[0] == key:
            newest = max(newest, last[1], key=lambda row: row[:3])
        elif last is not None:
            yield unpacked(last[1][3])
        last = key, newest
    if last is not None:
        yield unpacked(last[1][3])


def _order(found: Difference) -> str:
    """By what differences are sorted: the same for the same differences."""
    ids = (ref.id for ref in (found.billing, found.ledger) if ref)
    about = found.about.__name__
    return "\x1f".join((found.name, about, *ids, found.kind.name, found.field))


def selected(
    connector: Connector, kind: RecordType, first: date | None, last: date | None
) -> Select:
    """
    How all records of a kind are asked for, or those of some days.

    Raises `ConfigError` where a side cannot list them so.
    """
    able = connector.capabilities.kind(kind)
    system = f"{connector.capabilities.system} ({connector.connection})"
    name = f"{system} cannot list {kind.__name__} records"
    if first is not None or last is not None:
        if Dated in able.selects and able.can(Verb.READ):
            return Dated(first or FIRST_DAY, last or LAST_DAY)
        raise ConfigError(f"{name} by their dates: leave first= and last= out")
    if Everything in able.selects and able.can(Verb.READ):
        return Everything()
    if Changed in able.selects and able.can(Verb.READ):
        return Changed(datetime.combine(FIRST_DAY, time(), UTC))
    raise ConfigError(f"{name}: choose what it can list by kinds=")
