"""
Tryton 8.2 and 7.0 as a ledger, over its JSON-RPC interface; it reads and never writes.

What an invoice owes and when it was paid is worked out from its move lines. The fields
that Tryton computes do not tell: ``amount_to_pay`` is 0 for everything that is not
``posted`` and where a reconciliation was undone, ``reconciled`` is the due date where that
is later (8.2), ``state`` lags where a queue worker is configured, and an invoice's
``write_date`` stays when a payment is reversed. Observed in real replies of 8.2; that the
same calls bring the same of 7.0 was observed too. What was not is called unverified.
"""

from __future__ import annotations

import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlsplit

from attrs import evolve, field, frozen

from tieout.auth import Grant
from tieout.capabilities import (
    Capabilities,
    Changed,
    Dated,
    Everything,
    Feed,
    Kind,
    Open,
    Payments,
    Select,
)
from tieout.connector import (
    Books,
    Fields,
    Health,
    Page,
    Resource,
    RestConnector,
    Rule,
    enveloped,
    judge,
    sound_day,
)
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.models import (
    Basis,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Part,
    R,
    RecordType,
    Ref,
    Settlement,
    Status,
    settled_day,
)
from tieout.money import ZERO, parse_amount
from tieout.wire import Answer, Flow, Request, Response, Verdict, read_json, write_json

T = TypeVar("T")
Dialect = Literal["8.2", "7.0", ""]
PaidDate = Literal["applied", "last"]

INFLATED_MAX = 64 * 2**20
"""Bytes; a page of a thousand invoices has about 1.5 MB."""

ID_MAX = 2**31 - 1
"""Tryton's ids are 32-bit integers; a larger one is an error of its database."""

BODY_MAX = 2**20
"""Characters of ids or numbers in one call; Tryton takes bodies of 2 MiB."""

LOCK_SECONDS = 300.0
"""How long a login stays locked after five wrong passwords, as Tryton is delivered."""

STATES = {
    "draft": Status.DRAFT,
    "validated": Status.DRAFT,
    "posted": Status.OPEN,
    "paid": Status.SETTLED,
    "cancelled": Status.VOID,
}

JOURNALS: Mapping[str, Part] = {
    "cash": Part.CASH,
    "statement": Part.CASH,
    "revenue": Part.CREDIT,
    "write-off": Part.WRITE_OFF,
}
"""What a line settles by, after the type of its move's journal. (``statement`` is of the
module account_statement and was not observed.)"""

PAYING_MODELS = ("account.payment", "account.statement")
"""What the origin of a payment's move starts with besides the invoice itself (unverified)."""

_MODULE = "Tryton does not know what is named: activate the module account_invoice."
_DATABASE = "Check the name of the database, and dialect= (the server's version)."
_SLOW = "The request ran into Tryton's time limit: use a smaller page_size."
_GROUP = "Put the user into the group 'Accounting' (7.0: 'Account') and allow it the company."
_CONFIRM = "Tryton asks for a confirmation: do this step by hand and confirm it there."
_DENIED = "not allowed to (access|search|execute)"
_BUSY = "database is locked|could not serialize|deadlock"

# Messages are in the language of the context; only the types of errors are relied on,
# and English texts where they say more.
RULES = (
    Rule(Code.BAD_PAYLOAD, text=r"^HTTP 2\d\d$", answer=Answer.UNCLEAR),
    Rule(Code.PERMISSION_MISSING, 403, remedy=_MODULE),
    Rule(Code.NO_SUCH_RESOURCE, 404, remedy=_DATABASE),
    Rule(Code.NO_SUCH_RESOURCE, 405, remedy=_DATABASE),
    Rule(Code.SERVER_ERROR, 504, remedy=_SLOW, answer=Answer.UNCLEAR),
    Rule(Code.PERMISSION_MISSING, vendor_code="lookup", remedy=_MODULE),
    Rule(Code.SIGN_IN_REFUSED, vendor_code="LoginException"),
    Rule(Code.STALE_VERSION, vendor_code="ConcurrencyException"),
    Rule(Code.PERMISSION_MISSING, None, "UserError", _DENIED, _GROUP),
    Rule(Code.NO_SUCH_RESOURCE, vendor_code="UserError", text="that don't exist"),
    Rule(Code.REFUSED, vendor_code="UserError"),
    Rule(Code.REFUSED, vendor_code="UserWarning", remedy=_CONFIRM),
    Rule(Code.SERVER_ERROR, 200, text=_BUSY, answer=Answer.UNCLEAR),
    Rule(Code.UNKNOWN_ERROR, 200, text="."),
)

