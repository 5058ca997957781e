"""The intent state machine: durable first, settled in one transaction, recovered by looking."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from attrs import evolve
from doubles import NOW, Recorder, SetClock, change, level

from tieout.answers import Reply
from tieout.change import Action, Change, Issue, Outcome, State
from tieout.connector import Page
from tieout.errors import Code, Fault, StoreError
from tieout.evidence import ATTEMPTS_MAX, shown
from tieout.journal import Journal
from tieout.lease import LEASE, WRITE
from tieout.models import (
    Invoice,
    Link,
    Record,
    Ref,
    Settlement,
    Status,
)
from tieout.noting import about, same
from tieout.stages import TRANSITIONS, step
from tieout.store import (
    OPEN_STAGES,
    Doubt,
    Event,
    Expect,
    Held,
    Intent,
    IssueRow,
    Lease,
    Marker,
    Stage,
    Store,
    key_of,
    link_key,
)
from tieout.stores.memory import MemoryStore

SETTLE = timedelta(minutes=5)
LATER = WRITE + SETTLE + timedelta(seconds=1)


def begun(
    store: Store | None = None, clock: SetClock | None = None, run: str = "run-1"
) -> Journal:
    journal = Journal(
        store if store is not None else MemoryStore(),
        clock or SetClock(),
        "p",
        "payments",
        run,
        "rules",
    )
    journal.acquire()
    return journal


def code_of(run: Callable[[], Any]) -> Code:
    with pytest.raises(Fault) as caught:
        run()
    return caught.value.code


def intent_of(store: Store, one: Change) -> Intent:
    return store.get(Intent, [one.name])[one.name]


def link_of(store: Store, one: Change) -> Link | None:
    key = link_key("p", "Invoice", one.source.id)
    return store.get(Link, [key]).get(key)


def rows(store: Store) -> dict[str, IssueRow]:
    found = store.find(IssueRow, "run", ["run-1", "run-2", "run-3"])
    return {each.about: each for each in found}


def events(store: Store, run: str = "run-1") -> list[str]:
    return [each.what for each in store.find(Event, "run", run)]


def sent(journal: Journal, *changes: Change, clock: SetClock | None = None) -> None:
    journal.send(changes, journal.deadline(), SETTLE)


def outcome(one: Change, state: State, **more: Any) -> Outcome:
    return Outcome(one.name, state, ref=one.target, **more)


# The machine ----------------------------------------------------------------------------

EVERY = {by for _, by in TRANSITIONS} | {"again", ""}


@pytest.mark.parametrize(("stage", "by"), list(product([None, *Stage], sorted(EVERY))))
def test_a_step_is_in_the_table_or_does_not_happen(
    stage: Stage | None, by: str
) -> None:
    """2.2: each transition of the table, and none else."""
    intent = None
    if stage is not None:
        store = MemoryStore()
        sent(begun(store), change("1"))
        intent = evolve(intent_of(store, change("1")), stage=stage)
    if (stage, by) in TRANSITIONS:
        assert step(intent, by) is TRANSITIONS[stage, by]
    else:
        with pytest.raises(KeyError):
            step(intent, by)


def test_what_is_unknown_is_only_settled_by_looking() -> None:
    """2.2: never sent again without proof, and never given up silently."""
    after = {
        by: to for (stage, by), to in TRANSITIONS.items() if stage is Stage.UNKNOWN
    }
    assert after == {
        "found": Stage.APPLIED,
        "proved absent": Stage.PLANNED,
        "in doubt": Stage.PARKED,
    }


def test_nothing_leaves_what_is_done() -> None:
    """2.2: only an audit that finds a second document moves what was applied."""
    after = {
        by: to for (stage, by), to in TRANSITIONS.items() if stage is Stage.APPLIED
    }
    assert after == {"in doubt": Stage.PARKED}


def test_what_is_parked_is_never_sent_from_there() -> None:
    """2.6: found, its absence proved, or answered, before it can be planned again."""
    after = {by: to for (stage, by), to in TRANSITIONS.items() if stage is Stage.PARKED}
    assert after == {
        "found": Stage.APPLIED,
        "proved absent": Stage.PLANNED,
        "in doubt": Stage.PARKED,
        "answered: landed": Stage.APPLIED,
        "answered: not there": Stage.PLANNED,
        "answered: ignore": Stage.IGNORED,
    }


def test_only_what_is_certainly_without_effect_is_sent() -> None:
    """2.2: nothing that is being sent, or unknown, is sent a second time."""
    from_ = {stage for (stage, by), _ in TRANSITIONS.items() if by == "sent"}
    assert from_ == {
        None,
        Stage.PLANNED,
        Stage.REJECTED,
        Stage.SUPERSEDED,
        Stage.IGNORED,
    }


# The lease ------------------------------------------------------------------------------


def test_one_run_at_a_time() -> None:
    """B160, S7: the second is refused, and told until when."""
    store, clock = MemoryStore(), SetClock()
    first = begun(store, clock)
    assert code_of(lambda: begun(store, clock)) is Code.RUN_IN_PROGRESS
    first.release()
    begun(store, clock)


def test_a_dead_runs_lease_ends() -> None:
    """C1: after its time, and not before."""
    store, clock = MemoryStore(), SetClock()
    begun(store, clock)
    clock.pass_by(LEASE.total_seconds() - 1)
    assert code_of(lambda: begun(store, clock)) is Code.RUN_IN_PROGRESS
    clock.pass_by(1)
    begun(store, clock, "run-2")
    assert store.get(Lease, ["p"])["p"].fence == 2


def test_of_two_that_take_over_at_once_one_is_refused() -> None:
    """S7: what was read before is part of the commit's condition."""

    class Racing(MemoryStore):
        def get(self, kind: Any, keys: Iterable[str]) -> Any:
            found = super().get(kind, keys)
            if kind is Lease and not self._raced:
                self._raced = True
                other = Lease("p", "other", 7, NOW + LEASE)
                self.commit(other)
            return found

        _raced = False

    assert code_of(lambda: begun(Racing())) is Code.RUN_IN_PROGRESS


