"""Documents by a plan: made once, found again, doubted aloud, answered by a person."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import evolve
from doubles import Desk, SetClock, Wire, able

from tieout.adapters import Callbacks, PlanFile
from tieout.answers import Landed, Reply
from tieout.capabilities import Capabilities, Changed, Creates, Kind, Verb
from tieout.change import Action, Change, Issue, Outcome, change_name, mark_of
from tieout.connector import Page, guarded
from tieout.engine import Engine
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.evidence import carries, judged, shown
from tieout.lease import LEASE, WRITE
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Link,
    Payment,
    Posting,
    R,
    Record,
    Ref,
    Settlement,
    Status,
    agreed_as,
    fingerprint,
)
from tieout.report import Report
from tieout.store import (
    Doubt,
    Event,
    Gone,
    Intent,
    IssueRow,
    Restored,
    Stage,
    key_of,
    link_billing,
    link_key,
)
from tieout.stores.memory import MemoryStore
from tieout.wire import Call, Flow

SHOP, BOOK = "shop:1", "book:1"
SETTLE = timedelta(minutes=5)
RIPE = WRITE + SETTLE + timedelta(seconds=1)
ALL = frozenset({Verb.READ, Verb.CREATE, Verb.UPDATE, Verb.VOID})


def invoice(connection: str, key: str, total: str = "100", **more: Any) -> Invoice:
    """A document of 100 euros."""
    return Invoice(
        ref=Ref(connection, "Invoice", key),
        number=more.pop("number", f"INV-{key}"),
        customer=None,
        currency="EUR",
        on=date(2026, 3, 1),
        total=Decimal(total),
        status=more.pop("status", Status.OPEN),
        **more,
    )


class Shelf(Desk):
    """A system of documents; a test says what becomes of each of its next writes."""

    def __init__(self, connection: str, *documents: Invoice) -> None:
        kinds = {
            **able(connection).kinds,
            Settlement: Kind(frozenset({Verb.READ, Verb.UPDATE}), frozenset({Changed})),
            Invoice: Kind(ALL, batch_size=3),
            CreditNote: Kind(frozenset({Verb.READ})),
        }
        super().__init__(connection, capabilities=Capabilities("Shelf", kinds))
        self.documents = {each.ref.id: each for each in documents}
        self.fates: list[str] = []
        self.sent: list[Change] = []
        self.late: list[Callable[[], object]] = []
        self.echo: Invoice | None = None
        self.blind = False

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        yield from ()
        found = [self.documents[each] for each in ids if each in self.documents]
        return cast(Page[R], Page(tuple(found)))

    def find(self, changes: Sequence[Change]) -> Flow[Page[Record]]:
        yield from ()
        self._met("find")
        if self.blind:
            raise Fault(Code.NOT_ALLOWED, "no search here")
        wanted = {each.target.id for each in changes if each.target}
        found = [
            each
            for each in self.documents.values()
            if each.ref.id in wanted or any(carries(each, c.mark) for c in changes)
        ]
        return Page(tuple(found))

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        outcomes: list[Outcome] = []
        for each in changes:
            outcome = yield from guarded(self._one(each), each, self.judge)
            outcomes.append(outcome)
        return tuple(reversed(outcomes))  # matched by name, never by position

    def _one(self, change: Change) -> Flow[Outcome]:
        answer = yield Call(lambda: self._landed(change), effect=True)
        made = cast(Invoice, answer.value)
        return Outcome.applied(change, ref=made.ref, echo=self.echo or made)

    def _landed(self, change: Change) -> Invoice:
        self.sent.append(change)
        fate = self.fates.pop(0) if self.fates else "done"
        if fate == "refused":
            raise Fault(Code.REFUSED, "no")
        if fate == "not sent":
            raise Fault(Code.NOT_REACHED, "nobody there", fate=Fate.NOT_SENT)
        if fate == "late":
            self.late.append(lambda: self.make(change))
        elif fate == "lost after":
            self.make(change)
        if fate != "done":
            raise Fault(Code.ANSWER_LOST, "the line broke", fate=Fate.UNCLEAR)
        return self.make(change)

    def make(self, change: Change) -> Invoice:
        """Carry a change out."""
        if change.action is Action.VOID:
            assert change.target is not None
            made = evolve(self.documents[change.target.id], status=Status.VOID)
        else:
            assert isinstance(change.after, Invoice)
            key = change.target.id if change.target else f"D{len(self.documents) + 1}"
            made = evolve(
                change.after, ref=Ref(BOOK, "Invoice", key), reference=change.mark
            )
        self.documents[made.ref.id] = made
        return made

    def settle_late(self) -> None:
        """What was put off is carried out now."""
        for act in self.late:
            act()


class World:
    """A shop whose documents are wanted in a book."""

    def __init__(self, *keys: str) -> None:
        self.clock = SetClock()
        self.store = MemoryStore()
        self.shop = Shelf(SHOP, *(invoice(SHOP, key) for key in keys))
        self.book = Shelf(BOOK)
        self.engine = self.made()

    def made(self) -> Engine:
        return Engine(
            billing=self.shop,
            ledger=self.book,
            store=self.store,
            transport=Wire(),
            clock=self.clock,
        )

    def change(self, key: str, **more: Any) -> Change:
        """What the shop's document wants of the book."""
        source = self.shop.documents[key]
        link = self.link(key)
        action = more.pop("action", Action.UPDATE if link else Action.CREATE)
        target = link.ledger if link else None
        version = link.version if link else 0
        given: dict[str, Any] = {
            "name": change_name(BOOK, "Invoice", source.ref, 0, action, version),
            "action": action,
            "kind": Invoice,
            "connection": BOOK,
            "source": source.ref,
            "target": target,
            "before": self.book.documents.get(target.id) if target else None,
            "after": None
            if action is Action.VOID
            else evolve(source, ref=target or Ref(BOOK, "Invoice", "")),
            "link_version": version,
            "number": source.number,
            "agreed": fingerprint(source),
            "mark": mark_of(BOOK, "Invoice", source.ref),
        }
        return Change(**{**given, **more})

    def apply(self, *changes: Change, **more: Any) -> Report:
        return self.engine.apply(self.engine.plan_changes(changes), **more)

    def post(self, *keys: str) -> Report:
        return self.apply(*(self.change(key) for key in keys))

    def link(self, key: str) -> Link | None:
        value = link_billing(self.engine.pair, "Invoice", key)
        found = self.store.find(Link, "billing", value)
        return found[0] if found else None

    def intent(self, change: Change) -> Intent:
        return self.store.get(Intent, [change.name])[change.name]

    def wait(self, by: timedelta = RIPE) -> None:
        self.clock.pass_by(by.total_seconds())

    def parked(self, key: str, doubt: Doubt) -> Intent:
        """The one parked write, which is in this doubt."""
        (write,) = self.engine.parked()
        assert (write.number, write.doubt) == (f"INV-{key}", doubt)
        return write

    def events(self) -> list[str]:
        values = {each.run for each in self._all_events()}
        return [event.what for run in sorted(values) for event in self._of_run(run)]

    def _of_run(self, run: str) -> list[Event]:
        return self.store.find(Event, "run", run)

    def _all_events(self) -> Iterable[Event]:
        return cast(Iterable[Event], self.store._facts["event"].values())


