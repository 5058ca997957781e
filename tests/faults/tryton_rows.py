"""What can be wrong with an invoice in Tryton's answers; pure data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from bad_values import (
    AMOUNTS,
    CURRENCIES,
    LONG,
    NO_TEXT,
    ODD_NUMBERS,
    STRANGE_NUMBERS,
    some,
    twice,
)
from fault_rows import (
    EMAIL,
    GONE,
    VICTIM,
    Edit,
    Raw,
    Row,
    Side,
    carried,
    held,
    ignored,
    instead,
    put,
)
from fault_worlds import MARCH, date_of, decimal_of

from tieout.errors import Code

IT = Side.TRYTON
LINE = "move..lines.[0]"

INSTANTS: dict[str, Any] = {
    "D22: the year 0": {"__class__": "datetime", "year": 0, "month": 1, "day": 1},
    "D22: month 13": {"__class__": "datetime", "year": 2026, "month": 13, "day": 1},
    "D24: a text": "2026-03-10T00:00:00",
    "D24: milliseconds": 1773100800000,
    "D31: parts that are true": {
        "__class__": "datetime",
        "year": 2026,
        "month": True,
        "day": True,
    },
    "P10: another class": {"__class__": "time", "hour": 1},
    "X20: an address": EMAIL,
}
DAYS: dict[str, Any] = {
    "D22: 31 April": {"__class__": "date", "year": 2026, "month": 4, "day": 31},
    "D22: the year 1": {"__class__": "date", "year": 1, "month": 1, "day": 1},
    "D22: the year 9999": {"__class__": "date", "year": 9999, "month": 12, "day": 31},
    "D22: the year 10000": {"__class__": "date", "year": 10000, "month": 1, "day": 1},
    "D6: a year of forty digits": {
        "__class__": "date",
        "year": Raw("9" * 40),
        "month": 1,
        "day": 1,
    },
    "D31: parts that are true": {
        "__class__": "date",
        "year": 2026,
        "month": True,
        "day": True,
    },
    "D31: parts that are texts": {
        "__class__": "date",
        "year": "2026",
        "month": "3",
        "day": "1",
    },
    "D24: a text": "2026-03-10",
    "D24: an instant": {"__class__": "datetime", "year": 2026, "month": 3, "day": 10},
    "P10: a part too much": {**date_of(MARCH), "era": 1},
    "X22: a class of Python's": {"__class__": "os.system", "command": "true"},
    "X20: an address": EMAIL,
}


def one(field: str, values: Mapping[str, Any], code: Code, at: str = "") -> list[Row]:
    """A row for each of the values in a field of the invoice."""
    return [
        held(IT, f"{case} in {at or field}", put(**{field: value}), code, at or field)
        for case, value in values.items()
    ]


def within(outer: str, **fields: Any) -> Edit:
    """Other fields in the record behind a link."""
    return lambda row: {**row, outer: {**row[outer], **fields}}


def line(**fields: Any) -> Edit:
    """Other fields in the line that says what the customer owes."""

    def edit(row: dict[str, Any]) -> dict[str, Any]:
        (owed,) = row["move."]["lines."]
        return {**row, "move.": {**row["move."], "lines.": [put(**fields)(owed)]}}

    return edit


def paying(**fields: Any) -> Edit:
    """Other fields in the line that settled it, where it is reconciled and linked."""

    def edit(row: dict[str, Any]) -> dict[str, Any]:
        (owed,) = row["move."]["lines."]
        together = owed["reconciliation."]
        own, paid = together["lines."]
        lines = [own, put(**fields)(paid)]
        owed = {**owed, "reconciliation.": {**together, "lines.": lines}}
        return {**row, "move.": {**row["move."], "lines.": [owed]}}

    return edit


WORDS = {
    case: decimal_of(text)
    for case, text in AMOUNTS.items()
    if isinstance(text, str) and case != "D7: an exponent"
}
"""The bad amounts as Tryton writes a decimal, which may have an exponent."""

ELSE = Code.NUMBER_MEANS_ANOTHER_DOCUMENT
# fmt: off
ROWS = [
    *one("total_amount", WORDS, Code.BAD_AMOUNT),
    *one("total_amount", {
        "D31: a decimal that is true": {"__class__": "Decimal", "decimal": True},
        "P10: a decimal that is a number": {"__class__": "Decimal", "decimal": Raw("100.0")},
        "P10: a decimal without digits": {"__class__": "Decimal"},
        "X22: a class of Python's": {"__class__": "os.system", "decimal": "100"},
        "P10: a list": [100], "D31: true": True, "X10: lists three hundred deep": Raw("[" * 300 + "]" * 300),
    }, Code.BAD_AMOUNT),
    *one("invoice_date", DAYS, Code.BAD_DATE),
    *one("write_date", INSTANTS, Code.BAD_DATE),
    *one("id", {**NO_TEXT, "D31: null": None, "D31: a decimal": Raw("1.5"), "X17: a path": "../x", "D31: forty digits": Raw("9" * 40)}, Code.BAD_FIELD),
    *one("state", {"D20: a new one": "waiting", "D20: upper case": "PAID", "D20: a number": 3, "X20: an address": EMAIL}, Code.UNKNOWN_STATUS),
    *one("state", NO_TEXT, Code.BAD_FIELD),
    *one("reference", NO_TEXT, Code.BAD_FIELD),
    *[held(IT, f"{case} as the currency", within("currency.", code=value), Code.BAD_CURRENCY, "currency..code") for case, value in CURRENCIES.items()],
    held(IT, "D9: no currency", put(**{"currency.": None}), Code.BAD_CURRENCY, "currency..code"),
    held(IT, "D9: a currency that is a text", put(**{"currency.": "USD"}), Code.BAD_FIELD, "currency."),
    held(IT, "D10: another currency", within("currency.", code="EUR"), ELSE, "number"),
    held(IT, "D11: yen with cents", lambda row: within("currency.", code="JPY")({**row, "total_amount": decimal_of("100.50")}), Code.BAD_AMOUNT, "total_amount"),
    held(IT, "P10: no total", put(total_amount=None), Code.BAD_FIELD, "total_amount"),
    held(IT, "D8: two totals", twice("total_amount", '{"__class__":"Decimal","decimal":"100"}', '{"__class__":"Decimal","decimal":"200"}'), Code.BAD_AMOUNT, "total_amount"),
    ignored(IT, "D1: a credit note, which is below zero", put(total_amount=decimal_of(-100))),
    ignored(IT, "D21: a draft", put(state="draft")),
    ignored(IT, "D21: a cancelled one", put(state="cancelled")),
    held(IT, "D12: the books are a cent off", line(debit=decimal_of("99.99")), Code.TOTALS_DISAGREE, "total_amount"),
    held(IT, "D12: the total is a cent off", put(total_amount=decimal_of("100.01")), Code.TOTALS_DISAGREE, "total_amount"),
    held(IT, "D5: a debit of NaN", line(debit=decimal_of("NaN")), Code.BAD_AMOUNT, f"{LINE}.debit"),
    held(IT, "D7: a debit of Arabic digits", line(debit=decimal_of("١٠٠")), Code.BAD_AMOUNT, f"{LINE}.debit"),
    held(IT, "D6: a debit of thirty digits", line(debit=decimal_of("1" + "0" * 30)), Code.BAD_AMOUNT, f"{LINE}.debit"),
    held(IT, "D11: a debit of a third decimal", line(debit=decimal_of("100.005")), Code.BAD_AMOUNT, f"{LINE}.debit"),
    held(IT, "D22: a line without a date", line(date=None), Code.BAD_FIELD, f"{LINE}.date"),
    held(IT, "D31: a line's id that is true", line(id=True), Code.BAD_FIELD, f"{LINE}.id"),
    held(IT, "P10: a line that is null", within("move.", **{"lines.": [None]}), Code.BAD_FIELD, f"{LINE}"),
    held(IT, "P10: lines that are a text", within("move.", **{"lines.": "none"}), Code.BAD_FIELD, "move..lines."),
    held(IT, "P10: a move that is a text", put(**{"move.": EMAIL}), Code.BAD_FIELD, "move."),
    held(IT, "P10: payments that are a text", put(**{"payment_lines.": "none"}), Code.BAD_FIELD, "payment_lines."),
    held(IT, "P10: a payment that is a text", put(**{"payment_lines.": [EMAIL]}), Code.BAD_FIELD, "payment_lines.[0]"),
    held(IT, "D5: a payment of NaN", paying(credit=decimal_of("NaN")), Code.BAD_AMOUNT, f"{LINE}.reconciliation..lines.[1].credit"),
    held(IT, "D22: a payment of 31 April", paying(date=DAYS["D22: 31 April"]), Code.BAD_DATE, f"{LINE}.reconciliation..lines.[1].date"),
    held(IT, "P10: a journal that is a text", paying(**{"move.": {"origin": "", "journal.": "cash"}}), Code.BAD_FIELD, f"{LINE}.reconciliation..lines.[1].move..journal."),
    *[held(IT, f"{case} as the number", put(number=value), Code.BAD_FIELD, "number", numbers=(ascii(value)[1:-1],)) for case, value in ODD_NUMBERS.items()],
    *[held(IT, f"{case} as the number", put(number=value), Code.NOT_IN_BILLING, "number", numbers=(value,)) for case, value in STRANGE_NUMBERS.items()],
    *[held(IT, f"{case} as the number", put(number=value), Code.BAD_FIELD, "number", numbers=()) for case, value in some(NO_TEXT, "P10").items()],
    held(IT, "D27: 300 characters as the number", put(number="9" * 300), Code.BAD_FIELD, "number", numbers=("9" * 255,)),
    held(IT, "D15: the reference names another invoice", put(reference="G02"), Code.REFERENCE_AND_NUMBER_DISAGREE, "reference"),
    carried(IT, "D26: a million characters as the reference", put(reference="9" * LONG)),
    carried(IT, "X20: an address as the reference", put(reference=EMAIL)),
    carried(IT, "X14: lines in the reference", put(reference="PO 7\r\n2026 ERROR fake")),
    *[held(IT, f"P10: {name} for a record", instead(value), Code.BAD_FIELD, "", numbers=()) for name, value in {"null": None, "a number": 5, "a text": EMAIL, "a list": [EMAIL]}.items()],
    held(IT, "P10: an empty record", instead({}), Code.BAD_CURRENCY, "currency..code", numbers=()),
    carried(IT, "P10: a plain number", put(total_amount=100)),
    carried(IT, "P10: an exponent in a decimal", put(total_amount=decimal_of("1E+2"))),
    carried(IT, "D6: zeros behind the cents", put(total_amount=decimal_of("100.000000"))),
    carried(IT, "D24: never changed", put(write_date=None)),
    carried(IT, "D17: no customer", put(party=None)),
    carried(IT, "P10: a field that is new", put(NewThing={"__class__": "os.system", "x": [EMAIL]})),
    carried(IT, "D26: a memo of a megabyte", put(comment="\U0001f600" * (LONG // 4))),
    carried(IT, "X10, D26: half a character where nobody looks", put(comment="a\ud800b")),
    carried(IT, "D15: spaces around the number", put(number=f" {VICTIM}\u00a0")),
    carried(IT, "D22: paid before the invoice", paying(date=date_of(date(2026, 2, 1))), shows=(Decimal(100), MARCH), notes=(Code.PAID_BEFORE_INVOICE,)),
    carried(IT, "D22: after the end of 32 bits", paying(date=date_of(date(2038, 1, 20))), shows=(Decimal(100), date(2038, 1, 20))),
    carried(IT, "D20: the state waits for a worker", put(state="posted")),
]
# fmt: on
