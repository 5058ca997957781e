"""What a person answers of a parked write is held against what the other side shows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from desks import Desks
from tieout.answers import Landed, Reply
from tieout.capabilities import Verb
from tieout.change import Action, Issue
from tieout.errors import Code, ConfigError, Fault
from tieout.evidence import contradiction, may_have_made
from tieout.models import (
    Application,
    Customer,
    Invoice,
    Link,
    Payment,
    Ref,
    Status,
)
from tieout.protocol import Page
from tieout.store import Doubt, Intent, Stage
from tieout.testing.year.connector import without


def parked(**rules: Any) -> tuple[Desks, Intent, Payment]:
    """A payment of 33 whose answer was lost, and which was dated otherwise over there."""
    desks = Desks(directions={}, **rules)
    desks.customer()
    desks.sync()
    desks.pay(33)
    desks.fates = ["lost"]
    desks.sync()
    (made,) = desks.book.of(Payment).values()
    desks.book.pay(evolve(made, on=date(2026, 3, 4)))
    desks.sync()
    (write,) = desks.engine.parked()
    return desks, write, desks.book.of(Payment)[made.ref.id]


def refused(desks: Desks, write: Intent, name: str, words: str) -> None:
    """An answer that is not believed, and changes nothing."""
    links = dict(desks.store._facts["link"])
    with pytest.raises(ConfigError, match=words) as caught:
        desks.engine.answer(write, Landed(name))
    assert name in str(caught.value)
    assert desks.engine.parked() == [write]
    assert desks.store._facts["link"] == links


def test_a_document_that_is_not_there_was_not_made() -> None:
    """2.2: the real copy, with our mark on it, is not carried back beside it."""
    desks, write, made = parked()
    refused(desks, write, "p999", "there is no payment p999 in book:1")
    desks.engine.answer(write, Landed(made.ref.id))
    desks.sync()
    assert [len(desks.live(e, Payment)) for e in (desks.shop, desks.book)] == [1, 1]


def test_a_void_document_was_not_made() -> None:
    """2.2: what does not count settles nothing."""
    desks, write, made = parked()
    desks.book.void(made.ref, Payment)
    refused(desks, write, made.ref.id, "it is void")


def test_another_amount_or_customer_without_the_mark_is_another_document() -> None:
    """2.2: money is not tied on a word that the ledger denies."""
    desks, write, _ = parked()
    other = desks.pay(34, books=desks.book)
    refused(desks, write, other.id, r"34\.00 EUR, and 33\.00 EUR was sent")
    stranger = desks.book.put(Customer(desks.book.ref(Customer), "Bea", "C2"))
    same = desks.pay(33, books=desks.book)
    held = desks.book.of(Payment)[same.id]
    desks.book.pay(evolve(held, customer=stranger.ref))
    refused(desks, write, same.id, f"it is of customer {stranger.ref.id}")


def test_our_mark_outweighs_an_amount_that_was_edited() -> None:
    """2.2: it is ours, and is compared anew."""
    desks, write, made = parked()
    desks.book.pay(evolve(made, amount=Decimal(30)))
    desks.engine.answer(write, Landed(made.ref.id))
    assert desks.engine.parked() == []


def test_an_unmarked_document_of_the_amount_is_believed() -> None:
    """2.2: whatever its day: a ledger may have dated it otherwise."""
    desks, write, made = parked()
    desks.book.pay(evolve(made, reference="", custom={}))
    desks.engine.answer(write, Landed(f" {made.ref.id} "))
    ties = [e for e in desks.store._facts["link"].values() if isinstance(e, Link)]
    assert made.ref in [each.ledger for each in ties]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda: _raise(Fault(Code.NOT_REACHED, "nobody")), id="away"),
        pytest.param(
            lambda: Page(issues=(Issue(Code.UNKNOWN_ERROR, text="odd"),)), id="unread"
        ),
    ],
)
def test_what_cannot_be_looked_at_is_not_believed(
    answer: Callable[[], Page[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """2.2: neither is it denied: it may be tried again."""
    desks, write, made = parked()
    monkeypatch.setattr(desks.engine._ledger, "run", lambda flow: answer())
    refused(desks, write, made.ref.id, "could not be looked at; try again")


def _raise(fault: Fault) -> Page[Any]:
    raise fault


def test_where_nobody_else_can_look_a_person_is_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """2.2: the connection cannot read such a kind, or is not let."""
    desks, write, _ = parked()
    monkeypatch.setattr(
        desks.engine._ledger,
        "run",
        lambda flow: _raise(Fault(Code.NOT_ALLOWED, "no permission")),
    )
    desks.engine.answer(write, Landed("p999"))
    assert desks.engine.parked() == []
    desks, write, _ = parked()
    desks.ledger.kinds = without([Payment], Verb.READ)
    desks.engine.answer(write, Landed("p999"))
    assert desks.engine.parked() == []


def test_the_document_of_another_part_of_the_same_record_is_refused() -> None:
    """2.2: one document is not two parts of a payment."""
    desks, write, made = parked()
    tie = Link("shop:1>book:1", write.source, made.ref, "part", 1, "shop:1", {})
    desks.store.commit(evolve(tie, pair=desks.engine.pair))
    refused(desks, write, made.ref.id, "another part of the same record")


def test_a_change_is_answered_by_the_document_that_was_to_be_changed() -> None:
    """2.2: a void that was not carried out has not landed, and no other document has."""
    _, write, made = parked()
    void = evolve(write, action=Action.VOID, target=made.ref)
    assert contradiction(void, made) == "it was not taken back"
    assert contradiction(void, evolve(made, status=Status.VOID)) == ""
    other = evolve(made, ref=evolve(made.ref, id="p7"))
    assert contradiction(void, other) == f"the write was to change {made.ref.id}"
    update = evolve(void, action=Action.UPDATE)
    assert contradiction(update, made) == ""
    assert contradiction(update, evolve(made, status=Status.VOID)) == "it is void"


def test_a_document_of_what_was_sent_waits_though_another_has_the_mark() -> None:
    """B92: a person may have renumbered ours; sent back, it would be there twice."""
    desks, write, made = parked()
    assert write.candidates == (made.ref,)
    (sent,) = desks.shop.of(Payment).values()
    like = evolve(made, ref=evolve(made.ref, id="p7"), on=sent.on, reference="")
    assert may_have_made(write, made)
    assert may_have_made(write, evolve(like, custom={}))
    assert not may_have_made(write, evolve(like, custom={}, amount=Decimal(34)))
    several = evolve(write, doubt=Doubt.DUPLICATE)
    assert not may_have_made(several, like)


def test_what_is_put_nowhere_any_more_is_no_application() -> None:
    """2.2: one that was taken back settles nothing."""
    _, write, made = parked()
    put = Application(
        Ref("book:1", "Application", "a1"),
        made.ref,
        Ref("book:1", "Invoice", "i1"),
        Decimal(33),
        "EUR",
        date(2026, 3, 1),
        live=False,
    )
    assert contradiction(write, put) == "it is undone"


def test_not_there_needs_no_look() -> None:
    """2.2: it is looked for before it is sent again, as ever."""
    desks, write, _ = parked()
    desks.engine.answer(write, Reply.NOT_THERE)
    (held,) = (e for e in desks.intents() if e.name == write.name)
    assert held.stage is Stage.PLANNED
    assert not desks.live(desks.book, Invoice)
