"""Reading a vendor's rows, judging its answers, and the base for REST, driven by hand."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from doubles import BASE, NOW, Plain, change, drive, level
from hypothesis import given
from hypothesis import strategies as st

from tieout.auth import Headers
from tieout.capabilities import (
    Capabilities,
    Changed,
    Kind,
    Mark,
    Open,
    Select,
    Verb,
)
from tieout.change import Action, Change, Outcome, State
from tieout.connector import (
    BY_STATUS,
    TEXT_KEPT_MAX,
    Books,
    Fields,
    Health,
    Resource,
    RestConnector,
    Rule,
    batches,
    guarded,
    iso_day,
    iso_instant,
    judge,
    next_link,
    read_rows,
    retry_after,
    server_time,
    sound_day,
    system_id,
    utc_second,
)
from tieout.errors import Code, Fate, Fault
from tieout.models import (
    NUMBER_MAX,
    Application,
    Invoice,
    Payment,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.store import Held, IssueRow
from tieout.stores.sqlite import SQLiteStore
from tieout.wire import Answer, Call, Flow, Request, Response, Twice, read_json


def refused(code: Code, run: Callable[[], Any]) -> Fault:
    """The fault that something raises, of that code."""
    with pytest.raises(Fault) as caught:
        run()
    assert caught.value.code is code
    return caught.value


# Days and instants ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-03-08", date(2026, 3, 8)),
        ("2024-02-29", date(2024, 2, 29)),
        ("2026-03-08T23:59:59-11:00", date(2026, 3, 8)),
        ("2026-03-08T00:00:00Z", date(2026, 3, 8)),
        ("2026-03-08 00:00:00", date(2026, 3, 8)),
        ("1900-01-01", date(1900, 1, 1)),
        ("2200-12-31", date(2200, 12, 31)),
    ],
)
def test_a_calendar_day_never_shifts(text: str, day: date) -> None:
    """D23: the time behind a day, and its zone, are not looked at."""
    assert iso_day(text) == day


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01",
        "9999-12-31",
        "1899-12-31",
        "2201-01-01",
        "2026-02-29",
        "2026-04-31",
        "2026-13-01",
        "2026-3-8",
        "08.03.2026",
        "03/08/2026",
        "20260308",
        "2026-03-08x",
        "2026-03-080",
        "٢٠٢٦-٠٣-٠٨",
        "",
        " 2026-03-08",
        "2026-03-08\n",
        "/Date(1709251200000)/",
        "today",
    ],
)
def test_what_is_no_day_is_refused(text: str) -> None:
    """D22, D24: out of range, impossible or ambiguous; never guessed."""
    assert refused(Code.BAD_DATE, lambda: iso_day(text)).text


def test_business_days_lie_between_1900_and_2200() -> None:
    """D22: 0001 and 9999 are a vendor's "never"."""
    assert sound_day(date(2038, 1, 19)) == date(2038, 1, 19)
    refused(Code.BAD_DATE, lambda: sound_day(date(1753, 1, 1)))


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-08T12:00:00Z",
        "2026-03-08T12:00:00+00:00",
        "2026-03-08T14:00:00.000+02:00",
    ],
)
def test_instants_are_read_with_their_zone(text: str) -> None:
    """D24: Z, +00:00 and another zone are one instant, in UTC."""
    found = iso_instant(text)
    assert found == datetime(2026, 3, 8, 12, tzinfo=UTC)
    assert found.tzinfo is UTC


def test_an_instant_without_zone_is_refused_unless_the_vendor_means_utc() -> None:
    """D24: nothing is assumed, it is said by the connector."""
    refused(Code.BAD_DATE, lambda: iso_instant("2026-03-08T12:00:00"))
    told = iso_instant("2026-03-08T12:00:00", naive_is_utc=True)
    assert told == datetime(2026, 3, 8, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "1709251200",
        "/Date(1709251200000+0000)/",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        "2026-03-08T25:00:00Z",
    ],
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    """D22, D24: one kind of fault, never a raw error."""
    refused(Code.BAD_DATE, lambda: iso_instant(text))


# Fields ---------------------------------------------------------------------------------

READERS: dict[str, Callable[[Fields], Any]] = {
    "text": lambda f: f.text("x"),
    "id": lambda f: f.id("x"),
    "number": lambda f: f.number("x"),
    "currency": lambda f: f.currency("x"),
    "amount": lambda f: f.amount("x", "EUR"),
    "maybe_amount": lambda f: f.maybe_amount("x", "EUR"),
    "choice": lambda f: f.choice("x", {"OPEN": Status.OPEN}),
    "flag": lambda f: f.flag("x"),
    "child": lambda f: f.child("x"),
    "children": lambda f: f.children("x"),
    "day": lambda f: f.read("x", iso_day),
}
GOOD: dict[str, tuple[Any, Any]] = {
    "text": ("a", "a"),
    "id": ("007", "007"),
    "number": ("  INV-1 ", "INV-1"),
    "currency": ("EUR", "EUR"),
    "amount": (Decimal("1.50"), Decimal("1.50")),
    "maybe_amount": ("1.50", Decimal("1.50")),
    "choice": ("OPEN", Status.OPEN),
    "flag": (True, True),
    "day": ("2026-03-08", date(2026, 3, 8)),
}
BAD: list[Any] = [True, {}, [], [1], {"a": 1}, Twice(1, 2), 1.5, b"x", object()]
REQUIRED = ["id", "currency", "amount", "choice", "day"]


@pytest.mark.parametrize("reader", GOOD)
def test_a_field_is_read(reader: str) -> None:
    """What is as it should be comes out typed."""
    raw, expected = GOOD[reader]
    assert READERS[reader](Fields({"x": raw, "other": object()})) == expected


