"""
Webhook deliveries, verified and read as hints: which records may have changed.

An event says that somebody should look, and nothing it says of a record is believed: no
amount, no status, no address. Nothing here fetches, writes or asks the time, and nothing
is kept but the ids in a `RecentlySeen`. A system is a `Scheme`, one row of data; reading
is the same for all.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from itertools import islice
from threading import Lock
from typing import Any, Literal, Protocol, TypeAlias

from attrs import field, frozen

from tieout.errors import Code, ConfigError, Fault
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Payment,
    RecordType,
    Ref,
    is_name,
)
from tieout.wire import read_json

AGE_MAX = timedelta(hours=72)
"""Xero delivers again for 24 hours, Invoiced for 48, and a host that is down from Friday
evening to Monday morning is so for 60: what is older is not late, somebody kept it."""

AHEAD_MAX = timedelta(minutes=5)
"""Two clocks that are kept by the network differ by seconds; by minutes, one is wrong."""

BODY_MAX = 1024 * 1024
"""Bytes. The largest deliveries hold a whole invoice, some tens of thousands; whoever
sends more, with no key at all, shall cost no more than this."""

EVENTS_MAX = 1000
"""Beyond these, one sync by time costs less than reading each record by its id."""

SEEN_MAX = 100_000
"""One event every 2.6 seconds, day and night, for as long as one is taken; 20 MB."""

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
"""As web frameworks give them; names in any case, and a name may come twice in pairs."""


@frozen
class Hint:
    """
    That a record may have changed.

    ``at`` is when, in UTC, where the system tells. ``event`` is the event's id; where the
    system gives none it is the delivery's, which is the SHA-256 of its body.
    """

    ref: Ref
    at: datetime | None
    event: str


@frozen
class Delivery:
    """
    What one delivery came to; every event in it is counted once.

    ``hints`` are in the order of the body; an event that names two records makes two.
    ``foreign`` events are of other companies, ``unknown`` ones of kinds that are not
    carried, ``repeated`` ones had been seen, and ``unreadable`` ones do not say which
    record, or when.
    """

    hints: tuple[Hint, ...]
    foreign: int = 0
    unknown: int = 0
    repeated: int = 0
    unreadable: int = 0


# Replays --------------------------------------------------------------------------------


class Seen(Protocol):
    """The memory of event ids, which outlives a delivery: the host's table, or `RecentlySeen`."""

    def add(self, event: str, at: datetime) -> bool:
        """
        Remember an event that came in at this instant; False where it is known already.

        ``event`` names the connection too, so that one memory may serve many. What came
        in longer ago than `AGE_MAX` and `AHEAD_MAX` together may be forgotten.
        """
        ...


class RecentlySeen:
    """
    Event ids in the memory of one process; any thread may use it.

    The oldest are forgotten beyond ``size_max`` or after ``age_max``. What is forgotten
    may come again, and costs a look at a record that has not changed.
    """

    def __init__(
        self, *, size_max: int = SEEN_MAX, age_max: timedelta = AGE_MAX + AHEAD_MAX
    ) -> None:
        if size_max < 1 or age_max <= timedelta(0):
            raise ConfigError("size_max is 1 or more, age_max longer than nothing")
        self._size_max, self._age_max = size_max, age_max
        self._known: OrderedDict[bytes, datetime] = OrderedDict()  # oldest first
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._known)

    def add(self, event: str, at: datetime) -> bool:
        """Remember an event; False where it is known."""
        # 16 bytes: ids of any length take the same room, and no two meet by chance.
        short = hashlib.blake2b(event.encode(), digest_size=16).digest()
        with self._lock:
            self._forget(at)
            known = self._known.pop(short, None)
            self._known[short] = at
            if len(self._known) > self._size_max:
                self._known.popitem(last=False)
        return known is None

    def _forget(self, now: datetime) -> None:
        """Drop what is too old. Each is dropped once, so this costs little."""
        while self._known:
            oldest = next(iter(self._known.values()))
            if now - oldest <= self._age_max:
                return
            self._known.popitem(last=False)


# Systems as data ------------------------------------------------------------------------


@frozen
class Notice:
    """One event as a body words it; nothing of it has been checked, each part may be anything."""

    kind: Any = None
    company: Any = None
    ids: tuple[Any, ...] = ()
    at: Any = None
    id: Any = None


def _lower(text: str) -> str:
    return text.lower()


def _undated(value: Any) -> None:
    """For systems whose events do not say when."""


