"""
What Tryton is asked for: the fields of each kind, and selections as domains.

Names with a point are read through a link. Only stored fields: 7.0 fails at a link that it
computes. Nothing here sends anything, or reads an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tieout.capabilities import Changed, Dated, Everything, Open, Select
from tieout.connectors.tryton.wire import call
from tieout.errors import Code, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    RecordType,
    Settlement,
)
from tieout.wire import Request

BILLS, MOVES, PARTIES = "account.invoice", "account.move", "party.party"
MODELS: Mapping[RecordType, str] = {
    **dict.fromkeys((Settlement, Invoice, CreditNote, Application), BILLS),
    Payment: MOVES,
    Customer: PARTIES,
}


def _under(names: str, *paths: str) -> str:
    return " ".join(f"{path}.{name}" for path in paths for name in names.split())


OWN = ("move.lines", "additional_moves.lines")
_STAMPS = "write_date create_date _timestamp"
_DOCUMENT = (
    "state number reference invoice_date party total_amount currency.code"
    f" company.currency account {_STAMPS}"
)
_LINE = "date debit credit amount_second_currency second_currency reconciliation"
_PAYING = f"{_LINE} move.origin move.journal.type"
_OWED = (
    f"{_LINE} account reconciliation.delegate_to.reconciliation"
    f" {_under(_PAYING, 'reconciliation.lines')}"
)
_MONEY = (
    f"{_DOCUMENT} amount_to_pay"
    f" {_under(_PAYING, 'payment_lines')} {_under(_OWED, *OWN)}"
)
_BILLED = "type description quantity unit_price amount account.code product.code"
_LINKED = "invoice_payments reconciliation.lines.invoice_payments"
_CREDITED = f"{_MONEY} {_under(_LINKED, *OWN)} {_under(_BILLED, 'lines')}"
_RECEIVED = (
    f"{_LINE} party account.type.receivable second_currency.code {_LINKED}"
    f" invoice_payments.amount_to_pay {_under(_PAYING, 'reconciliation.lines')}"
)
FIELDS: Mapping[RecordType, str] = {
    Settlement: _MONEY,
    CreditNote: _CREDITED,
    Application: _CREDITED,
    Invoice: (
        f"{_DOCUMENT} payment_lines"
        f" {_under('account maturity_date reconciliation', 'move.lines')}"
        f" {_under(_BILLED, 'lines')}"
    ),
    Payment: (
        f"date origin description state company.currency.code {_STAMPS}"
        f" {_under(_RECEIVED, 'lines')}"
    ),
    Customer: f"name code active email rec_name identifiers.code {_STAMPS}",
}

_MOVED = _under("write_date", *OWN, "payment_lines")
CHANGES: Mapping[RecordType, str] = {
    Settlement: _MOVED,
    CreditNote: f"{_MOVED} move.lines.invoice_payments.write_date",
    Invoice: _MOVED,
    Payment: "lines.write_date",
    Customer: _under("write_date create_date", "addresses", "contact_mechanisms"),
}
"""The stamps of others that tell of a change. A payment's reversal and, with a worker, a
reconciliation move those of lines and not the invoice's; an e-mail not its party's."""

MARKED: Mapping[RecordType, str] = {
    Invoice: "reference",
    CreditNote: "reference",
    Payment: "description",
    Customer: "identifiers.code",
}
"""Where our mark stands."""

_DAYS = {Payment: "date"}
_RECEIPTS: list[Any] = [
    [
        "OR",
        ["journal.type", "in", ["cash", "statement"]],
        # Of the modules account_payment and account_statement, and not observed.
        ["origin", "like", "account.payment,%"],
        ["origin", "like", "account.statement%"],
    ],
    ["lines.account.type.receivable", "=", True],
]
"""The moves that are payments of customers, their reversals and refunds among them."""


def scope(kind: RecordType, company: int | None) -> list[Any]:
    """The conditions that all records of a kind meet."""
    if kind is Customer:
        return []
    one = [] if company is None else [["company", "=", company]]
    return [*(_RECEIPTS if kind is Payment else [["type", "=", "out"]]), *one]


def selected(kind: RecordType, select: Select) -> list[Any]:
    """The conditions that a selection is for a kind."""
    dated = _DAYS.get(kind, "invoice_date")
    match select:
        case Everything():
            return []
        case Changed(since=since):
            own = ["write_date", ">=", since]
            new = [["write_date", "=", None], ["create_date", ">=", since]]
            others = [[name, ">=", since] for name in CHANGES[kind].split()]
            return [["OR", own, new, *others]]
        case Dated(first, last) if kind is not Customer:
            return [[dated, ">=", first], [dated, "<=", last]]
        case Open(through) if kind not in (Customer, Payment):
            until = [["invoice_date", "<=", through]] if through else []
            return [["state", "=", "posted"], *until]
    text = f"Tryton has no {kind.__name__} records by {type(select).__name__}"
    raise Fault(Code.NOT_ALLOWED, text)


def marked(kind: RecordType, marks: Iterable[str]) -> list[Any]:
    """The conditions that documents with one of these marks meet; others may too."""
    name = MARKED[kind]
    if kind is Customer:
        return [[name, "in", [*marks]]]
    plain = [re.sub(r"([\\%_])", r"\\\1", mark) for mark in marks]
    return [["OR", *([name, "like", f"%{each}%"] for each in plain)]]


def search_read(
    model: str, domain: Sequence[Any], fields: str, limit: int | None = None
) -> Request:
    """
    A call that searches and reads at once.

    Ordered by id, which never changes: whatever is written while the pages are read stays
    in its place, and rows that share one write_date cannot split.
    """
    asked = (domain, 0, limit, [["id", "ASC"]], fields.split())
    return call(f"{model}.search_read", *asked)
