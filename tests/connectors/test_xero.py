"""Xero: flows driven by hand, with samples in the shapes of the vendor's replies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from attrs import evolve

from tieout.auth import Grant
from tieout.capabilities import (
    Blind,
    Changed,
    Dated,
    Everything,
    Feed,
    Limit,
    Open,
    Select,
    Unposted,
    Verb,
)
from tieout.change import Action, Change, State
from tieout.connector import Page
from tieout.connectors.xero import Xero
from tieout.errors import Code, ConfigError, Fate, Fault
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
    Ref,
    Settlement,
    Status,
)
from tieout.wire import Answer, Flow, Request, Response

T = TypeVar("T")
CONNECTION = "xero:t-1"
NOTHING, TEN, FIFTY, SIXTY, HUNDRED = map(Decimal, (0, 10, 50, 60, 100))
SINCE = datetime(2026, 3, 10, 9, 30, 15, 999, tzinfo=UTC)
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
CHANGED = Changed(SINCE)


def xero(**options: Any) -> Xero:
    held: dict[str, Any] = {
        "tenant_id": "t-1",
        "client_id": "app",
        "client_secret": "hush",
        "refresh_token": "r-0",
    }
    return Xero(**{**held, **options})


def ms(day: str, time: str = "00:00:00") -> str:
    instant = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=UTC)
    return f"/Date({int(instant.timestamp() * 1000)}+0000)/"


def ok(name: str, rows: Any, **more: Any) -> Response:
    body = {
        "Id": "5f6c",
        "Status": "OK",
        "ProviderName": "App",
        "DateTimeUTC": "/Date(1777032292485)/",
        name: rows,
        **more,
    }
    return Response(200, {}, json.dumps(body))


def pages(page: int, count: int) -> dict[str, Any]:
    return {"pagination": {"page": page, "pageSize": 1000, "pageCount": count}}


def drive(flow: Flow[T], *answers: Response | Fault) -> tuple[list[Request], T]:
    """The requests of a flow that is given these answers, and what it returned."""
    asked: list[Request] = []
    try:
        request = next(flow)
        for answer in answers:
            assert isinstance(request, Request)
            asked.append(request)
            request = (
                flow.throw(answer) if isinstance(answer, Fault) else flow.send(answer)
            )
    except StopIteration as stop:
        assert len(asked) == len(answers), "not all answers were asked for"
        return asked, stop.value
    raise AssertionError(f"one more request: {request}")


def params(request: Request) -> dict[str, str]:
    return dict(request.params)


def bill(**fields: Any) -> dict[str, Any]:
    """A sales invoice of 100, paid by nothing yet."""
    return {
        "Type": "ACCREC",
        "InvoiceID": "i-1",
        "InvoiceNumber": "INV-1",
        "Reference": " PO 7\n",
        "Contact": {"ContactID": "c-1", "Name": "Acme", "Addresses": []},
        "DateString": "2026-03-08T00:00:00",
        "Date": ms("2026-03-08"),
        "DueDate": ms("2026-04-08"),
        "Status": "AUTHORISED",
        "LineAmountTypes": "Exclusive",
        "LineItems": [],
        "Total": 100.00,
        "AmountDue": 100.00,
        "AmountPaid": 0.00,
        "AmountCredited": 0.00,
        "Payments": [],
        "CreditNotes": [],
        "Prepayments": [],
        "Overpayments": [],
        "UpdatedDateUTC": ms("2026-03-10", "10:00:00"),
        "CurrencyCode": "AUD",
        **fields,
    }


def paid(**fields: Any) -> dict[str, Any]:
    held = {
        "Status": "PAID",
        "AmountDue": 0,
        "AmountPaid": 100,
        "FullyPaidOnDate": ms("2026-03-12"),
        "Payments": [{"PaymentID": "p-1", "Date": ms("2026-03-12"), "Amount": 100}],
    }
    return bill(**{**held, **fields})


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def read(
    *rows: Any, connector: Xero | None = None, kind: type[Any] = Settlement
) -> Page[Any]:
    flow = (connector or xero()).page(kind, Everything())
    return drive(flow, ok("Invoices", list(rows)))[1]


def settlement(row: dict[str, Any]) -> Settlement:
    page: Page[Settlement] = read(row)
    assert page.issues == ()
    return page.records[0]


def code(row: Any) -> Code:
    page = read(row, bill(InvoiceID="i-2", InvoiceNumber="INV-2"))
    assert [each.ref.id for each in page.records] == ["i-2"], "B106: only its own row"
    return page.issues[0].code


# What is paid -----------------------------------------------------------------------


def test_a_partial_payment_has_an_amount_and_no_date() -> None:
    """B19, B35."""
    found = settlement(
        bill(
            AmountDue=50,
            AmountPaid=50,
            Payments=[
                {"PaymentID": "p-2", "Date": ms("2026-03-14"), "Amount": 20},
                {"PaymentID": "p-1", "Date": ms("2026-03-12"), "Amount": 30},
            ],
        )
    )
    assert found.ref == Ref(CONNECTION, "Invoice", "i-1")
    assert (found.number, found.reference, found.currency) == ("INV-1", "PO 7", "AUD")
    assert found.customer == Ref(CONNECTION, "Customer", "c-1")
    assert (found.status, found.total, found.balance) == (Status.OPEN, HUNDRED, FIFTY)
    assert found.settled_by == {Part.CASH: 50, Part.CREDIT: 0}
    assert (found.paid_on, found.basis) == (None, None)
    assert (found.on, found.last_on) == (date(2026, 3, 8), date(2026, 3, 14))
    assert found.receipts == ("p-1", "p-2")
    assert found.changed_at == datetime(2026, 3, 10, 10, tzinfo=UTC)


def test_full_payment_is_dated_by_the_ledgers_field() -> None:
    """B17, B36."""
    found = settlement(paid())
    assert (found.status, found.balance) == (Status.SETTLED, NOTHING)
    assert found.settled_by == {Part.CASH: 100, Part.CREDIT: 0}
    assert found.paid_on == found.last_on == date(2026, 3, 12)
    assert found.basis is Basis.LEDGER_FIELD


def test_a_paid_date_that_stayed_after_its_payment_was_deleted_is_not_believed() -> (
    None
):
    """B24: the sheet's own sample, which also leaves the amounts out."""
    row = bill(FullyPaidOnDate=ms("2026-03-12"))
    for stale in (row, without(row, "AmountPaid", "AmountCredited")):
        found = settlement(stale)
        assert (found.status, found.balance) == (Status.OPEN, HUNDRED)
        assert (found.paid_on, found.basis, found.last_on) == (None, None, None)
        assert found.settled_by == {Part.CASH: 0, Part.CREDIT: 0}


def test_an_authorised_invoice_with_nothing_due_is_settled() -> None:
    assert settlement(paid(Status="AUTHORISED")).status is Status.SETTLED


@pytest.mark.parametrize("status", ["AUTHORISED", "PAID"])
def test_a_zero_invoice_is_paid_on_its_own_day(status: str) -> None:
    found = settlement(bill(Status=status, Total=0, AmountDue=0))
    assert found.status is Status.SETTLED
    assert (found.paid_on, found.basis) == (date(2026, 3, 8), Basis.APPLICATIONS)


def test_the_paid_date_is_derived_where_the_field_is_missing() -> None:
    """B37: the application that closed it; one before the invoice counts as its day."""
    row = without(paid(), "FullyPaidOnDate")
    row["Payments"] = [
        {"PaymentID": "p-1", "Date": ms("2026-03-01"), "Amount": 70},
        {"PaymentID": "p-2", "Date": ms("2026-03-15"), "Amount": 30},
        {
            "PaymentID": "p-3",
            "Date": ms("2026-03-19"),
            "Amount": 9,
            "Status": "DELETED",
        },
    ]
    found = settlement(row)
    assert (found.paid_on, found.basis) == (date(2026, 3, 15), Basis.APPLICATIONS)
    assert found.receipts == ("p-1", "p-2")
    del row["Payments"][0]["Date"]
    found = settlement(row)
    assert (found.paid_on, found.basis) == (None, None)
    row["Payments"] = row["Payments"][1:]
    found = settlement(row)
    assert (found.paid_on, found.basis) == (None, None), "70 are not accounted for"


def credited(**lists: Any) -> dict[str, Any]:
    row = bill(
        Status="PAID",
        AmountDue=0,
        AmountPaid=40,
        AmountCredited=60,
        FullyPaidOnDate=ms("2026-03-12"),
    )
    return {**without(row, "CreditNotes", "Prepayments", "Overpayments"), **lists}


def test_prepayments_and_overpayments_are_cash_and_credit_notes_credit() -> None:
    day = ms("2026-03-11")
    note = [{"CreditNoteID": "n-1", "AppliedAmount": 30, "Date": day}]
    over = [{"OverpaymentID": "o-1", "AppliedAmount": 10, "Date": ms("2026-03-13")}]
    pre = [{"PrepaymentID": "q-1", "AppliedAmount": 20, "Date": day}]
    found = settlement(credited(CreditNotes=note, Overpayments=over, Prepayments=pre))
    assert found.settled_by == {Part.CASH: 70, Part.CREDIT: 30}
    assert found.last_on == date(2026, 3, 13)


