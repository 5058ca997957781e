"""
Tryton as a ledger: its flows driven by hand with answers shaped like those of real
servers of 8.2 and 7.0 (the keys and nesting are theirs, the values made up).
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from tieout.auth import Grant
from tieout.capabilities import (
    Changed,
    Dated,
    Everything,
    Open,
    Select,
    Unposted,
    Verb,
)
from tieout.change import Action, Change, State
from tieout.connector import Health, Page
from tieout.connectors.tryton import Tryton
from tieout.connectors.tryton.wire import call, decode, encode
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.models import (
    Basis,
    CreditNote,
    Customer,
    Invoice,
    Part,
    Payment,
    R,
    Ref,
    Settlement,
    Status,
)
from tieout.wire import Answer, Flow, Request, Response

T = TypeVar("T")

NOW = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
ON, MIDDLE, LATE = date(2026, 9, 22), date(2026, 10, 2), date(2026, 11, 1)
HEADERS = {"Date": "Sat, 21 Nov 2026 23:23:34 GMT", "Content-Type": "application/json"}


def tryton(**arguments: Any) -> Tryton:
    given = {
        "url": "http://books.example:8000",
        "database": "ledger",
        "user": "connector",
        "password": "a-long-connector-password",
    }
    return Tryton(**{**given, **arguments})


# What Tryton's JSON looks like ------------------------------------------------------


EUROS: dict[str, Any] = {"currency.": {"id": 2, "code": "EUR"}}


def dec(text: str) -> dict[str, Any]:
    return {"__class__": "Decimal", "decimal": text}


def on(day: date) -> dict[str, Any]:
    return {"__class__": "date", "year": day.year, "month": day.month, "day": day.day}


def at(moment: datetime) -> dict[str, Any]:
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime"} | {name: getattr(moment, name) for name in names}


def line(
    number: int,
    amount: str,
    day: date,
    journal: str = "cash",
    *,
    origin: str | None = "account.invoice,1",
    foreign: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A move line; a negative amount is a credit."""
    value = Decimal(amount)
    return {
        "id": number,
        "date": on(day),
        "debit": dec(str(max(value, Decimal(0)))),
        "credit": dec(str(max(-value, Decimal(0)))),
        "amount_second_currency": None if foreign is None else dec(foreign),
        "second_currency": None if foreign is None else 2,
        "move.": {
            "id": number + 100,
            "origin": origin,
            "journal.": {"id": 3, "type": journal},
        },
        **more,
    }


def own(
    number: int = 2,
    amount: str = "100.00",
    *,
    by: Sequence[dict[str, Any]] | None = None,
    delegate: Any = None,
    foreign: str | None = None,
    account: int = 39,
    **more: Any,
) -> dict[str, Any]:
    """A line on the invoice's account; ``by`` are the lines that it is reconciled with."""
    it = line(number, amount, ON, "revenue", foreign=foreign)
    held = None
    if by is not None:
        held = {"id": 7, "delegate_to.": delegate, "lines.": [it, *by]}
    return {
        **{key: value for key, value in it.items() if key != "move."},
        "account": account,
        "reconciliation": 7 if held else None,
        "reconciliation.": held,
        **more,
    }


def linked(it: dict[str, Any], reconciliation: int | None = None) -> dict[str, Any]:
    return {**it, "reconciliation": reconciliation}


def invoice(
    *,
    own_lines: Sequence[dict[str, Any]] | None = None,
    payment_lines: Sequence[dict[str, Any]] = (),
    more_moves: Sequence[dict[str, Any]] = (),
    total: str = "100.00",
    **fields: Any,
) -> dict[str, Any]:
    lines = [own()] if own_lines is None else list(own_lines)
    revenue = {**own(3, str(-Decimal(total))), "account": 99}
    return {
        "id": 1,
        "state": "posted",
        "number": "2026-00001",
        "reference": "R-1",
        "invoice_date": on(ON),
        "party": 2,
        "account": 39,
        "total_amount": dec(total),
        "amount_to_pay": dec("0"),
        "write_date": at(datetime(2026, 11, 21, 23, 24, 34, 739603, tzinfo=UTC)),
        "create_date": at(datetime(2026, 11, 21, 23, 24, 28, tzinfo=UTC)),
        "_timestamp": "1795303474.7396",
        "currency.": {"id": 1, "code": "USD"},
        "company.": {"id": 1, "currency": 1},
        "move.": {"id": 1, "lines.": [*lines, revenue]} if lines else None,
        "additional_moves.": [{"id": 9, "lines.": list(more_moves)}]
        if more_moves
        else [],
        "payment_lines.": list(payment_lines),
        **fields,
    }


def result(value: Any, **headers: str) -> Response:
    body = json.dumps({"id": 1, "result": value}).encode()
    return Response(200, {**HEADERS, **headers}, body)


def error(*words: Any) -> Response:
    return Response(200, HEADERS, json.dumps({"id": 1, "error": words}))


def of(*values: Any) -> tuple[Any, ...]:
    """Values to compare: amounts with whole numbers too."""
    return values


def drive(flow: Flow[T], *answers: Response) -> tuple[T, list[Request]]:
    asked: list[Request] = []
    waiting = list(answers)
    try:
        request = next(flow)
        while True:
            assert isinstance(request, Request)
            asked.append(request)
            request = flow.send(waiting.pop(0))
    except StopIteration as stop:
        assert not waiting
        return stop.value, asked


