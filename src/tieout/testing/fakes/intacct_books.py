"""
The books of one fake Sage Intacct company, and the rules by which they may change.

Knows what may be changed when, what settles what, and what is refused in which words. It
knows neither XML nor HTTP, keeps no general ledger, and computes no taxes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from tieout.testing.fakes.intacct_records import (
    ADJUSTMENT,
    ADVANCE,
    ADVANCED,
    APPLIED_OVERPAYMENT,
    CASH,
    COMPLETE,
    CREDIT_MEMO,
    DISCOUNT,
    DRAFT,
    DUPLICATE,
    DUPLICATE_CONTACT,
    FROM_ORDERS,
    INLINE,
    INVOICE,
    NEGATIVE,
    NO_UNDEPOSITED,
    OVER_APPLIED,
    OVERPAID,
    RECEIPT,
    REVERSAL,
    VOIDED,
    ZERO,
    Access,
    Contact,
    Customer,
    Detail,
    Document,
    Line,
    Order,
    Part,
    Payment,
    Refusal,
    Table,
    cents,
    refusal,
    wrong,
)

METHODS = (
    "Printed Check",
    "Cash",
    "EFT",
    "Credit Card",
    "Online Charge Card",
    "Online ACH Debit",
)
TERMS: Mapping[str, int] = {"Due on receipt": 0, "N15": 15, "N30": 30, "Net 30": 30}
"""Days until a document with these terms is due."""
DEFINITIONS: Mapping[str, str] = {
    "Sales Order": "",
    "Sales Invoice": INVOICE,
    "Contract Invoice": INVOICE,
    "Sales Credit Memo": ADJUSTMENT,
}
"""Order entry definitions, and the AR record that each of them makes."""
FROZEN_ORDERS = frozenset({"In Progress", "Converted", "Partially Converted"})
WORDS = frozenset({"reference", "description", "due", "custom", "external"})
"""What may be changed of a document that something was paid of."""

OWN_CLOCK_START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
"""Any instant would do; a fixed one makes every run of a test the same."""
FIRST_NUMBERS: Mapping[str, int] = {
    "customer": 11,
    "order": 301,
    "contact": 501,
    "record": 1001,
    "line": 20_001,
    "detail": 50_001,
    "access": 900_001,
}
"""Numbers of different kinds start far apart, so that one taken for another is noticed."""

Values: TypeAlias = Mapping[str, Any]
"""Keys are the attributes of the record that is made or changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How the company is configured, and what the sheet leaves open."""

    base_currency: str
    rates: Mapping[str, Decimal]
    entities: tuple[str, ...]
    sequencing: bool
    unique_numbers: bool
    summaries_by_hand: bool
    balance_forward: bool
    bump_on_payment: bool
    bump_on_reversal: bool


class Books:
    """All that one company has recorded; each change is all or nothing."""

    def __init__(self, now: Callable[[], datetime] | None, setup: Setup) -> None:
        self.setup = setup
        self.lock_day: date | None = None
        self.retired: set[tuple[str, str]] = set()
        self.source = "ui"
        self._now = now
        self._own = OWN_CLOCK_START
        self._at = OWN_CLOCK_START
        self._depth = 0
        self._next = dict(FIRST_NUMBERS)
        self._log: list[Callable[[], None]] = []
        self.customers: Table[Customer] = Table(self._log, lambda row: (row.id,))
        self.contacts: Table[Contact] = Table(self._log, lambda row: (row.name,))
        self.documents: Table[Document] = Table(self._log, _document_keys)
        self.payments: Table[Payment] = Table(self._log, lambda row: (row.customer,))
        self.details: Table[Detail] = Table(self._log, _detail_keys)
        self.orders: Table[Order] = Table(self._log, _order_keys)
        self.accesses: Table[Access] = Table(self._log)

    # Time and changes --------------------------------------------------------------

    def now(self) -> datetime:
        """The company's instant, in UTC and whole seconds."""
        at = self._now() if self._now else self._own
        return at.astimezone(UTC).replace(microsecond=0)

    def advance(self, seconds: float) -> None:
        """Move the own clock."""
        self._own += timedelta(seconds=seconds)

    @contextmanager
    def asked_by(self, source: str) -> Iterator[None]:
        """What the audit history says of who is at work."""
        self.source, before = source, self.source
        try:
            yield
        finally:
            self.source = before

    @contextmanager
    def together(self) -> Iterator[None]:
        """What happens inside happens as a whole or not at all, at one instant."""
        if not self._depth:
            self.advance(1)
            self._at = self.now()
        mark = len(self._log)
        self._depth += 1
        try:
            yield
        except BaseException:
            while len(self._log) > mark:
                self._log.pop()()
            raise
        finally:
            self._depth -= 1
            if not self._depth:
                self._log.clear()

    def number(self, kind: str) -> int:
        """The next number of a kind; one that was rolled back is not used again."""
        found = self._next[kind]
        self._next[kind] += 1
        return found

    def _accessed(self, what: str, key: object, mode: str) -> None:
        number = self.number("access")
        self.accesses.put(
            Access(number, what.lower(), str(key), mode, self._at, self.source)
        )

    def check_open(self, *days: date) -> None:
        """Refuse days of a closed period."""
        for day in days:
            if self.lock_day is not None and day <= self.lock_day:
                raise wrong(f"The date {day:%m/%d/%Y} is in a closed period")

    def rate(self, currency: str, given: Decimal | None) -> Decimal:
        """How much of the base currency one unit is worth."""
        if currency == self.setup.base_currency:
            return Decimal(1)
        rate = self.setup.rates.get(currency) if given is None else given
        if rate is None or rate <= 0:
            raise wrong(f"No exchange rate was found for {currency}")
        return rate

    # Customers and contacts ----------------------------------------------------------

    def save_contact(
        self, name: str, fields: Mapping[str, str], *, new: bool = False
    ) -> Contact:
        """Create a contact, or change the one of that name unless it must be ``new``."""
        with self.together():
            before = self.contacts.first(name)
            if not name:
                raise wrong("A contact name is required")
            if before and new:
                text = f"Another Contact with the given value(s) {name} already exists"
                raise refusal(DUPLICATE_CONTACT, text)
            base = before or Contact(
                self.number("contact"), name, self._at, self._at, {}
            )
            self._accessed("contact", name, "M" if before else "C")
            merged = {**base.fields, **fields}
            return self.contacts.put(replace(base, fields=merged, modified=self._at))

    def customer(self, key: str) -> Customer:
        """The customer that a document names."""
        found = self.customers.first(key)
        if found is None:
            raise wrong(f"Invalid Customer '{key}' specified.")
        return found

    def save_customer(self, values: Values, before: Customer | None = None) -> Customer:
        """
        Create or change a customer.

        ``display`` are fields of the contact shown, ``contacts`` names by their role, and
        ``listed`` what to append to the contact list; an empty list clears it.
        """
        with self.together():
            base = before or self._new_customer(values)
            given = values.get("listed")
            kept = () if given == [] else base.listed
            added = tuple(pair for pair in given or () if pair not in kept)
            after = replace(
                base,
                name=values.get("name") or base.name,
                active=values.get("active", base.active),
                fields={**base.fields, **values.get("fields", {})},
                listed=kept + added,
                modified=self._at,
            )
            contacts = self._contacts_of(after, values)
            for contact in (*contacts.values(), *(name for _, name in added)):
                self._check_contact(contact)
            self._accessed("customer", after.id, "M" if before else "C")
            return self.customers.put(replace(after, contacts=contacts))

    def _new_customer(self, values: Values) -> Customer:
        key = values.get("id", "")
        if not key and self.setup.sequencing:
            key = f"C-{self._next['customer']:05d}"
        if not key or not values.get("name"):
            raise wrong(f"{'Name' if key else 'Customer ID'} is required")
        if self.customers.first(key):
            text = f"Another Customer with the given value(s) {key} already exists"
            raise refusal(DUPLICATE, text)
        return Customer(
            self.number("customer"),
            key,
            values["name"],
            self._at,
            self._at,
            entity=values.get("entity", ""),
        )

    def _contacts_of(self, customer: Customer, values: Values) -> dict[str, str]:
        display = dict(values.get("display", {}))
        shown = customer.contacts.get("DISPLAYCONTACT", "")
        made_up = shown or f"{customer.name}(C{customer.id})"
        name = display.pop("CONTACTNAME", "") or made_up
        if display or not shown:
            self.save_contact(name, display, new=not shown)
        return {
            **customer.contacts,
            **values.get("contacts", {}),
            "DISPLAYCONTACT": name,
        }

    def _check_contact(self, name: str) -> None:
        if name and not self.contacts.first(name):
            raise wrong(f"Invalid Contact '{name}' specified.")

    def contact_of(self, customer: Customer, role: str) -> Contact | None:
        """The contact in a role; the one shown where nobody has that role."""
        name = customer.contacts.get(role) or customer.contacts["DISPLAYCONTACT"]
        return self.contacts.first(name)

    def delete_customer(self, customer: Customer) -> None:
        """Take a customer away that nothing names."""
        with self.together():
            documents = (
                self.documents.having(("customer", kind, customer.id))
                for kind in (INVOICE, ADJUSTMENT)
            )
            if any(documents) or self.payments.having(customer.id):
                raise wrong(f"Customer {customer.id} has transactions")
            self._accessed("customer", customer.id, "D")
            self.customers.drop(customer)

    # Invoices and adjustments ----------------------------------------------------------

    def new_document(self, kind: str, values: Values) -> Document:
        """Create an invoice or adjustment; ``draft`` does not post it."""
        with self.together():
            head = self._head(values, kind)
            document = Document(
                recordno=self.number("record"),
                kind=kind,
                number=self._free_number(kind, values.get("number", "")),
                posted=values.get("posted") or head["on"],
                status="Draft" if values.get("draft") else "Posted",
                created=self._at,
                modified=self._at,
                **{
                    name: values[name] for name in ("module", "order") if name in values
                },
                **head,
            )
            self.check_open(document.posted)
            self._accessed(kind, document.recordno, "C")
            return self.documents.put(document)

    def _head(self, values: Values, what: str) -> dict[str, Any]:
        """What invoices, adjustments and orders have in common, checked."""
        customer = self.customer(values["customer"])
        if not customer.active:
            raise wrong(f"Customer {customer.id} is inactive")
        self._check_contact(values.get("bill_to", ""))
        currency = values.get("currency") or self.setup.base_currency
        lines = self._new_lines(values["lines"])
        if not lines:
            raise wrong("At least one line is required")
        contact = self.contact_of(customer, "BILLTO")
        term = values.get("term") or customer.fields.get("TERMNAME", "")
        plain = ("reference", "description", "external", "entity", "custom")
        return {
            **{name: values[name] for name in plain if name in values},
            "customer": customer.id,
            "on": values["on"],
            "due": self._due(values["on"], values.get("due"), term, what),
            "term": term,
            "currency": currency,
            "rate": self.rate(currency, values.get("rate")),
            "lines": lines,
            "bill_to": values.get("bill_to") or (contact.name if contact else ""),
        }

    def _due(self, on: date, due: date | None, term: str, what: str) -> date:
        if due is not None or what == ADJUSTMENT:
            return due or on
        if not term:
            raise wrong("A due date or a payment term is required")
        if term not in TERMS:
            raise wrong(f"Invalid Term '{term}' specified.")
        try:
            return on + timedelta(days=TERMS[term])
        except OverflowError:
            raise wrong("Invalid date specified.") from None

    def _free_number(self, kind: str, number: str) -> str:
        if not number and self.setup.sequencing:
            prefix = "INV" if kind == INVOICE else "ADJ"
            number = f"{prefix}-{self._next['record']:05d}"
        if not number and kind == INVOICE:
            raise wrong("The transaction number is required")
        taken = bool(number and self.documents.having((kind, number)))
        if taken and self.setup.unique_numbers:
            raise _taken(number)
        return number

    def _new_lines(self, lines: Sequence[Values]) -> tuple[Line, ...]:
        return tuple(
            self._checked_line(Line(self.number("line"), ZERO), each) for each in lines
        )

    def _checked_line(self, line: Line, values: Values) -> Line:
        fields = {**line.fields, **values.get("fields", {})}
        for name, value in fields.items():
            if (name, value) in self.retired:
                noun = name.removesuffix("ID").title()
                raise wrong(f"Invalid {noun} '{value}' specified.")
        location = fields.get("LOCATIONID", "")
        if self.setup.entities and location not in self.setup.entities:
            raise wrong(f"Invalid Location '{location}' specified.")
        amount = values.get("amount")
        amount = line.amount if amount is None else cents(amount)
        return replace(line, amount=amount, fields=fields)

    def _edited_lines(
        self, lines: tuple[Line, ...], values: Values
    ) -> tuple[Line, ...]:
        """Lines after ``edits`` by 1-based place; without a place a line is added."""
        after = list(lines)
        for place, changes in values.get("edits") or ():
            if place is None:
                after += self._new_lines([changes])
            elif 1 <= place <= len(lines):
                after[place - 1] = self._checked_line(after[place - 1], changes)
            else:
                raise wrong(f"There is no line number {place}")
        return tuple(after)

    def _changes(self, before: Document | Order, values: Values) -> dict[str, Any]:
        """Changes of a document or order, checked; without ``edits`` and ``draft``."""
        changes = {name: values[name] for name in values if name not in _ORDERS_OF_CALL}
        if "customer" in changes:
            self.customer(changes["customer"])
        self._check_contact(changes.get("bill_to", ""))
        if "term" in changes and "due" not in changes:
            on = changes.get("on", before.on)
            changes["due"] = self._due(on, None, changes["term"], before.kind)
        if "currency" in changes or "rate" in changes:
            currency = changes.setdefault("currency", before.currency)
            changes["rate"] = self.rate(currency, changes.get("rate"))
        changes["lines"] = self._edited_lines(before.lines, values)
        return changes

    def change_document(self, before: Document, values: Values) -> Document:
        """Change a document; once something was paid of it, its words alone."""
        with self.together():
            self._check_own(before, "updated")
            if self._uses(before) and set(values) - WORDS - {"draft"}:
                raise _has_payments(before, "updated")
            changes = self._changes(before, values)
            if changes.get("number", before.number) != before.number:
                self._free_number(before.kind, changes["number"])
            if before.status == "Draft" and not values.get("draft", True):
                changes["status"] = "Posted"
            if "on" in changes and before.posted == before.on:
                changes.setdefault("posted", changes["on"])
            after = replace(before, **changes, modified=self._at)
            self.check_open(before.posted, after.posted)
            self._accessed(before.kind, before.recordno, "M")
            return self.documents.put(self._dated(after))

    def _check_own(self, document: Document, verb: str) -> None:
        key = document.recordno
        if document.module == FROM_ORDERS:
            raise wrong(f"The order entry record with key {key} cannot be {verb} here")
        if document.status in {"Reversed", "Reversal"}:
            raise wrong(f"The reversed record with key {key} cannot be {verb}")

    def _uses(self, document: Document) -> list[Detail]:
        """What settles a document, or is settled by it; drafts too."""
        key = document.recordno
        targets = self.details.having(("target", key))
        rows = targets + self.details.having(("source", key))
        return [row for row in rows if row.state in {DRAFT, COMPLETE}]

    def reverse_document(self, before: Document, on: date, memo: str = "") -> Document:
        """The document becomes Reversed; a Reversal with the opposite lines appears."""
        with self.together():
            self._check_own(before, "reversed")
            if self._uses(before):
                raise _has_payments(before, "reversed")
            if before.status == "Draft":
                raise wrong(f"The draft with key {before.recordno} cannot be reversed")
            self.check_open(on)
            lines = tuple(
                replace(line, recordno=self.number("line"), amount=-line.amount)
                for line in before.lines
            )
            stamp = self._at if self.setup.bump_on_reversal else before.modified
            self.documents.put(replace(before, status="Reversed", modified=stamp))
            self._accessed(before.kind, before.recordno, "M")
            reversal = replace(
                before,
                recordno=self.number("record"),
                number=f"{before.number} - Reversed",
                status="Reversal",
                on=on,
                posted=on,
                lines=lines,
                description=memo or before.description,
                external="",
                created=self._at,
                modified=self._at,
            )
            self._accessed(before.kind, reversal.recordno, "C")
            return self.documents.put(reversal)

    def delete_document(self, document: Document) -> None:
        """Take a document away that nothing was paid of; only the audit history tells."""
        with self.together():
            self._check_own(document, "deleted")
            self._erase(document)

    def _erase(self, document: Document) -> None:
        if self._uses(document):
            raise _has_payments(document, "deleted")
        self.check_open(document.posted)
        self._accessed(document.kind, document.recordno, "D")
        self.documents.drop(document)

    def selected(self, document: Document) -> Decimal:
        """What draft payments would pay of it."""
        rows = self.details.having(("target", document.recordno))
        return sum((row.part.amount for row in rows if row.state == DRAFT), ZERO)

    def _dated(self, document: Document) -> Document:
        """WHENPAID comes and goes with the open amount."""
        days = [row.on for row in self._uses(document) if row.state == COMPLETE]
        is_closed = bool(days) and document.open == 0 and document.total != 0
        return replace(document, paid_on=max(days) if is_closed else None)

    # Payments and applications -----------------------------------------------------------

    def receive(self, values: Values, parts: Sequence[Part]) -> Payment:
        """Create a payment and apply its parts; ``over`` is money beyond them."""
        with self.together():
            given = {"customer": "", **values}
            currency = given.pop("currency", "") or self.setup.base_currency
            payment = Payment(
                recordno=self.number("record"),
                amount=_cash(parts) + cents(given.pop("over", ZERO)),
                currency=currency,
                rate=self.rate(currency, given.pop("rate", None)),
                state=DRAFT if given.pop("draft", False) else COMPLETE,
                created=self._at,
                modified=self._at,
                **given,
            )
            self._check_payment(payment)
            self.payments.put(payment)
            for part in parts:
                self._apply(payment, part)
            self._accessed("arpymt", payment.recordno, "C")
            return payment

    def _check_payment(self, payment: Payment) -> None:
        self.check_open(payment.on)
        if payment.customer:
            self.customer(payment.customer)
        elif not payment.payer:
            raise wrong("A customer or the name of a payer is required")
        if payment.method not in METHODS:
            raise wrong(f"Invalid Payment Method '{payment.method}' specified.")
        if self.setup.summaries_by_hand and not payment.batch:
            raise wrong("Please provide a payment batch key")
        if not (payment.account or payment.undeposited or payment.batch):
            raise wrong("A bank account, undeposited funds or a summary is required")
        if payment.undeposited and payment.currency != self.setup.base_currency:
            text = "Undeposited funds are not allowed for a foreign currency"
            raise refusal(NO_UNDEPOSITED, text)

    def _apply(self, payment: Payment, part: Part) -> None:
        own = payment.recordno if part.kind == CASH else part.source
        part = replace(part, amount=cents(part.amount), source=own)
        target = self._target(payment, part)
        if payment.state == DRAFT:
            self._put_detail(payment, part)
            return
        shares, left = _spread(target, part.amount, part.entry, 1)
        # Inline credits settle lines of an invoice that as a whole owes less.
        room = part.amount if part.kind == INLINE else target.open
        if left or part.amount > room:
            text = "The amount paid if greater than the amount due for invoice with key"
            raise refusal(OVER_APPLIED, f"{text} {target.recordno}")
        self._draw(payment, part)
        for entry, share in shares:
            self._put_detail(payment, replace(part, entry=entry, amount=share))
        self._move(part.target, shares)

    def _put_detail(self, payment: Payment, part: Part) -> None:
        self.details.put(
            Detail(
                self.number("detail"),
                payment.recordno,
                part,
                payment.on,
                self._at,
                self._at,
                payment.state,
            )
        )

    def _target(self, payment: Payment, part: Part) -> Document:
        target = self.documents.rows.get(part.target)
        noun = "debit memo" if part.is_memo else "invoice"
        kind = ADJUSTMENT if part.is_memo else INVOICE
        if target is None or target.kind != kind:
            raise wrong(f"There is no {noun} with key {part.target}")
        if part.amount <= 0:
            raise wrong("The amount to apply must be greater than zero")
        if target.status != "Posted":
            raise wrong(f"The {noun} with key {part.target} is not posted")
        if payment.customer and target.customer != payment.customer:
            raise wrong(f"The {noun} with key {part.target} is another customer's")
        if target.currency != payment.currency:
            raise wrong(f"The {noun} with key {part.target} is in {target.currency}")
        return target

    def _draw(self, payment: Payment, part: Part) -> None:
        """Take the money of a part from where it is."""
        if part.kind in {CASH, DISCOUNT}:
            return
        source = part.source or 0
        credit = self.documents.rows.get(source) or self.payments.rows.get(source)
        if (
            credit is None
            or self.kind_of_credit(credit) != part.kind
            or (credit.customer, credit.currency)
            != (payment.customer, payment.currency)
        ):
            raise wrong(f"There is no credit of that kind with key {source}")
        shares: list[tuple[int, Decimal]] = []
        if isinstance(credit, Payment):
            is_short = part.amount > self.unapplied(credit)
        else:
            shares, left = _spread(credit, part.amount, None, -1)
            is_short = bool(left) or part.amount > max(-credit.open, _inline(credit))
        if is_short:
            raise wrong(f"The credit with key {source} is less than what is applied")
        if shares:
            self._move(source, shares, -1)

    def kind_of_credit(self, credit: Document | Payment) -> str:
        """What kind of credit a record is; an invoice above zero has inline credits."""
        if isinstance(credit, Payment):
            return ADVANCED if credit.type == ADVANCE else OVERPAID
        if credit.status != "Posted":
            return ""
        if credit.total < 0:
            return CREDIT_MEMO if credit.kind == ADJUSTMENT else NEGATIVE
        return INLINE if credit.kind == INVOICE else ""

    def _move(
        self, key: int, shares: Sequence[tuple[int, Decimal]], sign: int = 1
    ) -> None:
        """Settle lines of a document by shares, or open them again by negative ones."""
        document = self.documents.rows[key]
        by_line = {entry: share * sign for entry, share in shares}
        lines = tuple(
            replace(line, paid=line.paid + by_line.get(line.recordno, ZERO))
            for line in document.lines
        )
        is_reopened = any(share < 0 for _, share in shares)
        setup = self.setup
        bumps = setup.bump_on_reversal if is_reopened else setup.bump_on_payment
        stamp = self._at if bumps else document.modified
        after = replace(document, lines=lines, modified=stamp)
        self.documents.put(self._dated(after))

    def live(self, word: tuple[str, int]) -> list[Detail]:
        """The posted details of a ``payment``, ``target`` or ``source``."""
        return [row for row in self.details.having(word) if row.state == COMPLETE]

    def unapplied(self, payment: Payment) -> Decimal:
        """What of the money is not applied to anything."""
        if payment.state in {VOIDED, REVERSAL}:
            return ZERO
        rows = self.live(("source", payment.recordno))
        return payment.amount - sum((row.part.amount for row in rows), ZERO)

    def apply_credit(
        self,
        source: int,
        targets: Sequence[tuple[int, Decimal]],
        on: date,
        memo: str = "",
    ) -> Payment:
        """Apply a credit memo, negative invoice, advance or overpayment to documents."""
        credit = self.documents.rows.get(source) or self.payments.rows.get(source)
        if credit is None:
            raise wrong(f"There is no payment with key {source}")
        kind = self.kind_of_credit(credit)
        values = {
            "type": APPLIED_OVERPAYMENT if kind == OVERPAID else RECEIPT,
            "customer": credit.customer,
            "on": on,
            "currency": credit.currency,
            "rate": credit.rate,
            "description": memo,
            "batch": "Applied credits",
            "parent": source if isinstance(credit, Payment) else None,
            "entity": credit.entity,
        }
        parts = [
            Part(key, amount, kind, source, is_memo=self.is_memo(key))
            for key, amount in targets
        ]
        return self.receive(values, parts)

    def is_memo(self, key: int) -> bool:
        """Whether an adjustment, and not an invoice, has that number."""
        found = self.documents.rows.get(key)
        return found is not None and found.kind == ADJUSTMENT

    def change_payment(
        self, before: Payment, values: Values, parts: Sequence[Part] | None
    ) -> Payment:
        """Change or submit a draft; parts that are given replace all that were there."""
        with self.together():
            if before.state != DRAFT:
                raise wrong(f"The payment with key {before.recordno} is not a draft")
            rows = self.details.having(("payment", before.recordno))
            wanted = [row.part for row in rows] if parts is None else parts
            for row in rows:
                self.details.drop(row)
            changes = dict(values)
            state = DRAFT if changes.pop("draft", True) else COMPLETE
            after = replace(
                before,
                **changes,
                amount=_cash(wanted),
                state=state,
                modified=self._at,
            )
            self._check_payment(after)
            self.payments.put(after)
            for part in wanted:
                self._apply(after, part)
            self._accessed("arpymt", after.recordno, "M")
            return after

    def delete_payment(self, payment: Payment) -> None:
        """Take a draft away."""
        with self.together():
            key = payment.recordno
            if payment.state != DRAFT:
                raise wrong(f"The payment with key {key} is complete, not a draft")
            for row in self.details.having(("payment", key)):
                self.details.drop(row)
            self._accessed("arpymt", key, "D")
            self.payments.drop(payment)

    def reverse_payment(self, payment: Payment, on: date, memo: str = "") -> Payment:
        """Reverse the cash; credits that were applied with it stay applied."""
        with self.together():
            key = payment.recordno
            if payment.state != COMPLETE or payment.amount <= 0:
                raise wrong(f"The payment with key {key} cannot be reversed")
            if any(row.payment != key for row in self.live(("source", key))):
                raise wrong(f"What was left of the payment with key {key} is applied")
            self.check_open(on)
            for row in self.live(("payment", key)):
                if row.part.kind in {CASH, DISCOUNT}:
                    self._withdraw(row)
            stamp = self._at if self.setup.bump_on_reversal else payment.modified
            self.payments.put(replace(payment, state=VOIDED, modified=stamp))
            self._accessed("arpymt", key, "M")
            reversal = replace(
                payment,
                recordno=self.number("record"),
                on=on,
                amount=-payment.amount,
                description=memo or payment.description,
                state=REVERSAL,
                parent=key,
                created=self._at,
                modified=self._at,
            )
            return self.payments.put(reversal)

    def withdraw_credits(self, payment: Payment) -> None:
        """Undo the credits that were applied with a payment, as only a person can."""
        with self.together():
            for row in self.live(("payment", payment.recordno)):
                if row.part.kind not in {CASH, DISCOUNT}:
                    self._withdraw(row)
            if not payment.amount:
                self.payments.put(replace(payment, state=VOIDED, modified=self._at))

    def _withdraw(self, row: Detail) -> None:
        part = row.part
        stamp = self._at if self.setup.bump_on_reversal else row.modified
        self.details.put(replace(row, state=VOIDED, modified=stamp))
        assert part.entry is not None, "posted details name their line"
        self._move(part.target, [(part.entry, -part.amount)])
        credit = self.documents.rows.get(part.source or 0)
        if credit is not None:
            shares, _ = _taken_back(credit, part.amount)
            self._move(credit.recordno, shares, -1)

    def oldest_open(self, customer: str, currency: str) -> list[Document]:
        """The open invoices of a customer, the oldest first."""
        rows = self.documents.having(("customer", INVOICE, customer))
        found = [row for row in rows if row.status == "Posted" and row.open > 0]
        found = [row for row in found if row.currency == currency]
        return sorted(found, key=lambda row: (row.on, row.recordno))

    # Order entry ---------------------------------------------------------------------

    def new_order(self, kind: str, values: Values) -> Order:
        """Create an order entry transaction, and its AR record unless it is a draft."""
        with self.together():
            if kind not in DEFINITIONS:
                raise wrong(f"Invalid Transaction Definition '{kind}' specified.")
            recordno = self.number("order")
            order = Order(
                recordno=recordno,
                kind=kind,
                number=values.get("number") or f"SI{recordno:04d}",
                state=values.get("state") or "Pending",
                origin=values.get("origin", ""),
                created=self._at,
                modified=self._at,
                **self._head(values, kind),
            )
            if self.orders.first(order.docid):
                raise _taken(order.number)
            if order.origin:
                origin = self.orders.first(order.origin)
                if origin is None or origin.state in FROZEN_ORDERS:
                    raise wrong(f"{order.origin} cannot be converted")
                self.orders.put(replace(origin, state="Converted", modified=self._at))
            self._accessed("sodocument", order.docid, "C")
            return self.orders.put(self._posted(order))

    def _posted(self, order: Order) -> Order:
        """The order with a new AR record; the old one is gone by now."""
        kind = DEFINITIONS[order.kind]
        if not kind or order.state == "Draft":
            return replace(order, record=None)
        sign = -1 if kind == ADJUSTMENT else 1
        names = ("customer", "on", "due", "currency", "rate", "number", "entity")
        words = ("reference", "description", "bill_to")
        values: dict[str, Any] = {
            **{name: getattr(order, name) for name in names + words},
            "lines": [
                {"amount": line.amount * sign, "fields": line.fields}
                for line in order.lines
            ],
            "module": FROM_ORDERS,
            "order": order.docid,
        }
        return replace(order, record=self.new_document(kind, values).recordno)

    def change_order(self, before: Order, values: Values) -> Order:
        """Change an order: its AR record is deleted and made anew under a new RECORDNO."""
        with self.together():
            if before.state in FROZEN_ORDERS:
                text = f"{before.docid} is {before.state} and cannot be updated"
                raise wrong(text)
            after = replace(before, **self._changes(before, values), modified=self._at)
            self._unpost(before)
            self._accessed("sodocument", before.docid, "M")
            return self.orders.put(self._posted(after))

    def delete_order(self, order: Order) -> None:
        """Take an order away, and its AR record with it."""
        with self.together():
            self._unpost(order)
            self._accessed("sodocument", order.docid, "D")
            self.orders.drop(order)

    def _unpost(self, order: Order) -> None:
        if order.record is not None:
            self._erase(self.documents.rows[order.record])


