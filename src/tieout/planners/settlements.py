"""
What billing should show as paid: the level in the ledger, carried over as it is.

Pure. A level is an absolute value, so repeating it is harmless. Nothing here reads,
writes or remembers; who is who is decided in `tieout.planners.matching`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from attrs import define, evolve, field, frozen

from tieout.capabilities import Capabilities, Verb
from tieout.change import Action, Change, Issue, change_name
from tieout.errors import Code
from tieout.models import Link, Part, Ref, Settlement, Status, fingerprint
from tieout.money import ZERO
from tieout.plan import Claim, Plan, clashes
from tieout.planners.matching import Candidates, Found, Known, issue, match
from tieout.settings import Settings

KIND = Settlement.__name__

Same: TypeAlias = tuple[Settlement, Settlement, Link | None, str]
"""A level that billing shows already, its counterpart, their link, and the evidence."""


def basis(ledger: Settlement, rules: str) -> str:
    """
    What is agreed once a level is carried: the level, and the rules it was read by.

    ``rules`` is the digest of the settings.
    """
    return f"{fingerprint(ledger)}.{rules}"


def unchanged(link: Link | None, agreed: str) -> bool:
    """Whether this very level was agreed before."""
    return link is not None and link.agreed.get(KIND) == agreed


@frozen
class Wanted:
    """What billing should show of one invoice."""

    paid: Decimal
    paid_on: date | None
    last_on: date | None
    settled: bool
    notes: tuple[tuple[Code, str], ...] = ()


def plan(
    page: Sequence[Settlement],
    billing: Iterable[Settlement],
    known: Known,
    capabilities: Capabilities,
    settings: Settings,
    *,
    observed_on: date | None = None,
) -> Plan:
    """
    The plan of one page of ledger levels against what billing shows now.

    ``capabilities`` are billing's. ``observed_on`` is the paid date of last resort.
    """
    found = _Comparing(
        Candidates(billing, settings.number_rule),
        known,
        capabilities,
        settings,
        observed_on,
        plain=_is_plain(capabilities, settings),
    )
    for ledger in _latest(page):
        found.look(ledger)
    return found.plan()


@define
class _Comparing:
    """The records of a page, one after another, and what came of them."""

    candidates: Candidates
    known: Known
    capabilities: Capabilities
    settings: Settings
    observed_on: date | None
    plain: bool
    changes: list[Change] = field(factory=list)
    issues: list[Issue] = field(factory=list)
    same: list[Same] = field(factory=list)
    claims: list[Claim] = field(factory=list)
    skipped: int = 0

    def look(self, ledger: Settlement) -> None:
        """Compare one level with what billing shows."""
        link = self.known.links.get(ledger.ref.id)
        if self.plain and link is not None and not link.released:
            counterpart = self.candidates.by_id.get(link.billing.id)
            dated = self.capabilities.payments.holds_open_date
            if counterpart is not None and _plainly_shown(
                ledger, counterpart, link, dated=dated
            ):
                self.same.append((ledger, counterpart, link, "link"))
                return
        if _of_no_concern(ledger, link):
            self.skipped += 1
            return
        found = match(ledger, self.known, self.candidates, self.settings)
        if isinstance(found, Issue):
            agreed = basis(ledger, self.settings.digest())
            self.issues.append(evolve(found, basis=agreed))
        else:
            self._compare(ledger, evolve(found, link=link), new=found.link is None)

    def _compare(self, ledger: Settlement, found: Found, *, new: bool) -> None:
        change, shows, told = _compare(
            ledger, found, self.capabilities, self.settings, self.observed_on
        )
        self.issues.extend(told)
        if new:
            agreed = basis(ledger, self.settings.digest())
            self.claims.append(
                Claim(found.billing.ref.id, ledger.ref, ledger.number, agreed, shows)
            )
        if shows:
            self.same.append((ledger, found.billing, found.link, found.evidence))
        elif change is not None:
            self.changes.append(change)

    def plan(self) -> Plan:
        """The plan of the page; where several claim one billing record, none is carried."""
        clashing = clashes(self.claims)
        changes = [each for each in self.changes if each.source.id not in clashing]
        same = [each for each in self.same if each[0].ref.id not in clashing]
        return Plan(
            tuple(sorted(changes, key=lambda change: change.source.id)),
            (*self.issues, *clashing.values()),
            len(same),
            self.skipped,
            same=tuple(same),
            claims=tuple(
                evolve(each, kept=each.kept and each.source.id not in clashing)
                for each in self.claims
            ),
        )


def keeping(
    plan: Plan,
    capabilities: Capabilities,
    settings: Settings,
    pending: Container[Ref] = (),
) -> list[Change]:
    """
    What must be remembered of the records that need nothing: new and changed links, and those of
    which something is ``pending``.
    """
    rules = settings.digest()
    found: list[Change] = []
    for ledger, billing, link, evidence in plan.same:
        agreed = basis(ledger, rules)
        owned = billing.receipts if capabilities.payments.owned_payment else ()
        known = link is not None and link.agreed.get(KIND) == agreed
        settled = known and link and link.owned == owned and _files_alike(link, ledger)
        if settled and ledger.ref not in pending:
            continue
        counterpart = Found(billing, evidence, link)
        kept = _change(Action.KEEP, ledger, counterpart, agreed, billing)
        found.append(evolve(kept, owned=owned))
    return found


def _files_alike(link: Link, ledger: Settlement) -> bool:
    """Whether a link says of the ledger's document what it is now."""
    open_ = ledger.status is Status.OPEN
    return link.open is open_ and link.released is _lets_go(ledger, link)


