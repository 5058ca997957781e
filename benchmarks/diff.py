"""
The pure comparison of two sides: its CPU and memory beside diffsync, Polars and DuckDB.

``python benchmarks/diff.py`` (with the dependency group ``bench``) prints tables and
ratios. All contenders read the same files, hold typed values, run in fresh processes and
must give the same answer. Nothing here talks to a system; see `sync.py` for that.

A ledger of 100,000 invoices is compared with the 100,000 of billing over a table of
links. 1 % changed; 0.5 % are new (not linked, and billing has none of that number); 0.5 %
are gone (linked, but billing has lost them). 1 % of billing's are of no concern.
"""

# ruff: noqa: PLC0415 - each process imports only what it measures
from __future__ import annotations

import argparse
import csv
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from measure import fresh, least, middle, peak, table, timed

Row: TypeAlias = tuple[str, str, str, str, str, str, str]
Rows: TypeAlias = Iterable[Iterable[str]]
Answer: TypeAlias = dict[str, list[str]]
"""By class (changed, new, gone), the ids of ledger records."""

HEAD = ("id", "number", "issued", "currency", "total", "paid", "paid_on")
RECORDS, MANY = 100_000, 1_000_000
PAGE = 1000
"""Records in a page: what a ledger's largest pages hold."""
ROUNDS = 5
"""Of each contender; diffsync has one, which takes longer than all the others."""
STRIDE = 7919
"""Billing's order: every so many; a prime that divides no count used here."""
FIRST_DAY = date(2026, 1, 1)
ISSUED = "2025-12-31"
DAYS = [(FIRST_DAY + timedelta(days=day)).isoformat() for day in range(180)]

DIFFSYNC_PARTS, DUCKDB_TIMES, GROWTH_MAX = 20, 3.0, 1.10
"""The aims: see ``docs/performance.md``."""

# The rows ---------------------------------------------------------------------------


def fate(n: int) -> str:
    """What became of the n-th invoice: a class of the answer, or nothing."""
    if n % 100 == 7:
        return "changed"
    return {13: "new", 57: "gone"}.get(n % 200, "")


def ledger_row(n: int) -> Row:
    """The n-th invoice in the ledger: two of three are paid, some are part-paid."""
    total = f"{100 + n * 37 % 9000}.{n % 100:02}"
    paid_in_full = n % 3 or fate(n) == "changed"
    part = "50.00" if n % 9 == 0 else "0.00"
    paid, day = (total, DAYS[n % 180]) if paid_in_full else (part, "")
    currency = "USD" if n % 5 else "EUR"
    return (f"L{n:08}", f"INV-{n:08}", ISSUED, currency, total, paid, day)


def billing_row(n: int) -> Row:
    """The n-th invoice in billing; one that the ledger does not have is of no concern."""
    _, number, issued, currency, total, paid, day = ledger_row(n)
    if fate(n) == "changed":
        paid, day = "0.00", ""
    if fate(n) in ("new", "gone"):
        number = f"OWN-{n:08}"
        return (f"X{n:08}", number, issued, currency, total, paid, day)
    return (f"B{n:08}", number, issued, currency, total, paid, day)


def link_row(n: int) -> tuple[str, str] | None:
    """The link of the n-th ledger invoice; new ones have none."""
    return None if fate(n) == "new" else (f"L{n:08}", f"B{n:08}")


def write_rows(folder: Path, count: int) -> None:
    """The three files; billing's is in another order than the ledger's."""
    links = filter(None, map(link_row, range(count)))
    files: dict[str, tuple[tuple[str, ...], Iterable[tuple[str, ...]]]] = {
        "ledger": (HEAD, map(ledger_row, range(count))),
        "billing": (HEAD, (billing_row(n * STRIDE % count) for n in range(count))),
        "links": (("ledger", "billing"), links),
    }
    for name, (head, rows) in files.items():
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(head)
            writer.writerows(rows)


def read_rows(folder: Path, name: str) -> Iterator[list[str]]:
    """The rows of a file, without its head."""
    with (folder / f"{name}.csv").open(newline="") as file:
        rows = csv.reader(file)
        next(rows)
        yield from rows


def positions(path: Path) -> Iterator[tuple[str, int]]:
    """Where each row of a file begins, by its id."""
    place = 0
    with path.open("rb") as file:
        for line in file:
            yield line[: line.index(b",")].decode(), place
            place += len(line)


