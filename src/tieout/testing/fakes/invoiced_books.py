"""
The books of one fake Invoiced company: customers, documents, payments and its events.

Knows the vendor's rules (what settles what, what is refused in which words, what a change
sets off), and no HTTP: `tieout.testing.fakes.invoiced` answers requests, and
`invoiced_shapes` writes the vendor's objects. It knows no subscriptions and no tax rates.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from tieout.testing.fakes.invoiced_fields import (
    ADJUSTMENTS,
    CONTACTS,
    CREDIT_NOTES,
    CUSTOMERS,
    DOCUMENT_KINDS,
    ESTIMATES,
    FIELDS,
    FIXED,
    INVOICES,
    METHODS,
    OBJECTS,
    PAYMENTS,
    Application,
    Refusal,
    kept_metadata,
    line,
    parts,
    rounded,
    total_of,
)

OWN_CLOCK_START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
"""Any instant would do; a fixed one makes every run of a test the same."""
FIRST_ID = 1001
"""Every kind counts its own ids from here: one id means different things in two kinds."""
DAY_SECONDS = 86_400
ZERO = Decimal(0)
PREFIXES: Mapping[str, str] = {
    CUSTOMERS: "CUST",
    INVOICES: "INV",
    CREDIT_NOTES: "CN",
    ESTIMATES: "EST",
}
CREDIT = "credit"

Key: TypeAlias = tuple[str, int]
"""A kind and an id."""
Purse: TypeAlias = tuple[str, int, str]
"""What payments take from or fill: a document (kind, id, ''), or a customer's credit
balance ('credit', customer, currency)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record: what was written of it, by the vendor's names; times in UNIX seconds."""

    kind: str
    id: int
    created: int
    updated: int
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Its kind and id."""
        return self.kind, self.id

    @property
    def applied(self) -> tuple[Application, ...]:
        """What a payment was applied to, voided or not; of other kinds nothing."""
        found: tuple[Application, ...] = self.fields.get("applied_to", ())
        return found


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; ``related`` are the records that it is listed under."""

    id: int
    type: str
    at: int
    object: Mapping[str, Any]
    previous: Mapping[str, Any]
    related: frozenset[Key]


@dataclass(frozen=True, slots=True)
class Habits:
    """
    What is not known of the vendor, and can be had either way.

    ``amount_includes_credits``: a payment's amount counts its credit lines too.
    ``bump_on_payment``: an application moves the change time of what it touches.
    ``issue_on_invoice``: a credit note made for an invoice is applied to it at once, and
    what is left goes to the credit balance. ``keep_applied_on_void``: a voided payment
    still tells what it was applied to. ``void_event``: what the event of a voided payment
    is called. ``metadata_merges``: a change of metadata leaves the other keys alone.
    ``updated_after_inclusive``: a change at that very second is listed.
    ``credit_hold_refuses``: no invoice is made for a customer on credit hold.
    ``lower_currencies``: currency codes are told in small letters.
    ``time_of_day``: which hour the date of a document typed in by a person has.
    """

    amount_includes_credits: bool = False
    bump_on_payment: bool = True
    issue_on_invoice: bool = True
    keep_applied_on_void: bool = True
    void_event: str = "deleted"
    metadata_merges: bool = False
    updated_after_inclusive: bool = False
    credit_hold_refuses: bool = True
    lower_currencies: bool = True
    time_of_day: time = time()


def effects(row: Row | None) -> list[tuple[Purse, Decimal]]:
    """What a record takes out of documents and credit balances; less than 0 fills them."""
    if row is None or row.fields.get("voided"):
        return []
    credit = (CREDIT, row.fields.get("customer") or 0, row.fields.get("currency") or "")
    found: list[tuple[Purse, Decimal]] = []
    if row.kind == ADJUSTMENTS:
        found.append((credit, -row.fields["amount"]))
        if row.fields.get("credit_note"):
            note = (CREDIT_NOTES, row.fields["credit_note"], "")
            found.append((note, row.fields["amount"]))
    for each in row.applied:
        if each.target:
            found.append(((*each.target, ""), each.amount))
        if each.credit_note:
            found.append(((CREDIT_NOTES, each.credit_note, ""), each.amount))
        if each.type in {"credit", "applied_credit"}:
            sign = -1 if each.type == "credit" else 1
            found.append((credit, sign * each.amount))
    return found


