"""
What a system must offer to be tied out: the `Connector` protocol, and a base for REST.

A connector turns a vendor's words into records and changes into requests. Its verbs are
flows (`tieout.wire`): nothing here does I/O, knows a secret, waits or repeats.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Generic, Protocol, TypeVar

from attrs import evolve, field, frozen

from tieout.auth import Auth
from tieout.capabilities import Capabilities, Select
from tieout.change import Action, Change, Issue, Outcome
from tieout.errors import Code, Fate, Fault
from tieout.models import (
    NUMBER_MAX,
    R,
    Record,
    RecordType,
    Ref,
    clean_number,
    is_name,
    visible,
)
from tieout.money import amount, described, exponent
from tieout.wire import Answer, Flow, Request, Response, Verdict

R_co = TypeVar("R_co", bound=Record, covariant=True)
T = TypeVar("T")
C = TypeVar("C")


@frozen
class Books:
    """
    What a connection's `check` says of the company.

    ``identity`` is what stays the same for ever; ``zone`` an IANA name or None where it is
    not known; ``locked_through`` the last day of closed periods.
    """

    identity: str
    name: str = ""
    currency: str = ""
    zone: str | None = None
    locked_through: date | None = None
    features: tuple[str, ...] = ()


@frozen
class Health:
    """How a connection is: three checks apart, and the books behind it."""

    reachable: bool
    signed_in: bool
    missing: tuple[str, ...] = ()
    """Permissions and modules that are lacking, by the vendor's names."""
    books: Books | None = None
    notes: tuple[str, ...] = ()
    code: Code | None = None
    """Why it is not reachable or not signed in."""

    @property
    def ok(self) -> bool:
        """Whether a run can start."""
        return self.reachable and self.signed_in and not self.missing


_OUT_OF_REACH = (
    Code.NOT_REACHED,
    Code.ANSWER_LOST,
    Code.SERVER_ERROR,
    Code.BAD_PAYLOAD,
)
_NOT_SIGNED_IN = (Code.SIGN_IN_REFUSED, Code.RECONNECT_NEEDED, Code.LOCKED_OUT)


def ailing(fault: Fault, missing: str = "") -> Health:
    """
    What a fault in `Connector.check` says of the connection.

    ``missing`` names the permission that was lacking. Raises the fault again where it says
    nothing of the connection.
    """
    lacks = fault.code is Code.PERMISSION_MISSING
    reachable = fault.code not in _OUT_OF_REACH
    if reachable and not lacks and fault.code not in _NOT_SIGNED_IN:
        raise fault
    return Health(
        reachable=reachable,
        signed_in=lacks,
        missing=(missing or fault.text,) if lacks else (),
        notes=(f"{fault.text} {fault.remedy}".strip(),),
        code=fault.code,
    )


@frozen
class Page(Generic[R_co]):
    """
    One page of records, and a resume point.

    ``issues`` are records that could not be read. ``gone`` names deleted or merged
    records, ``touched`` invoices whose money may have moved. ``next`` is the cursor of the
    page after this one, within one run; ``token`` outlives the run. ``as_of`` is the other
    side's clock when it answered.
    """

    records: tuple[R_co, ...] = ()
    issues: tuple[Issue, ...] = ()
    gone: tuple[Ref, ...] = ()
    touched: tuple[Ref, ...] = ()
    next: str | None = None
    token: str | None = None
    as_of: datetime | None = None


class Connector(Protocol):
    """One system. No method does I/O: each verb is a flow."""

    @property
    def connection(self) -> str:
        """Which company in which system, such as ``xero:4f2c…``: part of every key."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do: a pure function of the connector's arguments."""
        ...

    @property
    def auth(self) -> Auth:
        """How its requests are signed."""
        ...

    def check(self) -> Flow[Health]:
        """Credentials, reachability, permissions and the books, each apart."""
        ...

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        """One page of what is selected; ``cursor`` is the page before's ``next``."""
        ...

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        """The records of these ids and of these numbers, as far as they exist."""
        ...

    def find(self, changes: Sequence[Change]) -> Flow[Page[Record]]:
        """What these changes may have made: by mark, number, or parent, amount and date."""
        ...

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        """Carry out at most ``batch_size`` changes; an outcome for each, by its name."""
        ...

    def judge(self, response: Response) -> Verdict:
        """What an answer means: pure."""
        ...