def codes(report: Report) -> list[Code]:
    return sorted((issue.code for issue in report.issues), key=lambda code: code.name)


# Made once ------------------------------------------------------------------------------


def test_documents_are_made_and_tied() -> None:
    """Q1, I6: each carries its mark, is linked both ways, and has one event."""
    world = World("a", "b", "c", "d")
    report = world.post("a", "b", "c", "d")
    assert report.ok
    assert report.counts["created"] == 4
    assert {each.reference for each in world.book.documents.values()} == {
        mark_of(BOOK, "Invoice", Ref(SHOP, "Invoice", key)) for key in "abcd"
    }
    for key in "abcd":
        link = world.link(key)
        assert link is not None
        assert world.book.documents[link.ledger.id].number == f"INV-{key}"
        assert (link.version, link.agreed) == (
            1,
            {agreed_as("Invoice", SHOP): fingerprint(world.shop.documents[key])},
        )
        own = link_key(world.engine.pair, "Invoice", link.ledger.id)
        assert world.store.get(Link, [own])[own] == link
    assert world.events() == ["applied"] * 4


def test_the_same_plan_a_second_time_makes_nothing() -> None:
    """I5: what was carried out already is no trouble, and is not carried out again."""
    world = World("a")
    plan = world.engine.plan_changes([world.change("a")])
    world.engine.apply(plan)
    report = world.engine.apply(plan)
    assert codes(report) == []
    assert report.counts["skipped"] == 1
    assert len(world.book.sent) == 1


def test_an_update_and_a_void_of_what_was_made() -> None:
    """2.4: absolute values; the link's version rises with each."""
    world = World("a")
    world.post("a")
    world.shop.documents["a"] = invoice(SHOP, "a", "70")
    assert world.post("a").ok
    (made,) = world.book.documents.values()
    assert made.total == 70
    assert world.apply(world.change("a", action=Action.VOID)).ok
    assert [each.status for each in world.book.documents.values()] == [Status.VOID]
    link = world.link("a")
    assert link is not None
    assert link.version == 3


@pytest.mark.parametrize("fate", ["lost after", "late"])
def test_what_landed_although_the_answer_was_lost_is_adopted(fate: str) -> None:
    """H3, H6, C8, PF1: found by its mark; there is no second one."""
    world = World("a")
    world.book.fates = [fate]
    assert codes(world.post("a")) == [Code.OUTCOME_UNKNOWN]
    assert world.link("a") is None
    world.wait(timedelta(minutes=1))
    world.book.settle_late()
    report = world.post("a")  # early: what is found is proof at once
    assert codes(report) == []
    assert world.events() == ["unknown", "adopted"]
    assert len(world.book.documents) == len(world.book.sent) == 1
    link = world.link("a")
    assert link is not None
    assert link.ledger.id in world.book.documents


class Drafts(Shelf):
    """A system where a document is a draft first, which a second write posts."""

    def __init__(self) -> None:
        super().__init__(BOOK)
        kinds = dict(self.capabilities.kinds)
        kinds[Invoice] = evolve(kinds[Invoice], creates=Creates.DRAFT_THEN_POST)
        self.capabilities = evolve(self.capabilities, kinds=kinds)

    def make(self, change: Change) -> Invoice:
        """A draft, which the fate "lost after" leaves behind; it is posted if found."""
        left = [x for x in self.documents.values() if carries(x, change.mark)]
        made = left[0] if left else super().make(change)
        status = Status.OPEN if left else Status.DRAFT
        made = self.documents[made.ref.id] = evolve(made, status=status)
        return made


def test_a_draft_left_behind_is_no_document_yet_and_is_posted() -> None:
    """Killed between the two writes: what is half done is neither tied nor made again."""
    world = World("a")
    world.book = Drafts()
    world.engine = world.made()
    world.book.fates = ["lost after"]
    world.post("a")
    assert codes(world.post("a")) == [Code.OUTCOME_UNKNOWN]
    assert world.link("a") is None
    world.wait()
    assert world.post("a").ok
    assert [each.status for each in world.book.documents.values()] == [Status.OPEN]
    assert world.link("a") is not None


def test_what_never_landed_is_sent_again_only_after_the_wait() -> None:
    """H2, H4, C6, SB3: "not found" proves nothing before it cannot be late any more."""
    world = World("a")
    world.book.fates = ["lost before"]
    one = world.change("a")
    world.post("a")
    first = world.intent(one)
    world.wait(timedelta(minutes=3))
    report = world.post("a")
    assert codes(report) == [Code.OUTCOME_UNKNOWN]
    assert len(world.book.sent) == 1
    world.wait()
    assert world.post("a").ok
    assert len(world.book.documents) == 1
    assert len(world.book.sent) == 2
    assert {each.key for each in world.book.sent} == {first.key}
    assert world.intent(one).attempt == 2


def test_the_wait_begins_when_the_caller_gave_up() -> None:
    """Q2: an answer that was lost late, after the deadline even, starts a whole wait."""
    world = World("a")
    world.book.fates = ["lost before"]
    started = world.clock.now()
    slow = world.book._landed

    def dawdling(change: Change) -> Invoice:
        world.wait(timedelta(minutes=4))
        return slow(change)

    world.book._landed = dawdling  # type: ignore[method-assign]
    world.post("a")
    intent = world.intent(world.change("a"))
    assert intent.deadline == started + WRITE
    assert intent.not_before == started + timedelta(minutes=4) + SETTLE


