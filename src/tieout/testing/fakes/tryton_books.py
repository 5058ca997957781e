"""
The fake Tryton's records: made, changed and deleted by the rules of their models, with
what is computed from them, all of a call or nothing of it.

Money moves in `tryton_ledger`; nothing here posts, pays or reconciles, and nothing here
knows the wire.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from tieout.testing.fakes import tryton_texts
from tieout.testing.fakes.tryton_models import (
    COLLECTIONS,
    Field,
    Row,
    Tables,
    all_models,
)
from tieout.testing.fakes.tryton_shapes import (
    Refused,
    as_kind,
    field_of,
    plain,
    related,
    user_error,
    user_warning,
)

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
ZERO = Decimal(0)
CLOSED = frozenset({"posted", "paid", "cancelled"})
"""States of an invoice that is in the books."""
INVOICE, LINE, MOVE = "account.invoice", "account.move.line", "account.move"
PARTY, RECONCILIATION = "party.party", "account.move.reconciliation"
PRICE_DIGITS = 4

DEFAULTS: Mapping[str, Row] = {
    INVOICE: {"state": "draft"},
    "account.invoice.line": {"type": "line"},
    "account.invoice.tax": {"manual": True},
    MOVE: {"state": "draft"},
    LINE: {"state": "valid", "debit": ZERO, "credit": ZERO},
    "account.tax": {"type": "percentage"},
    "account.invoice.payment_term.line": {"type": "remainder"},
    "party.contact_mechanism": {"type": "phone"},
}
SELECTIONS: Mapping[tuple[str, str], frozenset[str]] = {
    (INVOICE, "type"): frozenset({"out", "in"}),
    ("account.invoice.line", "type"): frozenset(
        {"line", "subtotal", "title", "comment"}
    ),
    ("party.contact_mechanism", "type"): frozenset(
        {"phone", "mobile", "fax", "email", "website", "skype", "sip", "irc", "jabber"}
        | {"other"}
    ),
    ("account.invoice.payment_term.line", "type"): frozenset(
        {"fixed", "percent", "percent_on_total", "remainder"}
    ),
}
NEVER_WRITTEN: Mapping[str, frozenset[str]] = {
    INVOICE: frozenset(
        {"number", "state", "move", "cancel_move", "additional_moves", "sequence"}
    ),
    MOVE: frozenset({"number", "state", "post_date"}),
    LINE: frozenset({"reconciliation", "state"}),
}
"""What no client sets."""
WRITTEN_WHEN_POSTED: Mapping[str, frozenset[str]] = {
    INVOICE: frozenset({"reference", "description", "comment", "payment_lines"}),
    "account.invoice.line": frozenset({"description", "note"}),
    MOVE: frozenset(),
    LINE: frozenset({"maturity_date"}),
}
DENIED_WRITES = frozenset(
    {"res.user", "res.user.warning", "currency.currency", "currency.currency.rate"}
)
"""What an ordinary user of the accounting groups may read and not change."""
GROUPS = (
    "Within groups: Accounting, Accounting Administration, Party Administration, "
    "Product Administration"
)

Computing: TypeAlias = Callable[["Books", Row], Any]
_EIN = re.compile(r"\d{2}-?\d{7}")


class Books:
    """
    One company's records.

    ``stamp`` is the start of the transaction under way: every row that it touches gets
    it. ``is_patient`` stands for a person who accepts every warning.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] | None,
        version: str,
        sqlite: bool,
        timezone: str,
    ) -> None:
        self.version = version
        self.is_old = version == "7.0"
        self.sqlite = sqlite
        self.models = all_models(version)
        self.tables = Tables(self.models, reuses_ids=sqlite)
        self.timezone = timezone
        self.context: Mapping[str, Any] = {}
        self.user = 1
        self.stamp = START
        self.lag = timedelta()
        self.is_patient = False
        self.denied: set[str] = set()
        self.pending: list[int] = []
        self._now = now
        self._own = START
        self._accepted: set[int] = set()
        self._made: list[str] = []

    # Time and transactions -----------------------------------------------------------

    def instant(self) -> datetime:
        """Now."""
        return self._now().astimezone(UTC) if self._now else self._own

    def today(self) -> date:
        """The company's day; the server's where the company has no time zone."""
        zone = ZoneInfo(self.timezone) if self.timezone else UTC
        return self.instant().astimezone(zone).date()

    def advance(self, seconds: float) -> None:
        """Move the fake's own clock."""
        self._own += timedelta(seconds=seconds)

    @contextmanager
    def transaction(self, context: Mapping[str, Any], user: int = 1) -> Iterator[None]:
        """One transaction: everything in it happens, or nothing."""
        self.context, self.user = context, user
        self.stamp = self.instant() - self.lag
        self._accepted.clear()
        self._made.clear()
        self.pending.clear()
        self.tables.begin()
        try:
            yield
        except BaseException:
            self.tables.take_back()
            raise
        for key in self._accepted:
            self.tables.remove("res.user.warning", key)
        if self.tables.changed:
            self._own += timedelta(seconds=1)
            self.lag = timedelta()
        self.tables.keep()

    # Texts and warnings --------------------------------------------------------------

    def say(self, key: str, **values: object) -> str:
        """A message in the language of the call."""
        return tryton_texts.text(self._language(), key, **values)

    def _language(self) -> str:
        return str(self.context.get("language") or "en")

    def day(self, on: date) -> str:
        """A date as people read it."""
        return on.strftime(tryton_texts.date_format(self._language()))

    def money(self, amount: Decimal, currency: int) -> str:
        """An amount as people read it."""
        row = self.tables.row("currency.currency", currency)
        digits = f"{abs(amount):,.{row['digits']}f}"
        return f"{'-' if amount < 0 else ''}{row['symbol']}{digits}"

    def refusal(self, key: str, **values: object) -> Refused:
        """A `Refused` with that message."""
        return user_error(self.say(key, **values))

    def access(self, model: str, key: str = "access") -> Refused:
        """A `Refused` for want of rights."""
        told = self.say(key, model=self.models[model].label)
        return user_error(told, "" if self.is_old else GROUPS)

    def of_record(
        self, key: str, model: str, row: Row, field: str, value: Any
    ) -> Refused:
        """A `Refused` about one field of one record."""
        found = self.models[model].fields[field]
        told = self.say(
            key,
            value=value,
            field=found.label,
            record=self.value(model, row, "rec_name"),
            model=self.models[model].label,
        )
        return user_error(
            told, "", [[[field, "=", value]], {}] if key == "domain" else None
        )

    def warn(
        self, name: str, records: Sequence[str], message: str, description: str = ""
    ) -> None:
        """Refuse until a person has accepted this very warning."""
        # What was made in this transaction has no id yet that would stay.
        told = [
            f"{each.partition(',')[0]},-{self._made.index(each) + 1}"
            if each in self._made
            else each
            for each in records
        ]
        digest = hashlib.md5("|".join(told).encode(), usedforsecurity=False)
        key = f"{digest.hexdigest()}.{name}"
        found = [
            row
            for row in self.tables.all("res.user.warning")
            if (row["user"], row["name"]) == (self.user, key)
        ]
        self._accepted.update(row["id"] for row in found if not row["always"])
        if not found and not self.is_patient:
            raise user_warning(key, message, description)

    # Values --------------------------------------------------------------------------

    def value(self, model: str, row: Row, name: str) -> Any:
        """A field of a row, kept or computed."""
        field = self.models[model].fields[name]
        if field.computed:
            compute = COMPUTED.get((model, name)) or COMPUTED["", name]
            return compute(self, row)
        if field.kind == "one2many":
            return self.children(field, row["id"])
        return row.get(name, () if field.kind == "many2many" else None)

    def children(self, field: Field, key: int) -> list[int]:
        """What points to a record, in the order of its model."""
        ids = self.tables.pointing(field.target, field.inverse, key)
        if field.target == LINE:
            rows = [self.tables.row(LINE, each) for each in ids]
            rows.sort(key=lambda row: (_line_move(self, row)["date"], row["id"]))
            return [row["id"] for row in reversed(rows)]
        if "sequence" in self.models[field.target].fields:
            ids.sort(
                key=lambda each: self.tables.row(field.target, each)["sequence"] or 0
            )
        return ids

    def rows(self, model: str, ids: Sequence[int]) -> list[Row]:
        """Rows that are known to exist."""
        return [self.tables.row(model, key) for key in ids]

    def name(self, model: str, key: int | None) -> str:
        """What people call a record."""
        row = self.tables.get(model, key)
        return "" if row is None else str(self.value(model, row, "rec_name"))

    def company(self) -> Row:
        """The one company."""
        return self.tables.row("company.company", 1)

    def rounded(self, amount: Decimal, currency: int) -> Decimal:
        """To the currency's own digits, halves to even, as Tryton does."""
        digits = self.tables.row("currency.currency", currency)["digits"]
        return amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)

    def rate(self, currency: int, on: date) -> Decimal:
        """Units of the currency for one of the rates' common base, on a day."""
        ids = self.tables.pointing("currency.currency.rate", "currency", currency)
        rates = self.rows("currency.currency.rate", ids)
        known = [row for row in rates if row["date"] <= on] or rates
        found = max(known, key=lambda row: row["date"], default={"rate": Decimal(1)})
        return Decimal(found["rate"])

    def converted(self, amount: Decimal, source: int, target: int, on: date) -> Decimal:
        """An amount in another currency, rounded; the same where nothing changes."""
        if source == target:
            return amount
        return self.rounded(
            amount * self.rate(target, on) / self.rate(source, on), target
        )

    # Making --------------------------------------------------------------------------

    def insert(self, model: str, values: Row) -> int:
        """A new row as it stands, stamped; no rule is asked."""
        stamped = {"create_date": self.stamp, "create_uid": self.user}
        # 8.2 computes something of these right after, and that is a write.
        touched = {PARTY, INVOICE, "party.contact_mechanism"}
        if model in touched and not self.is_old:
            stamped |= {"write_date": self.stamp, "write_uid": self.user}
        kept = dict.fromkeys(
            name
            for name, field in self.models[model].fields.items()
            if not field.computed and field.kind not in COLLECTIONS
        )
        key = self.tables.insert(model, {**kept, **values, **stamped})
        self._made.append(f"{model},{key}")
        return key

    def update(self, model: str, key: int, values: Row) -> None:
        """Change a row as it stands, stamped; no rule is asked."""
        stamped = {"write_date": self.stamp, "write_uid": self.user}
        self.tables.update(model, key, {**values, **stamped})

    def create(self, model: str, records: Any) -> list[int]:
        """What ``create`` of a model does; the new ids."""
        return [self._create_one(model, values) for values in records]

    def _create_one(self, model: str, values: Any, inverse: Row | None = None) -> int:
        if not isinstance(values, dict):
            raise plain(f"'{type(values).__name__}' object has no attribute 'copy'")
        given = {**values, **(inverse or {})}
        self._refuse_fields(model, given)
        self._refuse_company(model, given)
        row = {**self._defaults(model), **self._kept(model, given)}
        if model == PARTY and not row.get("code"):
            row["code"] = self._next_code()
        key = self.insert(model, row)
        self._apply_commands(model, key, given)
        self.validate(model, key)
        return key

    def _defaults(self, model: str) -> Row:
        fields, found = self.models[model].fields, dict(DEFAULTS.get(model, {}))
        company = self.context.get("company")
        if "active" in fields:
            found["active"] = True
        if "company" in fields and not fields["company"].computed:
            found["company"] = company
        if company and model in {INVOICE, "account.invoice.line"}:
            found["currency"] = self.company()["currency"]
        if model == MOVE:
            found["date"] = self.today()
        if model == INVOICE and self.is_old:
            found["type"] = "out"
        return found

    def _kept(self, model: str, values: Row) -> Row:
        found = {}
        for name, value in values.items():
            field = self.models[model].fields[name]
            if not field.computed and field.kind not in COLLECTIONS:
                found[name] = as_kind(field.kind, value)
        return found

    def _refuse_fields(self, model: str, values: Row) -> None:
        for name in values:
            field = field_of(self, model, name)
            if name in NEVER_WRITTEN.get(model, ()):
                label = self.models[model].label
                raise self.refusal("readonly", field=field.label, model=label)

    def _refuse_company(self, model: str, values: Row) -> None:
        known = values.get("company") or self.context.get("company")
        if model in {INVOICE, MOVE} and not known:
            raise self.access(model, "rule")

    def _next_code(self) -> str:
        taken = {row["code"] for row in self.tables.all(PARTY)}
        return next(str(n) for n in range(1, len(taken) + 2) if str(n) not in taken)

    def _apply_commands(self, model: str, key: int, values: Row) -> None:
        for name, commands in values.items():
            field = self.models[model].fields[name]
            if field.kind in COLLECTIONS and not field.computed:
                for command in commands or ():
                    self._command(model, key, field, *command)

    def _command(
        self, model: str, key: int, field: Field, how: str, ids: Any, *more: Any
    ) -> None:
        """One of ``["create", [{…}]]``, ``["add", [ids]]``, ``["write", [ids], {…}]`` …"""
        back = {field.inverse: key}
        match how:
            case "create" if field.kind == "one2many":
                for values in ids:
                    self._create_one(field.target, values, back)
            case "write":
                self.edit(field.target, ids, more[0])
            case "delete":
                self.delete(field.target, ids)
            case "add" | "remove" if field.kind == "many2many":
                self._relink(model, key, field, ids, is_added=how == "add")
            case "add" | "remove":
                gone = {field.inverse: None if how == "remove" else key}
                self.edit(field.target, ids, gone)
            case _:
                raise plain(f"'{how}'")

    def _relink(
        self, model: str, key: int, field: Field, ids: Sequence[int], *, is_added: bool
    ) -> None:
        self.check_ids(field.target, ids, "read missing")
        kept = list(self.tables.row(model, key).get(field.name, ()))
        if is_added:
            kept += [each for each in ids if each not in kept]
        else:
            kept = [each for each in kept if each not in ids]
        self.tables.update(model, key, {field.name: tuple(kept)})

    # Changing and deleting -----------------------------------------------------------

    def check_ids(self, model: str, ids: Sequence[Any], key: str) -> list[int]:
        """The ids, each once, in the order of the table; refused where one is unknown."""
        if not isinstance(ids, (list, tuple)):
            raise plain(f"'{type(ids).__name__}' object is not iterable")
        asked = sorted({as_kind("integer", each) for each in ids})
        missing = [str(each) for each in asked if self.tables.get(model, each) is None]
        if missing:
            label = self.models[model].label
            raise self.refusal(key, ids=", ".join(missing), model=label)
        return asked

    def edit(self, model: str, ids: Any, values: Any, *more: Any) -> None:
        """What ``write`` of a model does: ids and values, as often as one likes."""
        if model == RECONCILIATION:
            raise self.refusal("reconciliation")
        keys = self.check_ids(model, ids, "write missing")
        self._check_stamps(model, keys)
        self._refuse_fields(model, values)
        for key in keys:
            self._refuse_posted(model, self.tables.row(model, key), values)
            kept = self._kept(model, values)
            if model == PARTY and kept.get("code") and not self.is_old:
                self._keep_code(key, kept)
            self.update(model, key, kept)
            self._apply_commands(model, key, values)
            self.validate(model, key)
        if more:
            self.edit(model, *more)

    def _keep_code(self, key: int, kept: Row) -> None:
        row = self.tables.row(PARTY, key)
        if row["code"] and kept["code"] != row["code"]:
            raise self.of_record("readonly record", PARTY, row, "code", kept["code"])

    def _check_stamps(self, model: str, keys: Sequence[int]) -> None:
        known = self.context.get("_timestamp") or {}
        for key in keys:
            told = known.get(f"{model},{key}")
            row = self.tables.row(model, key)
            if told and Decimal(self.value(model, row, "_timestamp")) > Decimal(told):
                raise Refused("ConcurrencyException", self.say("concurrency"))

    def _refuse_posted(self, model: str, row: Row, values: Row) -> None:
        allowed = WRITTEN_WHEN_POSTED.get(model)
        if self.is_old and model == "account.invoice.line":
            allowed = frozenset()
        refused = [
            name for name in values if allowed is not None and name not in allowed
        ]
        if not refused or not self._is_posted(model, row):
            return
        if self.is_old:
            raise self._old_refusal(model, row)
        raise self.of_record("readonly record", model, row, refused[0], None)

    def _old_refusal(self, model: str, row: Row) -> Refused:
        """What 7.0 says of a document that is in the books."""
        record = self.value(model, row, "rec_name")
        if model == INVOICE:
            return self.refusal("invoice posted", record=record)
        if model == "account.invoice.line":
            invoice = self.name(INVOICE, row["invoice"])
            return self.refusal("line posted", record=record, invoice=invoice)
        move = row["move"] if model == LINE else row["id"]
        return self.refusal("move posted", record=self.name(MOVE, move))

    def _is_posted(self, model: str, row: Row) -> bool:
        match model:
            case "account.invoice":
                return row["state"] in CLOSED
            case "account.invoice.line" | "account.invoice.tax":
                invoice = self.tables.get(INVOICE, row["invoice"])
                return invoice is not None and invoice["state"] in CLOSED
            case "account.move":
                return bool(row["state"] == "posted")
            case _:
                move = self.tables.get(MOVE, row["move"])
                return move is not None and move["state"] == "posted"

    def delete(self, model: str, ids: Any) -> None:
        """What ``delete`` of a model does: the parts go too, what is used stays."""
        keys = self.check_ids(model, ids, "read missing")
        self._check_stamps(model, keys)
        for key in keys:
            self._refuse_delete(model, self.tables.row(model, key))
            self._delete_one(model, key)

    def _delete_one(self, model: str, key: int) -> None:
        own = {
            (field.target, field.inverse)
            for field in self.models[model].fields.values()
            if field.kind == "one2many"
        }
        for other in self.models.values():
            for field in other.fields.values():
                points = field.target == model and field.kind == "many2one"
                if not points or field.computed:
                    continue
                ids = self.tables.pointing(other.name, field.name, key)
                if (other.name, field.name) in own:
                    for child in ids:
                        self._delete_one(other.name, child)
                elif ids:
                    raise self.refusal("used", field=field.label, model=other.label)
        self.tables.remove(model, key)

    def _refuse_delete(self, model: str, row: Row) -> None:
        record = self.value(model, row, "rec_name")
        if model == INVOICE:
            if row["state"] in CLOSED and (row["move"] or row["state"] != "cancelled"):
                raise self.refusal("invoice posted", record=record)
            if row["state"] == "validated" and not self.is_old:
                raise self.refusal("delete uncancelled", record=record)
        if model in {"account.invoice.line", "account.invoice.tax"}:
            invoice = self.name(INVOICE, row["invoice"])
            if self._is_posted(model, row):
                raise self.refusal("line posted", record=record, invoice=invoice)
        if model in {MOVE, LINE} and self._is_posted(model, row):
            move = row["move"] if model == LINE else row["id"]
            raise self.refusal("move posted", record=self.name(MOVE, move))

    # Checking ------------------------------------------------------------------------

    def validate(self, model: str, key: int) -> None:
        """Refuse a row that its model does not allow."""
        row = self.tables.row(model, key)
        for field in self.models[model].fields.values():
            self._check_field(model, row, field)
        if model in CHECKS:
            CHECKS[model](self, row)

    def _check_field(self, model: str, row: Row, field: Field) -> None:
        if field.computed or field.kind in COLLECTIONS:
            return
        value = row.get(field.name)
        if value is None:
            if field.required:
                raise self.of_record("required", model, row, field.name, None)
            return
        if field.kind == "many2one" and self.tables.get(field.target, value) is None:
            raise self.of_record("foreign", model, row, field.name, value)
        options = SELECTIONS.get((model, field.name))
        if options is not None and value not in options:
            raise self.of_record("selection", model, row, field.name, value)


