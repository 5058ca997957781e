"""
Tryton's rows as records: customers, documents, payments and what was put to what.

What a document owes is worked out in `levels`; what is written is made in `bodies`.
Nothing here asks for a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from attrs import evolve, frozen

from tieout.connector import Fields
from tieout.connectors.tryton.levels import (
    MoveLine,
    PaidDate,
    Receipt,
    day,
    inside,
    instant,
    level_of,
    own_lines,
    put_to,
    receivable,
    status_of,
)
from tieout.errors import Code, Fault
from tieout.models import (
    Application,
    Basis,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    Ref,
    Settlement,
    Status,
)
from tieout.money import ZERO, parse_amount

ID = re.compile(r"[0-9]{1,10}", re.ASCII)
ID_MAX = 2**31 - 1
"""Tryton's ids are 32-bit integers; a larger one is an error of its database."""

MARK = re.compile(r"TO-[A-Z2-7]{13}", re.ASCII)
"""A word that `tieout.change.mark_of` made: it stands beside a person's own words."""


def own_id(raw: Fields, name: str = "id") -> str:
    """An id that Tryton can have given."""
    found = raw.id(name)
    if not ID.fullmatch(found) or int(found) > ID_MAX:
        at = raw.path(name)
        raise Fault(Code.BAD_FIELD, f"{at} is no id of Tryton", field=at)
    return found


def apart(text: str) -> tuple[str, list[str]]:
    """What a person wrote in a text, and the marks of ours in it."""
    marks = [word for word in text.split() if MARK.fullmatch(word)]
    own = " ".join(w for w in text.split() if w not in marks) if marks else text
    return own, marks


def settled_unpaid(row: Any) -> bool:
    """
    Whether something of a document is settled, and nobody paid anything of it.

    Its state does not tell: it lags where a queue worker is configured.
    """
    move = row.get("move.") if isinstance(row, Mapping) else None
    if not isinstance(move, Mapping) or not isinstance(move.get("id"), int):
        return False
    lines = move.get("lines.") or ()
    settled = any(isinstance(x, Mapping) and x.get("reconciliation") for x in lines)
    return settled and not row.get("payment_lines.") and not row.get("payment_lines")


def _marked(marks: Iterable[str]) -> dict[str, str]:
    found = " ".join(dict.fromkeys(marks))
    return {"mark": found} if found else {}


def _stamps(raw: Fields) -> dict[str, Any]:
    # write_date is empty until the first change.
    changed = raw.maybe("write_date", instant) or raw.maybe("create_date", instant)
    return {"changed_at": changed, "version": raw.text("_timestamp")}


def _dated(raw: Fields, status: Status) -> date:
    # A draft gets its date when it is posted.
    if status is Status.DRAFT and not raw.has("invoice_date"):
        return raw.read("create_date", instant).date()
    return raw.read("invoice_date", day)


def _lines(raw: Fields, currency: str, sign: int = 1) -> tuple[Line, ...]:
    rows = [x for x in raw.children("lines.") if x.text("type", "line") == "line"]
    return tuple(_line(row, currency, sign) for row in rows)


def _line(raw: Fields, currency: str, sign: int) -> Line:
    quantity = raw.maybe("quantity", parse_amount)
    return Line(
        description=raw.text("description"),
        amount=sign * (raw.maybe_amount("amount", currency) or ZERO),
        quantity=None if quantity is None else sign * quantity,
        unit_price=raw.maybe("unit_price", parse_amount),
        account=inside(raw, "account").text("code"),
        item=inside(raw, "product").text("code"),
    )


