"""What can be wrong with an invoice of the host's own app or table; pure data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from bad_values import (
    AMOUNTS,
    CURRENCIES,
    DATES,
    LONG,
    NO_TEXT,
    ODD_NUMBERS,
    STRANGE_NUMBERS,
    some,
)
from fault_rows import EMAIL, VICTIM, Row, Side, carried, held, ignored, instead, put

from tieout.errors import Code

LEDGER, BILLING = Side.LOCAL_LEDGER, Side.LOCAL_BILLING
SHEET, BILLS = Side.TABLE_LEDGER, Side.TABLE_BILLING
ELSE = Code.NUMBER_MEANS_ANOTHER_DOCUMENT


class Unspeakable:
    """An object that cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError(EMAIL)

    __repr__ = __str__


NO_AMOUNTS: dict[str, Any] = {
    "D5: NaN": Decimal("NaN"),
    "D5: signalling NaN": Decimal("sNaN"),
    "D5: infinity": Decimal("Infinity"),
    "D5: minus infinity": Decimal("-Infinity"),
    "D5: a float that is NaN": float("nan"),
    "D6: thirty digits": Decimal(10) ** 30,
    "D6: 1e999999": Decimal("1e999999"),
    "D6: 1e-999999": Decimal("1e-999999"),
    "D6: forty decimals": Decimal("100." + "0" * 39 + "1"),
    "D6: five thousand digits": 10**4999,
    "D11: a third decimal": Decimal("100.005"),
    "D31: true": True,
    "P10: a float": 100.0,
    "P10: bytes": b"100",
    "P10: a fraction": Fraction(100),
    "P10: a complex number": 100j,
    "P10: an object that cannot be shown": Unspeakable(),
}
TEXTS = {case: text for case, text in AMOUNTS.items() if isinstance(text, str) and text}
NO_DAYS: dict[str, Any] = {
    "D22: the year 1": date(1, 1, 1),
    "D22: the year 9999": date(9999, 12, 31),
    "D24: an instant": datetime(2026, 3, 10, tzinfo=UTC),
    "D24: a naive instant": datetime(2026, 3, 10),
    "D24: a text of slashes": "10/03/2026",
    "X20: an address": EMAIL,
}
NO_IDS: dict[str, Any] = {
    "D31: true": True,
    "D31: null": None,
    "D31: empty": "",
    "D31: a fraction": Decimal("1.5"),
    "P10: a list": [EMAIL],
    "P10: bytes": b"7",
    "P10: an object that cannot be shown": Unspeakable(),
    "X15: a separator of keys": "7\x1f8",
    "X14: a line end": "7\n8",
    "D27: a thousand characters": "7" * 1000,
    "X10, D26: half a character": "a\ud800b",
}


def one(side: Side, field: str, values: Mapping[str, Any], code: Code) -> list[Row]:
    """A row for each of the values in a field."""
    return [
        held(side, f"{case} in {field}", put(**{field: value}), code, field)
        for case, value in values.items()
    ]


