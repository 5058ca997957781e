"""The host's documents by methods of its own, driven by hand and by an engine."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve
from banks import drive
from host_changes import HERE, OTHER, changed, ended, made, put

import tieout
from tieout.capabilities import (
    Changed,
    Creates,
    Dated,
    Everything,
    Unposted,
    Updates,
    Verb,
)
from tieout.change import Change, Outcome, State
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.evidence import believed, carries
from tieout.local import (
    ApplicationRow,
    Bill,
    CreditNoteRow,
    CreditNotes,
    CustomerRow,
    Customers,
    Documents,
    InvoiceRow,
    Invoices,
    Local,
    LocalApp,
    PaymentRow,
    Payments,
)
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    Payment,
    Posting,
    RecordType,
    Ref,
    Settlement,
    Status,
    fingerprint,
)
from tieout.table import ApplicationTable, InvoiceTable, PaymentTable, Table
from tieout.wire import Call

DAY = date(2026, 3, 10)
SINCE = datetime(2026, 3, 10, 8, 30, tzinfo=UTC)
NAIVE = datetime(2026, 3, 10)


class Drawer(Documents[Any]):
    """Rows in a list, and what was asked of it."""

    def __init__(self, *rows: Any) -> None:
        self.rows = list(rows)
        self.asked: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.fails: Exception | None = None
        self.makes: Callable[[Any], Any] = self._keep

    def _keep(self, row: Any) -> Any:
        self.rows.append(evolve(row, id=len(self.rows) + 100))
        return len(self.rows) + 99

    def named(self, ids: Sequence[str], numbers: Sequence[str]) -> Iterable[Any]:
        yield from self.rows
        if self.fails:
            raise self.fails

    def everything(self) -> Iterable[Any]:
        self.asked.append(("everything",))
        return iter(self.rows)

    def changed(self, since: datetime) -> Iterable[Any]:
        self.asked.append(("changed", since))
        return self.rows

    def marked(self, marks: Sequence[str]) -> Iterable[Any]:
        self.asked.append(("marked", tuple(marks)))
        return [row for row in self.rows if row.mark in marks]

    def create(self, row: Any) -> Any:
        self._do("create", row)
        return self.makes(row)

    def update(self, row: Any) -> None:
        self._do("update", row)

    def void(self, identity: str) -> None:
        self._do("void", identity)

    def _do(self, *what: Any) -> None:
        self.asked.append(what)
        if self.error:
            raise self.error


class OurCustomers(Drawer, Customers):
    """All of what it can."""


class OurInvoices(Drawer, Invoices):
    def dated(self, first: date, last: date) -> Iterable[InvoiceRow]:
        self.asked.append(("dated", first, last))
        return self.rows

    def unposted(self, through: date) -> Iterable[InvoiceRow]:
        self.asked.append(("unposted", through))
        return self.rows

    def set_posted(self, identity: str, at: datetime | None) -> None:
        self._do("set_posted", identity, at)


class OurNotes(Drawer, CreditNotes):
    """All of what it can."""


class OurPayments(Drawer, Payments):
    """All of what it can."""


class Shop(LocalApp):
    def __init__(self, *offered: Documents[Any]) -> None:
        self.offered = offered

    def documents(self) -> Iterable[Documents[Any]]:
        return self.offered


def local(*offered: Documents[Any]) -> Local:
    return Local(Shop(*offered), connection=HERE)


def write(app: Local, *changes: Change) -> list[Outcome]:
    return list(drive(app.write(changes)))


def read(app: Local, kind: RecordType, *ids: str) -> list[Any]:
    page = drive(app.fetch(kind, ids=ids))
    assert not page.issues
    return list(page.records)


def ref(kind: str, own: str) -> Ref:
    return Ref(HERE, kind, own)


def invoice(**given: Any) -> InvoiceRow:
    told = {"id": 1, "number": "INV-1", "currency": "EUR", "total": 100, "on": DAY}
    return InvoiceRow(**{**told, **given})


def note(**given: Any) -> CreditNoteRow:
    told = {"id": 1, "number": "CN-1", "currency": "EUR", "total": 40, "on": DAY}
    return CreditNoteRow(**{**told, **given})


def payment(**given: Any) -> PaymentRow:
    told = {"id": 1, "currency": "EUR", "amount": 100, "on": DAY}
    return PaymentRow(**{**told, **given})


# Reading ----------------------------------------------------------------------------------


def test_rows_become_records() -> None:
    key = UUID(int=7)
    line = Line("Work", Decimal(100), dimensions={"d": "1"}, custom={"c": True})
    app = local(
        OurCustomers(CustomerRow(id=key, name="Alder", parent=2, mark="TO-1")),
        OurInvoices(
            invoice(customer=key, lines=[line], posted_at=SINCE, changed_at=SINCE)
        ),
    )
    assert read(app, Customer, str(key)) == [
        Customer(
            ref("Customer", str(key)),
            "Alder",
            parent=ref("Customer", "2"),
            custom={"mark": "TO-1"},
        )
    ]
    (found,) = read(app, Invoice, "1")
    assert found == Invoice(
        ref("Invoice", "1"),
        "INV-1",
        ref("Customer", str(key)),
        "EUR",
        DAY,
        Decimal(100),
        Status.OPEN,
        lines=(line,),
        changed_at=SINCE,
    )
    assert read(app, Posting, "1") == [
        Posting(ref("Posting", "1"), "INV-1", SINCE, changed_at=SINCE)
    ]


def test_what_is_not_applied_is_worked_out() -> None:
    puts = (
        ApplicationRow(id="b", invoice=7, amount="30"),
        ApplicationRow(
            id="a",
            invoice=8,
            amount=55,
            currency="USD",
            source_amount="50",
            on=date(2026, 3, 12),
        ),
    )
    app = local(
        OurPayments(payment(applications=puts), payment(id=2)),
        OurNotes(
            note(applications=puts[:1]), note(id=2, applications=(), remaining=40)
        ),
    )
    one, two = read(app, Payment, "1", "2")
    assert (one.unapplied, two.unapplied, two.applications) == (Decimal(20), None, ())
    first, second = one.applications
    assert first == Application(
        ref("Application", "a"),
        one.ref,
        ref("Invoice", "8"),
        Decimal(55),
        "USD",
        date(2026, 3, 12),
        source_amount=Decimal(50),
        source_currency="EUR",
    )
    assert (second.ref.id, second.currency, second.on) == ("b", "EUR", DAY)
    # Of a credit note, more may have been applied than the app tells.
    kept = OurNotes(note(applications=puts[:1], remaining="5"))
    assert read(local(kept), CreditNote, "1")[0].remaining == Decimal(5)
    credit, whole = read(app, CreditNote, "1", "2")
    assert (credit.remaining, credit.status) == (Decimal(10), Status.OPEN)
    assert [each.how for each in credit.applications] == [Part.CREDIT]
    assert (whole.remaining, whole.status) == (Decimal(40), Status.OPEN)


def test_a_mapping_does_as_well() -> None:
    row = {"id": Decimal(1), "currency": "EUR", "amount": 5, "on": "2026-03-10"}
    put_to = {"invoice": "7", "amount": "5"}
    app = local(OurPayments({**row, "applications": (each for each in [put_to])}))
    (found,) = read(app, Payment, "1")
    assert (found.on, found.unapplied) == (DAY, Decimal(0))


@pytest.mark.parametrize(
    ("drawer", "good", "bad", "code", "at"),
    [
        (OurInvoices, invoice(), {"on": NAIVE}, Code.BAD_DATE, "on"),
        (OurInvoices, invoice(), {"due": SINCE}, Code.BAD_DATE, "due"),
        (OurInvoices, invoice(), {"posted_at": NAIVE}, Code.BAD_DATE, "posted_at"),
        (OurInvoices, invoice(), {"changed_at": NAIVE}, Code.BAD_DATE, "changed_at"),
        (OurInvoices, invoice(), {"total": 1.5}, Code.BAD_AMOUNT, "total"),
        (OurInvoices, invoice(), {"version": object()}, Code.BAD_FIELD, "version"),
        (OurInvoices, invoice(), {"lines": "x"}, Code.BAD_FIELD, "lines"),
        (OurInvoices, invoice(), {"lines": 5}, Code.BAD_FIELD, "lines"),
        (OurInvoices, invoice(), {"lines": [7]}, Code.BAD_FIELD, "lines[0]"),
        (
            OurInvoices,
            invoice(),
            {"lines": [Line("x", 1.5)]},  # type: ignore[arg-type]
            Code.BAD_AMOUNT,
            "lines[0].amount",
        ),
        (
            OurInvoices,
            invoice(),
            {"lines": [{"dimensions": {"a": 1}}]},
            Code.BAD_FIELD,
            "lines[0].dimensions",
        ),
        (
            OurInvoices,
            invoice(),
            {"lines": [{"dimensions": ["a"]}]},
            Code.BAD_FIELD,
            "lines[0].dimensions",
        ),
        (
            OurInvoices,
            invoice(),
            {"lines": [{"custom": {"a": 1.5}}]},
            Code.BAD_FIELD,
            "lines[0].custom",
        ),
        (
            OurInvoices,
            invoice(),
            {"lines": [{"custom": "a"}]},
            Code.BAD_FIELD,
            "lines[0].custom",
        ),
        (
            OurNotes,
            note(),
            {"applications": (), "remaining": 41},
            Code.TOTALS_DISAGREE,
            "applications",
        ),
        (OurNotes, note(), {"remaining": -1}, Code.BAD_AMOUNT, "remaining"),
        (OurPayments, payment(), {"unapplied": -1}, Code.BAD_AMOUNT, "unapplied"),
        (
            OurPayments,
            payment(),
            {"applications": [ApplicationRow(invoice=7, amount=1, on=NAIVE)]},
            Code.BAD_DATE,
            "applications[0].on",
        ),
        (
            OurPayments,
            payment(),
            {"applications": [ApplicationRow(invoice=7, amount=1, currency="USD")]},
            Code.BAD_FIELD,
            "applications[0].source_amount",
        ),
        (
            OurPayments,
            payment(),
            {"applications": [ApplicationRow(invoice=7, amount=1, currency="x")]},
            Code.BAD_CURRENCY,
            "applications[0].currency",
        ),
    ],
)
def test_a_poison_row_of_an_app_is_an_issue_and_its_neighbours_go_on(
    drawer: type[Any], good: Any, bad: dict[str, Any], code: Code, at: str
) -> None:
    """B106, B153: in an app a missing zone is a mistake; in a column it is a convention."""
    rows = (evolve(good, **bad), evolve(good, id=2), "no row at all")
    app = local(drawer(*rows))
    page = drive(app.fetch(drawer.kind, ids=["1", "2"]))
    assert [each.ref.id for each in page.records] == ["2"]
    first, second = page.issues
    assert (first.code, first.field) == (code, at)
    assert first.source == ref(drawer.kind.__name__, "1")
    assert second.source is None


@pytest.mark.parametrize("version", ["7", 7, 7.5, Decimal(7), DAY, b"\x07"])
def test_a_version_may_be_many_things(version: Any) -> None:
    app = local(OurInvoices(invoice(version=version)))
    (found,) = read(app, Invoice, "1")
    told = "07" if isinstance(version, bytes) else str(version)
    assert found.version == told


def test_each_selection_asks_its_own_method() -> None:
    rows = (
        invoice(),
        invoice(id=2, posted_at=SINCE),
        invoice(id=3, on=date(2026, 3, 11)),
    )
    kept = OurInvoices(*rows)
    app = local(kept)

    def ids(kind: RecordType, select: Any) -> list[str]:
        return [each.ref.id for each in drive(app.page(kind, select)).records]

    assert ids(Invoice, Everything()) == ["1", "2", "3"]
    assert ids(Invoice, Changed(SINCE)) == ["1", "2", "3"]
    assert ids(Invoice, Dated(DAY, DAY)) == ["1", "2"]
    assert ids(Invoice, Unposted(DAY)) == ["1"]
    assert ids(Posting, Unposted(DAY)) == ["1"]
    assert kept.asked == [
        ("everything",),
        ("changed", SINCE),
        ("dated", DAY, DAY),
        ("unposted", DAY),
        ("unposted", DAY),
    ]
    notes = OurNotes(note(), note(id=2, on=date(2026, 3, 11)))
    page = drive(local(notes).page(CreditNote, Dated(DAY, DAY)))
    assert [each.ref.id for each in page.records] == ["1"]
    assert notes.asked == [("everything",)]


# What it can do -----------------------------------------------------------------------------


class FewInvoices(Invoices):
    def named(self, ids: Sequence[str], numbers: Sequence[str]) -> Iterable[InvoiceRow]:
        return ()


class UnmarkedPayments(Payments):
    """They are made, and no mark is kept."""

    def __init__(self) -> None:
        self.rows: list[PaymentRow] = []

    def named(self, ids: Sequence[str], numbers: Sequence[str]) -> Iterable[PaymentRow]:
        return self.rows

    def dated(self, first: date, last: date) -> Iterable[PaymentRow]:
        return self.rows

    def create(self, row: PaymentRow) -> str:
        self.rows.append(evolve(row, id="p1", mark=""))
        return "p1"


def test_what_is_overridden_is_offered() -> None:
    can = local(
        OurCustomers(), OurInvoices(), OurNotes(), UnmarkedPayments()
    ).capabilities
    assert list(can.kinds) == [Customer, Invoice, CreditNote, Payment, Posting]
    invoices = can.kind(Invoice)
    assert invoices.verbs == frozenset(Verb)
    assert invoices.selects == {Everything, Changed, Dated, Unposted}
    assert {"total", "lines"} <= invoices.writable
    assert (invoices.creates, invoices.updates) == (Creates.FINAL, Updates.SPARSE)
    assert invoices.mark is not None
    assert (invoices.fetch_size, invoices.batch_size) == (500, 50)
    assert can.kind(Customer).selects == {Everything, Changed}
    payments = can.kind(Payment)
    assert payments.verbs == {Verb.READ, Verb.CREATE}
    assert payments.selects == {Dated}
    assert payments.mark is None
    assert can.kind(Posting).verbs == {Verb.READ, Verb.UPDATE, Verb.VOID}
    assert can.kind(Posting).selects == {Unposted}
    assert not can.kind(Settlement).verbs
    few = local(FewInvoices()).capabilities
    assert list(few.kinds) == [Invoice]
    assert few.kind(Invoice).verbs == {Verb.READ}
    assert not few.kind(Invoice).selects


def test_documents_change_nothing_of_what_is_said_of_levels() -> None:
    class Levels(LocalApp):
        def invoices(
            self, ids: Sequence[str], numbers: Sequence[str]
        ) -> Iterable[Bill]:
            return ()

        def set_paid(self, invoice: Settlement) -> None: ...

    class Both(Levels):
        def documents(self) -> Iterable[Documents[Any]]:
            return (FewInvoices(), OurNotes())

    one = Local(Levels(), connection=HERE).capabilities
    two = Local(Both(), connection=HERE).capabilities
    assert list(one.kinds) == [Settlement]
    assert one.kind(Settlement) == two.kind(Settlement)
    assert one.payments.parts == {Part.CASH}
    assert two.payments.parts == {Part.CASH, Part.CREDIT}


@pytest.mark.parametrize(
    ("offered", "text"),
    [
        ((), "Shop has to override invoices"),
        ((OurInvoices(), OurInvoices()), "OurInvoices comes twice"),
        ((Invoices(),), r"Invoices has to override named\(\)"),
        ((Drawer(),), r"documents\(\) gives a Drawer"),
        (("invoices",), r"documents\(\) gives a str"),
    ],
)
def test_documents_that_cannot_be_meant(offered: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        local(*offered)


def test_what_is_not_overridden_says_so() -> None:
    kept, day = Invoices(), DAY
    for call in (
        lambda: kept.named([], []),
        kept.everything,
        lambda: kept.changed(SINCE),
        lambda: kept.dated(day, day),
        lambda: kept.marked([]),
        lambda: kept.create(invoice()),
        lambda: kept.update(invoice()),
        lambda: kept.void("1"),
        lambda: kept.unposted(day),
        lambda: kept.set_posted("1", None),
    ):
        with pytest.raises(NotImplementedError):
            call()
    assert not [*LocalApp().documents()]


# Making -----------------------------------------------------------------------------------


def wanted(**given: Any) -> Payment:
    told: dict[str, Any] = {
        "ref": ref("Payment", ""),
        "customer": ref("Customer", "5"),
        "currency": "EUR",
        "on": DAY,
        "amount": Decimal(100),
        "status": Status.SETTLED,
        "unapplied": Decimal(30),
        "applications": (put("7", Decimal(50)), put("8", Decimal(20))),
        "method": "EFT",
    }
    return Payment(**{**told, **given})


def test_a_document_is_made_in_one_call_and_found_by_its_mark() -> None:
    """The host gets plain values under plain ids, all of it at once, and our mark."""
    kept = OurPayments()
    app, change, calls = local(kept), made(wanted()), list[Call]()
    (outcome,) = drive(app.write([change]), calls)
    assert [(each.name, each.effect) for each in calls] == [
        ("create", True),
        ("fetch", False),
    ]
    told = {"currency": "EUR", "on": DAY}
    row = PaymentRow(
        id="",
        customer="5",
        amount=Decimal(100),
        method="EFT",
        unapplied=Decimal(30),
        applications=(
            ApplicationRow(invoice="7", amount=Decimal(50), **told),  # type: ignore[arg-type]
            ApplicationRow(invoice="8", amount=Decimal(20), **told),  # type: ignore[arg-type]
        ),
        mark=change.mark,
        **told,  # type: ignore[arg-type]
    )
    assert kept.asked == [("create", row)]
    assert (outcome.state, outcome.ref) == (State.APPLIED, ref("Payment", "100"))
    assert outcome.echo is not None
    assert believed(change, outcome) is outcome
    (found,) = drive(app.find([change])).records
    assert carries(found, change.mark)
    assert kept.asked[-1] == ("marked", (change.mark,))
    other = made(wanted(), "other")
    assert not drive(app.find([other])).records


def test_a_draft_and_its_lines_are_told() -> None:
    kept = OurInvoices()
    after = Invoice(
        ref("Invoice", ""),
        " INV-9 ",
        None,
        "EUR",
        DAY,
        Decimal(100),
        Status.DRAFT,
        lines=(Line("Work", Decimal(100)),),
    )
    (outcome,) = write(local(kept), made(after))
    assert outcome.state is State.APPLIED
    ((_, row),) = kept.asked
    assert (row.draft, row.lines, row.number) == (True, after.lines, "INV-9")


@pytest.mark.parametrize(
    ("after", "code"),
    [
        (wanted(status=Status.DRAFT), Code.NOT_ALLOWED),
        (wanted(status=Status.VOID), Code.NOT_ALLOWED),
        (wanted(amount=Decimal("1.005")), Code.BAD_AMOUNT),
        (wanted(unapplied=Decimal("0.001")), Code.BAD_AMOUNT),
        (wanted(unapplied=Decimal(-1)), Code.BAD_AMOUNT),
        (wanted(amount=Decimal(-70), unapplied=None), Code.BAD_AMOUNT),
        (wanted(unapplied=Decimal(31)), Code.TOTALS_DISAGREE),
        (wanted(amount=Decimal(69), unapplied=None), Code.TOTALS_DISAGREE),
        (wanted(applications=(put("7", Decimal("0.001")),)), Code.BAD_AMOUNT),
        (wanted(customer=Ref(OTHER, "Customer", "5")), Code.NOT_ALLOWED),
        (
            wanted(applications=(put("7", Decimal(70), how=Part.WRITE_OFF),)),
            Code.NOT_ALLOWED,
        ),
    ],
)
def test_what_cannot_be_asked_of_a_host_is_refused(after: Payment, code: Code) -> None:
    kept = OurPayments()
    good = made(wanted(), "good")
    bad, fine = write(local(kept), made(after), good)
    assert (bad.state, bad.code) == (State.REJECTED, code)
    assert fine.state is State.APPLIED
    assert len(kept.asked) == 1


@pytest.mark.parametrize("after", [None, Posting(Ref(HERE, "Posting", "1"))])
def test_a_change_that_wants_nothing_of_its_kind_is_refused(after: Any) -> None:
    kept = OurPayments()
    (outcome,) = write(local(kept), evolve(made(wanted()), after=after))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.NOT_ALLOWED)
    assert not kept.asked


def test_without_a_mark_nothing_is_looked_for() -> None:
    """And what is made is not taken for another's, because it shows no mark."""
    after = wanted(applications=(), unapplied=Decimal(100))
    app, change = local(UnmarkedPayments()), made(after)
    with pytest.raises(Fault, match="no mark to find a Payment by"):
        drive(app.find([change]))
    (outcome,) = write(app, change)
    assert (outcome.state, outcome.echo) == (State.APPLIED, None)
    (outcome,) = write(app, evolve(change, mark=""))
    assert outcome.echo is not None