def test_credit_alone_is_no_receipt() -> None:
    day = ms("2026-03-09")
    found = settlement(
        without(
            bill(
                Status="PAID",
                AmountDue=0,
                AmountCredited=100,
                CreditNotes=[{"AppliedAmount": 100, "Date": day}],
                FullyPaidOnDate=day,
            ),
            "Prepayments",
            "Overpayments",
        )
    )
    assert found.settled_by == {Part.CASH: 0, Part.CREDIT: 100}
    assert (found.paid_on, found.last_on) == (date(2026, 3, 9), None)


@pytest.mark.parametrize(
    ("lists", "parts"),
    [
        ({}, {}),
        ({"CreditNotes": [{"AppliedAmount": 60}]}, {Part.CASH: 40, Part.CREDIT: 60}),
        ({"CreditNotes": [{"AppliedAmount": 10}]}, {}),
        ({"Prepayments": [], "Overpayments": []}, {}),
        ({"Prepayments": [], "Overpayments": [], "CreditNotes": []}, {}),
        ({"Prepayments": [{"Date": None}], "Overpayments": []}, {}),
        ({"Prepayments": [{"AppliedAmount": 61}], "Overpayments": []}, {}),
    ],
)
def test_an_unknown_split_of_what_was_credited_is_left_out(
    lists: dict[str, Any], parts: Mapping[Part, Decimal]
) -> None:
    assert settlement(credited(**lists)).settled_by == parts


def test_an_amount_that_is_not_told_follows_from_the_others() -> None:
    row = credited(CreditNotes=[{"AppliedAmount": 60}])
    both = {Part.CASH: 40, Part.CREDIT: 60}
    assert settlement(without(row, "AmountCredited")).settled_by == both
    assert settlement(without(row, "AmountPaid")).settled_by == both
    neither = without(row, "AmountPaid", "AmountCredited")
    assert settlement(neither).settled_by == {}


@pytest.mark.parametrize("word", ["VOIDED", "DELETED"])
def test_a_dead_invoice_keeps_its_total_and_owes_nothing(word: str) -> None:
    found = settlement(
        without(bill(Status=word, AmountPaid=0, FullyPaidOnDate=ms("2026-03-12")))
        | {"AmountDue": None}
    )
    assert (found.status, found.total, found.balance) == (Status.VOID, HUNDRED, NOTHING)
    assert (found.settled_by, found.paid_on, found.last_on) == ({}, None, None)


@pytest.mark.parametrize("word", ["DRAFT", "SUBMITTED"])
@pytest.mark.parametrize("due", [100, None])
def test_a_draft_owes_its_total_and_is_not_open(word: str, due: int | None) -> None:
    found = settlement(bill(Status=word, AmountDue=due, Date=None, DateString=None))
    assert (found.status, found.balance, found.on) == (Status.DRAFT, HUNDRED, None)
    assert found.settled_by == {}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (bill(Status="FROZEN"), Code.UNKNOWN_STATUS),
        (bill(Status=None), Code.BAD_FIELD),
        (bill(CurrencyCode=None), Code.BAD_CURRENCY),
        (bill(CurrencyCode="XXX"), Code.BAD_CURRENCY),
        (without(bill(), "AmountDue"), Code.BAD_FIELD),
        (bill(Total=99), Code.TOTALS_DISAGREE),
        (bill(AmountDue=0), Code.TOTALS_DISAGREE),
        (bill(Status="PAID", AmountPaid=50, AmountDue=50), Code.TOTALS_DISAGREE),
        (bill(AmountPaid=-10, AmountCredited=10), Code.TOTALS_DISAGREE),
        (
            without(bill(AmountDue=0), "AmountPaid", "AmountCredited"),
            Code.TOTALS_DISAGREE,
        ),
        (bill(Total="1,00"), Code.BAD_AMOUNT),
        (bill(Total="100.001"), Code.BAD_AMOUNT),
        (bill(DateString="8/3/2026"), Code.BAD_DATE),
        (bill(UpdatedDateUTC="/Date(99999999999999999)/"), Code.BAD_DATE),
        (bill(UpdatedDateUTC="/Date(999999999999999)/"), Code.BAD_DATE),
        (bill(Payments={}), Code.BAD_FIELD),
        (bill(InvoiceID=None), Code.BAD_FIELD),
        ("row", Code.BAD_FIELD),
    ],
)
def test_a_row_that_cannot_be_read_is_an_issue_and_harms_no_other(
    row: Any, expected: Code
) -> None:
    """B103, B106."""
    assert code(row) is expected


def test_an_issue_names_the_invoice() -> None:
    (issue,) = read(bill(Total="x")).issues
    assert issue.source == Ref(CONNECTION, "Invoice", "i-1")
    assert (issue.numbers, issue.field) == (("INV-1",), "Total")


def test_bills_are_left_alone_and_unknown_fields_not_looked_at() -> None:
    page = read(bill(Type="ACCPAY"), bill(Planet="Mars", Total="100.0"))
    assert (len(page.records), page.issues) == (1, ())


def test_calendar_days_never_shift() -> None:
    """PF26, PF27: midnight UTC is a day, whatever zone this runs in or stands behind it."""
    row = without(paid(), "DateString")
    for stamp, day in {
        "/Date(1772928000000+0000)/": date(2026, 3, 8),
        "/Date(1772928000000)/": date(2026, 3, 8),
        "/Date(1772928000000+1300)/": date(2026, 3, 8),
        "/Date(-1000000000000)/": date(1938, 4, 24),
        "2026-03-04T00:00:00": date(2026, 3, 4),
    }.items():
        row["Date"] = row["FullyPaidOnDate"] = stamp
        found = settlement(row)
        assert (found.on, found.paid_on) == (day, day)


def test_a_text_date_is_believed_before_the_milliseconds() -> None:
    found = settlement(bill(Date=ms("2026-03-07"), DateString="2026-03-08T00:00:00"))
    assert found.on == date(2026, 3, 8)


def test_instants_come_as_milliseconds_or_as_naive_utc() -> None:
    found = settlement(bill(UpdatedDateUTC="2026-03-10T10:00:00.1234567"))
    assert found.changed_at == datetime(2026, 3, 10, 10, 0, 0, 123456, tzinfo=UTC)
    assert settlement(without(bill(), "UpdatedDateUTC")).changed_at is None


def test_no_contact_is_no_customer() -> None:
    assert settlement(bill(Contact=None)).customer is None
    assert settlement(bill(Contact={"Name": "Acme"})).customer is None


# Feeds ------------------------------------------------------------------------------


def test_changed_runs_through_the_feeds_one_after_another() -> None:
    """B11, B12: by change time, inclusive; each feed ends in the next one's cursor."""
    connector = xero()
    replies = {
        "Invoices": [bill()],
        "Payments": [payment(Status="DELETED")],
        "CreditNotes": [note()],
        "Overpayments": [note(Type="RECEIVE-OVERPAYMENT", OverpaymentID="o")],
        "Prepayments": [note(Type="RECEIVE-PREPAYMENT", PrepaymentID="q")],
    }
    cursor: str | None = None
    urls, touched = [], []
    for _ in range(5):
        flow = connector.page(Settlement, CHANGED, cursor)
        request = next(flow)
        assert isinstance(request, Request)
        assert request.header("If-Modified-Since") == "2026-03-10T09:30:15"
        assert (request.method, request.effect) == ("GET", False)
        with pytest.raises(StopIteration) as stop:
            flow.send(ok(request.url, replies[request.url]))
        page: Page[Settlement] = stop.value.value
        assert page.issues == ()
        urls.append(request.url)
        touched.append([ref.id for ref in page.touched])
        cursor = page.next
    assert cursor is None
    assert urls == list(replies)
    assert touched == [[], ["i-7"], ["i-8", "i-9"], ["i-8", "i-9"], ["i-8", "i-9"]]


def payment(**fields: Any) -> dict[str, Any]:
    return {
        "PaymentID": "p-1",
        "Date": ms("2026-03-12"),
        "Amount": 50,
        "Reference": "chq 9",
        "Status": "AUTHORISED",
        "PaymentType": "ACCRECPAYMENT",
        "Account": {"AccountID": "a-1", "Code": "090"},
        "Invoice": {
            "InvoiceID": "i-7",
            "InvoiceNumber": "INV-7",
            "Type": "ACCREC",
            "CurrencyCode": "AUD",
            "Contact": {"ContactID": "c-1"},
        },
        "UpdatedDateUTC": ms("2026-03-12", "08:00:00"),
        **fields,
    }


def note(**fields: Any) -> dict[str, Any]:
    return {
        "Type": "ACCRECCREDIT",
        "CreditNoteID": "n-1",
        "CreditNoteNumber": "CN-1",
        "Status": "AUTHORISED",
        "Contact": {"ContactID": "c-1"},
        "Date": ms("2026-03-11"),
        "Total": 60,
        "RemainingCredit": 10,
        "CurrencyCode": "AUD",
        "Allocations": [
            {"Amount": 30, "Invoice": {"InvoiceID": "i-8"}},
            {"Amount": 20, "Invoice": {"InvoiceID": "i-9"}},
            {"Amount": 1, "Invoice": {"InvoiceID": "i-8"}},
        ],
        "UpdatedDateUTC": ms("2026-03-11"),
        **fields,
    }


