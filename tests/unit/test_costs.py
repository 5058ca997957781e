"""What a plan will cost in calls, compared with what applying it really costs."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import evolve
from doubles import BASE, Desk, SetClock, Wire, level
from mixed import BOOK, CREATE, EXPONENTS, SHOP, credit_note, invoice, mixed

import tieout
from tieout.adapters import PlanFile, Preview
from tieout.auth import Headers
from tieout.capabilities import (
    Capabilities,
    Changed,
    Cost,
    Kind,
    Mark,
    Payments,
    Select,
    Updates,
    Verb,
)
from tieout.change import Action, Change, Outcome, change_name
from tieout.cli import Screen
from tieout.connector import Page
from tieout.connectors.xero import Xero
from tieout.costs import LevelCost, Side, of_documents
from tieout.documents import in_steps
from tieout.engine import Engine
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    Posting,
    R,
    Record,
    RecordType,
    Ref,
    Settlement,
    fingerprint,
)
from tieout.plan import Claim, Plan, load, save, table
from tieout.protocol import batches
from tieout.report import Report
from tieout.settings import EXACT, NumberRule
from tieout.testing import demo
from tieout.testing.fakes.xero import FakeXero
from tieout.wire import Flow, Request, Response, Transport

ALL = frozenset(Verb)


def able(fetch: int, batch: int, *, searched: bool, **more: Any) -> Capabilities:
    """Every kind, in sizes that have nothing to do with each other."""
    whole = Kind(ALL, fetch_size=fetch, batch_size=batch)
    mark = Mark("reference") if searched else None
    kinds: dict[RecordType, Kind] = {
        Customer: evolve(whole, mark=mark, write_calls=2),
        Invoice: evolve(whole, mark=mark, page_calls=2),
        CreditNote: evolve(whole, mark=Mark("text", searchable=False)),
        Payment: evolve(whole, batch_size=1, write_calls=3),
        Application: evolve(whole, fetch_alone=True, batch_size=1),
        Posting: evolve(whole, batch_size=batch + 1, page_calls=3),
        Settlement: Kind(
            frozenset({Verb.READ, Verb.UPDATE}),
            frozenset({Changed}),
            updates=Updates.SPARSE,
            number_unique=bool(more.pop("number_unique", True)),
            fetch_size=fetch,
            batch_size=batch,
            write_calls=2,
            stable_order=True,
        ),
    }
    return Capabilities("Metered", kinds, **more)


class Metered(Desk):
    """A system in memory that asks its wire as often as it declares."""

    def __init__(self, connection: str, can: Capabilities, *levels: Settlement) -> None:
        super().__init__(connection, *levels, capabilities=can)
        self.auth = Headers(BASE, {})
        self.documents: dict[tuple[RecordType, str], Record] = {}
        self.made = 0

    def _asked(self, times: int, *, effect: bool = False) -> Flow[None]:
        for left in reversed(range(times)):
            yield Request("POST", "rows", effect=effect and not left)

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        yield from self._asked(1)
        return (yield from super().page(kind, select, cursor))

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        able = self.capabilities.kind(kind)
        assert 0 < len(ids) + len(numbers) <= able.fetch_size
        searches = len(ids) + len(numbers) if able.fetch_alone else 1
        yield from self._asked(searches * able.page_calls)
        if kind is not Settlement:
            found = [self.documents.get((kind, each)) for each in ids]
            return cast(Page[R], Page(tuple(filter(None, found))))
        page = yield from super().fetch(kind, ids=ids, numbers=numbers)
        if self.capabilities.payments.detail is Cost.CALL_EACH:
            yield from self._asked(len(page.records))
        return page

    def find(self, changes: Sequence[Change]) -> Flow[Page[Record]]:
        (kind,) = {each.kind for each in changes}
        yield from self._asked(self.capabilities.kind(kind).page_calls)
        return Page()

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        (kind,) = {each.kind for each in changes}
        able = self.capabilities.kind(kind)
        assert len(changes) <= able.batch_size
        yield from self._asked(able.write_calls, effect=True)
        if kind is Settlement:
            return (yield from super().write(changes))
        return tuple(map(self._done, changes))

    def _done(self, change: Change) -> Outcome:
        self.made += 1
        made = Ref(self.connection, change.kind.__name__, f"m{self.made}")
        return Outcome.applied(change, ref=change.target or made)


def engine_of(shop: Metered, book: Metered, **more: Any) -> Engine:
    wire = Wire(last=Response(200, (), b"{}"))
    return Engine(billing=shop, ledger=book, transport=wire, clock=SetClock(), **more)


def spent(report: tieout.Report) -> dict[str, int]:
    """The calls of a run by connection."""
    sides = {SHOP: report.traffic["billing"], BOOK: report.traffic["ledger"]}
    return {name: side.calls for name, side in sides.items() if side.calls}


def pair(*, concurrency: int = 1) -> tuple[Metered, Metered]:
    return (
        Metered(SHOP, able(30, 4, searched=False)),
        Metered(BOOK, able(70, 9, searched=True, concurrency=concurrency)),
    )


# A thousand mixed changes ---------------------------------------------------------------


def test_a_plan_of_a_thousand_mixed_changes_can_be_read(tmp_path: Path) -> None:
    """B41, B74, B164: groups, sums and calls, in lines that fit; also from a file."""
    shop, book = pair()
    all_kinds = mixed()
    plan = engine_of(shop, book).plan_changes(all_kinds.changes)
    lines = str(plan).splitlines()
    assert max(map(len, lines)) <= 120
    assert all(line.isprintable() for line in lines)
    titles = [line for line in lines if " to " in line and line.endswith(")")]
    assert len(titles) == 38  # nineteen kinds and actions, both ways
    assert titles[0] == "Customers to create in book:1 (42)"
    assert titles[-1] == "Paid amounts to update in shop:1 (11)"
    assert len(lines) < 38 * 23 + 40
    full = list(table(plan, rows=None))
    assert max(map(len, full)) <= 120
    assert sum(line.startswith(("+ ", "~ ", "- ")) for line in full) == 1000
    path = tmp_path / "plan.jsonl"
    save(plan, path)
    back = load(path)
    assert back == plan
    assert list(table(back)) == lines
    assert list(table(back, rows=None)) == full


def test_the_sums_of_a_thousand_mixed_changes_are_exact() -> None:
    """B41: what each effect comes to, against whole numbers of minor units."""
    all_kinds = mixed()
    effects = Plan(tuple(all_kinds.changes)).effects
    told = {
        (effect.value, currency): money.amount.scaleb(EXPONENTS[currency])
        for effect, sums in effects.items()
        for currency, money in sums.items()
    }
    assert told == all_kinds.sums
    assert {currency for _, currency in told} == set(EXPONENTS)
    assert len({effect for effect, _ in told}) == len(tieout.Effect)


def test_the_calls_of_a_thousand_mixed_changes_follow_the_declared_formulas() -> None:
    """What is read again, looked for and written, batch by batch, added up by hand."""
    shop, book = pair()
    sides = {SHOP: shop.capabilities, BOOK: book.capabilities}
    changes = mixed().changes
    waiting = {each.depends_on[0]: each for each in changes if each.depends_on}
    first = [each for each in changes if not each.depends_on]
    total: Counter[str] = Counter()
    for step in (first, [each for each in changes if each in waiting.values()]):
        for read in batches(step, 200):
            asked = {(r, c.kind) for c in read for r in (c.source, c.target) if r}
            for name, kind in sorted({(r.connection, k) for r, k in asked}, key=str):
                ids = [r for r, k in asked if (r.connection, k) == (name, kind)]
                total[name] += sides[name].fetch_calls(kind, len(ids))
            for sent in batches(read, 10 * 8):
                for name, kind in {(c.connection, c.kind) for c in sent}:
                    here = [c for c in sent if (c.connection, c.kind) == (name, kind)]
                    total[name] += sides[name].write_calls(kind, len(here))
                    made = [c for c in here if c.action is CREATE and c.mark]
                    if name == BOOK and kind in (Customer, Invoice):
                        total[name] += sides[name].fetch_calls(kind, len(made))
    assert engine_of(shop, book).plan_changes(changes).calls == total


def done(report: Report) -> int:
    """How many changes were carried out."""
    return sum(report.counts[word] for word in ("created", "updated", "voided"))


@pytest.mark.parametrize("concurrency", [1, 3])
def test_applying_it_costs_the_calls_that_were_told(concurrency: int) -> None:
    """All of them are carried, with exactly so many calls on both wires."""
    shop, book = pair(concurrency=concurrency)
    documents = mixed(levels=False)
    for (connection, kind, key), record in documents.records.items():
        side = {SHOP: shop, BOOK: book}[connection]
        side.documents[kind, key] = record
    engine = engine_of(shop, book)
    plan = engine.plan_changes(documents.changes)
    report = engine.apply(plan)
    assert {*map(str, report.issues)} == set()
    assert done(report) == 1000
    assert spent(report) == plan.calls
    assert report.traffic["ledger"].writes < 1000


@pytest.mark.parametrize("from_file", [False, True])
def test_a_saved_plan_costs_what_was_told_when_it_was_made(
    tmp_path: Path, *, from_file: bool
) -> None:
    """It is carried in the order in which it was given, also from a file."""
    shop, book = pair()
    documents = mixed(400, levels=False)
    for (connection, kind, key), record in documents.records.items():
        {SHOP: shop, BOOK: book}[connection].documents[kind, key] = record
    engine = engine_of(shop, book)
    plan = engine.plan_changes(documents.changes)
    if from_file:
        save(plan, tmp_path / "plan.jsonl")
        plan = load(tmp_path / "plan.jsonl")
    assert spent(engine.apply(plan)) == plan.calls


# What costs nothing ---------------------------------------------------------------------


def one(kind: RecordType, **more: Any) -> Change:
    """The first change of a kind."""
    found = next(each for each in mixed(40).changes if each.kind is kind)
    return evolve(found, **{"depends_on": (), **more})


def costs(change: Change, shop: Capabilities, book: Capabilities) -> dict[str, int]:
    return of_documents([change], (Side(SHOP, shop), Side(BOOK, book)), 80)


PLAIN = able(30, 4, searched=False)


def test_each_part_of_the_cost_is_counted_once() -> None:
    """Read on both sides, looked for, written; what needs nothing is only read."""
    searched = able(30, 4, searched=True)
    made = one(Invoice, mark="TO-1")
    assert made.target is None
    assert costs(made, PLAIN, PLAIN) == {SHOP: 2, BOOK: 1}
    assert costs(made, PLAIN, searched) == {SHOP: 2, BOOK: 1 + 2}
    assert costs(evolve(made, mark=""), PLAIN, searched) == {SHOP: 2, BOOK: 1}
    target = Ref(BOOK, "Invoice", "t")
    kept = evolve(made, action=Action.KEEP, target=target)
    assert costs(kept, PLAIN, searched) == {SHOP: 2, BOOK: 2}
    voided = evolve(made, action=Action.VOID, target=target)
    assert costs(voided, PLAIN, searched) == {SHOP: 2, BOOK: 2 + 1}


def test_what_will_be_refused_is_not_counted_as_written() -> None:
    """Neither what a system cannot do, nor a connection that is none of the pair."""
    made = one(Invoice)
    unable = evolve(PLAIN, kinds={Invoice: Kind(frozenset({Verb.READ}))})
    assert costs(made, PLAIN, unable) == {SHOP: 2}
    stranger = evolve(made, connection="else:1", target=Ref("else:1", "Invoice", "1"))
    assert costs(stranger, PLAIN, PLAIN) == {SHOP: 2}
    blind = evolve(PLAIN, kinds={})
    assert costs(made, blind, PLAIN) == {BOOK: 1}
    assert costs(made, blind, blind) == {}


def test_reading_is_free_where_it_is_declared_to_be() -> None:
    """A table of the host's own: only writes are counted."""
    free = evolve(able(30, 4, searched=True), free_reads=True)
    assert costs(one(Invoice, mark="TO-1"), free, free) == {BOOK: 1}


