"""QuickBooks Online is written to: each write's exact request, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from quickbooks_rows import (
    CONNECTION,
    MARK,
    ada,
    answer,
    bill,
    credit_link,
    drive,
    fault,
    gateway,
    gone,
    memo,
    ok,
    params,
    part,
    payment,
    query,
    quickbooks,
    ref,
    refusal,
    sale,
)

from tieout.change import Action, Change, State
from tieout.errors import Code, Fate, Fault
from tieout.evidence import believed, carries
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    Record,
    Ref,
    Status,
)
from tieout.wire import Answer, Request, Response

D = Decimal
KEY = "k" * 36
ADA = ref("Customer", "5")


def change(
    action: Action = Action.CREATE,
    *,
    before: Record | None = None,
    after: Record | None = None,
    name: str = "c-1",
    **more: Any,
) -> Change:
    """A change as a planner makes it, with the journal's key."""
    told = after or before
    kind: Any = type(told)
    numbered = {Invoice, CreditNote}
    number = getattr(told, "number", "")
    held = {
        "target": before.ref if before else None,
        "number": number,
        "mark": number if kind in numbered else MARK,
        "key": KEY,
        **more,
    }
    source = Ref("psa:1", kind.__name__, "s-1")
    return Change(
        name, action, kind, CONNECTION, source, before=before, after=after, **held
    )


def invoice(**fields: Any) -> Invoice:
    held: dict[str, Any] = {
        "ref": ref("Invoice", ""),
        "number": "1001",
        "customer": ADA,
        "currency": "USD",
        "on": date(2026, 3, 1),
        "total": D("300.00"),
        "status": Status.OPEN,
        "due": date(2026, 3, 31),
        "reference": "PO 7",
        "lines": (Line("Hours", D("300.00"), quantity=D(3), unit_price=D(100)),),
    }
    return Invoice(**{**held, **fields})


def credit_note(**fields: Any) -> CreditNote:
    held = {"number": "CM-1", "total": D(40), "lines": (Line("Hours", D(40)),)}
    base = invoice(**held)
    return CreditNote(
        ref("CreditNote", ""), base.number, ADA, "USD", base.on, base.total,
        Status.OPEN, lines=base.lines, **fields,
    )  # fmt: skip


def put(amount: int = 100, target: str = "10", **fields: Any) -> Application:
    held = {"source": ref("Payment", ""), "how": Part.CASH, **fields}
    return Application(
        ref("Application", ""), held.pop("source"), ref("Invoice", target), D(amount),
        held.pop("currency", "USD"), date(2026, 3, 5), **held,
    )  # fmt: skip


def receipt(**fields: Any) -> Payment:
    held = {
        "ref": ref("Payment", ""),
        "customer": ADA,
        "currency": "USD",
        "on": date(2026, 3, 5),
        "amount": D(100),
        "status": Status.SETTLED,
        "reference": "CH 1",
        "applications": (put(),),
    }
    return Payment(**{**held, **fields})


def applied(**fields: Any) -> Application:
    held = {"source": ref("CreditNote", "31"), "how": Part.CREDIT, **fields}
    return put(40, **held)


def shown(kind: Any, entity: str, row: dict[str, Any], **options: Any) -> Any:
    """The record of a row, as it was read before a change."""
    identity = row["Id"] if kind is not Application else f"{row['Id']}/10/31"
    flow = quickbooks(**options).fetch(kind, ids=[identity])
    return drive(flow, answer(entity, row))[1].records[0]


def write(*changes: Change, replies: tuple[Response, ...] = (), **options: Any) -> Any:
    return drive(quickbooks(**options).write(changes), *replies)


def sent(wanted: Change, reply: Response, **options: Any) -> tuple[Request, Any]:
    """The one request of one change, and its outcome."""
    asked, (outcome,) = write(wanted, replies=(reply,), **options)
    (request,) = asked
    assert request.effect
    assert request.method == "POST"
    return request, outcome


def refused(wanted: Change, **options: Any) -> Any:
    """A change that is refused without a request."""
    asked, (outcome,) = write(wanted, **options)
    assert asked == []
    assert outcome.state is State.REJECTED
    return outcome


# Creating ---------------------------------------------------------------------------


def test_an_invoice_is_created_with_our_number() -> None:
    """Exact amounts, plain days, ids for references; the key goes with it."""
    wanted = change(after=invoice())
    request, outcome = sent(wanted, ok({"Invoice": bill(PrivateNote="PO 7")}))
    assert request.url == "invoice"
    assert params(request) == {"requestid": KEY, "minorversion": "75"}
    assert request.json == {
        "DocNumber": "1001",
        "PrivateNote": "PO 7",
        "CustomerRef": {"value": "5"},
        "TxnDate": "2026-03-01",
        "DueDate": "2026-03-31",
        "CurrencyRef": {"value": "USD"},
        "Line": [
            {
                "Description": "Hours",
                "Amount": D("300.00"),
                "DetailType": "SalesItemLineDetail",
                "SalesItemLineDetail": {
                    "ItemRef": {"value": "7"},
                    "Qty": D(3),
                    "UnitPrice": D(100),
                },
            }
        ],
    }
    assert b'"Amount":300.00' in request.body()
    assert outcome.state is State.APPLIED
    assert (outcome.ref, outcome.version) == (ref("Invoice", "10"), "0")
    assert carries(outcome.echo, "1001")
    assert believed(wanted, outcome) == outcome