def test_a_zombie_writes_nothing() -> None:
    """S8: every step of the one that lost its lease is refused."""
    store, clock = MemoryStore(), SetClock()
    zombie = begun(store, clock)
    sent(zombie, change("1"))
    clock.pass_by(LEASE.total_seconds())
    begun(store, clock, "run-2")
    one, two = change("1"), change("2")
    deadline = clock.now() + WRITE
    for write in (
        lambda: zombie.send([two], deadline, SETTLE),
        lambda: zombie.settle([(one, outcome(one, State.APPLIED))]),
        lambda: zombie.keep([evolve(two, action=Action.KEEP)], []),
        lambda: zombie.note(Marker("p", "v", "me", NOW)),
        zombie.renew,
        zombie.deadline,
        lambda: zombie.recover(lambda _: Page()),
    ):
        assert code_of(write) is Code.LEASE_LOST
    assert intent_of(store, one).stage is Stage.SENDING
    assert store.get(Intent, [two.name]) == {}
    assert link_of(store, two) is None
    zombie.release()
    assert store.get(Lease, ["p"])["p"].fence == 2
    assert store.get(Lease, ["p"])["p"].until > clock.now()


def test_a_zombie_whose_intents_were_settled_by_another_is_told_so() -> None:
    """S8: the successor has adopted what it sent: LEASE_LOST, and no step from there."""
    store, clock = MemoryStore(), SetClock()
    zombie, one = begun(store, clock), change("1")
    sent(zombie, one)
    clock.pass_by(LEASE.total_seconds())
    begun(store, clock, "run-2")
    store.commit(evolve(intent_of(store, one), stage=Stage.APPLIED))
    deadline = clock.now() + WRITE
    for write in (
        lambda: zombie.settle([(one, outcome(one, State.APPLIED))]),
        lambda: zombie.send([one], deadline, SETTLE),
    ):
        assert code_of(write) is Code.LEASE_LOST


def test_a_slow_run_keeps_its_lease_while_nobody_takes_it() -> None:
    """Renewed between steps, also late."""
    store, clock = MemoryStore(), SetClock()
    journal = begun(store, clock)
    clock.pass_by(LEASE.total_seconds() * 3)
    journal.renew()
    assert store.get(Lease, ["p"])["p"].until == clock.now() + LEASE


def test_a_wave_ends_well_within_the_lease() -> None:
    """S8: no effect may still be going out when another takes over."""
    store, clock = MemoryStore(), SetClock()
    journal = begun(store, clock)
    for _ in range(20):
        clock.pass_by(25)
        deadline = journal.deadline()
        assert deadline == clock.now() + WRITE
        assert deadline <= store.get(Lease, ["p"])["p"].until
    clock.pass_by(25)
    journal.hold_on()
    assert store.get(Lease, ["p"])["p"].until >= clock.now() + 2 * WRITE - timedelta(
        seconds=25
    )


def test_a_released_lease_can_be_taken_at_once() -> None:
    """C12: releasing twice is harmless."""
    store, clock = MemoryStore(), SetClock()
    journal = begun(store, clock)
    journal.release()
    journal.release()
    begun(store, clock, "run-2")


# Sending --------------------------------------------------------------------------------


def test_an_intent_says_all_that_is_needed_to_find_it_again() -> None:
    """2.1: durable before the first byte leaves."""
    store, clock = MemoryStore(), SetClock()
    one = change("1", mark="m", owned=("r1",))
    sent(begun(store, clock), one)
    intent = intent_of(store, one)
    assert (intent.stage, intent.attempt, intent.fence) == (Stage.SENDING, 1, 1)
    assert (intent.source, intent.target, intent.number) == (
        one.source,
        one.target,
        one.number,
    )
    assert (intent.mark, intent.owned, intent.agreed) == ("m", ("r1",), one.agreed)
    assert intent.wanted == shown(one.after)
    assert intent.first_sent_at == NOW
    assert intent.deadline == NOW + WRITE
    assert intent.not_before == NOW + WRITE + SETTLE
    assert intent.run == "run-1"


