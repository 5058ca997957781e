"""The two connections: how they are, what is lacking, ending one, and taking it up again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

import tieout
from offices import EVERY_WAY, HOUR, NOTHING, SINCE, Offices, Vendors
from tieout import Severity
from tieout.connections import ConnectionState as State
from tieout.errors import Code, ConfigError, Fault
from tieout.models import Customer, Invoice, Payment, Ref
from tieout.protocol import Books, Health
from tieout.settings import Fees
from tieout.store import Contact, Ending, Identity, Renewal, StoredGrant
from tieout.testing.year.connector import BooksConnector
from tieout.wire import Call, Flow
from worlds import DAY as A_DAY

SHOP, BOOK = "shop:1", "book:1"
INTACCT = "intacct:acme"


class Wary(BooksConnector):
    """Books whose check says what a test wants it to say."""

    says: Health | Fault

    def check(self) -> Flow[Health]:
        yield Call(lambda: None)
        if isinstance(self.says, Fault):
            raise self.says
        return self.says


def well(books: str = "book:1", *missing: str, **more: Any) -> Health:
    """A connection that somebody was let in to."""
    return Health(True, True, missing, Books(books, "Acme"), **more)


def wary(says: Health | Fault, **rules: Any) -> Offices:
    """Offices whose books say that of themselves."""
    offices = Offices(rules={"directions": EVERY_WAY, **rules})
    offices.ledger = Wary(offices.book)
    offices.ledger.says = says
    return offices


def state(engine: tieout.Engine, name: str = BOOK) -> State:
    """How far a connection has come, as it is remembered."""
    found = {each.name: each.state for each in engine.connections()}
    return found[name]


# How it comes to be -----------------------------------------------------------------------


def test_a_connection_comes_from_not_connected_to_enabled() -> None:
    """B58: connected, then configured, then enabled; before that nothing is synced."""
    offices = wary(Fault(Code.SIGN_IN_REFUSED, "who are you"))
    ledger = offices.ledger
    assert isinstance(ledger, Wary)
    offices.invoice("INV-1", offices.customer())
    offices.rules = {"directions": NOTHING, "fees": Fees()}
    assert state(offices.engine()) is State.NOT_CONNECTED
    steps: list[tuple[Any, dict[str, Any], State]] = [
        (ledger.says, offices.rules, State.NOT_CONNECTED),
        (well(BOOK, "Accounts Receivable"), offices.rules, State.CONNECTED),
        (well(), offices.rules, State.CONNECTED),
        (
            well(),
            {"directions": NOTHING, "fees": Fees(account="4900")},
            State.CONFIGURED,
        ),
        (well(), {"directions": EVERY_WAY, "fees": Fees(account="49")}, State.ENABLED),
    ]
    for says, rules, expected in steps:
        assert offices.book.of(Invoice) == {}
        ledger.says, offices.rules = says, rules
        offices.engine().check()
        assert state(offices.engine()) is expected
        offices.sync()
    assert len(offices.book.of(Invoice)) == 1


def test_what_is_lacking_is_named() -> None:
    """B57, B150, B162: permissions by the vendor's names, settings by ours; each apart."""
    offices = wary(well(BOOK, "Accounts Receivable", "General Ledger"), fees=Fees())
    health = offices.engine().check(BOOK)[BOOK]
    assert (health.reachable, health.signed_in, health.ok) == (True, True, False)
    named = ("Accounts Receivable", "General Ledger", "accounts['fee']")
    assert health.missing == named
    (_, ledger) = offices.engine().connections()
    assert (ledger.side, ledger.missing, ledger.code) == ("ledger", named, None)
    assert str(ledger) == f"ledger book:1: connected (missing: {', '.join(named)})"
    (report, *_) = offices.sync()
    assert report.code is Code.PERMISSION_MISSING
    assert "book:1 lacks: Accounts Receivable, General Ledger" in report.text


@pytest.mark.parametrize(
    ("code", "reachable"),
    [
        (Code.SIGN_IN_REFUSED, True),
        (Code.RECONNECT_NEEDED, True),
        (Code.NOT_REACHED, False),
        (Code.SERVER_ERROR, False),
        (Code.TOO_MANY_REQUESTS, True),
    ],
)
def test_credentials_and_reach_are_told_apart(code: Code, reachable: bool) -> None:
    """B56, B115, B150: one side's trouble hides nothing of the other's."""
    offices = wary(Fault(code, "it said no"))
    found = offices.engine().check()
    assert found[SHOP].ok
    bad = found[BOOK]
    assert (bad.reachable, bad.signed_in, bad.code) == (reachable, False, code)
    assert bad.notes == (f"it said no {code.remedy}",)
    shop, book = offices.engine().connections()
    assert (shop.state, book.state) == (State.ENABLED, State.NOT_CONNECTED)
    assert book.code is code
    assert book.at == offices.clock.now()
    assert str(book).startswith("ledger book:1: not connected (it said no")


