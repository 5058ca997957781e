"""
Runs of what a person chose: invoices posted and handed over, and the days they were paid.

Each files its members in a batch as it goes on. What is chosen, and by whom, is the
caller's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, evolve

from tieout.autopay import AutoPay
from tieout.carrying import DONE
from tieout.change import Change, Issue, State
from tieout.errors import Code, Severity
from tieout.marking import HandingOver, explained, said
from tieout.models import (
    Invoice,
    Ref,
    Settlement,
    as_made,
    fingerprint,
    uncarried,
)
from tieout.noting import about
from tieout.plan import Plan
from tieout.protocol import Page
from tieout.register import as_known
from tieout.report import Progress
from tieout.run import PaymentRun
from tieout.store import Batch, Held, Intent, Member
from tieout.syncing import DocumentSync

log = logging.getLogger("tieout.handing")

WORDS: Mapping[State | None, str] = {
    State.APPLIED: "posted",
    State.UNKNOWN: "unknown",
}
"""How the result of an invoice is told; any other state is a failure."""

UNCLEAR = (Code.OUTCOME_UNKNOWN, Code.PARKED)
"""Issues of invoices that may be in the ledger or not."""


@define(kw_only=True)
class PostingRun(DocumentSync):
    """A run that posts chosen invoices, and calls each handed over once it is there."""

    billing: str
    batch: Batch
    auto_pay: AutoPay | None = None
    finished: int = 0
    """How many of the chosen invoices have their result."""
    chosen: frozenset[Ref] = frozenset()
    """The ones that are dealt with just now."""

    @property
    def dealt_with(self) -> int:
        """How many of the chosen invoices have their result."""
        return self.finished

    def post(self, invoices: Sequence[Invoice]) -> None:
        """Post these; what is in the ledger then, is handed over; each has its result."""
        self.chosen = frozenset(each.ref for each in invoices)
        self.process(Page(tuple(invoices)))
        if self.sink is not None:
            self.finished += len(invoices)
            return
        now = self._as_they_are(invoices)
        handing = HandingOver(self, self.billing, self.batch)
        ready, done = self._sorted(invoices, now, handing)
        handing.file(done)
        if ready:
            done += handing.hand_over(ready, self.clock.now())
        for member in done:
            self._result(member)

    def _as_they_are(self, invoices: Sequence[Invoice]) -> dict[Ref, Invoice]:
        """The invoices as billing has them now: they may have been edited meanwhile."""
        ids = [each.ref.id for each in invoices]
        pages = self.reader.fetch(self.billing, Invoice, ids)
        return {each.ref: each for page in pages for each in page.records}

    def _sorted(
        self,
        invoices: Sequence[Invoice],
        now: Mapping[Ref, Invoice],
        handing: HandingOver,
    ) -> tuple[list[Member], list[Member]]:
        """Those that can be called handed over, and those that cannot, with the reason."""
        there = self._there(now.values())
        rows = said(self, (each.ref for each in invoices))
        ready: list[Member] = []
        left: list[Member] = []
        issues: list[Issue] = []
        for invoice in invoices:
            ref, row = invoice.ref, rows.get(about(invoice.ref))
            member = evolve(handing.blank(invoice), ledger=there.get(ref))
            why: Issue | None = None
            if ref in there:
                member, why = self._asked_to_pay(member, invoice)
            elif row is not None and row.held is not Held.NOTED:
                left.append(_left(member, row.issue))
                continue
            else:
                why = self._why_not(invoice, now.get(ref))
            if why is not None:
                issues.append(why)
                left.append(_left(member, why))
            else:
                noted = row is not None and row.run == self.batch.id
                ready.append(explained(member, row.issue) if row and noted else member)
        self.carry(Plan(issues=tuple(issues)))
        return ready, left

    def _there(self, invoices: Iterable[Invoice]) -> dict[Ref, Ref]:
        """The ledger's documents of those that are there as here, or that came from there."""
        assert self.course is not None
        free = [each for each in invoices if each.ref not in self.unfinished]
        links = self.reader.ties((each.ref, "") for each in free)
        found: dict[Ref, Ref] = {}
        for invoice in free:
            link = links.get((invoice.ref, ""))
            if link is None or link.released:
                continue
            made = fingerprint(as_made(invoice))
            same = link.agreed.get(self.course.key) in (made, uncarried(made))
            if same or self.course.made_there(link):
                found[invoice.ref] = link.on(self.course.target)
        return found

    def _why_not(self, invoice: Invoice, now: Invoice | None) -> Issue:
        """Why an invoice, of which no trouble is known, is not there as it is here."""
        if invoice.ref in self.unfinished:
            code, text = Code.OUTCOME_UNKNOWN, "A write of it is not settled yet."
        elif now is None:
            code, text = Code.VANISHED, "It is not in billing any more."
        elif not now.status.counts:
            code, text = Code.NOT_LISTED, f"It is {now.status.value} in billing."
        else:
            code, text = Code.STALE_VERSION, "It was changed while it was posted."
        return _issue(code, invoice, text)

    def _asked_to_pay(
        self, member: Member, invoice: Invoice
    ) -> tuple[Member, Issue | None]:
        """
        What automatic payment says of a posted invoice, or why it could not be asked.

        Before the invoice is called handed over: after a crash in between it is asked once
        more, and never not at all.
        """
        if self.auto_pay is None:
            return member, None
        try:
            status = self.auto_pay.posted(invoice)
        except Exception as error:  # noqa: BLE001 - it is the host's own
            log.warning("automatic payment raised %s", type(error).__name__)
            text = f"It raised {type(error).__name__}."
            return member, _issue(Code.AUTO_PAY_FAILED, invoice, text)
        method = status.method.value if status.method else ""
        return evolve(member, auto_pay=status.state.value, method=method), None

    # Telling ------------------------------------------------------------------------------

    def _result(self, member: Member) -> None:
        """Tell the result of one invoice: the last word about it."""
        self.finished += 1
        if self.on_progress is None:
            return
        row = Progress(
            member.number,
            WORDS.get(member.state, "failed"),
            member.light,
            member.text or "handed over",
            self.finished,
            member.invoice,
            self.total,
            member.auto_pay,
        )
        self.on_progress(row)

    def _progress(
        self, number: str, what: str, light: Severity, text: str, ref: Ref | None
    ) -> None:
        own = ref is not None and evolve(ref, kind=Invoice.__name__) in self.chosen
        made = ref in self.chosen and what in DONE.values()
        # All else that there is to say of a chosen invoice, its result says.
        if made or not own:
            super()._progress(number, what, light, text, ref)