SIGN_IN_RULES = (Rule(Code.SIGN_IN_REFUSED, 401), Rule(Code.LOCKED_OUT, 429), *RULES)
"""While signing in, 401 is final: five wrong passwords lock the login."""


def _under(names: str, *paths: str) -> str:
    return " ".join(f"{path}.{name}" for path in paths for name in names.split())


# What is asked for, by Tryton's names; those with a point are read through a link. Only
# stored fields: 7.0 fails at a link that it computes.
OWN = ("move.lines", "additional_moves.lines")
_STAMPS = "write_date create_date _timestamp"
_DOCUMENT = (
    "state number reference invoice_date party total_amount currency.code"
    f" company.currency account {_STAMPS}"
)
_LINE = "date debit credit amount_second_currency second_currency reconciliation"
_PAYING = f"{_LINE} move.origin move.journal.type"
_OWED = (
    f"{_LINE} account reconciliation.delegate_to.reconciliation"
    f" {_under(_PAYING, 'reconciliation.lines')}"
)
_MONEY = (
    f"{_DOCUMENT} amount_to_pay"
    f" {_under(_PAYING, 'payment_lines')} {_under(_OWED, *OWN)}"
)
_BILLED = "type description quantity unit_price amount account.code product.code"
FIELDS: Mapping[RecordType, str] = {
    Settlement: _MONEY,
    CreditNote: f"{_MONEY} {_under('invoice_payments', *OWN)}",
    Invoice: (
        f"{_DOCUMENT} {_under('account maturity_date', 'move.lines')}"
        f" {_under(_BILLED, 'lines')}"
    ),
    Customer: f"name code active email rec_name {_STAMPS}",
}

_MOVED = _under("write_date", *OWN, "payment_lines")
CHANGES: Mapping[RecordType, str] = {
    Settlement: _MOVED,
    CreditNote: f"{_MOVED} move.lines.invoice_payments.write_date",
    Invoice: _MOVED,
    Customer: _under("write_date create_date", "addresses", "contact_mechanisms"),
}
"""The stamps of others that tell of a change. A payment's reversal and, with a worker, a
reconciliation move those of lines and not the invoice's; an e-mail not its party's."""


# The wire ---------------------------------------------------------------------------

_PARTS = ("year", "month", "day", "hour", "minute", "second", "microsecond")
_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([Ee][+-]?[0-9]{1,3})?", re.ASCII)
"""As Tryton writes one; Python's own would also take digits of other scripts and NaN."""


def _decimal(held: Mapping[str, Any]) -> Decimal:
    if not _DECIMAL.fullmatch(held["decimal"]):
        raise ValueError("no decimal of Tryton")
    return Decimal(held["decimal"])


def _numbers(held: Mapping[str, Any]) -> Mapping[str, int]:
    if any(type(each) is not int for each in held.values()):
        raise TypeError("a part of a date is a whole number")
    return held


_TYPES: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "Decimal": _decimal,
    "date": lambda held: date(**_numbers(held)),
    "datetime": lambda held: datetime(**_numbers(held), tzinfo=UTC),
    "timedelta": lambda held: timedelta(seconds=float(held["seconds"])),
    "bytes": lambda held: b64decode(held["base64"]),
}


def encode(value: Any) -> Any:
    """A value as Tryton's JSON has it: a date, an instant and a decimal are objects."""
    match value:
        case datetime():
            at = value.astimezone(UTC)
            return {"__class__": "datetime"} | {x: getattr(at, x) for x in _PARTS}
        case date():
            return {"__class__": "date"} | {x: getattr(value, x) for x in _PARTS[:3]}
        case Decimal():
            return {"__class__": "Decimal", "decimal": format(value, "f")}
        case Mapping():
            return {key: encode(item) for key, item in value.items()}
        case list() | tuple():
            return [encode(item) for item in value]
    return value