def test_a_total_that_quickbooks_computed_otherwise_is_told() -> None:
    wanted = change(after=invoice())
    _, outcome = sent(wanted, ok({"Invoice": bill(TotalAmt=321.00)}))
    found = believed(wanted, outcome)
    assert (found.state, found.notes) == (State.APPLIED, (Code.TOTAL_DIFFERS,))


def test_lines_carry_what_they_name_and_else_the_defaults() -> None:
    """A product that is not the amount is left out: QuickBooks would refuse it."""
    lines = (
        Line("a", D(50), quantity=D(3), unit_price=D("16.67"), item="8", tax_code="TAX", dimensions={"class": "3"}, account="45"),
        Line("b", D(200), account="46", dimensions={"location": "9"}),
        Line("", D(-10), dimensions={"location": "9"}),
    )  # fmt: skip
    options = {
        "items": {"46": "12"}, "tax_code": "NON", "tax_mode": "TaxExcluded", "class_id": "1", "location": "9",
    }  # fmt: skip
    wanted = change(after=invoice(lines=lines, total=D(264), due=None, reference=""))
    request, _ = sent(wanted, ok({"Invoice": bill()}), **options)
    body = request.json
    details = [each["SalesItemLineDetail"] for each in body["Line"]]
    assert [each["ItemRef"]["value"] for each in details] == ["8", "12", "7"]
    assert [each["TaxCodeRef"]["value"] for each in details] == ["TAX", "NON", "NON"]
    assert [each["ClassRef"]["value"] for each in details] == ["3", "1", "1"]
    assert "Qty" not in details[0]
    assert "Description" not in body["Line"][2]
    assert body["DepartmentRef"] == {"value": "9"}
    assert body["TxnTaxDetail"] == {"TotalTax": D(24)}
    assert body["GlobalTaxCalculation"] == "TaxExcluded"
    assert not {"DueDate", "PrivateNote"} & {*body}


def test_without_lines_the_whole_is_one() -> None:
    request, _ = sent(change(after=invoice(lines=())), ok({"Invoice": bill()}))
    (line,) = request.json["Line"]
    assert (line["Amount"], line["Description"]) == (D("300.00"), "1001")


@pytest.mark.parametrize(
    ("after", "options", "words"),
    [
        (invoice(number=""), {}, "needs a number"),
        (invoice(number="n" * 22), {}, "more than 21"),
        (invoice(number="a\\b"), {}, "a query cannot"),
        (invoice(customer=None), {}, "no customer"),
        (invoice(), {"item": ""}, "set item"),
        (invoice(lines=(Line("a", D(300), account="9"),)), {}, "account 9"),
        (invoice(lines=(Line("a", D(300), dimensions={"project": "9"}),)), {}, "project"),
        (invoice(lines=(Line("a", D(100), dimensions={"location": "1"}), Line("b", D(200)))), {}, "one location"),
        (receipt(reference="r" * 22), {"marks": {"Payment": ""}}, "more than 21"),
        (receipt(customer=None), {}, "no customer"),
        (receipt(applications=(put(currency="EUR"),)), {}, "of its currency"),
        (receipt(applications=(put(how=Part.CREDIT),)), {}, "apply credits apart"),
        (put(source=ref("Payment", "20")), {}, "by an update of the payment"),
    ],
)  # fmt: skip
def test_what_quickbooks_has_no_place_for_is_refused(
    after: Any, options: dict[str, Any], words: str
) -> None:
    outcome = refused(change(after=after), **options)
    assert words in outcome.text


def test_a_credit_memo_is_created_like_an_invoice() -> None:
    request, outcome = sent(change(after=credit_note()), ok({"CreditMemo": memo()}))
    assert request.url == "creditmemo"
    assert request.json["DocNumber"] == "CM-1"
    assert "DueDate" not in request.json
    assert outcome.ref == ref("CreditNote", "31")