class Books:
    """
    All that one company has recorded, and the rules by which it may change.

    Every change is all or nothing: everything is checked before anything is put. A change
    that breaks a rule raises `Refusal`. Not locked: its caller is.
    """

    def __init__(
        self,
        describe: Callable[[Books, Row], dict[str, Any]],
        *,
        now: Callable[[], datetime] | None,
        base_currency: str,
        timezone: str,
        habits: Habits,
    ) -> None:
        self.habits = habits
        self.locked_through: date | None = None
        self.rows: dict[str, dict[int, Row]] = {kind: {} for kind in OBJECTS}
        self.numbers: dict[tuple[str, str], int] = {}
        self.events: dict[int, Event] = {}
        self.payers: defaultdict[Purse, dict[Key, None]] = defaultdict(dict)
        self._uses: defaultdict[Purse, Decimal] = defaultdict(lambda: ZERO)
        self._describe = describe
        self._now = now
        self._own = OWN_CLOCK_START
        self._base_currency = base_currency
        self._zone = ZoneInfo(timezone)
        self._ids = {kind: count(FIRST_ID) for kind in (*OBJECTS, "events", "items")}
        self._serials = {kind: count(1) for kind in PREFIXES}

    # Time ----------------------------------------------------------------------------

    def now(self) -> int:
        """The company's clock, in UNIX seconds."""
        return int((self._now() if self._now else self._own).timestamp())

    def _stamp(self) -> int:
        # The own clock moves with each change, so that updated_at tells their order.
        if self._now is None:
            self._own += timedelta(seconds=1)
        return self.now()

    def advance(self, seconds: float) -> None:
        """Move the own clock."""
        self._own += timedelta(seconds=seconds)

    def day(self, moment: int) -> date:
        """The calendar day of a moment where the company is."""
        return datetime.fromtimestamp(moment, self._zone).date()

    def moment(self, on: date) -> int:
        """The UNIX seconds that a person's date becomes."""
        at = datetime.combine(on, self.habits.time_of_day, self._zone)
        return int(at.timestamp())

    # Reading -------------------------------------------------------------------------

    def row(self, kind: str, key: int) -> Row:
        """The record of that id; `Refusal` 404 if there is none."""
        found = self.rows[kind].get(key)
        if found is None:
            name = OBJECTS[kind].replace("_", " ")
            raise Refusal(f"No such {name}: {key}", status=404)
        return found

    def used(self, row: Row) -> Decimal:
        """What is applied to an invoice or estimate, or of a credit note."""
        return self._uses[(*row.key, "")]

    def balance(self, row: Row) -> Decimal:
        """What is open of a document, or not applied of a payment; 0 once it is void."""
        if row.fields["voided"]:
            return ZERO
        if row.kind != PAYMENTS:
            return Decimal(row.fields["total"]) - self.used(row)
        counts_credits = self.habits.amount_includes_credits
        lines = [each for each in row.applied if each.is_cash or counts_credits]
        return Decimal(row.fields["amount"]) - sum(
            (each.amount for each in lines), ZERO
        )

    def is_paid(self, row: Row) -> bool:
        """Whether nothing of an issued document is open."""
        is_issued = not row.fields["draft"] and not row.fields["voided"]
        return is_issued and not self.balance(row)

    def credit_of(self, customer: int, code: str) -> Decimal:
        """A customer's credit balance in one currency."""
        return -self._uses[CREDIT, customer, code]

    def of_customer(self, customer: int) -> list[Row]:
        """Everything that is a customer's."""
        return [
            row
            for rows in self.rows.values()
            for row in rows.values()
            if row.fields.get("customer") == customer
        ]

    # Writing -------------------------------------------------------------------------

    def save(
        self, kind: str, body: Mapping[str, Any], before: Row | None = None
    ) -> Row:
        """A new record, or a change of one; fields that cannot be written are passed over."""
        if before and before.fields.get("voided"):
            raise Refusal(f"This {OBJECTS[kind].replace('_', ' ')} has been voided")
        fields = dict(before.fields) if before else self._blank(kind)
        fixed = FIXED.get(kind, frozenset()) if before else frozenset()
        for name, value in body.items():
            if name not in FIELDS[kind] or name in fixed:
                continue
            read, default = FIELDS[kind][name]
            fields[name] = default if value is None else read(name, value)
        if "metadata" in fields:
            kept = before.fields["metadata"] if before else {}
            merged = {**kept, **fields["metadata"]}
            is_merge = self.habits.metadata_merges
            fields["metadata"] = kept_metadata(
                merged if is_merge else fields["metadata"]
            )
        self._settle(kind, fields, before)
        row = self._commit(before, kind, fields)
        if kind == CREDIT_NOTES and (before is None or before.fields["draft"]):
            self._issue(row)
        return row

    @staticmethod
    def _blank(kind: str) -> dict[str, Any]:
        fields = {name: default for name, (_, default) in FIELDS[kind].items()}
        if kind in (*DOCUMENT_KINDS, PAYMENTS):
            fields["voided"] = False
        if kind in DOCUMENT_KINDS:
            fields |= {"viewed": False, "pending": False}
        if kind == PAYMENTS:
            fields |= {"matched": None, "charge": None}
        return fields

    def _settle(self, kind: str, fields: dict[str, Any], before: Row | None) -> None:
        """Fill in what the vendor fills in, and refuse what it refuses."""
        if kind in {CUSTOMERS, CONTACTS} and not fields["name"]:
            raise Refusal("Name is missing", "name")
        if fields.get("parent_customer"):
            self._known(CUSTOMERS, fields["parent_customer"], "parent_customer")
        if kind == CUSTOMERS and fields["currency"]:
            fields["currency"] = self.currency_of(fields)
        if kind in PREFIXES:
            self._number(kind, fields, before)
        if "date" in fields:
            fields["date"] = self.now() if fields["date"] is None else fields["date"]
            self._check_lock(fields["date"])
            self._check_lock(before.fields["date"] if before else None)
        if kind in DOCUMENT_KINDS:
            self._document(kind, fields, before)
        if kind == PAYMENTS:
            self._payment(fields, before)
        if kind == ADJUSTMENTS:
            self._owner(fields)
            fields["currency"] = self.currency_of(fields)
            self._in_places(fields)
            if not fields["amount"]:
                raise Refusal("Amount must not be zero", "amount")

    def _known(self, kind: str, key: int, param: str) -> Row:
        """A record that another names: without it that other one is wrong, not missing."""
        try:
            return self.row(kind, key)
        except Refusal as missing:
            raise Refusal(missing.message, param) from None

    def _owner(self, fields: Mapping[str, Any]) -> Row:
        if fields["customer"] is None:
            raise Refusal("Customer is missing", "customer")
        return self._known(CUSTOMERS, fields["customer"], "customer")

    def _number(self, kind: str, fields: dict[str, Any], before: Row | None) -> None:
        if fields["number"] is None and before:
            fields["number"] = before.fields["number"]
        while fields["number"] is None:
            number = f"{PREFIXES[kind]}-{next(self._serials[kind]):04d}"
            if (kind, number) not in self.numbers:
                fields["number"] = number
        holder = self.numbers.get((kind, fields["number"]))
        if holder is not None and (before is None or holder != before.id):
            number = fields["number"]
            raise Refusal(f"The number {number} has already been taken", "number")

    def currency_of(self, fields: Mapping[str, Any]) -> str:
        """The currency of a record, else that of its customer, else the company's."""
        owner = self.rows[CUSTOMERS].get(fields.get("customer") or 0)
        default = (owner and owner.fields["currency"]) or self._base_currency
        code: str = fields["currency"] or default
        return code.lower() if self.habits.lower_currencies else code.upper()

    @staticmethod
    def _in_places(fields: Mapping[str, Any]) -> None:
        if fields["amount"] != rounded(fields["amount"], fields["currency"]):
            raise Refusal("Amount has too many decimal places", "amount")

    def _check_lock(self, moment: int | None) -> None:
        locked = self.locked_through
        if moment is not None and locked is not None and self.day(moment) <= locked:
            raise Refusal(f"The books are closed through {locked}", "date")

    def _document(self, kind: str, fields: dict[str, Any], before: Row | None) -> None:
        owner = self._owner(fields)
        held = owner.fields["credit_hold"] and self.habits.credit_hold_refuses
        if held and kind == INVOICES and before is None:
            raise Refusal("This customer is on credit hold", "customer")
        fields["currency"] = self.currency_of(fields)
        code = fields["currency"]
        fields["items"] = tuple(self._line(each, code) for each in fields["items"])
        for name in ("discounts", "taxes"):
            fields[name] = parts(name, fields[name], code)
        lines = fields["items"]
        fields["subtotal"] = total_of(lines)
        fields["total"] = fields["subtotal"] + sum(
            total_of(each["taxes"]) - total_of(each["discounts"])
            for each in (*lines, fields)
        )
        if fields["total"] < 0:
            raise Refusal("The total must not be negative", "items")
        used = self.used(before) if before else ZERO
        if used > fields["total"]:
            raise Refusal("The total is less than what has been applied", "items")
        if before and used and (fields["draft"] or code != before.fields["currency"]):
            raise Refusal("Payments have been applied to this document", "currency")
        if "due_date" in fields:
            self._due(fields, owner)
        if fields.get("invoice") and (before is None or before.fields["draft"]):
            target = (INVOICES, fields["invoice"])
            self._known(*target, "invoice")
            if not fields["draft"]:
                self._target(target, fields["customer"], code, "invoice")

    def _line(self, value: Mapping[str, Any], code: str) -> dict[str, Any]:
        key = value.get("id")
        number = key if isinstance(key, int) else next(self._ids["items"])
        return {"id": number, **line(value, code)}

    @staticmethod
    def _due(fields: dict[str, Any], owner: Row) -> None:
        terms = fields["payment_terms"] or owner.fields["payment_terms"]
        fields["payment_terms"] = terms
        days = re.fullmatch(r"NET (\d{1,3})", terms or "", re.IGNORECASE)
        if fields["due_date"] is None and days:
            fields["due_date"] = fields["date"] + int(days[1]) * DAY_SECONDS

    # Payments and what they are applied to ---------------------------------------------

    def _payment(self, fields: dict[str, Any], before: Row | None) -> None:
        if fields["method"] not in METHODS:
            raise Refusal(f"Invalid payment method: {fields['method']}", "method")
        lines: tuple[Application, ...] = fields["applied_to"]
        if fields["customer"] is None:
            fields["customer"] = self._payer(lines)
        if fields["customer"] is not None:
            self._owner(fields)
        fields["currency"] = self.currency_of(fields)
        self._in_places(fields)
        is_credit_only = bool(lines) and not any(each.is_cash for each in lines)
        if fields["amount"] < 0 or (not fields["amount"] and not is_credit_only):
            raise Refusal("Amount must be greater than zero", "amount")
        same_for = ("customer", "currency")
        is_same = before and all(before.fields[n] == fields[n] for n in same_for)
        for each in lines:
            # What stood there before may have been closed since.
            if not (is_same and before and each in before.applied):
                self._check_line(each, fields)
        if self.balance(Row(PAYMENTS, 0, 0, 0, fields)) < 0:
            raise Refusal("More is applied than the payment's amount", "applied_to")

    def _payer(self, lines: tuple[Application, ...]) -> int | None:
        """One customer a payment: that of the first document it is applied to."""
        for each in lines:
            if each.target:
                found = self._known(*each.target, "applied_to").fields["customer"]
                return int(found)
        return None

    def _check_line(self, each: Application, fields: Mapping[str, Any]) -> None:
        if fields["customer"] is None and each.type != "convenience_fee":
            raise Refusal("A payment that is applied needs a customer", "customer")
        if each.amount != rounded(each.amount, fields["currency"]):
            raise Refusal("Amount has too many decimal places", "applied_to")
        documents = [each.target] if each.target else []
        if each.credit_note:
            documents.append((CREDIT_NOTES, each.credit_note))
        for document in documents:
            self._target(document, fields["customer"], fields["currency"], "applied_to")

    def _target(self, key: Key, customer: int | None, code: str, param: str) -> None:
        row = self._known(*key, param)
        name = f"{OBJECTS[row.kind].replace('_', ' ')} {row.fields['number']}"
        if row.fields["customer"] != customer:
            raise Refusal(f"{name} belongs to another customer", param)
        if row.fields["currency"] != code:
            raise Refusal(f"{name} is in another currency", param)
        for state in ("draft", "voided", "closed"):
            if row.fields[state]:
                raise Refusal(f"{name} is {state}", param)

    def _check_room(self, before: Row | None, after: Row | None) -> list[Purse]:
        """Refuse a change that takes more than there is; what it touches."""
        taken: dict[Purse, Decimal] = defaultdict(lambda: ZERO)
        for row, sign in ((after, 1), (before, -1)):
            for purse, used in effects(row):
                taken[purse] += sign * used
        for purse, more in taken.items():
            kind, key, _ = purse
            limit = ZERO if kind == CREDIT else self.rows[kind][key].fields["total"]
            if more > 0 and self._uses[purse] + more > limit:
                name = "credit balance" if kind == CREDIT else OBJECTS[kind]
                raise Refusal(
                    f"The amount exceeds the balance of the {name.replace('_', ' ')}",
                    "applied_to" if after and after.kind == PAYMENTS else "",
                )
        return list(taken)

    def _issue(self, note: Row) -> None:
        """Apply a credit note to the invoice it was made for, the rest to the credit."""
        target = note.fields["invoice"]
        if not self.habits.issue_on_invoice or not target or note.fields["draft"]:
            return
        owner = {name: note.fields[name] for name in ("customer", "date", "currency")}
        total = self.balance(note)
        used = min(total, self.balance(self.rows[INVOICES][target]))
        if used:
            part = {"type": "credit_note", "document_type": "invoice", "amount": used}
            part |= {"credit_note": note.id, "invoice": target}
            paid = used if self.habits.amount_includes_credits else ZERO
            self.save(PAYMENTS, {**owner, "amount": paid, "applied_to": [part]})
        if used < total:
            fields = {**self._blank(ADJUSTMENTS), **owner, "amount": total - used}
            self._commit(None, ADJUSTMENTS, {**fields, "credit_note": note.id})

    # Voids, deletions, and what people do --------------------------------------------

    def void(self, row: Row) -> Row:
        """Void a document to which nothing is applied, or a payment; it stays."""
        name = OBJECTS[row.kind].replace("_", " ")
        if row.fields["voided"]:
            raise Refusal(f"This {name} has already been voided")
        self._check_lock(row.fields["date"])
        if row.kind == PAYMENTS:
            kept = row.applied if self.habits.keep_applied_on_void else ()
            fields = {**row.fields, "voided": True, "applied_to": kept}
            return self._commit(row, PAYMENTS, fields, self.habits.void_event)
        self._check_unused(row)
        return self._commit(row, row.kind, {**row.fields, "voided": True})

    def _check_unused(self, row: Row) -> None:
        if row.kind in DOCUMENT_KINDS and self.used(row):
            name = OBJECTS[row.kind].replace("_", " ")
            raise Refusal(f"This {name} has payments or credits applied to it")

    def delete(self, row: Row) -> None:
        """Take a record away for good; only its events remember it."""
        if row.kind == CUSTOMERS:
            own = self.of_customer(row.id)
            if any(each.kind != CONTACTS for each in own):
                raise Refusal("This customer has transactions and cannot be deleted")
            for each in own:
                self._put(each, None)
        if "date" in row.fields:
            self._check_lock(row.fields["date"])
        self._check_unused(row)
        self._commit(row, row.kind, None)

    def mark(self, row: Row, **facts: Any) -> Row:
        """Set what no request can: viewed, pending, charge, matched."""
        return self._commit(row, row.kind, {**row.fields, **facts})

    def viewed(self, row: Row) -> None:
        """The customer has looked at a document."""
        row = self.mark(row, viewed=True)
        shape = self._describe(self, row)
        self._tell(f"{OBJECTS[row.kind]}.viewed", row, shape, {})

    def merge(self, gone: Row, into: Row) -> None:
        """All that was one customer's is another's now, and the one is no more."""
        for row in self.of_customer(gone.id):
            moved = replace(row, fields={**row.fields, "customer": into.id})
            self._put(row, replace(moved, updated=self._stamp()))
        self._put(gone, None)
        previous = {"id": gone.id, **{n: gone.fields[n] for n in ("name", "number")}}
        shape = self._describe(self, into)
        self._tell("customer.merged", into, shape, previous, gone.key)

    # Putting things in their place, and telling of it ----------------------------------

    def _commit(
        self,
        before: Row | None,
        kind: str,
        fields: Mapping[str, Any] | None,
        happened: str = "",
    ) -> Row:
        """Make a change that was checked; the record after it, or what it was."""
        base = before or Row(kind, 0, 0, 0)
        after = None if fields is None else replace(base, fields=fields)
        touched = self._check_room(before, after)
        stamp = self._stamp()
        if after and before is None:
            after = replace(after, id=next(self._ids[kind]), created=stamp)
        if after:
            after = replace(after, updated=stamp)
        rows = [self.rows[kind][key] for kind, key, _ in touched if kind != CREDIT]
        seen = [(row, self._describe(self, row)) for row in rows]
        was = self._describe(self, before) if before else {}
        self._put(before, after)
        shape = self._describe(self, after) if after else was
        happened = happened or (
            "created" if before is None else "updated" if after else "deleted"
        )
        previous = _changed(was, shape)
        if happened != "updated" or previous:
            told = previous if before and after else {}
            self._tell(f"{OBJECTS[kind]}.{happened}", after or base, shape, told)
        for other, looked in seen:
            self._ripple(other, looked, stamp)
        return after or base

    def _put(self, before: Row | None, after: Row | None) -> None:
        if before:
            self.rows[before.kind].pop(before.id)
            self.numbers.pop((before.kind, before.fields.get("number", "")), None)
        if after:
            self.rows[after.kind][after.id] = after
            if after.kind in PREFIXES:
                self.numbers[after.kind, after.fields["number"]] = after.id
        for row, sign in ((before, -1), (after, 1)):
            for purse, used in effects(row):
                assert row is not None
                self._uses[purse] += sign * used
                if sign > 0:
                    self.payers[purse][row.key] = None
                else:
                    self.payers[purse].pop(row.key, None)

    def _ripple(self, row: Row, was: Mapping[str, Any], stamp: int) -> None:
        """A document whose balance another record has changed."""
        shape = self._describe(self, row)
        previous = _changed(was, shape)
        if not previous:
            return
        if self.habits.bump_on_payment:
            self._put(row, replace(row, updated=stamp))
            shape = {**shape, "updated_at": stamp}
        self._tell(f"{OBJECTS[row.kind]}.updated", row, shape, previous)
        if row.kind == INVOICES and previous.get("paid") is False:
            self._tell("invoice.paid", row, shape, {})

    def _tell(
        self,
        happened: str,
        row: Row,
        shape: Mapping[str, Any],
        previous: Mapping[str, Any],
        *others: Key,
    ) -> None:
        related = {row.key, *others, *(e.target for e in row.applied if e.target)}
        if row.fields.get("customer"):
            related.add((CUSTOMERS, row.fields["customer"]))
        number = next(self._ids["events"])
        known = {name: each for name, each in shape.items() if name != "applied_to"}
        self.events[number] = Event(
            number, happened, self.now(), known, previous, frozenset(related)
        )


def _changed(was: Mapping[str, Any], shape: Mapping[str, Any]) -> dict[str, Any]:
    """The old values of what differs, the change time aside."""
    return {
        name: value
        for name, value in was.items()
        if name != "updated_at" and shape.get(name) != value
    }
