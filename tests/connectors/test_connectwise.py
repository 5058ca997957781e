"""ConnectWise: flows driven by hand with samples made from the vendor's documentation."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from tieout.capabilities import (
    Blind,
    Changed,
    Cost,
    Creates,
    Dated,
    Everything,
    Mark,
    Open,
    Select,
    Unposted,
    Verb,
)
from tieout.change import Action, Change, Outcome, State
from tieout.connector import Health, Page
from tieout.connectors.connectwise import ConnectWise
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.evidence import believed, carries
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

SINCE = datetime(2026, 3, 10, tzinfo=UTC)
NOW = datetime(2026, 3, 20, tzinfo=UTC)
NOT_FOUND = {"code": "NotFound", "message": "not found", "errors": None}


def connector(**changed: Any) -> ConnectWise:
    keys = {"public_key": "PUB", "private_key": "SECRET", "client_id": "GUID"}
    return ConnectWise(**{"company": "Acme", **keys, **changed})


def ok(
    body: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(status, headers or {}, json.dumps(body, default=str))


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
        "invoiceNumber": f"INV-{number}",
        "type": "Standard",
        "status": {"id": 2, "name": "Closed", "isClosed": True},
        "company": {"id": 250, "identifier": "acme", "name": "Acme"},
        "date": "2026-03-01T00:00:00Z",
        "dueDate": "2026-03-31T00:00:00Z",
        "currency": {"id": 7, "currencyCode": "USD", "numberOfDecimals": 2},
        "subtotal": 100,
        "total": 100.00,
        "payments": 0,
        "credits": 0,
        "balance": 100,
        "_info": {"lastUpdated": "2026-03-12T10:00:00Z", "updatedBy": "x"},
        "somethingNew": [1, {"a": None}],
        **changed,
    }


def payment(
    number: int, amount: Any, on: str | None = "2026-03-08", **more: Any
) -> Any:
    day = f"{on}T00:00:00Z" if on else None
    return {"id": number, "amount": amount, "paymentDate": day, **more}


def page_of(
    select: Select = Everything(),  # noqa: B008 - frozen
    *answers: Response,
    kind: Any = Settlement,
    **changed: Any,
) -> tuple[list[Request], Page[Any]]:
    return driven(connector(**changed).page(kind, select), *answers)


def one(*answers: Response) -> Settlement:
    _, page = page_of(Everything(), *answers)
    assert page.issues == ()
    (record,) = page.records
    assert isinstance(record, Settlement)
    return record


def issue_of(*answers: Response, kind: Any = Settlement) -> Any:
    _, page = page_of(Everything(), *answers, kind=kind)
    assert page.records == ()
    (issue,) = page.issues
    return issue


# Who it is, and signing in ---------------------------------------------------------------


@pytest.mark.parametrize(
    "site",
    [
        "na.myconnectwise.net",
        "https://NA.myconnectwise.net/",
        "api-na.myconnectwise.net",
    ],
)
def test_one_company_has_one_connection(site: str) -> None:
    """However the site is written, and whatever the case of the company id."""
    assert connector(site=site).connection == "connectwise:acme@na.myconnectwise.net"


def test_two_companies_never_meet() -> None:
    assert connector(company="b").connection != connector().connection


@pytest.mark.parametrize(
    "wrong",
    [
        {"page_size": 0},
        {"page_size": 1001},
        {"fetch_size": 0},
        {"company": ""},
        {"private_key": "a\r\nHost: x"},
        {"site": "a b"},
    ],
)
def test_wrong_arguments_are_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        connector(**wrong)
    assert "Host: x" not in str(caught.value)


def discovery(system: ConnectWise) -> Flow[Any]:
    return system.auth.renew(system.auth.first(), NOW)


@pytest.mark.parametrize(
    ("site", "base"),
    [
        ("na.myconnectwise.net", "https://api-na.myconnectwise.net"),
        ("eu.myconnectwise.net", "https://api-eu.myconnectwise.net"),
        ("aus.myconnectwise.net", "https://api-aus.myconnectwise.net"),
        ("staging.connectwisedev.com", "https://api-staging.connectwisedev.com"),
        ("psa.example.com", "https://psa.example.com"),
    ],
)
def test_the_code_base_is_discovered_without_the_keys(site: str, base: str) -> None:
    system = connector(site=site)
    assert not system.auth.first().signed_in
    asked, grant = driven(discovery(system), ok({"Codebase": "v2025_1/"}))
    assert [each.url for each in asked] == [f"https://{site}/login/companyinfo/Acme"]
    assert system.auth.sign(asked[0], grant) == asked[0]
    assert grant.base_url == f"{base}/v2025_1/apis/3.0"
    assert grant.signed_in
    assert grant.serial == 1
    # The next discovery leaves the API's host for the site: it has to be allowed to.
    assert grant.hosts == system.auth.first().hosts == (f"https://{site}",)


def test_requests_carry_keys_client_and_version_and_nothing_shows_them() -> None:
    system = connector(version="2026.1")
    grant = system.auth.first()
    signed = system.auth.sign(Request("GET", "https://x/system/info"), grant)
    basic = base64.b64encode(b"Acme+PUB:SECRET").decode()
    assert signed.header("Authorization") == f"Basic {basic}"
    assert signed.header("clientid") == "GUID"
    accept = "application/vnd.connectwise.com+json; version=2026.1"
    assert signed.header("Accept") == accept
    shown = repr((signed, grant, system.auth, system))
    assert not any(secret in shown for secret in ("SECRET", basic, "PUB", "GUID"))


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (ok(None), Code.SIGN_IN_REFUSED),
        (Response(404, {}, "<html>"), Code.NOT_REACHED),
        (Response(503, {}, ""), Code.SERVER_ERROR),
        (Response(429, {"Retry-After": "7"}, ""), Code.TOO_MANY_REQUESTS),
        (Response(200, {}, "<html>"), Code.BAD_PAYLOAD),
        (ok({"Codebase": "../evil"}), Code.BAD_PAYLOAD),
        (ok({"Codebase": "@evil.example/"}), Code.BAD_PAYLOAD),
        (ok({"Codebase": None}), Code.BAD_PAYLOAD),
        (ok([]), Code.BAD_PAYLOAD),
    ],
)
def test_a_discovery_that_fails_says_so_and_nothing_was_sent(
    answer: Response, code: Code
) -> None:
    with pytest.raises(Fault) as caught:
        driven(discovery(connector()), answer)
    assert caught.value.code is code
    assert caught.value.fate is Fate.NOT_SENT


def test_an_unknown_company_is_named_as_the_reason() -> None:
    with pytest.raises(Fault, match="does not know") as caught:
        driven(discovery(connector()), ok(None))
    assert "Unknown company id" in caught.value.remedy


def test_a_given_base_address_needs_no_discovery() -> None:
    system = connector(base_url="http://127.0.0.1:81/v4/apis/3.0/")
    grant = system.auth.first()
    assert grant.signed_in
    assert grant.base_url == "http://127.0.0.1:81/v4/apis/3.0"
    assert driven(system.auth.renew(grant, NOW)) == ([], grant)


# What it can do --------------------------------------------------------------------------


def test_capabilities_tell_of_one_owned_payment_and_what_is_blind() -> None:
    able = connector().capabilities
    assert able.payments.owned_payment
    assert able.payments.partial
    assert able.payments.holds_open_date
    assert not able.payments.holds_date_alone
    assert able.payments.detail is Cost.CALL_EACH
    assert able.payments.paid_on is Basis.LAST_RECEIPT
    assert able.payments.parts == {Part.CASH, Part.CREDIT}
    assert able.kind(Settlement).verbs == {Verb.READ, Verb.UPDATE}
    assert able.kind(Settlement).writable == {"settled_by", "paid_on"}
    assert not able.kind(Settlement).number_unique
    assert able.kind(Settlement).stable_order
    assert able.payments.blind == frozenset(Blind)
    assert connector().capabilities == able
    undated = connector(partial_payment_date=False).capabilities
    assert not undated.payments.holds_open_date


def test_documents_are_deleted_only_where_that_is_allowed() -> None:
    able, deleting = connector().capabilities, connector(may_delete=True).capabilities
    for kind in (Invoice, CreditNote):
        assert able.kind(kind).verbs == {Verb.READ, Verb.CREATE, Verb.UPDATE}
        assert able.kind(kind).mark == Mark("invoiceNumber", is_number=True, length=15)
        assert able.kind(kind).creates is Creates.POSTED_BY_A_PERSON
        assert deleting.kind(kind).verbs == set(Verb)
        assert deleting.kind(kind).write_calls == 2
    final = connector(final_status=2).capabilities.kind(Invoice)
    assert final.creates is Creates.FINAL
    assert "due" not in able.kind(CreditNote).writable
    assert able.kind(Customer).verbs == able.kind(Payment).verbs == set(Verb)
    assert able.kind(Application).verbs == set(Verb) - {Verb.UPDATE}
    assert able.kind(Posting).verbs == set(Verb) - {Verb.CREATE}


def test_payments_are_told_by_changes_only_where_they_stamp_their_invoices() -> None:
    """That they do is unverified: a sync that trusted it would lose payments."""
    able, stamped = (
        connector().capabilities,
        connector(payments_stamp=True).capabilities,
    )
    for kind in (Payment, Application):
        assert able.kind(kind).selects == {Everything}
        assert stamped.kind(kind).selects == {Everything, Changed}
        assert able.kind(kind).mark is None
    assert stamped.payments.blind == {Blind.DELETIONS}
    assert stamped.read_calls(Payment, 999) == 20 + 1000


# Pages -----------------------------------------------------------------------------------


BILLS = 'type!="CreditMemo"'


@pytest.mark.parametrize(
    ("select", "conditions"),
    [
        (Changed(SINCE), f"{BILLS} and lastUpdated>=[2026-03-10T00:00:00Z]"),
        (
            Dated(date(2026, 3, 1), date(2026, 3, 31)),
            f"{BILLS} and date>=[2026-03-01T00:00:00Z] and date<=[2026-03-31T23:59:59Z]",
        ),
        (Open(), f"{BILLS} and balance>0"),
        (
            Open(date(2026, 3, 31)),
            f"{BILLS} and balance>0 and date<=[2026-03-31T23:59:59Z]",
        ),
        (Everything(), BILLS),
    ],
)
@pytest.mark.parametrize("kind", [Settlement, Invoice])
def test_selects_become_conditions(kind: Any, select: Select, conditions: str) -> None:
    """B12: the change time is inclusive."""
    (request,), page = page_of(select, ok([]), kind=kind)
    assert (request.method, request.url) == ("GET", "finance/invoices")
    assert dict(request.params) == {
        "conditions": conditions,
        "orderBy": "id asc",
        "pageSize": "1000",
    }
    assert page.next is None
    assert not request.effect


def test_the_change_time_is_told_in_the_vendors_zone() -> None:
    """B12."""
    east = timezone(timedelta(hours=2))
    (request,), _ = page_of(Changed(SINCE.astimezone(east)), ok([]))
    assert "lastUpdated>=[2026-03-10T00:00:00Z]" in dict(request.params)["conditions"]


def test_customers_and_credit_memos_are_asked_for_by_their_own_conditions() -> None:
    (request,), _ = page_of(Everything(), ok([]), kind=Customer)
    assert request.url == "company/companies"
    assert "conditions" not in dict(request.params)
    (request,), _ = page_of(Everything(), ok([]), kind=CreditNote)
    assert dict(request.params)["conditions"] == 'type="CreditMemo"'


@pytest.mark.parametrize(
    ("kind", "select"),
    [
        (Settlement, Unposted(date(2026, 3, 1))),
        (Customer, Open()),
        (Payment, Changed(SINCE)),
        (Posting, Everything()),
    ],
)
def test_what_cannot_be_selected_is_refused_before_any_call(
    kind: Any, select: Select
) -> None:
    with pytest.raises(Fault) as caught:
        next(connector().page(kind, select))
    assert caught.value.code is Code.NOT_ALLOWED


def test_the_next_page_begins_behind_the_last_id() -> None:
    """The link tells that there is more; its page number would lose rows that move."""
    link = "https://api-na.myconnectwise.net/v2025_1/apis/3.0/finance/invoices?page=2"
    head = {
        "Link": f'<{link}>; rel="next", <{link}9>; rel="last"',
        "Date": "Tue, 10 Mar 2026 08:00:00 GMT",
    }
    rows = [invoice(7), invoice(12), None, {"id": "x"}]
    _, page = page_of(Everything(), ok(rows, headers=head))
    assert page.next == "12"
    assert page.as_of == datetime(2026, 3, 10, 8, tzinfo=UTC)
    select = Changed(SINCE)
    flow = connector().page(Settlement, select, page.next)
    (request,), page = driven(flow, ok([]))
    assert dict(request.params) == {
        "conditions": f"{BILLS} and lastUpdated>=[2026-03-10T00:00:00Z] and id>12",
        "orderBy": "id asc",
        "pageSize": "1000",
    }
    assert page.next is None


def test_a_full_page_without_any_links_is_no_end() -> None:
    """A proxy that drops the header must not cut the list off."""
    system = connector(page_size=2)
    full = ok([invoice(1), invoice(2)])
    _, page = driven(system.page(Settlement, Everything()), full)
    flow = system.page(Settlement, Everything(), page.next)
    (request,), page = driven(flow, ok([invoice(3)]))
    assert dict(request.params)["conditions"] == f"{BILLS} and id>2"
    assert page.next is None
    last = ok([invoice(1), invoice(2)], headers={"Link": '<https://x/1>; rel="last"'})
    _, page = driven(system.page(Settlement, Everything()), last)
    assert page.next is None


def test_a_full_page_without_any_ids_is_no_end_either() -> None:
    """It begins anew, which is seen to be a loop: better than a list that is cut off."""
    head = {"Link": '<https://x/2>; rel="next"'}
    _, page = page_of(Everything(), ok([None], headers=head))
    flow = connector().page(Settlement, Everything(), page.next)
    _, again = driven(flow, ok([None], headers=head))
    assert page.next == again.next == "0"


# A settlement ----------------------------------------------------------------------------


def test_an_unpaid_invoice_costs_no_call_more() -> None:
    record = one(ok([invoice()]))
    assert record == Settlement(
        ref=Ref("connectwise:acme@na.myconnectwise.net", "Invoice", "12"),
        number="INV-12",
        currency="USD",
        total=Decimal(100),
        balance=Decimal(100),
        status=Status.OPEN,
        customer=Ref("connectwise:acme@na.myconnectwise.net", "Customer", "250"),
        on=date(2026, 3, 1),
        settled_by={Part.CASH: Decimal(0), Part.CREDIT: Decimal(0)},
        changed_at=datetime(2026, 3, 12, 10, tzinfo=UTC),
        version="2026-03-12T10:00:00Z",
    )


def test_a_paid_invoice_costs_one_call_for_its_payments() -> None:
    """B17, B19: all payments count, the date is the last receipt's."""
    paid = invoice(payments=100, balance=0)
    rows = [payment(7, 30), payment(8, "70.00", "2026-03-11", invoice={"id": 12})]
    asked, page = page_of(Everything(), ok([paid]), ok(rows))
    assert [each.url for each in asked] == [
        "finance/invoices",
        "finance/invoices/12/payments",
    ]
    (record,) = page.records
    assert record.status is Status.SETTLED
    assert record.paid == 100
    assert record.paid_on == record.last_on == date(2026, 3, 11)
    assert record.basis is Basis.LAST_RECEIPT
    assert record.receipts == ("7", "8")


