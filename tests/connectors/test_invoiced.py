"""Invoiced: flows driven by hand with samples made from the vendor's documentation."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from tieout.capabilities import (
    Blind,
    Changed,
    Cost,
    Dated,
    Everything,
    Feed,
    Open,
    Select,
    Unposted,
    Updates,
    Verb,
)
from tieout.change import Action, Change, Outcome, State
from tieout.connector import Page
from tieout.connectors.invoiced import Invoiced
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.evidence import believed, carries
from tieout.models import (
    Application,
    Basis,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    Posting,
    Record,
    Ref,
    Settlement,
    Status,
)
from tieout.wire import Answer, Flow, Request, Response, write_json

SINCE = datetime(2026, 3, 10, tzinfo=UTC)
AT = "invoiced:acme"
MARK = "TO-ABCDEFGHIJKLM"


def seconds(day: str, hour: int = 12) -> int:
    return int(datetime.fromisoformat(f"{day}T{hour:02}:00:00+00:00").timestamp())


STAMP = seconds("2026-03-12", 10)
CREATED = seconds("2026-03-01", 9)


def connector(**changed: Any) -> Invoiced:
    return Invoiced(**{"company": "acme", "api_key": "SECRET", **changed})


def ok(
    body: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(status, headers or {}, write_json(body))


def more(body: Any, page: int = 2) -> Response:
    link = f'<https://api.invoiced.com/x?page={page}>; rel="next"'
    return ok(body, headers={"Link": link})


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


def invoice(identity: int = 12, /, **changed: Any) -> dict[str, Any]:
    return {
        "id": identity,
        "object": "invoice",
        "customer": 250,
        "number": f"INV-{identity}",
        "currency": "usd",
        "date": seconds("2026-03-01"),
        "due_date": seconds("2026-03-31"),
        "purchase_order": None,
        "draft": False,
        "closed": False,
        "paid": False,
        "status": "sent",
        "items": [],
        "discounts": [],
        "taxes": [],
        "subtotal": 100,
        "total": 100,
        "balance": 100,
        "metadata": [],
        "created_at": CREATED,
        "updated_at": STAMP,
        "something_new": [1, {"a": None}],
        **changed,
    }


def note(identity: int = 5, /, **changed: Any) -> dict[str, Any]:
    row = {"number": f"CN-{identity}", "status": "open", "total": 40, "balance": 40}
    return {**invoice(identity), "object": "credit_note", **row, **changed}


def cash(to: int, amount: Any) -> dict[str, Any]:
    return {"type": "invoice", "invoice": to, "amount": amount}


def credit(of: int, to: int, amount: Any) -> dict[str, Any]:
    source = {"type": "credit_note", "credit_note": of, "document_type": "invoice"}
    return {**source, "invoice": to, "amount": amount}


def payment(
    identity: int,
    amount: Any,
    /,
    *splits: Any,
    on: str = "2026-03-08",
    **more: Any,
) -> dict[str, Any]:
    return {
        "id": identity,
        "object": "payment",
        "customer": 250,
        "date": seconds(on),
        "currency": "usd",
        "amount": amount,
        "balance": 0,
        "voided": False,
        "matched": False,
        "method": "check",
        "reference": "1001",
        "charge": None,
        "metadata": {},
        "created_at": STAMP,
        "updated_at": STAMP,
        "applied_to": list(splits or [cash(12, amount)]),
        **more,
    }


def customer(identity: int = 250, /, **changed: Any) -> dict[str, Any]:
    return {
        "id": identity,
        "object": "customer",
        "name": "Acme",
        "number": f"CUST-{identity}",
        "email": "pay@acme.example",
        "currency": "usd",
        "parent_customer": None,
        "metadata": {},
        "created_at": CREATED,
        "updated_at": STAMP,
        **changed,
    }


def page_of(
    select: Select = Everything(),  # noqa: B008 - frozen
    *answers: Response,
    kind: Any = Settlement,
    cursor: str | None = None,
    **changed: Any,
) -> tuple[list[Request], Page[Any]]:
    return driven(connector(**changed).page(kind, select, cursor), *answers)


def one(*answers: Response, kind: Any = Settlement, **changed: Any) -> Any:
    _, page = page_of(Everything(), *answers, kind=kind, **changed)
    assert page.issues == ()
    (record,) = page.records
    return record


def issue_of(*answers: Response, kind: Any = Settlement) -> Any:
    _, page = page_of(Everything(), *answers, kind=kind)
    assert page.records == ()
    (issue,) = page.issues
    return issue


def ref(kind: str, identity: object) -> Ref:
    return Ref(AT, kind, str(identity))


# Who it is -------------------------------------------------------------------------------


def test_the_key_is_the_user_of_basic_auth_and_the_password_is_blank() -> None:
    system = connector()
    signed = system.auth.sign(Request("GET", "https://x/"), system.auth.first())
    assert signed.header("Authorization") == (
        f"Basic {base64.b64encode(b'SECRET:').decode()}"
    )
    assert signed.header("Accept") == "application/json"
    shown = repr((system, system.auth, system.auth.first(), signed))
    assert "SECRET" not in shown
    assert base64.b64encode(b"SECRET:").decode() not in shown


def test_the_sandbox_is_another_business_at_another_address() -> None:
    live, play = connector(), connector(sandbox=True)
    assert live.auth.first().base_url == "https://api.invoiced.com"
    assert play.auth.first().base_url == "https://api.sandbox.invoiced.com"
    assert (live.connection, play.connection) == (AT, f"{AT}@sandbox")
    local = connector(base_url="http://127.0.0.1:81/")
    assert local.auth.first().base_url == "http://127.0.0.1:81"


@pytest.mark.parametrize(
    "wrong",
    [
        {"company": ""},
        {"company": "a b"},
        {"api_key": ""},
        {"api_key": "a\r\nHost: x"},
        {"page_size": 0},
        {"page_size": 101},
        {"fetch_size": 0},
        {"metadata_key": "x" * 41},
        {"method": "barter"},
        {"zone": "Mars/Olympus"},
    ],
)
def test_wrong_arguments_are_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        connector(**wrong)
    assert "Host: x" not in str(caught.value)


def test_capabilities_say_what_it_can() -> None:
    able = connector().capabilities
    assert able == connector().capabilities
    assert able.fetch_calls(Settlement, 100) == 200
    # Eleven pages of invoices and of payments, whose last rows come again.
    assert able.read_calls(Settlement, 1000) == 2 * 11 + 1 + 1010
    assert able.read_calls(Invoice, 1000) == 11
    assert able.write_calls(Settlement, 10) == 30
    assert able.payments.owned_payment
    assert able.payments.detail is Cost.CALL_EACH
    assert able.payments.paid_on is Basis.LAST_RECEIPT
    assert able.payments.feeds == (Feed.STAMP, Feed.PAYMENTS, Feed.CREDITS)
    assert able.payments.blind == {Blind.DELETIONS}
    assert able.idempotency_key
    assert able.idempotency_lifetime == timedelta(hours=24)
    assert not able.version_token
    full = {Verb.READ, Verb.CREATE, Verb.UPDATE, Verb.VOID}
    for kind in (Invoice, CreditNote, Payment):
        assert able.kind(kind).verbs == full
        assert able.kind(kind).updates is Updates.SPARSE
    assert able.kind(Customer).verbs == full - {Verb.VOID}
    assert able.kind(Application).verbs == full - {Verb.UPDATE}
    assert able.kind(Settlement).verbs == {Verb.READ, Verb.UPDATE}
    assert not able.kind(Posting).verbs
    mark = able.kind(Invoice).mark
    assert mark is not None
    assert (mark.field, mark.searchable, mark.is_number) == (
        "metadata[tieout]",
        True,
        False,
    )
    assert not connector(idempotency_lifetime=timedelta(0)).capabilities.idempotency_key


def test_addresses_of_pages_for_people() -> None:
    system = connector()
    assert system.deep_link(ref("Invoice", 12)) == (
        "https://app.invoiced.com/invoices/12"
    )
    assert system.deep_link(ref("CreditNote", 5)).endswith("/credit_notes/5")
    assert system.deep_link(ref("Posting", 5)) == ""
    mine = connector(link="https://mine/{path}/{id}")
    assert mine.deep_link(ref("Payment", 7)) == "https://mine/payments/7"


# The check -------------------------------------------------------------------------------


def test_a_check_asks_for_one_record_of_each_list() -> None:
    system = connector(currency="EUR", zone="Europe/Berlin", sandbox=True)
    asked, health = driven(system.check(), *[ok([])] * 4)
    paths = ["customers", "invoices", "credit_notes", "payments"]
    assert [each.url for each in asked] == paths
    assert {each.params for each in asked} == {(("per_page", "1"),)}
    assert health.ok
    books = health.books
    assert books is not None
    assert (books.identity, books.name) == ("acme@sandbox", "acme")
    assert (books.currency, books.zone) == ("EUR", "Europe/Berlin")


def test_what_is_not_permitted_is_named_and_the_rest_is_asked_for() -> None:
    no = ok({"type": "invalid_request", "message": "no permission"}, 403)
    _, health = driven(connector().check(), ok([]), no, ok([]), no)
    assert health.signed_in
    assert not health.ok
    assert health.missing == ("invoices: no permission", "payments: no permission")
    assert any("Give the API key" in each for each in health.notes)


@pytest.mark.parametrize(
    ("answer", "reachable", "code"),
    [
        (ok({"type": "invalid_request"}, 401), True, Code.SIGN_IN_REFUSED),
        (Response(503, {}, ""), False, Code.SERVER_ERROR),
        (Response(200, {}, "<html>"), True, None),
    ],
)
def test_sign_in_and_reachability_are_told_apart(
    answer: Response, reachable: bool, code: Code | None
) -> None:
    rest = [ok([])] * 3 if code is None else []
    _, health = driven(connector().check(), answer, *rest)
    assert (health.reachable, health.code) == (reachable, code)


# Pages -----------------------------------------------------------------------------------


ALL = {"sort": "updated_at ASC", "per_page": "100", "page": "1"}


@pytest.mark.parametrize(
    ("select", "only"),
    [
        # One second earlier: whether "after" is inclusive is not documented.
        (Changed(SINCE), {"updated_after": str(int(SINCE.timestamp()) - 1)}),
        (Changed(datetime(1970, 1, 1, tzinfo=UTC)), {}),
        (
            Dated(date(2026, 3, 1), date(2026, 3, 31)),
            {
                "start_date": str(seconds("2026-03-01", 0)),
                "end_date": str(seconds("2026-04-01", 0) - 1),
            },
        ),
        (Open(), {"filter[paid]": "0", "filter[draft]": "0"}),
        (
            Open(date(2026, 3, 31)),
            {
                "filter[paid]": "0",
                "filter[draft]": "0",
                "end_date": str(seconds("2026-04-01", 0) - 1),
            },
        ),
        (Everything(), {}),
    ],
)
@pytest.mark.parametrize(
    ("kind", "path"),
    [(Settlement, "invoices"), (Invoice, "invoices"), (CreditNote, "credit_notes")],
)
def test_selects_become_parameters(
    kind: Any, path: str, select: Select, only: dict[str, str]
) -> None:
    """B12: the change time is inclusive."""
    (request,), page = page_of(select, ok([]), kind=kind)
    assert (request.method, request.url, request.effect) == ("GET", path, False)
    assert dict(request.params) == {**ALL, **only}
    assert page.next == (
        "1:" if kind is Settlement and isinstance(select, Changed) else None
    )


@pytest.mark.parametrize("kind", [Payment, Application])
def test_payments_are_asked_for_with_what_they_are_applied_to(kind: Any) -> None:
    (request,), _ = page_of(Everything(), ok([]), kind=kind)
    assert request.url == "payments"
    assert dict(request.params) == {**ALL, "include": "applied_to"}


def test_days_are_those_of_the_business() -> None:
    """The day of Auckland begins while UTC has the day before."""
    (request,), _ = page_of(
        Dated(date(2026, 3, 1), date(2026, 3, 1)), ok([]), zone="Pacific/Auckland"
    )
    sent = dict(request.params)
    assert sent["start_date"] == str(seconds("2026-02-28", 11))
    assert sent["end_date"] == str(seconds("2026-03-01", 11) - 1)
    late = invoice(date=seconds("2026-03-01", 20))
    assert one(ok([late]), kind=Invoice).on == date(2026, 3, 1)
    assert one(ok([late]), kind=Invoice, zone="Pacific/Auckland").on == date(2026, 3, 2)


@pytest.mark.parametrize(
    ("kind", "select"),
    [
        (Settlement, Unposted(date(2026, 3, 1))),
        (Customer, Open()),
        (Customer, Dated(date(2026, 3, 1), date(2026, 3, 1))),
        (Payment, Open()),
        (Posting, Everything()),
    ],
)
def test_what_cannot_be_selected_is_refused_before_any_call(
    kind: Any, select: Select
) -> None:
    with pytest.raises(Fault) as caught:
        next(connector().page(kind, select))
    assert caught.value.code is Code.NOT_ALLOWED


@pytest.mark.parametrize("cursor", ["x", "1", "1.", ".2", "https://evil/", "-1.2"])
def test_a_resume_point_of_another_system_is_refused(cursor: str) -> None:
    with pytest.raises(ConfigError):
        next(connector().page(Invoice, Everything(), cursor))


def test_the_next_page_begins_at_the_last_change_time() -> None:
    """P1: a row that is edited between two pages pushes none across the boundary."""
    rows = [invoice(1, updated_at=STAMP), invoice(2, updated_at=STAMP + 50)]
    _, page = page_of(Changed(SINCE), more(rows), kind=Invoice)
    assert page.next == f"{STAMP + 49}.1"
    (request,), page = page_of(
        Changed(SINCE), ok([invoice(3)]), kind=Invoice, cursor=page.next
    )
    assert dict(request.params) == {**ALL, "updated_after": str(STAMP + 49)}
    assert page.next is None


def test_pages_of_one_second_are_counted_and_none_is_jumped_over() -> None:
    """P3."""
    rows = [invoice(1), invoice(2)]
    start = f"{STAMP - 1}.1"
    _, page = page_of(Changed(SINCE), more(rows), kind=Invoice, cursor=start)
    assert page.next == f"{STAMP - 1}.2"
    (request,), page = page_of(
        Changed(SINCE), more(rows), kind=Invoice, cursor=page.next
    )
    assert dict(request.params)["page"] == "2"
    assert page.next == f"{STAMP - 1}.3"


@pytest.mark.parametrize(
    "rows",
    [
        [invoice(1, updated_at=STAMP + 9), invoice(2)],  # not in order
        [invoice(1, updated_at=None), invoice(2, updated_at="x"), None],
    ],
)
def test_where_change_times_say_nothing_pages_are_counted(rows: list[Any]) -> None:
    _, page = page_of(Everything(), more(rows), kind=Invoice)
    assert page.next == "0.2"


def test_a_full_page_without_any_links_is_no_end() -> None:
    """A proxy that drops the header must not cut the list off."""
    rows = [invoice(1), invoice(2)]
    _, page = page_of(Everything(), ok(rows), kind=Invoice, page_size=2)
    assert page.next == f"{STAMP - 1}.1"
    last = ok(rows, headers={"Link": '<https://x/1>; rel="last"'})
    _, page = page_of(Everything(), last, kind=Invoice, page_size=2)
    assert page.next is None


def test_open_documents_are_those_on_which_something_is_owed() -> None:
    rows = [invoice(1), invoice(2, status="voided"), invoice(3, balance=0, total=0)]
    _, page = page_of(Open(), ok(rows), kind=Invoice)
    assert [each.ref.id for each in page.records] == ["1"]


def test_the_clock_of_the_other_side_is_told() -> None:
    head = {"Date": "Tue, 10 Mar 2026 08:00:00 GMT"}
    _, page = page_of(Everything(), ok([], headers=head))
    assert page.as_of == datetime(2026, 3, 10, 8, tzinfo=UTC)


def test_changed_money_is_told_by_invoices_payments_and_credit_notes() -> None:
    """B11: whether an invoice's change time moves with its payments is not documented."""
    select = Changed(SINCE)
    _, page = page_of(select, ok([invoice()]))
    assert (len(page.records), page.next) == (1, "1:")
    paid = payment(7, 60, cash(12, 50), cash(13, 10), credit(5, 14, 3))
    void = payment(8, 60, cash(15, 60), voided=True)
    kept = payment(9, 60, {"type": "credit", "amount": 60}, applied_to=None)
    (request,), page = page_of(select, ok([paid, void, kept]), cursor="1:")
    assert request.url == "payments"
    assert dict(request.params)["include"] == "applied_to"
    assert [each.id for each in page.touched] == ["12", "13", "14", "15"]
    assert (page.records, page.gone, page.next) == ((), (), "2:")
    (request,), page = page_of(select, ok([note(invoice=12), note(6)]), cursor="2:")
    assert request.url == "credit_notes"
    assert page.touched == (ref("Invoice", 12),)
    assert page.next is None