def digest(answer: Mapping[str, Iterable[str]]) -> str:
    """A hash of an answer, whatever the order it was found in."""
    told = {name: sorted(answer[name]) for name in ("changed", "new", "gone")}
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def expected(count: int) -> Answer:
    """The answer, from how the rows were made."""
    found: Answer = {"changed": [], "new": [], "gone": []}
    for n in range(count):
        if fate(n):
            found[fate(n)].append(f"L{n:08}")
    return found


# tieout -----------------------------------------------------------------------------


class Tieout:
    """
    Typed records through tieout's own planner, page by page.

    Billing is a ConnectWise with the capabilities that its connector declares.
    """

    def __init__(self) -> None:
        from tieout.connectors.connectwise import ConnectWise
        from tieout.models import Basis, Link, Part, Ref, Settlement, Status
        from tieout.settings import Settings

        self._part, self._basis, self._status = Part, Basis, Status
        self._ref, self._link, self._settlement = Ref, Link, Settlement
        billing = ConnectWise(
            company="acme", public_key="public", private_key="private", client_id="id"
        )
        self.capabilities = billing.capabilities
        self.settings = Settings()
        self.comparing = 0.0

    def level(self, system: str, row: Iterable[str]) -> Any:
        """One row as a record."""
        own, number, issued, currency, total, paid, day = row
        whole, part = Decimal(total), Decimal(paid)
        on = date.fromisoformat(day) if day else None
        return self._settlement(
            self._ref(system, "Invoice", own),
            number,
            currency,
            whole,
            whole - part,
            self._status.SETTLED if whole == part else self._status.OPEN,
            on=date.fromisoformat(issued),
            settled_by={self._part.CASH: part},
            paid_on=on,
            # Billing dates a part payment by the last receipt; so does the ledger.
            last_on=on or (FIRST_DAY if part else None),
            basis=self._basis.LEDGER_FIELD if on else None,
        )

    def link(self, row: tuple[str, ...]) -> Any:
        """One row as a link."""
        ledger, billing = row
        return self._link(
            "pair",
            self._ref("billing", "Invoice", billing),
            self._ref("ledger", "Invoice", ledger),
        )

    def plan(self, page: Rows, there: Rows, links: Iterable[tuple[str, ...]]) -> Any:
        """
        The plan of one page of rows, the links of its records and their counterparts.

        Making typed records of the rows is loading; planning is the comparison.
        """
        from tieout.plan import join
        from tieout.planners import settlements
        from tieout.planners.matching import Known

        levels = [self.level("ledger", row) for row in page]
        billing = [self.level("billing", row) for row in there]
        known = Known(links={row[0]: self.link(row) for row in links})
        before = time.process_time()
        plan = settlements.plan(
            levels, billing, known, self.capabilities, self.settings
        )
        plan = join([plan])  # what needs nothing is only counted, as the engine does
        self.comparing += time.process_time() - before
        return plan

    def contend(self, folder: Path) -> tuple[Mapping[str, Iterable[str]], float, float]:
        """
        Page after page of the ledger's file; billing is asked for its part of each.

        Of billing no more is held than where each row stands in its file.
        """
        from tieout.plan import join

        start = time.process_time()
        places = dict(positions(folder / "billing.csv"))
        links = dict(read_rows(folder, "links"))
        plans = []
        with (folder / "billing.csv").open("rb") as file:

            def row(place: int) -> list[str]:
                file.seek(place)
                return file.readline().decode().rstrip().split(",")

            rows = read_rows(folder, "ledger")
            while page := list(islice(rows, PAGE)):
                known = [(own, links[own]) for own, *_ in page if own in links]
                there = [row(places[own]) for _, own in known if own in places]
                plans.append(self.plan(page, there, known))
        plan, joining = timed(lambda: join(plans))
        comparing = self.comparing + joining
        loading = time.process_time() - start - comparing
        return self.answer(plan), loading, comparing

    def answer(self, plan: Any) -> Mapping[str, Iterable[str]]:
        """The ids in a plan, by class."""
        from tieout.errors import Code

        codes = {Code.NOT_IN_BILLING: "new", Code.VANISHED: "gone"}
        found: Answer = {"changed": [], "new": [], "gone": []}
        found["changed"] = [change.source.id for change in plan.changes]
        for issue in plan.issues:
            found[codes[issue.code]].append(issue.source.id)
        return found

    def stream(self, count: int) -> dict[str, Any]:
        """
        The same rows, made page by page on both sides, each page forgotten after its plan.

        Only the number of each class is kept, as a run keeps it.
        """
        found = {"changed": 0, "new": 0, "gone": 0}
        numbers = iter(range(count))
        while some := list(islice(numbers, PAGE)):
            links = list(filter(None, map(link_row, some)))
            page, there = map(ledger_row, some), map(billing_row, some)
            for name, ids in self.answer(self.plan(page, there, links)).items():
                found[name] += len(list(ids))
        return {"peak": peak(), "counts": found}


