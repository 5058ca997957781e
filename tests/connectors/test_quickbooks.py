"""QuickBooks Online is read: flows driven by hand, samples in the shapes of its sheet."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from quickbooks_rows import (
    MARK,
    SINCE,
    SINCE_TOLD,
    TIME,
    ada,
    answer,
    bill,
    credit_link,
    drive,
    fault,
    feed,
    gateway,
    gone,
    memo,
    meta,
    ok,
    params,
    part,
    paying,
    payment,
    query,
    quickbooks,
    ref,
    refusal,
    sale,
)

from tieout.auth import Grant
from tieout.capabilities import (
    Changed,
    Dated,
    Everything,
    Open,
    Unposted,
    Verb,
)
from tieout.connector import Fields
from tieout.connectors.quickbooks import queries
from tieout.connectors.quickbooks.money import split
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
    Settlement,
    Status,
)
from tieout.wire import Answer, Request, Response

CHANGED = Changed(SINCE)
D = Decimal
NO_FEED = {"feed_rows": 0}


def read(row: dict[str, Any]) -> Fields:
    """A row as it comes out of an answer: numbers are exact."""
    return Fields(ok(row).json())


def level(row: dict[str, Any], *payments: Any, **options: Any) -> Settlement:
    """The settlement of an invoice, with the payments that are linked to it."""
    flow = quickbooks(**options).fetch(Settlement, ids=["10"])
    replies = [answer("Payment", *payments)] if payments else []
    _, page = drive(flow, answer("Invoice", row), *replies)
    assert page.issues == ()
    return page.records[0]


def issue(row: dict[str, Any], *payments: Any, kind: Any = Settlement) -> Any:
    """What is wrong with a row; its neighbour is read."""
    good = bill("11", DocNumber="1002") if kind is not Payment else payment("21")
    name = {Payment: "Payment", CreditNote: "CreditMemo"}.get(kind, "Invoice")
    flow = quickbooks(**NO_FEED).page(kind, Everything())
    replies = [answer("Payment", *payments)] if payments else []
    _, page = drive(flow, answer(name, row, good), *replies)
    assert [each.ref.id for each in page.records] == [good["Id"]]
    (found,) = page.issues
    return found


# An invoice's money -----------------------------------------------------------------


def test_an_unpaid_invoice_is_open() -> None:
    """Nothing is linked to it: no payment is asked for."""
    found = level(bill())
    assert (found.status, found.total, found.balance) == (Status.OPEN, D(300), D(300))
    assert found.settled_by == {Part.CASH: 0, Part.CREDIT: 0}
    assert (found.paid_on, found.last_on, found.basis) == (None, None, None)
    assert (found.number, found.currency) == ("1001", "USD")
    assert found.customer == ref("Customer", "5")
    assert found.ref == ref("Invoice", "10")
    assert found.changed_at == datetime(2026, 3, 10, 10, tzinfo=UTC)
    assert found.version == "0"


def test_a_part_payment_leaves_it_open() -> None:
    """What was paid stands in the payment; the day of it is the last receipt's."""
    found = level(bill(Balance=200, **paying("20")), payment())
    assert (found.status, found.balance) == (Status.OPEN, D(200))
    assert found.settled_by == {Part.CASH: D(100), Part.CREDIT: 0}
    assert (found.paid_on, found.last_on) == (None, date(2026, 3, 5))
    assert found.receipts == ("20",)


def test_paid_on_is_the_day_from_which_nothing_is_owed() -> None:
    """By the days of the payments, in whatever order they come."""
    late = payment(
        "21", TxnDate="2026-03-09", TotalAmt=200, Line=[part(200, "Invoice", "10")]
    )
    found = level(bill(Balance=0, **paying("21", "20")), late, payment())
    assert found.status is Status.SETTLED
    assert (found.paid_on, found.basis) == (date(2026, 3, 9), Basis.APPLICATIONS)
    assert found.receipts == ("20", "21")


def test_a_credit_is_told_from_cash_by_the_payment_that_applies_it() -> None:
    """The invoice names a payment alone, also where a credit memo settled it."""
    rest = payment(TotalAmt=260, Line=[part(260, "Invoice", "10")])
    link = credit_link(TxnDate="2026-03-12")
    found = level(bill(Balance=0, **paying("20", "30")), rest, link)
    assert found.settled_by == {Part.CASH: D(260), Part.CREDIT: D(40)}
    assert found.receipts == ("20",)
    assert (found.paid_on, found.last_on) == (date(2026, 3, 12), date(2026, 3, 5))


def test_a_payment_that_is_another_entry_is_neither_cash_nor_credit() -> None:
    """A journal entry settles too; it is told as what it is."""
    lines = [part(300, "Invoice", "10"), part(300, "JournalEntry", "77")]
    found = level(bill(Balance=0, **paying("20")), payment(TotalAmt=0, Line=lines))
    assert found.settled_by == {Part.CASH: 0, Part.CREDIT: 0, Part.OTHER: D(300)}
    assert (found.paid_on, found.last_on) == (date(2026, 3, 5), None)


def test_the_deposit_on_the_invoice_itself_is_cash_of_its_day() -> None:
    found = level(bill(Balance=250, Deposit=50))
    assert found.settled_by == {Part.CASH: D(50), Part.CREDIT: 0}
    assert (found.last_on, found.receipts) == (date(2026, 3, 1), ())