def test_other_records_go_on_while_one_is_unknown() -> None:
    """2.2: nothing else waits for it; a batch may hold both."""
    world = World("a", "b", "c")
    world.book.fates = ["done", "lost before", "done"]
    report = world.post("a", "b", "c")
    assert codes(report) == [Code.OUTCOME_UNKNOWN]
    assert {each.number for each in world.book.documents.values()} == {"INV-a", "INV-c"}


def test_an_edit_while_the_first_write_is_unknown_opens_no_second_one() -> None:
    """2.5: the name is made without the content."""
    world = World("a")
    world.book.fates = ["lost after"]
    world.post("a")
    world.shop.documents["a"] = invoice(SHOP, "a", "70")
    report = world.post("a")
    # Found at once, and now the edit is an update of the document that was made.
    assert codes(report) == [Code.STALE_PLAN]
    assert world.post("a").ok
    assert [each.total for each in world.book.documents.values()] == [70]


def test_what_agrees_is_kept_and_nothing_stays_open_about_it() -> None:
    """H22, PF5: a write that landed although it was refused as stale, seen in agreement."""
    world = World("a")
    world.post("a")
    world.shop.documents["a"] = invoice(SHOP, "a", "70")
    world.book.fates = ["not sent"]
    update = world.change("a")
    assert codes(world.post("a")) == [Code.NOT_REACHED]
    world.book.make(update)
    keep = world.change("a", action=Action.KEEP)
    report = world.apply(keep)
    assert report.ok
    assert report.counts["unchanged"] == 1
    assert world.intent(update).stage is Stage.SUPERSEDED
    assert not world.store.find(
        IssueRow, "open", key_of(world.engine.pair, "documents")
    )
    link = world.link("a")
    assert link is not None
    assert (link.version, link.agreed[agreed_as("Invoice", SHOP)]) == (1, update.agreed)
    bare = evolve(keep, target=None)
    assert codes(world.apply(bare)) == [Code.NOT_ALLOWED]


# Keys -----------------------------------------------------------------------------------


def test_a_key_stays_for_the_same_content_and_changes_with_it() -> None:
    """2.5, PF5, PF6: another one for other content, and after a refusal."""
    world = World("a")
    world.book.fates = ["not sent", "not sent", "refused", "refused"]
    world.post("a")
    world.post("a")
    first, second = (each.key for each in world.book.sent)
    assert first == second != ""
    world.shop.documents["a"] = invoice(SHOP, "a", "70")
    world.wait()
    world.post("a")
    third = world.book.sent[2].key
    assert third != first
    world.wait()
    world.post("a")
    assert world.book.sent[3].key not in (first, third)


# Doubts ---------------------------------------------------------------------------------


def unknown(world: World, key: str = "a") -> Change:
    """A create of which nobody knows what came of it; nothing did."""
    world.book.fates = ["lost before"]
    change = world.change(key)
    world.post(key)
    return change


def test_a_document_that_is_not_what_was_sent_is_doubted() -> None:
    """SB18, X24, PARKED(conflict): no write, and the document is named."""
    world = World("a")
    one = unknown(world)
    other = invoice(BOOK, "X", "60", reference=one.mark)
    world.book.documents["X"] = other
    report = world.post("a")
    assert codes(report) == [Code.PARKED]
    write = world.parked("a", Doubt.CONFLICT)
    assert write.candidates == (other.ref,)
    assert "X" in write.text
    world.wait()
    world.post("a")
    assert len(world.book.sent) == 1


def test_two_documents_with_one_mark_are_doubted_and_neither_is_touched() -> None:
    """R3, I9, PARKED(duplicate): both ids are told."""
    world = World("a")
    one = unknown(world)
    for key in "XY":
        world.book.documents[key] = invoice(BOOK, key, reference=f"copy {one.mark}")
    report = world.post("a")
    (issue,) = report.issues
    assert issue.code is Code.PARKED
    assert "X, Y" in issue.text
    write = world.parked("a", Doubt.DUPLICATE)
    assert [ref.id for ref in write.candidates] == ["X", "Y"]
    assert world.link("a") is None


def test_a_document_that_belongs_to_another_record_is_not_tied_twice() -> None:
    """X25: the answer names a document of ours that is not this one."""
    world = World("a", "b")
    world.post("a")
    (made,) = world.book.documents.values()
    real = world.book.make

    def confused(change: Change) -> Invoice:
        real(change)
        return made

    world.book.make = confused  # type: ignore[method-assign]
    world.book.echo = invoice(BOOK, "D1", reference=world.change("b").mark)
    report = world.post("b")
    assert codes(report) == [Code.PARKED]
    world.parked("b", Doubt.TAKEN)
    link = world.link("a")
    assert link is not None
    assert link.ledger == made.ref
    assert world.link("b") is None


def test_an_answer_about_another_document_is_not_believed() -> None:
    """X25: neither that ours was made, nor that it was not; a look tells."""
    world = World("a")
    world.book.echo = invoice(BOOK, "Z", "1")
    report = world.post("a")
    assert codes(report) == [Code.OUTCOME_UNKNOWN]
    assert report.counts["created"] == 0
    world.book.echo = None
    world.post("a")
    link = world.link("a")
    assert link is not None
    assert link.ledger.id == "D1"


def test_what_cannot_be_looked_for_is_never_sent_again() -> None:
    """R7, PARKED(ambiguous): at most once, then a person is asked."""
    world = World("a", "b")
    world.book.fates = ["lost before"]
    bare = world.change("a", mark="")
    world.apply(bare)
    assert world.engine.parked() == []
    world.wait()
    world.apply(bare)
    world.parked("a", Doubt.CANNOT_LOOK)
    world.engine.answer(bare.name, Reply.IGNORE)
    unknown(world, "b")
    world.book.blind = True
    world.wait()
    world.post("b")
    world.parked("b", Doubt.CANNOT_LOOK)
    assert len(world.book.sent) == 2


def test_a_look_that_fails_proves_nothing() -> None:
    """2.2: the probe itself fails: it stays unknown, and the run ends on its own terms."""
    world = World("a")
    one = unknown(world)
    world.wait()
    world.book.trouble["find"] = [Fault(Code.SERVER_ERROR, "sorry")]
    world.post("a")
    assert world.intent(one).stage is Stage.UNKNOWN
    assert world.post("a").ok


