"""The fake Autotask does what is known of the real one, traps included."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tieout.errors import Code, Fate, Fault
from tieout.testing.fakes.autotask import FakeAutotask
from tieout.testing.fakes.autotask_shapes import Refusal, Unsure, instant, stamp
from tieout.testing.fakes.serving import serve
from tieout.wire import Request, Response

FRONT = "https://webservices2.autotask.net/atservicesrest"
BASE = "https://webservices5.autotask.net/ATServicesRest/V1.0/"
SIGNED = {
    "ApiIntegrationCode": "CODE",
    "UserName": "api@example.com",
    "Secret": "secret",
    "Content-Type": "application/json",
}
DENIED = {"Message": "Authorization has been denied for this request."}
ANY = {"op": "exist", "field": "id"}


def send(
    fake: FakeAutotask,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] = SIGNED,
    params: Mapping[str, str] | None = None,
) -> Response:
    url = path if path.startswith("http") else f"{BASE}{path}"
    return fake.send(Request(method, url, params or {}, headers, json=body), 30)


def find(
    fake: FakeAutotask, *conditions: Any, of: str = "Invoices", **more: Any
) -> list[dict[str, Any]]:
    answer = send(fake, "POST", f"{of}/query", {"filter": list(conditions), **more})
    assert answer.status == 200, answer.text()
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def where(op: str, field: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"op": op, "field": field, "value": value, **more}


def ids(fake: FakeAutotask, *conditions: Any, of: str = "Invoices") -> list[int]:
    return [row["id"] for row in find(fake, *conditions, of=of)]


def errors(answer: Response, status: int = 500) -> list[Any]:
    assert answer.status == status, answer.text()
    entries: list[Any] = answer.json()["errors"]
    return entries


def refused(fake: FakeAutotask, *conditions: Any, of: str = "Invoices") -> str:
    answer = send(fake, "POST", f"{of}/query", {"filter": list(conditions)})
    (text,) = errors(answer)
    return str(text)


@pytest.fixture
def fake() -> FakeAutotask:
    return FakeAutotask()


@pytest.fixture
def acme(fake: FakeAutotask) -> int:
    return fake.add_customer("Acme", "C-1")


@pytest.fixture
def invoice(fake: FakeAutotask, acme: int) -> int:
    return fake.add_invoice("INV-1", acme, "120.00", tax="20", on=date(2026, 3, 2))


# Zones and signing in ----------------------------------------------------------------


def test_discovery_needs_no_credentials_and_names_the_zone(fake: FakeAutotask) -> None:
    version = send(fake, "GET", f"{FRONT}/versioninformation", headers={})
    assert version.json() == {"apiVersions": ["1.0"]}
    for spelled in ("1.0", "v1.0"):
        answer = send(
            fake,
            "GET",
            f"{FRONT}/{spelled}/zoneInformation",
            headers={},
            params={"user": "API@example.com"},
        )
        zone = answer.json()
        assert zone["url"] == "https://webservices5.autotask.net/ATServicesRest/"
        assert zone["webUrl"] == "https://ww5.autotask.net"
        assert set(zone) == {"zoneName", "url", "webUrl", "ci"}
    assert fake.calls["GET /zoneInformation"] == 2
    assert send(fake, "POST", f"{FRONT}/versioninformation").status == 405
    assert send(fake, "GET", f"{FRONT}/v1.0/versioninformation").status == 401


def test_an_unknown_user_gets_an_empty_address_or_an_error() -> None:
    url = f"{FRONT}/1.0/zoneInformation?user=nobody@example.com"
    answer = send(FakeAutotask(), "GET", url, headers={})
    assert (answer.status, answer.json()["url"]) == (200, "")
    strict = FakeAutotask(unsure=Unsure(unknown_user_status=500))
    assert errors(send(strict, "GET", url, headers={})) == [
        "The user could not be found."
    ]


@pytest.mark.parametrize("name", ["ApiIntegrationCode", "UserName", "Secret"])
def test_every_header_is_needed(fake: FakeAutotask, name: str) -> None:
    for headers in (
        {key: value for key, value in SIGNED.items() if key != name},
        {**SIGNED, name: "guess"},
    ):
        answer = send(fake, "GET", "ThresholdInformation", headers=headers)
        assert (answer.status, answer.json()) == (401, DENIED)


def test_another_zone_answers_401_until_the_new_one_is_asked(
    fake: FakeAutotask,
) -> None:
    assert send(fake, "GET", "ThresholdInformation").status == 200
    fake.expire()
    assert send(fake, "GET", "ThresholdInformation").status == 401
    zone = send(fake, "GET", f"{FRONT}/1.0/zoneInformation?user=api@example.com").json()
    assert zone["url"] == "https://webservices6.autotask.net/ATServicesRest/"
    url = f"{zone['url']}V1.0/ThresholdInformation"
    assert send(fake, "GET", url).status == 200
    assert send(fake, "GET", f"{FRONT}/V1.0/ThresholdInformation").status == 401


def test_a_revoked_user_still_has_a_zone_and_is_refused_in_it(
    fake: FakeAutotask,
) -> None:
    fake.revoke()
    zone = send(fake, "GET", f"{FRONT}/1.0/zoneInformation?user=api@example.com").json()
    assert zone["url"] == "https://webservices5.autotask.net/ATServicesRest/"
    assert send(fake, "GET", "ThresholdInformation").status == 401


def test_served_on_loopback_every_address_stays_there(
    fake: FakeAutotask, acme: int
) -> None:
    for number in range(3):
        fake.add_invoice(str(number), acme, "5")
    with serve(fake) as served:
        connection = http.client.HTTPConnection(urlsplit(served.url).netloc)

        def ask(method: str, url: str, body: Any = None) -> Any:
            content = json.dumps(body) if body else None
            connection.request(method, url, content, SIGNED)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

        discovery = "/atservicesrest/1.0/zoneInformation?user=api@example.com"
        _, zone = ask("GET", discovery)
        assert zone["url"] == f"{served.url}/ATServicesRest/"
        body = {"filter": [ANY], "MaxRecords": 2}
        _, page = ask("POST", f"{zone['url']}V1.0/Invoices/query", body)
        link = page["pageDetails"]["nextPageUrl"]
        assert link.startswith(f"{served.url}/atservicesrest/v1.0/Invoices/query/next?")
        _, rest = ask("POST", link, body)
        assert [row["invoiceNumber"] for row in rest["items"]] == ["2"]

        fake.expire()
        assert ask("POST", f"{zone['url']}V1.0/Invoices/query", body)[0] == 401
        _, moved = ask("GET", discovery)
        assert moved["url"] == f"{served.url}/zone6/ATServicesRest/"
        status, page = ask("POST", f"{moved['url']}V1.0/Invoices/query", body)
        assert status == 200
        assert page["pageDetails"]["nextPageUrl"].startswith(f"{served.url}/zone6/")
        connection.close()


# The framework's own refusals ----------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "Invoices"),
        ("POST", "Invoices"),
        ("DELETE", "Invoices/41001"),
        ("PATCH", "Invoices/41001"),
        ("DELETE", "Companies/29683001"),
        ("POST", "BillingItems"),
        ("PATCH", "Currencies"),
        ("PUT", "ThresholdInformation"),
    ],
)
def test_what_no_entity_allows_is_405_in_another_envelope(
    fake: FakeAutotask, invoice: int, method: str, path: str
) -> None:
    answer = send(fake, method, path, {"id": invoice} if method != "GET" else None)
    text = f"The requested resource does not support http method '{method}'."
    assert (answer.status, answer.json()) == (405, {"Message": text})


@pytest.mark.parametrize(
    "url",
    [
        f"{BASE}Nothing/query",
        f"{BASE}Invoices/abc",
        f"{BASE}Invoices/%7Bid%7D",
        BASE.replace("V1.0/", "") + "Invoices/1",
        BASE.replace("V1.0", "1.0") + "Invoices/1",
        "https://webservices5.autotask.net/elsewhere",
        "https://[bad/ATServicesRest/V1.0/Invoices/1",
    ],
)
def test_an_unknown_address_is_404_or_401(fake: FakeAutotask, url: str) -> None:
    answer = send(fake, "GET", url)
    assert answer.status in {401, 404}
    assert "Message" in answer.json()


def test_a_body_that_is_no_json_or_says_so_is_refused(
    fake: FakeAutotask, invoice: int
) -> None:
    plain = {**SIGNED, "Content-Type": "text/plain"}
    assert send(fake, "PATCH", "Invoices", {"id": invoice}, plain).status == 415
    for content in (b"", b"{", b"[NaN]", b"[" * 200_000, b"\xff"):
        request = Request("PATCH", f"{BASE}Invoices", (), SIGNED, content=content)
        assert errors(fake.send(request, 30)) == [
            "The request could not be read as JSON."
        ]
    assert errors(send(fake, "PATCH", "Invoices", [{"id": invoice}])) == [
        "The body must be an object."
    ]


# Shapes --------------------------------------------------------------------------------


def test_an_invoice_is_camel_case_with_doubles_and_utc_times(
    fake: FakeAutotask, acme: int, invoice: int
) -> None:
    text = send(fake, "GET", f"Invoices/{invoice}").text()
    assert '"invoiceTotal":120.0,' in text
    assert '"totalTaxValue":20.0,' in text
    item = json.loads(text)["item"]
    assert next(iter(item)) == "id"
    assert item["createDateTime"] == "2026-03-01T08:00:01.35Z"
    assert item["invoiceDateTime"] == "2026-03-02T00:00:00Z"
    assert (item["companyID"], item["isVoided"]) == (acme, False)
    assert item["paidDate"] is item["webServiceDate"] is item["voidedDate"] is None
    assert item["userDefinedFields"] == []
    assert "lastModifiedDateTime" not in item
    assert "currencyID" not in item


def test_an_instant_has_at_most_milliseconds_and_no_trailing_zeros() -> None:
    at = datetime(2026, 3, 1, 8, 0, 0, tzinfo=UTC)
    assert stamp(at) == "2026-03-01T08:00:00Z"
    assert stamp(at.replace(microsecond=120_999)) == "2026-03-01T08:00:00.12Z"
    assert instant("2026-03-01T09:00:00.1234567+01:00").microsecond == 123_456
    assert instant("2026-03-01") == datetime(2026, 3, 1, tzinfo=UTC)


def test_a_number_may_be_blank_or_missing_or_shared(
    fake: FakeAutotask, acme: int
) -> None:
    numbers = (None, "", "SAME", "SAME")
    rows = [fake.add_invoice(number, acme, "1") for number in numbers]
    found = {row["id"]: row["invoiceNumber"] for row in find(fake, ANY)}
    assert [found[row] for row in rows] == list(numbers)
    assert ids(fake, where("eq", "invoiceNumber", "same")) == rows[2:]
    assert ids(fake, where("notExist", "invoiceNumber")) == rows[:1]
    printed = send(fake, "GET", f"Invoices/{rows[0]}/InvoicePDF").json()
    assert printed["fileName"] == f"Invoice {rows[0]}.pdf"


def test_an_unknown_id_is_404_or_a_null_item(fake: FakeAutotask) -> None:
    assert errors(send(fake, "GET", "Invoices/7"), 404) == ["Invoice 7 does not exist."]
    null = FakeAutotask(unsure=Unsure(missing_is_null=True))
    answer = send(null, "GET", "Invoices/7")
    assert (answer.status, answer.json()) == (200, {"item": None})


def test_billing_items_make_the_total_in_the_customers_currency(
    fake: FakeAutotask,
) -> None:
    yen = fake.add_currency("JPY", "0.0067")
    company = fake.add_customer("Nippon", currency="JPY")
    row = fake.add_invoice(
        "J-1",
        company,
        lines=[
            {"itemName": "Hours", "quantity": "1.5", "rate": 333, "taxDollars": 50},
            {"rate": "100", "lineItemID": 7},
        ],
    )
    assert fake.invoice(row)["invoiceTotal"] == Decimal(650)
    first, second = find(fake, where("eq", "invoiceID", row), of="BillingItems")
    assert (first["extendedPrice"], first["totalAmount"]) == (500, 550)
    assert first["internalCurrencyTotalAmount"] == Decimal("3.69")
    assert second["lineItemID"] == 7
    company_row = find(fake, where("eq", "id", company), of="Companies")[0]
    assert company_row["currencyID"] == yen
    (currency,) = find(fake, where("eq", "id", yen), of="Currencies")
    assert (currency["name"], currency["isInternalCurrency"]) == ("JPY", False)
    with pytest.raises(ValueError, match="more than 0 decimals"):
        fake.add_invoice("J-2", company, "10", tax="0.5")


def test_without_the_currency_module_a_company_names_none() -> None:
    fake = FakeAutotask(multi_currency=False, base_currency="EUR")
    company = fake.add_customer("Acme")
    fake.add_invoice("1", company, "9.99")
    assert fake.customer(company)["currencyID"] is None
    (currency,) = find(fake, ANY, of="Currencies")
    assert (currency["name"], currency["isInternalCurrency"]) == ("EUR", True)


def test_a_line_total_may_leave_out_the_tax() -> None:
    fake = FakeAutotask(unsure=Unsure(line_total_with_tax=False))
    row = fake.add_invoice("1", fake.add_customer("Acme"), "12", tax="2")
    assert fake.billing_items(row)[0]["totalAmount"] == 10
    assert fake.invoice(row)["invoiceTotal"] == 12


def test_a_credit_is_a_negative_invoice(fake: FakeAutotask, acme: int) -> None:
    row = fake.add_credit_note("CR-1", acme, "50.25", tax="-10")
    assert ids(fake, where("lt", "invoiceTotal", 0)) == [row]
    assert fake.credit_notes()[0]["invoiceTotal"] == Decimal("-50.25")
    assert fake.invoice(row)["totalTaxValue"] == -10


# Queries -------------------------------------------------------------------------------


@pytest.fixture
def shelf(fake: FakeAutotask, acme: int) -> list[int]:
    """Four invoices that differ in what the operators look at."""
    first = fake.add_invoice("INV-1", acme, "50", on=date(2026, 3, 1))
    second = fake.add_invoice("INV-2", acme, "100.5", on=date(2026, 3, 2))
    third = fake.add_invoice("50% off_", acme, "100.50", on=date(2026, 3, 3))
    fourth = fake.add_invoice(None, acme, "150", on=date(2026, 3, 4))
    fake.pay(second, "100.5", date(2026, 3, 5))
    return [first, second, third, fourth]


@pytest.mark.parametrize(
    ("condition", "positions"),
    [
        (where("eq", "invoiceTotal", Decimal("100.50")), [1, 2]),
        (where("eq", "invoiceTotal", "100.5"), [1, 2]),
        (where("noteq", "invoiceTotal", 50), [1, 2, 3]),
        (where("gt", "invoiceTotal", Decimal("100.5")), [3]),
        (where("gte", "invoiceTotal", Decimal("100.5")), [1, 2, 3]),
        (where("lt", "invoiceTotal", 100), [0]),
        (where("lte", "invoiceTotal", Decimal("100.5")), [0, 1, 2]),
        (where("beginsWith", "invoiceNumber", "inv"), [0, 1]),
        (where("endsWith", "invoiceNumber", "-2"), [1]),
        (where("contains", "invoiceNumber", "% o"), [2]),
        (where("contains", "invoiceNumber", "%"), [2]),
        (where("contains", "invoiceNumber", "f_"), [2]),
        (where("exist", "paidDate"), [1]),
        (where("notExist", "paidDate"), [0, 2, 3]),
        (where("in", "invoiceNumber", ["INV-1", "50% off_", "other"]), [0, 2]),
        # Nothing compares with null: the fourth invoice has no number.
        (where("notIn", "invoiceNumber", ["INV-1"]), [1, 2]),
        (where("noteq", "invoiceNumber", "INV-1"), [1, 2]),
        (where("eq", "isVoided", value=False), [0, 1, 2, 3]),
        (where("noteq", "isVoided", value=False), []),
        (where("lte", "invoiceDateTime", "2026-03-02T00:00:00Z"), [0, 1]),
        (where("lt", "invoiceDateTime", "2026-03-02"), [0]),
        (where("gt", "invoiceDateTime", "2026-03-03T22:00:00-01:00"), [3]),
        (where("eq", "paidDate", "2026-03-05"), [1]),
        # A day is stored as its midnight, and compared with the time that is given.
        (where("gte", "paidDate", "2026-03-05T00:00:01Z"), []),
        (where("eq", "ISVOIDED", value=False), [0, 1, 2, 3]),
        (
            {
                "op": "or",
                "items": [
                    where("eq", "invoiceTotal", 50),
                    {"op": "and", "items": [ANY, where("exist", "paidDate")]},
                ],
            },
            [0, 1],
        ),
    ],
)
def test_a_query_finds_exactly_what_it_says(
    fake: FakeAutotask, shelf: list[int], condition: Any, positions: list[int]
) -> None:
    assert ids(fake, condition) == [shelf[each] for each in positions]


def test_conditions_side_by_side_are_all_meant(
    fake: FakeAutotask, shelf: list[int]
) -> None:
    both = (where("gt", "invoiceTotal", 50), where("notExist", "paidDate"))
    assert ids(fake, *both) == shelf[2:]
    count = send(fake, "POST", "Invoices/query/count", {"filter": list(both)})
    assert count.json() == {"queryCount": 2}
    counted = send(
        fake,
        "GET",
        "Invoices/query/count",
        params={"search": json.dumps({"filter": [ANY]})},
    )
    assert counted.json() == {"queryCount": 4}


def test_the_feeds_of_the_sheet_work(fake: FakeAutotask, shelf: list[int]) -> None:
    first, second, third, fourth = shelf
    for row in (first, second):
        body = {"id": row, "webServiceDate": "2026-03-06T10:00:00Z"}
        assert send(fake, "PATCH", "Invoices", body).status == 200
    fake.void_invoice(fourth, datetime(2026, 3, 7, tzinfo=UTC))
    unsynced = (
        where("notExist", "webServiceDate"),
        where("lte", "invoiceDateTime", "2026-03-31T00:00:00Z"),
        where("eq", "isVoided", value=False),
    )
    assert ids(fake, *unsynced) == [third]
    unpaid = (where("exist", "webServiceDate"), where("notExist", "paidDate"))
    assert ids(fake, *unpaid) == [first]
    voided = (
        where("eq", "isVoided", value=True),
        where("gte", "voidedDate", "2026-03-07T00:00:00Z"),
    )
    assert ids(fake, *voided) == [fourth]


def test_get_queries_take_the_same_language_in_the_address(
    fake: FakeAutotask, shelf: list[int]
) -> None:
    search = json.dumps({"filter": [where("contains", "invoiceNumber", "50% off_")]})
    answer = send(fake, "GET", f"Invoices/query?search={quote(search)}")
    assert [row["id"] for row in answer.json()["items"]] == [shelf[2]]
    assert errors(send(fake, "GET", "Invoices/query")) == [
        "The request could not be read as JSON."
    ]
    many = json.dumps({"filter": [where("in", "id", list(range(900)))]})
    assert send(fake, "GET", f"Invoices/query?search={quote(many)}").status == 414
    params = {"search": many}
    assert send(fake, "GET", "Invoices/query", params=params).status == 414


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (
            where("eq", "projectID", 1),
            "Unable to find projectID in the Invoice Entity.",
        ),
        (where("eq", "dueDate", "2026-03-01"), "dueDate cannot be queried"),
        (where("exist", "taxRegionID"), "taxRegionID cannot be queried"),
        (where("eq", "isVoided", "true"), "is no boolean"),
        (where("eq", "isVoided"), "is no boolean"),
        (where("gt", "isVoided", value=True), "'gt' is not for isVoided"),
        (where("eq", "invoiceTotal", "much"), "is no decimal"),
        (where("eq", "invoiceTotal", value=True), "is no decimal"),
        (where("eq", "invoiceTotal", "NaN"), "is no decimal"),
        (where("lt", "invoiceTotal", Decimal("1e30")), "is no decimal"),
        (where("eq", "paidDate", "5.3.2026"), "is no date"),
        (where("eq", "paidDate"), "is no date"),
        (where("gt", "createDateTime", "1066-10-14"), "is no datetime"),
        (where("contains", "id", "4"), "'contains' is for texts"),
        (where("in", "id", 4), "needs an array"),
        (where("in", "id", []), "needs an array"),
        ({"op": "or", "items": []}, "cannot be read"),
        ({"op": "and"}, "cannot be read"),
        ("id = 1", "must be an object"),
    ],
)
def test_what_is_not_understood_is_refused(
    fake: FakeAutotask, condition: Any, text: str
) -> None:
    assert text in refused(fake, condition)


def test_billing_items_have_fields_that_cannot_be_queried(fake: FakeAutotask) -> None:
    for name in ("lineItemFullDescription", "lineItemGroupDescription"):
        text = f"{name} cannot be queried in the BillingItem Entity."
        assert refused(fake, where("exist", name), of="BillingItems") == text


def test_a_query_needs_a_filter_and_a_readable_size(fake: FakeAutotask) -> None:
    bodies: list[Any] = [{}, {"filter": []}, {"filter": ANY}, [ANY]]
    for body in bodies:
        assert send(fake, "POST", "Invoices/query", body).status == 500
    for size in (0, -1, "5", True):
        sized = {"filter": [ANY], "MaxRecords": size}
        (text,) = errors(send(fake, "POST", "Invoices/query", sized))
        assert "MaxRecords" in text


def test_groups_may_not_be_endlessly_deep(fake: FakeAutotask) -> None:
    node: Any = ANY
    for _ in range(40):
        node = {"op": "and", "items": [node]}
    assert "cannot be read" in refused(fake, node)


def test_an_unknown_operator_is_passed_over_unless_told_otherwise(
    fake: FakeAutotask, shelf: list[int]
) -> None:
    wrong = where("ne", "invoiceTotal", 50)
    assert ids(fake, wrong) == shelf
    assert ids(fake, wrong, where("exist", "paidDate")) == shelf[1:2]
    strict = FakeAutotask(unsure=Unsure(refuse_unknown_operator=True))
    assert refused(strict, wrong) == "'ne' is not an operator."


def test_at_most_500_alternatives(fake: FakeAutotask, shelf: list[int]) -> None:
    def any_of(count: int) -> dict[str, Any]:
        items = [where("eq", "id", shelf[0] + each) for each in range(count)]
        return {"op": "or", "items": items}

    text = "Invalid query syntax. Queries are limited to 500 or fewer 'OR' conditions."
    assert ids(fake, any_of(500)) == shelf
    assert refused(fake, any_of(501)) == text
    assert refused(fake, any_of(300), any_of(201)) == text
    assert ids(fake, where("in", "id", list(range(41_001, 41_501)))) == shelf
    assert refused(fake, where("in", "id", list(range(501)))) == text


def test_user_defined_fields_are_queried_one_at_a_time(
    fake: FakeAutotask, shelf: list[int], acme: int
) -> None:
    fake.set_user_fields(shelf[0], {"Region": "East", "Tier": None})
    fake.set_user_fields(shelf[1], {"Region": "West"})
    fake.set_user_fields(acme, {"Size": "Large"})
    east = where("eq", "Region", "East", udf=True)
    assert ids(fake, east) == shelf[:1]
    assert ids(fake, where("exist", "Tier", udf=True)) == []
    assert "only one" in refused(fake, east, where("exist", "Tier", udf=True))
    assert refused(fake, where("eq", "Size", "Large", udf=True)).startswith("Unable to")
    assert refused(fake, where("eq", "Region", "East")).startswith("Unable to find")
    assert ids(fake, where("eq", "Size", "large", udf=True), of="Companies") == [acme]
    shown = find(fake, east, IncludeFields=["id", "Region"])
    fields = [{"name": "Region", "value": "East"}]
    assert shown == [{"id": shelf[0], "userDefinedFields": fields}]


def test_texts_may_compare_exactly() -> None:
    fake = FakeAutotask(unsure=Unsure(ignore_case=False))
    row = fake.add_invoice("Inv-1", fake.add_customer("Acme"), "1")
    assert ids(fake, where("eq", "invoiceNumber", "inv-1")) == []
    assert ids(fake, where("eq", "invoiceNumber", "Inv-1")) == [row]


# Pages ---------------------------------------------------------------------------------


def test_pages_follow_by_id_with_the_method_and_body_of_the_query(
    fake: FakeAutotask, shelf: list[int], acme: int
) -> None:
    body = {"filter": [ANY], "MaxRecords": 3}
    first = send(fake, "POST", "Invoices/query", body).json()
    details = first["pageDetails"]
    assert (details["count"], details["requestCount"]) == (3, 3)
    assert details["prevPageUrl"] is None
    late = fake.add_invoice("late", acme, "1")
    link = details["nextPageUrl"]
    assert link.startswith("https://webservices5.autotask.net/atservicesrest/v1.0/")
    by_get = send(fake, "GET", link)
    assert by_get.status == 405
    assert by_get.json() == {
        "Message": "The requested resource does not support http method 'GET'."
    }
    assert send(fake, "POST", link).status == 500
    second = send(fake, "POST", link, body).json()
    assert [row["id"] for row in second["items"]] == [shelf[3], late]
    assert second["pageDetails"]["nextPageUrl"] is None
    back = send(fake, "POST", second["pageDetails"]["prevPageUrl"], body).json()
    assert back["items"] == first["items"]


def test_pages_of_a_get_query_follow_by_get(
    fake: FakeAutotask, shelf: list[int]
) -> None:
    search = json.dumps({"filter": [ANY], "maxRecords": 2})
    first = send(fake, "GET", f"Invoices/query?search={quote(search)}").json()
    second = send(fake, "GET", first["pageDetails"]["nextPageUrl"]).json()
    assert [row["id"] for row in first["items"] + second["items"]] == shelf
    assert second["pageDetails"]["nextPageUrl"] is None


def test_a_page_is_never_larger_than_the_server_allows(acme: int) -> None:
    fake = FakeAutotask(page_size_max=2)
    company = fake.add_customer("Acme")
    for _ in range(3):
        fake.add_invoice(None, company, "1")
    page = send(fake, "POST", "Invoices/query", {"filter": [ANY], "MaxRecords": 500})
    details = page.json()["pageDetails"]
    assert (details["count"], details["requestCount"]) == (2, 2)
    wide = details["nextPageUrl"].replace("pageSize%22%3A2", "pageSize%22%3A900")
    assert wide != details["nextPageUrl"]
    rest = send(fake, "POST", wide, {"filter": [ANY]}).json()["pageDetails"]
    assert (rest["count"], rest["requestCount"]) == (1, 2)


def test_looping_pages_never_end(fake: FakeAutotask, shelf: list[int]) -> None:
    fake.loop_pages()
    body = {"filter": [ANY]}
    page = send(fake, "POST", "Invoices/query", body).json()
    again = send(fake, "POST", page["pageDetails"]["nextPageUrl"], body).json()
    assert again == page
    fake.loop_pages(on=False)
    page = send(fake, "POST", "Invoices/query", body).json()
    assert page["pageDetails"]["nextPageUrl"] is None


@pytest.mark.parametrize(
    "paging",
    [
        "",
        "x",
        "{}",
        "[1]",
        '{"pageSize":0,"previousIds":[],"nextId":0}',
        '{"pageSize":5,"previousIds":["a"],"nextId":0}',
    ],
)
def test_a_page_that_was_never_told_is_refused(fake: FakeAutotask, paging: str) -> None:
    path = f"Invoices/query/next?paging={quote(paging)}"
    assert send(fake, "POST", path, {"filter": [ANY]}).status == 500


def test_fields_are_chosen_and_more_than_one_page_needs_the_id(
    fake: FakeAutotask, shelf: list[int]
) -> None:
    chosen = ["INVOICENUMBER", "paidDate"]
    rows = find(fake, where("exist", "paidDate"), IncludeFields=chosen)
    assert rows == [{"invoiceNumber": "INV-2", "paidDate": "2026-03-05T00:00:00Z"}]
    body = {"filter": [ANY], "IncludeFields": chosen, "MaxRecords": 2}
    (text,) = errors(send(fake, "POST", "Invoices/query", body))
    assert "IncludeFields" in text
    body["IncludeFields"] = ["Id"]
    assert send(fake, "POST", "Invoices/query", body).json()["items"] == [
        {"id": shelf[0]},
        {"id": shelf[1]},
    ]
    for wrong in (["nothing"], "id"):
        body["IncludeFields"] = wrong
        assert send(fake, "POST", "Invoices/query", body).status == 500


# Writing -------------------------------------------------------------------------------


def test_a_patch_changes_only_what_it_names(fake: FakeAutotask, invoice: int) -> None:
    body = {"id": invoice, "webServiceDate": "2026-03-05T10:30:00.500+01:00"}
    answer = send(fake, "PATCH", "Invoices", body)
    assert (answer.status, answer.json()) == (200, {"itemId": invoice})
    send(fake, "PATCH", "Invoices", {"ID": invoice, "PaidDate": "2026-03-06T23:59:59Z"})
    row = fake.invoice(invoice)
    assert row["webServiceDate"] == "2026-03-05T09:30:00.5Z"
    assert row["paidDate"] == "2026-03-06T00:00:00Z"
    assert row["invoiceNumber"] == "INV-1"
    assert fake.paid(invoice) == (Decimal(120), date(2026, 3, 6))


def test_a_patch_with_null_clears_and_twice_is_as_good_as_once(
    fake: FakeAutotask, invoice: int
) -> None:
    for value in ("2026-03-05T00:00:00Z", "2026-03-05T00:00:00Z", None):
        body = {"id": invoice, "webServiceDate": value, "paidDate": value}
        assert send(fake, "PATCH", "Invoices", body).status == 200
        assert fake.invoice(invoice)["webServiceDate"] == value
        assert fake.invoice(invoice)["paidDate"] == value
    assert fake.payments() == []
    assert fake.writes == 3


def test_a_put_nulls_what_it_leaves_out(fake: FakeAutotask, invoice: int) -> None:
    fake.pay(invoice, "120", date(2026, 3, 5))
    body = {"id": invoice, "webServiceDate": "2026-03-05T00:00:00Z"}
    assert send(fake, "PUT", "Invoices", body).json() == {"itemId": invoice}
    row = fake.invoice(invoice)
    assert row["invoiceNumber"] is row["paidDate"] is None
    assert row["webServiceDate"] == "2026-03-05T00:00:00Z"
    assert row["invoiceTotal"] == 120


def test_what_cannot_be_written_is_passed_over_unless_told_otherwise(
    fake: FakeAutotask, invoice: int
) -> None:
    body = {"id": invoice, "invoiceTotal": 1, "isVoided": True, "nothing": 1}
    assert send(fake, "PATCH", "Invoices", body).status == 200
    assert fake.invoice(invoice)["invoiceTotal"] == 120
    assert fake.invoice(invoice)["isVoided"] is False
    strict = FakeAutotask(unsure=Unsure(refuse_read_only=True))
    row = strict.add_invoice("1", strict.add_customer("Acme"), "5")
    assert errors(send(strict, "PATCH", "Invoices", {**body, "id": row})) == [
        "invoiceTotal is read-only.",
        "isVoided is read-only.",
    ]


def test_business_errors_are_500_with_every_text_and_change_nothing(
    fake: FakeAutotask, invoice: int
) -> None:
    body = {
        "id": invoice,
        "invoiceNumber": "x" * 101,
        "paidDate": "yesterday",
        "webServiceDate": "2026-03-05T00:00:00Z",
    }
    assert errors(send(fake, "PATCH", "Invoices", body)) == [
        "invoiceNumber is longer than its maximum of 100 characters.",
        "Could not convert 'yesterday' to date. Path 'paidDate'.",
    ]
    assert fake.invoice(invoice)["webServiceDate"] is None
    body["invoiceNumber"], body["paidDate"] = "x" * 100, "2026-03-05"
    assert send(fake, "PATCH", "Invoices", body).status == 200


def test_errors_may_be_objects_that_name_the_field() -> None:
    fake = FakeAutotask(unsure=Unsure(error_objects=True))
    row = fake.add_invoice("1", fake.add_customer("Acme"), "5")
    body = {"id": row, "webServiceDate": 5}
    message = "Could not convert 5 to datetime. Path 'webServiceDate'."
    assert errors(send(fake, "PATCH", "Invoices", body)) == [
        {"message": message, "field": "webServiceDate"}
    ]
    assert refused(fake, where("eq", "no", 1)).startswith("Unable to find no")


@pytest.mark.parametrize("given", [None, "41001", True, 41001.0])
def test_a_patch_needs_an_id(fake: FakeAutotask, invoice: int, given: Any) -> None:
    value = Decimal(str(given)) if isinstance(given, float) else given
    body = {"id": value, "invoiceNumber": "Z"}
    assert errors(send(fake, "PATCH", "Invoices", body)) == [
        "Required field 'id' is missing."
    ]
    assert fake.invoice(invoice)["invoiceNumber"] == "INV-1"


def test_a_patch_of_an_unknown_invoice_is_404(fake: FakeAutotask) -> None:
    answer = send(fake, "PATCH", "Invoices", {"id": 7, "invoiceNumber": "Z"})
    assert errors(answer, 404) == ["Invoice 7 does not exist."]


def test_of_a_billing_item_only_its_web_service_date_is_written(
    fake: FakeAutotask, invoice: int
) -> None:
    (item,) = fake.billing_items(invoice)
    at = "2026-03-05T00:00:00Z"
    body = {"id": item["id"], "webServiceDate": at, "description": "Other"}
    assert send(fake, "PATCH", "BillingItems", body).json() == {"itemId": item["id"]}
    (after,) = fake.billing_items(invoice)
    assert after == {**item, "webServiceDate": at}
    fake.edit_billing_item(item["id"], description="By hand")
    assert fake.billing_items(invoice)[0]["description"] == "By hand"


def test_voiding_is_for_people_and_a_voided_invoice_stays_readable(
    fake: FakeAutotask, invoice: int
) -> None:
    fake.void_invoice(invoice)
    row = send(fake, "GET", f"Invoices/{invoice}").json()["item"]
    assert row["isVoided"] is True
    assert row["voidedDate"] == "2026-03-01T08:00:02.35Z"
    assert row["voidedByResourceID"] is not None
    with pytest.raises(ValueError, match="voided already"):
        fake.void_invoice(invoice)
    body = {"id": invoice, "paidDate": "2026-03-05"}
    assert send(fake, "PATCH", "Invoices", body).status == 200


def test_a_voided_invoice_may_be_closed_to_writes() -> None:
    fake = FakeAutotask(unsure=Unsure(refuse_voided=True))
    row = fake.add_invoice("1", fake.add_customer("Acme"), "5")
    fake.void_invoice(row)
    answer = send(fake, "PATCH", "Invoices", {"id": row, "paidDate": None})
    assert errors(answer) == [f"Invoice {row} is voided and cannot be updated."]


def test_a_payment_is_all_or_nothing(fake: FakeAutotask, invoice: int) -> None:
    with pytest.raises(ValueError, match="not the whole"):
        fake.pay(invoice, "60", date(2026, 3, 5))
    assert fake.paid(invoice) == (Decimal(0), None)
    fake.pay(invoice, "120", date(2026, 3, 5))
    assert fake.payments() == [
        {"id": invoice, "invoiceTotal": 120, "paidDate": "2026-03-05T00:00:00Z"}
    ]
    fake.void_payment(invoice)
    assert fake.paid(invoice) == (Decimal(0), None)


# Companies -----------------------------------------------------------------------------


def test_a_company_is_created_changed_and_made_inactive(fake: FakeAutotask) -> None:
    body = {"companyName": "Acme", "companyType": 1, "taxID": "X1", "id": 0}
    row = send(fake, "POST", "Companies", body).json()["itemId"]
    created = fake.customer(row)
    assert (created["isActive"], created["currencyID"]) == (True, 1)
    body = {"id": row, "companyNumber": "C-9", "isActive": False}
    assert send(fake, "PATCH", "Companies", body).json() == {"itemId": row}
    changed = fake.customer(row)
    assert (changed["companyNumber"], changed["taxID"]) == ("C-9", "X1")
    later = where("gt", "lastTrackedModifiedDateTime", created["createDate"])
    assert ids(fake, later, of="Companies") == [row]
    assert ids(fake, where("eq", "isActive", value=True), of="Companies") == []
    assert fake.calls["PATCH /Companies"] == 1


def test_a_company_is_refused_with_every_reason(fake: FakeAutotask, acme: int) -> None:
    answer = send(
        fake,
        "POST",
        "Companies",
        {"companyName": "", "currencyID": 9, "companyType": 1},
    )
    assert errors(answer) == [
        "Required field 'companyName' is missing.",
        "currencyID 9 is not valid.",
    ]
    answer = send(fake, "PATCH", "Companies", {"id": acme, "parentCompanyID": acme})
    assert errors(answer) == [f"parentCompanyID {acme} is not valid."]
    answer = send(fake, "PATCH", "Companies", {"id": acme, "isTaxExempt": None})
    assert errors(answer) == ["isTaxExempt must be either true or false."]
    answer = send(fake, "PATCH", "Companies", {"id": acme, "companyType": "1.5"})
    assert "Could not convert '1.5' to int" in errors(answer)[0]
    assert len(fake.customers()) == 1


def test_a_put_of_a_company_needs_every_flag_and_nulls_the_rest(
    fake: FakeAutotask, acme: int
) -> None:
    fake.edit_customer(acme, taxID="X1")
    body = {"id": acme, "companyName": "Acme", "companyType": 1, "isActive": True}
    assert len(errors(send(fake, "PUT", "Companies", body))) == 2
    flags = {"isTaxExempt": False, "invoiceNonContractItemsToParentCompany": False}
    assert send(fake, "PUT", "Companies", {**body, **flags}).status == 200
    row = fake.customer(acme)
    assert row["taxID"] is row["companyNumber"] is None


def test_a_change_of_nothing_may_leave_the_change_time(fake: FakeAutotask) -> None:
    for bumps in (True, False):
        fake = FakeAutotask(unsure=Unsure(bump_unchanged=bumps))
        row = fake.add_customer("Acme")
        before = fake.customer(row)["lastTrackedModifiedDateTime"]
        body = {"id": row, "companyName": "Acme"}
        assert send(fake, "PATCH", "Companies", body).status == 200
        after = fake.customer(row)["lastTrackedModifiedDateTime"]
        assert (after > before) is bumps


# Who sees what ---------------------------------------------------------------------------


def test_invoices_of_other_lines_of_business_simply_are_not_there() -> None:
    fake = FakeAutotask(lines_of_business=["East"])
    acme = fake.add_customer("Acme")
    rows = [
        fake.add_invoice(line, acme, "5", line_of_business=line)
        for line in ("East", "West", "")
    ]
    assert ids(fake, ANY) == [rows[0], rows[2]]
    items = find(fake, ANY, of="BillingItems")
    assert [item["invoiceID"] for item in items] == [rows[0], rows[2]]
    assert send(fake, "GET", f"Invoices/{rows[1]}").status == 404
    assert send(fake, "GET", f"Invoices/{rows[1]}/InvoicePDF").status == 404
    body = {"id": rows[1], "paidDate": "2026-03-05"}
    assert send(fake, "PATCH", "Invoices", body).status == 404
    assert len(fake.invoices()) == 3
    fake.assign_lines(None)
    assert ids(fake, ANY) == rows


def test_a_missing_permission_is_told_in_a_500_or_a_403(
    fake: FakeAutotask, invoice: int
) -> None:
    fake.deny("Invoices/write")
    assert ids(fake, ANY) == [invoice]
    body = {"id": invoice, "invoiceNumber": "Z"}
    (text,) = errors(send(fake, "PATCH", "Invoices", body))
    assert text.startswith("Forbidden")
    fake.allow("Invoices/write")
    assert send(fake, "PATCH", "Invoices", body).status == 200
    fake.deny("Invoices")
    assert "adequate permissions to query" in refused(fake, ANY)
    assert send(fake, "GET", f"Invoices/{invoice}").status == 500
    plain = FakeAutotask(unsure=Unsure(forbidden_status=403))
    plain.deny("Companies")
    answer = send(plain, "POST", "Companies", {"companyName": "A", "companyType": 1})
    assert errors(answer, 403)[0].startswith("Forbidden")


# Printed invoices ------------------------------------------------------------------------


def test_an_invoice_is_printed_as_pdf_xml_and_html(
    fake: FakeAutotask, acme: int
) -> None:
    row = fake.add_invoice("A<1>", acme, lines=[{"itemName": "R&D", "rate": "5"}])
    paper = send(fake, "GET", f"Invoices/{row}/InvoicePDF").json()
    data = base64.b64decode(paper["data"])
    assert data.startswith(b"%PDF-")
    assert (paper["contentType"], paper["fileSize"]) == ("application/pdf", len(data))
    xml = send(fake, "GET", f"Invoices/{row}/InvoiceMarkupXml")
    assert xml.header("Content-Type") == "text/xml; charset=utf-8"
    assert "<number>A&lt;1&gt;</number>" in xml.text()
    assert "<itemName>R&amp;D</itemName>" in xml.text()
    flat = send(fake, "GET", "InvoiceMarkupXml", params={"invoiceId": str(row)})
    assert flat.text() == xml.text()
    html = send(fake, "GET", "InvoiceMarkupHtml", params={"invoiceId": str(row)})
    assert "<h1>Invoice A&lt;1&gt;</h1>" in html.text()
    assert send(fake, "GET", "InvoiceMarkupHtml").status == 404
    fake.deny("InvoiceMarkup")
    assert send(fake, "GET", f"Invoices/{row}/InvoicePDF").status == 500
    assert send(fake, "GET", f"Invoices/{row}").status == 200


@pytest.mark.parametrize(
    ("style", "statuses"), [("nested", (200, 404)), ("flat", (404, 200))]
)
def test_the_markup_may_stand_in_one_place_only(
    style: str, statuses: tuple[int, int]
) -> None:
    fake = FakeAutotask(unsure=Unsure(markup=style))
    row = fake.add_invoice("1", fake.add_customer("Acme"), "5")
    nested = send(fake, "GET", f"Invoices/{row}/InvoiceMarkupXml").status
    flat = send(fake, "GET", f"InvoiceMarkupXml?invoiceId={row}").status
    assert (nested, flat) == statuses


# Limits and trouble ------------------------------------------------------------------------


def test_the_quota_is_shared_by_all_and_frees_itself_after_an_hour() -> None:
    fake = FakeAutotask(quota=10)
    assert send(fake, "GET", "ThresholdInformation").json() == {
        "externalRequestThreshold": 10,
        "requestThresholdTimeframe": 60,
        "currentTimeframeRequestCount": 1,
    }
    fake.advance(60)
    fake.spend(9)
    (text,) = errors(send(fake, "GET", "ThresholdInformation"))
    assert "threshold of 10 requests per 60 minutes has been exceeded" in text
    assert send(fake, "GET", f"{FRONT}/versioninformation").status == 200
    fake.advance(59 * 60)
    assert send(fake, "GET", "ThresholdInformation").status == 200
    assert send(fake, "GET", "ThresholdInformation").status == 500
    fake.advance(60)
    usage = send(fake, "GET", "ThresholdInformation").json()
    assert usage["currentTimeframeRequestCount"] == 2


def test_without_a_quota_the_usual_one_is_told_and_nothing_is_refused(
    fake: FakeAutotask,
) -> None:
    fake.spend(20_000)
    usage = send(fake, "GET", "ThresholdInformation").json()
    assert usage["externalRequestThreshold"] == 10_000
    assert usage["currentTimeframeRequestCount"] == 20_001
    assert fake.held_back == 0
    other = FakeAutotask(quota=1, unsure=Unsure(quota_status=429))
    send(other, "GET", "ThresholdInformation")
    assert send(other, "GET", "ThresholdInformation").status == 429


def test_calls_are_held_back_from_half_of_the_quota_on() -> None:
    waits: list[float] = []
    fake = FakeAutotask(quota=100, sleep=waits.append)
    for spent in (49, 0, 25):
        fake.spend(spent)
        send(fake, "GET", "ThresholdInformation")
    send(fake, "GET", f"{FRONT}/versioninformation")
    assert waits == [0.5, 1.0]
    assert fake.held_back == 1.5


def test_a_fourth_thread_on_one_endpoint_is_refused() -> None:
    meeting = threading.Barrier(4)
    fake = FakeAutotask(
        quota=100, threads_max=3, sleep=lambda _: (meeting.wait(10), None)[1]
    )
    fake.spend(60)
    asked = ["Invoices/1"] * 4
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda path: send(fake, "GET", path).status, asked))
    assert sorted(statuses) == [404, 404, 404, 429]


def test_other_endpoints_have_threads_of_their_own() -> None:
    meeting = threading.Barrier(4)
    fake = FakeAutotask(
        quota=100, threads_max=2, sleep=lambda _: (meeting.wait(10), None)[1]
    )
    fake.spend(60)
    asked = ["Invoices/1", "Invoices/2", "Companies/1", "Companies/2"]
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda path: send(fake, "GET", path).status, asked))
    assert statuses == [404] * 4


def test_one_call_after_the_other_needs_one_thread() -> None:
    fake = FakeAutotask(threads_max=1)
    statuses = [send(fake, "GET", "Invoices/1").status for _ in range(3)]
    assert statuses == [404] * 3


def test_throttling_names_a_pause_or_none(fake: FakeAutotask) -> None:
    fake.throttle(1)
    fake.throttle(1, retry_after=None)
    first, second = (send(fake, "GET", "ThresholdInformation") for _ in range(2))
    assert (first.status, first.header("Retry-After")) == (429, "60")
    assert (second.status, second.header("Retry-After")) == (429, None)
    assert send(fake, "GET", "ThresholdInformation").status == 200


def test_a_failure_comes_before_or_after_the_work(
    fake: FakeAutotask, invoice: int
) -> None:
    body = {"id": invoice, "invoiceNumber": "Z"}
    fake.fail(1, 503, b"down")
    answer = send(fake, "PATCH", "Invoices", body)
    assert (answer.status, answer.body) == (503, b"down")
    assert fake.invoice(invoice)["invoiceNumber"] == "INV-1"
    fake.fail(1, 502, after=True, writes=True)
    assert ids(fake, ANY) == [invoice]
    assert send(fake, "PATCH", "Invoices", body).status == 502
    assert fake.invoice(invoice)["invoiceNumber"] == "Z"
    fake.fail(1, 500, after=True)
    assert send(fake, "PATCH", "Invoices", {"id": 7}).body == b""


def test_a_lost_answer_leaves_the_work_done(fake: FakeAutotask, invoice: int) -> None:
    fake.lose()
    assert ids(fake, ANY) == [invoice]
    with pytest.raises(Fault) as caught:
        send(fake, "PATCH", "Invoices", {"id": invoice, "invoiceNumber": "Z"})
    assert (caught.value.code, caught.value.fate) == (Code.ANSWER_LOST, Fate.UNCLEAR)
    assert fake.invoice(invoice)["invoiceNumber"] == "Z"
    assert send(fake, "PATCH", "Invoices", {"id": invoice}).status == 200


def test_counters_tell_reads_from_writes(fake: FakeAutotask, invoice: int) -> None:
    ids(fake, ANY)
    send(fake, "GET", f"Invoices/{invoice}")
    send(fake, "PATCH", "invoices", {"id": invoice, "invoiceNumber": "Z"})
    send(fake, "GET", f"{FRONT}/versioninformation")
    assert (fake.requests, fake.writes) == (4, 1)
    assert fake.calls == {
        "POST /Invoices/query": 1,
        "GET /Invoices/{id}": 1,
        "PATCH /Invoices": 1,
        "GET /versioninformation": 1,
    }
    fake.close()


# By hand -----------------------------------------------------------------------------------


def test_what_people_enter_is_checked_too(fake: FakeAutotask, acme: int) -> None:
    floating: Any = 1.5
    with pytest.raises(TypeError, match="is a float"):
        fake.add_invoice("1", acme, floating)
    with pytest.raises(TypeError, match="is a float"):
        fake.add_invoice("1", acme, lines=[{"rate": floating}])
    with pytest.raises(Refusal, match="companyName"):
        fake.edit_customer(acme, companyName=None)
    naive = FakeAutotask(now=lambda: datetime(2026, 3, 1, tzinfo=UTC))
    naive._now = lambda: datetime(2026, 3, 1)
    with pytest.raises(ValueError, match="aware"):
        naive.add_customer("Acme")
    assert fake.invoices() == []


def test_a_clock_from_outside_is_followed() -> None:
    at = [datetime(2026, 3, 10, 12, tzinfo=UTC)]
    fake = FakeAutotask(now=lambda: at[0])
    acme = fake.add_customer("Acme")
    at[0] += timedelta(hours=1)
    fake.advance(1000)
    row = fake.add_invoice("1", acme, "5", invoiceDateTime=at[0], comments="By hand")
    assert fake.invoice(row)["createDateTime"] == "2026-03-10T13:00:00Z"
    assert fake.invoice(row)["invoiceDateTime"] == "2026-03-10T13:00:00Z"
    fake.edit_invoice(row, dueDate=date(2026, 4, 1))
    assert fake.invoice(row)["dueDate"] == "2026-04-01T00:00:00Z"


def test_many_threads_lose_no_write(fake: FakeAutotask, acme: int) -> None:
    rows = [fake.add_invoice(str(each), acme, "5") for each in range(40)]
    at = "2026-03-05T00:00:00Z"

    def mark(row: int) -> int:
        body = {"id": row, "webServiceDate": at}
        return send(fake, "PATCH", "Invoices", body).status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(mark, rows)) == {200}
    assert {row["webServiceDate"] for row in fake.invoices()} == {at}
    assert (fake.requests, fake.writes) == (40, 40)
