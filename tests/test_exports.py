"""The public names: complete, sorted, and each understood in one sentence."""

from __future__ import annotations

import inspect
import runpy
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

import tieout

DOCS = Path(__file__).parent.parent / "docs"

names = SimpleNamespace(**runpy.run_path(str(DOCS / "names.py")))


def test_all_is_sorted_and_complete() -> None:
    """What is importable from the front door is what is promised, in order."""
    public = {
        name
        for name, value in vars(tieout).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    } - {"annotations"}
    assert sorted(tieout.__all__) == tieout.__all__
    assert public | {"__version__"} == set(tieout.__all__)


@pytest.mark.parametrize("module", names.GROUPS)
def test_every_public_name_is_listed(module: str) -> None:
    """The page of public names has all of them, each once; none that is not there."""
    listed = [name for _, group in names.grouped(module) for name, _ in group]
    assert sorted(listed) == sorted(names.public(module))
    assert all(hasattr(import_module(module), name) for name in listed)


@pytest.mark.parametrize(
    ("module", "name"),
    [(module, name) for module in names.GROUPS for name in names.public(module)],
)
def test_a_public_name_needs_one_sentence(module: str, name: str) -> None:
    """Its docstring begins with one, short enough for a line of the page."""
    assert names.described(module, name).endswith(".")


def test_a_method_of_the_engine_needs_one_sentence() -> None:
    """Each that may be called is listed with its arguments and what it does."""
    calls = dict(names.methods(tieout.Engine))
    public = {
        name
        for name, value in inspect.getmembers(tieout.Engine, inspect.isfunction)
        if not name.startswith("_")
    }
    assert {call.partition("(")[0] for call in calls} == public
    assert calls["answer(write, reply, by=)"].startswith("Say what came of a parked")


@pytest.mark.parametrize(
    "docstring",
    ["", "No full stop", "A list:\n\n- of things.", f"Too {'long ' * 30}."],
)
def test_a_docstring_that_is_no_sentence_is_refused(docstring: str) -> None:
    """The name is told, so that somebody can write it."""
    with pytest.raises(SystemExit, match=r"^tieout\.Thing: "):
        names.sentence("tieout.Thing", docstring)


SOURCE = '''\
from sys import path as where

PAIR, OTHER = 1, 2
"""Two numbers. They are small."""

BARE = 3
ALONE: int = 4


class Silent(dict):
    pass


def thing():
    """
    What a thing is
    in ``two`` lines. And more.
    """
'''


def test_a_docstring_is_a_names_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of a constant stands behind it; that of a parent is not inherited."""
    (tmp_path / "a_module_of_names.py").write_text(SOURCE)
    (tmp_path / "a_door_to_names.py").write_text(
        "from a_module_of_names import OTHER, thing as same\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = "a_module_of_names"
    assert names.described(own, "PAIR") == "Two numbers."
    assert names.described(own, "thing") == "What a thing is in `two` lines."
    assert names.described("a_door_to_names", "OTHER") == "Two numbers."
    assert names.described("a_door_to_names", "same").startswith("What a thing")
    for name in ("BARE", "ALONE", "Silent", "absent"):
        with pytest.raises(SystemExit, match=rf"{own}\.{name}: "):
            names.described(own, name)
    with pytest.raises(SystemExit, match="no module"):
        names.described("a_module_that_is_not_there", "thing")


def test_version_is_the_packages() -> None:
    """One version, kept in one place."""
    assert tieout.__version__ == version("tieout")
    with pytest.raises(AttributeError, match="no attribute nothing"):
        tieout.nothing  # noqa: B018
