"""
Tryton 8.2 and 7.0 as a ledger, over its JSON-RPC interface.

Observed in real replies of 8.2; that the same calls bring the same of 7.0 was observed
too. What was not is called unverified. It leaves supplier invoices, statements and
Tryton's own collection of payments alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from tieout.capabilities import Select
from tieout.change import Action, Change, Outcome
from tieout.connector import (
    Books,
    Fields,
    Health,
    Resource,
    RestConnector,
    ailing,
    enveloped,
    judge,
)
from tieout.connectors.tryton.abilities import capabilities
from tieout.connectors.tryton.bodies import Defaults
from tieout.connectors.tryton.documents import Documents
from tieout.connectors.tryton.errors import FINDINGS, RULES, SIGN_IN_RULES
from tieout.connectors.tryton.levels import PaidDate, day, inside
from tieout.connectors.tryton.paying import Paying
from tieout.connectors.tryton.queries import (
    BILLS,
    FIELDS,
    MODELS,
    marked,
    scope,
    search_read,
    selected,
)
from tieout.connectors.tryton.records import ID_MAX, Records, settled_unpaid
from tieout.connectors.tryton.wire import (
    Dialect,
    TrytonSession,
    answered,
    call,
    explain,
)
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    RecordType,
    Ref,
    Settlement,
)
from tieout.wire import Flow, Request, Response, Verdict

BODY_MAX = 2**20
"""Characters of ids or numbers in one call; Tryton takes bodies of 2 MiB."""

_WRITES: Mapping[tuple[RecordType, Action], Callable[[Any, Change], Flow[Outcome]]] = {
    (Customer, Action.CREATE): Documents.create_customer,
    (Customer, Action.UPDATE): Documents.update_customer,
    (Customer, Action.VOID): Documents.void_customer,
    (Payment, Action.CREATE): Paying.create_payment,
    (Payment, Action.VOID): Paying.void_payment,
    (Application, Action.CREATE): Paying.create_application,
    (Application, Action.VOID): Paying.void_application,
    **{
        (kind, action): flow
        for kind in (Invoice, CreditNote)
        for action, flow in (
            (Action.CREATE, Documents.create_document),
            (Action.UPDATE, Documents.update_document),
            (Action.VOID, Documents.void_document),
        )
    },
}


class Tryton(RestConnector):
    """
    One company of one Tryton database.

    ``dialect`` is "8.2" or "7.0"; empty means to find out at each first sign-in which
    address answers. ``company`` is needed only where the user may work for several.
    ``page_size`` of 250 was the fastest of 20 to 1000 (measured). ``paid_date``:
    "applied" is the first day from which nothing was owed, "last" the day of the last
    line that settled. ``overlap``: a post stamps its start and commits later.
    ``page_link`` is the web client's address of a record (unverified).

    To write, ids in Tryton: ``receivable`` and ``revenue`` are accounts (``revenue`` for
    lines that name none by its code), ``journal`` is that of invoices, ``payment_method``
    the way of payments; without ``payment_term`` a document is due on its own day.
    ``skip_warnings`` names those that count as confirmed, such as
    ``invoice_payment_term``. ``overpay`` allows payments of more than is owed.
    """

    rules = RULES
    sign_in_rules = SIGN_IN_RULES
    findings = FINDINGS
    ids = re.compile(r"[0-9]{1,10}(/[0-9]{1,10})?", re.ASCII)
    cursors = re.compile(r"[0-9]{1,10}", re.ASCII)
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
        receivable: int | None = None,
        revenue: int | None = None,
        journal: int | None = None,
        payment_term: int | None = None,
        payment_method: int | None = None,
        skip_warnings: Sequence[str] = (),
        overpay: bool = False,
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
        self._page_size, self._page_link = page_size, page_link
        self.resources = _resources(Records(self.connection, paid_date))
        defaults = Defaults(
            receivable, revenue, journal, payment_term, payment_method, company
        )
        self._writers = (
            Documents(self, defaults, tuple(skip_warnings), overpay),
            Paying(self, defaults, tuple(skip_warnings), overpay),
        )
        self.capabilities = capabilities(
            page_size, fetch_size, overlap, 2 * len(skip_warnings)
        )

    def is_id(self, text: str) -> bool:
        return super().is_id(text) and all(int(x) <= ID_MAX for x in text.split("/"))

    def deep_link(self, ref: Ref) -> str:
        kinds = {kind.__name__: model for kind, model in MODELS.items()}
        return self._page_link.format(
            url=self._root,
            database=quote(self._database, safe=""),
            model=kinds.get(ref.kind, MODELS[Invoice]),
            id=quote(ref.id.partition("/")[0], safe=""),
        )

    def check(self) -> Flow[Health]:
        """The session, the module, what may be read, and the company's books."""
        try:
            response = yield from self.ask(call("res.user.get_preferences", True))
            company = self._company or answered(response, dict).get("company")
            lacks = yield from self._lacking()
        except Fault as fault:
            return ailing(fault)
        books = None
        if isinstance(company, int):
            books = yield from self._books(company)
        else:
            lacks.append("a company for the user")
        return Health(reachable=True, signed_in=True, missing=tuple(lacks), books=books)

    def _lacking(self) -> Flow[list[str]]:
        """The models that may not be read, each with Tryton's words."""
        lacks: list[str] = []
        for model in ("account.invoice", "account.move.line", "party.party"):
            try:
                yield from self.ask(call(f"{model}.search", [], 0, 1, None))
            except Fault as fault:
                if fault.code is not Code.PERMISSION_MISSING:
                    raise
                lacks.append(f"{model}: {fault.text}")
        return lacks

    def _books(self, company: int) -> Flow[Books]:
        names = "party.name currency.code timezone"
        asked = search_read("company.company", [["id", "=", company]], names)
        rows = answered((yield from self.ask(asked)), list)
        if not rows:
            raise Fault(Code.WRONG_COMPANY, f"there is no company {company}")
        told = enveloped(lambda: _told(rows[0]))
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

    # Asking

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        behind = ["id", ">", int(cursor) if cursor else 0]
        conditions = [behind, *selected(resource.kind, select)]
        return self._search(resource, conditions, self._page_size)

    def literal(self, resource: Resource[Any], by: str, value: str) -> str:
        """An application is asked for by its credit note."""
        first, of, _ = value.partition("/")
        if by != "id" or not of:
            return value
        if resource.kind is not Application:
            text = f"it is the id of an application, of no {resource.kind.__name__}"
            raise Fault(Code.NOT_ALLOWED, text)
        return first

    def fetch_request(
        self, resource: Resource[Any], by: str, literals: Sequence[str]
    ) -> Request:
        if by == "id":
            return self._search(resource, [["id", "in", [int(x) for x in literals]]])
        if by == "mark":
            return self._search(resource, marked(resource.kind, literals))
        return self._search(resource, [[resource.number_field, "in", [*literals]]])

    def _search(
        self, resource: Resource[Any], conditions: list[Any], limit: int | None = None
    ) -> Request:
        domain = [*scope(resource.kind, self._company), *conditions]
        return search_read(resource.path, domain, FIELDS[resource.kind], limit)

    # Answers

    def judge(self, response: Response) -> Verdict:
        return judge(response, self.rules, *explain(response))

    def explain(self, response: Response) -> tuple[str, str]:
        return explain(response)

    def rows(self, resource: Resource[Any], response: Response) -> list[Any]:
        return answered(response, list)

    def joined(self, resource: Resource[Any], rows: list[Any]) -> Flow[list[Any]]:
        """
        Documents with whether they took another one back.

        Cancelling a posted document makes one of the other sign, which looks like any
        other: only the cancelled one tells of it, by the move that cancelled it.
        """
        settled = [row for row in rows if settled_unpaid(row)]
        if not settled or resource.kind not in (Invoice, CreditNote, Application):
            return rows
        domain = [["cancel_move", "in", [row["move."]["id"] for row in settled]]]
        asked = search_read(BILLS, domain, "cancel_move")
        found = answered((yield from self.ask(asked)), list)
        moves = {row.get("cancel_move") for row in found if isinstance(row, Mapping)}
        for row in settled:
            row["cancels"] = row["move."]["id"] in moves
        return rows

    def next_cursor(
        self,
        resource: Resource[Any],
        asked: Request,
        response: Response,
        rows: Sequence[Any],
    ) -> str | None:
        limit = asked.json["params"][2]
        if limit is None or len(rows) < limit:
            return None
        held = [row.get("id") for row in rows if isinstance(row, Mapping)]
        ids = [each for each in held if isinstance(each, int)]
        if not ids:
            raise Fault(Code.BAD_PAYLOAD, "no record has an id", fate=Fate.UNCLEAR)
        return str(max(ids))

    # Writing

    def write_one(self, change: Change) -> Flow[Outcome]:
        flow = _WRITES[change.kind, change.action]
        money = change.kind in (Payment, Application)
        return (yield from flow(self._writers[money], change))


def _told(row: Any) -> dict[str, Any]:
    """What the company's own record says of its books."""
    raw = Fields(row)
    return {
        "name": inside(raw, "party").text("name"),
        "currency": inside(raw, "currency").currency("code"),
        "zone": raw.text("timezone") or None,
    }


def _resources(records: Records) -> dict[RecordType, Resource[Any]]:
    loaders: Mapping[RecordType, Callable[[Fields], Any]] = {
        Settlement: records.settlement,
        Invoice: records.invoice,
        CreditNote: records.credit_note,
        Application: records.applications,
        Payment: records.payment,
        Customer: records.customer,
    }
    numbers = {Customer: "code", Payment: "", Application: ""}
    return {
        kind: Resource(
            kind, MODELS[kind], load, number_field=numbers.get(kind, "number")
        )
        for kind, load in loaders.items()
    }