def test_what_the_payments_do_not_explain_is_not_guessed() -> None:
    """A payment that vanished meanwhile: no parts, and the last day that is told."""
    found = level(bill(Balance=0, **paying("20", "21")), payment())
    assert found.settled_by == {}
    assert (found.paid, found.status) == (D(300), Status.SETTLED)
    assert (found.paid_on, found.basis) == (date(2026, 3, 5), Basis.LAST_RECEIPT)
    assert level(bill(Balance=0)).paid_on is None


def test_a_payment_in_disagreement_with_itself_explains_nothing() -> None:
    """Its own lines do not make its total: then of the invoice no part is told."""
    for odd in (payment(TotalAmt=90), payment(TxnDate="soon")):
        assert level(bill(Balance=200, **paying("20")), odd).settled_by == {}


def test_an_invoice_of_nothing_is_settled_on_its_own_day() -> None:
    found = level(bill(TotalAmt=0, Balance=0))
    assert (found.status, found.paid_on) == (Status.SETTLED, date(2026, 3, 1))


def test_voided_is_a_note_and_no_amounts() -> None:
    """The note is evidence, zero totals are proof; case does not matter."""
    void = level(bill(TotalAmt=0, Balance=0, PrivateNote="voided - by Ada"))
    assert (void.status, void.balance, void.paid_on) == (Status.VOID, D(0), None)
    note = bill(TotalAmt=0, Balance=0, PrivateNote="Storniert")
    assert level(note).status is Status.SETTLED
    assert level(note, void_note="Storniert").status is Status.VOID


def test_a_note_alone_does_not_void() -> None:
    """Amounts count where they explain themselves: open, or settled by payments."""
    assert level(bill(PrivateNote="Voided check")).status is Status.OPEN
    paid = level(bill(Balance=200, PrivateNote="Voided", **paying("20")), payment())
    assert paid.status is Status.OPEN
    assert paid.settled_by[Part.CASH] == 100


def test_a_note_and_a_balance_that_nobody_paid_are_an_issue() -> None:
    """It would show as paid although it was taken back: nothing is guessed."""
    found = issue(bill(Balance=0, PrivateNote="Voided"))
    assert found.code is Code.UNKNOWN_STATUS
    assert found.field == "PrivateNote"
    assert found.source == ref("Invoice", "10")
    assert found.numbers == ("1001",)


def test_a_mixed_payment_is_split_by_one_rule() -> None:
    """Credits first, the older ones to the older invoices; cash settles the rest."""
    lines = [
        part(50, "Invoice", "100"),
        part(60, "Invoice", "9"),
        part(70, "CreditMemo", "8"),
    ]
    for order in (lines, lines[::-1]):
        puts = split(read(payment(TotalAmt=40, Line=order)), "USD")
        assert [(p.invoice, p.amount, p.kind, p.source) for p in puts] == [
            ("9", D(60), "CreditMemo", "8"),
            ("100", D(10), "CreditMemo", "8"),
            ("100", D(40), "Payment", "20"),
        ]


def test_a_charge_that_a_payment_settles_takes_its_part() -> None:
    """Its lines make the total only if the other type is settled, not consumed."""
    lines = [part(60, "Invoice", "10"), part(40, "StatementCharge", "9")]
    puts = split(read(payment(Line=lines)), "USD")
    assert [(p.invoice, p.amount) for p in puts] == [("10", D(60))]


def test_several_lines_of_one_invoice_are_one_part() -> None:
    lines = [part(60, "Invoice", "10"), part(40, "Invoice", "10")]
    assert [p.amount for p in split(read(payment(Line=lines)), "USD")] == [100]


def test_what_is_left_of_a_payment_may_be_untold() -> None:
    """Then it is what the lines leave of the total; they cannot take more."""
    row = payment(TotalAmt=150, UnappliedAmt=None)
    assert [p.amount for p in split(read(row), "USD")] == [100]
    with pytest.raises(Fault) as caught:
        split(read(payment(TotalAmt=50, UnappliedAmt=None)), "USD")
    assert caught.value.code is Code.TOTALS_DISAGREE


# Rows that cannot be read -----------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"TotalAmt": None}, Code.BAD_FIELD),
        ({"Balance": None}, Code.BAD_FIELD),
        ({"TotalAmt": "1,234.00"}, Code.BAD_AMOUNT),
        ({"Balance": 0.123456}, Code.BAD_AMOUNT),
        ({"CustomerRef": None}, Code.BAD_FIELD),
        ({"CustomerRef": {"name": "Ada"}}, Code.BAD_FIELD),
        ({"CurrencyRef": None}, Code.BAD_CURRENCY),
        ({"CurrencyRef": {"value": "usd"}}, Code.BAD_CURRENCY),
        ({"TxnDate": "03/01/2026"}, Code.BAD_DATE),
        ({"Id": "1' OR '1'='1"}, Code.BAD_FIELD),
        ({"MetaData": {"LastUpdatedTime": "2026-03-10T03:00:00"}}, Code.BAD_DATE),
        ({"LinkedTxn": "none"}, None),
        ({"Line": None, "SomethingNew": {"a": [1]}}, None),
    ],
)
def test_a_row_that_cannot_be_read_is_an_issue_of_its_own(
    fields: dict[str, Any], code: Code | None
) -> None:
    """Neither a crash of the page nor a guess; what does not matter is not looked at."""
    if code is None:
        assert level(bill(**fields)).total == 300
    else:
        assert issue(bill(**fields)).code is code


