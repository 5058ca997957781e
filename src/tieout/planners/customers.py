"""
Which customers are the same on both sides, and which side's word counts for each field.

Pure, and never a guess: a name that means several customers is an issue. What a customer
owes is no business of this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import define, evolve, field, frozen

from tieout.capabilities import Verb
from tieout.change import Action, Change, Issue, change_name, mark_of
from tieout.errors import Code
from tieout.models import Customer, Link, Ref, clean_number, fingerprint
from tieout.plan import Plan
from tieout.planners.course import Across, Course, issue
from tieout.planners.documents import Drafting, custom, tied
from tieout.planners.likeness import alike, respelled
from tieout.settings import CUSTOMER_FIELDS, Direction

KIND = Customer.__name__


@frozen
class _Match:
    """The customer there that one is, if any, and what is worth knowing of that."""

    there: Customer | None = None
    note: Issue | None = None


def name_key(name: str) -> str:
    """What two spellings of one customer's name have in common: case and spaces aside."""
    return " ".join(name.casefold().split())


def plan(page: Iterable[Customer], across: Across, course: Course) -> Plan:
    """The plan of one page of customers."""
    found = _Customers(across, course)
    found.look(list(page))
    whole = found.drafting.plan()
    made: dict[Ref | None, str] = {
        each.source: each.name for each in whole.changes if each.action is Action.CREATE
    }
    # Whom another one belongs to is made before it.
    changes = (
        evolve(each, depends_on=(made[each.after.parent],))
        if isinstance(each.after, Customer) and each.after.parent in made
        else each
        for each in whole.changes
    )
    return evolve(whole, changes=tuple(changes))


