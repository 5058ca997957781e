"""Sage Intacct: its fake, its connector, and what a bookkeeper does in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

from attrs import evolve

from benches.canary import CANARY
from tieout.connectors.intacct import Intacct
from tieout.errors import Code
from tieout.models import CreditNote, Customer, Invoice, RecordType, Settlement
from tieout.testing.conformance import Bench, NotStaged, Sample, SetClock
from tieout.testing.fakes.intacct import FakeIntacct
from tieout.wire import Answer, Response

XML = {"Content-Type": "application/xml"}


def failed(
    errorno: str, text: str, *, level: str = "function", status: int = 200
) -> Response:
    """An answer with one error, in the shape of the vendor's at one of its levels."""
    error = (
        "<errormessage><error>"
        f"<errorno>{errorno}</errorno><description></description>"
        f"<description2>{text} [Support ID: x1~X%7Ey]</description2><correction></correction>"
        "</error></errormessage>"
    )
    operation = {
        "control": "",
        "sign-in": f"<operation><authentication><status>failure</status></authentication>{error}</operation>",
        "function": (
            "<operation><authentication><status>success</status></authentication>"
            "<result><status>failure</status><function>create_invoice</function>"
            f"<controlid>c-1</controlid>{error}</result></operation>"
        ),
    }[level]
    control = "failure" if level == "control" else "success"
    own = error if level == "control" else ""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?><response>'
        f"<control><status>{control}</status></control>{own}{operation}</response>"
    )
    return Response(status, XML, body)


# fmt: off
FUNCTIONS: Iterable[tuple[str, str, Code]] = (
    ("BL01001973", "A transaction with the number 'INV-1' already exists.", Code.DUPLICATE_NUMBER),
    ("BL34000061", "Another Customer with the given value(s) C1 already exists", Code.DUPLICATE_NUMBER),
    ("PL05000104", "Could not create the record", Code.DUPLICATE_NUMBER),
    ("BL01001973", "The Department already exists", Code.DUPLICATE_NUMBER),
    ("BL03000018", "The customer C1 is inactive", Code.REFUSED),
    ("BL03002155", "Please provide a payment batch key", Code.NOT_ALLOWED),
    ("BL02000051", "Undeposited funds are not allowed for foreign currency", Code.NOT_ALLOWED),
    ("XL03000027", "The amount paid if greater than the amount due for invoice with key 8229", Code.REFUSED),
    ("BL01001973", "Invalid Project 'P-1' specified.", Code.REFUSED),
    ("XL03000010", "Field requested is not valid: gldetail.STATUS", Code.BAD_FIELD),
    ("XL03000006", "The following fields cannot be queried: [apbill: [PAYTOCONTACTNAME]]", Code.BAD_FIELD),
    ("DL02000001", "There was an error processing the request.", Code.BAD_FIELD),
    ("BL01001973", "There is no ARINVOICE with key '9999'", Code.NO_SUCH_RESOURCE),
    ("XL03000009", "The entire transaction was rolled back", Code.WAITS),
    ("XL03000003", "XML Parse schema error", Code.UNKNOWN_ERROR),
    ("BL04002018", "The period is closed: open the books through 2026-03-31", Code.LOCKED_PERIOD),
    ("PL03000001", "You do not have permission for API operation READ_BY_QUERY on objects of type arinvoice", Code.PERMISSION_MISSING),
)
SIGN_INS: Iterable[tuple[str, str, Code, Answer]] = (
    ("XL03000006", "Sign-in information is incorrect", Code.SIGN_IN_REFUSED, Answer.REFUSED),
    ("XL03000006", "Invalid Web Services Authorization The sender ID 'sender' is not authorized for company ID 'acme'.", Code.PERMISSION_MISSING, Answer.REFUSED),
    ("XL03000006", "Invalid session: the session has timed out", Code.SIGN_IN_REFUSED, Answer.SIGN_IN),
    ("PL04000055", "The demo company has expired", Code.SIGN_IN_REFUSED, Answer.REFUSED),
)
GATEWAY: Iterable[tuple[str, str, Code, Answer, int]] = (
    *(("XMLGW_JPP0001", "Too many operations", Code.TOO_MANY_REQUESTS, Answer.WAIT, status) for status in (200, 400, 500, 503)),
    ("GW-0010", "Too many requests", Code.TOO_MANY_REQUESTS, Answer.WAIT, 429),
    ("GW-0011", "Invalid Request", Code.SIGN_IN_REFUSED, Answer.REFUSED, 400),
    ("XMLGW_JPP0002", "Sign-in failed", Code.SIGN_IN_REFUSED, Answer.REFUSED, 200),
    ("UJPP0002", "Sign-in failed", Code.SIGN_IN_REFUSED, Answer.REFUSED, 200),
    ("", "The Service is Temporarily Off-line", Code.SERVER_ERROR, Answer.UNCLEAR, 200),
)
# fmt: on


