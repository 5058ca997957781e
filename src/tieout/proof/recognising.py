"""
What is remembered of records that are verified: their ties, and whose customers they are.

It looks into the store, for many records at a time. What is tied to nothing is paired by
its number elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import evolve, frozen

from tieout.models import Invoice, Link, Payment, Ref, Settlement
from tieout.planners import fees
from tieout.proof.comparing import Comparison
from tieout.proof.entries import Entry
from tieout.proof.pairing import tie_to_billing, tie_to_ledger
from tieout.reading import Reader
from tieout.store import Intent, Store, key_of

ROLES = ("", fees.ROLE)
"""In what an invoice of the ledger may be tied: to an invoice, or to a payment of whose fee
it is made."""


@frozen(kw_only=True)
class Recognising:
    """Looks up what the store knows of records of either side."""

    pair: str
    store: Store
    reader: Reader
    billing: str

    def known(
        self, entries: Sequence[Entry], comparison: Comparison
    ) -> Iterator[Entry]:
        """Records of one side with what is known of them."""
        refs = {each.id: ref for each in entries if (ref := comparison.ref(each))}
        if comparison.kind is Payment:
            ties, made_of_fees = self._payments(refs), frozenset[str]()
        else:
            ties, made_of_fees = self._documents(refs, comparison)
        ties = {**self._marks(entries, ties), **ties}
        made = self._made(each for each in entries if each.id not in ties)
        owners = self._owners(entries, comparison)
        for each in entries:
            link = owners.get(each.customer)
            yield evolve(
                each,
                tie=ties.get(each.id, ""),
                fee=each.id in made_of_fees,
                ours=next((made[m] for m in each.marks if m in made), ""),
                owner=_across(link, each),
                called=link.number if link else "",
            )

    def _owners(
        self, entries: Iterable[Entry], comparison: Comparison
    ) -> dict[str, Link]:
        """The links of these records' customers, by the id on their own side."""
        refs = {comparison.customer(each) for each in entries} - {None}
        links = self.reader.ties((ref, "") for ref in refs if ref is not None)
        return {ref.id: link for (ref, _), link in links.items() if not link.released}

    def _documents(
        self, refs: Mapping[str, Ref], comparison: Comparison
    ) -> tuple[dict[str, str], frozenset[str]]:
        """By id, the ties of documents, and which of them are the invoices of fees."""
        kind, fees_made = comparison.kind, comparison.settings.fees is not None
        may_be = kind is Invoice or (kind is Settlement and fees_made)
        roles = ROLES if may_be else ROLES[:1]
        links = self.reader.ties((ref, role) for ref in refs.values() for role in roles)
        live = {tie: link for tie, link in links.items() if not link.released}
        ties = {
            ref.id: f"fee {ref.connection} {ref.id}"
            if role
            else tie_to_billing(link.billing.id)
            for (ref, role), link in live.items()
        }
        return ties, frozenset(ref.id for ref, role in live if role)

    def _payments(self, refs: Mapping[str, Ref]) -> dict[str, str]:
        """By id, the ties of payments, each of which may be several on the other side."""
        whole = self.reader.ties((ref, "") for ref in refs.values())
        parts = self.reader.legs(refs.values())
        found: dict[str, str] = {}
        for own, ref in refs.items():
            for link in (whole.get((ref, "")), parts.get(ref)):
                if link is not None and not link.released:
                    found.setdefault(own, _shared(link))
        return found

    def _marks(
        self, entries: Iterable[Entry], ties: Mapping[str, str]
    ) -> dict[str, str]:
        """By id, the ties to the billing records whose marks ledger records carry."""
        marked = {
            each.reference: each.id
            for each in entries
            if each.side == "ledger" and each.reference and each.id not in ties
        }
        values = [key_of(self.pair, mark) for mark in marked]
        found = self.store.find(Intent, "mark", values, limit=len(values) + 1)
        return {
            marked[intent.mark]: tie_to_billing(intent.source.id)
            for intent in found
            if intent.source.connection == self.billing
        }

    def _made(self, entries: Iterable[Entry]) -> dict[str, str]:
        """By mark, where the writes stand whose marks untied records carry."""
        marks = {mark for each in entries for mark in each.marks}
        values = [key_of(self.pair, mark) for mark in sorted(marks)]
        found = self.store.find(Intent, "mark", values, limit=len(values) + 1)
        return {intent.mark: intent.stage.name for intent in found}


def _across(link: Link | None, each: Entry) -> str:
    """The other side's id of a record's customer."""
    if link is None:
        return ""
    return link.ledger.id if each.side == "billing" else link.billing.id


def _shared(link: Link) -> str:
    """What all documents of one payment have in common: the one that was made first."""
    if link.origin == link.ledger.connection:
        return tie_to_ledger(link.ledger.id)
    return tie_to_billing(link.billing.id)
