"""
ConnectWise's query language (``conditions`` and ``orderBy``), read and made into
predicates and sort keys.

It knows the kinds of fields and nothing of what they mean. It holds no records.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias

Record: TypeAlias = dict[str, Any]
Predicate: TypeAlias = Callable[[Record], bool]
Order: TypeAlias = tuple[tuple[str, bool], ...]
"""Paths in order, each with whether it descends; ends in the id, so that it is total."""

DEPTH_MAX = 50
"""Parentheses within parentheses; deeper is hostile."""

SHORTHANDS = {
    "lastUpdated": "_info/lastUpdated",
    "dateEntered": "_info/dateEntered",
    "updatedBy": "_info/updatedBy",
}


class Kind(Enum):
    """What a field holds; the value is the word that complaints use."""

    TEXT = "string"
    NUMBER = "numeric"
    BOOLEAN = "boolean"
    INSTANT = "datetime"
    REFERENCE = "reference"
    ANY = "object"


class BadQuery(Exception):
    """A condition or an order that the server does not understand."""


_HINT = (
    "String values should be enclosed in double or single quotes, "
    "datetimes in square brackets."
)


def _complaint(expected: str = "boolean", given: str = "numeric") -> BadQuery:
    return BadQuery(f"Expected a {expected} value, not a {given}. {_HINT}")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison; the value of ``in`` is a tuple."""

    path: str
    op: str
    value: Any
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Every:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Some:
    parts: tuple[Node, ...]


Node: TypeAlias = Comparison | Every | Some

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<instant>\[[^\]]*\])
    | (?P<number>-?\d{1,30}(?:\.\d{1,30})?(?![\w.]))
    | (?P<sign><=|>=|!=|=|<|>|\(|\)|,)
    | (?P<word>[A-Za-z_][\w/]*)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"""\\(["'\\])""")


@dataclass(frozen=True, slots=True)
class _Token:
    shape: str
    text: str

    def says(self, *words: str) -> bool:
        return self.shape in {"sign", "word"} and self.text.lower() in words


_END = _Token("end", "")


def _tokens(text: str) -> Iterator[_Token]:
    position, end = 0, len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None:
            raise _complaint()
        shape = str(found.lastgroup)
        yield _Token(shape, found[shape])
        position = found.end()


def instant(text: str) -> str | None:
    """An ISO instant as the server keeps it: UTC, to the second; None where it is none."""
    try:
        found = datetime.fromisoformat(text.strip())
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        return found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        return None


def _literal(token: _Token) -> tuple[Kind | None, Any]:
    """The kind and the value of a literal; the kind of null is None."""
    match token.shape:
        case "string":
            return Kind.TEXT, _ESCAPE.sub(r"\1", token.text[1:-1])
        case "number":
            whole = "." not in token.text
            return Kind.NUMBER, int(token.text) if whole else Decimal(token.text)
        case "instant":
            at = instant(token.text[1:-1])
            if at is None:
                raise _complaint("datetime", "string")
            return Kind.INSTANT, at
        case "word" if token.text.lower() in {"true", "false"}:
            return Kind.BOOLEAN, token.text.lower() == "true"
        case "word" if token.text.lower() == "null":
            return None, None
    raise _complaint()


_ALL_KINDS = frozenset(Kind)
_ORDERED = frozenset({Kind.TEXT, Kind.NUMBER, Kind.INSTANT})
_OPERATORS: Mapping[str, frozenset[Kind]] = {
    "=": _ALL_KINDS,
    "!=": _ALL_KINDS,
    "<": _ORDERED,
    "<=": _ORDERED,
    ">": _ORDERED,
    ">=": _ORDERED,
    "contains": frozenset({Kind.TEXT}),
    "like": frozenset({Kind.TEXT}),
    "in": _ORDERED,
}
_NEGATABLE = ("contains", "like", "in")


