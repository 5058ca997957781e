"""Requests, answers, JSON with exact decimals, and the table of what may be repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import Code, Fate, Fault
from tieout.wire import (
    FATES,
    REPEATS,
    Answer,
    Call,
    Repeat,
    Request,
    Response,
    Twice,
    Verdict,
    read_json,
    write_json,
)

HOSTILE = {
    "levels": b"[" * 100_000 + b"]" * 100_000,
    "objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "integer": b"1" * 5000,
    "long decimal": b"1." + b"1" * 5000,
    "NaN": b"[NaN]",
    "Infinity": b"[Infinity]",
    "minus Infinity": b"[-Infinity]",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-32": '{"a": 1}'.encode("utf-32"),
    "Latin-1": '{"a": "é"}'.encode("latin-1"),
    "cut": b'{"a": [1, 2',
    "empty": b"",
    "sign-in page": b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "two values": b"{} {}",
    "single quotes": b"{'a': 1}",
    "huge exponent": b"1e99999999999999999999999",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_json_is_one_kind_of_fault(name: str) -> None:
    """X10, H15: BAD_PAYLOAD for each, with fate unclear; never a raw Python error."""
    with pytest.raises(Fault) as caught:
        read_json(HOSTILE[name])
    assert caught.value.code is Code.BAD_PAYLOAD
    assert caught.value.fate is Fate.UNCLEAR


def test_a_byte_order_mark_is_no_harm() -> None:
    """X10: some vendors put one in front."""
    assert read_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_numbers_with_a_point_are_exact_decimals() -> None:
    """B153: 0.1 is a tenth, and 1e2 and 1.50 stay decimals."""
    found = read_json(b'{"a": 0.1, "b": 1.50, "c": 1e2, "d": 7, "e": 9007199254740993}')
    assert found == {
        "a": Decimal("0.1"),
        "b": Decimal("1.50"),
        "c": Decimal("1e2"),
        "d": 7,
        "e": 9007199254740993,
    }
    assert isinstance(found["c"], Decimal)
    assert str(found["b"]) == "1.50"


def test_a_number_of_no_double_is_kept_apart() -> None:
    """D5: 1e999 is a decimal for the amount grammar to refuse, never infinity."""
    found = read_json(b"[1e999]")
    assert found == [Decimal("1e999")]


def test_a_key_given_twice_is_remembered_as_such() -> None:
    """D8: two values of one key spoil the record, not its neighbours."""
    found = read_json(b'[{"total": 1, "total": 2}, {"total": 3, "total": 3}]')
    assert found == [{"total": Twice(1, 2)}, {"total": 3}]


def test_a_key_given_three_times_is_not_healed_by_the_third() -> None:
    """D8: a, b, b is as contradictory as a, b."""
    found = read_json(b'{"total": 1, "total": 2, "total": 2}')
    assert isinstance(found["total"], Twice)


def test_a_secret_in_a_broken_answer_is_not_repeated() -> None:
    """X19: a token answer that was cut off does not spill its token into the message."""
    with pytest.raises(Fault) as caught:
        read_json(b'{"access_token":"CANARY-0123456789abcdef", "expi')
    assert "CANARY" not in str(caught.value)


@given(st.binary(max_size=60))
def test_any_bytes_are_json_or_a_fault(body: bytes) -> None:
    """X10: nothing else comes out."""
    try:
        read_json(body)
    except Fault as fault:
        assert fault.code is Code.BAD_PAYLOAD  # noqa: PT017 - either is right


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(alphabet=st.characters(exclude_categories=["Cs"])),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(PLAIN)
def test_what_is_written_is_read_back(value: Any) -> None:
    """B153: also decimals, digit by digit."""
    assert read_json(write_json(value)) == value


def test_decimals_are_written_without_a_float() -> None:
    """B153: no exponent, no rounding, no quotes."""
    value = {
        "a": Decimal("1E+2"),
        "b": [Decimal("0.10"), Decimal("1e-7")],
        "c": (1, None),
    }
    assert write_json(value) == b'{"a":100,"b":[0.10,0.0000001],"c":[1,null]}'


@pytest.mark.parametrize("value", [1.5, {"a": [1.0]}, (float("nan"),)])
def test_a_float_is_never_written(value: Any) -> None:
    """B153: amounts are decimals."""
    with pytest.raises(TypeError):
        write_json(value)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_a_decimal_that_is_no_number_is_never_written(text: str) -> None:
    """D5: NaN and Infinity are no JSON."""
    with pytest.raises((TypeError, ValueError)):
        write_json({"amount": Decimal(text)})


def test_text_is_written_escaped() -> None:
    """X14: quotes, control characters and other scripts stay one string."""
    tricky = 'a"b\\c\n\u2028\x00é\U0001f600'
    written = write_json({tricky: tricky})
    assert json.loads(written) == {tricky: tricky}
    assert b"\n" not in written


def test_every_case_of_repeating_is_decided() -> None:
    """The table is complete: each fate and each answer but OK, with and without effect."""
    cases = [*Fate, *(each for each in Answer if each is not Answer.OK)]
    assert set(REPEATS) == {
        (case, effect) for case in cases for effect in (False, True)
    }


@pytest.mark.parametrize("case", [Answer.UNCLEAR, Fate.UNCLEAR])
def test_an_effect_that_is_unclear_is_never_repeated(case: Answer | Fate) -> None:
    """H4, H20: a read may be, a write may not."""
    assert REPEATS[case, True] is Repeat.NEVER
    assert REPEATS[case, False] is Repeat.AFTER_WAIT


def test_only_what_certainly_had_no_effect_is_repeated_with_one() -> None:
    """Repeating an effect needs certainty: not sent, asked to wait, not signed in."""
    repeated = {
        case
        for (case, effect), how in REPEATS.items()
        if effect and how is not Repeat.NEVER
    }
    assert repeated == {Answer.WAIT, Answer.SIGN_IN, Fate.NOT_SENT}


def test_every_bad_answer_has_a_fate() -> None:
    """OK has none; a verdict without a fate would be unclear."""
    assert set(FATES) == set(Answer) - {Answer.OK}
    assert FATES[Answer.UNCLEAR] is Fate.UNCLEAR
    assert FATES[Answer.REFUSED] is Fate.REFUSED
    assert FATES[Answer.WAIT] is FATES[Answer.SIGN_IN] is Fate.NOT_SENT


@pytest.mark.parametrize("answer", list(Answer))
def test_a_verdict_becomes_a_fault(answer: Answer) -> None:
    """Code, words, field, remedy, pause and fate are handed on."""
    verdict = Verdict(answer, Code.IN_USE, "busy", "close it", "Date", wait=3.0)
    fault = verdict.fault()
    assert (fault.code, fault.text, fault.remedy) == (Code.IN_USE, "busy", "close it")
    assert (fault.field, fault.wait) == ("Date", 3.0)
    assert fault.fate is FATES.get(answer, Fate.UNCLEAR)


def test_a_verdict_without_a_code_is_an_unknown_error() -> None:
    """Nothing is guessed."""
    fault = Verdict(Answer.REFUSED).fault()
    assert fault.code is Code.UNKNOWN_ERROR


def test_requests_and_answers_do_not_show_secrets() -> None:
    """X19: repr has the names of headers, no values, no bodies."""
    request = Request(
        "POST",
        "invoices",
        headers={"Authorization": "Bearer CANARY"},
        json={"password": "CANARY"},
        content=b"CANARY",
    )
    response = Response(200, {"Set-Cookie": "CANARY"}, b"CANARY", value="CANARY")
    call = Call(lambda: "CANARY", name="pay")
    for shown in (repr(request), repr(response), repr(call), f"{request} {response}"):
        assert "CANARY" not in shown
    assert "Authorization" in repr(request)
    assert "Set-Cookie" in repr(response)


def test_headers_are_found_whatever_their_case() -> None:
    """RFC 9110: names are case-insensitive; the first of several counts."""
    request = Request("GET", "x", headers=[("X-Key", "1"), ("x-key", "2")])
    assert request.header("x-KEY") == "1"
    assert Response(200, {"retry-after": "3"}).header("Retry-After") == "3"
    assert request.header("other") is None


@pytest.mark.parametrize("given", [{"a": "1", "b": "2"}, [("a", "1"), ("b", "2")]])
def test_parameters_are_pairs_in_order(given: Mapping[str, str]) -> None:
    """Both ways of giving them, numbers written out."""
    assert Request("GET", "x", params=given).params == (("a", "1"), ("b", "2"))
    number: Any = {"n": 3}
    assert Request("GET", "x", params=number).params == (("n", "3"),)


def test_a_body_is_json_or_content_or_nothing() -> None:
    """An empty object is a body, too."""
    assert Request("POST", "x", json={"a": Decimal("1.10")}).body() == b'{"a":1.10}'
    assert Request("POST", "x", json={}).body() == b"{}"
    assert Request("POST", "x", content=b"<a/>").body() == b"<a/>"
    assert Request("GET", "x").body() == b""


def test_an_effect_is_never_assumed() -> None:
    """It is set by the connector and never guessed from the method."""
    assert not Request("POST", "x").effect
    assert not Request("DELETE", "x").effect
    assert not Call(lambda: None).effect


def test_an_answer_is_read_as_text_or_json() -> None:
    """Bytes that are not UTF-8 are replaced in text, and refused in JSON."""
    assert Response(200, (), "é").body == "é".encode()
    assert Response(200, (), b"\xff").text() == "\ufffd"
    assert Response(200, (), b"[1.5]").json() == [Decimal("1.5")]
    with pytest.raises(Fault):
        Response(200, (), b"\xff").json()


def test_a_call_answers_with_what_it_returned() -> None:
    """What the host's code raises is raised, what it returns is the value."""
    assert Call(lambda: [1]).answer().value == [1]
    with pytest.raises(ZeroDivisionError):
        Call(lambda: 1 / 0).answer()