FITS: dict[str, Callable[[Any], bool]] = {
    "flag": lambda value: value is True,
    "child": lambda value: isinstance(value, dict),
    "children": lambda value: isinstance(value, list) and not value,
}
WRONG = [
    (reader, value)
    for reader in READERS
    for value in BAD
    if reader not in FITS or not FITS[reader](value)
]


@pytest.mark.parametrize(("reader", "value"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_type_is_a_fault_that_names_the_field(reader: str, value: Any) -> None:
    """P10, D31: isolated by name, whatever the vendor sends; never a raw error."""
    with pytest.raises(Fault) as caught:
        READERS[reader](Fields({"x": value}, "Invoice"))
    assert caught.value.field.startswith("Invoice.x")


@pytest.mark.parametrize("reader", REQUIRED)
@pytest.mark.parametrize("raw", [{}, {"x": None}])
def test_a_required_field_is_missed_by_name(reader: str, raw: dict[str, Any]) -> None:
    """D32: a missing field and a null are the same."""
    code = Code.BAD_CURRENCY if reader == "currency" else Code.BAD_FIELD
    fault = refused(code, lambda: READERS[reader](Fields(raw, "Invoice")))
    assert fault.field == "Invoice.x"
    assert "missing" in fault.text


@pytest.mark.parametrize("raw", [{}, {"x": None}])
def test_the_others_have_a_default(raw: dict[str, Any]) -> None:
    """D32: empty text, no amount, no child, no children, false."""
    found = Fields(raw)
    assert found.text("x", "?") == "?"
    assert found.number("x") == ""
    assert found.maybe_amount("x", "EUR") is None
    assert found.maybe("x", iso_day) is None
    assert found.child("x") is None
    assert found.children("x") == []
    assert found.flag("x", default=True) is True
    assert not found.has("x")


@pytest.mark.parametrize(
    ("reader", "value", "code"),
    [
        ("amount", "1,50", Code.BAD_AMOUNT),
        ("amount", "1.505", Code.BAD_AMOUNT),
        ("amount", Decimal("NaN"), Code.BAD_AMOUNT),
        ("currency", "eur", Code.BAD_CURRENCY),
        ("choice", "PERHAPS", Code.UNKNOWN_STATUS),
        ("choice", "open", Code.UNKNOWN_STATUS),
        ("day", "31.12.2026", Code.BAD_DATE),
        ("id", "", Code.BAD_FIELD),
        ("id", Decimal("1.0"), Code.BAD_FIELD),
        ("number", "A" * (NUMBER_MAX + 1), Code.BAD_FIELD),
        ("number", "A\x00B", Code.BAD_FIELD),
        ("number", "A\x1fB", Code.BAD_FIELD),
        ("number", "A\nB", Code.BAD_FIELD),
        ("children", {"0": {}}, Code.BAD_FIELD),
        ("child", "text", Code.BAD_FIELD),
    ],
)
def test_each_refusal_has_its_code(reader: str, value: Any, code: Code) -> None:
    """D5, D9, D20, D22, D27: the code says what to mend, the field where."""
    fault = refused(code, lambda: READERS[reader](Fields({"x": value}, "Doc")))
    assert fault.field.startswith("Doc.x")


@pytest.mark.parametrize("reader", ["text", "id", "number"])
def test_half_a_character_is_refused(reader: str) -> None:
    """X10, D26: a lone surrogate can be written nowhere; it is found while reading."""
    raw = read_json(b'{"x": "INV-\\ud800"}')
    refused(Code.BAD_FIELD, lambda: READERS[reader](Fields(raw)))


def test_ids_are_opaque_texts() -> None:
    """D31: 007 stays 007, a number above 2**53 keeps every digit."""
    raw = read_json(b'{"a": "007", "b": 9007199254740993, "c": 0}')
    found = Fields(raw)
    assert [found.id(name) for name in "abc"] == ["007", "9007199254740993", "0"]


def test_an_id_of_another_system_is_refused() -> None:
    """It becomes a part of addresses: what no vendor gives leads elsewhere."""
    digits, row = re.compile("[0-9]+"), Fields({"a": 7, "b": "7/../8"}, "Doc")
    assert system_id(row, "a", digits, "Acme") == "7"
    fault = refused(Code.BAD_FIELD, lambda: system_id(row, "b", digits, "Acme"))
    assert (fault.field, fault.text) == ("Doc.b", "Doc.b is no id of Acme")


def test_an_instant_is_written_in_utc_without_its_zone() -> None:
    """To the second, and rounded down: later would leave out what changed in it."""
    told = iso_instant("2026-03-08T14:00:00.900+02:00")
    assert utc_second(told) == "2026-03-08T12:00:00"


def test_fields_inside_fields_say_where_they_stand() -> None:
    """Invoice.Lines[1].Amount, not just Amount."""
    raw = {"Lines": [{"Amount": "1"}, {"Amount": "x"}], "To": {"Name": True}}
    found = Fields(raw, "Invoice")
    lines = found.children("Lines")
    assert lines[0].amount("Amount", "EUR") == 1
    fault = refused(Code.BAD_AMOUNT, lambda: lines[1].amount("Amount", "EUR"))
    assert fault.field == "Invoice.Lines[1].Amount"
    to = found.child("To")
    assert to is not None
    assert refused(Code.BAD_FIELD, lambda: to.text("Name")).field == "Invoice.To.Name"
    bad = Fields({"Lines": [3]}, "Invoice")
    assert (
        refused(Code.BAD_FIELD, lambda: bad.children("Lines")).field
        == "Invoice.Lines[0]"
    )


@pytest.mark.parametrize("raw", [None, [], "text", 3, Twice({}, {})])
def test_a_row_is_an_object(raw: Any) -> None:
    """P10: anything else is no record."""
    refused(Code.BAD_FIELD, lambda: Fields(raw))


# Rows -----------------------------------------------------------------------------------


def load_level(f: Fields) -> Settlement | None:
    if f.flag("draft"):
        return None
    if f.has("bug"):
        return level({}["x"])  # type: ignore[index]  # pyright: ignore[reportArgumentType]
    return level(f.id("id"), number=f.number("no"), total=str(f.amount("total", "EUR")))


def read(rows: Iterable[Any]) -> tuple[tuple[Settlement, ...], tuple[Any, ...]]:
    return read_rows(
        rows,
        load_level,
        kind=Settlement,
        connection="c:1",
        id_field="id",
        number_field="no",
    )


def test_a_row_that_cannot_be_read_is_an_issue_and_its_neighbours_are_read() -> None:
    """D1-D31: one bad record among good ones; the good ones land."""
    rows = [
        {"id": "1", "no": "A", "total": "10"},
        {"id": 2, "no": " B ", "total": "1e5"},
        "no object",
        {"id": "3", "no": "C", "total": "30", "bug": 1},
        {"id": "4", "draft": True},
        {"id": "5", "no": "E", "total": Twice(1, 2)},
        {"id": "6", "no": "F", "total": "60"},
    ]
    records, issues = read(rows)
    assert [each.ref.id for each in records] == ["1", "6"]
    assert [each.code for each in issues] == [
        Code.BAD_AMOUNT,
        Code.BAD_FIELD,
        Code.BAD_FIELD,
        Code.BAD_AMOUNT,
    ]
    assert issues[0].source == Ref("c:1", "Invoice", "2")
    assert issues[0].numbers == ("B",)
    assert issues[0].field == "total"
    assert issues[1].source is None
    assert "KeyError" in issues[2].text or "TypeError" in issues[2].text


def test_an_issue_of_a_hostile_row_can_be_stored(tmp_path: Any) -> None:
    """X10, S6: half a character in an id does not end the run in the store."""
    _, issues = read(read_json(b'[{"id": "\\ud800", "no": "\\udfff", "total": "x"}]'))
    store = SQLiteStore(tmp_path / "s.db")
    row = IssueRow("p", "v", "a", issues[0], Held.OPEN, "r", NOW, NOW)
    assert store.commit(row)
    store.close()


def test_levels_are_filed_under_their_invoice() -> None:
    """Other kinds under their own name."""
    bad: list[Any] = [{"id": "9", "total": "x"}]
    _, (issue,) = read_rows(
        bad, load_level, kind=Payment, connection="c:1", id_field="id"
    )
    assert issue.source == Ref("c:1", "Payment", "9")
    assert issue.numbers == ()


# Judging --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_two_hundreds_are_good(status: int) -> None:
    """Unless a rule says otherwise."""
    assert judge(Response(status), ()).answer is Answer.OK


@pytest.mark.parametrize(
    ("status", "answer", "code"),
    [
        (301, Answer.UNCLEAR, Code.FOREIGN_LINK),
        (302, Answer.UNCLEAR, Code.FOREIGN_LINK),
        (307, Answer.UNCLEAR, Code.FOREIGN_LINK),
        (399, Answer.UNCLEAR, Code.FOREIGN_LINK),
        (400, Answer.REFUSED, Code.UNKNOWN_ERROR),
        (401, Answer.SIGN_IN, Code.SIGN_IN_REFUSED),
        (403, Answer.REFUSED, Code.PERMISSION_MISSING),
        (404, Answer.REFUSED, Code.NO_SUCH_RESOURCE),
        (408, Answer.UNCLEAR, Code.ANSWER_LOST),
        (409, Answer.REFUSED, Code.IN_USE),
        (412, Answer.REFUSED, Code.STALE_VERSION),
        (418, Answer.UNCLEAR, Code.UNKNOWN_ERROR),
        (422, Answer.REFUSED, Code.REFUSED),
        (429, Answer.WAIT, Code.TOO_MANY_REQUESTS),
        (500, Answer.UNCLEAR, Code.SERVER_ERROR),
        (502, Answer.UNCLEAR, Code.SERVER_ERROR),
        (503, Answer.UNCLEAR, Code.SERVER_ERROR),
        (504, Answer.UNCLEAR, Code.SERVER_ERROR),
        (599, Answer.UNCLEAR, Code.SERVER_ERROR),
        (199, Answer.UNCLEAR, Code.UNKNOWN_ERROR),
        (999, Answer.UNCLEAR, Code.SERVER_ERROR),
    ],
)
def test_a_bare_status_means(status: int, answer: Answer, code: Code) -> None:
    """H4, H7, H9, H12, H13: 5xx and redirects prove nothing."""
    verdict = judge(Response(status), ())
    assert (verdict.answer, verdict.code) == (answer, code)
    assert verdict.text == f"HTTP {status}"


def test_nothing_that_may_have_had_an_effect_is_called_certain() -> None:
    """R: of the table, only what the server certainly did not carry out."""
    assert all(400 <= status < 500 for status in BY_STATUS)
    assert BY_STATUS[408][0] is Answer.UNCLEAR


def test_a_rule_of_the_vendor_comes_first() -> None:
    """H8: also for a good status; the first that holds counts; words are kept."""
    rules = (
        Rule(Code.TOO_MANY_REQUESTS, status=503, text="too many", answer=Answer.WAIT),
        Rule(Code.LOCKED_PERIOD, vendor_code="610", remedy="open it"),
        Rule(Code.IN_USE, vendor_code="610"),
        Rule(Code.REFUSED, status=200, text="^error"),
    )
    busy = judge(Response(503, {"Retry-After": "7"}), rules, "", "Too MANY operations")
    assert (busy.answer, busy.code, busy.wait) == (
        Answer.WAIT,
        Code.TOO_MANY_REQUESTS,
        7,
    )
    assert busy.text == "Too MANY operations"
    locked = judge(Response(400), rules, "610", "period closed")
    assert (locked.code, locked.remedy) == (Code.LOCKED_PERIOD, "open it")
    assert judge(Response(503), rules, "", "down").code is Code.SERVER_ERROR
    assert judge(Response(200), rules, "", "error: no").code is Code.REFUSED
    assert judge(Response(200), rules, "", "fine").answer is Answer.OK


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        (Rule(Code.REFUSED), True),
        (Rule(Code.REFUSED, status=400), True),
        (Rule(Code.REFUSED, status=401), False),
        (Rule(Code.REFUSED, vendor_code="E1"), True),
        (Rule(Code.REFUSED, vendor_code="E2"), False),
        (Rule(Code.REFUSED, text="CLOSED"), True),
        (Rule(Code.REFUSED, text="open"), False),
        (Rule(Code.REFUSED, status=400, vendor_code="E1", text="closed"), True),
        (Rule(Code.REFUSED, status=400, vendor_code="E1", text="open"), False),
        (Rule(Code.REFUSED, status=400, vendor_code="E2", text="closed"), False),
        (Rule(Code.REFUSED, status=500, vendor_code="E1", text="closed"), False),
    ],
)
def test_all_that_a_rule_gives_must_hold(rule: Rule, holds: bool) -> None:
    """Status, vendor code and text together."""
    assert rule.holds(400, "E1", "the period is closed") is holds