def test_no_currency_is_assumed_unless_it_is_given() -> None:
    """Companies of one currency may leave it out."""
    assert level(bill(CurrencyRef=None), currency="USD").currency == "USD"
    assert level(bill(), currency="EUR").currency == "USD"


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b"<html>", b"", b'{"QueryResponse": {"Invoice": {}}}']
)
def test_an_answer_without_its_list_is_no_empty_page(body: bytes) -> None:
    flow = quickbooks(**NO_FEED).page(Settlement, CHANGED)
    next(flow)
    with pytest.raises(Fault) as caught:
        flow.send(Response(200, {}, body))
    assert caught.value.code is Code.BAD_PAYLOAD
    assert caught.value.fate is Fate.UNCLEAR


def test_an_empty_answer_does_not_name_the_entity() -> None:
    _, page = drive(quickbooks().page(Invoice, Everything()), answer("Invoice"))
    assert (page.records, page.next) == ((), None)


# Documents --------------------------------------------------------------------------


def one(kind: Any, entity: str, row: dict[str, Any], **options: Any) -> Any:
    """The one record of a row."""
    _, page = drive(quickbooks(**options).page(kind, Everything()), answer(entity, row))
    assert page.issues == ()
    assert len(page.records) == 1
    return page.records[0]


def test_an_invoice_is_a_document_with_lines() -> None:
    """Discounts take off, groups are taken apart, sub-totals are left out."""
    lines = [
        sale(
            100.50,
            Qty=2,
            UnitPrice=50.25,
            TaxCodeRef={"value": "TAX"},
            ClassRef={"value": "3"},
            ItemAccountRef={"value": "45"},
        ),
        {"Amount": 100.50, "DetailType": "SubTotalLineDetail"},
        {
            "Id": "2",
            "Amount": 10,
            "DetailType": "DiscountLineDetail",
            "DiscountLineDetail": {"DiscountAccountRef": {"value": "86"}},
        },
        {"Id": "3", "Description": "Thanks", "DetailType": "DescriptionOnly"},
        {
            "Id": "4",
            "Amount": 30,
            "DetailType": "GroupLineDetail",
            "GroupLineDetail": {"Line": [sale(30)]},
        },
    ]
    row = bill(
        TotalAmt=120.50, Line=lines, DepartmentRef={"value": "9"}, PrivateNote=" PO 7 "
    )
    found = one(Invoice, "Invoice", row)
    assert [each.amount for each in found.lines] == [D("100.5"), D(-10), D(0), D(30)]
    first, discount = found.lines[:2]
    assert (first.quantity, first.unit_price) == (D(2), D("50.25"))
    assert (first.item, first.account, first.tax_code) == ("7", "45", "TAX")
    assert first.dimensions == {"class": "3", "location": "9"}
    assert first.custom == {"Id": "1"}
    assert (discount.account, discount.item) == ("86", "")
    assert found.lines[3].dimensions == {"location": "9"}
    assert (found.on, found.due) == (date(2026, 3, 1), date(2026, 3, 31))
    assert (found.status, found.reference) == (Status.OPEN, "PO 7")


def test_a_document_is_settled_or_void_by_its_amounts() -> None:
    assert one(Invoice, "Invoice", bill(Balance=0)).status is Status.SETTLED
    void = bill(TotalAmt=0, Balance=0, PrivateNote="Voided")
    assert one(Invoice, "Invoice", void).status is Status.VOID
    assert issue(bill(TxnDate=None), kind=Invoice).code is Code.BAD_FIELD


def test_a_credit_memo_tells_what_is_left_and_not_where_it_went() -> None:
    found = one(CreditNote, "CreditMemo", memo(RemainingCredit=15, Balance=15))
    assert (found.total, found.remaining, found.status) == (D(40), D(15), Status.OPEN)
    assert found.applications == ()
    assert found.ref == ref("CreditNote", "31")
    assert (
        one(CreditNote, "CreditMemo", memo(RemainingCredit=0)).status is Status.SETTLED
    )
    bare = memo(RemainingCredit=None, Balance=7)
    assert one(CreditNote, "CreditMemo", bare).remaining == 7


def test_a_customer_may_be_inactive_and_have_a_parent() -> None:
    row = ada(
        Active=False, Job=True, ParentRef={"value": "4"}, PrintOnCheckName=f"Ada {MARK}"
    )
    found = one(Customer, "Customer", row)
    assert (found.name, found.email, found.active) == ("Ada", "ada@example.com", False)
    assert found.parent == ref("Customer", "4")
    assert found.custom == {"PrintOnCheckName": f"Ada {MARK}"}
    plain = one(Customer, "Customer", ada(PrimaryEmailAddr=None, CurrencyRef=None))
    assert (plain.email, plain.currency, plain.custom, plain.parent) == (
        "",
        "",
        {},
        None,
    )


def test_customers_are_asked_for_whether_they_are_active_or_not() -> None:
    asked, _ = drive(quickbooks().page(Customer, Everything()), answer("Customer"))
    assert "WHERE Active IN (true, false) ORDERBY" in query(asked[0])


def test_a_payment_tells_what_it_was_put_to() -> None:
    row = payment(
        TotalAmt=150, UnappliedAmt=50, PaymentRefNum=" CH 1 ",
        PaymentMethodRef={"value": "2"}, DepositToAccountRef={"value": "35"},
        LinkedTxn=[{"TxnId": "34", "TxnType": "Deposit"}],
    )  # fmt: skip
    found = one(Payment, "Payment", row)
    assert (found.amount, found.unapplied, found.status) == (D(150), D(50), Status.OPEN)
    assert (found.reference, found.method, found.account) == ("CH 1", "2", "35")
    (put,) = found.applications
    assert put.ref == ref("Application", "20/10")
    assert (put.source, put.target) == (found.ref, ref("Invoice", "10"))
    assert (put.amount, put.source_amount, put.how) == (D(100), D(100), Part.CASH)
    assert one(Payment, "Payment", payment()).status is Status.SETTLED


