"""
What is written to a real ledger: made in Tryton through the connector, read back, undone.

The numbers of documents follow their dates, so all are of the ledger's own day.
"""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from attrs import evolve

from tieout.change import Action, Change, Outcome, State, change_name, mark_of
from tieout.clock import SystemClock
from tieout.connectors.tryton import Tryton
from tieout.evidence import believed, carries
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.session import Session
from tieout.stores.memory import MemoryStore
from tieout.transport import HTTPTransport

from .tryton.server import TrytonServer, template

TODAY = dt.date.today()  # noqa: DTZ011 - the ledger's own day
HUNDRED, FORTY, SIXTY = Decimal(100), Decimal(40), Decimal(60)
NOTHING = Decimal(0)
SOURCES = count(1)
"""Each record of the shop is another: what was made for one is found again for it alone."""


@pytest.fixture(scope="module", params=[False, True], ids=["inline", "worker"])
def server(request: pytest.FixtureRequest) -> Iterator[TrytonServer]:
    """A Tryton with empty books; its queue worker off and on."""
    with TrytonServer(source=template(), worker=request.param) as running:
        yield running


class Clerk:
    """Writes changes to the ledger and reads records back."""

    def __init__(self, server: TrytonServer) -> None:
        facts = server.facts
        self.ledger = Tryton(
            url=server.url,
            database="ledger",
            user="connector",
            password=facts["users"]["connector"],
            receivable=facts["accounts"]["receivable"],
            revenue=facts["accounts"]["revenue"],
            journal=facts["journals"]["revenue"],
            payment_method=facts["payment_method"],
        )
        self.session = Session(
            self.ledger, HTTPTransport(), MemoryStore(), SystemClock()
        )

    def ref(self, kind: RecordType, identity: str = "") -> Ref:
        return Ref(self.ledger.connection, kind.__name__, identity)

    def write(self, action: Action, kind: RecordType, **about: Any) -> Outcome:
        """Carry one change out; its outcome, which has to be good and to be believed."""
        at, name = self.ledger.connection, kind.__name__
        source = Ref("app:shop", name, str(next(SOURCES)))
        change = Change(
            change_name(at, name, source, 0, action, 0),
            action,
            kind,
            at,
            source,
            mark=mark_of(at, name, source) if self._marked(action, kind) else "",
            **about,
        )
        (outcome,) = self.session.run(self.ledger.write([change]))
        assert believed(change, outcome).state is State.APPLIED, outcome
        if change.mark:
            found = self.session.run(self.ledger.find([change])).records
            ours = [record for record in found if carries(record, change.mark)]
            assert [record.ref for record in ours] == [outcome.ref]
        return outcome

    def _marked(self, action: Action, kind: RecordType) -> bool:
        return action is Action.CREATE and kind is not Application

    def make(self, record: Any) -> Any:
        """Make a record; it as it is read back by its id."""
        kind = type(record)
        outcome = self.write(Action.CREATE, kind, after=record)
        assert outcome.ref is not None
        held = self.read(kind, outcome.ref.id)
        assert held == outcome.echo
        return held

    def void(self, record: Any) -> None:
        self.write(Action.VOID, type(record), target=record.ref, before=record)

    def read(self, kind: RecordType, identity: str) -> Any:
        page = self.session.run(self.ledger.fetch(kind, ids=[identity]))
        assert not page.issues
        return page.records[0] if page.records else None

    def document(self, kind: Any, customer: Ref, total: Decimal) -> Any:
        line = Line(
            "Services", total, quantity=Decimal("2.5"), unit_price=total / 5 * 2
        )
        return self.make(
            kind(
                self.ref(kind),
                "INV-1",
                customer,
                "USD",
                TODAY,
                total,
                Status.OPEN,
                reference="PO 7",
                lines=(line,),
            )
        )

    def pay(self, invoice: Invoice, amount: Decimal) -> Payment:
        own = self.ref(Payment)
        put = Application(self.ref(Application), own, invoice.ref, amount, "USD", TODAY)
        made: Payment = self.make(
            Payment(
                own,
                invoice.customer,
                "USD",
                TODAY,
                amount,
                Status.SETTLED,
                reference="cheque 5",
                unapplied=Decimal(0),
                applications=(put,),
            )
        )
        return made

    def apply(self, note: CreditNote, invoice: Invoice) -> Application:
        ends = (note.ref, invoice.ref)
        amount = note.remaining or Decimal(0)
        own = self.ref(Application)
        made: Application = self.make(
            Application(own, *ends, amount, "USD", TODAY, how=Part.CREDIT)
        )
        return made

    def level(self, invoice: Invoice) -> tuple[Status, Decimal, Any]:
        it = self.read(Settlement, invoice.ref.id)
        return it.status, it.balance, {k: v for k, v in it.settled_by.items() if v}


