"""Sage Intacct: what is sent for each change, and what is known of it then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from intacct_wire import (
    CONNECTION,
    answer,
    drive,
    error,
    failure,
    functions,
    has,
    intacct,
    page,
    query,
    refused,
    result,
    written,
)

from tieout.change import Action, Change, Outcome, State
from tieout.connectors.intacct import Intacct
from tieout.connectors.intacct.lines import LINE_KEYS
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
    Posting,
    Record,
    Ref,
    Settlement,
    Status,
)
from tieout.wire import Answer, Request, Response

D = Decimal
MARK = "TO-ABCDEFGHIJKLM"
DAY = date(2026, 3, 8)
SPLIT = "<year>2026</year><month>03</month><day>08</day>"


def ref(kind: str, identity: str = "") -> Ref:
    return Ref(CONNECTION, kind, identity)


ADA = ref("Customer", "C1")


def ledger(**options: Any) -> Intacct:
    """A company with defaults for what its documents need."""
    held: dict[str, Any] = {
        "base_currency": "USD",
        "account": "4000",
        "location": "100",
        "department": "D1",
        "tax_accounts": {"": "2200"},
        "deposit_accounts": {
            "USD/Cash": "undeposited:1099",
            "USD/*": "BOA",
            "EUR/*": "EURO",
        },
    }
    return intacct(**{**held, **options})


def create(after: Record, name: str = "n1", **more: Any) -> Change:
    kind = type(after)
    number = getattr(after, "number", "")
    own = number if kind in (Invoice, Customer) else "" if kind is Application else MARK
    return Change(
        name,
        Action.CREATE,
        kind,
        CONNECTION,
        Ref("app:1", kind.__name__, name),
        after=after,
        number=number,
        **{"mark": own, "key": f"key-{name}", **more},
    )


def change(action: Action, before: Any, after: Any = None, **more: Any) -> Change:
    kind = type(before)
    source = Ref("app:1", kind.__name__, "1")
    held = {"target": before.ref, "before": before, "after": after, "key": "key-n1"}
    return Change("n1", action, kind, CONNECTION, source, **{**held, **more})


LINES = (Line("Work & more", D("90.00"), tax=D("10.00"), tax_code="GST"),)
BILL = Invoice(
    ref("Invoice"),
    "INV-1",
    ADA,
    "USD",
    DAY,
    D("100.00"),
    Status.OPEN,
    reference="PO 7",
    due=date(2026, 4, 8),
    lines=LINES,
)
NOTE = CreditNote(
    ref("CreditNote"),
    "CM-1",
    ADA,
    "USD",
    DAY,
    D("40.00"),
    Status.OPEN,
    lines=(Line("Back", D("40.00")),),
)


def bill(**more: Any) -> Invoice:
    return evolve(BILL, **more)


def note(**more: Any) -> CreditNote:
    return evolve(NOTE, **more)


def put(amount: str, target: str = "101", **more: Any) -> Application:
    ends = (ref("Application"), ref("Payment"), ref("Invoice", target))
    return Application(*ends, D(amount), "USD", DAY, **more)


def money(*puts: Application, amount: str = "60.00", **more: Any) -> Payment:
    applied = sum((each.amount for each in puts), D(0))
    payment = Payment(
        ref("Payment"),
        ADA,
        "USD",
        DAY,
        D(amount),
        Status.SETTLED,
        reference="wire 1",
        unapplied=D(amount) - applied,
        applications=puts,
    )
    return evolve(payment, **more)


def sent(
    connector: Intacct, *changes: Change, reply: Response | Fault | None = None
) -> tuple[Request, tuple[Outcome, ...]]:
    """The one request for these changes, and what an answer to it means."""
    flow = connector.write(changes)
    request = next(flow)
    assert isinstance(request, Request)
    assert request.effect
    if reply is None:
        # Every function was carried out, and shows nothing.
        told = functions(request)
        reads = ("query",)
        reply = answer(
            *(
                result(name, function=each.tag, key="" if each.tag in reads else "101")
                for name, each in told.items()
            )
        )
    flow = connector.write(changes)
    (asked,), outcomes = drive(flow, reply)
    return asked, outcomes


def function(connector: Intacct, wanted: Change) -> str:
    """The function that a change becomes."""
    asked, _ = sent(connector, wanted)
    return written(functions(asked)[wanted.key or wanted.name])


def looks(request: Request) -> dict[str, str]:
    """The control ids of the queries behind the writes, by object."""
    queries = {n: e for n, e in functions(request).items() if e.tag == "query"}
    return {e.findtext("object", ""): name for name, e in queries.items()}


def told(
    connector: Intacct, wanted: Change, made: str, **shown: Sequence[Mapping[str, Any]]
) -> tuple[Request, Outcome]:
    """What comes of a change whose answer shows these rows, by object."""
    request, _ = sent(connector, wanted)
    rows = [result(look, *shown.get(name, ())) for name, look in looks(request).items()]
    asked, (outcome,) = sent(connector, wanted, reply=answer(made, *rows))
    return asked, outcome


def not_sent(connector: Intacct, wanted: Change) -> Outcome:
    """What comes of a change of which nothing is sent."""
    asked, (outcome,) = drive(connector.write([wanted]))
    assert asked == []
    return outcome


BILL_ROW = {
    "RECORDNO": "101",
    "RECORDID": "INV-1",
    "CUSTOMERID": "C1",
    "STATE": "Posted",
    "CURRENCY": "USD",
    "BASECURR": "USD",
    "TRX_TOTALENTERED": "100",
    "TRX_TOTALDUE": "100",
    "WHENCREATED": "03/08/2026",
    "WHENDUE": "04/08/2026",
    "DOCNUMBER": "PO 7",
}
PAID_ROW = {
    "RECORDNO": "201",
    "STATE": "C",
    "CUSTOMERID": "C1",
    "DOCNUMBER": MARK,
    "RECEIPTDATE": "03/08/2026",
    "CURRENCY": "USD",
    "TRX_TOTALENTERED": "60",
}


# Invoices -------------------------------------------------------------------------------


def test_an_invoice_has_its_elements_in_the_vendors_order() -> None:
    """B78, B79: the defaults stand on every line, that of the tax too."""
    asked, (outcome,) = sent(ledger(), create(bill()))
    assert asked.header("Tieout-Unique") == "true"
    assert written(functions(asked)["key-n1"]) == (
        f"<create_invoice><customerid>C1</customerid><datecreated>{SPLIT}</datecreated>"
        "<datedue><year>2026</year><month>04</month><day>08</day></datedue>"
        "<action>Submit</action><invoiceno>INV-1</invoiceno><ponumber>PO 7</ponumber>"
        "<invoiceitems><lineitem><glaccountno>4000</glaccountno><amount>90.00</amount>"
        "<memo>Work &amp; more</memo><locationid>100</locationid>"
        "<departmentid>D1</departmentid></lineitem>"
        "<lineitem><glaccountno>2200</glaccountno><amount>10.00</amount>"
        "<memo>Tax GST</memo><locationid>100</locationid>"
        "<departmentid>D1</departmentid></lineitem></invoiceitems></create_invoice>"
    )
    assert (outcome.state, outcome.ref) == (State.APPLIED, ref("Invoice", "101"))
    (look,) = looks(asked).values()
    assert has("RECORDID", "INV-1") in query(asked, look)[2]


def test_the_answer_shows_what_the_system_made_of_it() -> None:
    """One request: behind the function, a query for what it made."""
    made = result("key-n1", function="create_invoice", key="101")
    wanted = create(bill())
    _, outcome = told(ledger(), wanted, made, ARINVOICE=[BILL_ROW])
    assert isinstance(outcome.echo, Invoice)
    assert outcome.echo.total == D(100)
    assert carries(outcome.echo, wanted.mark)
    assert believed(wanted, outcome).state is State.APPLIED
    other = {**BILL_ROW, "TRX_TOTALENTERED": "90", "TRX_TOTALDUE": "90"}
    _, outcome = told(ledger(), wanted, made, ARINVOICE=[other])
    outcome = believed(wanted, outcome)
    assert (outcome.state, outcome.notes) == (State.APPLIED, (Code.TOTAL_DIFFERS,))
    # What cannot be read was made all the same.
    for odd in ({**BILL_ROW, "STATE": "odd"}, {**BILL_ROW, "RECORDNO": "102"}):
        _, outcome = told(ledger(), wanted, made, ARINVOICE=[odd])
        assert (outcome.state, outcome.echo) == (State.APPLIED, None)


def test_drafts_due_days_and_lines_have_their_defaults() -> None:
    text = function(
        ledger(), create(bill(status=Status.DRAFT, due=None, lines=(), reference=""))
    )
    assert "<action>Draft</action>" in text
    assert f"<datedue>{SPLIT}</datedue>" in text
    assert "ponumber" not in text
    assert "<amount>100.00</amount><memo>INV-1</memo>" in text


KEYS = {
    "intacct_glaccountno": "glaccountno",
    "intacct_offsetglaccountno": "offsetglaccountno",
    "intacct_allocation": "allocationid",
    "intacct_location": "locationid",
    "intacct_department": "departmentid",
    "intacct_project": "projectid",
    "intacct_vendor": "vendorid",
    "intacct_employee": "employeeid",
    "intacct_item": "itemid",
    "intacct_class": "classid",
    "intacct_contract": "contractid",
    "intacct_warehouse": "warehouseid",
    "intacct_deferredrevaccount": "defrevaccount",
    "intacct_revrectemplate": "revrectemplate",
}


def lined(line: Line, **options: Any) -> str:
    """The lines of an invoice of one line."""
    wanted = create(bill(lines=(line,), total=line.amount))
    return function(ledger(**options), wanted).partition("<invoiceitems>")[2]


@pytest.mark.parametrize(("key", "element"), KEYS.items())
def test_a_lines_own_keys_say_where_it_goes(key: str, element: str) -> None:
    """B80."""
    own = Line("x", D("1.00"), custom={key: "V 1"})
    assert f"<{element}>V 1</{element}>" in lined(own)


@pytest.mark.parametrize("value", ["2026-03-08", DAY])
@pytest.mark.parametrize("name", ["revrecstartdate", "revrecenddate"])
def test_a_lines_days_are_split(name: str, value: Any) -> None:
    """B80."""
    own = Line("x", D("1.00"), custom={f"intacct_{name}": value})
    assert f"<{name}>{SPLIT}</{name}>" in lined(own)


def test_there_are_sixteen_keys() -> None:
    assert set(LINE_KEYS) == {*KEYS, "intacct_revrecstartdate", "intacct_revrecenddate"}


def test_what_is_nearest_to_a_line_wins_and_harms_no_other() -> None:
    """B81: its key, its own fields, what is configured, nothing."""
    first = Line(
        "a",
        D("1.00"),
        account="4100",
        item="I1",
        dimensions={"location": "200", "class": "K", "Department": "D2"},
        custom={"intacct_location": "300", "intacct_item": "I2", "else": "x"},
    )
    wanted = create(bill(lines=(first, Line("b", D("2.00"))), total=D("3.00")))
    text = function(ledger(), wanted)
    assert (
        "<lineitem><glaccountno>4100</glaccountno><amount>1.00</amount><memo>a</memo>"
        "<locationid>300</locationid><departmentid>D2</departmentid>"
        "<itemid>I2</itemid><classid>K</classid></lineitem>"
        "<lineitem><glaccountno>4000</glaccountno><amount>2.00</amount><memo>b</memo>"
        "<locationid>100</locationid><departmentid>D1</departmentid></lineitem>"
    ) in text
    bare = lined(Line("a", D("1.00")), location="", department="")
    assert "locationid" not in bare
    assert "departmentid" not in bare
    entity = lined(Line("a", D("1.00")), location="", locationid="200")
    assert "<locationid>200</locationid>" in entity


def test_a_key_that_is_not_known_is_left_out_with_a_notice() -> None:
    """B82."""
    own = Line("x", D("1.00"), dimensions={"moon": "1"}, custom={"intacct_moon": "1"})
    wanted = create(bill(lines=(own,), total=D("1.00")))
    asked, (outcome,) = sent(ledger(), wanted)
    assert b"moon" not in asked.body()
    assert (outcome.state, outcome.notes) == (State.APPLIED, (Code.LEFT_OUT,))
    assert outcome.text == "left out: line 1: dimension moon; line 1: intacct_moon"


def test_a_malformed_day_names_its_line_and_sends_nothing() -> None:
    """B82."""
    bad = Line("b", D("50.00"), custom={"intacct_revrecstartdate": "31/12/2026"})
    outcome = not_sent(ledger(), create(bill(lines=(Line("a", D("50.00")), bad))))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.BAD_DATE)
    assert outcome.text.startswith("line 2: intacct_revrecstartdate: ")


@pytest.mark.parametrize(
    ("after", "options", "code", "words"),
    [
        (bill(customer=None), {}, Code.BAD_FIELD, "no customer"),
        (bill(), {"account": ""}, Code.NOT_ALLOWED, "line 1 has no account"),
        (bill(), {"tax_accounts": {"VAT": "1"}}, Code.NOT_ALLOWED, "no account for tax GST"),
        (bill(total=D("101.00")), {}, Code.TOTALS_DISAGREE, "come to 100.00"),
        (bill(lines=(Line("x", D("100.005")),), total=D("100.005")), {}, Code.NOT_ALLOWED, "rounds"),
        (bill(number="INV\x00"), {}, Code.NOT_ALLOWED, "XML"),
        (note(customer=None), {}, Code.BAD_FIELD, "no customer"),
    ],
)  # fmt: skip
def test_a_document_that_lacks_something_is_not_sent(
    after: Record, options: Any, code: Code, words: str
) -> None:
    outcome = not_sent(ledger(**options), create(after))
    assert (outcome.state, outcome.code) == (State.REJECTED, code)
    assert words in outcome.text


def test_tax_is_a_line_for_each_code() -> None:
    lines = (
        Line("a", D("10.00"), tax=D("1.00"), tax_code="GST"),
        Line("b", D("20.00"), tax=D("2.00"), tax_code="GST"),
        Line("c", D("30.00"), tax=D("3.00")),
    )
    accounts = {"GST": "2201", "": "2200"}
    wanted = create(bill(lines=lines, total=D("66.00")))
    text = function(ledger(tax_accounts=accounts), wanted)
    assert text.count("<lineitem>") == 5
    assert "<glaccountno>2201</glaccountno><amount>3.00</amount><memo>Tax GST" in text
    assert "<glaccountno>2200</glaccountno><amount>3.00</amount><memo>Tax<" in text


def test_another_currency_is_told_with_the_vendors_own_rate() -> None:
    """PF46: a rate is never made up."""
    text = function(ledger(rate_type="Own"), create(bill(currency="EUR")))
    assert (
        f"<basecurr>USD</basecurr><currency>EUR</currency><exchratedate>{SPLIT}"
        "</exchratedate><exchratetype>Own</exchratetype><invoiceitems>" in text
    )
    bare = function(ledger(base_currency=""), create(bill()))
    assert "</ponumber><currency>USD</currency><invoiceitems>" in bare


def test_in_bill_to_mode_an_invoice_names_its_contact() -> None:
    """B88: and its payment the customer alone."""
    connector = ledger(bill_to_contacts=True)
    contact = ref("Customer", "C%2F1/Ada/2")
    text = function(connector, create(bill(customer=contact)))
    assert "<customerid>C/1</customerid>" in text
    assert "<billto><contactname>Ada/2</contactname></billto><invoiceitems>" in text
    credit = function(connector, create(note(customer=contact)))
    assert "billto" not in credit
    paid = function(connector, create(money(put("60.00"), customer=contact)))
    assert "<CUSTOMERID>C/1</CUSTOMERID>" in paid


STANDING = bill(ref=ref("Invoice", "101"))


def test_an_update_sends_what_differs_and_clears_what_is_gone() -> None:
    after = evolve(STANDING, reference="", due=date(2026, 5, 8), number="INV-2")
    asked, (outcome,) = sent(ledger(), change(Action.UPDATE, STANDING, after))
    assert written(functions(asked)["key-n1"]) == (
        '<update_invoice key="101">'
        "<datedue><year>2026</year><month>05</month><day>08</day></datedue>"
        "<invoiceno>INV-2</invoiceno><ponumber /></update_invoice>"
    )
    (look,) = looks(asked).values()
    assert has("RECORDNO", "101") in query(asked, look)[2]
    assert (outcome.state, outcome.ref) == (State.APPLIED, STANDING.ref)
    undated = evolve(STANDING, due=None)
    assert function(ledger(), change(Action.UPDATE, STANDING, undated)) == (
        '<update_invoice key="101"><datedue /></update_invoice>'
    )
    blind = evolve(change(Action.UPDATE, STANDING, after), before=None)
    assert "<datecreated>" in function(ledger(), blind)


def test_an_update_of_lines_alone_is_refused() -> None:
    after = evolve(STANDING, lines=(Line("other", D("100.00")),))
    outcome = not_sent(ledger(), change(Action.UPDATE, STANDING, after))
    assert outcome.code is Code.NOT_ALLOWED


def test_an_invoice_is_reversed_on_its_day_and_a_draft_deleted() -> None:
    wanted = change(Action.VOID, STANDING)
    assert function(ledger(), wanted) == (
        f'<reverse_invoice key="101"><datereversed>{SPLIT}</datereversed></reverse_invoice>'
    )
    later = ledger(reversed_on=lambda day: day.replace(month=4))
    assert "<month>04</month>" in function(later, wanted)
    draft = change(Action.VOID, evolve(STANDING, status=Status.DRAFT))
    assert function(ledger(), draft) == '<delete_invoice key="101" />'
    blind = evolve(change(Action.VOID, STANDING), before=None)
    assert not_sent(ledger(), blind).code is Code.NOT_ALLOWED


def test_what_order_entry_made_is_changed_there() -> None:
    """B92."""
    made = evolve(STANDING, ref=ref("Invoice", "Sales Invoice-SI1"))
    after = evolve(made, reference="x")
    for wanted in (change(Action.UPDATE, made, after), change(Action.VOID, made)):
        outcome = not_sent(ledger(), wanted)
        assert outcome.code is Code.NOT_ALLOWED
        assert "order entry" in outcome.text
    with pytest.raises(Fault) as caught:
        drive(ledger().find([wanted]))
    assert caught.value.code is Code.NOT_ALLOWED


# Credit notes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "element"),
    [
        ("DOCNUMBER", "invoiceno"),
        ("EXTERNALID", "externalid"),
        ("DESCRIPTION", "description"),
    ],
)
def test_a_credit_note_is_a_negative_adjustment_with_our_mark(
    field: str, element: str
) -> None:
    connector = ledger(mark_field=field)
    wanted = create(note())
    asked, _ = sent(connector, wanted)
    assert written(functions(asked)["key-n1"]) == (
        f"<create_aradjustment><customerid>C1</customerid><datecreated>{SPLIT}</datecreated>"
        f"<adjustmentno>CM-1</adjustmentno><action>Submit</action><{element}>{MARK}</{element}>"
        "<aradjustmentitems><lineitem><glaccountno>4000</glaccountno><amount>-40.00</amount>"
        "<memo>Back</memo><locationid>100</locationid><departmentid>D1</departmentid>"
        "</lineitem></aradjustmentitems></create_aradjustment>"
    )
    row = {**BILL_ROW, "TRX_TOTALENTERED": "-40", "TRX_TOTALDUE": "-40", field: MARK}
    made = result("key-n1", function="create_aradjustment", key="101")
    asked, outcome = told(connector, wanted, made, ARADJUSTMENT=[row])
    assert believed(wanted, outcome).state is State.APPLIED
    (look,) = looks(asked).values()
    assert has(field, MARK) in query(asked, look)[2]
    assert field in query(asked, look)[1]
    # And found again by it.
    joined = answer(result("credit note lines.0"), result("details.0"))
    asked_, found = drive(connector.find([wanted]), page(row), joined)
    assert has(field, MARK) in query(asked_[0])[2]
    assert [carries(each, MARK) for each in found.records] == [True]


def test_revenue_is_not_deferred_by_a_credit_note() -> None:
    own = Line("x", D("40.00"), custom={"intacct_revrectemplate": "T1"})
    asked, (outcome,) = sent(ledger(), create(note(lines=(own,))))
    assert b"revrec" not in asked.body()
    assert outcome.notes == (Code.LEFT_OUT,)
    assert outcome.text == "left out: line 1: revrectemplate"


def test_a_credit_note_is_changed_in_its_head_and_deleted_only_where_it_may_be() -> (
    None
):
    standing = note(ref=ref("CreditNote", "301"))
    after = evolve(standing, number="CM-2", on=date(2026, 3, 9))
    assert function(ledger(), change(Action.UPDATE, standing, after)) == (
        '<update_aradjustment key="301">'
        "<datecreated><year>2026</year><month>03</month><day>09</day></datecreated>"
        "<adjustmentno>CM-2</adjustmentno></update_aradjustment>"
    )
    ended = change(Action.VOID, standing)
    assert not_sent(ledger(), ended).code is Code.NOT_ALLOWED
    may = ledger(delete_credit_notes=True)
    assert function(may, ended) == '<delete_aradjustment key="301" />'


# Payments -------------------------------------------------------------------------------


def test_a_payment_names_what_it_pays_and_carries_our_mark() -> None:
    wanted = create(money(put("50.00"), put("10.00", "102"), method="Cash"))
    asked, _ = sent(ledger(), wanted)
    assert written(functions(asked)["key-n1"]) == (
        "<create><ARPYMT><PAYMENTMETHOD>Cash</PAYMENTMETHOD><CUSTOMERID>C1</CUSTOMERID>"
        f"<DOCNUMBER>{MARK}</DOCNUMBER><DESCRIPTION>wire 1</DESCRIPTION>"
        "<RECEIPTDATE>03/08/2026</RECEIPTDATE><PAYMENTDATE>03/08/2026</PAYMENTDATE>"
        "<CURRENCY>USD</CURRENCY><UNDEPOSITEDACCOUNTNO>1099</UNDEPOSITEDACCOUNTNO>"
        "<ARPYMTDETAILS><ARPYMTDETAIL><RECORDKEY>101</RECORDKEY>"
        "<TRX_PAYMENTAMOUNT>50.00</TRX_PAYMENTAMOUNT></ARPYMTDETAIL>"
        "<ARPYMTDETAIL><RECORDKEY>102</RECORDKEY>"
        "<TRX_PAYMENTAMOUNT>10.00</TRX_PAYMENTAMOUNT></ARPYMTDETAIL></ARPYMTDETAILS>"
        "</ARPYMT></create>"
    )
    found = looks(asked)
    assert has("DOCNUMBER", MARK) in query(asked, found["ARPYMT"])[2]
    assert has("RECORDKEY", "101", "102") in query(asked, found["ARPYMTDETAIL"])[2]


def made_payment(number: str = "201") -> str:
    row = {"RECORDNO": number}
    return result("key-n1", row, function="create", of="arpymt", remaining=None)


def test_a_payment_is_read_back_with_what_it_was_put_to() -> None:
    wanted = create(money(put("60.00")))
    details = [
        {"RECORDNO": "1", "PAYMENTKEY": "201", "RECORDKEY": "101", "TRX_PAYMENTAMOUNT": "60"},
        {"RECORDNO": "2", "PAYMENTKEY": "200", "RECORDKEY": "101", "TRX_PAYMENTAMOUNT": "9"},
    ]  # fmt: skip
    _, outcome = told(
        ledger(), wanted, made_payment(), ARPYMT=[PAID_ROW], ARPYMTDETAIL=details
    )
    assert outcome.ref == ref("Payment", "201")
    assert isinstance(outcome.echo, Payment)
    assert outcome.echo.unapplied == 0
    assert believed(wanted, outcome).state is State.APPLIED
    assert outcome.notes == ()


def test_a_payment_that_landed_unapplied_says_how_much() -> None:
    wanted = create(money(put("60.00")))
    detail = {"RECORDNO": "1", "PAYMENTKEY": "201", "RECORDKEY": "101", "TRX_PAYMENTAMOUNT": "45"}  # fmt: skip
    _, outcome = told(
        ledger(), wanted, made_payment(), ARPYMT=[PAID_ROW], ARPYMTDETAIL=[detail]
    )
    assert outcome.state is State.APPLIED
    assert outcome.notes == (Code.UNAPPLIED_CREDIT,)
    assert outcome.text == "15 USD of it was not put to an invoice"


def test_what_stays_with_the_customer_goes_the_older_way() -> None:
    """B67, B68: the overpayment has the configured location and department."""
    wanted = create(money(put("50.00")))
    assert function(ledger(), wanted) == (
        "<create_arpayment><customerid>C1</customerid><paymentamount>60.00</paymentamount>"
        f"<bankaccountid>BOA</bankaccountid><refid>{MARK}</refid>"
        "<overpaylocid>100</overpaylocid><overpaydeptid>D1</overpaydeptid>"
        f"<datereceived>{SPLIT}</datereceived><paymentmethod>EFT</paymentmethod>"
        "<arpaymentitem><invoicekey>101</invoicekey><amount>50.00</amount></arpaymentitem>"
        "</create_arpayment>"
    )
    advance = function(ledger(), create(money(method="Cash"), mark=""))
    assert "<undepfundsacct>1099</undepfundsacct><refid>wire 1</refid>" in advance
    assert "arpaymentitem" not in advance
    foreign = function(ledger(), create(money(currency="EUR")))
    assert "<bankaccountid>EURO</bankaccountid>" in foreign
    assert "<basecurr>USD</basecurr><currency>EUR</currency>" in foreign


@pytest.mark.parametrize(
    ("accounts", "method", "account"),
    [
        ({"USD/EFT": "A", "USD/*": "B", "*/EFT": "C", "*/*": "D"}, "EFT", "A"),
        ({"USD/Cash": "A", "USD/*": "B", "*/EFT": "C", "*/*": "D"}, "EFT", "B"),
        ({"EUR/*": "B", "*/EFT": "C", "*/*": "D"}, "EFT", "C"),
        ({"*/Cash": "C", "*/*": "D"}, "EFT", "D"),
        ({"*/*": "D"}, "bank transfer", "D"),
        ({"*/*": "D"}, "", "D"),
    ],
)
def test_money_is_routed_by_currency_and_method(
    accounts: Any, method: str, account: str
) -> None:
    """B108."""
    connector = ledger(
        deposit_accounts=accounts, payment_methods={"bank transfer": "EFT"}
    )
    text = function(connector, create(money(put("60.00"), method=method)))
    assert f"<FINANCIALENTITY>{account}</FINANCIALENTITY>" in text
    assert "<PAYMENTMETHOD>EFT</PAYMENTMETHOD>" in text
    own = create(money(put("60.00"), method=method, account="MINE"))
    assert "<FINANCIALENTITY>MINE</FINANCIALENTITY>" in function(connector, own)


EURO = put("60.00")
EURO = evolve(EURO, currency="EUR")


@pytest.mark.parametrize(
    ("after", "options", "code", "words"),
    [
        (money(put("60.00"), customer=None), {}, Code.BAD_FIELD, "customer"),
        (money(put("60.00"), method="Shells"), {}, Code.NOT_ALLOWED, "Shells"),
        (money(put("60.00")), {"deposit_accounts": {}}, Code.NOT_ALLOWED, "no account for USD by EFT"),
        (money(EURO, currency="EUR", account="undeposited:1099"), {}, Code.NOT_ALLOWED, "foreign currency"),
        (money(EURO), {}, Code.NOT_ALLOWED, "its currency"),
        (money(put("60.00", how=Part.CREDIT)), {}, Code.NOT_ALLOWED, "its own cash"),
        (money(put("61.00")), {}, Code.TOTALS_DISAGREE, "61.00"),
        (money(put("0.005"), amount="0.005"), {}, Code.NOT_ALLOWED, "rounds"),
    ],
)  # fmt: skip
def test_a_payment_that_intacct_cannot_hold_is_not_sent(
    after: Payment, options: Any, code: Code, words: str
) -> None:
    outcome = not_sent(ledger(**options), create(after))
    assert (outcome.state, outcome.code) == (State.REJECTED, code)
    assert words in outcome.text


def test_a_foreign_payment_names_the_base_currency() -> None:
    text = function(ledger(), create(money(EURO, currency="EUR")))
    assert "<CURRENCY>EUR</CURRENCY><BASECURR>USD</BASECURR>" in text
    assert "<FINANCIALENTITY>EURO</FINANCIALENTITY>" in text


DOCUMENT = {
    "RECORDNO": "9",
    "DOCID": "Sales Invoice-SI1",
    "PRRECORDKEY": "150",
}


def test_what_order_entry_made_is_paid_by_todays_number() -> None:
    """Never by the document's own: it is looked up first."""
    wanted = create(money(put("60.00", "Sales Invoice-SI1")))
    looked = answer(result("documents.0", DOCUMENT))
    flow = ledger().write([wanted])
    first = next(flow)
    assert isinstance(first, Request)
    assert not first.effect
    assert has("DOCID", "Sales Invoice-SI1") in query(first, "documents.0")[2]
    second = flow.send(looked)
    assert isinstance(second, Request)
    assert "<RECORDKEY>150</RECORDKEY>" in written(functions(second)["key-n1"])
    # One that is not there any more is not paid.
    flow = ledger().write([wanted])
    next(flow)
    with pytest.raises(StopIteration) as stop:
        flow.send(answer(result("documents.0")))
    assert stop.value.value[0].code is Code.NOT_ALLOWED