def test_a_payment_carries_the_mark_as_its_reference() -> None:
    """The other side's own reference goes into the note."""
    wanted = change(
        after=receipt(applications=(put(60), put(40, "11"), put(5, "12", live=False)))
    )
    row = payment(
        PaymentRefNum=MARK, Line=[part(60, "Invoice", "10"), part(40, "Invoice", "11")]
    )
    request, outcome = sent(wanted, ok({"Payment": row}), deposit_account="35")
    assert request.url == "payment"
    assert request.json == {
        "CustomerRef": {"value": "5"},
        "TotalAmt": D(100),
        "TxnDate": "2026-03-05",
        "CurrencyRef": {"value": "USD"},
        "PaymentRefNum": MARK,
        "PrivateNote": "CH 1",
        "DepositToAccountRef": {"value": "35"},
        "Line": [
            {"Amount": D(60), "LinkedTxn": [{"TxnId": "10", "TxnType": "Invoice"}]},
            {"Amount": D(40), "LinkedTxn": [{"TxnId": "11", "TxnType": "Invoice"}]},
        ],
    }
    assert carries(outcome.echo, MARK)
    assert believed(wanted, outcome) == outcome


def test_a_payment_may_be_for_nothing_yet() -> None:
    request, _ = sent(
        change(after=receipt(applications=(), account="36")),
        ok({"Payment": payment(Line=[], UnappliedAmt=100)}),
    )
    assert "Line" not in request.json
    assert request.json["DepositToAccountRef"] == {"value": "36"}


def test_the_mark_can_go_elsewhere_or_nowhere() -> None:
    note = change(after=receipt())
    request, _ = sent(
        note, ok({"Payment": payment()}), marks={"Payment": "PrivateNote"}
    )
    assert (request.json["PaymentRefNum"], request.json["PrivateNote"]) == (
        "CH 1",
        f"CH 1 {MARK}",
    )
    bare = change(after=receipt(), mark="")
    request, _ = sent(bare, ok({"Payment": payment()}), marks={"Payment": ""})
    assert request.json["PaymentRefNum"] == "CH 1"
    assert "PrivateNote" not in request.json


def test_a_customer_carries_the_mark_where_no_customer_sees_it() -> None:
    """Behind the name that checks are written to."""
    named = "A" * 120
    wanted = change(
        after=Customer(
            ref("Customer", ""), named, email="a@b.example", parent=ref("Customer", "4")
        )
    )
    row = ada(DisplayName=named, PrintOnCheckName=f"{'A' * 93} {MARK}")
    request, outcome = sent(wanted, ok({"Customer": row}))
    assert request.json == {
        "DisplayName": named,
        "PrimaryEmailAddr": {"Address": "a@b.example"},
        "ParentRef": {"value": "4"},
        "Job": True,
        "PrintOnCheckName": f"{'A' * 93} {MARK}",
    }
    assert len(request.json["PrintOnCheckName"]) == 110
    assert carries(outcome.echo, MARK)
    assert believed(wanted, outcome) == outcome


def test_a_credit_is_applied_by_a_payment_of_nothing() -> None:
    """Its customer is the invoice's, which is read first."""
    wanted = change(after=applied())
    asked, (outcome,) = write(
        wanted,
        replies=(
            answer("Invoice", bill(CustomerRef={"value": "6"})),
            ok({"Payment": credit_link(PaymentRefNum=MARK)}),
        ),
    )
    assert "FROM Invoice WHERE Id IN ('10')" in query(asked[0])
    assert not asked[0].effect
    assert asked[1].json == {
        "CustomerRef": {"value": "6"},
        "TotalAmt": D(0),
        "TxnDate": "2026-03-05",
        "CurrencyRef": {"value": "USD"},
        "PaymentRefNum": MARK,
        "Line": [
            {"Amount": D(40), "LinkedTxn": [{"TxnId": "10", "TxnType": "Invoice"}]},
            {"Amount": D(40), "LinkedTxn": [{"TxnId": "31", "TxnType": "CreditMemo"}]},
        ],
    }
    assert outcome.ref == ref("Application", "30/10/31")
    assert carries(outcome.echo, MARK)
    assert believed(wanted, outcome) == outcome


def test_a_credit_for_an_invoice_that_is_gone_is_not_sent() -> None:
    asked, (outcome,) = write(change(after=applied()), replies=(answer("Invoice"),))
    assert len(asked) == 1
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.VANISHED)


def test_a_credit_in_another_currency_than_the_invoice_is_not_sent() -> None:
    """SB23: the amount would be taken for one in the invoice's."""
    euros = bill(CurrencyRef={"value": "EUR"})
    asked, (outcome,) = write(
        change(after=applied()), replies=(answer("Invoice", euros),)
    )
    assert len(asked) == 1
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.CURRENCY_DIFFERS)


# Changing ---------------------------------------------------------------------------


def test_an_update_sends_what_differs_and_the_version() -> None:
    """Sparse: what is not named stays as it is, lines that our words cannot hold too."""
    odd = [
        {
            "Id": "2",
            "Amount": 300,
            "DetailType": "GroupLineDetail",
            "GroupLineDetail": {"Line": [sale(300, ItemRef=None)]},
        }
    ]
    before = shown(Invoice, "Invoice", bill(SyncToken="4", Line=odd))
    after = evolve(before, due=date(2026, 4, 30), number="1002")
    wanted = change(Action.UPDATE, before=before, after=after)
    request, outcome = sent(wanted, ok({"Invoice": bill(SyncToken="5")}), item="")
    assert params(request) == {"requestid": KEY, "minorversion": "75"}
    assert request.json == {
        "Id": "10",
        "SyncToken": "4",
        "sparse": True,
        "DocNumber": "1002",
        "DueDate": "2026-04-30",
    }
    assert (outcome.state, outcome.version) == (State.APPLIED, "5")


