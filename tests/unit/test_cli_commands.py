"""The command line over two systems in memory: what each command says, and its exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from attrs import define, evolve

import tieout
from onlooker import check_harmless
from tieout.change import Change
from tieout.cli import config, main
from tieout.errors import Code, ConfigError, Fault, Who
from tieout.models import Customer, Invoice, Status
from tieout.remedies import RemedyRow
from tieout.settings import Direction, Settings
from tieout.table import InvoiceTable
from tieout.testing import office
from tieout.testing.conformance import SetClock
from tieout.testing.year.books import Books
from tieout.testing.year.connector import BooksConnector, done

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = date(2026, 3, 1)
Say = Callable[..., tuple[int, str]]


@define
class Pair:
    """Two systems, and the file whose engine is over them."""

    billing: Books
    ledger: Books
    clock: SetClock
    store: tieout.MemoryStore
    fate: Callable[[Change], str] = done

    def engine(self) -> tieout.Engine:
        ways = {Customer: Direction.TO_LEDGER, Invoice: Direction.TO_LEDGER}
        return tieout.Engine(
            billing=BooksConnector(self.billing),
            ledger=BooksConnector(self.ledger, fate=self.fate),
            settings=Settings(directions={**ways, tieout.Settlement: Direction.OFF}),
            store=self.store,
            clock=self.clock,
        )

    def invoice(self, number: str, total: int = 100) -> Invoice:
        books = self.billing
        owner = next(iter(books.of(Customer).values()), None)
        owner = owner or books.put(Customer(books.ref(Customer), "Acme", "C-1"))
        made = Invoice(
            books.ref(Invoice),
            number,
            owner.ref,
            "EUR",
            DAY,
            Decimal(total),
            Status.OPEN,
        )
        kept: Invoice = books.put(made)
        return kept


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pair:
    clock = SetClock(NOW)
    made = Pair(
        Books("shop:1", clock.now),
        Books("book:1", clock.now),
        clock,
        tieout.MemoryStore(),
    )
    monkeypatch.chdir(tmp_path)
    Path("tieout.toml").write_text("", "utf-8")
    monkeypatch.setattr(config.Config, "engine", lambda _: made.engine())
    return made


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    def called(*words: str) -> tuple[int, str]:
        code = main(list(words))
        told = capsys.readouterr()
        return code, told.out + told.err

    return called


def test_a_new_user_gets_from_nothing_to_a_carried_invoice(
    pair: Pair, say: Say
) -> None:
    """B141: check, look, carry; break something, ask why, mend it, try again."""
    assert say("check")[0] == 0
    pair.invoice("INV-1")
    code, told = say("plan", "invoices", "--since", "past-week")
    assert code == 0
    assert "INV-1" in told
    assert not pair.ledger.of(Invoice)
    assert say("sync", "invoices", "--since", "2026-03-01")[0] == 0
    assert [each.number for each in pair.ledger.of(Invoice).values()] == ["INV-1"]
    stranger = Invoice(
        pair.ledger.ref(Invoice),
        "INV-2",
        None,
        "EUR",
        DAY,
        Decimal(55),
        Status.OPEN,
    )
    pair.ledger.put(stranger)
    pair.invoice("INV-2")
    code, told = say("sync", "all", "--since", "past-week")
    assert code == 1
    assert "another document" in told
    code, told = say("why", "INV-2")
    assert code == 1
    assert "NUMBER_MEANS_ANOTHER_DOCUMENT" in told
    code, told = say("issues")
    assert code == 1
    name = told.split("INV-2")[0].split()[-2]
    pair.ledger.put(evolve(stranger, number="OLD-2"))
    assert say("retry", name)[0] == 0
    assert say("issues")[1].strip() == "Nothing is open."
    assert say("why", "INV-2")[0] == 0


def test_what_is_left_alone_is_open_no_more(pair: Pair, say: Say) -> None:
    """B104: it is listed apart, and can be taken up again."""
    pair.billing.number_limit = 100
    pair.invoice("X" * 51)
    assert say("sync", "invoices", "--since", "past-week")[0] == 1
    (row,) = json.loads(say("issues", "--json")[1])
    assert say("ignore", row["id"])[0] == 0
    assert say("issues")[0] == 0
    assert row["id"] in say("issues", "--ignored")[1]
    assert say("sync", "invoices", "--since", "past-week")[0] == 0
    assert say("retry", row["id"])[0] == 1
    code, told = say("retry", "nothing")
    assert code == 2
    assert "there is no issue 'nothing'" in told


def test_issues_say_who_can_put_them_right_and_how(pair: Pair, say: Say) -> None:
    """B107: in the table, step by step, and for another program."""
    pair.billing.number_limit = 100
    pair.invoice("X" * 51)
    say("sync", "invoices", "--since", "past-week")
    _, told = say("issues")
    title, _, row, *lines = told.splitlines()
    assert "Who" in title.split()
    assert "user" in row.split()
    assert any(line.strip().startswith("user: Shorten") for line in lines)
    (found,) = json.loads(say("issues", "--json")[1])
    advice = found["issue"]["advice"]
    assert (advice["who"], advice["retry"]) == ("USER", "ON_CHANGE")
    assert advice["steps"][0].startswith("Shorten the named field")
    assert "who can put it right: user" in say("why", "X" * 51)[1]


def test_unknown_errors_are_shown_in_clusters(pair: Pair, say: Say) -> None:
    """B110: how often, where, and an example; also for another program."""
    assert say("issues", "--unknown") == (0, "  Nothing is unknown.\n")
    number = iter(range(9))

    def odd(change: Change) -> str:
        if change.kind is Invoice:
            raise Fault(Code.REFUSED, f"gremlin {next(number)} in the\u202e 'books'")
        return ""

    pair.fate = odd
    for each in ("INV-1", "INV-2"):
        pair.invoice(each)
    say("sync", "invoices", "--since", "past-week")
    code, told = say("issues", "--unknown")
    assert code == 0
    row, example = told.splitlines()[2:]
    assert row.split()[:3] == ["2", "book", "REFUSED"]
    assert row.endswith("INV-1, INV-2")
    assert "gremlin 1 in the" in example
    assert "\u202e" not in told
    (found,) = json.loads(say("issues", "--unknown", "--json")[1])
    assert (found["count"], found["numbers"]) == (2, ["INV-1", "INV-2"])


def test_a_plan_is_saved_and_carried_out_later(pair: Pair, say: Say) -> None:
    """What changed in between is left alone; the others land."""
    first, _ = pair.invoice("INV-1"), pair.invoice("INV-2")
    saved = ("plan", "invoices", "--since", "past-week", "--out", "plan.jsonl")
    assert say(*saved)[0] == 0
    pair.billing.put(evolve(first, total=Decimal(70)))
    assert say("apply", "plan.jsonl")[0] == 0
    assert [each.number for each in pair.ledger.of(Invoice).values()] == ["INV-2"]


def test_posting_by_hand_is_listed_and_undone(pair: Pair, say: Say) -> None:
    """B138: batches with their type, time and size."""
    pair.invoice("INV-1")
    day = ("--through", "2026-03-10", "--only", "INV-1")
    assert say("sync", "invoices", *day)[0] == 0
    (batch,) = json.loads(say("batches", "--json")[1])
    assert batch["id"] in say("batches")[1]
    assert say("undo", batch["id"])[0] == 0
    assert json.loads(say("batches", "--json")[1]) == []


def test_events_are_found_by_number(pair: Pair, say: Say) -> None:
    """B143: what happened, in order; also for another program."""
    pair.invoice("INV-1")
    say("sync", "invoices", "--since", "past-week")
    assert "applied" in say("events", "--number", "INV-1")[1]
    found = json.loads(say("events", "--json")[1])
    assert {(each["billing"], each["ledger"]) for each in found} == {
        ("shop:1", "book:1")
    }
    assert not any("pair" in each for each in found)


def test_the_books_are_verified(pair: Pair, say: Say) -> None:
    """0 where they agree, 1 where something has no reason, 2 where nothing is certified."""
    pair.invoice("INV-1")
    assert say("sync", "invoices", "--since", "past-week")[0] == 0
    code, told = say("verify")
    assert code == 0
    assert "THE BOOKS AGREE" in told
    assert ["EUR", "(documents)", "invoices", "100.00", "100.00", "0.00"] in [
        line.split() for line in told.splitlines()
    ]
    pair.invoice("INV-2", 55)
    code, told = say("verify", "--out", "proof.jsonl")
    assert code == 1
    assert "THE BOOKS DIFFER: 1 difference is unexplained" in told
    assert "! missing in ledger INV-2: 55.00 EUR" in told
    saved = tieout.load_certificate("proof.jsonl")
    assert saved.digest in told
    code, told = say("verify", "--json")
    assert (code, json.loads(told)["differences"][0]["number"]) == (1, "INV-2")
    with pair.engine() as engine:
        engine.disconnect("book:1", by="Ada")
    code, told = say("verify")
    assert code == 2
    assert "NOT COMPLETE" in told
    assert "100.00" not in told


def test_what_has_a_reason_is_no_failure(pair: Pair, say: Say) -> None:
    """A draft is policy: it is listed, and the exit code is that of agreement."""
    own = pair.invoice("INV-1")
    pair.billing.put(evolve(own, status=Status.DRAFT))
    pair.ledger.put(evolve(own, ref=pair.ledger.ref(Invoice), customer=None))
    code, told = say("verify", "--kind", "invoices")
    assert code == 0
    assert "NOTHING IS UNEXPLAINED: 1 difference is explained" in told
    assert "* policy INV-1: status draft in billing, open in the ledger." in told


def test_of_very_many_differences_the_first_are_listed(pair: Pair, say: Say) -> None:
    """The rest is counted, and shown where it is asked for."""
    for serial in range(53):
        pair.invoice(f"INV-{serial:02}")
    told = say("verify")[1]
    assert told.count("! missing in ledger") == 50
    assert "... and 3 more: tieout verify --full" in told
    told = say("verify", "--full")[1]
    assert told.count("! missing in ledger") == 53
    assert "more:" not in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--first", "March"), "March is not a day such as 2026-03-01"),
        (("--first", "2026-03-02", "--last", "2026-03-01"), "before it begins"),
        (("--out", "nowhere/proof"), "nowhere/proof: there is no such folder"),
        (("--out", "."), "--out .: Is a directory"),
    ],
)
def test_what_cannot_be_verified_or_saved_is_one_line(
    pair: Pair, say: Say, words: tuple[str, ...], said: str
) -> None:
    """The exit code is that of what could not run, and no traceback is shown."""
    code, told = say("verify", *words)
    assert code == 2
    assert said in told
    assert "Traceback" not in told


def test_hostile_names_come_out_harmless(pair: Pair, say: Say) -> None:
    """Control characters and what turns text around are shown, not obeyed."""
    pair.invoice("INV\x1b[31m-\u202e1")
    _, told = say("sync", "invoices", "--since", "past-week")
    _, more = say("why", "INV\x1b[31m-\u202e1")
    assert "\x1b" not in told + more
    assert "\u202e" not in told + more


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[billing]\nsystem = 'xerox'\n", "tieout.toml:2: billing.system: xerox"),
        ("[billing]\nsystem = 'xero'\ntenantid = 'x'\n", ":3: billing.tenantid"),
        ("[billing]\nsystem = 'xero'\ntenantid = 'x'\n", "did you mean tenant_id?"),
        (
            "[billing]\nsystem = 'xero'\nclient_secret = 'x'\n",
            'client_secret_env = "TIEOUT_BILLING_CLIENT_SECRET"',
        ),
        (
            "[billing]\nsystem = 'xero'\nclient_secret_env = 'NOT_SET_ANYWHERE'\n",
            "the environment variable NOT_SET_ANYWHERE is not set",
        ),
        ("[billing]\nsystem = 'xero'\nclient_id = 'x'\n", "tenant_id is missing"),
        ("billing = 3\n", "[billing]"),
        ("[biling]\n", "did you mean billing?"),
        ("[billing\n", "tieout.toml"),
        ("remedies = 3\n", "tieout.toml:1: remedies: each row is a section"),
        ("[remedies]\nwho = 'user'\n", "each row is a section of its own: [[remedies]]"),
        ("[[remedies]]\nstpes = 'Ask.'\n", ":2: remedies[1].stpes: there is no such key"),
        ("[[remedies]]\nstpes = 'Ask.'\n", "did you mean steps?"),
        (
            "[[remedies]]\nsteps = 'Ask.'\n\n[[remedies]]\ncode = 'LOKED_PERIOD'\n",
            ":5: remedies[2].code: 'LOKED_PERIOD' is none that there is",
        ),
        ("[[remedies]]\ncode = 'LOKED_PERIOD'\n", "did you mean LOCKED_PERIOD?"),
        ("[[remedies]]\nwho = 'admn'\n", "(admin, user, developer, nobody); did you mean admin?"),
        ("[[remedies]]\nsystem = 'zero'\n", "did you mean xero?"),
        ("[[remedies]]\nsteps = [1]\n", ":2: remedies[1].steps: [1] is no text"),
        ("[[remedies]]\nwho = 7\n", ":2: remedies[1].who: 7 is no text"),
        (
            "[[remedies]]\nwho = 'user'\ntext = '('\n",
            ":3: remedies[1].text: text is no pattern",
        ),
        ("[[remedies]]\ncode = 'REFUSED'\n", ":1: remedies[1]: a row of remedies says"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, told: str) -> None:
    """The key, the file and line, and the nearest key that there is; never a secret."""
    path = tmp_path / "tieout.toml"
    path.write_text(text, "utf-8")
    read = config.load(path).remedies if "remedies" in text else None
    with pytest.raises(ConfigError) as caught:
        read() if read else config.load(path).engine()
    assert told in str(caught.value)


def test_a_whole_file_makes_an_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The template, once its environment variables are set; lengths of time in seconds."""
    path = tmp_path / "tieout.toml"
    text = config.template().replace("[settings]", "sweep_every = 3600\n\n[settings]")
    more = (
        "paid_amount = 'cash'\ntolerance = {EUR = '0.05'}\n"
        "fees = {account = '4000'}\n[settings.directions]\nCustomer = 'to ledger'\n"
        "[[remedies]]\ncode = 'REFUSED'\nwho = 'admin'\nsteps = ['Ask.', 'Wait.']\n"
        "[[remedies]]\nsystem = 'xero'\nsteps = 'Ask Ada. Then wait.'\n"
    )
    path.write_text(text + more, "utf-8")
    for name in ("CONNECTWISE_PUBLIC_KEY", "CONNECTWISE_PRIVATE_KEY"):
        monkeypatch.setenv(name, "k")
    for name in ("XERO_CLIENT_SECRET", "XERO_REFRESH_TOKEN"):
        monkeypatch.setenv(name, "s")
    made = config.load(path).engine()
    assert made.settings.paid_amount == "cash"
    assert made.settings.tolerance == {"EUR": Decimal("0.05")}
    assert made.settings.direction(Customer) is Direction.TO_LEDGER
    assert config.load(path).remedies() == [
        RemedyRow(Code.REFUSED, ("Ask.", "Wait."), Who.ADMIN),
        RemedyRow(steps="Ask Ada. Then wait.", system="xero"),
    ]
    bad = text + "tolerance = {EUR = 'five'}\n"
    path.write_text(bad, "utf-8")
    with pytest.raises(ConfigError, match=r"settings\.tolerance"):
        config.load(path).engine()


