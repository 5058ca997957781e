"""
The invariants of a simulated world, each a small function that raises `Violation`.

I1, I11, I12 and I14 are checked where a request passes (`tieout.testing.simulator.wire`);
those here look at the durable store and at both systems, at a step or at rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from tieout.change import Action
from tieout.errors import Code
from tieout.models import Link
from tieout.store import Event, Held, Intent, IssueRow, Marker, Stage
from tieout.testing.simulator import judge
from tieout.testing.simulator.book import EMAIL, Book
from tieout.testing.simulator.cabinet import Cabinet
from tieout.testing.simulator.disk import Disk
from tieout.testing.simulator.ports import open_intents
from tieout.testing.simulator.shop import Shop
from tieout.testing.simulator.signin import CANARY
from tieout.testing.simulator.stage import Violation


class Ground(Protocol):
    """What of the world the invariants look at."""

    disk: Disk
    book: Book
    shop: Shop
    rules: dict[str, bool]
    overlap: timedelta


def held(disk: Disk) -> dict[str, IssueRow]:
    """The open issues, by ledger id."""
    return {
        row.issue.source.id: row
        for row in disk.facts(IssueRow)
        if row.issue.source and row.held in (Held.OPEN, Held.IGNORED)
    }


def wrong(ground: Ground, excused: Iterable[str]) -> list[Any]:
    """What billing does not show as it must, but for what is excused."""
    linked = {each.ledger.id for each in ground.disk.facts(Link)}
    return judge.differences(
        ground.book.dump(), ground.shop.dump(), set(excused), linked, **ground.rules
    )


def check_marker(ground: Ground, marker: Marker) -> None:
    """I4: nothing that changed before the marker is without its level, issue or intent."""
    passed = marker.at - ground.overlap
    excused = set(held(ground.disk))
    excused |= {each.source.id for each in open_intents(ground.disk)}
    excused |= {p["id"] for p in ground.book.dump() if p["changed"] >= passed}
    excused |= _tainted(ground)
    found = wrong(ground, excused)
    if found:
        raise Violation("I4", f"the marker {marker.at} passed {_listed(found)}")


def _tainted(ground: Ground) -> set[str]:
    tainted = {each["number"] for each in ground.shop.dump() if each["tainted"]}
    return {each["id"] for each in ground.book.dump() if each["number"] in tainted}


def _listed(found: Sequence[tuple[str, str, Any, Any]]) -> str:
    return "; ".join(
        f"{paper} must show {_level(wanted)} and shows {_level(shown)} ({currency})"
        for paper, currency, wanted, shown in found
    )


def _level(level: tuple[Any, Any]) -> str:
    return f"{level[0]} on {level[1]}"


def check_carried(ground: Ground) -> None:
    """I2, I3 after runs from the marker: what has no open issue shows what it must."""
    found = wrong(ground, {*held(ground.disk), *_tainted(ground)})
    if found:
        raise Violation("I2", f"{_listed(found)}; gap {judge.gap(found)}")


def check_all_carried(ground: Ground, *, amnesia: bool) -> None:
    """
    I2, I3 after a run over everything: only what cannot be carried is held.

    After an ``amnesia`` payments of our own may be taken for foreign ones, and are held.
    """
    papers, bills = ground.book.dump(), ground.shop.dump()
    allowed = judge.reasons(papers, bills, ground.book.deleted)
    rows = held(ground.disk)
    excused = set(rows) if amnesia else allowed.keys() & rows.keys()
    found = wrong(ground, excused)
    if found:
        raise Violation("I2", f"{_listed(found)}; gap {judge.gap(found)}")
    live = {each["id"] for each in papers if each["status"] != "void"}
    for paper, row in rows.items():
        baseless = paper not in allowed and not amnesia
        if paper in live and (baseless or row.issue.code in _PASSING):
            raise Violation("I2", f"{paper} is held without reason: {row.issue}")


_PASSING = (Code.OUTCOME_UNKNOWN, Code.PARKED, Code.STALE_VERSION)
"""What cannot last once nothing goes wrong any more."""


def check_explained(ground: Ground) -> None:
    """I6: the events rebuild the versions of the links, and each payment has its one."""
    done: dict[str, list[Event]] = {}
    for event in ground.disk.facts(Event):
        if event.what in ("applied", "adopted") and event.source is not None:
            if not (event.run and event.change and event.after):
                raise Violation("I6", f"an event tells too little: {event}")
            done.setdefault(event.source.id, []).append(event)
    for link in ground.disk.facts(Link):
        events = done.get(link.ledger.id, [])
        if link.version != len(events):
            text = f"{link.ledger.id} has version {link.version}, {len(events)} events"
            raise Violation("I6", text)
        targets = {each.target.id for each in events[-1:] if each.target}
        if targets - {link.billing.id}:
            raise Violation("I6", f"{link.ledger.id} was carried to {targets}")
    names = [each.change for events in done.values() for each in events]
    for bill in ground.shop.bills.values():
        for receipt in bill.receipts.values():
            ours = receipt.made_by and not (bill.repeated or bill.tainted)
            if ours and names.count(receipt.made_by) != 1:
                count = names.count(receipt.made_by)
                raise Violation("I6", f"payment {receipt.id} has {count} events")


def check_recorded(ground: Ground, intent: Intent) -> None:
    """I6: what is written down of a write is what became of it."""
    target = intent.target.id if intent.target else ""
    bill = ground.shop.bills.get(target)
    if bill is None or bill.repeated or bill.tainted:
        return  # what it shows is no longer ours alone
    done = intent.name in ground.shop.carried_out
    if intent.stage is Stage.REJECTED and done:
        raise Violation("I6", f"bill {bill.id} was set, and it is called refused")
    if intent.stage is Stage.APPLIED and not done:
        raise Violation("I6", f"bill {bill.id} was not set, and it is called done")


def check_untouched(ground: Ground) -> None:
    """I9: what is not ours is as it was."""
    for bill in ground.shop.bills.values():
        if bill.foreign and (bill.version, bill.memo) != (1, "not ours"):
            raise Violation("I9", f"the foreign bill {bill.id} was touched")


def check_hushed(texts: Iterable[str]) -> None:
    """I10: no secret and no address is in anything that is told or kept."""
    for text in texts:
        for canary in (CANARY, EMAIL):
            if canary in text:
                raise Violation("I10", f"{canary} is told: {text[:200]}")


def state(ground: Ground) -> Mapping[str, Any]:
    """What must not change in a run that has nothing to do."""
    disk = ground.disk
    return {
        "links": disk.facts(Link),
        "intents": disk.facts(Intent),
        "issues": [
            (row.about, row.issue.code, row.issue.text, row.held)
            for row in disk.facts(IssueRow)
        ],
        "events": len(disk.facts(Event)),
        "bills": [repr(each) for each in ground.shop.bills.values()],
    }


def settled(ground: Ground) -> Mapping[str, Any]:
    """
    What must not change in a run over everything that has nothing to do.

    What was refused is tried again there, which is what such a run is asked for; to be
    refused once more is nothing new.
    """
    disk = ground.disk
    return {
        **state(ground),
        "intents": [e for e in disk.facts(Intent) if e.stage is not Stage.REJECTED],
        "events": len([e for e in disk.facts(Event) if e.what != "rejected"]),
    }


def check_silent(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """I5: a run that has nothing to do does nothing."""
    for name, was in before.items():
        if after[name] != was:
            text = f"a second run changed the {name}: {was} became {after[name]}"
            raise Violation("I5", text[:1500])


# Documents ----------------------------------------------------------------------------


class Files(Protocol):
    """What of a world of documents is looked at."""

    disk: Disk
    book: Cabinet

    def events(self) -> Sequence[Event]:
        """What was carried, in order."""
        ...


def check_filed(files: Files) -> None:
    """I6: the events rebuild the versions of the links; each document has its one."""
    done: dict[str, list[Event]] = {}
    for event in files.events():
        if not (event.run and event.change and event.source):
            raise Violation("I6", f"an event tells too little: {event}")
        done.setdefault(event.source.id, []).append(event)
    for link in files.disk.facts(Link):
        events = done.get(link.billing.id, [])
        if link.version != len(events):
            text = f"{link.billing.id} has version {link.version}, {len(events)} events"
            raise Violation("I6", text)


def check_done(book: Cabinet, intent: Intent, sent: Mapping[str, Any] | None) -> None:
    """I6: an update that is called done was carried out, or all of it is there anyway."""
    target = intent.target.id if intent.target else ""
    sheet = book.sheets.get(target)
    if intent.stage is not Stage.APPLIED or sheet is None or sent is None:
        return
    if intent.name in book.carried_out:
        return
    row = book.row(sheet)
    told = ("number", "total", "currency", "on")
    there = all(row[name] == sent[name] for name in told if name in sent)
    if not there or (intent.action is Action.VOID and sheet.status != "void"):
        raise Violation("I6", f"document {target} is not {dict(sent)}, and called done")


def check_unread(rows: Iterable[Mapping[str, Any]]) -> None:
    """I9: the ledger's own documents are as they were."""
    for row in rows:
        if row["foreign"] and (row["version"], row["memo"]) != (1, "not ours"):
            raise Violation("I9", f"the foreign document {row['id']} was touched")


def document_state(files: Files) -> Mapping[str, Any]:
    """What must not change in a run that has nothing to do."""
    disk = files.disk
    return {
        "links": disk.facts(Link),
        "intents": disk.facts(Intent),
        "issues": [
            (row.about, row.issue.code, row.issue.text, row.held)
            for row in disk.facts(IssueRow)
        ],
        "events": len(disk.facts(Event)),
        "documents": files.book.dump(),
    }
