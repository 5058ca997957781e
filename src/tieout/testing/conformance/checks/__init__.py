"""All checks of the kit, group by group; `CHECKS` is the table of them by name."""

from __future__ import annotations

from collections.abc import Mapping

from tieout.testing.conformance.check import Check
from tieout.testing.conformance.checks.answers import ANSWERS
from tieout.testing.conformance.checks.keeping import KEEPING
from tieout.testing.conformance.checks.levels import LEVELS
from tieout.testing.conformance.checks.promises import PROMISES
from tieout.testing.conformance.checks.reading import READING
from tieout.testing.conformance.checks.searching import SEARCHING
from tieout.testing.conformance.checks.secrets import SECRETS
from tieout.testing.conformance.checks.writing import WRITING

GROUPS: tuple[tuple[Check, ...], ...] = (
    READING,
    LEVELS,
    SEARCHING,
    WRITING,
    KEEPING,
    ANSWERS,
    PROMISES,
    SECRETS,
)

CHECKS: Mapping[str, Check] = {each.name: each for group in GROUPS for each in group}
"""Every check by its name, in the order in which a report card shows them."""