def _left(member: Member, why: Issue) -> Member:
    """A member that could not be called handed over."""
    state = State.UNKNOWN if why.code in UNCLEAR else State.NOT_SENT
    return evolve(explained(member, why), state=state)


def _issue(code: Code, invoice: Invoice, text: str) -> Issue:
    basis = fingerprint(as_made(invoice))
    return Issue(code, invoice.ref, (invoice.number,), text=text, basis=basis)


@define(kw_only=True)
class PaidDatesRun(PaymentRun):
    """A run that brings the paid dates of invoices that are wholly paid, and no others."""

    batch: Batch

    def _carry(self, plan: Plan) -> None:
        assert self.journal is not None
        full = tuple(_full(plan.changes))
        self.tally.count("skipped", len(plan.changes) - len(full))
        members = [self._member(change) for change in full]
        if members:
            self.journal.note(self.batch, *members)
        super()._carry(evolve(plan, changes=full))
        if members:
            self.journal.note(*self._come_of(members))

    def _member(self, change: Change) -> Member:
        assert change.target is not None
        return Member(
            self.batch.pair,
            self.batch.id,
            change.target,
            change.number,
            change.source,
            was=_bare(change.before),
            is_now=_bare(change.after),
            change=change.name,
        )

    def _come_of(self, members: Sequence[Member]) -> Iterator[Member]:
        intents = self.store.get(Intent, [each.change for each in members])
        rows = self.rows(each.ledger for each in members if each.ledger)
        for member in members:
            known = as_known(member, intents.get(member.change))
            row = rows.get(member.ledger) if member.ledger else None
            if row is not None and known.state is not State.APPLIED:
                known = explained(known, row.issue)
            yield known


def _full(changes: Iterable[Change]) -> Iterator[Change]:
    """The changes after which nothing is owed: what is paid in part is left alone."""
    for change in changes:
        if isinstance(change.after, Settlement) and change.after.paid_on is not None:
            yield change


def _bare(record: Any) -> Settlement | None:
    """A level without what only its connector understands."""
    return evolve(record, carry=None) if isinstance(record, Settlement) else None
