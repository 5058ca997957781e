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

import base64
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from attrs import evolve, frozen

from tieout import capabilities as caps
from tieout.auth import Grant
from tieout.capabilities import Capabilities, Changed, Dated, Feed, Kind, Open, Select
from tieout.connector import (
    Books,
    Fields,
    Health,
    Page,
    Resource,
    RestConnector,
    Rule,
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
    clean_number,
    settled_day,
)
from tieout.money import ZERO, parse_amount
from tieout.wire import (
    NUMBER_LENGTH_MAX,
    Answer,
    Flow,
    Request,
    Response,
    Verdict,
    read_json,
    write_json,
)

PaidDate = Literal["applied", "last"]

INFLATED_MAX = 64 * 2**20
"""Bytes; a page of a thousand invoices has about 1.5 MB."""

ID_MAX = 2**31 - 1
"""Tryton's ids are 32-bit integers; a larger one is an error of its database."""

LOCK_SECONDS = 300.0
"""How long a login stays locked after five wrong passwords, as Tryton is delivered."""

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

# Messages are in the language of the context; only the types of errors are relied on,
# and English texts where they say more.
RULES = (
    Rule(
        Code.PERMISSION_MISSING,
        status=403,
        remedy="Tryton does not know the method: activate the module account_invoice.",
    ),
    *(
        Rule(
            Code.NO_SUCH_RESOURCE,
            status=status,
            remedy="Check the name of the database, and dialect= (the server's version).",
        )
        for status in (404, 405)
    ),
    Rule(
        Code.SERVER_ERROR,
        status=504,
        remedy="The request ran into Tryton's time limit: use a smaller page_size.",
        answer=Answer.UNCLEAR,
    ),
    Rule(
        Code.PERMISSION_MISSING,
        vendor_code="lookup",
        remedy="Tryton does not know the model or field that is named: activate the module account_invoice.",
    ),
    Rule(Code.SIGN_IN_REFUSED, vendor_code="LoginException"),
    Rule(Code.STALE_VERSION, vendor_code="ConcurrencyException"),
    Rule(
        Code.PERMISSION_MISSING,
        vendor_code="UserError",
        text=r"not allowed to (access|search|execute)",
        remedy="Put the user into the group 'Accounting' (7.0: 'Account') and allow it the company.",
    ),
    Rule(Code.NO_SUCH_RESOURCE, vendor_code="UserError", text="that don't exist"),
    Rule(Code.REFUSED, vendor_code="UserError"),
    Rule(
        Code.REFUSED,
        vendor_code="UserWarning",
        remedy="Tryton asks for a confirmation: do this step by hand and accept its warning.",
    ),
    Rule(
        Code.SERVER_ERROR,
        status=200,
        text="database is locked|could not serialize|deadlock",
        answer=Answer.UNCLEAR,
    ),
    Rule(Code.UNKNOWN_ERROR, status=200, text="."),
)

SIGN_IN_RULES = (
    Rule(Code.SIGN_IN_REFUSED, status=401),
    Rule(Code.LOCKED_OUT, status=429),
    *RULES,
)
"""While signing in, 401 is final: five wrong passwords lock the login."""

AMOUNT_FIELDS = ("date", "debit", "credit", "amount_second_currency", "second_currency")
LINE_FIELDS = (*AMOUNT_FIELDS, "move.origin", "move.journal.type")
OPEN_FIELDS = ("reconciliation", "reconciliation.delegate_to.reconciliation")
DOCUMENT_FIELDS = (
    *("state", "number", "reference", "invoice_date", "party", "total_amount"),
    *("currency.code", "company.currency", "account"),
    *("write_date", "create_date", "_timestamp"),
)


