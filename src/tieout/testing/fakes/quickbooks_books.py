"""
The books of one fake QuickBooks Online company: customers, documents and what settles what.

Knows the vendor's rules (what is computed, what may be changed, what is refused with which
code) and no HTTP: `tieout.testing.fakes.quickbooks` answers requests, `quickbooks_shapes`
writes the vendor's JSON. It keeps no general ledger and knows no tax rates.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tieout.testing.fakes.quickbooks_fields import (
    ACCOUNT,
    CREDIT_MEMO,
    CUSTOMER,
    DEPOSIT,
    INVOICE,
    ITEM,
    JOURNAL_ENTRY,
    LINE_TYPES,
    NAME_PARTS,
    PAYMENT,
    PLACES,
    REFUND,
    WRITABLE,
    ZERO,
    Refusal,
    broken,
    check_addresses,
    check_length,
    day_of,
    money,
    number,
    plain,
    ref_of,
    required,
    writable,
)

KINDS: tuple[str, ...] = (
    *(CUSTOMER, ITEM, ACCOUNT, INVOICE, CREDIT_MEMO, PAYMENT),
    *(JOURNAL_ENTRY, REFUND, DEPOSIT),
)
CREDITS = frozenset({CREDIT_MEMO, JOURNAL_ENTRY})
"""What a payment's line consumes; an Invoice line is settled."""

OWN_CLOCK_START = datetime(2026, 3, 1, 17, 0, tzinfo=UTC)
"""Any instant would do; a fixed one makes every run of a test the same."""
FIRST_NUMBER = 1001
MULTIPLIED = ("Qty", "UnitPrice")

VOIDED_NOTE = "Voided"
LINKING_NOTE = "Created by QB Online to link credits to charges."
UNDEPOSITED = "4"
"""The account where money waits for its deposit."""

MADE_INACTIVE = "Something you're trying to use has been made inactive. Check the fields with accounts, customers, items, vendors or employees."
DEPOSITED = "The transaction is in a bank deposit. Remove it from the deposit first."
GONE = "Another user has deleted this transaction."
STALE = "You and root were working on this at the same time. root finished before you did, so your work was not saved."
CLOSED = "The account period has closed and the account books cannot be updated through the QBO Services API. Please use the QBO website to make these changes."
NAMES: Mapping[str, str] = {CUSTOMER: "Names", ITEM: "Items", ACCOUNT: "Accounts"}
"""How an invalid reference is called in the words of code 2500."""


