"""Sage Intacct: signing in, judging and reading, with flows that are driven by hand."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from intacct_wire import (
    CONNECTION,
    DATE,
    answer,
    drive,
    error,
    failure,
    fields,
    functions,
    has,
    intacct,
    page,
    query,
    refused,
    result,
    written,
)

from tieout.auth import Grant
from tieout.capabilities import (
    Blind,
    Changed,
    Dated,
    Everything,
    Feed,
    Open,
    Select,
    Unposted,
    Verb,
)
from tieout.connector import Page
from tieout.connectors.intacct import Intacct
from tieout.connectors.intacct.xml import Element, elements
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.models import (
    Application,
    Basis,
    CreditNote,
    Customer,
    Invoice,
    Part,
    Payment,
    Posting,
    Ref,
    Settlement,
    Status,
)
from tieout.wire import Answer, Request, Response

NOTHING, TEN, FORTY, SIXTY, HUNDRED = map(Decimal, (0, 10, 40, 60, 100))
SINCE = datetime(2026, 3, 10, 9, 30, 15, 999, tzinfo=UTC)
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
CHANGED, ALL = Changed(SINCE), Everything()
ALWAYS = "<greaterthan><field>RECORDNO</field><value>0</value></greaterthan>"


def bill(**more: Any) -> dict[str, Any]:
    """An invoice of 100, paid by nothing yet."""
    return {
        "RECORDNO": "101",
        "RECORDID": " INV-1\n",
        "CUSTOMERID": "C1",
        "STATE": "Posted",
        "DOCNUMBER": "PO 7",
        "MODULEKEY": "4.AR",
        "CURRENCY": "USD",
        "BASECURR": "USD",
        "TRX_TOTALENTERED": "100.00",
        "TRX_TOTALDUE": "100",
        "TOTALENTERED": "100",
        "TOTALDUE": "100",
        "WHENCREATED": "03/08/2026",
        "WHENDUE": "04/08/2026",
        "WHENPAID": "",
        "WHENMODIFIED": "2026-03-10 20:02:58",
        **more,
    }


def detail(number: str, amount: str | None = None, **more: Any) -> dict[str, Any]:
    """What payment 201 put to invoice 101."""
    return {
        "RECORDNO": number,
        "PAYMENTKEY": "201",
        "RECORDKEY": "101",
        "TRX_PAYMENTAMOUNT": amount,
        **more,
    }


def receipt(**more: Any) -> dict[str, Any]:
    """A payment of 60."""
    return {
        "RECORDNO": "201",
        "RECORDTYPE": "rp",
        "STATE": "C",
        "PAYMENTMETHOD": "EFT",
        "CUSTOMERID": "C1",
        "DOCNUMBER": "wire 1",
        "RECEIPTDATE": "03/11/2026",
        "WHENPAID": "",
        "WHENCREATED": "03/12/2026",
        "WHENMODIFIED": "03/12/2026 08:00:00",
        "CURRENCY": "USD",
        "BASECURR": "USD",
        "TRX_TOTALENTERED": "60",
        "FINANCIALENTITY": "BOA",
        "UNDEPOSITEDACCOUNTNO": "",
        "PARENTPAYMENTKEY": "",
        "RECORD_URL": "https://www.intacct.com/ia/acct/ur.phtml?.r=x1",
        **more,
    }


def memo(**more: Any) -> dict[str, Any]:
    """A credit memo of 40."""
    return bill(
        **{
            "RECORDNO": "301",
            "RECORDID": "CM-1",
            "DOCNUMBER": "TO-ABCDEFGHIJKLM",
            "TRX_TOTALENTERED": "-40",
            "TRX_TOTALDUE": "-40",
            **more,
        }
    )


def listed(name: str, *rows: Mapping[str, Any]) -> str:
    return result(f"{name}.0", *rows, of=name.replace(" ", ""))


def levels(*rows: Mapping[str, Any], **options: Any) -> Page[Settlement]:
    """A page of levels of which nothing is paid."""
    return drive(intacct(**options).page(Settlement, ALL), page(*rows))[1]


def level(row: Mapping[str, Any], *details: Any, payments: Any = ()) -> Settlement:
    """One level with what was put to it."""
    answers = [page(row), answer(listed("details", *details))]
    if details:
        answers.append(answer(listed("payments", *payments)))
    told = drive(intacct().page(Settlement, ALL), *answers)[1]
    assert told.issues == ()
    return told.records[0]


def paid(**more: Any) -> dict[str, Any]:
    told = {"STATE": "Paid", "TRX_TOTALDUE": "0", "WHENPAID": "03/12/2026"}
    return bill(**{**told, **more})


def part_paid(due: str = "40", **more: Any) -> dict[str, Any]:
    return bill(STATE="Partially Paid", TRX_TOTALDUE=due, **more)


# XML ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["a&b", "<x>", "]]>", '"', "'", "é ß 日 😀", "a\rb", " x "]
)
def test_whatever_stands_in_a_text_comes_back_as_it_was(text: str) -> None:
    """Escaped as XML wants it, in a content and in an attribute alike."""
    body = Element("query", [Element("value", text)], {"key": text}).text()
    content = f'<function controlid="a">{body}</function>'.encode()
    found = functions(Request("POST", "", content=content))["a"]
    assert found.findtext("value") == text
    assert found.attrib["key"] == text


@pytest.mark.parametrize("text", ["\x00", "a\x0b", "\x1b[31m", "\ufffe", "\ud800"])
def test_what_xml_cannot_hold_is_refused(text: str) -> None:
    """A control character is an issue on its record, never half a document."""
    with pytest.raises(Fault) as caught:
        Element("value", text).text()
    assert caught.value.code is Code.NOT_ALLOWED
    with pytest.raises(Fault):
        Element("function", "", {"controlid": text}).text()


def test_amounts_are_written_digit_by_digit() -> None:
    assert Element("a", Decimal("1E+3")).text() == "<a>1000</a>"
    assert elements(("a", ""), ("b", None), ("c", []), ("d", "0")) == [
        Element("d", "0")
    ]


DTD = b'<!DOCTYPE r [<!ENTITY a "b">]><response><control>&a;</control></response>'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html><body>Sign in</body></html>",
        b"<response><operation>",
        DTD,
        b'<?xml version="1.0" encoding="nonsense"?><response/>',
        b"<response>" + b"<a>" * 50 + b"</a>" * 50 + b"</response>",
    ],
)
def test_what_is_no_answer_proves_nothing(body: bytes) -> None:
    """Pages for people, half an answer, entities: a read is asked again, a write unknown."""
    verdict = intacct().judge(Response(200, {}, body))
    assert (verdict.answer, verdict.code) == (Answer.UNCLEAR, Code.BAD_PAYLOAD)


def test_a_page_that_asks_for_patience_is_an_outage() -> None:
    """It says 200 and is no answer: a write may have been carried out."""
    told = Response(200, {}, b"<html><p>Please try again later</p></html>")
    verdict = intacct().judge(told)
    assert (verdict.answer, verdict.code) == (Answer.UNCLEAR, Code.SERVER_ERROR)


def test_a_row_that_is_nested_too_deeply_is_no_row() -> None:
    deep: dict[str, Any] = {"A": "1"}
    for _ in range(50):
        deep = {"A": deep}
    verdict = intacct().judge(page(deep))
    assert (verdict.answer, verdict.code) == (Answer.UNCLEAR, Code.BAD_PAYLOAD)


def test_without_its_parser_the_connector_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name.startswith("defusedxml"):
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install tieout\[intacct\]"):
        intacct()


# Signing in -----------------------------------------------------------------------------


def session(**more: str) -> Response:
    """The answer to a sign-in; the session lasts an hour."""
    told = {
        "companyid": "acme",
        "sessiontimestamp": "2026-03-20T11:00:00-01:00",
        "sessiontimeout": "2026-03-20T12:00:00-01:00",
        "sessionid": "s-e-c-r-e-t",
        "endpoint": "https://api-p301.intacct.com/ia/xml/xmlgw.phtml",
        "locationid": "",
        **more,
    }
    names = ("companyid", "sessiontimestamp", "sessiontimeout")
    signed = "".join(f"<{name}>{told.pop(name)}</{name}>" for name in names)
    body = (
        "<response><control><status>success</status></control><operation>"
        f"<authentication><status>success</status>{signed}</authentication>"
        "<result><status>success</status><function>getAPISession</function>"
        f"<controlid>login</controlid><data><api>{fields(told)}</api></data></result>"
        "</operation></response>"
    )
    return Response(200, {}, body)


def signed_in(connector: Intacct, response: Response) -> tuple[Request, Grant]:
    auth = connector.auth
    (asked,), grant = drive(auth.renew(auth.first(), NOW), response)
    return asked, grant


def test_the_first_grant_is_not_signed_in_and_shows_no_secret() -> None:
    auth = intacct().auth
    grant = auth.first()
    assert not grant.signed_in
    assert grant.base_url == "https://api.intacct.com/ia/xml/xmlgw.phtml"
    assert "hush" not in f"{auth!r}{grant!r}"
    assert auth.first() != intacct(password="another").auth.first()
    with pytest.raises(Fault) as caught:
        auth.sign(Request("POST", ""), grant)
    assert (caught.value.code, caught.value.fate) == (
        Code.SIGN_IN_REFUSED,
        Fate.NOT_SENT,
    )


def test_a_sign_in_is_alone_in_its_request_and_tells_where_to_call() -> None:
    """All later calls go to the endpoint that it names, until its session ends."""
    asked, grant = signed_in(intacct(locationid="100"), session())
    assert (asked.method, asked.url) == (
        "POST",
        "https://api.intacct.com/ia/xml/xmlgw.phtml",
    )
    assert asked.header("Content-Type") == "application/xml"
    assert not asked.effect
    text = asked.body().decode()
    assert "<senderid>sender</senderid><password>hush-more</password>" in text
    assert (
        "<login><userid>billing</userid><companyid>acme</companyid>"
        "<password>hush-hush</password><locationid>100</locationid></login>" in text
    )
    assert text.count("<function ") == 1
    assert '<operation transaction="false">' in text
    assert "<uniqueid>false</uniqueid>" in text
    assert grant.base_url == "https://api-p301.intacct.com/ia/xml/xmlgw.phtml"
    assert grant.values == {"session": "s-e-c-r-e-t"}
    assert grant.previous == {}
    assert grant.hosts == ("https://api.intacct.com",)
    assert grant.expires_at == NOW + timedelta(minutes=59)
    assert "<locationid>" not in signed_in(intacct(), session())[0].body().decode()


def test_a_request_holds_functions_and_the_signature_all_the_rest() -> None:
    """No secret is in what a flow asks for; the inner header never leaves."""
    connector = intacct()
    (asked,), _ = drive(connector.page(Settlement, ALL), page())
    assert b"hush" not in asked.body()
    grant = signed_in(connector, session())[1]
    signed = connector.auth.sign(asked, grant)
    text = signed.body().decode()
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?><request><control>')
    assert "<authentication><sessionid>s-e-c-r-e-t</sessionid></authentication>" in text
    assert f"<content>{asked.body().decode()}</content>" in text
    assert "<uniqueid>false</uniqueid>" in text
    assert dict(signed.headers) == {
        "Content-Type": "application/xml",
        "Accept": "application/xml",
    }
    unique = evolve(asked, headers={"Tieout-Unique": "true"}, effect=True)
    signed = connector.auth.sign(unique, grant)
    assert b"<uniqueid>true</uniqueid>" in signed.body()
    assert signed.header("Tieout-Unique") is None


@pytest.mark.parametrize(
    ("times", "expires"),
    [
        # By the lifetime, whatever the two clocks say; half of a very short one.
        (
            ("2031-01-01T00:00:00Z", "2031-01-01T12:00:00Z"),
            timedelta(hours=11, minutes=59),
        ),
        (("2026-03-20T12:00:00Z", "2026-03-20T12:01:00Z"), timedelta(seconds=30)),
        (("2026-03-20T12:00:00Z", "2026-03-20T11:00:00Z"), timedelta(0)),
        # Without its beginning, by the other side's clock.
        (("", "2026-03-20T14:00:00+01:00"), timedelta(hours=1)),
        (("2026-03-20T12:00:00Z", ""), None),
        (("yesterday", "tomorrow"), None),
    ],
)
def test_a_session_ends_when_its_answer_says(
    times: tuple[str, str], expires: timedelta | None
) -> None:
    """It is read, never hard-coded: companies set it."""
    told = session(sessiontimestamp=times[0], sessiontimeout=times[1])
    grant = signed_in(intacct(), told)[1]
    assert grant.expires_at == (NOW + expires if expires is not None else None)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://intacct.com.evil.example/ia/xml/xmlgw.phtml",
        "https://evilintacct.com/ia/xml/xmlgw.phtml",
        "http://api.intacct.com/ia/xml/xmlgw.phtml",
        "https://api.intacct.com:8443/ia/xml/xmlgw.phtml",
        "https://user@p3.intacct.com/ia/xml/xmlgw.phtml",
        "javascript:alert(1)",
    ],
)
def test_an_endpoint_elsewhere_is_not_followed(endpoint: str) -> None:
    """The session, and the sender's password, go to the vendor or nowhere."""
    with pytest.raises(Fault) as caught:
        signed_in(intacct(), session(endpoint=endpoint))
    assert caught.value.code is Code.FOREIGN_LINK