def decode(value: Any) -> Any:
    """A value out of Tryton's JSON; what cannot be read stays as it is."""
    match value:
        case {"__class__": str(name)} if name in _TYPES:
            try:
                held = {key: value[key] for key in value if key != "__class__"}
                return _TYPES[name](held)
            except (KeyError, TypeError, ValueError, ArithmeticError):
                return value
        case dict():
            return {key: decode(item) for key, item in value.items()}
        case list():
            return [decode(item) for item in value]
    return value


def body_of(response: Response) -> Mapping[str, Any]:
    """The JSON object in an answer, also where a gzip body was handed on as it came."""
    if response.body.startswith(b"\x1f\x8b"):
        unpack = zlib.decompressobj(wbits=31)
        with suppress(zlib.error):
            body = unpack.decompress(response.body, INFLATED_MAX)
            if unpack.unconsumed_tail:
                raise Fault(Code.TOO_LARGE, "an answer of more than 64 MiB unpacked")
            response = evolve(response, body=body)
    body = response.json()
    return body if isinstance(body, dict) else {}


def answered(response: Response, kind: type[T]) -> T:
    """The ``result`` in an answer; `Fault` BAD_PAYLOAD where there is none of that type."""
    try:
        result = decode(body_of(response).get("result"))
    except RecursionError:
        text = "the JSON-RPC result is nested too deeply"
        raise Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR) from None
    if not isinstance(result, kind):
        text = f"the JSON-RPC result is no {kind.__name__}"
        raise Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR)
    return result


def explain(response: Response) -> tuple[str, str]:
    """
    The type and the text of the error in an answer; empty where it is a good one.

    In an answer of status 200 the error is a list: a type and its words, or the words of
    an unforeseen exception and a trace. ``lookup`` is a model or field that is not there.
    """
    if response.status != HTTPStatus.OK:
        return "", f"HTTP {response.status}"
    try:
        error = body_of(response).get("error")
    except Fault:
        return "", ""  # what asked will find out
    match error:
        case None:
            return "", ""
        case [("UserError" | "UserWarning" | "LoginException") as kind, [*words]]:
            # A warning's first word is a key, a sign-in's is the name of a factor; what
            # follows a UserError's second is a domain.
            said = words[:2] if kind == "UserError" else words[1:3]
            return kind, " ".join(str(word) for word in said if word) or kind
        case [str(kind), str(words)] if kind.endswith("Exception"):
            return kind, words or kind
        case [str(words), *_] if words.startswith("'") and words.endswith("'"):
            return "lookup", words
        case [str(words), *_] | words:
            return "", str(words) or "an error without words"


def call(method: str, *params: Any) -> Request:
    """A call of a model's method; `TrytonSession.sign` adds what the envelope needs."""
    asked = {"method": f"model.{method}", "params": encode(params)}
    return Request("POST", "", json=asked)


def search_read(
    model: str, domain: Sequence[Any], fields: str, limit: int | None = None
) -> Request:
    """
    A call that searches and reads at once.

    Ordered by id, which never changes: whatever is written while the pages are read stays
    in its place, and rows that share one write_date cannot split.
    """
    asked = (domain, 0, limit, [["id", "ASC"]], fields.split())
    return call(f"{model}.search_read", *asked)