# What is allowed, by model -----------------------------------------------------------


def _check_invoice(books: Books, row: Row) -> None:
    tables = books.tables
    address = tables.row("party.address", row["invoice_address"])
    if address["party"] != row["party"]:
        name = books.name("party.address", address["id"])
        raise books.of_record("domain", INVOICE, row, "invoice_address", name)
    account = tables.row("account.account", row["account"])
    kind = tables.get("account.account.type", account["type"]) or {}
    if account["closed"] or not kind.get(
        "receivable" if row["type"] == "out" else "payable"
    ):
        name = books.name("account.account", account["id"])
        raise books.of_record("domain", INVOICE, row, "account", name)
    lines = books.value(INVOICE, row, "lines")
    for line in books.rows("account.invoice.line", lines):
        same = (line["company"], line["currency"]) == (row["company"], row["currency"])
        if not same or line["account"] == row["account"]:
            name = books.value("account.invoice.line", line, "rec_name")
            raise books.of_record("domain", INVOICE, row, "lines", name)
    _check_payment_lines(books, row)
    if row["state"] == "draft":
        update_taxes(books, row["id"])


def _check_payment_lines(books: Books, row: Row) -> None:
    lines = books.rows(LINE, row.get("payment_lines", ()))
    total = books.value(INVOICE, row, "total_amount")
    paid = ZERO
    for line in lines:
        if len(books.tables.pointing(INVOICE, "payment_lines", line["id"])) > 1:
            raise books.refusal("payment twice")
        amount = line["debit"] - line["credit"]
        is_wrong = amount * total * (1 if row["type"] == "out" else -1) > 0
        if line["account"] != row["account"] or is_wrong:
            name = books.value(LINE, line, "rec_name")
            raise books.of_record("domain", INVOICE, row, "payment_lines", name)
        paid += abs(line["amount_second_currency"] or amount)
    if lines and (row["state"] in {"draft", "validated"} or paid > abs(total)):
        record = books.value(INVOICE, row, "rec_name")
        raise books.refusal("payment greater", record=record)


