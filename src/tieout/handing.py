"""
Invoices posted by a person's choice: carried, called handed over, and put on record.

A run that knows what a batch needs to be listed and undone. What is chosen, and by whom,
is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from attrs import define, evolve, field

from tieout.autopay import AutoPay
from tieout.capabilities import Verb
from tieout.change import Action, Change, State, change_name
from tieout.documents import DocumentRun
from tieout.journal import about
from tieout.models import (
    Invoice,
    Posting,
    Ref,
    Settlement,
    as_made,
    fingerprint,
)
from tieout.plan import Plan
from tieout.planners.course import Course
from tieout.protocol import Page, batches
from tieout.run import PaymentRun
from tieout.store import Intent, IssueRow, Member, Stage, key_of
from tieout.syncing import DocumentSync

KIND = Posting.__name__

MARK_SIZE = 200
"""Invoices that are called handed over together."""

STATES = {
    Stage.APPLIED: State.APPLIED,
    Stage.REJECTED: State.REJECTED,
    Stage.PLANNED: State.NOT_SENT,
}
"""What is known of a write, by where its intent is; any other stage is unknown."""


@define
class Marking:
    """Says of invoices, within a run, that they were handed over, or no longer."""

    run: DocumentRun
    billing: str
    members: dict[Ref, Member] = field(factory=dict)

    @property
    def possible(self) -> bool:
        """Whether billing can be told at all."""
        return self.run.sides[self.billing].kind(Posting).can(Verb.UPDATE)

    def mark(self, invoices: Sequence[Invoice], at: datetime | None) -> None:
        """Call these invoices handed over at that time, or (None) not handed over."""
        for some in batches(invoices, MARK_SIZE):
            changes = self._postings(some, at)
            self.run.carry_out(changes, {}, lambda change: change)
            self._remember(some, changes)

    def _postings(
        self, invoices: Sequence[Invoice], at: datetime | None
    ) -> list[Change]:
        """The changes of those that are not as wanted yet."""
        held = self._standing([each.ref.id for each in invoices])
        born = self._generations(invoices)
        ends = self.run.sides[self.billing].kind(Posting).can(Verb.VOID) and at is None
        changes: list[Change] = []
        for invoice in invoices:
            now = held.get(invoice.ref.id)
            ref = now.ref if now else Ref(self.billing, KIND, invoice.ref.id)
            before = now or Posting(ref, invoice.number)
            if (before.on is None) is (at is None) and now is not None:
                self.members[invoice.ref] = _done(invoice)
                continue
            action = Action.VOID if ends else Action.UPDATE
            generation = born.get(invoice.ref, 0)
            name = change_name(self.billing, KIND, invoice.ref, generation, action, 0)
            changes.append(
                Change(
                    name,
                    action,
                    Posting,
                    self.billing,
                    invoice.ref,
                    target=ref,
                    before=before,
                    after=None if ends else evolve(before, on=at),
                    generation=generation,
                    number=invoice.number,
                    agreed=fingerprint(as_made(invoice)),
                    reason="handed over" if at else "no longer handed over",
                )
            )
        return changes

    def _standing(self, ids: Sequence[str]) -> dict[str, Posting]:
        if not self.run.sides[self.billing].kind(Posting).can(Verb.READ):
            return {}
        pages = self.run.reader.fetch(self.billing, Posting, ids)
        return {each.ref.id: each for page in pages for each in page.records}

    def _generations(self, invoices: Iterable[Invoice]) -> dict[Ref, int]:
        """How often each was called handed over, or no longer, before."""
        values = [
            key_of(self.run.pair, each.ref.kind, each.ref.id) for each in invoices
        ]
        found: dict[Ref, int] = {}
        after = ""
        while some := self.run.store.find(Intent, "about", values, after):
            after = some[-1].name
            for intent in some:
                if intent.kind is Posting and intent.stage is Stage.APPLIED:
                    born = intent.generation + 1
                    found[intent.source] = max(found.get(intent.source, 0), born)
        return found

    def _remember(self, invoices: Sequence[Invoice], changes: Sequence[Change]) -> None:
        intents = self.run.store.get(Intent, [change.name for change in changes])
        rows = stuck(self.run, (change.source for change in changes))
        by_source = {change.source: change.name for change in changes}
        for invoice in invoices:
            name = by_source.get(invoice.ref)
            if name is None:
                continue
            intent, row = intents.get(name), rows.get(about(invoice.ref))
            state = STATES.get(intent.stage, State.UNKNOWN) if intent else None
            done = state is State.APPLIED
            self.members[invoice.ref] = Member(
                invoice.ref,
                invoice.number,
                state=state or State.NOT_SENT,
                code=None if done or row is None else row.issue.code,
                text="" if done or row is None else str(row.issue),
            )


def stuck(run: DocumentRun, sources: Iterable[Ref]) -> dict[str, IssueRow]:
    """The issues of these records, by what they are about."""
    keys = [key_of(run.pair, run.verb, about(source)) for source in sources]
    return {row.about: row for row in run.store.get(IssueRow, keys).values()}


@define(kw_only=True)
class PostingRun(DocumentSync):
    """A run that posts chosen invoices, and calls each handed over once it is there."""

    billing: str
    auto_pay: AutoPay | None = None
    members: dict[Ref, Member] = field(factory=dict)

    def process(self, page: Page[Any]) -> None:
        """Post the invoices of a page; what is in the ledger then, is handed over."""
        chosen = [each for each in page.records if self._asked(each)]
        super().process(page)
        if self.sink is not None or not chosen:
            return
        assert self.course is not None
        there = self._there(chosen, self.course)
        marking = Marking(self, self.billing, self.members)
        if marking.possible:
            marking.mark([e for e in chosen if e.ref in there], self.clock.now())
        rows = stuck(self, (each.ref for each in chosen))
        for invoice in chosen:
            held = self.members.get(invoice.ref) or self._unposted(invoice, rows, there)
            self.members[invoice.ref] = self._asked_to_pay(
                evolve(held, ledger=there.get(invoice.ref)), invoice
            )

    def _there(self, invoices: Sequence[Invoice], course: Course) -> dict[Ref, Ref]:
        """The ledger's documents of those that are there as they are here now."""
        links = self.reader.ties((each.ref, "") for each in invoices)
        found: dict[Ref, Ref] = {}
        for invoice in invoices:
            link = links.get((invoice.ref, ""))
            agreed = link.agreed.get(course.key) if link else None
            if link and not link.released and agreed == fingerprint(as_made(invoice)):
                found[invoice.ref] = link.on(course.target)
        return found

    def _unposted(
        self, invoice: Invoice, rows: dict[str, IssueRow], there: dict[Ref, Ref]
    ) -> Member:
        """What a batch says of an invoice that was not called handed over."""
        if invoice.ref in there:
            return _done(invoice)
        row = rows.get(about(invoice.ref))
        return Member(
            invoice.ref,
            invoice.number,
            state=State.REJECTED if row else State.NOT_SENT,
            code=row.issue.code if row else None,
            text=str(row.issue) if row else "",
        )

    def _asked_to_pay(self, member: Member, invoice: Invoice) -> Member:
        """What automatic payment says of a posted invoice (B123)."""
        if self.auto_pay is None or member.ledger is None:
            return member
        status = self.auto_pay.posted(invoice)
        method = status.method.value if status.method else ""
        return evolve(member, auto_pay=status.state.value, method=method)


