"""The tie-out certificate: both sides read, compared line by line, and certified."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import tieout
import verify_oracle
from planted import plant
from tieout.errors import Code, ConfigError, Severity
from tieout.models import Part, Settlement, Status
from tieout.proof import explaining
from tieout.proof.certificate import Certificate, load_certificate
from tieout.proof.differences import DifferenceKind
from tieout.settings import Direction
from tieout.store import Ending, Event, Run
from worlds import DAY, TODAY, World, fails, loses_answer, meanwhile, unreached

IN_LEDGER = DifferenceKind.MISSING_IN_LEDGER
IN_BILLING = DifferenceKind.MISSING_IN_BILLING
ZERO = Decimal(0)


def verify(world: World, **arguments: Any) -> Certificate:
    """A verification, in a process of its own."""
    return world.engine().verify(**arguments)


def told(certificate: Certificate) -> list[tuple[str, str, str]]:
    """The differences: kind, number, field."""
    return [(d.kind.name, d.number, d.field) for d in certificate.differences]


def agreeing(invoices: int = 3) -> World:
    """A world whose payments were carried: one open, one paid in part, the rest paid."""
    world = World()
    for serial in range(invoices):
        paper, _ = world.both(f"I{serial}", 100)
        if serial:
            world.ledger.apply(paper, 40 if serial == 1 else 100)
    world.sync()
    return world


def gaps(certificate: Certificate) -> dict[str, dict[str, Decimal]]:
    """By currency, what of the sums differs."""
    return {
        each.currency: {name: by for name, by in each.difference.items() if by}
        for each in certificate.totals
    }


def explained(certificate: Certificate) -> dict[str, dict[str, Decimal]]:
    """By currency, what the differences come to."""
    moved: dict[str, dict[str, Decimal]] = {c.currency: {} for c in certificate.totals}
    for shift in (e for d in certificate.differences for e in d.shifts):
        sums = moved[shift.currency]
        for name, by in shift.amounts.items():
            sums[name] = sums.get(name, ZERO) + by
    return {c: {n: by for n, by in sums.items() if by} for c, sums in moved.items()}


def test_books_that_agree_are_certified() -> None:
    """Both sides come to the same, nothing differs, and nothing is written to either."""
    world = agreeing()
    calls, writes = len(world.calls.made), world.billing.writes
    certificate = verify(world)
    assert certificate.ok
    assert told(certificate) == []
    (total,) = certificate.totals
    assert total.currency == "USD"
    assert dict(total.billing.items()) == dict(total.ledger.items())
    assert dict(total.ledger.items()) == {
        "invoices": Decimal(300),
        "credits": ZERO,
        "payments": Decimal(140),
        "adjustments": ZERO,
        "open": Decimal(160),
    }
    assert world.billing.writes == writes
    assert not [each for each in world.calls.made[calls:] if "write" in each]
    assert "THE BOOKS AGREE" in str(certificate)


def missing_in_ledger(world: World) -> None:
    world.billing.add("X", 100)


def missing_in_billing(world: World) -> None:
    world.ledger.add("X", 100)


def void_in_ledger(world: World) -> None:
    paper, _ = world.both("X", 100)
    world.sync()
    world.ledger.void(paper)


def void_in_billing(world: World) -> None:
    _, bill = world.both("X", 100)
    world.sync()
    world.billing.edit(bill, status=Status.VOID)


def two_currencies(world: World) -> None:
    world.ledger.add("X", 100, currency="EUR")
    world.billing.add("X", 100)


def another_total(world: World) -> None:
    world.ledger.add("X", 110)
    world.billing.add("X", 100)


def another_payment(world: World) -> None:
    paper, _ = world.both("X", 100)
    world.ledger.apply(paper, 30)


def another_day(world: World) -> None:
    paper, bill = world.both("X", 100)
    world.ledger.apply(paper, 100, TODAY)
    world.billing.edit(bill, paid=Decimal(100), paid_on=TODAY + DAY)


@pytest.mark.parametrize(
    ("amiss", "difference", "by"),
    [
        (
            missing_in_ledger,
            ("MISSING_IN_LEDGER", ""),
            {"invoices": -100, "open": -100},
        ),
        (
            missing_in_billing,
            ("MISSING_IN_BILLING", ""),
            {"invoices": 100, "open": 100},
        ),
        (void_in_ledger, ("STATUS", "status"), {"invoices": -100, "open": -100}),
        (void_in_billing, ("STATUS", "status"), {"invoices": 100, "open": 100}),
        (another_total, ("AMOUNT", "total"), {"invoices": 10, "open": 10}),
        (another_payment, ("AMOUNT", "paid"), {"payments": 30, "open": -30}),
        (another_day, ("DATE", "paid_on"), {}),
    ],
)
def test_a_difference_is_found_and_nothing_else(
    amiss: Any, difference: tuple[str, str], by: dict[str, int]
) -> None:
    """Each is named once, and what it does to the sums is the difference of the sums."""
    world = agreeing()
    amiss(world)
    certificate = verify(world)
    kind, field = difference
    assert told(certificate) == [(kind, "X", field)]
    assert not certificate.ok
    assert gaps(certificate) == {"USD": by} == explained(certificate)


def test_amounts_of_two_currencies_are_not_compared() -> None:
    """What is in two currencies counts in each of them, on the side that has it so."""
    world = agreeing()
    two_currencies(world)
    certificate = verify(world)
    assert told(certificate) == [("CURRENCY", "X", "currency")]
    by = {"invoices": Decimal(100), "open": Decimal(100)}
    taken = {name: -amount for name, amount in by.items()}
    assert gaps(certificate) == {"EUR": by, "USD": taken} == explained(certificate)


def test_what_is_paid_otherwise_is_told_with_both_amounts() -> None:
    """A line says what each side shows, so that nobody has to look it up."""
    world = agreeing()
    another_payment(world)
    (found,) = verify(world).differences
    assert (found.in_billing, found.in_ledger) == ("0.00 USD", "30.00 USD")
    assert str(found) == "amount X: paid 0.00 USD in billing, 30.00 USD in the ledger"


# What is explained --------------------------------------------------------------------------


def test_a_write_that_is_not_settled_explains_what_differs() -> None:
    """In flight: the answer was lost, and nobody knows yet what came of it."""
    world = World()
    paper, _ = world.both("I1", 100)
    world.sync()
    world.ledger.apply(paper, 60)
    before = len(world.calls.made)
    world.sync()
    # The next run asks the same: it writes at the same call.
    made = world.calls.made[before:]
    world.calls.at(next(n for n, call in enumerate(made) if "write" in call), _never)
    world.ledger.apply(paper, 10)
    world.sync()
    certificate = verify(world)
    (found,) = certificate.differences
    assert (found.kind, found.code) == (DifferenceKind.IN_FLIGHT, Code.OUTCOME_UNKNOWN)
    assert certificate.ok
    world.clock.advance(timedelta(hours=1))
    world.sync()
    assert told(verify(world)) == []


def _never(run: Any) -> Any:
    """The call is not carried out, and its answer is lost."""
    return loses_answer(lambda: None)


def test_what_changes_while_both_sides_are_read_is_in_flight() -> None:
    """A payment that is carried in the middle of a verification is no difference."""
    world = agreeing()
    paper, _ = world.both("X", 100)

    def carried() -> None:
        world.ledger.apply(paper, 100)
        world.sync()

    # The ledger is read first, then billing: the payment comes in between.
    world.calls.at(1, meanwhile(carried))
    certificate = verify(world)
    assert told(certificate) == [("IN_FLIGHT", "X", "paid")]
    assert certificate.ok
    assert gaps(certificate) == explained(certificate)


def test_what_appears_while_both_sides_are_read_is_in_flight() -> None:
    """An invoice that reaches the ledger in the middle of a verification is not missing."""
    world = agreeing()
    world.billing.add("X", 100)
    world.calls.at(1, meanwhile(lambda: world.ledger.add("X", 100)))
    certificate = verify(world)
    assert told(certificate) == [("IN_FLIGHT", "X", "")]


def test_what_is_gone_by_now_is_in_flight() -> None:
    """A total that was corrected meanwhile does not differ any more; a day still does."""
    world = agreeing()
    another_day(world)
    another_total(world)
    world.ledger.edit("L5", number="Y")
    world.billing.edit("B5", number="Y")
    world.calls.at(2, meanwhile(lambda: world.ledger.edit("L5", total=Decimal(100))))
    kinds = {each.number: each.kind for each in verify(world).differences}
    assert kinds == {"X": DifferenceKind.DATE, "Y": DifferenceKind.IN_FLIGHT}


def test_what_vanishes_while_both_sides_are_read_is_in_flight() -> None:
    """What differed a moment ago, and is deleted by now, does not differ any more."""
    world = agreeing()
    another_total(world)
    world.calls.at(2, meanwhile(world.ledger.papers.popitem))
    assert told(verify(world)) == [("IN_FLIGHT", "X", "total")]


def test_only_so_many_are_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where thousands have no reason, it is not because they are moving."""
    monkeypatch.setattr(explaining, "AGAIN_MAX", 0)
    world = agreeing()
    world.billing.add("X", 100)
    world.calls.at(1, meanwhile(lambda: world.ledger.add("X", 100)))
    assert told(verify(world)) == [("MISSING_IN_LEDGER", "X", "")]


