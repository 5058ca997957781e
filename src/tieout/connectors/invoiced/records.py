"""
Invoiced's rows as records, and records as Invoiced wants them: pure, and the only place
that knows the names of its fields.

Nothing here asks for anything. What an invoice was paid by is not in its row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from attrs import evolve, frozen

from tieout.change import Change
from tieout.connector import Fields, sound_day, system_id
from tieout.errors import Code, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    Ref,
    Settlement,
    Status,
    clean_number,
)
from tieout.money import ZERO, parse_amount

ID = re.compile(r"[0-9]{1,18}", re.ASCII)

NOON = time(12)
"""Dates are instants at Invoiced: at noon no zone of the reader's makes another day."""

KEYS_MAX, KEY_LENGTH_MAX, VALUE_LENGTH_MAX = 10, 40, 255
"""The vendor's limits of the metadata of one object."""

LOOK = "Look at the invoice's payments and credit notes in Invoiced, then run again."

# fmt: off
_SENT = ("not_sent", "sent", "viewed", "past_due", "pending")
_INVOICE_STATUSES: Mapping[str, Status] = {
    "draft": Status.DRAFT, **dict.fromkeys(_SENT, Status.OPEN),
    "bad_debt": Status.OPEN,  # unverified; a closed invoice is still owed
    "paid": Status.SETTLED, "voided": Status.VOID,
}
_NOTE_STATUSES: Mapping[str, Status] = {
    "draft": Status.DRAFT, "open": Status.OPEN,
    "paid": Status.SETTLED, "closed": Status.SETTLED, "voided": Status.VOID,
}
CASH, CREDIT, FEE = Part.CASH, Part.CREDIT, Part.OTHER
_SPLITS: Mapping[str, Part | None] = {
    "invoice": CASH, "convenience_fee": FEE,
    "credit_note": CREDIT, "applied_credit": CREDIT,
    "credit": None, "estimate": None,  # kept for the customer: it settles no invoice yet
}
WRITTEN = ("invoice", "credit_note")
"""Types of splits that can be written; the others come about at Invoiced itself."""

METHODS = (
    "ach", "cash", "check", "credit_card", "direct_debit", "eft", "other", "paypal",
    "wire_transfer",
)
# fmt: on


