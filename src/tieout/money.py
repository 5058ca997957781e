"""
Money: an exact decimal amount of one ISO 4217 currency.

Nothing here rounds, converts or guesses a currency, and no float comes in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any

from attrs import field, frozen

from tieout.errors import Code, Fault

_TWO = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP
GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK
LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO
NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS
SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST
XAD XCD XCG YER ZAR ZMW ZWG
"""
_WITHDRAWN = "ANG BGN"
"""Left the list in 2025 and 2026; invoices in them are still being paid."""

EXPONENTS: Mapping[str, int] = {
    **dict.fromkeys((_TWO + _WITHDRAWN).split(), 2),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["CLF", "UYW"], 4),
}
"""ISO 4217: how many decimals the minor unit of each currency has."""

DIGITS_MAX = 18
"""Before the point. More is no amount of money but an attack or a mistake."""

DECIMALS_MAX = 12
"""After the point. Some ledgers print 100.0000; zeros behind the minor unit are fine."""

_PLAIN = re.compile(
    rf"-?[0-9]{{1,{DIGITS_MAX}}}(?:\.[0-9]{{1,{DECIMALS_MAX}}})?", re.ASCII
)
EXACT = Context(prec=60, traps=[InvalidOperation, DivisionByZero, Overflow])
"""Sums and products of amounts fit into it without rounding, whatever the host has set."""

_LIMIT = Decimal(10) ** DIGITS_MAX
ZERO = Decimal(0)
_UNITS = {places: Decimal(1).scaleb(-places) for places in range(5)}


def exponent(currency: str) -> int:
    """The number of decimals of a currency; `Fault` BAD_CURRENCY where it is none."""
    try:
        return EXPONENTS[currency]
    except (KeyError, TypeError):
        told = described(currency, "[A-Za-z$]{1,8}")
        raise Fault(Code.BAD_CURRENCY, f"{told} is no current ISO 4217 code") from None


def described(value: Any, harmless: str) -> str:
    """
    A bad value as a message may tell it: word for word where it matches the pattern.

    Otherwise its kind and length alone: it may be anything, even a secret.
    """
    if isinstance(value, str) and re.fullmatch(harmless, value, re.ASCII):
        return repr(value)
    size = f" of {len(value)} characters" if isinstance(value, str) else ""
    return f"a {type(value).__name__}{size}"


def parse_amount(value: Any) -> Decimal:
    """
    An amount from a string, an integer or a `Decimal`, exactly.

    The grammar is strict: an optional minus, ASCII digits, a point, digits. Raises `Fault`
    BAD_AMOUNT for anything else: floats, booleans, commas, exponents, NaN, infinities,
    digits of other scripts, more digits than any money has.
    """
    match value:
        case bool():
            raise _bad(value)
        case str() if _PLAIN.fullmatch(value):
            return Decimal(value) or ZERO
        case int() if abs(value) < _LIMIT:
            return Decimal(value)
        case Decimal() if value.is_finite() and _sized(value):
            return value or ZERO
        case _:
            raise _bad(value)


def _sized(value: Decimal) -> bool:
    decimals = -int(value.as_tuple().exponent)  # finite, hence an integer
    return decimals <= DECIMALS_MAX and value.adjusted() < DIGITS_MAX


def _bad(value: Any) -> Fault:
    return Fault(
        Code.BAD_AMOUNT, f"{described(value, '')} is not a plain decimal amount"
    )


def amount(value: Any, currency: str) -> Decimal:
    """An amount that the currency can hold: JPY 10.005 raises `Fault` BAD_AMOUNT."""
    parsed = parse_amount(value)
    places = exponent(currency)
    if parsed != parsed.quantize(_UNITS[places], context=EXACT):
        raise Fault(
            Code.BAD_AMOUNT,
            f"the amount has more than the {places} decimals of {currency}",
        )
    return parsed


@frozen(order=False)
class Money:
    """An amount in a currency. Adding or comparing two currencies raises `Fault`."""

    amount: Decimal = field(converter=parse_amount)
    currency: str = field()

    def __attrs_post_init__(self) -> None:
        exponent(self.currency)

    def __add__(self, other: Money) -> Money:
        return Money(EXACT.add(self.amount, self._same(other)), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(EXACT.subtract(self.amount, self._same(other)), self.currency)

    def __neg__(self) -> Money:
        return Money(EXACT.minus(self.amount), self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other)

    def __bool__(self) -> bool:
        return bool(self.amount)

    def __str__(self) -> str:
        return f"{self.amount:,.{exponent(self.currency)}f} {self.currency}"

    def _same(self, other: Money) -> Decimal:
        if other.currency != self.currency:
            raise Fault(
                Code.CURRENCY_DIFFERS,
                f"{self.currency} and {other.currency} do not mix",
            )
        return other.amount


def add_up(amounts: Iterable[Money]) -> dict[str, Money]:
    """The sum of each currency, by its code in order."""
    totals: dict[str, Money] = {}
    for money in amounts:
        held = totals.get(money.currency)
        totals[money.currency] = money if held is None else held + money
    return dict(sorted(totals.items()))
