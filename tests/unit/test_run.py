"""One payment sync under way: what is compared, written, held, told and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from doubles import NOW, Desk, Recorder, SetClock, Wire, able, change, level, rules

from tieout import run as run_module
from tieout.adapters import Callbacks
from tieout.capabilities import Payments
from tieout.carrying import Tally
from tieout.change import Change, Issue, Outcome, State
from tieout.connector import Page
from tieout.engine import Engine
from tieout.errors import Code, Fault, Severity
from tieout.models import Link, Record, Ref, Settlement, Status
from tieout.money import Money
from tieout.report import Progress, Report
from tieout.settings import Settings
from tieout.store import Event, Held, Intent, IssueRow, Lease, Stage, key_of, link_key
from tieout.windows import Since

WEEK = Since.PAST_WEEK


class World:
    """A billing desk, a ledger desk, a clock, a store, and an engine between them."""

    def __init__(
        self,
        *keys: str,
        paid: str = "100",
        settings: Settings | None = None,
        **able_: Any,
    ) -> None:
        self.clock = SetClock()
        self.story: list[Any] = []
        self.store = Recorder(self.story)
        self.settings = settings or Settings()
        self.ledger = Desk("ledger:1", *(level(key, paid=paid) for key in keys))
        self.billing = Desk(
            "billing:1",
            *(
                level(f"b{key}", number=f"INV-{key}", connection="billing:1")
                for key in keys
            ),
            capabilities=able("Billing", **able_),
        )
        self.engine = self.made()

    def made(self, **more: Any) -> Engine:
        given: dict[str, Any] = {
            "billing": self.billing,
            "ledger": self.ledger,
            "transport": Wire(),
            "settings": self.settings,
            "clock": self.clock,
            "store": self.store,
        }
        return Engine(**{**given, **more})

    def sync(self, since: Any = WEEK, **more: Any) -> Report:
        return self.engine.sync_payments(since, **more)

    def pay(self, key: str, paid: str) -> None:
        self.clock.pass_by(60)
        self.ledger.as_of = self.clock.now()
        self.ledger.put(level(key, paid=paid, changed_at=self.clock.now()))

    def shown(self, key: str) -> str:
        return str(self.billing.records[f"b{key}"].paid)

    def intents(self) -> dict[str, Intent]:
        names = [
            fact for kind, facts in self.story if kind == "commit" for fact in facts
        ]
        found = {each.name: each for each in names if isinstance(each, Intent)}
        return self.store.get(Intent, list(found))

    def link(self, key: str) -> Link:
        own = link_key(self.engine.pair, "Invoice", key)
        return self.store.get(Link, [own])[own]


def counted(report: Report) -> dict[str, int]:
    return {word: n for word, n in report.counts.items() if n}


# Writing --------------------------------------------------------------------------------


def test_levels_are_carried_and_told_one_by_one() -> None:
    """B17, B41, B164: counted, summed up, and told during the run."""
    world = World("1", "2")
    told: list[Progress] = []
    report = world.sync(on_progress=told.append)
    assert counted(report) == {"updated": 2}
    assert (world.shown("1"), world.shown("2")) == ("100", "100")
    assert report.totals == {"EUR": Money("200", "EUR")}
    assert [(p.number, p.what, p.light, p.done) for p in told] == [
        ("INV-1", "updated", Severity.GREEN, 1),
        ("INV-2", "updated", Severity.GREEN, 2),
    ]
    assert told[0].ref == Ref("ledger:1", "Invoice", "1")


def test_nothing_is_sent_before_it_is_on_disk() -> None:
    """C5, S1: the store is told first, in one transaction, and the outcome after."""
    world = World("1", "2", "3", batch_size=2)
    world.billing.before_write = lambda: world.story.append(("write", ()))
    world.sync()
    kinds = [
        (kind, sorted({type(f).__name__ for f in facts}))
        for kind, facts in world.story
        if kind == "write" or any(isinstance(f, Intent) for f in facts)
    ]
    assert kinds == [
        ("commit", ["Intent"]),
        *[("write", [])] * 3,
        ("commit", ["Event", "Intent", "Link"]),
    ]
    assert {each.stage for each in world.intents().values()} == {Stage.APPLIED}


def test_a_wave_is_so_many_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch size times concurrency times rounds share one durable transaction."""
    monkeypatch.setattr("tieout.levels.WAVE_ROUNDS", 2)
    world = World(*"12345", batch_size=2, concurrency=1)
    world.sync()
    waves = [
        len([f for f in facts if isinstance(f, Intent) and f.stage is Stage.SENDING])
        for _, facts in world.story
    ]
    assert [n for n in waves if n] == [4, 1]