FEEDS = ("Invoices", "Payments", "CreditNotes", "Overpayments", "Prepayments")


def feed(name: str, connector: Xero | None = None) -> str | None:
    """The cursor with which a feed begins."""
    cursor: str | None = None
    for path in FEEDS[: FEEDS.index(name)]:
        flow = (connector or xero()).page(Settlement, CHANGED, cursor)
        cursor = drive(flow, ok(path, []))[1].next
    return cursor


def touched_by(name: str, *rows: Any) -> Page[Settlement]:
    flow = xero().page(Settlement, CHANGED, feed(name))
    return drive(flow, ok(name, list(rows)))[1]


def test_payments_of_other_things_touch_no_invoice() -> None:
    page = touched_by(
        "Payments",
        payment(PaymentType="ARCREDITPAYMENT"),
        payment(PaymentType="ACCPAYPAYMENT"),
        payment(Invoice={"InvoiceID": "x", "Type": "ACCRECCREDIT"}),
        payment(Invoice={"InvoiceID": "i-3"}),
    )
    assert page.touched == (Ref(CONNECTION, "Invoice", "i-3"),)


def test_overpayments_to_suppliers_touch_no_invoice() -> None:
    spent = note(Type="SPEND-OVERPAYMENT", Allocations=[{"Invoice": None}])
    assert touched_by("Overpayments", spent) == Page(
        next=feed("Prepayments"),
        as_of=datetime(2026, 4, 24, 12, 4, 52, 485000, tzinfo=UTC),
    )


def test_a_payment_that_names_no_invoice_is_an_issue_not_a_silence() -> None:
    page = touched_by("Payments", payment(Invoice=None), 7, payment())
    assert [each.source for each in page.issues] == [
        Ref(CONNECTION, "Payment", "p-1"),
        None,
    ]
    assert [ref.id for ref in page.touched] == ["i-7"]


@pytest.mark.parametrize("word", ["RECEIVE-OVERPAYMENT", "AROVERPAYMENT", None])
def test_overpayments_of_customers_touch_the_invoices_they_were_put_to(
    word: str | None,
) -> None:
    page = touched_by("Overpayments", note(Type=word, OverpaymentID="o-1"))
    assert [ref.id for ref in page.touched] == ["i-8", "i-9"]


@pytest.mark.parametrize("size", [0, 1001])
def test_a_page_size_that_xero_does_not_have_is_refused_at_once(size: int) -> None:
    with pytest.raises(ConfigError):
        xero(page_size=size)


# Paging -----------------------------------------------------------------------------


def stamped(*times: str) -> list[dict[str, Any]]:
    return [
        bill(InvoiceID=f"i-{at}", UpdatedDateUTC=ms("2026-03-11", time))
        for at, time in enumerate(times)
    ]


def following(
    rows: list[Any], count: int | str | None, cursor: str | None = None, size: int = 2
) -> tuple[Request, str | None]:
    more = {} if count is None else {"pagination": {"pageCount": count}}
    flow = xero(page_size=size).page(Settlement, CHANGED, cursor)
    asked, page = drive(flow, ok("Invoices", rows, **more))
    return asked[0], page.next


def test_the_next_page_starts_at_the_last_change_time() -> None:
    """PF18: counting pages over a moving order loses a row that is pushed across."""
    rows = stamped("10:00:00", "10:00:07")
    first, cursor = following(rows, 2)
    assert params(first) == {
        "includeArchived": "true",
        "where": 'Type=="ACCREC"',
        "order": "UpdatedDateUTC ASC",
        "page": "1",
        "pageSize": "2",
    }
    second, _ = following(rows, 1, cursor)
    assert second.header("If-Modified-Since") == "2026-03-11T10:00:06"
    assert params(second)["page"] == "1"


def test_a_row_that_moves_while_pages_are_read_is_not_lost() -> None:
    """PF18, played through: after page 1 the first row moves to the end."""
    rows = {f"i-{at}": f"10:00:0{at}" for at in range(1, 6)}
    seen: list[str] = []
    cursor: str | None = None
    connector = xero(page_size=2)
    end = feed("Payments", connector)
    for turn in range(20):
        flow = connector.page(Settlement, CHANGED, cursor)
        request = next(flow)
        assert isinstance(request, Request)
        held = sorted((time, name) for name, time in rows.items())
        since = str(request.header("If-Modified-Since"))[-8:]
        held = [each for each in held if each[0] >= since]
        size, at = int(params(request)["pageSize"]), int(params(request)["page"])
        shown = [
            bill(InvoiceID=name, UpdatedDateUTC=ms("2026-03-11", time))
            for time, name in held[(at - 1) * size : at * size]
        ]
        count = -(-len(held) // size)
        with pytest.raises(StopIteration) as stop:
            flow.send(ok("Invoices", shown, pagination={"pageCount": count}))
        page: Page[Settlement] = stop.value.value
        seen += [record.ref.id for record in page.records]
        if turn == 0:
            rows["i-1"] = "11:00:00"
        cursor = page.next
        if cursor == end:
            break
    assert cursor == end
    assert set(seen) == set(rows)
    assert seen.count("i-1") == 2, "and its new state is read as well"


def test_pages_of_one_change_time_are_counted() -> None:
    """P3: never spin on a bulk import."""
    rows = stamped("10:00:00", "10:00:00")
    _, cursor = following(rows, 9)
    pages_asked = []
    for _ in range(3):
        request, cursor = following(rows, 9, cursor)
        assert request.header("If-Modified-Since") == "2026-03-11T09:59:59"
        pages_asked.append(params(request)["page"])
    assert pages_asked == ["1", "2", "3"]
    request, cursor = following(stamped("10:00:00", "10:00:02"), 9, cursor)
    assert params(request)["page"] == "4"
    request, _ = following(rows, 9, cursor)
    assert params(request)["page"] == "1", "a later time begins anew"


def test_rows_out_of_order_or_without_a_change_time_are_counted_through() -> None:
    for rows in (stamped("10:00:09", "10:00:01"), [without(bill(), "UpdatedDateUTC")]):
        _, cursor = following(rows, 2, size=1000)
        request, cursor = following(rows, 2, cursor, size=1000)
        assert params(request)["page"] == "2"
        assert request.header("If-Modified-Since") == "2026-03-10T09:30:15"
        assert cursor == feed("Payments")


def test_a_feed_ends_by_the_page_count_or_by_a_short_page() -> None:
    end = feed("Payments")
    two = stamped("10:00:00", "10:00:01")
    assert following(two, 1)[1] == end
    assert following(two, "1")[1] == end
    assert following([], 5)[1] == end, "an empty page ends whatever it says"
    assert following(two[:1], None)[1] == end
    assert following([], None)[1] == end
    assert following(two, None)[1] != end
    assert following(two[:1], 2)[1] != end, "a smaller page than asked"


def test_as_of_is_the_envelopes_clock_and_else_the_headers() -> None:
    dated = {"Date": "Tue, 10 Mar 2026 10:00:00 GMT"}
    bodies: list[dict[str, Any]] = [
        {"Invoices": []},
        {"Invoices": [], "DateTimeUTC": "soon"},
    ]
    for body in bodies:
        answer = Response(200, dated, json.dumps(body))
        page = drive(xero().page(Settlement, CHANGED), answer)[1]
        assert page.as_of == datetime(2026, 3, 10, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "body", [b"", b"<html>sign in</html>", b"[]", b"{}", b'{"Invoices": null}']
)
def test_a_body_without_its_list_fails_the_page_and_never_means_none(
    body: bytes,
) -> None:
    """D32."""
    with pytest.raises(Fault) as caught:
        drive(xero().page(Settlement, CHANGED), Response(200, {}, body))
    assert caught.value.code is Code.BAD_PAYLOAD


# Selections -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "select", "where", "statuses"),
    [
        (
            Settlement,
            Dated(date(2026, 1, 31), date(2026, 3, 1)),
            'Type=="ACCREC" AND Date>=DateTime(2026,01,31) AND Date<=DateTime(2026,03,01)',
            None,
        ),
        (Invoice, Open(), 'Type=="ACCREC"', "AUTHORISED"),
        (
            Settlement,
            Open(date(2026, 3, 1)),
            'Type=="ACCREC" AND Date<=DateTime(2026,03,01)',
            "AUTHORISED",
        ),
        (CreditNote, Open(), 'Type=="ACCRECCREDIT" AND Status=="AUTHORISED"', None),
        (Payment, Everything(), 'PaymentType=="ACCRECPAYMENT"', None),
        (Customer, Everything(), None, None),
    ],
)
def test_what_is_selected_becomes_a_condition(
    kind: type[Any], select: Select, where: str | None, statuses: str | None
) -> None:
    request = next(xero().page(kind, select))
    assert isinstance(request, Request)
    assert params(request).get("where") == where
    assert params(request).get("Statuses") == statuses
    assert request.header("If-Modified-Since") is None


