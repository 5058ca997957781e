"""
Which two records are tied: ties are made, moved and let go here, never two to one document.

Every tie that is made or let go is told in the log. Whether a record may be tied at all
is decided by planners.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import evolve

from tieout.change import Action, Change, Issue, Outcome, State
from tieout.errors import Code
from tieout.models import (
    Customer,
    Link,
    Posting,
    Ref,
    Settlement,
    agreed_as,
    fingerprint,
)
from tieout.notebook import Notebook
from tieout.noting import issue_of
from tieout.store import (
    SEPARATOR,
    Event,
    Fact,
    Gone,
    key,
    key_of,
    link_billing,
    link_key,
)


class Ties(Notebook):
    """The ties of a pair, as one run makes them."""

    def follow(self, link: Link, gone: Ref, into: Ref) -> bool:
        """
        One of two that are tied was merged into another record: the tie goes there.

        False where that one is tied already: two ties are not made one.
        """
        outward, kind = self._outward(into), into.kind
        moved = evolve(link, version=link.version + 1, agreed={})
        if outward:
            value = link_billing(self._pair, kind, into.id, link.role)
            moved = evolve(moved, billing=into)
            taken = self._store.find(Link, "billing", value)
        else:
            moved = evolve(moved, ledger=into)
            taken = [*self._store.get(Link, [key(moved)]).values()]
        if taken:
            return False
        event = self._happened(
            what="rekeyed",
            source=gone,
            target=into,
            numbers=(link.number,) if link.number else (),
            link=moved,
        )
        if key(moved) == key(link):
            self._commit(moved, event)
        else:
            let_go = evolve(event, let_go=link.ledger)
            self._commit(Gone(Link, key(link)), moved, let_go)
        return True

    def _taken(
        self, pairs: Iterable[tuple[Change, Outcome]], links: Mapping[str, Link]
    ) -> set[str]:
        """Names of the new ties whose document is tied to another record already."""
        made = {
            change.name: (change, outcome.ref)
            for change, outcome in pairs
            if outcome.state is State.APPLIED
            and outcome.ref is not None
            and not self._joins(links.get(tied_by(change)), change, outcome.ref)
        }
        if not made:
            return set()
        owners = self._owners(made.values())
        refs = [(change.role, ref) for change, ref in made.values()]
        return {
            name
            for name, (change, ref) in made.items()
            if owners.get((change.role, ref), change.source) != change.source
            or refs.count((change.role, ref)) > 1
        }

    def _joins(self, link: Link | None, change: Change, target: Ref) -> bool:
        """Whether a link ties these two already, or let them go and is not to hold again."""
        if link is None or (link.released and not change.releases):
            return False
        return {link.billing, link.ledger} == {change.source, target}

    def _owners(self, made: Iterable[tuple[Change, Ref]]) -> dict[tuple[str, Ref], Ref]:
        """To which records these documents are tied, by role and document."""
        made = list(made)
        here = [(c, ref) for c, ref in made if self._outward(c.source)]
        there = [(c, ref) for c, ref in made if not self._outward(c.source)]
        keys = [link_key(self._pair, ref.kind, ref.id, c.role) for c, ref in here]
        values = [
            link_billing(self._pair, ref.kind, ref.id, c.role) for c, ref in there
        ]
        found = {
            (link.role, link.ledger): link.billing
            for link in self._store.get(Link, keys).values()
        }
        for link in self._store.find(Link, "billing", values, limit=len(values) + 1):
            found[link.role, link.billing] = link.ledger
        return found

    def _tying(
        self,
        change: Change,
        outcome: Outcome,
        links: Mapping[str, Link],
        event: Event,
    ) -> Iterable[Fact | Gone]:
        """
        The link of a change that was carried out, in the place of an older one.

        Its event holds the link: no tie is made or let go that the log does not tell.
        """
        if change.kind is Posting:
            yield event  # that a record was handed over ties it to nothing
            return
        link, held = self._link(change, outcome, links), links.get(tied_by(change))
        let_go: Ref | None = None
        if held is not None and key(held) != key(link):
            yield Gone(Link, key(held))
            let_go = held.ledger
        yield link
        yield evolve(event, link=link, let_go=let_go)

    def _link(
        self, change: Change, outcome: Outcome, links: Mapping[str, Link]
    ) -> Link:
        held = links.get(tied_by(change))
        target = outcome.ref or change.target
        assert target is not None
        level = change.kind is Settlement
        source = change.source
        # What is agreed is of the record that asked: a payment asks for its fee's invoice.
        said = (
            Settlement.__name__ if level else agreed_as(source.kind, source.connection)
        )
        agreed = {**(held.agreed if held else {}), said: change.agreed}
        agreed.update(_as_written(change, outcome, agreed))
        raised = 0 if change.action is Action.KEEP else 1
        outward = self._outward(source)
        # A document says nothing of the payments that stand for its paid amount.
        owned = outcome.owned if level or held is None else held.owned
        # Of a level nobody can say on which side its invoice was made.
        born = "" if level else source.connection
        made = change.action is Action.CREATE  # by us, whatever was thought before
        return Link(
            pair=self._pair,
            billing=source if outward else target,
            ledger=target if outward else source,
            role=change.role,
            version=(held.version if held else 0) + raised,
            origin=born if made or held is None else held.origin or born,
            agreed=agreed,
            owned=owned,
            open=not change.closes,
            released=change.releases,
            seen_on=self._clock.now().date(),
            number=change.number or (held.number if held else ""),
        )

    def _links(self, changes: Iterable[Change]) -> dict[str, Link]:
        """The links of the records that ask for these changes, by `tied_by`."""
        changes = list(changes)
        inward = {
            link_key(self._pair, c.source.kind, c.source.id, c.role): tied_by(c)
            for c in changes
            if not self._outward(c.source)
        }
        outward = {
            link_billing(self._pair, c.source.kind, c.source.id, c.role): tied_by(c)
            for c in changes
            if self._outward(c.source)
        }
        found = {
            inward[key]: link for key, link in self._store.get(Link, inward).items()
        }
        if not outward:
            return found
        for link in self._store.find(Link, "billing", outward, limit=len(outward) + 1):
            source = link.billing
            value = link_billing(self._pair, source.kind, source.id, link.role)
            found[outward[value]] = link
        return found

    def _outward(self, source: Ref) -> bool:
        """Whether a record of the billing side asks for something in the ledger."""
        return source.connection == self._pair.partition(SEPARATOR)[0]


def tied_by(change: Change) -> str:
    """What a link is looked up by here: the record that asks, and the role."""
    source = change.source
    return key_of(source.connection, source.kind, source.id, change.role)


def alike_but_seen(link: Link, held: Link) -> bool:
    """Whether a record that agrees is tied as it was, whenever it was last looked at."""
    return evolve(link, version=held.version, seen_on=held.seen_on) == held


def taken_already(change: Change) -> Issue:
    """The issue of a record whose counterpart is tied to another one."""
    named = change.target.id if change.target else "?"
    return issue_of(change, Code.ALREADY_LINKED, f"{named} is tied to another record.")


def _as_written(
    change: Change, outcome: Outcome, agreed: Mapping[str, str]
) -> Mapping[str, str]:
    """
    What is agreed of a customer as it was just written: customers go back too.

    Our own write is no edit of that side's; one that it made before is still news.
    """
    echo, before = outcome.echo, change.before
    if not isinstance(echo, Customer):
        return {}
    back = agreed_as(echo.ref.kind, echo.ref.connection)
    known = before is None or agreed.get(back) == fingerprint(before)
    return {back: fingerprint(echo)} if known else {}
