"""
The query language of the fake QuickBooks, and its change data capture.

Parses and answers; refuses what the language does not have. Knows no HTTP and changes
nothing.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from tieout.testing.fakes.quickbooks_books import Books, Row
from tieout.testing.fakes.quickbooks_fields import (
    ACCOUNT,
    CREDIT_MEMO,
    CUSTOMER,
    DEPOSIT,
    INVOICE,
    ITEM,
    JOURNAL_ENTRY,
    PAYMENT,
    REFUND,
    Refusal,
    number,
    required,
    unreadable,
)
from tieout.testing.fakes.quickbooks_shapes import PACIFIC, shape

PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 1000
CHANGES_MAX = 1000
LOOK_BACK = timedelta(days=30)
WITHOUT_CHANGES = frozenset(
    {"JournalCode", "TaxAgency", "TimeActivity", "TaxCode", "TaxRate"}
)
"""Entities that change data capture does not have."""
COUNTED = frozenset({INVOICE})
"""Entities whose pages tell the whole count."""
SINGLETONS = frozenset({"CompanyInfo", "Preferences"})

_COMMON = "Id:number MetaData.CreateTime:instant MetaData.LastUpdatedTime:instant"
_FORM = f"{_COMMON} DocNumber:text TxnDate:day CustomerRef:text Balance:number TotalAmt:number"
_LIST = f"{_COMMON} Name:text Active:flag"
_FIELDS: Mapping[str, str] = {
    CUSTOMER: f"{_COMMON} DisplayName:text FullyQualifiedName:text CompanyName:text GivenName:text FamilyName:text Active:flag Balance:number",
    ITEM: f"{_LIST} Type:text",
    ACCOUNT: f"{_LIST} AccountType:text",
    INVOICE: f"{_FORM} DueDate:day",
    CREDIT_MEMO: _FORM,
    PAYMENT: f"{_COMMON} TxnDate:day CustomerRef:text TotalAmt:number PaymentRefNum:text",
    JOURNAL_ENTRY: f"{_COMMON} DocNumber:text TxnDate:day",
    REFUND: f"{_COMMON} DocNumber:text TxnDate:day CustomerRef:text TotalAmt:number",
    DEPOSIT: f"{_COMMON} TxnDate:day TotalAmt:number",
}
FILTERABLE: Mapping[str, Mapping[str, str]] = {
    kind: {each.partition(":")[0]: each.partition(":")[2] for each in text.split()}
    for kind, text in _FIELDS.items()
}
"""Which fields of which entity a query may name, and of what type they are."""
HIDES_INACTIVE = frozenset({CUSTOMER, ITEM, ACCOUNT})

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^'\\]|\\['\\])*')
    | (?P<word>[A-Za-z][A-Za-z0-9_.]*)
    | (?P<number>-?[0-9]+(?:\.[0-9]+)?)
    | (?P<sign><=|>=|[=<>(),*])
    )""",
    re.VERBOSE | re.ASCII,
)
_COMPARES: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
NULL = " "
"""A quoted space stands for nothing."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; ``IN`` has several values."""

    field: str
    sign: str
    values: tuple[str, ...]


@dataclass(slots=True)
class Query:
    """One query, taken apart."""

    entity: str = ""
    is_count: bool = False
    conditions: list[Condition] = field(default_factory=list)
    order: list[tuple[str, bool]] = field(default_factory=list)
    start: int = 1
    size: int = PAGE_SIZE_DEFAULT


def _invalid(detail: str) -> Refusal:
    return Refusal("4001", f"QueryValidationError: {detail}")


# Parsing ---------------------------------------------------------------------------------