def _check_invoice_line(books: Books, row: Row) -> None:
    model = "account.invoice.line"
    if row["type"] != "line":
        return
    for name in ("account", "quantity", "unit_price"):
        if row[name] is None:
            raise books.of_record("required", model, row, name, None)
    price = row["unit_price"]
    if price != round(price, PRICE_DIGITS):
        raise books.of_record("digits", model, row, "unit_price", str(price))
    invoice = books.tables.get(INVOICE, row["invoice"])
    is_new = row["write_date"] is None
    if is_new and invoice is not None and invoice["state"] in CLOSED:
        raise books.of_record("readonly record", model, row, "invoice", None)


def _check_party(books: Books, row: Row) -> None:
    others = [each["code"] for each in books.tables.all(PARTY)]
    if others.count(row["code"]) > 1:
        raise books.refusal("code")


def _check_identifier(books: Books, row: Row) -> None:
    if row["type"] == "us_ein" and not _EIN.fullmatch(row["code"]):
        party = books.name(PARTY, row["party"])
        raise books.refusal("identifier", code=row["code"], party=party)


def _check_move_line(books: Books, row: Row) -> None:
    account = books.tables.row("account.account", row["account"])
    if account["party_required"] and row["party"] is None:
        record = books.value(LINE, row, "rec_name")
        name = books.name("account.account", account["id"])
        raise books.refusal("party needed", account=name, record=record)
    move = books.tables.row(MOVE, row["move"])
    if move["state"] == "posted" and row["write_date"] is None:
        raise books.refusal("move posted", record=books.name(MOVE, move["id"]))


