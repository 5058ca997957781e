"""The public names: complete, sorted, documented."""

from __future__ import annotations

import inspect
from importlib.metadata import version

import pytest

import tieout


def test_all_is_sorted_and_complete() -> None:
    """What is importable from the front door is what is promised, in order."""
    public = {
        name
        for name, value in vars(tieout).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    } - {"annotations"}
    assert sorted(tieout.__all__) == tieout.__all__
    assert public | {"__version__"} == set(tieout.__all__)


@pytest.mark.parametrize("name", [n for n in tieout.__all__ if n[0].isupper()])
def test_public_names_are_documented(name: str) -> None:
    """Each public class says what it is."""
    value = getattr(tieout, name)
    assert not inspect.isclass(value) or inspect.getdoc(value)


def test_version_is_the_packages() -> None:
    """One version, kept in one place."""
    assert tieout.__version__ == version("tieout")
    with pytest.raises(AttributeError, match="no attribute nothing"):
        tieout.nothing  # noqa: B018
