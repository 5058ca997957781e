"""What can be wrong with an invoice, or a payment, in Xero's answers; pure data."""

from __future__ import annotations

from decimal import Decimal
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
from fault_worlds import MARCH

import tieout
from tieout.errors import Code

IT, PAYMENT = Side.XERO, Side.XERO_PAYMENT


def one(
    name: str, values: dict[str, Any], field: str, code: Code, **more: Any
) -> list[Row]:
    """A row for each of the values in a field."""
    return [
        held(IT, f"{case} in {field}", put(**{field: value}), code, field, **more)
        for case, value in values.items()
    ]


def dated(field: str, code: Code, cases: dict[str, Any]) -> list[Row]:
    """A row for each bad day; its readable twin is taken out."""
    return [
        held(
            IT,
            f"{case} in {field}",
            put(**{f"{field}String": GONE, field: value}),
            code,
            field,
        )
        for case, value in cases.items()
    ]


def paid_on(value: Any) -> Edit:
    """Another day of full payment."""
    return put(FullyPaidOnDate=value)


def inside(name: str, **fields: Any) -> Edit:
    """The first record of a list inside the invoice, with other fields."""
    return lambda row: {**row, name: [{**row[name][0], **fields}, *row[name][1:]]}


def credited(applied: Any) -> Edit:
    """Forty of it were credited; a credit note says how much was applied."""
    note = {
        "CreditNoteID": "c",
        "AppliedAmount": applied,
        "Date": "/Date(1773100800000)/",
    }
    return put(AmountPaid=60, AmountCredited=40, CreditNotes=[note])


ELSE, AMBIGUOUS = Code.NUMBER_MEANS_ANOTHER_DOCUMENT, Code.REFERENCE_AND_NUMBER_DISAGREE
CASH = tieout.Settings(paid_amount="cash")
CENT = tieout.Settings(tolerance={"USD": Decimal("0.01")})

