"""
What the other side should hold of a document: made once, changed by policy, voided once.

Pure, and the same for invoices and credit notes; what is peculiar to one of them stands in
its own planner. Nothing here looks at what was paid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, Generic, TypeVar, cast

from attrs import define, evolve, field

from tieout.capabilities import Updates, Verb
from tieout.change import Action, Change, Issue, change_name, mark_of
from tieout.errors import Code
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Line,
    Link,
    Ref,
    Status,
    as_made,
    clean_number,
    fingerprint,
    is_name,
    uncarried,
)
from tieout.money import Money
from tieout.plan import Plan
from tieout.planners.course import Across, Course, issue
from tieout.planners.likeness import alike, alike_lines

D = TypeVar("D", Invoice, CreditNote)


_MATTERS = ("currency", "total", "customer", "on")
"""What may not differ between two documents that are called the same."""


@define
class Drafting:
    """The plan of a page, as it grows."""

    changes: list[Change] = field(factory=list)
    issues: list[Issue] = field(factory=list)
    kept: int = 0
    skipped: int = 0

    def take(self, found: Change | Issue) -> None:
        """One more change or issue."""
        if isinstance(found, Issue):
            self.issues.append(found)
        else:
            self.changes.append(found)

    def plan(self) -> Plan:
        """The plan of the page."""
        return Plan(tuple(self.changes), tuple(self.issues), self.kept, self.skipped)


@define
class Documents(Generic[D]):
    """The documents of one page, one after another."""

    across: Across
    course: Course
    wanted: Callable[[D, Course, Across], D]
    """What the target should hold of a document, its refs still to be filled in."""
    compared: Sequence[str]
    """The fields by which a changed document is compared with what is there."""
    drafting: Drafting = field(factory=Drafting)

    def plan(self, page: Iterable[D]) -> Plan:
        """The plan of the page."""
        records = list(page)
        twins: dict[str, list[D]] = {}
        for record in filter(self._is_fresh, records):
            twins.setdefault(self._key(record.number), []).append(record)
        for record in records:
            link = self.across.links.get(record.ref)
            if self._is_fresh(record):
                self.drafting.take(self._met(record, twins[self._key(record.number)]))
            elif link is None or link.released or self.course.made_there(link):
                self.drafting.skipped += 1
            else:
                self._tied(record, link)
        return self.drafting.plan()

    def _is_fresh(self, record: D) -> bool:
        """Whether a document is one to be carried, and tied to nothing there yet."""
        link = self.across.links.get(record.ref)
        if self.course.made_there(link) or (link is not None and not link.released):
            return False
        only_active = self.course.settings.active_only and not self.course.outward
        inactive = only_active and record.customer in self.across.inactive
        return record.status.counts and not inactive

    # Not tied yet -------------------------------------------------------------------------

    def _met(self, record: D, twins: Sequence[D]) -> Change | Issue:
        """A document that is not tied: found there by its number, or to be made."""
        lacking = self._lacking(record)
        if lacking is not None:
            return lacking
        number = self._key(record.number)
        if len(twins) > 1 and number and self.course.keeps_number:
            ids = ", ".join(sorted(each.ref.id for each in twins))
            text = f"{self.course.source} has {len(twins)} documents of it: {ids}."
            return self._issue(Code.AMBIGUOUS_NUMBER, record, text, "number")
        alike = [each for each in self._live() if self._key(each.number) == number]
        if not alike or not self.course.keeps_number:
            return self._create(record)
        if len(alike) > 1:
            ids = ", ".join(sorted(each.ref.id for each in alike))
            text = f"{self._system} has {len(alike)} live documents of it: {ids}."
            return self._issue(Code.AMBIGUOUS_NUMBER, record, text, "number")
        return self._adopted(record, alike[0])

    def _adopted(self, record: D, there: D) -> Change | Issue:
        """A document of the same number: the same one, or a collision."""
        owner = self.across.claimed.get(there.ref)
        if owner is not None and owner != record.ref:
            text = f"{there.ref.id} is tied to {owner.id}."
            return self._issue(Code.ALREADY_LINKED, record, text, "number")
        unclear = self.across.unclear.hinders(record.ref, there.ref)
        if unclear:
            return self._issue(Code.WAITS, record, unclear, "number")
        wanted = self.wanted(record, self.course, self.across)
        differing = self._differing(wanted, there, ("currency", "total", "customer"))
        if differing:
            told = ", ".join(_told(name, wanted, there) for name in differing)
            text = f"{self._system} has another document of this number: {told}."
            return self._issue(
                Code.NUMBER_MEANS_ANOTHER_DOCUMENT, record, text, "number"
            )
        return self._change(Action.KEEP, record, None, there, there, "found by number")

    def _create(self, record: D) -> Change | Issue:
        vanished = self._vanished(record)
        if vanished is not None:
            return vanished
        wanted = self.wanted(record, self.course, self.across)
        hindered = self._hindered(record, Verb.CREATE, record.on)
        if hindered is not None:
            return hindered
        change = self._change(Action.CREATE, record, None, None, wanted, "it is new")
        return evolve(change, depends_on=self._first(record))

    def _vanished(self, record: D) -> Issue | None:
        """That a document was voided there by somebody else: it is not made anew unasked."""
        link = self.across.links.get(record.ref)
        if link is None or self.course.by_hand:
            return None
        void = fingerprint(as_made(evolve(record, status=Status.VOID)))
        if link.agreed.get(self.course.key) == void:
            return None  # it was void here, and is not any more
        text = f"{link.on(self.course.target).id} was voided there."
        return self._issue(Code.VANISHED, record, text)

    def _first(self, record: D) -> tuple[str, ...]:
        """The change that makes a document's customer, where there is to be one."""
        planned = self.across.planned.get(record.customer) if record.customer else None
        return (planned,) if planned else ()

    def _lacking(self, record: D) -> Issue | None:
        """Why a document cannot be made or looked for, or None."""
        number, limit = clean_number(record.number), self.course.there.number_length
        mark = self.course.there.mark
        if not number and mark is not None and mark.is_number:
            return self._issue(Code.BAD_FIELD, record, "it has no number.", "number")
        if limit is not None and self.course.keeps_number and len(number) > limit:
            text = f"{len(number)} characters, {self._system} holds {limit}."
            return self._issue(Code.TOO_LONG, record, text, "number")
        if number and self.course.keeps_number and not is_name(number):
            text = "it has characters that cannot be seen, or far too many."
            return self._issue(Code.BAD_FIELD, record, text, "number")
        customer = record.customer
        if customer is None or customer in self.across.ties:
            return None
        if customer in self.across.planned:
            return None
        name = self.across.numbers.get(customer, customer.id)
        text = f"its customer {name} is not tied to one of {self._system}."
        if customer in self.across.inactive:
            text = f"its customer {name} is not active, and not made there."
        return self._issue(Code.WAITS, record, text, "customer")

    # Tied ---------------------------------------------------------------------------------

    def _tied(self, record: D, link: Link) -> None:
        agreed = link.agreed.get(self.course.key) == fingerprint(as_made(record))
        if agreed and not self.course.compares(record.ref, self.across):
            self.drafting.kept += 1
        elif record.status is Status.DRAFT:
            self.drafting.skipped += 1
        else:
            for each in self._changed(record, link):
                self.drafting.take(each)

    def _changed(self, record: D, link: Link) -> Iterable[Change | Issue]:
        found = self.across.records.get(link.on(self.course.target))
        there: Any = found
        if record.status is Status.VOID:
            yield self._void(record, link, there)
            return
        if there is None or there.status is Status.VOID:
            what = "is gone" if there is None else "was voided there"
            text = f"{link.on(self.course.target).id} {what}."
            yield self._issue(Code.VANISHED, record, text)
            return
        wanted = self.wanted(record, self.course, self.across)
        agreed = link.agreed.get(self.course.key) == fingerprint(as_made(record))
        differing = self._differing(wanted, there, self.compared, closely=not agreed)
        computed = agreed and "total" in differing and "lines" not in differing
        if computed:  # nothing was edited here: that is what the other side made of it
            differing.remove("total")
        if self.course.carries_changes and differing:
            yield self._update(record, link, there, wanted, differing)
        else:
            why = "it agrees" if not differing else "changes of it are not carried"
            kept = self._change(Action.KEEP, record, link, there, there, why)
            told = uncarried(kept.agreed) if differing else kept.agreed
            yield evolve(kept, agreed=told)
        matters = [name for name in differing if name in _MATTERS]
        if not self.course.carries_changes and matters:
            yield self._note(Code.EDIT_NOT_CARRIED, record, wanted, there, matters)
        if computed:
            yield self._computed(record, wanted, there)

    def _note(
        self, code: Code, record: D, wanted: D, there: D, names: Sequence[str]
    ) -> Issue:
        """What is worth knowing of a document that stays as it is."""
        told = ", ".join(_told(name, wanted, there) for name in names)
        return evolve(self._issue(code, record, f"{told}.", names[0]), blocking=False)

    def _computed(self, record: D, wanted: D, there: D) -> Issue:
        """The other side's own total, in the words in which it was told when it was made."""
        sent = Money(wanted.total, wanted.currency)
        text = f"{sent} was sent, {Money(there.total, there.currency)} is there."
        return evolve(self._issue(Code.TOTAL_DIFFERS, record, text), blocking=False)

    def _void(self, record: D, link: Link, there: D | None) -> Change | Issue:
        """A document that was taken back is taken back there, once."""
        if there is None or there.status is Status.VOID:
            gone = there or evolve(record, ref=link.on(self.course.target))
            change = self._change(
                Action.KEEP, record, link, gone, gone, "it is void on both sides"
            )
            return evolve(change, closes=True, releases=True)
        hindered = self._hindered(record, Verb.VOID, there.on)
        if hindered is not None:
            return hindered
        change = self._change(Action.VOID, record, link, there, None, "it was voided")
        return evolve(change, closes=True, releases=True)

    def _update(
        self, record: D, link: Link, there: D, wanted: D, differing: Sequence[str]
    ) -> Change | Issue:
        able, fixed = self.course.there, there.status is not Status.DRAFT
        stuck = [name for name in differing if not self._writable(name)]
        if able.updates is Updates.DRAFTS_ONLY and fixed:
            stuck = list(differing)
        if not able.can(Verb.UPDATE) or stuck:
            names = stuck or differing
            told = ", ".join(_told(name, wanted, there) for name in names)
            return self._issue(Code.POSTED_CANNOT_CHANGE, record, f"{told}.", names[0])
        hindered = self._hindered(record, Verb.UPDATE, there.on, wanted.on)
        if hindered is not None:
            return hindered
        told = f"changed: {', '.join(differing)}"
        names = [*differing]
        if "total" in names and "lines" in self.compared and "lines" not in names:
            names.append("lines")  # a total follows from them
        values: dict[str, Any] = {name: getattr(wanted, name) for name in names}
        after = evolve(there, **values)
        change = self._change(Action.UPDATE, record, link, there, after, told)
        return evolve(change, depends_on=self._first(record))

    def _differing(
        self, wanted: D, there: D, names: Sequence[str], *, closely: bool = True
    ) -> list[str]:
        """
        In which of these fields two documents differ, as far as it can be told.

        Not ``closely``: the source is as it was agreed, and what the other side made of
        its texts is no difference.
        """
        found: list[str] = []
        for name in names:
            new, old = getattr(wanted, name), getattr(there, name)
            match name:
                case "number":
                    kept = self.course.keeps_number
                    differs = kept and self._key(new) != self._key(old)
                case "reference" if self._marks_reference:
                    continue  # what it is found again by is not the user's to change
                case "customer":
                    # One that is yet to be made there cannot be the one that is.
                    differs = None not in (new, old) and new != old
                case "lines":
                    fine = closely and "lines" in self.course.there.writable
                    differs = bool(new) and not alike_lines(
                        new, old, closely=closely, fine=fine
                    )
                case _:
                    differs = not alike(new, old) and (bool(new) or name in _MATTERS)
            if differs:
                found.append(name)
        return found

    @property
    def _marks_reference(self) -> bool:
        mark = self.course.there.mark
        return mark is not None and mark.field.lower().endswith("reference")

    def _writable(self, name: str) -> bool:
        """Whether a field can be changed; a total follows from its lines."""
        writable = self.course.there.writable
        if name in ("total", "lines"):
            return not writable.isdisjoint({"total", "lines"})
        return name in writable

    # What every one of them needs ---------------------------------------------------------

    def _hindered(self, record: D, verb: Verb, *days: date) -> Issue | None:
        """Why the target may not be written, as far as that is known beforehand."""
        if not self.course.there.can(verb):
            text = f"{self._system} does not let us {verb.value} such a document."
            return self._issue(Code.NOT_ALLOWED, record, text)
        locked, first = self.course.locked_through, min(days)
        if locked is not None and first <= locked:
            text = f"it is dated {first}, the books are closed through {locked}."
            return self._issue(Code.LOCKED_PERIOD, record, text, "on")
        return None

    def _change(
        self,
        action: Action,
        record: D,
        link: Link | None,
        before: D | None,
        after: D | None,
        reason: str,
    ) -> Change:
        kind, target = type(record).__name__, self.course.target
        version = link.version if link else 0
        generation = self.across.generations.get((record.ref, ""), 0)
        number = clean_number(record.number)
        return Change(
            change_name(target, kind, record.ref, generation, action, version),
            action,
            type(record),
            target,
            record.ref,
            target=before.ref if before is not None else None,
            before=before,
            after=after,
            generation=generation,
            link_version=version,
            number=number,
            agreed=fingerprint(as_made(record)),
            mark=self._mark(record.ref, number, generation)
            if action is Action.CREATE
            else "",
            reason=reason,
            customer=self.across.numbers.get(record.customer, "")
            if record.customer
            else "",
        )

    def _mark(self, ref: Ref, number: str, generation: int) -> str:
        mark = self.course.there.mark
        if mark is None:
            return ""
        if mark.is_number:
            return number
        return mark_of(self.course.target, ref.kind, ref, generation)

    def _issue(self, code: Code, record: D, text: str, field: str = "") -> Issue:
        return issue(
            code, record, text, field=field, agreed=fingerprint(as_made(record))
        )

    def _live(self) -> list[D]:
        kind = self.course.kind
        found = [
            cast(D, e) for e in self.across.records.values() if isinstance(e, kind)
        ]
        return [each for each in found if each.status.counts]

    def _key(self, number: str) -> str:
        return self.course.settings.number_rule.key(clean_number(number))

    @property
    def _system(self) -> str:
        return self.course.able.system


