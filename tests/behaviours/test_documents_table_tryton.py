"""
The host's own table and Tryton: documents there, what was paid back; over HTTP on loopback.

What a bookkeeper sees is read from the double's own tables, not through the connector.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

import tieout
from shop import VAT, Shop, line, week
from tieout.change import Issue
from tieout.connectors.tryton import Tryton
from tieout.errors import Code
from tieout.models import CreditNote, Customer, Invoice, Payment, RecordType, Settlement
from tieout.report import Report
from tieout.settings import Direction, Settings
from tieout.testing.fakes.serving import serve
from tieout.testing.fakes.tryton import FakeTryton
from worlds import TODAY, SetClock

LAST = tieout.Since.LAST_RUN
SINCE = TODAY - timedelta(days=30)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
RIPE = timedelta(minutes=10)
"""Longer than an answer can be late."""
KINDS: tuple[RecordType, ...] = (Customer, Invoice, CreditNote, Payment)
VERBS = ("customers", "invoices", "credit_notes", "payments")


def documents(direction: Direction = Direction.TO_LEDGER, **more: Any) -> Settings:
    """All four kinds as documents."""
    levels = {Settlement: Direction.OFF}
    return Settings(directions={**dict.fromkeys(KINDS, direction), **levels}, **more)


LEVELS = Settings(directions=dict.fromkeys(KINDS[:3], Direction.TO_LEDGER))
"""What was paid comes back as levels."""


@frozen
class Runs:
    """One run of each verb: its reports, and the issues as they stood behind each."""

    reports: list[Report]
    issues: list[Issue]

    @property
    def codes(self) -> list[Code]:
        return [issue.code for issue in self.issues]

    def count(self, word: str) -> int:
        return sum(each.counts[word] for each in self.reports)

    @property
    def effects(self) -> dict[str, int]:
        """What was carried out."""
        return {word: self.count(word) for word in ALL}

    @property
    def sound(self) -> bool:
        return all(each.ok and each.complete for each in self.reports)


class Pair:
    """The shop and the books of one company, and the engines between them."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.clock = SetClock()
        self.tryton = FakeTryton(now=self.clock.now)
        self.tryton.add_tax(VAT, "0.2")
        self._server = serve(self.tryton)
        chart = self.tryton.chart
        self.ledger = Tryton(
            url=self._server.url,
            database="ledger",
            user="connector",
            password="secret",
            receivable=chart.receivable,
            revenue=chart.revenue,
            journal=chart.revenue_journal,
            payment_method=chart.payment_method,
            skip_warnings=("invoice_payment_term",),
            **more,
        )
        self.shop = Shop(folder / "shop.db", self.clock.now)
        self.store = tieout.MemoryStore()
        self._engines: list[tieout.Engine] = []
        self.engine = self.made(documents())

    def made(self, settings: Settings) -> tieout.Engine:
        """An engine of the pair by other rules."""
        engine = tieout.Engine(
            billing=self.shop.table(),
            ledger=self.ledger,
            store=self.store,
            clock=self.clock,
            settings=settings,
        )
        self._engines.append(engine)
        return engine

    def close(self) -> None:
        for engine in self._engines:
            engine.close()
        self._server.close()

    # Running

    def sync(
        self,
        since: Any = SINCE,
        verbs: Iterable[str] = VERBS,
        engine: tieout.Engine | None = None,
        **more: Any,
    ) -> Runs:
        """One run of each verb, in their order."""
        by, runs = engine or self.engine, Runs([], [])
        for verb in verbs:
            report = getattr(by, f"sync_{verb}")(since, **more)
            runs.reports.append(report)
            runs.issues.extend(report.issues)
        return runs

    def later(self, *verbs: str, by: timedelta = HOUR) -> Runs:
        """The next runs, after some time."""
        self.clock.advance(by)
        return self.sync(LAST, verbs or VERBS)

    # What a bookkeeper sees

    def papers(self) -> dict[str, dict[str, Any]]:
        """Invoices and credit notes that are ours, by the shop's number."""
        rows = (*self.tryton.invoices(), *self.tryton.credit_notes())
        named = {row["id"]: (row["reference"] or "").split() for row in rows}
        return {named[row["id"]][0]: row for row in rows if named[row["id"]]}

    def owed(self) -> dict[str, tuple[str, Decimal, Decimal]]:
        """By the shop's number: in which state it is, its total, what is owed of it."""
        return {
            number: (row["state"], row["total_amount"], row["amount_to_pay"])
            for number, row in self.papers().items()
        }

    def money(self) -> list[tuple[date, Decimal, str]]:
        """What was received: day, amount, and for which of the shop's invoices."""
        numbers = {row["id"]: number for number, row in self.papers().items()}
        return [
            (
                row["date"],
                row["credit"],
                numbers[int(row["move."]["origin"].split(",")[1])],
            )
            for row in self.tryton.payments()
        ]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.close()


