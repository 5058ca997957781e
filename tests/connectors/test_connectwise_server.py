"""ConnectWise against its fake: accounting batches, lost answers, and what calls cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from attrs import evolve
from benches.connectwise import ConnectWiseBench

from tieout.capabilities import Changed, Everything, Unposted
from tieout.change import Action, Change, Outcome, State
from tieout.connectors.connectwise import ConnectWise
from tieout.errors import Code
from tieout.models import (
    Application,
    CreditNote,
    Invoice,
    Payment,
    Posting,
    Ref,
    Settlement,
    Status,
)
from tieout.session import Session
from tieout.stores.memory import MemoryStore
from tieout.wire import Flow

T = TypeVar("T")
DAY = date(2026, 3, 1)
EVER = Changed(datetime(2020, 1, 1, tzinfo=UTC))


class Site:
    """One company of the bench's, with a connector and a session to it."""

    def __init__(self, **arguments: Any) -> None:
        self.bench = ConnectWiseBench()
        self.fake = self.bench.connectwise
        self.system: ConnectWise = self.bench.connector(**arguments)
        self.session = Session(self.system, self.fake, MemoryStore(), self.bench.clock)
        self.customer = self.bench.customer("Ada")
        self.run(self.system.check())

    def run(self, flow: Flow[T]) -> T:
        return self.session.run(flow)

    def bill(self, number: str, total: str = "100") -> str:
        return self.bench.invoice(
            number, Decimal(total), customer=self.customer, on=DAY, currency="USD"
        )

    def postings(self, *ids: str) -> dict[str, Posting]:
        page = self.run(self.system.fetch(Posting, ids=ids))
        return {record.ref.id: record for record in page.records}

    def moves(self, *ids: str, ahead: bool = True) -> list[Change]:
        now = self.bench.clock.now()
        return [
            Change(
                f"{'ahead' if ahead else 'back'}-{own}",
                Action.UPDATE,
                Posting,
                self.system.connection,
                Ref("ledger", "Invoice", own),
                target=held.ref,
                before=held,
                after=evolve(held, on=now if ahead else None),
            )
            for own, held in self.postings(*ids).items()
        ]

    def write(self, changes: Sequence[Change]) -> list[Outcome]:
        return list(self.run(self.system.write(changes)))

    def unposted(self) -> list[str]:
        page = self.run(self.system.page(Posting, Unposted(DAY)))
        return [record.ref.id for record in page.records]


def states(outcomes: Sequence[Outcome]) -> set[State]:
    return {each.state for each in outcomes}


def test_a_batch_goes_ahead_and_back_as_one() -> None:
    """B119, B134, B135."""
    site = Site()
    ids = [site.bill(f"INV-{each}") for each in range(3)]
    assert states(site.write(site.moves(*ids[:2]))) == {State.APPLIED}
    assert site.unposted() == ids[2:]
    first, second = site.postings(*ids[:2]).values()
    assert first.batch == second.batch
    assert first.on == second.on == site.bench.clock.now()
    (alone,) = site.write(site.moves(ids[0], ahead=False))
    assert (alone.state, alone.code) == (State.REJECTED, Code.REFUSED)
    assert "INV-1" in alone.text
    assert states(site.write(site.moves(*ids[:2], ahead=False))) == {State.APPLIED}
    assert site.unposted() == ids
    assert site.bench.writes == 2


def test_a_batch_whose_answer_is_lost_is_not_made_again() -> None:
    """B21, C8: not even by a process that does not know of the first try."""
    site = Site()
    ids = [site.bill(f"INV-{each}") for each in range(2)]
    changes = site.moves(*ids)
    site.fake.lose(1)
    (lost, other) = site.write(changes)
    assert {lost.state, other.state} == {State.UNKNOWN}
    assert states(site.write(changes)) == {State.APPLIED}
    assert site.bench.writes == 1
    assert len({each.batch for each in site.postings(*ids).values()}) == 1


def test_what_cannot_be_handed_over_is_told_and_the_rest_goes() -> None:
    site = Site()
    good, new = (
        site.bill("INV-1"),
        site.bench.draft(
            "INV-2", Decimal(5), customer=site.customer, on=DAY, currency="USD"
        ),
    )
    unmapped = str(
        site.fake.add_invoice("INV-3", int(site.customer), 5, on=DAY, gl_mapped=False)
    )
    outcomes = {e.name: e for e in site.write(site.moves(good, new, unmapped))}
    assert outcomes[f"ahead-{good}"].state is State.APPLIED
    for own in (new, unmapped):
        outcome = outcomes[f"ahead-{own}"]
        assert (outcome.state, outcome.code) == (State.REJECTED, Code.REFUSED)
        assert "closed" in outcome.remedy


