"""The fake Invoiced does what is known of the real one, traps included."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import pytest

from tieout.errors import Code, Fate, Fault
from tieout.testing.fakes.invoiced import LISTINGS_MAX, FakeInvoiced, basic
from tieout.testing.fakes.invoiced_books import Habits
from tieout.testing.fakes.invoiced_fields import Refusal
from tieout.testing.fakes.serving import serve
from tieout.wire import Request, Response

HOST = "https://api.invoiced.com"
MARCH_8 = date(2026, 3, 8)
MARCH_8_SECONDS = 1_772_928_000
DAY = 86_400


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Client:
    """A client with a key that sends what a test says, and nothing more."""

    def __init__(self, fake: FakeInvoiced) -> None:
        self.fake = fake
        self.sign_in = basic("key")

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        url = path if path.startswith("http") else f"{HOST}/{path}"
        signed = {"Authorization": self.sign_in, **(headers or {})}
        return self.fake.send(Request(method, url, params or {}, signed, json=body), 30)

    def get(self, path: str, **params: str) -> Any:
        answer = self.send("GET", path, params=params)
        assert answer.status == 200, answer.text()
        return answer.json()

    def ids(self, path: str, params: Mapping[str, str] | None = None) -> list[int]:
        answer = self.send("GET", path, params=params)
        assert answer.status == 200, answer.text()
        return [row["id"] for row in answer.json()]

    def post(self, path: str, body: Any = None, **params: str) -> Any:
        answer = self.send("POST", path, body or {}, params)
        assert answer.status in {200, 201}, answer.text()
        return answer.json()

    def patch(self, path: str, body: Any) -> Any:
        answer = self.send("PATCH", path, body)
        assert answer.status == 200, answer.text()
        return answer.json()

    def refused(self, method: str, path: str, body: Any = None) -> tuple[str, str]:
        """The message and the param of a 400."""
        answer = self.send(method, path, body)
        content = answer.json()
        assert (answer.status, content["type"]) == (400, "invalid_request")
        return content["message"], content.get("param", "")


@pytest.fixture
def fake() -> FakeInvoiced:
    return FakeInvoiced()


@pytest.fixture
def client(fake: FakeInvoiced) -> Client:
    return Client(fake)


@pytest.fixture
def acme(fake: FakeInvoiced) -> int:
    return fake.add_customer("Acme", "C-1")


@pytest.fixture
def invoice(fake: FakeInvoiced, acme: int) -> int:
    return fake.add_invoice("INV-A", acme, "100", on=MARCH_8)


@pytest.fixture
def note(fake: FakeInvoiced, acme: int) -> int:
    return fake.add_credit_note("CN-A", acme, "40", on=MARCH_8)


def types(fake: FakeInvoiced) -> list[str]:
    return [event["type"] for event in fake.events()]


def links(answer: Response) -> dict[str, str]:
    found = re.findall(r'<([^>]*)>; rel="([a-z]+)"', answer.header("Link") or "")
    return {name: url for url, name in found}


# Signing in ----------------------------------------------------------------------------


def test_the_key_is_the_user_and_the_password_is_blank(client: Client) -> None:
    assert client.sign_in == "Basic a2V5Og=="
    assert client.get("customers", per_page="1") == []


@pytest.mark.parametrize(
    "header", ["", "Bearer key", "Basic a2V5OnNlY3JldA==", "Basic a2V5", basic("Key")]
)
def test_any_other_sign_in_is_a_401(client: Client, header: str) -> None:
    client.sign_in = header
    answer = client.send("GET", "customers")
    assert answer.status == 401
    assert answer.json()["type"] == "invalid_request"


def test_a_deleted_key_is_dead_until_a_person_makes_another(client: Client) -> None:
    client.fake.revoke()
    assert client.send("GET", "customers").status == 401
    client.fake.reissue("other")
    assert client.send("GET", "customers").status == 401
    client.sign_in = basic("other")
    assert client.get("customers") == []
    client.fake.expire()
    assert client.send("GET", "customers").status == 401


def test_a_denied_permission_is_a_403_for_that_alone(client: Client, acme: int) -> None:
    client.fake.deny("invoices.create")
    body = {"customer": acme}
    denied = client.send("POST", "invoices", body)
    assert denied.status == 403
    assert "invoices.create" in denied.json()["message"]
    assert client.get("invoices") == []
    assert client.send("POST", "credit_notes", body).status == 201
    client.fake.deny("invoices")
    assert client.send("GET", "invoices").status == 403
    client.fake.allow("invoices")
    client.fake.allow("invoices.create")
    assert client.send("POST", "invoices", body).status == 201


def test_voiding_needs_the_permission_to_delete(client: Client, invoice: int) -> None:
    client.fake.deny("invoices.delete")
    assert client.send("POST", f"invoices/{invoice}/void").status == 403
    assert client.fake.invoice(invoice)["status"] == "sent"


# Customers and contacts ----------------------------------------------------------------


def test_a_customer_without_a_number_gets_the_next_free_one(client: Client) -> None:
    client.post("customers", {"name": "Taken", "number": "CUST-0001"})
    first = client.post("customers", {"name": "Acme", "number": ""})
    assert (first["number"], first["type"]) == ("CUST-0002", "company")
    assert client.post("customers", {"name": "Beta"})["number"] == "CUST-0003"


def test_a_name_is_needed_and_a_number_is_unique(client: Client, acme: int) -> None:
    assert client.refused("POST", "customers", {"name": ""})[1] == "name"
    taken = {"name": "Other", "number": "C-1"}
    assert client.refused("POST", "customers", taken) == (
        "The number C-1 has already been taken",
        "number",
    )
    other = client.post("customers", {"name": "Other"})["id"]
    assert client.refused("PATCH", f"customers/{other}", taken)[1] == "number"
    assert client.patch(f"customers/{acme}", {"number": "C-1"})["number"] == "C-1"


def test_empty_strings_are_null_and_null_clears(client: Client) -> None:
    sent = {"name": "Acme", "email": "", "notes": "n", "metadata": {"a": "", "b": "1"}}
    made = client.post("customers", sent)
    assert (made["email"], made["notes"]) == (None, "n")
    assert made["metadata"] == {"b": "1"}
    path = f"customers/{made['id']}"
    assert client.patch(path, {"notes": None})["notes"] is None
    assert client.patch(path, {"number": ""})["number"] == made["number"]
    assert client.refused("PATCH", path, {"name": ""})[1] == "name"


def test_a_customer_with_records_stays_and_one_without_goes(
    client: Client, invoice: int
) -> None:
    owner = client.get(f"invoices/{invoice}")["customer"]
    assert "transactions" in client.refused("DELETE", f"customers/{owner}")[0]
    other = client.post("customers", {"name": "Other"})["id"]
    client.post(f"customers/{other}/contacts", {"name": "Ann"})
    gone = client.send("DELETE", f"customers/{other}")
    assert (gone.status, gone.body) == (204, b"")
    assert client.send("GET", f"customers/{other}").status == 404
    assert types(client.fake)[-1] == "customer.deleted"


def test_contacts_belong_to_their_customer(client: Client, acme: int) -> None:
    other = client.post("customers", {"name": "Other"})["id"]
    path = f"customers/{acme}/contacts"
    assert client.refused("POST", path, {})[1] == "name"
    made = client.post(path, {"name": "Ann", "customer": other, "title": "CFO"})
    assert (made["customer"], made["primary"]) == (acme, True)
    assert client.ids(path) == [made["id"]]
    assert client.ids(f"customers/{other}/contacts") == []
    wrong = client.send("GET", f"customers/{other}/contacts/{made['id']}")
    assert wrong.status == 404
    one = f"{path}/{made['id']}"
    assert client.patch(one, {"title": "CEO"})["title"] == "CEO"
    assert client.send("DELETE", one).status == 204
    assert client.send("GET", "customers/9/contacts").status == 404
    assert types(client.fake)[-3:] == [
        "contact.created",
        "contact.updated",
        "contact.deleted",
    ]


def test_a_customer_on_credit_hold_gets_no_new_invoice(
    client: Client, acme: int
) -> None:
    client.fake.edit_customer(acme, credit_hold=True)
    assert client.refused("POST", "invoices", {"customer": acme})[1] == "customer"
    relaxed = Client(FakeInvoiced(habits=Habits(credit_hold_refuses=False)))
    held = relaxed.post("customers", {"name": "Acme", "credit_hold": 1})["id"]
    assert relaxed.send("POST", "invoices", {"customer": held}).status == 201


def test_a_merge_moves_everything_and_ends_the_id(
    client: Client, acme: int, invoice: int
) -> None:
    fake = client.fake
    fake.add_credit(acme, "25")
    into = fake.add_customer("Survivor", "C-2")
    fake.merge_customer(acme, into)
    assert client.send("GET", f"customers/{acme}").status == 404
    assert client.get(f"invoices/{invoice}")["customer"] == into
    assert fake.credit_of(into) == 25
    event = fake.events()[-1]
    assert (event["type"], event["data"]["object"]["id"]) == ("customer.merged", into)
    assert event["data"]["previous"]["id"] == acme


def test_the_balance_of_a_customer(client: Client, acme: int, invoice: int) -> None:
    client.fake.add_credit(acme, "12.50")
    client.fake.edit_invoice(invoice, due_date=date(2026, 2, 1))
    client.fake.add_invoice("DRAFT", acme, "7", status="draft")
    assert client.get(f"customers/{acme}/balance") == {
        "currency": "usd",
        "total_outstanding": 100,
        "available_credits": Decimal("12.5"),
        "past_due": True,
        "history": [],
    }


# Invoices ------------------------------------------------------------------------------


def test_dates_are_unix_seconds_and_nothing_else(client: Client, acme: int) -> None:
    body = {"customer": acme, "date": MARCH_8_SECONDS, "payment_terms": "NET 30"}
    made = client.post("invoices", body)
    assert made["date"] == MARCH_8_SECONDS
    assert made["due_date"] == MARCH_8_SECONDS + 30 * DAY
    assert isinstance(made["updated_at"], int)
    for wrong in ("2026-03-08", MARCH_8_SECONDS * 1000, -1, True, Decimal("1.5")):
        assert client.refused("POST", "invoices", {**body, "date": wrong})[1] == "date"


def test_a_date_typed_by_a_person_is_in_the_company_s_zone() -> None:
    noon = Habits(time_of_day=time(12))
    fake = FakeInvoiced(timezone="Pacific/Auckland", habits=noon)
    acme = fake.add_customer("Acme")
    key = fake.add_invoice("A", acme, "1", on=MARCH_8)
    # Noon in Auckland is 23:00 of the day before in UTC.
    assert fake.invoice(key)["date"] == MARCH_8_SECONDS - 3600
    fake.pay(key, "1", MARCH_8)
    assert fake.paid(key) == (Decimal(1), MARCH_8)


def test_totals_come_from_lines_discounts_and_taxes(client: Client, acme: int) -> None:
    first = {"name": "A", "quantity": 3, "unit_cost": Decimal("3.335")}
    second = {"unit_cost": 10, "discounts": [{"amount": 1}], "taxes": [{"amount": 2}]}
    made = client.post(
        "invoices",
        {
            "customer": acme,
            "items": [first, second],
            "discounts": [{"amount": 5}],
            "taxes": [{"amount": Decimal("0.99")}],
            "total": 1,
            "paid": True,
            "balance": 0,
            "status": "paid",
        },
    )
    # 3 x 3.335 = 10.005, half a cent away from zero; what cannot be written is ignored.
    assert [line["amount"] for line in made["items"]] == [Decimal("10.01"), 10]
    assert made["subtotal"] == Decimal("20.01")
    assert made["total"] == made["balance"] == Decimal("17.00")
    assert (made["status"], made["paid"]) == ("not_sent", False)


def test_amounts_are_bare_json_numbers(client: Client, invoice: int) -> None:
    text = client.send("GET", f"invoices/{invoice}").text()
    assert '"total":100,' in text
    client.fake.pay(invoice, "0.50", MARCH_8)
    assert '"balance":99.5,' in client.send("GET", f"invoices/{invoice}").text()


def test_currencies_have_their_own_places_and_small_letters(client: Client) -> None:
    yen = client.post("customers", {"name": "Yen", "currency": "JPY"})
    assert yen["currency"] == "jpy"
    lines = [{"unit_cost": Decimal("10.5")}]
    made = client.post("invoices", {"customer": yen["id"], "items": lines})
    assert (made["currency"], made["total"]) == ("jpy", 11)
    payment = {"customer": yen["id"], "amount": Decimal("1.5")}
    assert client.refused("POST", "payments", payment)[1] == "amount"
    dinar = {"customer": yen["id"], "currency": "KWD", "amount": Decimal("1.125")}
    assert client.post("payments", dinar)["amount"] == Decimal("1.125")
    assert client.refused("POST", "payments", {**dinar, "currency": "K"})[1] == (
        "currency"
    )
    upper = FakeInvoiced(base_currency="eur", habits=Habits(lower_currencies=False))
    upper.add_invoice("A", upper.add_customer("Acme"), "1")
    assert upper.invoices()[0]["currency"] == "EUR"


def test_the_status_is_what_the_customer_sees() -> None:
    clock = Clock()
    fake = FakeInvoiced(now=clock)
    acme = fake.add_customer("Acme")

    def status(key: int) -> str:
        return str(fake.invoice(key)["status"])

    for wanted in ("draft", "not_sent", "sent", "viewed", "pending"):
        assert status(fake.add_invoice("", acme, "10", status=wanted)) == wanted
    key = fake.add_invoice("A", acme, "10", on=MARCH_8, due=date(2026, 3, 12))
    changed = fake.invoice(key)["updated_at"]
    clock.advance(2 * DAY)
    # Time passes, nobody changes anything: the status moves, the change time does not.
    assert (status(key), fake.invoice(key)["updated_at"]) == ("past_due", changed)
    fake.view(key)
    assert status(key) == "past_due"
    payment = fake.pay(key, "10", MARCH_8)
    assert (status(key), fake.invoice(key)["paid"]) == ("paid", True)
    fake.void_payment(payment)
    assert (status(key), fake.invoice(key)["paid"]) == ("past_due", False)
    fake.void_invoice(key)
    assert (status(key), fake.invoice(key)["balance"]) == ("voided", 0)


def test_a_closed_invoice_takes_no_more_payments(client: Client, invoice: int) -> None:
    client.fake.pay(invoice, "60", MARCH_8)
    closed = client.patch(f"invoices/{invoice}", {"closed": True})
    assert (closed["closed"], closed["paid"], closed["balance"]) == (True, False, 40)
    with pytest.raises(Refusal, match="INV-A is closed"):
        client.fake.pay(invoice, "40", MARCH_8)


def test_an_invoice_is_voided_by_post_and_stays(client: Client, invoice: int) -> None:
    assert client.post(f"invoices/{invoice}/void")["status"] == "voided"
    assert client.ids("invoices") == [invoice]
    again = client.refused("POST", f"invoices/{invoice}/void")
    assert again[0] == "This invoice has already been voided"
    changed = client.refused("PATCH", f"invoices/{invoice}", {"name": "n"})
    assert changed[0] == "This invoice has been voided"
    taken = {"customer": client.fake.invoice(invoice)["customer"], "number": "INV-A"}
    assert client.refused("POST", "invoices", taken)[1] == "number"


def test_a_document_with_payments_is_neither_voided_nor_deleted(
    client: Client, invoice: int
) -> None:
    payment = client.fake.pay(invoice, "10", MARCH_8)
    assert "applied" in client.refused("POST", f"invoices/{invoice}/void")[0]
    assert "applied" in client.refused("DELETE", f"invoices/{invoice}")[0]
    client.fake.void_payment(payment)
    body = {"disabled_payment_methods": ["cash"]}
    disabled = client.patch(f"invoices/{invoice}", body)["disabled_payment_methods"]
    assert disabled == ["cash"]
    assert client.send("DELETE", f"invoices/{invoice}").status == 204
    # Once deleted, only an event tells of it.
    assert client.send("GET", f"invoices/{invoice}").status == 404
    assert client.ids("invoices") == []
    assert types(client.fake)[-1] == "invoice.deleted"


def test_what_is_applied_limits_what_may_be_changed(
    client: Client, invoice: int
) -> None:
    client.fake.pay(invoice, "60", MARCH_8)
    path = f"invoices/{invoice}"
    assert client.refused("PATCH", path, {"items": [{"unit_cost": 59}]})[1] == "items"
    assert client.refused("PATCH", path, {"currency": "EUR"})[1] == "currency"
    assert client.refused("PATCH", path, {"draft": True})[0].startswith("Payments")
    assert client.patch(path, {"items": [{"unit_cost": 60}]})["status"] == "paid"


def test_a_change_keeps_what_it_does_not_name(
    client: Client, acme: int, invoice: int
) -> None:
    before = client.get(f"invoices/{invoice}")
    other = client.fake.add_customer("Other")
    body = {"purchase_order": "PO", "customer": other, "paid": True}
    after = client.patch(f"invoices/{invoice}", body)
    different = {name for name in after if after[name] != before[name]}
    assert different == {"purchase_order", "updated_at"}
    assert after["customer"] == acme


def test_unknown_references_and_totals_below_zero_are_refused(
    client: Client, acme: int
) -> None:
    assert client.refused("POST", "invoices", {})[1] == "customer"
    unknown = client.refused("POST", "invoices", {"customer": 9})
    assert unknown == ("No such customer: 9", "customer")
    child = {"name": "Child", "parent_customer": 9}
    assert client.refused("POST", "customers", child)[1] == "parent_customer"
    negative = {"customer": acme, "items": [{"unit_cost": -1}]}
    assert client.refused("POST", "invoices", negative)[1] == "items"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("items", "one"),
        ("items", ["one"]),
        ("items", [{"unit_cost": "ten"}]),
        ("items", [{"unit_cost": 10**20}]),
        ("draft", "maybe"),
        ("ship_to", 1),
        ("disabled_payment_methods", "cash"),
        ("name", {"a": 1}),
        ("customer", True),
    ],
)
def test_a_wrong_value_names_its_field(
    client: Client, acme: int, field: str, value: Any
) -> None:
    body = {"customer": acme, field: value}
    assert client.refused("POST", "invoices", body)[1].startswith(field)


def test_a_pdf_is_sent_where_one_is_asked_for(client: Client, invoice: int) -> None:
    wants = {"Accept": "application/pdf"}
    answer = client.send("GET", f"invoices/{invoice}", headers=wants)
    assert answer.header("content-type") == "application/pdf"
    assert answer.body.startswith(b"%PDF-")
    assert client.send("GET", "invoices", headers=wants).json()


def test_a_closed_period_cannot_be_written_in(client: Client, invoice: int) -> None:
    client.fake.lock_through(MARCH_8)
    path = f"invoices/{invoice}"
    assert client.refused("PATCH", path, {"name": "n"})[1] == "date"
    assert client.refused("POST", f"{path}/void")[1] == "date"
    assert client.refused("DELETE", path)[1] == "date"
    open_again = {"date": MARCH_8_SECONDS + DAY}
    assert client.refused("PATCH", path, open_again)[1] == "date"
    client.fake.lock_through(None)
    assert client.patch(path, open_again)["date"] == MARCH_8_SECONDS + DAY


# Metadata ------------------------------------------------------------------------------


def test_metadata_has_its_limits(client: Client, acme: int) -> None:
    path = f"customers/{acme}"
    longest = {"k" * 40: "v" * 255, **{f"k{n}": "v" for n in range(9)}}
    assert client.patch(path, {"metadata": longest})["metadata"] == longest
    for wrong in ({**longest, "more": "v"}, {"k" * 41: "v"}, {"k": "v" * 256}, "text"):
        assert client.refused("PATCH", path, {"metadata": wrong})[1] == "metadata"
    line = {"unit_cost": 1, "metadata": {f"k{n}": "v" for n in range(11)}}
    body = {"customer": acme, "items": [line]}
    assert client.refused("POST", "invoices", body)[1] == "metadata"


def test_metadata_is_replaced_or_merged_by_a_switch() -> None:
    expected = {False: {"new": "2"}, True: {"old": "1", "new": "2"}}
    for merges, wanted in expected.items():
        client = Client(FakeInvoiced(habits=Habits(metadata_merges=merges)))
        made = client.post("customers", {"name": "A", "metadata": {"old": "1"}})
        path = f"customers/{made['id']}"
        assert client.patch(path, {"name": "B"})["metadata"] == {"old": "1"}
        changed = client.patch(path, {"metadata": {"new": "2"}})
        assert changed["metadata"] == wanted
        changed = client.patch(path, {"metadata": {"new": None}})
        assert "new" not in changed["metadata"]


def test_metadata_is_looked_for_exactly(client: Client, acme: int) -> None:
    tagged = client.fake.add_invoice("A", acme, "1", metadata={"tieout": "b/1 2"})
    client.fake.add_invoice("B", acme, "1", metadata={"tieout": "b/1"})
    client.fake.add_invoice("C", acme, "1")
    assert client.ids("invoices", {"metadata[tieout]": "b/1 2"}) == [tagged]
    assert client.ids("invoices", {"metadata[tieout]": "B/1 2"}) == []
    in_address = f"invoices?metadata%5Btieout%5D={quote('b/1 2')}"
    assert client.ids(in_address) == [tagged]


# Credit notes --------------------------------------------------------------------------


def test_a_credit_note_goes_from_draft_to_open_to_paid(
    client: Client, acme: int, invoice: int
) -> None:
    body = {"customer": acme, "draft": True, "items": [{"unit_cost": 40}]}
    made = client.post("credit_notes", body)
    assert (made["status"], made["number"]) == ("draft", "CN-0001")
    assert "due_date" not in made
    path = f"credit_notes/{made['id']}"
    assert client.patch(path, {"draft": False})["status"] == "open"
    client.fake.allocate(made["id"], invoice, "15")
    assert client.get(path)["balance"] == 25
    assert "applied" in client.refused("POST", f"{path}/void")[0]
    client.fake.allocate(made["id"], invoice, "25")
    paid = client.get(path)
    assert (paid["status"], paid["balance"], paid["paid"]) == ("paid", 0, True)
    assert client.fake.invoice(invoice)["balance"] == 60


def test_a_credit_note_is_closed_or_voided(client: Client, note: int) -> None:
    path = f"credit_notes/{note}"
    assert client.patch(path, {"closed": True})["status"] == "closed"
    assert client.post(f"{path}/void")["status"] == "voided"
    assert client.get(path)["balance"] == 0
    with pytest.raises(Refusal, match="already been voided"):
        client.fake.void_credit_note(note)


def test_a_credit_note_for_an_invoice_is_applied_and_the_rest_is_credit(
    client: Client, acme: int, invoice: int
) -> None:
    client.fake.pay(invoice, "70", MARCH_8)
    body = {"customer": acme, "invoice": invoice, "items": [{"unit_cost": 40}]}
    made = client.post("credit_notes", body)
    note = client.get(f"credit_notes/{made['id']}")
    assert (note["invoice"], note["balance"], note["status"]) == (invoice, 0, "paid")
    assert client.fake.invoice(invoice)["status"] == "paid"
    assert client.fake.credit_of(acme) == 10
    [_, told] = client.get("payments", include="applied_to")
    assert (told["amount"], told["balance"]) == (0, 0)
    assert told["applied_to"] == [
        {
            "type": "credit_note",
            "amount": 30,
            "credit_note": made["id"],
            "invoice": invoice,
            "document_type": "invoice",
        }
    ]


def test_a_credit_note_for_a_paid_invoice_is_all_credit(
    fake: FakeInvoiced, acme: int, invoice: int
) -> None:
    fake.pay(invoice, "100", MARCH_8)
    fake.add_credit_note("N", acme, "40", invoice=invoice)
    assert fake.credit_of(acme) == 40
    assert len(fake.payments()) == 1


def test_a_draft_credit_note_is_applied_once_it_is_issued(
    fake: FakeInvoiced, acme: int, invoice: int
) -> None:
    note = fake.add_credit_note("N", acme, "40", status="draft", invoice=invoice)
    assert fake.invoice(invoice)["balance"] == 100
    client = Client(fake)
    client.patch(f"credit_notes/{note}", {"draft": False})
    assert fake.invoice(invoice)["balance"] == 60
    assert fake.credit_notes()[0]["status"] == "paid"
    larger = client.patch(f"credit_notes/{note}", {"items": [{"unit_cost": 50}]})
    assert (larger["balance"], fake.invoice(invoice)["balance"]) == (10, 60)


def test_a_credit_note_that_cannot_be_applied_is_not_made(
    client: Client, acme: int, invoice: int
) -> None:
    client.fake.edit_invoice(invoice, closed=True)
    body = {"customer": acme, "invoice": invoice, "items": [{"unit_cost": 4}]}
    assert client.refused("POST", "credit_notes", body)[1] == "invoice"
    assert client.refused("POST", "credit_notes", {**body, "invoice": 9})[1] == (
        "invoice"
    )
    assert client.fake.credit_notes() == []
    assert client.fake.payments() == []


def test_a_credit_note_may_only_remember_its_invoice() -> None:
    fake = FakeInvoiced(habits=Habits(issue_on_invoice=False))
    acme = fake.add_customer("Acme")
    key = fake.add_invoice("A", acme, "100")
    fake.add_credit_note("N", acme, "40", invoice=key)
    assert (fake.credit_notes()[0]["balance"], fake.payments()) == (40, [])


# Payments ------------------------------------------------------------------------------


def test_applications_are_hidden_unless_asked_for(client: Client, invoice: int) -> None:
    payment = client.fake.pay(invoice, "60", MARCH_8, "R-1")
    path = f"payments/{payment}"
    assert "applied_to" not in client.get(path)
    assert "applied_to" not in client.get("payments")[0]
    wanted = [{"type": "invoice", "amount": 60, "invoice": invoice}]
    assert client.get(path, include="applied_to")["applied_to"] == wanted
    assert client.get("payments", include="a,applied_to")[0]["applied_to"] == wanted
    changed = client.patch(path, {"notes": "n"})
    assert "applied_to" not in changed
    assert (changed["reference"], changed["method"]) == ("R-1", "other")


def test_a_payment_is_cash_and_credit_in_one(
    client: Client, acme: int, invoice: int, note: int
) -> None:
    cash = {"type": "invoice", "invoice": invoice, "amount": 60}
    credit = {"type": "credit_note", "credit_note": note, "amount": 40}
    credit |= {"invoice": invoice, "document_type": "invoice"}
    body = {"customer": acme, "amount": 60, "date": MARCH_8_SECONDS}
    made = client.post("payments", {**body, "applied_to": [cash, credit]})
    assert (made["amount"], made["balance"]) == (60, 0)
    assert client.fake.invoice(invoice)["status"] == "paid"
    assert client.get(f"credit_notes/{note}")["balance"] == 0
    assert client.fake.paid(invoice) == (Decimal(100), MARCH_8)


def test_the_amount_may_count_the_credit_lines() -> None:
    fake = FakeInvoiced(habits=Habits(amount_includes_credits=True))
    client, acme = Client(fake), fake.add_customer("Acme")
    key, note = (
        fake.add_invoice("A", acme, "100"),
        fake.add_credit_note("N", acme, "40"),
    )
    cash = {"type": "invoice", "invoice": key, "amount": 60}
    credit = {"type": "credit_note", "credit_note": note, "amount": 40}
    credit |= {"invoice": key, "document_type": "invoice"}
    body = {"customer": acme, "applied_to": [cash, credit]}
    assert client.refused("POST", "payments", {**body, "amount": 60})[1] == (
        "applied_to"
    )
    assert client.post("payments", {**body, "amount": 100})["balance"] == 0
    other = fake.add_invoice("B", acme, "5")
    fake.allocate(fake.add_credit_note("N2", acme, "5"), other, "5")
    assert fake.payments()[-1]["amount"] == 5


def test_all_types_of_applications(client: Client, acme: int, invoice: int) -> None:
    fake = client.fake
    fake.add_credit(acme, "20")
    estimate = client.post(
        "estimates", {"customer": acme, "items": [{"unit_cost": 50}]}
    )
    note = fake.add_credit_note("N", acme, "30")
    on_estimate = {"estimate": estimate["id"], "document_type": "estimate"}
    lines = [
        {"type": "invoice", "invoice": invoice, "amount": 50},
        {"type": "estimate", "estimate": estimate["id"], "amount": 5},
        {"type": "credit_note", "credit_note": note, "amount": 30, **on_estimate},
        {"type": "convenience_fee", "amount": Decimal("1.75")},
        {"type": "credit", "amount": 7},
        {"type": "applied_credit", "amount": 8, **on_estimate},
    ]
    body = {"customer": acme, "amount": 70, "applied_to": lines}
    made = client.post("payments", body, include="applied_to")
    assert made["applied_to"] == lines
    # 50 + 5 + 1.75 + 7 of the cash are spent; the credits are not cash.
    assert made["balance"] == Decimal("6.25")
    assert fake.invoice(invoice)["balance"] == 50
    assert client.get(f"estimates/{estimate['id']}")["balance"] == 7
    assert client.get(f"credit_notes/{note}")["balance"] == 0
    assert fake.credit_of(acme) == 20 + 7 - 8


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ({"type": "invoice", "invoice": 1001, "amount": 101}, "balance of the invoice"),
        ({"type": "invoice", "invoice": 9, "amount": 1}, "No such invoice: 9"),
        ({"type": "invoice", "amount": 1}, "must be an integer"),
        ({"type": "invoice", "invoice": 1001, "amount": 0}, "greater than zero"),
        ({"type": "invoice", "invoice": 1001, "amount": -5}, "greater than zero"),
        ({"type": "gift", "amount": 1}, "Invalid application type"),
        ({"amount": 1}, "Invalid application type"),
        (
            {"type": "credit_note", "credit_note": 1001, "invoice": 1001, "amount": 1},
            "document_type is needed",
        ),
        (
            {
                "type": "credit_note",
                "credit_note": 1001,
                "invoice": 1001,
                "document_type": "invoice",
                "amount": 41,
            },
            "balance of the credit note",
        ),
        (
            {
                "type": "applied_credit",
                "invoice": 1001,
                "document_type": "invoice",
                "amount": Decimal("10.01"),
            },
            "balance of the credit balance",
        ),
        (
            {"type": "invoice", "invoice": 1001, "amount": Decimal("1.005")},
            "decimal places",
        ),
        ({"type": "convenience_fee", "amount": 1001}, "More is applied"),
        ("invoice", "must be an object"),
    ],
)
def test_an_application_that_does_not_fit_is_refused(
    client: Client, acme: int, invoice: int, note: int, line: Any, text: str
) -> None:
    assert (invoice, note) == (1001, 1001), "one id means two things in two kinds"
    client.fake.add_credit(acme, "10")
    body = {"customer": acme, "amount": 1000, "applied_to": [line]}
    message, param = client.refused("POST", "payments", body)
    assert text in message
    assert param == "applied_to"
    assert client.fake.payments() == []
    assert client.fake.invoice(invoice)["balance"] == 100


def test_lines_of_one_payment_count_together(
    client: Client, acme: int, invoice: int
) -> None:
    line = {"type": "invoice", "invoice": invoice, "amount": 51}
    body = {"customer": acme, "amount": 102, "applied_to": [line, line]}
    assert "balance of the invoice" in client.refused("POST", "payments", body)[0]


def test_one_payment_has_one_customer(client: Client, invoice: int) -> None:
    other = client.fake.add_customer("Other")
    line = {"type": "invoice", "invoice": invoice, "amount": 1}
    body = {"customer": other, "amount": 1, "applied_to": [line]}
    message, param = client.refused("POST", "payments", body)
    assert (message, param) == (
        "invoice INV-A belongs to another customer",
        "applied_to",
    )
    credit = {"amount": 1, "applied_to": [{"type": "credit", "amount": 1}]}
    assert client.refused("POST", "payments", credit)[1] == "customer"


def test_currencies_and_drafts_do_not_mix(
    client: Client, acme: int, invoice: int
) -> None:
    line = {"type": "invoice", "invoice": invoice, "amount": 1}
    body = {"customer": acme, "amount": 1, "currency": "eur", "applied_to": [line]}
    assert "another currency" in client.refused("POST", "payments", body)[0]
    draft = client.fake.add_invoice("D", acme, "1", status="draft")
    with pytest.raises(Refusal, match="invoice D is draft"):
        client.fake.pay(draft, "1", MARCH_8)
    client.fake.void_invoice(invoice)
    with pytest.raises(Refusal, match="invoice INV-A is voided"):
        client.fake.pay(invoice, "1", MARCH_8)


def test_a_payment_may_wait_for_its_customer_and_its_application(
    client: Client, acme: int, invoice: int
) -> None:
    made = client.post("payments", {"amount": 100, "method": "ach"})
    assert (made["customer"], made["balance"]) == (None, 100)
    line = {"type": "invoice", "invoice": invoice, "amount": 60}
    path = f"payments/{made['id']}"
    matched = client.patch(path, {"applied_to": [line]})
    # The customer is that of what it is applied to.
    assert (matched["customer"], matched["balance"]) == (acme, 40)
    moved = client.patch(path, {"applied_to": [{**line, "amount": 100}]})
    assert moved["balance"] == 0
    assert client.patch(path, {"applied_to": None})["balance"] == 100
    assert client.fake.invoice(invoice)["balance"] == 100


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"amount": 59}, "applied_to"),
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"method": "barter"}, "method"),
        ({"customer": 9}, "customer"),
        ({"currency": "eur"}, "applied_to"),
    ],
)
def test_a_wrong_change_of_a_payment_is_refused(
    client: Client, invoice: int, change: Any, param: str
) -> None:
    payment = client.fake.pay(invoice, "60", MARCH_8)
    assert client.refused("PATCH", f"payments/{payment}", change)[1] == param


def test_an_old_application_may_stay_on_a_closed_invoice(
    client: Client, invoice: int
) -> None:
    payment = client.fake.pay(invoice, "60", MARCH_8)
    client.fake.edit_invoice(invoice, closed=True)
    client.patch(f"payments/{payment}", {"reference": "late"})
    line = {"type": "invoice", "invoice": invoice, "amount": 50}
    changed = {"applied_to": [line]}
    assert "closed" in client.refused("PATCH", f"payments/{payment}", changed)[0]


def test_a_payment_is_voided_by_delete_and_stays(
    client: Client, acme: int, invoice: int, note: int
) -> None:
    client.fake.allocate(note, invoice, "40")
    payment = client.fake.pay(invoice, "60", MARCH_8)
    path = f"payments/{payment}"
    gone = client.send("DELETE", path)
    assert (gone.status, gone.json()["voided"], gone.json()["balance"]) == (
        200,
        True,
        0,
    )
    told = client.get(path, include="applied_to")
    # The list still says what it was applied to: only the flag says that it is no more.
    assert told["applied_to"] == [{"type": "invoice", "amount": 60, "invoice": invoice}]
    assert client.fake.invoice(invoice)["balance"] == 60
    assert "already" in client.refused("DELETE", path)[0]
    assert "voided" in client.refused("PATCH", path, {"notes": "n"})[0]
    assert len(client.ids("payments")) == 2


def test_a_voided_payment_may_forget_and_be_an_update() -> None:
    habits = Habits(keep_applied_on_void=False, void_event="updated")
    fake = FakeInvoiced(habits=habits)
    key = fake.add_invoice("A", fake.add_customer("Acme"), "10")
    fake.void_payment(fake.pay(key, "10", MARCH_8))
    assert fake.payments()[0]["applied_to"] == []
    assert "payment.updated" in types(fake)
    assert "payment.deleted" not in types(fake)


def test_a_payment_whose_credit_was_used_is_not_voided(
    client: Client, acme: int, invoice: int
) -> None:
    to_credit = [{"type": "credit", "amount": 30}]
    payment = client.fake.add_payment(acme, "30", MARCH_8, applied_to=to_credit)
    from_credit = {"type": "applied_credit", "amount": 20, "invoice": invoice}
    from_credit["document_type"] = "invoice"
    used = client.fake.add_payment(acme, "0", applied_to=[from_credit])
    assert "credit balance" in client.refused("DELETE", f"payments/{payment}")[0]
    client.fake.void_payment(used)
    client.fake.void_payment(payment)
    assert client.fake.credit_of(acme) == 0


def test_the_credit_balance_is_adjusted_by_hand(client: Client, acme: int) -> None:
    path = "credit_balance_adjustments"
    made = client.post(path, {"customer": acme, "amount": 30})
    assert client.post(path, {"customer": acme, "amount": -10})["amount"] == -10
    assert client.fake.credit_of(acme) == 20
    one = f"{path}/{made['id']}"
    assert "credit balance" in client.refused("PATCH", one, {"amount": 9})[0]
    assert "credit balance" in client.refused("DELETE", one)[0]
    assert client.patch(one, {"amount": 10})["amount"] == 10
    assert client.refused("POST", path, {"customer": acme})[1] == "amount"
    assert client.fake.credit_of(acme) == 0


def test_a_convenience_fee_is_paid_on_top(fake: FakeInvoiced, invoice: int) -> None:
    fake.pay(invoice, "100", MARCH_8, fee="2.90", method="credit_card")
    [payment] = fake.payments()
    assert (payment["amount"], payment["balance"]) == (Decimal("102.9"), 0)
    assert payment["applied_to"][1] == {
        "type": "convenience_fee",
        "amount": Decimal("2.9"),
    }
    assert fake.paid(invoice) == (Decimal(100), MARCH_8)


def test_a_charge_and_a_match_are_set_by_others(
    client: Client, fake: FakeInvoiced, invoice: int
) -> None:
    payment = fake.pay(invoice, "1", MARCH_8)
    fake.edit_payment(payment, charge={"status": "succeeded"}, notes="n")
    client.patch(f"payments/{payment}", {"matched": True, "charge": None})
    told = client.get(f"payments/{payment}")
    assert (told["charge"], told["matched"]) == ({"status": "succeeded"}, None)
    assert told["notes"] == "n"
    fake.edit_payment(payment, matched=True)
    fake.edit_payment(payment, reference="R")
    [told] = fake.payments()
    assert (told["matched"], told["reference"]) == (True, "R")


def test_the_day_paid_is_when_the_balance_reached_zero(
    fake: FakeInvoiced, invoice: int, note: int
) -> None:
    fake.pay(invoice, "50", date(2026, 3, 20))
    assert fake.paid(invoice) == (Decimal(50), None)
    fake.allocate(note, invoice, "40", date(2026, 3, 9))
    last = fake.pay(invoice, "10", date(2026, 3, 12))
    assert fake.paid(invoice) == (Decimal(100), date(2026, 3, 20))
    fake.void_payment(last)
    assert fake.paid(invoice) == (Decimal(90), None)


# Lists ---------------------------------------------------------------------------------


def test_filters_are_exact_and_booleans_are_digits(
    client: Client, acme: int, invoice: int
) -> None:
    other = client.fake.add_invoice("INV-AB", acme, "50")
    client.fake.pay(other, "50", MARCH_8)
    for params, wanted in (
        ({"filter[number]": "INV-A"}, [invoice]),
        ({"filter[number]": "inv-a"}, []),
        ({"filter[number]": "INV-A", "filter[paid]": "1"}, []),
        ({"filter[paid]": "1"}, [other]),
        ({"filter[paid]": "0"}, [invoice]),
        ({"filter[status]": "paid"}, [other]),
        ({"filter[customer]": str(acme)}, [invoice, other]),
        ({"filter[total]": "50.00"}, [other]),
        ({"filter[name]": ""}, [invoice, other]),
    ):
        assert client.ids("invoices", params) == wanted, params


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"filter[paid]": "true"}, "filter[paid]"),
        ({"filter[customer]": "Acme"}, "filter[customer]"),
        ({"filter[color]": "red"}, "filter[color]"),
        ({"filter[items]": "1"}, "filter[items]"),
        ({"sort": "color ASC"}, "sort"),
        ({"sort": "number sideways"}, "sort"),
        ({"sort": "metadata"}, "sort"),
        ({"page": "0"}, "page"),
        ({"page": "one"}, "page"),
        ({"per_page": "-1"}, "per_page"),
        ({"updated_after": "2026-03-08"}, "updated_after"),
    ],
)
def test_a_wrong_query_names_its_parameter(
    client: Client, invoice: int, params: dict[str, str], param: str
) -> None:
    assert client.ids("invoices") == [invoice]
    answer = client.send("GET", "invoices", params=params)
    assert (answer.status, answer.json()["param"]) == (400, param)


def test_lists_are_ordered_by_what_is_asked_for(client: Client, acme: int) -> None:
    fake = client.fake
    rows = (("B", "2"), ("A", "2"), ("C", "1"))
    a, b, c = (fake.add_invoice(number, acme, total) for number, total in rows)
    assert client.ids("invoices") == [a, b, c]
    assert client.ids("invoices", {"sort": "number"}) == [b, a, c]
    assert client.ids("invoices", {"sort": "total desc,number asc"}) == [b, a, c]
    assert client.ids("invoices", {"sort": "due_date ASC"}) == [a, b, c]
    fake.edit_invoice(a, name="changed")
    assert client.ids("invoices") == [a, b, c]
    assert client.ids("invoices", {"sort": "updated_at ASC"}) == [b, c, a]
    assert client.ids("invoices", {"sort": "updated_at DESC"}) == [a, c, b]


@pytest.mark.parametrize("inclusive", [False, True])
def test_changes_after_a_second_and_the_boundary(inclusive: bool) -> None:
    clock = Clock()
    habits = Habits(updated_after_inclusive=inclusive)
    client = Client(FakeInvoiced(now=clock, habits=habits))
    first = client.post("customers", {"name": "First"})
    clock.advance(0.5)
    second = client.post("customers", {"name": "Second"})
    at = second["updated_at"]
    # Both in one second: whoever asks after it misses them, or sees them again.
    assert first["updated_at"] == at
    both = [first["id"], second["id"]]
    wanted = both if inclusive else []
    assert client.ids("customers", {"updated_after": str(at)}) == wanted
    assert client.ids("customers", {"updated_before": str(at)}) == wanted
    assert client.ids("customers", {"updated_after": str(at - 1)}) == both


@pytest.mark.parametrize("bumps", [True, False])
def test_whether_a_payment_moves_the_change_time_of_its_invoice(bumps: bool) -> None:
    fake = FakeInvoiced(habits=Habits(bump_on_payment=bumps))
    key = fake.add_invoice("A", fake.add_customer("Acme"), "10")
    before = fake.invoice(key)["updated_at"]
    fake.pay(key, "10", MARCH_8)
    after = fake.invoice(key)
    assert after["balance"] == 0
    assert (after["updated_at"] > before) is bumps


def test_document_dates_bound_a_list_on_both_sides(client: Client, acme: int) -> None:
    keys = [
        client.fake.add_invoice("", acme, "1", on=MARCH_8 + timedelta(days=n))
        for n in range(3)
    ]
    start, end = str(MARCH_8_SECONDS + DAY), str(MARCH_8_SECONDS + 2 * DAY)
    assert client.ids("invoices", {"start_date": start}) == keys[1:]
    assert client.ids("invoices", {"end_date": start}) == keys[:2]
    assert client.ids("invoices", {"start_date": start, "end_date": end}) == keys[1:]


def test_the_customer_is_expanded_on_request(client: Client, invoice: int) -> None:
    [shown] = client.get("invoices", expand="customer,other")
    assert shown["customer"]["name"] == "Acme"
    one = client.get(f"invoices/{invoice}", expand="customer", exclude="items,url")
    assert one["customer"]["number"] == "C-1"
    assert not {"items", "url"} & one.keys()
    nobody = client.post("payments", {"amount": 1}, expand="customer")
    assert nobody["customer"] is None


def test_pages_come_one_after_the_other(client: Client, acme: int) -> None:
    assert acme == 1001
    for n in range(4):
        client.fake.add_customer(f"Customer {n}")
    params = {"per_page": "2", "sort": "name ASC", "filter[chase]": "1"}
    jumped = client.send("GET", "customers", params={**params, "page": "2"})
    assert (jumped.status, jumped.json()["param"]) == (400, "page")
    seen, url = [], "customers"
    answer = client.send("GET", url, params=params)
    assert links(answer).keys() == {"self", "first", "next", "last"}
    for _ in range(3):
        assert answer.header("X-Total-Count") == "5"
        seen += [row["id"] for row in answer.json()]
        url = links(answer).get("next", "")
        answer = client.send("GET", url) if url else answer
    assert seen == [1001, 1002, 1003, 1004, 1005]
    assert links(answer).keys() == {"self", "first", "previous", "last"}
    last = dict(parse_qsl(urlsplit(links(answer)["last"]).query))
    assert last == {**params, "page": "3"}
    assert client.ids("customers", {**params, "page": "2"}) == seen[2:4]
    assert client.ids("customers", {**params, "page": "4"}) == []
    other = client.send(
        "GET", "customers", params={**params, "page": "3", "sort": "id"}
    )
    assert other.status == 400
    loose = Client(FakeInvoiced(sequential=False))
    assert loose.ids("customers", {"page": "7"}) == []


def test_an_old_listing_is_forgotten(client: Client, acme: int) -> None:
    client.fake.add_customer("Second")
    params = {"per_page": "1", "sort": "id"}
    assert client.ids("customers", params) == [acme]
    for n in range(LISTINGS_MAX):
        client.get("customers", updated_after=str(n))
    late = client.send("GET", "customers", params={**params, "page": "2"})
    assert late.json()["param"] == "page"


def test_a_page_is_never_longer_than_the_cap() -> None:
    fake = FakeInvoiced(page_size_default=2, page_size_max=3)
    for n in range(5):
        fake.add_customer(f"Customer {n}")
    client = Client(fake)
    assert len(client.ids("customers")) == 2
    assert len(client.ids("customers", {"per_page": "1000"})) == 3


def test_a_change_between_two_pages_shifts_what_follows(
    client: Client, acme: int
) -> None:
    keys = [client.fake.add_invoice("", acme, "1") for _ in range(4)]
    params = {"per_page": "2", "sort": "updated_at ASC"}
    assert client.ids("invoices", params) == keys[:2]
    client.fake.edit_invoice(keys[0], name="moved")
    # The third is on the first page now, and whoever goes on misses it.
    assert client.ids("invoices", {**params, "page": "2"}) == [keys[3], keys[0]]


# Creates that are sent twice -----------------------------------------------------------


def test_one_key_creates_once(client: Client, acme: int) -> None:
    key = {"Idempotency-Key": "k1"}
    body = {"customer": acme, "amount": 5}
    first = client.send("POST", "payments", body, headers=key)
    again = client.send("POST", "payments", body, headers=key)
    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body
    other = client.send("POST", "payments", {**body, "amount": 6}, headers=key)
    # The stored answer, though something else was asked.
    assert other.body == first.body
    assert len(client.fake.payments()) == 1
    elsewhere = client.send("POST", "customers", {"name": "Beta"}, headers=key)
    assert elsewhere.json()["name"] == "Beta"
    client.send("POST", "payments", body, headers={"Idempotency-Key": "k2"})
    client.send("POST", "payments", body)
    assert len(client.fake.payments()) == 3


def test_a_key_is_forgotten_in_time() -> None:
    clock = Clock()
    client = Client(FakeInvoiced(now=clock, idempotency_seconds=60))
    key = {"Idempotency-Key": "k"}
    for seconds, count in ((0, 1), (59, 1), (1, 2)):
        clock.advance(seconds)
        client.send("POST", "customers", {"name": "Acme"}, headers=key)
        assert len(client.fake.customers()) == count


@pytest.mark.parametrize("keeps", [False, True])
def test_whether_a_key_keeps_a_refusal(keeps: bool) -> None:
    client = Client(FakeInvoiced(key_keeps_errors=keeps))
    key = {"Idempotency-Key": "k"}
    assert client.send("POST", "customers", {}, headers=key).status == 400
    again = client.send("POST", "customers", {"name": "Acme"}, headers=key)
    assert again.status == (400 if keeps else 201)


def test_a_key_may_be_tied_to_its_body() -> None:
    client = Client(FakeInvoiced(key_checks_body=True))
    key = {"Idempotency-Key": "k"}
    assert client.send("POST", "customers", {"name": "A"}, headers=key).status == 201
    assert client.send("POST", "customers", {"name": "B"}, headers=key).status == 400
    assert client.send("POST", "customers", {"name": "A"}, headers=key).status == 201


def test_a_key_means_nothing_but_for_a_create(client: Client, invoice: int) -> None:
    key = {"Idempotency-Key": "k"}
    path = f"invoices/{invoice}"
    for name in ("one", "two"):
        answer = client.send("PATCH", path, {"name": name}, headers=key)
        assert answer.json()["name"] == name
    assert client.send("POST", f"{path}/void", headers=key).status == 200
    assert client.send("POST", f"{path}/void", headers=key).status == 400


# Events and webhooks -------------------------------------------------------------------


def test_events_tell_what_a_payment_did(client: Client, invoice: int) -> None:
    before = len(client.fake.events())
    payment = client.fake.pay(invoice, "100", MARCH_8)
    created, updated, paid = client.fake.events()[before:]
    assert (created["type"], created["data"]["object"]["id"]) == (
        "payment.created",
        payment,
    )
    assert "applied_to" not in created["data"]["object"]
    assert "previous" not in created["data"]
    assert updated["type"] == "invoice.updated"
    assert updated["data"]["previous"] == {
        "status": "sent",
        "balance": 100,
        "paid": False,
    }
    assert paid["type"] == "invoice.paid"
    assert paid["timestamp"] == client.get(f"invoices/{invoice}")["updated_at"]
    client.fake.void_payment(payment)
    assert types(client.fake)[-2:] == ["payment.deleted", "invoice.updated"]
    client.fake.void_invoice(invoice)
    void = client.fake.events()[-1]
    assert (void["type"], void["data"]["object"]["status"]) == (
        "invoice.updated",
        "voided",
    )
    assert void["data"]["previous"]["status"] == "sent"


def test_events_are_listed_newest_first_and_by_record(
    client: Client, acme: int, invoice: int
) -> None:
    client.fake.view(invoice)
    other = client.fake.add_invoice("B", acme, "1")
    events = client.get("events")
    assert [event["id"] for event in events] == [1005, 1004, 1003, 1002, 1001]
    mine = client.get("events", related_to=f"invoice,{invoice}")
    assert [event["type"] for event in mine] == [
        "invoice.viewed",
        "invoice.updated",
        "invoice.created",
    ]
    assert len(client.get("events", related_to=f"customer,{acme}")) == 5
    [one] = client.get("events", related_to=f"invoice,{other}")
    assert client.get(f"events/{one['id']}") == one
    wanted = {"filter[type]": "invoice.viewed"}
    assert client.ids("events", wanted) == [mine[0]["id"]]
    assert client.send("GET", "events/9").status == 404
    wrong = client.send("GET", "events", params={"related_to": "thing,1"})
    assert (wrong.status, wrong.json()["param"]) == (400, "related_to")


def test_an_event_keeps_what_was_so_then(client: Client, invoice: int) -> None:
    client.fake.edit_invoice(invoice, name="later")
    created, updated = client.get("events", related_to=f"invoice,{invoice}")[::-1]
    assert created["data"]["object"]["name"] is None
    assert updated["data"]["previous"] == {"name": None}
    other = client.fake.add_invoice("B", client.fake.customers()[0]["id"], "1")
    client.fake.delete_invoice(other)
    [gone, _] = client.get("events", related_to=f"invoice,{other}")
    assert (gone["type"], gone["data"]["object"]["number"]) == ("invoice.deleted", "B")
    # What changes nothing is not told of.
    client.fake.edit_invoice(invoice, name="later")
    assert len(client.get("events", related_to=f"invoice,{invoice}")) == 2


@pytest.mark.parametrize("in_base64", [False, True])
def test_a_webhook_is_signed(in_base64: bool) -> None:
    fake = FakeInvoiced(webhook_secret="s3cret", base64_signatures=in_base64)
    fake.add_customer("Café")
    [event] = fake.events()
    body, headers = fake.webhook(event["id"])
    digest = hmac.new(b"s3cret", body, hashlib.sha256).digest()
    wanted = base64.b64encode(digest).decode() if in_base64 else digest.hex()
    assert headers["X-Invoiced-Signature"] == wanted
    assert Response(200, (), body).json() == event


# Trouble -------------------------------------------------------------------------------


def test_throttled_calls_have_no_effect(client: Client) -> None:
    client.fake.throttle(1)
    client.fake.throttle(1, retry_after=7)
    first = client.send("POST", "customers", {"name": "Acme"})
    assert (first.status, first.header("Retry-After")) == (429, None)
    assert first.json()["type"] == "invalid_request"
    second = client.send("POST", "customers", {"name": "Acme"})
    assert (second.status, second.header("Retry-After")) == (429, "7")
    assert client.get("customers") == []


def test_a_limit_a_minute() -> None:
    clock = Clock()
    client = Client(FakeInvoiced(now=clock, calls_per_minute=2))
    assert [client.send("GET", "items").status for _ in range(3)] == [404, 404, 429]
    clock.advance(60)
    assert client.send("GET", "customers").status == 200


def test_failures_before_and_after_the_effect(client: Client) -> None:
    client.fake.fail(1)
    before = client.send("POST", "customers", {"name": "Acme"})
    assert (before.status, before.json()["type"]) == (500, "api")
    assert client.fake.customers() == []
    client.fake.fail(1, 502, b"<html>Bad Gateway</html>", after=True)
    assert client.get("customers") == []
    after = client.send("POST", "customers", {"name": "Acme"})
    assert (after.status, after.text()) == (502, "<html>Bad Gateway</html>")
    assert len(client.get("customers")) == 1
    with pytest.raises(Fault):
        after.json()


def test_a_lost_answer_was_carried_out_and_its_key_is_known(client: Client) -> None:
    client.fake.lose(1)
    assert client.get("customers") == []
    key = {"Idempotency-Key": "k"}
    with pytest.raises(Fault) as lost:
        client.send("POST", "customers", {"name": "Acme"}, headers=key)
    assert (lost.value.code, lost.value.fate) == (Code.ANSWER_LOST, Fate.UNCLEAR)
    again = client.send("POST", "customers", {"name": "Acme"}, headers=key)
    assert again.status == 201
    assert [row["id"] for row in client.fake.customers()] == [again.json()["id"]]


def test_the_types_of_errors_can_be_others() -> None:
    client = Client(FakeInvoiced(error_types={404: "not_found"}))
    assert client.send("GET", "customers/1").json() == {
        "type": "not_found",
        "message": "No such customer: 1",
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "", 404),
        ("GET", "nothing", 404),
        ("GET", "invoices/INV-1", 404),
        ("GET", "invoices/{id}", 404),
        ("GET", "invoices/99999999999999999999", 404),
        ("PUT", "invoices", 405),
        ("DELETE", "events", 405),
        ("POST", "payments/1/void", 404),
        ("GET", "https://[", 400),
    ],
)
def test_addresses_and_methods_that_are_none(
    client: Client, method: str, path: str, status: int
) -> None:
    answer = client.send(method, path)
    assert (answer.status, answer.json()["type"]) == (status, "invalid_request")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"\xff",
        b"name=Acme",
        b'{"name": "\\ud800"}',
        b'{"name": "A", "taxes": [{"a": 1e99999999}]}',
        b'{"name": "A", "name": "B"}',
        b'{"name": NaN}',
        b'{"name": "A", "credit_limit": 1e400}',
        b"[" * 100_000,
    ],
)
def test_nonsense_in_a_body_is_a_400(client: Client, body: bytes) -> None:
    signed = {"Authorization": client.sign_in}
    request = Request("POST", f"{HOST}/customers", headers=signed, content=body)
    answer = client.fake.send(request, 30)
    assert (answer.status, answer.json()["type"]) == (400, "invalid_request")
    assert client.get("customers") == []


# The double itself -----------------------------------------------------------------------


def test_the_counters(client: Client, invoice: int) -> None:
    client.get(f"invoices/{invoice}")
    client.refused("POST", "invoices", {})
    client.send("DELETE", f"customers/{invoice}/contacts/7")
    assert (client.fake.requests, client.fake.writes) == (3, 2)
    assert client.fake.calls == {
        "GET /invoices/{id}": 1,
        "POST /invoices": 1,
        "DELETE /customers/{id}/contacts/{id}": 1,
    }


def test_the_own_clock_moves_with_changes_alone(fake: FakeInvoiced, acme: int) -> None:
    start = fake.customers()[0]["updated_at"]
    Client(fake).get("customers")
    fake.edit_customer(acme, notes="n")
    assert fake.customers()[0]["updated_at"] == start + 1
    fake.advance(10)
    fake.edit_customer(acme, notes="m")
    assert fake.customers()[0]["updated_at"] == start + 12


def test_many_threads_create_one_payment_each(
    client: Client, acme: int, invoice: int
) -> None:
    line = {"type": "invoice", "invoice": invoice, "amount": 1}
    body = {"customer": acme, "amount": 1, "applied_to": [line]}

    def once(_: int) -> int:
        return client.send("POST", "payments", body).status

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(once, range(120)))
    assert (answers.count(201), answers.count(400)) == (100, 20)
    assert client.fake.invoice(invoice)["status"] == "paid"


@pytest.mark.parametrize("seed", range(5))
def test_balances_are_always_what_the_live_payments_leave(seed: int) -> None:
    draw = Random(seed)
    client = Client(FakeInvoiced())
    fake = client.fake
    owners = [fake.add_customer(f"C{n}") for n in range(2)]
    numbers = [1001, 1002, 1003, 1004]
    for n in range(4):
        fake.add_invoice("", owners[n % 2], "20")
        fake.add_credit_note("", owners[n % 2], "10")

    def line() -> dict[str, Any]:
        kind = draw.choice(["invoice", "credit_note", "credit", "applied_credit"])
        found = {"type": kind, "amount": draw.choice([1, 5, 10]), "invoice": 0}
        found |= {"invoice": draw.choice(numbers), "document_type": "invoice"}
        return found | {"credit_note": draw.choice(numbers)}

    statuses: Counter[int] = Counter()
    for _ in range(300):
        lines = [line() for _ in range(draw.choice([1, 1, 2]))]
        amount, owner = draw.choice([5, 10, 20]), draw.choice(owners)
        body = {"customer": owner, "amount": amount, "applied_to": lines}
        one = f"payments/{draw.randrange(1001, 1021)}"
        method = draw.choice(["POST", "PATCH", "DELETE", "DELETE"])
        path = "payments" if method == "POST" else one
        statuses[client.send(method, path, body).status] += 1
        check_sums(fake, owners)
    assert min(statuses[200], statuses[201], statuses[400]) > 5


def check_sums(fake: FakeInvoiced, owners: list[int]) -> None:
    live = [payment for payment in fake.payments() if not payment["voided"]]
    lines = [(p["customer"], line) for p in live for line in p["applied_to"]]
    for invoice in fake.invoices():
        used = sum(e["amount"] for _, e in lines if e.get("invoice") == invoice["id"])
        assert invoice["balance"] == 20 - used >= 0
    for note in fake.credit_notes():
        used = sum(e["amount"] for _, e in lines if e.get("credit_note") == note["id"])
        assert note["balance"] == 10 - used >= 0
    for owner in owners:
        signs = {"credit": 1, "applied_credit": -1}
        left = sum(
            signs.get(e["type"], 0) * e["amount"] for who, e in lines if who == owner
        )
        assert fake.credit_of(owner) == left >= 0
    for payment in live:
        cash = [e for e in payment["applied_to"] if e["type"] in {"invoice", "credit"}]
        spent = sum(e["amount"] for e in cash)
        assert payment["balance"] == payment["amount"] - spent >= 0


def test_links_lead_to_the_origin_that_was_asked(fake: FakeInvoiced, acme: int) -> None:
    fake.add_customer("Second")
    with serve(fake) as served:
        url = f"{served.url}/customers?per_page=1&filter%5Bname%5D=Acme&sort=name+ASC"
        request = HttpRequest(url, headers={"Authorization": basic("key")})
        with urlopen(request) as answer:
            link = str(answer.headers["Link"])
            assert answer.headers["X-Total-Count"] == "1"
    assert link.count(f"<{served.url}/customers?per_page=1&filter%5Bname%5D=Acme") == 3
    fake.close()
    assert fake.customers()[0]["id"] == acme
