"""
What QuickBooks' payment records say of an invoice's money: pure sums over rows.

An invoice tells its total and its balance; by what it was settled, and when, stands in
the payments that are linked to it. Nothing here asks for anything or writes anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from attrs import frozen

from tieout.connector import Fields, iso_day
from tieout.connectors.quickbooks.errors import VOID_NOTE
from tieout.errors import Code, Fault
from tieout.models import Basis, Part, Status, settled_day
from tieout.money import ZERO

PAYMENTS = "tieout:Payments"
"""Under this name an invoice's row carries the payments that are linked to it."""

_HOW: Mapping[str, Part] = {"Payment": Part.CASH, "CreditMemo": Part.CREDIT}
"""By what a source settles; journal entries and the like are none of both."""


@frozen
class Put:
    """A part of one payment record that was put to an ``invoice``, and from where."""

    invoice: str
    amount: Decimal
    kind: str
    """Of the source: ``Payment``, ``CreditMemo`` or another type of transaction."""
    source: str

    @property
    def how(self) -> Part:
        """By what it settles."""
        return _HOW.get(self.kind, Part.OTHER)


@frozen
class Sale:
    """What an invoice says of itself."""

    currency: str
    total: Decimal
    balance: Decimal
    on: date | None

    @property
    def settled(self) -> Decimal:
        """What is no longer owed."""
        return self.total - self.balance


# Payments ---------------------------------------------------------------------------


def linked(row: Any, kind: str) -> list[str]:
    """The ids of all transactions of a type that a row, or a line of it, is linked to."""
    found: dict[str, None] = {}
    lines = row.get("Line") if isinstance(row, dict) else None
    for each in [row, *(lines if isinstance(lines, list) else [])]:
        links = each.get("LinkedTxn") if isinstance(each, dict) else None
        for link in links if isinstance(links, list) else []:
            if isinstance(link, dict) and link.get("TxnType") == kind:
                found[str(link.get("TxnId"))] = None
    return [identity for identity in found if identity.isdecimal()]


def split(row: Fields, currency: str) -> tuple[Put, ...]:
    """
    What a payment record put to which invoice, by cash and by credit.

    QuickBooks records both sums for the whole payment alone. The rule: credits settle
    first, the older ones (by id) the older invoices; cash settles what is left. Raises
    `Fault` TOTALS_DISAGREE where the lines do not make the payment's total.
    """
    charges, sources = _sides(row, currency)
    waiting = list(sources.items())
    cash, found = row.id("Id"), list[Put]()
    for (charged, target), wanted in charges.items():
        invoice = target if charged == "Invoice" else ""
        left = wanted
        while left > 0 and waiting:
            (kind, identity), held = waiting[0]
            part = min(left, held)
            found.append(Put(invoice, part, kind, identity))
            left -= part
            waiting[:1] = [((kind, identity), held - part)] if held > part else []
        if left > 0:
            found.append(Put(invoice, left, "Payment", cash))
    return tuple(each for each in found if each.invoice)


_Amounts = dict[tuple[str, str], Decimal]


def _sides(row: Fields, currency: str) -> tuple[_Amounts, _Amounts]:
    """What was settled and what was consumed, by type and id, the oldest first."""
    amounts: _Amounts = {}
    for line in row.children("Line"):
        amount = line.maybe_amount("Amount", currency)
        for link in line.children("LinkedTxn")[:1] if amount else []:
            key = (link.text("TxnType"), link.id("TxnId"))
            amounts[key] = amounts.get(key, ZERO) + (amount or ZERO)
    total = row.amount("TotalAmt", currency)
    unapplied = row.maybe_amount("UnappliedAmt", currency)
    ordered = sorted(amounts.items(), key=lambda each: _age(each[0]))
    for settled in ("Invoice",), ("Invoice", *_other(amounts)):
        charges = {key: each for key, each in ordered if key[0] in settled}
        sources = {key: each for key, each in ordered if key[0] not in settled}
        cash = sum(charges.values(), ZERO) - sum(sources.values(), ZERO)
        left = total - cash if unapplied is None else unapplied
        if not charges or (cash >= 0 and left >= 0 and cash + left == total):
            return charges, sources
    text = f"its lines do not make the payment's total of {total}"
    raise Fault(Code.TOTALS_DISAGREE, text, field=row.path("Line"))