class _Parser:
    """Words one after the other; what is out of place is the vendor's code 4000."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0

    def _peek(self) -> tuple[str, str]:
        ended = self._at >= len(self._tokens)
        return ("end", "<EOF>") if ended else self._tokens[self._at]

    def _refused(self, wanted: str) -> Refusal:
        found = self._peek()[1]
        text = f'QueryParserError: Encountered "{found}". Was expecting: {wanted}'
        return Refusal("4000", text)

    def is_next(self, *words: str) -> bool:
        """Take these words if they come next; keywords in any case."""
        following = self._tokens[self._at : self._at + len(words)]
        taken = [text.upper() for kind, text in following if kind != "text"]
        if taken != list(words):
            return False
        self._at += len(words)
        return True

    def need(self, *words: str) -> None:
        """Take these words, which must come next."""
        if not self.is_next(*words):
            raise self._refused(" ".join(words))

    def take(self, *kinds: str) -> str:
        """Take the next word, which must be of such a kind."""
        kind, text = self._peek()
        if kind not in kinds:
            raise self._refused(" or ".join(kinds))
        self._at += 1
        return re.sub(r"\\(.)", r"\1", text[1:-1]) if kind == "text" else text

    def value(self) -> str:
        """What a field is compared with: in quotes, a number, or true and false."""
        for flag in ("true", "false"):
            if self.is_next(flag.upper()):
                return flag
        return self.take("text", "number")

    def number(self) -> int:
        text = self.take("number")
        if not text.isdigit():
            raise _invalid(f"{text} is not a whole number")
        return int(text)

    def end(self) -> None:
        if self._peek()[0] != "end":
            raise self._refused("<EOF>")


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            detail = f"Invalid content. Lexical error at line 1, column {at + 1}."
            raise Refusal("4000", f"QueryParserError: {detail}")
        yield str(found.lastgroup), found[str(found.lastgroup)]
        at = found.end()


def parse(text: str) -> Query:
    """A query taken apart; `Refusal` 4000 where it is none."""
    parser, query = _Parser(text), Query()
    parser.need("SELECT")
    query.is_count = parser.is_next("COUNT", "(", "*", ")")
    if not query.is_count:
        parser.need("*")
    parser.need("FROM")
    query.entity = parser.take("word")
    if parser.is_next("WHERE"):
        query.conditions.append(_condition(parser))
        while parser.is_next("AND"):
            query.conditions.append(_condition(parser))
    if parser.is_next("ORDERBY") or parser.is_next("ORDER", "BY"):
        query.order.append(_ordering(parser))
        while parser.is_next(","):
            query.order.append(_ordering(parser))
    if parser.is_next("STARTPOSITION"):
        # 0 is taken for 1: some clients count so.
        query.start = max(1, parser.number())
    if parser.is_next("MAXRESULTS"):
        query.size = parser.number()
    parser.end()
    return query


def _condition(parser: _Parser) -> Condition:
    name = parser.take("word")
    if parser.is_next("IN"):
        parser.need("(")
        given = [parser.value()]
        while parser.is_next(","):
            given.append(parser.value())
        parser.need(")")
        return Condition(name, "IN", tuple(given))
    if parser.is_next("LIKE"):
        return Condition(name, "LIKE", (parser.take("text"),))
    sign = next((each for each in _COMPARES if parser.is_next(each)), None)
    if sign is None:
        parser.need("=")
    return Condition(name, sign or "=", (parser.value(),))


def _ordering(parser: _Parser) -> tuple[str, bool]:
    name = parser.take("word")
    return name, not parser.is_next("ASC") and parser.is_next("DESC")


# Answering --------------------------------------------------------------------------------


def answer(books: Books, query: Query, page_size_max: int) -> dict[str, Any]:
    """The ``QueryResponse`` of a query over a table."""
    if query.entity not in FILTERABLE:
        raise _invalid(f"Invalid entity '{query.entity}'")
    if query.size > page_size_max:
        text = f"value {query.size} is too large. Max allowed value is"
        raise _invalid(f"{text} {page_size_max}")
    rows = _selected(books, query)
    if query.is_count:
        return {"totalCount": len(rows)}
    page = rows[query.start - 1 : query.start - 1 + query.size]
    paging = {"startPosition": query.start, "maxResults": len(page)}
    if query.entity in COUNTED:
        paging["totalCount"] = len(rows)
    if not page:
        return dict(paging) if books.ways.empty_has_paging else {}
    return {query.entity: [shape(books, row) for row in page], **paging}


def _selected(books: Books, query: Query) -> list[Row]:
    tests = [_test(books, query.entity, each) for each in query.conditions]
    rows = books.live(query.entity)
    names = {each.field for each in query.conditions}
    if query.entity in HIDES_INACTIVE and "Active" not in names:
        rows = [row for row in rows if row.is_active]
    rows = [row for row in rows if all(test(row) for test in tests)]
    # The newest first where no order was asked for: pages shift while objects are made.
    rows.reverse()
    if query.order:
        rows.sort(key=lambda row: int(row.id))
    for name, is_descending in reversed(query.order):
        kind = _type(books, query.entity, name)
        rows.sort(key=_sort_key(books, name, kind), reverse=is_descending)
    return rows


def _sort_key(books: Books, name: str, kind: str) -> Callable[[Row], tuple[bool, Any]]:
    def key(row: Row) -> tuple[bool, Any]:
        value = _value(books, row, name, kind)
        return value is not None, value

    return key


def _type(books: Books, entity: str, name: str) -> str:
    kind = FILTERABLE[entity].get(name)
    if not books.ways.filterable.get(f"{entity}.{name}", kind is not None):
        raise _invalid(f"property '{name}' is not queryable")
    return kind or "text"


def _test(books: Books, entity: str, condition: Condition) -> Callable[[Row], bool]:
    name, sign = condition.field, condition.sign
    kind = _type(books, entity, name)
    fold: Callable[[Any], Any] = _same
    if kind == "text" and not books.ways.case_sensitive:
        fold = _folded
    if sign == "LIKE":
        if kind != "text":
            raise _invalid(f"LIKE does not go with '{name}'")
        parts = (re.escape(part) for part in fold(condition.values[0]).split("%"))
        pattern = re.compile(".*".join(parts), re.DOTALL)
        return lambda row: (
            (value := _value(books, row, name, kind)) is not None
            and pattern.fullmatch(fold(value)) is not None
        )
    wanted = [
        None if each == NULL else fold(_literal(each, name, kind))
        for each in condition.values
    ]
    if sign in {"IN", "="}:
        return lambda row: fold(_value(books, row, name, kind)) in wanted
    compare, than = _COMPARES[sign], wanted[0]

    def test(row: Row) -> bool:
        value = fold(_value(books, row, name, kind))
        return value is not None and than is not None and compare(value, than)

    return test


def _same(value: Any) -> Any:
    return value


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _literal(text: str, name: str, kind: str) -> Any:
    try:
        match kind:
            case "number":
                return number(text, name)
            case "day":
                return date.fromisoformat(text[:10])
            case "instant":
                return instant(text)
            case "flag":
                return {"true": True, "false": False}[text.lower()]
            case _:
                return text
    except (ValueError, KeyError, Refusal):
        raise _invalid(f"value '{text}' does not go with '{name}'") from None


def instant(text: str) -> datetime:
    """An instant of a request; without an offset it is Pacific time."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=PACIFIC)


