"""
Tryton is written to: what is asked and sent, one by one, with answers shaped like those of
real servers of 8.2 and 7.0; and payments and applications as they are read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from attrs import evolve

from tieout.capabilities import Changed, Creates, Dated, Open, Updates
from tieout.change import Action, Change, Outcome, State
from tieout.connectors.tryton import Tryton
from tieout.connectors.tryton.wire import decode, encode
from tieout.errors import Code, Fault
from tieout.evidence import believed, carries
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    RecordType,
    Ref,
    Status,
)
from tieout.wire import Flow, Request, Response

T = TypeVar("T")
Answers = Callable[[str, list[Any], Request], Any]

AT = "tryton:ledger@books.example:8000"
MARK = "TO-ABCDEFGHIJKLM"
ON, LATER = date(2026, 9, 22), date(2026, 10, 1)
KEY = "99ba69afe432253fdbdd01a73b2b3b86"
PAST = ["UserWarning", [f"{KEY}.invoice_payment_term", "A date in the past.", ""]]


def tryton(**arguments: Any) -> Tryton:
    given = {
        "url": "http://books.example:8000",
        "database": "ledger",
        "user": "connector",
        "password": "a-long-connector-password",
        "receivable": 39,
        "revenue": 99,
        "journal": 6,
        "payment_method": 4,
    }
    return Tryton(**{**given, **arguments})


def ref(kind: str, identity: str = "") -> Ref:
    return Ref(AT, kind, identity)


def of(*values: Any) -> tuple[Any, ...]:
    """Values to compare: amounts with whole numbers too."""
    return values


def dec(text: str) -> Decimal:
    return Decimal(text)


class Refused(Exception):
    """What Tryton answers in place of a result."""


def answer(value: Any) -> Response:
    body = {"id": 1, "result": encode(value)}
    return Response(200, {}, json.dumps(body, default=float))


class Books:
    """Answers each method from a table; what is asked is kept as method and parameters."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.table = {name: [*told] for name, told in table.items()}
        self.asked: list[tuple[str, Any]] = []
        self.requests: list[Request] = []

    def answer(self, request: Request) -> Response:
        name = request.json["method"].partition(".")[2]
        params = decode(json.loads(request.body(), parse_float=Decimal)["params"])
        self.asked.append((name, params))
        self.requests.append(request)
        told = self.table[name].pop(0)
        if isinstance(told, Response):
            return told
        if isinstance(told, Refused):
            return Response(200, {}, json.dumps({"id": 1, "error": told.args[0]}))
        return answer(told)

    def sent(self, name: str) -> Any:
        """The parameters of the last call of that name."""
        return [params for told, params in self.asked if told == name][-1]

    @property
    def effects(self) -> list[str]:
        return [r.json["method"].partition(".")[2] for r in self.requests if r.effect]

    @property
    def methods(self) -> list[str]:
        return [name for name, _ in self.asked]


def driven(flow: Flow[T], books: Books) -> T:
    try:
        request = next(flow)
        while True:
            assert isinstance(request, Request)
            request = flow.send(books.answer(request))
    except StopIteration as stop:
        left = {name: told for name, told in books.table.items() if told}
        assert not left, f"never asked for: {left}"
        result: T = stop.value
        return result


def change(
    action: Action,
    kind: RecordType,
    after: Any = None,
    target: str = "",
    before: Any = None,
    mark: str = MARK,
) -> Change:
    name, source = kind.__name__, Ref("app:shop", kind.__name__, "7")
    return Change(
        f"{action.name} {name} {target}",
        action,
        kind,
        AT,
        source,
        target=ref(name, target) if target else None,
        before=before,
        after=after,
        mark=mark if action is Action.CREATE else "",
    )


def written(wanted: Change, books: Books, **arguments: Any) -> Outcome:
    (outcome,) = driven(tryton(**arguments).write([wanted]), books)
    return believed(wanted, outcome)


def refused(wanted: Change, books: Books, code: Code, **arguments: Any) -> Outcome:
    """The outcome of a change that certainly had no effect."""
    outcome = written(wanted, books, **arguments)
    assert outcome.state in (State.REJECTED, State.NOT_SENT), outcome.text
    assert outcome.code is code, outcome.text
    return outcome


# Rows -------------------------------------------------------------------------------


def line(number: int, amount: str, **more: Any) -> dict[str, Any]:
    """A line on what customers owe, of an invoice's or a payment's move."""
    value = dec(amount)
    given: dict[str, Any] = {
        "id": number,
        "date": ON,
        "debit": max(value, dec("0")),
        "credit": max(-value, dec("0")),
        "amount_second_currency": None,
        "second_currency": None,
        "account": 39,
        "party": 2,
        "reconciliation": None,
        "reconciliation.": None,
        "invoice_payments": [],
        "invoice_payments.": [],
    }
    return {**given, **more}


def closed(number: int, *others: dict[str, Any]) -> dict[str, Any]:
    """That a line is reconciled with these."""
    held = {"id": number, "delegate_to.": None, "lines.": [*others]}
    return {"reconciliation": number, "reconciliation.": held}


def of_move(
    number: int, amount: str, origin: str | None, journal: str = "revenue", **more: Any
) -> dict[str, Any]:
    """A line as a reconciliation tells it."""
    move = {"id": number, "origin": origin, "journal.": {"id": 1, "type": journal}}
    return {**line(number, amount), "move.": move, **more}


def linked(invoice: int, due: str = "60.00") -> dict[str, Any]:
    """That a line is linked to an invoice, of which so much is due."""
    shown = {"id": invoice, "amount_to_pay": dec(due)}
    return {"invoice_payments": [invoice], "invoice_payments.": [shown]}


