"""All checks of the kit, group by group; `CHECKS` is the table of them by name."""

from __future__ import annotations

from collections.abc import Mapping

from tieout.testing.conformance.check import Check
from tieout.testing.conformance.checks.reading import READING

GROUPS: tuple[tuple[Check, ...], ...] = (READING,)

CHECKS: Mapping[str, Check] = {each.name: each for group in GROUPS for each in group}
"""Every check by its name, in the order in which a report card shows them."""
