"""
The simulated billing system: bills in memory, served as a small JSON API, its connector.

What a bill shows as paid is two fields, guarded by a version or not, or one payment record
of ours: there an unguarded POST that lands late makes a second payment. The server
(`Shop`) knows nothing of engines, plans and journals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import define, evolve, field, frozen

from tieout.auth import Auth
from tieout.capabilities import Capabilities, Kind, Limit, Payments, Updates, Verb
from tieout.change import Change, Outcome
from tieout.connector import Fields, Health, Resource, RestConnector
from tieout.errors import Code, Fate, Fault
from tieout.models import Part, Settlement
from tieout.testing.simulator.book import RULES, ZERO, company, load_level, told
from tieout.testing.simulator.signin import Rotating, TokenServer
from tieout.testing.simulator.stage import Violation
from tieout.wire import Answer, Flow, Request, Response


@define
class Receipt:
    """A payment record on a bill; ``made_by`` is the name of the change, if ours."""

    id: str
    amount: Decimal
    on: date | None
    made_by: str = ""
    echo: bool = False
    """Whether something between us delivered the request a second time."""


@define
class Bill:
    """An invoice in billing, and what it shows as paid."""

    id: str
    number: str
    total: Decimal
    currency: str
    made_at: datetime
    status: str = "open"
    memo: str = ""
    credited: Decimal = ZERO
    paid: Decimal = ZERO
    paid_on: date | None = None
    receipts: dict[str, Receipt] = field(factory=dict)
    version: int = 1
    foreign: bool = False
    repeated: bool = False
    """Whether a request about it was repeated unseen, so that answers may be untrue."""
    tainted: str = ""
    """Why what it shows may differ from the ledger, to be told in an issue."""


@frozen
class ShopStyle:
    """How this billing system works, drawn once for a world."""

    owned: bool = False
    versioned: bool = True
    batch: int = 0
    partial: bool = True
    credits_told: bool = False
    late_commit: float = 60.0
    search_lag: float = 20.0
    limit: int = 0
    concurrency: int = 1
    fetch_size: int = 3


class Shop:
    """The billing system's server."""

    host = "https://shop.example"
    path = "/t1/"

    def __init__(
        self, style: ShopStyle, tokens: TokenServer, tell: Callable[[str], None]
    ) -> None:
        self.style = style
        self.tokens = tokens
        self.bills: dict[str, Bill] = {}
        self.gone: dict[str, Bill] = {}
        self.operations: dict[str, tuple[datetime, Response]] = {}
        self.carried_out: set[str] = set()
        """Names of the changes that were carried out, by whichever request."""
        self.broken = False
        """Whether what is promised of lateness is broken: then duplicates are expected."""
        self.connection = "shop:t1"
        self._tell = tell
        self._serial = 0

    # People ---------------------------------------------------------------------------

    def add(
        self, number: str, total: Decimal, now: datetime, *, currency: str = "USD"
    ) -> Bill:
        """A new bill."""
        serial = len(self.bills) + len(self.gone) + 1
        bill = Bill(f"B{serial}", number, total, currency, now)
        self.bills[bill.id] = bill
        return bill

    def edit(self, bill: Bill, memo: str) -> None:
        """A person edits what is no business of ours."""
        bill.memo = memo
        bill.version += 1

    def receive(self, bill: Bill, amount: Decimal, on: date) -> None:
        """A person enters a payment by hand."""
        receipt = self._receipt(amount, on, "")
        bill.receipts[receipt.id] = receipt
        bill.version += 1
        bill.tainted = "by hand"

    def delete(self, bill: Bill) -> None:
        """A person deletes a bill."""
        self.gone[bill.id] = self.bills.pop(bill.id)

    # What the wire does to it -----------------------------------------------------------

    @property
    def limit(self) -> int:
        """Calls in 10 seconds; 0 for as many as one likes."""
        return self.style.limit

    @property
    def guarded(self) -> bool:
        """Whether a version guards each bill."""
        return self.style.versioned

    def overtake(self) -> None:
        """Somebody edits the bills just before."""
        for bill in self.bills.values():
            if not bill.foreign:
                self.edit(bill, f"{bill.memo}!")

    def remove(self, request: Request) -> list[str]:
        """Somebody deletes the bill that a request is about; which that was."""
        if request.url.endswith("/batch"):
            ids = [item["id"] for item in request.json["items"]][:1]
        else:
            ids = [request.url.removeprefix(self.host + self.path).split("/")[1]]
        gone = [self.bills[each] for each in ids if each in self.bills]
        for bill in gone:
            self.delete(bill)
        return [bill.id for bill in gone]

    def doubled(self) -> list[Bill]:
        """The bills with two payments of ours, but for what was delivered twice."""
        return [
            bill
            for bill in self.bills.values()
            if sum(bool(r.made_by) and not r.echo for r in bill.receipts.values()) > 1
        ]

    def check_single(self) -> None:
        """I1: no bill has two payments of ours, but for what was delivered twice."""
        if self.style.owned and not self.broken and self.doubled():
            bill = self.doubled()[0]
            ids = ", ".join(bill.receipts)
            raise Violation("I1", f"bill {bill.number} has payments {ids}")

    # The API --------------------------------------------------------------------------

    def answer(
        self, request: Request, now: datetime, *, echo: bool = False
    ) -> Response:
        """What the server says to a signed request."""
        name = request.url.removeprefix(self.host + self.path)
        if not self.tokens.knows(request, now):
            return told(401, {"error": "token"}, now)
        if name == "company":
            return told(200, {"id": "company-1", "zone": "UTC"}, now)
        if name == "bills":
            return self._search(dict(request.params), now)
        if name.startswith("operations/"):
            return self._operation(name.partition("/")[2], now)
        return self.perform(request, now, echo=echo)

    def perform(
        self, request: Request, now: datetime, *, echo: bool = False
    ) -> Response:
        """Carry out a request that was let in, at once or late."""
        parts = request.url.removeprefix(self.host + self.path).split("/")
        body = request.json or {}
        if parts == ["batch"]:
            results = [self._item(each, echo=echo) for each in body["items"]]
            return told(200, {"results": results}, now)
        bill = self.bills.get(parts[1])
        if bill is None:
            return told(404, {"error": "no such bill"}, now)
        bill.repeated = bill.repeated or echo
        wanted = request.header("If-Match")
        if wanted and wanted != str(bill.version):
            if echo and parts[2:]:
                # Made by the first delivery, and called refused by the second.
                bill.tainted = "delivered twice"
            return told(412, {"error": "somebody else was faster"}, now)
        made_by = request.header("Idempotency-Key") or ""
        if len(parts) == 2:  # noqa: PLR2004 - bills/B1
            self.carried_out.add(made_by)
            self._set(bill, body)
            return told(200, self._written(bill, ()), now)
        return self._payment(request.method, bill, parts[3:], body, made_by, echo, now)

    def _payment(
        self,
        method: str,
        bill: Bill,
        rest: Sequence[str],
        body: Mapping[str, Any],
        made_by: str,
        echo: bool,
        now: datetime,
    ) -> Response:
        held = bill.receipts.get(rest[0]) if rest else None
        if rest and held is None:
            return told(404, {"error": "no such payment"}, now)
        self.carried_out.add(made_by)
        if method == "DELETE" and held is not None:
            del bill.receipts[held.id]
            made: tuple[str, ...] = ()
        elif held is not None:
            held.amount, held.on = Decimal(body["amount"]), _day(body["on"])
            made = (held.id,)
        else:
            held = self._receipt(Decimal(body["amount"]), _day(body["on"]), made_by)
            held.echo = echo
            bill.receipts[held.id] = held
            made = (held.id,)
        if echo:
            bill.tainted = "delivered twice"
        bill.version += 1
        self._tell(f"{bill.id} {method} payment: {self.shows(bill)}")
        return told(200, self._written(bill, made), now)

    def _item(self, item: Mapping[str, Any], *, echo: bool) -> dict[str, Any]:
        bill = self.bills.get(item["id"])
        key = {"key": item["key"]}
        if bill is None:
            return {**key, "status": 404, "error": "no such bill"}
        bill.repeated = bill.repeated or echo
        if item.get("version") and item["version"] != str(bill.version):
            return {**key, "status": 412, "error": "somebody else was faster"}
        self._set(bill, item)
        self.carried_out.add(item["key"])
        return {**key, "status": 200, **self._written(bill, ())}

    def _set(self, bill: Bill, body: Mapping[str, Any]) -> None:
        bill.paid, bill.paid_on = Decimal(body["paid"]), _day(body["paid_on"])
        bill.version += 1
        self._tell(f"{bill.id} set: {self.shows(bill)}")

    def _written(self, bill: Bill, made: tuple[str, ...]) -> dict[str, Any]:
        version = str(bill.version) if self.style.versioned else ""
        return {"id": bill.id, "version": version, "made": list(made)}

    def _receipt(self, amount: Decimal, on: date | None, made_by: str) -> Receipt:
        self._serial += 1
        return Receipt(f"R{self._serial}", amount, on, made_by)

    def _operation(self, name: str, now: datetime) -> Response:
        until, answer = self.operations.get(name, (now, told(404, {}, now)))
        if now >= until:
            return answer
        pending = told(429, {"error": "still being done"}, now)
        return evolve(pending, headers=(*pending.headers, ("Retry-After", "2")))

    def _search(self, asked: Mapping[str, str], now: datetime) -> Response:
        ids = asked.get("ids", "").split(",")
        numbers = asked.get("numbers", "").split(",")
        lag = timedelta(seconds=self.style.search_lag)
        found = [
            bill
            for bill in self.bills.values()
            if bill.id in ids or (bill.number in numbers and bill.made_at + lag <= now)
        ]
        return told(200, {"bills": [self.row(b) for b in found], "next": None}, now)

    def shows(self, bill: Bill) -> tuple[Decimal, date | None]:
        """Paid Amount and Date Paid as people see them."""
        if not self.style.owned:
            paid = bill.paid
            if not self.style.partial:
                paid = bill.total if bill.paid_on else ZERO
            return paid, bill.paid_on
        paid = sum((each.amount for each in bill.receipts.values()), ZERO)
        days = [each.on for each in bill.receipts.values() if each.on]
        closed = bool(bill.receipts) and paid + bill.credited >= bill.total
        return paid, max(days, default=None) if closed else None

    def row(self, bill: Bill) -> dict[str, Any]:
        """One bill's money as the API tells it."""
        paid, paid_on = self.shows(bill)
        balance = bill.total - paid - bill.credited
        days = [each.on for each in bill.receipts.values() if each.on]
        last_on = max(days, default=None) if self.style.owned else paid_on
        parts = {"cash": str(paid)}
        if self.style.credits_told:
            parts["credit"] = str(bill.credited)
        settled = bill.status == "open" and balance <= 0
        return {
            "id": bill.id,
            "number": bill.number,
            "currency": bill.currency,
            "total": str(bill.total),
            "balance": str(balance),
            "status": "settled" if settled else bill.status,
            "paid_on": str(paid_on) if paid_on else None,
            "last_on": str(last_on) if last_on else None,
            "parts": parts,
            "receipts": sorted(bill.receipts),
            "version": str(bill.version) if self.style.versioned else "",
        }

    def dump(self) -> list[dict[str, Any]]:
        """All that billing holds, as plain values."""
        return [
            {
                "id": bill.id,
                "number": bill.number,
                "total": bill.total,
                "currency": bill.currency,
                "status": bill.status,
                "credited": bill.credited if self.style.credits_told else ZERO,
                "shows": self.shows(bill),
                "tainted": bill.tainted,
                "foreign": bill.foreign,
                "memo": bill.memo,
            }
            for bill in self.bills.values()
        ]


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


