"""Autotask: flows driven by hand with samples made from the vendor's documentation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from tieout.capabilities import (
    Changed,
    Creates,
    Dated,
    Everything,
    LimitScope,
    Open,
    Select,
    Unposted,
    Updates,
    Verb,
)
from tieout.change import Action, Change, Outcome, State
from tieout.connector import Health, Page
from tieout.connectors.autotask import Autotask
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.evidence import carries
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
from tieout.wire import Answer, Flow, Request, Response

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
ZONE = "https://webservices14.autotask.net/ATServicesRest/"
FOLLOWING = "Invoices/query/next?paging=%7b%22pageSize%22%3a500%7d"
NEXT = f"{ZONE}V1.0/{FOLLOWING}"
SECRETS = ("top-secret-1", "INTEGRATION-1")
ALL_THERE_IS = Everything()
NOTHING = Decimal(0)


def connector(**changed: Any) -> Autotask:
    keys = {"user": "api@example.com", "secret": SECRETS[0]}
    keys |= {"integration_code": SECRETS[1], "company": "Acme", "currency": "USD"}
    return Autotask(**{**keys, **changed})


def ok(body: Any, status: int = 200, **headers: str) -> Response:
    return Response(status, headers, json.dumps(body, default=str))


def rows(*items: Any, following: str | None = None) -> Response:
    details = {"count": len(items), "requestCount": 500, "nextPageUrl": following}
    return ok({"items": items, "pageDetails": {**details, "prevPageUrl": None}})


def errors(*texts: Any, status: int = 500) -> Response:
    return ok({"errors": texts}, status)


def driven(flow: Flow[Any], *answers: Response) -> tuple[list[Request], Any]:
    """What the flow asked for, and its result; every answer must have been wanted."""
    waiting, asked = list(answers), []
    try:
        request = next(flow)
        while True:
            assert isinstance(request, Request)
            asked.append(request)
            request = flow.send(waiting.pop(0))
    except StopIteration as stop:
        assert not waiting, f"{len(waiting)} answers too many"
        return asked, stop.value


def invoice(number: int = 12, **changed: Any) -> dict[str, Any]:
    return {
        "id": number,
        "batchID": 7,
        "companyID": 250,
        "invoiceNumber": f"INV-{number}",
        "invoiceDateTime": "2026-03-01T00:00:00",
        "dueDate": "2026-03-31T00:00:00",
        "invoiceTotal": 100.00,
        "totalTaxValue": 0,
        "isVoided": False,
        "voidedDate": None,
        "orderNumber": "PO 1",
        "paidDate": None,
        "webServiceDate": None,
        "paymentTerm": 3,
        "somethingNew": [1, {"a": None}],
        **changed,
    }


def item(owner: int | str = 12, **changed: Any) -> dict[str, Any]:
    return {
        "id": 900,
        "invoiceID": owner,
        "itemName": "Work",
        "description": "Two hours of work",
        "quantity": 2,
        "rate": 45.5,
        "extendedPrice": 91.0,
        "taxDollars": 9,
        "billingCodeID": 5,
        "serviceID": None,
        **changed,
    }


def company(number: int = 250, **changed: Any) -> dict[str, Any]:
    return {
        "id": number,
        "companyName": "Ada & Söhne",
        "companyNumber": "C-250",
        "companyType": 1,
        "isActive": True,
        "currencyID": 2,
        "parentCompanyID": None,
        "lastTrackedModifiedDateTime": "2026-03-12T10:00:00.563",
        "userDefinedFields": [{"name": "Colour", "value": "blue"}],
        **changed,
    }


def page_of(
    kind: Any, *answers: Response, select: Select = ALL_THERE_IS, **changed: Any
) -> tuple[list[Request], Page[Any]]:
    return driven(connector(**changed).page(kind, select), *answers)


def one(kind: Any, *answers: Response, **changed: Any) -> Any:
    _, page = page_of(kind, *answers, **changed)
    assert page.issues == ()
    (record,) = page.records
    return record


# Who it is, and signing in ---------------------------------------------------------------


def test_a_database_has_the_name_that_it_was_given() -> None:
    """Users and zones change; the name of the connection must not."""
    assert connector().connection == "autotask:acme"
    assert connector(user="new@example.com").connection == "autotask:acme"
    assert connector(company="b").connection != connector().connection


@pytest.mark.parametrize(
    "wrong",
    [
        {"page_size": 0},
        {"page_size": 501},
        {"fetch_size": 0},
        {"fetch_size": 251},
        {"company": ""},
        {"secret": ""},
        {"secret": "a\r\nHost: x"},
        {"currency": ""},
    ],
)
def test_wrong_arguments_are_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        connector(**wrong)
    assert "Host: x" not in str(caught.value)


def test_a_currency_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(Fault):
        connector(currency="usd")


def discovered(answer: Response, **changed: Any) -> Any:
    auth = connector(**changed).auth
    return driven(auth.renew(auth.first(), NOW), answer)


def zone(url: str = ZONE, **more: Any) -> Response:
    told = {"zoneName": "America East 14", "url": url, "ci": 4711}
    return ok({**told, "webUrl": "https://ww14.autotask.net/", **more})


def test_the_zone_is_asked_for_without_the_keys() -> None:
    assert not connector().auth.first().signed_in
    (asked,), grant = discovered(zone())
    url = "https://webservices2.autotask.net/atservicesrest/V1.0/zoneInformation"
    assert (asked.method, asked.url) == ("GET", url)
    assert asked.params == (("user", "api@example.com"),)
    assert asked.headers == ()
    assert grant.base_url == f"{ZONE}V1.0/"
    assert grant.signed_in
    assert grant.expires_at == NOW + timedelta(hours=24)
    # The next question leaves the zone's host for this one.
    assert grant.hosts == ("https://webservices2.autotask.net",)
    assert grant.values == grant.previous == {}


def test_a_zone_without_its_last_slash_is_the_same() -> None:
    assert discovered(zone(ZONE.rstrip("/")))[1].base_url == f"{ZONE}V1.0/"


@pytest.mark.parametrize(
    ("base", "url", "good"),
    [
        ("", "https://webservices14.autotask.net/ATServicesRest/", True),
        ("", "https://webservices14.autotask.net:8443/ATServicesRest/", True),
        ("", "http://webservices14.autotask.net/ATServicesRest/", False),
        ("", "https://autotask.net.evil.example/ATServicesRest/", False),
        ("", "https://evilautotask.net/ATServicesRest/", False),
        ("", "https://webservices14.autotask.net@evil.example/x/", False),
        ("", "https://evil.example/?.autotask.net", False),
        ("", "https://evil.example#.autotask.net", False),
        ("", "//webservices14.autotask.net/x/", False),
        ("", "ftp://webservices14.autotask.net/x/", False),
        ("http://127.0.0.1:81/rest", "http://127.0.0.1:81/zone/", True),
        ("http://127.0.0.1:81/rest", "http://127.0.0.1:82/zone/", False),
        ("https://psa.example/rest/", "https://psa.example/zone/", True),
        ("https://psa.example/rest/", "http://psa.example/zone/", False),
        ("https://psa.example/rest/", "https://api.other.example/zone/", False),
    ],
)
def test_keys_go_to_no_zone_elsewhere(base: str, url: str, good: bool) -> None:
    given = {"base_url": base} if base else {}
    if good:
        assert discovered(zone(url), **given)[1].base_url == f"{url}V1.0/"
        return
    with pytest.raises(Fault) as caught:
        discovered(zone(url), **given)
    assert (caught.value.code, caught.value.fate) == (
        Code.FOREIGN_LINK,
        Fate.NOT_SENT,
    )


def test_the_domain_of_the_zones_can_be_another() -> None:
    _, grant = discovered(zone("https://z1.psa.example/"), domain=".psa.example")
    assert grant.base_url == "https://z1.psa.example/V1.0/"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (zone(""), Code.SIGN_IN_REFUSED),
        (ok({"url": None}), Code.SIGN_IN_REFUSED),
        (errors("no such user"), Code.SIGN_IN_REFUSED),
        (Response(404, {}, "<html>"), Code.SIGN_IN_REFUSED),
        (Response(400), Code.SIGN_IN_REFUSED),
        (Response(401), Code.SIGN_IN_REFUSED),
        (Response(403), Code.SIGN_IN_REFUSED),
        (Response(503), Code.SERVER_ERROR),
        (Response(429, {"Retry-After": "7"}), Code.TOO_MANY_REQUESTS),
        (Response(200, {}, "<html>"), Code.BAD_PAYLOAD),
        (ok([]), Code.BAD_FIELD),
    ],
)
def test_a_discovery_that_fails_says_so_and_nothing_was_sent(
    answer: Response, code: Code
) -> None:
    with pytest.raises(Fault) as caught:
        discovered(answer)
    assert (caught.value.code, caught.value.fate) == (code, Fate.NOT_SENT)


def test_a_zone_that_has_moved_is_followed_and_one_that_has_not_refused_the_keys() -> (
    None
):
    """After a 401; a zone that is only old is believed again."""
    auth, (_, grant) = connector().auth, discovered(zone())
    moved = "https://webservices3.autotask.net/ATServicesRest/"
    _, fresh = driven(auth.renew(grant, NOW), zone(moved))
    assert fresh.base_url == f"{moved}V1.0/"
    assert fresh.serial == grant.serial + 1
    with pytest.raises(Fault, match="was refused") as caught:
        driven(auth.renew(grant, NOW), zone())
    assert caught.value.code is Code.SIGN_IN_REFUSED
    assert caught.value.fate is Fate.NOT_SENT
    later = NOW + timedelta(hours=25)
    assert driven(auth.renew(grant, later), zone())[1].expires_at > later


def test_requests_carry_the_keys_and_nothing_shows_them() -> None:
    system = connector()
    _, grant = discovered(zone())
    signed = system.auth.sign(Request("GET", "Invoices"), grant)
    assert signed.headers == (
        ("ApiIntegrationCode", SECRETS[1]),
        ("UserName", "api@example.com"),
        ("Secret", SECRETS[0]),
        ("Content-Type", "application/json"),
    )
    shown = repr((signed, grant, system.auth, system, system.auth.first()))
    assert not any(secret in shown for secret in SECRETS)
    with pytest.raises(Fault, match="no zone"):
        system.auth.sign(Request("GET", "Invoices"), system.auth.first())


def test_other_keys_void_the_zone_that_is_stored() -> None:
    assert connector().auth.first() != connector(secret="other").auth.first()


# What it can do --------------------------------------------------------------------------


def test_capabilities_tell_of_a_date_alone_and_of_the_shared_quota() -> None:
    able = connector().capabilities
    assert not able.payments.partial
    assert able.payments.holds_date_alone
    assert not able.payments.owned_payment
    assert able.payments.parts == {Part.CASH}
    assert able.payments.feeds == ()
    (limit,) = able.limits
    assert (limit.calls, limit.seconds, limit.scope) == (
        10_000,
        3600,
        LimitScope.COMPANY,
    )
    assert able.concurrency == 3
    level = able.kind(Settlement)
    assert level.verbs == {Verb.READ, Verb.UPDATE}
    assert level.writable == {"paid_on"}
    assert level.selects == {Dated, Open, Everything}
    assert able.kind(Invoice).writable == able.kind(CreditNote).writable == {"number"}
    assert able.kind(Invoice).selects == {Dated, Open, Unposted, Everything}
    assert able.kind(Posting).writable == {"on"}
    assert able.kind(Customer).verbs == frozenset(Verb)
    assert able.kind(Customer).writable == {"name", "number", "active", "parent"}
    assert able.kind(Customer).write_calls == 2
    assert able.kind(Settlement).write_calls == 1
    assert able.system == "Autotask"
    assert able.kind(Customer).creates is Creates.FINAL
    assert able.kind(Customer).updates is Updates.SPARSE
    assert not able.kind(Payment).verbs | able.kind(Application).verbs
    assert connector().capabilities == able


def test_capabilities_follow_the_arguments() -> None:
    assert not connector(credit_notes=False).capabilities.kind(CreditNote).verbs
    assert connector(calls_per_hour=500).capabilities.limits[0].calls == 500
    assert connector().capabilities.kind(Customer).mark is None
    mark = connector(mark_udf="Ours").capabilities.kind(Customer).mark
    assert mark is not None
    assert (mark.field, mark.searchable) == ("Ours", True)


def test_the_cost_of_currencies_and_lines_is_declared() -> None:
    plain = connector().capabilities
    several = connector(multi_currency=True).capabilities
    costs = {
        kind: (plain.read_calls(kind, 1000), several.read_calls(kind, 1000))
        for kind in (Settlement, Invoice, CreditNote, Posting, Customer)
    }
    assert costs == {
        Settlement: (2, 6),
        Invoice: (4, 8),
        CreditNote: (4, 8),
        Posting: (2, 2),
        Customer: (2, 4),
    }
    assert plain.fetch_calls(Settlement, 1000) == 4


# Pages -----------------------------------------------------------------------------------

ALL = {"op": "exist", "field": "id"}
STANDING = {"op": "eq", "field": "isVoided", "value": False}
FROM = {"op": "gte", "field": "invoiceDateTime", "value": "2026-03-01T00:00:00Z"}
UNTIL = {"op": "lte", "field": "invoiceDateTime", "value": "2026-03-31T23:59:59.999Z"}
UNPAID = {"op": "notExist", "field": "paidDate"}
WAITING = {"op": "notExist", "field": "webServiceDate"}
CREDIT = {"op": "lt", "field": "invoiceTotal", "value": 0}
LAST = date(2026, 3, 31)
FIELDS = [
    *("id", "companyID", "invoiceNumber", "invoiceDateTime"),
    *("invoiceTotal", "isVoided", "paidDate", "orderNumber"),
]


@pytest.mark.parametrize(
    ("kind", "select", "conditions"),
    [
        (Settlement, Everything(), [ALL]),
        (Settlement, Dated(date(2026, 3, 1), LAST), [FROM, UNTIL]),
        (Settlement, Open(), [UNPAID, STANDING]),
        (Settlement, Open(LAST), [UNPAID, STANDING, UNTIL]),
        (Invoice, Open(LAST), [UNPAID, STANDING, UNTIL]),
        (Invoice, Unposted(LAST), [WAITING, STANDING, UNTIL]),
        (Posting, Unposted(LAST), [WAITING, STANDING, UNTIL]),
        (Posting, Everything(), [ALL]),
        (CreditNote, Unposted(LAST), [CREDIT, WAITING, STANDING, UNTIL]),
        (CreditNote, Everything(), [CREDIT, ALL]),
        (Customer, Everything(), [ALL]),
    ],
)
def test_selects_become_conditions(
    kind: Any, select: Select, conditions: list[Any]
) -> None:
    """B112: the last day is inclusive."""
    (asked,), page = page_of(kind, rows(), select=select)
    path = "Companies" if kind is Customer else "Invoices"
    assert (asked.method, asked.url) == ("POST", f"{path}/query")
    assert asked.json["filter"] == conditions
    assert asked.json["MaxRecords"] == 500
    assert not asked.effect
    assert page.next is None
    assert page.records == ()


def test_levels_are_read_in_a_few_fields_with_the_id_among_them() -> None:
    """Without it there is no second page."""
    (level,), _ = page_of(Settlement, rows())
    assert level.json["IncludeFields"] == FIELDS
    assert list(level.json) == ["MaxRecords", "filter", "IncludeFields"]
    (posting,), _ = page_of(Posting, rows())
    assert posting.json["IncludeFields"] == ["id", "invoiceNumber", "webServiceDate"]
    (bill,), _ = page_of(Invoice, rows())
    assert "IncludeFields" not in bill.json


def test_changed_companies_are_those_of_the_stamp_and_those_without_one() -> None:
    """A comparison never matches null; B12: inclusive."""
    east = timezone(timedelta(hours=2))
    since = Changed(datetime(2026, 3, 10, 2, tzinfo=east))
    (asked,), page = page_of(Customer, rows(company()), select=since)
    name = "lastTrackedModifiedDateTime"
    changed = {"op": "gte", "field": name, "value": "2026-03-10T00:00:00Z"}
    missing = {"op": "notExist", "field": name}
    assert asked.json["filter"] == [{"op": "or", "items": [changed, missing]}]
    changed_at = datetime(2026, 3, 12, 10, 0, 0, 563000, tzinfo=UTC)
    assert page.records[0].changed_at == changed_at
    (asked,), _ = page_of(Customer, rows(), select=since, company_stamp="lastActivity")
    assert asked.json["filter"][0]["items"][0]["field"] == "lastActivity"


@pytest.mark.parametrize(
    ("kind", "select"),
    [
        (Settlement, Changed(NOW)),
        (Settlement, Unposted(LAST)),
        (Invoice, Changed(NOW)),
        (Customer, Open()),
        (CreditNote, Open()),
        (Payment, Everything()),
    ],
)
def test_what_cannot_be_selected_is_refused_before_any_call(
    kind: Any, select: Select
) -> None:
    with pytest.raises(Fault) as caught:
        next(connector().page(kind, select))
    assert caught.value.code is Code.NOT_ALLOWED


def test_the_next_page_is_asked_for_by_post_with_the_same_body() -> None:
    """A GET of that address is a 405."""
    system = connector(page_size=2)
    first = rows(invoice(1), invoice(2), following=NEXT)
    (asked,), page = driven(system.page(Settlement, Open(LAST)), first)
    assert asked.json["MaxRecords"] == 2
    assert page.next == FOLLOWING  # below the zone, which may be another by then
    (again,), rest = driven(
        system.page(Settlement, Open(LAST), page.next), rows(invoice(3))
    )
    assert (again.method, again.url) == ("POST", FOLLOWING)
    assert again.json == asked.json
    assert not again.effect
    assert rest.next is None


def test_a_page_that_names_itself_is_no_next_page() -> None:
    flow = connector().page(Settlement, Everything(), FOLLOWING)
    with pytest.raises(Fault) as caught:
        driven(flow, rows(invoice(), following=NEXT))
    assert caught.value.code is Code.LOOPING_PAGES


def test_a_search_of_looping_pages_ends() -> None:
    flow = connector().fetch(Settlement, ids=["12"])
    page = rows(invoice(), following=NEXT)
    with pytest.raises(Fault) as caught:
        driven(flow, page, page)
    assert caught.value.code is Code.LOOPING_PAGES


def test_the_case_of_the_next_address_is_not_that_of_the_zone() -> None:
    page = page_of(Settlement, rows(following=NEXT.replace("Invoices", "invoices")))[1]
    assert page.next == FOLLOWING


@pytest.mark.parametrize("url", ["https://evil.example/x", NEXT.replace("Inv", "Un")])
def test_a_next_page_of_something_else_is_not_followed(url: str) -> None:
    with pytest.raises(Fault) as caught:
        page_of(Settlement, rows(following=url))
    assert caught.value.code is Code.FOREIGN_LINK


@pytest.mark.parametrize("cursor", ["17", "[0, 2]", "{}", NEXT, "/Invoices/query", ""])
def test_a_cursor_of_another_system_is_refused(cursor: str) -> None:
    with pytest.raises(ConfigError):
        next(connector().page(Settlement, Everything(), cursor))


@pytest.mark.parametrize(
    "body", [{}, {"items": None}, {"items": {}}, [], "x", {"item": {"id": 1}}]
)
def test_a_body_without_its_list_is_no_empty_page(body: Any) -> None:
    with pytest.raises(Fault) as caught:
        page_of(Settlement, ok(body))
    assert caught.value.code is Code.BAD_PAYLOAD


@pytest.mark.parametrize("details", [None, {}, {"nextPageUrl": None}])
def test_a_page_without_details_is_the_last(details: Any) -> None:
    _, page = page_of(Settlement, ok({"items": [], "pageDetails": details}))
    assert page.next is None


# Levels ----------------------------------------------------------------------------------


def level(**changed: Any) -> Settlement:
    found = one(Settlement, rows(invoice(**changed)))
    assert isinstance(found, Settlement)
    return found


def test_an_invoice_without_a_paid_date_is_owed_whole() -> None:
    found = level()
    assert found == Settlement(
        Ref("autotask:acme", "Invoice", "12"),
        "INV-12",
        "USD",
        total=Decimal(100),
        balance=Decimal(100),
        status=Status.OPEN,
        reference="PO 1",
        customer=Ref("autotask:acme", "Customer", "250"),
        on=date(2026, 3, 1),
        settled_by={Part.CASH: NOTHING},
    )
    assert found.paid == 0


@pytest.mark.parametrize(
    "day", ["2026-03-08T00:00:00", "2026-03-08T00:00:00Z", "2026-03-08T23:30:00.000"]
)
def test_an_invoice_with_a_paid_date_is_paid_whole(day: str) -> None:
    """PF26: the date does not shift."""
    found = level(paidDate=day)
    assert found.paid_on == date(2026, 3, 8)
    assert found.basis is Basis.LEDGER_FIELD
    assert (found.balance, found.status) == (NOTHING, Status.SETTLED)
    assert found.settled_by == {Part.CASH: Decimal(100)}
    assert found.paid == 100


def test_a_void_invoice_is_owed_by_nobody() -> None:
    found = level(isVoided=True, voidedDate="2026-03-09T00:00:00")
    assert (found.balance, found.status) == (NOTHING, Status.VOID)
    assert found.settled_by == {}


def test_a_blank_number_is_the_id() -> None:
    """D2: it is what is printed."""
    assert level(invoiceNumber=None).number == "12"
    assert level(invoiceNumber="").number == "12"
    assert level(invoiceNumber="  ").number == "12"


def test_an_invoice_of_nothing_owes_nothing_and_is_not_open() -> None:
    """PF49."""
    assert level(invoiceTotal=0.01).status is Status.OPEN
    found = level(invoiceTotal=0)
    assert (found.balance, found.status, found.paid_on) == (
        NOTHING,
        Status.SETTLED,
        None,
    )
    _, page = page_of(
        Settlement, rows(invoice(1, invoiceTotal=0), invoice(2)), select=Open()
    )
    assert [each.ref.id for each in page.records] == ["2"]


def test_a_negative_invoice_is_a_credit_note_unless_it_is_said_not_to_be() -> None:
    below = rows(invoice(invoiceTotal=-20))
    assert page_of(Settlement, below)[1].records == ()
    assert page_of(Invoice, below, rows())[1].records == ()
    found = one(Settlement, below, credit_notes=False)
    assert (found.total, found.balance, found.status) == (-20, 0, Status.SETTLED)


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"invoiceTotal": None}, Code.BAD_FIELD, "invoiceTotal"),
        ({"invoiceTotal": "1,234.00"}, Code.BAD_AMOUNT, "invoiceTotal"),
        ({"invoiceTotal": 1.005}, Code.BAD_AMOUNT, "invoiceTotal"),
        ({"invoiceTotal": True}, Code.BAD_AMOUNT, "invoiceTotal"),
        ({"companyID": None}, Code.BAD_FIELD, "companyID"),
        ({"invoiceDateTime": None}, Code.BAD_FIELD, "invoiceDateTime"),
        ({"invoiceDateTime": "03/01/2026"}, Code.BAD_DATE, "invoiceDateTime"),
        ({"paidDate": "soon"}, Code.BAD_DATE, "paidDate"),
        ({"isVoided": "maybe"}, Code.BAD_FIELD, "isVoided"),
        ({"invoiceNumber": [1]}, Code.BAD_FIELD, "invoiceNumber"),
        ({"id": "../1"}, Code.BAD_FIELD, "id"),
    ],
)
@pytest.mark.parametrize("kind", [Settlement, Invoice])
def test_what_cannot_be_read_is_an_issue_of_its_record_alone(
    kind: Any, changed: Mapping[str, Any], code: Code, field: str
) -> None:
    answers = [rows(invoice(**changed), invoice(13), "no object")]
    answers += [rows()] * (kind is Invoice)
    _, page = page_of(kind, *answers)
    assert [each.ref.id for each in page.records] == ["13"]
    assert [each.code for each in page.issues] == [code, Code.BAD_FIELD]
    assert page.issues[0].field == field
    if "invoiceNumber" not in changed:
        assert page.issues[0].numbers == ("INV-12",)


# Currencies ------------------------------------------------------------------------------

UNITS = rows({"id": 2, "name": "EUR"}, {"id": 3, "name": "JPY"}, {"id": 4, "name": "X"})


def test_each_invoice_is_in_the_currency_of_its_company() -> None:
    """Companies and currencies are asked for once a page."""
    bills = [invoice(1), invoice(2, companyID=251, invoiceTotal=500), invoice(3)]
    owners = rows({"id": 250, "currencyID": 2}, {"id": 251, "currencyID": 3})
    asked, page = page_of(
        Settlement, rows(*bills), UNITS, owners, multi_currency=True, currency=""
    )
    assert [each.url for each in asked] == [
        "Invoices/query",
        "Currencies/query",
        "Companies/query",
    ]
    assert asked[1].json["filter"] == [ALL]
    ids = {"op": "in", "field": "id", "value": [250, 251]}
    assert asked[2].json["filter"] == [ids]
    assert asked[2].json["IncludeFields"] == ["id", "currencyID"]
    assert [each.currency for each in page.records] == ["EUR", "JPY", "EUR"]


@pytest.mark.parametrize(
    "owners",
    [[], [{"id": 250, "currencyID": None}], [{"id": 250, "currencyID": 9}], ["x"]],
)
def test_no_currency_is_ever_assumed(owners: list[Any]) -> None:
    """Not the base currency either."""
    answers = (rows(invoice()), UNITS, rows(*owners))
    _, page = page_of(Settlement, *answers, multi_currency=True)
    (issue,) = page.issues
    assert (issue.code, issue.field) == (Code.BAD_CURRENCY, "companyID")
    assert "250" in issue.text


def test_a_currency_that_is_none_is_an_issue() -> None:
    owners = rows({"id": 250, "currencyID": 4})
    _, page = page_of(Settlement, rows(invoice()), UNITS, owners, multi_currency=True)
    assert [each.code for each in page.issues] == [Code.BAD_CURRENCY]


def test_the_decimals_are_those_of_the_currency() -> None:
    owners = rows({"id": 250, "currencyID": 3})
    bills = rows(invoice(invoiceTotal=100.5))
    _, page = page_of(Settlement, bills, UNITS, owners, multi_currency=True)
    assert [each.code for each in page.issues] == [Code.BAD_AMOUNT]


def test_a_customer_has_its_currency() -> None:
    asked, page = page_of(Customer, rows(company()), UNITS, multi_currency=True)
    assert len(asked) == 2
    assert page.records[0].currency == "EUR"
    unknown = rows(company(currencyID=None))
    assert one(Customer, unknown, UNITS, multi_currency=True).currency == ""


def test_nothing_else_is_asked_for_an_empty_page_nor_for_postings() -> None:
    assert len(page_of(Settlement, rows(), multi_currency=True)[0]) == 1
    assert len(page_of(Posting, rows(invoice()), multi_currency=True)[0]) == 1


# Documents -------------------------------------------------------------------------------


def test_an_invoice_has_its_lines_terms_and_due_date() -> None:
    """One search for the lines of a page."""
    lines = rows(item(13, id=1), item(id=2), item(id=3, description=None, serviceID=8))
    asked, page = page_of(Invoice, rows(invoice(), invoice(13)), lines)
    assert [each.url for each in asked] == ["Invoices/query", "BillingItems/query"]
    owned = {"op": "in", "field": "invoiceID", "value": [12, 13]}
    assert asked[1].json["filter"] == [owned]
    found, other = page.records
    assert found.ref == Ref("autotask:acme", "Invoice", "12")
    assert found.due == date(2026, 3, 31)
    assert found.custom == {"paymentTerm": "3", "batchID": "7"}
    assert [each.custom["id"] for each in found.lines] == ["2", "3"]
    assert [each.custom["id"] for each in other.lines] == ["1"]
    line, bare = found.lines
    assert (line.description, line.amount, line.tax) == ("Two hours of work", 91, 9)
    assert (line.quantity, line.unit_price) == (2, Decimal("45.5"))
    assert (line.account, line.item) == ("5", "")
    assert (bare.description, bare.item) == ("Work", "8")


def test_a_line_holds_what_mappings_go_by() -> None:
    told = {"billingItemType": 1, "lineItemID": 2, "contractID": 3, "projectID": 4}
    found = one(Invoice, rows(invoice()), rows(item(**told)))
    held = {name: str(value) for name, value in told.items()}
    assert found.lines[0].custom == {"id": "900", **held}


def test_ids_that_are_texts_are_the_same_ids() -> None:
    lines = rows(item("12", id=2))
    found = one(Invoice, rows(invoice(12, id="12", companyID="250")), lines)
    assert len(found.lines) == 1


def test_lines_go_over_several_pages() -> None:
    following = "BillingItems/query/next?paging=abc"
    first = rows(item(id=1), following=f"{ZONE}V1.0/{following}")
    answers = (first, rows(item(id=2)))
    asked, page = page_of(Invoice, rows(invoice()), *answers)
    assert [each.method for each in asked] == ["POST"] * 3
    assert asked[2].url == following
    assert asked[2].json == asked[1].json
    assert len(page.records[0].lines) == 2


def test_a_line_that_cannot_be_read_is_an_issue_of_its_invoice() -> None:
    bad = rows(item(extendedPrice="1,0"), item(13))
    _, page = page_of(Invoice, rows(invoice(), invoice(13)), bad)
    assert [each.ref.id for each in page.records] == ["13"]
    assert page.issues[0].field == "lines[0].extendedPrice"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, Status.OPEN),
        ({"paidDate": "2026-03-08"}, Status.SETTLED),
        ({"isVoided": True, "paidDate": "2026-03-08"}, Status.VOID),
    ],
)
def test_the_status_of_an_invoice(changed: dict[str, Any], status: Status) -> None:
    assert one(Invoice, rows(invoice(**changed)), rows()).status is status


def test_a_credit_note_is_positive_and_so_are_its_lines() -> None:
    lines = rows(item(rate=-45.5, extendedPrice=-91, taxDollars=-9), item(rate=None))
    found = one(CreditNote, rows(invoice(invoiceTotal=-100), invoice(13)), lines)
    assert found.ref.kind == "CreditNote"
    assert (found.total, found.remaining, found.status) == (100, None, Status.OPEN)
    line = found.lines[0]
    assert (line.amount, line.tax, line.unit_price, line.quantity) == (
        91,
        9,
        Decimal("45.5"),
        2,
    )
    used = rows(invoice(invoiceTotal=-100, paidDate="2026-03-08"))
    found = one(CreditNote, used, rows())
    assert (found.remaining, found.status) == (0, Status.SETTLED)


@pytest.mark.parametrize(
    ("stamp", "on"),
    [
        (None, None),
        ("2026-03-12T10:00:00Z", datetime(2026, 3, 12, 10, tzinfo=UTC)),
        ("2026-03-12T10:00:00", datetime(2026, 3, 12, 10, tzinfo=UTC)),
        ("2026-03-12T12:00:00+02:00", datetime(2026, 3, 12, 10, tzinfo=UTC)),
    ],
)
def test_a_posting_tells_when_an_invoice_was_handed_over(
    stamp: str | None, on: datetime | None
) -> None:
    found = one(Posting, rows(invoice(webServiceDate=stamp, invoiceTotal=-5)))
    assert found == Posting(Ref("autotask:acme", "Posting", "12"), "INV-12", on)


def test_a_customer_is_a_company() -> None:
    found = one(Customer, rows(company(parentCompanyID=7, isActive=False)))
    assert (found.name, found.number) == ("Ada & Söhne", "C-250")
    assert found.ref == Ref("autotask:acme", "Customer", "250")
    assert found.parent == Ref("autotask:acme", "Customer", "7")
    assert (found.active, found.currency, found.custom) == (False, "USD", {})
    bare = one(Customer, rows({"id": 0}))
    assert (bare.name, bare.active, bare.parent) == ("", True, None)


def test_a_customer_carries_our_mark_in_a_field_of_its_own() -> None:
    udfs = [{"name": "Ours", "value": "TO-ABCDEFGHIJKLM"}, {"name": "Old"}]
    found = one(Customer, rows(company(userDefinedFields=udfs)), mark_udf="Ours")
    assert carries(found, "TO-ABCDEFGHIJKLM")
    empty = [{"name": "Ours", "value": None}]
    found = one(Customer, rows(company(userDefinedFields=empty)), mark_udf="Ours")
    assert found.custom == {}


# Searching -------------------------------------------------------------------------------

NASTY = [
    "O'Hara",
    'a"b',
    "50%",
    "a&b",
    "<i>",
    "a\\b",
    "a,b",
    "a*b",
    "a_b",
    "Äß",
    "' or 1",
]


def found_by(numbers: list[str], *answers: Response, kind: Any = Settlement) -> Any:
    return driven(connector().fetch(kind, numbers=numbers), *answers)


def test_numbers_are_values_whatever_they_hold() -> None:
    bills = rows(*(invoice(at, invoiceNumber=each) for at, each in enumerate(NASTY, 1)))
    (asked,), page = found_by(NASTY, bills)
    named = {"op": "in", "field": "invoiceNumber", "value": NASTY}
    assert asked.json["filter"] == [{"op": "or", "items": [named]}]
    assert [each.number for each in page.records] == NASTY
    assert page.issues == ()


def test_what_cannot_be_read_is_named_by_its_number() -> None:
    bad = invoice(invoiceTotal=None)
    for kind, more in ((Settlement, []), (CreditNote, [rows()])):
        _, page = found_by(["INV-12"], rows(bad), *more, kind=kind)
        assert [each.numbers for each in page.issues] == [("INV-12",)]


def test_only_what_was_asked_for_is_returned() -> None:
    """The server compares without case; the id of a blank number counts, no other."""
    bills = rows(
        invoice(1, invoiceNumber="inv-1"),
        invoice(2, invoiceNumber="INV-1"),
        invoice(17, invoiceNumber=None),
        invoice(18, invoiceNumber="A"),
    )
    (asked,), page = found_by(["INV-1", "17", "18"], bills)
    named = {"op": "in", "field": "invoiceNumber", "value": ["INV-1", "17", "18"]}
    own = {"op": "in", "field": "id", "value": [17, 18]}
    assert asked.json["filter"] == [{"op": "or", "items": [named, own]}]
    assert [each.ref.id for each in page.records] == ["2", "17"]


def test_a_search_never_has_more_than_500_conditions() -> None:
    """Values of ``in`` count too."""
    numbers = [str(each) for each in range(1, 301)]
    asked, _ = found_by(numbers, rows(), rows())
    sizes = [
        sum(len(each["value"]) for each in request.json["filter"][0]["items"])
        for request in asked
    ]
    assert sizes == [500, 100]


def test_ids_are_asked_for_together_and_strange_ones_not_at_all() -> None:
    ids = ["12", "x", "13", "12", "", "0x1", "٣", "9" * 19]
    (asked,), page = driven(
        connector().fetch(Settlement, ids=ids), rows(invoice(), invoice(14))
    )
    assert asked.json["filter"] == [{"op": "in", "field": "id", "value": [12, 13]}]
    assert [each.ref.id for each in page.records] == ["12"]
    assert driven(connector().fetch(Settlement, ids=["x"]))[0] == []


def test_a_number_that_is_refused_spoils_nothing_but_itself() -> None:
    long = "9" * 101
    asked, page = found_by(["A", long], rows(invoice(invoiceNumber="A")), errors("bad"))
    assert len(asked) == 2
    assert len(page.records) == 1
    (issue,) = page.issues
    assert (issue.code, issue.numbers) == (Code.NOT_ALLOWED, (long,))


def test_a_customer_is_found_by_number_and_by_name() -> None:
    """B83."""
    both = rows(
        company(1), company(2, companyName="C-250"), company(3, companyName="x")
    )
    (asked,), page = found_by(["C-250", "x"], both, kind=Customer)
    values = {"op": "in", "value": ["C-250", "x"]}
    assert asked.json["filter"][0]["items"] == [
        {**values, "field": "companyNumber"},
        {**values, "field": "companyName"},
    ]
    assert [each.ref.id for each in page.records] == ["1", "2", "3"]


def test_credit_notes_are_asked_for_below_zero_only() -> None:
    flow = connector().fetch(CreditNote, ids=["12"])
    asked, page = driven(flow, rows(invoice(invoiceTotal=-1)), rows())
    assert asked[0].json["filter"][0] == CREDIT
    assert len(page.records) == 1


def test_lines_and_currencies_come_with_what_is_searched() -> None:
    flow = connector(multi_currency=True).fetch(Invoice, numbers=["INV-12"])
    owners = rows({"id": 250, "currencyID": 2})
    asked, page = driven(flow, rows(invoice()), UNITS, owners, rows(item()))
    assert len(asked) == 4
    assert page.records[0].currency == "EUR"
    assert len(page.records[0].lines) == 1


# Writing ---------------------------------------------------------------------------------


def change(
    kind: Any, before: Any, after: Any, action: Action = Action.UPDATE, mark: str = ""
) -> Change:
    made = action is Action.CREATE
    return Change(
        f"change-{action.name}",
        action,
        kind,
        "autotask:acme",
        Ref("ledger:1", kind.__name__, "L1"),
        target=None if made else (before or after).ref,
        before=before,
        after=after,
        mark=mark,
    )


def written(
    asked_for: Change, *answers: Response, **changed: Any
) -> tuple[list[Request], Outcome]:
    asked, (outcome,) = driven(connector(**changed).write([asked_for]), *answers)
    assert outcome.name == asked_for.name
    return asked, outcome


DONE = ok({"itemId": 12})


def paid(on: date | None, status: Status = Status.SETTLED) -> Change:
    before = level()
    return change(Settlement, before, evolve(before, paid_on=on, status=status))


def test_the_day_of_full_payment_is_written_and_nothing_else() -> None:
    """B35, B122: PATCH, since PUT empties every other field."""
    (asked,), outcome = written(paid(date(2026, 3, 8)), DONE)
    assert (asked.method, asked.url, asked.effect) == ("PATCH", "Invoices", True)
    assert asked.json == {"id": 12, "paidDate": "2026-03-08T00:00:00Z"}
    assert (outcome.state, outcome.ref) == (
        State.APPLIED,
        Ref("autotask:acme", "Invoice", "12"),
    )
    assert outcome.echo is None


@pytest.mark.parametrize("day", [None, date(2026, 3, 8)])
def test_what_is_not_paid_in_full_has_no_paid_date(day: date | None) -> None:
    """B24: it is taken back, with a null that is sent."""
    (asked,), outcome = written(paid(day, Status.OPEN), DONE)
    assert asked.body() == b'{"id":12,"paidDate":null}'
    assert outcome.state is State.APPLIED


def test_a_level_without_its_day_is_refused() -> None:
    asked, outcome = written(paid(None))
    assert asked == []
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.NOT_ALLOWED)


@pytest.mark.parametrize(
    ("on", "told"),
    [
        (datetime(2026, 3, 12, 10, 0, 0, 5, tzinfo=UTC), "2026-03-12T10:00:00Z"),
        (None, None),
    ],
)
def test_handing_over_is_stamped_and_taken_back(
    on: datetime | None, told: str | None
) -> None:
    """B119, B134."""
    before = one(Posting, rows(invoice()))
    (asked,), outcome = written(change(Posting, before, evolve(before, on=on)), DONE)
    assert (asked.method, asked.url) == ("PATCH", "Invoices")
    assert asked.json == {"id": 12, "webServiceDate": told}
    assert outcome.state is State.APPLIED


@pytest.mark.parametrize(("kind", "total"), [(Invoice, 100), (CreditNote, -100)])
def test_a_document_is_renumbered(kind: Any, total: int) -> None:
    before = one(kind, rows(invoice(invoiceTotal=total)), rows())
    (asked,), _ = written(change(kind, before, evolve(before, number="N-1")), DONE)
    assert asked.json == {"id": 12, "invoiceNumber": "N-1"}
    for number in ("", "9" * 101):
        wanted = change(kind, before, evolve(before, number=number))
        none, outcome = written(wanted)
        assert none == []
        assert outcome.code is Code.NOT_ALLOWED
    for number in ("9", "9" * 100):
        _, outcome = written(change(kind, before, evolve(before, number=number)), DONE)
        assert outcome.state is State.APPLIED


def new_customer(**changed: Any) -> Customer:
    made = Customer(Ref("autotask:acme", "Customer", ""), "O'Hara", number="C-1")
    return evolve(made, **changed)


def test_a_customer_is_created_with_what_a_company_needs() -> None:
    wanted = change(Customer, None, new_customer(), Action.CREATE, "TO-ABCDEFGHIJKLM")
    fields = {"ownerResourceID": 29682885, "phone": "-"}
    udfs = [{"name": "Ours", "value": "TO-ABCDEFGHIJKLM"}]
    made = rows(company(77, companyName="O'Hara", userDefinedFields=udfs))
    (asked, again), outcome = written(
        wanted, ok({"itemId": 77}), made, company_fields=fields, mark_udf="Ours"
    )
    assert (asked.method, asked.url, asked.effect) == ("POST", "Companies", True)
    assert asked.json == {
        "companyType": 1,
        "ownerResourceID": 29682885,
        "phone": "-",
        "companyName": "O'Hara",
        "companyNumber": "C-1",
        "isActive": True,
        "userDefinedFields": [{"name": "Ours", "value": "TO-ABCDEFGHIJKLM"}],
    }
    assert outcome.ref == Ref("autotask:acme", "Customer", "77")
    assert again.json["filter"] == [{"op": "in", "field": "id", "value": [77]}]
    assert not again.effect
    assert outcome.echo is not None
    assert carries(outcome.echo, wanted.mark)


@pytest.mark.parametrize("answer", [rows(company(77)), rows(), Response(503)])
def test_a_new_customer_that_does_not_show_its_mark_is_made_all_the_same(
    answer: Response,
) -> None:
    """Autotask may have ignored the field: it must not be made a second time."""
    wanted = change(Customer, None, new_customer(), Action.CREATE, "TO-ABCDEFGHIJKLM")
    _, outcome = written(wanted, ok({"itemId": 77}), answer)
    assert (outcome.state, outcome.echo) == (State.APPLIED, None)
    assert outcome.ref == Ref("autotask:acme", "Customer", "77")


def test_a_new_customer_has_no_field_that_is_not_known() -> None:
    bare = change(Customer, None, new_customer(number=""), Action.CREATE)
    (asked, _), outcome = written(
        bare, ok({"itemId": 77}), rows(company(77)), mark_udf="Ours"
    )
    assert outcome.echo is not None
    known = {"companyType": 1, "companyName": "O'Hara", "isActive": True}
    assert asked.json == known


def test_of_a_customer_only_what_differs_is_changed() -> None:
    before = one(Customer, rows(company()))
    parent = Ref("autotask:acme", "Customer", "7")
    after = evolve(before, number="", parent=parent)
    (asked,), _ = written(change(Customer, before, after), ok({"itemId": 250}))
    assert (asked.method, asked.url) == ("PATCH", "Companies")
    assert asked.json == {"id": 250, "companyNumber": None, "parentCompanyID": 7}
    same = change(Customer, before, evolve(before, currency="EUR"))
    none, outcome = written(same)
    assert none == []
    assert outcome.code is Code.NOT_ALLOWED


def test_a_customer_is_voided_by_making_it_inactive() -> None:
    before = one(Customer, rows(company()))
    asked_for = change(Customer, before, None, Action.VOID)
    (asked,), outcome = written(asked_for, ok({"itemId": 250}))
    assert asked.json == {"id": 250, "isActive": False}
    assert outcome.state is State.APPLIED


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        (Invoice, Action.CREATE),
        (Invoice, Action.VOID),
        (Settlement, Action.CREATE),
        (Settlement, Action.VOID),
        (Posting, Action.CREATE),
        (CreditNote, Action.CREATE),
        (Payment, Action.CREATE),
    ],
)
def test_what_it_cannot_do_is_refused_without_a_call(kind: Any, action: Action) -> None:
    asked, outcome = written(change(kind, None, level(), action))
    assert asked == []
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.NOT_ALLOWED)


def test_a_change_to_nothing_is_refused() -> None:
    before = level()
    asked, outcome = written(evolve(change(Settlement, before, before), after=None))
    assert asked == []
    assert outcome.code is Code.NOT_ALLOWED


@pytest.mark.parametrize(
    "answer",
    [
        ok({"itemId": 13}),
        ok({"itemId": None}),
        ok({}),
        ok([]),
        Response(200),
        Response(200, {}, "<html>"),
        errors("something", status=200),
        Response(500),
        Response(502, {}, "<html>"),
        errors("An unexpected error has occurred. Reference Error ID: 1166"),
        errors("Something that nobody has seen"),
    ],
)
def test_an_answer_that_proves_nothing_leaves_the_outcome_unknown(
    answer: Response,
) -> None:
    _, outcome = written(paid(date(2026, 3, 8)), answer)
    assert outcome.state is State.UNKNOWN


def test_an_invoice_that_is_gone_is_told() -> None:
    _, outcome = written(paid(date(2026, 3, 8)), Response(404, {}, "{}"))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.VANISHED)


# Looking for what was written ------------------------------------------------------------


def test_levels_and_postings_are_looked_at_by_id() -> None:
    posting = one(Posting, rows(invoice()))
    changes = [paid(date(2026, 3, 8)), change(Posting, posting, posting)]
    seen = rows(invoice(paidDate="2026-03-08T00:00:00"))
    asked, page = driven(connector().find(changes), seen, rows(invoice()))
    assert [each.json["filter"][0]["value"] for each in asked] == [[12], [12]]
    assert [type(each) for each in page.records] == [Settlement, Posting]


def test_a_new_customer_is_found_by_its_mark() -> None:
    """One user-defined field in a query is all that Autotask takes."""
    made = change(Customer, None, new_customer(), Action.CREATE, "TO-ABCDEFGHIJKLM")
    udfs = [{"name": "Ours", "value": "TO-ABCDEFGHIJKLM"}]
    found = rows(company(userDefinedFields=udfs))
    (asked,), page = driven(connector(mark_udf="Ours").find([made]), found)
    marked = {"op": "in", "field": "Ours", "value": ["TO-ABCDEFGHIJKLM"], "udf": True}
    assert asked.json["filter"] == [marked]
    assert carries(page.records[0], "TO-ABCDEFGHIJKLM")


def test_without_a_field_for_the_mark_nobody_looks() -> None:
    """The write is parked, and a person is asked."""
    made = change(Customer, None, new_customer(), Action.CREATE, "TO-ABCDEFGHIJKLM")
    with pytest.raises(Fault) as caught:
        next(connector().find([made]))
    assert caught.value.code is Code.NOT_ALLOWED


# Errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code", "meaning"),
    [
        (Response(401), Code.SIGN_IN_REFUSED, Answer.SIGN_IN),
        (errors("no", status=403), Code.PERMISSION_MISSING, Answer.REFUSED),
        (Response(404), Code.NO_SUCH_RESOURCE, Answer.REFUSED),
        (errors("conflict", status=409), Code.REFUSED, Answer.REFUSED),
        (errors("no", status=422), Code.REFUSED, Answer.REFUSED),
        (Response(429), Code.TOO_MANY_REQUESTS, Answer.WAIT),
        (
            errors("The request threshold was exceeded.", status=429),
            Code.DAY_LIMIT_REACHED,
            Answer.WAIT,
        ),
        (
            errors("The request threshold was exceeded."),
            Code.DAY_LIMIT_REACHED,
            Answer.WAIT,
        ),
        (errors("Forbidden"), Code.PERMISSION_MISSING, Answer.REFUSED),
        (
            errors("You do not have permission to edit Invoices."),
            Code.PERMISSION_MISSING,
            Answer.REFUSED,
        ),
        (
            errors("Unable to find dueDay in the Invoice Entity."),
            Code.UNKNOWN_ERROR,
            Answer.REFUSED,
        ),
        (
            errors("A company of this name already exists."),
            Code.DUPLICATE_NUMBER,
            Answer.REFUSED,
        ),
        (
            errors({"message": "is required", "field": "phone"}),
            Code.REFUSED,
            Answer.REFUSED,
        ),
        (errors("Invalid value for paidDate"), Code.REFUSED, Answer.REFUSED),
        (errors("Timeout expired."), Code.SERVER_ERROR, Answer.UNCLEAR),
        (
            errors("An unexpected error has occurred. It is required to call support."),
            Code.SERVER_ERROR,
            Answer.UNCLEAR,
        ),
        (errors("Blue moon"), Code.UNKNOWN_ERROR, Answer.UNCLEAR),
        (errors("Blue moon", status=200), Code.UNKNOWN_ERROR, Answer.UNCLEAR),
        (Response(500, {}, "required"), Code.SERVER_ERROR, Answer.UNCLEAR),
        (Response(502), Code.SERVER_ERROR, Answer.UNCLEAR),
        (Response(503), Code.SERVER_ERROR, Answer.UNCLEAR),
        (Response(504), Code.SERVER_ERROR, Answer.UNCLEAR),
    ],
)
def test_each_error_has_its_class(
    answer: Response, code: Code, meaning: Answer
) -> None:
    verdict = connector().judge(answer)
    assert (verdict.code, verdict.answer) == (code, meaning)


def test_the_words_of_an_error_are_kept_with_their_fields() -> None:
    verdict = connector().judge(
        errors({"message": "is required", "field": "phone"}, "And more.", {}, 7)
    )
    assert verdict.text == "phone: is required; And more.; ; 7"
    missing = ok({"Message": "No HTTP resource was found."}, 404)
    assert connector().judge(missing).text == "No HTTP resource was found."


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (Response(429), 60),
        (Response(429, {"Retry-After": "7"}), 7),
        (errors("threshold exceeded"), 600),
    ],
)
def test_how_long_to_wait(answer: Response, wait: float) -> None:
    """A minute where nothing is said; for the quota of an hour, longer than a run waits."""
    assert connector().judge(answer).wait == wait


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "secret"),
        (403, "security level"),
        (404, "line of business"),
        (422, "named"),
    ],
)
def test_what_to_do_is_said_in_plain_words(status: int, words: str) -> None:
    assert words in connector().judge(Response(status)).remedy


def test_a_text_that_names_errors_is_no_error() -> None:
    text = 'the "errors" of "errors": [], the threshold was exceeded'
    good = rows(invoice(comments=text))
    assert connector().judge(good).answer is Answer.OK
    empty = ok({"items": [invoice(comments=text)], "errors": []})
    assert connector().judge(empty).answer is Answer.OK


def test_keys_that_are_repeated_in_an_answer_are_not_kept() -> None:
    """X19."""
    echo = Response(403, {}, f"Secret: {SECRETS[0]}, ApiIntegrationCode: {SECRETS[1]}")
    verdict = connector().judge(echo)
    assert not any(secret in verdict.text for secret in SECRETS)
    assert "***" in verdict.text


# The check -------------------------------------------------------------------------------

QUOTA = ok(
    {
        "externalRequestThreshold": 10000,
        "requestThresholdTimeframe": 60,
        "currentTimeframeRequestCount": 124,
    }
)
SEEN = ok({"queryCount": 3})


def checked(*answers: Response, **changed: Any) -> tuple[list[Request], Health]:
    return driven(connector(**changed).check(), *answers)


def test_a_check_asks_for_each_permission_and_tells_the_books() -> None:
    asked, health = checked(zone(), QUOTA, SEEN, SEEN)
    assert [(each.method, each.url) for each in asked] == [
        ("GET", "zoneInformation"),
        ("GET", "ThresholdInformation"),
        ("POST", "Invoices/query/count"),
        ("POST", "Companies/query/count"),
    ]
    assert not any(each.effect for each in asked)
    assert asked[0].params == (("user", "api@example.com"),)
    assert [each.json for each in asked[2:]] == [{"filter": [ALL]}] * 2
    assert health.ok
    assert health.books is not None
    assert (health.books.identity, health.books.name) == ("4711", "Acme")
    assert (health.books.currency, health.books.zone) == ("USD", None)
    assert health.notes == ("requests of all integrations (124-10000-60)",)


def test_another_database_is_another_company() -> None:
    """S14."""
    identities = [
        health.books.identity
        for _, health in (
            checked(zone(ci=each), QUOTA, SEEN, SEEN) for each in (1, 2, None)
        )
        if health.books
    ]
    assert identities == ["1", "2", "autotask:acme"]


def test_currencies_are_a_permission_of_their_own() -> None:
    asked, health = checked(zone(), QUOTA, SEEN, SEEN, SEEN, multi_currency=True)
    assert asked[-1].url == "Currencies/query/count"
    assert health.ok


def test_a_check_asks_for_the_field_of_the_mark() -> None:
    """One that does not exist is found out before anything is made."""
    asked, health = checked(zone(), QUOTA, SEEN, SEEN, mark_udf="Ours")
    marked = {"op": "exist", "field": "Ours", "udf": True}
    assert asked[-1].json == {"filter": [marked]}
    assert health.ok
    with pytest.raises(Fault) as caught:
        checked(
            zone(), QUOTA, SEEN, errors("Unable to find Ours in the Company Entity")
        )
    assert "one of your arguments" in caught.value.remedy


def test_what_is_not_permitted_is_named() -> None:
    denied = errors("You do not have permission to query Companies.")
    _, health = checked(zone(), QUOTA, Response(403), denied)
    assert not health.ok
    assert health.signed_in
    assert [each.partition(":")[0] for each in health.missing] == [
        "Invoices",
        "Companies",
    ]


def test_a_check_tells_of_a_quota_that_is_half_used_and_of_no_invoices() -> None:
    used = json.loads(QUOTA.body) | {"currentTimeframeRequestCount": 5000}
    _, health = checked(zone(), ok(used), ok({"queryCount": 0}), SEEN)
    assert health.ok
    slow = "requests of all integrations, which slows down every call (5000-10000-60)"
    assert health.notes[0] == slow
    assert "line of business" in health.notes[1]
    used["currentTimeframeRequestCount"] = 4999
    assert "slows" not in checked(zone(), ok(used), SEEN, SEEN)[1].notes[0]


def test_nothing_is_known_of_the_books_where_nothing_is_permitted() -> None:
    _, health = checked(*[Response(403)] * 4)
    assert len(health.missing) == 4
    assert health.books is not None
    assert health.books.identity == "autotask:acme"


def test_a_quota_that_is_not_told_spoils_no_check() -> None:
    for missing in ("externalRequestThreshold", "currentTimeframeRequestCount"):
        told = json.loads(QUOTA.body) | {missing: None}
        _, health = checked(zone(), ok(told), ok({}), SEEN)
        assert health.ok
        assert health.notes == ()


@pytest.mark.parametrize(
    ("answers", "reachable", "code"),
    [
        ([zone(), Response(401)], True, Code.SIGN_IN_REFUSED),
        ([zone(), Response(503)], False, Code.SERVER_ERROR),
    ],
)
def test_a_check_tells_what_is_wrong(
    answers: list[Response], reachable: bool, code: Code
) -> None:
    _, health = checked(*answers)
    assert (health.reachable, health.signed_in) == (reachable, False)
    assert health.code is code


def test_a_zone_that_is_no_zone_says_nothing_of_the_books() -> None:
    with pytest.raises(Fault) as caught:
        checked(Response(200, {}, "<html>"), QUOTA, SEEN, SEEN)
    assert caught.value.code is Code.BAD_PAYLOAD


# Pages for people ------------------------------------------------------------------------


def test_links_lead_to_pages_where_it_is_said_where_people_sign_in() -> None:
    invoice_ref = Ref("autotask:acme", "Invoice", "12")
    customer_ref = Ref("autotask:acme", "Customer", "250")
    assert connector().deep_link(invoice_ref) == ""
    system = connector(web_url="https://ww14.autotask.net/")
    home = "https://ww14.autotask.net"
    command = f"{home}/Autotask/AutotaskExtend/ExecuteCommand.aspx"
    url = f"{command}?Code=OpenAccount&AccountID=250"
    assert system.deep_link(customer_ref) == url
    view = f"{home}/Mvc/Contracts/InvoiceViewer.mvc?invoiceId=12"
    for kind in ("Invoice", "CreditNote", "Posting"):
        assert system.deep_link(evolve(invoice_ref, kind=kind)) == view
    assert system.deep_link(Ref("autotask:acme", "Payment", "1")) == ""
    odd = f"{home}/Mvc/Contracts/InvoiceViewer.mvc?invoiceId=1%26x%3D2"
    assert system.deep_link(evolve(invoice_ref, id="1&x=2")) == odd
    own = connector(web_url=home, link_paths={"Invoice": "i/{id}"})
    assert own.deep_link(invoice_ref) == f"{home}/i/12"
    assert own.deep_link(customer_ref) == ""
