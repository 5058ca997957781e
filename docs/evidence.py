"""
Which tests name which behaviours, as their source says it. Nothing is imported or run.

A test names a behaviour when its number stands in the test's name, in its docstring, in a
comment above its ``def``, or in the docstring of its class or module. Numbers stand alone
(``B17``), in lists (``B5/B6``) and in ranges (``B1-B24``, ``B85 to B88``).
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Container, Iterable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple, TypeAlias

# No leading zero: `B018` is a rule of the linter.
NUMBER = r"(?<![0-9A-Za-z_])B([1-9][0-9]{0,2})(?![0-9A-Za-z_])"
NAMED = re.compile(rf"{NUMBER}(?:\s*(?:[-\u2013]|to|TO|through)\s*{NUMBER})?")

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Where(IntEnum):
    """Where a number stands: the nearer to the test, the sooner it is shown."""

    TEST = 0
    CLASS = 1
    MODULE = 2


class Naming(NamedTuple):
    """That a test names a behaviour. In their order the best comes first."""

    where: Where
    path: str
    line: int
    test: str

    def __str__(self) -> str:
        """As pytest calls it. Where a whole module names it, the module alone."""
        return self.path if self.where is Where.MODULE else f"{self.path}::{self.test}"


def numbers(text: str) -> set[int]:
    """The behaviours that a text names."""
    found = set[int]()
    for first, last in NAMED.findall(text):
        low, high = sorted((int(first), int(last or first)))
        found.update(range(low, high + 1))
    return found


def namings(path: str, source: str) -> Iterator[tuple[int, Naming]]:
    """Each number that a test of a module names, and the test."""
    module = ast.parse(source)
    remarks = comments(source)

    def within(
        body: Iterable[ast.stmt], prefix: str, around: Mapping[int, Where]
    ) -> Iterator[tuple[int, Naming]]:
        for node in body:
            if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
                own = dict.fromkeys(said(node), Where.CLASS)
                yield from within(
                    node.body, f"{prefix}{node.name}::", {**around, **own}
                )
            elif isinstance(node, Function) and node.name.startswith("test_"):
                own = dict.fromkeys(said(node) | above(node, remarks), Where.TEST)
                for number, where in {**around, **own}.items():
                    test = prefix + node.name
                    yield number, Naming(where, path, node.lineno, test)

    yield from within(module.body, "", dict.fromkeys(said(module), Where.MODULE))


def said(node: ast.Module | ast.ClassDef | Function) -> set[int]:
    """What a docstring names, and a name (``test_b5_b6_…``)."""
    name = "" if isinstance(node, ast.Module) else node.name
    words = name.replace("_", " ").upper()
    return numbers(ast.get_docstring(node) or "") | numbers(words)


def above(node: Function, remarks: Mapping[int, str]) -> set[int]:
    """What the comments above a function name, and those among its decorators."""
    first = min(each.lineno for each in (*node.decorator_list, node))
    found = [text for at, text in remarks.items() if first <= at < node.lineno]
    while (first := first - 1) in remarks:
        found.append(remarks[first])
    return set().union(*map(numbers, found))


def comments(source: str) -> dict[int, str]:
    """The comments of a source, by their lines."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def evidence(tests: Path, known: Container[int]) -> dict[int, list[Naming]]:
    """By behaviour, the tests below a folder that name it, the best first."""
    found: dict[int, list[Naming]] = {}
    for file in sorted(tests.rglob("test_*.py")):
        path = file.relative_to(tests).as_posix()
        for number, naming in namings(path, file.read_text(encoding="utf-8")):
            if number in known:
                found.setdefault(number, []).append(naming)
    return {number: sorted(found[number]) for number in sorted(found)}


def shown(found: Iterable[Naming], at_most: int) -> tuple[list[str], int]:
    """The first of these as they are called, each once, and how many more there are."""
    names = [*dict.fromkeys(map(str, found))]
    return names[:at_most], len(names[at_most:])