def test_a_payment_of_nothing_is_no_payment_but_applies_credits() -> None:
    _, page = drive(
        quickbooks().page(Payment, Everything()),
        answer("Payment", credit_link(), payment()),
    )
    assert [each.ref.id for each in page.records] == ["20"]
    assert page.issues == ()
    put = one(Application, "Payment", credit_link(PaymentRefNum=MARK))
    assert put.ref == ref("Application", "30/10/31")
    assert (put.source, put.target) == (ref("CreditNote", "31"), ref("Invoice", "10"))
    assert (put.amount, put.how, put.on) == (D(40), Part.CREDIT, date(2026, 3, 5))
    assert put.custom == {"PaymentRefNum": MARK}
    assert put.carry


def test_a_payment_of_nothing_for_nothing_is_void() -> None:
    """Whatever its note says, in whatever language."""
    row = payment(TotalAmt=0, Line=[], PrivateNote="Storniert")
    assert one(Payment, "Payment", row).status is Status.VOID


def test_lines_that_do_not_make_a_payment_are_an_issue_of_it() -> None:
    found = issue(payment(TotalAmt=90), kind=Payment)
    assert found.code is Code.TOTALS_DISAGREE
    assert found.source == ref("Payment", "20")


def test_applications_are_found_through_their_payment() -> None:
    """Only those that were asked for, though a payment may hold several."""
    lines = [part(60, "Invoice", "10"), part(40, "Invoice", "11")]
    asked, page = drive(
        quickbooks().fetch(Application, ids=["20/11"]),
        answer("Payment", payment(Line=lines)),
    )
    assert "WHERE Id IN ('20')" in query(asked[0])
    assert [(each.ref.id, each.amount) for each in page.records] == [("20/11", D(40))]
    assert page.records[0].carry is None


# What changed -----------------------------------------------------------------------


def test_the_change_feed_tells_everything_in_one_call() -> None:
    """Changed payments come with it: none is asked for again."""
    asked, page = drive(
        quickbooks().page(Settlement, CHANGED),
        feed(Invoice=[bill(Balance=200, **paying("20"))], Payment=[payment()]),
    )
    assert (asked[0].method, asked[0].url) == ("GET", "cdc")
    assert params(asked[0]) == {
        "entities": "Invoice,Payment",
        "changedSince": SINCE_TOLD,
        "minorversion": "75",
    }
    assert page.records[0].settled_by[Part.CASH] == 100
    assert page.as_of == datetime(2026, 3, 20, 12, 0, 0, 123000, tzinfo=UTC)
    assert (page.next, page.token, page.touched, page.gone) == (None, None, (), ())


def test_payments_that_did_not_change_are_asked_for_together() -> None:
    rows = [
        bill("10", Balance=200, **paying("20")),
        bill("11", Balance=250, **paying("21", "20")),
    ]
    asked, page = drive(
        quickbooks().page(Settlement, CHANGED),
        feed(Invoice=rows, Payment=[]),
        answer(
            "Payment",
            payment(),
            payment("21", TotalAmt=50, Line=[part(50, "Invoice", "11")]),
        ),
    )
    assert "FROM Payment WHERE Id IN ('20', '21')" in query(asked[1])
    assert [each.settled_by[Part.CASH] for each in page.records] == [100, 50]


def test_a_changed_payment_touches_the_invoices_of_its_lines() -> None:
    """Those that came themselves are not asked for again; nor is what is no invoice."""
    lines = [
        part(10, "Invoice", "10"),
        part(90, "Invoice", "11"),
        part(5, "CreditMemo", "31"),
    ]
    _, page = drive(
        quickbooks().page(Settlement, CHANGED),
        feed(Invoice=[bill()], Payment=[payment(TotalAmt=95, Line=lines)]),
    )
    assert page.touched == (ref("Invoice", "11"),)


def test_deleted_invoices_are_gone_and_deleted_payments_tell_nothing() -> None:
    """What a deleted payment left shows in the invoice itself, or in the next sweep."""
    _, page = drive(
        quickbooks().page(Settlement, CHANGED),
        feed(Invoice=[gone("39"), bill()], Payment=[gone("40")]),
    )
    assert page.gone == (ref("Invoice", "39"),)
    assert [each.ref.id for each in page.records] == ["10"]
    assert page.touched == ()
    _, payments = drive(quickbooks().page(Payment, CHANGED), feed(Payment=[gone("40")]))
    assert payments.gone == (ref("Payment", "40"),)
    _, puts = drive(quickbooks().page(Application, CHANGED), feed(Payment=[gone("40")]))
    assert (puts.gone, puts.records, puts.issues) == ((), (), ())


@pytest.mark.parametrize(
    ("kind", "entity", "row"),
    [
        (Customer, "Customer", ada(Active=False)),
        (Invoice, "Invoice", bill()),
        (CreditNote, "CreditMemo", memo()),
        (Payment, "Payment", payment()),
        (Application, "Payment", credit_link()),
    ],
)
def test_every_kind_is_read_by_the_change_feed(
    kind: Any, entity: str, row: Any
) -> None:
    asked, page = drive(
        quickbooks().page(kind, CHANGED), feed(**dict[str, Any]({entity: [row]}))
    )
    assert params(asked[0])["entities"] == entity
    assert len(page.records) == 1