def test_a_lost_void_is_seen_by_its_status() -> None:
    """2.4: looked for by id."""
    for fate, times in (("lost after", 1), ("lost before", 2)):
        world = World("a")
        world.post("a")
        world.book.sent.clear()
        world.book.fates = [fate]
        void = world.change("a", action=Action.VOID)
        world.apply(void)
        world.wait()
        world.apply(void)
        assert len(world.book.sent) == times
        assert [d.status for d in world.book.documents.values()] == [Status.VOID]


def test_after_five_lost_answers_a_person_is_asked() -> None:
    """2.6: never back to PLANNED by itself."""
    world = World("a")
    one = world.change("a")
    for _ in range(5):
        world.book.fates = ["lost before"]
        world.post("a")
        world.wait()
    world.post("a")
    world.parked("a", Doubt.TOO_OFTEN)
    assert world.intent(one).attempt == 5
    assert len(world.book.sent) == 5


# What a person answers ------------------------------------------------------------------


def doubted(world: World) -> Intent:
    """A create whose mark is on a document of another amount."""
    one = unknown(world)
    world.book.documents["X"] = invoice(BOOK, "X", "60", reference=one.mark)
    world.post("a")
    return world.parked("a", Doubt.CONFLICT)


def test_landed_ties_the_document_that_the_person_named() -> None:
    """2.2: PARKED to APPLIED, with who said so."""
    world = World("a")
    write = doubted(world)
    world.engine.answer(write, Landed("X"), by="ann")
    link = world.link("a")
    assert link is not None
    assert (link.ledger.id, link.version) == ("X", 1)
    assert world.engine.parked() == []
    (event,) = [e for e in world._all_events() if e.what == "adopted"]
    assert event.text == "ann answered: landed as X"
    # From here on it is an update like any other.
    assert world.post("a").ok
    assert world.book.documents["X"].total == 100


def test_landed_on_a_document_of_another_record_is_refused() -> None:
    """X25: one document, one record."""
    world = World("a", "b")
    write = doubted(world)
    world.post("b")
    link = world.link("b")
    assert link is not None
    with pytest.raises(Fault, match="tied to another record") as caught:
        world.engine.answer(write, Landed(link.ledger.id))
    assert caught.value.code is Code.ALREADY_LINKED
    assert world.engine.parked() == [write]


def test_not_there_sends_it_again() -> None:
    """2.2: PARKED to PLANNED; the count begins again."""
    world = World("a")
    write = doubted(world)
    del world.book.documents["X"]
    world.engine.answer(write.name, Reply.NOT_THERE, by="ann")
    assert world.engine.parked() == []
    assert world.post("a").ok
    assert len(world.book.documents) == 1
    assert world.store.get(Intent, [write.name])[write.name].attempt == 1


def test_not_there_is_looked_for_once_more_before_it_is_sent() -> None:
    """X24: two documents carry the mark still; there is no third one."""
    world = World("a")
    one = unknown(world)
    for key in "XY":
        world.book.documents[key] = invoice(BOOK, key, reference=one.mark)
    world.post("a")
    write = world.parked("a", Doubt.DUPLICATE)
    world.engine.answer(write, Reply.NOT_THERE)
    assert codes(world.post("a")) == [Code.PARKED]
    assert len(world.book.sent) == 1
    world.parked("a", Doubt.DUPLICATE)


def test_what_cannot_be_looked_for_is_sent_on_a_persons_word() -> None:
    """R7: nobody else can know."""
    world = World("a")
    unknown(world)
    world.book.blind = True
    world.wait()
    world.post("a")
    world.engine.answer(world.parked("a", Doubt.CANNOT_LOOK), Reply.NOT_THERE)
    assert world.post("a").ok
    assert len(world.book.documents) == 1


def test_ignore_leaves_it_alone_until_the_record_changes() -> None:
    """2.2: PARKED to IGNORED."""
    world = World("a")
    write = doubted(world)
    world.engine.answer(write, Reply.IGNORE)
    report = world.post("a")
    assert report.counts["skipped"] == 1
    assert not list(report.issues)
    assert len(world.book.sent) == 1
    # It may have landed after all: what has changed is looked for before it is sent.
    world.shop.documents["a"] = invoice(SHOP, "a", "80")
    assert codes(world.post("a")) == [Code.PARKED]
    world.engine.answer(write, Reply.IGNORE)
    del world.book.documents["X"]
    world.shop.documents["a"] = invoice(SHOP, "a", "90")
    assert world.post("a").ok
    assert [each.total for each in world.book.documents.values()] == [90]


def test_only_what_is_parked_can_be_answered() -> None:
    """And not while a run holds the pair."""
    world = World("a")
    with pytest.raises(ConfigError, match="no parked write"):
        world.engine.answer("nothing", Reply.IGNORE)
    one = unknown(world)
    with pytest.raises(ConfigError, match="no parked write"):
        world.engine.answer(one.name, Reply.NOT_THERE)
    report: list[Code] = []

    def meddle(_: object) -> None:
        with pytest.raises(Fault) as caught:
            world.engine.answer(one.name, Reply.IGNORE)
        report.append(caught.value.code)

    world.post("a")
    world.wait()
    world.apply(world.change("a"), on_progress=meddle)
    assert report == [Code.RUN_IN_PROGRESS]


# The audit ------------------------------------------------------------------------------


def test_an_audit_finds_a_second_document_and_touches_neither() -> None:
    """R1, R3, H18: told once, parked, and answered by a person."""
    world = World("a", "b")
    world.post("a", "b")
    assert world.engine.audit() == []
    world.book.documents["copy"] = evolve(
        world.book.documents["D1"], ref=Ref(BOOK, "Invoice", "copy")
    )
    (issue,) = world.engine.audit()
    assert issue.code is Code.PARKED
    assert "D1, copy" in issue.text
    assert world.engine.audit() == []
    (write,) = world.engine.parked()
    world.engine.answer(write, Landed("D1"))
    assert len(world.book.documents) == 3


# What a plan may ask --------------------------------------------------------------------


