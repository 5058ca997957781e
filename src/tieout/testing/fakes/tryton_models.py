"""
The models and fields that the fake Tryton knows, as a table, and the rows of them.

Rows are kept with their relations looked up both ways, and a change that fails is taken
back whole. Nothing here knows a rule of bookkeeping, a domain or the wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]

COLLECTIONS = frozenset({"one2many", "many2many"})
LOOKED_UP = frozenset({"many2one", "reference"})


@dataclass(frozen=True, slots=True)
class Field:
    """
    One field. A ``computed`` one is never stored; ``searchable`` ones may stand in a
    domain; a ``recent`` one does not exist in Tryton 7.0.
    """

    name: str
    kind: str
    target: str = ""
    inverse: str = ""
    required: bool = False
    computed: bool = False
    searchable: bool = True
    recent: bool = False

    @property
    def label(self) -> str:
        """What people read: ``invoice_date`` is "Invoice Date"."""
        return LABELS.get(self.name, self.name.replace("_", " ").title())


@dataclass(frozen=True, slots=True)
class Model:
    """One model: its fields, and the order in which it is listed when none is asked for."""

    name: str
    label: str
    fields: Mapping[str, Field]
    order: tuple[tuple[str, str], ...]


LABELS = {
    "amount_to_pay": "Amount to Pay",
    "amount_to_pay_today": "Amount to Pay Today",
    "date": "Effective Date",
    "lines_to_pay": "Lines to Pay",
    "reconciliation_lines": "Payment Lines",
    "total_amount": "Total",
    "untaxed_amount": "Untaxed",
    "tax_amount": "Tax",
}
OLD_LABELS = {"account.invoice": "Invoice", "account.invoice.line": "Invoice Line"}
"""What 7.0 calls them."""

# A word is a field: ``name:kind`` (char where none is told), ``name>model`` one record,
# ``name<model/field`` those that point here, ``name*model`` a list, ``name@`` a record of
# any model. After it: ``!`` required, ``=`` computed, ``~`` computed and not searchable,
# ``+`` not in 7.0. Behind the bar stands the order of a list.
_WORD = re.compile(
    r"(?P<name>\w+)(?P<what>:\w+|[>*][\w.]+|<[\w.]+/\w+|@)?(?P<marks>[!=~+]*)"
)
_ALWAYS = """
    id:integer create_date:timestamp write_date:timestamp create_uid>res.user
    write_uid>res.user _timestamp~ rec_name=
"""
_TABLE = """
party.party | name ASC
    name code active:boolean addresses<party.address/party tax_identifier~
    contact_mechanisms<party.contact_mechanism/party email~ phone~ lang
    identifiers<party.identifier/party replaced_by>party.party
    customer_payment_term>account.invoice.payment_term

party.address | id ASC
    party>party.party! party_name street:text postal_code city
    country>country.country active:boolean full_address:text~

party.contact_mechanism | id ASC
    party>party.party! type:selection value name active:boolean email~

party.identifier | id ASC
    party>party.party! type:selection code!

account.invoice | number DESC NULLS FIRST, id DESC
    type:selection! number reference description state:selection comment:text
    company>company.company! party>party.party! invoice_address>party.address!
    invoice_date:date accounting_date:date account>account.account!
    journal>account.journal currency>currency.currency! payment_term_date:date
    payment_term>account.invoice.payment_term sequence>ir.sequence.strict
    lines<account.invoice.line/invoice taxes<account.invoice.tax/invoice
    move>account.move cancel_move>account.move additional_moves*account.move
    payment_lines*account.move.line untaxed_amount:numeric= tax_amount:numeric=
    total_amount:numeric= untaxed_amount_cache:numeric tax_amount_cache:numeric
    total_amount_cache:numeric amount_to_pay:numeric~ amount_to_pay_today:numeric~
    reconciled:date~ lines_to_pay*account.move.line~
    reconciliation_lines*account.move.line~ sequence_type_cache:selection+
    origin_invoices*account.invoice=+