def test_a_second_run_makes_no_write() -> None:
    """B20, B23: nothing has changed, and nothing is done."""
    world = World("1", "2")
    world.sync()
    written = len(world.billing.written)
    again = world.sync()
    assert counted(again) == {"unchanged": 2}
    assert len(world.billing.written) == written
    assert again.totals == {}


def test_under_last_run_an_unchanged_record_costs_no_call() -> None:
    """B17: what was agreed is trusted; every other window compares."""
    world = World("1")
    world.sync()
    world.billing.fetched.clear()
    assert counted(world.sync(Since.LAST_RUN)) == {"unchanged": 1}
    assert world.billing.fetched == []
    assert counted(world.sync()) == {"unchanged": 1}
    assert world.billing.fetched != []


@pytest.mark.parametrize(
    ("since", "recheck", "repaired"),
    [
        (Since.LAST_RUN, None, False),
        (Since.LAST_RUN, True, True),
        (Since.PAST_WEEK, None, True),
        (Since.PAST_WEEK, False, False),
    ],
)
def test_what_somebody_changed_by_hand_is_repaired_where_billing_is_looked_at(
    since: Since, recheck: bool | None, repaired: bool
) -> None:
    """B22: explicit windows repair hand edits; `recheck` overrides either way."""
    world = World("1")
    world.sync()
    world.billing.put(level("b1", number="INV-1", connection="billing:1", paid="7"))
    world.sync(since, recheck=recheck)
    assert world.shown("1") == ("100" if repaired else "7")


def test_free_reads_are_always_compared() -> None:
    """The host's own table costs nothing to look at."""
    world = World("1", free_reads=True)
    world.sync()
    world.billing.put(level("b1", number="INV-1", connection="billing:1", paid="7"))
    world.sync(Since.LAST_RUN)
    assert world.shown("1") == "100"


def test_the_amount_goes_down_again() -> None:
    """B24: and by how much is told."""
    world = World("1")
    world.sync()
    world.pay("1", "30")
    report = world.sync(Since.LAST_RUN)
    assert world.shown("1") == "30"
    assert report.totals == {"EUR": Money("-70", "EUR")}
    assert world.link("1").version == 2


# Holding --------------------------------------------------------------------------------


def test_an_unknown_invoice_is_a_warning_and_the_others_go_on() -> None:
    """B38, B40, B42: counted as not found; the run is successful."""
    world = World("1", "2")
    del world.billing.records["b1"]
    report = world.sync()
    assert counted(report) == {"not found": 1, "updated": 1}
    assert (report.red, report.yellow, report.ok, report.marker_moved) == (
        0,
        1,
        True,
        True,
    )
    (issue,) = report.issues
    assert (issue.code, issue.numbers) == (Code.NOT_IN_BILLING, ("INV-1",))


def test_an_unmatched_invoice_is_not_looked_up_in_every_run() -> None:
    """B43: only when its settlement changes, or in an explicit window."""
    world = World("1")
    bill = world.billing.records.pop("b1")
    world.sync()
    world.billing.put(bill)
    world.billing.fetched.clear()
    held = world.sync(Since.LAST_RUN)
    assert counted(held) == {"not found": 1}
    assert world.billing.fetched == []
    assert counted(world.sync()) == {"updated": 1}
    assert (
        list(world.store.find(IssueRow, "open", key_of(world.engine.pair, "payments")))
        == []
    )


