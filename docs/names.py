"""
The public names, in groups, each with the first sentence of its docstring.

Docstrings are read from the source, so that a constant's counts, and none is inherited.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

GROUPS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "tieout": {
        "The engine and its reports": (
            *("Engine", "Since", "Report", "Progress", "this_user", "Schedule"),
        ),
        "Settings": ("Settings", "Direction", "NumberRule", "Fees"),
        "Sync by hand": (
            *("Listing", "Batch", "BatchType", "Member"),
            *("AutoPay", "AutoPayRules", "AutoPayState", "AutoPayStatus"),
            *("Payer", "MethodKind"),
        ),
        "Records": (
            *("Settlement", "Invoice", "CreditNote", "Payment", "Application"),
            *("Customer", "Posting", "Line", "Part", "Status", "Ref", "Link"),
        ),
        "Money": ("Money",),
        "Plans and changes": (
            *("Plan", "Effect", "Change", "Action", "Issue", "Outcome", "State"),
            *("change_name", "mark_of", "fingerprint"),
        ),
        "Adapters": ("Adapter", "Direct", "Preview", "PlanFile", "Callbacks"),
        "Stores": ("Store", "SQLiteStore", "MemoryStore"),
        "What was not carried, and why": (
            *("IssueRow", "Standing", "Event", "Run", "Story", "Said"),
        ),
        "The tie-out certificate": (
            *("Certificate", "Balance", "Amounts", "Difference", "DifferenceKind"),
            *("Shift", "load_certificate"),
        ),
        "Writes in doubt": ("Intent", "Doubt", "Landed", "Reply"),
        "Connectors": (
            *("Connector", "RestConnector", "Resource", "Rule", "Page", "Health"),
            *("Books", "Capabilities", "Select", "Changed", "Dated", "Open"),
            *("Unposted", "Everything"),
        ),
        "Your own app": ("LocalApp", "Local", "Bill", "Table", "Columns"),
        "The line and the clock": (
            *("Flow", "Request", "Response", "Call", "Transport", "HTTPTransport"),
            *("Clock", "SystemClock"),
        ),
        "Errors": (
            *("TieoutError", "ConfigError", "StoreError", "StoreTrouble", "Fault"),
            *("Code", "Severity"),
        ),
    },
    "tieout.connector": {
        "The connector itself": (
            *("Connector", "RestConnector", "Resource", "Rule", "Page", "Health"),
            "Books",
        ),
        "Reading a record": (
            *("Fields", "iso_day", "iso_instant", "utc_second", "sound_day"),
            *("FIRST_DAY", "LAST_DAY", "system_id"),
        ),
        "Reading a list": (
            *("read_rows", "enveloped", "next_link", "packed", "batches"),
            "FETCH_PAGES_MAX",
        ),
        "Writing": ("guarded", "guarded_batch"),
        "Judging an answer": (
            *("judge", "BY_STATUS", "FINE", "ailing", "discreet", "TEXT_KEPT_MAX"),
            *("retry_after", "server_time"),
        ),
    },
    "tieout.testing.conformance": {
        "Running it": ("conformance", "examine", "measure"),
        "The bench": (
            *("Bench", "Sample", "SetClock", "Unplugged", "NotStaged", "mangled_json"),
        ),
        "What comes back": ("Card", "Row", "Result", "Measured", "Cost", "Failed"),
        "The checks": ("CHECKS", "Check"),
    },
    "tieout.testing.simulator": {
        "Playing a world": ("simulate", "Result", "Broken", "failure", "shrink"),
    },
}
"""By public module, its names by what they are for."""

OTHERS = "Others"
"""Where a name stands that nobody has put into a group yet."""

SENTENCE_MAX = 120
"""Characters: one line. What needs more to be understood is not simple enough."""


def public(module: str) -> list[str]:
    """What a module promises."""
    promised: list[str] = import_module(module).__all__
    return [each for each in promised if not each.startswith("_")]


def grouped(module: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The groups of a module: a title, and each name with what it is."""
    names = public(module)
    listed = [name for group in GROUPS[module].values() for name in group]
    if gone := set(listed) - set(names):
        raise SystemExit(f"docs/names.py: not public in {module}: {sorted(gone)}")
    others = [name for name in names if name not in listed]
    for title, group in {**GROUPS[module], OTHERS: others}.items():
        if group:
            yield title, [(name, described(module, name)) for name in group]


def described(module: str, name: str) -> str:
    """What a name is, in one sentence. Fails where its docstring does not say it."""
    return sentence(f"{module}.{name}", docstring(module, name))


def sentence(of: str, said: str) -> str:
    """The first sentence of a docstring. Fails where that is none, or a long one."""
    paragraph = " ".join(said.split("\n\n", maxsplit=1)[0].split()).replace("``", "`")
    first = re.split(r"(?<=\.)\s", paragraph)[0]
    if not first.endswith(".") or len(first) > SENTENCE_MAX:
        what = "one sentence that ends with a full stop"
        limit = f"of {SENTENCE_MAX} characters at most"
        raise SystemExit(f"{of}: a docstring begins with {what}, {limit}: {first!r}")
    return first


def docstring(module: str, name: str) -> str:
    """What stands behind the definition of a name, wherever it was imported from."""
    body = parsed(module).body
    for node, behind in zip(body, [*body[1:], None], strict=True):
        match node:
            case ast.ClassDef() | ast.FunctionDef() if node.name == name:
                return ast.get_docstring(node) or ""
            case ast.Assign() | ast.AnnAssign() if name in bound(node):
                return text(behind)
            case ast.ImportFrom(module=str(origin), names=aliases):
                for alias in aliases:
                    if name == (alias.asname or alias.name):
                        return docstring(origin, alias.name)
    return ""


def text(node: ast.stmt | None) -> str:
    """What a statement says, where it is a text alone."""
    match node:
        case ast.Expr(value=ast.Constant(value=str(said))):
            return inspect.cleandoc(said)
    return ""


def bound(node: ast.Assign | ast.AnnAssign) -> set[str]:
    """The names that an assignment binds."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    found = [each for target in targets for each in ast.walk(target)]
    return {each.id for each in found if isinstance(each, ast.Name)}


@cache
def parsed(module: str) -> ast.Module:
    """The source of a module of tieout."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise SystemExit(f"docs/names.py: there is no module {module}")
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def methods(kind: type) -> Iterator[tuple[str, str]]:
    """The public methods of a class as they are called, each with what it does."""
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if name.startswith("_"):
            continue
        asked = [
            each if parameter.default is parameter.empty else f"{each}="
            for each, parameter in inspect.signature(method).parameters.items()
            if each != "self"
        ]
        does = sentence(
            f"{kind.__name__}.{name}", inspect.cleandoc(method.__doc__ or "")
        )
        yield f"{name}({', '.join(asked)})", does
