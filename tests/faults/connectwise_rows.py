"""What can be wrong with an invoice, or its payments, in ConnectWise's answers; pure data."""

from __future__ import annotations

from collections.abc import Mapping
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
    twice,
)
from fault_rows import (
    EMAIL,
    GONE,
    VICTIM,
    Raw,
    Row,
    Side,
    carried,
    held,
    instead,
    put,
)

from tieout.errors import Code

IT, PAYMENT = Side.CONNECTWISE, Side.CONNECTWISE_PAYMENT
ELSE, MISSING = Code.NUMBER_MEANS_ANOTHER_DOCUMENT, Code.NOT_IN_BILLING
DISAGREE = Code.TOTALS_DISAGREE


def one(path: str, values: Mapping[str, Any], code: Code, at: str = "") -> list[Row]:
    """A row for each of the values in a field; ``a__b`` is told as ``a.b``."""
    told = at or path.replace("__", ".")
    return [
        held(IT, f"{case} in {told}", put(**{path: value}), code, told)
        for case, value in values.items()
    ]


def paid(name: str, edit: Any, code: Code, at: str) -> Row:
    """A row about a payment that an earlier run made."""
    return held(PAYMENT, name, edit, code, at, prior=True)


def payments(field: str, values: Mapping[str, Any], code: Code) -> list[Row]:
    """A row for each of the values in a field of the payment."""
    return [
        paid(
            f"{case} in the payment's {field}",
            put(**{field: value}),
            code,
            f"payments[0].{field}",
        )
        for case, value in values.items()
    ]