def test_a_wave_is_one_transaction() -> None:
    """C5: all intents of a wave, or none."""
    store = Recorder()
    journal = begun(store)
    store.story.clear()
    sent(journal, change("1"), change("2"), change("3"))
    ((_, facts),) = store.story
    assert [type(fact) for fact in facts] == [Intent] * 3


def test_what_is_being_sent_is_not_sent_again() -> None:
    """C6: a second intent of the same name is a bug, and stops the run."""
    store = MemoryStore()
    journal = begun(store)
    sent(journal, change("1"))
    with pytest.raises(KeyError):
        sent(journal, change("1", paid="70"))


def test_a_change_that_was_not_sent_is_sent_anew() -> None:
    """2.2: PLANNED to SENDING, counted; when it was first sent is kept."""
    store, clock = MemoryStore(), SetClock()
    journal, one = begun(store, clock), change("1")
    sent(journal, one)
    journal.settle([(one, outcome(one, State.NOT_SENT, code=Code.TOO_MANY_REQUESTS))])
    assert intent_of(store, one).stage is Stage.PLANNED
    clock.pass_by(60)
    edited = evolve(change("1", paid="70"))
    assert edited.name == one.name
    sent(journal, edited)
    intent = intent_of(store, one)
    assert (intent.stage, intent.attempt) == (Stage.SENDING, 1)
    assert intent.wanted == shown(edited.after)
    assert intent.first_sent_at == NOW


def test_a_rejected_change_begins_its_count_again() -> None:
    """2.2: after REJECTED, the source or the rules have changed: attempt = 0."""
    store = MemoryStore()
    journal, one = begun(store), change("1")
    for _ in range(3):
        sent(journal, one)
        journal.settle([(one, outcome(one, State.REJECTED, code=Code.REFUSED))])
    assert intent_of(store, one).attempt == 1


# Settling -------------------------------------------------------------------------------

STAGE_OF = {
    State.APPLIED: Stage.APPLIED,
    State.REJECTED: Stage.REJECTED,
    State.NOT_SENT: Stage.PLANNED,
    State.UNKNOWN: Stage.UNKNOWN,
}


@pytest.mark.parametrize("state", list(State))
def test_what_came_of_a_change_is_one_transaction(state: State) -> None:
    """C10, C11: outcome, link or issue, and event: all or nothing."""
    store = Recorder()
    journal, one = begun(store), change("1")
    sent(journal, one)
    store.story.clear()
    found = journal.settle([(one, outcome(one, state, code=Code.REFUSED, text="no"))])
    ((_, facts),) = store.story
    kinds = {type(fact).__name__ for fact in facts}
    assert intent_of(store, one).stage is STAGE_OF[state]
    assert events(store) == [state.value]
    if state is State.APPLIED:
        assert kinds == {"Intent", "Event", "Link"}
        assert found == {}
    else:
        assert kinds == {"Intent", "Event", "IssueRow"}
        assert len(found) == 1
        assert link_of(store, one) is None


def test_an_applied_change_ties_the_two_records() -> None:
    """B154: the link with what was agreed; its version rises."""
    store = MemoryStore()
    journal, one = begun(store), change("1", closes=True)
    sent(journal, one)
    journal.settle([(one, outcome(one, State.APPLIED, owned=("r1",)))])
    link = link_of(store, one)
    assert link is not None
    assert (link.billing, link.ledger) == (one.target, one.source)
    assert link.agreed == {"Settlement": one.agreed}
    assert (link.version, link.open, link.owned) == (1, False, ("r1",))
    assert link.seen_on == NOW.date()
    two = change("1", paid="70", version=1)
    sent(journal, two)
    journal.settle([(two, outcome(two, State.APPLIED))])
    link = link_of(store, one)
    assert link is not None
    assert (link.version, link.open) == (2, True)
    assert link.agreed == {"Settlement": two.agreed}


def test_a_link_keeps_what_this_change_does_not_touch() -> None:
    """Origin, and what was agreed of other kinds."""
    store = MemoryStore()
    journal, one = begun(store), change("1")
    assert one.target is not None
    held = Link(
        "p",
        one.target,
        one.source,
        version=4,
        origin="billing",
        agreed={"Invoice": "x"},
    )
    store.commit(held)
    sent(journal, one)
    journal.settle([(one, outcome(one, State.APPLIED))])
    link = link_of(store, one)
    assert link is not None
    assert (link.version, link.origin) == (5, "billing")
    assert link.agreed == {"Invoice": "x", "Settlement": one.agreed}