def test_lines_are_replaced_as_a_whole() -> None:
    """With their ids where they have some; the currency is never sent again."""
    before = shown(Invoice, "Invoice", bill(SyncToken="4"))
    after = evolve(before, total=D(350), lines=(*before.lines, Line("More", D(50))))
    request, _ = sent(
        change(Action.UPDATE, before=before, after=after), ok({"Invoice": bill()})
    )
    assert [line.get("Id") for line in request.json["Line"]] == ["1", None]
    assert {*request.json} == {"Id", "SyncToken", "sparse", "Line"}


def test_a_payment_is_changed_with_all_that_it_is_put_to() -> None:
    before = shown(Payment, "Payment", payment(SyncToken="2", PaymentRefNum=MARK))
    after = evolve(
        before,
        amount=D(150),
        reference="another",
        applications=(*before.applications, put(50, "11")),
    )
    request, _ = sent(
        change(Action.UPDATE, before=before, after=after), ok({"Payment": payment()})
    )
    assert request.json == {
        "Id": "20",
        "SyncToken": "2",
        "sparse": True,
        "TotalAmt": D(150),
        "Line": [part(D(100), "Invoice", "10"), part(D(50), "Invoice", "11")],
    }


def test_credits_in_a_payment_are_not_lost_by_an_update() -> None:
    """Its lines would be replaced by those that we know of."""
    mixed = payment(
        TotalAmt=60, Line=[part(100, "Invoice", "10"), part(40, "CreditMemo", "31")]
    )
    before = shown(Payment, "Payment", mixed)
    moved = evolve(before, on=date(2026, 3, 6))
    request, _ = sent(
        change(Action.UPDATE, before=before, after=moved), ok({"Payment": mixed})
    )
    assert request.json["TxnDate"] == "2026-03-06"
    fewer = evolve(before, applications=())
    outcome = refused(change(Action.UPDATE, before=before, after=fewer))
    assert outcome.code is Code.NOT_ALLOWED


def test_a_customer_is_changed_sparsely() -> None:
    before = shown(Customer, "Customer", ada(SyncToken="1"))
    after = evolve(before, name="Ada Ltd", email="")
    request, _ = sent(
        change(Action.UPDATE, before=before, after=after), ok({"Customer": ada()})
    )
    assert request.json == {
        "Id": "5",
        "SyncToken": "1",
        "sparse": True,
        "DisplayName": "Ada Ltd",
        "PrimaryEmailAddr": {"Address": ""},
    }


def test_without_a_version_nothing_is_overwritten() -> None:
    before = invoice(ref=ref("Invoice", "10"))
    after = evolve(before, due=None)
    asked, (outcome,) = write(change(Action.UPDATE, before=before, after=after))
    assert asked == []
    assert (outcome.state, outcome.code) == (State.NOT_SENT, Code.STALE_VERSION)


# Taking back ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "url", "extra", "body"),
    [
        (shown(Invoice, "Invoice", bill(SyncToken="3")), "invoice", {"operation": "void"}, {"Id": "10", "SyncToken": "3"}),
        (shown(Payment, "Payment", payment(SyncToken="3")), "payment", {"operation": "update", "include": "void"}, {"Id": "20", "SyncToken": "3", "sparse": True}),
        (shown(Application, "Payment", credit_link(SyncToken="3")), "payment", {"operation": "update", "include": "void"}, {"Id": "30", "SyncToken": "3", "sparse": True}),
        (shown(Customer, "Customer", ada(SyncToken="3")), "customer", {}, {"Id": "5", "SyncToken": "3", "sparse": True, "Active": False}),
        (shown(CreditNote, "CreditMemo", memo(SyncToken="3")), "creditmemo", {"operation": "delete"}, {"Id": "31", "SyncToken": "3"}),
    ],
    ids=["invoice", "payment", "application", "customer", "credit memo"],
)  # fmt: skip
def test_how_a_record_is_taken_back(
    before: Any, url: str, extra: dict[str, str], body: Mapping[str, Any]
) -> None:
    """Only what the request says; a memo that is deleted is shown as no document."""
    entity = {"creditmemo": "CreditMemo"}.get(url, url.capitalize())
    row = gone("31") if url == "creditmemo" else {"Id": "1", "SyncToken": "4"}
    request, outcome = sent(
        change(Action.VOID, before=before), ok({entity: row}), delete_credit_memos=True
    )
    assert request.url == url
    assert params(request) == {**extra, "requestid": KEY, "minorversion": "75"}
    assert request.json == body
    assert outcome.state is State.APPLIED
    assert outcome.ref == before.ref