# The connector ------------------------------------------------------------------------


class ShopConnector(RestConnector):
    """The connector of the simulated billing system."""

    rules = RULES

    def __init__(self, style: ShopStyle, token: str) -> None:
        self.connection = "shop:t1"
        self.auth: Auth = Rotating(Shop.host + Shop.path, token)
        self._style = style
        parts = {Part.CASH, Part.CREDIT} if style.credits_told else {Part.CASH}
        writes = Kind(
            frozenset({Verb.READ, Verb.UPDATE}),
            updates=Updates.SPARSE,
            fetch_size=style.fetch_size,
            batch_size=max(style.batch, 1),
        )
        self.capabilities = Capabilities(
            "the simulated billing system",
            {Settlement: writes},
            payments=Payments(
                parts=frozenset(parts),
                partial=style.partial,
                holds_date_alone=not style.owned,
                holds_open_date=style.owned,
                owned_payment=style.owned,
            ),
            limits=(Limit(style.limit, 10.0),) if style.limit else (),
            concurrency=style.concurrency,
            late_commit=timedelta(seconds=style.late_commit),
            search_lag=timedelta(seconds=style.search_lag),
        )
        self.resources = {
            Settlement: Resource(
                Settlement,
                "bills",
                lambda row: load_level(row, self.connection),
                rows="bills",
                next_field="next",
            )
        }

    def check(self) -> Flow[Health]:
        return (yield from company(self))

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        if not self._style.batch:
            return (yield from super().write(changes))
        items = [{**_fields(c), "key": c.name, "id": _target(c)} for c in changes]
        asked = Request("POST", "batch", json={"items": items}, effect=True)
        response = yield from self.ask(asked)
        rows = Fields(response.json()).children("results")
        by_name = {row.text("key"): row for row in rows}
        found = [(c, by_name.get(c.name)) for c in changes]
        return tuple(_batched(c, row) for c, row in found if row is not None)

    def write_one(self, change: Change) -> Flow[Outcome]:
        response = yield self._request(change)
        if response.status == 202:  # noqa: PLR2004 - HTTP's own
            operation = Fields(response.json()).id("operation")
            response = yield from self.ask(Request("GET", f"operations/{operation}"))
        verdict = self.judge(response)
        if verdict.answer is not Answer.OK:
            raise verdict.fault()
        body = Fields(response.json())
        if body.id("id") != _target(change):
            raise Fault(Code.BAD_PAYLOAD, "another bill was told", fate=Fate.UNCLEAR)
        made = tuple(str(each) for each in body.raw.get("made") or ())
        return Outcome.applied(change, version=body.text("version"), owned=made)

    def _request(self, change: Change) -> Request:
        target, fields = _target(change), _fields(change)
        version = fields.pop("version")
        headers = {"Idempotency-Key": change.name}
        if version:
            headers["If-Match"] = version
        if not self._style.owned:
            return Request(
                "PATCH", f"bills/{target}", (), headers, json=fields, effect=True
            )
        assert isinstance(change.after, Settlement)
        assert isinstance(change.before, Settlement)
        # A person may have deleted ours; what is gone cannot be changed.
        held = [each for each in change.owned if each in change.before.receipts]
        amount = change.after.paid
        on = change.after.paid_on or change.after.last_on
        body = {"amount": str(amount), "on": str(on) if on else None}
        if len(held) > 1:
            raise Fault(Code.NOT_ALLOWED, "there is more than one payment of ours")
        path = f"bills/{target}/payments"
        if not held:
            return Request("POST", path, (), headers, json=body, effect=True)
        method = "PUT" if amount else "DELETE"
        return Request(method, f"{path}/{held[0]}", (), headers, json=body, effect=True)


def _target(change: Change) -> str:
    assert change.target is not None
    return change.target.id


def _fields(change: Change) -> dict[str, Any]:
    assert isinstance(change.before, Settlement)
    assert isinstance(change.after, Settlement)
    day = change.after.paid_on
    return {
        "paid": str(change.after.paid),
        "paid_on": str(day) if day else None,
        "version": change.before.version,
    }


def _batched(change: Change, row: Fields) -> Outcome:
    """The outcome of one item of a batch, found by its key."""
    verdict = _ITEMS.get(row.text("status"))
    if row.text("status") == "200":
        return Outcome.applied(change, version=row.text("version"))
    if verdict is None:
        fault = Fault(
            Code.UNKNOWN_ERROR, "an item of no known status", fate=Fate.UNCLEAR
        )
        return Outcome.failed(change, fault, effect_sent=True)
    return Outcome.failed(change, Fault(verdict, row.text("error")))


_ITEMS = {
    "404": Code.NO_SUCH_RESOURCE,
    "412": Code.STALE_VERSION,
    "422": Code.REFUSED,
}
