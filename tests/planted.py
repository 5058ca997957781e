"""
Two tables of invoices that agree, but for differences that were planted, each of one kind.

All lies on disk, so that what a verification needs of memory is its own. What a store
would remember of the two sides lies in a third file once more, for whoever may not use
any of tieout's code: see `verify_oracle`.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from attrs import define, field

import tieout
from tieout.change import Action, Issue
from tieout.errors import Code
from tieout.evidence import shown
from tieout.models import Customer, Invoice, Link, Part, Ref, Settlement, Status
from tieout.noting import about
from tieout.store import Held, Intent, IssueRow, Stage, key_of

NOON = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
BILLING, LEDGER = "app:shop", "app:books"
PAIR = key_of(BILLING, LEDGER)
CURRENCIES = ("EUR", "EUR", "USD", "JPY")
COLUMNS = (
    *("id", "number", "total", "paid_amount", "date_paid"),
    *("currency", "dated", "customer", "changed_at", "void"),
)
KINDS = (
    *("MISSING_IN_LEDGER", "MISSING_IN_BILLING", "STATUS", "CURRENCY", "CUSTOMER"),
    *("AMOUNT", "DATE", "IN_FLIGHT", "OPEN_ISSUE", "POLICY"),
)

Row: TypeAlias = dict[str, Any]


@define
class Planted:
    """Where all lies, and what was planted: by number, the kind of difference."""

    folder: Path
    kinds: dict[str, str] = field(factory=dict)

    def engine(self, **arguments: Any) -> tieout.Engine:
        """An engine over the two tables and the store."""
        given = {"store": tieout.SQLiteStore(self.folder / "store.db"), **arguments}
        return tieout.Engine(
            billing=self.table(BILLING, "billing.db"),
            ledger=self.table(LEDGER, "ledger.db"),
            **given,
        )

    def table(self, connection: str, file: str) -> tieout.Table:
        """One side."""
        path = self.folder / file
        return tieout.Table(
            connect=lambda: sqlite3.connect(path),
            table="invoices",
            columns=tieout.Columns(
                id="id",
                number="number",
                total="total",
                paid_amount="paid_amount",
                date_paid="date_paid",
                currency="currency",
                on="dated",
                customer="customer",
                void="void",
                changed_at="changed_at",
            ),
            connection=connection,
        )


def plant(folder: Path, invoices: int, of_each_kind: int, seed: int = 7) -> Planted:
    """So many invoices a side, and so many differences of each of the ten kinds."""
    dice = random.Random(seed)
    chosen = dice.sample(range(invoices), of_each_kind * len(KINDS))
    kinds = {each: KINDS[at % len(KINDS)] for at, each in enumerate(chosen)}
    planted = Planted(folder)
    garden = _Garden(folder)
    with closing(garden):
        for serial in range(invoices):
            kind = kinds.get(serial)
            billing, ledger = _pair(serial, dice)
            if kind is not None:
                planted.kinds[billing["number"]] = kind
            garden.add(serial, *_altered(kind, serial, billing, ledger))
            garden.remember(kind, serial, billing, ledger)
    return planted


def _pair(serial: int, dice: random.Random) -> tuple[Row, Row]:
    """One invoice as both sides have it: open, paid in part, paid, or void on both."""
    on = date(2025, 1, 1) + timedelta(days=dice.randrange(400))
    currency = CURRENCIES[serial % len(CURRENCIES)]
    total = Decimal(dice.randrange(100, 100_000))
    total = total if currency == "JPY" else total / 100
    share, paid_on = dice.choice([(0, None), (2, None), (1, on + timedelta(days=9))])
    paid = Decimal(0)
    if share:
        paid = total if share == 1 else total // 2
    row = {
        "number": f"INV-{serial:06}",
        "total": total,
        "paid_amount": paid,
        "date_paid": paid_on,
        "currency": currency,
        "dated": on,
        "void": int(serial % 97 == 0),
        "changed_at": "2026-03-01T00:00:00+00:00",
    }
    who = serial % 211
    return (
        {"id": f"B{serial:06}", "customer": f"C{who}", **row},
        {"id": f"L{serial:06}", "customer": f"K{who}", **row},
    )


def _altered(
    kind: str | None, serial: int, billing: Row, ledger: Row
) -> tuple[Row | None, Row | None]:
    """The two rows with one difference of a kind, or as they were."""
    if kind is not None:
        # What is planted must not hide behind a document that does not count.
        for row in (billing, ledger):
            row.update(void=0, paid_amount=Decimal(0), date_paid=None)
    if kind == "MISSING_IN_LEDGER":
        return billing, None
    if kind == "MISSING_IN_BILLING" or (kind == "OPEN_ISSUE" and serial % 2):
        return None, ledger
    if kind in _CHANGES:
        _CHANGES[kind](billing, ledger, serial)
    return billing, ledger


def _status(billing: Row, ledger: Row, serial: int) -> None:
    (billing if serial % 2 else ledger)["void"] = 1


def _currency(billing: Row, ledger: Row, serial: int) -> None:
    billing["currency"] = "GBP" if billing["currency"] != "JPY" else "KRW"


def _customer(billing: Row, ledger: Row, serial: int) -> None:
    billing["customer"] = f"C{(serial + 1) % 211}"


def _amount(billing: Row, ledger: Row, serial: int) -> None:
    if serial % 2:
        ledger["total"] += 7
    else:
        ledger["paid_amount"] = ledger["total"] // 3 or Decimal(1)


def _date(billing: Row, ledger: Row, serial: int) -> None:
    for days, row in enumerate((billing, ledger), 3):
        row["paid_amount"] = row["total"]
        row["date_paid"] = row["dated"] + timedelta(days=days)


def _paid(billing: Row, ledger: Row, serial: int) -> None:
    ledger["paid_amount"] = ledger["total"]
    ledger["date_paid"] = ledger["dated"]


def _overpaid(billing: Row, ledger: Row, serial: int) -> None:
    for row in (billing, ledger):
        row["paid_amount"] = row["total"]
        row["date_paid"] = row["dated"]
    ledger["paid_amount"] += 5


_CHANGES: dict[str, Callable[[Row, Row, int], None]] = {
    "STATUS": _status,
    "CURRENCY": _currency,
    "CUSTOMER": _customer,
    "AMOUNT": _amount,
    "DATE": _date,
    "IN_FLIGHT": _paid,
    "OPEN_ISSUE": _amount,
    "POLICY": _overpaid,
}

TOGETHER = 2_000
"""Rows or facts that are written in one go."""


class _Garden:
    """Writes rows and facts to their files, many at a time."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            name: sqlite3.connect(folder / f"{name}.db")
            for name in ("billing", "ledger", "remembered")
        }
        for name in ("billing", "ledger"):
            texts = ", ".join(f"{each} TEXT" for each in COLUMNS[1:-1])
            self._files[name].execute(
                f"CREATE TABLE invoices (id TEXT PRIMARY KEY, {texts}, void INTEGER)"
            )
        for table in ("ties", "customers", "writes", "issues"):
            sql = f"CREATE TABLE {table} (billing TEXT, ledger TEXT)"
            self._files["remembered"].execute(sql)
        self._store = tieout.SQLiteStore(folder / "store.db")
        self._facts: list[Any] = []
        for who in range(211):
            self._tie(Customer, f"C{who}", f"K{who}", "customers", f"Customer {who}")

    def add(self, serial: int, billing: Row | None, ledger: Row | None) -> None:
        """One row of each side, as far as there is one."""
        marks = ", ".join("?" for _ in COLUMNS)
        for name, row in (("billing", billing), ("ledger", ledger)):
            if row is not None:
                values = [_text(row[each]) for each in COLUMNS]
                self._files[name].execute(
                    f"INSERT INTO invoices VALUES ({marks})", values
                )

    def remember(
        self, kind: str | None, serial: int, billing: Row, ledger: Row
    ) -> None:
        """What a store has of it: a tie of two in three, and what is open."""
        ref = Ref(LEDGER, Invoice.__name__, ledger["id"])
        ours = Ref(BILLING, Invoice.__name__, billing["id"])
        if serial % 3:
            number = billing["number"]
            self._tie(Invoice, billing["id"], ledger["id"], "ties", number)
        if kind == "IN_FLIGHT":
            self._facts.append(_intent(ref, ours, ledger))
            self._note("writes", "", ledger["id"])
        if kind == "OPEN_ISSUE":
            self._facts.append(_issue(ref, billing["number"]))
            self._note("issues", "", ledger["id"])
        if len(self._facts) >= TOGETHER:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._store.close()
        for file in self._files.values():
            file.commit()
            file.close()

    def _tie(self, kind: Any, billing: str, ledger: str, table: str, name: str) -> None:
        ends = (
            Ref(BILLING, kind.__name__, billing),
            Ref(LEDGER, kind.__name__, ledger),
        )
        self._facts.append(Link(PAIR, *ends, number=name))
        self._note(table, billing, ledger)

    def _note(self, table: str, billing: str, ledger: str) -> None:
        sql = f"INSERT INTO {table} VALUES (?, ?)"
        self._files["remembered"].execute(sql, (billing, ledger))

    def _flush(self) -> None:
        assert self._store.commit(*self._facts)
        self._facts.clear()


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _intent(source: Ref, target: Ref, ledger: Row) -> Intent:
    """A write whose answer was lost: what was paid in the ledger, to be shown in billing."""
    wanted = Settlement(
        source,
        ledger["number"],
        ledger["currency"],
        ledger["total"],
        Decimal(0),
        Status.SETTLED,
        settled_by={Part.CASH: ledger["paid_amount"]},
        paid_on=ledger["date_paid"],
    )
    return Intent(
        name=f"write of {source.id}",
        pair=PAIR,
        verb="payments",
        kind=Settlement,
        action=Action.UPDATE,
        connection=target.connection,
        source=source,
        target=target,
        role="",
        generation=0,
        link_version=0,
        number=ledger["number"],
        agreed="",
        wanted=shown(wanted),
        mark="",
        stage=Stage.UNKNOWN,
        attempt=1,
        fence=1,
        run="run",
        not_before=NOON,
    )


def _issue(source: Ref, number: str) -> IssueRow:
    """An issue that a run has left open."""
    held = Issue(Code.TOTAL_DIFFERS, source, (number,), text="it was not carried.")
    return IssueRow(PAIR, "payments", about(source), held, Held.OPEN, "run", NOON, NOON)