def test_what_waits_for_itself_is_never_carried_and_costs_nothing() -> None:
    """A circle of two is in no step; what stands outside of it is."""
    first = one(Invoice)
    a = evolve(first, name="a", depends_on=("b",))
    b = evolve(first, name="b", depends_on=("a",))
    c = evolve(first, name="c", depends_on=("gone",))
    steps = [[each.name for each in step] for step in in_steps([a, b, c])]
    assert steps == [["c"]]
    assert costs(a, PLAIN, PLAIN) == {
        SHOP: 2,
        BOOK: 1,
    }  # without b it waits for nothing
    assert of_documents([a, b], (Side(SHOP, PLAIN), Side(BOOK, PLAIN)), 80) == {}


# Levels ---------------------------------------------------------------------------------


def levels(count: int, connection: str, **more: Any) -> list[Settlement]:
    return [level(str(n), connection=connection, **more) for n in range(count)]


def books(
    changed: int, kept: int, *, reference: str = "", **more: Any
) -> tuple[Metered, Metered]:
    """So many levels that billing does not show, and so many that it does."""
    paid = levels(changed + kept, BOOK, paid="60", reference=reference)
    shown = [
        evolve(each, ref=Ref(SHOP, "Invoice", f"b{n}"))
        for n, each in enumerate(levels(changed, SHOP))
    ] + [
        evolve(each, ref=Ref(SHOP, "Invoice", f"b{each.ref.id}"))
        for each in paid[changed:]
    ]
    detail = Payments(detail=more.pop("detail", Cost.IN_THE_LIST))
    return (
        Metered(SHOP, able(30, 4, searched=False, payments=detail), *shown),
        Metered(BOOK, able(70, 9, searched=True, **more), *paid),
    )


