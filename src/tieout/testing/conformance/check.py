"""
One named check: what it shows, to what it applies, and what it needs a bench to stage.

The checks themselves are in `tieout.testing.conformance.checks`; nothing here runs one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import field, frozen

from tieout.capabilities import Capabilities, Changed, Everything, Kind, Verb
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    Posting,
    RecordType,
    Settlement,
)
from tieout.testing.conformance.bench import Bench, stages

if TYPE_CHECKING:
    from tieout.testing.conformance.trial import Trial

Case: TypeAlias = RecordType | None
"""What a check is made for: a kind of record, or None for the connector as a whole."""

Cases: TypeAlias = Callable[[Capabilities], Iterable[Case]]

STAGED_BY: Mapping[RecordType, tuple[str, ...]] = {
    Customer: ("customer",),
    Invoice: ("customer", "invoice"),
    Settlement: ("customer", "invoice"),
    CreditNote: ("customer", "credit_note"),
    Payment: ("customer", "invoice", "pay"),
    Application: ("customer", "invoice", "credit_note", "apply_credit"),
    Posting: ("customer", "invoice", "post"),
}
"""By kind, the staging verbs without which there are no records of it."""


class Failed(AssertionError):
    """A connector does not keep its contract; the text is for who develops it."""


def expect(condition: Any, words: str) -> None:
    """Raise `Failed` with these words unless the condition holds."""
    if not condition:
        raise Failed(words)


def listed(names: Iterable[Any], limit: int = 5) -> str:
    """Some of the names, and how many there are besides."""
    found = [str(each) for each in names]
    more = f" and {len(found) - limit} more" if len(found) > limit else ""
    return (", ".join(found[:limit]) or "none") + more


def the_whole(capabilities: Capabilities) -> Iterable[Case]:
    """For the connector as a whole."""
    return (None,)


@frozen
class Check:
    """
    One check of a connector.

    ``shows`` says in one sentence what is true where it passes. ``cases`` gives the kinds
    of record that it is made for, out of what the connector says it can do. ``needs`` are
    staging verbs (or attributes) of the bench; with ``staged`` those of the kind come on
    top. ``fields`` are those of `Bench.fields` that it spoils. ``wire``: it is about HTTP,
    and not for a connector whose flows yield calls. ``sized``: it is for connectors that
    take a ``page_size``.
    """

    name: str
    group: str
    shows: str
    run: Callable[[Trial], None] = field(repr=False)
    cases: Cases = field(default=the_whole, repr=False)
    needs: tuple[str, ...] = ()
    staged: bool = False
    fields: tuple[str, ...] = ()
    wire: bool = False
    sized: bool = False

    def applies(self, capabilities: Capabilities) -> bool:
        """Whether it is made at all for a system that can do this."""
        return any(True for _ in self.cases(capabilities))

    def lacks(self, bench: Bench, case: Case) -> str:
        """Why it is not made with a bench; "" where it is."""
        for name in (self.name, f"{self.name} [{case.__name__ if case else ''}]"):
            if name in bench.excuses:
                return f"excused: {bench.excuses[name]}"
        needed = (*self.needs, *(STAGED_BY[case] if self.staged and case else ()))
        missing = [verb for verb in dict.fromkeys(needed) if not stages(bench, verb)]
        if missing:
            return f"the bench does not stage {', '.join(missing)}"
        named = bench.fields.get(case, {}) if case else {}
        unnamed = [field for field in self.fields if field not in named]
        if unnamed and not stages(bench, "mangled"):
            return f"the bench names no {', '.join(unnamed)} in Bench.fields"
        return ""


# What checks apply to ---------------------------------------------------------------------


def readable(capabilities: Capabilities) -> Iterable[RecordType]:
    """The kinds that can be read."""
    return [k for k, can in capabilities.kinds.items() if can.can(Verb.READ)]


def listable(capabilities: Capabilities) -> Iterable[RecordType]:
    """The kinds that can be gone through in pages."""
    kinds = capabilities.kinds
    return [k for k in readable(capabilities) if kinds[k].selects]


def whole(capabilities: Capabilities) -> Iterable[RecordType]:
    """The kinds of which all there is can be gone through, or all that changed."""
    kinds = capabilities.kinds
    every = {Changed, Everything}
    return [k for k in listable(capabilities) if every & kinds[k].selects]


def selecting(*selects: type) -> Cases:
    """The kinds of which all these selections can be asked for."""

    def cases(capabilities: Capabilities) -> Iterable[RecordType]:
        kinds = capabilities.kinds
        return [k for k in readable(capabilities) if {*selects} <= kinds[k].selects]

    return cases


def able_to(verb: Verb) -> Cases:
    """The kinds with which this can be done."""

    def cases(capabilities: Capabilities) -> Iterable[RecordType]:
        return [k for k, can in capabilities.kinds.items() if can.can(verb)]

    return cases


def of(cases: Cases, *kinds: RecordType) -> Cases:
    """Those cases that are of these kinds."""
    return lambda capabilities: [c for c in cases(capabilities) if c in kinds]


def where(condition: Callable[[Capabilities], Any], cases: Cases = the_whole) -> Cases:
    """Those cases, where the system is so."""
    return lambda capabilities: cases(capabilities) if condition(capabilities) else ()


def whose(condition: Callable[[Kind], Any], cases: Cases) -> Cases:
    """Those cases whose kind the system can do this with."""

    def found(capabilities: Capabilities) -> Iterable[Case]:
        every = cases(capabilities)
        return [c for c in every if c and condition(capabilities.kind(c))]

    return found
