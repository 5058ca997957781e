"""What is shipped: typed, light to import, and with few dependencies."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import tieout

CORE = {"attrs", "cattrs", "httpx", "python-dateutil", "typing-extensions"}


def test_it_is_typed() -> None:
    """The marker by which type checkers believe the annotations is in the package."""
    assert (Path(tieout.__file__).parent / "py.typed").exists()


def test_nothing_creeps_in_unseen() -> None:
    """The core needs five packages; all else is an extra."""
    found = {
        re.split(r"[^A-Za-z0-9-]", line, maxsplit=1)[0]
        for line in requires("tieout") or []
        if "extra ==" not in line and "sys_platform" not in line
    }
    assert found == CORE


def test_importing_it_warns_of_nothing_and_needs_no_extra() -> None:
    """``import tieout`` is silent under -W error, and does not load what few need."""
    code = (
        "import sys, tieout; "
        "assert not {'rich', 'pytest', 'hypothesis', 'tieout.testing', 'tieout.cli'}"
        " & set(sys.modules)"
    )
    tried = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, check=False
    )
    assert tried.returncode == 0, tried.stderr.decode()
    assert tried.stderr == b""