def test_the_configured_host_may_be_the_endpoint_and_none_means_it() -> None:
    url = "http://localhost:8080/gateway"
    for endpoint in (f"{url}/2", ""):
        _, grant = signed_in(intacct(url=url), session(endpoint=endpoint))
        assert grant.base_url == (endpoint or url)


@pytest.mark.parametrize(
    ("told", "options"),
    [({"companyid": "other"}, {}), ({"locationid": "200"}, {"locationid": "100"})],
)
def test_a_session_of_another_company_or_entity_is_refused(
    told: dict[str, str], options: dict[str, str]
) -> None:
    with pytest.raises(Fault) as caught:
        signed_in(intacct(**options), session(**told))
    assert caught.value.code is Code.WRONG_COMPANY


def test_companies_are_named_without_regard_to_case() -> None:
    assert signed_in(intacct(), session(companyid="ACME"))[1].signed_in


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (refused(error("XL03000006", "Sign-in information is incorrect")), Code.SIGN_IN_REFUSED),
        (refused(error("XL03000006", "Invalid Web Services Authorization hush-more")), Code.PERMISSION_MISSING),
        (refused(error("XMLGW_JPP0001", "Too many"), level="gate"), Code.TOO_MANY_REQUESTS),
        (Response(401, {}, b""), Code.SIGN_IN_REFUSED),
        (session(sessionid=""), Code.BAD_PAYLOAD),
        (answer(), Code.BAD_PAYLOAD),
        (answer(result("another")), Code.BAD_PAYLOAD),
    ],
)  # fmt: skip
def test_a_sign_in_that_fails_says_why_without_a_password(
    response: Response, code: Code
) -> None:
    with pytest.raises(Fault) as caught:
        signed_in(intacct(), response)
    assert caught.value.code is code
    assert "hush" not in caught.value.text


# Judging --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "text", "answered", "code", "remedy"),
    [
        ("XL03000006", "Invalid session: it has timed out", Answer.SIGN_IN, Code.SIGN_IN_REFUSED, "session"),
        ("XL03000006", "Sign-in information is incorrect", Answer.REFUSED, Code.SIGN_IN_REFUSED, "password"),
        ("XL03000006", "Invalid Web Services Authorization. The sender id x", Answer.REFUSED, Code.PERMISSION_MISSING, "sender id"),
        ("XL03000006", "the field cannot be queried: [arinvoice: [NOPE, X]]", Answer.REFUSED, Code.BAD_FIELD, "without="),
        ("XL03000010", "Field requested is not valid: arinvoice.NOPE", Answer.REFUSED, Code.BAD_FIELD, "without="),
        ("Query Failed", "Invalid fields list NOPE", Answer.REFUSED, Code.BAD_FIELD, "without="),
        ("XMLGW_JPP0002", "x", Answer.REFUSED, Code.SIGN_IN_REFUSED, "password"),
        ("UJPP0002", "x", Answer.REFUSED, Code.SIGN_IN_REFUSED, "password"),
        ("PL04000055", "x", Answer.REFUSED, Code.SIGN_IN_REFUSED, "expired"),
        ("XMLGW_JPP0001", "Too many operations", Answer.WAIT, Code.TOO_MANY_REQUESTS, ""),
        ("", "You do not have permission for API operation", Answer.REFUSED, Code.PERMISSION_MISSING, "permission"),
        ("DL02000001", "There was an error processing the request", Answer.REFUSED, Code.BAD_FIELD, "field"),
        ("BL02000051", "Undeposited funds", Answer.REFUSED, Code.NOT_ALLOWED, "deposit_accounts"),
        ("BL1", "Please provide a payment batch key.", Answer.REFUSED, Code.NOT_ALLOWED, "summary frequency"),
        ("BL1", "A transaction with the number 'INV-1' already exists.", Answer.REFUSED, Code.DUPLICATE_NUMBER, "unique number"),
        ("BL34000061", "Another Customer with the given value(s) C1", Answer.REFUSED, Code.DUPLICATE_NUMBER, "link it"),
        ("PL05000104", "x", Answer.REFUSED, Code.DUPLICATE_NUMBER, "link it"),
        ("XL03000027", "The amount paid if greater than the amount due", Answer.REFUSED, Code.REFUSED, "owes less"),
        ("BL01001973", "Invalid Location '9' specified.", Answer.REFUSED, Code.REFUSED, "mapping"),
        ("BL01001973", "Nobody knows this", Answer.REFUSED, Code.UNKNOWN_ERROR, ""),
        ("BL1", "The period is closed", Answer.REFUSED, Code.LOCKED_PERIOD, "period"),
        ("XL03000003", "XML Parse schema error", Answer.REFUSED, Code.UNKNOWN_ERROR, "report"),
        ("XL03000009", "The transaction was rolled back", Answer.REFUSED, Code.WAITS, "see to that one"),
        ("x", "The Service is Temporarily Off-line", Answer.UNCLEAR, Code.SERVER_ERROR, ""),
        ("BL1", "There is no ARINVOICE with key '9'", Answer.REFUSED, Code.NO_SUCH_RESOURCE, "deleted"),
        ("BL1", "The function with controlid c-1 was already executed", Answer.UNCLEAR, Code.OUTCOME_UNKNOWN, ""),
    ],
)  # fmt: skip
def test_errors_are_dispatched_on_their_number_and_their_text(
    number: str, text: str, answered: Answer, code: Code, remedy: str
) -> None:
    """At each of the three levels; one number has several meanings."""
    told = error(number, text)
    for response in (
        refused(told, level="gate"),
        refused(told),
        answer(failure("c-1", told, function="create_invoice")),
    ):
        verdict = intacct().judge(response)
        assert (verdict.answer, verdict.code) == (answered, code)
        assert remedy in verdict.remedy
        assert text in verdict.text