@define
class _Customers:
    """The customers of a page, one after another."""

    across: Across
    course: Course
    drafting: Drafting = field(factory=Drafting)
    rivals: dict[Ref, list[Customer]] = field(factory=dict)
    """The customers of the page that were found to be the same one there, by it."""

    def look(self, page: Sequence[Customer]) -> None:
        """Plan a whole page: two of it may be meant by one number or name."""
        fresh: dict[Ref, _Match | Issue] = {}
        for customer in page:
            link = self.across.links.get(customer.ref)
            wanted = customer.active or not self.course.settings.active_only
            if wanted and (link is None or link.released):
                fresh[customer.ref] = self._matched(customer)
        for customer in page:
            found = fresh.get(customer.ref)
            if isinstance(found, _Match) and found.there is not None:
                self.rivals.setdefault(found.there.ref, []).append(customer)
        alike = [each for each in page if each.ref in fresh]
        for customer in page:
            link = self.across.links.get(customer.ref)
            if customer.ref in fresh:
                self._met(customer, fresh[customer.ref], alike)
            elif link is not None and not link.released:
                self._tied(customer, link)
            else:
                self.drafting.skipped += 1

    # Not tied yet -------------------------------------------------------------------------

    def _met(
        self, customer: Customer, found: _Match | Issue, fresh: Sequence[Customer]
    ) -> None:
        """A customer that is not tied: found by number or name, or to be made."""
        twins = [each for each in fresh if self._same_number(customer, each)]
        if self._by("number") and len(twins) > 1:
            self.drafting.take(self._twins(Code.AMBIGUOUS_NUMBER, customer, twins))
        elif isinstance(found, Issue):
            self.drafting.take(found)
        elif found.there is None:
            self.drafting.take(self._create(customer))
        else:
            self._found(customer, found.there, found.note)

    def _found(self, customer: Customer, there: Customer, note: Issue | None) -> None:
        """A customer that is there already, unless others are meant by it too."""
        by_number = self._same_number(customer, there)
        owner = self.across.claimed.get(there.ref)
        others = [e for e in self.rivals[there.ref] if e.ref != customer.ref]
        nearer = [each for each in others if self._same_number(each, there)]
        if owner is None and nearer:
            owner = nearer[0].ref
        if owner is not None and owner != customer.ref:
            text = f"customer {_named(there)} is tied to {owner.id}."
            self.drafting.take(self._issue(Code.ALREADY_LINKED, customer, text))
        elif unclear := self.across.unclear.hinders(customer.ref, there.ref):
            self.drafting.take(self._issue(Code.WAITS, customer, unclear))
        elif others and not by_number:
            twins = self.rivals[there.ref]
            self.drafting.take(self._twins(Code.AMBIGUOUS_NAME, customer, twins))
        else:
            reason = "found by number" if by_number else "found by name"
            self.drafting.take(
                self._change(Action.KEEP, customer, None, there, there, reason)
            )
            if note is not None:
                self.drafting.take(note)

    def _twins(
        self, code: Code, customer: Customer, twins: Sequence[Customer]
    ) -> Issue:
        """An issue for one of several customers that cannot be told from each other."""
        told = ", ".join(sorted(each.ref.id for each in twins))
        text = f"{self.course.source} has {len(twins)}: {told}."
        return self._issue(code, customer, text)

    def _by(self, what: str) -> bool:
        """Whether customers are known again by number, or by name."""
        return what in self.course.settings.match_customers

    def _matched(self, customer: Customer) -> _Match | Issue:
        """The customer there that is this one, if any, and a note on what disagrees."""
        alike = self._by_number(customer) if self._by("number") else []
        named = self._by_name(customer) if self._by("name") else []
        if len(alike) > 1:
            return self._several(Code.AMBIGUOUS_NUMBER, customer, alike)
        if alike:
            note = None
            if named and alike[0].ref not in {each.ref for each in named}:
                others = ", ".join(_named(each) for each in named)
                text = f"the number means {_named(alike[0])}, the name {others}."
                note = self._issue(Code.NAME_AND_NUMBER_DISAGREE, customer, text)
                note = evolve(note, blocking=False)
            return _Match(alike[0], note)
        # Who has another number is another customer, whatever the name.
        number = clean_number(customer.number)
        if number and self._by("number") and self._keeps_number:
            named = [each for each in named if not clean_number(each.number)]
        if len(named) > 1:
            return self._several(Code.AMBIGUOUS_NAME, customer, named)
        return _Match(named[0] if named else None)

    def _by_number(self, customer: Customer) -> list[Customer]:
        """The customers there of this number."""
        key = self._key(customer.number)
        return [each for each in self._there() if key and self._key(each.number) == key]

    def _by_name(self, customer: Customer) -> list[Customer]:
        """The active customers there of this name."""
        found = self.across.named.get(name_key(customer.name), ())
        return [each for each in found if each.active]

    def _several(
        self, code: Code, customer: Customer, found: Sequence[Customer]
    ) -> Issue:
        told = ", ".join(sorted(_named(each) for each in found))
        text = f"{self._system} has {len(found)}: {told}."
        return self._issue(code, customer, text)

    def _create(self, customer: Customer) -> Change | Issue:
        able = self.course.there
        if not able.can(Verb.CREATE):
            text = f"{self._system} has no such customer, and none can be made there."
            return self._issue(Code.NOT_ALLOWED, customer, text)
        number, limit = clean_number(customer.number), able.number_length
        if limit is not None and len(number) > limit:
            text = f"{len(number)} characters, {self._system} holds {limit}."
            return evolve(self._issue(Code.TOO_LONG, customer, text), field="number")
        if not customer.name.strip():
            text = "it has no name."
            return evolve(self._issue(Code.BAD_FIELD, customer, text), field="name")
        return self._change(
            Action.CREATE, customer, None, None, self._wanted(customer), "it is new"
        )

    def _wanted(self, customer: Customer) -> Customer:
        """
        A customer as the target is to hold it.

        A contact of a ledger's customer is a customer of its own in billing: its number is
        billing's to give, and the ledger's is shown beside it (B86, B87).
        """
        values: dict[str, Any] = custom(customer, self.course)
        contact = self._is_contact(customer)
        if contact and customer.parent is not None:
            values = {**values, LEDGER_CUSTOMER: customer.parent.id}
        return evolve(
            customer,
            ref=evolve(customer.ref, connection=self.course.target, id="", aliases=()),
            number="" if contact else clean_number(customer.number),
            parent=None if contact else tied(customer.parent, self.across),
            custom=values,
            changed_at=None,
            version="",
            carry=None,
        )

    # Tied ---------------------------------------------------------------------------------

    def _tied(self, customer: Customer, link: Link) -> None:
        agreed = link.agreed.get(self.course.key) == fingerprint(customer)
        if agreed and not self.course.compares(customer.ref, self.across):
            self.drafting.kept += 1
            return
        there: Any = self.across.records.get(link.on(self.course.target))
        if there is None:
            text = f"{link.on(self.course.target).id} is gone."
            self.drafting.take(self._issue(Code.VANISHED, customer, text))
            return
        self._compared(customer, link, there, agreed=agreed)

    def _compared(
        self, customer: Customer, link: Link, there: Customer, *, agreed: bool
    ) -> None:
        """Field by field: what is this side's to say is carried, the rest is told."""
        owned = self._owned(link)
        # Where nothing was edited here, what a system made of a text is no difference.
        differing = [
            name
            for name in CUSTOMER_FIELDS
            if self._differs(name, customer, there)
            and (not agreed or _edited(name, customer, there))
        ]
        ours = [name for name in differing if owned[name] and self._can(name)]
        if not ours:
            why = "it agrees" if not differing else "what differs is not changed there"
            self.drafting.take(
                self._change(Action.KEEP, customer, link, there, there, why)
            )
        else:
            values = {name: getattr(customer, name) for name in ours}
            after = evolve(there, **values)
            told = ", ".join(_told(name, customer, there) for name in ours)
            self.drafting.take(
                self._change(Action.UPDATE, customer, link, there, after, told)
            )
        edited = [name for name in differing if _edited(name, customer, there)]
        foreign = [name for name in edited if not owned[name]]
        self._note(Code.OWNED_BY_THE_OTHER_SIDE, customer, there, foreign)
        # A number of its own is the other system's to give.
        stuck = [n for n in edited if owned[n] and n not in ours and n != "number"]
        self._note(Code.EDIT_NOT_CARRIED, customer, there, stuck)

    def _differs(self, name: str, customer: Customer, there: Customer) -> bool:
        """Whether a field has another value there. No number is ever taken away."""
        if name != "number":
            return not alike(getattr(customer, name), getattr(there, name))
        given = clean_number(customer.number) and not self._is_contact(customer)
        return bool(given) and not self._same_number(customer, there)

    def _is_contact(self, customer: Customer) -> bool:
        """Whether a customer is a contact of one of the ledger's, on its way to billing."""
        return customer.parent is not None and not self.course.outward

    def _note(
        self, code: Code, customer: Customer, there: Customer, names: Sequence[str]
    ) -> None:
        """That a field was changed where it is not carried from."""
        if names:
            told = ", ".join(_told(name, customer, there) for name in names)
            note = self._issue(code, customer, f"{told}.")
            if code is Code.EDIT_NOT_CARRIED:
                remedy = f"{self._system} does not let us change it: make the same change by hand."
                note = evolve(note, remedy=remedy)
            self.drafting.take(evolve(note, field=names[0], blocking=False))

    def _owned(self, link: Link) -> Mapping[str, bool]:
        """Which fields are this side's to say."""
        rules, course = self.course.settings, self.course
        one_way = rules.direction(Customer) is not Direction.BOTH
        side = "billing" if course.outward else "ledger"
        made_here = link.origin in ("", course.source)
        return {
            name: one_way or (rules.owners[name] == side)
            if one_way or name in rules.owners
            else made_here
            for name in CUSTOMER_FIELDS
        }

    def _can(self, name: str) -> bool:
        """Whether a field can be changed there."""
        able = self.course.there
        return able.can(Verb.UPDATE) and name in able.writable

    # What every one of them needs ---------------------------------------------------------

    def _change(
        self,
        action: Action,
        customer: Customer,
        link: Link | None,
        before: Customer | None,
        after: Customer | None,
        reason: str,
    ) -> Change:
        target, version = self.course.target, link.version if link else 0
        generation = self.across.generations.get((customer.ref, ""), 0)
        number = clean_number(customer.number)
        mark = self.course.there.mark
        own = number if mark and mark.is_number else ""
        own = own or mark_of(target, KIND, customer.ref, generation)
        if mark and mark.is_number and after is not None and not number:
            after = evolve(after, number=own)  # what it is found by is its number
        marked = mark is not None and action is Action.CREATE
        return Change(
            change_name(target, KIND, customer.ref, generation, action, version),
            action,
            Customer,
            target,
            customer.ref,
            target=before.ref if before else None,
            before=before,
            after=after,
            generation=generation,
            link_version=version,
            number=number or customer.name,
            agreed=fingerprint(customer),
            mark=own if marked else "",
            reason=reason,
        )

    def _issue(self, code: Code, customer: Customer, text: str) -> Issue:
        named = clean_number(customer.number) or customer.name
        return issue(
            code, customer, text, numbers=(named,), agreed=fingerprint(customer)
        )

    def _there(self) -> list[Customer]:
        return [e for e in self.across.records.values() if isinstance(e, Customer)]

    def _same_number(self, customer: Customer, there: Customer) -> bool:
        key = self._key(customer.number)
        return bool(key) and key == self._key(there.number)

    def _key(self, number: str) -> str:
        cleaned = clean_number(number)
        return self.course.settings.number_rule.key(cleaned) if cleaned else ""

    @property
    def _keeps_number(self) -> bool:
        return self.course.keeps_number

    @property
    def _system(self) -> str:
        return self.course.able.system


LEDGER_CUSTOMER = "ledger_customer"
"""The custom field of a billing customer that shows whose contact it is in the ledger."""


def _edited(name: str, here: Customer, there: Customer) -> bool:
    """Whether a field was changed, and not only respelled or cut off by a system."""
    if name != "name":
        return True
    return not respelled(here.name, there.name)


def _told(name: str, here: Customer, there: Customer) -> str:
    return f"{name} {getattr(here, name)!r} here, {getattr(there, name)!r} there"


def _named(customer: Customer) -> str:
    number = clean_number(customer.number)
    return f"{number} {customer.name}".strip() or customer.ref.id