@frozen
class TrytonSession:
    """
    Signs in with a password and wraps each call for the session.

    A grant holds the user's id, the session's token and the context, which goes with
    every call. Its base URL is the whole address of the database, ``/<db>/rpc/`` or, up to
    7.0, ``/<db>/``: all calls go to exactly that address, their own URL is empty.
    """

    root: str
    database: str
    user: str
    password: str = field(repr=False)
    dialect: Dialect
    company: int | None
    language: str

    def first(self) -> Grant:
        """
        Not signed in; the values are there so that other arguments void what is stored.

        Its base URL is the root where the version has to be found out.
        """
        names = ("database", "user", "password", "company", "language")
        values = {name: str(getattr(self, name)) for name in names}
        base = self._base(self.dialect) if self.dialect else f"{self.root}/"
        return Grant(base, values, signed_in=False)

    def sign(self, request: Request, grant: Grant) -> Request:
        """The call in its envelope; one that has its envelope already stays as it is."""
        asked = request.json
        if "id" in asked:
            return request
        params = [*asked["params"], read_json(grant.values["context"].encode())]
        signed = _plea(request.url, asked["method"], params, grant.values)
        return evolve(request, json=signed.json, headers=signed.headers)

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        """Sign in anew; a refused password is never tried a second time."""
        base = grant.base_url
        if base == f"{self.root}/":
            base = yield from self._discover()
        login = [self.user, {"password": self.password}, self.language]
        session = yield from _asked(_plea(base, "common.db.login", login), list)
        given = Fields(dict(zip(("id", "token"), session, strict=False)))
        values = {"user": self.user, "id": given.id("id"), "token": given.id("token")}
        plea = _plea(base, "model.res.user.get_preferences", [True, {}], values)
        context = self._context((yield from _asked(plea, dict)))
        values["context"] = write_json(encode(context)).decode()
        # The password, and a session that has ended, are not kept.
        return evolve(grant.renewed(values, base_url=base), previous={})

    def _base(self, dialect: str) -> str:
        path = quote(self.database, safe="")
        return f"{self.root}/{path}/" + ("" if dialect == "7.0" else "rpc/")

    def _discover(self) -> Flow[str]:
        # Up to 7.0 the root's calls have no path of their own, and ``rpc`` would be the
        # name of a database: 401.
        for path, dialect in (("rpc/", "8.2"), ("", "7.0")):
            response = yield _plea(f"{self.root}/{path}", "common.server.version", [])
            good = response.status == HTTPStatus.OK
            if good and isinstance(answered(response, object), str):
                return self._base(dialect)
        text = f"no Tryton server answers there (HTTP {response.status})"
        remedy = "Check the url: the address of the server without the database."
        raise Fault(Code.NOT_REACHED, text, remedy=remedy)

    def _context(self, preferences: dict[str, Any]) -> dict[str, Any]:
        # Messages in a language of ours, so that their texts can say more; one company's
        # books; inactive parties too, which no domain with an OR in it finds otherwise.
        ours = {"company_filter": "one", "active_test": False}
        context = {**preferences, **ours, "language": self.language}
        if self.company is None:
            return context
        allowed = preferences.get("companies") or [preferences.get("company")]
        if self.company not in allowed:
            text = f"the user may not work for company {self.company}"
            remedy = "Add the company to the user's companies in Tryton."
            raise Fault(Code.PERMISSION_MISSING, text, remedy=remedy)
        return {**context, "company": self.company}


def _plea(
    url: str, method: str, params: list[Any], session: Mapping[str, str] | None = None
) -> Request:
    # Without Accept-Encoding, 8.2 calls long answers gzip and sends them plain.
    headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
    if session:
        token = ":".join(session[name] for name in ("user", "id", "token"))
        headers["Authorization"] = f"Session {b64encode(token.encode()).decode()}"
    asked = {"id": 1, "method": method, "params": params}
    return Request("POST", url, headers=headers, json=asked)


def _asked(plea: Request, kind: type[T]) -> Flow[T]:
    response = yield plea
    verdict = judge(response, SIGN_IN_RULES, *explain(response))
    if verdict.code is Code.LOCKED_OUT:
        verdict = evolve(verdict, wait=LOCK_SECONDS)
    if verdict.answer is not Answer.OK:
        raise verdict.fault()
    return answered(response, kind)


# Money ------------------------------------------------------------------------------


def day(value: Any) -> date:
    """A calendar day that a business can have meant."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise Fault(Code.BAD_DATE, "not a date")
    return sound_day(value)


def instant(value: Any) -> datetime:
    """An instant; Tryton's are UTC without saying so."""
    if not isinstance(value, datetime):
        raise Fault(Code.BAD_DATE, "not an instant")
    return value


def inside(raw: Fields, *links: str) -> Fields:
    """What stands behind these links, which Tryton names with a point; may be empty."""
    for link in links:
        raw = raw.child(f"{link}.") or Fields({}, raw.path(f"{link}."))
    return raw


def own_lines(document: Fields) -> list[Fields]:
    """The lines that say what the customer owes: of its moves, on its account."""
    moves = [inside(document, "move"), *document.children("additional_moves.")]
    lines = [line for move in moves for line in move.children("lines.")]
    account = document.id("account") if lines else ""
    return [line for line in lines if line.id("account") == account]