@pytest.mark.parametrize(
    ("status", "number", "answered", "code"),
    [
        (429, "GW-0010", Answer.WAIT, Code.TOO_MANY_REQUESTS),
        (400, "GW-0010", Answer.WAIT, Code.TOO_MANY_REQUESTS),
        (400, "GW-0011", Answer.REFUSED, Code.SIGN_IN_REFUSED),
        (400, "XMLGW_JPP0001", Answer.WAIT, Code.TOO_MANY_REQUESTS),
        (500, "XMLGW_JPP0001", Answer.WAIT, Code.TOO_MANY_REQUESTS),
        (503, "XMLGW_JPP0001", Answer.WAIT, Code.TOO_MANY_REQUESTS),
        (503, "something", Answer.UNCLEAR, Code.SERVER_ERROR),
        (502, "BL34000061", Answer.UNCLEAR, Code.SERVER_ERROR),
        (401, "something", Answer.SIGN_IN, Code.SIGN_IN_REFUSED),
        (524, "", Answer.UNCLEAR, Code.SERVER_ERROR),
        (403, "something", Answer.REFUSED, Code.PERMISSION_MISSING),
    ],
)
def test_what_other_statuses_mean(
    status: int, number: str, answered: Answer, code: Code
) -> None:
    """524 is the edge's: Intacct goes on working, and nothing is certain."""
    after = {"Retry_After": "7"} if status == 429 else {}
    headers = {name.replace("_", "-"): value for name, value in after.items()}
    told = refused(error(number, "words"), level="gate", status=status, **headers)
    for response in (told, Response(status, headers, b"<html>edge</html>")):
        verdict = intacct().judge(response)
        if response is told or number in ("", "something"):
            assert (verdict.answer, verdict.code) == (answered, code)
    assert intacct().judge(told).wait == (7.0 if after else None)


def test_the_most_specific_of_several_errors_decides_and_all_are_kept() -> None:
    """What is vague comes last, wherever it stands; support ids make no difference."""
    support = " [Support ID: 1gWOhWHDm%7EXq2LpP0y6m-Q0yQ]"
    told = refused(
        error("DL02000001", f"There was an error{support}"),
        error("BL02000051", f"Undeposited funds{support}", "No.", "Use a bank."),
        error("BL01001973", "Could not create Arpymt record."),
    )
    verdict = intacct().judge(told)
    assert verdict.code is Code.NOT_ALLOWED
    assert verdict.text == (
        "DL02000001 There was an error; BL02000051 No. Undeposited funds Use a bank.; "
        "BL01001973 Could not create Arpymt record."
    )


@pytest.mark.parametrize(
    ("number", "text", "field"),
    [
        ("XL03000010", "Field requested is not valid: gldetail.STATUS", "gldetail.STATUS"),
        ("XL03000006", "x cannot be queried: [apbill: [PAYTOCONTACTNAME]]", "PAYTOCONTACTNAME"),
        ("Query Failed", "Invalid fields list NOPE", "NOPE"),
        ("DL02000001", "There was an error", ""),
    ],
)  # fmt: skip
def test_a_field_at_fault_is_named_where_it_is_told(
    number: str, text: str, field: str
) -> None:
    assert intacct().judge(refused(error(number, text))).field == field


def test_what_an_answer_says_is_told_by_the_error_that_decides() -> None:
    """A table of rules can be looked at without a session."""
    told = refused(
        error("DL02000001", "There was an error"), error("BL02000051", "hush-more")
    )
    assert intacct().explain(told) == ("BL02000051", "BL02000051 ***")
    assert intacct().explain(refused(error("X", "odd"))) == ("X", "X odd")
    assert intacct().explain(answer()) == ("", "")
    assert intacct().explain(Response(503, {}, b"<p>Please</p> wait")) == (
        "",
        "Please wait",
    )


def test_an_unknown_error_is_kept_word_for_word_without_secrets() -> None:
    verdict = intacct().judge(refused(error("XX1", "Odd: hush-more, a@b.example")))
    assert verdict.code is Code.UNKNOWN_ERROR
    assert verdict.text == "XX1 Odd: ***, ***@***"


def test_a_failure_without_words_is_not_taken_for_success() -> None:
    silent = intacct().judge(refused())
    assert (silent.answer, silent.text) == (Answer.REFUSED, "the sign-in failed")
    silent = intacct().judge(refused(level="gate"))
    assert silent.text == "the request failed"
    silent = intacct().judge(answer(failure("a")))
    assert (silent.answer, silent.code) == (Answer.UNCLEAR, Code.UNKNOWN_ERROR)
    assert intacct().judge(answer()).code is Code.BAD_PAYLOAD


def test_an_answer_is_judged_by_what_its_functions_did() -> None:
    """Good if a write was carried out; reads are good if all are."""
    done = result("a", function="create_invoice")
    failed = failure("b", error("BL34000061", "x"), function="create")
    looked = result("c")
    denied = failure("d", error("", "You do not have permission"))
    judge = intacct().judge
    assert judge(answer(done, failed, denied)).answer is Answer.OK
    assert judge(answer(failed, looked)).code is Code.DUPLICATE_NUMBER
    assert judge(answer(looked, denied)).code is Code.PERMISSION_MISSING
    unclear = failure("e", error("x", "try: Please Try Again Later"), function="create")
    assert judge(answer(failed, unclear)).answer is Answer.UNCLEAR


def test_a_field_that_a_company_lacks_is_named_by_the_objects_own_description() -> None:
    """B107d, B161: the catch-all says nothing; a lookup is asked once, on failure only."""
    vague = answer(failure("page", error("DL02000001", "There was an error")))
    described = {"Type": {"Fields": {"Field": [{"ID": "RECORDNO"}, {"ID": "STATE"}]}}}
    lookup = answer(result("ARINVOICE", {"x": described}, function="lookup", of="data"))
    flow = intacct(extra_fields={"ARINVOICE": ["CUSTOM"]}).page(Settlement, ALL)
    asked = next(flow)
    assert isinstance(asked, Request)
    looked = flow.send(vague)
    assert isinstance(looked, Request)
    assert written(functions(looked)["ARINVOICE"]) == (
        "<lookup><object>ARINVOICE</object></lookup>"
    )
    with pytest.raises(Fault) as caught:
        flow.send(lookup)
    assert caught.value.code is Code.BAD_FIELD
    assert "ARINVOICE.CUSTOM" in caught.value.text
    assert caught.value.field == "ARINVOICE.RECORDID"


@pytest.mark.parametrize("look_up", [True, False])
def test_a_bad_moment_of_the_database_is_asked_once_more(look_up: bool) -> None:
    """One retry at most; where a lookup tells nothing it stays at that."""
    vague = answer(failure("page", error("DL02000001", "There was an error")))
    silent = [refused(error("", "No lookup"))] if look_up else []
    connector = intacct(look_up=look_up)
    _, told = drive(connector.page(Settlement, ALL), vague, *silent, page(bill()))
    assert len(told.records) == 1
    with pytest.raises(Fault, match="DL02000001"):
        drive(connector.page(Settlement, ALL), vague, *silent, vague)


# An invoice's money ---------------------------------------------------------------------


def test_a_level_of_which_nothing_is_paid() -> None:
    told = levels(bill())
    assert told.records == (
        Settlement(
            Ref(CONNECTION, "Invoice", "101"),
            "INV-1",
            "USD",
            HUNDRED,
            HUNDRED,
            Status.OPEN,
            reference="PO 7",
            customer=Ref(CONNECTION, "Customer", "C1"),
            on=date(2026, 3, 8),
            settled_by={Part.CASH: NOTHING, Part.CREDIT: NOTHING},
            changed_at=datetime(2026, 3, 10, 20, 2, 58, tzinfo=UTC),
        ),
    )
    assert told.as_of == NOW
    assert (told.next, told.issues) == (None, ())


def test_a_partial_payment_has_an_amount_and_no_date() -> None:
    """B35; the parts come from the details, the day from the payment."""
    asked, told = drive(
        intacct().page(Settlement, ALL),
        page(part_paid(), bill(RECORDNO="102", RECORDID="INV-2")),
        answer(listed("details", detail("1", "25"), detail("2", "35"))),
        answer(listed("payments", receipt())),
    )
    found = told.records[0]
    assert (found.balance, found.status, found.paid) == (FORTY, Status.OPEN, SIXTY)
    assert found.settled_by == {Part.CASH: SIXTY, Part.CREDIT: NOTHING}
    assert (found.paid_on, found.basis) == (None, None)
    assert (found.last_on, found.receipts) == (date(2026, 3, 11), ("201",))
    wanted = [query(asked[1], "details.0"), query(asked[2], "payments.0")]
    assert [each[0] for each in wanted] == ["ARPYMTDETAIL", "ARPYMT"]
    # Only of the invoice of which anything was settled.
    assert has("RECORDKEY", "101") in wanted[0][2]
    assert has("RECORDNO", "201") in wanted[1][2]
    assert has("PARENTPAYMENTKEY", "201") in wanted[1][2]


def test_full_payment_is_dated_by_the_ledgers_field() -> None:
    found = level(paid(), detail("1", "100"), payments=[receipt()])
    assert (found.status, found.balance, found.paid) == (
        Status.SETTLED,
        NOTHING,
        HUNDRED,
    )
    assert (found.paid_on, found.basis) == (date(2026, 3, 12), Basis.LEDGER_FIELD)


def test_a_paid_date_that_stayed_while_something_is_due_is_not_believed() -> None:
    found = level(
        part_paid(WHENPAID="03/12/2026"), detail("1", "60"), payments=[receipt()]
    )
    assert found.paid_on is None


def test_the_paid_date_is_derived_where_the_field_is_empty() -> None:
    """The first day from which nothing was owed, by the payments' own days."""
    later = receipt(RECORDNO="202", RECEIPTDATE="", WHENPAID="03/15/2026")
    found = level(
        paid(WHENPAID=""),
        detail("1", "60"),
        detail("2", "40", PAYMENTKEY="202"),
        payments=[receipt(), later],
    )
    assert (found.paid_on, found.basis) == (date(2026, 3, 15), Basis.APPLICATIONS)