def test_a_credit_memo_is_not_deleted_unasked() -> None:
    before = shown(CreditNote, "CreditMemo", memo())
    assert refused(change(Action.VOID, before=before)).code is Code.NOT_ALLOWED


def test_an_application_that_shares_its_payment_is_left_to_a_person() -> None:
    """Voiding it would take back the rest as well; one of cash belongs to its payment."""
    lines = [
        part(60, "Invoice", "10"),
        part(20, "Invoice", "11"),
        part(80, "CreditMemo", "31"),
    ]
    shared = shown(Application, "Payment", credit_link(Line=lines))
    assert "holds more" in refused(change(Action.VOID, before=shared)).text
    _, page = drive(
        quickbooks().fetch(Application, ids=["20/10"]), answer("Payment", payment())
    )
    assert "holds more" in refused(change(Action.VOID, before=page.records[0])).text


# Batches ----------------------------------------------------------------------------


def pair() -> list[Change]:
    return [
        change(after=invoice(number=number), name=f"c-{number}", key=f"key-{number}")
        for number in ("1001", "1002", "1003")
    ]


def test_several_go_in_one_batch_and_come_back_in_any_order() -> None:
    """Each part is told by its own id, never by its place, and judged by itself."""
    reply = ok(
        {
            "BatchItemResponse": [
                {"bId": "3", "Invoice": bill("12", DocNumber="1003")},
                {"bId": "9", "Invoice": bill("99")},
                {
                    "bId": "2",
                    **fault(
                        "6140",
                        "You must specify a different number.",
                        message="Duplicate Document Number Error",
                    ),
                },
                {"bId": "1", "Invoice": bill("10")},
            ],
            "time": "2026-03-20T05:00:00-07:00",
        }
    )
    asked, outcomes = write(*pair(), replies=(reply,))
    (request,) = asked
    assert (request.method, request.url, request.effect) == ("POST", "batch", True)
    assert len(params(request)["requestid"]) == 36
    assert params(request)["minorversion"] == "75"
    parts = request.json["BatchItemRequest"]
    assert [(each["bId"], each["operation"]) for each in parts] == [
        ("1", "create"),
        ("2", "create"),
        ("3", "create"),
    ]
    assert [each["Invoice"]["DocNumber"] for each in parts] == ["1001", "1002", "1003"]
    told = {each.name: each for each in outcomes}
    assert told["c-1001"].ref == ref("Invoice", "10")
    assert told["c-1003"].ref == ref("Invoice", "12")
    assert (told["c-1002"].state, told["c-1002"].code) == (
        State.REJECTED,
        Code.DUPLICATE_NUMBER,
    )
    assert "link" in told["c-1002"].remedy


def test_of_a_part_that_comes_twice_with_two_answers_nothing_is_certain() -> None:
    """H: it was made and refused; the same answer twice is one."""
    made = {"bId": "1", "Invoice": bill("10")}
    no = {"bId": "1", **fault("6000", "no", message="A business validation error")}
    same = [{"bId": "2", "Invoice": bill("11", DocNumber="1002")}] * 2
    for parts in ([made, no, *same], [no, *same, made]):
        _, outcomes = write(*pair()[:2], replies=(ok({"BatchItemResponse": parts}),))
        told = {each.name: each.state for each in outcomes}
        assert told == {"c-1001": State.UNKNOWN, "c-1002": State.APPLIED}


def test_the_key_of_a_batch_is_the_same_for_the_same_changes() -> None:
    reply = ok({"BatchItemResponse": []})

    def key(*changes: Change) -> str:
        return params(write(*changes, replies=(reply,))[0][0]).get("requestid", "")

    first, second, third = pair()
    assert key(first, second) == key(first, second)
    assert len({key(first, second), key(second, first), key(first, third)}) == 3
    assert key(first, evolve(second, key="")) == ""


def test_a_part_without_an_answer_is_unknown() -> None:
    _, outcomes = write(
        *pair(),
        replies=(
            ok({"BatchItemResponse": [{"bId": "1", "Invoice": bill()}, {"bId": "2"}]}),
        ),
    )
    states = {each.name: each.state for each in outcomes}
    assert states == {
        "c-1001": State.APPLIED,
        "c-1002": State.UNKNOWN,
        "c-1003": State.UNKNOWN,
    }


def test_what_cannot_be_sent_is_left_out_of_a_batch() -> None:
    first, second, third = pair()
    bad = evolve(second, after=invoice(number="1002", customer=None))
    reply = ok(
        {
            "BatchItemResponse": [
                {"bId": "1", "Invoice": bill()},
                {"bId": "2", "Invoice": bill("12", DocNumber="1003")},
            ]
        }
    )
    asked, outcomes = write(first, bad, third, replies=(reply,))
    assert len(asked[0].json["BatchItemRequest"]) == 2
    states = {each.name: each.state for each in outcomes}
    assert states == {
        "c-1001": State.APPLIED,
        "c-1002": State.REJECTED,
        "c-1003": State.APPLIED,
    }
    asked, outcomes = write(bad, evolve(bad, name="c-2"))
    assert asked == []
    assert len(outcomes) == 2