MONEY = [
    *one("amount", AMOUNTS, "Total", Code.BAD_AMOUNT),
    *one(
        "amount",
        some(AMOUNTS, "D5: 1", "D6: 1", "D31", "P10: a"),
        "AmountDue",
        Code.BAD_AMOUNT,
    ),
    *one(
        "amount", some(AMOUNTS, "D5: the", "D11", "X2"), "AmountPaid", Code.BAD_AMOUNT
    ),
    *one(
        "amount", some(AMOUNTS, "D7: a", "P10: an o"), "AmountCredited", Code.BAD_AMOUNT
    ),
    held(IT, "P10: no total", put(Total=GONE), Code.BAD_FIELD, "Total"),
    held(IT, "P10: a null total", put(Total=None), Code.BAD_FIELD, "Total"),
    held(IT, "P10: no amount due", put(AmountDue=GONE), Code.BAD_FIELD, "AmountDue"),
    held(IT, "D8: two totals", twice("Total", "100", "200"), Code.BAD_AMOUNT, "Total"),
    held(
        IT,
        "D8: two amounts due",
        twice("AmountDue", "0", "50"),
        Code.BAD_AMOUNT,
        "AmountDue",
    ),
    held(
        IT,
        "D8: two currencies",
        twice("CurrencyCode", '"USD"', '"EUR"'),
        Code.BAD_FIELD,
        "CurrencyCode",
    ),
    held(
        IT,
        "D8: two statuses",
        twice("Status", '"PAID"', '"VOIDED"'),
        Code.BAD_FIELD,
        "Status",
    ),
    held(
        IT,
        "D8: two lists of payments",
        twice("Payments", "[]", "[{}]"),
        Code.BAD_FIELD,
        "Payments",
    ),
    carried(IT, "D8: the same total twice", twice("Total", "100", "100.00")),
    carried(IT, "D7: minus nothing", put(AmountCredited="-0")),
    carried(IT, "D6: zeros behind the cents", put(Total=Raw("100.000000"))),
    carried(IT, "P10: a number as a text", put(Total="100.00")),
    carried(IT, "P10: an exponent that is a number", put(Total=Raw("1E2"))),
    carried(IT, "P10: nothing credited is said", put(AmountCredited=None)),
    # What does not add up
    held(
        IT,
        "D1: below zero, and paid",
        put(Total=-100, AmountPaid=-100),
        Code.TOTALS_DISAGREE,
        "AmountDue",
    ),
    held(
        IT,
        "D1: below zero, and owed",
        put(Total=-100, AmountDue=-100, AmountPaid=0, Status="AUTHORISED"),
        ELSE,
        "number",
    ),
    held(
        IT,
        "D2: a total of nothing",
        put(Total=0, AmountPaid=0, Payments=[]),
        ELSE,
        "number",
    ),
    held(
        IT,
        "D12: the parts lack a cent",
        put(AmountPaid=Raw("99.99")),
        Code.TOTALS_DISAGREE,
        "AmountDue",
    ),
    held(
        IT,
        "D12: the parts have a cent too much",
        put(AmountPaid=Raw("100.01")),
        Code.TOTALS_DISAGREE,
        "AmountDue",
    ),
    held(
        IT,
        "D12: the total is a cent off",
        put(Total=Raw("100.01"), AmountPaid=Raw("100.01")),
        ELSE,
        "number",
    ),
    carried(
        IT,
        "D12: the total is a cent off, which is allowed",
        put(Total=Raw("100.01"), AmountPaid=Raw("100.01")),
        settings=CENT,
        notes=(Code.WITHIN_TOLERANCE,),
    ),
    held(
        IT,
        "D12: two cents off, and one is allowed",
        put(Total=Raw("100.02"), AmountPaid=Raw("100.02")),
        ELSE,
        "number",
        settings=CENT,
    ),
    carried(
        IT,
        "D12: a cent is owed, which is allowed",
        put(AmountDue=Raw("0.01"), AmountPaid=Raw("99.99"), Status="AUTHORISED"),
        settings=CENT,
        notes=(Code.WITHIN_TOLERANCE,),
    ),
    carried(
        IT,
        "D3: ten too much were paid",
        put(AmountDue=-10, AmountPaid=110),
        notes=(Code.OVERPAID,),
    ),
    carried(
        IT,
        "D4: a credit of 40 landed first",
        lambda row: credited(40)({**row, "AmountDue": -40}) | {"AmountPaid": 100},
        notes=(Code.OVERPAID,),
    ),
    held(
        IT,
        "D4: more is owed than the total",
        put(AmountDue=150, AmountPaid=-50, Status="AUTHORISED"),
        Code.TOTALS_DISAGREE,
        "AmountDue",
    ),
    held(
        IT,
        "D19: more was credited than was settled",
        put(AmountPaid=-100, AmountCredited=200),
        Code.TOTALS_DISAGREE,
        "AmountDue",
    ),
    carried(IT, "D19: more was applied than was credited", credited(400)),
    held(
        IT,
        "D19: more was applied than was credited, and cash is asked for",
        credited(400),
        Code.PARTS_UNKNOWN,
        "settled_by",
        settings=CASH,
    ),
    held(
        IT,
        "D5: a credit of NaN",
        credited("NaN"),
        Code.BAD_AMOUNT,
        "CreditNotes[0].AppliedAmount",
    ),
    held(
        IT,
        "D10: a credit with decimals that dollars do not have",
        credited(Raw("40.001")),
        Code.BAD_AMOUNT,
        "CreditNotes[0].AppliedAmount",
    ),
    carried(IT, "D4: a credit took a part", credited(40)),
    held(
        IT,
        "D21: called paid, and half is owed",
        put(AmountDue=50, AmountPaid=50),
        Code.TOTALS_DISAGREE,
        "Status",
    ),
    held(
        IT,
        "D20: nothing is owed, and nothing says why",
        put(Status="AUTHORISED", AmountPaid=GONE, AmountCredited=GONE),
        Code.TOTALS_DISAGREE,
        "AmountDue",
    ),
]

