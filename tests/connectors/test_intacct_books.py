"""Sage Intacct's fake and its connector together: what no single answer shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import define, field

from tieout.capabilities import Everything
from tieout.change import Action, Change, State, mark_of
from tieout.connectors.intacct import Intacct
from tieout.engine import Engine
from tieout.errors import Code, Fault
from tieout.local import Bill, Local, LocalApp
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Part,
    Payment,
    Ref,
    Settlement,
    Status,
)
from tieout.session import Session
from tieout.stores.memory import MemoryStore
from tieout.testing.conformance import SetClock
from tieout.testing.fakes.intacct import FakeIntacct
from tieout.windows import Since

D = Decimal
DAY = date(2026, 3, 3)
HOURS = timedelta(hours=2)


@define
class Shop(LocalApp):
    """A billing side that remembers what it was told."""

    totals: dict[str, str] = field(factory=dict)
    paid: dict[str, tuple[Decimal, date | None]] = field(factory=dict)
    told: list[tuple[str, Decimal, date | None]] = field(factory=list)

    def invoices(self, ids: Sequence[str], numbers: Sequence[str]) -> Iterable[Bill]:
        for number, total in self.totals.items():
            if number in ids or number in numbers:
                amount, on = self.paid.get(number, (D(0), None))
                yield Bill(
                    id=number,
                    number=number,
                    currency="USD",
                    total=total,
                    paid_amount=amount,
                    date_paid=on,
                )

    def set_paid(self, invoice: Settlement) -> None:
        self.paid[invoice.number] = (invoice.paid, invoice.paid_on)
        self.told.append((invoice.number, invoice.paid, invoice.paid_on))


@define
class Company:
    """A company in Intacct, with a customer, and whoever asks it."""

    options: dict[str, Any] = field(factory=dict)
    clock: SetClock = field(factory=SetClock)
    entities: tuple[str, ...] = ()
    intacct: FakeIntacct = field(init=False)
    ledger: Intacct = field(init=False)
    session: Session = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.intacct = FakeIntacct(now=self.clock.now, entities=self.entities)
        self.intacct.add_customer("Ada", "C1")
        self.connect()

    def connect(self, **more: Any) -> None:
        held: dict[str, Any] = {
            "company": "acme",
            "user": "billing",
            "password": "user-secret",
            "sender": "sender",
            "sender_password": "sender-secret",
            "base_currency": "USD",
            "account": "4000",
            "deposit_accounts": {"*/*": "BOA"},
        }
        self.ledger = Intacct(**{**held, **self.options, **more})
        self.session = Session(self.ledger, self.intacct, MemoryStore(), self.clock)

    def bill(self, number: str, total: str = "100.00", **more: Any) -> str:
        return self.intacct.add_invoice(number, "C1", total, on=DAY, **more)

    def order(self, number: str, total: str = "100.00") -> str:
        return self.intacct.add_order(number, "C1", total, on=DAY)

    def today(self, docid: str) -> str:
        """The record number of what an order made, today."""
        (order,) = (each for each in self.intacct.orders() if each["DOCID"] == docid)
        return str(order["PRRECORDKEY"])

    def level(self, identity: str) -> Settlement:
        (found,) = self.session.run(
            self.ledger.fetch(Settlement, ids=[identity])
        ).records
        return found

    def levels(self) -> list[str]:
        page = self.session.run(self.ledger.page(Settlement, Everything()))
        return [each.number for each in page.records]

    def write(self, after: Any, mark: str = "") -> Any:
        source = Ref("app:1", type(after).__name__, f"{after!r}")
        name = mark_of("x", "y", source)
        change = Change(
            name,
            Action.CREATE,
            type(after),
            self.ledger.connection,
            source,
            after=after,
            mark=mark,
        )
        (outcome,) = self.session.run(self.ledger.write([change]))
        return outcome

    def ref(self, kind: str, identity: str = "") -> Ref:
        return Ref(self.ledger.connection, kind, identity)

    def put(self, source: Ref, target: str, amount: str) -> Application:
        how = Part.CREDIT if source.kind == "CreditNote" else Part.CASH
        ends = (self.ref("Application"), source, self.ref("Invoice", target))
        return Application(*ends, D(amount), "USD", DAY, how=how)


def engine(company: Company, shop: Shop) -> Engine:
    connection = company.ledger.connection
    return Engine(
        billing=Local(shop, connection="app:shop"),
        ledger=company.ledger,
        transport={connection: company.intacct},
        clock=company.clock,
    )


def test_an_edit_in_order_entry_breaks_no_link() -> None:
    """The invoice is made anew under another number; what is paid of it goes on."""
    company, shop = Company(), Shop({"SI-1": "100.00"})
    order = company.order("SI-1")
    before = company.today(order)
    runs = engine(company, shop)
    assert runs.sync_payments(since=DAY).ok
    company.clock.advance(HOURS)
    company.intacct.edit_order(order, PONUMBER="edited")
    assert company.today(order) != before
    assert runs.sync_payments(since=Since.LAST_RUN).ok
    assert shop.told == []
    company.intacct.pay(company.today(order), "100.00", date(2026, 3, 9))
    company.clock.advance(HOURS)
    report = runs.sync_payments(since=Since.LAST_RUN)
    assert report.ok
    assert shop.told == [("SI-1", D("100.00"), date(2026, 3, 9))]
    assert company.level(order).ref.aliases == (company.today(order),)
    assert company.level(company.today(order)).ref.id == order


def test_a_payment_that_is_reversed_goes_back_in_billing() -> None:
    """B24: and a credit that was applied beside it stays."""
    company, shop = Company(), Shop({"INV-1": "100.00"})
    invoice = company.bill("INV-1")
    credit = company.intacct.add_credit_note("CM-1", "C1", "40.00", on=DAY)
    payment = company.intacct.pay(invoice, "60.00", date(2026, 3, 9))
    company.intacct.allocate(credit, invoice, "40.00", date(2026, 3, 10))
    runs = engine(company, shop)
    assert runs.sync_payments(since=DAY).ok
    level = company.level(invoice)
    assert (level.status, level.paid_on) == (Status.SETTLED, date(2026, 3, 10))
    company.clock.advance(HOURS)
    company.intacct.void_payment(payment)
    assert runs.sync_payments(since=Since.LAST_RUN).ok
    level = company.level(invoice)
    assert level.settled_by == {Part.CASH: D(0), Part.CREDIT: D(40)}
    assert (level.status, level.balance, level.receipts) == (Status.OPEN, D(60), ())
    # Billing knows nothing of the credit: it counts as paid there.
    assert [each[1:] for each in shop.told] == [
        (D("100.00"), date(2026, 3, 10)),
        (D("40.00"), None),
    ]


def test_a_payment_over_several_lines_is_one_application() -> None:
    """A payment and a credit fill the lines of an invoice one by one."""
    company = Company()
    invoice = company.intacct.add_invoice(
        "INV-1", "C1", lines=("10.00", "20.00", "30.00"), on=DAY
    )
    credit = company.intacct.add_credit_note("CM-1", "C1", "50.00", on=DAY)
    made = company.write(
        company.put(company.ref("CreditNote", credit), invoice, "25.00")
    )
    assert made.state is State.APPLIED
    found = company.ledger.fetch(Application, ids=[made.ref.id])
    (application,) = company.session.run(found).records
    assert application.amount == D(25)
    note = company.ledger.fetch(CreditNote, ids=[credit])
    (memo,) = company.session.run(note).records
    assert (memo.remaining, memo.applications) == (D(25), (application,))
    paid = company.intacct.pay(invoice, "35.00", date(2026, 3, 9))
    (payment,) = company.session.run(company.ledger.fetch(Payment, ids=[paid])).records
    assert [each.amount for each in payment.applications] == [D(35)]


def test_what_order_entry_made_is_paid_and_credited() -> None:
    """B47, B51: named by the document, paid by today's number."""
    company = Company()
    order = company.order("SI-1")
    mark = "TO-ABCDEFGHIJKLM"
    payment = Payment(
        company.ref("Payment"),
        company.ref("Customer", "C1"),
        "USD",
        DAY,
        D("60.00"),
        Status.SETTLED,
        unapplied=D(0),
        applications=(company.put(company.ref("Payment"), order, "60.00"),),
    )
    assert company.write(payment, mark).state is State.APPLIED
    credit = company.intacct.add_credit_note("CM-1", "C1", "5.00", on=DAY)
    put = company.put(company.ref("CreditNote", credit), order, "5.00")
    assert company.write(put).state is State.APPLIED
    level = company.level(order)
    assert level.settled_by == {Part.CASH: D(60), Part.CREDIT: D(5)}