# The others -------------------------------------------------------------------------


class Whole:
    """A contender that loads everything first, and then compares."""

    def load(self, folder: Path) -> Any:
        raise NotImplementedError

    def compare(self, held: Any) -> Mapping[str, Iterable[str]]:
        raise NotImplementedError

    def contend(self, folder: Path) -> tuple[Mapping[str, Iterable[str]], float, float]:
        """The answer, and the CPU seconds of loading and of comparing."""
        held, loading = timed(lambda: self.load(folder))
        answer, comparing = timed(lambda: self.compare(held))
        return answer, loading, comparing


class DuckDB(Whole):
    """Three tables in memory, one statement."""

    TYPES = "{'id':'VARCHAR','number':'VARCHAR','issued':'DATE','currency':'VARCHAR','total':'DECIMAL(18,2)','paid':'DECIMAL(18,2)','paid_on':'DATE'}"
    COMPARE = """
        SELECT ledger.id, CASE WHEN links.ledger IS NULL THEN 'new'
            WHEN billing.id IS NULL THEN 'gone' ELSE 'changed' END,
            billing.paid, ledger.paid, billing.paid_on, ledger.paid_on
        FROM ledger LEFT JOIN links ON links.ledger = ledger.id
        LEFT JOIN billing ON billing.id = links.billing
        WHERE billing.id IS NULL OR ledger.currency <> billing.currency
        OR ledger.total <> billing.total OR ledger.paid <> billing.paid
        OR ledger.paid_on IS DISTINCT FROM billing.paid_on"""

    def load(self, folder: Path) -> Any:
        import duckdb

        base = duckdb.connect()
        for name in ("ledger", "billing"):
            base.execute(
                f"CREATE TABLE {name} AS SELECT * FROM "
                f"read_csv('{folder}/{name}.csv', header=true, columns={self.TYPES})"
            )
        base.execute(
            f"CREATE TABLE links AS SELECT * FROM read_csv('{folder}/links.csv')"
        )
        return base

    def compare(self, held: Any) -> Mapping[str, Iterable[str]]:
        found: Answer = {"changed": [], "new": [], "gone": []}
        for own, what, *_ in held.execute(self.COMPARE).fetchall():
            found[what].append(own)
        return found


class Polars(Whole):
    """Three frames, two joins."""

    def load(self, folder: Path) -> Any:
        from polars import Date, Decimal, String, read_csv

        money = Decimal(18, 2)
        kinds = (String, String, Date, String, money, money, Date)
        schema = dict(zip(HEAD, kinds, strict=True))
        return (
            read_csv(folder / "ledger.csv", schema=schema),
            read_csv(folder / "billing.csv", schema=schema),
            read_csv(folder / "links.csv"),
        )

    def compare(self, held: Any) -> Mapping[str, Iterable[str]]:
        from polars import coalesce, col, lit

        ledger, billing, links = held
        there = billing.with_columns(found=lit(value=True))
        rows = ledger.join(links, left_on="id", right_on="ledger", how="left").join(
            there, left_on="billing", right_on="id", how="left", suffix="_shown"
        )
        differs = lit(value=False)
        for name in ("currency", "total", "paid", "paid_on"):
            differs |= col(name).ne_missing(col(f"{name}_shown"))
        present = coalesce(col("found"), lit(value=False))
        changed = rows.filter(present & differs)
        new = rows.filter(col("billing").is_null())
        gone = rows.filter(col("billing").is_not_null() & ~present)
        return {
            "changed": changed["id"].to_list(),
            "new": new["id"].to_list(),
            "gone": gone["id"].to_list(),
        }