def test_a_batch_is_cut_to_its_size_and_a_rest_of_one_is_no_batch() -> None:
    reply = ok({"BatchItemResponse": []})
    asked, outcomes = write(*pair(), replies=(reply, reply), batch_size=2)
    assert [len(each.json["BatchItemRequest"]) for each in asked] == [2, 1]
    assert len(outcomes) == 3


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (Response(500, {}, b""), State.UNKNOWN),
        (Response(200, {}, b"<html>"), State.UNKNOWN),
        (Response(504, {}, b"{}"), State.UNKNOWN),
        (refusal(gateway("3001", "ThrottleExceeded"), 429), State.NOT_SENT),
        (
            refusal(fault("2020", "Required param missing", element="Line")),
            State.REJECTED,
        ),
        (ok(fault("10000", "An application error has occurred")), State.UNKNOWN),
        (ok(fault("6000", "Business Validation Error")), State.REJECTED),
    ],
)
def test_a_whole_batch_that_fails(reply: Response, state: State) -> None:
    _, outcomes = write(*pair(), replies=(reply,))
    assert [each.state for each in outcomes] == [state] * 3


def test_a_batch_changes_ends_and_deletes() -> None:
    """Customers are made inactive by an update; memos are deleted where that is allowed."""
    customers = [shown(Customer, "Customer", ada(each)) for each in ("5", "6")]
    changes = [change(Action.VOID, before=each, name=each.ref.id) for each in customers]
    reply = ok(
        {
            "BatchItemResponse": [
                {"bId": "2", "Customer": ada("6")},
                {"bId": "1", **fault("610", "Object Not Found")},
            ]
        }
    )
    asked, outcomes = write(*changes, replies=(reply,))
    assert [each["operation"] for each in asked[0].json["BatchItemRequest"]] == [
        "update"
    ] * 2
    told = {each.name: (each.state, each.code) for each in outcomes}
    assert told == {"6": (State.APPLIED, None), "5": (State.REJECTED, Code.VANISHED)}
    memos = [shown(CreditNote, "CreditMemo", memo(each)) for each in ("31", "32")]
    changes = [change(Action.VOID, before=each, name=each.ref.id) for each in memos]
    reply = ok(
        {
            "BatchItemResponse": [
                {"bId": "1", "CreditMemo": gone("31")},
                {"bId": "2", "CreditMemo": gone("32")},
            ]
        }
    )
    asked, outcomes = write(*changes, replies=(reply,), delete_credit_memos=True)
    assert [each["operation"] for each in asked[0].json["BatchItemRequest"]] == [
        "delete"
    ] * 2
    assert {each.state for each in outcomes} == {State.APPLIED}


def test_voids_have_addresses_of_their_own() -> None:
    bills = [shown(Invoice, "Invoice", bill(each)) for each in ("10", "11")]
    changes = [change(Action.VOID, before=each, name=each.ref.id) for each in bills]
    asked, _ = write(
        *changes, replies=(ok({"Invoice": bill()}), ok({"Invoice": bill("11")}))
    )
    assert [each.url for each in asked] == ["invoice", "invoice"]


def test_credits_are_applied_in_one_batch_after_one_look() -> None:
    credit = {"source": ref("CreditNote", "31"), "how": Part.CREDIT}
    changes = [change(after=put(40, at, **credit), name=at) for at in ("10", "11")]
    reply = ok(
        {
            "BatchItemResponse": [
                {"bId": "1", "Payment": credit_link("30")},
                {"bId": "2", "Payment": credit_link("32")},
            ]
        }
    )
    asked, outcomes = write(
        *changes, replies=(answer("Invoice", bill("10"), bill("11")), reply)
    )
    assert "Id IN ('10', '11')" in query(asked[0])
    assert [
        each["Payment"]["TotalAmt"] for each in asked[1].json["BatchItemRequest"]
    ] == [0, 0]
    assert {each.state for each in outcomes} == {State.APPLIED}
    assert quickbooks().capabilities.write_calls(Application, 2) == 2


def test_a_key_that_is_too_long_is_hashed() -> None:
    long = change(after=invoice(), key="x" * 51)
    request, _ = sent(long, ok({"Invoice": bill()}))
    assert len(params(request)["requestid"]) == 36
    request, _ = sent(evolve(long, key=""), ok({"Invoice": bill()}))
    assert "requestid" not in params(request)


# Finding again ----------------------------------------------------------------------