@frozen
class Records:
    """
    The rows of one business: ``load_…`` make records of them, ``…_body`` what is sent.

    ``key`` is the metadata that holds our mark; ``method`` and ``item`` are those of
    payments and lines that have none.
    """

    connection: str
    zone: tzinfo
    key: str
    method: str
    item: str

    # Loading --------------------------------------------------------------------------

    def ref(self, kind: str, row: Fields, name: str = "id") -> Ref:
        """Which record a field names."""
        return Ref(self.connection, kind, system_id(row, name, ID, "Invoiced"))

    def maybe_ref(self, kind: str, row: Fields, name: str) -> Ref | None:
        """Which record a field names, if any."""
        return self.ref(kind, row, name) if row.has(name) else None

    def day(self, value: Any) -> date:
        """The calendar day of an instant, in the business's zone."""
        return sound_day(_instant(value).astimezone(self.zone).date())

    # fmt: off
    def load_customer(self, row: Fields) -> Customer:
        return Customer(
            self.ref("Customer", row), row.text("name"),
            number=row.number("number"), email=row.text("email"),
            currency=_currency(row) if row.raw.get("currency") else "",
            active=row.flag("active", default=True),
            parent=self.maybe_ref("Customer", row, "parent_customer"),
            **_stamped(row),
        )

    def _head(self, row: Fields, kind: str) -> dict[str, Any]:
        """What all documents have in common, by the names of the records' fields."""
        currency = _currency(row)
        return {
            "ref": self.ref(kind, row), "number": row.number("number"),
            "customer": self.ref("Customer", row, "customer"),
            "currency": currency, "total": row.amount("total", currency),
            "reference": clean_number(row.text("purchase_order")), **_stamped(row),
        }

    def load_settlement(self, row: Fields) -> Settlement:
        """What the invoice itself says; its payments say the rest."""
        head, on = self._head(row, "Invoice"), row.maybe("date", self.day)
        balance = row.amount("balance", head["currency"])
        status = _status(row, _INVOICE_STATUSES, balance)
        void = status is Status.VOID
        return Settlement(
            **head, balance=ZERO if void else balance, status=status, on=on,
            settled_by={} if void else {CASH: ZERO, CREDIT: ZERO},
            # From when on payments can have been applied to it.
            carry=row.maybe("created_at", _seconds) or 0,
        )
    # fmt: on

    def load_invoice(self, row: Fields) -> Invoice:
        head, balance = self._document(row, "Invoice")
        status = _status(row, _INVOICE_STATUSES, balance)
        return Invoice(**head, status=status, due=row.maybe("due_date", self.day))

    def load_note(self, row: Fields) -> CreditNote:
        head, left = self._document(row, "CreditNote")
        status = _status(row, _NOTE_STATUSES, left)
        return CreditNote(**head, status=status, remaining=left)

    def _document(self, row: Fields, kind: str) -> tuple[dict[str, Any], Decimal]:
        """What invoices and credit notes have in common, and what is left of one."""
        head = self._head(row, kind)
        currency = head["currency"]
        lines = [
            line
            for each in row.children("items")
            for line in (_line(each, currency), *_discounts(each, currency))
        ]
        lines += [*_discounts(row, currency), *_taxes(row, currency)]
        head |= {"on": row.read("date", self.day), "lines": tuple(lines)}
        return head, row.amount("balance", currency)

    # fmt: off
    def load_payment(self, row: Fields) -> Payment:
        """
        A payment with its applications, where the answer shows them.

        ``unapplied`` takes in what was put to the customer's credit balance, and deposits
        on estimates.
        """
        currency = _currency(row)
        rest = row.maybe_amount("balance", currency) or ZERO
        bare = Payment(
            self.ref("Payment", row), self.maybe_ref("Customer", row, "customer"),
            currency, row.read("date", self.day), row.amount("amount", currency),
            _payment_status(row), reference=clean_number(row.text("reference")),
            unapplied=rest, method=row.text("method"), **_stamped(row),
        )
        if row.has("applied_to"):
            bare = self._applied(bare, rest, row.children("applied_to"))
        left = bare.status is Status.SETTLED and bare.unapplied
        return evolve(bare, status=Status.OPEN) if left else bare
    # fmt: on

    def load_applications(self, row: Fields) -> tuple[Application, ...]:
        return self.load_payment(row).applications

    def _applied(self, bare: Payment, rest: Decimal, splits: list[Fields]) -> Payment:
        """The payment with what it was applied to, which has to make its amount."""
        sums = dict.fromkeys(_SPLITS.values(), ZERO)
        found: dict[str, Application] = {}
        for split in splits:
            amount = split.amount("amount", bare.currency)
            sums[split.choice("type", _SPLITS)] += amount
            each = self.application(bare, split)
            if each is not None:
                held = found.get(each.ref.id)
                amount += held.amount if held else ZERO
                found[each.ref.id] = evolve(each, amount=amount, source_amount=amount)
        credit = sums.pop(CREDIT)
        cash = sum(sums.values(), rest)
        # Whether credits count in the amount is not documented: either is taken.
        if bare.status is not Status.VOID and bare.amount not in (cash, cash + credit):
            text = f"the amount is {bare.amount}, its parts {cash}, and {credit} credit"
            raise Fault(Code.TOTALS_DISAGREE, text, field="amount", remedy=LOOK)
        applied, unapplied = tuple(found.values()), rest + sums[None]
        return evolve(bare, amount=cash, unapplied=unapplied, applications=applied)

    def application(self, of: Payment, split: Fields) -> Application | None:
        """
        What one split of a payment put to an invoice, if it did.

        A fee is an invoice of its own to a ledger: it is the target of its application.
        """
        how, source = split.choice("type", _SPLITS), of.ref
        if how is None or (how is CREDIT and not split.has("invoice")):
            return None
        if how is FEE:
            target = Ref(self.connection, "Invoice", f"{of.ref.id}:fee")
            part = "fee"
        else:
            target = self.ref("Invoice", split, "invoice")
            part = target.id
        if how is CREDIT and split.has("credit_note"):
            source = self.ref("CreditNote", split, "credit_note")
            part = f"{source.id}-{target.id}"
        elif how is CREDIT:
            source, part = of.customer or of.ref, f"balance-{target.id}"
        # fmt: off
        return Application(
            Ref(self.connection, "Application", f"{of.ref.id}:{part}"), source, target,
            split.amount("amount", of.currency), of.currency, of.on, how,
            live=of.status is not Status.VOID, source_currency=of.currency,
            changed_at=of.changed_at, version=of.version, custom=of.custom,
        )
        # fmt: on

    def load_touched(self, row: Fields) -> tuple[Ref, ...]:
        """The invoices that a payment, perhaps a void one, is or was applied to."""
        splits = [each for each in row.children("applied_to") if each.has("invoice")]
        return tuple(self.ref("Invoice", each, "invoice") for each in splits)

    def load_issued(self, row: Fields) -> tuple[Ref, ...]:
        """The invoice that a credit note was issued against."""
        invoice = self.maybe_ref("Invoice", row, "invoice")
        return (invoice,) if invoice else ()

    def survivor(self, event: Fields, customer: str) -> str:
        """Into which customer an event says that this one was merged, or nothing."""
        data = event.inside("data")
        into, was = data.inside("object"), data.inside("previous")
        told = event.text("type") == "customer.merged" and into.has("id")
        if not told or (was.has("id") and was.id("id") != customer):
            return ""
        found = self.ref("Customer", into).id
        return "" if found == customer else found

    # What is sent ---------------------------------------------------------------------

    def at(self, day: date) -> int:
        """A day as Invoiced has it."""
        return int(datetime.combine(day, NOON, self.zone).timestamp())

    def since(self, day: date) -> int:
        """The first second of a day."""
        return int(datetime.combine(day, time(), self.zone).timestamp())

    def customer_body(self, change: Change) -> dict[str, Any]:
        return self._differing(change, _customer_fields)

    def document_body(self, change: Change) -> dict[str, Any]:
        """Of an invoice or a credit note; an update leaves out what stays."""
        before, after = change.before, change.after
        assert isinstance(after, Invoice | CreditNote)
        body = self._differing(change, self._document_fields)
        if not isinstance(before, Invoice | CreditNote):
            body |= {"customer": own(after.customer), "calculate_taxes": False}
            return {**body, "items": self._items(after)}
        if after.customer != before.customer:
            text = "Invoiced does not move a document to another customer"
            raise Fault(Code.NOT_ALLOWED, text, field="customer")
        if (after.lines, after.total) != (before.lines, before.total):
            # Discounts and taxes of the whole document were read as lines.
            rest = {"discounts": [], "taxes": [], "calculate_taxes": False}
            body |= {"items": self._items(after), **rest}
        return body

    def _document_fields(self, of: Any) -> dict[str, Any]:
        due = getattr(of, "due", None)
        return {
            "number": of.number,
            "currency": of.currency.lower(),
            "date": self.at(of.on),
            "due_date": due and self.at(due),
            "purchase_order": of.reference,
            "draft": of.status is Status.DRAFT,
        }

    def _items(self, of: Invoice | CreditNote) -> list[dict[str, Any]]:
        lines = of.lines or (Line(of.reference or of.number, of.total),)
        return [self._item(line) for line in lines]

    def _item(self, line: Line) -> dict[str, Any]:
        """A line, whose quantity times price is its amount to the last digit."""
        quantity, price = line.quantity, line.unit_price
        if quantity is None or price is None or quantity * price != line.amount:
            quantity, price = Decimal(1), line.amount
        item = line.item or self.item
        sent = {
            "catalog_item": item,
            "name": line.description or item or "-",
            "quantity": quantity,
            "unit_cost": price,
            "taxes": [{"amount": line.tax}] if line.tax else None,
            "metadata": _metadata_of({**line.custom, **line.dimensions}) or None,
        }
        return {name: value for name, value in sent.items() if value not in (None, "")}

    def payment_body(self, change: Change) -> dict[str, Any]:
        after, body = change.after, self._differing(change, self._payment_fields)
        assert isinstance(after, Payment)
        if change.before is not None:
            return body
        owner = {"customer": own(after.customer)} if after.customer else {}
        return {**owner, "currency": after.currency.lower(), **body}

    def _payment_fields(self, of: Any) -> dict[str, Any]:
        ours = (CASH, CREDIT)
        applied = [each for each in of.applications if each.live and each.how in ours]
        return {
            "date": self.at(of.on),
            "amount": of.amount,
            "method": of.method if of.method in METHODS else self.method,
            "reference": of.reference,
            "applied_to": [
                split(e, of) for e in applied if e.source.kind != "Customer"
            ],
        }

    def _differing(self, change: Change, fields: Any) -> dict[str, Any]:
        """Of a new record all that there is, else what differs; null clears."""
        wanted = fields(change.after)
        metadata = self._marked(change)
        if change.before is None:
            told = {n: value for n, value in wanted.items() if value not in (None, "")}
            return told | metadata
        held = fields(change.before)
        changed = {n: None if v == "" else v for n, v in wanted.items() if v != held[n]}
        return changed | metadata

    def _marked(self, change: Change) -> dict[str, Any]:
        """
        The metadata: what is there, what is wanted, and on a new record our mark.

        It goes as a whole, since a part may wipe out the rest (not documented).
        """
        before, after = change.before, change.after
        kept = dict(before.custom) if before else {}
        mark = {self.key: change.mark} if change.mark and change.target is None else {}
        wanted = {**kept, **(after.custom if after else {}), **mark}
        return {} if wanted == kept else {"metadata": _metadata_of(wanted)}