def test_a_partial_payment_has_no_paid_date() -> None:
    """B35."""
    record = one(ok([invoice(payments=30, balance=70)]), ok([payment(7, 30)]))
    assert record.status is Status.OPEN
    assert record.paid == 30
    assert (record.paid_on, record.basis) == (None, None)
    assert record.last_on == date(2026, 3, 8)


def test_an_applied_credit_memo_is_credit_and_no_receipt_of_cash() -> None:
    row = invoice(payments=60, credits=40, balance=0)
    memo = payment(9, 40, "2026-03-19", credit={"id": 77})
    record = one(ok([row]), ok([payment(7, 60), memo]))
    assert record.settled_by == {Part.CASH: 60, Part.CREDIT: 40}
    assert record.receipts == ("7",)
    assert record.paid_on == date(2026, 3, 8)


@pytest.mark.parametrize("none", [None, {}, {"id": None}, {"id": 0}])
def test_a_payment_that_names_no_credit_memo_is_cash(none: Any) -> None:
    rows = [payment(7, 60, credit=none)]
    record = one(ok([invoice(payments=60, balance=40)]), ok(rows))
    assert record.receipts == ("7",)


def test_credits_alone_settle_without_a_paid_date_or_a_call() -> None:
    record = one(ok([invoice(credits=100, balance=0)]))
    assert (record.status, record.paid_on) == (Status.SETTLED, None)
    assert record.paid == 0


def test_negative_credits_are_taken_where_they_make_the_total() -> None:
    record = one(ok([invoice(credits=-40, balance=60)]))
    assert record.settled_by[Part.CREDIT] == 40
    assert (
        issue_of(ok([invoice(credits=-40, balance=100)])).code is Code.TOTALS_DISAGREE
    )


def test_a_roll_up_that_counts_credits_as_payments_is_read_from_the_records() -> None:
    row = invoice(payments=100, credits=0, balance=0)
    memo = payment(9, 40, credit={"id": 77})
    record = one(ok([row]), ok([payment(7, 60), memo]))
    assert record.settled_by == {Part.CASH: 60, Part.CREDIT: 40}


def test_roll_ups_that_disagree_are_an_issue_whatever_the_records_say() -> None:
    """D19: 150 are called paid, there is no payment, and all is owed."""
    issue = issue_of(ok([invoice(payments=150)]), ok([]))
    assert issue.code is Code.TOTALS_DISAGREE


def test_payment_records_that_do_not_make_the_total_are_an_issue() -> None:
    row = invoice(payments=50, balance=50)
    issue = issue_of(ok([row]), ok([payment(7, 30)]))
    assert issue.code is Code.TOTALS_DISAGREE
    assert issue.numbers == ("INV-12",)


def test_roll_ups_that_are_not_told_are_read_from_the_records() -> None:
    row = invoice(payments=None, credits=None, balance=40)
    record = one(ok([row]), ok([payment(7, 60)]))
    assert record.settled_by[Part.CASH] == 60


def test_a_part_that_is_not_told_is_absent_and_never_nothing() -> None:
    record = one(ok([invoice(credits=None)]))
    assert record.settled_by == {Part.CASH: 0}


def test_payments_over_several_pages_are_all_read() -> None:
    row = invoice(payments=50, balance=50)
    first = ok([payment(7, 30)], headers={"Link": '<https://api/p?page=2>; rel="next"'})
    record = one(ok([row]), first, ok([payment(8, 20)]))
    assert record.receipts == ("7", "8")


def test_the_decimals_of_the_currency_are_its_own() -> None:
    """B153: never assume two."""
    krona = {"currencyCode": "ISK", "numberOfDecimals": 2}
    record = one(ok([invoice(currency=krona)]))
    assert record.currency == "ISK"
    row = invoice(currency=krona, total=Decimal("100.5"), balance=Decimal("100.5"))
    assert issue_of(ok([row])).code is Code.BAD_AMOUNT


@pytest.mark.parametrize("none", [None, {}, {"currencyCode": None}])
def test_a_currency_is_never_assumed(none: Any) -> None:
    issue = issue_of(ok([invoice(currency=none)]))
    assert (issue.code, issue.field) == (Code.BAD_CURRENCY, "currency.currencyCode")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"type": "Novel"}, Code.UNKNOWN_STATUS),
        ({"total": None}, Code.BAD_FIELD),
        ({"total": "1,00"}, Code.BAD_AMOUNT),
        ({"id": None}, Code.BAD_FIELD),
        ({"date": "03/01/2026"}, Code.BAD_DATE),
        ({"balance": 99}, Code.TOTALS_DISAGREE),
        ({"currency": []}, Code.BAD_FIELD),
    ],
)
def test_one_bad_record_is_an_issue_and_no_crash(
    wrong: dict[str, Any], code: Code
) -> None:
    """B106."""
    _, page = page_of(Everything(), ok([invoice(1, **wrong), invoice(2), None]))
    assert [each.ref.id for each in page.records] == ["2"]
    assert [each.code for each in page.issues] == [code, Code.BAD_FIELD]


@pytest.mark.parametrize(
    "odd",
    [
        {"status": None, "company": None, "_info": None, "date": None},
        {"id": "12", "total": "100.00", "balance": "100", "customFields": []},
    ],
)
def test_what_is_missing_or_oddly_typed_is_read_liberally(odd: dict[str, Any]) -> None:
    assert one(ok([invoice(**odd)])).total == 100


def test_an_open_billing_status_says_nothing_about_payment() -> None:
    row = invoice(status={"isClosed": False}, payments=100, balance=0)
    assert one(ok([row]), ok([payment(7, 100)])).status is Status.SETTLED


def test_an_invoice_deleted_between_two_calls_is_an_issue() -> None:
    rows = [invoice(1, payments=50, balance=50), invoice(2)]
    _, page = page_of(Everything(), ok(rows), ok(NOT_FOUND, 404))
    assert [each.ref.id for each in page.records] == ["2"]
    assert [each.code for each in page.issues] == [Code.NO_SUCH_RESOURCE]


def test_a_lost_permission_ends_the_page() -> None:
    row = invoice(payments=50, balance=50)
    with pytest.raises(Fault) as caught:
        page_of(
            Everything(), ok([row]), ok({"code": "Forbidden", "message": "no"}, 403)
        )
    assert caught.value.code is Code.PERMISSION_MISSING
    assert "role" in caught.value.remedy


@pytest.mark.parametrize("wrong", [{"amount": "x"}, {"invoice": {"id": 13}}])
def test_a_payment_that_cannot_be_read_isolates_its_invoice(
    wrong: dict[str, Any],
) -> None:
    rows = [{**payment(7, 50), **wrong}]
    issue = issue_of(ok([invoice(payments=50, balance=50)]), ok(rows))
    assert issue.code in (Code.BAD_AMOUNT, Code.BAD_FIELD)
    assert issue.field.startswith("payments[0].")
    assert issue.source.id == "12"


# Other records ---------------------------------------------------------------------------


def test_an_invoice_is_a_draft_until_its_billing_status_is_closed() -> None:
    """B90."""
    rows = [
        invoice(1, status={"isClosed": False}),
        invoice(2),
        invoice(3, balance=0, credits=100),
        invoice(4, type="CreditMemo"),
        invoice(5, status=None),
    ]
    _, page = page_of(Everything(), ok(rows), kind=Invoice)
    assert [(each.ref.id, each.status) for each in page.records] == [
        ("1", Status.DRAFT),
        ("2", Status.OPEN),
        ("3", Status.SETTLED),
    ]
    assert page.records[0].due == date(2026, 3, 31)
    assert [each.code for each in page.issues] == [Code.UNKNOWN_STATUS]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_credit_memo_has_positive_amounts(sign: int) -> None:
    row = invoice(type="CreditMemo", total=sign * 100, balance=sign * 40)
    _, page = page_of(Everything(), ok([row, invoice(13)]), kind=CreditNote)
    (note,) = page.records
    assert (note.ref.kind, note.total, note.remaining) == ("CreditNote", 100, 40)
    assert note.status is Status.OPEN