@pytest.mark.parametrize(
    ("changed", "kept", "more"),
    [
        (450, 0, {}),
        (1, 0, {}),
        (200, 0, {"detail": Cost.CALL_EACH}),
        (230, 410, {}),
        (0, 71, {"detail": Cost.CALL_EACH}),
        (3, 150, {"number_unique": False}),
        (0, 0, {}),
    ],
)
def test_a_plan_of_payments_costs_the_calls_that_were_told(
    changed: int, kept: int, more: dict[str, Any]
) -> None:
    """Both sides again, each level written, and what agrees compared and tied."""
    shop, book = books(changed, kept, **more)
    engine = engine_of(shop, book)
    plan = engine.plan_payments(date(2026, 1, 1))
    assert (len(plan.changes), plan.kept) == (changed, kept)
    assert plan.complete
    report = engine.apply(plan)
    assert done(report) == changed
    assert spent(report) == plan.calls


def test_where_some_have_a_reference_the_figure_is_an_upper_bound() -> None:
    """Billing is asked for references too, where there are any."""
    shop, book = books(0, 100)
    first = book.records["0"]
    book.put(evolve(first, reference="PO-1"))
    engine = engine_of(shop, book)
    plan = engine.plan_payments(date(2026, 1, 1))
    told, report = plan.calls, engine.apply(plan)
    assert spent(report)[BOOK] == told[BOOK]
    assert spent(report)[SHOP] < told[SHOP] <= 2 * spent(report)[SHOP]


