"""
What other lists say of the rows of one: their order-entry documents, lines and payments.

Rows get ``ID``, what their document is called for ever, ``LINES``, ``DETAILS`` and
``CONTACTS``. Nothing here knows what a row means as a record. Queries that do not wait for
each other go in one request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from attrs import frozen

from tieout.connectors.intacct.puts import REVERSAL
from tieout.connectors.intacct.queries import (
    BILLED,
    KEY,
    ORDER_ENTRY,
    SOURCES,
    Condition,
    Queries,
    Source,
)
from tieout.errors import Fault
from tieout.money import ZERO, parse_amount
from tieout.wire import Flow

Row: TypeAlias = dict[str, Any]
Wanted: TypeAlias = Mapping[str, tuple[Source, Sequence[Sequence[Condition]]]]
Gather: TypeAlias = Callable[[Wanted], Flow[dict[str, list[Row]]]]

PAID_BY = ("PAYMENTKEY", "ADVANCEKEY", "OVERPAYMENTKEY")
"""By what a detail names the money that it puts to an invoice."""


@frozen
class Joins:
    """
    Joins the rows of one company.

    ``gather`` asks for lists, all together; ``parts`` says whether the money of an invoice
    is taken apart, ``order_entry`` whether the company makes documents there, ``bill_to``
    whether a payment is of the contact whose invoices it pays.
    """

    gather: Gather
    queries: Queries
    parts: bool
    order_entry: bool
    bill_to: bool

    def wanted(self, name: str, fields: Sequence[str], keys: Iterable[str]) -> Wanted:
        """The rows of a list of which any field has one of these keys."""
        given = [key for key in dict.fromkeys(keys) if _is_number(key)]
        if not given:
            return {}
        source = SOURCES[name]
        return {name: (source, self.queries.keyed(source, fields, given))}

    def money(self, rows: list[Row]) -> Flow[list[Row]]:
        """Invoices with what was put to them, and by which payments."""
        settled = [_text(row, "RECORDNO") for row in rows if self.parts and _moved(row)]
        found = yield from self.gather(
            {
                **self._documents_of(rows),
                **self.wanted("details", ["RECORDKEY"], settled),
            }
        )
        _keyed(rows, found)
        details = found.get("details", [])
        yield from self._paid(details)
        _nested(rows, "DETAILS", details, ["RECORDKEY"])
        return rows

    def billed(self, rows: list[Row], lines: str) -> Flow[list[Row]]:
        """Invoices or credit notes with their lines."""
        keys = [_text(row, "RECORDNO") for row in rows]
        found = yield from self.gather(
            {**self._documents_of(rows), **self.wanted(lines, ["RECORDKEY"], keys)}
        )
        _keyed(rows, found)
        _nested(rows, "LINES", found.get(lines, []), ["RECORDKEY"])
        return rows

    def credited(self, rows: list[Row]) -> Flow[list[Row]]:
        """Credit notes with their lines, and where they were put to."""
        keys = [_text(row, "RECORDNO") for row in rows]
        lines = "credit note lines"
        found = yield from self.gather(
            {
                **self._documents_of(rows),
                **self.wanted(lines, ["RECORDKEY"], keys),
                **self.wanted("details", ["ADJUSTMENTKEY"], keys),
            }
        )
        _keyed(rows, found)
        details = found.get("details", [])
        yield from self.applied(details)
        _nested(rows, "LINES", found.get(lines, []), ["RECORDKEY"])
        _nested(rows, "DETAILS", details, ["ADJUSTMENTKEY"])
        return rows

    def paying(self, rows: list[Row]) -> Flow[list[Row]]:
        """Payments with where they were put to, and whether they were taken back."""
        keys = [_text(row, "RECORDNO") for row in rows]
        found = yield from self.gather(
            {
                **self.wanted("details", PAID_BY, keys),
                **self.wanted("payments", ["PARENTPAYMENTKEY"], keys),
            }
        )
        details = found.get("details", [])
        _reversed(rows, found.get("payments", []))
        yield from self.applied(details, rows)
        _nested(rows, "DETAILS", details, PAID_BY)
        for row in rows:
            billed = {_text(each, "CONTACT") for each in row["DETAILS"]}
            row["CONTACT"] = billed.pop() if len(billed) == 1 else ""
        return rows

    def touching(self, rows: list[Row], fields: Sequence[str]) -> Flow[list[Row]]:
        """Payments or credits with the invoices that they were put to, and no more."""
        keys = [_text(row, "RECORDNO") for row in rows]
        found = yield from self.gather(self.wanted("details", fields, keys))
        details = found.get("details", [])
        wanted = self._documents(_text(each, "RECORDKEY") for each in details)
        _named(details, (yield from self.gather(wanted)))
        _nested(rows, "DETAILS", details, fields)
        return rows

    def applied(self, details: list[Row], known: Sequence[Row] = ()) -> Flow[list[Row]]:
        """Details with their payments, and with what their documents are called."""
        names = ("RECORDKEY", "ADJUSTMENTKEY")
        keys = [_text(each, name) for each in details for name in names]
        others = {**self._documents(keys), **self._billed(keys)}
        found = yield from self._paid(details, known, others)
        _named(details, found)
        billed = found.get("billed", [])
        contacts = {_text(x, KEY): _text(x, BILLED) for x in billed}
        for each in details:
            each["CONTACT"] = contacts.get(_text(each, "RECORDKEY"), "")
        return details

    def together(self, details: list[Row]) -> Flow[list[Row]]:
        """Details by the payment record that they are of, one row each."""
        yield from self.applied(details)
        by_payment: dict[str, list[Row]] = defaultdict(list)
        for each in details:
            by_payment[_text(each, "PAYMENTKEY")].append(each)
        return [
            {"RECORDNO": key, "PAYMENT": some[0].get("PAYMENT"), "DETAILS": some}
            for key, some in by_payment.items()
        ]

    def contacts(self, rows: list[Row], read: Flow[list[Row]]) -> Flow[list[Row]]:
        """Customers with their bill-to contacts; ``read`` brings the whole customers."""
        whole = {_text(each, "CUSTOMERID"): each for each in (yield from read)}
        names = {
            _text(row, "CUSTOMERID"): _contacts(whole.get(_text(row, "CUSTOMERID"), {}))
            for row in rows
        }
        every = [name for some in names.values() for name in some]
        source = SOURCES["contacts"]
        asked = self.queries.keyed(source, ["CONTACTNAME"], every)
        found = yield from self.gather({"contacts": (source, asked)} if every else {})
        by_name = {
            _text(each, "CONTACTNAME"): each for each in found.get("contacts", [])
        }
        for row in rows:
            row["CONTACTS"] = [
                by_name.get(name, {"CONTACTNAME": name})
                for name in names[_text(row, "CUSTOMERID")]
            ]
        return rows

    def _documents(self, keys: Iterable[str]) -> Wanted:
        given = keys if self.order_entry else ()
        return self.wanted("documents", ["PRRECORDKEY"], given)

    def _billed(self, keys: Iterable[str]) -> Wanted:
        """To which contacts invoices went."""
        return self.wanted("billed", [KEY], keys if self.bill_to else ())

    def _documents_of(self, rows: Sequence[Row]) -> Wanted:
        """The documents of those that say that order entry made them."""
        return self._documents(_text(row, "RECORDNO") for row in rows if _ordered(row))

    def _paid(
        self,
        details: list[Row],
        known: Sequence[Row] = (),
        others: Wanted | None = None,
    ) -> Flow[dict[str, list[Row]]]:
        """Details with the payment that each is of; what else was asked for with it."""
        held = {_text(row, "RECORDNO"): row for row in known}
        keys = [_text(each, "PAYMENTKEY") for each in details]
        fields = ["RECORDNO", "PARENTPAYMENTKEY"]
        asked = self.wanted(
            "payments", fields, (key for key in keys if key not in held)
        )
        found = yield from self.gather({**asked, **(others or {})})
        payments = [{**row} for row in found.get("payments", [])]
        _reversed(payments, payments)
        held = {_text(row, "RECORDNO"): row for row in payments} | held
        for each in details:
            payment = held.get(_text(each, "PAYMENTKEY"))
            if payment is not None:
                each["PAYMENT"] = {k: v for k, v in payment.items() if k != "DETAILS"}
        return found


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value.strip() if isinstance(value, str) else ""


def _is_number(key: str) -> bool:
    return key.isascii() and key.isdigit() and key != "0"


def _amount(row: Row, name: str) -> Decimal | None:
    try:
        return parse_amount(row.get(f"TRX_{name}") or row.get(name))
    except Fault:
        return None


def _moved(row: Row) -> bool:
    """Whether anything was put to an invoice, as far as its amounts tell."""
    total, due = _amount(row, "TOTALENTERED"), _amount(row, "TOTALDUE")
    return total is not None and due is not None and total != due


def _ordered(row: Row) -> bool:
    return _text(row, "MODULEKEY") == ORDER_ENTRY


def _called(found: Mapping[str, list[Row]]) -> dict[str, str]:
    """What order entry calls a document, by its record number."""
    documents = found.get("documents", [])
    return {_text(each, "PRRECORDKEY"): _text(each, "DOCID") for each in documents}


def _keyed(rows: Iterable[Row], found: Mapping[str, list[Row]]) -> None:
    """
    Rows with what their document is called for ever.

    An edit in order entry makes the record anew, with another number: it is keyed by the
    document, and without one it is not keyed at all.
    """
    called = _called(found)
    for row in rows:
        number = _text(row, "RECORDNO")
        row["ID"] = called.get(number) or number
        row["UNKEYED"] = _ordered(row) and number not in called


def _named(details: Iterable[Row], found: Mapping[str, list[Row]]) -> None:
    called = _called(found)
    for each in details:
        for name, key in (
            ("INVOICEID", "RECORDKEY"),
            ("CREDITNOTEID", "ADJUSTMENTKEY"),
        ):
            number = _text(each, key)
            each[name] = called.get(number) or (number if _is_number(number) else "")


def _nested(
    rows: Iterable[Row], name: str, found: Iterable[Row], fields: Sequence[str]
) -> None:
    """Rows with those that name them in any of these fields, each once."""
    by_key: dict[str, list[Row]] = defaultdict(list)
    for each in found:
        for key in dict.fromkeys(_text(each, field) for field in fields):
            by_key[key].append(each)
    for row in rows:
        row[name] = by_key.get(_text(row, "RECORDNO"), [])


def _reversed(rows: Iterable[Row], others: Iterable[Row]) -> None:
    """Payments with whether one of the others took them back."""
    ended = {
        _text(each, "PARENTPAYMENTKEY")
        for each in others
        if (_amount(each, "TOTALENTERED") or ZERO) < 0
        or _text(each, "STATE").casefold() == REVERSAL
    }
    for row in rows:
        row["REVERSED"] = _text(row, "RECORDNO") in ended


USUAL = ("BILLTO", "CONTACTINFO", "DISPLAYCONTACT")
"""Where a customer names the contact that its invoices go to: the first that is set."""


def _contacts(customer: Row) -> list[str]:
    """The names of a customer's bill-to contacts: the usual one, and those of its list."""
    usual = (
        _text(held, "CONTACTNAME")
        for name in USUAL
        if isinstance(held := customer.get(name), Mapping)
    )
    names = [next(filter(None, usual), "")]
    entries = customer.get("CONTACT_LIST_INFO")
    for entry in entries if isinstance(entries, list) else [entries]:
        contact = entry.get("CONTACT") if isinstance(entry, Mapping) else None
        if isinstance(contact, Mapping):
            names.append(_text(contact, "NAME") or _text(contact, "CONTACTNAME"))
    return [name for name in dict.fromkeys(names) if name]
