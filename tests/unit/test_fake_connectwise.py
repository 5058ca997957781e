"""The double of ConnectWise behaves like the vendor's sheet says the server does."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from tieout.testing.fakes.connectwise import FakeConnectWise
from tieout.testing.fakes.connectwise_conditions import (
    BadQuery,
    Kind,
    parse,
    predicate,
)
from tieout.testing.fakes.connectwise_fields import Refusal
from tieout.wire import Request, Response, Transport

HOST = "https://api-na.example"
MARCH = date(2026, 3, 8)
PAID_ON = "2026-03-12T00:00:00Z"


class Client:
    """Just enough of a caller: signs, and builds addresses."""

    def __init__(self, fake: FakeConnectWise) -> None:
        self.fake = fake
        self.base = f"{HOST}/{fake.codebase}apis/3.0"

    def headers(self) -> dict[str, str]:
        fake = self.fake
        keys = f"{fake.company}+{fake.public_key}:{fake.private_key}"
        basic = base64.b64encode(keys.encode()).decode()
        return {"Authorization": f"Basic {basic}", "clientId": fake.client_id}

    def ask(
        self,
        method: str,
        path: str,
        json: Any = None,
        headers: dict[str, str] | None = None,
        **params: Any,
    ) -> Response:
        url = path if path.startswith("http") else self.base + path
        return self.fake.send(
            Request(
                method,
                url,
                params={name: str(value) for name, value in params.items()},
                headers={**self.headers(), **(headers or {})},
                json=json,
                effect=method != "GET",
            ),
            10,
        )

    def get(self, path: str, **params: Any) -> Any:
        response = self.ask("GET", path, **params)
        assert response.status == 200, response.text()
        return response.json()

    def numbers(self, conditions: str, order: str = "") -> list[str]:
        found = self.get("/finance/invoices", conditions=conditions, orderBy=order)
        return [each["invoiceNumber"] for each in found]

    def pay(self, invoice: int, amount: str, **fields: Any) -> Response:
        body = {"amount": Decimal(amount), "paymentDate": PAID_ON, **fields}
        return self.ask("POST", f"/finance/invoices/{invoice}/payments", body)


@pytest.fixture
def fake() -> FakeConnectWise:
    return FakeConnectWise()


@pytest.fixture
def client(fake: FakeConnectWise) -> Client:
    return Client(fake)


@pytest.fixture
def invoice(fake: FakeConnectWise) -> int:
    company = fake.add_company("Contoso", identifier="CON", account_number="C-1")
    return fake.add_invoice("INV-1", company, "120.50", on=MARCH, due=date(2026, 4, 7))


def next_link(response: Response) -> str | None:
    found = re.search(r'<([^>]*)>; rel="next"', response.header("Link") or "")
    return found and found[1]


def error(response: Response) -> dict[str, Any]:
    body = response.json()
    assert body["code"] == "InvalidObject"
    found: dict[str, Any] = body["errors"][0]
    return found


def last_updated(fake: FakeConnectWise, row: int) -> str:
    return str(fake.invoice(row)["_info"]["lastUpdated"])


# Where the company lives, and who may ask ----------------------------------------


def test_it_is_a_transport(fake: FakeConnectWise) -> None:
    transport: Transport = fake
    transport.close()
    request = Request("GET", f"{HOST}/login/companyinfo/acme")
    assert transport.send(request, 1).status == 200


def test_discovery_needs_no_sign_in_and_tells_the_codebase(
    fake: FakeConnectWise,
) -> None:
    request = Request("GET", f"{HOST}/login/companyinfo/acme")
    assert fake.send(request, 1).json()["Codebase"] == "v2025_1/"
    unknown = Request("GET", f"{HOST}/login/companyinfo/nobody")
    answer = fake.send(unknown, 1)
    assert (answer.status, answer.body) == (200, b"null")
    assert fake.calls["GET /login/companyinfo/{id}"] == 2


def test_after_an_upgrade_the_old_address_is_gone(
    fake: FakeConnectWise, client: Client
) -> None:
    fake.upgrade("v2025_2/")
    old = client.ask("GET", "/system/info")
    assert old.status == 404
    assert not old.body.startswith(b"{")
    assert Client(fake).get("/system/info")["version"].startswith("v2025.2")


@pytest.mark.parametrize(
    ("header", "code", "message"),
    [
        ("Authorization", "ConnectWiseApi", "UserNotAuthenticated"),
        ("clientId", "Unauthorized", "clientId is missing or not known"),
    ],
)
def test_wrong_keys_or_client_id_answer_401(
    client: Client, header: str, code: str, message: str
) -> None:
    for value in ("", "wrong"):
        answer = client.ask("GET", "/system/info", headers={header: value})
        assert answer.status == 401
        assert answer.json() == {"code": code, "message": message, "errors": None}


def test_a_denied_module_answers_403_and_others_do_not(
    fake: FakeConnectWise, client: Client
) -> None:
    fake.deny("finance")
    assert client.ask("GET", "/finance/invoices").status == 403
    assert client.ask("GET", "/company/companies").status == 200
    fake.allow("finance")
    assert client.ask("GET", "/finance/invoices").status == 200


def test_every_answer_names_the_version_and_the_request(client: Client) -> None:
    answers = [client.ask("GET", "/system/info"), client.ask("GET", "/nowhere")]
    assert [each.status for each in answers] == [200, 404]
    assert {each.header("api-current-version") for each in answers} == {"2025.1"}
    assert len({each.header("x-cw-request-id") for each in answers}) == 2


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "/finance/invoices", 405),
        ("GET", "/finance/closedInvoices/1001", 405),
        ("GET", "/finance/invoices/{id}", 404),
        ("GET", "/finance/invoices/9", 404),
        ("GET", "/finance/invoices/9/payments", 404),
        ("GET", "/finance/invoices/" + "9" * 5000, 404),
        ("POST", "/login/companyinfo/acme", 404),
        ("POST", f"{HOST}/login/companyinfo/acme", 405),
        ("GET", "http://[", 400),
        ("GET", "/finance", 404),
        ("PATCH", "/finance/invoices/9/payments/1", 400),
        ("POST", "/finance/invoices/9/payments", 400),
        ("DELETE", "/finance/invoices/9", 404),
    ],
)
def test_addresses_that_mean_nothing_are_answered(
    client: Client, invoice: int, method: str, path: str, status: int
) -> None:
    assert client.ask(method, path).status == status


# Records ---------------------------------------------------------------------------


def test_an_invoice_is_shown_as_the_sheet_says(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    shown = client.get(f"/finance/invoices/{invoice}")
    assert shown["invoiceNumber"] == "INV-1"
    assert shown["date"] == "2026-03-08T00:00:00Z"
    assert shown["dueDate"] == "2026-04-07T00:00:00Z"
    assert shown["status"] == {"id": 2, "name": "Closed", "isClosed": True}
    assert shown["company"] == {"id": 250, "identifier": "CON", "name": "Contoso"}
    assert shown["accountNumber"] == "C-1"
    assert shown["currency"]["currencyCode"] == "USD"
    assert shown["currency"]["numberOfDecimals"] == 2
    assert [shown[name] for name in ("total", "payments", "credits", "balance")] == [
        Decimal("120.50"),
        Decimal(0),
        Decimal(0),
        Decimal("120.50"),
    ]
    assert shown["_info"].keys() >= {"lastUpdated", "dateEntered", "updatedBy"}
    assert f"invoice/id={invoice}" in shown["_info"]["products_href"]
    assert not {"paidAmount", "datePaid", "lines"} & shown.keys()
    assert shown == fake.invoice(invoice)


def test_amounts_are_written_digit_by_digit(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    text = client.ask("GET", f"/finance/invoices/{invoice}").text()
    assert '"total":120.50,' in text
    isk = fake.add_company("Geysir", currency="ISK", decimals=0)
    row = fake.add_invoice("ISK-1", isk, "1500", currency="ISK", decimals=0)
    shown = client.ask("GET", f"/finance/invoices/{row}")
    assert '"total":1500,' in shown.text()
    assert shown.json()["currency"]["numberOfDecimals"] == 0


def test_a_number_may_have_15_characters(fake: FakeConnectWise, invoice: int) -> None:
    fake.add_invoice("N" * 15, 250, 1)
    with pytest.raises(Refusal, match="invoiceNumber is longer than 15"):
        fake.add_invoice("N" * 16, 250, 1)


def test_copies_do_not_reach_into_the_books(
    fake: FakeConnectWise, invoice: int
) -> None:
    fake.invoice(invoice)["company"]["name"] = "changed"
    fake.invoices()[0]["total"] = Decimal(1)
    assert fake.invoice(invoice)["company"]["name"] == "Contoso"
    assert fake.invoice(invoice)["total"] == Decimal("120.50")


def test_a_renamed_company_shows_on_its_invoices_without_touching_them(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    before = last_updated(fake, invoice)
    patch = [{"op": "replace", "path": "name", "value": "Contoso Ltd"}]
    assert client.ask("PATCH", "/company/companies/250", patch).status == 200
    assert client.numbers('company/name = "Contoso Ltd"') == ["INV-1"]
    patch = [
        {"op": "replace", "path": "accountNumber", "value": "C-9"},
        {"op": "replace", "path": "status/name", "value": "Inactive"},
    ]
    answer = client.ask("PATCH", "/company/companies/250", patch)
    assert answer.json()["status"] == {"id": 2, "name": "Inactive"}
    assert last_updated(fake, invoice) == before


# Pages -----------------------------------------------------------------------------


@pytest.fixture
def sixty(fake: FakeConnectWise) -> list[int]:
    company = fake.add_company("Contoso")
    return [fake.add_invoice(f"INV-{n:02}", company, n) for n in range(60)]


def pages(client: Client, **params: Any) -> Iterator[list[int]]:
    headers = {"pagination-type": "forward-only"}
    response = client.ask("GET", "/finance/invoices", headers=headers, **params)
    for _ in range(100):
        assert response.status == 200, response.text()
        yield [each["id"] for each in response.json()]
        url = next_link(response)
        if url is None:
            return
        response = client.ask("GET", url, headers=headers)
    raise AssertionError("the pages never end")


def test_a_page_holds_25_and_links_to_the_next_and_the_last(
    client: Client, sixty: list[int]
) -> None:
    first = client.ask("GET", "/finance/invoices", conditions="total >= 0")
    assert [each["id"] for each in first.json()] == sixty[:25]
    link = first.header("Link") or ""
    assert f"<{client.base}/finance/invoices?conditions=total+%3E%3D+0&page=2>" in link
    assert '&page=3>; rel="last"' in link
    second = client.ask("GET", next_link(first) or "")
    assert [each["id"] for each in second.json()] == sixty[25:50]
    third = client.ask("GET", next_link(second) or "")
    assert [each["id"] for each in third.json()] == sixty[50:]
    assert third.header("Link") is None
    assert client.get("/finance/invoices", page=4) == []


def test_larger_pages_than_the_server_gives_come_short(sixty: list[int]) -> None:
    fake = FakeConnectWise(page_size_max=10)
    company = fake.add_company("Contoso")
    for number in range(12):
        fake.add_invoice(str(number), company, 1)
    answer = Client(fake).ask("GET", "/finance/invoices", pageSize=1000)
    assert len(answer.json()) == 10
    assert next_link(answer) is not None


@pytest.mark.parametrize("order", ["", "lastUpdated desc", "company/name, total desc"])
def test_forward_only_pages_bring_every_record_once(
    client: Client, sixty: list[int], order: str
) -> None:
    found = list(pages(client, pageSize=7, orderBy=order))
    assert [len(page) for page in found] == [7] * 8 + [4]
    assert [len(page) for page in pages(client, pageSize=30, orderBy=order)] == [30, 30]
    rows = [row for page in found for row in page]
    assert rows == (list(reversed(sixty)) if order else sixty)


def test_forgotten_page_ids_are_refused(
    client: Client, sixty: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tieout.testing.fakes.connectwise.BOOKMARKS_MAX", 1)
    first = pages(client, pageSize=50, orderBy="total")
    second = pages(client, pageSize=50, orderBy="total")
    assert next(first) == next(second)
    assert len(next(second)) == 10
    with pytest.raises(AssertionError, match="is not known"):
        next(first)


def test_many_different_queries_are_not_all_kept(
    client: Client, sixty: list[int]
) -> None:
    for total in range(100):
        found = client.get("/finance/invoices", conditions=f"total = {total}")
        assert len(found) == (total < 60)
    assert len(client.fake._books.invoices._selections) <= 64


@pytest.mark.parametrize("order", ["", "total desc"])
def test_forward_only_pages_lose_nothing_to_a_deletion(
    fake: FakeConnectWise, client: Client, sixty: list[int], order: str
) -> None:
    walk = pages(client, pageSize=10, orderBy=order)
    first = next(walk)
    for row in first:
        fake.delete_invoice(row)
    rest = [row for page in walk for row in page]
    assert sorted(first + rest) == sixty


def test_numbered_pages_do_lose_records_to_a_deletion(
    fake: FakeConnectWise, client: Client, sixty: list[int]
) -> None:
    first = client.ask("GET", "/finance/invoices", pageSize=10)
    fake.delete_invoice(sixty[0])
    second = client.ask("GET", next_link(first) or "")
    assert second.json()[0]["id"] == sixty[11]


def test_an_unknown_page_id_is_refused(client: Client, sixty: list[int]) -> None:
    headers = {"pagination-type": "forward-only"}
    for page, order in (("x", ""), ("1", "total")):
        answer = client.ask(
            "GET", "/finance/invoices", headers=headers, pageId=page, orderBy=order
        )
        assert answer.status == 400


def test_some_endpoints_do_not_page_forward_only(
    fake: FakeConnectWise, client: Client
) -> None:
    headers = {"pagination-type": "forward-only"}
    answer = client.ask("GET", "/finance/billingStatuses", headers=headers, pageSize=1)
    assert 'rel="last"' in (answer.header("Link") or "")


def test_fields_choose_what_is_shown(client: Client, invoice: int) -> None:
    fields = "id,company/id,company/name,_info/lastUpdated,nothing,id/x"
    (shown,) = client.get("/finance/invoices", fields=fields)
    assert shown["id"] == invoice
    assert shown["company"] == {"id": 250, "name": "Contoso"}
    assert list(shown["_info"]) == ["lastUpdated"]
    assert shown.keys() == {"id", "company", "_info"}
    one = client.get(f"/finance/invoices/{invoice}", fields="total,total")
    assert one == {"total": Decimal("120.50")}
    both = client.get(f"/finance/invoices/{invoice}", fields="company,company/id")
    assert both["company"].keys() == {"id", "identifier", "name"}


def test_count_counts_what_the_conditions_find(
    client: Client, sixty: list[int]
) -> None:
    assert client.get("/finance/invoices/count") == {"count": 60}
    found = client.get("/finance/invoices/count", conditions="total < 10")
    assert found == {"count": 10}


@pytest.mark.parametrize(
    "params", [{"page": "0"}, {"page": "x"}, {"pageSize": "-1"}, {"orderBy": "nothing"},
               {"orderBy": "total down"}, {"orderBy": "company"}]
)  # fmt: skip
def test_page_parameters_that_mean_nothing_are_refused(
    client: Client, params: dict[str, Any]
) -> None:
    assert client.ask("GET", "/finance/invoices", **params).status == 400


# Conditions ------------------------------------------------------------------------


@pytest.fixture
def three(fake: FakeConnectWise) -> None:
    one = fake.add_company("Contoso", identifier="CON")
    two = fake.add_company("Fabrikam", identifier="FAB")
    fake.add_invoice("A", one, "50.00", on=date(2026, 1, 1))
    fake.add_invoice("B", one, "100.00", on=date(2026, 2, 1), closed=False)
    fake.add_invoice('C"D', two, "100.00", on=date(2026, 3, 1), type="CreditMemo")


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ("", "ABC"),
        ('invoiceNumber = "A"', "A"),
        ("invoiceNumber='A'", "A"),
        ('invoiceNumber != "A"', "BC"),
        (r'invoiceNumber = "C\"D"', "C"),
        (r"""invoiceNumber = 'C"D'""", "C"),
        ('invoiceNumber in ("A", "B", "Z")', "AB"),
        ('invoiceNumber not in ("A","B")', "C"),
        ("id in (1001,1003)", "AC"),
        ("id = 1002", "B"),
        ("id > 1001 and id <= 1003", "BC"),
        ("total = 100", "BC"),
        ("total = 100.00", "BC"),
        ("total < 100", "A"),
        ("total >= -1.5", "ABC"),
        ("company/id = 250", "AB"),
        ('company/identifier contains "A"', "C"),
        ('company/name not contains "tos"', "C"),
        ('company/name like "Con%"', "AB"),
        ('company/name like "*kam"', "C"),
        ('company/name not like "Con%"', "C"),
        ("status/isClosed = true", "AC"),
        ("status/isClosed = False", "B"),
        ("glBatch = null", "ABC"),
        ("glBatch/id != null", ""),
        ("date >= [2026-02-01T00:00:00Z]", "BC"),
        ("date < [2026-02-01T02:00:00+02:00]", "A"),
        ('invoiceNumber="A" or invoiceNumber="B" and total = 1', "A"),
        ('(invoiceNumber="A" or invoiceNumber="B") and total = 100', "B"),
        ('(id = 1001 or invoiceNumber = "B") AND company/id = 250', "AB"),
        ("id = 1001 or total = 100", "ABC"),
        ('type = "CreditMemo"', "C"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("three")
def test_conditions_find(client: Client, conditions: str, expected: str) -> None:
    assert [number[0] for number in client.numbers(conditions)] == list(expected)


@pytest.mark.parametrize(
    "conditions",
    [
        "invoiceNumber = A",
        "invoiceNumber = ",
        'invoiceNumber = "A',
        "invoiceNumber = 5",
        'id = "1001"',
        "total = true",
        "total",
        '"A" = invoiceNumber',
        'invoiceNumber ~ "A"',
        'invoiceNumber not = "A"',
        'invoiceNumber in "A"',
        "invoiceNumber in ()",
        'invoiceNumber in ("A"',
        "id in (1001, null)",
        "id < null",
        'id contains "1"',
        "status/isClosed > true",
        "company = 250",
        "nothing = 1",
        "date > 2026-01-01",
        'date > "2026-01-01"',
        "date > [yesterday]",
        "(id = 1",
        "id = 1)",
        "id = 1 id = 2",
        "id = 1 and",
        "(" * 3000 + "id = 1" + ")" * 3000,
    ],
)
@pytest.mark.usefixtures("three")
def test_conditions_that_mean_nothing_answer_400(
    client: Client, conditions: str
) -> None:
    answer = client.ask("GET", "/finance/invoices", conditions=conditions)
    assert answer.status == 400
    assert answer.json()["code"] == "ConnectWiseApi"


def test_an_unquoted_string_gets_the_well_known_complaint(client: Client) -> None:
    answer = client.ask("GET", "/finance/invoices", conditions="invoiceNumber=INV")
    assert answer.json()["message"].startswith(
        "Expected a boolean value, not a numeric. String values should be enclosed"
    )


def test_conditions_are_read_from_the_address_too(client: Client, invoice: int) -> None:
    conditions = quote('invoiceNumber="INV-1" and company/id=250')
    assert len(client.get(f"/finance/invoices?conditions={conditions}")) == 1
    unquoted = client.ask("GET", '/finance/invoices?conditions=invoiceNumber="INV+1"')
    assert unquoted.json() == []


def test_custom_fields_can_be_asked_for(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    value = [{"id": 7, "caption": "Ledger id", "type": "Text", "value": "X-1"}]
    patch = [{"op": "replace", "path": "customFields", "value": value}]
    assert client.ask("PATCH", f"/finance/invoices/{invoice}", patch).status == 200
    odd = fake.add_invoice("ODD", 250, 1)
    for strange in ("none", ["none"]):
        patch = [{"op": "replace", "path": "customFields", "value": strange}]
        assert client.ask("PATCH", f"/finance/invoices/{odd}", patch).status == 200
        found = client.get("/finance/invoices", customFieldConditions="id = 7")
        assert [each["id"] for each in found] == [invoice]
    for wanted, count in (("X-1", 1), ("X-2", 0)):
        asked = f'caption="Ledger id" and value="{wanted}"'
        found = client.get("/finance/invoices", customFieldConditions=asked)
        assert len(found) == count


@pytest.mark.usefixtures("three")
def test_order_is_by_several_fields_and_then_by_id(client: Client) -> None:
    assert client.numbers("", "total desc, date desc") == ['C"D', "B", "A"]
    assert client.numbers("", "total DESC") == ["B", 'C"D', "A"]
    assert client.numbers("", "company/name desc,id desc") == ['C"D', "B", "A"]
    assert client.numbers("", "glBatch/name") == ["A", "B", 'C"D']


@pytest.mark.parametrize("name", ["lastUpdated", "_info/lastUpdated"])
def test_incremental_reads_compare_whole_seconds(
    fake: FakeConnectWise, client: Client, name: str
) -> None:
    company = fake.add_company("Contoso")
    first = fake.add_invoice("A", company, 1)
    fake.add_invoice("B", company, 1)
    at = last_updated(fake, first)
    assert client.numbers(f"{name} > [{at}]") == ["B"]
    assert client.numbers(f"{name} >= [{at}]") == ["A", "B"]
    assert client.numbers(f"{name} > [{at[:-1]}.900Z]") == ["B"]
    assert client.numbers(f"{name} <= [{at}]") == ["A"]
    assert client.numbers(f"{name} <= [{at[:-1]}]") == ["A"]
    fake.edit_invoice(first, due=MARCH)
    assert client.numbers(f"{name} > [{at}]", f"{name} desc") == ["A", "B"]


def test_and_binds_closer_than_or() -> None:
    node = parse("a = 1 or a = 2 and b = 3", {"a": Kind.NUMBER, "b": Kind.NUMBER})
    check = predicate(node)
    assert check({"a": 1, "b": 0})
    assert not check({"a": 2, "b": 0})
    assert check({"a": 2, "b": 3})
    with pytest.raises(BadQuery):
        parse("c = 1", {"a": Kind.NUMBER})


# Payments --------------------------------------------------------------------------


def test_a_payment_rolls_up_into_its_invoice(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    before = last_updated(fake, invoice)
    answer = client.pay(invoice, "50.25")
    assert answer.status == 201
    record = answer.json()
    assert record["invoice"] == {"id": invoice, "identifier": "INV-1"}
    assert record["invoiceBalance"] == Decimal("70.25")
    assert record["invoiceTotal"] == Decimal("120.50")
    shown = fake.invoice(invoice)
    assert shown["payments"] == Decimal("50.25")
    assert shown["balance"] == Decimal("70.25")
    assert last_updated(fake, invoice) > before
    assert fake.paid(invoice) == (Decimal("50.25"), date(2026, 3, 12))
    path = f"/finance/invoices/{invoice}/payments"
    assert client.get(path) == [record]
    assert client.get(f"{path}/count") == {"count": 1}
    assert client.get(f"{path}/{record['id']}") == record
    assert fake.payments(invoice) == [record]


def test_a_second_payment_is_refused_and_names_the_field(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    assert client.pay(invoice, "50").status == 201
    answer = client.pay(invoice, "70.50")
    assert answer.status == 400
    assert error(answer)["resource"] == "payment"
    assert error(answer)["field"] == "invoice"
    assert fake.paid(invoice)[0] == 50
    assert fake.writes == 1


def test_several_payments_where_the_company_allows_them() -> None:
    fake = FakeConnectWise(single_payment=False)
    row = fake.add_invoice("A", fake.add_company("Contoso"), 100)
    assert [Client(fake).pay(row, "50").status for _ in range(2)] == [201, 201]
    assert fake.invoice(row)["balance"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "amount"),
        ({"amount": None}, "amount"),
        ({"amount": "50"}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": Decimal("0.001")}, "amount"),
        ({"amount": Decimal("1E+40")}, "amount"),
        ({"amount": 1, "paymentDate": "2026-03-08"}, "paymentDate"),
        ({"amount": 1, "paymentDate": "2026-02-30T00:00:00Z"}, "paymentDate"),
        ({"amount": 1, "datePaid": PAID_ON}, "datePaid"),
        ({"amount": 1, "credit": {"id": 1001}}, "credit"),
        ({"amount": 1, "credit": 5}, "credit"),
    ],
)
def test_payments_that_cannot_be_are_refused(
    fake: FakeConnectWise, client: Client, invoice: int, body: Any, field: str
) -> None:
    answer = client.ask("POST", f"/finance/invoices/{invoice}/payments", body)
    assert answer.status == 400
    assert error(answer)["field"] == field
    assert fake.payments(invoice) == []


def test_a_payment_may_be_without_a_date(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    assert client.pay(invoice, "50", paymentDate=None).status == 201
    assert fake.paid(invoice) == (Decimal(50), None)


@pytest.mark.parametrize("slash", ["", "/"])
def test_patch_is_a_list_of_operations(
    fake: FakeConnectWise, client: Client, invoice: int, slash: str
) -> None:
    row = client.pay(invoice, "50").json()["id"]
    path = f"/finance/invoices/{invoice}/payments/{row}"
    operations = [
        {"op": "replace", "path": f"{slash}amount", "value": Decimal("120.50")},
        {"op": "remove", "path": f"{slash}paymentDate"},
        {"op": "add", "path": f"{slash}paymentAccount", "value": "1000"},
    ]
    answer = client.ask("PATCH", path, operations)
    assert answer.status == 200
    assert answer.json()["paymentAccount"] == "1000"
    assert answer.json()["invoiceBalance"] == 0
    assert fake.paid(invoice) == (Decimal("120.50"), None)


@pytest.mark.parametrize(
    "operations",
    [
        {"op": "replace", "path": "amount", "value": 1},
        [{"op": "replace", "path": "amount"}],
        [{"op": "move", "path": "amount", "value": 1}],
        [{"op": "remove", "path": "amount"}],
        [{"op": "replace", "path": "invoiceBalance", "value": 0}],
        [{"op": "replace", "path": "nothing", "value": 0}],
        [{"op": "replace", "path": "amount/cents", "value": 0}],
        [
            {"op": "replace", "path": "amount", "value": 1},
            {"op": "replace", "path": "paymentDate", "value": "soon"},
        ],
    ],
)
def test_a_patch_is_all_or_nothing(
    fake: FakeConnectWise, client: Client, invoice: int, operations: Any
) -> None:
    row = client.pay(invoice, "50").json()["id"]
    before = fake.payments(invoice)
    path = f"/finance/invoices/{invoice}/payments/{row}"
    assert client.ask("PATCH", path, operations).status == 400
    assert fake.payments(invoice) == before
    assert fake.writes == 1


def test_put_takes_away_what_it_does_not_name(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    record = client.pay(invoice, "50", paymentAccount="1000").json()
    path = f"/finance/invoices/{invoice}/payments/{record['id']}"
    answer = client.ask("PUT", path, {**record, "amount": 60, "paymentAccount": None})
    assert answer.status == 200
    assert fake.paid(invoice) == (Decimal(60), date(2026, 3, 12))
    answer = client.ask("PUT", path, {"amount": 60})
    assert answer.status == 200
    assert "paymentDate" not in answer.json()
    assert client.ask("PUT", path, {"paymentDate": PAID_ON}).status == 400


def test_a_deleted_payment_gives_the_balance_back(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    row = client.pay(invoice, "50").json()["id"]
    path = f"/finance/invoices/{invoice}/payments/{row}"
    answer = client.ask("DELETE", path)
    assert (answer.status, answer.body) == (204, b"")
    assert client.ask("GET", path).status == 404
    assert client.ask("DELETE", path).status == 404
    assert fake.invoice(invoice)["balance"] == Decimal("120.50")
    assert fake.paid(invoice) == (Decimal(0), None)


def test_a_payment_is_found_only_under_its_own_invoice(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    other = fake.add_invoice("INV-2", 250, 100)
    row = client.pay(invoice, "50").json()["id"]
    for method in ("GET", "DELETE"):
        path = f"/finance/invoices/{other}/payments/{row}"
        assert client.ask(method, path).status == 404


def test_an_applied_credit_rolls_up_apart_and_is_no_second_payment(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    memo = fake.add_invoice("CM-1", 250, "20.50", type="CreditMemo")
    fake.add_credit(invoice, memo, "20.50")
    assert client.pay(invoice, "50").status == 201
    shown = fake.invoice(invoice)
    assert shown["payments"] == 50
    assert shown["credits"] == Decimal("20.50")
    assert shown["balance"] == 50
    assert fake.paid(invoice) == (Decimal(50), date(2026, 3, 12))
    credit = next(each for each in fake.payments(invoice) if "credit" in each)
    assert credit["credit"] == {"id": memo, "identifier": "CM-1"}
    other = fake.add_invoice("INV-2", 250, 100)
    assert client.pay(other, "5", credit={"id": memo}).status == 201
    assert client.pay(other, "50").status == 201
    assert client.pay(other, "6", credit={"id": memo}).status == 201
    assert fake.invoice(other)["credits"] == 11


def test_what_is_left_of_a_credit_memo_falls_with_its_applications(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    memo = fake.add_invoice("CM-1", 250, "20.50", type="CreditMemo")
    applied = fake.add_credit(invoice, memo, "8.50")
    assert fake.invoice(memo)["balance"] == 12
    fake.delete_payment(applied)
    assert fake.invoice(memo)["balance"] == Decimal("20.50")


def test_a_customer_is_edited_by_hand(fake: FakeConnectWise, client: Client) -> None:
    company = fake.add_company("Acme Two")
    fake.edit_company(company, accountNumber="A-2")
    shown = client.ask("GET", f"/company/companies/{company}").json()
    assert shown["accountNumber"] == "A-2"


def test_where_payments_do_not_stamp_the_invoice() -> None:
    fake = FakeConnectWise(bump_on_payment=False)
    row = fake.add_invoice("A", fake.add_company("Contoso"), 100)
    before = last_updated(fake, row)
    payment = Client(fake).pay(row, "50").json()["id"]
    fake.edit_payment(payment, amount="60", on=MARCH)
    assert fake.invoice(row)["balance"] == 40
    fake.delete_payment(payment)
    assert fake.invoice(row)["balance"] == 100
    assert last_updated(fake, row) == before


def test_a_payment_in_a_closed_batch_cannot_change(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    row = fake.add_payment(invoice, "50", MARCH)
    fake.lock_payment(row)
    path = f"/finance/invoices/{invoice}/payments/{row}"
    patch = [{"op": "replace", "path": "amount", "value": 60}]
    for method, body in (("PATCH", patch), ("PUT", {"amount": 60}), ("DELETE", None)):
        answer = client.ask(method, path, body)
        assert answer.status == 400
        assert error(answer)["field"] == "glBatchID"
    assert fake.paid(invoice) == (Decimal(50), MARCH)


def test_what_was_entered_by_hand_can_be_told_apart(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    fake.add_payment(invoice, "10", MARCH)
    fake.add_payment(invoice, "20", date(2026, 3, 9))
    assert fake.paid(invoice) == (Decimal(30), date(2026, 3, 9))
    other = fake.add_invoice("INV-2", 250, 100)
    client.pay(other, "50")
    assert {each["appliedBy"] for each in fake.payments(invoice)} == {"hand"}
    assert {each["appliedBy"] for each in fake.payments(other)} == {"api"}


# Writing invoices and companies ------------------------------------------------------


def test_invoices_are_made_changed_and_deleted(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    body = {"company": {"id": 250}, "invoiceNumber": "NEW", "total": Decimal("10.00")}
    made = client.ask("POST", "/finance/invoices", body)
    assert made.status == 201
    row = made.json()["id"]
    assert made.json()["status"]["isClosed"] is False
    path = f"/finance/invoices/{row}"
    patch = [
        {"op": "replace", "path": "status", "value": {"name": "Closed"}},
        {"op": "replace", "path": "company/identifier", "value": "CON"},
        {"op": "replace", "path": "total", "value": 30},
    ]
    changed = client.ask("PATCH", path, patch)
    assert changed.status == 200, changed.text()
    assert changed.json()["status"]["isClosed"] is True
    assert changed.json()["balance"] == 30
    replaced = client.ask("PUT", path, {**changed.json(), "total": 40, "balance": 7})
    assert replaced.json()["balance"] == 40
    fake.add_payment(row, 5, MARCH)
    assert client.ask("DELETE", path).status == 204
    assert fake.payments(row) == []
    assert client.numbers("") == ["INV-1"]


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"invoiceNumber": "X"}, "company", "MissingField"),
        ({"company": {"id": 9}}, "company", "InvalidField"),
        ({"company": {"identifier": "?"}}, "company", "InvalidField"),
        ({"company": {"id": 250}, "invoiceNumber": "INV-1"}, "invoiceNumber", "ObjectExists"),
        ({"company": {"id": 250}, "invoiceNumber": "N" * 16}, "invoiceNumber", "InvalidField"),
        ({"company": {"id": 250}, "status": {"id": 9}}, "status", "InvalidField"),
        ({"company": {"id": 250}, "status": {}}, "status", "InvalidField"),
        ({"company": {"id": 250}, "type": "Gift"}, "type", "InvalidField"),
        ({"company": {"id": 250}, "agreement": {"name": 5}}, "agreement", "InvalidField"),
    ],
)  # fmt: skip
def test_invoices_that_cannot_be_are_refused(
    client: Client, invoice: int, body: Any, field: str, code: str
) -> None:
    answer = client.ask("POST", "/finance/invoices", body)
    assert answer.status == 400
    assert (error(answer)["field"], error(answer)["code"]) == (field, code)


@pytest.mark.parametrize("operation", ["remove", "replace"])
def test_an_update_needs_the_invoice_number_and_leaves_roll_ups_alone(
    client: Client, invoice: int, operation: str
) -> None:
    path = f"/finance/invoices/{invoice}"
    for name in ("invoiceNumber", "payments", "balance", "glBatch"):
        patch = [{"op": operation, "path": name, "value": None}]
        answer = client.ask("PATCH", path, patch)
        assert (answer.status, error(answer)["field"]) == (400, name)
    assert client.ask("PUT", path, {"company": {"id": 250}}).status == 400


def test_closed_invoices_are_changed_at_an_address_of_their_own(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    patch = [{"op": "replace", "path": "dueDate", "value": PAID_ON}]
    path = f"/finance/closedInvoices/{invoice}"
    assert client.ask("PATCH", path, patch).status == 200
    fake.edit_invoice(invoice, closed=False)
    assert client.ask("PATCH", path, patch).status == 404


def test_companies_are_made_found_and_deleted(client: Client, invoice: int) -> None:
    path = "/company/companies"
    body = {"identifier": "FAB", "name": "Fabrikam", "accountNumber": "C-2"}
    made = client.ask("POST", path, body)
    assert made.status == 201
    assert made.json()["status"]["name"] == "Active"
    asked = 'deletedFlag=false and status/name="Active" and accountNumber="C-2"'
    found = client.get(path, conditions=asked)
    assert [each["identifier"] for each in found] == ["FAB"]
    again = client.ask("POST", path, body)
    assert error(again)["code"] == "ObjectExists"
    assert error(client.ask("POST", path, {"name": "X"}))["field"] == "identifier"
    row = made.json()["id"]
    put = client.ask("PUT", f"{path}/{row}", {"identifier": "FAB", "name": "F"})
    assert "accountNumber" not in put.json()
    assert client.ask("DELETE", f"{path}/{row}").status == 204
    assert client.ask("DELETE", f"{path}/250").status == 409


def test_a_body_that_is_no_json_is_refused(
    fake: FakeConnectWise, client: Client
) -> None:
    for content, kind, status in (
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"total": NaN}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"[]", "application/json", 400),
        (b"a=1", "application/x-www-form-urlencoded", 415),
    ):
        request = Request(
            "POST",
            f"{client.base}/finance/invoices",
            headers={**client.headers(), "Content-Type": kind},
            content=content,
        )
        assert fake.send(request, 1).status == status


# The general ledger ------------------------------------------------------------------

UNPOSTED = "/finance/accounting/unpostedinvoices"
BATCHES = "/finance/accounting/batches"


def test_unposted_are_the_closed_invoices(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    fake.add_invoice("OPEN", 250, 1, closed=False)
    (listed,) = client.get(UNPOSTED)
    assert listed["billingLogId"] == invoice
    assert listed["id"] != invoice
    assert listed["dueDays"] == "30"
    assert listed["total"] == Decimal("120.50")
    assert client.get(UNPOSTED, conditions='invoiceNumber="OPEN"') == []
    fake.edit_invoice(invoice, total="130.00")
    assert client.get(f"{UNPOSTED}/{listed['id']}")["total"] == 130
    fake.edit_invoice(invoice, closed=False)
    assert client.get(f"{UNPOSTED}/count") == {"count": 0}
    fake.delete_invoice(invoice)
    assert client.numbers("") == ["OPEN"]


def test_a_batch_consumes_what_it_names_and_gives_it_back_when_deleted(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    other = fake.add_invoice("INV-2", 250, 10)
    settings = {"batchIdentifier": "B1", "exportInvoicesFlag": True}
    for ids in ([invoice], [client.get(UNPOSTED)[0]["id"]]):
        named = {**settings, "includedInvoiceIds": ids}
        export = client.ask("POST", "/finance/accounting/export", named).json()
        (transaction,) = export["transactions"]
        assert transaction["documentNumber"] == "INV-1"
    assert client.get(f"{UNPOSTED}/count") == {"count": 2}
    body = {**settings, "processedRecordIds": [int(transaction["glEntryIds"][0])]}
    made = client.ask("POST", BATCHES, body)
    assert made.status == 201
    row = made.json()["id"]
    assert [each["billingLogId"] for each in client.get(UNPOSTED)] == [other]
    assert fake.invoice(invoice)["glBatch"] == {"id": row, "name": "B1"}
    entries = client.get(f"{BATCHES}/{row}/entries")
    assert sum(each["debit"] - each["credit"] for each in entries) == 0
    assert {each["invoice"]["id"] for each in entries} == {invoice}
    again = client.ask("POST", f"{BATCHES}/{row}/export").json()
    assert again["transactions"] == [transaction]
    assert (
        error(client.ask("DELETE", f"/finance/invoices/{invoice}"))["field"]
        == "glBatch"
    )
    assert len(client.get(BATCHES, conditions='batchIdentifier="B1"')) == 1
    assert client.ask("DELETE", f"{BATCHES}/{row}").status == 204
    assert client.get(f"{UNPOSTED}/count") == {"count": 2}
    assert "glBatch" not in fake.invoice(invoice)
    assert client.ask("GET", f"{BATCHES}/{row}/entries").status == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"batchIdentifier": None}, "batchIdentifier"),
        ({"batchIdentifier": "B" * 51}, "batchIdentifier"),
        ({"exportInvoicesFlag": False}, "exportInvoicesFlag"),
        ({"processedRecordIds": []}, "processedRecordIds"),
        ({"processedRecordIds": [1001]}, "processedRecordIds"),
        ({"processedRecordIds": ["500001"]}, "processedRecordIds"),
    ],
)
def test_batches_that_cannot_be_are_refused(
    client: Client, invoice: int, change: Any, field: str
) -> None:
    good = {
        "batchIdentifier": "B1",
        "exportInvoicesFlag": True,
        "processedRecordIds": [500_001],
    }
    answer = client.ask("POST", BATCHES, {**good, **change})
    assert (answer.status, error(answer)["field"]) == (400, field)
    assert client.ask("POST", BATCHES, good).status == 201
    other = client.ask("POST", BATCHES, good)
    assert error(other)["code"] == "ObjectExists"
    twice = client.ask("POST", BATCHES, {**good, "batchIdentifier": "B2"})
    assert error(twice)["field"] == "processedRecordIds"


def test_without_gl_mapping_it_stays_unposted_until_opened_and_closed(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    row = fake.add_invoice("UNMAPPED", 250, 10, gl_mapped=False)
    conditions = f"billingLogId={row}"
    settings = {"batchIdentifier": "B1", "exportInvoicesFlag": True}
    included = {**settings, "includedInvoiceIds": [row]}
    export = client.ask("POST", "/finance/accounting/export", included).json()
    assert export["transactions"][0]["glEntryIds"] == []

    def batch() -> Response:
        (listed,) = client.get(UNPOSTED, conditions=conditions)
        ids = [listed["id"]]
        return client.ask("POST", BATCHES, {**settings, "processedRecordIds": ids})

    refused = batch()
    assert refused.status == 400
    assert "has no GL entries" in error(refused)["message"]
    fake.edit_invoice(row, closed=False)
    fake.edit_invoice(row, closed=True)
    assert batch().status == 201
    assert client.get(UNPOSTED, conditions=conditions) == []


def test_a_batch_outlives_its_invoices(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    body = {
        "batchIdentifier": "B1",
        "exportInvoicesFlag": True,
        "processedRecordIds": [500_001],
    }
    row = client.ask("POST", BATCHES, body).json()["id"]
    fake.delete_invoice(invoice)
    export = client.ask("POST", f"{BATCHES}/{row}/export").json()
    assert export["transactions"] == []
    assert client.ask("DELETE", f"{BATCHES}/{row}").status == 204
    assert client.get(f"{UNPOSTED}/count") == {"count": 0}


def test_exports_leave_out_what_they_are_told_to(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    fake.add_invoice("LATE", 250, 10, on=date(2026, 5, 1))
    base = {"batchIdentifier": "B1", "exportInvoicesFlag": True}

    def numbers(**settings: Any) -> list[str]:
        body = {**base, **settings}
        export = client.ask("POST", "/finance/accounting/export", body).json()
        return [each["documentNumber"] for each in export["transactions"]]

    assert numbers() == ["INV-1", "LATE"]
    assert numbers(thruDate="2026-04-01T00:00:00Z") == ["INV-1"]
    assert numbers(excludedInvoiceIds=[invoice]) == ["LATE"]
    assert numbers(exportInvoicesFlag=False) == []
    wrong: list[Any] = [{**base, "includedInvoiceIds": [{}]}, []]
    for bad in wrong:
        answer = client.ask("POST", "/finance/accounting/export", bad)
        assert answer.status == 400
    assert client.ask("POST", BATCHES, []).status == 400


# Trouble -----------------------------------------------------------------------------


def test_throttled_calls_are_not_carried_out(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    fake.throttle(1, retry_after=7)
    answer = client.pay(invoice, "50")
    assert (answer.status, answer.header("Retry-After")) == (429, "7")
    assert fake.payments(invoice) == []
    assert client.pay(invoice, "50").status == 201


def test_failed_calls_are_not_carried_out(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    fake.fail(1, status=502, body=b"<html>")
    answer = client.pay(invoice, "50")
    assert (answer.status, answer.body) == (502, b"<html>")
    assert fake.payments(invoice) == []
    assert fake.writes == 0


def test_lost_answers_are_carried_out(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    fake.lose(1)
    assert client.ask("GET", f"/finance/invoices/{invoice}").status == 200
    assert client.pay(invoice, "0.001").status == 400
    assert client.pay(invoice, "50").status == 504
    assert fake.paid(invoice)[0] == 50
    assert client.pay(invoice, "50").status == 400
    assert fake.writes == 1


def test_calls_per_minute_are_limited_by_the_given_clock() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    fake = FakeConnectWise(now=lambda: now, calls_per_minute=2)
    client = Client(fake)
    assert client.ask("GET", "/system/info").status == 200
    now += timedelta(seconds=20)
    assert client.ask("GET", "/system/info").status == 200
    refused = client.ask("GET", "/system/info")
    assert (refused.status, refused.header("Retry-After")) == (429, "40")
    now += timedelta(seconds=40)
    assert client.ask("GET", "/system/info").status == 200
    assert client.ask("GET", "/system/info").status == 429


def test_its_own_clock_moves_a_second_with_each_change(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    start = fake.time()
    client.get("/finance/invoices")
    client.pay(invoice, "0.001")
    assert fake.time() == start
    client.pay(invoice, "1")
    assert fake.time() == start + timedelta(seconds=1)
    assert last_updated(fake, invoice) == fake.time().strftime("%Y-%m-%dT%H:%M:%SZ")
    fake.advance(60)
    assert fake.time() == start + timedelta(seconds=61)


def test_a_clock_without_a_zone_is_refused() -> None:
    fake = FakeConnectWise(now=lambda: datetime(2026, 3, 1))
    with pytest.raises(ValueError, match="zone"):
        fake.add_company("Contoso")


def test_amounts_are_never_floats(fake: FakeConnectWise, invoice: int) -> None:
    amount: Any = 1.5
    with pytest.raises(TypeError, match="float"):
        fake.add_payment(invoice, amount, MARCH)


# Counting, threads, size -------------------------------------------------------------


def test_calls_are_counted_by_method_and_path(
    fake: FakeConnectWise, client: Client, invoice: int
) -> None:
    row = client.pay(invoice, "50").json()["id"]
    client.get(f"/finance/invoices/{invoice}/payments/{row}")
    client.get("/finance/invoices", conditions="id = 1")
    assert fake.calls == {
        "POST /finance/invoices/{id}/payments": 1,
        "GET /finance/invoices/{id}/payments/{id}": 1,
        "GET /finance/invoices": 1,
    }
    assert (fake.requests, fake.writes) == (3, 1)


def test_one_payment_an_invoice_from_many_threads(fake: FakeConnectWise) -> None:
    company = fake.add_company("Contoso")
    rows = [fake.add_invoice(f"I-{n}", company, 100) for n in range(20)]
    client, statuses = Client(fake), list[int]()

    def work() -> None:
        statuses.extend(client.pay(row, "50").status for row in rows)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] * 20 + [400] * 140
    assert all(fake.paid(row)[0] == 50 for row in rows)


def test_indexes_and_plain_reading_find_the_same(fake: FakeConnectWise) -> None:
    client = Client(fake)
    companies = [fake.add_company(f"Company {n}") for n in range(3)]
    rows = [
        fake.add_invoice(f"I-{n % 7}", companies[n % 3], 50 + n % 2 * 50)
        for n in range(20)
    ]
    for row in rows[::4]:
        fake.add_payment(row, 50, MARCH)
    fake.delete_invoice(rows[3])
    fake.edit_invoice(rows[5], number="I-0", company=companies[0])
    at = last_updated(fake, rows[8])
    for narrow, plain in (
        ('invoiceNumber = "I-0"', lambda each: each["invoiceNumber"] == "I-0"),
        ("company/id in (250)", lambda each: each["company"]["id"] == 250),
        (f"lastUpdated > [{at}]", lambda each: each["_info"]["lastUpdated"] > at),
        (f"id in ({rows[3]},{rows[4]})", lambda each: each["id"] in rows[3:5]),
    ):
        found = client.get("/finance/invoices", conditions=narrow)
        assert found == [each for each in fake.invoices() if plain(each)]
        assert found


def test_a_write_reads_no_other_invoice_again(fake: FakeConnectWise) -> None:
    company = fake.add_company("Contoso")
    rows = [fake.add_invoice(f"I-{n}", company, 100) for n in range(50)]
    client = Client(fake)
    client.get("/finance/invoices", pageSize=50)
    table = fake._books.invoices
    assert len(table._texts) == 50
    client.pay(rows[7], "50")
    assert table._texts.keys() == set(rows) - {rows[7]}
    assert client.get("/finance/invoices", pageSize=50)[7]["payments"] == 50