@pytest.mark.parametrize("page", [7, 100, 500])
def test_pages_add_up_to_the_plan(tmp_path: Path, page: int) -> None:
    """A streamed plan has the same figure as one that was collected, in any paging."""
    shop, book = books(230, 110)
    shop.page_size = book.page_size = page
    engine = engine_of(shop, book)
    collected = engine.plan_payments(date(2026, 1, 1))
    file = PlanFile(tmp_path / "plan.jsonl")
    engine.sync_payments(date(2026, 1, 1), adapter=file)
    back = file.read()
    assert back.calls == collected.calls
    assert (back.kept, back.skipped) == (collected.kept, collected.skipped)
    assert str(back) == str(collected)
    out = io.StringIO()
    engine.sync_payments(date(2026, 1, 1), adapter=Preview(out))
    shown = out.getvalue().splitlines()
    assert str(collected).splitlines()[-1] in shown
    assert "  paid amounts risen  13,800.00 EUR" in shown
    again = io.StringIO()
    engine.apply(back, adapter=Preview(again))
    assert str(collected).splitlines()[-1] in again.getvalue().splitlines()


def test_spellings_of_numbers_are_counted() -> None:
    """A rule by which billing may write a number otherwise asks for more of them."""
    rule = NumberRule(prefix="INV-")
    sides = (
        Side(SHOP, PLAIN),
        Side(BOOK, able(70, 9, searched=False, number_unique=False)),
    )
    (record,) = levels(1, BOOK)
    kept = Plan(same=((record, record, None, ""),), claims=(CLAIM,))
    exact, lax = (LevelCost(*sides, rule=each, wave=8) for each in (EXACT, rule))
    for cost in (exact, lax):
        cost.add(kept)
    assert (exact.asked, exact.rivals) == (1, 1)
    assert (lax.asked, lax.rivals) == (2, 2)