# fmt: off
INVOICES = [
    *one("total", some(AMOUNTS, "D5", "D6", "D7: A", "D7: an", "D11", "D31", "P10", "X"), Code.BAD_AMOUNT),
    *one("balance", some(AMOUNTS, "D5: 1", "D7: a c", "D31", "P10: a"), Code.BAD_AMOUNT),
    *one("payments", some(AMOUNTS, "D5: the", "D11", "X20"), Code.BAD_AMOUNT),
    *one("credits", some(AMOUNTS, "D6: n", "D7: (", "P10: an o"), Code.BAD_AMOUNT),
    *one("currency__currencyCode", CURRENCIES, Code.BAD_CURRENCY),
    *one("currency__currencyCode", some(NO_TEXT, "P10"), Code.BAD_FIELD),
    *one("date", some(DATES, "D22", "D24: a w", "D24: day", "X"), Code.BAD_DATE),
    *one("_info__lastUpdated", some(DATES, "D22: the", "D24: an h", "X"), Code.BAD_DATE),
    *one("id", {
        **NO_TEXT, "D31: null": None, "D31: empty": "", "D31: a decimal": Raw("7.0"),
        "X17: a path": "../../system", "X17: an encoded path": "..%2f..%2fusers",
        "X16: a condition": "1 or 1=1", "D31: below zero": -5, "D31: forty digits": Raw("9" * 40),
        "D26: a NUL": "1\x00", "D7: Arabic digits": "١٢",
    }, Code.BAD_FIELD),
    *one("type", {"D20: a new one": "Barter", "X20: an address": EMAIL, "D20: lower case": "standard"}, Code.UNKNOWN_STATUS),
    *one("type", NO_TEXT, Code.BAD_FIELD),
    *[held(IT, f"{case} as the number", put(invoiceNumber=value), MISSING, "number") for case, value in {**ODD_NUMBERS, **STRANGE_NUMBERS, **NO_TEXT}.items()],
    held(IT, "D27: a million characters as the number", put(invoiceNumber="9" * LONG), MISSING, "number"),
    held(IT, "D27: no number", put(invoiceNumber=None), MISSING, "number"),
    held(IT, "D20: a credit memo", put(type="CreditMemo"), MISSING, "number"),
    held(IT, "P10: no type", put(type=GONE), Code.BAD_FIELD, "type"),
    held(IT, "P10: no total", put(total=GONE), Code.BAD_FIELD, "total"),
    held(IT, "P10: no balance", put(balance=None), Code.BAD_FIELD, "balance"),
    held(IT, "D8: two totals", twice("total", "100", "200"), Code.BAD_AMOUNT, "total"),
    held(IT, "D8: two ids", twice("id", "7", "8"), Code.BAD_FIELD, "id"),
    held(IT, "D8: two currencies", twice("currency", '{"currencyCode":"USD"}', '{"currencyCode":"EUR"}'), Code.BAD_FIELD, "currency"),
    held(IT, "D9: no currency", put(currency=GONE), Code.BAD_CURRENCY, "currency.currencyCode"),
    held(IT, "D9: a currency that is a text", put(currency="USD"), Code.BAD_FIELD, "currency"),
    held(IT, "D10: another currency", put(currency__currencyCode="EUR"), ELSE, "number"),
    held(IT, "D11: a tenth of a yen", put(currency__currencyCode="JPY", total=Raw("100.1")), Code.BAD_AMOUNT, "total"),
    held(IT, "D1: below zero", put(total=-100, balance=-100), ELSE, "number"),
    held(IT, "D2: a total of nothing", put(total=0, balance=0), ELSE, "number"),
    held(IT, "D12: a cent off", put(total=Raw("100.01"), balance=Raw("100.01")), ELSE, "number"),
    held(IT, "D12: the balance lacks a cent", put(balance=Raw("99.99")), DISAGREE, "balance"),
    held(IT, "D3: more is owed than the total", put(balance=150), DISAGREE, "balance"),
    held(IT, "D19: paid more than the total, and all is owed", put(payments=150), DISAGREE, "balance"),
    held(IT, "D19: paid by records that are not there", put(payments=100, balance=0), DISAGREE, "balance"),
    held(IT, "D19: credited by nothing", put(credits=500), DISAGREE, "balance"),
    held(IT, "P10: a company that is a text", put(company="ACME"), Code.BAD_FIELD, "company"),
    held(IT, "P10: a company's id that is a list", put(company__id=[1]), Code.BAD_FIELD, "company.id"),
    held(IT, "P10: a change record that is a text", put(_info="now"), Code.BAD_FIELD, "_info"),
    *[held(IT, f"P10: {name} for a record", instead(value), MISSING, "number") for name, value in {"null": None, "a number": 5, "a text": EMAIL, "a list": [EMAIL]}.items()],
    held(IT, "P10: an empty record", instead({}), MISSING, "number"),
    carried(IT, "P10: a total as a text", put(total="100.00")),
    carried(IT, "D17: no company", put(company=GONE)),
    carried(IT, "D22: no date", put(date=None)),
    carried(IT, "D24: no change record", put(_info=GONE)),
    carried(IT, "D15: spaces around the number", put(invoiceNumber=f" {VICTIM} ")),
    carried(IT, "P10: a field that is new", put(NewThing={"deep": [EMAIL]})),
    carried(IT, "D26: a memo of a megabyte", put(topComment="\U0001f600" * (LONG // 4))),
    carried(IT, "X10, D26: half a character where nobody looks", put(topComment="a\ud800b")),
    carried(IT, "X10: lists three hundred deep where nobody looks", put(topComment=Raw("[" * 300 + "]" * 300))),
    carried(IT, "P10: a status of no kind", put(status=5)),
]

PAYMENTS = [
    *payments("amount", some(AMOUNTS, "D5", "D6: n", "D7: A", "D11", "D31", "P10", "X20"), Code.BAD_AMOUNT),
    *payments("paymentDate", some(DATES, "D22", "D24: a w", "X20"), Code.BAD_DATE),
    *payments("id", {**NO_TEXT, "D31: null": None, "X17: a path": "../../system", "D31: a decimal": Raw("7.0")}, Code.BAD_FIELD),
    paid("P10: no amount", put(amount=GONE), Code.BAD_FIELD, "payments[0].amount"),
    paid("X25: a payment of another invoice", put(invoice__id=1), Code.BAD_FIELD, "payments[0].invoice.id"),
    paid("P10: an invoice that is a text", put(invoice="x"), Code.BAD_FIELD, "payments[0].invoice"),
    paid("P10: a credit that is a text", put(credit=EMAIL), Code.BAD_FIELD, "payments[0].credit"),
    paid("P10: a credit's id that is a list", put(credit__id=[EMAIL]), Code.BAD_FIELD, "payments[0].credit.id"),
    paid("P10: a null payment", instead(None), Code.BAD_FIELD, "payments[0]"),
    paid("P10: a text for a payment", instead(EMAIL), Code.BAD_FIELD, "payments[0]"),
    paid("D8: two amounts", twice("amount", "100", "1"), Code.BAD_AMOUNT, "payments[0].amount"),
    paid("D19: another amount than the invoice says", put(amount=50), DISAGREE, "balance"),
    paid("D1: an amount below zero", put(amount=-100), DISAGREE, "balance"),
    Row("D22: no date on the payment", PAYMENT, put(paymentDate=None), prior=True),
    Row("P10: a type that is new", PAYMENT, put(type="Barter"), prior=True),
    Row("D31: an id as a text", PAYMENT, lambda row: {**row, "id": str(row["id"])}, prior=True),
]
# fmt: on

ROWS = [*INVOICES, *PAYMENTS]