@pytest.mark.parametrize(
    ("makes", "text"),
    [
        (lambda row: None, "TypeError: NoneType"),
        (lambda row: "", "ValueError: an id is not empty"),
        (lambda row: "nowhere", "nowhere is not there"),
    ],
)
def test_a_host_that_made_nobody_knows_what_is_looked_at(
    makes: Callable[[Any], Any], text: str
) -> None:
    kept = OurPayments()
    kept.makes = makes
    (outcome,) = write(local(kept), made(wanted()))
    assert outcome.state is State.UNKNOWN
    assert text in outcome.text


def test_a_document_that_cannot_be_read_again_is_unknown() -> None:
    kept = OurPayments()

    def makes(row: PaymentRow) -> int:
        kept.rows.append(evolve(row, id=3, amount="1,5"))
        return 3

    kept.makes = makes
    (outcome,) = write(local(kept), made(wanted()))
    assert (outcome.state, outcome.code) == (State.UNKNOWN, Code.BAD_AMOUNT)
    page = drive(local(kept).find([made(wanted())]))
    assert not page.records
    assert [issue.field for issue in page.issues] == ["amount"]


# Changing -----------------------------------------------------------------------------------


def test_an_update_tells_the_whole_row() -> None:
    kept = OurInvoices(invoice(reference="old", customer=5, version=3, mark="TO-1"))
    app = local(kept)
    (before,) = read(app, Invoice, "1")
    (outcome,) = write(app, changed(before, reference="new", total=Decimal(90)))
    assert (outcome.state, outcome.ref) == (State.APPLIED, before.ref)
    row = invoice(
        id="1",
        customer="5",
        reference="new",
        total=Decimal(90),
        version="3",
        mark="TO-1",
    )
    assert kept.asked == [("update", row)]
    assert write(app, changed(before, reference="old"))[0].state is State.APPLIED
    assert len(kept.asked) == 1, "nothing is to be changed"