STANDING_PAYMENT = money(put("60.00"), ref=ref("Payment", "201"))


def test_a_payment_is_reversed_and_the_credits_that_stay_are_named() -> None:
    """B99, B100: only its cash is taken back."""
    wanted = change(Action.VOID, STANDING_PAYMENT)
    details = [
        {"RECORDNO": "1", "PAYMENTKEY": "201", "RECORDKEY": "101", "TRX_PAYMENTAMOUNT": "60"},
        {"RECORDNO": "2", "PAYMENTKEY": "201", "RECORDKEY": "102", "ADJUSTMENTKEY": "301", "TRX_ADJUSTMENTAMOUNT": "5"},
        {"RECORDNO": "3", "PAYMENTKEY": "201", "RECORDKEY": "102", "ADVANCEKEY": "202", "TRX_POSTEDADVANCEAMOUNT": "7"},
        {"RECORDNO": "4", "PAYMENTKEY": "999", "RECORDKEY": "102", "ADJUSTMENTKEY": "301", "TRX_ADJUSTMENTAMOUNT": "9"},
    ]  # fmt: skip
    made = result("key-n1", function="reverse_arpayment", key="299")
    asked, outcome = told(ledger(), wanted, made, ARPYMTDETAIL=details)
    assert written(functions(asked)["key-n1"]) == (
        f'<reverse_arpayment key="201"><datereversed>{SPLIT}</datereversed></reverse_arpayment>'
    )
    assert has("PAYMENTKEY", "201") in query(asked, looks(asked)["ARPYMTDETAIL"])[2]
    assert (outcome.state, outcome.notes) == (State.APPLIED, (Code.CREDITS_STAY,))
    assert outcome.text == (
        "take back by hand: 5 USD of 301 on invoice 102; 7 USD of 202 on invoice 102"
    )


