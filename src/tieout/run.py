"""
One payment sync under way: batch after batch, from reading to remembering.

A run knows the order of the steps; how each is done stands in its own module. It opens
nothing and decides nothing about money.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from attrs import define, evolve, field

from tieout.autopay import AutoPay
from tieout.capabilities import Capabilities
from tieout.carrying import DOCUMENTS, Carrying, may_pass
from tieout.change import Action, Change, Issue
from tieout.errors import Code
from tieout.evidence import shows_level_of
from tieout.models import Invoice, Link, Ref, Settlement, Status, fingerprint
from tieout.noting import when
from tieout.plan import Plan, join
from tieout.planners import settlements
from tieout.planners.matching import issue
from tieout.planners.unclear import Maker, Unclear
from tieout.protocol import batches
from tieout.reading import Batch
from tieout.store import Intent, IssueRow, Stage

log = logging.getLogger("tieout.run")

CHECK_SIZE = 200
"""Changes of a saved plan whose records are read again together."""


UNSETTLED = frozenset({Code.OUTCOME_UNKNOWN, Code.PARKED})
"""Issues of records that a plan leaves out, whatever they are by now."""


@define(kw_only=True)
class PaymentRun(Carrying):
    """A run that carries payment levels from the ledger to billing."""

    billing: Capabilities
    auto_pay: AutoPay | None = None
    alone: set[Ref] = field(factory=set)
    """Records that a person wants left alone as they are: they were not compared."""

    def again(self) -> tuple[str, ...]:
        """The ids of ledger records to look at again, whether they changed or not."""
        for source in self.open_issues():
            self.pending.setdefault(source, None)
        return tuple(ref.id for ref in self.pending)

    # A batch ------------------------------------------------------------------------------

    def process(self, batch: Batch) -> None:
        """From a batch of levels to what is remembered of it."""
        self._process(batch)
        # Where somebody was faster, both sides are read and compared again.
        while self.reread:
            ids, self.reread = self.reread, []
            for page in self.reader.fetch_ledger(ids=ids):
                self._process(Batch(page.records, page.issues, page.gone))

    def _process(self, batch: Batch) -> None:
        self.check_stop()
        if self.journal is not None:
            self.journal.hold_on()
        links = self.reader.links(
            [*(each.ref.id for each in batch.records), *(ref.id for ref in batch.gone)]
        )
        tied = {each: link for each, link in links.items() if not link.released}
        told = [*batch.issues, *_gone(batch.gone, tied)]
        rest, held = self._split(batch.records, links)
        billing, known, unreadable = self.reader.counterparts(rest, links)
        known = evolve(
            known,
            claimed={**self._claims(), **known.claimed},
            unclear=self._unclear([*rest, *billing]),
        )
        today = self.clock.now().date()
        plan = settlements.plan(
            rest, billing, known, self.billing, self.settings, observed_on=today
        )
        plan = evolve(plan, issues=(*told, *_explained(plan.issues, unreadable)))
        for each in held:
            self.tell(each)
        if self.journal is not None:
            self.journal.keep((), held)
            in_order = _in_order(batch, plan, held, tied)
            self.journal.clear(ref for ref in in_order if ref not in self.alone)
        self.tally.count("skipped", plan.skipped)
        self.tally.count("unchanged", plan.kept)
        if self.sink is not None:
            # Who applies the plan later has to know what it left out.
            waiting = [each for each in held if each.code in UNSETTLED]
            self.sink.take(evolve(plan, issues=(*plan.issues, *waiting)))
            for each in plan.issues:
                self.tell(each)
            self.tally.planned(plan.changes)
        else:
            self._carry(plan)

    def _claims(self) -> dict[str, Link]:
        """Billing records that a write of ours may have tied already, by id."""
        return {
            intent.target.id: Link(self.pair, intent.target, intent.source)
            for intent in self.pending.values()
            if intent is not None and intent.target is not None
        }

    def _unclear(self, levels: Iterable[Settlement]) -> Unclear:
        """What writes of invoices may have made, whose answers were lost."""
        writes = [
            intent
            for intent in self._open_intents(DOCUMENTS)
            if intent.stage is not Stage.PLANNED
            and (intent.action, intent.kind) == (Action.CREATE, Invoice)
        ]
        if not writes:
            return Unclear()
        made = {
            level.ref: Maker(write.source, write.number)
            for level in levels
            for write in writes
            if shows_level_of(write, level)
        }
        return Unclear(made, frozenset(write.source for write in writes))

    def _split(
        self, records: Sequence[Settlement], links: Mapping[str, Link]
    ) -> tuple[list[Settlement], list[Issue]]:
        """The levels that need comparing, and the issues of those that stay held."""
        open_ones = [each for each in records if each.ref in self.pending]
        rows = self.rows(each.ref for each in (records if self.trusting else open_ones))
        rules = self.settings.digest()
        rest: list[Settlement] = []
        held: list[Issue] = []
        for record in records:
            if record.ref in self.unfinished:
                held.append(_waiting(record, self.unfinished[record.ref], rows))
                continue
            row = rows.get(record.ref)
            known = self.trusting or row is not None
            agreed = settlements.basis(record, rules) if known else ""
            if row and row.is_quiet(agreed):
                self.tally.count("skipped")
                self.alone.add(record.ref)
            elif record.ref in self.pending:
                rest.append(record)
            elif row and row.issue.basis == agreed and not may_pass(row.issue.code):
                # Also where this very level was agreed once: it was compared since then.
                held.append(row.issue)
            elif self.trusting and settlements.unchanged(
                links.get(record.ref.id), agreed
            ):
                self.tally.count("unchanged")
            else:
                rest.append(record)
        return rest, held

    def _carry(self, plan: Plan) -> None:
        """Carry a plan out, and remember the ties of what needs no write."""
        plan = self._told_of(plan)
        keeps = settlements.keeping(plan, self.billing, self.settings, self.pending)
        self.carry(plan, keeps)

    def _told_of(self, plan: Plan) -> Plan:
        """
        The plan, of whose paid invoices automatic payment has been told.

        Before billing shows it: after a crash in between it is told once more, and never
        not at all. What it could not be told of is left as it is.
        """
        if self.auto_pay is None:
            return plan
        issues = [_untold(each, self.auto_pay) for each in plan.changes]
        told = [c for c, i in zip(plan.changes, issues, strict=True) if i is None]
        failed = [each for each in issues if each is not None]
        return evolve(plan, changes=tuple(told), issues=(*plan.issues, *failed))

    # A saved plan -------------------------------------------------------------------------

    def apply(self, plan: Plan) -> None:
        """Carry out a saved plan, as far as its records are still as they were."""
        assert self.journal is not None
        plan = join([plan])
        notes = self.notes(plan)
        for some in batches(plan.changes, CHECK_SIZE):
            self.check_stop()
            fresh, stale = self._fresh(some)
            told = [note for each in fresh for note in notes.get(each.source, ())]
            self._carry(Plan(tuple(fresh), (*stale, *told)))
        self._carry(Plan(issues=tuple(each for each in plan.issues if each.blocking)))
        for claims in batches((c for c in plan.claims if c.kept), CHECK_SIZE):
            self._tie([claim.source.id for claim in claims])

    def _tie(self, ids: Sequence[str]) -> None:
        """Tie records that agreed when the plan was made, where they still do."""
        for page in self.reader.fetch_ledger(ids=ids):
            links = self.reader.links(each.ref.id for each in page.records)
            billing, known, _ = self.reader.counterparts(page.records, links)
            plan = settlements.plan(
                page.records, billing, known, self.billing, self.settings
            )
            self._carry(evolve(plan, changes=(), issues=()))

    def _fresh(self, changes: Sequence[Change]) -> tuple[list[Change], list[Issue]]:
        """The changes whose records on both sides are as they were, and issues for the rest."""
        ledger = {
            record.ref.id: record
            for page in self.reader.fetch_ledger(ids=[c.source.id for c in changes])
            for record in page.records
        }
        billing = {
            record.ref.id: record
            for page in self.reader.fetch_billing(
                ids=[c.target.id for c in changes if c.target]
            )
            for record in page.records
        }
        links = self.reader.links(ledger)
        owners = self.reader.ties((c.target, c.role) for c in changes if c.target)
        fresh: list[Change] = []
        stale: list[Issue] = []
        for change in changes:
            here = ledger.get(change.source.id)
            there = billing.get(change.target.id) if change.target else None
            link = links.get(change.source.id)
            reason = self._stale(change, here, there, link)
            owner = owners.get((change.target, change.role)) if change.target else None
            if owner is not None and owner.ledger != change.source:
                reason = f"it is tied to ledger document {owner.ledger.id} by now"
            if reason:
                text = f"{reason}."
                stale.append(
                    Issue(Code.STALE_PLAN, change.source, (change.number,), text=text)
                )
            else:
                fresh.append(_refreshed(change, there))
        return fresh, stale

    def _stale(
        self,
        change: Change,
        here: Settlement | None,
        there: Settlement | None,
        link: Link | None,
    ) -> str:
        """Why a change of a saved plan no longer fits, or nothing."""
        if change.source in self.unfinished:
            return "an earlier write of it is not settled yet"
        if (
            here is None
            or settlements.basis(here, self.settings.digest()) != change.agreed
        ):
            return "it changed in the ledger"
        if there is None or change.before is None:
            return "it is gone from billing"
        if fingerprint(there) != fingerprint(change.before):
            return "it changed in billing"
        version = link.version if link else 0
        return "" if version == change.link_version else "it was synced in the meantime"


def _untold(change: Change, auto_pay: AutoPay) -> Issue | None:
    """Tell that an invoice was paid, if it was; an issue where that is not possible."""
    after = change.after
    if not isinstance(after, Settlement) or after.status is not Status.SETTLED:
        return None
    assert change.target is not None
    try:
        auto_pay.paid(change.target)
    except Exception as error:  # noqa: BLE001 - it is the host's own
        log.warning("automatic payment raised %s", type(error).__name__)
        return Issue(
            Code.AUTO_PAY_FAILED,
            change.source,
            (change.number,),
            text=f"It raised {type(error).__name__}.",
            basis=change.agreed,
        )
    return None


def _in_order(
    batch: Batch, plan: Plan, held: Sequence[Issue], tied: Mapping[str, Link]
) -> list[Ref]:
    """The records of a batch about which there is nothing to say and nothing to do."""
    asked = {change.source.id for change in plan.changes}
    asked |= {each.source.id for each in (*plan.issues, *held) if each.source}
    refs = [each.ref for each in batch.records]
    refs += [ref for ref in batch.gone if ref.id not in tied]
    return [ref for ref in refs if ref.id not in asked]


def _refreshed(change: Change, there: Settlement | None) -> Change:
    """A saved change with what does not live in a file: versions and luggage."""
    assert there is not None
    assert change.after is not None
    after = evolve(change.after, version=there.version, carry=there.carry)
    return evolve(change, before=there, after=after)


def _gone(gone: Iterable[Ref], tied: Mapping[str, Link]) -> list[Issue]:
    """Issues for tied ledger documents that were deleted. Others are of no concern."""
    return [
        Issue(
            Code.VANISHED,
            ref,
            text=f"ledger document {ref.id} was deleted; billing invoice "
            f"{tied[ref.id].billing.id} was left as it is.",
        )
        for ref in gone
        if ref.id in tied
    ]


def _explained(issues: Iterable[Issue], unreadable: Sequence[Issue]) -> list[Issue]:
    """Where billing has the record but it could not be read, that is the reason."""
    by_number = {number: each for each in unreadable for number in each.numbers}
    found: list[Issue] = []
    for each in issues:
        missing = each.code in (Code.NOT_IN_BILLING, Code.VANISHED)
        reason = next((by_number[n] for n in each.numbers if n in by_number), None)
        if missing and reason is not None:
            text = f"in billing: {reason.text}"
            found.append(evolve(each, code=reason.code, field=reason.field, text=text))
        else:
            found.append(each)
    return found


def _waiting(record: Settlement, intent: Intent, rows: Mapping[Ref, IssueRow]) -> Issue:
    """The issue of a record about which an earlier write is not settled yet."""
    code = Code.PARKED if intent.stage is Stage.PARKED else Code.OUTCOME_UNKNOWN
    row = rows.get(record.ref)
    if row is not None and row.issue.code is code:
        return row.issue
    if code is Code.PARKED:
        return issue(code, record, intent.text)
    return issue(code, record, f"It is looked at after {when(intent.not_before)}.")
