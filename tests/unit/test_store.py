"""How facts are filed: keys, indexes, and what a commit may expect."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from test_stores import FACTS, INTENT, ISSUE, LINK

from tieout.store import (
    OPEN_STAGES,
    SHAPES,
    Event,
    Expect,
    Held,
    Intent,
    Lease,
    Stage,
    indexes,
    key,
    key_of,
    link_billing,
    link_key,
)


def named(fact: Any) -> set[tuple[str, str]]:
    return {(each.name, each.value) for each in indexes(fact)}


def test_every_kind_of_fact_has_a_shape_of_its_own() -> None:
    """One description of keys and indexes; no two kinds share a name."""
    assert {type(fact) for fact in FACTS} == set(SHAPES)
    assert len({shape.name for shape in SHAPES.values()}) == len(SHAPES)


def test_the_parts_of_a_key_do_not_run_into_each_other() -> None:
    """X21: two tenants, or an id with a slash, never meet in one key."""
    assert key_of("a", "bc") != key_of("ab", "c")
    assert link_key("p", "Invoice", "1", "fee") != link_key("p", "Invoice", "1")
    assert link_key("p", "Invoice", "1", "") != link_key("p", "Invoice", "", "1")


def test_a_link_is_found_by_either_side() -> None:
    """Unique by both: the ledger's id is the key, the billing id a unique index."""
    assert key(LINK) == link_key(LINK.pair, "Invoice", LINK.ledger.id, LINK.role)
    (unique,) = [each for each in indexes(LINK) if each.unique]
    assert unique.name == "billing"
    assert unique.value == link_billing(
        LINK.pair, "Invoice", LINK.billing.id, LINK.role
    )
    assert ("alias", link_key(LINK.pair, "Invoice", "INV-1", LINK.role)) in named(LINK)


def test_a_link_is_swept_while_open_and_for_a_while_after() -> None:
    """Open links under one value, closed ones under the day they were seen."""
    place = key_of(LINK.pair, "Invoice")
    assert ("open", place) in named(evolve(LINK, open=True))
    closed = evolve(LINK, open=False)
    assert ("open", place) not in named(closed)
    assert ("seen", key_of(LINK.pair, "Invoice", "2026-03-10")) in named(closed)
    assert not {n for n, _ in named(evolve(closed, seen_on=None))} & {"open", "seen"}


@pytest.mark.parametrize("stage", list(Stage))
def test_an_intent_is_open_until_it_is_settled(stage: Stage) -> None:
    """Nothing else may be sent about its record meanwhile."""
    value = ("open", key_of(INTENT.pair, INTENT.verb))
    is_open = stage in OPEN_STAGES
    assert (value in named(evolve(INTENT, stage=stage))) is is_open
    assert is_open is (stage.name in {"PLANNED", "SENDING", "UNKNOWN", "PARKED"})


def test_an_intent_is_found_by_its_mark_and_what_it_is_about() -> None:
    """A document with our mark on it leads back to what we made it for."""
    assert ("mark", key_of(INTENT.pair, "m-1")) in named(INTENT)
    assert not [n for n, _ in named(evolve(INTENT, mark="")) if n == "mark"]
    about = key_of(INTENT.pair, INTENT.source.kind, INTENT.source.id)
    assert ("about", about) in named(INTENT)


@pytest.mark.parametrize("held", list(Held))
def test_an_issue_is_listed_while_it_is_open(held: Held) -> None:
    """By pair and verb, by run, and by the number a person looks for."""
    row = evolve(ISSUE, held=held)
    value = ("open", key_of(row.pair, row.verb))
    assert (value in named(row)) is (held is Held.OPEN)
    assert ("run", row.run) in named(row)
    assert ("number", key_of(row.pair, "INV-1")) in named(row)


def test_events_of_a_run_are_in_order() -> None:
    """Keys sort as serials do: 10 comes after 9."""
    event = next(fact for fact in FACTS if isinstance(fact, Event))
    serials = [1, 2, 9, 10, 11, 99, 100, 12345]
    keys = [key(evolve(event, serial=n)) for n in serials]
    assert keys == sorted(keys)


def test_an_expectation_holds_for_the_values_it_names() -> None:
    """Fence and holder, whatever else changed; None means that there is nothing."""
    lease = next(fact for fact in FACTS if isinstance(fact, Lease))
    assert Expect(Lease, "p", {"fence": 3}).holds(lease)
    assert not Expect(Lease, "p", {"fence": 3, "holder": "other"}).holds(lease)
    assert not Expect(Lease, "p", {"fence": 3}).holds(None)
    assert Expect(Lease, "p").holds(None)
    assert not Expect(Lease, "p").holds(lease)
    assert Expect(Intent, "n", {}).holds(INTENT)
