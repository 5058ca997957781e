"""
What becomes of an intent: the state machine, as a table.

`TRANSITIONS` is the machine. Nothing here stores a step or decides which one it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from tieout.store import Intent, Stage

TRANSITIONS: Mapping[tuple[Stage | None, str], Stage] = {
    (None, "sent"): Stage.SENDING,
    (Stage.PLANNED, "sent"): Stage.SENDING,
    (Stage.REJECTED, "sent"): Stage.SENDING,
    (Stage.SUPERSEDED, "sent"): Stage.SENDING,
    (Stage.IGNORED, "sent"): Stage.SENDING,
    (Stage.SENDING, "applied"): Stage.APPLIED,
    (Stage.SENDING, "rejected"): Stage.REJECTED,
    (Stage.SENDING, "not sent"): Stage.PLANNED,
    (Stage.SENDING, "unknown"): Stage.UNKNOWN,
    (Stage.SENDING, "crashed"): Stage.UNKNOWN,
    (Stage.SENDING, "in doubt"): Stage.PARKED,
    (None, "suspected"): Stage.UNKNOWN,
    (Stage.PLANNED, "suspected"): Stage.UNKNOWN,
    (Stage.REJECTED, "suspected"): Stage.UNKNOWN,
    (Stage.SUPERSEDED, "suspected"): Stage.UNKNOWN,
    (Stage.IGNORED, "suspected"): Stage.UNKNOWN,
    (Stage.UNKNOWN, "found"): Stage.APPLIED,
    (Stage.UNKNOWN, "proved absent"): Stage.PLANNED,
    (Stage.UNKNOWN, "in doubt"): Stage.PARKED,
    (Stage.PARKED, "found"): Stage.APPLIED,
    (Stage.PARKED, "proved absent"): Stage.PLANNED,
    (Stage.PARKED, "in doubt"): Stage.PARKED,
    (Stage.PARKED, "answered: landed"): Stage.APPLIED,
    (Stage.PARKED, "answered: not there"): Stage.PLANNED,
    (Stage.PARKED, "answered: ignore"): Stage.IGNORED,
    (Stage.PLANNED, "no longer needed"): Stage.SUPERSEDED,
    (Stage.APPLIED, "in doubt"): Stage.PARKED,
}
"""From where, by what, to where. What is not here does not happen."""


def step(intent: Intent | None, by: str) -> Stage:
    """The stage that follows; a step that is not in the table is a bug and raises."""
    return TRANSITIONS[intent.stage if intent else None, by]