def test_a_feed_that_may_be_cut_off_is_not_believed_to_be_whole() -> None:
    """Nearly a thousand rows of all kinds together: the lists are read; what is gone is."""
    crowd = [payment(str(each)) for each in range(1000, 1948)]
    asked, page = drive(
        quickbooks().page(Settlement, CHANGED),
        feed(Invoice=[gone("39"), bill()], Payment=crowd),
        answer("Invoice", bill("12"), time="2026-03-20T05:09:00-07:00"),
    )
    assert query(asked[1]) == (
        "SELECT * FROM Invoice WHERE MetaData.LastUpdatedTime >= '2026-03-10T09:30:15+00:00' "
        "ORDERBY MetaData.LastUpdatedTime STARTPOSITION 1 MAXRESULTS 1000"
    )
    assert params(asked[1])["minorversion"] == "75"
    assert page.gone == (ref("Invoice", "39"),)
    assert [each.ref.id for each in page.records] == ["12"]
    assert page.as_of == datetime(2026, 3, 20, 12, 0, 0, 123000, tzinfo=UTC)
    assert page.next == "1:"
    assert len(crowd) + 2 == 950


def test_one_row_less_is_the_whole() -> None:
    crowd = [
        payment(str(each), Line=[], UnappliedAmt=100) for each in range(1000, 1949)
    ]
    _, page = drive(
        quickbooks().page(Settlement, CHANGED), feed(Invoice=[], Payment=crowd)
    )
    assert page.next is None


def test_behind_the_invoices_come_the_payments_that_changed() -> None:
    """They name invoices; the feed is not asked again in the middle of a run."""
    asked, page = drive(
        quickbooks().page(Settlement, CHANGED, "1:"), answer("Payment", payment())
    )
    assert "FROM Payment WHERE MetaData.LastUpdatedTime >=" in query(asked[0])
    assert (page.records, page.touched) == ((), (ref("Invoice", "10"),))
    assert page.next is None


@pytest.mark.parametrize(
    "reply",
    [
        feed(Invoice=[], time="2026-04-10T05:00:00-07:00"),
        ok({"CDCResponse": [{"QueryResponse": [{}]}]}),
        refusal(fault("2010", "changedSince is too old")),
    ],
)
def test_where_the_feed_does_not_reach_the_lists_are_read(reply: Response) -> None:
    """Over 30 days back, or a clock that is not told: it may have left out the oldest."""
    flow = quickbooks().page(Settlement, CHANGED)
    asked, page = drive(flow, reply, answer("Invoice", bill()))
    assert asked[1].url == "query"
    assert len(page.records) == 1


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (
            refusal(gateway("3200", "message=AuthenticationFailed"), 401),
            Code.RECONNECT_NEEDED,
        ),
        (refusal(fault("120", "no access"), 403), Code.PERMISSION_MISSING),
        (Response(503, {}, b""), Code.SERVER_ERROR),
        (ok({"CDCResponse": {}}), Code.BAD_PAYLOAD),
        (ok({}), Code.BAD_PAYLOAD),
    ],
)
def test_other_troubles_of_the_feed_are_told(reply: Response, code: Code) -> None:
    flow = quickbooks().page(Settlement, CHANGED)
    next(flow)
    with pytest.raises(Fault) as caught:
        flow.send(reply)
    assert caught.value.code is code


def test_without_the_feed_the_lists_are_read_at_once() -> None:
    asked, _ = drive(quickbooks(**NO_FEED).page(Settlement, CHANGED), answer("Invoice"))
    assert asked[0].url == "query"
    assert not quickbooks(**NO_FEED).capabilities.deletions_visible


# Lists ------------------------------------------------------------------------------


def stamped(*seconds: int) -> list[dict[str, Any]]:
    return [
        bill(str(at), **meta(f"2026-03-10T03:00:{second:02d}-07:00"))
        for at, second in enumerate(seconds, 10)
    ]


def following(
    rows: list[dict[str, Any]], cursor: str | None = None, **options: Any
) -> Any:
    held = {"page_size": len(rows), **NO_FEED, **options}
    flow = quickbooks(**held).page(Invoice, CHANGED, cursor)
    return drive(flow, answer("Invoice", *rows))[1].next


def test_a_page_begins_at_the_last_change_of_the_page_before() -> None:
    """A row that moves while others are read pushes none across the boundary."""
    cursor = following(stamped(1, 2, 3))
    assert cursor == "1@2026-03-10T10:00:03"
    asked, _ = drive(quickbooks().page(Invoice, CHANGED, cursor), answer("Invoice"))
    assert ">= '2026-03-10T10:00:03+00:00' ORDERBY" in query(asked[0])
    assert "STARTPOSITION 1 MAXRESULTS 1000" in query(asked[0])


def test_rows_of_one_second_are_counted_and_some_come_again() -> None:
    cursor = following(stamped(5, 5, 5), "1@2026-03-10T10:00:05")
    assert cursor == "4@2026-03-10T10:00:05"
    many = [
        bill(str(at), **meta("2026-03-10T03:00:05-07:00")) for at in range(100, 140)
    ]
    assert following(many, cursor) == "42@2026-03-10T10:00:05"
    assert following(stamped(6, 6, 7), cursor) == "1@2026-03-10T10:00:07"


def test_rows_in_no_order_are_counted() -> None:
    assert following(stamped(3, 1, 2)) == "4@2026-03-10T09:30:15"
    assert following([*stamped(1, 2), {"Id": "12"}]) == "4@2026-03-10T09:30:15"