def test_a_health_without_a_code_is_told_as_what_it_looks_like() -> None:
    """B150: a connector of the caller's own may say no more than yes and no."""
    offices = wary(Health(reachable=True, signed_in=False))
    offices.engine().check()
    assert offices.engine().connections()[1].code is Code.SIGN_IN_REFUSED
    assert isinstance(offices.ledger, Wary)
    offices.ledger.says = Health(reachable=False, signed_in=False)
    offices.engine().check()
    assert offices.engine().connections()[1].code is Code.NOT_REACHED


def test_how_they_are_is_always_told_and_nobody_is_asked() -> None:
    """B114, B116: also before the first look; each side can be looked at alone."""
    offices = Offices()
    shop, book = offices.engine().connections()
    assert (shop.side, shop.name, book.side, book.name) == (
        *("billing", SHOP),
        *("ledger", BOOK),
    )
    assert str(book) == "ledger book:1: not connected (it was never looked at)"
    assert (offices.billing.calls, offices.ledger.calls) == (0, 0)
    assert list(offices.engine().check(BOOK)) == [BOOK]
    assert (offices.billing.calls, offices.ledger.calls) == (0, 1)
    assert state(offices.engine(), SHOP) is State.NOT_CONNECTED
    assert state(offices.engine()) is State.ENABLED
    with pytest.raises(ConfigError, match="no connection of this pair"):
        offices.engine().check("elsewhere")


def test_a_run_tells_too_how_a_connection_is() -> None:
    """B114, B150: at which connection it failed, and the next run looks at it first."""
    offices = Offices()
    offices.invoice("INV-1", offices.customer())
    offices.sync()
    assert state(offices.engine()) is State.ENABLED

    def shut(change: Any) -> str:
        raise Fault(Code.SIGN_IN_REFUSED, "not any more")

    offices.ledger.fate = shut
    offices.invoice("INV-2", next(iter(offices.shop.of(Customer).values())))
    offices.sync()
    shop, book = offices.engine().connections()
    assert (shop.state, book.state) == (State.ENABLED, State.NOT_CONNECTED)
    assert (book.code, book.text) == (Code.SIGN_IN_REFUSED, "not any more")
    offices.ledger.fate = lambda change: ""
    offices.sync()
    assert state(offices.engine()) is State.ENABLED
    assert len(offices.book.of(Invoice)) == 2


def test_a_permission_that_a_run_misses_is_named() -> None:
    """B57, B150: it is connected, and something is lacking."""
    offices = Offices()
    offices.invoice("INV-1", offices.customer())

    def lacking(change: Any) -> str:
        raise Fault(Code.PERMISSION_MISSING, "no right to make customers")

    offices.ledger.fate = lacking
    offices.engine().sync_customers(SINCE)
    (_, book) = offices.engine().connections()
    assert (book.state, book.missing) == (
        State.CONNECTED,
        ("no right to make customers",),
    )


def test_a_connection_that_needs_a_person_says_so() -> None:
    """B116: a grant that was revoked is not asked for again, and brought to attention."""
    offices = Offices()
    offices.engine().check()
    code, now = Code.RECONNECT_NEEDED, offices.clock.now()
    offices.store.commit(Renewal(BOOK, "", now, code=code, text="used up"))
    (_, book) = offices.engine().connections()
    assert (book.state, book.code, book.text) == (State.NOT_CONNECTED, code, "used up")


# Sage Intacct, as its users know it -------------------------------------------------------


def test_intacct_takes_a_company_a_user_and_an_entity() -> None:
    """B54, B55: with all three it is let in, and with the entity of another it is not."""
    vendors = Vendors(company={"entities": ("100", "200")}, given={"locationid": "100"})
    name = "intacct:acme/100"
    assert vendors.engine().check(name)[name].ok
    vendors.given["locationid"] = "900"
    other = "intacct:acme/900"
    health = vendors.engine().check(other)[other]
    assert health.code is Code.SIGN_IN_REFUSED