def test_what_is_not_as_the_plan_saw_it_is_left_alone() -> None:
    """PF65, H14, SB19: stale on either side; what has vanished is never made anew."""
    world = World("a", "b", "c")
    world.post("a", "b")
    world.shop.documents["a"] = invoice(SHOP, "a", "70")
    world.shop.documents["b"] = invoice(SHOP, "b", "70")
    changes = [world.change(key) for key in "abc"]
    ids = {key: c.target.id for key, c in zip("ab", changes, strict=False) if c.target}
    del world.book.documents[ids["a"]]
    world.book.documents[ids["b"]] = invoice(BOOK, ids["b"], "1")
    world.shop.documents["c"] = invoice(SHOP, "c", "3")
    world.book.sent.clear()
    report = world.apply(*changes)
    assert codes(report) == [Code.STALE_PLAN, Code.STALE_PLAN, Code.VANISHED]
    assert world.book.sent == []


@pytest.mark.parametrize(
    ("total", "currency", "code"),
    [
        ("10.005", "EUR", Code.BAD_AMOUNT),
        ("10.5", "JPY", Code.BAD_AMOUNT),
        ("10", "ZZZ", Code.BAD_CURRENCY),
    ],
)
def test_what_its_currency_cannot_hold_is_not_sent(
    total: str, currency: str, code: Code
) -> None:
    """PF44, PF45: a ledger would round it unasked; the document beside it is made."""
    world = World("a", "b")
    odd = evolve(world.shop.documents["a"], total=Decimal(total), currency=currency)
    world.shop.documents["a"] = odd
    report = world.post("a", "b")
    (issue,) = report.issues
    assert (issue.code, issue.field, issue.numbers) == (code, "total", ("INV-a",))
    assert [each.number for each in world.book.sent] == ["INV-b"]


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        (CreditNote, {"total": Decimal("1.001")}, "total"),
        (Payment, {"amount": Decimal("1.001")}, "amount"),
        (Payment, {"amount": Decimal(1), "put": Decimal("0.001")}, "applications"),
        (Application, {"amount": Decimal("1.001")}, "amount"),
    ],
)
def test_no_kind_of_money_is_sent_that_would_be_rounded(
    kind: type[Any], given: dict[str, Any], field: str
) -> None:
    """PF44, PF45: a credit note, a payment, what was put to an invoice, and that by itself."""
    put = Application(
        ref=Ref(BOOK, "Application", ""),
        source=Ref(BOOK, "Payment", "P1"),
        target=Ref(BOOK, "Invoice", "D1"),
        amount=given.pop("put", Decimal(1)),
        currency="EUR",
        on=date(2026, 3, 1),
    )
    money = {"currency": "EUR", "on": date(2026, 3, 1), "status": Status.OPEN}
    after: Record
    if kind is Application:
        after = evolve(put, **given)
    else:
        named = {"number": "N1"} if kind is CreditNote else {"applications": (put,)}
        ref = Ref(BOOK, kind.__name__, "")
        after = kind(ref=ref, customer=None, **money, **named, **given)
    world = World("a")
    able_to = evolve(
        world.book.capabilities,
        kinds={**world.book.capabilities.kinds, kind: Kind(ALL)},
    )
    world.book.capabilities = able_to
    world.engine = world.made()
    report = world.apply(world.change("a", kind=kind, after=after))
    (issue,) = report.issues
    assert (issue.code, issue.field) == (Code.BAD_AMOUNT, field)
    assert world.book.sent == []


def test_what_a_system_cannot_do_is_refused_before_anything_moves() -> None:
    """DESIGN 3: an issue in the plan, named by system and verb."""
    world = World("a", "b", "c")
    asked = [
        world.change("a", connection="elsewhere:1"),
        world.change("b", kind=CreditNote),
        world.change("c", action=Action.KEEP, name="kept"),
    ]
    report = world.apply(*asked)
    texts = sorted(str(issue) for issue in report.issues)
    assert codes(report) == [Code.NOT_ALLOWED] * 3
    assert "elsewhere:1 is no connection of this pair" in texts[0]
    assert "Shelf does not let us create" in texts[1]
    assert "no document to keep" in texts[2]
    assert world.book.sent == []


def test_what_others_depend_on_goes_first() -> None:
    """B152, PF12: and what depends on a failure says so."""
    world = World("a", "b", "c", "d")
    a, b = world.change("a"), world.change("b")
    second = evolve(b, depends_on=(a.name,))
    assert world.apply(second, a).ok
    assert [each.number for each in world.book.sent] == ["INV-a", "INV-b"]
    world.book.fates = ["refused"]
    c, d = world.change("c"), world.change("d")
    report = world.apply(evolve(d, depends_on=(c.name,)), c)
    assert codes(report) == [Code.REFUSED, Code.WAITS]
    ring = (evolve(c, depends_on=(d.name,)), evolve(d, depends_on=(c.name,)))
    report = world.apply(*ring)
    assert codes(report) == [Code.WAITS, Code.WAITS]
    assert "depends on itself" in str(next(iter(report.issues)))


def test_a_plan_of_documents_is_saved_and_read(tmp_path: Path) -> None:
    """B161: two changes of one record in two roles are two."""
    world = World("a")
    one = world.change("a")
    fee = world.change(
        "a",
        role="fee",
        name="fee",
        mark=mark_of(BOOK, "Invoice", world.change("a").source, role="fee"),
    )
    plan = world.engine.plan_changes([one, fee])
    file = PlanFile(tmp_path / "plan.jsonl")
    world.engine.apply(plan, adapter=file)
    saved = file.read()
    assert {each.name for each in saved.changes} == {one.name, "fee"}
    assert world.engine.apply(saved).counts["created"] == 2


def test_levels_and_documents_do_not_mix() -> None:
    """Money has one representation in a plan."""
    world = World("a")
    with pytest.raises(ConfigError, match="own verb"):
        world.engine.plan_changes([], verb="payments")
    level = evolve(world.change("a"), kind=Settlement)
    with pytest.raises(ConfigError, match="one plan"):
        world.engine.apply(world.engine.plan_changes([level]))
    assert world.apply().complete


# Time and restarts ----------------------------------------------------------------------


def test_a_crash_while_sending_is_looked_at_by_the_next_run() -> None:
    """C6, C8, C13: whether it landed or not."""
    for landed in (True, False):
        world = World("a")

        class Power(BaseException):
            pass

        real = world.book._landed

        def cut(change: Change, landed: bool = landed, world: World = world) -> Invoice:
            if landed:
                world.book.make(change)
            world.store.commit = _dead  # type: ignore[method-assign]
            raise Power

        def _dead(*_: object, **__: object) -> bool:
            raise Power

        commit = world.store.commit
        world.book._landed = cut  # type: ignore[method-assign]
        one = world.change("a")
        with pytest.raises(Power):
            world.post("a")
        world.store.commit = commit  # type: ignore[method-assign]
        world.book._landed = real  # type: ignore[method-assign]
        assert world.intent(one).stage is Stage.SENDING
        world.wait(LEASE)
        world.engine = world.made()
        world.post("a")
        world.wait()
        world.post("a")
        assert len(world.book.documents) == 1
        assert world.link("a") is not None


