"""
The two query languages of the fake Sage Intacct: the filter of ``query``, and the SQL-like
text of ``readByQuery``.

Both become one kind of condition, which is then held against records. Aggregates and joins
are not here, nor is anything about pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from fnmatch import translate
from functools import partial
from typing import Any, TypeAlias
from xml.etree.ElementTree import Element

from tieout.testing.fakes.intacct_records import CATCH_ALL, Refusal, refusal
from tieout.testing.fakes.intacct_shapes import (
    NUMBER,
    SCATTER,
    SCATTERED,
    Column,
    Kind,
    Shapes,
    invalid,
)

NESTING_MAX = 40
"""Deeper conditions are hostile; Python's own stack is not to be tried."""
IN_MAX = 1000
"""How many values ``in`` takes."""
DAY, STAMP = "%m/%d/%Y", "%m/%d/%Y %H:%M:%S"
"""What filters accept; ISO is refused."""


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison of a condition."""

    operator: str
    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions joined by ``and``, ``or`` or ``not``."""

    word: str
    parts: tuple[Test | Group, ...]


Condition: TypeAlias = Test | Group
Predicate: TypeAlias = Callable[[Any], bool | None]
"""None is SQL's unknown: what nothing is compared with is neither true nor false."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which records of an object are asked for, and in which of the two languages."""

    shapes: Shapes
    kind: Kind
    docparid: str = ""
    legacy: bool = False
    fold: bool = False
    """Case does not matter."""

    def rows(self, condition: Condition | None) -> list[Any]:
        """The records that fulfil a condition, in an order that means nothing."""
        rows: Iterable[Any] = self.kind.rows(self.shapes.books)
        if condition is not None:
            near = None if self.fold else _narrow(self.kind, condition)
            if near is not None:
                rows = self._looked_up(near)
            holds = self._predicate(condition)
            rows = [row for row in rows if holds(row)]
        return sorted(
            rows, key=lambda row: (row.recordno * SCATTER % SCATTERED, row.recordno)
        )

    def _looked_up(self, near: Test) -> Iterable[Any]:
        find, books = self.kind.find[near.field], self.shapes.books
        unique = {
            row.recordno: row for value in near.values for row in find(books, value)
        }
        return unique.values()

    def field(self, name: str) -> tuple[Column, Callable[[Any], Any]]:
        """A field that the condition or the order names."""
        if not self.legacy:
            return self.shapes.queryable(self.kind, name, self.docparid)
        if "." in name:
            raise catch_all()
        try:
            return self.shapes.column(self.kind, name.upper(), self.docparid)
        except KeyError:
            raise catch_all() from None

    def _predicate(self, condition: Condition) -> Predicate:
        if isinstance(condition, Test):
            return self._test(condition)
        parts = [self._predicate(part) for part in condition.parts]
        if condition.word == "not":
            return lambda row: _not(parts[0](row))
        decisive = condition.word == "or"

        def joined(row: Any) -> bool | None:
            found = [part(row) for part in parts]
            if decisive in found:
                return decisive
            return None if None in found else not decisive

        return joined

    def _test(self, test: Test) -> Predicate:
        column, get = self.field(test.field)

        def value_of(row: Any) -> Any:
            value = get(row)
            if self.legacy and column.letters:
                value = column.letters.get(value, value)
            # Nothing and an empty text are one, as in the database underneath.
            return None if value == "" else self._folded(value)

        if test.operator in {"isnull", "isnotnull"}:
            wanted = test.operator == "isnull"
            return lambda row: (value_of(row) is None) == wanted
        if test.operator in {"like", "notlike"}:
            pattern = _like(self._folded(test.values[0]))
            holds = _matches(pattern, self.shapes, wanted=test.operator == "like")
        else:
            operands = [self._operand(column, text) for text in test.values]
            holds = partial(COMPARISONS[test.operator], operands)
        return lambda row: None if (value := value_of(row)) is None else holds(value)

    def _folded(self, value: Any) -> Any:
        return value.casefold() if self.fold and isinstance(value, str) else value

    def _operand(self, column: Column, text: str) -> Any:
        """A value of a condition; one of the wrong type brings the catch-all error."""
        match column.type:
            case "INTEGER" | "DECIMAL":
                if not NUMBER.fullmatch(text):
                    raise catch_all()
                return Decimal(text)
            case "DATE":
                return _moment(text, UTC).date()
            case "TIMESTAMP":
                return _moment(text, self.shapes.look.zone)
            case "BOOLEAN":
                words = ("T", "F") if self.legacy else ("true", "false")
                if text not in words:
                    raise catch_all()
                return text == words[0]
            case _:
                return self._folded(text)


def catch_all() -> Refusal:
    """What Intacct says of nearly every fault in a query."""
    return refusal(CATCH_ALL, "There was an error processing the request.")


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _matches(
    pattern: re.Pattern[str], shapes: Shapes, *, wanted: bool
) -> Callable[[Any], bool]:
    return lambda value: bool(pattern.fullmatch(shapes.text(value))) == wanted


def _moment(text: str, zone: tzinfo) -> datetime:
    for shape in (STAMP, DAY):
        try:
            return datetime.strptime(text, shape).replace(tzinfo=zone)
        except ValueError:
            continue
    raise catch_all()


