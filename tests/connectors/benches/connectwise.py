"""ConnectWise Manage: its fake, its connector, and what people do in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from attrs import evolve

from benches.canary import CANARY
from tieout.connectors.connectwise import ConnectWise
from tieout.errors import Code
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    Record,
    RecordType,
    Settlement,
)
from tieout.session import Session
from tieout.stores.memory import MemoryStore
from tieout.testing.conformance import Bench, Sample, SetClock
from tieout.testing.fakes.connectwise import FakeConnectWise
from tieout.wire import Answer, Flow, Request, Response, write_json

CLIENT = "00000000-0000-4000-8000-000000000001"

HEADERS = {"Content-Type": "application/json", "api-current-version": "2025.1"}
HTML = {"Content-Type": "text/html"}
NOWHERE = b"<html><head><title>404 - File or directory not found.</title></head></html>"


def failure(status: int, code: str, message: str, *errors: str) -> Response:
    """The answer to a request that is not carried out; ``errors`` are codes of fields."""
    more = [
        {"code": each, "message": f"{each} it is", "resource": "payment", "field": "id"}
        for each in errors
    ]
    body = {"code": code, "message": message, "errors": more or None}
    return Response(status, HEADERS, write_json(body))


def _own(identity: str) -> int:
    """The own id of a payment record, which is told with its invoice's."""
    return int(identity.partition("/")[2])