CHECKS: Mapping[str, Callable[[Books, Row], None]] = {
    INVOICE: _check_invoice,
    "account.invoice.line": _check_invoice_line,
    PARTY: _check_party,
    "party.identifier": _check_identifier,
    LINE: _check_move_line,
}


def update_taxes(books: Books, invoice: int) -> None:
    """Compute the tax lines anew; those that were made by hand stay."""
    tables, model = books.tables, "account.invoice.tax"
    row = tables.row(INVOICE, invoice)
    bases: dict[int, Decimal] = {}
    for line in books.rows("account.invoice.line", books.value(INVOICE, row, "lines")):
        for tax in line.get("taxes", ()):
            amount = books.value("account.invoice.line", line, "amount")
            bases[tax] = bases.get(tax, ZERO) + amount
    kept: dict[int, int] = {}
    for key in tables.pointing(model, "invoice", invoice):
        tax = tables.row(model, key)
        if not tax["manual"] and tax["tax"] in bases:
            kept[tax["tax"]] = key
        elif not tax["manual"]:
            tables.remove(model, key)
    for tax, base in bases.items():
        values = {
            "invoice": invoice,
            **_computed_tax(books, tax, base, row["currency"]),
        }
        if tax not in kept:
            books.insert(model, values)
        else:
            tables.update(model, kept[tax], values)