def test_an_unmatched_invoice_is_looked_up_when_it_changes() -> None:
    """B43: a payment on it is news."""
    world = World("1", paid="30")
    bill = world.billing.records.pop("b1")
    world.sync()
    world.billing.put(bill)
    world.pay("1", "60")
    assert counted(world.sync(Since.LAST_RUN)) == {"updated": 1}
    assert world.shown("1") == "60"


def test_what_is_held_is_looked_at_again_under_other_rules() -> None:
    """B162: the rules may be what stood in its way."""
    world = World("1")
    world.billing.put(
        level("b1", number="INV-1", connection="billing:1", total="100.01")
    )
    assert counted(world.sync()) == {"failed": 1}
    world.clock.pass_by(10 * 86400)
    world.ledger.as_of = world.clock.now()
    assert counted(world.sync(Since.LAST_RUN)) == {"failed": 1}
    assert counted(world.sync(Since.LAST_RUN)) == {}
    lax = world.made(settings=rules(tolerance={"EUR": "0.05"}))
    assert counted(lax.sync_payments(Since.LAST_RUN))["updated"] == 1


def test_what_passes_by_itself_is_tried_in_the_next_run() -> None:
    """IN_USE: somebody had the invoice open."""
    world = World("1")
    world.billing.trouble["write"] = [Fault(Code.IN_USE, "open in another window")]
    first = world.sync()
    assert counted(first) == {"failed": 1}
    assert first.ok
    world.clock.pass_by(30 * 86400)
    world.ledger.as_of = world.clock.now()
    assert counted(world.sync(Since.LAST_RUN)) == {"updated": 1}


def test_a_refusal_is_not_tried_again_until_something_changes() -> None:
    """H9: no blind repetition."""
    world = World("1", paid="30")
    world.billing.trouble["write"] = [Fault(Code.LOCKED_PERIOD, "closed")]
    assert counted(world.sync()) == {"failed": 1}
    held = world.sync(Since.LAST_RUN)
    assert (counted(held), held.red, world.billing.written) == ({"failed": 1}, 1, [])
    world.pay("1", "60")
    assert counted(world.sync(Since.LAST_RUN)) == {"updated": 1}


@pytest.mark.parametrize("trouble", [Fault(Code.LOCKED_PERIOD), ConnectionError()])
def test_what_is_held_is_listed_by_each_run_that_meets_it(trouble: Exception) -> None:
    """B41, B155: a run that counts an issue can show it; its first time is kept."""
    world = World("1")
    world.billing.trouble["write"] = [trouble]
    first = list(world.sync().issues)
    world.clock.pass_by(60)
    report = world.sync(Since.LAST_RUN)
    assert [each.code for each in report.issues] == [each.code for each in first]
    assert report.red + report.yellow == 1


@pytest.mark.parametrize("swept", [False, True])
def test_what_is_held_is_not_forgotten_because_it_was_agreed_before(
    swept: bool,
) -> None:
    """B41, C17: a level that was agreed once, and that billing does not show since."""
    world = World("1", paid="50", payments=Payments(owned_payment=True))
    if swept:
        told = Payments(sweep_every=timedelta(days=1))
        world.ledger.capabilities = able(payments=told)
    world.sync()
    ours = world.billing.records["b1"]
    both = level("b1", number="INV-1", connection="billing:1", paid="57")
    world.billing.put(evolve(both, receipts=(*ours.receipts, "by hand")))
    (found,) = world.sync().issues
    assert found.code is Code.PAID_ON_BOTH_SIDES
    world.clock.pass_by(2 * 86400 if swept else 60)
    world.ledger.as_of = world.clock.now()
    report = world.sync(Since.LAST_RUN)
    assert [each.code for each in report.issues] == [Code.PAID_ON_BOTH_SIDES]
    world.billing.put(ours)
    assert list(world.sync().issues) == []