# A settlement ----------------------------------------------------------------------------


def test_an_unpaid_invoice_costs_no_call_more() -> None:
    record = one(ok([invoice()]))
    assert record == Settlement(
        ref=ref("Invoice", 12),
        number="INV-12",
        currency="USD",
        total=Decimal(100),
        balance=Decimal(100),
        status=Status.OPEN,
        customer=ref("Customer", 250),
        on=date(2026, 3, 1),
        settled_by={Part.CASH: Decimal(0), Part.CREDIT: Decimal(0)},
        changed_at=datetime(2026, 3, 12, 10, tzinfo=UTC),
        version=str(STAMP),
    )


def test_a_paid_invoice_costs_one_call_for_its_customers_payments() -> None:
    """B17, B19: all payments count, the date is the last receipt's."""
    row = invoice(balance=0, status="paid", paid=True)
    rows = [
        payment(10, "70.00", on="2026-03-11"),
        payment(9, 30),
        payment(11, 20, cash(13, 20)),
    ]
    asked, page = page_of(Everything(), ok([row]), ok(rows))
    assert [each.url for each in asked] == ["invoices", "payments"]
    assert dict(asked[1].params) == {
        **ALL,
        "include": "applied_to",
        "filter[customer]": "250",
        # Whatever is applied to it was touched after it was made.
        "updated_after": str(CREATED - 1),
    }
    (record,) = page.records
    assert record.status is Status.SETTLED
    assert record.paid == 100
    assert record.settled_by == {Part.CASH: 100, Part.CREDIT: 0}
    assert record.paid_on == record.last_on == date(2026, 3, 11)
    assert record.basis is Basis.LAST_RECEIPT
    assert record.receipts == ("9", "10")


