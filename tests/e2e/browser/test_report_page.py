"""
The page of a 500-record run in a real browser: nothing runs in it, nothing is cut off.

What is measured is measured on a copy, from which the policy is taken so that a script of
the test may run; that none runs on the page itself is a test of its own.
"""

from __future__ import annotations

import json
import re
import struct
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

from busy import HOSTILE, SCRIPT, busy_report
from onlooker import read
from tieout.pages.text import harmless

from . import chromium

POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')

MEASURE = """<script>
addEventListener('load', () => {
  for (const each of document.querySelectorAll('details')) each.open = OPEN;
  const page = document.documentElement, wide = page.clientWidth;
  const out = [...document.body.querySelectorAll('*')].filter(each => {
    const box = each.getBoundingClientRect();
    return box.width && (box.right > wide + 1 || box.left < -1);
  });
  const cut = [...document.querySelectorAll('td, th, summary, dd, p, li, h1, h2, h3')]
    .filter(each => !each.closest('.heard') && each.scrollWidth > each.clientWidth + 1);
  const told = each => each.tagName + ' ' + each.className + ' ' + each.textContent.slice(0, 60);
  const shown = document.createElement('pre');
  shown.id = 'measured';
  shown.textContent = JSON.stringify({
    wide: innerWidth, scroll: page.scrollWidth, high: page.scrollHeight,
    ground: getComputedStyle(document.body).backgroundColor,
    ink: getComputedStyle(document.body).color,
    loaded: performance.getEntriesByType('resource').map(each => each.name),
    out: out.map(told), cut: cut.map(told),
  });
  parent.document.body.append(shown);
});
</script>"""


@pytest.fixture(scope="module")
def html() -> str:
    """The page of a run over five hundred invoices, a score of which are in trouble."""
    return busy_report().html()


@pytest.fixture
def page(html: str, tmp_path: Path) -> Path:
    """The page as a file."""
    made = tmp_path / "report.html"
    made.write_text(html, "utf-8")
    return made


FRAME = """<!doctype html><meta name="color-scheme" content="light dark">
<style>body {{ margin: 0 }} iframe {{ border: 0; width: {width}px; height: 900px }}</style>
<iframe srcdoc="{page}"></iframe>"""
"""No window is narrower than 500 pixels, but a frame in it is as narrow as it should be."""


def measured(
    html: str, to: Path, *, width: int = 1280, is_open: bool = True, **more: Any
) -> Any:
    """What a copy of the page measures, with all that can be opened open, or as it is."""
    script = MEASURE.replace("OPEN", "true" if is_open else "each.open")
    bare, taken = POLICY.subn("", html)
    assert taken == 1
    copy = escape(bare.replace("</body>", f"{script}</body>"))
    to.write_text(FRAME.format(width=width, page=copy), "utf-8")
    found = re.search(
        r'<pre id="measured">(.*?)</pre>', chromium.dom(to, **more), re.DOTALL
    )
    assert found is not None, "the script of the test did not run"
    return json.loads(unescape(found[1]))


def title(dom: str) -> str:
    """The title that the browser shows."""
    found = re.search(r"<title>(.*?)</title>", dom, re.DOTALL)
    assert found is not None
    return found[1]


def test_no_script_runs_on_the_page(page: Path) -> None:
    """Names that would change the title do not; they are read as they are."""
    dom = chromium.dom(page)
    assert title(dom) == "Payments, from 2026-03-01"
    found = read(dom.replace("<!DOCTYPE html>", ""))
    assert found.named("script") == found.named("img") == []
    for name in HOSTILE:
        assert harmless(name) in found.texts, name


def test_a_script_that_got_in_would_not_run_either(html: str, tmp_path: Path) -> None:
    """The policy holds even where escaping were forgotten; without it, the script runs."""
    hostile = html.replace("<main>", f'<main>{SCRIPT}<img src=x onerror="{RAN}">')
    assert hostile != html
    page = tmp_path / "page.html"
    page.write_text(hostile, "utf-8")
    assert title(chromium.dom(page)) == "Payments, from 2026-03-01"
    page.write_text(POLICY.sub("", hostile), "utf-8")
    assert title(chromium.dom(page)) == "ran"


RAN = "document.title='ran'"


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("is_open", [True, False], ids=["open", "as it is"])
def test_nothing_stands_out_sideways(
    html: str, tmp_path: Path, width: int, is_open: bool
) -> None:
    """Whatever is opened: no scrolling to the side, nothing cut off, nothing loaded."""
    found = measured(html, tmp_path / "copy.html", width=width, is_open=is_open)
    assert found["wide"] == width
    assert found["out"] == []
    assert found["cut"] == []
    assert found["scroll"] <= width
    assert found["loaded"] == []


def test_a_word_that_stands_out_is_seen(html: str, tmp_path: Path) -> None:
    """The measure itself can fail."""
    wide = html.replace("<main>", f"<main><pre><span>{'W' * 400}</span></pre>")
    found = measured(wide, tmp_path / "copy.html", width=400)
    assert found["scroll"] > 400
    assert found["out"]


def test_five_hundred_records_are_read_at_a_glance(html: str, tmp_path: Path) -> None:
    """As it opens, the page is a few screens long: what is in order is closed."""
    found = measured(html, tmp_path / "copy.html", is_open=False)
    assert found["high"] < 4 * 1100
    assert measured(html, tmp_path / "copy.html")["high"] > 10 * found["high"] / 2


def test_it_is_dark_where_that_is_wanted(html: str, tmp_path: Path) -> None:
    """By night the ground is dark and the ink is light."""
    day, night = (
        measured(html, tmp_path / "copy.html", scheme=scheme)
        for scheme in (chromium.LIGHT, chromium.DARK)
    )
    assert brightness(day["ground"]) > 600 > brightness(day["ink"])
    assert brightness(night["ground"]) < 150 < brightness(night["ink"])


def brightness(colour: str) -> int:
    """The sum of red, green and blue."""
    return sum(map(int, re.findall(r"\d+", colour)[:3]))


@pytest.mark.parametrize("width", [1280, 400])
def test_a_picture_can_be_taken(page: Path, tmp_path: Path, width: int) -> None:
    """The browser draws it, as wide as the screen."""
    drawn = chromium.picture(
        page, tmp_path / "page.png", width=width, height=900, scheme=chromium.LIGHT
    )
    assert struct.unpack(">II", drawn[16:24]) == (width, 900)
    assert len(drawn) > 20_000
