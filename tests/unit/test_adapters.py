"""What a plan is applied through: the systems, the caller's code, a look, a file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from doubles import NOW, Desk, SetClock, Wire, able, change, level

from tieout.adapters import Callbacks, Direct, DryAdapter, PlanFile, Preview, breaking
from tieout.change import Action, Change, Issue, Outcome, State
from tieout.connector import Page
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.models import Record
from tieout.plan import Header, Plan
from tieout.session import Session
from tieout.stores.memory import MemoryStore
from tieout.wire import Call, Flow

LATE = NOW + timedelta(minutes=2)
HEADER = Header("p", "billing:1", "ledger:1", "payments", "rules", "past week", NOW)


def direct(*desks: Desk) -> Direct:
    clock = SetClock()
    sessions = {d.connection: Session(d, Wire(), MemoryStore(), clock) for d in desks}
    return Direct(sessions)


def desk(connection: str = "billing:1", **more: Any) -> Desk:
    return Desk(connection, capabilities=able(**more))


def states(outcomes: Sequence[Outcome]) -> dict[str, State]:
    return {each.name: each.state for each in outcomes}


# Direct ---------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_changes_go_straight_to_their_systems(
    batch_size: int, concurrency: int
) -> None:
    """Each to its own connection, an outcome for each, by name."""
    here = desk(batch_size=batch_size, concurrency=concurrency)
    there = desk("billing:2")
    some = [change(str(n)) for n in range(5)]
    other = change("9", connection="billing:2")
    adapter = direct(here, there)
    outcomes = list(adapter.apply([some[0], other, *some[1:]], LATE))
    assert states(outcomes) == {each.name: State.APPLIED for each in [*some, other]}
    assert sorted(each.name for each in here.written) == sorted(
        each.name for each in some
    )
    assert there.written == [other]
    assert not adapter.dry


class Odd(Desk):
    """A desk whose batch answer a test makes up."""

    answer: Any = ()
    raises: Exception | None = None

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        yield Call(lambda: None, effect=True)
        if self.raises is not None:
            raise self.raises
        answer: tuple[Outcome, ...] = self.answer
        return answer


def odd(answer: Sequence[Outcome] = (), raises: Exception | None = None) -> Direct:
    made = Odd("billing:1", capabilities=able(batch_size=10))
    made.answer, made.raises = tuple(answer), raises
    return direct(made)


def test_outcomes_are_matched_by_name_and_never_by_position() -> None:
    """H16: an answer in another order means what it says."""
    one, two = change("1"), change("2")
    answer = [
        Outcome.applied(two),
        Outcome(one.name, State.REJECTED, code=Code.REFUSED),
    ]
    found = states(list(odd(answer).apply([one, two], LATE)))
    assert found == {one.name: State.REJECTED, two.name: State.APPLIED}


def test_a_missing_outcome_is_unknown() -> None:
    """H16: fewer answers than items; an answer to nothing that was asked is dropped."""
    one, two = change("1"), change("2")
    answer = [Outcome.applied(one), Outcome("stranger", State.APPLIED)]
    outcomes = list(odd(answer).apply([one, two], LATE))
    assert states(outcomes) == {one.name: State.APPLIED, two.name: State.UNKNOWN}
    assert outcomes[1].code is Code.OUTCOME_UNKNOWN


@pytest.mark.parametrize("fate", list(Fate))
def test_a_batch_that_failed_after_its_effect_is_unknown_as_a_whole(fate: Fate) -> None:
    """2.4: a lost batch answer makes all its items unknown, whatever was raised."""
    some = [change("1"), change("2")]
    outcomes = list(odd(raises=Fault(Code.NOT_REACHED, fate=fate)).apply(some, LATE))
    assert states(outcomes) == {each.name: State.UNKNOWN for each in some}


def test_a_batch_that_was_never_sent_is_not_unknown() -> None:
    """The deadline had passed: certainly without effect."""
    some = [change("1"), change("2")]
    outcomes = list(odd().apply(some, NOW))
    assert states(outcomes) == {each.name: State.NOT_SENT for each in some}
    assert {each.code for each in outcomes} == {Code.NOT_IN_TIME}


def test_what_is_wrong_with_all_of_a_connection_ends_it_once() -> None:
    """H13, A5: the rest is not even tried, and every change has its outcome."""
    here = desk()
    refused = Fault(
        Code.RECONNECT_NEEDED, "revoked", remedy="connect", fate=Fate.NOT_SENT
    )
    here.trouble["write"] = [None, refused]
    other = desk("billing:2")
    some = [change(str(n)) for n in range(5)]
    last = change("9", connection="billing:2")
    outcomes = list(direct(here, other).apply([*some, last], LATE))
    assert [each.state for each in outcomes] == [
        State.APPLIED,
        *[State.NOT_SENT] * 4,
        State.APPLIED,
    ]
    assert here.written == [some[0]]
    assert here.trouble["write"] == []
    assert outcomes[3].text == "revoked"
    assert outcomes[3].remedy == "connect"
    assert sorted(states(outcomes)) == sorted(each.name for each in [*some, last])


def test_what_is_wrong_with_one_record_ends_nothing() -> None:
    """B40: the others are carried out."""
    here = desk()
    here.trouble["write"] = [Fault(Code.REFUSED), None, Fault(Code.LOCKED_PERIOD)]
    some = [change(str(n)) for n in range(4)]
    outcomes = list(direct(here).apply(some, LATE))
    assert [each.state for each in outcomes] == [
        State.REJECTED,
        State.APPLIED,
        State.REJECTED,
        State.APPLIED,
    ]


@pytest.mark.parametrize(
    ("code", "state", "breaks"),
    [
        (Code.RECONNECT_NEEDED, State.NOT_SENT, True),
        (Code.PERMISSION_MISSING, State.REJECTED, True),
        (Code.ANSWER_LOST, State.UNKNOWN, False),
        (Code.REFUSED, State.REJECTED, False),
        (Code.NOT_IN_TIME, State.NOT_SENT, False),
        (None, State.APPLIED, False),
    ],
)
def test_what_breaks_a_connection(
    code: Code | None, state: State, breaks: bool
) -> None:
    """A lost answer says nothing of the next call; a revoked grant does."""
    fault = breaking(Outcome("n", state, code=code, text="t", remedy="r"))
    assert (fault is not None) is breaks
    if fault is not None:
        assert (fault.code, fault.text, fault.remedy) == (code, "t", "r")
        assert fault.fate is Fate.NOT_SENT


def test_looking_goes_to_each_connection() -> None:
    """What the changes may have made, as it is now."""
    here = Desk("billing:1", level("b1", connection="billing:1"))
    there = Desk("billing:2", level("b9", connection="billing:2"))
    changes = [change("1"), change("9", connection="billing:2"), change("2")]
    page = direct(here, there).find(changes)
    assert {each.ref.id for each in page.records} == {"b1", "b9"}


# Callbacks ------------------------------------------------------------------------------


def test_the_callers_own_functions_carry_changes_out() -> None:
    """B159: one for each action; None means done."""
    seen: list[Change] = []
    made = Callbacks(
        create=lambda c: Outcome.applied(c, version="7"),
        update=seen.append,
        void=lambda c: Outcome("another name", State.REJECTED),
    )
    some = [
        change("1", action=Action.CREATE),
        change("2"),
        change("3", action=Action.VOID),
    ]
    outcomes = list(made.apply(some, LATE))
    assert [each.state for each in outcomes] == [
        State.APPLIED,
        State.APPLIED,
        State.REJECTED,
    ]
    assert [each.name for each in outcomes] == [each.name for each in some]
    assert outcomes[0].version == "7"
    assert outcomes[1].ref == some[1].target
    assert seen == [some[1]]
    assert not made.dry


def test_a_function_that_was_not_given_is_not_allowed() -> None:
    """Named, and certainly not done."""
    (outcome,) = Callbacks().apply([change("1")], LATE)
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.NOT_ALLOWED)
    assert "update" in outcome.text


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Fault(Code.REFUSED, "no"), State.REJECTED),
        (Fault(Code.NOT_REACHED, fate=Fate.NOT_SENT), State.NOT_SENT),
        (Fault(Code.ANSWER_LOST, fate=Fate.UNCLEAR), State.UNKNOWN),
        (ValueError("CANARY"), State.UNKNOWN),
        (KeyError("CANARY"), State.UNKNOWN),
    ],
)
def test_what_a_function_raises(error: Exception, state: State) -> None:
    """A fault is certain; anything else leaves the outcome unknown. Others go on."""

    def update(c: Change) -> None:
        if c.source.id == "1":
            raise error

    outcomes = list(Callbacks(update=update).apply([change("1"), change("2")], LATE))
    assert [each.state for each in outcomes] == [state, State.APPLIED]
    assert "CANARY" not in outcomes[0].text


def test_looking_needs_a_function_of_its_own() -> None:
    """Without it nothing unknown can be settled, and that is said."""
    record = level("b1")
    found: Page[Record] = Callbacks(find=lambda _: [record]).find([change("1")])
    assert found.records == (record,)
    with pytest.raises(Fault) as caught:
        Callbacks().find([change("1")])
    assert caught.value.code is Code.NOT_ALLOWED


# Dry ------------------------------------------------------------------------------------

PLAN = Plan(
    (change("1", paid="100"), change("2", paid="30", reason="as in the ledger")),
    (Issue(Code.NOT_IN_BILLING, level("3").ref, ("INV-3",)),),
    kept=5,
    header=HEADER,
)


def test_a_preview_prints_and_writes_nothing() -> None:
    """What would happen, page by page."""
    out = io.StringIO()
    preview = Preview(out)
    preview.begin(HEADER)
    preview.take(PLAN)
    preview.end(complete=True)
    text = out.getvalue()
    assert "past week" in text
    assert "\n\nPaid amounts to update in billing:1 (2)\n" in text
    assert "~  INV-1  0.00 EUR → 100.00 EUR  - → 2026-03-09" in text
    assert "as in the ledger" in text
    assert "\n\n* INV-3" in text
    assert "\n\nIn all\n  paid amounts risen  130.00 EUR\n\nEnd" in text
    assert text.endswith("End of plan\n")
    assert preview.dry


def test_a_preview_sums_up_all_pages_of_one_run() -> None:
    """B74: all rows of each page, in lines that fit; the sums and calls at the end."""
    out = io.StringIO()
    preview = Preview(out)
    for _ in range(2):  # nothing is left of the run before
        preview.begin(HEADER)
        for page in range(2):
            many = tuple(change(f"{page}{n}", reason="r" * 200) for n in range(100))
            odd = evolve(change("x", action=Action.VOID), before=None, after=None)
            calls = {"billing:1": 100, "ledger:1": 2}
            preview.take(Plan((*many, odd), calls=calls))
        preview.end(complete=True)
    first, second = out.getvalue().split("Plan for ")[1:]
    assert first == second
    lines = first.splitlines()
    assert max(map(len, lines)) <= 120
    assert sum(line.startswith("~  INV-") for line in lines) == 200
    assert lines[-7:] == [
        "In all",
        "  paid amounts risen  10,000.00 EUR",
        "  not in these sums: 2 whose amount or currency is not known",
        "",
        "Will take about 200 calls to billing:1 and 4 to ledger:1.",
        "",
        "End of plan",
    ]


def test_a_preview_says_when_it_is_incomplete(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On standard output unless told otherwise."""
    preview = Preview()
    preview.begin(HEADER)
    preview.end(complete=False)
    assert capsys.readouterr().out.endswith("The plan is incomplete\n")