def test_invoices_of_one_customer_share_the_call() -> None:
    rows = [
        invoice(12, balance=50),
        invoice(13, balance=70, created_at=CREATED - 500),
        invoice(14, balance=0, customer=251),
    ]
    both = payment(7, 80, cash(12, 50), cash(13, 30))
    other = payment(8, 100, cash(14, 100), customer=251)
    asked, page = page_of(Everything(), ok(rows), ok([both]), ok([other]))
    assert [dict(each.params).get("filter[customer]") for each in asked] == [
        None,
        "250",
        "251",
    ]
    assert dict(asked[1].params)["updated_after"] == str(CREATED - 501)
    assert [each.paid for each in page.records] == [50, 30, 100]
    assert [each.receipts for each in page.records] == [("7",), ("7",), ("8",)]


def test_a_partial_payment_has_no_paid_date() -> None:
    """B35."""
    record = one(ok([invoice(balance=70)]), ok([payment(7, 30)]))
    assert record.status is Status.OPEN
    assert record.paid == 30
    assert (record.paid_on, record.basis) == (None, None)
    assert record.last_on == date(2026, 3, 8)


@pytest.mark.parametrize("amount", [60, 100])
def test_cash_and_a_credit_note_in_one_payment(amount: int) -> None:
    """B98: whether the amount counts the credit is not documented; both are read."""
    row = invoice(balance=0, status="paid")
    split = payment(7, amount, cash(12, 60), credit(5, 12, 40))
    record = one(ok([row]), ok([split]))
    assert record.settled_by == {Part.CASH: 60, Part.CREDIT: 40}
    assert record.receipts == ("7",)
    assert record.paid_on == date(2026, 3, 8)


def test_credit_balance_that_was_applied_is_credit() -> None:
    split = {"type": "applied_credit", "document_type": "invoice", "amount": 30}
    row = payment(7, 0, {**split, "invoice": 12})
    record = one(ok([invoice(balance=70)]), ok([row]))
    assert record.settled_by == {Part.CASH: 0, Part.CREDIT: 30}
    assert (record.receipts, record.last_on) == ((), None)


def test_void_and_failed_payments_settle_nothing() -> None:
    """B24."""
    rows = [
        payment(7, 30, voided=True),
        payment(8, 30, charge={"status": "failed"}),
        payment(9, 30),
    ]
    assert one(ok([invoice(balance=70)]), ok(rows)).receipts == ("9",)


@pytest.mark.parametrize(("balance", "receipts"), [(70, ("9",)), (40, ("8", "9"))])
def test_a_charge_under_way_counts_where_the_invoice_counts_it(
    balance: int, receipts: tuple[str, ...]
) -> None:
    rows = [payment(8, 30, charge={"status": "pending"}), payment(9, 30)]
    row = invoice(balance=balance, status="pending")
    assert one(ok([row]), ok(rows)).receipts == receipts


def test_a_fee_and_an_overpayment_are_not_the_invoices_money() -> None:
    splits = (
        cash(12, 100),
        {"type": "convenience_fee", "amount": "2.50"},
        {"type": "credit", "amount": 7},
        {"type": "estimate", "estimate": 3, "amount": 1},
    )
    row = invoice(balance=0, status="paid")
    record = one(ok([row]), ok([payment(7, "110.50", *splits)]))
    assert record.settled_by == {Part.CASH: 100, Part.CREDIT: 0}


def test_what_no_payment_shows_is_a_credit_note_issued_against_the_invoice() -> None:
    """The parents may have paid: they are asked before it is called so."""
    asked, page = page_of(
        Everything(), ok([invoice(balance=30)]), ok([payment(7, 60)]), ok(customer())
    )
    assert [each.url for each in asked] == ["invoices", "payments", "customers/250"]
    assert page.records[0].settled_by == {Part.CASH: 60, Part.CREDIT: 10}


def test_a_parent_pays_for_its_child() -> None:
    rows = [invoice(12, balance=0), invoice(13, balance=0)]
    child, parent = customer(parent_customer=251), customer(251, parent_customer=252)
    paid = payment(9, 200, cash(12, 100), cash(13, 100), customer=252)
    asked, page = page_of(
        Everything(), ok(rows), ok([]), ok(child), ok([]), ok(parent), ok([paid])
    )
    assert [each.url for each in asked] == [
        "invoices",
        "payments",
        "customers/250",
        "payments",
        "customers/251",
        "payments",
    ]
    assert [each.receipts for each in page.records] == [("9",), ("9",)]
    assert [each.paid for each in page.records] == [100, 100]


def test_a_circle_of_parents_ends() -> None:
    own = ok(customer(parent_customer=250))
    record = one(ok([invoice(balance=0)]), ok([payment(7, 60)]), own)
    assert record.settled_by == {Part.CASH: 60, Part.CREDIT: 40}
    gone = ok({"type": "invalid_request", "message": "no such customer"}, 404)
    record = one(ok([invoice(balance=0)]), ok([]), gone, ok([]))
    assert record.settled_by[Part.CREDIT] == 100


def test_a_payment_in_another_currency_adds_to_nothing() -> None:
    foreign = payment(7, 30, currency="eur")
    issue = issue_of(ok([invoice(balance=70)]), ok([foreign]))
    assert issue.code is Code.CURRENCY_DIFFERS
    assert "payment 7 is in EUR" in issue.text


def test_payments_that_come_to_more_than_was_settled_are_an_issue() -> None:
    issue = issue_of(ok([invoice(balance=90)]), ok([payment(7, 30)]))
    assert (issue.code, issue.field) == (Code.TOTALS_DISAGREE, "balance")
    assert issue.numbers == ("INV-12",)
    assert "credit notes" in issue.remedy
    assert (
        issue_of(ok([invoice(balance=90, number="")]), ok([payment(7, 30)])).numbers
        == ()
    )


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"amount": "x"}, Code.BAD_AMOUNT),
        ({"amount": 31}, Code.TOTALS_DISAGREE),
        ({"date": None}, Code.BAD_FIELD),
        ({"applied_to": [{"type": "gift", "amount": 30}]}, Code.UNKNOWN_STATUS),
        ({"applied_to": [{"type": "invoice", "amount": 30}]}, Code.BAD_FIELD),
    ],
)
def test_a_payment_that_cannot_be_read_isolates_the_invoice_that_lacks_it(
    wrong: dict[str, Any], code: Code
) -> None:
    rows = [invoice(12, balance=70), invoice(13, balance=80)]
    bad, good = payment(7, 30, **wrong), payment(8, 20, cash(13, 20))
    answers = [ok(rows), ok([bad, good]), ok(customer())]
    _, page = page_of(Everything(), *answers)
    assert [each.ref.id for each in page.records] == ["13"]
    assert [(each.code, each.numbers) for each in page.issues] == [(code, ("INV-12",))]


def test_payments_over_several_pages_are_all_read() -> None:
    rows = [payment(7, 30), payment(8, 20, updated_at=STAMP + 5)]
    again = [rows[1], payment(9, 50, updated_at=STAMP + 6)]
    asked, page = page_of(Everything(), ok([invoice(balance=0)]), more(rows), ok(again))
    assert dict(asked[2].params)["updated_after"] == str(STAMP + 4)
    assert page.records[0].receipts == ("7", "8", "9")


def test_endless_payments_are_seen() -> None:
    flow = connector().page(Settlement, Everything())
    next(flow)
    flow.send(ok([invoice(balance=0)]))
    for _ in range(999):
        flow.send(more([]))
    with pytest.raises(Fault) as caught:
        flow.send(more([]))
    assert caught.value.code is Code.LOOPING_PAGES


def test_a_lost_permission_ends_the_page() -> None:
    with pytest.raises(Fault) as caught:
        page_of(Everything(), ok([invoice(balance=0)]), ok({"message": "no"}, 403))
    assert caught.value.code is Code.PERMISSION_MISSING


@pytest.mark.parametrize(
    ("row", "status", "balance"),
    [
        ({"status": "draft"}, Status.DRAFT, 100),
        ({"status": "not_sent"}, Status.OPEN, 100),
        ({"status": "viewed"}, Status.OPEN, 100),
        ({"status": "past_due"}, Status.OPEN, 100),
        ({"status": "pending"}, Status.OPEN, 100),
        ({"status": "bad_debt", "closed": True}, Status.OPEN, 100),
        ({"status": "voided"}, Status.VOID, 0),
        ({"status": "voided", "balance": 0}, Status.VOID, 0),
        ({"total": 0, "balance": 0}, Status.SETTLED, 0),
        ({"total": 0, "balance": 0, "status": "paid"}, Status.SETTLED, 0),
    ],
)
def test_what_is_owed_decides_not_what_customers_see(
    row: dict[str, Any], status: Status, balance: int
) -> None:
    record = one(ok([invoice(**row)]))
    assert (record.status, record.balance) == (status, balance)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"status": "novel"}, Code.UNKNOWN_STATUS),
        ({"status": "paid"}, Code.TOTALS_DISAGREE),
        ({"total": None}, Code.BAD_FIELD),
        ({"total": "1,00"}, Code.BAD_AMOUNT),
        ({"balance": None}, Code.BAD_FIELD),
        ({"id": None}, Code.BAD_FIELD),
        ({"id": "a/b"}, Code.BAD_FIELD),
        ({"customer": None}, Code.BAD_FIELD),
        ({"currency": None}, Code.BAD_CURRENCY),
        ({"currency": "Usd"}, Code.BAD_CURRENCY),
        ({"currency": 840}, Code.BAD_CURRENCY),
        ({"currency": "jpy", "total": Decimal("1.5")}, Code.BAD_AMOUNT),
        ({"date": "2026-03-01"}, Code.BAD_DATE),
        ({"date": True}, Code.BAD_DATE),
        ({"date": 10**11}, Code.BAD_DATE),
        ({"date": 10**15}, Code.BAD_DATE),
        ({"created_at": "x"}, Code.BAD_DATE),
    ],
)
def test_one_bad_record_is_an_issue_and_no_crash(
    wrong: dict[str, Any], code: Code
) -> None:
    """B106."""
    _, page = page_of(Everything(), ok([invoice(1, **wrong), invoice(2), None]))
    assert [each.ref.id for each in page.records] == ["2"]
    assert [each.code for each in page.issues] == [code, Code.BAD_FIELD]