def test_a_file_that_is_there_is_not_written_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, say: Say
) -> None:
    """A second init refuses; a command without a file says how to get one."""
    monkeypatch.chdir(tmp_path)
    code, told = say("check")
    assert code == 2
    assert "`tieout init` writes one" in told
    assert say("init")[0] == 0
    code, told = say("init")
    assert code == 2
    assert "left as it is" in told


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("last-run", tieout.Since.LAST_RUN),
        ("Past Month", tieout.Since.PAST_MONTH),
        ("2026-03-01", DAY),
        ("2026-03-10T12:00:00+00:00", NOW),
    ],
)
def test_a_start_is_written_as_people_do(text: str, wanted: object) -> None:
    """B4: the five kinds of start."""
    assert config.since(text) == wanted


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01"])
def test_what_is_no_start_is_refused(text: str) -> None:
    """B14: with the names that there are."""
    with pytest.raises(ConfigError, match="past-week"):
        config.since(text)


@pytest.mark.parametrize("text", ["0", "-1", "soon", "1e400"])
def test_what_is_no_pause_is_refused(text: str) -> None:
    """A number of minutes above nothing."""
    with pytest.raises(ConfigError, match="a number of minutes"):
        config.minutes(text)


# Tables of one's own --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('paid_on"', 'paid_on"\npayed = "x"', "billing.columns.payed: there is no such"),
        ('number = "number"\n', "", "billing.columns: number is missing"),
        ('[billing.invoices]\ntable = "invoices"\n', "[billing.invoices]\n",
         "billing.invoices: table is missing"),
        ("shop.db", "shops.db", "billing.database: there is no file"),
        ('connection = "app:shop"\n', "", "billing: connection is missing"),
        ("[billing.customers]", "[billing.clients]",
         "billing.clients: there is no such key"),
        ('email = "email"', 'emial = "email"', "did you mean email?"),
        ("[billing.columns]", '[billing]\ncolumns = "all"\n[billing.more]',
         "tieout.toml"),
        ('paid_amount = "paid"\nmark',
         'lines = "lines"\nmark', "it is a section of its own: [billing.invoices.lines]"),
    ],
)  # fmt: skip
def test_a_mistake_about_tables_is_named(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    """The section, the key and the line, before anything is opened."""
    main(["init", "--demo", "--config", str(tmp_path / "tieout.toml")])
    path = tmp_path / "tieout.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ConfigError) as refused:
        config.load(path).engine()
    assert told in str(refused.value)


def test_tables_are_named_with_their_lines_and_applications(tmp_path: Path) -> None:
    """What a file says of documents is what `tieout.Table` is told."""
    path = tmp_path / "tieout.toml"
    main(["init", "--demo", "--config", str(path)])
    lines = '[billing.invoices.lines]\ntable = "lines"\ndocument = "i"\nid = "id"\namount = "a"\n'
    path.write_text(path.read_text("utf-8") + lines, "utf-8")
    with config.load(path).engine() as engine:
        table = engine._session_of("app:shop").connector
        assert isinstance(table, tieout.Table)
        told = {type(each).__name__: each for each in table.documents}
        assert [*told] == ["CustomerTable", "InvoiceTable"]
        bills = told["InvoiceTable"]
        assert isinstance(bills, InvoiceTable)
        assert bills.lines is not None
        assert bills.lines.table == "lines"
        (tmp_path / "shop.db").unlink()
        health = engine.check()["app:shop"]
        assert not health.reachable
        assert not (tmp_path / "shop.db").exists()


@pytest.mark.parametrize("name", ["tieout.toml", "shop.db", "books.db", "office.py"])
def test_the_small_office_is_written_over_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Say, name: str
) -> None:
    """What is there stays, and nothing is half written."""
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("mine", "utf-8")
    code, told = say("init", "--demo")
    assert (code, Path(name).read_text("utf-8")) == (2, "mine")
    assert told == f"tieout: {name} is there already: it is left as it is\n"
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_the_last_run_is_the_usual_start(pair: Pair, say: Say) -> None:
    """Without a start or a name; the first time, it says how one is typed."""
    pair.invoice("INV-1")
    code, told = say("sync", "invoices")
    assert code == 2
    assert "choose --since past-week, --since past-two-weeks" in told
    assert say("sync", "invoices", "--only", "INV-1")[0] == 0
    assert say("sync", "invoices", "--since", "past-week")[0] == 0
    code, told = say("sync", "invoices")
    assert (code, told.splitlines()[0]) == (
        0,
        "invoices, last successful run: 1 unchanged",
    )


