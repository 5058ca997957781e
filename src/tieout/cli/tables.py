"""
A side of ``tieout.toml`` that is tables of one's own, in a SQLite file.

What is wrong is told as everywhere in the file. It opens nothing: `tieout.Table` does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from attrs import NOTHING, fields, frozen

from tieout.errors import ConfigError
from tieout.table import (
    ApplicationTable,
    Columns,
    CreditNoteTable,
    CustomerTable,
    DocumentTable,
    InvoiceTable,
    LineTable,
    PaymentTable,
    Table,
)

TABLE = "table"
"""What such a side is called as a system."""

KEYS = (
    "database",
    "connection",
    "table",
    "columns",
    "currency",
    "only",
    "minor_units",
    "integer_ids",
    "integer_numbers",
)
"""What a section may say of such tables, besides those of documents."""

DOCUMENTS: Mapping[str, type[DocumentTable]] = {
    "customers": CustomerTable,
    "invoices": InvoiceTable,
    "credit_notes": CreditNoteTable,
    "payments": PaymentTable,
}
PARTS: Mapping[str, type[Any]] = {"lines": LineTable, "applications": ApplicationTable}
"""Sections within the section of a table of documents."""


@frozen
class Tables:
    """
    Reads such sections of a file in a ``folder``.

    ``known`` refuses keys that are none, ``wrong`` says where something is wrong.
    """

    folder: Path
    known: Callable[[str, Mapping[str, Any], Iterable[str]], None]
    wrong: Callable[[str, str], ConfigError]

    def read(self, side: str, given: Mapping[str, Any]) -> Table:
        """The tables that the section of a side names."""
        self.known(side, given, (*KEYS, *DOCUMENTS))
        for name in ("database", "connection"):
            if name not in given:
                raise self.wrong(side, f"{name} is missing")
        path = self.folder / str(given["database"])
        if not path.is_file():
            raise self.wrong(f"{side}.database", f"there is no file {path}")
        values = {name: given[name] for name in given if name in KEYS}
        del values["database"]
        if "columns" in values:
            values["columns"] = self._named(
                f"{side}.columns", Columns, given["columns"]
            )
        documents = [
            self._named(f"{side}.{name}", kind, given[name])
            for name, kind in DOCUMENTS.items()
            if name in given
        ]
        # Opened so, a file that went away is not made anew, and empty.
        address = f"{path.resolve().as_uri()}?mode=rw"
        return Table(
            connect=partial(sqlite3.connect, address, uri=True),
            documents=documents,
            **values,
        )

    def _named(self, where: str, kind: type[Any], given: Any) -> Any:
        """What a section says of a table, or of its columns."""
        if not isinstance(given, Mapping):
            raise self.wrong(where, f"it is a section of its own: [{where}]")
        known = {each.name: each for each in fields(kind) if each.name != "new_id"}
        self.known(where, given, known)
        for name, each in known.items():
            if each.default is NOTHING and name not in given:
                raise self.wrong(where, f"{name} is missing")
        parts = {
            name: self._named(f"{where}.{name}", part, given[name])
            for name, part in PARTS.items()
            if name in given
        }
        return kind(**{**given, **parts})


# The small office -------------------------------------------------------------------------

DEMO = """\
# A small office to try tieout with: a shop that sends invoices, and a bookkeeper's books.
# Both are SQLite files in this folder; office.py does what people do in them.

profile = "office"
store = "tieout.db"             # what tieout remembers

[settings.directions]           # what was paid comes back to billing by itself
Customer = "to ledger"
Invoice = "to ledger"
{sides}"""
"""What `tieout init --demo` writes; ``sides`` are sections of both files."""

SIDE = """
[{side}]
system = "table"
connection = "app:{name}"
database = "{name}.db"
table = "invoices"
integer_ids = true

[{side}.columns]                # what is paid of each invoice
id = "id"
number = "number"
total = "total"
currency = "currency"
paid_amount = "paid"
date_paid = "paid_on"
on = "day"
customer = "customer"
changed_at = "changed_at"

[{side}.customers]
table = "customers"
id = "id"
integer_ids = true
number = "number"
name = "name"
email = "email"
mark = "mark"
changed_at = "changed_at"

[{side}.invoices]
table = "invoices"
id = "id"
integer_ids = true
number = "number"
customer = "customer"
on = "day"
total = "total"
currency = "currency"
paid_amount = "paid"
mark = "mark"
changed_at = "changed_at"
"""
"""A side of the small office."""


def demo() -> str:
    """The file of the small office."""
    sides = {"billing": "shop", "ledger": "books"}
    told = (SIDE.format(side=side, name=name) for side, name in sides.items())
    return DEMO.format(sides="".join(told))