@dataclass(frozen=True, slots=True)
class Link:
    """A part of a payment: it settles an invoice or consumes a credit."""

    kind: str
    id: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Row:
    """One object; ``fields`` are those that clients write, by the vendor's names."""

    kind: str
    id: str
    created: datetime
    updated: datetime
    fields: Mapping[str, Any]
    version: int = 0
    total: Decimal = ZERO
    links: tuple[Link, ...] = ()
    deposit: str = ""
    is_voided: bool = False
    is_deleted: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.kind, self.id

    def ref(self, name: str) -> str:
        """The id that a reference holds, or ''."""
        return ref_of(self.fields, name)

    @property
    def is_active(self) -> bool:
        return self.fields.get("Active") is not False

    def part(self, key: tuple[str, str]) -> Decimal:
        """How much of a payment goes to that document."""
        parts = (each.amount for each in self.links if (each.kind, each.id) == key)
        return sum(parts, ZERO)

    def sides(self) -> tuple[Decimal, Decimal]:
        """How much a payment settles, and how much credit it consumes."""
        settled = sum((x.amount for x in self.links if x.kind == INVOICE), ZERO)
        return settled, sum((x.amount for x in self.links), ZERO) - settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Where the vendor's ways are not known for sure: each can be had the other way."""

    refresh_rotates_after: float = 0
    """Seconds until a refresh token that is used is replaced; said to be about a day."""
    retired_refresh_seconds: float = 0
    """How long a replaced refresh token still works."""
    request_id_seconds: float | None = None
    """How long replies to a requestid are kept; None is for ever."""
    request_id_keeps_faults: bool = True
    """Whether a refusal is a reply that is kept."""
    fault_status: int = 400
    """The HTTP status of a refusal; a 200 can hold one too."""
    throttle_status: int = 429
    """403 with older versions."""
    refuses_old_minor_versions: bool = False
    """Below 75; otherwise they are served as 75."""
    newest_changes_first: bool = False
    """Which changes are left out where there are too many for one reply."""
    case_sensitive: bool = False
    """Whether texts in queries are compared with their case."""
    empty_has_paging: bool = False
    """Whether an empty QueryResponse tells its position."""
    filterable: Mapping[str, bool] = field(default_factory=dict)
    """More fields that a query may name, or fewer: ``{"Invoice.PrivateNote": True}``."""
    warns_duplicates: bool = True
    """Whether a document number of the same kind is refused the second time."""
    number_length_max: int = 21
    auto_apply_name: str = "AutoApplyCredit"
    """What the preference to apply credits is called."""
    void_detaches_payments: bool = False
    """Whether the API voids an invoice with payments, as a person can."""
    void_keeps_amounts: bool = False
    """Whether a voided invoice keeps total and lines, as in one sample; it owes nothing."""
    credit_memo_void: bool = False
    """Whether a credit memo can be voided, and not only deleted."""
    bump_on_payment: bool = True
    """Whether a payment moves SyncToken and LastUpdatedTime of what it links to."""
    deleted_suffix: str = " (deleted)"
    """What is added to the name of an inactive customer."""


