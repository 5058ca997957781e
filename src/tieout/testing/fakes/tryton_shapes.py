"""
What goes over the wire to and from the fake Tryton: its JSON, its errors, its domains,
its order and its dotted reads.

Everything here asks for values and changes none; nothing here knows a rule of bookkeeping.
"""

from __future__ import annotations

import base64
import functools
import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol, TypeAlias

from tieout.testing.fakes.tryton_models import COLLECTIONS, Field, Model, Row, Tables

Test: TypeAlias = Callable[[Row], bool]

NO_DOMAIN = "maximum recursion depth exceeded in __instancecheck__"
"""What Tryton says of anything that is no domain: it looks for clauses in it for ever."""


class Source(Protocol):
    """Where values come from; ``sqlite`` and ``is_old`` tell what Tryton they are in."""

    models: dict[str, Model]
    tables: Tables
    sqlite: bool
    is_old: bool

    def value(self, model: str, row: Row, name: str) -> Any: ...


# Errors ------------------------------------------------------------------------------


class Refused(Exception):
    """The call ends with this ``error`` in the answer's body."""

    def __init__(self, *error: Any) -> None:
        self.error = list(error)
        super().__init__(str(error))


class Dropped(Exception):
    """The call ends with an HTTP status and a page of HTML, whatever the envelope."""

    def __init__(self, status: int, text: str = "") -> None:
        self.status = status
        self.text = text
        super().__init__(f"{status} {text}")


def plain(text: str) -> Refused:
    """What any Python exception becomes: its text, and a trace that is left out."""
    return Refused(text, "")


def user_error(message: str, description: str = "", domain: Any = None) -> Refused:
    """A refusal that people are meant to read."""
    return Refused("UserError", [message, description, domain])


def user_warning(key: str, message: str, description: str = "") -> Refused:
    """A refusal that goes away once its key was accepted."""
    return Refused("UserWarning", [key, message, description])


# JSON --------------------------------------------------------------------------------

_MOMENT = ("year", "month", "day", "hour", "minute", "second", "microsecond")


def _instant(it: Mapping[str, Any]) -> datetime:
    year, month, day, *clock = (it[name] for name in _MOMENT)
    # Tryton's instants are UTC and say so nowhere.
    return datetime.combine(date(year, month, day), time(*clock), UTC)


_PARTS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "Decimal": lambda it: Decimal(it["decimal"]),
    "date": lambda it: date(it["year"], it["month"], it["day"]),
    "datetime": _instant,
    "timedelta": lambda it: timedelta(seconds=it["seconds"]),
    "bytes": lambda it: base64.b64decode(it["base64"]),
}


def _hook(content: dict[str, Any]) -> Any:
    made = _PARTS.get(str(content.get("__class__")))
    return made(content) if made else content


def read_body(body: bytes) -> Any:
    """A body with Tryton's classes as values; `ValueError` where it is none."""
    try:
        return json.loads(body, object_hook=_hook)
    except (KeyError, TypeError, RecursionError, InvalidOperation) as error:
        raise ValueError(str(error)) from error


def _written(value: Any) -> Any:
    match value:
        case Decimal():
            return {"__class__": "Decimal", "decimal": str(value)}
        case datetime():
            parts = {name: getattr(value, name) for name in _MOMENT}
            return {"__class__": "datetime", **parts}
        case date():
            parts = {name: getattr(value, name) for name in _MOMENT[:3]}
            return {"__class__": "date", **parts}
        case _:
            raise TypeError(repr(value))


def write_body(value: Any) -> bytes:
    """JSON with Tryton's classes."""
    return json.dumps(value, default=_written, separators=(",", ":")).encode()


# Fields ------------------------------------------------------------------------------


def field_of(source: Source, model: str, name: str) -> Field:
    """A field by its name; Tryton's whole error is the name in quotes."""
    found = source.models[model].fields.get(name)
    if found is None:
        raise plain(f"'{name}'")
    return found