def test_intacct_says_which_of_the_three_is_wrong() -> None:
    """B56, B57, B150, B163: credentials, reach and permissions, each with its remedy."""
    vendors = Vendors()
    assert vendors.engine().check()[INTACCT].ok
    vendors.intacct.deny("ARPYMT")
    health = vendors.engine().check()[INTACCT]
    assert (health.reachable, health.signed_in) == (True, True)
    assert any("ARPYMT" in each for each in health.missing)
    vendors.intacct.revoke()
    health = vendors.engine().check()[INTACCT]
    assert (health.reachable, health.signed_in) == (True, False)
    assert health.code is Code.SIGN_IN_REFUSED
    assert "Company > Setup > Company" in health.notes[0]
    vendors.intacct.fail(9, 503, of="getAPISession")
    health = vendors.engine().check()[INTACCT]
    assert (health.reachable, health.signed_in) == (False, False)


# Ended ------------------------------------------------------------------------------------


def synced() -> Offices:
    """A customer, an invoice and its payment, on both sides."""
    offices = Offices()
    owner = offices.customer()
    bill = offices.invoice("INV-1", owner)
    offices.pay(owner, "P-1", **{bill.ref.id: 60})
    offices.sync()
    return offices


Act = Callable[[tieout.Engine], Any]
ACTS: dict[str, Act] = {
    "sync now": lambda engine: engine.sync_now(SINCE)[0],
    "a kind": lambda engine: engine.sync_invoices(SINCE),
    "one record": lambda engine: engine.push(Ref(SHOP, "Invoice", "i2")),
    "by hand": lambda engine: engine.sync_invoices(through=SINCE),
    "initial": lambda engine: engine.initial_sync(SINCE, SINCE, kinds=[Invoice])[0],
    "a listing": lambda engine: engine.unsynced(SINCE),
    "a payload": lambda engine: engine.payload(Ref(SHOP, "Invoice", "i2")),
    "an audit": lambda engine: engine.audit(),
}


@pytest.mark.parametrize("name", ACTS)
def test_nothing_runs_once_a_connection_was_ended(name: str) -> None:
    """B151: whichever call is made, neither side is asked."""
    offices = synced()
    engine = offices.engine()
    engine.disconnect(SHOP, by="Ada")
    calls = (offices.billing.calls, offices.ledger.calls)
    try:
        found = ACTS[name](engine)
    except Fault as fault:
        code, text = fault.code, fault.text
    else:
        code, text = found.code, found.text
        assert found.ok
        assert found.ending is Ending.STOPPED
    assert code is Code.DISCONNECTED
    assert code.severity is Severity.YELLOW
    assert text.startswith("shop:1 was disconnected by Ada at 2026-03-20 13:00")
    assert (offices.billing.calls, offices.ledger.calls) == calls


def test_an_ended_connection_says_so_and_deletes_nothing() -> None:
    """B151: ties, the log, the issues and both systems' records stay as they were."""
    offices = synced()
    engine = offices.engine()
    before = [*engine.events()]
    held = {kind: dict(offices.book.of(kind)) for kind in (Customer, Invoice, Payment)}
    engine.disconnect(BOOK)
    found = engine.check()
    assert (found[SHOP].ok, found[BOOK].code) == (True, Code.DISCONNECTED)
    assert state(engine) is State.NOT_CONNECTED
    assert engine.connections()[1].text == "disconnected by shared"
    story = engine.why("INV-1")
    assert story.said[0].record is not None
    assert story.said[1].code is Code.DISCONNECTED
    assert {link.ledger.kind for link in story.links} == {"Invoice", "Payment"}
    assert [*engine.events()] == before
    assert {kind: offices.book.of(kind) for kind in held} == held
    with pytest.raises(ConfigError, match="it has shop:1 and book:1"):
        engine.disconnect("elsewhere")


def test_reconnecting_goes_on_without_duplicates() -> None:
    """B76, B151: from the markers as they were, and what came meanwhile is carried."""
    offices = synced()
    offices.engine().disconnect(BOOK)
    offices.invoice("INV-2", next(iter(offices.shop.of(Customer).values())))
    offices.clock.advance(3 * A_DAY)
    (stopped,) = offices.sync()
    assert not stopped.marker_moved
    assert offices.engine().reconnect(BOOK).ok
    assert state(offices.engine()) is State.ENABLED
    reports = offices.sync()
    assert {report.window for report in reports} == {"last successful run"}
    assert reports[1].counts["created"] == 1
    assert len(offices.book.of(Invoice)) == 2
    assert len(offices.book.of(Payment)) == 1
    writes = offices.book.writes
    offices.engine().sync_now(SINCE)
    assert offices.book.writes == writes