def dec(*texts: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, texts))


ALL = {"created": 10, "updated": 0, "voided": 0}
"""Two customers, three invoices, a credit note and its application, three payments: one of
two invoices is two, since Tryton pays one at a time."""
NOTHING = {"created": 0, "updated": 0, "voided": 0}


def test_the_documents_of_a_week_land_as_they_are(pair: Pair) -> None:
    """B48, B50, B51, B90, B98: to the minor unit, with their days and customers."""
    week(pair.shop, TODAY)
    runs = pair.sync()
    assert runs.sound
    assert runs.effects == ALL
    assert pair.owed() == {
        "INV-1": ("paid", *dec("150.00", "0")),
        "INV-2": ("posted", *dec("80.00", "30.00")),
        "INV-3": ("posted", *dec("99.95", "99.95")),
        "CN-1": ("paid", *dec("-30.00", "0")),
    }
    assert pair.money() == [
        (TODAY - 2 * DAY, Decimal(70), "INV-1"),
        (TODAY - 2 * DAY, Decimal(50), "INV-2"),
        (TODAY - DAY, Decimal(50), "INV-1"),
    ]
    told = [(row["name"], row["email"]) for row in pair.tryton.customers()]
    assert told == [("Alder", "a@example.com"), ("Birch & Söhne", "")]
    parties = {row["id"]: row["name"] for row in pair.tryton.customers()}
    papers = pair.papers()
    whose = {number: parties[row["party"]] for number, row in papers.items()}
    assert whose == {
        "INV-1": "Alder",
        "INV-2": "Alder",
        "INV-3": "Birch & Söhne",
        "CN-1": "Alder",
    }
    # Tryton numbers by date, whatever the order in which the shop made them.
    numbered = sorted(papers, key=lambda each: str(papers[each]["number"]))
    assert numbered == ["INV-2", "INV-3", "INV-1", "CN-1"]
    days = [papers[each]["invoice_date"] for each in numbered]
    assert days == [TODAY - n * DAY for n in (6, 5, 4, 3)]


@pytest.mark.parametrize("recheck", [False, True])
def test_a_second_and_a_third_run_write_nothing(pair: Pair, recheck: bool) -> None:
    """B22, B42: by the marker, from far back, and compared with what is there."""
    week(pair.shop, TODAY)
    pair.sync()
    writes, before = pair.tryton.writes, pair.owed()
    for since in (LAST, SINCE, date(2025, 1, 1)):
        pair.clock.advance(HOUR)
        runs = pair.sync(since, recheck=recheck)
        assert runs.sound
        assert (runs.effects, runs.issues) == (NOTHING, [])
    assert (pair.tryton.writes, pair.owed()) == (writes, before)


def test_what_tryton_says_is_paid_comes_back_as_levels(pair: Pair) -> None:
    """B17, B18, B19, B24: by the links that posting made; credits are the shop's own."""
    done = week(pair.shop, TODAY)
    engine = pair.made(LEVELS)
    pair.sync(verbs=VERBS[:3], engine=engine)
    alder, birch = (pair.papers()[number]["id"] for number in ("INV-1", "INV-3"))
    pair.tryton.pay(alder, "120.00", TODAY - DAY)
    line_of_birch = pair.tryton.pay(birch, "9.95", TODAY)
    pair.clock.advance(HOUR)
    invoices = (done.taxed, done.plain, done.open)

    def shown() -> list[tuple[Decimal, str | None]]:
        return [pair.shop.paid(each) for each in invoices]

    runs = pair.sync(SINCE, ("payments",), engine)
    assert (runs.sound, runs.count("updated")) == (True, 2)
    nothing, yesterday = Decimal(0), (TODAY - DAY).isoformat()
    full = (Decimal("120.00"), yesterday)
    assert shown() == [full, (nothing, None), (Decimal("9.95"), None)]
    for since in (LAST, SINCE):
        assert pair.sync(since, ("payments",), engine).effects == NOTHING
    # What is written as paid is no news of the document.
    writes = pair.tryton.writes
    assert pair.sync(SINCE, VERBS[:3], engine).effects == NOTHING
    assert pair.tryton.writes == writes
    pair.tryton.void_payment(line_of_birch)
    pair.clock.advance(HOUR)
    runs = pair.sync(LAST, ("payments",), engine)
    assert (runs.sound, runs.count("updated")) == (True, 1)
    assert shown() == [full, (nothing, None), (nothing, None)]


