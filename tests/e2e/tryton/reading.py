"""
What Tryton's books say of each customer invoice, read from the move lines.

The oracle of the end-to-end tests: it shares no code with tieout, asks no
server, and trusts no field that Tryton computes (`amount_to_pay`,
`reconciled`). Also a script: `python reading.py ledger.sqlite` prints JSON.

How it reads. An invoice's *own* lines are those of its move (and additional
moves) on its receivable account: their sum is the total. Lines of the other
sign *settle* it: those reconciled together with an own line, and those linked
to it as payment lines and not reconciled with anything yet. A linked line that
is reconciled, but not with an own line, is a payment that was undone: it does
not count. Neither do open linked lines that would settle everything: Tryton
reconciles those at once, so their reconciliation was taken apart. Owed is what is open of own and settling lines together. A credit
note is a document with a negative total; its own line is used up when it is
linked to an invoice, although Tryton still shows it as open.
"""

import datetime as dt
import json
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

DOCUMENTS = """
    SELECT i.id, i.number, i.reference, p.name AS customer, c.code AS currency,
           i.state, i.invoice_date AS dated
      FROM account_invoice i
      JOIN party_party p ON p.id = i.party
      JOIN currency_currency c ON c.id = i.currency
     WHERE i.type = 'out' AND i.number IS NOT NULL
       AND i.state IN ('posted', 'paid', 'cancelled')
     ORDER BY i.id
"""

# Every move that an invoice made, and the lines in it that the customer owes.
OWN = """
    WITH made (invoice, move) AS (
        SELECT id, move FROM account_invoice WHERE move IS NOT NULL
        UNION SELECT invoice, move FROM "account_invoice-additional-account_move"
    ),
    own (invoice, line) AS (
        SELECT made.invoice, l.id
          FROM made
          JOIN account_invoice i ON i.id = made.invoice
          JOIN account_move_line l ON l.move = made.move AND l.account = i.account
    ),
    linked (invoice, line) AS (
        SELECT invoice, line FROM "account_invoice-account_move_line"
    )
"""

# Amounts: in the company's currency unless the line carries the invoice's.
# `kind`: a line on another invoice's move is a credit note's (or, with the
# invoice's own sign, another invoice that was settled at the same time).
LINE = """
           l.id AS line, l.reconciliation, m.date,
           CASE WHEN l.second_currency = i.currency THEN l.amount_second_currency END
               AS foreign_amount, l.debit, l.credit,
           CASE WHEN j.type = 'write-off' THEN 'written_off'
                WHEN EXISTS (SELECT 1 FROM own o WHERE o.line = l.id) THEN 'credit'
                ELSE 'cash' END AS kind
      FROM own_or_settling s
      JOIN account_invoice i ON i.id = s.invoice
      JOIN account_move_line l ON l.id = s.line
      JOIN account_move m ON m.id = l.move
      JOIN account_journal j ON j.id = m.journal
     ORDER BY s.invoice, l.id
"""

OWN_LINES = f"""{OWN}, own_or_settling AS (SELECT invoice, line FROM own)
    SELECT s.invoice,
           EXISTS (SELECT 1 FROM linked k
                    WHERE k.line = s.line AND k.invoice <> s.invoice) AS spent,
    {LINE}"""

SETTLING_LINES = f"""{OWN}, own_or_settling AS (
        SELECT own.invoice, other.id AS line
          FROM own
          JOIN account_move_line mine ON mine.id = own.line
          JOIN account_move_line other ON other.reconciliation = mine.reconciliation
        UNION
        SELECT linked.invoice, linked.line
          FROM linked
          JOIN account_move_line l ON l.id = linked.line
         WHERE l.reconciliation IS NULL
        EXCEPT SELECT invoice, line FROM own
    )
    SELECT s.invoice, 0 AS spent, {LINE}"""


@dataclass(frozen=True)
class Line:
    invoice: int
    amount: Decimal
    date: dt.date
    kind: str
    open: bool
    spent: bool


