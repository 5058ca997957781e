"""
The shape of the house: who may import whom, who may open sockets and files.

The table *is* the architecture: an import that is not in it fails here, and the page "The
house" of the documentation is made from it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

import tieout
from tieout import engine
from tieout.journal import Journal

ROOT = Path(tieout.__file__).parent

LAYERS: Mapping[str, Mapping[str, set[str]]] = {
    # A row allows what it names, and what those may import.
    "Words and values": {
        "errors": set(),
        "clock": set(),
        "remedies": {"errors"},
        "clusters": {"errors"},
        "money": {"errors"},
        "zones": {"errors"},
        "windows": {"zones"},
        "wire": {"errors"},
        "models": {"money"},
        "capabilities": {"models"},
        "change": {"capabilities", "remedies"},
        "settings": {"capabilities"},
        "codec": {"change"},
        "effects": {"change"},
        "payload": {"models", "wire"},
        "choosing": {"change"},
        "autopay": {"models"},
    },
    "Pages for people": {
        "listing": {"effects"},
        "pages": set(),
        "pages.text": {"models"},
        "pages.style": set(),
        "pages.document": {"pages.style", "pages.text"},
        "pages.chart": {"pages.text"},
        "pages.sheet": {"listing", "pages.chart", "pages.document"},
    },
    "What should happen": {
        "plan": {"codec", "pages.sheet", "settings"},
        "planners": set(),
        "planners.unclear": {"models"},
        "planners.matching": {"plan", "planners.unclear"},
        "planners.settlements": {"plan", "planners.matching"},
        "planners.course": {"plan", "planners.unclear"},
        "planners.likeness": {"plan"},
        "planners.documents": {"planners.course", "planners.likeness"},
        "planners.invoices": {"planners.documents"},
        "planners.customers": {"planners.documents"},
        "planners.legs": {"planners.documents"},
        "planners.credit_notes": {"planners.legs"},
        "planners.fees": {"planners.documents"},
        "planners.parts": {"planners", "planners.fees"},
        "planners.moves": {"planners.parts"},
        "planners.payments": {"planners.legs", "planners.moves"},
    },
    "One system": {
        "fields": {"models"},
        "rules": {"models", "remedies", "wire"},
        "auth": {"fields", "rules"},
        "webhooks": {"models", "wire"},
        "transport": {"wire"},
        "protocol": {"auth", "change"},
        "rows": {"change", "fields"},
        "guarding": {"change", "wire"},
        "rest": {"guarding", "protocol", "rows"},
        "connector": {"rest"},
        "owned": {"change", "wire"},
        "host": set(),
        "host.values": {"fields"},
        "host.rows": {"host.values"},
        "host.records": {"host.values"},
        "host.wanted": {"change", "host.rows"},
        "host.abilities": {"capabilities"},
        "host.methods": {"host.rows", "protocol"},
        "host.flows": {"connector", "host.records"},
        "host.columns": {"models"},
        "host.sql": {"models"},
        "host.transactions": {"host.flows", "host.sql"},
        "host.registers": {
            "host.abilities",
            "host.columns",
            "host.records",
            "host.sql",
            "host.wanted",
        },
        "host.levels": {"host.registers", "host.transactions"},
        "host.postings": {"host.registers", "host.transactions"},
        "host.documents": {"host.registers", "host.transactions"},
        "local": {"host.abilities", "host.flows", "host.methods", "host.wanted"},
        "table": {"host.documents", "host.levels", "host.postings"},
        "connectors": set(),
        "connectors.*": {"connector", "owned", "zones"},
    },
    "What is remembered": {
        "store": {"auth", "change", "codec"},
        "stores": set(),
        "stores.sqlite": {"clock", "store", "stores.file"},
        "stores.*": {"store"},
        "evidence": {"effects", "planners.likeness", "store"},
        "lease": {"clock", "store"},
        "stages": {"store"},
        "noting": {"change", "store"},
        "notebook": {"effects", "evidence", "lease", "noting"},
        "ties": {"notebook"},
        "doubts": {"evidence", "stages", "ties"},
        "answers": {"doubts"},
        "journal": {"answers"},
        "register": {"store"},
        "replay": {"store"},
        "story": {"store"},
    },
    "What is done": {
        "pace": {"capabilities", "clock"},
        "grants": {"pace", "protocol", "store"},
        "session": {"grants"},
        "underway": {"session", "windows"},
        "adapters": {"plan", "session"},
        "reading": {"planners.matching", "session", "windows"},
        "report": {"pages.sheet", "session"},
        "carrying": {"adapters", "journal", "reading", "report"},
        "documents": {"carrying", "register"},
        "run": {"autopay", "carrying", "planners", "planners.settlements"},
        "survey": {"planners.customers", "planners.parts", "reading"},
        "news": {"documents", "planners", "planners.fees"},
        "syncing": {
            "news",
            "planners.credit_notes",
            "planners.invoices",
            "planners.payments",
            "register",
            "survey",
        },
        "costs": {"documents", "run"},
        "marking": {"documents", "register"},
        "handing": {"autopay", "marking", "run", "syncing"},
        "withdrawal": {"marking", "run"},
    },
    "What is proved": {
        "proof": set(),
        "proof.sorting": {"errors"},
        "proof.differences": {"models"},
        "pages.proof": {"pages.sheet", "proof.differences"},
        "proof.certificate": {"pages.proof", "plan", "proof.sorting"},
        "proof.entries": {"evidence", "plan"},
        "proof.pairing": {"proof.entries", "proof.sorting"},
        "proof.counting": {"proof.differences", "proof.pairing"},
        "proof.levels": {
            "planners",
            "planners.matching",
            "planners.settlements",
            "proof.counting",
        },
        "proof.comparing": {"proof.levels", "store"},
        "proof.recognising": {"planners.fees", "proof.comparing", "reading"},
        "proof.reasons": {
            "noting",
            "planners.credit_notes",
            "proof.comparing",
        },
        "proof.explaining": {"proof.reasons", "reading", "register"},
        "proof.proving": {"carrying", "proof.explaining", "proof.recognising"},
    },
    "The engine": {
        "footing": {"autopay", "costs", "stores.memory", "transport", "underway"},
        "levels": {"footing"},
        "verbs": {"levels", "syncing"},
        "undoing": {"verbs", "withdrawal"},
        "handover": {"choosing", "handing", "undoing"},
        "dispatch": {"handover"},
        "chronicle": {"dispatch"},
        "troubles": {"chronicle", "clusters"},
        "retention": {"troubles"},
        "inquiry": {"retention", "story"},
        "connections": {"inquiry"},
        "verification": {"connections", "proof.certificate", "proof.proving"},
        "engine": {"payload", "verification"},
        "schedule": {"clock", "errors"},
    },
}
"""By layer and module, what of tieout it may import: of its own layer, or one above it here."""

ALLOWED = {name: own for layer in LAYERS.values() for name, own in layer.items()}
"""The rows of all layers."""

EVERYTHING = ("cli", "testing", "")
"""What may import all of it: the command line, what ships for testing, the front door."""

THIRD_PARTIES: Mapping[str, set[str]] = {
    "httpx": {"transport"},
    "httpcore": {"transport"},
    "sqlite3": {"stores.sqlite", "cli.tables"},
    "socket": {"engine"},  # for the host's name alone
    "threading": {
        "footing",
        "pace",
        "schedule",
        "stores.memory",
        "stores.sqlite",
        "transport",
        "webhooks",
    },
    "concurrent": {"session"},
    "time": {"clock", "transport"},
    "random": {"schedule"},  # a pause that differs each time
    "dateutil": {"windows"},
    "cattrs": {"codec"},
    "rich": {"cli.screen"},
    "defusedxml": {"connectors.intacct.xml"},
}
"""Outside modules that few may import: who may open sockets, files, and look at a clock."""

OWN_SIDE = ("tieout.connector", "tieout.host", "tieout.local", "tieout.table")
"""What a fake shares no code with."""

FAKES_NEED = {"tieout", *sys.stdlib_module_names}
"""A fake runs with the standard library alone, besides the wire."""


def name_of(path: Path) -> str:
    """The name of a module within tieout: ``planners.matching``, ``""`` for the front door."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports(source: str) -> Iterator[str]:
    """The full names of the modules that a source imports, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide who imports whom"
            assert node.module is not None
            yield node.module
            yield from (
                f"{node.module}.{alias.name}"
                for alias in node.names
                if f"{node.module}.{alias.name}".removeprefix("tieout.") in MODULES
            )


def row(module: str) -> str | None:
    """The row of the table that a module falls under."""
    if module in ALLOWED:
        return module
    # A system that has outgrown one file is a folder of its own.
    system = ".".join(module.split(".")[:2]) if module.count(".") > 1 else module
    parent = system.rpartition(".")[0] + ".*"
    return parent if parent in ALLOWED else None


@cache
def reach(module: str) -> frozenset[str]:
    """All that a module may import, by its row and the rows of those."""
    own = ALLOWED[row(module) or module]
    return frozenset(own.union(*(reach(each) for each in own)) if own else own)


def _system(module: str) -> str:
    """The system that a connector's module is of."""
    return ".".join(module.split(".")[:2])