@define(kw_only=True)
class PaidDatesRun(PaymentRun):
    """A run that brings the paid dates of invoices that are wholly paid, and no others."""

    members: dict[Ref, Member] = field(factory=dict)

    def _carry(self, plan: Plan) -> None:
        plan = evolve(plan, changes=tuple(_full(plan.changes)))
        super()._carry(plan)
        intents = self.store.get(Intent, [change.name for change in plan.changes])
        for change in plan.changes:
            assert change.target is not None
            intent = intents.get(change.name)
            stage = STATES.get(intent.stage, State.UNKNOWN) if intent else None
            self.members[change.target] = Member(
                change.target,
                change.number,
                change.source,
                stage or State.NOT_SENT,
                intent.code if intent else None,
                intent.text if intent else "",
                was=_bare(change.before),
                is_now=_bare(change.after),
            )


def _full(changes: Iterable[Change]) -> Iterator[Change]:
    """The changes after which nothing is owed: what is paid in part is left alone."""
    for change in changes:
        if isinstance(change.after, Settlement) and change.after.paid_on is not None:
            yield change


def _bare(record: Any) -> Settlement | None:
    """A level without what only its connector understands."""
    if not isinstance(record, Settlement):
        return None
    return evolve(record, carry=None)


def _done(invoice: Invoice) -> Member:
    return Member(invoice.ref, invoice.number, state=State.APPLIED)
