"""Each vendor's connector against its fake: every check of the conformance kit."""

from __future__ import annotations

import pytest
from benches import BENCHES

from tieout.testing.conformance import conformance

globals().update({f"Test{name}": conformance(make) for name, make in BENCHES.items()})


@pytest.mark.parametrize("name", BENCHES)
def test_a_connector_has_its_class(name: str) -> None:
    """Whatever has a bench is checked here."""
    assert f"Test{name}" in globals()