@dataclass(frozen=True)
class Reading:
    """
    One posted, paid or cancelled document; amounts carry Tryton's signs.

    `paid` is cash and credit together, without what was written off.
    `closed_on` is the day of the last line that settled it, once nothing is
    owed; `paid_on` is the same, but empty where something was written off.
    """

    id: int
    number: str
    reference: str
    customer: str
    currency: str
    state: str
    total: Decimal
    owed: Decimal
    cash: Decimal
    credit: Decimal
    written_off: Decimal
    paid: Decimal
    closed_on: dt.date | None
    paid_on: dt.date | None


def _exact(value: bytes | str | float | None) -> Decimal:
    """Tryton keeps decimals as text in bytes; a column default is a number."""
    if isinstance(value, float):
        raise TypeError(f"a float among the amounts: {value!r}")
    text = value.decode() if isinstance(value, bytes) else value
    return Decimal(text or 0)


def _line(row: sqlite3.Row) -> Line:
    foreign = row["foreign_amount"]
    return Line(
        invoice=row["invoice"],
        amount=_exact(row["debit"]) - _exact(row["credit"])
        if foreign is None
        else _exact(foreign),
        date=dt.date.fromisoformat(row["date"]),
        kind=row["kind"],
        open=row["reconciliation"] is None,
        spent=bool(row["spent"]),
    )


def _sum(lines: Sequence[Line]) -> Decimal:
    return sum((line.amount for line in lines), Decimal(0))


def _read_one(document: sqlite3.Row, own: list[Line], settling: list[Line]) -> Reading:
    total = _sum(own)
    # A line of the document's own sign is another document, settled with it.
    against = [line for line in settling if line.amount * total < 0]
    open_own = [line for line in own if line.open]
    spent = _sum([line for line in open_own if line.spent])
    linked = _sum([line for line in against if line.open])
    if open_own and abs(linked) >= abs(_sum(open_own) - spent):
        # Tryton reconciles what is fully paid. Where it all lies open, somebody took
        # the reconciliation apart: the payment still hangs there, and settles nothing.
        against = [line for line in against if not line.open]
        linked = Decimal(0)
    owed = _sum(open_own) - spent + linked
    credit = spent - _sum([line for line in against if line.kind == "credit"])
    written_off = -_sum([line for line in against if line.kind == "written_off"])
    settled = total - owed
    closed = max([line.date for line in (*own, *against)], default=None)
    if document["state"] == "cancelled":
        # Void: its credit note took it back, and nothing of it was ever paid.
        owed = credit = written_off = settled = Decimal(0)
        closed = None
    elif owed:
        closed = None
    return Reading(
        id=document["id"],
        number=document["number"],
        reference=document["reference"] or "",
        customer=document["customer"],
        currency=document["currency"],
        state=document["state"],
        total=total,
        owed=owed,
        cash=settled - credit - written_off,
        credit=credit,
        written_off=written_off,
        paid=settled - written_off,
        closed_on=closed,
        paid_on=None if written_off else closed,
    )


def read(database: Path) -> list[Reading]:
    """
    Every numbered customer document in the file, by id.

    The file may be in use by a server: it is opened read-only.
    """
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as books:
        books.row_factory = sqlite3.Row
        documents = books.execute(DOCUMENTS).fetchall()
        own = [_line(row) for row in books.execute(OWN_LINES)]
        settling = [_line(row) for row in books.execute(SETTLING_LINES)]
    return [
        _read_one(
            document,
            [line for line in own if line.invoice == document["id"]],
            [line for line in settling if line.invoice == document["id"]],
        )
        for document in documents
    ]


def as_json(readings: Sequence[Reading]) -> list[dict[str, Any]]:
    """Amounts and dates as text."""
    return [
        {
            name: str(value) if isinstance(value, Decimal | dt.date) else value
            for name, value in asdict(reading).items()
        }
        for reading in readings
    ]


if __name__ == "__main__":
    print(json.dumps(as_json(read(Path(sys.argv[1]))), indent=1))  # noqa: T201