@frozen
class MoveLine:
    """
    One line of the books as a document sees it, in the document's currency.

    ``amount`` is what it adds to what is owed; None where it is in another currency.
    """

    on: date
    amount: Decimal | None
    part: Part | None
    open: bool

    @classmethod
    def read(cls, raw: Fields, document: Fields) -> MoveLine:
        currency, amount = inside(document, "currency"), None
        unit, code = currency.id("id"), currency.currency("code")
        if raw.has("second_currency") and raw.id("second_currency") == unit:
            amount = raw.amount("amount_second_currency", code)
        elif inside(document, "company").id("currency") == unit:
            debit = raw.maybe_amount("debit", code) or ZERO
            amount = debit - (raw.maybe_amount("credit", code) or ZERO)
        origin = inside(raw, "move").text("origin")
        ours = origin == f"account.invoice,{document.id('id')}"
        cash = Part.CASH if ours or origin.startswith(PAYING_MODELS) else None
        part = JOURNALS.get(inside(raw, "move", "journal").text("type"), cash)
        # A reconciliation may hand what is owed on to another line. A credit note's line
        # is spent where it is linked to an invoice, although it stays unreconciled.
        delegate = inside(raw, "reconciliation").child("delegate_to.")
        closed = (delegate or raw).has("reconciliation")
        is_open = not closed and not raw.raw.get("invoice_payments")
        return cls(raw.read("date", day), amount, part, is_open)


def total_of(lines: Iterable[MoveLine]) -> Decimal | None:
    """What lines add to what is owed; None where one is in another currency."""
    amounts = [line.amount for line in lines]
    known = [amount for amount in amounts if amount is not None]
    return sum(known, ZERO) if len(known) == len(amounts) else None


def split(settled: Decimal, lines: Sequence[MoveLine]) -> Mapping[Part, Decimal]:
    """
    By what an amount was settled; empty where the lines do not tell.

    Where other invoices were settled by the same lines, the lines tell only if all were
    of one kind.
    """
    parts = dict.fromkeys(JOURNALS.values(), ZERO)
    for line in lines:
        if line.part is None or line.amount is None:
            return {}
        parts[line.part] -= line.amount
    if min(parts.values()) >= 0 and sum(parts.values()) == settled:
        return parts
    paying = {line.part for line in lines if line.amount and line.amount < 0}
    if len(paying) != 1:
        return {}
    return {part: settled if part in paying else ZERO for part in parts}


@frozen
class Level:
    """What a document owes, and the lines that settled the rest; ``parts`` may be empty."""

    status: Status
    balance: Decimal
    settling: Sequence[MoveLine] = ()
    parts: Mapping[Part, Decimal] = field(factory=dict)

    @property
    def last_on(self) -> date | None:
        """The day of the last receipt; where the parts are not told, of the last line."""
        taken = [x for x in self.settling if x.amount is None or x.amount < 0]
        days = [x.on for x in taken if not self.parts or x.part is Part.CASH]
        return max(days, default=None)

    def paid_on(self, total: Decimal, on: date | None, rule: PaidDate) -> date | None:
        """The day from which nothing was owed; None while something is."""
        if self.status is not Status.SETTLED:
            return None
        known = [(x.on, -x.amount) for x in self.settling if x.amount is not None]
        found = None
        if rule == "applied" and len(known) == len(self.settling):
            found = settled_day(total, known, not_before=on)
        # Where a currency difference is among the lines, the last of them settled it.
        return found or max((x.on for x in self.settling), default=on)


