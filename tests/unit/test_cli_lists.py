"""The command line: issues by name, parked writes, events, and what it refuses to pass over."""

from __future__ import annotations

import json
import logging
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from test_cli_commands import DAY, Pair, Say, pair, say

import tieout
from onlooker import check_harmless
from tieout.cli import QUIET, commands, main
from tieout.errors import Code, Severity
from tieout.models import Customer, Invoice, Status

__all__ = ["pair", "say"]  # fixtures


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, say: Say) -> Say:
    """The small office, its invoices carried to the books."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    say("init", "--demo")
    say("sync", "all", "--since", "2026-03-01")
    return say


def stranger(pair: Pair, number: str) -> Invoice:
    """An invoice of another total and customer in the ledger, by the number of one of ours."""
    ref = pair.ledger.ref(Invoice)
    made = Invoice(ref, number, None, "EUR", DAY, Decimal(55), Status.OPEN)
    kept: Invoice = pair.ledger.put(made)
    return kept


# What is chosen -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("sync payments --through 2026-03-10", "it is for `invoices`, and payments go"),
        ("sync credit_notes --through 2026-03-10", "it is for `invoices`"),
        ("plan customers --through 2026-03-10", "it is for `invoices`"),
        ("sync all --only INV-1", "`all` goes by --since alone"),
        ("sync all --through 2026-03-10", "`all` goes by --since alone"),
        ("sync invoices --through 2026-03-10 --since past-week", "give one"),
        ("sync invoices --only INV-1 --since past-week", "give one"),
        ("plan invoices --only INV-1 --since past-week", "give one"),
        ("sync invoices --through past-week", "past-week is not a day"),
    ],
)
def test_what_would_be_passed_over_is_refused(
    pair: Pair, say: Say, words: str, told: str
) -> None:
    """A day or a name that a command does not go by ends it before anything is read."""
    pair.invoice("INV-1")
    code, said = say(*words.split())
    assert code == 2
    assert told in said
    assert not pair.ledger.of(Invoice)


def test_a_plan_is_made_of_what_a_sync_would_carry(pair: Pair, say: Say) -> None:
    """B138: also by number, and of what was not handed over."""
    for number in ("INV-1", "INV-2"):
        pair.invoice(number)
    code, told = say("plan", "invoices", "--only", "INV-2")
    assert code == 0
    assert "INV-2" in told
    assert "INV-1" not in told
    code, told = say("plan", "invoices", "--through", "2026-03-10", "--only", "INV-1")
    assert code == 0
    assert "INV-1" in told
    assert "INV-2" not in told


def test_a_number_that_nobody_has_is_an_issue_of_payments_too(shop: Say) -> None:
    """B41: nothing is silently found; the issue is closed once the number is there."""
    code, told = shop("sync", "payments", "--only", "INV-99", "--only", "INV-1")
    assert code == 1
    assert "1 unchanged, 1 failed" in told
    assert "INV-99: No record has the id or number" in told
    (row,) = json.loads(shop("issues", "--json")[1])
    assert row["issue"]["code"] == "NO_SUCH_RECORD"
    assert shop("retry", row["id"])[0] == 1
    with closing(sqlite3.connect("books.db")) as books, books:
        books.execute("UPDATE invoices SET number = 'INV-99' WHERE number = 'INV-4'")
    shop("sync", "payments", "--only", "INV-99")
    assert not [
        each
        for each in json.loads(shop("issues", "--json")[1])
        if each["issue"]["code"] == "NO_SUCH_RECORD"
    ]


def test_a_plan_names_what_nobody_has(shop: Say) -> None:
    """It says what a sync would say."""
    code, told = shop("plan", "payments", "--only", "INV-99")
    assert code == 1
    assert "1 issue\n" in told
    assert "! INV-99: No record has" in told


def test_an_invoice_that_is_gone_is_told_as_gone(shop: Say) -> None:
    """Asked for by its id, tied, and not in the books any more: nothing is taken back."""
    with closing(sqlite3.connect("books.db")) as books, books:
        books.execute("DELETE FROM invoices WHERE id = 1")
    code, told = shop("sync", "payments", "--only", "1")
    assert code == 1
    assert "ledger document 1 was deleted" in told
    assert "No record has" not in told


# Issues by name -------------------------------------------------------------------------


def test_every_printed_issue_has_the_name_that_retry_takes(
    pair: Pair, say: Say
) -> None:
    """B107: in a report, on its page and for another program, with its light."""
    other = stranger(pair, "INV-1")
    pair.invoice("INV-1")
    code, told = say("sync", "invoices", "--since", "past-week", "--html", "run.html")
    assert code == 1
    (row,) = json.loads(say("issues", "--json")[1])
    assert f"! {row['id']}: INV-1" in told
    assert f"<code>{row['id']}</code>" in Path("run.html").read_text("utf-8")
    assert row["issue"]["id"] == row["id"]
    assert row["issue"]["severity"] == "red"
    assert (row["billing"], row["ledger"]) == ("shop:1", "book:1")
    _, told = say("sync", "invoices", "--only", "INV-1", "--json")
    (issue,) = json.loads(told)[0]["issues"]
    assert (issue["id"], issue["severity"]) == (row["id"], "red")
    pair.ledger.put(evolve(other, number="OLD-1"))
    assert say("retry", issue["id"])[0] == 0


def test_names_are_looked_up_before_any_is_used(pair: Pair, say: Say) -> None:
    """One that is misspelt ends the command while all is as it was."""
    other = stranger(pair, "INV-1")
    pair.invoice("INV-1")
    say("sync", "invoices", "--since", "past-week")
    (row,) = json.loads(say("issues", "--json")[1])
    pair.ledger.put(evolve(other, number="OLD-1"))
    for command in ("retry", "ignore"):
        code, told = say(command, row["id"], "nope", "never")
        assert code == 2
        assert "there is no issue 'nope', 'never'" in told
        assert "nothing was done" in told
    assert len(pair.ledger.of(Invoice)) == 1
    (same,) = json.loads(say("issues", "--json")[1])
    assert same == row
    code, told = say("retry", row["id"], row["id"])
    assert code == 0
    assert told.count("again: ") == 1


def test_a_report_is_not_lost_to_a_later_refusal(
    pair: Pair, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was carried is told, and then why the rest was not."""
    for number in ("INV-1", "INV-2"):
        stranger(pair, number)
        pair.invoice(number)
    say("sync", "invoices", "--since", "past-week")
    first, second = (each["id"] for each in json.loads(say("issues", "--json")[1]))
    carried = tieout.Engine.retry

    def refusing(engine: tieout.Engine, issue: str, *, by: str = "") -> tieout.Report:
        if issue == second:
            raise tieout.ConfigError("it has just changed")
        return carried(engine, issue, by=by)

    monkeypatch.setattr(tieout.Engine, "retry", refusing)
    code, told = say("retry", first, second)
    assert code == 2
    assert f"! {first}: INV" in told
    assert told.endswith("tieout: it has just changed\n")


