"""A store in memory: for tests and for looking first. It remembers nothing for long."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from threading import RLock
from typing import Any, TypeVar, cast

from tieout.store import SHAPES, Expect, Fact, Gone, Index, indexes, place

F = TypeVar("F")


class MemoryStore:
    """Facts in dictionaries; gone with the process."""

    def __init__(self) -> None:
        self._facts: dict[str, dict[str, Any]] = {s.name: {} for s in SHAPES.values()}
        self._index: dict[tuple[str, str, str], set[str]] = {}
        self._lock = RLock()

    def get(self, kind: type[F], keys: Iterable[str]) -> dict[str, F]:
        with self._lock:
            held = self._facts[SHAPES[kind].name]
            return {each: held[each] for each in keys if each in held}

    def find(
        self,
        kind: type[F],
        index: str,
        value: str | Collection[str],
        after: str = "",
        limit: int = 1000,
    ) -> list[F]:
        name = SHAPES[kind].name
        values = [value] if isinstance(value, str) else value
        with self._lock:
            keys = {
                found
                for each in values
                for found in self._index.get((name, index, each), ())
                if found > after
            }
            held = self._facts[name]
            return [cast(F, held[each]) for each in sorted(keys)[:limit]]

    def commit(self, *facts: Fact | Gone, expect: Iterable[Expect] = ()) -> bool:
        last = list({place(fact): fact for fact in facts}.values())
        with self._lock:
            for each in expect:
                if not each.holds(self._facts[SHAPES[each.kind].name].get(each.key)):
                    return False
            if self._clash(last):
                return False
            for fact in last:
                self._put(fact)
            return True

    def close(self) -> None:
        """Nothing to let go of."""

    def _clash(self, facts: Iterable[Fact | Gone]) -> bool:
        """Whether a unique value would belong to two, once all of this is written."""
        leaving = {place(fact) for fact in facts}
        owners: dict[tuple[str, str, str], set[tuple[str, str]]] = {}
        for fact in facts:
            if isinstance(fact, Gone):
                continue
            name, own = place(fact)
            for index in indexes(fact):
                if index.unique:
                    entry = _entry(name, index)
                    held = {(name, each) for each in self._index.get(entry, ())}
                    claims = owners.setdefault(entry, held - leaving)
                    claims.add((name, own))
        return any(len(claims) > 1 for claims in owners.values())

    def _put(self, fact: Fact | Gone) -> None:
        name, own = place(fact)
        before = self._facts[name].pop(own, None)
        if before is not None:
            for index in indexes(before):
                self._index[_entry(name, index)].discard(own)
        if isinstance(fact, Gone):
            return
        self._facts[name][own] = fact
        for index in indexes(fact):
            self._index.setdefault(_entry(name, index), set()).add(own)


def _entry(name: str, index: Index) -> tuple[str, str, str]:
    return (name, index.name, index.value)
