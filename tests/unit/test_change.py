"""Changes, their names, what came of them, and issues."""

from __future__ import annotations

from itertools import product

import pytest
from doubles import change, level
from hypothesis import given
from hypothesis import strategies as st

from tieout.change import Action, Issue, Outcome, State, change_name
from tieout.errors import Code, Fate, Fault, Severity
from tieout.models import Ref

SOURCE = Ref("ledger:1", "Invoice", "1")
PART = st.text(alphabet="ab:/-\x1e", max_size=3)


PARTS = st.tuples(PART, PART, PART, PART, PART)


@given(PARTS, PARTS)
def test_names_are_the_same_only_for_the_same(
    one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    """X21, X24: connection, kind, source and role never run into each other."""
    names = [
        change_name(a, b, Ref(c, "Invoice", d), 0, Action.UPDATE, 0, role)
        for a, b, c, d, role in (one, other)
    ]
    assert (names[0] == names[1]) == (one == other)


def test_a_name_tells_action_generation_and_version_apart() -> None:
    """B20: a legitimate 50, 100, 50 is three changes, by the link's version."""
    names = {
        change_name("c", "Settlement", SOURCE, generation, action, version)
        for generation, action, version in product((0, 1), Action, (0, 1, 2))
    }
    assert len(names) == 2 * len(Action) * 3


def test_a_name_says_nothing_of_the_content() -> None:
    """An edit while the first write is unknown must not open a second intent."""
    assert change("1", paid="50").name == change("1", paid="70").name


def test_a_name_is_the_same_tomorrow() -> None:
    """It is stored: were it made otherwise, what is unknown could not be found again."""
    name = change_name("billing:1", "Settlement", SOURCE, 0, Action.UPDATE, 0)
    assert name == "5649408d2b17110a20d2a809b4"


def test_actions_print_as_a_plan_prints_them() -> None:
    """Keep, create, update, void."""
    assert [each.value for each in Action] == ["=", "+", "~", "-"]


@pytest.mark.parametrize(
    ("fate", "state"),
    [
        (Fate.NOT_SENT, State.NOT_SENT),
        (Fate.REFUSED, State.REJECTED),
        (Fate.UNCLEAR, State.UNKNOWN),
    ],
)
def test_a_fault_before_any_effect_says_what_it_says(fate: Fate, state: State) -> None:
    """The fate of the request is the state of the change."""
    fault = Fault(Code.REFUSED, "no", remedy="ask", fate=fate)
    outcome = Outcome.failed(change("1"), fault)
    assert outcome.state is state
    assert (outcome.code, outcome.text, outcome.remedy) == (Code.REFUSED, "no", "ask")
    assert outcome.name == change("1").name


@pytest.mark.parametrize("fate", list(Fate))
@pytest.mark.parametrize("code", [Code.REFUSED, Code.IN_USE, Code.TOO_MANY_REQUESTS])
def test_after_an_effect_every_fault_is_unknown(fate: Fate, code: Code) -> None:
    """Even a 429 on the second step of a write: the first may have landed."""
    outcome = Outcome.failed(change("1"), Fault(code, fate=fate), effect_sent=True)
    assert outcome.state is State.UNKNOWN


def test_what_passes_by_itself_is_not_rejected() -> None:
    """H8: a refusal that trying later may heal is not sent, and is tried again."""
    outcome = Outcome.failed(change("1"), Fault(Code.IN_USE, fate=Fate.REFUSED))
    assert outcome.state is State.NOT_SENT


def test_an_applied_change_names_its_document() -> None:
    """The document it made, or the one it changed."""
    made = Ref("billing:1", "Invoice", "new")
    one = change("1")
    assert Outcome.applied(one).ref == one.target
    outcome = Outcome.applied(
        one, ref=made, version="2", owned=("p",), notes=(Code.UNAPPLIED_CREDIT,)
    )
    assert outcome.ref == made
    assert (outcome.version, outcome.owned) == ("2", ("p",))
    assert outcome.notes == (Code.UNAPPLIED_CREDIT,)
    assert outcome.state is State.APPLIED


def test_an_issue_tells_which_invoice_and_what_to_do() -> None:
    """B39: the number is named, and the remedy."""
    ref = level("7").ref
    assert str(Issue(Code.NOT_IN_BILLING, ref, ("INV-7",))) == (
        f"INV-7: {Code.NOT_IN_BILLING.meaning} {Code.NOT_IN_BILLING.remedy}"
    )
    told = Issue(
        Code.BAD_FIELD, ref, field="Total", text="is no list.", remedy="Mend it."
    )
    assert str(told) == "7 [Total]: is no list. Mend it."
    assert str(Issue(Code.BAD_FIELD, text="x.", remedy="y.")) == "?: x. y."


def test_an_issue_has_the_light_of_its_code() -> None:
    """B42: yellow for what is normal, red for what a person has to see."""
    assert Issue(Code.NOT_IN_BILLING).severity is Severity.YELLOW
    assert Issue(Code.TOTAL_DIFFERS).severity is Severity.RED


def test_nothing_is_taken_over_and_every_issue_blocks_unless_it_is_said() -> None:
    """The careful way is the default."""
    assert Issue(Code.BAD_FIELD).blocking
    assert not change("1").take_over
    assert not change("1").closes
