"""
What all of Intacct's rows have in common, and customers: currency, amount, state, owner.

Pure. Nothing here knows a document's money.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal

from attrs import frozen

from tieout.connector import Fields
from tieout.connectors.intacct.puts import REVERSAL
from tieout.connectors.intacct.queries import BILLED
from tieout.connectors.intacct.values import (
    contact_id,
    moment,
    word,
)
from tieout.models import (
    Customer,
    Ref,
    Scalar,
    Status,
)

# fmt: off
STATES: Mapping[str, Status] = {
    "draft": Status.DRAFT, "novalue": Status.OPEN, "posted": Status.OPEN, "a": Status.OPEN,
    "selected": Status.OPEN, "partiallypaid": Status.OPEN, "paid": Status.SETTLED,
    "reversed": Status.VOID,
}
"""Of invoices and adjustments, without blanks and case. Seen are Posted and No Value; the
others are the words of the vendor's other API, ``a`` is its letter for posted."""

PAYMENT_STATES: Mapping[str, Status] = {
    "d": Status.DRAFT, "draft": Status.DRAFT, "c": Status.SETTLED, "complete": Status.SETTLED,
    "completed": Status.SETTLED, "confirmed": Status.SETTLED, "posted": Status.SETTLED, "a": Status.SETTLED,
    "paid": Status.SETTLED, "partiallypaid": Status.SETTLED, "selected": Status.SETTLED,
    "v": Status.VOID, "void": Status.VOID, "voided": Status.VOID, "reversed": Status.VOID,
}
"""Of payments; D and C are documented."""
# fmt: on


@frozen
class Rows:
    """
    Reads the rows of one ``connection``.

    ``zone`` is that of change times; ``base_currency`` counts where a row tells none.
    ``states`` and ``payment_states`` say what the vendor's words mean, ``bill_to``
    whether a customer is one for each of its contacts. ``mark_field`` is where the mark of
    a credit note stands, ``returns`` are the definitions of order entry whose documents are
    credit notes (all, where none is named), ``extra`` fields that go into ``custom``, by
    object.
    """

    connection: str
    zone: tzinfo
    base_currency: str
    states: Mapping[str, Status]
    payment_states: Mapping[str, Status]
    bill_to: bool
    mark_field: str
    returns: tuple[str, ...]
    extra: Mapping[str, Sequence[str]]

    def ref(self, kind: str, identity: str, *aliases: str) -> Ref:
        others = tuple(each for each in aliases if each and each != identity)
        return Ref(self.connection, kind, identity, others)

    def custom(self, row: Fields, object_: str, *names: str) -> dict[str, Scalar]:
        """Texts that go into ``custom``, where there are any."""
        every = dict.fromkeys([*names, *self.extra.get(object_, ())])
        return {name: row.text(name) for name in every if row.text(name)}

    def changed_at(self, row: Fields) -> datetime | None:
        return row.maybe("WHENMODIFIED", lambda text: moment(text, self.zone))

    def currency(self, row: Fields) -> str:
        """A document's currency, else the company's own, as far as it is told."""
        for name in ("CURRENCY", "BASECURR"):
            if row.has(name):
                return row.currency(name)
        told = {"CURRENCY": self.base_currency} if self.base_currency else {}
        return Fields(told).currency("CURRENCY")

    def amount(self, row: Fields, name: str, currency: str) -> Decimal:
        """The amount in the document's currency; the base one only where that is it."""
        base = row.text("BASECURR") or self.base_currency or currency
        own = f"TRX_{name}" in row.raw or base != currency
        return row.amount(f"TRX_{name}" if own else name, currency)

    def status(self, row: Fields, table: Mapping[str, Status]) -> Status | None:
        """What a state means; None for a document that takes another back."""
        told = word(row.read("STATE", str))
        if told == REVERSAL:
            return None
        return Fields({**row.raw, "STATE": told}).choice("STATE", table)

    # Customers

    def customer_ref(self, row: Fields) -> Ref | None:
        """Who owes a document: the customer, or its contact in bill-to mode."""
        contact = row.text(BILLED)
        return self.owner(row.text("CUSTOMERID"), contact)

    def owner(self, customer: str, contact: str = "") -> Ref | None:
        if not customer:
            return None
        named = contact_id(customer, contact) if self.bill_to else customer
        return self.ref("Customer", named)

    def customer(self, row: Fields) -> Customer | tuple[Customer, ...]:
        """One customer, or in bill-to mode one for each of its bill-to contacts."""
        identity = row.id("CUSTOMERID")
        status = {"active": True, "activenon-posting": True, "inactive": False}
        told = {"STATUS": word(row.text("STATUS", "active"))}
        active = Fields(told).choice("STATUS", status)
        named = contact_id(identity, "") if self.bill_to else identity
        own = Customer(
            self.ref("Customer", named, row.text("RECORDNO")),
            row.text("NAME"),
            number=row.number("CUSTOMERID"),
            email=row.text("DISPLAYCONTACT.EMAIL1")
            or row.inside("DISPLAYCONTACT").text("EMAIL1"),
            currency=row.text("CURRENCY"),
            active=active,
            changed_at=self.changed_at(row),
            custom=self.custom(row, "CUSTOMER"),
        )
        contacts = row.children("CONTACTS")
        if not self.bill_to or not contacts:
            return own
        return tuple(self.contact(each, own) for each in contacts)

    def contact(self, row: Fields, of: Customer) -> Customer:
        """A customer's bill-to contact as a customer of its own, without a number."""
        name = row.id("CONTACTNAME")
        return Customer(
            self.ref("Customer", contact_id(of.number, name)),
            row.text("PRINTAS") or name,
            email=row.text("EMAIL1"),
            currency=of.currency,
            active=of.active and word(row.text("STATUS", "active")) != "inactive",
            parent=self.ref("Customer", of.ref.id),
            changed_at=of.changed_at,
            custom={**of.custom, "CUSTOMERID": of.number},
        )
