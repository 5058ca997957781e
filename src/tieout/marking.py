"""
Saying in billing of invoices that they were handed over, or no longer: journaled and filed.

Within a run of somebody else's. What is in the ledger, and who chose it, is not asked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from attrs import define, evolve

from tieout.capabilities import Verb
from tieout.carrying import Carrying
from tieout.change import Action, Change, Issue, State, change_name
from tieout.documents import DocumentRun
from tieout.errors import Code
from tieout.models import Invoice, Posting, Ref
from tieout.noting import about
from tieout.plan import Plan
from tieout.register import Register, as_known, posting_of
from tieout.store import Batch, Intent, IssueRow, Member, key_of

KIND = Posting.__name__

HAND_SIZE = 50
"""Invoices that are posted, called handed over and filed together: few enough that rows
come during the run, enough that each step is shared by many."""


@define
class Marking:
    """Says of invoices, within a run, that they were handed over, or no longer."""

    run: DocumentRun
    billing: str

    def changes(
        self, members: Iterable[Member], at: datetime | None
    ) -> dict[Ref, Change]:
        """By invoice, what makes it handed over then, or (None) not, where it is not so."""
        wanted = {posting_of(each.invoice): each for each in members}
        held = self.standing(wanted)
        last = Register(self.run.store, self.run.pair).last(wanted)
        found: dict[Ref, Change] = {}
        for ref, member in wanted.items():
            now = held.get(ref)
            if now is None or (now.on is None) is not (at is None):
                generation = last[ref].generation + 1 if ref in last else 0
                before = now or Posting(ref, member.number)
                found[member.invoice] = self._change(ref, before, at, generation)
        return found

    def standing(self, postings: Iterable[Ref]) -> dict[Ref, Posting]:
        """How these stand in billing, as far as it tells."""
        if not self._can(Verb.READ):
            return {}
        ids = [ref.id for ref in postings]
        pages = self.run.reader.fetch(self.billing, Posting, ids)
        return {each.ref: each for page in pages for each in page.records}

    def carry(self, changes: Iterable[Change]) -> None:
        """Carry them out."""
        self.run.carry_out(list(changes), {}, lambda change: change)

    def _change(
        self, source: Ref, before: Posting, at: datetime | None, generation: int
    ) -> Change:
        ends = at is None and self._can(Verb.VOID)
        action = Action.VOID if ends else Action.UPDATE
        reason = "handed over" if at else "no longer handed over"
        return Change(
            change_name(self.billing, KIND, source, generation, action, 0),
            action,
            Posting,
            self.billing,
            source,
            target=before.ref,
            before=before,
            after=None if ends else evolve(before, on=at),
            generation=generation,
            number=before.number,
            agreed=reason,
            reason=reason,
        )

    def _can(self, verb: Verb) -> bool:
        return self.run.sides[self.billing].kind(Posting).can(verb)


@define
class HandingOver:
    """Calls invoices handed over within a run, and files what came of each in a batch."""

    run: DocumentRun
    billing: str
    batch: Batch

    def blank(self, invoice: Invoice) -> Member:
        """The member of an invoice with which nothing was done yet."""
        return Member(self.batch.pair, self.batch.id, invoice.ref, invoice.number)

    def file(self, members: Sequence[Member]) -> None:
        """Write members down, and the batch that they belong to."""
        assert self.run.journal is not None
        if members:
            self.run.journal.note(self.batch, *members)

    def hand_over(self, members: Sequence[Member], at: datetime) -> list[Member]:
        """Call these handed over; they are on file before anything is sent."""
        marking = Marking(self.run, self.billing)
        held = [_held(e) for e in members if e.invoice in self.run.unfinished]
        free = [each for each in members if each.invoice not in self.run.unfinished]
        changes = marking.changes(free, at)
        waiting = [
            evolve(member, change=changes[member.invoice].name)
            if member.invoice in changes
            else evolve(member, state=State.APPLIED)
            for member in free
        ]
        self.file(waiting)
        self.run.carry(Plan(issues=tuple(issue for _, issue in held)))
        marking.carry(changes.values())
        done = [*self._come_of(waiting), *(member for member, _ in held)]
        self.file(done)
        return done

    def _come_of(self, members: Sequence[Member]) -> Iterator[Member]:
        intents = self.run.store.get(Intent, [each.change for each in members])
        rows = said(self.run, (posting_of(each.invoice) for each in members))
        for member in members:
            known = as_known(member, intents.get(member.change))
            row = rows.get(about(posting_of(member.invoice)))
            if row is not None and known.state is not State.APPLIED:
                known = explained(known, row.issue)
            yield known


def _held(member: Member) -> tuple[Member, Issue]:
    """A member that may be in the ledger or not, which has to be known first."""
    text = "A write of it to the ledger is not settled yet."
    number = (member.number,)
    issue = Issue(Code.OUTCOME_UNKNOWN, member.invoice, number, text=text)
    return evolve(explained(member, issue), state=State.UNKNOWN), issue


def said(run: DocumentRun, sources: Iterable[Ref]) -> Mapping[str, IssueRow]:
    """The issues of these records, by what they are about."""
    keys = [key_of(run.pair, run.verb, about(source)) for source in sources]
    return {row.about: row for row in run.store.get(IssueRow, keys).values()}


def say(run: Carrying, issues: Sequence[Issue]) -> None:
    """Tell and write down what there is to say of what was chosen."""
    if run.sink is not None:
        run.sink.take(Plan(issues=tuple(issues)))
        for each in issues:
            run.tell(each)
        return
    assert run.journal is not None
    notes = [each for each in issues if not each.blocking]
    run.journal.notice(notes)
    for each in notes:
        run.tell(each)
    run.carry(Plan(issues=tuple(each for each in issues if each.blocking)))


def explained(member: Member, issue: Issue) -> Member:
    """A member with what there is to say of it."""
    return evolve(member, code=issue.code, text=str(issue))
