"""
Records of one kind by id, with indexes for what ConnectWise is asked most.

It answers queries and keeps each record's JSON until the record changes. It checks
nothing that is put into it.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tieout.testing.fakes.connectwise_conditions import (
    BY_ID,
    Comparison,
    Every,
    Kind,
    Node,
    Order,
    Predicate,
    Record,
    Some,
    order_key,
    parse,
    parse_order,
    predicate,
    reader,
)

STAMP = "_info/lastUpdated"
SELECTIONS_MAX = 64
"""Selections kept between writes: a few readers, each at its own query."""

_CUSTOM_FIELD = {
    "id": Kind.NUMBER,
    "caption": Kind.TEXT,
    "type": Kind.TEXT,
    "value": Kind.TEXT,
}


_NUMBER = re.compile(r'"\\u0000(-?[0-9.]+)\\u0000"')


def _marked(value: Decimal) -> str:
    return f"\0{value:f}\0"


def to_json(value: Any) -> str:
    """
    Exact JSON, decimals digit by digit.

    The standard encoder knows no exact decimals but is five times as fast as one that
    does, so they go through it as marked text whose marks are taken off again.
    """
    return _NUMBER.sub(r"\1", json.dumps(value, default=_marked, separators=(",", ":")))


@dataclass(frozen=True, slots=True)
class Query:
    """What a listing is asked for; ``scope`` is an indexed path and its value."""

    conditions: str = ""
    custom: str = ""
    order_by: str = ""
    scope: tuple[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """The ids of the records found, in order, and that order."""

    ids: list[int]
    order: Order

    @property
    def by_id(self) -> bool:
        return self.order == BY_ID


class Table:
    """Records of one kind. A record that was put is never changed in place."""

    def __init__(self, kinds: Mapping[str, Kind], indexed: Iterable[str] = ()) -> None:
        self.kinds = kinds
        self.rows: dict[int, Record] = {}
        self._ids: list[int] = []
        self._stamps: list[tuple[str, int]] = []
        self._readers = {path: reader(path) for path in indexed}
        self._indexes: dict[str, dict[Any, dict[int, None]]] = {
            path: {} for path in self._readers
        }
        self._texts: dict[int, str] = {}
        self._selections: dict[Query, Selection] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def put(self, record: Record) -> None:
        """Keep this record in place of the one with its id."""
        row = record["id"]
        before = self.rows.get(row)
        if before is None:
            insort(self._ids, row)
        else:
            self._forget(before)
        self.rows[row] = record
        insort(self._stamps, (_stamp(record), row))
        for path, read in self._readers.items():
            self._indexes[path].setdefault(read(record), {})[row] = None
        self._selections.clear()

    def drop(self, row: int) -> None:
        """Forget the record with that id, if there is one."""
        before = self.rows.pop(row, None)
        if before is None:
            return
        self._forget(before)
        del self._ids[bisect_left(self._ids, row)]
        self._selections.clear()

    def _forget(self, record: Record) -> None:
        row = record["id"]
        self._texts.pop(row, None)
        del self._stamps[bisect_left(self._stamps, (_stamp(record), row))]
        for path, read in self._readers.items():
            value = read(record)
            members = self._indexes[path][value]
            del members[row]
            if not members:
                del self._indexes[path][value]

    def having(self, path: str, value: Any) -> list[int]:
        """The ids of the records with that value at an indexed path."""
        return list(self._indexes[path].get(value, ()))

    def text(self, row: int) -> str:
        """The record as JSON."""
        text = self._texts.get(row)
        if text is None:
            text = self._texts[row] = to_json(self.rows[row])
        return text

    def select(self, query: Query) -> Selection:
        """The records that a query asks for; `BadQuery` where it is not understood."""
        found = self._selections.get(query)
        if found is None:
            found = self._select(query)
            if len(self._selections) >= SELECTIONS_MAX:
                self._selections.clear()
            self._selections[query] = found
        return found

    def _select(self, query: Query) -> Selection:
        order = parse_order(query.order_by, self.kinds)
        nodes = self._nodes(query)
        checks = [predicate(node) for node in nodes]
        if query.custom.strip():
            checks.append(_custom(query.custom))
        narrowed = self._narrow(Every(tuple(nodes))) if nodes else None
        if narrowed is None and not checks and order == BY_ID:
            # A copy, as the list goes on changing; copying ids is nothing.
            return Selection(self._ids.copy(), order)
        rows = self.rows
        candidates = self._ids if narrowed is None else narrowed
        ids = [row for row in candidates if row in rows and _passes(rows[row], checks)]
        key = order_key(order)
        if order == BY_ID:
            ids.sort()
        else:
            ids.sort(key=lambda row: key(rows[row]))
        return Selection(ids, order)

    def _nodes(self, query: Query) -> list[Node]:
        nodes: list[Node] = []
        if query.scope is not None:
            path, value = query.scope
            nodes.append(Comparison(path, "=", value))
        if query.conditions.strip():
            nodes.append(parse(query.conditions, self.kinds))
        return nodes

    def _narrow(self, node: Node) -> Collection[int] | None:
        """Ids that are sure to hold all that match, or None where no index helps."""
        match node:
            case Comparison(negated=False):
                return self._narrow_test(node)
            case Every(parts):
                found = [self._narrow(part) for part in parts]
                return min(
                    (ids for ids in found if ids is not None), key=len, default=None
                )
            case Some(parts):
                union: set[int] = set()
                for part in parts:
                    ids = self._narrow(part)
                    if ids is None:
                        return None
                    union.update(ids)
                return union
        return None

    def _narrow_test(self, test: Comparison) -> Collection[int] | None:
        values = {"=": (test.value,), "in": test.value}.get(test.op)
        if values is not None and test.path == "id":
            return {int(value) for value in values if value is not None}
        if values is not None and test.path in self._indexes:
            return {row for value in values for row in self.having(test.path, value)}
        if test.path == STAMP and test.op in {">", ">="}:
            # No id is below 0 or above infinity, so these are the two edges of a second.
            edge = -1.0 if test.op == ">=" else float("inf")
            start = bisect_right(self._stamps, (test.value, edge))
            return [row for _, row in self._stamps[start:]]
        return None


def _stamp(record: Record) -> str:
    return str(record.get("_info", {}).get("lastUpdated", ""))


def _passes(record: Record, checks: list[Predicate]) -> bool:
    return all(check(record) for check in checks)


def _custom(text: str) -> Predicate:
    check = predicate(parse(text, _CUSTOM_FIELD))

    def passes(record: Record) -> bool:
        given = record.get("customFields")
        fields = given if isinstance(given, list) else []
        return any(check(_custom_field(each)) for each in fields)

    return passes


def _custom_field(given: Any) -> Record:
    """A custom field with its value as text, whatever it holds."""
    if not isinstance(given, dict):
        return {}
    texts = {name: given.get(name) for name in ("caption", "type", "value")}
    found = {name: str(value) for name, value in texts.items() if value is not None}
    return {
        **found,
        "id": given.get("id") if isinstance(given.get("id"), int) else None,
    }


def position_after(table: Table, selection: Selection, key: tuple[Any, ...]) -> int:
    """Where the first record stands that comes after that key."""
    keyed: Callable[[Record], tuple[Any, ...]] = order_key(selection.order)
    return bisect_right(selection.ids, key, key=lambda row: keyed(table.rows[row]))