def test_other_lists_page_by_the_same_rule() -> None:
    connector = xero(page_size=1)
    row = {"ContactID": "c-1", "Name": "A", "UpdatedDateUTC": ms("2026-03-11")}
    answer = ok("Contacts", [row], **pages(1, 2))
    cursor = drive(connector.page(Customer, Everything()), answer)[1].next
    asked, page = drive(
        connector.page(Customer, Everything(), cursor), ok("Contacts", [])
    )
    assert asked[0].header("If-Modified-Since") == "2026-03-10T23:59:59"
    assert page.next is None


@pytest.mark.parametrize(
    ("kind", "select"),
    [
        (Settlement, Unposted(date(2026, 3, 1))),
        (Payment, Open()),
        (Customer, Dated(date(2026, 3, 1), date(2026, 3, 2))),
        (Posting, Everything()),
        (Application, CHANGED),
    ],
)
def test_what_xero_cannot_select_is_refused(kind: type[Any], select: Select) -> None:
    with pytest.raises(Fault) as caught:
        next(xero().page(kind, select))
    assert caught.value.code is Code.NOT_ALLOWED


# Other records ----------------------------------------------------------------------


def test_an_invoice_comes_with_its_lines_tax_and_tracking() -> None:
    line = {
        "LineItemID": "l-1",
        "Description": "Work",
        "Quantity": 1.5,
        "UnitAmount": 66.6667,
        "LineAmount": 110.00,
        "TaxAmount": 10.00,
        "TaxType": "OUTPUT",
        "AccountCode": "200",
        "ItemCode": "W",
        "Tracking": [{"Name": "Region", "Option": "North"}],
    }
    bare = {"Description": "A remark", "AccountID": "a-1"}
    row = bill(LineAmountTypes="Inclusive", LineItems=[line, bare])
    asked, page = drive(xero().page(Invoice, CHANGED), ok("Invoices", [row]))
    assert params(asked[0])["unitdp"] == "4"
    (found,) = page.records
    assert (found.on, found.due) == (date(2026, 3, 8), date(2026, 4, 8))
    assert (found.status, found.total) == (Status.OPEN, HUNDRED)
    first, second = found.lines
    assert (first.amount, first.tax, first.tax_code) == (HUNDRED, TEN, "OUTPUT")
    assert first.unit_price == Decimal("66.6667")
    assert first.quantity == Decimal("1.5")
    assert (first.account, first.item) == ("200", "W")
    assert first.dimensions == {"Region": "North"}
    assert first.custom == {"LineItemID": "l-1"}
    assert (second.amount, second.tax, second.account) == (NOTHING, None, "a-1")
    row["LineAmountTypes"] = "Exclusive"
    page = drive(xero().page(Invoice, CHANGED), ok("Invoices", [row]))[1]
    assert page.records[0].lines[0].amount == 110


def test_invoices_leave_bills_alone_and_need_a_day() -> None:
    rows = [
        bill(Type="ACCPAY"),
        bill(Date=None, DateString=None),
        bill(Status="AUTHORISED", AmountDue=0, AmountPaid=100),
    ]
    page = drive(xero().page(Invoice, CHANGED), ok("Invoices", rows))[1]
    assert [each.status for each in page.records] == [Status.SETTLED]
    assert [each.field for each in page.issues] == ["Date"]


def test_a_credit_note_has_positive_amounts_and_what_is_left() -> None:
    rows = [
        note(),
        note(CreditNoteID="n-2", RemainingCredit=0),
        note(CreditNoteID="n-3", Status="PAID"),
        note(Type="ACCPAYCREDIT"),
    ]
    page = drive(xero().page(CreditNote, CHANGED), ok("CreditNotes", rows))[1]
    first = page.records[0]
    assert (first.number, first.total, first.remaining) == ("CN-1", SIXTY, TEN)
    assert first.customer == Ref(CONNECTION, "Customer", "c-1")
    assert [each.status for each in page.records] == [
        Status.OPEN,
        Status.SETTLED,
        Status.SETTLED,
    ]


def test_a_payment_is_one_application_and_dies_when_deleted() -> None:
    rows = [
        payment(BatchPaymentID="b-1"),
        payment(PaymentID="p-2", Status="DELETED", Account=None),
        payment(PaymentID="p-3", Status="HELD"),
        payment(PaymentType="ARCREDITPAYMENT"),
    ]
    page = drive(xero().page(Payment, CHANGED), ok("Payments", rows))[1]
    first, second = page.records
    assert (first.amount, first.currency, first.status) == (
        FIFTY,
        "AUD",
        Status.SETTLED,
    )
    assert (first.unapplied, first.account, first.reference) == (
        NOTHING,
        "090",
        "chq 9",
    )
    assert first.custom == {"BatchPaymentID": "b-1"}
    (part,) = first.applications
    assert (part.source, part.target) == (first.ref, Ref(CONNECTION, "Invoice", "i-7"))
    assert (part.amount, part.source_amount, part.live) == (FIFTY, FIFTY, True)
    assert (second.status, second.account) == (Status.VOID, "")
    assert not second.applications[0].live
    assert [each.code for each in page.issues] == [Code.UNKNOWN_STATUS]


def test_customers_and_the_one_that_was_merged() -> None:
    rows = [
        {
            "ContactID": "c-1",
            "AccountNumber": "C1",
            "ContactNumber": "X1",
            "Name": "Acme",
            "EmailAddress": "a@b",
            "DefaultCurrency": "NZD",
            "ContactStatus": "ACTIVE",
        },
        {
            "ContactID": "c-2",
            "Name": "Old",
            "ContactStatus": "ARCHIVED",
            "MergedToContactID": "c-1",
        },
        {"ContactID": "c-3", "Name": "Plain"},
        {"ContactID": "c-4", "Name": "Odd", "ContactStatus": "ASLEEP"},
    ]
    asked, page = drive(xero().page(Customer, CHANGED), ok("Contacts", rows))
    assert params(asked[0])["includeArchived"] == "true"
    first, old, plain = page.records
    assert (first.number, first.name, first.email) == ("C1", "Acme", "a@b")
    assert (first.currency, first.active) == ("NZD", True)
    assert (old.active, plain.active, plain.currency) == (False, True, "")
    assert [(ref.id, ref.aliases) for ref in page.gone] == [("c-2", ("c-1",))]
    assert page.issues[0].code is Code.UNKNOWN_STATUS


# Fetching ---------------------------------------------------------------------------


def test_ids_go_in_batches_that_fit_an_address() -> None:
    ids = [f"{at:08d}-0000-0000-0000-000000000000" for at in range(100)]
    rows = [bill(InvoiceID=each, InvoiceNumber=each) for each in ids]
    answers = [
        ok("Invoices", rows[at : at + 40], **pages(1, 1)) for at in range(0, 100, 40)
    ]
    asked, page = drive(xero().fetch(Settlement, ids=[*ids, ids[0]]), *answers)
    assert [len(params(each)["IDs"].split(",")) for each in asked] == [40, 40, 20]
    assert [each.ref.id for each in page.records] == ids
    assert params(asked[0])["includeArchived"] == "true"
    assert (params(asked[0])["page"], params(asked[0])["pageSize"]) == ("1", "1000")


def test_long_numbers_make_smaller_batches() -> None:
    numbers = [f"é{at}" + "x" * 200 for at in range(10)]
    asked, _ = drive(xero().fetch(Invoice, numbers=numbers), *[ok("Invoices", [])] * 2)
    assert [len(params(each)["InvoiceNumbers"].split(",")) for each in asked] == [8, 2]
    assert params(asked[0])["where"] == 'Type=="ACCREC"'


def test_only_what_was_asked_for_comes_back() -> None:
    """X16: a wildcard, a fold or a neighbour in the answer is not the asked one."""
    odd = bill(InvoiceID="i-3", InvoiceNumber="INV-3", Total="x")
    rows = [
        bill(),
        bill(InvoiceID="i-2", InvoiceNumber="inv-1"),
        bill(InvoiceID="I-9", InvoiceNumber="other"),
        odd,
        bill(InvoiceID="i-4", InvoiceNumber="INV-4", Total="x"),
        bill(Type="ACCPAY"),
        3,
    ]
    flow = xero().fetch(Settlement, ids=["i-9"], numbers=["INV-1", "INV-3", " "])
    answers = [ok("Invoices", rows)] * 2
    asked, page = drive(flow, *answers)
    assert len(asked) == 2
    assert {each.ref.id for each in page.records} == {"i-1", "I-9"}
    assert [each.numbers for each in page.issues] == [("INV-3",), ()]


@pytest.mark.parametrize(
    "number",
    ["O'Hara", 'a"b', "a%b", "a&b", "a\\b", "a<b", "Ünï-1", 'x" OR Type=="ACCREC'],
)
def test_a_number_with_signs_goes_in_the_list_where_nothing_needs_quoting(
    number: str,
) -> None:
    rows = [bill(InvoiceNumber=number), bill(InvoiceID="i-2")]
    asked, page = drive(
        xero().fetch(Settlement, numbers=[number]), ok("Invoices", rows)
    )
    assert params(asked[0])["InvoiceNumbers"] == number
    assert [each.ref.id for each in page.records] == ["i-1"]


