"""
The company that every fake Tryton begins with: accounts, journals, years, terms.

It is as small as a company can be that posts invoices and takes money; nothing here is
asked for again once the books are open.
"""

from __future__ import annotations

import calendar
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tieout.testing.fakes.tryton_books import PARTY, Books
from tieout.testing.fakes.tryton_models import Row

SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
WITHOUT_CENTS = frozenset({"JPY", "KRW", "CLP", "ISK", "VND"})
WITH_MILLS = frozenset({"BHD", "KWD", "OMR", "JOD", "TND"})


@dataclass(frozen=True, slots=True)
class Chart:
    """The ids that a client of a real company would have in its settings."""

    company: int
    currency: int
    receivable: int
    payable: int
    revenue: int
    cash: int
    expense: int
    tax_account: int
    revenue_journal: int
    cash_journal: int
    exchange_journal: int
    term_now: int
    term_30: int
    payment_method: int
    write_off: int


_TYPES = (
    # name, statement, which flag
    ("Receivable", "balance", "receivable"),
    ("Payable", "balance", "payable"),
    ("Revenue", "income", "revenue"),
    ("Cash", "balance", ""),
    ("Expense", "income", "expense"),
    ("Tax", "balance", ""),
)
_METHOD = "account.invoice.payment.method"
_WRITE_OFF = "account.move.reconcile.write_off"
_FLAGS = ("receivable", "payable", "revenue", "expense")
_ACCOUNTS = (
    ("1.2.1", "Main Receivable"),
    ("2.1.1", "Main Payable"),
    ("4.1.1", "Main Revenue"),
    ("1.1.1", "Main Cash"),
    ("5.1.1", "Main Expense"),
    ("2.3.1", "Main Tax"),
)
_JOURNALS = (
    ("REV", "Revenue", "revenue"),
    ("EXP", "Expense", "expense"),
    ("CASH", "Cash", "cash"),
    ("STA", "Statement", "statement"),
    ("MISC", "Miscellaneous", "general"),
    ("EXC", "Currency Exchange", "write-off"),
)


def add_currency(books: Books, code: str, rate: Decimal = Decimal(1)) -> int:
    """A currency with its own digits, ``rate`` of it for one of the base; its id."""
    digits = 0 if code in WITHOUT_CENTS else 3 if code in WITH_MILLS else 2
    values: Row = {"name": code, "code": code, "symbol": SYMBOLS.get(code, code)}
    values |= {"digits": digits, "rounding": Decimal(1).scaleb(-digits), "active": True}
    key = books.insert("currency.currency", values)
    first = {"currency": key, "date": date(2000, 1, 1), "rate": rate}
    books.insert("currency.currency.rate", first)
    return key


def add_term(books: Books, name: str, *parts: tuple[int, str]) -> int:
    """
    A payment term; its id.

    Each part is a number of days and a share of the whole; the last takes the rest.
    """
    model = "account.invoice.payment_term"
    term = books.insert(model, {"name": name, "active": True})
    for position, (days, share) in enumerate(parts, 1):
        is_last = position == len(parts)
        values: Row = {"payment": term, "sequence": position}
        values["type"] = "remainder" if is_last else "percent_on_total"
        line = books.insert(f"{model}.line", {**values, "ratio": Decimal(share)})
        books.insert(f"{model}.line.delta", {"line": line, "days": days})
    return term


def _accounts(books: Books) -> list[int]:
    found = []
    for (name, statement, flag), (code, label) in zip(_TYPES, _ACCOUNTS, strict=True):
        flags = {each: each == flag for each in _FLAGS}
        kind = books.insert(
            "account.account.type", {"name": name, "statement": statement, **flags}
        )
        is_of_parties = flag in {"receivable", "payable"}
        values = {"code": code, "name": label, "type": kind, "company": 1}
        values |= {"party_required": is_of_parties, "reconcile": is_of_parties}
        found.append(books.insert("account.account", {**values, "closed": False}))
    return found


def add_year(books: Books, year: int) -> None:
    """A fiscal year of months."""
    values = {"company": 1, "state": "open"}
    whole = {"start_date": date(year, 1, 1), "end_date": date(year, 12, 31)}
    key = books.insert("account.fiscalyear", {**values, **whole, "name": str(year)})
    for month in range(1, 13):
        last = calendar.monthrange(year, month)[1]
        days = {"start_date": date(year, month, 1), "end_date": date(year, month, last)}
        named = {"name": f"{year}-{month:02}", "fiscalyear": key, "type": "standard"}
        books.insert("account.period", {**values, **days, **named})


def open_books(
    books: Books, *, company: str, currency: str, login: str, years: Collection[int]
) -> Chart:
    """Everything that is there before the first customer."""
    house, base = _house(books, company, currency, login)
    receivable, payable, revenue, cash, expense, tax = _accounts(books)
    journals = [
        books.insert(
            "account.journal",
            {"code": code, "name": name, "type": kind, "active": True},
        )
        for code, name, kind in _JOURNALS
    ]
    for year in sorted(years):
        add_year(books, year)
    return Chart(
        company=house,
        currency=base,
        receivable=receivable,
        payable=payable,
        revenue=revenue,
        cash=cash,
        expense=expense,
        tax_account=tax,
        revenue_journal=journals[0],
        cash_journal=journals[2],
        exchange_journal=journals[5],
        term_now=add_term(books, "Upon Receipt", (0, "1")),
        term_30=add_term(books, "30 days", (30, "1")),
        payment_method=_way(books, _METHOD, "Cash", journals[2], cash),
        write_off=_way(books, _WRITE_OFF, "Rounding", journals[5], expense),
    )


def _house(books: Books, name: str, currency: str, login: str) -> tuple[int, int]:
    """The users, the company and its currency."""
    for label, known in (("Administrator", "admin"), (login.title(), login)):
        books.insert("res.user", {"name": label, "login": known, "active": True})
    base = add_currency(books, currency)
    party = books.insert(PARTY, {"name": name, "code": "1", "active": True})
    books.insert("party.address", {"party": party, "active": True})
    values = {"party": party, "currency": base, "timezone": books.timezone or None}
    return books.insert("company.company", values), base


def _way(books: Books, model: str, name: str, journal: int, account: int) -> int:
    """A way to receive money, or to give it up."""
    values: Row = {"name": name, "company": 1, "journal": journal, "active": True}
    values |= {"credit_account": account, "debit_account": account}
    return books.insert(model, values)