# fmt: off
APP = [
    *one(LEDGER, "total", {**NO_AMOUNTS, **TEXTS}, Code.BAD_AMOUNT),
    *one(LEDGER, "paid_amount", NO_AMOUNTS, Code.BAD_AMOUNT),
    *one(LEDGER, "credited", some(NO_AMOUNTS, "D5", "P10"), Code.BAD_AMOUNT),
    *one(LEDGER, "currency", some(CURRENCIES, "D9: l", "D9: h", "D9: n", "X20"), Code.BAD_CURRENCY),
    *one(LEDGER, "date_paid", NO_DAYS, Code.BAD_DATE),
    *one(LEDGER, "on", some(NO_DAYS, "D22", "X20"), Code.BAD_DATE),
    *one(LEDGER, "changed_at", {"D24: a naive instant": datetime(2026, 3, 10), "D24: a word": "now"}, Code.BAD_DATE),
    *one(LEDGER, "id", NO_IDS, Code.BAD_FIELD),
    *one(LEDGER, "customer", some(NO_IDS, "D31: t", "P10", "X"), Code.BAD_FIELD),
    *one(LEDGER, "void", {"P10: a text": "no", "P10: a list": [0], "P10: two": 2}, Code.BAD_FIELD),
    *one(LEDGER, "reference", some(NO_TEXT, "P10", "X"), Code.BAD_FIELD),
    *[held(LEDGER, f"{case} as the number", put(number=value), Code.BAD_FIELD, "number", numbers=(ascii(value)[1:-1],)) for case, value in ODD_NUMBERS.items()],
    *[held(LEDGER, f"{case} as the number", put(number=value), Code.NOT_IN_BILLING, "number", numbers=(value,)) for case, value in STRANGE_NUMBERS.items()],
    held(LEDGER, "D27: no number", put(number=""), Code.BAD_FIELD, "number", numbers=()),
    held(LEDGER, "P10: an object for a number", put(number=Unspeakable()), Code.BAD_FIELD, "number", numbers=()),
    held(LEDGER, "P10: no total", put(total=None), Code.BAD_FIELD, "total"),
    held(LEDGER, "D10: another currency", put(currency="EUR"), ELSE, "number"),
    held(LEDGER, "D1: below zero", put(total=-100, paid_amount=-100), ELSE, "number"),
    held(LEDGER, "D2: a total of nothing", put(total=0, paid_amount=0), ELSE, "number"),
    held(LEDGER, "D12: a cent off", put(total="100.01"), ELSE, "number"),
    held(LEDGER, "D19: less than nothing was paid", put(paid_amount=-5), Code.TOTALS_DISAGREE, ""),
    *[held(LEDGER, f"P10: {name} for a record", instead(value), Code.BAD_FIELD, "", numbers=()) for name, value in {"null": None, "a number": 5, "a text": EMAIL, "an object that cannot be shown": Unspeakable()}.items()],
    ignored(LEDGER, "D21: a void one", put(void=True)),
    carried(LEDGER, "D3: ten too much were paid", put(paid_amount=110), notes=(Code.OVERPAID,)),
    carried(LEDGER, "D31: an amount in whole units", put(total=100, paid_amount="100.00")),
    carried(LEDGER, "D24: a day as a text", put(date_paid="2026-03-10")),
    carried(LEDGER, "D26: a reference of a million characters", put(reference="9" * LONG)),
    carried(LEDGER, "X15: SQL as the reference", put(reference="'; DROP TABLE invoices;--")),
    carried(LEDGER, "D31: an id beyond 2^53", put(id=2**63 + 1), mends=False),
    carried(LEDGER, "D31: leading zeros in the id", put(id="007"), mends=False),
    carried(LEDGER, "X15: SQL in the id", put(id="1'; DROP TABLE fact;--"), mends=False),
    carried(LEDGER, "X21: another invoice's number as the id", put(id="G01"), mends=False),
    *one(BILLING, "total", some(NO_AMOUNTS, "D5", "D6", "P10"), Code.BAD_AMOUNT),
    *one(BILLING, "paid_amount", some(NO_AMOUNTS, "D5", "D11", "D31"), Code.BAD_AMOUNT),
    *one(BILLING, "currency", some(CURRENCIES, "D9: h", "X20"), Code.BAD_CURRENCY),
    *one(BILLING, "date_paid", NO_DAYS, Code.BAD_DATE),
    *one(BILLING, "id", NO_IDS, Code.BAD_FIELD),
    held(BILLING, "D10: another currency", put(currency="EUR"), ELSE, "number"),
    held(BILLING, "D12: a cent off", put(total="100.01"), ELSE, "number"),
    held(BILLING, "D15: a look-alike number", put(number="\u0406NV-X"), Code.NOT_IN_BILLING, "number"),
    held(BILLING, "P10: a text for a record", instead(EMAIL), Code.NOT_IN_BILLING, "number"),
    held(BILLING, "P10: an object that cannot be shown", instead(Unspeakable()), Code.NOT_IN_BILLING, "number"),
]