def test_returns_of_order_entry_are_credit_notes() -> None:
    """B49."""
    company = Company()
    made = company.intacct.add_order(
        "SC-1", "C1", "7.00", kind="Sales Credit Memo", on=DAY
    )
    page = company.session.run(company.ledger.page(CreditNote, Everything()))
    assert [(each.ref.id, each.total) for each in page.records] == [(made, D(7))]
    assert company.levels() == []


def test_a_busy_company_is_waited_for_also_while_signing_in() -> None:
    """XMLGW_JPP0001: another job is running."""
    company = Company()
    company.bill("INV-1")
    company.intacct.crowd(2)
    assert company.levels() == ["INV-1"]
    company.intacct.crowd(1, 503)
    assert company.levels() == ["INV-1"]
    company.intacct.throttle(1, retry_after=5)
    assert company.levels() == ["INV-1"]
    assert company.clock.monotonic() >= 5


def test_a_session_that_ended_is_renewed_in_the_middle_of_a_run() -> None:
    company = Company()
    company.bill("INV-1")
    assert company.levels() == ["INV-1"]
    company.intacct.expire()
    assert company.levels() == ["INV-1"]
    company.clock.advance(timedelta(days=2))
    assert company.levels() == ["INV-1"]


def test_a_bad_moment_of_the_database_is_asked_once_more_and_no_oftener() -> None:
    company = Company()
    company.bill("INV-1")
    company.levels()
    company.intacct.hiccup(1, "query")
    assert company.levels() == ["INV-1"]
    company.intacct.hiccup(9, "query")
    with pytest.raises(Fault) as caught:
        company.levels()
    assert caught.value.code is Code.BAD_FIELD