def test_a_payment_of_cash_alone_is_reversed_wholly() -> None:
    """B101."""
    made = result("key-n1", function="reverse_arpayment", key="299")
    wanted = change(Action.VOID, STANDING_PAYMENT)
    _, outcome = told(ledger(), wanted, made, ARPYMTDETAIL=[])
    assert (outcome.state, outcome.notes, outcome.text) == (State.APPLIED, (), "")
    draft = change(Action.VOID, evolve(STANDING_PAYMENT, status=Status.DRAFT))
    assert function(ledger(), draft) == (
        "<delete><object>ARPYMT</object><keys>201</keys></delete>"
    )


def applied(source: Ref, amount: str = "15.00", target: str = "101") -> Application:
    how = Part.CREDIT if source.kind == "CreditNote" else Part.CASH
    ends = (ref("Application"), source, ref("Invoice", target))
    return Application(*ends, D(amount), "USD", DAY, how=how)


CREDIT = applied(ref("CreditNote", "301"))
OLD, NEW = (
    {
        "RECORDNO": f"5{at}",
        "PAYMENTKEY": str(at),
        "RECORDKEY": "101",
        "ADJUSTMENTKEY": "301",
        "TRX_ADJUSTMENTAMOUNT": "15",
    }
    for at in (998, 1001)
)