@pytest.mark.parametrize("sign", [1, -1])
def test_the_tax_of_a_document_is_told_apart(sign: int) -> None:
    """The lines stand in other lists: what is known of them is the net amount and the tax."""
    rows = [
        invoice(salesTax=10),
        invoice(13),
        invoice(14, type="CreditMemo", salesTax=sign * 10, total=sign * 100),
    ]
    _, bills = page_of(Everything(), ok(rows), kind=Invoice)
    taxed, plain = bills.records
    (line,) = taxed.lines
    assert (line.amount, line.tax, plain.lines) == (90, 10, ())
    _, memos = page_of(Everything(), ok(rows), kind=CreditNote)
    (line,) = memos.records[0].lines
    assert (line.amount, line.tax) == (90, 10)


def test_customers_are_active_by_flag_and_status() -> None:
    company = {
        "id": 250,
        "identifier": "acme",
        "name": "Acme",
        "accountNumber": "C100",
        "status": {"name": "Active"},
        "deletedFlag": False,
        "currency": {"currencyCode": "USD"},
        "invoiceToEmailAddress": "pay@acme.example",
    }
    rows = [
        company,
        {**company, "id": 2, "deletedFlag": True},
        {**company, "id": 3, "status": {"name": "Gone"}},
        {"id": 4, "name": "Bare"},
    ]
    _, page = page_of(Everything(), ok(rows), kind=Customer)
    assert [each.active for each in page.records] == [True, False, False, True]
    first = page.records[0]
    assert (first.number, first.email) == ("C100", "pay@acme.example")
    assert first.currency == "USD"


# Payment records -------------------------------------------------------------------------


def test_payments_are_read_below_their_invoices() -> None:
    """No list has them: a call for each invoice on which something was paid."""
    rows = [
        invoice(12, payments=70, credits=30, balance=0),
        invoice(13),
        invoice(14, type="CreditMemo", payments=5),
    ]
    memo = payment(8, 30, credit={"id": 77})
    records = [payment(7, "70.00", _info={"lastUpdated": "2026-03-09T01:00:00Z"}), memo]
    asked, page = page_of(Everything(), ok(rows), ok(records), kind=Payment)
    assert [each.url for each in asked] == [
        "finance/invoices",
        "finance/invoices/12/payments",
    ]
    assert dict(asked[0].params)["pageSize"] == "50"
    assert page.issues == ()
    (found,) = page.records
    where = connector().connection
    ref, bill = Ref(where, "Payment", "12/7"), Ref(where, "Invoice", "12")
    at = datetime(2026, 3, 9, 1, tzinfo=UTC)
    put = Application(
        Ref(where, "Application", "12/7"),
        ref,
        bill,
        Decimal(70),
        "USD",
        date(2026, 3, 8),
        source_amount=Decimal(70),
        source_currency="USD",
        changed_at=at,
        version="2026-03-09T01:00:00Z",
    )
    assert found == Payment(
        ref,
        Ref(where, "Customer", "250"),
        "USD",
        date(2026, 3, 8),
        Decimal(70),
        Status.SETTLED,
        unapplied=Decimal(0),
        applications=(put,),
        changed_at=at,
        version="2026-03-09T01:00:00Z",
    )


def test_a_payment_that_names_a_credit_memo_is_an_application_of_that() -> None:
    rows = [invoice(12, payments=0, credits=30, balance=70), invoice(13)]
    records = [payment(8, 30, credit={"id": 77}), payment(9, 1)]
    _, page = page_of(Everything(), ok(rows), ok(records), kind=Application)
    (found,) = page.records
    assert (found.ref.id, found.how, found.amount) == ("12/8", Part.CREDIT, 30)
    assert (found.source.kind, found.source.id) == ("CreditNote", "77")
    assert (found.target.kind, found.target.id) == ("Invoice", "12")


def test_payments_go_on_behind_the_last_invoice() -> None:
    full = ok([invoice(1), invoice(2)])
    _, page = page_of(Everything(), full, kind=Payment, page_size=2)
    assert page.next == "2"
    flow = connector(page_size=2).page(Payment, Everything(), page.next)
    (request,), _ = driven(flow, ok([]))
    assert dict(request.params)["conditions"] == f"{BILLS} and id>2"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"amount": None}, Code.BAD_FIELD),
        ({"amount": "1,234.00"}, Code.BAD_AMOUNT),
        ({"paymentDate": None}, Code.BAD_FIELD),
        ({"invoice": {"id": 13}}, Code.BAD_FIELD),
        ({"id": "x"}, Code.BAD_FIELD),
        ({"credit": []}, Code.BAD_FIELD),
    ],
)
def test_one_bad_payment_is_an_issue_and_its_neighbour_is_read(
    wrong: dict[str, Any], code: Code
) -> None:
    """B106."""
    records = [{**payment(7, 60), **wrong}, payment(8, 40), None]
    bill = invoice(payments=100, balance=0)
    _, page = page_of(Everything(), ok([bill]), ok(records), kind=Payment)
    assert [each.ref.id for each in page.records] == ["12/8"]
    assert [each.code for each in page.issues] == [code, Code.BAD_FIELD]
    source = page.issues[0].source
    assert source is not None
    assert source.id == f"12/{wrong.get('id', 7)}"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"type": "Novel"}, Code.UNKNOWN_STATUS), ({"id": None}, Code.BAD_FIELD)],
)
def test_payments_of_an_invoice_that_cannot_be_read_are_an_issue(
    wrong: dict[str, Any], code: Code
) -> None:
    row = {**invoice(payments=100, balance=0), **wrong}
    _, page = page_of(Everything(), ok([row]), kind=Payment)
    assert page.records == ()
    assert [each.code for each in page.issues] == [code]


def test_payments_of_an_invoice_without_a_currency_are_issues() -> None:
    row = invoice(payments=100, balance=0, currency=None)
    _, page = page_of(Everything(), ok([row]), ok([payment(7, 100)]), kind=Payment)
    assert [each.code for each in page.issues] == [Code.BAD_CURRENCY]


def test_payments_of_an_invoice_that_vanishes_are_an_issue() -> None:
    rows = [invoice(1, payments=5, balance=95), invoice(2, payments=5, balance=95)]
    gone = ok(NOT_FOUND, 404)
    _, page = page_of(Everything(), ok(rows), gone, ok([payment(9, 5)]), kind=Payment)
    assert [each.ref.id for each in page.records] == ["2/9"]
    assert [each.code for each in page.issues] == [Code.NO_SUCH_RESOURCE]


def test_a_lost_permission_ends_the_page_of_payments_too() -> None:
    row = invoice(payments=5, balance=95)
    with pytest.raises(Fault) as caught:
        page_of(Everything(), ok([row]), Response(403), kind=Payment)
    assert caught.value.code is Code.PERMISSION_MISSING


def test_payments_are_fetched_with_their_invoices() -> None:
    ids = ["12/7", "12/8", "13/9", "7", "12/7/1", "a/b"]
    rows = [
        invoice(12, payments=60, balance=40),
        invoice(13, payments=100, balance=0),
        invoice(7, payments=1, balance=99),
    ]
    asked, page = driven(
        connector().fetch(Payment, ids=ids),
        ok(rows),
        ok([payment(7, 30), payment(8, 30, None)]),
        ok([payment(5, 100)]),
        ok([payment(6, 1)]),
    )
    assert conditions(asked[:1]) == ["id in (12,13,7)"]
    assert [each.ref.id for each in page.records] == ["12/7"]
    assert [each.source.id for each in page.issues if each.source] == ["12/8"]


def test_payments_have_no_numbers() -> None:
    with pytest.raises(Fault) as caught:
        driven(connector().fetch(Payment, numbers=["1"]))
    assert caught.value.code is Code.NOT_ALLOWED


def test_a_list_that_lost_its_link_is_read_to_the_end() -> None:
    """A full page without a link goes on behind its last id."""
    many = [payment(each, 1) for each in range(1, 1001)]
    row = invoice(total=1001, payments=1001, balance=0)
    asked, page = page_of(Everything(), ok([row]), ok(many), ok([payment(1001, 1)]))
    assert len(page.records[0].receipts) == 1001
    assert dict(asked[2].params)["conditions"] == "id>1000"


# What credit memos were applied to -------------------------------------------------------


def memo(number: int = 77, **changed: Any) -> dict[str, Any]:
    return invoice(number, **{"type": "CreditMemo", "total": 40, **changed})


def notes(*answers: Response, **more: Any) -> tuple[list[Request], Page[Any]]:
    return page_of(Everything(), *answers, kind=CreditNote, **more)


def test_credit_memos_are_read_with_their_uses_where_that_is_asked_for() -> None:
    memos = [memo(77, balance=15), memo(78, balance=40), "odd"]
    bills = [invoice(12, credits=25, balance=75)]
    uses = [
        payment(8, 25, credit={"id": 77}),
        payment(9, 5),
        payment(10, 1, credit={"id": 79}),
    ]
    asked, page = notes(ok(memos), ok(bills), ok(uses), applications=True)
    assert conditions(asked[1:2]) == [f"{BILLS} and credits!=0 and company/id in (250)"]
    assert asked[2].url == "finance/invoices/12/payments"
    used, whole = page.records
    (put,) = used.applications
    assert (put.ref.id, put.source.id, put.target.id) == ("12/8", "77", "12")
    assert (put.amount, used.remaining) == (25, 15)
    assert whole.applications == ()
    assert len(page.issues) == 1


def test_the_address_that_asks_for_uses_stays_short() -> None:
    memos = [
        memo(each, balance=1, company={"id": 10_000 + each}) for each in range(1, 401)
    ]
    asked, _ = notes(ok(memos), *[ok([])] * 3, applications=True)
    told = conditions(asked[1:])
    assert sum(each.count("10") for each in told) >= 400
    assert all(len(each) < 1600 for each in told)


def test_credit_memos_of_which_nothing_is_used_cost_no_call_more() -> None:
    asked, page = notes(ok([memo(balance=40)]), applications=True)
    assert len(asked) == 1
    asked, page = notes(ok([memo(balance=15)]))
    assert len(asked) == 1
    assert page.records[0].applications == ()


def test_a_use_that_cannot_be_read_isolates_its_credit_memo() -> None:
    memos, bills = [memo(77, balance=15)], [invoice(12, credits=25, balance=75)]
    uses = [payment(8, None, credit={"id": 77})]
    _, page = notes(ok(memos), ok(bills), ok(uses), applications=True)
    assert page.records == ()
    assert [each.source and each.source.id for each in page.issues] == ["77"]


# What was handed over --------------------------------------------------------------------


def unposted(number: int = 12, **changed: Any) -> dict[str, Any]:
    return {
        "id": 500_000 + number,
        "billingLogId": number,
        "invoiceNumber": f"INV-{number}",
        "invoiceType": "Standard",
        "invoiceDate": "2026-03-01T00:00:00Z",
        **changed,
    }


BATCH = {"id": 41, "name": "TO-41"}
MADE = {"id": 41, "_info": {"dateEntered": "2026-03-15T09:00:00Z"}}


def test_what_was_not_handed_over_is_listed_through_a_day() -> None:
    """B112: the day itself is in."""
    rows = [
        unposted(12),
        unposted(14, invoiceType="CreditMemo"),
        unposted(15, billingLogId=None),
    ]
    head = {"Link": '<https://x/2>; rel="next"'}
    (request,), page = page_of(
        Unposted(date(2026, 3, 31)), ok(rows, headers=head), kind=Posting
    )
    assert request.url == "finance/accounting/unpostedinvoices"
    assert dict(request.params)["conditions"] == "invoiceDate<=[2026-03-31T23:59:59Z]"
    assert page.records[0] == Posting(
        Ref(connector().connection, "Posting", "12"),
        "INV-12",
        custom={"type": "Standard"},
    )
    assert page.records[1].custom["type"] == "CreditMemo"
    assert [each.numbers for each in page.issues] == [("INV-15",)]
    # The list's own ids are of the ledger's entries, and it goes on behind those.
    assert page.next == "500015"