def test_an_ignored_issue_stays_quietly_held() -> None:
    """A person said so."""
    world = World("1")
    del world.billing.records["b1"]
    world.sync()
    own = key_of(world.engine.pair, "payments", "ledger:1", "Invoice", "1")
    row = world.store.get(IssueRow, [own])[own]
    world.store.commit(evolve(row, held=Held.IGNORED))
    world.billing.fetched.clear()
    world.sync(Since.LAST_RUN)
    assert world.billing.fetched == []


def test_a_record_that_cannot_be_read_is_held_beside_the_others() -> None:
    """P10: red, stored, named."""
    bad = Issue(
        Code.BAD_AMOUNT, Ref("ledger:1", "Invoice", "9"), ("INV-9",), "Total", "x."
    )

    class Bad(Desk):
        def _page(self, select: Any, cursor: str | None) -> Page[Settlement]:
            return evolve(super()._page(select, cursor), issues=(bad,))

    world = World("1")
    world.ledger = Bad("ledger:1", level("1", paid="100"))
    report = world.made().sync_payments(WEEK)
    assert counted(report) == {"updated": 1, "failed": 1}
    assert (report.red, report.ok, report.marker_moved) == (1, False, True)
    assert [each.code for each in report.issues] == [Code.BAD_AMOUNT]


def test_where_billing_cannot_be_read_that_is_the_reason() -> None:
    """B39: "not found" would send a person looking in vain."""
    bad = Issue(
        Code.BAD_CURRENCY, numbers=("INV-1",), field="Currency", text="no code."
    )

    class Bad(Desk):
        def _fetch(self, ids: Any, numbers: Any) -> Page[Settlement]:
            return evolve(super()._fetch(ids, numbers), issues=(bad,))

    world = World()
    world.ledger.put(level("1"), level("2"))
    world.billing = Bad("billing:1")
    issues = {i.numbers: i for i in world.made().sync_payments(WEEK).issues}
    assert issues["INV-1",].code is Code.BAD_CURRENCY
    assert issues["INV-1",].field == "Currency"
    assert "no code." in issues["INV-1",].text
    assert issues["INV-2",].code is Code.NOT_IN_BILLING


def test_a_tied_document_that_was_deleted_is_told_and_left() -> None:
    """P9, D28: billing is not touched; what was never tied is of no concern."""
    world = World("1")
    world.sync()
    world.ledger.gone = tuple(Ref("ledger:1", "Invoice", key) for key in ("1", "77"))
    del world.ledger.records["1"]
    report = world.sync(Since.LAST_RUN)
    assert [(i.code, i.source.id) for i in report.issues if i.source] == [
        (Code.VANISHED, "1")
    ]
    assert world.shown("1") == "100"


def test_a_void_document_whose_tie_was_let_go_may_be_deleted() -> None:
    """P9: it was nothing of ours any more, and what was open about it ends."""
    world = World("1")
    world.sync()
    world.ledger.put(level("1", status=Status.VOID, paid="100"))
    world.sync()
    assert world.link("1").released
    del world.ledger.records["1"]
    world.ledger.gone = (Ref("ledger:1", "Invoice", "1"),)
    assert list(world.sync().issues) == []


def test_drafts_are_counted_as_skipped() -> None:
    """They have no effect yet."""
    world = World("1")
    world.ledger.put(level("1", status=Status.DRAFT))
    assert counted(world.sync()) == {"skipped": 1}


def test_a_note_is_told_with_its_write_and_not_again() -> None:
    """B36: overpaid: yellow, once."""
    world = World("1", paid="120")
    told: list[Progress] = []
    report = world.sync(on_progress=told.append)
    assert [p.what for p in told] == ["updated", "warning"]
    assert (counted(report), report.yellow) == ({"updated": 1, "warning": 1}, 1)
    assert counted(world.sync()) == {"unchanged": 1}


