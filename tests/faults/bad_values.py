"""Values that are not what a field should hold, by the ids that they show; pure data."""

from __future__ import annotations

from typing import Any

from fault_rows import EMAIL, Edit, Raw

LONG = 1_000_000
"""Characters: more than anybody types."""

AMOUNTS: dict[str, Any] = {
    "D5: the text NaN": "NaN",
    "D5: the text sNaN": "sNaN",
    "D5: the text Infinity": "Infinity",
    "D5: the text -Infinity": "-Infinity",
    "D5: 1e999": Raw("1e999"),
    "D5: -1e999": Raw("-1e999"),
    "D6: thirty digits": Raw("1" + "0" * 30),
    "D6: nineteen digits": Raw("1" + "0" * 18),
    "D6: forty decimals": Raw("100." + "0" * 39 + "1"),
    "D6: 1e999999": Raw("1e999999"),
    "D6: 1e-999999": Raw("1e-999999"),
    "D6: as a text, thirty digits": "1" + "0" * 30,
    "D6: as a text, 1e999999": "1e999999",
    "D7: Arabic digits": "١٠٠",
    "D7: full-width digits": "１００",
    "D7: superscript digits": "10⁰",
    "D7: an underscore": "1_00",
    "D7: a comma for thousands": "1,000",
    "D7: a comma for the point": "100,00",
    "D7: a space before": " 100",
    "D7: a no-break space inside": "1\u00a0000",
    "D7: a line end behind": "100\n",
    "D7: a plus sign": "+100",
    "D7: an exponent": "1e2",
    "D7: hexadecimal": "0x64",
    "D7: a last point": "100.",
    "D7: a first point": ".5",
    "D7: two minus signs": "--100",
    "D7: brackets for minus": "(100)",
    "D7: a Unicode minus": "\u2212100",
    "D7: a currency sign": "$100",
    "D7, D26: a NUL behind": "100\x00",
    "D11: a third decimal": Raw("100.005"),
    "D11: as a text, a third decimal": "100.005",
    "D31: true": True,
    "D31: false": False,
    "P10: a list": [100],
    "P10: an object": {"value": 100},
    "P10: an empty text": "",
    "X12: a formula": "=1+1",
    "X15: SQL": "100; DROP TABLE fact;--",
    "X20: an address": EMAIL,
    "X23: a hundred thousand digits and a letter": "1" * 100_000 + "x",
}
"""What is no amount of dollars, in whatever field."""

DATES: dict[str, Any] = {
    "D22: the year 1": "0001-01-01T00:00:00",
    "D22: the year 9999": "9999-12-31T00:00:00",
    "D22: the year 1 in milliseconds": "/Date(-62135596800000)/",
    "D22: the year 9999 in milliseconds": "/Date(253402214400000)/",
    "D22: 29 February of no leap year": "2026-02-29T00:00:00",
    "D22: 31 April": "2026-04-31T00:00:00",
    "D22: month 13": "2026-13-01T00:00:00",
    "D22: day 0": "2026-03-00T00:00:00",
    "D24: day and month by slashes": "10/03/2026",
    "D24: a word": "yesterday",
    "D24: digits of another script": "２０２６-03-10T00:00:00",
    "D24: milliseconds as a text": "1773100800000",
    "D24: no milliseconds": "/Date()/",
    "D24: milliseconds with an exponent": "/Date(1e12)/",
    "D24: milliseconds of no slash": "Date(1773100800000)",
    "D24: an hour 25": "2026-03-10T25:00:00",
    "D24: garbage behind": "2026-03-10T00:00:00; DROP",
    "D24, X14: a line behind": "2026-03-10\r\n2026 ERROR fake",
    "X20: an address": EMAIL,
    "X23: a hundred thousand digits": "2026-03-" + "1" * 100_000,
}
"""What is no day, in whatever field."""

NO_TEXT: dict[str, Any] = {
    "P10: true": True,
    "P10: a list": [EMAIL],
    "P10: an object": {"email": EMAIL},
    "X10, D26: half a character": "a\ud800b",
}
"""What is no text, in whatever field."""

CURRENCIES: dict[str, Any] = {
    "D9: lower case": "usd",
    "D9: no currency at all": "XXX",
    "D9: a test currency": "XTS",
    "D9: historic": "DEM",
    "D9: a name": "EURO",
    "D9: a sign": "US$",
    "D9: a number": 840,
    "D9: empty": "",
    "D9: a space before": " USD",
    "D9, D15: full-width": "ＵＳＤ",
    "D9, D15: a zero-width space": "USD\u200b",
    "D9, D15: a Cyrillic letter": "US\u0405",
    "X20: an address": EMAIL,
}

ODD_NUMBERS: dict[str, str] = {
    "D15: a right-to-left override": "INV\u202e-X",
    "D15: a zero-width space": "INV\u200b-X",
    "D15: a byte order mark": "INV-X\ufeff",
    "D15: a bidi isolate": "\u2066INV-X\u2069",
    "D26: a NUL": "INV\x00-X",
    "X14: a forged log line": "INV-X\r\n2026 ERROR fake",
    "X14: an escape sequence": "INV\x1b[31m-X",
    "D15: a line separator": "INV\u2028-X",
    "D15: a private character": "INV\ue000-X",
}
"""Numbers with characters that cannot be seen, or do what no number should."""

STRANGE_NUMBERS: dict[str, str] = {
    "D15: a Cyrillic letter": "\u0406NV-X",
    "D15: a Greek letter": "INV-\u03a7",
    "D15: full-width letters": "ＩＮＶ-X",
    "D15: another dash": "INV\u2010X",
    "D15: lower case": "inv-x",
    "D27: a number that goes on": "INV-X-and-on-and-on-2",
    "D27: a number cut off": "INV-",
    "X12: a formula": "=cmd|' /C calc'!A0",
    "X13: a script": "<script>alert(1)</script>",
    "X15: SQL": "'; DROP TABLE link;--",
    "X15: a wildcard": "INV%",
    "X15: an underscore": "INV_X",
    "X16: a condition": "x' or '1'='1",
    "X16: a list": "INV-X,G01",
    "X16: OData": "x') or (1 eq 1",
    "X17: a path": "../../etc/passwd",
    "X22: a class": "{__class__}",
    "D31: leading zeros": "007",
}
"""Numbers that look like, or try to be, the victim's or everybody's."""


def twice(field: str, first: str, second: str) -> Edit:
    """A key given twice with different values."""
    return lambda row: {
        **{name: value for name, value in row.items() if name != field},
        field: Raw(f'{first},"{field}":{second}'),
    }


def some(values: dict[str, Any], *beginnings: str) -> dict[str, Any]:
    """The cases whose names begin so."""
    return {k: v for k, v in values.items() if k.startswith(beginnings)}