def related(source: Source, field: Field, value: Any) -> list[tuple[str, Row]]:
    """The rows that a relation's value names, each with its model."""
    if value is None:
        return []
    if field.kind == "reference":
        model, _, key = str(value).partition(",")
        pairs = [(model, int(key))] if key.isdigit() else []
    else:
        keys = value if field.kind in COLLECTIONS else [value]
        pairs = [(field.target, key) for key in keys]
    rows = ((model, source.tables.get(model, key)) for model, key in pairs)
    return [(model, row) for model, row in rows if row is not None]


def as_kind(kind: str, value: Any) -> Any:
    """A value that a client sent, as what the field keeps."""
    if value is None:
        return None
    match kind:
        case "integer" | "many2one":
            try:
                return int(value)
            except (TypeError, ValueError):
                told = f"invalid literal for int() with base 10: {value!r}"
                raise plain(told) from None
        case "numeric":
            try:
                # A float is taken without a word: that is the trap.
                return Decimal(str(value))
            except InvalidOperation:
                told = f"could not convert string to float: {value!r}"
                raise plain(told) from None
        case "float":
            return float(value)
        case "boolean":
            return bool(value)
        case "date" | "timestamp":
            return _moment(kind, value)
        case _:
            return value


def _moment(kind: str, value: Any) -> Any:
    try:
        if not isinstance(value, date):
            value = datetime.fromisoformat(str(value))
    except ValueError:
        raise plain(f"Invalid isoformat string: {value!r}") from None
    if kind == "date":
        return value.date() if isinstance(value, datetime) else value
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return value if value.tzinfo else value.replace(tzinfo=UTC)


# Domains -----------------------------------------------------------------------------

_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LIKE = frozenset({"like", "not like", "ilike", "not ilike"})
OPERATORS = frozenset(_COMPARED) | _LIKE | {"in", "not in", "where"}


def _is_clause(part: Any) -> bool:
    return (
        isinstance(part, list)
        and len(part) > 2  # noqa: PLR2004 - field, operator, value
        and isinstance(part[0], str)
        and isinstance(part[1], str)
        and part[1] in OPERATORS
    )


def compiled(source: Source, model: str, domain: Any) -> Test:
    """A domain as a test of rows; Tryton's own errors for what it does not take."""
    if _is_clause(domain):
        if len(domain) > 4:  # noqa: PLR2004 - and the model behind a reference
            raise plain("too many values to unpack (expected 3)")
        name, how, value, *target = domain
        return _clause(source, model, name, how, value, target)
    if not isinstance(domain, list):
        raise plain(NO_DOMAIN)
    parts, joined = domain, all
    if domain and domain[0] in ("AND", "OR"):
        parts, joined = domain[1:], any if domain[0] == "OR" else all
    tests = [compiled(source, model, part) for part in parts]
    # An empty domain is everything, under OR too.
    return lambda row: not tests or joined(test(row) for test in tests)


def names_in(domain: Any) -> set[str]:
    """The fields that a domain speaks of at its first level."""
    if _is_clause(domain):
        return {domain[0]}
    parts = domain if isinstance(domain, list) else []
    return set().union(*(names_in(part) for part in parts))


def _clause(
    source: Source, model: str, name: str, how: str, value: Any, target: list[str]
) -> Test:
    head, dot, rest = name.partition(".")
    field = field_of(source, model, head)
    if not field.searchable:
        label = source.models[model].label
        told = f'Missing search function for field "{field.label}" in "{label}".'
        raise plain(told)
    if dot:
        return _dotted(source, model, field, [rest, how, value, *target])
    if how == "where":
        inner = compiled(source, field.target, value)
        return _through(source, model, field, inner)
    if field.kind in COLLECTIONS:
        return _of_many(source, model, field, how, value)
    if field.kind == "many2one" and isinstance(value, str) and not value.isdigit():
        named = _leaf(source, "char", how, value)
        return _through(
            source,
            model,
            field,
            lambda row: named(source.value(field.target, row, "rec_name")),
        )
    test = _leaf(source, field.kind, how, value)
    return lambda row: test(source.value(model, row, head))