def page(
    kind: type[R],
    rows: Sequence[Any],
    select: Select | None = None,
    connector: Tryton | None = None,
    cursor: str | None = None,
) -> Page[R]:
    flow = (connector or tryton()).page(kind, select or Everything(), cursor)
    return drive(flow, result(rows))[0]


def level(row: dict[str, Any], **arguments: Any) -> Settlement:
    found = page(Settlement, [row], connector=tryton(**arguments))
    assert not found.issues
    (settlement,) = found.records
    return settlement


def domain_of(request: Request) -> Any:
    return request.json["params"][0]


# Money ------------------------------------------------------------------------------


def test_b17_an_unpaid_invoice_owes_its_total() -> None:
    it = level(invoice())
    assert it.ref == Ref("tryton:ledger@books.example:8000", "Invoice", "1")
    assert of(it.number, it.reference, it.currency) == ("2026-00001", "R-1", "USD")
    assert of(it.status, it.total, it.balance) == (Status.OPEN, 100, 100)
    assert it.customer == Ref(it.ref.connection, "Customer", "2")
    assert of(it.on, it.paid_on, it.last_on, it.basis) == (ON, None, None, None)
    assert it.settled_by[Part.CASH] == 0
    assert it.changed_at == datetime(2026, 11, 21, 23, 24, 34, 739603, tzinfo=UTC)
    assert it.version == "1795303474.7396"


def test_b37_paid_on_is_the_day_of_the_payment_and_not_the_due_date() -> None:
    """8.2 calls a payment before the due date reconciled on the due date."""
    paid = line(29, "-100.00", MIDDLE)
    row = invoice(
        state="paid",
        own_lines=[own(by=[paid], maturity_date=on(LATE))],
        payment_lines=[linked(paid, 7)],
        reconciled=on(LATE),
    )
    it = level(row)
    assert of(it.status, it.balance) == (Status.SETTLED, 0)
    assert of(it.paid_on, it.last_on, it.basis) == (MIDDLE, MIDDLE, Basis.APPLICATIONS)
    assert it.settled_by == {Part.CASH: 100, Part.CREDIT: 0, Part.WRITE_OFF: 0}


def test_b19_b35_part_payments_add_up_and_leave_no_paid_date() -> None:
    parts = [linked(line(31, "-30", MIDDLE)), linked(line(33, "-20", LATE))]
    it = level(invoice(payment_lines=parts))
    assert of(it.status, it.balance, it.paid) == (Status.OPEN, 50, 50)
    assert of(it.paid_on, it.last_on) == (None, LATE)


def test_several_payments_settle_on_the_day_of_the_last() -> None:
    parts = [line(35, "-60", LATE), line(33, "-40", MIDDLE)]
    it = level(invoice(state="paid", own_lines=[own(by=parts)]))
    assert of(it.status, it.paid, it.paid_on) == (Status.SETTLED, 100, LATE)


def test_a_reversed_payment_counts_no_more() -> None:
    """B24. It stays linked, but is reconciled with its own reversal."""
    it = level(invoice(payment_lines=[linked(line(44, "-100.00", MIDDLE), 8)]))
    assert of(it.status, it.balance, it.paid) == (Status.OPEN, 100, 0)
    assert of(it.paid_on, it.last_on) == (None, None)


def test_after_unreconciling_the_invoice_is_owed_again() -> None:
    """amount_to_pay says 0, since the payment is still linked."""
    it = level(invoice(payment_lines=[linked(line(48, "-100.00", MIDDLE))]))
    assert of(it.status, it.balance, it.paid, it.paid_on) == (Status.OPEN, 100, 0, None)


def test_the_state_is_not_trusted_where_a_worker_sets_it() -> None:
    paid = line(29, "-100.00", MIDDLE)
    late = level(invoice(state="posted", own_lines=[own(by=[paid])]))
    assert of(late.status, late.paid_on) == (Status.SETTLED, MIDDLE)
    undone = level(invoice(state="paid", payment_lines=[linked(paid)]))
    assert of(undone.status, undone.balance) == (Status.OPEN, 100)


def test_an_overpayment_is_no_part_of_the_invoice() -> None:
    """The excess is a line of the same move that is in no list of the invoice."""
    it = level(invoice(state="paid", own_lines=[own(by=[line(37, "-100", LATE)])]))
    assert of(it.balance, it.paid, it.settled_by[Part.CASH]) == (0, 100, 100)


def test_what_was_written_off_is_told_apart() -> None:
    by = [line(40, "-95", LATE), line(42, "-5.00", LATE, "write-off", origin=None)]
    it = level(invoice(state="paid", own_lines=[own(by=by)]))
    assert it.settled_by == {Part.CASH: 95, Part.CREDIT: 0, Part.WRITE_OFF: 5}
    assert of(it.status, it.paid_on) == (Status.SETTLED, LATE)


def test_a_credit_note_in_full_and_in_part() -> None:
    note = line(55, "-100.00", LATE, "revenue", origin="account.invoice,16")
    full = level(invoice(state="paid", own_lines=[own(by=[note])]))
    assert of(full.status, full.settled_by[Part.CREDIT]) == (Status.SETTLED, 100)
    assert of(full.paid, full.paid_on, full.last_on) == (0, LATE, None)
    part = line(57, "-36.00", LATE, "revenue", origin="account.invoice,17")
    partly = level(invoice(payment_lines=[linked(part)]))
    assert of(partly.status, partly.balance) == (Status.OPEN, 64)
    assert of(partly.settled_by[Part.CREDIT], partly.settled_by[Part.CASH]) == (36, 0)