def test_a_vendors_words_are_kept_up_to_a_length() -> None:
    """X14: enough for every message, too little to flood a log."""
    verdict = judge(Response(400), (), "", "x" * 1_000_000)
    assert verdict.text == "x" * TEXT_KEPT_MAX


SENT = "Tue, 10 Mar 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("1.5", 1.5),
        (" 7 ", 7),
        ("-1", -1),
        ("999999999999999", 999999999999999),
        ("Tue, 10 Mar 2026 12:02:00 GMT", 120),
        ("Tue, 10 Mar 2026 11:59:00 GMT", -60),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 251629156799),
        (None, None),
        ("", None),
        ("soon", None),
        ("1e9", None),
        ("NaN", None),
        ("inf", None),
        ("1_0", None),
        ("١٢٠", None),
        ("10" * 50, None),
        ("Tue, 99 Mar 2026 12:02:00 GMT", None),
        ("Tue, 10 Mar 99999999999999999999 12:02:00 GMT", None),
        ("Tue, 10 Mar 2026 12:02:00 -0000", None),
    ],
)
def test_the_pause_that_an_answer_asks_for(
    value: str | None, seconds: float | None
) -> None:
    """H7, X29: seconds, a date by the server's own clock, or nothing."""
    headers = {"Date": SENT} if value is None else {"Date": SENT, "Retry-After": value}
    assert retry_after(Response(429, headers)) == seconds