@pytest.mark.parametrize(
    ("amiss", "code", "ok"),
    [
        (another_total, Code.NUMBER_MEANS_ANOTHER_DOCUMENT, False),
        (missing_in_billing, Code.NOT_IN_BILLING, True),
    ],
)
def test_an_open_issue_explains_what_differs(amiss: Any, code: Code, ok: bool) -> None:
    """B39: what a run could not carry is on record; a red issue is no agreement."""
    world = agreeing()
    amiss(world)
    world.sync()
    certificate = verify(world)
    (found,) = certificate.differences
    assert (found.kind, found.code) == (DifferenceKind.OPEN_ISSUE, code)
    assert certificate.ok is ok
    assert certificate.unexplained == 0
    assert gaps(certificate) == explained(certificate)


def test_what_a_person_wants_left_alone_is_still_the_reason() -> None:
    """An issue that is ignored says why the two sides differ: somebody wants it so."""
    world = agreeing()
    another_total(world)
    world.sync()
    engine = world.engine()
    for row in list(engine.issues()):
        engine.ignore(row)
    certificate = verify(world)
    (found,) = certificate.differences
    assert (found.kind, found.field) == (DifferenceKind.POLICY, "total")
    assert found.text.startswith("A person wants it left alone: ")
    assert certificate.ok