account.invoice.line | sequence ASC NULLS FIRST, id ASC
    invoice>account.invoice type:selection! company>company.company
    currency>currency.currency account>account.account description:text
    quantity:float unit>product.uom unit_price:numeric taxes*account.tax
    product>product.product origin@ sequence:integer note:text
    party>party.party invoice_type:selection taxes_date:date amount:numeric~

account.invoice.tax | id ASC
    invoice>account.invoice! account>account.account base:numeric amount:numeric
    tax>account.tax manual:boolean description

account.move | date DESC, id DESC
    number company>company.company! period>account.period! journal>account.journal!
    date:date! post_date:date description origin@ state:selection
    lines<account.move.line/move

account.move.line | date DESC, id DESC
    move>account.move! account>account.account! debit:numeric credit:numeric
    party>party.party maturity_date:date origin@ description
    reconciliation>account.move.reconciliation state:selection
    second_currency>currency.currency amount_second_currency:numeric
    date:date= journal>account.journal= period>account.period=
    company>company.company= currency>currency.currency~ move_origin@=
    move_state:selection= amount:numeric~ amount_currency>currency.currency~
    invoice_payment>account.invoice= invoice_payments*account.invoice=
    description_used= move_description_used=

account.move.reconciliation | date DESC, id DESC
    number company>company.company date:date
    lines<account.move.line/reconciliation delegate_to>account.move.line

account.invoice.payment.method | name ASC
    name company>company.company journal>account.journal! active:boolean
    credit_account>account.account! debit_account>account.account!

account.move.reconcile.write_off | name ASC
    name company>company.company journal>account.journal! active:boolean
    credit_account>account.account! debit_account>account.account!

account.invoice.payment_term | name ASC
    name! active:boolean description:text
    lines<account.invoice.payment_term.line/payment

account.invoice.payment_term.line | sequence ASC NULLS FIRST, id ASC
    payment>account.invoice.payment_term type:selection! sequence:integer
    ratio:numeric divisor:numeric amount:numeric
    relativedeltas<account.invoice.payment_term.line.delta/line

account.invoice.payment_term.line.delta | id ASC
    line>account.invoice.payment_term.line days:integer weeks:integer

account.journal | name ASC
    name code type:selection active:boolean

account.account | code ASC
    name code company>company.company type>account.account.type closed:boolean
    party_required:boolean reconcile:boolean currency>currency.currency

account.account.type | id ASC
    name statement receivable:boolean payable:boolean revenue:boolean expense:boolean

account.fiscalyear | start_date DESC
    name start_date:date end_date:date state:selection company>company.company

account.period | start_date DESC
    name start_date:date end_date:date fiscalyear>account.fiscalyear
    state:selection type:selection company>company.company

account.tax | id ASC
    name description type:selection rate:numeric amount:numeric active:boolean
    company>company.company invoice_account>account.account legal_notice:text
    credit_note_account>account.account parent>account.tax

company.company | id ASC
    party>party.party! currency>currency.currency! timezone:selection

country.country | name ASC
    name code

currency.currency | code ASC
    name code symbol digits:integer rounding:numeric numeric_code active:boolean
    rate:numeric~ rates<currency.currency.rate/currency

currency.currency.rate | date DESC
    currency>currency.currency date:date rate:numeric

ir.sequence.strict | name ASC
    name number_next:integer

product.product | code ASC
    code active:boolean template>product.template

product.template | name ASC
    name! code active:boolean type:selection list_price:numeric
    default_uom>product.uom products<product.product/template

product.uom | name ASC
    name symbol active:boolean

res.user | name ASC
    name login active:boolean

res.user.warning | id ASC
    user>res.user! name! always:boolean
