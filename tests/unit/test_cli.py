"""The command line, the screen it writes to, and the demo that it shows."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal

import pytest
from doubles import change

import tieout
from tieout.cli import Column, RichScreen, Screen, main, screen_of
from tieout.errors import ConfigError
from tieout.plan import Plan
from tieout.session import Session
from tieout.testing import demo
from tieout.testing.fakes.connectwise import FakeConnectWise
from tieout.testing.fakes.serving import serve
from tieout.testing.fakes.xero import FakeXero

AGREED = "126 of 126 invoices agree: all agree"
ESCAPE = "\x1b"


class Terminal(io.StringIO):
    """A text file that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class File(io.StringIO):
    encoding = "utf-8"


def plain(width: int = 80) -> tuple[Screen, File]:
    file = File()
    return Screen(file, width=width), file


# Commands -------------------------------------------------------------------------------


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """``--version`` prints the version of the installed package."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"tieout {tieout.__version__}\n"


def test_without_a_command_it_says_which_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A call of nothing is a wrong call, and the answer helps."""
    assert main([]) == 2
    assert "demo" in capsys.readouterr().out


def test_a_mistake_of_the_caller_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What tieout refuses is said on the error stream, without a traceback."""

    def refuse(screen: Screen) -> int:
        raise ConfigError("no such start")

    monkeypatch.setattr(demo, "run", refuse)
    assert main(["demo"]) == 2
    assert capsys.readouterr() == ("", "tieout: no such start\n")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])  # with rich, and plainly
def test_nobody_reads_on(encoding: str) -> None:
    """``tieout demo | head``: the reader's end is the command's end, quietly."""
    program = [
        sys.executable,
        "-c",
        "from tieout.cli import main; exit(main(['demo']))",
    ]
    with subprocess.Popen(
        program,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 1


def test_control_c_ends_the_demo_in_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever stops it is told that nothing is left, and the shell sees 130."""
    screen_write = Screen._write

    def interrupted(screen: Screen, text: str) -> None:
        screen_write(screen, text)
        if "3. " in text:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Screen, "_write", interrupted)
        patch.setattr("tieout.cli.screen_of", Screen)
        assert main(["demo"]) == 130
    assert capsys.readouterr().out.endswith("its books were in memory.\n")


# A plan ---------------------------------------------------------------------------------


def test_the_screen_shows_a_plan_in_the_room_there_is() -> None:
    """B41: groups, sums and calls; on a narrow terminal with less of the texts."""
    changes = tuple(change(str(n), reason="found by number") for n in range(30))
    plan = Plan(changes, calls={"billing:1": 60, "ledger:1": 1})
    told = {}
    for width in (30, 46, 80, 200):
        screen, file = plain(width)
        screen.plan(plan)
        told[width] = file.getvalue().splitlines()
        assert max(map(len, told[width])) <= min(width, 120)
        assert "… and 10 more" in file.getvalue()
    assert told[80] == told[200] == str(plan).splitlines()[1:]
    assert "~  INV-0   0.00 EUR → 50.00 EUR  found by num…" in told[46]
    screen, file = plain()
    screen.plan(plan, rows=None)
    assert "more" not in file.getvalue()


def test_a_plan_has_bold_titles_where_there_is_rich() -> None:
    """What a group is, and what all of it costs."""
    terminal = Terminal()
    screen = RichScreen(terminal, width=80)
    screen.plan(Plan((change("1"),), calls={"ledger:1": 2}))
    lines = terminal.getvalue().splitlines()
    bold = [line for line in lines if line.startswith(f"{ESCAPE}[1m")]
    assert [line.partition("m")[2][:8] for line in bold] == [
        "Paid amo",
        "In all" + ESCAPE + "[",
        "Will tak",
    ]


# The demo -------------------------------------------------------------------------------


