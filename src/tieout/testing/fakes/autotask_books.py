"""
The books behind the double of Autotask: companies, invoices, billing items, currencies.

It keeps the rules that span records, and what only people can do in Autotask's windows. It
knows nothing of HTTP, and is not safe for several threads: its owner locks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from html import escape
from typing import Any

from tieout.testing.fakes.autotask_shapes import (
    BILLING_ITEM,
    COMPANY,
    CURRENCY,
    INVOICE,
    Entity,
    Problem,
    Record,
    Refusal,
    Unsure,
    midnight,
    shown,
    stamp,
    taken,
)

START = datetime(2026, 3, 1, 8, 0, 0, 350_000, tzinfo=UTC)
"""Where the fake's own clock starts: with a fraction, as instants of Autotask have one."""

FIRST_COMPANY, FIRST_INVOICE, FIRST_ITEM = 29_683_001, 41_001, 900_001
"""Ids of different kinds start far apart, so that one taken for another is noticed."""
PERSON = 29_682_885
"""Who processes and voids invoices in Autotask's windows."""

DECIMALS: Mapping[str, int] = {"JPY": 0, "KRW": 0, "CLP": 0, "BHD": 3, "KWD": 3}
"""Decimals of the currencies that have not two."""


def amount(value: Decimal | str | int) -> Decimal:
    """An exact amount; a float is none."""
    if isinstance(value, float):
        raise TypeError(f"{value!r} is a float; amounts are Decimal")
    return Decimal(value)