def own(ref: Ref | None) -> int:
    """An id as Invoiced has it, a whole number; `Fault` NOT_ALLOWED where it is none."""
    if ref is None or not ID.fullmatch(ref.id):
        raise Fault(
            Code.NOT_ALLOWED, f"{ref.id if ref else 'none'} is no id of Invoiced"
        )
    return int(ref.id)


def split(each: Application, of: Payment | Application) -> dict[str, Any]:
    """An application as one split of a payment."""
    if each.currency != of.currency:
        text = f"{each.currency} and {of.currency} in one payment"
        raise Fault(Code.NOT_ALLOWED, text, field="currency")
    to = {"invoice": own(each.target), "amount": each.amount}
    if each.source.kind != "CreditNote":
        return {"type": "invoice", **to}
    note = {"credit_note": own(each.source), "document_type": "invoice"}
    return {"type": "credit_note", **note, **to}


def _customer_fields(of: Any) -> dict[str, Any]:
    return {
        "name": of.name,
        "number": of.number,
        "email": of.email,
        "currency": of.currency.lower(),
        "parent_customer": own(of.parent) if of.parent else None,
    }


# Fields -----------------------------------------------------------------------------


def _seconds(value: Any) -> int:
    """UNIX seconds."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value, re.ASCII):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**12:
        return value
    raise Fault(Code.BAD_DATE, "it is no UNIX time in seconds")


def _instant(value: Any) -> datetime:
    found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=_seconds(value))
    sound_day(found.date())
    return found


def _stamped(row: Fields) -> dict[str, Any]:
    """Change time, version and metadata of any record."""
    return {
        "changed_at": row.maybe("updated_at", _instant),
        "version": row.text("updated_at"),
        "custom": _metadata(row),
    }


def _metadata(row: Fields) -> dict[str, Any]:
    """Custom values as they are; an empty collection may come as a list."""
    held = row.raw.get("metadata")
    found = held if isinstance(held, Mapping) else {}
    values = {n: Decimal(v) if type(v) is int else v for n, v in found.items()}
    return {n: v for n, v in values.items() if isinstance(v, str | bool | Decimal)}


def _metadata_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Custom values as metadata; `Fault` NOT_ALLOWED where Invoiced takes no such."""
    told = {name: _written(value) for name, value in values.items()}
    long = [
        name
        for name, value in told.items()
        if len(name) > KEY_LENGTH_MAX or len(value) > VALUE_LENGTH_MAX
    ]
    if long or len(told) > KEYS_MAX:
        many = f"{len(told)} keys, and {KEYS_MAX} fit"
        text = f"{', '.join(long)} is too long" if long else many
        raise Fault(Code.NOT_ALLOWED, f"metadata: {text}", field="metadata")
    return told