class IntacctBench(Bench):
    """One company in Sage Intacct."""

    secrets = (CANARY,)
    zero_decimal = "JPY"
    excuses: Mapping[str, str] = {
        "a void document says so [CreditNote]": "an adjustment is deleted, never reversed",
        "voiding is a change [CreditNote]": "an adjustment is deleted, never reversed",
        "one number, two documents [CreditNote]": "the fake keeps their numbers unique",
    }
    fields: Mapping[RecordType, Mapping[str, str]] = {
        kind: {
            "number": "RECORDID",
            "status": "STATE",
            "total": "TRX_TOTALENTERED",
            "balance": "TRX_TOTALDUE",
            "customer": "CUSTOMERID",
            "on": "WHENCREATED",
        }
        for kind in (Invoice, Settlement, CreditNote)
    }

    def __init__(self, company: str = "acme", clock: SetClock | None = None) -> None:
        self.clock = clock or SetClock()
        self.company = company
        self.intacct = self.transport = FakeIntacct(
            now=self.clock.now,
            company=company,
            user_password=CANARY,
            sender_password=CANARY,
        )

    def connector(self, **overrides: Any) -> Intacct:
        keys = dict(user="billing", password=CANARY, sender="sender")
        ledger: dict[str, Any] = {
            "base_currency": "USD",
            "account": "4000",
            "deposit_accounts": {"*/*": "BOA"},
            "deletions": True,
            "delete_credit_notes": True,
        }
        own = {"company": self.company, "sender_password": CANARY, **keys}
        return Intacct(**{**own, **ledger, **overrides})

    # What a bookkeeper does

    def customer(self, name: str, number: str = "") -> str:
        return self.intacct.add_customer(name, number)

    def invoice(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self._invoice(number, total, customer, on, currency)

    def draft(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        return self._invoice(number, total, customer, on, currency, status="Draft")

    def _invoice(
        self,
        number: str,
        total: Decimal,
        customer: str,
        on: date,
        currency: str,
        status: str = "Posted",
    ) -> str:
        rate = None if currency == self.currency else "0.01"
        return self.intacct.add_invoice(
            number,
            customer,
            total,
            on=on,
            currency=currency,
            rate=rate,
            status=status,
        )

    def credit_note(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        if number in [each["RECORDID"] for each in self.intacct.credit_notes()]:
            raise NotStaged("the fake keeps the numbers of adjustments unique")
        rate = None if currency == self.currency else "0.01"
        return self.intacct.add_credit_note(
            number, customer, total, on=on, currency=currency, rate=rate
        )

    def pay(self, invoice: str, amount: Decimal, on: date) -> str:
        return self.intacct.pay(invoice, amount, on)

    def take_back(self, payment: str) -> None:
        self.intacct.void_payment(payment)

    def apply_credit(self, credit: str, invoice: str, amount: Decimal, on: date) -> str:
        applied = self.intacct.allocate(credit, invoice, amount, on)
        return f"{applied}/{invoice}/{credit}"

    def unapply_credit(self, application: str) -> None:
        self.intacct.remove_allocation(application.partition("/")[0])

    def edit(self, kind: RecordType, identity: str) -> None:
        if kind is Customer:
            self.intacct.edit_customer(identity, COMMENTS="edited")
        else:
            self.intacct.edit_invoice(identity, DESCRIPTION="edited")

    def void(self, kind: RecordType, identity: str) -> None:
        if kind is CreditNote:
            raise NotStaged("an adjustment is deleted, never reversed")
        self.intacct.void_invoice(identity)

    def delete(self, kind: RecordType, identity: str) -> None:
        self.intacct.delete_invoice(identity)

    # What goes wrong

    def expire(self) -> None:
        self.intacct.expire()

    def revoke(self) -> None:
        self.intacct.revoke()

    def deny(self) -> str:
        self.intacct.deny("ARINVOICE")
        return "ARINVOICE"

    def neighbour(self) -> IntacctBench:
        return IntacctBench("other", self.clock)

    def samples(self) -> Iterable[Sample]:
        for number, text, code in FUNCTIONS:
            yield Sample(text, failed(number, text), code)
        for number, text, code, answer in SIGN_INS:
            yield Sample(text, failed(number, text, level="sign-in"), code, answer)
        for number, text, code, answer, status in GATEWAY:
            response = failed(number, text, level="control", status=status)
            yield Sample(f"{text} {status}", response, code, answer)
        done = "The function with control id c-1 was already carried out"
        yield Sample(
            done, failed("XL03000099", done), Code.OUTCOME_UNKNOWN, Answer.UNCLEAR
        )

    @property
    def writes(self) -> int:
        return self.intacct.writes

    # Rows that are spoilt on their way

    def mangled(
        self,
        response: Response,
        kind: RecordType,
        number: str,
        field: str,
        value: Any,
    ) -> Response:
        names = self.fields.get(kind, {})
        if "number" not in names or (field and field not in names):
            raise NotStaged(
                f"where {kind.__name__} rows have their {field or 'number'}"
            )
        try:
            root = ET.fromstring(response.body)
        except ET.ParseError:
            return response
        rows = [x for x in root.iter() if x.findtext(names["number"]) == number]
        for row in rows:
            _put(row, names[field] if field else "NOBODYKNOWS", value)
        if not rows:
            return response
        return evolve(response, body=ET.tostring(root))


def _put(row: ET.Element, name: str, value: Any) -> None:
    """The field of a row, as XML can hold such a value."""
    for held in row.findall(name):
        row.remove(held)
    values = value if isinstance(value, list) and value else [value]
    for each in values:
        held = ET.SubElement(row, name)
        if isinstance(each, Mapping):
            for inner, content in each.items():
                _put(held, inner, content)
        elif each not in (None, []):
            held.text = str(each).lower() if isinstance(each, bool) else str(each)
