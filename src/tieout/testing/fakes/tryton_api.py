"""
What a signed-in client can call on the fake Tryton: the methods of models, and wizards.

Every call is one transaction, and what it queued runs in a second one, or waits where a
worker is configured. Nothing here knows HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

from tieout.testing.fakes.tryton_books import (
    DENIED_WRITES,
    INVOICE,
    LINE,
    MOVE,
    Books,
    balance,
    owed,
)
from tieout.testing.fakes.tryton_chart import Chart
from tieout.testing.fakes.tryton_ledger import Ledger
from tieout.testing.fakes.tryton_models import Row
from tieout.testing.fakes.tryton_shapes import (
    Dropped,
    as_kind,
    check_read,
    compiled,
    names_in,
    ordered,
    plain,
    read_row,
)

Method: TypeAlias = Callable[..., Any]

READING = frozenset(
    {"search", "search_count", "search_read", "read", "fields_get", "get_preferences"}
)
"""Methods that change nothing."""
LOOKING = frozenset({"start", "default", "ask", "end"})
"""Steps of a wizard that show a form and change nothing."""
PAY, CREDIT = "account.invoice.pay", "account.invoice.credit"
STEPS: Mapping[str, tuple[str, ...]] = {
    PAY: ("start", "choice", "pay"),
    CREDIT: ("start", "credit"),
    "account.move.reconcile_lines": ("start", "reconcile"),
    "account.move.unreconcile_lines": ("unreconcile",),
    "account.move.cancel": ("default", "cancel"),
}
"""What each wizard can be asked to do, its first step first."""
FORMS: Mapping[str, Mapping[str, str]] = {
    f"{PAY}.start": {
        "payee": "many2one",
        "payees": "many2many",
        "amount": "numeric",
        "currency": "many2one",
        "company": "many2one",
        "invoice_account": "many2one",
        "payment_method": "many2one",
        "date": "date",
        "description": "char",
    },
    f"{PAY}.ask": {
        "type": "selection",
        "writeoff": "many2one",
        "amount": "numeric",
        "currency": "many2one",
        "amount_writeoff": "numeric",
        "lines_to_pay": "many2many",
        "lines": "many2many",
        "payment_lines": "many2many",
        "company": "many2one",
        "invoice": "many2one",
    },
    f"{CREDIT}.start": {
        "invoice_date": "date",
        "with_refund": "boolean",
        "with_refund_allowed": "boolean",
    },
    "account.move.reconcile_lines.writeoff": {
        "company": "many2one",
        "writeoff": "many2one",
        "date": "date",
        "amount": "numeric",
        "currency": "many2one",
        "description": "char",
    },
    "account.move.cancel.default": {"description": "char", "reversal": "boolean"},
}


def is_write(method: str, params: Sequence[Any]) -> bool:
    """Whether that call could change the books."""
    kind, _, rest = method.partition(".")
    name = rest.rpartition(".")[2]
    if kind == "wizard":
        state = params[2] if len(params) > 2 else ""  # noqa: PLR2004 - session, data, state
        # The first step of reconciling reconciles, where nothing is left over.
        is_form = state in LOOKING and "reconcile_lines" not in rest
        return name == "execute" and not is_form
    return kind == "model" and name not in READING


class Api:
    """The methods of one company's `Books`, and the queue between calls."""

    def __init__(
        self, books: Books, ledger: Ledger, chart: Chart, *, worker: bool
    ) -> None:
        self.books = books
        self.ledger = ledger
        self.chart = chart
        self.worker = worker
        self.queue: list[int] = []
        self.language = "en"
        self.warnings_by_create = False
        self._sessions: dict[int, tuple[str, dict[str, Any]]] = {}
        self._last_session = 0
        self._special = self._special_methods()
        self._wizards: Mapping[str, Callable[[str, Any], Any]] = {
            PAY: self._pay,
            CREDIT: self._credit,
            "account.move.reconcile_lines": self._reconcile,
            "account.move.unreconcile_lines": self._unreconcile,
            "account.move.cancel": self._cancel,
        }

    # Calls ---------------------------------------------------------------------------

    def call(self, method: str, params: Any, user: int) -> Any:
        """One call, its context the last of the parameters."""
        run = self._found(method)
        context = params[-1] if isinstance(params, list) and params else None
        if not isinstance(context, dict):
            told = "Missing context argument"
            raise plain(told) if self.books.is_old else Dropped(422, told)
        return self.transact(lambda: run(*params[:-1]), context, user)

    def transact(
        self, action: Callable[[], Any], context: Mapping[str, Any], user: int = 1
    ) -> Any:
        """Do it whole or not at all, then what it queued."""
        with self.books.transaction(context, user):
            result = action()
            queued = list(self.books.pending)
        self.queue.extend(queued)
        if not self.worker:
            self.work()
        return result

    def work(self) -> None:
        """Do what was queued, as a queue worker would."""
        queued, self.queue = self.queue, []
        with self.books.transaction({}, 0):
            known = [key for key in queued if self.books.tables.get(INVOICE, key)]
            self.ledger.process(known)

    def _found(self, method: str) -> Method:
        kind, dot, rest = method.partition(".")
        if not dot:
            raise plain("not enough values to unpack (expected 2, got 1)")
        name, _, verb = rest.rpartition(".")
        if kind == "wizard":
            return self._wizard_method(name, verb)
        if kind != "model" or name not in self.books.models:
            raise plain(f"'{name}'")
        if name in self.books.denied:
            raise self.books.access(name)
        by_create = name == "res.user.warning" and self.warnings_by_create
        if by_create and verb == "skip":
            raise Dropped(403)
        special = self._special.get((name, verb))
        if special is not None:
            return special
        generic: Mapping[str, Method] = {
            "search": self.search,
            "search_count": self.search_count,
            "search_read": self.search_read,
            "read": self.read,
            "fields_get": self.fields_get,
            "create": self.books.create,
            "write": self.books.edit,
            "delete": self.books.delete,
        }
        if verb not in generic:
            raise Dropped(403)
        if name in DENIED_WRITES and verb not in READING and not by_create:
            raise self.books.access(name)
        return lambda *rest: generic[verb](name, *rest)

    def _special_methods(self) -> dict[tuple[str, str], Method]:
        def step(verb: str) -> Method:
            return lambda ids: self.ledger.move_state(verb, self._ids(INVOICE, ids))

        steps = ("validate_invoice", "draft", "cancel")
        found: dict[tuple[str, str], Method] = {(INVOICE, v): step(v) for v in steps}
        return found | {
            (INVOICE, "post"): lambda ids: self.ledger.post(self._ids(INVOICE, ids)),
            (INVOICE, "process"): lambda ids: self.ledger.process(
                self._ids(INVOICE, ids), asked=True
            ),
            (MOVE, "post"): lambda ids: self.ledger.post_moves(self._ids(MOVE, ids)),
            ("account.move.reconciliation", "delete"): lambda ids: (
                self.ledger.unreconcile(self._ids("account.move.reconciliation", ids))
            ),
            ("account.period", "close"): lambda ids: self._set_periods(ids, "closed"),
            ("account.period", "reopen"): lambda ids: self._set_periods(ids, "open"),
            ("res.user", "get_preferences"): self.preferences,
            ("res.user.warning", "skip"): self.skip,
        }

    def _ids(self, model: str, ids: Any) -> list[int]:
        return self.books.check_ids(model, ids, "read missing")

    # Reading -------------------------------------------------------------------------

    def _selected(
        self, model: str, domain: Any, offset: Any, limit: int | None, order: Any
    ) -> list[Row]:
        if not isinstance(offset, int):
            raise plain(f"invalid offset: {offset!r}")
        test = compiled(self.books, model, domain)
        hides = "active" in self.books.models[model].fields
        hides &= bool(self.books.context.get("active_test", True))
        hides &= "active" not in names_in(domain)
        rows = self.books.tables.all(model)
        found = [row for row in rows if test(row) and (not hides or row["active"])]
        by = self.books.models[model].order if order is None else order
        listed = ordered(self.books, model, found, by)[offset:]
        return listed if limit is None or limit < 0 else listed[:limit]

    def search(
        self,
        model: str,
        domain: Any,
        offset: Any = 0,
        limit: Any = None,
        order: Any = None,
    ) -> list[int]:
        """Ids of what the domain says, in order."""
        return [
            row["id"] for row in self._selected(model, domain, offset, limit, order)
        ]

    def search_count(
        self, model: str, domain: Any, offset: Any = 0, limit: Any = None
    ) -> int:
        """How many there are."""
        return len(self._selected(model, domain, offset, limit, ()))

    def search_read(
        self,
        model: str,
        domain: Any,
        offset: Any = 0,
        limit: Any = None,
        order: Any = None,
        fields: Any = None,
    ) -> list[Row]:
        """`search` and `read` in one, in the order of the search."""
        names = check_read(self.books, model, fields)
        rows = self._selected(model, domain, offset, limit, order)
        return [read_row(self.books, model, row, names) for row in rows]

    def read(self, model: str, ids: Any, fields: Any = None) -> list[Row]:
        """Rows by id, each once, in no order that was asked for."""
        names = check_read(self.books, model, fields)
        rows = self.books.rows(model, self._ids(model, ids))
        return [read_row(self.books, model, row, names) for row in rows]

    def fields_get(self, model: str, names: Any = None) -> dict[str, Row]:
        """What fields there are; an unknown one is passed over."""
        fields = self.books.models[model].fields
        return {
            name: {
                "name": name,
                "type": field.kind,
                "string": field.label,
                "required": field.required,
                "readonly": field.computed,
                "searchable": field.searchable,
                **({"relation": field.target} if field.target else {}),
            }
            for name, field in fields.items()
            if not names or name in names
        }

    def preferences(self, context_only: bool = False) -> Row:
        """The user's context, whole."""
        company = self.chart.company
        found: Row = {
            "company_filter": "one",
            "company": company,
            "company.rec_name": self.books.name("company.company", company),
            "language": self.language,
            "language_direction": "ltr",
            "groups": [5, 6, 2, 7],
            "locale": {"date": "%m/%d/%Y", "decimal_point": ".", "thousands_sep": ","},
        }
        if not self.books.is_old:
            found |= {"companies": [company], "employees": [], "administrator": 0}
        return found if context_only else {**found, "name": "Connector", "email": None}

    # Small changes -------------------------------------------------------------------

    def skip(self, name: str, always: bool = False) -> None:
        """Accept a warning, given or not yet."""
        values = {"user": self.books.user, "name": name, "always": bool(always)}
        self.books.insert("res.user.warning", values)

    def _set_periods(self, ids: Any, state: str) -> None:
        for key in self._ids("account.period", ids):
            self.books.update("account.period", key, {"state": state})

    # Wizards -------------------------------------------------------------------------

    def _wizard_method(self, name: str, verb: str) -> Method:
        if name not in STEPS:
            raise plain(f"'{name}'")
        if name in self.books.denied:
            raise self.books.access(INVOICE)
        by_verb: Mapping[str, Method] = {
            "create": lambda: self._begin(name),
            "execute": self._execute,
            "delete": lambda session: self._sessions.pop(session, None) and None,
        }
        if verb not in by_verb:
            raise Dropped(403)
        return by_verb[verb]

    def _begin(self, name: str) -> list[Any]:
        self._last_session += 1
        self._sessions[self._last_session] = (name, {})
        return [self._last_session, STEPS[name][0], "end"]

    def _execute(self, session: int, data: Any, state: str) -> Any:
        if session not in self._sessions:
            raise self.books.refusal(
                "read missing", ids=session, model="Session Wizard"
            )
        name, kept = self._sessions[session]
        # What was said in an earlier step is remembered.
        said = {**kept, **data}
        if state not in (*STEPS[name], "end"):
            raise plain(f"'{state}'")
        result = {} if state == "end" else self._wizards[name](state, said)
        self._sessions[session] = (name, said)
        return result

    def _active(self, model: str) -> list[int]:
        return self._ids(model, self.books.context.get("active_ids") or [])

    def _form(self, said: Any, state: str, model: str, name: str) -> Any:
        """What a form says in a field: 7.0 stumbles over one that is not there."""
        form = said.get(state) or {}
        if name not in form and self.books.is_old:
            told = f"<trytond.model.model.{model}._record object at 0x7fa082ea5640>"
            raise plain(f"'{model}' Model has no attribute '{name}': {told}")
        return as_kind(FORMS[model][name], form.get(name))

    def _view(self, state: str, model: str, defaults: Row, ahead: str) -> Row:
        """A form to fill in, with what it begins with and where its buttons lead."""
        relations = {"company": "company.company", "currency": "currency.currency"}
        relations |= {"payee": "party.party", "invoice": INVOICE}
        relations["invoice_account"] = "account.account"
        named = {
            f"{name}.": {"rec_name": self.books.name(relations[name], key)}
            for name, key in defaults.items()
            if name in relations and key is not None
        }
        fields = {
            name: {"name": name, "type": kind, "string": name.replace("_", " ").title()}
            for name, kind in {"id": "integer", **FORMS[model]}.items()
        }
        buttons = [
            {"state": "end", "string": "Cancel", "default": False},
            {"state": ahead, "string": "OK", "default": True},
        ]
        arch = {"model": model, "type": "form", "arch": "<form/>", "fields": fields}
        view = {"state": state, "defaults": {**defaults, **named}, "buttons": buttons}
        return {"view": {**view, "values": {}, "fields_view": arch}}

    # Paying --------------------------------------------------------------------------

    def _pay(self, state: str, said: Any) -> Any:
        key = self.books.context.get("active_id")
        if key is None:
            raise plain("'NoneType' object has no attribute 'alternative_payees'")
        row = self.books.tables.row(INVOICE, self._ids(INVOICE, [key])[0])
        if state == "start":
            return self._pay_start(row)
        take = self._pay_choice if state == "choice" else self._pay_end
        return take(row, said)

    def _pay_start(self, row: Row) -> Row:
        left = owed(self.books, row, self.books.today()) or owed(self.books, row)
        defaults = {
            "amount": left,
            "company": row["company"],
            "currency": row["currency"],
            "date": self.books.today(),
            "invoice_account": row["account"],
            "payee": row["party"],
            "payees": [row["party"]],
        }
        return self._view("start", f"{PAY}.start", defaults, "choice")

    def _amount(self, row: Row, said: Any) -> Decimal:
        model = f"{PAY}.start"
        amount = self._form(said, "start", model, "amount")
        currency = self._form(said, "start", model, "currency")
        if amount is None:
            raise plain("bad operand type for unary -: 'NoneType'")
        if currency != row["currency"]:
            raise plain("")
        return Decimal(amount)

    def _pay_choice(self, row: Row, said: Any) -> Row:
        books, amount = self.books, self._amount(row, said)
        signed = amount if row["type"] == "out" else -amount
        lines, rest = self.ledger.best_lines(row, signed)
        left = owed(books, row)
        if not rest and amount <= left:
            return self._pay_end(row, said)
        own = books.value(INVOICE, row, "lines_to_pay")
        linked = [*own, *row.get("payment_lines", ())]
        free = [
            line["id"]
            for line in books.rows(LINE, linked)
            if not line["reconciliation"]
        ]
        kind = "overpayment" if amount >= left else "partial" if amount else "writeoff"
        defaults = {
            "amount": amount,
            "company": row["company"],
            "currency": row["currency"],
            "invoice": row["id"],
            "lines": [key for key in lines if key in own],
            "lines_to_pay": [key for key in free if key in own],
            "payment_lines": [key for key in free if key not in own],
            "type": kind,
        }
        return self._view("ask", f"{PAY}.ask", defaults, "pay")

    def _pay_end(self, row: Row, said: Any) -> Row:
        model, ask = f"{PAY}.start", f"{PAY}.ask"
        amount = self._amount(row, said)
        names = ("payee", "payment_method", "date", "description")
        _, method, day, text = (
            self._form(said, "start", model, each) for each in names
        )
        kind = (said.get("ask") or {}).get("type") or "partial"
        closes: list[int] = []
        write_off = None
        if kind != "partial":
            closes = self._form(said, "ask", ask, "lines") or []
            write_off = self._form(said, "ask", ask, "writeoff")
        self.ledger.pay(
            row["id"],
            amount,
            method,
            day or self.books.today(),
            text,
            kind=kind,
            write_off=write_off,
            closes=self._ids(LINE, closes),
        )
        return {}

    # Crediting, reconciling, reversing -----------------------------------------------

    def _credit(self, state: str, said: Any) -> Row:
        ids = self._active(INVOICE)
        rows = self.books.rows(INVOICE, ids)
        if state == "start":
            allowed = all(
                row["state"] == "posted" and row["type"] == "out" for row in rows
            )
            paid = any(row.get("payment_lines") for row in rows)
            defaults: Row = {"with_refund": allowed and not paid}
            defaults["with_refund_allowed"] = allowed
            return self._view("start", f"{CREDIT}.start", defaults, "credit")
        day: date | None = self._form(said, "start", f"{CREDIT}.start", "invoice_date")
        refund = self._form(said, "start", f"{CREDIT}.start", "with_refund")
        made = self.ledger.credit(ids, refund=bool(refund), day=day)
        action = {
            "type": "ir.action.act_window",
            "res_model": INVOICE,
            "name": "Invoices",
        }
        return {"actions": [[action, {"res_id": made}]]}

    def _reconcile(self, state: str, said: Any) -> Row:
        ids = self._active(LINE)
        model = "account.move.reconcile_lines.writeoff"
        if state == "reconcile":
            day = self._form(said, "writeoff", model, "date")
            way = self._form(said, "writeoff", model, "writeoff")
            self.ledger.reconcile(ids, write_off=way, day=day)
            return {}
        lines = self.books.rows(LINE, ids)
        seconds = {line["second_currency"] for line in lines}
        # Lines of several currencies meet in the company's.
        alone = seconds.pop() if len(seconds) == 1 else None
        currency = alone or self.chart.currency
        amount = sum((balance(line, currency) for line in lines), Decimal(0))
        if amount:
            defaults = {"amount": amount, "currency": currency}
            defaults |= {"company": self.chart.company, "date": self.books.today()}
            return self._view("writeoff", model, defaults, "reconcile")
        if ids:
            self.ledger.reconcile(ids)
        return {}

    def _unreconcile(self, state: str, said: Any) -> Row:
        lines = self.books.rows(LINE, self._active(LINE))
        found = {line["reconciliation"] for line in lines} - {None}
        self.ledger.unreconcile(sorted(found))
        return {}

    def _cancel(self, state: str, said: Any) -> Row:
        model = "account.move.cancel.default"
        if state == "default":
            return self._view("default", model, {"reversal": True}, "cancel")
        text = self._form(said, "default", model, "description")
        for key in self._active(MOVE):
            self.ledger.cancel_move(key, text)
        return {}