def test_a_credit_is_put_to_an_invoice_and_found_as_the_newest() -> None:
    """By the key that the answer tells, else by its number; lines are added up."""
    wanted = create(CREDIT)
    halves = [
        {**NEW, "RECORDNO": "6", "TRX_ADJUSTMENTAMOUNT": "10"},
        {**NEW, "RECORDNO": "7", "TRX_ADJUSTMENTAMOUNT": "5"},
    ]
    stranger = {**NEW, "PAYMENTKEY": "1002", "ADJUSTMENTKEY": "302"}
    for key, details, identity in (
        ("", [OLD, NEW, stranger], "1001/101/301"),
        ("", [NEW, OLD], "1001/101/301"),
        ("", [OLD, *halves], "1001/101/301"),
        ("998", [OLD, NEW], "998/101/301"),
    ):
        made = result("key-n1", function="apply_arpayment", key=key)
        asked, outcome = told(ledger(), wanted, made, ARPYMTDETAIL=details)
        assert outcome.ref == ref("Application", identity)
        assert believed(wanted, outcome).state is State.APPLIED
    assert written(functions(asked)["key-n1"]) == (
        f"<apply_arpayment><arpaymentkey>301</arpaymentkey><paymentdate>{SPLIT}</paymentdate>"
        "<arpaymentitems><arpaymentitem><invoicekey>101</invoicekey><amount>15.00</amount>"
        "</arpaymentitem></arpaymentitems></apply_arpayment>"
    )