def test_the_demo_ends_in_agreement(capsys: pytest.CaptureFixture[str]) -> None:
    """B19, B20, B24, B35, B39, B40: the whole story, and its last line."""
    assert main(["demo"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == AGREED
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert ESCAPE not in text
    assert "3 explained: GL-0091, GL-0092, GL-0093 (known only to the ledger)" in text
    assert "1 explained: INV-1900 (the number of another document)" in text
    assert text.count("nothing to do: 0 writes") == 3
    assert "INV-1043: the answer was lost; it may have been written" in text
    assert "INV-1043: ten minutes later: looked for, and found there" in text
    assert re.search(r"1,091\.20 USD → +0\.00 USD  2026-02-19 → -", text)


def test_the_demo_is_the_same_in_every_run() -> None:
    """Nothing in it depends on the day, the machine or chance, besides the ports."""
    told = []
    for _ in range(2):
        screen, file = plain()
        assert demo.run(screen) == 0
        told.append(re.sub(r"127\.0\.0\.1:\d+ *", "", file.getvalue()))
    assert told[0] == told[1]


@pytest.fixture
def shown() -> Iterator[tuple[demo.Demo, File]]:
    """A demo after its first sync."""
    screen, file = plain()
    with demo.opened(screen) as opened:
        opened.apply(opened.show_plan())
        yield opened, file


def test_a_disagreement_is_named_and_fails(shown: tuple[demo.Demo, File]) -> None:
    """The comparison can fail: one amount and one missing date, and the exit code is 1."""
    opened, file = shown
    assert opened.finish() == 0
    connectwise = opened.companies.connectwise
    first, second = opened.companies.twins[0], opened.companies.twins[5]
    paid = connectwise.payments(first.billing)[0]
    connectwise.edit_payment(paid["id"], amount=paid["amount"] + 1)
    paid = connectwise.payments(second.billing)[0]
    connectwise.edit_payment(paid["id"], on=demo.FIRST_DAY)
    assert opened.finish() == 1
    told = file.getvalue().splitlines()
    assert told[-1] == "124 of 126 invoices agree"
    assert [line.split()[0] for line in told[-3:-1]] == [first.number, second.number]


def test_an_exception_that_nobody_explained_fails(
    shown: tuple[demo.Demo, File],
) -> None:
    """B39: an unknown invoice counts as explained only if a run has named it."""
    opened, file = shown
    xero = opened.companies.xero
    xero.add_invoice("GL-1", next(iter(opened.companies.contacts.values())), "1")
    assert opened.finish() == 1
    assert "GL-1 does not agree" in file.getvalue()


def test_money_on_the_wrong_document_is_a_disagreement(
    shown: tuple[demo.Demo, File],
) -> None:
    """B44: a payment shown on the billing invoice that merely has the same number."""
    opened, _ = shown
    (bill,) = (
        each
        for each in opened.companies.connectwise.invoices()
        if each["invoiceNumber"] == demo.REUSED
    )
    opened.companies.connectwise.add_payment(bill["id"], "80", demo.LAST_DAY)
    found = demo.compare(opened.companies.xero, opened.companies.connectwise)
    assert found.differ == (demo.REUSED,)
    assert found.other_document == ()


def test_the_comparison_knows_nothing_of_the_engine() -> None:
    """Before any sync only what was never paid agrees, so the rest is the engine's work."""
    clock = demo.DemoClock()
    companies = demo.Companies(
        FakeXero(now=clock.now), FakeConnectWise(now=clock.now), clock
    )
    companies.furnish()
    found = demo.compare(companies.xero, companies.connectwise)
    unpaid = [
        each
        for each in companies.xero.invoices()
        if each["Status"] not in ("AUTHORISED", "PAID")
        or each["AmountDue"] == each["Total"]
    ]
    assert found.agree == len(unpaid) + 1, "and the one paid by hand on both sides"
    assert found.all == demo.PAIRS


def test_the_demo_has_three_currencies_and_every_kind_of_settling() -> None:
    """B153: what is shown is worth showing: exact amounts, yen without decimals."""
    clock = demo.DemoClock()
    companies = demo.Companies(
        FakeXero(now=clock.now), FakeConnectWise(now=clock.now), clock
    )
    companies.furnish()
    invoices = companies.xero.invoices()
    assert {each["CurrencyCode"] for each in invoices} == {"EUR", "JPY", "USD"}
    assert {each["Status"] for each in invoices} == {
        "AUTHORISED",
        "DRAFT",
        "PAID",
        "VOIDED",
    }
    for kind in ("Payments", "CreditNotes", "Overpayments", "Prepayments"):
        assert any(each.get(kind) for each in invoices), kind
    yen = [Decimal(each["Total"]) for each in invoices if each["CurrencyCode"] == "JPY"]
    assert all(each == each.to_integral_value() for each in yen)


def test_a_served_fake_is_one_address() -> None:
    """A ledger may have its sign-in beside the API, on the very origin of the API."""
    fake = FakeXero()
    with serve(fake) as served:
        ledger = demo._ledger(fake, served.url, served.url)
        transport = tieout.HTTPTransport()
        store, clock = tieout.MemoryStore(), tieout.SystemClock()
        session = Session(ledger, transport, store, clock)
        try:
            assert session.run(ledger.check()).signed_in
        finally:
            session.close()
            transport.close()


# The screen -----------------------------------------------------------------------------

COLUMNS = (
    Column("Number"),
    Column("Why", optional=True),
    Column("Amount", right=True),
    Column("When", optional=True),
)
ROWS = (("INV-1", "paid", "5.00", "today"), ("INV-20", "part", "1,250.00", "then"))


def test_a_table_is_aligned() -> None:
    """Amounts to the right, words to the left, titles above, nothing behind."""
    screen, file = plain()
    screen.table(COLUMNS, ROWS)
    assert file.getvalue().splitlines() == [
        "  Number  Why     Amount  When",
        "  ──────  ────  ────────  ─────",
        "  INV-1   paid      5.00  today",
        "  INV-20  part  1,250.00  then",
    ]


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (31, "Number  Why     Amount  When"),
        (30, "Number  Why     Amount"),
        (24, "Number  Why     Amount"),
        (23, "Number    Amount"),
        (5, "Number    Amount"),
    ],
)
def test_a_narrow_table_gives_up_what_is_optional(width: int, titles: str) -> None:
    """Where there is no room, the last optional column goes first, and no number is cut."""
    screen, file = plain(width)
    screen.table(COLUMNS, ROWS)
    assert file.getvalue().splitlines()[0].strip() == titles
    assert "1,250.00" in file.getvalue()