def test_documents_are_found_by_their_number_payments_by_their_reference() -> None:
    asked, page = drive(
        quickbooks().find(
            [change(after=invoice()), change(after=receipt(), name="c-2")]
        ),
        answer("Invoice", bill()),
        answer("Payment", payment(PaymentRefNum=MARK)),
    )
    assert "FROM Invoice WHERE DocNumber IN ('1001')" in query(asked[0])
    assert f"FROM Payment WHERE PaymentRefNum IN ('{MARK}')" in query(asked[1])
    assert [
        carries(each, mark)
        for each, mark in zip(page.records, ("1001", MARK), strict=True)
    ] == [True, True]


def test_applications_and_customers_are_found_by_a_field_of_theirs() -> None:
    customer = Customer(ref("Customer", ""), "Ada")
    asked, page = drive(
        quickbooks().find(
            [change(after=applied()), change(after=customer, name="c-2")]
        ),
        answer("Payment", credit_link(PaymentRefNum=MARK)),
        answer("Customer", ada(PrintOnCheckName=f"Ada {MARK}")),
    )
    assert f"PaymentRefNum IN ('{MARK}')" in query(asked[0])
    assert f"Active IN (true, false) AND PrintOnCheckName LIKE '%{MARK}%' " in query(
        asked[1]
    )
    assert all(carries(each, MARK) for each in page.records)


def test_a_kind_without_a_mark_is_not_looked_for() -> None:
    with pytest.raises(Fault) as caught:
        next(quickbooks(marks={"Payment": ""}).find([change(after=receipt())]))
    assert caught.value.code is Code.NOT_ALLOWED


@pytest.mark.parametrize(
    "after", [receipt(), Customer(ref("Customer", ""), "Ada")], ids=["whole", "in part"]
)
def test_a_field_that_cannot_be_searched_does_not_prove_absence(after: Any) -> None:
    """Parked: neither sent again, nor looked for in vain for ever."""
    flow = quickbooks().find([change(after=after)])
    next(flow)
    with pytest.raises(Fault, match="not queryable") as caught:
        flow.send(refusal(fault("4001", "the property is not queryable")))
    assert caught.value.code is Code.NOT_ALLOWED


def test_other_troubles_of_a_search_are_told() -> None:
    flow = quickbooks().find([change(after=receipt())])
    next(flow)
    with pytest.raises(Fault) as caught:
        flow.send(Response(503, {}, b""))
    assert caught.value.code is Code.SERVER_ERROR


def test_what_was_changed_is_found_by_its_id() -> None:
    before = shown(Application, "Payment", credit_link())
    asked, page = drive(
        quickbooks().find([change(Action.VOID, before=before)]),
        answer("Payment", credit_link()),
    )
    assert "Id IN ('30')" in query(asked[0])
    assert [each.ref.id for each in page.records] == ["30/10/31"]


# Errors -----------------------------------------------------------------------------


GATEWAY = "message={}; errorCode=00{}; statusCode={}"