def test_a_clock_that_was_set_back_begins_the_wait_again() -> None:
    """H23: one that was years ahead once keeps nothing waiting for years."""
    world = World("a")
    world.wait(timedelta(days=1000))
    one = unknown(world)
    world.clock.at -= timedelta(days=1000)
    now = world.clock.now()
    assert codes(world.post("a")) == [Code.OUTCOME_UNKNOWN]
    assert world.intent(one).not_before == now + WRITE + SETTLE
    world.wait()
    assert world.post("a").ok
    assert len(world.book.documents) == 1


def test_a_clock_that_is_set_right_again_does_not_shorten_the_wait() -> None:
    """H6, H23: an hour behind for one run, and right again before the wait is over."""
    world = World("a")
    one = unknown(world)
    not_before = world.intent(one).not_before
    world.clock.at -= timedelta(hours=1)
    assert codes(world.post("a")) == [Code.OUTCOME_UNKNOWN]
    world.clock.at += timedelta(hours=1)
    assert world.intent(one).not_before == not_before
    assert codes(world.post("a")) == [Code.OUTCOME_UNKNOWN]


def test_what_was_planned_under_another_name_is_given_up() -> None:
    """2.1: one open write for a record."""
    world = World("a")
    world.book.fates = ["not sent"]
    one = world.change("a")
    world.apply(one)
    assert world.intent(one).stage is Stage.PLANNED
    other = evolve(one, name="other", generation=1)
    assert world.apply(other).ok
    assert world.intent(one).stage is Stage.SUPERSEDED
    assert len(world.book.documents) == 1


def test_a_restored_store_waits_and_then_looks_before_it_makes() -> None:
    """C17, R5: what its lost runs made is found, whatever the store has forgotten."""
    world = World("a", "b")
    forgotten = MemoryStore()
    world.store, kept = forgotten, world.store
    world.engine = world.made()
    world.book.fates = ["done", "late"]
    world.post("a", "b")
    world.store = kept
    world.store.commit(Restored("old", world.clock.now()))
    world.engine = world.made()
    report = world.post("a", "b")
    assert (report.code, report.complete) == (Code.RESTORED, False)
    assert len(world.book.sent) == 2
    world.wait()
    world.book.settle_late()
    report = world.post("a", "b")
    assert report.ok
    assert report.counts["unchanged"] == 2
    assert len(world.book.documents) == len(world.book.sent) == 2
    assert world.link("a")
    assert world.link("b")
    world.shop.documents["c"] = invoice(SHOP, "c")
    assert world.post("c").counts["created"] == 1
    assert len(world.book.documents) == 3


def test_a_restored_store_waits_from_now_on_where_the_clock_was_set_back() -> None:
    """C17, H23: not for years."""
    world = World("a")
    world.store.commit(Restored("old", world.clock.now() + timedelta(days=900)))
    assert world.post("a").code is Code.RESTORED
    world.wait()
    assert world.post("a").counts["created"] == 1


def test_a_restored_store_asks_about_what_it_cannot_place() -> None:
    """C17: found twice, or not to be looked for at the moment."""
    world = World("a", "b")
    world.store.commit(Restored("old", world.clock.now()))
    world.wait()
    mark = world.change("a").mark
    for key in "XY":
        world.book.documents[key] = invoice(BOOK, key, reference=mark)
    assert codes(world.post("a")) == [Code.PARKED]
    world.parked("a", Doubt.DUPLICATE)
    world.book.trouble["find"] = [Fault(Code.SERVER_ERROR, "sorry")]
    report = world.post("b")
    assert codes(report) == [Code.OUTCOME_UNKNOWN]
    assert report.counts["created"] == 0
    assert world.book.sent == []
    assert world.post("b").counts["created"] == 1


def test_what_was_carried_out_is_not_carried_out_again() -> None:
    """I1: not even where its link was lost."""
    world = World("a")
    one = world.change("a")
    world.apply(one)
    link = world.link("a")
    assert link is not None
    own = link_key(world.engine.pair, "Invoice", link.ledger.id)
    world.store.commit(Gone(Link, own))
    assert codes(world.apply(one)) == [Code.STALE_PLAN]
    assert len(world.book.sent) == 1


# What an auditor tried ------------------------------------------------------------------


def test_only_what_was_sent_counts_as_a_lost_answer() -> None:
    """2.6: four times not reached and one answer lost is no reason to ask a person."""
    world = World("a")
    for _ in range(4):
        world.book.fates = ["not sent"]
        world.post("a")
    world.book.fates = ["lost before"]
    world.post("a")
    world.wait()
    assert world.post("a").ok
    assert world.engine.parked() == []


def test_two_changes_of_one_name_are_refused_in_a_plan() -> None:
    """I1: the second would disappear in silence; a role gives it a name of its own."""
    world = World("a")
    one = world.change("a")
    with pytest.raises(ConfigError, match="one name"):
        world.engine.plan_changes([one, evolve(one, role="fee")])


def test_an_issue_of_the_ledgers_record_is_not_that_of_billings() -> None:
    """X21: the same id on both sides is two records."""
    world = World("1")
    there = invoice(BOOK, "1", number="CN-1")
    world.book.documents["1"] = there
    back = Change(
        name="back",
        action=Action.CREATE,
        kind=Invoice,
        connection=SHOP,
        source=there.ref,
        after=evolve(there, ref=Ref(SHOP, "Invoice", "")),
        number="CN-1",
        agreed=fingerprint(there),
        mark=mark_of(SHOP, "Invoice", there.ref),
    )
    world.shop.fates = ["refused"]
    assert codes(world.apply(back)) == [Code.REFUSED]
    assert world.post("1").ok
    value = key_of(world.engine.pair, "documents")
    rows = world.store.find(IssueRow, "open", value)
    assert [row.issue.code for row in rows] == [Code.REFUSED]