def test_documents_are_taken_back() -> None:
    kept, people = OurInvoices(invoice()), OurCustomers(CustomerRow(id=1, name="A"))
    app = local(kept, people)
    for kind in (Invoice, Customer):
        (before,) = read(app, kind, "1")
        assert write(app, ended(before))[0].state is State.APPLIED
    assert kept.asked == people.asked == [("void", "1")]
    bought, customer = read(app, Invoice, "1"), read(app, Customer, "1")
    kept.rows[0] = evolve(kept.rows[0], void=True)
    people.rows[0] = evolve(people.rows[0], active=False)
    for before in (*bought, *customer):
        assert write(app, ended(before))[0].state is State.APPLIED
    assert len(kept.asked) == len(people.asked) == 1, "they were taken back already"


def test_an_invoice_is_handed_over_to_the_second() -> None:
    kept = OurInvoices(invoice())
    app = local(kept)
    (before,) = read(app, Posting, "1")
    at = datetime(2026, 3, 11, 9, 0, 0, 123456, tzinfo=UTC)
    assert write(app, changed(before, on=at))[0].state is State.APPLIED
    whole = at.replace(microsecond=0)
    assert kept.asked == [("set_posted", "1", whole)]
    kept.rows[0] = evolve(kept.rows[0], posted_at=whole)
    assert write(app, changed(before, on=at))[0].state is State.APPLIED
    (now,) = read(app, Posting, "1")
    assert write(app, ended(now))[0].state is State.APPLIED
    assert kept.asked[1:] == [("set_posted", "1", None)]