def _other(amounts: _Amounts) -> set[str]:
    """Types that a payment may settle or consume: journal entries, checks, charges."""
    return {kind for kind, _ in amounts} - {"Invoice", "CreditMemo"}


def _age(key: tuple[str, str]) -> tuple[int, str, str]:
    """An id as a number where it is one: later records have higher ones."""
    kind, identity = key
    return (int(identity) if identity.isdecimal() else 0, identity, kind)


class Paid:
    """A payment's row, taken apart once, to however many invoices it is put."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row
        self._parts: dict[str, Mapping[str, list[tuple[date | None, Put]]]] = {}

    def put_to(self, invoice: str, currency: str) -> list[tuple[date | None, Put]]:
        """
        What it put to an invoice, with its day; nothing where its lines disagree.

        That is an issue of the payment; of the invoice only the parts are not told.
        """
        if currency not in self._parts:
            self._parts[currency] = self._taken_apart(currency)
        return self._parts[currency].get(invoice, [])

    def _taken_apart(self, currency: str) -> dict[str, list[tuple[date | None, Put]]]:
        found: dict[str, list[tuple[date | None, Put]]] = {}
        row = Fields(self._row)
        try:
            on = row.maybe("TxnDate", iso_day)
            for put in split(row, currency):
                found.setdefault(put.invoice, []).append((on, put))
        except Fault:
            return {}
        return found


# An invoice's money -----------------------------------------------------------------


def level(row: Fields, sale: Sale, *, noted_void: bool) -> dict[str, Any]:
    """
    What a live invoice owes and how it was settled, by a settlement's fields.

    ``noted_void``: its note calls it voided while it holds amounts. Where nothing was
    settled, or the payments explain it, the amounts count; else `Fault` UNKNOWN_STATUS.
    """
    puts = list(_puts(row, sale))
    parts = _parts(puts)
    told = sum(parts.values(), ZERO) == sale.settled
    if noted_void and not told:
        text = f"its note calls it voided, and {sale.settled} is settled by no payment"
        raise VOID_NOTE.fault(text, field="PrivateNote")
    cash = [(on, put) for on, put in puts if put.how is Part.CASH]
    days = [on for on, _ in puts if on]
    paid_on, basis = None, None
    if sale.balance <= 0 and told:
        dated = [(on or sale.on, put.amount) for on, put in puts]
        settling = [(on, amount) for on, amount in dated if on]
        paid_on, basis = settled_day(sale.total, settling, sale.on), Basis.APPLICATIONS
    elif sale.balance <= 0:
        paid_on, basis = max(days, default=None), Basis.LAST_RECEIPT
    return {
        "balance": sale.balance,
        "status": Status.OPEN if sale.balance > 0 else Status.SETTLED,
        "settled_by": parts if told else {},
        "paid_on": paid_on,
        "basis": basis if paid_on else None,
        "last_on": max((on for on, _ in cash if on), default=None),
        "receipts": tuple(sorted({put.source for _, put in cash if put.source})),
    }


def _puts(row: Fields, sale: Sale) -> Iterator[tuple[date | None, Put]]:
    """All that was put to an invoice, each with its day; its own deposit among it."""
    own = row.id("Id")
    deposit = row.maybe_amount("Deposit", sale.currency)
    if deposit:
        yield sale.on, Put(own, deposit, "Payment", "")
    for payment in row.raw.get(PAYMENTS, ()):
        yield from payment.put_to(own, sale.currency)


def _parts(puts: Iterable[tuple[date | None, Put]]) -> dict[Part, Decimal]:
    """The sums of cash and credit, and of what is neither where there is any."""
    parts = {Part.CASH: ZERO, Part.CREDIT: ZERO}
    for _, put in puts:
        parts[put.how] = parts.get(put.how, ZERO) + put.amount
    return parts