NAMES = [
    *one("currency", CURRENCIES, "CurrencyCode", Code.BAD_CURRENCY),
    *one("currency", some(NO_TEXT, "P10", "X10"), "CurrencyCode", Code.BAD_FIELD),
    held(
        IT, "D9: no currency", put(CurrencyCode=GONE), Code.BAD_CURRENCY, "CurrencyCode"
    ),
    held(
        IT,
        "D9: a null currency",
        put(CurrencyCode=None),
        Code.BAD_CURRENCY,
        "CurrencyCode",
    ),
    held(IT, "D10: another currency", put(CurrencyCode="EUR"), ELSE, "number"),
    held(
        IT,
        "D10, D11: yen, which have no decimals",
        put(CurrencyCode="JPY"),
        ELSE,
        "number",
    ),
    held(
        IT,
        "D11: a tenth of a yen",
        put(CurrencyCode="JPY", Total=Raw("100.1")),
        Code.BAD_AMOUNT,
        "Total",
    ),
    held(
        IT,
        "D11: 10.005 yen",
        put(CurrencyCode="JPY", Total=Raw("10.005")),
        Code.BAD_AMOUNT,
        "Total",
    ),
    held(
        IT,
        "D11: a fourth decimal of dinars",
        put(CurrencyCode="BHD", Total=Raw("100.0001")),
        Code.BAD_AMOUNT,
        "Total",
    ),
    held(
        IT,
        "D11: three decimals of dinars",
        put(CurrencyCode="BHD", Total=Raw("100.001"), AmountPaid=Raw("100.001")),
        ELSE,
        "number",
    ),
    held(
        IT,
        "D11: a fifth decimal of UF",
        put(CurrencyCode="CLF", Total=Raw("100.00001")),
        Code.BAD_AMOUNT,
        "Total",
    ),
    held(
        IT,
        "D11: four decimals of UF",
        put(CurrencyCode="CLF", Total=Raw("100.0001"), AmountPaid=Raw("100.0001")),
        ELSE,
        "number",
    ),
    *one(
        "status",
        {
            "D20: a new one": "PARTPAID",
            "D20: lower case": "paid",
            "D20: a space behind": "PAID ",
            "D20: empty": "",
            "D20: a number": 3,
            "D15: a Cyrillic letter": "P\u0410ID",
            "X20: an address": EMAIL,
            "X14: a forged log line": "PAID\r\n2026 ERROR fake",
        },
        "Status",
        Code.UNKNOWN_STATUS,
    ),
    *one("status", NO_TEXT, "Status", Code.BAD_FIELD),
    held(IT, "D20: no status", put(Status=GONE), Code.BAD_FIELD, "Status"),
    ignored(IT, "D21: a draft", put(Status="DRAFT", AmountDue=100, AmountPaid=0)),
    ignored(IT, "D28: a deleted one", put(Status="DELETED", AmountDue=0, AmountPaid=0)),
    ignored(IT, "D21: a void one", put(Status="VOIDED", AmountDue=0, AmountPaid=0)),
    ignored(IT, "P10: a bill of ours", put(Type="ACCPAY")),
    held(IT, "D20, P10: a new type", put(Type="ACCNEW"), Code.UNKNOWN_STATUS, "Type"),
    *one("type", NO_TEXT, "Type", Code.BAD_FIELD),
    # Ids
    *[
        held(IT, f"{case} as the id", put(InvoiceID=value), Code.BAD_FIELD, "InvoiceID")
        for case, value in {
            **NO_TEXT,
            "D31: none": None,
            "D31: empty": "",
            "D31: a decimal": Raw("1.5"),
            "X17: a path": "../../x",
            "X17: an encoded path": "..%2f..%2fusers",
            "X16: a list": "a,b",
            "X16: a quote": 'x" or 1==1',
            "X14: a line end": "a\nb",
            "D26: a NUL": "a\x00b",
            "X15: a separator of keys": "a\x1fb",
            "D27: a thousand characters": "i" * 1000,
            "D8: an id of two values": Raw('"a","InvoiceID":"b"'),
            "X10: deep lists": Raw("[" * 300 + "]" * 300),
        }.items()
    ],
    # Numbers
    *[
        held(
            IT,
            f"{case} as the number",
            put(InvoiceNumber=value),
            Code.BAD_FIELD,
            "InvoiceNumber",
            numbers=(ascii(value)[1:-1],),
        )
        for case, value in ODD_NUMBERS.items()
    ],
    *[
        held(
            IT,
            f"{case} as the number",
            put(InvoiceNumber=value),
            Code.NOT_IN_BILLING,
            "number",
            numbers=(value,),
        )
        for case, value in STRANGE_NUMBERS.items()
    ],
    held(
        IT,
        "X16: both quotes as the number",
        put(InvoiceNumber="""x' or "1"="1"""),
        Code.NOT_ALLOWED,
        "number",
        numbers=("""x' or "1"="1""",),
    ),
    held(
        IT,
        "D27: 300 characters as the number",
        put(InvoiceNumber="9" * 300),
        Code.BAD_FIELD,
        "InvoiceNumber",
        numbers=("9" * 255,),
    ),
    held(
        IT,
        "D27: a million characters as the number",
        put(InvoiceNumber="9" * LONG),
        Code.BAD_FIELD,
        "InvoiceNumber",
        numbers=("9" * 255,),
    ),
    *[
        held(
            IT,
            f"{case} as the number",
            put(InvoiceNumber=value),
            Code.BAD_FIELD,
            "InvoiceNumber",
            numbers=(),
        )
        for case, value in some(NO_TEXT, "P10").items()
    ],
    held(
        IT,
        "X10, D26: half a character in the number",
        put(InvoiceNumber="a\ud800b"),
        Code.BAD_FIELD,
        "InvoiceNumber",
        numbers=("a\\ud800b",),
    ),
    held(
        IT,
        "D27: no number",
        put(InvoiceNumber=GONE),
        Code.NOT_IN_BILLING,
        "number",
        numbers=(),
    ),
    held(
        IT,
        "D27: an empty number",
        put(InvoiceNumber=""),
        Code.NOT_IN_BILLING,
        "number",
        numbers=(),
    ),
    held(
        IT,
        "D27: a number of spaces",
        put(InvoiceNumber="  "),
        Code.NOT_IN_BILLING,
        "number",
        numbers=(),
    ),
    held(
        IT,
        "D31: a number of digits",
        put(InvoiceNumber=7),
        Code.NOT_IN_BILLING,
        "number",
        numbers=("7",),
    ),
    carried(IT, "D15: spaces around the number", put(InvoiceNumber=f"  {VICTIM} ")),
    carried(
        IT,
        "D15: a no-break space behind the number",
        put(InvoiceNumber=f"{VICTIM}\u00a0"),
    ),
    # References
    held(
        IT,
        "D15: the reference names another invoice",
        put(Reference="G02"),
        AMBIGUOUS,
        "reference",
    ),
    carried(IT, "X16: a condition as the reference", put(Reference="""x" or "1"="1""")),
    carried(IT, "X20: an address as the reference", put(Reference=EMAIL)),
    carried(
        IT, "D26: a million characters as the reference", put(Reference="9" * LONG)
    ),
    carried(IT, "D27: 400 characters as the reference", put(Reference="PO " * 130)),
    carried(
        IT, "X14: lines in the reference", put(Reference="PO 7\r\n2026 ERROR fake")
    ),
    *one("reference", NO_TEXT, "Reference", Code.BAD_FIELD),
    # Customers
    carried(IT, "D17: no customer", put(Contact=GONE)),
    carried(IT, "D17: a null customer", put(Contact=None)),
    held(
        IT,
        "P10: a customer that is a text",
        put(Contact="ACME"),
        Code.BAD_FIELD,
        "Contact",
    ),
    held(
        IT, "P10: a customer that is a list", put(Contact=[]), Code.BAD_FIELD, "Contact"
    ),
    held(
        IT,
        "P10: a customer's id that is a list",
        put(Contact__ContactID=[1]),
        Code.BAD_FIELD,
        "Contact.ContactID",
    ),
]