@frozen(eq=False)
class Scheme:
    """
    How one system signs its deliveries and words its events.

    ``header`` holds the HMAC-SHA256 of the body, written as ``digest`` says; ``key`` makes
    its key of the secret. ``events`` takes the body apart; ``kinds`` are the records by the
    system's words in lower case; ``instant`` reads a time and raises `ValueError`.
    ``companies`` says whether events name their company. Use `attrs.evolve` to change one.
    """

    name: str
    header: str = field(converter=_lower, repr=False)
    events: Callable[[Any], Iterable[Notice]] = field(repr=False)
    kinds: Mapping[str, tuple[RecordType, ...]] = field(repr=False)
    instant: Callable[[Any], datetime | None] = field(default=_undated, repr=False)
    digest: Literal["base64", "hex"] = "base64"
    key: Callable[[bytes], bytes] = field(default=bytes, repr=False)
    companies: bool = True

    def signature(self, secret: str, body: bytes) -> bytes:
        """The signature that the system gives a body."""
        made = hmac.digest(self.key(secret.encode()), body, "sha256")
        if self.digest == "hex":
            return made.hex().encode()
        return base64.b64encode(made)


class _Left(Enum):
    """Why an event makes no hint, by the name of its count in a `Delivery`."""

    FOREIGN = "foreign"
    UNKNOWN = "unknown"
    REPEATED = "repeated"
    UNREADABLE = "unreadable"


_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
"""An id becomes a part of addresses and conditions: nothing else may stand in it."""

_NOTHING_BELIEVED = "Nothing of it was believed; the next sync finds what changed."