def _computed_tax(books: Books, tax: int, base: Decimal, currency: int) -> Row:
    found = books.tables.row("account.tax", tax)
    exact = base * (found["rate"] or ZERO)
    if found["type"] == "fixed":
        exact = found["amount"]
    side = "invoice_account" if base >= 0 else "credit_note_account"
    values: Row = {"tax": tax, "base": base, "manual": False}
    values["amount"] = books.rounded(exact, currency)
    return {**values, "account": found[side], "description": found["description"]}


# What is computed --------------------------------------------------------------------


def _line_amount(books: Books, row: Row) -> Decimal:
    if row["type"] != "line" or row["quantity"] is None or row["unit_price"] is None:
        return ZERO
    amount = Decimal(str(row["quantity"])) * row["unit_price"]
    currency = row["currency"] or books.company()["currency"]
    return books.rounded(amount, currency)


def _untaxed(books: Books, row: Row) -> Decimal:
    lines = books.rows("account.invoice.line", books.value(INVOICE, row, "lines"))
    total = sum((_line_amount(books, line) for line in lines), ZERO)
    return books.rounded(total, row["currency"])


def _tax(books: Books, row: Row) -> Decimal:
    taxes = books.rows("account.invoice.tax", books.value(INVOICE, row, "taxes"))
    total = sum((tax["amount"] or ZERO for tax in taxes), ZERO)
    return books.rounded(total, row["currency"])