def _lets_go(ledger: Settlement, link: Link | None) -> bool:
    """
    Whether the tie to a void ledger document ends, so that another may take its place.

    Where the invoice itself came from the ledger, the tie ends once its void was carried.
    """
    if ledger.status is not Status.VOID:
        return False
    came = link is not None and link.origin == ledger.ref.connection
    return not came or (link is not None and link.released)


def _is_plain(capabilities: Capabilities, settings: Settings) -> bool:
    """Whether no rule stands between a ledger's level and what billing shows."""
    usual = settings.paid_amount == "settled" and not settings.tolerance
    return usual and capabilities.payments.partial


def _plainly_shown(
    ledger: Settlement, billing: Settlement, link: Link, *, dated: bool
) -> bool:
    """
    Whether billing shows a usual level already: most records, most of the time.

    It is the short way to what `match` and `want` come to, for levels without credits,
    write-offs, excess or prepayments; a property test holds the two together.
    """
    total, balance, paid_on = ledger.total, ledger.balance, ledger.paid_on
    last_on, on, status = ledger.last_on, ledger.on, ledger.status
    if paid_on != billing.paid_on or total != billing.total or not total:
        return False
    if status is _SETTLED:
        if balance or paid_on is None or (on is not None and paid_on < on):
            return False
    elif status is not _OPEN or paid_on is not None or balance <= 0:
        return False
    elif dated and last_on is not None and last_on != billing.last_on:
        return False  # some systems date a part payment too
    if on is not None and last_on is not None and last_on < on:
        return False
    parts = billing.settled_by
    return (
        len(parts) == 1
        and parts.get(_CASH) == total - balance
        and ledger.currency == billing.currency
        and billing.status is not _VOID
        and _WRITE_OFF not in ledger.settled_by
        and billing.receipts == link.owned
    )


# By name: an enumeration looks its members up anew each time.
_SETTLED, _OPEN, _VOID = Status.SETTLED, Status.OPEN, Status.VOID
_CASH, _WRITE_OFF = Part.CASH, Part.WRITE_OFF


def _latest(page: Sequence[Settlement]) -> Sequence[Settlement]:
    """Each record once: the youngest, where a page names one twice."""
    if len({each.ref.id for each in page}) == len(page):
        return page
    found: dict[str, Settlement] = {}
    for each in page:
        held = found.get(each.ref.id)
        if held is None or _younger(each, held):
            found[each.ref.id] = each
    return list(found.values())


