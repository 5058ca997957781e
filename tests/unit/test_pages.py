"""The page of a run or plan: harmless, the same each time, and what is wrong comes first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from attrs import evolve
from test_report import REPORT

import tieout
from busy import HOSTILE, busy, busy_report
from onlooker import check_harmless, read
from tieout.change import Issue, State
from tieout.effects import Effect
from tieout.errors import Code, Severity
from tieout.models import Ref, Settlement
from tieout.money import Money
from tieout.pages import sheet as sheets
from tieout.pages.chart import LENGTH, Part, bar, shares
from tieout.pages.sheet import Group, Row, Sheet, groups_of, page, troubles_of
from tieout.pages.style import STYLE
from tieout.pages.text import TEXT_MAX, address, element, harmless, link, told
from tieout.plan import Plan
from tieout.report import Report, html_of
from tieout.store import Ending, Event, Held, IssueRow, ResumePoint
from tieout.stores.memory import MemoryStore

NOW = REPORT.start
BOOK = Ref("book:1", "Invoice", "L1")
SHOP = Ref("shop:1", "Invoice", "B1")


@pytest.fixture(scope="module")
def report() -> Report:
    """The report of a run over 120 invoices, a score of which are in trouble."""
    return busy_report(120)


@pytest.fixture(scope="module")
def html(report: Report) -> str:
    return report.html()


# Texts and addresses ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("INV-1", "INV-1"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x00\x1b[31m\n", "a\\x00\\x1b[31m\\n"),
        ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
        ("\ud800", "\\ud800"),
        ("=cmd()", "'=cmd()"),
        (" +1", "' +1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "\\t=1"),
        ("a=1", "a=1"),
        ("فاتورة", "فاتورة"),
        ("", ""),
    ],
)
def test_a_text_hides_and_calculates_nothing(text: str, shown: str) -> None:
    """What cannot be seen is escaped, and a formula is text in a spreadsheet."""
    assert harmless(text) == shown


def test_a_long_text_is_cut() -> None:
    """A name as long as a book does not push all else off the page."""
    shown = harmless("x" * (TEXT_MAX + 1))
    assert len(shown) == TEXT_MAX
    assert shown.endswith("…")
    assert harmless("x" * TEXT_MAX) == "x" * TEXT_MAX


def test_a_text_is_escaped_and_kept_apart() -> None:
    """Markup is text, and what is written from the right turns nothing else round."""
    assert told("<b>&'\"") == "<bdi>&lt;b&gt;&amp;&#x27;&quot;</bdi>"
    assert element("p", class_='"><script>', aria_label=None) == (
        '<p class="&quot;&gt;&lt;script&gt;"></p>'
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://books.example/view?id=1&x=%20",
        "http://127.0.0.1:8000/#1",
        "HTTPS://books.example/",
        "https://bücher.example/",
    ],
)
def test_web_addresses_are_led_to(url: str) -> None:
    """Of the web, as they are."""
    assert address(url) == url
    assert 'rel="noopener noreferrer"' in link(url, "ledger", "INV-1 in ledger")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/relative",
        "//books.example/",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)//https://",
        "data:text/html,<script>alert(1)</script>",
        "file:///etc/passwd",
        "vbscript:x",
        "ftp://books.example/",
        "https:",
        "https:///path",
        "https://user:secret@books.example/",
        "https://books.example@evil.example/",
        "https://books.example/\u202egpj.exe",
        "https://books.example/\n",
        "https://books.example/a b",
        "java\tscript:alert(1)",
        " javascript:alert(1)",
        "https://books.example\\@evil.example/",
        'https://books.example/"onclick="x',
        "https://[::1",
    ],
)
def test_other_addresses_are_not(url: str) -> None:
    """B157: what runs, reads a file, hides where it leads or holds a secret is no link."""
    assert address(url) == ""
    assert link(url, "ledger", "INV-1 in ledger") == ""


# Pictures -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "numbers", [(), (0,), (7,), (1, 999), (1, 1, 100_000), (3, 0, 5), (1,) * 9]
)
def test_a_picture_fills_its_width(numbers: tuple[int, ...]) -> None:
    """Each part that is there is seen, and all of them together fill the bar."""
    drawn = shares([Part(f"part {n}", n, "made") for n in numbers])
    places = [int(x) for x in re.findall(r' x="(\d+)"', drawn)]
    widths = [int(width) for width in re.findall(r' width="(\d+)"', drawn)]
    assert len(widths) == sum(1 for n in numbers if n)
    assert all(width > 0 for width in widths)
    ends = [at + width for at, width in zip(places, widths, strict=True)]
    assert all(end < at for end, at in zip(ends, places[1:], strict=False))
    assert ends[-1:] in ([], [LENGTH])


def test_a_bar_is_as_long_as_its_part_of_the_greatest() -> None:
    """Nothing is drawn for nothing."""
    widths = [
        re.findall(r' width="(\d+)"', bar(Money(v, "EUR").amount, of, "more"))
        for of in (Money("8", "EUR").amount,)
        for v in ("8", "4", "0.01", "0")
    ]
    assert widths == [["1000"], ["500"], ["8"], ["0"]]


# The page of a run --------------------------------------------------------------------


def test_a_page_runs_and_loads_nothing(html: str) -> None:
    """No script, no handler, no address that is fetched; a policy that says so."""
    found = check_harmless(html)
    assert "javascript:" not in "".join(
        each.attributes.get("href", "") for each in found.elements
    )
    first = [each for each in found.elements if each.name != "html"][:3]
    assert [each.name for each in first] == ["head", "meta", "meta"]
    assert "http-equiv" in first[2].attributes


def test_hostile_names_are_on_the_page_as_text(html: str) -> None:
    """Who looks for a record finds it, whatever it is called."""
    found = read(html)
    for name in HOSTILE:
        assert harmless(name) in found.texts, name


def test_the_page_is_the_same_each_time(report: Report, html: str) -> None:
    """It tells the times of the run and asks no clock."""
    assert report.html() == html
    assert evolve(report).html() == html


def test_what_is_wrong_is_open_and_comes_first(html: str) -> None:
    """B129: red before yellow before the rest; red is open, all else closed."""
    found = read(html)
    sections = [each.attributes["id"] for each in found.named("section")]
    assert sections == ["counts", "money", "red", "yellow", "records", "about"]
    outer = [each for each in found.named("details") if "details" not in each.within]
    looks = [(e.attributes["class"], "open" in e.attributes) for e in outer]
    assert looks == sorted(looks, key=lambda each: -each[1])
    assert {look for look, is_open in looks if is_open} == {"trouble red"}
    assert {look for look, is_open in looks if not is_open} == {
        "trouble yellow",
        "group",
    }


def test_a_trouble_says_what_to_do_and_leads_to_both_systems(html: str) -> None:
    """B131, B145: the code, its meaning and remedy, the records and the way to each of them."""
    start = html.index(Code.LOCKED_PERIOD.meaning)
    part = html[start : html.index("</details></details>", start)]
    for words in (Code.LOCKED_PERIOD.name, Code.LOCKED_PERIOD.remedy):
        assert words in part
    assert "the period 2026-02 is closed." in part
    assert 'href="https://desk.example/invoices/B10"' in part
    assert 'href="https://books.example/view?invoice=L10"' in part


def test_every_light_has_a_text(html: str) -> None:
    """B128: nobody has to tell colours apart."""
    text = read(html).text
    for words in ("Red: ", "red: need a person", "yellow: worth knowing", "green: "):
        assert words in text
    assert re.search(r"red, \d+ record", text)


def test_places_on_the_page_are_there(html: str) -> None:
    """Ids are single, and what refers to one finds it."""
    found = read(html)
    ids = [e.attributes["id"] for e in found.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for each in found.elements:
        for name in ("aria-labelledby", "href"):
            target = each.attributes.get(name, "#")
            if name == "aria-labelledby" or target.startswith("#"):
                assert target.lstrip("#") in {"", *ids}, each


def test_a_page_has_headings_in_order_and_named_columns(html: str) -> None:
    """It can be walked by its headings, and each table says what its columns are."""
    found = read(html)
    levels = [int(e.name[1]) for e in found.elements if re.fullmatch("h[1-6]", e.name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    columns = [e for e in found.named("th") if e.attributes["scope"] == "col"]
    assert len(columns) == 3 * html.count('<table class="records"') + 2 * html.count(
        '<table class="effects"'
    )
    assert found.elements[0].attributes == {"lang": "en"}


def test_money_is_told_by_effect_and_currency(report: Report, html: str) -> None:
    """B127: what a run did to money, also as figures; two currencies stay apart."""
    text = read(html).text
    assert set(report.effects) == {Effect.PAID_RISEN, Effect.PAID_FALLEN}
    for effect, sums in report.effects.items():
        assert effect.value in text
        for money in sums.values():
            assert f"{money}".removesuffix(f" {money.currency}") in text
    for currency, total in report.totals.items():
        risen = report.effects[Effect.PAID_RISEN][currency]
        fallen = report.effects[Effect.PAID_FALLEN].get(currency, Money(0, currency))
        assert risen - fallen == total


# Lights and verdicts ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, "Green: all that had changed was carried."),
        ({"counts": {"unchanged": 3}}, "Green: nothing had to be written."),
        (
            {"yellow": 7},
            "Yellow: nothing needs a person; 7 worth knowing about, 2 were written.",
        ),
        ({"red": 1}, "Red: 1 record needs a person; 2 were written."),
        ({"red": 1200}, "Red: 1,200 records need a person; 2 were written."),
        (
            {"red": 2, "counts": {"voided": 1}},
            "Red: 2 records need a person; 1 was written.",
        ),
        ({"ending": Ending.STOPPED}, "Yellow: the run was stopped before its end."),
        (
            {"ending": Ending.FAILED, "code": Code.NOT_REACHED, "text": "no route."},
            f"Red: the run ended early. {Code.NOT_REACHED.meaning}",
        ),
        (
            {"ending": Ending.STOPPED, "code": Code.DAY_LIMIT_REACHED},
            f"Yellow: the run ended early. {Code.DAY_LIMIT_REACHED.meaning}",
        ),
    ],
)
def test_a_page_begins_with_its_verdict(fields: dict[str, Any], verdict: str) -> None:
    """One light and one sentence for the whole run."""
    text = read(evolve(REPORT, **fields).html()).text.replace("\n", "")
    assert verdict in text
    if "text" in fields:
        assert f"no route. {Code.NOT_REACHED.remedy}" in text


def test_an_interrupted_run_says_how_it_goes_on() -> None:
    """What was not come to is not lost."""
    point = ResumePoint(
        "p", "payments", "me", NOW, "2", NOW, "past week", trusting=False, run="r"
    )
    assert "when the run goes on" in read(evolve(REPORT, resume=point).html()).text


def test_several_runs_stand_below_each_other(report: Report) -> None:
    """Each with its own lights; no id is there twice."""
    both = html_of([report, evolve(REPORT, red=1), REPORT])
    found = check_harmless(both)
    assert len(found.named("h1")) == 3
    ids = [e.attributes["id"] for e in found.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    assert {"red", "part-1-counts", "part-2-counts"} <= set(ids)
    assert "Nothing was run" in html_of([])


# Where records come from --------------------------------------------------------------


def happened(serial: int, what: str, **more: Any) -> Event:
    given: dict[str, Any] = {"source": BOOK, "numbers": (f"INV-{serial}",), **more}
    return Event("r", serial, "shop:1\x1fbook:1", NOW, what, **given)


def told_of(*facts: Event | IssueRow, **links: Any) -> str:
    store = MemoryStore()
    store.commit(*facts)
    pair = "shop:1\x1fbook:1"
    return evolve(REPORT, pair=pair, store=store, links=links.get("links", {})).html()


def test_each_thing_that_happened_has_its_place() -> None:
    """Made, changed, taken back, found, tied; what an issue tells is told there alone."""
    done = {"kind": Settlement, "state": State.APPLIED, "target": SHOP}
    html = told_of(
        happened(0, "tied", kind=Settlement),
        happened(1, "applied", **done, after="x"),
        happened(2, "applied", **done, before="x", after="y"),
        happened(3, "applied", **done, before="x"),
        happened(4, "adopted", **done),
        happened(5, "closed"),
        happened(6, "rejected", kind=Settlement, state=State.REJECTED),
        happened(7, "issue", text="told"),
        happened(8, "ended early"),
    )
    titles = re.findall(r"<h3><bdi>(.*?)</bdi></h3>", html)
    assert titles == [
        "Paid amounts created",
        "Paid amounts updated",
        "Paid amounts voided",
        "Paid amounts of an earlier run, found to have been carried out",
        "Records: closed",
        "Paid amounts that agreed, and are tied to each other now",
    ]
    text = read(html).text
    assert all(f"INV-{n}" in text for n in range(6))
    assert not any(f"INV-{n}" in text for n in (6, 7, 8))


def test_money_before_and_after_is_told_where_it_changed() -> None:
    """One currency is named once; an amount that stayed is told once."""
    done = {"kind": Settlement, "state": State.APPLIED, "before": "x", "after": "y"}
    eur, more = Money("0", "EUR"), Money("1234.5", "EUR")
    text = read(
        told_of(
            happened(1, "applied", **done, was=eur, is_now=more),
            happened(2, "applied", **done, was=more, is_now=more),
            happened(3, "applied", **done, was=eur, is_now=Money(7, "JPY")),
            happened(4, "applied", **done),
        )
    ).texts
    assert "0.00 → 1,234.50 EUR" in text
    assert "1,234.50 EUR" in text
    assert "0.00 EUR → 7 JPY" in text


def issue_row(at: int, code: Code = Code.BAD_FIELD, **more: Any) -> IssueRow:
    source = evolve(BOOK, id=f"L{at}")
    issue = Issue(code, source, (f"INV-{at}",), **more)
    return IssueRow("p", "v", str(at), issue, Held.OPEN, "r", NOW, NOW)


def test_many_of_one_trouble_are_few_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten are shown, the next behind a click, the rest is counted."""
    monkeypatch.setattr(sheets, "ROWS_MAX", 25)
    html = told_of(*(issue_row(at) for at in range(40)))
    assert html.count('class="row"') == 25
    text = read(html).text
    assert "red, 40 records" in text
    assert "15 more of these" in text
    assert "… and 15 more, which are not on this page" in text