@pytest.mark.parametrize(
    ("reply", "code", "kind"),
    [
        (refusal(gateway("3200", GATEWAY.format("AuthenticationFailed", "3200", 401)), 401), Code.RECONNECT_NEEDED, Answer.SIGN_IN),
        (refusal(gateway("3200", "AuthenticationFailed"), 400), Code.RECONNECT_NEEDED, Answer.SIGN_IN),
        (refusal(gateway("003100", GATEWAY.format("ApplicationAuthorizationFailed", "3100", 403)), 403), Code.SIGN_IN_REFUSED, Answer.REFUSED),
        (refusal(gateway("", GATEWAY.format("ThrottleExceeded", "3001", 403), "SERVICE"), 403), Code.TOO_MANY_REQUESTS, Answer.WAIT),
        (refusal(fault("120", "You do not have access to this service"), 403), Code.PERMISSION_MISSING, Answer.REFUSED),
        (refusal(fault("6190", "Invalid Company Status"), 400), Code.PERMISSION_MISSING, Answer.REFUSED),
        (refusal(fault("6140", "You must specify a different number")), Code.DUPLICATE_NUMBER, Answer.REFUSED),
        (refusal(fault("6210", "Duplicate Document Number Error : This number has already been used")), Code.DUPLICATE_NUMBER, Answer.REFUSED),
        (refusal(fault("6240", "The name supplied already exists.", message="Duplicate Name Exists Error")), Code.DUPLICATE_NUMBER, Answer.REFUSED),
        (refusal(fault("6210", "The account period has closed")), Code.LOCKED_PERIOD, Answer.REFUSED),
        (refusal(fault("5010", "Account Period Closed")), Code.LOCKED_PERIOD, Answer.REFUSED),
        (refusal(fault("5010", "Stale Object Error : You and Ada were working on this at the same time")), Code.STALE_VERSION, Answer.REFUSED),
        (refusal(fault("610", "Another user has deleted this transaction", message="Object Not Found")), Code.NO_SUCH_RESOURCE, Answer.REFUSED),
        (refusal(fault("610", "Something you're trying to use has been made inactive", message="Object Not Found")), Code.REFUSED, Answer.REFUSED),
        (refusal(fault("2500", "Invalid Reference Id : Names element id 75 not found")), Code.REFUSED, Answer.REFUSED),
        (refusal(fault("620", "TxnID cannot be linked")), Code.REFUSED, Answer.REFUSED),
        (refusal(fault("6000", "Business Validation Error")), Code.REFUSED, Answer.REFUSED),
        (refusal(fault("6540", "Deposited Transaction cannot be changed")), Code.REFUSED, Answer.REFUSED),
        *((refusal(fault(each, "a field", element="Line")), Code.REFUSED, Answer.REFUSED) for each in ("2020", "2170", "2050", "2080", "2210", "6250", "6560")),
        (refusal(fault("4000", "QueryParserError")), Code.UNKNOWN_ERROR, Answer.REFUSED),
        (refusal(fault("4001", "QueryValidationError")), Code.UNKNOWN_ERROR, Answer.REFUSED),
        (ok(fault("4001", "QueryValidationError")), Code.UNKNOWN_ERROR, Answer.REFUSED),
        (refusal(fault("10000", "An application error has occurred"), 400), Code.SERVER_ERROR, Answer.UNCLEAR),
        (ok(fault("12345", "a new one of the system's")), Code.SERVER_ERROR, Answer.UNCLEAR),
        (refusal(fault("500", "Unsupported Operation"), 400), Code.UNKNOWN_ERROR, Answer.REFUSED),
        (ok(fault("7777", "nobody knows")), Code.UNKNOWN_ERROR, Answer.REFUSED),
        (ok({"Fault": {"type": "ValidationFault"}}), Code.UNKNOWN_ERROR, Answer.REFUSED),
        (Response(500, {}, b"{}"), Code.SERVER_ERROR, Answer.UNCLEAR),
        (refusal(fault("6000", "Business Validation Error"), 503), Code.SERVER_ERROR, Answer.UNCLEAR),
        (Response(400, {}, b"<html>Bad"), Code.UNKNOWN_ERROR, Answer.REFUSED),
    ],
)  # fmt: skip
def test_every_fault_of_the_sheet_is_classified(
    reply: Response, code: Code, kind: Answer
) -> None:
    """By text where codes have been printed for each other; what is new is kept."""
    verdict = quickbooks().judge(reply)
    assert (verdict.code, verdict.answer) == (code, kind)


def test_the_words_of_a_fault_are_kept_and_say_what_is_missing() -> None:
    """The record that a mapping names, the field, and the id for Intuit's support."""
    reply = refusal(
        fault(
            "2500",
            "Invalid Reference Id : Klasses element id 75 not found",
            message="Invalid Reference Id",
            element="ClassRef",
        )
    )
    verdict = quickbooks().judge(reply)
    assert verdict.text == (
        "the class of id 75 is missing: Invalid Reference Id : Klasses "
        "element id 75 not found (code 2500, field ClassRef) (intuit_tid 1-abc)"
    )
    assert "mapping" in verdict.remedy


def test_a_good_answer_that_speaks_of_a_fault_is_good() -> None:
    """A part of a batch that failed is judged by itself; a text may say anything."""
    for body in (
        {"BatchItemResponse": [{"bId": "1", **fault("6000")}]},
        {"Invoice": {"PrivateNote": 'the "fault" is ours'}},
    ):
        assert quickbooks().judge(ok(body)).answer is Answer.OK
    assert quickbooks().judge(Response(200, {}, b'{"Fault":')).answer is Answer.OK


@pytest.mark.parametrize(
    ("reply", "state", "code"),
    [
        (
            refusal(fault("5010", "Stale Object Error")),
            State.NOT_SENT,
            Code.STALE_VERSION,
        ),
        (refusal(fault("610", "Object Not Found")), State.REJECTED, Code.VANISHED),
        (
            refusal(fault("6210", "Account Period Closed")),
            State.REJECTED,
            Code.LOCKED_PERIOD,
        ),
        (Response(502, {}, b""), State.UNKNOWN, Code.SERVER_ERROR),
        (ok({"Estimate": {}}), State.UNKNOWN, Code.BAD_PAYLOAD),
    ],
)
def test_what_comes_of_an_update_that_fails(
    reply: Response, state: State, code: Code
) -> None:
    before = shown(Invoice, "Invoice", bill())
    wanted = change(
        Action.UPDATE, before=before, after=evolve(before, due=None, number="9")
    )
    _, outcome = sent(wanted, reply)
    assert (outcome.state, outcome.code) == (state, code)


def test_an_answer_lost_after_an_effect_is_unknown() -> None:
    flow = quickbooks().write([change(after=receipt())])
    next(flow)
    with pytest.raises(StopIteration) as stop:
        flow.throw(Fault(Code.ANSWER_LOST, fate=Fate.UNCLEAR))
    (outcome,) = stop.value.value
    assert outcome.state is State.UNKNOWN