def test_a_short_page_is_the_last() -> None:
    assert following(stamped(1, 2), page_size=3) is None


@pytest.mark.parametrize(
    "cursor", ["2:1@", "1:x", "0:0@", "7", "0:1@yesterday", "", "0:1' OR '1'='1@"]
)
def test_the_cursor_of_another_system_is_refused(cursor: str) -> None:
    with pytest.raises(ConfigError):
        next(quickbooks().page(Settlement, CHANGED, cursor))


@pytest.mark.parametrize(
    ("select", "where"),
    [
        (Everything(), ""),
        (Dated(date(2026, 1, 1), date(2026, 1, 31)), " WHERE TxnDate >= '2026-01-01' AND TxnDate <= '2026-01-31'"),
        (Open(), " WHERE Balance > '0.0'"),
        (Open(date(2026, 1, 31)), " WHERE Balance > '0.0' AND TxnDate <= '2026-01-31'"),
    ],
)  # fmt: skip
def test_what_is_selected(select: Any, where: str) -> None:
    asked, _ = drive(quickbooks().page(Settlement, select), answer("Invoice"))
    assert query(asked[0]).startswith(f"SELECT * FROM Invoice{where} ORDERBY")


@pytest.mark.parametrize(
    ("kind", "select"),
    [
        (Settlement, Unposted(date(2026, 1, 1))),
        (Customer, Dated(date(2026, 1, 1), date(2026, 1, 1))),
        (CreditNote, Open()),
        (Posting, CHANGED),
    ],
)
def test_what_cannot_be_selected_is_refused(kind: Any, select: Any) -> None:
    with pytest.raises(Fault) as caught:
        next(quickbooks().page(kind, select))
    assert caught.value.code is Code.NOT_ALLOWED


# Searches ---------------------------------------------------------------------------


def test_numbers_are_found_exactly() -> None:
    """QuickBooks may compare without case; what was not asked for is dropped."""
    asked, page = drive(
        quickbooks().fetch(Invoice, numbers=["a-1", "O'Hara"]),
        answer("Invoice", bill(DocNumber="A-1"), bill("11", DocNumber="O'Hara")),
    )
    assert "WHERE DocNumber IN ('a-1', 'O\\'Hara') STARTPOSITION" in query(asked[0])
    assert [each.number for each in page.records] == ["O'Hara"]


@pytest.mark.parametrize(
    "number", ['5"', "50%", "a<b", "Zoë", "Fleur\u2019t", "a>b", "café'"]
)
def test_odd_numbers_are_asked_for_alone(number: str) -> None:
    """Its reader has refused some of them: that spoils nothing but itself."""
    asked, page = drive(
        quickbooks().fetch(Invoice, numbers=[number, "1001"]),
        answer("Invoice", bill()),
        refusal(fault("4000", "QueryParserError: Lexical error at line 1")),
    )
    assert "IN ('1001')" in query(asked[0])
    escaped = number.replace("'", "\\'")
    assert f"IN ('{escaped}')" in query(asked[1])
    assert [each.number for each in page.records] == ["1001"]
    (found,) = page.issues
    assert (found.code, found.numbers) == (Code.NOT_ALLOWED, (number,))


@pytest.mark.parametrize("number", ["a\\", "a\\' OR Id > '0", "a\x00b", "a\tb"])
def test_what_cannot_be_escaped_for_certain_is_never_asked(number: str) -> None:
    asked, page = drive(quickbooks().fetch(Settlement, numbers=[number]))
    assert asked == []
    (found,) = page.issues
    assert (found.code, found.numbers) == (Code.NOT_ALLOWED, (number,))


def test_a_quote_and_an_operator_stay_a_text() -> None:
    assert queries.literal("x' OR '1'='1") == "'x\\' OR \\'1\\'=\\'1'"
    assert re.fullmatch(queries.PLAIN, queries.literal("a,b (c) 'd'"))


def test_customers_are_found_by_their_name() -> None:
    asked, page = drive(
        quickbooks().fetch(Customer, numbers=["Ada"]),
        answer("Customer", ada(), ada("6", DisplayName="ADA")),
    )
    assert "WHERE Active IN (true, false) AND DisplayName IN ('Ada')" in query(asked[0])
    assert [each.ref.id for each in page.records] == ["5"]


def test_payments_have_no_number() -> None:
    with pytest.raises(Fault) as caught:
        next(quickbooks().fetch(Payment, numbers=["1"]))
    assert caught.value.code is Code.NOT_ALLOWED


def test_ids_go_many_at_once_and_only_if_they_are_ids() -> None:
    """Two requests of at most two; what is no id exists nowhere."""
    asked, page = drive(
        quickbooks(fetch_size=2).fetch(Invoice, ids=["10", "x", "11", "12", "10"]),
        answer("Invoice", bill("10"), bill("11")),
        answer("Invoice"),
    )
    assert "Id IN ('10', '11')" in query(asked[0])
    assert "Id IN ('12')" in query(asked[1])
    assert [each.ref.id for each in page.records] == ["10", "11"]


def test_a_long_query_is_posted() -> None:
    """Addresses have a limit; a posted query changes nothing."""
    ids = [str(100_000 + each) for each in range(200)]
    asked, _ = drive(quickbooks().fetch(Invoice, ids=ids), answer("Invoice"))
    (request,) = asked
    assert (request.method, request.url, request.effect) == ("POST", "query", False)
    assert request.header("Content-Type") == "application/text"
    assert params(request) == {"minorversion": "75"}
    assert (request.content or b"").startswith(
        b"SELECT * FROM Invoice WHERE Id IN ('100000', "
    )
    short, _ = drive(quickbooks().fetch(Invoice, ids=ids[:9]), answer("Invoice"))
    assert (short[0].method, short[0].content) == ("GET", None)