def test_an_application_that_does_not_show_is_unknown() -> None:
    made = result("key-n1", function="apply_arpayment", key="1")
    _, outcome = told(ledger(), create(CREDIT), made, ARPYMTDETAIL=[])
    assert outcome.state is State.UNKNOWN


def test_money_on_account_is_put_to_an_invoice_of_order_entry() -> None:
    """Both ends are named by their numbers of today; the echo as they were asked for."""
    wanted = create(applied(ref("Payment", "202"), target="Sales Invoice-SI1"))
    detail = {
        "RECORDNO": "7",
        "PAYMENTKEY": "400",
        "RECORDKEY": "150",
        "ADVANCEKEY": "202",
        "TRX_POSTEDADVANCEAMOUNT": "15",
    }
    flow = ledger().write([wanted])
    next(flow)
    asked = flow.send(answer(result("documents.0", DOCUMENT)))
    assert isinstance(asked, Request)
    look = looks(asked)["ARPYMTDETAIL"]
    assert has("RECORDKEY", "150") in query(asked, look)[2]
    with pytest.raises(StopIteration) as stop:
        flow.send(
            answer(
                result("key-n1", function="apply_arpayment", key="400"),
                result(look, detail),
            )
        )
    (outcome,) = stop.value.value
    assert outcome.ref == ref("Application", "400/150/202")
    assert believed(wanted, outcome).state is State.APPLIED