# Reading a vendor's record ----------------------------------------------------------


FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2200, 12, 31)
"""Business dates outside these are mistakes of entry or a vendor's "never"."""

_DAY_LIKE = r"[0-9TWZ:+./ -]{1,40}"
_WORD_LIKE = r"[A-Za-z][A-Za-z _-]{0,39}"
"""What may be told of a bad date or status: it can be no address and no secret."""


def sound_day(day: date) -> date:
    """The day, if a business can have meant it; else `Fault` BAD_DATE."""
    if not FIRST_DAY <= day <= LAST_DAY:
        raise Fault(Code.BAD_DATE, f"{day} lies outside 1900 to 2200")
    return day


_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?",
    re.ASCII,
)
"""A day, alone or with a time: the standard library takes much more for one."""


def iso_day(text: str) -> date:
    """
    A calendar day from ``2026-03-08``, with or without a time behind it.

    The time and its zone are not looked at: a calendar day never shifts.
    """
    match = _ISO.fullmatch(text)
    try:
        year, month, day = match.groups() if match else ("", "", "")
        return sound_day(date(int(year), int(month), int(day)))
    except ValueError:
        told = described(text, _DAY_LIKE)
        raise Fault(Code.BAD_DATE, f"{told} is no calendar day") from None


def iso_instant(text: str, *, naive_is_utc: bool = False) -> datetime:
    """An instant from ISO 8601; one without a zone is refused unless the vendor means UTC."""
    try:
        found = datetime.fromisoformat(text if _ISO.fullmatch(text) else "")
    except ValueError:
        told = described(text, _DAY_LIKE)
        raise Fault(Code.BAD_DATE, f"{told} is no instant") from None
    if found.tzinfo is None:
        if not naive_is_utc:
            told = described(text, _DAY_LIKE)
            raise Fault(Code.BAD_DATE, f"{told} has no time zone")
        found = found.replace(tzinfo=UTC)
    sound_day(found.date())
    return found.astimezone(UTC)


