"""
What is run, and how: the same at home and in CI.

``nox`` runs what CI runs. Only nox itself has to be there (``pip install nox``); every
session installs what it needs.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_external_run = True
nox.options.sessions = ["lint", "types", "tests", "docs", "e2e", "simulate", "build"]

PROJECT = nox.project.load_toml("pyproject.toml")
CORE = "*/tieout/*.py,*/tieout/planners/*.py,*/tieout/stores/*.py"
NOT_CORE = "*/tieout/cli/*"
COVERAGE_MIN = "95"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
"""As tests/e2e/browser looks for one."""
TRACED = ("tests/unit", "tests/behaviours")
"""The tests of the core itself. What reaches it by detours is not traced: that takes as
long again."""


def _answers(version: str) -> bool:
    """Whether that Python is really there: a shim alone is not."""
    program = shutil.which(f"python{version}")
    if program is None:
        return False
    tried = subprocess.run([program, "--version"], capture_output=True, check=False)  # noqa: S603
    return tried.returncode == 0


def _pythons() -> list[str]:
    """The Pythons of the classifiers that this machine has; the running one at least."""
    listed = re.findall(
        r"Python :: (3\.\d+)", "\n".join(PROJECT["project"]["classifiers"])
    )
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    return [each for each in listed if each == running or _answers(each)]


def _group(name: str) -> tuple[str, ...]:
    return tuple(nox.project.dependency_groups(PROJECT, name))


def _untraced() -> list[str]:
    """The places of the tests that are not run under coverage."""
    places = PROJECT["tool"]["pytest"]["ini_options"]["testpaths"]
    left = (each for each in places if each not in TRACED)
    return sorted(str(found) for each in left for found in Path().glob(each))


@nox.session(python=_pythons())
def tests(session: nox.Session) -> None:
    """The tests on the installed package, with the coverage of the core as a gate."""
    session.install(".[cli,intacct]", *_group("tests"))
    if session.posargs:
        session.run("pytest", "-n", "2", *session.posargs)
        return  # a part of the tests proves nothing about coverage
    session.run("pytest", "-n", "2", *_untraced())
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", "-n", "2", *TRACED)
    session.run("coverage", "combine", "--quiet")
    session.run(
        "coverage",
        "report",
        f"--include={CORE}",
        f"--omit={NOT_CORE}",
        f"--fail-under={COVERAGE_MIN}",
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Rules and layout."""
    session.install(*_group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Mypy --strict and pyright, tests included."""
    session.install("-e", ".[cli,intacct]", *_group("types"))
    session.run("mypy")
    session.run("pyright")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, every warning an error."""
    session.install(".[cli,intacct]", *_group("docs"))
    session.run("python", "docs/generate.py", "--check")
    session.run("sphinx-build", "-W", "-q", "docs", "docs/_build/html")


@nox.session
def e2e(session: nox.Session) -> None:
    """A real ledger (Tryton), real faults (killed processes, full disks), a real browser."""
    session.install(".", *_group("tests"), "-r", "tests/e2e/tryton/requirements.txt")
    without: list[str] = []
    if not any(map(shutil.which, BROWSERS)):
        session.warn(
            "LEFT OUT: tests/e2e/browser, since there is no Chromium "
            "(Debian: apt-get install chromium)"
        )
        without = ["--ignore=tests/e2e/browser"]
    session.run("pytest", "tests/e2e", *without, *session.posargs)


@nox.session
def simulate(session: nox.Session) -> None:
    """
    Seeds of the simulator; then worlds in which nearly every answer is lost, and years in
    which two systems talk.

    ``nox -s simulate -- --seeds 100000`` plays so many seeds and nothing else.
    """
    session.install(".")
    play = ("python", "-m", "tieout.testing.simulator", "--jobs", "2")
    session.run(*play, *(session.posargs or ["--seeds", "5000"]))
    if not session.posargs:
        session.run(*play, "--profile", "ambiguous", "--seeds", "100")
        years = ("python", "-m", "tieout.testing.year", "--jobs", "2")
        session.run(*years, "--seeds", "2000")


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks: ratios within one run, printed."""
    session.install(".", *_group("bench"))
    session.run("python", "benchmarks/diff.py", *session.posargs)
    session.run("python", "benchmarks/sync.py", *session.posargs)
    session.run("python", "benchmarks/verify.py")


@nox.session
def build(session: nox.Session) -> None:
    """The distributions, from a clean folder."""
    session.install("build", "twine")
    shutil.rmtree(Path("dist"), ignore_errors=True)
    session.run("python", "-m", "build")
    session.run("twine", "check", "--strict", "dist/*")
