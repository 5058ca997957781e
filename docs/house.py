"""
The modules by their layers, as the table of `tests/test_architecture.py` has them.

What each is stands in the first sentence of its own docstring. The table is read, not run:
it stands among the tests, which need more than the documentation does.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import names

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "tests" / "test_architecture.py"
SOURCE = ROOT / "src" / "tieout"

FOLDED = ("connectors", "testing")
"""Packages that are one line each: what is in them has pages of its own."""

DOORS = "The doors"
"""The layer of what may import everything, and so has no row in the table."""


def layers() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The layers from the lowest to the doors: each module of one, and what it is."""
    placed = {row: layer for layer, rows in _table().items() for row in rows}
    order = [*placed]
    found: dict[str, list[tuple[int, str]]] = {}
    for module in _modules():
        # A folder has a row for what is in it and not named itself.
        parent = module.partition(".")[0] + ".*"
        row = module if module in placed else parent
        at = order.index(row) if row in placed else len(order)
        found.setdefault(placed.get(row, DOORS), []).append((at, module))
    for layer in (*_table(), DOORS):
        yield layer, [_described(module) for _, module in sorted(found[layer])]


def _table() -> dict[str, dict[str, Any]]:
    """`LAYERS`: by layer and module, what that may import."""
    for node in ast.parse(TABLE.read_text("utf-8")).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "LAYERS":
            assert node.value is not None
            read: dict[str, dict[str, Any]] = ast.literal_eval(node.value)
            return read
    raise SystemExit(f"{TABLE}: there is no table LAYERS")


def _modules() -> Iterator[str]:
    """Every module by its name within tieout; what is folded, as one."""
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        if module.partition(".")[0] not in FOLDED or module in FOLDED:
            yield module


def _described(module: str) -> tuple[str, str]:
    """A module by its full name, and its first sentence."""
    whole = f"tieout.{module}" if module else "tieout"
    said = ast.get_docstring(names.parsed(whole)) or ""
    return whole, names.sentence(whole, said)