def test_a_date_to_wait_for_needs_the_servers_clock() -> None:
    """H23: our clock may be an hour off; then our own pause is better."""
    assert (
        retry_after(Response(429, {"Retry-After": "Tue, 10 Mar 2026 12:02:00 GMT"}))
        is None
    )


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        (SENT, datetime(2026, 3, 10, 12, tzinfo=UTC)),
        ("Tue, 10 Mar 2026 14:00:00 +0200", datetime(2026, 3, 10, 12, tzinfo=UTC)),
        ("Tue, 10 Mar 2026 12:00:00 -0000", None),
        ("now", None),
        ("", None),
        ("Tue, 10 Mar 99999999999999999999 12:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -1200", None),
    ],
)
def test_the_other_sides_clock(value: str, instant: datetime | None) -> None:
    """H23, P11: from the Date header; nonsense is no clock, and no crash."""
    assert server_time(Response(200, {"Date": value})) == instant


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda b: b.decode("latin-1")))
def test_no_header_is_too_strange(value: str) -> None:
    """X29: whatever stands in Retry-After, Date and Link is read or not, never raised."""
    for name in ("Retry-After", "Date", "Link"):
        response = Response(429, [("Date", SENT), (name, value)])
        retry_after(response)
        server_time(Response(200, {"Date": value}))
        next_link(response)


NEXT = "https://api.vendor.example/books/v1/invoices?page=2"


@pytest.mark.parametrize(
    "value",
    [
        f'<{NEXT}>; rel="next"',
        f"<{NEXT}>; rel=next",
        f'<{NEXT}>;rel="next"',
        f'<{NEXT}> ; rel="next"',
        f'<{NEXT}>; rel="next last"',
        f'<{NEXT}>; rel="last next"',
        f'<{NEXT}>; rel="first next last"',
        f'<https://x/1>; rel="prev", <{NEXT}>; rel="next", <https://x/9>; rel="last"',
        f"<https://x/1>;rel=first,<{NEXT}>;rel=next",
        f'<{NEXT}>; title="page two"; rel="next"',
        f'<{NEXT}>; rel="next"; title="page two"',
        f'<{NEXT}>; title="two, or three"; rel="next"',
        f'<{NEXT}>; title="a; rel=prev"; rel="next"',
        f'<{NEXT}>; title="say \\"hello\\", friend"; rel="next"',
        f'<{NEXT}>; REL="next"',
        f'<{NEXT}>; rel="Next"',
        f'<{NEXT}>; rel = "next"',
    ],
)
def test_the_next_page_is_found(value: str) -> None:
    """RFC 8288: quoted or not, among several, whatever stands beside it."""
    assert next_link(Response(200, {"Link": value})) == NEXT


def test_several_link_headers_are_one_list() -> None:
    """RFC 9110: a list may be spread over header lines of one name."""
    headers = [("Link", '<https://x/1>; rel="prev"'), ("Link", f'<{NEXT}>; rel="next"')]
    assert next_link(Response(200, headers)) == NEXT


