"""
One run that carries documents by a plan: invoices, credit notes, customers, payments.

It reads both sides again before anything is sent, and leaves alone what is no longer as
the plan saw it. Which documents are wanted is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal

from attrs import define, evolve, field

from tieout.capabilities import Verb
from tieout.carrying import Carrying
from tieout.change import Action, Change, Issue
from tieout.errors import Code, Fault
from tieout.models import (
    FEE,
    KINDS,
    Application,
    CreditNote,
    Customer,
    Invoice,
    Link,
    Payment,
    Record,
    RecordType,
    Ref,
    as_made,
    fingerprint,
    uncarried,
)
from tieout.money import amount
from tieout.noting import issue_of, when
from tieout.plan import Plan
from tieout.protocol import batches
from tieout.register import Register
from tieout.store import Intent, Stage, key_of
from tieout.ties import taken_already

_POSTING = (Invoice, Action.CREATE)

CHECK_SIZE = 200
"""Changes whose records are read again together."""

VERBS = {
    Action.CREATE: Verb.CREATE,
    Action.UPDATE: Verb.UPDATE,
    Action.VOID: Verb.VOID,
}
"""What a connection must be able to do for an action."""


def in_steps(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """
    The changes of a plan as they are carried, those that others depend on first.

    What has a day comes after what has none and could go too, and in the order of the
    days: where a ledger numbers documents by their dates, it takes no older one after a
    younger. Those that depend on each other in a circle are in no step.
    """
    waiting = {change.name: change for change in changes}
    while ready := [
        c for c in waiting.values() if not waiting.keys() & {*c.depends_on}
    ]:
        undated = [change for change in ready if _day(change) is None]
        ready = undated or sorted(ready, key=lambda c: _day(c) or date.min)
        for change in ready:
            del waiting[change.name]
        yield ready


@define(kw_only=True)
class DocumentRun(Carrying):
    """A run that carries the documents of a plan, those that others depend on first."""

    kept: set[str] = field(factory=set)
    """Names of the changes of this plan that were in agreement already."""
    written: set[Ref] = field(factory=set)
    """The documents that were changed by this plan."""
    troubled: set[Ref] = field(factory=set)
    """Records of which it was told in this run that they could not be carried."""

    def apply(self, plan: Plan) -> None:
        """Carry the plan out, as far as its records are still as they were."""
        notes = self.notes(plan)
        self.carry(Plan(issues=tuple(each for each in plan.issues if each.blocking)))
        assert self.journal is not None
        left = [
            each
            for some in batches(plan.changes, CHECK_SIZE)
            for each in self._left_of(some)
        ]
        self.tally.count("skipped", len(plan.changes) - len(left))
        self.journal.announce(left, plan.issues)
        for ready in self.in_order(left):
            for some in batches(ready, CHECK_SIZE):
                self.check_stop()
                self._carry(some, notes)

    def _left_of(self, changes: Sequence[Change]) -> Iterator[Change]:
        """The changes of a plan but those that were carried out already, just as they are."""
        intents = self.store.get(Intent, [each.name for each in changes])
        links = self.reader.ties((each.source, each.role) for each in changes)
        for change in changes:
            before = intents.get(change.name)
            tied = change.releases or (change.source, change.role) in links
            done = before is not None and before.stage is Stage.APPLIED
            same = before is not None and before.agreed == change.agreed
            if not (done and same and tied):
                yield change

    def in_order(self, changes: Iterable[Change]) -> Iterator[list[Change]]:
        """The changes in groups, each after those that it depends on."""
        waiting = {change.name: change for change in changes}
        for ready in in_steps(tuple(waiting.values())):
            for change in ready:
                del waiting[change.name]
            yield ready
        if waiting:  # for each other
            self._leave(waiting.values(), "it depends on itself")

    def _carry(self, changes: Sequence[Change], notes: dict[Ref, list[Issue]]) -> None:
        """Changes of a plan that was made before: read again, and compared."""
        records = self._read(changes)
        links = self.reader.ties((each.source, each.role) for each in changes)
        made = (c.source for c in changes if (c.kind, c.action) == _POSTING)
        withheld = Register(self.store, self.pair).withheld(made)

        def fresh(change: Change) -> Change | Issue:
            if change.source in withheld and (change.kind, change.action) == _POSTING:
                text = "it was marked as not to be posted."
                return issue_of(change, Code.STALE_PLAN, text)
            link = links.get((change.source, change.role))
            return self._stale(change, records, link) or _refreshed(change, records)

        self.carry_out(changes, notes, fresh)

    def carry_out(
        self,
        changes: Sequence[Change],
        notes: dict[Ref, list[Issue]],
        fresh: Callable[[Change], Change | Issue],
    ) -> None:
        """
        What of some changes can be sent is sent; the rest become issues.

        ``fresh`` gives a change as it is to be sent, or says why it no longer fits.
        """
        assert self.journal is not None
        ready: list[Change] = []
        stuck: list[Issue] = []
        intents = self.store.get(Intent, [each.name for each in changes])
        owners = self.reader.ties((c.target, c.role) for c in changes if c.target)
        self._others_unsettled(changes)
        counterparts = self._counterparts(changes)
        for change in changes:
            found: Change | Issue | None = _not_ours(change, owners)
            found = found or self._hindered(change, intents.get(change.name))
            found = found or fresh(change)
            if isinstance(found, Change):
                found = translated(found, counterparts)
            if isinstance(found, Issue):
                self.journal.stuck([change])
                # That it waits for a leg of its own would hide what became of that.
                if found.code is not Code.WAITS or change.source not in self.troubled:
                    stuck.append(found)
            else:
                ready.append(found)
        said = [note for each in ready for note in notes.get(each.source, ())]
        keeps = [each for each in ready if each.action is Action.KEEP]
        writes = [each for each in ready if each.action is not Action.KEEP]
        self.tally.count("unchanged", len(keeps))
        self.kept.update(each.name for each in keeps)
        self.carry(Plan(tuple(writes), (*stuck, *said)), keeps)

    def tell(self, found: Issue) -> None:
        if found.blocking and found.source:
            self.troubled.add(found.source)
        super().tell(found)

    def _counterparts(self, changes: Iterable[Change]) -> dict[tuple[Ref, str], Ref]:
        """What the records that these name on their own side are on the other one."""
        wanted = {
            (ref, role): change.connection
            for change in changes
            for ref, role in foreign(change)
        }
        links = self.reader.ties(wanted)
        return {
            tie: links[tie].on(target)
            for tie, target in wanted.items()
            if tie in links and not links[tie].released
        }

    def _others_unsettled(self, changes: Sequence[Change]) -> None:
        """Records about which a run of another kind of work has something unsettled."""
        kinds = {change.source: change.kind for change in changes}
        values = [key_of(self.pair, ref.kind, ref.id) for ref in kinds]
        after = ""
        while some := self.store.find(Intent, "about", values, after):
            after = some[-1].name
            for intent in some:
                if (
                    intent.stage in (Stage.SENDING, Stage.UNKNOWN, Stage.PARKED)
                    and kinds.get(intent.source) is intent.kind
                ):
                    self.unfinished.setdefault(intent.source, intent)

    def _leave(self, changes: Iterable[Change], why: str) -> None:
        issues = [issue_of(change, Code.WAITS, f"{why}.") for change in changes]
        self.carry(Plan(issues=tuple(issues)))

    def _read(self, changes: Sequence[Change]) -> dict[Ref, Record]:
        """What both sides say now of the records of these changes."""
        wanted: dict[tuple[str, RecordType], list[str]] = {}
        for change in changes:
            for ref in (change.source, change.target):
                if ref is not None:
                    # A fee's invoice is asked for by a payment.
                    kind = KINDS[ref.kind]
                    wanted.setdefault((ref.connection, kind), []).append(ref.id)
        return {
            record.ref: record
            for (connection, kind), ids in wanted.items()
            if connection in self.sides
            and self.sides[connection].kind(kind).can(Verb.READ)
            for page in self.reader.fetch(connection, kind, ids)
            for record in page.records
        }

    def _hindered(self, change: Change, before: Intent | None) -> Issue | None:
        """Why a change cannot be carried out now, or None."""
        refused = self._not_allowed(change)
        if refused:
            return issue_of(change, Code.NOT_ALLOWED, refused)
        unpayable = _unpayable(change)
        if unpayable is not None:
            return unpayable
        unsettled = self.unsettled(change)
        if unsettled is not None:
            return unsettled
        if before is not None and before.stage is Stage.APPLIED:
            return issue_of(change, Code.STALE_PLAN, "it was carried out already.")
        missing = [name for name in change.depends_on if not self._applied_before(name)]
        if missing:
            return issue_of(change, Code.WAITS, "what it depends on was not carried.")
        return None

    def unsettled(self, change: Change) -> Issue | None:
        """An issue where an earlier write about the same record is not settled, or None."""
        intent = self.unfinished.get(change.source)
        if intent is None:
            return None
        if intent.stage is Stage.PARKED:
            return issue_of(change, Code.PARKED, intent.text)
        text = f"It is looked at after {when(intent.not_before)}."
        return issue_of(change, Code.OUTCOME_UNKNOWN, text)

    def _not_allowed(self, change: Change) -> str:
        if change.action is Action.KEEP:
            return "" if change.target else "there is no document to keep."
        side = self.sides.get(change.connection)
        if side is None:
            return f"{change.connection} is no connection of this pair."
        if not side.kind(change.kind).can(VERBS[change.action]):
            verb = VERBS[change.action].value
            return f"{side.system} does not let us {verb} this kind of record."
        return ""

    def _applied_before(self, name: str) -> bool:
        """Whether a change that others depend on has been carried out."""
        assert self.journal is not None
        return name in self.kept or self.journal.stage(name) is Stage.APPLIED

    def _written(self, change: Change) -> None:
        super()._written(change)
        if change.target is not None:
            self.written.add(change.target)

    def _stale(
        self, change: Change, records: dict[Ref, Record], link: Link | None
    ) -> Issue | None:
        """An issue for a change whose records are not as the plan saw them."""
        here = records.get(change.source)
        there = records.get(change.target) if change.target else None
        prints = {fingerprint(here), fingerprint(as_made(here))} if here else set()
        prints |= {uncarried(each) for each in prints}
        # Where each side owns some fields, one plan changes both of two that are tied.
        ours = change.source in self.written
        if change.agreed not in prints and not ours:
            return issue_of(change, Code.STALE_PLAN, "its source has changed.")
        ends = change.action is Action.KEEP and change.releases
        if change.target is not None and there is None and not ends:
            return issue_of(change, Code.VANISHED, f"{change.target.id} is not there.")
        before = change.before
        if before and there and _differ(before, there):
            return issue_of(change, Code.STALE_PLAN, "it changed on the other side.")
        if (link.version if link else 0) != change.link_version and not ours:
            return issue_of(change, Code.STALE_PLAN, "it was synced in the meantime.")
        return None


def _differ(before: Record, now: Record) -> bool:
    """Whether a document is another one than it was, whatever was paid of it since."""
    return fingerprint(as_made(before)) != fingerprint(as_made(now))


def _not_ours(change: Change, owners: dict[tuple[Ref, str], Link]) -> Issue | None:
    """An issue for a change of a document that is tied to another record, or None."""
    owner = owners.get((change.target, change.role)) if change.target else None
    if change.target is None or owner is None:
        return None
    if change.source in (owner.billing, owner.ledger):
        return None
    return taken_already(change)


def foreign(change: Change) -> Iterator[tuple[Ref, str]]:
    """
    The records of its source's side that a wanted document still names, by link.

    A planner names what is not on the other side yet by its own side's ref. A payment
    that is put to itself is put to the invoice of its fee.
    """
    for ref in _named(change.after):
        if ref.connection == change.source.connection != change.connection:
            yield ref, FEE if ref == change.source else ""


def translated(
    change: Change, counterparts: Mapping[tuple[Ref, str], Ref]
) -> Change | Issue:
    """A change whose wanted document names the other side's records alone."""
    needed = dict.fromkeys(foreign(change))
    missing = [ref for ref, role in needed if (ref, role) not in counterparts]
    if missing:
        told = ", ".join(f"{ref.kind.lower()} {ref.id}" for ref in missing)
        return issue_of(change, Code.WAITS, f"it waits for {told}.")
    if not needed:
        return change
    known = {ref: counterparts[ref, role] for ref, role in needed}
    return evolve(change, after=_renamed(change.after, known))