def test_cash_and_credit_together_settle_when_the_later_of_them_does() -> None:
    note = line(57, "-36.00", LATE, "revenue", origin="account.invoice,17")
    it = level(
        invoice(state="paid", own_lines=[own(by=[note, line(58, "-64", MIDDLE)])])
    )
    assert it.settled_by == {Part.CASH: 64, Part.CREDIT: 36, Part.WRITE_OFF: 0}
    assert of(it.paid_on, it.last_on) == (LATE, MIDDLE)


def test_the_day_of_the_last_line_is_a_choice() -> None:
    by = [line(35, "-100", MIDDLE), line(36, "-10", LATE), line(37, "10", LATE)]
    row = invoice(state="paid", own_lines=[own(by=by)])
    assert level(row).paid_on == MIDDLE
    assert level(row, paid_date="last").paid_on == LATE


def test_one_payment_for_two_invoices_is_cash_for_each() -> None:
    other = line(61, "200.00", ON, "revenue", origin="account.invoice,20")
    both = [other, line(65, "-300", LATE, origin="account.invoice,21")]
    it = level(invoice(state="paid", own_lines=[own(by=both)]))
    assert it.settled_by == {Part.CASH: 100, Part.CREDIT: 0, Part.WRITE_OFF: 0}
    assert it.paid_on == LATE


def test_where_the_parts_cannot_be_told_none_is_given() -> None:
    other = line(61, "200.00", ON, "revenue", origin="account.invoice,20")
    mixed = [
        other,
        line(65, "-250", LATE, origin="account.invoice,21"),
        line(66, "-50", LATE, "write-off", origin=None),
    ]
    it = level(invoice(state="paid", own_lines=[own(by=mixed)]))
    assert of(it.status, it.settled_by, it.paid) == (Status.SETTLED, {}, 100)
    assert it.last_on == LATE
    unknown = [line(65, "-100", LATE, "general", origin=None)]
    assert level(invoice(own_lines=[own(by=unknown)])).settled_by == {}


def test_a_payment_in_any_journal_is_cash_by_its_origin() -> None:
    for origin in ("account.invoice,1", "account.payment,4", "account.statement,5"):
        by = [line(65, "-100", LATE, "general", origin=origin)]
        it = level(invoice(own_lines=[own(by=by)]))
        assert it.settled_by.get(Part.CASH) == 100


def test_instalments_settle_one_by_one() -> None:
    lines = [own(2, "50.00", by=[line(71, "-50", MIDDLE)]), own(4, "50.00")]
    half = level(invoice(own_lines=lines))
    assert of(half.status, half.balance, half.paid) == (Status.OPEN, 50, 50)
    lines = [lines[0], own(4, "50.00", by=[line(77, "-50", LATE)])]
    assert level(invoice(state="paid", own_lines=lines)).paid_on == LATE


def test_lines_of_additional_moves_are_the_invoices_own() -> None:
    """A rescheduled line is reconciled with its counterpart, the new ones are open."""
    counter = line(80, "-100.00", ON, "general", origin=None)
    new = [own(80, "-100.00", by=[]), own(81, "40.00"), own(82, "60.00")]
    it = level(invoice(own_lines=[own(by=[counter])], more_moves=new))
    assert of(it.status, it.balance, it.paid) == (Status.OPEN, 100, 0)


def test_what_was_delegated_and_not_paid_is_still_owed() -> None:
    counter = line(80, "-100.00", ON, "general", origin=None)
    delegate = {"id": 90, "reconciliation": None}
    lines = [own(by=[counter], delegate=delegate)]
    assert level(invoice(own_lines=lines)).balance == 100
    delegate = {"id": 90, "reconciliation": 12}
    lines = [own(by=[counter], delegate=delegate)]
    assert level(invoice(own_lines=lines)).status is Status.SETTLED


def test_amounts_are_in_the_invoices_currency() -> None:
    mine = own(2, "125.00", foreign="100.00")
    part = linked(line(55, "-37.50", MIDDLE, foreign="-30"))
    it = level(invoice(own_lines=[mine], payment_lines=[part], **EUROS))
    assert of(it.currency, it.balance, it.paid) == ("EUR", 70, 30)
    paid = line(53, "-130.00", MIDDLE, foreign="-100.00")
    gain = line(54, "5.00", LATE, "general", origin=None)
    mine = own(2, "125.00", foreign="100.00", by=[paid, gain])
    it = level(invoice(own_lines=[mine], **EUROS))
    assert of(it.status, it.balance, it.settled_by) == (Status.SETTLED, 0, {})
    assert it.paid_on == LATE


def test_a_payment_in_another_currency_is_converted_by_tryton_alone() -> None:
    row = invoice(
        own_lines=[own(2, "125.00", foreign="100.00")],
        payment_lines=[linked(line(55, "-50.00", MIDDLE))],
        amount_to_pay=dec("60.00"),
        **EUROS,
    )
    it = level(row)
    assert of(it.balance, it.settled_by, it.paid) == (60, {}, 40)
    undone = level({**row, "amount_to_pay": dec("0")})
    assert of(undone.status, undone.balance, undone.paid) == (Status.OPEN, 100, 0)


def test_drafts_and_cancelled_ones() -> None:
    draft = level(invoice(state="draft", own_lines=[], number=None, invoice_date=None))
    assert of(draft.status, draft.balance, draft.number) == (Status.DRAFT, 100, "")
    assert level(invoice(state="validated", own_lines=[])).status is Status.DRAFT
    note = line(53, "-100.00", LATE, "revenue", origin="account.invoice,15")
    gone = level(invoice(state="cancelled", own_lines=[own(by=[note])]))
    assert of(gone.status, gone.balance, gone.paid_on) == (Status.VOID, 0, None)