class Books:
    """One database. Records hold what goes over the wire; no record is changed in place."""

    def __init__(
        self,
        now: Callable[[], datetime],
        unsure: Unsure,
        *,
        base_currency: str,
        multi_currency: bool,
    ) -> None:
        self._now = now
        self._unsure = unsure
        self._multi_currency = multi_currency
        self.base_currency = base_currency
        self.tables: dict[str, dict[int, Record]] = {
            entity.path: {} for entity in (COMPANY, INVOICE, BILLING_ITEM, CURRENCY)
        }
        self.companies = self.tables[COMPANY.path]
        self.invoices = self.tables[INVOICE.path]
        self.items = self.tables[BILLING_ITEM.path]
        self.currencies = self.tables[CURRENCY.path]
        self.user_fields: dict[str, set[str]] = {
            INVOICE.path: set(),
            COMPANY.path: set(),
        }
        self.visible_lines: set[str] | None = None
        self._lines_of_business: dict[int, str] = {}
        self.currency(base_currency)

    def _stamp(self) -> str:
        now = self._now()
        if now.tzinfo is None:
            raise ValueError("the clock of a fake must be aware of its zone")
        return stamp(now)

    # What the API user sees ----------------------------------------------------------

    def visible(self, entity: Entity, after: int = 0) -> Iterator[Record]:
        """The records above that id that the API user sees, in the order of their ids."""
        for row in self.tables[entity.path].values():
            if row["id"] > after and self._sees(entity, row):
                yield row

    def one(self, entity: Entity, row: int) -> Record | None:
        """The record with that id, if the API user sees it."""
        record = self.tables[entity.path].get(row)
        return record if record is not None and self._sees(entity, record) else None

    def _sees(self, entity: Entity, record: Record) -> bool:
        if self.visible_lines is None or entity not in (INVOICE, BILLING_ITEM):
            return True
        invoice = record["id" if entity is INVOICE else "invoiceID"]
        line = self._lines_of_business.get(invoice, "")
        return not line or line in self.visible_lines

    # What the API may change -----------------------------------------------------------

    def create_company(self, changes: Record) -> int:
        """A new company; its id."""
        row = FIRST_COMPANY + len(self.companies)
        at = self._stamp()
        start: Record = {
            **dict.fromkeys(COMPANY.fields),
            "id": row,
            "isActive": True,
            "isTaxExempt": False,
            "invoiceNonContractItemsToParentCompany": False,
            "currencyID": 1 if self._multi_currency else None,
            "createDate": at,
            "lastActivityDate": at,
            "userDefinedFields": [],
        }
        self._check_company(row, {**start, **changes})
        self.companies[row] = {
            **start,
            **changes,
            "lastTrackedModifiedDateTime": at,
        }
        return row

    def update(self, entity: Entity, row: int, changes: Record) -> None:
        """Change a record that the API user sees; `Refusal` where a rule says no."""
        before = self.one(entity, row)
        if before is None:
            raise Refusal(f"{entity.name} {row} does not exist.", status=404)
        after = {**before, **changes}
        if entity is INVOICE and before["isVoided"] and self._unsure.refuse_voided:
            raise Refusal(f"Invoice {row} is voided and cannot be updated.")
        if entity is COMPANY:
            self._check_company(row, after)
            if after != before or self._unsure.bump_unchanged:
                after["lastTrackedModifiedDateTime"] = self._stamp()
        self.tables[entity.path][row] = after

    def _check_company(self, row: int, record: Record) -> None:
        problems = [
            Problem(f"Required field '{name}' is missing.", name)
            for name in self._unsure.company_required
            if record[name] in (None, "")
        ]
        for name, field in COMPANY.fields.items():
            target = record[name] if field.to else None
            unknown = target is not None and target not in self.tables[field.to]
            if unknown or (name == "parentCompanyID" and target == row):
                problems.append(Problem(f"{name} {target} is not valid.", name))
        if problems:
            raise Refusal(*problems)

    # What people do in Autotask's windows --------------------------------------------------

    def currency(self, code: str, rate: Decimal = Decimal(1)) -> int:
        """The id of a currency, which comes to be when it is first named."""
        for row, known in self.currencies.items():
            if known["name"] == code:
                return row
        row = len(self.currencies) + 1
        self.currencies[row] = {
            "id": row,
            "name": code,
            "displaySymbol": code,
            "exchangeRate": rate,
            "isActive": True,
            "isInternalCurrency": code == self.base_currency,
            "lastModifiedDateTime": self._stamp(),
        }
        return row

    def currency_of(self, company: int) -> Record:
        """The currency that a company is invoiced in."""
        return self.currencies[self.companies[company]["currencyID"] or 1]

    def set_user_fields(
        self, entity: Entity, row: int, values: Mapping[str, str | None]
    ) -> None:
        """Fill user-defined fields, which come to be when they are first named."""
        self.user_fields[entity.path].update(values)
        record = self.tables[entity.path][row]
        held = {each["name"]: each["value"] for each in record["userDefinedFields"]}
        fields = [
            {"name": name, "value": value} for name, value in {**held, **values}.items()
        ]
        self.tables[entity.path][row] = {**record, "userDefinedFields": fields}

    def edit(self, entity: Entity, row: int, fields: Mapping[str, Any]) -> None:
        """Change any field by hand, by the vendor's names; days and instants as such."""
        after = {**self.tables[entity.path][row], **_by_hand(entity, fields)}
        if entity is COMPANY:
            self._check_company(row, after)
            after["lastTrackedModifiedDateTime"] = self._stamp()
        self.tables[entity.path][row] = after

    def add_invoice(
        self,
        company: int,
        lines: Sequence[Mapping[str, Any]],
        fields: Mapping[str, Any],
        line_of_business: str = "",
    ) -> int:
        """Process approved items into an invoice; its id. Refuses no negative total."""
        row = FIRST_INVOICE + len(self.invoices)
        given = _by_hand(INVOICE, fields)
        currency = self.currency_of(company)
        items = [self._item(row, company, currency, each) for each in lines]
        tax = sum((each["taxDollars"] for each in items), Decimal(0))
        net = sum((each["extendedPrice"] for each in items), Decimal(0))
        self.invoices[row] = {
            **dict.fromkeys(INVOICE.fields),
            "id": row,
            "batchID": row,
            "companyID": company,
            "createDateTime": self._stamp(),
            "creatorResourceID": PERSON,
            "invoiceTotal": net + tax,
            "totalTaxValue": tax,
            "isVoided": False,
            "paymentTerm": 1,
            "userDefinedFields": [],
            **given,
        }
        self._lines_of_business[row] = line_of_business
        for number, item in enumerate(items, FIRST_ITEM + len(self.items)):
            self.items[number] = {**item, "id": number}
        return row

    def _item(
        self, invoice: int, company: int, currency: Record, line: Mapping[str, Any]
    ) -> Record:
        given = _by_hand(BILLING_ITEM, line)
        decimals = DECIMALS.get(currency["name"], 2)
        quantity = amount(given.get("quantity", 1))
        price, tax = amount(given["rate"]), amount(given.get("taxDollars", 0))
        extended = rounded(quantity * price, decimals)
        if rounded(tax, decimals) != tax:
            raise ValueError(f"{tax} has more than {decimals} decimals")
        total = extended + tax if self._unsure.line_total_with_tax else extended
        values = {
            "Rate": price,
            "ExtendedPrice": extended,
            "TaxDollars": tax,
            "TotalAmount": total,
        }
        base, rate = DECIMALS.get(self.base_currency, 2), currency["exchangeRate"]
        return {
            **dict.fromkeys(BILLING_ITEM.fields),
            "companyID": company,
            "itemName": "Services",
            "description": "Services",
            "nonBillable": 0,
            "postedOnTime": self._stamp(),
            **given,
            "invoiceID": invoice,
            "quantity": quantity,
            **{f"{name[0].lower()}{name[1:]}": value for name, value in values.items()},
            **{
                f"internalCurrency{name}": rounded(value * rate, base)
                for name, value in values.items()
            },
        }

    def void(self, row: int, at: datetime | None = None) -> None:
        """Void an invoice, as only a person can."""
        before = self.invoices[row]
        if before["isVoided"]:
            raise ValueError(f"invoice {row} is voided already")
        self.invoices[row] = {
            **before,
            "isVoided": True,
            "voidedDate": stamp(at) if at else self._stamp(),
            "voidedByResourceID": PERSON,
        }