def test_where_the_unposted_list_has_the_invoices_id_is_an_argument() -> None:
    row = unposted(12, recordId=99)
    _, page = page_of(
        Unposted(date(2026, 3, 31)), ok([row]), kind=Posting, unposted_id="recordId"
    )
    assert [each.ref.id for each in page.records] == ["99"]


def handed(*answers: Response, ids: Sequence[str] = ("12",)) -> Any:
    return driven(connector().fetch(Posting, ids=ids), *answers)


def test_a_document_in_a_batch_was_handed_over_when_that_was_made() -> None:
    rows = [invoice(12, glBatch=BATCH), invoice(13), invoice(14, glBatch={"id": 0})]
    asked, page = handed(ok(rows), ok([MADE]), ids=["12", "13", "14"])
    assert [each.url for each in asked] == [
        "finance/invoices",
        "finance/accounting/batches",
    ]
    assert conditions(asked) == ["id in (12,13,14)", "id in (41)"]
    assert [(each.ref.id, each.batch) for each in page.records] == [
        ("12", "TO-41"),
        ("13", ""),
        ("14", ""),
    ]
    assert [each.on for each in page.records] == [
        datetime(2026, 3, 15, 9, tzinfo=UTC),
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("batch", "on"),
    [
        ({"id": 41, "_info": {"lastUpdated": "2026-03-16T09:00:00Z"}}, 16),
        ({"id": 41}, 12),
        ({"id": 42}, 12),
        ("odd", 12),
    ],
)
def test_a_batch_that_says_not_when_it_was_made_has_its_change_time(
    batch: Any, on: int
) -> None:
    _, page = handed(ok([invoice(glBatch={"id": 41})]), ok([batch]))
    assert page.records[0].on.day == on
    assert page.records[0].batch == "41"


def test_a_batch_of_no_known_time_is_an_issue() -> None:
    _, page = handed(ok([invoice(glBatch=BATCH, _info=None)]), ok([]))
    assert [each.code for each in page.issues] == [Code.BAD_DATE]
    _, page = handed(ok([invoice(glBatch=["odd"])]))
    assert [each.code for each in page.issues] == [Code.BAD_FIELD]


# Fetching --------------------------------------------------------------------------------


def fetched(
    *answers: Response,
    ids: Sequence[str] = (),
    numbers: Sequence[str] = (),
    **more: Any,
) -> tuple[list[Request], Page[Any]]:
    return driven(
        connector(**more).fetch(Settlement, ids=ids, numbers=numbers), *answers
    )


def conditions(requests: Sequence[Request]) -> list[str]:
    return [dict(each.params)["conditions"] for each in requests]


def test_many_are_fetched_in_batches_by_id_and_by_number() -> None:
    asked, page = fetched(
        ok([invoice(1), invoice(2)]),
        ok([invoice(3)]),
        ok([invoice(2), invoice(4)]),
        ids=["1", "2", "3", "x or 1=1", "1"],
        numbers=["INV-4", "INV-2"],
        fetch_size=2,
    )
    assert conditions(asked) == [
        "id in (1,2)",
        "id in (3)",
        'invoiceNumber in ("INV-4","INV-2")',
    ]
    assert sorted(each.ref.id for each in page.records) == ["1", "2", "3", "4"]


def test_the_address_of_a_batch_stays_short() -> None:
    numbers = [f"ÄÖÜ{at:012}" for at in range(120)]
    asked, _ = fetched(*[ok([])] * 4, numbers=numbers)
    assert sum(each.count("ÄÖÜ") for each in conditions(asked)) == 120
    for request in asked:
        assert len(str(dict(request.params)["conditions"])) < 1500


def test_nothing_asked_is_nothing_called() -> None:
    asked, page = fetched()
    assert asked == []
    assert page == Page()


def test_only_the_exact_number_is_returned() -> None:
    """B44: the vendor compares without case and gives more than was asked for."""
    rows = [
        invoice(1, invoiceNumber="inv-1"),
        invoice(2, invoiceNumber=" INV-1 "),
        invoice(3, invoiceNumber="INV-1", total=None),
        invoice(4, invoiceNumber="INV-11", total=None),
        invoice(5, invoiceNumber="INV-1", type="CreditMemo"),
        invoice(6, invoiceNumber=None),
        "no record at all",
    ]
    _, page = fetched(ok(rows), numbers=["INV-1"])
    assert [each.ref.id for each in page.records] == ["2"]
    assert [each.source and each.source.id for each in page.issues] == ["3", None]


@pytest.mark.parametrize(
    ("number", "condition"),
    [
        ("O'Brien", 'invoiceNumber="O\'Brien"'),
        ('5" pipe', "invoiceNumber='5\" pipe'"),
        ("100%", 'invoiceNumber="100%"'),
        ("a&b", 'invoiceNumber="a&b"'),
        ("a<b", 'invoiceNumber="a<b"'),
        ('" or id>0', "invoiceNumber='\" or id>0'"),
        ("ﬁ\N{LATIN SMALL LETTER E WITH ACUTE}", 'invoiceNumber in ("ﬁé")'),
    ],
)
def test_a_number_is_quoted_and_asked_for_as_it_is(number: str, condition: str) -> None:
    """A number that might break a condition is asked for alone."""
    asked, page = fetched(ok([invoice(invoiceNumber=number)]), numbers=[number])
    assert conditions(asked) == [condition]
    assert [each.number for each in page.records] == [number]


def test_a_backslash_is_an_issue_and_costs_no_call() -> None:
    """Whether it escapes is not documented: a guess might bring another's invoice."""
    asked, page = fetched(numbers=["a\\b"])
    assert asked == []
    (issue,) = page.issues
    assert (issue.code, issue.numbers) == (Code.NOT_ALLOWED, ("a\\b",))


def test_a_number_that_cannot_be_asked_for_is_an_issue_and_spoils_no_other() -> None:
    refused = Response(400, {}, "A potentially dangerous Request.QueryString")
    asked, page = fetched(ok([invoice()]), refused, numbers=["a<b", "INV-12", "\"and'"])
    assert len(asked) == 2
    assert [each.number for each in page.records] == ["INV-12"]
    assert {each.numbers for each in page.issues} == {("a<b",), ("\"and'",)}


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, Code.SERVER_ERROR), (403, Code.PERMISSION_MISSING)],
)
def test_a_connection_that_fails_is_no_issue_of_a_number(
    status: int, code: Code
) -> None:
    with pytest.raises(Fault) as caught:
        fetched(Response(status, {}, "timeout"), numbers=["a<b"])
    assert caught.value.code is code


def test_numbers_are_asked_for_as_they_are_compared() -> None:
    decomposed = "e\N{COMBINING ACUTE ACCENT}1"
    asked, page = fetched(ok([invoice(invoiceNumber="é1")]), numbers=[f" {decomposed}"])
    assert len(page.records) == 1
    assert '"é1"' in conditions(asked)[0]


def test_a_fetch_follows_the_links_and_ends() -> None:
    more = {"Link": '<https://api/x?page=2>; rel="next"'}
    asked, page = fetched(
        ok([invoice(1)], headers=more), ok([invoice(2)]), ids=["1", "2"]
    )
    assert asked[1].url == "https://api/x?page=2"
    assert len(page.records) == 2
    with pytest.raises(Fault) as caught:
        fetched(*[ok([], headers=more)] * 2, ids=["1"])
    assert caught.value.code is Code.LOOPING_PAGES


def test_find_looks_at_the_targets() -> None:
    asked, page = driven(connector().find([change()]), ok([invoice()]))
    assert conditions(asked) == ["id in (12)"]
    assert [each.ref.id for each in page.records] == ["12"]


# Writing ---------------------------------------------------------------------------------


def settlement(*rows: Any) -> Settlement:
    """Billing's own, read with these payments."""
    paid = sum((Decimal(str(row["amount"])) for row in rows), Decimal(0))
    answers = [ok([invoice(payments=paid, balance=100 - paid)])]
    return one(*answers, *([ok(list(rows))] if paid else []))


def change(
    *rows: Any,
    cash: Any = 100,
    on: date | None = date(2026, 3, 8),
    owned: tuple[str, ...] = (),
    take_over: bool = False,
) -> Change:
    before = settlement(*rows)
    paid = Decimal(str(cash))
    closed = paid >= before.total
    after = evolve(
        before,
        settled_by={**before.settled_by, Part.CASH: paid},
        balance=before.total - paid,
        status=Status.SETTLED if closed else Status.OPEN,
        paid_on=on if closed else None,
        last_on=on,
    )
    return Change(
        "name",
        Action.UPDATE,
        Settlement,
        before.ref.connection,
        Ref("ledger", "Invoice", "L1"),
        target=before.ref,
        before=before,
        after=after,
        owned=owned,
        take_over=take_over,
    )


def written(
    made: Change, *answers: Response, **more: Any
) -> tuple[list[Request], Outcome]:
    asked, (outcome,) = driven(connector(**more).write([made]), *answers)
    assert [each.effect for each in asked] == [each.method != "GET" for each in asked]
    assert sum(each.effect for each in asked) <= 1
    assert outcome.name == "name"
    return asked, outcome


def test_the_first_money_is_one_new_payment() -> None:
    """B17, B18."""
    made = payment(7, 100, invoice={"id": 12})
    asked, outcome = written(change(), ok([]), ok(made, 201))
    get, post = asked
    assert (get.method, get.url) == ("GET", "finance/invoices/12/payments")
    assert (post.method, post.url) == ("POST", "finance/invoices/12/payments")
    assert post.effect
    assert json.loads(post.body()) == {
        "amount": 100,
        "paymentDate": "2026-03-08T00:00:00Z",
    }
    assert outcome.state is State.APPLIED
    assert outcome.owned == ("7",)
    assert outcome.ref == change().target


def test_a_new_payment_takes_the_fields_that_the_site_needs() -> None:
    """The minimal body is unverified."""
    needed = {"type": "Payment", "amount": 1}
    (_, post), _ = written(
        change(), ok([]), ok(payment(7, 100), 201), payment_fields=needed
    )
    assert json.loads(post.body())["type"] == "Payment"
    assert json.loads(post.body())["amount"] == 100


def test_amounts_are_sent_exactly() -> None:
    made = change(cash="0.10")
    (_, post), _ = written(made, ok([]), ok(payment(7, 0.1), 201))
    assert b'"amount":0.10,' in post.body()


def test_a_partial_payment_has_the_last_receipts_date() -> None:
    (_, post), _ = written(change(cash=30), ok([]), ok(payment(7, 30), 201))
    assert json.loads(post.body())["paymentDate"] == "2026-03-08T00:00:00Z"
    echo = ok(payment(7, 30, None), 201)
    (_, post), outcome = written(
        change(cash=30), ok([]), echo, partial_payment_date=False
    )
    assert "paymentDate" not in json.loads(post.body())
    assert outcome.state is State.APPLIED


def test_our_payment_is_changed_where_it_differs() -> None:
    """B19, B20: set to the level, never appended."""
    ours = payment(7, 30, "2026-03-02")
    made = change(ours, cash=50, on=date(2026, 3, 2), owned=("7",))
    asked, outcome = written(made, ok([ours]), ok(payment(7, 50, "2026-03-02")))
    assert (asked[1].method, asked[1].url) == (
        "PATCH",
        "finance/invoices/12/payments/7",
    )
    assert json.loads(asked[1].body()) == [
        {"op": "replace", "path": "amount", "value": 50}
    ]
    assert outcome.owned == ("7",)