_ORDERS_OF_CALL = frozenset({"edits", "draft"})
"""Keys of values that are no attributes."""


def _document_keys(row: Document) -> tuple[object, ...]:
    return (
        (row.kind, row.number),
        ("external", row.kind, row.external),
        ("customer", row.kind, row.customer),
    )


def _detail_keys(row: Detail) -> tuple[object, ...]:
    part = row.part
    return ("payment", row.payment), ("target", part.target), ("source", part.source)


def _order_keys(row: Order) -> tuple[object, ...]:
    return row.docid, ("external", row.external)


def _cash(parts: Sequence[Part]) -> Decimal:
    return sum((cents(part.amount) for part in parts if part.kind == CASH), ZERO)


def _spread(
    document: Document, amount: Decimal, entry: int | None, sign: int
) -> tuple[list[tuple[int, Decimal]], Decimal]:
    """Which lines take how much of an amount, first to last; and what is left of it."""
    shares = []
    for line in document.lines:
        share = min(amount, line.open * sign)
        if share > 0 and entry in {None, line.recordno}:
            shares.append((line.recordno, share))
            amount -= share
    return shares, amount


def _taken_back(
    credit: Document, amount: Decimal
) -> tuple[list[tuple[int, Decimal]], Decimal]:
    """Which lines of a credit are opened again, last to first."""
    shares = []
    for line in reversed(credit.lines):
        share = min(amount, -line.paid)
        if share > 0:
            shares.append((line.recordno, -share))
            amount -= share
    return shares, amount


def _inline(document: Document) -> Decimal:
    """What the lines below zero of an invoice above zero can settle."""
    rest = sum((line.open for line in document.lines if line.amount < 0), ZERO)
    return -rest if document.total >= 0 else ZERO


def _taken(number: str) -> Refusal:
    return wrong(f"A transaction with the number '{number}' already exists.")


def _has_payments(document: Document, verb: str) -> Refusal:
    key = document.recordno
    return wrong(f"The record with key {key} has payments and cannot be {verb}")
