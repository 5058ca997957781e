"""D5 to D9, D15, D20, D22, D24, D31, P10, X10, X14, X20, X23: the neighbours of the rows."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date
from decimal import Decimal
from typing import Any

import pytest
from fault_rows import EMAIL, dumps
from fault_worlds import GOOD, tryton_invoice
from hypothesis import given
from hypothesis import strategies as st

from tieout.capabilities import Everything
from tieout.connector import Fields, Page, discreet, iso_day, iso_instant
from tieout.connectors.connectwise import ConnectWise
from tieout.connectors.tryton import Tryton
from tieout.connectors.xero import Xero
from tieout.errors import Code, Fault, Scope
from tieout.models import Settlement
from tieout.money import EXPONENTS
from tieout.wire import Request, Response, read_json

PLACES = {"JPY": 0, "USD": 2, "BHD": 3, "CLF": 4}
DIGITS = st.text("0123456789٣３.,-+ _eE\n", max_size=25)
PLAIN = re.compile(r"(-?)([0-9]{1,18})(?:\.([0-9]{1,12}))?")


def read(parse: Callable[[], Any]) -> Any:
    """What a reader makes of it, or the code that it refuses it with."""
    try:
        return parse()
    except Fault as fault:
        assert fault.code.scope is Scope.RECORD
        return fault.code


@given(DIGITS | st.text(max_size=30), st.sampled_from(sorted(PLACES)))
def test_a_text_is_an_amount_exactly_or_refused(text: str, currency: str) -> None:
    """D5, D6, D7, D11: by a grammar written down a second time."""
    found = read(lambda: Fields({"x": text}).amount("x", currency))
    match = PLAIN.fullmatch(text)
    cents = (match[3] or "").rstrip("0") if match else ""
    if match is None or len(cents) > PLACES[currency]:
        assert found is Code.BAD_AMOUNT
    else:
        assert found == Decimal(text)
        assert str(found) != "-0"


@given(st.integers() | st.decimals() | st.floats() | st.booleans() | st.binary())
def test_what_is_no_text_is_an_amount_exactly_or_refused(value: Any) -> None:
    """D5, D6, D31: numbers of every kind."""
    found = read(lambda: Fields({"x": value}).amount("x", "USD"))
    if found is not Code.BAD_AMOUNT:
        assert type(value) in (int, Decimal)
        assert found == value
        assert abs(found) < 10**18


@given(st.text(max_size=5) | st.sampled_from(sorted(EXPONENTS)))
def test_a_currency_is_one_of_the_list_as_it_stands(text: str) -> None:
    """D9: nothing is folded, trimmed or assumed."""
    found = read(lambda: Fields({"x": text}).currency("x"))
    assert found == (text if text in EXPONENTS else Code.BAD_CURRENCY)


DAYS = st.dates().map(date.isoformat) | st.text("0123456789-T:Z+ ./", max_size=26)


@given(
    DAYS | st.text(max_size=12),
    st.sampled_from(["", "T10:00:00Z", " 23:59", "T9", "x"]),
)
def test_a_text_is_a_day_or_refused(text: str, rest: str) -> None:
    """D22, D24: the day that stands there, never another one."""
    found = read(lambda: Fields({"x": text + rest}).read("x", iso_day))
    if isinstance(found, date):
        assert (text + rest).startswith(found.isoformat())
        assert 1900 <= found.year <= 2200
    else:
        assert found is Code.BAD_DATE


@given(st.datetimes(timezones=st.just(UTC)).map(lambda at: at.isoformat()) | DAYS)
def test_a_text_is_an_instant_with_its_zone_or_refused(text: str) -> None:
    """D22, D24: nothing is assumed."""
    found = read(lambda: Fields({"x": text}).read("x", iso_instant))
    if found is not Code.BAD_DATE:
        assert found.utcoffset().total_seconds() == 0
        assert text.startswith(found.date().isoformat())


@given(st.text(max_size=300))
def test_a_text_is_a_number_or_refused(text: str) -> None:
    """D15, D26, D27: NFC, trimmed, short, and nothing in it that cannot be seen."""
    found = read(lambda: Fields({"x": text}).number("x"))
    if isinstance(found, str):
        assert found == unicodedata.normalize("NFC", text).strip()
        assert len(found) <= 255
        assert not {unicodedata.category(each)[0] for each in found} & {"C"}
    else:
        assert found is Code.BAD_FIELD


@given(st.text())
def test_words_of_others_are_one_line_without_addresses(text: str) -> None:
    """X14, X20: whatever a vendor says."""
    kept = discreet(f"{text} {EMAIL} {text}")
    assert kept.isprintable()
    assert "canary" not in kept
    assert kept == discreet(kept)


@given(
    st.binary(max_size=60)
    | st.text('[]{}",:0123456789.eE+-nulltruefasNI\\', max_size=60)
)
def test_bytes_are_json_or_one_kind_of_fault(body: bytes | str) -> None:
    """X10: never a raw error, never a float."""
    try:
        found = read_json(body if isinstance(body, bytes) else body.encode())
    except Fault as fault:
        assert fault.code is Code.BAD_PAYLOAD
    else:
        assert "float" not in {type(each).__name__ for each in flat(found)}


def flat(value: Any) -> list[Any]:
    """A value and all that is in it."""
    inside = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return [value]
    return [value, *(each for item in inside for each in flat(item))]


# Any field, any value -----------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from([EMAIL, "../x", "NaN", "2026-02-30", "/Date(0)/", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def xero_row(own: str) -> dict[str, Any]:
    """A paid invoice in Xero's words."""
    day = "/Date(1773100800000+0000)/"
    paid = {"PaymentID": f"p-{own}", "Date": day, "Amount": 100}
    return {
        "Type": "ACCREC",
        "InvoiceID": own,
        "InvoiceNumber": f"N-{own}",
        "Reference": "",
        "Contact": {"ContactID": "c-1"},
        "Date": day,
        "Status": "PAID",
        "Total": 100,
        "AmountDue": 0,
        "AmountPaid": 100,
        "AmountCredited": 0,
        "Payments": [paid],
        "CreditNotes": [],
        "FullyPaidOnDate": day,
        "UpdatedDateUTC": day,
        "CurrencyCode": "USD",
    }


