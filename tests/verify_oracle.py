"""
What a verification of two planted tables ought to find, worked out the long way round.

It reads the files of `planted` into memory and uses nothing of tieout: no import, no
function, no name. ``python tests/verify_oracle.py FOLDER CERTIFICATE`` compares the file
of a certificate with what it finds, and fails where they disagree.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

Sums: TypeAlias = dict[str, list[Decimal]]
"""By currency: invoiced, paid, open."""


def table(path: Path, name: str = "invoices") -> list[dict[str, Any]]:
    """All rows of a table."""
    with closing(sqlite3.connect(path)) as file:
        file.row_factory = sqlite3.Row
        return [dict(row) for row in file.execute(f"SELECT * FROM {name}")]


def money(row: dict[str, Any]) -> list[Decimal]:
    """Invoiced, paid, open; nothing of what is void."""
    if row["void"]:
        return [Decimal(0)] * 3
    total, paid = Decimal(row["total"]), Decimal(row["paid_amount"])
    return [total, paid, total - paid]


def summed(rows: Iterable[tuple[int, dict[str, Any]]]) -> Sums:
    """What rows come to, each counted so many times."""
    sums: Sums = {}
    for times, row in rows:
        held = sums.setdefault(row["currency"], [Decimal(0)] * 3)
        held[:] = [
            sum_ + times * each for sum_, each in zip(held, money(row), strict=True)
        ]
    return {currency: held for currency, held in sums.items() if any(held)}


def kind_of(ours: Any, theirs: Any, people: dict[str, str]) -> str:
    """What differs between an invoice in billing and one in the ledger; "" for nothing."""
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
    if there[2] < 0 and here == [there[0], there[0], 0]:
        return "POLICY"  # more than the total was paid: billing shows all of the total
    if here != there:
        return "AMOUNT"
    return "" if ours["date_paid"] == theirs["date_paid"] else "DATE"


def found(folder: Path) -> dict[str, Any]:
    """The sums of both sides, and the kind of each difference by number."""
    billing, ledger = (table(folder / f"{side}.db") for side in ("billing", "ledger"))
    memory = folder / "remembered.db"
    people = {row["ledger"]: row["billing"] for row in table(memory, "customers")}
    ties = {row["billing"]: row["ledger"] for row in table(memory, "ties")}
    writes, issues = (
        {row["ledger"] for row in table(memory, name)} for name in ("writes", "issues")
    )
    left: dict[str, Any] = {row["id"]: row for row in ledger}
    numbers = {row["number"]: row["id"] for row in ledger}
    pairs: list[tuple[Any, Any]] = []
    for row in billing:
        other = ties.get(row["id"]) or numbers.get(row["number"], "")
        pairs.append((row, left.pop(other, None)))
    pairs += [(None, row) for row in left.values()]
    differences: list[str] = []
    moved: list[tuple[int, dict[str, Any]]] = []
    for ours, theirs in pairs:
        kind = kind_of(ours, theirs, people)
        if kind and theirs and kind != "POLICY":
            kind = "OPEN_ISSUE" if theirs["id"] in issues else kind
            kind = "IN_FLIGHT" if theirs["id"] in writes else kind
        if kind:
            differences.append(f"{kind} {(ours or theirs)['number']}")
            moved += [(sign, row) for sign, row in ((-1, ours), (1, theirs)) if row]
    # No cent is unexplained: what differs is the difference of the sums.
    both = [(-1, row) for row in billing] + [(1, row) for row in ledger]
    assert summed(both) == summed(moved)
    sums = {"billing": summed((1, row) for row in billing)}
    sums["ledger"] = summed((1, row) for row in ledger)
    return {"differences": dict(sorted(Counter(differences).items())), **sums}


def certified(path: Path) -> dict[str, Any]:
    """What the file of a certificate says, in the same form."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    kinds = Counter(
        f"{r['kind']} {r['number']}" for r in rows if r["is"] == "difference"
    )
    sums: dict[str, Sums] = {"billing": {}, "ledger": {}}
    for row in rows:
        for side in sums if row["is"] == "total" else ():
            names = ("invoices", "payments", "open")
            told = [Decimal(row.get(side, {}).get(name, 0)) for name in names]
            if any(told):
                sums[side][row["currency"]] = told
    return {"differences": dict(sorted(kinds.items())), **sums}


if __name__ == "__main__":
    expected = found(Path(sys.argv[1]))
    if certified(Path(sys.argv[2])) != expected:
        sys.exit("the certificate and the oracle disagree")
    sys.stdout.write(f"{len(expected['differences']):,} differences, and they agree\n")