def test_who_did_it_is_in_the_log(pair: Pair, say: Say) -> None:
    """B139: of a retry, of what is left alone, and of a batch that is taken back."""
    user = tieout.this_user()
    stranger(pair, "INV-1")
    pair.invoice("INV-1")
    say("sync", "invoices", "--since", "past-week")
    (row,) = json.loads(say("issues", "--json")[1])
    say("retry", row["id"])
    code, told = say("ignore", row["id"])
    assert code == 0
    assert f"To take it up again: tieout retry {row['id']}" in " ".join(told.split())
    code, told = say("ignore", row["id"], "--json")
    assert (code, json.loads(told)) == (0, [{"id": row["id"], "ignored": True}])
    pair.invoice("INV-2")
    day = ("--through", "2026-03-10", "--only", "INV-2")
    assert say("sync", "invoices", *day)[0] == 0
    (batch,) = json.loads(say("batches", "--json")[1])
    assert batch["by"] == user
    assert say("undo", batch["id"])[0] == 0
    texts = {
        each["what"]: each.get("text")
        for each in json.loads(say("events", "--json")[1])
    }
    assert texts["tried again"] == texts["ignored"] == f"by {user}"
    assert texts["batch to undo"] == f"{batch['id']}, by {user}"


def test_what_was_carried_and_differs_still_is_counted_and_listed(
    pair: Pair, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no failure: the list ends with the count, and --noted shows them."""
    noted = tieout.Standing(0, {}, dict.fromkeys(Severity, 0), None, 2)
    monkeypatch.setattr(tieout.Engine, "standing", lambda _: noted)
    code, told = say("issues")
    assert code == 0
    assert told.splitlines() == [
        "  Nothing is open.",
        "  2 records were carried and differ still: tieout issues --noted",
    ]
    assert say("issues", "--noted") == (0, "  Nothing is noted.\n")
    assert say("issues", "--ignored") == (0, "  Nothing is left alone.\n")
    code, told = say("issues", "--noted", "--ignored")
    assert code == 2
    assert "give one" in told


# Parked writes --------------------------------------------------------------------------


def park(pair: Pair, say: Say) -> dict[str, Any]:
    """A write whose answer is lost again and again, until a person is asked."""
    pair.fate = lambda change: "never" if change.kind is Invoice else ""
    pair.invoice("INV-1")
    for _ in range(9):
        say("sync", "invoices", "--only", "INV-1")
        pair.clock.sleep(86_400)
    pair.fate = lambda change: ""
    (write,) = json.loads(say("parked", "--json")[1])
    found: dict[str, Any] = write
    return found


@pytest.mark.parametrize(
    ("reply", "landed"), [("--not-there", 1), ("--ignore", 0), ("--landed", 1)]
)
def test_a_parked_write_is_listed_and_answered(
    pair: Pair, say: Say, reply: str, landed: int
) -> None:
    """B100: what is asked, by which name, and the three answers."""
    assert say("parked") == (0, "  Nobody is asked anything.\n")
    write = park(pair, say)
    assert (write["billing"], write["ledger"]) == ("shop:1", "book:1")
    code, told = say("parked")
    assert code == 1
    assert f"tieout answer {write['name']} --landed ID" in told
    assert "invoice INV-1 in book:1" in " ".join(told.split())
    _, told = say("why", "INV-1")
    assert f"tieout answer {write['name']} --landed ID" in " ".join(told.split())
    assert "`tieout parked`" in Code.PARKED.remedy
    words = [reply]
    if reply == "--landed":
        owner = next(iter(pair.ledger.of(Customer).values()))
        ref = pair.ledger.ref(Invoice)
        there = Invoice(ref, "INV-1", owner.ref, "EUR", DAY, Decimal(100), Status.OPEN)
        words.append(pair.ledger.put(there).ref.id)
    assert say("answer", write["name"], *words)[0] == 0
    assert say("parked")[0] == 0
    assert say("sync", "invoices", "--only", "INV-1")[0] == 0
    assert len(pair.ledger.of(Invoice)) == landed
    code, told = say("answer", write["name"], *words, "--json")
    assert code == 2
    assert "no parked write has the name" in told


def test_an_answer_is_exactly_one(
    pair: Pair, say: Say, capsys: pytest.CaptureFixture[str]
) -> None:
    """None, or two of them, is a wrong call; for another program it is told as JSON."""
    for words in ([], ["--ignore", "--not-there"]):
        with pytest.raises(SystemExit) as refused:
            main(["answer", "x", *words])
        assert refused.value.code == 2
    capsys.readouterr()
    write = park(pair, say)
    code, told = say("answer", write["name"], "--ignore", "--json")
    assert code == 0
    assert json.loads(told)["write"] == write["name"]


# What is printed ------------------------------------------------------------------------


def test_events_are_told_in_the_words_of_a_story(shop: Say) -> None:
    """B143: at 80 columns nothing of it is lost."""
    shop("sync", "payments", "--only", "INV-99")
    code, told = shop("events")
    lines = told.splitlines()
    assert code == 0
    assert lines[0].split() == ["When", "Numbers", "What"]
    assert max(map(len, lines)) <= 80
    whole = " ".join(told.split())
    assert "invoice was looked for and is not there yet" in whole
    assert "proved absent" not in whole
    assert "[NO_SUCH_RECORD]" in whole
    assert "nothing was guessed." in whole


def test_a_plan_for_another_program_is_one_object(pair: Pair, say: Say) -> None:
    """B41: what is in the way is there too, and nothing else is printed."""
    stranger(pair, "INV-1")
    pair.invoice("INV-1")
    pair.invoice("INV-2", 70)
    words = (
        "--since",
        "past-week",
        "--out",
        "plan.jsonl",
        "--json",
        "--html",
        "p.html",
    )
    code, told = say("plan", "invoices", *words)
    found = json.loads(told)
    assert code == 1
    assert [*found] == ["complete", "counts", "changes", "issues", "effects", "calls"]
    assert found["complete"] is True
    assert found["counts"] == {"keep": 0, "create": 2, "update": 0, "void": 0}
    assert [each["severity"] for each in found["issues"]] == ["red"]
    assert found["effects"]["new invoices"] == {"EUR": "70"}
    assert Path("plan.jsonl").is_file()
    assert Path("p.html").is_file()
    told = say("plan", "invoices", "--since", "past-week", "--out", "plan.jsonl")[1]
    assert "Saved as plan.jsonl" in told


def test_a_red_mark_stands_before_what_is_red_alone(shop: Say) -> None:
    """In a plan, a run and a verification; what is worth knowing has another."""
    with closing(sqlite3.connect("books.db")) as books, books:
        books.execute(
            "INSERT INTO invoices (number, day, total, paid, changed_at) VALUES "
            "('GL-7', '2026-03-02', '15.00', '15.00', '2026-03-09T09:00:00+00:00')"
        )
    for words in ("plan payments", "sync payments"):
        code, told = shop(*words.split(), "--since", "2026-03-01")
        assert code == 0
        assert "* GL-7" in told or ": GL-7" in told
        assert "!" not in told
    told = shop("verify", "--kind", "levels")[1]
    assert "* policy GL-7" in told
    assert "!" not in told
    shop("sync", "all")
    with closing(sqlite3.connect("shop.db")) as own, own:
        own.execute("UPDATE invoices SET total = '9.00' WHERE number = 'INV-1'")
    assert "! amount INV-1" in shop("verify", "--kind", "invoices")[1]


def test_what_is_written_for_a_beginning_is_told_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Say
) -> None:
    """Of a file, and of the small office."""
    monkeypatch.chdir(tmp_path)
    assert json.loads(say("init", "--json")[1]) == {"wrote": ["tieout.toml"]}
    Path("tieout.toml").unlink()
    wrote = json.loads(say("init", "--demo", "--json")[1])["wrote"]
    assert wrote == ["tieout.toml", "shop.db", "books.db", "office.py"]


def test_sides_without_a_wire_have_no_calls_to_tell_of(shop: Say) -> None:
    """Tables in the same process: not even that they are none."""
    told = shop("sync", "all")[1]
    assert "4 unchanged" in told
    assert "calls" not in told


@pytest.mark.parametrize("fails", [False, True])
def test_a_schedule_tells_its_issues_and_ends_by_the_last_run(
    pair: Pair, say: Say, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """B140: interrupted, it ends cleanly; red if the last run was."""
    pair.invoice("INV-1")
    if fails:
        stranger(pair, "INV-1")
    # The first run is waited for, then somebody presses Ctrl-C.
    monkeypatch.setattr(commands, "Schedule", Once)
    code, told = say("schedule")
    assert code == int(fails)
    assert told.startswith("  Every 60 minutes; Ctrl-C ends it cleanly.")
    assert ("! " in told) is fails
    code, told = say("schedule", "--json")
    (line,) = told.splitlines()
    assert [each["verb"] for each in json.loads(line)] == ["customers", "invoices"]


class Once(tieout.Schedule):
    """A schedule that is interrupted behind its first run."""

    def start(self) -> None:
        self.now()

    def wait(self) -> None:
        raise KeyboardInterrupt


def test_a_verification_is_written_as_a_page(pair: Pair, say: Say) -> None:
    """Beside what is printed; the exit code stays as it is."""
    pair.invoice("INV-1")
    code, told = say("verify", "--html", "proof.html")
    assert code == 1
    assert "Wrote proof.html" in told
    page = check_harmless(Path("proof.html").read_text("utf-8"))
    assert "Tie-out certificate of shop:1 and book:1" in page.text
    assert "INV-1" in page.text
    code, told = say("verify", "--html", "proof.html", "--json")
    assert json.loads(told)["scope"]["billing"] == "shop:1"
    assert say("verify", "--html", "no/proof.html")[0] == 2


# A name that the database does not have -------------------------------------------------


def test_a_misspelt_column_is_named_as_such(shop: Say) -> None:
    """Not as a permission; where to correct it, and no lines of the log beside it."""
    path = Path("tieout.toml")
    text = path.read_text("utf-8").replace(
        'paid_amount = "paid"', 'paid_amount = "payd"', 1
    )
    path.write_text(text, "utf-8")
    code, told = shop("check")
    whole = " ".join(told.split())
    assert code == 2
    assert "invoices.payd" in whole
    assert "COLUMN_MISSING" in whole
    assert "[billing.columns]" in whole
    code, told = shop("sync", "payments")
    assert code == 2
    whole = " ".join(told.split())
    assert "app:shop lacks: invoices.payd" in whole
    assert "[billing.columns]" in whole
    assert "permission" not in whole
    assert "ended early\n" not in told
    # Whoever set up no log of their own is shown none: a handler is there that is quiet.
    assert QUIET in logging.getLogger("tieout").handlers


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("permission denied for table invoices", Code.PERMISSION_MISSING),
        ("ORA-01031: insufficient privileges", Code.PERMISSION_MISSING),
        ("column r.payd does not exist", Code.COLUMN_MISSING),
    ],
)
def test_a_database_says_whether_it_is_a_permission(
    tmp_path: Path, words: str, code: Code
) -> None:
    """By its own words: of what is not there it has others."""

    class ProgrammingError(Exception):
        pass

    class Cursor:
        def execute(self, *_: object) -> None:
            raise ProgrammingError(words)

        def close(self) -> None: ...

    class Database:
        def cursor(self) -> Cursor:
            return Cursor()

        def commit(self) -> None: ...
        def rollback(self) -> None: ...
        def close(self) -> None: ...

    table = tieout.Table(
        connect=Database,
        table="invoices",
        columns=tieout.Columns(
            id="id", number="number", total="total", paid_amount="payd", date_paid="d"
        ),
        currency="EUR",
        connection="app:shop",
    )
    assert table._health().code is code