@pytest.mark.parametrize(("on", "verb"), [("2026-03-02", "replace"), (None, "add")])
def test_only_the_date_is_sent_where_only_it_differs(on: str | None, verb: str) -> None:
    ours = payment(7, 100, on)
    made = change(ours, owned=("7",))
    asked, _ = written(made, ok([ours]), ok(payment(7, 100)))
    assert json.loads(asked[1].body()) == [
        {"op": verb, "path": "paymentDate", "value": "2026-03-08T00:00:00Z"}
    ]


def test_a_date_that_must_not_be_there_is_removed() -> None:
    """B24, where partial payments take no date."""
    ours = payment(7, 30)
    made = change(ours, cash=30, owned=("7",))
    asked, outcome = written(
        made, ok([ours]), ok(payment(7, 30, None)), partial_payment_date=False
    )
    assert json.loads(asked[1].body()) == [{"op": "remove", "path": "paymentDate"}]
    assert outcome.state is State.APPLIED


def test_a_date_that_the_ledger_does_not_tell_is_left_alone() -> None:
    ours = payment(7, 100)
    asked, outcome = written(change(ours, on=None, owned=("7",)), ok([ours]))
    assert len(asked) == 1
    assert outcome.state is State.APPLIED


@pytest.mark.parametrize("owned", [(), ("7",), ("6",)])
def test_what_is_there_already_is_adopted_and_nothing_sent(
    owned: tuple[str, ...],
) -> None:
    """B20, B23: also a payment made by hand, and one of an answer that was lost."""
    there = ok([payment(7, "100.00"), payment(9, 5, credit={"id": 1})])
    asked, outcome = written(change(cash=100, owned=owned), there)
    assert [each.method for each in asked] == ["GET"]
    assert (outcome.state, outcome.owned) == (State.APPLIED, ("7",))


def test_nothing_paid_deletes_our_payment() -> None:
    """B24."""
    ours = payment(7, 100)
    made = change(ours, cash=0, owned=("7",))
    asked, outcome = written(made, ok([ours]), Response(204))
    assert (asked[1].method, asked[1].url) == (
        "DELETE",
        "finance/invoices/12/payments/7",
    )
    assert (outcome.state, outcome.owned) == (State.APPLIED, ())


def test_a_payment_that_is_already_gone_is_deleted_all_the_same() -> None:
    ours = payment(7, 100)
    made = change(ours, cash=0, owned=("7",))
    _, outcome = written(made, ok([ours]), ok(NOT_FOUND, 404))
    assert outcome.state is State.APPLIED
    asked, outcome = written(made, ok([]))
    assert [each.method for each in asked] == ["GET"]
    assert (outcome.state, outcome.owned) == (State.APPLIED, ())


@pytest.mark.parametrize("left", [[], [payment(7, 100)]])
def test_a_deletion_that_is_answered_with_something_else_is_looked_into(
    left: Any,
) -> None:
    """A sign-in page is no confirmation."""
    ours = payment(7, 100)
    made = change(ours, cash=0, owned=("7",))
    page = Response(200, {}, "<html>sign in</html>")
    _, outcome = written(made, ok([ours]), page, ok(left))
    assert outcome.state is (State.UNKNOWN if left else State.APPLIED)
    assert outcome.owned == tuple("7" for _ in left)


def test_a_payment_made_by_hand_is_not_touched() -> None:
    theirs = payment(8, 60)
    asked, outcome = written(change(theirs), ok([theirs]))
    assert len(asked) == 1
    assert outcome.state is State.REJECTED
    assert outcome.code is Code.PAID_ON_BOTH_SIDES
    assert "8" in outcome.text


def test_take_over_replaces_the_one_payment_made_by_hand() -> None:
    theirs = payment(8, 60)
    made = change(theirs, take_over=True)
    asked, outcome = written(made, ok([theirs]), ok(payment(8, 100)))
    assert asked[1].method == "PATCH"
    assert outcome.owned == ("8",)


@pytest.mark.parametrize("owned", [(), ("7",), ("7", "8")])
def test_several_payments_are_refused_even_then(owned: tuple[str, ...]) -> None:
    """Each deletion would be a change of its own."""
    rows = [payment(7, 20), payment(8, 30)]
    made = change(*rows, owned=owned, take_over=True)
    asked, outcome = written(made, ok(rows))
    assert len(asked) == 1
    assert outcome.code is Code.PAID_ON_BOTH_SIDES
    assert "7, 8" in outcome.text
    assert "by hand" in outcome.remedy


@pytest.mark.parametrize(
    "fresh",
    [
        [payment(7, 40)],
        [payment(7, 30, "2026-03-09")],
        [payment(7, 30), payment(8, 5)],
        [],
    ],
)
def test_payments_that_changed_since_they_were_read_are_left_alone(fresh: Any) -> None:
    ours = payment(7, 30)
    asked, outcome = written(change(ours, owned=("7",)), ok(fresh))
    assert len(asked) == 1
    assert outcome.state is State.NOT_SENT
    assert outcome.code is Code.STALE_VERSION


@pytest.mark.parametrize(("fresh", "stale"), [(30, False), (40, True), (None, True)])
def test_a_saved_plan_is_guarded_too(fresh: Any, stale: bool) -> None:
    """What a connector carries is not saved with a plan: nothing is needed of it."""
    ours = payment(7, 30)
    made = change(ours, owned=("7",))
    assert made.before is not None
    assert made.before.carry is None
    rows = [payment(7, fresh)] if fresh else []
    more = [] if stale else [ok(payment(7, 100))]
    _, outcome = written(made, ok(rows), *more)
    assert outcome.code is (Code.STALE_VERSION if stale else None)


def test_a_change_without_its_before_is_written_by_what_is_there() -> None:
    made = evolve(change(), before=None)
    _, outcome = written(made, ok([]), ok(payment(7, 100), 201))
    assert outcome.state is State.APPLIED


def test_a_payment_that_came_up_meanwhile_is_left_alone() -> None:
    _, outcome = written(change(), ok([payment(8, 5)]))
    assert outcome.code is Code.STALE_VERSION


def test_payments_that_cancel_out_are_seen_before_a_third_is_added() -> None:
    rows = [payment(8, 5), payment(9, -5)]
    _, outcome = written(change(), ok(rows))
    assert outcome.code is Code.PAID_ON_BOTH_SIDES


def test_an_answer_that_shows_another_amount_is_looked_into() -> None:
    less = payment(7, 60)
    asked, outcome = written(change(), ok([]), ok(less, 201), ok([less]))
    assert [each.method for each in asked] == ["GET", "POST", "GET"]
    assert outcome.state is State.APPLIED
    assert outcome.notes == (Code.UNAPPLIED_CREDIT,)
    assert outcome.owned == ("7",)
    assert outcome.text.startswith("40 USD was not applied")


@pytest.mark.parametrize(
    "there", [[payment(7, 130)], [payment(7, 100, "2026-03-07")], []]
)
def test_a_payment_that_is_not_as_sent_stays_unknown(there: Any) -> None:
    echo = ok(payment(7, 130), 201)
    _, outcome = written(change(), ok([]), echo, ok(there))
    assert outcome.state is State.UNKNOWN
    assert outcome.code is Code.UNKNOWN_ERROR
    assert outcome.owned == tuple(str(each["id"]) for each in there)


@pytest.mark.parametrize(
    "echo",
    [
        Response(201),
        Response(201, {}, "<html>sign in</html>"),
        ok(None, 201),
        ok({"id": 7}, 201),
        ok(payment(7, 100, invoice={"id": 13}), 201),
    ],
)
def test_an_answer_that_tells_nothing_is_looked_into(echo: Response) -> None:
    """Another document's id in an answer proves nothing."""
    _, outcome = written(change(), ok([]), echo, ok([payment(7, 100)]))
    assert (outcome.state, outcome.owned) == (State.APPLIED, ("7",))


@pytest.mark.parametrize(
    ("answer", "state", "code"),
    [
        (Response(500, {}, "timeout expired"), State.UNKNOWN, Code.SERVER_ERROR),
        (Response(503, {}, ""), State.UNKNOWN, Code.SERVER_ERROR),
        (Response(429, {"Retry-After": "3"}), State.NOT_SENT, Code.TOO_MANY_REQUESTS),
        (ok({"code": "Unauthorized"}, 401), State.NOT_SENT, Code.SIGN_IN_REFUSED),
        (ok({"code": "Conflict"}, 409), State.NOT_SENT, Code.IN_USE),
        (ok({"code": "InvalidObject"}, 400), State.REJECTED, Code.REFUSED),
        (ok({"code": "X"}, 418), State.REJECTED, Code.UNKNOWN_ERROR),
        (ok(NOT_FOUND, 404), State.REJECTED, Code.VANISHED),
    ],
)
def test_what_an_effect_that_fails_means(
    answer: Response, state: State, code: Code
) -> None:
    _, outcome = written(change(), ok([]), answer)
    assert (outcome.state, outcome.code) == (state, code)


def test_a_failed_look_after_an_effect_leaves_it_unknown() -> None:
    echo = ok(payment(7, 60), 201)
    _, outcome = written(change(), ok([]), echo, Response(429))
    assert outcome.state is State.UNKNOWN


def test_a_payment_that_vanishes_under_the_write_is_stale() -> None:
    ours = payment(7, 30)
    _, outcome = written(change(ours, owned=("7",)), ok([ours]), ok(NOT_FOUND, 404))
    assert (outcome.state, outcome.code) == (State.NOT_SENT, Code.STALE_VERSION)


def test_an_invoice_that_is_gone_is_not_made_anew() -> None:
    _, outcome = written(change(), ok(NOT_FOUND, 404))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.VANISHED)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda made: evolve(made, action=Action.VOID, after=None),
        lambda made: evolve(
            made,
            action=Action.CREATE,
            kind=Posting,
            after=Posting(Ref("c", "Posting", "1")),
        ),
    ],
)
def test_what_it_cannot_write_is_refused_without_a_call(
    wrong: Callable[[Change], Change],
) -> None:
    asked, outcome = written(wrong(change()))
    assert asked == []
    assert outcome.code is Code.NOT_ALLOWED


def test_a_negative_level_is_refused() -> None:
    asked, outcome = written(change(cash=-5))
    assert asked == []
    assert outcome.code is Code.NOT_ALLOWED


def test_every_change_has_its_outcome() -> None:
    """B106: one that fails does not stop the others."""
    first = change()
    second = evolve(first, name="second")
    _, outcomes = driven(
        connector().write([first, second]),
        Response(500),
        ok([payment(7, 100)]),
    )
    assert [(each.name, each.state) for each in outcomes] == [
        ("name", State.UNKNOWN),
        ("second", State.APPLIED),
    ]


# Writing documents -----------------------------------------------------------------------


WHERE = connector().connection
MARK = "TO-ABCDEFGHIJKLM"


def here(kind: str, identity: str = "") -> Ref:
    return Ref(WHERE, kind, identity)


def asked_for(after: Any, before: Any = None, **changed: Any) -> Change:
    """A create, or where there is a ``before``, an update of that."""
    return Change(
        "name",
        Action.UPDATE if before else Action.CREATE,
        type(after),
        WHERE,
        Ref("ledger", type(after).__name__, "L1"),
        **{
            "target": before.ref if before else None,
            "before": before,
            "after": after,
            "number": getattr(after, "number", ""),
            **changed,
        },
    )


def taken_back(kind: Any, identity: str, **changed: Any) -> Change:
    name = kind.__name__
    source = Ref("ledger", name, "L1")
    target = here(name, identity)
    return Change(
        "name", Action.VOID, kind, WHERE, source, **{"target": target, **changed}
    )