def rounded(value: Decimal, decimals: int) -> Decimal:
    """An amount of so many decimals, halves away from zero."""
    return value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def _by_hand(entity: Entity, fields: Mapping[str, Any]) -> Record:
    """Python values as the server keeps them."""
    kept: Record = {}
    for name, value in fields.items():
        match value:
            case float():
                raise TypeError(f"{value!r} is a float; amounts are Decimal")
            case datetime():
                given: Any = stamp(value)
            case date():
                given = midnight(value)
            case _:
                given = value
        kept[name] = taken(name, entity.fields[name], given)
    return kept


# Printed invoices ----------------------------------------------------------------


def printed_number(invoice: Record) -> str:
    """The number that prints: the id where the invoice has none."""
    return invoice["invoiceNumber"] or str(invoice["id"])


def markup_xml(invoice: Record, items: Sequence[Record]) -> str:
    """An invoice as XML, in the spirit of the one that Autotask's windows export."""
    head = _elements(shown(INVOICE, {**invoice, "userDefinedFields": []}))
    number = escape(printed_number(invoice))
    lines = "".join(
        f"<lineItem>{_elements(shown(BILLING_ITEM, item))}</lineItem>" for item in items
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f"<invoice><number>{number}</number>{head}<lineItems>{lines}</lineItems></invoice>"
    )


def _elements(record: Record) -> str:
    return "".join(
        f"<{name}>{escape(str(value))}</{name}>"
        for name, value in record.items()
        if value is not None and name != "userDefinedFields"
    )


def markup_html(invoice: Record, items: Sequence[Record]) -> str:
    """An invoice as a page."""
    rows = "".join(
        f"<tr><td>{escape(str(item['itemName']))}</td><td>{item['totalAmount']}</td></tr>"
        for item in items
    )
    title = f"Invoice {escape(printed_number(invoice))}"
    return f"<html><head><title>{title}</title></head><body><h1>{title}</h1><table>{rows}</table></body></html>"


def pdf(invoice: Record) -> bytes:
    """The least that calls itself a PDF, with the number that prints."""
    number = printed_number(invoice).encode("ascii", "replace")
    return b"%PDF-1.4\n% Invoice " + number + b"\n%%EOF\n"