@frozen
class Webhook:
    """
    Reads one system's deliveries for one connection.

    ``key`` is the secret that the system signs with: Xero's webhook key, the verifier
    token of an Intuit app, Invoiced's webhook secret, ConnectWise's signing key.
    ``company`` is what the system calls ours in its events: the tenant, realm or company
    id; Invoiced has none. A delivery whose newest event is older than ``age_max`` is
    refused. Raises `ConfigError` for a key or a company that can be none.
    """

    scheme: Scheme
    connection: str
    key: str = field(repr=False, kw_only=True)
    company: str = field(default="", kw_only=True)
    age_max: timedelta = field(default=AGE_MAX, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not self.key or self.key != self.key.strip():
            raise ConfigError("the key is empty, or has white space around it")
        if not self.key.isprintable():
            raise ConfigError("the key is no text in one line")
        if not self.connection:
            raise ConfigError("connection is the name of a connector's connection")
        if bool(self.company) is not self.scheme.companies:
            names = "name a company" if self.scheme.companies else "name no company"
            raise ConfigError(f"company: events of {self.scheme.name} {names}")
        if self.age_max <= timedelta(0):
            raise ConfigError("age_max is longer than nothing")

    def read(
        self, headers: Headers, body: bytes, now: datetime, seen: Seen | None = None
    ) -> Delivery:
        """
        The records that a delivery names.

        ``body`` is as it came, before any framework has read it; ``now`` is aware. What
        ``seen`` knows is left out, and what is new is remembered there.

        Raises `Fault`: BAD_SIGNATURE before anything is read; then BAD_PAYLOAD, TOO_LARGE
        and STALE_DELIVERY. After a fault nothing is remembered. Raises `ConfigError` where
        body or now are not what they should be.
        """
        if not isinstance(body, bytes):
            raise ConfigError("body is the bytes that came in, before they were read")
        if now.utcoffset() is None:
            raise ConfigError("now is an instant with a time zone")
        self._verify(headers, body)
        delivery = hashlib.sha256(body).hexdigest()
        found: list[tuple[Hint, ...]] = []
        left: Counter[_Left] = Counter()
        for event in self._events(body):
            read = self._hints(event, delivery)
            if isinstance(read, _Left):
                left[read] += 1
            else:
                found.append(read)
        self._refuse_stale(found, now)
        known = self._known(found, now, seen)
        fresh = [each for each in found if each[0].event not in known]
        left[_Left.REPEATED] = len(found) - len(fresh)
        hints = tuple(hint for each in fresh for hint in each)
        return Delivery(hints, **{each.value: left[each] for each in _Left})

    def _verify(self, headers: Headers, body: bytes) -> None:
        """Refuse what was not signed with our key."""
        if len(body) > BODY_MAX:
            raise Fault(
                Code.TOO_LARGE,
                f"a delivery of {len(body)} bytes; {BODY_MAX} are read",
                remedy=_NOTHING_BELIEVED,
            )
        header = self.scheme.header
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        given = [str(value) for name, value in pairs if str(name).lower() == header]
        if len(given) != 1:
            # Of two, a proxy and we might each take another one for the signature.
            came = f"came {len(given)} times" if given else "is missing"
            raise Fault(Code.BAD_SIGNATURE, f"the header {header} {came}")
        # What is not ASCII gets a backslash, which no signature has.
        signature = given[0].encode("ascii", "backslashreplace")
        expected = self.scheme.signature(self.key, body)
        if not hmac.compare_digest(expected, signature):
            text = f"the header {header} is not of this key and this body"
            raise Fault(Code.BAD_SIGNATURE, text)

    def _events(self, body: bytes) -> tuple[Notice, ...]:
        """What a verified body holds."""
        try:
            value = read_json(body)
        except Fault:
            raise _unreadable(f"a delivery of {len(body)} bytes is not JSON") from None
        events = tuple(islice(self.scheme.events(value), EVENTS_MAX + 1))
        if len(events) > EVENTS_MAX:
            raise Fault(
                Code.TOO_LARGE,
                f"a delivery of more than {EVENTS_MAX} events",
                remedy=_NOTHING_BELIEVED,
            )
        return events

    def _hints(self, event: Notice, delivery: str) -> tuple[Hint, ...] | _Left:
        """What an event names, or why it is left out."""
        if not isinstance(event.kind, str):
            return _Left.UNREADABLE
        kinds = self.scheme.kinds.get(event.kind.lower())
        if kinds is None:
            return _Left.UNKNOWN
        if self.scheme.companies and not self._is_ours(event.company):
            return _Left.FOREIGN
        try:
            ids = [_identity(each) for each in event.ids]
            at = self.scheme.instant(event.at)
            name = delivery if event.id is None else _name(event.id)
        except (ValueError, OverflowError):
            return _Left.UNREADABLE
        return tuple(
            Hint(Ref(self.connection, kind.__name__, each), at, name)
            for each in ids
            for kind in kinds
        )

    def _is_ours(self, company: Any) -> bool:
        """Whether an event is our company's. Vendors write theirs in either case."""
        return _text(company).lower() == self.company.lower()

    def _refuse_stale(self, found: Iterable[tuple[Hint, ...]], now: datetime) -> None:
        """
        Refuse a delivery that was signed too long ago.

        No system signs a time, but a body is no older than its newest event: old events
        among new ones came late, a body of old ones alone was kept.
        """
        times = [hint.at for each in found for hint in each if hint.at]
        if not times:
            return
        newest = max(times)
        if now - newest > self.age_max or newest - now > AHEAD_MAX:
            text = f"the newest event of the delivery is of {newest.isoformat()}"
            raise Fault(Code.STALE_DELIVERY, text)

    def _known(
        self, found: Iterable[tuple[Hint, ...]], now: datetime, seen: Seen | None
    ) -> set[str]:
        """The events that had been seen; each is asked for once."""
        if seen is None:
            return set()
        names = dict.fromkeys(each[0].event for each in found)
        return {
            name for name in names if not seen.add(f"{self.connection} {name}", now)
        }


# What a body says -----------------------------------------------------------------------


def _unreadable(text: str) -> Fault:
    return Fault(Code.BAD_PAYLOAD, text, remedy=_NOTHING_BELIEVED)


def _at(value: Any, *path: str) -> Any:
    """What stands at a path, or None."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _text(value: Any) -> str:
    """A text, or a whole number as one; "" for anything else."""
    if type(value) is int:
        return str(value)
    return value if isinstance(value, str) else ""


def _identity(value: Any) -> str:
    """A record's id."""
    found = _text(value)
    if not _ID.fullmatch(found):
        raise ValueError("no id")
    return found


def _name(value: Any) -> str:
    """An event's id."""
    found = _text(value)
    if not is_name(found):
        raise ValueError("no id of an event")
    return found


_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
)
"""Down to nanoseconds, which Intuit sends; what is finer than microseconds is cut off."""


def _instant(value: Any, *, naive_is_utc: bool = False) -> datetime:
    found = datetime.fromisoformat(value if _INSTANT.fullmatch(_text(value)) else "")
    if found.tzinfo is None:
        if not naive_is_utc:
            raise ValueError("no time zone")
        return found.replace(tzinfo=UTC)
    return found.astimezone(UTC)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _seconds(value: Any) -> datetime:
    """Seconds since 1970."""
    if type(value) is not int:
        raise ValueError("no whole number of seconds")
    return _EPOCH + timedelta(seconds=value)


