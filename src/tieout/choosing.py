"""
Which invoices a person chose among those that were not handed over: never guessed.

Pure. A text may be the id of one invoice and the number of another; then neither is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

from attrs import frozen

from tieout.change import Issue
from tieout.errors import Code, ConfigError
from tieout.models import Invoice, Ref, clean_number

AMBIGUOUS = (
    "Choose each by its `Ref`: of the listed invoices, this one name means several."
)


@frozen
class Choice:
    """
    What a person chose: by ``refs``, and by ``names`` that are ids or numbers.

    ``whole``: all that is listed. Nothing chosen is nothing, and not everything.
    """

    whole: bool
    refs: frozenset[Ref] = frozenset()
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, only: Iterable[str | Ref] | None) -> Self:
        """What a caller gave; None is all. Raises `ConfigError` for anything else."""
        if only is None:
            return cls(whole=True)
        if isinstance(only, str):
            raise ConfigError(
                "only= takes several ids or numbers: put the one in a list"
            )
        refs: set[Ref] = set()
        names: set[str] = set()
        given: Iterable[Any] = only
        for each in given:
            if isinstance(each, Ref):
                refs.add(each)
            elif isinstance(each, str) and each.strip():
                names.add(clean_number(each))
            else:
                raise ConfigError(f"only=: {each!r} is no id, number or Ref")
        return cls(whole=False, refs=frozenset(refs), names=frozenset(names))

    def wants(self, invoice: Invoice) -> bool:
        """Whether an invoice may be one that was chosen."""
        return self.whole or invoice.ref in self.refs or bool(self._called(invoice))

    def settle(
        self, listed: Sequence[Invoice], unread: Iterable[Issue] = ()
    ) -> tuple[list[Invoice], tuple[Issue, ...]]:
        """
        Of the listed invoices those that are meant, each once; and what is not clear.

        ``unread`` are the issues of those that could not be read.
        """
        if self.whole:
            return list(listed), tuple(unread)
        meant: dict[str, list[Invoice]] = {}
        for invoice in listed:
            for name in self._called(invoice):
                meant.setdefault(name, []).append(invoice)
        sure = {invoice.ref for invoice in listed} & self.refs
        sure |= {found[0].ref for found in meant.values() if len(found) == 1}
        several = [each for each in sorted(meant.items()) if len(each[1]) > 1]
        garbled = tuple(each for each in unread if self._names(each))
        known = {name for each in garbled for name in _named(each)} | meant.keys()
        known |= {invoice.ref.id for invoice in listed if invoice.ref in self.refs}
        absent = ({ref.id for ref in self.refs} | self.names) - known
        issues = (
            *garbled,
            *(_ambiguous(name, found) for name, found in several),
            *(_not_listed(name) for name in sorted(absent)),
        )
        return [invoice for invoice in listed if invoice.ref in sure], issues

    def _names(self, unread: Issue) -> bool:
        """Whether an invoice that could not be read was chosen."""
        return unread.source in self.refs or not self.names.isdisjoint(_named(unread))

    def _called(self, invoice: Invoice) -> frozenset[str]:
        """The names by which an invoice was chosen."""
        return self.names & {invoice.ref.id, clean_number(invoice.number)}


def _named(issue: Issue) -> set[str]:
    """By what the record of an issue may have been chosen."""
    return {*issue.numbers, *([issue.source.id] if issue.source else [])}


def _ambiguous(name: str, found: Sequence[Invoice]) -> Issue:
    told = ", ".join(f"{each.number or '-'} ({each.ref.id})" for each in found)
    return Issue(
        Code.AMBIGUOUS_NUMBER,
        numbers=(name,),
        text=f"{name} means each of {told}.",
        remedy=AMBIGUOUS,
        blocking=False,
    )


def _not_listed(name: str) -> Issue:
    return Issue(Code.NOT_LISTED, numbers=(name,), blocking=False)