class ConnectWiseBench(Bench):
    """One company in ConnectWise Manage."""

    secrets = (CANARY,)
    zero_decimal = "JPY"
    excuses: Mapping[str, str] = {
        "the payment behind it is named": "payments are told with their invoice's id; "
        "what an invoice says of its own has the rest of it alone",
    }
    fields: Mapping[RecordType, Mapping[str, str]] = {
        kind: {
            "number": "invoiceNumber",
            "status": status,
            "total": "total",
            "balance": "balance",
            "customer": "company",
            "on": "date",
        }
        for kind, status in {
            Invoice: "status.isClosed",
            CreditNote: "status.isClosed",
            # Whether a document is final says nothing of its money; its type does.
            Settlement: "type",
        }.items()
    }

    def __init__(
        self, company: str = "acme", clock: SetClock | None = None, **fake: Any
    ) -> None:
        self.clock = clock or SetClock()
        self.company = company
        self.connectwise = FakeConnectWise(
            now=self.clock.now, company=company, private_key=CANARY, **fake
        )
        self.transport = self.connectwise
        self._others = 0
        """Writes that were none of the connector's."""

    def connector(self, **overrides: Any) -> ConnectWise:
        keys = dict(public_key="public", private_key=CANARY, client_id=CLIENT)
        # Ids of its closed status and of its currency; payments stamp their invoices.
        ways = dict(final_status=2, currencies={"USD": 1}, payments_stamp=True)
        return ConnectWise(**{"company": self.company, **keys, **ways, **overrides})

    # What people do

    def customer(self, name: str, number: str = "") -> str:
        return str(self.connectwise.add_company(name, account_number=number))

    def invoice(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self._document(number, total, customer, on, currency)

    def draft(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self._document(number, total, customer, on, currency, closed=False)

    def credit_note(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self._document(number, total, customer, on, currency, type="CreditMemo")

    def _document(
        self,
        number: str,
        total: Decimal,
        customer: str,
        on: date,
        currency: str,
        **more: Any,
    ) -> str:
        decimals = 0 if currency == self.zero_decimal else 2
        made = self.connectwise.add_invoice(
            number,
            int(customer),
            total,
            on=on,
            currency=currency,
            decimals=decimals,
            **more,
        )
        return str(made)

    def pay(self, invoice: str, amount: Decimal, on: date) -> str:
        return f"{invoice}/{self.connectwise.add_payment(int(invoice), amount, on)}"

    overpay = pay

    def take_back(self, payment: str) -> None:
        self.connectwise.delete_payment(_own(payment))

    def apply_credit(self, credit: str, invoice: str, amount: Decimal, on: date) -> str:
        made = self.connectwise.add_credit(int(invoice), int(credit), amount, on)
        return f"{invoice}/{made}"

    def unapply_credit(self, application: str) -> None:
        self.connectwise.delete_payment(_own(application))

    def post(self, invoice: str) -> str:
        """There is no verb for it: a batch of one document, made as an exporter does."""
        listed = "finance/accounting/unpostedinvoices"
        where = {"conditions": f"billingLogId={invoice}"}
        (row,) = self._by_hand(Request("GET", listed, where)).json()
        batch = {
            "batchIdentifier": f"M-{invoice}",
            "processedRecordIds": [row["id"]],
            "exportInvoicesFlag": True,
        }
        made = Request("POST", "finance/accounting/batches", json=batch, effect=True)
        self._by_hand(made)
        return invoice

    def _by_hand(self, request: Request) -> Response:
        """The answer to a request that is none of the connector's."""

        def asked() -> Flow[Response]:
            return (yield request)

        before = self.connectwise.writes
        session = Session(self.connector(), self.connectwise, MemoryStore(), self.clock)
        response = session.run(asked())
        assert response.status < 300, response.text()
        self._others += self.connectwise.writes - before
        return response

    def edit(self, kind: RecordType, identity: str) -> None:
        if kind is Customer:
            self.connectwise.edit_company(int(identity), taxIdentifier="new")
        elif kind in (Payment, Application):
            self.connectwise.edit_payment(_own(identity), appliedBy="somebody")
        else:
            self.connectwise.edit_invoice(int(identity), due=date(2026, 6, 1))

    def delete(self, kind: RecordType, identity: str) -> None:
        if kind in (Payment, Application):
            self.connectwise.delete_payment(_own(identity))
        else:
            self.connectwise.delete_invoice(int(identity))

    def wanted(self, kind: RecordType, record: Record) -> Record:
        """A company always has a currency."""
        if isinstance(record, Customer):
            return evolve(record, currency=self.currency)
        return record

    # What goes wrong

    def deny(self) -> str:
        self.connectwise.deny("finance")
        return "finance"

    def neighbour(self) -> ConnectWiseBench:
        return ConnectWiseBench("other", self.clock)

    def revoke(self) -> None:
        self.connectwise.private_key = "another one"

    def samples(self) -> Iterable[Sample]:
        again, unknown = Answer.SIGN_IN, Code.UNKNOWN_ERROR
        stranger = failure(401, "ConnectWiseApi", "UserNotAuthenticated")
        yield Sample("wrong keys", stranger, Code.SIGN_IN_REFUSED, again)
        wrong = failure(401, "Unauthorized", "clientId is missing")
        yield Sample("a wrong client id", wrong, Code.SIGN_IN_REFUSED, again)
        denied = failure(403, "Forbidden", "The security role has no access to finance")
        yield Sample("a role too low", denied, Code.PERMISSION_MISSING)
        moved = Response(404, HTML, NOWHERE)
        yield Sample("an address before an upgrade", moved, Code.NOT_REACHED, again)
        gone = failure(404, "NotFound", "invoice 4711 was not found")
        yield Sample("an unknown id", gone, Code.NO_SUCH_RESOURCE)
        taken = failure(400, "InvalidObject", "payment is invalid", "ObjectExists")
        yield Sample("what exists already", taken, Code.DUPLICATE_NUMBER)
        lone = "Only a single payment is allowed per invoice"
        second = failure(400, "InvalidObject", lone, "ObjectExists")
        yield Sample("a second payment", second, Code.PAID_ON_BOTH_SIDES)
        done = failure(400, "InvalidObject", "12 is not in the unposted list")
        yield Sample("what cannot be handed over", done, Code.REFUSED)
        flawed = failure(400, "InvalidObject", "payment is invalid", "MissingRequired")
        yield Sample("a missing field", flawed, Code.REFUSED)
        quoted = "String values should be enclosed in double quotes"
        query = failure(400, "ConnectWiseApi", quoted)
        yield Sample("a query that cannot be read", query, unknown)
        used = failure(409, "ConflictingState", "invoice 12 is in use")
        yield Sample("a record in use", used, Code.IN_USE)
        busy = failure(429, "TooManyRequests", "Too many requests")
        yield Sample("too many calls", busy, Code.TOO_MANY_REQUESTS, Answer.WAIT)
        down = Response(504, HTML, b"<html>Gateway Time-out</html>")
        yield Sample("a gateway's timeout", down, Code.SERVER_ERROR, Answer.UNCLEAR)

    @property
    def writes(self) -> int:
        return self.connectwise.writes - self._others