@frozen
class Records:
    """The records of one ``connection``; ``paid_date`` is the rule for a paid date."""

    connection: str
    paid_date: PaidDate = "applied"

    def _ref(self, kind: str, identity: str) -> Ref:
        return Ref(self.connection, kind, identity)

    def settlement(self, raw: Fields) -> Settlement | None:
        """The money of an invoice; None for a credit note."""
        head = self._head(raw, "Invoice")
        if head is None:
            return None
        on, level = raw.maybe("invoice_date", day), level_of(raw, head["total"])
        paid_on = level.paid_on(head["total"], on, self.paid_date)
        return Settlement(
            **head,
            balance=level.balance,
            status=level.status,
            on=on,
            settled_by=level.parts,
            paid_on=paid_on,
            last_on=level.last_on,
            basis=Basis.APPLICATIONS if paid_on else None,
        )

    def credit_note(self, raw: Fields) -> CreditNote | None:
        """An invoice below zero, as a credit note above; None for an invoice."""
        head = self._head(raw, "CreditNote")
        if head is None:
            return None
        level = level_of(raw, -head["total"])
        void = level.status is Status.VOID
        return CreditNote(
            **head,
            on=_dated(raw, level.status),
            status=level.status,
            remaining=max(-level.balance, ZERO),
            lines=_lines(raw, head["currency"], -1),
            applications=() if void else tuple(self._credited(raw, head)),
        )

    def applications(self, raw: Fields) -> tuple[Application, ...]:
        """What a credit note was put to; nothing for an invoice."""
        note = self.credit_note(raw)
        return note.applications if note else ()

    def invoice(self, raw: Fields) -> Invoice | None:
        """An invoice as a document; None for a credit note."""
        head = self._head(raw, "Invoice")
        if head is None:
            return None
        status = status_of(raw)
        dues = [line.maybe("maturity_date", day) for line in own_lines(raw)]
        return Invoice(
            **head,
            on=_dated(raw, status),
            status=status,
            due=max(filter(None, dues), default=None),
            lines=_lines(raw, head["currency"]),
        )

    def customer(self, raw: Fields) -> Customer:
        """A party."""
        codes = [each.text("code") for each in raw.children("identifiers.")]
        return Customer(
            ref=self._ref("Customer", own_id(raw)),
            name=raw.text("name") or raw.text("rec_name"),
            number=raw.number("code"),
            email=raw.text("email"),
            # SQLite has no booleans: 0 and 1.
            active=raw.maybe("active", bool) is not False,
            custom=_marked(code for code in codes if MARK.fullmatch(code)),
            **_stamps(raw),
        )

    def _head(self, raw: Fields, kind: str) -> dict[str, Any] | None:
        """What documents have in common, by our names; None where it is of another kind."""
        currency = inside(raw, "currency").currency("code")
        total = raw.amount("total_amount", currency)
        if (total < 0) is not (kind == "CreditNote"):
            return None
        party = raw.id("party") if raw.has("party") else None
        reference, marks = apart(raw.text("reference"))
        return {
            "ref": self._ref(kind, own_id(raw)),
            "number": raw.number("number"),
            "reference": reference,
            "customer": party and self._ref("Customer", party),
            "currency": currency,
            "total": abs(total),
            "custom": _marked(marks),
            **_stamps(raw),
        }

    # What was put to what

    def _credited(self, raw: Fields, head: Mapping[str, Any]) -> Iterator[Application]:
        """The parts of a credit note that were put to invoices, as far as it is told."""
        found: dict[str, Application] = {}
        own = [x.id("id") for x in own_lines(raw)]
        for row in own_lines(raw):
            line = MoveLine.read(row, raw)
            if line.amount is None or line.amount >= 0:
                continue
            linked = row.raw.get("invoice_payments") or []
            targets = put_to(row, -line.amount, [str(each) for each in linked], own)
            for target, amount in (targets or {}).items():
                ref = self._ref("Application", f"{head['ref'].id}/{target}")
                before = found[target].amount if target in found else ZERO
                found[target] = Application(
                    ref,
                    head["ref"],
                    self._ref("Invoice", target),
                    before + amount,
                    head["currency"],
                    line.on,
                    how=Part.CREDIT,
                )
        yield from found.values()

    def payment(self, raw: Fields) -> Payment | None:
        """A move by which a customer paid; None for a refund, and for a reversal."""
        lines = [Receipt.read(each, raw) for each in receivable(raw)]
        amount = sum((line.amount for line in lines), ZERO)
        if amount <= 0:
            return None
        currencies = {line.currency for line in lines}
        if len(currencies) != 1:
            raise Fault(Code.BAD_CURRENCY, "a payment in several currencies")
        parties = {line.party for line in lines}
        reference, marks = apart(raw.text("description"))
        ref, void = self._ref("Payment", own_id(raw)), all(x.back for x in lines)
        (currency,) = currencies
        found = Payment(
            ref,
            self._ref("Customer", min(parties)) if len(parties) == 1 else None,
            currency,
            raw.read("date", day),
            amount,
            Status.VOID,
            reference=reference,
            custom=_marked(marks),
            **_stamps(raw),
        )
        return self._applied(
            found, lines, void=void, draft=raw.text("state") == "draft"
        )

    def _applied(
        self, found: Payment, lines: list[Receipt], *, void: bool, draft: bool
    ) -> Payment:
        """A payment with what was put to invoices, and what was not."""
        targets = [line.targets for line in lines]
        if any(each is None for each in targets):
            # One reconciliation of several payments and invoices: it tells no pairs.
            return evolve(found, status=Status.SETTLED)
        sums: dict[str, Decimal] = {}
        for target, amount in (
            pair for each in targets for pair in (each or {}).items()
        ):
            sums[target] = sums.get(target, ZERO) + amount
        parts = tuple(
            Application(
                # Those of credit notes have two parts: no id of Tryton's own is like it.
                self._ref("Application", f"{found.ref.id}/{target}/payment"),
                found.ref,
                self._ref("Invoice", target),
                amount,
                found.currency,
                found.on,
                live=not void,
                source_amount=amount,
                source_currency=found.currency,
            )
            for target, amount in sums.items()
        )
        rest = found.amount - sum(sums.values(), ZERO)
        status = Status.OPEN if rest > 0 else Status.SETTLED
        if void or draft:
            status = Status.VOID if void else Status.DRAFT
        return evolve(found, status=status, applications=parts, unapplied=rest)