def _value(books: Books, row: Row, name: str, kind: str) -> Any:
    """A field as queries see it."""
    match name:
        case "Id":
            return int(row.id)
        case "MetaData.CreateTime":
            return row.created
        case "MetaData.LastUpdatedTime":
            return row.updated
        case "TotalAmt":
            return row.total
        case "Balance" if row.kind == CUSTOMER:
            return books.customer_balance(row)
        case "Balance":
            return books.balance(row)
        case "DisplayName":
            return books.name_of(row)
        case "FullyQualifiedName":
            return shape(books, row)[name]
        case "CustomerRef":
            return row.ref(name)
    value = row.fields.get(name)
    return date.fromisoformat(value) if kind == "day" and value else value


# Change data capture -------------------------------------------------------------------------


def changes(
    books: Books, entities: Sequence[str], since: str | None, changes_max: int
) -> list[dict[str, Any]]:
    """One block an entity with what has changed; at most so many objects in all of them."""
    if since is None:
        raise required("changedSince")
    try:
        start = instant(since)
    except ValueError:
        raise unreadable("changedSince") from None
    if start < books.now() - LOOK_BACK:
        raise unreadable("changedSince")
    blocks: list[dict[str, Any]] = []
    left = changes_max
    for entity in entities:
        if entity in WITHOUT_CHANGES or entity not in FILTERABLE:
            raise Refusal("500", f"Operation on {entity} is not supported.")
        rows = [row for row in books.rows[entity].values() if row.updated >= start]
        rows.sort(key=lambda row: row.updated, reverse=books.ways.newest_changes_first)
        rows = rows[:left]
        left -= len(rows)
        shown = [shape(books, row) for row in rows]
        count = len(rows)
        paging = {"startPosition": 1, "maxResults": count, "totalCount": count}
        blocks.append({entity: shown, **paging} if rows else {})
    return blocks