def test_a_plan_says_what_cannot_be_carried(pair: Pair, say: Say) -> None:
    """B41: how many of each, and under the rows what is in the way."""
    pair.invoice("INV-1")
    number, owner = "INV-1", None
    stranger = Invoice(
        pair.ledger.ref(Invoice), number, owner, "EUR", DAY, Decimal(55), Status.OPEN
    )
    pair.ledger.put(stranger)
    code, told = say("plan", "invoices", "--since", "past-week")
    assert code == 1
    assert told.startswith("1 to create, 0 to update, 0 to void, 0 unchanged, 1 issue")
    assert "! INV-1" in told


def test_the_small_office_refuses_what_it_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An invoice that is not in the books, and work that it cannot do."""
    monkeypatch.chdir(tmp_path)
    office.main(["make"])
    for words, told in (
        (["pay", "INV-9", "1.00", "2026-03-05"], "there is no INV-9 in the books"),
        (["close"], "close is none of show, make, pay, correct"),
    ):
        with pytest.raises(SystemExit) as refused:
            office.main(words)
        assert refused.value.code == told


def test_a_run_and_a_plan_are_written_as_pages(pair: Pair, say: Say) -> None:
    """What is printed can be looked at in a browser too; the exit code stays as it is."""
    pair.invoice("INV-<1>")
    shown = ("--since", "past-week", "--html", "page.html")
    code, told = say("plan", "invoices", *shown, "--out", "plan.jsonl")
    assert code == 0
    assert "Wrote page.html" in told
    assert "Plan: documents, past week" in Path("page.html").read_text("utf-8")
    assert say("apply", "plan.jsonl", "--html", "applied.html")[0] == 0
    assert "INV-&lt;1&gt;" in Path("applied.html").read_text("utf-8")
    pair.invoice("X" * 30)
    pair.ledger.number_limit = 20
    assert say("sync", "all", *shown)[0] == 1
    page = check_harmless(Path("page.html").read_text("utf-8"))
    assert len(page.named("h1")) == 2
    assert "Needs a person" in page.text
    (row,) = json.loads(say("issues", "--json")[1])
    assert say("retry", row["id"], "--html", "page.html", "--json")[1].startswith("[")


def test_a_page_that_has_no_place_is_refused_before_the_run(
    pair: Pair, say: Say
) -> None:
    """Nothing is carried of which nobody would see the page; a full disk is told later."""
    pair.invoice("INV-1")
    code, told = say(
        "sync", "invoices", "--since", "past-week", "--html", "no/page.html"
    )
    assert code == 2
    assert "--html no/page.html: there is no such folder" in told
    assert not pair.ledger.of(Invoice)
    Path("page.html").mkdir()
    code, told = say("sync", "invoices", "--since", "past-week", "--html", "page.html")
    assert code == 2
    assert "2 created" in told
    assert "--html page.html: Is a directory" in told