def test_a_posted_invoice_without_a_move_is_owed() -> None:
    assert level(invoice(own_lines=[])).balance == 100


def test_a_zero_invoice_is_settled_on_its_own_day() -> None:
    it = level(invoice(total="0.00", own_lines=[own(26, "0", by=[])], state="paid"))
    assert of(it.status, it.paid, it.paid_on) == (Status.SETTLED, 0, ON)


def test_a_prepayment_settles_on_the_day_of_the_invoice() -> None:
    early = line(29, "-100", ON - timedelta(days=9))
    assert level(invoice(own_lines=[own(by=[early])])).paid_on == ON


def test_credit_notes_are_no_settlements() -> None:
    assert page(Settlement, [invoice(total="-36.00", own_lines=[])]).records == ()


# One bad record does not spoil its page ---------------------------------------------


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        ({"state": "frozen"}, Code.UNKNOWN_STATUS),
        ({"total_amount": dec("NaN")}, Code.BAD_AMOUNT),
        ({"total_amount": dec("1" * 500)}, Code.BAD_AMOUNT),
        ({"total_amount": "1e"}, Code.BAD_AMOUNT),
        ({"total_amount": None}, Code.BAD_FIELD),
        ({"currency.": None}, Code.BAD_CURRENCY),
        ({"currency.": {"id": 1, "code": "ZZZ"}}, Code.BAD_CURRENCY),
        ({"invoice_date": {"__class__": "date", "year": 2026}}, Code.BAD_DATE),
        ({"invoice_date": on(date(1, 1, 1))}, Code.BAD_DATE),
        ({"write_date": "now"}, Code.BAD_DATE),
        ({"move.": {"lines.": {"0": {}}}}, Code.BAD_FIELD),
        ({"payment_lines.": [None]}, Code.BAD_FIELD),
        ({"total_amount": dec("120.00")}, Code.TOTALS_DISAGREE),
    ],
)
def test_b103_b106_an_unreadable_record_is_an_issue(
    broken: dict[str, Any], code: Code
) -> None:
    bad = {**invoice(id=5, number="B-5"), **broken}
    found = page(Settlement, [bad, invoice(), "nonsense"])
    assert [record.ref.id for record in found.records] == ["1"]
    first, second = found.issues
    assert of(first.code, first.numbers) == (code, ("B-5",))
    assert first.source == Ref("tryton:ledger@books.example:8000", "Invoice", "5")
    assert second.code is Code.BAD_FIELD


def test_what_is_missing_or_new_does_no_harm() -> None:
    row = invoice(new_field=[1], reference=None, write_date=None)
    for name in ("_timestamp", "amount_to_pay", "party", "payment_lines."):
        del row[name]
    it = level(row)
    assert of(it.reference, it.customer, it.version) == ("", None, "")
    assert it.changed_at == datetime(2026, 11, 21, 23, 24, 28, tzinfo=UTC)


# Other kinds ------------------------------------------------------------------------


def note(**fields: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "own_lines": [own(57, "-36.00", invoice_payments=[])],
        "total": "-36.00",
    }
    return invoice(**{**given, "id": 17, "number": "2026-00017", **fields})


def test_a_credit_note_is_positive_and_tells_what_is_left() -> None:
    (it,) = page(CreditNote, [invoice(), note()]).records
    assert it.ref == Ref("tryton:ledger@books.example:8000", "CreditNote", "17")
    assert of(it.total, it.remaining, it.status) == (36, 36, Status.OPEN)
    spent = own(57, "-36.00", invoice_payments=[11])
    (it,) = page(CreditNote, [note(own_lines=[spent])]).records
    assert of(it.remaining, it.status) == (0, Status.SETTLED)
    (it,) = page(CreditNote, [note(payment_lines=[linked(line(9, "6", ON))])]).records
    assert of(it.remaining, it.status) == (30, Status.OPEN)
    (it,) = page(CreditNote, [note(state="cancelled")]).records
    assert of(it.remaining, it.status) == (0, Status.VOID)
    (it,) = page(
        CreditNote, [note(state="draft", own_lines=[], invoice_date=None)]
    ).records
    assert of(it.remaining, it.status) == (36, Status.DRAFT)
    assert it.on == date(2026, 11, 21)


def test_an_invoice_has_its_lines_and_its_last_due_date() -> None:
    lines: list[Any] = [
        {
            "id": 1,
            "type": "line",
            "description": "Services",
            "quantity": 2.5,
            "unit_price": dec("40.0000"),
            "amount": dec("100.00"),
            "account.": {"id": 4, "code": "4.1.1"},
            "product.": None,
        },
        {"id": 2, "type": "title", "description": "A title", "account.": None},
    ]
    dues = [
        own(2, "50.00", maturity_date=on(ON)),
        own(4, "50.00", maturity_date=on(LATE)),
    ]
    row = {**invoice(own_lines=dues), "lines.": lines}
    (it,) = page(Invoice, [row, note()]).records
    assert of(it.number, it.total, it.due, it.status) == (
        "2026-00001",
        100,
        LATE,
        Status.OPEN,
    )
    (only,) = it.lines
    assert of(only.quantity, only.unit_price) == (Decimal("2.5"), 40)
    assert of(only.amount, only.account) == (100, "4.1.1")
    undated = invoice(invoice_date=None)
    assert page(Invoice, [undated]).issues[0].field == "invoice_date"