def lines_to_pay(books: Books, row: Row) -> list[Row]:
    """The invoice's own lines of its receivable (or payable) account."""
    moves = [row["move"], *row.get("additional_moves", ())]
    ids = [each for move in moves for each in books.tables.pointing(LINE, "move", move)]
    return [line for line in books.rows(LINE, ids) if line["account"] == row["account"]]


def balance(line: Row, currency: int) -> Decimal:
    """What a line of the ledger adds to the account, in the invoice's currency."""
    if line["second_currency"] == currency:
        return Decimal(line["amount_second_currency"])
    return Decimal(line["debit"] - line["credit"])


def owed(books: Books, row: Row, due_by: date | None = None) -> Decimal:
    """What is left to pay, by a day or at all; 0 unless the invoice is posted."""
    if row["state"] != "posted":
        return ZERO
    lines = lines_to_pay(books, row)
    if due_by is not None:
        lines = [
            line for line in lines if (line["maturity_date"] or date.max) <= due_by
        ]
    lines += books.rows(LINE, row.get("payment_lines", ()))
    total = sum(
        (
            balance(each, row["currency"])
            for each in lines
            if not each["reconciliation"]
        ),
        ZERO,
    )
    total = total if row["type"] == "out" else -total
    return total if due_by is None or books.is_old else max(ZERO, total)


