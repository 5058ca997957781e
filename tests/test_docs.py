"""
What the documentation says is run: each Python block of each page, and each example.

Blocks of a page share one namespace and one empty folder, from top to bottom. A block
marked ``python notest`` is compiled and listed among the tests, never passed over.
"""

from __future__ import annotations

import gc
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from attrs import frozen

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

RUN, LOOKED_AT = "python", "python notest"
OTHERS = {
    "console",
    "console notest",
    "json",
    "mermaid",
    "sh",
    "sql",
    "text",
    "toml",
    "yaml",
}
"""What else a fence may hold. Any other word might be Python that nobody runs. What stands
behind ``console`` is typed and run by ``test_tutorial``."""

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)$")


@frozen
class Block:
    """One fenced block: what its fence says, where its first line is, and its lines."""

    page: Path
    line: int
    info: str
    text: str

    @property
    def where(self) -> str:
        """As pytest lists it."""
        note = " (not run)" if self.info == LOOKED_AT else ""
        return f"{self.page.relative_to(ROOT)}:{self.line}{note}"

    def compiled(self) -> CodeType:
        """The code, whose line numbers are those of the page."""
        source = "\n" * (self.line - 1) + self.text
        return compile(source, str(self.page), "exec", dont_inherit=True)


def blocks(page: Path, text: str) -> Iterator[Block]:
    """The fenced blocks of a page."""
    lines = enumerate(text.splitlines(), 1)
    for at, line in lines:
        opening = FENCE.match(line)
        if opening is None:
            continue
        indent, ticks = len(opening["indent"]), opening["ticks"]
        inside: list[str] = []
        for _, each in lines:
            if each.strip().startswith(ticks) and not each.strip().strip(ticks[0]):
                break
            inside.append(each[indent:] if not each[:indent].strip() else each)
        else:
            raise ValueError(f"{page.name}:{at}: the block never ends")
        yield Block(page, at + 1, opening["info"].strip(), "\n".join(inside) + "\n")


def known(block: Block) -> bool:
    """Whether it is clear what becomes of a block."""
    is_directive = block.info.startswith("{") and "code" not in block.info
    return block.info in {RUN, LOOKED_AT, "", *OTHERS} or is_directive


BLOCKS = [each for page in PAGES for each in blocks(page, page.read_text("utf-8"))]
PYTHON = [each for each in BLOCKS if each.info in (RUN, LOOKED_AT)]


@pytest.fixture(autouse=True)
def nothing_left_open() -> None:
    """An engine that an earlier page left open would use up the limits of this one."""
    gc.collect()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a reader copies from a page, from top to bottom, works."""
    monkeypatch.chdir(tmp_path)
    # Classes look their module up by its name.
    module = ModuleType("a_page_of_the_documentation")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in PYTHON:
        if block.page == page and block.info == RUN:
            exec(block.compiled(), vars(module))


@pytest.mark.parametrize(
    "page",
    [
        page
        for page in PAGES
        if any(b.page == page and b.info == "text" for b in BLOCKS)
    ],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_a_page_prints_what_it_says(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A text behind a block of Python is what the blocks since the last one print."""
    monkeypatch.chdir(tmp_path)
    module = ModuleType("a_page_of_the_documentation")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in BLOCKS:
        if block.page == page and block.info == RUN:
            exec(block.compiled(), vars(module))
        elif block.page == page and block.info == "text":
            printed = capsys.readouterr().out.strip().splitlines()
            said = block.text.strip().splitlines()
            assert [*map(str.rstrip, printed)] == [*map(str.rstrip, said)], block.where


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.where)
def test_a_block_compiles(block: Block) -> None:
    """Python is Python, also where it is not run; the list of tests tells which is not."""
    assert block.compiled().co_filename == str(block.page)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.where)
def test_a_fence_says_what_it_holds(block: Block) -> None:
    """No block escapes by a misspelt word behind its fence."""
    assert known(block), f"{block.where}: {block.info!r}"
    assert block.info or ">>>" not in block.text


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs(
    example: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each example runs as it is, leaves nothing behind, and has something to say."""
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(example), run_name="__main__")
    assert capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_the_host_table_example_shows_what_was_paid(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """B17, B24: paid in two parts, in part, not at all; and a payment taken back."""
    runpy.run_path(str(ROOT / "examples" / "host_table.py"), run_name="__main__")
    before, after = capsys.readouterr().out.split("A payment is taken back")
    assert "INV-1  120.00 of 120.00 USD  2026-03-12" in before
    assert "INV-2   30.00 of  80.00 USD  open" in before
    assert "INV-3    0.00 of  45.50 EUR  open" in before
    assert "INV-1   70.00 of 120.00 USD  open" in after


LINK = re.compile(r"\]\((?P<target>[^)#\s]+)(?:#[^)\s]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    """A link within the project leads somewhere."""
    found = [match["target"] for match in LINK.finditer(page.read_text("utf-8"))]
    own = [each for each in found if "://" not in each]
    assert [each for each in own if not (page.parent / each).exists()] == []


SAMPLE = """\
```python
one = 1
```
- in a list:
  ```python notest
  two = (
  ```
````text
```python
not = a block of its own
```
````
```pythn
three = 3
```
"""


def test_the_reader_of_pages_sees_what_is_there() -> None:
    """Indented blocks, blocks within blocks, misspelt ones, and where each begins."""
    found = list(blocks(ROOT / "SAMPLE.md", SAMPLE))
    assert [(each.line, each.info, known(each)) for each in found] == [
        (2, "python", True),
        (6, "python notest", True),
        (9, "text", True),
        (14, "pythn", False),
    ]
    assert found[1].text == "two = (\n"
    assert found[1].where == "SAMPLE.md:6 (not run)"
    with pytest.raises(SyntaxError) as raised:
        found[1].compiled()
    assert raised.value.lineno == 6
    with pytest.raises(ValueError, match="never ends"):
        list(blocks(ROOT / "SAMPLE.md", "```python\none = 1\n"))