class _Parser:
    """Recursive descent over one condition: ``and`` binds closer than ``or``."""

    def __init__(self, text: str, kinds: Mapping[str, Kind]) -> None:
        self._tokens = [*_tokens(text), _END]
        self._at = 0
        self._kinds = kinds

    def parse(self) -> Node:
        node = self._either(0)
        if self._tokens[self._at] is not _END:
            raise _complaint()
        return node

    def _take(self, *words: str) -> bool:
        if self._tokens[self._at].says(*words):
            self._at += 1
            return True
        return False

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        if token is not _END:
            self._at += 1
        return token

    def _either(self, depth: int) -> Node:
        parts = [self._both(depth)]
        while self._take("or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _both(self, depth: int) -> Node:
        parts = [self._single(depth)]
        while self._take("and"):
            parts.append(self._single(depth))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _single(self, depth: int) -> Node:
        if self._take("("):
            if depth >= DEPTH_MAX:
                raise BadQuery("The conditions are nested too deeply.")
            node = self._either(depth + 1)
            self._close()
            return node
        return self._test()

    def _close(self) -> None:
        if not self._take(")"):
            raise _complaint()

    def _test(self) -> Comparison:
        token = self._next()
        if token.shape != "word":
            raise _complaint()
        path = full_path(token.text, self._kinds)
        negated = self._take("not")
        op = self._next().text.lower()
        kind = self._kinds[path]
        if op not in _OPERATORS or (negated and op not in _NEGATABLE):
            raise _complaint()
        if kind not in _OPERATORS[op]:
            raise BadQuery(f"Operator '{op}' cannot be used on {path}.")
        value = self._list(kind) if op == "in" else self._value(kind, op)
        return Comparison(path, op, value, negated)

    def _list(self, kind: Kind) -> tuple[Any, ...]:
        if not self._take("("):
            raise _complaint()
        values = [self._value(kind, "in")]
        while self._take(","):
            values.append(self._value(kind, "in"))
        self._close()
        return tuple(values)

    def _value(self, kind: Kind, op: str) -> Any:
        given, value = _literal(self._next())
        if given is None:
            if op not in {"=", "!="}:
                raise _complaint(kind.value, "null")
        elif given is not kind:
            raise _complaint(kind.value, given.value)
        return value


def full_path(name: str, kinds: Mapping[str, Kind]) -> str:
    """The path that a name in a query stands for, shorthands resolved."""
    path = SHORTHANDS.get(name, name)
    if path not in kinds:
        raise BadQuery(f"Property '{name}' does not exist.")
    return path


def parse(text: str, kinds: Mapping[str, Kind]) -> Node:
    """A condition as a tree; `BadQuery` where it is none."""
    return _Parser(text, kinds).parse()


# Trees as predicates -----------------------------------------------------------


def reader(path: str) -> Callable[[Record], Any]:
    """What stands at a path of a record, None where nothing does."""
    names = path.split("/")
    if len(names) == 1:
        return lambda record: record.get(path)

    def read(record: Record) -> Any:
        found: Any = record
        for name in names:
            if not isinstance(found, dict):
                return None
            found = found.get(name)
        return found

    return read


def _wildcards(pattern: str) -> re.Pattern[str]:
    # Both wildcards are reported by users of the real server, so both are taken.
    parts = (".*" if part in "%*" else re.escape(part) for part in pattern)
    return re.compile("".join(parts), re.DOTALL)


def _compare(compare: Callable[[Any, Any], bool], wanted: Any) -> Callable[[Any], bool]:
    return lambda value: value is not None and compare(value, wanted)


def _like(wanted: str) -> Callable[[Any], bool]:
    pattern = _wildcards(wanted)
    return lambda value: value is not None and pattern.fullmatch(value) is not None


def _among(wanted: tuple[Any, ...]) -> Callable[[Any], bool]:
    members = frozenset(wanted)
    return lambda value: value in members


_CHECKS: Mapping[str, Callable[[Any], Callable[[Any], bool]]] = {
    "=": lambda wanted: lambda value: bool(value == wanted),
    "!=": lambda wanted: lambda value: bool(value != wanted),
    "<": lambda wanted: _compare(operator.lt, wanted),
    "<=": lambda wanted: _compare(operator.le, wanted),
    ">": lambda wanted: _compare(operator.gt, wanted),
    ">=": lambda wanted: _compare(operator.ge, wanted),
    "contains": lambda wanted: _compare(operator.contains, wanted),
    "like": _like,
    "in": _among,
}


def _tested(test: Comparison) -> Predicate:
    read, check = reader(test.path), _CHECKS[test.op](test.value)
    if test.negated:
        return lambda record: not check(read(record))
    return lambda record: check(read(record))


def predicate(node: Node) -> Predicate:
    """The tree as a function of one record."""
    if isinstance(node, Comparison):
        return _tested(node)
    checks = [predicate(part) for part in node.parts]
    holds = all if isinstance(node, Every) else any
    return lambda record: holds(check(record) for check in checks)


# Order -------------------------------------------------------------------------

BY_ID: Order = (("id", False),)


def parse_order(text: str, kinds: Mapping[str, Kind]) -> Order:
    """``field asc|desc, …`` as an order, ended by the id; `BadQuery` where it is none."""
    found: list[tuple[str, bool]] = []
    for part in text.split(",") if text.strip() else ():
        match part.split():
            case [name]:
                direction = "asc"
            case [name, direction] if direction.lower() in {"asc", "desc"}:
                pass
            case _:
                raise BadQuery(f"'{part.strip()}' is not an order.")
        path = full_path(name, kinds)
        if kinds[path] not in _ORDERED | {Kind.BOOLEAN}:
            raise BadQuery(f"Property '{name}' has no order.")
        found.append((path, direction.lower() == "desc"))
    if all(path != "id" for path, _ in found):
        found.extend(BY_ID)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Descending:
    """A part of a key that sorts the other way round."""

    part: tuple[Any, ...]

    def __lt__(self, other: _Descending) -> bool:
        return other.part < self.part


def order_key(order: Order) -> Callable[[Record], tuple[Any, ...]]:
    """The sort key of a record in that order; what is missing comes first."""
    readers = [(reader(path), descending) for path, descending in order]

    def key(record: Record) -> tuple[Any, ...]:
        parts: list[Any] = []
        for read, descending in readers:
            value = read(record)
            part = () if value is None else (value,)
            parts.append(_Descending(part) if descending else part)
        return tuple(parts)

    return key