def test_a_new_generation_takes_the_place_of_the_old_tie() -> None:
    """2.1: and never stops the others."""
    world = World("a", "b")
    world.post("a")
    link = world.link("a")
    assert link is not None
    del world.book.documents[link.ledger.id]
    source = Ref(SHOP, "Invoice", "a")
    again = world.change(
        "a",
        action=Action.CREATE,
        target=None,
        before=None,
        generation=1,
        name=change_name(BOOK, "Invoice", source, 1, Action.CREATE, link.version),
        mark=mark_of(BOOK, "Invoice", source, 1),
    )
    world.book.documents["other"] = invoice(BOOK, "other")
    assert world.apply(again).ok
    assert world.post("b").ok
    tied = world.link("a")
    assert tied is not None
    assert tied.ledger != link.ledger
    assert world.link("b") is not None


@pytest.mark.parametrize("action", [Action.KEEP, Action.UPDATE])
def test_the_document_of_another_record_is_never_taken(action: Action) -> None:
    """X25: the tie stays where it is."""
    world = World("a", "b")
    world.post("a")
    link = world.link("a")
    assert link is not None
    theirs = world.book.documents[link.ledger.id]
    stolen = world.change("b", action=action, target=link.ledger, before=theirs)
    assert codes(world.apply(stolen)) == [Code.ALREADY_LINKED]
    assert world.link("a") == link
    assert world.link("b") is None


def test_what_depends_on_a_record_in_agreement_is_carried() -> None:
    """B152: a parent that needs nothing holds nobody up."""
    world = World("a", "b")
    world.post("a")
    link = world.link("a")
    assert link is not None
    parent = world.change(
        "a", action=Action.KEEP, before=world.book.documents[link.ledger.id]
    )
    assert world.apply(evolve(world.change("b"), depends_on=(parent.name,)), parent).ok
    assert world.link("b") is not None


def test_another_kind_of_work_waits_for_what_is_unknown() -> None:
    """2.2: nothing more is sent about a record, under whatever verb."""
    world = World("a")
    world.post("a")
    world.shop.documents["a"] = invoice(SHOP, "a", "70")
    world.book.fates = ["lost before"]
    world.post("a")
    world.book.sent.clear()
    void = world.change("a", action=Action.VOID)
    report = world.engine.apply(world.engine.plan_changes([void], verb="voids"))
    assert codes(report) == [Code.OUTCOME_UNKNOWN]
    assert world.book.sent == []


def test_functions_of_the_host_are_not_begun_after_the_deadline() -> None:
    """Q4: ten that take a minute each, in two minutes."""
    world = World(*"abcdefghij")
    late: list[bool] = []

    def slow(change: Change) -> Outcome:
        deadline = world.intent(change).deadline
        assert deadline is not None
        late.append(world.clock.now() > deadline)
        world.wait(timedelta(minutes=1))
        return Outcome.applied(change, ref=world.book.make(change).ref)

    report = world.apply(
        *(world.change(key) for key in "abcdefghij"), adapter=Callbacks(create=slow)
    )
    assert report.ok
    assert len(world.book.documents) == 10
    assert late == [False] * 10


def test_a_function_that_names_no_document_leaves_the_outcome_unknown() -> None:
    """X25: nothing is tied to nothing."""
    world = World("a")
    report = world.apply(world.change("a"), adapter=Callbacks(create=lambda _: None))
    assert codes(report) == [Code.OUTCOME_UNKNOWN]


def test_a_look_of_the_hosts_own_may_raise_anything() -> None:
    """2.2: it proves nothing, and the report says how the run ended."""
    world = World("a", "b")
    unknown(world)

    def broken(_: Sequence[Change]) -> list[Record]:
        raise ZeroDivisionError

    world.wait()
    adapter = Callbacks(find=broken)
    report = world.apply(world.change("b"), adapter=adapter)
    assert codes(report) == [Code.NOT_ALLOWED]
    assert world.intent(world.change("a")).stage is Stage.UNKNOWN


def test_an_audit_is_content_once_a_person_has_put_it_right() -> None:
    """R3: the copy is voided, or is the right one."""
    for right in ("D1", "copy"):
        world = World("a")
        world.post("a")
        copy = Ref(BOOK, "Invoice", "copy")
        world.book.documents["copy"] = evolve(world.book.documents["D1"], ref=copy)
        assert len(world.engine.audit()) == 1
        wrong = {"D1": "copy", "copy": "D1"}[right]
        world.book.documents[wrong] = evolve(
            world.book.documents[wrong], status=Status.VOID
        )
        (write,) = world.engine.parked()
        world.engine.answer(write, Landed(right))
        assert world.engine.audit() == []
        link = world.link("a")
        assert link is not None
        assert link.ledger.id == right


def test_an_answer_without_an_id_is_refused() -> None:
    """Nothing is tied to nothing."""
    world = World("a")
    write = doubted(world)
    with pytest.raises(ConfigError, match="missing"):
        world.engine.answer(write, Landed(" "))


# What is shown --------------------------------------------------------------------------


def test_documents_are_compared_by_amount_currency_and_day() -> None:
    """2.2: what the ledger may not change; numbers and references are its own business."""
    one = invoice(SHOP, "a")
    assert shown(one) == shown(evolve(one, number="9", reference="x", version="3"))
    assert shown(one) != shown(evolve(one, currency="USD"))
    assert shown(one) != shown(evolve(one, on=date(2026, 3, 2)))
    note = CreditNote(
        one.ref, "1", None, "EUR", one.on, Decimal(100), Status.OPEN, Decimal(0)
    )
    assert shown(note) == shown(evolve(note, remaining=Decimal(3)))
    payment = Payment(one.ref, None, "EUR", one.on, Decimal(100), Status.OPEN)
    assert shown(payment) == shown(evolve(payment, unapplied=Decimal(1)))
    assert shown(payment) != shown(evolve(payment, amount=Decimal(99)))