def test_a_document_that_changed_since_is_left_alone() -> None:
    kept = OurInvoices(invoice(version=1))
    app = local(kept)
    (before,) = read(app, Invoice, "1")
    (posting,) = read(app, Posting, "1")
    for spoiled in (
        invoice(version=2),
        invoice(version=1, reference="theirs"),
        invoice(version=1, paid_amount=100, posted_at=SINCE),
    ):
        kept.rows[0] = spoiled
        (outcome,) = write(app, changed(before, due=DAY))
        assert (outcome.state, outcome.code) == (State.NOT_SENT, Code.STALE_VERSION)
    (outcome,) = write(app, changed(posting, on=datetime(2026, 3, 12, tzinfo=UTC)))
    assert (outcome.state, outcome.code) == (State.NOT_SENT, Code.STALE_VERSION)
    assert not kept.asked


def test_a_document_that_is_gone_has_vanished() -> None:
    kept = OurInvoices(invoice())
    app = local(kept)
    (before,) = read(app, Invoice, "1")
    kept.rows[0] = invoice(id=2)
    for change in (changed(before, due=DAY), ended(before)):
        (outcome,) = write(app, change)
        assert (outcome.state, outcome.code) == (State.REJECTED, Code.VANISHED)
    kept.rows[:] = [invoice(id=2, total=1.5), invoice(total=1.5)]
    (outcome,) = write(app, changed(before, due=DAY))
    assert (outcome.state, outcome.code) == (State.REJECTED, Code.BAD_AMOUNT)