def test_a_customer_may_be_inactive_and_nameless() -> None:
    row = {
        "id": 2,
        "name": None,
        "rec_name": "[2]",
        "code": "2",
        "active": 0,
        "email": "",
        "write_date": None,
        "create_date": at(NOW),
    }
    (it,) = page(Customer, [row, {"code": "3"}]).records
    assert of(it.name, it.number, it.active, it.email) == ("[2]", "2", False, "")
    assert it.changed_at == NOW
    assert page(Customer, [{**row, "active": True}]).records[0].active


# Asking -----------------------------------------------------------------------------


def request_of(select: Select, kind: type[R], cursor: str | None = None) -> Request:
    _, (asked,) = drive(tryton().page(kind, select, cursor), result([]))
    return asked


def test_a_page_is_one_call_ordered_by_an_id_that_never_changes() -> None:
    asked = request_of(Everything(), Settlement, "41")
    assert of(asked.method, asked.url, asked.effect) == ("POST", "", False)
    assert asked.json["method"] == "model.account.invoice.search_read"
    domain, offset, limit, order, fields = asked.json["params"]
    assert domain == [["type", "=", "out"], ["id", ">", 41]]
    assert of(offset, limit, order) == (0, 250, [["id", "ASC"]])
    assert "payment_lines.move.journal.type" in fields
    # Read through a dotted path, what 7.0 computes is an error for drafts.
    assert not [name for name in fields if name.startswith(("lines_to", "reconc"))]
    assert "sequence_type_cache" not in fields


def test_b11_changed_asks_for_the_stamps_of_invoices_and_of_their_lines() -> None:
    """A payment's reversal moves only the stamp of its line."""
    since = datetime(2026, 11, 21, 20, 0, 0, 5, tzinfo=UTC)
    domain = domain_of(request_of(Changed(since), Settlement))
    assert domain[:2] == [["type", "=", "out"], ["id", ">", 0]]
    assert domain[2] == [
        "OR",
        ["write_date", ">=", at(since)],
        [["write_date", "=", None], ["create_date", ">=", at(since)]],
        ["move.lines.write_date", ">=", at(since)],
        ["additional_moves.lines.write_date", ">=", at(since)],
        ["payment_lines.write_date", ">=", at(since)],
    ]
    notes = domain_of(request_of(Changed(since), CreditNote))[2]
    assert ["move.lines.invoice_payments.write_date", ">=", at(since)] in notes
    local = since.astimezone(tz=None)
    assert domain_of(request_of(Changed(local), Settlement)) == domain


def test_a_customer_changed_when_its_address_or_e_mail_did() -> None:
    domain = domain_of(request_of(Changed(NOW), Customer))
    stamps = {item[0] for item in domain[1][1:] if isinstance(item[0], str)}
    assert stamps == {
        "write_date",
        "addresses.write_date",
        "addresses.create_date",
        "contact_mechanisms.write_date",
        "contact_mechanisms.create_date",
    }


def test_dated_and_open_and_what_cannot_be_selected() -> None:
    dated = domain_of(request_of(Dated(ON, LATE), Invoice))
    assert dated[2:] == [
        ["invoice_date", ">=", on(ON)],
        ["invoice_date", "<=", on(LATE)],
    ]
    assert domain_of(request_of(Open(), Invoice))[2:] == [["state", "=", "posted"]]
    until = domain_of(request_of(Open(LATE), Invoice))
    assert until[3] == ["invoice_date", "<=", on(LATE)]
    for kind, select in ((Invoice, Unposted(LATE)), (Customer, Open())):
        with pytest.raises(Fault) as caught:
            next(tryton().page(kind, select))
        assert caught.value.code is Code.NOT_ALLOWED


def test_open_leaves_out_what_a_worker_has_not_yet_called_paid() -> None:
    paid = own(by=[line(29, "-100.00", MIDDLE)])
    rows = [invoice(id=1, own_lines=[paid]), invoice(id=2)]
    found = page(Settlement, rows, Open())
    assert [record.ref.id for record in found.records] == ["2"]


def test_pages_follow_each_other_by_the_last_id() -> None:
    small = tryton(page_size=2)
    full = page(Settlement, [invoice(id=7), invoice(id=9)], connector=small)
    assert of(full.next, full.token) == ("9", None)
    assert page(Settlement, [invoice(id=11)], connector=small, cursor="9").next is None
    assert full.as_of == datetime(2026, 11, 21, 23, 23, 34, tzinfo=UTC)
    with pytest.raises(Fault) as caught:
        page(Settlement, ["nonsense", {}], connector=small)
    assert caught.value.code is Code.BAD_PAYLOAD


def test_one_company_is_asked_for_where_one_is_given() -> None:
    connector = tryton(company=3)
    assert connector.connection == "tryton:ledger@books.example:8000/3"
    _, (asked,) = drive(connector.page(Settlement, Everything()), result([]))
    assert ["company", "=", 3] in domain_of(asked)


@pytest.mark.parametrize("number", ["O'Neil", '"x"', "100%", "a&b", "\\", "<é>", "_"])
def test_b44_fetch_by_number_returns_exactly_what_was_asked(number: str) -> None:
    rows = [invoice(id=1, number=number), invoice(id=2, number=number + "1")]
    found, (asked,) = drive(tryton().fetch(Settlement, numbers=[number]), result(rows))
    assert [record.number for record in found.records] == [number]
    assert domain_of(asked) == [["type", "=", "out"], ["number", "in", [number]]]