def test_an_unknown_outcome_is_told_as_such() -> None:
    """2.2: with the time after which it is looked at, and not as a failure."""
    store = MemoryStore()
    journal, one = begun(store), change("1")
    sent(journal, one)
    (issue,) = journal.settle(
        [(one, outcome(one, State.UNKNOWN, code=Code.SERVER_ERROR, text="HTTP 500."))]
    ).values()
    assert issue.code is Code.OUTCOME_UNKNOWN
    assert issue.text == "HTTP 500. It is looked at after 2026-03-10 12:07:00 UTC."
    assert (issue.source, issue.numbers) == (one.source, ("INV-1",))


def test_a_refusal_keeps_the_vendors_words_and_remedy() -> None:
    """B41: what was said, and what to do."""
    store = MemoryStore()
    journal, one = begun(store), change("1")
    sent(journal, one)
    told = outcome(
        one, State.REJECTED, code=Code.LOCKED_PERIOD, text="closed", remedy="open"
    )
    (issue,) = journal.settle([(one, told)]).values()
    assert (issue.code, issue.text, issue.remedy) == (
        Code.LOCKED_PERIOD,
        "closed",
        "open",
    )
    row = rows(store)[about(one.source)]
    assert (row.held, row.attempts, row.run, row.settings) == (
        Held.OPEN,
        1,
        "run-1",
        "rules",
    )
    assert issue.basis == one.agreed
    sent(journal, one)
    (silent,) = journal.settle([(one, outcome(one, State.REJECTED))]).values()
    assert silent.code is Code.UNKNOWN_ERROR
    row = rows(store)[about(one.source)]
    assert row.attempts == 2


def test_success_ends_the_issue() -> None:
    """B42: what was held and is now carried is held no longer."""
    store = MemoryStore()
    journal, one = begun(store), change("1")
    sent(journal, one)
    journal.settle([(one, outcome(one, State.REJECTED, code=Code.REFUSED))])
    assert rows(store)
    sent(journal, one)
    journal.settle([(one, outcome(one, State.APPLIED))])
    assert rows(store) == {}


def note(one: Change, code: Code = Code.OVERPAID, text: str = "x") -> Issue:
    return Issue(
        code, one.source, (one.number,), text=text, blocking=False, basis=one.agreed
    )


def test_a_note_is_told_once() -> None:
    """B155: worth a word when it is new, and not in every run."""
    store = MemoryStore()
    journal, one = begun(store), change("1")
    sent(journal, one)
    journal.settle([(one, outcome(one, State.APPLIED))], {one.source: [note(one)]})
    assert events(store) == ["applied", "warning"]
    assert rows(store)[about(one.source)].held is Held.NOTED
    kept = evolve(one, action=Action.KEEP)
    assert journal.keep([kept], [], {one.source: [note(one)]}) == []
    assert events(store) == ["applied", "warning"]
    newer = note(one, text="y")
    assert journal.keep([kept], [], {one.source: [newer]}) == [newer]
    assert events(store) == ["applied", "warning", "warning"]


def test_what_the_other_side_adds_is_noted() -> None:
    """The payment landed as unapplied credit: yellow, with the number."""
    store = MemoryStore()
    journal, one = begun(store), change("1")
    sent(journal, one)
    notes = (Code.UNAPPLIED_CREDIT,)
    told = outcome(one, State.APPLIED, notes=notes, text="20.00 was not applied")
    journal.settle([(one, told)])
    row = rows(store)[about(one.source)]
    assert row.issue.code is Code.UNAPPLIED_CREDIT
    assert row.issue.text == "20.00 was not applied"
    assert row.issue.numbers == ("INV-1",)
    assert not row.issue.blocking


# Keeping --------------------------------------------------------------------------------


def test_what_agrees_already_is_tied_without_a_write() -> None:
    """B23: the link is made, its version does not rise, and nothing is written twice."""
    store = Recorder()
    journal, one = begun(store), evolve(change("1"), action=Action.KEEP)
    assert journal.keep([one], []) == []
    link = link_of(store, one)
    assert link is not None
    assert link.version == 0
    commits = store.commits
    journal.keep([one], [])
    assert store.commits == commits
    assert store.get(Intent, [one.name]) == {}


def test_what_is_open_stays_so_until_the_last_part_is_written() -> None:
    """B152: a part that agrees closes nothing, where another is still to be written."""
    store = MemoryStore()
    journal, one = begun(store), change("1")
    agrees = evolve(one, name="another part", action=Action.KEEP, role="part")
    journal.keep([], [Issue(Code.OUTCOME_UNKNOWN, one.source, basis="b")])
    journal.announce([agrees, one], ())
    journal.keep([agrees], [])
    assert [row.held for row in rows(store).values()] == [Held.OPEN]
    sent(journal, one)
    journal.settle([(one, outcome(one, State.APPLIED))])
    assert not rows(store)


