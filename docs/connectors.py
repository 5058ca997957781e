"""
The connectors as the documentation shows them: how one is made, and what its arguments are.

A new connector is one entry here, one page in ``systems/``, and a line in ``systems.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tieout.connectors.connectwise import ConnectWise
from tieout.connectors.tryton import Tryton
from tieout.connectors.xero import Xero


@dataclass(frozen=True)
class Documented:
    """One connector: made with the defaults of all arguments but ``made_with``."""

    kind: type[Any]
    made_with: Mapping[str, str]
    arguments: Mapping[str, str]
    """What each argument is for."""

    def made(self) -> Any:
        """The connector."""
        return self.kind(**self.made_with)


CONNECTORS: Mapping[str, Documented] = {
    "xero": Documented(
        Xero,
        dict(tenant_id="t", client_id="c", client_secret="s", refresh_token="r"),
        {
            "tenant_id": "the id of the organisation",
            "client_id": "of your app",
            "client_secret": "of your app",
            "refresh_token": "of an authorization-code app; without it, a custom connection",
            "scope": "sent for a custom connection only",
            "base_url": "where the API is",
            "identity_url": "where the sign-in is",
            "page_size": "records in one page; at most 1000 (second hand)",
            "per_minute": "Xero's limit of one app in one organisation",
            "per_day": "the same for a day; 1000 on the free tier",
            "concurrency": "requests at once; Xero allows five",
            "overlap": "how far before the marker a read begins (a guess)",
            "sweep_every": "how often open and lately closed invoices are read again",
            "account": "the code of the account for lines that name none",
            "deposit_account": "the code of the account that payments are deposited to",
            "shortcode": "of the organisation, for addresses of pages; without it they open the user's last one",
            "link_paths": "addresses of Xero's own pages; the credit note's is not sure",
        },
    ),
    "connectwise": Documented(
        ConnectWise,
        dict(company="c", public_key="p", private_key="q", client_id="i"),
        {
            "company": "the company id that people sign in with",
            "public_key": "of the API member",
            "private_key": "of the API member",
            "client_id": "of your integration",
            "site": "the host that people sign in to",
            "version": "the version of the payload that is asked for",
            "base_url": "the API's address up to `/apis/3.0`, where it is not to be asked for",
            "page_size": "records in one page; 1000 is the vendor's most",
            "fetch_size": "ids or numbers in one request",
            "concurrency": "requests at once (a guess)",
            "limits": "limits to keep; the vendor publishes none",
            "payment_fields": "what a new payment needs besides amount and date (not sure)",
            "partial_payment_date": "whether a partial payment takes a date; it is the last receipt's (not sure)",
            "active_statuses": "which company statuses count as active; sites name their own",
            "deep_link_template": "the address of a record's page for people (not sure)",
        },
    ),
    "tryton": Documented(
        Tryton,
        dict(url="https://tryton.example", database="d", user="u", password="p"),
        {
            "url": "the server's address, without the database",
            "database": "its name",
            "user": "as people sign in",
            "password": "as people sign in",
            "company": "needed only where the user may work for several; then a part of the connection's name",
            "dialect": '`"8.2"` or `"7.0"`; where it is not given, it is found out',
            "language": "of the messages, so that their texts can be recognised",
            "page_size": "records in one page; 250 was the fastest (measured)",
            "fetch_size": "ids or numbers in one request",
            "paid_date": 'the day of full payment: the first from which nothing was owed, or (`"last"`) that of the last line that settled',
            "overlap": "how far before the marker a read begins: posting stamps its start and commits later",
            "page_link": "the address of a record's page for people (not sure)",
            "receivable": "the id of the account of what customers owe, for documents",
            "revenue": "the id of the account for lines that name none by its code",
            "journal": "the id of the journal for invoices: without one a draft cannot be posted",
            "payment_term": "the id of the payment term; without one a document is due on its own day",
            "payment_method": "the id of the way of payment, for payments",
            "skip_warnings": "names of warnings that count as confirmed, such as `invoice_payment_term`",
            "overpay": "whether more may be paid than is owed; the rest stays as the customer's credit",
        },
    ),
}
"""By the name of its module and of its page."""