DAYS = [
    *dated("FullyPaidOnDate", Code.BAD_DATE, DATES),
    *dated(
        "Date", Code.BAD_DATE, some(DATES, "D22: the", "D24: a w", "D24: day", "X2")
    ),
    *dated(
        "UpdatedDateUTC",
        Code.BAD_DATE,
        some(DATES, "D22: the", "D22: 29", "D24: a w", "X2"),
    ),
    *dated(
        "FullyPaidOnDate",
        Code.BAD_FIELD,
        {"D24: a number": 1773100800000, "D31: true": True, "P10: a list": []},
    ),
    *dated(
        "UpdatedDateUTC",
        Code.BAD_FIELD,
        {"D24: a number": 1773100800000, "P10: an object": {"at": EMAIL}},
    ),
    *[
        held(
            IT,
            f"{case} in a payment's date",
            inside("Payments", Date=value),
            Code.BAD_DATE,
            "Payments[0].Date",
        )
        for case, value in some(DATES, "D22: the", "X20", "D24: a w").items()
    ],
    *[
        carried(IT, name, paid_on(value))
        for name, value in {
            "D24: milliseconds without an offset": "/Date(1773100800000)/",
            "D24: milliseconds with an offset": "/Date(1773100800000+1300)/",
            "D24: the last millisecond of the day": "/Date(1773187199999+0000)/",
            "D24: ISO with Z": "2026-03-10T00:00:00Z",
            "D24: ISO with an offset of nothing": "2026-03-10T00:00:00+00:00",
            "D24: ISO without a zone": "2026-03-10T00:00:00",
            "D24: a day alone": "2026-03-10",
            "D23: late in a zone behind": "2026-03-10T23:30:00-05:00",
            "D23: early in a zone ahead": "2026-03-10T00:30:00+13:00",
        }.items()
    ],
    carried(
        IT,
        "D22: a day of a leap year",
        paid_on("/Date(1835395200000)/"),
        shows=(Decimal(100), MARCH.replace(2028, 2, 29)),
    ),
    carried(
        IT,
        "D22: after the end of 32 bits",
        paid_on("2038-01-20T00:00:00"),
        shows=(Decimal(100), MARCH.replace(2038, 1, 20)),
    ),
    carried(
        IT,
        "D22: paid before the invoice",
        paid_on("2026-02-01T00:00:00"),
        shows=(Decimal(100), MARCH),
        notes=(Code.PAID_BEFORE_INVOICE,),
    ),
    carried(
        IT,
        "D24: seconds taken for milliseconds",
        paid_on("/Date(1773100800)/"),
        shows=(Decimal(100), MARCH),
        notes=(Code.PAID_BEFORE_INVOICE,),
    ),
    carried(IT, "D24: no change time", put(UpdatedDateUTC=GONE)),
    carried(IT, "D22: no invoice date", put(Date=GONE, DateString=GONE)),
]