def level_of(document: Fields, total: Decimal) -> Level:
    """
    What an invoice or, below zero, a credit note owes, and by what the rest was settled.

    It owes what is open of its own lines, less the payment lines that are linked to it
    and not reconciled: that is a part payment. A linked line that is reconciled counts
    only if it is so with a line of the invoice; otherwise it is a payment that was taken
    back. Linked lines that cover the whole although nothing was reconciled are what is
    left where a reconciliation was undone: they settle nothing.
    """
    status = document.choice("state", STATES)
    if status in (Status.DRAFT, Status.VOID):
        return Level(status, total if status is Status.DRAFT else ZERO)
    own: dict[str, MoveLine] = {}
    closing: dict[str, MoveLine] = {}
    for raw in own_lines(document):
        line = own[raw.id("id")] = MoveLine.read(raw, document)
        held = inside(raw, "reconciliation").children("lines.")
        if not line.open:
            closing |= {x.id("id"): MoveLine.read(x, document) for x in held}
    settling = [line for name, line in closing.items() if name not in own]
    if not own:
        return Level(Status.OPEN if total else Status.SETTLED, total)
    billed = total_of(own.values())
    if billed not in (None, total):
        text = f"the document is of {total}, its move lines are of {billed}"
        raise Fault(Code.TOTALS_DISAGREE, text, field="total_amount")
    linked = [MoveLine.read(x, document) for x in document.children("payment_lines.")]
    linked = [line for line in linked if line.open]
    owed, offer = total_of(x for x in own.values() if x.open), total_of(linked)
    if owed is None or offer is None:
        # A payment in the company's currency for an invoice in another one: Tryton's
        # own conversion is the only one there is.
        currency = inside(document, "currency").currency("code")
        balance = document.amount("amount_to_pay", currency)
    else:
        balance = owed + offer
    if owed and balance <= 0 < owed:
        balance, linked = owed, []
    settling += linked
    owes = balance < 0 if total < 0 else balance > 0
    status = Status.OPEN if owes else Status.SETTLED
    return Level(status, balance, settling, split(total - balance, settling))


# The connector ----------------------------------------------------------------------


