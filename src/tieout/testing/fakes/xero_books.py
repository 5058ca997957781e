"""
The books of one fake Xero company: its contacts, documents, payments and allocations.

Knows Xero's rules (what may be changed when, what settles what, what is refused in which
words), and no HTTP: `tieout.testing.fakes.xero` answers requests, `xero_shapes` writes
the vendor's JSON. It keeps no general ledger and computes no tax rates.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Generic, Protocol, TypeVar

from tieout.testing.fakes.xero_fields import (
    CONTACT_FIELDS,
    DOCUMENT_FIELDS,
    PLAIN_FIELDS,
    Refusal,
    cents,
    discount_of,
    priced_line,
    text_of,
)

INVOICES = "Invoices"
CREDIT_NOTES = "CreditNotes"
OVERPAYMENTS = "Overpayments"
PREPAYMENTS = "Prepayments"
DOCUMENT_KINDS: tuple[str, ...] = (INVOICES, CREDIT_NOTES, OVERPAYMENTS, PREPAYMENTS)

OWN_CLOCK_START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
"""Any instant would do; a fixed one makes every run of a test the same."""

ZERO = Decimal(0)
NUMBER_LENGTH_MAX = 255
CONTACT_NUMBER_LENGTH_MAX = 50

LIVE = frozenset({"DRAFT", "SUBMITTED", "AUTHORISED", "PAID"})
POSTED = frozenset({"AUTHORISED", "PAID"})
MOVES: Mapping[str, frozenset[str]] = {
    "": frozenset({"DRAFT", "SUBMITTED", "AUTHORISED"}),
    "DRAFT": frozenset({"DRAFT", "SUBMITTED", "AUTHORISED", "DELETED"}),
    "SUBMITTED": frozenset({"DRAFT", "SUBMITTED", "AUTHORISED", "DELETED"}),
    "AUTHORISED": frozenset({"AUTHORISED", "VOIDED"}),
}
"""Which status may follow which; '' is a document that is being created."""

PAYMENT_TYPES: Mapping[str, str] = {
    "ACCREC": "ACCRECPAYMENT",
    "ACCPAY": "ACCPAYPAYMENT",
    "ACCRECCREDIT": "ARCREDITPAYMENT",
    "ACCPAYCREDIT": "APCREDITPAYMENT",
    "RECEIVE-OVERPAYMENT": "AROVERPAYMENTPAYMENT",
    "SPEND-OVERPAYMENT": "APOVERPAYMENTPAYMENT",
    "RECEIVE-PREPAYMENT": "ARPREPAYMENTPAYMENT",
    "SPEND-PREPAYMENT": "APPREPAYMENTPAYMENT",
}
SETTLES: Mapping[str, str] = {
    "ACCRECCREDIT": "ACCREC",
    "ACCPAYCREDIT": "ACCPAY",
    "RECEIVE-OVERPAYMENT": "ACCREC",
    "SPEND-OVERPAYMENT": "ACCPAY",
    "RECEIVE-PREPAYMENT": "ACCREC",
    "SPEND-PREPAYMENT": "ACCPAY",
}
"""Which kind of invoice a credit can be allocated to."""

NOT_MODIFIABLE = "Invoice not of valid status for modification"
HAS_APPLIED = (
    "This document cannot be edited as it has a payment or credit note allocated to it."
)
NOT_UNIQUE = "Invoice # must be unique."
NOT_AUTHORISED = "Payments can only be made against Authorised documents"
TOO_MUCH = "Payment amount exceeds the amount outstanding on this document"
ARCHIVED_CONTACT = "The contact with the specified contact details has been archived. The contact must be un-archived before creating new invoices or credit notes."


@dataclass(frozen=True, slots=True)
class Contact:
    """A customer or supplier; ``fields`` are the vendor's plain text fields."""

    id: str
    updated: datetime
    name: str = ""
    number: str = ""
    status: str = "ACTIVE"
    merged_to: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """
    An invoice, credit note, overpayment or prepayment.

    ``payments`` and ``allocations`` name the live ones only. ``paid_on`` is the vendor's
    FullyPaidOnDate, which nothing ever takes away again.
    """

    id: str
    kind: str
    updated: datetime
    type: str
    on: date
    currency: str
    contact: str = ""
    number: str = ""
    due: date | None = None
    rate: Decimal = Decimal("1.0")
    status: str = "DRAFT"
    reference: str = ""
    basis: str = "Exclusive"
    lines: tuple[Mapping[str, Any], ...] = ()
    subtotal: Decimal = ZERO
    tax: Decimal = ZERO
    discount: Decimal = ZERO
    paid_on: date | None = None
    sent: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    payments: tuple[str, ...] = ()
    allocations: tuple[str, ...] = ()

    @property
    def total(self) -> Decimal:
        """What it is over, tax included."""
        return self.subtotal + self.tax