def _like(pattern: str) -> re.Pattern[str]:
    """Percent is any text and underscore one character; nothing escapes them."""
    globs = re.sub(r"[\[*?]", r"[\g<0>]", pattern)
    globs = globs.replace("%", "*").replace("_", "?")
    return re.compile(translate(globs))


def _narrow(kind: Kind, condition: Condition) -> Test | None:
    """A comparison that every match fulfils and that the books can look up."""
    parts = (condition,) if isinstance(condition, Test) else condition.parts
    if isinstance(condition, Group) and condition.word != "and":
        return None
    for part in parts:
        if (
            isinstance(part, Test)
            and part.operator in {"equalto", "in"}
            and part.field in kind.find
        ):
            return part
    return None


COMPARISONS: Mapping[str, Callable[[list[Any], Any], bool]] = {
    "equalto": lambda given, value: bool(value == given[0]),
    "notequalto": lambda given, value: bool(value != given[0]),
    "lessthan": lambda given, value: bool(value < given[0]),
    "lessthanorequalto": lambda given, value: bool(value <= given[0]),
    "greaterthan": lambda given, value: bool(value > given[0]),
    "greaterthanorequalto": lambda given, value: bool(value >= given[0]),
    "between": lambda given, value: bool(given[0] <= value <= given[1]),
    "in": lambda given, value: value in given,
    "notin": lambda given, value: value not in given,
}
OPERATORS = frozenset({*COMPARISONS, "like", "notlike", "isnull", "isnotnull"})


def read_filter(node: Element, depth: int = 0) -> Condition:
    """The condition in a ``<filter>`` of ``query``."""
    if depth > NESTING_MAX:
        raise invalid("The filter is nested too deeply")
    if node.tag in {"and", "or"}:
        if len(node) < 2:  # noqa: PLR2004 - the schema's own minimum
            raise invalid(f"{node.tag} needs at least two conditions")
        return Group(node.tag, tuple(read_filter(part, depth + 1) for part in node))
    if node.tag not in OPERATORS:
        raise invalid(f"There is no operator {node.tag}")
    values = tuple((value.text or "") for value in node.findall("value"))
    count = {"between": (2, 2), "in": (1, IN_MAX), "notin": (1, IN_MAX)}
    count |= dict.fromkeys(("isnull", "isnotnull"), (0, 0))
    least, most = count.get(node.tag, (1, 1))
    if not least <= len(values) <= most:
        raise invalid(f"{node.tag} takes {least} to {most} values, not {len(values)}")
    return Test(node.tag, (node.findtext("field") or "").strip(), values)


# The language of readByQuery ---------------------------------------------------------

TOKEN = re.compile(
    r"\s*(?:'(?P<text>(?:[^'\\]|\\.)*)'|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z_][\w.]*)|(?P<sign><=|>=|[<>=(),]))",
    re.DOTALL,
)
SIGNS: Mapping[str, str] = {
    "=": "equalto",
    "<": "lessthan",
    "<=": "lessthanorequalto",
    ">": "greaterthan",
    ">=": "greaterthanorequalto",
}


class Sql:
    """A condition of readByQuery, read; whatever it does not know is the catch-all."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def condition(self) -> Condition | None:
        """The whole; None for an empty text."""
        if not self._tokens:
            return None
        found = self._joined("or", 0)
        if self._at < len(self._tokens):
            raise catch_all()
        return found

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _take(self, *kinds: str) -> str:
        kind, text = self._peek()
        if kind not in kinds:
            raise catch_all()
        self._at += 1
        return text

    def _skip(self, *words: str) -> bool:
        """Go past these words if they come next."""
        ahead = self._tokens[self._at : self._at + len(words)]
        if [text.lower() for kind, text in ahead if kind != "text"] != list(words):
            return False
        self._at += len(words)
        return True

    def _joined(self, word: str, depth: int) -> Condition:
        if depth > NESTING_MAX:
            raise catch_all()
        inner = self._joined if word == "or" else self._single
        parts = [inner("and", depth)]
        while self._skip(word):
            parts.append(inner("and", depth))
        return parts[0] if len(parts) == 1 else Group(word, tuple(parts))

    def _single(self, _: str, depth: int) -> Condition:
        if depth > NESTING_MAX:
            raise catch_all()
        if self._skip("not"):
            return Group("not", (self._single("", depth + 1),))
        if self._skip("("):
            found = self._joined("or", depth + 1)
            if not self._skip(")"):
                raise catch_all()
            return found
        return self._test(self._take("word"))

    def _test(self, name: str) -> Test:
        if self._skip("is", "null"):
            return Test("isnull", name, ())
        if self._skip("is", "not", "null"):
            return Test("isnotnull", name, ())
        negated = "not" if self._skip("not") else ""
        if self._skip("like"):
            return Test(f"{negated}like", name, (self._take("text"),))
        if self._skip("in", "("):
            values = [self._take("text", "number")]
            while self._skip(","):
                values.append(self._take("text", "number"))
            self._take("sign")
            return Test(f"{negated}in", name, tuple(values))
        sign = self._take("sign")
        if negated or sign not in SIGNS:
            raise catch_all()
        return Test(SIGNS[sign], name, (self._take("text", "number"),))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at, text = 0, text.strip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            raise catch_all()
        kind = found.lastgroup or ""
        value = found[kind]
        yield kind, re.sub(r"\\(.)", r"\1", value) if kind == "text" else value
        at = found.end()
