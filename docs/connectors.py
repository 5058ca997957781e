"""
The connectors as the documentation shows them: how one is made, and what its arguments are.

A new connector has one entry here; ``writing-a-connector.md`` lists the other places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tieout.connectors.autotask import Autotask
from tieout.connectors.connectwise import ConnectWise
from tieout.connectors.intacct import Intacct
from tieout.connectors.invoiced import Invoiced
from tieout.connectors.quickbooks import QuickBooks
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
            "invoice_fields": "what a new invoice or credit memo needs besides number, type, company, dates and total (not sure)",
            "company_fields": "what a new company needs besides identifier, name, account number and e-mail address (not sure)",
            "voided_company": "the fields that take a company back; without it `deletedFlag` is set (not sure)",
            "invoice_type": "the type of new invoices (not sure)",
            "final_status": "the id of a closed billing status for new documents; without it a person closes them",
            "negative_memos": "whether a new credit memo is sent with a total below zero (not sure)",
            "currencies": "ConnectWise's ids of currencies by their codes; for others the company's own applies (not sure)",
            "may_delete": "whether an invoice or credit memo that is neither batched nor closed may be deleted",
            "applications": "whether credit memos are read with what they were applied to, a call for each credited invoice",
            "partial_payment_date": "whether a partial payment takes a date; it is the last receipt's (not sure)",
            "payments_stamp": "whether an invoice's change time moves with its payments (not sure)",
            "closed_path": "where invoices and credit memos are changed that are closed (not sure)",
            "unposted_id": "the field of the unposted list that has the invoice's id (not sure)",
            "batch_prefix": "what the names of accounting batches begin with",
            "active_statuses": "which company statuses count as active; sites name their own",
            "deep_link_template": "the address of a record's page for people (not sure)",
        },
    ),
    "autotask": Documented(
        Autotask,
        dict(company="c", user="u", secret="s", integration_code="i", currency="USD"),
        {
            "company": "a name of yours for the database: part of every key, so never to be changed",
            "user": "the name of the API-only user",
            "secret": "of the API user",
            "integration_code": "of your integration, or the tracking identifier of a custom one",
            "currency": "of all invoices; needed unless each has its customer's",
            "multi_currency": "whether each invoice is in the currency of its customer",
            "credit_notes": "whether an invoice below zero is a credit note (not sure)",
            "page_size": "records in one page; 500 is the vendor's most",
            "fetch_size": "ids or numbers in one request; at most 250",
            "calls_per_hour": "of the quota that all integrations of the database share",
            "concurrency": "requests at once; Autotask allows three of one integration to one kind of record (not sure)",
            "company_stamp": "the field of a company that tells when it changed (not sure)",
            "company_fields": "what a new company needs besides its name and number (not sure)",
            "mark_udf": "the name of a user-defined field of companies, to find a new one again by (not sure)",
            "base_url": "where the zone of the database is asked for",
            "domain": "what the host of a zone ends with; the keys go nowhere else",
            "web_url": "where people sign in, such as `https://ww14.autotask.net`; without it there are no addresses of pages",
            "link_paths": "the addresses of pages for people; the invoice's is not sure",
        },
    ),
    "intacct": Documented(
        Intacct,
        dict(company="c", user="u", password="p", sender="s", sender_password="q"),
        {
            "company": "the company id that people sign in with",
            "user": "a user for web services alone: a person's password change would break the link",
            "password": "of the user",
            "sender": "your web services sender id, which the company has to authorize",
            "sender_password": "of the sender",
            "locationid": "the entity that every call is for; a part of the connection's name",
            "base_currency": "of the company: it counts where a document tells no currency, and another one is sent with the vendor's rate",
            "url": "where the sign-in is; all else goes to where that leads",
            "page_size": "records in one page; 2000 is the vendor's most",
            "fetch_size": "ids or numbers in one request; at most 1000 (not sure)",
            "batch_size": "changes in one request; at most 100 (second hand)",
            "zone": "the IANA time zone of change times (not sure)",
            "overlap": "how far before the marker a read begins (a guess)",
            "late_commit": "how long Intacct may go on after we gave up: 15 minutes by its documentation",
            "sweep_every": "how often open and lately closed invoices are read again",
            "parts": "whether what was paid is split into cash and credit; without it a page costs two calls less",
            "order_entry": "whether the company has that module: what it made is known by its document there",
            "receivables": "whether documents that are no order entry's are listed; without, only those of that module are",
            "returns": "the transaction definitions of order entry whose documents are credit notes; all, where none is named",
            "deletions": "whether the audit history is read for deleted invoices; it needs a permission of its own",
            "bill_to_contacts": "whether a customer is one customer for each of its bill-to contacts",
            "account": "the general ledger account of lines that name none",
            "tax_accounts": 'the account of tax, by tax code; `""` for all others',
            "location": "the location of lines that name none, and of overpayments; by default the entity",
            "department": "the department of the same",
            "deposit_accounts": "the bank account of a payment by currency and method, such as `EUR/EFT`, `EUR/*` or `*/*`; `undeposited:1099` is an account of undeposited funds",
            "payment_methods": "the vendor's word for each payment method of yours",
            "payment_method": "of payments that name none",
            "rate_type": "the kind of exchange rate of documents in another currency",
            "mark_field": "where a credit note carries our mark: `DOCNUMBER`, `EXTERNALID` or `DESCRIPTION` (which of them can be searched is not sure)",
            "delete_credit_notes": "whether voiding a credit note deletes it: Intacct has no other way",
            "without": "standard fields that this company does not have, such as `CUSTOMER.CURRENCY`",
            "extra_fields": "further fields, also of your own, by object; they land in a record's `custom`",
            "states": "what the words for an invoice's state mean (not sure)",
            "payment_states": "the same for payments (not sure)",
            "look_up": "whether Intacct is asked which field is missing when it says no more than that something went wrong",
            "reversed_on": "the day on which a document of some day is taken back; that very day, where it is not given",
        },
    ),
    "invoiced": Documented(
        Invoiced,
        dict(company="acme", api_key="k"),
        {
            "company": "your name for the business; it stays the same for ever, since the API does not tell who it is",
            "api_key": "of the business",
            "sandbox": "whether the key is one of the vendor's sandbox",
            "base_url": "another address of the API",
            "currency": "the base currency of the business",
            "zone": "the IANA time zone that the dates of the business are in (not sure)",
            "metadata_key": "the metadata that holds our mark",
            "method": "of payments whose method Invoiced does not know",
            "item": "the catalog item of lines that have none",
            "page_size": "records in one page; 100 is what others ask for",
            "fetch_size": "invoices read together, so that what one customer paid is read once for all of them",
            "concurrency": "requests at once (a guess)",
            "limits": "limits to keep; the vendor publishes none (a guess)",
            "idempotency_lifetime": "how long a repeated key makes nothing new (a guess); with nothing, no key is sent",
            "overlap": "how far before the marker a read begins (a guess)",
            "sweep_every": "how often open and lately closed invoices are read again, where it is the ledger",
            "link": "the address of a record's page for people (not sure)",
        },
    ),
    "quickbooks": Documented(
        QuickBooks,
        dict(realm_id="1", client_id="c", client_secret="s", refresh_token="r"),
        {
            "realm_id": "the id of the company, which Intuit tells once, when somebody connects it",
            "client_id": "of your app",
            "client_secret": "of your app",
            "refresh_token": "of the company's consent",
            "sandbox": "whether the company is one of Intuit's test environment, which has keys of its own",
            "base_url": "the address of the company's API, where it is another one",
            "token_url": "where the sign-in is",
            "minor_version": "the version of the API; below 75 nothing is served any more",
            "page_size": "records in one page; 1000 is Intuit's most",
            "fetch_size": "values that one query lists (a guess)",
            "batch_size": "documents in one write; Intuit recommends 30",
            "feed_rows": "from how many rows on the change feed is taken for cut off, at most 1000 (a guess); 0 reads the lists each time",
            "overlap": "how far before the marker a read begins (a guess)",
            "sweep_every": "how often open and lately closed invoices are read again",
            "per_minute": "Intuit's limit of one company",
            "per_second": "Intuit's limit of one app in one company",
            "concurrency": "requests at once; an older text allows ten",
            "idempotency_lifetime": "how long a repeated key makes nothing new (a guess)",
            "unique_numbers": "whether the company warns of numbers that are taken, and so refuses them",
            "currency": "of documents that name none, as in companies of one currency",
            "zone": "the company's IANA time zone, where the one that the API tells is not right (not sure)",
            "item": "the id of the item for lines that name none",
            "items": "by account, the id of the item for lines that name an account alone",
            "tax_code": "the id of the tax code for lines that name none",
            "tax_mode": "`TaxExcluded` or `TaxInclusive`, outside the USA alone",
            "class_id": "the id of the class for lines that name none",
            "location": "the id of the location for documents whose lines name none",
            "deposit_account": "the id of the account that payments are deposited to; without it, undeposited funds",
            "delete_credit_memos": "whether voiding a credit memo, which QuickBooks cannot, deletes it",
            "marks": "by kind, the field that our mark goes to, where another one or none is wanted (not sure which can be searched)",
            "void_note": "how the note of a voided document begins, in the company's language (not sure)",
            "auto_apply": "what the preference for credits that apply themselves is called (not sure)",
            "link": "the address of the pages for people (not sure)",
            "link_paths": "the pages themselves; all but the invoice's are not sure",
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