def tied(ref: Ref | None, across: Across) -> Ref | None:
    """The counterpart of a record that a document names; itself, where there is none yet."""
    return across.ties.get(ref, ref) if ref is not None else None


def lines(given: Sequence[Line], course: Course) -> tuple[Line, ...]:
    """
    Lines as the target is to hold them: what one says itself comes before what is set.

    A line's own custom field sets the dimension that the settings name for it; a default
    fills what is still empty, and no line's values reach another. What goes into billing
    stays as the ledger has it.
    """
    rules = course.settings
    if not course.outward:
        return tuple(given)
    found: list[Line] = []
    for line in given:
        own = {
            rules.line_fields[name]: str(value)
            for name, value in line.custom.items()
            if name in rules.line_fields and value != ""
        }
        found.append(
            evolve(
                line,
                account=line.account or rules.accounts.get("revenue", ""),
                dimensions={**rules.dimensions, **line.dimensions, **own},
            )
        )
    return tuple(found)


def custom(record: Invoice | CreditNote | Customer, course: Course) -> dict[str, Any]:
    """The custom fields that are carried, by their names on the other side."""
    names = course.settings.custom
    return {names[n]: value for n, value in record.custom.items() if n in names}


def _told(name: str, wanted: Any, there: Any) -> str:
    """One field as it is here and there, in words."""
    new, old = getattr(wanted, name), getattr(there, name)
    if name == "total":
        new, old = Money(new, wanted.currency), Money(old, there.currency)
    if name == "lines":
        return "the lines"
    if isinstance(new, Ref) and isinstance(old, Ref):
        new, old = new.id, old.id
    return f"{name} {new} here, {old} there"