def sent(request: Request) -> Any:
    return json.loads(request.body(), parse_float=Decimal)


ADA = Customer(here("Customer"), "Ada Ltd", "C1", "ada@example.com")


def test_a_new_company_has_our_mark_as_its_identifier() -> None:
    """ConnectWise lets no second one have it."""
    row = {"id": 251, "identifier": MARK, "name": "Ada Ltd"}
    (post,), outcome = written(asked_for(ADA, mark=MARK), ok(row, 201))
    assert (post.method, post.url) == ("POST", "company/companies")
    assert sent(post) == {
        "identifier": MARK,
        "name": "Ada Ltd",
        "accountNumber": "C1",
        "invoiceToEmailAddress": "ada@example.com",
    }
    assert (outcome.state, outcome.ref) == (State.APPLIED, here("Customer", "251"))
    assert outcome.echo is not None
    assert carries(outcome.echo, MARK)


def test_a_new_company_has_what_the_site_needs_and_its_currency() -> None:
    ada = evolve(ADA, number="", email="", currency="EUR")
    (post,), _ = written(
        asked_for(ada),
        ok({"id": 251}, 201),
        currencies={"EUR": 3},
        company_fields={"name": "x", "site": {"name": "Main"}},
    )
    assert sent(post) == {
        "name": "Ada Ltd",
        "site": {"name": "Main"},
        "identifier": "Ada Ltd",
        "currency": {"id": 3},
    }
    long = evolve(ADA, name="x" * 50, number="")
    (post,), _ = written(asked_for(long), ok({"id": 251}, 201))
    assert sent(post)["identifier"] == "x" * 30


def test_a_company_is_found_again_by_its_identifier() -> None:
    change = asked_for(ADA, mark=MARK)
    row = {"id": 251, "identifier": MARK, "name": "Ada Ltd"}
    asked, page = driven(connector().find([change]), ok([row]))
    assert asked[0].url == "company/companies"
    assert conditions(asked) == [f'identifier in ("{MARK}")']
    assert [carries(each, MARK) for each in page.records] == [True]


def test_only_what_differs_of_a_company_is_sent() -> None:
    before = evolve(ADA, ref=here("Customer", "250"))
    after = evolve(before, name="Ada & Co", email="")
    (patch,), _ = written(asked_for(after, before), ok({"id": 250}))
    assert (patch.method, patch.url) == ("PATCH", "company/companies/250")
    assert sent(patch) == [
        {"op": "replace", "path": "name", "value": "Ada & Co"},
        {"op": "remove", "path": "invoiceToEmailAddress"},
    ]
    bare = evolve(before, email="")
    (patch,), _ = written(asked_for(before, bare), ok({"id": 250}))
    assert [each["op"] for each in sent(patch)] == ["add"]


def test_a_change_without_its_before_sends_all() -> None:
    after = evolve(ADA, ref=here("Customer", "250"), email="")
    change = evolve(asked_for(after, after), before=None)
    (patch,), _ = written(change, ok({"id": 250}))
    assert [each["op"] for each in sent(patch)] == ["replace", "replace", "remove"]


def test_what_cannot_be_changed_is_not_called_changed() -> None:
    before = evolve(ADA, ref=here("Customer", "250"))
    change = asked_for(evolve(before, currency="EUR"), before)
    asked, outcome = written(change)
    assert asked == []
    assert outcome.code is Code.NOT_ALLOWED


@pytest.mark.parametrize(
    ("argument", "path", "value"),
    [
        (None, "deletedFlag", True),
        ({"status": {"id": 2}}, "status", {"id": 2}),
    ],
)
def test_a_company_is_taken_back_as_the_site_does_it(
    argument: Any, path: str, value: Any
) -> None:
    (patch,), outcome = written(
        taken_back(Customer, "250"), ok({"id": 250}), voided_company=argument
    )
    assert (patch.method, patch.url) == ("PATCH", "company/companies/250")
    assert sent(patch) == [{"op": "replace", "path": path, "value": value}]
    assert outcome.state is State.APPLIED


BILL = Invoice(
    here("Invoice"),
    "N-1",
    here("Customer", "250"),
    "USD",
    date(2026, 3, 5),
    Decimal("100.10"),
    Status.OPEN,
    due=date(2026, 4, 4),
)
NOTE = CreditNote(
    here("CreditNote"),
    "C-1",
    here("Customer", "250"),
    "USD",
    date(2026, 3, 5),
    Decimal(40),
    Status.OPEN,
)


def test_a_new_invoice_has_our_number_by_which_it_is_found_again() -> None:
    row = invoice(99, invoiceNumber="N-1", total=100.1, balance=100.1)
    (post,), outcome = written(asked_for(BILL), ok(row, 201), final_status=2)
    assert (post.method, post.url) == ("POST", "finance/invoices")
    assert sent(post) == {
        "invoiceNumber": "N-1",
        "type": "Miscellaneous",
        "company": {"id": 250},
        "date": "2026-03-05T00:00:00Z",
        "dueDate": "2026-04-04T00:00:00Z",
        "total": Decimal("100.10"),
        "status": {"id": 2},
    }
    assert (outcome.state, outcome.ref) == (State.APPLIED, here("Invoice", "99"))
    assert isinstance(outcome.echo, Invoice)
    assert (outcome.echo.total, outcome.version) == (
        Decimal("100.1"),
        "2026-03-12T10:00:00Z",
    )
    asked, _ = driven(connector().find([asked_for(BILL)]), ok([row]))
    assert conditions(asked) == ['invoiceNumber in ("N-1")']


def test_an_invoice_that_is_no_final_one_is_left_open() -> None:
    """B90: without the id of a closed status a person closes it."""
    for change, more in (
        (asked_for(BILL), {}),
        (asked_for(evolve(BILL, status=Status.DRAFT)), {"final_status": 2}),
    ):
        (post,), _ = written(change, ok(invoice(99), 201), **more)
        assert "status" not in sent(post)


def test_a_new_invoice_has_what_the_site_needs() -> None:
    (post,), _ = written(
        asked_for(evolve(BILL, currency="EUR", due=None)),
        ok(invoice(99), 201),
        invoice_fields={"total": 1, "billingTerms": {"id": 4}},
        invoice_type="Standard",
        currencies={"EUR": 3},
    )
    body = sent(post)
    assert (body["type"], body["currency"]) == ("Standard", {"id": 3})
    assert (body["total"], body["billingTerms"]) == (Decimal("100.10"), {"id": 4})
    assert "dueDate" not in body


def test_no_currency_is_guessed_where_ids_are_given() -> None:
    """SB23: without one the company's own would be taken for it."""
    asked, outcome = written(asked_for(BILL), currencies={"EUR": 3})
    assert (asked, outcome.code) == ([], Code.NOT_ALLOWED)


@pytest.mark.parametrize(
    "more",
    [
        {"amount": Decimal(50)},
        {"currency": "EUR"},
        {"how": Part.CREDIT},
        {"live": False},
    ],
)
def test_a_payment_is_not_more_than_what_is_put_to_its_invoice(
    more: Mapping[str, Any],
) -> None:
    """All of it would be put there, in the invoice's currency."""
    whole = money()
    (one,) = whole.applications
    wanted = evolve(whole, applications=(evolve(one, **more),))
    asked, outcome = written(asked_for(wanted))
    assert (asked, outcome.code) == ([], Code.NOT_ALLOWED)


@pytest.mark.parametrize(("negative", "total"), [(False, 40), (True, -40)])
def test_a_new_credit_memo_is_an_invoice_of_its_own_type(
    negative: bool, total: int
) -> None:
    """Whether its total is a negative one is unverified."""
    row = memo(98, invoiceNumber="C-1", total=total, balance=total)
    (post,), outcome = written(asked_for(NOTE), ok(row, 201), negative_memos=negative)
    assert sent(post) == {
        "invoiceNumber": "C-1",
        "type": "CreditMemo",
        "company": {"id": 250},
        "date": "2026-03-05T00:00:00Z",
        "total": total,
    }
    assert outcome.ref == here("CreditNote", "98")
    assert isinstance(outcome.echo, CreditNote)
    assert outcome.echo.total == 40


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"customer": None}, Code.BAD_FIELD, "customer"),
        ({"customer": Ref(WHERE, "Customer", "a/b")}, Code.BAD_FIELD, ""),
        ({"number": ""}, Code.NOT_ALLOWED, ""),
    ],
)
def test_a_document_that_lacks_something_is_not_sent(
    wrong: dict[str, Any], code: Code, field: str
) -> None:
    asked, outcome = written(asked_for(evolve(BILL, **wrong)))
    assert asked == []
    assert (outcome.state, outcome.code) == (State.REJECTED, code)
    assert field in outcome.text


def test_only_what_differs_of_an_invoice_is_sent() -> None:
    before = evolve(BILL, ref=here("Invoice", "99"))
    after = evolve(before, due=None, total=Decimal(90))
    (patch,), outcome = written(asked_for(after, before), ok(invoice(99)))
    assert (patch.method, patch.url) == ("PATCH", "finance/closedInvoices/99")
    assert sent(patch) == [
        {"op": "replace", "path": "total", "value": 90},
        {"op": "remove", "path": "dueDate"},
    ]
    assert outcome.ref == before.ref


def test_a_closed_document_has_an_address_of_its_own_for_changes() -> None:
    """Whether the usual one takes it too is unverified."""
    closed = evolve(NOTE, ref=here("CreditNote", "98"))
    for before, more, path in (
        (closed, {}, "finance/closedInvoices/98"),
        (closed, {"closed_path": "finance/invoices"}, "finance/invoices/98"),
        (evolve(closed, status=Status.DRAFT), {}, "finance/invoices/98"),
    ):
        change = asked_for(evolve(before, number="C-2"), before)
        (patch,), _ = written(change, ok(memo(98)), **more)
        assert patch.url == path


def test_nothing_is_deleted_unless_that_is_allowed() -> None:
    for kind in (Invoice, CreditNote):
        asked, outcome = written(taken_back(kind, "99"))
        assert asked == []
        assert (outcome.state, outcome.code) == (State.REJECTED, Code.NOT_ALLOWED)
        assert "may_delete" in outcome.remedy
    _, other = written(evolve(taken_back(Posting, "1"), action=Action.CREATE))
    assert "may_delete" not in other.remedy


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (invoice(99, glBatch=BATCH), "batch 41"),
        (invoice(99), "closed"),
        (invoice(99, status=None, glBatch=None), "closed"),
    ],
)
def test_what_counts_in_the_books_is_not_deleted(row: Any, why: str) -> None:
    asked, outcome = written(taken_back(Invoice, "99"), ok(row), may_delete=True)
    assert [each.method for each in asked] == ["GET"]
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.REFUSED)
    assert why in outcome.text
    assert "credit memo" in outcome.remedy


def test_an_open_document_is_deleted_where_that_is_allowed() -> None:
    row = memo(98, status={"isClosed": False})
    asked, outcome = written(
        taken_back(CreditNote, "98"), ok(row), Response(204), may_delete=True
    )
    assert [(each.method, each.url) for each in asked] == [
        ("GET", "finance/invoices/98"),
        ("DELETE", "finance/invoices/98"),
    ]
    assert outcome.state is State.APPLIED
    _, outcome = written(taken_back(Invoice, "99"), ok(NOT_FOUND, 404), may_delete=True)
    assert outcome.code is Code.VANISHED


def test_a_number_that_is_in_use_is_told_as_such() -> None:
    error = {"code": "ObjectExists", "message": "number is in use"}
    body = {"code": "InvalidObject", "message": "invalid", "errors": [error]}
    _, outcome = written(asked_for(BILL), ok(body, 400))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.DUPLICATE_NUMBER)


# Writing payment records -----------------------------------------------------------------


