"""Records, changes and facts as JSON and back, exactly."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from cattrs import BaseValidationError
from test_models import FULL

from tieout import codec
from tieout.change import Action, Change, Issue
from tieout.errors import Code
from tieout.models import Basis, Customer, Payment, Ref, Settlement
from tieout.remedies import Remedies, RemedyRow
from tieout.store import Run

CUSTOM = {
    "text": "a\u2028b",
    "number": Decimal("1.50"),
    "day": date(2026, 3, 10),
    "instant": datetime(2026, 3, 10, 8, tzinfo=UTC),
    "flag": False,
}


def through(value: Any, kind: type[Any]) -> Any:
    """What a value is after it has been JSON."""
    return codec.load(json.loads(json.dumps(codec.dump(value))), kind)


@pytest.mark.parametrize("kind", FULL)
def test_every_kind_of_record_comes_back(kind: str) -> None:
    """B153: equal, and of the same types."""
    record = evolve(FULL[kind], custom=CUSTOM)
    back = through(record, type(record))
    assert back == record
    assert repr(back) == repr(record)


@pytest.mark.parametrize("value", list(CUSTOM.values()), ids=list(CUSTOM))
def test_custom_values_keep_their_type(value: Any) -> None:
    """B161: a text, a decimal, a date, an instant and a flag are five things."""
    record = Customer(Ref("c", "Customer", "1"), "A", custom={"x": value})
    found = through(record, Customer).custom["x"]
    assert found == value
    assert type(found) is type(value)


def test_decimals_go_as_text() -> None:
    """B153: 1.50 stays 1.50."""
    dumped = codec.dump(FULL["Settlement"])
    assert dumped["total"] == "100"
    assert dumped["settled_by"] == {"CASH": "30", "CREDIT": "20"}


def test_enumerations_go_by_name() -> None:
    """A meaning may be reworded without spoiling what is stored."""
    record = evolve(FULL["Settlement"], basis=Basis.OBSERVED)
    assert codec.dump(record)["basis"] == "OBSERVED"
    assert codec.dump(Issue(Code.OVERPAID))["code"] == "OVERPAID"


def test_what_a_connector_carries_is_not_written() -> None:
    """X19: its luggage may be anything, and lives within one run."""
    record = evolve(FULL["Invoice"], carry={"token": object()})
    assert "carry" not in codec.dump(record)
    assert through(record, type(record)).carry is None


def a_change(**more: Any) -> Change:
    record = FULL["Settlement"]
    fields: dict[str, Any] = {
        "name": "n",
        "action": Action.UPDATE,
        "kind": Settlement,
        "connection": "c:1",
        "source": record.ref,
        "before": record,
        "after": record,
    }
    return Change(**{**fields, **more})


@pytest.mark.parametrize("kind", FULL)
def test_a_change_comes_back_with_its_records(kind: str) -> None:
    """C4: whatever kind it is about, also where there is no record."""
    record = FULL[kind]
    for one in (
        a_change(kind=type(record), before=None, after=record),
        a_change(kind=type(record), before=record, after=None),
        a_change(
            kind=type(record), target=record.ref, owned=("p1",), depends_on=("n0",)
        ),
    ):
        assert through(one, Change) == one


def test_what_is_default_is_not_written() -> None:
    """A plan of a million changes stays small."""
    assert set(codec.dump(a_change(before=None, after=None))) == {
        "name",
        "action",
        "kind",
        "connection",
        "source",
    }


def test_fields_of_a_later_version_are_not_in_the_way() -> None:
    """S13: an unknown field is left out."""
    dumped = codec.dump(FULL["Customer"])
    assert codec.load({**dumped, "mood": "good"}, Customer) == FULL["Customer"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": "x"},
        {"status": "PERHAPS"},
        {"on": "yesterday"},
        {"ref": None},
        {"currency": None, "applications": 3},
    ],
)
def test_foreign_data_is_refused(wrong: dict[str, Any]) -> None:
    """S6: nothing is half understood."""
    dumped = codec.dump(FULL["Payment"])
    with pytest.raises((BaseValidationError, TypeError, ValueError)):
        codec.load({**dumped, **wrong}, Payment)


def test_only_the_seven_kinds_are_kinds() -> None:
    """X22: a name in a file never becomes another class."""
    dumped = codec.dump(a_change())
    for name in ("Link", "__class__", "os.system"):
        with pytest.raises((BaseValidationError, KeyError)):
            codec.load({**dumped, "kind": name}, Change)
        with pytest.raises((BaseValidationError, KeyError)):
            codec.load({**dumped, "before": {"kind": name}}, Change)


def test_a_record_that_is_not_there_may_be_said_not_to_be() -> None:
    """A null in a file is no record; whatever else a host puts in custom is text."""
    dumped = codec.dump(a_change(before=None))
    assert codec.load({**dumped, "before": None}, Change).before is None
    strange: Any = {"x": 5}
    record = Customer(Ref("c", "Customer", "1"), "A", custom=strange)
    assert through(record, Customer).custom == {"x": "5"}


def test_the_remedy_of_an_issue_or_run_goes_by_its_public_name() -> None:
    """One word for it, in Python and in JSON; the words of a vendor have their own."""
    told = Remedies([RemedyRow(Code.REFUSED, "Ask Ada. Wait.")])
    moment = datetime(2026, 3, 10, tzinfo=UTC)
    for value in (
        Issue(Code.REFUSED, remedy="Call us.").by(told),
        Run("1", "p", "v", "ada", moment, "all", code=Code.REFUSED).by(told),
    ):
        data = codec.dump(value)
        assert data["advice"]["steps"] == ["Ask Ada.", "Wait."]
        assert not [name for name in data if name.startswith("_")]
        again = codec.load(data, type(value))
        assert again.advice == value.advice
        assert again == value
    assert "advice" not in codec.dump(Issue(Code.REFUSED))