def test_credits_advances_and_overpayments_are_told_apart() -> None:
    """Prepayments and overpayments that were put to an invoice count as cash."""
    found = level(
        part_paid(due="10"),
        detail("1", "40", ADJUSTMENTKEY="301", TRX_ADJUSTMENTAMOUNT="10"),
        detail("2", ADVANCEKEY="202", TRX_POSTEDADVANCEAMOUNT="15"),
        detail("3", OVERPAYMENTKEY="203", TRX_POSTEDOVERPAYMENTAMOUNT="5"),
        detail("4", INLINEKEY="101", TRX_INLINEAMOUNT="12"),
        detail("5", NEGATIVEINVOICEKEY="104", TRX_NEGATIVEINVOICEAMOUNT="3"),
        detail("6", TRX_TOTALDISCOUNTTOAPPLY="5"),
        payments=[receipt()],
    )
    assert found.settled_by == {
        Part.CASH: SIXTY,
        Part.CREDIT: Decimal(25),
        Part.DISCOUNT: Decimal(5),
    }
    assert found.receipts == ("201", "202", "203")


def test_parts_that_do_not_add_up_are_not_told() -> None:
    """A part that is not told is absent, never 0; the level itself stands."""
    found = level(part_paid(), detail("1", "25"), payments=[receipt()])
    assert (found.balance, found.settled_by) == (FORTY, {})
    assert (found.paid, found.receipts, found.last_on) == (SIXTY, (), None)


REVERSAL = receipt(
    RECORDNO="299", STATE="Reversal", TRX_TOTALENTERED="-60", PARENTPAYMENTKEY="201"
)


@pytest.mark.parametrize(
    ("details", "payments"),
    [
        # With its counterpart, which names it or does not; or alone.
        ([detail("1", "60"), detail("2", "-60", PAYMENTKEY="299")], [receipt(), REVERSAL]),
        ([detail("1", "60"), detail("2", "-60", PAYMENTKEY="299")], [receipt(STATE="Reversed"), REVERSAL]),
        ([detail("1", "60")], [receipt(STATE="Voided")]),
    ],
)  # fmt: skip
def test_cash_that_was_taken_back_is_no_receipt(details: Any, payments: Any) -> None:
    """B24; the credit that was applied with it stays (B99)."""
    credit = detail("9", ADJUSTMENTKEY="301", TRX_ADJUSTMENTAMOUNT="10")
    found = level(part_paid(due="90"), *details, credit, payments=payments)
    assert found.settled_by == {Part.CASH: NOTHING, Part.CREDIT: TEN}
    assert (found.receipts, found.last_on, found.paid_on) == ((), None, None)


def test_a_reversal_that_names_nothing_leaves_the_receipts_open() -> None:
    """Which of two payments was taken back is not told: none is called a receipt."""
    other = receipt(RECORDNO="202", RECEIPTDATE="03/14/2026")
    back = REVERSAL | {"PARENTPAYMENTKEY": "", "STATE": "C"}
    found = level(
        part_paid(),
        detail("1", "60"),
        detail("2", "60", PAYMENTKEY="202"),
        detail("3", "-60", PAYMENTKEY="299"),
        payments=[receipt(), other, back],
    )
    assert found.settled_by == {Part.CASH: SIXTY, Part.CREDIT: NOTHING}
    assert (found.receipts, found.last_on) == ((), None)


def test_what_a_draft_would_put_settles_nothing() -> None:
    draft = receipt(RECORDNO="202", STATE="D")
    found = level(
        part_paid(),
        detail("1", "60"),
        detail("2", "40", PAYMENTKEY="202"),
        payments=[receipt(), draft],
    )
    assert (found.settled_by[Part.CASH], found.receipts) == (SIXTY, ("201",))


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("Posted", Status.OPEN),
        ("a", Status.OPEN),
        ("Selected", Status.OPEN),
        ("Partially Paid", Status.OPEN),
        ("partiallyPaid", Status.OPEN),
        ("Draft", Status.DRAFT),
        ("Reversed", Status.VOID),
    ],
)
def test_what_a_state_means(state: str, status: Status) -> None:
    found = levels(bill(STATE=state)).records[0]
    assert found.status is status
    assert found.balance == (NOTHING if status is Status.VOID else HUNDRED)


def test_a_zero_invoice_is_paid_on_its_own_day() -> None:
    row = bill(STATE="No Value", TRX_TOTALENTERED="0", TRX_TOTALDUE="0")
    found = levels(row).records[0]
    assert (found.status, found.paid_on) == (Status.SETTLED, date(2026, 3, 8))


def test_the_document_that_takes_another_back_is_left_out() -> None:
    """PF32: the reversed one says so itself; a negative invoice is a credit."""
    told = levels(
        bill(STATE="Reversal", TRX_TOTALENTERED="-100", TRX_TOTALDUE="-100"),
        bill(RECORDNO="103", TRX_TOTALENTERED="-5", TRX_TOTALDUE="-5"),
    )
    assert (told.records, told.issues) == ((), ())


def test_words_and_base_currency_may_be_told_to_the_connector() -> None:
    """What is unverified is an argument."""
    row = bill(STATE="Awaiting", CURRENCY="", BASECURR="")
    options = {"states": {"awaiting": Status.DRAFT}, "base_currency": "EUR"}
    found = levels(row, **options).records[0]
    assert (found.status, found.currency) == (Status.DRAFT, "EUR")


def test_amounts_are_those_of_the_transaction() -> None:
    """The base amounts count only where the company keeps no other."""
    foreign = bill(CURRENCY="EUR", TRX_TOTALENTERED="90", TRX_TOTALDUE="90")
    assert levels(foreign).records[0].total == Decimal(90)
    single = {k: v for k, v in bill().items() if not k.startswith("TRX_")}
    assert levels(single).records[0].total == HUNDRED
    told = levels({**single, "CURRENCY": "EUR"})
    assert [each.field for each in told.issues] == ["TRX_TOTALENTERED"]


@pytest.mark.parametrize(
    ("more", "code", "field"),
    [
        ({"STATE": "Haunted"}, Code.UNKNOWN_STATUS, "STATE"),
        ({"STATE": ""}, Code.BAD_FIELD, "STATE"),
        ({"TRX_TOTALDUE": ""}, Code.BAD_FIELD, "TRX_TOTALDUE"),
        ({"TRX_TOTALENTERED": "1,000.00"}, Code.BAD_AMOUNT, "TRX_TOTALENTERED"),
        (
            {"TRX_TOTALENTERED": "1.005", "TRX_TOTALDUE": "1.005"},
            Code.BAD_AMOUNT,
            "TRX_TOTALENTERED",
        ),
        ({"CURRENCY": "", "BASECURR": ""}, Code.BAD_CURRENCY, "CURRENCY"),
        ({"CURRENCY": "US$"}, Code.BAD_CURRENCY, "CURRENCY"),
        ({"WHENCREATED": "31/12/2026"}, Code.BAD_DATE, "WHENCREATED"),
        ({"WHENCREATED": "03/08/2026 08:00 AM"}, Code.BAD_DATE, "WHENCREATED"),
        ({"WHENMODIFIED": "03/08/26"}, Code.BAD_DATE, "WHENMODIFIED"),
        ({"RECORDID": ["A", "B", "C"]}, Code.BAD_FIELD, "RECORDID"),
        ({"CUSTOMERID": {"X": "1"}}, Code.BAD_FIELD, "CUSTOMERID"),
        ({"RECORDNO": "x1"}, Code.BAD_FIELD, "RECORDNO"),
        ({"STATE": "Paid"}, Code.TOTALS_DISAGREE, "STATE"),
    ],
)
def test_a_row_that_cannot_be_read_is_an_issue_and_harms_no_other(
    more: dict[str, Any], code: Code, field: str
) -> None:
    told = levels(bill(**more), bill(RECORDNO="102", RECORDID="INV-2"))
    assert [each.number for each in told.records] == ["INV-2"]
    (issue,) = told.issues
    assert (issue.code, issue.field) == (code, field)
    named = ("INV-1",) if field != "RECORDID" else ()
    assert issue.numbers == named


def test_missing_fields_and_customers_are_no_trouble() -> None:
    kept = ("RECORDNO", "STATE", "CURRENCY", "TRX_TOTALENTERED", "TRX_TOTALDUE")
    row = {name: value for name, value in bill(ODD="x").items() if name in kept}
    found = levels({**row, "ODD": "x"}).records[0]
    assert (found.customer, found.on, found.number, found.changed_at) == (
        None,
        None,
        "",
        None,
    )


def test_names_of_rows_and_fields_may_be_of_any_case() -> None:
    """The vendor varies it from function to function."""
    lower = {name.lower(): value for name, value in bill().items()}
    told = answer(result("page", lower, of="ARInvoice"))
    _, found = drive(intacct().page(Settlement, ALL), told)
    assert found.records == levels(bill()).records


def test_a_row_that_is_a_text_is_an_issue() -> None:
    body = answer(result("page", of="x")).body.replace(
        b"</data>", b"<arinvoice>odd</arinvoice></data>"
    )
    _, told = drive(intacct().page(Settlement, ALL), Response(200, DATE, body))
    assert [each.code for each in told.issues] == [Code.BAD_FIELD]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-10 20:02:58", datetime(2026, 3, 10, 20, 2, 58, tzinfo=UTC)),
        ("03/10/2026 20:02:58", datetime(2026, 3, 10, 20, 2, 58, tzinfo=UTC)),
        ("2026-03-10T20:02:58Z", datetime(2026, 3, 10, 20, 2, 58, tzinfo=UTC)),
        ("2026-03-10T20:02:58-05:00", datetime(2026, 3, 11, 1, 2, 58, tzinfo=UTC)),
        ("03/04/2026", datetime(2026, 3, 4, tzinfo=UTC)),
    ],
)
def test_change_times_come_in_two_forms(text: str, instant: datetime) -> None:
    """PF27: the month comes first."""
    assert levels(bill(WHENMODIFIED=text)).records[0].changed_at == instant