def test_fetch_takes_ids_in_batches_and_only_what_can_be_an_id() -> None:
    ids = ["1", "2", "x", "٣", "2147483648", "9" * 30, "3"]
    flow = tryton(fetch_size=2).fetch(Settlement, ids=ids)
    rows = result([invoice(id=1), invoice(id=2)])
    found, asked = drive(flow, rows, result([invoice(id=3)]))
    assert [domain_of(request)[1] for request in asked] == [
        ["id", "in", [1, 2]],
        ["id", "in", [3]],
    ]
    assert {record.ref.id for record in found.records} == {"1", "2", "3"}
    nothing, none = drive(tryton().fetch(Settlement, ids=["x"]))
    assert of(nothing.records, none) == ((), [])


def test_customers_are_fetched_by_their_code() -> None:
    row = {"id": 2, "name": "Acme", "code": "C-2"}
    found, (asked,) = drive(tryton().fetch(Customer, numbers=["C-2"]), result([row]))
    assert found.records[0].name == "Acme"
    assert domain_of(asked) == [["code", "in", ["C-2"]]]


# Signing in -------------------------------------------------------------------------

PREFERENCES = {
    "company": 1,
    "companies": [1, 3],
    "company_filter": "all",
    "groups": [5, 6],
    "language": "de",
    "locale": {"grouping": [3, 3, 0], "decimal_point": "."},
}
SESSION = result([2, "09274fcb", None])


def renewed(connector: Tryton, *answers: Response) -> tuple[Grant, list[Request]]:
    first = connector.auth.first()
    assert not first.signed_in
    return drive(connector.auth.renew(first, NOW), *answers)


def test_signing_in_to_8_2() -> None:
    grant, asked = renewed(tryton(), result("8.2"), SESSION, result(PREFERENCES))
    root = "http://books.example:8000"
    assert [request.url for request in asked] == [
        f"{root}/rpc/",
        f"{root}/ledger/rpc/",
        f"{root}/ledger/rpc/",
    ]
    assert asked[1].json == {
        "id": 1,
        "method": "common.db.login",
        "params": ["connector", {"password": "a-long-connector-password"}, "en"],
    }
    assert asked[1].header("Authorization") is None
    assert asked[2].json["params"] == [True, {}]
    token = base64.b64encode(b"connector:2:09274fcb").decode()
    assert asked[2].header("Authorization") == f"Session {token}"
    assert grant.base_url == f"{root}/ledger/rpc/"
    assert of(grant.signed_in, grant.expires_at, grant.previous) == (True, None, {})
    assert "a-long-connector-password" not in str(grant.values)


def test_signing_in_to_7_0_where_rpc_is_the_name_of_a_database() -> None:
    answers = (Response(401), result("7.0"), SESSION, result(PREFERENCES))
    grant, asked = renewed(tryton(), *answers)
    assert [request.url for request in asked[:2]] == [
        "http://books.example:8000/rpc/",
        "http://books.example:8000/",
    ]
    assert grant.base_url == "http://books.example:8000/ledger/"


def test_a_given_dialect_is_not_looked_for_and_found_once() -> None:
    given = tryton(dialect="7.0", database="my books")
    grant, asked = renewed(given, SESSION, result(PREFERENCES))
    assert grant.base_url == given.auth.first().base_url
    assert grant.base_url == "http://books.example:8000/my%20books/"
    connector = tryton()
    grant, _ = renewed(connector, result("8.2"), SESSION, result(PREFERENCES))
    again, asked = drive(connector.auth.renew(grant, NOW), SESSION, result(PREFERENCES))
    assert of(len(asked), again.serial, again.previous) == (2, 2, {})


def test_no_server_there() -> None:
    with pytest.raises(Fault) as caught:
        renewed(tryton(), Response(404), Response(405))
    assert caught.value.code is Code.NOT_REACHED
    with pytest.raises(Fault) as caught:
        renewed(tryton(), result(8), Response(404))
    assert caught.value.code is Code.NOT_REACHED


@pytest.mark.parametrize(
    ("answer", "code", "wait"),
    [
        (Response(401), Code.SIGN_IN_REFUSED, None),
        (Response(429), Code.LOCKED_OUT, 300),
        (Response(404), Code.NO_SUCH_RESOURCE, None),
        (Response(405), Code.NO_SUCH_RESOURCE, None),
        (Response(503), Code.SERVER_ERROR, None),
        (
            error("LoginException", ["sms", "A code", "char"]),
            Code.SIGN_IN_REFUSED,
            None,
        ),
        (result(None), Code.BAD_PAYLOAD, None),
        (Response(200, {}, b"<html>"), Code.BAD_PAYLOAD, None),
    ],
)
def test_a_refused_sign_in_is_final(
    answer: Response, code: Code, wait: float | None
) -> None:
    """Five wrong passwords lock the login: no second try."""
    flow = tryton(dialect="8.2").auth.renew(tryton().auth.first(), NOW)
    with pytest.raises(Fault) as caught:
        drive(
            tryton(dialect="8.2").auth.renew(Grant("http://b/ledger/rpc/"), NOW), answer
        )
    assert of(caught.value.code, caught.value.wait) == (code, wait)
    flow.close()


def test_a_company_that_the_user_may_not_work_for() -> None:
    with pytest.raises(Fault) as caught:
        renewed(tryton(dialect="8.2", company=77), SESSION, result(PREFERENCES))
    assert caught.value.code is Code.PERMISSION_MISSING
    with pytest.raises(Fault) as caught:
        renewed(tryton(dialect="8.2"), SESSION, result(None))
    assert caught.value.code is Code.BAD_PAYLOAD