class Books:
    """
    All objects, and every rule about changing them.

    Nothing is changed where `Refusal` is raised. The callers hold ``lock``.
    """

    def __init__(
        self,
        now: Callable[[], datetime] | None,
        ways: Ways,
        *,
        home_currency: str,
        multi_currency: bool,
        zone: ZoneInfo,
    ) -> None:
        self.ways = ways
        self.home_currency = home_currency
        self.multi_currency = multi_currency
        self.zone = zone
        self.lock = threading.RLock()
        self.rows: dict[str, dict[str, Row]] = {kind: {} for kind in KINDS}
        self.custom_numbers = False
        self.auto_apply_credit = False
        self.closed_through: date | None = None
        self.other_names: set[str] = set()
        self._now = now
        self._own_time = OWN_CLOCK_START
        self._found: dict[tuple[str, ...], dict[tuple[str, str], None]] = {}
        self._next_number = FIRST_NUMBER
        for key, name in (("1", "Services"), ("2", "Hours")):
            self._seed(ITEM, key, {"Name": name, "Type": "Service"})
        for key, name, of in (
            ("1", "Services", "Income"),
            (UNDEPOSITED, "Undeposited Funds", "Other Current Asset"),
            ("35", "Checking", "Bank"),
            ("84", "Accounts Receivable (A/R)", "Accounts Receivable"),
        ):
            self._seed(ACCOUNT, key, {"Name": name, "AccountType": of})

    def _seed(self, kind: str, key: str, fields: Mapping[str, Any]) -> None:
        at = self.now()
        self._put(Row(kind, key, at, at, {**fields, "Active": True}))

    # Time ----------------------------------------------------------------------------

    def now(self) -> datetime:
        """The present instant, UTC, in whole seconds as stamps are."""
        at = self._own_time if self._now is None else self._now().astimezone(UTC)
        return at.replace(microsecond=0)

    def today(self) -> date:
        """The day at the company's place."""
        return self.now().astimezone(self.zone).date()

    def advance(self, seconds: float) -> None:
        """Move the books' own clock."""
        self._own_time += timedelta(seconds=seconds)

    def _tick(self) -> None:
        self._own_time += timedelta(seconds=1)

    # Looking --------------------------------------------------------------------------

    def live(self, kind: str) -> list[Row]:
        """Everything of a kind that was not deleted, in the order of creation."""
        return [row for row in self.rows[kind].values() if not row.is_deleted]

    def find(self, kind: str, key: str) -> Row:
        """One object; 610 where there is none, or none any more."""
        row = self.rows[kind].get(key)
        if row is None or row.is_deleted:
            raise Refusal("610", GONE if row else MADE_INACTIVE)
        return row

    def _of(self, *key: str) -> list[Row]:
        return [self.rows[kind][each] for kind, each in self._found.get(key, ())]

    def payments_of(self, row: Row) -> list[Row]:
        """The payments that touch a document, oldest first."""
        return sorted(self._of("links", *row.key), key=lambda each: int(each.id))

    def applied(self, row: Row) -> Decimal:
        """How much of a document payments have settled or consumed."""
        return sum((each.part(row.key) for each in self._of("links", *row.key)), ZERO)

    def capacity(self, row: Row) -> Decimal:
        """How much of a document payments may settle or consume at most."""
        if row.is_voided or row.is_deleted or row.kind == REFUND:
            return ZERO
        return row.total - number(row.fields.get("Deposit", 0), "Deposit")

    def balance(self, row: Row) -> Decimal:
        """What is open of a document; of a payment, what is unapplied."""
        if row.kind != PAYMENT:
            return self.capacity(row) - self.applied(row)
        settled, consumed = row.sides()
        return row.total + consumed - settled

    def customer_balance(self, row: Row, *, with_jobs: bool = False) -> Decimal:
        """What a customer owes; negative where money or credit is left over."""
        owed = ZERO
        for each in self._of("customer", row.id):
            owed += self.balance(each) * (1 if each.kind == INVOICE else -1)
        for job in self._of("parent", row.id) if with_jobs else ():
            owed += self.customer_balance(job, with_jobs=True)
        return owed

    def lineage(self, key: str) -> list[str]:
        """The ids of a customer and of those above it."""
        found: list[str] = []
        while key and key not in found:
            found.append(key)
            key = self.rows[CUSTOMER][key].ref("ParentRef")
        return found

    def name_of(self, row: Row) -> str:
        """What an object is called where it is referred to."""
        if row.kind != CUSTOMER:
            return str(row.fields["Name"])
        suffix = "" if row.is_active else self.ways.deleted_suffix
        return f"{row.fields['DisplayName']}{suffix}"

    # Keeping ----------------------------------------------------------------------------

    def _put(self, row: Row) -> None:
        old = self.rows[row.kind].get(row.id)
        for key in _index_keys(old) if old else ():
            del self._found[key][row.key]
        for key in _index_keys(row):
            self._found.setdefault(key, {})[row.key] = None
        self.rows[row.kind][row.id] = row

    def _keep(self, row: Row | None, kind: str, **values: Any) -> Row:
        """Store a new object or the next version of one; what it links to has moved too."""
        at = self.now()
        if row is None:
            key = str(len(self.rows[kind]) + 1)
            new = Row(kind, key, at, at, **values)
        else:
            new = replace(row, version=row.version + 1, updated=at, **values)
        self._put(new)
        changed = {*new.links} ^ {*(row.links if row else ())}
        if self.ways.bump_on_payment:
            for link_kind, link_id in sorted({(x.kind, x.id) for x in changed}):
                self._bump(self.rows[link_kind][link_id])
        return new

    def _bump(self, row: Row) -> None:
        # A document that is being voided or deleted has its new version already.
        if not row.is_voided and not row.is_deleted:
            self._put(replace(row, version=row.version + 1, updated=self.now()))

    def restamp(self, kind: str, key: str, at: datetime) -> None:
        """Set LastUpdatedTime alone: the vendor's can be equal and can move back."""
        self._put(replace(self.rows[kind][key], updated=at.astimezone(UTC)))

    def make(self, kind: str, fields: Mapping[str, Any], total: Decimal = ZERO) -> Row:
        """An object of a kind that the API does not write here."""
        made = self._keep(None, kind, fields=fields, total=total)
        self._tick()
        return made

    # Changing ---------------------------------------------------------------------------

    def save(self, kind: str, body: Mapping[str, Any]) -> Row:
        """Create an object, or update it where the body has an Id."""
        if kind not in WRITABLE:
            raise Refusal("500", f"Operation on {kind} is not supported.")
        given = writable(kind, body)
        row = self.current(kind, body) if "Id" in body or body.get("sparse") else None
        if row is not None and body.get("sparse") is True:
            given = {**row.fields, "Line": lines_of(row), **given}
        # Without sparse, what is missing is blanked: so is what is null.
        fields = {k: v for k, v in given.items() if v is not None and v != ""}
        if row is not None and row.is_voided:
            raise broken("The transaction has been voided and cannot be changed.")
        if kind == CUSTOMER:
            saved = self._save_customer(fields, row)
        elif kind == PAYMENT:
            saved = self._save_payment(fields, row)
        else:
            saved = self._save_document(kind, fields, row)
        self._tick()
        return saved

    def current(self, kind: str, body: Mapping[str, Any]) -> Row:
        """The object that a body names, if it names its newest version."""
        for name in ("Id", "SyncToken"):
            if body.get(name) is None or body[name] == "":
                raise required(name)
        row = self.find(kind, str(body["Id"]))
        if str(body["SyncToken"]) != str(row.version):
            raise Refusal("5010", STALE)
        return row

    def _open_period(self, *days: date | None) -> None:
        closed = self.closed_through
        if closed and any(day is not None and day <= closed for day in days):
            raise Refusal("6210", CLOSED)

    def _reference(self, kind: str, key: str, element: str) -> Row:
        row = self.rows[kind].get(key)
        if row is None:
            raise Refusal("2500", f"{NAMES[kind]} element id {key} not found", element)
        if not row.is_active:
            raise Refusal("610", MADE_INACTIVE)
        return row

    def _begin(self, fields: dict[str, Any], row: Row | None) -> tuple[Row, str]:
        """What all transactions have: the customer, its currency, a date in an open period."""
        key = ref_of(fields, "CustomerRef")
        if not key:
            raise Refusal("6560", element="CustomerRef")
        if not key.isdigit():
            raise Refusal("6250", key, "CustomerRef")
        customer = self._reference(CUSTOMER, key, "CustomerRef")
        currency = self._currency(fields, customer.ref("CurrencyRef"))
        on = day_of(fields, "TxnDate") or self.today()
        self._open_period(on, day_of(row.fields, "TxnDate") if row else None)
        fields["TxnDate"] = on.isoformat()
        rate = number(fields.pop("ExchangeRate", 1), "ExchangeRate")
        if self.multi_currency:
            is_home = currency == self.home_currency
            fields["ExchangeRate"] = Decimal(1) if is_home else rate
        return customer, currency

    @staticmethod
    def _currency(fields: dict[str, Any], of: str) -> str:
        """The currency of what is saved, which must be that of the customer."""
        given = ref_of(fields, "CurrencyRef") or of
        if given != of:
            raise broken(f"The transaction is in {given}, the customer in {of}.")
        fields["CurrencyRef"] = {"value": of}
        return of

    # Customers --------------------------------------------------------------------------

    def _save_customer(self, fields: dict[str, Any], row: Row | None) -> Row:
        parts = [fields[name] for name in NAME_PARTS if name in fields]
        fields["DisplayName"] = fields.get("DisplayName") or " ".join(parts)
        if not fields["DisplayName"]:
            raise Refusal(
                "6080", f"{', '.join(NAME_PARTS)}, DisplayName: all are empty"
            )
        check_addresses(fields, "PrimaryEmailAddr")
        currency = ref_of(fields, "CurrencyRef") or self.home_currency
        if currency != self.home_currency and not self.multi_currency:
            raise broken("Multi-currency is off in this company.")
        # A customer's currency is settled for good when it is made.
        self._currency(fields, row.ref("CurrencyRef") if row else currency)
        parent = ref_of(fields, "ParentRef")
        if parent:
            self._reference(CUSTOMER, parent, "ParentRef")
            if row is not None and row.id in self.lineage(parent):
                raise broken("A customer cannot be its own parent.")
        fields.setdefault("Active", True)
        if fields["Active"] is not False:
            self._check_name(fields["DisplayName"], row)
        return self._keep(row, CUSTOMER, fields=fields)

    def _check_name(self, name: str, row: Row | None) -> None:
        wanted = name.casefold()
        if wanted in self.other_names:
            raise Refusal("6240", "The name supplied already exists. : null")
        for _, key in self._found.get(("name", wanted), ()):
            other = self.rows[CUSTOMER][key]
            if other.is_active and (row is None or other.id != row.id):
                raise Refusal("6240", f"The name supplied already exists. : Id={key}")

    # Invoices and credit memos --------------------------------------------------------------

    def _save_document(self, kind: str, fields: dict[str, Any], row: Row | None) -> Row:
        customer, currency = self._begin(fields, row)
        if row and row.ref("CustomerRef") != customer.id and self.applied(row):
            raise broken("The customer of a transaction with payments is fixed.")
        check_addresses(fields, "BillEmail")
        if kind == INVOICE:
            fields["DueDate"] = str(day_of(fields, "DueDate") or fields["TxnDate"])
        fields["Line"], total = self._priced(fields, currency, row)
        deposit = money(fields.get("Deposit", 0), "Deposit", currency)
        if "Deposit" in fields:
            fields["Deposit"] = deposit
        if not 0 <= deposit <= total:
            raise broken("The total must be 0 or greater, and cover the deposit.")
        self._number(kind, fields, row)
        saved = self._keep(row, kind, fields=fields, total=total)
        self._fit(saved)
        if kind == CREDIT_MEMO and row is None and self.auto_apply_credit:
            self._auto_apply(saved)
        return self.rows[kind][saved.id]

    def _priced(
        self, fields: dict[str, Any], currency: str, row: Row | None
    ) -> tuple[list[dict[str, Any]], Decimal]:
        """The lines as they are stored, and the total."""
        if not fields.get("Line"):
            raise required("Line")
        known = {line["Id"] for line in (row.fields["Line"] if row else ())}
        highest = max(map(int, known), default=0)
        tax = (fields.get("TxnTaxDetail") or {}).get("TotalTax") or 0
        total = money(tax, "TxnTaxDetail.TotalTax", currency)
        if "TxnTaxDetail" in fields:
            fields["TxnTaxDetail"] = {**fields["TxnTaxDetail"], "TotalTax": total}
        lines: list[dict[str, Any]] = []
        for given in fields["Line"]:
            if given.get("DetailType") == "SubTotalLineDetail":
                # The server computes its own.
                continue
            line = self._line(given, currency)
            is_discount = line["DetailType"] == "DiscountLineDetail"
            amount = line.get("Amount", ZERO)
            total += -amount if is_discount else amount
            if line.get("Id") not in known:
                # A line that is sent without a stored Id is a new line.
                highest += 1
                line["Id"] = str(highest)
            lines.append(line)
        return lines, total

    def _line(self, line: Mapping[str, Any], currency: str) -> dict[str, Any]:
        kind = line.get("DetailType")
        if kind is None:
            raise required("Line.DetailType")
        if kind not in LINE_TYPES:
            raise Refusal("2170", f"{kind} is not supported", "Line.DetailType")
        if kind == "DescriptionOnly":
            return {name: line[name] for name in line if name != "Amount"}
        if line.get("Amount") is None:
            raise required("Line.Amount")
        amount = money(line["Amount"], "Line.Amount", currency)
        priced = {**line, "Amount": amount}
        if kind == "SalesItemLineDetail":
            priced[kind] = self._item(line.get(kind) or {}, amount, currency)
        return priced

    def _item(
        self, detail: Mapping[str, Any], amount: Decimal, currency: str
    ) -> dict[str, Any]:
        if not ref_of(detail, "ItemRef"):
            raise required("Line.SalesItemLineDetail.ItemRef")
        self._reference(ITEM, ref_of(detail, "ItemRef"), "ItemRef")
        names = [name for name in MULTIPLIED if detail.get(name) is not None]
        numbers = {name: plain(number(detail[name], name)) for name in names}
        product = math.prod(numbers.values())
        # Half of the smallest unit: whichever way the vendor rounds.
        slack = Decimal("0.5").scaleb(-PLACES.get(currency, 2))
        if len(numbers) == len(MULTIPLIED) and abs(product - amount) > slack:
            text = "Amount is not equal to UnitPrice * Qty. Supplied value:"
            raise Refusal("6070", f"{text}{amount}")
        return {**detail, **numbers}

    def _number(self, kind: str, fields: dict[str, Any], row: Row | None) -> None:
        wanted = fields.get("DocNumber")
        is_forced = fields.pop("AutoDocNumber", False) or wanted == "AUTO_GENERATE"
        if is_forced or (wanted is None and row is None and not self.custom_numbers):
            fields["DocNumber"] = self._automatic_number()
            return
        check_length(fields, "DocNumber", self.ways.number_length_max)
        for other in self._of("number", kind, wanted) if wanted else ():
            if self.ways.warns_duplicates and (row is None or other.id != row.id):
                text = "You must specify a different number. This number has already been used."
                detail = f"{text} DocNumber={wanted} is assigned to TxnType={kind} with TxnId={other.id}"
                raise Refusal("6140", detail)

    def _automatic_number(self) -> str:
        # Invoices and credit memos share one sequence.
        while any(
            self._found.get(("number", kind, str(self._next_number)))
            for kind in (INVOICE, CREDIT_MEMO)
        ):
            self._next_number += 1
        self._next_number += 1
        return str(self._next_number - 1)

    # Payments -------------------------------------------------------------------------------

    def _save_payment(self, fields: dict[str, Any], row: Row | None) -> Row:
        if row is not None and row.deposit:
            raise Refusal("6540", DEPOSITED)
        customer, currency = self._begin(fields, row)
        if "TotalAmt" not in fields:
            raise required("TotalAmt")
        total = fields["TotalAmt"] = money(fields["TotalAmt"], "TotalAmt", currency)
        check_length(fields, "PaymentRefNum", self.ways.number_length_max)
        account = ref_of(fields, "DepositToAccountRef")
        if account:
            self._reference(ACCOUNT, account, "DepositToAccountRef")
        elif total:
            fields["DepositToAccountRef"] = {"value": UNDEPOSITED}
        lines = fields.pop("Line", None) or ()
        links = tuple(_link(line, currency) for line in lines)
        self._check_links(links, customer, currency, row)
        at = self.now()
        settled, consumed = Row(PAYMENT, "", at, at, {}, links=links).sides()
        if total < 0 or settled > total + consumed or consumed > settled:
            raise broken("The lines do not fit the total of the payment.")
        return self._keep(row, PAYMENT, fields=fields, total=total, links=links)

    def _check_links(
        self, links: Iterable[Link], customer: Row, currency: str, row: Row | None
    ) -> None:
        wanted: dict[tuple[str, str], Decimal] = {}
        for link in links:
            key = (link.kind, link.id)
            wanted[key] = wanted.get(key, ZERO) + link.amount
        for key, amount in wanted.items():
            if key[0] != INVOICE and key[0] not in CREDITS:
                raise Refusal("2170", f"{key[0]} is not supported", "Line.LinkedTxn")
            target = self.rows[key[0]].get(key[1])
            # The payer is the customer of the document, or one above it.
            if (
                target is None
                or target.is_deleted
                or target.is_voided
                or customer.id not in self.lineage(target.ref("CustomerRef"))
            ):
                text = "Cannot validate linked transactions:"
                raise Refusal("620", f"{text} {MADE_INACTIVE}")
            if target.ref("CurrencyRef") != currency:
                raise broken("The linked transaction is in another currency.")
            if amount > self.balance(target) + (row.part(key) if row else ZERO):
                raise broken(f"{amount} is more than what is open of {' '.join(key)}.")

    def link_credit(
        self, credit: Row, invoice: Row, amount: Decimal, on: date, note: str
    ) -> Row:
        """The payment of 0 that applies a credit to an invoice."""
        linked = [
            {"Amount": amount, "LinkedTxn": [{"TxnId": row.id, "TxnType": row.kind}]}
            for row in (invoice, credit)
        ]
        fields = {
            "CustomerRef": credit.fields["CustomerRef"],
            "TotalAmt": ZERO,
            "TxnDate": on.isoformat(),
            "PrivateNote": note,
            "Line": linked,
        }
        return self._save_payment(fields, None)

    def _auto_apply(self, credit: Row) -> None:
        invoices = [
            row
            for row in self._of("customer", credit.ref("CustomerRef"))
            if row.kind == INVOICE and self.balance(row) > 0
        ]
        for invoice in sorted(invoices, key=lambda x: (x.fields["TxnDate"], int(x.id))):
            amount = min(self.balance(credit), self.balance(invoice))
            if amount > 0:
                # Not before either of the two, and so in an open period.
                on = max(credit.fields["TxnDate"], invoice.fields["TxnDate"])
                day = date.fromisoformat(on)
                self.link_credit(credit, invoice, amount, day, LINKING_NOTE)

    # What is cut loose -----------------------------------------------------------------------

    def _fit(self, row: Row) -> None:
        """Take from payments what a document no longer has room for, the newest first."""
        excess = self.applied(row) - self.capacity(row)
        for payment in reversed(self.payments_of(row)):
            cut = min(excess, payment.part(row.key))
            if cut > 0:
                self._cut(payment, row.key, cut)
                excess -= cut

    def _cut(self, payment: Row, key: tuple[str, str], by: Decimal) -> None:
        links = _trimmed(payment.links, lambda x: (x.kind, x.id) == key, by)
        settled, consumed = replace(payment, links=links).sides()
        # Credit with nothing left to settle is set free; what has no cover is owed again.
        links = _trimmed(links, lambda x: x.kind != INVOICE, consumed - settled)
        short = settled - payment.total - consumed
        links = _trimmed(links, lambda x: x.kind == INVOICE, short)
        is_empty = not links and not payment.total
        self._keep(payment, PAYMENT, links=links, is_deleted=is_empty)

    def void(self, row: Row, *, by_hand: bool = False) -> Row:
        """Void an invoice (or payment); ``by_hand`` payments are always detached."""
        is_refused = not by_hand and not self.ways.void_detaches_payments
        if row.is_voided:
            raise broken("The transaction has been voided already.")
        self._check_untied(row)
        if row.kind != PAYMENT and is_refused and self.applied(row):
            raise broken("The transaction has payments and cannot be voided.")
        note = row.fields.get("PrivateNote")
        note = f"{VOIDED_NOTE} - {note}" if note else VOIDED_NOTE
        fields, total = {**row.fields, "PrivateNote": note}, row.total
        if row.kind == PAYMENT:
            fields["TotalAmt"] = total = ZERO
        elif not self.ways.void_keeps_amounts:
            total = ZERO
            fields["Line"] = [_without_amounts(line) for line in fields["Line"]]
            for name in ("TxnTaxDetail", "Deposit"):
                fields.pop(name, None)
        values = {"fields": fields, "total": total, "links": (), "is_voided": True}
        voided = self._keep(row, row.kind, **values)
        self._fit(voided)
        self._tick()
        return voided

    def delete(self, row: Row) -> None:
        """Delete a document or payment; what it was tied to is set free."""
        if row.kind not in {INVOICE, CREDIT_MEMO, PAYMENT}:
            raise Refusal("500", "Operation Delete is not supported.")
        self._check_untied(row)
        self._fit(self._keep(row, row.kind, links=(), is_deleted=True))
        self._tick()

    def _check_untied(self, row: Row) -> None:
        self._open_period(day_of(row.fields, "TxnDate"))
        if row.deposit:
            raise Refusal("6540", DEPOSITED)

    # The bank --------------------------------------------------------------------------------

    def bank(self, payments: Iterable[Row], on: date) -> Row:
        """A deposit of payments, which it locks."""
        rows = tuple(payments)
        total = sum((row.total for row in rows), ZERO)
        linked = [{"TxnId": row.id, "TxnType": PAYMENT} for row in rows]
        fields = {
            "TxnDate": on.isoformat(),
            "DepositToAccountRef": {"value": "35"},
            "CurrencyRef": {"value": self.home_currency},
            "Line": [{"Amount": total, "LinkedTxn": linked}],
        }
        made = self.make(DEPOSIT, fields, total)
        for row in rows:
            self._keep(row, PAYMENT, deposit=made.id)
        return made

    def unbank(self, deposit: Row) -> None:
        """Delete a deposit: its payments can be changed again."""
        self._keep(deposit, DEPOSIT, is_deleted=True)
        for row in self.live(PAYMENT):
            if row.deposit == deposit.id:
                self._keep(row, PAYMENT, deposit="")
        self._tick()