def test_applications_are_made_and_never_unmade() -> None:
    """No function takes a credit off again: a person does."""
    standing = evolve(CREDIT, ref=ref("Application", "1/101/301"))
    assert not_sent(ledger(), change(Action.VOID, standing)).code is Code.NOT_ALLOWED
    with pytest.raises(Fault) as caught:
        drive(ledger().find([create(CREDIT)]))
    assert caught.value.code is Code.NOT_ALLOWED


# Customers ------------------------------------------------------------------------------


def test_customers_are_made_changed_and_made_inactive() -> None:
    ada = Customer(ref("Customer"), "Ada & Co", "C1", "ada@x.example", "USD")
    wanted = create(ada)
    row = {"RECORDNO": "11", "CUSTOMERID": "C1", "NAME": "Ada & Co", "STATUS": "active"}
    made = result("key-n1", {"RECORDNO": "11"}, function="create", of="customer")
    asked, outcome = told(ledger(), wanted, made, CUSTOMER=[row])
    assert written(functions(asked)["key-n1"]) == (
        "<create><CUSTOMER><CUSTOMERID>C1</CUSTOMERID><NAME>Ada &amp; Co</NAME>"
        "<DISPLAYCONTACT><PRINTAS>Ada &amp; Co</PRINTAS><EMAIL1>ada@x.example</EMAIL1>"
        "</DISPLAYCONTACT><STATUS>active</STATUS><CURRENCY>USD</CURRENCY></CUSTOMER></create>"
    )
    assert outcome.ref == ref("Customer", "C1")
    assert believed(wanted, outcome).state is State.APPLIED
    standing = evolve(ada, ref=ref("Customer", "C1"))
    after = evolve(standing, name="Ada", email="")
    assert function(ledger(), change(Action.UPDATE, standing, after)) == (
        "<update><CUSTOMER><CUSTOMERID>C1</CUSTOMERID><NAME>Ada</NAME><DISPLAYCONTACT>"
        "<PRINTAS>Ada</PRINTAS><EMAIL1 /></DISPLAYCONTACT><STATUS>active</STATUS>"
        "</CUSTOMER></update>"
    )
    assert function(ledger(), change(Action.VOID, standing)) == (
        "<update><CUSTOMER><CUSTOMERID>C1</CUSTOMERID><STATUS>inactive</STATUS>"
        "</CUSTOMER></update>"
    )
    outcome = not_sent(ledger(), create(evolve(ada, number="")))
    assert (outcome.code, outcome.state) == (Code.NOT_ALLOWED, State.REJECTED)
    asked_, found = drive(ledger().find([wanted]), page(row))
    assert has("CUSTOMERID", "C1") in query(asked_[0])[2]
    assert len(found.records) == 1