SHAPES = [
    *[
        held(
            IT,
            f"P10: {name} for a record",
            instead(value),
            Code.BAD_FIELD,
            "",
            numbers=(),
        )
        for name, value in {
            "null": None,
            "a number": 5,
            "a text": EMAIL,
            "a list": [EMAIL],
            "true": True,
        }.items()
    ],
    held(
        IT,
        "P10: an empty record",
        instead({}),
        Code.BAD_CURRENCY,
        "CurrencyCode",
        numbers=(),
    ),
    *one(
        "payments",
        {"P10: a text": "none", "P10: an object": {}, "P10: a number": 0},
        "Payments",
        Code.BAD_FIELD,
    ),
    held(
        IT,
        "P10: a payment that is null",
        put(Payments=[None]),
        Code.BAD_FIELD,
        "Payments[0]",
    ),
    held(
        IT,
        "P10: a payment that is a text",
        put(Payments=[EMAIL]),
        Code.BAD_FIELD,
        "Payments[0]",
    ),
    held(
        IT,
        "P10: a payment's id that is a list",
        inside("Payments", PaymentID=[1]),
        Code.BAD_FIELD,
        "Payments[0].PaymentID",
    ),
    held(
        IT,
        "P10: credits that are a text",
        put(CreditNotes="none"),
        Code.BAD_FIELD,
        "CreditNotes",
    ),
    carried(IT, "P10: no list of payments", put(Payments=GONE)),
    carried(IT, "P10: a null list of payments", put(Payments=None)),
    carried(IT, "P10: a field that is new", put(NewThing={"deep": [{"er": EMAIL}]})),
    carried(IT, "P10: lines that are null", put(LineItems=None)),
    carried(IT, "X22: a class in a field", put(__class__={"py/object": "os.system"})),
    carried(IT, "X10, D26: half a character where nobody looks", put(Url="a\ud800b")),
    carried(
        IT, "D8: a field given twice where nobody looks", twice("Url", '"a"', '"b"')
    ),
    carried(IT, "D26: a memo of a megabyte", put(Url="\U0001f600" * (LONG // 4))),
    carried(
        IT, "D26, X30: ten thousand lines", put(LineItems=[{"LineAmount": 1}] * 10_000)
    ),
    carried(
        IT,
        "X30: five thousand payments",
        lambda row: {**row, "Payments": row["Payments"] * 5_000},
    ),
    carried(
        IT,
        "X10: lists three hundred deep where nobody looks",
        put(Url=Raw("[" * 300 + "]" * 300)),
    ),
]

PAYMENTS = [
    *[
        Row(
            f"{name} in the list of payments",
            PAYMENT,
            edit,
            Code.BAD_FIELD,
            field,
            numbers=(),
        )
        for name, edit, field in [
            ("P10: no invoice", put(Invoice=GONE), "Invoice"),
            ("P10: an invoice that is a text", put(Invoice=EMAIL), "Invoice"),
            (
                "P10: an invoice without id",
                put(Invoice__InvoiceID=GONE),
                "Invoice.InvoiceID",
            ),
            (
                "D31: an invoice's id of true",
                put(Invoice__InvoiceID=True),
                "Invoice.InvoiceID",
            ),
            (
                "X17: an invoice's id that is a path",
                put(Invoice__InvoiceID="../x"),
                "Invoice.InvoiceID",
            ),
            ("P10: a null row", instead(None), ""),
            ("P10: a text for a row", instead(EMAIL), ""),
            ("P10: a type that is a list", put(PaymentType=[1]), "PaymentType"),
        ]
    ],
    *[
        Row(f"{name} in the list of payments", PAYMENT, edit)
        for name, edit in {
            "D5: an amount of NaN": put(Amount="NaN"),
            "D20: a new status": put(Status="BOUNCED"),
            "D30: a deleted one": put(Status="DELETED"),
            "P10: a new type": put(PaymentType="NEW"),
            "D24: a bad change time": put(UpdatedDateUTC="never"),
            "D10: a rate of nothing": put(CurrencyRate=0),
            "D30: a refund": put(PaymentType="ARCREDITPAYMENT"),
        }.items()
    ],
]

ROWS = [*MONEY, *NAMES, *DAYS, *SHAPES, *PAYMENTS]