def bill(
    number: int = 1, total: str = "100.00", *lines: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """An invoice, or below zero a credit note."""
    own = [*lines] or [line(2, total)]
    given: dict[str, Any] = {
        "id": number,
        "state": "posted",
        "number": "2026-00001",
        "reference": f"PO 7 {MARK}",
        "invoice_date": ON,
        "party": 2,
        "account": 39,
        "total_amount": dec(total),
        "amount_to_pay": dec(total),
        "_timestamp": "1795303474.7396",
        "currency.": {"id": 1, "code": "USD"},
        "company.": {"id": 1, "currency": 1},
        "move.": {"id": 1, "lines.": own},
        "payment_lines.": [],
        "lines.": [{"id": 71, "type": "line", "amount": dec(total)}],
    }
    return {**given, **more}


def draft(number: int = 1, total: str = "100.00", **more: Any) -> dict[str, Any]:
    row = bill(number, total)
    return {**row, "state": "draft", "number": None, "move.": None, **more}


def receipt(*lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The move of a payment; its lines are on what customers owe."""
    kind = {"account.": {"id": 39, "type.": {"id": 1, "receivable": 1}}}
    cash = {"account.": {"id": 35, "type.": {"id": 2, "receivable": 0}}}
    given: dict[str, Any] = {
        "id": 13,
        "date": LATER,
        "origin": "account.invoice,1",
        "description": f"cheque 5 {MARK}",
        "state": "posted",
        "_timestamp": "1795303480.1",
        "company.": {"id": 1, "currency.": {"id": 1, "code": "USD"}},
        "lines.": [{**line(90, "130.00"), **cash}, *({**x, **kind} for x in lines)],
    }
    return {**given, **more}


PARTY = {"id": 2, "addresses": [5, 6]}
USD = {"id": 1, "code": "USD"}
ACME = {
    "id": 2,
    "name": "Acme",
    "code": "C-2",
    "email": "a@example.com",
    "active": True,
    "identifiers.": [{"id": 3, "code": MARK}, {"id": 4, "code": "BE0897290877"}],
    "_timestamp": "17.5",
}


def invoice(kind: Any = Invoice, **more: Any) -> Any:
    given: dict[str, Any] = {
        "ref": ref(kind.__name__),
        "number": "INV-1",
        "customer": ref("Customer", "2"),
        "currency": "USD",
        "on": ON,
        "total": dec("100.00"),
        "status": Status.OPEN,
        "reference": "PO 7",
        "lines": (Line("Services", dec("100.00")),),
    }
    return kind(**{**given, **more})


BILLS = "account.invoice"


def making(*, posts: list[Any], found: list[Any] | None = None, **more: Any) -> Books:
    """The books while a document is made: looked for, made, posted, and read."""
    reads = [found or [], *([] if found else [[more.pop("row", bill())]])]
    table: dict[str, Any] = {f"{BILLS}.search_read": reads, f"{BILLS}.post": posts}
    if not found:
        table["party.party.search_read"] = [[PARTY]]
        table["currency.currency.search_read"] = [[USD]]
        table[f"{BILLS}.create"] = [[1]]
    return Books({**table, **more})


# Customers --------------------------------------------------------------------------


def test_a_customer_is_made_with_address_e_mail_and_mark() -> None:
    after = Customer(ref("Customer"), "Acme", "C-2", "a@example.com")
    books = Books(
        {"party.party.search_read": [[], [ACME]], "party.party.create": [[2]]}
    )
    outcome = written(change(Action.CREATE, Customer, after), books)
    assert outcome.state is State.APPLIED
    assert outcome.ref == ref("Customer", "2")
    assert outcome.version == "17.5"
    assert outcome.echo is not None
    assert carries(outcome.echo, MARK)
    assert books.asked[0][1][0] == [["identifiers.code", "in", [MARK]]]
    ((values,),) = books.sent("party.party.create")
    mail = {"type": "email", "value": "a@example.com"}
    assert values == {
        "name": "Acme",
        "code": "C-2",
        "addresses": [["create", [{}]]],
        "contact_mechanisms": [["create", [mail]]],
        "identifiers": [["create", [{"code": MARK}]]],
    }
    assert books.effects == ["party.party.create"]


def test_a_customer_that_is_there_is_not_made_again() -> None:
    after = Customer(ref("Customer"), "Acme")
    books = Books({"party.party.search_read": [[ACME]]})
    outcome = written(change(Action.CREATE, Customer, after), books)
    assert (outcome.state, outcome.ref) == (State.APPLIED, ref("Customer", "2"))
    assert books.effects == []


@pytest.mark.parametrize(
    ("mails", "email", "sent"),
    [
        ([{"id": 8}, {"id": 9}], "b@example.com", ["write", [8], {"value": "b@example.com"}]),
        ([], "b@example.com", ["create", [{"type": "email", "value": "b@example.com"}]]),
        ([{"id": 8}], "", ["delete", [8]]),
    ],
)  # fmt: skip
def test_an_e_mail_is_another_record(
    mails: list[Any], email: str, sent: list[Any]
) -> None:
    before = Customer(ref("Customer", "2"), "Acme", "C-2", "a@example.com")
    books = Books(
        {
            "party.party.search_read": [[ACME], [{**ACME, "email": email}]],
            "party.contact_mechanism.search_read": [mails],
            "party.party.write": [None],
        }
    )
    after = evolve(before, email=email)
    outcome = written(change(Action.UPDATE, Customer, after, "2", before), books)
    assert outcome.state is State.APPLIED
    ids, values = books.sent("party.party.write")
    assert ids == [2]
    assert values == {"contact_mechanisms": [sent]}


def test_an_update_is_guarded_by_the_version_that_was_read() -> None:
    now = Customer(ref("Customer", "2"), "Acme", "C-2", "a@example.com", version="17.4")
    after = evolve(now, name="New", number="C-3", active=False)
    books = Books(
        {
            "party.party.search_read": [[ACME]],
            "party.party.write": [Refused(["ConcurrencyException", "Modified"])],
        }
    )
    refused(change(Action.UPDATE, Customer, after, "2", now), books, Code.STALE_VERSION)
    sent = books.requests[-1].json
    assert sent["params"][1] == {"name": "New", "code": "C-3", "active": False}
    assert sent["context"] == {"_timestamp": {"party.party,2": "17.4"}}


def test_nothing_is_sent_where_nothing_differs() -> None:
    now = Customer(ref("Customer", "2"), "Acme", "C-2", "a@example.com")
    books = Books({"party.party.search_read": [[ACME], [ACME]]})
    outcome = written(change(Action.UPDATE, Customer, now, "2", now), books)
    assert (outcome.state, books.effects) == (State.APPLIED, [])


def test_a_customer_is_voided_by_making_it_inactive() -> None:
    books = Books({"party.party.search_read": [[ACME]], "party.party.write": [None]})
    void = change(Action.VOID, Customer, target="2")
    assert written(void, books).state is State.APPLIED
    assert books.sent("party.party.write") == [[2], {"active": False}]
    again = Books({"party.party.search_read": [[{**ACME, "active": 0}]]})
    assert written(void, again).state is State.APPLIED
    refused(void, Books({"party.party.search_read": [[]]}), Code.VANISHED)


# Making documents -------------------------------------------------------------------


def test_an_invoice_is_a_draft_and_then_posted() -> None:
    books = making(posts=[None])
    outcome = written(change(Action.CREATE, Invoice, invoice()), books)
    assert outcome.state is State.APPLIED
    assert isinstance(outcome.echo, Invoice)
    assert (outcome.ref, outcome.echo.reference) == (ref("Invoice", "1"), "PO 7")
    assert carries(outcome.echo, MARK)
    assert books.effects == [f"{BILLS}.create", f"{BILLS}.post"]
    look = books.asked[0][1][0]
    assert look == [["type", "=", "out"], ["OR", ["reference", "like", f"%{MARK}%"]]]
    ((values,),) = books.sent(f"{BILLS}.create")
    (made,) = values.pop("lines")[0][1]
    assert values == {
        "type": "out",
        "party": 2,
        "invoice_address": 5,
        "account": 39,
        "journal": 6,
        "currency": 1,
        "invoice_date": ON,
        "reference": f"PO 7 {MARK}",
    }
    assert made == {
        "type": "line",
        "currency": 1,
        "description": "Services",
        "quantity": 1,
        "unit_price": dec("100.00"),
        "account": 99,
        "product": None,
        "taxes": [],
    }
    assert books.sent(f"{BILLS}.post") == [[1]]


def test_a_quantity_is_a_plain_number_and_a_price_never() -> None:
    it = Line("x", dec("100.00"), quantity=dec("2.5"), unit_price=dec("40.00"))
    books = making(posts=[None])
    written(change(Action.CREATE, Invoice, invoice(lines=(it,))), books)
    body = next(r for r in books.requests if r.effect).body()
    assert b'"quantity":2.5,' in body
    assert b'"unit_price":{"__class__":"Decimal","decimal":"40.00"}' in body


@pytest.mark.parametrize(
    ("quantity", "price", "amount"),
    [
        ("3", "0.3333", "1.00"),
        ("1", "10.00001", "10.00001"),
        ("0.1234567890123456789", "1", "0.1234567890123456789"),
        (None, "5", "5"),
    ],
)
def test_a_product_that_is_not_exact_is_one_of_the_amount(
    quantity: str | None, price: str, amount: str
) -> None:
    number = dec(quantity) if quantity else None
    it = Line("x", dec(amount), quantity=number, unit_price=dec(price))
    after = invoice(lines=(it,), total=dec(amount))
    books = making(posts=[None], row=bill(total="1.00"))
    driven(tryton().write([change(Action.CREATE, Invoice, after)]), books)
    (made,) = books.sent(f"{BILLS}.create")[0][0]["lines"][0][1]
    assert of(made["quantity"], made["unit_price"]) == (1, dec(amount))


def test_a_credit_note_is_an_invoice_below_zero() -> None:
    it = Line("x", dec("100.00"), quantity=dec("2"), unit_price=dec("50"))
    books = making(posts=[None], row=bill(total="-100.00"))
    after = invoice(CreditNote, lines=(it,))
    outcome = written(change(Action.CREATE, CreditNote, after), books)
    assert isinstance(outcome.echo, CreditNote)
    assert of(outcome.state, outcome.echo.total) == (State.APPLIED, 100)
    (made,) = books.sent(f"{BILLS}.create")[0][0]["lines"][0][1]
    assert of(made["quantity"], made["unit_price"]) == (-2, 50)


def test_what_has_no_default_is_an_argument_and_a_line_wins() -> None:
    it = Line("x", dec("100.00"), account="4.1.1", item="P-1", tax_code="VAT 20")
    table = {
        "account.account.search_read": [[{"id": 77, "code": "4.1.1"}]],
        "product.product.search_read": [[{"id": 8, "code": "P-1"}]],
        "account.tax.search_read": [[{"id": 9, "name": "VAT 20"}]],
    }
    books = making(posts=[None], row=bill(total="120.00"), **table)
    after = invoice(lines=(it,), total=dec("120.00"), reference="")
    given = {"company": 3, "payment_term": 11}
    found = evolve(change(Action.CREATE, Invoice, after))
    (outcome,) = driven(tryton(**given).write([found]), books)
    assert outcome.state is State.APPLIED
    values = books.sent(f"{BILLS}.create")[0][0]
    (made,) = values["lines"][0][1]
    assert (made["account"], made["product"]) == (77, 8)
    assert made["taxes"] == [["add", [9]]]
    assert values["reference"] == f"INV-1 {MARK}"
    assert [values[each] for each in given] == [3, 11]
    asked = books.sent("account.account.search_read")[0]
    assert asked == [["code", "in", ["4.1.1"]], ["company", "=", 3]]


@pytest.mark.parametrize(
    ("after", "arguments", "code", "words"),
    [
        (invoice(), {"receivable": None}, Code.NOT_ALLOWED, "receivable="),
        (invoice(), {"journal": None}, Code.NOT_ALLOWED, "journal="),
        (invoice(customer=None), {}, Code.BAD_FIELD, "no customer"),
        (invoice(total=dec("120.00")), {}, Code.TOTALS_DISAGREE, "120.00"),
    ],
)
def test_what_cannot_be_made_is_refused_at_once(
    after: Invoice, arguments: dict[str, Any], code: Code, words: str
) -> None:
    books = Books({f"{BILLS}.search_read": [[]]})
    wanted = change(Action.CREATE, Invoice, after)
    assert words in refused(wanted, books, code, **arguments).text


@pytest.mark.parametrize(
    ("table", "arguments", "code", "words"),
    [
        ({"party.party.search_read": [[]]}, {}, Code.BAD_FIELD, "is not there"),
        ({"party.party.search_read": [[{"id": 2, "addresses": []}]]}, {}, Code.BAD_FIELD, "no address"),
        ({"party.party.search_read": [[PARTY]], "currency.currency.search_read": [[]]}, {}, Code.BAD_CURRENCY, "USD"),
        ({"party.party.search_read": [[PARTY]], "currency.currency.search_read": [[USD]]}, {"revenue": None}, Code.NOT_ALLOWED, "revenue="),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named(
    table: dict[str, Any], arguments: dict[str, Any], code: Code, words: str
) -> None:
    books = Books({f"{BILLS}.search_read": [[]], **table})
    wanted = change(Action.CREATE, Invoice, invoice())
    assert words in refused(wanted, books, code, **arguments).text
    assert books.effects == []


def test_an_account_that_nobody_has_is_named() -> None:
    it = Line("x", dec("100.00"), account="9.9.9")
    books = Books(
        {
            f"{BILLS}.search_read": [[]],
            "party.party.search_read": [[PARTY]],
            "currency.currency.search_read": [[USD]],
            "account.account.search_read": [[]],
        }
    )
    wanted = change(Action.CREATE, Invoice, invoice(lines=(it,)))
    assert "9.9.9" in refused(wanted, books, Code.BAD_FIELD).text


def test_a_draft_is_not_posted_where_a_draft_is_wanted() -> None:
    after = invoice(status=Status.DRAFT)
    books = making(posts=[], row=draft())
    outcome = written(change(Action.CREATE, Invoice, after), books)
    assert isinstance(outcome.echo, Invoice)
    assert (outcome.state, outcome.echo.status) == (State.APPLIED, Status.DRAFT)


# What was left behind ---------------------------------------------------------------


def test_a_draft_that_was_left_behind_is_posted_and_not_made_again() -> None:
    table = {f"{BILLS}.search_read": [[draft()], [bill()]], f"{BILLS}.post": [None]}
    books = Books(table)
    outcome = written(change(Action.CREATE, Invoice, invoice()), books)
    assert (outcome.state, outcome.ref) == (State.APPLIED, ref("Invoice", "1"))
    assert books.effects == [f"{BILLS}.post"]


def test_what_was_posted_already_is_not_posted_again() -> None:
    books = Books({f"{BILLS}.search_read": [[bill()]]})
    outcome = written(change(Action.CREATE, Invoice, invoice()), books)
    assert (outcome.state, books.effects) == (State.APPLIED, [])


@pytest.mark.parametrize(
    "stale", [{"total": "60.00"}, {"invoice_date": LATER}, {"party": 4}]
)
def test_a_draft_left_of_an_older_state_is_made_anew_before_it_is_posted(
    stale: dict[str, Any],
) -> None:
    """Whoever lost the answer may have changed the document since."""
    books = making(posts=[None])
    books.table |= {
        f"{BILLS}.search_read": [[draft(**stale)], [bill()]],
        f"{BILLS}.create": [],
        f"{BILLS}.write": [None],
    }
    outcome = written(change(Action.CREATE, Invoice, invoice()), books)
    assert (outcome.state, outcome.ref) == (State.APPLIED, ref("Invoice", "1"))
    assert books.effects == [f"{BILLS}.write", f"{BILLS}.post"]
    ids, values = books.sent(f"{BILLS}.write")
    (deleted, (_, (line,))) = values["lines"]
    assert (ids, deleted) == ([1], ["delete", [71]])
    assert of(values["invoice_date"], values["party"]) == (ON, 2)
    assert of(line["unit_price"], line["quantity"]) == (100, 1)


def test_a_draft_is_left_where_a_draft_is_wanted() -> None:
    books = Books({f"{BILLS}.search_read": [[draft()]]})
    after = invoice(status=Status.DRAFT)
    outcome = written(change(Action.CREATE, Invoice, after), books)
    assert (outcome.state, books.effects) == (State.APPLIED, [])


def test_a_posted_document_of_another_total_is_told_as_such() -> None:
    books = Books({f"{BILLS}.search_read": [[bill(total="60.00")]]})
    outcome = written(change(Action.CREATE, Invoice, invoice()), books)
    assert (outcome.state, outcome.notes) == (State.APPLIED, (Code.TOTAL_DIFFERS,))
    assert books.effects == []


def test_a_reference_that_only_looks_like_the_mark_is_another() -> None:
    other = bill(9, reference=f"{MARK}X")
    books = making(posts=[None])
    books.table[f"{BILLS}.search_read"][0] = [other]
    outcome = written(change(Action.CREATE, Invoice, invoice()), books)
    assert outcome.ref == ref("Invoice", "1")


def test_two_documents_with_one_mark_are_for_a_person() -> None:
    books = Books({f"{BILLS}.search_read": [[bill(1), bill(2)]]})
    wanted = change(Action.CREATE, Invoice, invoice())
    assert MARK in refused(wanted, books, Code.DUPLICATE_NUMBER).text


NUMBER = Refused(["UserError", ["you must set an invoice date after X", "", None]])


def refusing(*posts: Any, **more: Any) -> Books:
    """The books while a document is made whose posting brings no good answer."""
    books = making(posts=[*posts], **more)
    books.table[f"{BILLS}.search_read"].pop()
    return books


def test_a_posting_that_is_refused_leaves_nothing_behind() -> None:
    """The draft was made just now, and nobody else has seen it: it is deleted."""
    books = refusing(NUMBER, **{f"{BILLS}.delete": [None]})
    wanted = change(Action.CREATE, Invoice, invoice())
    outcome = refused(wanted, books, Code.REFUSED)
    assert "Numbers follow dates" in outcome.remedy
    assert books.sent(f"{BILLS}.delete") == [[1]]


def test_a_draft_that_stays_behind_a_refusal_makes_the_outcome_unknown() -> None:
    """Nothing may be called certainly without effect; the first refusal is told."""
    stays = Refused(["UserError", ["You can not delete it.", "", None]])
    books = refusing(NUMBER, **{f"{BILLS}.delete": [stays]})
    outcome = written(change(Action.CREATE, Invoice, invoice()), books)
    assert (outcome.state, outcome.code) == (State.UNKNOWN, Code.REFUSED)
    assert "Numbers follow dates" in outcome.remedy


def test_a_posting_of_which_nothing_is_known_deletes_nothing() -> None:
    books = refusing(Response(504, {}, ""))
    outcome = written(change(Action.CREATE, Invoice, invoice()), books)
    assert (outcome.state, outcome.code) == (State.UNKNOWN, Code.SERVER_ERROR)
    assert f"{BILLS}.delete" not in books.methods


# Warnings ---------------------------------------------------------------------------


def test_a_warning_is_refused_with_its_name() -> None:
    table = {f"{BILLS}.search_read": [[draft()]], f"{BILLS}.post": [Refused(PAST)]}
    outcome = refused(
        change(Action.CREATE, Invoice, invoice()), Books(table), Code.REFUSED
    )
    assert outcome.text == "A date in the past. (invoice_payment_term)"
    assert "skip_warnings=" in outcome.remedy


def test_a_warning_that_counts_as_confirmed_is_skipped_and_the_call_repeated() -> None:
    skip = {"res.user.warning.skip": [None]}
    books = making(posts=[Refused(PAST), None], **skip)
    wanted = change(Action.CREATE, Invoice, invoice())
    outcome = written(wanted, books, skip_warnings=("invoice_payment_term",))
    assert outcome.state is State.APPLIED
    assert books.sent("res.user.warning.skip") == [f"{KEY}.invoice_payment_term", False]
    assert books.methods.count(f"{BILLS}.post") == 2


def test_a_warning_that_does_not_end_is_refused() -> None:
    table = {
        f"{BILLS}.search_read": [[draft()]],
        f"{BILLS}.post": [Refused(PAST)] * 6,
        "res.user.warning.skip": [None] * 5,
    }
    wanted = change(Action.CREATE, Invoice, invoice())
    names = ("invoice_payment_term",)
    outcome = written(wanted, Books(table), skip_warnings=names)
    assert (outcome.state, outcome.code) == (State.UNKNOWN, Code.REFUSED)


# Changing and voiding documents -----------------------------------------------------


def test_an_update_sends_what_differs_and_keeps_the_mark() -> None:
    before = invoice(ref=ref("Invoice", "1"), version="17.5", status=Status.DRAFT)
    new = (Line("y", dec("60.00")), Line("z", dec("40.00")))
    after = evolve(
        before, reference="PO 8", on=LATER, customer=ref("Customer", "4"), lines=new
    )
    shown = draft(reference=f"PO 8 {MARK}", invoice_date=LATER, party=4)
    books = Books(
        {
            f"{BILLS}.search_read": [[draft()], [shown]],
            "party.party.search_read": [[{"id": 4, "addresses": [9]}]],
            f"{BILLS}.write": [None],
        }
    )
    outcome = written(change(Action.UPDATE, Invoice, after, "1", before), books)
    assert outcome.state is State.APPLIED
    ids, values = books.sent(f"{BILLS}.write")
    deleted, created = values.pop("lines")
    assert (ids, deleted) == ([1], ["delete", [71]])
    prices = [(each["unit_price"], each["currency"]) for each in created[1]]
    assert prices == [(60, 1), (40, 1)]
    assert values == {
        "reference": f"PO 8 {MARK}",
        "invoice_date": LATER,
        "party": 4,
        "invoice_address": 9,
    }
    guard = {"_timestamp": {"account.invoice,1": "17.5"}}
    assert next(r for r in books.requests if r.effect).json["context"] == guard


def test_an_update_posts_a_draft_that_is_wanted_posted() -> None:
    before = invoice(ref=ref("Invoice", "1"), status=Status.DRAFT)
    books = Books(
        {f"{BILLS}.search_read": [[draft()], [bill()]], f"{BILLS}.post": [None]}
    )
    after = evolve(before, status=Status.OPEN)
    outcome = written(change(Action.UPDATE, Invoice, after, "1", before), books)
    assert (outcome.state, books.effects) == (State.APPLIED, [f"{BILLS}.post"])


def test_what_is_posted_is_tryton_s_to_refuse() -> None:
    before = invoice(ref=ref("Invoice", "1"))
    words = 'You are not allowed to modify the field "Invoice Date".'
    books = Books(
        {
            f"{BILLS}.search_read": [[bill()]],
            f"{BILLS}.write": [Refused(["UserError", [words, "", None]])],
        }
    )
    wanted = change(Action.UPDATE, Invoice, evolve(before, on=LATER), "1", before)
    assert refused(wanted, books, Code.REFUSED).text == words


@pytest.mark.parametrize(
    ("kind", "total"), [(Invoice, "100.00"), (CreditNote, "-100.00")]
)
def test_a_draft_is_deleted_and_a_posted_document_credited(
    kind: RecordType, total: str
) -> None:
    void = change(Action.VOID, kind, target="1")
    books = Books(
        {f"{BILLS}.search_read": [[draft(total=total)]], f"{BILLS}.delete": [None]}
    )
    assert written(void, books).state is State.APPLIED
    assert books.sent(f"{BILLS}.delete") == [[1]]
    name = "account.invoice.credit"
    books = Books(
        {
            f"{BILLS}.search_read": [[bill(total=total)]],
            f"{name}.create": [[3, "start", "end"]],
            f"{name}.execute": [{"actions": []}],
            f"{name}.delete": [None],
        }
    )
    assert written(void, books).state is State.APPLIED
    assert books.effects == [f"{name}.execute"]
    step = next(r for r in books.requests if r.effect).json
    assert step["method"] == "wizard.account.invoice.credit.execute"
    session, forms, state = step["params"]
    assert (session, state) == (3, "credit")
    assert forms["start"]["with_refund"] is True
    assert step["context"]["active_ids"] == [1]


def test_what_is_void_is_left_and_what_is_paid_refused() -> None:
    void = change(Action.VOID, Invoice, target="1")
    gone = Books({f"{BILLS}.search_read": [[bill(state="cancelled")]]})
    assert written(void, gone).state is State.APPLIED
    part = of_move(31, "-30.00", "account.invoice,1", "cash")
    paid = Books({f"{BILLS}.search_read": [[bill() | {"payment_lines.": [part]}]]})
    outcome = refused(void, paid, Code.REFUSED)
    assert "30.00" in outcome.text
    assert "Take back" in outcome.remedy
    nobody = Books({f"{BILLS}.search_read": [[]]})
    assert refused(void, nobody, Code.VANISHED).text == "there is no Invoice 1"
    other = Books({f"{BILLS}.search_read": [[bill(total="-100.00")]]})
    refused(void, other, Code.VANISHED)


# Payments as they are read ----------------------------------------------------------


def payments(*rows: dict[str, Any]) -> Any:
    books = Books({"account.move.search_read": [[*rows]]})
    return driven(tryton().fetch(Payment, ids=["13"]), books)


def read(*lines: dict[str, Any], **more: Any) -> Payment:
    page = payments(receipt(*lines, **more))
    assert not page.issues
    (found,) = page.records
    assert isinstance(found, Payment)
    assert found.amount == (found.unapplied or 0) + sum(
        each.amount for each in found.applications
    )
    return found


def test_a_part_payment_is_linked_to_its_invoice() -> None:
    it = read(line(31, "-40.00", **linked(1)))
    assert (it.ref, it.customer) == (ref("Payment", "13"), ref("Customer", "2"))
    assert of(it.amount, it.currency, it.on) == (40, "USD", LATER)
    assert of(it.reference, it.status, it.unapplied) == ("cheque 5", Status.SETTLED, 0)
    assert carries(it, MARK)
    (put,) = it.applications
    assert of(put.target, put.amount, put.how) == (ref("Invoice", "1"), 40, Part.CASH)
    assert (put.live, put.source) == (True, it.ref)


def test_what_was_paid_too_much_is_not_applied() -> None:
    own = of_move(2, "100.00", "account.invoice,1")
    whole = line(31, "-100.00", **linked(1, "0"), **closed(7, own))
    it = read(whole, line(32, "-30.00"))
    assert of(it.amount, it.unapplied, it.status) == (130, 30, Status.OPEN)


def test_a_payment_taken_back_is_void() -> None:
    back = of_move(41, "40.00", "account.move,13", "cash")
    it = read(line(31, "-40.00", **linked(1), **closed(8, back)))
    assert it.status is Status.VOID
    assert [each.live for each in it.applications] == [False]


def test_where_a_reconciliation_was_undone_nothing_is_applied() -> None:
    it = read(line(31, "-100.00", **linked(1, "0")))
    assert of(it.unapplied, it.applications, it.status) == (100, (), Status.OPEN)


def test_one_payment_of_two_invoices() -> None:
    two = [of_move(2, "60.00", "account.invoice,1"), of_move(4, "40.00", "account.invoice,5")]  # fmt: skip
    own = of_move(31, "-100.00", "account.statement,3", "statement")
    it = read(line(31, "-100.00", **closed(7, own, *two)))
    assert {x.target.id: x.amount for x in it.applications} == {"1": 60, "5": 40}


def test_where_nobody_can_tell_the_pairs_none_is_given() -> None:
    two = [of_move(2, "60.00", "account.invoice,1"), of_move(4, "60.00", "account.invoice,5")]  # fmt: skip
    others = [of_move(31, "-100.00", None), of_move(33, "-20.00", None)]
    page = payments(receipt(line(31, "-100.00", **closed(7, *two, *others))))
    (it,) = page.records
    assert (it.applications, it.unapplied, it.status) == ((), None, Status.SETTLED)


def test_refunds_and_reversals_are_no_payments() -> None:
    assert payments(receipt(line(31, "40.00"))).records == ()


def test_a_payment_in_another_currency() -> None:
    foreign = {"second_currency": 2, "second_currency.": {"id": 2, "code": "EUR"}}
    amount = {"amount_second_currency": dec("-32.00")}
    it = read(line(31, "-40.00", **foreign, **amount))
    assert of(it.amount, it.currency) == (32, "EUR")
    page = payments(receipt(line(31, "-40.00"), line(32, "-8", **foreign, **amount)))
    assert [each.code for each in page.issues] == [Code.BAD_CURRENCY]


def test_a_payment_that_is_not_posted_is_a_draft() -> None:
    assert read(line(31, "-40.00"), state="draft").status is Status.DRAFT


@pytest.mark.parametrize(
    ("select", "condition"),
    [
        (Dated(ON, LATER), [["date", ">=", ON], ["date", "<=", LATER]]),
        (Open(), None),
    ],
)
def test_payments_are_moves_on_what_customers_owe(
    select: Any, condition: list[Any] | None
) -> None:
    flow = tryton(company=3).page(Payment, select)
    if condition is None:
        with pytest.raises(Fault) as caught:
            next(flow)
        assert caught.value.code is Code.NOT_ALLOWED
        return
    asked = next(flow)
    assert isinstance(asked, Request)
    domain = decode(asked.json["params"])[0]
    assert ["journal.type", "in", ["cash", "statement"]] in domain[0]
    assert domain[1:3] == [
        ["lines.account.type.receivable", "=", True],
        ["company", "=", 3],
    ]
    assert domain[4:] == condition


# Writing payments -------------------------------------------------------------------

PAY = "account.invoice.pay"
FORM = {
    "amount": dec("100.00"),
    "company": 1,
    "company.": {"rec_name": "Dunder Mifflin"},
    "currency": 1,
    "date": ON,
    "invoice_account": 39,
    "payee": 2,
    "payees": [2],
}


def paid(amount: str, unapplied: str = "0", **more: Any) -> Payment:
    own, rest = ref("Payment"), dec(amount) - dec(unapplied)
    put = Application(ref("Application"), own, ref("Invoice", "1"), rest, "USD", LATER)
    given: dict[str, Any] = {
        "customer": ref("Customer", "2"),
        "currency": "USD",
        "on": LATER,
        "amount": dec(amount),
        "status": Status.SETTLED,
        "reference": "cheque 5",
        "unapplied": dec(unapplied),
        "applications": (put,),
    }
    return Payment(own, **{**given, **more})


def paying(owing: dict[str, Any], row: dict[str, Any]) -> Books:
    return Books(
        {
            "account.move.search_read": [[], [{"id": 3}, row]],
            f"{BILLS}.search_read": [[owing]],
            f"{PAY}.create": [[3, "start", "end"]],
            f"{PAY}.execute": [{"view": {"state": "start", "defaults": FORM}}, {}],
            f"{PAY}.delete": [None],
        }
    )


def test_a_payment_goes_through_tryton_s_wizard_with_one_effect() -> None:
    earlier = of_move(31, "-10.00", "account.invoice,1", "cash")
    owing = bill() | {"payment_lines.": [earlier]}
    books = paying(owing, receipt(line(33, "-40.00", **linked(1))))
    outcome = written(change(Action.CREATE, Payment, paid("40.00")), books)
    assert outcome.state is State.APPLIED
    assert outcome.ref == ref("Payment", "13")
    assert books.effects == [f"{PAY}.execute"]
    session, forms, state = books.sent(f"{PAY}.execute")
    assert (session, state) == (3, "pay")
    assert forms["start"] == {
        "amount": dec("40.00"),
        "company": 1,
        "currency": 1,
        "date": LATER,
        "invoice_account": 39,
        "payee": 2,
        "payees": [2],
        "payment_method": 4,
        "description": f"cheque 5 {MARK}",
    }
    assert forms["ask"] == {
        "amount": dec("40.00"),
        "company": 1,
        "currency": 1,
        "invoice": 1,
        "lines": [2],
        "lines_to_pay": [2],
        "payment_lines": [31],
        "type": "partial",
        "writeoff": None,
    }
    look = books.asked[0][1][0]
    assert ["OR", ["description", "like", f"%{MARK}%"]] in look


def test_a_payment_that_is_not_shown_is_unknown() -> None:
    books = paying(bill(), receipt())
    books.table["account.move.search_read"][1] = []
    outcome = written(change(Action.CREATE, Payment, paid("40.00")), books)
    assert (outcome.state, outcome.code) == (State.UNKNOWN, Code.BAD_PAYLOAD)


def test_more_than_is_owed_only_where_that_is_allowed() -> None:
    wanted = change(Action.CREATE, Payment, paid("130.00", "30.00"))
    books = Books(
        {"account.move.search_read": [[]], f"{BILLS}.search_read": [[bill()]]}
    )
    assert "overpay=True" in refused(wanted, books, Code.OVERPAID).remedy
    own = of_move(2, "100.00", "account.invoice,1")
    whole = line(31, "-100.00", **linked(1, "0"), **closed(7, own))
    books = paying(bill(), receipt(whole, line(32, "-30.00")))
    outcome = written(wanted, books, overpay=True)
    assert outcome.state is State.APPLIED
    assert books.sent(f"{PAY}.execute")[1]["ask"]["type"] == "overpayment"


@pytest.mark.parametrize(
    ("after", "row", "code"),
    [
        (paid("40.00"), bill(state="cancelled"), Code.REFUSED),
        (paid("40.00"), bill(total="-100.00"), Code.REFUSED),
        (paid("40.00", currency="EUR"), bill(), Code.CURRENCY_DIFFERS),
        (paid("40.00"), bill(party=4), Code.NOT_ALLOWED),
        (paid("40.00", "10.00"), bill(), Code.NOT_ALLOWED),
        (paid("130.00"), bill(), Code.OVERPAID),
    ],
)
def test_a_payment_that_would_be_another_is_refused(
    after: Payment, row: dict[str, Any], code: Code
) -> None:
    books = Books({"account.move.search_read": [[]], f"{BILLS}.search_read": [[row]]})
    refused(change(Action.CREATE, Payment, after), books, code)


@pytest.mark.parametrize(
    ("amount", "unapplied"),
    [("110.00", "5.00"), ("100.00", "40.00"), ("50.00", "5.00")],
)
def test_an_unapplied_rest_that_tryton_would_apply_is_refused(
    amount: str, unapplied: str
) -> None:
    books = Books(
        {"account.move.search_read": [[]], f"{BILLS}.search_read": [[bill()]]}
    )
    wanted = change(Action.CREATE, Payment, paid(amount, unapplied))
    refused(wanted, books, Code.NOT_ALLOWED, overpay=True)


def test_a_payment_is_of_one_invoice_and_by_one_method() -> None:
    one = paid("40.00").applications[0]
    both = (one, evolve(one, target=ref("Invoice", "5")))
    wanted = change(Action.CREATE, Payment, paid("40.00", applications=both))
    refused(wanted, Books({"account.move.search_read": [[]]}), Code.NOT_ALLOWED)
    wanted = change(Action.CREATE, Payment, paid("40.00"))
    books = Books({"account.move.search_read": [[]]})
    told = refused(wanted, books, Code.NOT_ALLOWED, payment_method=None)
    assert "payment_method=" in told.text
    nobody = Books({"account.move.search_read": [[]], f"{BILLS}.search_read": [[]]})
    refused(wanted, nobody, Code.NO_SUCH_RESOURCE)


def test_a_payment_that_is_there_is_not_made_again() -> None:
    row = receipt(line(33, "-40.00", **linked(1)))
    books = Books({"account.move.search_read": [[row]]})
    outcome = written(change(Action.CREATE, Payment, paid("40.00")), books)
    assert (outcome.state, books.effects) == (State.APPLIED, [])


def test_a_session_of_the_wizard_that_cannot_be_closed_does_no_harm() -> None:
    books = paying(bill(), receipt(line(33, "-40.00", **linked(1))))
    books.table[f"{PAY}.delete"] = [Response(503)]
    outcome = written(change(Action.CREATE, Payment, paid("40.00")), books)
    assert outcome.state is State.APPLIED


CANCEL = "account.move.cancel"


def test_a_payment_is_taken_back_by_undoing_and_reversing_it() -> None:
    own = of_move(2, "100.00", "account.invoice,1")
    other = of_move(35, "-30.00", "account.invoice,1", "cash", invoice_payments=[1])
    whole = line(31, "-70.00", **linked(1, "0"), **closed(7, own, other))
    key = f"{KEY}.cancel_invoice_move"
    books = Books(
        {
            "account.move.search_read": [[receipt(whole)]],
            "account.move.reconciliation.delete": [None],
            f"{CANCEL}.create": [[4, "default", "end"]],
            f"{CANCEL}.execute": [Refused(["UserWarning", [key, "Sure?", ""]]), {}],
            "res.user.warning.skip": [None],
            f"{CANCEL}.delete": [None],
        }
    )
    outcome = written(change(Action.VOID, Payment, target="13"), books)
    assert outcome.state is State.APPLIED
    assert books.sent("account.move.reconciliation.delete") == [[7]]
    session, forms, state = books.sent(f"{CANCEL}.execute")
    assert (session, state) == (4, "cancel")
    assert forms == {"default": {"description": None, "reversal": True}}
    assert books.sent("res.user.warning.skip") == [key, False]


def test_a_payment_on_which_others_hang_is_not_undone() -> None:
    own = of_move(2, "100.00", "account.invoice,1")
    for other in (
        of_move(35, "-30.00", "account.invoice,9"),  # a credit note that is not linked
        of_move(36, "-30.00", None, "write-off"),
    ):
        whole = line(31, "-70.00", **linked(1, "0"), **closed(7, own, other))
        books = Books({"account.move.search_read": [[receipt(whole)]]})
        wanted = change(Action.VOID, Payment, target="13")
        assert "by hand" in refused(wanted, books, Code.REFUSED).remedy


def test_a_payment_that_was_taken_back_is_left() -> None:
    back = of_move(41, "40.00", "account.move,13", "cash")
    row = receipt(line(31, "-40.00", **linked(1), **closed(8, back)))
    wanted = change(Action.VOID, Payment, target="13")
    books = Books({"account.move.search_read": [[row]]})
    assert written(wanted, books).state is State.APPLIED
    refused(wanted, Books({"account.move.search_read": [[]]}), Code.VANISHED)
    refund = Books({"account.move.search_read": [[receipt(line(31, "40.00"))]]})
    refused(wanted, refund, Code.VANISHED)


# Credit notes put to invoices -------------------------------------------------------

RECONCILE = "account.move.reconcile_lines"


def note(total: str = "-36.00", **more: Any) -> dict[str, Any]:
    return bill(9, total, line(57, total, **more))


def put(amount: str = "36.00", **more: Any) -> Application:
    given: dict[str, Any] = {"how": Part.CREDIT, **more}
    ends = (ref("CreditNote", "9"), ref("Invoice", "1"))
    return Application(ref("Application"), *ends, dec(amount), "USD", ON, **given)


def test_a_credit_note_tells_what_it_was_put_to() -> None:
    own = of_move(2, "100.00", "account.invoice,1")
    rows = {
        "linked": note(**linked(1, "64.00")),
        "reconciled": note(
            **closed(7, of_move(57, "-36.00", "account.invoice,9"), own)
        ),
    }
    for how, row in rows.items():
        more: list[list[Any]] = [[]] if how == "reconciled" else []
        books = Books({f"{BILLS}.search_read": [[row], *more]})
        page = driven(tryton().fetch(Application, ids=["9/1"]), books)
        (it,) = page.records
        assert it.amount == 36
        assert it.ref == ref("Application", "9/1")
        assert (it.source, it.target) == (ref("CreditNote", "9"), ref("Invoice", "1"))
        assert (it.currency, it.on, it.how) == ("USD", ON, Part.CREDIT)
    refund = of_move(60, "36.00", "account.invoice,9", "cash")
    for nothing, more in (
        (note(), []),
        (note(**closed(7, refund)), [[]]),
        (bill(), []),
    ):
        books = Books({f"{BILLS}.search_read": [[nothing], *more]})
        assert driven(tryton().fetch(Application, ids=["9/1"]), books).records == ()


@pytest.mark.parametrize(
    ("kind", "total"), [(Invoice, "36.00"), (CreditNote, "-36.00")]
)
def test_what_took_another_document_back_is_void_with_it(
    kind: type[Invoice | CreditNote], total: str
) -> None:
    """It was made by Tryton and looks like any other; only the other one tells of it."""
    theirs = of_move(2, str(-dec(total)), "account.invoice,1")
    settled = bill(9, total, line(57, total, **closed(7, theirs)))
    alone = Status.SETTLED if kind is CreditNote else Status.OPEN
    tells = [{"id": 1, "cancel_move": 1}]
    for cancelled, status in ((tells, Status.VOID), ([], alone)):
        books = Books({f"{BILLS}.search_read": [[settled], cancelled]})
        (it,) = driven(tryton().fetch(kind, ids=["9"]), books).records
        assert it.status is status
        assert books.asked[1][1][0] == [["cancel_move", "in", [1]]]


def test_only_where_nobody_paid_it_is_asked_what_a_document_took_back() -> None:
    theirs = of_move(2, "-100.00", "account.invoice,1", "cash")
    paid = bill(1, "100.00", line(57, "100.00", **closed(7, theirs)))
    for row in (bill(), {**paid, "payment_lines": [2]}):
        books = Books({f"{BILLS}.search_read": [[row]]})
        driven(tryton().fetch(Invoice, ids=["1"]), books)


def test_an_application_is_asked_for_by_its_credit_note() -> None:
    books = Books({f"{BILLS}.search_read": [[]]})
    driven(tryton().fetch(Application, ids=["9/1", "9/2"]), books)
    assert books.asked[0][1][0] == [["type", "=", "out"], ["id", "in", [9]]]
    page = driven(tryton().fetch(Invoice, ids=["9/1", "9/99999999999"]), Books({}))
    assert [issue.numbers for issue in page.issues] == [("9/1",)]


def test_a_credit_note_that_covers_it_all_is_reconciled() -> None:
    paid = of_move(31, "-64.00", "account.invoice,1", "cash")
    owing = bill() | {"payment_lines.": [paid]}
    after = note(**closed(7, of_move(2, "100.00", "account.invoice,1")))
    books = Books(
        {
            f"{BILLS}.search_read": [[note()], [owing], [after]],
            f"{RECONCILE}.create": [[5, "start", "end"]],
            f"{RECONCILE}.execute": [{}],
            f"{RECONCILE}.delete": [None],
        }
    )
    outcome = written(change(Action.CREATE, Application, put(), mark=""), books)
    assert (outcome.state, outcome.ref) == (State.APPLIED, ref("Application", "9/1"))
    assert books.effects == [f"{RECONCILE}.execute"]
    context = next(r for r in books.requests if r.effect).json["context"]
    assert context["active_model"] == "account.move.line"
    assert context["active_ids"] == [57, 2, 31]


def test_a_smaller_credit_note_is_linked() -> None:
    after = note(**linked(1, "64.00"))
    books = Books(
        {
            f"{BILLS}.search_read": [[note()], [bill()], [after]],
            f"{BILLS}.write": [None],
        }
    )
    outcome = written(change(Action.CREATE, Application, put(), mark=""), books)
    assert outcome.state is State.APPLIED
    sent = books.sent(f"{BILLS}.write")
    assert sent == [[1], {"payment_lines": [["add", [57]]]}]


def test_an_application_that_is_there_is_not_made_again() -> None:
    books = Books({f"{BILLS}.search_read": [[note(**linked(1, "64.00"))]]})
    outcome = written(change(Action.CREATE, Application, put(), mark=""), books)
    assert (outcome.state, books.effects) == (State.APPLIED, [])


@pytest.mark.parametrize(
    ("after", "rows", "code"),
    [
        (put("20.00"), [[note()], [bill()]], Code.NOT_ALLOWED),
        (put(), [[note()], [bill(total="30.00")]], Code.REFUSED),
        (put(), [[bill(9)]], Code.NO_SUCH_RESOURCE),
        (put(), [[note()], []], Code.NO_SUCH_RESOURCE),
        (evolve(put(), source=ref("Payment", "13")), [], Code.NOT_ALLOWED),
    ],
)
def test_an_application_that_cannot_be_is_refused(
    after: Application, rows: list[Any], code: Code
) -> None:
    books = Books({f"{BILLS}.search_read": rows})
    refused(change(Action.CREATE, Application, after, mark=""), books, code)
    assert books.effects == []


def test_an_answer_that_shows_no_application_is_unknown() -> None:
    books = Books(
        {
            f"{BILLS}.search_read": [[note()], [bill()], [note()]],
            f"{BILLS}.write": [None],
        }
    )
    outcome = written(change(Action.CREATE, Application, put(), mark=""), books)
    assert (outcome.state, outcome.code) == (State.UNKNOWN, Code.BAD_PAYLOAD)


def test_lines_that_do_not_balance_are_unknown() -> None:
    books = Books(
        {
            f"{BILLS}.search_read": [[note("-100.00")], [bill()]],
            f"{RECONCILE}.create": [[5, "start", "end"]],
            f"{RECONCILE}.execute": [{"view": {"state": "writeoff"}}],
            f"{RECONCILE}.delete": [None],
        }
    )
    wanted = change(Action.CREATE, Application, put("100.00"), mark="")
    outcome = written(wanted, books)
    assert (outcome.state, outcome.text) == (State.UNKNOWN, "the lines do not balance")


def test_an_application_is_undone_and_unlinked() -> None:
    own = of_move(2, "100.00", "account.invoice,1")
    paid = of_move(31, "-64.00", "account.invoice,1", "cash", invoice_payments=[1])
    row = note(**linked(1, "0"), **closed(7, own, paid))
    books = Books(
        {
            f"{BILLS}.search_read": [[row]],
            "account.move.reconciliation.delete": [None],
            f"{BILLS}.write": [None],
        }
    )
    void = change(Action.VOID, Application, target="9/1")
    assert written(void, books).state is State.APPLIED
    assert books.effects == ["account.move.reconciliation.delete", f"{BILLS}.write"]
    sent = books.sent(f"{BILLS}.write")
    assert sent == [[1], {"payment_lines": [["remove", [57]]]}]
    hung = of_move(61, "-64.00", "account.invoice,10")
    row = note(**closed(7, own, hung))
    refused(void, Books({f"{BILLS}.search_read": [[row]]}), Code.REFUSED)


def test_an_application_that_is_gone_is_left() -> None:
    void = change(Action.VOID, Application, target="9/1")
    books = Books({f"{BILLS}.search_read": [[note()], [bill()]]})
    assert written(void, books).state is State.APPLIED
    cases: list[Any] = [[[]], [[note()], []]]
    for rows in cases:
        gone = Books({f"{BILLS}.search_read": rows})
        assert written(void, gone).state is State.APPLIED


# Found again, and what it can do ----------------------------------------------------


def test_documents_are_found_by_their_marks_together() -> None:
    others = [change(Action.CREATE, Invoice, invoice()) for _ in range(2)]
    wanted = [others[0], evolve(others[1], mark="100%_\\")]
    books = Books({f"{BILLS}.search_read": [[bill()]]})
    page = driven(tryton().find(wanted), books)
    assert [carries(record, MARK) for record in page.records] == [True]
    asked = books.asked[0][1][0][1]
    assert asked == [
        "OR",
        ["reference", "like", f"%{MARK}%"],
        ["reference", "like", "%100\\%\\_\\\\%"],
    ]


def test_a_mark_is_told_apart_from_what_a_person_wrote() -> None:
    books = Books({f"{BILLS}.search_read": [[bill(reference=f"a  b {MARK} c")]]})
    (it,) = driven(tryton().fetch(Invoice, ids=["1"]), books).records
    assert (it.reference, it.custom) == ("a b c", {"mark": MARK})


def test_what_each_kind_can_do() -> None:
    can = tryton().capabilities
    assert can.kind(Invoice).creates is Creates.DRAFT_THEN_POST
    assert can.kind(Invoice).updates is Updates.DRAFTS_ONLY
    assert can.kind(Payment).selects >= {Changed, Dated}
    assert can.invoices_per_payment == 1
    assert can.version_token
    with pytest.raises(Fault) as caught:
        next(tryton().find([change(Action.CREATE, Application, put())]))
    assert caught.value.code is Code.NOT_ALLOWED
