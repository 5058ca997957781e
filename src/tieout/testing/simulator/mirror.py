"""
A small planner: a document of billing is wanted in the ledger as it is.

It compares the records of both sides and the links in the store, and says what is to be
done; it writes nothing and remembers nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from attrs import evolve

from tieout.change import Action, Change, change_name, mark_of
from tieout.models import Invoice, Link, Ref, Status, fingerprint
from tieout.store import Intent, Stage


def wanted(
    sources: Iterable[Invoice],
    targets: Mapping[str, Invoice],
    links: Mapping[str, Link],
    intents: Mapping[str, Intent],
    connection: str,
    *,
    unsettled: Collection[str] = (),
    retry: bool = False,
) -> Iterator[Change]:
    """
    The changes that bring the ledger of this ``connection`` to what billing has.

    ``targets`` by ledger id, ``links`` by billing id, ``intents`` by name. What was
    refused is tried again only where its source has changed, or with ``retry``. Of what
    agrees, those of which something is open (``unsettled``, billing ids) are kept.
    """
    for source in sources:
        change = _change(source, targets, links.get(source.ref.id), connection)
        if change is None:
            continue
        if change.action is Action.KEEP and source.ref.id not in unsettled:
            continue
        before = intents.get(change.name)
        if before is not None and _settled(before, change) and not retry:
            continue
        yield change


def _settled(before: Intent, change: Change) -> bool:
    """Whether the very same was refused."""
    return before.stage is Stage.REJECTED and before.agreed == change.agreed


def _change(
    source: Invoice, targets: Mapping[str, Invoice], link: Link | None, connection: str
) -> Change | None:
    target = targets.get(link.ledger.id) if link else None
    void = source.status is Status.VOID
    if link is None and void:
        return None
    if void and target is None:
        return None
    if link is None:
        action = Action.CREATE
    elif target is not None and _agree(source, target):
        action = Action.KEEP
    else:
        action = Action.VOID if void else Action.UPDATE
    version = link.version if link else 0
    ref = link.ledger if link else Ref(connection, "Invoice", "")
    return Change(
        name=change_name(connection, "Invoice", source.ref, 0, action, version),
        action=action,
        kind=Invoice,
        connection=connection,
        source=source.ref,
        target=link.ledger if link else None,
        before=target,
        after=None if void else evolve(source, ref=ref, reference="", version=""),
        link_version=version,
        number=source.number,
        agreed=fingerprint(source),
        mark=mark_of(connection, "Invoice", source.ref),
    )


def _agree(source: Invoice, target: Invoice) -> bool:
    """Whether the ledger has a document as billing does; void ones are alike."""
    if source.status is Status.VOID:
        return target.status is Status.VOID
    return all(
        getattr(source, name) == getattr(target, name)
        for name in ("number", "currency", "total", "on", "status")
    )