def test_change_times_are_of_the_zone_that_is_told() -> None:
    """PF25: what they are in is unverified; what carries a zone is not moved."""
    found = levels(bill(), zone="America/Los_Angeles").records[0]
    assert found.changed_at == datetime(2026, 3, 11, 3, 2, 58, tzinfo=UTC)
    aware = levels(bill(WHENMODIFIED="2026-03-10T20:02:58Z"), zone="Asia/Tokyo")
    assert aware.records[0].changed_at == datetime(2026, 3, 10, 20, 2, 58, tzinfo=UTC)
    flow = intacct(zone="America/Los_Angeles").page(Settlement, CHANGED)
    (asked,), _ = drive(flow, page())
    assert "03/10/2026 02:30:15" in query(asked)[2]


def test_calendar_days_never_shift() -> None:
    for text in ("03/08/2026", "2026-03-08", "3/8/2026", "2026-03-08T23:59:59Z"):
        told = levels(bill(WHENCREATED=text), zone="Pacific/Auckland")
        assert told.records[0].on == date(2026, 3, 8)


# Order entry ----------------------------------------------------------------------------

ORDERED = bill(MODULEKEY="8.SO", RECORDID="SI0157")
DOCUMENT = {"RECORDNO": "9", "DOCID": "Sales Invoice-SI0157", "PRRECORDKEY": "101"}


def test_what_order_entry_made_is_called_by_its_document() -> None:
    """An edit there makes the record anew, with another number."""
    asked, told = drive(
        intacct().page(Settlement, ALL),
        page(ORDERED, bill(RECORDNO="102")),
        answer(listed("documents", DOCUMENT)),
    )
    assert [each.ref.id for each in told.records] == ["Sales Invoice-SI0157", "102"]
    assert [each.ref.aliases for each in told.records] == [("101",), ()]
    object_, names, condition = query(asked[1], "documents.0")
    assert (object_, names) == ("SODOCUMENT", ["RECORDNO", "DOCID", "PRRECORDKEY"])
    assert has("PRRECORDKEY", "101") in condition


def test_a_document_that_is_not_found_is_an_issue_and_no_other_key_is_used() -> None:
    _, told = drive(
        intacct().page(Settlement, ALL), page(ORDERED), answer(listed("documents"))
    )
    (issue,) = told.issues
    assert (told.records, issue.code, issue.numbers) == ((), Code.IN_USE, ("SI0157",))


def test_a_company_without_order_entry_is_not_asked_for_documents() -> None:
    _, told = drive(intacct(order_entry=False).page(Settlement, ALL), page(bill()))
    assert told.records[0].ref.id == "101"


def test_it_is_found_by_its_name_and_by_todays_number() -> None:
    """The link holds the name; a payment or an old note may hold the number."""
    asked, told = drive(
        intacct().fetch(Settlement, ids=["Sales Invoice-SI0157", "102", "nobody's"]),
        answer(listed("documents", DOCUMENT)),
        page(ORDERED, bill(RECORDNO="102")),
        answer(listed("documents", DOCUMENT)),
    )
    assert [each.ref.id for each in told.records] == ["Sales Invoice-SI0157", "102"]
    named = has("DOCID", "Sales Invoice-SI0157", "nobody's")
    assert named in query(asked[0], "documents.0")[2]
    assert has("RECORDNO", "102", "101") in query(asked[1])[2]
    by_number = intacct().fetch(Settlement, ids=["101"])
    _, told = drive(by_number, page(ORDERED), answer(listed("documents", DOCUMENT)))
    assert [each.ref.id for each in told.records] == ["Sales Invoice-SI0157"]


def test_returns_are_credit_notes_by_their_definition() -> None:
    """B49: all of them, or those of the definitions that are named."""
    row = memo(MODULEKEY="8.SO")
    other = {**DOCUMENT, "DOCID": "Sales Return-7", "PRRECORDKEY": "301"}
    answers = (
        page(row, memo(RECORDNO="302")),
        answer(
            listed("documents", other), listed("credit note lines"), listed("details")
        ),
    )
    for returns, ids in (
        ((), ["Sales Return-7", "302"]),
        (("Sales Return",), ["Sales Return-7", "302"]),
        (("Sales", "Contract Return"), ["302"]),
    ):
        _, told = drive(intacct(returns=returns).page(CreditNote, ALL), *answers)
        assert [each.ref.id for each in told.records] == ids


# Documents, payments, customers ---------------------------------------------------------


def test_an_invoice_comes_with_its_lines() -> None:
    lines = [
        {
            "RECORDNO": "1",
            "RECORDKEY": "101",
            "ENTRYDESCRIPTION": "Work",
            "ACCOUNTNO": "4000",
            "ITEMID": "I1",
            "LOCATIONID": "100",
            "DEPARTMENTID": "",
            "TRX_AMOUNT": "60.50",
            "PROJECTID": "P-1",
        },
        {"RECORDNO": "2", "RECORDKEY": "101", "AMOUNT": "39.50"},
        {"RECORDNO": "3", "RECORDKEY": "999", "AMOUNT": "1"},
    ]
    options = {"extra_fields": {"ARINVOICEITEM": ["PROJECTID"]}}
    asked, told = drive(
        intacct(**options).page(Invoice, ALL),
        page(bill()),
        answer(listed("invoice lines", *lines)),
    )
    (found,) = told.records
    assert (found.total, found.due, found.status) == (
        HUNDRED,
        date(2026, 4, 8),
        Status.OPEN,
    )
    first, second = found.lines
    assert (first.description, first.amount, first.account, first.item) == (
        "Work",
        Decimal("60.50"),
        "4000",
        "I1",
    )
    assert first.dimensions == {"location": "100", "project": "P-1"}
    assert first.custom == {"PROJECTID": "P-1"}
    assert second.amount == Decimal("39.50")
    assert "PROJECTID" in query(asked[1], "invoice lines.0")[1]


def test_a_settled_invoice_says_so_and_needs_a_day() -> None:
    owing = bill(RECORDNO="103", TRX_TOTALDUE="0")
    rows = page(paid(), bill(RECORDNO="102", WHENCREATED=""), owing)
    _, told = drive(intacct().page(Invoice, ALL), rows, answer(listed("invoice lines")))
    assert [each.status for each in told.records] == [Status.SETTLED] * 2
    assert [each.field for each in told.issues] == ["WHENCREATED"]


def test_a_credit_note_is_positive_with_what_it_was_put_to() -> None:
    """Applications to one invoice are one, however many lines they fill."""
    details = [
        detail("1", ADJUSTMENTKEY="301", TRX_ADJUSTMENTAMOUNT="6"),
        detail("2", ADJUSTMENTKEY="301", TRX_ADJUSTMENTAMOUNT="4"),
        detail("3", ADJUSTMENTKEY="301", TRX_ADJUSTMENTAMOUNT="5", RECORDKEY="102"),
    ]
    lines = [{"RECORDNO": "1", "RECORDKEY": "301", "TRX_AMOUNT": "-40"}]
    asked, told = drive(
        intacct().page(CreditNote, ALL),
        page(memo(TRX_TOTALDUE="-25"), memo(RECORDNO="303", TRX_TOTALENTERED="12")),
        answer(listed("credit note lines", *lines), listed("details", *details)),
        answer(
            listed("payments", receipt(TRX_TOTALENTERED="0")),
            listed("documents", {**DOCUMENT, "PRRECORDKEY": "102"}),
        ),
    )
    (found,) = told.records  # a positive one is a debit memo
    assert (found.ref.id, found.number, found.total) == ("301", "CM-1", FORTY)
    assert (found.remaining, found.status) == (Decimal(25), Status.OPEN)
    assert found.reference == "TO-ABCDEFGHIJKLM"
    assert [each.amount for each in found.lines] == [FORTY]
    one, other = found.applications
    assert (one.ref.id, one.amount, one.on) == ("201/101/301", TEN, date(2026, 3, 11))
    assert (one.source, one.target.id) == (found.ref, "101")
    assert (one.how, one.live) == (Part.CREDIT, True)
    assert (other.ref.id, other.target.id) == ("201/102/301", "Sales Invoice-SI0157")
    assert has("ADJUSTMENTKEY", "301", "303") in query(asked[1], "details.0")[2]
    keys = has("PRRECORDKEY", "101", "301", "102")
    assert keys in query(asked[2], "documents.0")[2]


def test_an_application_whose_payment_is_not_told_has_the_day_of_its_credit() -> None:
    put = detail("1", ADJUSTMENTKEY="301", TRX_ADJUSTMENTAMOUNT="6")
    _, told = drive(
        intacct().page(CreditNote, ALL),
        page(memo(TRX_TOTALDUE="-34")),
        answer(listed("credit note lines"), listed("details", put)),
        answer(listed("payments"), listed("documents")),
    )
    assert told.records[0].applications[0].on == date(2026, 3, 8)
    _, alone = drive(
        intacct(base_currency="USD").fetch(Application, ids=["201/101/301"]),
        page(put),
        answer(listed("payments"), listed("documents")),
    )
    assert [each.code for each in alone.issues] == [Code.BAD_DATE]


def test_a_used_up_credit_note_is_settled() -> None:
    _, told = drive(
        intacct().page(CreditNote, ALL),
        page(memo(STATE="Paid", TRX_TOTALDUE="0")),
        answer(listed("credit note lines"), listed("details")),
    )
    assert (told.records[0].status, told.records[0].remaining) == (
        Status.SETTLED,
        NOTHING,
    )


def payments(*rows: Any, details: Any = (), others: Any = (), **more: Any) -> Any:
    """A page of payments, with what they were put to."""
    answers = [
        page(*rows),
        answer(listed("details", *details), listed("payments", *others)),
    ]
    if details:
        known = [listed("payments", *more["known"])] if "known" in more else []
        answers.append(answer(*known, listed("documents")))
    asked, told = drive(intacct().page(Payment, ALL), *answers)
    return asked, told