def test_a_number_that_cannot_be_asked_for_is_an_issue_and_harms_no_other() -> None:
    """A list cannot hold a comma: nothing else than what was asked is looked for."""
    flow = xero().fetch(Settlement, numbers=["a,b", "INV-1"])
    rows = [bill(), bill(InvoiceID="i-2", InvoiceNumber="a")]
    asked, page = drive(flow, ok("Invoices", rows))
    assert params(asked[0])["InvoiceNumbers"] == "INV-1"
    assert [each.ref.id for each in page.records] == ["i-1"]
    assert [(each.code, each.numbers) for each in page.issues] == [
        (Code.NOT_ALLOWED, ("a,b",))
    ]


def test_a_search_that_fails_fails_as_a_whole() -> None:
    refused = Response(
        400,
        {},
        '{"ErrorNumber":16,"Type":"QueryParseException","Message":"Syntax error"}',
    )
    for answer in (refused, Response(503)):
        with pytest.raises(Fault):
            drive(xero().fetch(Settlement, numbers=["INV-1"]), answer)


def test_credit_notes_and_payments_are_found_by_condition() -> None:
    numbers = ["CN-1", 'C"2', "C\\3", "C,4"]
    flow = xero().fetch(CreditNote, ids=["n-1", "n 2"], numbers=numbers)
    rows = [note(), note(CreditNoteID="n-9", CreditNoteNumber="CN-9")]
    asked, page = drive(flow, *[ok("CreditNotes", rows)] * 2)
    assert [params(each)["where"] for each in asked] == [
        'Type=="ACCRECCREDIT" AND (CreditNoteID==Guid("n-1"))',
        'Type=="ACCRECCREDIT" AND (CreditNoteNumber=="CN-1" OR CreditNoteNumber=="C,4")',
    ]
    assert [each.ref.id for each in page.records] == ["n-1"]
    assert [each.numbers for each in page.issues] == [('C"2',), ("C\\3",)]
    flow2 = xero().fetch(Payment, ids=["p-1", "p-2"])
    asked, found = drive(flow2, ok("Payments", [payment()]))
    assert params(asked[0])["where"] == (
        'PaymentType=="ACCRECPAYMENT" AND '
        '(PaymentID==Guid("p-1") OR PaymentID==Guid("p-2"))'
    )
    assert len(found.records) == 1
    with pytest.raises(Fault) as caught:
        next(xero().fetch(Payment, numbers=["1"]))
    assert caught.value.code is Code.NOT_ALLOWED


def test_customers_are_found_by_number_or_name() -> None:
    rows = [
        {"ContactID": "c-1", "Name": "Acme"},
        {"ContactID": "c-2", "Name": "B", "AccountNumber": "C2"},
        {"ContactID": "c-3", "Name": "Acme Ltd"},
    ]
    flow = xero().fetch(Customer, numbers=["Acme", "C2"])
    asked, page = drive(flow, ok("Contacts", rows))
    assert params(asked[0])["where"] == (
        'AccountNumber=="Acme" OR Name=="Acme" OR AccountNumber=="C2" OR Name=="C2"'
    )
    assert [each.ref.id for each in page.records] == ["c-1", "c-2"]


def test_nothing_asked_is_nothing_sent() -> None:
    with pytest.raises(StopIteration) as stop:
        next(xero().fetch(Settlement))
    assert stop.value.value == Page()


# Signing in -------------------------------------------------------------------------


def token(**fields: Any) -> Response:
    held = {"access_token": "a-1", "expires_in": 1800, "refresh_token": "r-1"}
    return Response(200, {}, json.dumps({**held, **fields}))


INVALID = Response(400, {}, '{"error":"invalid_grant"}')


def test_the_first_grant_is_not_signed_in_and_shows_no_secret() -> None:
    """B157."""
    connector = xero()
    grant = connector.auth.first()
    assert (grant.signed_in, grant.values) == (False, {"refresh_token": "r-0"})
    assert grant.base_url == "https://api.xero.com/api.xro/2.0"
    assert grant.hosts == ("https://identity.xero.com",)
    for shown in (repr(connector), repr(connector.auth), repr(grant)):
        assert not any(word in shown for word in ("hush", "r-0", "app"))
    with pytest.raises(Fault) as caught:
        connector.auth.sign(Request("GET", "Invoices"), grant)
    assert caught.value.fate is Fate.NOT_SENT


def test_a_refresh_rotates_the_token_and_keeps_the_one_before() -> None:
    auth = xero().auth
    asked, grant = drive(auth.renew(auth.first(), NOW), token())
    assert asked[0].url == "https://identity.xero.com/connect/token"
    assert asked[0].body() == b"grant_type=refresh_token&refresh_token=r-0"
    assert asked[0].header("Authorization") == "Basic YXBwOmh1c2g="
    assert "hush" not in repr(asked[0])
    assert grant.values == {"access_token": "a-1", "refresh_token": "r-1"}
    assert grant.previous == {"refresh_token": "r-0"}
    assert grant.expires_at == NOW + timedelta(minutes=29)
    assert (grant.signed_in, grant.serial) == (True, 1)


def test_a_refresh_answer_without_a_new_token_keeps_the_old_one() -> None:
    """PF57."""
    auth = xero().auth
    reply = token(refresh_token=None, expires_in=None)
    _, grant = drive(auth.renew(auth.first(), NOW), reply)
    assert grant.values["refresh_token"] == "r-0"
    assert grant.expires_at == NOW + timedelta(minutes=29)
    _, grant = drive(auth.renew(auth.first(), NOW), token(expires_in="60"))
    assert grant.expires_at == NOW + timedelta(seconds=30), "not already over"


def stored() -> Grant:
    held = {"access_token": "a", "refresh_token": "r-2"}
    return Grant("https://x", held, previous={"refresh_token": "r-1"}, serial=2)


def test_a_lost_answer_is_made_good_by_the_token_before() -> None:
    """The token before still works for 30 minutes."""
    asked, grant = drive(xero().auth.renew(stored(), NOW), INVALID, token())
    assert [each.body()[-3:] for each in asked] == [b"r-2", b"r-1"]
    assert grant.values["access_token"] == "a-1"


@pytest.mark.parametrize(
    ("minutes", "tried"),
    [(0, [b"r-2", b"r-1"]), (30, [b"r-2", b"r-1"]), (31, [b"r-2"])],
)
def test_the_token_before_is_tried_within_its_grace_alone(
    minutes: int, tried: list[bytes]
) -> None:
    """A3: later it is dead for certain, and asking is of no use."""
    grant = evolve(stored(), renewed_at=NOW - timedelta(minutes=minutes))
    flow, asked = xero().auth.renew(grant, NOW), list[bytes]()

    def until_it_gives_up() -> None:
        request = next(flow)
        while True:
            assert isinstance(request, Request)
            asked.append(request.body()[-3:])
            request = flow.send(INVALID)

    with pytest.raises(Fault) as caught:
        until_it_gives_up()
    assert caught.value.code is Code.RECONNECT_NEEDED
    assert asked == tried


def test_a_dead_grant_needs_a_person_and_each_token_is_tried_once() -> None:
    auth = xero().auth
    with pytest.raises(Fault) as caught:
        drive(auth.renew(auth.first(), NOW), INVALID)
    assert caught.value.code is Code.RECONNECT_NEEDED
    assert "administrator" in caught.value.remedy
    with pytest.raises(Fault) as caught:
        drive(auth.renew(stored(), NOW), INVALID, INVALID)
    assert caught.value.code is Code.RECONNECT_NEEDED


@pytest.mark.parametrize(
    ("reply", "expected", "fate"),
    [
        (Response(503), Code.SERVER_ERROR, Fate.UNCLEAR),
        (Response(500, {}, "<h1>no</h1>"), Code.SERVER_ERROR, Fate.UNCLEAR),
        (Response(429), Code.TOO_MANY_REQUESTS, Fate.NOT_SENT),
        (Response(401), Code.SIGN_IN_REFUSED, Fate.REFUSED),
        (
            Response(400, {}, '{"error":"invalid_client"}'),
            Code.SIGN_IN_REFUSED,
            Fate.REFUSED,
        ),
        (Response(400, {}, "[1]"), Code.UNKNOWN_ERROR, Fate.REFUSED),
        (Response(200, {}, "{}"), Code.BAD_PAYLOAD, Fate.UNCLEAR),
        (Response(200, {}, "<p>"), Code.BAD_PAYLOAD, Fate.UNCLEAR),
    ],
)
def test_trouble_while_signing_in_is_not_revocation(
    reply: Response, expected: Code, fate: Fate
) -> None:
    """PF57: and the token before is not spent on it."""
    with pytest.raises(Fault) as caught:
        drive(xero().auth.renew(stored(), NOW), reply)
    assert (caught.value.code, caught.value.fate) == (expected, fate)