def _reconciled(books: Books, row: Row) -> date | None:
    lines = lines_to_pay(books, row)
    found = [books.tables.get(RECONCILIATION, each["reconciliation"]) for each in lines]
    days = [each["date"] for each in found if each is not None]
    return max(days) if days and len(days) == len(lines) else None


def reconciliation_lines(books: Books, row: Row) -> list[int] | None:
    """What closed the invoice, by date; 7.0 has none where nothing is posted."""
    if row["move"] is None:
        return None if books.is_old else []
    own = lines_to_pay(books, row)
    closed = {line["reconciliation"] for line in own} - {None}
    ids = [
        line
        for each in closed
        for line in books.tables.pointing(LINE, "reconciliation", each)
        if line not in {mine["id"] for mine in own}
    ]
    return sorted(ids, key=lambda each: (_line_date(books, each), each))


def _line_date(books: Books, key: int) -> date:
    found: date = _line_move(books, books.tables.row(LINE, key))["date"]
    return found


def _line_move(books: Books, row: Row) -> Row:
    return books.tables.row(MOVE, row["move"])


def _origin_invoices(books: Books, row: Row) -> list[int]:
    lines = books.rows("account.invoice.line", books.value(INVOICE, row, "lines"))
    found = []
    for line in lines:
        field = books.models["account.invoice.line"].fields["origin"]
        for model, other in related(books, field, line["origin"]):
            if model == "account.invoice.line" and other["invoice"] not in found:
                found.append(other["invoice"])
    return found


def _invoice_name(books: Books, row: Row) -> str:
    reference = f"[{row['reference']}]" if row["reference"] else ""
    return " ".join(filter(None, (row["number"], reference))) or f"({row['id']})"


def _invoice_line_name(books: Books, row: Row) -> str:
    what = f"{row['quantity']} {row['description'] or ''}".strip()
    return f"{what} @ {books.name(INVOICE, row['invoice'])}"


def _move_line_name(books: Books, row: Row) -> str:
    account = books.tables.row("account.account", row["account"])
    if books.is_old:
        return f"({account['name']})"
    shown = books.money(_move_line_amount(books, row), _amount_currency(books, row))
    return f"{shown} @ {account['code']}"


def _move_line_amount(books: Books, row: Row) -> Decimal:
    account = books.tables.row("account.account", row["account"])
    kind = books.tables.get("account.account.type", account["type"]) or {}
    amount = balance(row, _amount_currency(books, row))
    return -amount if kind.get("statement") == "income" else amount


def _amount_currency(books: Books, row: Row) -> int:
    return int(row["second_currency"] or books.company()["currency"])


def _mechanism(kind: str) -> Computing:
    def first(books: Books, row: Row) -> str:
        ids = books.value(PARTY, row, "contact_mechanisms")
        found = books.rows("party.contact_mechanism", ids)
        return next((str(each["value"]) for each in found if each["type"] == kind), "")

    return first