@pytest.mark.parametrize("dry", [Preview(), PlanFile("x")])
def test_dry_adapters_carry_nothing_out(dry: Preview | PlanFile) -> None:
    """B2: and find nothing, as they made nothing."""
    assert isinstance(dry, DryAdapter)
    assert list(dry.apply([change("1")], LATE)) == []
    assert dry.find([change("1")]) == Page()


@pytest.mark.parametrize("adapter", [Callbacks(), Direct({})])
def test_live_adapters_are_not_dry(adapter: Any) -> None:
    """They are told apart by what they offer."""
    assert not isinstance(adapter, DryAdapter)


def written(path: Path, *plans: Plan, complete: bool = True) -> PlanFile:
    file = PlanFile(path)
    file.begin(HEADER)
    for each in plans:
        file.take(each)
    file.end(complete=complete)
    return file


def test_a_plan_file_gives_the_plan_back(tmp_path: Path) -> None:
    """C4: equal to what was taken, over several pages."""
    page = Plan((change("4"),), kept=9, skipped=1, calls={"a": 2})
    plan = evolve(PLAN, calls={"a": 1, "b": 3})
    back = written(tmp_path / "plan.jsonl", plan, page).read()
    assert (back.kept, back.skipped, back.calls) == (14, 1, {"a": 3, "b": 3})
    assert back.changes == (*PLAN.changes, *page.changes)
    assert back.issues == PLAN.issues
    assert back.header == HEADER
    assert back.complete


def test_a_plan_file_can_be_written_again(tmp_path: Path) -> None:
    """The second replaces the first, and an incomplete one says so."""
    path = tmp_path / "plan.jsonl"
    file = written(path, PLAN)
    file.begin(HEADER)
    file.end(complete=False)
    assert file.read() == Plan(header=HEADER, complete=False)
    assert [each.name for each in tmp_path.iterdir()] == ["plan.jsonl"]


def test_a_file_that_is_there_stays_until_the_new_one_is_complete(
    tmp_path: Path,
) -> None:
    """C16: a crash in the middle leaves the old one intact."""
    path = tmp_path / "plan.jsonl"
    before = written(path, PLAN).read()
    half = PlanFile(path)
    half.begin(HEADER)
    half.take(Plan((change("4"),)))
    assert PlanFile(path).read() == before
    half.end(complete=True)
    assert PlanFile(path).read() != before


def test_a_plan_file_that_was_altered_is_refused(tmp_path: Path) -> None:
    """As any saved plan."""
    path = tmp_path / "plan.jsonl"
    file = written(path, PLAN)
    path.write_text(path.read_text().replace("INV-1", "INV-7"))
    with pytest.raises(ConfigError, match="altered"):
        file.read()