def test_a_custom_connection_signs_in_by_itself_and_names_no_tenant() -> None:
    auth = xero(refresh_token="", scope="accounting.invoices.read").auth
    assert auth.first().values == {}
    asked, grant = drive(auth.renew(auth.first(), NOW), token(refresh_token=None))
    assert asked[0].body() == (
        b"grant_type=client_credentials&scope=accounting.invoices.read"
    )
    assert grant.values == {"access_token": "a-1"}
    signed = auth.sign(Request("GET", "Invoices"), grant)
    assert signed.header("xero-tenant-id") is None
    assert signed.header("Authorization") == "Bearer a-1"


def test_a_signed_request_names_its_tenant_and_asks_for_json() -> None:
    """PF55."""
    auth = xero().auth
    signed = auth.sign(Request("GET", "Invoices", headers={"X": "1"}), stored())
    assert dict(signed.headers) == {
        "X": "1",
        "Authorization": "Bearer a",
        "xero-tenant-id": "t-1",
        "Accept": "application/json",
    }
    own = Request("GET", "Invoices", headers={"accept": "application/pdf"})
    assert [
        v for k, v in auth.sign(own, stored()).headers if k.lower() == "accept"
    ] == ["application/pdf"]


# Judging ----------------------------------------------------------------------------


def validation(*texts: str) -> str:
    lines = [{"ValidationErrors": [{"Message": text}]} for text in texts[1:]]
    element = {
        "InvoiceNumber": "INV-1",
        "LineItems": lines,
        "ValidationErrors": [{"Message": texts[0]}, {"Message": texts[0]}, {}],
    }
    return json.dumps(
        {
            "ErrorNumber": 10,
            "Type": "ValidationException",
            "Message": "A validation exception occurred",
            "Elements": [element],
        }
    )


@pytest.mark.parametrize(
    ("text", "expected", "remedy"),
    [
        ("Invoice # must be unique.", Code.DUPLICATE_NUMBER, "renumber"),
        ("Invoice not of valid status for modification", Code.REFUSED, "in Xero"),
        (
            "This document cannot be edited as it has a payment or credit note allocated to it.",
            Code.REFUSED,
            "remove the payment",
        ),
        (
            "Payment amount exceeds the amount outstanding on this document",
            Code.REFUSED,
            "duplicate",
        ),
        (
            "Payments can only be made against Authorised documents",
            Code.REFUSED,
            "Approve",
        ),
        (
            "The document date cannot be before the period lock date",
            Code.LOCKED_PERIOD,
            "unlock",
        ),
        ("before the end of year lock date", Code.LOCKED_PERIOD, "unlock"),
        (
            "The contact with the specified contact details has been archived.",
            Code.REFUSED,
            "merged",
        ),
        (
            "The contact name Acme is already assigned to another contact.",
            Code.DUPLICATE_NUMBER,
            "this name",
        ),
        (
            "Account code '200' has been archived, or deleted.",
            Code.REFUSED,
            "account mapping",
        ),
        (
            "Account code '200' is not a valid code for this document.",
            Code.REFUSED,
            "account mapping",
        ),
        (
            "The TaxType code 'X' cannot be used with account code '200'.",
            Code.REFUSED,
            "tax mapping",
        ),
        (
            "Organisation is not subscribed to currency NZD",
            Code.NOT_ALLOWED,
            "multi-currency",
        ),
        (
            "You've reached the limit of invoices you can approve",
            Code.NOT_ALLOWED,
            "plan",
        ),
    ],
)
def test_errors_are_translated_with_a_remedy_and_keep_their_words(
    text: str, expected: Code, remedy: str
) -> None:
    """B145."""
    verdict = xero().judge(Response(400, {}, validation(text)))
    assert (verdict.answer, verdict.code) == (Answer.REFUSED, expected)
    assert verdict.text == text
    assert remedy in verdict.remedy
    unsure = xero().judge(Response(500, {}, validation(text)))
    assert (unsure.answer, unsure.code) == (Answer.UNCLEAR, Code.SERVER_ERROR)


def test_an_unknown_error_is_kept_word_for_word_with_the_lines_own() -> None:
    """B110."""
    mark = {"Xero-Correlation-Id": "77"}
    verdict = xero().judge(Response(400, mark, validation("Too blue", "Line 2 too")))
    assert verdict.code is Code.UNKNOWN_ERROR
    assert verdict.text == "Too blue; Line 2 too (Xero-Correlation-Id 77)"


def failed_element(*errors: str) -> Response:
    element = {
        "InvoiceNumber": "INV-1",
        "StatusAttributeString": "ERROR",
        "HasErrors": True,
        "ValidationErrors": [{"Message": each} for each in errors],
    }
    return ok("Invoices", [element])


def test_an_error_that_says_200_is_not_taken_for_success() -> None:
    judge = xero().judge
    unique = judge(failed_element("Invoice # must be unique."))
    assert (unique.answer, unique.code) == (Answer.REFUSED, Code.DUPLICATE_NUMBER)
    other = judge(failed_element("Too blue"))
    assert (other.answer, other.code, other.text) == (
        Answer.REFUSED,
        Code.REFUSED,
        "Too blue",
    )
    assert judge(failed_element()).answer is Answer.REFUSED
    harmless = ok("Invoices", [bill(LineItems=[{"Description": "ERROR"}])])
    assert judge(harmless).answer is Answer.OK


EXPIRED = {
    "Title": "Unauthorized",
    "Status": 401,
    "Detail": "TokenExpired: token expired at 03/10/2026 10:00:00",
    "Instance": "x",
}


@pytest.mark.parametrize(
    ("response", "answer", "expected", "said"),
    [
        (
            Response(401, {}, json.dumps(EXPIRED)),
            Answer.SIGN_IN,
            Code.RECONNECT_NEEDED,
            "Unauthorized; TokenExpired",
        ),
        (Response(401), Answer.SIGN_IN, Code.RECONNECT_NEEDED, ""),
        (
            Response(401, {}, '{"Type":null,"Detail":"AuthorizationUnsuccessful"}'),
            Answer.REFUSED,
            Code.PERMISSION_MISSING,
            "AuthorizationUnsuccessful",
        ),
        (
            Response(
                403,
                {},
                '{"title":"Forbidden","status":403,"detail":"AuthenticationUnsuccessful"}',
            ),
            Answer.REFUSED,
            Code.RECONNECT_NEEDED,
            "Forbidden; AuthenticationUnsuccessful",
        ),
        (Response(403), Answer.REFUSED, Code.PERMISSION_MISSING, "HTTP 403"),
        (
            Response(404, {}, "<ApiException><Message>Not found</Message>"),
            Answer.REFUSED,
            Code.NO_SUCH_RESOURCE,
            "Not found",
        ),
        (Response(400, {}, "[1]"), Answer.REFUSED, Code.UNKNOWN_ERROR, "HTTP 400"),
        (Response(503), Answer.UNCLEAR, Code.SERVER_ERROR, "HTTP 503"),
    ],
)
def test_what_other_answers_mean(
    response: Response, answer: Answer, expected: Code, said: str
) -> None:
    verdict = xero().judge(response)
    assert (verdict.answer, verdict.code) == (answer, expected)
    assert verdict.text.startswith(said)


@pytest.mark.parametrize(
    ("headers", "expected", "wait"),
    [
        (
            {"X-Rate-Limit-Problem": "Day", "Retry-After": "61000"},
            Code.DAY_LIMIT_REACHED,
            61000,
        ),
        ({"x-rate-limit-problem": "DayLimit"}, Code.DAY_LIMIT_REACHED, None),
        ({"X-DayLimit-Remaining": "0"}, Code.DAY_LIMIT_REACHED, None),
        (
            {
                "X-Rate-Limit-Problem": "minute",
                "Retry-After": "7",
                "X-DayLimit-Remaining": "0",
            },
            Code.TOO_MANY_REQUESTS,
            7,
        ),
        ({"X-Rate-Limit-Problem": "concurrent"}, Code.TOO_MANY_REQUESTS, None),
        ({}, Code.TOO_MANY_REQUESTS, None),
    ],
)
def test_the_minutes_limit_is_waited_for_and_the_days_limit_named(
    headers: dict[str, str], expected: Code, wait: float | None
) -> None:
    verdict = xero().judge(Response(429, headers))
    assert (verdict.answer, verdict.code) == (Answer.WAIT, expected)
    assert verdict.wait == wait


def test_every_answer_is_judged_without_a_session() -> None:
    with pytest.raises(Fault) as caught:
        drive(xero().page(Settlement, CHANGED), Response(429, {"Retry-After": "9"}))
    assert (caught.value.fate, caught.value.wait) == (Fate.NOT_SENT, 9)


# How it is --------------------------------------------------------------------------


ORGANISATION = {
    "OrganisationID": "org-1",
    "Name": "Acme Books",
    "ShortCode": "!3T6Q-",
    "BaseCurrency": "NZD",
    "Timezone": "NEWZEALANDSTANDARDTIME",
    "PeriodLockDate": ms("2025-12-31"),
    "EndOfYearLockDate": ms("2025-03-31"),
}