@pytest.mark.parametrize(
    "value",
    [
        "",
        f'<{NEXT}>; rel="prev"',
        f'<{NEXT}>; rel="nextish"',
        f'<{NEXT}>; rel="not-next"',
        f'<{NEXT}>; title="rel=next"',
        f'<{NEXT}>; norel="next"',
        f"<{NEXT}>",
        f'{NEXT}; rel="next"',
        "garbage",
        "<<<>>>",
    ],
)
def test_what_is_no_next_page(value: str) -> None:
    """Nothing is guessed: the listing ends here."""
    assert next_link(Response(200, {"Link": value})) is None


def test_a_link_with_a_comma_in_its_address_is_whole() -> None:
    """RFC 8288: commas between the brackets belong to the address."""
    address = "https://api.vendor.example/invoices?ids=1,2;3"
    assert next_link(Response(200, {"Link": f'<{address}>; rel="next"'})) == address


@pytest.mark.parametrize(
    "value", ["<" * 50_000, "<a>" + "; " * 50_000, "<a>;rel=" + " next" * 20_000 + "x"]
)
def test_reading_a_link_is_linear(value: str) -> None:
    """X23: a hostile header costs no time."""
    began = time.perf_counter()
    next_link(Response(200, {"Link": value}))
    assert time.perf_counter() - began < 1


def test_a_connection_is_ok_only_as_a_whole() -> None:
    """B163: reachable, signed in, and nothing missing, each apart."""
    good = Health(reachable=True, signed_in=True, books=Books("x"))
    assert good.ok
    assert not Health(reachable=False, signed_in=True).ok
    assert not Health(reachable=True, signed_in=False).ok
    assert not Health(reachable=True, signed_in=True, missing=("invoices",)).ok


# Writes that never raise their way around an outcome -------------------------------------

LOST = Fault(Code.ANSWER_LOST, fate=Fate.UNCLEAR)
SENT_NOT = Fault(Code.NOT_REACHED, fate=Fate.NOT_SENT)
READ, WRITE = Request("GET", "x"), Request("PUT", "x", effect=True)
ONE = change("1")


def by_judge(response: Response) -> Any:
    return judge(response, ())


def steps(*asked: Request | Call, then: Exception | None = None) -> Flow[Outcome]:
    """A write of these requests, which raises for bad answers and perhaps at its end."""
    for each in asked:
        response = yield each
        verdict = judge(response, ())
        if verdict.answer is not Answer.OK:
            raise verdict.fault()
    if then is not None:
        raise then
    return Outcome.applied(ONE)


@pytest.mark.parametrize(
    ("asked", "then", "replies", "state"),
    [
        ((READ, WRITE), None, [Response(200), Response(200)], State.APPLIED),
        ((READ, WRITE), None, [Response(404)], State.REJECTED),
        ((READ, WRITE), None, [SENT_NOT], State.NOT_SENT),
        ((READ, WRITE), None, [LOST], State.UNKNOWN),
        ((READ,), KeyError("x"), [Response(200)], State.REJECTED),
        ((WRITE,), None, [Response(422)], State.REJECTED),
        ((WRITE,), None, [Response(429)], State.NOT_SENT),
        ((WRITE,), None, [Response(409)], State.NOT_SENT),
        ((WRITE,), None, [Response(500)], State.UNKNOWN),
        ((WRITE,), None, [Response(302)], State.UNKNOWN),
        ((WRITE,), None, [LOST], State.UNKNOWN),
        ((WRITE,), None, [SENT_NOT], State.NOT_SENT),
        ((WRITE,), None, [RuntimeError("transport")], State.UNKNOWN),
        ((WRITE,), KeyError("Id"), [Response(200)], State.UNKNOWN),
        ((WRITE,), Fault(Code.BAD_PAYLOAD), [Response(200)], State.UNKNOWN),
        ((WRITE, WRITE), None, [Response(200), Response(422)], State.UNKNOWN),
        ((WRITE, WRITE), None, [Response(200), Response(429)], State.UNKNOWN),
        ((WRITE, READ), None, [Response(200), SENT_NOT], State.UNKNOWN),
        ((WRITE,), Fault(Code.REFUSED), [Response(200)], State.UNKNOWN),
    ],
)
def test_what_is_known_of_a_write(
    asked: Sequence[Request], then: Exception | None, replies: list[Any], state: State
) -> None:
    """Once an effect has gone out and was not refused, any failure is unknown."""
    flow = guarded(steps(*asked, then=then), ONE, by_judge)
    _, outcome = drive(flow, *replies)
    assert outcome.state is state
    assert outcome.name == ONE.name


def test_a_refused_effect_leaves_no_doubt() -> None:
    """The step after a refused one is again certain."""

    def patient() -> Flow[Outcome]:
        response = yield WRITE
        if response.status == 422:
            raise Fault(Code.REFUSED, "as told")
        return Outcome.applied(ONE)

    _, outcome = drive(guarded(patient(), ONE, by_judge), Response(422))
    assert (outcome.state, outcome.text) == (State.REJECTED, "as told")


def test_the_flow_may_handle_what_is_thrown_into_it() -> None:
    """An exception reaches the flow where it asked, and it may go on."""

    def stubborn() -> Flow[Outcome]:
        try:
            yield READ
        except Fault:
            yield WRITE
        return Outcome.applied(ONE)

    asked, outcome = drive(guarded(stubborn(), ONE, by_judge), LOST, Response(200))
    assert asked == [READ, WRITE]
    assert outcome.state is State.APPLIED


def test_a_bug_does_not_show_what_it_stumbled_over() -> None:
    """X20: its kind is told, not its words."""
    flow = guarded(steps(then=ValueError("CANARY")), ONE, by_judge)
    _, outcome = drive(flow)
    assert "CANARY" not in outcome.text
    assert "ValueError" in outcome.text


