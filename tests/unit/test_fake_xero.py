"""The fake Xero does what is known of the real one, traps included."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tieout.testing.fakes import xero_api
from tieout.testing.fakes.xero import FakeXero
from tieout.testing.fakes.xero_fields import Refusal
from tieout.testing.fakes.xero_shapes import compile_where
from tieout.wire import Request, Response

HOST = "https://api.xero.com"
API = f"{HOST}/api.xro/2.0"
TOKEN_URL = "https://identity.xero.com/connect/token"
MARCH_8 = date(2026, 3, 8)
MARCH_8_TICKS = "/Date(1772928000000+0000)/"


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Client:
    """A signed-in client that sends what a test says, and nothing more."""

    def __init__(self, fake: FakeXero) -> None:
        self.fake = fake
        self.token = fake.issue_token()

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **params: str,
    ) -> Response:
        signed = {
            "Authorization": f"Bearer {self.token}",
            "xero-tenant-id": self.fake.tenant,
            "Accept": "application/json",
            **(headers or {}),
        }
        kept = {name: value for name, value in signed.items() if value}
        return self.fake.send(
            Request(method, f"{API}/{path}", params, kept, json=body), 30
        )

    def get(self, path: str, since: str = "", **params: str) -> dict[str, Any]:
        answer = self.send("GET", path, None, {"If-Modified-Since": since}, **params)
        assert answer.status == 200, answer.text()
        content: dict[str, Any] = answer.json()
        return content

    def ids(self, path: str, since: str = "", **params: str) -> list[str]:
        rows = self.get(path, since, **params)[path]
        return [str(row[f"{path[:-1]}ID"]) for row in rows]


@pytest.fixture
def fake() -> FakeXero:
    return FakeXero(calls_per_minute=None, calls_per_day=None)


@pytest.fixture
def client(fake: FakeXero) -> Client:
    return Client(fake)


@pytest.fixture
def acme(fake: FakeXero) -> str:
    return fake.add_contact("Acme", "C-1")


def sign_in(
    fake: FakeXero, form: Mapping[str, str], pair: str = "client:secret"
) -> Response:
    basic = base64.b64encode(pair.encode()).decode()
    return fake.send(
        Request(
            "POST",
            TOKEN_URL,
            headers={"Authorization": f"Basic {basic}"},
            content=urlencode(form).encode(),
        ),
        30,
    )


def refresh(fake: FakeXero, token: str) -> Response:
    return sign_in(fake, {"grant_type": "refresh_token", "refresh_token": token})


def messages(answer: Response) -> list[str]:
    content = answer.json()
    assert answer.status == 400
    assert (content["ErrorNumber"], content["Type"]) == (10, "ValidationException")
    return [
        error["Message"]
        for element in content["Elements"]
        for error in element["ValidationErrors"]
    ]


# Signing in ------------------------------------------------------------------------------


def test_a_refresh_rotates_and_the_old_token_works_for_thirty_minutes() -> None:
    clock = Clock()
    fake = FakeXero(now=clock, refresh_token="first")
    second = refresh(fake, "first").json()["refresh_token"]
    assert second != "first"
    clock.advance(29 * 60)
    assert refresh(fake, "first").status == 200
    clock.advance(60)
    late = refresh(fake, "first")
    assert (late.status, late.json()) == (400, {"error": "invalid_grant"})
    assert fake.refresh_token not in {"first", second}
    assert refresh(fake, fake.refresh_token).status == 200


def test_a_revoked_or_unknown_grant_and_a_wrong_client_are_refused(
    fake: FakeXero,
) -> None:
    assert refresh(fake, "nobody's").json() == {"error": "invalid_grant"}
    wrong = sign_in(fake, {"grant_type": "refresh_token"}, pair="client:guess")
    assert (wrong.status, wrong.json()) == (401, {"error": "invalid_client"})
    assert sign_in(fake, {"grant_type": "password"}).status == 400
    fake.revoke()
    assert refresh(fake, fake.refresh_token).json() == {"error": "invalid_grant"}


def test_the_granted_token_opens_the_api_until_it_expires() -> None:
    clock = Clock()
    fake = FakeXero(now=clock, access_token_seconds=100)
    client = Client(fake)
    grant = refresh(fake, "refresh-0").json()
    assert grant["expires_in"] == 100
    client.token = grant["access_token"]
    assert client.send("GET", "Organisation").status == 200
    clock.advance(100)
    expired = client.send("GET", "Organisation")
    assert expired.status == 401
    assert expired.json()["Detail"].startswith("TokenExpired: token expired at ")


def test_expire_tokens_ends_every_token_given_so_far(client: Client) -> None:
    client.fake.expire_tokens()
    assert client.send("GET", "Organisation").status == 401
    client.token = client.fake.issue_token()
    assert client.send("GET", "Organisation").status == 200


def test_no_token_or_no_tenant_is_refused(client: Client) -> None:
    nobody = client.send("GET", "Organisation", None, {"Authorization": ""})
    assert nobody.json()["Title"] == "Unauthorized"
    for tenant in ("", "another"):
        foreign = client.send("GET", "Organisation", None, {"xero-tenant-id": tenant})
        assert (foreign.status, foreign.json()["detail"]) == (
            403,
            "AuthenticationUnsuccessful",
        )


def test_a_custom_connection_needs_no_tenant_header(client: Client) -> None:
    grant = sign_in(client.fake, {"grant_type": "client_credentials"}).json()
    assert "refresh_token" not in grant
    client.token = grant["access_token"]
    assert client.send("GET", "Invoices", None, {"xero-tenant-id": ""}).status == 200


def test_connections_name_the_tenant_until_disconnected(client: Client) -> None:
    signed = {"Authorization": f"Bearer {client.token}"}
    listed = client.fake.send(Request("GET", f"{HOST}/connections", headers=signed), 30)
    [connection] = listed.json()
    assert connection["tenantId"] == client.fake.tenant
    assert connection["createdDateUtc"] == "2026-01-15T08:30:00.0000000"
    assert listed.header("X-MinLimit-Remaining") is None
    assert listed.header("X-AppMinLimit-Remaining") == "9999"
    other = Request("DELETE", f"{HOST}/connections/other", headers=signed)
    assert client.fake.send(other, 30).status == 404
    gone = Request("DELETE", f"{HOST}/connections/{connection['id']}", headers=signed)
    assert client.fake.send(gone, 30).status == 204
    assert client.send("GET", "Organisation").status == 403


def test_a_revocation_needs_the_client_and_ends_everything(client: Client) -> None:
    url = "https://identity.xero.com/connect/revocation"
    refused = client.fake.send(
        Request("POST", url, headers={"Authorization": "Basic a"}), 30
    )
    assert refused.status == 401
    assert client.send("GET", "Organisation").status == 200
    basic = base64.b64encode(b"client:secret").decode()
    done = Request("POST", url, headers={"Authorization": f"Basic {basic}"})
    assert client.fake.send(done, 30).status == 200
    assert client.send("GET", "Organisation").status == 401
    assert refresh(client.fake, "refresh-0").json() == {"error": "invalid_grant"}


# Reading ---------------------------------------------------------------------------------


def test_the_organisation_shows_lock_dates_only_when_set(client: Client) -> None:
    [facts] = client.get("Organisation")["Organisations"]
    assert (facts["BaseCurrency"], facts["ShortCode"]) == ("USD", "!3T6Q-")
    assert "PeriodLockDate" not in facts
    client.fake.set_lock_dates(period=MARCH_8)
    [facts] = client.get("Organisation")["Organisations"]
    assert facts["PeriodLockDate"] == MARCH_8_TICKS
    assert "EndOfYearLockDate" not in facts
    client.fake.actions["UseMulticurrency"] = "NOT-ALLOWED"
    actions = client.get("Organisation/Actions")["Actions"]
    assert {"Name": "UseMulticurrency", "Status": "NOT-ALLOWED"} in actions


def test_an_invoice_reads_as_xero_writes_it(client: Client, acme: str) -> None:
    key = client.fake.add_invoice(
        "INV-1", acme, "110.00", on=MARCH_8, reference="R", tax="10.00"
    )
    content = client.get(f"Invoices/{key}")
    [invoice] = content["Invoices"]
    assert content["Status"] == "OK"
    assert content["DateTimeUTC"].startswith("/Date(")
    assert "+" not in content["DateTimeUTC"]
    assert invoice["Date"] == MARCH_8_TICKS
    assert invoice["DateString"] == "2026-03-08T00:00:00"
    assert invoice["DueDate"] == MARCH_8_TICKS
    assert invoice["UpdatedDateUTC"].endswith("+0000)/")
    assert invoice["Contact"]["ContactID"] == acme
    assert (invoice["SubTotal"], invoice["TotalTax"]) == (100, 10)
    assert (invoice["Total"], invoice["AmountDue"]) == (110, 110)
    assert (invoice["AmountPaid"], invoice["AmountCredited"]) == (0, 0)
    assert "FullyPaidOnDate" not in invoice
    assert len(invoice["LineItems"]) == 1
    assert client.get("Invoices/INV-1")["Invoices"][0]["InvoiceID"] == key


def test_money_is_written_as_exact_json_numbers(client: Client, acme: str) -> None:
    client.fake.add_invoice("INV-1", acme, "1234567890.10")
    body = client.send("GET", "Invoices/INV-1").body
    assert b'"Total":1234567890.10,' in body
    assert json.loads(body, parse_float=Decimal)["Invoices"][0]["Total"] == Decimal(
        "1234567890.10"
    )


def test_without_accept_the_answer_is_xml(client: Client, acme: str) -> None:
    client.fake.edit_contact(acme, {"Name": "A & <B>"})
    answer = client.send("GET", "Contacts", None, {"Accept": ""})
    assert answer.body.startswith(b"<Response>")
    assert b"A &amp; &lt;B&gt;" in answer.body


def test_pages_hold_lines_and_unpaged_lists_do_not(client: Client, acme: str) -> None:
    ids = [client.fake.add_invoice(f"INV-{n}", acme, "50") for n in range(5)]
    unpaged = client.get("Invoices", pageSize="2")
    assert [row["LineItems"] for row in unpaged["Invoices"]] == [[]] * 5
    assert "pagination" not in unpaged
    seen: list[str] = []
    for page in (1, 2, 3):
        content = client.get("Invoices", page=str(page), pageSize="2")
        assert content["pagination"] == {
            "page": page,
            "pageSize": 2,
            "pageCount": 3,
            "itemCount": 5,
        }
        assert all(row["LineItems"] for row in content["Invoices"])
        seen += [row["InvoiceID"] for row in content["Invoices"]]
    assert seen == ids
    past = client.get("Invoices", page="4", pageSize="2")
    assert (past["Invoices"], past["Status"]) == ([], "OK")


@pytest.mark.parametrize(("asked", "given"), [("0", 1), ("5000", 1000), ("", 100)])
def test_page_size_is_clamped(client: Client, asked: str, given: int) -> None:
    params = {"pageSize": asked} if asked else {}
    assert client.get("Invoices", page="1", **params)["pagination"]["pageSize"] == given


def test_a_summary_is_paged_and_has_no_payments(client: Client, acme: str) -> None:
    client.fake.add_invoice("INV-1", acme, "50")
    content = client.get("Invoices", summaryOnly="true")
    assert content["pagination"]["itemCount"] == 1
    assert "Payments" not in content["Invoices"][0]
    assert content["Invoices"][0]["LineItems"] == []


def test_the_default_order_is_that_of_the_last_change(
    client: Client, acme: str
) -> None:
    first, second = (client.fake.add_invoice(n, acme, "50") for n in ("A", "B"))
    assert client.ids("Invoices") == [first, second]
    client.fake.pay(first, "20", MARCH_8)
    assert client.ids("Invoices") == [second, first]
    assert client.ids("Invoices", order="UpdatedDateUTC DESC") == [first, second]
    assert client.ids("Invoices", order="InvoiceNumber") == [first, second]
    assert client.ids("Invoices", order="AmountDue DESC, InvoiceNumber") == [
        second,
        first,
    ]
    assert client.ids("Invoices", order="FullyPaidOnDate") == sorted((first, second))
    assert client.send("GET", "Invoices", order="Colour ASC").status == 400


def test_a_page_must_be_a_positive_number(client: Client) -> None:
    for page in ("abc", "0"):
        assert client.send("GET", "Invoices", page=page).status == 400


def test_many_listings_do_not_pile_up(client: Client, acme: str) -> None:
    key = client.fake.add_invoice("A", acme, "50")
    for amount in range(40):
        assert client.ids("Invoices", where=f"AmountDue > {amount}") == [key]
    assert len(client.fake._accounting._listings) < 40


def test_changed_since_is_inclusive_to_the_second(acme: str) -> None:
    clock = Clock()
    fake = FakeXero(now=clock)
    client = Client(fake)
    contact = fake.add_contact("Acme")
    clock.at = datetime(2026, 3, 10, 12, 0, 5, 900_000, tzinfo=UTC)
    key = fake.add_invoice("INV-1", contact, "50")
    assert client.ids("Invoices", since="2026-03-10T12:00:05") == [key]
    assert client.ids("Invoices", since="2026-03-10T12:00:05Z") == [key]
    assert client.ids("Invoices", since="2026-03-10T14:00:06+02:00") == []
    assert client.ids("Invoices", since="Tue, 10 Mar 2026 12:00:06 GMT") == []
    assert client.ids("Contacts", since="2026-03-10T12:00:00") == [contact]
    assert client.ids("Contacts", since="2026-03-10T12:00:01") == []


def test_a_malformed_since_filters_nothing(client: Client, acme: str) -> None:
    key = client.fake.add_invoice("INV-1", acme, "50")
    assert client.ids("Invoices", since="31/12/2099 00:00:00") == [key]


def test_a_since_sent_as_a_parameter_filters_nothing(client: Client, acme: str) -> None:
    key = client.fake.add_invoice("INV-1", acme, "50")
    params = {"If-Modified-Since": "2099-01-01T00:00:00"}
    assert client.ids("Invoices", **params) == [key]


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ('Type=="ACCREC"', "A B D"),
        ('Type=="ACCREC" AND Status=="AUTHORISED"', "A B"),
        ('Type=="ACCREC"&&Status=="DRAFT"', "D"),
        ('Status=="DRAFT" OR InvoiceNumber=="A"', "A D"),
        ('Type=="ACCREC" AND (Status=="DRAFT" OR AmountDue > 60)', "B D"),
        ("Date >= DateTime(2026,03,08) AND Date < DateTime(2026, 03, 09)", "A"),
        ("DueDate==null", "D"),
        ("AmountDue==50", "A P D"),
        ('Reference!=""', "B"),
        ('Contact.Name=="Acme"', "A B P D"),
        ("UpdatedDateUTC>=DateTime(2099,1,1,0,0,0)", ""),
        ("DueDate > 5", ""),
    ],
)
def test_where_filters(client: Client, acme: str, where: str, numbers: str) -> None:
    fake = client.fake
    fake.add_invoice("A", acme, "50", on=MARCH_8)
    fake.add_invoice("B", acme, "100", on=date(2026, 3, 9), reference="x")
    fake.add_invoice("P", acme, "50", on=date(2026, 1, 1), type="ACCPAY")
    fake.add_invoice("D", acme, "50", on=date(2026, 1, 1), status="DRAFT")
    rows = client.get("Invoices", where=where)["Invoices"]
    assert [row["InvoiceNumber"] for row in rows] == numbers.split()


def test_a_guid_in_where_and_where_in_the_url_itself(client: Client, acme: str) -> None:
    key = client.fake.add_invoice("A", acme, "50")
    where = f'Contact.ContactID==Guid("{acme.upper()}")'
    assert client.ids("Invoices", where=where) == [key]
    assert len(client.get(f"Invoices?where={quote(where)}")["Invoices"]) == 1


@pytest.mark.parametrize(
    "where",
    [
        'Colour=="red"',
        "Type==",
        'Type=="A',
        "Type",
        '(Type=="A"',
        "Total==x",
        "Total==1)",
    ],
)
def test_a_bad_where_is_refused(client: Client, where: str) -> None:
    answer = client.send("GET", "Invoices", where=where)
    assert (answer.status, answer.json()["Type"]) == (400, "QueryParseException")


def test_list_parameters_filter_invoices(client: Client, acme: str) -> None:
    other = client.fake.add_contact("Other")
    a, b, c = (
        client.fake.add_invoice("A", acme, "50"),
        client.fake.add_invoice("B", acme, "50", status="DRAFT"),
        client.fake.add_invoice("C", other, "50"),
    )
    assert client.ids("Invoices", IDs=f"{a.upper()},{c}") == [a, c]
    assert client.ids("Invoices", InvoiceNumbers="B,C") == [b, c]
    assert client.ids("Invoices", ContactIDs=acme) == [a, b]
    assert client.ids("Invoices", Statuses="DRAFT,PAID") == [b]


def test_ids_filter_nothing_on_credit_notes(client: Client, acme: str) -> None:
    keys = [client.fake.add_credit_note(n, acme, "50") for n in ("CN-1", "CN-2")]
    assert client.ids("CreditNotes", IDs=keys[0]) == keys


def test_contacts_are_found_by_name_number_and_id(client: Client, acme: str) -> None:
    other = client.fake.add_contact('The "O"', "C-2", email="o@example.com")
    assert client.ids("Contacts", where='Name=="Acme"') == [acme]
    assert client.ids("Contacts", where=r'Name=="The \"O\""') == [other]
    assert client.ids("Contacts", where='ContactNumber=="C-2"') == [other]
    assert client.ids("Contacts", IDs=other) == [other]
    assert client.get("Contacts/C-1")["Contacts"][0]["ContactID"] == acme


def test_archived_and_merged_contacts(client: Client, acme: str) -> None:
    other = client.fake.add_contact("Acme Ltd")
    client.fake.merge_contact(acme, other)
    assert client.ids("Contacts") == [other]
    assert client.ids("Contacts", includeArchived="true") == [other, acme]
    [merged] = client.get(f"Contacts/{acme}")["Contacts"]
    assert merged["ContactStatus"] == "ARCHIVED"
    assert merged["MergedToContactID"] == other
    client.fake.add_contact("Acme")  # the name is free again


def test_a_contacts_balance_moves_without_its_stamp(client: Client, acme: str) -> None:
    [before] = client.get(f"Contacts/{acme}")["Contacts"]
    client.fake.add_invoice("A", acme, "50", on=date(2026, 1, 1))
    client.fake.add_invoice("B", acme, "70", status="DRAFT")
    [after] = client.get(f"Contacts/{acme}")["Contacts"]
    owed = after["Balances"]["AccountsReceivable"]
    assert owed == {"Outstanding": 50, "Overdue": 50}
    assert (before["IsCustomer"], after["IsCustomer"]) == (False, True)
    assert before["UpdatedDateUTC"] == after["UpdatedDateUTC"]


def test_unknown_things_are_404_as_text(client: Client) -> None:
    for path in ("Invoices/nothing", "Unicorns", "Payments/nothing"):
        answer = client.send("GET", path)
        assert answer.status == 404
        assert not answer.body.startswith(b"{")
    assert client.send("DELETE", "Invoices").status == 405
    assert client.fake.send(Request("GET", f"{HOST}/nowhere"), 30).status == 404


# Money -----------------------------------------------------------------------------------


def test_part_and_full_payment(fake: FakeXero, acme: str) -> None:
    key = fake.add_invoice("A", acme, "100", on=date(2026, 3, 1))
    fake.pay(key, "40", date(2026, 3, 5))
    part = fake.invoice(key)
    assert (part["Status"], part["AmountPaid"], part["AmountDue"]) == (
        "AUTHORISED",
        40,
        60,
    )
    assert "FullyPaidOnDate" not in part
    fake.pay(key, "60", MARCH_8)
    full = fake.invoice(key)
    assert (full["Status"], full["AmountDue"]) == ("PAID", 0)
    assert full["FullyPaidOnDate"] == MARCH_8_TICKS


def test_the_stale_date_of_a_payment_that_was_deleted(
    client: Client, acme: str
) -> None:
    key = client.fake.add_invoice("A", acme, "50", on=MARCH_8)
    payment = client.fake.pay(key, "50", MARCH_8, "cheque 7")
    assert client.fake.invoice(key)["Payments"][0]["Reference"] == "cheque 7"
    client.fake.delete_payment(payment)
    invoice = client.fake.invoice(key)
    assert (invoice["Status"], invoice["AmountDue"]) == ("AUTHORISED", 50)
    assert invoice["Payments"] == []
    assert invoice["FullyPaidOnDate"] == MARCH_8_TICKS
    assert client.ids("Payments", where='Status=="AUTHORISED"') == []
    [row] = client.get("Payments", where='Status=="DELETED"')["Payments"]
    assert (row["PaymentID"], row["Status"], row["Amount"]) == (payment, "DELETED", 50)
    assert row["Invoice"]["InvoiceID"] == key


@pytest.mark.parametrize("bumps", [True, False])
def test_deleting_a_payment_may_or_may_not_bump_the_invoice(*, bumps: bool) -> None:
    fake = FakeXero(bump_on_delete=bumps)
    key = fake.add_invoice("A", fake.add_contact("Acme"), "50")
    payment = fake.pay(key, "50", MARCH_8)
    before = fake.invoice(key)["UpdatedDateUTC"]
    fake.delete_payment(payment)
    assert (fake.invoice(key)["UpdatedDateUTC"] != before) is bumps


def test_voided_and_deleted_keep_their_total_and_owe_nothing(
    fake: FakeXero, acme: str
) -> None:
    key = fake.add_invoice("A", acme, "60")
    draft = fake.add_invoice("B", acme, "60", status="DRAFT")
    assert fake.invoice(draft)["AmountDue"] == 60
    fake.void_invoice(key)
    fake.void_invoice(draft)
    for each, status in ((key, "VOIDED"), (draft, "DELETED")):
        shown = fake.invoice(each)
        assert (shown["Status"], shown["Total"]) == (status, 60)
        assert {shown[k] for k in ("AmountDue", "AmountPaid", "AmountCredited")} == {0}


def test_settled_by_a_credit_note_alone(client: Client, acme: str) -> None:
    fake = client.fake
    key = fake.add_invoice("A", acme, "100", on=date(2026, 2, 1))
    note = fake.add_credit_note("CN-1", acme, "150", on=MARCH_8)
    allocation = fake.allocate_credit(note, key, "100", date(2026, 4, 1))
    invoice = fake.invoice(key)
    assert (invoice["Status"], invoice["AmountPaid"], invoice["AmountCredited"]) == (
        "PAID",
        0,
        100,
    )
    assert invoice["FullyPaidOnDate"] == MARCH_8_TICKS
    assert invoice["Payments"] == []
    [nested] = invoice["CreditNotes"]
    assert (nested["CreditNoteNumber"], nested["AppliedAmount"]) == ("CN-1", 100)
    shown = fake.invoice(note)
    assert (shown["Status"], shown["RemainingCredit"]) == ("AUTHORISED", 50)
    assert shown["Allocations"][0]["Invoice"] == {
        "InvoiceID": key,
        "InvoiceNumber": "A",
    }
    assert shown["UpdatedDateUTC"] == invoice["UpdatedDateUTC"]
    # The nested date differs between a fetch by id and by list: a bug of Xero's.
    listed = client.get("Invoices", IDs=key)["Invoices"][0]["CreditNotes"][0]
    assert listed["Date"] != nested["Date"]
    fake.remove_allocation(allocation)
    assert fake.invoice(key)["Status"] == "AUTHORISED"
    assert fake.invoice(note)["RemainingCredit"] == 150


def test_prepayments_and_overpayments_count_as_credited(
    client: Client, acme: str
) -> None:
    fake = client.fake
    key = fake.add_invoice("A", acme, "100")
    over = fake.add_overpayment(acme, "30", on=MARCH_8)
    pre = fake.add_prepayment(acme, "70", reference="PRE", on=MARCH_8)
    fake.allocate(over, key, "30")
    fake.allocate(pre, key, "60")
    fake.pay(key, "10", MARCH_8)
    invoice = fake.invoice(key)
    assert (invoice["AmountCredited"], invoice["AmountPaid"]) == (90, 10)
    assert (len(invoice["Overpayments"]), len(invoice["Prepayments"])) == (1, 1)
    [shown] = client.get("Overpayments", where='Status=="PAID"')["Overpayments"]
    assert (shown["OverpaymentID"], shown["Type"]) == (over, "RECEIVE-OVERPAYMENT")
    [shown] = client.get(f"Prepayments/{pre}")["Prepayments"]
    assert (shown["RemainingCredit"], shown["Reference"]) == (10, "PRE")
    assert shown["InvoiceNumber"] == "PRE"
    assert client.ids("Prepayments", References="PRE,other") == [pre]


def test_payments_mix_both_sides_and_refunds(client: Client, acme: str) -> None:
    fake = client.fake
    fake.pay(fake.add_invoice("A", acme, "50"), "50", MARCH_8, batch="b-1")
    fake.pay(fake.add_invoice("P", acme, "50", type="ACCPAY"), "50", MARCH_8)
    note = fake.add_credit_note("CN-1", acme, "50")
    fake.refund_credit(note, "50", MARCH_8)
    fake.refund_credit(fake.add_prepayment(acme, "50"), "20", MARCH_8)
    rows = client.get("Payments")["Payments"]
    assert [(row["PaymentType"], row["Invoice"]["Type"]) for row in rows] == [
        ("ACCRECPAYMENT", "ACCREC"),
        ("ACCPAYPAYMENT", "ACCPAY"),
        ("ARCREDITPAYMENT", "ACCRECCREDIT"),
        ("ARPREPAYMENTPAYMENT", "ARPREPAYMENT"),
    ]
    assert [row.get("BatchPaymentID") for row in rows] == ["b-1", None, None, None]
    assert fake.invoice(note)["Status"] == "PAID"
    where = 'PaymentType=="ACCRECPAYMENT" AND Status=="AUTHORISED"'
    assert client.ids("Payments", where=where) == [rows[0]["PaymentID"]]


def test_a_foreign_payment_is_banked_at_its_rate(fake: FakeXero, acme: str) -> None:
    key = fake.add_invoice("A", acme, "100", currency="EUR", rate="0.8")
    fake.pay(key, "40", MARCH_8)
    fake.pay(key, "60", MARCH_8, rate="0")
    first, second = fake.payments()
    assert (first["CurrencyRate"], first["BankAmount"]) == (Decimal("0.8"), 50)
    assert (second["CurrencyRate"], second["BankAmount"]) == (0, 60)
    assert fake.invoice(key)["CurrencyCode"] == "EUR"


def test_what_the_bookkeeper_may_not_do(fake: FakeXero, acme: str) -> None:
    key = fake.add_invoice("A", acme, "50", on=MARCH_8)
    payment = fake.pay(key, "20", MARCH_8)
    with pytest.raises(Refusal, match="exceeds the amount outstanding"):
        fake.pay(key, "31", MARCH_8)
    with pytest.raises(Refusal, match="has a payment or credit note allocated"):
        fake.void_invoice(key)
    with pytest.raises(Refusal, match="only be made against Authorised documents"):
        fake.pay(fake.add_invoice("B", acme, "50", status="DRAFT"), "1", MARCH_8)
    fake.set_lock_dates(end_of_year=MARCH_8)
    with pytest.raises(Refusal, match="end of year lock date"):
        fake.delete_payment(payment)
    fake.set_lock_dates()
    fake.delete_payment(payment)
    with pytest.raises(Refusal):
        fake.delete_payment(payment)
    other = fake.add_credit_note("CN", acme, "10", currency="EUR")
    with pytest.raises(Refusal, match="currency"):
        fake.allocate(other, key, "1")
    note = fake.add_credit_note("CN-2", acme, "100")
    with pytest.raises(Refusal, match="exceeds the amount outstanding"):
        fake.allocate(note, key, "51")
    with pytest.raises(Refusal, match="cannot be allocated to this document"):
        fake.allocate(note, fake.add_invoice("P", acme, "50", type="ACCPAY"), "1")
    for missing in (fake.delete_payment, fake.remove_allocation, fake.approve):
        with pytest.raises(Refusal, match="could not be found"):
            missing("nobody")
    assert fake.invoice(key)["AmountDue"] == 50


def test_a_new_due_date_on_a_part_paid_invoice_bumps_nothing(
    fake: FakeXero, acme: str
) -> None:
    key = fake.add_invoice("A", acme, "50")
    fake.edit_invoice(key, Reference="before")
    fake.pay(key, "20", MARCH_8)
    before = fake.invoice(key)
    fake.edit_invoice(key, DueDate="2026-12-24")
    after = fake.invoice(key)
    assert after["DueDateString"] == "2026-12-24T00:00:00"
    assert after["UpdatedDateUTC"] == before["UpdatedDateUTC"]
    with pytest.raises(Refusal):
        fake.edit_invoice(key, Reference="after")


# Limits and trouble ----------------------------------------------------------------------


def test_the_minute_limit_opens_again() -> None:
    clock = Clock()
    client = Client(FakeXero(now=clock, calls_per_minute=2))
    first = client.send("GET", "Invoices")
    assert first.header("X-MinLimit-Remaining") == "1"
    assert first.header("X-DayLimit-Remaining") == "4999"
    clock.advance(20)
    assert client.send("GET", "Invoices").header("X-MinLimit-Remaining") == "0"
    limited = client.send("GET", "Invoices")
    assert (limited.status, limited.body) == (429, b"")
    assert limited.header("X-Rate-Limit-Problem") == "minute"
    assert limited.header("Retry-After") == "40"
    clock.advance(40)
    assert client.send("GET", "Invoices").status == 200


def test_the_day_limit_lasts_for_hours() -> None:
    clock = Clock()
    client = Client(FakeXero(now=clock, calls_per_minute=None, calls_per_day=1))
    client.send("GET", "Invoices")
    clock.advance(3600)
    client.token = client.fake.issue_token()
    limited = client.send("GET", "Invoices")
    assert limited.header("X-Rate-Limit-Problem") == "day"
    assert limited.header("Retry-After") == str(23 * 3600)
    assert limited.header("X-DayLimit-Remaining") == "0"


def test_throttle_and_fail_play_the_next_calls(client: Client, acme: str) -> None:
    fake = client.fake
    fake.throttle(1, retry_after=7, problem="concurrent")
    fake.throttle(1, retry_after=None)
    fake.fail(1, status=503, body=b"busy")
    first, second, third = (client.send("GET", "Invoices") for _ in range(3))
    assert (first.status, first.header("Retry-After")) == (429, "7")
    assert first.header("X-Rate-Limit-Problem") == "concurrent"
    assert (second.status, second.header("Retry-After")) == (429, None)
    assert (third.status, third.body) == (503, b"busy")
    assert client.send("GET", "Invoices").status == 200


def test_every_answer_has_its_own_correlation_id(client: Client) -> None:
    answers = [client.send("GET", "Invoices"), client.send("GET", "Unicorns/x")]
    client.fake.throttle()
    answers += [client.send("GET", "Invoices"), refresh(client.fake, "x")]
    found = {answer.header("Xero-Correlation-Id") for answer in answers}
    assert len(found) == 4
    assert None not in found


def test_calls_are_counted_by_what_they_ask(client: Client, acme: str) -> None:
    key = client.fake.add_invoice("A", acme, "50")
    client.get(f"Invoices/{key}")
    client.get("Organisation/Actions")
    client.send("PUT", "Payments", {})
    client.send("DELETE", f"CreditNotes/{key}/Allocations/{key}")
    assert client.fake.calls == {
        "GET /Invoices/{id}": 1,
        "GET /Organisation/Actions": 1,
        "PUT /Payments": 1,
        "DELETE /CreditNotes/{id}/Allocations/{id}": 1,
    }
    assert (client.fake.requests, client.fake.writes) == (4, 2)


# Writing ---------------------------------------------------------------------------------


def new_invoice(contact: str, number: str = "INV-9", **fields: Any) -> dict[str, Any]:
    return {
        "Type": "ACCREC",
        "Contact": {"ContactID": contact},
        "Date": "2026-03-08",
        "DueDate": "2026-04-08",
        "LineAmountTypes": "Exclusive",
        "InvoiceNumber": number,
        "Status": "AUTHORISED",
        "LineItems": [
            {"Description": "x", "Quantity": 2, "UnitAmount": Decimal("25.00")}
        ],
        **fields,
    }


def test_put_creates_and_replies_without_money_details(
    client: Client, acme: str
) -> None:
    body = {"Invoices": [new_invoice(acme, Reference="mark")]}
    answer = client.send("PUT", "Invoices", body)
    [created] = answer.json()["Invoices"]
    assert (answer.status, created["Total"], created["AmountDue"]) == (200, 50, 50)
    assert not {"AmountCredited", "Payments", "CreditNotes"} & set(created)
    assert client.ids("Invoices", where='Reference=="mark"') == [created["InvoiceID"]]


def test_put_refuses_a_number_in_use_and_post_overwrites_it(
    client: Client, acme: str
) -> None:
    key = client.fake.add_invoice("INV-9", acme, "10")
    body = {"Invoices": [new_invoice(acme)]}
    assert messages(client.send("PUT", "Invoices", body)) == [
        "Invoice # must be unique."
    ]
    assert client.fake.invoice(key)["Total"] == 10
    [changed] = client.send("POST", "Invoices", body).json()["Invoices"]
    assert (changed["InvoiceID"], changed["Total"]) == (key, 50)
    client.fake.void_invoice(key)
    assert client.send("PUT", "Invoices", body).status == 200


def test_a_bad_element_fails_all_unless_errors_are_told_apart(
    client: Client, acme: str
) -> None:
    good, bad = new_invoice(acme, "G"), new_invoice("no such contact", "B")
    third = new_invoice(acme, "T")
    whole = client.send("PUT", "Invoices", {"Invoices": [good, bad, third]})
    assert messages(whole) == ["The contact could not be found."]
    assert whole.json()["Elements"][0]["InvoiceNumber"] == "B"
    assert client.fake.invoices() == []
    apart = client.send(
        "PUT", "Invoices", {"Invoices": [good, bad, third]}, summarizeErrors="false"
    )
    assert apart.status == 200
    assert [
        (row["InvoiceNumber"], row["StatusAttributeString"], row["HasErrors"])
        for row in apart.json()["Invoices"]
    ] == [("G", "OK", False), ("B", "ERROR", True), ("T", "OK", False)]
    assert [row["InvoiceNumber"] for row in client.fake.invoices()] == ["G", "T"]


def test_a_taken_back_batch_leaves_numbers_and_contacts_free(client: Client) -> None:
    named = new_invoice("", "G", Contact={"Name": "Newcomer"})
    twice = client.send("PUT", "Invoices", {"Invoices": [named, named]})
    assert messages(twice) == ["Invoice # must be unique."]
    assert client.ids("Contacts") == []
    assert client.send("PUT", "Invoices", {"Invoices": [named]}).status == 200
    assert len(client.ids("Contacts")) == 1


def test_a_contact_inside_an_invoice_overwrites_the_contact(
    client: Client, acme: str
) -> None:
    contact = {"ContactID": acme, "Name": "Renamed", "EmailAddress": "a@example.com"}
    client.send("PUT", "Invoices", {"Invoices": [new_invoice(acme, Contact=contact)]})
    [shown] = client.get(f"Contacts/{acme}")["Contacts"]
    assert (shown["Name"], shown["EmailAddress"]) == ("Renamed", "a@example.com")


def test_generated_numbers_skip_those_in_use(client: Client, acme: str) -> None:
    client.fake.add_invoice("INV-0001", acme, "10")
    body = {"Invoices": [new_invoice(acme, "")]}
    body["Invoices"][0].pop("InvoiceNumber")
    [created] = client.send("PUT", "Invoices", body).json()["Invoices"]
    assert created["InvoiceNumber"] == "INV-0002"


def test_a_bill_of_the_same_number_is_neither_found_nor_overwritten(
    client: Client, acme: str
) -> None:
    first = client.fake.add_invoice("INV-9", acme, "10")
    client.fake.void_invoice(first)
    bill = client.fake.add_invoice("INV-9", acme, "10", type="ACCPAY")
    [made] = client.send("POST", "Invoices", new_invoice(acme)).json()["Invoices"]
    assert made["InvoiceID"] not in {first, bill}
    assert client.fake.invoice(bill)["Total"] == 10
    [found] = client.get("Invoices/INV-9")["Invoices"]
    assert found["InvoiceID"] == made["InvoiceID"]


def test_reading_moves_no_id_of_the_books(client: Client, acme: str) -> None:
    client.get("Invoices")
    client.get("Contacts")
    other = FakeXero()
    contact = other.add_contact("Acme", "C-1")
    assert contact == acme
    assert other.add_invoice("A", contact, "1") == client.fake.add_invoice(
        "A", acme, "1"
    )


def test_sent_to_contact_and_plain_fields_are_kept(client: Client, acme: str) -> None:
    fields: dict[str, Any] = {"SentToContact": True, "Url": "https://x.example/1"}
    client.send("PUT", "Invoices", {"Invoices": [new_invoice(acme, **fields)]})
    [shown] = client.get("Invoices/INV-9")["Invoices"]
    assert {name: shown[name] for name in fields} == fields


def test_an_unknown_id_in_a_body_is_refused(client: Client, acme: str) -> None:
    body = {"Invoices": [{"InvoiceID": "nobody", "Reference": "x"}]}
    assert messages(client.send("POST", "Invoices", body)) == [
        "The record could not be found."
    ]
    assert client.send("POST", "Invoices/nobody", {"Reference": "x"}).status == 404
    assert client.send("POST", "Payments/nobody", {"Status": "DELETED"}).status == 404


def test_unit_prices_have_two_places_unless_asked(client: Client, acme: str) -> None:
    lines = [{"Quantity": 100, "UnitAmount": Decimal("0.1234")}]
    for number, places, total in (
        ("A", "2", Decimal("12.00")),
        ("B", "4", Decimal("12.34")),
    ):
        body = {"Invoices": [new_invoice(acme, number, LineItems=lines)]}
        [made] = client.send("PUT", "Invoices", body, unitdp=places).json()["Invoices"]
        assert made["Total"] == total


def test_inclusive_amounts_and_discounts(client: Client, acme: str) -> None:
    lines = [
        {"UnitAmount": 110, "TaxAmount": 10},
        {"LineAmount": 100, "Quantity": 4, "DiscountRate": 10},
    ]
    untaxed = new_invoice(acme, "N", LineAmountTypes="NoTax", LineItems=lines)
    [made] = client.send("PUT", "Invoices", untaxed).json()["Invoices"]
    assert (made["TotalTax"], made["Total"]) == (0, 200)
    body = {
        "Invoices": [new_invoice(acme, LineAmountTypes="Inclusive", LineItems=lines)]
    }
    [made] = client.send("PUT", "Invoices", body).json()["Invoices"]
    assert (made["SubTotal"], made["TotalTax"], made["Total"]) == (190, 10, 200)
    assert made["TotalDiscount"] == 10
    assert made["LineItems"][1]["UnitAmount"] == 25


def test_lines_without_an_id_are_recreated(client: Client, acme: str) -> None:
    key = client.fake.add_invoice("A", acme, "50")
    [line] = client.fake.invoice(key)["LineItems"]
    kept = {**line, "UnitAmount": 60}
    client.send("POST", f"Invoices/{key}", {"LineItems": [kept, {"UnitAmount": 5}]})
    shown = client.fake.invoice(key)
    assert shown["Total"] == 65
    assert shown["LineItems"][0]["LineItemID"] == line["LineItemID"]
    client.send("POST", f"Invoices/{key}", {"LineItems": [{"UnitAmount": 5}]})
    [fresh] = client.fake.invoice(key)["LineItems"]
    assert fresh["LineItemID"] != line["LineItemID"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"Contact": None}, "A Contact must be specified"),
        ({"Status": "PAID"}, "Invoice not of valid status for modification"),
        ({"LineItems": []}, "One or more line items must be specified"),
        ({"LineItems": ["x"]}, "A line item is not an object"),
        ({"LineItems": [{"UnitAmount": "ten"}]}, "'ten' is not a valid amount"),
        ({"LineItems": [{"UnitAmount": -1}]}, "greater than or equal to 0"),
        ({"InvoiceNumber": "x" * 256}, "255 characters"),
        ({"LineItems": [{"UnitAmount": "1e99"}]}, "'1e99' is not a valid amount"),
        ({"Date": "yesterday"}, "'yesterday' is not a valid date"),
        ({"CurrencyCode": "EUR"}, "not subscribed to currency EUR"),
        ({"Date": "2025-12-31"}, "before the period lock date"),
        ({"Type": "WRONG"}, "type is missing or invalid"),
        (
            {"LineItems": [{"AccountCode": "old", "UnitAmount": 1}]},
            "archived, or deleted",
        ),
    ],
)
def test_what_an_invoice_is_refused_for(fields: dict[str, Any], message: str) -> None:
    fake = FakeXero(currencies={"USD"})
    fake.set_lock_dates(period=date(2025, 12, 31))
    fake.archive_account("old")
    body = {"Invoices": [{**new_invoice(fake.add_contact("Acme")), **fields}]}
    [said] = messages(Client(fake).send("PUT", "Invoices", body))
    assert message in said
    assert fake.invoices() == []


def test_statuses_move_only_as_xero_lets_them(client: Client, acme: str) -> None:
    fake = client.fake
    key = fake.add_invoice("A", acme, "50", status="DRAFT")
    client.send("POST", f"Invoices/{key}", {"Status": "SUBMITTED"})
    assert fake.invoice(key)["Status"] == "SUBMITTED"
    fake.approve(key)
    back = client.send("POST", f"Invoices/{key}", {"Status": "DRAFT"})
    assert messages(back) == ["Invoice not of valid status for modification"]
    voided = client.send(
        "POST", "Invoices", {"Invoices": [{"InvoiceID": key, "Status": "VOIDED"}]}
    )
    assert voided.json()["Invoices"][0]["Status"] == "VOIDED"
    again = client.send("POST", f"Invoices/{key}", {"Reference": "x"})
    assert messages(again) == ["Invoice not of valid status for modification"]


def test_an_archived_contact_is_refused_for_new_documents(
    client: Client, acme: str
) -> None:
    client.fake.edit_contact(acme, {"ContactStatus": "ARCHIVED"})
    [said] = messages(client.send("PUT", "Invoices", {"Invoices": [new_invoice(acme)]}))
    assert "contact with the specified contact details has been archived" in said


def test_contacts_are_created_changed_and_kept_unique(
    client: Client, acme: str
) -> None:
    [said] = messages(client.send("PUT", "Contacts", {"Contacts": [{"Name": "ACME"}]}))
    assert "is already assigned to another contact" in said
    numbered = {"Contacts": [{"Name": "Other", "ContactNumber": "C-1"}]}
    [said] = messages(client.send("PUT", "Contacts", numbered))
    assert "C-1 is already assigned" in said
    assert client.send("POST", "Contacts", numbered).status == 200
    assert client.fake.books.contacts.rows[acme].name == "Other"
    named = {"Contacts": [{"Name": "Other", "ContactStatus": "ARCHIVED"}]}
    client.send("POST", "Contacts", named)
    assert client.ids("Contacts") == []
    assert client.send("POST", "Contacts/nobody", {"Name": "x"}).status == 404
    [said] = messages(client.send("PUT", "Contacts", {"Contacts": [{"Name": ""}]}))
    assert "name must be specified" in said
    long = {"Name": "Long", "ContactNumber": "x" * 51}
    assert "50 characters" in messages(client.send("PUT", "Contacts", long))[0]


def test_a_payment_by_the_api_and_its_deletion(client: Client, acme: str) -> None:
    key = client.fake.add_invoice("A", acme, "50", on=MARCH_8)
    body = {
        "Payments": [
            {
                "Invoice": {"InvoiceID": key},
                "Account": {"Code": "090"},
                "Date": "2026-03-01",
                "Amount": Decimal("50.00"),
                "Reference": "mark",
            }
        ]
    }
    answer = client.send("PUT", "Payments", body)
    [paid] = answer.json()["Payments"]
    assert paid["Warnings"] == [
        {"Message": "Payment date is before the date of the document."}
    ]
    assert client.fake.invoice(key)["Status"] == "PAID"
    assert messages(client.send("PUT", "Payments", body)) == [
        "Payment amount exceeds the amount outstanding on this document"
    ]
    edit = client.send("POST", f"Payments/{paid['PaymentID']}", {"Amount": 1})
    assert messages(edit) == ["Payments cannot be edited, only deleted"]
    gone = {"Payments": [{"Status": "DELETED"}]}
    deleted = client.send("POST", f"Payments/{paid['PaymentID']}", gone)
    assert deleted.json()["Payments"][0]["Status"] == "DELETED"
    assert client.fake.invoice(key)["AmountDue"] == 50


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"Account": None}, "An Account must be specified"),
        ({"Invoice": None}, "names no document"),
        ({"Invoice": {"InvoiceID": "nobody"}}, "could not be found"),
        ({"Amount": 0}, "greater than zero"),
        ({"Amount": True}, "not a valid amount"),
        ({"Account": {"Code": "old"}}, "archived, or deleted"),
        ({"Date": "2025-12-31"}, "before the period lock date"),
    ],
)
def test_what_a_payment_is_refused_for(fields: dict[str, Any], message: str) -> None:
    fake = FakeXero()
    key = fake.add_invoice("A", fake.add_contact("Acme"), "50")
    fake.set_lock_dates(period=date(2025, 12, 31))
    fake.archive_account("old")
    payment = {"Invoice": {"InvoiceID": key}, "Account": {"Code": "090"}, "Amount": 1}
    body = {"Payments": [{**payment, **fields}]}
    [said] = messages(Client(fake).send("PUT", "Payments", body))
    assert message in said
    assert fake.payments() == []


def test_a_refund_by_the_api_names_the_credit_note(client: Client, acme: str) -> None:
    note = client.fake.add_credit_note("CN-1", acme, "50")
    for target in (
        {"CreditNote": {"CreditNoteNumber": "CN-1"}},
        {"Invoice": {"InvoiceID": note}},
    ):
        body = {"Payments": [{**target, "Account": {"Code": "090"}, "Amount": 20}]}
        assert client.send("PUT", "Payments", body).status == 200
    assert client.fake.invoice(note)["RemainingCredit"] == 10


def test_a_credit_note_is_created_allocated_and_unallocated(
    client: Client, acme: str
) -> None:
    key = client.fake.add_invoice("A", acme, "50")
    note = new_invoice(acme, Type="ACCRECCREDIT", CreditNoteNumber="CN-1")
    [made] = client.send("PUT", "CreditNotes", {"CreditNotes": [note]}).json()[
        "CreditNotes"
    ]
    path = f"CreditNotes/{made['CreditNoteID']}/Allocations"
    body = {
        "Allocations": [
            {"Invoice": {"InvoiceID": key}, "Amount": 30, "Date": "2026-03-08"}
        ]
    }
    [allocated] = client.send("PUT", path, body).json()["Allocations"]
    assert (allocated["Amount"], allocated["Date"]) == (30, MARCH_8_TICKS)
    assert client.fake.invoice(key)["AmountCredited"] == 30
    assert messages(client.send("PUT", path, body)) == [
        "Allocation amount exceeds the remaining credit"
    ]
    undo = f"{path}/{allocated['AllocationID']}"
    client.fake.set_lock_dates(period=MARCH_8)
    [said] = messages(client.send("DELETE", undo))
    assert "period lock date" in said
    client.fake.set_lock_dates()
    [removed] = client.send("DELETE", undo).json()["Allocations"]
    assert removed["IsDeleted"] is True
    assert client.fake.invoice(key)["AmountCredited"] == 0
    assert client.send("DELETE", undo).status == 404


def test_a_draft_credit_note_cannot_be_allocated(client: Client, acme: str) -> None:
    key = client.fake.add_invoice("A", acme, "50")
    note = client.fake.add_credit_note("CN-1", acme, "50", status="DRAFT")
    assert client.fake.invoice(note)["RemainingCredit"] == 50
    body = {"Allocations": [{"Invoice": {"InvoiceID": key}, "Amount": 30}]}
    [said] = messages(client.send("PUT", f"CreditNotes/{note}/Allocations", body))
    assert "Authorised" in said
    assert client.send("PUT", "CreditNotes/nobody/Allocations", body).status == 404


def test_an_idempotency_key_replays_for_six_minutes(acme: str) -> None:
    clock = Clock()
    fake = FakeXero(now=clock, calls_per_minute=10)
    client = Client(fake)
    contact = fake.add_contact("Acme")
    body = {"Invoices": [new_invoice(contact, "")]}
    body["Invoices"][0].pop("InvoiceNumber")
    key = {"Idempotency-Key": "k-1"}
    first = client.send("PUT", "Invoices", body, key)
    clock.advance(359)
    again = client.send("PUT", "Invoices", body, key)
    assert again.json()["Invoices"] == first.json()["Invoices"]
    assert len(fake.invoices()) == 1
    changed = client.send("PUT", "Invoices", {"Invoices": []}, key)
    assert changed.status == 400
    assert again.header("X-MinLimit-Remaining") == "9"  # a replay counts
    clock.advance(1)
    client.send("PUT", "Invoices", body, key)
    assert len(fake.invoices()) == 2


def test_an_error_is_replayed_too_and_may_hide_an_effect(
    client: Client, acme: str
) -> None:
    client.fake.fail(1, status=500, after=True)
    body = {"Invoices": [new_invoice(acme)]}
    key = {"Idempotency-Key": "k-1"}
    assert client.send("PUT", "Invoices", body, key).status == 500
    assert len(client.fake.invoices()) == 1
    assert client.send("PUT", "Invoices", body, key).status == 500
    other = client.send("PUT", "Invoices", body, {"Idempotency-Key": "k-2"})
    assert messages(other) == ["Invoice # must be unique."]


def test_a_throttled_call_is_not_kept_for_its_key(client: Client, acme: str) -> None:
    client.fake.throttle()
    body = {"Invoices": [new_invoice(acme)]}
    key = {"Idempotency-Key": "k-1"}
    assert client.send("PUT", "Invoices", body, key).status == 429
    assert client.send("PUT", "Invoices", body, key).status == 200
    too_long = client.send("PUT", "Invoices", body, {"Idempotency-Key": "k" * 129})
    assert too_long.status == 400


@pytest.mark.parametrize("body", [b"not json", b"[1]", b"", b'{"Invoices": []}'])
def test_a_body_that_cannot_be_read_is_answered_not_raised(
    client: Client, body: bytes
) -> None:
    signed = {
        "Authorization": f"Bearer {client.token}",
        "xero-tenant-id": client.fake.tenant,
    }
    request = Request("PUT", f"{API}/Invoices", headers=signed, content=body)
    assert client.fake.send(request, 30).status == 400


def test_nonsense_inside_a_body_is_answered_and_changes_nothing(
    client: Client, acme: str
) -> None:
    nonsense = new_invoice(acme, LineItems=[{"LineItemID": ["x"], "UnitAmount": 1}])
    body = {"Invoices": [new_invoice(acme, "G"), nonsense]}
    assert client.send("PUT", "Invoices", body).status == 500
    assert client.fake.invoices() == []


def test_a_date_in_ticks_is_a_date(client: Client, acme: str) -> None:
    ticked = new_invoice(acme, Date=MARCH_8_TICKS, DueDate="/Date(-86400000)/")
    [made] = client.send("PUT", "Invoices", ticked).json()["Invoices"]
    assert made["DateString"] == "2026-03-08T00:00:00"
    assert made["DueDateString"] == "1969-12-31T00:00:00"


def test_text_that_looks_like_an_amount_stays_text(client: Client, acme: str) -> None:
    client.fake.edit_contact(acme, {"Name": "12.50", "AccountNumber": "007"})
    body = client.send("GET", f"Contacts/{acme}").body
    assert b'"Name":"12.50"' in body
    assert b'"AccountNumber":"007"' in body


def test_many_threads_may_write_at_once(client: Client, acme: str) -> None:
    def write(number: int) -> int:
        return client.send("PUT", "Invoices", new_invoice(acme, f"T-{number}")).status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write, range(200))) == {200}
    assert len({row["InvoiceNumber"] for row in client.fake.invoices()}) == 200
    assert client.fake.requests == client.fake.writes == 200
    client.fake.close()


# Size ------------------------------------------------------------------------------------


def test_the_pages_of_a_listing_are_filtered_and_sorted_once(
    client: Client, acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        client.fake.add_invoice(f"N-{number}", acme, "50")
    asked: list[str] = []

    def counted(where: str, *others: Any) -> Any:
        asked.append(where)
        return compile_where(where, *others)

    monkeypatch.setattr(xero_api, "compile_where", counted)
    where = 'Type=="ACCREC"'
    for page in range(1, 31):
        client.get("Invoices", where=where, page=str(page), pageSize="1")
    assert asked == [where]
    client.fake.add_invoice("new", acme, "50")
    last = client.get("Invoices", where=where, page="31", pageSize="1")["Invoices"]
    assert [row["InvoiceNumber"] for row in last] == ["new"]
    assert asked == [where, where]