@pytest.mark.parametrize(
    ("pieces", "options", "rules", "by", "code"),
    [
        ([(120, Part.CASH)], {}, {}, {"payments": 20, "open": -20}, Code.OVERPAID),
        (
            [(90, Part.CASH), (10, Part.WRITE_OFF)],
            {},
            {},
            {"adjustments": 10, "open": -10},
            Code.WRITTEN_OFF,
        ),
        (
            [(40, Part.CASH)],
            {"partial": False},
            {},
            {"payments": 40, "open": -40},
            Code.PARTIAL_NOT_HELD,
        ),
        (
            [(99, Part.CASH)],
            {},
            {"tolerance": {"USD": Decimal(1)}},
            {"payments": -1, "open": 1},
            Code.WITHIN_TOLERANCE,
        ),
        ([(70, Part.CREDIT)], {}, {}, {"payments": -70, "credits": 70}, None),
        (
            [(30, Part.CASH), (70, Part.CREDIT)],
            {},
            {"paid_amount": "cash"},
            {"credits": 70, "open": -70},
            None,
        ),
    ],
)
def test_what_the_rules_want_is_policy(
    pieces: Iterable[tuple[int, Part]],
    options: dict[str, Any],
    rules: dict[str, Any],
    by: dict[str, int],
    code: Code | None,
) -> None:
    """Billing shows what it should, and the certificate says why that is not the same."""
    world = World(billing=options, settings=tieout.Settings(**rules))
    paper, _ = world.both("I1", 100)
    for amount, how in pieces:
        world.ledger.apply(paper, amount, how=how)
    world.sync()
    certificate = verify(world)
    (found,) = certificate.differences
    assert (found.kind, found.code) == (DifferenceKind.POLICY, code)
    assert certificate.ok
    assert gaps(certificate) == {"USD": by} == explained(certificate)
    assert found.text