class Fields:
    """
    One vendor record while it is read: every refusal names the field.

    Unknown fields are not looked at. A missing field and a null are the same: the default
    where there is one, else `Fault` BAD_FIELD.
    """

    def __init__(self, raw: Any, at: str = "") -> None:
        if not isinstance(raw, Mapping):
            raise Fault(Code.BAD_FIELD, f"{at or 'the record'} is no object", field=at)
        self.raw: Mapping[str, Any] = raw
        self._at = at

    def path(self, name: str) -> str:
        """Where a field stands, such as ``Invoice.Total``."""
        return f"{self._at}.{name}" if self._at else name

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.raw.get(name) is not None

    def read(self, name: str, parse: Callable[[Any], T]) -> T:
        """The required field, parsed; what the parser raises is told with its path."""
        value = self.raw.get(name)
        if value is None:
            raise Fault(
                Code.BAD_FIELD, f"{self.path(name)} is missing", field=self.path(name)
            )
        try:
            return parse(value)
        except Fault as fault:
            raise Fault(
                fault.code,
                f"{self.path(name)}: {fault.text}",
                field=fault.field or self.path(name),
                remedy=fault.remedy,
            ) from fault
        except (
            TypeError,
            ValueError,
            KeyError,
            AttributeError,
            ArithmeticError,
        ) as error:
            raise Fault(
                Code.BAD_FIELD,
                f"{self.path(name)} is not what it should be ({type(error).__name__})",
                field=self.path(name),
            ) from error

    def maybe(self, name: str, parse: Callable[[Any], T]) -> T | None:
        """The field, parsed, or None where it is missing, null or an empty string."""
        return None if self.raw.get(name) in (None, "") else self.read(name, parse)

    def text(self, name: str, default: str = "") -> str:
        """A text; a number is written out."""
        return self.read(name, _text) if self.has(name) else default

    def id(self, name: str) -> str:
        """An id as an opaque string; required and not empty."""
        return self.read(name, _id)

    def number(self, name: str) -> str:
        """A document number, NFC and without outer white space; empty where missing."""
        return self.read(name, _number) if self.has(name) else ""

    def currency(self, name: str) -> str:
        """An ISO 4217 code, as it is: no case is folded. None is ever assumed."""
        if not self.has(name):
            at = self.path(name)
            raise Fault(Code.BAD_CURRENCY, f"{at} is missing", field=at)
        return self.read(name, _currency)

    def amount(self, name: str, currency: str) -> Decimal:
        """An exact amount that the currency can hold; required."""
        return self.read(name, lambda value: amount(value, currency))

    def maybe_amount(self, name: str, currency: str) -> Decimal | None:
        """An exact amount, or None where the system does not tell it."""
        return self.maybe(name, lambda value: amount(value, currency))

    def choice(self, name: str, table: Mapping[str, C]) -> C:
        """The meaning of an enumerated text; an unknown one is UNKNOWN_STATUS."""
        text = self.read(name, _text)
        if text not in table:
            at = self.path(name)
            raise Fault(
                Code.UNKNOWN_STATUS,
                f"{at} is {described(text, _WORD_LIKE)}, which is not known",
                field=at,
            )
        return table[text]

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True or false."""
        return self.read(name, _flag) if self.has(name) else default

    def child(self, name: str) -> Fields | None:
        """The record inside this one, or None."""
        return Fields(self.raw[name], self.path(name)) if self.has(name) else None

    def children(self, name: str) -> list[Fields]:
        """The records of a list inside this one; a missing list is empty."""
        if not self.has(name):
            return []
        rows = self.raw[name]
        if not isinstance(rows, list):
            raise Fault(
                Code.BAD_FIELD, f"{self.path(name)} is no list", field=self.path(name)
            )
        return [Fields(row, f"{self.path(name)}[{at}]") for at, row in enumerate(rows)]


def _text(value: Any) -> str:
    if isinstance(value, str):
        value.encode()  # half a character can be written nowhere: a ValueError
        return value
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    raise TypeError(type(value).__name__)


def _id(value: Any) -> str:
    if isinstance(value, Decimal) or not is_name(text := _text(value)):
        raise TypeError("an id is a short text or a whole number")
    return text


def _number(value: Any) -> str:
    number = clean_number(_text(value))
    if number and not is_name(number):
        raise ValueError("a document number is short and can be seen")
    return number


def _currency(value: Any) -> str:
    code = _text(value)
    exponent(code)
    return code


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError(type(value).__name__)


def read_rows(
    rows: Iterable[Any],
    load: Callable[[Fields], R | None],
    *,
    kind: RecordType,
    connection: str,
    id_field: str,
    number_field: str = "",
) -> tuple[tuple[R, ...], tuple[Issue, ...]]:
    """
    The records of a list, and an issue for each that cannot be read.

    ``load`` may return None for a row that is of no interest (another kind of document).
    """
    records: list[R] = []
    issues: list[Issue] = []
    for row in rows:
        try:
            record = load(Fields(row))
        except Fault as fault:
            issues.append(
                _unreadable(row, fault, kind, connection, id_field, number_field)
            )
        except (
            TypeError,
            ValueError,
            KeyError,
            AttributeError,
            ArithmeticError,
        ) as error:
            bad = Fault(Code.BAD_FIELD, f"could not be read ({type(error).__name__})")
            issues.append(
                _unreadable(row, bad, kind, connection, id_field, number_field)
            )
        else:
            if record is not None:
                records.append(record)
    return tuple(records), tuple(issues)


def _unreadable(
    row: Any,
    fault: Fault,
    kind: RecordType,
    connection: str,
    id_field: str,
    number_field: str,
) -> Issue:
    held = row if isinstance(row, Mapping) else {}
    identity, number = _told(held.get(id_field)), _told(held.get(number_field))
    name = "Invoice" if kind.__name__ == "Settlement" else kind.__name__
    return Issue(
        fault.code,
        Ref(connection, name, identity) if identity else None,
        numbers=(number,) if number else (),
        field=fault.field,
        text=fault.text,
        remedy=fault.remedy,
    )


def _told(value: Any) -> str:
    """An id or number for an issue, if it is one at all; short, and to be seen."""
    named = isinstance(value, str | int | Decimal) and not isinstance(value, bool)
    return visible(clean_number(str(value)[:NUMBER_MAX])) if named else ""


def enveloped(read: Callable[[], T]) -> T:
    """
    What stands around the records of an answer.

    Where that cannot be read no record is to blame: it raises `Fault` BAD_PAYLOAD.
    """
    try:
        return read()
    except Fault as fault:
        raise Fault(Code.BAD_PAYLOAD, fault.text, fate=Fate.UNCLEAR) from fault


# Judging answers --------------------------------------------------------------------


@frozen
class Rule:
    """
    A vendor's error and what it means. All that is given must hold.

    ``text`` is a pattern searched for, whatever the case; ``status`` and ``vendor_code``
    are compared. A rule without a status says nothing about 5xx, which prove nothing.
    ``answer`` says what is certain about the request.
    """

    code: Code
    status: int | None = None
    vendor_code: str = ""
    text: str = ""
    remedy: str = ""
    answer: Answer = Answer.REFUSED

    def holds(self, status: int, vendor_code: str, text: str) -> bool:
        """Whether this is the error of the rule."""
        return (
            (status < 500 if self.status is None else self.status == status)  # noqa: PLR2004
            and (not self.vendor_code or self.vendor_code == vendor_code)
            and (not self.text or re.search(self.text, text, re.IGNORECASE) is not None)
        )


_REFUSED, _UNCLEAR = Answer.REFUSED, Answer.UNCLEAR
BY_STATUS: Mapping[int, tuple[Answer, Code]] = {
    400: (_REFUSED, Code.UNKNOWN_ERROR),
    401: (Answer.SIGN_IN, Code.SIGN_IN_REFUSED),
    402: (_REFUSED, Code.PERMISSION_MISSING),
    403: (_REFUSED, Code.PERMISSION_MISSING),
    404: (_REFUSED, Code.NO_SUCH_RESOURCE),
    405: (_REFUSED, Code.UNKNOWN_ERROR),
    408: (_UNCLEAR, Code.ANSWER_LOST),
    409: (_REFUSED, Code.IN_USE),
    410: (_REFUSED, Code.NO_SUCH_RESOURCE),
    412: (_REFUSED, Code.STALE_VERSION),
    413: (_REFUSED, Code.REFUSED),
    415: (_REFUSED, Code.UNKNOWN_ERROR),
    422: (_REFUSED, Code.REFUSED),
    429: (Answer.WAIT, Code.TOO_MANY_REQUESTS),
}
"""What a bare status means where no rule of the vendor says otherwise."""

FINE = Verdict(Answer.OK)
"""The verdict of nearly every answer: it is asked for three times a call."""

FETCH_PAGES_MAX = 1000
"""Pages of one search by id or number; it asks for a few hundred records at most."""

TEXT_KEPT_MAX = 2000
"""Of a vendor's error text; enough for every message seen, too little to flood a log."""