def _younger(one: Settlement, other: Settlement) -> bool:
    if one.changed_at is None or other.changed_at is None:
        return other.changed_at is None
    return one.changed_at >= other.changed_at


def _of_no_concern(ledger: Settlement, link: Link | None) -> bool:
    """Drafts have no effect yet; a void document has none here, or none any more."""
    free = link is None or link.released
    return free and ledger.status in (Status.DRAFT, Status.VOID)


def _compare(
    ledger: Settlement,
    found: Found,
    capabilities: Capabilities,
    settings: Settings,
    observed_on: date | None,
) -> tuple[Change | None, bool, list[Issue]]:
    """The change that a level asks for, or that billing shows it already, and issues."""
    billing, rules = found.billing, settings.digest()
    wanted = _refusal(ledger, billing, settings) or want(
        ledger, billing, capabilities, settings, observed_on
    )
    if isinstance(wanted, Issue):
        return None, False, [evolve(wanted, basis=basis(ledger, rules))]
    shown = _shows(billing, wanted, capabilities)
    if shown and not wanted.notes:
        return None, True, []  # most records: spare them the fingerprint
    agreed = basis(ledger, rules)
    notes = [
        evolve(issue(code, ledger, text, blocking=False), basis=agreed)
        for code, text in wanted.notes
    ]
    if shown:
        return None, True, notes
    blocked = _blocked(ledger, found, capabilities, settings)
    if blocked is not None:
        return None, False, [evolve(blocked, basis=agreed)]
    after = _shown(billing, wanted)
    take_over = settings.take_over and capabilities.payments.owned_payment
    change = _change(Action.UPDATE, ledger, found, agreed, after, take_over=take_over)
    return change, False, notes


def _refusal(
    ledger: Settlement, billing: Settlement, settings: Settings
) -> Issue | None:
    """Why two records that belong together cannot be compared."""
    if ledger.currency != billing.currency:
        text = f"the ledger's is in {ledger.currency}, billing's in {billing.currency}."
        return issue(Code.CURRENCY_DIFFERS, ledger, text)
    if ledger.status is Status.VOID:
        return None
    if ledger.status is Status.DRAFT:
        text = f"billing shows {billing.money(billing.paid)} paid."
        return issue(Code.WENT_BACK, ledger, text)
    contradiction = _contradiction(ledger)
    if contradiction:
        return issue(Code.TOTALS_DISAGREE, ledger, contradiction)
    if billing.status is Status.VOID:
        if not ledger.settled:
            return None
        text = f"the billing invoice is void, the ledger shows {ledger.money(ledger.settled)} settled."
        return issue(Code.NOT_ALLOWED, ledger, text)
    limit = settings.tolerance.get(ledger.currency, ZERO)
    if abs(ledger.total - billing.total) > limit:
        text = (
            f"the ledger's total is {ledger.money(ledger.total)}, "
            f"billing's {billing.money(billing.total)}."
        )
        return issue(Code.TOTAL_DIFFERS, ledger, text)
    return None


def _contradiction(ledger: Settlement) -> str:
    """What in a level cannot be, or nothing; no connector gets past this."""
    told = sum(ledger.settled_by.values(), ZERO)
    if ledger.total < 0:
        return (
            f"the total is {ledger.money(ledger.total)}: below zero it is no invoice."
        )
    if ledger.balance > ledger.total:
        return (
            f"{ledger.money(ledger.balance)} is owed of {ledger.money(ledger.total)}."
        )
    if ledger.status is Status.SETTLED and ledger.balance > 0:
        return f"it is called settled, and {ledger.money(ledger.balance)} is owed."
    if told > ledger.settled:
        return f"its parts come to {ledger.money(told)}, {ledger.money(ledger.settled)} is settled."
    return ""