def _dotted(source: Source, model: str, field: Field, clause: list[Any]) -> Test:
    target = ""
    if field.kind == "reference":
        if len(clause) < 4:  # noqa: PLR2004
            raise plain("not enough values to unpack (expected 4, got 3)")
        target = clause.pop()
        if target not in source.models:
            raise plain(f"'{target}'")
    elif not field.target:
        raise plain("'int' object has no attribute 'strip'")
    inner = compiled(source, target or field.target, clause)
    # What points nowhere differs from everything, and from nothing only in a list.
    with_none = _is_negative(clause[1]) and (
        clause[2] is not None or field.kind in COLLECTIONS
    )
    return _through(source, model, field, inner, target=target, with_none=with_none)


def _is_negative(how: str) -> bool:
    return how == "!=" or how.startswith("not")


def _through(
    source: Source,
    model: str,
    field: Field,
    inner: Test,
    *,
    target: str = "",
    with_none: bool = False,
) -> Test:
    """Whether any of the related rows passes, or ``with_none`` there is none."""

    def test(row: Row) -> bool:
        value = source.value(model, row, field.name)
        if not value:
            return with_none
        return any(
            inner(other)
            for name, other in related(source, field, value)
            if target in ("", name)
        )

    return test


def _of_many(source: Source, model: str, field: Field, how: str, value: Any) -> Test:
    if value is None:
        wanted = how == "!="
        return lambda row: bool(source.value(model, row, field.name)) is wanted
    name = "rec_name" if isinstance(value, str) else "id"
    inner = _clause(source, field.target, name, how, value, [])
    return _through(source, model, field, inner, with_none=_is_negative(how))


def _leaf(source: Source, kind: str, how: str, value: Any) -> Callable[[Any], bool]:
    """How one value is compared. SQL's null is neither equal nor unequal to anything."""
    # A text that is missing counts as an empty one, but for 7.0.
    is_text = kind in {"char", "text"} and not source.is_old
    if how in _LIKE:
        is_blind = how.endswith("ilike") or source.sqlite
        escapes = not (source.sqlite and source.is_old)
        pattern = _pattern(
            str(value), re.IGNORECASE if is_blind else 0, escapes=escapes
        )
        found = pattern.fullmatch
        is_not = how.startswith("not")
        return lambda it: (
            (it is not None or is_text) and (found(it or "") is None) is is_not
        )
    if how in ("in", "not in"):
        return _among(kind, how, value, is_text=is_text)
    if value is None:
        return lambda it: (it is None) is (how == "=")
    compare, other = _COMPARED[how], as_kind(kind, value)
    if is_text:
        return lambda it: compare(it or "", other)
    if kind == "boolean":
        return lambda it: compare(bool(it), other)
    return lambda it: it is not None and compare(it, other)


def _among(kind: str, how: str, value: Any, *, is_text: bool) -> Callable[[Any], bool]:
    if not isinstance(value, (list, tuple)):
        raise plain(f"'{type(value).__name__}' object is not iterable")
    others = [as_kind(kind, each) for each in value]
    with_null, known = None in others, [each for each in others if each is not None]

    def test(it: Any) -> bool:
        if it is None and not (is_text and "" in known):
            if how == "in":
                return with_null
            return not with_null and (is_text or not known)
        return ((it or "" if is_text else it) in known) is (how == "in")

    return test


@functools.lru_cache(maxsize=64)
def _pattern(text: str, flags: int, *, escapes: bool) -> re.Pattern[str]:
    """SQL's LIKE, where it ``escapes`` with a backslash before what is meant as it stands."""
    parts: list[str] = re.findall(r"\\.|." if escapes else ".", text, re.DOTALL)
    by_sign = {"%": ".*", "_": "."}
    return re.compile(
        "".join(by_sign.get(part) or re.escape(part[-1]) for part in parts),
        flags | re.DOTALL,
    )


# Order -------------------------------------------------------------------------------

_WAYS = re.compile(r"(ASC|DESC)( NULLS (FIRST|LAST))?")