def test_sign_wraps_the_call_and_adds_the_context() -> None:
    connector = tryton(dialect="8.2", company=3)
    grant, _ = renewed(connector, SESSION, result(PREFERENCES))
    bare = call("account.invoice.read", [1], ["number"])
    signed = connector.auth.sign(bare, grant)
    assert set(signed.json) == {"id", "method", "params"}
    ids, fields, context = signed.json["params"]
    assert of(ids, fields) == ([1], ["number"])
    assert of(context["company"], context["company_filter"]) == (3, "one")
    assert of(context["language"], context["active_test"]) == ("en", False)
    assert context["locale"]["grouping"] == [3, 3, 0]
    assert signed.header("Accept-Encoding") == "gzip"
    assert signed.header("Content-Type") == "application/json"
    assert (signed.header("Authorization") or "").startswith("Session ")
    assert bare.header("Authorization") is None
    assert connector.auth.sign(signed, grant) == signed


def test_b157_no_secret_is_shown() -> None:
    connector = tryton()
    grant, asked = renewed(
        tryton(dialect="8.2"), result([2, "s3cret", None]), result(PREFERENCES)
    )
    shown = [connector.connection, connector.auth, connector.auth.first(), grant, asked]
    text = repr(shown) + repr(tryton().auth)
    for secret in ("a-long-connector-password", "s3cret"):
        assert secret not in text


@pytest.mark.parametrize(
    "url", ["books.example:8000", "ftp://b/", "http://me:pw@b/", "http://:pw@b/"]
)
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tryton(url=url)
    assert "pw" not in str(caught.value)


def test_other_arguments_void_a_stored_grant() -> None:
    first = tryton().auth.first()
    for other in ({"password": "x"}, {"user": "x"}, {"database": "x"}, {"company": 1}):
        assert tryton(**other).auth.first() != first
    assert tryton().auth.first() == first


# Judging ----------------------------------------------------------------------------

TRACE = 'Traceback (most recent call last):\n  File "trytond/rpc.py" …'


@pytest.mark.parametrize(
    ("answer", "kind", "code", "text"),
    [
        (
            error("UserError", ["Keine Periode.", "", None]),
            Answer.REFUSED,
            Code.REFUSED,
            "Keine Periode.",
        ),
        (
            error("UserError", ['You are not allowed to access "User".', "Groups: x", [[], {}]]),
            Answer.REFUSED,
            Code.PERMISSION_MISSING,
            'You are not allowed to access "User". Groups: x',
        ),
        (
            error("UserError", ['You are trying to read records "9" that don\'t exist.', ""]),
            Answer.REFUSED,
            Code.NO_SUCH_RESOURCE,
            'You are trying to read records "9" that don\'t exist.',
        ),
        (
            error("UserWarning", ["f1dd.invoice_date_future", "In the future.", ""]),
            Answer.REFUSED,
            Code.REFUSED,
            "In the future.",
        ),
        (
            error("ConcurrencyException", "Records have been modified"),
            Answer.REFUSED,
            Code.STALE_VERSION,
            "Records have been modified",
        ),
        (error("'account.invoice'", ""), Answer.REFUSED, Code.PERMISSION_MISSING, "'account.invoice'"),
        (error("database is locked", TRACE), Answer.UNCLEAR, Code.SERVER_ERROR, "database is locked"),
        (error("'NoneType' object has no attribute 'id'", TRACE), Answer.REFUSED, Code.UNKNOWN_ERROR, "'NoneType' object has no attribute 'id'"),
        (error("list index out of range", TRACE), Answer.REFUSED, Code.UNKNOWN_ERROR, "list index out of range"),
        (error("", ""), Answer.REFUSED, Code.UNKNOWN_ERROR, "an error without words"),
        (error(), Answer.REFUSED, Code.UNKNOWN_ERROR, "[]"),
        (error(7), Answer.REFUSED, Code.UNKNOWN_ERROR, "[7]"),
        (Response(401), Answer.SIGN_IN, Code.SIGN_IN_REFUSED, "HTTP 401"),
        (Response(403), Answer.REFUSED, Code.PERMISSION_MISSING, "HTTP 403"),
        (Response(404), Answer.REFUSED, Code.NO_SUCH_RESOURCE, "HTTP 404"),
        (Response(429), Answer.WAIT, Code.TOO_MANY_REQUESTS, "HTTP 429"),
        (Response(504), Answer.UNCLEAR, Code.SERVER_ERROR, "HTTP 504"),
        (Response(204), Answer.UNCLEAR, Code.BAD_PAYLOAD, "HTTP 204"),
    ],
)  # fmt: skip
def test_b107_errors_are_told_by_their_type(
    answer: Response, kind: Answer, code: Code, text: str
) -> None:
    verdict = tryton().judge(answer)
    assert of(verdict.answer, verdict.code, verdict.text) == (kind, code, text)
    assert verdict.fault().remedy


def test_a_record_that_says_error_is_no_error() -> None:
    row = invoice(reference="error", number='say "error"')
    assert level(row).reference == "error"
    null = Response(200, HEADERS, b'{"id": 1, "error": null, "result": []}')
    assert tryton().judge(null).answer is Answer.OK


def test_a_failing_page_is_raised_as_a_fault() -> None:
    with pytest.raises(Fault) as caught:
        drive(
            tryton().page(Settlement, Everything()),
            error("UserError", ["Nein.", "", None]),
        )
    assert of(caught.value.code, caught.value.fate) == (Code.REFUSED, Fate.REFUSED)
    for body in (b"<html>", b"[]", b'{"id": 1}', b'{"result": {}}'):
        with pytest.raises(Fault) as caught:
            drive(tryton().page(Settlement, Everything()), Response(200, {}, body))
        assert caught.value.code is Code.BAD_PAYLOAD