class DiffSync(Whole):
    """Two adapters of models; a linked ledger record has its counterpart's identity."""

    def load(self, folder: Path) -> Any:
        from diffsync import Adapter, DiffSyncModel
        from diffsync.logging import enable_console_logging

        enable_console_logging(verbosity=0)  # it is faster when it says nothing

        class Invoice(DiffSyncModel):  # type: ignore[misc, unused-ignore]
            _modelname = "invoice"
            _identifiers = ("own",)
            _attributes = ("currency", "total", "paid", "paid_on")
            own: str
            issued: date
            currency: str
            total: Decimal
            paid: Decimal
            paid_on: date | None

        class Side(Adapter):  # type: ignore[misc, unused-ignore]
            invoice = Invoice
            top_level = ("invoice",)

        links = dict(read_rows(folder, "links"))
        sides = []
        for name in ("ledger", "billing"):
            side = Side(name=name)
            for own, _, issued, currency, total, paid, day in read_rows(folder, name):
                side.add(
                    Invoice(
                        own=links.get(own, own),
                        issued=date.fromisoformat(issued),
                        currency=currency,
                        total=Decimal(total),
                        paid=Decimal(paid),
                        paid_on=date.fromisoformat(day) if day else None,
                    )
                )
            sides.append(side)
        return (*sides, {billing: ledger for ledger, billing in links.items()})

    def compare(self, held: Any) -> Mapping[str, Iterable[str]]:
        from diffsync.enum import DiffSyncFlags

        ledger, billing, ids = held
        found: Answer = {"changed": [], "new": [], "gone": []}
        flags = DiffSyncFlags.SKIP_UNMATCHED_DST  # what only billing has
        for each in billing.diff_from(ledger, flags=flags).get_children():
            own = each.keys["own"]
            if each.action == "update":
                found["changed"].append(ids[own])
            elif each.action == "create":
                found["gone" if own in ids else "new"].append(ids.get(own, own))
        return found


CONTENDERS: Mapping[str, Callable[[], Tieout | Whole]] = {
    "tieout": Tieout,
    "DuckDB": DuckDB,
    "Polars": Polars,
    "diffsync": DiffSync,
}


def contend(name: str, folder: Path) -> dict[str, Any]:
    """One contender on the files of a folder, in this process."""
    answer, load, compare = CONTENDERS[name]().contend(folder)
    counts = {each: len(list(ids)) for each, ids in answer.items()}
    return {
        "compare": compare,
        "both": load + compare,
        "peak": peak(),
        "digest": digest(answer),
        "counts": counts,
    }


# The report -------------------------------------------------------------------------


def measured(count: int) -> dict[str, list[dict[str, Any]]]:
    """All contenders in turn, round by round; each must find what is there."""
    right = digest(expected(count))
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder), count)
        for turn in range(ROUNDS):
            for name, found in runs.items():
                if turn and name == "diffsync":
                    continue  # once is enough: it takes longer than all the others
                found.append(fresh(__file__, "--contender", name, "--folder", folder))
                assert found[-1]["digest"] == right, (name, found[-1]["counts"])
    return runs


def verdict(holds: bool) -> str:
    return "reached" if holds else "MISSED"


def compared(count: int) -> None:
    """The table of contenders, and the ratios that are aimed at."""
    runs = measured(count)
    first = runs["tieout"]
    rows = []
    for name, found in runs.items():
        ratios = [
            middle(found, "compare") / middle(first, "compare"),
            least(found, "compare") / least(first, "compare"),
            middle(found, "both") / middle(first, "both"),
        ]
        cells = [f"{ratio:.2f}" for ratio in ratios]
        rows.append([name, *cells, f"{middle(found, 'peak'):.0f}"])
    head = ["contender", "comparison", "at the least", "with loading", "peak MiB"]
    print(
        f"{count:,} against {count:,}, CPU time, tieout = 1; the answers are equal:\n"
    )
    print(table(head, rows))
    micro = least(first, "compare") / count * 1e6
    print(f"\ntieout's comparison: {micro:.1f} µs a record at the least")
    for name, figure in (("medians", middle), ("at the least", least)):
        ours = figure(first, "compare")
        share = figure(runs["diffsync"], "compare") / ours
        times = ours / figure(runs["DuckDB"], "compare")
        print(
            f"{name}: 1/{share:.0f} of diffsync's CPU (aim 1/{DIFFSYNC_PARTS}: "
            f"{verdict(share >= DIFFSYNC_PARTS)}), {times:.1f} times DuckDB's "
            f"(aim {DUCKDB_TIMES:.0f}: {verdict(times <= DUCKDB_TIMES)})"
        )


def grown(few: int, many: int) -> None:
    """How the peak memory of a stream of pages grows with the number of records."""
    small, large = (
        fresh(__file__, "--stream", str(count))["peak"] for count in (few, many)
    )
    growth = large / small
    print(f"\nPage by page: {few:,} records {small:.1f} MiB, {many:,} {large:.1f} MiB,")
    print(
        f"{growth:.2f} times for {many // few} times the records "
        f"(aim {GROWTH_MAX:.2f}):",
        verdict(growth <= GROWTH_MAX),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--many", type=int, default=MANY)
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--stream", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contender:
        print(json.dumps(contend(given.contender, given.folder)))
    elif given.stream:
        print(json.dumps(Tieout().stream(given.stream)))
    else:
        compared(given.records)
        grown(given.records, given.many)


if __name__ == "__main__":
    main()