@pytest.fixture
def clerk(server: TrytonServer) -> Iterator[Clerk]:
    made = Clerk(server)
    yield made
    made.session.close()


def test_what_is_made_is_read_back_equal(clerk: Clerk) -> None:
    """A customer, an invoice, a credit note put to it, and a payment of the rest."""
    own = clerk.ref(Customer)
    customer = clerk.make(Customer(own, "Çelik & Söhne", email="a@example.com"))
    assert (customer.name, customer.email) == ("Çelik & Söhne", "a@example.com")
    invoice = clerk.document(Invoice, customer.ref, HUNDRED)
    assert invoice.number.startswith(f"{TODAY.year}-")
    assert (invoice.customer, invoice.on) == (customer.ref, TODAY)
    assert (invoice.total, invoice.reference) == (HUNDRED, "PO 7")
    assert invoice.lines[0].quantity == Decimal("2.5")
    note = clerk.document(CreditNote, customer.ref, FORTY)
    assert (note.total, note.remaining, note.status) == (FORTY, FORTY, Status.OPEN)
    put = clerk.apply(note, invoice)
    assert (put.source, put.target, put.amount) == (note.ref, invoice.ref, FORTY)
    assert clerk.level(invoice) == (Status.OPEN, SIXTY, {Part.CREDIT: FORTY})
    paid = clerk.pay(invoice, SIXTY)
    assert (paid.amount, paid.reference, paid.on) == (SIXTY, "cheque 5", TODAY)
    assert [each.target for each in paid.applications] == [invoice.ref]
    parts = {Part.CREDIT: FORTY, Part.CASH: SIXTY}
    assert clerk.level(invoice) == (Status.SETTLED, NOTHING, parts)


def test_what_was_made_can_be_undone(clerk: Clerk) -> None:
    """A payment, an application and both documents are taken back, one after the other."""
    customer = clerk.make(Customer(clerk.ref(Customer), "Bolt"))
    invoice = clerk.document(Invoice, customer.ref, HUNDRED)
    note = clerk.document(CreditNote, customer.ref, FORTY)
    put, paid = clerk.apply(note, invoice), clerk.pay(invoice, SIXTY)
    clerk.void(paid)
    assert clerk.read(Payment, paid.ref.id).status is Status.VOID
    assert clerk.level(invoice) == (Status.OPEN, SIXTY, {Part.CREDIT: FORTY})
    clerk.void(put)
    assert clerk.read(Application, put.ref.id) is None
    assert clerk.level(invoice) == (Status.OPEN, HUNDRED, {})
    for document in (invoice, note):
        clerk.void(document)
        held = clerk.read(type(document), document.ref.id)
        assert held.status is Status.VOID
    clerk.void(customer)
    assert not clerk.read(Customer, customer.ref.id).active


def test_a_whole_credit_note_settles_and_a_draft_is_posted_later(clerk: Clerk) -> None:
    """The reconciliation of equals, and the second write of a draft."""
    customer = clerk.make(Customer(clerk.ref(Customer), "Acme"))
    wanted = Invoice(
        clerk.ref(Invoice), "", customer.ref, "USD", TODAY, FORTY, Status.DRAFT
    )
    draft = clerk.make(wanted)
    assert (draft.status, draft.number) == (Status.DRAFT, "")
    after = evolve(draft, status=Status.OPEN, reference="PO 8")
    update = {"after": after, "target": draft.ref, "before": draft}
    echo: Any = clerk.write(Action.UPDATE, Invoice, **update).echo
    assert (echo.status, echo.reference) == (Status.OPEN, "PO 8")
    assert echo.custom == draft.custom
    note = clerk.document(CreditNote, customer.ref, FORTY)
    clerk.apply(note, echo)
    assert clerk.level(echo) == (Status.SETTLED, NOTHING, {Part.CREDIT: FORTY})