def violations(module: str, source: str) -> list[str]:
    """The imports of a module that the table does not allow."""
    if module.partition(".")[0] in EVERYTHING:
        return []
    if row(module) is None:
        return [f"{module} has no row in the table"]
    found = []
    for name in imports(source):
        if name == "tieout" or not name.startswith("tieout."):
            continue
        wanted = name.removeprefix("tieout.")
        own = module.startswith("connectors.") and _system(wanted) == _system(module)
        if own:
            continue
        if wanted not in reach(module) and wanted in MODULES and wanted != module:
            found.append(f"{module} imports {wanted}")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_imports_follow_the_table(module: str) -> None:
    """No module imports what its row does not allow."""
    assert violations(module, MODULES[module].read_text()) == []


def test_a_layer_stands_on_those_before_it() -> None:
    """No row allows what stands in a later layer."""
    seen: set[str] = set()
    for layer, rows in LAYERS.items():
        seen |= {*rows}
        later = {row(each) for own in rows.values() for each in own} - seen
        assert not later, f"{layer} names {later}"


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("planners.settlements", "from tieout.session import Session"),
        ("connectors.xero", "from tieout.connectors.connectwise import ConnectWise"),
        ("models", "import tieout.store"),
        ("errors", "from tieout import models"),
        ("transport", "def late():\n    from tieout.engine import Engine"),
        ("brand_new", "import json"),
    ],
)
def test_a_forbidden_import_is_seen(module: str, line: str) -> None:
    """The test itself can fail: an import outside the table is reported."""
    assert violations(module, line)


