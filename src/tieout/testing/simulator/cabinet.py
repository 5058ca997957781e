"""
The simulated systems of documents: invoices in memory, served as a small JSON API.

`Cabinet` is the server of either side and lets people work; it knows nothing of engines,
plans and journals. `CabinetConnector` is what an author of a connector would write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from attrs import define, evolve, frozen

from tieout.auth import Auth
from tieout.capabilities import Capabilities, Kind, Limit, Mark, Updates, Verb
from tieout.change import Action, Change, Outcome
from tieout.connector import (
    Fields,
    Health,
    Page,
    Resource,
    RestConnector,
    iso_day,
)
from tieout.errors import Code, Fate, Fault
from tieout.models import Invoice, Record, Ref, Status
from tieout.testing.simulator.book import EMAIL, RULES, company, told
from tieout.testing.simulator.signin import Rotating, TokenServer
from tieout.testing.simulator.stage import Violation
from tieout.wire import Answer, Flow, Request, Response

KEYS = ("none", "short", "long", "old answer", "ignored", "errors kept")
"""How systems treat idempotency keys: ``old answer`` as at Qonto, whatever is sent;
``ignored`` as at Checkbook, where a second document is made; ``errors kept`` as at those
that repeat a refusal."""

KEY_LASTS = {"short": 300.0, "long": 86400.0, "old answer": 1800.0, "errors kept": 1e5}
"""Seconds for which a key is remembered."""

Row: TypeAlias = dict[str, Any]


@define
class Sheet:
    """One document. ``echo``: something between us delivered its request again."""

    id: str
    number: str
    total: Decimal
    currency: str
    on: date
    made_at: datetime
    status: str = "open"
    reference: str = ""
    memo: str = ""
    version: int = 1
    foreign: bool = False
    echo: bool = False
    copied: bool = False


@frozen
class CabinetStyle:
    """How this system works, drawn once for a world."""

    number_unique: bool = False
    keys: str = "none"
    versioned: bool = True
    batch: int = 0
    late_commit: float = 60.0
    search_lag: float = 20.0
    limit: int = 0
    concurrency: int = 1
    fetch_size: int = 10


@define
class _Kept:
    """The answer that was given to a key, and to what."""

    at: datetime
    body: str
    status: int
    row: Row


class Cabinet:
    """The server of one side's documents."""

    path = "/t1/"

    def __init__(
        self,
        side: str,
        style: CabinetStyle,
        tokens: TokenServer,
        tell: Callable[[str], None],
        met: Callable[[str], None] = lambda fault: None,
    ) -> None:
        self.host = f"https://{side}.example"
        self.connection = f"{side}:t1"
        self.style = style
        self.tokens = tokens
        self.sheets: dict[str, Sheet] = {}
        self.operations: dict[str, tuple[datetime, Response]] = {}
        self.broken = False
        """Whether what is promised of lateness is broken: then duplicates are expected."""
        self._tell = tell
        self._met = met
        self._serial = 0
        self._kept: dict[str, _Kept] = {}
        self.carried_out: set[str] = set()
        """Names of the changes that were carried out, by whichever request."""

    @property
    def limit(self) -> int:
        """Calls in 10 seconds; 0 for as many as one likes."""
        return self.style.limit

    @property
    def guarded(self) -> bool:
        """Whether a version guards each document."""
        return self.style.versioned

    # People ---------------------------------------------------------------------------

    def add(
        self, number: str, total: Decimal, currency: str, on: date, now: datetime
    ) -> Sheet:
        """A new document."""
        self._serial += 1
        key = f"{self.host[8].upper()}{self._serial}"
        sheet = Sheet(key, number, total, currency, on, now)
        self.sheets[key] = sheet
        return sheet

    def copy(self, sheet: Sheet, now: datetime) -> Sheet:
        """A person copies a document, its mark included."""
        number = f"{sheet.number}-copy{self._serial}"
        other = self.add(number, sheet.total, sheet.currency, sheet.on, now)
        other.reference, other.copied = sheet.reference, True
        return other

    def edit(self, sheet: Sheet, total: Decimal) -> None:
        """A person writes another amount."""
        sheet.total = total
        sheet.version += 1

    def renumber(self, sheet: Sheet, number: str) -> None:
        """A person gives it another number."""
        sheet.number = number
        sheet.version += 1

    def void(self, sheet: Sheet) -> None:
        """A person voids a document."""
        sheet.status = "void"
        sheet.version += 1

    def delete(self, sheet: Sheet) -> None:
        """A person deletes a document."""
        self.sheets.pop(sheet.id, None)

    # What the wire does to it -----------------------------------------------------------

    def overtake(self) -> None:
        """Somebody edits what is being written just before."""
        for sheet in self.sheets.values():
            if not sheet.foreign:
                sheet.memo += "!"
                sheet.version += 1

    def remove(self, request: Request) -> list[str]:
        """Somebody deletes what a request is about; what that was."""
        parts = self._parts(request)
        if parts == ["documents", "batch"]:
            ids = [each["id"] for each in request.json["items"]][:1]
        else:
            ids = parts[1:2]
        gone = [self.sheets[each] for each in ids if each in self.sheets]
        for sheet in gone:
            self.delete(sheet)
        return [sheet.id for sheet in gone]

    def check_single(self) -> None:
        """I1: no two documents carry one mark, but for copies and what was delivered twice."""
        seen: dict[str, str] = {}
        for sheet in self.sheets.values():
            if self.broken or not sheet.reference or sheet.copied or sheet.echo:
                continue
            if sheet.reference in seen:
                ids = f"{seen[sheet.reference]}, {sheet.id}"
                raise Violation("I1", f"documents {ids} have one mark")
            seen[sheet.reference] = sheet.id

    def doubled(self) -> dict[str, list[str]]:
        """The marks that more than one live document carries, with these."""
        found: dict[str, list[str]] = {}
        for sheet in self.sheets.values():
            if sheet.reference and sheet.status != "void":
                found.setdefault(sheet.reference, []).append(sheet.id)
        return {mark: ids for mark, ids in found.items() if len(ids) > 1}

    # The API --------------------------------------------------------------------------

    def _parts(self, request: Request) -> list[str]:
        return request.url.removeprefix(self.host + self.path).split("/")

    def answer(
        self, request: Request, now: datetime, *, echo: bool = False
    ) -> Response:
        """What the server says to a signed request."""
        parts = self._parts(request)
        if not self.tokens.knows(request, now):
            return told(401, {"error": "token"}, now)
        if parts == ["company"]:
            return told(200, {"id": "company-1", "zone": "UTC"}, now)
        if parts[0] == "operations":
            return self._operation(parts[1], now)
        if parts == ["documents"] and request.method == "GET":
            return told(200, self._search(dict(request.params), now), now)
        return self.perform(request, now, echo=echo)

    def _operation(self, name: str, now: datetime) -> Response:
        until, answer = self.operations.get(name, (now, told(404, {}, now)))
        if now >= until:
            return answer
        pending = told(429, {"error": "still being done"}, now)
        return evolve(pending, headers=(*pending.headers, ("Retry-After", "2")))

    def _search(self, asked: Mapping[str, str], now: datetime) -> Row:
        """By id as it is now; by reference as the index shows it."""
        ids = asked.get("ids", "").split(",")
        marks = [each for each in asked.get("references", "").split(",") if each]
        lag = timedelta(seconds=self.style.search_lag)
        found = [self.sheets[each] for each in ids if each in self.sheets]
        if marks:
            found += [
                sheet
                for sheet in self.sheets.values()
                if sheet.reference in marks and sheet.made_at + lag <= now
            ]
        return {"documents": [self.row(each) for each in found], "next": None}

    def perform(
        self, request: Request, now: datetime, *, echo: bool = False
    ) -> Response:
        """Carry out a request that was let in, at once or late."""
        parts, body = self._parts(request), request.json or {}
        if parts == ["documents", "batch"]:
            items = [self._item(each, now, echo=echo) for each in body["items"]]
            return told(200, {"results": items}, now)
        item = {
            **body,
            "id": parts[1] if len(parts) > 1 else "",
            "idempotency": request.header("Idempotency-Key") or "",
            "version": request.header("If-Match") or "",
            "void": parts[2:] == ["void"],
            "key": request.header("X-Change") or "",
        }
        done = self._item(item, now, echo=echo)
        return told(done["status"], done, now)

    def _item(self, item: Row, now: datetime, *, echo: bool) -> Row:
        """One write, or what its idempotency key was answered before."""
        style, key = self.style.keys, item["idempotency"]
        body = repr(sorted((k, v) for k, v in item.items() if k != "key"))
        lasts = timedelta(seconds=KEY_LASTS.get(style, 0.0))
        kept = self._kept.get(key)
        if kept is not None and now < kept.at + lasts:
            if kept.body != body and style != "old answer":
                error = "this key was used for something else"
                return {"key": item.get("key"), "status": 422, "error": error}
            return {**kept.row, "key": item.get("key"), "status": kept.status}
        done = self._write(item, now, echo=echo)
        good = done["status"] < 300  # noqa: PLR2004 - HTTP's own
        if good:
            self.carried_out.add(item["key"])
        if key and lasts and (good or style == "errors kept"):
            self._kept[key] = _Kept(now, body, done["status"], done)
        return {**done, "key": item.get("key")}

    def _write(self, item: Row, now: datetime, *, echo: bool) -> Row:
        if not item["id"]:
            return self._made(item, now, echo=echo)
        sheet = self.sheets.get(item["id"])
        if sheet is None:
            return {"status": 404, "error": "no such document"}
        if item["version"] and item["version"] != str(sheet.version):
            return {"status": 412, "error": "somebody else was faster"}
        if item["void"]:
            sheet.status = "void"
        elif sheet.status == "void":
            return {"status": 422, "error": "a void document cannot be changed"}
        else:
            other = self._numbered(item["number"])
            if other is not None and other is not sheet:
                return {"status": 409, "error": "number exists", "other": other.id}
            sheet.number, sheet.currency = item["number"], item["currency"]
            sheet.total = Decimal(item["total"])
            sheet.on = date.fromisoformat(item["on"])
        sheet.version += 1
        self._tell(f"{sheet.id} changed: {sheet.number} {sheet.total} {sheet.status}")
        return {"status": 200, **self.row(sheet)}

    def _made(self, item: Row, now: datetime, *, echo: bool) -> Row:
        other = self._numbered(item["number"])
        if other is not None:
            self._met("H10")
            return {"status": 409, "error": "number exists", "other": other.id}
        sheet = self.add(
            item["number"],
            Decimal(item["total"]),
            item["currency"],
            date.fromisoformat(item["on"]),
            now,
        )
        sheet.reference, sheet.echo = item["reference"], echo
        self._tell(f"{sheet.id} made: {sheet.number} {sheet.total} {sheet.reference}")
        return {"status": 201, **self.row(sheet)}

    def _numbered(self, number: str) -> Sheet | None:
        if not self.style.number_unique:
            return None
        found = (each for each in self.sheets.values() if each.number == number)
        return next(found, None)

    def row(self, sheet: Sheet) -> Row:
        """One document as the API tells it."""
        return {
            "id": sheet.id,
            "number": sheet.number,
            "reference": sheet.reference,
            "email": EMAIL,
            "currency": sheet.currency,
            "on": str(sheet.on),
            "total": str(sheet.total),
            "state": sheet.status,
            "version": str(sheet.version) if self.style.versioned else "",
        }

    def dump(self) -> list[Row]:
        """All that it holds, as plain values."""
        names = ("id", "number", "total", "currency", "on", "status", "reference")
        more = ("foreign", "memo", "version")
        return [
            {name: getattr(sheet, name) for name in (*names, *more)}
            for sheet in self.sheets.values()
        ]