def _day(change: Change) -> date | None:
    """The day of the document that is wanted, or of the one that is there."""
    match change.after or change.before:
        case Invoice() | CreditNote() | Payment() | Application() as dated:
            return dated.on
    return None


def _named(record: Record | None) -> Iterator[Ref]:
    """The records that a document names."""
    match record:
        case Customer():
            found = [record.parent]
        case Invoice():
            found = [record.customer]
        case Application():
            found = [record.source, record.target]
        case CreditNote() | Payment():
            found = [record.customer, *(put.target for put in record.applications)]
        case _:
            found = []
    yield from (ref for ref in found if ref is not None)


def _renamed(record: Record | None, known: Mapping[Ref, Ref]) -> Record | None:
    """The document with these refs in the place of those."""

    def new(ref: Ref) -> Ref:
        return known.get(ref, ref)

    def owner(ref: Ref | None) -> Ref | None:
        return new(ref) if ref is not None else None

    match record:
        case Customer():
            return evolve(record, parent=owner(record.parent))
        case Invoice():
            return evolve(record, customer=owner(record.customer))
        case Application():
            return evolve(record, source=new(record.source), target=new(record.target))
        case CreditNote() | Payment():
            puts = tuple(
                evolve(put, target=new(put.target)) for put in record.applications
            )
            return evolve(record, customer=owner(record.customer), applications=puts)
    return record


def _unpayable(change: Change) -> Issue | None:
    """
    An issue for an amount of a document that its currency cannot hold, or None.

    Ledgers round such a one, each in its own way, and nobody is told.
    """
    for field_name, value, currency in _amounts(change.after):
        try:
            amount(value, currency)
        except Fault as fault:
            issue = issue_of(change, fault.code, f"{field_name}: {fault.text}.")
            return evolve(issue, field=field_name)
    return None


def _amounts(record: Record | None) -> Iterator[tuple[str, Decimal, str]]:
    """The amounts that a document settles or is settled by: field, amount, currency."""
    match record:
        case Invoice() | CreditNote():
            yield "total", record.total, record.currency
        case Payment() | Application():
            yield "amount", record.amount, record.currency
    if isinstance(record, CreditNote | Payment):
        for put in record.applications:
            yield "applications", put.amount, put.currency


def _refreshed(change: Change, records: dict[Ref, Record]) -> Change:
    """A change with what does not live in a file: versions and luggage."""
    there = records.get(change.target) if change.target else None
    if there is None or change.after is None:
        return change
    after = evolve(change.after, version=there.version, carry=there.carry)
    return evolve(change, before=there, after=after)
