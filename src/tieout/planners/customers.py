"""
Which customers are the same on both sides, and which side's word counts for each field.

Pure, and never a guess: a name that means several customers is an issue. What a customer
owes is no business of this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import define, evolve, field

from tieout.capabilities import Verb
from tieout.change import Action, Change, Issue, change_name, mark_of
from tieout.errors import Code
from tieout.models import Customer, Link, clean_number, fingerprint
from tieout.plan import Plan
from tieout.planners.course import Across, Course, issue
from tieout.planners.documents import Drafting, custom, tied
from tieout.settings import CUSTOMER_FIELDS, Direction

KIND = Customer.__name__


def name_key(name: str) -> str:
    """What two spellings of one customer's name have in common: case and spaces aside."""
    return " ".join(name.casefold().split())


def plan(page: Iterable[Customer], across: Across, course: Course) -> Plan:
    """The plan of one page of customers."""
    found = _Customers(across, course)
    for customer in page:
        found.look(customer)
    return found.drafting.plan()


@define
class _Customers:
    """The customers of a page, one after another."""

    across: Across
    course: Course
    drafting: Drafting = field(factory=Drafting)
    taken: dict[str, Customer] = field(factory=dict)
    """The customers of this page that were matched already, by the id there."""

    def look(self, customer: Customer) -> None:
        link = self.across.links.get(customer.ref)
        if link is not None and not link.released:
            self._tied(customer, link)
        elif not customer.active:
            self.drafting.skipped += 1
        else:
            self._met(customer)

    # Not tied yet -------------------------------------------------------------------------

    def _met(self, customer: Customer) -> None:
        """A customer that is not tied: found by number or name, or to be made."""
        found = self._matched(customer)
        if isinstance(found, Issue):
            self.drafting.take(found)
            return
        there, note = found
        if there is None:
            self.drafting.take(self._create(customer))
            return
        owner = self.across.claimed.get(there.ref)
        before = self.taken.get(there.ref.id)
        rival = owner if owner != customer.ref else None
        if rival is None and before is not None:
            rival = before.ref
        if rival is not None:
            text = f"customer {_named(there)} is tied to {rival.id}."
            self.drafting.take(self._issue(Code.ALREADY_LINKED, customer, text))
            return
        self.taken[there.ref.id] = customer
        number = self._same_number(customer, there)
        reason = "found by number" if number else "found by name"
        self.drafting.take(
            self._change(Action.KEEP, customer, None, there, there, reason)
        )
        if note is not None:
            self.drafting.take(note)

    def _matched(
        self, customer: Customer
    ) -> Issue | tuple[Customer | None, Issue | None]:
        """The customer there that is this one, if any, and a note on what disagrees."""
        by = self.course.settings.match_customers
        alike = self._by_number(customer) if "number" in by else []
        named = self._by_name(customer) if "name" in by else []
        if len(alike) > 1:
            return self._several(Code.AMBIGUOUS_NUMBER, customer, alike)
        if alike:
            note = None
            if named and alike[0].ref not in {each.ref for each in named}:
                others = ", ".join(_named(each) for each in named)
                text = f"the number means {_named(alike[0])}, the name {others}."
                note = self._issue(Code.NAME_AND_NUMBER_DISAGREE, customer, text)
                note = evolve(note, blocking=False)
            return alike[0], note
        # Who has another number is another customer, whatever the name.
        number = clean_number(customer.number)
        if number and "number" in by and self._keeps_number:
            named = [each for each in named if not clean_number(each.number)]
        if len(named) > 1:
            return self._several(Code.AMBIGUOUS_NAME, customer, named)
        return (named[0] if named else None), None

    def _by_number(self, customer: Customer) -> list[Customer]:
        """The customers there of this number."""
        key = self._key(customer.number)
        return [each for each in self._there() if key and self._key(each.number) == key]

    def _by_name(self, customer: Customer) -> list[Customer]:
        """The active customers there of this name, but for those tied to others."""
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
        contact = customer.parent is not None and not self.course.outward
        if contact and customer.parent is not None:
            values = {**values, LEDGER_CUSTOMER: customer.parent.id}
        return evolve(
            customer,
            ref=evolve(customer.ref, connection=self.course.target, id="", aliases=()),
            number="" if contact else customer.number,
            parent=None if contact else tied(customer.parent, self.across),
            custom=values,
            changed_at=None,
            version="",
            carry=None,
        )

    # Tied ---------------------------------------------------------------------------------

    def _tied(self, customer: Customer, link: Link) -> None:
        agreed = link.agreed.get(self.course.key) == fingerprint(customer)
        if agreed and not self.course.recheck:
            self.drafting.kept += 1
            return
        there: Any = self.across.records.get(link.on(self.course.target))
        if there is None:
            text = f"{link.on(self.course.target).id} is gone."
            self.drafting.take(self._issue(Code.VANISHED, customer, text))
            return
        owned = self._owned(link)
        differing = [
            name
            for name in CUSTOMER_FIELDS
            if not _alike(getattr(customer, name), getattr(there, name))
        ]
        ours = [name for name in differing if owned[name] and self._can(name)]
        if not ours:
            why = "it agrees" if not differing else "what differs is not owned here"
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
        foreign = [name for name in differing if not owned[name]]
        self._note(customer, there, [n for n in foreign if _edited(n, customer, there)])

    def _note(self, customer: Customer, there: Customer, names: Sequence[str]) -> None:
        """That a field was changed on the side that does not own it."""
        if names:
            told = ", ".join(_told(name, customer, there) for name in names)
            note = self._issue(Code.OWNED_BY_THE_OTHER_SIDE, customer, f"{told}.")
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


def _alike(here: Any, there: Any) -> bool:
    """Whether two values are the same but for what systems do to texts on their own."""
    if isinstance(here, str) and isinstance(there, str):
        return here.strip() == there.strip()
    return bool(here == there)


def _edited(name: str, here: Customer, there: Customer) -> bool:
    """Whether a field was changed, and not only respelled or cut off by a system."""
    if name != "name":
        return True
    one, other = name_key(here.name), name_key(there.name)
    return not (one.startswith(other) or other.startswith(one))


def _told(name: str, here: Customer, there: Customer) -> str:
    return f"{name} {getattr(here, name)!r} here, {getattr(there, name)!r} there"


def _named(customer: Customer) -> str:
    number = clean_number(customer.number)
    return f"{number} {customer.name}".strip() or customer.ref.id