def judge(
    response: Response, rules: Iterable[Rule], vendor_code: str = "", text: str = ""
) -> Verdict:
    """
    The verdict of an answer by a vendor's rules, then by its bare status.

    5xx and redirects prove nothing: a write that was answered so is unclear.
    """
    status = response.status
    text = text[:TEXT_KEPT_MAX]
    said = discreet(text)
    wait = retry_after(response)
    for rule in rules:
        if rule.holds(status, vendor_code, text):
            return Verdict(rule.answer, rule.code, said, rule.remedy, wait=wait)
    if 200 <= status < 300:  # noqa: PLR2004 - HTTP's own numbers
        return FINE
    answer, code = BY_STATUS.get(status, (_UNCLEAR, _bare(status)))
    return Verdict(answer, code, said or f"HTTP {status}", wait=wait)


_ADDRESS = re.compile(r"""[^\s@<>()\[\]"',;:=]{1,64}@[^\s@<>()\[\]"',;:=]{1,255}""")


def discreet(text: str) -> str:
    """
    Somebody else's words as they may be kept and logged: in one line, nothing hidden in
    it, and without e-mail addresses.
    """
    return visible(_ADDRESS.sub("***@***", " ".join(text.split())))


def _bare(status: int) -> Code:
    if 300 <= status < 400:  # noqa: PLR2004 - HTTP's own numbers
        return Code.FOREIGN_LINK
    return Code.SERVER_ERROR if status >= 500 else Code.UNKNOWN_ERROR  # noqa: PLR2004