def test_a_search_of_more_than_a_page_goes_on() -> None:
    """Numbers may repeat: a full page is followed by another."""
    rows = [bill(str(each)) for each in range(1000)]
    asked, page = drive(
        quickbooks().fetch(Invoice, numbers=["1001"]),
        answer("Invoice", *rows),
        answer("Invoice", bill("5000")),
    )
    assert "STARTPOSITION 951 MAXRESULTS 1000" in query(asked[1])
    assert len(page.records) == 1001


# How it is --------------------------------------------------------------------------


PREFERENCES = {
    "Preferences": {
        "AccountingInfoPrefs": {"BookCloseDate": "2025-12-31"},
        "CurrencyPrefs": {
            "HomeCurrency": {"value": "USD"},
            "MultiCurrencyEnabled": False,
        },
        "SalesFormsPrefs": {"CustomTxnNumbers": True, "AutoApplyCredit": False},
    },
    "time": TIME,
}
COMPANY = ok({"CompanyInfo": {"Id": "1", "CompanyName": "Acme"}, "time": TIME})
COUNTS = [ok({"QueryResponse": {"totalCount": 3}, "time": TIME})] * 4
MARKED = [answer("Payment"), answer("Customer")]


def test_a_check_tells_the_books() -> None:
    asked, health = drive(
        quickbooks(zone="America/New_York").check(),
        COMPANY,
        ok(PREFERENCES),
        *COUNTS,
        *MARKED,
    )
    assert [each.url for each in asked] == [
        "companyinfo/1234",
        "preferences",
        *["query"] * 6,
    ]
    assert all(params(each)["minorversion"] == "75" for each in asked)
    assert query(asked[2]) == "SELECT count(*) FROM Invoice"
    assert health.ok
    assert health.notes == ()
    books = health.books
    assert books is not None
    assert (books.identity, books.name, books.currency) == ("1234", "Acme", "USD")
    assert (books.zone, books.locked_through) == (
        "America/New_York",
        date(2025, 12, 31),
    )


@pytest.mark.parametrize(
    "prefs",
    [
        {"SalesFormsPrefs": {"CustomTxnNumbers": False, "AutoApplyCredit": True}},
        {"OtherPrefs": {"NameValue": [{"Name": "SalesFormsPrefs.AutoApplyCredit", "Value": "true"}, {"Name": "SalesFormsPrefs.CustomTxnNumbers", "Value": "false"}]}},
    ],
)  # fmt: skip
def test_a_check_warns_of_preferences(prefs: dict[str, Any]) -> None:
    """Wherever they stand; credits that apply themselves race with ours."""
    _, health = drive(
        quickbooks().check(), COMPANY, ok({"Preferences": prefs}), *COUNTS, *MARKED
    )
    assert health.ok
    assert [text for text in health.notes if "applies credits by itself" in text]
    assert [text for text in health.notes if "Custom transaction numbers" in text]


def test_a_check_tells_which_marks_cannot_be_searched() -> None:
    """Then a lost answer would be parked each time: another field helps, or none."""
    refused = refusal(fault("4001", "'PrintOnCheckName' is not queryable"))
    replies = (COMPANY, ok(PREFERENCES), *COUNTS, answer("Payment"), refused)
    asked, health = drive(quickbooks().check(), *replies)
    assert "PaymentRefNum IN ('TO-NONE')" in query(asked[6])
    assert "PrintOnCheckName LIKE '%TO-NONE%'" in query(asked[7])
    assert health.ok
    (note,) = health.notes
    assert note.startswith("The mark of a Customer cannot be searched, see marks:")
    bare = quickbooks(marks={"Payment": "", "Customer": ""}).check()
    assert drive(bare, COMPANY, ok(PREFERENCES), *COUNTS)[1].notes == ()


def test_a_check_that_breaks_off_says_so() -> None:
    _, health = drive(
        quickbooks().check(),
        COMPANY,
        ok(PREFERENCES),
        *COUNTS,
        Response(503, {}, b""),
    )
    assert (health.reachable, health.code) == (False, Code.SERVER_ERROR)


def test_the_zone_is_given_or_told_or_unknown() -> None:
    """What is no zone is not one; what is given counts."""
    for told, given, zone in (
        ("America/Los_Angeles", "", "America/Los_Angeles"),
        ("America/Los_Angeles", "Europe/Berlin", "Europe/Berlin"),
        ("Pacific Standard Time", "", None),
        ("../etc/passwd", "", None),
    ):
        company = ok({"CompanyInfo": {"CompanyName": "A", "DefaultTimeZone": told}})
        replies = (company, ok(PREFERENCES), *COUNTS, *MARKED)
        _, health = drive(quickbooks(zone=given).check(), *replies)
        assert health.books is not None
        assert health.books.zone == zone


def test_a_check_names_what_is_not_permitted() -> None:
    denied = refusal(
        fault("120", "You do not have access", message="AuthorizationFailure"), 403
    )
    _, health = drive(
        quickbooks().check(), COMPANY, ok(PREFERENCES), denied, *COUNTS[1:]
    )
    assert health.signed_in
    assert not health.ok
    assert health.missing[0].startswith("Invoice: ")