def test_credit_memos_are_read_with_their_uses() -> None:
    site = Site(applications=True)
    bill = site.bill("INV-1")
    memos = [
        site.bench.credit_note(
            f"CM-{each}", Decimal(40), customer=site.customer, on=DAY, currency="USD"
        )
        for each in range(2)
    ]
    made = site.bench.apply_credit(memos[0], bill, Decimal(15), DAY)
    page = site.run(site.system.page(CreditNote, Everything()))
    used, whole = page.records
    assert [each.ref.id for each in used.applications] == [made]
    assert used.applications[0].amount == 15
    assert used.remaining == 25
    assert whole.applications == ()
    (put,) = site.run(site.system.fetch(Application, ids=[made])).records
    assert put == used.applications[0]


@pytest.mark.parametrize("batched", [False, True])
def test_deleting_is_for_what_counts_nowhere(batched: bool) -> None:
    site = Site(may_delete=True)
    own = (
        site.bill("INV-1")
        if batched
        else site.bench.draft(
            "INV-1", Decimal(5), customer=site.customer, on=DAY, currency="USD"
        )
    )
    if batched:
        site.bench.post(own)
    target = Ref(site.system.connection, "Invoice", own)
    source = Ref("ledger", "Invoice", "1")
    change = Change("x", Action.VOID, Invoice, target.connection, source, target=target)
    (outcome,) = site.write([change])
    left = len(site.fake.invoices())
    if batched:
        assert (outcome.code, left) == (Code.REFUSED, 1)
    else:
        assert (outcome.state, left) == (State.APPLIED, 0)


COUNTED = 999
"""A full page without a link is asked on behind: of a thousand, once in vain."""


def test_reading_and_handing_over_cost_what_is_declared() -> None:
    """`Capabilities.read_calls`, `fetch_calls` and `write_calls` say so."""
    site = Site()
    ids = [site.bill(f"N-{each}") for each in range(COUNTED)]
    for own in ids:
        site.bench.pay(own, Decimal(100), DAY)
    able, fake = site.system.capabilities, site.fake
    for kind in (Invoice, Settlement, Payment):
        before, found, cursor = fake.requests, 0, None
        while True:
            page = site.run(site.system.page(kind, EVER, cursor))
            found += len(page.records)
            cursor = page.next
            if cursor is None:
                break
        assert found == COUNTED
        assert fake.requests - before <= able.read_calls(kind, COUNTED)
        before = fake.requests
        records = site.run(site.system.fetch(kind, ids=_ids(site, kind, ids))).records
        assert len(records) == 100
        assert fake.requests - before <= able.fetch_calls(kind, 100)
    before, size = fake.requests, able.kind(Posting).batch_size
    changes = [
        each for at in range(0, 100, size) for each in site.moves(*ids[at : at + size])
    ]
    looked, before = fake.requests - before, fake.requests
    for at in range(0, 100, size):
        assert states(site.write(changes[at : at + size])) == {State.APPLIED}
    assert fake.requests - before <= able.write_calls(Posting, 100)
    assert looked == able.fetch_calls(Posting, 100) // 2  # none was in a batch


def _ids(site: Site, kind: Any, invoices: Sequence[str]) -> list[str]:
    """A hundred ids of records of the kind."""
    some = invoices[:100]
    if kind is not Payment:
        return list(some)
    return [f"{own}/{site.fake.payments(int(own))[0]['id']}" for own in some]


def test_a_level_and_its_payments_tell_of_the_same_money() -> None:
    """An invoice's receipts are told by their own ids, without its own."""
    site = Site()
    own = site.bill("INV-1")
    payment = site.bench.pay(own, Decimal(100), DAY)
    (level,) = site.run(site.system.fetch(Settlement, ids=[own])).records
    (record,) = site.run(site.system.fetch(Payment, ids=[payment])).records
    assert (level.status, level.receipts) == (Status.SETTLED, (payment.split("/")[1],))
    assert record.applications[0].target == level.ref
