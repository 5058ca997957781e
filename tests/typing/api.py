"""What the types promise to callers. It is checked by mypy and pyright and never executed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import assert_type

import tieout
from tieout.connectors.connectwise import ConnectWise
from tieout.connectors.tryton import Tryton
from tieout.connectors.xero import Xero

xero = Xero(tenant_id="t", client_id="c", client_secret="s", refresh_token="r")
billing = ConnectWise(company="acme", public_key="p", private_key="q", client_id="i")
tryton = Tryton(url="http://127.0.0.1:8000", database="d", user="u", password="p")

connectors: list[tieout.Connector] = [xero, billing, tryton]
stores: list[tieout.Store] = [tieout.MemoryStore(), tieout.SQLiteStore("tieout.db")]
transport: tieout.Transport = tieout.HTTPTransport()

engine = tieout.Engine(
    billing=billing,
    ledger=xero,
    store=tieout.SQLiteStore("tieout.db"),
    settings=tieout.Settings(
        directions={tieout.Settlement: tieout.Direction.TO_BILLING},
        paid_amount="cash",
        tolerance={"USD": Decimal("0.01")},
        number_rule=tieout.NumberRule(prefix="INV-", pad=6),
    ),
    transport={xero.connection: transport},
    clock=tieout.SystemClock(),
    profile=tieout.this_user(),
)

plan = engine.plan_payments(since=date(2026, 3, 1))
assert_type(plan, tieout.Plan)
report = engine.sync_payments(since=tieout.Since.LAST_RUN)
assert_type(report, tieout.Report)
assert_type(engine.apply(plan), tieout.Report)
assert_type(report.ok, bool)
assert_type(report.html(), str)
assert_type(plan.html(), str)
assert_type(plan.html(engine.deep_link), str)
assert_type(report.effects, Mapping[tieout.Effect, Mapping[str, tieout.Money]])
assert_type(report.issues, Iterator[tieout.Issue])
engine.sync_payments(since=datetime(2026, 3, 1, tzinfo=UTC), recheck=True)
if report.resume is not None:
    engine.sync_payments(since=report.resume)
engine.sync_payments(date(2026, 3, 1), adapter=tieout.PlanFile("plan.jsonl"))
engine.sync_payments(date(2026, 3, 1), adapter=tieout.Preview())


def show(progress: tieout.Progress) -> None:
    assert_type(progress.number, str)
    assert_type(progress.light, tieout.Severity)


def pay(change: tieout.Change) -> tieout.Outcome | None:
    if isinstance(change.after, tieout.Settlement):
        assert_type(change.after.paid, Decimal)
        assert_type(change.after.paid_on, date | None)
    return None


def look(changes: Sequence[tieout.Change]) -> list[tieout.Settlement]:
    return [c.after for c in changes if isinstance(c.after, tieout.Settlement)]


one = plan.changes[0]
own = engine.plan_changes([one], verb="fees")
assert_type(own, tieout.Plan)
for effect, sums in own.effects.items():
    assert_type(effect, tieout.Effect)
    assert_type(sums["USD"], tieout.Money)
assert_type(own.calls[xero.connection], int)
for write in engine.parked():
    assert_type(write, tieout.Intent)
    assert_type(write.doubt, tieout.Doubt | None)
    assert_type(write.candidates, tuple[tieout.Ref, ...])
    engine.answer(write, tieout.Landed("4711"), by="ann")
    engine.answer(write.name, tieout.Reply.NOT_THERE)
assert_type(engine.audit(), list[tieout.Issue])
assert_type(tieout.mark_of("book:1", "Invoice", own.changes[0].source), str)

proof = engine.verify(date(2026, 1, 1), kinds=[tieout.Settlement], on_progress=show)
assert_type(proof, tieout.Certificate)
for found in proof.differences:
    assert_type(found.kind, tieout.DifferenceKind)
    assert_type(found.shifts[0].amounts, tieout.Amounts)
for balance in (*proof.totals, *proof.customers):
    assert_type(balance, tieout.Balance)
    assert_type(balance.difference.open, Decimal)
    assert_type(balance.customer, tieout.Ref | None)
assert_type((proof.ok, proof.complete, proof.unexplained), tuple[bool, bool, int])
assert_type((proof.verdict, proof.digest, proof.to_json()), tuple[str, str, str])
assert_type(proof.counts[tieout.DifferenceKind.POLICY], int)
proof.save("proof.jsonl")
assert_type(tieout.load_certificate("proof.jsonl").digest, str)

adapter: tieout.Adapter = tieout.Callbacks(update=pay, find=look)
engine.sync_payments(
    tieout.Since.PAST_WEEK, adapter=adapter, on_progress=show, stop=lambda: False
)

flow = xero.page(tieout.Settlement, tieout.Changed(datetime(2026, 3, 1, tzinfo=UTC)))
assert_type(flow, tieout.Flow[tieout.Page[tieout.Settlement]])