CELLS = {case: text for case, text in TEXTS.items() if "\x00" not in text}
CELLS |= {"P10: a real number": 100.5, "P10: a blob": b"100"}
TABLES = [
    *one(SHEET, "total", CELLS, Code.BAD_AMOUNT),
    *one(SHEET, "paid_amount", some(CELLS, "D5", "D6", "D11", "P10"), Code.BAD_AMOUNT),
    *one(SHEET, "currency", {k: v for k, v in CURRENCIES.items() if v}, Code.BAD_CURRENCY),
    *one(SHEET, "date_paid", some(DATES, "D22: the year 1", "D22: 29", "D22: 31", "D24", "X20"), Code.BAD_DATE),
    *one(SHEET, "day", some(DATES, "D22: 31", "X20"), Code.BAD_DATE)[:0],
    *one(SHEET, "changed_at", {"D24: a word": "yesterday"}, Code.BAD_DATE)[:0],
    held(SHEET, "P10: no total", put(total=None), Code.BAD_FIELD, "total"),
    held(SHEET, "P10: no number", put(number=None), Code.BAD_FIELD, "number", numbers=()),
    held(SHEET, "D9: no currency", put(currency=None), Code.BAD_CURRENCY, "currency"),
    held(SHEET, "D9: an empty currency", put(currency=""), Code.BAD_CURRENCY, "currency"),
    held(SHEET, "X15: SQL as the number", put(number="'; DROP TABLE invoices;--"), Code.NOT_IN_BILLING, "number", numbers=("'; DROP TABLE invoices;--",)),
    held(SHEET, "X15: a wildcard as the number", put(number="%"), Code.NOT_IN_BILLING, "number", numbers=("%",)),
    held(SHEET, "D10: another currency", put(currency="EUR"), ELSE, "number"),
    held(SHEET, "D12: a cent off", put(total="100.01"), ELSE, "number"),
    carried(SHEET, "P10: a whole number", put(total=100)),
    carried(SHEET, "D26: a memo of a megabyte", put(memo=EMAIL * 50_000)),
    carried(SHEET, "X15: SQL in the memo", put(memo="'; DROP TABLE invoices;--")),
    *one(BILLS, "total", CELLS, Code.BAD_AMOUNT),
    *one(BILLS, "paid_amount", some(CELLS, "D5", "D7: A", "D11", "P10"), Code.BAD_AMOUNT),
    *one(BILLS, "currency", {k: v for k, v in CURRENCIES.items() if v}, Code.BAD_CURRENCY),
    *one(BILLS, "date_paid", some(DATES, "D22: the year 1", "D22: 31", "D24: a w", "X20"), Code.BAD_DATE),
    held(BILLS, "P10: no total", put(total=None), Code.BAD_FIELD, "total"),
    held(BILLS, "D10: another currency", put(currency="EUR"), ELSE, "number"),
    held(BILLS, "D12: a cent off", put(total="100.01"), ELSE, "number"),
    held(BILLS, "D1: below zero", put(total="-100"), ELSE, "number"),
    held(BILLS, "D15: a look-alike number", put(number="INV\u2010X"), Code.NOT_IN_BILLING, "number"),
    held(BILLS, "D31: an id of nothing", put(id=""), Code.BAD_FIELD, "id"),
    held(BILLS, "P10: an id that is a blob", put(id=b"7"), Code.BAD_FIELD, "id"),
    carried(BILLS, "P10: an empty paid amount", put(paid_amount="")),
    carried(BILLS, "P10: no paid amount", put(paid_amount=None)),
    carried(BILLS, "D7: zeros behind the cents", put(paid_amount="0.000")),
    carried(BILLS, "D26: a memo of a megabyte", put(memo="\U0001f600" * (LONG // 4))),
]
# fmt: on

ROWS = [*APP, *TABLES]
assert VICTIM
