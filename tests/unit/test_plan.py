"""Plans: joining pages, showing, saving and loading."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from doubles import change, level

from tieout.change import Action, Issue
from tieout.effects import Effect
from tieout.errors import Code, ConfigError
from tieout.models import Customer, Ref
from tieout.money import Money
from tieout.plan import (
    FORMAT,
    Claim,
    Header,
    Plan,
    Seal,
    clashes,
    header_line,
    issue_key,
    join,
    load,
    save,
    table,
)

HEADER = Header(
    "p",
    "billing:1",
    "ledger:1",
    "payments",
    "rules",
    "past week",
    datetime(2026, 3, 10, tzinfo=UTC),
)
MISSING = Issue(Code.NOT_IN_BILLING, level("9").ref, ("INV-9",))


def claim(billing: str, ledger: str, *, kept: bool = False) -> Claim:
    return Claim(
        billing, level(ledger).ref, f"INV-{ledger}", f"basis-{ledger}", kept=kept
    )


PAGES = [
    Plan((change("2"), change("1")), (MISSING,), kept=3, skipped=1),
    Plan((change("3", paid="100"),), kept=4),
    Plan((), (Issue(Code.BAD_FIELD, text="row 7"),), skipped=2),
]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_joined_plan_is_the_same_whatever_the_paging(order: tuple[int, ...]) -> None:
    """C4: one order, one digest."""
    plan = join([PAGES[n] for n in order], HEADER)
    assert [each.source.id for each in plan.changes] == ["1", "2", "3"]
    assert (plan.kept, plan.skipped, len(plan.issues)) == (7, 3, 2)
    assert plan.header == HEADER
    assert plan.digest == join(PAGES).digest


def test_a_record_that_two_pages_name_is_in_the_plan_once() -> None:
    """P8: a page may return a record twice."""
    plan = join([Plan((change("1"),), (MISSING,)), Plan((change("1"),), (MISSING,))])
    assert len(plan.changes) == 1
    assert len(plan.issues) == 1


def test_records_that_claim_one_invoice_on_two_pages_are_not_carried() -> None:
    """D13: neither is guessed to be the right one, and both are named."""
    pages = [
        Plan((change("1"), change("3")), claims=(claim("b1", "1"), claim("b3", "3"))),
        Plan((change("2"),), claims=(claim("b1", "2"),)),
    ]
    plan = join(pages)
    assert [each.source.id for each in plan.changes] == ["3"]
    assert [each.code for each in plan.issues] == [Code.ALREADY_LINKED] * 2
    assert "2" in plan.issues[0].text
    assert "1" in plan.issues[1].text
    assert plan.issues[0].basis == "basis-1"


def test_a_record_that_needs_nothing_may_be_a_rival_too() -> None:
    """D13: it was counted as kept on its page, and is an issue after all."""
    pages = [
        Plan(kept=1, claims=(claim("b1", "1", kept=True),)),
        Plan((change("2"),), claims=(claim("b1", "2"),)),
    ]
    plan = join(pages)
    assert plan.changes == ()
    assert plan.kept == 0
    assert {each.source.id for each in plan.issues if each.source} == {"1", "2"}


def test_the_same_claim_twice_is_no_clash() -> None:
    """P8: a record that came on two pages claims its invoice once."""
    assert clashes([claim("b1", "1"), claim("b1", "1")]) == {}
    assert clashes([]) == {}
    three = clashes([claim("b1", "1"), claim("b1", "2"), claim("b1", "3")])
    assert sorted(three) == ["1", "2", "3"]
    assert "1, 3" in three["2"].text


def test_issues_are_told_apart_by_record_and_notes_by_code() -> None:
    """One blocking issue a record; of notes one a code."""
    note = evolve(MISSING, blocking=False)
    keys = {
        issue_key(each)
        for each in (
            MISSING,
            evolve(MISSING, code=Code.TOTAL_DIFFERS),
            note,
            evolve(note, code=Code.OVERPAID),
            Issue(Code.BAD_FIELD, text="a"),
            Issue(Code.BAD_FIELD, text="b"),
        )
    }
    assert len(keys) == 5


def test_a_plan_counts_and_sums_up() -> None:
    """B41: by action, and by how much the shown paid amounts rise or fall."""
    down = change("4", paid="0")
    assert down.before is not None
    down = evolve(
        down,
        before=level("b4", paid="30", currency="USD"),
        after=level("b4", currency="USD"),
    )
    plan = evolve(join([*PAGES, Plan((down,))]), header=HEADER)
    assert plan.counts == {
        Action.KEEP: 7,
        Action.CREATE: 0,
        Action.UPDATE: 4,
        Action.VOID: 0,
    }
    assert plan.totals == {"EUR": Money("200", "EUR"), "USD": Money("-30", "USD")}
    assert plan.effects == {
        Effect.PAID_RISEN: {"EUR": Money("200", "EUR")},
        Effect.PAID_FALLEN: {"USD": Money("30", "USD")},
    }
    assert (Plan().totals, Plan().effects) == ({}, {})


def test_a_plan_prints_as_a_table() -> None:
    """From what to what, and why; issues, sums and calls below."""
    plan = Plan(
        (change("1", paid="100", reason="as in the ledger"), change("22", paid="30")),
        (Issue(Code.BAD_FIELD, text="row 7.", remedy="Look at it."),),
        kept=7,
        calls={"ledger:1": 1, "billing:1": 4},
    )
    assert str(plan).splitlines() == [
        "0 to create, 2 to update, 0 to void, 7 unchanged, 1 issue",
        "",
        "Paid amounts to update in billing:1 (2)",
        "~  INV-1   0.00 EUR → 100.00 EUR  - → 2026-03-09  as in the ledger",
        "~  INV-22  0.00 EUR →  30.00 EUR",
        "",
        "! ?: row 7. Look at it.",
        "",
        "In all",
        "  paid amounts risen  130.00 EUR",
        "",
        "Will take about 4 calls to billing:1 and 1 to ledger:1.",
    ]
    assert str(Plan()) == "0 to create, 0 to update, 0 to void, 0 unchanged, 0 issues"


def test_other_kinds_print_without_money() -> None:
    """A customer has no paid amount; one without a currency is in no sum."""
    record = Customer(Ref("c", "Customer", "1"), "ACME")
    made = evolve(
        change("1", action=Action.CREATE), kind=Customer, before=None, after=record
    )
    plan = Plan((made,))
    assert str(plan).splitlines()[-1] == "+  INV-1  ACME"
    assert (plan.totals, plan.effects) == ({}, {})
    no_currency = evolve(level("b1"), currency="")
    gone = evolve(change("1", action=Action.VOID), before=no_currency, after=None)
    assert str(Plan((gone,))).splitlines()[3:] == [
        "-  INV-1  0",
        "",
        "In all",
        "  not in these sums: 1 whose amount or currency is not known",
    ]
    assert Plan((gone,)).effects == {}


def test_a_long_plan_is_shown_in_part_and_in_full() -> None:
    """B74: rows and issues beyond a screenful are summed up, unless all are asked for."""
    issues = tuple(evolve(MISSING, numbers=(f"INV-{n}",)) for n in range(30))
    plan = Plan(tuple(change(str(n)) for n in range(60)), issues)
    short, full = [*table(plan)], [*table(plan, rows=None)]
    assert "… and 40 more, paid amounts risen 2,000.00 EUR" in short
    assert "* … and 10 more: 10 NOT_IN_BILLING" in short
    assert not any("…" in line for line in full)
    assert sum(line.startswith("~ ") for line in full) == 60
    assert sum(line.startswith("* ") for line in full) == 30
    assert str(plan).splitlines() == short
    assert "… and 59 more" in "".join(table(plan, 1))


# Saving ---------------------------------------------------------------------------------

FULL = Plan(
    (change("1", paid="100"), change("2", mark="m\u2028\u0085\x1c", owned=("r",))),
    (MISSING, Issue(Code.BAD_FIELD, text="a\u2029b\nc\U0001f600")),
    header=HEADER,
    calls={"ledger:1": 3},
)


def saved(tmp_path: Path, plan: Plan = FULL) -> Path:
    path = tmp_path / "plan.jsonl"
    save(plan, path)
    return path


def refused(path: Path, match: str) -> None:
    with pytest.raises(ConfigError, match=match) as caught:
        load(path)
    assert path.name in str(caught.value)


@pytest.mark.parametrize(
    "plan",
    [
        FULL,
        Plan(header=HEADER),
        evolve(FULL, complete=False),
        evolve(FULL, kept=7, skipped=2, calls={"ledger:1": 3, "b\u2028": 10**9}),
    ],
)
def test_a_saved_plan_comes_back(tmp_path: Path, plan: Plan) -> None:
    """C4: equal, with its digest; also with line separators inside its texts (X12)."""
    back = load(saved(tmp_path, plan))
    assert back == plan
    assert back.digest == plan.digest
    assert str(back) == str(plan)


OLDER = """\
{"is":"plan","pair":"p","billing":"billing:1","ledger":"ledger:1","verb":"payments",\
"settings":"rules","window":"past week","made_at":"2026-03-10T00:00:00+00:00","format":1}
{"is":"issue","code":"NOT_IN_BILLING","source":{"connection":"ledger:1",\
"kind":"Invoice","id":"9"},"numbers":["INV-9"]}
{"is":"end","count":1,"complete":true,"as_of":"2026-03-10T00:00:00+00:00",\
"digest":"c68fdccdcca93c2791892524b9d20b9e99fdbe40e2a1a3fe24ff042cba52357f"}
"""
"""A file that was saved before plans knew what they cost."""


def test_an_older_plan_is_still_read(tmp_path: Path) -> None:
    """Nothing is known of its calls; saved again, it is the same file."""
    path = tmp_path / "plan.jsonl"
    path.write_text(OLDER, encoding="utf-8")
    old = load(path)
    assert old.issues == (MISSING,)
    assert (old.header, old.as_of) == (HEADER, HEADER.made_at)
    assert (old.calls, old.kept, old.skipped) == ({}, 0, 0)
    assert saved(tmp_path, old).read_text(encoding="utf-8") == OLDER
    path.write_text(OLDER.replace("INV-9", "INV-8"), encoding="utf-8")
    refused(path, "altered")


@pytest.mark.parametrize("number", ['"3"', "1.5", "true", "null"])
def test_calls_that_are_no_numbers_are_refused(tmp_path: Path, number: str) -> None:
    """S13: also where the seal is right."""
    seal, path = Seal(), tmp_path / "plan.jsonl"
    told = f'{{"is":"counted","calls":{{"ledger:1":{number}}}}}'
    lines = [seal.add(each) for each in (header_line(HEADER), told)]
    end = seal.trailer(complete=True, as_of=None)
    path.write_text("\n".join([*lines, end]), encoding="utf-8")
    refused(path, "no saved plan of this version")


def test_documents_keep_the_order_in_which_they_were_given(tmp_path: Path) -> None:
    """A caller's own order is not put in that of the ledger's ids."""
    made = [
        evolve(
            change(key, action=Action.CREATE), kind=Customer, before=None, after=None
        )
        for key in ("3", "1", "2")
    ]
    plan = Plan(tuple(made), header=HEADER)
    back = load(saved(tmp_path, plan))
    assert back == plan
    assert back.digest == plan.digest


def test_the_calls_of_pages_add_up() -> None:
    """Each page says how many more the plan costs because of it."""
    pages = [Plan(calls={"a": 1, "b": 2}), Plan(calls={"b": 3}), Plan()]
    assert join(pages).calls == {"a": 1, "b": 5}


def test_a_plan_that_no_engine_made_cannot_be_saved(tmp_path: Path) -> None:
    """Without a header nobody knows for whom it is."""
    with pytest.raises(ConfigError):
        save(Plan((change("1"),)), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def lines(change_: Callable[[list[str]], Any]) -> Callable[[str], str]:
    def run(text: str) -> str:
        rows = text.split("\n")
        change_(rows)
        return "\n".join(rows)

    return run


def swap(rows: list[str]) -> None:
    rows[1], rows[2] = rows[2], rows[1]


def twice(rows: list[str]) -> None:
    rows.insert(1, rows[1])


ALTERED: dict[str, tuple[Callable[[str], str], str]] = {
    "an amount": (lambda text: text.replace('"100"', '"900"', 1), "altered"),
    "a line gone": (lines(lambda rows: rows.pop(1)), "altered"),
    "a line twice": (lines(twice), "altered"),
    "two lines swapped": (lines(swap), "altered"),
    "a space more": (lambda text: text.replace('"INV-1"', '"INV-1 "', 1), "altered"),
    "another pair": (
        lambda text: text.replace('"pair":"p"', '"pair":"q"', 1),
        "altered",
    ),
    "other settings": (lambda text: text.replace('"rules"', '"lax"', 1), "altered"),
    "another ending": (
        lambda text: text.replace('"complete":true', '"complete":false'),
        "altered",
    ),
    "other calls": (
        lambda text: text.replace('"calls":{"ledger:1":3}', '"calls":{"ledger:1":4}'),
        "altered",
    ),
    "no calls": (
        lambda text: text.replace(',"calls":{"ledger:1":3}', ""),
        "altered",
    ),
    "another time": (
        lambda text: text.replace(
            '"as_of":null', '"as_of":"2026-03-10T00:00:00+00:00"'
        ),
        "altered",
    ),
    "cut off": (lines(lambda rows: rows.__delitem__(slice(-2, None))), "cut off"),
    "cut in a line": (lambda text: text[: len(text) // 2], "no saved plan"),
    "no header": (lines(lambda rows: rows.pop(0)), "no saved plan"),
    "a newer format": (
        lambda text: text.replace(f'"format":{FORMAT}', f'"format":{FORMAT + 1}', 1),
        "newer",
    ),
    "an unknown action": (
        lambda text: text.replace('"UPDATE"', '"EXPLODE"'),
        "altered|version",
    ),
    "empty": (lambda _: "", "no saved plan"),
    "one line": (lambda text: text.split("\n")[0], "no saved plan"),
    "no objects": (lambda _: "[1]\n[2]\n", "no saved plan"),
    "numbers": (lambda _: "1\n2\n3\n", "no saved plan"),
    "not JSON": (lambda _: "hello\nworld\n", "no saved plan"),
    "another file": (lambda _: '{"a": 1}\n{"b": 2}\n', "no saved plan"),
}


@pytest.mark.parametrize("name", ALTERED)
def test_a_plan_that_is_not_as_it_was_saved_is_refused(
    tmp_path: Path, name: str
) -> None:
    """C16: cut off, altered or newer; always a named error, never a half plan."""
    path = saved(tmp_path)
    alter, match = ALTERED[name]
    altered = alter(path.read_text(encoding="utf-8"))
    assert altered != path.read_text(encoding="utf-8")
    path.write_text(altered, encoding="utf-8")
    refused(path, match)


def test_what_is_no_text_is_no_plan(tmp_path: Path) -> None:
    """S6: bytes, a folder, nothing at all."""
    path = tmp_path / "plan.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    refused(path, "no saved plan")
    refused(tmp_path / "missing", "no saved plan")
    refused(tmp_path, "no saved plan")


def test_a_plan_of_another_version_is_refused_with_its_digest_right(
    tmp_path: Path,
) -> None:
    """S13: what this version does not know is not guessed at."""
    path = saved(tmp_path)
    rows = path.read_text(encoding="utf-8").split("\n")
    strange = evolve(FULL, changes=(), issues=(), calls={})
    save(strange, path)
    empty = path.read_text(encoding="utf-8").split("\n")
    assert json.loads(empty[-2])["count"] == 0
    rows[1] = rows[1].replace('"UPDATE"', '"EXPLODE"')
    import hashlib  # noqa: PLC0415 - for this test alone

    digest = hashlib.sha256()
    for row in rows[1:-2]:
        digest.update(row.encode() + b"\n")
    rows[-2] = json.dumps(
        {
            "is": "end",
            "count": len(rows) - 3,
            "digest": digest.hexdigest(),
            "complete": True,
        }
    )
    path.write_text("\n".join(rows), encoding="utf-8")
    refused(path, "plan")