def connectwise_row(own: int) -> dict[str, Any]:
    """An unpaid invoice in ConnectWise's words."""
    return {
        "id": own,
        "invoiceNumber": f"N-{own}",
        "type": "Standard",
        "status": {"id": 2, "isClosed": True},
        "company": {"id": 250},
        "currency": {"currencyCode": "USD"},
        "date": "2026-03-01T00:00:00Z",
        "total": 100,
        "payments": 0,
        "credits": 0,
        "balance": 100,
        "_info": {"lastUpdated": "2026-03-20T12:00:00Z"},
    }


VENDORS: dict[str, tuple[Any, Any, str, list[dict[str, Any]]]] = {
    "Xero": (
        Xero(tenant_id="t", client_id="c", client_secret="s"),
        lambda rows: {"Invoices": rows},
        "i-1",
        [xero_row("i-1"), xero_row("i-2")],
    ),
    "ConnectWise": (
        ConnectWise(company="a", public_key="p", private_key="s", client_id="c"),
        lambda rows: rows,
        "1",
        [connectwise_row(1), connectwise_row(2)],
    ),
    "Tryton": (
        Tryton(url="http://b.example", database="b", user="u", password="p"),
        lambda rows: {"id": 1, "result": rows},
        "1",
        [tryton_invoice(1, GOOD[0]), tryton_invoice(2, GOOD[1])],
    ),
}


def page_of(vendor: str, rows: list[Any]) -> Page[Settlement]:
    """What a connector makes of a page; calls that it makes besides find nothing."""
    connector, enveloped, _, _ = VENDORS[vendor]
    flow = connector.page(Settlement, Everything())
    asked, body = next(flow), dumps(enveloped(rows))
    while True:
        assert isinstance(asked, Request)
        try:
            asked = flow.send(Response(200, (), body))
        except StopIteration as stop:
            found: Page[Settlement] = stop.value
            return found
        body = "[]"


@pytest.mark.parametrize("vendor", VENDORS)
@given(data=st.data())
def test_any_value_in_any_field_harms_its_own_record_alone(
    vendor: str, data: st.DataObject
) -> None:
    """P10, X10: the neighbour is read as ever; the record itself exactly, or told."""
    _, _, sound, (first, second) = VENDORS[vendor]
    field = data.draw(st.sampled_from(sorted(second)))
    deeper: list[dict[str, Any]] = [
        each for each in (second[field],) if isinstance(each, dict)
    ]
    value = data.draw(JSON)
    goes_deeper: bool = data.draw(st.booleans())
    if deeper and goes_deeper:
        value = {**deeper[0], data.draw(st.sampled_from(sorted(deeper[0]))): value}
    page = page_of(vendor, [first, {**second, field: value}])
    alone = page_of(vendor, [first])
    assert [each for each in page.records if each.ref.id == sound][:1] == [
        *alone.records
    ]
    assert len(page.records) + len(page.issues) <= 2
    assert all(
        EMAIL not in f"{each} {each!r}" for each in page.issues if not each.numbers
    )
    assert all(each.text.isprintable() for each in page.issues)
    assert all(each.code.scope is Scope.RECORD for each in page.issues)


@pytest.mark.parametrize("vendor", VENDORS)
@given(value=JSON)
def test_any_value_in_place_of_a_record_harms_nobody(vendor: str, value: Any) -> None:
    """P10, D32: it is told, or is of no concern."""
    _, _, sound, (first, _) = VENDORS[vendor]
    page = page_of(vendor, [value, first])
    assert [each.ref.id for each in page.records] == [sound]


@pytest.mark.parametrize("vendor", VENDORS)
@given(value=JSON)
def test_any_value_in_place_of_a_page_is_read_or_one_fault(
    vendor: str, value: Any
) -> None:
    """H15, D32, X10: never a raw error, and no record out of nothing."""
    flow = VENDORS[vendor][0].page(Settlement, Everything())
    next(flow)
    try:
        flow.send(Response(200, (), json.dumps(value, default=str)))
    except Fault as fault:
        assert fault.code.scope is Scope.CONNECTION or vendor == "Tryton"
    except StopIteration as stop:
        assert stop.value.records == ()