def test_what_is_missing_or_oddly_typed_is_read_liberally() -> None:
    odd = {
        "id": "12",
        "currency": "USD",
        "total": "100.00",
        "balance": Decimal("100.0"),
        "date": str(seconds("2026-03-01")),
        "created_at": None,
        "updated_at": None,
        "metadata": None,
    }
    record = one(ok([invoice(**odd)]))
    assert (record.total, record.on, record.changed_at) == (100, date(2026, 3, 1), None)


# Other records ---------------------------------------------------------------------------


def test_an_invoice_as_a_document() -> None:
    items = [
        {
            "id": 8,
            "catalog_item": "delivery",
            "type": "service",
            "name": "Delivery",
            "description": "by bike",
            "quantity": 2,
            "unit_cost": Decimal("10.005"),
            "amount": Decimal("20.01"),
            "discounts": [{"id": 1, "amount": Decimal("0.01"), "coupon": None}],
            "taxes": [{"amount": 1, "tax_rate": {"id": "vat"}}, {"amount": 1}],
            "metadata": {"intacct_department": "D1", "n": 7, "b": True, "o": {}},
        },
        {"name": "Paper", "amount": 80, "catalog_item": None, "metadata": []},
    ]
    row = invoice(
        items=items,
        discounts=[{"amount": 10}],
        taxes=[{"amount": Decimal("8.50"), "tax_rate": None}],
        total=Decimal("100.50"),
        purchase_order=" PO-1 ",
        metadata={"tieout": MARK, "size": 3},
    )
    record = one(ok([row]), kind=Invoice)
    assert (record.on, record.due) == (date(2026, 3, 1), date(2026, 3, 31))
    assert (record.status, record.reference) == (Status.OPEN, "PO-1")
    assert record.custom == {"tieout": MARK, "size": 3}
    assert carries(record, MARK)
    first, off, paper, discount, tax = record.lines
    assert first == Line(
        "Delivery: by bike",
        Decimal("20.01"),
        quantity=Decimal(2),
        unit_price=Decimal("10.005"),
        tax=Decimal(2),
        tax_code="vat",
        item="delivery",
        custom={"intacct_department": "D1", "n": Decimal(7), "b": True},
    )
    assert (off.description, off.amount) == ("Discount", Decimal("-0.01"))
    assert (paper.amount, paper.tax, paper.item) == (80, None, "")
    assert (discount.amount, tax.amount, tax.tax) == (-10, 0, Decimal("8.50"))
    assert sum(each.amount + (each.tax or 0) for each in record.lines) == record.total


@pytest.mark.parametrize(
    ("status", "balance", "wanted"),
    [
        ("draft", 40, Status.DRAFT),
        ("open", 40, Status.OPEN),
        ("open", 0, Status.SETTLED),
        ("paid", 0, Status.SETTLED),
        ("closed", 10, Status.SETTLED),
        ("voided", 40, Status.VOID),
    ],
)
def test_a_credit_note_tells_what_is_left_of_it(
    status: str, balance: int, wanted: Status
) -> None:
    row = note(status=status, balance=balance)
    record = one(ok([row]), kind=CreditNote)
    assert (record.ref, record.number) == (ref("CreditNote", 5), "CN-5")
    assert (record.total, record.remaining, record.status) == (40, balance, wanted)


def test_a_payment_with_all_that_it_was_applied_to() -> None:
    """B52, B64: a fee is the target of its application."""
    splits = (
        cash(12, 60),
        cash(13, 10),
        cash(12, 5),
        credit(5, 12, 25),
        {
            "type": "credit_note",
            "credit_note": 5,
            "document_type": "estimate",
            "amount": 1,
        },
        {"type": "applied_credit", "invoice": 13, "amount": 2},
        {"type": "convenience_fee", "amount": Decimal("2.50")},
        {"type": "credit", "amount": 7},
        {"type": "estimate", "estimate": 3, "amount": 1},
    )
    row = payment(7, Decimal("88.50"), *splits, balance=3, metadata={"tieout": MARK})
    record = one(ok([row]), kind=Payment)
    assert (record.ref, record.customer) == (ref("Payment", 7), ref("Customer", 250))
    assert (record.amount, record.unapplied) == (Decimal("88.50"), 11)
    assert (record.status, record.method) == (Status.OPEN, "check")
    assert record.reference == "1001"
    assert [
        (each.ref.id, each.source.kind, each.target.id, each.amount, each.how)
        for each in record.applications
    ] == [
        ("7:12", "Payment", "12", 65, Part.CASH),
        ("7:13", "Payment", "13", 10, Part.CASH),
        ("7:5-12", "CreditNote", "12", 25, Part.CREDIT),
        ("7:balance-13", "Customer", "13", 2, Part.CREDIT),
        ("7:fee", "Payment", "7:fee", Decimal("2.50"), Part.OTHER),
    ]
    own = [e for e in record.applications if e.source == record.ref]
    assert record.amount == sum(e.source_amount for e in own) + record.unapplied
    assert all(
        each.live and each.on == date(2026, 3, 8) for each in record.applications
    )
    assert carries(record, MARK)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, Status.SETTLED),
        ({"balance": 5, "amount": 65}, Status.OPEN),
        ({"voided": True, "balance": 60}, Status.VOID),
        ({"charge": {"status": "failed"}}, Status.VOID),
        ({"charge": {"status": "pending"}}, Status.DRAFT),
        ({"charge": {"status": "succeeded"}}, Status.SETTLED),
    ],
)
def test_where_a_payment_is_in_its_life(
    changed: dict[str, Any], status: Status
) -> None:
    record = one(ok([payment(7, 60, **changed)]), kind=Payment)
    assert record.status is status
    assert [each.live for each in record.applications] == [status is not Status.VOID]


def test_a_payment_without_a_customer_and_with_hidden_applications() -> None:
    row = payment(7, 60, customer=None, balance=20, method=None)
    del row["applied_to"]
    record = one(ok([row]), kind=Payment)
    assert (record.customer, record.method) == (None, "")
    assert (record.amount, record.unapplied, record.applications) == (60, 20, ())


def test_applications_are_read_out_of_their_payments() -> None:
    row = payment(7, 60, cash(12, 50), cash(13, 10))
    _, page = page_of(Everything(), ok([row]), kind=Application)
    assert [each.ref.id for each in page.records] == ["7:12", "7:13"]
    asked, page = driven(connector().fetch(Application, ids=["7:13"]), ok(row))
    assert asked[0].url == "payments/7"
    assert [each.ref.id for each in page.records] == ["7:13"]


def test_customers() -> None:
    rows = [
        customer(parent_customer=251, metadata={"rank": "A"}),
        customer(2, active=False, currency=None, email=None, number=None),
    ]
    _, page = page_of(Everything(), ok(rows), kind=Customer)
    first, second = page.records
    assert (first.name, first.number, first.email) == (
        "Acme",
        "CUST-250",
        "pay@acme.example",
    )
    assert (first.currency, first.active) == ("USD", True)
    assert first.parent == ref("Customer", 251)
    assert first.custom == {"rank": "A"}
    assert (second.active, second.currency, second.number) == (False, "", "")


# Fetching --------------------------------------------------------------------------------


def fetched(
    *answers: Response,
    kind: Any = Invoice,
    ids: Sequence[str] = (),
    numbers: Sequence[str] = (),
) -> tuple[list[Request], Page[Any]]:
    return driven(connector().fetch(kind, ids=ids, numbers=numbers), *answers)


def test_each_id_and_each_number_is_a_call() -> None:
    gone = ok({"type": "invalid_request", "message": "not found"}, 404)
    asked, page = fetched(
        ok(invoice(1)),
        gone,
        ok([invoice(3)]),
        ids=["1", "2", "1", "x or 1=1"],
        numbers=["INV-3", "INV-3"],
    )
    assert [each.url for each in asked] == ["invoices/1", "invoices/2", "invoices"]
    assert dict(asked[2].params) == {**ALL, "filter[number]": "INV-3"}
    assert [each.ref.id for each in page.records] == ["1", "3"]
    assert page.issues == ()