def test_a_total_within_the_tolerance_is_policy() -> None:
    """Two totals that count as one are still told apart in the sums."""
    rules = tieout.Settings(tolerance={"USD": Decimal("0.05")})
    world = World(settings=rules)
    world.ledger.add("I1", "100.03")
    world.billing.add("I1", 100)
    (found,) = verify(world).differences
    assert (found.kind, found.field) == (DifferenceKind.POLICY, "total")


def test_a_draft_is_not_carried_yet() -> None:
    """What the ledger has not posted is no difference that anybody has to mend."""
    world = agreeing()
    paper, _ = world.both("X", 100)
    world.ledger.edit(paper, status=Status.DRAFT)
    assert told(verify(world)) == [("POLICY", "X", "status")]


# Who is who ---------------------------------------------------------------------------------


def test_a_number_that_several_have_is_never_guessed() -> None:
    """B44: each of them stands alone, and the line says how many there are."""
    world = agreeing()
    world.ledger.add("X", 100)
    world.billing.add("X", 100)
    world.billing.add("X", 100)
    found = list(verify(world).differences)
    assert Counter(each.kind for each in found) == {IN_LEDGER: 2, IN_BILLING: 1}
    assert {each.code for each in found} == {Code.AMBIGUOUS_NUMBER}


def test_a_reference_names_the_billing_invoice() -> None:
    """A ledger that numbers by itself is paired by the reference that it keeps."""
    world = agreeing()
    world.ledger.add("9001", 100, reference="X")
    world.billing.add("X", 100)
    world.ledger.add("9002", 100, reference="no such number")
    assert told(verify(world)) == [("MISSING_IN_BILLING", "9002", "")]


def test_a_tie_holds_whatever_the_numbers_are() -> None:
    """Renumbered on one side, it is the same invoice still; gone, it is missing."""
    world = agreeing()
    world.ledger.edit("L2", number="other")
    assert told(verify(world)) == []
    del world.ledger.papers["L3"]
    (found,) = verify(world).differences
    assert (found.kind, found.number) == (IN_LEDGER, "I2")
    assert "tied to a document that is not there" in found.text


def test_one_that_is_void_on_both_sides_or_on_none_that_counts_is_no_difference() -> (
    None
):
    """What does not count is not counted, and nobody misses it."""
    world = agreeing()
    world.ledger.void(world.ledger.add("A", 100))
    world.billing.add("B", 100, status=Status.VOID)
    world.ledger.void(world.ledger.add("C", 100))
    world.billing.add("C", 100, status=Status.VOID)
    assert told(verify(world)) == []


def test_a_voided_one_beside_a_live_one_of_its_number_is_passed_over() -> None:
    """A number that was used again means the document that is live."""
    world = agreeing()
    world.ledger.void(world.ledger.add("X", 70))
    world.both("X", 100)
    assert told(verify(world)) == []


# What cannot be known -----------------------------------------------------------------------


def test_what_cannot_be_read_is_told_and_the_books_are_not_called_equal() -> None:
    """A bad amount explains the difference; what nobody knows is not certified."""
    world = agreeing()
    world.billing.edit("B2", bad=True)
    certificate = verify(world)
    (found,) = certificate.differences
    assert (found.kind, found.code) == (DifferenceKind.OPEN_ISSUE, Code.BAD_AMOUNT)
    assert not certificate.ok
    assert "could not be read" in str(certificate)
    assert gaps(certificate) == explained(certificate)