class Tryton(RestConnector):
    """
    One company of one Tryton database.

    ``dialect`` is "8.2" or "7.0"; empty means to find out at each first sign-in which
    address answers. ``company`` is needed only where the user may work for several.
    ``page_size`` of 250 was the fastest of 20 to 1000 (measured). ``paid_date``:
    "applied" is the first day from which nothing was owed, "last" the day of the last
    line that settled. ``overlap``: a post stamps its start and commits later.
    ``page_link`` is the web client's address of a record (unverified).
    """

    rules = RULES
    ids = re.compile(r"[0-9]{1,10}", re.ASCII)
    cursors = ids
    literals_length_max = BODY_MAX

    def __init__(
        self,
        *,
        url: str,
        database: str,
        user: str,
        password: str,
        company: int | None = None,
        dialect: Dialect = "",
        language: str = "en",
        page_size: int = 250,
        fetch_size: int = 200,
        paid_date: PaidDate = "applied",
        overlap: timedelta = timedelta(minutes=10),
        page_link: str = "{url}/#{database}/model/{model}/{id}",
    ) -> None:
        host = urlsplit(url)
        if host.scheme not in ("http", "https") or not host.hostname or "@" in host[1]:
            raise ConfigError("url is http(s)://host[:port], without a user")
        self._root, self._database = url.rstrip("/"), database
        self._at = f"tryton:{database}@{host.netloc.lower()}"
        self.connection = self._at if company is None else f"{self._at}/{company}"
        self.auth = TrytonSession(
            self._root, database, user, password, dialect, company, language
        )
        self._company: int | None = company
        self._paid_date: PaidDate = paid_date
        one = [] if company is None else [["company", "=", company]]
        self._scope: list[Any] = [["type", "=", "out"], *one]
        self._page_size, self._page_link = page_size, page_link
        bills = "account.invoice"
        self.resources = {
            Settlement: Resource(Settlement, bills, self.load_settlement),
            Invoice: Resource(Invoice, bills, self.load_invoice),
            CreditNote: Resource(CreditNote, bills, self.load_credit_note),
            Customer: Resource(
                Customer, "party.party", self.load_customer, number_field="code"
            ),
        }
        customers = Kind(
            selects=frozenset({Changed, Everything}),
            page_size=page_size,
            fetch_size=fetch_size,
            stable_order=True,
        )
        documents = evolve(customers, selects=customers.selects | {Dated, Open})
        self.capabilities = Capabilities(
            system="Tryton",
            kinds={**dict.fromkeys(self.resources, documents), Customer: customers},
            payments=Payments(
                feeds=(Feed.STAMP, Feed.ENTRIES),
                parts=frozenset(JOURNALS.values()),
                paid_on=Basis.APPLICATIONS,
            ),
            overlap=overlap,
        )

    def is_id(self, text: str) -> bool:
        return super().is_id(text) and int(text) <= ID_MAX

    def deep_link(self, ref: Ref) -> str:
        return self._page_link.format(
            url=self._root,
            database=quote(self._database, safe=""),
            model="party.party" if ref.kind == "Customer" else "account.invoice",
            id=quote(ref.id, safe=""),
        )

    def check(self) -> Flow[Health]:
        """The session, the module, what may be read, and the company's books."""
        try:
            response = yield from self.ask(call("res.user.get_preferences", True))
        except Fault as fault:
            if fault.code in (Code.SIGN_IN_REFUSED, Code.LOCKED_OUT):
                return Health(reachable=True, signed_in=False, notes=(fault.text,))
            raise
        company = self._company or answered(response, dict).get("company")
        lacks, books = [], None
        for model in ("account.invoice", "account.move.line", "party.party"):
            try:
                yield from self.ask(call(f"{model}.search", [], 0, 1, None))
            except Fault as fault:
                if fault.code is not Code.PERMISSION_MISSING:
                    raise
                lacks.append(f"{model}: {fault.text}")
        if isinstance(company, int):
            books = yield from self._books(company)
        else:
            lacks.append("a company for the user")
        return Health(reachable=True, signed_in=True, missing=tuple(lacks), books=books)

    def _books(self, company: int) -> Flow[Books]:
        names = "party.name currency.code timezone"
        asked = search_read("company.company", [["id", "=", company]], names)
        rows = answered((yield from self.ask(asked)), list)
        if not rows:
            raise Fault(Code.WRONG_COMPANY, f"there is no company {company}")
        told = enveloped(lambda: self._told(rows[0]))
        # Nothing can be dated before the first open period.
        where = {"company": company, "type": "standard", "state": "open"}
        domain = [[name, "=", value] for name, value in where.items()]
        asked = search_read("account.period", domain, "start_date")
        rows = answered((yield from self.ask(asked)), list)
        starts = enveloped(lambda: [Fields(x).read("start_date", day) for x in rows])
        return Books(
            identity=f"{self._at}/{company}",
            locked_through=min(starts) - timedelta(days=1) if starts else None,
            **told,
        )

    def _told(self, row: Any) -> dict[str, Any]:
        """What the company's own record says of its books."""
        raw = Fields(row)
        return {
            "name": inside(raw, "party").text("name"),
            "currency": inside(raw, "currency").currency("code"),
            "zone": raw.text("timezone") or None,
        }

    # Asking

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        page = yield from super().page(kind, select, cursor)
        if not isinstance(select, Open):
            return page
        # A posted invoice may be paid: the state waits for a worker.
        owing = [r for r in page.records if getattr(r, "status", None) is Status.OPEN]
        return evolve(page, records=tuple(owing))

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        behind = ["id", ">", int(cursor) if cursor else 0]
        conditions = [behind, *selected(resource.kind, select)]
        return self._search(resource, conditions, self._page_size)

    def fetch_request(
        self, resource: Resource[Any], by: str, literals: Sequence[str]
    ) -> Request:
        if by == "id":
            return self._search(resource, [["id", "in", [int(x) for x in literals]]])
        return self._search(resource, [[resource.number_field, "in", [*literals]]])

    def _search(
        self, resource: Resource[Any], conditions: list[Any], limit: int | None = None
    ) -> Request:
        domain = [*([] if resource.kind is Customer else self._scope), *conditions]
        return search_read(resource.path, domain, FIELDS[resource.kind], limit)

    # Answers

    def judge(self, response: Response) -> Verdict:
        return judge(response, self.rules, *explain(response))

    def rows(self, resource: Resource[Any], response: Response) -> list[Any]:
        return answered(response, list)

    def next_cursor(
        self,
        resource: Resource[Any],
        asked: Request,
        response: Response,
        rows: Sequence[Any],
    ) -> str | None:
        if len(rows) < self._page_size:
            return None
        held = [row.get("id") for row in rows if isinstance(row, Mapping)]
        ids = [each for each in held if isinstance(each, int)]
        if not ids:
            raise Fault(Code.BAD_PAYLOAD, "no record has an id", fate=Fate.UNCLEAR)
        return str(max(ids))

    # Records

    def load_settlement(self, raw: Fields) -> Settlement | None:
        head = self._head(raw, "Invoice")
        if head is None:
            return None
        on, level = raw.maybe("invoice_date", day), level_of(raw, head["total"])
        paid_on = level.paid_on(head["total"], on, self._paid_date)
        return Settlement(
            **head,
            balance=level.balance,
            status=level.status,
            on=on,
            settled_by=level.parts,
            paid_on=paid_on,
            last_on=level.last_on,
            basis=Basis.APPLICATIONS if paid_on else None,
        )

    def load_credit_note(self, raw: Fields) -> CreditNote | None:
        head = self._head(raw, "CreditNote")
        if head is None:
            return None
        level = level_of(raw, -head["total"])
        on, left = _dated(raw, level.status), max(-level.balance, ZERO)
        return CreditNote(**head, on=on, status=level.status, remaining=left)

    def load_invoice(self, raw: Fields) -> Invoice | None:
        head = self._head(raw, "Invoice")
        if head is None:
            return None
        status = raw.choice("state", STATES)
        dues = [line.maybe("maturity_date", day) for line in own_lines(raw)]
        lines = [x for x in raw.children("lines.") if x.text("type", "line") == "line"]
        return Invoice(
            **head,
            on=_dated(raw, status),
            status=status,
            due=max(filter(None, dues), default=None),
            lines=tuple(_line(line, head["currency"]) for line in lines),
        )

    def load_customer(self, raw: Fields) -> Customer:
        return Customer(
            ref=Ref(self.connection, "Customer", self.own_id(raw)),
            name=raw.text("name") or raw.text("rec_name"),
            number=raw.number("code"),
            email=raw.text("email"),
            # SQLite has no booleans: 0 and 1.
            active=raw.maybe("active", bool) is not False,
            **_stamps(raw),
        )

    def _head(self, raw: Fields, kind: str) -> dict[str, Any] | None:
        """What documents have in common, by our names; None where it is of another kind."""
        currency = inside(raw, "currency").currency("code")
        total = raw.amount("total_amount", currency)
        if (total < 0) is not (kind == "CreditNote"):
            return None
        party = raw.id("party") if raw.has("party") else None
        return {
            "ref": Ref(self.connection, kind, self.own_id(raw)),
            "number": raw.number("number"),
            "reference": raw.text("reference"),
            "customer": party and Ref(self.connection, "Customer", party),
            "currency": currency,
            "total": abs(total),
            **_stamps(raw),
        }