def test_a_field_that_the_company_lacks_is_named() -> None:
    """B161."""
    company = Company({"extra_fields": {"ARINVOICE": ["NO_SUCH"]}})
    with pytest.raises(Fault) as caught:
        company.levels()
    assert (caught.value.code, caught.value.field) == (
        Code.BAD_FIELD,
        "arinvoice.NO_SUCH",
    )
    health = company.session.run(company.ledger.check())
    assert "NO_SUCH" in health.missing[0]


def test_credentials_sender_and_permissions_fail_apart() -> None:
    """B56, B57, B163."""
    company = Company()
    company.intacct.deny("SODOCUMENT")
    health = company.session.run(company.ledger.check())
    assert [each.partition(":")[0] for each in health.missing] == [
        "Order Entry (SODOCUMENT)"
    ]
    company.intacct.expire()
    company.intacct.deny_sender()
    health = company.session.run(company.ledger.check())
    assert health.code is Code.PERMISSION_MISSING
    assert "sender" in health.missing[0]
    company = Company()
    company.intacct.revoke()
    health = company.session.run(company.ledger.check())
    assert (health.signed_in, health.code) == (False, Code.SIGN_IN_REFUSED)


def test_an_entity_sees_and_makes_what_is_its_own() -> None:
    """B54, B55."""
    company = Company(entities=("100", "200"))
    company.bill("INV-1", entity="100")
    company.bill("INV-2", entity="200")
    company.bill("INV-3")
    assert company.levels() == ["INV-1", "INV-2", "INV-3"]
    company.connect(locationid="100")
    assert company.levels() == ["INV-1"]
    health = company.session.run(company.ledger.check())
    assert health.books is not None
    assert health.books.identity == "acme/100"


def test_contacts_are_customers_in_bill_to_mode() -> None:
    """B85 to B88."""
    company = Company({"bill_to_contacts": True})
    company.bill("INV-1")
    page = company.session.run(company.ledger.page(Customer, Everything()))
    (contact,) = page.records
    assert (contact.name, contact.number) == ("Ada", "")
    assert contact.custom == {"CUSTOMERID": "C1"}
    assert contact.parent == company.ref("Customer", "C1")
    assert company.level(str(company.intacct.invoices()[0]["RECORDNO"])).customer == (
        contact.ref
    )


def test_deletions_show_where_the_history_may_be_read() -> None:
    company, shop = Company({"deletions": True}), Shop({"INV-1": "100.00"})
    invoice = company.bill("INV-1")
    runs = engine(company, shop)
    assert runs.sync_payments(since=DAY).ok
    company.clock.advance(HOURS)
    company.intacct.delete_invoice(invoice)
    report = runs.sync_payments(since=Since.LAST_RUN)
    assert [each.code for each in report.issues] == [Code.VANISHED]