def test_what_cannot_be_changed_is_refused() -> None:
    kept = OurInvoices(invoice(draft=True))
    app = local(kept)
    (before,) = read(app, Invoice, "1")
    for values in ({"custom": {"a": "b"}}, {"status": Status.OPEN}):
        (outcome,) = write(app, changed(before, **values))
        assert (outcome.state, outcome.code) == (State.REJECTED, Code.NOT_ALLOWED)
    few = local(FewInvoices())
    (outcome,) = write(few, changed(before, due=DAY))
    assert outcome.code is Code.NOT_ALLOWED
    other = evolve(changed(before, due=DAY), before=Posting(before.ref))
    (outcome,) = write(app, other)
    assert outcome.code is Code.NOT_ALLOWED
    assert not kept.asked


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Fault(Code.LOCKED_PERIOD), State.REJECTED),
        (Fault(Code.SERVER_ERROR, fate=Fate.NOT_SENT), State.NOT_SENT),
        (RuntimeError("lost it"), State.UNKNOWN),
    ],
)
def test_what_a_method_raises_becomes_the_outcome(
    error: Exception, state: State
) -> None:
    kept = OurInvoices(invoice())
    app = local(kept)
    (before,) = read(app, Invoice, "1")
    kept.error = error
    new = evolve(before, ref=ref("Invoice", ""), custom={})
    changes = [made(new), changed(before, due=DAY), ended(before)]
    assert [each.state for each in write(app, *changes)] == [state] * 3
    assert [each[0] for each in kept.asked] == ["create", "update", "void"]


