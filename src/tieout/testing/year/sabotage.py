"""
Deliberate bugs for the year: each is put into the library from outside, for a while.

A simulation that never caught a bug proves nothing. `SABOTAGES` is the table of all of
them, by id; how one is hunted stands in `tieout.testing.simulator.sabotage`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from attrs import evolve

from tieout import evidence as evidence_module
from tieout.carrying import Carrying
from tieout.change import Action, Change
from tieout.journal import Journal
from tieout.models import Status
from tieout.news import News
from tieout.planners import documents as documents_module
from tieout.planners import parts
from tieout.planners.course import Course
from tieout.planners.documents import Documents
from tieout.planners.moves import Moves
from tieout.reading import Reader
from tieout.survey import Survey
from tieout.syncing import DocumentSync
from tieout.testing.simulator.sabotage import (
    Bug,
    Sabotage,
    believed_at_once,
    no_issues,
)
from tieout.testing.year.connector import BooksConnector
from tieout.testing.year.judge import (
    AGREE,
    CARRIED,
    ECHO,
    LIVE,
    OWN,
    SILENT,
    TWICE,
    VOIDED,
)

SEEDS_MAX = 300
"""Each bug is caught below this seed."""

_FAR = timedelta(days=36500)


def _replaced(place: Any, name: str, by: Any) -> Bug:
    """One thing of the library, for a while another."""
    return lambda: patch.object(place, name, by)


@contextmanager
def _marks_dropped() -> Iterator[None]:
    """The other side forgets the marks of what is made there."""
    real = BooksConnector._written  # noqa: SLF001 - patched from outside

    def written(self: BooksConnector, change: Change) -> Any:
        return real(self, evolve(change, mark=""))

    with patch.object(BooksConnector, "_written", written):
        yield


@contextmanager
def _number_is_enough() -> Iterator[None]:
    """A document of the same number is the same document, whatever it comes to."""
    real = Documents._adopted  # noqa: SLF001 - patched from outside

    def adopted(self: Documents[Any], record: Any, there: Any) -> Any:
        with patch.object(Documents, "_differing", lambda *_: []):
            return real(self, record, there)

    with patch.object(Documents, "_adopted", adopted):
        yield


@contextmanager
def _nothing_agreed() -> Iterator[None]:
    """A link does not hold what was agreed when something was written."""
    real = Journal._link  # noqa: SLF001 - patched from outside

    def link(self: Journal, change: Change, *more: Any) -> Any:
        made = real(self, change, *more)
        written = change.action is not Action.KEEP
        return evolve(made, agreed={}) if written else made

    with patch.object(Journal, "_link", link):
        yield


@contextmanager
def _void_not_seen() -> Iterator[None]:
    """A void whose answer was lost is not found, neither by a look nor by comparing."""
    real = Documents._void  # noqa: SLF001 - patched from outside

    def void(self: Documents[Any], record: Any, link: Any, there: Any) -> Any:
        live = there and evolve(there, status=Status.OPEN)
        return real(self, record, link, live)

    def there(self: Moves, link: Any) -> tuple[Any, bool]:
        found = self.across.records.get(link.on(self.course.target))
        return found, found is None

    with (
        patch.object(evidence_module, "is_ended", lambda record: False),
        patch.object(Documents, "_void", void),
        patch.object(Moves, "_there", there),
    ):
        yield


@contextmanager
def _no_recovery() -> Iterator[None]:
    """Unclear writes are never looked for."""

    def recover(self: Carrying, connection: str = "") -> list[Any]:
        return []

    with patch.object(Carrying, "recover", recover):
        yield


@contextmanager
def _part_forgotten() -> Iterator[None]:
    """A payment's money is that of its first invoice alone."""
    real = parts._by_invoice  # noqa: SLF001 - patched from outside

    def by_invoice(payment: Any) -> Any:
        return real(payment)[:1]

    with patch.object(parts, "_by_invoice", by_invoice):
        yield


@contextmanager
def _no_legs() -> Iterator[None]:
    """What was made as a part of a record is known neither by its tie nor by its mark."""
    with (
        patch.object(Reader, "legs", lambda *_: {}),
        patch.object(News, "_copied", lambda *_: {}),
    ):
        yield


@contextmanager
def _doubts_carried() -> Iterator[None]:
    """Neither an unclear write nor a mark says that a record is a copy."""
    with (
        patch.object(News, "_doubtful", lambda *_: {}),
        patch.object(News, "_copied", lambda *_: {}),
    ):
        yield


def _planned(
    name: str, *caught_by: str, text: str, bug: Bug, seeds: int = 40, start: int = 0
) -> Sabotage:
    return Sabotage(name, text, caught_by, "year", seeds, bug, start)


_ALL = (
    _planned(
        "YB1",
        TWICE,
        CARRIED,
        text="marks are dropped by the other side",
        start=7,
        bug=_marks_dropped,
    ),
    _planned(
        "YB2",
        TWICE,
        CARRIED,
        LIVE,
        text="not found is believed at once",
        start=14,
        bug=believed_at_once,
    ),
    _planned(
        "YB3",
        ECHO,
        text="no origin guard",
        start=21,
        bug=_replaced(Course, "made_there", lambda *_: False),
    ),
    _planned(
        "YB4",
        ECHO,
        text="fees and parts have no origin",
        start=12,
        bug=_no_legs,
    ),
    _planned(
        "YB5",
        TWICE,
        ECHO,
        CARRIED,
        text="links are not stored",
        start=2,
        bug=_replaced(Journal, "_tying", lambda *_: ()),
    ),
    _planned(
        "YB6",
        CARRIED,
        LIVE,
        text="the generation is not raised",
        start=8,
        bug=_replaced(Survey, "_generations", lambda *_: {}),
    ),
    _planned(
        "YB7",
        OWN,
        text="a number is tied without comparing totals",
        bug=_number_is_enough,
    ),
    _planned("YB8", VOIDED, text="a void is sent again", start=5, bug=_void_not_seen),
    _planned(
        "YB9", SILENT, LIVE, text="nothing is agreed by a write", bug=_nothing_agreed
    ),
    _planned("YB10", LIVE, text="recovery is skipped", start=4, bug=_no_recovery),
    _planned("YB12", CARRIED, AGREE, text="issues are dropped", start=1, bug=no_issues),
    _planned(
        "YB13",
        CARRIED,
        AGREE,
        text="spare parts of a payment stay",
        start=5,
        bug=_replaced(Moves, "ended", lambda *_: []),
    ),
    _planned(
        "YB14",
        LIVE,
        ECHO,
        TWICE,
        OWN,
        text="what an unclear write made is carried back",
        start=21,
        bug=_doubts_carried,
    ),
    _planned(
        "YB15",
        CARRIED,
        AGREE,
        text="only the first invoice of a payment counts",
        start=9,
        bug=_part_forgotten,
    ),
    _planned(
        "YB16",
        CARRIED,
        AGREE,
        text="changed totals are not compared",
        start=17,
        bug=_replaced(documents_module, "_MATTERS", ("currency", "customer", "on")),
    ),
    _planned(
        "YB17",
        LIVE,
        text="issues of what is in order stay",
        start=3,
        bug=_replaced(DocumentSync, "_settled_refs", lambda *_: []),
    ),
)

SABOTAGES: Mapping[str, Sabotage] = {each.id: each for each in _ALL}
"""All switches, by id."""