def _blocked(
    ledger: Settlement, found: Found, capabilities: Capabilities, settings: Settings
) -> Issue | None:
    """Why a wanted change must not be made."""
    if not capabilities.kind(Settlement).can(Verb.UPDATE):
        text = f"{capabilities.system} cannot be told what was paid."
        return issue(Code.NOT_ALLOWED, ledger, text)
    if capabilities.payments.owned_payment and not settings.take_over:
        ours = found.link.owned if found.link else ()
        foreign = sorted(set(found.billing.receipts) - set(ours))
        if foreign:
            text = (
                f"billing payment {', '.join(foreign)} was not made by this sync; billing "
                f"shows {found.billing.money(found.billing.paid)} paid."
            )
            return issue(Code.PAID_ON_BOTH_SIDES, ledger, text)
    return None


# How much, and when ---------------------------------------------------------------------


def want(
    ledger: Settlement,
    billing: Settlement,
    capabilities: Capabilities,
    settings: Settings,
    observed_on: date | None = None,
) -> Wanted | Issue:
    """What billing should show of a ledger level, by the rules of the settings."""
    if ledger.status is Status.VOID:
        return _want_void(billing)
    notes: list[tuple[Code, str]] = []
    if ledger.balance < 0:
        excess = ledger.money(-ledger.balance)
        notes.append((Code.OVERPAID, f"{excess} more than the total was paid."))
    written_off = ledger.settled_by.get(Part.WRITE_OFF, ZERO)
    not_paid = written_off if settings.write_off == "open" else ZERO
    if not_paid > 0:
        notes.append((Code.WRITTEN_OFF, f"{ledger.money(not_paid)} was written off."))
    residue = max(ledger.balance + not_paid, ZERO)
    if ZERO < residue <= settings.tolerance.get(ledger.currency, ZERO):
        text = f"{ledger.money(residue)} is treated as nothing."
        notes.append((Code.WITHIN_TOLERANCE, text))
        residue = ZERO
    settled = ledger.total - residue
    fully = residue <= 0
    paid = _paid_part(ledger, billing, settings, settled, fully=fully)
    if paid is None:
        return issue(Code.PARTS_UNKNOWN, ledger)
    if fully and ledger.total != billing.total:
        text = (
            f"the totals differ by {ledger.money(abs(ledger.total - billing.total))}."
        )
        notes.append((Code.WITHIN_TOLERANCE, text))
    paid_on = _paid_day(ledger, observed_on, not_paid) if fully else None
    if _before_invoice(ledger):
        notes.append(
            (Code.PAID_BEFORE_INVOICE, "It counts from the invoice's own date.")
        )
    wanted = Wanted(paid, paid_on, ledger.last_on or paid_on, fully, tuple(notes))
    return _holdable(wanted, ledger, capabilities)


def due(
    ledger: Settlement,
    billing: Settlement,
    capabilities: Capabilities,
    settings: Settings,
    observed_on: date | None = None,
) -> tuple[Settlement, tuple[tuple[Code, str], ...]] | Issue:
    """
    Billing's record as it should be, and what there is to say of it.

    It is the very record that was given where that shows the ledger's level already.
    """
    wanted = want(ledger, billing, capabilities, settings, observed_on)
    if isinstance(wanted, Issue):
        return wanted
    if _shows(billing, wanted, capabilities):
        return billing, wanted.notes
    return _shown(billing, wanted), wanted.notes


def _want_void(billing: Settlement) -> Wanted:
    notes: tuple[tuple[Code, str], ...] = ()
    if billing.paid or billing.paid_on:
        text = f"billing showed {billing.money(billing.paid)} paid."
        notes = ((Code.VOIDED_AFTER_PAYMENT, text),)
    return Wanted(ZERO, None, None, settled=False, notes=notes)


def _paid_part(
    ledger: Settlement,
    billing: Settlement,
    settings: Settings,
    settled: Decimal,
    *,
    fully: bool,
) -> Decimal | None:
    """The Paid Amount, or None where it cannot be told."""
    if settings.paid_amount == "cash":
        cash = ledger.settled_by.get(Part.CASH)
        if cash is None:
            return None if settled else ZERO
        return min(cash, settled)
    if fully and settled == ledger.total:
        settled = billing.total  # equal, or within the tolerance that was set
    shown = billing.settled_by.get(Part.CREDIT, ZERO)
    credit = ledger.settled_by.get(Part.CREDIT)
    if credit is None:
        # Unknown here: what exceeds the total together must be the same credit twice.
        return settled - max(ZERO, min(shown, settled + shown - billing.total))
    return settled - max(ZERO, min(shown, credit))