def _stamps(raw: Fields) -> dict[str, Any]:
    # write_date is empty until the first change.
    changed = raw.maybe("write_date", instant) or raw.maybe("create_date", instant)
    return {"changed_at": changed, "version": raw.text("_timestamp")}


def _dated(raw: Fields, status: Status) -> date:
    # A draft gets its date when it is posted.
    if status is Status.DRAFT and not raw.has("invoice_date"):
        return raw.read("create_date", instant).date()
    return raw.read("invoice_date", day)


def _line(raw: Fields, currency: str) -> Line:
    return Line(
        description=raw.text("description"),
        amount=raw.maybe_amount("amount", currency) or ZERO,
        quantity=raw.maybe("quantity", parse_amount),
        unit_price=raw.maybe("unit_price", parse_amount),
        account=inside(raw, "account").text("code"),
        item=inside(raw, "product").text("code"),
    )


def selected(kind: RecordType, select: Select) -> list[Any]:
    """The conditions that a selection is for a kind."""
    match select:
        case Everything():
            return []
        case Changed(since=since):
            own = ["write_date", ">=", since]
            new = [["write_date", "=", None], ["create_date", ">=", since]]
            others = [[name, ">=", since] for name in CHANGES[kind].split()]
            return [["OR", own, new, *others]]
        case Dated(first, last) if kind is not Customer:
            return [["invoice_date", ">=", first], ["invoice_date", "<=", last]]
        case Open(through) if kind is not Customer:
            until = [["invoice_date", "<=", through]] if through else []
            return [["state", "=", "posted"], *until]
    text = f"Tryton has no {kind.__name__} records by {type(select).__name__}"
    raise Fault(Code.NOT_ALLOWED, text)