def retry_after(response: Response) -> float | None:
    """The pause that the answer asks for, in seconds, or None; may be absurd."""
    value = (response.header("Retry-After") or "").strip()
    if re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,6})?", value, re.ASCII):
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        sent = parsedate_to_datetime(response.header("Date") or "")
        return (until - sent).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None


def server_time(response: Response) -> datetime | None:
    """The other side's clock, from the ``Date`` header."""
    try:
        found = parsedate_to_datetime(response.header("Date") or "")
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, TypeError, OverflowError):
        return None


_PARAMETER = r"""\s*;\s*([^\s=;,"]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*))?"""
_LINK = re.compile(rf"<([^<>]*)>((?:{_PARAMETER})*)")


def next_link(response: Response) -> str | None:
    """The address of the next page from the ``Link`` header (RFC 8288), or None."""
    links = ", ".join(v for name, v in response.headers if name.lower() == "link")
    for match in _LINK.finditer(links):
        for name, value in re.findall(_PARAMETER, match[2]):
            relations = value.strip('"').lower().split()
            if name.lower() == "rel" and "next" in relations:
                return match[1]
    return None


# Writing ----------------------------------------------------------------------------


def guarded(
    flow: Flow[Outcome], change: Change, judge: Callable[[Response], Verdict]
) -> Flow[Outcome]:
    """
    The flow of one write, which never raises its way around an outcome.

    A fault before any effect went out says what it says; after one that was not
    definitely refused, the outcome is unknown, whatever was raised.
    """
    effect_sent = False
    reply: Response | None = None
    thrown: Exception | None = None
    while True:
        try:
            asked = flow.throw(thrown) if thrown else flow.send(reply)  # type: ignore[arg-type] # None starts a generator
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome
        except Fault as fault:
            return Outcome.failed(change, fault, effect_sent=effect_sent)
        except Exception as error:  # noqa: BLE001 - a bug must not hide an effect
            bug = Fault(Code.UNKNOWN_ERROR, f"{type(error).__name__} while writing")
            return Outcome.failed(change, bug, effect_sent=effect_sent)
        reply, thrown = None, None
        try:
            reply = yield asked
        except Exception as error:  # noqa: BLE001 - it is handed on to the flow
            thrown = error
            certain = isinstance(error, Fault) and error.fate is not Fate.UNCLEAR
            effect_sent = effect_sent or (asked.effect and not certain)
        else:
            answer = judge(reply).answer
            certain = answer not in (Answer.OK, Answer.UNCLEAR)
            effect_sent = effect_sent or (asked.effect and not certain)


# REST -------------------------------------------------------------------------------


@frozen
class Resource(Generic[R]):
    """
    Where one kind of record lives: its ``path``, where its ``rows`` are in a body (empty:
    the body is the list), how one is loaded, and by which fields it is named in an issue.

    ``next_field`` names the field of the body that holds the next page's address or number
    (which is then sent as ``page_parameter``); where it is empty, the ``Link`` header says
    what comes next. A system that pages in another way overrides `next_cursor`.
    """

    kind: type[R]
    path: str
    load: Callable[[Fields], R | None]
    rows: str = ""
    id_field: str = "id"
    number_field: str = "number"
    id_parameter: str = "ids"
    number_parameter: str = "numbers"
    parameters: Mapping[str, str] = field(factory=dict)
    next_field: str = ""
    page_parameter: str = "page"