# Unknown --------------------------------------------------------------------------------


def test_a_lost_answer_is_unknown_and_not_failed() -> None:
    """H3: yellow; the run is ok; the record waits."""
    world = World("1", "2")
    world.billing.lost = True
    report = world.sync()
    assert counted(report) == {"unknown": 2}
    assert (report.red, report.yellow, report.ok) == (0, 2, True)
    assert {each.stage for each in world.intents().values()} == {Stage.UNKNOWN}


def test_what_landed_is_found_and_never_sent_again() -> None:
    """H3, C8: adopted by looking, in the next run."""
    world = World("1")
    world.billing.lost = True
    world.sync()
    world.billing.lost = False
    report = world.sync()
    assert len(world.billing.written) == 1
    assert [each.what for each in report.records] == ["adopted"]
    assert world.link("1").version == 1


def lose(world: World) -> None:
    """The next write neither lands nor is it known."""
    world.billing.trouble["write"] = [ConnectionError("lost")]


def test_what_did_not_land_is_sent_again_only_when_that_is_proved() -> None:
    """H6: until then it waits, whatever the ledger says."""
    world = World("1")
    lose(world)
    world.sync()
    waiting = world.sync()
    assert counted(waiting) == {"unknown": 1}
    assert world.billing.written == []
    world.clock.pass_by(600)
    assert counted(world.sync()) == {"updated": 1}
    assert len(world.billing.written) == 1


def test_an_unknown_record_is_looked_at_though_it_did_not_change() -> None:
    """B43: open intents are read by id, whatever the window."""
    world = World("1")
    lose(world)
    world.sync()
    world.clock.pass_by(30 * 86400)
    world.ledger.as_of = world.clock.now()
    assert counted(world.sync(Since.LAST_RUN)) == {"updated": 1}


def test_a_record_that_turned_unknown_waits_for_the_rest_of_the_run() -> None:
    """2.2: it may come again on a later page; it is not sent a second time."""
    world = World("1")
    lose(world)

    class Twice(Desk):
        def _page(self, select: Any, cursor: str | None) -> Page[Settlement]:
            one = level("1", paid="100" if cursor is None else "60")
            later = evolve(one, changed_at=NOW + timedelta(seconds=len(cursor or "")))
            return Page((later,), next="2" if cursor is None else None)

    world.ledger = Twice("ledger:1")
    report = world.made().sync_payments(WEEK)
    assert world.billing.written == []
    assert counted(report) == {"unknown": 2}


def test_what_was_parked_waits_until_a_run_looks_at_it() -> None:
    """2.6: LAST_RUN leaves it to a person, in red; an explicit window looks."""
    world = World("1")
    lose(world)
    world.sync()
    (intent,) = world.intents().values()
    world.store.commit(evolve(intent, stage=Stage.PARKED))
    world.clock.pass_by(600)
    report = world.sync(Since.LAST_RUN)
    assert world.billing.written == []
    assert [each.code for each in report.issues] == [Code.PARKED]
    assert counted(world.sync()) == {"updated": 1}


def test_what_a_dead_run_left_unknown_is_told_with_its_time() -> None:
    """C6: no issue was written yet; it waits all the same."""
    world = World("1")

    class Died(BaseException):
        """The process is killed."""

    def die() -> None:
        raise Died

    world.billing.before_write = die
    with pytest.raises(Died):
        world.sync()
    told: list[Progress] = []
    world.billing.before_write = lambda: None
    assert counted(world.sync(on_progress=told.append)) == {"unknown": 1}
    assert [each.what for each in told] == ["unknown"]
    assert "It is looked at after 2026-03-10 12:07:00 UTC" in told[0].text
    assert world.billing.written == []


# Adapters that misbehave ----------------------------------------------------------------


