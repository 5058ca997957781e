"""
The books behind the double of ConnectWise: companies, invoices, payments, batches.

It keeps the rules that span records (roll-ups, one payment an invoice, what is posted).
It knows nothing of HTTP, and is not safe for several threads: its owner locks.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from tieout.testing.fakes.connectwise_conditions import Record
from tieout.testing.fakes.connectwise_fields import (
    BATCH,
    BILLING_STATUS,
    COMPANY,
    CURRENCY,
    INVOICE,
    PAYMENT,
    TERMS,
    UNPOSTED,
    Resource,
    checked,
    from_body,
    invalid,
    merged,
    missing,
    refusal,
    to_decimals,
)
from tieout.testing.fakes.connectwise_tables import Table

FIRST_COMPANY, FIRST_INVOICE, FIRST_PAYMENT = 250, 1001, 70_001
FIRST_BATCH, FIRST_ENTRY = 41, 500_001
"""Ids of different kinds start far apart, so that one taken for another is noticed."""

OPEN, CLOSED = 1, 2
_STATUSES = (
    (OPEN, "New", False, False),
    (CLOSED, "Closed", True, False),
    (3, "Sent", True, True),
)
_TERMS = ((1, "Net 30 days"), (2, "Due on receipt"))
COMPANY_STATUSES = ({"id": 1, "name": "Active"}, {"id": 2, "name": "Inactive"})
_FLAGS = ("exportInvoicesFlag", "exportExpensesFlag", "exportProductsFlag")


def midnight(day: date) -> str:
    """A day as ConnectWise writes it."""
    return f"{day.isoformat()}T00:00:00Z"


def _day(text: str) -> date:
    return date.fromisoformat(text[:10])


class Books:
    """One company's records. ``begin`` opens each change and fixes its instant."""

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        single_payment: bool,
        bump_on_payment: bool,
    ) -> None:
        self._now = now
        self.single_payment = single_payment
        self.bump_on_payment = bump_on_payment
        self.invoices = Table(INVOICE.kinds(), ("invoiceNumber", "company/id"))
        self.payments = Table(PAYMENT.kinds(), ("invoice/id", "credit/id"))
        self.companies = Table(COMPANY.kinds(), ("identifier",))
        self.unposted = Table(UNPOSTED.kinds(), ("billingLogId", "invoiceNumber"))
        self.batches = Table(BATCH.kinds(), ("batchIdentifier",))
        self.statuses = Table(BILLING_STATUS.kinds())
        self.currencies = Table(CURRENCY.kinds())
        self.terms = Table(TERMS.kinds())
        self.entries: dict[int, list[Record]] = {}
        self._next = {
            id(self.invoices): FIRST_INVOICE,
            id(self.payments): FIRST_PAYMENT,
            id(self.companies): FIRST_COMPANY,
            id(self.batches): FIRST_BATCH,
        }
        self._next_entry = FIRST_ENTRY
        self._entry_of: dict[int, int] = {}
        self._unmapped: set[int] = set()
        self._locked: set[int] = set()
        self._currency_of: dict[tuple[str, int], int] = {}
        self._at, self._by = "", ""
        self._reference = {
            "statuses": self._status_reference,
            "companies": self._company_reference,
            "currencies": self._currency_reference,
            "terms": self._terms_reference,
            "invoices": self._credit_reference,
            "company statuses": self._company_status_reference,
        }
        self._furnish()

    def _furnish(self) -> None:
        self._at, self._by = "2020-01-01T00:00:00Z", "setup"
        for row, name, closed, sent in _STATUSES:
            self.statuses.put(
                {
                    "id": row,
                    "name": name,
                    "closedFlag": closed,
                    "sentFlag": sent,
                    "defaultFlag": row == OPEN,
                    "inactiveFlag": False,
                    "sortOrder": row,
                    "_info": self._info({}),
                }
            )
        for row, name in _TERMS:
            self.terms.put({"id": row, "name": name, "_info": self._info({})})
        self.currency("USD", 2)

    def begin(self, by: str) -> None:
        """Open a change made by somebody."""
        now = self._now()
        if now.tzinfo is None:
            raise ValueError("the clock of a fake must be aware of its zone")
        self._at = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._by = by

    def _info(self, before: Record, *, touch: bool = True) -> Record:
        info: Record = {**before.get("_info", {})}
        if touch or not info:
            info.update(lastUpdated=self._at, updatedBy=self._by)
        info.setdefault("dateEntered", self._at)
        return info

    def _new_id(self, table: Table) -> int:
        row = self._next[id(table)]
        self._next[id(table)] = row + 1
        return row

    # References ------------------------------------------------------------------

    def _resolve(self, resource: Resource, changes: Record) -> None:
        """Replace every reference that was given by what the server shows of it."""
        for name, value in changes.items():
            field = resource.fields[name]
            if value is None or field.to not in self._reference:
                continue
            found = self._reference[field.to](value)
            if found is None:
                raise invalid(resource.name, name, f"{name} does not exist")
            changes[name] = found

    def _status_reference(self, value: Record) -> Record | None:
        found = _look_up(self.statuses, value)
        if found is None:
            return None
        return {
            "id": found["id"],
            "name": found["name"],
            "isClosed": found["closedFlag"],
        }

    def _company_reference(self, value: Record) -> Record | None:
        if "id" not in value and isinstance(value.get("identifier"), str):
            rows = self.companies.having("identifier", value["identifier"])
            value = {"id": rows[0]} if rows else {}
        found = _look_up(self.companies, value)
        return found and {name: found[name] for name in ("id", "identifier", "name")}

    def _currency_reference(self, value: Record) -> Record | None:
        found = _look_up(self.currencies, value)
        return found and {name: found[name] for name in found if name != "_info"}

    def _terms_reference(self, value: Record) -> Record | None:
        found = _look_up(self.terms, value)
        return found and {"id": found["id"], "name": found["name"]}

    def _credit_reference(self, value: Record) -> Record | None:
        found = _look_up(self.invoices, value)
        if found is None or found["type"] != "CreditMemo":
            return None
        return {"id": found["id"], "identifier": found["invoiceNumber"]}

    @staticmethod
    def _company_status_reference(value: Record) -> Record | None:
        wanted = value.get("id"), value.get("name")
        return next(
            (
                each
                for each in COMPANY_STATUSES
                if wanted[0] == each["id"] or wanted[1] == each["name"]
            ),
            None,
        )

    def currency(self, code: str, decimals: int) -> int:
        """The id of a currency, which comes to be when it is first named."""
        known = self._currency_of.get((code, decimals))
        if known is not None:
            return known
        row = len(self.currencies) + 1
        self.currencies.put(
            {
                "id": row,
                "name": code,
                "symbol": code,
                "currencyCode": code,
                "decimalSeparator": ".",
                "numberOfDecimals": decimals,
                "thousandsSeparator": ",",
                "currencyIdentifier": code,
                "_info": self._info({}),
            }
        )
        self._currency_of[code, decimals] = row
        return row

    # Companies -------------------------------------------------------------------

    def create_company(self, fields: Record) -> Record:
        for name in ("identifier", "name"):
            checked(COMPANY, name, fields.get(name))
        self._resolve(COMPANY, fields)
        start: Record = {
            "id": self._new_id(self.companies),
            "status": dict(COMPANY_STATUSES[0]),
            "currency": self._currency_reference({"id": 1}),
            "deletedFlag": False,
            "customFields": [],
        }
        return self._store_company(merged(start, fields))

    def update_company(self, row: int, changes: Record) -> Record:
        before = self._existing(self.companies, COMPANY, row)
        self._resolve(COMPANY, changes)
        record = self._store_company(merged(before, changes))
        self._rename(before, record)
        return record

    def remove_company(self, row: int) -> None:
        self._existing(self.companies, COMPANY, row)
        if self.invoices.having("company/id", row):
            raise refusal(409, "ConflictingState", f"company {row} is in use")
        self.companies.drop(row)

    def _store_company(self, record: Record) -> Record:
        others = self.companies.having("identifier", record["identifier"])
        if any(row != record["id"] for row in others):
            raise invalid(
                "company", "identifier", "identifier is in use", "ObjectExists"
            )
        record["_info"] = self._info(record)
        self.companies.put(record)
        return record

    def _rename(self, before: Record, after: Record) -> None:
        """Names shown in references follow; the invoices themselves did not change."""
        shown = {name: after[name] for name in ("id", "identifier", "name")}
        if all(before[name] == value for name, value in shown.items()):
            return
        for row in self.invoices.having("company/id", after["id"]):
            self.invoices.put({**self.invoices.rows[row], "company": shown})

    # Invoices --------------------------------------------------------------------

    def create_invoice(
        self, fields: Record, *, mapped: bool = True, by_hand: bool = False
    ) -> Record:
        checked(INVOICE, "company", fields.get("company"))
        self._resolve(INVOICE, fields)
        if not by_hand and self.invoices.having(
            "invoiceNumber", fields.get("invoiceNumber")
        ):
            raise invalid(
                "invoice", "invoiceNumber", "number is in use", "ObjectExists"
            )
        row = self._new_id(self.invoices)
        company = self.companies.rows[fields["company"]["id"]]
        start: Record = {
            "id": row,
            "invoiceNumber": str(row),
            "type": "Miscellaneous",
            "status": self._status_reference({"id": OPEN}),
            "company": fields["company"],
            "billToCompany": company.get("billToCompany", fields["company"]),
            "shipToCompany": fields["company"],
            "accountNumber": company.get("accountNumber", ""),
            "billingTerms": self._terms_reference({"id": 1}),
            "date": midnight(_day(self._at)),
            "currency": company["currency"],
            "salesTax": Decimal(0),
            "total": Decimal(0),
            "specialInvoiceFlag": False,
            "customFields": [],
        }
        if not mapped:
            self._unmapped.add(row)
        record = merged(start, fields)
        record.setdefault("dueDate", record["date"])
        record.setdefault("subtotal", record["total"])
        return self._store_invoice(record)

    def update_invoice(self, row: int, changes: Record) -> Record:
        before = self._existing(self.invoices, INVOICE, row)
        self._resolve(INVOICE, changes)
        record = merged(before, changes)
        # A PUT may leave these out; an invoice is never without them.
        for name in ("type", "status", "currency", "total", "date"):
            record.setdefault(name, before[name])
        return self._store_invoice(record)

    def remove_invoice(self, row: int) -> None:
        before = self._existing(self.invoices, INVOICE, row)
        if "glBatch" in before:
            raise invalid("invoice", "glBatch", "the invoice is in an accounting batch")
        self.erase_invoice(row)

    def erase_invoice(self, row: int) -> None:
        """Take an invoice away with its payments, whatever its state."""
        self._existing(self.invoices, INVOICE, row)
        for payment in self.payments.having("invoice/id", row):
            self.payments.drop(payment)
            self._locked.discard(payment)
        self.invoices.drop(row)
        self._unmapped.discard(row)
        entry = self._entry_of.pop(row, None)
        if entry is not None:
            self.unposted.drop(entry)

    def _store_invoice(self, record: Record, *, touch: bool = True) -> Record:
        row = record["id"]
        payments = [
            self.payments.rows[each] for each in self.payments.having("invoice/id", row)
        ]
        credited = sum(
            (each["amount"] for each in payments if "credit" in each), Decimal(0)
        )
        paid = sum((each["amount"] for each in payments), Decimal(0)) - credited
        record["payments"], record["credits"] = paid, credited
        record["balance"] = Decimal(record["total"]) - paid - credited
        for each in self.payments.having(
            "credit/id", row
        ):  # of a memo: what it was put to
            record["balance"] -= self.payments.rows[each]["amount"]
        to_decimals(INVOICE, record, record["currency"]["numberOfDecimals"])
        record["_info"] = {
            **self._info(record, touch=touch),
            "products_href": f"/procurement/products?conditions=invoice/id={row}",
            "timeEntries_href": f"/time/entries?conditions=invoice/id={row}",
            "expenseEntries_href": f"/expense/entries?conditions=invoice/id={row}",
        }
        before = self.invoices.rows.get(row)
        self.invoices.put(record)
        for payment in payments:
            self.payments.put({**payment, **_shown_on_payment(record)})
        self._list_unposted(before, record)
        return record

    def _existing(self, table: Table, resource: Resource, row: int) -> Record:
        record = table.rows.get(row)
        if record is None:
            raise missing(resource.name, row)
        return record

    # Payments --------------------------------------------------------------------

    def payment(self, invoice: int, row: int) -> Record:
        record = self.payments.rows.get(row)
        if record is None or record["invoice"]["id"] != invoice:
            raise missing("payment", row)
        return record

    def create_payment(
        self, invoice: int, fields: Record, *, by_hand: bool = False
    ) -> Record:
        of = self._existing(self.invoices, INVOICE, invoice)
        checked(PAYMENT, "amount", fields.get("amount"))
        self._resolve(PAYMENT, fields)
        if self.single_payment and not by_hand and "credit" not in fields:
            self._refuse_second(invoice)
        start: Record = {
            "id": 0,
            "type": "Payment" if fields.get("credit") is None else "Credit",
            "source": "Manual" if by_hand else "Api",
            "invoice": {"id": invoice, "identifier": of["invoiceNumber"]},
            "balance": Decimal(0),
            "appliedBy": self._by,
        }
        record = self._checked_payment(of, merged(start, fields))
        record["id"] = self._new_id(self.payments)
        return self._store_payment(record)

    def _refuse_second(self, invoice: int) -> None:
        others = self.payments.having("invoice/id", invoice)
        if any("credit" not in self.payments.rows[row] for row in others):
            raise invalid(
                "payment",
                "invoice",
                "Only a single payment is allowed per invoice",
                "ObjectExists",
            )

    def update_payment(self, invoice: int, row: int, changes: Record) -> Record:
        before = self.payment(invoice, row)
        self._refuse_locked(row)
        self._resolve(PAYMENT, changes)
        of = self.invoices.rows[invoice]
        return self._store_payment(self._checked_payment(of, merged(before, changes)))

    def remove_payment(self, invoice: int, row: int) -> None:
        before = self.payment(invoice, row)
        self._refuse_locked(row)
        self.payments.drop(row)
        self._roll_up(invoice)
        self._roll_up_memo(before)

    def lock_payment(self, row: int) -> None:
        record = self.payments.rows[row]
        self._locked.add(row)
        self.payments.put(
            {**record, "glBatchID": "CLOSED", "_info": self._info(record)}
        )

    def _refuse_locked(self, row: int) -> None:
        if row in self._locked:
            raise invalid("payment", "glBatchID", "the payment is in a closed batch")

    @staticmethod
    def _checked_payment(invoice: Record, record: Record) -> Record:
        record.update(_shown_on_payment(invoice))
        to_decimals(PAYMENT, record, invoice["currency"]["numberOfDecimals"])
        return record

    def _store_payment(self, record: Record) -> Record:
        record["_info"] = self._info(record)
        self.payments.put(record)
        self._roll_up(record["invoice"]["id"])
        self._roll_up_memo(record)
        return self.payments.rows[record["id"]]

    def _roll_up(self, invoice: int) -> None:
        record = dict(self.invoices.rows[invoice])
        self._store_invoice(record, touch=self.bump_on_payment)

    def _roll_up_memo(self, payment: Record) -> None:
        memo = payment.get("credit", {}).get("id")
        if memo in self.invoices.rows:
            self._roll_up(memo)

    # The general ledger ----------------------------------------------------------

    def _list_unposted(self, before: Record | None, record: Record) -> None:
        row = record["id"]
        was_closed = before is not None and before["status"]["isClosed"]
        if record["status"]["isClosed"] and not was_closed:
            self._entry_of[row] = self._next_entry
            self._next_entry += 1
            if before is not None:
                # Opening and closing again makes the entries that were missing.
                self._unmapped.discard(row)
        elif was_closed and not record["status"]["isClosed"]:
            self.unposted.drop(self._entry_of.pop(row))
        entry = self._entry_of.get(row)
        if entry is None:
            return
        if "glBatch" in record:
            self.unposted.drop(entry)
        else:
            listed = self.unposted.rows.get(entry, {})
            self.unposted.put(self._unposted_record(entry, record, listed))

    def _unposted_record(self, entry: int, invoice: Record, listed: Record) -> Record:
        same = ("invoiceNumber", "company", "dueDate", "currency", "total")
        optional = ("billToCompany", "accountNumber", "billingTerms")
        return {
            "id": entry,
            "billingLogId": invoice["id"],
            **{name: invoice[name] for name in (*same, *optional) if name in invoice},
            "invoiceDate": invoice["date"],
            "invoiceType": invoice["type"],
            "dueDays": _due_days(invoice),
            "subTotal": invoice.get("subtotal", invoice["total"]),
            "hasTime": False,
            "hasExpenses": False,
            "hasProducts": True,
            "salesTaxAmount": invoice.get("salesTax", Decimal(0)),
            "createdBy": invoice["_info"]["updatedBy"],
            "dateClosed": listed.get("dateClosed", self._at),
            "_info": self._info(listed),
        }

    def export(self, settings: Any) -> Record:
        """What a batch of these settings would hold; nothing is consumed."""
        if not isinstance(settings, dict):
            raise refusal(400, "InvalidObject", "export object is invalid")
        checked(BATCH, "batchIdentifier", settings.get("batchIdentifier"))
        entries = self._exported(settings) if settings.get(_FLAGS[0]) else []
        return self._exported_as(
            settings, [self._mapped_invoice(each) for each in entries]
        )

    def _exported(self, settings: Record) -> list[int]:
        included = _ids(settings, "includedInvoiceIds")
        excluded = _ids(settings, "excludedInvoiceIds")
        through = str(settings.get("thruDate") or "9999-12-31")[:10]
        found: list[int] = []
        for entry, record in sorted(self.unposted.rows.items()):
            # The sheet does not say whose ids these are: both are taken.
            ids = {entry, record["billingLogId"]}
            wanted = not included or bool(ids & included)
            if wanted and not ids & excluded and record["invoiceDate"][:10] <= through:
                found.append(entry)
        return found

    def _mapped_invoice(self, entry: int) -> tuple[list[int], Record]:
        row = self.unposted.rows[entry]["billingLogId"]
        return ([] if row in self._unmapped else [entry]), self.invoices.rows[row]

    def _exported_as(
        self, settings: Record, parts: list[tuple[list[int], Record]]
    ) -> Record:
        companies = {
            invoice["company"]["id"]: invoice["company"] for _, invoice in parts
        }
        return {
            "exportSettings": settings,
            "vendors": [],
            "customers": list(companies.values()),
            "transactions": [_transaction(entries, each) for entries, each in parts],
            "expenses": [],
        }

    def create_batch(self, body: Any) -> Record:
        fields = from_body(BATCH, _without(body, "processedRecordIds", *_BATCH_OPTIONS))
        checked(BATCH, "batchIdentifier", fields.get("batchIdentifier"))
        if self.batches.having("batchIdentifier", fields["batchIdentifier"]):
            raise invalid(
                BATCH.name, "batchIdentifier", "batch exists already", "ObjectExists"
            )
        if not any(fields.get(flag) for flag in _FLAGS):
            raise invalid(BATCH.name, _FLAGS[0], "one export flag must be true")
        entries = self._processed(body.get("processedRecordIds"))
        record: Record = {
            **dict.fromkeys(_FLAGS, False),
            **fields,
            "id": self._new_id(self.batches),
            "closedFlag": False,
        }
        record["_info"] = self._info(record)
        self.batches.put(record)
        self.entries[record["id"]] = []
        for entry in entries:
            self._post(record, entry)
        return record

    def _processed(self, ids: Any) -> list[int]:
        name = "processedRecordIds"
        if not isinstance(ids, list) or not ids:
            raise invalid(BATCH.name, name, f"{name} is required", "MissingField")
        for each in ids:
            if not isinstance(each, int) or each not in self.unposted.rows:
                raise invalid(BATCH.name, name, f"{each} is not in the unposted list")
            if not self._mapped_invoice(each)[0]:
                raise invalid(BATCH.name, name, f"{each} has no GL entries")
        return list(dict.fromkeys(ids))

    def _post(self, batch: Record, entry: int) -> None:
        row = self.unposted.rows[entry]["billingLogId"]
        shown = {"id": batch["id"], "name": batch["batchIdentifier"]}
        record = self._store_invoice({**self.invoices.rows[row], "glBatch": shown})
        invoice = {"id": row, "identifier": record["invoiceNumber"]}
        nothing = record["total"] * 0
        for account, debit, credit in (
            ("Accounts receivable", record["total"], nothing),
            ("Revenue", nothing, record["total"]),
        ):
            self.entries[batch["id"]].append(
                {
                    "id": entry,
                    "account": {"name": account},
                    "debit": debit,
                    "credit": credit,
                    "invoice": invoice,
                }
            )

    def export_again(self, row: int) -> Record:
        """What a batch held when it was made."""
        batch = self._existing(self.batches, BATCH, row)
        parts = [
            ([entry], self.invoices.rows[invoice])
            for entry, invoice in self._held(row).items()
            if invoice in self.invoices.rows
        ]
        return self._exported_as({"batchIdentifier": batch["batchIdentifier"]}, parts)

    def _held(self, batch: int) -> dict[int, int]:
        return {each["id"]: each["invoice"]["id"] for each in self.entries[batch]}

    def remove_batch(self, row: int) -> None:
        """Delete a batch; all that it held is unposted again."""
        self._existing(self.batches, BATCH, row)
        held = self._held(row)
        self.batches.drop(row)
        del self.entries[row]
        for invoice in held.values():
            record = self.invoices.rows.get(invoice)
            if record is not None:
                self._store_invoice(merged(record, {"glBatch": None}))