def test_what_the_shop_takes_back_is_taken_back_once(pair: Pair) -> None:
    """B91, B95, B101: an invoice by a credit of Tryton's own, a payment by its reversal."""
    done = week(pair.shop, TODAY)
    pair.sync()
    pair.shop.edit("invoices", done.open, void=1)
    pair.shop.edit("payments", done.rest, void=1)
    runs = pair.later()
    assert (runs.sound, runs.effects) == (True, {**NOTHING, "voided": 2})
    left = pair.owed()
    assert left["INV-3"][0] == "cancelled"
    assert left["INV-1"] == ("posted", *dec("150.00", "50.00"))
    writes = pair.tryton.writes
    for _ in range(2):
        assert pair.later().effects == NOTHING
    assert (pair.tryton.writes, pair.owed()) == (writes, left)


def test_an_invoice_on_which_money_hangs_is_not_taken_back(pair: Pair) -> None:
    """B103, B104, B105: the issue says what to do; once that is done, it is tried again."""
    done = week(pair.shop, TODAY)
    pair.sync()
    pair.shop.edit("invoices", done.plain, void=1)
    (refused,) = pair.later().issues
    assert (refused.code, refused.numbers) == (Code.REFUSED, ("INV-2",))
    assert "Take back the payments" in refused.remedy
    pair.shop.edit("payments", done.split, void=1)
    pair.later()
    assert pair.owed()["INV-2"] == ("posted", *dec("80.00", "80.00"))
    (row,) = pair.engine.issues(number="INV-2")
    assert pair.engine.retry(row).ok
    assert pair.owed()["INV-2"][0] == "cancelled"
    assert not [*pair.engine.issues(number="INV-2")]


def test_changes_of_what_is_posted_are_not_carried(pair: Pair) -> None:
    """B91, B135: told by one policy, refused by the other; the books stay as they are."""
    done = week(pair.shop, TODAY)
    pair.sync()
    before, writes = pair.owed(), pair.tryton.writes
    pair.shop.edit("invoices", done.open, total="89.95")
    (told,) = pair.later("invoices").issues
    assert (told.code, told.blocking) == (Code.EDIT_NOT_CARRIED, False)
    engine = pair.made(documents(updates="update"))
    pair.shop.edit("invoices", done.open, total="79.95")
    pair.clock.advance(HOUR)
    (refused,) = pair.sync(LAST, ("invoices",), engine).issues
    assert (refused.code, refused.field) == (Code.POSTED_CANNOT_CHANGE, "total")
    assert (pair.owed(), pair.tryton.writes) == (before, writes)


def test_a_posting_that_tryton_refuses_leaves_nothing_and_goes_through_later(
    pair: Pair,
) -> None:
    """B103, B105, B146: numbers follow dates; it is dated later, and posted once."""
    done = week(pair.shop, TODAY)
    pair.sync()
    old = {"day": TODAY - 9 * DAY, "lines": [line("Late", "10.00")]}
    late = pair.shop.invoice("INV-4", done.alder, "10.00", **old)
    (refused,) = pair.later("invoices").issues
    assert (refused.code, refused.numbers) == (Code.REFUSED, ("INV-4",))
    assert "Numbers follow dates" in refused.remedy
    assert "INV-4" not in pair.papers()
    pair.shop.edit("invoices", late, day=TODAY.isoformat())
    assert pair.later("invoices").issues == []
    assert pair.owed()["INV-4"] == ("posted", *dec("10.00", "10.00"))
    assert pair.later().effects == NOTHING