def test_a_check_tells_why_nobody_is_signed_in() -> None:
    wrong = refusal(
        gateway("3100", "message=ApplicationAuthorizationFailed; errorCode=003100"), 403
    )
    _, health = drive(quickbooks().check(), wrong)
    assert (health.reachable, health.signed_in) == (True, False)
    assert health.code is Code.SIGN_IN_REFUSED
    assert "sandbox" in health.notes[0]


def test_links_for_people() -> None:
    system = quickbooks()
    assert (
        system.deep_link(ref("Invoice", "10"))
        == "https://app.qbo.intuit.com/app/invoice?txnId=10&companyId=1234"
    )
    assert "recvpayment?txnId=30&" in system.deep_link(ref("Application", "30/10/31"))
    assert system.deep_link(ref("Posting", "1")) == ""
    assert (
        quickbooks(sandbox=True)
        .deep_link(ref("Customer", "5"))
        .startswith("https://app.sandbox.qbo.intuit.com/app/customerdetail?nameId=5")
    )


def test_secrets_stay_out_of_sight() -> None:
    system = quickbooks()
    shown = f"{system!r} {system.auth!r} {system.capabilities!r} {vars(system)!r}"
    assert "hush-hush" not in shown
    assert "refresh-0" not in shown


def test_signing_in_is_oauth_with_a_token_that_rotates() -> None:
    """Basic client authentication; Intuit tells more than is needed of the new token."""
    auth = quickbooks().auth
    grant = auth.first()
    assert grant.base_url == "https://quickbooks.api.intuit.com/v3/company/1234"
    assert grant.hosts == ("https://oauth.platform.intuit.com",)
    reply = {
        "token_type": "bearer", "expires_in": 3600, "refresh_token": "refresh-1",
        "x_refresh_token_expires_in": 8726400, "access_token": "access-1",
    }  # fmt: skip
    now = datetime(2026, 3, 20, tzinfo=UTC)
    asked, renewed = drive(auth.renew(grant, now), ok(reply))
    assert asked[0].header("Authorization") == "Basic Y2xpZW50Omh1c2gtaHVzaA=="
    assert asked[0].content == b"grant_type=refresh_token&refresh_token=refresh-0"
    assert renewed.values == {"access_token": "access-1", "refresh_token": "refresh-1"}
    assert renewed.expires_at == now + timedelta(minutes=59)
    signed = auth.sign(Request("GET", "query"), renewed)
    assert signed.header("Authorization") == "Bearer access-1"
    assert signed.header("Accept") == "application/json"


def test_a_grant_that_is_lost_needs_a_person() -> None:
    auth = quickbooks().auth
    grant = Grant("https://x", {"refresh_token": "old"})
    flow = auth.renew(grant, datetime(2026, 3, 20, tzinfo=UTC))
    next(flow)
    with pytest.raises(Fault) as caught:
        flow.send(refusal({"error": "invalid_grant"}))
    assert caught.value.code is Code.RECONNECT_NEEDED


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"realm_id": "12/34"}, "realm_id"),
        ({"page_size": 1001}, "page_size"),
        ({"fetch_size": 1000}, "fetch_size"),
        ({"batch_size": 0}, "batch_size"),
        ({"feed_rows": 1001}, "feed_rows"),
        ({"zone": "Mars/Base"}, "zone"),
    ],
)
def test_arguments_that_cannot_be_are_refused(
    options: dict[str, Any], word: str
) -> None:
    with pytest.raises(ConfigError, match=word):
        quickbooks(**options)


def test_capabilities_are_what_the_arguments_make_of_them() -> None:
    able = quickbooks().capabilities
    assert able == quickbooks().capabilities
    assert {kind.__name__ for kind in able.kinds} == {
        "Customer", "Invoice", "CreditNote", "Payment", "Application", "Settlement",
    }  # fmt: skip
    assert not able.kind(CreditNote).can(Verb.VOID)
    assert (
        quickbooks(delete_credit_memos=True)
        .capabilities.kind(CreditNote)
        .can(Verb.VOID)
    )
    assert able.kind(Settlement).verbs == {Verb.READ}
    assert able.kind(Settlement).mark is None
    mark = able.kind(Invoice).mark
    assert mark is not None
    assert (mark.field, mark.is_number, mark.length) == ("DocNumber", True, 21)
    assert quickbooks(marks={"Payment": ""}).capabilities.kind(Payment).mark is None
    # At most: the feed, two lists to their ends, and payments in lists of 200.
    assert [able.read_calls(Settlement, n) for n in (0, 1, 200, 474, 1000)] == [
        3,
        4,
        4,
        6,
        11,
    ]
    assert able.fetch_calls(Settlement, 1000) == 10
    assert able.write_calls(Invoice, 1000) == 34


def test_a_new_one_with_a_sandbox_is_elsewhere() -> None:
    first = quickbooks(sandbox=True).auth.first()
    assert first.base_url == "https://sandbox-quickbooks.api.intuit.com/v3/company/1234"
    assert quickbooks(base_url="https://x/v3/").auth.first().base_url == "https://x/v3"


def test_throttling_is_waited_for_a_minute() -> None:
    """No answer names a pause; the vendor's pages do."""
    verdict = quickbooks().judge(
        refusal(
            gateway(
                "3001",
                "message=ThrottleExceeded; errorCode=003001; statusCode=429",
                "SERVICE",
            ),
            429,
        )
    )
    assert (verdict.answer, verdict.code, verdict.wait) == (
        Answer.WAIT,
        Code.TOO_MANY_REQUESTS,
        60,
    )
    told = Response(429, {"Retry-After": "7"}, b"")
    assert quickbooks().judge(told).wait == 7
