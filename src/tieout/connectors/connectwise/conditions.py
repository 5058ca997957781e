"""
How ConnectWise is asked: addresses, and conditions in its own language.

Pure text; nothing here knows what an answer is made of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC
from urllib.parse import quote

from tieout.capabilities import Changed, Dated, Open, Select, Unposted
from tieout.errors import Code, Fault
from tieout.wire import Request

PAGE_SIZE_MAX = 1000
"""The vendor's own; it gives 25 where nothing is said."""

INVOICES, COMPANIES = "finance/invoices", "company/companies"
BILLS, MEMOS = 'type!="CreditMemo"', 'type="CreditMemo"'

PLAIN = re.compile(r"""[^\x00-\x1f"'\\%*&<>\[\]]+""")
"""Other numbers are asked for alone: one that is refused must not spoil a batch."""


def query(path: str, conditions: Iterable[str], size: int = PAGE_SIZE_MAX) -> Request:
    """The request for a list's rows, by their ids."""
    told = all_of(conditions)
    params = {"conditions": told} if told else {}
    params |= {"orderBy": "id asc", "pageSize": str(size)}
    return Request("GET", path, params)


def all_of(conditions: Iterable[str]) -> str:
    """The one condition that they make together; those that are empty say nothing."""
    return " and ".join(filter(None, conditions))


def quoted(text: str) -> str:
    """
    In the quotes that it does not hold; how to escape is not documented.

    Raises `Fault` NOT_ALLOWED for a text that holds both kinds, or a backslash.
    """
    mark = "'" if '"' in text else '"'
    if mark in text or "\\" in text:
        raise Fault(Code.NOT_ALLOWED, "both kinds of quotes, or a backslash")
    return f"{mark}{text}{mark}"


def selected(select: Select) -> list[str]:
    """The conditions of a selection; all bounds are included."""
    match select:
        case Changed(since):
            return [f"lastUpdated>=[{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}]"]
        case Dated(first, last):
            return [f"date>=[{first}T00:00:00Z]", f"date<=[{last}T23:59:59Z]"]
        case Open(through):
            return ["balance>0", *([f"date<=[{through}T23:59:59Z]"] if through else [])]
        case Unposted(through):
            return [f"invoiceDate<=[{through}T23:59:59Z]"]
        case _:
            return []


def document_at(identity: str) -> str:
    """The address of an invoice or a credit memo."""
    return f"{INVOICES}/{quote(identity, safe='')}"


def payments_of(invoice: str) -> str:
    """The address of an invoice's payment records."""
    return f"{document_at(invoice)}/payments"


def payment_at(invoice: str, identity: str) -> str:
    """The address of one of an invoice's payment records."""
    return f"{payments_of(invoice)}/{quote(identity, safe='')}"
