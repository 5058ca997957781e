"""
What a connector's author supplies to the kit: the system, and what people do in it.

A bench is one company in one system, empty, with a clock that the kit sets. Nothing here
checks anything, and a bench need not know what it is used for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve, frozen

from tieout.connector import Connector
from tieout.errors import Code, Fault
from tieout.models import Record, RecordType
from tieout.wire import Answer, Request, Response, Transport, read_json, write_json

NOON = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
"""Where a bench's clock begins: the middle of a day, so that no zone is on another."""


class NotStaged(Exception):
    """The bench, or the system behind it, has no such thing: the check does not apply."""


class SetClock:
    """A `tieout.clock.Clock` that goes on only when it is told to, or somebody sleeps."""

    def __init__(self, now: datetime = NOON) -> None:
        self._begun = self._now = now

    def now(self) -> datetime:
        """The instant; give this to a fake as its ``now``."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return (self._now - self._begun).total_seconds()

    def sleep(self, seconds: float) -> None:
        """Time passes, and nobody waits for it."""
        self.advance(timedelta(seconds=seconds))

    def advance(self, by: timedelta) -> None:
        """Let so much time pass at once."""
        self._now += by


class Unplugged:
    """The transport of a bench whose connector needs none: its flows yield calls."""

    def send(self, request: Request, timeout: float) -> Response:
        """Nothing may leave by it."""
        raise AssertionError(f"a request was to leave for {request.url}")

    def close(self) -> None:
        """Nothing is open."""


@frozen
class Sample:
    """
    One answer of the vendor's in one of its error dialects, and what it must be judged as.

    ``name`` says which error it is. Give at least one for each `Rule` of the connector,
    word for word as the vendor answers. Rules that ask for nothing but a status need none.
    """

    name: str
    response: Response
    code: Code
    answer: Answer = Answer.REFUSED


class Bench:
    """
    One company in one system: its server, a connector to it, and what people do there.

    Subclass it, and give in ``__init__`` (which takes no arguments, and is called anew for
    each check) the attributes ``clock`` and ``transport``; then override `connector`,
    `customer` and `invoice`, and of the rest whatever the system has (the check "the bench
    is complete" tells which cannot be left out)::

        class AcmeBench(Bench):
            secrets = ("canary-7f3a",)

            def __init__(self) -> None:
                self.clock = SetClock()
                self.acme = self.transport = FakeAcme(now=self.clock.now, key="canary-7f3a")

            def connector(self, **overrides):
                return Acme(**{"company": "acme", "key": "canary-7f3a", **overrides})

            def customer(self, name, number=""):
                return self.acme.add_customer(name, number)

            def invoice(self, number, total, *, customer, on, currency):
                return self.acme.add_invoice(number, customer, total, on, currency)

    What a person does in the system's own windows is a *staging verb*. Its ids are
    strings, as the connector tells them. The kit gives every argument each time; amounts
    are exact `Decimal`, days are `date`. A verb that is not overridden raises `NotStaged`,
    and the checks that need it do not apply: the report card says so. Raise `NotStaged`
    yourself, with the reason as its text, where the system has such a verb but will not
    take just these arguments (pytest calls that check skipped; with an entry in ``excuses``
    it is left out instead). A verb that raises anything else fails the check.

    A staging verb does at once what it says, at the instant that ``clock.now()`` is: the
    kit lets time pass between two of them where that matters. It does not count as a
    request of the connector.
    """

    # What it is

    clock: SetClock
    """The time of the whole check: the session's, and the server's. A fake is given
    ``now=self.clock.now``; a real server's clock goes on beside it, and then checks of
    "changed since" may see more than they expect."""

    transport: Transport
    """What carries signed requests to the server: a fake itself, an `HTTPTransport` to
    wherever ``base_url`` of the connector leads, or `Unplugged` where there is no HTTP."""

    secrets: tuple[str, ...] = ()
    """The credentials that `connector` was given, each of at least 6 characters that
    stand nowhere else: the kit looks for them wherever they must not be."""

    currency: str = "USD"
    """The currency of the documents that the kit stages."""

    zero_decimal: str = ""
    """A currency without decimals that the company can bill in, such as ``JPY``."""

    refuses_numbers: str = ""
    """Characters that a document's number cannot have in this system. A number of other
    characters that cannot be *searched for* is the connector's to report."""

    number_length: int = 15
    """Characters that any document's number may have in this system."""

    fields: Mapping[RecordType, Mapping[str, str]] = {}
    """
    By kind, where an answer's row holds what the kit spoils on its way: the names
    ``number`` (by which the row is found), ``status``, ``total``, ``balance``,
    ``customer``, ``on``; dots lead into nested objects::

        fields = {
            Invoice: {"number": "DocNumber", "total": "TotalAmt", "customer": "Customer.id"},
            Settlement: {"number": "DocNumber", "total": "TotalAmt", "balance": "Balance"},
        }

    Name only what the connector reads of that kind. Rows that are not JSON are spoilt by
    an override of `mangled`.
    """

    excuses: Mapping[str, str] = {}
    """
    Checks that cannot hold for this system, by name (``"similar numbers"``, or of one
    kind ``"similar numbers [Invoice]"``), each with the reason. The report card shows
    them: better than a bench that stages less.
    """

    # The connector

    def connector(self, **overrides: Any) -> Connector:
        """
        A new connector to this company, with these of its arguments otherwise.

        The kit overrides ``page_size`` and ``fetch_size``. One that is not the
        connector's may raise `TypeError` or `ConfigError`: then the kit does without.
        """
        raise NotImplementedError(f"{type(self).__name__} has to give a connector")

    def close(self) -> None:
        """The check is over: let go of sockets. The default has none."""

    # What is staged

    def number(self, position: int) -> str:
        """The usual number of a document; override it where numbers have a form."""
        return f"K-{position:04d}"

    def customer(self, name: str, number: str = "") -> str:
        """A customer; its id. ``number`` is empty where the system gives one."""
        raise _not_staged("a customer")

    def invoice(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        """A posted sales invoice, nothing of it paid; ``total`` with tax. Its id."""
        raise _not_staged("an invoice")

    def draft(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        """An invoice that has no effect on the ledger yet; its id."""
        raise _not_staged("a draft")

    def credit_note(
        self, number: str, total: Decimal, *, customer: str, on: date, currency: str
    ) -> str:
        """A posted credit note, nothing of it applied; ``total`` is positive. Its id."""
        raise _not_staged("a credit note")

    def pay(self, invoice: str, amount: Decimal, on: date) -> str:
        """
        Money for one invoice, received on a day; the payment's id.

        "" where payments are no records. Raise `NotStaged` for a part of the total where
        the system holds none.
        """
        raise _not_staged("a payment")

    def overpay(self, invoice: str, amount: Decimal, on: date) -> str:
        """`pay`, with more than is owed, where the system puts all of it to the invoice."""
        raise _not_staged("an overpaid invoice")

    def take_back(self, payment: str) -> None:
        """Undo a payment (what `pay` returned), as a bookkeeper does: delete, void, reverse."""
        raise _not_staged("that a payment is taken back")

    def apply_credit(self, credit: str, invoice: str, amount: Decimal, on: date) -> str:
        """
        Put a part of a credit note to an invoice; the application's id as the connector
        tells it, or "" where applications are no records.
        """
        raise _not_staged("that a credit is applied")

    def unapply_credit(self, application: str) -> None:
        """Undo `apply_credit` (what it returned)."""
        raise _not_staged("that a credit is taken back")

    def post(self, invoice: str) -> str:
        """Hand an invoice over to the ledger by hand; the `Posting`'s id."""
        raise _not_staged("that an invoice is handed over")

    def edit(self, kind: RecordType, identity: str) -> None:
        """
        Change something harmless (a reference, a due date, a customer's e-mail address)
        that moves the record's change time.
        """
        raise _not_staged("an edit")

    def void(self, kind: RecordType, identity: str) -> None:
        """Take a document back, with all that this needs there. It stays visible."""
        raise _not_staged("that a document is voided")

    def delete(self, kind: RecordType, identity: str) -> None:
        """Take a record away altogether, where the system can."""
        raise _not_staged("that a record is deleted")

    def unknown_id(self, kind: RecordType, known: str) -> str:
        """An id that looks like a known one and is of no record."""
        strange = "".join("9" if each.isdigit() else each for each in known)
        return strange if strange != known else known.replace("9", "8")

    def wanted(self, kind: RecordType, record: Record) -> Record:
        """
        The record that the kit has the connector create, as the system needs it.

        Override it to add what has no default in the connector, such as the account of a
        line. The kit's own has customer, currency, day, total and one line; a payment has
        one application.
        """
        return record

    # What goes wrong

    def expire(self) -> None:
        """The token or session in use is no longer good; a new sign-in helps."""
        raise _not_staged("that a token expires")

    def revoke(self) -> None:
        """The credentials themselves are no longer good; only a person can help."""
        raise _not_staged("that credentials are revoked")

    def deny(self) -> str:
        """
        Take away a permission that `check` asks for, such as to read invoices; a word by
        which the vendor names it, which has to stand in `Health.missing`.
        """
        raise _not_staged("that a permission is taken away")

    def neighbour(self) -> Bench:
        """The bench of another company in the same system, with the same clock."""
        raise _not_staged("another company")

    def samples(self) -> Iterable[Sample]:
        """The vendor's errors as it answers them; see `Sample`."""
        raise _not_staged("samples of errors")

    # What the server knows

    @property
    def writes(self) -> int:
        """
        How many requests have changed something on the server, or tried to.

        Sign-ins, and what the staging verbs do, do not count.
        """
        raise _not_staged("how many writes arrived")

    # Rows that are spoilt on their way

    def mangled(
        self,
        response: Response,
        kind: RecordType,
        number: str,
        field: str,
        value: Any,
    ) -> Response:
        """
        The answer with another ``value`` at a ``field`` (a name of `fields`) of the one
        record of this number; the answer itself where the record is not in it.

        The default does it in JSON. ``field`` may also be "" to add a field that nobody
        knows. Values are what `json.dumps` takes.
        """
        names = self.fields.get(kind, {})
        if "number" not in names or (field and field not in names):
            what = field or "number"
            raise _not_staged(f"where {kind.__name__} rows have their {what}")
        path = names[field] if field else "somethingNobodyKnows"
        return mangled_json(response, names["number"], number, path, value)


def stages(bench: Bench, verb: str) -> bool:
    """Whether a bench overrides a verb."""
    return getattr(type(bench), verb) is not getattr(Bench, verb)


def _not_staged(what: str) -> NotStaged:
    return NotStaged(f"the bench does not stage {what}")


def mangled_json(
    response: Response, number_path: str, number: str, path: str, value: Any
) -> Response:
    """
    The answer with a value at the path of those JSON objects that have this number.

    Where nothing of the kind is in it, the answer is returned as it is.
    """
    try:
        body = read_json(response.body)
    except Fault:
        return response
    rows = [row for row in _objects(body) if _at(row, number_path) == number]
    for row in rows:
        _put(row, path, value)
    return evolve(response, body=write_json(body)) if rows else response


def _objects(value: Any) -> Iterable[dict[str, Any]]:
    """All JSON objects in a body, however deep."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield found
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found


def _at(row: Any, path: str) -> Any:
    for name in path.split("."):
        row = row.get(name) if isinstance(row, dict) else None
    return row


def _put(row: dict[str, Any], path: str, value: Any) -> None:
    *way, last = path.split(".")
    for name in way:
        inner = row.get(name)
        if not isinstance(inner, dict):
            return
        row = inner
    row[last] = value