CLAIM = Claim("b0", Ref(BOOK, "Invoice", "0"), "INV-0", "", kept=True)


# Real connectors ------------------------------------------------------------------------


def test_the_figure_holds_for_xero_and_connectwise() -> None:
    """Against their servers' doubles it is an upper bound, by less than the double."""
    with demo.opened(Screen(io.StringIO())) as opened:
        plan = opened.engine.plan_payments(demo.FIRST_DAY)
        nothing = evolve(plan, changes=(), claims=(), issues=())
        opened.engine.apply(nothing)  # signs in, and asks whose books these are
        report = opened.engine.apply(plan)
        names = opened.engine.pair.split("\x1f")
    for name, side in zip(names, ("billing", "ledger"), strict=True):
        assert 0 < report.traffic[side].calls <= plan.calls[name]
        assert plan.calls[name] < 2 * report.traffic[side].calls + 2


def test_the_figure_is_exact_for_documents_in_xero() -> None:
    """Looked for by number or reference, made in batches, voided: each as declared."""
    fake = FakeXero(calls_per_minute=None, calls_per_day=None)
    ledger = Xero(
        tenant_id=fake.tenant,
        client_id="client",
        client_secret="secret",
        refresh_token=fake.refresh_token,
        account="200",
        per_minute=1000,
    )
    shop = Metered(SHOP, PLAIN)
    wires: dict[str, Transport] = {
        SHOP: Wire(last=Response(200, (), b"{}")),
        ledger.connection: fake,
    }
    engine = Engine(billing=shop, ledger=ledger, transport=wires, clock=SetClock())
    engine.apply(engine.plan_changes([]))  # signs in, and asks whose books these are
    whom = Ref(ledger.connection, "Customer", fake.add_contact("Alder & Sons"))
    changes: list[Change] = []
    for n in range(130):
        kind = CreditNote if n % 3 == 0 else Invoice
        make = credit_note if n % 3 == 0 else invoice
        source = make(Ref(SHOP, kind.__name__, f"s{n}"), n, 100 + n, "USD")
        shop.documents[kind, source.ref.id] = source
        number = source.number
        name = change_name(ledger.connection, kind.__name__, source.ref, 0, CREATE, 0)
        after = evolve(
            source, ref=Ref(ledger.connection, kind.__name__, ""), customer=whom
        )
        wanted = Change(name, CREATE, kind, ledger.connection, source.ref, after=after)
        changes.append(
            evolve(wanted, number=number, mark=number, agreed=fingerprint(source))
        )
    plan = engine.plan_changes(changes)
    report = engine.apply(plan)
    assert ([*map(str, report.issues)], done(report)) == ([], 130)
    assert report.traffic["ledger"].calls == plan.calls[ledger.connection]
    assert report.traffic["billing"].calls == plan.calls[SHOP]
