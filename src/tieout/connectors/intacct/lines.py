"""
What a document bills, line by line, as the older functions want it.

Pure. Tax is a line of its own. Nothing here knows a document's head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from attrs import frozen

from tieout.connector import iso_day
from tieout.connectors.intacct.errors import LINE_ACCOUNT, TAX_ACCOUNT
from tieout.connectors.intacct.xml import Content, Element, elements, split_date
from tieout.errors import Code, Fault
from tieout.models import CreditNote, Invoice, Line
from tieout.money import ZERO

DECIMALS_MAX = 2
"""Intacct rounds to so many, whatever the currency; what has more is not sent."""

# fmt: off
LINE_KEYS: Mapping[str, str] = {
    "intacct_glaccountno": "glaccountno", "intacct_offsetglaccountno": "offsetglaccountno",
    "intacct_allocation": "allocationid", "intacct_location": "locationid", "intacct_department": "departmentid",
    "intacct_revrectemplate": "revrectemplate", "intacct_deferredrevaccount": "defrevaccount",
    "intacct_revrecstartdate": "revrecstartdate", "intacct_revrecenddate": "revrecenddate",
    "intacct_project": "projectid", "intacct_vendor": "vendorid", "intacct_employee": "employeeid",
    "intacct_item": "itemid", "intacct_class": "classid", "intacct_contract": "contractid",
    "intacct_warehouse": "warehouseid",
}
"""Custom fields of a line that say where it goes (BEHAVIOURS, B80), and their elements."""

_ORDER = (
    "glaccountno", "offsetglaccountno", "amount", "allocationid", "memo", "locationid", "departmentid",
    "revrectemplate", "defrevaccount", "revrecstartdate", "revrecenddate", "projectid", "taskid", "customerid",
    "vendorid", "employeeid", "itemid", "classid", "contractid", "warehouseid",
)
"""The elements of a line in the vendor's order (`taskid` among them is unverified)."""

_DATES = {"revrecstartdate", "revrecenddate"}
_DIMENSIONS = ("location", "department", "project", "task", "customer", "vendor", "employee", "item", "class", "contract", "warehouse")
_NOT_ON_ADJUSTMENTS = {"revrectemplate", "defrevaccount", *_DATES}
# fmt: on


@frozen
class Lines:
    """
    Writes lines: ``account``, ``location``, ``department`` and ``tax_accounts`` (by tax
    code, ``""`` for all others) are for those that name none.
    """

    account: str
    tax_accounts: Mapping[str, str]
    location: str
    department: str

    def written(
        self, after: Invoice | CreditNote
    ) -> tuple[list[Element], tuple[str, ...]]:
        """
        The lines, and after them a line for the tax of each tax code; and what of them
        Intacct has no place for.
        """
        lines = after.lines or (Line(after.number or after.reference, after.total),)
        left_out: list[str] = []
        items: list[Element] = []
        credit = isinstance(after, CreditNote)
        # The tax of a whole document is a line of nothing else, and bills nothing itself.
        billing = [line for line in lines if line.amount or not line.tax]
        every = [*billing, *self._tax_lines(lines)]
        total = sum((line.amount for line in every), ZERO)
        if total != after.total:
            text = f"the lines come to {total}, the document to {after.total}"
            raise Fault(Code.TOTALS_DISAGREE, text, field="total")
        for position, line in enumerate(every, 1):
            told = self._line(line, f"line {position}", left_out)
            if credit:  # a positive one is a debit memo
                told["amount"] = -line.amount
                for name in _NOT_ON_ADJUSTMENTS & told.keys():
                    left_out.append(f"line {position}: {name}")
                    del told[name]
            items.append(Element("lineitem", elements(*_ordered(told))))
        return items, tuple(left_out)

    def _tax_lines(self, lines: Sequence[Line]) -> list[Line]:
        """
        Tax as lines of its own: an invoice of Intacct's has no other place for it.

        It has the dimensions in which the lines of its tax code agree.
        """
        taxes: dict[str, Decimal] = {}
        places: dict[str, Mapping[str, str]] = {}
        for line in lines:
            if line.tax:
                code, own = line.tax_code, line.dimensions
                taxes[code] = taxes.get(code, ZERO) + line.tax
                held = places.get(code, own)
                places[code] = {n: v for n, v in held.items() if own.get(n) == v}
        found: list[Line] = []
        for code, amount in taxes.items():
            account = self.tax_accounts.get(code) or self.tax_accounts.get("", "")
            if not account:
                text = f"no account for tax {code}".strip()
                raise TAX_ACCOUNT.fault(text, field="tax")
            title, where = f"Tax {code}".strip(), places[code]
            found.append(Line(title, amount, account=account, dimensions=where))
        return found

    def _line(self, line: Line, where: str, left_out: list[str]) -> dict[str, Content]:
        """One line by its elements: its own custom fields, its fields, what is configured."""
        told: dict[str, Content] = {
            "glaccountno": line.account or self.account,
            "amount": rounded(line.amount),
            "memo": line.description,
            "locationid": self.location,
            "departmentid": self.department,
            "itemid": line.item,
        }
        for name, dimension in line.dimensions.items():
            if name.lower() in _DIMENSIONS:
                told[f"{name.lower()}id"] = dimension
            else:
                left_out.append(f"{where}: dimension {name}")
        for key, value in line.custom.items():
            if key in LINE_KEYS:
                told[LINE_KEYS[key]] = _line_value(key, value, where)
            elif key.startswith("intacct_"):
                left_out.append(f"{where}: {key}")
        if not told["glaccountno"]:
            raise LINE_ACCOUNT.fault(f"{where} has no account", field="account")
        return told


def _ordered(told: Mapping[str, Content]) -> list[tuple[str, Content]]:
    return [(name, told[name]) for name in _ORDER if name in told]


def rounded(amount: Decimal) -> Decimal:
    """An amount as it is; `Fault` NOT_ALLOWED for one that Intacct would round."""
    if amount != round(amount, DECIMALS_MAX):
        text = f"Intacct rounds {amount} to {DECIMALS_MAX} decimals"
        raise Fault(Code.NOT_ALLOWED, text, field="amount")
    return amount


def _line_value(key: str, value: Any, where: str) -> Content:
    """A custom field of a line as its element; a malformed date names the line."""
    if LINE_KEYS[key] not in _DATES:
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    try:
        return split_date(value if isinstance(value, date) else iso_day(str(value)))
    except Fault as fault:
        text = f"{where}: {key}: {fault.text}"
        raise Fault(Code.BAD_DATE, text, field=f"{where}: {key}") from fault