@pytest.mark.parametrize(
    "number",
    ["O'Brien", '5" pipe', "100%", "a&b", "a<b", "a\\b", "a,b", "[x]=1", "é", "*_"],
)
def test_a_number_is_asked_for_as_it_is(number: str) -> None:
    """It stands in a parameter of its own, so that nothing in it means anything."""
    asked, page = fetched(ok([invoice(number=number)]), numbers=[number])
    assert dict(asked[0].params)["filter[number]"] == number
    assert [each.number for each in page.records] == [number]


def test_only_the_exact_number_is_returned() -> None:
    """B44."""
    rows = [
        invoice(1, number="inv-1"),
        invoice(2, number=" INV-1 "),
        invoice(3, number="INV-1", total=None),
        invoice(4, number="INV-11", total=None),
    ]
    _, page = fetched(ok(rows), numbers=["INV-1"])
    assert [each.ref.id for each in page.records] == ["2"]
    assert [each.source and each.source.id for each in page.issues] == ["3"]


def test_nothing_asked_is_nothing_called() -> None:
    assert fetched() == ([], Page())


def test_payments_have_no_numbers() -> None:
    with pytest.raises(Fault) as caught:
        next(connector().fetch(Payment, numbers=["1"]))
    assert caught.value.code is Code.NOT_ALLOWED


def test_a_settlement_is_fetched_with_its_payments() -> None:
    asked, page = fetched(
        ok(invoice(balance=70)), ok([payment(7, 30)]), kind=Settlement, ids=["12"]
    )
    assert [each.url for each in asked] == ["invoices/12", "payments"]
    assert page.records[0].paid == 30


def test_settlements_that_are_fetched_together_share_their_customers_payments() -> None:
    paid = payment(7, 60, cash(12, 30), cash(13, 30))
    rows = (invoice(12, balance=70), invoice(13, balance=70))
    asked, page = fetched(*map(ok, rows), ok([paid]), kind=Settlement, ids=["12", "13"])
    assert [each.url for each in asked] == ["invoices/12", "invoices/13", "payments"]
    assert [each.paid for each in page.records] == [30, 30]


NONE = ok({"type": "invalid_request", "message": "No such customer"}, 404)


def merged(into: Any, was: Any = 250, kind: str = "customer.merged") -> dict[str, Any]:
    data = {"object": {"id": into}, "previous": {"id": was} if was else None}
    return {"id": 1, "type": kind, "data": data}


def test_a_merged_customer_is_gone_into_another() -> None:
    """B84, PF60: the events tell, newest first."""
    events = [merged(250, 249), merged(250, None), merged(9, None, "customer.updated")]
    asked, page = fetched(
        NONE,
        ok(customer(251)),
        ok([*events, merged(251), merged(252)]),
        kind=Customer,
        ids=["250", "251"],
    )
    assert [each.url for each in asked] == ["customers/250", "customers/251", "events"]
    assert asked[2].params == (("related_to", "customer,250"),)
    (gone,) = page.gone
    assert (gone, gone.aliases) == (ref("Customer", 250), ("251",))
    assert [each.ref.id for each in page.records] == ["251"]


@pytest.mark.parametrize(
    "events", [ok([]), ok({"message": "no"}, 403), NONE, ok([None]), ok([{"data": 1}])]
)
def test_a_customer_that_is_gone_without_a_word_is_absent(events: Response) -> None:
    _, page = fetched(NONE, events, kind=Customer, ids=["250"])
    assert page == Page()


def test_a_customer_that_cannot_be_read_is_not_gone() -> None:
    asked, page = fetched(ok(customer(name=[])), kind=Customer, ids=["250", "x"])
    assert len(asked) == 1
    assert [each.code for each in page.issues] == [Code.BAD_FIELD]


def test_events_that_fail_are_no_answer() -> None:
    with pytest.raises(Fault) as caught:
        fetched(NONE, Response(500, {}, ""), kind=Customer, ids=["250"])
    assert caught.value.code is Code.SERVER_ERROR


# Finding ---------------------------------------------------------------------------------


def change(
    after: Record | None,
    before: Record | None = None,
    *,
    action: Action | None = None,
    mark: str = "",
    **more: Any,
) -> Change:
    shown = after or before
    assert shown is not None
    kind = type(shown)
    if action is None:
        action = Action.CREATE if before is None else Action.UPDATE
    target = before.ref if before is not None else None
    return Change(
        "name",
        action if after is not None else Action.VOID,
        kind,
        AT,
        Ref("ledger", kind.__name__, "L1"),
        target=target,
        before=before,
        after=after,
        mark=mark,
        **more,
    )


DRAFT_OF = {"ref": Ref(AT, "?", ""), "customer": ref("Customer", 250)}
BILL = Invoice(
    number="INV-1",
    currency="USD",
    on=date(2026, 3, 1),
    total=Decimal("107.00"),
    status=Status.OPEN,
    due=date(2026, 3, 31),
    lines=(
        Line(
            "Paper", Decimal("20.00"), quantity=Decimal(2), unit_price=Decimal("10.00")
        ),
        Line("Odd", Decimal("80.00"), quantity=Decimal(3), unit_price=Decimal("26.67")),
        Line("Tax", tax=Decimal("7.00")),
    ),
    **DRAFT_OF,  # type: ignore[arg-type]
)
RECEIPT = Payment(
    currency="USD",
    on=date(2026, 3, 8),
    amount=Decimal("60.00"),
    status=Status.SETTLED,
    reference="1001",
    applications=(
        Application(
            Ref(AT, "Application", ""),
            Ref(AT, "Payment", ""),
            ref("Invoice", 12),
            Decimal("60.00"),
            "USD",
            date(2026, 3, 8),
        ),
    ),
    **DRAFT_OF,  # type: ignore[arg-type]
)
CREDIT = Application(
    Ref(AT, "Application", ""),
    ref("CreditNote", 5),
    ref("Invoice", 12),
    Decimal("40.00"),
    "USD",
    date(2026, 3, 9),
    how=Part.CREDIT,
)


def test_what_we_made_is_found_by_our_mark() -> None:
    made = change(BILL, mark=MARK)
    row = invoice(metadata={"tieout": MARK})
    asked, page = driven(connector().find([made]), ok([row]))
    assert dict(asked[0].params) == {**ALL, "metadata[tieout]": MARK}
    assert carries(page.records[0], MARK)
    asked, _ = driven(connector(metadata_key="ours").find([made]), ok([]))
    assert dict(asked[0].params)["metadata[ours]"] == MARK


def test_an_application_is_found_in_the_payment_that_made_it() -> None:
    made = change(CREDIT, mark=MARK)
    row = payment(9, 0, credit(5, 12, 40), metadata={"tieout": MARK})
    asked, page = driven(connector().find([made]), ok([row]))
    assert asked[0].url == "payments"
    assert dict(asked[0].params)["metadata[tieout]"] == MARK
    assert [each.ref.id for each in page.records] == ["9:5-12"]
    assert carries(page.records[0], MARK)


def test_what_is_changed_is_found_by_its_id() -> None:
    there = one(ok([invoice()]))
    asked, page = driven(connector().find([change(there, there)]), ok(invoice()))
    assert [each.url for each in asked] == ["invoices/12"]
    assert page.records == (there,)


# Writing documents -----------------------------------------------------------------------


def written(
    made: Change, *answers: Response, **more: Any
) -> tuple[list[Request], Outcome]:
    asked, (outcome,) = driven(connector(**more).write([made]), *answers)
    assert [each.effect for each in asked] == [each.method != "GET" for each in asked]
    assert sum(each.effect for each in asked) <= 1
    assert outcome.name == "name"
    return asked, outcome


def body(request: Request) -> Any:
    return json.loads(request.body())


def test_an_invoice_is_made_exactly_as_wanted() -> None:
    made = change(BILL, mark=MARK, key="KEY-1")
    row = invoice(number="INV-1", total=Decimal("107.00"), metadata={"tieout": MARK})
    (post,), outcome = written(made, ok(row, 201))
    assert (post.method, post.url) == ("POST", "invoices")
    assert post.header("Idempotency-Key") == "KEY-1"
    assert body(post) == {
        "customer": 250,
        "number": "INV-1",
        "currency": "usd",
        "date": seconds("2026-03-01"),
        "due_date": seconds("2026-03-31"),
        "draft": False,
        "calculate_taxes": False,
        "items": [
            {"name": "Paper", "quantity": 2, "unit_cost": 10},
            # Three times 26.67 is not 80.
            {"name": "Odd", "quantity": 1, "unit_cost": 80},
            {"name": "Tax", "quantity": 1, "unit_cost": 0, "taxes": [{"amount": 7}]},
        ],
        "metadata": {"tieout": MARK},
    }
    assert b'"unit_cost":80.00' in post.body()
    assert outcome.state is State.APPLIED
    assert outcome.ref == ref("Invoice", 12)
    assert outcome.echo is not None
    assert believed(made, outcome).state is State.APPLIED


def test_a_total_that_invoiced_computed_otherwise_is_seen() -> None:
    made = change(BILL, mark=MARK)
    row = invoice(total=Decimal("107.50"), metadata={"tieout": MARK})
    _, outcome = written(made, ok(row, 201))
    found = believed(made, outcome)
    assert (found.state, found.notes) == (State.APPLIED, (Code.TOTAL_DIFFERS,))