def test_check_tells_the_books() -> None:
    asked, health = drive(xero().check(), ok("Organisations", [ORGANISATION]))
    assert [each.url for each in asked] == ["Organisation"]
    assert health.ok
    books = health.books
    assert books is not None
    assert (books.identity, books.name, books.currency) == (
        "org-1",
        "Acme Books",
        "NZD",
    )
    assert (books.zone, books.locked_through) == (
        "Pacific/Auckland",
        date(2025, 12, 31),
    )


@pytest.mark.parametrize(
    ("zone", "expected"),
    [("UTC", "UTC"), ("MARSSTANDARDTIME", None), (None, None)],
)
def test_check_without_locks_ids_or_a_known_zone(
    zone: str | None, expected: str | None
) -> None:
    row = {"Name": "B", "BaseCurrency": "EUR", "Timezone": zone}
    _, health = drive(xero().check(), ok("Organisations", [row]))
    assert health.ok
    assert health.books is not None
    assert (health.books.identity, health.books.zone) == ("t-1", expected)
    assert health.books.locked_through is None
    assert health.notes == ()


@pytest.mark.parametrize(
    ("answer", "reachable", "signed_in", "missing"),
    [
        (Response(401), True, False, 0),
        (Fault(Code.RECONNECT_NEEDED), True, False, 0),
        (Response(403), True, True, 1),
        (Fault(Code.NOT_REACHED, fate=Fate.NOT_SENT), False, False, 0),
        (Response(503), False, False, 0),
    ],
)
def test_check_tells_reach_credentials_and_permission_apart(
    answer: Response | Fault, reachable: bool, signed_in: bool, missing: int
) -> None:
    """B150."""
    _, health = drive(xero().check(), answer)
    assert (health.reachable, health.signed_in) == (reachable, signed_in)
    assert len(health.missing) == missing
    assert not health.ok
    assert health.notes


@pytest.mark.parametrize(
    "answer", [Response(429), ok("Organisations", [])], ids=["busy", "empty"]
)
def test_check_raises_what_is_no_verdict_on_the_connection(answer: Response) -> None:
    with pytest.raises(Fault):
        drive(xero().check(), answer)


def test_capabilities_say_what_can_be_done_and_need_a_nightly_sweep() -> None:
    connector = xero()
    said = connector.capabilities
    every = frozenset(Verb)
    able = {kind: said.kind(kind).verbs for kind in said.kinds}
    assert able == {
        Settlement: {Verb.READ},
        **dict.fromkeys((Customer, Invoice, CreditNote), every),
        **dict.fromkeys((Payment, Application), every - {Verb.UPDATE}),
    }
    assert said.kind(Settlement).number_unique
    assert said.kind(Invoice).number_unique
    assert not said.kind(CreditNote).number_unique
    assert said.payments.feeds == (Feed.STAMP, Feed.PAYMENTS, Feed.CREDITS)
    assert said.payments.blind == {Blind.CREDITS}
    assert said.payments.sweep_every == timedelta(days=1)
    assert Limit(60, 60) in said.limits
    assert Limit(5000, 86_400) in said.limits
    assert (said.concurrency, said.overlap) == (5, timedelta(minutes=2))
    assert said == xero().capabilities, "a pure function of the arguments"
    assert Limit(1000, 86_400) in xero(per_day=1000).capabilities.limits


# Writing ----------------------------------------------------------------------------

MARK = "TO-ABCDEFGHIJKLM"
SOURCE = Ref("cw:1", "Invoice", "9")
CONTACT = Ref(CONNECTION, "Customer", "c-1")


def ref(kind: str, identity: str = "") -> Ref:
    return Ref(CONNECTION, kind, identity)


def document(**more: Any) -> Invoice:
    """An invoice of 100 as the other side wants it here."""
    given: dict[str, Any] = {
        "ref": ref("Invoice"),
        "number": "INV-1",
        "customer": CONTACT,
        "currency": "AUD",
        "on": date(2026, 3, 8),
        "total": HUNDRED,
        "status": Status.OPEN,
    }
    return Invoice(**{**given, **more})


def change(after: Any, action: Action = Action.CREATE, **more: Any) -> Change:
    kind = type(after if after is not None else more["before"])
    return Change(
        more.pop("name", "n"),
        action,
        kind,
        CONNECTION,
        source=SOURCE,
        after=after,
        mark=MARK,
        **more,
    )


def put(*changes: Change, answer: Response | Fault, **options: Any) -> Any:
    """The one request of a write, and its outcomes."""
    asked, outcomes = drive(xero(**options).write(changes), answer)
    (request,) = asked
    assert request.effect
    return request, outcomes


def test_an_invoice_is_made_by_put_and_its_number_is_the_mark() -> None:
    """B48, B120: POST of a number that exists would overwrite that document."""
    line = Line(
        "Work",
        Decimal("90.91"),
        quantity=Decimal(2),
        unit_price=Decimal("45.455"),
        tax=Decimal("9.09"),
        tax_code="OUTPUT",
        dimensions={"Region": "North"},
    )
    wanted = document(lines=(line,), due=date(2026, 4, 8), reference="PO 7")
    request, (outcome,) = put(
        change(wanted, key="k-1"), answer=ok("Invoices", [bill()]), account="200"
    )
    assert (request.method, request.url) == ("PUT", "Invoices")
    assert params(request) == {"summarizeErrors": "false", "unitdp": "4"}
    assert request.header("Idempotency-Key") == "k-1"
    assert request.json == {
        "Invoices": [
            {
                "Type": "ACCREC",
                "InvoiceNumber": "INV-1",
                "Reference": "PO 7",
                "Contact": {"ContactID": "c-1"},
                "Date": "2026-03-08",
                "DueDate": "2026-04-08",
                "CurrencyCode": "AUD",
                "LineAmountTypes": "Exclusive",
                "Status": "AUTHORISED",
                "LineItems": [
                    {
                        "Description": "Work",
                        "Quantity": Decimal(2),
                        "UnitAmount": Decimal("45.455"),
                        "LineAmount": Decimal("90.91"),
                        "TaxAmount": Decimal("9.09"),
                        "TaxType": "OUTPUT",
                        "AccountCode": "200",
                        "Tracking": [{"Name": "Region", "Option": "North"}],
                    }
                ],
            }
        ]
    }
    assert (outcome.state, outcome.ref) == (State.APPLIED, ref("Invoice", "i-1"))
    assert outcome.echo == read(bill(), kind=Invoice).records[0]


def test_a_line_whose_product_is_not_its_amount_is_one_of_its_amount() -> None:
    odd = Line("x", TEN, quantity=Decimal(3), unit_price=Decimal("3.33"))
    request, _ = put(change(document(lines=(odd,))), answer=ok("Invoices", [bill()]))
    (sent,) = request.json["Invoices"][0]["LineItems"]
    assert (sent["Quantity"], sent["UnitAmount"]) == (1, TEN)
    assert request.json["Invoices"][0]["LineAmountTypes"] == "NoTax"


def test_documents_of_one_kind_go_together_and_each_has_its_own_outcome() -> None:
    """B40: mapped by number, never by position; what is not told of is unknown."""
    some = [
        change(document(number=number), name=number, key=f"k-{number}")
        for number in ("A", "B", "C", "A", "")
    ]
    some[3] = evolve(some[3], name="A again")
    bad = {
        "InvoiceNumber": "A",
        "StatusAttributeString": "ERROR",
        "ValidationErrors": [{"Message": "Invoice # must be unique."}],
    }
    answer = ok("Invoices", [bill(InvoiceNumber="B", InvoiceID="i-2"), bad])
    request, outcomes = put(*some, answer=answer)
    assert [each["InvoiceNumber"] for each in request.json["Invoices"]] == list("ABC")
    assert request.header("Idempotency-Key") not in (None, "k-A")
    by_name = {each.name: each for each in outcomes}
    assert len(by_name) == len(some)
    assert by_name["A"].code is Code.DUPLICATE_NUMBER
    assert by_name["A"].state is State.REJECTED
    assert by_name["B"].ref == ref("Invoice", "i-2")
    assert by_name["C"].state is State.UNKNOWN
    assert by_name["A again"].state is State.REJECTED
    assert by_name[""].code is Code.NOT_ALLOWED


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Fault(Code.ANSWER_LOST, fate=Fate.UNCLEAR), State.UNKNOWN),
        (Response(500), State.UNKNOWN),
        (Response(429), State.NOT_SENT),
        (Response(200, {}, "<html>"), State.UNKNOWN),
        (ok("Invoices", [bill(InvoiceNumber="INV-1", Total="1,0")]), State.UNKNOWN),
        (Response(401), State.NOT_SENT),
    ],
)
def test_what_is_not_certain_is_unknown(answer: Response | Fault, state: State) -> None:
    """R2: a batch whose answer is lost leaves all its documents unknown."""
    some = [change(document(number=n), name=n) for n in ("INV-1", "INV-2")]
    _, outcomes = put(*some, answer=answer)
    assert {each.state for each in outcomes} == {state}


def test_an_update_sends_what_differs_by_post_with_the_id() -> None:
    before = document(ref=ref("Invoice", "i-1"), reference="old")
    after = evolve(before, reference="new")
    request, (outcome,) = put(
        change(after, Action.UPDATE, before=before, target=before.ref),
        answer=ok("Invoices", [bill(Reference="new")]),
    )
    assert (request.method, request.url) == ("POST", "Invoices")
    assert request.json == {"Invoices": [{"Reference": "new", "InvoiceID": "i-1"}]}
    assert outcome.state is State.APPLIED