@pytest.mark.parametrize("module", [m for m in MODULES if not m.startswith("testing")])
def test_few_open_sockets_files_and_clocks(module: str) -> None:
    """Sockets, databases, threads and the time are behind one door each."""
    for name in imports(MODULES[module].read_text()):
        holders = THIRD_PARTIES.get(name.partition(".")[0])
        assert holders is None or module in holders, f"{module} imports {name}"


@pytest.mark.parametrize(
    "module", [m for m in MODULES if m.startswith("testing.fakes")]
)
def test_fakes_need_the_standard_library_alone(module: str) -> None:
    """A fake shares no code with a connector and runs wherever Python runs."""
    for name in imports(MODULES[module].read_text()):
        assert name.partition(".")[0] in FAKES_NEED, f"{module} imports {name}"
        assert not name.startswith(OWN_SIDE), name


ASKS = {"now", "today", "utcnow"}


def test_nobody_asks_the_machine_for_the_time() -> None:
    """B156: now and today come from the injected clock."""
    for module, path in MODULES.items():
        if module == "clock" or module.startswith("testing"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ASKS:
                of = getattr(node.value, "id", "")
                assert of not in ("datetime", "date"), f"{module}:{node.lineno}"


FLOWS = {
    "check",
    "page",
    "fetch",
    "find",
    "write",
    "ask",
    "renew",
    "write_one",
    "guarded",
}
NO_FLOWS = re.compile(
    r".*(file|stdout|stderr|stream)\.write|self\.renew|trial\.(fetch|find|page|write)"
)
"""Calls that only have a flow's name; a trial of the conformance kit drives the flow."""


@pytest.mark.parametrize("module", MODULES)
def test_no_flow_is_dropped(module: str) -> None:
    """A flow called as a bare statement does nothing: every result is used."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = ast.unparse(node.value.func)
            name = called.rpartition(".")[2]
            dropped = name in FLOWS and not NO_FLOWS.fullmatch(called)
            assert not dropped, f"{module}:{node.lineno} drops the flow {called}"


NOT_A_NOUN = {
    "utils",
    "util",
    "helpers",
    "common",
    "base",
    "manager",
    "misc",
    "core",
    "types",
}


def test_rooms_have_names() -> None:
    """One noun a file; none of the names that mean nothing."""
    assert not {part for name in MODULES for part in name.split(".")} & NOT_A_NOUN


ROOM_LINES_MAX = 350
"""Lines of one file of a connector: seven screens of 50, which is what can be read in one
go by somebody who has to find where a field belongs. What was longer held two ideas."""


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("connectors.")])
def test_a_room_of_a_connector_is_read_in_one_go(module: str) -> None:
    """No file of a connector is so long that it has to be searched instead of read."""
    lines = len(MODULES[module].read_text().splitlines())
    remedy = "give one of its ideas a room of its own"
    assert lines <= ROOM_LINES_MAX, f"{module} has {lines} lines: {remedy}"


@pytest.mark.parametrize("module", MODULES)
def test_every_module_opens_with_its_definition(module: str) -> None:
    """A module says in its first sentence what it is."""
    docstring = ast.get_docstring(ast.parse(MODULES[module].read_text()))
    assert docstring is not None
    assert docstring.split("\n\n")[0].rstrip().endswith((".", ":")), docstring


EXTENDED = {"__init__", "_check_sides"}
"""What a part of the engine may define once more, since it calls the one that it extends."""


@pytest.mark.parametrize("whole", [tieout.Engine, Journal])
def test_no_room_of_a_chain_hides_a_method_of_another(whole: type) -> None:
    """One class of several rooms: a private name is used in one of them."""
    defined = Counter(
        name
        for part in whole.__mro__[:-1]
        for name, value in vars(part).items()
        if callable(value) or isinstance(value, property)
    )
    assert {name for name, times in defined.items() if times > 1} <= EXTENDED


def test_the_journal_names_its_rooms() -> None:
    """In the order in which one inherits from the other."""
    module = sys.modules[Journal.__module__]
    rooms = [part.__module__ for part in reversed(Journal.__mro__[1:-1])]
    told = re.findall(
        r"`(tieout\.\w+)`", (module.__doc__ or "").split("is the machine")[0]
    )
    assert told[:-1] == rooms


def test_the_engine_lists_its_rooms() -> None:
    """In the order in which one inherits from the other, each with what it adds."""
    rooms = [part.__module__ for part in reversed(tieout.Engine.__mro__[1:-1])]
    told = re.findall(r"^- `(tieout\.\w+)`: ", engine.__doc__ or "", re.MULTILINE)
    assert told == rooms