# The connector ------------------------------------------------------------------------

_STATUS = {"open": Status.OPEN, "void": Status.VOID}


def load_sheet(row: Fields, connection: str) -> Invoice:
    """A document from a row of either system."""
    currency = row.currency("currency")
    return Invoice(
        Ref(connection, "Invoice", row.id("id")),
        row.number("number"),
        None,
        currency,
        row.read("on", iso_day),
        row.amount("total", currency),
        row.choice("state", _STATUS),
        reference=row.text("reference"),
        version=row.text("version"),
    )


class CabinetConnector(RestConnector):
    """The connector of a simulated system of documents; ``writing``: whether it may."""

    rules = RULES

    def __init__(
        self, host: str, side: str, style: CabinetStyle, token: str, *, writing: bool
    ) -> None:
        self.connection = f"{side}:t1"
        self.auth: Auth = Rotating(f"{host}/t1/", token)
        self._style = style
        verbs = {Verb.READ, Verb.CREATE, Verb.UPDATE, Verb.VOID}
        able = Kind(
            frozenset(verbs if writing else {Verb.READ}),
            updates=Updates.FULL if writing else Updates.NONE,
            mark=Mark("reference") if writing else None,
            number_unique=style.number_unique,
            fetch_size=style.fetch_size,
            batch_size=max(style.batch, 1),
        )
        self.capabilities = Capabilities(
            f"the simulated {side}",
            {Invoice: able},
            limits=(Limit(style.limit, 10.0),) if style.limit else (),
            concurrency=style.concurrency,
            late_commit=timedelta(seconds=style.late_commit),
            search_lag=timedelta(seconds=style.search_lag),
        )
        self.resources = {
            Invoice: Resource(
                Invoice,
                "documents",
                lambda row: load_sheet(row, self.connection),
                rows="documents",
                next_field="next",
            )
        }

    def check(self) -> Flow[Health]:
        return (yield from company(self))

    def find(self, changes: Sequence[Change]) -> Flow[Page[Record]]:
        """By mark what was made, by id what was changed."""
        ids = [each.target.id for each in changes if each.target]
        marks = [each.mark for each in changes if each.action is Action.CREATE]
        found: list[Record] = []
        for name, values in (("ids", ids), ("references", marks)):
            if values:
                asked = Request("GET", "documents", params={name: ",".join(values)})
                found += yield from self._listed(asked)
        return Page(tuple(found))

    def _listed(self, asked: Request) -> Flow[Sequence[Record]]:
        resource = self.resource(Invoice)
        response = yield from self.ask(asked)
        records, issues = self.load(resource, self.rows(resource, response))
        if issues:
            raise Fault(Code.BAD_PAYLOAD, "a row of a search", fate=Fate.UNCLEAR)
        return records

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        if not self._style.batch:
            return (yield from super().write(changes))
        items = [
            {**_fields(c), "key": c.name, "idempotency": c.key, **_where(c)}
            for c in changes
        ]
        body = {"items": items}
        asked = Request("POST", "documents/batch", json=body, effect=True)
        response = yield from self.ask(asked)
        rows = Fields(response.json()).children("results")
        by_name = {row.text("key"): row for row in rows}
        outcomes: list[Outcome] = []
        for change in changes:
            row = by_name.get(change.name)
            if row is not None:
                outcomes.append((yield from self._itemised(change, row)))
        return tuple(outcomes)

    def _itemised(self, change: Change, row: Fields) -> Flow[Outcome]:
        """The outcome of one item of a batch, found by its key."""
        status = row.text("status")
        if status in ("200", "201"):
            return self._done(change, row)
        if status == "409":
            return (yield from self._taken(change, row.text("other")))
        code = _ITEMS.get(status)
        if code is None:
            lost = Fault(Code.UNKNOWN_ERROR, "no known status", fate=Fate.UNCLEAR)
            return Outcome.failed(change, lost, effect_sent=True)
        return Outcome.failed(change, Fault(code, row.text("error")))

    def write_one(self, change: Change) -> Flow[Outcome]:
        where, headers = _where(change), {"X-Change": change.name}
        if change.key:
            headers["Idempotency-Key"] = change.key
        if where["version"]:
            headers["If-Match"] = where["version"]
        path = f"documents/{where['id']}".rstrip("/")
        method = "PUT" if where["id"] else "POST"
        if where["void"]:
            method, path = "POST", f"{path}/void"
        fields = _fields(change)
        response = yield Request(method, path, (), headers, json=fields, effect=True)
        if response.status == 202:  # noqa: PLR2004 - HTTP's own
            operation = Fields(response.json()).id("operation")
            response = yield Request("GET", f"operations/{operation}")
            if response.status == 429:  # noqa: PLR2004 - HTTP's own
                raise Fault(Code.ANSWER_LOST, "still being done", fate=Fate.UNCLEAR)
        if response.status == 409:  # noqa: PLR2004 - HTTP's own
            other = Fields(response.json()).text("other")
            return (yield from self._taken(change, other))
        verdict = self.judge(response)
        if verdict.answer is not Answer.OK:
            raise verdict.fault()
        return self._done(change, Fields(response.json()))

    def _done(self, change: Change, row: Fields) -> Outcome:
        echo = load_sheet(row, self.connection)
        if change.target is not None and echo.ref.id != change.target.id:
            raise Fault(Code.BAD_PAYLOAD, "another document", fate=Fate.UNCLEAR)
        return Outcome.applied(change, ref=echo.ref, version=echo.version, echo=echo)

    def _taken(self, change: Change, other: str) -> Flow[Outcome]:
        """
        H10: the number exists: what was to be made is there already if that document
        carries our mark; everything else is refused.
        """
        if change.action is not Action.CREATE:
            return Outcome.failed(change, Fault(Code.DUPLICATE_NUMBER, "number exists"))
        asked = Request("GET", "documents", params={"ids": other})
        try:
            found = yield from self._listed(asked)
        except Fault:
            found = ()
        ours = [each for each in found if isinstance(each, Invoice)]
        if ours and change.mark and ours[0].reference == change.mark:
            # Made by a request whose answer nobody read: the journal looks at it itself.
            known = Fault(Code.ANSWER_LOST, "it was made before", fate=Fate.UNCLEAR)
            return Outcome.failed(change, known, effect_sent=True)
        return Outcome.failed(change, Fault(Code.DUPLICATE_NUMBER, "number exists"))


def _where(change: Change) -> Row:
    """Which document a change is about, at which version."""
    before = change.before
    version = before.version if isinstance(before, Invoice) else ""
    return {
        "id": change.target.id if change.target else "",
        "version": version if change.target else "",
        "void": change.action is Action.VOID,
    }


def _fields(change: Change) -> Row:
    after = change.after
    if not isinstance(after, Invoice):
        return {}
    return {
        "number": after.number,
        "total": str(after.total),
        "currency": after.currency,
        "on": str(after.on),
        "reference": change.mark,
    }


_ITEMS = {
    "404": Code.NO_SUCH_RESOURCE,
    "412": Code.STALE_VERSION,
    "422": Code.REFUSED,
}