@dataclass(frozen=True, slots=True)
class Payment:
    """Money against one document; on a credit it is a refund."""

    id: str
    updated: datetime
    document: str
    type: str
    on: date
    amount: Decimal
    rate: Decimal
    bank_amount: Decimal
    reference: str = ""
    status: str = "AUTHORISED"
    account: str = "090"
    reconciled: bool = False
    batch: str = ""


@dataclass(frozen=True, slots=True)
class Allocation:
    """A part of a credit (``source``) applied to an invoice (``target``)."""

    id: str
    updated: datetime
    source: str
    target: str
    amount: Decimal
    on: date
    live: bool = True


@dataclass(frozen=True, slots=True)
class Sums:
    """A document's money: by payments, by allocations, and what is left."""

    paid: Decimal = ZERO
    applied: Decimal = ZERO
    open: Decimal = ZERO


class Record(Protocol):
    """What a shelf holds."""

    @property
    def id(self) -> str: ...
    @property
    def updated(self) -> datetime: ...


R = TypeVar("R", bound=Record)


class Shelf(Generic[R]):
    """The records of one kind by id, by any other key, and in the order of change."""

    def __init__(
        self,
        log: list[Callable[[], None]],
        keys: Callable[[R], Sequence[str]] = lambda _: (),
    ) -> None:
        self.rows: dict[str, R] = {}
        self._log = log
        self._keys = keys
        self._index: dict[str, dict[str, None]] = {}
        self._ordered: list[R] | None = None

    def put(self, record: R) -> None:
        """Add or replace a record; how to take that back goes to the log."""
        before = self.rows.get(record.id)
        self._log.append(lambda: self._set(record.id, before))
        self._set(record.id, record)

    def _set(self, key: str, record: R | None) -> None:
        # Taken out and added at the end, so that the rows stay nearly in the order of
        # change and sorting them costs next to nothing.
        before = self.rows.pop(key, None)
        for word in self._keys(before) if before else ():
            self._index[word].pop(key)
        if record is not None:
            self.rows[key] = record
            for word in self._keys(record):
                self._index.setdefault(word, {})[key] = None
        self._ordered = None

    def having(self, key: str) -> list[R]:
        """The records under a key of the index, oldest entry first."""
        return [self.rows[each] for each in self._index.get(key, ())]

    def ordered(self) -> list[R]:
        """All records by the time of their last change, then by id."""
        if self._ordered is None:
            self._ordered = sorted(
                self.rows.values(), key=lambda row: (row.updated, row.id)
            )
        return self._ordered


def _document_keys(document: Document) -> tuple[str, ...]:
    return f"number:{document.number}", f"contact:{document.contact}"


def _contact_keys(contact: Contact) -> tuple[str, ...]:
    return f"name:{contact.name.casefold()}", f"number:{contact.number}"


