"""
An empty connector to start from: Acme, a ledger whose invoices are a list of JSON objects.

Copy it, put your vendor's words in the places that are marked with numbers, and run it: it
reads the row below as the engine will. It writes nothing; `docs/writing-a-connector.md`
goes on from here, to documents and a report card.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tieout.auth import Headers
from tieout.capabilities import (
    Capabilities,
    Changed,
    Everything,
    Feed,
    Kind,
    Payments,
    Select,
)
from tieout.connector import (
    Books,
    Fields,
    Resource,
    RestConnector,
    Rule,
    iso_day,
    iso_instant,
)
from tieout.errors import Code
from tieout.models import Part, Ref, Settlement, Status
from tieout.wire import Request, Response

# 1. A row of an invoice, word for word as the vendor's documentation shows it.
ROW = """
{"id": "7", "number": "INV-7", "customer": "3", "date": "2026-03-02", "currency": "USD",
 "total": 120.00, "paid": 50.00, "paid_on": null, "status": "open",
 "changed": "2026-03-09T10:00:00Z"}
"""

# 2. The vendor's words for how a document stands. One that is missing is an issue, no guess.
STATUSES: Mapping[str, Status] = {
    "draft": Status.DRAFT,
    "open": Status.OPEN,
    "paid": Status.SETTLED,
    "void": Status.VOID,
}

# 3. The vendor's errors that mean something else than their status, or need a remedy.
RULES = (Rule(Code.SIGN_IN_REFUSED, 401, remedy="Make a new key in Acme."),)


class Acme(RestConnector):
    """One company in Acme."""

    rules = RULES
    # 4. What an id and a cursor look like: others are refused without a request.
    ids = re.compile(r"[0-9]{1,12}", re.ASCII)
    cursors = re.compile(r"[0-9]{1,9}", re.ASCII)

    def __init__(self, *, company: str, key: str, page_size: int = 100) -> None:
        # 5. A name that never changes and is no secret; it is a part of every key.
        self.connection = f"acme:{company}"
        # 6. How requests are signed, and where paths begin. OAuth 2 is `tieout.auth.OAuth2`.
        self.auth = Headers(f"https://acme.example/{company}", {"X-Key": key})
        # 7. Where each kind lives, how its rows are found in an answer, and what comes next.
        self.resources = {
            Settlement: Resource(
                Settlement,
                "invoices",
                self.settlement,
                rows="items",
                next_field="next",
            )
        }
        # 8. What the system can do. Nothing is found out at run time. Add `Payments.blind`
        #    and `Payments.sweep_every` where some change of money is not seen in the list.
        listed = Kind(selects=frozenset({Changed, Everything}), page_size=page_size)
        money = Payments(feeds=(Feed.STAMP,), parts=frozenset({Part.CASH}))
        self.capabilities = Capabilities("Acme", {Settlement: listed}, money)

    def probes(self) -> Mapping[str, Request]:
        # 9. One cheap request for each permission that is needed.
        return {"company": Request("GET", "company"), "invoices": self.listed({})}

    def books(self, answers: Mapping[str, Response]) -> Books:
        # 10. What the company is called for ever; without a permission its answer is absent.
        company = Fields(answers["company"].json())
        return Books(company.id("id"), company.text("name"))

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        # 11. `since` is inclusive; if the vendor's is not, ask from a little earlier.
        asked = {"limit": str(self.capabilities.kind(resource.kind).page_size)}
        if isinstance(select, Changed):
            asked["since"] = f"{select.since:%Y-%m-%dT%H:%M:%SZ}"
        if cursor:
            asked[resource.page_parameter] = cursor
        return self.listed(asked)

    def listed(self, asked: Mapping[str, str]) -> Request:
        """The list of invoices, asked for with these parameters."""
        return Request("GET", "invoices", asked)

    def settlement(self, row: Fields) -> Settlement:
        """The money of one invoice."""
        # 12. The currency first: it says how many digits the amounts have.
        currency = row.currency("currency")
        total, paid = row.amount("total", currency), row.amount("paid", currency)
        return Settlement(
            ref=Ref(self.connection, "Invoice", self.own_id(row)),
            number=row.number("number"),
            customer=Ref(self.connection, "Customer", row.id("customer")),
            currency=currency,
            on=row.read("date", iso_day),
            total=total,
            balance=total - paid,
            settled_by={Part.CASH: paid},
            paid_on=row.maybe("paid_on", iso_day),
            status=row.choice("status", STATUSES),
            changed_at=row.read("changed", iso_instant),
        )


def main() -> None:
    """Read the row as the engine will, and say what became of it."""
    acme = Acme(company="1", key="key")
    rows = [Response(200, (), ROW.encode()).json()]
    records, issues = acme.load(acme.resource(Settlement), rows)
    for each in records:
        print(f"{each.number}: {each.paid} of {each.total} {each.currency} is paid")
    for each in issues:
        print(each)


if __name__ == "__main__":
    main()