"""


def _field(word: str) -> Field:
    found = _WORD.fullmatch(word)
    assert found is not None, word
    what, marks = found["what"] or ":char", found["marks"]
    target, _, inverse = what[1:].partition("/")
    by_sign = {">": "many2one", "<": "one2many", "*": "many2many", "@": "reference"}
    kind = by_sign.get(what[0], target)
    return Field(
        found["name"],
        kind,
        target if what[0] in "><*" else "",
        inverse,
        required="!" in marks,
        computed="=" in marks or "~" in marks,
        searchable="~" not in marks,
        recent="+" in marks,
    )


def read_order(text: str) -> tuple[tuple[str, str], ...]:
    """``name ASC, id DESC`` as pairs."""
    pairs = (each.strip().partition(" ") for each in text.split(","))
    return tuple((name, way) for name, _, way in pairs)


def all_models(version: str) -> dict[str, Model]:
    """Every model of that version, by name."""
    is_old = version == "7.0"
    found = {}
    for block in _TABLE.strip().split("\n\n"):
        head, _, words = block.partition("\n")
        name, _, order = head.partition(" | ")
        fields = [_field(word) for word in f"{_ALWAYS} {words}".split()]
        label = name.replace("_", " ").replace(".", " ").title()
        label = {"party.party": "Party", "res.user": "User"}.get(name, label)
        label = label.removeprefix("Res ").replace("Currency Currency", "Currency")
        found[name] = Model(
            name,
            OLD_LABELS.get(name, label) if is_old else label,
            {each.name: each for each in fields if not (is_old and each.recent)},
            read_order(order),
        )
    return found


class Tables:
    """
    All rows by model and id; `begin`, then `keep` or `take_back` what was done since.

    A row that was handed out is never changed: a change makes a new one.
    """

    def __init__(self, models: Mapping[str, Model], *, reuses_ids: bool) -> None:
        self.models = models
        self._reuses_ids = reuses_ids
        self._rows: dict[str, dict[int, Row]] = {name: {} for name in models}
        self._last = dict.fromkeys(models, 0)
        self._pointing: dict[tuple[str, str, Any], dict[int, None]] = {}
        self._undo: list[tuple[str, int, Row | None]] = []
        self._links = {
            name: [
                each.name
                for each in model.fields.values()
                if not each.computed and each.kind in LOOKED_UP | {"many2many"}
            ]
            for name, model in models.items()
        }

    def begin(self) -> None:
        """From here on changes can be taken back."""
        self._undo.clear()

    keep = begin

    def take_back(self) -> None:
        """Everything since `begin` did not happen; SQLite gives the ids again."""
        for model, key, before in reversed(self._undo):
            self._put(model, key, before)
            if before is None and self._reuses_ids:
                self._last[model] = key - 1
        self._undo.clear()

    @property
    def changed(self) -> bool:
        """Whether anything was changed since `begin`."""
        return bool(self._undo)

    def get(self, model: str, key: int | None) -> Row | None:
        """A row, or None."""
        return None if key is None else self._rows[model].get(key)

    def row(self, model: str, key: int) -> Row:
        """A row that is known to exist."""
        return self._rows[model][key]

    def all(self, model: str) -> Iterator[Row]:
        """Every row of a model, by id."""
        rows = self._rows[model]
        return (rows[key] for key in sorted(rows))

    def pointing(self, model: str, field: str, value: Any) -> list[int]:
        """Ids of the rows whose field is (or whose list contains) that value, oldest first."""
        return sorted(self._pointing.get((model, field, value), ()))

    def insert(self, model: str, values: Row) -> int:
        """A new row; its id."""
        self._last[model] += 1
        key = self._last[model]
        self._undo.append((model, key, None))
        self._put(model, key, {**values, "id": key})
        return key

    def update(self, model: str, key: int, values: Row) -> None:
        """Change fields of a row."""
        before = self._rows[model][key]
        self._undo.append((model, key, before))
        self._put(model, key, {**before, **values})

    def remove(self, model: str, key: int) -> None:
        """Delete a row."""
        self._undo.append((model, key, self._rows[model][key]))
        self._put(model, key, None)

    def _put(self, model: str, key: int, row: Row | None) -> None:
        before = self._rows[model].pop(key, None)
        for field in self._links[model]:
            for value in _values((before or {}).get(field)):
                self._pointing.get((model, field, value), {}).pop(key, None)
            for value in _values((row or {}).get(field)):
                self._pointing.setdefault((model, field, value), {})[key] = None
        if row is not None:
            self._rows[model][key] = row


def _values(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)