class Books:
    """
    All that one company has recorded, and the rules by which it may change.

    Every change is all or nothing and holds the lock. A change that breaks a rule raises
    `Refusal` in the vendor's words.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] | None,
        seed: str,
        base_currency: str,
        currencies: Collection[str] | None,
        bump_on_delete: bool,
    ) -> None:
        self.lock = threading.RLock()
        self.base_currency = base_currency
        self.currencies = currencies
        self.bump_on_delete = bump_on_delete
        self.period_lock: date | None = None
        self.year_lock: date | None = None
        self.archived_accounts: set[str] = set()
        self.version = 0
        self._log: list[Callable[[], None]] = []
        self._depth = 0
        self._now = now
        self._own = OWN_CLOCK_START
        self._random = Random(seed)
        self._next_number: dict[str, int] = dict.fromkeys(DOCUMENT_KINDS, 1)
        self.contacts: Shelf[Contact] = Shelf(self._log, _contact_keys)
        self.payments: Shelf[Payment] = Shelf(self._log)
        self.allocations: Shelf[Allocation] = Shelf(self._log)
        self.documents: dict[str, Shelf[Document]] = {
            kind: Shelf(self._log, _document_keys) for kind in DOCUMENT_KINDS
        }

    # Time, ids, and all or nothing ---------------------------------------------------

    def now(self) -> datetime:
        """The company's clock."""
        return self._now() if self._now else self._own

    def new_id(self) -> str:
        """A uuid that no record has yet; the same ones in every run."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _stamp(self) -> datetime:
        # The own clock moves with each change, so that UpdatedDateUTC tells their order.
        if self._now is None:
            self._own += timedelta(seconds=1)
        at = self.now().astimezone(UTC)
        return at.replace(microsecond=at.microsecond // 1000 * 1000)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Changes that are all kept, or none if one is refused."""
        with self.lock:
            start = len(self._log)
            self._depth += 1
            try:
                yield
            except BaseException:
                while len(self._log) > start:
                    self._log.pop()()
                raise
            finally:
                self.version += 1
                self._depth -= 1
                if not self._depth:
                    self._log.clear()

    # Reading ---------------------------------------------------------------------

    def document(self, key: str) -> Document:
        """The document of that id, of whatever kind; `Refusal` if there is none."""
        for shelf in self.documents.values():
            if key in shelf.rows:
                return shelf.rows[key]
        raise Refusal("The document could not be found.")

    def sums(self, document: Document) -> Sums:
        """What is paid, applied and open; all 0 for a voided or deleted document."""
        if document.status not in LIVE:
            return Sums()
        paid = sum((self.payments.rows[key].amount for key in document.payments), ZERO)
        applied = sum(
            (self.allocations.rows[key].amount for key in document.allocations), ZERO
        )
        return Sums(paid, applied, document.total - paid - applied)

    def same_number(self, document: Document) -> list[Document]:
        """The other live sales invoices of a sales invoice's number."""
        if document.type != "ACCREC":
            return []
        return [
            each
            for each in self.documents[INVOICES].having(f"number:{document.number}")
            if each.type == "ACCREC" and each.status in LIVE and each.id != document.id
        ]

    # Contacts --------------------------------------------------------------------

    def save_contact(
        self, fields: Mapping[str, Any], before: Contact | None = None
    ) -> Contact:
        """Create or change a contact from the vendor's fields."""
        with self.together():
            base = before or Contact(self.new_id(), self.now())
            contact = replace(
                base,
                name=text_of(fields, "Name", base.name),
                number=text_of(fields, "ContactNumber", base.number),
                status=text_of(fields, "ContactStatus", base.status),
                fields={
                    **base.fields,
                    **{key: fields[key] for key in CONTACT_FIELDS if key in fields},
                },
                updated=self._stamp(),
            )
            self._check_contact(contact)
            self.contacts.put(contact)
            return contact

    def _check_contact(self, contact: Contact) -> None:
        if not contact.name:
            raise Refusal("The contact name must be specified.")
        if len(contact.number) > CONTACT_NUMBER_LENGTH_MAX:
            raise Refusal("The contact number must not be more than 50 characters.")
        others = self.contacts.having(f"name:{contact.name.casefold()}")
        if contact.status == "ACTIVE" and any(
            other.status == "ACTIVE" and other.id != contact.id for other in others
        ):
            raise Refusal(
                f"The contact name {contact.name} is already assigned to another contact. The contact name must be unique across all active contacts."
            )
        numbered = self.contacts.having(f"number:{contact.number}")
        if contact.number and any(other.id != contact.id for other in numbered):
            raise Refusal(
                f"The contact number {contact.number} is already assigned to another contact."
            )

    def merge_contact(self, key: str, into: str) -> None:
        """The first contact becomes ARCHIVED and points to the second."""
        with self.together():
            self.contacts.put(
                replace(
                    self.contacts.rows[key],
                    status="ARCHIVED",
                    merged_to=into,
                    updated=self._stamp(),
                )
            )

    def active_contact(self, name: str) -> Contact | None:
        """The active contact of that name."""
        found = self.contacts.having(f"name:{name.casefold()}")
        return next((each for each in found if each.status == "ACTIVE"), None)

    def _contact_for(self, fields: Any, before: Document | None) -> str:
        # Whatever a document says of its contact besides the id overwrites the contact.
        if not isinstance(fields, Mapping):
            if before is None:
                raise Refusal(
                    "A Contact must be specified for this type of transaction"
                )
            return before.contact
        name = text_of(fields, "Name", "")
        numbered = self.contacts.having(
            f"number:{text_of(fields, 'ContactNumber', '')}"
        )
        if "ContactID" in fields:
            contact = self.contacts.rows.get(str(fields["ContactID"]).lower())
            if contact is None:
                raise Refusal("The contact could not be found.")
        else:
            contact = (
                numbered[0] if "ContactNumber" in fields and numbered else None
            ) or (self.active_contact(name))
        given = {key for key in fields if key not in {"ContactID", "ContactStatus"}}
        if contact is None or given - {"Name"} or name not in {"", contact.name}:
            writable = {key: fields[key] for key in given}
            return self.save_contact(writable, contact).id
        return contact.id

    # Documents -------------------------------------------------------------------

    def save_document(
        self,
        kind: str,
        fields: Mapping[str, Any],
        before: Document | None = None,
        *,
        unit_places: int = 2,
    ) -> Document:
        """Create or change a document from the vendor's fields."""
        with self.together():
            after = self._drafted(kind, fields, before, unit_places)
            self._check_state(before, after)
            self._check_content(before, after)
            # Xero leaves UpdatedDateUTC alone for what may be edited on part-paid ones.
            if not (before and (before.payments or before.allocations)):
                after = replace(after, updated=self._stamp())
            after = self._settled(after)
            self.documents[kind].put(after)
            return after

    def _drafted(
        self,
        kind: str,
        fields: Mapping[str, Any],
        before: Document | None,
        unit_places: int,
    ) -> Document:
        base = before or Document(
            id=self.new_id(),
            kind=kind,
            updated=self.now(),
            type=str(fields.get("Type", "")),
            on=self.now().date(),
            currency=self.base_currency,
        )
        if base.type not in PAYMENT_TYPES:
            raise Refusal("The document type is missing or invalid.")
        changes = {
            attribute: read(fields[name])
            for name, (attribute, read) in DOCUMENT_FIELDS.items()
            if fields.get(name) is not None
        }
        changes["contact"] = self._contact_for(fields.get("Contact"), before)
        changes["fields"] = {
            **base.fields,
            **{key: fields[key] for key in PLAIN_FIELDS if key in fields},
        }
        after = replace(base, **changes)
        if not after.number and kind in {INVOICES, CREDIT_NOTES}:
            after = replace(after, number=self._free_number(kind))
        if after.status == "AUTHORISED" and after.due is None:
            after = replace(after, due=after.on)
        if isinstance(fields.get("LineItems"), Sequence):
            after = self._priced(after, fields["LineItems"], unit_places)
        return after

    def _free_number(self, kind: str) -> str:
        prefix = "INV" if kind == INVOICES else "CN"
        while True:
            number = f"{prefix}-{self._next_number[kind]:04d}"
            self._next_number[kind] += 1
            if not self.documents[kind].having(f"number:{number}"):
                return number

    def _priced(
        self, document: Document, items: Sequence[Any], places: int
    ) -> Document:
        # Lines sent without a known id are new ones; those not sent are gone.
        known = {line["LineItemID"] for line in document.lines}
        lines = []
        for item in items:
            line = priced_line(item, places)
            if line.get("LineItemID") not in known:
                line["LineItemID"] = self.new_id()
            if document.basis == "NoTax":
                line["TaxAmount"] = ZERO
            lines.append(line)
        tax = sum((line["TaxAmount"] for line in lines), ZERO)
        amount = sum((line["LineAmount"] for line in lines), ZERO)
        return replace(
            document,
            lines=tuple(lines),
            tax=tax,
            subtotal=amount - tax if document.basis == "Inclusive" else amount,
            discount=sum((discount_of(line) for line in lines), ZERO),
        )

    def _check_state(self, before: Document | None, after: Document) -> None:
        if after.status not in MOVES.get(before.status if before else "", ()):
            raise Refusal(NOT_MODIFIABLE)
        if before and (before.payments or before.allocations):
            # DueDate and SentToContact are the two that Xero lets one edit all the same.
            unlocked = replace(after, due=before.due, sent=before.sent)
            if unlocked != before:
                raise Refusal(HAS_APPLIED)
        for day in {after.on, before.on if before else after.on}:
            if after.status in POSTED or (before and before.status in POSTED):
                self._check_lock(day)

    def _check_content(self, before: Document | None, after: Document) -> None:
        messages = []
        if self.same_number(after) and after.status in LIVE:
            messages.append(NOT_UNIQUE)
        if len(after.number) > NUMBER_LENGTH_MAX:
            messages.append("Invoice # must not be more than 255 characters.")
        if after.total < 0:
            messages.append("The document total must be greater than or equal to 0.")
        if after.status == "AUTHORISED" and not after.lines:
            messages.append("One or more line items must be specified")
        if self.currencies is not None and after.currency not in self.currencies:
            messages.append(
                f"Organisation is not subscribed to currency {after.currency}"
            )
        contact = self.contacts.rows[after.contact]
        is_new_contact = before is None or before.contact != after.contact
        if is_new_contact and contact.status != "ACTIVE":
            messages.append(ARCHIVED_CONTACT)
        messages += [
            f"Account code '{line['AccountCode']}' has been archived, or deleted"
            for line in after.lines
            if line.get("AccountCode") in self.archived_accounts
        ]
        if messages:
            raise Refusal(*messages)

    def _check_lock(self, day: date) -> None:
        if self.year_lock and day <= self.year_lock:
            raise Refusal(
                "The document date cannot be before the end of year lock date"
            )
        if self.period_lock and day <= self.period_lock:
            raise Refusal("The document date cannot be before the period lock date")

    def _settled(self, document: Document) -> Document:
        # PAID comes and goes with the open amount; FullyPaidOnDate only ever comes.
        is_closed = self.sums(document).open == 0
        if document.status == "AUTHORISED" and is_closed:
            return replace(document, status="PAID", paid_on=self._last_day(document))
        if document.status == "PAID" and not is_closed:
            return replace(document, status="AUTHORISED")
        return document

    def _last_day(self, document: Document) -> date:
        days = [self.payments.rows[key].on for key in document.payments]
        for key in document.allocations:
            allocation = self.allocations.rows[key]
            is_target = allocation.target == document.id
            # An invoice takes the date of the credit note, not of its allocation.
            days.append(
                self.document(allocation.source).on if is_target else allocation.on
            )
        return max(days, default=document.on)

    def _put_settled(self, document: Document, stamp: datetime) -> None:
        self.documents[document.kind].put(
            self._settled(replace(document, updated=stamp))
        )

    # Payments --------------------------------------------------------------------

    def pay(
        self,
        document: Document,
        amount: Decimal,
        on: date,
        *,
        reference: str = "",
        account: str = "090",
        rate: Decimal | None = None,
        reconciled: bool = False,
        batch: str = "",
    ) -> Payment:
        """Money against a document; on a credit it is a refund."""
        with self.together():
            self._check_payment(document, amount, on, account)
            used = document.rate if rate is None else rate
            payment = Payment(
                id=self.new_id(),
                updated=self._stamp(),
                document=document.id,
                type=PAYMENT_TYPES[document.type],
                on=on,
                amount=amount,
                rate=used,
                bank_amount=cents(amount / used) if used else amount,
                reference=reference,
                account=account,
                reconciled=reconciled,
                batch=batch,
            )
            self.payments.put(payment)
            paid = replace(document, payments=(*document.payments, payment.id))
            self._put_settled(paid, payment.updated)
            return payment

    def _check_payment(
        self, document: Document, amount: Decimal, on: date, account: str
    ) -> None:
        self._check_lock(on)
        if account in self.archived_accounts:
            raise Refusal(f"Account code '{account}' has been archived, or deleted")
        if document.status not in POSTED:
            raise Refusal(NOT_AUTHORISED)
        if amount <= 0:
            raise Refusal("Payment amount must be greater than zero")
        if amount > self.sums(document).open:
            raise Refusal(TOO_MUCH)

    def delete_payment(self, key: str) -> Payment:
        """Take a payment back: it stays as DELETED, and leaves its document."""
        with self.together():
            payment = self.payments.rows.get(key)
            if payment is None:
                raise Refusal("The payment could not be found.")
            if payment.status == "DELETED":
                raise Refusal("Payment has already been deleted")
            self._check_lock(payment.on)
            stamp = self._stamp()
            payment = replace(payment, status="DELETED", updated=stamp)
            self.payments.put(payment)
            document = self.document(payment.document)
            left = tuple(each for each in document.payments if each != key)
            self._put_settled(
                replace(document, payments=left),
                stamp if self.bump_on_delete else document.updated,
            )
            return payment

    # Allocations -----------------------------------------------------------------

    def allocate(
        self, source: Document, target: Document, amount: Decimal, on: date
    ) -> Allocation:
        """Apply a part of a credit to an invoice; both are changed."""
        with self.together():
            self._check_lock(on)
            if SETTLES.get(source.type) != target.type:
                raise Refusal("The credit cannot be allocated to this document.")
            if not {source.status, target.status} <= POSTED:
                raise Refusal("Credits can only be allocated to Authorised documents")
            if source.currency != target.currency:
                raise Refusal("The credit and the document must have one currency.")
            if amount <= 0 or amount > self.sums(source).open:
                raise Refusal("Allocation amount exceeds the remaining credit")
            if amount > self.sums(target).open:
                raise Refusal(
                    "Allocation amount exceeds the amount outstanding on this document"
                )
            stamp = self._stamp()
            allocation = Allocation(
                self.new_id(), stamp, source.id, target.id, amount, on
            )
            self.allocations.put(allocation)
            for document in (source, target):
                allocations = (*document.allocations, allocation.id)
                self._put_settled(replace(document, allocations=allocations), stamp)
            return allocation

    def remove_allocation(self, key: str) -> Allocation:
        """Undo an allocation; both documents are changed."""
        with self.together():
            allocation = self.allocations.rows.get(key)
            if allocation is None or not allocation.live:
                raise Refusal("The allocation could not be found.")
            self._check_lock(allocation.on)
            stamp = self._stamp()
            self.allocations.put(replace(allocation, live=False, updated=stamp))
            for document in map(self.document, (allocation.source, allocation.target)):
                left = tuple(each for each in document.allocations if each != key)
                self._put_settled(replace(document, allocations=left), stamp)
            return allocation