def test_a_reading_that_breaks_off_certifies_nothing() -> None:
    """The certificate says why, has no sums, and the run is on record as failed."""
    world = agreeing()
    world.calls.at(1, fails(unreached()))
    certificate = verify(world)
    assert not certificate.complete
    assert not certificate.ok
    assert certificate.scope.code is Code.NOT_REACHED
    assert certificate.totals == ()
    assert "NOT COMPLETE" in str(certificate)
    assert runs(world)[-1].ending is Ending.FAILED


def test_a_verification_can_be_stopped() -> None:
    """It ends between two pages, and certifies nothing."""
    world = agreeing()
    certificate = verify(world, stop=lambda: True)
    assert certificate.scope.ended_early == "it was stopped"
    assert runs(world)[-1].ending is Ending.STOPPED


def test_a_callers_own_mistake_is_on_record_too() -> None:
    """A callback that raises ends the verification, and the run says that it failed."""
    world = agreeing()

    def broken(_: tieout.Progress) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        verify(world, on_progress=broken)
    assert runs(world)[-1].ending is Ending.FAILED
    assert runs(world)[-1].text == "ValueError"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"kinds": [tieout.Customer]}, "Customer cannot be verified"),
        ({"kinds": ["Invoice"]}, "Invoice cannot be verified"),
        ({"first": TODAY, "last": TODAY - DAY}, "before it begins"),
        ({"first": TODAY}, "by their dates: leave first= and last= out"),
        ({"kinds": [tieout.Payment]}, "cannot list Payment records"),
    ],
)
def test_what_cannot_be_verified_is_refused_before_anything_is_read(
    arguments: dict[str, Any], said: str
) -> None:
    """The refusal names the kind or the range, and what to do."""
    world = agreeing()
    before = len(world.calls.made), len(runs(world))
    with pytest.raises(ConfigError, match=said):
        verify(world, **arguments)
    assert (len(world.calls.made), len(runs(world))) == before


def test_settings_that_carry_no_money_name_nothing_to_verify() -> None:
    """Without levels and documents there is nothing to compare unless it is named."""
    off = tieout.Settings(directions={Settlement: Direction.OFF})
    world = agreeing()
    with pytest.raises(ConfigError, match="give kinds="):
        world.engine(settings=off).verify()


# What is left on record ---------------------------------------------------------------------


def runs(world: World) -> list[Run]:
    """The verifications on record, the newest last."""
    value = f"{world.engine().pair}\x1fverify"
    return sorted(world.store.find(Run, "pair", value), key=lambda run: run.started_at)


def test_nothing_is_remembered_but_the_run_and_its_events() -> None:
    """Links, intents and issues stay as they are; what was found is in the event log."""
    world = agreeing()
    another_payment(world)
    kept = world.store
    assert isinstance(kept, tieout.MemoryStore)
    before = {name: dict(facts) for name, facts in kept._facts.items()}
    certificate = verify(world)
    after = kept._facts
    changed = {name for name, facts in after.items() if facts != before[name]}
    assert changed == {"run", "event"}
    (run,) = runs(world)
    assert (run.id, run.ending) == (certificate.run, Ending.DONE)
    assert run.counts == {"compared": 4, "amount": 1}
    assert certificate.digest in run.text
    events = kept.find(Event, "run", run.id)
    assert [each.what for each in events] == ["verified", "difference"]
    (told_,) = world.engine().events(number="X")
    assert told_.text == str(next(certificate.differences))
    assert [each.verb for each in world.engine().runs()] == ["payments", "verify"]
    assert told_ in list(world.engine().events())


def test_a_verification_is_not_the_last_run_of_anything() -> None:
    """It carries nothing: one that broke off is no reason why a record is not there."""
    world = agreeing()
    before = world.engine().last_runs()
    world.calls.at(1, fails(unreached()))
    assert not verify(world).complete
    assert world.engine().last_runs() == before
    assert "verif" not in str(world.engine().why("I1")).lower()