def _paid_day(
    ledger: Settlement, observed_on: date | None, not_paid: Decimal
) -> date | None:
    """
    The day of full payment: as told, else the last receipt, else the day it was seen.

    Where a write-off closed the invoice first, only the last receipt paid it.
    """
    told = (
        (ledger.last_on, ledger.paid_on)
        if not_paid
        else (ledger.paid_on, ledger.last_on)
    )
    day = told[0] or told[1]
    if day is None:
        day = observed_on if ledger.total else ledger.on or observed_on
    return max(day, ledger.on) if day and ledger.on else day


def _before_invoice(ledger: Settlement) -> bool:
    days = [day for day in (ledger.paid_on, ledger.last_on) if day]
    return bool(days and ledger.on and min(days) < ledger.on)


def _holdable(wanted: Wanted, ledger: Settlement, capabilities: Capabilities) -> Wanted:
    """As much of it as billing can hold."""
    holds = capabilities.payments
    if not holds.partial and not wanted.settled:
        notes = wanted.notes
        if wanted.paid:
            text = f"{ledger.money(wanted.paid)} was paid so far."
            notes = (*notes, (Code.PARTIAL_NOT_HELD, text))
        return evolve(wanted, paid=ZERO, last_on=None, notes=notes)
    if not holds.holds_date_alone and not wanted.paid:
        return evolve(wanted, paid_on=None, last_on=None)
    if not holds.holds_open_date and not wanted.paid_on:
        # What cannot be held cannot be found again after a lost answer either.
        return evolve(wanted, last_on=None)
    return wanted


def _shows(billing: Settlement, wanted: Wanted, capabilities: Capabilities) -> bool:
    """Whether billing shows it already."""
    holds = capabilities.payments
    if billing.paid_on != wanted.paid_on:
        return False
    if holds.partial and billing.paid != wanted.paid:
        return False
    if holds.holds_open_date and wanted.paid and not wanted.settled and wanted.last_on:
        return billing.last_on == wanted.last_on
    return True


def _shown(billing: Settlement, wanted: Wanted) -> Settlement:
    parts = {**billing.settled_by, Part.CASH: wanted.paid}
    return evolve(
        billing,
        settled_by=parts,
        balance=billing.total - sum(parts.values(), ZERO),
        paid_on=wanted.paid_on,
        last_on=wanted.last_on,
        status=Status.SETTLED if wanted.settled else Status.OPEN,
    )


def _change(
    action: Action,
    ledger: Settlement,
    found: Found,
    agreed: str,
    after: Settlement,
    *,
    owned: tuple[str, ...] = (),
    take_over: bool = False,
) -> Change:
    link = found.link
    version = link.version if link else 0
    target = found.billing.ref
    return Change(
        name=change_name(target.connection, KIND, ledger.ref, 0, action, version),
        action=action,
        kind=Settlement,
        connection=target.connection,
        source=ledger.ref,
        target=target,
        before=found.billing,
        after=after,
        link_version=version,
        number=found.billing.number or ledger.number,
        agreed=agreed,
        owned=owned or (link.owned if link else ()),
        take_over=take_over,
        closes=ledger.status is not Status.OPEN,
        releases=_lets_go(ledger, link),
        evidence=found.evidence,
        reason=f"{_basis_text(ledger)}, found by {found.evidence}",
    )


def _basis_text(ledger: Settlement) -> str:
    if ledger.status is Status.VOID:
        return "voided in the ledger"
    if ledger.status is not Status.SETTLED:
        return "as in the ledger"
    if ledger.paid_on is None and ledger.last_on is None and ledger.total:
        return "dated by the day it was first seen"
    return f"dated by {ledger.basis.value}" if ledger.basis else "as in the ledger"