def test_lines_carry_items_and_dimensions_and_defaults() -> None:
    line = Line(
        "",
        Decimal(5),
        item="own",
        dimensions={"intacct_department": "D1"},
        custom={"a": True, "b": False, "c": Decimal("1.50"), "d": date(2026, 3, 1)},
    )
    bill = evolve(BILL, lines=(line, Line("", Decimal(1))), status=Status.DRAFT)
    (post,), _ = written(change(bill), ok(invoice(), 201), item="usual")
    first, second = body(post)["items"]
    assert (first["catalog_item"], first["name"]) == ("own", "own")
    assert first["metadata"] == {
        "intacct_department": "D1",
        "a": "1",
        "b": "0",
        "c": "1.50",
        "d": "2026-03-01",
    }
    assert (second["catalog_item"], second["name"]) == ("usual", "usual")
    assert body(post)["draft"] is True
    assert "metadata" not in body(post)


def test_a_document_without_lines_is_one_line_of_its_total() -> None:
    bill = evolve(BILL, lines=(), due=None)
    (post,), _ = written(change(bill), ok(invoice(), 201))
    (item,) = body(post)["items"]
    assert item == {"name": "INV-1", "quantity": 1, "unit_cost": 107}
    assert "due_date" not in body(post)
    nameless = evolve(BILL, lines=(Line(amount=Decimal(1)),))
    (post,), _ = written(change(nameless), ok(invoice(), 201))
    assert body(post)["items"][0]["name"] == "-"


def test_a_credit_note_is_made_like_an_invoice() -> None:
    wanted = CreditNote(
        number="CN-5",
        currency="USD",
        on=date(2026, 3, 1),
        total=Decimal(40),
        status=Status.OPEN,
        **DRAFT_OF,  # type: ignore[arg-type]
    )
    made = change(wanted, mark=MARK)
    (post,), outcome = written(made, ok(note(metadata={"tieout": MARK}), 201))
    assert post.url == "credit_notes"
    assert body(post)["items"] == [{"name": "CN-5", "quantity": 1, "unit_cost": 40}]
    assert "due_date" not in body(post)
    assert believed(made, outcome).state is State.APPLIED


@pytest.mark.parametrize(
    ("custom", "words"),
    [
        ({f"k{at}": "v" for at in range(10)}, "11 keys"),
        ({"k" * 41: "v"}, "too long"),
        ({"k": "v" * 256}, "k is too long"),
    ],
)
def test_metadata_that_does_not_fit_is_refused_before_any_call(
    custom: dict[str, str], words: str
) -> None:
    asked, outcome = written(change(evolve(BILL, custom=custom), mark=MARK))
    assert asked == []
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.NOT_ALLOWED)
    assert words in outcome.text


def test_an_update_sends_what_differs_and_null_clears() -> None:
    there = one(
        ok([invoice(purchase_order="PO", metadata={"kept": "1"})]), kind=Invoice
    )
    after = evolve(there, number="INV-99", due=None, reference="", on=date(2026, 3, 2))
    (patch,), outcome = written(change(after, there), ok(invoice()))
    assert (patch.method, patch.url) == ("PATCH", "invoices/12")
    assert body(patch) == {
        "number": "INV-99",
        "date": seconds("2026-03-02"),
        "due_date": None,
        "purchase_order": None,
    }
    assert patch.header("Idempotency-Key") is None
    assert outcome.state is State.APPLIED


def test_metadata_is_sent_whole_or_not_at_all() -> None:
    """A part may wipe out the rest: that is not documented."""
    row = invoice(metadata={"kept": "1", "tieout": MARK, "n": 2})
    there = one(ok([row]), kind=Invoice)
    after = evolve(there, custom={"mine": "2"})
    (patch,), _ = written(change(after, there, mark="TO-OTHER"), ok(invoice()))
    assert body(patch) == {
        "metadata": {"kept": "1", "tieout": MARK, "n": "2", "mine": "2"}
    }


def test_lines_are_replaced_with_the_discounts_and_taxes_that_became_lines() -> None:
    row = invoice(taxes=[{"amount": 7}], items=[{"name": "A", "amount": 93}])
    there = one(ok([row]), kind=Invoice)
    after = evolve(there, lines=(Line("B", Decimal(100)),), status=Status.DRAFT)
    (patch,), _ = written(change(after, there), ok(invoice()))
    assert body(patch) == {
        "draft": True,
        "items": [{"name": "B", "quantity": 1, "unit_cost": 100}],
        "discounts": [],
        "taxes": [],
        "calculate_taxes": False,
    }


def test_a_document_does_not_move_to_another_customer() -> None:
    there = one(ok([invoice()]), kind=Invoice)
    after = evolve(there, customer=ref("Customer", 251))
    asked, outcome = written(change(after, there))
    assert asked == []
    assert (outcome.code, outcome.state) == (Code.NOT_ALLOWED, State.REJECTED)


@pytest.mark.parametrize(
    ("row", "kind", "path"),
    [(invoice(), Invoice, "invoices/12"), (note(), CreditNote, "credit_notes/5")],
)
@pytest.mark.parametrize("silent", [True, False])
def test_documents_are_voided_by_a_post(
    row: dict[str, Any], kind: Any, path: str, silent: bool
) -> None:
    there = one(ok([row]), kind=kind)
    answer = Response(204) if silent else ok({**row, "status": "voided"})
    (post,), outcome = written(change(None, there), answer)
    assert (post.method, post.url, post.body()) == ("POST", f"{path}/void", b"")
    assert (outcome.state, outcome.ref) == (State.APPLIED, there.ref)


@pytest.mark.parametrize("answer", [ok(invoice()), Response(200, {}, "<html>")])
def test_a_void_that_is_answered_with_something_else_is_looked_into(
    answer: Response,
) -> None:
    there = one(ok([invoice()]), kind=Invoice)
    _, outcome = written(change(None, there), answer)
    assert outcome.state is State.UNKNOWN


def test_customers_are_made_and_changed_and_not_voided() -> None:
    wanted = Customer(
        Ref(AT, "Customer", ""),
        "Acme",
        email="pay@acme.example",
        currency="USD",
        parent=ref("Customer", 9),
    )
    made = change(wanted, mark=MARK, key="K")
    (post,), outcome = written(made, ok(customer(metadata={"tieout": MARK}), 201))
    assert body(post) == {
        "name": "Acme",
        "email": "pay@acme.example",
        "currency": "usd",
        "parent_customer": 9,
        "metadata": {"tieout": MARK},
    }
    assert believed(made, outcome).state is State.APPLIED
    there = one(ok([customer()]), kind=Customer)
    after = evolve(there, email="", name="Acme Inc.")
    (patch,), _ = written(change(after, there), ok(customer()))
    assert (patch.method, patch.url) == ("PATCH", "customers/250")
    assert body(patch) == {"name": "Acme Inc.", "email": None}
    asked, outcome = written(change(None, there))
    assert (asked, outcome.code) == ([], Code.NOT_ALLOWED)


def test_a_change_of_what_cannot_be_written_is_refused() -> None:
    """It would be called carried out, and nothing would have changed."""
    there = one(ok([customer()]), kind=Customer)
    asked, outcome = written(change(evolve(there, active=False), there))
    assert (asked, outcome.code) == ([], Code.NOT_ALLOWED)


@pytest.mark.parametrize("foreign", ["x", "", "12:5"])
def test_an_id_of_another_system_is_never_sent(foreign: str) -> None:
    bill = evolve(BILL, customer=Ref(AT, "Customer", foreign))
    asked, outcome = written(change(bill))
    assert (asked, outcome.code) == ([], Code.NOT_ALLOWED)
    asked, outcome = written(change(evolve(BILL, customer=None)))
    assert (asked, outcome.code) == ([], Code.NOT_ALLOWED)


def test_a_document_that_is_gone_has_vanished() -> None:
    there = one(ok([invoice()]), kind=Invoice)
    gone = ok({"type": "invalid_request", "message": "not found"}, 404)
    _, outcome = written(change(evolve(there, number="N"), there), gone)
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.VANISHED)


# Writing payments ------------------------------------------------------------------------


def test_a_payment_is_made_with_what_it_is_applied_to() -> None:
    wanted = evolve(
        RECEIPT,
        applications=(*RECEIPT.applications, CREDIT, evolve(CREDIT, live=False)),
        method="check",
    )
    made = change(wanted, mark=MARK, key="K")
    row = payment(7, 60, cash(12, 60), credit(5, 12, 40), metadata={"tieout": MARK})
    (post,), outcome = written(made, ok(row, 201))
    assert (post.method, post.url) == ("POST", "payments")
    assert post.header("Idempotency-Key") == "K"
    assert body(post) == {
        "customer": 250,
        "currency": "usd",
        "date": seconds("2026-03-08"),
        "amount": 60,
        "method": "check",
        "reference": "1001",
        "applied_to": [cash(12, 60), credit(5, 12, 40)],
        "metadata": {"tieout": MARK},
    }
    assert b'"amount":60.00' in post.body()
    assert believed(made, outcome).state is State.APPLIED
    assert outcome.ref == ref("Payment", 7)


def test_a_payment_of_a_method_that_invoiced_does_not_know() -> None:
    wanted = evolve(RECEIPT, method="Lockbox", customer=None, applications=())
    (post,), _ = written(change(wanted), ok(payment(7, 60), 201), method="eft")
    assert body(post)["method"] == "eft"
    assert "customer" not in body(post)
    assert body(post)["applied_to"] == []