@pytest.mark.parametrize(
    ("status", "word"), [(Status.OPEN, "VOIDED"), (Status.DRAFT, "DELETED")]
)
def test_an_invoice_is_voided_and_a_draft_deleted(status: Status, word: str) -> None:
    before = document(ref=ref("Invoice", "i-1"), status=status)
    request, (outcome,) = put(
        change(None, Action.VOID, before=before, target=before.ref),
        answer=ok("Invoices", [bill(Status=word)]),
    )
    assert request.json == {"Invoices": [{"Status": word, "InvoiceID": "i-1"}]}
    assert (outcome.state, outcome.echo) == (State.APPLIED, None)


def test_customers_are_made_changed_and_archived() -> None:
    """B46, B83."""
    row = {"ContactID": "c-9", "Name": "Acme", "ContactNumber": MARK}
    after = Customer(ref("Customer"), "Acme", number="C-1", email="a@b.c")
    request, (outcome,) = put(change(after), answer=ok("Contacts", [row]))
    assert request.json["Contacts"] == [
        {
            "Name": "Acme",
            "AccountNumber": "C-1",
            "EmailAddress": "a@b.c",
            "ContactNumber": MARK,
        }
    ]
    assert outcome.ref == ref("Customer", "c-9")
    request, _ = put(
        change(None, Action.VOID, before=after, target=ref("Customer", "c-9")),
        answer=ok("Contacts", [{**row, "ContactStatus": "ARCHIVED"}]),
    )
    assert request.json["Contacts"] == [
        {"ContactStatus": "ARCHIVED", "ContactID": "c-9"}
    ]


def receipt(**more: Any) -> Payment:
    """A payment of 40 for one invoice."""
    target = ref("Invoice", "i-1")
    part = Application(ref("Application"), ref("Payment"), target, FORTY, "AUD", DAY)
    given: dict[str, Any] = {"applications": (part,), "account": "090"}
    return Payment(
        ref("Payment"), CONTACT, "AUD", DAY, FORTY, Status.SETTLED, **{**given, **more}
    )


FORTY, DAY = Decimal(40), date(2026, 3, 9)


def test_a_payment_is_of_one_invoice_and_carries_the_mark_as_reference() -> None:
    row = payment(Reference=MARK, Amount=40.0)
    request, (outcome,) = put(change(receipt()), answer=ok("Payments", [row]))
    assert (request.method, request.url) == ("PUT", "Payments")
    assert request.json["Payments"] == [
        {
            "Invoice": {"InvoiceID": "i-1"},
            "Account": {"Code": "090"},
            "Date": "2026-03-09",
            "Amount": FORTY,
            "Reference": MARK,
        }
    ]
    assert outcome.state is State.APPLIED


@pytest.mark.parametrize(
    "wanted",
    [
        receipt(applications=()),
        receipt(unapplied=TEN),
        receipt(account=""),
        evolve(receipt(), applications=receipt().applications * 2),
        # Of another sum than what is put to the invoice: all of it would be.
        evolve(receipt(), amount=FORTY + TEN),
        evolve(receipt(), currency="USD"),
        *(
            receipt(applications=(evolve(receipt().applications[0], **each),))
            for each in ({"how": Part.CREDIT}, {"live": False})
        ),
    ],
)
def test_a_payment_that_xero_cannot_hold_is_not_sent(wanted: Payment) -> None:
    asked, (outcome,) = drive(xero().write([change(wanted)]))
    assert (asked, outcome.code) == ([], Code.NOT_ALLOWED)


def test_a_payment_is_ended_and_never_changed() -> None:
    gone = evolve(receipt(), ref=ref("Payment", "p-1"))
    request, (outcome,) = put(
        change(None, Action.VOID, before=gone, target=gone.ref),
        answer=ok("Payments", [payment(Status="DELETED")]),
    )
    assert (request.method, request.url) == ("POST", "Payments/p-1")
    assert request.json == {"Payments": [{"Status": "DELETED"}]}
    assert outcome.state is State.APPLIED
    update = change(gone, Action.UPDATE, before=gone, target=gone.ref)
    asked, outcomes = drive(xero().write([update]))
    assert (asked, outcomes[0].code) == ([], Code.NOT_ALLOWED)


def test_a_credit_note_is_put_to_an_invoice_and_taken_off_again() -> None:
    """B96: each allocation is a change of its own."""
    note, target = ref("CreditNote", "n-1"), ref("Invoice", "i-1")
    put_to = Application(
        ref("Application"), note, target, FORTY, "AUD", DAY, how=Part.CREDIT
    )
    told = {"AllocationID": "a-1", "Amount": 40, "Invoice": {"InvoiceID": "i-1"}}
    request, (outcome,) = put(change(put_to, key="k"), answer=ok("Allocations", [told]))
    assert (request.method, request.url) == ("PUT", "CreditNotes/n-1/Allocations")
    assert request.json == {
        "Allocations": [
            {"Invoice": {"InvoiceID": "i-1"}, "Amount": FORTY, "Date": "2026-03-09"}
        ]
    }
    assert outcome.ref == ref("Application", "n-1/a-1")
    made = evolve(put_to, ref=outcome.ref)
    request, _ = put(
        change(None, Action.VOID, before=made, target=made.ref), answer=Response(200)
    )
    assert (request.method, request.url) == (
        "DELETE",
        "CreditNotes/n-1/Allocations/a-1",
    )
    from_payment = evolve(put_to, source=ref("Payment", "p-1"))
    asked, (refused,) = drive(xero().write([change(from_payment)]))
    assert (asked, refused.code) == ([], Code.NOT_ALLOWED)


def test_an_application_is_read_with_its_credit_note() -> None:
    told = {"AllocationID": "a-1", "Amount": 40, "Invoice": {"InvoiceID": "i-1"}}
    row = note(CreditNoteID="n-1", Allocations=[told])
    asked, page = drive(
        xero().fetch(Application, ids=["n-1/a-1"]), ok("CreditNotes", [row])
    )
    assert 'CreditNoteID==Guid("n-1")' in params(asked[0])["where"]
    (found,) = page.records
    assert (found.source.id, found.target.id) == ("n-1", "i-1")
    assert found.amount == FORTY


def test_a_document_without_a_customer_is_not_sent() -> None:
    asked, (outcome,) = drive(xero().write([change(document(customer=None))]))
    assert (asked, outcome.code) == ([], Code.BAD_FIELD)


@pytest.mark.parametrize(
    ("after", "name", "where"),
    [
        (receipt(), "Payments", f'Reference=="{MARK}"'),
        (Customer(ref("Customer"), "A"), "Contacts", f'ContactNumber=="{MARK}"'),
    ],
)
def test_what_was_made_is_found_by_its_mark(after: Any, name: str, where: str) -> None:
    asked, _ = drive(xero().find([change(after)]), ok(name, []))
    assert where in params(asked[0])["where"]


def test_an_invoice_is_found_by_its_number_and_an_allocation_not_at_all() -> None:
    made = change(document(), number="INV-1")
    asked, page = drive(xero().find([made]), ok("Invoices", [bill()]))
    assert params(asked[0])["InvoiceNumbers"] == "INV-1"
    assert len(page.records) == 1
    part = receipt().applications[0]
    with pytest.raises(Fault) as caught:
        next(xero().find([change(part)]))
    assert caught.value.code is Code.NOT_ALLOWED


def test_find_looks_for_what_a_change_may_have_made() -> None:
    ref, made = Ref("cw:1", "Invoice", "9"), Ref(CONNECTION, "Invoice", "i-1")
    change = Change("n", Action.UPDATE, Invoice, CONNECTION, source=ref, target=made)
    _, page = drive(xero().find([change]), ok("Invoices", [bill()]))
    assert [each.ref.id for each in page.records] == ["i-1"]


def test_deep_links_come_from_templates() -> None:
    """B131."""
    connector = xero(shortcode="!3T6Q-")
    link = connector.deep_link(Ref(CONNECTION, "Invoice", "i 1&x"))
    assert link == (
        "https://go.xero.com/organisationlogin/default.aspx?shortcode=!3T6Q-"
        "&redirecturl=/AccountsReceivable/View.aspx?InvoiceID=i%201%26x"
    )
    bare = xero().deep_link(Ref(CONNECTION, "Customer", "c-1"))
    assert bare == (
        "https://go.xero.com/organisationlogin/default.aspx?redirecturl=/Contacts/View/c-1"
    )
    note_link = connector.deep_link(Ref(CONNECTION, "CreditNote", "n-1"))
    assert note_link.endswith("/ViewCreditNote.aspx?creditNoteID=n-1")
    assert connector.deep_link(Ref(CONNECTION, "Payment", "p-1")) == ""
    own = xero(link_paths={"Payment": "/pay/{id}"})
    assert own.deep_link(Ref(CONNECTION, "Payment", "p-1")).endswith(
        "redirecturl=/pay/p-1"
    )