def test_a_look_that_fails_before_a_write_proves_that_nothing_was_done() -> None:
    kept = OurInvoices(invoice())
    app = local(kept)
    (before,) = read(app, Invoice, "1")
    kept.fails = RuntimeError("the session is closed")
    (outcome,) = write(app, changed(before, due=DAY))
    assert (outcome.state, outcome.code) == (State.NOT_SENT, Code.SERVER_ERROR)
    assert not kept.asked


# With an engine -----------------------------------------------------------------------------

SCHEMA = """
CREATE TABLE invoices (id TEXT PRIMARY KEY, number TEXT, day TEXT, total TEXT, mark TEXT);
CREATE TABLE payments (
    id INTEGER PRIMARY KEY, day TEXT, amount TEXT, mark TEXT UNIQUE
);
CREATE TABLE payment_invoices (payment INTEGER, invoice TEXT, amount TEXT);
INSERT INTO invoices VALUES ('7', 'INV-7', '2026-03-01', '70.00', NULL);
INSERT INTO invoices VALUES ('8', 'INV-8', '2026-03-01', '30.00', NULL);
"""


def _billing(path: Path) -> Table:
    named = {"id": "id", "on": "day", "mark": "mark"}
    return Table(
        connect=lambda: sqlite3.connect(path),
        documents=(
            InvoiceTable(table="invoices", number="number", total="total", **named),  # type: ignore[arg-type]
            PaymentTable(
                table="payments",
                amount="amount",
                applications=ApplicationTable(
                    table="payment_invoices",
                    document="payment",
                    invoice="invoice",
                    amount="amount",
                ),
                **named,  # type: ignore[arg-type]
            ),
        ),
        currency="EUR",
        connection=HERE,
    )


def test_an_engine_carries_a_payment_into_the_tables_once(tmp_path: Path) -> None:
    """A payment of the ledger becomes one of the app, with both its applications."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(SCHEMA)
    kept = OurPayments(payment(id="L1"))
    ledger = Local(Shop(kept), connection=OTHER)
    (source,) = drive(ledger.fetch(Payment, ids=["L1"])).records
    after = wanted(
        customer=None, applications=(put("7", Decimal(70)), put("8", Decimal(30)))
    )
    change = made(evolve(after, unapplied=None), "L1", agreed=fingerprint(source))
    off = tieout.Settings(directions={Settlement: tieout.Direction.OFF})
    for word in ("updated", "unchanged"):
        # Each with a store of its own: the second knows nothing of the first.
        billing = _billing(path)
        with tieout.Engine(billing=billing, ledger=ledger, settings=off) as engine:
            report = engine.apply(engine.plan_changes([change]))
        assert (report.ok, report.counts[word]) == (True, 1)
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT day, amount, mark FROM payments").fetchall()
        puts = database.execute("SELECT * FROM payment_invoices").fetchall()
    assert rows == [("2026-03-10", "100.00", change.mark)]
    assert puts == [(1, "7", "70.00"), (1, "8", "30.00")]