def test_one_bad_document_stops_no_other(pair: Pair) -> None:
    """B103, B106, B152: each has an issue that names it; what hangs on it waits."""
    shop = pair.shop
    alder, birch = shop.customer("Alder"), shop.customer("Birch")

    def bill(number: str, total: str, **tax: str) -> int:
        lines = [line("Work", total, **tax)]
        return shop.invoice(number, alder, total, day=TODAY, lines=lines)

    bad, good = bill("INV-1", "10.00", tax_code="VAT 7%"), bill("INV-2", "20.00")
    shop.payment(alder, "10.00", (bad, "10.00"), day=TODAY, number="P-1")
    shop.payment(birch, "5.00", (good, "5.00"), day=TODAY, number="P-2")
    shop.payment(alder, "15.00", (good, "15.00"), day=TODAY, number="P-3")
    goodwill = [line("Goodwill", "4.00")]
    half = [(good, "2.00")]
    shop.note("CN-1", alder, "4.00", day=TODAY, lines=goodwill, puts=half)
    found = {issue.numbers: issue for issue in pair.sync().issues}
    assert {numbers: each.code for numbers, each in found.items()} == {
        ("INV-1",): Code.BAD_FIELD,
        ("INV-2", "CN-1"): Code.NOT_ALLOWED,
        ("INV-1", "P-1"): Code.WAITS,
        ("INV-2", "P-2"): Code.NOT_ALLOWED,
    }
    assert "VAT 7%" in found["INV-1",].text
    assert "split it there by hand" in found["INV-2", "CN-1"].remedy
    assert "the invoice is of party" in found["INV-2", "P-2"].text
    assert pair.owed() == {
        "INV-2": ("posted", *dec("20.00", "5.00")),
        "CN-1": ("posted", *dec("-4.00", "-4.00")),
    }


def test_a_total_that_tryton_reckons_otherwise_is_linked_and_told(pair: Pair) -> None:
    """B98: taxes are Tryton's to reckon; a cent of rounding is seen, never undone unasked."""
    alder = pair.shop.customer("Alder")
    taxed = [line("Work", "0.07", tax="0.02", tax_code=VAT)]
    pair.shop.invoice("INV-1", alder, "0.09", day=TODAY, lines=taxed)
    (noted,) = pair.sync().issues
    assert (noted.code, noted.numbers) == (Code.TOTAL_DIFFERS, ("INV-1",))
    assert "0.09 USD was sent, 0.08 USD is there" in noted.text
    assert pair.later().effects == NOTHING


def test_a_number_that_tryton_gave_once_is_not_changed(pair: Pair) -> None:
    """B103, B105: the refusal says what to do; the rest is carried once that is done."""
    done = week(pair.shop, TODAY)
    pair.sync()
    pair.shop.edit("customers", done.alder, number="C-9", name="Alder Ltd")
    (refused,) = pair.later("customers").issues
    assert (refused.code, refused.numbers) == (Code.REFUSED, ("C-9",))
    assert "give the customer its number back" in refused.remedy
    pair.shop.edit("customers", done.alder, number="C-1")
    assert pair.later("customers").issues == []
    (alder, _) = pair.tryton.customers()
    assert (alder["name"], alder["code"]) == ("Alder Ltd", "C-1")


def test_what_a_payment_puts_to_no_invoice_is_told_once_and_the_rest_lands(
    pair: Pair,
) -> None:
    """B98, B105: Tryton's form pays invoices; a person is told of what is left."""
    done = week(pair.shop, TODAY)
    pair.shop.payment(done.birch, "120.00", (done.open, "99.95"), day=TODAY)
    runs = pair.sync()
    assert (runs.count("created"), runs.count("failed")) == (11, 1)
    assert runs.reports[-1].red == 1
    (left,) = runs.issues
    assert (left.code, left.numbers) == (Code.NOT_ALLOWED, ("INV-3",))
    assert left.text == "Tryton pays invoices, and 20.05 of it are put to none."
    assert pair.owed()["INV-3"] == ("paid", *dec("99.95", "0"))
    assert pair.later().effects == NOTHING


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Pair]:
    """A pair whose Tryton keeps what is paid too much as the customer's credit."""
    made = Pair(tmp_path, overpay=True)
    yield made
    made.close()