def test_what_is_open_of_a_whole_ends_with_the_last_of_its_parts() -> None:
    """B97: so where the last part is a record of its own, such as an application."""
    store = MemoryStore()
    journal, whole = begun(store), evolve(change("1"), action=Action.KEEP)
    part = evolve(change("2"), within=whole.source)
    journal.keep([], [Issue(Code.WAITS, whole.source, basis="b")])
    journal.announce([whole, part], ())
    journal.keep([whole], [])
    sent(journal, part)
    assert [row.held for row in rows(store).values()] == [Held.OPEN]
    journal.settle([(part, outcome(part, State.APPLIED))])
    assert not rows(store)


def two_parts(store: Store, clock: SetClock | None = None) -> tuple[Change, Change]:
    """Two parts of one record, the document of the first being tied to another one."""
    one = change("1")
    other = evolve(change("9"), target=one.target, action=Action.KEEP)
    begun(store, clock).keep([other], [])
    return one, evolve(one, name="another part", role="part", target=other.source)


@pytest.mark.parametrize("state", [State.APPLIED, State.REJECTED])
def test_what_a_person_is_asked_is_not_hidden_by_another_part(state: State) -> None:
    """2.2: neither by one that was carried out, nor by one that was refused."""
    store, clock = MemoryStore(), SetClock()
    one, part = two_parts(store, clock)
    clock.pass_by(3600)
    journal = begun(store, clock, "run-2")
    sent(journal, one, part)
    told = {one.source: [Issue(Code.TOTAL_DIFFERS, one.source, blocking=False)]}
    results = [(one, outcome(one, State.APPLIED)), (part, outcome(part, state))]
    journal.settle(results, told)
    assert intent_of(store, one).stage is Stage.PARKED
    assert rows(store)[about(one.source)].issue.code is Code.PARKED
    clock.pass_by(3600)
    later = begun(store, clock, "run-3")
    later.unfinished()
    later.keep([], [Issue(Code.WAITS, one.source, basis="b")])
    assert rows(store)[about(one.source)].issue.code is Code.PARKED
    assert "issue" not in events(store, "run-3")
    later.answer(one.name, Reply.IGNORE, "ann")
    assert rows(store)[about(one.source)].held is Held.IGNORED


def test_a_tie_that_cannot_be_is_not_hidden_by_another_part() -> None:
    """B44: it is told, whatever else is carried of the record."""
    store, clock = MemoryStore(), SetClock()
    one, part = two_parts(store, clock)
    clock.pass_by(3600)
    journal = begun(store, clock, "run-2")
    (issue,) = journal.keep([evolve(one, action=Action.KEEP)], [])
    assert issue.code is Code.ALREADY_LINKED
    sent(journal, part)
    journal.settle([(part, outcome(part, State.APPLIED))])
    assert rows(store)[about(one.source)].issue.code is Code.ALREADY_LINKED


def test_nothing_to_keep_is_no_commit() -> None:
    """The disk is left alone."""
    store = Recorder()
    journal = begun(store)
    commits = store.commits
    assert journal.keep([], []) == []
    assert store.commits == commits


def test_a_held_issue_is_counted_and_told_once() -> None:
    """B39: its first and last time, how often, and one event while nothing changes."""
    store, clock = MemoryStore(), SetClock()
    journal = begun(store, clock)
    issue = Issue(Code.NOT_IN_BILLING, level("1").ref, ("INV-1",), basis="b")
    journal.keep([], [issue])
    clock.pass_by(60)
    journal.keep([], [issue])
    (row,) = rows(store).values()
    assert (row.attempts, row.first_at) == (2, NOW)
    assert row.last_at == NOW + timedelta(seconds=60)
    assert events(store) == ["issue"]
    journal.keep([], [evolve(issue, basis="changed")])
    assert events(store) == ["issue", "issue"]


def test_issues_without_a_record_do_not_cover_each_other() -> None:
    """P10: two rows that could not even be identified are two issues."""
    store = MemoryStore()
    journal = begun(store)
    one = Issue(Code.BAD_FIELD, None, text="row 1 is no object")
    journal.keep(
        [], [one, evolve(one, text="row 2 is no object"), evolve(one, numbers=("A",))]
    )
    assert len(rows(store)) == 3


def test_of_several_issues_of_a_record_the_blocking_one_is_kept() -> None:
    """One row a record: what stops it matters more than what is worth a word."""
    store = MemoryStore()
    journal, one = begun(store), evolve(change("1"), action=Action.KEEP)
    blocking = Issue(Code.TOTAL_DIFFERS, one.source, ("INV-1",))
    journal.keep([one], [blocking], {one.source: [note(one)]})
    assert rows(store)[about(one.source)].held is Held.OPEN


def test_a_planned_change_that_is_no_longer_needed_is_superseded() -> None:
    """2.2: billing shows it already; the intent is not left open for ever."""
    store = MemoryStore()
    journal, one = begun(store), change("1")
    sent(journal, one)
    journal.settle([(one, outcome(one, State.NOT_SENT, code=Code.TOO_MANY_REQUESTS))])
    assert [each.name for each in journal.unfinished()] == [one.name]
    journal.keep([evolve(one, action=Action.KEEP)], [])
    assert intent_of(store, one).stage is Stage.SUPERSEDED
    assert journal.unfinished() == []