def ordered(
    source: Source, model: str, rows: list[Row], order: Iterable[Any]
) -> list[Row]:
    """The rows in that order: pairs of a field and ASC or DESC, the last one first."""
    pairs = list(order)
    for pair in reversed(pairs):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:  # noqa: PLR2004
            raise plain("not enough values to unpack (expected 2, got 1)")
        name, way = pair
        found = _WAYS.fullmatch(str(way or "ASC").upper())
        if found is None:
            raise plain(f"'{way}'")
        key = _sort_key(source, model, str(name))
        keyed = [(key(row), row) for row in rows]
        filled = [each for each in keyed if each[0] is not None]
        empty = [row for value, row in keyed if value is None]
        filled.sort(key=lambda each: each[0], reverse=found[1] == "DESC")
        # Where nobody says, null is the smallest for SQLite and the largest for PostgreSQL.
        first = found[3] or (
            "FIRST" if source.sqlite is (found[1] == "ASC") else "LAST"
        )
        sorted_rows = [row for _, row in filled]
        rows = empty + sorted_rows if first == "FIRST" else sorted_rows + empty
    return rows


def _sort_key(source: Source, model: str, name: str) -> Callable[[Row], Any]:
    head, _, rest = name.partition(".")
    field = field_of(source, model, head)
    is_stored = not field.computed or model == "account.move.line"
    if not is_stored or field.kind in COLLECTIONS:
        label = source.models[model].label
        told = f'Missing order function for field "{field.label}" in "{label}".'
        raise plain("" if source.is_old else told)
    if field.kind != "many2one":
        return lambda row: source.value(model, row, head)
    inner = _sort_key(source, field.target, rest or _first_order(source, field.target))

    def key(row: Row) -> Any:
        others = related(source, field, source.value(model, row, head))
        return inner(others[0][1]) if others else None

    return key


def _first_order(source: Source, model: str) -> str:
    return source.models[model].order[0][0]


# Reading -----------------------------------------------------------------------------

Wanted: TypeAlias = dict[str, dict[str, Any]]


def wanted_fields(names: Sequence[str]) -> tuple[list[str], Wanted]:
    """``["number", "party.name"]`` as plain names and a tree of the dotted ones."""
    flat: list[str] = ["id"]
    nested: Wanted = {}
    for name in names:
        head, dot, rest = name.partition(".")
        if dot:
            nested.setdefault(head, {})[rest] = None
        elif name not in flat:
            flat.append(name)
    return flat, nested


def read_row(source: Source, model: str, row: Row, names: Sequence[str]) -> Row:
    """One row as ``read`` answers it: dotted names as nested rows under ``name.``."""
    flat, nested = wanted_fields(names)
    shown = {name: _shown(source, model, row, name) for name in flat}
    for head, rest in nested.items():
        field = field_of(source, model, head)
        if not field.target and field.kind != "reference":
            kind = field.kind.title()
            raise plain(f"'{kind}' object has no attribute 'get_target'")
        if field.target:
            _check_names(source, field.target, list(rest))
        value = source.value(model, row, head)
        rows = [
            read_row(source, name, other, list(rest))
            for name, other in related(source, field, value)
        ]
        many = field.kind in COLLECTIONS
        shown[f"{head}."] = rows if many else rows[0] if rows else None
    return shown


def _check_names(source: Source, model: str, names: Sequence[str]) -> None:
    """An unknown field is refused where there is no row to read as well."""
    for name in names:
        head, dot, rest = name.partition(".")
        field = field_of(source, model, head)
        if dot and field.target:
            _check_names(source, field.target, [rest])


def check_read(source: Source, model: str, names: Any) -> list[str]:
    """The names of fields that a client asked for, all of them known."""
    asked = [str(name) for name in names or ()]
    _check_names(source, model, asked)
    return asked


def _shown(source: Source, model: str, row: Row, name: str) -> Any:
    field = field_of(source, model, name)
    value = source.value(model, row, name)
    if field.kind == "boolean" and source.sqlite and not field.computed:
        return None if value is None else int(value)
    return list(value) if field.kind in COLLECTIONS and value is not None else value
