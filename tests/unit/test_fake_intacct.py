"""The fake Sage Intacct does what is known of the real one, traps included."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

import pytest

from tieout.errors import Code, Fate, Fault
from tieout.testing.fakes.intacct import FakeIntacct
from tieout.testing.fakes.intacct_records import Refusal
from tieout.testing.fakes.serving import serve
from tieout.wire import Request, Response

ENTRY = "https://api.intacct.com/ia/xml/xmlgw.phtml"
LOGIN = {"userid": "billing", "companyid": "acme", "password": "user-secret"}
CONTROL = {
    "senderid": "sender",
    "password": "sender-secret",
    "controlid": "c",
    "uniqueid": "false",
    "dtdversion": "3.0",
    "includewhitespace": "false",
}
MARCH_1, MARCH_5, MARCH_9 = date(2026, 3, 1), date(2026, 3, 5), date(2026, 3, 9)
SESSION = "<getAPISession/>"


def tags(values: Mapping[str, str]) -> str:
    return "".join(f"<{name}>{value}</{name}>" for name, value in values.items())


def split(tag: str, day: date) -> str:
    parts = tags({"year": f"{day.year}", "month": f"{day.month}", "day": f"{day.day}"})
    return f"<{tag}>{parts}</{tag}>"


def request(
    *functions: str,
    authentication: str = f"<login>{tags(LOGIN)}</login>",
    control: Mapping[str, str] | None = None,
    transaction: str = "false",
    url: str = ENTRY,
) -> Request:
    """Functions are bodies, or pairs of a control id and a body."""
    told = "".join(
        f'<function controlid="{controlid}">{body}</function>'
        for controlid, _, body in (
            each.partition("|") if each[0] != "<" else ("f", "", each)
            for each in functions
        )
    )
    body = (
        f"<request><control>{tags({**CONTROL, **(control or {})})}</control>"
        f'<operation transaction="{transaction}">'
        f"<authentication>{authentication}</authentication>"
        f"<content>{told}</content></operation></request>"
    )
    headers = {"Content-Type": "application/xml"}
    return Request("POST", url, headers=headers, content=body.encode())


def xml(answer: Response) -> Element:
    return ET.fromstring(answer.body)


def errors(node: Element) -> list[tuple[str, str]]:
    """Numbers and texts, without the support ids."""
    return [
        (
            error.findtext("errorno") or "",
            (error.findtext("description2") or "").partition(" [Support")[0],
        )
        for error in node.findall("errormessage/error")
    ]


class Client:
    """A signed-in client that sends what a test says, and nothing more."""

    def __init__(
        self, fake: FakeIntacct, function: str = SESSION, **login: str
    ) -> None:
        self.fake = fake
        who = f"<login>{tags({**LOGIN, **login})}</login>"
        answer = xml(fake.send(request(function, authentication=who), 30))
        api = answer.find("operation/result/data/api")
        assert api is not None, ET.tostring(answer)
        self.session = api.findtext("sessionid") or ""
        self.endpoint = api.findtext("endpoint") or ""
        self.entity = api.findtext("locationid") or ""

    def send(self, *functions: str, **options: Any) -> Response:
        signed = f"<sessionid>{self.session}</sessionid>"
        options = {"url": self.endpoint, "authentication": signed, **options}
        return self.fake.send(request(*functions, **options), 30)

    def results(self, *functions: str, **options: Any) -> list[Element]:
        answer = self.send(*functions, **options)
        assert answer.status == 200
        return xml(answer).findall("operation/result")

    def do(self, function: str, **options: Any) -> Element:
        [result] = self.results(function, **options)
        assert result.findtext("status") == "success", ET.tostring(result)
        return result

    def key(self, function: str) -> str:
        return self.do(function).findtext("key") or ""

    def refused(self, function: str) -> tuple[str, str]:
        """Number and text of the first error."""
        [result] = self.results(function)
        assert result.findtext("status") == "failure", ET.tostring(result)
        return errors(result)[0]

    def query(
        self, kind: str, fields: str, condition: str = "", **more: str
    ) -> list[dict[str, str]]:
        found = self.do(query(kind, fields, condition, **more)).find("data")
        assert found is not None
        return [{each.tag: each.text or "" for each in row} for row in found]

    def ids(self, kind: str, condition: str = "", **more: str) -> list[int]:
        rows = self.query(kind, "RECORDNO", condition, **more)
        return sorted(int(row["RECORDNO"]) for row in rows)

    def by_sql(self, kind: str, sql: str) -> list[str]:
        escaped = sql.replace("&", "&amp;").replace("<", "&lt;")
        body = {"object": kind, "fields": "RECORDNO", "query": escaped}
        data = self.do(f"<readByQuery>{tags(body)}</readByQuery>").find("data")
        assert data is not None
        return sorted(row.findtext("RECORDNO") or "" for row in data)


def query(kind: str, fields: str, condition: str = "", **more: str) -> str:
    select = "".join(f"<field>{name}</field>" for name in fields.split())
    where = f"<filter>{condition}</filter>" if condition else ""
    body = tags({"object": kind, "select": select, **more})
    return f"<query>{body}{where}</query>"


def where(operator: str, field: str, *values: str) -> str:
    told = "".join(f"<value>{value}</value>" for value in values)
    return f"<{operator}><field>{field}</field>{told}</{operator}>"


def order(field: str, direction: str = "ascending") -> str:
    return f"<order><field>{field}</field><{direction}/></order>"


def line(amount: str, **fields: str) -> str:
    account = {"glaccountno": "4000", "amount": amount}
    return f"<lineitem>{tags({**account, **fields})}</lineitem>"


def create_invoice(
    number: str, *lines: str, customer: str = "C-1", tail: str = "", head: str = ""
) -> str:
    return (
        f"<create_invoice><customerid>{customer}</customerid>"
        f"{split('datecreated', MARCH_1)}{head or split('datedue', MARCH_9)}"
        f"<invoiceno>{number}</invoiceno>{tail}"
        f"<invoiceitems>{''.join(lines)}</invoiceitems></create_invoice>"
    )


def payment(*details: str, **fields: str) -> str:
    head = {
        "FINANCIALENTITY": "BOA",
        "PAYMENTMETHOD": "Cash",
        "CUSTOMERID": "C-1",
        "RECEIPTDATE": "03/05/2026",
        **fields,
    }
    kept = {name: value for name, value in head.items() if value}
    inside = "".join(f"<ARPYMTDETAIL>{each}</ARPYMTDETAIL>" for each in details)
    return (
        f"<create><ARPYMT>{tags(kept)}<ARPYMTDETAILS>{inside}</ARPYMTDETAILS>"
        "</ARPYMT></create>"
    )


def detail(record: str, amount: str, **more: str) -> str:
    return tags({"RECORDKEY": record, "TRX_PAYMENTAMOUNT": amount, **more})


@pytest.fixture
def fake() -> FakeIntacct:
    return FakeIntacct()


@pytest.fixture
def client(fake: FakeIntacct) -> Client:
    return Client(fake)


@pytest.fixture
def acme(fake: FakeIntacct) -> str:
    return fake.add_customer("Acme", "C-1")


@pytest.fixture
def invoice(fake: FakeIntacct, acme: str) -> str:
    return fake.add_invoice("INV-1", acme, lines=["60", "40"], on=MARCH_1)


# Signing in ------------------------------------------------------------------------------


def test_a_session_is_good_at_the_endpoint_that_came_with_it_alone(
    client: Client,
) -> None:
    assert client.endpoint.startswith("https://api.intacct.com/")
    assert client.endpoint != ENTRY
    assert client.query("CUSTOMER", "RECORDNO") == []
    elsewhere = xml(client.send(query("CUSTOMER", "RECORDNO"), url=ENTRY))
    [operation] = elsewhere.findall("operation")
    assert operation.findtext("authentication/status") == "failure"
    assert operation.find("result") is None
    [(number, words)] = errors(operation)
    assert (number, words) == ("XL03000006", "The session is invalid or has expired")


def test_the_endpoint_is_told_of_the_origin_that_was_asked(fake: FakeIntacct) -> None:
    with serve(fake) as served:
        connection = http.client.HTTPConnection(served.url.removeprefix("http://"))
        asked = request(SESSION)
        connection.request("POST", "/ia/xml/xmlgw.phtml", asked.body())
        answer = ET.fromstring(connection.getresponse().read())
        connection.close()
    endpoint = answer.findtext("operation/result/data/api/endpoint") or ""
    assert endpoint == f"{served.url}/us-p04/ia/xml/xmlgw.phtml"


def test_get_api_session_stands_alone(fake: FakeIntacct) -> None:
    answer = xml(fake.send(request(SESSION, SESSION), 30))
    results = answer.findall("operation/result")
    assert [errors(each)[0][0] for each in results] == ["Get API Session Failed"] * 2


def test_a_session_ends_by_time_and_each_call_is_a_new_start() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    fake = FakeIntacct(now=lambda: at, session_seconds=600)
    client = Client(fake)
    for _ in range(3):
        at += timedelta(seconds=599)
        answer = xml(client.send(query("CUSTOMER", "RECORDNO")))
        place = "operation/authentication"
        assert answer.findtext(f"{place}/status") == "success"
        told = answer.findtext(f"{place}/sessiontimeout") or ""
        assert datetime.fromisoformat(told) == at + timedelta(seconds=600)
    at += timedelta(seconds=600)
    answer = xml(client.send(query("CUSTOMER", "RECORDNO")))
    assert answer.findtext("operation/authentication/status") == "failure"


def test_one_errorno_stands_for_three_refusals_of_signing_in(client: Client) -> None:
    fake = client.fake

    def refusal(answer: Response) -> tuple[str, str]:
        [error] = xml(answer).findall("operation/errormessage/error")
        return error.findtext("errorno") or "", error.findtext("description") or ""

    fake.expire()
    told = [refusal(client.send(query("CUSTOMER", "RECORDNO")))]
    wrong = f"<login>{tags({**LOGIN, 'password': 'guess'})}</login>"
    told.append(refusal(fake.send(request(SESSION, authentication=wrong), 30)))
    fake.deny_sender()
    answer = fake.send(request(SESSION), 30)
    told.append(refusal(answer))
    assert {number for number, _ in told} == {"XL03000006"}
    assert [words for _, words in told] == [
        "Invalid session",
        "Sign-in information is incorrect",
        "Invalid Web Services Authorization",
    ]
    assert "'sender'" in answer.text()
    assert "'acme'" in answer.text()


def test_a_wrong_sender_is_refused_before_there_is_an_operation(
    fake: FakeIntacct,
) -> None:
    answer = fake.send(request(SESSION, control={"password": "guess"}), 30)
    assert answer.status == 401
    assert xml(answer).find("operation") is None
    assert xml(answer).findtext("control/status") == "failure"
    assert errors(xml(answer))[0][0] == "XMLGW_JPP0002"


def test_a_changed_password_and_an_expired_company_need_a_person(
    client: Client,
) -> None:
    client.fake.expire_company()
    answer = xml(client.fake.send(request(SESSION), 30))
    assert errors(answer.findall("operation")[0])[0][0] == "PL04000055"
    client.fake.revoke()
    answer = xml(client.fake.send(request(SESSION), 30))
    [(number, words)] = errors(answer.findall("operation")[0])
    assert (number, words[:16]) == ("XL03000006", "Sign-in informat")


def test_a_console_names_the_company_in_two_ways() -> None:
    fake = FakeIntacct(entities=("100", "200"))
    assert Client(fake, companyid="console|acme|100").entity == "100"
    assert Client(fake, companyid="console", clientid="acme").entity == ""


def test_the_entity_is_chosen_at_the_login_or_for_the_session() -> None:
    fake = FakeIntacct(entities=("100", "200"))
    entity = Client(fake, locationid="100")
    assert entity.entity == "100"
    top = entity.do("<getAPISession><locationid/></getAPISession>")
    assert top.findtext("data/api/locationid") == ""
    stays = entity.do(SESSION)
    assert stays.findtext("data/api/locationid") == "100"
    other = "<getAPISession><locationid>200</locationid></getAPISession>"
    assert Client(fake, other).entity == "200"
    unknown = "<getAPISession><locationid>300</locationid></getAPISession>"
    assert entity.refused(unknown)[0] == "Get API Session Failed"


def test_a_restricted_user_never_gets_to_the_top() -> None:
    fake = FakeIntacct(entities=("100",), user_entity="100")
    client = Client(fake, "<getAPISession><locationid/></getAPISession>")
    assert client.entity == "100"


def test_a_login_is_as_good_as_a_session_for_one_request(fake: FakeIntacct) -> None:
    answer = xml(fake.send(request(query("CUSTOMER", "RECORDNO")), 30))
    assert answer.findtext("operation/result/status") == "success"


# The envelope ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<request>",
        b"\xff\xfe<",
        b"<!DOCTYPE request [<!ENTITY a 'b'>]><request/>",
    ],
)
def test_what_is_not_xml_is_refused_as_a_whole(fake: FakeIntacct, body: bytes) -> None:
    answer = fake.send(Request("POST", ENTRY, content=body), 30)
    assert answer.status == 200
    assert errors(xml(answer))[0][0] == "XL03000003"
    assert fake.requests == 1


def test_an_empty_operation_or_another_dtd_is_no_request(fake: FakeIntacct) -> None:
    for asked in (request(), request(SESSION, control={"dtdversion": "2.1"})):
        assert errors(xml(fake.send(asked, 30)))[0][0] == "XL03000003"


def test_an_asynchronous_policy_is_unknown(fake: FakeIntacct) -> None:
    answer = xml(fake.send(request(SESSION, control={"policyid": "p"}), 30))
    assert errors(answer) == [("XL03000006", "p is not a valid transport policy.")]


def test_other_methods_and_paths_are_pages_of_html(fake: FakeIntacct) -> None:
    for method, url, status in (
        ("GET", ENTRY, 405),
        ("POST", "https://api.intacct.com/ia/api/v1", 404),
        ("POST", "https://[api", 400),
    ):
        answer = fake.send(Request(method, url), 30)
        assert (answer.status, answer.header("Content-Type")) == (status, "text/html")


def test_replies_are_indented_unless_asked_not_to_be(client: Client) -> None:
    plain = client.send(query("CUSTOMER", "RECORDNO"))
    pretty = client.send(
        query("CUSTOMER", "RECORDNO"), control={"includewhitespace": "true"}
    )
    assert b"\n  <control>" in pretty.body
    assert b"\n  <control>" not in plain.body


def test_function_errors_end_with_a_support_id_and_tell_more_on_demand(
    client: Client,
) -> None:
    bad = query("CUSTOMER", "COLOUR")
    [short] = client.results(bad)
    [long] = client.results(bad, control={"showadditionalerrorinfo": "true"})
    place = "errormessage/error"
    first, second = (each.findtext(f"{place}/description2") for each in (short, long))
    assert "[Support ID: " in (first or "")
    assert "%7E" in (first or "")
    assert first != second
    assert short.find(f"{place}/additionalinfo") is None
    assert long.find(f"{place}/additionalinfo/errorid") is not None


def test_elements_of_the_old_functions_have_an_order(client: Client, acme: str) -> None:
    good = create_invoice("INV-1", line("5"))
    bad = good.replace("<customerid>C-1</customerid>", "").replace(
        "</create_invoice>", "<customerid>C-1</customerid></create_invoice>"
    )
    answer = xml(client.send(query("CUSTOMER", "RECORDNO"), bad))
    assert errors(answer)[0] == (
        "XL03000003",
        "Element 'customerid': This element is not expected.",
    )
    assert answer.find("operation") is None
    unknown = good.replace("<invoiceno>", "<colour/><invoiceno>")
    assert errors(xml(client.send(unknown)))[0][0] == "XL03000003"
    for pair in ("<action/><batchkey/>", "<batchkey/><action/>"):
        number = pair[1:3]
        asked = create_invoice(
            number, line("5"), head=f"{split('datedue', MARCH_9)}{pair}"
        )
        assert client.key(asked)


def test_the_order_is_a_switch(acme: str) -> None:
    fake = FakeIntacct(strict_order=False)
    fake.add_customer("Acme", "C-1")
    asked = create_invoice("A", line("5"), tail="<customerid>C-1</customerid>")
    assert Client(fake).key(asked)


# query -----------------------------------------------------------------------------------


def test_pages_tell_how_many_there_are_and_how_many_are_left(
    client: Client, acme: str
) -> None:
    made = [int(client.fake.add_invoice(f"I-{n}", acme, "5")) for n in range(5)]
    seen: list[int] = []
    for offset, count in ((0, 2), (2, 2), (4, 1), (6, 0)):
        data = client.do(
            query(
                "ARINVOICE",
                "RECORDNO",
                orderby=order("RECORDNO"),
                pagesize="2",
                offset=f"{offset}",
            )
        ).find("data")
        assert data is not None
        assert dict(data.attrib) == {
            "listtype": "ARINVOICE",
            "totalcount": "5",
            "offset": f"{offset}",
            "count": f"{count}",
            "numremaining": f"{max(0, 3 - offset)}",
        }
        seen += [int(row.findtext("RECORDNO") or "") for row in data]
    assert seen == made


def test_a_page_has_a_hundred_rows_by_default_and_two_thousand_at_most() -> None:
    fake = FakeIntacct(query_page_max=150)
    client = Client(fake)
    for n in range(101):
        fake.add_customer(f"Customer {n}")
    assert len(client.query("CUSTOMER", "NAME")) == 100
    assert len(client.query("CUSTOMER", "NAME", pagesize="150")) == 101
    for size in ("151", "0", "x"):
        asked = query("CUSTOMER", "NAME", pagesize=size)
        assert client.refused(asked)[0] == "invalidRequest"


def test_without_an_order_rows_come_in_any(client: Client, acme: str) -> None:
    fake = client.fake
    made = [fake.add_invoice(f"I-{n}", acme, f"{n + 1}") for n in range(6)]
    loose = [row["RECORDNO"] for row in client.query("ARINVOICE", "RECORDNO")]
    assert loose != sorted(made)
    assert sorted(loose) == made
    fake.pay(made[2], "3", MARCH_5)
    for direction in ("ascending", "descending"):
        rows = client.query(
            "ARINVOICE", "RECORDNO WHENPAID", orderby=order("WHENPAID", direction)
        )
        paid = [row["WHENPAID"] for row in rows]
        filled = "03/05/2026"
        assert paid.index(filled) == (0 if direction == "ascending" else 5)
    both = order("TRX_TOTALDUE") + order("RECORDNO", "descending")
    rows = client.query("ARINVOICE", "RECORDNO", orderby=both)
    assert [row["RECORDNO"] for row in rows][:2] == [made[2], made[0]]


@pytest.fixture
def books(fake: FakeIntacct) -> dict[str, str]:
    """Three invoices, by name; the second is paid in part and the third in full."""
    fake.add_customer("Acme", "C-1")
    fake.add_customer("Bolt % Co", "C-2")
    first = fake.add_invoice("A-1", "C-1", "100", on=MARCH_1, reference="PO's")
    second = fake.add_invoice("a-2", "C-2", "250.50", on=MARCH_5)
    third = fake.add_invoice("B_3", "C-1", "20", on=MARCH_9, status="Posted")
    fake.pay(second, "50.5", MARCH_9)
    fake.pay(third, "20", MARCH_9)
    return {first: "1", second: "2", third: "3"}


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (where("equalto", "STATE", "Posted"), "1"),
        (where("equalto", "STATE", "posted"), ""),
        (where("equalto", "CUSTOMERID", "C-1"), "13"),
        (where("notequalto", "CUSTOMERID", "C-1"), "2"),
        (where("notequalto", "DOCNUMBER", "x"), "1"),
        (where("greaterthan", "TRX_TOTALDUE", "100"), "2"),
        (where("greaterthanorequalto", "TRX_TOTALDUE", "100.00"), "12"),
        (where("lessthan", "WHENCREATED", "03/05/2026"), "1"),
        (where("lessthanorequalto", "WHENCREATED", "03/05/2026"), "12"),
        (where("between", "TRX_TOTALENTERED", "20", "100"), "13"),
        (where("in", "RECORDID", "A-1", "B_3", "Z"), "13"),
        (where("notin", "RECORDID", "A-1", "B_3"), "2"),
        (where("like", "RECORDID", "%-%"), "12"),
        (where("like", "RECORDID", "A%"), "1"),
        (where("like", "RECORDID", "__3"), "3"),
        (where("notlike", "RECORDID", "A%"), "23"),
        (where("like", "CUSTOMERNAME", "Bolt % Co"), "2"),
        (where("isnull", "WHENPAID"), "12"),
        (where("isnotnull", "WHENPAID"), "3"),
        (where("isnull", "DOCNUMBER"), "23"),
        (where("equalto", "CUSTOMER.NAME", "Acme"), "13"),
        (where("equalto", "BILLTO.CONTACTNAME", "Acme(CC-1)"), "13"),
        (
            "<or>"
            + where("equalto", "RECORDID", "A-1")
            + "<and>"
            + where("equalto", "CUSTOMERID", "C-2")
            + where("greaterthan", "TRX_TOTALPAID", "50")
            + "</and></or>",
            "12",
        ),
    ],
)
def test_conditions_find_exactly_what_they_say(
    client: Client, books: dict[str, str], condition: str, found: str
) -> None:
    keys = client.ids("ARINVOICE", condition)
    assert "".join(books[str(key)] for key in keys) == found


@pytest.mark.parametrize(
    "condition",
    [
        where("equalto", "STATE"),
        where("between", "WHENCREATED", "03/01/2026"),
        where("in", "RECORDNO"),
        where("isnull", "WHENPAID", "x"),
        "<and>" + where("isnull", "WHENPAID") + "</and>",
        where("sounds", "RECORDID", "x"),
        where("isnull", "WHENPAID") * 2,
        "<and>" * 60 + where("isnull", "WHENPAID") * 2 + "</and>" * 60,
    ],
)
def test_conditions_outside_the_schema_are_invalid(
    client: Client, condition: str
) -> None:
    assert client.refused(query("ARINVOICE", "RECORDNO", condition))[0] == (
        "invalidRequest"
    )


def test_iso_dates_bring_the_catch_all_and_american_ones_do_not(
    client: Client, invoice: str
) -> None:
    stamp = client.query("ARINVOICE", "WHENMODIFIED")[0]["WHENMODIFIED"]
    at = datetime.fromisoformat(stamp)
    for value, found in (
        (at.strftime("%m/%d/%Y %H:%M:%S"), 1),
        ((at + timedelta(seconds=1)).strftime("%m/%d/%Y %H:%M:%S"), 0),
        (at.strftime("%m/%d/%Y"), 1),
    ):
        condition = where("greaterthanorequalto", "WHENMODIFIED", value)
        assert len(client.ids("ARINVOICE", condition)) == found
    for value in (stamp, "2026-03-01T00:00:00Z", "2026-03-01", "soon"):
        condition = where("greaterthan", "WHENMODIFIED", value)
        assert client.refused(query("ARINVOICE", "RECORDNO", condition)) == (
            "DL02000001",
            "There was an error processing the request.",
        )


def test_stamps_are_of_a_zone_and_of_a_form() -> None:
    at = datetime(2026, 3, 1, 3, 4, 5, tzinfo=UTC)
    fake = FakeIntacct(
        now=lambda: at,
        timezone="America/Los_Angeles",
        stamps="%m/%d/%Y %H:%M:%S",
        days="%Y-%m-%d",
    )
    fake.add_customer("Acme", "C-1")
    fake.add_invoice("A", "C-1", "5", on=MARCH_1)
    [row] = Client(fake).query("ARINVOICE", "WHENMODIFIED WHENCREATED")
    assert row == {"WHENMODIFIED": "02/28/2026 19:04:05", "WHENCREATED": "2026-03-01"}
    condition = where("lessthan", "WHENMODIFIED", "02/28/2026 19:04:06")
    assert len(Client(fake).ids("ARINVOICE", condition)) == 1


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ("COLOUR", "XL03000010"),
        ("CUSTOMER.COLOUR", "XL03000010"),
        ("COLOUR.NAME", "XL03000010"),
        ("SHIPTORETURNTOCONTACTNAME", "XL03000006"),
        ("*", "XL03000010"),
        ("", "invalidRequest"),
    ],
)
def test_fields_that_query_does_not_know_are_told_apart(
    client: Client, fields: str, number: str
) -> None:
    assert client.refused(query("ARINVOICE", fields))[0] == number


def test_a_field_may_be_readable_and_yet_not_queryable(
    client: Client, invoice: str
) -> None:
    told = client.refused(query("ARINVOICE", "SHIPTORETURNTOCONTACTNAME"))[1]
    assert "cannot be queried: [arinvoice: [SHIPTORETURNTOCONTACTNAME]]" in told
    body = {"object": "ARINVOICE", "keys": invoice, "fields": "*"}
    row = client.do(f"<read>{tags(body)}</read>").find("data/ARINVOICE")
    assert row is not None
    assert row.findtext("SHIPTORETURNTOCONTACTNAME") == "Acme(CC-1)"
    fake = FakeIntacct(external_queryable=False)
    number, _ = Client(fake).refused(query("ARINVOICE", "EXTERNALID"))
    assert number == "XL03000006"


def test_nothing_found_is_no_element_at_all(client: Client) -> None:
    data = client.do(query("ARINVOICE", "RECORDNO")).find("data")
    assert data is not None
    assert (data.get("count"), len(data)) == ("0", 0)


def test_case_matters_unless_the_query_says_otherwise(
    client: Client, books: dict[str, str]
) -> None:
    condition = where("like", "RECORDID", "A%")
    assert len(client.ids("ARINVOICE", condition)) == 1
    folded = "<caseinsensitive>true</caseinsensitive>"
    assert len(client.ids("ARINVOICE", condition, options=folded)) == 2


def test_an_unknown_object_is_refused(client: Client) -> None:
    for asked in (query("SHIP", "RECORDNO"), "<lookup><object>SHIP</object></lookup>"):
        assert client.refused(asked)[0] == "Query Failed"
    assert client.refused("<sing/>")[0] == "invalidRequest"


# readByQuery and its pages -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("", "123"),
        ("RECORDID = 'A-1'", "1"),
        ("recordid = 'A-1'", "1"),
        ("RECORDID = 'a-1'", ""),
        ("DOCNUMBER = 'PO\\'s'", "1"),
        ("TOTALENTERED >= 100 AND TOTALENTERED < 250.5", "1"),
        ("RECORDID in ('A-1', 'B_3')", "13"),
        ("RECORDID not in ('A-1', 'B_3')", "2"),
        ("RECORDID like 'A%' OR CUSTOMERID = 'C-2'", "12"),
        ("RECORDID NOT LIKE '%-%'", "3"),
        ("WHENPAID IS NOT NULL", "3"),
        ("WHENPAID is null", "12"),
        ("NOT (CUSTOMERID = 'C-1' AND TRX_TOTALDUE = 0)", "12"),
        ("NOT DOCNUMBER = 'x'", "1"),
        ("CUSTOMERID = 'C-2' OR CUSTOMERID = 'C-1' AND RECORDID = 'A-1'", "12"),
        ("(CUSTOMERID = 'C-2' OR CUSTOMERID = 'C-1') AND RECORDID = 'A-1'", "1"),
        ("STATE = 'A'", "1"),
        ("STATE = 'Posted'", ""),
        ("WHENCREATED > '03/01/2026'", "23"),
    ],
)
def test_the_legacy_language_finds_exactly_what_it_says(
    client: Client, books: dict[str, str], sql: str, found: str
) -> None:
    assert "".join(books[key] for key in client.by_sql("ARINVOICE", sql)) == found


@pytest.mark.parametrize(
    "sql",
    [
        "RECORDID = 'A-1' ORDER BY RECORDNO",
        "COLOUR = 'x'",
        "CUSTOMER.NAME = 'Acme'",
        "DOCNUMBER = 'PO''s'",
        "DOCNUMBER = 'PO's'",
        "WHENMODIFIED > '2026-03-01 00:00:00'",
        "RECORDNO = 'seven'",
        "RECORDID <> 'x'",
        "RECORDID",
        "RECORDID = ",
        "RECORDID in ()",
        "(RECORDID = 'A'",
        "AND",
        "RECORDID = 'A' RECORDID = 'B'",
        "(" * 100 + "RECORDID = 'A'" + ")" * 100,
        "NOT " * 100 + "RECORDID = 'A'",
    ],
)
def test_every_fault_of_the_legacy_language_is_the_catch_all(
    client: Client, sql: str
) -> None:
    escaped = sql.replace("<", "&lt;")
    body = {"object": "ARINVOICE", "query": escaped}
    number, _ = client.refused(f"<readByQuery>{tags(body)}</readByQuery>")
    assert number == "DL02000001"


def test_booleans_are_letters_in_the_legacy_language(client: Client) -> None:
    fake = client.fake
    for number in ("C-1", "C-2"):
        fake.add_customer(number, number)
    fake.edit_customer("C-2", STATUS="inactive", ONETIME="true")
    [key] = client.by_sql("CUSTOMER", "STATUS = 'F' AND ONETIME = 'T'")
    condition = where("equalto", "STATUS", "inactive")
    [row] = client.query("CUSTOMER", "RECORDNO STATUS ONETIME", condition)
    assert row == {"RECORDNO": key, "STATUS": "inactive", "ONETIME": "true"}
    mixed = "<and>" + condition + where("equalto", "ONETIME", "T") + "</and>"
    assert client.refused(query("CUSTOMER", "NAME", mixed))[0] == "DL02000001"


def test_read_more_goes_on_by_the_result_and_not_in_the_order_of_keys(
    client: Client, acme: str
) -> None:
    made = [client.fake.add_invoice(f"I-{n}", acme, "5") for n in range(5)]
    body = {"object": "ARINVOICE", "fields": "RECORDNO,STATE", "pagesize": "2"}
    data = client.do(f"<readByQuery>{tags(body)}<query/></readByQuery>").find("data")
    assert data is not None
    key = data.get("resultId") or ""
    seen: list[str] = []
    client.fake.add_invoice("late", acme, "5")
    for left in ("3", "1", "0"):
        assert data is not None
        assert (data.get("totalcount"), data.get("numremaining")) == ("5", left)
        assert {row.tag for row in data} == {"arinvoice"}
        seen += [row.findtext("RECORDNO") or "" for row in data]
        more = f"<readMore><resultId>{key}</resultId></readMore>"
        if left != "0":
            data = client.do(more).find("data")
    assert seen != made
    assert sorted(seen) == made
    assert client.refused(more)[0] == "Query Failed"
    assert client.refused("<readMore><resultId>x</resultId></readMore>")[0] == (
        "Query Failed"
    )


def test_old_listings_are_forgotten(client: Client, acme: str) -> None:
    for number in ("A", "B"):
        client.fake.add_invoice(number, acme, "5")
    body = tags({"object": "ARINVOICE", "query": "", "pagesize": "1"})
    first = client.do(f"<readByQuery>{body}</readByQuery>").find("data")
    assert first is not None
    for _ in range(256):
        client.do(f"<readByQuery>{body}</readByQuery>")
    more = f"<readMore><resultId>{first.get('resultId')}</resultId></readMore>"
    assert client.refused(more)[0] == "Query Failed"


# read and lookup -----------------------------------------------------------------------------


def test_read_shows_the_lines_that_a_query_does_not(
    client: Client, invoice: str
) -> None:
    body = {"object": "ARINVOICE", "keys": f"{invoice},99", "fields": "*"}
    data = client.do(f"<read>{tags(body)}</read>").find("data")
    assert data is not None
    assert (data.get("listtype"), data.get("count")) == ("ARINVOICE", "1")
    [row] = data
    lines = row.findall("ARINVOICEITEMS/arinvoiceitem")
    assert [each.findtext("TRX_AMOUNT") for each in lines] == ["60", "40"]
    assert {each.findtext("RECORDKEY") for each in lines} == {invoice}
    few = client.do(f"<read>{tags({**body, 'fields': 'RECORDNO, STATE'})}</read>")
    assert [each.tag for each in few.findall("data/ARINVOICE/*")] == [
        "RECORDNO",
        "STATE",
    ]
    wrong = client.refused(f"<read>{tags({**body, 'fields': 'COLOUR'})}</read>")
    assert wrong[0] == "Invalid fields list COLOUR"


def test_customers_are_read_by_their_id_with_the_contact_inside(
    client: Client, acme: str
) -> None:
    for function in ("read", "readByName"):
        body = tags({"object": "CUSTOMER", "keys": "C-1", "fields": "*"})
        row = client.do(f"<{function}>{body}</{function}>").find("data/CUSTOMER")
        assert row is not None
        assert row.findtext("DISPLAYCONTACT/PRINTAS") == "Acme"
        assert row.find("DISPLAYCONTACT/MAILADDRESS/CITY") is not None


def test_lookup_tells_what_can_be_queried(client: Client) -> None:
    asked = "<lookup><object>ARINVOICE</object></lookup>"
    found = client.do(asked).find("data/Type")
    assert found is not None
    fields = {each.findtext("ID") or "": each for each in found.findall("Fields/Field")}
    states = fields["STATE"].findall("VALIDVALUES/VALIDVALUE")
    assert [each.text for each in states][-2:] == ["Reversed", "Reversal"]
    assert fields["WHENMODIFIED"].findtext("DATATYPE") == "TIMESTAMP"
    assert "SHIPTORETURNTOCONTACTNAME" not in fields
    assert client.query("ARINVOICE", " ".join(fields)) == []
    paths = found.findall("Relationships/Relationship/OBJECTPATH")
    assert [each.text for each in paths] == ["CUSTOMER", "BILLTO"]


def test_a_definition_has_fields_of_its_own(acme: str) -> None:
    own = {"SODOCUMENT/Sales Invoice": ["MARK"]}
    fake = FakeIntacct(custom_fields=own)
    fake.add_customer("Acme", "C-1")
    client = Client(fake)
    field = tags({"customfieldname": "MARK", "customfieldvalue": "m-1"})
    mark = f"<customfields><customfield>{field}</customfield></customfields>"
    client.do(create_order("S-1", item("2", "5"), tail=mark))
    fake.add_order("O-1", "C-1", "5", kind="Sales Order")
    assert client.refused(query("SODOCUMENT", "MARK"))[0] == "XL03000010"
    rows = client.query("SODOCUMENT", "DOCID MARK", docparid="Sales Invoice")
    assert rows == [{"DOCID": "Sales Invoice-S-1", "MARK": "m-1"}]
    unknown = mark.replace("MARK", "OTHER")
    told = client.refused(create_order("S-2", item("2", "5"), tail=unknown))
    assert told[0] == "BL01001973"


# Customers -----------------------------------------------------------------------------------


def create(kind: str, *bodies: str) -> str:
    return (
        "<create>"
        + "".join(f"<{kind}>{each}</{kind}>" for each in bodies)
        + "</create>"
    )


def test_a_customer_comes_with_contacts(client: Client) -> None:
    contact = tags({"CONTACTNAME": "Payables", "EMAIL1": "ap@acme.example"})
    client.do(create("CONTACT", contact))
    body = tags(
        {
            "CUSTOMERID": "C-1",
            "NAME": "Acme",
            "DISPLAYCONTACT": "<PRINTAS>Acme Inc</PRINTAS><MAILADDRESS><CITY>Rome</CITY></MAILADDRESS>",
            "BILLTO": "<CONTACTNAME>Payables</CONTACTNAME>",
            "ONHOLD": "true",
        }
    )
    made = client.do(create("CUSTOMER", body)).find("data")
    assert made is not None
    assert (made.get("listtype"), made.get("count")) == ("objects", "1")
    assert made.findtext("customer/CUSTOMERID") == "C-1"
    [row] = client.query(
        "CUSTOMER",
        "STATUS ONHOLD BILLTO.EMAIL1 DISPLAYCONTACT.MAILADDRESS.CITY SHIPTO.PRINTAS",
    )
    assert row == {
        "STATUS": "active",
        "ONHOLD": "true",
        "BILLTO.EMAIL1": "ap@acme.example",
        "DISPLAYCONTACT.MAILADDRESS.CITY": "Rome",
        "SHIPTO.PRINTAS": "Acme Inc",
    }
    key = client.fake.add_invoice("A", "C-1", "5")
    assert client.fake.invoice(key)["BILLTOPAYTOCONTACTNAME"] == "Payables"


def test_customers_that_break_a_rule_are_refused(client: Client, acme: str) -> None:
    for body, number, words in (
        (
            {"CUSTOMERID": "C-1", "NAME": "x"},
            "BL34000061",
            "Another Customer with the given value(s) C-1 already exists",
        ),
        ({"NAME": "x"}, "BL01001973", "Customer ID is required"),
        ({"CUSTOMERID": "C-2"}, "BL01001973", "Name is required"),
        ({"CUSTOMERID": "C-2", "NAME": "x", "COLOUR": "y"}, "DL02000001", ""),
        (
            {
                "CUSTOMERID": "C-2",
                "NAME": "x",
                "BILLTO": "<CONTACTNAME>nobody</CONTACTNAME>",
            },
            "BL01001973",
            "Invalid Contact 'nobody' specified.",
        ),
        (
            {
                "CUSTOMERID": "C-2",
                "NAME": "x",
                "DISPLAYCONTACT": "<CONTACTNAME>Acme(CC-1)</CONTACTNAME>",
            },
            "PL05000104",
            "Another Contact",
        ),
    ):
        told = client.refused(create("CUSTOMER", tags(body)))
        assert told[0] == number
        assert told[1].startswith(words)
    assert [row["CUSTOMERID"] for row in client.fake.customers()] == ["C-1"]
    assert len(client.ids("CONTACT")) == 1


def test_a_sequence_numbers_customers_and_documents() -> None:
    client = Client(FakeIntacct(sequencing=True))
    made = client.do(create("CUSTOMER", tags({"NAME": "Acme"}))).find("data/customer")
    assert made is not None
    key = made.findtext("CUSTOMERID") or ""
    assert key.startswith("C-")
    client.do(create_invoice("", line("5"), customer=key))
    [row] = client.query("ARINVOICE", "RECORDID")
    assert row["RECORDID"].startswith("INV-")


def test_a_create_of_many_may_succeed_in_part(client: Client, acme: str) -> None:
    bodies = [tags({"CUSTOMERID": f"C-{n}", "NAME": f"{n}"}) for n in (1, 2, 3)]
    [result] = client.results(create("CUSTOMER", *bodies))
    assert result.findtext("status") == "failure"
    data = result.find("data")
    assert data is not None
    assert data.get("count") == "2"
    assert [row.findtext("CUSTOMERID") for row in data] == ["C-2", "C-3"]
    told = errors(result)
    assert told[0][0] == "BL34000061"
    assert told[1] == ("BL01001973", "Could not create Customer record.")
    assert len(client.fake.customers()) == 3


def update(kind: str, body: str) -> str:
    return f"<update><{kind}>{body}</{kind}></update>"


def test_contact_lists_append_and_an_empty_element_clears_them(
    client: Client, acme: str
) -> None:
    def entry(category: str) -> str:
        contact = "<CONTACT><NAME>Acme(CC-1)</NAME></CONTACT>"
        return f"{tags({'CATEGORYNAME': category})}{contact}"

    def categories() -> list[str | None]:
        body = tags({"object": "CUSTOMER", "keys": "C-1"})
        row = client.do(f"<read>{body}</read>").find("data/CUSTOMER")
        assert row is not None
        found = row.findall("CONTACT_LIST_INFO/CATEGORYNAME")
        return [each.text for each in found]

    head = "<CUSTOMERID>C-1</CUSTOMERID>"
    for category in ("Work", "Home", "Work"):
        body = f"{head}<CONTACT_LIST_INFO>{entry(category)}</CONTACT_LIST_INFO>"
        client.do(update("CUSTOMER", body))
    assert categories() == ["Work", "Home"]
    client.do(update("CUSTOMER", f"{head}<NAME>Acme 2</NAME>"))
    assert categories() == ["Work", "Home"]
    client.do(update("CUSTOMER", f"{head}<CONTACT_LIST_INFO/>"))
    assert categories() == []


def test_an_inactive_customer_gets_no_more_invoices(
    client: Client, invoice: str
) -> None:
    body = tags({"CUSTOMERID": "C-1", "STATUS": "inactive", "COMMENTS": "gone"})
    client.do(update("CUSTOMER", body))
    told = client.refused(create_invoice("INV-2", line("5")))
    assert told == ("BL01001973", "Customer C-1 is inactive")
    nobody = update("CUSTOMER", tags({"CUSTOMERID": "C-9"}))
    assert client.refused(nobody)[0] == "BL01001973"
    gone = "<delete><object>CUSTOMER</object><keys>C-1</keys></delete>"
    assert client.refused(gone)[1] == "Customer C-1 has transactions"
    client.fake.delete_invoice(invoice)
    client.do(gone)
    assert client.query("CUSTOMER", "NAME") == []


def test_contacts_are_changed_by_name_and_customers_may_have_parents(
    client: Client, acme: str
) -> None:
    name = "Acme(CC-1)"
    client.do(update("CONTACT", tags({"CONTACTNAME": name, "EMAIL1": "a@b.example"})))
    child = {"CUSTOMERID": "C-2", "NAME": "Child", "PARENTID": "C-9"}
    told = client.refused(create("CUSTOMER", tags(child)))[1]
    assert told == "Invalid Customer 'C-9' specified."
    client.do(create("CUSTOMER", tags({**child, "PARENTID": "C-1"})))
    rows = client.query(
        "CUSTOMER", "PARENTID DISPLAYCONTACT.EMAIL1", orderby=order("CUSTOMERID")
    )
    assert [list(row.values()) for row in rows] == [["", "a@b.example"], ["C-1", ""]]


def test_only_some_objects_have_the_generic_functions(client: Client) -> None:
    for asked in (
        create("ARINVOICE", ""),
        update("ARINVOICE", ""),
        "<delete><object>SODOCUMENT</object><keys>1</keys></delete>",
    ):
        assert client.refused(asked)[0] == "invalidRequest"


# Invoices ------------------------------------------------------------------------------------


def test_an_invoice_is_what_was_sent_in_cents(client: Client, acme: str) -> None:
    tail = tags({"ponumber": "PO-7", "description": "March", "externalid": "x-1"})
    asked = create_invoice(
        "INV-1",
        line("10.005", memo="Support"),
        line("0.994", projectid="P-1"),
        head="<termname>N30</termname>",
        tail=tail,
    )
    key = client.key(asked)
    names = "RECORDID DOCNUMBER DESCRIPTION EXTERNALID STATE RECORDTYPE MODULEKEY WHENCREATED WHENPOSTED WHENDUE WHENPAID TRX_TOTALENTERED TRX_TOTALDUE TRX_TOTALPAID CURRENCY PRBATCH"
    [row] = client.query("ARINVOICE", names, where("equalto", "RECORDNO", key))
    assert row == {
        "RECORDID": "INV-1",
        "DOCNUMBER": "PO-7",
        "DESCRIPTION": "March",
        "EXTERNALID": "x-1",
        "STATE": "Posted",
        "RECORDTYPE": "ri",
        "MODULEKEY": "4.AR",
        "WHENCREATED": "03/01/2026",
        "WHENPOSTED": "03/01/2026",
        "WHENDUE": "03/31/2026",
        "WHENPAID": "",
        "TRX_TOTALENTERED": "11",
        "TRX_TOTALDUE": "11",
        "TRX_TOTALPAID": "0",
        "CURRENCY": "USD",
        "PRBATCH": "Invoices: 2026/03/01 Batch",
    }
    rows = client.query(
        "ARINVOICEITEM",
        "TRX_AMOUNT ENTRYDESCRIPTION PROJECTID ARINVOICE.RECORDID",
        where("equalto", "RECORDKEY", key),
        orderby=order("RECORDNO"),
    )
    assert [list(each.values()) for each in rows] == [
        ["10.01", "Support", "", "INV-1"],
        ["0.99", "", "P-1", "INV-1"],
    ]


def test_invoices_that_break_a_rule_are_refused(client: Client, invoice: str) -> None:
    good = create_invoice("INV-2", line("5"))
    due = split("datedue", MARCH_9)
    client.fake.retire("PROJECTID", "P-1")
    for asked, words in (
        (
            create_invoice("INV-1", line("5")),
            "A transaction with the number 'INV-1' already exists.",
        ),
        (create_invoice("", line("5")), "The transaction number is required"),
        (create_invoice("INV-2", line("5"), customer="C-9"), "There is no CUSTOMER"),
        (create_invoice("INV-2"), "At least one line is required"),
        (
            good.replace("<glaccountno>4000</glaccountno>", ""),
            "A line needs an account",
        ),
        (good.replace("<amount>5<", "<amount>five<"), "Invalid amount 'five'"),
        (good.replace("<amount>5</amount>", ""), "A line needs an amount"),
        (create_invoice("INV-2", line("5", projectid="P-1")), "Invalid Project 'P-1'"),
        (good.replace(due, "<termname>Never</termname>"), "Invalid Term 'Never'"),
        (good.replace(due, ""), "A due date or a payment term is required"),
        (good.replace(split("datecreated", MARCH_1), ""), "The date is required"),
        (good.replace("<day>1<", "<day>41<"), "Invalid date"),
    ):
        number, told = client.refused(asked)
        assert (number, told[: len(words)]) == ("BL01001973", words)
    client.fake.lock_through(MARCH_1)
    assert client.refused(good)[1] == "The date 03/01/2026 is in a closed period"
    client.fake.lock_through(None)
    assert client.key(good)


def test_numbers_need_not_be_unique_everywhere(acme: str) -> None:
    fake = FakeIntacct(unique_numbers=False)
    fake.add_customer("Acme", "C-1")
    keys = {fake.add_invoice("INV-1", "C-1", "5") for _ in range(2)}
    assert len(keys) == 2


def test_a_draft_is_posted_by_an_update(client: Client, acme: str) -> None:
    head = split("datedue", MARCH_9) + "<action>Draft</action>"
    key = client.key(create_invoice("INV-1", line("5"), head=head))
    assert client.fake.invoice(key)["STATE"] == "Draft"
    refused = client.refused(payment(detail(key, "5")))
    assert refused[1] == f"The invoice with key {key} is not posted"
    client.do(f'<update_invoice key="{key}"><action>Submit</action></update_invoice>')
    assert client.fake.invoice(key)["STATE"] == "Posted"


def test_an_update_changes_lines_by_number_and_adds_others(
    client: Client, invoice: str
) -> None:
    items = (
        '<updatelineitem line_num="2"><amount>15</amount></updatelineitem>'
        '<updatelineitem line_num="1"><memo>kept</memo></updatelineitem>' + line("5")
    )
    asked = (
        f'<update_invoice key="{invoice}">{split("datedue", MARCH_5)}'
        f"<invoiceno>INV-9</invoiceno><updateinvoiceitems>{items}"
        "</updateinvoiceitems></update_invoice>"
    )
    before = client.fake.invoice(invoice)["WHENMODIFIED"]
    assert client.key(asked) == invoice
    row = client.fake.invoice(invoice)
    assert (row["RECORDID"], row["WHENDUE"]) == ("INV-9", MARCH_5)
    assert row["TRX_TOTALENTERED"] == Decimal(80)
    assert row["WHENMODIFIED"] > before
    beyond = asked.replace('line_num="2"', 'line_num="7"')
    assert client.refused(beyond)[1] == "There is no line number 7"
    assert client.refused('<update_invoice key="7"/>')[0] == "BL01001973"


def test_an_update_may_move_an_invoice_altogether(client: Client, invoice: str) -> None:
    client.fake.add_customer("Bolt", "C-2")
    client.do(
        f'<update_invoice key="{invoice}"><customerid>C-2</customerid>'
        f"{split('datecreated', MARCH_5)}<termname>N15</termname>"
        "<payto><contactname>Bolt(CC-2)</contactname></payto>"
        "<currency>EUR</currency></update_invoice>"
    )
    names = "CUSTOMERNAME WHENCREATED WHENPOSTED WHENDUE BILLTO.PRINTAS CURRENCY EXCHANGE_RATE"
    [row] = client.query("ARINVOICE", names)
    days = ["03/05/2026", "03/05/2026", "03/20/2026"]
    assert list(row.values()) == ["Bolt", *days, "Bolt", "EUR", "1.1"]


def test_an_invoice_over_nothing_has_no_value(client: Client, acme: str) -> None:
    key = client.key(create_invoice("A", line("5"), line("-5")))
    assert client.fake.invoice(key)["STATE"] == "No Value"
    draft = client.fake.add_invoice("D", acme, "5", status="Draft")
    asked = f'<reverse_invoice key="{draft}">{split("datereversed", MARCH_9)}</reverse_invoice>'
    assert client.refused(asked)[1].startswith("The draft with key")


def test_an_invoice_is_also_known_by_its_external_id(client: Client, acme: str) -> None:
    key = client.key(create_invoice("A", line("5"), tail="<externalid>x</externalid>"))
    asked = '<update_invoice key="{}" externalkey="true"><ponumber>P</ponumber></update_invoice>'
    assert client.key(asked.format("x")) == key
    assert client.fake.invoice(key)["DOCNUMBER"] == "P"
    assert client.refused(asked.format("y"))[0] == "BL01001973"


def test_payments_fix_all_of_an_invoice_but_its_words(
    client: Client, invoice: str
) -> None:
    client.fake.pay(invoice, "1", MARCH_5)
    place = f'key="{invoice}"'
    client.do(f"<update_invoice {place}><ponumber>PO-1</ponumber></update_invoice>")
    reversal = split("datereversed", MARCH_9)
    for asked, verb in (
        (
            f"<update_invoice {place}><invoiceno>X</invoiceno></update_invoice>",
            "updated",
        ),
        (f"<reverse_invoice {place}>{reversal}</reverse_invoice>", "reversed"),
        (f"<delete_invoice {place}/>", "deleted"),
    ):
        assert client.refused(asked) == (
            "BL01001973",
            f"The record with key {invoice} has payments and cannot be {verb}",
        )


def test_a_reversal_is_a_record_of_its_own(client: Client, invoice: str) -> None:
    asked = (
        f'<reverse_invoice key="{invoice}">{split("datereversed", MARCH_9)}'
        "<description>mistake</description></reverse_invoice>"
    )
    key = client.key(asked)
    assert key != invoice
    names = "STATE TRX_TOTALENTERED TRX_TOTALDUE TRX_TOTALPAID WHENPAID WHENCREATED"
    rows = client.query("ARINVOICE", names, orderby=order("RECORDNO"))
    assert [list(row.values()) for row in rows] == [
        ["Reversed", "100", "0", "0", "", "03/01/2026"],
        ["Reversal", "-100", "0", "0", "", "03/09/2026"],
    ]
    assert "is reversed" not in client.refused(asked)[1]
    assert client.refused(asked)[0] == "BL01001973"
    assert client.refused(payment(detail(invoice, "5")))[0] == "BL01001973"


def test_a_reversed_invoice_may_look_paid(acme: str) -> None:
    fake = FakeIntacct(reversal_counts_as_paid=True)
    fake.add_customer("Acme", "C-1")
    key = fake.add_invoice("A", "C-1", "100")
    fake.void_invoice(key)
    row = fake.invoice(key)
    assert (row["STATE"], row["TRX_TOTALPAID"], row["TRX_TOTALDUE"]) == (
        "Reversed",
        Decimal(100),
        Decimal(0),
    )


def test_only_the_audit_history_knows_of_what_was_deleted(
    client: Client, invoice: str
) -> None:
    client.do(f'<delete_invoice key="{invoice}"/>')
    assert client.query("ARINVOICE", "RECORDNO") == []
    condition = (
        "<and>"
        + where("equalto", "OBJECTTYPE", "arinvoice")
        + where("equalto", "ACCESSMODE", "D")
        + where("greaterthan", "ACCESSTIME", "02/28/2026 00:00:00")
        + "</and>"
    )
    [row] = client.query("AUDITHISTORY", "OBJECTKEY ACCESSTIME SOURCE", condition)
    assert (row["OBJECTKEY"], row["SOURCE"]) == (invoice, "api")
    sql = "ACCESSMODE = 'Delete' AND OBJECTTYPE = 'arinvoice'"
    body = {"object": "AUDITHISTORY", "fields": "OBJECTKEY", "query": sql}
    data = client.do(f"<readByQuery>{tags(body)}</readByQuery>").find("data")
    assert data is not None
    assert [row.findtext("OBJECTKEY") for row in data] == [invoice]


def test_several_entities_need_a_location_on_every_line() -> None:
    fake = FakeIntacct(entities=("100", "200"))
    fake.add_customer("Acme", "C-1")
    client = Client(fake)
    assert client.refused(create_invoice("A", line("5")))[1] == (
        "Invalid Location '' specified."
    )
    assert client.key(create_invoice("A", line("5", locationid="200")))


def test_what_an_entity_owns_is_hidden_at_the_top_unless_asked_for() -> None:
    fake = FakeIntacct(entities=("100", "200"))
    fake.add_customer("Acme", "C-1")
    top, one, two = (Client(fake, locationid=each) for each in ("", "100", "200"))
    shared = top.key(create_invoice("T", line("5", locationid="100")))
    private = one.key(create_invoice("P", line("5", locationid="100")))
    [row] = one.query("ARINVOICE", "RECORDNO MEGAENTITYID MEGAENTITYKEY")
    assert list(row.values()) == [private, "100", "1"]
    assert top.ids("ARINVOICE") == [int(shared)]
    show = "<showprivate>true</showprivate>"
    assert top.ids("ARINVOICE", options=show) == [int(shared), int(private)]
    assert two.ids("ARINVOICE", options=show) == []
    assert top.by_sql("ARINVOICE", "") == [shared]
    assert [row["NAME"] for row in two.query("CUSTOMER", "NAME")] == ["Acme"]
    assert len(two.query("LOCATIONENTITY", "LOCATIONID RECORD_URL")) == 2
    gone = f'<delete_invoice key="{private}"/>'
    assert two.refused(gone)[0] == "BL01001973"
    top.do(gone)


def test_foreign_currency_is_shown_twice(client: Client, acme: str) -> None:
    tail = "<basecurr>USD</basecurr><currency>EUR</currency><exchrate>1.2345</exchrate>"
    key = client.key(create_invoice("A", line("100"), tail=tail))
    client.do(payment(detail(key, "33.33"), CURRENCY="EUR"))
    names = "CURRENCY BASECURR EXCHANGE_RATE TOTALENTERED TRX_TOTALENTERED TOTALPAID TRX_TOTALPAID TRX_TOTALDUE"
    [row] = client.query("ARINVOICE", names)
    assert list(row.values()) == [
        "EUR",
        "USD",
        "1.2345",
        "123.45",
        "100",
        "41.15",
        "33.33",
        "66.67",
    ]
    told = client.refused(payment(detail(key, "5")))[1]
    assert told == f"The invoice with key {key} is in EUR"
    unknown = tail.replace("EUR", "XYZ").replace("<exchrate>1.2345</exchrate>", "")
    told = client.refused(create_invoice("B", line("5"), tail=unknown))[1]
    assert told == "No exchange rate was found for XYZ"
    both = tail.replace("<exchrate>", "<exchratetype>Daily</exchratetype><exchrate>")
    assert client.refused(create_invoice("B", line("5"), tail=both))[1].startswith(
        "Use either"
    )


# Adjustments -----------------------------------------------------------------------------------


def adjustment(number: str, *amounts: str) -> str:
    lines = "".join(map(line, amounts))
    return (
        f"<create_aradjustment><customerid>C-1</customerid>"
        f"{split('datecreated', MARCH_5)}<adjustmentno>{number}</adjustmentno>"
        f"<invoiceno>INV-1</invoiceno><aradjustmentitems>{lines}</aradjustmentitems>"
        "</create_aradjustment>"
    )


def test_a_negative_line_is_a_credit_and_a_positive_one_a_debit(
    client: Client, acme: str
) -> None:
    client.do(adjustment("CM-1", "-30"))
    client.do(adjustment("DM-1", "12.50"))
    names = "RECORDID RECORDTYPE DOCNUMBER STATE TRX_TOTALENTERED TRX_TOTALDUE"
    rows = client.query("ARADJUSTMENT", names, orderby=order("RECORDNO"))
    assert [list(row.values()) for row in rows] == [
        ["CM-1", "ra", "INV-1", "Posted", "-30", "-30"],
        ["DM-1", "ra", "INV-1", "Posted", "12.5", "12.5"],
    ]
    assert client.query("ARINVOICE", "RECORDNO") == []


def test_an_adjustment_is_changed_and_deleted_but_not_reversed(
    client: Client, acme: str
) -> None:
    key = client.key(adjustment("CM-1", "-30"))
    items = '<updatelineitem line_num="1"><amount>-25</amount></updatelineitem>'
    client.do(
        f'<update_aradjustment key="{key}"><description>d</description>'
        f"<updatearadjustmentitems>{items}</updatearadjustmentitems></update_aradjustment>"
    )
    [row] = client.fake.credit_notes()
    assert (row["TRX_TOTALDUE"], row["DESCRIPTION"]) == (Decimal(-25), "d")
    reverse = f'<reverse_aradjustment key="{key}"/>'
    assert client.refused(reverse)[0] == "invalidRequest"
    as_invoice = f'<reverse_invoice key="{key}">{split("datereversed", MARCH_9)}</reverse_invoice>'
    assert client.refused(as_invoice)[0] == "BL01001973"
    client.do(f"<delete><object>ARADJUSTMENT</object><keys>{key}</keys></delete>")
    assert client.fake.credit_notes() == []


# Payments --------------------------------------------------------------------------------------


def test_a_payment_fills_the_lines_from_first_to_last(
    client: Client, invoice: str
) -> None:
    before = client.fake.invoice(invoice)["WHENMODIFIED"]
    made = client.do(payment(detail(invoice, "70"), DOCNUMBER="cheque 7"))
    key = made.findtext("data/arpymt/RECORDNO") or ""
    row = client.fake.invoice(invoice)
    assert (row["STATE"], row["TRX_TOTALDUE"], row["WHENPAID"]) == (
        "Partially Paid",
        Decimal(30),
        None,
    )
    assert row["WHENMODIFIED"] > before
    rows = client.query(
        "ARPYMTDETAIL",
        "PAYMENTKEY RECORDKEY ENTRYKEY TRX_PAYMENTAMOUNT PAYMENTDATE STATE",
        where("equalto", "RECORDKEY", invoice),
        orderby=order("RECORDNO"),
    )
    assert [each["TRX_PAYMENTAMOUNT"] for each in rows] == ["60", "10"]
    assert {each["PAYMENTKEY"] for each in rows} == {key}
    assert len({each["ENTRYKEY"] for each in rows}) == 2
    client.do(payment(detail(invoice, "30"), RECEIPTDATE="03/09/2026"))
    row = client.fake.invoice(invoice)
    assert (row["STATE"], row["WHENPAID"]) == ("Paid", MARCH_9)
    assert client.fake.paid(invoice) == (Decimal(100), MARCH_9)
    names = "RECORDTYPE STATE DISPLAYSTATE DOCNUMBER RECEIPTDATE TRX_TOTALENTERED TRX_TOTALPAID TRX_TOTALDUE"
    [first] = client.query("ARPYMT", names, where("equalto", "RECORDNO", key))
    assert list(first.values()) == [
        "rp",
        "C",
        "Complete",
        "cheque 7",
        "03/05/2026",
        "70",
        "70",
        "0",
    ]


def test_a_payment_may_name_a_line_and_several_invoices(
    client: Client, invoice: str
) -> None:
    second = client.fake.add_invoice("INV-2", "C-1", "9")
    entries = client.query(
        "ARINVOICEITEM",
        "RECORDNO",
        where("equalto", "RECORDKEY", invoice),
        orderby=order("RECORDNO"),
    )
    last = entries[1]["RECORDNO"]
    asked = payment(detail(invoice, "40", ENTRYKEY=last), detail(second, "9"))
    client.do(asked)
    rows = client.query(
        "ARINVOICEITEM", "RECORDNO TRX_TOTALPAID", orderby=order("RECORDNO")
    )
    assert [row["TRX_TOTALPAID"] for row in rows] == ["0", "40", "9"]
    told = client.refused(payment(detail(invoice, "1", ENTRYKEY=last)))
    assert told[0] == "XL03000027"


def test_payments_that_break_a_rule_change_nothing(
    client: Client, invoice: str
) -> None:
    client.fake.add_customer("Bolt", "C-2")
    euro = client.fake.add_invoice("E", "C-1", "5", currency="EUR")
    good = detail(invoice, "5")
    undeposited = {"FINANCIALENTITY": "", "UNDEPOSITEDACCOUNTNO": "1070"}
    for asked, number, words in (
        (
            payment(good, detail(invoice, "95.01")),
            "XL03000027",
            f"The amount paid if greater than the amount due for invoice with key {invoice}",
        ),
        (payment(good, FINANCIALENTITY=""), "BL01001973", "A bank account"),
        (payment(good, PAYMENTMETHOD="Shells"), "BL01001973", "Invalid Payment Method"),
        (payment(good, PAYMENTMETHOD=""), "BL01001973", "A receipt date, a payment"),
        (payment(good, RECEIPTDATE="2026-03-05"), "BL01001973", "Invalid date"),
        (payment(good, CUSTOMERID="C-2"), "BL01001973", "The invoice with key"),
        (payment(good, CUSTOMERID=""), "BL01001973", "A customer or the name"),
        (payment(detail(invoice, "0")), "BL01001973", "The amount to apply"),
        (payment(detail("7", "5")), "BL01001973", "There is no ARINVOICE"),
        (payment(detail(invoice, "5", POSADJKEY="7")), "BL01001973", "Each detail"),
        (payment(tags({"RECORDKEY": invoice})), "BL01001973", "Nothing is paid"),
        (payment(good, COLOUR="red"), "DL02000001", ""),
        (
            payment(detail(euro, "5"), CURRENCY="EUR", **undeposited),
            "BL02000051",
            "Undeposited funds are not allowed for a foreign currency",
        ),
    ):
        told = client.refused(asked)
        assert (told[0], told[1][: len(words)]) == (number, words)
    assert client.fake.paid(invoice) == (Decimal(0), None)
    assert client.fake.payments() == client.fake.applications() == []
    client.do(payment(good, **undeposited))
    client.do(payment(good, CUSTOMERID="", PAYERNAME="Group"))


def test_a_summary_by_hand_wants_a_batch_key() -> None:
    fake = FakeIntacct(summaries_by_hand=True)
    fake.add_customer("Acme", "C-1")
    key = fake.add_invoice("A", "C-1", "9")
    client = Client(fake)
    told = client.refused(payment(detail(key, "5")))
    assert told[1] == "Please provide a payment batch key"
    client.do(payment(detail(key, "5"), PRBATCH="March"))
    fake.make_summaries()
    client.do(payment(detail(key, "4")))


def test_payments_need_not_move_the_invoice(acme: str) -> None:
    fake = FakeIntacct(bump_on_payment=False, bump_on_reversal=False)
    fake.add_customer("Acme", "C-1")
    key = fake.add_invoice("A", "C-1", "9")
    at = fake.invoice(key)["WHENMODIFIED"]
    paid = fake.pay(key, "9", MARCH_5)
    assert fake.invoice(key)["STATE"] == "Paid"
    fake.void_payment(paid)
    assert fake.invoice(key)["STATE"] == "Posted"
    assert fake.invoice(key)["WHENMODIFIED"] == at


def test_a_draft_payment_selects_and_may_be_changed_or_deleted(
    client: Client, invoice: str
) -> None:
    made = client.do(payment(detail(invoice, "70"), ACTION="Draft"))
    key = made.findtext("data/arpymt/RECORDNO") or ""
    row = client.fake.invoice(invoice)
    assert (row["STATE"], row["TRX_TOTALSELECTED"], row["TRX_TOTALDUE"]) == (
        "Selected",
        Decimal(70),
        Decimal(100),
    )
    body = tags({"RECORDNO": key, "DOCNUMBER": "7"})
    fewer = f"<ARPYMTDETAILS><ARPYMTDETAIL>{detail(invoice, '50')}</ARPYMTDETAIL></ARPYMTDETAILS>"
    client.do(update("ARPYMT", body + fewer))
    client.do(update("ARPYMT", tags({"RECORDNO": key, "ACTION": "Submit"})))
    assert client.fake.paid(invoice)[0] == Decimal(50)
    assert [row["STATE"] for row in client.fake.payments()] == ["C"]
    assert client.refused(update("ARPYMT", body))[1].endswith("is not a draft")
    gone = "<delete><object>ARPYMT</object><keys>{}</keys></delete>"
    assert client.refused(gone.format(key))[0] == "BL01001973"
    draft = client.fake.pay(invoice, "5", MARCH_5, draft=True)
    client.do(gone.format(draft))
    assert client.fake.invoice(invoice)["TRX_TOTALSELECTED"] == Decimal(0)


def credit_of(kind: str, fake: FakeIntacct) -> str:
    """Thirty of a credit of some kind; its RECORDNO."""
    match kind:
        case "ADJUSTMENT":
            return fake.add_credit_note("CM-1", "C-1", "30")
        case "POSTEDADVANCE":
            return fake.add_advance("C-1", "30", MARCH_1)
        case "POSTEDOVERPAYMENT":
            other = fake.add_invoice("INV-2", "C-1", "1")
            return fake.pay(other, "1", MARCH_1, over="30")
        case _:
            return fake.add_invoice("INV-3", "C-1", "-30")


@pytest.mark.parametrize(
    ("kind", "key_name"),
    [
        ("ADJUSTMENT", "ADJUSTMENTKEY"),
        ("POSTEDADVANCE", "ADVANCEKEY"),
        ("POSTEDOVERPAYMENT", "OVERPAYMENTKEY"),
        ("NEGATIVEINVOICE", "NEGATIVEINVOICEKEY"),
    ],
)
def test_credits_are_applied_by_the_fields_of_their_kind(
    client: Client, invoice: str, kind: str, key_name: str
) -> None:
    credit, amount_name = credit_of(kind, client.fake), f"TRX_{kind}AMOUNT"

    def part(amount: str, key: str = credit) -> str:
        return tags({"RECORDKEY": invoice, key_name: key, amount_name: amount})

    made = client.do(payment(part("20")))
    key = made.findtext("data/arpymt/RECORDNO") or ""
    own = where("equalto", "PAYMENTKEY", key)
    fields = f"{key_name} {amount_name} TRX_PAYMENTAMOUNT"
    rows = client.query("ARPYMTDETAIL", fields, own)
    assert [list(row.values()) for row in rows] == [[credit, "20", ""]]
    [row] = client.query(
        "ARPYMT", "TRX_TOTALENTERED", where("equalto", "RECORDNO", key)
    )
    assert row == {"TRX_TOTALENTERED": "0"}
    assert client.fake.paid(invoice) == (Decimal(20), None)
    assert client.refused(payment(part("10.01")))[1] == (
        f"The credit with key {credit} is less than what is applied"
    )
    assert "no credit of that kind" in client.refused(payment(part("1", invoice)))[1]
    client.do(payment(part("10")))
    assert client.fake.paid(invoice)[0] == Decimal(30)


def test_an_overpayment_of_the_new_kind_needs_a_location(
    client: Client, invoice: str
) -> None:
    over = {"OVERPAYMENTAMOUNT": "5"}
    told = client.refused(payment(detail(invoice, "100"), **over))[1]
    assert told == "An overpayment needs a location"
    over["OVERPAYMENTLOCATIONID"] = "100"
    client.do(payment(detail(invoice, "100"), **over))
    [row] = client.query("ARPYMT", "TRX_TOTALENTERED TRX_TOTALDUE")
    assert list(row.values()) == ["105", "5"]


def test_inline_credits_settle_lines_and_owe_nothing_less(
    client: Client, acme: str
) -> None:
    key = client.fake.add_invoice("A", acme, lines=["100", "-15"])
    inline = {"RECORDKEY": key, "INLINEKEY": key, "TRX_INLINEAMOUNT": "15"}
    client.do(payment(tags(inline)))
    assert client.fake.invoice(key)["TRX_TOTALDUE"] == Decimal(85)
    client.do(payment(detail(key, "85")))
    assert client.fake.invoice(key)["STATE"] == "Paid"


def test_a_debit_memo_is_paid_by_its_own_fields(client: Client, acme: str) -> None:
    fake = client.fake
    debit = client.key(adjustment("DM-1", "12"))
    credit = fake.add_credit_note("CM-1", acme, "10")
    asked = tags(
        {
            "POSADJKEY": debit,
            "ADJUSTMENTKEY": credit,
            "TRX_ADJUSTMENTAMOUNT": "10",
            "TRX_PAYMENTAMOUNT": "2",
        }
    )
    client.do(payment(asked))
    states = {row["RECORDID"]: row["STATE"] for row in fake.credit_notes()}
    assert states == {"DM-1": "Paid", "CM-1": "Paid"}
    rows = client.query("ARPYMTDETAIL", "RECORDKEY POSADJKEY")
    assert {tuple(row.values()) for row in rows} == {("", debit)}
    assert "no ARINVOICE" in client.refused(payment(detail(debit, "1")))[1]


def test_a_discount_pays_without_money(client: Client, invoice: str) -> None:
    both = detail(
        invoice, "90", TRX_TOTALDISCOUNTTOAPPLY="10", DISCOUNTDATE="03/01/2026"
    )
    assert client.refused(payment(both))[1].startswith("Use either a discount")
    made = client.do(payment(detail(invoice, "90", TRX_TOTALDISCOUNTTOAPPLY="10")))
    assert client.fake.invoice(invoice)["STATE"] == "Paid"
    [row] = client.query("ARPYMT", "TRX_TOTALENTERED")
    assert row["TRX_TOTALENTERED"] == "90"
    client.fake.void_payment(made.findtext("data/arpymt/RECORDNO") or "")
    assert client.fake.invoice(invoice)["TRX_TOTALDUE"] == Decimal(100)


def create_arpayment(amount: str, *items: tuple[str, str], tail: str = "") -> str:
    inside = "".join(
        f"<arpaymentitem>{tags({'invoicekey': key, 'amount': part})}</arpaymentitem>"
        for key, part in items
    )
    return (
        f"<create_arpayment><customerid>C-1</customerid>"
        f"<paymentamount>{amount}</paymentamount><bankaccountid>BOA</bankaccountid>"
        f"<refid>7</refid>{tail}{split('datereceived', MARCH_5)}"
        f"<paymentmethod>EFT</paymentmethod>{inside}</create_arpayment>"
    )


def test_the_old_payment_pays_items_and_keeps_the_rest_as_an_overpayment(
    client: Client, invoice: str
) -> None:
    asked = create_arpayment("120", (invoice, "100"))
    assert client.refused(asked)[1] == (
        "An overpayment needs a location or a department"
    )
    place = "<overpaylocid>100</overpaylocid>"
    key = client.key(create_arpayment("120", (invoice, "100"), tail=place))
    [row] = client.query("ARPYMT", "RECORDNO RECORDTYPE TRX_TOTALDUE DOCNUMBER")
    assert list(row.values()) == [key, "rp", "20", "7"]
    assert client.fake.invoice(invoice)["STATE"] == "Paid"
    told = client.refused(create_arpayment("5", (invoice, "6")))[1]
    assert told == "The amounts applied exceed the payment amount"


def test_unapplied_money_is_an_advance(client: Client, invoice: str) -> None:
    key = client.key(create_arpayment("50"))
    for kind in ("ARADVANCE", "ARPYMT"):
        [row] = client.query(kind, "RECORDNO RECORDTYPE TRX_TOTALDUE")
        assert list(row.values()) == [key, "rr", "50"]
    assert client.fake.paid(invoice)[0] == Decimal(0)
    body = tags({"CUSTOMERID": "C-1", "RECEIPTDATE": "03/05/2026"})
    items = "<ARADVANCEITEM><TRX_AMOUNT>9.18</TRX_AMOUNT></ARADVANCEITEM>"
    more = f"<UNDEPOSITEDACCOUNTNO>1020</UNDEPOSITEDACCOUNTNO><ARADVANCEITEMS>{items}</ARADVANCEITEMS>"
    client.do(create("ARADVANCE", body + more))
    assert len(client.ids("ARADVANCE")) == 2


def test_balance_forward_pays_the_oldest_first() -> None:
    fake = FakeIntacct(balance_forward=True)
    fake.add_customer("Acme", "C-1")
    late = fake.add_invoice("L", "C-1", "60", on=MARCH_5)
    early = fake.add_invoice("E", "C-1", "40", on=MARCH_1)
    Client(fake).do(create_arpayment("50"))
    assert fake.paid(early)[0] == Decimal(40)
    assert fake.paid(late)[0] == Decimal(10)


def apply(source: str, target: str, amount: str) -> str:
    item_ = tags({"invoicekey": target, "amount": amount})
    return (
        f"<apply_arpayment><arpaymentkey>{source}</arpaymentkey>"
        f"{split('paymentdate', MARCH_9)}<memo>m</memo><arpaymentitems>"
        f"<arpaymentitem>{item_}</arpaymentitem></arpaymentitems></apply_arpayment>"
    )


def test_apply_arpayment_takes_any_credit_and_makes_a_record(
    client: Client, invoice: str
) -> None:
    fake = client.fake
    memo = fake.add_credit_note("CM-1", "C-1", "30")
    key = client.key(apply(memo, invoice, "30"))
    assert key not in {memo, invoice}
    assert fake.paid(invoice) == (Decimal(30), None)
    assert fake.credit_notes()[0]["STATE"] == "Paid"
    spent = client.refused(apply(memo, invoice, "1"))[1]
    assert spent == f"The credit with key {memo} is less than what is applied"
    advance = fake.add_advance("C-1", "100", MARCH_1)
    assert client.refused(apply(advance, invoice, "70.01")) == (
        "XL03000027",
        f"The amount paid if greater than the amount due for invoice with key {invoice}",
    )
    client.do(apply(advance, invoice, "70"))
    assert fake.paid(invoice) == (Decimal(100), MARCH_9)
    assert client.refused(apply("7", invoice, "1"))[0] == "BL01001973"
    docid = fake.add_order("S-1", "C-1", "5")
    [row] = client.query("SODOCUMENT", "RECORDNO", where("equalto", "DOCID", docid))
    assert client.refused(apply(memo, row["RECORDNO"], "1"))[0] == "BL01001973"


def reverse_payment(key: str) -> str:
    return (
        f'<reverse_arpayment key="{key}">{split("datereversed", MARCH_9)}'
        "</reverse_arpayment>"
    )


def test_only_the_cash_of_a_payment_is_reversed(client: Client, invoice: str) -> None:
    fake = client.fake
    memo = fake.add_credit_note("CM-1", "C-1", "30")
    credit = tags(
        {"RECORDKEY": invoice, "ADJUSTMENTKEY": memo, "TRX_ADJUSTMENTAMOUNT": "30"}
    )
    made = client.do(payment(detail(invoice, "70"), credit))
    key = made.findtext("data/arpymt/RECORDNO") or ""
    assert fake.invoice(invoice)["STATE"] == "Paid"
    reversal = client.key(reverse_payment(key))
    row = fake.invoice(invoice)
    assert (row["STATE"], row["TRX_TOTALPAID"], row["WHENPAID"]) == (
        "Partially Paid",
        Decimal(30),
        None,
    )
    rows = client.query(
        "ARPYMT",
        "RECORDNO DISPLAYSTATE TRX_TOTALENTERED PARENTPAYMENTKEY",
        orderby=order("RECORDNO"),
    )
    assert [list(each.values()) for each in rows] == [
        [key, "Reversed", "70", ""],
        [reversal, "Reversal", "-70", key],
    ]
    assert client.refused(reverse_payment(key))[0] == "BL01001973"
    fake.remove_allocation(key)
    assert fake.paid(invoice) == (Decimal(0), None)
    assert fake.credit_notes()[0]["TRX_TOTALDUE"] == Decimal(-30)


def test_what_was_only_credit_or_is_used_elsewhere_cannot_be_reversed(
    client: Client, invoice: str
) -> None:
    fake = client.fake
    memo = fake.add_credit_note("CM-1", "C-1", "30")
    applied = fake.allocate(memo, invoice, "30", MARCH_5)
    assert client.refused(reverse_payment(applied))[0] == "BL01001973"
    other = fake.add_invoice("INV-2", "C-1", "10")
    paid = fake.pay(other, "10", MARCH_5, over="20")
    used = fake.allocate(paid, invoice, "20", MARCH_5)
    [row] = [each for each in fake.payments() if each["RECORDNO"] == int(used)]
    assert (row["RECORDTYPE"], row["PARENTPAYMENTKEY"]) == ("ro", int(paid))
    assert "What was left" in client.refused(reverse_payment(paid))[1]
    fake.remove_allocation(used)
    assert client.key(reverse_payment(paid))


def test_a_closed_period_takes_no_payment_and_no_reversal(
    client: Client, invoice: str
) -> None:
    key = client.fake.pay(invoice, "1", MARCH_9)
    client.fake.lock_through(MARCH_9)
    for asked in (payment(detail(invoice, "1")), reverse_payment(key)):
        assert client.refused(asked)[1].endswith("is in a closed period")


# Order entry -----------------------------------------------------------------------------------


def item(quantity: str, price: str) -> str:
    fields = {"itemid": "SRV", "quantity": quantity, "unit": "Each", "price": price}
    return f"<sotransitem>{tags(fields)}</sotransitem>"


def create_order(
    number: str,
    *items: str,
    kind: str = "Sales Invoice",
    origin: str = "",
    tail: str = "",
) -> str:
    return (
        f"<create_sotransaction><transactiontype>{kind}</transactiontype>"
        f"{split('datecreated', MARCH_1)}{origin}<customerid>C-1</customerid>"
        f"<documentno>{number}</documentno>{split('datedue', MARCH_9)}{tail}"
        f"<sotransitems>{''.join(items)}</sotransitems></create_sotransaction>"
    )


def update_order(docid: str, items: str, attributes: str = "") -> str:
    return (
        f'<update_sotransaction key="{docid}"{attributes}><updatesotransitems>'
        f"{items}</updatesotransitems></update_sotransaction>"
    )


def test_an_edit_of_an_order_gives_its_invoice_a_new_record_number(
    client: Client, acme: str
) -> None:
    docid = client.key(create_order("S-1", item("2", "10"), item("1", "5")))
    assert docid == "Sales Invoice-S-1"
    [row] = client.query("SODOCUMENT", "RECORDNO")
    read = tags({"object": "SODOCUMENT", "keys": row["RECORDNO"]})
    names = "DOCID PRRECORDKEY ARINVOICE.RECORDNO STATE TOTAL DOCPARID"
    [row] = client.query("SODOCUMENT", names)
    first = row["PRRECORDKEY"]
    assert list(row.values()) == [docid, first, first, "Pending", "25", "Sales Invoice"]
    made = client.fake.invoice(first)
    assert (made["RECORDID"], made["MODULEKEY"]) == ("S-1", "8.SO")
    found = client.do(f"<read>{read}</read>").findall(
        "data/SODOCUMENT/SODOCUMENTENTRIES/sodocumententry/LINE_NO"
    )
    assert [each.text for each in found] == ["0", "1"]
    items = '<updatesotransitem line_num="1"><price>20</price></updatesotransitem>'
    assert client.key(update_order(docid, items)) == docid
    [row] = client.query("SODOCUMENT", names)
    second = row["PRRECORDKEY"]
    assert second != first
    assert client.ids("ARINVOICE") == [int(second)]
    assert client.fake.invoice(second)["TRX_TOTALENTERED"] == Decimal(45)
    gone = [
        each["OBJECTKEY"]
        for each in client.fake.accesses()
        if (each["OBJECTTYPE"], each["ACCESSMODE"]) == ("arinvoice", "D")
    ]
    assert gone == [first]


def test_an_invoice_born_in_order_entry_is_not_touched_in_receivables(
    client: Client, acme: str
) -> None:
    docid = client.fake.add_order("S-1", acme, "25", external="x-1")
    key = f"{client.fake.orders()[0]['PRRECORDKEY']}"
    for asked in (
        f'<update_invoice key="{key}"><ponumber>P</ponumber></update_invoice>',
        f'<delete_invoice key="{key}"/>',
        f'<reverse_invoice key="{key}">{split("datereversed", MARCH_9)}</reverse_invoice>',
    ):
        assert "order entry record" in client.refused(asked)[1]
    client.fake.pay(key, "5", MARCH_5)
    external = ' externalkey="true"'
    refused = client.refused(update_order("x-1", item("1", "1"), external))
    assert "has payments" in refused[1]
    gone = f'<delete_sotransaction key="{docid}"/>'
    assert "has payments" in client.refused(gone)[1]
    client.fake.void_payment(client.fake.payments()[0]["RECORDNO"])
    client.do(gone)
    assert client.fake.invoices() == client.fake.orders() == []


def test_definitions_decide_what_becomes_of_an_order(client: Client, acme: str) -> None:
    client.do(create_order("SO-1", item("1", "5"), kind="Sales Order"))
    assert client.fake.invoices() == []
    client.do(create_order("CM-1", item("1", "7"), kind="Sales Credit Memo"))
    [memo] = client.fake.credit_notes()
    assert (memo["TRX_TOTALENTERED"], memo["MODULEKEY"]) == (Decimal(-7), "8.SO")
    client.do(create_order("D-1", item("1", "5"), tail="<state>Draft</state>"))
    assert client.fake.invoices() == []
    origin = "<createdfrom>Sales Order-SO-1</createdfrom>"
    client.do(create_order("S-1", item("1", "5"), origin=origin))
    told = client.refused(update_order("Sales Order-SO-1", item("1", "1")))[1]
    assert told == "Sales Order-SO-1 is Converted and cannot be updated"
    assert len(client.by_sql("SODOCUMENT", "STATE = 'C'")) == 1
    twice = client.refused(create_order("S-3", item("1", "5"), origin=origin))[1]
    assert twice == "Sales Order-SO-1 cannot be converted"
    again = create_order("S-1", item("1", "5"))
    assert "already exists" in client.refused(again)[1]
    other = create_order("S-2", item("1", "5"), kind="Song")
    assert (
        client.refused(other)[1] == "Invalid Transaction Definition 'Song' specified."
    )


# Repeats and transactions ------------------------------------------------------------------------


def test_a_control_id_that_was_completed_is_refused_unless_asked_not_to(
    client: Client, acme: str
) -> None:
    once = {"uniqueid": "true"}
    asked = "pay-1|" + create_invoice("A", line("5"))
    [first] = client.results(asked, control=once)
    assert first.findtext("status") == "success"
    [second] = client.results(asked, control=once)
    assert errors(second) == [
        ("BL01001973", "The function with controlid pay-1 was already executed")
    ]
    # It is the id that counts, and not what is asked.
    [other] = client.results("pay-1|" + query("CUSTOMER", "NAME"), control=once)
    assert other.findtext("status") == "failure"
    [free] = client.results(asked)
    assert "already exists" in errors(free)[0][1]
    assert len(client.fake.invoices()) == 1


def test_what_failed_may_be_tried_again_under_its_control_id(
    client: Client, acme: str
) -> None:
    once = {"uniqueid": "true"}
    asked = "a|" + create_invoice("A", line("5"))
    for closed, status in ((True, "failure"), (False, "success")):
        client.fake.lock_through(MARCH_1 if closed else None)
        [result] = client.results(asked, control=once)
        assert result.findtext("status") == status


def test_unique_is_the_default_and_lasts_as_long_as_the_company_remembers() -> None:
    fake = FakeIntacct(controlid_seconds=60)
    client = Client(fake)
    silent = {"uniqueid": ""}
    asked = "a|" + query("CUSTOMER", "NAME")
    [first] = client.results(asked, control=silent)
    [second] = client.results(asked, control=silent)
    assert [each.findtext("status") for each in (first, second)] == [
        "success",
        "failure",
    ]
    fake.advance(61)
    [third] = client.results(asked, control=silent)
    assert third.findtext("status") == "success"


def test_functions_are_independent_unless_they_are_one_transaction(
    client: Client, acme: str
) -> None:
    functions = (
        "a|" + create_invoice("A", line("5")),
        "b|" + create_invoice("B", line("5"), customer="C-9"),
        "c|" + create_invoice("C", line("5")),
    )
    rolled = client.results(
        *functions, transaction="true", control={"uniqueid": "true"}
    )
    assert [each.findtext("status") for each in rolled] == [
        "aborted",
        "failure",
        "aborted",
    ]
    assert [errors(each)[0][0] for each in rolled] == [
        "XL03000009",
        "BL01001973",
        "XL03000009",
    ]
    assert client.fake.invoices() == []
    assert client.fake.accesses()[-1]["OBJECTTYPE"] == "customer"
    done = client.results(*functions, control={"uniqueid": "true"})
    assert [each.findtext("status") for each in done] == [
        "success",
        "failure",
        "success",
    ]
    assert [each.findtext("controlid") for each in done] == ["a", "b", "c"]
    assert [row["RECORDID"] for row in client.fake.invoices()] == ["A", "C"]


# Trouble -----------------------------------------------------------------------------------------


def test_a_lost_answer_was_carried_out(client: Client, acme: str) -> None:
    client.fake.lose()
    with pytest.raises(Fault) as caught:
        client.send(create_invoice("A", line("5")))
    assert (caught.value.code, caught.value.fate) == (Code.ANSWER_LOST, Fate.UNCLEAR)
    assert len(client.fake.invoices()) == 1


def test_an_edge_that_gave_up_may_have_left_the_work_done(
    client: Client, acme: str
) -> None:
    client.fake.fail(status=524, after=True, of="create_invoice")
    assert client.query("CUSTOMER", "NAME") == [{"NAME": "Acme"}]
    assert client.send(create_invoice("A", line("5"))).status == 524
    client.fake.fail(status=502)
    assert client.send(create_invoice("B", line("5"))).status == 502
    assert [row["RECORDID"] for row in client.fake.invoices()] == ["A"]


def test_the_gateway_refuses_in_several_ways_without_an_operation(
    client: Client,
) -> None:
    fake, asked = client.fake, query("CUSTOMER", "NAME")
    fake.throttle(retry_after=7)
    fake.crowd()
    fake.reject()
    fake.go_offline()
    answers = [client.send(asked) for _ in range(4)]
    assert [each.status for each in answers] == [429, 200, 400, 200]
    assert answers[0].header("Retry-After") == "7"
    assert [errors(xml(each))[0][0] for each in answers] == [
        "GW-0010",
        "XMLGW_JPP0001",
        "GW-0011",
        "XL03000000",
    ]
    assert "Temporarily Off-line" in answers[3].text()
    assert all(xml(each).find("operation") is None for each in answers)
    assert client.query("CUSTOMER", "NAME") == []


def test_some_replies_are_no_xml(client: Client, acme: str) -> None:
    fake = client.fake
    fake.garble()
    page = client.send(create_invoice("A", line("5")))
    assert (page.status, page.body[:15]) == (200, b"<!DOCTYPE html>")
    assert fake.invoices() == []
    fake.truncate()
    cut = client.send(create_invoice("A", line("5")))
    with pytest.raises(ET.ParseError):
        xml(cut)
    assert len(fake.invoices()) == 1


def test_trouble_spares_the_sign_in_unless_it_is_meant(fake: FakeIntacct) -> None:
    fake.fail(2)
    client = Client(fake)
    assert client.send(query("CUSTOMER", "NAME")).status == 500
    assert client.send(query("CUSTOMER", "NAME")).status == 500
    fake.crowd(of="getAPISession")
    answer = xml(fake.send(request(SESSION), 30))
    assert errors(answer)[0][0] == "XMLGW_JPP0001"


def test_a_function_may_fail_for_no_reason_that_is_told(client: Client) -> None:
    client.fake.hiccup(of="query AUDITHISTORY")
    asked = query("AUDITHISTORY", "ID")
    assert client.query("CUSTOMER", "NAME") == []
    assert client.refused(asked)[0] == "DL02000001"
    assert client.query("AUDITHISTORY", "ID") == []


def test_a_function_may_be_refused_in_the_words_of_a_test(client: Client) -> None:
    client.fake.refuse("BL01001973", "The moon is in the wrong phase", of="query AUDIT")
    asked = query("AUDITHISTORY", "ID")
    assert client.refused(asked) == ("BL01001973", "The moon is in the wrong phase")
    assert client.query("AUDITHISTORY", "ID") == []


def test_a_missing_permission_names_the_object(client: Client) -> None:
    client.fake.deny("AUDITHISTORY")
    told = client.refused(query("AUDITHISTORY", "ID"))[1]
    assert told == (
        "You do not have permission for API operation QUERY on objects of type AUDITHISTORY"
    )
    client.fake.deny("create_invoice")
    told = client.refused(create_invoice("A", line("5")))[1]
    assert told.startswith("You do not have permission for API")
    assert client.query("ARINVOICE", "RECORDNO") == []
    client.fake.allow("AUDITHISTORY")
    assert client.query("AUDITHISTORY", "ID") == []


def test_a_company_has_one_job_at_a_time() -> None:
    inside, leave = threading.Event(), threading.Event()

    def now() -> datetime:
        if threading.current_thread().name != "MainThread":
            inside.set()
            leave.wait(5)
        return datetime(2026, 3, 1, tzinfo=UTC)

    fake = FakeIntacct(now=now, jobs_at_once=1)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(fake.send, request(SESSION), 30)
        assert inside.wait(5)
        waiting = pool.submit(fake.send, request(SESSION), 30)
        while fake._inside < 2 and not waiting.done():
            time.sleep(0.001)
        leave.set()
        assert xml(slow.result()).findtext("operation/result/status") == "success"
        assert errors(xml(waiting.result()))[0][0] == "XMLGW_JPP0001"


def test_threads_share_one_set_of_books(client: Client, acme: str) -> None:
    asked = [create_invoice(f"I-{n}", line("5")) for n in range(20)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(client.send, asked))
    assert all(each.status == 200 for each in answers)
    assert len(client.ids("ARINVOICE")) == 20


# The test's own methods ----------------------------------------------------------------------------


def test_what_was_asked_is_counted(client: Client, acme: str) -> None:
    client.send(query("ARINVOICE", "RECORDNO"), create_invoice("A", line("5")))
    client.send(payment(detail("1", "1")))
    client.send("<lookup><object>CUSTOMER</object></lookup>")
    fake = client.fake
    assert (fake.requests, fake.writes) == (4, 2)
    assert fake.calls == {
        "getAPISession": 1,
        "query ARINVOICE": 1,
        "create_invoice": 1,
        "create ARPYMT": 1,
        "lookup CUSTOMER": 1,
    }


def test_the_bookkeeper_edits_and_looks(fake: FakeIntacct, acme: str) -> None:
    key = fake.add_invoice("A", acme, "100", status="Draft")
    fake.post_invoice(key)
    fake.edit_invoice(key, RECORDID="A-2", WHENDUE=MARCH_9, total="80.10")
    row = fake.invoice(key)
    assert (row["RECORDID"], row["WHENDUE"]) == ("A-2", MARCH_9)
    assert row["TRX_TOTALENTERED"] == Decimal("80.10")
    docid = fake.add_order("S-1", acme, "5", reference="P")
    record = fake.edit_order(docid, PONUMBER="Q", total="6")
    assert record is not None
    made = fake.invoice(record)
    assert (made["DOCNUMBER"], made["TRX_TOTALENTERED"]) == ("Q", Decimal(6))
    fake.delete_order(docid)
    with pytest.raises(KeyError):
        fake.invoice(record)
    draft = fake.pay(key, "5", MARCH_5, draft=True)
    fake.delete_payment(draft)
    assert fake.payments() == []
    assert {row["SOURCE"] for row in fake.accesses()} == {"ui"}
    with pytest.raises(TypeError):
        fake.pay(key, 5.0, MARCH_5)  # type: ignore[arg-type]
    with pytest.raises(Refusal):
        fake.pay(key, "500", MARCH_5)


def test_the_own_clock_moves_with_changes_alone(client: Client, acme: str) -> None:
    fake = client.fake
    at = fake.time()
    client.query("CUSTOMER", "NAME")
    assert fake.time() == at
    fake.add_invoice("A", acme, "5")
    assert fake.time() == at + timedelta(seconds=1)
    fake.advance(3600)
    assert fake.time() == at + timedelta(seconds=3601)


@pytest.fixture(autouse=True)
def closed(fake: FakeIntacct) -> Iterator[None]:
    yield
    fake.close()