_BATCH_OPTIONS = ("glInterfaceIdentifier", "summarizeExpenses")


def _ids(settings: Record, name: str) -> set[int]:
    given = settings.get(name) or []
    if not isinstance(given, list) or not all(isinstance(each, int) for each in given):
        raise invalid("export", name, f"{name} must be a list of ids")
    return set(given)


def _without(body: Any, *names: str) -> Any:
    if not isinstance(body, dict):
        return body
    return {name: value for name, value in body.items() if name not in names}


def _look_up(table: Table, value: Record) -> Record | None:
    """The record that a reference means: by its id, else by its name."""
    row = value.get("id")
    if row is not None:
        return table.rows.get(row) if isinstance(row, int) else None
    name = value.get("name")
    if not isinstance(name, str):
        return None
    return next(
        (each for each in table.rows.values() if each.get("name") == name), None
    )


def _shown_on_payment(invoice: Record) -> Record:
    return {"invoiceBalance": invoice["balance"], "invoiceTotal": invoice["total"]}


def _due_days(invoice: Record) -> str:
    due = str(invoice.get("dueDate") or invoice["date"])
    return str((_day(due) - _day(invoice["date"])).days)


def _transaction(entries: list[int], invoice: Record) -> Record:
    credit = invoice["type"] == "CreditMemo"
    return {
        "id": invoice["id"],
        "glClass": "Invoice",
        "glTypeId": "AR",
        "documentDate": invoice["date"],
        "documentNumber": invoice["invoiceNumber"],
        "documentType": "CreditMemo" if credit else "Invoice",
        "memo": f"{invoice['type']} {invoice['invoiceNumber']}",
        "company": invoice["company"],
        "companyAccountNumber": invoice.get("accountNumber", ""),
        "billingTerms": invoice.get("billingTerms"),
        "dueDays": _due_days(invoice),
        "dueDate": invoice.get("dueDate", invoice["date"]),
        "currency": invoice["currency"],
        "total": invoice["total"],
        "taxable": bool(invoice.get("salesTax")),
        "salesTax": invoice.get("salesTax", Decimal(0)),
        "glEntryIds": [str(entry) for entry in entries],
        "detail": [{"id": entry, "total": invoice["total"]} for entry in entries],
        "taxLevels": [],
    }


START = datetime.combine(date(2026, 3, 1), time(8), UTC)
"""Where the fake's own clock starts."""
