"""
The simulated ledger: books in memory, served as a small JSON API, and its connector.

The server (`Book`) answers requests and lets people work; it knows nothing of engines,
plans and journals. `BookConnector` is what an author of a connector would write for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any, cast

from attrs import define, evolve, field, frozen

from tieout.auth import Auth
from tieout.capabilities import Capabilities, Changed, Kind, Limit, Payments, Verb
from tieout.change import Change
from tieout.connector import (
    Books,
    Fields,
    Health,
    Page,
    Resource,
    RestConnector,
    Rule,
    ailing,
    iso_day,
    iso_instant,
    server_time,
)
from tieout.errors import Code, Fault
from tieout.models import Basis, Part, R, Ref, Settlement, Status, settled_day
from tieout.testing.simulator.signin import Rotating, TokenServer
from tieout.wire import Answer, Flow, Request, Response

ZERO = Decimal(0)
EMAIL = "canary@person.example"
"""A customer's address, in every record: it must be found in nothing that is told."""


@define
class Piece:
    """A part of a payment or a credit that was applied to an invoice."""

    id: str
    amount: Decimal
    on: date
    how: str
    stamp: datetime
    live: bool = True


@define
class Paper:
    """An invoice in the ledger. ``shown`` is the stamp that the feed goes by for now."""

    id: str
    number: str
    total: Decimal
    currency: str
    on: date
    stamp: datetime
    status: str = "open"
    reference: str = ""
    memo: str = ""
    pieces: list[Piece] = field(factory=list)
    visible_at: datetime | None = None
    before: datetime | None = None
    """The stamp before the last one, which the feed goes by until it sees the last."""
    poison: str = ""

    def touched_at(self) -> datetime:
        """When its money last moved."""
        return max([self.stamp, *(each.stamp for each in self.pieces)])


@frozen
class BookStyle:
    """How this ledger works, drawn once for a world."""

    page_size: int = 3
    by_id: bool = False
    stable: bool = True
    stamping: bool = True
    whole_seconds: bool = False
    lag: float = 0.0
    overlap: float = 300.0
    """Seconds before the marker from which a run reads again; it has to cover the lag."""
    number_unique: bool = True
    tells: tuple[str, ...] = ("cash", "credit", "discount", "write-off")
    late_commit: float = 60.0
    search_lag: float = 20.0
    limit: int = 0
    sweep: bool = False
    fetch_size: int = 3