def _under(path: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{path}.{name}" for name in names)


# Only stored fields: 7.0 fails at a dotted path through one that it computes.
OWN_LINES = ("move.lines", "additional_moves.lines")
OWN_FIELDS = ("account", *AMOUNT_FIELDS, *OPEN_FIELDS)
LINKED_FIELDS = _under("payment_lines", (*LINE_FIELDS, "reconciliation"))
SETTLING_FIELDS = (*OWN_FIELDS, *_under("reconciliation.lines", LINE_FIELDS))
CREDITING_FIELDS = (*OWN_FIELDS, "invoice_payments")
SETTLEMENT_FIELDS = (
    *DOCUMENT_FIELDS,
    "amount_to_pay",
    *LINKED_FIELDS,
    *(name for path in OWN_LINES for name in _under(path, SETTLING_FIELDS)),
)
CREDIT_FIELDS = (
    *DOCUMENT_FIELDS,
    *LINKED_FIELDS,
    *(name for path in OWN_LINES for name in _under(path, CREDITING_FIELDS)),
)
INVOICE_FIELDS = (
    *DOCUMENT_FIELDS,
    *_under("move.lines", ("account", "maturity_date")),
    *_under("lines", ("type", "description", "quantity", "unit_price", "amount")),
    *("lines.account.code", "lines.product.code"),
)
CUSTOMER_FIELDS = (
    *("name", "code", "active", "email", "rec_name"),
    *("write_date", "create_date", "_timestamp"),
)

FIELDS: Mapping[RecordType, Sequence[str]] = {
    Settlement: SETTLEMENT_FIELDS,
    Invoice: INVOICE_FIELDS,
    CreditNote: CREDIT_FIELDS,
    Customer: CUSTOMER_FIELDS,
}

STATES = {
    "draft": Status.DRAFT,
    "validated": Status.DRAFT,
    "posted": Status.OPEN,
    "paid": Status.SETTLED,
    "cancelled": Status.VOID,
}


def encode(value: Any) -> Any:
    """A value as Tryton's JSON has it: a date, an instant and a decimal are objects."""
    match value:
        case datetime():
            at = value.astimezone(UTC)
            names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
            return {"__class__": "datetime"} | {
                name: getattr(at, name) for name in names
            }
        case date():
            day = {"year": value.year, "month": value.month, "day": value.day}
            return {"__class__": "date"} | day
        case Decimal():
            return {"__class__": "Decimal", "decimal": format(value, "f")}
        case Mapping():
            return {key: encode(item) for key, item in value.items()}
        case list() | tuple():
            return [encode(item) for item in value]
        case _:
            return value


def decode(value: Any) -> Any:
    """A value out of Tryton's JSON; what cannot be read stays as it is."""
    match value:
        case {"__class__": str()}:
            try:
                return _decoded(value)
            except (KeyError, TypeError, ValueError, ArithmeticError):
                return value
        case dict():
            return {key: decode(item) for key, item in value.items()}
        case list():
            return [decode(item) for item in value]
        case _:
            return value


def _decoded(value: Mapping[str, Any]) -> Any:
    held = {key: item for key, item in value.items() if key != "__class__"}
    match value["__class__"]:
        case "Decimal":
            digits = str(held["decimal"])
            return Decimal(digits) if len(digits) < NUMBER_LENGTH_MAX else value
        case "date":
            return date(**held)
        case "datetime":
            return datetime(**held, tzinfo=UTC)
        case "timedelta":
            return timedelta(seconds=float(held["seconds"]))
        case "bytes":
            return base64.b64decode(held["base64"])
        case _:
            return value


def plain(response: Response) -> Response:
    """The answer with its body unpacked, where a gzip body was handed on as it came."""
    if not response.body.startswith(b"\x1f\x8b"):
        return response
    unpack = zlib.decompressobj(wbits=31)
    try:
        body = unpack.decompress(response.body, INFLATED_MAX)
    except zlib.error:
        return response
    if unpack.unconsumed_tail:
        raise Fault(Code.TOO_LARGE, "the unpacked answer is larger than 64 MiB")
    return evolve(response, body=body)


def answered(response: Response) -> Any:
    """The ``result`` in an answer; `Fault` BAD_PAYLOAD where it is no JSON-RPC answer."""
    body = read_json(plain(response).body)
    if not isinstance(body, dict) or "result" not in body:
        raise Fault(Code.BAD_PAYLOAD, "no JSON-RPC result", fate=Fate.UNCLEAR)
    return decode(body["result"])


def explain(response: Response) -> tuple[str, str]:
    """
    The type and the text of the error in an answer; empty where it is a good one.

    In an answer of status 200 the error is a list: a type and its words, or the words of
    an unforeseen exception and a trace. ``lookup`` is a model or field that is not there.
    """
    if response.status != 200:  # noqa: PLR2004 - HTTP's own number
        return "", f"HTTP {response.status}"
    try:
        held = plain(response).body
        # Most answers are spared being read twice.
        body = read_json(held) if b'"error"' in held else None
    except Fault:
        return "", ""  # what asked will find out
    match body.get("error") if isinstance(body, dict) else None:
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
        case [str(words), *_]:
            return "", words or "an error without words"
        case other:
            return "", str(other) or "an error without words"


def call(method: str, *params: Any) -> Request:
    """A call of a model's method; `TrytonSession.sign` adds what the envelope needs."""
    asked = {"method": f"model.{method}", "params": encode(params)}
    return Request("POST", "", json=asked)


def search_read(
    model: str,
    domain: Sequence[Any],
    fields: Iterable[str],
    *,
    limit: int | None = None,
    order: str = "id",
) -> Request:
    """A call that searches and reads at once."""
    ordered = [[order, "ASC"]]
    return call(f"{model}.search_read", domain, 0, limit, ordered, list(fields))


class TrytonSession:
    """
    Signs in with a password and wraps each call for the session.

    A grant holds the user's id, the session's token and the context, which goes with
    every call. Its base URL is the whole address of the database, ``/<db>/rpc/`` or, up to
    7.0, ``/<db>/``: all calls go to exactly that address, their own URL is empty.
    """

    def __init__(
        self,
        *,
        url: str,
        database: str,
        user: str,
        password: str,
        dialect: Literal["8.2", "7.0", ""] = "",
        company: int | None = None,
        language: str = "en",
    ) -> None:
        self._root = url.rstrip("/")
        self._database = database
        self._user = user
        self._password = password
        self._dialect = dialect
        self._company = company
        self._language = language

    def __repr__(self) -> str:
        return f"TrytonSession({self._root!r}, {self._database!r}, {self._user!r})"

    def first(self) -> Grant:
        """
        Not signed in; the values are there so that other arguments void what is stored.

        Its base URL is the root where the version has to be found out.
        """
        values = {
            "database": self._database,
            "user": self._user,
            "password": self._password,
            "company": str(self._company),
            "language": self._language,
        }
        base = self._base(self._dialect) if self._dialect else f"{self._root}/"
        return Grant(base, values, signed_in=False)

    def sign(self, request: Request, grant: Grant) -> Request:
        """The call in its envelope; one that has its envelope already stays as it is."""
        asked = request.json
        if isinstance(asked, Mapping) and "id" not in asked:
            context = read_json(grant.values.get("context", "{}").encode())
            asked = {**asked, "id": 1, "params": [*asked["params"], context]}
        return _enveloped(evolve(request, json=asked), grant.values)

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        """Sign in anew; a refused password is never tried a second time."""
        base = grant.base_url
        if not self._dialect and grant.base_url == f"{self._root}/":
            base = yield from self._discover()
        secret = {"password": self._password}
        login = [self._user, secret, self._language]
        result = yield from _asked(base, "common.db.login", login, {})
        if not isinstance(result, list) or len(result) < 2:  # noqa: PLR2004 - id, token
            raise Fault(Code.BAD_PAYLOAD, "the sign-in brought no session")
        values = {"user": self._user, "id": str(result[0]), "token": str(result[1])}
        preferences = yield from _asked(
            base, "model.res.user.get_preferences", [True, {}], values
        )
        context = self._context(preferences)
        values["context"] = write_json(encode(context)).decode()
        # The password, and a session that has ended, are not kept.
        return evolve(grant.renewed(values, base_url=base), previous={})

    def _base(self, dialect: str) -> str:
        path = quote(self._database, safe="")
        return f"{self._root}/{path}/" + ("" if dialect == "7.0" else "rpc/")

    def _discover(self) -> Flow[str]:
        # Up to 7.0 the root's calls have no path of their own, and ``rpc`` would be the
        # name of a database: 401.
        for path, dialect in (("rpc/", "8.2"), ("", "7.0")):
            url = f"{self._root}/{path}"
            response = yield _plea(url, "common.server.version", [], {})
            if response.status == 200 and isinstance(answered(response), str):  # noqa: PLR2004
                return self._base(dialect)
        raise Fault(
            Code.NOT_REACHED,
            f"no Tryton server answers there (HTTP {response.status})",
            remedy="Check the url: the address of the server without the database.",
            fate=Fate.REFUSED,
        )

    def _context(self, preferences: Any) -> dict[str, Any]:
        if not isinstance(preferences, dict):
            raise Fault(Code.BAD_PAYLOAD, "the user has no preferences")
        # Messages in a language of ours, so that their texts can say more; one company's
        # books; inactive parties too, which no domain with an OR in it finds otherwise.
        ours = {"company_filter": "one", "active_test": False}
        ours["language"] = self._language
        context = {**preferences, **ours}
        if self._company is None:
            return context
        allowed = preferences.get("companies") or [preferences.get("company")]
        if self._company not in allowed:
            raise Fault(
                Code.PERMISSION_MISSING,
                f"the user may not work for company {self._company}",
                remedy="Add the company to the user's companies in Tryton.",
            )
        return {**context, "company": self._company}


def _enveloped(request: Request, values: Mapping[str, str]) -> Request:
    # Without Accept-Encoding, 8.2 calls long answers gzip and sends them plain.
    headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
    if "token" in values:
        session = ":".join(values[name] for name in ("user", "id", "token"))
        headers["Authorization"] = (
            f"Session {base64.b64encode(session.encode()).decode()}"
        )
    missing = [(n, v) for n, v in headers.items() if request.header(n) is None]
    return evolve(request, headers=(*request.headers, *missing))


def _plea(
    url: str, method: str, params: Sequence[Any], values: Mapping[str, str]
) -> Request:
    asked = {"id": 1, "method": method, "params": params}
    return _enveloped(Request("POST", url, json=asked), values)


def _asked(
    url: str, method: str, params: Sequence[Any], values: Mapping[str, str]
) -> Flow[Any]:
    response = yield _plea(url, method, params, values)
    verdict = judge(response, SIGN_IN_RULES, *explain(response))
    if verdict.code is Code.LOCKED_OUT:
        verdict = evolve(verdict, wait=LOCK_SECONDS)
    if verdict.answer is not Answer.OK:
        raise verdict.fault()
    return answered(response)


# Money ------------------------------------------------------------------------------


@frozen
class MoveLine:
    """One line of the books; ``amount`` is what it adds to what is owed, if that is known."""

    id: str
    on: date
    amount: Decimal | None
    open: bool
    part: Part | None


@frozen
class Level:
    """What the lines of an invoice say of its money; ``parts`` None where they do not tell."""

    balance: Decimal
    settling: tuple[MoveLine, ...] = ()
    parts: Mapping[Part, Decimal] | None = None
    own: Decimal | None = None

    @property
    def last_on(self) -> date | None:
        """The day of the last receipt; where the lines do not tell, of the last line."""
        taken = [x for x in self.settling if x.amount is None or x.amount < 0]
        known = self.parts is not None
        days = [line.on for line in taken if not known or line.part is Part.CASH]
        return max(days, default=None)


def move_line(raw: Fields, document: Fields) -> MoveLine:
    """A move line as a document sees it: in the document's currency."""
    move = raw.child("move.") or Fields({})
    journal = move.child("journal.") or Fields({})
    origin = move.text("origin")
    part = JOURNALS.get(journal.text("type"))
    if part is None and (
        origin == f"account.invoice,{document.id('id')}"
        or origin.startswith(PAYING_MODELS)
    ):
        part = Part.CASH
    return MoveLine(
        raw.id("id"), raw.read("date", day), _effect(raw, document), _is_open(raw), part
    )


def _effect(raw: Fields, document: Fields) -> Decimal | None:
    currency = document.child("currency.") or Fields({})
    company = document.child("company.") or Fields({})
    code = currency.currency("code")
    if raw.has("second_currency") and raw.id("second_currency") == currency.id("id"):
        return raw.amount("amount_second_currency", code)
    if company.id("currency") != currency.id("id"):
        return None
    debit = raw.maybe_amount("debit", code) or ZERO
    return debit - (raw.maybe_amount("credit", code) or ZERO)


def _is_open(raw: Fields) -> bool:
    # A reconciliation may hand what is owed on to another line.
    held = raw.child("reconciliation.")
    delegate = held.child("delegate_to.") if held else None
    if delegate is not None:
        return not delegate.has("reconciliation")
    return not raw.has("reconciliation")


def total_of(lines: Iterable[MoveLine]) -> Decimal | None:
    """What lines add to what is owed; None where one is in another currency."""
    amounts = [line.amount for line in lines]
    known = [amount for amount in amounts if amount is not None]
    return sum(known, ZERO) if len(known) == len(amounts) else None


def split(settled: Decimal, lines: Sequence[MoveLine]) -> Mapping[Part, Decimal] | None:
    """
    By what an amount was settled, or None where the lines do not tell.

    Where other invoices were settled by the same lines, the lines tell only if all were
    of one kind.
    """
    parts = dict.fromkeys(JOURNALS.values(), ZERO)
    for line in lines:
        if line.part is None or line.amount is None:
            return None
        parts[line.part] -= line.amount
    if min(parts.values()) >= 0 and sum(parts.values()) == settled:
        return parts
    paying = {line.part for line in lines if line.amount and line.amount < 0}
    if len(paying) != 1:
        return None
    return {part: settled if part in paying else ZERO for part in parts}


def own_lines(document: Fields) -> list[Fields]:
    """The lines that say what the customer owes: of its moves, on its account."""
    moves = [document.child("move."), *document.children("additional_moves.")]
    account = document.id("account")
    return [
        line
        for move in moves
        for line in (move.children("lines.") if move else ())
        if line.id("account") == account
    ]


def linked_lines(document: Fields) -> list[MoveLine]:
    """Its payment lines that are not reconciled with anything."""
    lines = document.children("payment_lines.")
    return [move_line(x, document) for x in lines if not x.has("reconciliation")]


def _reconciled_with(own: Iterable[Fields], document: Fields) -> list[MoveLine]:
    found: dict[str, MoveLine] = {}
    for line in own:
        held = line.child("reconciliation.")
        if held is not None and not _is_open(line):
            others = [move_line(each, document) for each in held.children("lines.")]
            found.update({other.id: other for other in others})
    for line in own:
        found.pop(line.id("id"), None)
    return list(found.values())


def level_of(document: Fields, total: Decimal, *, linked_settles: bool) -> Level:
    """
    What an invoice owes, and the lines that settled the rest.

    It owes what is open of its own lines, less the payment lines that are linked to it
    and not reconciled: that is a part payment. A linked line that is reconciled counts
    only if it is so with a line of the invoice; otherwise it is a payment that was taken
    back. Linked lines that cover the whole although nothing was reconciled are what is
    left where a reconciliation was undone: they settle nothing, unless
    ``linked_settles``.
    """
    raws = own_lines(document)
    own = [move_line(raw, document) for raw in raws]
    if not own:
        return Level(total)
    owing = [line for line in own if line.open]
    offered = linked_lines(document)
    settling = _reconciled_with(raws, document)
    owed, offer = total_of(owing), total_of(offered)
    if owed is None or offer is None:
        # A payment in the company's currency for an invoice in another one: Tryton's
        # own conversion is the only one there is.
        balance = document.amount("amount_to_pay", _currency(document))
    else:
        balance = owed + offer
    taken_back = owed is not None and balance <= 0 < owed and not linked_settles
    if owed is not None and taken_back:
        balance, offered = owed, []
    settling += offered
    return Level(
        balance,
        tuple(settling),
        split(total - balance, settling),
        total_of(own),
    )


def settled_on(
    level: Level, total: Decimal, on: date | None, rule: PaidDate
) -> date | None:
    """The day from which nothing was owed."""
    known = [(x.on, -x.amount) for x in level.settling if x.amount is not None]
    found = None
    if rule == "applied" and len(known) == len(level.settling):
        found = settled_day(total, known, not_before=on)
    # Where a currency difference is among the lines, the last of them settled it.
    return found or max((line.on for line in level.settling), default=on)


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


def _currency(document: Fields) -> str:
    return (document.child("currency.") or Fields({})).currency("code")


def _changed_at(raw: Fields) -> datetime | None:
    # write_date is empty until the first change.
    return raw.maybe("write_date", instant) or raw.maybe("create_date", instant)


# The connector ----------------------------------------------------------------------


class Tryton(RestConnector):
    """
    One company of one Tryton database.

    ``dialect`` is "8.2" or "7.0"; empty means to find out at each first sign-in which
    address answers. ``company`` is needed only where the user may work for several.
    ``page_size`` of 250 was the fastest of 20 to 1000 (measured). ``paid_date``:
    "applied" is the first day from which nothing was owed, "last" the day of the last
    line that settled. ``linked_settles`` makes payments that cover an invoice settle it
    although Tryton has not reconciled them (its ``amount_to_pay`` says so, its ``state``
    does not). ``overlap``: a post stamps its start and commits later. ``page_link`` is the
    web client's address of a record (unverified).
    """

    rules = RULES

    def __init__(
        self,
        *,
        url: str,
        database: str,
        user: str,
        password: str,
        company: int | None = None,
        dialect: Literal["8.2", "7.0", ""] = "",
        language: str = "en",
        page_size: int = 250,
        fetch_size: int = 200,
        paid_date: PaidDate = "applied",
        linked_settles: bool = False,
        overlap: timedelta = timedelta(minutes=10),
        page_link: str = "{url}/#{database}/model/{model}/{id}",
    ) -> None:
        host = urlsplit(url)
        if host.scheme not in ("http", "https") or not host.hostname or host.username:
            raise ConfigError("url is http(s)://host[:port], without a user")
        port = "" if host.port is None else f":{host.port}"
        at = f"tryton:{database}@{host.hostname}{port}"
        self.connection = at if company is None else f"{at}/{company}"
        self.auth = TrytonSession(
            url=url,
            database=database,
            user=user,
            password=password,
            dialect=dialect,
            company=company,
            language=language,
        )
        self.capabilities = _capabilities(page_size, fetch_size, overlap)
        self.resources = {
            Settlement: Resource(Settlement, "account.invoice", self.load_settlement),
            Invoice: Resource(Invoice, "account.invoice", self.load_invoice),
            CreditNote: Resource(CreditNote, "account.invoice", self.load_credit_note),
            Customer: Resource(
                Customer, "party.party", self.load_customer, number_field="code"
            ),
        }
        self._company = company
        self._paid_date: PaidDate = paid_date
        self._linked_settles = linked_settles
        self._page_link = page_link.replace("{url}", url.rstrip("/")).replace(
            "{database}", quote(database, safe="")
        )

    # The verbs

    def check(self) -> Flow[Health]:
        """The session, the module, what may be read, and the company's books."""
        try:
            preferences = yield from self._result(
                call("res.user.get_preferences", True)
            )
        except Fault as fault:
            if fault.code in (Code.SIGN_IN_REFUSED, Code.LOCKED_OUT):
                return Health(reachable=True, signed_in=False, notes=(fault.text,))
            raise
        missing = []
        for model in ("account.invoice", "account.move.line", "party.party"):
            lacks = yield from self._lacks(model)
            missing += lacks
        company = self._company or preferences.get("company")
        if not isinstance(company, int):
            missing.append("a company for the user")
            return Health(reachable=True, signed_in=True, missing=tuple(missing))
        books = yield from self._books(company)
        return Health(
            reachable=True, signed_in=True, missing=tuple(missing), books=books
        )

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        page = yield from super().page(kind, select, cursor)
        if not isinstance(select, Open):
            return page
        # A posted invoice may be paid: the state waits for a worker.
        owing = [r for r in page.records if getattr(r, "status", None) is Status.OPEN]
        return evolve(page, records=tuple(owing))

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        page = yield from super().fetch(kind, ids=ids, numbers=numbers)
        asked_ids, asked = set(ids), {clean_number(number) for number in numbers}
        records = [
            record
            for record in page.records
            if record.ref.id in asked_ids or getattr(record, "number", "") in asked
        ]
        return evolve(page, records=tuple(records))

    def deep_link(self, ref: Ref) -> str:
        model = "party.party" if ref.kind == "Customer" else "account.invoice"
        link = self._page_link.replace("{model}", model)
        return link.replace("{id}", quote(ref.id, safe=""))

    # What differs from REST

    def judge(self, response: Response) -> Verdict:
        verdict = super().judge(response)
        if verdict.answer is Answer.OK and response.status != 200:  # noqa: PLR2004
            return Verdict(Answer.UNCLEAR, Code.BAD_PAYLOAD, f"HTTP {response.status}")
        return verdict

    def suspicious(self, response: Response) -> bool:
        return True

    def explain(self, response: Response) -> tuple[str, str]:
        return explain(response)

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        # Ordered by id, which never changes: whatever is written while the pages are
        # read stays in its place, and rows that share one write_date cannot split.
        after = int(cursor) if cursor else 0
        domain = [*self._scope(resource), ["id", ">", after]]
        domain += _selected(resource.kind, select)
        size = self.capabilities.kind(resource.kind).page_size
        fields = FIELDS[resource.kind]
        return search_read(resource.path, domain, fields, limit=size)

    def fetch_requests(
        self, resource: Resource[Any], field_name: str, values: Sequence[str]
    ) -> Iterable[Request]:
        wanted: list[Any]
        if field_name == "id":
            numeric = [v for v in values if v.isascii() and v.isdecimal()]
            wanted = [int(v) for v in numeric if len(v) <= len(str(ID_MAX))]
            wanted = [value for value in wanted if value <= ID_MAX]
        else:
            field_name = resource.number_field
            wanted = list(
                dict.fromkeys(n for v in values for n in (v, clean_number(v)))
            )
        if wanted:
            domain = [*self._scope(resource), [field_name, "in", wanted]]
            yield search_read(resource.path, domain, FIELDS[resource.kind])

    def rows(self, resource: Resource[Any], response: Response) -> list[Any]:
        rows = answered(response)
        if not isinstance(rows, list):
            raise Fault(Code.BAD_PAYLOAD, "no list of records", fate=Fate.UNCLEAR)
        return rows

    def next_cursor(
        self,
        resource: Resource[Any],
        response: Response,
        rows: Sequence[Any],
        cursor: str | None,
    ) -> str | None:
        if len(rows) < self.capabilities.kind(resource.kind).page_size:
            return None
        held = [row.get("id") for row in rows if isinstance(row, Mapping)]
        ids = [each for each in held if isinstance(each, int)]
        if not ids:
            raise Fault(Code.BAD_PAYLOAD, "no record has an id", fate=Fate.UNCLEAR)
        return str(max(ids))

    # Records

    def load_settlement(self, raw: Fields) -> Settlement | None:
        currency = _currency(raw)
        total = raw.amount("total_amount", currency)
        if total < 0:
            return None
        status, on = raw.choice("state", STATES), raw.maybe("invoice_date", day)
        level = Level(total if status is Status.DRAFT else ZERO)
        if status in (Status.OPEN, Status.SETTLED):
            level = level_of(raw, total, linked_settles=self._linked_settles)
            status = Status.OPEN if level.balance > 0 else Status.SETTLED
        if level.own is not None and level.own != total:
            raise Fault(
                Code.TOTALS_DISAGREE,
                f"the invoice is of {total}, its move lines are of {level.own}",
            )
        paid_on = None
        if status is Status.SETTLED:
            paid_on = settled_on(level, total, on, self._paid_date)
        return Settlement(
            ref=self._ref("Invoice", raw),
            number=raw.number("number"),
            currency=currency,
            total=total,
            balance=level.balance,
            status=status,
            reference=raw.text("reference"),
            customer=self._party(raw),
            on=on,
            settled_by=level.parts or {},
            paid_on=paid_on,
            last_on=level.last_on,
            basis=Basis.APPLICATIONS if paid_on else None,
            changed_at=_changed_at(raw),
            version=raw.text("_timestamp"),
        )

    def load_credit_note(self, raw: Fields) -> CreditNote | None:
        currency = _currency(raw)
        total = -raw.amount("total_amount", currency)
        if total <= 0:
            return None
        status = raw.choice("state", STATES)
        remaining: Decimal | None = ZERO if status is Status.VOID else total
        if status in (Status.OPEN, Status.SETTLED):
            remaining = _remaining(raw)
            status = Status.SETTLED if remaining == 0 else Status.OPEN
        return CreditNote(
            ref=self._ref("CreditNote", raw),
            number=raw.number("number"),
            customer=self._party(raw),
            currency=currency,
            on=_dated(raw, status),
            total=total,
            status=status,
            remaining=remaining,
            reference=raw.text("reference"),
            changed_at=_changed_at(raw),
            version=raw.text("_timestamp"),
        )

    def load_invoice(self, raw: Fields) -> Invoice | None:
        currency = _currency(raw)
        total = raw.amount("total_amount", currency)
        if total < 0:
            return None
        status = raw.choice("state", STATES)
        dues = [line.maybe("maturity_date", day) for line in own_lines(raw)]
        lines = [_line(line, currency) for line in raw.children("lines.")]
        return Invoice(
            ref=self._ref("Invoice", raw),
            number=raw.number("number"),
            customer=self._party(raw),
            currency=currency,
            on=_dated(raw, status),
            total=total,
            status=status,
            reference=raw.text("reference"),
            due=max(filter(None, dues), default=None),
            lines=tuple(filter(None, lines)),
            changed_at=_changed_at(raw),
            version=raw.text("_timestamp"),
        )

    def load_customer(self, raw: Fields) -> Customer:
        return Customer(
            ref=self._ref("Customer", raw),
            name=raw.text("name") or raw.text("rec_name"),
            number=raw.number("code"),
            email=raw.text("email"),
            # SQLite has no booleans: 0 and 1.
            active=raw.maybe("active", bool) is not False,
            changed_at=_changed_at(raw),
            version=raw.text("_timestamp"),
        )

    def _ref(self, kind: str, raw: Fields) -> Ref:
        return Ref(self.connection, kind, raw.id("id"))

    def _party(self, raw: Fields) -> Ref | None:
        if not raw.has("party"):
            return None
        return Ref(self.connection, "Customer", raw.id("party"))

    # Questions

    def _scope(self, resource: Resource[Any]) -> list[Any]:
        if resource.kind is Customer:
            return []
        company = [] if self._company is None else [["company", "=", self._company]]
        return [["type", "=", "out"], *company]

    def _result(self, request: Request) -> Flow[Any]:
        response = yield from self.ask(request)
        return answered(response)

    def _lacks(self, model: str) -> Flow[list[str]]:
        try:
            yield from self.ask(call(f"{model}.search", [], 0, 1, None))
        except Fault as fault:
            if fault.code is not Code.PERMISSION_MISSING:
                raise
            return [f"{model}: {fault.text}"]
        return []

    def _books(self, company: int) -> Flow[Books]:
        names = ("party.name", "currency.code", "timezone")
        rows = yield from self._result(
            search_read("company.company", [["id", "=", company]], names)
        )
        if not isinstance(rows, list) or not rows:
            raise Fault(Code.WRONG_COMPANY, f"there is no company {company}")
        found = Fields(rows[0])
        periods = [
            *(["company", "=", company], ["type", "=", "standard"]),
            ["state", "=", "open"],
        ]
        first = yield from self._result(
            search_read(
                "account.period", periods, ["start_date"], limit=1, order="start_date"
            )
        )
        return Books(
            identity=f"{self.connection.partition('/')[0]}/{company}",
            name=(found.child("party.") or Fields({})).text("name"),
            currency=_currency(found),
            zone=found.text("timezone") or None,
            locked_through=_before(first),
        )


def _before(periods: Any) -> date | None:
    # Nothing can be dated before the first open period.
    if not isinstance(periods, list) or not periods:
        return None
    return Fields(periods[0]).read("start_date", day) - timedelta(days=1)


def _dated(raw: Fields, status: Status) -> date:
    on = raw.maybe("invoice_date", day)
    if on is None and status is Status.DRAFT:
        # A draft gets its date when it is posted.
        return raw.read("create_date", instant).date()
    return on or raw.read("invoice_date", day)


def _remaining(note: Fields) -> Decimal | None:
    # A line of the note that is linked to an invoice is spent there, although the note
    # itself goes on saying that it is open.
    own = [
        move_line(line, note)
        for line in own_lines(note)
        if not line.raw.get("invoice_payments")
    ]
    left = total_of([*(line for line in own if line.open), *linked_lines(note)])
    return None if left is None else max(-left, ZERO)


def _line(raw: Fields, currency: str) -> Line | None:
    if raw.text("type", "line") != "line":
        return None
    account = raw.child("account.") or Fields({})
    product = raw.child("product.") or Fields({})
    return Line(
        description=raw.text("description"),
        amount=raw.maybe_amount("amount", currency) or ZERO,
        quantity=raw.maybe("quantity", parse_amount),
        unit_price=raw.maybe("unit_price", parse_amount),
        account=account.text("code"),
        item=product.text("code"),
    )


def _selected(kind: RecordType, select: Select) -> list[Any]:
    match select:
        case Changed(since=since):
            return [_changed(kind, encode(since))]
        case Dated(first, last) if kind is not Customer:
            return [["invoice_date", ">=", first], ["invoice_date", "<=", last]]
        case Open(through) if kind is not Customer:
            until = [["invoice_date", "<=", through]] if through else []
            return [["state", "=", "posted"], *until]
        case caps.Everything():
            return []
        case _:
            raise Fault(
                Code.NOT_ALLOWED,
                f"Tryton cannot select {kind.__name__} records by {type(select).__name__}",
            )


def _changed(kind: RecordType, since: Any) -> list[Any]:
    stamps = [
        ["write_date", ">=", since],
        [["write_date", "=", None], ["create_date", ">=", since]],
    ]
    if kind is Customer:
        # Addresses and e-mails do not move the stamp of their party.
        parts = ("addresses", "contact_mechanisms")
        dated = ("write_date", "create_date")
        fields = [f"{part}.{name}" for part in parts for name in dated]
        return ["OR", *stamps, *([field, ">=", since] for field in fields)]
    # Nor do a payment's reversal and, with a worker, a reconciliation move that of the
    # invoice; they move those of the lines.
    lines = [
        [f"{path}.write_date", ">=", since] for path in (*OWN_LINES, "payment_lines")
    ]
    if kind is CreditNote:
        lines.append(["move.lines.invoice_payments.write_date", ">=", since])
    return ["OR", *stamps, *lines]


def _capabilities(page_size: int, fetch_size: int, overlap: timedelta) -> Capabilities:
    def kind(*selects: type) -> Kind:
        return Kind(
            selects=frozenset({Changed, caps.Everything, *selects}),
            page_size=page_size,
            fetch_size=fetch_size,
            stable_order=True,
        )

    return Capabilities(
        system="Tryton",
        kinds={
            Settlement: kind(Dated, Open),
            Invoice: kind(Dated, Open),
            CreditNote: kind(Dated, Open),
            Customer: kind(),
        },
        payments=caps.Payments(
            feeds=(Feed.STAMP, Feed.ENTRIES),
            parts=frozenset(JOURNALS.values()),
            paid_on=Basis.APPLICATIONS,
        ),
        overlap=overlap,
    )