def test_in_bill_to_mode_customers_are_not_written() -> None:
    connector = ledger(bill_to_contacts=True)
    for kind in (Action.CREATE, Action.UPDATE, Action.VOID):
        held = Customer(ref("Customer", "C1/Ada"), "Ada", "C1")
        wanted = create(held) if kind is Action.CREATE else change(kind, held, held)
        assert not_sent(connector, wanted).code is Code.NOT_ALLOWED


# Several at once ------------------------------------------------------------------------


def test_functions_go_together_and_results_are_told_by_their_control_id() -> None:
    """Whatever their order, and whatever becomes of the others."""
    first, second, third, bad = (
        create(bill(number=f"INV-{at}"), f"n{at}") for at in range(1, 5)
    )
    lame = create(bill(customer=None), "n9")
    asked, _ = sent(ledger(), first, second, third, bad, lame)
    assert list(functions(asked))[:4] == ["key-n1", "key-n2", "key-n3", "key-n4"]
    (look,) = looks(asked).values()
    taken = error("BL1", "A transaction with the number 'INV-2' already exists.")
    rolled = error("XL03000009", "rolled back")
    reply = answer(
        result(look, {**BILL_ROW, "RECORDNO": "103", "RECORDID": "INV-3"}),
        result("key-n3", function="create_invoice", key="103"),
        failure("key-n2", taken, function="create_invoice"),
        result("key-n1", function="create_invoice", key="101"),
        failure("key-n4", rolled, function="create_invoice"),
    )
    _, outcomes = sent(ledger(), first, second, third, bad, lame, reply=reply)
    by_name = {each.name: each for each in outcomes}
    assert [by_name[f"n{at}"].state for at in (1, 2, 3, 4, 9)] == [
        State.APPLIED,
        State.REJECTED,
        State.APPLIED,
        State.NOT_SENT,
        State.REJECTED,
    ]
    assert by_name["n1"].ref == ref("Invoice", "101")
    assert by_name["n3"].echo is not None
    assert by_name["n2"].code is Code.DUPLICATE_NUMBER
    assert by_name["n4"].code is Code.WAITS


def test_an_aborted_function_may_be_tried_again() -> None:
    told_ = failure("key-n1", function="create_invoice").replace("failure", "aborted")
    _, (outcome,) = sent(ledger(), create(bill()), reply=answer(told_))
    assert (outcome.state, outcome.code) == (State.NOT_SENT, Code.WAITS)


def test_more_changes_make_more_requests() -> None:
    connector = ledger(batch_size=2)
    changes = [create(bill(number=f"INV-{at}"), f"n{at}") for at in range(3)]
    assert connector.capabilities.kind(Invoice).batch_size == 2
    assert connector.capabilities.write_calls(Invoice, 3) == 2
    replies = [
        answer(
            *(result(f"key-n{at}", function="create_invoice", key="1") for at in some)
        )
        for some in ((0, 1), (2,))
    ]
    asked, outcomes = drive(connector.write(changes), *replies)
    counts = [each.body().count(b"<create_invoice>") for each in asked]
    assert counts == [2, 1]
    assert [each.state for each in outcomes] == [State.APPLIED] * 3


def test_of_two_changes_of_one_control_id_one_is_sent() -> None:
    """The other may have been it: nobody could say."""
    twice = [create(bill(), "n1"), create(bill(number="INV-2"), "n2", key="key-n1")]
    asked, outcomes = sent(ledger(), *twice)
    assert [each.state for each in outcomes] == [State.APPLIED, State.UNKNOWN]
    assert asked.body().count(b"<create_invoice>") == 1


def test_without_a_key_the_changes_name_is_the_control_id() -> None:
    """Deterministic: the same for whoever sends it again."""
    asked, _ = sent(ledger(), create(bill(), key=""))
    assert "n1" in functions(asked)


# Doubt ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (Response(500, {}, b"<html/>"), State.UNKNOWN),
        (Response(524, {}, b""), State.UNKNOWN),
        (Response(200, {}, b"<response><operation>"), State.UNKNOWN),
        (Response(200, {}, b"<html>Please sign in</html>"), State.UNKNOWN),
        (answer(), State.UNKNOWN),
        (answer(result("another", function="create_invoice", key="7")), State.UNKNOWN),
        (answer(result("key-n1", function="create_invoice")), State.UNKNOWN),
        (Fault(Code.ANSWER_LOST, fate=Fate.UNCLEAR), State.UNKNOWN),
        (Fault(Code.NOT_REACHED, fate=Fate.NOT_SENT), State.NOT_SENT),
        (refused(error("XMLGW_JPP0001", "Too many"), level="gate"), State.NOT_SENT),
        (refused(error("XL03000006", "Invalid session")), State.NOT_SENT),
        (answer(failure("key-n1", error("XX", "odd"), function="create_invoice")), State.REJECTED),
        (refused(error("XX", "odd"), level="gate"), State.REJECTED),
    ],
)  # fmt: skip
def test_what_is_not_certain_is_unknown(reply: Response | Fault, state: State) -> None:
    _, (outcome,) = sent(ledger(), create(bill()), reply=reply)
    assert outcome.state is state