# REST -----------------------------------------------------------------------------------


def load_bill(f: Fields) -> Settlement:
    return level(f.id("id"), number=f.number("number"), connection="plain:1")


class Tiny(RestConnector):
    """A ledger of one resource."""

    rules = (Rule(Code.LOCKED_PERIOD, vendor_code="locked"),)

    def __init__(self, rows: str = "items") -> None:
        self.connection = "plain:1"
        self.auth = Headers(BASE, {"X-Key": "k"})
        self.capabilities = Capabilities(
            "Tiny", {Settlement: Kind(selects=frozenset({Changed}), fetch_size=2)}
        )
        self.resources = {
            Settlement: Resource(
                Settlement, "bills", load_bill, rows=rows, parameters={"state": "all"}
            )
        }

    def explain(self, response: Response) -> tuple[str, str]:
        body = response.json() if response.body else {}
        return body.get("error", ""), body.get("message", "")

    def suspicious(self, response: Response) -> bool:
        return b"error" in response.body


SINCE = Changed(datetime(2026, 3, 1, tzinfo=UTC))


def items(*ids: str) -> Response:
    rows = ",".join(f'{{"id": "{each}", "number": "N{each}"}}' for each in ids)
    return Response(200, {"Date": SENT}, f'{{"items": [{rows}]}}')


def test_what_is_fetched_alone_is_asked_for_one_by_one() -> None:
    """Still in one flow, so that what else has to be read for it is read once."""
    tiny = Tiny()
    kind = Kind(fetch_size=2, fetch_alone=True)
    tiny.capabilities = Capabilities("Tiny", {Settlement: kind})
    flow = tiny.fetch(Settlement, ids=["1", "2"], numbers=["A", "B"])
    replies = (items("1"), items("2"), items("A"), items("B"))
    asked, _ = drive(flow, *replies)
    sent = [dict(each.params) for each in asked]
    assert [each.get("ids") or each["numbers"] for each in sent] == ["1", "2", "A", "B"]


def test_a_page_is_asked_for_and_read() -> None:
    """The parameters of the resource, the server's clock, the next address."""
    link = {"Link": f'<{NEXT}>; rel="next"', "Date": SENT}
    reply = Response(200, link, b'{"items": [{"id": 1, "number": "A"}, {"id": null}]}')
    (asked,), page = drive(Tiny().page(Settlement, SINCE), reply)
    assert (asked.method, asked.url, asked.params) == (
        "GET",
        "bills",
        (("state", "all"),),
    )
    assert not asked.effect
    assert [each.ref.id for each in page.records] == ["1"]
    assert [each.code for each in page.issues] == [Code.BAD_FIELD]
    assert page.next == NEXT
    assert page.as_of == datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_the_page_after_it_is_at_the_address_that_was_told() -> None:
    """By default the cursor is the whole next address."""
    (asked,), page = drive(Tiny().page(Settlement, SINCE, NEXT), items())
    assert (asked.url, asked.params) == (NEXT, ())
    assert page.next is None
    assert page.records == ()


@pytest.mark.parametrize(
    "body", [b'{"items": null}', b"{}", b"[]", b'{"items": {}}', b"3"]
)
def test_a_body_without_its_list_is_no_empty_page(body: bytes) -> None:
    """D32: an empty list, null and a missing list are three things."""
    with pytest.raises(Fault) as caught:
        drive(Tiny().page(Settlement, SINCE), Response(200, (), body))
    assert caught.value.code is Code.BAD_PAYLOAD
    assert caught.value.fate is Fate.UNCLEAR


def test_the_body_itself_may_be_the_list() -> None:
    """Where no name of rows is given."""
    _, page = drive(
        Tiny(rows="").page(Settlement, SINCE), Response(200, (), b'[{"id": 1}]')
    )
    assert len(page.records) == 1
    with pytest.raises(Fault, match="no list"):
        drive(Tiny(rows="").page(Settlement, SINCE), Response(200, (), b"{}"))


def test_records_are_fetched_in_batches_and_each_once() -> None:
    """By id and by number; a record that comes by both is one."""
    asked, page = drive(
        Tiny().fetch(Settlement, ids=["1", "2", "1", "3"], numbers=["N3", "N4"]),
        items("1", "2"),
        items("3"),
        items("3", "4"),
    )
    assert [dict(each.params) for each in asked] == [
        {"state": "all", "ids": "1,2"},
        {"state": "all", "ids": "3"},
        {"state": "all", "numbers": "N3,N4"},
    ]
    assert [each.ref.id for each in page.records] == ["1", "2", "3", "4"]


def test_the_same_unreadable_row_is_one_issue() -> None:
    """D13: found by id and by number, told once."""
    bad = Response(200, (), b'{"items": [{"id": 1, "number": true}]}')
    _, page = drive(Tiny().fetch(Settlement, ids=["1"], numbers=["N1"]), bad, bad)
    assert len(page.issues) == 1


def test_records_without_a_number_are_found_by_their_ids() -> None:
    """A part that was put to an invoice has none."""

    class Parts(Tiny):
        def __init__(self) -> None:
            super().__init__()
            self.resources = {
                Application: Resource(Application, "parts", _part, "items")
            }

    _, page = drive(Parts().fetch(Application, ids=["1"]), items("1", "2"))
    assert [each.ref.id for each in page.records] == ["1"]


def _part(row: Fields) -> Application:
    ref = Ref("plain:1", "Application", row.id("id"))
    return Application(ref, ref, ref, Decimal(1), "USD", date(2026, 3, 1))


def test_nothing_is_asked_for_nothing() -> None:
    """No ids and no numbers cost no call."""
    assert drive(Tiny().fetch(Settlement))[0] == []


