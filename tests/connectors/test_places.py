"""A connector that comes with tieout stands in every place where it has to be."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from benches import BENCHES

import tieout
from tieout.cli.config import SYSTEMS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCE = Path(tieout.__file__).parent
FOUND = sorted(
    each.name
    for each in (SOURCE / "connectors").iterdir()
    if (each / "__init__.py").exists()
)
DOCUMENTED: Mapping[str, Any] = runpy.run_path(str(DOCS / "connectors.py"))[
    "CONNECTORS"
]


def missing(system: str) -> list[str]:
    """The places, as docs/writing-a-connector.md lists them, where a system is not."""
    files = (
        SOURCE / "connectors" / system / "errors.py",
        DOCS / "systems" / f"{system}.md",
        DOCS / "errors" / f"{system}.md",
        SOURCE / "testing" / "fakes" / f"{system}.py",
    )
    named = {
        "tieout.cli.config.SYSTEMS": system in SYSTEMS,
        "CONNECTORS of docs/connectors.py": system in DOCUMENTED,
        "BENCHES of tests/connectors/benches": system in map(str.lower, BENCHES),
        "docs/systems.md": _listed("systems", system),
        "docs/errors.md": _listed("errors", system),
    }
    absent = [str(each.relative_to(ROOT)) for each in files if not each.exists()]
    return absent + [place for place, there in named.items() if not there]


def _listed(page: str, system: str) -> bool:
    lines = (DOCS / f"{page}.md").read_text("utf-8").splitlines()
    return f"{page}/{system}" in lines


@pytest.mark.parametrize("system", FOUND)
def test_a_connector_is_in_every_place(system: str) -> None:
    """What is missing is named: a table, a page, a bench."""
    assert missing(system) == []
    assert DOCUMENTED[system].kind.__name__ == SYSTEMS[system]


def test_each_place_that_is_missing_is_named() -> None:
    """Of a system that nobody wrote, all of them, as the page lists them."""
    absent = missing("paperbooks")
    assert len(absent) == 9
    page = (DOCS / "writing-a-connector.md").read_text("utf-8")
    told = ["errors.py", "docs/systems/x.md", "docs/errors/x.md", "fakes/x.py"]
    told += ["config.SYSTEMS", "docs/connectors.py", "benches/__init__.py"]
    assert [each for each in told if each not in page] == []


def test_no_place_names_a_connector_that_is_gone() -> None:
    """What is listed somewhere is there."""
    assert {*SYSTEMS, *DOCUMENTED} == {*FOUND}
