"""
One way that one kind of record goes, and what is known of both ends of it.

Values that every planner of documents is given; nothing here plans.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from attrs import field, frozen

from tieout.capabilities import Capabilities, Kind
from tieout.change import Issue
from tieout.errors import Code
from tieout.models import (
    Customer,
    Link,
    Record,
    RecordType,
    Ref,
    agreed_as,
    clean_number,
)
from tieout.planners.unclear import Unclear
from tieout.settings import Settings

LEFT_ALONE = "a write that a person left alone may have made it."
LEFT_REMEDY = (
    "It stays where it is, on that side alone. To be rid of this word, ignore it too, "
    "or take the document back there."
)


@frozen
class Course:
    """
    That records of a kind go from one connection to another.

    ``able`` is what the target's system can do. ``outward``: from billing to the ledger.
    ``locked_through`` is the last day of the target's closed periods, where it is known.
    ``recheck`` compares also what was agreed before. ``by_hand``: a person chose what is
    posted, and wants it there as it is now.
    """

    kind: RecordType
    source: str
    target: str
    able: Capabilities
    settings: Settings
    outward: bool = True
    locked_through: date | None = None
    recheck: bool = False
    by_hand: bool = False

    @property
    def carries_changes(self) -> bool:
        """Whether a change of a posted document is carried, and not only its void."""
        said = self.settings.updates
        return self.by_hand if said is None else said == "update"

    @property
    def there(self) -> Kind:
        """What the target can do with this kind."""
        return self.able.kind(self.kind)

    @property
    def key(self) -> str:
        """Under which name a link holds what was agreed of such a record."""
        return agreed_as(self.kind.__name__, self.source)

    @property
    def keeps_number(self) -> bool:
        """Whether the target keeps a document's number, rather than giving its own."""
        mark = self.there.mark
        return "number" in self.there.writable or (mark is not None and mark.is_number)

    def compares(self, ref: Ref, across: Across) -> bool:
        """Whether a record is compared with its counterpart though nothing changed here."""
        return self.recheck or ref in across.held

    def made_there(self, link: Link | None) -> bool:
        """Whether a record came from the other side: then it is not sent back there."""
        return link is not None and link.origin == self.target


@frozen
class Across:
    """
    What is remembered and found of the other side, for one page of records.

    All by the source's ref: ``links``, and ``legs`` those in a role (a record may have
    several documents there); ``ties``, the counterparts of the records that those of the
    page name; ``planned``, the names of changes that will make such
    counterparts; ``generations``, how often a document was made of a record in a role before.
    ``records`` are the target's own, found by id or number; ``named`` its customers by
    name; ``claimed`` the sources to which found records are tied already, by their ref.
    ``inactive`` are customers of the source that are not active, as far as they bear on
    new documents; ``numbers`` the numbers by which people know the records that are named.
    ``doubtful`` are applications that a write of ours may have made, whose answer was lost;
    ``left`` those that one may have made which a person left alone; ``unclear`` is what
    such writes may have made of what was found.
    ``held`` are the page's records about which an issue is open, with their parts;
    ``unsettled`` those of which it is not known what became of a write.
    """

    links: Mapping[Ref, Link] = field(factory=dict)
    legs: Mapping[tuple[Ref, str], Link] = field(factory=dict)
    ties: Mapping[Ref, Ref] = field(factory=dict)
    planned: Mapping[Ref, str] = field(factory=dict)
    generations: Mapping[tuple[Ref, str], int] = field(factory=dict)
    records: Mapping[Ref, Record] = field(factory=dict)
    named: Mapping[str, tuple[Customer, ...]] = field(factory=dict)
    claimed: Mapping[Ref, Ref] = field(factory=dict)
    inactive: frozenset[Ref] = frozenset()
    numbers: Mapping[Ref, str] = field(factory=dict)
    doubtful: frozenset[Ref] = frozenset()
    left: frozenset[Ref] = frozenset()
    unclear: Unclear = field(factory=Unclear)
    held: frozenset[Ref] = frozenset()
    unsettled: frozenset[Ref] = frozenset()


def issue(
    code: Code,
    record: Record,
    text: str = "",
    *,
    field: str = "",
    numbers: tuple[str, ...] = (),
    blocking: bool = True,
    agreed: str = "",
    remedy: str = "",
    within: Ref | None = None,
) -> Issue:
    """An issue of one record of the source, by its own number or the given ones."""
    own = clean_number(getattr(record, "number", ""))
    return Issue(
        code,
        record.ref,
        numbers or ((own,) if own else ()),
        field=field,
        text=text,
        remedy=remedy,
        blocking=blocking,
        basis=agreed,
        within=within,
    )
