"""
The register of what was done by hand: batches, their invoices, and which of them stands.

A batch is written before anything is sent that it would have to take back. What came of
an invoice is known by its write, so a run that died leaves no invoice in no batch. Nothing
here talks to a system.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from attrs import define, evolve

from tieout.change import State
from tieout.models import Posting, Ref
from tieout.store import (
    Batch,
    BatchType,
    Intent,
    Member,
    Stage,
    Store,
    key,
    key_of,
)

STATES: Mapping[Stage, State] = {
    Stage.APPLIED: State.APPLIED,
    Stage.REJECTED: State.REJECTED,
    Stage.PLANNED: State.NOT_SENT,
    Stage.SUPERSEDED: State.NOT_SENT,
}
"""What is known of a write, by where its intent is; at any other stage it is unknown."""

NOT_BY_IT = "The run ended before it was sent."
"""What is said of a member of which nothing was written."""

PAGE = 500
"""Members read from the store at a time."""


@define
class Register:
    """The batches of one pair, as the store has them."""

    store: Store
    pair: str

    def batches(self) -> Iterator[Batch]:
        """All of them, the oldest first, with their members."""
        after = ""
        while some := self.store.find(Batch, "pair", self.pair, after):
            for batch in some:
                yield evolve(batch, members=tuple(self.members(batch)))
            after = key(some[-1])

    def batch(self, name: str) -> Batch | None:
        """The one of this name, without its members."""
        wanted = key_of(self.pair, name)
        return self.store.get(Batch, [wanted]).get(wanted)

    def members(self, batch: Batch) -> Iterator[Member]:
        """Its invoices, with what is known of them by now."""
        after, value = "", key_of(self.pair, batch.id)
        while some := self.store.find(Member, "batch", value, after, PAGE):
            names = [each.change for each in some if each.change]
            intents = self.store.get(Intent, names)
            yield from (as_known(each, intents.get(each.change)) for each in some)
            after = key(some[-1])

    def last(self, postings: Iterable[Ref]) -> dict[Ref, Intent]:
        """The last write of ours by which each was handed over, or no longer."""
        found: dict[Ref, Intent] = {}
        values = [key_of(self.pair, ref.kind, ref.id) for ref in postings]
        after = ""
        while some := self.store.find(Intent, "about", values, after):
            after = key(some[-1])
            for intent in some:
                held = found.get(intent.source)
                newer = held is None or intent.generation > held.generation
                if intent.stage is Stage.APPLIED and newer:
                    found[intent.source] = intent
        return found

    def withheld(self, invoices: Iterable[Ref]) -> set[Ref]:
        """The ones that a person has marked as not to be posted."""
        if not self.store.find(Batch, "pair", self.pair, limit=1):
            return set()
        by_posting = {posting_of(ref): ref for ref in invoices}
        last = self.last(by_posting)
        keys = {key_of(self.pair, intent.run) for intent in last.values()}
        marked = {
            batch.id
            for batch in self.store.get(Batch, keys).values()
            if batch.type is BatchType.MARKED
        }
        return {by_posting[ref] for ref, each in last.items() if each.run in marked}


def posting_of(invoice: Ref) -> Ref:
    """By which ref it is known whether an invoice was handed over."""
    return evolve(invoice, kind=Posting.__name__, aliases=())


def as_known(member: Member, intent: Intent | None) -> Member:
    """
    A member whose write was under way, or unclear, as it turned out.

    A write that was sent once more by a later run is that one's.
    """
    if not member.change or member.state not in (None, State.UNKNOWN):
        return member
    if intent is None or intent.run != member.batch:
        return evolve(member, state=State.NOT_SENT, code=None, text=NOT_BY_IT)
    state = STATES.get(intent.stage, State.UNKNOWN)
    if state is State.APPLIED and member.state is State.UNKNOWN:
        return evolve(member, state=state, code=None, text="")
    if state is State.APPLIED:
        return evolve(member, state=state)  # what it says is a warning
    text = member.text or intent.text
    return evolve(member, state=state, code=member.code or intent.code, text=text)