def test_the_same_means_the_same_words_of_the_same_state() -> None:
    """Code, basis and text."""
    issue = Issue(Code.OVERPAID, level("1").ref, text="a", basis="b")
    row = IssueRow("p", "v", "x", issue, Held.OPEN, "r", NOW, NOW)
    assert same(row, issue)
    assert not same(None, issue)
    for other in (
        evolve(issue, code=Code.WRITTEN_OFF),
        evolve(issue, text="b"),
        evolve(issue, basis="c"),
    ):
        assert not same(row, other)


# What is shown --------------------------------------------------------------------------


def test_a_level_is_found_again_by_what_it_shows() -> None:
    """2.4: the paid amount and the date, whatever else the record says."""
    one = level("b1", paid="100", paid_on=date(2026, 3, 9))
    assert shown(one) == shown(evolve(one, version="2", number="x", last_on=None))
    assert shown(one) == shown(level("b9", paid="100.00", paid_on=date(2026, 3, 9)))
    assert shown(one) != shown(evolve(one, paid_on=None))
    assert shown(one) != shown(level("b1", paid="99", paid_on=date(2026, 3, 9)))
    assert shown(None) == ""
    invoice = Invoice(
        Ref("c", "Invoice", "1"),
        "1",
        None,
        "EUR",
        date(2026, 3, 1),
        Decimal(1),
        Status.OPEN,
    )
    posted = evolve(invoice, ref=Ref("d", "Invoice", "9"), number="A-1")
    assert shown(invoice) == shown(posted)
    assert shown(invoice) != shown(evolve(invoice, total=Decimal(2)))


# Recovery -------------------------------------------------------------------------------


def crashed(store: Store, clock: SetClock, *changes: Change) -> None:
    """A run that died while it was sending; its lease has run out."""
    sent(begun(store, clock), *changes)
    clock.pass_by(LEASE.total_seconds())


def looking(*records: Record) -> Callable[[Sequence[Change]], Page[Record]]:
    return lambda _: Page(records)


def test_what_was_being_sent_is_looked_for_and_adopted() -> None:
    """C8, C9: found, so never sent again; link and event in the same transaction."""
    store, clock = Recorder(), SetClock()
    one = change("1", paid="100")
    crashed(store, clock, one)
    journal = begun(store, clock, "run-2")
    asked: list[Sequence[Change]] = []

    def find(changes: Sequence[Change]) -> Page[Record]:
        asked.append(changes)
        assert isinstance(one.after, Settlement)
        return Page((evolve(one.after, receipts=("r9",)),))

    # A payment without a mark may be anybody's: it proves nothing while ours may land.
    journal.recover(find)
    assert intent_of(store, one).stage is Stage.UNKNOWN
    clock.pass_by(3600)
    asked.clear()
    journal.recover(find)
    assert intent_of(store, one).stage is Stage.APPLIED
    link = link_of(store, one)
    assert link is not None
    assert (link.version, link.owned, link.open) == (1, ("r9",), False)
    assert link.agreed == {"Settlement": one.agreed}
    assert events(store, "run-2") == ["adopted"]
    ((sought,),) = asked
    assert (sought.name, sought.target, sought.source) == (
        one.name,
        one.target,
        one.source,
    )
    assert (sought.number, sought.mark, sought.owned) == (
        one.number,
        one.mark,
        one.owned,
    )


def test_an_adopted_part_payment_leaves_the_link_open() -> None:
    """B35: something is still owed."""
    store, clock = MemoryStore(), SetClock()
    one = change("1", paid="50")
    crashed(store, clock, one)
    assert one.after is not None
    begun(store, clock, "run-2").recover(looking(one.after))
    link = link_of(store, one)
    assert link is not None
    assert link.open


def test_absence_is_no_proof_before_its_time() -> None:
    """H6: late commits and slow searches; it stays unknown, and is not sent."""
    store, clock = MemoryStore(), SetClock()
    one = change("1")
    crashed(store, clock, one)
    journal = begun(store, clock, "run-2")
    assert clock.now() < NOW + WRITE + SETTLE
    journal.recover(looking())
    assert intent_of(store, one).stage is Stage.UNKNOWN
    assert journal.unfinished() == [intent_of(store, one)]
    clock.at = NOW + WRITE + SETTLE - timedelta(microseconds=1)
    journal.recover(looking())
    assert intent_of(store, one).stage is Stage.UNKNOWN
    clock.at = NOW + WRITE + SETTLE
    journal.recover(looking())
    assert intent_of(store, one).stage is Stage.PLANNED
    assert events(store, "run-2") == ["proved absent"]


