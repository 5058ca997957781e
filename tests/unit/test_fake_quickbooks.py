"""The fake QuickBooks does what is known of the real one, traps included."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode
from urllib.request import Request as PlainRequest
from urllib.request import urlopen
from xml.etree import ElementTree as ET

import pytest

from tieout.errors import Fate, Fault
from tieout.testing.fakes.quickbooks import FakeQuickBooks
from tieout.testing.fakes.quickbooks_books import Ways
from tieout.testing.fakes.quickbooks_fields import Refusal
from tieout.testing.fakes.serving import serve
from tieout.wire import Request, Response

HOST = "https://quickbooks.api.intuit.com"
TOKEN_URL = "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer"
REVOKE_URL = "https://developer.api.intuit.com/v2/oauth2/tokens/revoke"
JAN_5, JAN_9 = date(2026, 1, 5), date(2026, 1, 9)
EARLY = "2026-02-20T00:00:00-08:00"
NAMES = {"invoice": "Invoice", "creditmemo": "CreditMemo"}
NOTE = "Created by QB Online to link credits to charges."


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Client:
    """A signed-in client that sends what a test says, and nothing more."""

    def __init__(self, fake: FakeQuickBooks, host: str = HOST) -> None:
        self.fake = fake
        self.host = host
        self.token = fake.issue_token()

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Any = None,
        content: Any = None,
        **params: str,
    ) -> Response:
        signed = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/json",
            **(headers or {}),
        }
        url = f"{self.host}/v3/company/{self.fake.realm}/{path}"
        request = Request(method, url, params, signed, json=body, content=content)
        return self.fake.send(request, 30)

    def get(self, path: str, **params: str) -> dict[str, Any]:
        return good(self.send("GET", path, **params))

    def post(self, path: str, body: Any, **params: str) -> dict[str, Any]:
        return good(self.send("POST", path, body, **params))

    def query(self, text: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get("query", query=text)["QueryResponse"]
        return found

    def ids(self, text: str) -> list[str]:
        entity = text.split()[3]
        return [row["Id"] for row in self.query(text).get(entity, [])]

    def changes(self, entities: str, since: str = EARLY) -> list[dict[str, Any]]:
        told = self.get("cdc", entities=entities, changedSince=since)
        blocks: list[dict[str, Any]] = told["CDCResponse"][0]["QueryResponse"]
        return blocks

    def batch(self, *items: Any, **params: str) -> dict[str, Any]:
        replies = self.post("batch", {"BatchItemRequest": list(items)}, **params)
        return {each["bId"]: each for each in replies["BatchItemResponse"]}


def good(answer: Response) -> dict[str, Any]:
    assert answer.status == 200, answer.text()
    content: dict[str, Any] = answer.json()
    assert "Fault" not in content, content
    return content


def refusal(answer: Response, status: int = 400) -> tuple[str, str, str]:
    """The code, the detail and the element of a fault of the business."""
    assert answer.status == status, answer.text()
    fault = answer.json()["Fault"]
    (error,) = fault["Error"]
    return error["code"], error["Detail"], error["element"]


def ref(key: str) -> dict[str, str]:
    return {"value": key}


def line(amount: Any, item: str = "1", **fields: Any) -> dict[str, Any]:
    detail = {"ItemRef": ref(item)}
    own = {"Amount": amount, "DetailType": "SalesItemLineDetail"}
    return {**own, "SalesItemLineDetail": detail, **fields}


def form(customer: str, amount: Any = "100", **fields: Any) -> dict[str, Any]:
    return {"CustomerRef": ref(customer), "Line": [line(amount)], **fields}


def to(kind: str, key: str, amount: Any) -> dict[str, Any]:
    return {"Amount": amount, "LinkedTxn": [{"TxnId": key, "TxnType": kind}]}


def money(customer: str, total: Any, *lines: Any, **fields: Any) -> dict[str, Any]:
    own = {"CustomerRef": ref(customer), "TotalAmt": total, "Line": list(lines)}
    return {**own, **fields}


def named(row: Mapping[str, Any]) -> dict[str, str]:
    return {"Id": row["Id"], "SyncToken": row["SyncToken"]}


@pytest.fixture
def fake() -> FakeQuickBooks:
    return FakeQuickBooks()


@pytest.fixture
def client(fake: FakeQuickBooks) -> Client:
    return Client(fake)


@pytest.fixture
def acme(fake: FakeQuickBooks) -> str:
    return fake.add_customer("Acme", "C-1")


def sign_in(
    fake: FakeQuickBooks,
    form: Mapping[str, str],
    pair: str = "client:secret",
    url: str = TOKEN_URL,
) -> Response:
    basic = base64.b64encode(pair.encode()).decode()
    headers = {"Authorization": f"Basic {basic}"} if pair else {}
    content = urlencode(form).encode()
    return fake.send(Request("POST", url, headers=headers, content=content), 30)


def refresh(fake: FakeQuickBooks, token: str) -> Response:
    return sign_in(fake, {"grant_type": "refresh_token", "refresh_token": token})


# Signing in ------------------------------------------------------------------------------


def test_a_refresh_rotates_and_the_replaced_token_is_dead(fake: FakeQuickBooks) -> None:
    grant = refresh(fake, "refresh-0").json()
    assert grant["token_type"] == "bearer"
    assert grant["expires_in"] == 3600
    assert grant["x_refresh_token_expires_in"] == 8_726_400
    assert grant["refresh_token"] == fake.refresh_token != "refresh-0"
    late = refresh(fake, "refresh-0")
    assert (late.status, late.json()["error"]) == (400, "invalid_grant")
    assert refresh(fake, fake.refresh_token).status == 200


def test_rotation_may_be_about_daily_and_the_old_token_may_live_on() -> None:
    clock = Clock()
    fake = FakeQuickBooks(
        now=clock, ways=Ways(refresh_rotates_after=86_400, retired_refresh_seconds=600)
    )
    assert refresh(fake, "refresh-0").json()["refresh_token"] == "refresh-0"
    clock.advance(86_400)
    assert refresh(fake, "refresh-0").json()["refresh_token"] != "refresh-0"
    clock.advance(599)
    assert refresh(fake, "refresh-0").status == 200
    clock.advance(1)
    assert refresh(fake, "refresh-0").status == 400


def test_an_unused_refresh_token_dies_after_101_days() -> None:
    clock = Clock()
    fake = FakeQuickBooks(now=clock)
    clock.advance(100 * 86_400)
    latest = refresh(fake, "refresh-0").json()["refresh_token"]
    clock.advance(101 * 86_400)
    assert refresh(fake, latest).json()["error"] == "invalid_grant"


def test_a_lost_answer_to_a_refresh_costs_the_connection(fake: FakeQuickBooks) -> None:
    fake.lose(sign_in=True)
    with pytest.raises(Fault) as lost:
        refresh(fake, "refresh-0")
    assert lost.value.fate is Fate.UNCLEAR
    assert refresh(fake, "refresh-0").json()["error"] == "invalid_grant"


def test_a_code_is_exchanged_once_and_reconnects(fake: FakeQuickBooks) -> None:
    asked = {"grant_type": "authorization_code", "code": "code-0"}
    in_form = {**asked, "client_id": "client", "client_secret": "secret"}
    assert sign_in(fake, in_form, pair="").status == 200
    assert sign_in(fake, asked).json()["error"] == "invalid_grant"
    fake.revoke()
    assert refresh(fake, fake.refresh_token).status == 400
    fake.reconnect("code-1")
    grant = sign_in(fake, {**asked, "code": "code-1"}).json()
    assert refresh(fake, grant["refresh_token"]).status == 200


def test_a_wrong_client_and_a_wrong_grant_type_are_refused(
    fake: FakeQuickBooks,
) -> None:
    wrong = sign_in(fake, {"grant_type": "refresh_token"}, pair="client:guess")
    assert (wrong.status, wrong.json()) == (401, {"error": "invalid_client"})
    undecodable = {"Authorization": "Basic /w=="}
    unread = Request("POST", TOKEN_URL, headers=undecodable, content=b"")
    assert fake.send(unread, 30).status == 401
    other = sign_in(fake, {"grant_type": "password"})
    assert (other.status, other.json()["error"]) == (400, "unsupported_grant_type")
    assert sign_in(fake, {}, url=f"{TOKEN_URL}/else").status == 404


def test_the_revocation_address_ends_everything(client: Client) -> None:
    assert sign_in(client.fake, {"token": "refresh-0"}, url=REVOKE_URL).status == 200
    assert client.send("GET", "preferences").status == 401
    assert refresh(client.fake, "refresh-0").status == 400


def test_a_dead_token_is_told_in_the_dialect_of_the_gateway(client: Client) -> None:
    client.fake.expire()
    answer = client.send("GET", "preferences")
    told = answer.json()
    assert answer.status == 401
    assert {name for name in told if told[name] is None} == {
        "warnings",
        "queryResponse",
    }
    assert told["batchItemResponse"] == []
    assert isinstance(told["time"], int)
    assert told["fault"]["type"] == "AUTHENTICATION"
    assert told["fault"]["error"] == [
        {
            "message": "message=AuthenticationFailed; errorCode=003200; statusCode=401",
            "detail": "AuthenticationFailed",
            "code": "3200",
            "element": None,
        }
    ]
    client.token = refresh(client.fake, "refresh-0").json()["access_token"]
    assert client.send("GET", "preferences").status == 200


def test_an_access_token_lives_for_an_hour() -> None:
    clock = Clock()
    client = Client(FakeQuickBooks(now=clock))
    clock.advance(3599)
    assert client.send("GET", "preferences").status == 200
    clock.advance(1)
    assert client.send("GET", "preferences").status == 401


@pytest.mark.parametrize("is_sandbox", [False, True])
def test_keys_of_one_environment_do_not_open_the_other(is_sandbox: bool) -> None:
    fake = FakeQuickBooks(is_sandbox=is_sandbox)
    hosts = (HOST, "https://sandbox-quickbooks.api.intuit.com")
    right, wrong = hosts[is_sandbox], hosts[not is_sandbox]
    assert Client(fake, right).send("GET", "preferences").status == 200
    answer = Client(fake, wrong).send("GET", "preferences")
    error = answer.json()["fault"]["error"][0]
    assert (answer.status, error["code"]) == (403, "3100")
    assert "ApplicationAuthorizationFailed" in error["message"]


def test_another_company_is_not_ours(client: Client) -> None:
    signed = {"Authorization": f"Bearer {client.token}", "Accept": "application/json"}
    url = f"{HOST}/v3/company/1/preferences"
    answer = client.fake.send(Request("GET", url, headers=signed), 30)
    assert answer.json()["fault"]["error"][0]["code"] == "3100"


# The company and the envelope -----------------------------------------------------------------


def test_company_info_and_preferences(client: Client) -> None:
    info = client.get("companyinfo/1")["CompanyInfo"]
    assert (info["CompanyName"], info["Country"]) == ("Demo Company", "US")
    assert info["DefaultTimeZone"] == "America/Los_Angeles"
    preferences = client.get("preferences")["Preferences"]
    assert preferences["CurrencyPrefs"]["HomeCurrency"] == {"value": "USD"}
    assert "BookCloseDate" not in preferences["AccountingInfoPrefs"]
    client.fake.lock_through(JAN_9)
    client.fake.prefer(auto_apply_credit=True, custom_txn_numbers=True)
    (told,) = client.query("SELECT * FROM Preferences")["Preferences"]
    assert told["AccountingInfoPrefs"]["BookCloseDate"] == "2026-01-09"
    assert told["SalesFormsPrefs"]["AutoApplyCredit"] is True
    assert told["SalesFormsPrefs"]["CustomTxnNumbers"] is True
    assert client.query("SELECT * FROM CompanyInfo")["CompanyInfo"] == [info]


def test_the_name_of_the_preference_can_be_another() -> None:
    client = Client(FakeQuickBooks(ways=Ways(auto_apply_name="AutoApplyPayments")))
    sales = client.get("preferences")["Preferences"]["SalesFormsPrefs"]
    assert sales["AutoApplyPayments"] is False


def test_every_reply_has_a_support_id(client: Client) -> None:
    first, second = (client.send("GET", "preferences") for _ in range(2))
    assert first.header("intuit_tid") != second.header("intuit_tid")


def test_stamps_carry_the_pacific_offset_of_their_season(acme: str) -> None:
    clock = Clock()
    client = Client(FakeQuickBooks(now=clock, timezone="Europe/Vienna"))
    client.fake.add_customer("Acme")
    clock.at = datetime(2026, 1, 10, 7, 30, 15, 123456, tzinfo=UTC)
    client.fake.add_customer("Beta")
    summer, winter = (client.get(f"customer/{x}")["Customer"] for x in "12")
    assert summer["MetaData"]["CreateTime"] == "2026-03-10T05:00:00-07:00"
    assert winter["MetaData"]["CreateTime"] == "2026-01-09T23:30:15-08:00"
    assert client.get("preferences")["time"] == "2026-01-09T23:30:15.123-08:00"


def test_without_accept_the_answer_is_xml(client: Client, acme: str) -> None:
    answer = client.send("GET", "customer/1", headers={"Accept": "*/*"})
    root = ET.fromstring(answer.body)
    space = "{http://schema.intuit.com/finance/v3}"
    assert root.tag == f"{space}IntuitResponse"
    assert root.findtext(f"{space}Customer/{space}DisplayName") == "Acme"
    client.fake.expire()
    dead = client.send("GET", "customer/1", headers={"Accept": "*/*"})
    error = ET.fromstring(dead.body).find(f"{space}Fault/{space}Error")
    assert error is not None
    assert error.get("code") == "3200"


def test_a_minor_version_below_75_is_served_as_75_or_refused(client: Client) -> None:
    assert client.send("GET", "preferences", minorversion="4").status == 200
    strict = Client(FakeQuickBooks(ways=Ways(refuses_old_minor_versions=True)))
    assert refusal(strict.send("GET", "preferences", minorversion="74"))[0] == "2010"
    assert strict.send("GET", "preferences", minorversion="75").status == 200
    assert strict.send("GET", "preferences").status == 200


def test_what_is_not_there_is_unsupported(client: Client, acme: str) -> None:
    for method, path in (("GET", "bill/1"), ("PUT", "invoice"), ("POST", "bill")):
        assert refusal(client.send(method, path, {}))[0] == "500"
    assert refusal(client.send("POST", "item", {"Name": "X"}))[0] == "500"
    fault = client.send("GET", "invoice/9").json()["Fault"]
    assert fault["type"] == "ValidationFault"
    assert client.fake.send(Request("GET", "http://["), 1).status == 404


def test_a_body_must_be_json_and_of_the_right_shape(client: Client, acme: str) -> None:
    plain = {"Content-Type": "text/plain"}
    assert (
        refusal(client.send("POST", "invoice", headers=plain, content=b"{}"))[0]
        == "2010"
    )
    as_json = {"Content-Type": "application/json"}
    for content in (b"{", b"[]", b'{"Line": NaN}'):
        sent = client.send("POST", "invoice", headers=as_json, content=content)
        assert refusal(sent)[0] == "2010"
    for wrong in (
        {"CustomerRef": acme},
        {"Line": ["x"]},
        {"Line": "x"},
        {"DocNumber": 7},
        {"TxnDate": ["2026-01-01"]},
        {"TxnDate": "01/02/2026"},
        {"Colour": "red"},
    ):
        answer = client.send("POST", "invoice", {**form(acme), **wrong})
        assert refusal(answer)[::2] == ("2010", next(iter(wrong)))


# The query language --------------------------------------------------------------------------


@pytest.fixture
def numbered(fake: FakeQuickBooks, acme: str) -> str:
    for number in ("O'Brien-1", "INV-2", "INV-3"):
        fake.add_invoice(number, acme, "50", on=JAN_5)
    return acme


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (r"DocNumber = 'O\'Brien-1'", ["1"]),
        ("DocNumber LIKE 'INV%'", ["2", "3"]),
        ("DocNumber LIKE '%-2'", ["2"]),
        ("DocNumber LIKE 'INV'", []),
        ("DocNumber IN ('INV-2', 'INV-3') AND Id > '2'", ["3"]),
        ("DocNumber = 'inv-2'", ["2"]),
        ("Balance > '49.99' AND Balance <= 50", ["1", "2", "3"]),
        ("Balance < '50'", []),
        ("TxnDate >= '2026-01-05' AND DueDate = '2026-01-05'", ["1", "2", "3"]),
        ("TxnDate > '2026-01-05'", []),
        ("CustomerRef = '1'", ["1", "2", "3"]),
        ("DocNumber = ' '", []),
        ("TotalAmt = 50", ["1", "2", "3"]),
        ("MetaData.CreateTime < '2026-03-01T17:00:02Z'", ["1"]),
    ],
)
def test_what_a_query_finds(
    client: Client, numbered: str, where: str, found: list[str]
) -> None:
    assert client.ids(f"SELECT * FROM Invoice WHERE {where} ORDERBY Id") == found
    counted = client.query(f"select COUNT(*) from Invoice where {where}")
    assert counted == {"totalCount": len(found)}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM Invoice WHERE DocNumber = 'O'Brien-1'",
        "SELECT * FROM Invoice WHERE DocNumber = 'O''Brien-1'",
        r"SELECT * FROM Invoice WHERE DocNumber = 'a\b'",
        r"SELECT * FROM Invoice WHERE DocNumber = 'a\'",
        'SELECT * FROM Invoice WHERE DocNumber = "INV-2"',
        "SELECT * FROM Invoice WHERE DocNumber = INV",
        "SELECT * FROM Invoice WHERE DocNumber != 'INV-2'",
        "SELECT * FROM Invoice WHERE DocNumber = 'a' OR DocNumber = 'b'",
        "SELECT * FROM Invoice WHERE DocNumber",
        "SELECT Id FROM Invoice",
        "SELECT * FROM Invoice, Payment",
        "SELECT * FROM Invoice GROUP BY Id",
        "SELECT * FROM Invoice WHERE DocNumber LIKE 5",
        "SELECT * FROM Invoice MAXRESULTS 5 STARTPOSITION 1",
        "",
    ],
)
def test_what_the_language_does_not_have(
    client: Client, numbered: str, text: str
) -> None:
    code, detail, _ = refusal(client.send("GET", "query", query=text))
    assert code == "4000"
    assert detail.startswith("QueryParserError: ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("SELECT * FROM invoice", "entity"),
        (
            "SELECT * FROM Payment WHERE UnappliedAmt > '0'",
            "'UnappliedAmt' is not queryable",
        ),
        ("SELECT * FROM Invoice WHERE PrivateNote LIKE 'Voided%'", "not queryable"),
        ("SELECT * FROM Invoice WHERE docnumber = '1'", "not queryable"),
        ("SELECT * FROM Invoice ORDERBY PrivateNote", "not queryable"),
        (
            "SELECT * FROM Invoice MAXRESULTS 1001",
            "value 1001 is too large. Max allowed value is 1000",
        ),
        ("SELECT * FROM Invoice MAXRESULTS 1.5", "whole number"),
        ("SELECT * FROM Invoice WHERE Balance > 'much'", "'much'"),
        ("SELECT * FROM Invoice WHERE TxnDate > 'soon'", "'soon'"),
        ("SELECT * FROM Invoice WHERE Balance LIKE '5%'", "LIKE"),
        (
            "SELECT * FROM Invoice WHERE MetaData.LastUpdatedTime > '2026-01-01T00:00:00 01:00'",
            "2026",
        ),
        ("SELECT * FROM Customer WHERE Active = 'maybe'", "'maybe'"),
    ],
)
def test_a_query_that_can_be_read_and_is_still_wrong(
    client: Client, numbered: str, text: str, why: str
) -> None:
    code, detail, _ = refusal(client.send("GET", "query", query=text))
    assert code == "4001"
    assert why in detail


def test_a_query_travels_in_the_address_or_as_plain_text(
    client: Client, numbered: str
) -> None:
    text = r"SELECT * FROM Invoice WHERE DocNumber = 'O\'Brien-1'"
    for kind in ("application/text", "text/plain; charset=utf-8"):
        headers = {"Content-Type": kind}
        answer = client.send("POST", "query", headers=headers, content=text.encode())
        assert len(good(answer)["QueryResponse"]["Invoice"]) == 1
    as_json = {"Content-Type": "application/json"}
    wrong = client.send("POST", "query", headers=as_json, content=text.encode())
    assert refusal(wrong)[0] == "2010"
    assert client.get(f"query?query={quote(text)}")["QueryResponse"]["maxResults"] == 1


def test_pages_begin_at_1_hold_100_and_empty_ones_hold_nothing(
    client: Client, acme: str
) -> None:
    for _ in range(101):
        client.fake.add_invoice("", acme, "10")
    first = client.query("SELECT * FROM Invoice ORDERBY Id")
    paging = {
        name: first[name] for name in ("startPosition", "maxResults", "totalCount")
    }
    assert paging == {"startPosition": 1, "maxResults": 100, "totalCount": 101}
    text = "SELECT * FROM Invoice ORDERBY Id STARTPOSITION {} MAXRESULTS 1000"
    assert client.ids(text.format(101)) == ["101"]
    assert client.query(text.format(102)) == {}
    # Some clients count from 0.
    assert len(client.ids(text.format(0))) == 101
    assert client.ids("SELECT * FROM Invoice MAXRESULTS 2") == ["101", "100"]


def test_the_count_of_all_is_told_of_invoices_only(client: Client, acme: str) -> None:
    client.fake.add_payment(acme, "10")
    assert "totalCount" not in client.query("SELECT * FROM Payment")
    assert "totalCount" not in client.query("SELECT * FROM Customer")


def test_an_empty_answer_may_have_another_shape() -> None:
    client = Client(FakeQuickBooks(ways=Ways(empty_has_paging=True)))
    told = client.query("SELECT * FROM Payment")
    assert told == {"startPosition": 1, "maxResults": 0}


def test_offsets_over_a_changing_order_repeat_and_skip(
    client: Client, numbered: str
) -> None:
    text = "SELECT * FROM Invoice ORDER BY MetaData.LastUpdatedTime ASC STARTPOSITION {} MAXRESULTS 2"
    assert client.ids(text.format(1)) == ["1", "2"]
    client.fake.edit_invoice("1", PrivateNote="moved to the end")
    assert client.ids(text.format(3)) == ["1"]


def test_order_goes_by_several_fields_and_down(client: Client, numbered: str) -> None:
    client.fake.edit_invoice("1", Line=[line("70")])
    found = client.ids("SELECT * FROM Invoice ORDERBY Balance DESC, DocNumber ASC")
    assert found == ["1", "2", "3"]


def test_instants_compare_across_offsets_and_without_one_are_pacific(
    client: Client, numbered: str
) -> None:
    # The second of the three was made at 17:00:02 UTC.
    for since in (
        "2026-03-01T17:00:02Z",
        "2026-03-01T09:00:02-08:00",
        "2026-03-01T09:00:02",
        "2026-03-01T18:00:02.000+01:00",
    ):
        where = f"MetaData.LastUpdatedTime >= '{since}' ORDERBY Id"
        assert client.ids(f"SELECT * FROM Invoice WHERE {where}") == ["2", "3"]


def test_which_fields_can_be_filtered_is_a_switch() -> None:
    allowed = {"Invoice.PrivateNote": True, "Payment.PaymentRefNum": False}
    client = Client(FakeQuickBooks(ways=Ways(filterable=allowed, case_sensitive=True)))
    acme = client.fake.add_customer("Acme")
    client.fake.add_invoice("A-1", acme, "10", note="tieout 7")
    client.fake.add_invoice("A-2", acme, "10")
    found = client.ids("SELECT * FROM Invoice WHERE PrivateNote LIKE 'tieout%'")
    assert found == ["1"]
    assert client.ids("SELECT * FROM Invoice WHERE PrivateNote = ' '") == ["2"]
    assert client.ids("SELECT * FROM Invoice WHERE DocNumber = 'a-1'") == []
    assert client.ids("SELECT * FROM Invoice WHERE PrivateNote > 'a'") == ["1"]
    wrong = client.send(
        "GET", "query", query="SELECT * FROM Payment WHERE PaymentRefNum = 'x'"
    )
    assert refusal(wrong)[0] == "4001"


def test_inactive_customers_hide_unless_they_are_asked_for(
    client: Client, acme: str
) -> None:
    client.fake.edit_customer(acme, Active=False)
    client.fake.add_customer("Beta")
    assert client.ids("SELECT * FROM Customer") == ["2"]
    both = "SELECT * FROM Customer WHERE Active IN (true, false) ORDERBY Id"
    assert client.ids(both) == ["1", "2"]
    (gone,) = client.query("SELECT * FROM Customer WHERE Active = false")["Customer"]
    assert (gone["DisplayName"], gone["Active"]) == ("Acme (deleted)", False)
    where = "FullyQualifiedName = 'Beta' AND DisplayName LIKE 'B%' AND Balance = 0"
    text = f"SELECT * FROM Customer WHERE {where}"
    assert client.ids(text) == ["2"]


# Change data capture ---------------------------------------------------------------------------


def test_cdc_tells_of_deletions_and_nothing_else_does(
    client: Client, numbered: str
) -> None:
    client.fake.delete_invoice("2")
    invoices, payments = client.changes("Invoice,Payment")
    assert payments == {}
    gone = next(row for row in invoices["Invoice"] if "status" in row)
    assert gone == {
        "domain": "QBO",
        "status": "Deleted",
        "Id": "2",
        "MetaData": {"LastUpdatedTime": "2026-03-01T09:00:04-08:00"},
    }
    assert client.ids("SELECT * FROM Invoice ORDERBY Id") == ["1", "3"]
    code, detail, _ = refusal(client.send("GET", "invoice/2"))
    assert code == "610"
    assert "deleted this transaction" in detail
    assert [row["Id"] for row in client.fake.invoices()] == ["1", "3"]


def test_cdc_begins_at_the_instant_itself(client: Client, numbered: str) -> None:
    (block,) = client.changes("Invoice", "2026-03-01T17:00:02Z")
    assert [row["Id"] for row in block["Invoice"]] == ["2", "3"]
    assert (block["startPosition"], block["maxResults"]) == (1, 2)
    assert client.changes("Invoice,Customer", "2026-03-01T18:00:00Z") == [{}, {}]


def test_cdc_looks_back_thirty_days(client: Client) -> None:
    assert client.changes("Invoice", "2026-01-30T09:00:00-08:00") == [{}]
    for since in ("2026-01-30T08:59:59-08:00", "yesterday"):
        answer = client.send("GET", "cdc", entities="Invoice", changedSince=since)
        assert refusal(answer)[::2] == ("2010", "changedSince")


def test_cdc_is_cut_off_silently_over_all_entities_together(acme: str) -> None:
    client = Client(FakeQuickBooks(changes_max=3))
    acme = client.fake.add_customer("Acme")
    for _ in range(3):
        client.fake.pay(client.fake.add_invoice("", acme, "10"), "10")
    invoices, payments = client.changes("Invoice,Payment")
    assert (invoices["maxResults"], payments) == (3, {})
    _, invoices = client.changes("Customer,Invoice")
    assert [row["Id"] for row in invoices["Invoice"]] == ["1", "2"]
    newest = FakeQuickBooks(changes_max=1, ways=Ways(newest_changes_first=True))
    newest.add_customer("Acme")
    newest.add_customer("Beta")
    (block,) = Client(newest).changes("Customer")
    assert [row["Id"] for row in block["Customer"]] == ["2"]


def test_cdc_refuses_what_it_does_not_have(client: Client) -> None:
    def ask(**params: str) -> str:
        return refusal(client.send("GET", "cdc", **params))[0]

    assert ask(entities="TaxCode", changedSince=EARLY) == "500"
    assert ask(entities="Invoice,Nothing", changedSince=EARLY) == "500"
    assert ask(entities="Invoice") == "2020"
    assert ask(changedSince=EARLY) == "2020"


def test_cdc_has_inactive_customers_in_full(client: Client, acme: str) -> None:
    client.fake.edit_customer(acme, Active=False)
    (block,) = client.changes("Customer")
    assert block["Customer"][0]["Active"] is False


# Customers ------------------------------------------------------------------------------------


def test_a_name_is_unique_among_customers_vendors_and_employees(
    client: Client, acme: str
) -> None:
    client.fake.add_vendor("Paper Mill")
    code, detail, _ = refusal(client.send("POST", "customer", {"DisplayName": "ACME"}))
    assert (code, detail) == (
        "6240",
        "Duplicate Name Exists Error : The name supplied already exists. : Id=1",
    )
    mill = client.send("POST", "customer", {"DisplayName": "paper mill"})
    assert refusal(mill)[0] == "6240"
    client.fake.edit_customer(acme, Active=False)
    client.post("customer", {"DisplayName": "Acme"})
    back = {"Id": acme, "SyncToken": "1", "sparse": True, "Active": True}
    assert refusal(client.send("POST", "customer", back))[0] == "6240"


def test_a_customer_needs_a_name_and_a_good_address(client: Client) -> None:
    assert refusal(client.send("POST", "customer", {"Notes": "x"}))[0] == "6080"
    made = client.post("customer", {"GivenName": "Ann", "FamilyName": "Lee"})
    assert made["Customer"]["DisplayName"] == "Ann Lee"
    for address, status in (("a@b.co, c@d.co", 200), ("a@b", 400), ("nobody", 400)):
        body = {"DisplayName": address, "PrimaryEmailAddr": {"Address": address}}
        answer = client.send("POST", "customer", body)
        assert answer.status == status
        if status == 400:
            assert refusal(answer)[0] == "2210"


def test_sub_customers_and_their_balances(client: Client, acme: str) -> None:
    job = client.fake.add_customer("Job", parent=acme)
    client.fake.add_invoice("", job, "80")
    client.fake.add_payment(acme, "30")
    parent, child = (client.get(f"customer/{x}")["Customer"] for x in (acme, job))
    assert (parent["Balance"], parent["BalanceWithJobs"]) == (-30, 50)
    assert (child["FullyQualifiedName"], child["Job"]) == ("Acme:Job", True)
    assert child["ParentRef"] == {"value": "1", "name": "Acme"}
    own = {**named(parent), "sparse": True, "ParentRef": ref(job)}
    assert refusal(client.send("POST", "customer", own))[0] == "6000"


def test_a_customers_currency_is_settled_for_good(client: Client) -> None:
    euro = client.fake.add_customer("Euro", currency="EUR")
    body = {"Id": euro, "SyncToken": "0", "sparse": True, "CurrencyRef": ref("USD")}
    assert refusal(client.send("POST", "customer", body))[0] == "6000"
    wrong = client.send("POST", "invoice", form(euro, CurrencyRef=ref("USD")))
    assert refusal(wrong)[0] == "6000"
    single = Client(FakeQuickBooks(multi_currency=False))
    foreign = {"DisplayName": "Euro", "CurrencyRef": ref("EUR")}
    assert refusal(single.send("POST", "customer", foreign))[0] == "6000"


def test_customers_are_made_inactive_and_never_deleted(
    client: Client, acme: str
) -> None:
    own = {"Id": acme, "SyncToken": "0"}
    deleted = client.send("POST", "customer", own, operation="delete")
    assert refusal(deleted)[0] == "500"
    client.post("customer", {**own, "sparse": True, "Active": False})
    assert refusal(client.send("POST", "invoice", form(acme)))[0] == "610"


# Invoices ------------------------------------------------------------------------------------


def test_a_created_invoice_comes_back_in_full(client: Client, acme: str) -> None:
    body = form(acme, Decimal("100.10"), TxnDate="2026-01-05", DocNumber="T-1")
    made = client.post("invoice", {**body, "TxnTaxDetail": {"TotalTax": "9.90"}})
    invoice = made["Invoice"]
    assert (invoice["TotalAmt"], invoice["Balance"]) == (110, 110)
    # A whole amount is written without a point.
    assert isinstance(invoice["TotalAmt"], int)
    assert (invoice["Id"], invoice["SyncToken"], invoice["sparse"]) == ("1", "0", False)
    assert invoice["CustomerRef"] == {"value": "1", "name": "Acme"}
    assert (invoice["DueDate"], invoice["LinkedTxn"]) == ("2026-01-05", [])
    stored, subtotal = invoice["Line"]
    assert (stored["Id"], stored["LineNum"]) == ("1", 1)
    assert subtotal["DetailType"] == "SubTotalLineDetail"
    assert "Id" not in subtotal
    assert subtotal["Amount"] == Decimal("100.1")
    assert not {"PrivateNote", "TxnStatus", "InvoiceLink"} & set(invoice)
    linked = client.get("invoice/1", include="invoiceLink")["Invoice"]
    assert linked.pop("InvoiceLink").startswith("https://")
    assert linked == invoice


@pytest.mark.parametrize(
    ("wrong", "code", "element"),
    [
        ({"CustomerRef": None}, "6560", "CustomerRef"),
        ({"CustomerRef": {"value": "75"}}, "2500", "CustomerRef"),
        ({"CustomerRef": {"value": "Acme"}}, "6250", "CustomerRef"),
        ({"Line": None}, "2020", "Line"),
        ({"Line": [{"Amount": 1}]}, "2020", "Line.DetailType"),
        ({"Line": [{"DetailType": "SalesItemLineDetail"}]}, "2020", "Line.Amount"),
        (
            {"Line": [{"Amount": 1, "DetailType": "Surprise"}]},
            "2170",
            "Line.DetailType",
        ),
        ({"Line": [line(1, "")]}, "2020", "Line.SalesItemLineDetail.ItemRef"),
        ({"Line": [line(1, "99")]}, "2500", "ItemRef"),
        ({"Line": [line("1.005")]}, "2080", "Line.Amount"),
        ({"Line": [line("1e3")]}, "2080", "Line.Amount"),
        ({"Line": [line(True)]}, "2080", "Line.Amount"),
        ({"Line": [line(-1)]}, "6000", ""),
        ({"Deposit": 101}, "6000", ""),
        ({"DocNumber": "X" * 22}, "2050", "DocNumber"),
        ({"EmailStatus": "Lost"}, "2170", "EmailStatus"),
        ({"BillEmail": {"Address": "nobody"}}, "2210", "BillEmail"),
    ],
)
def test_what_an_invoice_is_refused_for(
    client: Client, acme: str, wrong: dict[str, Any], code: str, element: str
) -> None:
    answer = client.send("POST", "invoice", {**form(acme), **wrong})
    assert refusal(answer)[::2] == (code, element)
    assert client.fake.invoices() == []


def test_the_words_of_an_invalid_reference(client: Client) -> None:
    detail = refusal(client.send("POST", "invoice", form("75")))[1]
    assert detail == "Invalid Reference Id : Names element id 75 not found"


def test_a_lines_amount_is_quantity_times_price(client: Client, acme: str) -> None:
    detail = {"ItemRef": ref("2"), "Qty": Decimal("1.5"), "UnitPrice": "66.68"}
    priced = line("100.02", SalesItemLineDetail=detail)
    wrong = {**form(acme), "Line": [line("100.01", SalesItemLineDetail=detail)]}
    assert refusal(client.send("POST", "invoice", wrong))[0] == "6070"
    discount = {"Amount": 10, "DetailType": "DiscountLineDetail"}
    words = {"DetailType": "DescriptionOnly", "Description": "thanks"}
    body = {**form(acme), "Line": [priced, discount, words]}
    made = client.post("invoice", body)["Invoice"]
    assert made["TotalAmt"] == Decimal("90.02")
    assert made["Line"][0]["SalesItemLineDetail"]["UnitPrice"] == Decimal("66.68")
    kinds = [each["DetailType"] for each in made["Line"]]
    assert kinds[-2:] == ["SubTotalLineDetail", "DiscountLineDetail"]
    assert "Amount" not in made["Line"][1]
    voided = client.post("invoice", named(made), operation="void")["Invoice"]
    amounts = [each["Amount"] for each in voided["Line"] if "Amount" in each]
    assert amounts == [0, 0, 0]


def test_numbers_are_given_by_quickbooks_unless_they_are_custom(
    client: Client, acme: str
) -> None:
    def number(entity: str = "invoice", **fields: Any) -> str | None:
        made = client.post(entity, form(acme, **fields))
        found: str | None = made[NAMES[entity]].get("DocNumber")
        return found

    client.fake.add_invoice("1002", acme, "10")
    assert [number(), number("creditmemo"), number()] == ["1001", "1003", "1004"]
    client.fake.prefer(custom_txn_numbers=True)
    assert number() is None
    assert number(DocNumber="Mine") == "Mine"
    assert number(AutoDocNumber=True) == "1005"
    assert number(DocNumber="AUTO_GENERATE") == "1006"


def test_a_number_is_used_once_where_the_company_warns(
    client: Client, acme: str
) -> None:
    client.fake.add_invoice("1001", acme, "10")
    code, detail, _ = refusal(
        client.send("POST", "invoice", form(acme, DocNumber="1001"))
    )
    assert code == "6140"
    assert detail.startswith("Duplicate Document Number Error : You must specify a")
    # Another kind of transaction may have the same number.
    client.post("creditmemo", form(acme, DocNumber="1001"))
    lax = Client(FakeQuickBooks(ways=Ways(warns_duplicates=False)))
    customer = lax.fake.add_customer("Acme")
    for _ in range(2):
        lax.post("invoice", form(customer, DocNumber="1001"))


def test_a_sparse_update_keeps_what_it_does_not_name(client: Client, acme: str) -> None:
    client.fake.add_invoice("A-1", acme, "10", note="hello")
    body = {"Id": "1", "SyncToken": "0", "sparse": True, "CustomerMemo": ref("hi")}
    changed = client.post("invoice", body)["Invoice"]
    assert (changed["DocNumber"], changed["PrivateNote"]) == ("A-1", "hello")
    assert (changed["TotalAmt"], changed["SyncToken"]) == (10, "1")


def test_a_full_update_blanks_what_it_does_not_name(client: Client, acme: str) -> None:
    client.fake.add_invoice("A-1", acme, "10", note="hello")
    changed = client.post("invoice", {**form(acme), "Id": "1", "SyncToken": "0"})
    assert not {"DocNumber", "PrivateNote"} & set(changed["Invoice"])
    lineless = {"Id": "1", "SyncToken": "1", "CustomerRef": ref(acme)}
    assert refusal(client.send("POST", "invoice", lineless))[::2] == ("2020", "Line")


def test_lines_that_are_sent_replace_the_stored_ones(client: Client, acme: str) -> None:
    client.fake.add_invoice("", acme, lines=[line("10"), line("20")])
    kept = client.fake.invoice("1")["Line"][1]
    body = {"Id": "1", "SyncToken": "0", "sparse": True, "Line": [line("5"), kept]}
    changed = client.post("invoice", body)["Invoice"]
    assert [each.get("Id") for each in changed["Line"]] == ["3", "2", None]
    assert changed["TotalAmt"] == 25


def test_what_was_read_can_be_sent_back_whole(client: Client, acme: str) -> None:
    client.fake.add_invoice("A-1", acme, "30", tax="5", due=JAN_9)
    client.fake.pay("1", "10", JAN_9, "R-1")
    for path, kind in (("invoice", "Invoice"), ("payment", "Payment")):
        before = client.get(f"{path}/1")[kind]
        after = client.post(path, before)[kind]
        for changing in ("SyncToken", "MetaData"):
            assert after.pop(changing) != before.pop(changing)
        assert after == before


def test_a_stale_token_is_refused_and_an_update_needs_both(
    client: Client, acme: str
) -> None:
    client.fake.add_invoice("", acme, "10")
    client.fake.edit_invoice("1", PrivateNote="someone was here")
    body = {"Id": "1", "sparse": True, "PrivateNote": "me"}
    for token in ("0", "2"):
        answer = client.send("POST", "invoice", {**body, "SyncToken": token})
        code, detail, _ = refusal(answer)
        assert code == "5010"
        assert detail.startswith("Stale Object Error : You and ")
    assert refusal(client.send("POST", "invoice", body))[::2] == ("2020", "SyncToken")
    without = {"SyncToken": "1", "sparse": True}
    assert refusal(client.send("POST", "invoice", without))[::2] == ("2020", "Id")
    absent = {**body, "Id": "7", "SyncToken": "0"}
    assert refusal(client.send("POST", "invoice", absent))[0] == "610"
    answer = client.send("POST", "invoice", without, operation="update")
    assert refusal(answer)[0] == "2020"


def test_foreign_amounts_are_told_at_home_too(client: Client) -> None:
    euro = client.fake.add_customer("Euro", currency="EUR")
    client.fake.add_invoice("", euro, "100", rate="1.1")
    invoice = client.fake.invoice("1")
    assert (invoice["CurrencyRef"], invoice["ExchangeRate"]) == (
        ref("EUR"),
        Decimal("1.1"),
    )
    assert (invoice["TotalAmt"], invoice["HomeTotalAmt"]) == (100, 110)
    single = FakeQuickBooks(multi_currency=False)
    single.add_invoice("", single.add_customer("Acme"), "100")
    assert not {"ExchangeRate", "HomeBalance"} & set(single.invoice("1"))


@pytest.mark.parametrize(("currency", "bad"), [("JPY", "10.5"), ("KWD", "1.2345")])
def test_amounts_have_the_decimals_of_their_currency(
    client: Client, currency: str, bad: str
) -> None:
    customer = client.fake.add_customer("Far", currency=currency)
    assert refusal(client.send("POST", "invoice", form(customer, bad)))[0] == "2080"
    good_amount = bad[:-1].rstrip(".")
    assert client.send("POST", "invoice", form(customer, good_amount)).status == 200


def test_the_form_of_an_invoice_is_a_pdf(client: Client, acme: str) -> None:
    client.fake.add_invoice("", acme, "10")
    answer = client.send("GET", "invoice/1/pdf")
    assert answer.header("Content-Type") == "application/pdf"
    assert answer.body.startswith(b"%PDF")
    assert refusal(client.send("GET", "invoice/2/pdf"))[0] == "610"


# Payments ------------------------------------------------------------------------------------


def test_a_payment_settles_an_invoice_in_part(client: Client, acme: str) -> None:
    client.fake.add_invoice("1001", acme, "300")
    body = money(acme, 200, to("Invoice", "1", 200), TxnDate="2026-01-09")
    made = client.post("payment", body)["Payment"]
    assert (made["TotalAmt"], made["UnappliedAmt"]) == (200, 0)
    assert made["DepositToAccountRef"] == {"value": "4", "name": "Undeposited Funds"}
    assert "PaymentRefNum" not in made
    values = [each["value"] for each in made["Line"][0]["LineEx"]["any"]]
    assert {each["Name"]: each["Value"] for each in values} == {
        "txnId": "1",
        "txnOpenBalance": "300",
        "txnReferenceNumber": "1001",
    }
    invoice = client.fake.invoice("1")
    assert (invoice["TotalAmt"], invoice["Balance"]) == (300, 100)
    assert invoice["LinkedTxn"] == [{"TxnId": "1", "TxnType": "Payment"}]
    assert client.fake.paid("1") == (Decimal(200), JAN_9)


@pytest.mark.parametrize("bumps", [True, False])
def test_whether_a_payment_moves_the_invoice_is_a_switch(bumps: bool) -> None:
    fake = FakeQuickBooks(ways=Ways(bump_on_payment=bumps))
    fake.add_invoice("", fake.add_customer("Acme"), "10")
    before = fake.invoice("1")
    fake.delete_payment(fake.pay("1", "10"))
    after = fake.invoice("1")
    assert (after["MetaData"] != before["MetaData"]) is bumps
    assert after["SyncToken"] == ("2" if bumps else "0")


@pytest.mark.parametrize(
    ("lines", "total", "code"),
    [
        ([("Invoice", "1", "100.01")], "200", "6000"),
        ([("Invoice", "1", "60"), ("Invoice", "1", "60")], "200", "6000"),
        ([("Invoice", "1", "100")], "99", "6000"),
        ([("Invoice", "1", "0")], "0", "6000"),
        ([("Invoice", "9", "10")], "10", "620"),
        ([("Invoice", "2", "10")], "10", "620"),
        ([("Invoice", "3", "10")], "10", "620"),
        ([("Bill", "1", "10")], "10", "2170"),
        ([("CreditMemo", "1", "10")], "0", "6000"),
        ([("Invoice", "1", "50"), ("CreditMemo", "1", "50")], "0", "6000"),
        ([], "-1", "6000"),
        ([], None, "2020"),
        ([], "ten", "2080"),
    ],
)
def test_what_a_payment_is_refused_for(
    client: Client, acme: str, lines: list[Any], total: Any, code: str
) -> None:
    other = client.fake.add_customer("Other")
    client.fake.add_invoice("", acme, "100")
    client.fake.add_invoice("", other, "100")
    client.fake.add_invoice("", acme, "100")
    client.fake.void_invoice("3")
    client.fake.add_credit_note("", acme, "40")
    body = money(acme, total, *(to(*each) for each in lines))
    assert refusal(client.send("POST", "payment", body))[0] == code
    assert client.fake.payments() == []


def test_more_refusals_of_payments(client: Client, acme: str) -> None:
    for wrong, code in (
        ({"Line": [{"Amount": 1}]}, "2020"),
        ({"DepositToAccountRef": ref("99")}, "2500"),
        ({"PaymentRefNum": "X" * 22}, "2050"),
        ({"CurrencyRef": ref("EUR")}, "6000"),
    ):
        body = {**money(acme, 1), **wrong}
        assert refusal(client.send("POST", "payment", body))[0] == code


def test_a_parent_pays_for_its_jobs_and_not_the_other_way(
    client: Client, acme: str
) -> None:
    job = client.fake.add_customer("Job", parent=acme)
    client.fake.add_invoice("", job, "80")
    client.fake.add_invoice("", acme, "80")
    client.post("payment", money(acme, 80, to("Invoice", "1", 80)))
    upward = client.send("POST", "payment", money(job, 80, to("Invoice", "2", 80)))
    code, detail, _ = refusal(upward)
    assert code == "620"
    assert "Cannot validate linked transactions" in detail


def test_a_payment_does_not_cross_currencies(client: Client, acme: str) -> None:
    job = client.fake.add_customer("Job", parent=acme, currency="EUR")
    client.fake.add_invoice("", job, "80")
    answer = client.send("POST", "payment", money(acme, 80, to("Invoice", "1", 80)))
    code, detail, _ = refusal(answer)
    assert (code, "another currency" in detail) == ("6000", True)


def test_what_is_left_of_a_payment_is_unapplied(client: Client, acme: str) -> None:
    client.fake.add_payment(acme, "50", JAN_5)
    (payment,) = client.fake.payments()
    assert (payment["UnappliedAmt"], payment["Line"]) == (50, [])
    assert client.fake.customers()[0]["Balance"] == -50
    client.fake.add_invoice("", acme, "30")
    client.fake.apply_payment("1", "1", "30")
    (payment,) = client.fake.payments()
    assert (payment["TotalAmt"], payment["UnappliedAmt"]) == (50, 20)
    assert client.fake.invoice("1")["Balance"] == 0


def test_a_credit_memo_is_applied_by_a_payment_of_zero(
    client: Client, acme: str
) -> None:
    client.fake.add_invoice("", acme, "100")
    client.fake.add_credit_note("", acme, "40")
    lines = (to("Invoice", "1", 40), to("CreditMemo", "1", 40))
    made = client.post("payment", money(acme, 0, *lines))["Payment"]
    assert (made["TotalAmt"], made["UnappliedAmt"]) == (0, 0)
    assert not {"DepositToAccountRef", "PrivateNote"} & set(made)
    kinds = [each["LinkedTxn"][0]["TxnType"] for each in made["Line"]]
    assert kinds == ["Invoice", "CreditMemo"]
    (memo,) = client.fake.credit_notes()
    assert (memo["TotalAmt"], memo["RemainingCredit"], memo["Balance"]) == (40, 0, 0)
    assert "LinkedTxn" not in memo
    invoice = client.fake.invoice("1")
    assert (invoice["Balance"], invoice["LinkedTxn"]) == (
        60,
        [{"TxnId": "1", "TxnType": "Payment"}],
    )
    again = client.send("POST", "payment", money(acme, 0, *lines))
    assert refusal(again)[0] == "6000"


def test_by_hand_the_link_carries_the_vendors_note(
    fake: FakeQuickBooks, acme: str
) -> None:
    fake.add_invoice("", acme, "100")
    fake.allocate(fake.add_credit_note("", acme, "40"), "1", "25", JAN_9)
    fake.allocate(fake.add_journal_credit(acme, "15"), "1", "15", kind="JournalEntry")
    linked, written_off = fake.payments()
    assert (linked["PrivateNote"], linked["TotalAmt"]) == (NOTE, 0)
    assert written_off["Line"][1]["LinkedTxn"][0]["TxnType"] == "JournalEntry"
    assert fake.credit_notes()[0]["RemainingCredit"] == 15
    assert fake.invoice("1")["Balance"] == 60
    fake.add_refund(acme, "15", JAN_9)
    assert fake.credit_notes()[0]["RemainingCredit"] == 15


def test_money_and_credit_in_one_payment(fake: FakeQuickBooks, acme: str) -> None:
    for total in ("70", "30"):
        fake.add_invoice("", acme, total)
    memo = fake.add_credit_note("", acme, "40")
    fake.add_payment(
        acme, "65", JAN_9, "R-1", invoices={"1": "70", "2": "30"}, credits={memo: "40"}
    )
    (payment,) = fake.payments()
    assert (payment["UnappliedAmt"], payment["PaymentRefNum"]) == (5, "R-1")
    assert [fake.invoice(key)["Balance"] for key in "12"] == [0, 0]


def test_the_preference_applies_credits_by_itself(client: Client, acme: str) -> None:
    client.fake.prefer(auto_apply_credit=True)
    client.fake.add_invoice("", acme, "30", on=JAN_9)
    client.fake.add_invoice("", acme, "30", on=JAN_5)
    client.fake.add_invoice("", acme, "30", on=date(2026, 2, 1))
    body = form(acme, "40", TxnDate="2026-01-07")
    memo = client.post("creditmemo", body)["CreditMemo"]
    assert (memo["TotalAmt"], memo["RemainingCredit"]) == (40, 0)
    # The oldest invoice first, each by a payment of 0 of its own.
    assert [client.fake.invoice(key)["Balance"] for key in "123"] == [20, 0, 30]
    first, second = client.fake.payments()
    assert (first["PrivateNote"], first["TotalAmt"]) == (NOTE, 0)
    assert [first["TxnDate"], second["TxnDate"]] == ["2026-01-07", "2026-01-09"]
    lines = (to("Invoice", "1", 20), to("CreditMemo", memo["Id"], 20))
    ours = client.send("POST", "payment", money(acme, 0, *lines))
    assert refusal(ours)[0] == "6000"


def test_a_sparse_update_of_a_payment_keeps_its_lines_and_a_full_one_does_not(
    client: Client, acme: str
) -> None:
    client.fake.add_invoice("", acme, "30")
    client.fake.pay("1", "30", JAN_5)
    own = {"Id": "1", "SyncToken": "0", "sparse": True, "TxnDate": "2026-01-09"}
    changed = client.post("payment", own)["Payment"]
    assert (changed["TxnDate"], changed["UnappliedAmt"]) == ("2026-01-09", 0)
    whole = {"Id": "1", "SyncToken": "1", "CustomerRef": ref(acme), "TotalAmt": 30}
    changed = client.post("payment", whole)["Payment"]
    assert (changed["UnappliedAmt"], changed["Line"]) == (30, [])
    assert client.fake.invoice("1")["Balance"] == 30


def test_moving_a_payment_touches_the_invoice_that_it_left(
    client: Client, acme: str
) -> None:
    for _ in range(2):
        client.fake.add_invoice("", acme, "30")
    client.fake.pay("1", "30")
    client.fake.edit_payment("1", Line=[to("Invoice", "2", "30")])
    assert [client.fake.invoice(key)["Balance"] for key in "12"] == [30, 0]
    assert client.fake.invoice("1")["SyncToken"] == "2"
    (payment,) = client.fake.payments()
    assert [each["LinkedTxn"][0]["TxnId"] for each in payment["Line"]] == ["2"]


def test_voiding_and_deleting_payments(client: Client, acme: str) -> None:
    client.fake.add_invoice("", acme, "30")
    client.fake.pay("1", "10")
    client.fake.pay("1", "20")
    own = {"Id": "1", "SyncToken": "0"}
    short = client.send("POST", "payment", own, operation="void")
    assert refusal(short)[0] == "500"
    params = {"operation": "update", "include": "void"}
    voided = client.post("payment", {**own, "sparse": True}, **params)["Payment"]
    assert (voided["TotalAmt"], voided["UnappliedAmt"], voided["Line"]) == (0, 0, [])
    assert voided["PrivateNote"] == "Voided"
    own = {"Id": "2", "SyncToken": "0"}
    deleted = client.post("payment", own, operation="delete")
    assert deleted["Payment"] == {"status": "Deleted", "domain": "QBO", "Id": "2"}
    assert client.ids("SELECT * FROM Payment") == ["1"]
    assert client.fake.invoice("1")["Balance"] == 30
    assert client.fake.paid("1") == (Decimal(0), None)
    client.fake.void_payment(client.fake.pay("1", "10"))
    assert client.fake.invoice("1")["Balance"] == 30
    assert [each["PrivateNote"] for each in client.fake.payments()] == ["Voided"] * 2


def test_a_deposit_locks_its_payments(client: Client, acme: str) -> None:
    client.fake.add_invoice("", acme, "80")
    payment = client.fake.pay("1", "80")
    deposit = client.fake.deposit([payment])
    told = client.get("payment/1")["Payment"]
    assert told["LinkedTxn"] == [{"TxnId": deposit, "TxnType": "Deposit"}]
    assert client.ids("SELECT * FROM Deposit") == [deposit]
    own = named(told)
    for body, params in (
        ({**own, "sparse": True, "PrivateNote": "x"}, {}),
        (own, {"operation": "delete"}),
        (own, {"operation": "update", "include": "void"}),
    ):
        answer = client.send("POST", "payment", body, **params)
        assert refusal(answer)[0] == "6540"
    other = client.fake.add_payment(acme, "5")
    client.fake.remove_deposit(deposit)
    assert client.get(f"payment/{other}")["Payment"]["SyncToken"] == "0"
    client.fake.delete_payment(payment)
    assert client.ids("SELECT * FROM Deposit") == []


# Voids and deletions ---------------------------------------------------------------------------


def test_a_voided_invoice_stays_with_zeros_and_a_note(
    client: Client, acme: str
) -> None:
    client.fake.add_invoice("A-1", acme, "30", note="old", tax="5")
    client.fake.add_invoice("A-2", acme, "30")
    own = {"Id": "1", "SyncToken": "0"}
    voided = client.post("invoice", own, operation="void")["Invoice"]
    assert (voided["TotalAmt"], voided["Balance"], voided["SyncToken"]) == (0, 0, "1")
    assert (voided["DocNumber"], voided["PrivateNote"]) == ("A-1", "Voided - old")
    detail = voided["Line"][0]["SalesItemLineDetail"]
    assert (voided["Line"][0]["Amount"], detail["Qty"], detail["UnitPrice"]) == (
        0,
        0,
        0,
    )
    assert "status" not in voided
    client.fake.void_invoice("2")
    assert client.fake.invoice("2")["PrivateNote"] == "Voided"
    assert len(client.ids("SELECT * FROM Invoice")) == 2
    again = client.send("POST", "invoice", named(voided), operation="void")
    assert refusal(again)[0] == "6000"
    edit = {**named(voided), "sparse": True, "DueDate": "2026-01-09"}
    assert refusal(client.send("POST", "invoice", edit))[0] == "6000"


def test_a_voided_invoice_may_keep_its_amounts() -> None:
    fake = FakeQuickBooks(ways=Ways(void_keeps_amounts=True))
    fake.add_invoice("", fake.add_customer("Acme"), "30")
    fake.pay("1", "10")
    fake.void_invoice("1")
    invoice = fake.invoice("1")
    assert (invoice["TotalAmt"], invoice["Balance"]) == (30, 0)
    assert invoice["PrivateNote"] == "Voided"
    assert (invoice["Line"][0]["Amount"], invoice["LinkedTxn"]) == (30, [])


def test_the_api_refuses_to_void_what_has_payments_and_a_person_detaches_them(
    client: Client, acme: str
) -> None:
    client.fake.add_invoice("", acme, "30")
    client.fake.pay("1", "10")
    own = {"Id": "1", "SyncToken": "1"}
    assert refusal(client.send("POST", "invoice", own, operation="void"))[0] == "6000"
    client.fake.void_invoice("1")
    (payment,) = client.fake.payments()
    assert (payment["UnappliedAmt"], payment["Line"]) == (10, [])
    lax = Client(FakeQuickBooks(ways=Ways(void_detaches_payments=True)))
    lax.fake.add_invoice("", lax.fake.add_customer("Acme"), "30")
    lax.fake.pay("1", "10")
    voided = lax.post("invoice", own, operation="void")["Invoice"]
    assert (voided["TotalAmt"], voided["LinkedTxn"]) == (0, [])


def test_voiding_an_invoice_deletes_the_payment_of_zero_and_frees_the_credit(
    client: Client, acme: str
) -> None:
    client.fake.add_invoice("", acme, "30")
    memo = client.fake.add_credit_note("", acme, "40")
    client.fake.allocate(memo, "1", "30")
    client.fake.void_invoice("1")
    assert client.fake.payments() == []
    assert client.fake.credit_notes()[0]["RemainingCredit"] == 40
    (block,) = client.changes("Payment")
    assert block["Payment"][0]["status"] == "Deleted"


def test_deleting_a_credit_memo_makes_owed_again_what_it_settled(
    client: Client, acme: str
) -> None:
    client.fake.add_invoice("", acme, "70")
    memo = client.fake.add_credit_note("", acme, "40")
    client.fake.add_payment(acme, "30", invoices={"1": "70"}, credits={memo: "40"})
    assert client.fake.invoice("1")["Balance"] == 0
    client.fake.delete_credit_note(memo)
    assert client.fake.invoice("1")["Balance"] == 40
    (payment,) = client.fake.payments()
    assert [each["Amount"] for each in payment["Line"]] == [30]
    assert client.fake.credit_notes() == []


def test_a_credit_memo_is_deleted_and_not_voided(client: Client, acme: str) -> None:
    client.fake.add_credit_note("", acme, "40")
    own = {"Id": "1", "SyncToken": "0"}
    assert refusal(client.send("POST", "creditmemo", own, operation="void"))[0] == "500"
    stale = {"Id": "1", "SyncToken": "4"}
    answer = client.send("POST", "creditmemo", stale, operation="delete")
    assert refusal(answer)[0] == "5010"
    client.post("creditmemo", own, operation="delete")
    assert client.ids("SELECT * FROM CreditMemo") == []
    lax = Client(FakeQuickBooks(ways=Ways(credit_memo_void=True)))
    lax.fake.add_credit_note("", lax.fake.add_customer("Acme"), "40")
    voided = lax.post("creditmemo", own, operation="void")["CreditMemo"]
    assert (voided["TotalAmt"], voided["PrivateNote"]) == (0, "Voided")


def test_an_invoice_below_what_was_paid_leaves_the_rest_unapplied(
    client: Client, acme: str
) -> None:
    client.fake.add_invoice("", acme, "50")
    client.fake.pay("1", "30")
    client.fake.pay("1", "20")
    client.fake.edit_invoice("1", Line=[line("35")])
    assert [each["UnappliedAmt"] for each in client.fake.payments()] == [0, 15]
    assert client.fake.invoice("1")["Balance"] == 0
    other = client.fake.add_customer("Other")
    with pytest.raises(Refusal) as refused:
        client.fake.edit_invoice("1", CustomerRef=ref(other))
    assert refused.value.code == "6000"


def test_a_deposit_on_the_form_is_no_payment(client: Client, acme: str) -> None:
    client.fake.add_invoice("", acme, "100", deposit="30")
    invoice = client.fake.invoice("1")
    assert (invoice["TotalAmt"], invoice["Balance"], invoice["Deposit"]) == (
        100,
        70,
        30,
    )
    assert invoice["LinkedTxn"] == []


def test_a_closed_period_refuses_what_bears_its_date(client: Client, acme: str) -> None:
    client.fake.add_invoice("", acme, "50", on=JAN_5)
    client.fake.pay("1", "10", JAN_5)
    client.fake.lock_through(JAN_5)
    own = {"Id": "1", "SyncToken": "0"}
    for path, body, params in (
        ("invoice", form(acme, TxnDate="2026-01-05"), {}),
        ("payment", {**own, "sparse": True, "TxnDate": "2026-01-09"}, {}),
        ("payment", own, {"operation": "delete"}),
        ("payment", own, {"operation": "update", "include": "void"}),
        ("invoice", {"Id": "1", "SyncToken": "1"}, {"operation": "void"}),
    ):
        answer = client.send("POST", path, body, **params)
        assert refusal(answer)[0] == "6210"
    # A later payment of an invoice from a closed period is fine.
    client.fake.pay("1", "10", JAN_9)
    client.fake.lock_through(None)
    client.fake.delete_payment("1")


def test_ids_are_unique_within_their_kind_only(client: Client, acme: str) -> None:
    client.fake.add_invoice("", acme, "10")
    client.fake.add_credit_note("", acme, "10")
    client.fake.add_payment(acme, "10")
    kinds = ("invoice", "creditmemo", "payment", "customer", "item", "account")
    for kind in kinds:
        (found,) = (x for x in client.get(f"{kind}/1").values() if isinstance(x, dict))
        assert found["Id"] == "1"


def test_a_stamp_can_be_equal_and_can_move_back(client: Client, acme: str) -> None:
    for _ in range(2):
        client.fake.add_invoice("", acme, "10")
    client.fake.add_payment(acme, "20", invoices={"1": "10", "2": "10"})
    first, second = client.fake.invoices()
    assert first["MetaData"]["LastUpdatedTime"] == second["MetaData"]["LastUpdatedTime"]
    client.fake.restamp("Invoice", "2", datetime(2026, 2, 1, 12, tzinfo=UTC))
    (block,) = client.changes("Invoice")
    assert [row["Id"] for row in block["Invoice"]] == ["1"]


# Request ids and batches -------------------------------------------------------------------------


def test_the_same_request_id_brings_the_stored_reply(client: Client, acme: str) -> None:
    first = client.send("POST", "invoice", form(acme), requestid="r-1")
    again = client.send("POST", "invoice", form(acme), requestid="r-1")
    assert first.body == again.body
    # The name alone counts, not what is sent under it.
    other = client.send("POST", "payment", money(acme, 5), requestid="r-1")
    assert other.body == first.body
    assert len(client.fake.invoices()) == 1
    assert client.fake.payments() == []
    client.post("invoice", form(acme))
    client.post("invoice", form(acme))
    assert len(client.fake.invoices()) == 3


def test_a_request_id_has_at_most_50_characters(client: Client, acme: str) -> None:
    assert client.send("POST", "invoice", form(acme), requestid="x" * 50).status == 200
    code, detail, _ = refusal(
        client.send("POST", "invoice", form(acme), requestid="x" * 51)
    )
    assert code == "6000"
    assert "which is 51 characters" in detail


@pytest.mark.parametrize("keeps", [True, False])
def test_whether_a_refusal_is_stored_is_a_switch(keeps: bool) -> None:
    client = Client(FakeQuickBooks(ways=Ways(request_id_keeps_faults=keeps)))
    acme = client.fake.add_customer("Acme")
    client.fake.lock_through(JAN_9)
    body = form(acme, TxnDate="2026-01-09")
    assert refusal(client.send("POST", "invoice", body, requestid="r"))[0] == "6210"
    client.fake.lock_through(None)
    answer = client.send("POST", "invoice", body, requestid="r")
    assert answer.status == (400 if keeps else 200)


def test_stored_replies_may_be_forgotten() -> None:
    clock = Clock()
    client = Client(FakeQuickBooks(now=clock, ways=Ways(request_id_seconds=60)))
    acme = client.fake.add_customer("Acme")
    for seconds in (59, 1):
        client.post("invoice", form(acme), requestid="r")
        assert len(client.fake.invoices()) == 1
        clock.advance(seconds)
    client.post("invoice", form(acme), requestid="r")
    assert len(client.fake.invoices()) == 2


def test_a_batch_is_a_200_with_faults_inside_and_in_no_order(
    client: Client, acme: str
) -> None:
    client.fake.add_invoice("1001", acme, "10")
    answer = client.send(
        "POST",
        "batch",
        {
            "BatchItemRequest": [
                {"bId": "a", "operation": "create", "Invoice": form(acme)},
                {
                    "bId": "b",
                    "operation": "create",
                    "Invoice": form(acme, DocNumber="1001"),
                },
                {"bId": "c", "Query": "SELECT count(*) FROM Invoice"},
                {
                    "bId": "d",
                    "operation": "delete",
                    "Invoice": {"Id": "1", "SyncToken": "0"},
                },
                {"bId": "e", "Query": "SELECT nothing"},
                {"bId": "f", "Invoice": form(acme)},
                {"bId": "g", "operation": "update", "Invoice": form(acme)},
            ]
        },
    )
    assert answer.status == 200
    replies = answer.json()["BatchItemResponse"]
    assert [each["bId"] for each in replies] == list("gfedcba")
    found = {each["bId"]: each for each in replies}
    assert found["a"]["Invoice"]["Id"] == "2"
    faults = {
        name: each["Fault"]["Error"][0]["code"]
        for name, each in found.items()
        if "Fault" in each
    }
    assert faults == {"b": "6140", "e": "4000", "f": "2020", "g": "2020"}
    assert found["c"]["QueryResponse"] == {"totalCount": 2}
    assert found["d"]["Invoice"]["status"] == "Deleted"


def test_a_batch_has_thirty_items(client: Client, acme: str) -> None:
    item = {"bId": "1", "operation": "create", "Invoice": form(acme)}
    for count, status in ((30, 200), (31, 400)):
        body = {"BatchItemRequest": [item] * count}
        assert client.send("POST", "batch", body).status == status
    assert len(client.fake.invoices()) == 30
    for wrong in ({}, {"BatchItemRequest": ["x"]}):
        assert refusal(client.send("POST", "batch", wrong))[0] == "2020"


def test_a_batch_repeats_by_the_names_of_its_items(client: Client, acme: str) -> None:
    def item(name: str) -> dict[str, Any]:
        return {"bId": name, "operation": "create", "Invoice": form(acme)}

    first = client.batch(item("1"), item("2"), requestid="r")
    again = client.batch(item("2"), item("3"), requestid="r")
    assert again["2"] == first["2"]
    assert len(client.fake.invoices()) == 3
    long = client.batch(item("x" * 15), item("y" * 14), requestid="r" * 36)
    assert "Fault" in long["x" * 15]
    assert "Invoice" in long["y" * 14]
    body = {"BatchItemRequest": [item("1")]}
    assert refusal(client.send("POST", "batch", body, requestid="r" * 37))[0] == "6000"


def test_a_batch_voids_with_an_option(client: Client, acme: str) -> None:
    client.fake.add_invoice("", acme, "10")
    own = {"Id": "1", "SyncToken": "0"}
    item = {"bId": "1", "operation": "update", "optionsData": "void", "Invoice": own}
    assert client.batch(item)["1"]["Invoice"]["PrivateNote"] == "Voided"


# Rights, limits and trouble -----------------------------------------------------------------------


def test_no_access_is_code_120(client: Client, acme: str) -> None:
    client.fake.deny("Payment write")
    client.fake.deny("CreditMemo")
    assert client.ids("SELECT * FROM Payment") == []
    answer = client.send("POST", "payment", money(acme, 1))
    code, detail, _ = refusal(answer, 403)
    assert code == "120"
    assert "You do not have access" in detail
    assert answer.json()["Fault"]["type"] == "AuthorizationFault"
    for path, params in (
        ("query", {"query": "SELECT * FROM CreditMemo"}),
        ("cdc", {"entities": "CreditMemo", "changedSince": EARLY}),
        ("creditmemo/1", {}),
    ):
        assert refusal(client.send("GET", path, **params), 403)[0] == "120"
    client.fake.allow("Payment write")
    client.post("payment", money(acme, 1))
    client.fake.deny("*")
    assert refusal(client.send("GET", "preferences"), 403)[0] == "120"


def test_a_company_that_does_not_pay_is_shut(client: Client) -> None:
    client.fake.lapse()
    code, detail, _ = refusal(client.send("GET", "preferences"))
    assert code == "6190"
    assert detail.startswith("Invalid Company Status : Subscription period has ended")
    client.fake.lapse(is_lapsed=False)
    assert client.send("GET", "preferences").status == 200


def test_a_refusal_may_come_as_a_200(acme: str) -> None:
    client = Client(FakeQuickBooks(ways=Ways(fault_status=200)))
    assert refusal(client.send("GET", "invoice/1"), 200)[0] == "610"
    assert refusal(client.send("POST", "invoice", {}), 200)[0] == "6560"
    assert refusal(client.send("GET", "invoice/1/pdf"), 200)[0] == "610"


def test_throttling_speaks_as_the_gateway_and_changes_nothing(
    client: Client, acme: str
) -> None:
    client.fake.throttle(2)
    client.fake.throttle(retry_after=7)
    answers = [client.send("POST", "invoice", form(acme)) for _ in range(3)]
    assert [answer.status for answer in answers] == [429] * 3
    fault = answers[0].json()["fault"]
    assert fault["type"] == "SERVICE"
    assert fault["error"][0]["code"] == "3001"
    assert (
        fault["error"][0]["message"]
        == "message=ThrottleExceeded; errorCode=003001; statusCode=429"
    )
    headers = [answer.header("Retry-After") for answer in answers]
    assert headers == [None, None, "7"]
    assert client.fake.invoices() == []
    assert client.send("POST", "invoice", form(acme)).status == 200


def test_the_limits_of_second_minute_and_batches() -> None:
    clock = Clock()
    fake = FakeQuickBooks(
        now=clock, calls_per_second=2, calls_per_minute=3, batches_per_minute=1
    )
    client = Client(fake)

    def ask() -> int:
        return client.send("GET", "preferences").status

    assert [ask(), ask(), ask()] == [200, 200, 429]
    clock.advance(1)
    assert [ask(), ask()] == [200, 429]
    clock.advance(60)
    body: dict[str, Any] = {"BatchItemRequest": []}
    batches = [client.send("POST", "batch", body).status for _ in range(2)]
    assert batches == [200, 429]
    # A call that was refused does not count.
    assert ask() == 200


def test_an_older_throttle_is_a_403() -> None:
    client = Client(FakeQuickBooks(ways=Ways(throttle_status=403)))
    client.fake.throttle()
    answer = client.send("GET", "preferences")
    assert answer.status == 403
    assert answer.json()["fault"]["error"][0]["code"] == "3001"


def test_reads_are_metered_and_writes_are_not(acme: str) -> None:
    client = Client(FakeQuickBooks(metered_calls_max=5))
    acme = client.fake.add_customer("Acme")
    client.post("invoice", form(acme))
    client.get("invoice/1")
    queries = [{"bId": x, "Query": "SELECT * FROM Invoice"} for x in "ab"]
    client.batch(*queries)
    client.changes("Invoice")
    client.query("SELECT * FROM Preferences")
    assert client.fake.metered == 5
    assert client.send("GET", "invoice/1").status == 429
    client.post("invoice", form(acme))


def test_a_failure_may_come_before_or_after_the_effect(
    client: Client, acme: str
) -> None:
    client.fake.fail(status=503, body=b"busy")
    client.fake.fail(after=True)
    before = client.send("POST", "invoice", form(acme), requestid="r")
    assert (before.status, before.body) == (503, b"busy")
    assert client.fake.invoices() == []
    assert client.send("POST", "invoice", form(acme), requestid="r").status == 500
    assert len(client.fake.invoices()) == 1
    client.post("invoice", form(acme), requestid="r")
    assert len(client.fake.invoices()) == 1


def test_a_lost_answer_was_carried_out(client: Client, acme: str) -> None:
    client.fake.lose()
    with pytest.raises(Fault) as lost:
        client.send("POST", "invoice", form(acme), requestid="r")
    assert lost.value.fate is Fate.UNCLEAR
    assert len(client.fake.invoices()) == 1
    repeated = client.post("invoice", form(acme), requestid="r")
    assert repeated["Invoice"]["Id"] == "1"


def test_what_is_counted(client: Client, acme: str) -> None:
    client.post("invoice", form(acme))
    client.get("invoice/1")
    client.query("SELECT * FROM Invoice")
    client.batch({"bId": "1", "Query": "SELECT * FROM Invoice"})
    client.batch({"bId": "1", "operation": "create", "Invoice": form(acme)})
    client.post("invoice", {"Id": "1", "SyncToken": "0"}, operation="void")
    client.fake.expire()
    client.send("POST", "payment", money(acme, 1), operation="update", include="void")
    refresh(client.fake, "refresh-0")
    assert client.fake.requests == 8
    assert client.fake.writes == 4
    assert client.fake.calls == {
        "POST invoice": 1,
        "GET invoice/{id}": 1,
        "GET query": 1,
        "POST batch": 2,
        "POST invoice?operation=void": 1,
        "POST payment?operation=update&include=void": 1,
        "POST /oauth2/v1/tokens/bearer": 1,
    }


def test_many_threads_may_ask_at_once(client: Client, acme: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = pool.map(
            lambda _: client.post("invoice", form(acme))["Invoice"], range(40)
        )
    rows = list(made)
    assert sorted(int(row["Id"]) for row in rows) == list(range(1, 41))
    assert len({row["DocNumber"] for row in rows}) == 40
    client.fake.close()


def test_it_can_be_served_over_http(client: Client, acme: str) -> None:
    with serve(client.fake) as served:
        url = f"{served.url}/v3/company/{client.fake.realm}/customer/1"
        signed = {
            "Authorization": f"Bearer {client.token}",
            "Accept": "application/json",
        }
        with urlopen(PlainRequest(url, headers=signed)) as answer:
            assert b'"DisplayName":"Acme"' in answer.read()


def test_the_bookkeeper_obeys_the_rules_too(fake: FakeQuickBooks, acme: str) -> None:
    fake.add_invoice("A", acme, "10")
    with pytest.raises(Refusal) as refused:
        fake.add_invoice("A", acme, "10")
    assert refused.value.code == "6140"
    item = fake.add_item("Licences")
    fake.add_invoice("B", acme, lines=[line("10", item)])
    fake.edit_credit_note(fake.add_credit_note("C", acme, "10"), PrivateNote="x")
    assert fake.credit_notes()[0]["PrivateNote"] == "x"


def test_the_books_have_a_clock_of_their_own(client: Client, acme: str) -> None:
    client.fake.advance(31 * 86_400)
    answer = client.send("GET", "cdc", entities="Customer", changedSince=EARLY)
    assert refusal(answer)[0] == "2010"
    today = client.post("invoice", form(acme))["Invoice"]["TxnDate"]
    assert today == "2026-04-01"