def test_a_connection_that_was_ended_is_not_read() -> None:
    """Nothing is asked of it any more, also where it is ended in the middle."""
    world = agreeing()
    engine = world.engine()
    world.calls.at(1, meanwhile(lambda: engine.disconnect("shop:billing")))
    for certificate in (engine.verify(), engine.verify()):
        assert certificate.scope.code is Code.DISCONNECTED
        assert "was disconnected by" in certificate.verdict
        assert certificate.totals == ()


def test_each_difference_is_told_as_it_is_found() -> None:
    """A caller sees how far the reading is, and every line with its light."""
    world = agreeing()
    another_payment(world)
    steps: list[tieout.Progress] = []
    verify(world, on_progress=steps.append)
    assert [each.what for each in steps] == ["read", "read", "amount"]
    assert steps[-1].light is Severity.RED
    assert steps[-1].number == "X"


def test_the_digest_is_that_of_what_is_said_whatever_the_paging() -> None:
    """The same books at the same time give the same certificate, line by line."""
    lines = []
    for size in (1, 2, 100):
        world = agreeing(5)
        another_total(world)
        world.ledger.page_size = size
        lines.append(list(verify(world).lines()))
    assert lines[0] == lines[1] == lines[2]


def test_hostile_names_come_out_harmless() -> None:
    """Control characters and reversed text are escaped where people read them."""
    world = World()
    world.ledger.add("I\u202e1\x1b[31m", 100)
    certificate = verify(world)
    assert "\u202e" not in str(certificate)
    assert "\x1b" not in str(certificate)
    assert r"\u202e" in str(certificate)


# Many ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_all_planted_differences_are_found_and_no_others(
    tmp_path: Path, seed: int
) -> None:
    """Ten kinds among 2,500 invoices a side; a script that shares no code agrees."""
    planted = plant(tmp_path, 2_500, 12, seed)
    with planted.engine() as engine:
        certificate = engine.verify()
    found = {each.number: each.kind.name for each in certificate.differences}
    assert found == planted.kinds
    assert sum(certificate.counts.values()) == len(planted.kinds)
    certificate.save(tmp_path / "certificate")
    agreed = verify_oracle.certified(tmp_path / "certificate")
    assert agreed == verify_oracle.found(tmp_path)
    assert gaps(certificate) == explained(certificate)
    by_customer: Counter[tuple[str, str]] = Counter()
    for each in certificate.customers:
        by_customer[each.currency, "billing"] += int(each.billing.open * 100)
        by_customer[each.currency, "ledger"] += int(each.ledger.open * 100)
    for total in certificate.totals:
        assert by_customer[total.currency, "billing"] == total.billing.open * 100
        assert by_customer[total.currency, "ledger"] == total.ledger.open * 100


def test_the_oracle_can_disagree(tmp_path: Path) -> None:
    """One amount that is changed after the certificate was made is seen by the script."""
    with plant(tmp_path, 300, 2).engine() as engine:
        engine.verify().save(tmp_path / "certificate")
    assert load_certificate(tmp_path / "certificate").counts[IN_LEDGER] == 2
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as file, file:
        sql = "UPDATE invoices SET total = total + 1 WHERE number = 'INV-000001'"
        assert file.execute(sql).rowcount == 1
    agreed = verify_oracle.certified(tmp_path / "certificate")
    assert agreed != verify_oracle.found(tmp_path)


def test_a_certificate_is_read_by_programs_and_read_again(tmp_path: Path) -> None:
    """Each line is JSON; a file that was saved says what the certificate said."""
    world = agreeing()
    another_payment(world)
    certificate = verify(world)
    rows = [json.loads(line) for line in certificate.lines()]
    what = ["certificate", "total", "customer", "difference", "end"]
    assert [row["is"] for row in rows] == what
    certificate.save(tmp_path / "c")
    loaded = load_certificate(tmp_path / "c")
    assert evolve(loaded, run=certificate.run) == certificate
    assert list(loaded.differences) == list(certificate.differences)
    assert list(loaded.customers) == list(certificate.customers)
    assert loaded.scope.began_at.date() == date(2026, 3, 20)