def _tax_identifier(books: Books, row: Row) -> int | None:
    ids = books.value(PARTY, row, "identifiers")
    found = books.rows("party.identifier", ids)
    return next((each["id"] for each in found if each["type"] == "eu_vat"), None)


def _full_address(books: Books, row: Row) -> str:
    town = " ".join(filter(None, (row["postal_code"], row["city"])))
    return "\n".join(filter(None, (row["street"], town)))


def _timestamp(books: Books, row: Row) -> str:
    seconds = Decimal(
        int((row["write_date"] or row["create_date"]).timestamp() * 10**6)
    )
    exact = seconds.scaleb(-6)
    if not books.sqlite:
        return f"{exact:.6f}"
    return f"{exact:.0f}" if books.is_old else f"{exact:.5f}"


def _of_move(name: str) -> Computing:
    return lambda books, row: _line_move(books, row)[name]


def _invoice_payment(books: Books, row: Row) -> int | None:
    found = books.tables.pointing(INVOICE, "payment_lines", row["id"])
    return found[0] if found else None


COMPUTED: Mapping[tuple[str, str], Computing] = {
    ("", "_timestamp"): _timestamp,
    ("", "rec_name"): lambda books, row: (
        row.get("name") or row.get("number") or f"({row['id']})"
    ),
    (PARTY, "email"): _mechanism("email"),
    (PARTY, "phone"): _mechanism("phone"),
    (PARTY, "tax_identifier"): _tax_identifier,
    ("party.address", "full_address"): _full_address,
    ("party.address", "rec_name"): lambda books, row: ", ".join(
        filter(
            None,
            [books.name(PARTY, row["party"]), *_full_address(books, row).split("\n")],
        )
    ),
    ("party.contact_mechanism", "email"): lambda books, row: (
        row["value"] if row["type"] == "email" else None
    ),
    ("party.contact_mechanism", "rec_name"): lambda books, row: (
        f"{books.name(PARTY, row['party'])} <{row['value']}>"
    ),
    ("party.identifier", "rec_name"): lambda books, row: row["code"],
    (INVOICE, "rec_name"): _invoice_name,
    (INVOICE, "untaxed_amount"): _untaxed,
    (INVOICE, "tax_amount"): _tax,
    (INVOICE, "total_amount"): lambda books, row: (
        _untaxed(books, row) + _tax(books, row)
    ),
    (INVOICE, "amount_to_pay"): owed,
    (INVOICE, "amount_to_pay_today"): lambda books, row: owed(
        books, row, books.today()
    ),
    (INVOICE, "reconciled"): _reconciled,
    (INVOICE, "lines_to_pay"): lambda books, row: [
        line["id"] for line in lines_to_pay(books, row)
    ],
    (INVOICE, "reconciliation_lines"): reconciliation_lines,
    (INVOICE, "origin_invoices"): _origin_invoices,
    ("account.invoice.line", "amount"): _line_amount,
    ("account.invoice.line", "rec_name"): _invoice_line_name,
    (LINE, "rec_name"): _move_line_name,
    (LINE, "date"): _of_move("date"),
    (LINE, "journal"): _of_move("journal"),
    (LINE, "period"): _of_move("period"),
    (LINE, "company"): _of_move("company"),
    (LINE, "move_origin"): _of_move("origin"),
    (LINE, "move_state"): _of_move("state"),
    (LINE, "move_description_used"): lambda books, row: (
        _line_move(books, row)["description"] or ""
    ),
    (LINE, "description_used"): lambda books, row: row["description"] or "",
    (LINE, "currency"): lambda books, row: books.company()["currency"],
    (LINE, "amount"): _move_line_amount,
    (LINE, "amount_currency"): _amount_currency,
    (LINE, "invoice_payment"): _invoice_payment,
    (LINE, "invoice_payments"): lambda books, row: books.tables.pointing(
        INVOICE, "payment_lines", row["id"]
    ),
    ("account.account", "rec_name"): lambda books, row: (
        f"{row['code']} - {row['name']}"
    ),
    ("company.company", "rec_name"): lambda books, row: books.name(PARTY, row["party"]),
    ("currency.currency", "rate"): lambda books, row: books.rate(
        row["id"], books.today()
    ),
    ("product.product", "rec_name"): lambda books, row: books.name(
        "product.template", row["template"]
    ),
    ("res.user.warning", "rec_name"): lambda books, row: row["name"],
}
