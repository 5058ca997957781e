"""A connector of one's own in ``tieout.toml``: found, given its arguments, and at work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tieout.cli import config, main
from tieout.errors import ConfigError

SOURCE = '''
"""Two small systems: one that bills, and one that keeps the books."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from tieout.models import Customer, Invoice, Status
from tieout.testing.year.books import Books
from tieout.testing.year.connector import BooksConnector


class Slate(BooksConnector):
    """One company's slate."""

    def __init__(self, *, company: str, key: str, owed: int = 0,
                 pause: timedelta = timedelta(0), **others: str) -> None:
        books = Books(f"slate:{company}", lambda: datetime.now(UTC))
        super().__init__(books)
        self.told = (company, key, owed, pause, others)
        if owed:
            ada = books.put(Customer(books.ref(Customer), "Ada", "C-1"))
            told = ("EUR", date.today(), Decimal(owed), Status.OPEN)
            books.put(Invoice(books.ref(Invoice), "INV-1", ada.ref, *told))


class Ledger:
    """Something else."""


word = "slate"
'''

FILE = """\
[billing]
system = "slates.slate:Slate"
company = "shop"
key_env = "SLATE_KEY"
owed = 100

[ledger]
system = "slates.slate:Slate"
company = "books"
key_env = "SLATE_KEY"
pause = 90

[settings.directions]
Settlement = "off"
Customer = "to ledger"
Invoice = "to ledger"

[[remedies]]
system = "slate"
code = "LOCKED_PERIOD"
steps = "Ask Ada to open the period."
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that names a class of a package, which is installed for the time of a test."""
    package = tmp_path / "installed" / "slates"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", "utf-8")
    (package / "slate.py").write_text(SOURCE, "utf-8")
    (package / "broken.py").write_text("import slates.nowhere\n", "utf-8")
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLATE_KEY", "k-7f3a9c")
    yours = tmp_path / "tieout.toml"
    yours.write_text(FILE, "utf-8")
    yield yours
    for name in [each for each in sys.modules if each.partition(".")[0] == "slates"]:
        monkeypatch.delitem(sys.modules, name)


def test_a_connector_of_ones_own_stands_in_the_file(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named as package.module:Class, it is checked and carries as the known ones do."""
    assert main(["check"]) == 0
    assert main(["sync", "invoices", "--since", "past-week"]) == 0
    assert "2 created" in capsys.readouterr().out


def test_its_arguments_are_given_as_those_of_the_known_ones(path: Path) -> None:
    """The secret comes from the environment, a length of time in seconds."""
    made = config.load(path)._connector("ledger")
    assert vars(made)["told"] == ("books", "k-7f3a9c", 0, timedelta(seconds=90), {})
    rows = config.load(path).remedies([made.connection])
    assert [row.system for row in rows] == ["slate"]
    with pytest.raises(
        ConfigError, match=r":19: remedies\[1\]\.system: 'slate' is none"
    ):
        config.load(path).remedies()


@pytest.mark.parametrize(
    ("line", "instead", "told"),
    [
        (2, 'system = "slates.slate"', "is none of autotask"),
        (2, 'system = "slates.slate"', "and no package.module:Class"),
        (2, 'system = "slates.slat:Slate"', "No module named 'slates.slat'): install it for this Python, or"),
        (2, 'system = "slates.broken:Slate"', "slates.broken cannot be imported (No module named 'slates.nowhere'"),
        (2, 'system = "slates.slate:Slat"', "slates.slate has no class Slat; did you mean Slate?"),
        (2, 'system = "slates.slate:word"', "slates.slate has no class word"),
        (3, 'compny = "shop"', "billing.compny: there is no such key; did you mean company?"),
        (3, 'others = "shop"', "billing.others: there is no such key"),
        (4, 'key = "k-7f3a9c"', 'write key_env = "TIEOUT_BILLING_KEY", and set that'),
        (4, 'key_env = "NOT_SET_ANYWHERE"', "the environment variable NOT_SET_ANYWHERE is not set"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_what_to_do(
    path: Path, line: int, instead: str, told: str
) -> None:
    """Which file, which line, which key, and how it is put right; never a secret."""
    lines: list[str] = [*FILE.splitlines()]
    lines[line - 1] = instead
    path.write_text("\n".join(lines), "utf-8")
    with pytest.raises(ConfigError) as raised:
        config.load(path).engine()
    said = str(raised.value)
    assert f"tieout.toml:{line}: billing." in said
    assert told in said
    assert "k-7f3a9c" not in said


def test_an_argument_that_is_left_out_is_named(path: Path) -> None:
    """A secret under the name by which it is to be written."""
    path.write_text(FILE.replace('key_env = "SLATE_KEY"\n', "", 1), "utf-8")
    with pytest.raises(ConfigError, match=r"toml:1: billing: key_env is missing"):
        config.load(path).engine()


def test_a_class_that_is_no_connector_is_told_what_it_lacks(path: Path) -> None:
    """Before the first request, and not somewhere within a run."""
    path.write_text('[billing]\nsystem = "slates.slate:Ledger"\n', "utf-8")
    with pytest.raises(ConfigError, match="no connector: it has no connection, capab"):
        config.load(path).engine()
