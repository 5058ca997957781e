"""
Makes a small company in a new Tryton database, with Tryton's own client.

Run as a script, in a process of its own and with no server on the database:
`python seed.py trytond.conf database facts.json`. proteus then works inside
trytond, which leaves pools and caches behind that a test should not inherit.
The ids that later calls need are written to `facts.json`, since they differ
between versions and charts of accounts.
"""

import datetime as dt
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from proteus import Model, config
from trytond.modules.account.tests.tools import (
    create_chart,
    create_fiscalyear,
    create_tax,
    get_accounts,
)
from trytond.modules.account_invoice.tests.tools import (
    create_payment_term,
    set_fiscalyear_invoice_sequences,
)
from trytond.modules.company.tests.tools import create_company, get_company
from trytond.modules.currency.tests.tools import get_currency

# The connector reads and writes as one user, the accountant works as another:
# a locked or signed-out connector must not stop the books.
USERS = {
    "connector": "a-long-connector-password",
    "accountant": "a-long-accountant-password",
}
GROUPS = {
    "Accounting",
    "Accounting Administration",
    "Party Administration",
    "Product Administration",
}


def one(model: str, *domain: tuple[str, str, object]) -> Any:
    """The single record that the domain names; an error where there is none."""
    (record,) = Model.get(model).find(list(domain), limit=1)
    return record


def company() -> Any:
    create_company()
    return get_company()


def number_by_year(sequence: Any, year: int) -> None:
    """Numbers such as 2026-00001: each year counts from one again."""
    sequence.prefix, sequence.padding = f"{year}-", 5
    sequence.save()


def books(company: Any) -> dict[str, Any]:
    """The chart of accounts and two fiscal years, so that dates may lie back."""
    create_chart(company)
    this_year = dt.datetime.now().astimezone().year
    for year in (this_year - 1, this_year):
        first, last = dt.date(year, 1, 1), dt.date(year, 12, 31)
        fiscal = set_fiscalyear_invoice_sequences(
            create_fiscalyear(company, today=(first, last))
        )
        # The helper widens the year by half a year to each side.
        fiscal.name, fiscal.start_date, fiscal.end_date = str(year), first, last
        number_by_year(fiscal.invoice_sequences[0].out_invoice_sequence, year)
        fiscal.save()
        fiscal.click("create_period")
    accounts: dict[str, Any] = get_accounts(company)
    return accounts


def terms() -> dict[str, int]:
    """`now`: due on the invoice date; `days30`: due thirty days after it."""
    now = create_payment_term()
    now.save()
    days30 = Model.get("account.invoice.payment_term")(name="30 days")
    line = days30.lines.new(type="remainder")
    line.relativedeltas.new(days=30)
    days30.save()
    return {"now": now.id, "days30": days30.id}


def money(accounts: dict[str, Any]) -> dict[str, int]:
    """A way to receive cash, and one to write off what will not come."""
    cash = Model.get("account.invoice.payment.method")(
        name="Cash",
        journal=one("account.journal", ("type", "=", "cash")),
        credit_account=accounts["cash"],
        debit_account=accounts["cash"],
    )
    cash.save()
    write_off = Model.get("account.move.reconcile.write_off")(
        name="Rounding",
        journal=one("account.journal", ("type", "=", "write-off")),
        credit_account=accounts["expense"],
        debit_account=accounts["expense"],
    )
    write_off.save()
    return {"payment_method": cash.id, "write_off": write_off.id}


def tax(company: Any) -> None:
    """A tax of 20 % that lines can name."""
    made = create_tax(Decimal("0.2"), company)
    made.name = made.description = "VAT 20%"
    made.save()


def short_print() -> None:
    """
    Invoices are printed as one line of text.

    Posting prints, and the OpenDocument template costs 0.3 s an invoice.
    """
    report = one("ir.action.report", ("report_name", "=", "account.invoice"))
    report.report_content_custom = b"${record.number}"
    report.template_extension = "txt"
    report.extension = ""
    report.save()


def users(company: int) -> None:
    find = Model.get("res.group").find
    for login, password in USERS.items():
        user = Model.get("res.user")(name=login.title(), login=login)
        user.password = password
        # A proteus record belongs to one list only: read it again for each.
        house = Model.get("company.company")(company)
        user.companies.append(house)
        user.company = house
        user.groups.extend(find([("name", "in", sorted(GROUPS))]))
        if {group.name for group in user.groups} < GROUPS:
            raise LookupError(f"groups missing: {[g.name for g in user.groups]}")
        user.save()


def main(conf: str, database: str, facts: str) -> None:
    config.set_trytond(database, config_file=conf)
    house = company()
    accounts = books(house)
    tax(house)
    get_currency("EUR")  # two of it for one of the company's
    short_print()
    found = {
        "company": house.id,
        "company_name": house.party.name,
        "users": USERS,
        "currency": house.currency.id,
        "currency_code": house.currency.code,
        "accounts": {name: account.id for name, account in accounts.items()},
        "journals": {
            "revenue": one("account.journal", ("type", "=", "revenue")).id,
            "cash": one("account.journal", ("type", "=", "cash")).id,
        },
        "terms": terms(),
        **money(accounts),
    }
    users(house.id)
    Path(facts).write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:4])