class Scripted:
    """An adapter of the caller's own, which does what a test says."""

    dry = False

    def __init__(self, run: Callable[[Sequence[Change]], Iterator[Outcome]]) -> None:
        self._run = run

    def apply(self, changes: Sequence[Change], deadline: datetime) -> Iterator[Outcome]:
        return self._run(changes)

    def find(self, changes: Sequence[Change]) -> Page[Record]:
        return Page()


def silent(changes: Sequence[Change]) -> Iterator[Outcome]:
    yield Outcome.applied(changes[0])
    yield Outcome("a stranger", State.APPLIED)


def crashing(changes: Sequence[Change]) -> Iterator[Outcome]:
    yield Outcome.applied(changes[0])
    raise ZeroDivisionError("CANARY")


@pytest.mark.parametrize("run", [silent, crashing])
def test_a_change_without_an_outcome_is_unknown(
    run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever an adapter does, nothing is taken for failed that may have landed."""
    world = World("1", "2", "3")
    report = world.sync(adapter=Scripted(run))
    assert counted(report) == {"updated": 1, "unknown": 2}
    stages = [each.stage for each in world.intents().values()]
    assert sorted(stage.name for stage in stages) == ["APPLIED", "UNKNOWN", "UNKNOWN"]
    assert "CANARY" not in caplog.text
    assert not [i for i in report.issues if "CANARY" in str(i)]


def test_an_adapter_that_fails_at_once_leaves_all_unknown() -> None:
    """Before its first outcome."""

    def refuse(changes: Sequence[Change]) -> Iterator[Outcome]:
        raise RuntimeError

    world = World("1", "2")
    assert counted(world.sync(adapter=Scripted(refuse))) == {"unknown": 2}


def test_a_caller_who_chokes_on_progress_loses_no_outcome() -> None:
    """The writes are settled, then what was raised comes out; the lease is let go."""
    world = World("1", "2")

    def choke(_: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        world.sync(on_progress=choke)
    assert {each.stage for each in world.intents().values()} == {Stage.APPLIED}
    assert counted(world.sync()) == {"unchanged": 2}


def test_no_callback_begins_after_its_deadline() -> None:
    """S8: slow callbacks of the host must not write when another run may have taken over."""
    world = World(*"123456789", concurrency=2)
    begun: list[datetime] = []
    lease_until: list[datetime] = []

    def slow(one: Change) -> None:
        begun.append(world.clock.now())
        lease_until.append(
            world.store.get(Lease, [world.engine.pair])[world.engine.pair].until
        )
        world.clock.pass_by(50)

    world.sync(adapter=Callbacks(update=slow, find=lambda _: ()))
    assert len(begun) == 9
    assert all(at < until for at, until in zip(begun, lease_until, strict=True))


# Connections that break -----------------------------------------------------------------


def test_what_is_wrong_with_the_connection_ends_the_run_once() -> None:
    """H13: one error; what was not sent is sent in the next run."""
    world = World("1", "2", "3")
    gone = Fault(Code.RECONNECT_NEEDED, "revoked")
    world.billing.trouble["write"] = [None, gone]
    report = world.sync()
    assert (report.code, report.ok, report.complete) == (
        Code.RECONNECT_NEEDED,
        False,
        False,
    )
    assert not report.marker_moved
    assert len(world.billing.written) == 1
    assert counted(world.sync())["updated"] == 2
    assert len(world.billing.written) == 3


def test_a_wave_that_runs_out_of_time_goes_on_in_the_next() -> None:
    """S8: what was not begun in time is sent with a new deadline, in the same run."""
    world = World(*"1234")
    world.billing.before_write = lambda: world.clock.pass_by(70)
    report = world.sync()
    assert counted(report) == {"updated": 4}
    assert report.complete
    assert len(world.billing.written) == 4


def test_a_run_in_which_nothing_can_be_sent_in_time_ends() -> None:
    """No loop."""

    def late(changes: Sequence[Change]) -> Iterator[Outcome]:
        for each in changes:
            yield Outcome(each.name, State.NOT_SENT, code=Code.NOT_IN_TIME)

    report = World("1").sync(adapter=Scripted(late))
    assert (report.code, report.complete, report.ok) == (Code.NOT_IN_TIME, False, True)


# Stopping -------------------------------------------------------------------------------


def test_a_run_can_be_stopped_between_steps() -> None:
    """B6: it ends cleanly, moves no marker, and the next one goes on."""
    world = World(*"12345")
    world.ledger.page_size = 2
    report = world.sync(stop=lambda: len(world.billing.written) >= 2)
    assert (report.complete, report.ok, report.code) == (False, True, None)
    assert len(world.billing.written) == 2
    assert report.resume is not None
    rest = world.sync(report.resume)
    assert counted(rest) == {"updated": 3}
    assert len(world.billing.written) == 5


# Saved plans ----------------------------------------------------------------------------


def test_a_plan_is_carried_out_as_it_was_shown() -> None:
    """The law: sync = apply(plan)."""
    world, other = World("1", "2", paid="120"), World("1", "2", paid="120")
    plan = world.engine.plan_payments(WEEK)
    assert world.billing.written == []
    applied, synced = world.engine.apply(plan), other.sync()
    assert counted(applied) == counted(synced)
    assert (applied.yellow, applied.red) == (synced.yellow, synced.red)
    assert applied.totals == synced.totals
    assert world.billing.records == other.billing.records
    assert sorted(map(str, applied.issues)) == sorted(map(str, synced.issues))


@pytest.mark.parametrize(
    ("meddle", "why"),
    [
        (lambda w: w.pay("1", "30"), "ledger"),
        (lambda w: w.ledger.records.pop("1"), "ledger"),
        (lambda w: w.billing.records.pop("b1"), "gone from billing"),
        (
            lambda w: w.billing.put(
                level("b1", number="INV-1", connection="billing:1", paid="3")
            ),
            "changed in billing",
        ),
    ],
)
def test_what_changed_since_the_plan_is_left_alone(
    meddle: Callable[[World], Any], why: str
) -> None:
    """STALE_PLAN: yellow, named; the others are carried out."""
    world = World("1", "2")
    plan = world.engine.plan_payments(WEEK)
    meddle(world)
    report = world.engine.apply(plan)
    assert counted(report) == {"failed": 1, "updated": 1}
    (issue,) = report.issues
    assert (issue.code, issue.numbers) == (Code.STALE_PLAN, ("INV-1",))
    assert why in issue.text
    assert [c.number for c in world.billing.written] == ["INV-2"]
    assert report.ok


def test_a_plan_is_not_carried_out_twice() -> None:
    """B20: the second time everything has changed meanwhile."""
    world = World("1")
    plan = world.engine.plan_payments(WEEK)
    world.engine.apply(plan)
    again = world.engine.apply(plan)
    assert len(world.billing.written) == 1
    assert [i.code for i in again.issues] == [Code.STALE_PLAN]


def test_a_plan_made_before_a_sync_and_a_change_back_is_stale() -> None:
    """50, 100, 50: the same content, another version."""
    world = World("1", paid="50")
    plan = world.engine.plan_payments(WEEK)
    world.sync()
    world.billing.put(level("b1", number="INV-1", connection="billing:1"))
    report = world.engine.apply(plan)
    assert "synced in the meantime" in next(iter(report.issues)).text


def test_a_plan_does_not_touch_what_is_unknown() -> None:
    """2.2: an earlier write of it is not settled yet."""
    world = World("1")
    plan = world.engine.plan_payments(WEEK)
    lose(world)
    world.sync()
    report = world.engine.apply(plan)
    assert "not settled yet" in next(iter(report.issues)).text
    assert world.billing.written == []


def test_a_dry_run_sees_what_is_unknown_too() -> None:
    """A plan does not offer what may not be sent."""
    world = World("1", "2")
    world.billing.trouble["write"] = [ConnectionError("lost")]
    world.sync()
    plan = world.engine.plan_payments(WEEK)
    assert plan.changes == ()
    assert plan.kept == 1


def test_a_large_plan_is_checked_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is flat."""
    monkeypatch.setattr(run_module, "CHECK_SIZE", 2)
    world = World(*"12345")
    plan = world.engine.plan_payments(WEEK)
    world.ledger.fetched.clear()
    assert counted(world.engine.apply(plan)) == {"updated": 5}
    assert [len(ids) for ids, _ in world.ledger.fetched] == [2, 2, 1]


def test_a_saved_change_gets_todays_version_and_luggage() -> None:
    """What does not live in a file is read again."""
    world = World("1")
    plan = world.engine.plan_payments(WEEK)
    world.billing.put(evolve(world.billing.records["b1"], version="9", carry="luggage"))
    world.engine.apply(plan)
    (written,) = world.billing.written
    assert isinstance(written.after, Settlement)
    assert (written.after.version, written.after.carry) == ("9", "luggage")


def test_issues_of_a_plan_are_remembered_when_it_is_applied() -> None:
    """B39: what could not be carried is held, as by a sync."""
    world = World("1")
    del world.billing.records["b1"]
    plan = world.engine.plan_payments(WEEK)
    assert (
        list(world.store.find(IssueRow, "open", key_of(world.engine.pair, "payments")))
        == []
    )
    report = world.engine.apply(plan)
    assert counted(report) == {"not found": 1}


# The tally ------------------------------------------------------------------------------


def test_a_tally_counts_by_word_and_light() -> None:
    """B41, B158: not found and unknown are no failures."""
    tally = Tally()
    ref = level("1").ref
    assert tally.note(Issue(Code.NOT_IN_BILLING, ref)) == "not found"
    assert tally.note(Issue(Code.OUTCOME_UNKNOWN, ref)) == "unknown"
    assert tally.note(Issue(Code.TOTAL_DIFFERS, ref)) == "failed"
    assert tally.note(Issue(Code.OVERPAID, ref, blocking=False)) == "warning"
    tally.count("updated", 3)
    assert tally.done == 6
    assert tally.lights == {Severity.RED: 1, Severity.YELLOW: 3, Severity.GREEN: 0}
    assert tally.counts["warning"] == 1


def test_a_tally_sums_up_by_currency() -> None:
    """D10: by how much the shown amounts rose or fell."""
    tally = Tally()
    for before, after, currency in (
        ("0", "50", "EUR"),
        ("50", "20", "EUR"),
        ("0", "7", "USD"),
    ):
        one = change("1")
        tally.moved(
            evolve(
                one,
                before=level("b1", paid=before, currency=currency),
                after=level("b1", paid=after, currency=currency),
            )
        )
    tally.moved(evolve(change("1"), before=None))
    assert tally.totals == {"EUR": Money("20", "EUR"), "USD": Money("7", "USD")}


def test_events_tell_what_happened_to_each_record() -> None:
    """B155: kept, in order, with the state before and after."""
    world = World("1", "2")
    del world.billing.records["b2"]
    report = world.sync()
    events = list(report.records)
    assert [(e.what, e.numbers) for e in events] == [
        ("issue", ("INV-2",)),
        ("applied", ("INV-1",)),
    ]
    assert isinstance(events[1], Event)
    assert events[1].before != events[1].after
    assert [each.serial for each in events] == sorted(each.serial for each in events)


def test_a_system_that_owns_payments_remembers_which() -> None:
    """B154: the payment records of ours are in the link."""
    world = World("1", payments=Payments(owned_payment=True))
    bill = world.billing.records["b1"]
    paid = level(
        "b1", number="INV-1", connection="billing:1", paid="100", receipts=("r7",)
    )
    assert bill.receipts == ()
    world.billing.put(paid)
    assert counted(world.sync()) == {"unchanged": 1}
    assert world.link("1").owned == ("r7",)