def test_a_body_that_still_is_gzip_is_unpacked() -> None:
    body = gzip.compress(result([invoice()]).body)
    found, _ = drive(
        tryton().page(Settlement, Everything()), Response(200, HEADERS, body)
    )
    assert len(found.records) == 1
    failed = Response(200, {}, gzip.compress(error("UserError", ["No.", ""]).body))
    assert tryton().judge(failed).text == "No."
    broken = Response(200, {}, b"\x1f\x8b" + b"nonsense")
    with pytest.raises(Fault) as caught:
        drive(tryton().page(Settlement, Everything()), broken)
    assert caught.value.code is Code.BAD_PAYLOAD


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tieout.connectors.tryton.wire.INFLATED_MAX", 1000)
    body = gzip.compress(b" " * 100_000)
    with pytest.raises(Fault) as caught:
        drive(tryton().page(Settlement, Everything()), Response(200, {}, body))
    assert caught.value.code is Code.TOO_LARGE


def test_values_survive_the_wire() -> None:
    values = [NOW, ON, Decimal("1.50"), "text", 7, None, True]
    assert decode(encode(values)) == values
    assert decode({"__class__": "timedelta", "seconds": 1.5}) == timedelta(seconds=1.5)
    assert decode({"__class__": "bytes", "base64": "aGk=\n"}) == b"hi"
    strange = {"__class__": "unheard-of", "x": 1}
    assert decode(strange) == strange


# Health, links, capabilities --------------------------------------------------------

COMPANY = {
    "id": 1,
    "timezone": "Europe/Brussels",
    "party.": {"id": 1, "name": "Dunder Mifflin"},
    "currency.": {"id": 1, "code": "USD"},
}
DENIED = error("UserError", ['You are not allowed to access "Invoice".', "", None])


def checked(*answers: Response, **arguments: Any) -> Health:
    return drive(tryton(**arguments).check(), *answers)[0]


def test_b150_check_tells_the_books() -> None:
    period = {"id": 1, "start_date": on(date(2026, 1, 1))}
    health = checked(
        result(PREFERENCES),
        *([result([1])] * 3),
        result([COMPANY]),
        result([period]),
    )
    assert health.ok
    assert health.books is not None
    assert health.books.identity == "tryton:ledger@books.example:8000/1"
    assert of(health.books.name, health.books.currency) == ("Dunder Mifflin", "USD")
    assert health.books.zone == "Europe/Brussels"
    assert health.books.locked_through == date(2025, 12, 31)


def test_b57_check_names_what_is_missing() -> None:
    health = checked(
        result(PREFERENCES),
        error("'account.invoice'", ""),
        DENIED,
        result([1]),
        result([{**COMPANY, "timezone": None}]),
        result([]),
        company=3,
    )
    assert not health.ok
    assert [text.partition(":")[0] for text in health.missing] == [
        "account.invoice",
        "account.move.line",
    ]
    assert health.books is not None
    assert of(health.books.zone, health.books.locked_through) == (None, None)
    assert health.books.identity == "tryton:ledger@books.example:8000/3"


def test_check_tells_credentials_and_companies_apart() -> None:
    refused = checked(Response(401))
    assert of(refused.reachable, refused.signed_in) == (True, False)
    nowhere = checked(result({"company": None}), *([result([])] * 3))
    assert nowhere.missing == ("a company for the user",)
    for answers in ((Response(503),), (result(PREFERENCES), Response(504))):
        away = checked(*answers)
        assert of(away.reachable, away.code) == (False, Code.SERVER_ERROR)
    with pytest.raises(Fault) as caught:
        checked(result(PREFERENCES), *([result([])] * 3), result([]))
    assert caught.value.code is Code.WRONG_COMPANY


def test_b131_deep_links() -> None:
    ref = Ref("tryton:ledger@books.example:8000", "Invoice", "12")
    link = "http://books.example:8000/#ledger/model/account.invoice/12"
    assert tryton().deep_link(ref) == link
    assert tryton(page_link="app://{model}?{id}").deep_link(
        Ref(ref.connection, "Customer", "2")
    ) == ("app://party.party?2")


def test_capabilities_follow_the_arguments() -> None:
    connector = tryton(page_size=50, fetch_size=20, overlap=timedelta(minutes=3))
    for kind in (Settlement, Invoice, CreditNote, Payment, Customer):
        declared = connector.capabilities.kind(kind)
        assert of(declared.page_size, declared.fetch_size) == (50, 20)
        assert declared.stable_order
        assert not declared.number_unique
    assert connector.capabilities.overlap == timedelta(minutes=3)
    confirming = tryton(skip_warnings=("invoice_payment_term",)).capabilities
    calls = connector.capabilities.kind(Invoice).write_calls
    assert confirming.kind(Invoice).write_calls == calls + 2


def test_b1_an_invoices_money_is_read_and_never_written() -> None:
    connector = tryton()
    assert connector.capabilities.kind(Settlement).verbs == {Verb.READ}
    ref = Ref(connector.connection, "Invoice", "1")
    change = Change("n", Action.VOID, Settlement, connector.connection, ref, target=ref)
    (outcome,), asked = drive(connector.write([change]))
    assert of(outcome.state, outcome.code) == (State.REJECTED, Code.NOT_ALLOWED)
    assert asked == []
