"""
The host's own application as a connector: flows that yield calls, never requests.

`LocalApp` is a class with plain methods that the host overrides::

    class Shop(LocalApp):
        def invoices(self, ids, numbers):
            for row in orm.invoices(ids, numbers):
                yield Bill(id=row.pk, number=row.number, currency="EUR", total=row.total,
                           paid_amount=row.paid_amount, date_paid=row.date_paid)

        def set_paid(self, invoice):
            orm.update(invoice.ref.id,
                       paid_amount=invoice.paid, date_paid=invoice.paid_on)

    billing = Local(Shop(), connection="app:shop")

They are called on the thread that called the engine. Never call the engine inside a
transaction of your own: a lock that it holds would be waited for. Where the app is no more
than a table, `tieout.table` needs no code at all.

Nothing here keeps a database connection, rounds an amount, or decides what is to be paid.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

from attrs import asdict, evolve, field, frozen

from tieout import capabilities as can
from tieout.auth import Auth, NoAuth
from tieout.capabilities import Capabilities, Changed, Dated, Everything, Open, Select
from tieout.change import Action, Change, Outcome
from tieout.connector import (
    TEXT_KEPT_MAX,
    Books,
    Fields,
    Health,
    Page,
    batches,
    discreet,
    guarded,
    iso_day,
    iso_instant,
    read_rows,
    sound_day,
)
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.models import (
    Basis,
    Part,
    R,
    Record,
    Ref,
    Settlement,
    Status,
    clean_number,
    is_name,
)
from tieout.money import ZERO, amount, exponent, parse_amount
from tieout.wire import Answer, Call, Flow, Response, Verdict

Amount: TypeAlias = Decimal | int | str
AT_ONCE, DAILY = timedelta(0), timedelta(days=1)
NO_FLOATS = (
    "Floats cannot hold money exactly. Keep amounts as decimals (NUMERIC; in SQLite a TEXT "
    "column), or as whole minor units in an integer column with minor_units=True."
)

# What both ways have in common --------------------------------------------------------


@frozen(eq=False)
class InProcess:
    """The flows. A subclass does the blocking work, in the calls that they yield."""

    connection: str = field(kw_only=True)
    base_currency: str = field(default="", kw_only=True)
    zone: str | None = field(default=None, kw_only=True)
    auth: Auth = field(factory=NoAuth, init=False, repr=False)

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities: ...
    @abstractmethod
    def _health(self) -> Health: ...
    @abstractmethod
    def _select(
        self, select: Any, cursor: str | None
    ) -> tuple[list[Any], str | None]: ...
    @abstractmethod
    def _named(self, ids: list[str], numbers: list[str]) -> list[Any]: ...
    @abstractmethod
    def _load(self, bill: Fields) -> Settlement: ...

    def _is_cursor(self, text: str) -> bool:
        """Whether a text can be a cursor of this connection; here there is one page."""
        return False

    def _books(self) -> Books:
        return Books(self.connection, currency=self.base_currency, zone=self.zone)

    def check(self) -> Flow[Health]:
        health: Health = yield from _ask(self._health, "check")
        return health

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        if type(select) not in self.capabilities.kind(kind).selects:
            asked = f"{kind.__name__} records by {type(select).__name__}"
            raise Fault(Code.NOT_ALLOWED, f"{self.connection} cannot list {asked}")
        if cursor is not None and not self._is_cursor(cursor):
            text = f"this resume point is none of {self.connection}'s"
            raise ConfigError(f"{text}: start from a date")
        rows, following = yield from _ask(partial(self._select, select, cursor), "page")
        page = self._read(rows)
        meant = tuple(each for each in page.records if selected(each, select))
        return evolve(page, records=meant, next=following)

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        offered = self.capabilities.kind(kind)
        if not offered.can(can.Verb.READ):
            raise Fault(Code.NOT_ALLOWED, f"{self.connection} has no {kind.__name__}")
        size = offered.fetch_size
        calls = [partial(self._named, some, []) for some in batches(ids, size)]
        calls += [partial(self._named, [], some) for some in batches(numbers, size)]
        rows: list[Any] = []
        for call in calls:
            rows.extend((yield from _ask(call, "fetch")))
        page = self._read(rows)
        wanted, named = set(ids), {clean_number(number) for number in numbers}
        # A database may compare without case: what was not asked for is not returned.
        exact = {
            each.ref.id: each
            for each in page.records
            if each.ref.id in wanted or each.number in named
        }
        return evolve(page, records=tuple(exact.values()))

    def find(self, changes: Sequence[Change]) -> Flow[Page[Record]]:
        ids = [change.target.id for change in changes if change.target]
        found: Page[Any] = yield from self.fetch(Settlement, ids=ids)
        return found

    def judge(self, response: Response) -> Verdict:
        return Verdict(Answer.OK)

    def _read(self, rows: Iterable[Any]) -> Page[Any]:
        records, issues = read_rows(
            rows,
            self._load,
            kind=Settlement,
            connection=self.connection,
            id_field="id",
            number_field="number",
        )
        return Page(records, tuple(dict.fromkeys(issues)))

    def _wanted(self, change: Change) -> tuple[Ref, Settlement, Settlement]:
        """Which invoice, as it was read, and as it should be; else `Fault` NOT_ALLOWED."""
        match change:
            case Change(
                action=Action.UPDATE,
                target=Ref(connection=self.connection) as target,
                before=Settlement() as before,
                after=Settlement() as after,
            ) if self.capabilities.kind(Settlement).can(can.Verb.UPDATE):
                return target, before, after
        asked = f"{change.action.name.lower()} this {change.kind.__name__}"
        raise Fault(Code.NOT_ALLOWED, f"{self.connection} cannot {asked}")


def _ask(run: Callable[[], Any], name: str) -> Flow[Any]:
    """A call that changes nothing; whatever it raises becomes a `Fault`."""
    try:
        response = yield Call(run, name=name)
    except Fault:
        raise
    except Exception as error:
        raise Fault(Code.SERVER_ERROR, in_words(error), fate=Fate.UNCLEAR) from error
    return response.value


def in_words(error: Exception) -> str:
    return discreet(f"{type(error).__name__}: {error}"[:TEXT_KEPT_MAX])


def selected(invoice: Settlement, select: Select) -> bool:
    match select:
        case Dated(first=first, last=last):
            return invoice.on is not None and first <= invoice.on <= last
        case Open(through=through):
            later = bool(through and invoice.on and invoice.on > through)
            return invoice.status is Status.OPEN and not later
        case _:
            return True


def own_capabilities(
    system: str, selects: set[type], *, late_commit: timedelta = AT_ONCE, **kind: Any
) -> Capabilities:
    stamped = Changed in selects
    payments = can.Payments(
        feeds=(can.Feed.STAMP,) if stamped else (),
        blind=frozenset({can.Blind.DELETIONS}) if stamped else frozenset(),
        sweep_every=DAILY if stamped else None,
        parts=frozenset({Part.CASH}),
        paid_on=Basis.LEDGER_FIELD,
    )
    return Capabilities(
        system,
        {Settlement: can.Kind(selects=frozenset(selects), **kind)},
        payments=payments,
        late_commit=late_commit,
        search_lag=AT_ONCE,
        free_reads=True,
    )


WRITES: Mapping[str, Any] = {
    "verbs": frozenset({can.Verb.READ, can.Verb.UPDATE}),
    "writable": frozenset({"settled_by", "paid_on"}),
    "updates": can.Updates.SPARSE,
}


def bill_settlement(
    bill: Fields, connection: str, *, minor_units: bool = False
) -> Settlement:
    """The money of one invoice; a `Fault` names the field that cannot be read."""
    currency = bill.currency("currency")
    parse = partial(_from_minor if minor_units else amount, currency=currency)

    def money(name: str) -> Decimal | None:
        if isinstance(bill.raw.get(name), float):
            text = f"{name} is a float"
            raise Fault(Code.BAD_AMOUNT, text, field=name, remedy=NO_FLOATS)
        return bill.maybe(name, parse)

    paid, credited = money("paid_amount") or ZERO, money("credited")
    total, number = money("total"), bill.number("number")
    if total is None or not number:
        lacking = "total" if total is None else "number"
        raise Fault(Code.BAD_FIELD, f"{lacking} is missing", field=lacking)
    parts = {} if credited is None else {Part.CREDIT: credited}
    balance = total - paid - (credited or ZERO)
    status = Status.OPEN if balance > 0 else Status.SETTLED
    if bill.maybe("void", _truth):
        status = Status.VOID
    customer, paid_on = bill.maybe("customer", identity), bill.maybe("date_paid", _day)
    return Settlement(
        Ref(connection, "Invoice", bill.read("id", identity)),
        number,
        currency,
        total,
        balance,
        status,
        reference=bill.text("reference"),
        customer=Ref(connection, "Customer", customer) if customer else None,
        on=bill.maybe("on", _day),
        settled_by={Part.CASH: paid, **parts},
        paid_on=paid_on,
        basis=Basis.LEDGER_FIELD if paid_on else None,
        changed_at=bill.maybe("changed_at", _instant),
        version=bill.maybe("version", str) or "",
    )


def identity(value: Any) -> str:
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)  # a key in a NUMERIC column
    if isinstance(value, bool) or not isinstance(value, str | int | UUID):
        raise TypeError(type(value).__name__)
    if not is_name(text := str(value)):
        raise ValueError("an id is not empty, short, and can be seen")
    return text


def _from_minor(value: Any, currency: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Fault(Code.BAD_AMOUNT, f"a {type(value).__name__} is no minor units")
    return amount(parse_amount(value).scaleb(-exponent(currency)), currency)


def _day(value: Any) -> date:
    if isinstance(value, date):
        return sound_day(value.date() if isinstance(value, datetime) else value)
    return iso_day(value)


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return iso_instant(value, naive_is_utc=True)


def _truth(value: Any) -> bool:
    if value not in (0, 1):  # some databases have no booleans
        raise ValueError("neither true nor false")
    return bool(value)


# The host's methods -------------------------------------------------------------------


@frozen(kw_only=True)
class Bill:
    """
    One invoice and its money as the host has it.

    Nothing is checked when it is made: what cannot be read becomes an issue of this one
    invoice. ``paid_amount`` is all that was paid so far, ``credited`` what credit notes
    took off, where the app knows. Dates are calendar days, ``changed_at`` is aware.
    """

    id: str | int | UUID
    number: str | int
    currency: str
    total: Amount
    paid_amount: Amount | None = None
    date_paid: date | None = None
    credited: Amount | None = None
    on: date | None = None
    customer: str | int | UUID | None = None
    reference: str = ""
    void: bool = False
    changed_at: datetime | None = None
    version: str | int = ""


class LocalApp:
    """
    The host's own app: override what it can do, and `Local` sees what that is.

    An exception from a method that reads ends the run with its words. From `set_paid`, a
    `Fault` says that certainly nothing was done; after anything else the outcome is
    unknown, and the invoice is looked at before it is written again.
    """

    def invoices(self, ids: Sequence[str], numbers: Sequence[str]) -> Iterable[Bill]:
        """The invoices of these ids and of these numbers, as far as they exist."""
        raise NotImplementedError

    def set_paid(self, invoice: Settlement) -> None:
        """
        Make the invoice ``invoice.ref.id`` show ``invoice.paid`` as its paid amount and
        ``invoice.paid_on`` as its date paid: None while something is owed. Both replace
        what is there, so that doing it twice is the same as once.
        """
        raise NotImplementedError

    def changed(self, since: datetime) -> Iterable[Bill]:
        """Invoices whose money changed at or after an instant; needed to be a ledger."""
        raise NotImplementedError

    def everything(self) -> Iterable[Bill]:
        """All invoices, as one list in memory; for very many use a `Table`."""
        raise NotImplementedError

    def books(self) -> Books | None:
        """The company behind the app, where `Local`'s arguments do not say it all."""
        return None