def _written(value: Any) -> str:
    match value:
        case bool():
            return "1" if value else "0"
        case Decimal():
            return format(value, "f")
        case _:
            return str(value)


def _currency(row: Fields) -> str:
    """The ISO code, which Invoiced writes in small letters."""
    told = row.raw.get("currency")
    if isinstance(told, str) and re.fullmatch("[a-z]{3}", told, re.ASCII):
        told = told.upper()
    return Fields({"currency": told}).currency("currency")


def _name(value: Any) -> str:
    """An id, also where the whole object stands in its place."""
    return Fields(value if isinstance(value, Mapping) else {"id": value}).id("id")


def _status(row: Fields, table: Mapping[str, Status], balance: Decimal) -> Status:
    """Where a document is: the status is what customers see, what is owed decides."""
    told = row.choice("status", table)
    if told in (Status.VOID, Status.DRAFT):
        return told
    if row.text("status") == "paid" and balance > 0:
        text = f"it is called paid, and {balance} is owed"
        raise Fault(Code.TOTALS_DISAGREE, text, field="status", remedy=LOOK)
    return Status.SETTLED if balance <= 0 else told


def _payment_status(row: Fields) -> Status:
    """A charge that failed paid nothing; one under way has paid nothing yet."""
    charge = row.inside("charge").text("status")
    if row.flag("voided") or charge == "failed":
        return Status.VOID
    return Status.DRAFT if charge == "pending" else Status.SETTLED


def _line(row: Fields, currency: str) -> Line:
    taxes = _taxes(row, currency)
    title = (row.text("name"), row.text("description"))
    return Line(
        ": ".join(filter(None, title)),
        row.maybe_amount("amount", currency) or ZERO,
        quantity=row.maybe("quantity", parse_amount),
        unit_price=row.maybe("unit_cost", parse_amount),
        tax=sum((each.tax or ZERO for each in taxes), ZERO) if taxes else None,
        tax_code=taxes[0].tax_code if taxes else "",
        item=row.maybe("catalog_item", _name) or "",
        custom=_metadata(row),
    )


def _discounts(row: Fields, currency: str) -> list[Line]:
    """Discounts as lines of their own."""
    amounts = [each.amount("amount", currency) for each in row.children("discounts")]
    return [Line("Discount", -amount) for amount in amounts]


def _taxes(row: Fields, currency: str) -> list[Line]:
    """Taxes as lines of nothing but tax."""
    return [
        Line(
            "Tax",
            tax=each.amount("amount", currency),
            tax_code=each.maybe("tax_rate", _name) or "",
        )
        for each in row.children("taxes")
    ]