def test_what_changes_may_have_made_is_looked_for() -> None:
    """By the target's id, and by number for what was created under a number of ours."""
    system, created = Tiny(), change("3", action=Action.CREATE)
    kinds = dict(system.capabilities.kinds)
    kinds[Settlement] = evolve(kinds[Settlement], mark=Mark("number", is_number=True))
    system.capabilities = evolve(system.capabilities, kinds=kinds)
    asked, page = drive(
        system.find([change("1"), created]), items("b1", "b3"), items("b3")
    )
    assert [dict(each.params).get("ids") for each in asked] == ["b1,b3", None]
    assert dict(asked[1].params)["numbers"] == "INV-3"
    assert len(page.records) == 2


def test_a_number_proves_nothing_where_the_other_side_gives_it() -> None:
    """Q1, R4: refused, so that the write is parked and not sent again."""
    with pytest.raises(Fault) as caught:
        next(Tiny().find([change("3", action=Action.CREATE)]))
    assert caught.value.code is Code.NOT_ALLOWED


def test_a_mark_that_cannot_be_asked_for_is_not_taken_for_absent() -> None:
    """Q1: refused, so that the write is parked; what was asked for is no excuse."""

    class Shy(Tiny):
        plain = re.compile("INV-[0-9]")

        def literal(self, resource: Resource[Any], by: str, value: str) -> str:
            if "\\" in value:
                raise Fault(Code.NOT_ALLOWED, "a backslash")
            return value

    system, odd = Shy(), evolve(change("3", action=Action.CREATE), target=None)
    kinds = dict(system.capabilities.kinds)
    kinds[Settlement] = evolve(kinds[Settlement], mark=Mark("number", is_number=True))
    system.capabilities = evolve(system.capabilities, kinds=kinds)
    with pytest.raises(Fault, match="backslash") as caught:
        next(system.find([evolve(odd, number="A\\1")]))
    assert caught.value.code is Code.NOT_ALLOWED
    with pytest.raises(Fault, match="cannot be asked for") as caught:
        drive(system.find([evolve(odd, number="A%1")]), Response(400, (), b"{}"))
    assert caught.value.code is Code.NOT_ALLOWED


def test_what_the_system_has_not_is_not_asked_for() -> None:
    """A kind without a resource: NOT_ALLOWED, and no request."""
    with pytest.raises(Fault) as caught:
        next(Tiny().page(Invoice, SINCE))
    assert caught.value.code is Code.NOT_ALLOWED
    assert "Tiny" in caught.value.text


def test_writing_is_refused_unless_a_subclass_can() -> None:
    """One outcome for each change, by its name."""
    some = [change("1"), change("2")]
    asked, outcomes = drive(Tiny().write(some))
    assert asked == []
    assert [each.name for each in outcomes] == [each.name for each in some]
    assert {each.state for each in outcomes} == {State.REJECTED}
    assert {each.code for each in outcomes} == {Code.NOT_ALLOWED}
    assert "cannot update Settlement" in outcomes[0].text


class Writing(Tiny):
    def __init__(self) -> None:
        super().__init__()
        verbs = frozenset({Verb.READ, Verb.UPDATE})
        self.capabilities = Capabilities("Tiny", {Settlement: Kind(verbs)})

    def write_one(self, change: Change) -> Flow[Outcome]:
        yield from self.ask(Request("PUT", f"bills/{change.number}", effect=True))
        return Outcome.applied(change, version="2")


def test_one_failed_write_does_not_stop_the_next() -> None:
    """B40: the others are carried out."""
    some = [change("1"), change("2"), change("3")]
    locked = Response(400, (), b'{"error": "locked", "message": "closed"}')
    asked, outcomes = drive(Writing().write(some), Response(200), locked, Response(200))
    assert [each.url for each in asked] == ["bills/INV-1", "bills/INV-2", "bills/INV-3"]
    assert [each.state for each in outcomes] == [
        State.APPLIED,
        State.REJECTED,
        State.APPLIED,
    ]
    assert (outcomes[1].code, outcomes[1].text) == (Code.LOCKED_PERIOD, "closed")


def test_a_good_status_may_carry_a_failure() -> None:
    """H15: 200 with an error in its body."""
    tiny = Tiny()
    bad = Response(200, (), b'{"error": "locked", "message": "closed"}')
    assert tiny.judge(bad).code is Code.LOCKED_PERIOD
    assert tiny.judge(Response(200, (), b'{"items": []}')).answer is Answer.OK
    assert tiny.deep_link(Ref("plain:1", "Invoice", "1")) == ""


def test_a_check_is_at_least_a_call() -> None:
    """By default: an answer came, and the books are the connection's."""
    asked, health = drive(Tiny().check(), items())
    assert [each.url for each in asked] == ["bills"]
    assert health.ok
    assert health.books == Books("plain:1")
    _, failing = drive(Tiny().check(), Response(500))
    assert (failing.reachable, failing.code) == (False, Code.SERVER_ERROR)
    _, revoked = drive(Tiny().check(), Response(401))
    assert (revoked.reachable, revoked.signed_in) == (True, False)
    _, lacking = drive(Tiny().check(), Response(403))
    assert lacking.missing
    with pytest.raises(Fault):
        drive(Tiny().check(), Response(404))


class Posting(Tiny):
    """Searches by POST, and asks another list for what its rows leave out."""

    def fetch_request(
        self, resource: Resource[Any], by: str, literals: Sequence[str]
    ) -> Request:
        return Request("POST", "bills/query", json={by: [*literals]})

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        return Request("POST", cursor or "bills/query", json={})

    def joined(self, resource: Resource[Any], rows: list[Any]) -> Flow[list[Any]]:
        told = (yield from self.ask(Request("GET", "labels"))).json()
        return [{**row, "number": told[row["id"]]} for row in rows]

    def notes(self, answers: Mapping[str, Response]) -> Iterable[str]:
        return sorted(answers)


