"""
What a verification of two planted tables ought to find, worked out the long way round.

It reads the files of `planted` into memory and uses nothing of tieout: no import, no
function, no name. ``python tests/verify_oracle.py FOLDER`` prints what it found as JSON;
``python tests/verify_oracle.py FOLDER CERTIFICATE`` compares a certificate's file with it.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from decimal import Decimal as D
from pathlib import Path
from typing import Any

ZERO = D(0)


def table(path: Path, name: str = "invoices") -> list[dict[str, Any]]:
    """All rows of a table."""
    with closing(sqlite3.connect(path)) as file:
        file.row_factory = sqlite3.Row
        return [dict(row) for row in file.execute(f"SELECT * FROM {name}")]


def money(row: dict[str, Any]) -> tuple[D, D, D]:
    """Invoiced, paid, open; nothing of what is void."""
    if row["void"]:
        return ZERO, ZERO, ZERO
    total, paid = D(row["total"]), D(row["paid_amount"])
    return total, paid, total - paid


def less(one: tuple[D, ...], other: tuple[D, ...]) -> tuple[D, ...]:
    """By how much the one is more than the other."""
    return tuple(a - b for a, b in zip(one, other, strict=True))


def kind_of(ours: Any, theirs: Any, people: dict[str, str]) -> str:
    """What differs between an invoice here and its counterpart in the ledger, "" nothing."""
    if theirs is None:
        return "" if ours["void"] else "MISSING_IN_LEDGER"
    if ours is None:
        return "" if theirs["void"] else "MISSING_IN_BILLING"
    if ours["void"] or theirs["void"]:
        return "" if ours["void"] == theirs["void"] else "STATUS"
    if ours["currency"] != theirs["currency"]:
        return "CURRENCY"
    if people.get(theirs["customer"], ours["customer"]) != ours["customer"]:
        return "CUSTOMER"
    here, there = money(ours), money(theirs)
    if there[1] > there[0] and here[:2] == (there[0], there[0]):
        return "POLICY"  # more than the total was paid: all of the total is shown
    if here != there:
        return "AMOUNT"
    return "" if ours["date_paid"] == theirs["date_paid"] else "DATE"


def found(folder: Path) -> dict[str, Any]:
    """The sums of both sides, and the kind of each difference by number."""
    billing = {row["id"]: row for row in table(folder / "billing.db")}
    ledger = {row["id"]: row for row in table(folder / "ledger.db")}
    memory = folder / "remembered.db"
    people = {r["ledger"]: r["billing"] for r in table(memory, "customers")}
    writes = {r["ledger"] for r in table(memory, "writes")}
    issues = {r["ledger"] for r in table(memory, "issues")}
    ties = {r["billing"]: r["ledger"] for r in table(memory, "ties")}
    numbers = {row["number"]: own for own, row in ledger.items()}
    differences: Counter[str] = Counter()
    moved: dict[str, tuple[D, ...]] = {}
    left = dict(ledger)
    pairs = []
    for own, row in billing.items():
        other = ties.get(own) or numbers.get(row["number"], "")
        pairs.append((row, left.pop(other, None)))
    pairs += [(None, row) for row in left.values()]
    for ours, theirs in pairs:
        kind = kind_of(ours, theirs, people)
        if kind and theirs is not None and kind != "POLICY":
            kind = "IN_FLIGHT" if theirs["id"] in writes else kind
            kind = "OPEN_ISSUE" if theirs["id"] in issues else kind
        if kind:
            differences[f"{kind} {(ours or theirs)['number']}"] += 1
            for row, sign in ((ours, -1), (theirs, 1)):
                if row is not None:
                    by = tuple(sign * each for each in money(row))
                    held = moved.get(row["currency"], (ZERO, ZERO, ZERO))
                    moved[row["currency"]] = less(by, less((ZERO,) * 3, held))
    sums = {"billing": summed(billing.values()), "ledger": summed(ledger.values())}
    for currency in {*sums["billing"], *sums["ledger"]}:
        sides = (
            sums[side].get(currency, (ZERO,) * 3) for side in ("ledger", "billing")
        )
        explained = moved.get(currency, (ZERO,) * 3)
        assert less(*sides) == explained, f"{currency}: a cent is unexplained"
    return {"differences": dict(sorted(differences.items())), "sums": sums}


def summed(rows: Any) -> dict[str, tuple[D, ...]]:
    """What rows come to, by currency."""
    sums: dict[str, tuple[D, ...]] = {}
    for row in rows:
        held = sums.get(row["currency"], (ZERO, ZERO, ZERO))
        sums[row["currency"]] = tuple(
            a + b for a, b in zip(held, money(row), strict=True)
        )
    return {currency: sum_ for currency, sum_ in sums.items() if any(sum_)}


def certified(path: Path) -> dict[str, Any]:
    """What a certificate's file says, in the same form."""
    with path.open() as file:
        lines = [json.loads(line) for line in file]
    differences = Counter(
        f"{each['kind']} {each['number']}"
        for each in lines
        if each["is"] == "difference"
    )
    sums: dict[str, dict[str, tuple[D, ...]]] = {"billing": {}, "ledger": {}}
    for each in lines:
        for side in sums if each["is"] == "total" else ():
            told = each.get(side, {})
            names = ("invoices", "payments", "open")
            sums[side][each["currency"]] = tuple(D(told.get(n, 0)) for n in names)
    sums = {s: {c: v for c, v in sums[s].items() if any(v)} for s in sums}
    return {"differences": dict(sorted(differences.items())), "sums": sums}


if __name__ == "__main__":
    expected = found(Path(sys.argv[1]))
    if len(sys.argv) > 2:
        same = certified(Path(sys.argv[2])) == expected
        print(
            f"{len(expected['differences'])} differences;",
            "agree" if same else "DISAGREE",
        )
        sys.exit(not same)
    print(json.dumps(expected, default=str, indent=1))