def test_a_record_in_trouble_says_all_that_is_known() -> None:
    """Its own remedy where it has one, its field, and its id where it has no number."""
    nameless = evolve(
        issue_row(3), issue=Issue(Code.BAD_FIELD, None, (), text="no record at all")
    )
    bare = evolve(issue_row(4), issue=Issue(Code.BAD_FIELD, BOOK, ()))
    text = read(
        told_of(issue_row(1, field="total", remedy="Ask Ann."), nameless, bare)
    ).texts
    for words in ("Ask Ann.", "total", "the run", "no record at all", "L1"):
        assert words in text


@pytest.mark.parametrize(
    ("code", "blocking", "words"),
    [
        (Code.BAD_FIELD, True, "when the record or the settings change"),
        (Code.STALE_VERSION, True, "tried again in the next run"),
        (Code.SIGN_IN_REFUSED, True, "until a person has put it right"),
        (Code.OVERPAID, False, "the record was carried"),
    ],
)
def test_a_trouble_says_what_comes_next(code: Code, blocking: bool, words: str) -> None:
    """B107: what happens by itself, and what does not."""
    assert words in read(told_of(issue_row(1, code, blocking=blocking))).text


def test_an_address_that_raises_is_no_link() -> None:
    """A connector may be the host's own: the page is made all the same."""

    def broken(ref: Ref) -> str:
        raise KeyError("no template")

    links = {"book:1": broken, "shop:1": lambda ref: "https://shop.example/1"}
    done = {"kind": Settlement, "state": State.APPLIED, "target": SHOP, "after": "x"}
    html = told_of(happened(1, "applied", **done), issue_row(1), links=links)
    found = [
        e.attributes["href"] for e in read(html).named("a") if "href" in e.attributes
    ]
    assert [each for each in found if each[0] != "#"] == ["https://shop.example/1"]


