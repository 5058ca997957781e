"""
What a batch wrote in billing, taken back within a run; its members leave the register.

A member stays where it could not be taken back, with the reason. What somebody else has
written since is not ours to take back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import define, evolve

from tieout.carrying import Carrying
from tieout.change import Action, Change, Issue, State, change_name
from tieout.documents import CHECK_SIZE, DocumentRun
from tieout.errors import Code
from tieout.marking import Marking, explained, said
from tieout.models import Link, Ref, Settlement, fingerprint
from tieout.noting import about
from tieout.plan import Plan
from tieout.protocol import batches
from tieout.register import Register, posting_of
from tieout.run import PaymentRun
from tieout.store import Batch, Gone, Intent, Member, Stage, key

KIND = Settlement.__name__

UNSETTLED = "What was written of it is not settled yet."


@define
class Unmarking:
    """Takes back that the invoices of a batch were handed over."""

    run: DocumentRun
    billing: str

    def groups(self, members: Iterable[Member]) -> Iterator[list[Member]]:
        """Members together that billing keeps together: its own batches go as a whole."""
        together: dict[str, list[Member]] = {}
        for some in batches(members, CHECK_SIZE):
            marked = [posting_of(each.invoice) for each in some if _may_stand(each)]
            held = self._marking.standing(marked)
            for each in some:
                posting = held.get(posting_of(each.invoice))
                name = posting.batch if posting else ""
                together.setdefault(name, []).append(each)
        for group in together.values():
            yield from batches(group, CHECK_SIZE)

    def take_back(self, members: Sequence[Member]) -> None:
        """Call these no longer handed over, as far as it is ours that stands."""
        last = Register(self.run.store, self.run.pair).last(
            posting_of(each.invoice) for each in members
        )
        ours = [each for each in members if _stands(each, last)]
        settled = [e for e in ours if posting_of(e.invoice) not in self.run.unfinished]
        changes = self._marking.changes(settled, None)
        self._marking.carry(changes.values())
        names = {ref: change.name for ref, change in changes.items()}
        left = {e.invoice: e for e in self._left(settled, names)}
        left |= {e.invoice: _waiting(e, self.run) for e in ours if e not in settled}
        self.run.tally.count("skipped", len(members) - len(ours))
        self.run.tally.count("unchanged", len(settled) - len(changes))
        keep(self.run, members, left)

    def _left(
        self, members: Sequence[Member], names: Mapping[Ref, str]
    ) -> Iterator[Member]:
        """Those that could not be taken back, with the reason. One that is gone is not."""
        assert self.run.journal is not None
        intents = self.run.store.get(Intent, names.values())
        rows = said(self.run, (posting_of(each.invoice) for each in members))
        for member in members:
            posting = posting_of(member.invoice)
            intent = intents.get(names.get(member.invoice, ""))
            row = rows.get(about(posting))
            if member.invoice not in names or _applied(intent):
                continue
            if row is not None and row.issue.code is Code.VANISHED:
                self.run.journal.clear([posting])  # nothing is there to take back
                continue
            yield explained(member, row.issue) if row is not None else member

    @property
    def _marking(self) -> Marking:
        return Marking(self.run, self.billing)


@define
class Reshowing:
    """Shows again what billing showed before a batch of payments."""

    run: PaymentRun

    def take_back(self, members: Sequence[Member]) -> None:
        """Show the levels of before, where what was written is shown still."""
        ours = [each for each in members if _may_stand(each)]
        waiting = [each for each in ours if each.ledger in self.run.unfinished]
        changes: dict[Ref, Change] = {}
        left = {each.invoice: _waiting(each, self.run) for each in waiting}
        by_id = {each.invoice.id: each for each in ours if each not in waiting}
        for page in self.run.reader.fetch_billing(ids=list(by_id)):
            links = self.run.reader.ties((each.ref, "") for each in page.records)
            for now in page.records:
                member = by_id[now.ref.id]
                if self._is_shown(member, now):
                    changes[now.ref] = _shown_again(
                        member, now, links.get((now.ref, ""))
                    )
            for issue in page.issues:
                found = by_id.get(issue.source.id) if issue.source else None
                if found is not None:
                    left[found.invoice] = explained(found, issue)
        self.run.carry(Plan(tuple(changes.values())))
        names = [change.name for change in changes.values()]
        intents = self.run.store.get(Intent, names)
        rows = self.run.rows(change.source for change in changes.values())
        for ref, change in changes.items():
            member, row = by_id[ref.id], rows.get(change.source)
            if not _applied(intents.get(change.name)):
                left[ref] = explained(member, row.issue) if row else member
        self.run.tally.count("skipped", len(members) - len(changes) - len(left))
        keep(self.run, members, left)

    def _is_shown(self, member: Member, now: Settlement) -> bool:
        """Whether billing still shows what was written."""
        ours = member.is_now
        if ours is None or now.paid_on != ours.paid_on:
            return False
        return now.paid == ours.paid or not self.run.billing.payments.partial


def keep(run: Carrying, members: Iterable[Member], left: Mapping[Ref, Member]) -> None:
    """Take members out of the register, but for those that are left."""
    assert run.journal is not None
    facts: list[Member | Gone] = [
        left.get(each.invoice) or Gone(Member, key(each)) for each in members
    ]
    run.journal.note(*facts)


def close(run: Carrying, batch: Batch) -> None:
    """Forget a batch of which nothing is left."""
    assert run.journal is not None
    register = Register(run.store, run.pair)
    if next(register.members(batch), None) is None:
        run.journal.note(Gone(Batch, key(batch)))


def _may_stand(member: Member) -> bool:
    """Whether something was written of a member, or may have been."""
    return bool(member.change) and member.state in (State.APPLIED, State.UNKNOWN)


def _applied(intent: Intent | None) -> bool:
    return intent is not None and intent.stage is Stage.APPLIED


def _stands(member: Member, last: Mapping[Ref, Intent]) -> bool:
    """Whether it is by this batch that an invoice is handed over, or may be."""
    if not _may_stand(member):
        return False
    newest = last.get(posting_of(member.invoice))
    return (
        member.state is State.UNKNOWN or newest is None or newest.name == member.change
    )


def _waiting(member: Member, run: Carrying) -> Member:
    """A member about which an earlier write is not settled; it is told."""
    issue = Issue(
        Code.OUTCOME_UNKNOWN, member.invoice, (member.number,), text=UNSETTLED
    )
    run.tell(issue)
    return explained(member, issue)


def _shown_again(member: Member, now: Settlement, link: Link | None) -> Change:
    """The change by which billing shows again what it showed before."""
    was, source = member.was, member.ledger
    assert was is not None
    assert source is not None
    version = link.version if link else 0
    after = evolve(
        now,
        settled_by=was.settled_by,
        balance=was.balance,
        status=was.status,
        paid_on=was.paid_on,
        last_on=was.last_on,
    )
    connection = now.ref.connection
    return Change(
        change_name(connection, KIND, source, 0, Action.UPDATE, version),
        Action.UPDATE,
        Settlement,
        connection,
        source,
        target=now.ref,
        before=now,
        after=after,
        link_version=version,
        number=now.number,
        # Nothing is agreed by it: the next sync compares, and writes again.
        agreed=f"undone {fingerprint(after)}",
        owned=link.owned if link else (),
        reason="the batch was undone",
    )
