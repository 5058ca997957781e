"""
Saboteurs: each puts one deliberate bug around any connector, for the kit to catch.

A kit that never failed a bad connector proves nothing. `SABOTEURS` is the table; `hunted`
runs the checks that ought to catch one. The connector itself is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from attrs import evolve, field, frozen

from tieout.auth import Auth
from tieout.capabilities import (
    Blind,
    Capabilities,
    Changed,
    Creates,
    Everything,
    Select,
    Verb,
)
from tieout.change import Action, Change, Outcome, State
from tieout.connector import Connector, Health, Page
from tieout.errors import Code, ConfigError, Fault
from tieout.models import (
    Application,
    Payment,
    R,
    Record,
    RecordType,
    Settlement,
    Status,
)
from tieout.testing.conformance.bench import Bench
from tieout.testing.conformance.card import Result, Row
from tieout.testing.conformance.check import listable
from tieout.testing.conformance.checks import CHECKS
from tieout.testing.conformance.suite import Look, Make, examine
from tieout.wire import Call, Flow, Request, Response, Verdict

Asked: TypeAlias = Request | Call
Wrap: TypeAlias = Callable[[Connector, Bench], Connector]


class Proxy:
    """A connector that does what another does; a saboteur overrides a verb."""

    def __init__(self, inner: Connector, bench: Bench) -> None:
        self.inner, self.bench = inner, bench

    @property
    def connection(self) -> str:
        return self.inner.connection

    @property
    def capabilities(self) -> Capabilities:
        return self.inner.capabilities

    @property
    def auth(self) -> Auth:
        return self.inner.auth

    def check(self) -> Flow[Health]:
        return self.inner.check()

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        return self.inner.page(kind, select, cursor)

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        return self.inner.fetch(kind, ids=ids, numbers=numbers)

    def find(self, changes: Sequence[Change]) -> Flow[Page[Record]]:
        return self.inner.find(changes)

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        return self.inner.write(changes)

    def judge(self, response: Response) -> Verdict:
        return self.inner.judge(response)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def turned(
    flow: Flow[Any],
    turn: Callable[[Asked], Asked] = lambda asked: asked,
    seen: Callable[[Asked, Response], None] = lambda asked, response: None,
) -> Flow[Any]:
    """A flow whose requests are turned into others, and whose answers are looked at."""
    reply: Any = None
    thrown: Exception | None = None
    while True:
        try:
            asked = turn(flow.throw(thrown) if thrown else flow.send(reply))
        except StopIteration as stop:
            return stop.value
        reply, thrown = None, None
        try:
            reply = yield asked
        except Exception as error:  # noqa: BLE001 - it is handed on to the flow
            thrown = error
        else:
            seen(asked, reply)


# What is read ---------------------------------------------------------------------------


class _Pages(Proxy):
    """Bugs in what pages and searches bring."""

    def page(self, kind: type[R], select: Select, cursor: str | None = None) -> Any:
        page = yield from self.inner.page(kind, self.selected(select), cursor)
        return self.read(page)

    def fetch(self, kind: type[R], **asked: Any) -> Any:
        page = yield from self.inner.fetch(kind, **asked)
        return self.read(page)

    def selected(self, select: Select) -> Select:
        return select

    def read(self, page: Page[Any]) -> Page[Any]:
        return evolve(page, records=tuple(self.record(each) for each in page.records))

    def record(self, record: Any) -> Any:
        return record


class OnlyTheFirstPage(_Pages):
    """It forgets that there are more pages."""

    def read(self, page: Page[Any]) -> Page[Any]:
        return evolve(page, next=None)


class LosesAtTheBoundary(_Pages):
    """It loses the last record of a page that is not the last."""

    def read(self, page: Page[Any]) -> Page[Any]:
        return evolve(page, records=page.records[:-1]) if page.next else page


class RepeatsARecord(_Pages):
    """It brings the first record of each page twice."""

    def read(self, page: Page[Any]) -> Page[Any]:
        return evolve(page, records=(*page.records, *page.records[:1]))


class IgnoresSince(_Pages):
    """It reads all that ever changed, whatever since is."""

    def selected(self, select: Select) -> Select:
        if isinstance(select, Changed):
            return evolve(select, since=select.since - timedelta(days=365))
        return select


class ExclusiveSince(_Pages):
    """It leaves out what changed at the very instant."""

    def selected(self, select: Select) -> Select:
        if isinstance(select, Changed):
            return evolve(select, since=select.since + timedelta(seconds=1))
        return select


class SwapsTheCurrency(_Pages):
    """It takes every amount for euros."""

    def record(self, record: Any) -> Any:
        return evolve(record, currency="EUR") if _has(record, "currency") else record


class RoundsAmounts(_Pages):
    """It reads totals as floats."""

    def record(self, record: Any) -> Any:
        if not _has(record, "total"):
            return record
        return evolve(record, total=Decimal(float(record.total)))


class ShiftsDays(_Pages):
    """It takes a day for midnight in another zone: a day early."""

    def record(self, record: Any) -> Any:
        on = getattr(record, "on", None)
        return evolve(record, on=on - timedelta(days=1)) if on else record


class KeepsThePaidDate(_Pages):
    """It tells a paid date although something is owed."""

    def record(self, record: Any) -> Any:
        if isinstance(record, Settlement) and record.status is Status.OPEN:
            return evolve(record, paid_on=record.last_on or record.on)
        return record


class _Puts(_Pages):
    """Bugs in what payments are put to."""

    def record(self, record: Any) -> Any:
        if not isinstance(record, Payment):
            return record
        return evolve(record, applications=tuple(self.puts(record)))

    def puts(self, payment: Payment) -> Iterable[Application]:
        return payment.applications


class NamesNoInvoice(_Puts):
    """It leaves out what a payment is put to."""

    def puts(self, payment: Payment) -> Iterable[Application]:
        return ()


class CountsThePutsOfEach(_Puts):
    """It numbers the applications of each payment from one."""

    def puts(self, payment: Payment) -> Iterable[Application]:
        for count, put in enumerate(payment.applications, 1):
            yield evolve(put, ref=evolve(put.ref, id=str(count)))


class LeavesPutsAlive(_Puts):
    """It calls live what a payment that was taken back had been put to."""

    def puts(self, payment: Payment) -> Iterable[Application]:
        return (evolve(put, live=True) for put in payment.applications)


class SwallowsIssues(_Pages):
    """It leaves out, silently, what it cannot read."""

    def read(self, page: Page[Any]) -> Page[Any]:
        return evolve(page, issues=())


class CrashesOnWhatIsNew(_Pages):
    """It crashes where a record cannot be read."""

    def read(self, page: Page[Any]) -> Page[Any]:
        if page.issues:
            raise KeyError("status")
        return page


class TellsNoClock(_Pages):
    """It does not tell what time it was there."""

    def read(self, page: Page[Any]) -> Page[Any]:
        return evolve(page, as_of=None)


class TakesAnyCursor(Proxy):
    """It begins anew where a cursor is none of its own."""

    def page(self, kind: type[R], select: Select, cursor: str | None = None) -> Any:
        try:
            return (yield from self.inner.page(kind, select, cursor))
        except ConfigError:
            return (yield from self.inner.page(kind, select))


class TakesAnySelection(Proxy):
    """It reads something else where it cannot select as it was asked to."""

    def page(self, kind: type[R], select: Select, cursor: str | None = None) -> Any:
        declared = self.capabilities.kind(kind).selects
        if declared and type(select) not in declared:
            select = (
                Everything() if Everything in declared else Changed(_long_ago(self))
            )
        return (yield from self.inner.page(kind, select, cursor))


class TakesPagesForPeople(Proxy):
    """It takes what it cannot read for an empty list."""

    def page(self, kind: type[R], select: Select, cursor: str | None = None) -> Any:
        return (yield from _or_empty(self.inner.page(kind, select, cursor)))

    def fetch(self, kind: type[R], **asked: Any) -> Any:
        return (yield from _or_empty(self.inner.fetch(kind, **asked)))


def _or_empty(flow: Flow[Any]) -> Flow[Any]:
    try:
        return (yield from flow)
    except Fault as fault:
        if fault.code is not Code.BAD_PAYLOAD:
            raise
        return Page()


class ForgetsEscaping(Proxy):
    """It asks for numbers without the characters that need escaping."""

    def fetch(self, kind: type[R], **asked: Any) -> Any:
        numbers = [re.sub(r"[^\w.-]", "", each) for each in asked.get("numbers", ())]
        asked = {**asked, "numbers": numbers}
        return (yield from self.inner.fetch(kind, **asked))


class BringsMore(Proxy):
    """It brings all that it has, whatever was asked for by number or id."""

    def fetch(self, kind: type[R], **asked: Any) -> Any:
        page = yield from self.inner.fetch(kind, **asked)
        selects = self.capabilities.kind(kind).selects
        whole = Everything() if Everything in selects else Changed(_long_ago(self))
        more = yield from self.inner.page(kind, whole)
        by_id = {record.ref.id: record for record in (*page.records, *more.records)}
        return evolve(page, records=tuple(by_id.values()))


class AsksOneByOne(Proxy):
    """It asks for each id alone."""

    def fetch(self, kind: type[R], **asked: Any) -> Any:
        found: list[Any] = []
        for each in asked.get("ids", ()):
            page = yield from self.inner.fetch(kind, ids=[each])
            found += page.records
        rest = yield from self.inner.fetch(kind, numbers=asked.get("numbers", ()))
        return evolve(rest, records=(*found, *rest.records))


# What is asked --------------------------------------------------------------------------


class _Requests(Proxy):
    """Bugs in the requests of every verb."""

    def turn(self, asked: Request) -> Request:
        return asked

    def _turned(self, flow: Flow[Any]) -> Flow[Any]:
        def turn(asked: Asked) -> Asked:
            return self.turn(asked) if isinstance(asked, Request) else asked

        return turned(flow, turn)

    def page(self, kind: type[R], select: Select, cursor: str | None = None) -> Any:
        return self._turned(self.inner.page(kind, select, cursor))

    def fetch(self, kind: type[R], **asked: Any) -> Any:
        return self._turned(self.inner.fetch(kind, **asked))

    def find(self, changes: Sequence[Change]) -> Any:
        return self._turned(self.inner.find(changes))

    def write(self, changes: Sequence[Change]) -> Any:
        return self._turned(self.inner.write(changes))


class GoesElsewhere(_Requests):
    """It asks at an address of its own choice."""

    def turn(self, asked: Request) -> Request:
        return evolve(asked, url=f"https://elsewhere.example/{asked.url}")


class LeaksIntoTheAddress(_Requests):
    """It puts a secret into every address."""

    def turn(self, asked: Request) -> Request:
        return evolve(asked, params=(*asked.params, ("key", self.bench.secrets[0])))


class HidesItsEffects(_Requests):
    """It says of writes that they have no effect."""

    def turn(self, asked: Request) -> Request:
        return evolve(asked, effect=False)


class ReadsWithEffects(_Requests):
    """It says of reads that they have an effect."""

    def turn(self, asked: Request) -> Request:
        return evolve(asked, effect=True)


class LeaksIntoItsRepr(Proxy):
    """It shows a secret to whoever prints it."""

    def __repr__(self) -> str:
        return f"Connector(key={self.bench.secrets[0]!r})"


# What is written ------------------------------------------------------------------------


class _Outcomes(Proxy):
    """Bugs in what is told of writes."""

    def write(self, changes: Sequence[Change]) -> Any:
        outcomes = yield from self.inner.write(changes)
        return tuple(self.told(changes, outcomes))

    def told(
        self, changes: Sequence[Change], outcomes: Sequence[Outcome]
    ) -> Iterable[Outcome]:
        return outcomes


class TellsByPosition(_Outcomes):
    """It mixes up whose outcome is whose."""

    def told(
        self, changes: Sequence[Change], outcomes: Sequence[Outcome]
    ) -> Iterable[Outcome]:
        names = [each.name for each in outcomes]
        return [
            evolve(each, name=name)
            for each, name in zip(outcomes, (*names[1:], *names[:1]), strict=True)
        ]


class CallsDoubtFailure(_Outcomes):
    """It calls failed what may have happened."""

    def told(
        self, changes: Sequence[Change], outcomes: Sequence[Outcome]
    ) -> Iterable[Outcome]:
        return [
            evolve(e, state=State.REJECTED) if e.state is State.UNKNOWN else e
            for e in outcomes
        ]


class Takes500ForSuccess(Proxy):
    """It calls applied whatever was answered."""

    def write(self, changes: Sequence[Change]) -> Any:
        broken = False

        def seen(asked: Asked, response: Response) -> None:
            nonlocal broken
            broken = broken or (asked.effect and response.status >= 500)  # noqa: PLR2004

        outcomes = yield from turned(self.inner.write(changes), seen=seen)
        return tuple(Outcome.applied(each) for each in changes) if broken else outcomes


class SendsAgain(Proxy):
    """It writes once more where the outcome is unknown."""

    def write(self, changes: Sequence[Change]) -> Any:
        outcomes = yield from self.inner.write(changes)
        if any(each.state is State.UNKNOWN for each in outcomes):
            outcomes = yield from self.inner.write(changes)
        return outcomes


class ForgetsTheMark(Proxy):
    """It makes documents that cannot be found again."""

    def write(self, changes: Sequence[Change]) -> Any:
        return self.inner.write([self._unmarked(each) for each in changes])

    def _unmarked(self, change: Change) -> Change:
        if change.action is not Action.CREATE:
            return change
        mark = self.capabilities.kind(change.kind).mark
        after: Any = change.after
        if mark is not None and mark.is_number:
            after = evolve(after, number=f"X{after.number}")
        return evolve(change, mark="TO-SOMETHINGELSE", after=after)


class ForgetsTheEcho(_Outcomes):
    """It does not tell what the answer showed."""

    def told(
        self, changes: Sequence[Change], outcomes: Sequence[Outcome]
    ) -> Iterable[Outcome]:
        return [evolve(each, echo=None) for each in outcomes]


class DoesNothing(Proxy):
    """It calls applied what it never sent."""

    def write(self, changes: Sequence[Change]) -> Any:
        yield from self.inner.check()
        return tuple(Outcome.applied(each) for each in changes)


class AddsUp(Proxy):
    """It adds to what is paid instead of setting it."""

    def write(self, changes: Sequence[Change]) -> Any:
        return self.inner.write([self._added(each) for each in changes])

    def _added(self, change: Change) -> Change:
        before, after = change.before, change.after
        if not (isinstance(before, Settlement) and isinstance(after, Settlement)):
            return change
        more = {part: paid + before.paid for part, paid in after.settled_by.items()}
        return evolve(change, after=evolve(after, settled_by=more))


# What it says of itself -----------------------------------------------------------------


class _Claims(Proxy):
    @property
    def capabilities(self) -> Capabilities:
        return self.claimed(self.inner.capabilities)

    def claimed(self, capabilities: Capabilities) -> Capabilities:
        return capabilities


class ClaimsTooMuch(_Claims):
    """It says that it can void what it cannot."""

    def claimed(self, capabilities: Capabilities) -> Capabilities:
        kind = next(iter(_unvoidable(capabilities)))
        can = capabilities.kind(kind)
        kinds = {**capabilities.kinds, kind: evolve(can, verbs=can.verbs | {Verb.VOID})}
        return evolve(capabilities, kinds=kinds)


class ClaimsCreates(_Claims):
    """It says that it makes what it cannot."""

    def claimed(self, capabilities: Capabilities) -> Capabilities:
        kind = next(iter(_uncreatable(capabilities)))
        can = capabilities.kind(kind)
        able = evolve(can, verbs=can.verbs | {Verb.CREATE}, creates=Creates.FINAL)
        return evolve(capabilities, kinds={**capabilities.kinds, kind: able})


class SeesEverything(_Claims):
    """It says that its feeds are blind to nothing, and listens to none."""

    def claimed(self, capabilities: Capabilities) -> Capabilities:
        payments = evolve(capabilities.payments, blind=frozenset())
        return evolve(capabilities, payments=payments)

    def page(self, kind: type[R], select: Select, cursor: str | None = None) -> Any:
        page: Page[Any] = yield from self.inner.page(kind, select, cursor)
        if kind is not Settlement or not isinstance(select, Changed):
            return page
        unpaid = tuple(each for each in page.records if not each.settled)
        return evolve(page, records=unpaid, touched=())


class ChangesItsMind(_Claims):
    """It declares something else each time."""

    def __init__(self, inner: Connector, bench: Bench) -> None:
        super().__init__(inner, bench)
        self._asked = 0

    def claimed(self, capabilities: Capabilities) -> Capabilities:
        self._asked += 1
        return evolve(capabilities, overlap=timedelta(minutes=self._asked))


class IsAlwaysWell(Proxy):
    """It says that all is well, whatever happens."""

    def check(self) -> Any:
        try:
            health = yield from self.inner.check()
        except Fault:
            return Health(reachable=True, signed_in=True)
        return evolve(health, reachable=True, signed_in=True, missing=(), code=None)


class JudgesInAHurry(Proxy):
    """It calls 5xx refused: certainly without effect."""

    def judge(self, response: Response) -> Verdict:
        verdict = self.inner.judge(response)
        if response.status >= 500:  # noqa: PLR2004 - HTTP's own number
            return self.inner.judge(Response(400, response.headers, response.body))
        return verdict


def _has(record: Any, name: str) -> bool:
    return bool(getattr(record, name, None))


def _long_ago(connector: Proxy) -> Any:
    return connector.bench.clock.now() - timedelta(days=365)


def _unvoidable(capabilities: Capabilities) -> Iterable[RecordType]:
    kinds = capabilities.kinds.items()
    return [k for k, can in kinds if not can.can(Verb.VOID) and can.can(Verb.READ)]


def _uncreatable(capabilities: Capabilities) -> Iterable[RecordType]:
    kinds = capabilities.kinds.items()
    names = ("Customer", "Invoice", "CreditNote")
    return [k for k, can in kinds if k.__name__ in names and not can.can(Verb.CREATE)]


# The table ------------------------------------------------------------------------------

Applies: TypeAlias = Callable[[Capabilities], Any]


@frozen
class Saboteur:
    """One deliberate bug: for whom it is one, and by which checks it is caught."""

    wrap: Wrap = field(repr=False)
    caught_by: tuple[str, ...]
    applies: Applies = field(default=lambda capabilities: True, repr=False)

    @property
    def text(self) -> str:
        """What it does."""
        return (self.wrap.__doc__ or "").strip()


def _writes(verb: Verb, *kinds: RecordType) -> Applies:
    return lambda c: any(
        can.can(verb) for kind, can in c.kinds.items() if not kinds or kind in kinds
    )


def _any_write(capabilities: Capabilities) -> bool:
    return any(can.verbs - {Verb.READ} for can in capabilities.kinds.values())


def _changed(capabilities: Capabilities) -> bool:
    return any(Changed in can.selects for can in capabilities.kinds.values())


def _batched(capabilities: Capabilities) -> bool:
    kinds = capabilities.kinds.values()
    return any(can.batch_size > 1 for can in kinds if can.verbs - {Verb.READ})


def _marked(capabilities: Capabilities) -> bool:
    marks = [can.mark for can in capabilities.kinds.values() if can.can(Verb.CREATE)]
    return any(mark and (mark.searchable or mark.is_number) for mark in marks)


def _money_listed(capabilities: Capabilities) -> bool:
    listed = Changed in capabilities.kind(Settlement).selects
    return listed and not {*Blind} <= capabilities.payments.blind


_PAGED = ("reads to the end", "pages of one", "ties at a page boundary")
_KEEPS = _writes(Verb.UPDATE, Settlement)

SABOTEURS: Mapping[str, Saboteur] = {
    "only the first page": Saboteur(OnlyTheFirstPage, _PAGED, listable),
    "loses at the boundary": Saboteur(LosesAtTheBoundary, _PAGED, listable),
    "repeats a record": Saboteur(RepeatsARecord, ("reads to the end",), listable),
    "ignores since": Saboteur(IgnoresSince, ("nothing older is read",), _changed),
    "exclusive since": Saboteur(
        ExclusiveSince, ("changed since is inclusive",), _changed
    ),
    "swaps the currency": Saboteur(
        SwapsTheCurrency, ("what stands there is what is read",)
    ),
    "rounds amounts": Saboteur(RoundsAmounts, ("amounts are exact",)),
    "shifts days": Saboteur(ShiftsDays, ("days never shift",)),
    "keeps the paid date": Saboteur(
        KeepsThePaidDate,
        ("an unpaid invoice", "a part payment", "a payment taken back"),
        lambda c: c.kind(Settlement).can(Verb.READ),
    ),
    "names no invoice": Saboteur(NamesNoInvoice, ("a payment adds up",)),
    "counts the puts of each": Saboteur(
        CountsThePutsOfEach, ("applications are told apart",)
    ),
    "leaves puts alive": Saboteur(
        LeavesPutsAlive, ("a payment that was taken back is void",)
    ),
    "swallows issues": Saboteur(
        SwallowsIssues, ("an amount that is none", "an unknown status")
    ),
    "crashes on what is new": Saboteur(
        CrashesOnWhatIsNew, ("an unknown status", "an amount that is none")
    ),
    "tells no clock": Saboteur(
        TellsNoClock, ("the other side's clock is told",), listable
    ),
    "takes any cursor": Saboteur(
        TakesAnyCursor, ("a foreign cursor is refused",), listable
    ),
    "takes any selection": Saboteur(
        TakesAnySelection, ("other selections are refused",), listable
    ),
    "takes pages for people": Saboteur(TakesPagesForPeople, ("unreadable answers",)),
    "forgets escaping": Saboteur(
        ForgetsEscaping, ("numbers with nasty characters", "numbers that are queries")
    ),
    "brings more": Saboteur(
        BringsMore, ("unknown ids are absent", "by number"), listable
    ),
    "asks one by one": Saboteur(
        AsksOneByOne,
        ("fetching costs what is declared",),
        lambda c: not all(each.fetch_alone for each in c.kinds.values()),
    ),
    "goes elsewhere": Saboteur(GoesElsewhere, ("addresses are the connection's own",)),
    "leaks into the address": Saboteur(
        LeaksIntoTheAddress, ("requests hold no secret",)
    ),
    "leaks into its repr": Saboteur(
        LeaksIntoItsRepr, ("what is shown holds no secret",)
    ),
    "hides its effects": Saboteur(
        HidesItsEffects, ("effects are told", "unclear answers"), _any_write
    ),
    "reads with effects": Saboteur(ReadsWithEffects, ("reading changes nothing",)),
    "tells by position": Saboteur(
        TellsByPosition, ("a batch is told by name",), _batched
    ),
    "calls doubt failure": Saboteur(
        CallsDoubtFailure,
        ("a lost answer to a create", "a lost answer to a level", "unclear answers"),
        _any_write,
    ),
    "takes 500 for success": Saboteur(
        Takes500ForSuccess, ("unclear answers",), _any_write
    ),
    "sends again": Saboteur(
        SendsAgain,
        ("a lost answer to a create", "a lost answer to a level", "unclear answers"),
        _any_write,
    ),
    "forgets the mark": Saboteur(
        ForgetsTheMark, ("it is found by its mark", "the answer shows it"), _marked
    ),
    "forgets the echo": Saboteur(
        ForgetsTheEcho, ("the answer shows it",), _writes(Verb.CREATE)
    ),
    "does nothing": Saboteur(
        DoesNothing, ("what is made is there", "a level is set"), _any_write
    ),
    "adds up": Saboteur(
        AddsUp,
        ("a level is set again", "a level moves", "the day alone moves"),
        lambda c: _KEEPS(c) and c.payments.partial,
    ),
    "claims too much": Saboteur(
        ClaimsTooMuch, ("void is void", "effects are told"), _unvoidable
    ),
    "claims creates": Saboteur(ClaimsCreates, ("what is made is there",), _uncreatable),
    "sees everything": Saboteur(SeesEverything, ("a payment is seen",), _money_listed),
    "changes its mind": Saboteur(ChangesItsMind, ("capabilities are pure",)),
    "is always well": Saboteur(
        IsAlwaysWell,
        ("a check where nobody answers", "a check with credentials that are gone"),
    ),
    "judges in a hurry": Saboteur(JudgesInAHurry, ("only what is certain is certain",)),
}
"""Every saboteur by its name."""


def sabotaged(make: Make, saboteur: Saboteur) -> Make:
    """What makes benches whose connectors have the bug."""

    def made() -> Bench:
        bench = make()
        real = bench.connector

        def connector(**overrides: Any) -> Connector:
            return saboteur.wrap(real(**overrides), bench)

        bench.connector = connector  # type: ignore[method-assign] # for this one bench
        return bench

    return made


def hunted(make: Make, saboteur: Saboteur) -> Row | None:
    """The row of a report card by which a saboteur was caught; None where it was not."""
    unknown = {*saboteur.caught_by} - {*CHECKS}
    if unknown:
        raise ValueError(f"there is no check {sorted(unknown)}")
    card = examine(sabotaged(make, saboteur), saboteur.caught_by, first_failure=True)
    return next(iter(card.of(Result.FAILED)), None)


def concerned(make: Make) -> list[str]:
    """
    The saboteurs whose bug would be one in the connector of this bench.

    A bug in what a connector does not do, or of which the bench stages nothing, is none.
    """
    honest = Look.at(make).capabilities
    return [
        name
        for name, each in SABOTEURS.items()
        if each.applies(honest) and _looked_for(sabotaged(make, each), each)
    ]


def _looked_for(make: Make, saboteur: Saboteur) -> bool:
    """Whether any check that ought to catch a saboteur is made."""
    look = Look.at(make)
    return any(look.made(CHECKS[name]) for name in saboteur.caught_by)