def test_rows_beyond_what_a_page_holds_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A page of a hundred thousand records opens."""
    monkeypatch.setattr(sheets, "ROWS_MAX", 3)
    rows = [
        ((at % 2, f"group {at % 2}"), Row((f"INV-{at}",))) for at in range(9, -1, -1)
    ]
    groups = groups_of(rows)
    assert [(each.title, len(each.rows), each.more) for each in groups] == [
        ("group 0", 3, 2),
        ("group 1", 3, 2),
    ]
    assert [row.numbers for row in groups[1].rows] == [
        ("INV-5",),
        ("INV-7",),
        ("INV-9",),
    ]


def test_troubles_come_by_light_then_by_number() -> None:
    """What is red comes first, then what most records have."""
    codes = [Code.OVERPAID] * 3 + [Code.REFUSED] + [Code.BAD_FIELD] * 2
    found = troubles_of(
        Issue(code, BOOK, (f"INV-{at}",)) for at, code in enumerate(codes)
    )
    assert [(each.code, len(each.issues)) for each in found] == [
        (Code.BAD_FIELD, 2),
        (Code.REFUSED, 1),
        (Code.OVERPAID, 3),
    ]


def test_a_word_of_a_count_that_nobody_foresaw_is_shown() -> None:
    """An application may count in words of its own."""
    sheet = Sheet("<t>", Severity.GREEN, "fine", counts={"<handed>": 4}, left_out=2)
    text = read(page((sheet, None))).text
    assert "4 <handed>" in text
    assert "2 whose amount or currency is not known are in no sum." in text


# The page of a plan -------------------------------------------------------------------


@pytest.fixture(scope="module")
def plan() -> Iterator[tuple[Plan, tieout.Engine]]:
    with busy(60).engine() as engine:
        yield engine.plan_payments(date(2026, 3, 1)), engine


def test_a_plan_is_a_page_too(plan: tuple[Plan, tieout.Engine]) -> None:
    """What would happen, in the same form; without an engine there are no addresses."""
    found, engine = plan
    html = found.html(engine.deep_link)
    read_ = check_harmless(html)
    assert "Plan: payments, from 2026-03-01" in read_.text
    assert f"{len(found.changes)} to update" in read_.text
    assert "https://desk.example/invoices/" in html
    assert "https://" not in found.html()
    assert html == found.html(engine.deep_link)


def test_a_plan_begins_with_its_verdict(plan: tuple[Plan, tieout.Engine]) -> None:
    """Red for what needs a person or was not read; one change is one."""
    found, _ = plan
    one = evolve(found, changes=found.changes[:1])
    warned = [each for each in found.issues if each.severity is Severity.YELLOW]

    def verdict(plan: Plan) -> str:
        return read(plan.html()).text.replace("\n", "")

    assert re.search(
        r"Red: \d+ records need a person; applying it makes 1 change\.", verdict(one)
    )
    assert "Red: the reading ended early, after 1 change." in verdict(
        evolve(one, complete=False)
    )
    assert "Yellow: applying it makes 1 change." in verdict(
        evolve(one, issues=tuple(warned[:1]))
    )
    assert "Green: applying it makes 0 changes." in verdict(Plan())


# How it looks -------------------------------------------------------------------------


def colours(style: str) -> dict[str, str]:
    """The colours that a part of the style names."""
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", style))


def luminance(colour: str) -> float:
    """WCAG 2.2's relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4
        for each in parts
    ]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


