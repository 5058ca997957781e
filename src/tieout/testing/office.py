"""
A small office to try tieout with: a shop that sends invoices, and a bookkeeper's books.

    python office.py                                what both say
    python office.py pay INV-1 100.00 2026-03-05    money came, and is in the books
    python office.py correct INV-3 88.00            another total, in the books
    python office.py make                           both as they were at first

Two SQLite files in the folder where it is called, ``shop.db`` and ``books.db``. It stands
for what people do in two systems: it keeps no rule of accounting and knows nothing of
tieout.
"""

import sqlite3
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path

SHOP, BOOKS = "shop.db", "books.db"

TABLES = """
    CREATE TABLE customers (
        id INTEGER PRIMARY KEY, number TEXT, name TEXT, email TEXT,
        mark TEXT UNIQUE, changed_at TEXT);
    CREATE TABLE invoices (
        id INTEGER PRIMARY KEY, number TEXT, customer INTEGER, day TEXT, total TEXT,
        currency TEXT DEFAULT 'USD', paid TEXT DEFAULT '0.00', received_on TEXT,
        paid_on TEXT, mark TEXT UNIQUE, changed_at TEXT);
"""
"""The same on both sides. ``mark`` is where tieout writes by what it finds a row again,
``changed_at`` where the office writes when it changed one."""

CUSTOMERS = (
    ("C-1", "Ada Byron", "ada@example.com"),
    ("C-2", "Charles Babbage", "charles@example.com"),
)
INVOICES = (
    ("INV-1", 1, "2026-03-02", "100.00"),
    ("INV-2", 2, "2026-03-02", "250.00"),
    ("INV-3", 1, "2026-03-03", "80.00"),
    ("INV-4", 2, "2026-03-04", "40.00"),
)


def make(folder: str | Path = "") -> None:
    """Both sides anew: the shop has sent four invoices, the books are empty."""
    for name in (SHOP, BOOKS):
        Path(folder, name).unlink(missing_ok=True)
        with closing(sqlite3.connect(Path(folder, name))) as side, side:
            side.executescript(TABLES)
    with closing(sqlite3.connect(Path(folder, SHOP))) as shop, shop:
        asked = "INSERT INTO customers (number, name, email) VALUES (?, ?, ?)"
        shop.executemany(asked, CUSTOMERS)
        asked = (
            "INSERT INTO invoices (number, customer, day, total) VALUES (?, ?, ?, ?)"
        )
        shop.executemany(asked, INVOICES)


def pay(number: str, amount: str, day: str) -> None:
    """Money came for an invoice."""
    with closing(sqlite3.connect(BOOKS)) as books, books:
        paid = Decimal(_paid(books, number)) + Decimal(amount)
        asked = "UPDATE invoices SET paid = ?, received_on = ? WHERE number = ?"
        books.execute(asked, (str(paid), day, number))
        _changed(books, number)


def correct(number: str, total: str) -> None:
    """Another total of an invoice."""
    with closing(sqlite3.connect(BOOKS)) as books, books:
        _paid(books, number)
        asked = "UPDATE invoices SET total = ? WHERE number = ?"
        books.execute(asked, (total, number))
        _changed(books, number)


def _paid(books: sqlite3.Connection, number: str) -> str:
    """What is paid of an invoice."""
    asked = "SELECT paid FROM invoices WHERE number = ?"
    row = books.execute(asked, (number,)).fetchone()
    if row is None:
        sys.exit(f"there is no {number} in the books")
    return str(row[0])


def _changed(books: sqlite3.Connection, number: str) -> None:
    """Write down when an invoice changed; with the last of its money it is paid."""
    books.execute(
        "UPDATE invoices SET changed_at = ?, paid_on = CASE "
        "WHEN CAST(paid AS REAL) >= CAST(total AS REAL) THEN received_on END "
        "WHERE number = ?",
        (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), number),
    )


def show() -> None:
    """What both say of each invoice: its total, what is paid of it, and since when."""
    shop, books = _rows(SHOP), _rows(BOOKS)
    sys.stdout.write(f"{'':8}{'in the shop':32}in the books\n")
    head = ("total", "paid", "on")
    _line("", head, head)
    for number in sorted({*shop, *books}):
        none = ("-", "-", "-")
        _line(number, shop.get(number, none), books.get(number, none))


def _line(number: str, *sides: tuple[str, str, str]) -> None:
    cells = "  ".join(f"{total:>8}  {paid:>8}  {on:10}" for total, paid, on in sides)
    sys.stdout.write(f"{number:6}  {cells}".rstrip() + "\n")


def _rows(name: str) -> Mapping[str, tuple[str, str, str]]:
    """By number: total, paid, and since when."""
    asked = "SELECT number, total, paid, paid_on FROM invoices"
    with closing(sqlite3.connect(name)) as side:
        found = side.execute(asked).fetchall()
    return {number: (total, paid, on or "-") for number, total, paid, on in found}


WORK: Mapping[str, Callable[..., None]] = {
    "show": show,
    "make": make,
    "pay": pay,
    "correct": correct,
}


def main(arguments: Sequence[str]) -> None:
    """Do one piece of work; without a name, show both sides."""
    name, *rest = arguments or ["show"]
    if name not in WORK:
        sys.exit(f"{name} is none of {', '.join(WORK)}")
    WORK[name](*rest)


if __name__ == "__main__":
    main(sys.argv[1:])