def part(source: Ref, invoice: str = "12", amount: Any = 60, own: str = "") -> Any:
    return Application(
        here("Application", own),
        source,
        here("Invoice", invoice),
        Decimal(amount),
        "USD",
        date(2026, 3, 8),
        how=Part.CREDIT if source.kind == "CreditNote" else Part.CASH,
    )


def money(own: str = "", amount: Any = 60, **changed: Any) -> Payment:
    ref = here("Payment", own)
    return Payment(
        ref,
        here("Customer", "250"),
        "USD",
        date(2026, 3, 8),
        Decimal(amount),
        Status.SETTLED,
        **{"applications": (part(ref, amount=amount),), **changed},
    )


def test_a_new_payment_is_made_below_its_invoice() -> None:
    row = payment(7, 60, invoice={"id": 12})
    (post,), outcome = written(
        asked_for(money()), ok(row, 201), payment_fields={"type": "Payment"}
    )
    assert (post.method, post.url) == ("POST", "finance/invoices/12/payments")
    assert sent(post) == {
        "type": "Payment",
        "amount": 60,
        "paymentDate": "2026-03-08T00:00:00Z",
    }
    assert (outcome.state, outcome.ref) == (State.APPLIED, here("Payment", "12/7"))
    assert isinstance(outcome.echo, Payment)
    assert outcome.echo.customer == here("Customer", "250")
    assert believed(asked_for(money()), outcome) == outcome


def test_a_payment_that_may_have_been_made_is_not_searched_for() -> None:
    """R7: by invoice, amount and date it might be anybody's. It is parked."""
    with pytest.raises(Fault) as caught:
        driven(connector().find([asked_for(money())]))
    assert caught.value.code is Code.NOT_ALLOWED


@pytest.mark.parametrize(
    "wrong",
    [
        money(applications=()),
        money(applications=(part(here("Payment")), part(here("Payment"), "13"))),
        money(unapplied=Decimal(5)),
        part(here("Payment", "12/7")),
    ],
)
def test_what_is_no_payment_of_one_invoice_is_refused(wrong: Any) -> None:
    asked, outcome = written(asked_for(wrong))
    assert asked == []
    assert outcome.code is Code.NOT_ALLOWED


@pytest.mark.parametrize(
    "answer",
    [
        ok(payment(7, 60, invoice={"id": 13}), 201),
        ok(payment(7, 60, credit={"id": 77}), 201),
        ok([payment(7, 60)], 201),
        Response(201, {}, "<html>sign in</html>"),
        Response(502),
    ],
)
def test_an_answer_that_shows_no_such_payment_leaves_it_unknown(
    answer: Response,
) -> None:
    _, outcome = written(asked_for(money()), answer)
    assert outcome.state is State.UNKNOWN


def test_a_second_payment_of_an_invoice_is_told_as_such() -> None:
    error = {"code": "ObjectExists", "message": "Only a single payment is allowed"}
    body = {"code": "InvalidObject", "message": "invalid", "errors": [error]}
    _, outcome = written(asked_for(money()), ok(body, 400))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.PAID_ON_BOTH_SIDES)


def test_a_payment_is_changed_and_deleted_by_its_invoice_and_its_own_id() -> None:
    before = money("12/7")
    after = evolve(before, amount=Decimal(70))
    (patch,), outcome = written(asked_for(after, before), ok(payment(7, 70)))
    assert (patch.method, patch.url) == ("PATCH", "finance/invoices/12/payments/7")
    assert sent(patch) == [{"op": "replace", "path": "amount", "value": 70}]
    assert (outcome.ref, outcome.state) == (before.ref, State.APPLIED)
    (delete,), outcome = written(taken_back(Payment, "12/7"), Response(204))
    assert (delete.method, delete.url) == ("DELETE", "finance/invoices/12/payments/7")
    assert outcome.state is State.APPLIED


def test_a_deletion_that_is_answered_with_a_page_is_unknown() -> None:
    page = Response(200, {}, "<html>sign in</html>")
    _, outcome = written(taken_back(Payment, "12/7"), page)
    assert outcome.state is State.UNKNOWN


def test_an_id_without_its_invoice_deletes_nothing() -> None:
    """It would be the address of all payments."""
    for kind in (Payment, Application):
        asked, outcome = written(taken_back(kind, "7"))
        assert asked == []
        assert outcome.code is Code.VANISHED


def test_a_payment_that_is_gone_has_vanished() -> None:
    _, outcome = written(taken_back(Payment, "12/7"), ok(NOT_FOUND, 404))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.VANISHED)


def test_a_credit_memo_is_applied_by_a_payment_that_names_it() -> None:
    """B96."""
    put = part(here("CreditNote", "77"), amount="25.50")
    row = payment(8, "25.50", credit={"id": 77})
    (post,), outcome = written(asked_for(put), ok(row, 201))
    assert (post.method, post.url) == ("POST", "finance/invoices/12/payments")
    assert sent(post) == {
        "amount": Decimal("25.50"),
        "paymentDate": "2026-03-08T00:00:00Z",
        "credit": {"id": 77},
    }
    assert outcome.ref == here("Application", "12/8")
    assert believed(asked_for(put), outcome).state is State.APPLIED
    (delete,), outcome = written(taken_back(Application, "12/8"), Response(204))
    assert (delete.method, delete.url) == ("DELETE", "finance/invoices/12/payments/8")


# Handing over ----------------------------------------------------------------------------


def handing(*ids: int, on: datetime | None = NOW, **changed: Any) -> list[Change]:
    """That documents are to be called handed over; with ``on`` None, not any more."""
    return [
        evolve(
            asked_for(Posting(here("Posting", str(own)), f"INV-{own}", on)),
            name=f"name-{own}",
            action=Action.UPDATE,
            target=here("Posting", str(own)),
            **changed,
        )
        for own in ids
    ]


def transaction(own: int, entries: Any = None, **changed: Any) -> dict[str, Any]:
    told = [str(500_000 + own)] if entries is None else entries
    return {"id": 1, "documentNumber": f"INV-{own}", "glEntryIds": told, **changed}


def export(*rows: Any) -> Response:
    return ok({"transactions": list(rows), "customers": []})


def put(changes: Sequence[Change], *answers: Response, **more: Any) -> Any:
    asked, outcomes = driven(connector(**more).write(changes), *answers)
    assert sorted(each.name for each in outcomes) == sorted(e.name for e in changes)
    return asked, {each.name: each for each in outcomes}


def named(changes: Sequence[Change], **more: Any) -> str:
    """The name of the batch that these changes become."""
    flow = connector(**more).write(changes)
    next(flow)
    rows = [invoice(int(each.target.id)) for each in changes if each.target]
    asked = flow.send(ok(rows))
    assert isinstance(asked, Request)
    return str(dict(asked.params)["conditions"]).partition("=")[2].strip('"')


def test_all_that_is_handed_over_is_one_batch() -> None:
    """B119, B121: entries of exactly these, found in the export, which consumes nothing."""
    changes = handing(12, 13)
    name = named(changes)
    asked, outcomes = put(
        changes,
        ok([invoice(12), invoice(13)]),
        ok([]),
        export(transaction(13, "500013, 600013"), transaction(12), transaction(14)),
        ok({"id": 41, "batchIdentifier": name}, 201),
    )
    assert [(each.method, each.url, each.effect) for each in asked] == [
        ("GET", "finance/invoices", False),
        ("GET", "finance/accounting/batches", False),
        ("POST", "finance/accounting/export", False),
        ("POST", "finance/accounting/batches", True),
    ]
    assert conditions(asked[:2]) == ["id in (12,13)", f'batchIdentifier="{name}"']
    flags = {
        "exportInvoicesFlag": True,
        "exportExpensesFlag": False,
        "exportProductsFlag": False,
    }
    assert sent(asked[2]) == {
        "batchIdentifier": name,
        "includedInvoiceIds": [12, 13],
        **flags,
    }
    assert sent(asked[3]) == {
        "batchIdentifier": name,
        "processedRecordIds": [500012, 500013, 600013],
        **flags,
    }
    assert {each.state for each in outcomes.values()} == {State.APPLIED}
    assert len(asked) <= connector().capabilities.write_calls(Posting, 2)


def test_a_batch_has_its_name_from_the_changes() -> None:
    """In whatever order they come: so it is found again by who lost the answer."""
    changes = handing(12, 13)
    name = named(changes)
    assert name == named(changes[::-1])
    assert name != named(changes[:1])
    assert name.startswith("TO-")
    assert named(changes, batch_prefix="M-").startswith("M-")
    assert len(named(changes, batch_prefix="x" * 80)) == 50


def test_what_is_handed_over_already_stays_so() -> None:
    """B21: also by somebody else's batch."""
    asked, outcomes = put(handing(12), ok([invoice(12, glBatch=BATCH)]))
    assert [each.method for each in asked] == ["GET"]
    assert outcomes["name-12"].version == "2026-03-12T10:00:00Z"
    assert believed(handing(12)[0], outcomes["name-12"]).state is State.APPLIED


def test_a_batch_of_the_name_is_never_made_twice() -> None:
    """Its answer was lost, and the invoices do not show it yet."""
    changes = handing(12, 13)
    entry = {"id": 500012, "invoice": {"id": 12, "identifier": "INV-12"}}
    asked, outcomes = put(
        changes, ok([invoice(12), invoice(13)]), ok([MADE]), ok([entry])
    )
    assert not any(each.effect for each in asked)
    assert asked[2].url == "finance/accounting/batches/41/entries"
    assert outcomes["name-12"].state is State.APPLIED
    assert outcomes["name-13"].code is Code.STALE_VERSION


@pytest.mark.parametrize(
    "exported",
    [
        (),
        (transaction(12, []),),
        (transaction(12, ""),),
        (transaction(12), transaction(12, ["500099"])),
        (transaction(12, documentNumber="inv-12"),),
    ],
)
def test_what_the_export_does_not_tell_for_certain_is_not_handed_over(
    exported: Any,
) -> None:
    asked, outcomes = put(
        handing(12, 13),
        ok([invoice(12), invoice(13)]),
        ok([]),
        export(*exported, transaction(13)),
        ok({"batchIdentifier": named(handing(12, 13))}, 201),
    )
    assert sent(asked[3])["processedRecordIds"] == [500013]
    assert outcomes["name-13"].state is State.APPLIED
    assert (outcomes["name-12"].state, outcomes["name-12"].code) == (
        State.REJECTED,
        Code.REFUSED,
    )
    assert "GL accounts are mapped" in outcomes["name-12"].remedy


def test_two_documents_of_one_number_are_handed_over_together_or_not_at_all() -> None:
    rows = [invoice(12, invoiceNumber="X"), invoice(13, invoiceNumber="X")]
    both = [transaction(each, documentNumber="X") for each in (12, 13)]
    name = named(handing(12, 13))
    made = ok({"batchIdentifier": name}, 201)
    asked, _ = put(handing(12, 13), ok(rows), ok([]), export(*both), made)
    assert sent(asked[3])["processedRecordIds"] == [500012, 500013]
    asked, outcomes = put(handing(12, 13), ok(rows), ok([]), export(both[0]))
    assert not any(each.effect for each in asked)
    assert {each.code for each in outcomes.values()} == {Code.REFUSED}


def test_what_is_gone_or_cannot_be_read_is_not_handed_over() -> None:
    bad = invoice(13, glBatch={"id": "x"})
    asked, outcomes = put(handing(12, 13), ok([bad]))
    assert len(asked) == 1
    odd = [evolve(each, target=here("Posting", "a/b")) for each in handing(12)]
    assert put(odd)[1]["name-12"].code is Code.VANISHED
    assert outcomes["name-12"].code is Code.VANISHED
    assert outcomes["name-13"].code is Code.BAD_FIELD