DAY, NIGHT = STYLE.split("@media (prefers-color-scheme: dark)")


@pytest.mark.parametrize("style", [DAY, NIGHT], ids=["day", "night"])
def test_texts_are_read_easily_by_day_and_by_night(style: str) -> None:
    """WCAG AA: 4.5 to 1 for texts, 3 to 1 for what is drawn."""
    found = colours(style.partition("@media")[0])
    for ink in ("ink", "quiet", "link"):
        for ground in ("paper", "card", "red-card", "yellow-card", "green-card"):
            assert contrast(found[ink], found[ground]) >= 4.5, (ink, ground)
    for light in ("red", "yellow", "green"):
        assert contrast(found[light], found[f"{light}-card"]) >= 4.5, light
        sign = found["yellow-sign" if light == "yellow" else "sign"]
        assert contrast(sign, found[f"{light}-fill"]) >= 3, light
    for drawn in ("made", "changed", "ended"):
        assert contrast(found[drawn], found["card"]) >= 3, drawn
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_the_same_colours_are_named_by_day_and_by_night() -> None:
    """None is left over from the other mode."""
    assert colours(DAY).keys() == colours(NIGHT.partition("@media print")[0]).keys()


def test_a_group_without_rows_is_counted_alone() -> None:
    """What is not listed is said to be there."""
    sheet = Sheet("t", Severity.GREEN, "v", groups=(Group("g", (), 7),))
    text = read(page((sheet, None))).text
    assert "7 records" in text


@pytest.mark.parametrize(
    ("totals", "effects", "words"),
    [
        ({"EUR": Money("-30", "EUR")}, {}, {"EUR", "-30.00"}),
        (
            {},
            {Effect.NEW_INVOICES: {"JPY": Money(7, "JPY")}},
            {"JPY", "new invoices", "7"},
        ),
    ],
)
def test_a_card_shows_what_there_is(totals: Any, effects: Any, words: set[str]) -> None:
    """A currency may have a sum without effects, as in older reports, or no sum."""
    sheet = Sheet("t", Severity.GREEN, "v", totals=totals, effects=effects)
    assert words <= set(read(page((sheet, None))).texts)
