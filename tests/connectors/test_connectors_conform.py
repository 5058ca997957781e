"""Each vendor's connector against its fake: every check of the conformance kit."""

from __future__ import annotations

import re

import pytest
from benches import BENCHES

from tieout.testing.conformance import conformance

CLASSES = {
    f"Test{re.sub('[^A-Za-z0-9]', '', name.title())}": make
    for name, make in BENCHES.items()
}
globals().update({name: conformance(make) for name, make in CLASSES.items()})


@pytest.mark.parametrize("name", CLASSES)
def test_a_connector_has_its_class(name: str) -> None:
    """Whatever has a bench is checked here, each under a name of its own."""
    assert name in globals()
    assert len(CLASSES) == len(BENCHES)