def test_what_was_paid_too_much_is_kept_as_credit_and_taken_back(keeping: Pair) -> None:
    """B98, B99: beside its invoice's part, on the customer's account, once."""
    pair = keeping
    done = week(pair.shop, TODAY)
    put = (done.open, "99.95")
    over = pair.shop.payment(done.birch, "120.00", put, day=TODAY)
    euros = pair.shop.payment(done.birch, "5.00", day=TODAY, currency="EUR")
    runs = pair.sync()
    assert runs.count("created") == 12
    (abroad,) = runs.issues
    assert (abroad.code, abroad.source) == (
        Code.CURRENCY_DIFFERS,
        tieout.Ref("app:shop", "Payment", str(euros)),
    )
    assert pair.owed()["INV-3"] == ("paid", *dec("99.95", "0"))
    assert _on_account(pair) == [("posted", Decimal("20.05"), False)]
    assert pair.later().effects == NOTHING
    pair.shop.edit("payments", over, void=1)
    assert pair.later().effects == {**NOTHING, "voided": 2}
    assert _on_account(pair) == [("posted", Decimal("20.05"), True)]
    assert pair.owed()["INV-3"] == ("posted", *dec("99.95", "99.95"))


def _on_account(pair: Pair) -> list[tuple[str, Decimal, bool]]:
    """What was received for no invoice: its state, its amount, and whether it is settled."""
    return [
        (row["move."]["state"], row["credit"], row["reconciliation"] is not None)
        for row in pair.tryton.on_account()
    ]


@pytest.mark.parametrize("call", ["create", "post"])
def test_a_lost_answer_keeps_no_credit_twice_and_none_as_a_draft(
    keeping: Pair, call: str
) -> None:
    """B102, B154: what was left behind between the two writes is found, and posted."""
    pair = keeping
    birch = pair.shop.customer("Birch")
    pair.shop.payment(birch, "12.00", day=TODAY)
    pair.tryton.lose(of=f"model.account.move.{call}")
    assert pair.sync().codes == [Code.OUTCOME_UNKNOWN]
    assert len(_on_account(pair)) == 1
    pair.later(by=RIPE)
    assert pair.later(by=RIPE).issues == []
    assert _on_account(pair) == [("posted", Decimal("12.00"), False)]
    assert pair.later().effects == NOTHING


def test_credit_of_nobody_is_refused(keeping: Pair) -> None:
    """B103: nothing of it is left behind."""
    nobody = keeping.shop.payment(keeping.shop.customer("Birch"), "13.00", day=TODAY)
    keeping.shop.edit("payments", nobody, customer=None)
    (refused,) = keeping.sync().issues
    assert (refused.code, refused.text) == (Code.BAD_FIELD, "it has no customer")
    assert _on_account(keeping) == []


LOST = {
    "a customer": ("model.party.party.create", 1),
    "a draft": ("model.account.invoice.create", 1),
    "a posting": ("model.account.invoice.post", 2),
    "an application": ("model.account.invoice.write", 1),
    "a payment": ("wizard.account.invoice.pay.execute", 1),
    "an invoice taken back": ("wizard.account.invoice.credit.execute", 1),
    "a reconciliation undone": ("model.account.move.reconciliation.delete", 1),
    "a payment taken back": ("wizard.account.move.cancel.execute", 2),
}
"""What was written whose answer gets lost, and at which call: the first posting only asks
whether the day of payment in the past is meant, the first reversal whether it is."""


