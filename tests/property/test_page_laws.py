"""Laws of pages: whatever records are called, a page stays harmless and hides none."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from busy import HOSTILE
from onlooker import check_harmless
from tieout.change import Issue
from tieout.errors import Code, Severity
from tieout.models import Ref, visible
from tieout.pages.sheet import Row, Sheet, groups_of, page, troubles_of
from tieout.pages.text import address, harmless

PIECES = st.sampled_from(
    [
        *HOSTILE,
        *("<", ">", "&", '"', "'", "</bdi>", "</title>", "</style>", "<!--", "]]>"),
        *("<svg onload=x>", "&lt;script&gt;", "&#60;", "\u202e", "\u2066", "\x00"),
        *("\ud800", "\n", "\u2028", "=", "a", "javascript:", "https://", "//"),
    ]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=4).map("".join), st.text(max_size=30))
"""Names as an attacker would choose them, and any others."""

CODES = st.sampled_from([Code.REFUSED, Code.OVERPAID, Code.UNKNOWN_ERROR])


@st.composite
def refs(draw: Any) -> Ref:
    return Ref(draw(st.sampled_from(["shop:1", "book:1"])), "Invoice", draw(TEXTS))


@st.composite
def issues(draw: Any) -> Issue:
    numbers = tuple(draw(st.lists(TEXTS, max_size=2)))
    source = draw(st.none() | refs())
    texts = {name: draw(TEXTS) for name in ("field", "text", "remedy")}
    return Issue(draw(CODES), source, numbers, **texts)


@st.composite
def rows(draw: Any) -> tuple[tuple[int, str], Row]:
    numbers = tuple(draw(st.lists(TEXTS, max_size=2)))
    found = tuple(draw(st.lists(refs(), max_size=2)))
    return (0, draw(TEXTS)), Row(numbers, (), draw(TEXTS), found)


@st.composite
def sheets(draw: Any) -> Sheet:
    return Sheet(
        draw(TEXTS),
        draw(st.sampled_from(Severity)),
        draw(TEXTS),
        steps=tuple(draw(st.lists(TEXTS, max_size=2))),
        counts={draw(TEXTS): 3, "updated": 2},
        troubles=troubles_of(draw(st.lists(issues(), max_size=4))),
        groups=groups_of(draw(st.lists(rows(), max_size=4))),
        facts={"Run": draw(TEXTS)},
        sides={"shop:1": draw(TEXTS)},
    )


@given(sheets(), TEXTS)
def test_no_text_gets_out_of_its_place(sheet: Sheet, link: str) -> None:
    """Nothing runs or is loaded; the elements are the same as with plain names."""
    found = check_harmless(page((sheet, lambda ref: link)))
    assert harmless(sheet.verdict) in found.texts or not sheet.verdict.strip()
    plain = evolve(sheet, title="t", verdict="v", steps=("s",) * len(sheet.steps))
    as_plain = check_harmless(page((plain, lambda ref: link)))
    assert [e.name for e in found.elements] == [e.name for e in as_plain.elements]
    assert page((sheet, lambda ref: link)) == page((sheet, lambda ref: link))


@given(TEXTS)
def test_a_harmless_text_still_says_what_it_was(text: str) -> None:
    """It is printable, begins no formula, and tells two names apart that look alike."""
    shown = harmless(text)
    assert shown.isprintable()
    assert not shown.lstrip().startswith(("=", "+", "-", "@"))
    assert shown.removeprefix("'") in (visible(text), visible(text).removeprefix("'"))


@given(TEXTS)
def test_an_address_is_of_the_web_or_none(text: str) -> None:
    """Whatever a connector makes of an id."""
    for url in (text, f"https://books.example/{text}", f"https://{text}"):
        safe = address(url)
        assert safe in ("", url)
        assert not safe or safe.lower().startswith(("https://", "http://"))
