"""
A tie-out certificate on the screen: the verdict, what both sides come to, and what differs.

It asks no engine and decides nothing; `tieout.cli.commands` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from tieout.cli.screen import Column, Screen
from tieout.models import visible
from tieout.proof.certificate import TOLD_MAX, Certificate
from tieout.proof.differences import Balance, in_figures

SUMS = (
    Column("Currency"),
    Column("Sum"),
    Column("Billing", right=True),
    Column("Ledger", right=True),
    Column("Difference", right=True),
)
KINDS = (
    Column("Kind"),
    Column("How many", right=True),
    Column("What it means", optional=True),
)


def show(screen: Screen, certificate: Certificate, *, full: bool) -> None:
    """All of a certificate; of many differences the first ones, unless ``full``."""
    screen.heading(certificate.verdict)
    for side, count in certificate.scope.read.items():
        screen.say(f"{visible(side)}: {count:,} read")
    if not certificate.complete:
        return
    screen.table(SUMS, [row for each in certificate.totals for row in _sums(each)])
    total = sum(certificate.counts.values())
    if total:
        screen.heading("What differs")
        screen.table(KINDS, list(_kinds(certificate)))
    for each in islice(certificate.differences, None if full else TOLD_MAX):
        screen.say(f"{each.light.sign} {each}", hang=4)
    if total > TOLD_MAX and not full:
        screen.say(f"... and {total - TOLD_MAX:,} more: tieout verify --full")
    screen.say(f"Digest: {certificate.digest}")


def _sums(balance: Balance) -> Iterator[tuple[str, ...]]:
    """The rows of one currency; what neither side has any of is left out."""
    there, gap = dict(balance.ledger.items()), dict(balance.difference.items())
    where = f"{balance.currency} ({balance.section.value})"
    for name, here in balance.billing.items():
        values = here, there[name], gap[name]
        if any(values):
            told = (in_figures(each, balance.currency) for each in values)
            yield (where, name, *told)
            where = ""


def _kinds(certificate: Certificate) -> Iterable[tuple[str, ...]]:
    for kind, count in certificate.counts.items():
        if count:
            yield (kind.word, f"{count:,}", kind.meaning)