def test_other_records_are_compared_by_what_a_system_keeps_as_it_is() -> None:
    """2.2: ids differ from what was sent, and systems tidy what is written to them."""
    here, there = Ref(SHOP, "Invoice", "a"), Ref(BOOK, "Invoice", "1")
    put = Application(here, there, here, Decimal(5), "EUR", date(2026, 3, 1))
    assert shown(put) == shown(evolve(put, ref=there, on=date(2026, 3, 2)))
    assert shown(put) != shown(evolve(put, amount=Decimal(6)))
    assert shown(put) != shown(evolve(put, target=there))
    who = Customer(here, "Acme")
    assert shown(who) == shown(evolve(who, ref=there, number="C-1"))
    assert shown(who) == shown(evolve(who, name="ACME"))
    assert shown(who) != shown(evolve(who, active=False))
    posted = Posting(here, on=datetime(2026, 3, 1, tzinfo=UTC))
    assert shown(posted) == shown(evolve(posted, on=datetime(2026, 3, 2, tzinfo=UTC)))
    assert shown(posted) == shown(evolve(posted, batch="B-7"))
    assert shown(posted) != shown(evolve(posted, on=None))


def test_a_mark_is_a_word_of_its_own() -> None:
    """X16: not a part of another one; an empty mark is on nothing."""
    source = Ref(SHOP, "Invoice", "a")
    mark = mark_of(BOOK, "Invoice", source)
    one = invoice(BOOK, "1")
    assert carries(evolve(one, reference=f"PO 7 {mark}"), mark)
    assert carries(evolve(one, number=mark), mark)
    assert carries(evolve(one, custom={"memo": mark, "n": Decimal(1)}), mark)
    assert not carries(evolve(one, reference=mark + "X"), mark)
    assert not carries(one, "")
    assert len(mark) == len("TO-") + 13
    assert mark != mark_of(BOOK, "Invoice", source, 1)
    assert mark != mark_of(BOOK, "Invoice", source, role="fee")
    assert mark != mark_of(BOOK, "Invoice", Ref("shop:2", "Invoice", "a"))


def test_an_unread_document_is_not_proof_that_there_is_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """2.2: the look failed for that one; its neighbour goes on, and nothing is doubled."""
    world = World("a", "b")
    world.book.fates = ["lost after", "lost before"]
    world.post("a", "b")
    (made,) = world.book.documents
    find = world.book.find

    def half_blind(changes: Sequence[Change]) -> Flow[Page[Record]]:
        page = yield from find(changes)
        bad = Issue(Code.BAD_FIELD, Ref(BOOK, "Invoice", made), text="Total is missing")
        found = tuple(each for each in page.records if each.ref.id != made)
        issues = (bad,) if len(found) < len(page.records) else ()
        return Page(found, issues)

    world.book.find = half_blind  # type: ignore[method-assign]
    world.wait()
    report = world.post("a", "b")
    assert codes(report) == [Code.OUTCOME_UNKNOWN]
    assert [each.number for each in world.book.sent] == ["INV-a", "INV-b", "INV-b"]
    assert "Total is missing" in caplog.text
    world.book.find = find  # type: ignore[method-assign]
    world.post("a")
    link = world.link("a")
    assert link is not None
    assert link.ledger.id == made
    assert len(world.book.documents) == 2


def test_an_update_that_does_not_show_is_sent_again_after_a_lost_answer() -> None:
    """2.4: that the total is as wanted proves nothing of a due date."""
    world = World("a")
    world.post("a")
    due = date(2026, 5, 5)
    world.shop.documents["a"] = evolve(world.shop.documents["a"], due=due)
    world.book.fates = ["lost before"]
    assert codes(world.post("a")) == [Code.OUTCOME_UNKNOWN]
    world.wait()
    assert world.post("a").ok
    assert [each.due for each in world.book.documents.values()] == [due]
    assert "adopted" not in world.events()


def test_other_content_that_shows_the_same_gets_another_key() -> None:
    """2.2, PF6: a key that is repeated with another body brings the old answer."""
    world = World("a")
    world.post("a")
    for day in (5, 6):
        due = date(2026, 5, day)
        world.shop.documents["a"] = evolve(world.shop.documents["a"], due=due)
        world.book.fates = ["not sent"]
        world.post("a")
    first, second = (each.key for each in world.book.sent[1:])
    assert first != second


def test_an_answer_about_another_document_proves_no_update() -> None:
    """SB20: what it shows is equal, and it is not the one that was changed."""
    world = World("a")
    world.post("a")
    world.shop.documents["a"] = invoice(SHOP, "a", "70")
    world.book.echo = invoice(BOOK, "D9", "70")
    assert codes(world.post("a")) == [Code.OUTCOME_UNKNOWN]


def test_a_number_is_a_mark_however_it_was_written() -> None:
    """X: systems are read without outer white space and in NFC."""
    one = invoice(BOOK, "1", number="Caf\u00e9-1")
    assert carries(one, " Cafe\u0301-1")
    assert not carries(one, "Cafe-1")


@pytest.mark.parametrize(
    ("there", "ended"),
    [
        (Customer(Ref(BOOK, "Customer", "1"), "Acme"), False),
        (Customer(Ref(BOOK, "Customer", "1"), "Acme", active=False), True),
        (
            Posting(Ref(BOOK, "Posting", "1"), on=datetime(2026, 3, 1, tzinfo=UTC)),
            False,
        ),
        (Posting(Ref(BOOK, "Posting", "1")), True),
    ],
)
def test_what_has_no_status_can_be_taken_back_too(there: Record, ended: bool) -> None:
    """2.4: a void whose answer was lost is seen where it was carried out."""
    world = World("a")
    one = world.change("a")
    world.book.fates = ["late"]
    world.apply(one)
    asked: dict[str, Any] = {"action": Action.VOID, "kind": type(there)}
    intent = evolve(world.intent(one), target=there.ref, **asked)
    proof = judged(intent, [there], world.clock.now() + RIPE)
    assert proof is not None
    assert (proof.by == "found") is ended


def test_a_document_that_lost_its_mark_is_not_made_again() -> None:
    """R4: the other side numbers it itself; a person says which one it is."""
    world = World("a")
    make = world.book.make

    def renumbered(change: Change) -> Invoice:
        made = evolve(make(change), number="AUTO-1", reference="")
        world.book.documents[made.ref.id] = made
        return made

    world.book.make = renumbered  # type: ignore[method-assign]
    assert codes(world.post("a")) == [Code.OUTCOME_UNKNOWN]
    for _ in range(3):
        world.wait()
        world.post("a")
    assert len(world.book.documents) == len(world.book.sent) == 1
    (made,) = world.book.documents
    parked = world.parked("a", Doubt.CONFLICT)
    assert [each.id for each in parked.candidates] == [made]
    world.engine.answer(parked.name, Landed(made))
    link = world.link("a")
    assert link is not None
    assert link.ledger.id == made