def test_two_currencies_do_not_mix_in_one_payment() -> None:
    (applied,) = RECEIPT.applications
    wanted = evolve(RECEIPT, applications=(evolve(applied, currency="EUR"),))
    asked, outcome = written(change(wanted))
    assert (asked, outcome.code) == ([], Code.NOT_ALLOWED)
    assert "EUR and USD" in outcome.text


FEE = {"type": "convenience_fee", "amount": Decimal("2.50")}


def test_a_payment_is_changed_and_keeps_what_invoiced_put_there() -> None:
    """Applications are written as a whole: a fee that is not sent is taken back."""
    row = payment(7, Decimal("62.50"), cash(12, 60), FEE)
    there = one(ok([row]), kind=Payment)
    (applied, fee) = there.applications
    split = evolve(applied, amount=Decimal(50))
    other = evolve(applied, target=ref("Invoice", 13), amount=Decimal(10))
    after = evolve(there, applications=(split, other, fee), reference="1002")
    (get, patch), outcome = written(change(after, there), ok(row), ok(row))
    assert get.url == patch.url == "payments/7"
    assert dict(get.params) == {"include": "applied_to"}
    assert body(patch) == {
        "reference": "1002",
        "applied_to": [cash(12, 50), cash(13, 10), {**FEE, "amount": 2.5}],
    }
    assert outcome.state is State.APPLIED


def test_a_payment_whose_applications_changed_meanwhile_is_left_alone() -> None:
    there = one(ok([payment(7, 60)]), kind=Payment)
    after = evolve(there, applications=())
    now = payment(7, 60, cash(12, 30), cash(13, 30))
    asked, outcome = written(change(after, there), ok(now))
    assert [each.method for each in asked] == ["GET"]
    assert (outcome.state, outcome.code) == (State.NOT_SENT, Code.STALE_VERSION)


def test_an_update_without_the_state_before_keeps_the_rest_too() -> None:
    there = one(ok([payment(7, 60)]), kind=Payment)
    made = evolve(change(there, there), before=None)
    asked, outcome = written(made, ok(payment(7, 60)), ok(payment(7, 60)))
    assert [each.method for each in asked] == ["GET", "PATCH"]
    assert outcome.state is State.APPLIED


def test_a_payment_is_dated_anew_without_touching_its_applications() -> None:
    there = one(ok([payment(7, 60)]), kind=Payment)
    after = evolve(there, on=date(2026, 3, 9), amount=Decimal(61))
    (patch,), _ = written(change(after, there), ok(payment(7, 61, balance=1)))
    assert body(patch) == {"date": seconds("2026-03-09"), "amount": 61}


@pytest.mark.parametrize(
    "answer", [Response(204), ok(payment(7, 60, voided=True, balance=60))]
)
def test_a_payment_is_voided_by_its_deletion(answer: Response) -> None:
    there = one(ok([payment(7, 60)]), kind=Payment)
    (delete,), outcome = written(change(None, there), answer)
    assert (delete.method, delete.url) == ("DELETE", "payments/7")
    assert outcome.state is State.APPLIED


def test_a_credit_note_is_applied_by_a_payment_of_nothing() -> None:
    """B97, under the credit note's own customer."""
    made = change(CREDIT, mark=MARK, key="K")
    row = payment(9, 0, credit(5, 12, 40), metadata={"tieout": MARK}, on="2026-03-09")
    (get, post), outcome = written(made, ok(note(customer=251)), ok(row, 201))
    assert get.url == "credit_notes/5"
    assert (post.method, post.url) == ("POST", "payments")
    assert post.header("Idempotency-Key") == "K"
    assert body(post) == {
        "customer": 251,
        "date": seconds("2026-03-09"),
        "currency": "usd",
        "amount": 0,
        "method": "other",
        "applied_to": [credit(5, 12, 40)],
        "metadata": {"tieout": MARK},
    }
    assert outcome.ref == ref("Application", "9:5-12")
    assert believed(made, outcome).state is State.APPLIED


def test_an_application_that_the_answer_hides_is_named_all_the_same() -> None:
    row = payment(9, 0)
    del row["applied_to"]
    _, outcome = written(change(CREDIT), ok(note()), ok(row, 201))
    assert (outcome.state, outcome.echo) == (State.APPLIED, None)
    assert outcome.ref == ref("Application", "9:5-12")


def test_a_credit_note_that_is_gone_is_not_applied() -> None:
    asked, outcome = written(change(CREDIT), ok({"message": "no"}, 404))
    assert len(asked) == 1
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.VANISHED)


def test_a_payment_is_applied_by_writing_the_payment() -> None:
    asked, outcome = written(change(evolve(CREDIT, source=ref("Payment", 7))))
    assert (asked, outcome.code) == ([], Code.NOT_ALLOWED)


def applied(row: dict[str, Any], at: int = -1) -> Application:
    found = one(ok([row]), kind=Payment).applications[at]
    assert isinstance(found, Application)
    return found


def test_the_last_application_goes_with_its_payment() -> None:
    row = payment(9, 0, credit(5, 12, 40))
    void = ok({**row, "voided": True})
    (_, delete), outcome = written(change(None, applied(row)), ok(row), void)
    assert (delete.method, delete.url) == ("DELETE", "payments/9")
    assert outcome.state is State.APPLIED


def test_an_application_is_taken_out_of_a_payment_that_goes_on() -> None:
    """B99: the cash stays."""
    row = payment(9, Decimal("62.50"), cash(12, 60), FEE, credit(5, 12, 40))
    (_, patch), outcome = written(change(None, applied(row)), ok(row), ok(row))
    assert (patch.method, patch.url) == ("PATCH", "payments/9")
    assert body(patch) == {"applied_to": [cash(12, 60), {**FEE, "amount": 2.5}]}
    assert outcome.state is State.APPLIED


def test_an_application_that_is_gone_already() -> None:
    row = payment(9, 0, credit(5, 12, 40))
    asked, outcome = written(change(None, applied(row)), ok({**row, "voided": True}))
    assert (len(asked), outcome.state) == (1, State.APPLIED)
    other = payment(9, 0, credit(5, 13, 40), {"type": "credit", "amount": 0})
    asked, outcome = written(change(None, applied(row)), ok(other))
    assert (len(asked), outcome.code) == (1, Code.VANISHED)


# Writing a level -------------------------------------------------------------------------


def level(
    *rows: Any,
    cash: Any = 100,
    on: date | None = date(2026, 3, 8),
    owned: tuple[str, ...] = (),
    take_over: bool = False,
    **more: Any,
) -> Change:
    paid = sum((Decimal(str(row["amount"])) for row in rows), Decimal(0))
    shown = ok([invoice(balance=100 - paid)])
    before = one(shown, *([ok(list(rows))] if paid else []))
    wanted = Decimal(str(cash))
    closed = wanted >= before.total
    after = evolve(
        before,
        settled_by={**before.settled_by, Part.CASH: wanted},
        balance=before.total - wanted,
        status=Status.SETTLED if closed else Status.OPEN,
        paid_on=on if closed else None,
        last_on=on,
    )
    return change(after, before, owned=owned, take_over=take_over, **more)


def look(*known: Any, balance: Any = None) -> list[Response]:
    """What is there now: the invoice, and the payments that are asked for by id."""
    paid = sum((Decimal(str(row["amount"])) for row in known), Decimal(0))
    row = invoice(balance=100 - paid if balance is None else balance)
    return [ok(row), *map(ok, known)]


def test_the_first_money_is_one_new_payment() -> None:
    """B17, B18."""
    made = level(cash="100.00", key="K", mark=MARK)
    (get, post), outcome = written(made, *look(), ok(payment(7, 100), 201))
    assert (get.method, get.url) == ("GET", "invoices/12")
    assert (post.method, post.url) == ("POST", "payments")
    assert post.header("Idempotency-Key") == "K"
    assert body(post) == {
        "customer": 250,
        "date": seconds("2026-03-08"),
        "currency": "usd",
        "method": "other",
        "amount": 100,
        "applied_to": [cash(12, 100)],
        "metadata": {"tieout": MARK},
    }
    assert b'"amount":100.00' in post.body()
    assert (outcome.state, outcome.owned) == (State.APPLIED, ("7",))


def test_an_answer_that_hides_the_applications_is_enough() -> None:
    row = payment(7, 100)
    del row["applied_to"]
    asked, outcome = written(level(), *look(), ok(row, 201))
    assert len(asked) == 2
    assert outcome.owned == ("7",)


def test_money_that_was_not_applied_is_told() -> None:
    """PF41."""
    row = payment(7, 100, cash(12, 60), balance=40)
    asked, outcome = written(
        level(), *look(), ok(row, 201), *look(balance=40), ok([row])
    )
    assert dict(asked[-1].params) == {
        **ALL,
        "include": "applied_to",
        "filter[customer]": "250",
        "updated_after": str(CREATED - 1),
    }
    assert outcome.state is State.APPLIED
    assert outcome.notes == (Code.UNAPPLIED_CREDIT,)


def test_a_payment_that_the_answer_shows_as_void_is_looked_into() -> None:
    void = payment(7, 100, voided=True)
    _, outcome = written(level(), *look(), ok(void, 201), *look())
    assert (outcome.state, outcome.owned) == (State.UNKNOWN, ())