class RestConnector:
    """
    What connectors to JSON over HTTP have in common; authors subclass it.

    A subclass gives ``connection``, ``capabilities``, ``auth``, ``rules`` and
    ``resources``, and overrides what differs: `list_request`, `fetch_requests`,
    `next_cursor`, `explain`, `write_one`. One that makes documents overrides `find` too:
    by default it looks by id and number, and a mark may stand elsewhere.
    """

    connection: str
    capabilities: Capabilities
    auth: Auth
    rules: Sequence[Rule] = ()
    resources: Mapping[RecordType, Resource[Any]] = {}

    # The verbs

    def check(self) -> Flow[Health]:
        """Overridden by connectors that can say more than that an answer came."""
        resource = next(iter(self.resources.values()))
        try:
            yield from self.ask(Request("GET", resource.path))
        except Fault as fault:
            return ailing(fault)
        return Health(reachable=True, signed_in=True, books=Books(self.connection))

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        resource = self.resource(kind)
        can = self.capabilities.kind(kind)
        if can.selects and type(select) not in can.selects:
            text = f"cannot select {kind.__name__} records by {type(select).__name__}"
            raise Fault(Code.NOT_ALLOWED, f"{self.capabilities.system} {text}")
        response = yield from self.ask(self.list_request(resource, select, cursor))
        rows = self.rows(resource, response)
        records, issues = self.load(resource, rows)
        return Page(
            records,
            issues,
            next=self.next_cursor(resource, response, rows, cursor),
            as_of=server_time(response),
        )

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        resource = self.resource(kind)
        size = self.capabilities.kind(kind).fetch_size
        found: dict[str, R] = {}
        issues: list[Issue] = []
        for field_name, values in (("id", ids), ("number", numbers)):
            for some in batches(dict.fromkeys(values), size):
                for request in self.fetch_requests(resource, field_name, some):
                    rows = yield from self._all_rows(resource, request)
                    records, bad = self.load(resource, rows)
                    found.update({record.ref.id: record for record in records})
                    issues.extend(bad)
        return Page(tuple(found.values()), tuple(dict.fromkeys(issues)))

    def _all_rows(self, resource: Resource[Any], request: Request) -> Flow[list[Any]]:
        """The rows of a search, over all its pages."""
        found: list[Any] = []
        cursor: str | None = None
        asked = request
        for _ in range(FETCH_PAGES_MAX):
            response = yield from self.ask(asked)
            rows = self.rows(resource, response)
            found += rows
            cursor = self.next_cursor(resource, response, rows, cursor)
            if cursor is None:
                return found
            asked = _turned(resource, request, cursor)
        raise Fault(Code.LOOPING_PAGES, "a search of endless pages", fate=Fate.UNCLEAR)

    def find(self, changes: Sequence[Change]) -> Flow[Page[Record]]:
        records: list[Record] = []
        issues: list[Issue] = []
        for kind in dict.fromkeys(change.kind for change in changes):
            asked = [change for change in changes if change.kind is kind]
            mark = self.capabilities.kind(kind).mark
            made = any(each.action is Action.CREATE for each in asked)
            if made and not (mark and mark.is_number):
                # "Not found" by number would prove nothing of a document that the other
                # side numbers itself.
                text = f"no search for a {kind.__name__} by its mark"
                raise Fault(Code.NOT_ALLOWED, text)
            page = yield from self.fetch(
                kind,
                ids=[change.target.id for change in asked if change.target],
                numbers=[
                    c.number for c in asked if c.action is Action.CREATE and c.number
                ],
            )
            records.extend(page.records)
            issues.extend(page.issues)
        return Page(tuple(records), tuple(issues))

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        outcomes: list[Outcome] = []
        for change in changes:
            outcome = yield from guarded(self.write_one(change), change, self.judge)
            outcomes.append(outcome)
        return tuple(outcomes)

    def judge(self, response: Response) -> Verdict:
        if 200 <= response.status < 300 and not self.suspicious(response):  # noqa: PLR2004
            return FINE
        vendor_code, text = self.explain(response)
        return judge(response, self.rules, vendor_code, text)

    def deep_link(self, ref: Ref) -> str:
        """The address of the record's page in the system's own user interface, or ""."""
        return ""

    # What a subclass overrides

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        """The request for one page."""
        request = Request("GET", resource.path, params=resource.parameters)
        return request if cursor is None else _turned(resource, request, cursor)

    def fetch_requests(
        self, resource: Resource[Any], field_name: str, values: Sequence[str]
    ) -> Iterable[Request]:
        """The requests that bring the records of these ids or numbers."""
        name = (
            resource.id_parameter if field_name == "id" else resource.number_parameter
        )
        yield Request(
            "GET", resource.path, params={**resource.parameters, name: ",".join(values)}
        )

    def next_cursor(
        self,
        resource: Resource[Any],
        response: Response,
        rows: Sequence[Any],
        cursor: str | None,
    ) -> str | None:
        """The cursor of the page behind this one, as the resource says where it stands."""
        if resource.next_field:
            body = response.json()
            told = body.get(resource.next_field) if isinstance(body, dict) else None
            return None if told in (None, "", False) else str(told)
        return next_link(response)

    def suspicious(self, response: Response) -> bool:
        """Whether an answer of status 2xx may carry a failure."""
        return False

    def explain(self, response: Response) -> tuple[str, str]:
        """The vendor's error code and text in an answer."""
        return "", response.text().strip()

    def write_one(self, change: Change) -> Flow[Outcome]:
        """Carry out one change; whatever it raises becomes the outcome."""
        yield from ()
        raise Fault(
            Code.NOT_ALLOWED,
            f"{self.capabilities.system} cannot {change.action.name.lower()} "
            f"{change.kind.__name__} records",
        )

    # What it offers to a subclass

    def resource(self, kind: type[R]) -> Resource[R]:
        """Where a kind lives; `Fault` NOT_ALLOWED where the system has none."""
        if kind not in self.resources:
            raise Fault(
                Code.NOT_ALLOWED,
                f"{self.capabilities.system} has no {kind.__name__} records to read",
            )
        found: Resource[R] = self.resources[kind]
        return found

    def ask(self, request: Request) -> Flow[Response]:
        """Send a request; anything but a good answer is raised as a `Fault`."""
        response = yield request
        verdict = self.judge(response)
        if verdict.answer is not Answer.OK:
            raise verdict.fault()
        return response

    def rows(self, resource: Resource[Any], response: Response) -> list[Any]:
        """The rows in a body; a body without its list is BAD_PAYLOAD."""
        body = response.json()
        rows = body
        if resource.rows:
            rows = body.get(resource.rows) if isinstance(body, dict) else None
        if not isinstance(rows, list):
            where = f" in {resource.rows!r}" if resource.rows else ""
            raise Fault(
                Code.BAD_PAYLOAD, f"no list of records{where}", fate=Fate.UNCLEAR
            )
        return rows

    def load(
        self, resource: Resource[R], rows: Iterable[Any]
    ) -> tuple[tuple[R, ...], tuple[Issue, ...]]:
        """Rows as records, and an issue for each that cannot be read."""
        return read_rows(
            rows,
            resource.load,
            kind=resource.kind,
            connection=self.connection,
            id_field=resource.id_field,
            number_field=resource.number_field,
        )


def _turned(resource: Resource[Any], request: Request, cursor: str) -> Request:
    """The request for another page: at its own address, or with its number."""
    if "/" in cursor or cursor.startswith("?"):
        return Request("GET", cursor)
    kept = tuple(pair for pair in request.params if pair[0] != resource.page_parameter)
    return evolve(request, params=(*kept, (resource.page_parameter, cursor)))


def batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """The values in lists of at most ``size``."""
    some: list[T] = []
    for value in values:
        some.append(value)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some