@pytest.mark.parametrize(
    ("rows", "state"), [([PAID_ROW], State.APPLIED), ([], State.UNKNOWN)]
)
def test_a_failure_that_says_it_made_something_is_looked_at(
    rows: list[Any], state: State
) -> None:
    """A generic create may succeed in part, and is called failed all the same."""
    wanted = create(money(put("60.00")))
    half = failure("key-n1", error("x", "odd"), function="create", count=1)
    asked, _ = sent(ledger(), wanted)
    found = looks(asked)
    shown = answer(result(found["ARPYMT"], *rows), result(found["ARPYMTDETAIL"]))
    _, (outcome,) = drive(ledger().write([wanted]), answer(half), shown)
    assert outcome.state is state


DONE = failure(
    "key-n1",
    error("BL1", "The function with controlid key-n1 was already executed"),
    function="create_invoice",
)


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        ([BILL_ROW], State.APPLIED),
        ([], State.UNKNOWN),
        ([BILL_ROW, {**BILL_ROW, "RECORDNO": "102"}], State.UNKNOWN),
        ([{**BILL_ROW, "STATE": "odd"}], State.UNKNOWN),
    ],
)
def test_what_was_done_before_is_looked_at_and_never_assumed(
    rows: list[Any], state: State
) -> None:
    """The queries behind it were carried out before too: they are asked anew, as reads."""
    wanted = create(bill())
    asked, _ = sent(ledger(), wanted)
    (look,) = looks(asked).values()
    refused_ = failure(
        look, error("BL1", f"The function with controlid {look} was already executed")
    )
    asked_, (outcome,) = drive(
        ledger().write([wanted]), answer(DONE, refused_), answer(result(look, *rows))
    )
    assert [each.effect for each in asked_] == [True, False]
    assert asked_[1].header("Tieout-Unique") is None
    assert list(functions(asked_[1])) == [look]
    assert outcome.state is state
    if rows and state is State.APPLIED:
        assert outcome.ref == ref("Invoice", "101")
        assert believed(wanted, outcome).state is State.APPLIED


def test_what_was_done_before_stays_unknown_where_nothing_can_be_seen() -> None:
    wanted = create(bill())
    asked, _ = sent(ledger(), wanted)
    (look,) = looks(asked).values()
    down = Fault(Code.NOT_REACHED, fate=Fate.NOT_SENT)
    _, outcomes = drive(ledger().write([wanted]), answer(DONE, result(look)), down)
    assert [each.code for each in outcomes] == [Code.OUTCOME_UNKNOWN]
    assert [each.state for each in outcomes] == [State.UNKNOWN]
    again = DONE.replace("create_invoice", "apply_arpayment")
    _, outcomes = drive(
        ledger().write([create(CREDIT)]), answer(again), answer(result("x", NEW))
    )
    assert [each.state for each in outcomes] == [State.UNKNOWN]


@pytest.mark.parametrize("action", [Action.UPDATE, Action.VOID])
def test_what_is_not_there_any_more_vanished(action: Action) -> None:
    gone = error("BL1", "There is no ARINVOICE with key '101'")
    after = evolve(STANDING, reference="x") if action is Action.UPDATE else None
    reply = answer(failure("key-n1", gone, function="x"))
    _, (outcome,) = sent(ledger(), change(action, STANDING, after), reply=reply)
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.VANISHED)
    _, (outcome,) = sent(ledger(), create(bill()), reply=reply)
    assert outcome.code is Code.NO_SUCH_RESOURCE


def test_words_of_an_outcome_hold_no_password() -> None:
    odd = failure("key-n1", error("XX", "got hush-more"), function="create_invoice")
    _, (outcome,) = sent(ledger(), create(bill()), reply=answer(odd))
    assert outcome.text == "XX got ***"


def test_what_is_not_declared_is_refused_without_a_request() -> None:
    level = Settlement(ref("Invoice", "1"), "1", "USD", D(1), D(1), Status.OPEN)
    posting = Posting(ref("Posting", "1"))
    for record in (level, posting):
        outcome = not_sent(ledger(), change(Action.UPDATE, record, record))
        assert outcome.code is Code.NOT_ALLOWED
    paid = change(Action.UPDATE, STANDING_PAYMENT, STANDING_PAYMENT)
    assert not_sent(ledger(), paid).code is Code.NOT_ALLOWED


def test_an_invoice_without_a_number_shows_by_its_key_alone() -> None:
    asked, (outcome,) = sent(ledger(), create(bill(number="")))
    assert looks(asked) == {}
    assert outcome.ref == ref("Invoice", "101")
    nameless = create(money(reference=""), mark="")
    assert looks(sent(ledger(), nameless)[0]) == {}


def test_an_invoice_is_found_again_by_its_number_and_a_payment_by_its_mark() -> None:
    joined = answer(result("invoice lines.0"))
    asked, found = drive(ledger().find([create(bill())]), page(BILL_ROW), joined)
    assert has("RECORDID", "INV-1") in query(asked[0])[2]
    assert [each.ref.id for each in found.records] == ["101"]
    nothing = answer(result("details.0"), result("payments.0"))
    asked, found = drive(
        ledger().find([create(money(put("60.00")))]), page(PAID_ROW), nothing
    )
    assert has("DOCNUMBER", MARK) in query(asked[0])[2]
    assert [carries(each, MARK) for each in found.records] == [True]


def test_an_answer_to_a_write_is_judged_by_its_writes() -> None:
    """That the queries behind them failed proves nothing of them."""
    wanted = create(bill())
    asked, _ = sent(ledger(), wanted)
    (look,) = looks(asked).values()
    made = result("key-n1", function="create_invoice", key="101")
    reply = answer(made, failure(look, error("XX", "odd")))
    assert ledger().judge(reply).answer is Answer.OK
    _, (outcome,) = sent(ledger(), wanted, reply=reply)
    assert (outcome.state, outcome.echo) == (State.APPLIED, None)