@pytest.mark.parametrize(
    ("answer", "state", "code"),
    [
        (Response(502), State.UNKNOWN, Code.SERVER_ERROR),
        (ok({"batchIdentifier": "other"}, 201), State.UNKNOWN, Code.BAD_PAYLOAD),
        (Response(200, {}, "<html>"), State.UNKNOWN, Code.BAD_PAYLOAD),
        (Response(403), State.REJECTED, Code.PERMISSION_MISSING),
        (
            ok({"code": "InvalidObject", "message": "not in the unposted list"}, 400),
            State.REJECTED,
            Code.REFUSED,
        ),
    ],
)
def test_what_becomes_of_a_batch_that_fails(
    answer: Response, state: State, code: Code
) -> None:
    _, outcomes = put(
        handing(12), ok([invoice(12)]), ok([]), export(transaction(12)), answer
    )
    assert (outcomes["name-12"].state, outcomes["name-12"].code) == (state, code)


@pytest.mark.parametrize(
    "odd", [ok([]), ok({"transactions": 5}), ok({"transactions": [5]})]
)
def test_an_export_of_something_else_hands_nothing_over(odd: Response) -> None:
    asked, outcomes = put(handing(12), ok([invoice(12)]), ok([]), odd)
    assert not any(each.effect for each in asked)
    assert outcomes["name-12"].code is Code.BAD_PAYLOAD


def entries(*rows: Any) -> Response:
    return ok(
        [
            {"id": at, "invoice": {"id": own, "identifier": f"INV-{own}"}}
            if isinstance(own, int)
            else {"id": at, **own}
            for at, own in enumerate(rows)
        ]
    )


@pytest.mark.parametrize("void", [False, True])
def test_a_batch_is_taken_back_with_all_that_is_in_it(void: bool) -> None:
    """B134: then its invoices stand in the unposted list again."""
    changes = handing(12, 13, on=None)
    if void:
        changes = [evolve(each, action=Action.VOID, after=None) for each in changes]
    asked, outcomes = put(
        changes,
        ok([invoice(12, glBatch=BATCH), invoice(13, glBatch=BATCH)]),
        entries(12, 12, 13),
        Response(204),
    )
    assert [(each.method, each.url) for each in asked[1:]] == [
        ("GET", "finance/accounting/batches/41/entries"),
        ("DELETE", "finance/accounting/batches/41"),
    ]
    assert asked[-1].effect
    assert {each.state for each in outcomes.values()} == {State.APPLIED}


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (14, "INV-14"),
        ({"invoice": None, "id": 9}, "entry 9"),
        ({"invoice": {"id": 15}}, "15"),
    ],
)
def test_a_batch_that_holds_anything_else_is_left_alone(other: Any, name: str) -> None:
    """Nothing is handed back unasked: the others are named."""
    asked, outcomes = put(
        handing(12, on=None),
        ok([invoice(12, glBatch=BATCH)]),
        entries(12, other),
    )
    assert not any(each.effect for each in asked)
    assert outcomes["name-12"].code is Code.REFUSED
    assert outcomes["name-12"].text.endswith(f"also holds {name}")
    assert "together" in outcomes["name-12"].remedy


def test_each_batch_is_taken_back_for_itself() -> None:
    rows = [
        invoice(12, glBatch=BATCH),
        invoice(13, glBatch={"id": 42}),
        invoice(14),
    ]
    _, outcomes = put(
        handing(12, 13, 14, 15, on=None),
        ok(rows),
        entries(12),
        Response(500),
        entries(13),
        Response(204),
    )
    assert {name: each.state for name, each in outcomes.items()} == {
        "name-12": State.UNKNOWN,
        "name-13": State.APPLIED,
        "name-14": State.APPLIED,  # it is in none
        "name-15": State.REJECTED,  # there is none
    }


def test_what_goes_ahead_and_what_goes_back_may_come_in_one_write() -> None:
    ahead, back = handing(12), handing(13, on=None)
    name = named(ahead)
    asked, outcomes = put(
        [*back, asked_for(ADA), *ahead],
        ok({"id": 251}, 201),
        ok([invoice(12)]),
        ok([]),
        export(transaction(12)),
        ok({"batchIdentifier": name}, 201),
        ok([invoice(13, glBatch=BATCH)]),
        entries(13),
        Response(204),
    )
    assert [each.method for each in asked if each.effect] == ["POST", "POST", "DELETE"]
    assert {each.state for each in outcomes.values()} == {State.APPLIED}


# Answers ---------------------------------------------------------------------------------


def test_messages_are_kept_with_resource_and_field() -> None:
    body = {
        "code": "InvalidObject",
        "message": "payment object is invalid",
        "errors": [
            {
                "code": "Other",
                "message": "Too late.",
                "resource": "payment",
                "field": "date",
            },
            {"code": "ObjectExists", "message": "There is one.", "field": "objectId"},
            {"code": "Required", "resource": "payment"},
            None,
        ],
    }
    verdict = connector().judge(ok(body, 400, headers={"x-cw-request-id": "r-1"}))
    assert verdict.code is Code.DUPLICATE_NUMBER
    assert verdict.text == (
        "payment object is invalid; payment.date: Too late.; objectId: There is one.; "
        "payment: Required "
        "(request r-1)"
    )


@pytest.mark.parametrize(
    ("answer", "meaning", "code"),
    [
        (ok({}), Answer.OK, None),
        (Response(204), Answer.OK, None),
        (Response(401, {}, "<html>"), Answer.SIGN_IN, Code.SIGN_IN_REFUSED),
        (
            ok({"code": "ConnectWiseApi", "message": "UserNotAuthenticated"}, 400),
            Answer.SIGN_IN,
            Code.SIGN_IN_REFUSED,
        ),
        (Response(403, {}, ""), Answer.REFUSED, Code.PERMISSION_MISSING),
        (ok(NOT_FOUND, 404), Answer.REFUSED, Code.NO_SUCH_RESOURCE),
        (
            Response(404, {"api-current-version": "2025.16"}, ""),
            Answer.REFUSED,
            Code.NO_SUCH_RESOURCE,
        ),
        (
            Response(404, {"api-current-version": "2025.16"}, "<html>"),
            Answer.SIGN_IN,
            Code.NOT_REACHED,
        ),
        (Response(404, {}, "<html>"), Answer.SIGN_IN, Code.NOT_REACHED),
        (Response(404, {}, ""), Answer.SIGN_IN, Code.NOT_REACHED),
        (Response(405, {}, ""), Answer.REFUSED, Code.UNKNOWN_ERROR),
        (Response(408, {}, ""), Answer.UNCLEAR, Code.ANSWER_LOST),
        (Response(415, {}, ""), Answer.REFUSED, Code.UNKNOWN_ERROR),
        (Response(418, {}, ""), Answer.REFUSED, Code.UNKNOWN_ERROR),
        (Response(429, {"Retry-After": "9"}, ""), Answer.WAIT, Code.TOO_MANY_REQUESTS),
        (Response(500, {}, "timeout"), Answer.UNCLEAR, Code.SERVER_ERROR),
        (ok({"errors": None, "message": "?"}, 502), Answer.UNCLEAR, Code.SERVER_ERROR),
        (ok(["odd"], 400), Answer.REFUSED, Code.UNKNOWN_ERROR),
    ],
)
def test_answers_are_judged(
    answer: Response, meaning: Answer, code: Code | None
) -> None:
    verdict = connector().judge(answer)
    assert (verdict.answer, verdict.code) == (meaning, code)


def test_an_unknown_error_keeps_the_vendors_words() -> None:
    """B110."""
    said = connector().judge(ok({"code": "New", "message": "Heute nicht."}, 400))
    assert (said.code, said.text) == (Code.UNKNOWN_ERROR, "Heute nicht.")


def test_a_page_of_something_else_is_no_empty_page() -> None:
    bodies: list[Any] = [{"items": []}, None, "x"]
    for answer in (*map(ok, bodies), Response(200, {}, "<html>sign in</html>")):
        with pytest.raises(Fault) as caught:
            page_of(Everything(), answer)
        assert caught.value.code is Code.BAD_PAYLOAD


# Health ----------------------------------------------------------------------------------


INFO = {
    "version": "v2025.1",
    "isCloud": True,
    "serverTimeZone": "America/New_York",
}
FORBIDDEN = ok({"code": "Forbidden", "message": "no"}, 403)


def health(*answers: Response, **more: Any) -> tuple[list[Request], Health]:
    return driven(connector(**more).check(), *answers)


def test_a_good_connection_tells_its_books() -> None:
    asked, found = health(ok(INFO), ok([{"id": 12}]), ok([]), ok([]))
    assert [each.url for each in asked] == [
        "system/info",
        "finance/invoices",
        "company/companies",
        "finance/invoices/12/payments",
    ]
    assert not any(each.effect for each in asked)
    assert found.ok
    assert found.books is not None
    assert (found.books.identity, found.books.zone) == ("acme", "America/New_York")
    assert found.books.currency == ""


@pytest.mark.parametrize(
    ("told", "zone"),
    [
        ("Europe/Paris", "Europe/Paris"),
        ("UTC", "UTC"),
        ("Eastern Standard Time", None),
        (None, None),
        (5, None),
    ],
)
def test_a_zone_that_is_not_known_is_not_guessed(told: Any, zone: str | None) -> None:
    answers = (ok({"serverTimeZone": told}), ok([]), ok([]))
    _, found = health(*answers)
    assert found.books is not None
    assert found.books.zone == zone


def test_missing_permissions_are_named() -> None:
    """B163."""
    _, found = health(FORBIDDEN, ok([{"id": 12}]), FORBIDDEN, FORBIDDEN)
    assert (found.reachable, found.signed_in, found.ok) == (True, True, False)
    assert len(found.missing) == 3
    assert "system/info" in found.missing[0]
    assert "company/companies" in found.missing[1]
    _, found = health(ok(INFO), FORBIDDEN, ok([]))
    assert "finance/invoices" in found.missing[0]


def test_bad_keys_and_a_dead_host_are_told_apart() -> None:
    """B150."""
    _, found = health(Response(200, {}, "<html>sign in</html>"))
    assert (found.reachable, found.signed_in) == (False, False)
    _, found = health(Response(401, {}, ""))
    assert (found.reachable, found.signed_in) == (True, False)
    assert found.code is Code.SIGN_IN_REFUSED
    assert "client id" in found.notes[0]
    for position in range(3):
        answers = [ok(INFO), ok([]), ok([])][:position]
        _, found = health(*answers, Response(502, {}, ""))
        assert (found.reachable, found.ok) == (False, False)
        assert found.code is Code.SERVER_ERROR


@pytest.mark.parametrize("odd", [5, {"items": []}, [None], None])
def test_a_listing_of_something_else_is_no_crash(odd: Any) -> None:
    _, found = health(ok(INFO), ok(odd), ok([]))
    assert found.notes == ()


def test_an_empty_listing_hints_at_the_system_level() -> None:
    _, found = health(ok(INFO), ok([]), ok([]))
    assert found.ok
    assert "system level" in found.notes[0]


# Links for people ------------------------------------------------------------------------


def test_deep_links_come_from_a_template() -> None:
    """B131."""
    system = connector(company="a&b")
    link = system.deep_link(Ref(system.connection, "Invoice", "12"))
    assert link.startswith("https://na.myconnectwise.net/v4_6_release/services/")
    assert link.endswith("companyName=a%26b&recordType=InvoiceFV&recid=12")
    assert system.deep_link(Ref(system.connection, "Posting", "1")) == ""
    pdf = connector(deep_link_template="https://{host}/{id}")
    assert (
        pdf.deep_link(Ref("c", "Invoice", "1/2"))
        == "https://na.myconnectwise.net/1%2F2"
    )
    assert connector(deep_link_template="").deep_link(Ref("c", "Invoice", "1")) == ""