def test_an_empty_table_has_its_titles() -> None:
    """No rows are no mistake."""
    screen, file = plain()
    screen.table(COLUMNS, ())
    assert file.getvalue().splitlines()[0] == "  Number  Why  Amount  When"


def test_text_is_wrapped_and_hangs() -> None:
    """A paragraph keeps within the terminal, and within 80 columns of a wide one."""
    screen, file = plain(24)
    screen.say("red    INV-1: somebody else has it", hang=7)
    assert file.getvalue().splitlines() == [
        "  red    INV-1: somebody",
        "         else has it",
    ]
    screen, file = plain(200)
    screen.say("word " * 40)
    assert max(map(len, file.getvalue().splitlines())) <= 80


def test_progress_in_a_file_is_one_line_of_quarters() -> None:
    """A log does not fill with hundreds of counts."""
    screen, file = plain()
    with screen.progress("Invoices", 8) as tell:
        for done in range(1, 9):
            tell(done)
    assert file.getvalue() == "  Invoices 2 … 4 … 6 … 8 of 8\n"


def test_progress_of_nothing() -> None:
    """Nothing to do is done at once."""
    screen, file = plain()
    with screen.progress("Invoices", 0) as tell:
        tell(0)
    assert file.getvalue() == "  Invoices 0 of 0\n"


def test_progress_in_a_terminal_counts_in_place() -> None:
    """Without rich a counter that overwrites itself; its line ends also after trouble."""
    file = Terminal()
    screen = Screen(file, width=80)

    def interrupted() -> None:
        with screen.progress("Invoices", 2) as tell:
            tell(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert file.getvalue() == "  Invoices \r  Invoices 1 of 2\n"


def test_a_file_of_few_letters_gets_few_letters() -> None:
    """A terminal or file that has only ASCII gets lines and arrows that it can hold."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    screen = screen_of(file)
    assert type(screen) is Screen
    screen.table([Column("Amount")], [("0 → 5",)])
    screen.say("… and 3 more")
    file.flush()
    assert raw.getvalue().decode("ascii").splitlines() == [
        "  Amount",
        "  ------",
        "  0 > 5",
        "  ... and 3 more",
    ]


def test_a_name_that_the_terminal_cannot_write_is_no_crash() -> None:
    """What has no plainer form is shown with a question mark."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    screen_of(file).say("Fujimoto 藤本")
    file.flush()
    assert raw.getvalue() == b"  Fujimoto ??\n"


def test_rich_shows_colours_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """With rich and a terminal there are colours; the words are the same."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    file = Terminal()
    screen = RichScreen(file, width=80)
    screen.say("red    [INV-1]: no", style="red")
    assert f"{ESCAPE}[31m" in file.getvalue()
    assert "[INV-1]: no" in file.getvalue()


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR=1: no colour, whatever the terminal can show."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    file = Terminal()
    screen = RichScreen(file, width=80)
    screen.say("red    INV-1: no", style="red")
    screen.table(COLUMNS, ROWS)
    with screen.progress("Invoices", 2) as tell:
        tell(2)
    colours = re.compile(rf"{ESCAPE}\[[0-9;]*(3[0-9]|4[0-9]|9[0-7])[0-9;]*m")
    assert not colours.search(file.getvalue())


def test_rich_and_plain_say_the_same_to_a_file() -> None:
    """Piped to a file, both screens write the same words and no escape codes."""
    told = []
    for kind in (Screen, RichScreen):
        file = File()
        screen = kind(file, width=60)
        screen.heading("1. The plan")
        screen.say("A sentence [with brackets] that is long enough to be wrapped once.")
        screen.table(COLUMNS, ROWS)
        told.append(file.getvalue())
    assert told[0] == told[1]
    assert ESCAPE not in told[0]


def test_rich_counts_to_the_end() -> None:
    """The bar of a run that is done says so in a file too."""
    file = File()
    with RichScreen(file, width=80).progress("Invoices", 3) as tell:
        for done in range(1, 4):
            tell(done)
    assert "3/3" in file.getvalue()


def test_without_rich_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich is an extra: where it is not installed, the plain screen takes over."""
    assert type(screen_of(File())) is RichScreen
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert type(screen_of(File())) is Screen