def test_a_payment_adds_up_and_keeps_its_page() -> None:
    asked, told = payments(
        receipt(),
        details=[
            detail("1", "25"),
            detail("2", "15"),
            detail("3", "10", RECORDKEY="102"),
        ],
    )
    (found,) = told.records
    assert found == Payment(
        Ref(CONNECTION, "Payment", "201"),
        Ref(CONNECTION, "Customer", "C1"),
        "USD",
        date(2026, 3, 11),
        SIXTY,
        Status.SETTLED,
        reference="wire 1",
        unapplied=TEN,
        applications=found.applications,
        method="EFT",
        account="BOA",
        changed_at=datetime(2026, 3, 12, 8, tzinfo=UTC),
        custom={"RECORD_URL": "https://www.intacct.com/ia/acct/ur.phtml?.r=x1"},
    )
    assert [(x.ref.id, x.target.id, x.amount, x.live) for x in found.applications] == [
        ("201/101", "101", FORTY, True),
        ("201/102", "102", TEN, True),
    ]
    condition = query(asked[1], "details.0")[2]
    for name in ("PAYMENTKEY", "ADVANCEKEY", "OVERPAYMENTKEY"):
        assert has(name, "201") in condition


@pytest.mark.parametrize(
    ("more", "others"),
    [({"STATE": "Reversed"}, []), ({}, [REVERSAL]), ({}, [REVERSAL | {"STATE": "C"}])],
)
def test_a_payment_that_was_taken_back_is_void(more: Any, others: Any) -> None:
    """By its own word, or because a negative record names it; that one is left out."""
    _, told = payments(
        receipt(**more), REVERSAL, details=[detail("1", "60")], others=others
    )
    (found,) = told.records
    assert (found.status, found.applications[0].live) == (Status.VOID, False)


def test_an_advance_is_unapplied_until_it_is_used() -> None:
    """Used by another record, on that one's day."""
    used = detail("1", PAYMENTKEY="209", ADVANCEKEY="201", TRX_POSTEDADVANCEAMOUNT="25")
    by = receipt(RECORDNO="209", TRX_TOTALENTERED="0", RECEIPTDATE="03/20/2026")
    _, told = payments(receipt(RECORDTYPE="rr"), details=[used], known=[by])
    (found,) = told.records
    assert found.unapplied == Decimal(35)
    (put,) = found.applications
    assert (put.ref.id, put.amount, put.on) == (
        "209/101/201",
        Decimal(25),
        date(2026, 3, 20),
    )
    assert put.source == found.ref


@pytest.mark.parametrize(
    "more",
    [
        {"TRX_TOTALENTERED": "0"},
        {"RECORDTYPE": "ro"},
        {"RECORDTYPE": "rp", "PARENTPAYMENTKEY": "200"},
        {"STATE": "Reversal"},
    ],
)
def test_records_that_are_no_money_of_their_own_are_left_out(more: Any) -> None:
    """B97: credits alone make no payment of nothing; an overpayment is its payment's."""
    _, told = payments(receipt(**more))
    assert (told.records, told.issues) == ((), ())


def test_a_payment_that_was_put_to_more_than_it_has_is_an_issue() -> None:
    _, told = payments(receipt(), details=[detail("1", "61")])
    assert [each.code for each in told.issues] == [Code.TOTALS_DISAGREE]


def test_undeposited_funds_are_told_from_bank_accounts() -> None:
    _, told = payments(receipt(FINANCIALENTITY="", UNDEPOSITEDACCOUNTNO="1099"))
    assert told.records[0].account == "undeposited:1099"


def test_an_application_is_read_through_its_payment_record() -> None:
    """By cash or by credit; what is not asked for is dropped."""
    details = [
        detail("1", "60"),
        detail("2", ADJUSTMENTKEY="301", TRX_ADJUSTMENTAMOUNT="10"),
        detail("3", POSADJKEY="304", RECORDKEY=""),
    ]
    asked, told = drive(
        intacct().fetch(Application, ids=["201/101/301", "201/101", "7", "x/1"]),
        page(*details),
        answer(listed("payments", receipt()), listed("documents")),
    )
    assert [(x.ref.id, x.source.kind, x.amount, x.currency) for x in told.records] == [
        ("201/101", "Payment", SIXTY, "USD"),
        ("201/101/301", "CreditNote", TEN, "USD"),
    ]
    assert has("PAYMENTKEY", "201") in query(asked[0])[2]


def test_customers_are_called_by_their_id() -> None:
    row = {
        "RECORDNO": "11",
        "CUSTOMERID": "C/1",
        "NAME": "Ada & Co",
        "STATUS": "active",
        "CURRENCY": "USD",
        "DISPLAYCONTACT.EMAIL1": "ada@x.example",
        "WHENMODIFIED": "2026-03-10 20:02:58",
        "MINE": "yes",
    }
    inactive = {**row, "CUSTOMERID": "C2", "STATUS": "inactive"}
    nested = {"CUSTOMERID": "C3", "DISPLAYCONTACT": {"EMAIL1": "n@x.example"}}
    odd = {**row, "CUSTOMERID": "C4", "STATUS": "haunted"}
    connector = intacct(
        extra_fields={"CUSTOMER": ["MINE"]}, without=["CUSTOMER.CURRENCY"]
    )
    (asked,), told = drive(
        connector.page(Customer, CHANGED), page(row, inactive, nested, odd)
    )
    first, second, third = told.records
    assert first == Customer(
        Ref(CONNECTION, "Customer", "C/1"),
        "Ada & Co",
        "C/1",
        "ada@x.example",
        "USD",
        changed_at=datetime(2026, 3, 10, 20, 2, 58, tzinfo=UTC),
        custom={"MINE": "yes"},
    )
    assert first.ref.aliases == ("11",)
    assert not second.active
    assert third.email == "n@x.example"
    assert [each.code for each in told.issues] == [Code.UNKNOWN_STATUS]
    _, names, condition = query(asked)
    assert "MINE" in names
    assert "CURRENCY" not in names
    assert "WHENMODIFIED" in condition


def test_in_bill_to_mode_a_customer_is_one_for_each_contact() -> None:
    """B85 to B88: named after the contact, without a number, in the ledger's own place."""
    connector = intacct(bill_to_contacts=True)
    rows = [
        {"RECORDNO": "11", "CUSTOMERID": "C/1", "NAME": "Acme", "STATUS": "active"},
        {"RECORDNO": "12", "CUSTOMERID": "C2", "NAME": "Bo", "STATUS": "inactive"},
    ]
    entries = [
        {"CATEGORYNAME": "West", "CONTACT": {"NAME": "Bob/2"}},
        {"CATEGORYNAME": "Odd", "CONTACT": ""},
    ]
    whole = {
        "CUSTOMERID": "C/1",
        "BILLTO": {"CONTACTNAME": ""},
        "CONTACTINFO": {"CONTACTNAME": "Ada"},
        "DISPLAYCONTACT": {"CONTACTNAME": "Acme(CC1)"},
        "CONTACT_LIST_INFO": entries,
    }
    contact = {"CONTACTNAME": "Ada", "PRINTAS": "Ada L.", "EMAIL1": "a@x.example"}
    answers = (
        page(*rows),
        answer(result("read-0", whole, function="read")),
        answer(listed("contacts", contact)),
    )
    asked, told = drive(connector.page(Customer, ALL), *answers)
    ada, bob, alone = told.records
    assert (ada.ref.id, ada.name, ada.number, ada.email) == (
        "C%2F1/Ada",
        "Ada L.",
        "",
        "a@x.example",
    )
    assert ada.parent == Ref(CONNECTION, "Customer", "C%2F1")
    assert ada.custom == {"CUSTOMERID": "C/1"}
    assert (bob.ref.id, bob.name) == ("C%2F1/Bob/2", "Bob/2")
    assert (alone.ref.id, alone.active, alone.parent) == ("C2", False, None)
    assert written(functions(asked[1])["read-0"]) == (
        "<read><object>CUSTOMER</object><keys>C/1,C2</keys><fields>*</fields></read>"
    )
    assert has("CONTACTNAME", "Ada", "Bob/2") in query(asked[2], "contacts.0")[2]
    # By the contact alone: who has contacts is no customer beside them.
    found = connector.fetch(Customer, ids=["C%2F1/Bob/2", "C%2F1"])
    asked, told = drive(found, *answers)
    assert [each.ref.id for each in told.records] == ["C%2F1/Bob/2"]
    assert has("CUSTOMERID", "C/1") in query(asked[0])[2]
    by_name = connector.fetch(Customer, numbers=["Ada L."])
    assert [each.name for each in drive(by_name, *answers)[1].records] == ["Ada L."]


def test_in_bill_to_mode_an_invoice_is_of_its_contact() -> None:
    connector = intacct(bill_to_contacts=True)
    row = bill(BILLTOPAYTOCONTACTNAME="Ada")
    (asked,), told = drive(connector.page(Settlement, ALL), page(row, bill()))
    assert [x.customer and x.customer.id for x in told.records] == ["C1/Ada", "C1"]
    assert "BILLTOPAYTOCONTACTNAME" in query(asked)[1]
    assert not connector.capabilities.kind(Customer).can(Verb.CREATE)


def test_extra_fields_land_in_custom() -> None:
    """B161."""
    connector = intacct(extra_fields={"ARINVOICE": ["MY_FIELD"]})
    (asked,), told = drive(connector.page(Settlement, ALL), page(bill(MY_FIELD="7")))
    assert told.records[0].custom == {"MY_FIELD": "7"}
    assert query(asked)[1].count("MY_FIELD") == 1


# Selecting and paging -------------------------------------------------------------------