def test_a_connection_can_be_ended_while_a_run_is_under_way() -> None:
    """B151, B160: the run ends at its next step, and the next one goes on."""
    offices = Offices()
    owner = offices.customer()
    for number in range(40):
        offices.invoice(f"INV-{number}", owner)
    engine = offices.engine()

    def end(_: tieout.Progress) -> None:
        offices.engine().disconnect(BOOK, by="Ada")

    (_, report) = engine.sync_now(SINCE, on_progress=lambda row: None)[:2]
    assert report.counts["created"] == 40
    for number in range(40, 80):
        offices.invoice(f"INV-{number}", owner)
    offices.clock.advance(HOUR)
    (report,) = engine.sync_now(on_progress=end)[-1:]
    assert report.code is Code.DISCONNECTED
    made = len(offices.book.of(Invoice))
    assert 40 < made < 80
    assert offices.engine().reconnect(BOOK).ok
    offices.clock.advance(HOUR)
    offices.sync()
    assert len(offices.book.of(Invoice)) == 80
    assert offices.issues() == []


def test_the_grant_is_forgotten_and_the_next_one_is_anew() -> None:
    """B151: nobody can use it; with the password that counts now, somebody is let in."""
    vendors = Vendors()
    vendors.sync()
    assert INTACCT in vendors.store.get(StoredGrant, [INTACCT])
    engine = vendors.engine()
    engine.disconnect(INTACCT)
    assert vendors.store.get(StoredGrant, [INTACCT]) == {}
    assert engine._ledger._grants._grant is None
    vendors.intacct.revoke()
    health = vendors.engine().reconnect(INTACCT)
    assert (health.ok, health.code) == (False, Code.SIGN_IN_REFUSED)
    assert state(vendors.engine(), INTACCT) is State.NOT_CONNECTED
    assert vendors.engine().connections()[1].code is Code.DISCONNECTED
    vendors.given["password"] = "user-secret, changed"
    assert vendors.engine().reconnect(INTACCT).ok
    assert all(report.ok for report in vendors.sync())


def test_another_company_is_not_taken_for_the_one_that_was_ended() -> None:
    """B151: it stays ended, and nothing of the other one is read."""
    offices = wary(well())
    offices.sync()
    offices.engine().disconnect(BOOK)
    assert isinstance(offices.ledger, Wary)
    offices.ledger.says = well("another")
    with pytest.raises(Fault, match="book:1 is Acme now, it was Acme") as raised:
        offices.engine().reconnect(BOOK)
    assert raised.value.code is Code.WRONG_COMPANY
    assert state(offices.engine()) is State.NOT_CONNECTED
    offices.ledger.says = Fault(Code.NOT_REACHED, "nobody answers")
    assert offices.engine().reconnect(BOOK).code is Code.NOT_REACHED
    offices.ledger.says = Health(reachable=True, signed_in=False)
    assert not offices.engine().reconnect(BOOK).ok
    assert state(offices.engine()) is State.NOT_CONNECTED
    offices.ledger.says = evolve(well(), books=None)
    assert offices.engine().reconnect(BOOK).ok
    assert state(offices.engine()) is State.ENABLED


def test_what_a_run_finds_does_not_undo_what_a_person_says() -> None:
    """B151: ended at the very moment at which a run looks at it, it stays ended."""
    offices = Offices()
    engine = offices.engine()
    now = offices.clock.now()
    engine.disconnect(BOOK)
    engine._remember(Contact(BOOK, now))
    assert state(engine) is State.NOT_CONNECTED
    engine.reconnect(BOOK)
    held = offices.store.get(Contact, [BOOK])[BOOK]
    get = engine._store.get

    def before(kind: Any, keys: Any) -> Any:
        found = get(kind, keys)
        if kind is Contact:
            offices.store.commit(evolve(held, at=now + HOUR, ended=True, by="Ada"))
        return found

    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(engine._store, "get", before)
    engine._remember(Contact(BOOK, now))
    monkeypatch.undo()
    assert offices.store.get(Contact, [BOOK])[BOOK].by == "Ada"


def test_who_was_seen_by_an_older_version_is_connected() -> None:
    """B58: its books are remembered, and nothing else."""
    offices = Offices()
    now = offices.clock.now()
    offices.store.commit(Identity(BOOK, BOOK, "Acme", "EUR", "UTC", now))
    (_, book) = offices.engine().connections()
    assert (book.state, book.at) == (State.ENABLED, now)