def _index_keys(row: Row) -> list[tuple[str, ...]]:
    """By what an object can be found."""
    if row.is_deleted:
        return []
    keys: list[tuple[str, ...]] = [("links", x.kind, x.id) for x in {*row.links}]
    for name, ref in (("customer", "CustomerRef"), ("parent", "ParentRef")):
        if row.ref(ref):
            keys.append((name, row.ref(ref)))
    if "DisplayName" in row.fields:
        keys.append(("name", row.fields["DisplayName"].casefold()))
    if "DocNumber" in row.fields:
        keys.append(("number", row.kind, row.fields["DocNumber"]))
    # Two lines of a payment may go to one document.
    return list(dict.fromkeys(keys))


def lines_of(row: Row) -> Any:
    """The lines that a sparse update keeps; a payment's are its links."""
    if row.kind != PAYMENT:
        return row.fields.get("Line")
    return [
        {"Amount": x.amount, "LinkedTxn": [{"TxnId": x.id, "TxnType": x.kind}]}
        for x in row.links
    ]


def _link(line: Mapping[str, Any], currency: str) -> Link:
    linked = line.get("LinkedTxn")
    linked = linked[0] if isinstance(linked, list) and linked else {}
    if not linked.get("TxnId") or not linked.get("TxnType"):
        raise required("Line.LinkedTxn")
    amount = money(line.get("Amount"), "Line.Amount", currency)
    if amount <= 0:
        raise broken("The amount of a line must be greater than 0.")
    return Link(str(linked["TxnType"]), str(linked["TxnId"]), amount)


def _trimmed(
    links: Iterable[Link], chosen: Callable[[Link], bool], by: Decimal
) -> tuple[Link, ...]:
    """The links, the chosen ones smaller by so much together, beginning with the last."""
    kept: list[Link] = []
    for link in reversed(tuple(links)):
        cut = max(ZERO, min(by, link.amount)) if chosen(link) else ZERO
        by -= cut
        if link.amount > cut:
            kept.append(replace(link, amount=link.amount - cut))
    return tuple(reversed(kept))


def _without_amounts(line: Mapping[str, Any]) -> dict[str, Any]:
    zeroed: dict[str, Any] = {
        name: ZERO if name == "Amount" else line[name] for name in line
    }
    detail = zeroed.get(line["DetailType"])
    if detail:
        numbers = {name: ZERO for name in MULTIPLIED if name in detail}
        zeroed[line["DetailType"]] = {**detail, **numbers}
    return zeroed