@pytest.mark.parametrize("what", LOST)
def test_a_lost_answer_makes_no_second_document(pair: Pair, what: str) -> None:
    """B33, B102, B154, C8: carried out, and found again; the books are as without it."""
    done = week(pair.shop, TODAY)
    # On one day: what is found again could not be posted behind what is younger.
    for table in ("invoices", "notes"):
        pair.shop.run(f"UPDATE {table} SET day = ?", (TODAY - 4 * DAY).isoformat())
    call, times = LOST[what]
    pair.tryton.lose(times, of=call)
    unclear = pair.sync().count("unknown")
    pair.later(by=RIPE)
    pair.shop.edit("invoices", done.open, void=1)
    pair.shop.edit("payments", done.rest, void=1)
    unclear += pair.later(by=RIPE).count("unknown")
    for _ in range(2):
        pair.later(by=RIPE)
    assert unclear
    assert not pair.engine.parked()
    assert pair.owed() == {
        "INV-1": ("posted", *dec("150.00", "50.00")),
        "INV-2": ("posted", *dec("80.00", "30.00")),
        "INV-3": ("cancelled", *dec("99.95", "0")),
        "CN-1": ("posted", *dec("-30.00", "-30.00")),
    }
    assert len(pair.tryton.customers()) == 2
    assert len(pair.tryton.invoices() + pair.tryton.credit_notes()) == 5
    assert [amount for _, amount, _ in pair.money()] == list(dec("70", "50", "50"))
    writes = pair.tryton.writes
    assert pair.later().issues == []
    assert pair.tryton.writes == writes


def test_a_draft_that_was_left_behind_is_brought_up_to_date_and_posted(
    pair: Pair,
) -> None:
    """B93, B135: between the two writes the shop has changed its mind."""
    alder = pair.shop.customer("Alder")
    one = pair.shop.invoice(
        "INV-1", alder, "10.00", day=TODAY, lines=[line("Work", "10.00")]
    )
    pair.tryton.lose(of="model.account.invoice.create")
    assert pair.sync().codes == [Code.OUTCOME_UNKNOWN]
    assert pair.owed()["INV-1"][0] == "draft"
    pair.shop.run("UPDATE invoice_lines SET amount = '12.00', price = '12.00'")
    pair.shop.edit("invoices", one, total="12.00")
    assert pair.later(by=RIPE).issues == []
    assert pair.owed() == {"INV-1": ("posted", *dec("12.00", "12.00"))}
    assert pair.later().effects == NOTHING


def test_both_ways_nothing_comes_back_as_news(pair: Pair) -> None:
    """B63, B92: neither what we made there, nor what Tryton made to take it back."""
    done = week(pair.shop, TODAY)
    engine = pair.made(documents(Direction.BOTH))
    pair.sync(engine=engine)
    house = ("Dunder Mifflin",)  # Tryton's own company is a party, too

    def held() -> list[Any]:
        tables = ("customers", "invoices", "notes", "payments")
        rows = [pair.shop.run(f"SELECT * FROM {each}") for each in tables]
        others = [row for row in rows[0] if row[2] not in house]
        return [others, *rows[1:]]

    assert [len(rows) for rows in held()] == [2, 3, 1, 2]
    pair.shop.edit("invoices", done.open, void=1)
    pair.shop.edit("payments", done.rest, void=1)
    before = held()
    for _ in range(3):
        pair.clock.advance(HOUR)
        assert pair.sync(LAST, engine=engine).issues == []
    assert held() == before


def test_what_a_bookkeeper_enters_comes_into_the_shop(pair: Pair) -> None:
    """B46, B51: an invoice, what was paid of it, and that it was taken back."""
    engine = pair.made(documents(Direction.TO_BILLING))
    cedar = pair.tryton.add_customer("Cedar", email="c@example.com")
    made = pair.tryton.add_invoice("", cedar, "240.00", on=TODAY, reference="PO 77")
    received = pair.tryton.pay(made, "100.00", TODAY, "cheque 9")
    assert pair.sync(engine=engine).issues == []
    asked = "SELECT number, total, reference, day FROM invoices"
    (row,) = pair.shop.run(asked)
    assert row == ("2026-00001", "240.00", "PO 77", TODAY.isoformat())
    assert pair.shop.run("SELECT text, amount FROM invoice_lines") == [
        ("Services", "240.00")
    ]
    asked = (
        "SELECT p.amount, p.reference, u.amount, p.void FROM payments p, payment_puts u"
    )
    assert pair.shop.run(asked) == [("100.00", "cheque 9", "100.00", 0)]
    pair.tryton.void_payment(received)
    pair.tryton.void_invoice(made, TODAY)
    pair.clock.advance(HOUR)
    assert pair.sync(LAST, engine=engine).issues == []
    assert pair.shop.run("SELECT void FROM invoices") == [(1,)]
    assert pair.shop.run("SELECT void FROM payments") == [(1,)]
    assert pair.shop.run("SELECT * FROM notes") == []
