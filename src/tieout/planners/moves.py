"""
What is to become of each document of a payment, by what is wanted and what is there.

Pure. It compares and looks no further than the one payment; whether what is to become of
it can be carried, and by which changes, is decided by `tieout.planners.payments`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias

from attrs import evolve, frozen

from tieout.capabilities import Verb
from tieout.models import (
    Invoice,
    Link,
    Part,
    Payment,
    Ref,
    Status,
    fingerprint,
)
from tieout.planners import fees
from tieout.planners.course import Across, Course
from tieout.planners.documents import tied
from tieout.planners.parts import Leg, legs

Paper: TypeAlias = Payment | Invoice
"""A document that is made of a payment: of its money, or of its fee."""


class Fate(Enum):
    """What is to become of a document."""

    SAME = "it is as it was agreed"
    KEEP = "it is as it is wanted"
    CREATE = "it is to be made"
    UPDATE = "it is to be changed"
    REPLACE = "it is to be taken back and made anew"
    END = "it is to be taken back"
    ENDED = "it was to be taken back, and is"
    GONE = "it is wanted, and was taken back or deleted there"


@frozen
class Move:
    """
    What is to become of the document of a payment in one role.

    ``there`` is what the target holds of it, ``wanted`` what it should hold; ``differing``
    names the fields in which they differ.
    """

    role: str
    fate: Fate
    link: Link | None = None
    there: Paper | None = None
    wanted: Paper | None = None
    differing: tuple[str, ...] = ()

    @property
    def makes(self) -> bool:
        """Whether a document comes of it that was not there."""
        return self.fate in (Fate.CREATE, Fate.REPLACE)

    @property
    def ends(self) -> bool:
        """Whether a document is taken back."""
        return self.fate in (Fate.REPLACE, Fate.END)


@frozen
class Moves:
    """Finds what is to become of the documents of payments that go one way."""

    across: Across
    course: Course

    def agreed(self, payment: Payment, links: Mapping[str, Link]) -> bool:
        """
        Whether all documents of a payment say what was agreed of it.

        Those that are in other parts than today's settings give were made by the
        settings of their time.
        """
        if self.course.compares(payment.ref, self.across) or not all(
            self._says(link, payment) for link in links.values()
        ):
            return False
        wanted = {leg.role for leg in self._legs(payment)}
        return wanted <= links.keys() or not links.keys() <= {*wanted, fees.ROLE}

    def wanted(self, payment: Payment, links: Mapping[str, Link]) -> list[Move]:
        """What is to become of each document of a payment that counts, its fee's first."""
        fee = self._fee_moves(payment, links.get(fees.ROLE))
        kept = [each.link for each in fee if not each.makes and not each.ends]
        # A fee's invoice is taken back only once no money is put to it any more.
        fixed = any(each.ends for each in fee)
        papers = {
            leg.role: self._filled(leg.after, payment, kept[0] if kept else None)
            for leg in self._legs(payment)
        }
        left = sorted(links.keys() - papers.keys() - {fees.ROLE})
        return [
            *fee,
            *(
                self._move(payment, role, links.get(role), paper, fixed=fixed)
                for role, paper in papers.items()
            ),
            *self.ended({role: links[role] for role in left}),
        ]

    def ended(self, links: Mapping[str, Link]) -> list[Move]:
        """What is to become of documents that are to end, a fee's invoice last."""
        found: list[Move] = []
        for role in sorted(links, key=lambda each: (each == fees.ROLE, each)):
            there, gone = self._there(links[role])
            fate = Fate.ENDED if gone else Fate.END
            found.append(Move(role, fate, links[role], there))
        return found

    def _fee_moves(self, payment: Payment, link: Link | None) -> list[Move]:
        """What is to become of the invoice of a payment's fee, if anything."""
        rules = self.course.settings.fees
        charged = rules is not None and rules.written_as == "invoice"
        if rules is not None and charged and fees.fee_of(payment):
            made = fees.invoice_of(payment, rules, self.across, self.course)
            return [self._move(payment, fees.ROLE, link, made)]
        return self.ended({fees.ROLE: link}) if link else []

    def _move(
        self,
        payment: Payment,
        role: str,
        link: Link | None,
        wanted: Paper,
        *,
        fixed: bool = False,
    ) -> Move:
        """What is to become of a wanted document; a ``fixed`` one is not changed."""
        if link is None:
            return Move(role, Fate.CREATE, wanted=wanted)
        compares = self.course.compares(payment.ref, self.across)
        if self._says(link, payment) and not compares:
            return Move(role, Fate.SAME, link, wanted=wanted)
        there, gone = self._there(link)
        if gone or there is None:
            return Move(role, Fate.GONE, link, there, wanted)
        differing = _differing(wanted, there)
        fate = Fate.KEEP
        if differing:
            changes = not fixed and self._changes(wanted, differing)
            fate = Fate.UPDATE if changes else Fate.REPLACE
        return Move(role, fate, link, there, wanted, differing)

    def _changes(self, wanted: Paper, differing: Sequence[str]) -> bool:
        """Whether the target lets a document be changed so."""
        able = self.course.there
        # What a payment is put to follows its amount where the one of it can be written.
        return (
            isinstance(wanted, Payment)
            and able.can(Verb.UPDATE)
            and {*differing} - {"applications"} <= able.writable
        )

    def _says(self, link: Link, payment: Payment) -> bool:
        """Whether a payment is as it was when this document of it was last seen to."""
        return link.agreed.get(self.course.key) == fingerprint(payment)

    def _there(self, link: Link) -> tuple[Any, bool]:
        """A document as the target holds it, and whether it counts no more."""
        found: Any = self.across.records.get(link.on(self.course.target))
        return found, found is None or found.status is Status.VOID

    def _legs(self, payment: Payment) -> list[Leg]:
        """The documents of a payment's money, by the rule for fees."""
        rules = self.course.settings.fees
        if rules is not None and rules.written_as == "invoice":
            return legs(payment, self.course)
        plain = fees.unwritten(payment)
        dimensions = rules.dimensions if rules and fees.fee_of(payment) else {}
        return [
            evolve(leg, after=evolve(leg.after, custom=dict(dimensions)))
            if leg.after.unapplied
            else leg
            for leg in legs(plain, self.course)
        ]

    def _filled(self, after: Payment, payment: Payment, fee: Link | None) -> Payment:
        """A payment whose records are those of the target, as far as they are there."""
        known = {
            put.target: tied(put.target, self.across) or put.target
            for put in after.applications
        }
        # It stands for its fee's invoice, and not for what was made of its money.
        known[payment.ref] = fee.on(self.course.target) if fee else payment.ref
        puts = tuple(
            evolve(put, target=known[put.target]) for put in after.applications
        )
        return evolve(
            after,
            ref=Ref(self.course.target, Payment.__name__, ""),
            customer=tied(after.customer, self.across),
            applications=puts,
        )


def _differing(wanted: Paper, there: Paper) -> tuple[str, ...]:
    """In which of the fields that matter a document is not as it is wanted."""
    found = [
        name
        for name in ("currency", "amount", "total", "on")
        if hasattr(wanted, name) and getattr(wanted, name) != getattr(there, name)
    ]
    # A contact of a customer (``C100/contact``) is told by some systems as the customer.
    owners = {
        each.customer.id.partition("/")[0]
        for each in (wanted, there)
        # One that is yet to be made there is named by its ref here.
        if each.customer and each.customer.connection == there.ref.connection
    }
    if len(owners) > 1:
        found.append("customer")
    if isinstance(wanted, Payment) and _puts(wanted) != _puts(there):
        found.append("applications")
    return tuple(found)


def _puts(paper: Paper) -> list[tuple[str, str, Decimal]]:
    """
    To which invoices how much of a payment is put.

    An invoice that is not over there yet is named by its ref here, and both sides may have
    the same ids.
    """
    return sorted(
        (put.target.connection, put.target.id, put.amount)
        for put in getattr(paper, "applications", ())
        if put.live and put.how is not Part.CREDIT
    )