def test_a_record_that_shows_something_else_is_not_ours() -> None:
    """X25: only what was wanted is adopted."""
    store, clock = MemoryStore(), SetClock()
    one = change("1", paid="50")
    crashed(store, clock, one)
    clock.pass_by(LATER.total_seconds())
    assert one.before is not None
    begun(store, clock, "run-2").recover(looking(one.before))
    assert intent_of(store, one).stage is Stage.PLANNED
    assert link_of(store, one) is None


def test_what_is_lost_again_and_again_is_parked() -> None:
    """2.6: a person is asked; it is never sent a sixth time."""
    store, clock = MemoryStore(), SetClock()
    one = change("1")
    for attempt in range(1, ATTEMPTS_MAX + 1):
        journal = begun(store, clock, f"run-{attempt}")
        sent(journal, one)
        assert intent_of(store, one).attempt == attempt
        clock.pass_by(LATER.total_seconds())
        journal.release()
        journal = begun(store, clock, f"run-{attempt}b")
        journal.recover(looking())
        journal.release()
    assert intent_of(store, one).stage is Stage.PARKED
    assert events(store, f"run-{ATTEMPTS_MAX}b") == ["in doubt"]
    assert Stage.PARKED in OPEN_STAGES
    journal = begun(store, clock, "run-9")
    with pytest.raises(KeyError):
        sent(journal, one)
    journal.recover(looking())
    assert intent_of(store, one).stage is Stage.PARKED
    journal.recover(looking(), parked=True)
    assert intent_of(store, one).stage is Stage.PLANNED
    sent(journal, one)
    assert intent_of(store, one).attempt == 1


def test_what_was_parked_may_be_found_after_all() -> None:
    """2.2: a person asked for a run that looks: it landed."""
    store, clock = MemoryStore(), SetClock()
    journal, one = begun(store, clock), change("1")
    sent(journal, one)
    store.commit(evolve(intent_of(store, one), stage=Stage.PARKED))
    assert one.after is not None
    journal.recover(looking(one.after), parked=True)
    assert intent_of(store, one).stage is Stage.APPLIED
    assert link_of(store, one) is not None


def test_looking_may_fail_and_everything_waits() -> None:
    """2.2: the probe itself fails: unknown stays unknown."""
    store, clock = MemoryStore(), SetClock()
    one = change("1")
    crashed(store, clock, one)
    clock.pass_by(LATER.total_seconds())

    def find(_: Sequence[Change]) -> Page[Record]:
        raise Fault(Code.NOT_REACHED)

    journal = begun(store, clock, "run-2")
    journal.recover(find)
    assert intent_of(store, one).stage is Stage.UNKNOWN


def test_nothing_to_recover_asks_nothing() -> None:
    """No call is made for nothing."""
    journal = begun()

    def find(_: Sequence[Change]) -> Page[Record]:
        raise AssertionError("nothing was to be looked for")

    journal.recover(find)


def test_what_is_found_stays_open_until_it_was_compared() -> None:
    """I4: it may have changed since; the light goes out once somebody has looked."""
    store, clock = MemoryStore(), SetClock()
    journal, one = begun(store, clock), change("1")
    sent(journal, one)
    journal.settle([(one, outcome(one, State.UNKNOWN, code=Code.ANSWER_LOST))])
    assert rows(store)
    assert one.after is not None
    journal.recover(looking(one.after))
    assert intent_of(store, one).stage is Stage.APPLIED
    (row,) = rows(store).values()
    assert "compared" in row.issue.text
    journal.clear([one.source])
    assert rows(store) == {}


def test_a_thousand_open_intents_are_all_seen() -> None:
    """S12: page after page."""
    store = MemoryStore()
    journal = begun(store)
    journal.send([change(str(n)) for n in range(1001)], journal.deadline(), SETTLE)
    assert len(journal.unfinished()) == 1001


def test_other_pairs_and_verbs_are_let_alone() -> None:
    """X21: a run moves its own pair's intents."""
    store, clock = MemoryStore(), SetClock()
    one = change("1")
    crashed(store, clock, one)
    other = Journal(store, clock, "other pair", "payments", "r", "")
    other.acquire()
    other.recover(looking())
    assert intent_of(store, one).stage is Stage.SENDING


# Crashing at every step -----------------------------------------------------------------


def life(store: Recorder, clock: SetClock, landed: list[str], run: str) -> None:
    """One run: recovery, then the write unless it is known to have landed or unknown."""
    one = change("1", paid="100")
    journal = begun(store, clock, run)
    assert one.after is not None
    journal.recover(lambda _: Page((one.after,) if landed and one.after else ()))
    held = store.get(Intent, [one.name]).get(one.name)
    if held is None or held.stage is Stage.PLANNED:
        sent(journal, one)
        landed.append(run)
        journal.settle([(one, outcome(one, State.APPLIED))])
    journal.release()