def test_a_query_names_its_fields_and_goes_by_record_number() -> None:
    (asked,), _ = drive(intacct().page(Settlement, CHANGED), page())
    assert (asked.method, asked.url, asked.effect) == ("POST", "", False)
    text = asked.body().decode()
    assert (
        "<orderby><order><field>RECORDNO</field><ascending></ascending></order></orderby>"
        "<options><showprivate>true</showprivate></options><pagesize>2000</pagesize>"
    ) in text
    object_, names, condition = query(asked)
    assert object_ == "ARINVOICE"
    assert {"RECORDNO", "TRX_TOTALDUE", "WHENPAID"} <= {*names}
    # Whole seconds, downwards: the bound is inclusive.
    assert condition == (
        f"<and>{ALWAYS}<greaterthanorequalto><field>WHENMODIFIED</field>"
        "<value>03/10/2026 09:30:15</value></greaterthanorequalto></and>"
    )


def test_an_entity_shows_what_is_its_own() -> None:
    connector = intacct(locationid="100")
    assert connector.connection == "intacct:acme/100"
    (asked,), _ = drive(connector.page(Settlement, ALL), page())
    assert b"showprivate" not in asked.body()


@pytest.mark.parametrize(
    ("kind", "select", "conditions"),
    [
        (Invoice, ALL, []),
        (Invoice, Dated(date(2026, 3, 4), date(2026, 4, 3)), [
            "<greaterthanorequalto><field>WHENCREATED</field><value>03/04/2026</value></greaterthanorequalto>",
            "<lessthanorequalto><field>WHENCREATED</field><value>04/03/2026</value></lessthanorequalto>",
        ]),
        (Payment, Dated(date(2026, 3, 4), date(2026, 4, 3)), [
            "<greaterthanorequalto><field>RECEIPTDATE</field><value>03/04/2026</value></greaterthanorequalto>",
            "<lessthanorequalto><field>RECEIPTDATE</field><value>04/03/2026</value></lessthanorequalto>",
        ]),
        (CreditNote, Open(), ["<notequalto><field>TOTALDUE</field><value>0</value></notequalto>"]),
        (Settlement, Open(date(2026, 3, 4)), [
            "<notequalto><field>TOTALDUE</field><value>0</value></notequalto>",
            "<lessthanorequalto><field>WHENCREATED</field><value>03/04/2026</value></lessthanorequalto>",
        ]),
    ],
)  # fmt: skip
def test_what_is_selected_becomes_a_condition(
    kind: type[Any], select: Select, conditions: list[str]
) -> None:
    (asked,), _ = drive(intacct().page(kind, select), page())
    told = "".join((ALWAYS, *conditions))
    assert query(asked)[2] == (f"<and>{told}</and>" if conditions else told)


@pytest.mark.parametrize(
    ("kind", "select"),
    [
        (Settlement, Unposted(date(2026, 3, 4))),
        (Customer, Open()),
        (Payment, Open()),
        (Application, ALL),
        (Posting, ALL),
    ],
)
def test_what_intacct_cannot_select_is_refused(kind: type[Any], select: Select) -> None:
    with pytest.raises(Fault) as caught:
        next(intacct().page(kind, select))
    assert caught.value.code is Code.NOT_ALLOWED


def test_drafts_and_what_is_overpaid_are_not_open() -> None:
    rows = page(bill(), bill(RECORDNO="102", STATE="Draft"), paid(RECORDNO="103"))
    _, told = drive(intacct().page(Settlement, Open()), rows, answer(listed("details")))
    assert [each.ref.id for each in told.records] == ["101"]


def test_a_page_begins_behind_the_last_record_of_the_one_before() -> None:
    """No offset: what is written meanwhile moves nothing across the boundary."""
    connector = intacct(page_size=2)
    rows = [bill(), bill(RECORDNO="1002")]
    (asked,), told = drive(connector.page(Settlement, ALL), page(*rows, remaining=5))
    assert b"<pagesize>2</pagesize>" in asked.body()
    assert told.next == "1002"
    flow = connector.page(Settlement, ALL, told.next)
    (asked,), told = drive(flow, page(bill(RECORDNO="1003"), remaining=0))
    assert query(asked)[2] == ALWAYS.replace(">0<", ">1002<")
    assert told.next is None


@pytest.mark.parametrize(
    ("count", "remaining", "following"),
    [(2, None, "102"), (1, None, None), (2, 0, None), (1, 3, "101"), (0, 7, None)],
)
def test_a_list_ends_by_what_remains_or_by_a_short_page(
    count: int, remaining: int | None, following: str | None
) -> None:
    rows = [bill(), bill(RECORDNO="102")][:count]
    flow = intacct(page_size=2).page(Settlement, ALL)
    assert drive(flow, page(*rows, remaining=remaining))[1].next == following


def test_a_page_that_does_not_go_on_is_no_page() -> None:
    rows = page(bill(RECORDNO="x"), bill(RECORDNO=""), remaining=3)
    with pytest.raises(Fault) as caught:
        drive(intacct(page_size=2).page(Settlement, ALL), rows)
    assert caught.value.code is Code.BAD_PAYLOAD


@pytest.mark.parametrize(
    "body", [answer(result("another")), answer(result("page"), result("page"))]
)
def test_an_answer_without_its_list_never_means_none(body: Response) -> None:
    with pytest.raises(Fault) as caught:
        drive(intacct().page(Settlement, ALL), body)
    assert caught.value.code is Code.BAD_PAYLOAD


def test_as_of_is_the_headers_clock_and_else_the_sessions() -> None:
    """The session's may be early, which costs a little reading, and never late."""
    assert levels().as_of == NOW
    told = evolve(page(), headers=())
    assert drive(intacct().page(Settlement, ALL), told)[1].as_of == datetime(
        2026, 3, 20, 11, 59, tzinfo=UTC
    )
    bare = told.body.replace(b"2026-03-20T11:59:00+00:00", b"")
    flow = intacct().page(Settlement, ALL)
    assert drive(flow, evolve(told, body=bare))[1].as_of is None


def test_changed_runs_through_the_feeds_one_after_another() -> None:
    """Levels, then the invoices that payments and credits, and deletions, touched."""
    connector = intacct(deletions=True)
    assert connector.capabilities.kind(Settlement).lists == len(connector.feeds) == 4
    (first,), told = drive(connector.page(Settlement, CHANGED), page(bill()))
    assert (query(first)[0], told.next) == ("ARINVOICE", "1:")
    details = [
        detail("1", "60"),
        detail("2", "0", RECORDKEY="102"),
        detail("3", RECORDKEY="0"),
    ]
    asked, told = drive(
        connector.page(Settlement, CHANGED, "1:"),
        page(receipt(STATE="V"), REVERSAL),
        answer(listed("details", *details)),
        answer(listed("documents", DOCUMENT)),
    )
    assert query(asked[0])[0] == "ARPYMT"
    assert [each.id for each in told.touched] == ["Sales Invoice-SI0157", "102"]
    assert (told.records, told.issues, told.gone, told.next) == ((), (), (), "2:")
    put = detail("1", ADJUSTMENTKEY="301", TRX_ADJUSTMENTAMOUNT="5")
    asked, told = drive(
        connector.page(Settlement, CHANGED, "2:"),
        page(memo(), remaining=9),
        answer(listed("details", put)),
        answer(listed("documents")),
    )
    assert query(asked[0])[0] == "ARADJUSTMENT"
    assert has("ADJUSTMENTKEY", "301") in query(asked[1], "details.0")[2]
    assert [each.id for each in told.touched] == ["101"]
    assert told.next == "2:301"


def test_deletions_are_counted_through_the_audit_history() -> None:
    """It only grows, and at its end; what is gone is touched, and then not found."""
    connector = intacct(deletions=True, page_size=2)
    entry = {"OBJECTTYPE": "arinvoice", "OBJECTKEY": "77", "ACCESSMODE": "D"}
    entries = page(entry, {**entry, "OBJECTKEY": "78"}, remaining=1)
    (asked,), told = drive(connector.page(Settlement, CHANGED, "3:"), entries)
    object_, _, condition = query(asked)
    assert object_ == "AUDITHISTORY"
    assert has("OBJECTTYPE", "arinvoice", "ARINVOICE") in condition
    assert has("ACCESSMODE", "D") in condition
    assert "<field>ACCESSTIME</field><value>03/10/2026 09:30:15</value>" in condition
    assert b"<offset>0</offset>" in asked.body()
    assert b"<field>ACCESSTIME</field><ascending>" in asked.body()
    assert [each.id for each in told.touched] == ["77", "78"]
    assert told.next == "3:2"
    (asked,), _ = drive(connector.page(Settlement, CHANGED, told.next), page())
    assert b"<offset>2</offset>" in asked.body()
    assert connector.capabilities.kind(Invoice).lists == 2
    _, invoices = drive(connector.page(Invoice, CHANGED, "1:"), page(entry))
    assert [each.id for each in invoices.touched] == ["77"]
    assert not intacct().capabilities.deletions_visible
    assert Blind.DELETIONS in intacct().capabilities.payments.blind
    assert len(intacct().lists(Invoice, CHANGED)) == 1


def test_lists_that_are_joined_are_read_to_their_ends() -> None:
    """Each behind its own last record, as long as any goes on."""
    long = result("details.0", detail("1", "25"), remaining=1)
    rest = result("details.0", detail("2", "35"), remaining=0)
    asked, told = drive(
        intacct().page(Settlement, ALL),
        page(part_paid(), ORDERED | {"RECORDNO": "102"}),
        answer(listed("documents", {**DOCUMENT, "PRRECORDKEY": "102"}), long),
        answer(rest),
        answer(listed("payments", receipt())),
    )
    assert list(functions(asked[1])) == ["documents.0", "details.0"]
    assert list(functions(asked[2])) == ["details.0"]
    assert "<value>1</value></greaterthan>" in query(asked[2], "details.0")[2]
    assert told.records[0].settled_by[Part.CASH] == SIXTY