# The systems ----------------------------------------------------------------------------


def _xero(body: Any) -> Iterator[Notice]:
    events = _at(body, "events")  # none at all in an intent to receive
    if not isinstance(events, list):
        raise _unreadable("events is no list")
    for each in events:
        yield Notice(
            kind=_at(each, "eventCategory"),
            company=_at(each, "tenantId"),
            ids=(_at(each, "resourceId"),),
            at=_at(each, "eventDateUtc"),
        )


XERO = Scheme(
    "Xero",
    header="x-xero-signature",
    events=_xero,
    kinds={"invoice": (Invoice,), "creditnote": (CreditNote,), "contact": (Customer,)},
    instant=partial(_instant, naive_is_utc=True),
)
"""Xero. It has no events of payments. Subscriptions, which are the app's, are not carried."""


def _quickbooks(body: Any) -> Iterator[Notice]:
    if isinstance(body, list):
        return map(_cloud_event, body)
    companies = _at(body, "eventNotifications")
    if not isinstance(companies, list):
        raise _unreadable("neither a list of events nor eventNotifications")
    return (event for each in companies for event in _entities(each))


_CLOUD_TYPE = re.compile(r"qbo\.([a-z]+)\..*")
"""Such as ``qbo.invoice.created.v1``; other products of Intuit's have other beginnings."""


def _cloud_event(each: Any) -> Notice:
    """One of Intuit's events of 2026."""
    kind = _at(each, "type")
    if isinstance(kind, str):
        match = _CLOUD_TYPE.fullmatch(kind)
        kind = match[1] if match else ""
    return Notice(
        kind=kind,
        company=_at(each, "intuitaccountid"),
        ids=_merged(_at(each, "intuitentityid"), _at(each, "data", "deletedid")),
        at=_at(each, "time"),
        id=_at(each, "id"),
    )


def _entities(company: Any) -> Iterator[Notice]:
    """Intuit's events until 2026, which have no ids."""
    entities = _at(company, "dataChangeEvent", "entities")
    for each in entities if isinstance(entities, list) else [None]:
        yield Notice(
            kind=_at(each, "name"),
            company=_at(company, "realmId"),
            ids=_merged(_at(each, "id"), _at(each, "deletedId")),
            at=_at(each, "lastUpdated"),
        )


def _merged(kept: Any, gone: Any) -> tuple[Any, ...]:
    """Both records of a merge, the one that stays first; else the one."""
    return (kept,) if gone is None else (kept, gone)


QUICKBOOKS = Scheme(
    "QuickBooks",
    header="intuit-signature",
    events=_quickbooks,
    kinds={
        "invoice": (Invoice,),
        "creditmemo": (CreditNote,),
        "payment": (Payment,),
        "customer": (Customer,),
    },
    instant=_instant,
)
"""QuickBooks Online: CloudEvents, and the body that came before. One may mix companies."""


def _invoiced(body: Any) -> Iterator[Notice]:
    if not isinstance(body, Mapping):
        raise _unreadable("the delivery is no object")
    kind, record = body.get("type"), _at(body, "data", "object")
    yield Notice(
        kind=kind.partition(".")[0] if isinstance(kind, str) else kind,
        ids=_merged(_at(record, "id"), _at(record, "original_customer", "id")),
        at=body.get("timestamp"),
        id=body.get("id"),
    )


INVOICED = Scheme(
    "Invoiced",
    header="x-invoiced-signature",
    events=_invoiced,
    kinds={
        "invoice": (Invoice,),
        "credit_note": (CreditNote,),
        "payment": (Payment,),
        "customer": (Customer,),
    },
    instant=_seconds,
    digest="hex",
    companies=False,
)
"""Invoiced. Each of its accounts has a secret of its own, and events name no account."""


def _connectwise(body: Any) -> Iterator[Notice]:
    if not isinstance(body, Mapping):
        raise _unreadable("the delivery is no object")
    yield Notice(
        kind=body.get("Type"),
        company=body.get("CompanyId"),
        ids=(body.get("ID"),),
        id=body.get("MessageId"),
    )


def _sha256(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


CONNECTWISE = Scheme(
    "ConnectWise",
    header="x-content-signature",
    events=_connectwise,
    # A credit memo is an invoice there, and which of the two it is only a look can tell.
    kinds={"invoice": (Invoice, CreditNote), "company": (Customer,)},
    key=_sha256,
)
"""ConnectWise. Its events carry no time, and a key's address that is never followed."""