@frozen(eq=False)
class Local(InProcess):
    """
    A `LocalApp` as a connector; it can do what the app overrides.

    ``late_commit`` is for an app that hands writes on to something slower: the latest that
    a write whose outcome is unknown may still be carried out and seen.
    """

    app: LocalApp
    late_commit: timedelta = field(default=AT_ONCE, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not self._has("invoices"):
            raise ConfigError(f"{type(self.app).__name__} has to override invoices()")

    @property
    def capabilities(self) -> Capabilities:
        selects: set[type] = {Changed} if self._has("changed") else set()
        if self._has("everything"):
            selects |= {Everything, Dated, Open}
        return own_capabilities(
            "local",
            selects,
            late_commit=self.late_commit,
            fetch_size=500,
            batch_size=50,
            **(WRITES if self._has("set_paid") else {}),
        )

    def _has(self, name: str) -> bool:
        return getattr(type(self.app), name) is not getattr(LocalApp, name)

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        outcomes: list[Outcome] = []
        for change in changes:
            outcome = yield from guarded(self._write_one(change), change, self.judge)
            outcomes.append(outcome)
        return tuple(outcomes)

    def _write_one(self, change: Change) -> Flow[Outcome]:
        _, _, after = self._wanted(change)
        try:
            yield Call(partial(self.app.set_paid, after), effect=True, name="set_paid")
        except Fault:
            raise
        except Exception as error:
            raise unknown(error) from error
        return Outcome.applied(change)

    def _health(self) -> Health:
        books = self.app.books() or self._books()
        return Health(reachable=True, signed_in=True, books=books)

    # A host's generator is used up inside the call: its code runs on its own thread.

    def _select(self, select: Any, cursor: str | None) -> tuple[list[Any], str | None]:
        changed = isinstance(select, Changed)
        bills = self.app.changed(select.since) if changed else self.app.everything()
        return [_plain(bill) for bill in bills], None

    def _named(self, ids: list[str], numbers: list[str]) -> list[Any]:
        return [_plain(bill) for bill in self.app.invoices(ids, numbers)]

    def _load(self, bill: Fields) -> Settlement:
        # In a column a missing zone is a convention; in an app it is a mistake.
        for name, instant in (("on", 0), ("date_paid", 0), ("changed_at", 1)):
            value = bill.raw.get(name)
            if isinstance(value, datetime) and not (instant and value.tzinfo):
                text = "has no time zone" if instant else "is an instant, not a day"
                raise Fault(Code.BAD_DATE, f"{name} {text}", field=name)
        return bill_settlement(bill, self.connection)


def _plain(bill: Any) -> Any:
    return asdict(bill, recurse=False) if isinstance(bill, Bill) else bill


def unknown(error: Exception) -> Fault:
    return Fault(Code.OUTCOME_UNKNOWN, in_words(error), fate=Fate.UNCLEAR)