@pytest.mark.parametrize(("first", "second"), list(product(range(1, 8), range(1, 8))))
def test_a_crash_at_any_step_makes_no_second_write(first: int, second: int) -> None:
    """C5 to C13: died at any commit, and again in any commit of the recovery."""
    store, clock, landed = Recorder(), SetClock(), list[str]()
    store.error = StoreError("the power failed")
    for run, at in (
        ("run-1", first),
        ("run-2", second),
        ("run-3", None),
        ("run-4", None),
    ):
        store.fail_at = None if at is None else store.commits + at
        try:
            life(store, clock, landed, run)
        except StoreError:
            assert at is not None
        clock.pass_by(LATER.total_seconds() + LEASE.total_seconds())
    store.fail_at = None
    assert len(landed) == 1
    one = change("1", paid="100")
    assert intent_of(store, one).stage is Stage.APPLIED
    link = link_of(store, one)
    assert link is not None
    assert link.version == 1


def test_no_byte_leaves_before_its_intent_is_on_disk() -> None:
    """S1: where the store fails, nothing is sent."""
    store = Recorder()
    journal = begun(store)
    store.error, store.fail_at = StoreError("full"), store.commits + 1
    with pytest.raises(StoreError):
        sent(journal, change("1"))
    assert store.get(Intent, [change("1").name]) == {}


def test_keys_of_issues_carry_kind_and_id() -> None:
    """X21: an invoice and a payment of one id are two records."""
    assert about(Ref("c", "Invoice", "1")) != about(Ref("c", "Payment", "1"))
    assert about(Ref("c", "Invoice", "1")) == key_of("c", "Invoice", "1")


def test_an_expectation_of_the_lease_names_holder_and_fence() -> None:
    """S8: the holder alone is not enough: it may have lost and regained it."""
    store = Recorder()
    journal = begun(store)
    held = store.get(Lease, ["p"])["p"]
    store.commit(evolve(held, fence=held.fence + 1))
    assert code_of(journal.renew) is Code.LEASE_LOST
    assert not store.commit(held, expect=[Expect(Lease, "p", {"fence": held.fence})])


def test_two_ledger_documents_never_get_one_billing_invoice() -> None:
    """2.1: the second tie is refused, and a person is asked; others are written down."""
    store = MemoryStore()
    journal, one = begun(store), change("1")
    assert one.target is not None
    sent(journal, one)
    store.commit(Link("p", one.target, level("7").ref))
    (issue,) = journal.settle([(one, outcome(one, State.APPLIED))]).values()
    assert issue.code is Code.PARKED
    assert intent_of(store, one).doubt is Doubt.TAKEN
    assert link_of(store, one) is None
    assert events(store) == ["in doubt"]


def succeeded(store: Store, one: Change) -> None:
    """The tie of a change's record was let go, and another record has it now."""
    assert one.target is not None
    store.commit(Link("p", one.target, one.source, released=True))
    store.commit(Link("p", one.target, level("7").ref))


def test_a_tie_that_was_let_go_is_not_taken_back_from_another() -> None:
    """2.1: neither by a write nor by what agrees; a person is asked."""
    store = MemoryStore()
    journal, one = begun(store), change("1")
    sent(journal, one)
    succeeded(store, one)
    (issue,) = journal.settle([(one, outcome(one, State.APPLIED))]).values()
    assert issue.code is Code.PARKED
    assert intent_of(store, one).doubt is Doubt.TAKEN
    (issue,) = journal.keep([evolve(one, action=Action.KEEP)], [])
    assert issue.code is Code.ALREADY_LINKED
    link = link_of(store, one)
    assert link is not None
    assert link.released


def test_what_stays_let_go_is_no_claim() -> None:
    """A void document is looked at again while another has its place."""
    store = MemoryStore()
    journal, one = begun(store), change("1")
    succeeded(store, one)
    assert journal.keep([evolve(one, action=Action.KEEP, releases=True)], []) == []
    link = link_of(store, one)
    assert link is not None
    assert link.released


def test_a_tie_that_another_has_does_not_stop_the_recovery_of_others() -> None:
    """I13: what is found to be another's is parked; the rest is adopted."""
    store, clock = MemoryStore(), SetClock()
    one, other = change("1"), change("2")
    crashed(store, clock, one, other)
    succeeded(store, one)
    clock.pass_by(3600)
    assert one.after is not None
    assert other.after is not None
    journal = begun(store, clock, "run-2")
    (issue,) = journal.recover(looking(one.after, other.after))
    assert issue.source == one.source
    assert intent_of(store, one).doubt is Doubt.TAKEN
    assert intent_of(store, other).stage is Stage.APPLIED


def test_a_record_that_is_kept_twice_has_one_row() -> None:
    """P8: each issue row once in a transaction."""
    store = MemoryStore()
    journal, one = begun(store), evolve(change("1"), action=Action.KEEP)
    journal.keep([one, one], [], {one.source: [note(one)]})
    assert len(rows(store)) == 1