def test_our_payment_is_changed_where_it_differs() -> None:
    """B19, B20: set to the level, never appended."""
    ours = payment(7, 30, on="2026-03-02")
    made = level(ours, cash=50, on=date(2026, 3, 2), owned=("7",))
    asked, outcome = written(made, *look(ours), ok(payment(7, 50, on="2026-03-02")))
    assert [each.url for each in asked] == ["invoices/12", "payments/7", "payments/7"]
    assert asked[2].method == "PATCH"
    assert body(asked[2]) == {"amount": 50, "applied_to": [cash(12, 50)]}
    assert outcome.owned == ("7",)


def test_only_the_date_is_sent_where_only_it_differs() -> None:
    ours = payment(7, 100, on="2026-03-02")
    made = level(ours, owned=("7",))
    (*_, patch), _ = written(made, *look(ours), ok(payment(7, 100)))
    assert body(patch) == {"date": seconds("2026-03-08")}


def test_a_date_that_the_ledger_does_not_tell_is_left_alone() -> None:
    ours = payment(7, 100)
    asked, outcome = written(level(ours, on=None, owned=("7",)), *look(ours))
    assert [each.method for each in asked] == ["GET", "GET"]
    assert outcome.state is State.APPLIED
    (_, post), _ = written(level(on=None), *look(), ok(payment(7, 100), 201))
    assert "date" not in body(post)


@pytest.mark.parametrize(
    "answer", [Response(204), ok(payment(7, 100, voided=True, balance=100))]
)
def test_nothing_paid_voids_our_payment(answer: Response) -> None:
    """B24."""
    ours = payment(7, 100)
    (*_, delete), outcome = written(
        level(ours, cash=0, owned=("7",)), *look(ours), answer
    )
    assert (delete.method, delete.url) == ("DELETE", "payments/7")
    assert (outcome.state, outcome.owned) == (State.APPLIED, ())


@pytest.mark.parametrize(
    "answer", [ok(payment(7, 100)), ok([]), Response(200, {}, "<html>")]
)
def test_a_deletion_that_is_answered_with_something_else_is_looked_into(
    answer: Response,
) -> None:
    ours = payment(7, 100)
    made = level(ours, cash=0, owned=("7",))
    again = [] if answer.body.startswith(b"<") else look(ours)
    _, outcome = written(made, *look(ours), answer, *again)
    assert outcome.state is State.UNKNOWN


def test_a_payment_made_by_hand_is_not_touched_unless_it_is_taken_over() -> None:
    theirs = payment(8, 60)
    asked, outcome = written(level(theirs), *look(theirs))
    assert [each.method for each in asked] == ["GET", "GET"]
    assert outcome.code is Code.PAID_ON_BOTH_SIDES
    made = level(theirs, take_over=True)
    (*_, patch), outcome = written(made, *look(theirs), ok(payment(8, 100)))
    assert patch.method == "PATCH"
    assert outcome.owned == ("8",)


def test_a_payment_that_came_in_since_the_invoice_was_read_is_seen() -> None:
    """The invoice says that more is settled than what is known comes to."""
    ours, theirs = payment(7, 30), payment(8, 20)
    made = level(ours, cash=50, owned=("7",))
    asked, outcome = written(made, *look(ours, balance=50), ok([ours, theirs]))
    assert [each.url for each in asked] == ["invoices/12", "payments/7", "payments"]
    assert (outcome.state, outcome.code) == (State.NOT_SENT, Code.STALE_VERSION)


def test_credits_that_are_known_ask_for_nothing_more() -> None:
    noted = payment(9, 0, credit(5, 12, 40))
    before = one(ok([invoice(balance=60)]), ok([noted]))
    made = evolve(level(cash=60), before=before)
    asked, _ = written(made, *look(balance=60), ok(payment(7, 60), 201))
    assert [each.method for each in asked] == ["GET", "POST"]


@pytest.mark.parametrize(
    "splits",
    [
        (cash(12, 60), cash(13, 40)),
        (cash(12, 60), FEE),
        (cash(12, 60), {"type": "credit", "amount": 40}),
    ],
)
@pytest.mark.parametrize("wanted", [0, 100])
def test_a_payment_that_is_not_of_the_invoice_alone_is_never_changed(
    splits: tuple[Any, ...], wanted: int
) -> None:
    amount = sum(Decimal(str(each["amount"])) for each in splits)
    theirs = payment(8, amount, *splits)
    before = one(ok([invoice(balance=40)]), ok([theirs]))
    made = level(cash=wanted, take_over=True, owned=("8",))
    made = evolve(made, before=before)
    asked, outcome = written(made, *look(theirs, balance=40))
    assert [each.method for each in asked] == ["GET", "GET"]
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.PAID_ON_BOTH_SIDES)
    assert "8" in outcome.text


def test_a_part_of_another_payment_that_shows_what_is_wanted_is_adopted() -> None:
    theirs = payment(8, 150, cash(12, 100), cash(13, 50))
    asked, outcome = written(level(), *look(balance=0), ok([theirs]))
    assert [each.method for each in asked] == ["GET", "GET"]
    assert (outcome.state, outcome.owned) == (State.APPLIED, ("8",))


def test_no_key_is_sent_where_keys_do_not_last() -> None:
    made = level(key="K")
    (_, post), _ = written(
        made, *look(), ok(payment(7, 100), 201), idempotency_lifetime=timedelta(0)
    )
    assert post.header("Idempotency-Key") is None


def test_an_invoice_that_is_gone_has_vanished() -> None:
    gone = ok({"type": "invalid_request", "message": "not found"}, 404)
    asked, outcome = written(level(), gone)
    assert len(asked) == 1
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.VANISHED)


def test_a_parents_payment_is_looked_at_by_its_id() -> None:
    """It is not among those of the invoice's own customer."""
    parents = payment(9, 30, customer=251)
    own = customer(parent_customer=251)
    before = one(ok([invoice(balance=70)]), ok([]), ok(own), ok([parents]))
    made = evolve(level(cash=30), before=before)
    assert made.after is not None
    made = evolve(made, after=evolve(made.after, receipts=before.receipts))
    asked, outcome = written(made, *look(parents))
    assert [each.url for each in asked] == ["invoices/12", "payments/9"]
    assert (outcome.state, outcome.owned) == (State.APPLIED, ("9",))


def test_a_level_out_of_a_saved_plan_needs_no_luggage() -> None:
    made = level()
    assert isinstance(made.after, Settlement)
    bare = evolve(made.after, carry=None, customer=None)
    made = evolve(made, after=bare, before=None)
    (_, post), outcome = written(made, *look(), ok(payment(7, 100), 201))
    assert "customer" not in body(post)
    assert outcome.owned == ("7",)


# Answers ---------------------------------------------------------------------------------


def said(message: str, param: str = "", kind: str = "invalid_request") -> str:
    told = {"type": kind, "message": message}
    return json.dumps({**told, "param": param} if param else told)


@pytest.mark.parametrize(
    ("status", "text", "code", "answer", "words"),
    [
        (
            400,
            said("This number has already been taken", "number"),
            Code.DUPLICATE_NUMBER,
            Answer.REFUSED,
            "already been taken",
        ),
        (400, said("Not valid", "date"), Code.REFUSED, Answer.REFUSED, "(date)"),
        (400, said("Bad number", "number"), Code.REFUSED, Answer.REFUSED, "Bad number"),
        (401, said("Bad key"), Code.SIGN_IN_REFUSED, Answer.SIGN_IN, "Bad key"),
        (403, said("No"), Code.PERMISSION_MISSING, Answer.REFUSED, "No"),
        (404, said("None"), Code.NO_SUCH_RESOURCE, Answer.REFUSED, "None"),
        (429, "slow down", Code.TOO_MANY_REQUESTS, Answer.WAIT, "slow down"),
        (500, said("Oops", kind="api"), Code.SERVER_ERROR, Answer.UNCLEAR, "Oops"),
        (502, "<html>", Code.SERVER_ERROR, Answer.UNCLEAR, "<html>"),
        (400, "[]", Code.REFUSED, Answer.REFUSED, "[]"),
        (400, '{"type": "odd"}', Code.REFUSED, Answer.REFUSED, "odd"),
        (418, "{}", Code.UNKNOWN_ERROR, Answer.UNCLEAR, "{}"),
    ],
)
def test_errors_are_judged(
    status: int, text: str, code: Code, answer: Answer, words: str
) -> None:
    verdict = connector().judge(Response(status, {}, text))
    assert (verdict.code, verdict.answer) == (code, answer)
    assert words in verdict.text


def test_a_throttle_that_names_no_pause_is_waited_for_a_minute() -> None:
    judge = connector().judge
    assert judge(Response(429, {}, "")).wait == 60
    assert judge(Response(429, {"Retry-After": "7"}, "")).wait == 7


def test_a_write_that_is_answered_by_a_5xx_is_unclear() -> None:
    _, outcome = written(change(BILL), Response(500, {}, said("Oops", kind="api")))
    assert outcome.state is State.UNKNOWN
    _, outcome = written(change(BILL), Response(429, {}, ""))
    assert outcome.state is State.NOT_SENT
    _, outcome = written(change(BILL), Response(200, {}, "<html>"))
    assert outcome.state is State.UNKNOWN


def test_a_page_that_is_no_list_is_no_record() -> None:
    with pytest.raises(Fault) as caught:
        page_of(Everything(), ok({"data": []}))
    assert (caught.value.code, caught.value.fate) == (Code.BAD_PAYLOAD, Fate.UNCLEAR)