class Book:
    """The ledger's server."""

    host = "https://book.example"
    path = "/t1/"

    def __init__(self, style: BookStyle, tokens: TokenServer) -> None:
        self.style = style
        self.tokens = tokens
        self.papers: dict[str, Paper] = {}
        self.gone: dict[str, datetime] = {}
        self.deleted: list[str] = []
        self.connection = "book:t1"

    # People ---------------------------------------------------------------------------

    def add(
        self,
        number: str,
        total: Decimal,
        now: datetime,
        *,
        currency: str = "USD",
        on: date,
        status: str = "open",
    ) -> Paper:
        """A new invoice."""
        serial = len(self.papers) + len(self.gone) + 1
        stamp = self._stamp(now)
        paper = Paper(f"L{serial}", number, total, currency, on, stamp, status)
        self.papers[paper.id] = paper
        return paper

    def apply(
        self,
        paper: Paper,
        amount: Decimal,
        on: date,
        how: str,
        now: datetime,
        lag: float = 0.0,
    ) -> None:
        """Apply a part of a payment or a credit; the feed may show it after a while."""
        serial = len(paper.pieces)
        piece = Piece(f"{paper.id}/{serial}", amount, on, how, self._stamp(now))
        paper.pieces.append(piece)
        if self.style.stamping:
            self.touch(paper, now, lag)

    def undo(self, paper: Paper, piece: Piece, now: datetime, lag: float = 0.0) -> None:
        """Take a part back."""
        piece.live = False
        piece.stamp = self._stamp(now)
        if self.style.stamping:
            self.touch(paper, now, lag)

    def touch(self, paper: Paper, now: datetime, lag: float = 0.0) -> None:
        """An invoice was changed; the feed may show it only after a while."""
        hidden = paper.visible_at is not None and paper.visible_at > now
        if not hidden:
            paper.before = paper.stamp
        paper.stamp = self._stamp(now)
        paper.visible_at = now + timedelta(seconds=lag) if lag or hidden else None

    def delete(self, paper: Paper, now: datetime) -> None:
        """Delete an invoice; the feed names it among the gone ones."""
        self.deleted.append(self.papers.pop(paper.id).number)
        self.gone[paper.id] = self._stamp(now)

    def _stamp(self, now: datetime) -> datetime:
        return now.replace(microsecond=0) if self.style.whole_seconds else now

    # The API --------------------------------------------------------------------------

    @property
    def limit(self) -> int:
        """Calls in 10 seconds; 0 for as many as one likes."""
        return self.style.limit

    def answer(
        self, request: Request, now: datetime, *, echo: bool = False
    ) -> Response:
        """What the server says to a signed request."""
        asked = dict(request.params)
        name = request.url.removeprefix(self.host + self.path)
        if not self.tokens.knows(request, now):
            return told(401, {"error": "token"}, now)
        if name == "company":
            return told(200, {"id": "company-1", "zone": "UTC"}, now)
        if name == "levels" and ("ids" in asked or "numbers" in asked):
            return told(200, {"levels": self._named(asked), "next": None}, now)
        if name == "levels":
            return self._feed(asked, now)
        return told(404, {"error": "no such address"}, now)

    def _named(self, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        ids = asked.get("ids", "").split(",")
        numbers = asked.get("numbers", "").split(",")
        found = self.papers.values()
        return [self.row(p) for p in found if p.id in ids or p.number in numbers]

    def _feed(self, asked: Mapping[str, str], now: datetime) -> Response:
        since = datetime.fromisoformat(asked["since"])
        keyed = sorted((self._key(paper, now), paper) for paper in self.papers.values())
        changed = [(k, p) for k, p in keyed if self._seen_stamp(p, now) >= since]
        after = asked.get("page", "")
        some = [(k, p) for k, p in changed if k > after][: self.style.page_size]
        last = some[-1][0] if some else ""
        more = any(k > last for k, _ in changed) if some else False
        body = {
            "levels": [self.row(paper) for _, paper in some],
            "next": last if more else None,
            "touched": [] if more else self._touched(since),
            "gone": [] if more else self._deleted(since),
        }
        return told(200, body, now)

    def _key(self, paper: Paper, now: datetime) -> str:
        if self.style.by_id:
            return f"{int(paper.id[1:]):06d}"
        return f"{self._seen_stamp(paper, now).isoformat()}~{int(paper.id[1:]):06d}"

    def _seen_stamp(self, paper: Paper, now: datetime) -> datetime:
        if paper.visible_at is not None and paper.visible_at > now and paper.before:
            return paper.before
        return paper.stamp

    def _touched(self, since: datetime) -> list[str]:
        if self.style.stamping:
            return []
        moved = self.papers.values()
        return [p.id for p in moved if any(e.stamp >= since for e in p.pieces)]

    def _deleted(self, since: datetime) -> list[str]:
        return [each for each, stamp in self.gone.items() if stamp >= since]

    def row(self, paper: Paper) -> dict[str, Any]:
        """One invoice's money as the API tells it."""
        live = [each for each in paper.pieces if each.live and paper.status != "void"]
        balance = paper.total - sum((each.amount for each in live), ZERO)
        parts = {
            how: str(sum((e.amount for e in live if e.how == how), ZERO))
            for how in self.style.tells
        }
        settled = paper.status == "open" and balance <= 0
        settling = [(each.on, each.amount) for each in live]
        paid_on = settled_day(paper.total, settling, paper.on) if settled else None
        last = max((each.on for each in live), default=None)
        return {
            "id": paper.id,
            "number": paper.number,
            "reference": paper.reference,
            "email": EMAIL,
            "currency": paper.currency,
            "on": str(paper.on),
            "total": str(paper.total),
            "balance": str(ZERO if paper.status == "void" else balance),
            "status": "settled" if settled else paper.status,
            "paid_on": str(paid_on) if paid_on else None,
            "last_on": str(last) if last else None,
            "parts": parts,
            "stamp": paper.stamp.isoformat(),
            **POISONS.get(paper.poison, {}),
        }

    def dump(self) -> list[dict[str, Any]]:
        """All that the ledger holds, as plain values."""
        return [
            {
                "id": paper.id,
                "number": paper.number,
                "total": paper.total,
                "currency": paper.currency,
                "on": paper.on,
                "status": paper.status,
                "poison": paper.poison,
                "changed": paper.touched_at(),
                "pieces": [(e.amount, e.on, e.how) for e in paper.pieces if e.live],
            }
            for paper in self.papers.values()
        ]


POISONS: Mapping[str, Mapping[str, Any]] = {
    "enum": {"status": "on_hold"},
    "null": {"total": None},
    "number": {"balance": "12,50"},
    "shape": {"parts": [1, 2]},
    "currency": {"currency": "XQQ"},
}
"""What can be wrong with a row (P10)."""


def told(status: int, body: Any, now: datetime) -> Response:
    """A JSON answer with the server's clock."""
    date_header = format_datetime(now.astimezone(UTC).replace(microsecond=0), True)
    headers = {"Date": date_header}
    return Response(status, headers, json.dumps(body).encode())


# The connector ------------------------------------------------------------------------

_STATUS = {
    "open": Status.OPEN,
    "settled": Status.SETTLED,
    "void": Status.VOID,
    "draft": Status.DRAFT,
}

RULES = (
    Rule(
        Code.TOO_MANY_REQUESTS,
        503,
        text="too many operations",
        answer=Answer.WAIT,
    ),
    Rule(Code.PERMISSION_MISSING, 410, text="organisation"),
)


class BookConnector(RestConnector):
    """The connector of the simulated ledger; it is only read."""

    rules = RULES

    def __init__(self, style: BookStyle, token: str) -> None:
        self.connection = "book:t1"
        self.auth: Auth = Rotating(Book.host + Book.path, token)
        reads = Kind(
            frozenset({Verb.READ}),
            frozenset({Changed}),
            number_unique=style.number_unique,
            stable_order=style.stable,
            fetch_size=style.fetch_size,
        )
        sweep = timedelta(hours=1) if style.sweep else None
        parts = frozenset(Part(each) for each in style.tells)
        self.capabilities = Capabilities(
            "the simulated ledger",
            {Settlement: reads},
            payments=Payments(sweep_every=sweep, parts=parts),
            limits=(Limit(style.limit, 10.0),) if style.limit else (),
            overlap=timedelta(seconds=style.overlap),
            late_commit=timedelta(seconds=style.late_commit),
            search_lag=timedelta(seconds=style.search_lag),
        )
        self.resources = {
            Settlement: Resource(
                Settlement,
                "levels",
                lambda row: load_level(row, self.connection),
                rows="levels",
                next_field="next",
            )
        }

    def check(self) -> Flow[Health]:
        return (yield from company(self))

    def page(
        self, kind: type[R], select: Any, cursor: str | None = None
    ) -> Flow[Page[R]]:
        resource = self.resource(kind)
        asked = self.list_request(resource, select, cursor)
        since = ("since", select.since.isoformat())
        if asked.url == resource.path:
            asked = evolve(asked, params=(*asked.params, since))
        response = yield from self.ask(asked)
        rows = self.rows(resource, response)
        records, issues = self.load(resource, rows)
        body = cast(Mapping[str, Any], response.json())
        return Page(
            records,
            issues,
            gone=self._refs(body.get("gone")),
            touched=self._refs(body.get("touched")),
            next=self.next_cursor(resource, asked, response, rows),
            as_of=server_time(response),
        )

    def _refs(self, ids: Iterable[str] | None) -> tuple[Ref, ...]:
        return tuple(Ref(self.connection, "Invoice", each) for each in ids or ())

    def write_one(self, change: Change) -> Flow[Any]:
        yield from ()
        raise Fault(Code.NOT_ALLOWED, "the simulated ledger is only read")


def company(connector: RestConnector) -> Flow[Health]:
    """Whose books these are."""
    try:
        response = yield from connector.ask(Request("GET", "company"))
        body = Fields(response.json())
        books = Books(body.id("id"), zone=body.text("zone"))
    except Fault as fault:
        return ailing(fault)
    return Health(reachable=True, signed_in=True, books=books)


def load_level(row: Fields, connection: str) -> Settlement:
    """A level from a row of either system."""
    currency = row.currency("currency")
    parts = row.child("parts") or Fields({})
    names = [part for part in Part if parts.has(part.value)]
    paid_on = row.maybe("paid_on", iso_day)
    return Settlement(
        Ref(connection, "Invoice", row.id("id")),
        row.number("number"),
        currency,
        row.amount("total", currency),
        row.amount("balance", currency),
        row.choice("status", _STATUS),
        reference=row.text("reference"),
        on=row.maybe("on", iso_day),
        settled_by={p: parts.amount(p.value, currency) for p in names},
        paid_on=paid_on,
        last_on=row.maybe("last_on", iso_day),
        basis=Basis.APPLICATIONS if paid_on else None,
        receipts=row.maybe("receipts", _texts) or (),
        changed_at=row.maybe("stamp", iso_instant),
        version=row.text("version"),
    )


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError("no list")
    return tuple(str(each) for each in values)