def test_many_keys_go_in_several_conditions_of_one_request() -> None:
    """The database behind it takes no list of more than a thousand."""
    rows = [part_paid(RECORDNO=str(1000 + at)) for at in range(1001)]
    flow = intacct().page(Settlement, ALL)
    next(flow)
    asked = flow.send(page(*rows))
    assert isinstance(asked, Request)
    counts = [
        len(functions(asked)[name].findall(".//in/value")) for name in functions(asked)
    ]
    assert counts == [1000, 0]
    assert has("RECORDKEY", "2000") in query(asked, "details.1")[2]


def test_without_parts_a_level_is_one_list() -> None:
    connector = intacct(parts=False)
    _, told = drive(connector.page(Settlement, ALL), page(part_paid()))
    found = told.records[0]
    assert (found.balance, found.settled_by) == (FORTY, {})
    assert connector.capabilities.payments.parts == frozenset()
    assert connector.capabilities.kind(Settlement).page_calls == 3


# Searching ------------------------------------------------------------------------------

NASTY = ["O'Brien", 'say "x"', "50%", "a & b", "<x>", "a\\b", "a,b", "ß日", "]]>"]


def test_numbers_are_asked_for_exactly_whatever_is_in_them() -> None:
    """X16: escaped as XML; what was not asked for is dropped."""
    rows = [
        bill(RECORDNO=str(at), RECORDID=number) for at, number in enumerate(NASTY, 1)
    ]
    (asked,), told = drive(
        intacct().fetch(Settlement, numbers=NASTY),
        page(*rows, bill(RECORDID="o'brien")),
    )
    assert [each.number for each in told.records] == NASTY
    assert has("RECORDID", *NASTY) in query(asked)[2]


def test_a_number_that_cannot_be_asked_for_is_an_issue_and_harms_no_other() -> None:
    numbers = ["INV-1", "a\x0bb"]
    (asked,), told = drive(intacct().fetch(Settlement, numbers=numbers), page(bill()))
    assert len(told.records) == 1
    assert [(each.code, each.numbers) for each in told.issues] == [
        (Code.NOT_ALLOWED, ("a\x0bb",))
    ]
    assert has("RECORDID", "INV-1") in query(asked)[2]


def test_ids_go_in_batches_and_odd_ones_are_not_asked_for() -> None:
    connector = intacct(fetch_size=2)
    asked, told = drive(
        connector.fetch(Payment, ids=["201", "202", "203", "x", "", "9" * 30]),
        page(receipt()),
        answer(listed("details"), listed("payments")),
        page(receipt(RECORDNO="203"), receipt(RECORDNO="299")),
        answer(listed("details"), listed("payments")),
    )
    assert [each.ref.id for each in told.records] == ["201", "203"]
    assert has("RECORDNO", "201", "202") in query(asked[0])[2]
    assert has("RECORDNO", "203") in query(asked[2])[2]


def test_a_search_goes_on_behind_its_last_record() -> None:
    asked, told = drive(
        intacct().fetch(Settlement, numbers=["INV-1"]),
        page(bill(), remaining=1),
        page(bill(RECORDNO="102"), remaining=0),
    )
    assert [each.ref.id for each in told.records] == ["101", "102"]
    assert query(asked[1])[2] == query(asked[0])[2].replace(
        "<value>0</value></greaterthan>", "<value>101</value></greaterthan>"
    )
    assert query(asked[1])[2].endswith(f"{has('RECORDID', 'INV-1')}</and>")


def test_customers_are_found_by_number_or_name() -> None:
    """B83."""
    rows = [{"CUSTOMERID": "C1", "NAME": "Ada"}, {"CUSTOMERID": "C2", "NAME": "C1 Ltd"}]
    (asked,), told = drive(intacct().fetch(Customer, ids=["C9"], numbers=[]), page())
    assert has("CUSTOMERID", "C9") in query(asked)[2]
    (asked,), told = drive(
        intacct().fetch(Customer, numbers=["C1", "Ada"]), page(*rows)
    )
    assert [each.ref.id for each in told.records] == ["C1"]
    names = "".join((has("CUSTOMERID", "C1", "Ada"), has("NAME", "C1", "Ada")))
    assert f"<or>{names}</or>" in query(asked)[2]


def test_nothing_asked_is_nothing_sent() -> None:
    assert drive(intacct().fetch(Settlement))[0] == []
    assert drive(intacct().fetch(Invoice, ids=["\x00", "\ufffe"]))[0] == []


# How it is ------------------------------------------------------------------------------

PROBES = (
    "Accounts Receivable (CUSTOMER)",
    "Accounts Receivable (ARINVOICE)",
    "Accounts Receivable (ARADJUSTMENT)",
    "Accounts Receivable (ARPYMT)",
    "Accounts Receivable (ARPYMTDETAIL)",
    "Order Entry (SODOCUMENT)",
    "General Ledger (GLACCOUNT)",
    "Cash Management (CHECKINGACCOUNT)",
)


def probed(**others: str) -> Response:
    return answer(*(others.get(name) or result(name) for name in PROBES))


def test_check_asks_for_a_row_of_each_list_in_one_request() -> None:
    books = result(PROBES[1], bill(BASECURR="EUR"))
    (asked,), health = drive(intacct().check(), probed(**{PROBES[1]: books}))
    assert health.ok
    assert health.books is not None
    assert (health.books.identity, health.books.currency) == ("acme", "EUR")
    assert tuple(functions(asked)) == PROBES
    assert asked.body().count(b"<pagesize>1</pagesize>") == len(PROBES)
    other = intacct(base_currency="USD")
    _, told = drive(other.check(), probed(**{PROBES[1]: books}))
    assert [each.partition(";")[0] for each in told.missing] == [
        "base_currency='USD': documents are in EUR"
    ]
    own = intacct(
        base_currency="USD", locationid="100", order_entry=False, deletions=True
    )
    names = [*PROBES[:5], "Company (AUDITHISTORY)", *PROBES[6:]]
    _, health = drive(own.check(), answer(*map(result, names)))
    assert health.books is not None
    assert (health.books.identity, health.books.currency) == ("acme/100", "USD")


def test_check_names_each_permission_and_field_that_is_lacking() -> None:
    """B57, B161, B163: apart, and what is only odd is a note."""
    denied = failure(PROBES[6], error("", "You do not have permission for GLACCOUNT"))
    lacking = failure(
        PROBES[0], error("XL03000010", "Field requested is not valid: customer.X")
    )
    odd = failure(PROBES[7], error("Query Failed", "Object not found"))
    told = {PROBES[6]: denied, PROBES[0]: lacking, PROBES[7]: odd}
    _, health = drive(intacct().check(), probed(**told))
    assert not health.ok
    assert health.signed_in
    assert [each.partition(" (")[0] for each in health.missing] == [
        "Accounts Receivable",
        "General Ledger",
    ]
    assert len(health.notes) == 3
    assert "without=" in health.notes[0]


@pytest.mark.parametrize(
    ("response", "reachable", "in_", "code"),
    [
        (Response(503, {}, b""), False, False, Code.SERVER_ERROR),
        (Fault(Code.NOT_REACHED, fate=Fate.NOT_SENT), False, False, Code.NOT_REACHED),
        (Response(200, {}, b"<html/>"), False, False, Code.BAD_PAYLOAD),
        (refused(error("XL03000006", "Sign-in information is incorrect")), True, False, Code.SIGN_IN_REFUSED),
        (refused(error("XL03000006", "Invalid Web Services Authorization")), True, True, Code.PERMISSION_MISSING),
    ],
)  # fmt: skip
def test_check_tells_reach_credentials_and_sender_apart(
    response: Response | Fault, reachable: bool, in_: bool, code: Code
) -> None:
    """B150."""
    _, health = drive(intacct().check(), response)
    assert (health.reachable, health.signed_in, health.code) == (reachable, in_, code)
    assert bool(health.missing) is (code is Code.PERMISSION_MISSING)
    assert health.notes


def test_check_raises_what_is_no_verdict_on_the_connection() -> None:
    with pytest.raises(Fault):
        drive(intacct().check(), refused(error("XX", "odd"), level="gate"))


def test_capabilities_say_what_can_be_done() -> None:
    able = intacct().capabilities
    assert able.system == "Sage Intacct"
    every = {Verb.READ, Verb.CREATE, Verb.UPDATE, Verb.VOID}
    assert able.kind(Invoice).verbs == able.kind(Customer).verbs == every
    assert able.kind(CreditNote).verbs == every - {Verb.VOID}
    assert able.kind(Payment).verbs == every - {Verb.UPDATE}
    assert able.kind(Application).verbs == {Verb.READ, Verb.CREATE}
    assert able.kind(Settlement).verbs == {Verb.READ}
    voids = intacct(delete_credit_notes=True).capabilities
    assert voids.kind(CreditNote).can(Verb.VOID)
    assert able.payments.feeds == (Feed.STAMP, Feed.PAYMENTS, Feed.CREDITS)
    assert able.payments.blind == {Blind.CREDITS, Blind.REVERSALS, Blind.DELETIONS}
    assert able.payments.sweep_every == timedelta(days=1)
    assert able.concurrency == 1
    assert able.late_commit == timedelta(minutes=15)
    assert able.kind(Settlement).lists == 3
    assert able.read_calls(Settlement, 1000) == 12
    mark = intacct(mark_field="EXTERNALID").capabilities.kind(CreditNote).mark
    assert mark is not None
    assert (mark.field, mark.is_number) == ("EXTERNALID", False)


@pytest.mark.parametrize(
    "options",
    [
        {"page_size": 0},
        {"page_size": 2001},
        {"fetch_size": 1001},
        {"batch_size": 101},
        {"mark_field": "RECORDID"},
        {"zone": "Mars/Phobos"},
        {"zone": "../etc"},
    ],
)
def test_arguments_that_cannot_be_are_refused_at_once(options: Any) -> None:
    with pytest.raises(ConfigError):
        intacct(**options)


def test_pages_for_people_are_never_made_up() -> None:
    assert intacct().deep_link(Ref(CONNECTION, "Invoice", "101")) == ""