LABELS = Response(200, (), b'{"1": "A", "2": "B"}')


def test_a_posted_search_is_posted_again_for_its_next_page() -> None:
    """With the same body, at the address that was told."""
    system = Posting()
    bills = evolve(system.resources[Settlement], next_field="next")
    system.resources = {Settlement: bills}
    first = Response(200, (), f'{{"items": [{{"id": "1"}}], "next": "{NEXT}"}}')
    found = system.fetch(Settlement, ids=["1", "2"])
    asked, page = drive(found, first, items("2"), LABELS)
    assert [(each.method, each.url) for each in asked] == [
        ("POST", "bills/query"),
        ("POST", NEXT),
        ("GET", "labels"),
    ]
    assert asked[0].json == asked[1].json == {"id": ["1", "2"]}
    assert len(page.records) == 2


def test_rows_are_joined_with_another_list_before_they_are_read() -> None:
    """On a page and in a search alike."""
    asked, page = drive(Posting().page(Settlement, SINCE), items("1", "2"), LABELS)
    assert [each.url for each in asked] == ["bills/query", "labels"]
    assert [each.number for each in page.records] == ["A", "B"]
    _, found = drive(Posting().fetch(Settlement, ids=["1"]), items("1"), LABELS)
    assert [each.number for each in found.records] == ["A"]


class Renaming(Tiny):
    """Calls a record by a name that stays, and knows it by today's handle too."""

    def __init__(self) -> None:
        super().__init__()

        def load(row: Fields) -> Settlement:
            ref = Ref(
                "plain:1", "Invoice", f"D-{row.id('id')}", aliases=(row.id("id"),)
            )
            return evolve(load_bill(row), ref=ref)

        bills = evolve(self.resources[Settlement], load=load)
        self.resources = {Settlement: bills}


def test_a_record_is_found_by_its_handle_of_today() -> None:
    """It was asked for by an alias, and comes under its own name; another does not."""
    _, page = drive(Renaming().fetch(Settlement, ids=["1"]), items("1", "2"))
    assert [each.ref.id for each in page.records] == ["D-1"]


class Listed(Tiny):
    """Reads what was deleted from a list of its own, whatever is selected."""

    def lists(self, kind: RecordType, select: Select) -> Sequence[Resource[Any]]:
        def gone(row: Fields) -> Ref:
            return Ref("plain:1", "Invoice", row.id("id"))

        history = evolve(self.resources[Settlement], path="history", load=gone)
        return (*super().lists(kind, select), history)


def test_a_selection_may_go_through_several_lists() -> None:
    """Behind the first one, refs are of records that were touched."""
    (asked,), page = drive(Listed().page(Settlement, SINCE), items("1"))
    assert (asked.url, page.next) == ("bills", "1:")
    (asked,), page = drive(Listed().page(Settlement, SINCE, "1:"), items("2"))
    assert (asked.url, page.next) == ("history", None)
    assert page.touched == (Ref("plain:1", "Invoice", "2"),)


def test_what_is_open_owes_something() -> None:
    """A list of what is unpaid may hold drafts and void documents; other lists keep them."""

    class Unpaid(Tiny):
        def __init__(self) -> None:
            super().__init__()

            def load(row: Fields) -> Settlement:
                status = Status.VOID if row.id("id") == "2" else Status.OPEN
                return evolve(load_bill(row), status=status)

            bills = self.resources[Settlement]
            self.resources = {Settlement: evolve(bills, load=load)}
            can = evolve(
                self.capabilities.kind(Settlement), selects=frozenset({Changed, Open})
            )
            kinds = {Settlement: can}
            self.capabilities = evolve(self.capabilities, kinds=kinds)

    def ids(select: Select) -> list[str]:
        _, page = drive(Unpaid().page(Settlement, select), items("1", "2"))
        return [each.ref.id for each in page.records]

    assert ids(Open()) == ["1"]
    assert ids(SINCE) == ["1", "2"]


def test_a_check_tells_what_the_connector_notes() -> None:
    _, health = drive(Posting().check(), items())
    assert health.notes == ("bills",)


class Probing(Tiny):
    """Has a permission that can be asked for only where there is a record."""

    def probes_behind(self, name: str, response: Response) -> Mapping[str, Request]:
        rows = response.json()["items"]
        return {f"{name}/parts": Request("GET", f"{name}/1/parts")} if rows else {}


def test_a_check_may_ask_on_in_the_light_of_an_answer() -> None:
    """What cannot be read of it is told of the connection, and not raised."""

    class Once(Probing):
        def probes_behind(self, name: str, response: Response) -> Mapping[str, Request]:
            return super().probes_behind(name, response) if name == "bills" else {}

    asked, health = drive(Once().check(), items("1"), Response(403))
    assert [each.url for each in asked] == ["bills", "bills/1/parts"]
    assert [each.partition(":")[0] for each in health.missing] == ["bills/parts"]
    asked, health = drive(Once().check(), items())
    assert len(asked) == 1
    assert health.ok
    _, page = drive(Once().check(), Response(200, (), b"<html>sign in</html>"))
    assert (page.reachable, page.code) == (False, Code.BAD_PAYLOAD)


def test_by_default_the_whole_body_is_the_vendors_word() -> None:
    """And no good answer is suspicious."""
    plain = Plain()
    assert plain.judge(Response(400, (), b" no way\n")).text == "no way"
    assert plain.judge(Response(200, (), b"error")).answer is Answer.OK


@given(st.lists(st.integers()), st.integers(1, 5))
def test_batches_hold_everything_in_order(values: list[int], size: int) -> None:
    """None larger than asked, none empty, nothing lost."""
    made = list(batches(values, size))
    assert [each for some in made for each in some] == values
    assert all(1 <= len(some) <= size for some in made)
    assert all(len(some) == size for some in made[:-1])
